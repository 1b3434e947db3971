/* What a protocol may ask of the world: randomness, the wall time, buffers, the crypto door and a
 * place for log lines. Not the clock (it is an argument), no socket, no file. One struct env serves
 * all layers of a connection; it is borrowed for their life. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pkt_pool;
struct crypto;
struct log;

struct env {
	void (*rng)(void *ctx, void *to, size_t n); /* cannot fail; the simulation gives a seed's */
	int64_t (*wall)(void *ctx);                 /* seconds since 1970, for certificates only */
	void *ctx;
	struct pkt_pool *pool;
	struct crypto *crypto;
	struct log *log;
};

static inline void env_random(const struct env *env, void *to, size_t n)
{
	env->rng(env->ctx, to, n);
}

static inline uint32_t env_random_u32(const struct env *env)
{
	uint32_t v;

	env_random(env, &v, sizeof(v));
	return v;
}

static inline uint16_t env_random_u16(const struct env *env)
{
	return (uint16_t)env_random_u32(env);
}

/* Never 0: ids and magic numbers for which 0 means "none". */
static inline uint16_t env_random_id16(const struct env *env)
{
	uint16_t id;

	do
		id = env_random_u16(env);
	while (id == 0);
	return id;
}

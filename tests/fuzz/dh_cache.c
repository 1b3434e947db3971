/* Diffie-Hellman for targets that repeat the same handshakes a million times: link with
 * --wrap=dh_new, dh_free and dh_agree. The randomness of a target begins anew with every input, so
 * the same private values come again and again; what was computed once is kept. Values that an
 * input has changed are computed by the real functions, checks and all. */
#include <stdlib.h>
#include <string.h>

#include "base/crypto_dh.h"
#include "tests/fuzz/fuzz.h"

enum { PRIVATE = 32, PRIVATES = 64, AGREED = 256 };

struct private_value {
	enum dh_group group;
	uint8_t x[PRIVATE];
	struct dh *dh;
};

struct agreed {
	const struct dh *dh;
	uint8_t peer[DH_PUBLIC_MAX], secret[DH_SECRET_MAX];
	size_t peer_len;
	bool allowed;
};

static struct private_value privates[PRIVATES];
static struct agreed agreed[AGREED];

bool __real_dh_agree(const struct dh *dh, struct slice peer, uint8_t *to);
void __real_dh_free(struct dh *dh);
struct dh *__wrap_dh_new(const struct env *env, enum dh_group group);
bool __wrap_dh_agree(const struct dh *dh, struct slice peer, uint8_t *to);
void __wrap_dh_free(struct dh *dh);

static uint32_t mix(struct slice s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 16777619u;
	return h;
}

struct dh *__wrap_dh_new(const struct env *env, enum dh_group group)
{
	uint8_t x[PRIVATE];

	env_random(env, x, sizeof(x));
	struct private_value *at = &privates[mix(slice(x, sizeof(x))) % PRIVATES];
	if (!at->dh || at->group != group || memcmp(at->x, x, sizeof(x)) != 0) {
		/* The former tenant may still be in use: it stays, and its place is lost. */
		if (at->dh)
			return dh_of(env->crypto, group, slice(x, sizeof(x)));
		at->dh = dh_of(env->crypto, group, slice(x, sizeof(x)));
		at->group = group;
		memcpy(at->x, x, sizeof(x));
	}
	return at->dh;
}

void __wrap_dh_free(struct dh *dh)
{
	for (size_t i = 0; i < PRIVATES; i++)
		if (dh == privates[i].dh)
			return;
	for (size_t i = 0; i < AGREED; i++)
		if (dh == agreed[i].dh)
			agreed[i].dh = NULL;
	__real_dh_free(dh);
}

bool __wrap_dh_agree(const struct dh *dh, struct slice peer, uint8_t *to)
{
	struct agreed *at = &agreed[(mix(peer) ^ mix(dh_public(dh))) % AGREED];

	if (peer.n > sizeof(at->peer))
		return __real_dh_agree(dh, peer, to);
	if (at->dh != dh || !slice_equal(slice(at->peer, at->peer_len), peer)) {
		at->dh = dh;
		at->peer_len = peer.n;
		if (peer.n)
			memcpy(at->peer, peer.p, peer.n);
		memset(at->secret, 0, sizeof(at->secret));
		at->allowed = __real_dh_agree(dh, peer, at->secret);
	}
	size_t n = dh_public(dh).n; /* no secret is longer than a public value */
	if (at->allowed)
		memcpy(to, at->secret, n == 64 || n == 96 || n == 132 ? n / 2 : n);
	return at->allowed;
}

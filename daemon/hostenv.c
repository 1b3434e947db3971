#include "daemon/hostenv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "base/crypto.h"
#include "base/pkt.h"

/* getrandom() can only be interrupted; a kernel that has no randomness has no business here. */
static void host_rng(void *ctx, void *to, size_t n)
{
	uint8_t *at = to;

	(void)ctx;
	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno != EINTR)
			abort();
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
}

static int64_t host_wall(void *ctx)
{
	(void)ctx;
	return time(NULL);
}

struct env *host_env_new(struct log *log)
{
	struct env *env = calloc(1, sizeof(*env));

	if (!env)
		return NULL;
	*env = (struct env){
		.rng = host_rng,
		.wall = host_wall,
		.pool = pkt_pool_new(),
		.crypto = crypto_new(),
		.log = log,
	};
	if (!env->pool || !env->crypto) {
		host_env_free(env);
		return NULL;
	}
	return env;
}

void host_env_free(struct env *env)
{
	if (!env)
		return;
	pkt_pool_free(env->pool);
	crypto_free(env->crypto);
	free(env);
}

uint64_t host_netns(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/net", &st) == 0 ? st.st_ino : 0;
}

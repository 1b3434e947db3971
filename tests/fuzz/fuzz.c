#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* splitmix64 */
static void repeatable(void *ctx, void *to, size_t n)
{
	uint64_t *state = ctx;
	uint8_t *at = to;

	for (size_t i = 0; i < n; i++) {
		uint64_t z = *state += 0x9e3779b97f4a7c15u;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		at[i] = (uint8_t)(z >> 56);
	}
}

static int64_t some_day(void *ctx)
{
	(void)ctx;
	return 1790000000;
}

bool fuzz_next(struct rd *input, struct slice *record)
{
	if (rd_left(input) < 2)
		return false;
	size_t want = rd_u16(input), left = rd_left(input);

	*record = rd_take(input, want < left ? want : left);
	return true;
}

__attribute__((no_sanitize("coverage"))) bool fuzz_contains(struct slice octets, struct slice what)
{
	for (size_t i = 0; what.n && i + what.n <= octets.n; i++) {
		size_t same = 0;

		while (same < what.n && octets.p[i + same] == what.p[same])
			same++;
		if (same == what.n)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t state;
	static struct env env = {.rng = repeatable, .wall = some_day, .ctx = &state};

	if (!env.crypto) {
		env.crypto = crypto_new();
		env.pool = pkt_pool_new();
		fuzz_require(env.crypto && env.pool);
	}
	uint8_t *exact = malloc(size);
	fuzz_require(exact);
	if (size)
		memcpy(exact, data, size);
	state = 1;
	fuzz_one(&env, slice(exact, size));
	free(exact);
	fuzz_require(pkt_pool_live(env.pool) == 0);
	return 0;
}

/* base/crypto*: what each check keeps out, where no other test would miss it (./dev mutate). */
#include "tests/unit/leftovers.h"
#include "tests/vectors/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/crypto_dh.h"
#include "base/crypto_esp.h"

/* OpenSSL without its legacy provider, as on a host that ships none. */
static void a_hash_that_is_not_there_is_not_another(void **state)
{
	(void)state;
	const struct slice parts[] = {slice_str("abc")};
	uint8_t before[HASH_MAX], after[HASH_MAX] = {0};

	setenv("OPENSSL_MODULES", "/nonexistent", 1);
	struct crypto *c = crypto_new();
	unsetenv("OPENSSL_MODULES");

	assert_non_null(c);
	assert_false(crypto_has_hash(c, HASH_MD4));
	assert_true(crypto_hash(c, HASH_SHA1, parts, 1, before));
	assert_false(crypto_hash(c, HASH_MD4, parts, 1, after));
	crypto_free(c);
}

static void nothing_but_zeros(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0, n);
}

static void a_broken_source_of_randomness_gives_no_trivial_key(void **state)
{
	(void)state;
	struct env *env = test_env_new(1);
	void (*rng)(void *, void *, size_t) = env->rng;
	uint8_t one[DH_PUBLIC_MAX] = {0};

	env->rng = nothing_but_zeros;
	struct dh *dh = dh_new(env, DH_MODP2048);
	assert_non_null(dh);
	one[255] = 1;
	assert_false(slice_equal(dh_public(dh), slice(one, 256)));
	assert_null(dh_new(env, DH_ECP256));
	dh_free(dh);
	env->rng = rng;
	test_env_free(env);
}

static void no_octet_of_a_packet_may_change(struct crypto *c, const struct esp_suite *suite)
{
	enum { LEN = 8 + 8 + 32 + 16 };
	static const uint8_t key[ESP_KEY_MAX] = "0123456789abcdefghijklmnopqrstuvwxyz";
	static const uint8_t auth[ESP_AUTH_KEY_MAX] = "any";
	struct crypto_esp *seal = crypto_esp_new(c, suite, key, auth, CRYPTO_ESP_SEAL);
	struct crypto_esp *open = crypto_esp_new(c, suite, key, auth, CRYPTO_ESP_OPEN);
	uint8_t packet[LEN], changed[LEN];
	struct crypto_esp_job job = {.packet = packet, .len = LEN};

	for (size_t i = 0; i < LEN; i++)
		packet[i] = (uint8_t)i;
	crypto_esp_seal(seal, &job, 1);
	assert_int_equal(job.result, CRYPTO_ESP_OK);
	for (size_t i = 0; i < LEN; i++) {
		memcpy(changed, packet, LEN);
		changed[i] ^= 1;
		job.packet = changed;
		crypto_esp_open(open, &job, 1);
		assert_int_equal(job.result, CRYPTO_ESP_FORGED);
	}
	crypto_esp_free(seal);
	crypto_esp_free(open);
}

static void a_changed_packet_is_forged_with_either_library(void **state)
{
	(void)state;
	static const struct esp_suite gcm = {ESP_AES_GCM, 32, HASH_MD4, 16};
	struct crypto *c = crypto_new();

	no_octet_of_a_packet_may_change(c, &gcm);
	crypto_esp_without_mb(c);
	no_octet_of_a_packet_may_change(c, &gcm);
	crypto_free(c);
}

static void the_salt_is_gone_when_an_sa_is_freed(void **state)
{
	(void)state;
	static const struct esp_suite gcm = {ESP_AES_GCM, 32, HASH_MD4, 16};
	static const uint8_t key[ESP_KEY_MAX] = "0123456789abcdefghijklmnopqrstuvSALT";
	struct crypto *c = crypto_new();

	leftovers_watch(slice_str("SALT"));
	crypto_esp_free(crypto_esp_new(c, &gcm, key, NULL, CRYPTO_ESP_SEAL));
	crypto_free(c);
	assert_int_equal(leftovers_freed(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hash_that_is_not_there_is_not_another),
		cmocka_unit_test(a_broken_source_of_randomness_gives_no_trivial_key),
		cmocka_unit_test(a_changed_packet_is_forged_with_either_library),
		cmocka_unit_test(the_salt_is_gone_when_an_sa_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

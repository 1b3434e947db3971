/* base/crypto.c and base/crypto_dh.c: hashes, HMAC, CBC, DES against the RFCs' samples; every
 * Diffie-Hellman group both ways, and the values a peer must not send. */
#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/crypto_dh.h"
#include "base/str.h"

enum { OCTETS_MAX = 1024 };

struct octets {
	uint8_t b[OCTETS_MAX];
	size_t n;
};

static struct octets hex(const char *text)
{
	struct octets o;

	assert_true(str_unhex(text, o.b, sizeof(o.b), &o.n));
	return o;
}

static struct slice of(const struct octets *o)
{
	return slice(o->b, o->n);
}

static int setup(void **state)
{
	*state = test_env_new(1);
	return 0;
}

static int teardown(void **state)
{
	test_env_free(*state);
	return 0;
}

/* RFC 1320, 1321, FIPS 180-4. */
static void hashes_give_the_published_digest_of_abc(void **state)
{
	static const char *const want[HASHES] = {
		"a448017aaf21d8525fc10ae87aa6729d",
		"900150983cd24fb0d6963f7d28e17f72",
		"a9993e364706816aba3e25717850c26c9cd0d89d",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358"
		"baec"
		"a134c825a7",
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836"
		"ba3c"
		"23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	};
	const struct slice parts[] = {slice_str("a"), slice_str(""), slice_str("bc")};
	const struct env *env = *state;
	uint8_t got[HASH_MAX];

	for (enum hash h = 0; h < HASHES; h++) {
		struct octets digest = hex(want[h]);

		if (h == HASH_MD4 && !crypto_has_hash(env->crypto, h))
			continue; /* a system without the legacy provider */
		assert_true(crypto_hash(env->crypto, h, parts, 3, got));
		assert_slice(slice(got, hash_len(h)), of(&digest));
	}
}

/* RFC 2202 and 4231: test case 2, and a key longer than the block. */
static void hmac_gives_the_published_samples(void **state)
{
	static const struct {
		enum hash hash;
		size_t long_key;
		const char *jefe;
		const char *larger;
	} rows[] = {
		{HASH_MD5, 80, "750c783e6ab0b503eaa86e310a5db738",
			"6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"},
		{HASH_SHA1, 80, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
			"aa4ae5e15272d00e95705637ce8a3b55ed402112"},
		{HASH_SHA256, 131,
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{HASH_SHA384, 131,
			"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e"
			"69e2c78b"
			"3239ecfab21649",
			"4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab40"
			"30fe8296"
			"248df163f44952"},
		{HASH_SHA512, 131,
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c0"
			"5a994a6d"
			"034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
			"80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e0"
			"5f2598bd"
			"0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
	};
	const struct slice split[] = {slice_str("what do ya want "), slice_str("for nothing?")};
	const struct slice whole =
		slice_str("Test Using Larger Than Block-Size Key - Hash Key First");
	const struct env *env = *state;
	uint8_t key[131], got[HASH_MAX];

	memset(key, 0xaa, sizeof(key));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct octets jefe = hex(rows[i].jefe), larger = hex(rows[i].larger);
		size_t n = hash_len(rows[i].hash);

		assert_true(
			crypto_hmac(env->crypto, rows[i].hash, slice_str("Jefe"), split, 2, got));
		assert_slice(slice(got, n), of(&jefe));
		assert_true(crypto_hmac(
			env->crypto, rows[i].hash, slice(key, rows[i].long_key), &whole, 1, got));
		assert_slice(slice(got, n), of(&larger));
	}
}

/* An IKE peer may have an empty pre-shared key or nonce part; HMAC of nothing under nothing. */
static void hmac_takes_an_empty_key_and_no_parts(void **state)
{
	struct octets want = hex("fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
	const struct env *env = *state;
	uint8_t got[HASH_MAX];

	assert_true(crypto_hmac(env->crypto, HASH_SHA1, slice(NULL, 0), NULL, 0, got));
	assert_slice(slice(got, 20), of(&want));
}

/* SP 800-38A, F.2: encrypt, then decrypt in place; the IV is left alone. */
static void cbc_gives_the_published_samples_both_ways(void **state)
{
	static const struct {
		const char *key;
		const char *cipher;
	} rows[] = {
		{"2b7e151628aed2a6abf7158809cf4f3c",
			"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
			"4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
			"f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"},
	};
	const struct octets iv = hex("000102030405060708090a0b0c0d0e0f");
	const struct octets plain =
		hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
	const struct env *env = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct octets key = hex(rows[i].key), want = hex(rows[i].cipher), data = plain;
		struct octets used = iv;

		assert_true(crypto_cbc(
			env->crypto, CBC_AES, CBC_ENCRYPT, of(&key), used.b, data.b, data.n));
		assert_slice(of(&data), of(&want));
		assert_true(crypto_cbc(
			env->crypto, CBC_AES, CBC_DECRYPT, of(&key), used.b, data.b, data.n));
		assert_slice(of(&data), of(&plain));
		assert_slice(of(&used), of(&iv));
	}
}

static void cbc_of_3des_opens_the_esp_vector(void **state)
{
	const struct env *env = *state;
	struct vectors *v = vectors_open("esp.txt");
	const char *section = "3DES-CBC + HMAC-SHA1-96";
	struct slice packet = vec(v, section, "packet_icv12");
	struct slice want = vec(v, section, "plaintext_with_trailer");
	uint8_t data[64];

	memcpy(data, packet.p + 16, want.n);
	assert_true(crypto_cbc(env->crypto, CBC_3DES, CBC_DECRYPT, vec(v, section, "enc_key"),
		packet.p + 8, data, want.n));
	assert_slice(slice(data, want.n), want);
	vectors_close(v);
}

static void cbc_refuses_lengths_and_keys_that_do_not_fit(void **state)
{
	static const uint8_t key[33], iv[16];
	const struct env *env = *state;
	uint8_t data[32] = {0};

	for (size_t n = 1; n < sizeof(data); n++)
		assert_int_equal(
			crypto_cbc(env->crypto, CBC_AES, CBC_ENCRYPT, slice(key, 16), iv, data, n),
			n % 16 == 0);
	for (size_t n = 0; n <= sizeof(key); n++) {
		assert_int_equal(
			crypto_cbc(env->crypto, CBC_AES, CBC_ENCRYPT, slice(key, n), iv, data, 16),
			n == 16 || n == 24 || n == 32);
		assert_int_equal(
			crypto_cbc(env->crypto, CBC_3DES, CBC_ENCRYPT, slice(key, n), iv, data, 16),
			n == 24);
	}
	assert_true(crypto_cbc(env->crypto, CBC_AES, CBC_DECRYPT, slice(key, 16), iv, data, 0));
}

static void des_gives_the_textbook_block_and_ignores_parity(void **state)
{
	struct octets key = hex("133457799bbcdff1"), in = hex("0123456789abcdef");
	struct octets want = hex("85e813540f0ab405");
	const struct env *env = *state;
	uint8_t out[8];

	if (!crypto_has_hash(env->crypto, HASH_MD4))
		skip(); /* a system without the legacy provider */
	for (unsigned parity = 0; parity < 2; parity++) {
		assert_true(crypto_des(env->crypto, key.b, in.b, out));
		assert_slice(slice(out, 8), of(&want));
		key.b[3] ^= 1;
	}
}

/* ---- Diffie-Hellman ---- */

static const enum dh_group groups[] = {DH_MODP1024, DH_MODP1536, DH_MODP2048, DH_MODP3072,
	DH_MODP4096, DH_ECP256, DH_ECP384, DH_ECP521, DH_CURVE25519};

enum { GROUPS = sizeof(groups) / sizeof(groups[0]) };

static bool is_modp(enum dh_group group)
{
	return group <= DH_MODP4096;
}

static bool agrees(const struct dh *dh, struct slice peer)
{
	uint8_t secret[DH_SECRET_MAX];

	return dh_agree(dh, peer, secret);
}

static void assert_agreement(const struct env *env, enum dh_group group, struct slice private_value,
	struct slice own, struct slice peer, struct slice shared)
{
	struct dh *dh = dh_of(env->crypto, group, private_value);
	uint8_t secret[DH_SECRET_MAX];

	assert_non_null(dh);
	assert_slice(dh_public(dh), own);
	assert_true(dh_agree(dh, peer, secret));
	assert_slice(slice(secret, dh_secret_len(group)), shared);
	dh_free(dh);
}

static void curves_give_the_vectors_both_ways(void **state)
{
	static const struct {
		enum dh_group group;
		const char *name;
	} rows[] = {
		{DH_ECP256, "g19"}, {DH_ECP384, "g20"}, {DH_ECP521, "g21"}, {DH_CURVE25519, "g31"}};
	struct vectors *v = vectors_open("ike_misc.txt");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice value[5];
		static const char *const keys[] = {"priv_i", "priv_r", "ke_i", "ke_r", "shared"};

		for (size_t k = 0; k < 5; k++) {
			char key[32];

			snprintf(key, sizeof(key), "%s_%s", rows[i].name, keys[k]);
			value[k] = vec(v, "ECP groups", key);
		}
		assert_agreement(*state, rows[i].group, value[0], value[2], value[3], value[4]);
		assert_agreement(*state, rows[i].group, value[1], value[3], value[2], value[4]);
	}
	vectors_close(v);
}

static void modp_gives_the_main_mode_vectors_both_ways(void **state)
{
	static const struct {
		enum dh_group group;
		const char *file;
	} rows[] = {{DH_MODP1024, "ikev1_psk_sha1_aes128_g2.txt"},
		{DH_MODP2048, "ikev1_psk_sha256_aes256_g14_nat.txt"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vectors *v = vectors_open(rows[i].file);
		struct slice xi = vec(v, "", "g_xi"), xr = vec(v, "", "g_xr");
		struct slice shared = vec(v, "", "g_xy");

		assert_agreement(*state, rows[i].group, vec(v, "", "dh_private_i"), xi, xr, shared);
		assert_agreement(*state, rows[i].group, vec(v, "", "dh_private_r"), xr, xi, shared);
		vectors_close(v);
	}
}

static void two_fresh_ends_of_every_group_agree(void **state)
{
	for (size_t i = 0; i < GROUPS; i++) {
		struct dh *a = dh_new(*state, groups[i]), *b = dh_new(*state, groups[i]);
		uint8_t ab[DH_SECRET_MAX], ba[DH_SECRET_MAX];

		assert_non_null(a);
		assert_non_null(b);
		assert_int_equal(dh_public(a).n, dh_public_len(groups[i]));
		assert_false(slice_equal(dh_public(a), dh_public(b)));
		assert_true(dh_agree(a, dh_public(b), ab));
		assert_true(dh_agree(b, dh_public(a), ba));
		assert_memory_equal(ab, ba, dh_secret_len(groups[i]));
		dh_free(a);
		dh_free(b);
	}
}

static void the_same_seed_gives_the_same_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < GROUPS; i++) {
		struct env *env[2] = {test_env_new(77), test_env_new(77)};
		struct dh *a = dh_new(env[0], groups[i]), *b = dh_new(env[1], groups[i]);

		assert_slice(dh_public(a), dh_public(b));
		dh_free(a);
		dh_free(b);
		test_env_free(env[0]);
		test_env_free(env[1]);
	}
}

static void a_public_value_of_the_wrong_length_is_refused(void **state)
{
	for (size_t i = 0; i < GROUPS; i++) {
		struct dh *dh = dh_new(*state, groups[i]), *peer = dh_new(*state, groups[i]);
		size_t n = dh_public_len(groups[i]);
		uint8_t value[DH_PUBLIC_MAX + 1] = {0};

		memcpy(value + 1, dh_public(peer).p, n);
		assert_true(agrees(dh, slice(value + 1, n)));
		assert_false(agrees(dh, slice(value, n + 1)));
		assert_false(agrees(dh, slice(value + 1, n - 1)));
		assert_false(agrees(dh, slice(value + 1, 0)));
		dh_free(dh);
		dh_free(peer);
	}
}

static void a_public_value_without_its_leading_zeros_is_made_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < GROUPS; i++) {
		size_t n = dh_public_len(groups[i]), most = is_modp(groups[i]) ? 8 : 0;
		uint8_t sent[DH_PUBLIC_MAX + 1], whole[DH_PUBLIC_MAX];

		memset(sent, 0xa5, sizeof(sent));
		for (size_t missing = 0; missing <= 9; missing++) {
			bool made = dh_public_pad(groups[i], slice(sent, n - missing), whole);

			assert_int_equal(made, missing <= most);
			for (size_t at = 0; made && at < n; at++)
				assert_int_equal(whole[at], at < missing ? 0 : 0xa5);
		}
		assert_false(dh_public_pad(groups[i], slice(sent, n + 1), whole));
		assert_false(dh_public_pad(groups[i], slice(sent, 0), whole));
	}
	assert_false(dh_public_pad(DH_NONE, slice("", 0), (uint8_t[DH_PUBLIC_MAX]){0}));
}

/* Big endian number + d, in place. */
static void add(uint8_t *number, size_t n, int d)
{
	for (int carry = d; n-- > 0 && carry;) {
		int v = number[n] + carry;

		number[n] = (uint8_t)v;
		carry = v > 255 ? 1 : v < 0 ? -1 : 0;
	}
}

/* RFC 2412, appendix E's trivial subgroups: 0, 1, p - 1, and what is no residue: p, p + 1. */
static void modp_refuses_0_1_and_everything_from_p_minus_1(void **state)
{
	struct vectors *v = vectors_open("ike_misc.txt");

	for (size_t i = 0; i < GROUPS && is_modp(groups[i]); i++) {
		struct dh *dh = dh_new(*state, groups[i]);
		size_t n = dh_public_len(groups[i]);
		uint8_t value[DH_PUBLIC_MAX] = {0};
		char key[32];

		assert_false(agrees(dh, slice(value, n)));
		add(value, n, 1);
		assert_false(agrees(dh, slice(value, n)));
		add(value, n, 1);
		assert_true(agrees(dh, slice(value, n))); /* 2 is the generator */

		snprintf(key, sizeof(key), "group_%d_prime", groups[i]);
		struct slice prime = vec(v, "MODP", key);
		assert_int_equal(prime.n, n);
		for (int d = -2; d <= 1; d++) {
			memcpy(value, prime.p, n);
			add(value, n, d);
			assert_int_equal(agrees(dh, slice(value, n)), d == -2);
		}
		memset(value, 0xff, n);
		assert_false(agrees(dh, slice(value, n)));
		dh_free(dh);
	}
	vectors_close(v);
}

static void curves_refuse_points_off_the_curve(void **state)
{
	for (size_t i = 0; i < GROUPS; i++) {
		size_t n = dh_public_len(groups[i]);
		struct dh *dh, *peer;
		uint8_t value[DH_PUBLIC_MAX] = {0};

		if (is_modp(groups[i]) || groups[i] == DH_CURVE25519)
			continue;
		dh = dh_new(*state, groups[i]);
		peer = dh_new(*state, groups[i]);
		assert_false(agrees(dh, slice(value, n)));
		memset(value, 0xff, n);
		assert_false(agrees(dh, slice(value, n)));
		for (size_t bit = 0; bit < 8; bit++) {
			memcpy(value, dh_public(peer).p, n);
			value[n - 1 - bit] ^= (uint8_t)(1 << bit);
			assert_false(agrees(dh, slice(value, n)));
		}
		dh_free(dh);
		dh_free(peer);
	}
}

/* SP 800-56A, 5.6.2.3.3: coordinates are below p. Only ECP521 has room for a larger one. */
static void curves_refuse_coordinates_that_are_not_reduced(void **state)
{
	struct dh *dh = dh_new(*state, DH_ECP521), *peer = dh_new(*state, DH_ECP521);
	uint8_t value[132];

	for (size_t at = 0; at < 132; at += 66) {
		memcpy(value, dh_public(peer).p, sizeof(value));
		value[at] = (uint8_t)(value[at] + 2); /* + 2^521 */
		add(value + at, 66, -1);              /* - 1: together + p */
		assert_false(agrees(dh, slice(value, sizeof(value))));
	}
	dh_free(dh);
	dh_free(peer);
}

/* RFC 7748, 6.1: points of small order give zero. */
static void curve25519_refuses_an_all_zero_secret(void **state)
{
	struct octets order8 =
		hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
	struct dh *dh = dh_new(*state, DH_CURVE25519);
	uint8_t value[32] = {0};

	assert_false(agrees(dh, slice(value, 32)));
	value[0] = 1;
	assert_false(agrees(dh, slice(value, 32)));
	assert_false(agrees(dh, of(&order8)));
	value[0] = 9;
	assert_true(agrees(dh, slice(value, 32)));
	dh_free(dh);
}

static void groups_that_we_do_not_have_are_none(void **state)
{
	const struct env *env = *state;
	static const uint8_t x[96] = {1};

	for (int g = 0; g < 64; g++) {
		bool known = false;

		for (size_t i = 0; i < GROUPS; i++)
			known |= (int)groups[i] == g;
		assert_int_equal(dh_public_len((enum dh_group)g) > 0, known);
		assert_int_equal(dh_secret_len((enum dh_group)g) > 0, known);
		if (!known) {
			assert_null(dh_new(env, (enum dh_group)g));
			assert_null(dh_of(env->crypto, (enum dh_group)g, slice(x, sizeof(x))));
		}
	}
	dh_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			hashes_give_the_published_digest_of_abc, setup, teardown),
		cmocka_unit_test_setup_teardown(hmac_gives_the_published_samples, setup, teardown),
		cmocka_unit_test_setup_teardown(
			hmac_takes_an_empty_key_and_no_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(
			cbc_gives_the_published_samples_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(cbc_of_3des_opens_the_esp_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(
			cbc_refuses_lengths_and_keys_that_do_not_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(
			des_gives_the_textbook_block_and_ignores_parity, setup, teardown),
		cmocka_unit_test_setup_teardown(curves_give_the_vectors_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(
			modp_gives_the_main_mode_vectors_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(
			two_fresh_ends_of_every_group_agree, setup, teardown),
		cmocka_unit_test(the_same_seed_gives_the_same_key),
		cmocka_unit_test_setup_teardown(
			a_public_value_of_the_wrong_length_is_refused, setup, teardown),
		cmocka_unit_test(a_public_value_without_its_leading_zeros_is_made_whole),
		cmocka_unit_test_setup_teardown(
			modp_refuses_0_1_and_everything_from_p_minus_1, setup, teardown),
		cmocka_unit_test_setup_teardown(
			curves_refuse_points_off_the_curve, setup, teardown),
		cmocka_unit_test_setup_teardown(
			curves_refuse_coordinates_that_are_not_reduced, setup, teardown),
		cmocka_unit_test_setup_teardown(
			curve25519_refuses_an_all_zero_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(
			groups_that_we_do_not_have_are_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

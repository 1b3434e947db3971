/* base/crypto_dh.c: which values of a peer's are taken, for every group: the corners of MODP, points
 * off the curve by arithmetic, points of small order, every length. */
#include "tests/unit/values.h"

#include <stdio.h>
#include <string.h>

#include "base/crypto_dh.h"
#include "base/str.h"

static const enum dh_group modp[] = {
	DH_MODP1024, DH_MODP1536, DH_MODP2048, DH_MODP3072, DH_MODP4096};
static const enum dh_group all[] = {DH_MODP1024, DH_MODP1536, DH_MODP2048, DH_MODP3072, DH_MODP4096,
	DH_ECP256, DH_ECP384, DH_ECP521, DH_CURVE25519};

enum { MODP = sizeof(modp) / sizeof(modp[0]), ALL = sizeof(all) / sizeof(all[0]) };

/* A curve y^2 = x^3 - 3x + b has the point (0, root of b). FIPS 186-4, D.1.2. */
static const struct curve {
	enum dh_group group;
	size_t n; /* octets of a coordinate */
	const char *prime, *root;
} curves[] = {
	{DH_ECP256, 32, "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
		"66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4"},
	{DH_ECP384, 48,
		"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"
		"ffffffff0000000000000000ffffffff",
		"c306610fb0ae5a159cf45c06069f22a6c5eb3641c602d42dea2c4b4f75550793"
		"406d80d2b91ad54f9048bd487af1ade1"},
	{DH_ECP521, 66,
		"01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"ffff",
		"012df13601594a883ef2d935e44bb90bf4d6619b74e52af7552f97769011c071"
		"9eb439cfab2a88d40fe59a2bed1f43557169a2d0a2ccd280c607b92bbf51ffe0"
		"b078"},
};

enum { CURVES = sizeof(curves) / sizeof(curves[0]) };

static struct env *env;

static int setup(void **state)
{
	(void)state;
	env = test_env_new(23);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_env_free(env);
	return 0;
}

static void unhex(const char *text, uint8_t *to, size_t n)
{
	size_t len;

	assert_true(str_unhex(text, to, n, &len));
	assert_int_equal(len, n);
}

static bool agrees(const struct dh *dh, const uint8_t *value, size_t n)
{
	uint8_t secret[DH_SECRET_MAX];

	return dh_agree(dh, slice(value, n), secret);
}

/* Big endian number + d. */
static void add(uint8_t *number, size_t n, int d)
{
	for (int carry = d; n-- > 0 && carry;) {
		int v = number[n] + carry;

		number[n] = (uint8_t)v;
		carry = v >> 8;
	}
}

/* to = a - b, big endian. */
static void subtract(const uint8_t *a, const uint8_t *b, size_t n, uint8_t *to)
{
	for (int borrow = 0; n-- > 0;) {
		int v = a[n] - b[n] - borrow;

		to[n] = (uint8_t)v;
		borrow = v < 0;
	}
}

/* 1 < y < p - 1, in as many octets as p has: the rest makes the secret one of very few, or is no
 * number of the group. RFC 2412, appendix E. */
static void modp_takes_2_to_p_minus_2(void **state)
{
	struct tally t = {.what = "DH values of MODP groups"};
	struct vectors *v = vectors_open("ike_misc.txt");

	(void)state;
	for (size_t i = 0; i < MODP; i++) {
		size_t n = dh_public_len(modp[i]);
		struct dh *dh = dh_new(env, modp[i]);
		uint8_t value[DH_PUBLIC_MAX];
		char key[32];

		snprintf(key, sizeof(key), "group_%d_prime", modp[i]);
		struct slice prime = vec(v, "MODP", key);
		assert_int_equal(prime.n, n);
		for (int d = -4; d <= 4096; d++) {
			memcpy(value, prime.p, n);
			add(value, n, d);
			judge(&t, agrees(dh, value, n), d <= -2, "p +", (unsigned long)d);
		}
		for (int small = 0; small < 8; small++) {
			memset(value, 0, n);
			value[n - 1] = (uint8_t)small;
			judge(&t, agrees(dh, value, n), small >= 2, "value", (unsigned long)small);
		}
		memset(value, 0xff, n);
		judge(&t, agrees(dh, value, n), false, "2^n - 1 of group", modp[i]);
		judge(&t, agrees(dh, dh_public(dh).p, n), true, "own value of group", modp[i]);
		dh_free(dh);
	}
	vectors_close(v);
	figure(&t, MODP * (3 + 6 + 1));
}

/* A length other than the group's; short by leading zeros only where a peer does that. */
static void a_value_of_another_length_is_refused(void **state)
{
	struct tally t = {.what = "lengths of DH values"};
	struct tally padded = {.what = "lengths of DH values whose leading zeros are left out"};

	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		size_t n = dh_public_len(all[i]);
		bool is_modp = i < MODP;
		struct dh *dh = dh_new(env, all[i]), *peer = dh_new(env, all[i]);
		uint8_t value[DH_PUBLIC_MAX + 8], whole[DH_PUBLIC_MAX];

		memset(value, 0x5a, sizeof(value));
		memcpy(value, dh_public(peer).p, n);
		for (size_t len = 0; len <= n + 8; len++) {
			judge(&t, agrees(dh, value, len), len == n, "length", len);
			judge(&padded, dh_public_pad(all[i], slice(value, len), whole),
				is_modp ? len >= n - 8 && len <= n : len == n, "length", len);
		}
		dh_free(dh);
		dh_free(peer);
	}
	figure(&t, ALL);
	figure(&padded, MODP * 9 + ALL - MODP);
}

/* Every bit of a point changed; y in a row; the points (x, 0) of order 2 on another curve; random
 * ones. All satisfy the equation of a curve with another b, where small orders abound. */
static void ecp_refuses_points_off_the_curve(void **state)
{
	struct tally t = {.what = "points off the curves ecp256, ecp384, ecp521"};

	(void)state;
	for (size_t i = 0; i < CURVES; i++) {
		size_t n = curves[i].n;
		struct dh *dh = dh_new(env, curves[i].group), *peer = dh_new(env, curves[i].group);
		uint8_t value[2 * 66];

		for (size_t bit = 0; bit < 16 * n; bit++) {
			memcpy(value, dh_public(peer).p, 2 * n);
			value[bit / 8] ^= (uint8_t)(1 << bit % 8);
			judge(&t, agrees(dh, value, 2 * n), false, "bit", bit);
		}
		for (int d = -500; d <= 500; d++) {
			memcpy(value, dh_public(peer).p, 2 * n);
			add(value + n, n, d);
			judge(&t, agrees(dh, value, 2 * n), d == 0, "y +", (unsigned long)d);
		}
		for (unsigned x = 0; x < 1000; x++) {
			memset(value, 0, sizeof(value));
			put_u16(value + n - 2, (uint16_t)x);
			judge(&t, agrees(dh, value, 2 * n), false, "(x, 0) of", x);
		}
		for (unsigned k = 0; k < 1000; k++) {
			env_random(env, value, 2 * n);
			judge(&t, agrees(dh, value, 2 * n), false, "random point", k);
		}
		dh_free(dh);
		dh_free(peer);
	}
	figure(&t, CURVES);
}

/* Infinity has no coordinates: zeros, and the encodings with a prefix, are none. (0, y) is a point;
 * (p, y) says the same, but is not reduced. */
static void ecp_takes_reduced_coordinates_of_points_only(void **state)
{
	struct tally t = {.what = "infinity, and coordinates that are not below p"};

	(void)state;
	for (size_t i = 0; i < CURVES; i++) {
		size_t n = curves[i].n;
		struct dh *dh = dh_new(env, curves[i].group);
		uint8_t value[2 * 66 + 1] = {0}, prime[66], root[66];

		unhex(curves[i].prime, prime, n);
		unhex(curves[i].root, root, n);
		for (size_t len = 0; len <= 2 * n + 1; len++)
			judge(&t, agrees(dh, value, len), false, "zeros", len);
		memcpy(value + n, root, n);
		judge(&t, agrees(dh, value, 2 * n), true, "(0, y) of curve", i);
		subtract(prime, root, n, value + n);
		judge(&t, agrees(dh, value, 2 * n), true, "(0, -y) of curve", i);
		memcpy(value, prime, n);
		judge(&t, agrees(dh, value, 2 * n), false, "(p, -y) of curve", i);
		memcpy(value + n, root, n);
		judge(&t, agrees(dh, value, 2 * n), false, "(p, y) of curve", i);
		for (int d = -300; d <= 300; d++) { /* x or y of all ones, p, and round about */
			memcpy(value, prime, n);
			add(value, n, d);
			memset(value + n, 0xff, n);
			judge(&t, agrees(dh, value, 2 * n), false, "p +", (unsigned long)d);
			memmove(value + n, value, n);
			memset(value, 0, n);
			judge(&t, agrees(dh, value, 2 * n), false, "p +", (unsigned long)d);
		}
		dh_free(dh);
	}
	figure(&t, 2 * CURVES);
}

/* All numbers whose order divides 8, in every form that they have in 32 octets: RFC 7748, 6.1. */
static void curve25519_refuses_what_gives_zero(void **state)
{
	static const char *const small[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p - 1 */
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p */
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p + 1 */
	};
	struct tally t = {.what = "curve25519 points of small order"};
	uint8_t value[32];

	(void)state;
	for (int ends = 0; ends < 50; ends++) {
		struct dh *dh = dh_new(env, DH_CURVE25519);

		for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
			for (unsigned top = 0; top < 2; top++) {
				unhex(small[i], value, sizeof(value));
				value[31] |= (uint8_t)(top << 7); /* not looked at; RFC 7748, 5 */
				judge(&t, agrees(dh, value, 32), false, "point", i);
			}
		dh_free(dh);
	}
	figure(&t, 0);
}

/* u and u + p are one; RFC 7748, 5 says that both are taken. */
static void curve25519_reduces_what_is_not_reduced(void **state)
{
	struct tally t = {.what = "curve25519 values from p on"};
	struct dh *dh = dh_new(env, DH_CURVE25519);

	(void)state;
	for (uint8_t u = 2; u < 19; u++) {
		uint8_t low[32] = {u}, high[32], a[DH_SECRET_MAX] = {0}, b[DH_SECRET_MAX] = {1};

		memset(high, 0xff, sizeof(high));
		high[0] = (uint8_t)(0xed + u);
		high[31] = 0x7f;
		bool both = dh_agree(dh, slice(low, 32), a) && dh_agree(dh, slice(high, 32), b);
		judge(&t, both, true, "u", u);
		assert_memory_equal(a, b, 32);
	}
	dh_free(dh);
	figure(&t, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(modp_takes_2_to_p_minus_2, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_value_of_another_length_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(ecp_refuses_points_off_the_curve, setup, teardown),
		cmocka_unit_test_setup_teardown(
			ecp_takes_reduced_coordinates_of_points_only, setup, teardown),
		cmocka_unit_test_setup_teardown(
			curve25519_refuses_what_gives_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(
			curve25519_reduces_what_is_not_reduced, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/crypto_dh.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto_priv.h"
#include "base/secret.h"

/* Key agreement runs on OpenSSL's numbers and points rather than on EVP_PKEY: the private value is
 * ours (env->rng), and the checks of the peer's value are written out below. */

enum { MISSING_ZEROS = 8 }; /* 1 peer in 2^64 has more */

enum dh_kind { KIND_MODP, KIND_ECP, KIND_X25519 };

struct dh_row {
	enum dh_group group;
	enum dh_kind kind;
	uint16_t public_len;
	uint16_t secret_len;
	uint16_t
		private_len; /* octets of a fresh private value: twice the group's strength or more */
	BIGNUM *(*prime)(BIGNUM *);
	int curve;
};

static const struct dh_row table[] = {
	{DH_MODP1024, KIND_MODP, 128, 128, 32, BN_get_rfc2409_prime_1024, 0},
	{DH_MODP1536, KIND_MODP, 192, 192, 32, BN_get_rfc3526_prime_1536, 0},
	{DH_MODP2048, KIND_MODP, 256, 256, 32, BN_get_rfc3526_prime_2048, 0},
	{DH_MODP3072, KIND_MODP, 384, 384, 40, BN_get_rfc3526_prime_3072, 0},
	{DH_MODP4096, KIND_MODP, 512, 512, 48, BN_get_rfc3526_prime_4096, 0},
	{DH_ECP256, KIND_ECP, 64, 32, 40, NULL, NID_X9_62_prime256v1},
	{DH_ECP384, KIND_ECP, 96, 48, 56, NULL, NID_secp384r1},
	{DH_ECP521, KIND_ECP, 132, 66, 74, NULL, NID_secp521r1},
	{DH_CURVE25519, KIND_X25519, 32, 32, 32, NULL, 0},
};

enum { PRIVATE_MAX = 80 };

struct dh {
	const struct dh_row *row;
	struct crypto *crypto;
	unsigned more_users;
	BIGNUM *x; /* private value (MODP, ECP) */
	BIGNUM *p; /* MODP */
	EC_GROUP *ec;
	EVP_PKEY *key; /* curve25519 */
	uint8_t public_value[DH_PUBLIC_MAX];
};

static const struct dh_row *row_of(enum dh_group group)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].group == group)
			return &table[i];
	return NULL;
}

size_t dh_public_len(enum dh_group group)
{
	const struct dh_row *row = row_of(group);

	return row ? row->public_len : 0;
}

size_t dh_secret_len(enum dh_group group)
{
	const struct dh_row *row = row_of(group);

	return row ? row->secret_len : 0;
}

/* to = base ^ x mod p, padded. A NULL base is the generator 2. */
static bool modp_power(const struct dh *dh, const BIGNUM *base, uint8_t *to)
{
	BN_CTX *ctx = BN_CTX_secure_new();
	BIGNUM *g = BN_new(), *y = BN_secure_new();
	bool ok = ctx && g && y && BN_set_word(g, 2) == 1 &&
		  BN_mod_exp_mont_consttime(y, base ? base : g, dh->x, dh->p, ctx, NULL) == 1 &&
		  BN_bn2binpad(y, to, dh->row->public_len) == dh->row->public_len;

	BN_free(g);
	BN_clear_free(y);
	BN_CTX_free(ctx);
	return ok;
}

static bool modp_agree(const struct dh *dh, struct slice peer, uint8_t *to)
{
	BIGNUM *y = BN_bin2bn(peer.p, (int)peer.n, NULL), *last = BN_dup(dh->p);
	/* 1 < y < p - 1: 0, 1 and p - 1 would put the secret into a group of one or two. */
	bool ok = y && last && BN_sub_word(last, 1) == 1 &&
		  BN_cmp(y, BN_value_one()) > 0 /* check: dh-above-one */ &&
		  BN_cmp(y, last) < 0 /* check: dh-below-last */ && modp_power(dh, y, to);

	BN_free(y);
	BN_free(last);
	return ok;
}

/* to = x and y of x * base (the generator when base is NULL); `both` or x alone. */
static bool ecp_multiply(const struct dh *dh, const EC_POINT *base, bool both, uint8_t *to)
{
	BN_CTX *ctx = BN_CTX_secure_new();
	EC_POINT *point = EC_POINT_new(dh->ec);
	BIGNUM *x = BN_secure_new(), *y = BN_secure_new();
	int len = dh->row->secret_len;
	bool ok = ctx && point && x && y &&
		  EC_POINT_mul(dh->ec, point, base ? NULL : dh->x, base, base ? dh->x : NULL,
			  ctx) == 1 &&
		  EC_POINT_get_affine_coordinates(dh->ec, point, x, y, ctx) == 1 &&
		  BN_bn2binpad(x, to, len) == len &&
		  (!both || BN_bn2binpad(y, to + len, len) == len);

	BN_clear_free(x);
	BN_clear_free(y);
	EC_POINT_clear_free(point);
	BN_CTX_free(ctx);
	return ok;
}

static bool ecp_agree(const struct dh *dh, struct slice peer, uint8_t *to)
{
	int len = dh->row->secret_len;
	EC_POINT *point = EC_POINT_new(dh->ec);
	BIGNUM *x = BN_bin2bn(peer.p, len, NULL), *y = BN_bin2bn(peer.p + len, len, NULL);
	/* set_affine_coordinates fails for a point off the curve, but reduces what is too large. */
	const BIGNUM *p = EC_GROUP_get0_field(dh->ec);
	bool ok = point && x && y && BN_cmp(x, p) < 0 /* check: dh-x-in-field */ &&
		  BN_cmp(y, p) < 0 /* check: dh-y-in-field */ &&
		  EC_POINT_set_affine_coordinates(dh->ec, point, x, y, NULL) ==
			  1 /* check: dh-on-curve */
		  && ecp_multiply(dh, point, false, to);

	BN_free(x);
	BN_free(y);
	EC_POINT_free(point);
	return ok;
}

static bool x25519_agree(const struct dh *dh, struct slice peer, uint8_t *to)
{
	static const uint8_t zero[32];
	EVP_PKEY *other =
		EVP_PKEY_new_raw_public_key_ex(dh->crypto->lib, "X25519", NULL, peer.p, peer.n);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(dh->crypto->lib, dh->key, NULL);
	size_t len = 32;
	bool ok = other && ctx && EVP_PKEY_derive_init(ctx) == 1 &&
		  EVP_PKEY_derive_set_peer_ex(ctx, other, 0) == 1 &&
		  EVP_PKEY_derive(ctx, to, &len) == 1 && len == 32 &&
		  !secret_equal(slice(to, 32), slice(zero, 32));

	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(other);
	return ok;
}

static bool modp_setup(struct dh *dh, struct slice private_value)
{
	dh->p = dh->row->prime(NULL);
	dh->x = BN_secure_new();
	if (!dh->p || !dh->x || !BN_bin2bn(private_value.p, (int)private_value.n, dh->x))
		return false;
	BN_set_flags(dh->x, BN_FLG_CONSTTIME);
	return modp_power(dh, NULL, dh->public_value);
}

static bool ecp_setup(struct dh *dh, struct slice private_value)
{
	BN_CTX *ctx = BN_CTX_secure_new();
	bool ok;

	dh->ec = EC_GROUP_new_by_curve_name_ex(dh->crypto->lib, NULL, dh->row->curve);
	dh->x = BN_secure_new();
	/* Eight octets more than the order make the bias of the reduction negligible. */
	ok = ctx && dh->ec && dh->x && BN_bin2bn(private_value.p, (int)private_value.n, dh->x) &&
	     BN_nnmod(dh->x, dh->x, EC_GROUP_get0_order(dh->ec), ctx) == 1 && !BN_is_zero(dh->x) &&
	     ecp_multiply(dh, NULL, true, dh->public_value);
	BN_CTX_free(ctx);
	return ok;
}

static bool x25519_setup(struct dh *dh, struct slice private_value)
{
	size_t len = 32;

	dh->key = EVP_PKEY_new_raw_private_key_ex(
		dh->crypto->lib, "X25519", NULL, private_value.p, private_value.n);
	return dh->key && EVP_PKEY_get_raw_public_key(dh->key, dh->public_value, &len) == 1;
}

static bool setup(struct dh *dh, struct slice private_value)
{
	switch (dh->row->kind) {
	case KIND_MODP:
		return modp_setup(dh, private_value);
	case KIND_ECP:
		return ecp_setup(dh, private_value);
	case KIND_X25519:
		return x25519_setup(dh, private_value);
	}
	return false;
}

struct dh *dh_of(struct crypto *c, enum dh_group group, struct slice private_value)
{
	const struct dh_row *row = row_of(group);
	struct dh *dh = row ? calloc(1, sizeof(*dh)) : NULL;

	if (!dh)
		return NULL;
	dh->row = row;
	dh->crypto = c;
	if (!setup(dh, private_value)) {
		dh_free(dh);
		return NULL;
	}
	return dh;
}

struct dh *dh_new(const struct env *env, enum dh_group group)
{
	const struct dh_row *row = row_of(group);
	uint8_t x[PRIVATE_MAX];
	struct dh *dh;

	if (!row)
		return NULL;
	env_random(env, x, row->private_len);
	/* never a short exponent */
	x[0] |= row->kind == KIND_MODP ? 0x80 : 0; /* check: dh-long-exponent */
	dh = dh_of(env->crypto, group, slice(x, row->private_len));
	wipe(x, sizeof(x));
	return dh;
}

struct dh *dh_share(struct dh *dh)
{
	dh->more_users++;
	return dh;
}

void dh_free(struct dh *dh)
{
	if (!dh || dh->more_users-- > 0)
		return;
	BN_clear_free(dh->x);
	BN_free(dh->p);
	EC_GROUP_free(dh->ec);
	EVP_PKEY_free(dh->key);
	wipe(dh, sizeof(*dh));
	free(dh);
}

struct slice dh_public(const struct dh *dh)
{
	return slice(dh->public_value, dh->row->public_len);
}

bool dh_public_pad(enum dh_group group, struct slice peer, uint8_t *to)
{
	const struct dh_row *row = row_of(group);
	size_t missing;

	if (!row || peer.n > row->public_len)
		return false;
	missing = row->public_len - peer.n;
	if (missing > (row->kind == KIND_MODP ? MISSING_ZEROS : 0)) /* check: dh-pad-shorter */
		return false;
	memset(to, 0, missing);
	memcpy(to + missing, peer.p, peer.n);
	return true;
}

bool dh_agree(const struct dh *dh, struct slice peer, uint8_t *to)
{
	if (peer.n != dh->row->public_len) /* check: dh-length */
		return false;
	switch (dh->row->kind) {
	case KIND_MODP:
		return modp_agree(dh, peer, to);
	case KIND_ECP:
		return ecp_agree(dh, peer, to);
	case KIND_X25519:
		return x25519_agree(dh, peer, to);
	}
	return false;
}

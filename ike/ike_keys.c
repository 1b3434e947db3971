#include "ike/ike_keys.h"

#include <string.h>

#include "base/secret.h"
#include "ike/ike_msg.h"

#define PARTS(...)                                                                                 \
	(const struct slice[]){__VA_ARGS__},                                                       \
		sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice)

static struct slice sized(const struct ike_keys *k, const uint8_t *p)
{
	return slice(p, hash_len(k->hash));
}

bool ike_keys_psk(struct crypto *c, const struct ike_suite *suite, struct slice psk,
	struct slice ni, struct slice nr, struct ike_keys *k)
{
	k->hash = suite->hash;
	k->cipher = suite->cipher;
	k->key_len = suite->key_len;
	return crypto_hmac(c, k->hash, psk, PARTS(ni, nr), k->skeyid);
}

bool ike_keys_derive(struct crypto *c, struct ike_keys *k, struct slice gxy, struct slice cookie_i,
	struct slice cookie_r)
{
	static const uint8_t n[] = {0, 1, 2};
	struct slice skeyid = sized(k, k->skeyid);

	return crypto_hmac(
		       c, k->hash, skeyid, PARTS(gxy, cookie_i, cookie_r, slice(&n[0], 1)), k->d) &&
	       crypto_hmac(c, k->hash, skeyid,
		       PARTS(sized(k, k->d), gxy, cookie_i, cookie_r, slice(&n[1], 1)), k->a) &&
	       crypto_hmac(c, k->hash, skeyid,
		       PARTS(sized(k, k->a), gxy, cookie_i, cookie_r, slice(&n[2], 1)), k->e) &&
	       ike_keys_expand(c, k);
}

bool ike_keys_expand(struct crypto *c, struct ike_keys *k)
{
	static const uint8_t zero[1] = {0};
	uint8_t block[HASH_MAX] = {0};
	size_t len = hash_len(k->hash);
	bool ok = true;

	if (k->key_len <= len) {
		memcpy(k->key, k->e, k->key_len);
		return true;
	}
	for (size_t have = 0; ok && have < k->key_len; have += len) {
		size_t want = k->key_len - have;

		ok = crypto_hmac(c, k->hash, sized(k, k->e),
			PARTS(have ? sized(k, block) : slice(zero, 1)), block);
		memcpy(k->key + have, block, want < len ? want : len);
	}
	wipe(block, sizeof(block));
	return ok;
}

bool ike_hash_auth(
	struct crypto *c, const struct ike_keys *k, const struct ike_proof *p, uint8_t *to)
{
	return crypto_hmac(c, k->hash, sized(k, k->skeyid),
		PARTS(p->public_own, p->public_other, p->cookie_own, p->cookie_other, p->sa_i,
			p->id_own),
		to);
}

bool ike_hash1(
	struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice rest, uint8_t *to)
{
	return ike_hash2(c, k, id, slice(NULL, 0), rest, to);
}

bool ike_hash2(struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice ni,
	struct slice rest, uint8_t *to)
{
	uint8_t mid[4];

	put_u32(mid, id);
	return crypto_hmac(
		c, k->hash, sized(k, k->a), PARTS(slice(mid, sizeof(mid)), ni, rest), to);
}

bool ike_hash3(struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice ni,
	struct slice nr, uint8_t *to)
{
	uint8_t zero_mid[5] = {0};

	put_u32(zero_mid + 1, id);
	return crypto_hmac(
		c, k->hash, sized(k, k->a), PARTS(slice(zero_mid, sizeof(zero_mid)), ni, nr), to);
}

bool ike_iv_phase1(
	struct crypto *c, enum hash hash, struct slice public_i, struct slice public_r, uint8_t *iv)
{
	uint8_t digest[HASH_MAX] = {0};
	bool ok = crypto_hash(c, hash, PARTS(public_i, public_r), digest);

	memcpy(iv, digest, IKE_BLOCK_MAX); /* no hash is shorter than a block */
	return ok;
}

bool ike_iv_phase2(struct crypto *c, const struct ike_keys *k, const uint8_t *last_block,
	uint32_t id, uint8_t *iv)
{
	uint8_t digest[HASH_MAX] = {0}, mid[4];

	put_u32(mid, id);
	bool ok = crypto_hash(c, k->hash,
		PARTS(slice(last_block, cbc_block(k->cipher)), slice(mid, sizeof(mid))), digest);

	memcpy(iv, digest, IKE_BLOCK_MAX);
	return ok;
}

bool ike_seal(struct crypto *c, const struct ike_keys *k, uint8_t *iv, uint8_t *message, size_t *n,
	size_t room)
{
	enum { FLAGS_AT = 19, LENGTH_AT = 24 };
	size_t block = cbc_block(k->cipher);
	size_t body = (*n - IKE_HDR + block - 1) / block * block;

	if (*n <= IKE_HDR || IKE_HDR + body > room /* check: seal-room */)
		return false;
	memset(message + *n, 0, IKE_HDR + body - *n);
	*n = IKE_HDR + body;
	message[FLAGS_AT] |= IKE_ENCRYPTED;
	put_u32(message + LENGTH_AT, (uint32_t)*n);
	if (!crypto_cbc(c, k->cipher, CBC_ENCRYPT, slice(k->key, k->key_len), iv, message + IKE_HDR,
		    body))
		return false;
	ike_last_block(k, slice(message, *n), iv);
	return true;
}

bool ike_unseal(struct crypto *c, const struct ike_keys *k, const uint8_t *iv, struct slice message,
	uint8_t *plain)
{
	struct rd r = rd_of(message);

	rd_skip(&r, IKE_HDR);
	struct slice sealed = rd_rest(&r);
	if (r.bad || sealed.n == 0 || sealed.n % cbc_block(k->cipher))
		return false;
	memcpy(plain, sealed.p, sealed.n);
	return crypto_cbc(
		c, k->cipher, CBC_DECRYPT, slice(k->key, k->key_len), iv, plain, sealed.n);
}

void ike_last_block(const struct ike_keys *k, struct slice message, uint8_t *iv)
{
	size_t block = cbc_block(k->cipher);
	struct rd r = rd_of(message);

	rd_skip(&r, message.n - block);
	rd_copy(&r, iv, block);
}

/* RFC 2409, 5.5: K1 | K2 | ..., each the prf of the one before. */
static bool keymat(struct crypto *c, const struct ike_keys *k, struct slice gxy,
	uint32_t spi_number, struct slice ni, struct slice nr, uint8_t *to, size_t n)
{
	uint8_t protocol_spi[5] = {IKE_PROTO_ESP}, block[HASH_MAX] = {0};
	struct slice spi = slice(protocol_spi, sizeof(protocol_spi));
	size_t len = hash_len(k->hash);
	bool ok = true;

	put_u32(protocol_spi + 1, spi_number);
	for (size_t have = 0; ok && have < n; have += len) {
		struct slice before = slice(block, have ? len : 0);

		ok = crypto_hmac(
			c, k->hash, sized(k, k->d), PARTS(before, gxy, spi, ni, nr), block);
		memcpy(to + have, block, n - have < len ? n - have : len);
	}
	wipe(block, sizeof(block));
	return ok;
}

bool ike_esp_keys(struct crypto *c, const struct ike_keys *k, const struct esp_suite *suite,
	struct slice gxy, struct slice ni, struct slice nr, struct esp_half *half)
{
	enum { GCM_SALT = 4 };
	uint8_t material[ESP_KEY_MAX + ESP_AUTH_KEY_MAX] = {0};
	bool gcm = suite->cipher == ESP_AES_GCM;
	size_t key = suite->key_len + (size_t)(gcm ? GCM_SALT : 0);
	size_t auth = gcm ? 0 : hash_len(suite->auth);
	bool ok = keymat(c, k, gxy, half->spi, ni, nr, material, key + auth);

	memcpy(half->key, material, key);
	memcpy(half->auth, material + key, auth);
	wipe(material, sizeof(material)); /* check: esp-material-wipe */
	return ok;
}

bool ike_nat_d(struct crypto *c, enum hash hash, struct slice cookie_i, struct slice cookie_r,
	const struct addr *a, uint8_t *to)
{
	uint8_t port[2];

	put_u16(port, a->port);
	return crypto_hash(c, hash,
		PARTS(cookie_i, cookie_r, ip_slice(&a->ip), slice(port, sizeof(port))), to);
}

#include "base/crypto_esp.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto_mb.h"
#include "base/crypto_priv.h"
#include "base/secret.h"

struct crypto_esp {
	struct esp_suite suite;
	size_t block; /* the text is a multiple of this */
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *mac; /* NULL with GCM */
	uint8_t salt[4];  /* GCM */
	struct mb_key *mb;
};

enum { GCM_NONCE = 12, GCM_TAG = 16 };

/* RFC 2403, 2404, 4868; the last one is what old Linux and Android kernels make of SHA2-256. */
static const struct auth_row {
	enum hash hash;
	uint8_t icv_len;
} auths[] = {
	{HASH_MD5, 12},
	{HASH_SHA1, 12},
	{HASH_SHA256, 16},
	{HASH_SHA384, 24},
	{HASH_SHA512, 32},
	{HASH_SHA256, 12},
};

static const EVP_CIPHER *cipher_of(const struct crypto *c, const struct esp_suite *suite)
{
	switch (suite->cipher) {
	case ESP_AES_CBC:
		return crypto_cbc_cipher(c, CBC_AES, suite->key_len);
	case ESP_3DES:
		return crypto_cbc_cipher(c, CBC_3DES, suite->key_len);
	case ESP_AES_GCM:
		return suite->key_len == 16   ? c->gcm[0]
		       : suite->key_len == 24 ? c->gcm[1]
		       : suite->key_len == 32 ? c->gcm[2]
					      : NULL;
	}
	return NULL;
}

static bool has_auth(const struct crypto *c, const struct esp_suite *suite)
{
	if (suite->cipher == ESP_AES_GCM)
		return suite->icv_len == GCM_TAG /* check: esp-gcm-tag-length */;
	for (size_t i = 0; i < sizeof(auths) / sizeof(auths[0]); i++)
		if (auths[i].hash == suite->auth &&
			auths[i].icv_len == suite->icv_len /* check: esp-icv-length */)
			return crypto_has_hash(c, suite->auth);
	return false;
}

bool crypto_esp_has(const struct crypto *c, const struct esp_suite *suite)
{
	return cipher_of(c, suite) && has_auth(c, suite);
}

static bool set_cipher(struct crypto_esp *e, const struct crypto *c, const uint8_t *key, bool seal)
{
	e->cipher = EVP_CIPHER_CTX_new();
	return e->cipher &&
	       EVP_CipherInit_ex2(e->cipher, cipher_of(c, &e->suite), key, NULL, seal, NULL) == 1 &&
	       EVP_CIPHER_CTX_set_padding(e->cipher, 0) == 1;
}

static bool set_mac(struct crypto_esp *e, const struct crypto *c, const uint8_t *auth)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_DIGEST, (char *)crypto_hash_names[e->suite.auth], 0),
		OSSL_PARAM_construct_end(),
	};

	e->mac = EVP_MAC_CTX_new(c->hmac);
	return e->mac && EVP_MAC_init(e->mac, auth, hash_len(e->suite.auth), params) == 1;
}

struct crypto_esp *crypto_esp_new(struct crypto *c, const struct esp_suite *suite,
	const uint8_t *key, const uint8_t *auth, enum crypto_esp_way way)
{
	bool gcm = suite->cipher == ESP_AES_GCM;
	struct crypto_esp *e = crypto_esp_has(c, suite) ? calloc(1, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	e->suite = *suite;
	e->block = gcm ? 1 : esp_align(suite);
	if (gcm)
		memcpy(e->salt, key + suite->key_len, sizeof(e->salt));
	if (!set_cipher(e, c, key, way == CRYPTO_ESP_SEAL) || (!gcm && !set_mac(e, c, auth))) {
		crypto_esp_free(e);
		return NULL;
	}
	e->mb = mb_key_new(c, suite, key, auth);
	return e;
}

void crypto_esp_free(struct crypto_esp *e)
{
	if (!e)
		return;
	EVP_CIPHER_CTX_free(e->cipher);
	EVP_MAC_CTX_free(e->mac);
	mb_key_free(e->mb);
	wipe(e, sizeof(*e)); /* check: esp-salt-wipe */
	free(e);
}

/* ---- one packet through OpenSSL: the keys are set, only the IV is new ---- */

static bool cbc(struct crypto_esp *e, const struct esp_parts *part)
{
	int len;

	return EVP_CipherInit_ex2(e->cipher, NULL, NULL, part->iv, -1, NULL) == 1 &&
	       EVP_CipherUpdate(e->cipher, part->text, &len, part->text, (int)part->text_len) ==
		       1 &&
	       (size_t)len == part->text_len;
}

/* HMAC over the first n octets of a packet. */
static bool hmac(struct crypto_esp *e, const uint8_t *packet, size_t n, uint8_t to[HASH_MAX])
{
	size_t len;

	return EVP_MAC_init(e->mac, NULL, 0, NULL) == 1 && EVP_MAC_update(e->mac, packet, n) == 1 &&
	       EVP_MAC_final(e->mac, to, &len, HASH_MAX) == 1;
}

/* RFC 4106, 4 and 5: the nonce is salt and IV, the associated data SPI and sequence number. */
static bool gcm_text(
	struct crypto_esp *e, const struct crypto_esp_job *job, const struct esp_parts *part)
{
	uint8_t nonce[GCM_NONCE];
	int len;

	memcpy(nonce, e->salt, sizeof(e->salt));
	memcpy(nonce + sizeof(e->salt), part->iv, sizeof(nonce) - sizeof(e->salt));
	return EVP_CipherInit_ex2(e->cipher, NULL, NULL, nonce, -1, NULL) == 1 &&
	       EVP_CipherUpdate(e->cipher, NULL, &len, job->packet, CRYPTO_ESP_HEAD) == 1 &&
	       EVP_CipherUpdate(e->cipher, part->text, &len, part->text, (int)part->text_len) == 1;
}

static enum crypto_esp_result seal_gcm(
	struct crypto_esp *e, const struct crypto_esp_job *job, const struct esp_parts *part)
{
	int len;
	bool ok = gcm_text(e, job, part) && EVP_CipherFinal_ex(e->cipher, part->icv, &len) == 1 &&
		  EVP_CIPHER_CTX_ctrl(e->cipher, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, part->icv) == 1;

	return ok ? CRYPTO_ESP_OK : CRYPTO_ESP_FAILED;
}

static enum crypto_esp_result open_gcm(
	struct crypto_esp *e, const struct crypto_esp_job *job, const struct esp_parts *part)
{
	uint8_t none[1];
	int len;

	if (!gcm_text(e, job, part) ||
		EVP_CIPHER_CTX_ctrl(e->cipher, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, part->icv) != 1)
		return CRYPTO_ESP_FAILED;
	return EVP_CipherFinal_ex(e->cipher, none, &len) == 1 /* check: esp-gcm-tag */
		       ? CRYPTO_ESP_OK
		       : CRYPTO_ESP_FORGED;
}

static enum crypto_esp_result seal_one(struct crypto_esp *e, const struct crypto_esp_job *job)
{
	struct esp_parts part = esp_parts(&e->suite, job);
	uint8_t tag[HASH_MAX];

	if (!e->mac)
		return seal_gcm(e, job, &part);
	if (!cbc(e, &part) || !hmac(e, job->packet, job->len - e->suite.icv_len, tag))
		return CRYPTO_ESP_FAILED;
	memcpy(part.icv, tag, e->suite.icv_len);
	return CRYPTO_ESP_OK;
}

static enum crypto_esp_result open_one(struct crypto_esp *e, const struct crypto_esp_job *job)
{
	struct esp_parts part = esp_parts(&e->suite, job);

	if (!e->mac)
		return open_gcm(e, job, &part);
	if (!crypto_esp_icv_fits(e, job->packet, job->len, e->suite.icv_len)) /* check: esp-icv */
		return CRYPTO_ESP_FORGED;
	return cbc(e, &part) ? CRYPTO_ESP_OK : CRYPTO_ESP_FAILED;
}

bool crypto_esp_icv_fits(struct crypto_esp *e, const uint8_t *packet, size_t len, size_t icv_len)
{
	uint8_t tag[HASH_MAX];

	return e->mac && len >= icv_len && icv_len <= hash_len(e->suite.auth) &&
	       hmac(e, packet, len - icv_len, tag) &&
	       secret_equal(slice(tag, icv_len), slice(packet + len - icv_len, icv_len));
}

/* ---- batches ---- */

static bool length_fits(const struct crypto_esp *e, size_t len)
{
	size_t around = CRYPTO_ESP_HEAD + esp_iv_len(&e->suite) + e->suite.icv_len;

	return len > around /* check: esp-length-least */ && len <= INT32_MAX &&
	       (len - around) % e->block == 0 /* check: esp-whole-blocks */;
}

/* The jobs that have a length of this suite, as a mask; the others have their result. */
static uint64_t take(const struct crypto_esp *e, struct crypto_esp_job *jobs, size_t n)
{
	uint64_t todo = 0;

	assert(n <= CRYPTO_ESP_BATCH);
	for (size_t i = 0; i < n; i++) {
		jobs[i].result = CRYPTO_ESP_LENGTH;
		if (length_fits(e, jobs[i].len))
			todo |= UINT64_C(1) << i;
	}
	return todo;
}

static bool is_long_enough(const struct crypto_esp *e, uint64_t todo)
{
	return e->mb && (unsigned)__builtin_popcountll(todo) >= mb_least(e->mb);
}

void crypto_esp_seal(struct crypto_esp *e, struct crypto_esp_job *jobs, size_t n)
{
	uint64_t todo = take(e, jobs, n);

	if (is_long_enough(e, todo))
		todo = mb_seal(e->mb, jobs, todo);
	for (; todo; todo &= todo - 1) {
		struct crypto_esp_job *job = &jobs[__builtin_ctzll(todo)];

		job->result = seal_one(e, job);
	}
}

void crypto_esp_open(struct crypto_esp *e, struct crypto_esp_job *jobs, size_t n)
{
	uint64_t todo = take(e, jobs, n);

	if (is_long_enough(e, todo))
		todo = mb_open(e->mb, jobs, todo);
	for (; todo; todo &= todo - 1) {
		struct crypto_esp_job *job = &jobs[__builtin_ctzll(todo)];

		job->result = open_one(e, job);
	}
}

void crypto_esp_without_mb(struct crypto *c)
{
	c->mb_off = true;
}

bool crypto_esp_uses_mb(const struct crypto_esp *e)
{
	return e->mb;
}

#include "base/crypto_priv.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto_mb.h"
#include "base/secret.h"

const char *const crypto_hash_names[HASHES] = {"MD4", "MD5", "SHA1", "SHA256", "SHA384", "SHA512"};

static const char *const cbc_names[CBC_KINDS] = {
	"AES-128-CBC", "AES-192-CBC", "AES-256-CBC", "DES-EDE3-CBC"};
static const char *const gcm_names[3] = {"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"};

static bool fetch_all(struct crypto *c)
{
	/* Algorithms of the legacy provider are fetched too; a NULL there is an answer. */
	for (int i = 0; i < HASHES; i++)
		c->hash[i] = EVP_MD_fetch(c->lib, crypto_hash_names[i], NULL);
	for (int i = 0; i < CBC_KINDS; i++)
		c->cbc[i] = EVP_CIPHER_fetch(c->lib, cbc_names[i], NULL);
	for (int i = 0; i < 3; i++)
		c->gcm[i] = EVP_CIPHER_fetch(c->lib, gcm_names[i], NULL);
	c->des = EVP_CIPHER_fetch(c->lib, "DES-ECB", NULL);
	c->hmac = EVP_MAC_fetch(c->lib, "HMAC", NULL);
	c->hash_ctx = EVP_MD_CTX_new();
	c->cipher_ctx = EVP_CIPHER_CTX_new();
	return c->hash[HASH_SHA1] && c->hash[HASH_SHA256] && c->cbc[0] && c->gcm[0] && c->hmac &&
	       c->hash_ctx && c->cipher_ctx;
}

struct crypto *crypto_new(void)
{
	struct crypto *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	c->lib = OSSL_LIB_CTX_new();
	if (c->lib) {
		c->provider = OSSL_PROVIDER_load(c->lib, "default");
		c->legacy = OSSL_PROVIDER_load(c->lib, "legacy");
	}
	if (!c->provider || !fetch_all(c)) {
		crypto_free(c);
		return NULL;
	}
	return c;
}

void crypto_free(struct crypto *c)
{
	if (!c)
		return;
	mb_close(c);
	EVP_MD_CTX_free(c->hash_ctx);
	EVP_CIPHER_CTX_free(c->cipher_ctx);
	for (int i = 0; i < HASHES; i++)
		EVP_MD_free(c->hash[i]);
	for (int i = 0; i < CBC_KINDS; i++)
		EVP_CIPHER_free(c->cbc[i]);
	for (int i = 0; i < 3; i++)
		EVP_CIPHER_free(c->gcm[i]);
	EVP_CIPHER_free(c->des);
	EVP_MAC_free(c->hmac);
	if (c->legacy)
		OSSL_PROVIDER_unload(c->legacy);
	if (c->provider)
		OSSL_PROVIDER_unload(c->provider);
	OSSL_LIB_CTX_free(c->lib);
	free(c);
}

bool crypto_has_hash(const struct crypto *c, enum hash hash)
{
	return c->hash[hash];
}

bool crypto_hash(struct crypto *c, enum hash hash, const struct slice *parts, size_t n, uint8_t *to)
{
	if (!c->hash[hash] /* check: hash-present */ ||
		EVP_DigestInit_ex2(c->hash_ctx, c->hash[hash], NULL) != 1)
		return false;
	for (size_t i = 0; i < n; i++)
		if (EVP_DigestUpdate(c->hash_ctx, parts[i].p, parts[i].n) != 1)
			return false;
	return EVP_DigestFinal_ex(c->hash_ctx, to, NULL) == 1;
}

bool crypto_hmac(struct crypto *c, enum hash hash, struct slice key, const struct slice *parts,
	size_t n, uint8_t *to)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_DIGEST, (char *)crypto_hash_names[hash], 0),
		OSSL_PARAM_construct_end(),
	};
	static const uint8_t empty[1]; /* OpenSSL takes a NULL key for "keep the old one" */
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(c->hmac);
	bool ok = ctx && EVP_MAC_init(ctx, key.n ? key.p : empty, key.n, params) == 1;
	size_t len;

	for (size_t i = 0; ok && i < n; i++)
		ok = EVP_MAC_update(ctx, parts[i].p, parts[i].n) == 1;
	ok = ok && EVP_MAC_final(ctx, to, &len, HASH_MAX) == 1 && len == hash_len(hash);
	EVP_MAC_CTX_free(ctx);
	return ok;
}

const EVP_CIPHER *crypto_cbc_cipher(const struct crypto *c, enum cbc cipher, size_t key_len)
{
	if (cipher == CBC_3DES)
		return key_len == 24 ? c->cbc[3] : NULL;
	return key_len == 16   ? c->cbc[0]
	       : key_len == 24 ? c->cbc[1]
	       : key_len == 32 ? c->cbc[2]
			       : NULL;
}

static bool run_cipher(struct crypto *c, const EVP_CIPHER *cipher, enum cbc_way way,
	const uint8_t *key, const uint8_t *iv, const uint8_t *in, uint8_t *out, size_t n)
{
	EVP_CIPHER_CTX *ctx = c->cipher_ctx;
	int len;
	bool ok = cipher && n <= INT32_MAX &&
		  EVP_CipherInit_ex2(ctx, cipher, key, iv, way == CBC_ENCRYPT, NULL) == 1 &&
		  EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
		  EVP_CipherUpdate(ctx, out, &len, in, (int)n) == 1 && (size_t)len == n;

	EVP_CIPHER_CTX_reset(ctx); /* wipes the key schedule */
	return ok;
}

bool crypto_cbc(struct crypto *c, enum cbc cipher, enum cbc_way way, struct slice key,
	const uint8_t *iv, uint8_t *data, size_t n)
{
	if (n % cbc_block(cipher))
		return false;
	return n == 0 ||
	       run_cipher(c, crypto_cbc_cipher(c, cipher, key.n), way, key.p, iv, data, data, n);
}

bool crypto_des(struct crypto *c, const uint8_t key[8], const uint8_t in[8], uint8_t out[8])
{
	return run_cipher(c, c->des, CBC_ENCRYPT, key, NULL, in, out, 8);
}

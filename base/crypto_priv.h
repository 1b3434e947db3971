/* What base/crypto*.c share and nobody else sees: the fetched algorithms. */
#pragma once

#include <openssl/evp.h>

#include "base/crypto.h"

struct IMB_MGR;

enum { CBC_KINDS = 4 }; /* AES-128, AES-192, AES-256, 3DES */

struct crypto {
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider;
	OSSL_PROVIDER *legacy;
	EVP_MD *hash[HASHES];
	EVP_MAC *hmac;
	EVP_CIPHER *cbc[CBC_KINDS];
	EVP_CIPHER *gcm[3]; /* AES-128, AES-192, AES-256 */
	EVP_CIPHER *des;
	EVP_MD_CTX *hash_ctx;       /* reused by crypto_hash() */
	EVP_CIPHER_CTX *cipher_ctx; /* reused by crypto_cbc() and crypto_des() */
	struct IMB_MGR *mb; /* multi-buffer library, see crypto_mb.h; NULL until an SA wants it */
	void *mb_library;
	void (*mb_free)(struct IMB_MGR *mgr);
	bool mb_off; /* it is not there, or not wanted */
};

extern const char *const crypto_hash_names[HASHES];

/* The cipher for a key of that length; NULL when there is none. */
const EVP_CIPHER *crypto_cbc_cipher(const struct crypto *c, enum cbc cipher, size_t key_len);

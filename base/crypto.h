/* The crypto door: everything the protocols need of OpenSSL, and nothing of OpenSSL's types.
 *
 * One struct crypto holds a library context of its own with every algorithm fetched once
 * (OPENSSL_CONF is ignored; MD4, DES and RC4 come from the legacy provider and may be missing).
 * Every function that returns bool gives false when OpenSSL failed or lacks the algorithm: the
 * connection ends with LOCAL-CRYPTO, there is no fallback. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

struct crypto;

enum hash {
	HASH_MD4,
	HASH_MD5,
	HASH_SHA1,
	HASH_SHA256,
	HASH_SHA384,
	HASH_SHA512,
	HASHES,
};

enum { HASH_MAX = 64 }; /* octets of the longest */

/* NULL when OpenSSL cannot be set up. The legacy provider may be absent. */
struct crypto *crypto_new(void);
void crypto_free(struct crypto *c);

/* Can this OpenSSL do it? */
bool crypto_has_hash(const struct crypto *c, enum hash hash);

static inline size_t hash_len(enum hash hash)
{
	static const uint8_t len[HASHES] = {16, 16, 20, 32, 48, 64};

	return len[hash];
}

/* Hash of the parts in order; `to` takes hash_len() octets. */
[[gnu::warn_unused_result]] bool crypto_hash(
	struct crypto *c, enum hash hash, const struct slice *parts, size_t n, uint8_t *to);

/* HMAC (RFC 2104) under `key`, of the parts in order. Any key length, also 0. */
[[gnu::warn_unused_result]] bool crypto_hmac(struct crypto *c, enum hash hash, struct slice key,
	const struct slice *parts, size_t n, uint8_t *to);

enum cbc { CBC_AES, CBC_3DES };
enum cbc_way { CBC_DECRYPT, CBC_ENCRYPT };

static inline size_t cbc_block(enum cbc cipher)
{
	return cipher == CBC_AES ? 16 : 8;
}

/* n octets (a multiple of the block) in place, no padding; `iv` is one block and is left alone.
 * Keys: 16, 24 or 32 octets for AES, 24 for 3DES. */
[[gnu::warn_unused_result]] bool crypto_cbc(struct crypto *c, enum cbc cipher, enum cbc_way way,
	struct slice key, const uint8_t *iv, uint8_t *data, size_t n);

/* One block of DES under an 8-octet key (parity bits ignored): MS-CHAP. */
[[gnu::warn_unused_result]] bool crypto_des(
	struct crypto *c, const uint8_t key[8], const uint8_t in[8], uint8_t out[8]);

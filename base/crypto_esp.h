/* ESP transforms under fixed keys, over batches of packets. RFC 4303 with 3602 (AES-CBC), 2451
 * (3DES-CBC), 4106 (AES-GCM), 2403, 2404 and 4868 (HMAC).
 *
 * A job is one ESP packet in one piece, worked on in place:
 *
 *	SPI 4 | sequence number 4 | IV | text: payload, padding, trailer | ICV
 *
 * Whoever seals has filled in everything but the ICV, the IV included. Opening verifies before it
 * decrypts. Batches go through the multi-buffer library where there is one and the batch is long
 * enough to pay, else one by one through OpenSSL; the result is the same to the bit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/sa.h"

struct crypto_esp;

enum crypto_esp_way { CRYPTO_ESP_OPEN, CRYPTO_ESP_SEAL };

enum {
	CRYPTO_ESP_HEAD = 8,          /* SPI and sequence number */
	CRYPTO_ESP_BATCH = PKT_BATCH, /* jobs in one call, at most: one bit each in a word */
};

enum crypto_esp_result {
	CRYPTO_ESP_OK,
	CRYPTO_ESP_LENGTH, /* no packet of this suite has that length; untouched */
	CRYPTO_ESP_FORGED, /* the ICV is wrong; untouched with CBC, garbage with GCM */
	CRYPTO_ESP_FAILED, /* OpenSSL failed: throw the packet away */
};

struct crypto_esp_job {
	uint8_t *packet;
	size_t len; /* of all of it, ICV included */
	enum crypto_esp_result result;
};

/* Is the suite one of ours, and can this OpenSSL do it? */
bool crypto_esp_has(const struct crypto *c, const struct esp_suite *suite);

/* One direction of an SA. `key` and `auth` are as in struct esp_half and are not kept. NULL: no
 * such suite, out of memory, or OpenSSL failed. `c` must live longer. */
struct crypto_esp *crypto_esp_new(struct crypto *c, const struct esp_suite *suite,
	const uint8_t *key, const uint8_t *auth, enum crypto_esp_way way);

/* Wipes. NULL is allowed. */
void crypto_esp_free(struct crypto_esp *e);

/* At most CRYPTO_ESP_BATCH jobs, in the way that was asked for; each job gets its result. */
void crypto_esp_seal(struct crypto_esp *e, struct crypto_esp_job *jobs, size_t n);
void crypto_esp_open(struct crypto_esp *e, struct crypto_esp_job *jobs, size_t n);

/* Would an HMAC cut to icv_len octets be right for this packet? Finds peers that cut SHA2-256 to
 * 96 bits. Always false with GCM. */
bool crypto_esp_icv_fits(struct crypto_esp *e, const uint8_t *packet, size_t len, size_t icv_len);

/* From now on new SAs use OpenSSL alone: for comparisons. */
void crypto_esp_without_mb(struct crypto *c);

/* Does this one have the multi-buffer library behind it? */
bool crypto_esp_uses_mb(const struct crypto_esp *e);

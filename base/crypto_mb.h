/* The multi-buffer crypto library (intel-ipsec-mb) behind crypto_esp.c, and nobody else.
 *
 * It works on many packets at a time in the lanes of vector registers: 5 to 8 times OpenSSL's speed
 * for AES-CBC with HMAC. Without the library at build or at run time, or on a CPU that it does not like,
 * mb_key_new() gives NULL and everything goes through OpenSSL.
 *
 * Batches are bit masks: bit i stands for jobs[i], whose length has been checked. */
#pragma once

#include "base/crypto_esp.h"

struct mb_key; /* one direction of one SA in the library's form */

/* Where the parts of a packet are; its length must fit the suite. */
struct esp_parts {
	const uint8_t *iv;
	uint8_t *text;
	size_t text_len;
	uint8_t *icv;
};

static inline struct esp_parts esp_parts(
	const struct esp_suite *suite, const struct crypto_esp_job *job)
{
	size_t head = CRYPTO_ESP_HEAD + esp_iv_len(suite);
	size_t text_len = job->len - head - suite->icv_len;

	return (struct esp_parts){
		.iv = job->packet + CRYPTO_ESP_HEAD,
		.text = job->packet + head,
		.text_len = text_len,
		.icv = job->packet + head + text_len,
	};
}

#ifdef HAVE_IPSEC_MB

/* NULL: the library, the CPU or the suite do not make it worth while, or no memory. */
struct mb_key *mb_key_new(
	struct crypto *c, const struct esp_suite *suite, const uint8_t *key, const uint8_t *auth);
void mb_key_free(struct mb_key *k); /* wipes; NULL is allowed */

/* The shortest batch that is faster than OpenSSL. */
unsigned mb_least(const struct mb_key *k);

/* Both set the results of what they did and return the jobs that they refused, untouched. */
uint64_t mb_seal(struct mb_key *k, struct crypto_esp_job *jobs, uint64_t todo);
uint64_t mb_open(struct mb_key *k, struct crypto_esp_job *jobs, uint64_t todo);

/* With the struct crypto; every mb_key has been freed. */
void mb_close(struct crypto *c);

#else

static inline struct mb_key *mb_key_new(
	struct crypto *c, const struct esp_suite *suite, const uint8_t *key, const uint8_t *auth)
{
	(void)c;
	(void)suite;
	(void)key;
	(void)auth;
	return NULL;
}

static inline void mb_key_free(struct mb_key *k)
{
	(void)k;
}

static inline unsigned mb_least(const struct mb_key *k)
{
	(void)k;
	return CRYPTO_ESP_BATCH + 1;
}

static inline uint64_t mb_seal(struct mb_key *k, struct crypto_esp_job *jobs, uint64_t todo)
{
	(void)k;
	(void)jobs;
	return todo;
}

static inline uint64_t mb_open(struct mb_key *k, struct crypto_esp_job *jobs, uint64_t todo)
{
	(void)k;
	(void)jobs;
	return todo;
}

static inline void mb_close(struct crypto *c)
{
	(void)c;
}

#endif

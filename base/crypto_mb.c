#ifdef HAVE_IPSEC_MB
#define NO_COMPAT_IMB_API_053 /* its short names (SHA1, CBC, ...) are other people's too */
#include "base/crypto_mb.h"

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto_priv.h"
#include "base/secret.h"

enum { GCM_NONCE = 12, GCM_SALT = 4, GCM_TAG = 16, TAG_MAX = 32, HMAC_BLOCK_MAX = 128 };

struct mb_key {
	struct gcm_key_data gcm;               /* first: it wants 64-octet alignment */
	DECLARE_ALIGNED(uint32_t enc[60], 16); /* AES key schedules */
	DECLARE_ALIGNED(uint32_t dec[60], 16);
	DECLARE_ALIGNED(uint8_t inner[64], 16); /* HMAC states behind the padded key */
	DECLARE_ALIGNED(uint8_t outer[64], 16);
	uint64_t des[3][IMB_DES_KEY_SCHED_SIZE / 8];
	const void *des_keys[3];
	uint8_t salt[GCM_SALT];
	struct esp_suite suite;
	IMB_MGR *mgr;
	const struct auth *auth;
	aes_gcm_enc_dec_t gcm_seal;
	aes_gcm_enc_dec_t gcm_open;
};

/* tag_len is what the library cuts to; an ICV of SHA2-256 may be shorter still. least is the
 * shortest batch that beats OpenSSL with its SHA instructions, measured. */
static const struct auth {
	IMB_HASH_ALG alg;
	uint8_t tag_len;
	uint8_t least;
} auths[HASHES] = {
	[HASH_MD5] = {IMB_AUTH_MD5, 12, 4},
	[HASH_SHA1] = {IMB_AUTH_HMAC_SHA_1, 12, 4},
	[HASH_SHA256] = {IMB_AUTH_HMAC_SHA_256, 16, 6},
	[HASH_SHA384] = {IMB_AUTH_HMAC_SHA_384, 24, 4},
	[HASH_SHA512] = {IMB_AUTH_HMAC_SHA_512, 32, 4},
};

enum { LEAST_3DES = 8 };

/* ---- the library and its keys ---- */

/* What the library is called by; the rest of it the manager knows. */
struct entrance {
	__typeof__(alloc_mb_mgr) *alloc;
	__typeof__(init_mb_mgr_auto) *init;
	__typeof__(imb_get_errno) *error;
};

/* Loaded when a first SA wants it: where the kernel does the ciphers nobody needs it. */
static bool load(struct crypto *c, struct entrance *e)
{
	c->mb_library = dlopen("libIPSec_MB.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!c->mb_library)
		return false;
	e->alloc = dlsym(c->mb_library, "alloc_mb_mgr");
	e->init = dlsym(c->mb_library, "init_mb_mgr_auto");
	e->error = dlsym(c->mb_library, "imb_get_errno");
	c->mb_free = dlsym(c->mb_library, "free_mb_mgr");
	return e->alloc && e->init && e->error && c->mb_free;
}

static IMB_MGR *manager(struct crypto *c)
{
	IMB_ARCH arch = IMB_ARCH_NONE;
	struct entrance e = {0};

	if (c->mb || c->mb_off)
		return c->mb_off ? NULL : c->mb;
	if (load(c, &e))
		c->mb = e.alloc(0);
	if (c->mb)
		e.init(c->mb, &arch);
	/* Without AES-NI it emulates, and OpenSSL does that better. */
	c->mb_off = arch < IMB_ARCH_SSE || e.error(c->mb) != 0;
	return c->mb_off ? NULL : c->mb;
}

void mb_close(struct crypto *c)
{
	if (c->mb)
		c->mb_free(c->mb);
	if (c->mb_library)
		dlclose(c->mb_library);
}

/* Only AVX-512 has lanes for DES; elsewhere the library's DES is 60 times slower than OpenSSL. */
static bool is_worth_while(const IMB_MGR *mgr, const struct esp_suite *suite)
{
	return suite->cipher != ESP_3DES || mgr->used_arch == IMB_ARCH_AVX512;
}

static void set_gcm(struct mb_key *k, const uint8_t *key)
{
	IMB_MGR *m = k->mgr;

	switch (k->suite.key_len) {
	case 16:
		IMB_AES128_GCM_PRE(m, key, &k->gcm);
		k->gcm_seal = m->gcm128_enc;
		k->gcm_open = m->gcm128_dec;
		break;
	case 24:
		IMB_AES192_GCM_PRE(m, key, &k->gcm);
		k->gcm_seal = m->gcm192_enc;
		k->gcm_open = m->gcm192_dec;
		break;
	default:
		IMB_AES256_GCM_PRE(m, key, &k->gcm);
		k->gcm_seal = m->gcm256_enc;
		k->gcm_open = m->gcm256_dec;
	}
	memcpy(k->salt, key + k->suite.key_len, GCM_SALT);
}

static void set_aes(struct mb_key *k, const uint8_t *key)
{
	switch (k->suite.key_len) {
	case 16:
		IMB_AES_KEYEXP_128(k->mgr, key, k->enc, k->dec);
		break;
	case 24:
		IMB_AES_KEYEXP_192(k->mgr, key, k->enc, k->dec);
		break;
	default:
		IMB_AES_KEYEXP_256(k->mgr, key, k->enc, k->dec);
	}
}

static void set_3des(struct mb_key *k, const uint8_t *key)
{
	for (size_t i = 0; i < 3; i++) {
		IMB_DES_KEYSCHED(k->mgr, k->des[i], key + i * IMB_DES_BLOCK_SIZE);
		k->des_keys[i] = k->des[i];
	}
}

static void hash_block(const struct mb_key *k, const uint8_t *block, uint8_t *to)
{
	IMB_MGR *m = k->mgr;
	const hash_one_block_t hash[HASHES] = {
		[HASH_MD5] = m->md5_one_block,
		[HASH_SHA1] = m->sha1_one_block,
		[HASH_SHA256] = m->sha256_one_block,
		[HASH_SHA384] = m->sha384_one_block,
		[HASH_SHA512] = m->sha512_one_block,
	};

	hash[k->suite.auth](block, to);
}

/* RFC 2104: the states after the first block, key ^ 36... and key ^ 5c.... */
static void set_hmac(struct mb_key *k, const uint8_t *auth)
{
	uint8_t inner[HMAC_BLOCK_MAX], outer[HMAC_BLOCK_MAX];

	memset(inner, 0x36, sizeof(inner));
	memset(outer, 0x5c, sizeof(outer));
	for (size_t i = 0; i < hash_len(k->suite.auth); i++) {
		inner[i] ^= auth[i];
		outer[i] ^= auth[i];
	}
	hash_block(k, inner, k->inner);
	hash_block(k, outer, k->outer);
	wipe(inner, sizeof(inner));
	wipe(outer, sizeof(outer));
}

struct mb_key *mb_key_new(
	struct crypto *c, const struct esp_suite *suite, const uint8_t *key, const uint8_t *auth)
{
	IMB_MGR *mgr = manager(c);
	struct mb_key *k = NULL;

	if (mgr && is_worth_while(mgr, suite))
		k = aligned_alloc(_Alignof(struct mb_key), sizeof(*k));
	if (!k)
		return NULL;
	memset(k, 0, sizeof(*k));
	k->mgr = mgr;
	k->suite = *suite;
	k->auth = &auths[suite->auth];
	switch (suite->cipher) {
	case ESP_AES_GCM:
		set_gcm(k, key);
		return k;
	case ESP_AES_CBC:
		set_aes(k, key);
		break;
	case ESP_3DES:
		set_3des(k, key);
		break;
	}
	set_hmac(k, auth);
	return k;
}

void mb_key_free(struct mb_key *k)
{
	if (!k)
		return;
	wipe(k, sizeof(*k)); /* check: esp-batch-key-wipe */
	free(k);
}

unsigned mb_least(const struct mb_key *k)
{
	switch (k->suite.cipher) {
	case ESP_AES_GCM:
		return 1; /* no lanes to fill: each packet at full speed */
	case ESP_AES_CBC:
		return k->auth->least;
	case ESP_3DES:
		return LEAST_3DES;
	}
	return 1;
}

/* ---- GCM: one packet at a time ---- */

static void gcm(const struct mb_key *k, aes_gcm_enc_dec_t way, const struct crypto_esp_job *job,
	uint8_t *tag)
{
	struct esp_parts part = esp_parts(&k->suite, job);
	struct gcm_context_data ctx;
	uint8_t nonce[GCM_NONCE];

	memcpy(nonce, k->salt, GCM_SALT);
	memcpy(nonce + GCM_SALT, part.iv, GCM_NONCE - GCM_SALT);
	way(&k->gcm, &ctx, part.text, part.text, part.text_len, nonce, job->packet, CRYPTO_ESP_HEAD,
		tag, GCM_TAG);
}

static void seal_gcm(const struct mb_key *k, struct crypto_esp_job *jobs, uint64_t todo)
{
	for (; todo; todo &= todo - 1) {
		struct crypto_esp_job *job = &jobs[__builtin_ctzll(todo)];

		gcm(k, k->gcm_seal, job, esp_parts(&k->suite, job).icv);
		job->result = CRYPTO_ESP_OK;
	}
}

/* Did the tag come out as the packet has it? */
static enum crypto_esp_result verdict(
	const struct mb_key *k, const struct crypto_esp_job *job, const uint8_t *tag)
{
	size_t n = k->suite.icv_len;
	bool equal = secret_equal(
		slice(tag, n), slice(esp_parts(&k->suite, job).icv, n)) /* check: esp-batch-icv */;

	return equal ? CRYPTO_ESP_OK : CRYPTO_ESP_FORGED;
}

static void open_gcm(const struct mb_key *k, struct crypto_esp_job *jobs, uint64_t todo)
{
	uint8_t tag[GCM_TAG];

	for (; todo; todo &= todo - 1) {
		struct crypto_esp_job *job = &jobs[__builtin_ctzll(todo)];

		gcm(k, k->gcm_open, job, tag);
		job->result = verdict(k, job, tag);
	}
}

/* ---- CBC and HMAC: jobs in lanes ---- */

enum pass { PASS_SEAL, PASS_VERIFY, PASS_DECRYPT };

typedef uint8_t tags[CRYPTO_ESP_BATCH][TAG_MAX];

static void fill_cipher(const struct mb_key *k, IMB_JOB *j, const struct esp_parts *part)
{
	bool aes = k->suite.cipher == ESP_AES_CBC;

	j->cipher_mode = aes ? IMB_CIPHER_CBC : IMB_CIPHER_DES3;
	j->enc_keys = aes ? (const void *)k->enc : k->des_keys;
	j->dec_keys = aes ? (const void *)k->dec : k->des_keys;
	j->key_len_in_bytes = k->suite.key_len;
	j->iv = part->iv;
	j->iv_len_in_bytes = esp_iv_len(&k->suite);
	j->dst = part->text;
	j->cipher_start_src_offset_in_bytes = CRYPTO_ESP_HEAD + esp_iv_len(&k->suite);
	j->msg_len_to_cipher_in_bytes = part->text_len;
}

static void fill_hash(const struct mb_key *k, IMB_JOB *j, size_t n, uint8_t *tag)
{
	j->hash_alg = k->auth->alg;
	j->u.HMAC._hashed_auth_key_xor_ipad = k->inner;
	j->u.HMAC._hashed_auth_key_xor_opad = k->outer;
	j->hash_start_src_offset_in_bytes = 0;
	j->msg_len_to_hash_in_bytes = n;
	j->auth_tag_output = tag;
	j->auth_tag_output_len_in_bytes = k->auth->tag_len;
}

static void fill(const struct mb_key *k, IMB_JOB *j, const struct crypto_esp_job *job,
	enum pass pass, uint8_t *tag)
{
	struct esp_parts part = esp_parts(&k->suite, job);

	j->src = job->packet;
	j->chain_order = pass == PASS_SEAL ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	j->cipher_direction = pass == PASS_SEAL ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	j->cipher_mode = IMB_CIPHER_NULL;
	j->hash_alg = IMB_AUTH_NULL;
	if (pass != PASS_VERIFY)
		fill_cipher(k, j, &part);
	if (pass != PASS_DECRYPT)
		fill_hash(k, j, job->len - k->suite.icv_len, tag);
}

/* The bit of a job that came back, if it was done. */
static uint64_t bit_of(const IMB_JOB *j)
{
	return j->status == IMB_STATUS_COMPLETED ? UINT64_C(1) << (uintptr_t)j->user_data : 0;
}

/* Returns the jobs that were done: all, but for those that the library refuses. */
static uint64_t run(const struct mb_key *k, const struct crypto_esp_job *jobs, uint64_t todo,
	enum pass pass, tags tag)
{
	uint64_t done = 0;
	IMB_JOB *j;

	for (; todo; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctzll(todo);

		j = IMB_GET_NEXT_JOB(k->mgr);
		fill(k, j, &jobs[i], pass, tag[i]);
		j->user_data = (void *)(uintptr_t)i;
		for (j = IMB_SUBMIT_JOB(k->mgr); j; j = IMB_GET_COMPLETED_JOB(k->mgr))
			done |= bit_of(j);
	}
	while ((j = IMB_FLUSH_JOB(k->mgr)))
		done |= bit_of(j);
	return done;
}

static uint64_t seal_lanes(const struct mb_key *k, struct crypto_esp_job *jobs, uint64_t todo)
{
	tags tag;
	uint64_t done = run(k, jobs, todo, PASS_SEAL, tag);

	for (uint64_t left = done; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		memcpy(esp_parts(&k->suite, &jobs[i]).icv, tag[i], k->suite.icv_len);
		jobs[i].result = CRYPTO_ESP_OK;
	}
	return todo & ~done;
}

/* Two passes: nothing is decrypted, and nothing is touched, before it has been verified. */
static uint64_t open_lanes(const struct mb_key *k, struct crypto_esp_job *jobs, uint64_t todo)
{
	tags tag;
	uint64_t verified = run(k, jobs, todo, PASS_VERIFY, tag), good = 0;

	for (uint64_t left = verified; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		jobs[i].result = verdict(k, &jobs[i], tag[i]);
		if (jobs[i].result == CRYPTO_ESP_OK)
			good |= UINT64_C(1) << i;
	}
	return (todo & ~verified) | (good & ~run(k, jobs, good, PASS_DECRYPT, tag));
}

uint64_t mb_seal(struct mb_key *k, struct crypto_esp_job *jobs, uint64_t todo)
{
	if (k->suite.cipher != ESP_AES_GCM)
		return seal_lanes(k, jobs, todo);
	seal_gcm(k, jobs, todo);
	return 0;
}

uint64_t mb_open(struct mb_key *k, struct crypto_esp_job *jobs, uint64_t todo)
{
	if (k->suite.cipher != ESP_AES_GCM)
		return open_lanes(k, jobs, todo);
	open_gcm(k, jobs, todo);
	return 0;
}
#endif

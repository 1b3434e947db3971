/* The arithmetic of IKEv1: SKEYIDs, cipher key, IVs, every HASH, KEYMAT, NAT-D and the encryption of
 * messages. RFC 2409, 5, 5.5 and appendix B; RFC 3947, 3.2. Functions of their arguments, either
 * role. All return false when the crypto door failed; outputs are then undefined.
 *
 * Nonces, IDs and SA are payload bodies without the generic header (Ni_b, IDii_b, SAi_b). */
#pragma once

#include "base/addr.h"
#include "base/crypto.h"
#include "base/sa.h"
#include "base/wire.h"
#include "ike/ike_sa.h"

enum { IKE_KEY_MAX = 32, IKE_BLOCK_MAX = 16 };

/* What phase 1 yields. Wipe it. */
struct ike_keys {
	enum hash hash; /* the prf is HMAC of it */
	enum cbc cipher;
	uint8_t key_len;
	uint8_t skeyid[HASH_MAX]; /* hash_len(hash) octets each */
	uint8_t d[HASH_MAX];
	uint8_t a[HASH_MAX];
	uint8_t e[HASH_MAX];
	uint8_t key[IKE_KEY_MAX]; /* of the cipher, key_len octets */
};

/* SKEYID for a pre-shared key; takes hash, cipher and key_len from the suite. */
[[gnu::warn_unused_result]] bool ike_keys_psk(struct crypto *c, const struct ike_suite *suite,
	struct slice psk, struct slice ni, struct slice nr, struct ike_keys *k);

/* SKEYID_d, _a, _e and the cipher key from SKEYID. */
[[gnu::warn_unused_result]] bool ike_keys_derive(struct crypto *c, struct ike_keys *k,
	struct slice gxy, struct slice cookie_i, struct slice cookie_r);

/* The cipher key from SKEYID_e alone: its first octets, or the expansion of RFC 2409, appendix B. */
[[gnu::warn_unused_result]] bool ike_keys_expand(struct crypto *c, struct ike_keys *k);

/* HASH_I, and HASH_R with own and other swapped: prf(SKEYID, g^own | g^other | CKY-own | CKY-other |
 * SAi_b | ID_b). */
struct ike_proof {
	struct slice public_own, public_other;
	struct slice cookie_own, cookie_other;
	struct slice sa_i;
	struct slice id_own;
};
[[gnu::warn_unused_result]] bool ike_hash_auth(
	struct crypto *c, const struct ike_keys *k, const struct ike_proof *p, uint8_t *to);

/* HASH(1) of quick mode and informational; HASH(2), where `ni` goes between; HASH(3). */
[[gnu::warn_unused_result]] bool ike_hash1(
	struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice rest, uint8_t *to);
[[gnu::warn_unused_result]] bool ike_hash2(struct crypto *c, const struct ike_keys *k, uint32_t id,
	struct slice ni, struct slice rest, uint8_t *to);
[[gnu::warn_unused_result]] bool ike_hash3(struct crypto *c, const struct ike_keys *k, uint32_t id,
	struct slice ni, struct slice nr, uint8_t *to);

/* The IV of message 5, and of the first message of a phase 2 exchange; one cipher block. */
[[gnu::warn_unused_result]] bool ike_iv_phase1(struct crypto *c, enum hash hash,
	struct slice public_i, struct slice public_r, uint8_t *iv);
[[gnu::warn_unused_result]] bool ike_iv_phase2(struct crypto *c, const struct ike_keys *k,
	const uint8_t *last_block, uint32_t id, uint8_t *iv);

/* Pad the finished message (n octets in a buffer of `room`) with zeros, encrypt it behind its
 * header, set the flag and the length. *n grows; `iv` becomes the last ciphertext block. */
[[gnu::warn_unused_result]] bool ike_seal(struct crypto *c, const struct ike_keys *k, uint8_t *iv,
	uint8_t *message, size_t *n, size_t room);

/* The clear octets behind the header into `plain` (message.n - IKE_HDR octets). False also when
 * they are no whole blocks. `iv` is left alone: it advances (ike_last_block) only for a message that
 * has proved itself. */
[[gnu::warn_unused_result]] bool ike_unseal(struct crypto *c, const struct ike_keys *k,
	const uint8_t *iv, struct slice message, uint8_t *plain);
void ike_last_block(const struct ike_keys *k, struct slice message, uint8_t *iv);

/* KEYMAT for the direction of half->spi, split into half's keys. `gxy` is empty without PFS. */
[[gnu::warn_unused_result]] bool ike_esp_keys(struct crypto *c, const struct ike_keys *k,
	const struct esp_suite *suite, struct slice gxy, struct slice ni, struct slice nr,
	struct esp_half *half);

/* HASH(CKY-I | CKY-R | IP | port), hash_len(hash) octets. */
[[gnu::warn_unused_result]] bool ike_nat_d(struct crypto *c, enum hash hash, struct slice cookie_i,
	struct slice cookie_r, const struct addr *a, uint8_t *to);

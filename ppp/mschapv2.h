/* MS-CHAPv2's arithmetic: pure functions of their arguments, for either end. RFC 2759, 8.
 *
 * All give false when OpenSSL cannot do it (MD4 and DES are in its legacy provider). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/wire.h"

enum {
	NT_HASH = 16,            /* octets */
	MSCHAP_CHALLENGE = 8,    /* what is encrypted */
	MSCHAPV2_CHALLENGE = 16, /* what is sent, either way */
	MSCHAP_RESPONSE = 24,
	MSCHAPV2_VALUE = 49,   /* peer challenge 16, zeros 8, response 24, flags 1 */
	MSCHAPV2_PROOF = 42,   /* "S=" and 40 hex digits */
	MSCHAP_PASSWORD = 512, /* octets of UTF-16 at most; RFC 2759, 8.10 */
};

/* Is it UTF-8, and short enough? */
bool mschap_password_fits(struct slice password);

/* MD4 of the password in UTF-16LE. False also when `password` is not UTF-8 or too long. */
[[gnu::warn_unused_result]] bool nt_hash(
	struct crypto *c, struct slice password, uint8_t to[NT_HASH]);

/* 56 bits spread over the 8 octets of a DES key; the parity bits are 0. */
void mschap_des_key(const uint8_t from[7], uint8_t to[8]);

/* Three DES encryptions of the challenge under the hash: MS-CHAPv1 too. RFC 2759, 8.5. */
[[gnu::warn_unused_result]] bool mschap_response(struct crypto *c,
	const uint8_t challenge[MSCHAP_CHALLENGE], const uint8_t hash[NT_HASH],
	uint8_t to[MSCHAP_RESPONSE]);

/* Of both challenges and the user name as sent: a DOMAIN\ in front is left out here. */
[[gnu::warn_unused_result]] bool mschapv2_challenge_hash(struct crypto *c,
	const uint8_t peer[MSCHAPV2_CHALLENGE], const uint8_t authenticator[MSCHAPV2_CHALLENGE],
	struct slice user, uint8_t to[MSCHAP_CHALLENGE]);

/* "S=..." without a NUL: how the server proves that it knows the password's hash. */
[[gnu::warn_unused_result]] bool mschapv2_proof(struct crypto *c, const uint8_t hash[NT_HASH],
	const uint8_t response[MSCHAP_RESPONSE], const uint8_t challenge[MSCHAP_CHALLENGE],
	uint8_t to[MSCHAPV2_PROOF]);

/* Diffie-Hellman groups of IKE: private value, public value, shared secret.
 *
 * The private value comes from env->rng, so a simulation repeats itself. Public values and shared
 * secrets are in IKE's form: MODP left-padded with zeros to the prime's length; ECP x|y without a
 * prefix and a secret that is x alone (RFC 5903); curve25519 32 octets. The peer's value is checked:
 * exact length, 1 < y < p-1, the point on the curve, no all-zero result. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/env.h"

struct dh;

/* IANA "Group Description" numbers, as on the wire. */
enum dh_group {
	DH_NONE = 0,
	DH_MODP1024 = 2,
	DH_MODP1536 = 5,
	DH_MODP2048 = 14,
	DH_MODP3072 = 15,
	DH_MODP4096 = 16,
	DH_ECP256 = 19,
	DH_ECP384 = 20,
	DH_ECP521 = 21,
	DH_CURVE25519 = 31,
};

enum { DH_PUBLIC_MAX = 512, DH_SECRET_MAX = 512 };

/* Octets of a public value and of the shared secret; 0 for a group we do not have. */
size_t dh_public_len(enum dh_group group);
size_t dh_secret_len(enum dh_group group);

/* A fresh private value. NULL: unknown group, out of memory or OpenSSL failed. */
struct dh *dh_new(const struct env *env, enum dh_group group);

/* The same from a given private value (test vectors); big endian, curve25519 as RFC 7748. */
struct dh *dh_of(struct crypto *c, enum dh_group group, struct slice private_value);

/* The same again, for one who frees it too. */
struct dh *dh_share(struct dh *dh);

/* The last one wipes. NULL is allowed. */
void dh_free(struct dh *dh);

/* Our public value, dh_public_len() octets, valid as long as dh. */
struct slice dh_public(const struct dh *dh);

/* A peer's public value with the leading zero octets that some peers leave out (SoftEther, with one
 * MODP value in 256), dh_public_len() octets into `to`. False: no length that a public value of the
 * group can have, or too short to be chance. */
bool dh_public_pad(enum dh_group group, struct slice peer, uint8_t *to);

/* The shared secret, dh_secret_len() octets into `to`. False when the peer's value is not allowed. */
[[gnu::warn_unused_result]] bool dh_agree(const struct dh *dh, struct slice peer, uint8_t *to);

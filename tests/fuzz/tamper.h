/* The input as the hand of a server that holds every key: one message of the test gateway is changed
 * before it is encrypted, and its HASH made again if the input says so, so that what lies behind the
 * checks is reached. Link with --wrap=ike_seal, ike_hash_auth, ike_hash1, ike_hash2, ike_hash3 and
 * esp_send; between tamper_begin() and tamper_end() these work on behalf of the gateway. */
#pragma once

#include "tests/fuzz/fuzz.h"

enum tamper_how {
	TAMPER_NOTHING,
	TAMPER_EDIT,    /* `octets` are edits: what 8, where 16, octet 8 */
	TAMPER_REPLACE, /* `octets` are the message; in IKE the first payload's type and the chain */
};

struct tamper {
	enum tamper_how how;
	bool mend; /* the HASH is made again */
	struct slice octets;
};

/* What the gateway has proved with a right HASH since tamper_reset(). */
struct tamper_proofs {
	unsigned auth, quick;
};

void tamper_reset(const struct env *env);
void tamper_begin(const struct tamper *t); /* for the first message that comes; NULL: nothing */
void tamper_end(void);
struct tamper_proofs tamper_proofs(void);

/* What needs no keys (edit.c): apply edits to n octets in `room`; the new length. */
size_t tamper_edit(struct slice edits, uint8_t *octets, size_t n, size_t room);

/* The same as `t` says: edits, or other octets. */
size_t tamper_change(const struct tamper *t, uint8_t *octets, size_t n, size_t room);

/* For a message that goes in the clear, which is taken: another one comes back. */
struct pkt *tamper_pkt(const struct env *env, const struct tamper *t, struct pkt *p);

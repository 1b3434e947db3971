/* A gateway that has the keys and no care: its sealed messages opened, changed and sealed again. */
#pragma once

#include "tests/unit/ike_world.h"

struct opened {
	struct ike_hdr hdr;
	uint8_t iv[IKE_BLOCK_MAX]; /* what it is sealed under */
	uint8_t plain[ROOM];
	struct ike_payloads p; /* to be changed; the HASH in front is made anew */
	struct blob extra;
};

/* The gateway's message, taken off its way. `before`: what preceded it in its exchange (the last
 * cipher block of that is the IV), empty for the first of a phase 2 exchange. */
static inline struct opened *rogue_open(struct world *w, struct slice before)
{
	struct opened *o = calloc(1, sizeof(*o));
	struct pkt *real = intercept(w);
	struct slice m = pkt_slice(real);

	assert_non_null(o);
	assert_true(ike_hdr_parse(m, &o->hdr));
	if (before.n)
		ike_last_block(&w->gw.keys, before, o->iv);
	else
		assert_true(ike_iv_phase2(w->env->crypto, &w->gw.keys, w->gw.iv, o->hdr.id, o->iv));
	assert_true(ike_unseal(w->env->crypto, &w->gw.keys, o->iv, m, o->plain));
	assert_true(ike_payloads_parse(o->hdr.first, slice(o->plain, m.n - IKE_HDR), &o->p));
	pkt_free(real);
	return o;
}

enum { WHOLE_HASH = -1, NO_HASH = -2 };

/* Sealed again, under another message ID where one is given, with the first `octets` octets of the
 * right HASH (and zeros behind it), the whole or none; and on its way. `ni`: of quick mode's answer. */
static inline void rogue_send(
	struct world *w, const struct opened *o, uint32_t id, int octets, struct slice ni)
{
	struct crypto *c = w->env->crypto;
	const struct ike_keys *k = &w->gw.keys;
	struct ike_hdr hdr = o->hdr;
	uint8_t buf[ROOM], hash[ROOM] = {0}, iv[IKE_BLOCK_MAX];
	size_t whole = hash_len(k->hash);
	size_t n = octets == WHOLE_HASH ? whole : octets == NO_HASH ? 0 : (size_t)octets;
	struct ike_build b;

	memcpy(iv, o->iv, sizeof(iv));
	if (id) {
		hdr.id = id;
		assert_true(ike_iv_phase2(c, k, w->gw.iv, id, iv));
	}
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	if (octets != NO_HASH)
		ike_put(&b, IKE_HASH, slice(hash, n));
	size_t at = wr_len(&b.w);
	for (size_t i = 1; i < o->p.n; i++)
		ike_put(&b, o->p.at[i].type, o->p.at[i].body);
	size_t len = ike_build_close(&b).n;
	struct slice rest = slice(buf + at, len - at);
	assert_true(ni.n ? ike_hash2(c, k, hdr.id, ni, rest, hash)
			 : ike_hash1(c, k, hdr.id, rest, hash));
	if (octets != NO_HASH)
		memcpy(buf + at - n, hash, n);
	assert_true(ike_seal(c, k, iv, buf, &len, sizeof(buf)));
	to_client(w, slice(buf, len));
}

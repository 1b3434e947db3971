/* A scripted gateway: just enough of a peer to complete main mode and quick mode in both roles, and
 * to misbehave on request. The world that it lives in has its functions in ike_world.h. */
#pragma once

#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "ike/ike.h"
#include "ike/ike_keys.h"
#include "ike/ike_msg.h"
#include "ike/ike_prop.h"
#include "ike/ike_vid.h"

enum { ROOM = 2048, LATENCY = 10, KINDS = IKE_EV_FAILED + 1 };

/* Octets with their length. */
struct blob {
	uint8_t p[ROOM];
	size_t n;
};

/* How its message 2 of quick mode departs from a plain answer. */
struct oddities {
	bool no_ids;
	bool odd_port;
	uint16_t port;    /* of the server's ID, when odd_port */
	uint32_t address; /* in the server's ID, instead of what the client said */
	bool low_spi;
	bool our_nonce; /* the client's own, back */
};

struct gateway {
	/* wishes */
	bool mute;
	unsigned lose; /* swallow so many of the client's next messages */
	bool natted;   /* sees the client behind NAT */
	bool without_natt;
	bool natt_draft; /* speaks draft 03 only */
	const char *psk;
	unsigned choice; /* which transform of the offer it takes */
	unsigned quick_choice;
	bool wrong_hash;
	bool mute_after_4;
	bool refuse_quick;
	bool refuse_with_spi_0;  /* as strongSwan: protocol ESP, and no SPI known yet */
	enum dh_group wants_pfs; /* refuse quick modes without it */
	bool refuse_5;           /* with an authentic error */
	struct oddities odd;
	uint32_t lifetime; /* RESPONDER-LIFETIME in quick mode */
	/* phase 1 */
	bool initiator;
	unsigned awaits; /* main mode message; 0 = done */
	uint8_t cookie_i[8], cookie_r[8];
	struct ike_suite suite;
	struct blob sa_i, sa_r, nonce_i, nonce_r, public_i, public_r;
	struct dh *dh;
	struct ike_keys keys;
	uint8_t iv[IKE_BLOCK_MAX];
	enum lane lane;
	/* quick mode */
	bool quick_initiator;
	uint32_t id, spi_own, spi_peer;
	uint8_t quick_iv[IKE_BLOCK_MAX];
	struct dh *quick_dh;
	struct blob ni, nr, quick_peer;
	struct esp_suite esp;
	enum dh_group pfs;
	struct esp_half in, out;
	/* what came */
	struct blob last_in, last_out, id_of_client;
	unsigned main_modes, quick_modes;
	unsigned probes, acks, esp_deletes, ike_deletes, contacts, refusals, aggressive;
	uint32_t deleted_spi;
};

struct world {
	struct env *env;
	struct ike_conf conf;
	struct ike *ike;
	struct gateway gw;
	msec now;
	struct io out;
	struct pktq inbox; /* what is on its way to the machine */
	unsigned events[KINDS];
	struct ike_event want; /* the last question */
	bool keep_questions;   /* do not answer by itself */
	bool say_no;
	uint32_t next_spi, used, dropped;
	unsigned gaps; /* the pair in use was dropped before another was used */
	struct sa_pair pair;
	struct reason reason;
	unsigned sent, keepalives, on_lane[LANES];
	struct blob last_sent;
};

static inline void blob_set(struct blob *b, struct slice s)
{
	assert_true(s.n <= ROOM);
	if (s.n)
		memcpy(b->p, s.p, s.n);
	b->n = s.n;
}

static inline struct slice blob(const struct blob *b)
{
	return slice(b->p, b->n);
}

static inline uint32_t number(struct slice s)
{
	struct rd r = rd_of(s);

	return rd_u32(&r);
}

/* ---- the gateway sends ---- */

static inline void to_client(struct world *w, struct slice message)
{
	struct pkt *p = pkt_of(w->env->pool, message);

	assert_non_null(p);
	p->lane = w->gw.lane;
	pktq_put(&w->inbox, p);
}

static inline void gw_reply(struct world *w, struct slice message)
{
	blob_set(&w->gw.last_out, message);
	to_client(w, message);
}

static inline struct ike_hdr gw_hdr(const struct world *w, uint8_t exchange, uint32_t id)
{
	struct ike_hdr hdr = {.exchange = exchange, .id = id};

	memcpy(hdr.cookie_i, w->gw.cookie_i, 8);
	memcpy(hdr.cookie_r, w->gw.cookie_r, 8);
	return hdr;
}

/* Fill in the HASH in front, seal, send. */
static inline void gw_seal_and_send(
	struct world *w, struct ike_build *b, const uint8_t *hash, uint8_t *iv)
{
	size_t n = ike_build_close(b).n;

	if (hash)
		memcpy(b->w.start + IKE_HDR + IKE_PAYLOAD_HDR, hash, hash_len(w->gw.keys.hash));
	assert_true(ike_seal(w->env->crypto, &w->gw.keys, iv, b->w.start, &n, ROOM));
	gw_reply(w, slice(b->w.start, n));
}

static inline struct slice behind_hash(const struct world *w, struct ike_build *b)
{
	size_t at = IKE_HDR + IKE_PAYLOAD_HDR + hash_len(w->gw.keys.hash);

	return slice(b->w.start + at, wr_len(&b->w) - at);
}

static inline void gw_info_begin(struct world *w, struct ike_build *b, uint8_t *buf, uint32_t *id)
{
	uint8_t zero[HASH_MAX] = {0};

	*id = env_random_u32(w->env) | 1;
	struct ike_hdr hdr = gw_hdr(w, IKE_INFO, *id);

	ike_build_open(b, buf, ROOM, &hdr);
	ike_put(b, IKE_HASH, slice(zero, hash_len(w->gw.keys.hash)));
}

static inline void gw_info_end(struct world *w, struct ike_build *b, uint32_t id)
{
	uint8_t hash[HASH_MAX], iv[IKE_BLOCK_MAX];

	assert_true(ike_hash1(w->env->crypto, &w->gw.keys, id, behind_hash(w, b), hash));
	assert_true(ike_iv_phase2(w->env->crypto, &w->gw.keys, w->gw.iv, id, iv));
	gw_seal_and_send(w, b, hash, iv);
}

static inline void gw_notify(
	struct world *w, uint8_t protocol, uint16_t type, struct slice spi, struct slice data)
{
	struct ike_build b;
	uint8_t buf[ROOM];
	uint32_t id;

	gw_info_begin(w, &b, buf, &id);
	ike_put_notify(&b, protocol, type, spi, data);
	gw_info_end(w, &b, id);
}

static inline void gw_delete_pair(struct world *w, uint32_t spi)
{
	struct ike_build b;
	uint8_t buf[ROOM], octets[4];
	uint32_t id;

	put_u32(octets, spi);
	gw_info_begin(w, &b, buf, &id);
	ike_put_delete(&b, IKE_PROTO_ESP, 4, slice(octets, 4));
	gw_info_end(w, &b, id);
}

static inline struct slice gw_cookies(const struct world *w, uint8_t to[static 16])
{
	memcpy(to, w->gw.cookie_i, 8);
	memcpy(to + 8, w->gw.cookie_r, 8);
	return slice(to, 16);
}

static inline void gw_delete_sa(struct world *w)
{
	struct ike_build b;
	uint8_t buf[ROOM], cookies[16];
	uint32_t id;

	gw_info_begin(w, &b, buf, &id);
	ike_put_delete(&b, IKE_PROTO_ISAKMP, 16, gw_cookies(w, cookies));
	gw_info_end(w, &b, id);
}

static inline void gw_dpd(struct world *w, uint16_t type, uint32_t seq)
{
	uint8_t cookies[16], data[4];

	put_u32(data, seq);
	gw_notify(w, IKE_PROTO_ISAKMP, type, gw_cookies(w, cookies), slice(data, 4));
}

/* What anybody can send who saw the client's message 1. */
static inline void forge_notify(struct world *w, uint16_t type)
{
	struct ike_hdr hdr = {.exchange = IKE_INFO, .id = env_random_u32(w->env)};
	struct ike_build b;
	uint8_t buf[ROOM];

	memcpy(hdr.cookie_i, w->gw.cookie_i, 8);
	env_random(w->env, hdr.cookie_r, 8);
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	ike_put_notify(&b, IKE_PROTO_ISAKMP, type, slice(NULL, 0), slice(NULL, 0));
	to_client(w, ike_build_close(&b));
}

/* ---- main mode of the gateway, both roles ---- */

static inline void gw_put_main(struct world *w, unsigned n, struct ike_build *b)
{
	struct gateway *g = &w->gw;
	struct crypto *c = w->env->crypto;
	uint8_t hash[HASH_MAX];

	if (n <= 2) {
		ike_put(b, IKE_SA, n == 1 ? blob(&g->sa_i) : blob(&g->sa_r));
		if (!g->without_natt)
			ike_put(b, IKE_VID,
				ike_vid_octets(g->natt_draft ? VID_NATT_03 : VID_NATT_RFC));
		ike_put(b, IKE_VID, ike_vid_octets(VID_DPD));
	} else if (n <= 4) {
		struct blob *public_own = n == 3 ? &g->public_i : &g->public_r;
		struct blob *nonce = n == 3 ? &g->nonce_i : &g->nonce_r;

		dh_free(g->dh);
		g->dh = dh_new(w->env, g->suite.group);
		blob_set(public_own, dh_public(g->dh));
		nonce->n = 16;
		env_random(w->env, nonce->p, 16);
		ike_put(b, IKE_KE, blob(public_own));
		ike_put(b, IKE_NONCE, blob(nonce));
		const struct addr *ends[] = {&w->conf.local[g->lane], &w->conf.remote[g->lane]};
		for (int i = 0; i < 2 && !g->without_natt; i++) {
			assert_true(ike_nat_d(c, g->suite.hash, slice(g->cookie_i, 8),
				slice(g->cookie_r, 8), ends[i], hash));
			hash[0] ^= g->natted && i == 0;
			ike_put(b, g->natt_draft ? IKE_NATD_DRAFT : IKE_NATD,
				slice(hash, hash_len(g->suite.hash)));
		}
	} else {
		static const uint8_t id[] = {1, 0, 0, 0, 0, 0, 0, 0}; /* SoftEther's 0.0.0.0 */
		bool r = n == 6;
		struct ike_proof proof = {
			.public_own = r ? blob(&g->public_r) : blob(&g->public_i),
			.public_other = r ? blob(&g->public_i) : blob(&g->public_r),
			.cookie_own = r ? slice(g->cookie_r, 8) : slice(g->cookie_i, 8),
			.cookie_other = r ? slice(g->cookie_i, 8) : slice(g->cookie_r, 8),
			.sa_i = blob(&g->sa_i),
			.id_own = slice(id, sizeof(id)),
		};

		assert_true(ike_hash_auth(c, &g->keys, &proof, hash));
		hash[0] ^= g->wrong_hash;
		ike_put(b, IKE_ID, slice(id, sizeof(id)));
		ike_put(b, IKE_HASH, slice(hash, hash_len(g->suite.hash)));
	}
}

static inline void gw_derive(struct world *w, struct slice peer)
{
	struct gateway *g = &w->gw;
	struct crypto *c = w->env->crypto;
	uint8_t gxy[DH_SECRET_MAX];

	assert_true(dh_agree(g->dh, peer, gxy));
	assert_true(ike_keys_psk(
		c, &g->suite, slice_str(g->psk), blob(&g->nonce_i), blob(&g->nonce_r), &g->keys));
	assert_true(ike_keys_derive(c, &g->keys, slice(gxy, dh_secret_len(g->suite.group)),
		slice(g->cookie_i, 8), slice(g->cookie_r, 8)));
	assert_true(ike_iv_phase1(c, g->suite.hash, blob(&g->public_i), blob(&g->public_r), g->iv));
}

static inline void gw_send_main(struct world *w, unsigned n)
{
	struct ike_hdr hdr = gw_hdr(w, IKE_MAIN, 0);
	struct ike_build b;
	uint8_t buf[ROOM];

	ike_build_open(&b, buf, sizeof(buf), &hdr);
	gw_put_main(w, n, &b);
	if (n == 4)
		gw_derive(w, blob(&w->gw.public_i));
	w->gw.awaits = n + 1;
	if (n < 5)
		gw_reply(w, ike_build_close(&b));
	else
		gw_seal_and_send(w, &b, NULL, w->gw.iv);
}

/* The gateway renews phase 1 by itself. */
static inline void gw_main_start(struct world *w, const char *suite)
{
	struct ike_proposals p = {0};
	const char *wrong;
	struct wr sa = wr_of(w->gw.sa_i.p, ROOM);

	assert_true(ike_suites_parse(suite, &p, &wrong));
	ike_sa1_put(&sa, p.ike, p.n_ike, 28800);
	w->gw.sa_i.n = wr_len(&sa);
	w->gw.suite = p.ike[0];
	w->gw.initiator = true;
	env_random(w->env, w->gw.cookie_i, 8);
	memset(w->gw.cookie_r, 0, 8);
	gw_send_main(w, 1);
}

static inline void gw_take_offer(struct world *w, const struct ike_hdr *hdr, struct slice body)
{
	struct gateway *g = &w->gw;
	struct ike_offers offers;
	struct ike_sa1 sa;
	struct wr answer = wr_of(g->sa_r.p, ROOM);

	assert_true(ike_offers_parse(body, &offers));
	assert_true(ike_sa1_of(&offers.at[g->choice], &sa));
	g->initiator = false;
	g->suite = sa.suite;
	blob_set(&g->sa_i, body);
	ike_accept_put(&answer, &offers.at[g->choice], slice(NULL, 0));
	g->sa_r.n = wr_len(&answer);
	memcpy(g->cookie_i, hdr->cookie_i, 8);
	env_random(w->env, g->cookie_r, 8);
}

/* Octets behind the header, decrypted if need be. False: not readable. */
static inline bool gw_open(struct world *w, const struct ike_hdr *hdr, struct slice m,
	const uint8_t *iv, uint8_t *plain, struct ike_payloads *p)
{
	memcpy(plain, m.p + IKE_HDR, m.n - IKE_HDR);
	if (hdr->flags & IKE_ENCRYPTED && !ike_unseal(w->env->crypto, &w->gw.keys, iv, m, plain))
		return false;
	return ike_payloads_parse(hdr->first, slice(plain, m.n - IKE_HDR), p);
}

static inline void gw_main(struct world *w, const struct ike_hdr *hdr, struct slice m)
{
	static const uint8_t zero[8] = {0};
	struct gateway *g = &w->gw;
	uint8_t plain[ROOM];
	struct ike_payloads p;

	if (memcmp(hdr->cookie_r, zero, 8) == 0)
		g->awaits = 1;
	if (!gw_open(w, hdr, m, g->iv, plain, &p) || !ike_payload_find(&p, p.at[0].type, 0))
		return;
	unsigned n = g->awaits;
	if (n == 1)
		gw_take_offer(w, hdr, ike_payload_body(&p, IKE_SA));
	if (n == 2)
		memcpy(g->cookie_r, hdr->cookie_r, 8);
	if (n == 3 || n == 4) {
		blob_set(n == 3 ? &g->public_i : &g->public_r, ike_payload_body(&p, IKE_KE));
		blob_set(n == 3 ? &g->nonce_i : &g->nonce_r, ike_payload_body(&p, IKE_NONCE));
	}
	if (n == 4)
		gw_derive(w, blob(&g->public_r));
	if (n >= 5) {
		if (!ike_payloads_are(&p, IKE_MM5) || g->mute_after_4)
			return;
		ike_last_block(&g->keys, m, g->iv);
		if (g->refuse_5) {
			gw_notify(w, IKE_PROTO_ISAKMP, IKE_INVALID_ID_INFORMATION,
				slice(g->cookie_i, 8), slice(NULL, 0));
			return;
		}
		g->contacts += ike_payload_find(&p, IKE_N, 0) != NULL;
		blob_set(&g->id_of_client, ike_payload_body(&p, IKE_ID));
	}
	if (n < 6)
		gw_send_main(w, n + 1);
	if (n >= 5) {
		g->awaits = 0;
		g->main_modes++;
	}
}

/* ---- quick mode of the gateway, both roles ---- */

static inline void gw_quick_keys(struct world *w)
{
	struct gateway *g = &w->gw;
	uint8_t gxy[DH_SECRET_MAX];
	struct slice secret = slice(gxy, dh_secret_len(g->pfs));

	if (g->pfs != DH_NONE)
		assert_true(dh_agree(g->quick_dh, blob(&g->quick_peer), gxy));
	g->in = (struct esp_half){.spi = g->spi_own};
	g->out = (struct esp_half){.spi = g->spi_peer};
	assert_true(ike_esp_keys(
		w->env->crypto, &g->keys, &g->esp, secret, blob(&g->ni), blob(&g->nr), &g->in));
	assert_true(ike_esp_keys(
		w->env->crypto, &g->keys, &g->esp, secret, blob(&g->ni), blob(&g->nr), &g->out));
}

static inline void gw_quick_open(struct world *w, struct ike_build *b, uint8_t *buf)
{
	uint8_t zero[HASH_MAX] = {0};
	struct ike_hdr hdr = gw_hdr(w, IKE_QUICK, w->gw.id);

	ike_build_open(b, buf, ROOM, &hdr);
	ike_put(b, IKE_HASH, slice(zero, hash_len(w->gw.keys.hash)));
}

static inline void gw_quick_own(struct world *w, struct ike_build *b)
{
	struct gateway *g = &w->gw;
	struct blob *nonce = g->quick_initiator ? &g->ni : &g->nr;

	nonce->n = 16;
	env_random(w->env, nonce->p, 16);
	if (g->odd.our_nonce)
		*nonce = g->ni;
	ike_put(b, IKE_NONCE, blob(nonce));
	if (g->pfs == DH_NONE)
		return;
	dh_free(g->quick_dh);
	g->quick_dh = dh_new(w->env, g->pfs);
	ike_put(b, IKE_KE, dh_public(g->quick_dh));
}

static inline uint16_t gw_mode(const struct world *w)
{
	if (w->gw.lane != LANE_NATT)
		return IKE_MODE_TRANSPORT;
	return w->gw.natt_draft ? IKE_MODE_UDP_TRANSPORT_DRAFT : IKE_MODE_UDP_TRANSPORT;
}

/* The gateway starts one: first ID its own, second the client's. */
static inline void gw_quick_start(struct world *w, const char *suites, enum dh_group pfs)
{
	struct gateway *g = &w->gw;
	struct ike_proposals p = {0};
	const char *wrong;
	struct ike_build b;
	uint8_t buf[ROOM], hash[HASH_MAX];

	assert_true(esp_suites_parse(suites, &p, &wrong));
	g->quick_initiator = true;
	g->pfs = pfs;
	g->esp = p.esp[0];
	g->id = env_random_u32(w->env) | 1;
	g->spi_own = 0x5e000000 | (env_random_u32(w->env) & 0xffffff);
	gw_quick_open(w, &b, buf);
	size_t mark = ike_payload_open(&b, IKE_SA);
	ike_sa2_put(&b.w, &(struct ike_sa2_offer){.suites = p.esp,
				  .n = p.n_esp,
				  .spi = g->spi_own,
				  .mode = gw_mode(w),
				  .pfs = pfs,
				  .life_s = 3600});
	ike_payload_close(&b, mark);
	gw_quick_own(w, &b);
	struct ike_id id = {1, 17, 1701, ip_slice(&w->conf.remote[0].ip)};
	ike_put_id(&b, &id);
	id.data = ip_slice(&w->conf.local[0].ip);
	ike_put_id(&b, &id);
	assert_true(ike_hash1(w->env->crypto, &g->keys, g->id, behind_hash(w, &b), hash));
	assert_true(ike_iv_phase2(w->env->crypto, &g->keys, g->iv, g->id, g->quick_iv));
	gw_seal_and_send(w, &b, hash, g->quick_iv);
}

static inline void gw_quick_ids(
	const struct gateway *g, struct ike_build *b, const struct ike_payloads *p)
{
	struct ip address = ip_v4(g->odd.address);
	struct ike_id id;

	if (g->odd.no_ids)
		return;
	ike_put(b, IKE_ID, ike_payload_find(p, IKE_ID, 0)->body);
	assert_true(ike_id_parse(ike_payload_find(p, IKE_ID, 1)->body, &id));
	if (g->odd.odd_port)
		id.port = g->odd.port;
	if (g->odd.address)
		id.data = ip_slice(&address);
	ike_put_id(b, &id);
}

static inline void gw_quick_answer(struct world *w, const struct ike_payloads *p)
{
	struct gateway *g = &w->gw;
	struct ike_offers offers;
	struct ike_sa2 sa;
	struct ike_build b;
	uint8_t buf[ROOM], hash[HASH_MAX], spi[4];

	assert_true(ike_offers_parse(ike_payload_body(p, IKE_SA), &offers));
	assert_true(ike_sa2_of(&offers.at[g->quick_choice], &sa));
	assert_int_equal(sa.mode, gw_mode(w));
	g->esp = sa.suite;
	g->pfs = sa.pfs;
	g->spi_peer = number(offers.at[0].spi);
	g->spi_own = g->odd.low_spi ? 255 : 0x5e000000 | (env_random_u32(w->env) & 0xffffff);
	put_u32(spi, g->spi_own);
	blob_set(&g->ni, ike_payload_body(p, IKE_NONCE));
	blob_set(&g->quick_peer, ike_payload_body(p, IKE_KE));
	offers.at[g->quick_choice].transform = 1; /* SoftEther's wrong number */
	gw_quick_open(w, &b, buf);
	size_t mark = ike_payload_open(&b, IKE_SA);
	ike_accept_put(&b.w, &offers.at[g->quick_choice], slice(spi, 4));
	ike_payload_close(&b, mark);
	gw_quick_own(w, &b);
	gw_quick_ids(g, &b, p);
	if (g->lifetime) {
		uint8_t life[] = {0x80, 1, 0, 1, 0, 2, 0, 4, 0, 0, 0, 0};

		put_u32(life + 8, g->lifetime);
		ike_put_notify(
			&b, IKE_PROTO_ESP, IKE_RESPONDER_LIFETIME, slice(spi, 4), slice(life, 12));
	}
	assert_true(
		ike_hash2(w->env->crypto, &g->keys, g->id, blob(&g->ni), behind_hash(w, &b), hash));
	gw_seal_and_send(w, &b, hash, g->quick_iv);
	gw_quick_keys(w);
}

/* Message 2 of the client: take it and send message 3. */
static inline void gw_quick_finish(struct world *w, const struct ike_payloads *p)
{
	struct gateway *g = &w->gw;
	struct ike_offers offers;
	struct ike_build b;
	uint8_t buf[ROOM], hash[HASH_MAX];

	assert_true(ike_offers_parse(ike_payload_body(p, IKE_SA), &offers));
	assert_int_equal(offers.n, 1);
	g->spi_peer = number(offers.at[0].spi);
	blob_set(&g->nr, ike_payload_body(p, IKE_NONCE));
	blob_set(&g->quick_peer, ike_payload_body(p, IKE_KE));
	gw_quick_keys(w);
	gw_quick_open(w, &b, buf);
	assert_true(ike_hash3(w->env->crypto, &g->keys, g->id, blob(&g->ni), blob(&g->nr), hash));
	gw_seal_and_send(w, &b, hash, g->quick_iv);
	g->quick_modes++;
}

/* As SoftEther: protocol 1, both cookies, another message ID. */
static inline void gw_refuse_quick(struct world *w)
{
	uint8_t cookies[16];

	if (w->gw.refuse_with_spi_0)
		gw_notify(w, IKE_PROTO_ESP, IKE_NO_PROPOSAL_CHOSEN, slice("\0\0\0\0", 4),
			slice(NULL, 0));
	else
		gw_notify(w, IKE_PROTO_ISAKMP, IKE_NO_PROPOSAL_CHOSEN, gw_cookies(w, cookies),
			slice(NULL, 0));
}

static inline bool gw_lacks_pfs(const struct world *w, const struct ike_payloads *p)
{
	struct ike_offers offers;
	struct ike_sa2 sa;

	return w->gw.wants_pfs != DH_NONE &&
	       ike_offers_parse(ike_payload_body(p, IKE_SA), &offers) &&
	       ike_sa2_of(&offers.at[0], &sa) && sa.pfs != w->gw.wants_pfs;
}

static inline void gw_quick(struct world *w, const struct ike_hdr *hdr, struct slice m)
{
	struct gateway *g = &w->gw;
	uint8_t plain[ROOM];
	struct ike_payloads p;
	bool fresh = g->id != hdr->id;

	if (fresh) {
		g->id = hdr->id;
		g->quick_initiator = false;
		assert_true(ike_iv_phase2(w->env->crypto, &g->keys, g->iv, g->id, g->quick_iv));
	}
	assert_true(gw_open(w, hdr, m, g->quick_iv, plain, &p));
	ike_last_block(&g->keys, m, g->quick_iv);
	if (g->refuse_quick || (fresh && gw_lacks_pfs(w, &p))) {
		gw_refuse_quick(w);
	} else if (fresh) {
		gw_quick_answer(w, &p);
	} else if (g->quick_initiator) {
		gw_quick_finish(w, &p);
	} else {
		assert_true(ike_payloads_are(&p, IKE_QM3));
		g->quick_modes++;
	}
}

static inline void gw_info(struct world *w, const struct ike_hdr *hdr, struct slice m)
{
	struct gateway *g = &w->gw;
	uint8_t plain[ROOM], iv[IKE_BLOCK_MAX];
	struct ike_payloads p;
	struct ike_notify n;
	struct ike_delete d;

	if (memcmp(hdr->cookie_r, g->cookie_r, 8) != 0) {
		g->ike_deletes++; /* of an SA before this one: its keys are gone here */
		return;
	}
	assert_true(ike_iv_phase2(w->env->crypto, &g->keys, g->iv, hdr->id, iv));
	assert_true(gw_open(w, hdr, m, iv, plain, &p));
	assert_true(ike_payloads_are(&p, IKE_INFO_SEALED));
	if (ike_notify_parse(ike_payload_body(&p, IKE_N), &n)) {
		g->probes += n.type == IKE_R_U_THERE;
		g->acks += n.type == IKE_R_U_THERE_ACK;
		g->refusals += n.type < IKE_ERRORS_END;
		if (n.type == IKE_R_U_THERE && !g->mute)
			gw_dpd(w, IKE_R_U_THERE_ACK, number(n.data));
	}
	if (ike_delete_parse(ike_payload_body(&p, IKE_D), &d)) {
		g->esp_deletes += d.protocol == IKE_PROTO_ESP;
		g->ike_deletes += d.protocol == IKE_PROTO_ISAKMP;
		if (d.protocol == IKE_PROTO_ESP)
			g->deleted_spi = number(d.spis);
	}
}

static inline void gw_recv(struct world *w, const struct pkt *pkt)
{
	struct gateway *g = &w->gw;
	struct slice m = pkt_slice(pkt);
	struct ike_hdr hdr;

	assert_true(ike_hdr_parse(m, &hdr));
	g->aggressive += hdr.exchange == 4;
	if (hdr.first == IKE_SA)
		memcpy(g->cookie_i, hdr.cookie_i, 8);
	if (g->mute && hdr.exchange != IKE_INFO)
		return;
	if (g->lose) {
		g->lose--;
		return;
	}
	g->lane = pkt->lane;
	if (slice_equal(m, blob(&g->last_in))) {
		to_client(w, blob(&g->last_out));
		return;
	}
	if (hdr.exchange == IKE_INFO) {
		gw_info(w, &hdr, m);
		return;
	}
	blob_set(&g->last_in, m);
	if (hdr.exchange == IKE_MAIN)
		gw_main(w, &hdr, m);
	else
		gw_quick(w, &hdr, m);
}

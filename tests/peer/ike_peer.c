#include "tests/peer/ike_peer_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "ike/ike_vid.h"

/* ---- sending ---- */

struct ike_peer_news *peer_post(struct ike_peer *p, enum ike_peer_news_kind kind)
{
	struct ike_peer_news *n = &p->news[p->n_news < NEWS ? p->n_news++ : NEWS - 1];

	*n = (struct ike_peer_news){.kind = kind};
	return n;
}

bool ike_peer_next(struct ike_peer *p, struct ike_peer_news *news)
{
	if (p->n_news == 0)
		return false;
	*news = p->news[0];
	memmove(p->news, p->news + 1, --p->n_news * sizeof(p->news[0]));
	return true;
}

void peer_emit(struct ike_peer *p, const struct phase1 *p1, struct slice message,
	struct answered *keep, struct pktq *out)
{
	struct pkt *pkt = message.n ? pkt_of(p->env->pool, message) : NULL;

	if (!pkt)
		return;
	pkt->lane = p1->lane;
	pktq_put(out, pkt);
	if (keep) {
		memcpy(keep->reply, message.p, message.n);
		keep->reply_len = message.n;
	}
}

static void remember_request(struct answered *a, struct slice message)
{
	a->request_len = a->reply_len = 0;
	if (message.n <= sizeof(a->request)) {
		memcpy(a->request, message.p, message.n);
		a->request_len = message.n;
	}
}

static bool repeats(const struct answered *a, struct slice message)
{
	return a->request_len && slice_equal(slice(a->request, a->request_len), message);
}

static struct ike_hdr header(const struct phase1 *p1, uint8_t exchange, uint32_t id)
{
	struct ike_hdr h = {.exchange = exchange, .id = id};

	memcpy(h.cookie_i, p1->cookie_i, IKE_COOKIE);
	memcpy(h.cookie_r, p1->cookie_r, IKE_COOKIE);
	return h;
}

void peer_inform(struct ike_peer *p, struct phase1 *p1, struct pktq *out,
	void (*fill)(struct ike_build *b, void *arg), void *arg)
{
	uint8_t buf[512], iv[IKE_BLOCK_MAX], zero[HASH_MAX] = {0};
	struct ike_hdr h = header(p1, IKE_INFO, env_random_u32(p->env) | 1);
	size_t hash = hash_len(p1->keys.hash);
	struct ike_build b;

	ike_build_open(&b, buf, sizeof(buf), &h);
	ike_put(&b, IKE_HASH, slice(zero, hash));
	fill(&b, arg);
	size_t n = ike_build_close(&b).n, at = IKE_HDR + IKE_PAYLOAD_HDR;
	if (n &&
		ike_hash1(p->env->crypto, &p1->keys, h.id, slice(buf + at + hash, n - at - hash),
			buf + at) &&
		ike_iv_phase2(p->env->crypto, &p1->keys, p1->iv, h.id, iv) &&
		ike_seal(p->env->crypto, &p1->keys, iv, buf, &n, sizeof(buf)))
		peer_emit(p, p1, slice(buf, n), NULL, out);
}

/* ---- main mode, responder ---- */

static struct phase1 *phase1_find(struct ike_peer *p, const struct ike_hdr *h)
{
	for (int i = 0; i < PHASE1S; i++) {
		struct phase1 *p1 = &p->phase1[i];

		if (p1->state != P1_FREE && memcmp(p1->cookie_i, h->cookie_i, IKE_COOKIE) == 0 &&
			memcmp(p1->cookie_r, h->cookie_r, IKE_COOKIE) == 0)
			return p1;
	}
	return NULL;
}

static void phase1_free(struct ike_peer *p, struct phase1 *p1)
{
	for (int i = 0; i < QUICKS; i++)
		if (p->quick[i].p1 == p1)
			quick_free(&p->quick[i]);
	dh_free(p1->dh);
	wipe(p1, sizeof(*p1));
}

static struct phase1 *phase1_new(struct ike_peer *p, msec now)
{
	struct phase1 *oldest = &p->phase1[0];

	for (int i = 0; i < PHASE1S; i++) {
		if (p->phase1[i].state == P1_FREE)
			oldest = &p->phase1[i];
		else if (oldest->state != P1_FREE && p->phase1[i].since < oldest->since)
			oldest = &p->phase1[i];
	}
	phase1_free(p, oldest);
	oldest->since = now;
	oldest->dpd_due = oldest->drop_due = MSEC_NEVER;
	return oldest;
}

/* How much we like it: its place in our list; the list's length if it is not there. */
static size_t liking(const struct gateway_conf *conf, const struct ike_suite *suite)
{
	size_t i = 0;

	while (i < conf->accept.n_ike && !ike_suite_same(&conf->accept.ike[i], suite))
		i++;
	return i;
}

/* The client's first transform that we take, or the one we like best. */
static const struct ike_offer *choose_suite(
	const struct gateway_conf *conf, const struct ike_offers *offers, struct ike_suite *suite)
{
	const struct ike_offer *chosen = NULL;
	size_t best = conf->accept.n_ike;

	for (size_t i = 0; i < offers->n && (!chosen || conf->own_order); i++) {
		struct ike_sa1 sa;

		if (!ike_sa1_of(&offers->at[i], &sa) || sa.auth != IKE_AUTH_PSK ||
			liking(conf, &sa.suite) >= best)
			continue;
		best = liking(conf, &sa.suite);
		chosen = &offers->at[i];
		*suite = sa.suite;
	}
	return chosen;
}

static enum ike_vid natt_vid(const struct gateway_conf *conf)
{
	return conf->natt_draft ? VID_NATT_02N : VID_NATT_RFC;
}

static bool offers_natt(const struct gateway_conf *conf, const struct ike_payloads *payloads)
{
	for (size_t i = 0; i < payloads->n && !conf->no_natt; i++)
		if (payloads->at[i].type == IKE_VID &&
			ike_vid_of(payloads->at[i].body) == natt_vid(conf))
			return true;
	return false;
}

static uint8_t nat_d_type(const struct gateway_conf *conf)
{
	return conf->natt_draft ? IKE_NATD_DRAFT : IKE_NATD;
}

/* For message 2 or 4. */
static void put_vids(
	const struct gateway_conf *conf, unsigned number, bool natt, struct ike_build *b)
{
	if (natt && number == 2)
		ike_put(b, IKE_VID, ike_vid_octets(natt_vid(conf)));
	for (enum ike_vid vid = 0; vid < VIDS && number == (conf->late_vids ? 4 : 2); vid++)
		if (conf->vids >> vid & 1 && ike_vid_octets(vid).n)
			ike_put(b, IKE_VID, ike_vid_octets(vid));
}

/* In the clear, as everybody could. */
static void clear_notify(
	struct ike_peer *p, const struct phase1 *p1, uint16_t type, struct pktq *out)
{
	uint8_t buf[128];
	struct ike_hdr h = header(p1, IKE_INFO, env_random_u32(p->env) | 1);
	struct ike_build b;

	ike_build_open(&b, buf, sizeof(buf), &h);
	ike_put_notify(&b, IKE_PROTO_ISAKMP, type, slice(NULL, 0), slice(NULL, 0));
	peer_emit(p, p1, ike_build_close(&b), NULL, out);
}

static void refuse_suites(
	struct ike_peer *p, const struct ike_hdr *h, enum lane lane, struct pktq *out)
{
	struct phase1 stranger = {.lane = lane};

	memcpy(stranger.cookie_i, h->cookie_i, IKE_COOKIE);
	env_random(p->env, stranger.cookie_r, IKE_COOKIE);
	clear_notify(p, &stranger, IKE_NO_PROPOSAL_CHOSEN, out);
}

static void message1(struct ike_peer *p, const struct ike_hdr *h, struct slice message,
	enum lane lane, msec now, struct pktq *out)
{
	uint8_t buf[MESSAGE];
	struct ike_payloads payloads;
	struct ike_offers offers;
	struct ike_suite suite;
	struct ike_build b;

	for (int i = 0; i < PHASE1S; i++)
		if (p->phase1[i].state == P1_SA && repeats(&p->phase1[i].last, message)) {
			struct answered *a = &p->phase1[i].last;

			peer_emit(p, &p->phase1[i], slice(a->reply, a->reply_len), NULL, out);
			return;
		}
	if (!ike_payloads_parse(
		    h->first, slice(message.p + IKE_HDR, message.n - IKE_HDR), &payloads) ||
		!ike_payloads_are(&payloads, IKE_MM1) ||
		!ike_offers_parse(ike_payload_body(&payloads, IKE_SA), &offers))
		return;
	if (p->conf->needs_natt && !offers_natt(p->conf, &payloads))
		return;
	const struct ike_offer *chosen = choose_suite(p->conf, &offers, &suite);
	if (!chosen || p->conf->refuses_suites) {
		if (!p->conf->refuses_in_silence)
			refuse_suites(p, h, lane, out);
		return;
	}
	struct slice sa_i = ike_payload_body(&payloads, IKE_SA);
	struct phase1 *p1 = phase1_new(p, now);
	if (sa_i.n > sizeof(p1->sa_i))
		return;
	p1->state = P1_SA;
	p1->lane = lane;
	p1->suite = suite;
	p1->natt = offers_natt(p->conf, &payloads);
	p1->sa_i_len = sa_i.n;
	memcpy(p1->sa_i, sa_i.p, sa_i.n);
	memcpy(p1->cookie_i, h->cookie_i, IKE_COOKIE);
	env_random(p->env, p1->cookie_r, IKE_COOKIE);
	remember_request(&p1->last, message);

	struct ike_hdr reply = header(p1, IKE_MAIN, 0);
	ike_build_open(&b, buf, sizeof(buf), &reply);
	size_t mark = ike_payload_open(&b, IKE_SA);
	ike_accept_put(&b.w, chosen, slice(NULL, 0));
	ike_payload_close(&b, mark);
	put_vids(p->conf, 2, p1->natt, &b);
	peer_emit(p, p1, ike_build_close(&b), &p1->last, out);
}

/* Whether the client's NAT-D payloads agree with the addresses we see. RFC 3947, 3.2. */
static bool addresses_agree(
	struct ike_peer *p, const struct phase1 *p1, const struct ike_payloads *payloads)
{
	uint8_t want[HASH_MAX];
	size_t n = hash_len(p1->suite.hash);
	const struct addr *ends[2] = {&p->conf->addr[p1->lane], &p->client[p1->lane]};

	for (size_t i = 0; i < 2; i++) {
		const struct ike_payload *natd = ike_payload_find(payloads, nat_d_type(p->conf), i);

		if (!natd ||
			!ike_nat_d(p->env->crypto, p1->suite.hash, slice(p1->cookie_i, IKE_COOKIE),
				slice(p1->cookie_r, IKE_COOKIE), ends[i], want) ||
			!slice_equal(natd->body, slice(want, n)))
			return false;
	}
	return true;
}

static void put_nat_d(struct ike_peer *p, const struct phase1 *p1, struct ike_build *b)
{
	uint8_t hash[HASH_MAX];
	size_t n = hash_len(p1->suite.hash);
	const struct addr *ends[2] = {&p->client[p1->lane], &p->conf->addr[p1->lane]};

	for (size_t i = 0; i < 2; i++) {
		if (p->conf->fake_nat_d)
			env_random(p->env, hash, n);
		else if (!ike_nat_d(p->env->crypto, p1->suite.hash, slice(p1->cookie_i, IKE_COOKIE),
				 slice(p1->cookie_r, IKE_COOKIE), ends[i], hash))
			return;
		ike_put(b, nat_d_type(p->conf), slice(hash, n));
	}
}

static bool make_keys(struct ike_peer *p, struct phase1 *p1)
{
	uint8_t gxy[DH_SECRET_MAX];
	struct crypto *c = p->env->crypto;
	size_t n = dh_secret_len(p1->suite.group);
	bool ok = dh_agree(p1->dh, slice(p1->gxi, p1->gxi_len), gxy) &&
		  ike_keys_psk(c, &p1->suite, p->conf->psk, slice(p1->ni, p1->ni_len),
			  slice(p1->nr, NONCE), &p1->keys) &&
		  ike_keys_derive(c, &p1->keys, slice(gxy, n), slice(p1->cookie_i, IKE_COOKIE),
			  slice(p1->cookie_r, IKE_COOKIE)) &&
		  ike_iv_phase1(c, p1->suite.hash, slice(p1->gxi, p1->gxi_len), dh_public(p1->dh),
			  p1->iv);

	if (ok)
		peer_tell_phase1(p, &p1->keys, slice(gxy, n));
	wipe(gxy, sizeof(gxy));
	return ok;
}

static void message3(struct ike_peer *p, struct phase1 *p1, const struct ike_hdr *h,
	struct slice message, struct pktq *out)
{
	uint8_t buf[MESSAGE];
	struct ike_payloads payloads;
	struct ike_build b;

	if (!ike_payloads_parse(
		    h->first, slice(message.p + IKE_HDR, message.n - IKE_HDR), &payloads) ||
		!ike_payloads_are(&payloads, IKE_MM3))
		return;
	struct slice ke = ike_payload_body(&payloads, IKE_KE),
		     ni = ike_payload_body(&payloads, IKE_NONCE);
	if (ke.n > sizeof(p1->gxi) || ni.n < IKE_NONCE_MIN || ni.n > sizeof(p1->ni))
		return;
	memcpy(p1->gxi, ke.p, p1->gxi_len = ke.n);
	memcpy(p1->ni, ni.p, p1->ni_len = ni.n);
	env_random(p->env, p1->nr, NONCE);
	dh_free(p1->dh); /* of a message 3 that could not be used */
	p1->dh = dh_new(p->env, p1->suite.group);
	if (!p1->dh || !make_keys(p, p1))
		return;
	p1->encapsulate = p1->natt && (p->conf->fake_nat_d || !addresses_agree(p, p1, &payloads));
	p1->state = P1_KE;
	remember_request(&p1->last, message);

	struct ike_hdr reply = header(p1, IKE_MAIN, 0);
	ike_build_open(&b, buf, sizeof(buf), &reply);
	ike_put(&b, IKE_KE, dh_public(p1->dh));
	ike_put(&b, IKE_NONCE, slice(p1->nr, NONCE));
	put_vids(p->conf, 4, p1->natt, &b);
	if (p1->natt)
		put_nat_d(p, p1, &b);
	peer_emit(p, p1, ike_build_close(&b), &p1->last, out);
}

static bool prove(
	struct ike_peer *p, const struct phase1 *p1, bool client, struct slice id, uint8_t *to)
{
	struct slice gxi = slice(p1->gxi, p1->gxi_len), gxr = dh_public(p1->dh);
	struct slice ci = slice(p1->cookie_i, IKE_COOKIE), cr = slice(p1->cookie_r, IKE_COOKIE);
	struct ike_proof proof = {
		.public_own = client ? gxi : gxr,
		.public_other = client ? gxr : gxi,
		.cookie_own = client ? ci : cr,
		.cookie_other = client ? cr : ci,
		.sa_i = slice(p1->sa_i, p1->sa_i_len),
		.id_own = id,
	};

	return ike_hash_auth(p->env->crypto, &p1->keys, &proof, to);
}

/* Our identity payload's body; into 20 octets or more. */
static struct slice own_id(const struct ike_peer *p, uint8_t *to, size_t room)
{
	static const uint8_t zero[4];
	const struct ip *ip = &p->conf->addr[LANE_IKE].ip;
	struct wr w = wr_of(to, room);

	wr_u8(&w, ip->family == FAMILY_IPV6 ? IKE_ID_IPV6 : IKE_ID_IPV4);
	wr_u8(&w, 0);
	wr_u16(&w, 0);
	wr_put(&w, p->conf->id_zero ? slice(zero, 4) : ip_slice(ip));
	return wr_slice(&w);
}

static void message6(struct ike_peer *p, struct phase1 *p1, struct pktq *out)
{
	uint8_t buf[512], id_buf[24], hash[HASH_MAX];
	struct slice id = own_id(p, id_buf, sizeof(id_buf));
	struct ike_hdr reply = header(p1, IKE_MAIN, 0);
	struct ike_build b;

	if (!prove(p, p1, false, id, hash))
		return;
	ike_build_open(&b, buf, sizeof(buf), &reply);
	ike_put(&b, IKE_ID, id);
	ike_put(&b, IKE_HASH, slice(hash, hash_len(p1->keys.hash)));
	size_t n = ike_build_close(&b).n;
	if (n && ike_seal(p->env->crypto, &p1->keys, p1->iv, buf, &n, sizeof(buf)))
		peer_emit(p, p1, slice(buf, n), &p1->last, out);
}

static void fill_notify(struct ike_build *b, void *arg)
{
	const struct ike_notify *n = arg;

	ike_put_notify(b, n->protocol, n->type, n->spi, n->data);
}

/* Message 5 does not prove the key. */
static void wrong_key(struct ike_peer *p, struct phase1 *p1, struct pktq *out)
{
	enum { PATIENT = 2 };
	struct ike_notify n = {
		IKE_PROTO_ISAKMP, IKE_PAYLOAD_MALFORMED, slice(NULL, 0), slice(NULL, 0)};

	p1->unreadable++;
	switch (p->conf->on_wrong_key) {
	case WRONG_KEY_REPEATS:
		peer_emit(p, p1, slice(p1->last.reply, p1->last.reply_len), NULL, out);
		break;
	case WRONG_KEY_UNREADABLE:
		if (p1->unreadable > PATIENT)
			peer_inform(p, p1, out, fill_notify, &n);
		break;
	case WRONG_KEY_CLEAR:
		clear_notify(p, p1, p->conf->wrong_key_notify, out);
		break;
	case WRONG_KEY_SILENT:
		break;
	}
}

static void message5(struct ike_peer *p, struct phase1 *p1, const struct ike_hdr *h,
	struct slice message, msec now, struct pktq *out)
{
	uint8_t plain[MESSAGE], want[HASH_MAX];
	struct ike_payloads payloads;
	bool authentic =
		message.n <= sizeof(plain) &&
		ike_unseal(p->env->crypto, &p1->keys, p1->iv, message, plain) &&
		ike_payloads_parse(h->first, slice(plain, message.n - IKE_HDR), &payloads) &&
		ike_payloads_are(&payloads, IKE_MM5) &&
		prove(p, p1, true, ike_payload_body(&payloads, IKE_ID), want) &&
		secret_equal(ike_payload_body(&payloads, IKE_HASH),
			slice(want, hash_len(p1->keys.hash)));

	if (!authentic) {
		wrong_key(p, p1, out);
		return;
	}
	remember_request(&p1->last, message);
	ike_last_block(&p1->keys, message, p1->iv);
	p1->state = P1_UP;
	p1->since = now;
	p1->dpd_seq = env_random_u32(p->env) >> 1;
	p1->dpd_due = p->conf->dpd_every ? now + p->conf->dpd_every : MSEC_NEVER;
	p1->drop_due = p->conf->drops_ike_after ? now + p->conf->drops_ike_after : MSEC_NEVER;
	p->main_modes++;
	message6(p, p1, out);
}

/* ---- notifies and deletes ---- */

static void fill_delete(struct ike_build *b, void *arg)
{
	const struct ike_delete *d = arg;

	ike_put_delete(b, d->protocol, d->spi_len, d->spis);
}

static void take_notify(struct ike_peer *p, struct phase1 *p1, struct slice body, struct pktq *out)
{
	struct ike_notify n;

	if (!ike_notify_parse(body, &n) || n.type != IKE_R_U_THERE)
		return;
	n.type = IKE_R_U_THERE_ACK;
	peer_inform(p, p1, out, fill_notify, &n);
}

static void take_delete(struct ike_peer *p, struct phase1 *p1, struct slice body)
{
	struct ike_delete d;

	if (!ike_delete_parse(body, &d))
		return;
	if (d.protocol == IKE_PROTO_ISAKMP) {
		phase1_free(p, p1);
		if (ike_peer_phase1s(p) == 0)
			peer_post(p, PEER_GONE);
		return;
	}
	struct rd r = rd_of(d.spis);
	for (uint16_t i = 0; i < d.count; i++)
		peer_post(p, PEER_DROP)->spi = rd_u32(&r);
}

static void informational(struct ike_peer *p, struct phase1 *p1, const struct ike_hdr *h,
	struct slice message, struct pktq *out)
{
	uint8_t plain[MESSAGE], iv[IKE_BLOCK_MAX], want[HASH_MAX];
	struct ike_payloads payloads;

	if (message.n > sizeof(plain) || !(h->flags & IKE_ENCRYPTED) ||
		!ike_iv_phase2(p->env->crypto, &p1->keys, p1->iv, h->id, iv) ||
		!ike_unseal(p->env->crypto, &p1->keys, iv, message, plain) ||
		!ike_payloads_parse(h->first, slice(plain, message.n - IKE_HDR), &payloads) ||
		!ike_payloads_are(&payloads, IKE_INFO_SEALED) ||
		!ike_hash1(p->env->crypto, &p1->keys, h->id, payloads.rest, want) ||
		!secret_equal(ike_payload_body(&payloads, IKE_HASH),
			slice(want, hash_len(p1->keys.hash))))
		return;
	for (size_t i = 0; i < payloads.n && p1->state == P1_UP; i++) {
		if (payloads.at[i].type == IKE_N)
			take_notify(p, p1, payloads.at[i].body, out);
		else if (payloads.at[i].type == IKE_D)
			take_delete(p, p1, payloads.at[i].body);
	}
}

/* ---- the face ---- */

struct ike_peer *ike_peer_new(const struct gateway_conf *conf, const struct env *env)
{
	struct ike_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->conf = conf;
	p->env = env;
	p->rekey_due = MSEC_NEVER;
	return p;
}

void ike_peer_free(struct ike_peer *p)
{
	if (!p)
		return;
	for (int i = 0; i < PHASE1S; i++)
		phase1_free(p, &p->phase1[i]);
	wipe(p, sizeof(*p));
	free(p);
}

static void main_mode(struct ike_peer *p, struct phase1 *p1, const struct ike_hdr *h,
	struct slice message, msec now, struct pktq *out)
{
	if (repeats(&p1->last, message)) {
		peer_emit(p, p1, slice(p1->last.reply, p1->last.reply_len), NULL, out);
		return;
	}
	if (p1->state == P1_SA && !(h->flags & IKE_ENCRYPTED))
		message3(p, p1, h, message, out);
	else if (p1->state == P1_KE && h->flags & IKE_ENCRYPTED)
		message5(p, p1, h, message, now, out);
}

static void dispatch(
	struct ike_peer *p, struct slice message, enum lane lane, msec now, struct pktq *out)
{
	static const uint8_t none[IKE_COOKIE];
	struct ike_hdr h;

	if (!ike_hdr_parse(message, &h))
		return;
	struct phase1 *p1 = phase1_find(p, &h);
	if (!p1) {
		if (h.exchange == IKE_MAIN && memcmp(h.cookie_r, none, IKE_COOKIE) == 0)
			message1(p, &h, message, lane, now, out);
		return;
	}
	p1->lane = lane;
	if (h.exchange == IKE_MAIN)
		main_mode(p, p1, &h, message, now, out);
	else if (p1->state == P1_UP && h.exchange == IKE_QUICK)
		quick_recv(p, p1, &h, message, now, out);
	else if (p1->state == P1_UP && h.exchange == IKE_INFO)
		informational(p, p1, &h, message, out);
}

void ike_peer_recv(
	struct ike_peer *p, struct pkt *in, const struct addr *from, msec now, struct pktq *out)
{
	if (!p->conf->silent) {
		p->client[in->lane] = *from;
		dispatch(p, pkt_slice(in), in->lane, now, out);
	}
	pkt_free(in);
}

static struct phase1 *newest(struct ike_peer *p)
{
	struct phase1 *best = NULL;

	for (int i = 0; i < PHASE1S; i++)
		if (p->phase1[i].state == P1_UP && (!best || p->phase1[i].since >= best->since))
			best = &p->phase1[i];
	return best;
}

static void ask_dpd(struct ike_peer *p, struct phase1 *p1, msec now, struct pktq *out)
{
	uint8_t spi[2 * IKE_COOKIE] = {0}, seq[4] = {0};
	struct ike_notify n = {
		IKE_PROTO_ISAKMP, IKE_R_U_THERE, slice(spi, sizeof(spi)), slice(seq, 4)};

	memcpy(spi, p1->cookie_i, IKE_COOKIE);
	memcpy(spi + IKE_COOKIE, p1->cookie_r, IKE_COOKIE);
	put_u32(seq, p1->dpd_seq++);
	peer_inform(p, p1, out, fill_notify, &n);
	p1->dpd_due = now + p->conf->dpd_every;
}

static void drop_phase1(struct ike_peer *p, struct phase1 *p1, struct pktq *out)
{
	uint8_t spi[2 * IKE_COOKIE] = {0};
	struct ike_delete d = {IKE_PROTO_ISAKMP, sizeof(spi), 1, slice(spi, sizeof(spi))};

	memcpy(spi, p1->cookie_i, IKE_COOKIE);
	memcpy(spi + IKE_COOKIE, p1->cookie_r, IKE_COOKIE);
	peer_inform(p, p1, out, fill_delete, &d);
	phase1_free(p, p1);
	if (ike_peer_phase1s(p) == 0)
		peer_post(p, PEER_GONE);
}

void ike_peer_tick(struct ike_peer *p, msec now, struct pktq *out)
{
	for (int i = 0; i < PHASE1S; i++) {
		struct phase1 *p1 = &p->phase1[i];

		if (p1->state == P1_UP && now >= p1->dpd_due)
			ask_dpd(p, p1, now, out);
		if (p1->state == P1_UP && now >= p1->drop_due)
			drop_phase1(p, p1, out);
	}
	if (now >= p->rekey_due) {
		p->rekey_due = now + p->conf->rekeys_every;
		ike_peer_rekey(p, now, out);
	}
	quick_tick(p, now, out);
}

msec ike_peer_deadline(const struct ike_peer *p)
{
	msec due = p->rekey_due;

	for (int i = 0; i < PHASE1S; i++)
		if (p->phase1[i].state == P1_UP)
			due = msec_min(due, msec_min(p->phase1[i].dpd_due, p->phase1[i].drop_due));
	for (int i = 0; i < QUICKS; i++)
		if (p->quick[i].p1)
			due = msec_min(due, retry_deadline(&p->quick[i].retry));
	return due;
}

void ike_peer_rekey(struct ike_peer *p, msec now, struct pktq *out)
{
	struct phase1 *p1 = newest(p);

	if (p1 && p->have_suite)
		quick_start(p, p1, now, out);
}

void ike_peer_delete_esp(struct ike_peer *p, uint32_t spi, msec now, struct pktq *out)
{
	struct phase1 *p1 = newest(p);
	uint8_t octets[4];
	struct ike_delete d = {IKE_PROTO_ESP, 4, 1, slice(octets, 4)};

	(void)now;
	put_u32(octets, spi);
	if (p1)
		peer_inform(p, p1, out, fill_delete, &d);
}

void ike_peer_delete_ike(struct ike_peer *p, msec now, struct pktq *out)
{
	(void)now;
	for (int i = 0; i < PHASE1S; i++)
		if (p->phase1[i].state == P1_UP)
			drop_phase1(p, &p->phase1[i], out);
}

unsigned ike_peer_phase1s(const struct ike_peer *p)
{
	unsigned n = 0;

	for (int i = 0; i < PHASE1S; i++)
		n += p->phase1[i].state == P1_UP;
	return n;
}

unsigned ike_peer_main_modes(const struct ike_peer *p)
{
	return p->main_modes;
}

unsigned ike_peer_quick_modes(const struct ike_peer *p)
{
	return p->quick_modes;
}

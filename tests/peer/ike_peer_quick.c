#include "tests/peer/ike_peer_priv.h"

#include <string.h>

#include "base/secret.h"

/* Quick mode, both roles. RFC 2409, 5.5. */

void quick_free(struct quick *q)
{
	dh_free(q->dh);
	wipe(q, sizeof(*q));
	q->retry = RETRY_STOPPED;
}

static struct quick *quick_new(struct ike_peer *p, struct phase1 *p1, uint32_t id)
{
	struct quick *q = NULL;

	for (int i = 0; i < QUICKS && !q; i++)
		if (!p->quick[i].p1)
			q = &p->quick[i];
	for (int i = 0; i < QUICKS && !q; i++)
		if (p->quick[i].done)
			q = &p->quick[i];
	if (!q)
		q = &p->quick[0];
	quick_free(q);
	q->p1 = p1;
	q->id = id;
	env_random(p->env, q->n_own, NONCE);
	do
		q->spi_in = env_random_u32(p->env);
	while (q->spi_in < ESP_SPI_MIN);
	peer_post(p, PEER_SPI)->spi = q->spi_in;
	return q;
}

static struct quick *quick_find(struct ike_peer *p, const struct phase1 *p1, uint32_t id)
{
	for (int i = 0; i < QUICKS; i++)
		if (p->quick[i].p1 == p1 && p->quick[i].id == id)
			return &p->quick[i];
	return NULL;
}

static struct ike_hdr quick_header(const struct phase1 *p1, uint32_t id)
{
	struct ike_hdr h = {.exchange = IKE_QUICK, .id = id};

	memcpy(h.cookie_i, p1->cookie_i, IKE_COOKIE);
	memcpy(h.cookie_r, p1->cookie_r, IKE_COOKIE);
	return h;
}

static uint16_t mode_of(const struct ike_peer *p, const struct phase1 *p1)
{
	if (!p1->encapsulate)
		return IKE_MODE_TRANSPORT;
	return p->conf->natt_draft ? IKE_MODE_UDP_TRANSPORT_DRAFT : IKE_MODE_UDP_TRANSPORT;
}

/* The group of the quick modes that we start. */
static enum dh_group own_pfs(const struct ike_peer *p)
{
	return p->conf->rekey_pfs ? p->conf->rekey_pfs : p->conf->accept.pfs;
}

/* The client's first transform that we take, and its values. */
static const struct ike_offer *choose(const struct ike_peer *p, const struct phase1 *p1,
	const struct ike_offers *offers, struct ike_sa2 *sa)
{
	for (size_t i = 0; i < offers->n; i++) {
		if (offers->at[i].protocol != IKE_PROTO_ESP || offers->at[i].spi.n != 4 ||
			!ike_sa2_of(&offers->at[i], sa) || sa->mode != mode_of(p, p1))
			continue;
		if (p->conf->accept.pfs != sa->pfs)
			continue;
		for (size_t j = 0; j < p->conf->accept.n_esp; j++)
			if (ike_esp_same(&p->conf->accept.esp[j], &sa->suite)) {
				sa->suite = p->conf->accept.esp[j]; /* our truncation */
				return &offers->at[i];
			}
	}
	return NULL;
}

static void install(struct ike_peer *p, struct quick *q, msec now)
{
	struct phase1 *p1 = q->p1;
	struct slice ni = q->ours ? slice(q->n_own, NONCE) : slice(q->n_other, q->n_other_len);
	struct slice nr = q->ours ? slice(q->n_other, q->n_other_len) : slice(q->n_own, NONCE);
	struct ike_peer_news *news = peer_post(p, PEER_PAIR);
	struct sa_pair *pair = &news->pair;

	pair->suite = q->suite;
	pair->in.spi = q->spi_in;
	pair->out.spi = q->spi_out;
	pair->lane = p1->encapsulate ? LANE_NATT : LANE_RAW;
	pair->local = p->conf->addr[LANE_NATT];
	pair->remote = p->client[p1->lane];
	pair->local_port = L2TP_PORT;
	pair->remote_port = p->client_port ? p->client_port : L2TP_PORT;
	if (!ike_esp_keys(p->env->crypto, &p1->keys, &q->suite, slice(q->gxy, q->gxy_len), ni, nr,
		    &pair->in) ||
		!ike_esp_keys(p->env->crypto, &p1->keys, &q->suite, slice(q->gxy, q->gxy_len), ni,
			nr, &pair->out)) {
		p->n_news--;
		return;
	}
	peer_tell_pair(p, pair);
	q->done = true;
	retry_stop(&q->retry);
	p->quick_modes++;
	p->suite = q->suite;
	p->have_suite = true;
	if (p->conf->rekeys_every)
		p->rekey_due = now + p->conf->rekeys_every;
}

/* Two selectors: the initiator of this quick mode first. */
static void put_ids(
	const struct ike_peer *p, const struct phase1 *p1, struct ike_build *b, bool ours)
{
	const struct ip *own = &p->conf->addr[p1->lane].ip, *other = &p->client[p1->lane].ip;
	uint16_t client_port = p->client_port ? p->client_port : L2TP_PORT;

	for (int i = 0; i < 2; i++) {
		bool mine = (i == 0) == ours;
		struct ike_id id = {
			.type = own->family == FAMILY_IPV6 ? IKE_ID_IPV6 : IKE_ID_IPV4,
			.protocol = 17,
			.port = mine ? L2TP_PORT : client_port,
			.data = ip_slice(mine || other->family == FAMILY_NONE ? own : other),
		};

		ike_put_id(b, &id);
	}
}

static void fill_refusal(struct ike_build *b, void *arg)
{
	const struct phase1 *p1 = arg;
	uint8_t spi[2 * IKE_COOKIE];

	memcpy(spi, p1->cookie_i, IKE_COOKIE);
	memcpy(spi + IKE_COOKIE, p1->cookie_r, IKE_COOKIE);
	ike_put_notify(b, IKE_PROTO_ISAKMP, IKE_NO_PROPOSAL_CHOSEN, slice(spi, sizeof(spi)),
		slice(NULL, 0));
}

static void put_life(struct ike_build *b, const struct quick *q, uint32_t life_s)
{
	uint8_t spi[4], data[12];
	struct wr w = wr_of(data, sizeof(data));

	put_u32(spi, q->spi_in);
	wr_u32(&w, 0x80010001); /* life type: seconds */
	wr_u32(&w, 0x00020004); /* duration, four octets */
	wr_u32(&w, life_s);
	ike_put_notify(b, IKE_PROTO_ESP, IKE_RESPONDER_LIFETIME, slice(spi, 4), wr_slice(&w));
}

/* Seal a quick mode message in buf; HASH was left open at the front. */
static void send_quick(
	struct ike_peer *p, struct quick *q, uint8_t *buf, size_t n, size_t room, struct pktq *out)
{
	if (n && ike_seal(p->env->crypto, &q->p1->keys, q->iv, buf, &n, room))
		peer_emit(p, q->p1, slice(buf, n), &q->last, out);
}

static bool make_pfs(struct ike_peer *p, struct quick *q, enum dh_group group, struct slice ke)
{
	if (group == DH_NONE)
		return true;
	if (!q->dh)
		q->dh = dh_new(p->env, group);
	if (!q->dh || !dh_agree(q->dh, ke, q->gxy))
		return false;
	q->gxy_len = dh_secret_len(group);
	return true;
}

static void message2(struct ike_peer *p, struct quick *q, const struct ike_offer *chosen,
	uint32_t offered_life, struct pktq *out)
{
	uint8_t buf[MESSAGE], spi[4], zero[HASH_MAX] = {0};
	struct ike_hdr h = quick_header(q->p1, q->id);
	size_t hash = hash_len(q->p1->keys.hash), at = IKE_HDR + IKE_PAYLOAD_HDR;
	struct ike_offer answer = *chosen;
	struct ike_build b;

	if (p->conf->transform_one)
		answer.transform = 1;
	put_u32(spi, q->spi_in);
	ike_build_open(&b, buf, sizeof(buf), &h);
	ike_put(&b, IKE_HASH, slice(zero, hash));
	size_t mark = ike_payload_open(&b, IKE_SA);
	ike_accept_put(&b.w, &answer, slice(spi, 4));
	ike_payload_close(&b, mark);
	ike_put(&b, IKE_NONCE, slice(q->n_own, NONCE));
	if (q->dh)
		ike_put(&b, IKE_KE, dh_public(q->dh));
	put_ids(p, q->p1, &b, false);
	if (p->conf->life_s && p->conf->life_s < offered_life)
		put_life(&b, q, p->conf->life_s);
	size_t n = ike_build_close(&b).n;
	if (n && ike_hash2(p->env->crypto, &q->p1->keys, q->id, slice(q->n_other, q->n_other_len),
			 slice(buf + at + hash, n - at - hash), buf + at))
		send_quick(p, q, buf, n, sizeof(buf), out);
}

/* The client's message 1, already authentic. */
static void answer(struct ike_peer *p, struct phase1 *p1, const struct ike_hdr *h,
	const struct ike_payloads *payloads, struct slice message, msec now, struct pktq *out)
{
	struct slice nonce = ike_payload_body(payloads, IKE_NONCE);
	const struct ike_payload *id = ike_payload_find(payloads, IKE_ID, 0);
	struct ike_offers offers;
	struct ike_sa2 sa;
	struct ike_id selector;

	if (nonce.n < IKE_NONCE_MIN || nonce.n > IKE_NONCE_MAX ||
		!ike_offers_parse(ike_payload_body(payloads, IKE_SA), &offers))
		return;
	const struct ike_offer *chosen = choose(p, p1, &offers, &sa);
	bool has_id = id && ike_id_parse(id->body, &selector);
	bool wrong_port = p->conf->only_1701 && has_id && selector.port != L2TP_PORT;
	if (!chosen || p->conf->refuses_quick || wrong_port) {
		peer_inform(p, p1, out, fill_refusal, p1);
		return;
	}
	struct quick *q = quick_new(p, p1, h->id);
	if (has_id && selector.port)
		p->client_port = selector.port;
	q->suite = sa.suite;
	q->spi_out = get_u32(chosen->spi.p);
	memcpy(q->n_other, nonce.p, q->n_other_len = nonce.n);
	if (!make_pfs(p, q, sa.pfs, ike_payload_body(payloads, IKE_KE)) ||
		!ike_iv_phase2(p->env->crypto, &p1->keys, p1->iv, h->id, q->iv)) {
		quick_free(q);
		return;
	}
	ike_last_block(&p1->keys, message, q->iv);
	memcpy(q->last.request, message.p, message.n);
	q->last.request_len = message.n;
	message2(p, q, chosen, sa.life_s, out);
	if (!p->conf->never_repeats)
		retry_start(&q->retry, PATIENCE_EXCHANGE, 0, p->env, now);
}

void quick_start(struct ike_peer *p, struct phase1 *p1, msec now, struct pktq *out)
{
	uint8_t buf[MESSAGE], zero[HASH_MAX] = {0};
	struct quick *q = quick_new(p, p1, env_random_u32(p->env) | 1);
	struct ike_hdr h = quick_header(p1, q->id);
	size_t hash = hash_len(p1->keys.hash), at = IKE_HDR + IKE_PAYLOAD_HDR;
	struct ike_sa2_offer offer = {
		.suites = &p->suite,
		.n = 1,
		.spi = q->spi_in,
		.mode = mode_of(p, p1),
		.pfs = own_pfs(p),
		.life_s = 3600,
	};
	struct ike_build b;

	q->ours = true;
	if (offer.pfs != DH_NONE)
		q->dh = dh_new(p->env, offer.pfs);
	if (!ike_iv_phase2(p->env->crypto, &p1->keys, p1->iv, q->id, q->iv))
		return;
	ike_build_open(&b, buf, sizeof(buf), &h);
	ike_put(&b, IKE_HASH, slice(zero, hash));
	size_t mark = ike_payload_open(&b, IKE_SA);
	ike_sa2_put(&b.w, &offer);
	ike_payload_close(&b, mark);
	ike_put(&b, IKE_NONCE, slice(q->n_own, NONCE));
	if (q->dh)
		ike_put(&b, IKE_KE, dh_public(q->dh));
	put_ids(p, p1, &b, true);
	size_t n = ike_build_close(&b).n;
	if (!n || !ike_hash1(p->env->crypto, &p1->keys, q->id,
			  slice(buf + at + hash, n - at - hash), buf + at))
		return;
	retry_start(&q->retry, PATIENCE_EXCHANGE, 0, p->env, now);
	send_quick(p, q, buf, n, sizeof(buf), out);
}

/* The client's message 2 of our own quick mode. */
static void finish_ours(struct ike_peer *p, struct quick *q, const struct ike_payloads *payloads,
	struct slice message, msec now, struct pktq *out)
{
	uint8_t buf[256], hash[HASH_MAX];
	struct phase1 *p1 = q->p1;
	struct slice nonce = ike_payload_body(payloads, IKE_NONCE);
	struct ike_offers offers;
	struct ike_sa2 sa;
	struct ike_build b;

	if (nonce.n < IKE_NONCE_MIN || nonce.n > IKE_NONCE_MAX ||
		!ike_offers_parse(ike_payload_body(payloads, IKE_SA), &offers) || offers.n != 1 ||
		!ike_sa2_of(&offers.at[0], &sa) || offers.at[0].spi.n != 4 ||
		!make_pfs(p, q, own_pfs(p), ike_payload_body(payloads, IKE_KE)))
		return;
	q->suite = p->suite;
	q->spi_out = get_u32(offers.at[0].spi.p);
	memcpy(q->n_other, nonce.p, q->n_other_len = nonce.n);
	ike_last_block(&p1->keys, message, q->iv);
	if (!ike_hash3(p->env->crypto, &p1->keys, q->id, slice(q->n_own, NONCE),
		    slice(q->n_other, q->n_other_len), hash))
		return;
	memcpy(q->last.request, message.p, message.n);
	q->last.request_len = message.n;
	struct ike_hdr h = quick_header(p1, q->id);
	ike_build_open(&b, buf, sizeof(buf), &h);
	ike_put(&b, IKE_HASH, slice(hash, hash_len(p1->keys.hash)));
	send_quick(p, q, buf, ike_build_close(&b).n, sizeof(buf), out);
	install(p, q, now);
}

/* Decrypt and check the HASH of a message of q's exchange, or of a new one when q is NULL. */
static bool open_quick(struct ike_peer *p, struct phase1 *p1, const struct quick *q,
	const struct ike_hdr *h, struct slice message, uint8_t *plain,
	struct ike_payloads *payloads)
{
	uint8_t iv[IKE_BLOCK_MAX], want[HASH_MAX];
	struct crypto *c = p->env->crypto;
	bool ok;

	if (q)
		memcpy(iv, q->iv, sizeof(iv));
	else if (!ike_iv_phase2(c, &p1->keys, p1->iv, h->id, iv))
		return false;
	if (!ike_unseal(c, &p1->keys, iv, message, plain) ||
		!ike_payloads_parse(h->first, slice(plain, message.n - IKE_HDR), payloads))
		return false;
	if (!q)
		ok = ike_payloads_are(payloads, IKE_QM1) &&
		     ike_hash1(c, &p1->keys, h->id, payloads->rest, want);
	else if (q->ours)
		ok = ike_payloads_are(payloads, IKE_QM2) &&
		     ike_hash2(c, &p1->keys, h->id, slice(q->n_own, NONCE), payloads->rest, want);
	else
		ok = ike_payloads_are(payloads, IKE_QM3) &&
		     ike_hash3(c, &p1->keys, h->id, slice(q->n_other, q->n_other_len),
			     slice(q->n_own, NONCE), want);
	return ok && secret_equal(ike_payload_body(payloads, IKE_HASH),
			     slice(want, hash_len(p1->keys.hash)));
}

void quick_recv(struct ike_peer *p, struct phase1 *p1, const struct ike_hdr *h,
	struct slice message, msec now, struct pktq *out)
{
	uint8_t plain[MESSAGE];
	struct ike_payloads payloads;
	struct quick *q = quick_find(p, p1, h->id);

	if (message.n > sizeof(plain) || !(h->flags & IKE_ENCRYPTED))
		return;
	if (q && slice_equal(slice(q->last.request, q->last.request_len), message)) {
		peer_emit(p, p1, slice(q->last.reply, q->last.reply_len), NULL, out);
		return;
	}
	if (q && q->done)
		return;
	if (!open_quick(p, p1, q, h, message, plain, &payloads))
		return;
	if (!q)
		answer(p, p1, h, &payloads, message, now, out);
	else if (q->ours)
		finish_ours(p, q, &payloads, message, now, out);
	else
		install(p, q, now);
}

/* Our message 1, or our message 2 until message 3 comes, which its sender does not repeat. */
void quick_tick(struct ike_peer *p, msec now, struct pktq *out)
{
	for (int i = 0; i < QUICKS; i++) {
		struct quick *q = &p->quick[i];

		if (!q->p1 || q->done)
			continue;
		switch (retry_tick(&q->retry, p->env, now)) {
		case RETRY_SEND:
			peer_emit(p, q->p1, slice(q->last.reply, q->last.reply_len), NULL, out);
			break;
		case RETRY_GIVE_UP:
			quick_free(q);
			break;
		case RETRY_WAIT:
			break;
		}
	}
}

/* The parts of quick mode messages: what we propose and accept, in both roles. RFC 2409, 5.5;
 * RFC 2407, 4.5 and 4.6.2; RFC 3947, 5. */
#include "ike/ike_rooms.h"

#include <string.h>

enum { NONCE_LEN = 32, UDP = 17 };

static const struct verdict fine = {REASON_NONE, NULL};
static const struct verdict no_memory = {REASON_LOCAL_NO_MEMORY, "met a host without memory"};
static const struct verdict no_crypto = {REASON_LOCAL_CRYPTO, NULL};

static struct verdict bad(const char *why)
{
	return (struct verdict){REASON_IKE_QM_REFUSED, why};
}

static struct secret *own(struct quick *q, struct secret *i, struct secret *r)
{
	return q->initiator ? i : r;
}

/* ---- writing ---- */

static void put_address_id(struct ike_build *b, const struct ip *ip, uint16_t port)
{
	struct ike_id id = {
		.type = ip->family == FAMILY_IPV6 ? IKE_ID_IPV6 : IKE_ID_IPV4,
		.protocol = UDP,
		.port = port,
		.data = ip_slice(ip),
	};

	ike_put_id(b, &id);
}

static void put_ids(const struct ike *ike, const struct quick *q, struct ike_build *b)
{
	if (q->initiator) {
		put_address_id(b, &ike->conf->local[q->sa->lane].ip, ike->conf->l2tp_port);
		put_address_id(b, &ike->conf->remote[q->sa->lane].ip, L2TP_PORT);
	} else if (q->id_i.n) {
		ike_put(b, IKE_ID, secret_slice(&q->id_i));
		ike_put(b, IKE_ID, secret_slice(&q->id_r));
	}
}

static void put_sa(const struct ike *ike, const struct quick *q, struct ike_build *b)
{
	const struct ike_proposals *p = &ike->conf->proposals;
	size_t mark = ike_payload_open(b, IKE_SA);
	uint8_t spi[4];

	put_u32(spi, q->pair.in.spi);
	if (q->initiator)
		ike_sa2_put(&b->w, &(struct ike_sa2_offer){.suites = p->esp,
					   .n = p->n_esp,
					   .spi = q->pair.in.spi,
					   .mode = ike_natt_mode(ike, q->sa),
					   .pfs = q->pfs,
					   .life_s = ike->conf->esp_life_s});
	else
		ike_accept_put(&b->w, &q->accepted, slice(spi, sizeof(spi)));
	ike_payload_close(b, mark);
}

bool ike_quick_prepare(struct ike *ike, struct quick *q)
{
	uint8_t nonce[NONCE_LEN];

	env_random(ike->env, nonce, sizeof(nonce));
	if (!secret_set(own(q, &q->nonce_i, &q->nonce_r), slice(nonce, sizeof(nonce))))
		return false;
	if (q->pfs != DH_NONE && !q->dh)
		q->dh = dh_new(ike->env, q->pfs);
	return q->pfs == DH_NONE || q->dh;
}

void ike_quick_put(const struct ike *ike, const struct quick *q, struct ike_build *b)
{
	put_sa(ike, q, b);
	ike_put(b, IKE_NONCE, secret_slice(q->initiator ? &q->nonce_i : &q->nonce_r));
	if (q->pfs != DH_NONE)
		ike_put(b, IKE_KE, dh_public(q->dh));
	put_ids(ike, q, b);
	ike_natt_put_oa(ike, q, b);
}

/* ---- reading ---- */

static struct verdict take_nonce(struct quick *q, const struct ike_payloads *p)
{
	struct slice nonce = ike_payload_body(p, IKE_NONCE);

	if (nonce.n < IKE_NONCE_MIN /* check: quick-nonce-short */ ||
		nonce.n > IKE_NONCE_MAX /* check: quick-nonce-long */)
		return bad("sent a nonce that is too short or too long");
	if (slice_equal(nonce, secret_slice(own(q, &q->nonce_i,
				       &q->nonce_r)))) /* check: quick-nonce-reflected */
		return bad("sent our own nonce back");
	return secret_set(own(q, &q->nonce_r, &q->nonce_i), nonce) ? fine : no_memory;
}

static struct verdict take_ke(struct quick *q, const struct ike_payloads *p)
{
	struct slice ke = ike_payload_body(p, IKE_KE);
	uint8_t value[DH_PUBLIC_MAX];
	size_t n = dh_public_len(q->pfs);

	if (q->pfs == DH_NONE)
		return ke.n ? bad("sent a key exchange that was not asked for") : fine;
	if (!dh_public_pad(q->pfs, ke, value)) /* check: quick-ke-length */
		return bad("sent no Diffie-Hellman value of its group");
	if (q->dh && slice_equal(slice(value, n), dh_public(q->dh))) /* check: quick-ke-reflected */
		return bad("sent our own Diffie-Hellman value back");
	return secret_set(&q->peer_public, slice(value, n)) ? fine : no_memory;
}

static bool port_allowed(uint16_t port, uint16_t wanted)
{
	return port == wanted || port == L2TP_PORT || port == 0;
}

/* One address with UDP (or anything): ours or, when some NAT is between us, whichever the peer
 * believes it to be. Our own selectors are installed whatever it says. */
static bool id_allowed(struct slice body, const struct ip *wanted, uint16_t port, bool natted)
{
	struct ike_id id;

	if (!ike_id_parse(body, &id))
		return false;
	struct ip ip = ike_id_ip(&id);
	if (ip.family != wanted->family /* check: quick-id-family */ ||
		(id.protocol != UDP && id.protocol != 0) /* check: quick-id-protocol */)
		return false;
	return port_allowed(id.port, port) /* check: quick-id-port */ &&
	       (natted || ip_equal(&ip, wanted)) /* check: quick-id-address */;
}

/* Both IDs, in the order of the quick mode's roles, or none: host to host. */
static bool ids_allowed(const struct ike *ike, const struct quick *q, const struct ike_payloads *p)
{
	const struct ike_payload *first = ike_payload_find(p, IKE_ID, 0);
	const struct ike_payload *second = ike_payload_find(p, IKE_ID, 1);
	bool natted = ike_natt_encapsulates(ike, q->sa);

	if (!first && !second)
		return true;
	if (!first || !second) /* check: quick-id-pair */
		return false;
	struct slice us = q->initiator ? first->body : second->body;
	struct slice them = q->initiator ? second->body : first->body;
	return id_allowed(us, &ike->conf->local[q->sa->lane].ip, ike->conf->l2tp_port, natted) &&
	       id_allowed(them, &ike->conf->remote[q->sa->lane].ip, L2TP_PORT, natted);
}

/* RESPONDER-LIFETIME beside the SA; RFC 2407, 4.6.3.1. */
static void take_lifetime(struct quick *q, const struct ike_payloads *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct ike_notify n;
		uint32_t life_s;

		if (p->at[i].type != IKE_N || !ike_notify_parse(p->at[i].body, &n))
			continue;
		if (n.type == IKE_RESPONDER_LIFETIME && ike_life_of(n.data, false, &life_s) &&
			life_s)
			q->pair.life_s = ike_life(q->pair.life_s, life_s);
	}
}

static const struct esp_suite *our_suite(const struct ike *ike, const struct esp_suite *wire)
{
	const struct ike_proposals *p = &ike->conf->proposals;

	for (size_t i = 0; i < p->n_esp; i++)
		if (ike_esp_same(&p->esp[i], wire))
			return &p->esp[i];
	return NULL;
}

/* Ours by value? Then it is what the pair will be. The transform's number says nothing: SoftEther
 * answers with 1 whatever it chose. */
static bool take_transform(struct ike *ike, struct quick *q, const struct ike_offer *o)
{
	struct ike_sa2 v;
	struct rd r = rd_of(o->spi);
	uint32_t spi = rd_u32(&r);

	if (!ike_sa2_of(o, &v) ||
		v.mode != ike_natt_mode(ike, q->sa) /* check: quick-mode-number */ ||
		spi < ESP_SPI_MIN /* check: quick-spi-reserved */)
		return false;
	const struct esp_suite *suite = our_suite(ike, &v.suite);
	if (!suite || (q->initiator && v.pfs != q->pfs) /* check: quick-pfs-group */)
		return false;
	q->pfs = v.pfs;
	q->pair.suite = *suite;
	q->pair.out.spi = spi;
	q->pair.life_s = ike->conf->esp_life_s;
	if (v.life_s)
		q->pair.life_s = ike_life(ike->conf->esp_life_s, v.life_s);
	return true;
}

struct verdict ike_quick_take_answer(struct ike *ike, struct quick *q, const struct ike_payloads *p)
{
	struct ike_offers offers;
	struct verdict v;

	if (!ike_offers_parse(ike_payload_body(p, IKE_SA), &offers) ||
		offers.n != 1 /* check: quick-one-transform */)
		return bad("answered with a malformed SA");
	if (!take_transform(ike, q, &offers.at[0]))
		return bad("chose an ESP suite or mode that we did not offer");
	v = take_nonce(q, p);
	if (v.id == REASON_NONE)
		v = take_ke(q, p);
	if (v.id != REASON_NONE)
		return v;
	if (!ids_allowed(ike, q, p)) /* check: quick-answer-ids */
		return bad("answered for other addresses or ports");
	take_lifetime(q, p);
	return fine;
}

/* The peer's first transform that is one of ours, kept for the answer with the IDs as they came. */
static struct verdict choose(struct ike *ike, struct quick *q, const struct ike_payloads *p)
{
	struct ike_offers offers;
	size_t i = 0;

	if (!ike_offers_parse(ike_payload_body(p, IKE_SA), &offers))
		return bad("offered a malformed SA");
	while (i < offers.n && !take_transform(ike, q, &offers.at[i]))
		i++;
	if (i == offers.n)
		return bad("offered no ESP suite and mode of ours");
	q->accepted = offers.at[i];
	if (!secret_set(&q->attributes, q->accepted.attributes))
		return no_memory;
	q->accepted.attributes = secret_slice(&q->attributes);
	q->accepted.spi = slice(NULL, 0);
	return fine;
}

static struct verdict keep_ids(struct quick *q, const struct ike_payloads *p)
{
	const struct ike_payload *i = ike_payload_find(p, IKE_ID, 0);
	const struct ike_payload *r = ike_payload_find(p, IKE_ID, 1);

	if (i && r && (!secret_set(&q->id_i, i->body) || !secret_set(&q->id_r, r->body)))
		return no_memory;
	return fine;
}

struct verdict ike_quick_take_offer(
	struct ike *ike, struct quick *q, const struct ike_payloads *p, uint16_t *error)
{
	struct verdict v;

	*error = IKE_NO_PROPOSAL_CHOSEN;
	v = choose(ike, q, p);
	if (v.id != REASON_NONE)
		return v;
	*error = IKE_INVALID_ID_INFORMATION;
	if (!ids_allowed(ike, q, p)) /* check: quick-offer-ids */
		return bad("asked for other addresses or ports");
	*error = IKE_PAYLOAD_MALFORMED;
	v = take_nonce(q, p);
	if (v.id == REASON_NONE)
		v = take_ke(q, p);
	if (v.id != REASON_NONE)
		return v;
	return keep_ids(q, p);
}

/* ---- keys ---- */

struct verdict ike_quick_derive(struct ike *ike, struct quick *q)
{
	struct crypto *c = ike->env->crypto;
	const struct ike_keys *k = &q->sa->keys;
	struct slice ni = secret_slice(&q->nonce_i), nr = secret_slice(&q->nonce_r);
	bool encapsulated = ike_natt_encapsulates(ike, q->sa);
	enum lane outer = encapsulated ? LANE_NATT : LANE_IKE;
	uint8_t gxy[DH_SECRET_MAX] = {0};
	struct slice secret = slice(gxy, dh_secret_len(q->pfs));

	/* Or this host failed: dh_agree() does not say, so nobody is blamed. */
	if (q->pfs != DH_NONE &&
		!dh_agree(q->dh, secret_slice(&q->peer_public), gxy)) /* check: quick-dh-allowed */
		return (struct verdict){
			REASON_IKE_FAIL, "sent a Diffie-Hellman value that gives no secret"};
	q->pair.lane = encapsulated ? LANE_NATT : LANE_RAW;
	q->pair.local = ike->conf->local[outer];
	q->pair.remote = ike->conf->remote[outer];
	q->pair.local_port = ike->conf->l2tp_port;
	q->pair.remote_port = L2TP_PORT;
	bool ok = ike_esp_keys(c, k, &q->pair.suite, secret, ni, nr, &q->pair.in) &&
		  ike_esp_keys(c, k, &q->pair.suite, secret, ni, nr, &q->pair.out);

	wipe(gxy, sizeof(gxy)); /* check: quick-secret-wipe */
	return ok ? fine : no_crypto;
}

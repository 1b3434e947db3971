/* Informational exchanges: notify, delete, dead peer detection. RFC 2408, 4.8; RFC 2409, 5.7;
 * RFC 2407, 4.6.3; RFC 3706. In the clear they are hints about a main mode under way and nothing
 * else; everything that acts has a HASH that was right. */
#include "ike/ike_rooms.h"

#include <string.h>

#include "base/log.h"

enum {
	DPD_PROBES = 5,
	DPD_ANSWER_EVERY = 1000,
	INFO_ROOM = 512,
};

/* ---- sending ---- */

struct info {
	uint8_t message[INFO_ROOM];
	struct ike_build b;
	uint32_t id;
	size_t hash;
};

static void info_begin(struct ike *ike, struct phase1 *sa, struct info *m)
{
	uint8_t zero[HASH_MAX] = {0};

	m->id = ike_id_new(ike, sa);
	m->hash = hash_len(sa->keys.hash);
	struct ike_hdr hdr = ike_hdr_of(sa, IKE_INFO, m->id);

	ike_build_open(&m->b, m->message, sizeof(m->message), &hdr);
	ike_put(&m->b, IKE_HASH, slice(zero, m->hash));
}

static void info_send(
	struct ike *ike, const struct phase1 *sa, struct info *m, msec now, struct io *out)
{
	enum { AT = IKE_HDR + IKE_PAYLOAD_HDR };
	struct crypto *c = ike->env->crypto;
	uint8_t iv[IKE_BLOCK_MAX];
	size_t n = ike_build_close(&m->b).n;

	if (n <= AT + m->hash)
		return;
	struct slice rest = slice(m->message + AT + m->hash, n - AT - m->hash);
	if (ike_hash1(c, &sa->keys, m->id, rest, m->message + AT) &&
		ike_iv_phase2(c, &sa->keys, sa->iv, m->id, iv) &&
		ike_seal(c, &sa->keys, iv, m->message, &n, sizeof(m->message)))
		ike_transmit(ike, sa->lane, slice(m->message, n), now, out);
}

static struct slice cookies_of(const struct phase1 *sa, uint8_t to[static 2 * IKE_COOKIE])
{
	memcpy(to, sa->cookie_i, IKE_COOKIE);
	memcpy(to + IKE_COOKIE, sa->cookie_r, IKE_COOKIE);
	return slice(to, 2 * IKE_COOKIE);
}

void ike_info_notify(
	struct ike *ike, struct phase1 *sa, const struct ike_notify *n, msec now, struct io *out)
{
	struct info m;

	info_begin(ike, sa, &m);
	ike_put_notify(&m.b, n->protocol, n->type, n->spi, n->data);
	info_send(ike, sa, &m, now, out);
}

void ike_info_delete_pair(struct ike *ike, uint32_t spi_in, msec now, struct io *out)
{
	struct phase1 *sa = ike_newest(ike);
	struct info m;
	uint8_t spi[4];

	if (!sa)
		return;
	put_u32(spi, spi_in);
	info_begin(ike, sa, &m);
	ike_put_delete(&m.b, IKE_PROTO_ESP, sizeof(spi), slice(spi, sizeof(spi)));
	info_send(ike, sa, &m, now, out);
}

void ike_info_delete_sa(struct ike *ike, struct phase1 *sa, msec now, struct io *out)
{
	uint8_t cookies[2 * IKE_COOKIE];
	struct info m;

	info_begin(ike, sa, &m);
	ike_put_delete(&m.b, IKE_PROTO_ISAKMP, sizeof(cookies), cookies_of(sa, cookies));
	info_send(ike, sa, &m, now, out);
}

/* ---- dead peer detection ---- */

static bool dpd_asking(const struct ike *ike)
{
	return ike->dpd.copies > 0;
}

static bool dpd_possible(const struct ike *ike)
{
	const struct phase1 *sa = ike_newest(ike);

	return sa && ike->conf->dpd_interval && sa->vids & 1u << VID_DPD;
}

msec ike_info_dpd_deadline(const struct ike *ike)
{
	if (!dpd_possible(ike))
		return MSEC_NEVER;
	return dpd_asking(ike) ? retry_deadline(&ike->dpd)
			       : ike->heard_at + ike->conf->dpd_interval;
}

/* Each probe is a message of its own, because a peer refuses message IDs that it has seen; the
 * number inside is that of the question. */
static void dpd_ask(struct ike *ike, msec now, struct io *out)
{
	struct phase1 *sa = ike_newest(ike);
	uint8_t cookies[2 * IKE_COOKIE], seq[4];

	put_u32(seq, ike->dpd_seq);
	ike_info_notify(ike, sa,
		&(struct ike_notify){.protocol = IKE_PROTO_ISAKMP,
			.type = IKE_R_U_THERE,
			.spi = cookies_of(sa, cookies),
			.data = slice(seq, sizeof(seq))},
		now, out);
}

static void dpd_lost(struct ike *ike, msec now)
{
	ike_fail(ike, REASON_LINK_LOST, "%d dead peer probes, 0 answers, nothing heard for %llu s",
		DPD_PROBES, (unsigned long long)((now - ike->heard_at) / 1000));
}

void ike_info_dpd_tick(struct ike *ike, msec now, struct io *out)
{
	if (now < ike_info_dpd_deadline(ike))
		return;
	if (!dpd_asking(ike)) {
		ike->dpd_seq++;
		retry_start(&ike->dpd, PATIENCE_EXCHANGE, ike->rtt, ike->env, now);
		dpd_ask(ike, now, out);
		return;
	}
	switch (retry_tick(&ike->dpd, ike->env, now)) {
	case RETRY_WAIT:
		break;
	case RETRY_SEND:
		if (ike->dpd.copies > DPD_PROBES)
			dpd_lost(ike, now);
		else
			dpd_ask(ike, now, out);
		break;
	case RETRY_GIVE_UP:
		dpd_lost(ike, now);
		break;
	}
}

void ike_peer_alive(struct ike *ike, msec now)
{
	ike->heard_at = now;
	retry_stop(&ike->dpd);
}

static void dpd_asked(
	struct ike *ike, struct phase1 *sa, const struct ike_notify *n, msec now, struct io *out)
{
	uint8_t cookies[2 * IKE_COOKIE];

	if (!slice_equal(n->spi, cookies_of(sa, cookies)) /* check: dpd-cookies */ ||
		n->data.n != 4 /* check: dpd-length */)
		return;
	if (ike->dpd_acked_at &&
		now - ike->dpd_acked_at < DPD_ANSWER_EVERY) /* check: dpd-answer-rate */
		return;
	ike->dpd_acked_at = now;
	ike_info_notify(ike, sa,
		&(struct ike_notify){.protocol = IKE_PROTO_ISAKMP,
			.type = IKE_R_U_THERE_ACK,
			.spi = n->spi,
			.data = n->data},
		now, out);
}

/* ---- receiving ---- */

static void take_delete(struct ike *ike, const struct ike_delete *d, msec now)
{
	struct rd r = rd_of(d->spis);

	for (unsigned i = 0; i < d->count && !ike->failed; i++) {
		struct slice spi = rd_take(&r, d->spi_len);

		if (d->protocol == IKE_PROTO_ESP) {
			struct rd number = rd_of(spi);
			struct pair *pair = ike_pair_find(ike, rd_u32(&number), true);

			if (pair)
				ike_pair_drop(ike, pair, true, now);
			continue;
		}
		for (struct phase1 *sa = ike->sas; sa; sa = sa->next) {
			uint8_t cookies[2 * IKE_COOKIE];

			if (sa->up && !sa->dead &&
				slice_equal(
					spi, cookies_of(sa, cookies)) /* check: delete-cookies */)
				ike_main_lost(ike, sa, true, now);
		}
	}
}

static void take_lifetime(struct ike *ike, struct phase1 *sa, const struct ike_notify *n)
{
	bool phase1 = n->protocol == IKE_PROTO_ISAKMP;
	struct rd r = rd_of(n->spi);
	uint32_t life_s;

	if (!ike_life_of(n->data, phase1, &life_s) || !life_s)
		return;
	if (!phase1) {
		ike_pair_limit_life(ike, rd_u32(&r), life_s);
		return;
	}
	msec ends = sa->established_at + SECONDS(ike_life(sa->life_s, life_s));
	if (ends >= sa->ends_at) /* check: lifetime-never-longer */
		return;
	sa->ends_at = ends;
	if (sa->renew_at != MSEC_NEVER) /* else the server renews, or we do already */
		sa->renew_at = msec_min(
			sa->renew_at, sa->established_at + (ends - sa->established_at) * 9 / 10);
}

static void take_notify(
	struct ike *ike, struct phase1 *sa, const struct ike_notify *n, msec now, struct io *out)
{
	if (n->type == IKE_R_U_THERE)
		dpd_asked(ike, sa, n, now, out);
	else if (n->type == IKE_RESPONDER_LIFETIME)
		take_lifetime(ike, sa, n);
	else if (n->type < IKE_ERRORS_END)
		ike_quick_refused(ike, sa, n, now);
}

/* What follows a Delete of the SA itself in the same message has no SA any more. */
static void take_all(
	struct ike *ike, struct phase1 *sa, const struct ike_payloads *p, msec now, struct io *out)
{
	for (size_t i = 0; i < p->n && !sa->dead /* check: delete-ends-message */ && !ike->failed;
		i++) {
		struct ike_notify n;
		struct ike_delete d;

		if (p->at[i].type == IKE_N && ike_notify_parse(p->at[i].body, &n))
			take_notify(ike, sa, &n, now, out);
		else if (p->at[i].type == IKE_D && ike_delete_parse(p->at[i].body, &d))
			take_delete(ike, &d, now);
	}
}

/* Decrypted, well formed and with the right HASH? */
static bool info_open(struct ike *ike, const struct phase1 *sa, const struct ike_hdr *hdr,
	struct slice message, uint8_t *plain, struct ike_payloads *p)
{
	struct crypto *c = ike->env->crypto;
	uint8_t iv[IKE_BLOCK_MAX], hash[HASH_MAX];

	return ike_hdr_is(hdr, IKE_INFO_SEALED) &&
	       ike_iv_phase2(c, &sa->keys, sa->iv, hdr->id, iv) &&
	       ike_unseal(c, &sa->keys, iv, message, plain) &&
	       ike_payloads_parse(hdr->first, slice(plain, message.n - IKE_HDR), p) &&
	       ike_payloads_are(p, IKE_INFO_SEALED) /* check: info-payloads */ &&
	       ike_hash1(c, &sa->keys, hdr->id, p->rest, hash) &&
	       secret_equal(
		       slice(hash, hash_len(sa->keys.hash)), p->at[0].body) /* check: info-hash */;
}

/* The first error in it, as a hint; anybody may have sent it. */
static void take_hint(
	struct ike *ike, struct phase1 *sa, const struct ike_payloads *p, msec now, struct io *out)
{
	struct ike_notify n;

	if (!ike_notify_parse(ike_payload_body(p, IKE_N), &n) ||
		n.type >= IKE_ERRORS_END /* check: hint-errors-only */)
		return;
	bool about_key =
		n.type == IKE_PAYLOAD_MALFORMED || n.type == IKE_INVALID_HASH_INFORMATION ||
		n.type == IKE_AUTHENTICATION_FAILED || n.type == IKE_INVALID_ID_INFORMATION;
	enum reason_id id = REASON_IKE_FAIL;

	if (n.type == IKE_NO_PROPOSAL_CHOSEN)
		id = REASON_IKE_NO_PROPOSAL;
	else if (about_key && sa->awaits == 6 /* check: hint-psk-after-message-5 */)
		id = REASON_IKE_PSK_WRONG;
	log_stranger(ike->env->log, now, "ike", "in the clear: %s (%u)", ike_notify_name(n.type),
		n.type);
	ike_main_hint(
		ike, sa, now, out, id, "the gateway said %s (%u)", ike_notify_name(n.type), n.type);
}

/* Sealed with keys that only the holder of the pre-shared key has, before message 6: the key is
 * right and something else is not. */
static void take_early(
	struct ike *ike, struct phase1 *sa, const struct ike_payloads *p, msec now, struct io *out)
{
	struct ike_notify n;

	if (ike_notify_parse(ike_payload_body(p, IKE_N), &n) && n.type < IKE_ERRORS_END)
		ike_main_refused(ike, sa, now, out, REASON_IKE_ID_REFUSED,
			"the gateway said %s (%u) to message 5", ike_notify_name(n.type), n.type);
}

/* The gateway is further than we are: its message 6 was lost, and with it the IV of what it says now.
 * A wrong IV spoils the first block only: the HASH header, which is put back here, and the beginning
 * of the HASH. That its end is right shows that both ends hold the same key. */
static bool peer_is_ahead(struct ike *ike, const struct phase1 *sa, const struct ike_hdr *hdr,
	struct slice message, uint8_t *plain)
{
	static const uint8_t types[] = {IKE_N, IKE_D};
	struct crypto *c = ike->env->crypto;
	uint8_t hash[HASH_MAX], iv[IKE_BLOCK_MAX] = {0};
	size_t len = hash_len(sa->keys.hash);
	size_t spoiled = cbc_block(sa->keys.cipher) - IKE_PAYLOAD_HDR;
	struct ike_payloads p;

	if (message.n < IKE_HDR + IKE_PAYLOAD_HDR + len || hdr->first != IKE_HASH ||
		len <= spoiled || !ike_unseal(c, &sa->keys, iv, message, plain))
		return false;
	for (size_t i = 0; i < sizeof(types); i++) {
		put_u32(plain, (uint32_t)types[i] << 24 | (uint32_t)(IKE_PAYLOAD_HDR + len));
		if (ike_payloads_parse(IKE_HASH, slice(plain, message.n - IKE_HDR), &p) &&
			ike_hash1(c, &sa->keys, hdr->id, p.rest, hash) &&
			secret_equal(slice(hash + spoiled, len - spoiled),
				slice(p.at[0].body.p + spoiled, len - spoiled)))
			return true;
	}
	return false;
}

static void half_open_recv(struct ike *ike, struct phase1 *sa, const struct ike_hdr *hdr,
	struct slice message, msec now, struct io *out)
{
	uint8_t plain[IKE_MESSAGE_MAX];
	struct ike_payloads p;
	struct rd r = rd_of(message);

	rd_skip(&r, IKE_HDR);
	if (ike_hdr_is(hdr, IKE_INFO_CLEAR)) {
		if (ike_payloads_parse(hdr->first, rd_rest(&r), &p) &&
			ike_payloads_are(&p, IKE_INFO_CLEAR) /* check: clear-payloads */)
			take_hint(ike, sa, &p, now, out);
	} else if (sa->awaits == 6 && ike_hdr_is(hdr, IKE_INFO_SEALED)) {
		if (info_open(ike, sa, hdr, message, plain, &p))
			take_early(ike, sa, &p, now, out);
		else if (!peer_is_ahead(ike, sa, hdr, message, plain))
			ike_main_hint(ike, sa, now, out, REASON_IKE_PSK_WRONG,
				"the gateway answers with what we cannot decrypt");
		wipe(plain, message.n);
	}
}

void ike_info_recv(struct ike *ike, struct phase1 *sa, const struct ike_hdr *hdr,
	struct slice message, msec now, struct io *out)
{
	uint8_t plain[IKE_MESSAGE_MAX];
	struct ike_payloads p;

	if (!sa->up) { /* check: info-half-open */
		half_open_recv(ike, sa, hdr, message, now, out);
		return;
	}
	if (!info_open(ike, sa, hdr, message, plain, &p)) {
		log_stranger(ike->env->log, now, "ike", "informational message not authentic");
	} else if (!ike_id_seen(sa, hdr->id) /* check: info-replay */) {
		ike_id_add(sa, hdr->id);
		ike_peer_alive(ike, now);
		take_all(ike, sa, &p, now, out);
	}
	wipe(plain, message.n);
}

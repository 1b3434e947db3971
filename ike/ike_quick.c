/* Quick mode, both roles. RFC 2409, 5.5; RFC 2407, 4.5.
 *
 *   initiator  WANT_SPI > message 1 > message 2 > WANT_SA > message 3, use the pair
 *   responder  message 1 > WANT_SPI > WANT_SA > message 2 > message 3 or first ESP packet, use it
 *
 * Everything here comes from a peer that has proved itself, so what cannot be agreed on ends the
 * exchange at once. The reading and writing of the parts is in ike_qparts.c. */
#include "ike/ike_rooms.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum {
	QUICK_MAX = 8,          /* at a time, ours and the peer's */
	QUESTION_LIVES = 30000, /* WANT_SPI and WANT_SA */
	KEPT = 30000,           /* when done, to answer repeats */
};

static struct quick *quick_new(struct ike *ike, struct phase1 *sa, bool initiator, msec now)
{
	size_t n = 0;

	for (const struct quick *q = ike->quicks; q; q = q->next)
		n += !q->dead && q->state != QUICK_DONE;
	struct quick *q = n < QUICK_MAX /* check: quick-count */ ? calloc(1, sizeof(*q)) : NULL;
	if (!q)
		return NULL;
	q->sa = sa;
	q->initiator = initiator;
	q->retry = RETRY_STOPPED;
	q->ends = now + QUESTION_LIVES;
	q->next = ike->quicks;
	ike->quicks = q;
	return q;
}

void ike_quick_free(struct quick *q)
{
	struct secret *const secrets[] = {&q->nonce_i, &q->nonce_r, &q->peer_public, &q->attributes,
		&q->id_i, &q->id_r, &q->last};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		secret_clear(secrets[i]);
	dh_free(q->dh);
	wipe(q, sizeof(*q)); /* check: quick-wipe */
	free(q);
}

bool ike_quick_pending(const struct ike *ike)
{
	for (const struct quick *q = ike->quicks; q; q = q->next)
		if (!q->dead && q->initiator && q->state != QUICK_DONE)
			return true;
	return false;
}

bool ike_quick_busy(const struct ike *ike, const struct phase1 *sa)
{
	for (const struct quick *q = ike->quicks; q; q = q->next)
		if (!q->dead && q->state != QUICK_DONE && (!sa || q->sa == sa))
			return true;
	return false;
}

/* Without a pair this is the end; a rekey of ours is tried again while its pair lives, one of the
 * peer's is the peer's affair. */
[[gnu::format(printf, 5, 6)]] static void quick_failed(
	struct ike *ike, struct quick *q, msec now, enum reason_id id, const char *fmt, ...)
{
	char why[REASON_EVIDENCE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	q->dead = true;
	log_warn(ike->env->log, "ike", "quick mode %08x failed: %s", q->id, why);
	bool usable = ike_pair_usable(ike);
	if (usable && q->initiator)
		ike_pair_rekey_later(ike, now);
	else if (!usable && !q->initiator)
		ike->quick_wanted = true;
	else if (!usable && !ike_quick_busy(ike, NULL))
		ike_fail(ike, id, "%s", why);
}

static void ask(struct ike *ike, struct quick *q, enum ike_event_kind kind, msec now)
{
	q->state = kind == IKE_EV_WANT_SPI ? QUICK_WANT_SPI : QUICK_WANT_SA;
	q->question = ++ike->next_question;
	q->ends = now + QUESTION_LIVES;
	retry_stop(&q->retry);
	ike_event(ike, (struct ike_event){.kind = kind,
			       .id = q->question,
			       .pair = kind == IKE_EV_WANT_SA ? &q->pair : NULL});
}

void ike_quick_start(struct ike *ike, msec now)
{
	struct phase1 *sa = ike_newest(ike);
	struct quick *q = quick_new(ike, sa, true, now);

	ike->quick_wanted = !q;
	ike->quick_after = now + SECONDS(1);
	if (!q)
		return;
	q->pfs = ike->pfs;
	q->id = ike_id_new(ike, sa);
	if (!ike_iv_phase2(ike->env->crypto, &sa->keys, sa->iv, q->id, q->iv)) {
		ike_fail_crypto(ike);
		return;
	}
	ask(ike, q, IKE_EV_WANT_SPI, now);
}

/* ---- sending ---- */

/* HASH(1), HASH(2) or HASH(3); `rest` is what follows the HASH payload. */
static bool quick_hash(struct ike *ike, const struct quick *q, enum ike_message kind,
	struct slice rest, uint8_t *to)
{
	struct crypto *c = ike->env->crypto;
	const struct ike_keys *k = &q->sa->keys;
	struct slice ni = secret_slice(&q->nonce_i), nr = secret_slice(&q->nonce_r);

	if (kind == IKE_QM1)
		return ike_hash1(c, k, q->id, rest, to);
	if (kind == IKE_QM2)
		return ike_hash2(c, k, q->id, ni, rest, to);
	return ike_hash3(c, k, q->id, ni, nr, to);
}

/* HASH first, everything else behind it, then HASH is filled in and all of it encrypted. */
static bool quick_send(
	struct ike *ike, struct quick *q, enum ike_message kind, msec now, struct io *out)
{
	struct crypto *c = ike->env->crypto;
	uint8_t message[4096], zero[HASH_MAX] = {0};
	struct ike_hdr hdr = ike_hdr_of(q->sa, IKE_QUICK, q->id);
	size_t hash = hash_len(q->sa->keys.hash), at = IKE_HDR + IKE_PAYLOAD_HDR;
	struct ike_build b;

	ike_build_open(&b, message, sizeof(message), &hdr);
	ike_put(&b, IKE_HASH, slice(zero, hash));
	if (kind != IKE_QM3)
		ike_quick_put(ike, q, &b);
	size_t n = ike_build_close(&b).n;
	if (!n)
		return false;
	struct slice rest = slice(message + at + hash, n - at - hash);
	if (!quick_hash(ike, q, kind, rest, message + at) ||
		!ike_seal(c, &q->sa->keys, q->iv, message, &n, sizeof(message)) ||
		!secret_set(&q->last, slice(message, n)))
		return false;
	ike_transmit(ike, q->sa->lane, secret_slice(&q->last), now, out);
	return true;
}

static void send_and_wait(
	struct ike *ike, struct quick *q, enum ike_message kind, msec now, struct io *out)
{
	if (!quick_send(ike, q, kind, now, out)) {
		ike_fail_crypto(ike);
		return;
	}
	q->state = kind == IKE_QM1 ? QUICK_SENT1 : QUICK_SENT2;
	q->ends = MSEC_NEVER;
	ike_progress(ike, kind == IKE_QM1 ? "quick mode 1" : "quick mode 2");
	retry_start(&q->retry, PATIENCE_EXCHANGE, ike->rtt, ike->env, now);
}

static void quick_done(struct quick *q, msec now)
{
	q->state = QUICK_DONE;
	q->ends = now + KEPT;
	retry_stop(&q->retry);
	wipe(&q->pair.in.key, sizeof(q->pair.in.key));     /* check: quick-key-in-wipe */
	wipe(&q->pair.in.auth, sizeof(q->pair.in.auth));   /* check: quick-auth-in-wipe */
	wipe(&q->pair.out.key, sizeof(q->pair.out.key));   /* check: quick-key-out-wipe */
	wipe(&q->pair.out.auth, sizeof(q->pair.out.auth)); /* check: quick-auth-out-wipe */
}

/* What this host lacks ends the machine; what the gateway did wrong ends the quick mode. */
static void refused(struct ike *ike, struct quick *q, struct verdict v, msec now)
{
	if (v.id == REASON_LOCAL_NO_MEMORY)
		ike_fail_memory(ike);
	else if (v.id == REASON_LOCAL_CRYPTO)
		ike_fail_crypto(ike);
	else
		quick_failed(ike, q, now, v.id, "the gateway %s in quick mode", v.why);
}

/* ---- answers of the owner ---- */

static void want_sa(struct ike *ike, struct quick *q, msec now)
{
	struct verdict v = ike_quick_derive(ike, q);

	if (v.id == REASON_NONE)
		ask(ike, q, IKE_EV_WANT_SA, now);
	else
		refused(ike, q, v, now);
}

static void spi_answered(struct ike *ike, struct quick *q, uint32_t spi, msec now, struct io *out)
{
	q->pair.in.spi = spi;
	if (!ike_quick_prepare(ike, q))
		ike_fail_crypto(ike);
	else if (q->initiator)
		send_and_wait(ike, q, IKE_QM1, now, out);
	else
		want_sa(ike, q, now);
}

/* Installed: as initiator the peer may be told and the pair used; as responder it is told and we
 * wait for proof that it has the pair too. */
static void sa_answered(struct ike *ike, struct quick *q, msec now, struct io *out)
{
	struct pair *pair = ike_pair_add(ike, q, now);

	if (!pair)
		return;
	if (!q->initiator) {
		send_and_wait(ike, q, IKE_QM2, now, out);
		return;
	}
	if (!quick_send(ike, q, IKE_QM3, now, out)) {
		ike_fail_crypto(ike);
		return;
	}
	ike_progress(ike, "quick mode 3");
	quick_done(q, now);
	ike_pair_use_soon(ike, pair, now);
}

void ike_quick_answered(
	struct ike *ike, struct quick *q, const struct answer *answer, msec now, struct io *out)
{
	bool spi = q->state == QUICK_WANT_SPI;

	q->question = 0;
	if (!answer->yes || (spi && answer->spi < ESP_SPI_MIN) /* check: own-spi-reserved */)
		quick_failed(ike, q, now, REASON_ESP_PLANE, "%s: %s",
			spi ? "no SPI" : "the pair was not installed",
			answer->why ? answer->why : "refused");
	else if (spi)
		spi_answered(ike, q, answer->spi, now, out);
	else
		sa_answered(ike, q, now, out);
}

/* ---- receiving ---- */

static bool hash_good(
	struct ike *ike, const struct quick *q, enum ike_message kind, const struct ike_payloads *p)
{
	uint8_t hash[HASH_MAX];

	return quick_hash(ike, q, kind, p->rest, hash) &&
	       secret_equal(slice(hash, hash_len(q->sa->keys.hash)),
		       p->at[0].body) /* check: quick-hash */;
}

/* Decrypt, check the form and the HASH; only then does the IV advance. */
static bool quick_open(struct ike *ike, struct quick *q, enum ike_message kind,
	const struct ike_hdr *hdr, struct slice message, uint8_t *plain, struct ike_payloads *p)
{
	if (!ike_hdr_is(hdr, kind) /* check: quick-header */ ||
		!ike_unseal(ike->env->crypto, &q->sa->keys, q->iv, message, plain) ||
		!ike_payloads_parse(hdr->first, slice(plain, message.n - IKE_HDR), p) ||
		!ike_payloads_are(p, kind) /* check: quick-payloads */ ||
		!hash_good(ike, q, kind, p))
		return false;
	ike_last_block(&q->sa->keys, message, q->iv);
	return true;
}

static void quick_repeated(struct ike *ike, const struct quick *q, msec now, struct io *out)
{
	bool answered = q->initiator ? q->state == QUICK_DONE : q->state == QUICK_SENT2;

	if (answered)
		ike_transmit(ike, q->sa->lane, secret_slice(&q->last), now, out);
}

static void answer_came(struct ike *ike, struct quick *q, const struct ike_payloads *p, msec now)
{
	struct verdict v = ike_quick_take_answer(ike, q, p);

	ike_progress(ike, "quick mode 2");
	if (v.id == REASON_NONE)
		want_sa(ike, q, now);
	else
		refused(ike, q, v, now);
}

void ike_quick_confirmed(struct ike *ike, struct quick *q, msec now)
{
	struct pair *pair = ike_pair_find(ike, q->pair.in.spi, false);

	quick_done(q, now);
	if (pair)
		ike_pair_use(ike, pair, now);
}

static void continued(struct ike *ike, struct quick *q, const struct ike_hdr *hdr,
	struct slice message, const uint8_t *digest, msec now, struct io *out)
{
	uint8_t plain[IKE_MESSAGE_MAX];
	struct ike_payloads p;

	if (memcmp(digest, q->heard, DIGEST) == 0) {
		quick_repeated(ike, q, now, out);
		return;
	}
	if (q->state != QUICK_SENT1 && q->state != QUICK_SENT2) /* check: quick-expected */
		return;
	enum ike_message kind = q->state == QUICK_SENT1 ? IKE_QM2 : IKE_QM3;
	if (!quick_open(ike, q, kind, hdr, message, plain, &p)) {
		log_stranger(
			ike->env->log, now, "ike", "quick mode %08x: message not authentic", q->id);
	} else {
		memcpy(q->heard, digest, DIGEST);
		ike_peer_alive(ike, now);
		if (kind == IKE_QM2) {
			answer_came(ike, q, &p, now);
		} else {
			ike_progress(ike, "quick mode 3");
			ike_quick_confirmed(ike, q, now);
		}
	}
	wipe(plain, message.n);
}

/* What we tell a peer whose message 1 we cannot take. */
static void refuse(struct ike *ike, struct quick *q, uint16_t type, msec now, struct io *out)
{
	const struct ike_notify n = {.protocol = IKE_PROTO_ESP, .type = type};

	q->dead = true;
	ike_info_notify(ike, q->sa, &n, now, out);
}

/* The peer starts one: its message 1 is new and authentic. */
static void begun(struct ike *ike, struct phase1 *sa, const struct ike_hdr *hdr,
	struct slice message, const uint8_t *digest, msec now, struct io *out)
{
	uint8_t plain[IKE_MESSAGE_MAX];
	struct quick *q = quick_new(ike, sa, false, now);
	struct ike_payloads p;

	if (!q)
		return;
	q->id = hdr->id;
	if (!ike_iv_phase2(ike->env->crypto, &sa->keys, sa->iv, q->id, q->iv) ||
		!quick_open(ike, q, IKE_QM1, hdr, message, plain, &p)) {
		log_stranger(ike->env->log, now, "ike", "quick mode %08x: message not authentic",
			hdr->id);
		q->dead = true;
		wipe(plain, message.n);
		return;
	}
	ike_id_add(sa, q->id);
	memcpy(q->heard, digest, DIGEST);
	ike_peer_alive(ike, now);
	uint16_t error = 0;
	struct verdict v = ike_quick_take_offer(ike, q, &p, &error);
	wipe(plain, message.n);
	ike_progress(ike, "quick mode 1");
	if (v.id != REASON_NONE) {
		log_warn(ike->env->log, "ike", "quick mode %08x of the gateway refused: it %s",
			q->id, v.why);
		refuse(ike, q, error, now, out);
	} else {
		ask(ike, q, IKE_EV_WANT_SPI, now);
	}
}

void ike_quick_recv(struct ike *ike, struct phase1 *sa, const struct ike_hdr *hdr,
	struct slice message, msec now, struct io *out)
{
	uint8_t digest[DIGEST];
	struct quick *q = ike->quicks;

	if (!sa->up /* check: quick-established */ || !ike_digest(ike, message, digest))
		return;
	while (q && (q->dead || q->sa != sa || q->id != hdr->id /* check: quick-message-id */))
		q = q->next;
	if (q)
		continued(ike, q, hdr, message, digest, now, out);
	else if (!ike_id_seen(sa, hdr->id) /* check: quick-replay */)
		begun(ike, sa, hdr, message, digest, now, out);
}

/* Does the notify name another pair than that of this quick mode? An SPI of 0 names none: strongSwan
 * refuses an offer before it has read ours. */
static bool names_another(const struct quick *q, const struct ike_notify *n)
{
	struct rd r = rd_of(n->spi);
	uint32_t spi = rd_u32(&r);

	return n->protocol == IKE_PROTO_ESP && n->spi.n == 4 && spi && spi != q->pair.in.spi;
}

/* A gateway that demands PFS says no more than that nothing suits it: once more with the group of
 * phase 1. */
static bool again_with_pfs(struct ike *ike, struct quick *q, uint16_t error, msec now)
{
	if (error != IKE_NO_PROPOSAL_CHOSEN || q->pfs != DH_NONE || ike->pfs_tried)
		return false;
	log_info(ike->env->log, "ike", "quick mode %08x refused: once more with PFS, group %d",
		q->id, q->sa->suite.group);
	q->dead = true;
	ike->pfs = q->sa->suite.group;
	ike->pfs_tried = true;
	ike->quick_wanted = true;
	ike->quick_after = now;
	return true;
}

/* An authenticated error: it names our SPI, or none and means the quick mode that is waiting. */
void ike_quick_refused(struct ike *ike, struct phase1 *sa, const struct ike_notify *n, msec now)
{
	for (struct quick *q = ike->quicks; q; q = q->next) {
		bool both = q->pfs != ike->conf->proposals.pfs;

		if (q->dead || q->sa != sa || q->state != QUICK_SENT1 ||
			names_another(q, n) /* check: quick-refused-other */)
			continue;
		if (again_with_pfs(ike, q, n->type, now))
			return;
		ike->pfs = ike->conf->proposals.pfs;
		quick_failed(ike, q, now, REASON_IKE_QM_REFUSED,
			"the gateway said %s (%u) in quick mode%s", ike_notify_name(n->type),
			n->type, both ? ", with and without PFS" : "");
		return;
	}
	log_info(ike->env->log, "ike", "the gateway said %s (%u)", ike_notify_name(n->type),
		n->type);
}

/* ---- time ---- */

msec ike_quick_deadline(const struct quick *q)
{
	return msec_min(q->ends, retry_deadline(&q->retry));
}

static void silence(struct ike *ike, struct quick *q, msec now)
{
	struct pair *pair = ike_pair_find(ike, q->pair.in.spi, false);
	char to[ADDR_TEXT];

	quick_failed(ike, q, now, REASON_IKE_TIMEOUT,
		"%s stopped answering in quick mode: message %d sent %u times, 0 answers",
		addr_text(&ike->conf->remote[q->sa->lane], to), q->initiator ? 1 : 2,
		q->retry.copies);
	if (pair && !q->initiator)
		ike_pair_drop(ike, pair, false, now);
}

void ike_quick_tick(struct ike *ike, struct quick *q, msec now, struct io *out)
{
	if (now >= q->ends) {
		if (q->state == QUICK_DONE)
			q->dead = true;
		else
			quick_failed(ike, q, now, REASON_ESP_PLANE,
				"no answer to the question for %s in %d s",
				q->state == QUICK_WANT_SPI ? "an SPI" : "the pair",
				QUESTION_LIVES / 1000);
		return;
	}
	switch (retry_tick(&q->retry, ike->env, now)) {
	case RETRY_WAIT:
		break;
	case RETRY_SEND:
		ike_transmit(ike, q->sa->lane, secret_slice(&q->last), now, out);
		break;
	case RETRY_GIVE_UP:
		silence(ike, q, now);
		break;
	}
}

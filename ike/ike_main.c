/* Main mode, both roles. RFC 2409, 5 and 5.4.
 *
 * The exchange is strict ping-pong, so it is a script (ike_mparts.c): six messages, odd ones from the
 * initiator, even ones from the responder; phase1.awaits is the number of the next one to come. */
#include "ike/ike_rooms.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"

enum {
	MESSAGE_ROOM = 4096,
	LAST = 6,
	SEALED_FROM = 5,        /* messages from this one on are encrypted */
	VERDICT_COPIES = 5,     /* of our message, before a hint may end the exchange */
	LATE_HINT = 4,          /* a hint counts once so many copies are out */
	RESPONDER_WAITS = 2000, /* for message 3, before a newer message 1 takes the place */
	RESPONDER_LIVES = 30000,
	AGAIN = 30000,     /* after a renewal that failed */
	RETIRE_MIN = 5000, /* the old SA goes so long after the new one is up */
	RETIRE_SPREAD = 25000,
};

/* Only what this host lacks ends the machine; what the peer sent may be forged. */
static void refused(struct ike *ike, struct verdict v, msec now)
{
	if (v.id == REASON_LOCAL_NO_MEMORY)
		ike_fail_memory(ike);
	else if (v.id == REASON_LOCAL_CRYPTO)
		ike_fail_crypto(ike);
	else
		log_stranger(ike->env->log, now, "ike", "main mode: the gateway %s", v.why);
}

/* Write, remember and send message `number`, and wait for the one after it. */
static void main_send(struct ike *ike, struct phase1 *sa, unsigned number, msec now, struct io *out)
{
	uint8_t message[MESSAGE_ROOM];
	struct ike_hdr hdr = ike_hdr_of(sa, IKE_MAIN, 0);
	struct ike_build b;

	ike_build_open(&b, message, sizeof(message), &hdr);
	bool ok = ike_main_put(ike, sa, number, &b);
	struct verdict v = {REASON_NONE, NULL};
	if (ok && number == 4)
		v = ike_main_derive(ike, sa);
	if (v.id != REASON_NONE) {
		refused(ike, v, now);
		return;
	}
	size_t n = ike_build_close(&b).n;
	if (ok && number >= SEALED_FROM)
		ok = ike_seal(ike->env->crypto, &sa->keys, sa->iv, message, &n, sizeof(message));
	if (!ok || !n || !secret_set(&sa->last, slice(message, n))) {
		ike_fail_crypto(ike);
		return;
	}
	ike_progress(ike, ike_main_step(number));
	bool left = ike_transmit(ike, sa->lane, secret_slice(&sa->last), now, out);
	sa->sent_at = sa->copied_at = now;
	if (number == 3) {
		sa->asked += sa->retry.copies;
		sa->before4.vids = sa->vids;
		sa->before4.natt = sa->natt;
		sa->before4.lane = sa->lane;
	}
	sa->awaits = number + 1;
	sa->hint.id = REASON_NONE;
	sa->hint_late = false;
	if (sa->initiator)
		retry_start(&sa->retry, number == 1 ? PATIENCE_FIRST : PATIENCE_EXCHANGE, ike->rtt,
			ike->env, now);
	if (!left)
		sa->retry.copies = 0; /* what the gateway then repeats is no verdict on it */
}

/* ---- beginning ---- */

static bool is_zero(const uint8_t cookie[IKE_COOKIE])
{
	static const uint8_t zero[IKE_COOKIE] = {0};

	return memcmp(cookie, zero, IKE_COOKIE) == 0;
}

struct phase1 *ike_phase1_new(struct ike *ike, bool initiator, enum lane lane, msec now)
{
	struct phase1 *sa = calloc(1, sizeof(*sa));

	if (!sa) {
		ike_fail_memory(ike);
		return NULL;
	}
	sa->initiator = initiator;
	sa->lane = lane;
	sa->started = now;
	sa->retry = RETRY_STOPPED;
	sa->renew_at = sa->ends_at = sa->retire_at = MSEC_NEVER;
	env_random(ike->env, initiator ? sa->cookie_i : sa->cookie_r, IKE_COOKIE);
	sa->next = ike->sas;
	ike->sas = sa;
	return sa;
}

void ike_phase1_free(struct phase1 *sa)
{
	struct secret *const secrets[] = {&sa->sa_i, &sa->sa_r, &sa->nonce_i, &sa->nonce_r,
		&sa->public_i, &sa->public_r, &sa->last};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		secret_clear(secrets[i]);
	dh_free(sa->dh);
	wipe(sa, sizeof(*sa)); /* check: ike-keys-wipe */
	free(sa);
}

bool ike_phase1_fits(const struct phase1 *sa, const struct ike_hdr *hdr)
{
	bool learning =
		sa->initiator
			? sa->awaits == 2
			: sa->awaits == 3 && is_zero(hdr->cookie_r) /* check: ike-first-cookie-r */;

	return !sa->dead &&
	       memcmp(sa->cookie_i, hdr->cookie_i, IKE_COOKIE) == 0 /* check: ike-cookie-i */ &&
	       (/* check: ike-cookie-r */ learning ||
		       memcmp(sa->cookie_r, hdr->cookie_r, IKE_COOKIE) == 0);
}

bool ike_main_pending(const struct ike *ike)
{
	for (const struct phase1 *sa = ike->sas; sa; sa = sa->next)
		if (!sa->dead && !sa->up && sa->initiator)
			return true;
	return false;
}

void ike_main_start(struct ike *ike, msec now, struct io *out)
{
	struct phase1 *sa = ike_phase1_new(ike, true, ike->lane, now);

	ike->main_wanted = false;
	ike->main_after = now + SECONDS(1);
	if (sa)
		main_send(ike, sa, 1, now, out);
}

/* ---- ending ---- */

static void agreed_times(struct ike *ike, struct phase1 *sa, msec now)
{
	msec life = SECONDS(sa->life_s);
	msec permille = 880 + env_random_u32(ike->env) % 41;

	sa->established_at = now;
	sa->ends_at = now + life;
	sa->renew_at = ike->conf->rekey ? now + life * permille / 1000 : MSEC_NEVER;
}

/* The older SAs go, but not before the peer has surely left them. */
static void retire_others(struct ike *ike, const struct phase1 *sa, msec now)
{
	for (struct phase1 *o = ike->sas; o; o = o->next)
		if (o != sa && o->up && o->retire_at == MSEC_NEVER) {
			o->retire_at = now + RETIRE_MIN + env_random_u32(ike->env) % RETIRE_SPREAD;
			o->renew_at = MSEC_NEVER;
		}
}

/* Move to the front: the list's first established SA is the one we use. */
static void main_to_front(struct ike *ike, struct phase1 *sa)
{
	struct phase1 **at = &ike->sas;

	while (*at != sa)
		at = &(*at)->next;
	*at = sa->next;
	sa->next = ike->sas;
	ike->sas = sa;
}

/* What only the proofs and the other keys were made of. */
static void forget_roots(struct ike_keys *k)
{
	wipe(k->skeyid, sizeof(k->skeyid)); /* check: skeyid-wipe */
	wipe(k->e, sizeof(k->e));           /* check: skeyid-e-wipe */
}

static void main_done(struct ike *ike, struct phase1 *sa, msec now)
{
	char suite[SUITE_TEXT];
	bool possible = ike_natt_encapsulates(ike, sa) || ike->conf->raw_esp;

	if (!possible && ike_branch_other(ike, sa)) { /* check: branch-without-natt */
		/* What says so has no proof: RFC 3947, 7. */
		sa->dead = true;
		return;
	}
	sa->up = true;
	ike_branch_end_others(ike, sa); /* check: branch-end-others */
	sa->awaits = 0;
	retry_stop(&sa->retry);
	agreed_times(ike, sa, now);
	retire_others(ike, sa, now);
	main_to_front(ike, sa);
	dh_free(sa->dh);
	sa->dh = NULL;
	forget_roots(&sa->keys);
	ike->was_up = true;
	ike->lane = sa->lane; /* renewals begin there: never back from UDP 4500 */
	ike->fresh_tried = false;
	ike->main_wanted = false;
	ike_peer_alive(ike, now);
	ike->main_modes++;
	log_info(ike->env->log, "ike",
		"main mode done: suite=%s peer=%s kind=%s natted=%d/%d life=%us",
		ike_suite_text(&sa->suite, suite), sa->peer_id, ike_vid_kind(sa->vids),
		sa->we_natted, sa->peer_natted, sa->life_s);
	ike_event(ike, (struct ike_event){.kind = IKE_EV_PHASE1_UP});
	if (!possible)
		ike_fail(ike, REASON_IKE_FAIL,
			"the gateway does not speak NAT traversal, and this host cannot send "
			"protocol 50");
	if (!ike_pair_usable(ike))
		ike->quick_wanted = true;
}

void ike_main_lost(struct ike *ike, struct phase1 *sa, bool by_peer, msec now)
{
	sa->dead = true;
	for (struct quick *q = ike->quicks; q; q = q->next)
		if (q->sa == sa && !q->dead) {
			q->dead = true;
			ike->quick_wanted |= q->initiator && q->state != QUICK_DONE;
		}
	if (ike_newest(ike))
		return;
	if (!ike_pair_usable(ike) && by_peer) {
		ike_fail(ike, REASON_IKE_DELETED_BY_PEER, "IKE SA of %llu s, no ESP pair left",
			(unsigned long long)((now - sa->established_at) / 1000));
		return;
	}
	/* Some servers have dropped the pairs with it, so a quick mode follows the main mode. */
	ike->pairs_doubted |= by_peer;
	ike->quick_wanted |= by_peer || ike->conf->rekey;
}

/* What was offered, for people: as many suites as fit. */
static void offered_text(const struct ike *ike, char *to, size_t room)
{
	const struct ike_proposals *p = &ike->conf->proposals;
	size_t at = 0;

	to[0] = 0;
	for (size_t i = 0; i < p->n_ike; i++) {
		char suite[SUITE_TEXT];
		const char *text = ike_suite_text(&p->ike[i], suite);

		if (at + strlen(text) + 3 > room)
			return;
		at += (size_t)snprintf(to + at, room - at, "%s%s", i ? ", " : "", text);
	}
}

static void verdict_reason(
	const struct ike *ike, const struct phase1 *sa, msec now, struct reason *r)
{
	unsigned copies = sa->retry.copies, number = sa->awaits - 1;
	unsigned seconds = (unsigned)((now - sa->sent_at + 500) / 1000);
	char to[ADDR_TEXT], offered[160];

	addr_text(&ike->conf->remote[sa->lane], to);
	offered_text(ike, offered, sizeof(offered));
	if (sa->hint.id == REASON_IKE_NO_PROPOSAL)
		reason_set(r, sa->hint.id, "%.60s; offered %s", sa->hint.evidence, offered);
	else if (sa->hint.id != REASON_NONE)
		reason_set(r, sa->hint.id, "%.160s; message %u sent %u times in %u s",
			sa->hint.evidence, number, copies, seconds);
	else if (number == 1)
		reason_set(r, REASON_IKE_TIMEOUT, "%u requests to %s in %u s, 0 answers", copies,
			to, seconds);
	else
		reason_set(r, REASON_IKE_TIMEOUT,
			"%s stopped answering at message %u: sent %u times in %u s, 0 answers", to,
			number, copies, seconds);
}

/* This attempt is over. Forgery seen: once more with new cookies. A renewal: later. Else the end. */
static void main_verdict(struct ike *ike, struct phase1 *sa, msec now, struct io *out)
{
	struct phase1 *newest = ike_newest(ike);
	struct reason r;

	struct phase1 *other = ike_branch_other(ike, sa);

	sa->dead = true;
	if (other) { /* check: branch-verdict-last */
		if (other->hint.id == REASON_NONE)
			other->hint = sa->hint;
		return;
	}
	verdict_reason(ike, sa, now, &r);
	if (sa->conflict && !ike->fresh_tried /* check: fresh-cookies-once */) {
		log_warn(ike->env->log, "ike", "two different answers: once more with new cookies");
		ike->fresh_tried = true;
		ike_main_start(ike, now, out);
	} else if (newest) {
		log_warn(ike->env->log, "ike", "renewal failed: %s", r.evidence);
		newest->renew_at = now + AGAIN;
	} else {
		ike_fail(ike, r.id, "%s", r.evidence);
	}
}

/* ---- hints ---- */

static void weigh_hints(struct ike *ike, struct phase1 *sa, msec now, struct io *out)
{
	bool due = sa->hint_late || (sa->conflict && !ike->fresh_tried);

	if (!sa->dead && due /* check: hint-late-only */ &&
		sa->retry.copies >= VERDICT_COPIES /* check: hint-patience */)
		main_verdict(ike, sa, now, out);
}

void ike_main_hint(struct ike *ike, struct phase1 *sa, msec now, struct io *out, enum reason_id id,
	const char *fmt, ...)
{
	va_list args;

	if (!sa->initiator || sa->up)
		return;
	sa->hint.id = id;
	va_start(args, fmt);
	vsnprintf(sa->hint.evidence, sizeof(sa->hint.evidence), fmt, args);
	va_end(args);
	sa->hint_late |= sa->retry.copies >= LATE_HINT;
	weigh_hints(ike, sa, now, out);
}

/* The peer has proved that it has the key, and says no: there is nothing to wait for. */
void ike_main_refused(struct ike *ike, struct phase1 *sa, msec now, struct io *out,
	enum reason_id id, const char *fmt, ...)
{
	va_list args;

	sa->hint.id = id;
	va_start(args, fmt);
	vsnprintf(sa->hint.evidence, sizeof(sa->hint.evidence), fmt, args);
	va_end(args);
	main_verdict(ike, sa, now, out);
}

/* ---- receiving ---- */

/* The same datagram again. As responder we repeat our answer. As initiator our timer does; that
 * message 4 is repeated means that the peer does not like our message 5, unless it was doubled on the
 * way or asked for by our last message 3: so the first ones do not count. */
static void main_repeated(struct ike *ike, struct phase1 *sa, msec now, struct io *out)
{
	if (!sa->initiator)
		ike_transmit(ike, sa->lane, secret_slice(&sa->last), now, out);
	else if (sa->awaits == LAST && sa->retry.copies >= LATE_HINT /* check: repeat-hint-late */)
		ike_main_hint(ike, sa, now, out, REASON_IKE_PSK_WRONG,
			"the gateway only repeats message 4");
}

/* Since the last copy: which one was answered cannot be known, and too short an interval only costs
 * a few packets more. */
static void measure(struct ike *ike, const struct phase1 *sa, msec now)
{
	msec rtt = now - sa->copied_at;

	ike->rtt = rtt ? rtt : 1;
}

static void main_accepted(
	struct ike *ike, struct phase1 *sa, const struct ike_hdr *hdr, msec now, struct io *out)
{
	unsigned number = sa->awaits;

	ike_progress(ike, ike_main_step(number));
	if (number == 2) {
		if (sa->copied_at) /* a branch has sent nothing */
			measure(ike, sa, now);
		memcpy(sa->cookie_r, hdr->cookie_r, IKE_COOKIE);
	}
	if (number >= 4 && ike_natt_encapsulates(ike, sa))
		sa->lane = LANE_NATT;
	if (number < LAST)
		main_send(ike, sa, number + 1, now, out);
	if (number >= LAST - 1 && !ike->failed)
		main_done(ike, sa, now);
}

/* In the clear: the octets behind the header; sealed: decrypted into `plain`. */
static bool main_open(struct ike *ike, const struct phase1 *sa, const struct ike_hdr *hdr,
	struct slice message, uint8_t *plain, struct ike_payloads *p)
{
	struct slice octets = slice(plain, message.n - IKE_HDR);

	if (sa->awaits < SEALED_FROM) {
		struct rd r = rd_of(message);

		rd_skip(&r, IKE_HDR);
		octets = rd_rest(&r);
	} else if (!ike_unseal(ike->env->crypto, &sa->keys, sa->iv, message, plain)) {
		return false;
	}
	return ike_payloads_parse(hdr->first, octets, p) &&
	       ike_payloads_are(p, ike_main_kind(sa->awaits)) /* check: main-payloads */;
}

static bool cookies_allowed(const struct phase1 *sa, const struct ike_hdr *hdr)
{
	return sa->awaits != 2 || (!is_zero(hdr->cookie_r) /* check: main-cookie-zero */ &&
					  memcmp(hdr->cookie_r, sa->cookie_i, IKE_COOKIE) !=
						  0 /* check: main-cookie-reflected */);
}

/* Was it what this SA waits for, and has it gone on? */
static bool main_take(struct ike *ike, struct phase1 *sa, const struct ike_hdr *hdr,
	struct slice message, const uint8_t *digest, msec now, struct io *out)
{
	uint8_t plain[IKE_MESSAGE_MAX];
	struct ike_payloads p;

	if (sa->up /* check: main-established */ ||
		!ike_hdr_is(hdr, ike_main_kind(sa->awaits)) /* check: main-header */ ||
		!cookies_allowed(sa, hdr))
		return false;
	bool sealed = sa->awaits >= SEALED_FROM;
	if (!main_open(ike, sa, hdr, message, plain, &p)) {
		log_stranger(ike->env->log, now, "ike", "message %u malformed", sa->awaits);
		if (sealed)
			ike_main_hint(ike, sa, now, out, REASON_IKE_PSK_WRONG,
				"message 6 is not readable");
		wipe(plain, message.n);
		return false;
	}
	const uint32_t vids = sa->vids;
	const enum natt_dialect natt = sa->natt;
	struct verdict v = ike_main_take(ike, sa, sa->awaits, &p);
	if (v.id == REASON_NONE && sa->awaits == 4)
		v = ike_main_derive(ike, sa);
	wipe(plain, sealed ? message.n : 0);
	if (v.id != REASON_NONE) {
		/* anybody may have sent it: nothing of it counts */
		sa->vids = vids; /* check: main-refused-vids */
		sa->natt = natt; /* check: main-refused-natt */
		refused(ike, v, now);
		ike_main_hint(ike, sa, now, out, v.id, "the gateway %s", v.why);
		return false;
	}
	memcpy(sa->heard, digest, DIGEST);
	if (sa->awaits == 2)
		memcpy(sa->heard2, digest, DIGEST);
	if (sealed)
		ike_last_block(&sa->keys, message, sa->iv);
	main_accepted(ike, sa, hdr, now, out);
	return true;
}

/* Of the messages in the clear, which one can it be another of for this branch? 0: none. */
static unsigned another(
	const struct phase1 *sa, const struct ike_hdr *hdr, const struct ike_payloads *p)
{
	if (sa->dead || sa->up || !sa->initiator ||
		memcmp(sa->cookie_i, hdr->cookie_i, IKE_COOKIE) != 0)
		return 0;
	if (sa->awaits > 2 && ike_payloads_are(p, IKE_MM2))
		return 2;
	if (sa->awaits == LAST && ike_phase1_fits(sa, hdr) /* check: branch-cookies */ &&
		ike_payloads_are(p, IKE_MM4))
		return 4;
	return 0;
}

/* Nobody waits for it: another answer to a message of ours gets a branch of its own. */
static void main_branch(struct ike *ike, const struct ike_hdr *hdr, struct slice message,
	const uint8_t *digest, msec now, struct io *out)
{
	struct ike_payloads p;
	struct rd r = rd_of(message);
	unsigned number = 0;

	rd_skip(&r, IKE_HDR);
	if (!ike_hdr_is(hdr, IKE_MM2) || !ike_payloads_parse(hdr->first, rd_rest(&r), &p))
		return;
	/* New branches come in front, so this meets the old ones only. */
	for (struct phase1 *sa = ike->sas; sa && number != 2 && !ike->failed; sa = sa->next) {
		number = another(sa, hdr, &p);
		struct phase1 *branch = number ? ike_branch_new(ike, sa, number, now) : NULL;
		if (branch && !ike->failed &&
			!main_take(ike, branch, hdr, message, digest, now,
				out)) /* check: branch-refused-forgotten */
			branch->dead = true;
	}
}

/* A message 4 is for every branch with its cookies; message 6 is for the one that can read it. */
bool ike_main_recv(
	struct ike *ike, const struct ike_hdr *hdr, struct slice message, msec now, struct io *out)
{
	uint8_t digest[DIGEST];
	bool known = false, taken = false, done = false;

	if (!ike_digest(ike, message, digest))
		return true;
	for (struct phase1 *sa = ike->sas; sa; sa = sa->next) {
		if (!ike_phase1_fits(sa, hdr))
			continue;
		if (memcmp(digest, sa->heard, DIGEST) == 0) {
			main_repeated(ike, sa, now, out);
			return true;
		}
		if (memcmp(digest, sa->heard2, DIGEST) == 0) /* check: main-late */
			return true;
	}
	for (struct phase1 *sa = ike->sas; sa && !done && !ike->failed; sa = sa->next) {
		known |= !sa->dead && memcmp(sa->cookie_i, hdr->cookie_i, IKE_COOKIE) == 0;
		taken |= ike_phase1_fits(sa, hdr) /* check: main-fits */ &&
			 main_take(ike, sa, hdr, message, digest, now, out);
		done = taken && sa->up;
	}
	if (!taken && known && !ike->failed)
		main_branch(ike, hdr, message, digest, now, out);
	return known;
}

/* One half-open answer at a time: a newer message 1 takes the place of one whose message 3 stays
 * away, and only who has proved itself before is answered at all. */
void ike_main_answer(struct ike *ike, const struct ike_hdr *hdr, struct slice message,
	enum lane lane, msec now, struct io *out)
{
	struct phase1 *half = ike->sas;
	uint8_t digest[DIGEST];

	if (!ike_hdr_is(hdr, IKE_MM1) ||
		!(ike_newest(ike) || ike_pair_usable(ike)) /* check: answer-established */)
		return;
	if (is_zero(hdr->cookie_i) /* check: answer-cookie-i */ ||
		!is_zero(hdr->cookie_r) /* check: answer-cookie-r */)
		return;
	while (half && (half->up || half->dead || half->initiator))
		half = half->next;
	if (half &&
		(half->awaits != 3 /* check: answer-half-open-far */ ||
			now - half->started < RESPONDER_WAITS /* check: answer-half-open-young */))
		return;
	if (half)
		half->dead = true;
	struct phase1 *sa = ike_phase1_new(ike, false, lane, now);
	if (!sa)
		return;
	memcpy(sa->cookie_i, hdr->cookie_i, IKE_COOKIE);
	sa->awaits = 1;
	sa->dead = !ike_digest(ike, message, digest) ||
		   !main_take(ike, sa, hdr, message, digest, now,
			   out); /* check: answer-refused-forgotten */
}

/* ---- time ---- */

msec ike_main_deadline(const struct ike *ike, const struct phase1 *sa)
{
	if (!sa->up)
		return sa->initiator ? retry_deadline(&sa->retry) : sa->started + RESPONDER_LIVES;
	msec renew = ike_main_pending(ike) ? MSEC_NEVER : sa->renew_at;

	return msec_min(msec_min(renew, sa->retire_at), sa->ends_at);
}

static void half_open_tick(struct ike *ike, struct phase1 *sa, msec now, struct io *out)
{
	if (!sa->initiator) {
		sa->dead = now >= sa->started + RESPONDER_LIVES; /* check: half-open-life */
		return;
	}
	switch (retry_tick(&sa->retry, ike->env, now)) {
	case RETRY_WAIT:
		break;
	case RETRY_SEND:
		sa->copied_at = now;
		if (!ike_transmit(ike, sa->lane, secret_slice(&sa->last), now, out))
			sa->retry.copies--;
		weigh_hints(ike, sa, now, out);
		break;
	case RETRY_GIVE_UP:
		main_verdict(ike, sa, now, out);
		break;
	}
}

void ike_main_tick(struct ike *ike, struct phase1 *sa, msec now, struct io *out)
{
	if (!sa->up) {
		half_open_tick(ike, sa, now, out);
		return;
	}
	if (now >= sa->renew_at && !ike_main_pending(ike)) {
		sa->renew_at = MSEC_NEVER;
		ike->main_wanted = true;
	}
	if (now >= sa->retire_at && now < sa->ends_at && ike_quick_busy(ike, sa)) {
		sa->retire_at = now + RETIRE_MIN;
	} else if (now >= sa->retire_at || now >= sa->ends_at) {
		ike_info_delete_sa(ike, sa, now, out);
		ike_main_lost(ike, sa, false, now);
	}
}

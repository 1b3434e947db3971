#include "ike/ike_rooms.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { LIFE_MIN_S = 30, LIFE_MAX_S = 86400 }; /* of what a server imposes */

/* ---- news and the end ---- */

/* News of progress may be lost when nobody listens; questions and pairs are few enough in one call
 * never to meet a full queue; for the end there is always a place, and nothing comes after it. */
void ike_event(struct ike *ike, struct ike_event ev)
{
	bool end = ev.kind == IKE_EV_FAILED;
	size_t room = ev.kind == IKE_EV_PROGRESS ? EVENTS / 2 : end ? EVENTS : EVENTS - 1;

	if (ike->event_count >= room || (ike->failed && !end))
		return;
	ike->events[(ike->event_first + ike->event_count) % EVENTS] = ev;
	ike->event_count++;
}

void ike_progress(struct ike *ike, const char *step)
{
	log_debug(ike->env->log, "ike", "%s", step);
	ike_event(ike, (struct ike_event){.kind = IKE_EV_PROGRESS, .step = step});
}

void ike_fail(struct ike *ike, enum reason_id id, const char *fmt, ...)
{
	struct ike_event ev = {.kind = IKE_EV_FAILED, .reason = {.id = id}};
	va_list args;

	if (ike->failed)
		return;
	va_start(args, fmt);
	vsnprintf(ev.reason.evidence, sizeof(ev.reason.evidence), fmt, args);
	va_end(args);
	ike->failed = true;
	log_error(ike->env->log, "ike", "%s: %s", reason_row(id)->id, ev.reason.evidence);
	ike_event(ike, ev);
}

void ike_fail_memory(struct ike *ike)
{
	ike_fail(ike, REASON_LOCAL_NO_MEMORY, "IKE");
}

void ike_fail_crypto(struct ike *ike)
{
	ike_fail(ike, REASON_LOCAL_CRYPTO, "IKE");
}

/* A question whose exchange has ended meanwhile is not asked any more. */
static struct quick *asker(const struct ike *ike, uint32_t id)
{
	for (struct quick *q = ike->quicks; q; q = q->next)
		if (!q->dead && id && q->question == id)
			return q;
	return NULL;
}

bool ike_next_event(struct ike *ike, struct ike_event *ev)
{
	while (ike->event_count) {
		*ev = ike->events[ike->event_first];
		ike->event_first = (ike->event_first + 1) % EVENTS;
		ike->event_count--;
		if (!ev->id || asker(ike, ev->id))
			return true;
	}
	return false;
}

/* ---- what all exchanges need ---- */

bool ike_transmit(struct ike *ike, enum lane lane, struct slice message, msec now, struct io *out)
{
	struct pkt *p = pkt_of(ike->env->pool, message);

	if (lane == LANE_NATT)
		ike->spoke_at = now; /* without memory too: it counts as lost on the way */
	if (!p)
		return false;
	p->lane = lane;
	pktq_put(&out->down, p);
	return true;
}

bool ike_digest(struct ike *ike, struct slice message, uint8_t *to)
{
	return crypto_hash(ike->env->crypto, HASH_SHA256, &message, 1, to);
}

struct phase1 *ike_newest(const struct ike *ike)
{
	for (struct phase1 *sa = ike->sas; sa; sa = sa->next)
		if (sa->up && !sa->dead)
			return sa;
	return NULL;
}

bool ike_id_seen(const struct phase1 *sa, uint32_t id)
{
	size_t n = sa->n_seen < SEEN_IDS ? sa->n_seen : SEEN_IDS;

	for (size_t i = 0; i < n; i++)
		if (sa->seen[i] == id)
			return true;
	return false;
}

void ike_id_add(struct phase1 *sa, uint32_t id)
{
	sa->seen[sa->n_seen++ % SEEN_IDS] = id;
}

uint32_t ike_id_new(struct ike *ike, struct phase1 *sa)
{
	uint32_t id;

	do
		id = env_random_u32(ike->env);
	while (id == 0 || ike_id_seen(sa, id));
	ike_id_add(sa, id);
	return id;
}

uint32_t ike_life(uint32_t ours, uint32_t theirs)
{
	if (theirs == ours)
		return ours;
	if (theirs < LIFE_MIN_S) /* check: ike-life-least */
		theirs = LIFE_MIN_S;
	if (theirs > LIFE_MAX_S) /* check: ike-life-most */
		theirs = LIFE_MAX_S;
	return ours < theirs ? ours : theirs;
}

struct ike_hdr ike_hdr_of(const struct phase1 *sa, uint8_t exchange, uint32_t id)
{
	struct ike_hdr hdr = {.exchange = exchange, .id = id};

	memcpy(hdr.cookie_i, sa->cookie_i, IKE_COOKIE);
	memcpy(hdr.cookie_r, sa->cookie_r, IKE_COOKIE);
	return hdr;
}

/* ---- life and death ---- */

static bool crypto_suffices(const struct crypto *c, const struct ike_proposals *p)
{
	for (size_t i = 0; i < p->n_ike; i++)
		if (!crypto_has_hash(c, p->ike[i].hash))
			return false;
	for (size_t i = 0; i < p->n_esp; i++)
		if (p->esp[i].cipher != ESP_AES_GCM && !crypto_has_hash(c, p->esp[i].auth))
			return false;
	return true;
}

struct ike *ike_new(const struct ike_conf *conf, const struct env *env)
{
	struct ike *ike = NULL;

	if (crypto_suffices(env->crypto, &conf->proposals))
		ike = calloc(1, sizeof(*ike));
	if (!ike)
		return NULL;
	ike->conf = conf;
	ike->env = env;
	ike->lane = conf->first_lane;
	ike->pfs = conf->proposals.pfs;
	ike->dpd = RETRY_STOPPED;
	ike->dpd_seq = env_random_u32(env) >> 1; /* the top bit clear: RFC 3706, 5.3 */
	return ike;
}

/* Free what has ended; when `all`, everything. */
static void sweep(struct ike *ike, bool all)
{
	for (struct quick **at = &ike->quicks, *q; (q = *at);) {
		if (!all && !q->dead) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		ike_quick_free(q);
	}
	for (struct pair **at = &ike->pairs, *p; (p = *at);) {
		if (!all && !p->dead) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p);
	}
	for (struct phase1 **at = &ike->sas, *sa; (sa = *at);) {
		if (!all && !sa->dead) {
			at = &sa->next;
			continue;
		}
		*at = sa->next;
		ike_phase1_free(sa);
	}
}

void ike_free(struct ike *ike)
{
	if (!ike)
		return;
	sweep(ike, true);
	wipe(ike, sizeof(*ike));
	free(ike);
}

static bool over(const struct ike *ike)
{
	return ike->closed || ike->failed;
}

/* The peer's own quick mode comes first: Windows deletes its old pair before it is done. */
static bool quick_due(const struct ike *ike)
{
	return ike->quick_wanted && ike_newest(ike) && !ike_quick_busy(ike, NULL);
}

/* Start what is wanted and allowed now, then forget what has ended. Every call ends here. */
static void settle(struct ike *ike, msec now, struct io *out)
{
	if (!over(ike)) {
		if (ike->quick_wanted && !ike_newest(ike) && !ike_main_pending(ike))
			ike->main_wanted = true;
		if (ike->main_wanted && now >= ike->main_after && !ike_main_pending(ike))
			ike_main_start(ike, now, out);
		if (quick_due(ike) && now >= ike->quick_after)
			ike_quick_start(ike, now);
	}
	sweep(ike, false);
}

void ike_open(struct ike *ike, msec now, struct io *out)
{
	ike->heard_at = now;
	ike_main_start(ike, now, out);
	settle(ike, now, out);
}

void ike_close(struct ike *ike, msec now, struct io *out)
{
	if (ike->closed)
		return;
	for (const struct pair *p = ike->pairs; p; p = p->next)
		if (!p->dead && !p->deleted)
			ike_info_delete_pair(ike, p->spi_in, now, out);
	for (struct phase1 *sa = ike->sas; sa; sa = sa->next)
		if (sa->up && !sa->dead)
			ike_info_delete_sa(ike, sa, now, out);
	ike->closed = true;
}

/* ---- receiving ---- */

static struct phase1 *find_sa(const struct ike *ike, const struct ike_hdr *hdr)
{
	for (struct phase1 *sa = ike->sas; sa; sa = sa->next)
		if (ike_phase1_fits(sa, hdr))
			return sa;
	return NULL;
}

/* For each branch that it may be about. In the clear also under another responder's cookie: a server
 * may keep no state for what it refuses. */
static void recv_info(
	struct ike *ike, const struct ike_hdr *hdr, struct slice message, msec now, struct io *out)
{
	bool clear = ike_hdr_is(hdr, IKE_INFO_CLEAR);

	for (struct phase1 *sa = ike->sas; sa && !over(ike); sa = sa->next) {
		bool ours = clear && !sa->dead && !sa->up && sa->initiator &&
			    memcmp(sa->cookie_i, hdr->cookie_i, IKE_COOKIE) ==
				    0 /* check: ike-half-open-cookie */;

		if (ours || ike_phase1_fits(sa, hdr))
			ike_info_recv(ike, sa, hdr, message, now, out);
	}
}

static void recv_one(struct ike *ike, const struct pkt *p, msec now, struct io *out)
{
	struct slice message = pkt_slice(p);
	struct ike_hdr hdr;

	if (!ike_hdr_parse(message, &hdr))
		return;
	struct phase1 *sa = find_sa(ike, &hdr);
	if (hdr.exchange == IKE_INFO)
		recv_info(ike, &hdr, message, now, out);
	else if (hdr.exchange == IKE_QUICK && sa)
		ike_quick_recv(ike, sa, &hdr, message, now, out);
	else if (hdr.exchange == IKE_MAIN && !ike_main_recv(ike, &hdr, message, now, out))
		ike_main_answer(ike, &hdr, message, p->lane, now, out);
}

void ike_recv(struct ike *ike, struct pktq *in, msec now, struct io *out)
{
	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		if (!over(ike))
			recv_one(ike, p, now, out);
		pkt_free(p);
	}
	settle(ike, now, out);
}

/* ---- the owner's side ---- */

void ike_answer(struct ike *ike, uint32_t id, const struct answer *answer, msec now, struct io *out)
{
	struct quick *q = asker(ike, id);

	if (q && !over(ike))
		ike_quick_answered(ike, q, answer, now, out);
	settle(ike, now, out);
}

void ike_sa_used(struct ike *ike, uint32_t spi_in, msec now, struct io *out)
{
	if (over(ike))
		return;
	ike_peer_alive(ike, now);
	for (struct quick *q = ike->quicks; q; q = q->next)
		if (!q->dead && q->state == QUICK_SENT2 && q->pair.in.spi == spi_in)
			ike_quick_confirmed(ike, q, now);
	struct pair *pair = ike_pair_find(ike, spi_in, false);
	if (pair && !pair->in_use && !pair->old)
		ike_pair_use(ike, pair, now);
	settle(ike, now, out);
}

void ike_sa_unanswered(struct ike *ike, msec now, struct io *out)
{
	if (over(ike))
		return;
	for (const struct quick *q = ike->quicks; q; q = q->next) {
		const struct pair *pair = ike_pair_find(ike, q->pair.in.spi, false);

		if (!q->dead && q->initiator && q->state == QUICK_DONE && pair && pair->in_use)
			ike_transmit(ike, q->sa->lane, secret_slice(&q->last), now, out);
	}
}

void ike_sa_doubted(struct ike *ike, msec now, struct io *out)
{
	if (over(ike) || !ike_pair_usable(ike) || ike_quick_busy(ike, NULL))
		return;
	log_info(ike->env->log, "ike", "nothing comes through ESP any more: trying a new pair");
	ike->pairs_doubted = true;
	ike->quick_wanted = true;
	settle(ike, now, out);
}

void ike_rekey(struct ike *ike, uint32_t spi_in, msec now, struct io *out)
{
	const struct pair *pair = ike_pair_find(ike, spi_in, false);

	if (pair && pair->in_use && !ike_quick_busy(ike, NULL))
		ike->quick_wanted = true;
	settle(ike, now, out);
}

/* ---- time ---- */

msec ike_deadline(const struct ike *ike)
{
	msec at = MSEC_NEVER;

	if (over(ike))
		return MSEC_NEVER;
	for (const struct phase1 *sa = ike->sas; sa; sa = sa->next)
		at = msec_min(at, ike_main_deadline(ike, sa));
	for (const struct quick *q = ike->quicks; q; q = q->next)
		at = msec_min(at, ike_quick_deadline(q));
	for (const struct pair *p = ike->pairs; p; p = p->next)
		at = msec_min(at, ike_pair_deadline(ike, p));
	if (quick_due(ike))
		at = msec_min(at, ike->quick_after);
	if (ike->main_wanted && !ike_main_pending(ike))
		at = msec_min(at, ike->main_after);
	return msec_min(at, msec_min(ike_info_dpd_deadline(ike), ike_natt_deadline(ike)));
}

void ike_tick(struct ike *ike, msec now, struct io *out)
{
	for (struct phase1 *sa = ike->sas; sa && !over(ike); sa = sa->next)
		if (!sa->dead)
			ike_main_tick(ike, sa, now, out);
	for (struct quick *q = ike->quicks; q && !over(ike); q = q->next)
		if (!q->dead)
			ike_quick_tick(ike, q, now, out);
	for (struct pair *p = ike->pairs; p && !over(ike); p = p->next)
		if (!p->dead)
			ike_pair_tick(ike, p, now, out);
	if (!over(ike))
		ike_info_dpd_tick(ike, now, out);
	if (!over(ike))
		ike_natt_tick(ike, now, out);
	settle(ike, now, out);
}

void ike_get_status(const struct ike *ike, struct ike_status *status)
{
	const struct phase1 *sa = ike_newest(ike);

	*status = (struct ike_status){
		.peer_kind = "",
		.quick_modes = ike->quick_modes,
		.main_modes = ike->main_modes,
		.rtt = ike->rtt,
	};
	if (!sa)
		return;
	status->established = true;
	status->suite = sa->suite;
	memcpy(status->cookie_i, sa->cookie_i, IKE_COOKIE);
	memcpy(status->cookie_r, sa->cookie_r, IKE_COOKIE);
	status->we_are_natted = sa->we_natted;
	status->peer_is_natted = sa->peer_natted;
	status->floated = sa->lane == LANE_NATT;
	status->peer_dpd = sa->vids & 1u << VID_DPD;
	memcpy(status->peer_id, sa->peer_id, sizeof(status->peer_id));
	status->peer_kind = ike_vid_kind(sa->vids);
	status->established_at = sa->established_at;
	status->rekey_at = sa->renew_at;
}

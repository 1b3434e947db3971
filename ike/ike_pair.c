/* The life of ESP pairs: which one is in use, when it is renewed, when an old one goes.
 *
 * A pair belongs to no SA. Make before break: a new pair is used at once, the old one is no longer
 * sent on, but it receives for a while; the peer is told before it goes. */
#include "ike/ike_rooms.h"

#include <stdlib.h>

#include "base/log.h"

enum {
	USE_AFTER = 3000,     /* a new pair on which the peer is silent, at most */
	OLD_RECEIVES = 60000, /* an old inbound half lives on so long */
	SERVER_LATE = 60000,  /* rekey = no: so late may a server begin the next pair */
	DELETE_MIN = 5000,    /* the peer is told so long after the new pair is in use */
	DELETE_SPREAD = 25000,
	REKEY_AGAIN = 10000, /* after a rekey that failed */
	SHORT_LIFE = 10000,  /* a pair deleted by the peer before that */
	SHORT_LIVES = 5,     /* so many of them in a row are the end */
};

struct pair *ike_pair_find(struct ike *ike, uint32_t spi, bool either_way)
{
	for (struct pair *p = ike->pairs; p; p = p->next)
		if (!p->dead && (/* check: pair-spi */ p->spi_in == spi ||
					(either_way && p->spi_out == spi)))
			return p;
	return NULL;
}

static struct pair *pair_in_use(const struct ike *ike)
{
	for (struct pair *p = ike->pairs; p; p = p->next)
		if (!p->dead && p->in_use)
			return p;
	return NULL;
}

bool ike_pair_usable(const struct ike *ike)
{
	return pair_in_use(ike);
}

/* Rekey at 85 to 90 % of its life; the end is ours, so it may come after the agreed one. */
static void set_times(struct ike *ike, struct pair *p, uint32_t life_s)
{
	msec life = SECONDS(life_s);
	msec permille = 850 + env_random_u32(ike->env) % 51;

	p->life_s = life_s;
	p->ends_at = p->born + life + (ike->conf->rekey ? 0 : SERVER_LATE);
	p->rekey_at = ike->conf->rekey ? p->born + life * permille / 1000 : MSEC_NEVER;
}

struct pair *ike_pair_add(struct ike *ike, const struct quick *q, msec now)
{
	struct pair *p = malloc(sizeof(*p));

	if (!p) {
		ike_fail_memory(ike);
		return NULL;
	}
	*p = (struct pair){
		.next = ike->pairs,
		.spi_in = q->pair.in.spi,
		.spi_out = q->pair.out.spi,
		.born = now,
		.use_at = MSEC_NEVER,
		.delete_at = MSEC_NEVER,
		.drop_at = MSEC_NEVER,
	};
	set_times(ike, p, q->pair.life_s);
	ike->pairs = p;
	return p;
}

static void pair_retire(struct ike *ike, struct pair *p, msec now)
{
	p->in_use = false;
	p->old = true;
	p->use_at = p->rekey_at = MSEC_NEVER;
	p->delete_at = now + DELETE_MIN + env_random_u32(ike->env) % DELETE_SPREAD;
	p->drop_at = now + OLD_RECEIVES;
}

/* It waited to be used, and a newer one is in use already. */
static bool is_overtaken(const struct pair *p, const struct pair *by)
{
	return p->use_at != MSEC_NEVER && p->born <= by->born;
}

void ike_pair_use(struct ike *ike, struct pair *pair, msec now)
{
	for (struct pair *p = ike->pairs; p; p = p->next)
		if (p != pair && (p->in_use || is_overtaken(p, pair)))
			pair_retire(ike, p, now);
	pair->in_use = true;
	pair->use_at = MSEC_NEVER;
	ike->pairs_doubted = false;
	ike->quick_wanted = false;
	ike->quick_modes++;
	log_info(ike->env->log, "ike", "sending on spi=%08x, receiving on spi=%08x", pair->spi_out,
		pair->spi_in);
	ike_event(ike, (struct ike_event){.kind = IKE_EV_USE_SA, .spi_in = pair->spi_in});
}

/* The peer ends the pair before by its own clock, so it must not serve to its last moment. */
static msec patience(const struct ike *ike, const struct pair *before, msec now)
{
	if (ike->pairs_doubted)
		return ike->rtt;
	return before->ends_at > now ? msec_min(USE_AFTER, (before->ends_at - now) / 2) : 0;
}

/* Our message 3 may be lost or overtaken: the pair before serves until the peer sends on the new one,
 * or has had time enough. */
void ike_pair_use_soon(struct ike *ike, struct pair *pair, msec now)
{
	const struct pair *before = pair_in_use(ike);

	if (before)
		pair->use_at = now + patience(ike, before, now);
	else
		ike_pair_use(ike, pair, now);
	ike->quick_wanted = false;
}

/* The peer deleted the pair in use before it deleted an older one: both ends started a rekey and
 * disagree about which is the newest. The older one serves until a new one is made. */
static bool fall_back(struct ike *ike, msec now)
{
	for (struct pair *p = ike->pairs; p; p = p->next)
		if (!p->dead && p->use_at != MSEC_NEVER) {
			ike_pair_use(ike, p, now);
			return true;
		}
	for (struct pair *p = ike->pairs; p; p = p->next) {
		if (p->dead || !p->old || p->deleted)
			continue;
		p->old = false;
		p->in_use = true;
		p->delete_at = p->drop_at = MSEC_NEVER;
		p->rekey_at = now;
		ike_event(ike, (struct ike_event){.kind = IKE_EV_USE_SA, .spi_in = p->spi_in});
		return true;
	}
	return false;
}

static void count_short_lives(struct ike *ike, const struct pair *p, msec now)
{
	ike->short_lives = now - p->born < SHORT_LIFE ? ike->short_lives + 1 : 0;
	if (ike->short_lives >= SHORT_LIVES) /* check: pair-short-lives */
		ike_fail(ike, REASON_IKE_DELETED_BY_PEER, "%u ESP pairs in a row, each within %u s",
			ike->short_lives, SHORT_LIFE / 1000);
}

/* What takes its place comes first: the kernel goes on sending while we are at it. */
void ike_pair_drop(struct ike *ike, struct pair *pair, bool by_peer, msec now)
{
	bool was_in_use = pair->in_use;

	pair->dead = true;
	pair->in_use = false;
	bool replaced = was_in_use && fall_back(ike, now);
	ike_event(ike, (struct ike_event){.kind = IKE_EV_DROP_SA, .spi_in = pair->spi_in});
	for (struct quick *q = ike->quicks; q; q = q->next)
		if (q->state == QUICK_SENT2 && q->pair.in.spi == pair->spi_in)
			q->dead = true;
	if (!was_in_use)
		return;
	if (by_peer)
		count_short_lives(ike, pair, now);
	if (replaced)
		return;
	ike_event(ike, (struct ike_event){.kind = IKE_EV_NO_SA});
	if (by_peer || ike->conf->rekey)
		ike->quick_wanted = true;
	else
		ike_fail(ike, REASON_IKE_FAIL,
			"the ESP pair's life of %llu s is over and rekey = no",
			(unsigned long long)((now - pair->born) / 1000));
}

void ike_pair_rekey_later(struct ike *ike, msec now)
{
	struct pair *p = pair_in_use(ike);

	if (p)
		p->rekey_at = now + REKEY_AGAIN;
}

void ike_pair_limit_life(struct ike *ike, uint32_t spi_out, uint32_t life_s)
{
	struct pair *p = ike_pair_find(ike, spi_out, true);

	if (!p || p->old)
		return;
	uint32_t agreed = ike_life(p->life_s, life_s);

	if (agreed < p->life_s)
		set_times(ike, p, agreed);
}

msec ike_pair_deadline(const struct ike *ike, const struct pair *p)
{
	msec rekey = ike->quick_wanted || ike_quick_busy(ike, NULL) ? MSEC_NEVER : p->rekey_at;
	msec end =
		msec_min(msec_min(p->drop_at, p->ends_at), p->deleted ? MSEC_NEVER : p->delete_at);

	return msec_min(msec_min(rekey, p->use_at), end);
}

void ike_pair_tick(struct ike *ike, struct pair *p, msec now, struct io *out)
{
	if (now >= p->use_at)
		ike_pair_use(ike, p, now);
	if (now >= p->rekey_at && !ike_quick_busy(ike, NULL)) {
		p->rekey_at = MSEC_NEVER;
		ike->quick_wanted = true;
	}
	if (now >= p->delete_at && !p->deleted) {
		p->deleted = true;
		ike_info_delete_pair(ike, p->spi_in, now, out);
	}
	if (now >= p->ends_at && !p->old && !p->deleted)
		ike_info_delete_pair(ike, p->spi_in, now, out);
	if (now >= p->drop_at || now >= p->ends_at)
		ike_pair_drop(ike, p, false, now);
}

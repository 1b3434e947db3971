/* Two different answers to one message of ours.
 *
 * Messages 2 and 4 come in the clear, so of two that differ either may be forged, and the forged one
 * is likely to be the first. Each is followed on a branch of its own: an SA with our cookie, and the
 * same key exchange and nonce of ours, so that whichever message 3 the gateway reads, its message 4
 * fits all. The first branch whose peer proves itself ends the others.
 *
 * A server without memory may answer each copy of message 1 with a state of its own, and then drop
 * the one for the other. So another message 2 is followed only when message 1 was sent once, and
 * INITIAL-CONTACT is not said beside a branch with another cookie. (Those with the same cookie have
 * the same message 5, so that whoever is answered can read message 6.) */
#include "ike/ike_rooms.h"

#include <string.h>

#include "base/log.h"

enum { BRANCHES = 8 };

static bool is_branch(const struct phase1 *sa, const struct phase1 *of)
{
	return sa != of && !sa->dead && !sa->up && sa->initiator &&
	       memcmp(sa->cookie_i, of->cookie_i, IKE_COOKIE) == 0;
}

struct phase1 *ike_branch_other(const struct ike *ike, const struct phase1 *sa)
{
	for (struct phase1 *o = ike->sas; o; o = o->next)
		if (is_branch(o, sa))
			return o;
	return NULL;
}

bool ike_branch_elsewhere(const struct ike *ike, const struct phase1 *sa)
{
	for (const struct phase1 *o = ike->sas; o; o = o->next)
		if (is_branch(o, sa) && memcmp(o->cookie_r, sa->cookie_r, IKE_COOKIE) != 0)
			return true;
	return false;
}

void ike_branch_end_others(struct ike *ike, const struct phase1 *sa)
{
	for (struct phase1 *o = ike->sas; o; o = o->next)
		o->dead |= is_branch(o, sa);
}

struct dh *ike_branch_dh(const struct ike *ike, const struct phase1 *sa)
{
	for (const struct phase1 *o = ike->sas; o; o = o->next)
		if (is_branch(o, sa) && o->dh && o->suite.group == sa->suite.group)
			return dh_share(o->dh);
	return NULL;
}

struct slice ike_branch_nonce(const struct ike *ike, const struct phase1 *sa)
{
	for (const struct phase1 *o = ike->sas; o; o = o->next)
		if (is_branch(o, sa) && secret_slice(&o->nonce_i).n)
			return secret_slice(&o->nonce_i);
	return slice(NULL, 0);
}

/* It is not followed: when these come to nothing, once more with new cookies. */
static void conflict(struct ike *ike, struct phase1 *sa)
{
	sa->conflict = true;
	for (struct phase1 *o = ike->sas; o; o = o->next)
		o->conflict |= is_branch(o, sa);
}

static bool has_room(const struct ike *ike, const struct phase1 *sa)
{
	unsigned n = 1;

	for (const struct phase1 *o = ike->sas; o; o = o->next)
		n += is_branch(o, sa);
	return n < BRANCHES /* check: branch-count */;
}

/* What is known when message 4 is awaited. */
static bool copy_key_exchange(struct phase1 *to, const struct phase1 *from)
{
	memcpy(to->cookie_r, from->cookie_r, IKE_COOKIE);
	to->suite = from->suite;
	to->life_s = from->life_s;
	to->lane = from->before4.lane;
	to->vids = from->before4.vids;
	to->natt = from->before4.natt;
	to->dh = dh_share(from->dh);
	memcpy(to->heard2, from->heard2, DIGEST);
	return secret_set(&to->nonce_i, secret_slice(&from->nonce_i)) &&
	       secret_set(&to->public_i, secret_slice(&from->public_i));
}

struct phase1 *ike_branch_new(struct ike *ike, struct phase1 *of, unsigned awaits, msec now)
{
	bool may_be_a_second_state = awaits == 2 && of->asked > 1;

	if (!has_room(ike, of) || may_be_a_second_state /* check: branch-second-state */) {
		conflict(ike, of);
		return NULL;
	}
	struct phase1 *sa = ike_phase1_new(ike, true, ike->lane, now);
	if (!sa)
		return NULL;
	log_stranger(
		ike->env->log, now, "ike", "two different messages %u: both are followed", awaits);
	memcpy(sa->cookie_i, of->cookie_i, IKE_COOKIE);
	sa->awaits = awaits;
	sa->asked = of->asked;
	if (!secret_set(&sa->sa_i, secret_slice(&of->sa_i)) ||
		(awaits == 4 && !copy_key_exchange(sa, of)))
		ike_fail_memory(ike);
	return sa;
}

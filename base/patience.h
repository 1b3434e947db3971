/* When to say something again, and when to give up: one table for all layers.
 *
 * A request goes out, again after an interval that starts at twice the round trip, 0.5 s at least,
 * and grows by half each time up to a cap, each time off by at most 10 % so that clients do not
 * march in step. The same shape serves IKE requests, L2TP control messages and PPP requests.
 *
 * PPP's option requests begin sooner: they cost a server nothing, and SoftEther looks at one only
 * when the next packet comes, so that half a second of ours is half a second of the user's.
 *
 * SCCRQ leaves right behind quick mode's message 3. A server that is still at work on that has no SA for
 * it and drops it: strongSwan does for some milliseconds, however far away it is. So that one begins
 * after 40 ms and doubles, and is where the others are after half a second. */
#pragma once

#include "base/env.h"
#include "base/msec.h"

enum patience {
	PATIENCE_FIRST,     /* nobody has answered yet: a verdict must come soon */
	PATIENCE_OVERTAKER, /* the same for L2TP's first message, right behind what makes its way */
	PATIENCE_EXCHANGE,  /* the server is there: 30 % loss must not stop us */
	PATIENCE_OPTIONS,   /* the same for PPP's Configure-Requests */
	PATIENCE_AUTH,      /* a person may be looking for a telephone; nothing is repeated */
	PATIENCE_CLOSE,     /* one repeat, then we go */
};

enum retry_verdict { RETRY_WAIT, RETRY_SEND, RETRY_GIVE_UP };

struct retry {
	enum patience kind;
	unsigned copies; /* sent so far, the first included */
	msec interval;
	msec due;  /* the next repeat; MSEC_NEVER when stopped */
	msec ends; /* the verdict */
};

#define RETRY_STOPPED                                                                              \
	(struct retry)                                                                             \
	{                                                                                          \
		.due = MSEC_NEVER, .ends = MSEC_NEVER                                              \
	}

/* The first copy leaves now. `rtt` is the measured round trip, 0 when unknown. */
void retry_start(struct retry *r, enum patience kind, msec rtt, const struct env *env, msec now);

/* What to do now. RETRY_SEND has counted the copy and set the next deadline. */
enum retry_verdict retry_tick(struct retry *r, const struct env *env, msec now);

/* Answered: no more deadlines. */
void retry_stop(struct retry *r);

/* When to call retry_tick(). */
static inline msec retry_deadline(const struct retry *r)
{
	return msec_min(r->due, r->ends);
}

/* The reliable channel under L2TP control messages. RFC 2661, 5.8 and appendix A.
 *
 *   out   o o o x x . . .     queued, of these `sent`, of these `flying` (the window's share)
 *         |     |     |
 *        una  una+3   ns      numbers on the wire; `una` is the oldest unacknowledged
 *
 *   in    . y . y             waiting for a gap to close; the first slot is `nr`
 *
 * At most min(peer's window, congestion window) messages fly. One timer belongs to the oldest: when
 * it fires, that message goes again and the congestion window starts anew at 1. A message that
 * leaves, for the first time or again, is a copy that carries the Nr of the moment. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"
#include "base/patience.h"
#include "base/pkt.h"
#include "l2tp/l2tp_msg.h"

enum {
	CHAN_OUT = 8,            /* outgoing messages kept, at most */
	CHAN_IN = 16,            /* early messages kept, at most; divides 65536 */
	CHAN_DEFAULT_WINDOW = 4, /* of a peer that names none; RFC 2661, 4.4.3 */
};

struct chan_out {
	struct pkt *p;
	enum l2tp_message type;
	enum patience patience;
};

struct l2tp_chan {
	const struct env *env;
	msec rtt;
	uint16_t tunnel; /* the peer's id, written into all that leaves; 0 until known */
	uint16_t ns;     /* of the next message to be queued */
	uint16_t nr;     /* expected of the peer */
	struct chan_out out[CHAN_OUT];
	unsigned queued, sent, flying;
	unsigned window; /* the peer's */
	unsigned cwnd, ssthresh, credit;
	struct pkt *in[CHAN_IN]; /* by Ns modulo CHAN_IN */
	bool ack_due;
	bool closing; /* the window no longer counts; one last interval for all */
	struct retry retry;
	uint64_t repeats; /* messages sent again */
};

void chan_init(struct l2tp_chan *c, const struct env *env, msec rtt);
void chan_clear(struct l2tp_chan *c); /* frees what is queued either way */

/* Queue a built message, which is taken. -ENOBUFS when CHAN_OUT are waiting. */
[[gnu::warn_unused_result]] int chan_send(
	struct l2tp_chan *c, struct pkt *p, enum l2tp_message type, enum patience patience);

/* The Receive Window Size AVP of the peer. */
void chan_set_window(struct l2tp_chan *c, uint16_t window);

/* A control message of our tunnel, which is taken; h was parsed from p. False when its Nr
 * acknowledges what was never sent: nothing of it counts then. */
bool chan_recv(struct l2tp_chan *c, struct pkt *p, const struct l2tp_head *h, msec now);

/* The next message in the order of Ns, given away; NULL when it has not come yet. */
struct pkt *chan_next(struct l2tp_chan *c);

/* Whatever has been queued goes out as soon as possible, is repeated once, and in 3 s
 * chan_tick() gives up. */
void chan_close(struct l2tp_chan *c, msec now);

/* The peer has stopped the tunnel: nothing more is to be said, but acknowledgements. */
void chan_forget(struct l2tp_chan *c);

/* Let out what the window allows, and a ZLB if an acknowledgement is still due. At the end of
 * every call. */
void chan_flush(struct l2tp_chan *c, msec now, struct pktq *down);

enum retry_verdict chan_tick(struct l2tp_chan *c, msec now, struct pktq *down);

static inline msec chan_deadline(const struct l2tp_chan *c)
{
	return retry_deadline(&c->retry);
}

/* Has everything been acknowledged? */
static inline bool chan_idle(const struct l2tp_chan *c)
{
	return c->queued == 0;
}

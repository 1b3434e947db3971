#include "l2tp/l2tp_chan.h"

#include <errno.h>
#include <string.h>

#include "base/seq.h"

_Static_assert(65536 % CHAN_IN == 0, "slots must keep their order when Ns wraps");

void chan_init(struct l2tp_chan *c, const struct env *env, msec rtt)
{
	*c = (struct l2tp_chan){
		.env = env,
		.rtt = rtt,
		.window = CHAN_DEFAULT_WINDOW,
		.cwnd = 1,
		.ssthresh = CHAN_DEFAULT_WINDOW,
		.retry = RETRY_STOPPED,
	};
}

void chan_clear(struct l2tp_chan *c)
{
	for (unsigned i = 0; i < c->queued; i++)
		pkt_free(c->out[i].p);
	for (unsigned i = 0; i < CHAN_IN; i++)
		pkt_free(c->in[i]);
	chan_init(c, c->env, c->rtt);
}

int chan_send(struct l2tp_chan *c, struct pkt *p, enum l2tp_message type, enum patience patience)
{
	if (c->queued == CHAN_OUT) { /* check: channel-out-room */
		pkt_free(p);
		return -ENOBUFS;
	}
	c->out[c->queued++] = (struct chan_out){.p = p, .type = type, .patience = patience};
	c->ns++;
	return 0;
}

void chan_set_window(struct l2tp_chan *c, uint16_t window)
{
	c->window = window ? window : 1; /* 0 would be a peer that can never be spoken to */
	c->ssthresh = c->window;
}

/* ---- sending ---- */

static uint16_t unacknowledged(const struct l2tp_chan *c)
{
	return (uint16_t)(c->ns - c->queued);
}

static unsigned send_window(const struct l2tp_chan *c)
{
	if (c->closing)
		return CHAN_OUT;
	return c->cwnd < c->window ? c->cwnd : c->window;
}

/* No memory for the copy is the same as losing it on the way. */
static void transmit(struct l2tp_chan *c, unsigned i, struct pktq *down)
{
	struct pkt *copy = pkt_of(c->env->pool, pkt_slice(c->out[i].p));

	if (i < c->sent)
		c->repeats++;
	else
		c->sent = i + 1;
	if (!copy)
		return;
	l2tp_head_stamp(copy, c->tunnel, (uint16_t)(unacknowledged(c) + i), c->nr);
	pktq_put(down, copy);
	c->ack_due = false;
}

static void send_zlb(struct l2tp_chan *c, struct pktq *down)
{
	struct l2tp_head h = {.tunnel = c->tunnel, .nr = c->nr};
	struct pkt *p = pkt_new_ctl(c->env->pool, L2TP_HEAD);

	if (!p)
		return; /* the peer will ask again */
	h.ns = (uint16_t)(unacknowledged(c) + c->sent);
	struct wr w = pkt_wr(p);
	l2tp_head_put(&w, &h, 0);
	if (pkt_wrote(p, &w))
		pktq_put(down, p);
	else
		pkt_free(p);
	c->ack_due = false;
}

void chan_flush(struct l2tp_chan *c, msec now, struct pktq *down)
{
	while (c->flying < c->queued && c->flying < send_window(c)) {
		if (c->flying == 0 && !c->closing)
			retry_start(&c->retry, c->out[0].patience, c->rtt, c->env, now);
		transmit(c, c->flying++, down);
	}
	if (c->ack_due)
		send_zlb(c, down);
}

void chan_close(struct l2tp_chan *c, msec now)
{
	c->closing = true;
	retry_start(&c->retry, PATIENCE_CLOSE, c->rtt, c->env, now);
}

void chan_forget(struct l2tp_chan *c)
{
	c->ns = (uint16_t)(unacknowledged(c) + c->sent);
	for (unsigned i = 0; i < c->queued; i++)
		pkt_free(c->out[i].p);
	c->queued = c->sent = c->flying = 0;
	retry_stop(&c->retry);
}

/* After a loss only the oldest flies; the others follow as it is acknowledged. RFC 2661,
 * appendix A. */
enum retry_verdict chan_tick(struct l2tp_chan *c, msec now, struct pktq *down)
{
	enum retry_verdict verdict = retry_tick(&c->retry, c->env, now);

	if (verdict != RETRY_SEND)
		return verdict;
	c->ssthresh = c->flying > 2 ? c->flying / 2 : 1;
	c->cwnd = 1;
	c->credit = 0;
	c->flying = 1;
	transmit(c, 0, down);
	return verdict;
}

/* ---- receiving ---- */

/* One acknowledged message: slow start, then one more for each full window. RFC 2661, appendix A. */
static void grow_window(struct l2tp_chan *c)
{
	if (c->cwnd < c->ssthresh) {
		c->cwnd++;
	} else if (++c->credit >= c->cwnd) {
		c->credit = 0;
		c->cwnd++;
	}
	if (c->cwnd > c->window)
		c->cwnd = c->window;
}

static bool acknowledged(struct l2tp_chan *c, uint16_t nr, msec now)
{
	uint16_t una = unacknowledged(c);
	unsigned n = (uint16_t)(nr - una);

	if (seq16_before(nr, una))
		return true; /* late, but the rest of its message counts */
	if (n > c->sent)     /* check: channel-nr-ahead */
		return false;
	if (n == 0)
		return true;
	for (unsigned i = 0; i < n; i++) {
		pkt_free(c->out[i].p);
		grow_window(c);
	}
	c->queued -= n;
	c->sent -= n;
	c->flying = c->flying > n ? c->flying - n : 0;
	memmove(&c->out[0], &c->out[n], c->queued * sizeof(c->out[0]));

	if (c->queued == 0)
		retry_stop(&c->retry);
	else if (c->flying && !c->closing)
		retry_start(&c->retry, c->out[0].patience, c->rtt, c->env, now);
	return true;
}

bool chan_recv(struct l2tp_chan *c, struct pkt *p, const struct l2tp_head *h, msec now)
{
	struct pkt **slot = &c->in[h->ns % CHAN_IN];
	uint16_t ahead = (uint16_t)(h->ns - c->nr);
	bool good = acknowledged(c, h->nr, now);

	if (!good || h->avps.n == 0) {
		pkt_free(p);
		return good;
	}
	c->ack_due = true; /* duplicates too: the peer has not seen our first */
	if (ahead >= CHAN_IN /* check: channel-ns-window */ || *slot /* check: channel-slot-free */)
		pkt_free(p);
	else
		*slot = p;
	return true;
}

struct pkt *chan_next(struct l2tp_chan *c)
{
	struct pkt **slot = &c->in[c->nr % CHAN_IN];
	struct pkt *p = *slot;

	if (p) {
		*slot = NULL;
		c->nr++;
	}
	return p;
}

/* The machine and its gateway, one message at a time. */
#pragma once

#include "tests/unit/ike_world.h"

/* How many packets a message is answered with; they go no further. */
static inline size_t answers(struct world *w, struct slice message)
{
	struct pktq in = {0};
	struct io out = {0};
	struct pkt *p = pkt_of(w->env->pool, message);

	assert_non_null(p);
	p->lane = w->gw.lane;
	pktq_put(&in, p);
	ike_recv(w->ike, &in, w->now, &out);
	size_t n = out.down.count;
	pktq_free(&out.down);
	return n;
}

/* The gateway's answer to what the machine has just said. */
static inline struct pkt *next_answer(struct world *w)
{
	drain_events(w);
	deliver_to_gateway(w);
	return intercept(w);
}

static inline void take(struct world *w, struct pkt *p)
{
	pktq_put(&w->inbox, p);
	w->now += LATENCY;
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
}

static inline struct slice octets_of(const struct pkt *p, struct blob *copy)
{
	blob_set(copy, pkt_slice(p));
	return blob(copy);
}

/* Main mode up to the message 4 that is on its way. */
static inline struct pkt *at_message_4(struct world *w)
{
	w->gw.choice = 5; /* a point of ECP-256: fast */
	world_open(w);
	take(w, next_answer(w));
	return next_answer(w);
}

/* The machine opposite to the scripted gateway, on a virtual clock. */
#pragma once

#include <stdlib.h>

#include "tests/unit/ike_gateway.h"

static inline void answer(struct world *w, uint32_t id, bool yes)
{
	struct answer a = {.yes = yes, .why = "no room", .spi = w->next_spi++};

	ike_answer(w->ike, id, &a, w->now, &w->out);
}

static inline void drain_events(struct world *w)
{
	struct ike_event ev;

	while (ike_next_event(w->ike, &ev)) {
		w->events[ev.kind]++;
		if (ev.kind == IKE_EV_WANT_SA)
			w->pair = *ev.pair;
		if (ev.kind == IKE_EV_USE_SA)
			w->used = ev.spi_in;
		if (ev.kind == IKE_EV_DROP_SA) {
			w->dropped = ev.spi_in;
			w->gaps += ev.spi_in == w->used;
		}
		if (ev.kind == IKE_EV_FAILED)
			w->reason = ev.reason;
		if (ev.kind == IKE_EV_WANT_SPI || ev.kind == IKE_EV_WANT_SA) {
			w->want = ev;
			if (!w->keep_questions)
				answer(w, ev.id, !(w->say_no && ev.kind == IKE_EV_WANT_SA));
		}
	}
}

static inline void deliver_to_gateway(struct world *w)
{
	for (struct pkt *p = pktq_take(&w->out.down); p; p = pktq_take(&w->out.down)) {
		w->on_lane[p->lane]++;
		if (p->len == 1) {
			w->keepalives++;
		} else {
			w->sent++;
			blob_set(&w->last_sent, pkt_slice(p));
			gw_recv(w, p);
		}
		pkt_free(p);
	}
}

/* Carry messages to and fro until nobody says anything. */
static inline void settle_world(struct world *w)
{
	for (int rounds = 0; rounds < 100; rounds++) {
		drain_events(w);
		deliver_to_gateway(w);
		if (!w->inbox.count)
			return;
		w->now += LATENCY;
		ike_recv(w->ike, &w->inbox, w->now, &w->out);
	}
	fail_msg("they never stop talking");
}

/* Let time pass, with a tick at each deadline. */
static inline void pass(struct world *w, msec span)
{
	msec end = w->now + span;

	settle_world(w);
	for (int ticks = 0; ike_deadline(w->ike) <= end; ticks++) {
		assert_in_range(ticks, 0, 100000);
		if (ike_deadline(w->ike) > w->now)
			w->now = ike_deadline(w->ike);
		ike_tick(w->ike, w->now, &w->out);
		settle_world(w);
	}
	if (w->now < end)
		w->now = end;
}

static inline struct world *world_new(const char *tier)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->env = test_env_new(7);
	w->now = 1000000;
	w->next_spi = 0xc0000001;
	w->gw.psk = "correct horse";
	w->conf = (struct ike_conf){
		.psk = slice_str("correct horse"),
		.raw_esp = true,
		.l2tp_port = 1701,
		.ike_life_s = 28800,
		.esp_life_s = 3600,
		.rekey = true,
		.dpd_interval = SECONDS(30),
	};
	for (int lane = 0; lane < LANES; lane++) {
		uint16_t port = lane == LANE_NATT ? 4500 : 500;

		w->conf.local[lane] = (struct addr){.ip = ip_v4(0xc0000202), .port = port};
		w->conf.remote[lane] = (struct addr){.ip = ip_v4(0xcb007101), .port = port};
	}
	assert_true(ike_proposals_tier(tier, &w->conf.proposals));
	return w;
}

static inline void world_open(struct world *w)
{
	w->ike = ike_new(&w->conf, w->env);
	assert_non_null(w->ike);
	ike_open(w->ike, w->now, &w->out);
}

static inline void world_free(struct world *w)
{
	assert_int_equal(w->gw.aggressive, 0);
	assert_true(w->gaps <= w->events[IKE_EV_NO_SA] + w->events[IKE_EV_FAILED]);
	ike_free(w->ike);
	dh_free(w->gw.dh);
	dh_free(w->gw.quick_dh);
	pktq_free(&w->inbox);
	pktq_free(&w->out.down);
	test_env_free(w->env);
	free(w);
}

static inline void assert_failed(const struct world *w, enum reason_id id)
{
	assert_int_equal(w->events[IKE_EV_FAILED], 1);
	if (w->reason.id != id)
		print_error("%s: %s\n", reason_row(w->reason.id)->id, w->reason.evidence);
	assert_int_equal(w->reason.id, id);
}

/* What the gateway has just sent, taken off its way. */
static inline struct pkt *intercept(struct world *w)
{
	struct pkt *p = pktq_take(&w->inbox);

	if (!p)
		abort();
	return p;
}

static inline void assert_up(const struct world *w)
{
	if (w->events[IKE_EV_FAILED])
		print_error("%s: %s\n", reason_row(w->reason.id)->id, w->reason.evidence);
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	assert_true(w->events[IKE_EV_USE_SA] > 0);
}

/* Both ends hold the same keys, each for its direction. */
static inline void assert_same_keys(const struct world *w)
{
	const struct gateway *g = &w->gw;

	assert_int_equal(w->pair.in.spi, g->out.spi);
	assert_int_equal(w->pair.out.spi, g->in.spi);
	assert_memory_equal(w->pair.in.key, g->out.key, w->pair.suite.key_len);
	assert_memory_equal(w->pair.out.key, g->in.key, w->pair.suite.key_len);
	assert_memory_equal(w->pair.out.auth, g->in.auth, hash_len(w->pair.suite.auth));
}

static inline struct world *connected(const char *tier, bool natted)
{
	struct world *w = world_new(tier);

	w->gw.natted = natted;
	world_open(w);
	pass(w, 500);
	assert_up(w);
	return w;
}

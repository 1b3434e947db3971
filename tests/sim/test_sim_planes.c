/* Data planes: whoever seals, and whoever has the session, a tunnel is a tunnel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ike/ike_msg.h"
#include "tests/sim/world.h"

enum { TRIP = 50, ALL = 1000 /* of loss */ };

static struct sim_host host;

static const struct plane {
	const char *name;
	bool raw_esp, kernel_esp, kernel_session;
} planes[] = {
	{"user", false, false, false},
	{"user, protocol 50", true, false, false},
	{"mixed", false, true, false},
	{"mixed, protocol 50", true, true, false},
	{"kernel", false, true, true},
	{"kernel, protocol 50", true, true, true},
};
enum { PLANES = sizeof(planes) / sizeof(planes[0]) };

static struct world *start(const struct plane *plane, struct world_conf *conf)
{
	conf->way[SIM_CLIENT].delay = conf->way[SIM_GATEWAY].delay = TRIP / 2;
	conf->raw_esp = plane->raw_esp;
	conf->kernel_esp = plane->kernel_esp;
	conf->kernel_session = plane->kernel_session;
	return world_new(conf, &host);
}

static enum lane lane_of(const struct world *w)
{
	struct conn_status st;

	conn_get_status(w->conn, &st);
	return st.stack.lane;
}

/* No plane takes longer than another: there is no round trip between the layers. */
static void every_plane_connects_at_the_same_millisecond(void **state)
{
	msec first = 0;

	(void)state;
	for (size_t i = 0; i < PLANES; i++) {
		struct world_conf conf;

		world_defaults(&conf, 1);
		struct world *w = start(&planes[i], &conf);
		assert_true(world_until(w, world_has_reply, SECONDS(5)));
		msec took = w->first_reply - w->began;
		print_message("%-20s %llu ms\n", planes[i].name, (unsigned long long)took);
		first = i ? first : took;
		assert_int_equal(took, first);
		assert_int_equal(lane_of(w), planes[i].raw_esp ? LANE_RAW : LANE_NATT);
		assert_int_equal(kernel_has_session(w->kernel), planes[i].kernel_session);
		assert_true(world_pings_pass(w, 20));
		world_disconnect(w);
		world_free(w);
	}
}

/* Both ends renew, under 100 pings a second. */
static void no_plane_loses_a_ping_in_a_renewal(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLANES; i++) {
		struct world_conf conf;

		world_defaults(&conf, 2);
		conf.client.stack.ike.esp_life_s = 12;
		struct world *w = start(&planes[i], &conf);
		assert_true(world_until(w, world_is_up, SECONDS(5)));
		world_run(w, SECONDS(1));
		memset(&w->out, 0, sizeof(w->out));
		memset(&w->in, 0, sizeof(w->in));
		w->conf.ping_every = 10;
		w->ping_due = world_now(w);
		world_at(w, SECONDS(7), DO_GATEWAY_REKEY, 0);
		world_run(w, SECONDS(30));
		w->ping_due = MSEC_NEVER;
		w->conf.ping_every = 0;
		world_run(w, SECONDS(1));
		struct conn_status st;
		conn_get_status(w->conn, &st);
		assert_in_range(st.stack.ike.quick_modes, 3, 8);
		assert_int_equal(w->out.sent - w->out.answered, 0);
		assert_int_equal(w->in.sent - w->in.answered, 0);
		world_disconnect(w);
		world_free(w);
	}
}

/* What the kernel says of an SA is enough: limits and keys of the pair are far away. */
static void news_of_an_sa_bring_the_next_one_and_no_ping_is_lost(void **state)
{
	static const enum esp_event_kind kinds[] = {ESP_EV_EXHAUSTED, ESP_EV_LOST};

	(void)state;
	for (size_t i = 0; i < PLANES; i++)
		for (size_t kind = 0; planes[i].kernel_esp && kind < 2; kind++) {
			struct world_conf conf;
			struct conn_status st;

			world_defaults(&conf, 7);
			conf.ping_every = 10;
			struct world *w = start(&planes[i], &conf);
			assert_true(world_until(w, world_is_up, SECONDS(5)));
			world_run(w, SECONDS(1));
			kernel_raise(w->kernel, kinds[kind]);
			world_run(w, SECONDS(5));
			w->ping_due = MSEC_NEVER;
			w->conf.ping_every = 0;
			world_run(w, SECONDS(1));
			conn_get_status(w->conn, &st);
			assert_int_equal(st.stack.ike.quick_modes, 2);
			assert_int_equal(w->attempts, 1);
			assert_int_equal(w->out.sent - w->out.answered, 0);
			world_disconnect(w);
			world_free(w);
		}
}

static bool is_lost(const struct world *w)
{
	return !w->up;
}

static bool is_asked_again(const struct world *w)
{
	return w->attempts == 2;
}

static void a_way_that_drops_protocol_50_is_known_within_5_s_and_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLANES; i++) {
		struct world_conf conf;

		world_defaults(&conf, 3);
		conf.drops_raw = true;
		struct world *w = start(&planes[i], &conf);
		if (planes[i].raw_esp)
			assert_true(world_until(w, is_asked_again, SECONDS(5)));
		assert_true(world_until(w, world_is_up, SECONDS(2)));
		assert_int_equal(lane_of(w), LANE_NATT);
		assert_true(world_pings_pass(w, 5));
		world_at(w, 0, DO_RENEW, 0); /* it is remembered */
		world_run(w, 1);
		assert_true(world_until(w, world_is_up, SECONDS(5)));
		assert_int_equal(w->attempts, planes[i].raw_esp ? 3 : 2);
		world_disconnect(w);
		world_free(w);
	}
}

/* It has worked until now: the connection is lost as any other is, and the attempt after that knows. */
static void protocol_50_that_is_dropped_later_is_left_later(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLANES; i++) {
		struct world_conf conf;

		if (!planes[i].raw_esp)
			continue;
		world_defaults(&conf, 7);
		conf.client.reconnect = true;
		conf.client.stack.ike.dpd_interval = SECONDS(1);
		struct world *w = start(&planes[i], &conf);
		assert_true(world_until(w, world_is_up, SECONDS(2)));
		assert_int_equal(lane_of(w), LANE_RAW);
		w->conf.drops_raw = true;
		assert_true(world_until(w, is_lost, SECONDS(130)));
		assert_true(world_until(w, world_is_up, SECONDS(10)));
		assert_int_equal(lane_of(w), LANE_NATT);
		assert_int_equal(w->n_reasons, 1);
		assert_int_equal(w->reasons[0], REASON_LINK_LOST);
		assert_true(world_pings_pass(w, 5));
		world_disconnect(w);
		world_free(w);
	}
}

/* Instead of the main mode message that goes `towards` there, a copy whose NAT-D says that there is NAT. */
struct liar {
	struct world *w;
	enum sim_end towards;
	unsigned lies;
};

static void lie(void *ctx, enum sim_end towards, const struct pkt *p)
{
	struct liar *l = ctx;
	struct ike_payloads payloads;
	struct ike_hdr hdr;
	struct addr gateway = l->w->conf.gateway.addr[LANE_IKE], *client = &l->w->local[LANE_IKE];
	bool to_client = towards == SIM_CLIENT;

	sim_way(l->w->sim, l->towards)->loss = 0;
	if (towards != l->towards || p->lane != LANE_IKE || !ike_hdr_parse(pkt_slice(p), &hdr) ||
		hdr.flags & IKE_ENCRYPTED ||
		!ike_payloads_parse(
			hdr.first, slice(p->data + IKE_HDR, p->len - IKE_HDR), &payloads))
		return;
	const struct ike_payload *nat_d = ike_payload_find(&payloads, IKE_NATD, 0);
	if (!nat_d)
		return;
	struct pkt *copy = pkt_of(l->w->host->pool, pkt_slice(p));
	assert_non_null(copy);
	copy->data[nat_d->body.p - p->data] ^= 1;
	copy->lane = LANE_IKE;
	sim_send(l->w->sim, towards, copy, to_client ? &gateway : client,
		to_client ? client : &gateway);
	sim_way(l->w->sim, towards)->loss = ALL;
	l->lies++;
}

static void ends_that_do_not_agree_about_nat_meet_in_udp(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * PLANES; i++) {
		const struct plane *plane = &planes[i / 2];
		struct world_conf conf;

		if (!plane->raw_esp)
			continue;
		world_defaults(&conf, 8);
		struct world *w = start(plane, &conf);
		struct liar liar = {w, i % 2 ? SIM_CLIENT : SIM_GATEWAY, 0};
		w->tap = lie;
		w->tap_ctx = &liar;
		assert_true(world_until(w, is_asked_again, SECONDS(2)));
		assert_int_not_equal(liar.lies, 0);
		w->tap = NULL;
		assert_true(world_until(w, world_is_up, SECONDS(2)));
		assert_int_equal(lane_of(w), LANE_NATT);
		assert_int_equal(w->attempts, 2);
		assert_true(world_pings_pass(w, 5));
		world_disconnect(w);
		world_free(w);
	}
}

/* Who says that he must not encapsulate is told what is wrong. */
static void without_encapsulation_it_has_its_name(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 4);
	conf.drops_raw = true;
	conf.client.stack.ike.encap = IKE_ENCAP_OFF;
	struct world *w = start(&planes[1], &conf);
	assert_true(world_until(w, world_has_ended, SECONDS(6)));
	assert_int_equal(w->end.id, REASON_ESP_NO_RETURN);
	world_free(w);
}

static void a_kernel_that_does_not_answer_is_not_waited_for(void **state)
{
	static const enum world_reply replies[] = {REPLY_NO, REPLY_NEVER};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world_conf conf;

		world_defaults(&conf, 5);
		conf.answers[ASK_HANDOVER].reply = replies[i];
		struct world *w = start(&planes[PLANES - 1], &conf);
		assert_true(world_until(w, world_is_up, SECONDS(10)));
		assert_false(kernel_has_session(w->kernel));
		assert_true(world_pings_pass(w, 5));
		world_disconnect(w);
		world_free(w);
	}
}

static void a_kernel_that_refuses_an_sa_is_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLANES; i++) {
		struct world_conf conf;

		world_defaults(&conf, 6);
		struct world *w = start(&planes[i], &conf);
		kernel_refuse(w->kernel);
		assert_true(world_until(w, world_is_up, SECONDS(2)));
		assert_int_equal(w->attempts, planes[i].kernel_esp ? 2 : 1);
		assert_int_equal(w->no_kernel, planes[i].kernel_esp);
		assert_true(world_pings_pass(w, 5));
		world_disconnect(w);
		world_free(w);
	}
}

/* The user plane, whose raw sockets are slow. */
static void udp_comes_first_where_the_gateway_can(void **state)
{
	(void)state;
	for (int no_natt = 0; no_natt < 2; no_natt++) {
		struct world_conf conf;

		world_defaults(&conf, 9);
		conf.udp_first = true;
		conf.gateway.no_natt = no_natt;
		struct world *w = start(&planes[1], &conf);
		assert_true(world_until(w, world_is_up, SECONDS(2)));
		assert_int_equal(lane_of(w), no_natt ? LANE_RAW : LANE_NATT);
		assert_true(world_pings_pass(w, 5));
		world_disconnect(w);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_plane_connects_at_the_same_millisecond),
		cmocka_unit_test(no_plane_loses_a_ping_in_a_renewal),
		cmocka_unit_test(news_of_an_sa_bring_the_next_one_and_no_ping_is_lost),
		cmocka_unit_test(a_way_that_drops_protocol_50_is_known_within_5_s_and_left),
		cmocka_unit_test(protocol_50_that_is_dropped_later_is_left_later),
		cmocka_unit_test(ends_that_do_not_agree_about_nat_meet_in_udp),
		cmocka_unit_test(without_encapsulation_it_has_its_name),
		cmocka_unit_test(a_kernel_that_does_not_answer_is_not_waited_for),
		cmocka_unit_test(a_kernel_that_refuses_an_sa_is_left),
		cmocka_unit_test(udp_comes_first_where_the_gateway_can),
	};

	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

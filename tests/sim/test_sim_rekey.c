/* Renewals of both phases, by whoever starts them: a ping every 10 ms each way, none may be lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/world.h"

static struct sim_host host;

enum { PING_EVERY = 10 };

static struct world_conf conf_of(uint64_t seed)
{
	struct world_conf conf;

	world_defaults(&conf, seed);
	conf.way[SIM_CLIENT] = conf.way[SIM_GATEWAY] = (struct sim_way){.delay = 20, .jitter = 4};
	conf.ping_every = PING_EVERY;
	return conf;
}

static struct world *up(const struct world_conf *conf)
{
	struct world *w = world_new(conf, &host);

	if (!world_until(w, world_is_up, SECONDS(30)))
		fail_msg("%s (%s)", reason_row(w->end.id)->id, w->end.evidence);
	w->ping_due = MSEC_NEVER; /* the first ones may come before the gateway is ready */
	world_run(w, SECONDS(1));
	memset(&w->out, 0, sizeof(w->out));
	memset(&w->in, 0, sizeof(w->in));
	if (conf->ping_every)
		w->ping_due = world_now(w);
	return w;
}

/* Pings stop, the last ones come home; then count. */
static void finish(struct world *w, unsigned main_modes, unsigned quick_modes, unsigned may_lose)
{
	struct gateway_status st;

	w->conf.ping_every = 0;
	world_run(w, SECONDS(2));
	world_check(w);
	gateway_get_status(w->gateway, &st);
	if (w->out.sent - w->out.answered > may_lose || w->in.sent - w->in.answered > may_lose)
		fail_msg("%u of %u and %u of %u pings answered", w->out.answered, w->out.sent,
			w->in.answered, w->in.sent);
	if (st.main_modes < main_modes || st.quick_modes < quick_modes)
		fail_msg("%u main modes and %u quick modes", st.main_modes, st.quick_modes);
	assert_int_equal(w->ups, 1);
	assert_true(st.phase1s <= 2);
	world_disconnect(w);
	world_free(w);
}

static void phase_2_by_us(void **state)
{
	struct world_conf conf = conf_of(1);

	(void)state;
	conf.client.stack.ike.esp_life_s = 60;
	struct world *w = up(&conf);
	world_run(w, SECONDS(600));
	finish(w, 1, 10, 0);
}

static void phase_2_by_us_with_pfs(void **state)
{
	struct world_conf conf = conf_of(2);

	(void)state;
	conf.client.stack.ike.esp_life_s = 60;
	conf.client.stack.ike.proposals.pfs = conf.gateway.accept.pfs = DH_CURVE25519;
	struct world *w = up(&conf);
	world_run(w, SECONDS(300));
	finish(w, 1, 5, 0);
}

static void phase_2_by_the_gateway(void **state)
{
	struct world_conf conf = conf_of(3);

	(void)state;
	conf.client.stack.ike.rekey = false;
	conf.gateway.rekeys_every = SECONDS(15);
	struct world *w = up(&conf);
	world_run(w, SECONDS(300));
	finish(w, 1, 15, 0);
}

static void phase_2_by_the_gateway_with_pfs(void **state)
{
	struct world_conf conf = conf_of(4);

	(void)state;
	conf.gateway.rekeys_every = SECONDS(15);
	conf.gateway.rekey_pfs = DH_ECP256;
	struct world *w = up(&conf);
	world_run(w, SECONDS(150));
	finish(w, 1, 8, 0);
}

/* At the same moment, and some milliseconds before and after it. */
static void phase_2_by_both_at_once(void **state)
{
	(void)state;
	for (int shift = -60; shift <= 60; shift += 10) {
		struct world_conf conf = conf_of(5);

		conf.client.stack.ike.esp_life_s = 60;
		struct world *w = up(&conf);
		struct conn_status before, st;

		/* Our own comes at 85 to 90 % of its life: look when. */
		conn_get_status(w->conn, &before);
		do {
			world_run(w, 5);
			conn_get_status(w->conn, &st);
		} while (st.stack.ike.quick_modes == before.stack.ike.quick_modes);
		msec when = world_now(w) - w->began;
		world_disconnect(w);
		world_free(w);

		w = up(&conf);
		world_run(w, w->began + when - 40 - world_now(w) + (msec)(shift + 60) - 60);
		world_at(w, 0, DO_GATEWAY_REKEY, 0);
		world_run(w, SECONDS(90));
		finish(w, 1, 3, 0);
	}
}

static void phase_1_by_us(void **state)
{
	struct world_conf conf = conf_of(6);

	(void)state;
	conf.client.stack.ike.ike_life_s = 60;
	struct world *w = up(&conf);
	world_run(w, SECONDS(400));
	finish(w, 7, 1, 0);
}

/* The pairs live on over there: SoftEther, Windows, libreswan. */
static void phase_1_when_the_gateway_deletes_it(void **state)
{
	struct world_conf conf = conf_of(7);

	(void)state;
	conf.gateway.drops_ike_after = SECONDS(30);
	struct world *w = up(&conf);
	world_run(w, SECONDS(300));
	finish(w, 9, 9, 0);
}

/* They die with it: strongSwan, ASA. What was lost until the new pair is there is lost. */
static void phase_1_with_all_its_pairs(void **state)
{
	enum { ROUND_TRIPS = 6, RTT = 48, DELETES = 4 };
	struct world_conf conf = conf_of(8);

	(void)state;
	conf.gateway.drops_pairs_with_ike = true;
	struct world *w = up(&conf);
	for (int i = 0; i < DELETES; i++) {
		world_run(w, SECONDS(20));
		world_at(w, 0, DO_DELETE_IKE, 0);
	}
	world_run(w, SECONDS(20));
	finish(w, 1 + DELETES, 1 + DELETES, DELETES * ROUND_TRIPS * RTT / PING_EVERY);
}

static void all_pairs_deleted(void **state)
{
	enum { ROUND_TRIPS = 4, RTT = 48 };
	struct world_conf conf = conf_of(9);

	(void)state;
	struct world *w = up(&conf);
	world_run(w, SECONDS(20));
	world_at(w, 0, DO_DELETE_ESP, 0);
	world_run(w, SECONDS(20));
	finish(w, 1, 2, ROUND_TRIPS * RTT / PING_EVERY);
}

static void a_shorter_life_of_the_gateways_is_obeyed(void **state)
{
	struct world_conf conf = conf_of(10);

	(void)state;
	conf.gateway.life_s = 60;
	struct world *w = up(&conf);
	world_run(w, SECONDS(310));
	finish(w, 1, 6, 0);
}

/* An hour of everything at once. */
static void all_of_it_for_an_hour(void **state)
{
	struct world_conf conf = conf_of(11);

	(void)state;
	conf.ping_every = 100;
	conf.client.stack.ike.esp_life_s = 90;
	conf.client.stack.ike.ike_life_s = 300;
	conf.gateway.rekeys_every = SECONDS(70);
	conf.gateway.drops_ike_after = SECONDS(250);
	conf.gateway.dpd_every = SECONDS(11);
	conf.gateway.hello_every = SECONDS(13);
	struct world *w = up(&conf);
	world_run(w, SECONDS(3600));
	finish(w, 12, 50, 0);
}

/* A rekey in a lossy network: nothing is lost but what the network loses. */
static void rekeys_under_loss_keep_the_tunnel(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world_conf conf = conf_of(seed);

		conf.ping_every = 500;
		conf.client.stack.ike.esp_life_s = 60;
		conf.client.stack.ike.ike_life_s = 150;
		conf.gateway.rekeys_every = seed % 2 ? SECONDS(45) : 0;
		struct world *w = up(&conf);
		sim_way(w->sim, SIM_CLIENT)->loss = sim_way(w->sim, SIM_GATEWAY)->loss = 200;
		world_run(w, SECONDS(600));
		if (w->ups != 1 || !world_is_up(w))
			world_wrong(w, "lost: %s", reason_row(w->reasons[0])->id);
		sim_quiet(w->sim);
		world_run(w, SECONDS(20));
		if (!world_pings_pass(w, 5))
			world_wrong(w, "no ping passes any more");
		world_disconnect(w);
		world_free(w);
	}
}

/* F2: ten minutes of loss on an idle tunnel are no reason to drop it. */
static void loss_alone_does_not_end_a_tunnel(void **state)
{
	unsigned lost = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct world_conf conf = conf_of(seed);
		unsigned loss = seed % 2 ? 200 : 300;

		conf.ping_every = 0;
		struct world *w = up(&conf);
		sim_way(w->sim, SIM_CLIENT)->loss = sim_way(w->sim, SIM_GATEWAY)->loss = loss;
		world_run(w, SECONDS(600));
		if (!world_is_up(w))
			print_message("%u %% loss: %s (%s)\n", loss / 10, reason_row(w->end.id)->id,
				w->end.evidence);
		if (!world_is_up(w) && loss == 200)
			world_wrong(w, "lost at 20 %% loss");
		lost += !world_is_up(w);
		world_free(w);
	}
	print_message("%u of 100 tunnels lost in 10 minutes of 30 %% loss\n", lost);
	assert_true(lost <= 1);
}

/* F3, F4: the window and the ICV do their work, and nothing else is lost. */
static void disorder_and_damage_lose_nothing_else(void **state)
{
	struct world_conf conf = conf_of(12);
	struct conn_status st;

	(void)state;
	conf.ping_every = 5;
	struct world *w = up(&conf);
	for (int i = 0; i < SIM_ENDS; i++) {
		struct sim_way *way = sim_way(w->sim, (enum sim_end)i);

		way->reorder = 250;
		way->overtaken = 50;
		way->duplicate = 100;
	}
	world_run(w, SECONDS(60));
	conn_get_status(w->conn, &st);
	assert_true(st.stack.in.replayed > 1000);
	assert_int_equal(st.stack.in.icv_bad, 0);
	w->conf.ping_every = 0;
	world_run(w, SECONDS(2));
	assert_int_equal(w->out.answered, w->out.sent);
	assert_int_equal(w->in.answered, w->in.sent);
	sim_way(w->sim, SIM_CLIENT)->corrupt = 100;
	w->conf.ping_every = 5;
	w->ping_due = world_now(w);
	world_run(w, SECONDS(20));
	conn_get_status(w->conn, &st);
	assert_true(st.stack.in.icv_bad + st.stack.in.no_sa + st.stack.in.replayed > 0);
	assert_true(world_is_up(w));
	world_disconnect(w);
	world_free(w);
}

/* F8: a cable out for 1 s and for 10 s: the outage is all that is lost. */
static void a_short_outage_needs_no_reconnect(void **state)
{
	(void)state;
	for (int s = 1; s <= 10; s += 3) {
		struct world_conf conf = conf_of(13);
		struct world *w = up(&conf);

		world_run(w, SECONDS(5));
		world_at(w, 0, DO_CUT, 0);
		world_at(w, SECONDS((msec)s), DO_HEAL, 0);
		world_run(w, SECONDS(30));
		finish(w, 1, 1, (unsigned)s * 1000 / PING_EVERY + 10);
	}
}

/* F11: the NAT forgets us; the gateway follows the next authentic packet. */
static void a_rebinding_is_followed(void **state)
{
	struct world_conf conf = conf_of(14);

	(void)state;
	conf.nat = true;
	struct world *w = up(&conf);
	for (int i = 0; i < 5; i++) {
		world_run(w, SECONDS(10));
		world_at(w, 0, DO_REBIND, 0);
	}
	world_run(w, SECONDS(10));
	finish(w, 1, 1, 5 * 60 / PING_EVERY);
}

/* F5, F6: a restart is found out and made good, and so is a reboot of a minute. */
static void a_restart_is_made_good(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		enum { DETECT = 42000, AFTER = 35000 };
		struct world_conf conf = conf_of(seed);
		bool reboot = seed % 2;

		conf.client.reconnect = true;
		struct world *w = up(&conf);
		world_run(w, SECONDS(10));
		msec broken = world_now(w);
		world_at(w, 0, DO_RESTART, 0);
		if (reboot) {
			world_at(w, 0, DO_CUT, 0);
			world_at(w, SECONDS(60), DO_HEAL, 0);
		}
		world_run(w, reboot ? SECONDS(60) : DETECT);
		assert_true(w->lost_at >= broken && w->lost_at - broken <= DETECT);
		assert_true(world_until(w, world_is_up, AFTER));
		assert_int_equal(w->ups, 2);
		assert_true(world_pings_pass(w, 3));
		world_disconnect(w);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phase_2_by_us),
		cmocka_unit_test(phase_2_by_us_with_pfs),
		cmocka_unit_test(phase_2_by_the_gateway),
		cmocka_unit_test(phase_2_by_the_gateway_with_pfs),
		cmocka_unit_test(phase_2_by_both_at_once),
		cmocka_unit_test(phase_1_by_us),
		cmocka_unit_test(phase_1_when_the_gateway_deletes_it),
		cmocka_unit_test(phase_1_with_all_its_pairs),
		cmocka_unit_test(all_pairs_deleted),
		cmocka_unit_test(a_shorter_life_of_the_gateways_is_obeyed),
		cmocka_unit_test(all_of_it_for_an_hour),
		cmocka_unit_test(rekeys_under_loss_keep_the_tunnel),
		cmocka_unit_test(loss_alone_does_not_end_a_tunnel),
		cmocka_unit_test(disorder_and_damage_lose_nothing_else),
		cmocka_unit_test(a_short_outage_needs_no_reconnect),
		cmocka_unit_test(a_rebinding_is_followed),
		cmocka_unit_test(a_restart_is_made_good),
	};

	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

/* The client's machine sleeps: its clock jumps, and deadlines of minutes and hours are over at once.
 * Awake, it asks at once, without a burst; a gateway that has waited goes on with it, one that has not
 * is found out and connected anew, all within 5 s.
 *
 *   test_sim_suspend --sleeps N     so many of them at any moment (60) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/sim/world.h"

enum { BACK_WITHIN = 5000, HOUR = 3600 * 1000, AT_ONCE = 16 /* packets */ };

static struct sim_host host;
static unsigned sleeps = 60;

static struct world_conf conf_of(uint64_t seed)
{
	struct world_conf conf;

	world_defaults(&conf, seed);
	conf.way[SIM_CLIENT] = conf.way[SIM_GATEWAY] = (struct sim_way){.delay = 20, .jitter = 4};
	conf.client.reconnect = true;
	return conf;
}

static struct world *up(const struct world_conf *conf)
{
	struct world *w = world_new(conf, &host);

	if (!world_until(w, world_is_up, SECONDS(30)))
		fail_msg("%s (%s)", reason_row(w->end.id)->id, w->end.evidence);
	world_run(w, SECONDS(2));
	return w;
}

/* A ping of ours has been answered since the sleep. */
static bool is_back(const struct world *w)
{
	return world_is_up(w) && w->out.answered > 0;
}

/* Sleeps, wakes up; how long it then took until a ping was answered. */
static msec sleep_and_come_back(struct world *w, msec for_ms)
{
	world_sleep(w, for_ms);
	msec awake = world_now(w);
	unsigned sent = w->client_sent;

	world_run(w, 1);
	if (w->client_sent == sent)
		world_wrong(w, "it does not ask when it wakes up");
	if (w->client_sent - sent > AT_ONCE)
		world_wrong(w, "%u packets in the first millisecond", w->client_sent - sent);
	w->out.answered = 0;
	w->conf.ping_every = 50;
	if (w->up)
		w->ping_due = world_now(w);
	if (!world_until(w, is_back, BACK_WITHIN))
		world_wrong(w, "not back %d ms after %llu s of sleep", BACK_WITHIN,
			(unsigned long long)(for_ms / 1000));
	w->conf.ping_every = 0;
	world_check(w);
	return world_now(w) - awake;
}

static void finish(struct world *w)
{
	if (!world_pings_pass(w, 5))
		world_wrong(w, "pings do not pass afterwards");
	world_disconnect(w);
	world_free(w);
}

/* The ESP pair's hour is over, phase 1 is not. */
static void a_gateway_that_waited_goes_on(void **state)
{
	struct world_conf conf = conf_of(1);
	struct gateway_status st;

	(void)state;
	struct world *w = up(&conf);
	sleep_and_come_back(w, HOUR);
	gateway_get_status(w->gateway, &st);
	assert_int_equal(w->ups, 1);
	assert_int_equal(st.main_modes, 1);
	assert_true(st.quick_modes >= 2);
	finish(w);
}

static void a_short_sleep_renews_nothing(void **state)
{
	struct world_conf conf = conf_of(2);
	struct gateway_status st;

	(void)state;
	struct world *w = up(&conf);
	for (int i = 0; i < 10; i++)
		sleep_and_come_back(w, SECONDS(45));
	gateway_get_status(w->gateway, &st);
	assert_int_equal(w->ups, 1);
	assert_int_equal(st.quick_modes, 1);
	finish(w);
}

/* Both phases are over. */
static void a_night_is_survived_too(void **state)
{
	struct world_conf conf = conf_of(3);

	(void)state;
	struct world *w = up(&conf);
	sleep_and_come_back(w, 10 * HOUR);
	finish(w);
}

static void a_gateway_that_has_forgotten_us_is_found_out_at_once(void **state)
{
	(void)state;
	for (int hours = 1; hours <= 10; hours += 9) {
		struct world_conf conf = conf_of(4);
		struct world *w = up(&conf);

		world_at(w, SECONDS(600), DO_RESTART, 0);
		sleep_and_come_back(w, (msec)hours * HOUR);
		assert_int_equal(w->ups, 2);
		assert_int_equal(w->reasons[0], REASON_LINK_LOST);
		finish(w);
	}
}

/* Its farewell went to a machine that slept. */
static void a_gateway_that_gave_us_up_is_found_out_at_once(void **state)
{
	struct world_conf conf = conf_of(5);

	(void)state;
	struct world *w = up(&conf);
	world_at(w, SECONDS(40), DO_STOP_L2TP, 0);
	world_at(w, SECONDS(41), DO_DELETE_ESP, 0);
	world_at(w, SECONDS(41), DO_DELETE_IKE, 0);
	sleep_and_come_back(w, HOUR);
	assert_int_equal(w->ups, 2);
	finish(w);
}

static void without_reconnect_it_ends_with_the_reason(void **state)
{
	struct world_conf conf = conf_of(6);

	(void)state;
	conf.client.reconnect = false;
	struct world *w = up(&conf);
	world_at(w, SECONDS(600), DO_RESTART, 0);
	world_sleep(w, HOUR);
	assert_true(world_until(w, world_has_ended, BACK_WITHIN));
	assert_int_equal(w->end.id, REASON_LINK_LOST);
	world_free(w);
}

/* Not before the network is there, which takes as long as it takes. */
static void a_network_that_comes_later_is_used_when_it_comes(void **state)
{
	struct world_conf conf = conf_of(7);

	(void)state;
	struct world *w = up(&conf);
	world_at(w, 0, DO_CUT, 0);
	world_run(w, SECONDS(1));
	world_sleep(w, HOUR);
	world_at(w, SECONDS(2), DO_HEAL, 0);
	world_run(w, SECONDS(20));
	assert_true(world_is_up(w));
	finish(w);
}

/* In the middle of whatever it is doing then: probing, renewing, connecting, waiting. */
static void a_sleep_comes_at_any_moment(void **state)
{
	msec slowest = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= sleeps; seed++) {
		struct world_conf conf = conf_of(seed);

		conf.nat = seed % 3 == 0;
		conf.client.stack.ike.esp_life_s = 120;
		conf.client.stack.ike.ike_life_s = 600;
		conf.gateway.dpd_every = seed % 2 ? SECONDS(10) : 0;
		struct world *w = up(&conf);
		uint64_t random = seed;
		msec before = sim_mix(&random) % SECONDS(300);
		msec asleep = SECONDS(60) + sim_mix(&random) % (12 * HOUR);

		world_run(w, before);
		if (seed % 4 == 0)
			world_at(w, sim_mix(&random) % asleep, DO_RESTART, 0);
		msec took = sleep_and_come_back(w, asleep);
		slowest = took > slowest ? took : slowest;
		finish(w);
	}
	print_message(
		"figure: suspend for 1 min to 12 h at any moment of a tunnel's life, gateway "
		"restarted "
		"meanwhile or not: %u times, all back, the slowest after %.1f s (goal: 5 s)\n",
		sleeps, (double)slowest / 1000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gateway_that_waited_goes_on),
		cmocka_unit_test(a_short_sleep_renews_nothing),
		cmocka_unit_test(a_night_is_survived_too),
		cmocka_unit_test(a_gateway_that_has_forgotten_us_is_found_out_at_once),
		cmocka_unit_test(a_gateway_that_gave_us_up_is_found_out_at_once),
		cmocka_unit_test(without_reconnect_it_ends_with_the_reason),
		cmocka_unit_test(a_network_that_comes_later_is_used_when_it_comes),
		cmocka_unit_test(a_sleep_comes_at_any_moment),
	};

	if (argc == 3)
		sleeps = (unsigned)strtoul(argv[2], NULL, 10);
	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

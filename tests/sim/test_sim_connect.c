/* Connecting: how many round trips from the user's command to the first ping answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/world.h"

static struct sim_host host;

static struct world *start(struct world_conf *conf)
{
	struct world *w = world_new(conf, &host);

	assert_true(world_until(w, world_has_reply, SECONDS(60)));
	return w;
}

static void connecting_takes_at_most_12_round_trips(void **state)
{
	enum { RTT = 50, MOST = 12 };
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 1);
	conf.way[SIM_CLIENT].delay = conf.way[SIM_GATEWAY].delay = RTT / 2;
	struct world *w = start(&conf);
	msec took = w->first_reply - w->began;
	print_message("first ping answered after %llu ms = %.1f round trips of %d ms\n",
		(unsigned long long)took, (double)took / RTT, RTT);
	assert_true(took <= MOST * RTT);
	world_disconnect(w);
	world_free(w);
}

/* Whatever the server is like, our own timers cost nothing. */
static void no_server_costs_us_a_timer(void **state)
{
	static const char *const names[] = {"softether", "strongswan", "libreswan", "windows"};
	enum { RTT = 50, MOST = 16 };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct world_conf conf;

		world_defaults(&conf, 1);
		assert_true(gateway_profile(&conf.gateway, names[i]));
		assert_true(ike_proposals_tier("modern", &conf.client.stack.ike.proposals));
		conf.way[SIM_CLIENT].delay = conf.way[SIM_GATEWAY].delay = RTT / 2;
		struct world *w = start(&conf);
		msec took = w->first_reply - w->began;
		print_message("%-11s %.1f round trips\n", names[i], (double)took / RTT);
		assert_true(took <= MOST * RTT);
		world_disconnect(w);
		world_free(w);
	}
}

static uint64_t trace_of(uint64_t seed)
{
	struct world_conf conf;

	world_defaults(&conf, seed);
	conf.nat = true;
	conf.ping_every = 50;
	conf.way[SIM_CLIENT] = conf.way[SIM_GATEWAY] = (struct sim_way){.delay = 20,
		.jitter = 9,
		.loss = 100,
		.duplicate = 50,
		.reorder = 100,
		.overtaken = 30};
	struct world *w = start(&conf);
	world_run(w, SECONDS(20));
	world_disconnect(w);
	uint64_t hash = sim_hash(w->sim);
	world_free(w);
	return hash;
}

static void a_seed_is_a_trace(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		assert_true(trace_of(seed) == trace_of(seed));
	assert_true(trace_of(1) != trace_of(2));
}

/* A NAT before us, and a user who takes his time to type. */
static void a_slow_user_behind_nat_connects(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 1);
	conf.nat = true;
	conf.answers[ASK_SECRET].after = SECONDS(30);
	struct world *w = start(&conf);
	assert_int_equal(w->secrets_asked, 1);
	assert_true(world_pings_pass(w, 5));
	world_disconnect(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connecting_takes_at_most_12_round_trips),
		cmocka_unit_test(no_server_costs_us_a_timer),
		cmocka_unit_test(a_seed_is_a_trace),
		cmocka_unit_test(a_slow_user_behind_nat_connects),
	};

	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

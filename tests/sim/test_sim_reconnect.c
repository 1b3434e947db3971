/* Coming back to a gateway that was not told of the end: it still has the tunnel before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/sim/world.h"

static struct sim_host host;

static struct world *lost_and_back(struct world_conf *conf, msec at_most)
{
	conf->way[SIM_CLIENT].delay = conf->way[SIM_GATEWAY].delay = 10;
	conf->client.reconnect = true;
	struct world *w = world_new(conf, &host);
	assert_true(world_until(w, world_is_up, SECONDS(5)));
	world_at(w, 0, DO_CUT, 0);
	world_run(w, SECONDS(300));
	assert_false(world_is_up(w));
	world_at(w, 0, DO_HEAL, 0);
	assert_true(world_until(w, world_is_up, at_most));
	assert_true(world_pings_pass(w, 5));
	return w;
}

static void a_tunnel_that_the_lns_still_has_does_not_take_the_new_ones_data(void **state)
{
	for (int kernel = 0; kernel < 2; kernel++) {
		struct world_conf conf;

		(void)state;
		world_defaults(&conf, 1);
		conf.gateway.one_tunnel_a_port = true;
		conf.kernel_esp = conf.kernel_session = kernel;
		struct world *w = lost_and_back(&conf, SECONDS(60));
		assert_false(w->ended);
		world_disconnect(w);
		world_free(w);
	}
}

static void a_gateway_that_wants_1701_gets_it_at_once(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 2);
	conf.gateway.only_1701 = true;
	struct world *w = lost_and_back(&conf, SECONDS(60));
	unsigned attempts = w->attempts;
	world_at(w, 0, DO_CUT, 0); /* it is remembered */
	world_run(w, SECONDS(300));
	world_at(w, 0, DO_HEAL, 0);
	assert_true(world_until(w, world_is_up, SECONDS(60)));
	assert_true(w->attempts > attempts);
	for (unsigned i = 0; i < w->n_reasons; i++)
		assert_int_not_equal(w->reasons[i], REASON_IKE_QM_REFUSED);
	world_disconnect(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tunnel_that_the_lns_still_has_does_not_take_the_new_ones_data),
		cmocka_unit_test(a_gateway_that_wants_1701_gets_it_at_once),
	};

	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

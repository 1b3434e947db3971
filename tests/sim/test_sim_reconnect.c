/* Coming back to a gateway that was not told of the end: it still has the tunnel before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
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

/* Another client behind the same NAT, or a vpnd that was killed long ago. */
static void a_tunnel_that_somebody_else_has_is_stepped_around(void **state)
{
	static const uint16_t auths[][2] = {{0xc223}, {0xc023, 0xc223}};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world_conf conf;

		world_defaults(&conf, 3);
		conf.gateway.one_tunnel_a_port = true;
		conf.gateway.tunnel_left = L2TP_PORT;
		memcpy(conf.gateway.auths, auths[i], sizeof(auths[i]));
		struct world *w = world_new(&conf, &host);
		assert_true(world_until(w, world_is_up, SECONDS(20)));
		assert_int_equal(w->attempts, 2);
		assert_true(world_pings_pass(w, 5));
		world_disconnect(w);
		world_free(w);
	}
}

static void two_connections_to_a_gateway_have_two_ports(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 4);
	conf.gateway.one_tunnel_a_port = true;
	conf.gateway.tunnel_left = L2TP_PORT;
	conf.shared_gateway = true;
	struct world *w = world_new(&conf, &host);
	assert_true(world_until(w, world_is_up, SECONDS(5)));
	assert_int_equal(w->attempts, 1);
	world_disconnect(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tunnel_that_the_lns_still_has_does_not_take_the_new_ones_data),
		cmocka_unit_test(a_gateway_that_wants_1701_gets_it_at_once),
		cmocka_unit_test(a_tunnel_that_somebody_else_has_is_stepped_around),
		cmocka_unit_test(two_connections_to_a_gateway_have_two_ports),
	};

	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

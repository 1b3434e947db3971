/* A thousand connections in one process: after the first few neither heap nor packets grow. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/sim/world.h"

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc has it without a header */
#endif

enum { CONNECTIONS = 1000, WARM = 100, SLACK = 16 * 1024, CONNECTED_MOST = 512 * 1024 };

static struct sim_host host;

/* Octets that are in use now. */
static size_t heap(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_get_current_allocated_bytes();
#else
	return mallinfo2().uordblks;
#endif
}

static void connect_once(uint64_t seed)
{
	struct world_conf conf;

	world_defaults(&conf, seed);
	conf.gateway.refuses_login = seed % 5 ? 0 : 691;
	struct world *w = world_new(&conf, &host);
	world_run(w, SECONDS(3));
	if (seed % 3 && w->up)
		world_disconnect(w);
	world_free(w);
}

static void a_thousand_connections_leave_nothing(void **state)
{
	size_t warm = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= CONNECTIONS; seed++) {
		connect_once(seed);
		if (seed == WARM)
			warm = heap();
	}
	size_t now = heap();
	print_message("heap after %d connections %zu octets, after %d %zu\n", WARM, warm,
		CONNECTIONS, now);
	assert_true(now <= warm + SLACK);
}

/* What one more connected client takes, its packets' pool apart. */
static void a_connected_client_is_small(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 1);
	conf.ping_every = 100;
	struct world *w = world_new(&conf, &host);
	assert_true(world_until(w, world_is_up, SECONDS(5)));
	world_run(w, SECONDS(10));
	size_t before = heap();
	conn_free(w->conn);
	size_t of_one = before - heap();
	print_message("a connected client holds %zu octets\n", of_one);
	assert_true(of_one < CONNECTED_MOST);
	w->conn = NULL;
	world_free(w);
}

/* An hour of an idle tunnel: as many packets as its timers make, and no heap. */
static void an_idle_hour_costs_nothing(void **state)
{
	enum { MOST = 3600 / 20 * 2 + 3600 / 20 + 3600 / 30 * 2 + 3600 / 60 * 2 };
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 1);
	struct world *w = world_new(&conf, &host);
	assert_true(world_until(w, world_is_up, SECONDS(5)));
	world_run(w, SECONDS(30));
	size_t before = heap();
	unsigned sent = w->client_sent;
	world_run(w, SECONDS(3000));
	print_message("%u packets in 50 idle minutes\n", w->client_sent - sent);
	assert_true(heap() <= before + SLACK);
	assert_true(w->client_sent - sent <= MOST);
	world_disconnect(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_connections_leave_nothing),
		cmocka_unit_test(a_connected_client_is_small),
		cmocka_unit_test(an_idle_hour_costs_nothing),
	};

	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

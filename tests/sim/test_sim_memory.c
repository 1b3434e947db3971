/* Many connections in one process: after the first few neither heap nor packets grow.
 *
 *	test_sim_memory [N]     N connections (1000) one after the other */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/str.h"
#include "tests/sim/heap.h"
#include "tests/sim/world.h"

enum { WARM = 100, SLACK = 16 * 1024, CONNECTED_MOST = 512 * 1024 };

static struct sim_host host;
static uint64_t connections = 1000;

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

static void many_connections_leave_nothing(void **state)
{
	size_t warm = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= connections; seed++) {
		connect_once(seed);
		if (seed == WARM)
			warm = heap();
	}
	size_t now = heap();
	print_message(
		"figure: heap after %d connections %zu octets, after %llu %zu (goal: at most %d "
		"more)\n",
		WARM, warm, (unsigned long long)connections, now, SLACK);
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
	print_message(
		"figure: a connected client holds %zu octets (goal %d)\n", of_one, CONNECTED_MOST);
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

static uint64_t trace_of(uint64_t seed)
{
	struct world_conf conf;

	world_defaults(&conf, seed);
	struct world *w = world_new(&conf, &host);
	world_run(w, SECONDS(3));
	world_disconnect(w);
	uint64_t hash = sim_hash(w->sim);
	world_free(w);
	return hash;
}

/* Every octet that leaves was written: whatever buffers and heap held before, a connection's packets
 * are the same. */
static void cve_2016_6415_what_memory_held_before_does_not_leave(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		mallopt(M_PERTURB, 0x5a);
		uint64_t hash = trace_of(seed);
		mallopt(M_PERTURB, 0xa5);
		trace_of(seed + 1000);
		assert_true(trace_of(seed) == hash);
	}
	mallopt(M_PERTURB, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_connections_leave_nothing),
		cmocka_unit_test(a_connected_client_is_small),
		cmocka_unit_test(an_idle_hour_costs_nothing),
		cmocka_unit_test(cve_2016_6415_what_memory_held_before_does_not_leave),
	};

	if (argc > 2 || (argc == 2 && !str_uint(argv[1], WARM, UINT32_MAX, &connections))) {
		print_error("usage: test_sim_memory [N], %d connections or more\n", WARM);
		return 2;
	}
	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

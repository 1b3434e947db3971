/* No path leads to "up" without its proof: every machine by itself, from every reachable state, with
 * everything that can happen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sim/walk.h"
#include "tests/sim/world.h"

static struct sim_host host;
static struct env env;

static void go(const struct walk_machine *m, unsigned depth)
{
	struct walk_result r = walk(m, depth, &env);

	print_message("%-5s %6u states (%u of them up, %u ended) to depth %u, %u steps\n", m->name,
		r.states, r.ups, r.ends, r.deepest, r.steps);
	assert_true(r.ups > 0);
	assert_true(r.ends > 0);
	assert_true(r.deepest >= 6);
}

static void ike_is_never_up_without_proof(void **state)
{
	(void)state;
	go(&walk_ike, 12);
}

static void l2tp_is_never_up_without_proof(void **state)
{
	(void)state;
	go(&walk_l2tp, 14);
}

static void ppp_is_never_up_without_proof(void **state)
{
	(void)state;
	go(&walk_ppp, 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ike_is_never_up_without_proof),
		cmocka_unit_test(l2tp_is_never_up_without_proof),
		cmocka_unit_test(ppp_is_never_up_without_proof),
	};

	sim_host_open(&host);
	env = (struct env){.rng = sim_rng, .pool = host.pool, .crypto = host.crypto};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

/* A forger on the path (forge.h), each of his forgeries at each step of a connection, beside the same
 * connection without him.
 *
 *	test_sim_forged                           a few of each forgery, one seed
 *	test_sim_forged --full [SEEDS]            1000 of each forgery in a step, figures
 *	test_sim_forged --run NAME VARIANT STEP   one of them, with its trace */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"
#include "tests/sim/forge.h"

enum {
	TRIP = 50,   /* ms, both ways */
	ADDED = 100, /* ms, at most */
	AFTER_UP = 400,
	LIFE_S = 10, /* of what is renewed */
	PING_EVERY = 10,
	FEW = 40,
	MANY = 1000,
};

static struct sim_host host;
static unsigned count = FEW, seeds = 1;
static bool verbose;

struct outcome {
	bool complete;
	msec took;     /* to what the step leads to */
	unsigned lost; /* pings, once it is up */
	unsigned forged;
};

/* ---- one connection ---- */

static struct world_conf conf_of(enum forge_step step, uint64_t seed)
{
	struct world_conf conf;

	world_defaults(&conf, seed);
	conf.trace = verbose;
	conf.way[SIM_CLIENT] = conf.way[SIM_GATEWAY] = (struct sim_way){.delay = TRIP / 2};
	conf.client.reconnect = false;
	if (step == AT_REKEY)
		conf.client.stack.ike.esp_life_s = LIFE_S;
	if (step == AT_RENEWAL)
		conf.client.stack.ike.ike_life_s = LIFE_S;
	if (step == AT_UP)
		conf.gateway.dpd_every = 300;
	return conf;
}

static unsigned renewals(const struct world *w, enum forge_step step)
{
	struct conn_status st;

	conn_get_status(w->conn, &st);
	return step == AT_RENEWAL ? st.stack.ike.main_modes : st.stack.ike.quick_modes;
}

static bool is_renewed(const struct world *w)
{
	return w->ended || renewals(w, AT_REKEY) > 1 || renewals(w, AT_RENEWAL) > 1;
}

/* What happens once the tunnel is up, under pings; how long it took. */
static msec after_up(struct world *w, struct forger *f, enum forge_step step)
{
	msec began = world_now(w);

	if (f)
		forger_at_up(f);
	if (step == AT_GATEWAY_REKEY)
		world_at(w, 0, DO_GATEWAY_REKEY, 0);
	if (step > AT_UP && !world_until(w, is_renewed, 2 * SECONDS(LIFE_S)))
		return MSEC_NEVER;
	msec took = world_now(w) - began;
	world_run(w, SECONDS(1));
	return took;
}

static void start_pings(struct world *w)
{
	w->ping_due = MSEC_NEVER; /* the first ones may come before the gateway is ready */
	world_run(w, AFTER_UP);
	memset(&w->out, 0, sizeof(w->out));
	memset(&w->in, 0, sizeof(w->in));
	w->conf.ping_every = PING_EVERY;
	w->ping_due = world_now(w);
}

/* Pings end, and the last ones have as long as any to be answered. */
static unsigned lost_pings(struct world *w)
{
	w->ping_due = MSEC_NEVER;
	w->conf.ping_every = 0;
	world_run(w, TRIP + ADDED);
	return w->out.sent - w->out.answered + w->in.sent - w->in.answered;
}

/* `what`: NULL for the same without a forger. */
static struct outcome connection(
	const struct forgery *what, unsigned variant, enum forge_step step, uint64_t seed)
{
	struct world_conf conf = conf_of(step, seed);
	struct world *w = world_new(&conf, &host);
	struct forger *f = NULL;
	struct outcome o = {0};

	if (what)
		f = forger_new(w, what, variant,
			what->class == FORGE_RACES_TWICE ? what->steps : 1u << step, count);
	if (world_until(w, world_is_up, SECONDS(120))) {
		o.took = w->up_at - w->began;
		start_pings(w);
		msec took = after_up(w, f, step);
		o.lost = lost_pings(w);
		o.complete = world_is_up(w) && took != MSEC_NEVER;
		if (step >= AT_UP)
			o.took = took;
	} else if (verbose) {
		print_message("%s (%s)\n", reason_row(w->end.id)->id, w->end.evidence);
	}
	if (f) {
		o.forged = f->sent;
		forger_free(f);
	}
	world_free(w);
	return o;
}

/* ---- all of them ---- */

struct tally {
	unsigned runs, complete, lost;
	uint64_t forged;
	msec added[1 << 17]; /* of those that are complete */
};

static struct tally tallies[FORGE_CLASSES];
static const char *const class_names[FORGE_CLASSES] = {
	[FORGE_PLAIN] = "forged packets",
	[FORGE_RACES] = "a forged message 2 or 4 before the true one",
	[FORGE_RACES_TWICE] = "three forged messages 2, then 4, before the true ones",
	[FORGE_FLOODS] = "a flood of forged messages 2 or 4 before the true one (no goal)",
};
static struct outcome quiet[FORGE_STEPS];

static void count_in(struct tally *t, const struct outcome *o, enum forge_step step)
{
	msec before = quiet[step].took;

	t->added[t->complete] = o->complete && o->took > before ? o->took - before : 0;
	t->runs++;
	t->complete += o->complete;
	t->lost += o->lost;
	t->forged += o->forged;
}

static void show(
	const struct forgery *what, unsigned variant, enum forge_step step, const struct outcome *o)
{
	if (o->complete && o->took <= quiet[step].took + ADDED && !o->lost)
		return;
	print_message("%s, variant %u, %s: %s, %llu ms instead of %llu, %u pings lost\n",
		what->name, variant, forge_step_name(step),
		o->complete ? "complete" : "NOT complete", (unsigned long long)o->took,
		(unsigned long long)quiet[step].took, o->lost);
}

static void run_forgery(const struct forgery *what, enum forge_step step, uint64_t seed)
{
	for (unsigned variant = 0; variant < what->variants; variant++) {
		struct outcome o = connection(what, variant, step, seed);

		if (!o.forged)
			fail_msg("%s, variant %u, %s: nothing was forged", what->name, variant,
				forge_step_name(step));
		count_in(&tallies[what->class], &o, step);
		show(what, variant, step, &o);
	}
}

static void run_all(uint64_t seed)
{
	for (int step = 0; step < FORGE_STEPS; step++) {
		quiet[step] = connection(NULL, 0, (enum forge_step)step, seed);
		assert_true(quiet[step].complete);
		assert_int_equal(quiet[step].lost, 0);
		for (size_t i = 0; i < n_forgeries; i++)
			if (forgeries[i].steps >> step & 1)
				run_forgery(&forgeries[i], (enum forge_step)step, seed);
	}
}

static int by_size(const void *a, const void *b)
{
	msec x = *(const msec *)a, y = *(const msec *)b;

	return x < y ? -1 : x > y;
}

static void figures(struct tally *t, const char *what)
{
	unsigned n = t->complete;

	qsort(t->added, n, sizeof(t->added[0]), by_size);
	print_message("figure: %s: %u connections under %llu forged packets, %.2f %% complete, "
		      "%u pings lost",
		what, t->runs, (unsigned long long)t->forged, 100.0 * t->complete / t->runs,
		t->lost);
	if (n)
		print_message("; added time p99 %llu ms, at most %llu ms",
			(unsigned long long)t->added[n * 99 / 100],
			(unsigned long long)t->added[n - 1]);
	print_message("\n");
}

static void forgeries_cost_neither_the_connection_nor_time(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++)
		run_all(seed);
	for (int class = 0; class < FORGE_CLASSES; class ++) {
		struct tally *t = &tallies[class];

		figures(t, class_names[class]);
		if (class == FORGE_FLOODS)
			continue;
		assert_true(t->complete * 1000ull >= t->runs * 999ull);
		assert_true(t->added[t->complete * 99 / 100] <= ADDED);
		assert_int_equal(t->lost, 0);
	}
}

/* ---- arguments ---- */

static int one(char **argv)
{
	uint64_t variant, step;

	verbose = true;
	count = MANY;
	for (size_t i = 0; i < n_forgeries; i++)
		if (strcmp(forgeries[i].name, argv[0]) == 0 &&
			str_uint(argv[1], 0, UINT32_MAX, &variant) &&
			str_uint(argv[2], 0, FORGE_STEPS - 1, &step) &&
			forgeries[i].steps >> step & 1)
			return !connection(
				&forgeries[i], (unsigned)variant, (enum forge_step)step, 1)
					.complete;
	return 2;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forgeries_cost_neither_the_connection_nor_time),
	};
	uint64_t n = 1;
	int failed;

	sim_host_open(&host);
	if (argc == 5 && strcmp(argv[1], "--run") == 0) {
		failed = one(argv + 2);
	} else if (argc == 1 || (strcmp(argv[1], "--full") == 0 &&
					(argc == 2 || str_uint(argv[2], 1, 1000, &n)))) {
		count = argc == 1 ? FEW : MANY;
		seeds = (unsigned)n;
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	} else {
		print_error("usage: test_sim_forged [--full [SEEDS] | --run NAME VARIANT STEP]\n");
		failed = 2;
	}
	sim_host_close(&host);
	return failed;
}

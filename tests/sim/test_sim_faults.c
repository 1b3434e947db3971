/* Everything that a bad network, a busy server and a slow user can do at once, drawn from a seed.
 *
 *	test_sim_faults                     2500 seeds, and what seeds have found
 *	test_sim_faults --seeds N [FIRST]   N seeds, FIRST (1) and the following
 *	test_sim_faults --seed N [-v]       one of them, -v with every packet and log line
 *
 * seeds.py runs any number of them on all cores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"
#include "tests/sim/world.h"

enum {
	SEEDS = 2500,
	FAULTS_LAST = 90000, /* ms from the beginning */
	AFTERWARDS = 300000, /* then it must have come right, or given up with a reason */
	CALM_PING = 5000,    /* ms between pings then */
	TWICE = 50,          /* each so many seeds one is run again for the same trace */
};

static struct sim_host host;
static uint64_t first_seed = 1, n_seeds = SEEDS;
static bool verbose;
static unsigned outcomes[REASONS], n_up, n_waiting, n_wrong;

/* ---- the draw ---- */

struct draw {
	uint64_t rng;
	bool forged, refused, damaged;
	bool silenced; /* for good, or for longer than a request is repeated */
};

static unsigned upto(struct draw *d, unsigned most)
{
	return (unsigned)(sim_mix(&d->rng) % (most + 1));
}

static bool percent(struct draw *d, unsigned chance)
{
	return upto(d, 99) < chance;
}

static void draw_network(struct draw *d, struct world_conf *conf)
{
	bool lossy = percent(d, 80), disordered = percent(d, 60);

	d->damaged = percent(d, 40);
	msec delay = upto(d, 80);
	for (int i = 0; i < SIM_ENDS; i++)
		conf->way[i] = (struct sim_way){
			.loss = lossy ? upto(d, 300) : 0,
			.reorder = disordered ? upto(d, 250) : 0,
			.duplicate = disordered ? upto(d, 100) : 0,
			.corrupt = d->damaged ? upto(d, 50) : 0,
			.delay = delay,
			.jitter = upto(d, 20),
			.overtaken = 50,
		};
	conf->nat = percent(d, 50);
}

static void draw_gateway(struct draw *d, struct gateway_conf *g)
{
	g->fake_nat_d = percent(d, 30);
	g->id_zero = percent(d, 20);
	g->transform_one = percent(d, 20);
	g->needs_natt = percent(d, 50);
	g->length_in_data = percent(d, 50);
	g->sequence_in_data = percent(d, 20);
	g->rejects_magic = percent(d, 30);
	g->window = (uint16_t)(1 + upto(d, 7));
	g->lcp_delay = percent(d, 30) ? upto(d, 3000) : 0;
	g->login_delay = percent(d, 30) ? upto(d, 3000) : 0;
	g->hello_every = percent(d, 40) ? SECONDS(5 + upto(d, 30)) : 0;
	g->dpd_every = percent(d, 40) ? SECONDS(5 + upto(d, 30)) : 0;
	g->rekeys_every = percent(d, 20) ? SECONDS(10 + upto(d, 60)) : 0;
	g->drops_ike_after = percent(d, 20) ? SECONDS(10 + upto(d, 60)) : 0;
	d->silenced = g->drops_ike_after;
	g->life_s = percent(d, 20) ? 30 + upto(d, 120) : 0;
}

static void draw_client(struct draw *d, struct world_conf *conf)
{
	struct stack_conf *s = &conf->client.stack;

	conf->client.reconnect = percent(d, 70);
	conf->client.keep_trying = percent(d, 30);
	if (percent(d, 50))
		s->ppp.password = slice_str(conf->typed);
	s->ike.esp_life_s = percent(d, 20) ? 30 + upto(d, 100) : 3600;
	s->ike.ike_life_s = percent(d, 20) ? 40 + upto(d, 100) : 28800;
	if (percent(d, 20))
		s->ike.proposals.pfs = conf->gateway.accept.pfs = DH_ECP256;
	conf->addresses = 1 + percent(d, 10);
	for (int q = 0; q < ASK_HANDOVER; q++) {
		conf->answers[q].after = percent(d, 40) ? upto(d, 4000) : 0;
		if (percent(d, 2)) {
			conf->answers[q].reply = percent(d, 50) ? REPLY_NO : REPLY_NEVER;
			d->refused = true;
		}
	}
}

static void draw_events(struct draw *d, struct world *w)
{
	static const struct {
		enum world_action action;
		unsigned chance, most; /* percent, how often */
	} table[] = {
		{DO_RESTART, 25, 2},
		{DO_GATEWAY_REKEY, 40, 3},
		{DO_DELETE_ESP, 20, 2},
		{DO_DELETE_IKE, 20, 2},
		{DO_STOP_L2TP, 5, 1},
		{DO_REBIND, 20, 2},
		{DO_RENEW, 8, 1},
		{DO_FORGE, 30, 8},
		{DO_CLOSE, 5, 1},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!percent(d, table[i].chance))
			continue;
		d->forged |= table[i].action == DO_FORGE;
		d->silenced |= table[i].action == DO_RESTART || table[i].action == DO_DELETE_IKE;
		for (unsigned n = 1 + upto(d, table[i].most - 1); n > 0; n--)
			world_at(w, upto(d, FAULTS_LAST - 1), table[i].action, 1 + upto(d, 3));
	}
	if (percent(d, 25)) {
		msec at = upto(d, FAULTS_LAST / 2);

		d->silenced = true;
		world_at(w, at, DO_CUT, upto(d, 2));
		world_at(w, at + 500 + upto(d, FAULTS_LAST / 3), DO_HEAL, 0);
	}
	world_at(w, FAULTS_LAST, DO_QUIET, 0);
}

/* ---- the verdict ---- */

/* With the right secrets no reason may say that one is wrong. */
static bool is_allowed(const struct draw *d, enum reason_id id)
{
	switch ((int)id) {
	case REASON_NET_DNS:
	case REASON_LOCAL_SOCKET:
	case REASON_LOCAL_ROUTES:
	case REASON_LOCAL_TUN:
	case REASON_PASSWORD_NEEDED:
		return d->refused;
	case REASON_IKE_PSK_WRONG: /* who forges message 3 can do this */
	case REASON_IKE_PEER_AUTH:
	case REASON_IKE_NO_PROPOSAL:
	case REASON_IKE_FAIL:
		return d->forged;
	case REASON_ESP_MODIFIED: /* nothing else came through, on the way or from a forger */
		return d->damaged || d->forged;
	case REASON_PPP_NO_ADDRESS: /* it is lost with the rest */
		return d->silenced;
	case REASON_PPP_AUTH_REFUSED:
	case REASON_PPP_MUTUAL_AUTH:
	case REASON_PPP_AUTH_METHOD:
	case REASON_PPP_ADDRESS_BAD:
	case REASON_PPP_LOOPBACK:
	case REASON_PPP_NOT_CONVERGING:
	case REASON_IKE_QM_REFUSED:
	case REASON_L2TP_FAIL:
	case REASON_L2TP_AUTH:
	case REASON_LOCAL_NO_MEMORY:
	case REASON_LOCAL_CRYPTO:
	case REASON_CONFIG:
		return false;
	default:
		return true;
	}
}

static void judge(struct world *w, const struct draw *d)
{
	struct conn_status st;

	conn_get_status(w->conn, &st);
	for (unsigned i = 0; i < w->n_reasons; i++)
		if (!is_allowed(d, w->reasons[i]))
			world_wrong(w, "%s, which cannot be", reason_row(w->reasons[i])->id);
	if (w->ended) {
		outcomes[w->end.id]++;
	} else if (world_is_up(w)) {
		n_up++;
		if (!world_pings_pass(w, 5))
			world_wrong(w, "it says up and pings do not pass");
	} else {
		n_waiting++;
		if (!d->refused)
			world_wrong(w, "still %s after %d s without faults",
				conn_state_name(st.state), AFTERWARDS / 1000);
	}
}

/* The others go on. */
static void note_wrong(struct world *w)
{
	if (!*w->wrong)
		return;
	n_wrong++;
	print_message("wrong: test_sim_faults --seed %llu -v: %s\n",
		(unsigned long long)w->conf.seed, w->wrong);
	*w->wrong = 0;
}

/* Not drawn: a seed's other lots stay as they were before there were planes. */
static void draw_plane(uint64_t seed, struct world_conf *conf)
{
	conf->kernel_esp = seed % 4 == 0;
	conf->kernel_session = seed % 8 == 0;
	conf->raw_esp = seed % 3 == 0;
	conf->drops_raw = seed % 9 == 0;
	if (seed % 5 == 0)
		conf->answers[ASK_HANDOVER].after = 100 + seed % 4000;
	if (seed % 7 == 0)
		conf->answers[ASK_HANDOVER].reply = seed % 3 ? REPLY_NO : REPLY_NEVER;
}

static uint64_t run(uint64_t seed)
{
	struct draw d = {.rng = seed};
	struct world_conf conf;

	world_defaults(&conf, seed);
	draw_network(&d, &conf);
	draw_gateway(&d, &conf.gateway);
	draw_client(&d, &conf);
	conf.ping_every = 250 + upto(&d, 2000);
	conf.trace = verbose;
	draw_plane(seed, &conf);
	struct world *w = world_new(&conf, &host);
	draw_events(&d, w);
	world_run(w, FAULTS_LAST);
	w->conf.ping_every = CALM_PING;
	world_run(w, AFTERWARDS);
	judge(w, &d);
	if (!w->ended)
		world_disconnect(w);
	uint64_t hash = sim_hash(w->sim);
	note_wrong(w);
	world_free(w);
	return hash;
}

static void print_outcomes(void)
{
	print_message("%llu seeds: %u up, %u waiting for an answer", (unsigned long long)n_seeds,
		n_up, n_waiting);
	for (int id = 0; id < REASONS; id++)
		if (outcomes[id])
			print_message(", %u %s", outcomes[id],
				id ? reason_row((enum reason_id)id)->id : "ended by the user");
	print_message(", %u wrong\n", n_wrong);
}

static void every_seed_comes_up_proven_or_ends_with_a_reason(void **state)
{
	(void)state;
	for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++)
		run(seed);
	print_outcomes();
	assert_int_equal(n_wrong, 0);
}

static void a_seed_is_a_trace(void **state)
{
	(void)state;
	for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed += TWICE)
		if (run(seed) != run(seed))
			fail_msg("seed %llu: two runs, two traces", (unsigned long long)seed);
}

/* ---- what seeds have found ---- */

/* The gateway deletes its pairs, and its Delete is lost. */
static void lose_a_delete(struct world *w)
{
	world_at(w, 0, DO_CUT, SIM_CLIENT + 1);
	world_at(w, 0, DO_DELETE_ESP, 0);
	world_at(w, 1, DO_HEAL, 0);
	world_run(w, 2);
}

static bool has_logged_in(const struct world *w)
{
	struct gateway_status st;

	gateway_get_status(w->gateway, &st);
	return st.logins;
}

static bool has_pair_again(const struct world *w)
{
	struct gateway_status st;

	gateway_get_status(w->gateway, &st);
	return st.pairs;
}

/* Seed 70731: with its IKE alive, nothing but the silence shows that the gateway has no pair. */
static void a_lost_delete_does_not_end_a_connect(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 1);
	conf.way[SIM_CLIENT].delay = conf.way[SIM_GATEWAY].delay = 25;
	struct world *w = world_new(&conf, &host);
	assert_true(world_until(w, has_logged_in, SECONDS(5)));
	lose_a_delete(w);
	assert_false(has_pair_again(w));
	assert_true(world_until(w, world_is_up, SECONDS(20)));
	assert_true(world_pings_pass(w, 5));
	world_disconnect(w);
	world_free(w);
}

static void a_lost_delete_does_not_end_an_idle_tunnel(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 1);
	conf.way[SIM_CLIENT].delay = conf.way[SIM_GATEWAY].delay = 25;
	struct world *w = world_new(&conf, &host);
	assert_true(world_until(w, world_is_up, SECONDS(5)));
	lose_a_delete(w);
	assert_true(
		world_until(w, has_pair_again, SECONDS(25))); /* the echo after 18 s, 4 s more */
	world_run(w, SECONDS(5));
	assert_true(world_pings_pass(w, 5));
	assert_int_equal(w->ups, 1);
	world_disconnect(w);
	world_free(w);
}

/* A gateway that drops ESP and answers IKE is asked for new pairs seldom, and given up in time. */
static void silence_on_every_pair_is_no_storm(void **state)
{
	struct gateway_status before, after;
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 1);
	struct world *w = world_new(&conf, &host);
	assert_true(world_until(w, world_is_up, SECONDS(5)));
	gateway_get_status(w->gateway, &before);
	world_at(w, 0, DO_SILENCE, true);
	assert_true(world_until(w, world_has_ended, SECONDS(35)));
	assert_int_equal(w->end.id, REASON_LINK_LOST);
	gateway_get_status(w->gateway, &after);
	assert_in_range(after.quick_modes - before.quick_modes, 1, 2);
	world_free(w);
}

/* ---- arguments ---- */

static bool number(const char *text, uint64_t *to)
{
	return text && str_uint(text, 1, UINT32_MAX, to);
}

static bool arguments(int argc, char **argv)
{
	if (argc == 1)
		return true;
	if (strcmp(argv[1], "--seeds") == 0)
		return argc <= 4 && number(argv[2], &n_seeds) &&
		       (argc == 3 || number(argv[3], &first_seed));
	n_seeds = 1;
	verbose = argc == 4 && strcmp(argv[3], "-v") == 0;
	return strcmp(argv[1], "--seed") == 0 && number(argv[2], &first_seed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_seed_comes_up_proven_or_ends_with_a_reason),
		cmocka_unit_test(a_seed_is_a_trace),
		cmocka_unit_test(a_lost_delete_does_not_end_a_connect),
		cmocka_unit_test(a_lost_delete_does_not_end_an_idle_tunnel),
		cmocka_unit_test(silence_on_every_pair_is_no_storm),
	};
	int failed;

	if (!arguments(argc, argv)) {
		print_error("usage: test_sim_faults [--seeds N [FIRST] | --seed N [-v]]\n");
		return 2;
	}
	sim_host_open(&host);
	if (argc > 1)
		failed = _cmocka_run_group_tests("faults", tests, 1, NULL, NULL);
	else
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

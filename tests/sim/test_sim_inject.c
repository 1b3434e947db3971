/* Memory and OpenSSL's functions fail, each call once in its turn, over whole lives of a connection:
 * connect, pings, renewals of both phases by both sides, the gateway's restart, disconnect. Whatever
 * fails, the client comes back and passes pings, or ends with a reason of its own host's; nothing is
 * left, and what must always hold on the wire holds.
 *
 *	test_sim_inject                       every 31st of each
 *	test_sim_inject --all                 each
 *	test_sim_inject --one KIND LIFE K     one: KIND memory, while, zero or minus; a trace
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/crypto_esp.h"
#include "base/str.h"
#include "tests/sim/inject.h"
#include "tests/sim/world.h"

/* ---- lives ---- */

enum {
	LIFE_LASTS = 100000, /* ms */
	RECOVERY = 60000,    /* more of them after the last fault */
	A_WHILE = 5000,      /* memory stays short for so long */
};

static const struct life {
	const char *ike, *esp;
	enum dh_group pfs;
	unsigned auth;
	uint16_t asked;  /* by the gateway, for authentication */
	bool without_mb; /* every packet goes through OpenSSL */
} lives[] = {
	{"aes256-sha256-curve25519", "aes256-sha1", DH_NONE, PPP_AUTH_MSCHAPV2, 0xc223, false},
	{"aes128-sha1-ecp256", "aes128gcm16", DH_ECP256, PPP_AUTH_CHAP_MD5, GATEWAY_CHAP_MD5, true},
	{"3des-sha1-modp1024", "3des-md5", DH_NONE, PPP_AUTH_PAP, 0xc023, false},
};
enum {
	LIVES = sizeof(lives) / sizeof(lives[0]),
	SETUP = LIVES /* in place of a life: crypto_new() */
};

static void fill(struct world_conf *conf, const struct life *life)
{
	struct stack_conf *s = &conf->client.stack;
	const char *bad;

	if (!ike_suites_parse(life->ike, &s->ike.proposals, &bad) ||
		!esp_suites_parse(life->esp, &s->ike.proposals, &bad))
		abort();
	s->ike.proposals.pfs = life->pfs;
	conf->gateway.accept = s->ike.proposals;
	conf->gateway.rekey_pfs = life->pfs;
	s->ppp.auth = life->auth;
	conf->gateway.auths[0] = life->asked;
	s->ike.esp_life_s = s->ike.ike_life_s = 40;
	s->ike.dpd_interval = SECONDS(5);
	s->ppp.echo_interval = SECONDS(5);
	s->ppp.echo_patience = SECONDS(10);
	conf->client.reconnect = conf->client.keep_trying = true;
	conf->gateway.dpd_every = SECONDS(15);
	conf->gateway.hello_every = SECONDS(20);
	conf->ping_every = SECONDS(2);
	conf->way[SIM_CLIENT].delay = conf->way[SIM_GATEWAY].delay = 10;
	conf->answers[ASK_ADDRESSES].after = 1; /* world_new() is no part of it */
	conf->nat = true;
}

static void plan(struct world *w)
{
	world_at(w, SECONDS(5), DO_GATEWAY_REKEY, 0);
	world_at(w, SECONDS(10), DO_DELETE_IKE, 0);
	world_at(w, SECONDS(15), DO_DELETE_ESP, 0);
	world_at(w, SECONDS(20), DO_REBIND, 0);
	world_at(w, SECONDS(50), DO_RESTART, 0);
}

/* ---- what is tried, and what came of it ---- */

enum { ALL = 1, SOME = 31 };

static struct sim_host host;
static unsigned sparse = SOME, wrong;
static bool trace;
static struct tally {
	unsigned runs, wrong, leaky, unharmed, recovered, ended[REASONS], retried[REASONS];
	uint64_t failed;
} tally;

struct trial {
	const char *kind;
	int life; /* or SETUP */
	struct injection what;
};

static const struct {
	const char *name;
	struct injection what;
} kinds[] = {
	{"memory", {.kind = INJECT_MEMORY}},
	{"while", {.kind = INJECT_MEMORY, .lasts = A_WHILE}},
	{"zero", {.kind = INJECT_CALLS}},
	{"minus", {.kind = INJECT_CALLS, .negative = true}},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* A fault of this host is no other's fault: none of these may be said. */
static bool blames_others(enum reason_id id)
{
	static const enum reason_id blames[] = {REASON_CONFIG, REASON_PASSWORD_NEEDED,
		REASON_IKE_NO_PROPOSAL, REASON_IKE_PSK_WRONG, REASON_IKE_ID_REFUSED,
		REASON_IKE_PEER_AUTH, REASON_IKE_QM_REFUSED, REASON_ESP_MODIFIED, REASON_L2TP_AUTH,
		REASON_PPP_NOT_CONVERGING, REASON_PPP_LOOPBACK, REASON_PPP_AUTH_METHOD,
		REASON_PPP_AUTH_REFUSED, REASON_PPP_MUTUAL_AUTH, REASON_PPP_ADDRESS_BAD};

	for (size_t i = 0; i < sizeof(blames) / sizeof(blames[0]); i++)
		if (blames[i] == id)
			return true;
	return false;
}

static void judge(struct world *w, unsigned ups)
{
	unsigned last = w->ended ? w->n_reasons - 1 : w->n_reasons;

	for (unsigned i = 0; i < w->n_reasons; i++)
		if (blames_others(w->reasons[i]))
			world_wrong(w, "%s, when %s failed", reason_row(w->reasons[i])->id,
				inject_last());
	for (unsigned i = 0; i < last; i++)
		tally.retried[w->reasons[i]]++;
	if (w->ended) {
		tally.ended[w->end.id]++;
		if (w->ups)
			world_wrong(w, "a tunnel that was up ended with %s when %s failed",
				reason_row(w->end.id)->id, inject_last());
		return;
	}
	msec before = world_now(w);
	bool pass = world_pings_pass(w, 3);
	if (!pass && inject_over() >= before) /* it struck one of them */
		pass = world_pings_pass(w, 3);
	if (!pass)
		world_wrong(w, "pings do not pass after %s failed", inject_last());
	if (w->ups > ups)
		tally.recovered++;
	else
		tally.unharmed++;
}

/* All that goes wrong is shown; the test fails at its end. */
static void note_wrong(const struct trial *t, struct world *w)
{
	if (!*w->wrong)
		return;
	print_error("%s\n\tsee it: test_sim_inject --one %s %d %llu\n", w->wrong, t->kind, t->life,
		(unsigned long long)t->what.at);
	*w->wrong = 0;
	tally.wrong++;
}

static bool is_over(const struct world *w)
{
	return w->ended || (world_is_up(w) && world_now(w) >= inject_over() &&
				   world_now(w) >= w->began + LIFE_LASTS);
}

/* One life, with that fault; how many calls there were. */
static uint64_t live(const struct trial *t)
{
	static unsigned ups[LIVES]; /* as it is without a fault */
	struct world_conf conf;

	world_defaults(&conf, 1);
	fill(&conf, &lives[t->life]);
	conf.trace = trace;
	struct world *w = world_new(&conf, &host);
	plan(w);
	inject_arm(&t->what);
	world_run(w, LIFE_LASTS);
	if (!world_until(w, is_over, RECOVERY))
		world_wrong(w, "not up %d s after %s failed", RECOVERY / 1000, inject_last());
	if (!t->what.at)
		ups[t->life] = w->ups;
	judge(w, ups[t->life]);
	if (!w->ended)
		world_disconnect(w);
	inject_disarm();
	uint64_t seen = inject_seen();
	tally.failed += inject_failed();
	tally.runs++;
	note_wrong(t, w);
	world_free(w);
	return seen;
}

/* OpenSSL 3.0 loses some pieces itself when it is set up without memory; that it loses none of what
 * we hold shows when its functions fail instead. */
static bool may_leak(const struct trial *t)
{
	return t->life == SETUP && t->what.kind == INJECT_MEMORY;
}

/* With what the first SA needs. */
static struct crypto *new_crypto(msec now)
{
	static const struct esp_suite suite = {
		.cipher = ESP_AES_CBC, .key_len = 16, .auth = HASH_SHA1, .icv_len = 12};
	static const uint8_t key[32];

	inject_enter(now);
	struct crypto *c = crypto_new();
	if (c)
		crypto_esp_free(crypto_esp_new(c, &suite, key, key, CRYPTO_ESP_SEAL));
	inject_leave();
	return c;
}

/* OpenSSL itself is set up with that fault, and what then there is must do or be refused. */
static uint64_t set_up(const struct trial *t)
{
	inject_arm(&t->what);
	if (may_leak(t))
		inject_leaks(true);
	struct crypto *c = new_crypto(0);
	if (may_leak(t))
		inject_leaks(false);
	inject_disarm();
	uint64_t seen = inject_seen();
	tally.failed += inject_failed();
	tally.runs++;
	if (!c) {
		tally.ended[REASON_LOCAL_CRYPTO]++;
		return seen;
	}
	struct world_conf conf;
	world_defaults(&conf, 1);
	conf.answers[ASK_ADDRESSES].after = 1;
	struct world *w = world_new(&conf, &host);
	w->client_env.crypto = c;
	world_run(w, SECONDS(40));
	if (w->ended)
		tally.ended[w->end.id]++;
	else if (!world_is_up(w) || !world_pings_pass(w, 3))
		world_wrong(w, "neither up nor ended after %s failed", inject_last());
	else
		tally.unharmed++;
	/* An ESP suite that OpenSSL lacks is one that cannot be installed. */
	if (w->ended && w->end.id != REASON_LOCAL_CRYPTO && w->end.id != REASON_ESP_PLANE)
		world_wrong(w, "%s, when %s failed", reason_row(w->end.id)->id, inject_last());
	if (!w->ended)
		world_disconnect(w);
	note_wrong(t, w);
	world_free(w);
	crypto_free(c);
	return seen;
}

static uint64_t run(const struct trial *t)
{
	host.pool = pkt_pool_new();
	uint64_t seen = t->life == SETUP ? set_up(t) : live(t);
	pkt_pool_free(host.pool);
	inject_settle();
	return seen;
}

/* What is in use when nothing is; OpenSSL's contexts may lose and regain a piece of theirs. */
static int64_t steady[INJECT_OWNERS];

static void remember_live(void)
{
	for (int i = 0; i < INJECT_OWNERS; i++)
		steady[i] = inject_live((enum inject_owner)i);
}

static uint64_t try(const struct trial *t)
{
	uint64_t seen = run(t);
	int64_t ours = inject_live(INJECT_OURS) - steady[INJECT_OURS];
	int64_t openssl = inject_live(INJECT_OPENSSL) - steady[INJECT_OPENSSL];

	if (openssl > 0 && may_leak(t)) {
		tally.leaky++;
		remember_live();
		openssl = 0;
	}
	if (ours != 0 || openssl > 0) {
		print_error("%lld pieces of memory and %lld of OpenSSL's are left after %s failed\n"
			    "\tsee it: test_sim_inject --one %s %d %llu\n",
			(long long)ours, (long long)openssl, inject_last(), t->kind, t->life,
			(unsigned long long)t->what.at);
		tally.wrong++;
	}
	return seen;
}

static void print_reasons(const char *what, const unsigned *counts)
{
	for (int id = 0; id < REASONS; id++)
		if (counts[id])
			print_message(
				", %u %s %s", counts[id], what, reason_row((enum reason_id)id)->id);
}

static void open_crypto(int life)
{
	host.crypto = crypto_new();
	assert_non_null(host.crypto);
	if (life < LIVES && lives[life].without_mb)
		crypto_esp_without_mb(host.crypto);
}

/* Each call in its turn, or each so many of them. */
static void try_all(const char *what, int life, unsigned kind, unsigned each)
{
	struct trial t = {.kind = kinds[kind].name, .life = life, .what = kinds[kind].what};

	open_crypto(life);
	tally = (struct tally){0};
	run(&t); /* OpenSSL keeps some things that it has made once */
	remember_live();
	uint64_t calls = try(&t);
	assert_int_equal(tally.wrong, 0); /* as it is without a fault */
	tally = (struct tally){0};
	for (t.what.at = 1 + each / 2; t.what.at <= calls; t.what.at += each)
		try(&t);
	print_message(
		"figure: %s: %u of %llu made to fail", what, tally.runs, (unsigned long long)calls);
	if (tally.failed > tally.runs)
		print_message(" (%llu with those after it)", (unsigned long long)tally.failed);
	print_message(": %u harmless, %u recovered", tally.unharmed, tally.recovered);
	print_reasons("retried for", tally.retried);
	print_reasons("ended with", tally.ended);
	if (tally.leaky)
		print_message(", after %u OpenSSL kept memory of its own", tally.leaky);
	print_message("; 0 crashed, %u wrong or left something\n", tally.wrong);
	wrong += tally.wrong;
	crypto_free(host.crypto);
}

static void try_lives(const char *what, unsigned kind, unsigned each)
{
	char name[96];

	for (int life = 0; life < LIVES; life++) {
		snprintf(name, sizeof(name), "%s, %s", what, lives[life].ike);
		try_all(name, life, kind, each);
	}
}

static void every_allocation_fails_once(void **state)
{
	(void)state;
	wrong = 0;
	try_lives("allocations", 0, sparse);
	assert_int_equal(wrong, 0);
}

static void memory_stays_short_for_a_while(void **state)
{
	(void)state;
	wrong = 0;
	try_lives("allocations and all of the next 5 s", 1, sparse);
	assert_int_equal(wrong, 0);
}

static void every_call_of_openssl_fails_once(void **state)
{
	(void)state;
	wrong = 0;
	try_lives("calls of OpenSSL that give 0 or NULL", 2, sparse);
	try_lives("calls of OpenSSL that give -1 or NULL", 3, sparse);
	assert_int_equal(wrong, 0);
}

static void openssl_is_set_up_in_spite_of_it(void **state)
{
	(void)state;
	wrong = 0;
	try_all("allocations while OpenSSL is set up", SETUP, 0, sparse * SOME);
	try_all("calls while OpenSSL is set up that give 0 or NULL", SETUP, 2, ALL);
	try_all("calls while OpenSSL is set up that give -1 or NULL", SETUP, 3, ALL);
	assert_int_equal(wrong, 0);
}

/* ---- key agreement, in every group ---- */

/* A secret or none; how many calls that took. */
static uint64_t agree(enum dh_group group, const struct injection *what, bool *agreed)
{
	uint64_t state = 1;
	const struct env env = {.rng = sim_rng, .ctx = &state, .crypto = host.crypto};
	struct dh *peer = dh_new(&env, group);
	uint8_t secret[DH_SECRET_MAX];

	assert_non_null(peer);
	inject_arm(what);
	inject_enter(0);
	struct dh *own = dh_new(&env, group);
	*agreed = own && dh_agree(own, dh_public(peer), secret);
	inject_leave();
	inject_disarm();
	dh_free(own);
	dh_free(peer);
	inject_settle();
	return inject_seen();
}

static void try_group(enum dh_group group, struct injection what)
{
	bool agreed;

	agree(group, &what, &agreed);
	remember_live();
	uint64_t calls = agree(group, &what, &agreed);
	assert_true(agreed && calls);
	for (what.at = 1; what.at <= calls; what.at++) {
		agree(group, &what, &agreed);
		tally.runs++;
		tally.unharmed += agreed;
		if (agreed && what.kind == INJECT_CALLS) {
			print_error("group %d has a secret and %s failed\n", group, inject_last());
			tally.wrong++;
		}
		if (inject_live(INJECT_OURS) != steady[INJECT_OURS] ||
			inject_live(INJECT_OPENSSL) > steady[INJECT_OPENSSL]) {
			print_error(
				"group %d leaves memory when %s failed\n", group, inject_last());
			tally.wrong++;
		}
	}
}

static void no_group_gives_a_secret_when_a_call_fails(void **state)
{
	static const enum dh_group groups[] = {DH_MODP1024, DH_MODP1536, DH_MODP2048, DH_MODP3072,
		DH_MODP4096, DH_ECP256, DH_ECP384, DH_ECP521, DH_CURVE25519};

	(void)state;
	tally = (struct tally){0};
	open_crypto(0);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (unsigned k = 0; k < KINDS; k++)
			if (!kinds[k].what.lasts)
				try_group(groups[i], kinds[k].what);
	print_message("figure: Diffie-Hellman in %zu groups: %u calls and allocations made to "
		      "fail, after %u allocations there was a secret all the same, %u wrong or "
		      "left something\n",
		sizeof(groups) / sizeof(groups[0]), tally.runs, tally.unharmed, tally.wrong);
	crypto_free(host.crypto);
	assert_int_equal(tally.wrong, 0);
}

/* The last test: inject_calls.h has nothing in it that the others never come to. */
static void every_function_of_openssl_has_failed(void **state)
{
	(void)state;
	assert_int_equal(inject_untouched(), 0);
}

/* ---- arguments ---- */

static int usage(void)
{
	print_error("usage: test_sim_inject [--all | --one KIND LIFE K]\n");
	return 2;
}

static int one(char **argv)
{
	struct trial t = {0};
	uint64_t life, at;

	for (unsigned i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].name, argv[0]) == 0)
			t = (struct trial){.kind = kinds[i].name, .what = kinds[i].what};
	if (!t.kind || !str_uint(argv[1], 0, LIVES, &life) ||
		!str_uint(argv[2], 0, UINT32_MAX, &at))
		return usage();
	t.life = (int)life;
	open_crypto(t.life);
	run(&t);
	t.what.at = at;
	trace = true;
	int64_t before = inject_live(INJECT_OURS) + inject_live(INJECT_OPENSSL);
	run(&t);
	print_message("%s failed, %lld pieces of memory are left\n", inject_last(),
		(long long)(inject_live(INJECT_OURS) + inject_live(INJECT_OPENSSL) - before));
	crypto_free(host.crypto);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_fails_once),
		cmocka_unit_test(memory_stays_short_for_a_while),
		cmocka_unit_test(every_call_of_openssl_fails_once),
		cmocka_unit_test(openssl_is_set_up_in_spite_of_it),
		cmocka_unit_test(no_group_gives_a_secret_when_a_call_fails),
		cmocka_unit_test(every_function_of_openssl_has_failed),
	};
	int failed;

	inject_setup();
	if (argc == 5 && strcmp(argv[1], "--one") == 0) {
		failed = one(argv + 2);
	} else if (argc == 1 || (argc == 2 && strcmp(argv[1], "--all") == 0)) {
		sparse = argc == 1 ? SOME : ALL;
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	} else {
		failed = usage();
	}
	return failed;
}

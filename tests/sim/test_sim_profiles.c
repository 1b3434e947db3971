/* The servers of the field, as the gateway plays them: each is reached with the tier and the settings
 * that its row says, and with less than that refused with a sentence that names what is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ike/ike_vid.h"
#include "tests/sim/world.h"

static struct sim_host host;

enum { TIERS = 3, TEXT = 400 };

static const char *const tiers[TIERS] = {"modern", "compatible", "legacy"};

static const struct server {
	const char *name, *tier;
	const char *suite; /* what main mode must come to */
	const char *kind;  /* as status names it */
	/* the keys of the file that it takes besides, NULL: none */
	const char *auth, *secret, *esp;
} servers[] = {
	{"softether", "modern", "aes256-sha256-modp2048", "SoftEther", NULL, NULL, NULL},
	{"strongswan", "modern", "aes256-sha256-modp2048", "strongSwan", NULL, NULL, NULL},
	{"libreswan", "modern", "aes256-sha256-modp2048", "", NULL, NULL, NULL},
	{"hwdsl2", "modern", "aes256-sha256-modp2048", "", NULL, NULL, NULL},
	{"windows", "modern", "aes256-sha1-ecp384", "", NULL, NULL, NULL},
	{"windows2003", "legacy", "3des-sha1-modp1024", "", NULL, NULL, NULL},
	{"mikrotik", "legacy", "aes256-sha1-modp1024", "", NULL, NULL, NULL},
	{"racoon", "compatible", "aes256-sha1-modp1536", "racoon", NULL, NULL, NULL},
	{"meraki", "legacy", "3des-sha1-modp1024", "", "pap", NULL, NULL},
	{"fortigate", "legacy", "aes192-sha1-modp1024", "", NULL, NULL, NULL},
	{"sonicwall", "legacy", "3des-sha1-modp1024", "", NULL, NULL, NULL},
	{"zyxel", "legacy", "3des-sha1-modp1024", "", NULL, NULL, NULL},
	{"cisco", "legacy", "aes256-sha1-modp1024", "", NULL, NULL, NULL},
	{"ciscoios", "legacy", "aes256-sha1-modp1024", "", NULL, NULL, NULL},
	{"pfsense", "modern", "aes256-sha1-modp2048", "strongSwan", "chap-md5", NULL, NULL},
	{"vyos", "legacy", "aes256-sha1-modp1024", "strongSwan", NULL, "tunnel secret", NULL},
	{"accel-ppp", "modern", "aes256-sha256-modp2048", "strongSwan", NULL, "tunnel secret",
		NULL},
	{"synology", "modern", "aes256-sha256-modp2048", "strongSwan", NULL, NULL,
		"aes256-sha256_96"},
	{"sophos", "modern", "aes256-sha256-modp2048", "strongSwan", NULL, NULL, NULL},
	{"unifi", "modern", "aes256-sha256-modp2048", "strongSwan", NULL, NULL, NULL},
	{"yamaha", "modern", "aes256-sha256-modp2048", "", NULL, NULL, NULL},
};

enum { SERVERS = sizeof(servers) / sizeof(servers[0]) };

static unsigned auth_bit(const char *name)
{
	return !name ? 0 : strcmp(name, "pap") == 0 ? PPP_AUTH_PAP : PPP_AUTH_CHAP_MD5;
}

static struct world_conf conf_for(const struct server *s, const char *tier)
{
	struct stack_conf *stack;
	struct world_conf conf;
	const char *wrong;

	world_defaults(&conf, 7);
	stack = &conf.client.stack;
	assert_true(gateway_profile(&conf.gateway, s->name));
	assert_true(ike_proposals_tier(tier, &stack->ike.proposals));
	if (s->esp)
		assert_true(esp_suites_parse(s->esp, &stack->ike.proposals, &wrong));
	stack->ppp.auth |= auth_bit(s->auth);
	if (s->secret)
		stack->l2tp.secret = conf.gateway.l2tp_secret = slice_str(s->secret);
	conf.way[SIM_CLIENT].delay = conf.way[SIM_GATEWAY].delay = 10;
	return conf;
}

static struct world *connected(struct world_conf *conf, const struct server *s)
{
	struct world *w = world_new(conf, &host);

	if (!world_until(w, world_is_up, SECONDS(30)))
		fail_msg("%s: %s (%s)", s->name, reason_row(w->end.id)->id, w->end.evidence);
	return w;
}

/* ---- with less than it takes ---- */

/* What is said then goes behind the server's figure. */
struct otherwise {
	const struct server *server;
	char *text;
	size_t len;
};

static void refused(struct otherwise *o, struct world_conf *conf, const char *without,
	const char *reason, const char *evidence)
{
	struct world *w = world_new(conf, &host);

	if (!world_until(w, world_has_ended, SECONDS(120)))
		fail_msg("%s, %s: up, or no end", o->server->name, without);
	if (strcmp(reason_row(w->end.id)->id, reason) != 0 || !strstr(w->end.evidence, evidence))
		fail_msg("%s, %s: %s (%s), not %s with \"%s\"", o->server->name, without,
			reason_row(w->end.id)->id, w->end.evidence, reason, evidence);
	world_free(w);
	o->len += (size_t)snprintf(o->text + o->len, TEXT - o->len, "; %s %s", without, reason);
	assert_true(o->len < TEXT);
}

static void without_the_tier(struct otherwise *o)
{
	char hint[REASON_HINT], names_it[64];

	snprintf(names_it, sizeof(names_it), "proposals = %s", o->server->tier);
	for (int i = 0; strcmp(tiers[i], o->server->tier) != 0; i++) {
		struct world_conf conf = conf_for(o->server, tiers[i]);

		refused(o, &conf, tiers[i], "IKE-NO-PROPOSAL", "offered aes256-sha256-modp2048");
		assert_non_null(
			strstr(reason_hint(REASON_IKE_NO_PROPOSAL, "corp", hint), names_it));
	}
}

static void without_the_method(struct otherwise *o)
{
	struct world_conf conf = conf_for(o->server, o->server->tier);

	conf.client.stack.ppp.auth = PPP_AUTH_MSCHAPV2;
	if (o->server->auth)
		refused(o, &conf, "without auth", "PPP-AUTH-METHOD", o->server->auth);
}

static void without_the_secret(struct otherwise *o)
{
	struct world_conf conf = conf_for(o->server, o->server->tier);

	if (!o->server->secret)
		return;
	conf.client.stack.l2tp.secret = slice(NULL, 0);
	refused(o, &conf, "without l2tp-secret", "L2TP-AUTH", "none is set");
	conf.client.stack.l2tp.secret = slice_str("another");
	refused(o, &conf, "with another", "L2TP-AUTH", "");
}

static void without_the_short_icv(struct otherwise *o)
{
	struct world_conf conf = conf_for(o->server, o->server->tier);

	ike_proposals_tier(o->server->tier, &conf.client.stack.ike.proposals);
	if (o->server->esp)
		refused(o, &conf, "without esp", "ESP-NO-RETURN", "esp = aes256-sha256_96");
}

static void without_the_order_of_windows(struct otherwise *o)
{
	struct world_conf conf = conf_for(o->server, o->server->tier);

	if (!conf.gateway.strict_sccrq)
		return;
	conf.client.stack.l2tp.window = 4;
	refused(o, &conf, "with another SCCRQ than Windows'", "L2TP-REFUSED", "error 8");
}

/* ---- with what it takes ---- */

static void is_reached(const struct server *s, const char *otherwise)
{
	struct world_conf conf = conf_for(s, s->tier);
	struct world *w = connected(&conf, s);
	struct conn_status st;
	char suite[SUITE_TEXT];

	conn_get_status(w->conn, &st);
	assert_string_equal(ike_suite_text(&st.stack.ike.suite, suite), s->suite);
	assert_string_equal(st.stack.ike.peer_kind, s->kind);
	assert_string_equal(st.stack.ppp.auth, s->auth ? s->auth : "mschapv2");
	assert_int_equal(st.stack.ike.peer_dpd, conf.gateway.vids >> VID_DPD & 1);
	assert_true(world_pings_pass(w, 5));
	print_message("figure: %s: %s, %s, %s, up after %llu ms%s\n", s->name, s->tier, suite,
		st.stack.ppp.auth, (unsigned long long)(w->up_at - w->began), otherwise);
	world_disconnect(w);
	world_free(w);
}

static void each_is_reached_with_what_it_takes_and_says_what_is_missing(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++) {
		char text[TEXT] = "";
		struct otherwise o = {.server = &servers[i], .text = text};

		without_the_tier(&o);
		without_the_method(&o);
		without_the_secret(&o);
		without_the_short_icv(&o);
		without_the_order_of_windows(&o);
		is_reached(&servers[i], text);
	}
}

/* Hours of it: whoever starts them, on each server's terms. */
static void their_rekeys_lose_no_ping(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++) {
		const struct server *s = &servers[i];
		struct world_conf conf = conf_for(s, s->tier);
		struct gateway_status st;

		conf.gateway.rekeys_every = SECONDS(40);
		conf.client.stack.ike.esp_life_s = 90;
		conf.client.stack.ike.ike_life_s = 200;
		conf.ping_every = 100;
		struct world *w = connected(&conf, s);
		world_run(w, SECONDS(600));
		w->conf.ping_every = 0;
		world_run(w, SECONDS(2));
		gateway_get_status(w->gateway, &st);
		if (w->out.answered != w->out.sent || w->in.answered != w->in.sent)
			fail_msg("%s: %u of %u and %u of %u pings answered", s->name,
				w->out.answered, w->out.sent, w->in.answered, w->in.sent);
		assert_true(st.quick_modes >= 10);
		assert_true(st.main_modes >= 3);
		assert_int_equal(w->ups, 1);
		world_disconnect(w);
		world_free(w);
	}
}

static const struct server *server_of(const char *name)
{
	size_t i = 0;

	while (strcmp(servers[i].name, name) != 0)
		i++;
	return &servers[i];
}

/* UniFi drops its SAs after a quarter of an hour, whatever lifetime was agreed. */
static void what_the_server_drops_is_made_anew(void **state)
{
	const struct server *s = server_of("unifi");
	struct world_conf conf = conf_for(s, s->tier);
	struct gateway_status st;

	(void)state;
	conf.ping_every = 100;
	struct world *w = connected(&conf, s);
	world_run(w, SECONDS(3600));
	w->conf.ping_every = 0;
	world_run(w, SECONDS(2));
	gateway_get_status(w->gateway, &st);
	assert_in_range(st.main_modes, 4, 5);
	assert_int_equal(w->ups, 1);
	print_message("%u of %u pings lost with %u pairs of SAs\n", w->out.sent - w->out.answered,
		w->out.sent, st.main_modes);
	assert_true(w->out.sent - w->out.answered <= 4 * 3); /* 0.2 s for a main and a quick mode */
	world_disconnect(w);
	world_free(w);
}

/* Windows: behind one NAT two clients with source port 1701 are one to it. */
static void a_second_client_of_a_nat_needs_another_source_port(void **state)
{
	const struct server *s = server_of("windows");

	(void)state;
	for (int other = 0; other < 2; other++) {
		struct world_conf conf = conf_for(s, s->tier);

		conf.nat = conf.gateway.port_taken = true;
		conf.client.stack.ike.l2tp_port = other ? 40001 : L2TP_PORT;
		struct world *w = world_new(&conf, &host);
		assert_int_equal(world_until(w, world_is_up, SECONDS(60)), other);
		if (!other)
			assert_string_equal(reason_row(w->end.id)->id, "ESP-NO-RETURN");
		world_free(w);
	}
}

/* accel-ppp says a lost message again only after 1, 2, 4, 8 and 16 s. */
static void a_server_that_repeats_seldom_is_waited_for(void **state)
{
	enum { CONNECTS = 100, LEAST = 98 };
	const struct server *s = server_of("accel-ppp");
	unsigned up = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= CONNECTS; seed++) {
		struct world_conf conf = conf_for(s, s->tier);

		conf.seed = seed;
		conf.way[SIM_CLIENT].loss = conf.way[SIM_GATEWAY].loss = 200;
		struct world *w = world_new(&conf, &host);
		up += world_until(w, world_is_up, SECONDS(120));
		world_free(w);
	}
	print_message("%u of %d connect to accel-ppp at 20 %% loss\n", up, CONNECTS);
	assert_true(up >= LEAST);
}

/* MD5 and DES are in no tier. */
static void what_no_tier_has_can_be_named(void **state)
{
	char hint[REASON_HINT];

	(void)state;
	for (int named = 0; named < 2; named++) {
		struct world_conf conf;
		struct ike_proposals *p = &conf.client.stack.ike.proposals;
		const char *wrong;

		world_defaults(&conf, 7);
		assert_true(ike_suites_parse("3des-md5-modp1024", &conf.gateway.accept, &wrong));
		assert_true(ike_proposals_tier("legacy", p));
		if (named)
			assert_true(ike_suites_parse("3des-md5-modp1024", p, &wrong));
		struct world *w = world_new(&conf, &host);
		assert_int_equal(world_until(w, world_is_up, SECONDS(30)), named);
		if (!named) {
			assert_int_equal(w->end.id, REASON_IKE_NO_PROPOSAL);
			assert_non_null(strstr(reason_hint(w->end.id, "corp", hint), "key ike"));
		}
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_reached_with_what_it_takes_and_says_what_is_missing),
		cmocka_unit_test(what_no_tier_has_can_be_named),
		cmocka_unit_test(their_rekeys_lose_no_ping),
		cmocka_unit_test(what_the_server_drops_is_made_anew),
		cmocka_unit_test(a_second_client_of_a_nat_needs_another_source_port),
		cmocka_unit_test(a_server_that_repeats_seldom_is_waited_for),
	};

	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

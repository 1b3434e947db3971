/* The servers of the field, as the gateway plays them: each is reached with the tier that the table
 * says, and with "modern" alone the others are refused with a reason that names what we offered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/world.h"

static struct sim_host host;

static const struct server {
	const char *name, *tier;
	const char *suite; /* what main mode must come to */
	const char *kind;  /* as status names it */
	unsigned auth;     /* beside MS-CHAPv2 */
} servers[] = {
	{"softether", "modern", "aes256-sha256-modp2048", "SoftEther", 0},
	{"strongswan", "modern", "aes256-sha256-modp2048", "strongSwan", 0},
	{"libreswan", "modern", "aes256-sha256-modp2048", NULL, 0},
	{"windows", "modern", "aes256-sha1-ecp384", NULL, 0},
	{"windows2003", "legacy", "3des-sha1-modp1024", NULL, 0},
	{"mikrotik", "legacy", "aes256-sha1-modp1024", NULL, 0},
	{"racoon", "compatible", "aes256-sha1-modp1536", NULL, 0},
	{"meraki", "legacy", "3des-sha1-modp1024", NULL, PPP_AUTH_PAP},
	{"fortigate", "legacy", "aes192-sha1-modp1024", NULL, 0},
	{"cisco", "legacy", "aes256-sha1-modp1024", NULL, 0},
	{"pfsense", "modern", "aes256-sha1-modp2048", NULL, PPP_AUTH_CHAP_MD5},
	{"vyos", "legacy", "aes256-sha1-modp1024", NULL, 0},
};

enum { SERVERS = sizeof(servers) / sizeof(servers[0]) };

static struct world_conf conf_for(const struct server *s, const char *tier)
{
	struct world_conf conf;

	world_defaults(&conf, 7);
	assert_true(gateway_profile(&conf.gateway, s->name));
	assert_true(ike_proposals_tier(tier, &conf.client.stack.ike.proposals));
	conf.client.stack.ppp.auth |= s->auth;
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

static void each_is_reached_with_its_tier(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++) {
		const struct server *s = &servers[i];
		struct world_conf conf = conf_for(s, s->tier);
		struct world *w = connected(&conf, s);
		struct conn_status st;
		char suite[SUITE_TEXT];

		conn_get_status(w->conn, &st);
		assert_string_equal(ike_suite_text(&st.stack.ike.suite, suite), s->suite);
		print_message("%-12s %-10s %-24s %-12s %-9s up after %llu ms\n", s->name, s->tier,
			suite, st.stack.ike.peer_kind, st.stack.ppp.auth,
			(unsigned long long)(w->up_at - w->began));
		if (s->kind)
			assert_string_equal(st.stack.ike.peer_kind, s->kind);
		assert_true(world_pings_pass(w, 5));
		world_disconnect(w);
		world_free(w);
	}
}

static void what_modern_cannot_reach_is_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++) {
		const struct server *s = &servers[i];
		struct world_conf conf = conf_for(s, "modern");

		if (strcmp(s->tier, "modern") == 0)
			continue;
		struct world *w = world_new(&conf, &host);
		assert_true(world_until(w, world_has_ended, SECONDS(30)));
		assert_string_equal(reason_row(w->end.id)->id, "IKE-NO-PROPOSAL");
		assert_non_null(strstr(w->end.evidence, "aes256-sha256-modp2048"));
		world_free(w);
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

/* A server that cuts SHA2-256 to 96 bits takes nothing of ours: it is reached when we are told so. */
static void a_short_icv_is_suspected_and_can_be_set(void **state)
{
	(void)state;
	for (int told = 0; told < 2; told++) {
		struct world_conf conf;
		const char *wrong;

		world_defaults(&conf, 3);
		assert_true(esp_suites_parse("aes256-sha256_96", &conf.gateway.accept, &wrong));
		assert_true(esp_suites_parse(told ? "aes256-sha256_96" : "aes256-sha256",
			&conf.client.stack.ike.proposals, &wrong));
		struct world *w = world_new(&conf, &host);
		bool up = world_until(w, world_is_up, SECONDS(60));
		assert_int_equal(up, told);
		if (!told) {
			assert_string_equal(reason_row(w->end.id)->id, "ESP-NO-RETURN");
			assert_non_null(strstr(w->end.evidence, "esp = aes256-sha256_96"));
		}
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_reached_with_its_tier),
		cmocka_unit_test(what_modern_cannot_reach_is_refused_with_a_reason),
		cmocka_unit_test(their_rekeys_lose_no_ping),
		cmocka_unit_test(a_short_icv_is_suspected_and_can_be_set),
	};

	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

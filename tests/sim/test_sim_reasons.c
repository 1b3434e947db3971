/* Every failure says what it is: each row provokes one and names the reason that must come out, what
 * its evidence must hold, and how long it may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/world.h"

static struct sim_host host;

/* ---- what is wrong ---- */

static void no_such_name(struct world_conf *c)
{
	c->answers[ASK_ADDRESSES].reply = REPLY_NO;
}

static void resolver_never_answers(struct world_conf *c)
{
	c->answers[ASK_ADDRESSES].reply = REPLY_NEVER;
}

static void network_unreachable(struct world_conf *c)
{
	c->unreachable = true;
	c->icmp = CONN_UNREACHABLE;
}

static void port_closed(struct world_conf *c)
{
	c->unreachable = true;
	c->icmp = CONN_PORT_CLOSED;
}

static void no_socket(struct world_conf *c)
{
	c->answers[ASK_SOCKETS].reply = REPLY_NO;
}

static void no_interface(struct world_conf *c)
{
	c->answers[ASK_LINK].reply = REPLY_NO;
}

static void routes_take_for_ever(struct world_conf *c)
{
	c->answers[ASK_LINK].reply = REPLY_NEVER;
}

static void nobody_types(struct world_conf *c)
{
	c->answers[ASK_SECRET].reply = REPLY_NEVER;
}

static void typing_is_refused(struct world_conf *c)
{
	c->answers[ASK_SECRET].reply = REPLY_NO;
}

static void gateway_silent(struct world_conf *c)
{
	c->gateway.silent = true;
}

static void gateway_wants_legacy(struct world_conf *c)
{
	const char *wrong;

	assert_true(ike_suites_parse("3des-sha1-modp1024", &c->gateway.accept, &wrong));
}

static void other_key(struct world_conf *c, enum gateway_wrong_key way, uint16_t notify)
{
	c->gateway.psk = slice_str("staple battery horse correct");
	c->gateway.on_wrong_key = way;
	c->gateway.wrong_key_notify = notify;
	c->never_up = true;
}

static void key_wrong_repeats(struct world_conf *c)
{
	other_key(c, WRONG_KEY_REPEATS, 0);
}

static void key_wrong_unreadable(struct world_conf *c)
{
	other_key(c, WRONG_KEY_UNREADABLE, 0);
}

static void key_wrong_notify_16(struct world_conf *c)
{
	other_key(c, WRONG_KEY_CLEAR, 16);
}

static void key_wrong_notify_23(struct world_conf *c)
{
	other_key(c, WRONG_KEY_CLEAR, 23);
}

static void key_wrong_notify_24(struct world_conf *c)
{
	other_key(c, WRONG_KEY_CLEAR, 24);
}

static void key_wrong_silence(struct world_conf *c)
{
	other_key(c, WRONG_KEY_SILENT, 0);
}

static void quick_mode_refused(struct world_conf *c)
{
	c->gateway.refuses_quick = true;
}

static void esp_dropped(struct world_conf *c)
{
	c->gateway.drops_esp = true;
}

static void esp_changed(struct world_conf *c)
{
	c->gateway.corrupts_esp = true;
}

static void l2tp_silent(struct world_conf *c)
{
	c->gateway.l2tp_silent = true;
}

static void l2tp_stopped(struct world_conf *c)
{
	c->gateway.stop_text = "too many tunnels";
}

static void l2tp_hung_up(struct world_conf *c)
{
	c->gateway.cdn_text = "no free line";
}

static void l2tp_wants_a_secret(struct world_conf *c)
{
	c->gateway.l2tp_secret = slice_str("tunnel");
}

static void password_wrong(struct world_conf *c)
{
	c->client.stack.ppp.password = slice_str("in the rabbit hole");
	c->never_up = true;
}

static void user_wrong(struct world_conf *c)
{
	c->client.stack.ppp.user = slice_str("EXAMPLE\\mad.hatter");
	c->never_up = true;
}

static void restricted_hours(struct world_conf *c)
{
	c->gateway.refuses_login = 646;
}

static void account_disabled(struct world_conf *c)
{
	c->gateway.refuses_login = 647;
}

static void password_expired(struct world_conf *c)
{
	c->gateway.refuses_login = 648;
}

static void no_dialin(struct world_conf *c)
{
	c->gateway.refuses_login = 649;
}

static void wants_pap(struct world_conf *c)
{
	c->gateway.auths[0] = 0xc023;
}

static void wants_eap(struct world_conf *c)
{
	c->gateway.auths[0] = 0xc227;
}

static void proof_wrong(struct world_conf *c)
{
	c->gateway.forges_proof = true;
	c->never_up = true;
}

static void proof_missing(struct world_conf *c)
{
	c->gateway.no_proof = true;
	c->never_up = true;
}

static void nobody_logs_in(struct world_conf *c)
{
	c->gateway.no_auth = true;
	c->never_up = true;
}

static void no_address(struct world_conf *c)
{
	c->gateway.no_address = true;
}

static void address_nonsense(struct world_conf *c)
{
	c->gateway.pool = ip_v4(0x7f000001);
}

static void ppp_silent(struct world_conf *c)
{
	c->gateway.ppp_silent = true;
}

/* ---- and once it is up ---- */

static void cut_with_dpd(struct world_conf *c)
{
	c->client.stack.ppp.echo_interval = 0;
	c->client.stack.l2tp.hello = 0;
}

static void cut_with_echo(struct world_conf *c)
{
	c->client.stack.ike.dpd_interval = 0;
	c->client.stack.l2tp.hello = 0;
}

static void cut_with_hello(struct world_conf *c)
{
	c->client.stack.ike.dpd_interval = 0;
	c->client.stack.ppp.echo_interval = 0;
}

static void as_it_is(struct world_conf *c)
{
	(void)c;
}

static const struct row {
	void (*wrong)(struct world_conf *c);
	enum world_action then; /* when it is up; DO_NOTHING: it must not come up */
	const char *reason;
	const char *evidence;
	unsigned within; /* s */
	enum exit_class exit;
} rows[] = {
	{no_such_name, DO_NOTHING, "NET-DNS", "no such name", 1, EXIT_CONNECT_FAILED},
	{resolver_never_answers, DO_NOTHING, "NET-DNS", "30 s", 30, EXIT_CONNECT_FAILED},
	{network_unreachable, DO_NOTHING, "NET-UNREACHABLE", "5 ICMP", 8, EXIT_CONNECT_FAILED},
	{port_closed, DO_NOTHING, "IKE-PORT-CLOSED", "5 ICMP", 8, EXIT_CONNECT_FAILED},
	{no_socket, DO_NOTHING, "LOCAL-SOCKET", "no socket here", 1, EXIT_CONNECT_FAILED},
	{no_interface, DO_NOTHING, "LOCAL-TUN", "no interface here", 2, EXIT_CONNECT_FAILED},
	{routes_take_for_ever, DO_NOTHING, "LOCAL-ROUTES", "30 s", 32, EXIT_CONNECT_FAILED},
	{nobody_types, DO_NOTHING, "PASSWORD-NEEDED", "hung up", 45, EXIT_AUTH_REFUSED},
	{typing_is_refused, DO_NOTHING, "PASSWORD-NEEDED", "nobody is there", 2, EXIT_AUTH_REFUSED},

	{gateway_silent, DO_NOTHING, "IKE-TIMEOUT", "198.51.100.1:500", 13, EXIT_CONNECT_FAILED},
	{gateway_wants_legacy, DO_NOTHING, "IKE-NO-PROPOSAL", "offered aes256-sha256-curve25519", 5,
		EXIT_CONNECT_FAILED},
	{key_wrong_repeats, DO_NOTHING, "IKE-PSK-WRONG", "message 4", 5, EXIT_AUTH_REFUSED},
	{key_wrong_unreadable, DO_NOTHING, "IKE-PSK-WRONG", "decrypt", 5, EXIT_AUTH_REFUSED},
	{key_wrong_notify_16, DO_NOTHING, "IKE-PSK-WRONG", "(16)", 5, EXIT_AUTH_REFUSED},
	{key_wrong_notify_23, DO_NOTHING, "IKE-PSK-WRONG", "(23)", 5, EXIT_AUTH_REFUSED},
	{key_wrong_notify_24, DO_NOTHING, "IKE-PSK-WRONG", "(24)", 5, EXIT_AUTH_REFUSED},
	{key_wrong_silence, DO_NOTHING, "IKE-TIMEOUT", "message 5", 45, EXIT_CONNECT_FAILED},
	{quick_mode_refused, DO_NOTHING, "IKE-QM-REFUSED", "NO-PROPOSAL-CHOSEN", 2,
		EXIT_CONNECT_FAILED},

	{esp_dropped, DO_NOTHING, "ESP-NO-RETURN",
		"UDP 4500, 0 received; IKE on the same port answers: is the server's L2TP", 45,
		EXIT_CONNECT_FAILED},
	{esp_changed, DO_NOTHING, "ESP-MODIFIED", "none passed", 45, EXIT_CONNECT_FAILED},
	{l2tp_silent, DO_NOTHING, "L2TP-NO-ANSWER", "SCCRQ", 45, EXIT_CONNECT_FAILED},
	{l2tp_stopped, DO_NOTHING, "L2TP-REFUSED", "too many tunnels", 2, EXIT_CONNECT_FAILED},
	{l2tp_hung_up, DO_NOTHING, "L2TP-REFUSED", "no free line", 2, EXIT_CONNECT_FAILED},
	{l2tp_wants_a_secret, DO_NOTHING, "L2TP-AUTH", "secret", 2, EXIT_AUTH_REFUSED},

	{password_wrong, DO_NOTHING, "PPP-AUTH-REFUSED", "E=691", 2, EXIT_AUTH_REFUSED},
	{user_wrong, DO_NOTHING, "PPP-AUTH-REFUSED", "E=691", 2, EXIT_AUTH_REFUSED},
	{restricted_hours, DO_NOTHING, "PPP-ACCOUNT-HOURS", "E=646", 2, EXIT_AUTH_REFUSED},
	{account_disabled, DO_NOTHING, "PPP-ACCOUNT-DISABLED", "E=647", 2, EXIT_AUTH_REFUSED},
	{password_expired, DO_NOTHING, "PPP-PASSWORD-EXPIRED", "E=648", 2, EXIT_AUTH_REFUSED},
	{no_dialin, DO_NOTHING, "PPP-ACCOUNT-NO-DIALIN", "E=649", 2, EXIT_AUTH_REFUSED},
	{wants_pap, DO_NOTHING, "PPP-AUTH-METHOD", "pap", 30, EXIT_AUTH_REFUSED},
	{wants_eap, DO_NOTHING, "PPP-AUTH-METHOD", "eap", 30, EXIT_AUTH_REFUSED},
	{proof_wrong, DO_NOTHING, "PPP-MUTUAL-AUTH", "wrong", 2, EXIT_AUTH_REFUSED},
	{proof_missing, DO_NOTHING, "PPP-MUTUAL-AUTH", "missing", 2, EXIT_AUTH_REFUSED},
	{nobody_logs_in, DO_NOTHING, "PPP-MUTUAL-AUTH", "did not ask", 2, EXIT_AUTH_REFUSED},
	{no_address, DO_NOTHING, "PPP-NO-ADDRESS", "rejects", 5, EXIT_CONNECT_FAILED},
	{address_nonsense, DO_NOTHING, "PPP-ADDRESS-BAD", "127.0.0.1", 5, EXIT_CONNECT_FAILED},
	{ppp_silent, DO_NOTHING, "PPP-NO-RESPONSE", "", 80, EXIT_CONNECT_FAILED},

	{cut_with_dpd, DO_CUT, "LINK-LOST", "5 dead peer probes", 45, EXIT_CONNECT_FAILED},
	{cut_with_echo, DO_CUT, "LINK-LOST", "15 LCP echoes", 35, EXIT_CONNECT_FAILED},
	{cut_with_hello, DO_CUT, "LINK-LOST", "HELLO", 110, EXIT_CONNECT_FAILED},
	{as_it_is, DO_RESTART, "LINK-LOST", "15 LCP echoes", 35, EXIT_CONNECT_FAILED},
	{as_it_is, DO_STOP_L2TP, "L2TP-CLOSED-BY-PEER", "down for maintenance", 1,
		EXIT_CONNECT_FAILED},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void provoke(size_t i, unsigned loss, uint64_t seed)
{
	const struct row *row = &rows[i];
	struct world_conf conf;

	world_defaults(&conf, seed);
	conf.way[SIM_CLIENT] = conf.way[SIM_GATEWAY] =
		(struct sim_way){.delay = 25, .loss = 10 * loss};
	row->wrong(&conf);
	struct world *w = world_new(&conf, &host);
	msec from = w->began;
	if (row->then != DO_NOTHING) {
		assert_true(world_until(w, world_is_up, SECONDS(30)));
		from = world_now(w);
		world_at(w, 0, row->then, 0);
	}
	if (!world_until(w, world_has_ended, SECONDS(300)))
		world_wrong(w, "row %zu: %s was expected, and nothing came", i, row->reason);
	else if (strcmp(reason_row(w->end.id)->id, row->reason) != 0)
		world_wrong(w, "row %zu: %s (%s) instead of %s", i, reason_row(w->end.id)->id,
			w->end.evidence, row->reason);
	else if (!strstr(w->end.evidence, row->evidence))
		world_wrong(w, "row %zu: no \"%s\" in \"%s\"", i, row->evidence, w->end.evidence);
	else if (world_now(w) - from > SECONDS(row->within))
		world_wrong(w, "row %zu: %s only after %.1f s", i, row->reason,
			(double)(world_now(w) - from) / 1000);
	world_check(w);
	assert_int_equal(reason_row(w->end.id)->exit, row->exit);
	assert_int_equal(conn_deadline(w->conn), MSEC_NEVER);
	assert_int_equal(w->n_reasons, 1);
	world_free(w);
}

static void each_failure_says_what_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		provoke(i, 0, 11);
	print_message("%d failures provoked\n", (int)ROWS);
}

static void a_wrong_key_is_called_wrong_under_loss(void **state)
{
	unsigned named = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct world_conf conf;

		world_defaults(&conf, seed);
		other_key(&conf, (enum gateway_wrong_key)(seed % 3), 23);
		conf.way[SIM_CLIENT] = conf.way[SIM_GATEWAY] =
			(struct sim_way){.delay = 25, .loss = 200};
		struct world *w = world_new(&conf, &host);
		assert_true(world_until(w, world_has_ended, SECONDS(100)));
		named += w->end.id == REASON_IKE_PSK_WRONG;
		world_free(w);
	}
	assert_true(named >= 99);
}

static void forged_hints_do_not_stop_a_connect(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct world_conf conf;

		world_defaults(&conf, seed);
		conf.way[SIM_CLIENT].delay = conf.way[SIM_GATEWAY].delay = 100;
		struct world *w = world_new(&conf, &host);
		for (msec at = 150; at < 2000; at += 40)
			world_at(w, at, DO_NOTICE, 0);
		if (!world_until(w, world_is_up, SECONDS(60)))
			world_wrong(w, "%s: %s", reason_row(w->end.id)->id, w->end.evidence);
		world_free(w);
	}
}

/* A message 4 that the network has doubled is no verdict on the key when the gateway then dies. */
static void a_doubled_message_4_is_no_wrong_key(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 5);
	conf.way[SIM_CLIENT] = conf.way[SIM_GATEWAY] =
		(struct sim_way){.delay = 25, .duplicate = 1000};
	struct world *w = world_new(&conf, &host);
	world_at(w, 110, DO_RESTART, 0); /* message 5 is on its way */
	assert_true(world_until(w, world_has_ended, SECONDS(60)));
	assert_string_equal(reason_row(w->end.id)->id, "IKE-TIMEOUT");
	world_free(w);
}

/* Nobody acknowledges message 3 of quick mode, and not every gateway asks for it again. */
static void a_lost_message_3_is_made_good(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 5);
	conf.way[SIM_CLIENT].delay = conf.way[SIM_GATEWAY].delay = 25;
	conf.gateway.never_repeats = true;
	struct world *w = world_new(&conf, &host);
	world_at(w, 190, DO_CUT, SIM_GATEWAY + 1); /* it leaves at 200 ms */
	world_at(w, 210, DO_HEAL, 0);
	assert_true(world_until(w, world_is_up, SECONDS(5)));
	world_disconnect(w);
	world_free(w);
}

static void a_second_address_is_tried(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 5);
	conf.addresses = 3;
	conf.client.reconnect = true;
	struct world *w = world_new(&conf, &host);
	assert_true(world_until(w, world_is_up, SECONDS(30)));
	assert_int_equal(w->attempts, 3);
	world_at(w, 0, DO_RESTART, 0);
	world_run(w, SECONDS(45));
	assert_true(world_until(w, world_is_up, SECONDS(60))); /* again, past the dead ones */
	assert_int_equal(w->ups, 2);
	assert_true(world_pings_pass(w, 3));
	world_disconnect(w);
	world_free(w);
}

static void an_end_that_was_asked_for_has_no_reason(void **state)
{
	(void)state;
	for (msec at = 0; at < 700; at += 7) {
		struct world_conf conf;

		world_defaults(&conf, 5);
		conf.way[SIM_CLIENT].delay = conf.way[SIM_GATEWAY].delay = 25;
		struct world *w = world_new(&conf, &host);
		world_at(w, at, at % 2 ? DO_CLOSE : DO_CANCEL, 0);
		assert_true(world_until(w, world_has_ended, at + 3500));
		assert_int_equal(w->end.id, at % 2 ? REASON_NONE : REASON_CANCELLED);
		world_run(w, SECONDS(1));
		world_free(w);
	}
}

/* After a clean end the gateway has nothing left of us. */
static void a_clean_end_leaves_nothing_over_there(void **state)
{
	struct world_conf conf;
	struct gateway_status st;

	(void)state;
	world_defaults(&conf, 5);
	conf.way[SIM_CLIENT].delay = conf.way[SIM_GATEWAY].delay = 25;
	struct world *w = world_new(&conf, &host);
	assert_true(world_until(w, world_is_up, SECONDS(5)));
	world_disconnect(w);
	world_run(w, SECONDS(1));
	gateway_get_status(w->gateway, &st);
	assert_false(st.tunnel);
	assert_false(st.session);
	assert_false(st.link_up);
	assert_int_equal(st.pairs, 0);
	assert_int_equal(st.phase1s, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_failure_says_what_it_is),
		cmocka_unit_test(a_wrong_key_is_called_wrong_under_loss),
		cmocka_unit_test(forged_hints_do_not_stop_a_connect),
		cmocka_unit_test(a_doubled_message_4_is_no_wrong_key),
		cmocka_unit_test(a_lost_message_3_is_made_good),
		cmocka_unit_test(a_second_address_is_tried),
		cmocka_unit_test(an_end_that_was_asked_for_has_no_reason),
		cmocka_unit_test(a_clean_end_leaves_nothing_over_there),
	};

	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

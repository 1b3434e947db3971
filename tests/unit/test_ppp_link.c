/* The life of a link that is up: signs of life, renegotiation, rejects, the ends of it. */
#include "ppp_script.h"

static void the_servers_farewell_is_shown_escaped(void **state)
{
	struct script s = script_up();

	(void)state;
	say(&s, PPP_LCP, PPP_TERM_REQ, 44, slice_str("MPPE required\n\x1b[2J"));
	expect_data(&s, PPP_LCP, PPP_TERM_ACK, 44, "");
	expect_silence(&s);
	struct reason r = expect_failure(&s, REASON_PPP_LCP_TERMINATED);
	assert_string_equal(r.evidence, "\"MPPE required\\x0a\\x1b[2J\"");
	script_end(&s);
}

static void unanswered_echoes_end_in_link_lost(void **state)
{
	struct script s = script_up();
	msec start = s.now;

	(void)state;
	for (unsigned i = 0; i < 15; i++) {
		assert_true(pass_time(&s));
		assert_int_equal(s.now - start, SECONDS(20) + i * 700);
		struct sent echo = expect(&s, PPP_LCP, PPP_ECHO_REQ);
		assert_int_equal(echo.n, 4);
	}
	assert_true(pass_time(&s));
	assert_int_equal(s.now - start, SECONDS(20) + 15 * 700);
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	assert_int_equal(status_of(&s).echoes_lost, 15);
	expect_failure(&s, REASON_LINK_LOST);
	script_end(&s);
}

static void any_traffic_is_a_sign_of_life(void **state)
{
	struct script s = script_up();
	struct wr w;
	uint8_t octets[64];

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		s.now += SECONDS(19);
		tick(&s);
		expect_silence(&s);
		w = wr_of(octets, sizeof(octets));
		wr_put(&w, hex("0021"));
		wr_put(&w, hex(ipv4_packet));
		say_frame(&s, wr_slice(&w));
	}
	assert_int_equal(s.out.up.count, 30);
	for (unsigned i = 0; i < 12; i++) { /* answered echoes never add up */
		assert_true(pass_time(&s));
		struct sent echo = expect(&s, PPP_LCP, PPP_ECHO_REQ);
		say_hex(&s, PPP_LCP, PPP_ECHO_REPLY, echo.id, "00000000");
	}
	assert_int_equal(status_of(&s).echoes_lost, 0);
	script_end(&s);
}

static void without_an_interval_there_is_no_echo(void **state)
{
	struct ppp_conf conf = script_conf();
	conf.echo_interval = 0;
	struct script s = script_up_with(conf, auth_mschapv2_option);

	(void)state;
	assert_int_equal(ppp_deadline(s.p), MSEC_NEVER);
	script_end(&s);
}

static void unknown_codes_are_rejected_with_a_copy(void **state)
{
	struct script s = script_up();

	(void)state;
	say_hex(&s, PPP_LCP, 99, 3, "abcd");
	struct sent got = expect(&s, PPP_LCP, PPP_CODE_REJ);
	assert_slice(sent_data(&got), hex("63030006abcd"));
	say_hex(&s, PPP_IPCP, 9, 4, "");
	got = expect(&s, PPP_IPCP, PPP_CODE_REJ);
	assert_slice(sent_data(&got), hex("09040004"));
	uint8_t big[1990] = {0};
	say(&s, PPP_LCP, 100, 1, slice(big, sizeof(big)));
	got = expect(&s, PPP_LCP, PPP_CODE_REJ);
	assert_int_equal(got.n, 1400 - 4); /* cut to the MRU */
	script_end(&s);
}

static void code_rejects_of_what_every_end_must_know_are_fatal(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 20; code++) {
		struct script s = script_up();
		uint8_t rejected[4] = {(uint8_t)code, 1, 0, 4};

		say(&s, PPP_LCP, PPP_CODE_REJ, 1, slice(rejected, 4));
		if (code >= 1 && code <= 7)
			expect_failure(&s, REASON_PPP_NOT_CONVERGING);
		else
			assert_true(status_of(&s).up);
		script_end(&s);
	}
}

static void the_server_asks_for_everything_anew(void **state)
{
	struct script s = script_up();

	(void)state;
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 60, auth_mschapv2_option);
	assert_false(status_of(&s).up);
	assert_false(status_of(&s).authenticated);
	expect_event(&s, PPP_EV_DOWN);
	expect_no_event(&s);
	answer_lcp(&s);
	expect_data(&s, PPP_LCP, PPP_CONF_ACK, 60, auth_mschapv2_option);
	pass_auth(&s);
	pass_ipcp(&s);
	expect_step(&s, "lcp");
	expect_step(&s, "auth");
	expect_step(&s, "ipcp");
	expect_event(&s, PPP_EV_UP);
	script_end(&s);
}

static void a_renegotiation_without_authentication_is_refused(void **state)
{
	struct script s = script_up();

	(void)state;
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 60, "010405dc");
	answer_lcp(&s);
	expect(&s, PPP_LCP, PPP_CONF_ACK);
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	expect_failure(&s, REASON_PPP_MUTUAL_AUTH);
	script_end(&s);
}

static void events_do_not_pile_up(void **state)
{
	struct script s = script_up();
	struct ppp_event ev;
	unsigned events = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		say_hex(&s, PPP_LCP, PPP_CONF_REQ, 60, auth_mschapv2_option);
		answer_lcp(&s);
		expect(&s, PPP_LCP, PPP_CONF_ACK);
		pass_auth(&s);
		pass_ipcp(&s);
	}
	for (events = 0; ppp_next_event(s.p, &ev); events++)
		if (events == 0)
			assert_int_equal(ev.kind, PPP_EV_DOWN);
	assert_int_equal(ev.kind, PPP_EV_UP);
	assert_int_equal(events, 5);
	script_end(&s);
}

static void closing_says_goodbye_and_waits_for_the_answer(void **state)
{
	struct script s = script_up();

	(void)state;
	ppp_close(s.p, s.now, &s.out);
	struct sent bye = expect(&s, PPP_LCP, PPP_TERM_REQ);
	assert_false(status_of(&s).up);
	expect_no_event(&s);
	say(&s, PPP_LCP, PPP_TERM_REQ, 7, slice(NULL, 0)); /* both at once */
	expect_data(&s, PPP_LCP, PPP_TERM_ACK, 7, "");
	expect_no_event(&s);
	say(&s, PPP_LCP, PPP_TERM_ACK, bye.id, slice(NULL, 0));
	expect_event(&s, PPP_EV_CLOSED);
	expect_no_event(&s);
	assert_int_equal(ppp_deadline(s.p), MSEC_NEVER);
	script_end(&s);
}

static void closing_takes_three_seconds_at_most(void **state)
{
	struct script s = script_up();
	msec start = s.now;
	unsigned goodbyes = 0;

	(void)state;
	ppp_close(s.p, s.now, &s.out);
	do
		for (struct sent got; listen(&s, &got); goodbyes++)
			assert_int_equal(got.code, PPP_TERM_REQ);
	while (pass_time(&s));
	assert_int_equal(s.now - start, SECONDS(3));
	assert_int_equal(goodbyes, 2);
	expect_event(&s, PPP_EV_CLOSED);
	script_end(&s);
}

static void closing_is_possible_at_any_time(void **state)
{
	struct script s = script_new();

	(void)state;
	ppp_close(s.p, s.now, &s.out);
	expect_event(&s, PPP_EV_CLOSED);
	expect_silence(&s);
	script_end(&s);

	s = script_opened();
	hush(&s);
	ppp_close(s.p, s.now, &s.out);
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	while (pass_time(&s))
		hush(&s);
	expect_event(&s, PPP_EV_CLOSED);
	script_end(&s);

	s = script_new();
	open_lcp(&s, auth_mschapv2_option);
	ppp_close(s.p, s.now, &s.out);
	expect_step(&s, "lcp");
	struct sent bye = expect(&s, PPP_LCP, PPP_TERM_REQ);
	say_challenge(&s, 1, challenge_16); /* too late */
	expect_silence(&s);
	say(&s, PPP_LCP, PPP_TERM_ACK, bye.id, slice(NULL, 0));
	expect_event(&s, PPP_EV_CLOSED);
	script_end(&s);
}

static void nothing_happens_before_open_and_after_the_end(void **state)
{
	struct script s = script_new();

	(void)state;
	assert_int_equal(ppp_deadline(s.p), MSEC_NEVER);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
	expect_silence(&s);
	ppp_open(s.p, s.now, &s.out);
	ppp_open(s.p, s.now, &s.out);
	assert_int_equal(s.out.down.count, 1);
	hush(&s);
	say(&s, PPP_LCP, PPP_TERM_REQ, 1, slice(NULL, 0));
	hush(&s);
	expect_failure(&s, REASON_PPP_LCP_TERMINATED);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
	ppp_close(s.p, s.now, &s.out);
	s.now += SECONDS(1000);
	tick(&s);
	expect_silence(&s);
	expect_no_event(&s);
	script_end(&s);
}

/* Octets of a frame cut off at every place, and its length field one too large: no answer, no
 * change, one more in the count of bad packets. */
static void every_truncation_of_every_packet_is_dropped(void **state)
{
	static const char *const packets[] = {"ff03c0210101000e010405780506aabbccdd",
		"ff03c0210301000801040578", "ff03c0210401000801040578", "ff03c0210201000801040578",
		"ff03c021050100064142", "ff03c021070100080107000401", "ff03c021080100088057010203",
		"ff03c02109010008aabbccdd", "ff03c223010900165b5d7c7d7b3f2f3e3c2c602132262628ff",
		"ff038021010100100306000000008106000000"};

	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		uint8_t whole[64];
		size_t len;

		assert_true(str_unhex(packets[i], whole, sizeof(whole), &len));
		for (size_t n = 0; n < len; n++) {
			struct script s = script_up();
			uint8_t frame[64];

			memcpy(frame, whole, n);
			if (n >= 8) /* one more octet than there is */
				put_u16(frame + 6, (uint16_t)(n - 4 + 1));
			say_frame(&s, slice(frame, n));
			expect_silence(&s);
			assert_true(status_of(&s).up);
			assert_int_equal(status_of(&s).bad, 1);
			script_end(&s);
		}
	}
}

static void a_malformed_request_changes_nothing(void **state)
{
	struct script s = script_up();

	(void)state;
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 9, "0305c2");
	say_challenge(&s, 5, challenge_16);
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	assert_true(status_of(&s).up);
	assert_string_equal(status_of(&s).auth, "mschapv2");
	assert_int_equal(status_of(&s).bad, 1);
	script_end(&s);
}

static void while_closing_nothing_else_can_fail(void **state)
{
	struct script s = script_up();

	(void)state;
	ppp_close(s.p, s.now, &s.out);
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	for (uint8_t id = 0; id < 10; id++)
		say_hex(&s, PPP_LCP, PPP_CONF_REQ, id, "0304c227");
	expect_silence(&s);
	expect_event(&s, PPP_EV_CLOSED);
	expect_no_event(&s);
	script_end(&s);
}

static void zero_length_fields_are_harmless(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 16; code++) {
		static const uint16_t protocols[] = {PPP_LCP, PPP_CHAP, PPP_IPCP, PPP_PAP, PPP_EAP};

		for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
			for (int phase = 0; phase < 3; phase++) {
				struct script s = phase == 2 ? script_up() : script_new();

				if (phase == 0)
					ppp_open(s.p, s.now, &s.out);
				if (phase == 1)
					open_lcp(&s, auth_mschapv2_option);
				for (unsigned id = 0; id < 12; id++)
					say(&s, protocols[i], (uint8_t)code, (uint8_t)id,
						slice(NULL, 0));
				assert_true(phase == 2 || !status_of(&s).authenticated);
				script_end(&s);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_servers_farewell_is_shown_escaped),
		cmocka_unit_test(unanswered_echoes_end_in_link_lost),
		cmocka_unit_test(any_traffic_is_a_sign_of_life),
		cmocka_unit_test(without_an_interval_there_is_no_echo),
		cmocka_unit_test(unknown_codes_are_rejected_with_a_copy),
		cmocka_unit_test(code_rejects_of_what_every_end_must_know_are_fatal),
		cmocka_unit_test(the_server_asks_for_everything_anew),
		cmocka_unit_test(a_renegotiation_without_authentication_is_refused),
		cmocka_unit_test(events_do_not_pile_up),
		cmocka_unit_test(closing_says_goodbye_and_waits_for_the_answer),
		cmocka_unit_test(closing_takes_three_seconds_at_most),
		cmocka_unit_test(closing_is_possible_at_any_time),
		cmocka_unit_test(nothing_happens_before_open_and_after_the_end),
		cmocka_unit_test(every_truncation_of_every_packet_is_dropped),
		cmocka_unit_test(a_malformed_request_changes_nothing),
		cmocka_unit_test(while_closing_nothing_else_can_fail),
		cmocka_unit_test(zero_length_fields_are_harmless),
	};
	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}

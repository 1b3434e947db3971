/* Authentication as a server sees it: who proves what to whom, and what is made of the verdict. */
#include "ppp_script.h"

#include "ppp/ppp_priv.h" /* to see that a password is gone */

static const char other_challenge[] = "00112233445566778899aabbccddeeff";

static struct ppp_conf asking_conf(void)
{
	struct ppp_conf conf = script_conf();

	conf.password = slice(NULL, 0);
	return conf;
}

static uint32_t expect_question(struct script *s)
{
	struct ppp_event ev = next_event(s);

	assert_int_equal(ev.kind, PPP_EV_WANT_SECRET);
	return ev.id;
}

static void give(struct script *s, uint32_t id, const char *password)
{
	struct answer answer = {.yes = true, .secret = slice_str(password)};

	ppp_answer(s->p, id, &answer, s->now, &s->out);
}

/* LCP open, the challenge answered. */
static struct script script_responded(struct sent *response)
{
	struct script s = script_new();

	open_lcp(&s, auth_mschapv2_option);
	say_challenge(&s, 9, challenge_16);
	*response = expect(&s, PPP_CHAP, CHAP_RESPONSE);
	return s;
}

static void refused_for_mutual_auth(struct script *s)
{
	expect(s, PPP_LCP, PPP_TERM_REQ);
	expect_silence(s); /* no IPCP */
	assert_false(status_of(s).authenticated);
	expect_failure(s, REASON_PPP_MUTUAL_AUTH);
	script_end(s);
}

static void the_response_has_its_shape_and_the_full_name(void **state)
{
	struct sent r;
	struct script s = script_responded(&r);

	(void)state;
	assert_int_equal(r.id, 9);
	assert_int_equal(r.data[0], MSCHAPV2_VALUE);
	assert_memory_equal(r.data + 17, "\0\0\0\0\0\0\0\0", 8);
	assert_int_equal(r.data[49], 0);
	assert_slice(slice(r.data + 50, r.n - 50), slice_str("EXAMPLE\\User"));
	script_end(&s);
}

static void the_same_challenge_gets_the_same_octets(void **state)
{
	struct sent first;
	struct script s = script_responded(&first);

	(void)state;
	for (int i = 0; i < 3; i++) {
		say_challenge(&s, 9, challenge_16);
		struct sent again = expect(&s, PPP_CHAP, CHAP_RESPONSE);
		assert_int_equal(again.id, 9);
		assert_slice(sent_data(&again), sent_data(&first));
	}
	say_challenge(&s, 9, other_challenge);
	struct sent other = expect(&s, PPP_CHAP, CHAP_RESPONSE);
	assert_memory_not_equal(other.data + 1, first.data + 1, 16);
	say_challenge(&s, 10, other_challenge);
	struct sent next = expect(&s, PPP_CHAP, CHAP_RESPONSE);
	assert_int_equal(next.id, 10);
	assert_memory_not_equal(next.data + 1, other.data + 1, 16);
	script_end(&s);
}

static void a_response_is_never_repeated_by_a_timer(void **state)
{
	struct sent response;
	struct script s = script_responded(&response);
	msec start = s.now;

	(void)state;
	assert_true(pass_time(&s)); /* somebody may be looking for a telephone */
	assert_int_equal(s.now - start, SECONDS(120));
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	expect_failure(&s, REASON_PPP_TIMEOUT);
	script_end(&s);
}

/* The verdict was lost: the server, which would not say it twice of its own, is asked for it. */
static void a_server_that_goes_on_gets_the_same_response_again(void **state)
{
	struct sent first;
	struct script s = script_responded(&first);

	(void)state;
	for (uint8_t id = 1; id <= 3; id++) {
		say_hex(&s, PPP_IPCP, PPP_CONF_REQ, id, "03060a000001");
		struct sent again = expect(&s, PPP_CHAP, CHAP_RESPONSE);
		assert_int_equal(again.id, first.id);
		assert_slice(sent_data(&again), sent_data(&first));
		expect_silence(&s); /* once for each */
	}
	say_hex(&s, PPP_IPV6CP, PPP_CONF_REQ, 1, "010a0000000000000001");
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say_hex(&s, PPP_IPCP, PPP_CONF_ACK, 1, "03060a000001"); /* no request */
	say_hex(&s, PPP_CHAP, 99, 1, "");
	expect_silence(&s);
	say_success(&s, &first, challenge_16, "clientPass", "");
	assert_true(status_of(&s).authenticated);
	pass_ipcp(&s);
	script_end(&s);
}

static void a_server_that_goes_on_before_the_response_gets_nothing(void **state)
{
	struct script s = script_with(asking_conf());

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	say_challenge(&s, 9, challenge_16);
	say_hex(&s, PPP_IPCP, PPP_CONF_REQ, 1, "03060a000001");
	expect_silence(&s);
	script_end(&s);
}

static void a_success_after_a_long_wait_is_a_success(void **state)
{
	struct sent response;
	struct script s = script_responded(&response);

	(void)state;
	s.now += SECONDS(119);
	tick(&s);
	say_success(&s, &response, challenge_16, "clientPass", "");
	assert_true(status_of(&s).authenticated);
	pass_ipcp(&s);
	script_end(&s);
}

static void a_success_without_proof_is_refused(void **state)
{
	static const char *const texts[] = {"", "M=Welcome",
		"S=", "S=407A5589115FD0D6209F510FE9C0456",
		"X=407A5589115FD0D6209F510FE9C04566932CDA56", "OK"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sent response;
		struct script s = script_responded(&response);

		say(&s, PPP_CHAP, CHAP_SUCCESS, response.id, slice_str(texts[i]));
		refused_for_mutual_auth(&s);
	}
}

static void a_wrong_proof_is_refused(void **state)
{
	(void)state;
	for (size_t at = 0; at < MSCHAPV2_PROOF; at++) {
		struct sent response;
		struct script s = script_responded(&response);
		uint8_t proof[MSCHAPV2_PROOF];

		prove(&s, &response, challenge_16, "clientPass", proof);
		proof[at] ^= 1;
		say(&s, PPP_CHAP, CHAP_SUCCESS, response.id, slice(proof, sizeof(proof)));
		refused_for_mutual_auth(&s);
	}
}

static void a_proof_in_lower_case_is_refused(void **state)
{
	struct sent response;
	struct script s = script_responded(&response);
	uint8_t proof[MSCHAPV2_PROOF];

	(void)state;
	prove(&s, &response, challenge_16, "clientPass", proof);
	for (size_t i = 2; i < MSCHAPV2_PROOF; i++)
		proof[i] |= 0x20; /* digits have the bit already */
	say(&s, PPP_CHAP, CHAP_SUCCESS, response.id, slice(proof, sizeof(proof)));
	refused_for_mutual_auth(&s);
}

static void the_proof_of_another_challenge_is_refused(void **state)
{
	struct sent response;
	struct script s = script_responded(&response);
	uint8_t proof[MSCHAPV2_PROOF];

	(void)state;
	prove(&s, &response, challenge_16, "clientPass", proof);
	say_challenge(&s, 10, challenge_16);
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say(&s, PPP_CHAP, CHAP_SUCCESS, 9, slice(proof, sizeof(proof))); /* an old id: dropped */
	expect_silence(&s);
	say(&s, PPP_CHAP, CHAP_SUCCESS, 10, slice(proof, sizeof(proof)));
	refused_for_mutual_auth(&s);
}

static void a_success_before_the_response_is_ignored(void **state)
{
	struct script s = script_new();

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	for (unsigned id = 0; id < 256; id++)
		say(&s, PPP_CHAP, CHAP_SUCCESS, (uint8_t)id,
			slice_str("S=0000000000000000000000000000000000000000"));
	expect_silence(&s);
	assert_false(status_of(&s).authenticated);
	pass_auth(&s);
	pass_ipcp(&s);
	assert_true(status_of(&s).up);
	script_end(&s);
}

static void duplicates_of_a_success_do_no_harm(void **state)
{
	struct sent response;
	struct script s = script_responded(&response);

	(void)state;
	say_success(&s, &response, challenge_16, "clientPass", "");
	say_success(&s, &response, challenge_16, "clientPass", "");
	say(&s, PPP_CHAP, CHAP_FAILURE, response.id, slice_str("E=691 R=0"));
	pass_ipcp(&s);
	assert_true(status_of(&s).up);
	script_end(&s);
}

static void a_challenge_of_another_size_is_dropped(void **state)
{
	struct script s = script_new();
	uint8_t octets[256] = {0};

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	for (unsigned size = 0; size < 256; size++) {
		if (size == MSCHAPV2_CHALLENGE)
			continue;
		octets[0] = (uint8_t)size;
		say(&s, PPP_CHAP, CHAP_CHALLENGE, 1, slice(octets, 1 + size));
	}
	octets[0] = MSCHAPV2_CHALLENGE;
	say(&s, PPP_CHAP, CHAP_CHALLENGE, 1, slice(octets, MSCHAPV2_CHALLENGE)); /* one short */
	expect_silence(&s);
	assert_int_equal(status_of(&s).bad, 256);
	script_end(&s);
}

static struct reason failure_of(const char *text)
{
	struct sent response;
	struct script s = script_responded(&response);
	struct ppp_event ev;

	say(&s, PPP_CHAP, CHAP_FAILURE, response.id, slice_str(text));
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	expect_silence(&s);
	do
		ev = next_event(&s);
	while (ev.kind == PPP_EV_PROGRESS);
	assert_int_equal(ev.kind, PPP_EV_FAILED);
	script_end(&s);
	return ev.reason;
}

static void each_number_has_its_reason(void **state)
{
	static const struct {
		const char *text;
		enum reason_id id;
	} rows[] = {
		{"E=646 R=0 V=3", REASON_PPP_ACCOUNT_HOURS},
		{"E=647 R=0 V=3", REASON_PPP_ACCOUNT_DISABLED},
		{"E=648 R=0 V=3", REASON_PPP_PASSWORD_EXPIRED},
		{"E=649 R=0 V=3", REASON_PPP_ACCOUNT_NO_DIALIN},
		{"E=691 R=0 V=3", REASON_PPP_AUTH_REFUSED},
		{"E=709 R=0 V=3", REASON_PPP_AUTH_REFUSED},
		{"R=0 E=647", REASON_PPP_ACCOUNT_DISABLED},
		{"", REASON_PPP_AUTH_REFUSED},
		{"E=99999999999999999999", REASON_PPP_AUTH_REFUSED},
		{"M=E=647 R=0", REASON_PPP_AUTH_REFUSED},
		{"E=691 R=1 C=00112233445566778899aabbccddeeff V=3", REASON_PPP_AUTH_REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(failure_of(rows[i].text).id, rows[i].id);
	struct reason r = failure_of("E=709 R=0 C=00 V=3 M=Too simple");
	expect_evidence(&r, "E=709 \"Too simple\"");
}

static void the_servers_words_are_escaped_and_cut(void **state)
{
	struct reason r = failure_of("E=691 R=0 M=\x1b[31mno\n");
	char text[400] = "E=691 R=0 M=";

	(void)state;
	assert_string_equal(r.evidence, "E=691 \"\\x1b[31mno\\x0a\"");
	memset(text + 12, 'x', 380);
	r = failure_of(text);
	assert_int_equal(strlen(r.evidence), strlen("E=691 \"\"") + 120);
}

static void a_failure_cut_anywhere_is_a_refusal(void **state)
{
	static const char whole[] = "E=691 R=0 C=00112233445566778899AABBCCDDEEFF V=3 M=Denied";

	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++) {
		char cut[sizeof(whole)] = "";

		memcpy(cut, whole, n);
		assert_int_equal(failure_of(cut).id, REASON_PPP_AUTH_REFUSED);
	}
	for (size_t at = 0; at + 1 < sizeof(whole); at++) { /* and with one octet replaced */
		char changed[sizeof(whole)];

		memcpy(changed, whole, sizeof(whole));
		changed[at] = ' ';
		assert_int_equal(failure_of(changed).id, REASON_PPP_AUTH_REFUSED);
	}
}

static void an_endless_failure_is_dropped(void **state)
{
	struct sent response;
	struct script s = script_responded(&response);
	uint8_t octets[513];

	(void)state;
	memset(octets, 'E', sizeof(octets));
	say(&s, PPP_CHAP, CHAP_FAILURE, response.id, slice(octets, sizeof(octets)));
	expect_step(&s, "lcp");
	expect_no_event(&s);
	assert_int_equal(status_of(&s).bad, 1);
	script_end(&s);
}

static void the_password_is_asked_for_once_the_method_is_agreed(void **state)
{
	struct script s = script_with(asking_conf());

	(void)state;
	ppp_open(s.p, s.now, &s.out);
	answer_lcp(&s);
	expect_no_event(&s);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
	expect(&s, PPP_LCP, PPP_CONF_ACK);
	expect_step(&s, "lcp");
	uint32_t id = expect_question(&s);
	say_challenge(&s, 1, other_challenge);
	say_challenge(&s, 2, challenge_16);
	expect_silence(&s);
	give(&s, id + 1, "nobody asked"); /* not pending: ignored */
	expect_silence(&s);
	give(&s, id, "clientPass");
	struct sent response = expect(&s, PPP_CHAP, CHAP_RESPONSE);
	assert_int_equal(response.id, 2); /* to the latest challenge */
	expect_silence(&s);
	give(&s, id, "twice");
	say_success(&s, &response, challenge_16, "clientPass", "");
	pass_ipcp(&s);
	say_challenge(&s, 3, other_challenge); /* and it is still known later */
	response = expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say_success(&s, &response, other_challenge, "clientPass", "");
	assert_true(status_of(&s).up);
	script_end(&s);
}

static void an_answer_before_the_challenge_is_kept(void **state)
{
	struct script s = script_with(asking_conf());

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	expect_step(&s, "lcp");
	give(&s, expect_question(&s), "clientPass");
	expect_silence(&s);
	pass_auth(&s);
	script_end(&s);
}

static void no_password_is_a_reason(void **state)
{
	struct answer no = {.why = "the user closed the dialogue"};
	struct script s = script_with(asking_conf());

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	expect_step(&s, "lcp");
	ppp_answer(s.p, expect_question(&s), &no, s.now, &s.out);
	struct reason r = expect_failure(&s, REASON_PASSWORD_NEEDED);
	assert_string_equal(r.evidence, no.why);
	script_end(&s);

	s = script_with(asking_conf());
	open_lcp(&s, auth_mschapv2_option);
	expect_step(&s, "lcp");
	expect_question(&s);
	msec start = s.now;
	while (pass_time(&s))
		hush(&s);
	assert_int_equal(s.now - start, SECONDS(120));
	expect_failure(&s, REASON_PASSWORD_NEEDED);
	script_end(&s);
}

static void a_question_survives_a_renegotiation(void **state)
{
	struct script s = script_with(asking_conf());

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	expect_step(&s, "lcp");
	uint32_t id = expect_question(&s);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 2, auth_mschapv2_option);
	give(&s, id, "clientPass");
	answer_lcp(&s);
	expect(&s, PPP_LCP, PPP_CONF_ACK);
	expect_step(&s, "lcp");
	expect_no_event(&s);
	pass_auth(&s);
	script_end(&s);
}

static void an_open_question_is_not_asked_twice(void **state)
{
	struct script s = script_with(asking_conf());

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	expect_step(&s, "lcp");
	uint32_t id = expect_question(&s);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 2, auth_mschapv2_option);
	answer_lcp(&s);
	expect(&s, PPP_LCP, PPP_CONF_ACK);
	expect_step(&s, "lcp");
	expect_no_event(&s);
	give(&s, id, "clientPass");
	pass_auth(&s);
	script_end(&s);
}

static void say_retry(struct script *s, uint8_t id, const char *challenge)
{
	char text[128];
	struct wr w = wr_of(text, sizeof(text));

	wr_put(&w, slice_str("E=691 R=1 C="));
	wr_put(&w, slice_str(challenge));
	wr_put(&w, slice_str(" V=3 M=Wrong"));
	say(s, PPP_CHAP, CHAP_FAILURE, id, wr_slice(&w));
}

/* RFC 2759, 6: the next Response answers the challenge in the Failure, under the next id. */
static void a_typed_password_may_be_typed_again(void **state)
{
	struct script s = script_with(asking_conf());

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	expect_step(&s, "lcp");
	give(&s, expect_question(&s), "clintPass");
	say_challenge(&s, 255, challenge_16);
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say_retry(&s, 255, other_challenge);
	expect_silence(&s);
	struct ppp_event ev = next_event(&s);
	assert_int_equal(ev.kind, PPP_EV_WANT_SECRET);
	assert_int_equal(ev.reason.id, REASON_PPP_AUTH_REFUSED);
	assert_string_equal(status_of(&s).message, "Wrong");
	give(&s, ev.id, "clientPass");
	struct sent response = expect(&s, PPP_CHAP, CHAP_RESPONSE);
	assert_int_equal(response.id, 0);
	say_success(&s, &response, other_challenge, "clientPass", "");
	pass_ipcp(&s);
	assert_true(status_of(&s).up);
	script_end(&s);
}

static void three_tries_are_all(void **state)
{
	struct script s = script_with(asking_conf());

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	expect_step(&s, "lcp");
	say_challenge(&s, 1, challenge_16);
	for (uint8_t id = 1; id <= 3; id++) {
		give(&s, expect_question(&s), "wrong");
		struct sent response = expect(&s, PPP_CHAP, CHAP_RESPONSE);
		assert_int_equal(response.id, id);
		say_retry(&s, id, other_challenge);
	}
	expect_failure(&s, REASON_PPP_AUTH_REFUSED);
	script_end(&s);
}

/* pppd says R=1 and hangs up all the same. */
static void the_refusal_outlives_the_hangup(void **state)
{
	struct script s = script_with(asking_conf());

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	expect_step(&s, "lcp");
	say_challenge(&s, 1, challenge_16);
	give(&s, expect_question(&s), "wrong");
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say_retry(&s, 1, other_challenge);
	say(&s, PPP_LCP, PPP_TERM_REQ, 9, slice_str("Authentication failed"));
	expect_data(&s, PPP_LCP, PPP_TERM_ACK, 9, "");
	struct reason r = expect_failure(&s, REASON_PPP_AUTH_REFUSED);
	expect_evidence(&r, "E=691 \"Wrong\"");
	give(&s, 2, "too late");
	expect_silence(&s);
	script_end(&s);
}

static void without_a_challenge_the_next_one_is_awaited(void **state)
{
	struct script s = script_with(asking_conf());

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	expect_step(&s, "lcp");
	say_challenge(&s, 1, challenge_16);
	give(&s, expect_question(&s), "wrong");
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say_retry(&s, 1, "0011");
	give(&s, expect_question(&s), "clientPass");
	expect_silence(&s);
	pass_auth(&s);
	script_end(&s);
}

static void re_challenges_are_answered_when_up(void **state)
{
	struct script s = script_up();

	(void)state;
	say_challenge(&s, 77, other_challenge);
	struct sent response = expect(&s, PPP_CHAP, CHAP_RESPONSE);
	assert_true(status_of(&s).up);
	say_success(&s, &response, other_challenge, "clientPass", "");
	expect_no_event(&s);
	say_challenge(&s, 78, challenge_16);
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say(&s, PPP_CHAP, CHAP_SUCCESS, 78, slice_str("S=0"));
	expect_failure(&s, REASON_PPP_MUTUAL_AUTH);
	script_end(&s);
}

static void packets_of_other_methods_are_dropped(void **state)
{
	struct script s = script_new();

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	for (uint8_t code = 0; code < 8; code++)
		for (size_t n = 0; n < 40; n++) {
			uint8_t octets[40] = {1};

			say(&s, PPP_EAP, code, 1, slice(octets, n));
			say(&s, PPP_PAP, code, 1, slice(octets, n));
			say(&s, PPP_IPCP, code, 1, slice(octets, n));
		}
	expect_silence(&s); /* no Protocol-Reject either: SoftEther would end the session */
	assert_false(status_of(&s).authenticated);
	pass_auth(&s);
	script_end(&s);
}

static void a_typed_password_is_gone_with_the_link(void **state)
{
	struct script s = script_with(asking_conf());

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	expect_step(&s, "lcp");
	give(&s, expect_question(&s), "clientPass");
	assert_non_null(s.p->auth.typed.p);
	say_challenge(&s, 1, challenge_16);
	say(&s, PPP_LCP, PPP_TERM_REQ, 1, slice(NULL, 0));
	expect_failure(&s, REASON_PPP_LCP_TERMINATED);
	assert_null(s.p->auth.typed.p);
	assert_int_equal(s.p->auth.chap.response_len, 0);
	script_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_response_has_its_shape_and_the_full_name),
		cmocka_unit_test(the_same_challenge_gets_the_same_octets),
		cmocka_unit_test(a_response_is_never_repeated_by_a_timer),
		cmocka_unit_test(a_server_that_goes_on_gets_the_same_response_again),
		cmocka_unit_test(a_server_that_goes_on_before_the_response_gets_nothing),
		cmocka_unit_test(a_success_after_a_long_wait_is_a_success),
		cmocka_unit_test(a_success_without_proof_is_refused),
		cmocka_unit_test(a_wrong_proof_is_refused),
		cmocka_unit_test(a_proof_in_lower_case_is_refused),
		cmocka_unit_test(the_proof_of_another_challenge_is_refused),
		cmocka_unit_test(a_success_before_the_response_is_ignored),
		cmocka_unit_test(duplicates_of_a_success_do_no_harm),
		cmocka_unit_test(a_challenge_of_another_size_is_dropped),
		cmocka_unit_test(each_number_has_its_reason),
		cmocka_unit_test(the_servers_words_are_escaped_and_cut),
		cmocka_unit_test(a_failure_cut_anywhere_is_a_refusal),
		cmocka_unit_test(an_endless_failure_is_dropped),
		cmocka_unit_test(the_password_is_asked_for_once_the_method_is_agreed),
		cmocka_unit_test(an_answer_before_the_challenge_is_kept),
		cmocka_unit_test(no_password_is_a_reason),
		cmocka_unit_test(a_question_survives_a_renegotiation),
		cmocka_unit_test(an_open_question_is_not_asked_twice),
		cmocka_unit_test(a_typed_password_may_be_typed_again),
		cmocka_unit_test(three_tries_are_all),
		cmocka_unit_test(the_refusal_outlives_the_hangup),
		cmocka_unit_test(without_a_challenge_the_next_one_is_awaited),
		cmocka_unit_test(re_challenges_are_answered_when_up),
		cmocka_unit_test(packets_of_other_methods_are_dropped),
		cmocka_unit_test(a_typed_password_is_gone_with_the_link),
	};
	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}

/* The methods that the file must name: CHAP with MD5, PAP; and names and passwords that no method
 * can send. */
#include "ppp_script.h"

static void what_cannot_be_hashed_or_sent_is_a_reason(void **state)
{
	struct ppp_conf conf = script_conf();
	char name[257] = "";

	(void)state;
	conf.password = slice_str("p\xe4ss"); /* Latin-1 */
	struct script s = script_with(conf);
	open_lcp(&s, auth_mschapv2_option);
	say_challenge(&s, 1, challenge_16);
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	expect_failure(&s, REASON_CONFIG);
	script_end(&s);

	conf = script_conf();
	memset(name, 'u', 256);
	conf.user = slice(name, 256);
	s = script_with(conf);
	open_lcp(&s, auth_mschapv2_option);
	say_challenge(&s, 1, challenge_16);
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	expect_failure(&s, REASON_CONFIG);
	script_end(&s);

	conf.auth = PPP_AUTH_PAP;
	s = script_with(conf);
	open_lcp(&s, "0304c023");
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	expect_failure(&s, REASON_CONFIG);
	script_end(&s);
}

static void chap_md5_is_spoken_where_allowed(void **state)
{
	struct ppp_conf conf = script_conf();
	conf.auth = PPP_AUTH_CHAP_MD5;
	struct script s = script_with(conf);

	(void)state;
	open_lcp(&s, "0305c22305");
	say_challenge(&s, 3, "00");
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say(&s, PPP_CHAP, CHAP_SUCCESS, 3, slice_str("Hello"));
	assert_string_equal(status_of(&s).auth, "chap-md5");
	pass_ipcp(&s);
	assert_true(status_of(&s).up);
	script_end(&s);

	s = script_with(conf);
	open_lcp(&s, "0305c22305");
	say_challenge(&s, 3, "00");
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say(&s, PPP_CHAP, CHAP_FAILURE, 3, slice_str("No"));
	struct reason r = expect_failure(&s, REASON_PPP_AUTH_REFUSED);
	assert_string_equal(r.evidence, "\"No\"");
	script_end(&s);
}

static struct script script_pap(void)
{
	struct ppp_conf conf = script_conf();
	conf.auth = PPP_AUTH_PAP | PPP_AUTH_MSCHAPV2;
	struct script s = script_with(conf);

	open_lcp(&s, "0304c023");
	return s;
}

static struct sent expect_pap_request(struct script *s)
{
	struct sent got = expect(s, PPP_PAP, PAP_REQUEST);

	assert_slice(sent_data(&got), slice_str("\x0c"
						"EXAMPLE\\User"
						"\x0a"
						"clientPass"));
	return got;
}

static void pap_is_spoken_where_allowed_and_repeated(void **state)
{
	struct script s = script_pap();
	struct sent first = expect_pap_request(&s);

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_true(pass_time(&s));
		struct sent again = expect_pap_request(&s);
		assert_int_equal(again.id, first.id);
	}
	say_hex(&s, PPP_PAP, PAP_ACK, (uint8_t)(first.id + 1), "00");
	assert_false(status_of(&s).authenticated);
	say(&s, PPP_PAP, PAP_ACK, first.id, slice_str("\x02ok"));
	assert_true(status_of(&s).authenticated);
	assert_string_equal(status_of(&s).auth, "pap");
	assert_string_equal(status_of(&s).message, "ok");
	say_hex(&s, PPP_PAP, PAP_NAK, first.id, "00"); /* too late */
	pass_ipcp(&s);
	assert_true(status_of(&s).up);
	script_end(&s);
}

static void pap_waits_two_minutes_and_takes_any_message(void **state)
{
	static const char *const messages[] = {"", "00", "026e6f", "ff6e6f"};
	struct script s = script_pap();
	msec start = s.now;

	(void)state;
	while (pass_time(&s))
		hush(&s);
	assert_int_equal(s.now - start, SECONDS(120));
	expect_failure(&s, REASON_PPP_TIMEOUT);
	script_end(&s);
	for (size_t i = 0; i < 4; i++) {
		s = script_pap();
		struct sent request = expect_pap_request(&s);
		say_hex(&s, PPP_PAP, PAP_NAK, request.id, messages[i]);
		expect(&s, PPP_LCP, PPP_TERM_REQ);
		expect_failure(&s, REASON_PPP_AUTH_REFUSED);
		script_end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_hashed_or_sent_is_a_reason),
		cmocka_unit_test(chap_md5_is_spoken_where_allowed),
		cmocka_unit_test(pap_is_spoken_where_allowed_and_repeated),
		cmocka_unit_test(pap_waits_two_minutes_and_takes_any_message),
	};
	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}

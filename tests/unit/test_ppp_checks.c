/* ppp/: what each check keeps out, where no other test would miss it (./dev mutate). */
#include "tests/unit/leftovers.h"
#include "tests/unit/ppp_script.h"

#include "ppp/opts.h"

static struct script asking(unsigned methods)
{
	struct ppp_conf conf = script_conf();

	conf.password = slice(NULL, 0);
	conf.auth = methods;
	return script_with(conf);
}

/* Somebody types it. */
static void type(struct script *s, const char *password)
{
	struct ppp_event ev = next_event(s);

	while (ev.kind == PPP_EV_PROGRESS)
		ev = next_event(s);
	assert_int_equal(ev.kind, PPP_EV_WANT_SECRET);
	ppp_answer(s->p, ev.id, &(struct answer){.yes = true, .secret = slice_str(password)},
		s->now, &s->out);
}

/* ---- options ---- */

static void options_fit_their_fields(void **state)
{
	(void)state;
	static uint8_t octets[4096], value[254];
	struct wr w = wr_of(octets, sizeof(octets));

	opt_put(&w, 1, slice(value, 253));
	assert_false(w.bad);
	opt_put(&w, 1, slice(value, 254));
	assert_true(w.bad);
	for (size_t i = 0; i < sizeof(octets); i += 2)
		put_u16(octets + i, 0x0702);
	assert_true(opts_well_formed(slice(octets, OPTS_MAX)));
	assert_false(opts_well_formed(slice(octets, OPTS_MAX + 2)));
}

static void an_mru_that_no_ip_fits_is_not_asked_for(void **state)
{
	(void)state;
	static const char *const naks[] = {"01040064", "01041388"}; /* 100, 5000 */

	for (size_t i = 0; i < 2; i++) {
		struct script s = script_opened();
		struct sent ask = expect(&s, PPP_LCP, PPP_CONF_REQ);

		say_hex(&s, PPP_LCP, PPP_CONF_NAK, ask.id, naks[i]);
		ask = expect(&s, PPP_LCP, PPP_CONF_REQ);
		assert_int_not_equal(ask.data[0], 1);
		script_end(&s);
	}
}

static void a_protocol_cannot_be_rejected_before_lcp_is_open(void **state)
{
	(void)state;
	struct script s = script_opened();

	say_hex(&s, PPP_LCP, PPP_PROTO_REJ, 1, "802101010004");
	say_hex(&s, PPP_LCP, PPP_PROTO_REJ, 2, "c02101010004");
	expect_no_event(&s);
	hush(&s);
	script_end(&s);
}

/* ---- authentication ---- */

static const char pap_option[] = "0304c023";

/* An Ack of what was never asked, while a person is still thinking. */
static void pap_is_not_acknowledged_before_it_was_spoken(void **state)
{
	(void)state;
	struct script s = asking(PPP_AUTH_PAP);

	open_lcp(&s, pap_option);
	say_hex(&s, PPP_PAP, 2, 0, "00");
	assert_false(status_of(&s).authenticated);
	type(&s, "secret");
	expect(&s, PPP_PAP, 1);
	script_end(&s);
}

static void pap_takes_255_octets(void **state)
{
	(void)state;
	static char text[301];
	struct ppp_conf conf = script_conf();

	memset(text, 'x', sizeof(text) - 1);
	for (size_t n = 255; n < 300; n += 44) {
		conf.auth = PPP_AUTH_PAP;
		conf.password = slice(text, n);
		struct script s = script_with(conf);
		ppp_open(s.p, s.now, &s.out);
		answer_lcp(&s);
		say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, pap_option);
		if (n > 255)
			expect_failure(&s, REASON_CONFIG);
		hush(&s);
		script_end(&s);
	}
}

/* A person is asked again only for E=691 R=1, and not when the link is up. */
static void only_a_wrong_password_is_asked_for_again(void **state)
{
	(void)state;
	static const char *const last[] = {"E=691 R=0 M=no", "E=648 R=1 M=no", "R=1"};

	for (size_t i = 0; i < 3; i++) {
		struct script s = asking(PPP_AUTH_MSCHAPV2);

		open_lcp(&s, auth_mschapv2_option);
		say_challenge(&s, 1, challenge_16);
		type(&s, "wrong");
		expect(&s, PPP_CHAP, CHAP_RESPONSE);
		say(&s, PPP_CHAP, CHAP_FAILURE, 1, slice_str(last[i]));
		struct ppp_event ev = next_event(&s);
		assert_int_equal(ev.kind, PPP_EV_FAILED);
		hush(&s);
		script_end(&s);
	}
}

static void a_failure_after_success_is_the_end(void **state)
{
	(void)state;
	struct script s = asking(PPP_AUTH_MSCHAPV2);
	struct ppp_event ev;

	open_lcp(&s, auth_mschapv2_option);
	say_challenge(&s, 9, challenge_16);
	type(&s, "clientPass");
	struct sent response = expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say_success(&s, &response, challenge_16, "clientPass", "");
	hush(&s);
	say_challenge(&s, 10, "000102030405060708090a0b0c0d0e0f");
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say(&s, PPP_CHAP, CHAP_FAILURE, 10, slice_str("E=691 R=1 M=no"));
	do
		ev = next_event(&s);
	while (ev.kind == PPP_EV_PROGRESS);
	assert_int_equal(ev.kind, PPP_EV_FAILED);
	hush(&s);
	script_end(&s);
}

static void a_challenge_of_any_length_in_a_failure_stays_in_its_room(void **state)
{
	(void)state;
	char text[480] = "E=691 R=1 C=";
	struct script s = asking(PPP_AUTH_MSCHAPV2);

	memset(text + 12, 'A', sizeof(text) - 13);
	open_lcp(&s, auth_mschapv2_option);
	say_challenge(&s, 1, challenge_16);
	type(&s, "wrong");
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say(&s, PPP_CHAP, CHAP_FAILURE, 1, slice_str(text));
	type(&s, "again"); /* and waits for a Challenge */
	expect_silence(&s);
	script_end(&s);
}

/* The method is being agreed on anew. */
static void a_password_typed_during_a_renegotiation_waits_for_it(void **state)
{
	(void)state;
	struct script s = asking(PPP_AUTH_MSCHAPV2);

	open_lcp(&s, auth_mschapv2_option);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 2, "0305c22305"); /* CHAP-MD5: not allowed */
	hush(&s);
	type(&s, "clientPass");
	expect_silence(&s);
	script_end(&s);
}

/* ---- what is left on the stack ---- */

static const char password[] = "a password of 24 octets.";

static void hashing_a_password_leaves_nothing(void **state)
{
	(void)state;
	uint8_t unicode[2 * sizeof(password)] = {0}, hash[NT_HASH];

	for (size_t i = 0; i + 1 < sizeof(password); i++)
		unicode[2 * i] = (uint8_t)password[i];
	leftovers_watch(slice(unicode, 40));
	leftovers_wash();
	assert_true(nt_hash(script_env->crypto, slice_str(password), hash));
	assert_int_equal(leftovers_stack(), 0);
}

static void answering_a_challenge_leaves_no_hash(void **state)
{
	(void)state;
	const uint8_t challenge[MSCHAP_CHALLENGE] = {1};
	uint8_t hash[NT_HASH], hash_hash[HASH_MAX], response[MSCHAP_RESPONSE];
	uint8_t proof[MSCHAPV2_PROOF];
	struct slice once[] = {slice(hash, NT_HASH)};

	assert_true(nt_hash(script_env->crypto, slice_str(password), hash));
	leftovers_watch(slice(hash, NT_HASH));
	leftovers_wash();
	assert_true(mschap_response(script_env->crypto, challenge, hash, response));
	assert_int_equal(leftovers_stack(), 0);

	assert_true(crypto_hash(script_env->crypto, HASH_MD4, once, 1, hash_hash));
	leftovers_watch(slice(hash_hash, NT_HASH));
	leftovers_wash();
	assert_true(mschapv2_proof(script_env->crypto, hash, response, challenge, proof));
	assert_int_equal(leftovers_stack(), 0);
}

static void a_session_leaves_no_password_and_no_hash(void **state)
{
	(void)state;
	struct ppp_conf conf = script_conf();
	uint8_t hash[NT_HASH];

	conf.password = slice_str(password);
	assert_true(nt_hash(script_env->crypto, slice_str(password), hash));
	struct script s = script_with(conf);
	open_lcp(&s, auth_mschapv2_option);
	leftovers_watch(slice(hash, NT_HASH));
	leftovers_wash();
	say_challenge(&s, 9, challenge_16);
	assert_int_equal(leftovers_stack(), 0);
	hush(&s);
	script_end(&s);

	conf.auth = PPP_AUTH_PAP;
	s = script_with(conf);
	ppp_open(s.p, s.now, &s.out);
	answer_lcp(&s);
	leftovers_watch(slice_str(password));
	leftovers_wash();
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, pap_option);
	assert_int_equal(leftovers_stack(), 0);
	hush(&s);
	script_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_fit_their_fields),
		cmocka_unit_test(an_mru_that_no_ip_fits_is_not_asked_for),
		cmocka_unit_test(a_protocol_cannot_be_rejected_before_lcp_is_open),
		cmocka_unit_test(pap_is_not_acknowledged_before_it_was_spoken),
		cmocka_unit_test(pap_takes_255_octets),
		cmocka_unit_test(only_a_wrong_password_is_asked_for_again),
		cmocka_unit_test(a_failure_after_success_is_the_end),
		cmocka_unit_test(a_challenge_of_any_length_in_a_failure_stays_in_its_room),
		cmocka_unit_test(a_password_typed_during_a_renegotiation_waits_for_it),
		cmocka_unit_test(hashing_a_password_leaves_nothing),
		cmocka_unit_test(answering_a_challenge_leaves_no_hash),
		cmocka_unit_test(a_session_leaves_no_password_and_no_hash),
	};

	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}

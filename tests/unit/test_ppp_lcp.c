/* The link as a server sees it, up to and including LCP: negotiation, echo, the ends of it. */
#include "ppp_script.h"

/* What we ask first: MRU 1400 and a magic number. */
static uint32_t expect_first_request(struct script *s, uint8_t id)
{
	struct sent ask = expect(s, PPP_LCP, PPP_CONF_REQ);

	assert_int_equal(ask.id, id);
	assert_int_equal(ask.n, 10);
	assert_slice(slice(ask.data, 6), hex("010405780506"));
	return get_u32(ask.data + 6);
}

static void a_plain_server_brings_the_link_up(void **state)
{
	struct script s = script_up();
	struct ppp_status status = status_of(&s);
	char text[IP_TEXT];

	(void)state;
	assert_true(status.lcp_open && status.authenticated && status.up);
	assert_string_equal(status.auth, "mschapv2");
	assert_string_equal(status.message, "Welcome");
	assert_string_equal(ip_text(&status.local, text), "10.0.0.9");
	assert_string_equal(ip_text(&status.peer, text), "10.0.0.1");
	assert_string_equal(ip_text(&status.dns[0], text), "10.0.0.1");
	assert_string_equal(ip_text(&status.dns[1], text), "10.0.0.2");
	assert_int_equal(status.wins[0].family, FAMILY_NONE);
	assert_int_equal(status.mtu, 1400);
	assert_int_equal(status.bad, 0);
	script_end(&s);
}

/* The order of tests/vectors/recorded_softether.txt: EAP first, magic rejected, the same id for
 * two different requests, an echo before LCP is open. */
static void softethers_sequence_brings_the_link_up(void **state)
{
	struct script s = script_opened();

	(void)state;
	uint32_t magic = expect_first_request(&s, 1);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, "0304c227");
	assert_int_equal(expect_first_request(&s, 1), magic); /* once more, at once */
	expect_data(&s, PPP_LCP, PPP_CONF_NAK, 1, "0305c22381");
	uint8_t reject[6] = {5, 6};
	put_u32(reject + 2, magic);
	say(&s, PPP_LCP, PPP_CONF_REJ, 1, slice(reject, 6));
	expect_data(&s, PPP_LCP, PPP_CONF_REQ, 2, "01040578");
	say_hex(&s, PPP_LCP, PPP_ECHO_REQ, 0, "0000000041686f");
	expect_silence(&s);
	say(&s, PPP_LCP, PPP_CONF_REJ, 1, slice(reject, 6)); /* to the copy: an old id */
	expect_silence(&s);
	say_hex(&s, PPP_LCP, PPP_CONF_ACK, 2, "01040578");
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, "0305c22381");
	expect_data(&s, PPP_LCP, PPP_CONF_ACK, 1, "0305c22381");
	say_hex(&s, PPP_LCP, PPP_ECHO_REQ, 3, "0000000041686f");
	expect_data(&s, PPP_LCP, PPP_ECHO_REPLY, 3, "0000000041686f"); /* our magic is 0 now */
	pass_auth(&s);
	struct sent ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);
	say_hex(&s, PPP_IPCP, PPP_CONF_REJ, ask.id,
		"820600000000"
		"830600000000"
		"840600000000");
	ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);
	say_hex(&s, PPP_IPCP, PPP_CONF_NAK, ask.id,
		"0306c0a81e0a"
		"8106c0a81e01");
	ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);
	assert_slice(sent_data(&ask), hex("0306c0a81e0a"
					  "8106c0a81e01"));
	say_hex(&s, PPP_IPCP, PPP_CONF_REQ, 3, "0306c0a81e01");
	expect_data(&s, PPP_IPCP, PPP_CONF_ACK, 3, "0306c0a81e01");
	say(&s, PPP_IPCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
	assert_true(status_of(&s).up);
	script_end(&s);
}

static void a_request_is_repeated_with_the_same_id(void **state)
{
	struct script s = script_opened();

	(void)state;
	uint32_t magic = expect_first_request(&s, 1);
	for (int i = 0; i < 6; i++) {
		assert_true(pass_time(&s));
		assert_int_equal(expect_first_request(&s, 1), magic);
	}
	script_end(&s);
}

static void a_silent_server_ends_in_no_response_after_75_seconds(void **state)
{
	struct script s = script_opened();
	msec start = s.now;

	(void)state;
	while (pass_time(&s))
		hush(&s);
	assert_int_equal(s.now - start, SECONDS(75));
	struct reason r = expect_failure(&s, REASON_PPP_NO_RESPONSE);
	expect_evidence(&r, "LCP requests without an answer");
	expect_silence(&s);
	script_end(&s);
}

static void a_server_that_falls_silent_ends_in_a_timeout(void **state)
{
	struct script s = script_opened();
	struct sent ask = expect(&s, PPP_LCP, PPP_CONF_REQ);
	msec start = s.now;

	(void)state;
	say(&s, PPP_LCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
	while (pass_time(&s))
		hush(&s);
	assert_int_equal(s.now - start, SECONDS(40));
	expect_failure(&s, REASON_PPP_TIMEOUT);
	script_end(&s);
}

static void a_lost_answer_is_made_good(void **state)
{
	struct script s = script_opened();
	struct sent ask = expect(&s, PPP_LCP, PPP_CONF_REQ);

	(void)state;
	/* Our Ack is lost: the server asks again and we are open already. */
	say(&s, PPP_LCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
	hush(&s);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
	answer_lcp(&s);
	expect_data(&s, PPP_LCP, PPP_CONF_ACK, 1, auth_mschapv2_option);
	pass_auth(&s);
	pass_ipcp(&s);
	assert_true(status_of(&s).up);
	script_end(&s);
}

/* Our request has its Ack, the server's own never came: the next request needs an id of its own, or
 * its Ack would pass for a duplicate. */
static void a_request_after_an_answered_one_has_a_new_id(void **state)
{
	struct script s = script_opened();

	(void)state;
	answer_lcp(&s);
	assert_true(pass_time(&s));
	struct sent ask = expect(&s, PPP_LCP, PPP_CONF_REQ);
	assert_int_equal(ask.id, 2);
	say(&s, PPP_LCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
	expect_data(&s, PPP_LCP, PPP_CONF_ACK, 1, auth_mschapv2_option);
	assert_true(status_of(&s).lcp_open);
	script_end(&s);
}

static void duplicates_of_an_ack_do_no_harm(void **state)
{
	struct script s = script_opened();
	struct sent ask = expect(&s, PPP_LCP, PPP_CONF_REQ);

	(void)state;
	for (int i = 0; i < 3; i++)
		say(&s, PPP_LCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
	expect_silence(&s);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
	expect(&s, PPP_LCP, PPP_CONF_ACK);
	for (uint8_t code = PPP_CONF_ACK; code <= PPP_CONF_REJ; code++)
		say(&s, PPP_LCP, code, ask.id, sent_data(&ask));
	expect_silence(&s);
	assert_true(status_of(&s).lcp_open);
	script_end(&s);
}

static void the_first_request_is_repeated_at_once_only_once(void **state)
{
	struct script s = script_opened();

	(void)state;
	uint32_t magic = expect_first_request(&s, 1);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
	assert_int_equal(expect_first_request(&s, 1), magic);
	expect(&s, PPP_LCP, PPP_CONF_ACK); /* behind our request: an Ack may open the server */
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
	expect(&s, PPP_LCP, PPP_CONF_ACK);
	expect_silence(&s);
	script_end(&s);
}

static void an_ack_of_something_else_is_dropped(void **state)
{
	struct script s = script_opened();
	struct sent ask = expect(&s, PPP_LCP, PPP_CONF_REQ);

	(void)state;
	say(&s, PPP_LCP, PPP_CONF_ACK, ask.id, slice(ask.data, 4));
	say(&s, PPP_LCP, PPP_CONF_ACK, (uint8_t)(ask.id + 1), sent_data(&ask));
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
	expect(&s, PPP_LCP, PPP_CONF_REQ); /* still the first, unanswered */
	expect(&s, PPP_LCP, PPP_CONF_ACK);
	assert_false(status_of(&s).lcp_open);
	script_end(&s);
}

/* RRAS's list (wire 5.1): MRU, auth, magic, PFC, ACFC, callback, MRRU, endpoint, link. */
static void options_are_granted_or_rejected_by_the_table(void **state)
{
	struct script s = script_opened();

	(void)state;
	hush(&s);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1,
		"01040578"
		"0305c22381"
		"050611223344"
		"0702"
		"0802"
		"0d0306"
		"110405dc"
		"1305010203"
		"170400ff");
	expect(&s, PPP_LCP, PPP_CONF_REQ);
	expect_data(&s, PPP_LCP, PPP_CONF_REJ, 1,
		"0d0306"
		"110405dc"
		"1305010203"
		"170400ff");
	const char *good = "01040578"
			   "0206ffffffff"
			   "0305c22381"
			   "050611223344"
			   "0702"
			   "0802";
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 2, good);
	expect_data(&s, PPP_LCP, PPP_CONF_ACK, 2, good);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 3,
		"0305c22381"
		"0104007f");
	expect_data(&s, PPP_LCP, PPP_CONF_NAK, 3, "010405dc");
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 4,
		"0305c22381"
		"050600000000");
	struct sent nak = expect(&s, PPP_LCP, PPP_CONF_NAK);
	assert_int_equal(nak.n, 6);
	assert_memory_not_equal(nak.data + 2, "\0\0\0\0", 4);
	script_end(&s);
}

/* Every type and every length of a single option, wherever LCP stands: an answer with our request's
 * id, made of that option alone. */
static void every_option_of_every_length_is_answered(void **state)
{
	static const uint8_t granted[][2] = {{1, 2}, {2, 4}, {3, 3}, {5, 4}, {7, 0}, {8, 0}};

	(void)state;
	for (unsigned type = 0; type < 256; type++)
		for (size_t n = 0; n <= 253; n = n < 8 ? n + 1 : n < 250 ? n + 61 : n + 1) {
			struct script s = script_opened();
			uint8_t octets[255];
			struct wr w = wr_of(octets, sizeof(octets));
			bool fits = false;

			hush(&s);
			wr_u8(&w, (uint8_t)type);
			wr_u8(&w, (uint8_t)(n + 2));
			for (size_t i = 0; i < n; i++)
				wr_u8(&w, 5);
			say(&s, PPP_LCP, PPP_CONF_REQ, 77, wr_slice(&w));
			expect(&s, PPP_LCP, PPP_CONF_REQ);
			struct sent got = {0};
			assert_true(listen(&s, &got));
			for (size_t i = 0; i < 6; i++)
				fits |= granted[i][0] == type && granted[i][1] == n;
			assert_int_equal(got.id, 77);
			if (type == 3 && n >= 2)
				assert_int_equal(got.code, PPP_CONF_NAK);
			else
				assert_int_equal(got.code, fits ? PPP_CONF_ACK : PPP_CONF_REJ);
			if (got.code != PPP_CONF_NAK)
				assert_slice(sent_data(&got), wr_slice(&w));
			script_end(&s);
		}
}

static void the_mtu_is_what_both_take_between_576_and_1500(void **state)
{
	static const struct {
		const char *options;
		uint16_t ours, mtu;
	} rows[] = {
		{"0305c22381", 1400, 1400},
		{"0305c22381"
		 "0104055a",
			1400, 1370},
		{"0305c22381"
		 "01040080",
			1400, 576},
		{"0305c22381"
		 "0104ffff",
			1400, 1400},
		{"0305c22381"
		 "01042000",
			1500, 1500},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ppp_conf conf = script_conf();
		conf.mru = rows[i].ours;
		struct script s = script_with(conf);

		open_lcp(&s, rows[i].options);
		assert_int_equal(status_of(&s).mtu, rows[i].mtu);
		script_end(&s);
	}
}

static void naks_and_rejects_change_what_we_ask(void **state)
{
	struct script s = script_opened();
	uint32_t magic = expect_first_request(&s, 1);

	(void)state;
	say_hex(&s, PPP_LCP, PPP_CONF_NAK, 1,
		"01040514"
		"050600000001");
	struct sent ask = expect(&s, PPP_LCP, PPP_CONF_REQ);
	assert_int_equal(ask.id, 2);
	assert_slice(slice(ask.data, 4), hex("01040514"));
	assert_int_not_equal(get_u32(ask.data + 6), magic);
	assert_int_not_equal(get_u32(ask.data + 6), 1); /* our own choice */
	say(&s, PPP_LCP, PPP_CONF_REJ, 2, sent_data(&ask));
	expect_data(&s, PPP_LCP, PPP_CONF_REQ, 3, "");
	script_end(&s);
}

static void a_reject_of_what_we_did_not_ask_is_dropped(void **state)
{
	struct script s = script_opened();

	(void)state;
	expect_first_request(&s, 1);
	say_hex(&s, PPP_LCP, PPP_CONF_REJ, 1, "0702");
	say_hex(&s, PPP_LCP, PPP_CONF_REJ, 1, "01040579");
	say_hex(&s, PPP_LCP, PPP_CONF_NAK, 1, "010305");
	expect_silence(&s);
	assert_int_equal(status_of(&s).bad, 3);
	script_end(&s);
}

static void a_server_that_insists_on_a_method_is_refused(void **state)
{
	static const struct {
		const char *option, *name;
	} rows[] = {{"0304c227", "eap"}, {"0304c023", "pap"}, {"0305c22305", "chap-md5"},
		{"0305c22380", "mschapv1"}, {"0305c22306", "an unknown method"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct script s = script_opened();

		hush(&s);
		for (uint8_t id = 1; id <= 5; id++) {
			say_hex(&s, PPP_LCP, PPP_CONF_REQ, id, rows[i].option);
			if (id == 1)
				expect(&s, PPP_LCP, PPP_CONF_REQ);
			expect_data(&s, PPP_LCP, PPP_CONF_NAK, id, "0305c22381");
		}
		say_hex(&s, PPP_LCP, PPP_CONF_REQ, 6, rows[i].option);
		expect(&s, PPP_LCP, PPP_TERM_REQ);
		expect_silence(&s);
		struct reason r = expect_failure(&s, REASON_PPP_AUTH_METHOD);
		expect_evidence(&r, rows[i].name);
		expect_evidence(&r, "mschapv2");
		script_end(&s);
	}
}

/* Who asks for what, who allows what: only what both say is acknowledged. */
static void methods_are_a_matrix(void **state)
{
	static const struct {
		const char *option;
		unsigned bit;
	} asked[] = {{"0304c023", PPP_AUTH_PAP}, {"0305c22305", PPP_AUTH_CHAP_MD5},
		{"0305c22380", 0}, {"0305c22381", PPP_AUTH_MSCHAPV2}, {"0304c227", 0},
		{"0306c2238100", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		for (unsigned allowed = 1; allowed < 16; allowed++) {
			struct ppp_conf conf = script_conf();
			conf.auth = allowed;
			struct script s = script_with(conf);

			ppp_open(s.p, s.now, &s.out);
			hush(&s);
			say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, asked[i].option);
			expect(&s, PPP_LCP, PPP_CONF_REQ);
			struct sent got = {0};
			assert_true(listen(&s, &got));
			if (allowed & asked[i].bit)
				assert_int_equal(got.code, PPP_CONF_ACK);
			else if (allowed == PPP_AUTH_MSCHAPV1) /* not spoken: nothing to offer */
				assert_int_equal(got.code, PPP_CONF_REJ);
			else
				assert_int_equal(got.code, PPP_CONF_NAK);
			if (got.code == PPP_CONF_NAK)
				assert_slice(sent_data(&got),
					hex(allowed & PPP_AUTH_MSCHAPV2       ? "0305c22381"
						: allowed & PPP_AUTH_CHAP_MD5 ? "0305c22305"
									      : "0304c023"));
			script_end(&s);
		}
}

static void a_server_that_hangs_up_over_the_method_names_it(void **state)
{
	struct script s = script_opened();

	(void)state;
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, "0304c023");
	hush(&s);
	say(&s, PPP_LCP, PPP_TERM_REQ, 2, slice_str("auth failed"));
	expect_data(&s, PPP_LCP, PPP_TERM_ACK, 2, "");
	expect_silence(&s);
	struct reason r = expect_failure(&s, REASON_PPP_AUTH_METHOD);
	expect_evidence(&r, "pap");
	expect_evidence(&r, "auth failed");
	script_end(&s);
}

static void a_method_refused_long_ago_is_no_reason(void **state)
{
	struct script s = script_opened();

	(void)state;
	hush(&s);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, "0304c227");
	answer_lcp(&s);
	expect(&s, PPP_LCP, PPP_CONF_NAK);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 2, auth_mschapv2_option);
	expect(&s, PPP_LCP, PPP_CONF_ACK);
	assert_true(status_of(&s).lcp_open);
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 3, "010405dc");
	hush(&s);
	say(&s, PPP_LCP, PPP_TERM_REQ, 4, slice_str("bye"));
	expect_failure(&s, REASON_PPP_LCP_TERMINATED);
	script_end(&s);
}

static void a_server_without_authentication_is_refused(void **state)
{
	struct script s = script_new();

	(void)state;
	open_lcp(&s, "010405dc");
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	expect_silence(&s);
	struct reason r = expect_failure(&s, REASON_PPP_MUTUAL_AUTH);
	expect_evidence(&r, "the server did not ask for authentication");
	script_end(&s);
}

/* RFC 1661, 4.6: after five Naks we Reject; and after a while we give up. */
static void options_that_never_converge_end(void **state)
{
	struct script s = script_opened();
	unsigned naks = 0, rejects = 0;
	struct sent got = {0};

	(void)state;
	for (unsigned i = 0; i < 40 && got.code != PPP_TERM_REQ; i++) {
		say_hex(&s, PPP_LCP, PPP_CONF_REQ, (uint8_t)i,
			"0305c22381"
			"01040001");
		while (listen(&s, &got)) {
			naks += got.code == PPP_CONF_NAK;
			rejects += got.code == PPP_CONF_REJ;
		}
	}
	assert_int_equal(naks, 5);
	assert_int_equal(rejects, 15);
	struct reason r = expect_failure(&s, REASON_PPP_NOT_CONVERGING);
	expect_evidence(&r, "LCP");
	script_end(&s);
}

static void a_server_that_naks_for_ever_ends(void **state)
{
	struct script s = script_opened();
	unsigned rounds = 0;

	(void)state;
	for (struct sent got = {0}; listen(&s, &got) && got.code == PPP_CONF_REQ; rounds++)
		say_hex(&s, PPP_LCP, PPP_CONF_NAK, got.id, "050600000001");
	assert_in_range(rounds, 5, 30);
	expect_failure(&s, REASON_PPP_NOT_CONVERGING);
	script_end(&s);
}

static void a_looped_line_is_recognised(void **state)
{
	struct script s = script_opened();
	unsigned frames = 0;

	(void)state;
	while (s.out.down.count) {
		struct pktq back = s.out.down;

		assert_true(frames++ < 100);
		s.out.down = (struct pktq){0};
		ppp_recv(s.p, &back, s.now, &s.out);
	}
	expect_failure(&s, REASON_PPP_LOOPBACK);
	script_end(&s);
}

static void echoes_are_answered_when_open_only(void **state)
{
	struct script s = script_opened();
	uint32_t magic = expect_first_request(&s, 1);
	uint8_t own[6];

	(void)state;
	say_hex(&s, PPP_LCP, PPP_ECHO_REQ, 5, "01020304");
	expect_silence(&s);
	put_u32(own, magic);
	uint8_t ask[10] = {1, 4, 5, 0x78, 5, 6};
	put_u32(ask + 6, magic);
	say(&s, PPP_LCP, PPP_CONF_ACK, 1, slice(ask, 10));
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1,
		"0305c22381"
		"050601020304");
	expect(&s, PPP_LCP, PPP_CONF_ACK);
	say_hex(&s, PPP_LCP, PPP_ECHO_REQ, 6, "01020304beef");
	struct sent got = expect(&s, PPP_LCP, PPP_ECHO_REPLY);
	assert_int_equal(got.id, 6);
	assert_int_equal(got.n, 6);
	assert_memory_equal(got.data, own, 4);
	assert_memory_equal(got.data + 4, "\xbe\xef", 2);
	say(&s, PPP_LCP, PPP_ECHO_REQ, 7, slice(own, 4)); /* our own, come back */
	say_hex(&s, PPP_LCP, PPP_ECHO_REQ, 8, "010203");
	say_hex(&s, PPP_LCP, PPP_ECHO_REPLY, 9, "01020304");
	say_hex(&s, PPP_LCP, PPP_DISCARD_REQ, 9, "01020304ff");
	say_hex(&s, PPP_LCP, PPP_IDENTIFICATION, 9, "010203044d53524153");
	say_hex(&s, PPP_LCP, PPP_TIME_REMAINING, 9, "0102030400000e10");
	expect_silence(&s);
	script_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_server_brings_the_link_up),
		cmocka_unit_test(softethers_sequence_brings_the_link_up),
		cmocka_unit_test(a_request_is_repeated_with_the_same_id),
		cmocka_unit_test(a_silent_server_ends_in_no_response_after_75_seconds),
		cmocka_unit_test(a_server_that_falls_silent_ends_in_a_timeout),
		cmocka_unit_test(a_lost_answer_is_made_good),
		cmocka_unit_test(a_request_after_an_answered_one_has_a_new_id),
		cmocka_unit_test(duplicates_of_an_ack_do_no_harm),
		cmocka_unit_test(the_first_request_is_repeated_at_once_only_once),
		cmocka_unit_test(an_ack_of_something_else_is_dropped),
		cmocka_unit_test(options_are_granted_or_rejected_by_the_table),
		cmocka_unit_test(every_option_of_every_length_is_answered),
		cmocka_unit_test(the_mtu_is_what_both_take_between_576_and_1500),
		cmocka_unit_test(naks_and_rejects_change_what_we_ask),
		cmocka_unit_test(a_reject_of_what_we_did_not_ask_is_dropped),
		cmocka_unit_test(a_server_that_insists_on_a_method_is_refused),
		cmocka_unit_test(methods_are_a_matrix),
		cmocka_unit_test(a_server_that_hangs_up_over_the_method_names_it),
		cmocka_unit_test(a_method_refused_long_ago_is_no_reason),
		cmocka_unit_test(a_server_without_authentication_is_refused),
		cmocka_unit_test(options_that_never_converge_end),
		cmocka_unit_test(a_server_that_naks_for_ever_ends),
		cmocka_unit_test(a_looped_line_is_recognised),
		cmocka_unit_test(echoes_are_answered_when_open_only),
	};
	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}

/* IPCP as a server sees it, and IP over the link. */
#include "ppp_script.h"

/* Authenticated; our first IPCP request is waiting to be heard. */
static struct script script_network(struct ppp_conf conf)
{
	struct script s = script_with(conf);

	open_lcp(&s, auth_mschapv2_option);
	pass_auth(&s);
	return s;
}

static struct ppp_conf plain_conf(void)
{
	struct ppp_conf conf = script_conf();

	conf.want_dns = false;
	return conf;
}

static void only_what_is_wanted_is_asked(void **state)
{
	struct ppp_conf conf = plain_conf();

	(void)state;
	assert_true(ip_parse("10.1.2.3", &conf.want));
	struct script s = script_network(conf);
	struct sent ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);
	assert_slice(sent_data(&ask), hex("03060a010203"));
	say(&s, PPP_IPCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
	say_hex(&s, PPP_IPCP, PPP_CONF_REQ, 1, ""); /* RRAS may say nothing about itself */
	expect_data(&s, PPP_IPCP, PPP_CONF_ACK, 1, "");
	assert_true(status_of(&s).up);
	assert_int_equal(status_of(&s).dns[0].family, FAMILY_NONE);
	script_end(&s);
}

static void the_servers_options_are_granted_or_rejected(void **state)
{
	struct script s = script_network(plain_conf());

	(void)state;
	hush(&s);
	say_hex(&s, PPP_IPCP, PPP_CONF_REQ, 1,
		"010a0a0000010a000002"
		"0206002d0f01"
		"03060a000001"
		"81060a000001"
		"9006ffffff00");
	expect_data(&s, PPP_IPCP, PPP_CONF_REJ, 1,
		"010a0a0000010a000002"
		"0206002d0f01"
		"81060a000001"
		"9006ffffff00");
	say_hex(&s, PPP_IPCP, PPP_CONF_REQ, 2, "030600000000");
	expect_data(&s, PPP_IPCP, PPP_CONF_ACK, 2, "030600000000");
	script_end(&s);
}

static void every_option_of_every_length_is_answered(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		struct script s = script_network(plain_conf());
		unsigned rejects = 0;

		hush(&s);
		for (size_t n = 0; n <= 253 && rejects < 20; n = n < 12 ? n + 1 : n + 241) {
			uint8_t octets[255];
			struct wr w = wr_of(octets, sizeof(octets));
			bool good = type == 3 && n == 4;

			wr_u8(&w, (uint8_t)type);
			wr_u8(&w, (uint8_t)(n + 2));
			for (size_t i = 0; i < n; i++)
				wr_u8(&w, 10);
			say(&s, PPP_IPCP, PPP_CONF_REQ, 77, wr_slice(&w));
			struct sent got = expect(&s, PPP_IPCP, good ? PPP_CONF_ACK : PPP_CONF_REJ);
			assert_slice(sent_data(&got), wr_slice(&w));
			rejects += !good;
		}
		script_end(&s);
	}
}

/* A Nak with a length that its option cannot have changes nothing. */
static void naks_of_a_wrong_length_are_dropped(void **state)
{
	static const uint8_t types[] = {3, 129, 130, 131, 132};

	(void)state;
	for (size_t t = 0; t < sizeof(types); t++)
		for (size_t n = 0; n <= 253; n++) {
			struct script s = script_network(script_conf());
			struct sent ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);
			uint8_t octets[255] = {types[t], (uint8_t)(n + 2), 10, 10, 10, 10};

			say(&s, PPP_IPCP, PPP_CONF_NAK, ask.id, slice(octets, n + 2));
			if (n == 4) {
				expect(&s, PPP_IPCP, PPP_CONF_REQ);
			} else {
				expect_silence(&s);
				assert_int_equal(status_of(&s).bad, 1);
			}
			script_end(&s);
		}
}

static void addresses_nobody_can_have_are_refused(void **state)
{
	static const struct {
		const char *address;
		enum reason_id id;
	} rows[] = {
		{"030600000000", REASON_PPP_NO_ADDRESS},
		{"030600000001", REASON_PPP_ADDRESS_BAD},
		{"03067f000001", REASON_PPP_ADDRESS_BAD},
		{"0306e0000001", REASON_PPP_ADDRESS_BAD},
		{"0306f0000001", REASON_PPP_ADDRESS_BAD},
		{"0306ffffffff", REASON_PPP_ADDRESS_BAD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct script s = script_network(plain_conf());
		struct sent ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);

		say_hex(&s, PPP_IPCP, PPP_CONF_NAK, ask.id, rows[i].address);
		expect(&s, PPP_LCP, PPP_TERM_REQ);
		expect_silence(&s);
		expect_failure(&s, rows[i].id);
		script_end(&s);
	}
}

static void an_acknowledged_zero_is_no_address(void **state)
{
	struct script s = script_network(plain_conf());
	struct sent ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);

	(void)state;
	say_hex(&s, PPP_IPCP, PPP_CONF_REQ, 1, "03060a000001");
	expect(&s, PPP_IPCP, PPP_CONF_ACK);
	say(&s, PPP_IPCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	assert_false(status_of(&s).up);
	expect_failure(&s, REASON_PPP_NO_ADDRESS);
	script_end(&s);
}

static void a_rejected_address_is_no_address(void **state)
{
	struct script s = script_network(plain_conf());
	struct sent ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);

	(void)state;
	say(&s, PPP_IPCP, PPP_CONF_REJ, ask.id, sent_data(&ask));
	struct reason r = expect_failure(&s, REASON_PPP_NO_ADDRESS);
	expect_evidence(&r, "rejects the address option");
	script_end(&s);
}

static void silence_is_no_address_and_names_ipcp(void **state)
{
	struct script s = script_network(plain_conf());
	msec start = s.now;

	(void)state;
	while (pass_time(&s))
		hush(&s);
	assert_int_equal(s.now - start, SECONDS(40));
	struct reason r = expect_failure(&s, REASON_PPP_NO_ADDRESS);
	expect_evidence(&r, "no answer to IPCP");
	script_end(&s);
}

static void silence_in_the_middle_is_a_timeout(void **state)
{
	struct script s = script_network(plain_conf());
	struct sent ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);

	(void)state;
	say_hex(&s, PPP_IPCP, PPP_CONF_NAK, ask.id, "03060a000009");
	while (pass_time(&s))
		hush(&s);
	expect_failure(&s, REASON_PPP_TIMEOUT);
	script_end(&s);
}

/* It grants whatever is asked and never asks for anything itself: that is no link either. */
static void a_server_that_only_acknowledges_is_a_timeout(void **state)
{
	struct script s = script_network(plain_conf());
	msec start = s.now;
	struct sent ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);

	(void)state;
	say_hex(&s, PPP_IPCP, PPP_CONF_NAK, ask.id, "03060a000007");
	for (unsigned i = 0; i < 1000 && listen(&s, &ask) && ask.protocol == PPP_IPCP; i++) {
		say(&s, PPP_IPCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
		while (!s.out.down.head && pass_time(&s))
			;
	}
	assert_in_range(s.now - start, SECONDS(38), SECONDS(45));
	expect_failure(&s, REASON_PPP_TIMEOUT);
	script_end(&s);
}

static void a_server_without_ipcp_has_no_ncp(void **state)
{
	struct script s = script_network(plain_conf());

	(void)state;
	hush(&s);
	say_hex(&s, PPP_LCP, PPP_PROTO_REJ, 1,
		"8021"
		"0101000a030600000000");
	expect(&s, PPP_LCP, PPP_TERM_REQ);
	expect_failure(&s, REASON_PPP_NO_NCP);
	script_end(&s);

	s = script_network(plain_conf());
	hush(&s);
	say(&s, PPP_IPCP, PPP_TERM_REQ, 1, slice_str("pool empty"));
	expect_data(&s, PPP_IPCP, PPP_TERM_ACK, 1, "");
	struct reason r = expect_failure(&s, REASON_PPP_NO_NCP);
	expect_evidence(&r, "pool empty");
	script_end(&s);
}

static void other_protocol_rejects_do_no_harm(void **state)
{
	struct script s = script_up();

	(void)state;
	say_hex(&s, PPP_LCP, PPP_PROTO_REJ, 1,
		"8057"
		"01010004");
	say_hex(&s, PPP_LCP, PPP_PROTO_REJ, 1, "c223");
	say_hex(&s, PPP_LCP, PPP_PROTO_REJ, 1, "80");
	assert_true(status_of(&s).up);
	expect_silence(&s);
	script_end(&s);
}

static void useless_dns_servers_are_not_taken(void **state)
{
	struct script s = script_network(script_conf());
	struct sent ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);

	(void)state;
	say_hex(&s, PPP_IPCP, PPP_CONF_NAK, ask.id,
		"03060a000009"
		"810600000000"
		"83067f000001"
		"8206ffffffff"
		"84060a000007");
	ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);
	assert_slice(sent_data(&ask), hex("03060a000009"
					  "84060a000007"));
	say(&s, PPP_IPCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
	say_hex(&s, PPP_IPCP, PPP_CONF_REQ, 1, "03060a000001");
	assert_true(status_of(&s).up);
	assert_int_equal(status_of(&s).dns[0].family, FAMILY_NONE);
	assert_int_equal(status_of(&s).dns[1].family, FAMILY_NONE);
	assert_int_equal(status_of(&s).wins[0].family, FAMILY_NONE);
	assert_int_equal(status_of(&s).wins[1].b[3], 7);
	script_end(&s);
}

static void a_server_that_always_naks_ends(void **state)
{
	struct script s = script_network(plain_conf());
	unsigned rounds = 0;

	(void)state;
	for (struct sent got = {0}; listen(&s, &got) && got.protocol == PPP_IPCP; rounds++) {
		uint8_t option[6] = {3, 6, 10, 0, 0, (uint8_t)(rounds + 1)};

		say(&s, PPP_IPCP, PPP_CONF_NAK, got.id, slice(option, 6));
	}
	assert_in_range(rounds, 5, 30);
	struct reason r = expect_failure(&s, REASON_PPP_NOT_CONVERGING);
	expect_evidence(&r, "IPCP");
	script_end(&s);
}

static void ipcp_alone_may_be_renegotiated(void **state)
{
	struct script s = script_up();

	(void)state;
	say_hex(&s, PPP_IPCP, PPP_CONF_REQ, 50, "03060a0000fe");
	expect_event(&s, PPP_EV_DOWN);
	struct sent ask = expect(&s, PPP_IPCP, PPP_CONF_REQ);
	expect_data(&s, PPP_IPCP, PPP_CONF_ACK, 50, "03060a0000fe");
	assert_slice(slice(ask.data, 6), hex("03060a000009")); /* what we have */
	say(&s, PPP_IPCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
	expect_step(&s, "ipcp");
	expect_event(&s, PPP_EV_UP);
	assert_int_equal(status_of(&s).peer.b[3], 0xfe);
	script_end(&s);
}

/* ---- IP ---- */

static void say_ip(struct script *s, const char *header, const char *packet)
{
	uint8_t octets[128];
	struct wr w = wr_of(octets, sizeof(octets));

	wr_put(&w, hex(header));
	wr_put(&w, hex(packet));
	say_frame(s, wr_slice(&w));
}

static void ip_comes_in_all_forms_of_the_header(void **state)
{
	static const char *const headers[] = {"ff030021", "0021", "ff0321", "21"};
	struct script s = script_up();

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		say_ip(&s, headers[i], ipv4_packet);
		struct pkt *got = take(&s.out.up);
		assert_slice(pkt_slice(got), hex(ipv4_packet));
		pkt_free(got);
	}
	assert_int_equal(status_of(&s).bad, 0);
	script_end(&s);
}

static void what_is_not_ipv4_does_not_come_up(void **state)
{
	static const char *const packets[] = {"", "45", "6500001400000000400100000a0000010a000009",
		"45000014000000004001000000000000000000"};
	struct script s = script_up();

	(void)state;
	for (size_t i = 0; i < 4; i++)
		say_ip(&s, "0021", packets[i]);
	say_ip(&s, "0057", "60000000000000000000");
	assert_int_equal(s.out.up.count, 0);
	assert_int_equal(status_of(&s).bad, 5);
	expect_silence(&s);
	script_end(&s);
}

static void ip_passes_only_while_up(void **state)
{
	struct script s = script_new();
	struct pktq packets = {0};

	(void)state;
	for (int phase = 0; phase < 5; phase++) {
		if (phase == 1)
			ppp_open(s.p, s.now, &s.out);
		if (phase == 2) {
			answer_lcp(&s);
			say_hex(&s, PPP_LCP, PPP_CONF_REQ, 1, auth_mschapv2_option);
			expect(&s, PPP_LCP, PPP_CONF_ACK);
		}
		if (phase == 3)
			pass_auth(&s);
		if (phase == 4) {
			pass_ipcp(&s);
			ppp_close(s.p, s.now, &s.out);
		}
		size_t before = s.out.down.count;
		say_ip(&s, "0021", ipv4_packet);
		pktq_put(&packets, pkt_of(s.env->pool, hex(ipv4_packet)));
		ppp_send(s.p, &packets, s.now, &s.out);
		assert_int_equal(packets.count, 0);
		assert_int_equal(s.out.up.count, 0);
		assert_int_equal(s.out.down.count, before);
	}
	script_end(&s);
}

static void ip_goes_out_with_the_agreed_header(void **state)
{
	static const char *const options[] = {"0305c22381",
		"0305c22381"
		"0802",
		"0305c22381"
		"07020802"};
	static const char *const headers[] = {"ff030021", "0021", "0021"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct script s = script_up_with(script_conf(), options[i]);
		struct pktq packets = {0};

		for (int n = 0; n < 3; n++)
			pktq_put(&packets, pkt_of(s.env->pool, hex(ipv4_packet)));
		pktq_put(
			&packets, pkt_of(s.env->pool, hex("60000000"))); /* a TUN speaks IPv6 too */
		ppp_send(s.p, &packets, s.now, &s.out);
		assert_int_equal(s.out.down.count, 3);
		struct pkt *got = take(&s.out.down);
		struct slice header = hex(headers[i]);
		assert_slice(slice(got->data, header.n), header);
		assert_true(pkt_pull(got, header.n));
		assert_slice(pkt_slice(got), hex(ipv4_packet));
		pkt_free(got);
		script_end(&s);
	}
}

static void a_new_lcp_without_acfc_brings_the_whole_header_back(void **state)
{
	struct script s = script_up_with(script_conf(), "0305c223810802");
	struct pktq packets = {0};

	(void)state;
	say_hex(&s, PPP_LCP, PPP_CONF_REQ, 2, auth_mschapv2_option);
	answer_lcp(&s);
	expect(&s, PPP_LCP, PPP_CONF_ACK);
	pass_auth(&s);
	pass_ipcp(&s);
	pktq_put(&packets, pkt_of(s.env->pool, hex(ipv4_packet)));
	ppp_send(s.p, &packets, s.now, &s.out);
	assert_slice(slice(s.out.down.head->data, 4), hex("ff030021"));
	script_end(&s);
}

static void other_protocols_are_rejected_in_the_network_phase(void **state)
{
	struct script s = script_network(plain_conf());

	(void)state;
	hush(&s);
	say_hex(&s, PPP_CCP, PPP_CONF_REQ, 1, "120601000060");
	struct sent got = expect(&s, PPP_LCP, PPP_PROTO_REJ);
	assert_slice(sent_data(&got), hex("80fd"
					  "0101000a120601000060"));
	say_hex(&s, PPP_IPV6CP, PPP_CONF_REQ, 1, "010a0102030405060708");
	got = expect(&s, PPP_LCP, PPP_PROTO_REJ);
	assert_slice(slice(got.data, 2), hex("8057"));
	uint8_t big[1900] = {0};
	say(&s, 0x4021, 1, 1, slice(big, sizeof(big)));
	got = expect(&s, PPP_LCP, PPP_PROTO_REJ);
	assert_int_equal(got.n, 1400 - 4); /* cut to the MRU */
	script_end(&s);
}

static void no_protocol_is_rejected_before_authentication_ended(void **state)
{
	struct script s = script_new();

	(void)state;
	ppp_open(s.p, s.now, &s.out);
	hush(&s);
	say_hex(&s, PPP_CCP, PPP_CONF_REQ, 1, "120601000060");
	say_hex(&s, PPP_IPCP, PPP_CONF_REQ, 1, "03060a000001");
	expect_silence(&s);
	script_end(&s);
	s = script_new();
	open_lcp(&s, auth_mschapv2_option);
	say_hex(&s, PPP_CCP, PPP_CONF_REQ, 1, "120601000060");
	say_hex(&s, PPP_IPV6CP, PPP_CONF_REQ, 1, "");
	expect_silence(&s);
	assert_int_equal(status_of(&s).bad, 2);
	script_end(&s);
}

/* Frames that nobody made up with care: no crash, no IP, no proof. */
static void noise_brings_nothing_up(void **state)
{
	static const uint16_t protocols[] = {
		PPP_LCP, PPP_CHAP, PPP_IPCP, PPP_IPV4, PPP_PAP, 0x80fd};

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct script s = script_with(script_conf());

		ppp_open(s.p, s.now, &s.out);
		for (unsigned i = 0; i < 60; i++) {
			uint8_t octets[80];

			env_random(s.env, octets, sizeof(octets));
			put_u16(octets, 0xff03);
			put_u16(octets + 2, protocols[octets[70] % 6]);
			octets[4] %= 14;
			octets[5] %= 4;
			put_u16(octets + 6, octets[71] % 64);
			octets[8] %= 9;
			octets[9] %= 12;
			say_frame(&s, slice(octets, 4 + octets[72] % 66));
			hush(&s);
			if (octets[73] % 8 == 0)
				pass_time(&s);
		}
		assert_int_equal(s.out.up.count, 0);
		assert_false(status_of(&s).authenticated);
		script_end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_wanted_is_asked),
		cmocka_unit_test(the_servers_options_are_granted_or_rejected),
		cmocka_unit_test(every_option_of_every_length_is_answered),
		cmocka_unit_test(naks_of_a_wrong_length_are_dropped),
		cmocka_unit_test(addresses_nobody_can_have_are_refused),
		cmocka_unit_test(an_acknowledged_zero_is_no_address),
		cmocka_unit_test(a_rejected_address_is_no_address),
		cmocka_unit_test(silence_is_no_address_and_names_ipcp),
		cmocka_unit_test(silence_in_the_middle_is_a_timeout),
		cmocka_unit_test(a_server_that_only_acknowledges_is_a_timeout),
		cmocka_unit_test(a_server_without_ipcp_has_no_ncp),
		cmocka_unit_test(other_protocol_rejects_do_no_harm),
		cmocka_unit_test(useless_dns_servers_are_not_taken),
		cmocka_unit_test(a_server_that_always_naks_ends),
		cmocka_unit_test(ipcp_alone_may_be_renegotiated),
		cmocka_unit_test(ip_comes_in_all_forms_of_the_header),
		cmocka_unit_test(what_is_not_ipv4_does_not_come_up),
		cmocka_unit_test(ip_passes_only_while_up),
		cmocka_unit_test(ip_goes_out_with_the_agreed_header),
		cmocka_unit_test(a_new_lcp_without_acfc_brings_the_whole_header_back),
		cmocka_unit_test(other_protocols_are_rejected_in_the_network_phase),
		cmocka_unit_test(no_protocol_is_rejected_before_authentication_ended),
		cmocka_unit_test(noise_brings_nothing_up),
	};
	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}

/* ppp/: every type and length of an option, every length field, code, protocol and id, and the
 * messages of authentication cut and changed at every octet. */
#include "tests/unit/ppp_script.h"
#include "tests/unit/values.h"

#include <stdio.h>

enum { FILL = 0x5a }; /* of values: a good MRU, magic number and address */

/* ---- a link in each phase ---- */

enum stage { ESTABLISH, AUTHENTICATE, NETWORK, UP };

/* By PAP, which costs no arithmetic; our own requests have gone out and been heard. */
static struct script script_at(enum stage stage)
{
	struct ppp_conf conf = script_conf();

	conf.auth = PPP_AUTH_PAP;
	if (stage == UP)
		return script_up();
	struct script s = script_with(conf);
	if (stage == ESTABLISH) {
		ppp_open(s.p, s.now, &s.out);
		return s;
	}
	open_lcp(&s, "0304c023");
	if (stage == AUTHENTICATE)
		return s;
	struct sent request = expect(&s, PPP_PAP, PAP_REQUEST);
	say_hex(&s, PPP_PAP, PAP_ACK, request.id, "00");
	assert_true(status_of(&s).authenticated);
	return s;
}

static bool failed(struct script *s)
{
	struct ppp_event ev;
	bool is = false;

	while (ppp_next_event(s->p, &ev))
		is |= ev.kind == PPP_EV_FAILED;
	return is;
}

/* ---- options: what a table apart from lcp.c and ipcp.c says ---- */

static const struct option {
	uint16_t protocol;
	uint8_t type;
	unsigned least, most; /* octets of the value */
	int answer;           /* to a request for it, filled with FILL */
} rows[] = {
	{PPP_LCP, 1, 2, 2, PPP_CONF_ACK},
	{PPP_LCP, 2, 4, 4, PPP_CONF_ACK},
	{PPP_LCP, 3, 2, 253, PPP_CONF_NAK}, /* no method of ours */
	{PPP_LCP, 5, 4, 4, PPP_CONF_ACK},
	{PPP_LCP, 7, 0, 0, PPP_CONF_ACK},
	{PPP_LCP, 8, 0, 0, PPP_CONF_ACK},
	{PPP_IPCP, 3, 4, 4, PPP_CONF_ACK},
	{PPP_IPCP, 129, 4, 4, PPP_CONF_REJ}, /* ours to ask for */
	{PPP_IPCP, 130, 4, 4, PPP_CONF_REJ},
	{PPP_IPCP, 131, 4, 4, PPP_CONF_REJ},
	{PPP_IPCP, 132, 4, 4, PPP_CONF_REJ},
};

static const struct option *row_of(uint16_t protocol, unsigned type)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].protocol == protocol && rows[i].type == type)
			return &rows[i];
	return NULL;
}

static bool fits(const struct option *row, unsigned length)
{
	return row && length - 2 >= row->least && length - 2 <= row->most;
}

/* One option with this length field, and as many octets as it says, or its head at least. */
static struct slice option(unsigned type, unsigned length, uint8_t to[UINT8_MAX])
{
	memset(to, FILL, UINT8_MAX);
	to[0] = (uint8_t)type;
	to[1] = (uint8_t)length;
	return slice(to, length < 2 ? 2 : length);
}

static const struct {
	uint16_t protocol;
	enum stage stage;
	const char *name;
} layers[] = {{PPP_LCP, ESTABLISH, "LCP"}, {PPP_IPCP, NETWORK, "IPCP"}};

enum { LAYERS = sizeof(layers) / sizeof(layers[0]) };

/* What we answer to a Configure-Request with that option alone: 0 is nothing. */
static int answer_to(size_t layer, struct slice asked, unsigned *bad)
{
	struct script s = script_at(layers[layer].stage);
	struct sent got = {0};
	int code = 0;

	hush(&s);
	say(&s, layers[layer].protocol, PPP_CONF_REQ, 77, asked);
	while (listen(&s, &got))
		if (got.id == 77 && got.code != PPP_CONF_REQ)
			code = got.code;
	if (code == PPP_CONF_ACK || code == PPP_CONF_REJ)
		assert_slice(sent_data(&got), asked); /* to the octet */
	assert_false(failed(&s));
	*bad = (unsigned)status_of(&s).bad;
	script_end(&s);
	return code;
}

static void every_option_of_every_length_in_a_request(void **state)
{
	static const unsigned must[LAYERS] = {5, 1};

	(void)state;
	for (size_t l = 0; l < LAYERS; l++) {
		char what[64];
		struct tally t = {.what = what};

		snprintf(what, sizeof(what), "%s options x lengths in Configure-Request",
			layers[l].name);
		for (unsigned type = 0; type < 256; type++)
			for (unsigned length = 0; length < 256; length++) {
				uint8_t octets[UINT8_MAX];
				const struct option *row = row_of(layers[l].protocol, type);
				int want = length < 2          ? 0
					   : fits(row, length) ? row->answer
							       : PPP_CONF_REJ;
				unsigned bad;
				int code = answer_to(l, option(type, length, octets), &bad);

				judge(&t, code == PPP_CONF_ACK, want == PPP_CONF_ACK,
					"type and length", type * 1000 + length);
				assert_int_equal(code, want);
				assert_int_equal(bad, want == 0);
			}
		figure(&t, must[l]);
	}
}

/* ... in answers to our own request: an Ack or Reject says what we said, to the octet, and a Nak what
 * fits; any other changes nothing. A Nak's options that we do not know are passed over. */
static void every_option_of_every_length_in_an_answer(void **state)
{
	/* Naks: 256 types in 254 lengths, less what has the wrong length for its type */
	static const unsigned must[LAYERS] = {250 * 254 + 5 + 252, 251 * 254 + 5};

	(void)state;
	for (size_t l = 0; l < LAYERS; l++) {
		char what[64];
		struct tally t = {.what = what};

		snprintf(what, sizeof(what), "%s options x lengths in Ack, Nak, Reject",
			layers[l].name);
		for (uint8_t code = PPP_CONF_ACK; code <= PPP_CONF_REJ; code++) {
			struct script s = script_at(layers[l].stage);
			struct sent ask = expect(&s, layers[l].protocol, PPP_CONF_REQ);

			for (unsigned type = 0; type < 256; type++)
				for (unsigned length = 0; length < 256; length++) {
					uint8_t octets[UINT8_MAX];
					const struct option *row = row_of(layers[l].protocol, type);
					bool may = code == PPP_CONF_NAK && length >= 2 &&
						   (!row || fits(row, length));
					uint64_t bad = status_of(&s).bad;

					say(&s, layers[l].protocol, code, ask.id,
						option(type, length, octets));
					bool taken = s.out.down.count;
					judge(&t, taken, may, "type and length",
						type * 1000 + length);
					assert_int_equal(status_of(&s).bad, bad + !may);
					if (!taken)
						continue;
					struct sent next =
						expect(&s, layers[l].protocol, PPP_CONF_REQ);
					assert_int_not_equal(next.id, ask.id);
					script_end(&s);
					s = script_at(layers[l].stage);
					ask = expect(&s, layers[l].protocol, PPP_CONF_REQ);
				}
			assert_false(failed(&s));
			hush(&s);
			script_end(&s);
		}
		figure(&t, must[l]);
	}
}

/* Of our own options each alone may be rejected, and nothing that differs in an octet. */
static void a_reject_repeats_what_we_asked(void **state)
{
	struct tally t = {.what = "LCP Rejects of our own options, each octet with each value"};
	struct script s = script_at(ESTABLISH);
	struct sent ask = expect(&s, PPP_LCP, PPP_CONF_REQ);

	(void)state;
	for (size_t at = 0; at < ask.n; at += ask.data[at + 1])
		for (size_t octet = 0; octet < ask.data[at + 1]; octet++)
			for (unsigned bits = 256; bits-- > 0;) {
				uint8_t reject[UINT8_MAX];

				memcpy(reject, ask.data + at, ask.data[at + 1]);
				reject[octet] ^= (uint8_t)bits;
				say(&s, PPP_LCP, PPP_CONF_REJ, ask.id,
					slice(reject, ask.data[at + 1]));
				judge(&t, s.out.down.count, !bits, "bits", bits);
				if (bits)
					continue;
				script_end(&s);
				s = script_at(ESTABLISH);
				ask = expect(&s, PPP_LCP, PPP_CONF_REQ);
			}
	hush(&s);
	script_end(&s);
	figure(&t, 4 + 6); /* as often as there are octets: MRU, magic number */
}

/* ---- length fields ---- */

/* A frame whose packet says `length`, of which so many octets are there. */
static void say_length(struct script *s, uint16_t protocol, uint8_t code, uint8_t id,
	unsigned length, struct slice data)
{
	uint8_t octets[2048];
	struct wr w = wr_of(octets, sizeof(octets));

	ppp_packet_open(&w, protocol, code, id);
	put_u16(octets + 6, (uint16_t)length);
	wr_put(&w, data);
	say_frame(s, wr_slice(&w));
}

static void every_length_field_of_a_packet(void **state)
{
	struct tally t = {.what = "length fields of Echo-Request, Configure-Request and Challenge"};
	struct script up = script_up(), chap = script_new(), ipcp = script_at(NETWORK);
	uint8_t challenge[] = "\x10"
			      "0123456789abcdef"
			      "srv";

	(void)state;
	open_lcp(&chap, auth_mschapv2_option);
	hush(&ipcp);
	for (unsigned n = 0; n <= UINT16_MAX; n++) {
		say_length(&up, PPP_LCP, PPP_ECHO_REQ, 9, n, hex("a1a2a3a4b1b2b3b4"));
		judge(&t, up.out.down.count, n >= 8 && n <= 12, "Echo-Request of", n);
		if (up.out.down.count)
			assert_int_equal(up.out.down.head->len, 4 + n);
		hush(&up);
		/* the option whole, or none: both are good requests */
		say_length(&ipcp, PPP_IPCP, PPP_CONF_REQ, 9, n, hex("03060a000001"));
		judge(&t, ipcp.out.down.count, n == 4 || n == 10, "Configure-Request of", n);
		hush(&ipcp);
		challenge[1] = (uint8_t)n;
		challenge[2] = (uint8_t)(n >> 8);
		say_length(&chap, PPP_CHAP, CHAP_CHALLENGE, 9, n,
			slice(challenge, sizeof(challenge) - 1));
		judge(&t, chap.out.down.count, n >= 21 && n <= 24, "Challenge of", n);
		hush(&chap);
	}
	figure(&t, 5 + 2 + 4);
	script_end(&up);
	script_end(&chap);
	script_end(&ipcp);
}

/* ---- codes, ids, protocols ---- */

static const uint16_t spoken[] = {PPP_LCP, PPP_IPCP, PPP_PAP, PPP_CHAP};

/* Every code and a few ids, in every phase and protocol: nothing but the right word of the right
 * protocol proves us, and nothing at all brings IP up. LCP's Terminate-Request ends the link; so do
 * Code-Reject and Protocol-Reject of what it cannot do without, and from IPCP's phase on IPCP's. */
static void every_code_in_every_phase(void **state)
{
	struct tally t = {.what = "codes x protocols x phases, 4 ids: links that are proven by it"};

	(void)state;
	for (int stage = ESTABLISH; stage <= UP; stage++)
		for (size_t i = 0; i < sizeof(spoken) / sizeof(spoken[0]); i++)
			for (unsigned code = 0; code < 256; code++)
				for (unsigned id = 0; id < 4; id++) {
					struct script s = script_at((enum stage)stage);
					bool was = status_of(&s).authenticated;
					bool right = stage == AUTHENTICATE &&
						     spoken[i] == PPP_PAP && code == PAP_ACK &&
						     id == 1;

					if (stage == UP && id > 0) { /* costs arithmetic */
						script_end(&s);
						continue;
					}
					say_hex(&s, spoken[i], (uint8_t)code, (uint8_t)id, "01");
					bool is = status_of(&s).authenticated;
					judge(&t, is && !was, right, "code", code);
					if (stage != UP)
						assert_false(status_of(&s).up);
					script_end(&s);
				}
	figure(&t, 1);
}

/* Every protocol in every phase: answered with a Protocol-Reject from the network phase on, in
 * silence before. IPv6 and IPv4 are known, and LCP, IPCP, PAP have their own say. */
static void every_protocol_in_every_phase(void **state)
{
	struct tally t = {.what = "protocols x phases: Protocol-Rejects"};

	(void)state;
	for (int stage = ESTABLISH; stage < UP; stage++) {
		struct script s = script_at((enum stage)stage);

		hush(&s);
		for (unsigned protocol = 1; protocol <= UINT16_MAX; protocol += 2) {
			bool ours = protocol == PPP_LCP || protocol == PPP_IPCP ||
				    protocol == PPP_PAP || protocol == PPP_IPV4 ||
				    protocol == PPP_IPV6;
			bool may = stage == NETWORK && !ours;

			if (protocol >> 8 &
				1) /* no such number: its first octet would be all of it */
				continue;
			say_hex(&s, (uint16_t)protocol, 200, 1, "01");
			struct sent got = {0};
			bool rejected = false;
			while (listen(&s, &got))
				rejected |= got.protocol == PPP_LCP && got.code == PPP_PROTO_REJ &&
					    get_u16(got.data) == protocol;
			judge(&t, rejected, may, "protocol", protocol);
		}
		assert_false(failed(&s));
		script_end(&s);
	}
	figure(&t, 128 * 128 - 5);
}

/* ---- PAP ---- */

/* Every length of the message, against every length that is there: it is only words. */
static void pap_takes_an_ack_whatever_it_says(void **state)
{
	struct tally t = {.what = "PAP Acks and Naks, message lengths x octets there"};
	uint8_t octets[256];

	(void)state;
	memset(octets, 'x', sizeof(octets));
	for (uint8_t code = PAP_ACK; code <= PAP_NAK; code++)
		for (unsigned said = 0; said < 256; said += said < 40 ? 1 : 27)
			for (unsigned there = 0; there < 256; there += there < 40 ? 1 : 27) {
				struct script s = script_at(AUTHENTICATE);
				struct sent request = expect(&s, PPP_PAP, PAP_REQUEST);

				octets[0] = (uint8_t)said;
				say(&s, PPP_PAP, code, request.id, slice(octets, there));
				judge(&t, status_of(&s).authenticated, code == PAP_ACK, "octets",
					there);
				assert_int_equal(failed(&s), code == PAP_NAK);
				script_end(&s);
			}
	figure(&t, t.tried / 2);
}

/* ---- MS-CHAPv2 ---- */

/* LCP open, a challenge answered; asked for the password or not. */
static struct script script_responded(struct sent *response, bool asks)
{
	struct ppp_conf conf = script_conf();
	struct answer answer = {.yes = true, .secret = slice_str("clientPass")};
	struct ppp_event ev = {0};

	if (asks)
		conf.password = slice(NULL, 0);
	struct script s = script_with(conf);
	open_lcp(&s, auth_mschapv2_option);
	while (asks && ev.kind != PPP_EV_WANT_SECRET)
		ev = next_event(&s);
	if (asks)
		ppp_answer(s.p, ev.id, &answer, s.now, &s.out);
	say_challenge(&s, 9, challenge_16);
	*response = expect(&s, PPP_CHAP, CHAP_RESPONSE);
	return s;
}

/* What becomes of this Success; what is not a proof ends the link, before any IPCP. */
static bool success_counts(struct slice message, struct slice tail)
{
	struct sent response;
	struct script s = script_responded(&response, false);
	uint8_t octets[2048], proof[MSCHAPV2_PROOF];
	struct wr w = wr_of(octets, sizeof(octets));

	prove(&s, &response, challenge_16, "clientPass", proof);
	/* `message` is in terms of a proof of zeros: what differs from it differs from ours */
	for (size_t i = 0; i < message.n; i++)
		wr_u8(&w, (uint8_t)(message.p[i] ^ (i < MSCHAPV2_PROOF ? proof[i] : 0)));
	wr_put(&w, tail);
	say(&s, PPP_CHAP, CHAP_SUCCESS, response.id, wr_slice(&w));
	bool counts = status_of(&s).authenticated;
	struct sent next = {0};
	while (listen(&s, &next))
		assert_int_equal(next.protocol, counts ? PPP_IPCP : PPP_LCP);
	assert_int_equal(failed(&s), !counts);
	script_end(&s);
	return counts;
}

/* S= and 40 digits, all of them right; then anything, or nothing. */
static void a_success_is_a_proof_or_the_end(void **state)
{
	struct tally t = {.what = "MS-CHAPv2 Success, cut, changed and longer"};
	static const uint8_t same[MSCHAPV2_PROOF + 10];
	uint8_t changed[MSCHAPV2_PROOF], tail[1450];

	(void)state;
	memset(tail, 'x', sizeof(tail)); /* no NUL anywhere */
	for (size_t n = 0; n <= MSCHAPV2_PROOF; n++) {
		judge(&t, success_counts(slice(same, n), slice(NULL, 0)), n == MSCHAPV2_PROOF,
			"cut after", n);
		if (n < MSCHAPV2_PROOF)
			judge(&t, success_counts(slice(same, n), slice(tail, 100)), false,
				"digits, then others:", n);
	}
	for (size_t at = 0; at < MSCHAPV2_PROOF; at++)
		for (unsigned bits = 1; bits < 256; bits++) {
			memset(changed, 0, sizeof(changed));
			changed[at] = (uint8_t)bits;
			judge(&t,
				success_counts(slice(changed, sizeof(changed)), slice_str(" M=ok")),
				false, "octet", at);
		}
	for (size_t n = 0; n <= sizeof(tail); n += n < 20 ? 1 : 13)
		judge(&t, success_counts(slice(same, MSCHAPV2_PROOF), slice(tail, n)), true,
			"octets behind", n);
	figure(&t, 1 + 20 + 111);
}

enum verdict { LINK_ENDED, ASKED_AGAIN, NOTHING };

static enum verdict failure_means(struct slice message, bool asks)
{
	struct sent response;
	struct script s = script_responded(&response, asks);
	struct ppp_event ev;
	enum verdict verdict = NOTHING;

	say(&s, PPP_CHAP, CHAP_FAILURE, response.id, message);
	while (ppp_next_event(s.p, &ev)) {
		if (ev.kind == PPP_EV_WANT_SECRET)
			verdict = ASKED_AGAIN;
		if (ev.kind == PPP_EV_FAILED)
			verdict = LINK_ENDED;
	}
	assert_false(status_of(&s).authenticated);
	hush(&s);
	script_end(&s);
	return verdict;
}

static const char whole[] = "E=691 R=1 C=00112233445566778899aabbccddeeff V=3 M=Denied";

enum { SURE = 10, AT_C = 10, AT_V = 45, AT_M = 49 }; /* "E=691 R=1 " decides */

/* The person is asked again for E=691 R=1 and nothing else; the file's password is never tried
 * twice. Cut at every octet, each octet with each value; E or R in place of another key counts. */
static void a_failure_asks_again_or_is_the_end(void **state)
{
	struct tally t = {.what = "MS-CHAPv2 Failure, cut and changed: asked again"};
	unsigned long must = 0;

	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++) {
		judge(&t, failure_means(slice(whole, n), true) == ASKED_AGAIN, n >= SURE - 1,
			"cut after", n);
		judge(&t, failure_means(slice(whole, n), false) != LINK_ENDED, false, "cut after",
			n);
		must += n >= SURE - 1;
	}
	for (size_t at = 0; at + 1 < sizeof(whole); at++)
		for (unsigned value = 0; value < 256; value++) {
			char changed[sizeof(whole)];
			bool key = at == AT_C || at == AT_V || at == AT_M;
			bool may = value == (uint8_t)whole[at] ||
				   (at >= SURE && !(key && (value == 'E' || value == 'R')));

			memcpy(changed, whole, sizeof(whole));
			changed[at] = (char)value;
			struct slice message = slice(changed, sizeof(whole) - 1);
			judge(&t, failure_means(message, true) == ASKED_AGAIN, may, "octet", at);
			must += may;
		}
	/* 49 lengths; 10 octets as they were, and 47 of any value but for E and R at 3 places */
	assert_int_equal(must, 49 + 10 + 47 * 256 - 6);
	figure(&t, must);
}

/* More than 512 octets are no Failure at all: what the server says next still counts. */
static void a_failure_of_any_length_is_survived(void **state)
{
	struct tally t = {.what = "MS-CHAPv2 Failure, 0 to 1480 octets: link ended"};
	uint8_t octets[1481];

	(void)state;
	memset(octets, 'x', sizeof(octets));
	memcpy(octets, whole, sizeof(whole) - 1);
	for (size_t n = 0; n < sizeof(octets); n++)
		judge(&t, failure_means(slice(octets, n), false) == LINK_ENDED, n <= 512, "octets",
			n);
	figure(&t, 513);

	struct sent response;
	struct script s = script_responded(&response, false);
	say(&s, PPP_CHAP, CHAP_FAILURE, response.id, slice(octets, 513));
	expect_silence(&s);
	say_success(&s, &response, challenge_16, "clientPass", "");
	assert_true(status_of(&s).authenticated);
	pass_ipcp(&s);
	script_end(&s);
}

/* The sizes that a Challenge says against those that it has, and both ids of a verdict. */
static void a_challenge_has_16_octets_and_a_verdict_its_id(void **state)
{
	struct tally t = {.what = "MS-CHAPv2 Challenge sizes x octets there; ids of a Success"};

	(void)state;
	for (unsigned size = 0; size < 256; size++)
		for (unsigned there = 0; there < 256; there += there < 40 ? 1 : 43) {
			struct script s = script_new();
			uint8_t octets[1 + 256] = {(uint8_t)size};

			open_lcp(&s, auth_mschapv2_option);
			say(&s, PPP_CHAP, CHAP_CHALLENGE, 1, slice(octets, 1 + there));
			judge(&t, s.out.down.count, size == 16 && there >= 16, "size", size);
			script_end(&s);
		}
	unsigned long must = t.accepted;
	for (unsigned id = 0; id < 256; id++) {
		struct sent response;
		struct script s = script_responded(&response, false);

		response.id = (uint8_t)id;
		say_success(&s, &response, challenge_16, "clientPass", "");
		judge(&t, status_of(&s).authenticated, id == 9, "id", id);
		script_end(&s);
	}
	assert_int_equal(must, 24 + 6);
	figure(&t, must + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_of_every_length_in_a_request),
		cmocka_unit_test(every_option_of_every_length_in_an_answer),
		cmocka_unit_test(a_reject_repeats_what_we_asked),
		cmocka_unit_test(every_length_field_of_a_packet),
		cmocka_unit_test(every_code_in_every_phase),
		cmocka_unit_test(every_protocol_in_every_phase),
		cmocka_unit_test(pap_takes_an_ack_whatever_it_says),
		cmocka_unit_test(a_success_is_a_proof_or_the_end),
		cmocka_unit_test(a_failure_asks_again_or_is_the_end),
		cmocka_unit_test(a_failure_of_any_length_is_survived),
		cmocka_unit_test(a_challenge_has_16_octets_and_a_verdict_its_id),
	};

	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}

/* The option engine with a table of its own, and the forms of frames and packets. */
#include "ppp_script.h"

#include "ppp/opts.h"

struct model {
	unsigned judged, naked, rejected;
	bool insists; /* a Nak does not change our mind: do without */
};

static enum opt_verdict judge_even(
	void *ctx, const struct opt *o, struct slice value, struct wr *better)
{
	struct model *m = ctx;

	(void)o;
	m->judged++;
	if (value.p[0] % 2 == 0)
		return OPT_ACK;
	wr_u8(better, 8);
	return OPT_NAK;
}

static bool ask_five(void *ctx, const struct opt *o, struct wr *value)
{
	(void)ctx, (void)o;
	wr_u8(value, 5);
	return true;
}

static bool ask_nothing(void *ctx, const struct opt *o, struct wr *value)
{
	(void)ctx, (void)o, (void)value;
	return false;
}

static bool naked(void *ctx, const struct opt *o, struct slice value)
{
	struct model *m = ctx;

	(void)o, (void)value;
	m->naked++;
	return !m->insists;
}

static void rejected(void *ctx, const struct opt *o)
{
	struct model *m = ctx;

	(void)o;
	m->rejected++;
}

static const struct opt table[] = {
	{1, 1, 1, judge_even, ask_five, naked, rejected},
	{2, 1, 2, judge_even, NULL, NULL, NULL},
	{3, 0, 0, NULL, ask_nothing, naked, NULL},
	{4, 1, 1, NULL, ask_five, naked, NULL},
};

static struct opts opts_of(struct model *m)
{
	return (struct opts){.table = table, .n = 4, .ctx = m};
}

static enum opt_verdict judged(const char *request, bool may_nak, const char *reply)
{
	struct model m = {0};
	struct opts o = opts_of(&m);
	uint8_t octets[OPTS_MAX];
	struct wr w = wr_of(octets, sizeof(octets));
	enum opt_verdict verdict;

	assert_true(opts_judge(&o, hex(request), may_nak, &verdict, &w));
	assert_slice(wr_slice(&w), hex(reply));
	return verdict;
}

static void the_worst_option_decides_and_only_such_are_answered(void **state)
{
	(void)state;
	assert_int_equal(judged("", true, ""), OPT_ACK);
	assert_int_equal(judged("010302", true, "010302"), OPT_ACK);
	assert_int_equal(judged("01030202040202", true, "01030202040202"), OPT_ACK);
	assert_int_equal(judged("010303"
				"020302",
				 true, "010308"),
		OPT_NAK);
	assert_int_equal(judged("010303"
				"7f0401ff"
				"020303",
				 true, "7f0401ff"),
		OPT_REJECT);
	assert_int_equal(judged("0302", true, "0302"), OPT_REJECT); /* never granted */
}

static void a_nak_becomes_a_reject_after_max_failure(void **state)
{
	(void)state;
	assert_int_equal(judged("010303"
				"020302",
				 false, "010303"),
		OPT_REJECT);
}

static void a_wrong_length_is_rejected_as_it_came(void **state)
{
	(void)state;
	assert_int_equal(judged("0102", true, "0102"), OPT_REJECT);
	assert_int_equal(judged("01040202", true, "01040202"), OPT_REJECT);
	assert_int_equal(judged("0205020202", true, "0205020202"), OPT_REJECT);
}

static void broken_lists_are_malformed(void **state)
{
	static const char *const lists[] = {"01", "0100", "0101", "010402", "01030201", "010302ff"};
	struct model m = {0};
	struct opts o = opts_of(&m);
	uint8_t octets[OPTS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct wr w = wr_of(octets, sizeof(octets));
		enum opt_verdict verdict;

		assert_false(opts_judge(&o, hex(lists[i]), true, &verdict, &w));
		assert_false(opts_naked(&o, hex("010305"), hex(lists[i])));
		assert_false(opts_rejected(&o, hex("010305"), hex(lists[i])));
	}
	assert_int_equal(m.judged + m.naked + m.rejected, 0);
}

static void we_ask_what_is_not_dropped(void **state)
{
	struct model m = {.insists = true};
	struct opts o = opts_of(&m);
	struct slice asked = hex("010305"
				 "040305");
	uint8_t octets[64];
	struct wr w = wr_of(octets, sizeof(octets));

	(void)state;
	opts_ask(&o, &w);
	assert_slice(wr_slice(&w), asked);

	assert_false(opts_rejected(&o, asked, hex("010306"))); /* not what we said */
	assert_false(opts_rejected(&o, asked,
		hex("010305"
		    "0302")));
	assert_int_equal(o.dropped, 0);
	assert_true(opts_rejected(&o, asked, hex("010305")));
	assert_int_equal(m.rejected, 1);
	w = wr_of(octets, sizeof(octets));
	opts_ask(&o, &w);
	assert_slice(wr_slice(&w), hex("040305"));

	assert_false(opts_naked(&o, asked, hex("04040101"))); /* a length we cannot have asked */
	assert_true(opts_naked(&o, asked,
		hex("0302"
		    "7f03ff"))); /* not asked: passed over */
	assert_int_equal(m.naked, 0);
	assert_true(opts_naked(&o, asked, hex("040309")));
	assert_int_equal(m.naked, 1);
	w = wr_of(octets, sizeof(octets));
	opts_ask(&o, &w);
	assert_int_equal(wr_len(&w), 0);
}

static void frames_have_four_forms(void **state)
{
	static const char *const frames[] = {"ff030021aa", "0021aa", "ff0321aa", "21aa"};
	static const char *const broken[] = {
		"", "ff", "ff03", "ff0421aa", "ff0300", "00", "0020aa", "ff030022aa"};
	uint16_t protocol;
	struct slice info;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(ppp_frame_parse(hex(frames[i]), &protocol, &info));
		assert_int_equal(protocol, PPP_IPV4);
		assert_slice(info, hex("aa"));
	}
	assert_true(ppp_frame_parse(hex("c021"), &protocol, &info));
	assert_int_equal(protocol, PPP_LCP);
	assert_int_equal(info.n, 0);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_false(ppp_frame_parse(hex(broken[i]), &protocol, &info));
}

static void a_packets_length_counts_and_padding_does_not(void **state)
{
	struct ppp_packet packet;

	(void)state;
	assert_true(ppp_packet_parse(hex("0907000500"
					 "ffff"),
		&packet));
	assert_int_equal(packet.code, 9);
	assert_int_equal(packet.id, 7);
	assert_slice(packet.data, hex("00"));
	assert_slice(packet.whole, hex("0907000500"));
	assert_false(ppp_packet_parse(hex("0907000600"), &packet));
	assert_false(ppp_packet_parse(hex("09070003"), &packet));
	assert_false(ppp_packet_parse(hex("090700"), &packet));
	assert_false(ppp_packet_parse(slice(NULL, 0), &packet));
}

/* Every PPP frame of the recording: behind an L2TP data header of 6 octets from the client and of
 * 8, with length, from the server. Control packets must be rebuilt octet for octet. */
static void recorded_frames_are_read_and_rebuilt(void **state)
{
	struct vectors *v = vectors_open("recorded_softether.txt");
	unsigned seen = 0;
	const struct vector *row;

	(void)state;
	for (size_t i = 0; (row = vectors_at(v, i)) != NULL; i++) {
		bool in = strstr(row->key, "_l2tp_in"), out = strstr(row->key, "_l2tp_out");
		size_t header = in ? 8 : 6;
		uint8_t octets[2048];
		struct wr w = wr_of(octets, sizeof(octets));
		struct ppp_packet packet;
		uint16_t protocol;
		struct slice info;

		if ((!in && !out) || row->value.p[0] & 0x80)
			continue;
		struct slice frame = slice(row->value.p + header, row->value.n - header);
		assert_true(ppp_frame_parse(frame, &protocol, &info));
		if (protocol == PPP_IPV4)
			continue;
		assert_true(ppp_packet_parse(info, &packet));
		size_t mark = ppp_packet_open(&w, protocol, packet.code, packet.id);
		wr_put(&w, packet.data);
		ppp_packet_close(&w, mark);
		assert_slice(wr_slice(&w), frame);
		seen++;
	}
	assert_true(seen > 20);
	vectors_close(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worst_option_decides_and_only_such_are_answered),
		cmocka_unit_test(a_nak_becomes_a_reject_after_max_failure),
		cmocka_unit_test(a_wrong_length_is_rejected_as_it_came),
		cmocka_unit_test(broken_lists_are_malformed),
		cmocka_unit_test(we_ask_what_is_not_dropped),
		cmocka_unit_test(frames_have_four_forms),
		cmocka_unit_test(a_packets_length_counts_and_padding_does_not),
		cmocka_unit_test(recorded_frames_are_read_and_rebuilt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

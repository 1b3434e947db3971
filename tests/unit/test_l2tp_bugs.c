/* Bugs that other L2TP implementations had, by their names. */
#include "tests/unit/l2tp_line.h"

/* The length inside a hidden AVP is what decryption makes of a peer's octets: every value of it, in
 * values shorter and longer than one block of the digest. */
static void accel_ppp_9554ce05_no_length_inside_a_hidden_avp_leads_out_of_it(void **state)
{
	static const size_t lengths[] = {2, 3, 15, 16, 17, 18, 33, 40};
	struct env *env = test_env_new(3);
	struct avp_key key = {env->crypto, slice_str("tunnel secret")};
	struct slice vector = slice_str("0123456789abcdef");
	uint8_t zero[64] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const size_t n = lengths[i];
		uint8_t buf[128], *exact = malloc(n), *to = malloc(n);
		struct wr w = wr_of(buf, sizeof(buf));
		struct avp a;

		assert_true(exact && to);
		assert_true(avp_put_hidden(
			&w, &key, vector, AVP_HOST_NAME, slice(zero, n - 2), slice(NULL, 0)));
		struct rd r = rd_of(wr_slice(&w));
		assert_true(avp_next(&r, &a));
		assert_int_equal(a.value.n, n);
		memcpy(exact, a.value.p, n);
		a.value.p = exact;
		for (uint32_t inner = 0; inner <= UINT16_MAX; inner++) {
			uint16_t flip = (uint16_t)(inner ^ (n - 2)); /* the cipher is an XOR */
			struct slice value;

			exact[0] ^= (uint8_t)(flip >> 8);
			exact[1] ^= (uint8_t)flip;
			bool good = avp_unhide(&key, vector, &a, to, &value);
			assert_int_equal(good, inner <= n - 2);
			if (good)
				assert_true(value.n == inner && value.p + value.n <= to + n);
			exact[0] ^= (uint8_t)(flip >> 8);
			exact[1] ^= (uint8_t)flip;
		}
		free(exact);
		free(to);
	}
	test_env_free(env);
}

static void accel_ppp_2bbf451b_the_longest_avp_fits_wherever_it_may_stand(void **state)
{
	struct line *x = line_new("");
	uint8_t name[AVP_VALUE_MAX];
	struct l2tp_msg m;

	(void)state;
	memset(name, 'n', sizeof(name));
	begin(x);
	sccrp(&m);
	l2tp_msg_put(&m, AVP_HOST_NAME, slice(name, sizeof(name)));
	give_msg(x, &m, 0);
	expect(x, L2TP_SCCCN);
	expect(x, L2TP_ICRQ);
	assert_true(strlen(x->status.peer_name) < sizeof(x->status.peer_name));
	assert_int_equal(strspn(x->status.peer_name, "n."), strlen(x->status.peer_name));
	icrp(&m);
	give_msg(x, &m, x->status.session);
	expect(x, L2TP_ICCN);

	struct l2tp_event ev = {0};
	while (l2tp_next_event(x->client, &ev))
		;
	l2tp_msg_init(&m, L2TP_CDN);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_SESSION_ID, LNS_SESSION);
	memcpy(name, "\0\2\0\6", 4); /* a result, an error, and as many words as fit */
	l2tp_msg_put(&m, AVP_RESULT_CODE, slice(name, sizeof(name)));
	give_msg(x, &m, x->status.session);
	assert_true(l2tp_next_event(x->client, &ev));
	assert_int_equal(ev.kind, L2TP_EV_FAILED);
	assert_true(strlen(ev.reason.evidence) < sizeof(ev.reason.evidence));
	line_free(x);
}

static int by_value(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* Ids that one can guess are what a forged StopCCN needs. 4000 draws of 65535 values: some 120 twins
 * are chance. */
static void cve_2002_0872_ids_are_random_and_never_zero(void **state)
{
	enum { DRAWS = 4000, TWINS = 200 };
	struct line *x = line_new("");
	uint16_t ids[DRAWS];
	unsigned twins = 0, consecutive = 0;

	(void)state;
	for (unsigned i = 0; i < DRAWS; i++) {
		l2tp_free(x->client);
		x->client = l2tp_new(&x->conf, x->env);
		assert_non_null(x->client);
		look(x);
		ids[i] = x->status.tunnel;
		assert_int_not_equal(ids[i], 0);
		consecutive += i > 0 && ids[i] == ids[i - 1] + 1;
	}
	qsort(ids, DRAWS, sizeof(ids[0]), by_value);
	for (unsigned i = 1; i < DRAWS; i++)
		twins += ids[i] == ids[i - 1];
	assert_true(twins < TWINS);
	assert_true(consecutive < 5);
	assert_true(ids[0] < 1000 && ids[DRAWS - 1] > 64000);
	line_free(x);
}

/* AVPs whose length is less than their header's, which made others read for ever or before the
 * beginning; behind a good one, in every message that is awaited. */
static void tcpdump_lengths_below_the_header_of_an_avp_are_faults(void **state)
{
	(void)state;
	for (uint8_t length = 0; length < AVP_HEAD; length++) {
		struct line *x = line_new("");
		uint8_t avps[] = {0x80, 8, 0, 0, 0, 0, 0, L2TP_SCCRP, 0x80, length, 0, 0, 0, 9, 0,
			7, 0, 0, 0, 0};

		begin(x);
		give_raw_avps(x, 0, slice(avps, sizeof(avps)));
		next_packet(x);
		assert_int_equal(l2tp_msg_parse(&x->msg, x->head.avps, NULL), L2TP_PARSE_OK);
		assert_int_equal(x->msg.type, L2TP_STOPCCN);
		expect_result(x, L2TP_STOP_ERROR, L2TP_ERROR_LENGTH);
		line_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accel_ppp_9554ce05_no_length_inside_a_hidden_avp_leads_out_of_it),
		cmocka_unit_test(accel_ppp_2bbf451b_the_longest_avp_fits_wherever_it_may_stand),
		cmocka_unit_test(cve_2002_0872_ids_are_random_and_never_zero),
		cmocka_unit_test(tcpdump_lengths_below_the_header_of_an_avp_are_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

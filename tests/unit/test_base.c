/* base/: cursors, packets, sequence order, strict text, addresses, patience, reasons. */
#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/patience.h"
#include "base/pkt.h"
#include "base/reason.h"
#include "base/secret.h"
#include "base/seq.h"
#include "base/str.h"
#include "base/wire.h"

static void reading_beyond_the_end_sticks(void **state)
{
	(void)state;
	const uint8_t octets[] = {1, 2, 3};
	struct rd r = rd_of(slice(octets, 3));

	assert_int_equal(rd_u16(&r), 0x0102);
	assert_int_equal(rd_u16(&r), 0);
	assert_true(r.bad);
	assert_int_equal(rd_u8(&r), 0);
	assert_int_equal(rd_left(&r), 0);
	assert_int_equal(rd_take(&r, 0).n, 0);
}

static void writing_beyond_the_end_sticks(void **state)
{
	(void)state;
	uint8_t room[4] = {0};
	struct wr w = wr_of(room, 3);
	size_t mark = wr_open16(&w);

	wr_u8(&w, 7);
	wr_close16(&w, mark, mark);
	assert_int_equal(wr_len(&w), 3);
	assert_int_equal(get_u16(room), 3);
	wr_u8(&w, 8);
	assert_true(w.bad);
	assert_int_equal(wr_len(&w), 0);
	assert_int_equal(room[3], 0);
}

/* RFC 1982: for every distance, from several starting points. */
static void serial_numbers_have_an_order(void **state)
{
	(void)state;
	for (unsigned start = 0; start < 0x10000; start += 4099)
		for (unsigned d = 0; d < 0x10000; d++) {
			uint16_t a = (uint16_t)start, b = (uint16_t)(start + d);

			assert_int_equal(seq16_before(a, b), d > 0 && d < 0x8000);
		}
	assert_true(seq32_before(0xffffffff, 0));
	assert_false(seq32_before(0, 0xffffffff));
}

static void views_share_a_buffer_and_the_last_frees_it(void **state)
{
	(void)state;
	struct pkt_pool *pool = pkt_pool_new();
	struct pkt *p = pkt_new(pool, 60000);
	struct pkt *a = pkt_view(p, p->data + 100, 10, p->data + 90, p->data + 120);

	assert_int_equal(pkt_pool_live(pool), 1);
	assert_non_null(pkt_push(a, 10));
	assert_null(pkt_push(a, 1));
	assert_non_null(pkt_put(a, 10));
	assert_null(pkt_put(a, 1));
	assert_false(pkt_pull(a, 31));
	pkt_free(p);
	assert_int_equal(pkt_pool_live(pool), 1);
	pkt_free(a);
	assert_int_equal(pkt_pool_live(pool), 0);
	assert_null(pkt_new(pool, PKT_LARGE));
	pkt_pool_free(pool);
}

static void control_buffers_are_wiped(void **state)
{
	(void)state;
	struct pkt_pool *pool = pkt_pool_new();
	struct pkt *p = pkt_of(pool, slice_str("password"));
	struct pktq q = {0};

	pktq_put(&q, p);
	pktq_free(&q);
	p = pkt_new(pool, 8); /* the same buffer again */
	assert_non_null(pkt_put(p, 8));
	assert_memory_equal(p->data, "\0\0\0\0\0\0\0\0", 8);
	pkt_free(p);
	pkt_pool_free(pool);
}

static void numbers_are_strict(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", " 1", "1 ", "+1", "-1", "01", "1x", "0x1", "18446744073709551616", "11"};
	uint64_t v = 99;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(str_uint(bad[i], 0, 10, &v));
	assert_int_equal(v, 99);
	assert_true(str_uint("0", 0, 10, &v));
	assert_true(str_uint("18446744073709551615", 0, UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
}

static void peer_text_is_made_harmless(void **state)
{
	(void)state;
	char to[STR_ESCAPED];
	uint8_t long_text[300];

	assert_string_equal(str_escape(slice("a\x1b[1m\n\\", 7), to), "a\\x1b[1m\\x0a\\x5c");
	memset(long_text, 0xff, sizeof(long_text));
	assert_int_equal(
		strlen(str_escape(slice(long_text, sizeof(long_text)), to)), STR_ESCAPED - 1);
}

static void addresses_and_prefixes(void **state)
{
	(void)state;
	struct prefix p;
	struct ip ip;
	char text[PREFIX_TEXT];

	assert_true(prefix_parse("10.0.0.0/8", &p));
	assert_string_equal(prefix_text(&p, text), "10.0.0.0/8");
	assert_true(prefix_parse("2001:db8::1", &p));
	assert_string_equal(prefix_text(&p, text), "2001:db8::1/128");
	assert_false(prefix_parse("10.0.0.1/8", &p));
	assert_false(prefix_parse("10.0.0.0/33", &p));
	assert_false(prefix_parse("10.0.0.0/", &p));
	assert_false(ip_parse("10.1", &ip));
	assert_false(ip_parse("1.2.3.4 ", &ip));
	static const char *const not_unicast[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1",
		"255.255.255.255", "240.0.0.1", "0.1.2.3", "::", "::1", "ff02::1"};
	for (size_t i = 0; i < sizeof(not_unicast) / sizeof(not_unicast[0]); i++) {
		assert_true(ip_parse(not_unicast[i], &ip));
		assert_false(ip_is_unicast(&ip));
	}
}

static void secrets_are_compared_whole(void **state)
{
	(void)state;
	struct secret s = {0};

	assert_true(secret_set(&s, slice_str("abc")));
	assert_true(secret_equal(secret_slice(&s), slice_str("abc")));
	assert_false(secret_equal(secret_slice(&s), slice_str("abd")));
	assert_false(secret_equal(secret_slice(&s), slice_str("ab")));
	assert_false(secret_equal(secret_slice(&s), slice(NULL, 0)));
	secret_clear(&s);
	assert_null(s.p);
}

/* Count the copies and the time until the verdict for one kind, without an answer. */
static unsigned copies_until_verdict(
	const struct env *env, enum patience kind, msec rtt, msec *verdict, msec *longest)
{
	struct retry r;
	msec now = 1000, last = now;
	unsigned copies = 1;

	*longest = 0;
	retry_start(&r, kind, rtt, env, now);
	for (;;) {
		now = retry_deadline(&r);
		enum retry_verdict v = retry_tick(&r, env, now);

		if (v == RETRY_GIVE_UP)
			break;
		assert_int_equal(v, RETRY_SEND);
		*longest = now - last > *longest ? now - last : *longest;
		last = now;
		copies++;
	}
	*verdict = now - 1000;
	return copies;
}

static void patience_is_the_tables(void **state)
{
	(void)state;
	struct env *env = test_env_new(1);
	msec verdict, longest;
	unsigned copies = copies_until_verdict(env, PATIENCE_FIRST, 0, &verdict, &longest);

	assert_int_equal(verdict, 11000);
	assert_in_range(copies, 8, 11);
	assert_in_range(longest, 1350, 1650);
	copies = copies_until_verdict(env, PATIENCE_OVERTAKER, 600, &verdict, &longest);
	assert_int_equal(verdict, 11000);
	assert_in_range(copies, 12, 15);
	assert_in_range(longest, 1350, 1650);
	copies = copies_until_verdict(env, PATIENCE_EXCHANGE, 100, &verdict, &longest);
	assert_int_equal(verdict, 40000);
	assert_in_range(copies, 12, 16);
	assert_in_range(longest, 3600, 4400);
	copies = copies_until_verdict(env, PATIENCE_OPTIONS, 0, &verdict, &longest);
	assert_int_equal(verdict, 40000);
	assert_in_range(copies, 15, 19);
	copies = copies_until_verdict(env, PATIENCE_CLOSE, 0, &verdict, &longest);
	assert_int_equal(copies, 2);
	assert_int_equal(verdict, 3000);
	copies = copies_until_verdict(env, PATIENCE_AUTH, 0, &verdict, &longest);
	assert_int_equal(copies, 1);
	assert_int_equal(verdict, 120000);
	test_env_free(env);
}

static void every_reason_has_its_row(void **state)
{
	(void)state;
	for (int id = REASON_NONE; id < REASONS; id++) {
		const struct reason_row *row = reason_row((enum reason_id)id);

		assert_non_null(row->id);
		assert_non_null(row->sentence);
		assert_non_null(row->hint);
		assert_null(strstr(row->sentence, "unknown"));
		if (id == REASON_NONE)
			continue;
		assert_int_not_equal(row->exit, EXIT_OK);
		assert_int_equal(reason_find(row->id), id);
	}
	assert_int_equal(reason_find("789"), REASON_IKE_PSK_WRONG);
	assert_int_equal(reason_find("nonsense"), REASON_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_beyond_the_end_sticks),
		cmocka_unit_test(writing_beyond_the_end_sticks),
		cmocka_unit_test(serial_numbers_have_an_order),
		cmocka_unit_test(views_share_a_buffer_and_the_last_frees_it),
		cmocka_unit_test(control_buffers_are_wiped),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(peer_text_is_made_harmless),
		cmocka_unit_test(addresses_and_prefixes),
		cmocka_unit_test(secrets_are_compared_whole),
		cmocka_unit_test(patience_is_the_tables),
		cmocka_unit_test(every_reason_has_its_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* base/: what each check keeps out, where no other test would miss it (./dev mutate). */
#include "tests/unit/leftovers.h"
#include "tests/vectors/vectors.h"

#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/pkt.h"
#include "base/secret.h"
#include "base/str.h"

static void an_address_has_the_octets_of_its_family(void **state)
{
	(void)state;
	const uint8_t octets[17] = {192, 0, 2, 1};

	for (size_t n = 0; n <= sizeof(octets); n++) {
		struct slice s = slice(octets, n);

		assert_int_equal(
			ip_of(FAMILY_IPV4, s).family, n == 4 ? (int)FAMILY_IPV4 : (int)FAMILY_NONE);
		assert_int_equal(ip_of(FAMILY_IPV6, s).family,
			n == 16 ? (int)FAMILY_IPV6 : (int)FAMILY_NONE);
	}
}

static void a_prefix_of_any_length_is_no_prefix(void **state)
{
	(void)state;
	char text[4096];
	struct prefix p;

	memset(text, '1', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert_false(prefix_parse(text, &p));
	text[sizeof(text) - 4] = '/';
	assert_false(prefix_parse(text, &p));
}

static void a_number_is_digits_and_fits(void **state)
{
	(void)state;
	static const char *const wrong[] = {"1x", "x", "1 ", "1:", "1/", "18446744073709551616",
		"18446744073709551626", "99999999999999999999", "184467440737095516150"};
	uint64_t v = 7;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(str_uint(wrong[i], 0, UINT64_MAX, &v));
	assert_int_equal(v, 7);
	assert_true(str_uint("18446744073709551615", 0, UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
}

static void text_and_hex_stay_in_their_room(void **state)
{
	(void)state;
	char text[8] = "......", escaped[STR_ESCAPED];
	uint8_t octets[300], to[4] = {0};
	size_t n;

	memset(octets, 0x1b, sizeof(octets));
	assert_string_equal(str_hex(slice(octets, 300), text, 5), "1b1b");
	assert_string_equal(text + 5, ".");
	assert_int_equal(strlen(str_escape(slice(octets, 300), escaped)), 4 * STR_ESCAPED_MAX);
	assert_false(str_unhex("0102030405", to, sizeof(to), &n));
	assert_false(str_unhex("010", to, sizeof(to), &n));
	assert_false(str_unhex("0g", to, sizeof(to), &n));
	assert_string_equal(
		str_escape(slice("\\x\x7f\x1f\x80", 5), escaped), "\\x5cx\\x7f\\x1f\\x80");
}

static void a_length_field_holds_16_bits(void **state)
{
	(void)state;
	static uint8_t room[0x10010];
	struct wr w = wr_of(room, sizeof(room));
	size_t mark = wr_open16(&w);

	wr_zero(&w, 0x10000);
	wr_close16(&w, mark, mark + 2);
	assert_true(w.bad);
}

static void a_packet_never_leaves_its_room(void **state)
{
	(void)state;
	struct pkt_pool *pool = pkt_pool_new();
	struct pkt *p = pkt_of(pool, slice_str("twelve octet"));

	assert_false(pkt_trim(p, 13));
	assert_false(pkt_pull(p, 13));
	assert_int_equal(p->len, 12);
	assert_null(pkt_push(p, PKT_ROOM + 1));
	assert_null(pkt_put(p, PKT_SMALL));
	assert_null(pkt_new(pool, PKT_LARGE - PKT_ROOM + 1));
	pkt_free(p);
	pkt_pool_free(pool);
}

static void count_line(void *ctx, enum log_level level, const char *layer, const char *text)
{
	(void)level;
	(void)layer;
	(void)text;
	++*(unsigned *)ctx;
}

static void strangers_write_ten_lines_a_minute(void **state)
{
	(void)state;
	unsigned lines = 0;
	struct log log = {.sink = count_line, .ctx = &lines, .level = LOG_LEVEL_DEBUG};

	for (msec now = SECONDS(100); now < SECONDS(220); now += 100)
		log_stranger(&log, now, "test", "again");
	assert_in_range(lines, 10, 30);
}

static void a_secret_is_gone_when_it_is_freed(void **state)
{
	(void)state;
	static const char text[] = "a secret of thirty-one octets..";
	struct secret s = {0};
	struct pkt_pool *pool = pkt_pool_new();

	leftovers_watch(slice_str(text));
	assert_true(secret_set(&s, slice_str(text)));
	assert_true(secret_set(&s, slice_str("another")));
	assert_true(secret_set(&s, slice_str(text)));
	secret_clear(&s);
	pkt_free(pkt_of(pool, slice_str(text)));
	pkt_pool_free(pool);
	assert_int_equal(leftovers_freed(), 0);
}

/* The search itself. */
static void what_is_left_is_found(void **state)
{
	(void)state;
	static const char text[] = "nothing wipes this one";
	struct pkt_pool *pool = pkt_pool_new();
	struct pkt *p = pkt_new(pool, 100);

	leftovers_watch(slice_str(text));
	memcpy(p->data, text, sizeof(text));
	pkt_free(p);
	pkt_pool_free(pool);
	assert_int_equal(leftovers_freed(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_the_octets_of_its_family),
		cmocka_unit_test(a_prefix_of_any_length_is_no_prefix),
		cmocka_unit_test(a_number_is_digits_and_fits),
		cmocka_unit_test(text_and_hex_stay_in_their_room),
		cmocka_unit_test(a_length_field_holds_16_bits),
		cmocka_unit_test(a_packet_never_leaves_its_room),
		cmocka_unit_test(strangers_write_ten_lines_a_minute),
		cmocka_unit_test(a_secret_is_gone_when_it_is_freed),
		cmocka_unit_test(what_is_left_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

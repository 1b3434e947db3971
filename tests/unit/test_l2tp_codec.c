/* L2TP on the wire: AVPs, control messages, data headers. RFC 2661, 3.1, 4. */
#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pkt.h"
#include "base/str.h"
#include "l2tp/l2tp_avp.h"
#include "l2tp/l2tp_data.h"
#include "l2tp/l2tp_msg.h"

static const char *const session_section = "typical client session";
static const char *const hidden_section = "hidden AVPs";

static bool is_control(const struct vector *v)
{
	return (strncmp(v->section, session_section, strlen(session_section)) == 0 ||
		       strstr(v->key, "l2tp_in") || strstr(v->key, "l2tp_out")) &&
	       l2tp_is_control(v->value);
}

/* Each value in a heap block of its own size, so that one octet too far traps. */
static struct slice exact(struct slice s)
{
	uint8_t *p = malloc(s.n ? s.n : 1);

	assert_non_null(p);
	if (s.n)
		memcpy(p, s.p, s.n);
	return slice(p, s.n);
}

static void exact_free(struct slice s)
{
	free((void *)(uintptr_t)s.p);
}

static enum l2tp_parse parse(struct l2tp_msg *m, struct slice avps)
{
	return l2tp_msg_parse(m, avps, NULL);
}

/* Does every value lie in the message or in the store? */
static void assert_within(const struct l2tp_msg *m, struct slice avps)
{
	for (unsigned type = 0; type < AVP_TYPES; type++) {
		struct slice v = m->avp[type];

		if (!l2tp_msg_has(m, type))
			continue;
		bool in_message = v.p >= avps.p && v.p + v.n <= avps.p + avps.n;
		bool in_store = v.p >= m->store && v.p + v.n <= m->store + m->used;
		assert_true(in_message || in_store);
	}
	assert_true(m->used <= L2TP_STORE);
}

/* ---- vectors ---- */

static void every_control_message_of_the_vectors_is_rebuilt_octet_by_octet(void **state)
{
	struct vectors *v = vectors_open("l2tp.txt");
	const struct vector *row;
	unsigned seen = 0;

	(void)state;
	for (size_t i = 0; (row = vectors_at(v, i)); i++) {
		struct l2tp_head h;
		struct l2tp_msg m;
		uint8_t buf[256];
		struct wr w = wr_of(buf, sizeof(buf));

		if (!is_control(row))
			continue;
		assert_true(l2tp_head_parse(row->value, &h));
		if (h.avps.n) {
			assert_int_equal(parse(&m, h.avps), L2TP_PARSE_OK);
			l2tp_msg_build(&m, &h, &w);
		} else {
			l2tp_head_put(&w, &h, 0);
		}
		assert_slice(wr_slice(&w), row->value);
		seen++;
	}
	assert_int_equal(seen, 11);
	vectors_close(v);
}

static void every_recorded_message_is_read(void **state)
{
	static const char *const files[] = {"recorded_softether.txt", "recorded_strongswan.txt"};
	struct env *env = test_env_new(1);
	unsigned control = 0, data = 0;

	(void)state;
	for (size_t f = 0; f < 2; f++) {
		struct vectors *v = vectors_open(files[f]);
		const struct vector *row;

		for (size_t i = 0; (row = vectors_at(v, i)); i++) {
			struct l2tp_head h;
			struct l2tp_msg m;
			struct l2tp_data d;

			if (is_control(row)) {
				assert_true(l2tp_head_parse(row->value, &h));
				if (h.avps.n)
					assert_int_equal(parse(&m, h.avps), L2TP_PARSE_OK);
				control++;
			} else if (strstr(row->key, "l2tp_")) {
				struct pkt *p = pkt_of(env->pool, row->value);

				assert_true(l2tp_data_strip(p, &d));
				assert_int_equal(p->data[0], 0xff);
				assert_int_equal(p->data[1], 0x03);
				pkt_free(p);
				data++;
			}
		}
		vectors_close(v);
	}
	assert_int_equal(control, 14);
	assert_true(data > 40);
	test_env_free(env);
}

static void the_vectors_say_what_they_are_named_after(void **state)
{
	struct vectors *v = vectors_open("l2tp.txt");
	struct l2tp_head h;
	struct l2tp_msg m;
	char text[256];

	(void)state;
	assert_true(
		l2tp_head_parse(vec(v, session_section, "stopccn_result6_shutdown_with_text"), &h));
	assert_int_equal(parse(&m, h.avps), L2TP_PARSE_OK);
	assert_string_equal(l2tp_msg_result_text(&m, text, sizeof(text)),
		"StopCCN result 6 (being shut down): \"going down\"");
	assert_true(l2tp_head_parse(vec(v, session_section, "sccrq"), &h));
	assert_int_equal(parse(&m, h.avps), L2TP_PARSE_OK);
	assert_int_equal(h.tunnel, 0);
	assert_int_equal(l2tp_msg_u16(&m, AVP_ASSIGNED_TUNNEL_ID), 0x1111);
	assert_int_equal(l2tp_msg_u16(&m, AVP_RECEIVE_WINDOW_SIZE), 8);
	assert_slice(m.avp[AVP_HOST_NAME], slice_str("client"));
	vectors_close(v);
}

static void every_form_of_the_data_header_is_read_and_made(void **state)
{
	struct vectors *v = vectors_open("l2tp.txt");
	struct env *env = test_env_new(1);
	const struct vector *row;
	unsigned seen = 0;

	(void)state;
	for (size_t i = 0; (row = vectors_at(v, i)); i++) {
		struct l2tp_data d;

		if (strncmp(row->key, "data_", 5) != 0)
			continue;
		struct pkt *p = pkt_of(env->pool, row->value);
		assert_true(l2tp_data_strip(p, &d));
		assert_int_equal(d.tunnel, 0x2222);
		assert_int_equal(d.session, 0x4444);
		assert_int_equal(p->len, 18);
		assert_true(l2tp_data_push(p, &d));
		assert_slice(pkt_slice(p), row->value);
		pkt_free(p);
		for (size_t n = 0; n < row->value.n; n++) {
			bool whole_header = n > row->value.n - 18 && !(d.flags & L2TP_L);

			p = pkt_of(env->pool, slice(row->value.p, n));
			assert_int_equal(l2tp_data_strip(p, &d), whole_header);
			if (!whole_header)
				assert_int_equal(p->len, n);
			pkt_free(p);
		}
		seen++;
	}
	assert_int_equal(seen, 5);
	vectors_close(v);
	test_env_free(env);
}

static void a_data_header_without_room_or_of_another_version_changes_nothing(void **state)
{
	struct env *env = test_env_new(1);
	struct l2tp_data d = {.flags = L2TP_O, .offset = PKT_ROOM};
	struct pkt *p = pkt_of(env->pool, slice("\x00\x03\x22\x22\x44\x44\xff\x03", 8));

	(void)state;
	assert_false(l2tp_data_push(p, &d));
	assert_false(l2tp_data_strip(p, &d));
	assert_int_equal(p->len, 8);
	pkt_free(p);
	test_env_free(env);
}

/* ---- hiding ---- */

static void hidden_avps_match_the_vectors(void **state)
{
	static const struct {
		const char *name;
		enum avp_type type;
	} cases[] = {
		{"assigned_tunnel_id", AVP_ASSIGNED_TUNNEL_ID},
		{"assigned_tunnel_id_padded5", AVP_ASSIGNED_TUNNEL_ID},
		{"host_name_16_bytes_subformat", AVP_HOST_NAME},
		{"proxy_auth_response_3_blocks", AVP_PROXY_AUTHEN_RESPONSE},
	};
	struct vectors *v = vectors_open("l2tp.txt");
	struct env *env = test_env_new(1);
	struct avp_key key = {.crypto = env->crypto, .secret = vec(v, "tunnel auth", "secret")};
	struct slice vector = vec(v, hidden_section, "random_vector");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char k[80];
		uint8_t buf[128], plain[128];
		struct wr w = wr_of(buf, sizeof(buf));
		struct slice got;
		struct avp a;

		snprintf(k, sizeof(k), "%s_value", cases[i].name);
		struct slice value = vec(v, hidden_section, k);
		snprintf(k, sizeof(k), "%s_subformat", cases[i].name);
		struct slice sub = vec(v, hidden_section, k);
		snprintf(k, sizeof(k), "%s_hidden_avp", cases[i].name);
		struct slice want = vec(v, hidden_section, k);
		struct slice padding = slice(sub.p + 2 + value.n, sub.n - 2 - value.n);

		assert_true(avp_put_hidden(&w, &key, vector, cases[i].type, value, padding));
		buf[0] |= 0x80; /* the vectors set M on all of them */
		assert_slice(wr_slice(&w), want);
		struct rd r = rd_of(want);
		assert_true(avp_next(&r, &a));
		assert_true(a.hidden);
		assert_true(avp_unhide(&key, vector, &a, plain, &got));
		assert_slice(got, value);
	}
	vectors_close(v);
	test_env_free(env);
}

/* SCCRP with everything but the Assigned Tunnel ID, which `tail` brings. */
static size_t sccrp_with(uint8_t *buf, size_t room, struct slice tail)
{
	struct wr w = wr_of(buf, room);

	avp_put(&w, AVP_MESSAGE_TYPE, slice("\0\2", 2));
	avp_put(&w, AVP_PROTOCOL_VERSION, slice("\1\0", 2));
	avp_put(&w, AVP_FRAMING_CAPABILITIES, slice("\0\0\0\1", 4));
	avp_put(&w, AVP_HOST_NAME, slice_str("server"));
	wr_put(&w, tail);
	return wr_len(&w);
}

static void a_hidden_avp_needs_secret_vector_and_permission(void **state)
{
	struct vectors *v = vectors_open("l2tp.txt");
	struct env *env = test_env_new(1);
	struct avp_key key = {.crypto = env->crypto, .secret = vec(v, "tunnel auth", "secret")};
	struct avp_key empty = {.crypto = env->crypto};
	struct slice vector = vec(v, hidden_section, "random_vector_avp");
	struct slice hidden = vec(v, hidden_section, "assigned_tunnel_id_hidden_avp");
	uint8_t tail[64], buf[256];
	struct l2tp_msg m;
	struct wr w = wr_of(tail, sizeof(tail));

	(void)state;
	wr_put(&w, vector);
	wr_put(&w, hidden);
	struct slice good = slice(buf, sccrp_with(buf, sizeof(buf), wr_slice(&w)));
	assert_int_equal(l2tp_msg_parse(&m, good, &key), L2TP_PARSE_OK);
	assert_int_equal(l2tp_msg_u16(&m, AVP_ASSIGNED_TUNNEL_ID), 0x1234);
	assert_int_equal(l2tp_msg_parse(&m, good, &empty), L2TP_PARSE_FAULT);
	assert_int_equal(m.fault, L2TP_ERROR_VALUE);
	assert_int_equal(l2tp_msg_parse(&m, good, NULL), L2TP_PARSE_FAULT);

	struct slice no_vector = slice(buf, sccrp_with(buf, sizeof(buf), hidden));
	assert_int_equal(l2tp_msg_parse(&m, no_vector, &key), L2TP_PARSE_FAULT);
	assert_int_equal(m.fault, L2TP_ERROR_VALUE);

	w = wr_of(tail, sizeof(tail)); /* RFC 2661, 4.4.2: Result Code must not be hidden */
	wr_put(&w, vector);
	assert_true(avp_put_hidden(&w, &key, vec(v, hidden_section, "random_vector"),
		AVP_RESULT_CODE, slice("\0\1\0\0", 4), slice(NULL, 0)));
	struct slice result = slice(buf, sccrp_with(buf, sizeof(buf), wr_slice(&w)));
	assert_int_equal(l2tp_msg_parse(&m, result, &key), L2TP_PARSE_FAULT);
	assert_int_equal(m.fault, L2TP_ERROR_VALUE);
	vectors_close(v);
	test_env_free(env);
}

static void random_hidden_avps_stay_within_the_store(void **state)
{
	struct env *env = test_env_new(7);
	struct avp_key key = {.crypto = env->crypto, .secret = slice_str("s")};
	unsigned unhidden = 0;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint8_t buf[4096], value[AVP_VALUE_MAX];
		struct wr w = wr_of(buf, sizeof(buf));
		struct l2tp_msg m;

		avp_put(&w, AVP_MESSAGE_TYPE, slice("\0\2", 2));
		avp_put(&w, AVP_RANDOM_VECTOR, slice_str("01234567"));
		for (unsigned i = 0; i < 4; i++) {
			size_t n = env_random_u16(env) % (round % 16 == 0 ? sizeof(value) + 1 : 24);

			env_random(env, value, n);
			wr_u16(&w, (uint16_t)(0x4000 | (round % 2 ? 0x8000 : 0) | (AVP_HEAD + n)));
			wr_u16(&w, 0);
			wr_u16(&w, env_random_u16(env) % 50);
			wr_put(&w, slice(value, n));
		}
		struct slice avps = exact(wr_slice(&w));
		enum l2tp_parse verdict = l2tp_msg_parse(&m, avps, &key);
		assert_int_not_equal(verdict, L2TP_PARSE_BAD);
		assert_within(&m, avps);
		unhidden += m.used > 0;
		exact_free(avps);
	}
	assert_true(unhidden > 0);
	test_env_free(env);
}

/* ---- rules ---- */

enum { NO = -1 };

/* RFC 2661, 4.4, written down again: what the value's length must be; max NO = unknown attribute. */
static const struct {
	int min, max;
} lengths[51] = {
	{2, 2},
	{2, 1017},
	{2, 2},
	{4, 4},
	{4, 4},
	{8, 8},
	{2, 2},
	{1, 1017},
	{0, 1017},
	{2, 2},
	{2, 2},
	{1, 1017},
	{3, 1017},
	{16, 16},
	{2, 2},
	{4, 4},
	{4, 4},
	{4, 4},
	{4, 4},
	{4, 4},
	{0, NO},
	{0, 1017},
	{0, 1017},
	{0, 1017},
	{4, 4},
	{4, 4},
	{0, 1017},
	{0, 1017},
	{0, 1017},
	{2, 2},
	{0, 1017},
	{1, 1017},
	{2, 2},
	{0, 1017},
	{26, 26},
	{10, 10},
	{1, 1017},
	{0, 1017},
	{4, 4},
	{0, 0},
	{0, NO},
	{0, NO},
	{0, NO},
	{0, NO},
	{0, NO},
	{0, NO},
	{5, 1017},
	{0, NO},
	{0, NO},
	{0, NO},
	{0, NO},
};

static enum l2tp_error verdict_of(int type, int length, bool mandatory)
{
	if (length < 6)
		return L2TP_ERROR_LENGTH; /* what follows cannot be found, M or not */
	if (!mandatory)
		return L2TP_ERROR_NONE;
	if (lengths[type].max == NO)
		return L2TP_ERROR_UNKNOWN_AVP;
	if (length - 6 < lengths[type].min || length - 6 > lengths[type].max)
		return L2TP_ERROR_LENGTH;
	return L2TP_ERROR_NONE;
}

static void every_length_of_every_attribute_gets_its_verdict(void **state)
{
	(void)state;
	for (int type = 0; type <= 50; type++)
		for (int length = 0; length <= AVP_LENGTH_MAX; length++)
			for (int mandatory = 0; mandatory < 2; mandatory++) {
				uint8_t buf[2048] = {0};
				struct wr w = wr_of(buf, sizeof(buf));
				struct l2tp_msg m;

				avp_put(&w, AVP_MESSAGE_TYPE, slice("\0\6", 2));
				wr_u16(&w, (uint16_t)(length | (mandatory ? 0x8000 : 0)));
				wr_u16(&w, 0);
				wr_u16(&w, (uint16_t)type);
				wr_zero(&w, length > 6 ? (size_t)length - 6 : 0);
				struct slice avps = exact(wr_slice(&w));
				enum l2tp_error want = verdict_of(type, length, mandatory);
				assert_int_equal(
					parse(&m, avps), want ? L2TP_PARSE_FAULT : L2TP_PARSE_OK);
				assert_int_equal(m.fault, want);
				exact_free(avps);
			}
}

static void an_avp_longer_than_its_message_is_a_fault(void **state)
{
	static const uint8_t avps[] = {0x80, 8, 0, 0, 0, 0, 0, 6, 0x00, 9, 0, 0, 0, 8, 'a', 'b'};
	struct l2tp_msg m;

	(void)state;
	assert_int_equal(parse(&m, slice(avps, sizeof(avps))), L2TP_PARSE_FAULT);
	assert_int_equal(m.fault, L2TP_ERROR_LENGTH);
}

/* RFC 2661, 4.1: a reserved bit makes an AVP unknown; 4.2: unknown counts only with M. */
static void unknown_vendor_and_reserved_bits_count_with_the_m_bit_only(void **state)
{
	uint8_t avps[] = {0x80, 8, 0, 0, 0, 0, 0, 6, 0, 8, 0, 0, 0, 9, 0x12, 0x34};
	struct l2tp_msg m;

	(void)state;
	for (unsigned bits = 0; bits < 0x20; bits++)
		for (unsigned vendor = 0; vendor < 2; vendor++) {
			bool mandatory = bits & 0x10;
			bool unknown = bits & 0x0f || vendor;

			avps[8] = (uint8_t)((mandatory ? 0x80 : 0) | (bits & 0x0f) << 2);
			avps[10] = vendor ? 1 : 0;
			assert_int_equal(parse(&m, slice(avps, sizeof(avps))),
				mandatory && unknown ? L2TP_PARSE_FAULT : L2TP_PARSE_OK);
			assert_int_equal(m.fault,
				mandatory && unknown ? L2TP_ERROR_UNKNOWN_AVP : L2TP_ERROR_NONE);
		}
}

/* M, H and the four reserved bits of the first AVP: only M is free. RFC 2661, 4.4.1 */
static void the_first_avp_is_a_message_type_or_nothing_is_read(void **state)
{
	uint8_t avps[] = {0, 8, 0, 0, 0, 0, 0, 6};
	struct l2tp_msg m;

	(void)state;
	for (unsigned bits = 0; bits < 64; bits++) {
		bool good = (bits & 0x1f) == 0;

		avps[0] = (uint8_t)(bits << 2);
		assert_int_equal(l2tp_msg_begins(slice(avps, sizeof(avps))), good);
		assert_int_equal(parse(&m, slice(avps, sizeof(avps))),
			good ? L2TP_PARSE_OK : L2TP_PARSE_BAD);
	}
	avps[0] = 0x80;
	avps[5] = 7; /* another attribute */
	assert_int_equal(parse(&m, slice(avps, sizeof(avps))), L2TP_PARSE_BAD);
	assert_int_equal(parse(&m, slice(avps, 0)), L2TP_PARSE_BAD);
}

static void the_26_octets_that_break_xl2tpd_are_not_interpreted(void **state)
{
	static const uint8_t packet[26] = {0xc8, 0x02, 0, 26, 0, 0, 0, 0, 0, 0, 0, 0, 0x04, 8, 0, 0,
		0, 0, 0, 1, 0x80, 6, 0, 0, 0, 2};
	struct l2tp_head h;
	struct l2tp_msg m;

	(void)state;
	assert_true(l2tp_head_parse(slice(packet, sizeof(packet)), &h));
	assert_false(l2tp_msg_begins(h.avps));
	assert_int_equal(parse(&m, h.avps), L2TP_PARSE_BAD);
	assert_int_equal(m.has, 0);
}

static void a_message_without_an_avp_it_must_have_is_a_fault(void **state)
{
	struct l2tp_msg m;
	uint8_t buf[64];

	(void)state;
	assert_int_equal(parse(&m, slice(buf, sccrp_with(buf, sizeof(buf), slice(NULL, 0)))),
		L2TP_PARSE_FAULT);
	assert_string_equal(m.text, "Assigned Tunnel ID is missing");
}

static void an_avp_that_does_not_belong_to_the_message_is_neither_kept_nor_built(void **state)
{
	static const uint8_t avps[] = {0x80, 8, 0, 0, 0, 0, 0, 6, 0x80, 8, 0, 0, 0, 9, 0x12, 0x34};
	struct l2tp_msg m;
	uint8_t buf[64];
	struct wr w = wr_of(buf, sizeof(buf));

	(void)state;
	assert_int_equal(parse(&m, slice(avps, sizeof(avps))), L2TP_PARSE_OK);
	assert_false(l2tp_msg_has(&m, AVP_ASSIGNED_TUNNEL_ID));
	l2tp_msg_init(&m, L2TP_HELLO);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, 1);
	l2tp_msg_build(&m, &(struct l2tp_head){0}, &w);
	assert_int_equal(wr_len(&w), 0);
}

/* ---- headers and damage ---- */

/* RFC 2661, 3.1: T, L, S, O, P and the version are fixed, the other bits are ignored. */
static void a_control_header_has_exactly_the_flags_of_one(void **state)
{
	uint8_t zlb[12] = {0, 0, 0, 12, 0x11, 0x11, 0, 0, 0, 1, 0, 2};
	struct l2tp_head h;

	(void)state;
	for (unsigned flags = 0; flags < 0x10000; flags++) {
		put_u16(zlb, (uint16_t)flags);
		assert_int_equal(
			l2tp_head_parse(slice(zlb, sizeof(zlb)), &h), (flags & 0xcb0f) == 0xc802);
	}
	put_u16(zlb, 0xc802);
	for (unsigned length = 0; length < 0x10000; length++) {
		put_u16(&zlb[2], (uint16_t)length);
		assert_int_equal(l2tp_head_parse(slice(zlb, sizeof(zlb)), &h), length == 12);
	}
}

static bool ends_at_an_avp(struct slice avps, size_t n)
{
	struct rd r = rd_of(avps);
	struct avp a;

	while (avps.n - rd_left(&r) < n)
		if (!avp_next(&r, &a))
			return false;
	return avps.n - rd_left(&r) == n;
}

static void truncate_everywhere(struct slice whole)
{
	struct l2tp_head h, all;
	struct l2tp_msg m;

	assert_true(l2tp_head_parse(whole, &all));
	for (size_t n = 0; n < whole.n; n++) {
		uint8_t buf[256];
		struct slice cut = exact(slice(whole.p, n));

		assert_false(l2tp_head_parse(cut, &h));
		exact_free(cut);
		if (n < L2TP_HEAD)
			continue;
		memcpy(buf, whole.p, n);
		put_u16(&buf[2], (uint16_t)n); /* now the header agrees with the cut */
		cut = exact(slice(buf, n));
		assert_true(l2tp_head_parse(cut, &h));
		size_t avps = n - L2TP_HEAD;
		enum l2tp_parse verdict = parse(&m, h.avps);
		if (avps < 8)
			assert_int_equal(verdict, L2TP_PARSE_BAD);
		else if (!ends_at_an_avp(all.avps, avps))
			assert_int_equal(verdict, L2TP_PARSE_FAULT);
		else
			assert_int_not_equal(verdict, L2TP_PARSE_BAD);
		exact_free(cut);
	}
}

static void every_truncation_of_every_message_is_noticed(void **state)
{
	static const char *const files[] = {
		"l2tp.txt", "recorded_softether.txt", "recorded_strongswan.txt"};

	(void)state;
	for (size_t f = 0; f < 3; f++) {
		struct vectors *v = vectors_open(files[f]);
		const struct vector *row;

		for (size_t i = 0; (row = vectors_at(v, i)); i++)
			if (is_control(row))
				truncate_everywhere(row->value);
		vectors_close(v);
	}
}

static void damaged_messages_never_lead_out_of_the_message(void **state)
{
	struct vectors *v = vectors_open("l2tp.txt");
	struct env *env = test_env_new(3);
	struct avp_key key = {.crypto = env->crypto, .secret = slice_str("s")};
	const struct vector *row;

	(void)state;
	for (size_t i = 0; (row = vectors_at(v, i)); i++)
		for (unsigned round = 0; is_control(row) && round < 3000; round++) {
			uint8_t buf[256];
			struct l2tp_head h;
			struct l2tp_msg m;

			memcpy(buf, row->value.p, row->value.n);
			for (unsigned flips = 0; flips <= round % 4; flips++)
				buf[env_random_u16(env) % row->value.n] =
					(uint8_t)env_random_u16(env);
			struct slice s = exact(slice(buf, row->value.n));
			if (l2tp_head_parse(s, &h)) {
				(void)l2tp_msg_parse(&m, h.avps, &key);
				assert_within(&m, h.avps);
			}
			exact_free(s);
		}
	vectors_close(v);
	test_env_free(env);
}

static void unknown_messages_are_ignored_or_faults_as_m_says(void **state)
{
	uint8_t avps[] = {0x80, 8, 0, 0, 0, 0, 0, 0};
	struct l2tp_msg m;

	(void)state;
	for (unsigned type = 0; type < 0x10000; type++) {
		bool known = type && type <= 16 && type != 5 && type != 13;

		put_u16(&avps[6], (uint16_t)type);
		avps[0] = 0x00;
		assert_int_equal(parse(&m, slice(avps, sizeof(avps))) == L2TP_PARSE_IGNORE, !known);
		avps[0] = 0x80;
		enum l2tp_parse verdict = parse(&m, slice(avps, sizeof(avps)));
		assert_int_not_equal(verdict, L2TP_PARSE_IGNORE);
		if (!known)
			assert_int_equal(m.fault, L2TP_ERROR_VALUE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_control_message_of_the_vectors_is_rebuilt_octet_by_octet),
		cmocka_unit_test(every_recorded_message_is_read),
		cmocka_unit_test(the_vectors_say_what_they_are_named_after),
		cmocka_unit_test(every_form_of_the_data_header_is_read_and_made),
		cmocka_unit_test(a_data_header_without_room_or_of_another_version_changes_nothing),
		cmocka_unit_test(hidden_avps_match_the_vectors),
		cmocka_unit_test(a_hidden_avp_needs_secret_vector_and_permission),
		cmocka_unit_test(random_hidden_avps_stay_within_the_store),
		cmocka_unit_test(every_length_of_every_attribute_gets_its_verdict),
		cmocka_unit_test(an_avp_longer_than_its_message_is_a_fault),
		cmocka_unit_test(unknown_vendor_and_reserved_bits_count_with_the_m_bit_only),
		cmocka_unit_test(the_first_avp_is_a_message_type_or_nothing_is_read),
		cmocka_unit_test(the_26_octets_that_break_xl2tpd_are_not_interpreted),
		cmocka_unit_test(a_message_without_an_avp_it_must_have_is_a_fault),
		cmocka_unit_test(
			an_avp_that_does_not_belong_to_the_message_is_neither_kept_nor_built),
		cmocka_unit_test(a_control_header_has_exactly_the_flags_of_one),
		cmocka_unit_test(every_truncation_of_every_message_is_noticed),
		cmocka_unit_test(damaged_messages_never_lead_out_of_the_message),
		cmocka_unit_test(unknown_messages_are_ignored_or_faults_as_m_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

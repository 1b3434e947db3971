/* l2tp/: what each check keeps out, where no other test would miss it (./dev mutate). */
#include "tests/unit/l2tp_line.h"

#include "l2tp/l2tp_avp.h"
#include "l2tp/l2tp_chan.h"

/* ---- the codec ---- */

static bool begins(const void *octets, size_t n)
{
	uint8_t *exact = malloc(n);
	bool yes;

	assert_non_null(exact);
	memcpy(exact, octets, n);
	yes = l2tp_msg_begins(slice(exact, n));
	free(exact);
	return yes;
}

static void a_message_begins_with_a_message_type_of_two_octets(void **state)
{
	(void)state;
	assert_true(begins("\x80\x08\0\0\0\0\0\x02", 8));
	assert_false(begins("\x80\x08\0\x09\0\0\0\x02", 8)); /* another vendor's */
	assert_false(begins("\x80\x07\0\0\0\0\x02", 7));
	assert_false(begins("\x80\x06\0\0\0\0", 6));
	assert_false(begins("\x80\x09\0\0\0\0\0\x02\0", 9));
}

/* SCCRP with a hidden Assigned Tunnel ID under this key and vector. */
static bool takes_hidden(const struct avp_key *hider, struct slice vector, bool says_vector)
{
	uint8_t octets[256], two[] = {0x12, 0x34};
	struct wr w = wr_of(octets, sizeof(octets));
	struct l2tp_msg m;

	avp_put(&w, AVP_MESSAGE_TYPE, slice("\0\x02", 2));
	if (says_vector)
		avp_put(&w, AVP_RANDOM_VECTOR, vector);
	assert_true(avp_put_hidden(
		&w, hider, vector, AVP_ASSIGNED_TUNNEL_ID, slice(two, 2), slice(NULL, 0)));
	assert_false(w.bad);
	assert_int_equal(l2tp_msg_parse(&m, wr_slice(&w), hider), L2TP_PARSE_FAULT);
	return l2tp_msg_has(&m, AVP_ASSIGNED_TUNNEL_ID);
}

/* Anybody can hide something under no secret, or with no vector replay it. */
static void without_secret_or_vector_nothing_is_unhidden(void **state)
{
	(void)state;
	struct env *env = test_env_new(3);
	struct avp_key with = {.crypto = env->crypto, .secret = slice_str("secret")};
	struct avp_key without = {.crypto = env->crypto};

	assert_true(takes_hidden(&with, slice_str("vector"), true));
	assert_false(takes_hidden(&without, slice_str("vector"), true));
	assert_false(takes_hidden(&with, slice(NULL, 0), false));
	test_env_free(env);
}

/* More than the message's store holds. */
static void hidden_avps_stay_within_the_store(void **state)
{
	(void)state;
	struct env *env = test_env_new(3);
	struct avp_key key = {.crypto = env->crypto, .secret = slice_str("secret")};
	static uint8_t octets[16000], value[900];
	struct wr w = wr_of(octets, sizeof(octets));
	struct l2tp_msg *m = malloc(sizeof(*m));

	assert_non_null(m);
	avp_put(&w, AVP_MESSAGE_TYPE, slice("\0\x02", 2));
	avp_put(&w, AVP_RANDOM_VECTOR, slice_str("vector"));
	for (int i = 0; i < 15; i++)
		assert_true(avp_put_hidden(&w, &key, slice_str("vector"), AVP_VENDOR_NAME,
			slice(value, sizeof(value)), slice(NULL, 0)));
	assert_false(w.bad);
	l2tp_msg_parse(m, wr_slice(&w), &key);
	assert_in_range(m->used, 1, sizeof(m->store));
	free(m);
	test_env_free(env);
}

static void of_two_avps_the_first_counts(void **state)
{
	(void)state;
	uint8_t octets[64];
	struct wr w = wr_of(octets, sizeof(octets));
	struct l2tp_msg m;

	avp_put(&w, AVP_MESSAGE_TYPE, slice("\0\x02", 2));
	avp_put(&w, AVP_ASSIGNED_TUNNEL_ID, slice("\x11\x11", 2));
	avp_put(&w, AVP_ASSIGNED_TUNNEL_ID, slice("\x22\x22", 2));
	l2tp_msg_parse(&m, wr_slice(&w), NULL);
	assert_int_equal(l2tp_msg_u16(&m, AVP_ASSIGNED_TUNNEL_ID), 0x1111);
}

static void a_value_that_its_length_cannot_say_is_not_written(void **state)
{
	(void)state;
	static uint8_t octets[4096], value[2000];
	struct wr w = wr_of(octets, sizeof(octets));

	avp_put(&w, AVP_HOST_NAME, slice(value, AVP_VALUE_MAX));
	assert_false(w.bad);
	avp_put(&w, AVP_HOST_NAME, slice(value, AVP_VALUE_MAX + 1));
	assert_true(w.bad);
}

/* ---- the channel ---- */

static void a_full_queue_takes_no_more(void **state)
{
	(void)state;
	struct env *env = test_env_new(3);
	struct l2tp_chan c;

	chan_init(&c, env, 0);
	for (int i = 0; i < CHAN_OUT; i++)
		assert_int_equal(chan_send(&c, pkt_of(env->pool, slice("x", 1)), L2TP_HELLO,
					 PATIENCE_EXCHANGE),
			0);
	for (int i = 0; i < 3; i++)
		assert_true(chan_send(&c, pkt_of(env->pool, slice("x", 1)), L2TP_HELLO,
				    PATIENCE_EXCHANGE) < 0);
	chan_clear(&c);
	test_env_free(env);
}

/* ---- the tunnel ---- */

static void to_tunnel_0_only_a_request_for_a_tunnel_is_answered(void **state)
{
	(void)state;
	struct line *x = line_new("");
	struct l2tp_msg m;

	up(x);
	stopccn(&m, 1, 0, "");
	give_as(x, &m, &(struct l2tp_head){0});
	expect_nothing(x);
	l2tp_msg_init(&m, L2TP_SCCRQ);
	l2tp_msg_put_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_msg_put_u32(&m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_msg_put(&m, AVP_HOST_NAME, slice_str("server"));
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, 0); /* nowhere to answer to */
	give_as(x, &m, &(struct l2tp_head){0});
	expect_nothing(x);
	line_free(x);
}

static void the_tunnels_id_is_learned_once_and_from_an_answer(void **state)
{
	(void)state;
	struct line *x = line_new("");
	struct l2tp_msg m;

	up(x);
	l2tp_msg_init(&m, L2TP_STOPCCN);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, 0x9999);
	l2tp_msg_put_result(&m, 1, 0, "");
	give_msg(x, &m, 0);
	next_packet(x);
	assert_int_equal(x->head.tunnel, LNS_TUNNEL);
	line_free(x);

	x = line_new("");
	begin(x);
	l2tp_msg_init(&m, L2TP_SCCRQ);
	l2tp_msg_put_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_msg_put_u32(&m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_msg_put(&m, AVP_HOST_NAME, slice_str("server"));
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, 0x9999);
	give_msg(x, &m, 0);
	next_packet(x);
	assert_int_equal(x->head.tunnel, 0);
	line_free(x);
}

/* Calls of the server's without end, none of our refusals acknowledged: a few are kept. */
static void refusals_leave_room_for_our_own_messages(void **state)
{
	(void)state;
	struct line *x = line_new("");
	struct l2tp_msg m;
	unsigned refusals = 0;

	up(x);
	l2tp_msg_init(&m, L2TP_ICRQ);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_SESSION_ID, 0x5555);
	l2tp_msg_put_u32(&m, AVP_CALL_SERIAL_NUMBER, 1);
	for (int i = 0; i < 20; i++)
		give_msg(x, &m, 0);
	for (int i = 0; i < 40; i++) {
		while (x->out.down.head) {
			next_packet(x);
			if (!x->head.avps.n)
				continue;
			refusals += x->head.ns == x->nr;
			x->nr = (uint16_t)(x->head.ns + 1);
		}
		give_zlb(x);
	}
	assert_in_range(refusals, 1, 4);
	line_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_begins_with_a_message_type_of_two_octets),
		cmocka_unit_test(without_secret_or_vector_nothing_is_unhidden),
		cmocka_unit_test(hidden_avps_stay_within_the_store),
		cmocka_unit_test(of_two_avps_the_first_counts),
		cmocka_unit_test(a_value_that_its_length_cannot_say_is_not_written),
		cmocka_unit_test(a_full_queue_takes_no_more),
		cmocka_unit_test(to_tunnel_0_only_a_request_for_a_tunnel_is_answered),
		cmocka_unit_test(the_tunnels_id_is_learned_once_and_from_an_answer),
		cmocka_unit_test(refusals_leave_room_for_our_own_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* L2TP: refusals, what the rules forbid, what the server wants of its own. RFC 2661, 4, 7. */
#include "tests/unit/l2tp_line.h"

/* ---- refusals ---- */

static void a_refusal_is_told_in_the_servers_words(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	begin(x);
	stopccn(&m, 2, 6, "no \"licence\"\n left");
	give_msg(x, &m, 0);
	expect_zlb(x);
	assert_int_equal(x->head.tunnel, LNS_TUNNEL);
	expect_nothing(x);
	expect_failed(x, REASON_L2TP_REFUSED,
		"StopCCN result 2 (general error), error 6 (vendor-specific): "
		"\"no \"licence\"\\x0a left\"");
	give_as(x, &m, &(struct l2tp_head){x->status.tunnel, 0, 0, x->nr, {0}});
	expect_zlb(x); /* RFC 2661, 5.7: still acknowledged */
	line_free(x);
}

static void a_refused_call_ends_the_tunnel_too(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up_to_calling(x);
	cdn(&m, 4, 0, "pool empty");
	give_msg(x, &m, x->status.session);
	expect(x, L2TP_STOPCCN);
	expect_result(x, L2TP_STOP_CLEAR, 0);
	expect_failed(
		x, REASON_L2TP_REFUSED, "CDN result 4 (no facilities for now): \"pool empty\"");
	line_free(x);
}

static void a_cdn_may_come_without_a_session_but_not_for_another(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up_to_calling(x);
	cdn(&m, 5, 0, "");
	give_msg(x, &m, (uint16_t)(x->status.session ^ 0x8000));
	expect_zlb(x);
	assert_int_equal(x->status.bad, 1);
	give_msg(x, &m, 0);
	expect(x, L2TP_STOPCCN);
	expect_failed(x, REASON_L2TP_REFUSED, "CDN result 5 (no facilities)");
	line_free(x);
}

static void nothing_is_said_to_a_peer_that_has_stopped(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	begin(x);
	sccrp(&m);
	l2tp_msg_put_u16(&m, AVP_RECEIVE_WINDOW_SIZE, 1);
	give_msg(x, &m, 0);
	expect(x, L2TP_SCCCN); /* ICRQ waits for the window */
	stopccn(&m, 6, 0, "");
	give_msg(x, &m, 0);
	expect_zlb(x);
	expect_nothing(x);
	line_free(x);
}

static void an_end_while_up_is_closed_by_peer(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up(x);
	stopccn(&m, 6, 0, "");
	give_msg(x, &m, 0);
	expect_failed(x, REASON_L2TP_CLOSED_BY_PEER, "StopCCN result 6 (being shut down)");
	assert_false(x->status.up);
	line_free(x);

	x = line_new("");
	up(x);
	cdn(&m, 99, 77, "");
	give_msg(x, &m, x->status.session);
	expect_failed(x, REASON_L2TP_CLOSED_BY_PEER, "CDN result 99 (unknown), error 77 (unknown)");
	line_free(x);
}

static void a_stopccn_with_nothing_in_it_is_an_end_all_the_same(void **state)
{
	struct line *x = line_new("");

	(void)state;
	up(x);
	give_raw_avps(x, 0, slice("\x80\x08\0\0\0\0\0\x04", 8));
	expect_failed(x, REASON_L2TP_CLOSED_BY_PEER, "StopCCN without a result code");
	line_free(x);
}

/* ---- rules ---- */

static void an_unknown_mandatory_avp_ends_call_or_tunnel(void **state)
{
	static const uint8_t icrp_avps[] = {
		0x80, 8, 0, 0, 0, 0, 0, 11, 0x80, 8, 0, 0, 0, 14, 0x44, 0x44, 0x80, 6, 0, 9, 0, 1};
	static const uint8_t hello_avps[] = {0x80, 8, 0, 0, 0, 0, 0, 6, 0x80, 6, 0, 9, 0, 1};
	struct line *x = line_new("");

	(void)state;
	up_to_calling(x);
	give_raw_avps(x, x->status.session, slice(icrp_avps, sizeof(icrp_avps)));
	expect(x, L2TP_CDN);
	expect_result(x, L2TP_CDN_ERROR, L2TP_ERROR_UNKNOWN_AVP);
	assert_int_equal(l2tp_msg_u16(&x->msg, AVP_ASSIGNED_SESSION_ID), x->status.session);
	expect(x, L2TP_STOPCCN);
	expect_failed(x, REASON_L2TP_FAIL, "ICRP: unknown AVP 1 of vendor 9");
	line_free(x);

	x = line_new("");
	up_to_calling(x);
	give_raw_avps(x, 0, slice(hello_avps, sizeof(hello_avps)));
	expect(x, L2TP_STOPCCN);
	expect_result(x, L2TP_STOP_ERROR, L2TP_ERROR_UNKNOWN_AVP);
	expect_failed(x, REASON_L2TP_FAIL, "HELLO: unknown AVP 1 of vendor 9");
	line_free(x);
}

static void an_unknown_optional_avp_is_ignored(void **state)
{
	static const uint8_t avps[] = {
		0x80, 8, 0, 0, 0, 0, 0, 11, 0x80, 8, 0, 0, 0, 14, 0x44, 0x44, 0x00, 6, 0, 9, 0, 1};
	struct line *x = line_new("");

	(void)state;
	up_to_calling(x);
	give_raw_avps(x, x->status.session, slice(avps, sizeof(avps)));
	expect(x, L2TP_ICCN);
	assert_true(x->status.up);
	line_free(x);
}

static void an_unknown_message_is_acknowledged_or_fatal_as_m_says(void **state)
{
	struct line *x = line_new("");

	(void)state;
	up(x);
	give_raw_avps(x, 0, slice("\0\x08\0\0\0\0\0\x63", 8));
	expect_zlb(x);
	assert_true(x->status.up);
	give_raw_avps(x, 0, slice("\x80\x08\0\0\0\0\0\x63", 8));
	expect(x, L2TP_STOPCCN);
	expect_result(x, L2TP_STOP_ERROR, L2TP_ERROR_VALUE);
	expect_failed(x, REASON_L2TP_FAIL, "unknown message: unknown message type 99");
	line_free(x);
}

static void a_message_that_begins_with_no_message_type_does_not_even_count(void **state)
{
	static const uint8_t avps[] = {0x04, 8, 0, 0, 0, 0, 0, 1, 0x80, 6, 0, 0, 0, 2};
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up(x);
	give_raw_avps(x, 0, slice(avps, sizeof(avps)));
	expect_nothing(x);
	assert_int_equal(x->status.bad, 1);
	x->ns--;
	hello(&m);
	give_msg(x, &m, 0);
	expect_zlb(x);
	line_free(x);
}

static void ids_of_zero_are_refused(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	begin(x);
	sccrp(&m);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, 0);
	give_msg(x, &m, 0);
	expect(x, L2TP_STOPCCN);
	expect_failed(x, REASON_L2TP_FAIL, "SCCRP: Assigned Tunnel ID is 0");
	line_free(x);

	x = line_new("");
	up_to_calling(x);
	icrp(&m);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_SESSION_ID, 0);
	give_msg(x, &m, x->status.session);
	expect(x, L2TP_CDN);
	expect(x, L2TP_STOPCCN);
	expect_failed(x, REASON_L2TP_FAIL, "ICRP: Assigned Session ID is 0");
	line_free(x);
}

static void another_protocol_version_is_refused(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	begin(x);
	sccrp(&m);
	l2tp_msg_put_u16(&m, AVP_PROTOCOL_VERSION, 0x0200);
	give_msg(x, &m, 0);
	expect(x, L2TP_STOPCCN);
	expect_result(x, L2TP_STOP_VERSION, 0x0100);
	expect_failed(x, REASON_L2TP_FAIL, "the server speaks protocol version 2.0");
	line_free(x);
}

static void a_message_out_of_turn_is_an_fsm_error(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up(x);
	sccrp(&m);
	give_msg(x, &m, 0);
	expect(x, L2TP_STOPCCN);
	expect_result(x, L2TP_STOP_FSM, 0);
	expect_failed(x, REASON_L2TP_FAIL, "SCCRP out of turn");
	line_free(x);
}

static void an_answer_for_another_session_is_not_ours(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up_to_calling(x);
	icrp(&m);
	give_msg(x, &m, (uint16_t)(x->status.session + 1));
	expect_zlb(x);
	assert_false(x->status.up);
	assert_int_equal(x->status.bad, 1);
	line_free(x);
}

static void sli_wen_and_hello_are_acknowledged_and_that_is_all(void **state)
{
	static const uint8_t zeros[26];
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up(x);
	l2tp_msg_init(&m, L2TP_SLI);
	l2tp_msg_put(&m, AVP_ACCM, slice(zeros, 10));
	give_msg(x, &m, x->status.session);
	expect_zlb(x);
	l2tp_msg_init(&m, L2TP_WEN);
	l2tp_msg_put(&m, AVP_CALL_ERRORS, slice(zeros, 26));
	give_msg(x, &m, x->status.session);
	expect_zlb(x);
	hello(&m);
	give_msg(x, &m, 0);
	expect_zlb(x);
	assert_true(x->status.up);
	line_free(x);
}

/* ---- the server's own wishes ---- */

static void a_tunnel_of_the_servers_is_refused_once_a_second(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;
	size_t live;

	(void)state;
	up(x);
	live = pkt_pool_live(x->env->pool);
	l2tp_msg_init(&m, L2TP_SCCRQ);
	l2tp_msg_put_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_msg_put_u32(&m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_msg_put(&m, AVP_HOST_NAME, slice_str("server"));
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, 0x7777);
	for (unsigned i = 0; i < 5000; i++) {
		x->now += i % 1000 ? 0 : 1000;
		give_as(x, &m, &(struct l2tp_head){0});
		if (i % 1000) {
			expect_nothing(x);
			continue;
		}
		next_packet(x);
		assert_int_equal(l2tp_msg_parse(&x->msg, x->head.avps, NULL), L2TP_PARSE_OK);
		assert_int_equal(x->msg.type, L2TP_STOPCCN);
		expect_result(x, L2TP_STOP_NOT_AUTHORIZED, 0);
		assert_int_equal(x->head.tunnel, 0x7777);
		assert_int_equal(x->head.nr, 1);
		assert_int_not_equal(
			l2tp_msg_u16(&x->msg, AVP_ASSIGNED_TUNNEL_ID), x->status.tunnel);
	}
	assert_true(pkt_pool_live(x->env->pool) <= live + 1);
	assert_true(x->status.up);
	line_free(x);
}

static void a_call_of_the_servers_is_refused(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up(x);
	for (unsigned i = 0; i < 20; i++) {
		l2tp_msg_init(&m, L2TP_ICRQ);
		l2tp_msg_put_u16(&m, AVP_ASSIGNED_SESSION_ID, (uint16_t)(0x5000 + i));
		l2tp_msg_put_u32(&m, AVP_CALL_SERIAL_NUMBER, 9);
		give_msg(x, &m, 0);
	}
	expect(x, L2TP_CDN);
	expect_result(x, L2TP_CDN_NO_FACILITIES, 0);
	assert_int_equal(x->head.session, 0x5000);
	assert_int_not_equal(l2tp_msg_u16(&x->msg, AVP_ASSIGNED_SESSION_ID), x->status.session);
	assert_true(x->status.up);
	line_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_is_told_in_the_servers_words),
		cmocka_unit_test(a_refused_call_ends_the_tunnel_too),
		cmocka_unit_test(a_cdn_may_come_without_a_session_but_not_for_another),
		cmocka_unit_test(nothing_is_said_to_a_peer_that_has_stopped),
		cmocka_unit_test(an_end_while_up_is_closed_by_peer),
		cmocka_unit_test(a_stopccn_with_nothing_in_it_is_an_end_all_the_same),
		cmocka_unit_test(an_unknown_mandatory_avp_ends_call_or_tunnel),
		cmocka_unit_test(an_unknown_optional_avp_is_ignored),
		cmocka_unit_test(an_unknown_message_is_acknowledged_or_fatal_as_m_says),
		cmocka_unit_test(a_message_that_begins_with_no_message_type_does_not_even_count),
		cmocka_unit_test(ids_of_zero_are_refused),
		cmocka_unit_test(another_protocol_version_is_refused),
		cmocka_unit_test(a_message_out_of_turn_is_an_fsm_error),
		cmocka_unit_test(an_answer_for_another_session_is_not_ours),
		cmocka_unit_test(sli_wen_and_hello_are_acknowledged_and_that_is_all),
		cmocka_unit_test(a_tunnel_of_the_servers_is_refused_once_a_second),
		cmocka_unit_test(a_call_of_the_servers_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

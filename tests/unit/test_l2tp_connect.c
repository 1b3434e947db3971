/* L2TP: connecting, the reliable channel, authentication. RFC 2661, 5.1, 5.8. */
#include "tests/unit/l2tp_line.h"

/* ---- connecting ---- */

static void it_connects_in_six_messages_and_carries_frames(void **state)
{
	struct line *x = line_new("");
	struct l2tp_data d;

	(void)state;
	up(x);
	assert_int_equal(x->status.peer_tunnel, LNS_TUNNEL);
	assert_int_equal(x->status.peer_session, LNS_SESSION);
	assert_string_equal(x->status.peer_name, "se\\x01rver");
	assert_int_not_equal(x->status.tunnel, 0);
	assert_int_not_equal(x->status.session, 0);
	assert_int_equal(x->status.retransmits, 0);
	give_data(x, x->status.tunnel, x->status.session, -1);
	assert_up_frames(x, 1);
	send_frame(x, &d);
	assert_int_equal(d.flags, 0);
	assert_int_equal(d.tunnel, LNS_TUNNEL);
	assert_int_equal(d.session, LNS_SESSION);
	line_free(x);
}

static void sccrq_has_the_avps_of_windows_in_their_order(void **state)
{
	/* clang-format off */
	static const uint8_t want[] = {0xc8, 2, 0, 94, 0, 0, 0, 0, 0, 0, 0, 0,
		0x80, 8, 0, 0, 0, 0, 0, 1,                   /* SCCRQ */
		0x80, 8, 0, 0, 0, 2, 1, 0,                   /* version 1.0 */
		0x80, 10, 0, 0, 0, 3, 0, 0, 0, 1,            /* framing: synchronous */
		0x80, 10, 0, 0, 0, 4, 0, 0, 0, 0,            /* bearer: none */
		0x00, 8, 0, 0, 0, 6, 0x0a, 0,                /* firmware */
		0x80, 12, 0, 0, 0, 7, 'c', 'l', 'i', 'e', 'n', 't',
		0x00, 10, 0, 0, 0, 8, 'v', 'p', 'n', 'd',
		0x80, 8, 0, 0, 0, 9, 0, 0,                   /* our tunnel */
		0x80, 8, 0, 0, 0, 10, 0, 8};                 /* window */
	/* clang-format on */
	struct line *x = line_new("");
	uint8_t buf[sizeof(want)];

	(void)state;
	memcpy(buf, want, sizeof(want));
	put_u16(&buf[sizeof(want) - 10], x->status.tunnel);
	begin(x);
	assert_slice(pkt_slice(x->last), slice(buf, sizeof(buf)));
	line_free(x);
}

static void a_host_name_of_any_length_makes_a_legal_sccrq(void **state)
{
	struct line *x = line_new("");
	char name[2000];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	x->conf.hostname = name;
	begin(x);
	assert_slice(x->msg.avp[AVP_HOST_NAME], slice(name, 64));
	line_free(x);
}

static void a_host_without_a_name_has_one_here(void **state)
{
	struct line *x = line_new("");

	(void)state;
	x->conf.hostname = "";
	begin(x);
	assert_slice(x->msg.avp[AVP_HOST_NAME], slice_str("vpnd"));
	line_free(x);
}

static void silence_is_a_verdict_after_11_seconds_that_counts_the_copies(void **state)
{
	struct line *x = line_new("");
	msec start = x->now;
	unsigned copies = 1;
	char evidence[80];

	(void)state;
	begin(x);
	for (;;) {
		wait_for_deadline(x);
		expect(x, x->now < start + SECONDS(11) ? L2TP_SCCRQ : L2TP_STOPCCN);
		if (x->msg.type == L2TP_STOPCCN)
			break;
		assert_int_equal(x->head.ns, 0);
		copies++;
	}
	assert_true(x->now == start + SECONDS(11));
	assert_int_equal(x->status.retransmits, copies - 1);
	assert_true(copies > 8);
	snprintf(evidence, sizeof(evidence), "SCCRQ sent %u times in 11 s, no answer", copies);
	expect_failed(x, REASON_L2TP_NO_ANSWER, evidence);
	line_free(x);
}

static void an_acknowledgement_alone_is_no_answer(void **state)
{
	struct line *x = line_new("");

	(void)state;
	begin(x);
	give_zlb(x);
	wait_for_deadline(x);
	expect(x, L2TP_STOPCCN);
	expect_failed(x, REASON_L2TP_NO_ANSWER, "SCCRQ was acknowledged, but not answered in 40 s");
	line_free(x);
}

static void a_server_that_falls_silent_while_connecting_is_no_answer(void **state)
{
	struct line *x = line_new("");
	msec start = x->now;

	(void)state;
	up_to_calling(x);
	while (l2tp_deadline(x->client) != MSEC_NEVER) {
		wait_for_deadline(x);
		pktq_free(&x->out.down);
	}
	assert_true(x->now == start + SECONDS(40));
	assert_int_equal(expect_event(x, L2TP_EV_FAILED).id, REASON_L2TP_NO_ANSWER);
	line_free(x);
}

static void lost_messages_are_repeated_with_their_ns_and_a_fresh_nr(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up_to_calling(x);
	x->nr = 1; /* both were lost */
	hello(&m);
	give_msg(x, &m, 0);
	next_packet(x);
	assert_int_equal(x->head.avps.n, 0);
	assert_int_equal(x->head.ns, 3);
	wait_for_deadline(x);
	expect(x, L2TP_SCCCN);
	assert_int_equal(x->head.ns, 1);
	assert_int_equal(x->head.nr, 2);
	expect_nothing(x); /* the congestion window is 1 again */
	give_zlb(x);
	expect(x, L2TP_ICRQ);
	assert_int_equal(x->head.ns, 2);
	assert_int_equal(x->status.retransmits, 2);
	line_free(x);
}

static void duplicates_are_acknowledged_again_and_count_once(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;
	struct l2tp_event ev;

	(void)state;
	up_to_calling(x);
	sccrp(&m);
	for (unsigned i = 0; i < 3; i++) {
		give_as(x, &m, &(struct l2tp_head){x->status.tunnel, 0, 0, 1, {0}});
		next_packet(x);
		assert_int_equal(x->head.avps.n, 0);
		assert_int_equal(x->head.nr, 1);
	}
	expect_nothing(x);
	assert_false(l2tp_next_event(x->client, &ev));
	line_free(x);
}

static void early_messages_wait_for_their_turn(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;
	uint16_t tunnel;

	(void)state;
	up_to_calling(x);
	tunnel = x->status.tunnel;
	for (uint16_t ns = 16; ns > 1; ns--) { /* 15 Hellos, the last first */
		hello(&m);
		give_as(x, &m, &(struct l2tp_head){tunnel, 0, ns, x->nr, {0}});
		next_packet(x);
		assert_int_equal(x->head.nr, 1);
	}
	assert_false(x->status.up);
	icrp(&m);
	give_as(x, &m, &(struct l2tp_head){tunnel, x->status.session, 1, x->nr, {0}});
	assert_true(x->status.up);
	expect(x, L2TP_ICCN);
	assert_int_equal(x->head.nr, 17);
	line_free(x);
}

static void messages_beyond_the_reorder_window_are_dropped(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;
	size_t live;

	(void)state;
	up(x);
	live = pkt_pool_live(x->env->pool);
	hello(&m);
	for (unsigned ns = 16; ns < 0x10000; ns++) {
		uint16_t wire = (uint16_t)(x->ns + ns);

		give_as(x, &m, &(struct l2tp_head){x->status.tunnel, 0, wire, x->nr, {0}});
		next_packet(x);
		assert_int_equal(x->head.nr, x->ns);
		assert_true(pkt_pool_live(x->env->pool) <= live + 1);
	}
	line_free(x);
}

static void numbers_wrap_in_both_directions(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up(x);
	for (unsigned i = 0; i < 66000; i++) {
		wait_for_deadline(x);
		expect(x, L2TP_HELLO);
		assert_int_equal((uint16_t)(x->head.ns + 1), x->nr);
		hello(&m);
		give_msg(x, &m, 0);
		expect_zlb(x);
	}
	assert_true(x->status.up);
	assert_int_equal(x->status.retransmits, 0);
	assert_int_equal(x->status.bad, 0);
	line_free(x);
}

static void a_peer_with_a_window_of_one_gets_one_at_a_time(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	begin(x);
	sccrp(&m);
	l2tp_msg_put_u16(&m, AVP_RECEIVE_WINDOW_SIZE, 1);
	give_msg(x, &m, 0);
	expect(x, L2TP_SCCCN);
	expect_nothing(x);
	give_zlb(x);
	expect(x, L2TP_ICRQ);
	expect_nothing(x);
	line_free(x);
}

static void an_acknowledgement_of_the_future_is_dropped(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	begin(x);
	sccrp(&m);
	give_as(x, &m, &(struct l2tp_head){x->status.tunnel, 0, 0, 2, {0}});
	expect_nothing(x);
	assert_int_equal(x->status.bad, 1);
	give_msg(x, &m, 0);
	expect(x, L2TP_SCCCN);
	line_free(x);
}

/* ---- authentication ---- */

static void the_secret_is_proven_both_ways_as_in_the_vectors(void **state)
{
	struct vectors *v = vectors_open("l2tp.txt");
	struct line *x = line_new("tunnel-secret");
	struct script script = {.octets = vec(v, "tunnel auth", "challenge_in_sccrq")};
	struct l2tp_msg m;

	(void)state;
	with_script(x, &script);
	begin(x);
	assert_slice(x->msg.avp[AVP_CHALLENGE], script.octets);
	sccrp(&m);
	l2tp_msg_put(&m, AVP_CHALLENGE, vec(v, "tunnel auth", "challenge_in_sccrp"));
	l2tp_msg_put(&m, AVP_CHALLENGE_RESPONSE, vec(v, "tunnel auth", "response_in_sccrp_id_02"));
	give_msg(x, &m, 0);
	expect(x, L2TP_SCCCN);
	assert_slice(x->msg.avp[AVP_CHALLENGE_RESPONSE],
		vec(v, "tunnel auth", "response_in_scccn_id_03"));
	expect(x, L2TP_ICRQ);
	without_script(x, &script);
	line_free(x);
	vectors_close(v);
}

static void a_server_that_does_not_prove_the_secret_is_left(void **state)
{
	static const uint8_t wrong[16];
	struct line *x = line_new("tunnel-secret");
	struct l2tp_msg m;

	(void)state;
	begin(x);
	sccrp(&m);
	l2tp_msg_put(&m, AVP_CHALLENGE_RESPONSE, slice(wrong, sizeof(wrong)));
	give_msg(x, &m, 0);
	expect(x, L2TP_STOPCCN);
	expect_result(x, L2TP_STOP_NOT_AUTHORIZED, 0);
	expect_nothing(x);
	expect_failed(x, REASON_L2TP_AUTH, "the server answered our challenge wrongly");
	line_free(x);

	x = line_new("tunnel-secret");
	begin(x);
	sccrp(&m);
	give_msg(x, &m, 0);
	expect(x, L2TP_STOPCCN);
	expect_failed(x, REASON_L2TP_AUTH, "the server did not answer our challenge");
	line_free(x);
}

static void a_server_that_wants_a_secret_we_lack_is_told_so(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	begin(x);
	assert_false(l2tp_msg_has(&x->msg, AVP_CHALLENGE));
	sccrp(&m);
	l2tp_msg_put(&m, AVP_CHALLENGE, slice_str("prove it"));
	give_msg(x, &m, 0);
	expect(x, L2TP_STOPCCN);
	expect_failed(x, REASON_L2TP_AUTH, "the server demands a tunnel secret and none is set");
	line_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_connects_in_six_messages_and_carries_frames),
		cmocka_unit_test(sccrq_has_the_avps_of_windows_in_their_order),
		cmocka_unit_test(a_host_name_of_any_length_makes_a_legal_sccrq),
		cmocka_unit_test(a_host_without_a_name_has_one_here),
		cmocka_unit_test(silence_is_a_verdict_after_11_seconds_that_counts_the_copies),
		cmocka_unit_test(an_acknowledgement_alone_is_no_answer),
		cmocka_unit_test(a_server_that_falls_silent_while_connecting_is_no_answer),
		cmocka_unit_test(lost_messages_are_repeated_with_their_ns_and_a_fresh_nr),
		cmocka_unit_test(duplicates_are_acknowledged_again_and_count_once),
		cmocka_unit_test(early_messages_wait_for_their_turn),
		cmocka_unit_test(messages_beyond_the_reorder_window_are_dropped),
		cmocka_unit_test(numbers_wrap_in_both_directions),
		cmocka_unit_test(a_peer_with_a_window_of_one_gets_one_at_a_time),
		cmocka_unit_test(an_acknowledgement_of_the_future_is_dropped),
		cmocka_unit_test(the_secret_is_proven_both_ways_as_in_the_vectors),
		cmocka_unit_test(a_server_that_does_not_prove_the_secret_is_left),
		cmocka_unit_test(a_server_that_wants_a_secret_we_lack_is_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

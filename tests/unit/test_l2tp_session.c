/* L2TP: data, keepalive, close; a recorded session, loss and noise. RFC 2661, 5.4 to 5.7. */
#include "tests/unit/l2tp_line.h"

/* ---- keepalive, close ---- */

static void a_hello_goes_after_silence_only_and_finds_a_dead_peer(void **state)
{
	struct line *x = line_new("");
	msec heard;

	(void)state;
	up(x);
	x->now += SECONDS(59);
	give_data(x, x->status.tunnel, x->status.session, -1);
	assert_up_frames(x, 1);
	heard = x->now;
	wait_for_deadline(x);
	assert_true(x->now == heard + SECONDS(60));
	expect(x, L2TP_HELLO);
	give_zlb(x);
	heard = x->now;
	while (x->status.up) {
		wait_for_deadline(x);
		if (x->status.up)
			expect(x, L2TP_HELLO);
	}
	assert_true(x->now == heard + SECONDS(100));
	expect(x, L2TP_STOPCCN);
	struct reason r = expect_event(x, L2TP_EV_FAILED);
	assert_int_equal(r.id, REASON_LINK_LOST);
	assert_non_null(strstr(r.evidence, "no answer; last heard 100 s ago"));
	line_free(x);
}

static void a_close_is_complete_when_it_is_acknowledged(void **state)
{
	struct line *x = line_new("");

	(void)state;
	up(x);
	l2tp_close(x->client, x->now, &x->out);
	expect(x, L2TP_CDN);
	expect_result(x, L2TP_CDN_ADMIN, 0);
	assert_int_equal(x->head.session, LNS_SESSION);
	expect(x, L2TP_STOPCCN);
	expect_result(x, L2TP_STOP_CLEAR, 0);
	give_zlb(x);
	expect_event(x, L2TP_EV_CLOSED);
	assert_true(l2tp_deadline(x->client) == MSEC_NEVER);
	line_free(x);
}

static void a_close_nobody_hears_is_repeated_once_and_over_in_3_seconds(void **state)
{
	struct line *x = line_new("");
	msec start;

	(void)state;
	up(x);
	start = x->now;
	l2tp_close(x->client, x->now, &x->out);
	expect(x, L2TP_CDN);
	expect(x, L2TP_STOPCCN);
	wait_for_deadline(x);
	expect(x, L2TP_CDN);
	expect(x, L2TP_STOPCCN);
	wait_for_deadline(x);
	expect_nothing(x);
	assert_true(x->now == start + SECONDS(3));
	expect_event(x, L2TP_EV_CLOSED);
	line_free(x);
}

static void a_close_half_acknowledged_is_over_in_3_seconds_too(void **state)
{
	struct line *x = line_new("");
	msec start;

	(void)state;
	up(x);
	start = x->now;
	l2tp_close(x->client, x->now, &x->out);
	expect(x, L2TP_CDN);
	x->now += 300;
	give_zlb(x);
	while (l2tp_deadline(x->client) != MSEC_NEVER)
		wait_for_deadline(x);
	assert_true(x->now == start + SECONDS(3));
	assert_int_equal(x->out.down.count, 2); /* StopCCN twice */
	expect_event(x, L2TP_EV_CLOSED);
	line_free(x);
}

static void a_close_before_the_first_answer_is_addressed_once_it_comes(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	begin(x);
	l2tp_close(x->client, x->now, &x->out);
	expect(x, L2TP_STOPCCN);
	assert_int_equal(x->head.tunnel, 0);
	sccrp(&m);
	x->nr = 1; /* the LNS has only seen SCCRQ */
	give_msg(x, &m, 0);
	next_packet(x);
	assert_int_equal(x->head.avps.n, 0);
	assert_int_equal(x->head.tunnel, LNS_TUNNEL);
	wait_for_deadline(x);
	expect(x, L2TP_STOPCCN);
	assert_int_equal(x->head.tunnel, LNS_TUNNEL);
	give_zlb(x);
	expect_event(x, L2TP_EV_CLOSED);
	line_free(x);
}

static void a_stopccn_that_crosses_our_close_completes_it(void **state)
{
	struct line *x = line_new("");
	struct l2tp_msg m;

	(void)state;
	up(x);
	l2tp_close(x->client, x->now, &x->out);
	expect(x, L2TP_CDN);
	expect(x, L2TP_STOPCCN);
	x->nr -= 2; /* the LNS spoke before it heard us */
	stopccn(&m, 6, 0, "");
	give_msg(x, &m, 0);
	next_packet(x);
	assert_int_equal(x->head.avps.n, 0);
	assert_int_equal(x->head.nr, x->ns);
	expect_event(x, L2TP_EV_CLOSED);
	assert_true(l2tp_deadline(x->client) == MSEC_NEVER);
	line_free(x);
}

static void a_close_before_the_open_is_complete_at_once(void **state)
{
	struct line *x = line_new("");

	(void)state;
	l2tp_close(x->client, x->now, &x->out);
	expect_nothing(x);
	expect_event(x, L2TP_EV_CLOSED);
	l2tp_open(x->client, x->now, &x->out);
	expect_nothing(x);
	line_free(x);
}

/* ---- data ---- */

static void data_of_another_tunnel_or_session_is_dropped_and_counted(void **state)
{
	struct line *x = line_new("");
	uint16_t tunnel, session;

	(void)state;
	up(x);
	tunnel = x->status.tunnel;
	session = x->status.session;
	give_data(x, (uint16_t)(tunnel + 1), session, -1);
	give_data(x, tunnel, (uint16_t)(session + 1), -1);
	give_data(x, tunnel, 0, -1);
	assert_int_equal(x->status.bad, 3);
	assert_up_frames(x, 0);
	line_free(x);
}

static void frames_before_the_session_is_up_go_nowhere(void **state)
{
	struct line *x = line_new("");
	struct pktq in = {0};

	(void)state;
	up_to_calling(x);
	give_data(x, x->status.tunnel, x->status.session, -1);
	assert_up_frames(x, 0);
	pktq_put(&in, pkt_of(x->env->pool, slice("\xff\x03\xc0\x21", 4)));
	l2tp_send(x->client, &in, x->now, &x->out);
	expect_nothing(x);
	line_free(x);
}

/* RFC 2661, 5.4 */
static void numbering_of_data_follows_the_lns(void **state)
{
	struct line *x = line_new("");
	struct l2tp_data d;

	(void)state;
	up(x);
	give_data(x, x->status.tunnel, x->status.session, 65534);
	assert_true(x->status.sequencing);
	for (uint16_t ns = 0; ns < 3; ns++) {
		send_frame(x, &d);
		assert_int_equal(d.flags, L2TP_S);
		assert_int_equal(d.ns, ns);
	}
	give_data(x, x->status.tunnel, x->status.session, 0);     /* one was lost: no matter */
	give_data(x, x->status.tunnel, x->status.session, 65535); /* late */
	give_data(x, x->status.tunnel, x->status.session, 0);     /* again */
	assert_up_frames(x, 2);
	assert_int_equal(x->status.late, 2);
	give_data(x, x->status.tunnel, x->status.session, -1);
	assert_up_frames(x, 1);
	assert_false(x->status.sequencing);
	send_frame(x, &d);
	assert_int_equal(d.flags, 0);
	line_free(x);
}

static void a_peer_that_counts_anew_is_believed_after_a_while(void **state)
{
	struct line *x = line_new("");

	(void)state;
	up(x);
	give_data(x, x->status.tunnel, x->status.session, 30000);
	for (int ns = 0; ns < 100; ns++)
		give_data(x, x->status.tunnel, x->status.session, ns);
	assert_int_equal(x->status.late, 31);
	assert_up_frames(x, 1 + 69);
	line_free(x);
}

/* ---- recordings and noise ---- */

/* Everything a real server sent in a whole session, at the recorded instants. */
static void the_session_recorded_with_softether_is_lived_through_again(void **state)
{
	struct vectors *v = vectors_open("recorded_softether.txt");
	struct line *x = line_new("");
	struct script script = {.ids = {0x00bb, 0x62bf}};
	const struct vector *row;
	size_t frames = 0;

	(void)state;
	with_script(x, &script);
	l2tp_open(x->client, x->now, &x->out);
	for (size_t i = 0; (row = vectors_at(v, i)); i++) {
		if (!strstr(row->key, "l2tp_in"))
			continue;
		x->now = 5000 + (msec)(strtod(row->key, NULL) * 1000);
		give(x, row->value);
		frames += !l2tp_is_control(row->value);
		assert_int_equal(x->out.up.count, frames);
	}
	assert_true(x->status.up);
	assert_int_equal(x->status.bad, 0);
	assert_int_equal(x->status.retransmits, 0);
	assert_int_equal(x->status.peer_tunnel, 1);
	assert_int_equal(x->status.peer_session, 1);
	assert_string_equal(x->status.peer_vendor, "L2TP");
	expect(x, L2TP_SCCRQ);
	expect(x, L2TP_SCCCN);
	expect(x, L2TP_ICRQ);
	expect(x, L2TP_ICCN);
	x->ns = 3;
	expect_zlb(x); /* of its Hello, as recorded */
	expect_nothing(x);
	l2tp_close(x->client, x->now, &x->out);
	expect(x, L2TP_CDN);
	assert_int_equal(x->head.ns, 4);
	expect(x, L2TP_STOPCCN);
	without_script(x, &script);
	line_free(x);
	vectors_close(v);
}

/* One side of a line that loses, doubles and delays: an LNS of the least possible wit. */
static void answer(struct line *x, const struct l2tp_head *h)
{
	struct l2tp_msg got, m;

	if (!h->avps.n || l2tp_msg_parse(&got, h->avps, NULL) != L2TP_PARSE_OK)
		return;
	if (h->ns == x->nr)
		x->nr++;
	if (got.type == L2TP_SCCRQ) {
		sccrp(&m);
		give_as(x, &m, &(struct l2tp_head){x->status.tunnel, 0, 0, x->nr, {0}});
	} else if (got.type == L2TP_ICRQ && x->nr > 2) {
		icrp(&m);
		give_as(x, &m,
			&(struct l2tp_head){x->status.tunnel, x->status.session, 1, x->nr, {0}});
	} else {
		give_zlb(x);
	}
}

static void it_connects_and_closes_through_thirty_percent_loss(void **state)
{
	unsigned connected = 0;

	(void)state;
	for (unsigned seed = 0; seed < 200; seed++) {
		struct line *x = line_new("");
		msec closing = 0;
		struct l2tp_event ev = {0};

		for (unsigned i = 0; i < seed; i++)
			(void)env_random_u32(x->env);
		l2tp_open(x->client, x->now, &x->out);
		while (l2tp_deadline(x->client) != MSEC_NEVER) {
			struct pkt *p = pktq_take(&x->out.down);

			if (!p) {
				wait_for_deadline(x);
			} else if (env_random_u32(x->env) % 10 >= 5) { /* lost there or back */
				struct l2tp_head h;

				assert_true(l2tp_head_parse(pkt_slice(p), &h));
				answer(x, &h);
			}
			pkt_free(p);
			if (x->status.up && !closing) {
				connected++;
				closing = x->now;
				l2tp_close(x->client, x->now, &x->out);
				look(x);
			}
		}
		while (l2tp_next_event(x->client, &ev))
			;
		assert_int_equal(ev.kind, closing ? L2TP_EV_CLOSED : L2TP_EV_FAILED);
		assert_true(!closing || x->now <= closing + SECONDS(3));
		line_free(x);
	}
	assert_true(connected >= 195);
}

static void noise_in_any_state_changes_nothing_it_should_not(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		struct line *x = line_new(round % 2 ? "secret" : "");
		size_t live;

		if (round % 4 == 0)
			up(x);
		else if (round % 4 != 3)
			begin(x);
		live = pkt_pool_live(x->env->pool);
		for (unsigned i = 0; i < 500; i++) {
			uint8_t buf[128];
			size_t n = env_random_u16(x->env) % sizeof(buf);

			env_random(x->env, buf, n);
			if (i % 4 && n >= 20) { /* get past the header */
				put_u16(buf, 0xc802);
				put_u16(&buf[2], (uint16_t)n);
				put_u16(&buf[4], i % 8 ? x->status.tunnel : 0);
				put_u16(&buf[8], (uint16_t)(x->ns + buf[8] % 20));
				put_u16(&buf[10], (uint16_t)(buf[10] % 6));
				put_u32(&buf[12], 0x80080000);
				put_u32(&buf[16], buf[19] % 18);
			}
			x->now += buf[0];
			give(x, slice(buf, n));
			l2tp_tick(x->client, x->now, &x->out);
			pktq_free(&x->out.down);
			assert_true(pkt_pool_live(x->env->pool) <= live + KEPT_MAX);
			assert_int_equal(x->out.up.count, 0);
		}
		line_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_goes_after_silence_only_and_finds_a_dead_peer),
		cmocka_unit_test(a_close_is_complete_when_it_is_acknowledged),
		cmocka_unit_test(a_close_nobody_hears_is_repeated_once_and_over_in_3_seconds),
		cmocka_unit_test(a_close_half_acknowledged_is_over_in_3_seconds_too),
		cmocka_unit_test(a_close_before_the_first_answer_is_addressed_once_it_comes),
		cmocka_unit_test(a_stopccn_that_crosses_our_close_completes_it),
		cmocka_unit_test(a_close_before_the_open_is_complete_at_once),
		cmocka_unit_test(data_of_another_tunnel_or_session_is_dropped_and_counted),
		cmocka_unit_test(frames_before_the_session_is_up_go_nowhere),
		cmocka_unit_test(numbering_of_data_follows_the_lns),
		cmocka_unit_test(a_peer_that_counts_anew_is_believed_after_a_while),
		cmocka_unit_test(the_session_recorded_with_softether_is_lived_through_again),
		cmocka_unit_test(it_connects_and_closes_through_thirty_percent_loss),
		cmocka_unit_test(noise_in_any_state_changes_nothing_it_should_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

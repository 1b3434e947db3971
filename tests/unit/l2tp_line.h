/* The L2TP client on a line to a scripted LNS: what the tests of the engine share. */
#pragma once

#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pkt.h"
#include "l2tp/l2tp.h"
#include "l2tp/l2tp_data.h"
#include "l2tp/l2tp_msg.h"

enum { LNS_TUNNEL = 0x2222, LNS_SESSION = 0x4444 };
enum { KEPT_MAX = 8 + 16 }; /* control messages the client may hold, outgoing and early */

/* Both ends: the client under test, and what the LNS has to remember. */
struct line {
	struct env *env;
	struct l2tp_conf conf;
	struct l2tp *client;
	struct l2tp_status status; /* as of the last look() */
	struct io out;
	msec now;
	uint16_t ns, nr;       /* of the LNS */
	struct pkt *last;      /* what `head` and `msg` point into */
	struct l2tp_head head; /* the client's last packet */
	struct l2tp_msg msg;
};

static inline void look(struct line *x)
{
	l2tp_get_status(x->client, &x->status);
}

static inline struct line *line_new(const char *secret)
{
	struct line *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->env = test_env_new(11);
	x->conf = (struct l2tp_conf){.hostname = "client",
		.secret = slice_str(secret),
		.hello = SECONDS(60),
		.window = 8};
	x->client = l2tp_new(&x->conf, x->env);
	assert_non_null(x->client);
	x->now = 5000;
	look(x);
	return x;
}

static inline void line_free(struct line *x)
{
	pkt_free(x->last);
	pktq_free(&x->out.down);
	pktq_free(&x->out.up);
	l2tp_free(x->client);
	test_env_free(x->env);
	free(x);
}

/* ---- the LNS speaks ---- */

static inline void give(struct line *x, struct slice payload)
{
	struct pktq in = {0};
	struct pkt *p = pkt_of(x->env->pool, payload);

	assert_non_null(p);
	pktq_put(&in, p);
	l2tp_recv(x->client, &in, x->now, &x->out);
	assert_null(in.head);
	look(x);
}

static inline void give_as(struct line *x, const struct l2tp_msg *m, const struct l2tp_head *h)
{
	uint8_t buf[1500];
	struct wr w = wr_of(buf, sizeof(buf));

	l2tp_msg_build(m, h, &w);
	assert_false(w.bad);
	give(x, wr_slice(&w));
}

/* In its turn, and never repeated. */
static inline void give_msg(struct line *x, const struct l2tp_msg *m, uint16_t session)
{
	struct l2tp_head h = {x->status.tunnel, session, x->ns++, x->nr, {0}};

	give_as(x, m, &h);
}

static inline void give_raw_avps(struct line *x, uint16_t session, struct slice avps)
{
	uint8_t buf[1500];
	struct wr w = wr_of(buf, sizeof(buf));
	struct l2tp_head h = {x->status.tunnel, session, x->ns++, x->nr, {0}};

	l2tp_head_put(&w, &h, avps.n);
	wr_put(&w, avps);
	give(x, wr_slice(&w));
}

static inline void give_zlb(struct line *x)
{
	uint8_t buf[L2TP_HEAD];
	struct wr w = wr_of(buf, sizeof(buf));
	struct l2tp_head h = {x->status.tunnel, 0, x->ns, x->nr, {0}};

	l2tp_head_put(&w, &h, 0);
	give(x, wr_slice(&w));
}

static inline void sccrp(struct l2tp_msg *m)
{
	l2tp_msg_init(m, L2TP_SCCRP);
	l2tp_msg_put_u16(m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_msg_put_u32(m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_msg_put(m, AVP_HOST_NAME, slice_str("se\x01rver"));
	l2tp_msg_put_u16(m, AVP_ASSIGNED_TUNNEL_ID, LNS_TUNNEL);
	l2tp_msg_put_u16(m, AVP_RECEIVE_WINDOW_SIZE, 4);
}

static inline void icrp(struct l2tp_msg *m)
{
	l2tp_msg_init(m, L2TP_ICRP);
	l2tp_msg_put_u16(m, AVP_ASSIGNED_SESSION_ID, LNS_SESSION);
}

static inline void hello(struct l2tp_msg *m)
{
	l2tp_msg_init(m, L2TP_HELLO);
}

static inline void stopccn(struct l2tp_msg *m, uint16_t result, uint16_t error, const char *text)
{
	l2tp_msg_init(m, L2TP_STOPCCN);
	l2tp_msg_put_u16(m, AVP_ASSIGNED_TUNNEL_ID, LNS_TUNNEL);
	l2tp_msg_put_result(m, result, error, text);
}

static inline void cdn(struct l2tp_msg *m, uint16_t result, uint16_t error, const char *text)
{
	l2tp_msg_init(m, L2TP_CDN);
	l2tp_msg_put_u16(m, AVP_ASSIGNED_SESSION_ID, LNS_SESSION);
	l2tp_msg_put_result(m, result, error, text);
}

/* ---- the LNS listens ---- */

static inline void next_packet(struct line *x)
{
	pkt_free(x->last);
	x->last = pktq_take(&x->out.down);
	assert_non_null(x->last);
	assert_true(l2tp_head_parse(pkt_slice(x->last), &x->head));
}

/* The client's next packet is this message; the LNS takes it. */
static inline void expect(struct line *x, enum l2tp_message type)
{
	next_packet(x);
	assert_int_equal(l2tp_msg_parse(&x->msg, x->head.avps, NULL), L2TP_PARSE_OK);
	assert_string_equal(l2tp_message_name(x->msg.type), l2tp_message_name((uint16_t)type));
	if (x->head.ns == x->nr)
		x->nr++;
}

static inline void expect_zlb(struct line *x)
{
	next_packet(x);
	assert_int_equal(x->head.avps.n, 0);
	assert_int_equal(x->head.nr, x->ns);
	assert_int_equal(x->head.ns, x->nr);
}

static inline void expect_nothing(struct line *x)
{
	assert_int_equal(x->out.down.count, 0);
}

static inline void expect_result(struct line *x, uint16_t result, uint16_t error)
{
	struct rd r = rd_of(x->msg.avp[AVP_RESULT_CODE]);

	assert_int_equal(rd_u16(&r), result);
	assert_int_equal(rd_u16(&r), error);
}

static inline struct reason expect_event(struct line *x, enum l2tp_event_kind kind)
{
	struct l2tp_event ev = {0};

	assert_true(l2tp_next_event(x->client, &ev));
	assert_int_equal(ev.kind, kind);
	return ev.reason;
}

static inline void expect_progress(struct line *x, const char *step)
{
	struct l2tp_event ev = {0};

	assert_true(l2tp_next_event(x->client, &ev));
	assert_int_equal(ev.kind, L2TP_EV_PROGRESS);
	assert_string_equal(ev.step, step);
}

/* The end has come, for this reason, and nothing follows by itself. */
static inline void expect_failed(struct line *x, enum reason_id id, const char *evidence)
{
	struct l2tp_event ev;
	struct reason r = expect_event(x, L2TP_EV_FAILED);

	assert_string_equal(reason_row(r.id)->id, reason_row(id)->id);
	assert_string_equal(r.evidence, evidence);
	assert_false(l2tp_next_event(x->client, &ev));
	assert_true(l2tp_deadline(x->client) == MSEC_NEVER);
}

/* Let the client's next deadline come. */
static inline void wait_for_deadline(struct line *x)
{
	msec due = l2tp_deadline(x->client);

	assert_true(due != MSEC_NEVER);
	assert_true(due >= x->now);
	x->now = due;
	l2tp_tick(x->client, x->now, &x->out);
	look(x);
}

static inline void begin(struct line *x)
{
	l2tp_open(x->client, x->now, &x->out);
	expect(x, L2TP_SCCRQ);
	expect_nothing(x);
}

static inline void up_to_calling(struct line *x)
{
	struct l2tp_msg m;

	begin(x);
	sccrp(&m);
	give_msg(x, &m, 0);
	expect(x, L2TP_SCCCN);
	expect(x, L2TP_ICRQ);
	expect_nothing(x);
	expect_progress(x, "tunnel");
}

static inline void up(struct line *x)
{
	struct l2tp_msg m;

	up_to_calling(x);
	icrp(&m);
	give_msg(x, &m, x->status.session);
	expect(x, L2TP_ICCN);
	expect_progress(x, "session");
	expect_event(x, L2TP_EV_UP);
	give_zlb(x);
	expect_nothing(x);
	assert_true(x->status.up);
}

/* ---- data ---- */

static inline void give_data(struct line *x, uint16_t tunnel, uint16_t session, int ns)
{
	struct l2tp_data d = {.flags = ns < 0 ? 0 : L2TP_S | L2TP_L,
		.tunnel = tunnel,
		.session = session,
		.ns = (uint16_t)ns};
	struct pkt *p = pkt_of(x->env->pool, slice("\xff\x03\xc0\x21", 4));

	assert_true(l2tp_data_push(p, &d));
	give(x, pkt_slice(p));
	pkt_free(p);
}

static inline void assert_up_frames(struct line *x, size_t n)
{
	assert_int_equal(x->out.up.count, n);
	pktq_for_each (p, &x->out.up)
		assert_slice(pkt_slice(p), slice("\xff\x03\xc0\x21", 4));
	pktq_free(&x->out.up);
}

/* The client sends a frame; *d is its header. */
static inline void send_frame(struct line *x, struct l2tp_data *d)
{
	struct pktq in = {0};

	pktq_put(&in, pkt_of(x->env->pool, slice("\xff\x03\xc0\x21", 4)));
	l2tp_send(x->client, &in, x->now, &x->out);
	assert_null(in.head);
	struct pkt *p = pktq_take(&x->out.down);
	assert_non_null(p);
	assert_true(l2tp_data_strip(p, d));
	assert_slice(pkt_slice(p), slice("\xff\x03\xc0\x21", 4));
	pkt_free(p);
}

/* ---- randomness by script ---- */

/* An rng that says what the vectors need, then goes on as before. */
struct script {
	struct env inner;
	struct slice octets; /* the 16-octet draw is answered with these */
	uint16_t ids[2];     /* the first two ids drawn, if not 0 */
	unsigned drawn;
};

static inline void scripted_rng(void *ctx, void *to, size_t n)
{
	struct script *s = ctx;
	uint32_t id = s->drawn < 2 ? s->ids[s->drawn] : 0;

	if (n == 16 && s->octets.n == 16) {
		memcpy(to, s->octets.p, n);
	} else if (n == sizeof(id) && id) {
		memcpy(to, &id, n);
		s->drawn++;
	} else {
		s->inner.rng(s->inner.ctx, to, n);
	}
}

static inline void with_script(struct line *x, struct script *s)
{
	s->inner = *x->env;
	x->env->rng = scripted_rng;
	x->env->ctx = s;
	l2tp_free(x->client);
	x->client = l2tp_new(&x->conf, x->env);
	assert_non_null(x->client);
	look(x);
}

static inline void without_script(struct line *x, const struct script *s)
{
	x->env->rng = s->inner.rng;
	x->env->ctx = s->inner.ctx;
}

/* A tunnel that hears anything at any time: records of what, how long after, and a UDP payload. Our
 * tunnel's id is put into most of them, or it would not listen. */
#include "tests/fuzz/fuzz.h"

#include "l2tp/l2tp.h"

struct session {
	struct l2tp *t;
	const struct env *env;
	msec now;
	bool over;
};

static void drain(struct session *s, struct io *out)
{
	struct l2tp_event ev;

	while (!s->over && l2tp_next_event(s->t, &ev))
		s->over = ev.kind == L2TP_EV_FAILED || ev.kind == L2TP_EV_CLOSED;
	fuzz_require(out->down.count <= 64);
	pktq_free(&out->down);
	pktq_free(&out->up);
}

static void address(struct session *s, struct pkt *p)
{
	struct l2tp_status status;
	size_t at = p->len && p->data[0] & 0x40 ? 4 : 2; /* behind the length, if there is one */

	l2tp_get_status(s->t, &status);
	if (p->len < at + 4)
		return;
	put_u16(p->data + at, status.tunnel);
	if (get_u16(p->data + at + 2)) /* 0 means the tunnel itself */
		put_u16(p->data + at + 2, status.session);
}

static void hear(struct session *s, bool foreign, struct slice payload)
{
	struct io out = {0};
	struct pktq in = {0};
	struct pkt *p = pkt_of(s->env->pool, payload);

	fuzz_require(p);
	if (!foreign)
		address(s, p);
	pktq_put(&in, p);
	l2tp_recv(s->t, &in, s->now, &out);
	fuzz_require(in.count == 0);
	drain(s, &out);
}

static void run(struct session *s, struct slice input)
{
	struct rd records = rd_of(input);
	struct slice record;
	struct io out = {0};

	l2tp_open(s->t, s->now, &out);
	drain(s, &out);
	for (int i = 0; i < 64 && !s->over && fuzz_next(&records, &record); i++) {
		struct rd r = rd_of(record);
		uint8_t how = rd_u8(&r);

		s->now += (msec)rd_u8(&r) * 16;
		if (l2tp_deadline(s->t) <= s->now)
			l2tp_tick(s->t, s->now, &out);
		drain(s, &out);
		if (s->over)
			return;
		hear(s, how & 2, rd_rest(&r));
		if (how & 4)
			l2tp_close(s->t, s->now, &out);
		drain(s, &out);
	}
}

void fuzz_one(const struct env *env, struct slice input)
{
	static const struct l2tp_conf conf = {.hostname = "client", .hello = 60000, .window = 8};
	struct session s = {.t = l2tp_new(&conf, env), .env = env, .now = 1000};

	fuzz_require(s.t);
	run(&s, input);
	l2tp_free(s.t);
}

/* A link that hears anything at any time: records of what, how long after, and a frame. */
#include "tests/fuzz/fuzz.h"

#include "ppp/ppp.h"

struct session {
	struct ppp *p;
	const struct env *env;
	msec now;
	bool over;
};

static void drain(struct session *s, struct io *out)
{
	struct ppp_event ev;

	while (!s->over && ppp_next_event(s->p, &ev)) {
		/* The server would have to prove that it knows the password. */
		fuzz_require(ev.kind != PPP_EV_UP);
		s->over = ev.kind == PPP_EV_FAILED || ev.kind == PPP_EV_CLOSED;
	}
	fuzz_require(out->down.count <= 64 && out->up.count == 0);
	pktq_free(&out->down);
}

static void hear(struct session *s, struct slice frame)
{
	struct io out = {0};
	struct pktq in = {0};
	struct pkt *p = pkt_of(s->env->pool, frame);

	fuzz_require(p);
	pktq_put(&in, p);
	ppp_recv(s->p, &in, s->now, &out);
	fuzz_require(in.count == 0);
	drain(s, &out);
}

static void run(struct session *s, struct slice input)
{
	struct rd records = rd_of(input);
	struct slice record;
	struct io out = {0};

	ppp_open(s->p, s->now, &out);
	drain(s, &out);
	for (int i = 0; i < 64 && !s->over && fuzz_next(&records, &record); i++) {
		struct rd r = rd_of(record);
		uint8_t how = rd_u8(&r);

		s->now += (msec)rd_u8(&r) * 16;
		if (ppp_deadline(s->p) <= s->now)
			ppp_tick(s->p, s->now, &out);
		drain(s, &out);
		if (s->over)
			return;
		hear(s, rd_rest(&r));
		if (how & 4)
			ppp_close(s->p, s->now, &out);
		drain(s, &out);
	}
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct ppp_conf conf = {.user = slice_str("alice"),
		.password = slice_str("wonderland"),
		.auth = PPP_AUTH_MSCHAPV2,
		.mru = 1400,
		.want_dns = true,
		.want_wins = true,
		.echo_interval = 10000,
		.echo_patience = SECONDS(10)};
	struct session s = {.p = ppp_new(&conf, env), .env = env, .now = 1000};

	fuzz_require(s.p);
	run(&s, input);
	ppp_free(s.p);
}

/* Tunnel and session against the gateway's LNS, with a tunnel secret: the proof is its answer to our
 * challenge, arrived unchanged. */
#include <stdlib.h>
#include <string.h>

#include "l2tp/l2tp_priv.h"
#include "tests/peer/l2tp_peer.h"
#include "tests/sim/walk.h"

struct l2tp_walker {
	struct walker w;
	struct l2tp_conf conf;
	struct gateway_conf gateway;
	struct l2tp *l2tp;
	struct l2tp_peer *peer;
	bool proven, called; /* an SCCRP with the true answer, an ICRP has arrived */
	uint8_t said[L2TP_RESPONSE];
};

static struct l2tp_walker *self(const struct walker *w)
{
	return (struct l2tp_walker *)w;
}

/* Zero and no AVPs for what is no message. */
static void parse(struct slice message, struct l2tp_msg *m)
{
	struct l2tp_head h;

	l2tp_msg_init(m, L2TP_HELLO);
	m->type = 0;
	if (l2tp_head_parse(message, &h) && h.avps.n)
		l2tp_msg_parse(m, h.avps, NULL);
}

static struct slice answer_in(const struct l2tp_msg *m)
{
	bool has = m->type == L2TP_SCCRP && l2tp_msg_has(m, AVP_CHALLENGE_RESPONSE);

	return has ? m->avp[AVP_CHALLENGE_RESPONSE] : slice(NULL, 0);
}

static void settle(struct l2tp_walker *s, struct io *out)
{
	struct pktq answers = {0}, frames = {0};
	struct l2tp_event ev;
	struct l2tp_status st;

	while (l2tp_next_event(s->l2tp, &ev)) {
		s->w.up |= ev.kind == L2TP_EV_UP;
		s->w.ended |= ev.kind == L2TP_EV_FAILED || ev.kind == L2TP_EV_CLOSED;
		if (ev.kind == L2TP_EV_FAILED && ev.reason.id == REASON_NONE)
			s->w.wrong = "it failed without a reason";
	}
	for (struct pkt *p = pktq_take(&out->down); p; p = pktq_take(&out->down))
		l2tp_peer_recv(s->peer, p, s->w.now, &frames, &answers);
	pktq_free(&frames);
	pktq_for_each (p, &answers) {
		struct l2tp_msg m;

		parse(pkt_slice(p), &m);
		if (answer_in(&m).n == sizeof(s->said))
			memcpy(s->said, answer_in(&m).p, sizeof(s->said));
	}
	walker_line_up(&s->w, &answers);
	l2tp_get_status(s->l2tp, &st);
	if ((st.up || s->w.up) && !s->proven)
		s->w.wrong = "up, and the gateway has not proven the secret";
	if ((st.up || s->w.up) && !s->called)
		s->w.wrong = "up without a call";
}

static struct walker *begin(const struct env *env)
{
	struct l2tp_walker *s = calloc(1, sizeof(*s));
	struct io out = {0};

	if (!s)
		abort();
	walker_open(&s->w, env);
	gateway_defaults(&s->gateway);
	s->gateway.l2tp_secret = slice_str("tunnel");
	s->conf = (struct l2tp_conf){.hostname = "client",
		.secret = slice_str("tunnel"),
		.hello = SECONDS(60),
		.window = 8};
	s->l2tp = l2tp_new(&s->conf, &s->w.own);
	s->peer = l2tp_peer_new(&s->gateway, &s->w.own);
	if (!s->l2tp || !s->peer)
		abort();
	l2tp_open(s->l2tp, s->w.now, &out);
	settle(s, &out);
	return &s->w;
}

static void end(struct walker *w)
{
	walker_close(w);
	l2tp_free(self(w)->l2tp);
	l2tp_peer_free(self(w)->peer);
	free(w);
}

static void recv(struct walker *w, struct pkt *p)
{
	struct l2tp_walker *s = self(w);
	struct pktq in = {0};
	struct io out = {0};
	struct l2tp_msg m;

	parse(pkt_slice(p), &m);
	s->proven |= slice_equal(answer_in(&m), slice(s->said, sizeof(s->said)));
	s->called |= m.type == L2TP_ICRP;
	pktq_put(&in, p);
	l2tp_recv(s->l2tp, &in, w->now, &out);
	settle(s, &out);
}

static void tick(struct walker *w)
{
	struct io out = {0};

	l2tp_tick(self(w)->l2tp, w->now, &out);
	settle(self(w), &out);
}

static msec deadline(const struct walker *w)
{
	return l2tp_deadline(self(w)->l2tp);
}

static void peer_tick(struct walker *w)
{
	struct pktq out = {0};

	l2tp_peer_tick(self(w)->peer, w->now, &out);
	walker_line_up(w, &out);
}

static msec peer_deadline(const struct walker *w)
{
	return l2tp_peer_deadline(self(w)->peer);
}

static void answer(struct walker *w, uint32_t id, bool yes)
{
	(void)w;
	(void)id;
	(void)yes;
}

static void close_l2tp(struct walker *w)
{
	struct io out = {0};

	l2tp_close(self(w)->l2tp, w->now, &out);
	settle(self(w), &out);
}

/* A StopCCN to another tunnel. */
static struct pkt *notice(struct walker *w)
{
	struct l2tp_head h = {.tunnel = (uint16_t)(self(w)->l2tp->tunnel ^ 1)};
	struct pkt *p = pkt_new_ctl(w->env->pool, 256);
	struct l2tp_msg m;

	if (!p)
		return NULL;
	struct wr out = pkt_wr(p);
	l2tp_msg_init(&m, L2TP_STOPCCN);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, 9);
	l2tp_msg_put_result(&m, L2TP_STOP_CLEAR, 0, "");
	l2tp_msg_build(&m, &h, &out);
	pkt_wrote(p, &out);
	return p;
}

static uint64_t key(const struct walker *w)
{
	const struct l2tp_walker *s = self(w);
	const struct l2tp *t = s->l2tp;
	const struct l2tp_chan *c = &t->chan;
	uint64_t k = walk_mix(2, (uint64_t)t->state | (uint64_t)(t->peer_tunnel != 0) << 4 |
					 (uint64_t)(t->peer_session != 0) << 5 |
					 (uint64_t)walk_few(t->last_event) << 6);

	k = walk_mix(k, c->ns | (uint64_t)c->nr << 16 | (uint64_t)c->queued << 32 |
				(uint64_t)c->flying << 40 | (uint64_t)c->closing << 48 |
				(uint64_t)walk_few(c->retry.copies) << 50);
	for (unsigned i = 0; i < CHAN_IN; i++)
		k = walk_mix(k, c->in[i] != NULL);
	return walk_mix(k, (uint64_t)s->proven | (uint64_t)s->called << 1 |
				   (uint64_t)l2tp_peer_tunnel(s->peer) << 2 |
				   (uint64_t)l2tp_peer_session(s->peer) << 3 |
				   (uint64_t)walk_few(l2tp_peer_sessions(s->peer)) << 4);
}

const struct walk_machine walk_l2tp = {"l2tp", begin, end, recv, tick, deadline, peer_tick,
	peer_deadline, answer, close_l2tp, notice, key};

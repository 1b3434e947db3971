/* The link against the gateway's PPP. Proof: the gateway has seen the password proven, and its own
 * proof S= has arrived unchanged. */
#include <stdlib.h>
#include <string.h>

#include "ppp/ppp_priv.h"
#include "tests/peer/ppp_peer.h"
#include "tests/sim/walk.h"

struct ppp_walker {
	struct walker w;
	struct ppp_conf conf;
	struct gateway_conf gateway;
	struct ppp *ppp;
	struct ppp_peer *peer;
	bool proven; /* S= as the gateway said it has arrived */
	uint8_t said[MSCHAPV2_PROOF];
};

static struct ppp_walker *self(const struct walker *w)
{
	return (struct ppp_walker *)w;
}

/* The S= of a Success; NULL in any other frame. */
static const uint8_t *proof_in(struct slice frame)
{
	struct ppp_packet packet;
	struct slice info;
	uint16_t protocol;

	if (!ppp_frame_parse(frame, &protocol, &info) || protocol != PPP_CHAP ||
		!ppp_packet_parse(info, &packet) || packet.code != CHAP_SUCCESS ||
		packet.data.n < MSCHAPV2_PROOF)
		return NULL;
	return packet.data.p;
}

static void news(struct ppp_walker *s)
{
	struct ppp_event ev;

	while (ppp_next_event(s->ppp, &ev)) {
		if (ev.kind == PPP_EV_WANT_SECRET) {
			s->w.question = ev.id;
			if (!s->ppp->auth.method)
				s->w.wrong =
					"the password is asked for before a method is agreed on";
		}
		if (ev.kind == PPP_EV_UP || ev.kind == PPP_EV_DOWN)
			s->w.up = ev.kind == PPP_EV_UP;
		s->w.ended |= ev.kind == PPP_EV_FAILED || ev.kind == PPP_EV_CLOSED;
		if (ev.kind == PPP_EV_FAILED && ev.reason.id == REASON_NONE)
			s->w.wrong = "it failed without a reason";
	}
}

static void line_up(struct ppp_walker *s, struct pktq *answers)
{
	pktq_for_each (p, answers) {
		const uint8_t *proof = proof_in(pkt_slice(p));

		if (proof)
			memcpy(s->said, proof, MSCHAPV2_PROOF);
	}
	walker_line_up(&s->w, answers);
}

static void settle(struct ppp_walker *s, struct io *out)
{
	struct pktq answers = {0}, ip = {0};
	struct ppp_status st;

	news(s);
	ppp_peer_recv(s->peer, &out->down, s->w.now, &ip, &answers);
	pktq_free(&ip);
	pktq_free(&out->up);
	line_up(s, &answers);
	ppp_get_status(s->ppp, &st);
	if ((st.up || st.authenticated || s->w.up) && !s->proven)
		s->w.wrong = "authenticated, and the gateway has proven nothing";
	if (st.up && !st.authenticated)
		s->w.wrong = "up without authentication";
	if (s->w.ended && ppp_deadline(s->ppp) != MSEC_NEVER)
		s->w.wrong = "it is over and still has a deadline";
}

static struct walker *begin(const struct env *env)
{
	struct ppp_walker *s = calloc(1, sizeof(*s));
	struct io out = {0};

	if (!s)
		abort();
	walker_open(&s->w, env);
	gateway_defaults(&s->gateway);
	s->conf = (struct ppp_conf){.user = slice_str("alice"),
		.auth = PPP_AUTH_MSCHAPV2,
		.mru = 1400,
		.want_dns = true,
		.echo_interval = SECONDS(20),
		.echo_patience = SECONDS(10)};
	s->ppp = ppp_new(&s->conf, &s->w.own);
	s->peer = ppp_peer_new(&s->gateway, &s->w.own, s->w.now);
	if (!s->ppp || !s->peer)
		abort();
	ppp_open(s->ppp, s->w.now, &out);
	settle(s, &out);
	return &s->w;
}

static void end(struct walker *w)
{
	walker_close(w);
	ppp_free(self(w)->ppp);
	ppp_peer_free(self(w)->peer);
	free(w);
}

static void recv(struct walker *w, struct pkt *p)
{
	struct ppp_walker *s = self(w);
	struct pktq in = {0};
	struct io out = {0};

	const uint8_t *proof = proof_in(pkt_slice(p));
	s->proven |= proof && memcmp(proof, s->said, MSCHAPV2_PROOF) == 0;
	pktq_put(&in, p);
	ppp_recv(s->ppp, &in, w->now, &out);
	settle(s, &out);
}

static void tick(struct walker *w)
{
	struct io out = {0};

	ppp_tick(self(w)->ppp, w->now, &out);
	settle(self(w), &out);
}

static msec deadline(const struct walker *w)
{
	return ppp_deadline(self(w)->ppp);
}

static void peer_tick(struct walker *w)
{
	struct pktq out = {0};

	ppp_peer_tick(self(w)->peer, w->now, &out);
	line_up(self(w), &out);
}

static msec peer_deadline(const struct walker *w)
{
	return ppp_peer_deadline(self(w)->peer);
}

static void answer(struct walker *w, uint32_t id, bool yes)
{
	struct answer a = {.yes = yes, .why = "no", .secret = slice_str("wonderland")};
	struct io out = {0};

	ppp_answer(self(w)->ppp, id, &a, w->now, &out);
	settle(self(w), &out);
}

static void close_ppp(struct walker *w)
{
	struct io out = {0};

	ppp_close(self(w)->ppp, w->now, &out);
	settle(self(w), &out);
}

/* A Success without proof, under the id that is right. */
static struct pkt *notice(struct walker *w)
{
	struct pkt *p = pkt_new_ctl(w->env->pool, 64);

	if (!p)
		return NULL;
	struct wr out = pkt_wr(p);
	size_t mark = ppp_packet_open(&out, PPP_CHAP, CHAP_SUCCESS, self(w)->ppp->auth.chap.id);
	wr_put(&out, slice_str("S=0123456789ABCDEF0123456789ABCDEF01234567 M=Welcome"));
	ppp_packet_close(&out, mark);
	pkt_wrote(p, &out);
	return p;
}

static uint64_t key_of_cp(const struct cp *cp)
{
	return (uint64_t)cp->state | (uint64_t)cp->answered << 4 | (uint64_t)cp->repeated << 5 |
	       (uint64_t)walk_few(cp->retry.copies) << 6 | (uint64_t)walk_few(cp->naks) << 8 |
	       (uint64_t)walk_few(cp->rounds) << 10 | (uint64_t)cp->asked_len << 16;
}

static uint64_t key(const struct walker *w)
{
	const struct ppp_walker *s = self(w);
	const struct ppp *p = s->ppp;
	const struct chap *c = &p->auth.chap;
	uint64_t k = walk_mix(3, key_of_cp(&p->lcp));

	k = walk_mix(k, key_of_cp(&p->ipcp));
	k = walk_mix(k, (uint64_t)p->phase | (uint64_t)p->up << 4 | (uint64_t)p->heard << 5 |
				(uint64_t)p->ipcp_heard << 6 |
				(uint64_t)walk_few(p->echoes_out) << 7);
	k = walk_mix(k, (uint64_t)(p->auth.method != NULL) | (uint64_t)p->auth.done << 1 |
				(uint64_t)p->auth.asking << 2 |
				(uint64_t)walk_few(p->auth.prompts) << 3 |
				(uint64_t)(p->auth.typed.p != NULL) << 5);
	k = walk_mix(k,
		(uint64_t)c->challenged | (uint64_t)c->responded << 1 | (uint64_t)c->awaiting << 2);
	return walk_mix(k, (uint64_t)s->proven | (uint64_t)ppp_peer_logged_in(s->peer) << 1 |
				   (uint64_t)ppp_peer_up(s->peer) << 2);
}

const struct walk_machine walk_ppp = {"ppp", begin, end, recv, tick, deadline, peer_tick,
	peer_deadline, answer, close_ppp, notice, key};

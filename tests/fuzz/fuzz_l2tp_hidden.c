/* A tunnel with a secret, against the LNS of the test gateway: tunnel authentication, and messages
 * of the right key and number whose AVPs, hidden or not, are the input's.
 *
 * The input: a choice 8, then records (fuzz.h): what 8, time in units of 16 ms 8, octets. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "l2tp/l2tp.h"
#include "l2tp/l2tp_msg.h"
#include "tests/fuzz/tamper.h"
#include "tests/peer/l2tp_peer.h"

enum { STEPS_MAX = 24, UNIT = 16, LONG = 0xf0, KEPT = 4 };

/* The lowest bits of a step's first octet. */
enum step {
	STEP_GENUINE,
	STEP_EDIT,
	STEP_AVPS, /* the answer's number, and AVPs: type 8, bits 8, length 8, value, again */
	STEP_LOSE,
	STEP_REPLAY,
	STEP_STOP,
	STEP_CLOSE,
	STEP_FRAME,
};
enum { HIDDEN = 0x01, OPTIONAL = 0x02, PADDED = 0x04 };
enum choice { CHOICE_NO_SECRET = 0x01, CHOICE_WRONG_SECRET = 0x02, CHOICE_NUMBERED = 0x04 };

struct hidden {
	const struct env *env;
	struct env peer_env;
	uint64_t peer_rng;
	struct l2tp_conf conf;
	struct gateway_conf gateway;
	struct l2tp *t;
	struct l2tp_peer *peer;
	struct avp_key key;
	uint8_t choice;
	msec now;
	bool over;
	struct pktq to_server;
	struct pkt *kept[KEPT];
	unsigned n_kept;
};

static void drain(struct hidden *h, struct io *out)
{
	struct l2tp_event ev;
	unsigned n = 0;

	while (!h->over && l2tp_next_event(h->t, &ev)) {
		/* With a secret, the other end has to prove that it knows it. */
		if (ev.kind == L2TP_EV_PROGRESS || ev.kind == L2TP_EV_UP)
			fuzz_require(!(h->choice & CHOICE_WRONG_SECRET));
		h->over = ev.kind == L2TP_EV_FAILED || ev.kind == L2TP_EV_CLOSED;
		fuzz_require(++n < 16);
	}
	fuzz_require(out->down.count <= 64);
	pktq_for_each (p, &out->down)
		fuzz_require(!fuzz_contains(pkt_slice(p), h->conf.secret));
	pktq_join(&h->to_server, &out->down);
	while (h->to_server.count > 32)
		pkt_free(pktq_take(&h->to_server));
	pktq_free(&out->up);
}

static void deliver(struct hidden *h, struct pktq *in)
{
	struct io out = {0};

	pktq_for_each (p, in) {
		struct pkt **at = &h->kept[h->n_kept++ % KEPT];

		pkt_free(*at);
		*at = pkt_of(h->env->pool, pkt_slice(p));
		fuzz_require(*at);
	}
	if (h->over)
		pktq_free(in);
	else
		l2tp_recv(h->t, in, h->now, &out);
	fuzz_require(in->count == 0);
	drain(h, &out);
}

static void pass(struct hidden *h, msec end)
{
	for (int ticks = 0;; ticks++) {
		msec ours = h->over ? MSEC_NEVER : l2tp_deadline(h->t);
		msec due = msec_min(ours, l2tp_peer_deadline(h->peer));
		struct pktq messages = {0};
		struct io out = {0};

		if (due > end)
			break;
		fuzz_require(ticks < 1000);
		h->now = due > h->now ? due : h->now;
		if (ours <= h->now) {
			l2tp_tick(h->t, h->now, &out);
			drain(h, &out);
			fuzz_require(h->over || l2tp_deadline(h->t) > h->now);
		} else {
			l2tp_peer_tick(h->peer, h->now, &messages);
			deliver(h, &messages);
		}
	}
	h->now = end;
}

/* ---- AVPs of the input's ---- */

static void put_avp(const struct hidden *h, struct wr *w, struct slice vector, struct rd *r)
{
	enum avp_type type = (enum avp_type)(rd_u8(r) % AVP_TYPES);
	uint8_t bits = rd_u8(r);
	size_t n = rd_u8(r), left = rd_left(r);
	struct slice value = rd_take(r, n < left ? n : left);
	struct slice padding = bits & PADDED ? slice(vector.p, 5) : slice(NULL, 0);
	size_t head = wr_len(w);

	if (bits & HIDDEN)
		fuzz_require(avp_put_hidden(w, &h->key, vector, type, value, padding));
	else
		avp_put(w, type, value);
	if (bits & OPTIONAL && !w->bad)
		w->start[head] &= 0x7f;
}

/* The head of the answer with its numbers, its Message Type (or another, if an odd octet comes
 * first), a random vector, and what the input says. */
static struct pkt *with_avps(const struct hidden *h, struct pkt *answer, struct slice octets)
{
	static const uint8_t vector[16] = "sixteen octets.";
	uint8_t buf[1400], type[2] = {0};
	struct wr w = wr_of(buf, sizeof(buf));
	struct rd r = rd_of(octets);
	struct l2tp_head head;

	if (!l2tp_head_parse(pkt_slice(answer), &head) || head.avps.n < AVP_HEAD + 2)
		return answer;
	memcpy(type, head.avps.p + AVP_HEAD, 2);
	uint8_t first = rd_u8(&r);
	if (first & 1)
		put_u16(type, first >> 1);
	l2tp_head_put(&w, &head, 0);
	avp_put(&w, AVP_MESSAGE_TYPE, slice(type, 2));
	avp_put(&w, AVP_RANDOM_VECTOR, slice(vector, sizeof(vector)));
	while (rd_left(&r) >= 3)
		put_avp(h, &w, slice(vector, sizeof(vector)), &r);
	if (w.bad)
		return answer;
	put_u16(buf + 2, (uint16_t)wr_len(&w));
	struct pkt *p = pkt_of(h->env->pool, wr_slice(&w));
	fuzz_require(p);
	pkt_free(answer);
	return p;
}

/* ---- steps ---- */

static void serve(struct hidden *h, enum step step, struct slice octets)
{
	struct pkt *p = pktq_take(&h->to_server);
	struct pktq frames = {0}, answers = {0}, changed = {0};
	struct tamper t = {.how = TAMPER_EDIT, .octets = octets};

	if (!p)
		return;
	l2tp_peer_recv(h->peer, p, h->now, &frames, &answers);
	pktq_free(&frames);
	for (p = pktq_take(&answers); p; p = pktq_take(&answers)) {
		if (step == STEP_AVPS)
			p = with_avps(h, p, octets);
		if (step == STEP_EDIT && !changed.head)
			p = tamper_pkt(h->env, &t, p);
		pktq_put(&changed, p);
	}
	deliver(h, &changed);
}

static void replay(struct hidden *h, struct slice octets)
{
	const struct pkt *seen = h->kept[octets.n ? octets.p[0] % KEPT : 0];
	struct pktq in = {0};

	if (!seen)
		return;
	struct pkt *p = pkt_of(h->env->pool, pkt_slice(seen));
	fuzz_require(p);
	if (octets.n > 1)
		p->len = tamper_edit(slice(octets.p + 1, octets.n - 1), p->data, p->len, p->len);
	pktq_put(&in, p);
	deliver(h, &in);
}

static void send_frame(struct hidden *h, struct slice octets)
{
	struct pktq in = {0};
	struct pkt *p = pkt_of(h->env->pool, octets);
	struct io out = {0};

	fuzz_require(p);
	pktq_put(&in, p);
	l2tp_send(h->t, &in, h->now, &out);
	fuzz_require(in.count == 0);
	drain(h, &out);
}

static void step(struct hidden *h, struct slice record)
{
	struct rd r = rd_of(record);
	uint8_t how = rd_u8(&r), units = rd_u8(&r);
	struct slice octets = rd_rest(&r);
	struct pktq messages = {0};
	struct io out = {0};

	pass(h, h->now + (units < LONG ? (msec)units * UNIT : (msec)(units & 0xf) * SECONDS(30)));
	switch ((enum step)(how & 7)) {
	case STEP_GENUINE:
	case STEP_EDIT:
	case STEP_AVPS:
		serve(h, (enum step)(how & 7), octets);
		break;
	case STEP_LOSE:
		pkt_free(pktq_take(&h->to_server));
		break;
	case STEP_REPLAY:
		replay(h, octets);
		break;
	case STEP_STOP:
		if (how & 8)
			l2tp_peer_hang_up(h->peer, h->now, &messages);
		else
			l2tp_peer_stop(h->peer, "maintenance", h->now, &messages);
		deliver(h, &messages);
		break;
	case STEP_CLOSE:
		if (!h->over)
			l2tp_close(h->t, h->now, &out);
		drain(h, &out);
		break;
	case STEP_FRAME:
		if (!h->over && octets.n)
			send_frame(h, octets);
		break;
	}
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct hidden h = {.env = env, .now = 1000000, .peer_rng = 2};
	struct rd r = rd_of(input);
	struct slice record;
	struct io out = {0};

	h.choice = rd_u8(&r);
	h.conf = (struct l2tp_conf){.hostname = "client", .hello = SECONDS(60), .window = 8};
	if (!(h.choice & CHOICE_NO_SECRET) || h.choice & CHOICE_WRONG_SECRET)
		h.conf.secret = slice_str("tunnel secret");
	if (fuzz_contains(input, h.conf.secret))
		return;
	h.key = (struct avp_key){env->crypto, slice_str("tunnel secret")};
	gateway_defaults(&h.gateway);
	h.gateway.sequence_in_data = h.gateway.length_in_data = h.choice & CHOICE_NUMBERED;
	h.gateway.l2tp_secret = h.conf.secret;
	if (h.choice & CHOICE_WRONG_SECRET) {
		h.gateway.l2tp_secret = slice_str("another");
		h.key.secret = h.gateway.l2tp_secret;
	}
	h.peer_env = *env;
	h.peer_env.ctx = &h.peer_rng;
	h.t = l2tp_new(&h.conf, env);
	h.peer = l2tp_peer_new(&h.gateway, &h.peer_env);
	fuzz_require(h.t && h.peer);
	l2tp_open(h.t, h.now, &out);
	drain(&h, &out);
	for (int i = 0; i < STEPS_MAX && !h.over && fuzz_next(&r, &record); i++)
		step(&h, record);
	for (int i = 0; i < KEPT; i++)
		pkt_free(h.kept[i]);
	pktq_free(&h.to_server);
	l2tp_peer_free(h.peer);
	l2tp_free(h.t);
}

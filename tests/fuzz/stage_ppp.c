#include "tests/fuzz/stage_ppp.h"

#include <string.h>

#include "ppp/ppp.h"
#include "ppp/ppp_frame.h"
#include "tests/fuzz/tamper.h"
#include "tests/peer/ppp_peer.h"

enum { KEPT = 4, STEPS_MAX = 32, BEFORE_MAX = 16, UNIT = 16, LONG = 0xf0 };

/* The lowest bits of a record's first octet. */
enum step {
	STEP_GENUINE, /* the gateway's answer */
	STEP_EDIT,
	STEP_REPLACE, /* instead of it a packet of the stage's protocol: code 8, id 8, data */
	STEP_LOSE,
	STEP_REPLAY,
	STEP_PACKET, /* a packet of the stage's protocol besides */
	STEP_ACT,
	STEP_RAW, /* the octets as a frame */
};
enum { SAY_NO = 0x08, SAME_ID = 0x10 };

enum choice {
	CHOICE_SECOND = 0x01, /* the other method */
	CHOICE_WRONG_PASSWORD = 0x02,
	CHOICE_ASK = 0x04,
	CHOICE_MUCH = 0x08,
	CHOICE_REJECTS = 0x10,
	CHOICE_PLAIN = 0x20, /* we ask for as little as possible */
	CHOICE_NO_PROOF = 0x40,
};

static const char password[] = "wonderland";

struct stage {
	const struct env *env;
	const struct stage_ppp *what;
	uint8_t choice;
	struct env peer_env;
	uint64_t peer_rng;
	struct ppp_conf conf;
	struct gateway_conf gateway;
	struct ppp *p;
	struct ppp_peer *peer;
	msec now;
	bool over, up, say_no, reached;
	uint8_t last_id; /* of our latest packet of the protocol */
	struct pktq to_server;
	struct pkt *kept[KEPT];
	unsigned n_kept;
};

/* ---- the client's side ---- */

static void take_event(struct stage *s, const struct ppp_event *ev, struct io *out)
{
	struct answer answer = {
		.yes = !s->say_no, .why = "nobody is there", .secret = slice_str(password)};
	const bool unproven = s->conf.auth == PPP_AUTH_MSCHAPV2 &&
			      s->choice & (CHOICE_WRONG_PASSWORD | CHOICE_NO_PROOF);
	struct ppp_status status;

	switch (ev->kind) {
	case PPP_EV_WANT_SECRET:
		fuzz_require(s->choice & CHOICE_ASK);
		ppp_answer(s->p, ev->id, &answer, s->now, out);
		break;
	case PPP_EV_UP:
		ppp_get_status(s->p, &status);
		fuzz_require(
			status.up && status.authenticated && status.local.family == FAMILY_IPV4);
		fuzz_require(!unproven);
		s->up = true;
		break;
	case PPP_EV_PROGRESS:
		fuzz_require(!unproven || strcmp(ev->step, "auth") != 0);
		s->reached |= s->what->after && strcmp(ev->step, s->what->after) == 0;
		break;
	case PPP_EV_DOWN:
		s->up = false;
		break;
	case PPP_EV_CLOSED:
	case PPP_EV_FAILED:
		s->up = false;
		s->over = true;
		break;
	}
}

static void look_at(struct stage *s, const struct pkt *p)
{
	struct ppp_packet packet;
	struct slice info;
	uint16_t protocol;

	fuzz_require(ppp_frame_parse(pkt_slice(p), &protocol, &info));
	if (protocol == s->what->protocol && ppp_packet_parse(info, &packet))
		s->last_id = packet.id;
	if (!(s->conf.auth & PPP_AUTH_PAP))
		fuzz_require(!fuzz_contains(pkt_slice(p), slice_str(password)));
}

static void drain(struct stage *s, struct io *out)
{
	struct ppp_event ev;
	unsigned n = 0;

	while (!s->over && ppp_next_event(s->p, &ev)) {
		take_event(s, &ev, out);
		fuzz_require(++n < 32);
	}
	fuzz_require(out->down.count <= 64 && (s->up || out->up.count == 0));
	pktq_for_each (p, &out->down)
		look_at(s, p);
	pktq_join(&s->to_server, &out->down);
	while (s->to_server.count > 32)
		pkt_free(pktq_take(&s->to_server));
	pktq_free(&out->up);
}

static void deliver(struct stage *s, struct pktq *in)
{
	struct io out = {0};

	pktq_for_each (p, in) {
		struct pkt **at = &s->kept[s->n_kept++ % KEPT];

		pkt_free(*at);
		*at = pkt_of(s->env->pool, pkt_slice(p));
		fuzz_require(*at);
	}
	if (s->over)
		pktq_free(in);
	else
		ppp_recv(s->p, in, s->now, &out);
	fuzz_require(in->count == 0);
	drain(s, &out);
}

static void change(struct stage *s, const struct tamper *t, struct pktq *frames)
{
	struct pktq changed = {0};

	for (struct pkt *p = pktq_take(frames); p; p = pktq_take(frames))
		pktq_put(&changed, t && !changed.head ? tamper_pkt(s->env, t, p) : p);
	*frames = changed;
}

static void pass(struct stage *s, msec end)
{
	for (int ticks = 0;; ticks++) {
		msec ours = s->over ? MSEC_NEVER : ppp_deadline(s->p);
		msec due = msec_min(ours, ppp_peer_deadline(s->peer));
		struct pktq frames = {0};
		struct io out = {0};

		if (due > end || ppp_peer_over(s->peer))
			break;
		fuzz_require(ticks < 1000);
		s->now = due > s->now ? due : s->now;
		if (ours <= s->now) {
			ppp_tick(s->p, s->now, &out);
			drain(s, &out);
			fuzz_require(s->over || ppp_deadline(s->p) > s->now);
		} else {
			ppp_peer_tick(s->peer, s->now, &frames);
			deliver(s, &frames);
		}
	}
	s->now = end;
}

static void serve(struct stage *s, const struct tamper *t)
{
	struct pkt *p = pktq_take(&s->to_server);
	struct pktq in = {0}, ip = {0}, frames = {0};

	if (!p)
		return;
	pktq_put(&in, p);
	ppp_peer_recv(s->peer, &in, s->now, &ip, &frames);
	pktq_free(&ip);
	change(s, t, &frames);
	deliver(s, &frames);
}

/* ---- steps ---- */

static struct slice packet(
	const struct stage *s, uint8_t how, struct slice octets, uint8_t *buf, size_t room)
{
	struct rd r = rd_of(octets);
	uint8_t code = rd_u8(&r), id = rd_u8(&r);
	struct wr w = wr_of(buf, room);
	size_t mark = ppp_packet_open(&w, s->what->protocol, code, how & SAME_ID ? s->last_id : id);

	wr_put(&w, rd_rest(&r));
	ppp_packet_close(&w, mark);
	return wr_slice(&w);
}

static void send_frame(struct stage *s, struct slice frame)
{
	struct pktq in = {0};
	struct pkt *p = pkt_of(s->env->pool, frame);

	fuzz_require(p);
	pktq_put(&in, p);
	deliver(s, &in);
}

static void replay(struct stage *s, struct slice octets)
{
	const struct pkt *seen = s->kept[octets.n ? octets.p[0] % KEPT : 0];
	uint8_t frame[PKT_SMALL];

	if (!seen || seen->len > sizeof(frame))
		return;
	memcpy(frame, seen->data, seen->len);
	size_t n = octets.n < 2 ? seen->len
				: tamper_edit(slice(octets.p + 1, octets.n - 1), frame, seen->len,
					  sizeof(frame));
	send_frame(s, slice(frame, n));
}

static void act(struct stage *s, struct slice octets)
{
	struct pktq ip = {0};
	struct io out = {0};

	if (s->over)
		return;
	if (octets.n && octets.p[0] & 1) {
		ppp_close(s->p, s->now, &out);
	} else {
		struct pkt *p = pkt_of(s->env->pool, octets);

		fuzz_require(p);
		pktq_put(&ip, p);
		ppp_send(s->p, &ip, s->now, &out);
		fuzz_require(s->up || out.down.count == 0);
	}
	drain(s, &out);
}

static void step(struct stage *s, struct slice record)
{
	struct rd r = rd_of(record);
	uint8_t how = rd_u8(&r), units = rd_u8(&r), buf[PKT_SMALL];
	struct slice octets = rd_rest(&r);
	struct tamper t = {.how = TAMPER_EDIT, .octets = octets};

	pass(s, s->now + (units < LONG ? (msec)units * UNIT : (msec)(units & 0xf) * SECONDS(30)));
	s->say_no = how & SAY_NO;
	switch ((enum step)(how & 7)) {
	case STEP_GENUINE:
		serve(s, NULL);
		break;
	case STEP_EDIT:
		serve(s, &t);
		break;
	case STEP_REPLACE:
		t.how = TAMPER_REPLACE;
		t.octets = packet(s, how, octets, buf, sizeof(buf));
		serve(s, &t);
		break;
	case STEP_LOSE:
		pkt_free(pktq_take(&s->to_server));
		break;
	case STEP_REPLAY:
		replay(s, octets);
		break;
	case STEP_PACKET:
		send_frame(s, packet(s, how, octets, buf, sizeof(buf)));
		break;
	case STEP_ACT:
		act(s, octets);
		break;
	case STEP_RAW:
		send_frame(s, octets);
		break;
	}
}

/* ---- life ---- */

static void configure(struct stage *s)
{
	bool plain = s->choice & CHOICE_PLAIN;

	s->conf = (struct ppp_conf){.user = slice_str("alice"),
		.auth = s->what->methods[s->choice & CHOICE_SECOND ? 1 : 0],
		.mru = plain ? 0 : 1400,
		.want_dns = !plain,
		.want_wins = !plain,
		.echo_interval = plain ? 0 : SECONDS(10),
		.echo_patience = SECONDS(10)};
	if (plain)
		s->conf.want = ip_v4(0x0a630007);
	if (!(s->choice & CHOICE_ASK))
		s->conf.password = slice_str(password);
	gateway_defaults(&s->gateway);
	s->gateway.password = s->choice & CHOICE_WRONG_PASSWORD ? "another" : password;
	s->gateway.auths[0] = s->what->asked[s->choice & CHOICE_SECOND ? 1 : 0];
	s->gateway.auths[1] = s->what->asked[0];
	s->gateway.asks_for_much = s->choice & CHOICE_MUCH;
	s->gateway.rejects_magic = s->choice & CHOICE_REJECTS;
	s->gateway.no_proof = s->choice & CHOICE_NO_PROOF;
}

static void stage_open(struct stage *s)
{
	struct io out = {0};

	s->now = 1000000;
	s->peer_rng = 2;
	s->peer_env = *s->env;
	s->peer_env.ctx = &s->peer_rng;
	s->p = ppp_new(&s->conf, s->env);
	s->peer = ppp_peer_new(&s->gateway, &s->peer_env, s->now);
	fuzz_require(s->p && s->peer);
	ppp_open(s->p, s->now, &out);
	drain(s, &out);
	for (int i = 0; s->what->after && !s->reached && i < BEFORE_MAX; i++) {
		pass(s, s->now + UNIT);
		serve(s, NULL);
	}
}

void stage_ppp(const struct env *env, struct slice input, const struct stage_ppp *stage)
{
	struct stage s = {.env = env, .what = stage};
	struct rd r = rd_of(input);
	struct slice record;

	if (fuzz_contains(input, slice_str(password)))
		return;
	s.choice = rd_u8(&r);
	configure(&s);
	stage_open(&s);
	for (int i = 0; i < STEPS_MAX && !s.over && fuzz_next(&r, &record); i++)
		step(&s, record);
	for (int i = 0; i < KEPT; i++)
		pkt_free(s.kept[i]);
	pktq_free(&s.to_server);
	ppp_peer_free(s.peer);
	ppp_free(s.p);
}

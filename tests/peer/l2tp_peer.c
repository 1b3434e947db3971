#include "tests/peer/l2tp_peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/patience.h"
#include "base/secret.h"
#include "base/seq.h"
#include "l2tp/l2tp_data.h"
#include "l2tp/l2tp_msg.h"

/* Stop and wait: one control message is in flight, the rest queue behind it. Slow, and good enough
 * for six messages; the client's windows are its own business. */
enum { QUEUE = 8, CONTROL = 1024, CHALLENGE = 16 };

struct l2tp_peer {
	const struct gateway_conf *conf;
	const struct env *env;
	bool tunnel, session; /* alive */
	uint16_t own_tunnel, peer_tunnel, own_session, peer_session;
	uint16_t ns, nr, data_ns;
	struct pkt *queue[QUEUE]; /* [0] is in flight */
	unsigned n_queue;
	struct retry retry;
	msec hello_due;
	msec again; /* slow_repeats: the last interval */
	uint8_t challenge[CHALLENGE];
	unsigned sessions, replaced;
};

struct l2tp_peer *l2tp_peer_new(const struct gateway_conf *conf, const struct env *env)
{
	struct l2tp_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->conf = conf;
	p->env = env;
	p->retry = RETRY_STOPPED;
	p->hello_due = MSEC_NEVER;
	return p;
}

static void forget(struct l2tp_peer *p)
{
	for (unsigned i = 0; i < p->n_queue; i++)
		pkt_free(p->queue[i]);
	p->n_queue = 0;
	p->tunnel = p->session = false;
	p->ns = p->nr = p->data_ns = 0;
	p->hello_due = MSEC_NEVER;
	retry_stop(&p->retry);
}

void l2tp_peer_free(struct l2tp_peer *p)
{
	if (!p)
		return;
	forget(p);
	free(p);
}

/* ---- sending ---- */

static void emit_copy(struct l2tp_peer *p, const struct pkt *message, struct pktq *out)
{
	struct pkt *copy = pkt_of(p->env->pool, pkt_slice(message));

	if (!copy)
		return;
	l2tp_head_stamp(copy, p->peer_tunnel, get_u16(message->data + 8), p->nr);
	pktq_put(out, copy);
}

static void emit_zlb(struct l2tp_peer *p, struct pktq *out)
{
	struct pkt *pkt = pkt_new_ctl(p->env->pool, L2TP_HEAD);
	struct l2tp_head h = {
		.tunnel = p->peer_tunnel, .ns = (uint16_t)(p->ns + p->n_queue), .nr = p->nr};

	if (!pkt)
		return;
	struct wr w = pkt_wr(pkt);
	l2tp_head_put(&w, &h, 0);
	pkt_wrote(pkt, &w);
	pktq_put(out, pkt);
}

enum { SLOW_FIRST = 1000, SLOW_CAP = 16000 };

static void fly(struct l2tp_peer *p, msec now, struct pktq *out)
{
	emit_copy(p, p->queue[0], out);
	retry_start(&p->retry, PATIENCE_EXCHANGE, 0, p->env, now);
	if (p->conf->slow_repeats)
		p->retry.due = now + (p->again = SLOW_FIRST);
}

static void fly_again(struct l2tp_peer *p, msec now, struct pktq *out)
{
	if (p->conf->slow_repeats)
		p->retry.due = now + (p->again = msec_min(2 * p->again, SLOW_CAP));
	emit_copy(p, p->queue[0], out);
}

/* RFC 2661, 4.3: a Random Vector, and what may be hidden behind it. */
static void hide(const struct l2tp_peer *p, struct slice plain, struct wr *w)
{
	const struct avp_key key = {.crypto = p->env->crypto, .secret = p->conf->l2tp_secret};
	uint8_t vector[CHALLENGE];
	struct rd r = rd_of(plain);
	struct avp a;

	env_random(p->env, vector, sizeof(vector));
	while (avp_next(&r, &a)) {
		if (!avp_rule(0, a.type)->may_hide)
			avp_put(w, (enum avp_type)a.type, a.value);
		else if (!avp_put_hidden(w, &key, slice(vector, sizeof(vector)),
				 (enum avp_type)a.type, a.value, slice("padding", a.type % 8)))
			w->bad = true;
		if (a.type == AVP_MESSAGE_TYPE)
			avp_put(w, AVP_RANDOM_VECTOR, slice(vector, sizeof(vector)));
	}
}

static void build(const struct l2tp_peer *p, const struct l2tp_msg *m, const struct l2tp_head *h,
	struct wr *w)
{
	uint8_t plain[CONTROL], hidden[CONTROL];
	struct wr in = wr_of(plain, sizeof(plain)), out = wr_of(hidden, sizeof(hidden));

	if (!p->conf->hides_avps || !p->conf->l2tp_secret.n) {
		l2tp_msg_build(m, h, w);
		return;
	}
	l2tp_msg_build(m, h, &in);
	hide(p, slice(plain + L2TP_HEAD, wr_len(&in) - L2TP_HEAD), &out);
	w->bad |= in.bad || out.bad;
	l2tp_head_put(w, h, wr_len(&out));
	wr_put(w, wr_slice(&out));
}

static void enqueue(
	struct l2tp_peer *p, const struct l2tp_msg *m, uint16_t session, msec now, struct pktq *out)
{
	struct pkt *pkt = p->n_queue < QUEUE ? pkt_new_ctl(p->env->pool, CONTROL) : NULL;
	struct l2tp_head h = {.tunnel = p->peer_tunnel,
		.session = session,
		.ns = (uint16_t)(p->ns + p->n_queue),
		.nr = p->nr};

	if (!pkt)
		return;
	struct wr w = pkt_wr(pkt);
	build(p, m, &h, &w);
	pkt_wrote(pkt, &w);
	p->queue[p->n_queue++] = pkt;
	if (p->n_queue == 1)
		fly(p, now, out);
}

/* The client has everything before `nr`. */
static void acknowledged(struct l2tp_peer *p, uint16_t nr, msec now, struct pktq *out)
{
	if (p->n_queue == 0 || nr != (uint16_t)(p->ns + 1))
		return;
	pkt_free(p->queue[0]);
	memmove(p->queue, p->queue + 1, --p->n_queue * sizeof(p->queue[0]));
	p->ns++;
	retry_stop(&p->retry);
	if (p->n_queue > 0)
		fly(p, now, out);
}

/* ---- messages ---- */

static bool respond(struct l2tp_peer *p, uint8_t id, struct slice challenge, uint8_t to[16])
{
	const struct slice parts[] = {slice(&id, 1), p->conf->l2tp_secret, challenge};

	return crypto_hash(p->env->crypto, HASH_MD5, parts, 3, to);
}

static void refuse_tunnel(struct l2tp_peer *p, uint16_t result, uint16_t error, const char *text,
	msec now, struct pktq *out)
{
	struct l2tp_msg m;

	l2tp_msg_init(&m, L2TP_STOPCCN);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, p->own_tunnel);
	l2tp_msg_put_result(&m, result, error, text);
	enqueue(p, &m, 0, now, out);
}

/* Exactly what Windows sends? Names and numbers of the client's own may be any. */
static bool is_like_windows(struct slice avps)
{
	static const struct {
		enum avp_type type;
		bool mandatory;
		uint8_t len, value[4]; /* len 0: any */
	} want[] = {
		{AVP_MESSAGE_TYPE, true, 2, {0, L2TP_SCCRQ}},
		{AVP_PROTOCOL_VERSION, true, 2, {1, 0}},
		{AVP_FRAMING_CAPABILITIES, true, 4, {0, 0, 0, 1}},
		{AVP_BEARER_CAPABILITIES, true, 4, {0}},
		{AVP_FIRMWARE_REVISION, false, 2, {0x0a, 0}},
		{AVP_HOST_NAME, true, 0, {0}},
		{AVP_VENDOR_NAME, false, 0, {0}},
		{AVP_ASSIGNED_TUNNEL_ID, true, 0, {0}},
		{AVP_RECEIVE_WINDOW_SIZE, true, 2, {0, 8}},
	};
	struct rd r = rd_of(avps);
	struct avp a;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		if (!avp_next(&r, &a) || a.type != want[i].type || a.hidden || a.reserved ||
			a.vendor || a.mandatory != want[i].mandatory ||
			(want[i].len && !slice_equal(a.value, slice(want[i].value, want[i].len))))
			return false;
	return rd_left(&r) == 0;
}

static void accept_tunnel(struct l2tp_peer *p, const struct l2tp_msg *in, struct slice avps,
	msec now, struct pktq *out)
{
	struct l2tp_msg m;
	uint8_t response[16];

	p->own_tunnel = env_random_id16(p->env);
	if (p->conf->stop_text) {
		refuse_tunnel(p, L2TP_STOP_ERROR, L2TP_ERROR_VENDOR, p->conf->stop_text, now, out);
		return;
	}
	if (p->conf->strict_sccrq && !is_like_windows(avps)) {
		refuse_tunnel(p, L2TP_STOP_ERROR, L2TP_ERROR_UNKNOWN_AVP, "", now, out);
		return;
	}
	l2tp_msg_init(&m, L2TP_SCCRP);
	l2tp_msg_put_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_msg_put_u32(&m, AVP_FRAMING_CAPABILITIES, 3);
	l2tp_msg_put_u32(&m, AVP_BEARER_CAPABILITIES, 0);
	l2tp_msg_put(&m, AVP_HOST_NAME, slice_str(p->conf->text ? p->conf->text : "gateway"));
	l2tp_msg_put(&m, AVP_VENDOR_NAME, slice_str(p->conf->text ? p->conf->text : "vpnd test"));
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, p->own_tunnel);
	l2tp_msg_put_u16(&m, AVP_RECEIVE_WINDOW_SIZE, p->conf->window);
	if (p->conf->l2tp_secret.n) {
		env_random(p->env, p->challenge, CHALLENGE);
		l2tp_msg_put(&m, AVP_CHALLENGE, slice(p->challenge, CHALLENGE));
		if (l2tp_msg_has(in, AVP_CHALLENGE) &&
			respond(p, L2TP_SCCRP, in->avp[AVP_CHALLENGE], response))
			l2tp_msg_put(&m, AVP_CHALLENGE_RESPONSE, slice(response, 16));
	}
	enqueue(p, &m, 0, now, out);
}

static void check_client(struct l2tp_peer *p, const struct l2tp_msg *in, msec now, struct pktq *out)
{
	uint8_t want[16];

	if (p->conf->l2tp_secret.n &&
		(!respond(p, L2TP_SCCCN, slice(p->challenge, CHALLENGE), want) ||
			!secret_equal(in->avp[AVP_CHALLENGE_RESPONSE], slice(want, 16))))
		refuse_tunnel(p, L2TP_STOP_NOT_AUTHORIZED, 0, "", now, out);
}

static void accept_call(struct l2tp_peer *p, const struct l2tp_msg *in, msec now, struct pktq *out)
{
	struct l2tp_msg m;

	p->peer_session = l2tp_msg_u16(in, AVP_ASSIGNED_SESSION_ID);
	p->own_session = env_random_id16(p->env);
	l2tp_msg_init(&m, p->conf->cdn_text ? L2TP_CDN : L2TP_ICRP);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_SESSION_ID, p->own_session);
	if (p->conf->cdn_text)
		l2tp_msg_put_result(&m, L2TP_CDN_NO_FACILITIES_NOW, 0, p->conf->cdn_text);
	enqueue(p, &m, p->peer_session, now, out);
}

static void take_message(struct l2tp_peer *p, struct slice avps, msec now, struct pktq *out)
{
	struct l2tp_msg m;
	struct avp_key key = {.crypto = p->env->crypto, .secret = p->conf->l2tp_secret};

	if (l2tp_msg_parse(&m, avps, key.secret.n ? &key : NULL) != L2TP_PARSE_OK)
		return;
	switch ((enum l2tp_message)m.type) {
	case L2TP_SCCRQ:
		accept_tunnel(p, &m, avps, now, out);
		break;
	case L2TP_SCCCN:
		check_client(p, &m, now, out);
		break;
	case L2TP_ICRQ:
		accept_call(p, &m, now, out);
		break;
	case L2TP_ICCN:
		p->session = true;
		p->sessions++;
		if (p->conf->hello_every)
			p->hello_due = now + p->conf->hello_every;
		break;
	case L2TP_CDN:
		p->session = false;
		break;
	case L2TP_STOPCCN:
		p->session = p->tunnel = false;
		p->hello_due = MSEC_NEVER;
		break;
	case L2TP_SCCRP:
	case L2TP_HELLO:
	case L2TP_OCRQ:
	case L2TP_OCRP:
	case L2TP_OCCN:
	case L2TP_ICRP:
	case L2TP_WEN:
	case L2TP_SLI:
	case L2TP_MESSAGES:
		break;
	}
}

/* A first SCCRQ, from a client that has none or has started anew. */
static bool begin_tunnel(struct l2tp_peer *p, const struct l2tp_head *h)
{
	struct l2tp_msg m;

	if (h->tunnel != 0 || h->ns != 0 || l2tp_msg_parse(&m, h->avps, NULL) != L2TP_PARSE_OK ||
		m.type != L2TP_SCCRQ)
		return false;
	uint16_t id = l2tp_msg_u16(&m, AVP_ASSIGNED_TUNNEL_ID);
	if (p->tunnel && p->peer_tunnel == id)
		return true; /* the same again: a duplicate */
	p->replaced += p->tunnel;
	forget(p);
	p->tunnel = true;
	p->peer_tunnel = id;
	return true;
}

static void take_control(struct l2tp_peer *p, struct slice payload, msec now, struct pktq *out)
{
	struct l2tp_head h;

	if (!l2tp_head_parse(payload, &h))
		return;
	if (!begin_tunnel(p, &h) && h.tunnel != p->own_tunnel)
		return;
	acknowledged(p, h.nr, now, out);
	if (h.avps.n == 0)
		return;
	if (h.ns == p->nr) {
		p->nr++;
		size_t before = out->count;
		take_message(p, h.avps, now, out);
		if (out->count > before)
			return; /* the answer carries the acknowledgement */
	} else if (!seq16_before(h.ns, p->nr)) {
		return; /* too early: it will come again */
	}
	emit_zlb(p, out);
}

void l2tp_peer_recv(
	struct l2tp_peer *p, struct pkt *in, msec now, struct pktq *frames, struct pktq *out)
{
	struct l2tp_data d;

	if (l2tp_is_control(pkt_slice(in))) {
		if (!p->conf->l2tp_silent)
			take_control(p, pkt_slice(in), now, out);
	} else if (p->session && l2tp_data_strip(in, &d) && d.tunnel == p->own_tunnel &&
		   d.session == p->own_session && (!p->conf->needs_sequence || d.flags & L2TP_S)) {
		pktq_put(frames, in);
		return;
	}
	pkt_free(in);
}

void l2tp_peer_send(struct l2tp_peer *p, struct pktq *frames, struct pktq *out)
{
	for (struct pkt *f = pktq_take(frames); f; f = pktq_take(frames)) {
		struct l2tp_data d = {.tunnel = p->peer_tunnel, .session = p->peer_session};

		if (p->conf->length_in_data)
			d.flags |= L2TP_L;
		if (p->conf->sequence_in_data) {
			d.flags |= L2TP_S;
			d.ns = p->data_ns++;
		}
		if (p->session && l2tp_data_push(f, &d))
			pktq_put(out, f);
		else
			pkt_free(f);
	}
}

void l2tp_peer_tick(struct l2tp_peer *p, msec now, struct pktq *out)
{
	struct l2tp_msg m;

	switch (retry_tick(&p->retry, p->env, now)) {
	case RETRY_SEND:
		if (p->n_queue)
			fly_again(p, now, out);
		break;
	case RETRY_GIVE_UP:
		forget(p);
		break;
	case RETRY_WAIT:
		break;
	}
	if (now < p->hello_due)
		return;
	p->hello_due = now + p->conf->hello_every;
	l2tp_msg_init(&m, L2TP_HELLO);
	enqueue(p, &m, 0, now, out);
}

msec l2tp_peer_deadline(const struct l2tp_peer *p)
{
	return msec_min(retry_deadline(&p->retry), p->hello_due);
}

void l2tp_peer_hang_up(struct l2tp_peer *p, msec now, struct pktq *out)
{
	struct l2tp_msg m;

	if (!p->session)
		return;
	l2tp_msg_init(&m, L2TP_CDN);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_SESSION_ID, p->own_session);
	l2tp_msg_put_result(&m, L2TP_CDN_CARRIER_LOST, 0, "");
	enqueue(p, &m, p->peer_session, now, out);
	p->session = false;
}

void l2tp_peer_stop(struct l2tp_peer *p, const char *text, msec now, struct pktq *out)
{
	if (p->tunnel)
		refuse_tunnel(p, L2TP_STOP_SHUTDOWN, 0, text, now, out);
	p->session = false;
}

bool l2tp_peer_tunnel(const struct l2tp_peer *p)
{
	return p->tunnel;
}

bool l2tp_peer_session(const struct l2tp_peer *p)
{
	return p->session;
}

unsigned l2tp_peer_replaced(const struct l2tp_peer *p)
{
	return p->replaced;
}

unsigned l2tp_peer_sessions(const struct l2tp_peer *p)
{
	return p->sessions;
}

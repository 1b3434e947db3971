#include "l2tp/l2tp.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "l2tp/l2tp_priv.h"

static const msec refusal_pause = SECONDS(1);

struct l2tp *l2tp_new(const struct l2tp_conf *conf, const struct env *env)
{
	struct l2tp *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->conf = conf;
	t->env = env;
	t->key = (struct avp_key){.crypto = env->crypto, .secret = conf->secret};
	t->tunnel = env_random_id16(env);
	t->session = env_random_id16(env);
	t->ends = MSEC_NEVER;
	chan_init(&t->chan, env, conf->rtt);
	return t;
}

void l2tp_free(struct l2tp *t)
{
	if (!t)
		return;
	chan_clear(&t->chan);
	wipe(t, sizeof(*t));
	free(t);
}

/* At the end of every call: what has been queued leaves, and a close may have become complete. */
static void flush(struct l2tp *t, msec now, struct io *out)
{
	chan_flush(&t->chan, now, &out->down);
	if (t->state == L2TP_CLOSING && chan_idle(&t->chan))
		tunnel_closed(t, now);
}

void l2tp_open(struct l2tp *t, msec now, struct io *out)
{
	if (t->state != L2TP_IDLE)
		return;
	t->heard = now;
	tunnel_enter(t, L2TP_CONNECTING, now);
	if (say_sccrq(t))
		tunnel_out_of_memory(t, now);
	flush(t, now, out);
}

void l2tp_close(struct l2tp *t, msec now, struct io *out)
{
	if (t->state == L2TP_CLOSING || t->state == L2TP_ENDED)
		return;
	if (t->state == L2TP_IDLE) {
		tunnel_closed(t, now);
		return;
	}
	if (t->state != L2TP_CONNECTING)
		say_cdn(t, t->session, t->peer_session, L2TP_CDN_ADMIN, L2TP_ERROR_NONE, "");
	say_stopccn(t, L2TP_STOP_CLEAR, L2TP_ERROR_NONE, "");
	chan_close(&t->chan, now);
	tunnel_enter(t, L2TP_CLOSING, now);
	flush(t, now, out);
}

/* ---- receiving ---- */

/* Tunnel 0: only the request for a tunnel that the server wants to begin is sent there. */
static void refuse_tunnel(struct l2tp *t, const struct l2tp_head *h, msec now, struct io *out)
{
	struct l2tp_msg m;

	if (l2tp_msg_parse(&m, h->avps, &t->key) == L2TP_PARSE_BAD ||
		m.type != L2TP_SCCRQ /* check: tunnel-zero-request */) {
		t->bad++;
		return;
	}
	uint16_t peer = l2tp_msg_u16(&m, AVP_ASSIGNED_TUNNEL_ID);
	wipe(m.store, m.used);
	if (!peer /* check: tunnel-refusal-id */ ||
		now < t->refuse_from /* check: tunnel-refusal-rate */)
		return;
	t->refuse_from = now + refusal_pause;
	say_no_tunnel(t, peer, (uint16_t)(h->ns + 1), &out->down);
}

/* Nothing of a message counts, not even its Ns, before it is seen to begin with a Message Type. */
static void recv_control(struct l2tp *t, struct pkt *p, msec now, struct io *out)
{
	struct l2tp_head h;
	bool good = l2tp_head_parse(pkt_slice(p), &h) &&
		    (!h.avps.n || l2tp_msg_begins(h.avps)) /* check: l2tp-begins */;

	if (good && h.tunnel == t->tunnel /* check: l2tp-tunnel */) {
		if (!chan_recv(&t->chan, p, &h, now)) {
			t->bad++;
			return;
		}
		t->heard = now;
		for (p = chan_next(&t->chan); p; p = chan_next(&t->chan)) {
			tunnel_deliver(t, p, now);
			pkt_free(p);
		}
		return;
	}
	if (good && h.tunnel == 0)
		refuse_tunnel(t, &h, now, out);
	else
		t->bad++;
	pkt_free(p);
}

static void recv_data(struct l2tp *t, struct pkt *p, msec now, struct io *out)
{
	struct l2tp_data d;

	if (!l2tp_data_strip(p, &d) || d.tunnel != t->tunnel /* check: data-tunnel */ ||
		d.session != t->session /* check: data-session */) {
		t->bad++;
		pkt_free(p);
		return;
	}
	t->heard = now;
	if (t->state != L2TP_UP) { /* check: data-before-up */
		pkt_free(p);
		return;
	}
	if (!l2tp_order_accept(&t->order, &d)) { /* check: data-order */
		t->late++;
		pkt_free(p);
		return;
	}
	pktq_put(&out->up, p);
}

void l2tp_recv(struct l2tp *t, struct pktq *in, msec now, struct io *out)
{
	if (t->state == L2TP_IDLE) {
		pktq_free(in);
		return;
	}
	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		if (l2tp_is_control(pkt_slice(p)))
			recv_control(t, p, now, out);
		else
			recv_data(t, p, now, out);
	}
	flush(t, now, out);
}

/* ---- sending ---- */

void l2tp_send(struct l2tp *t, struct pktq *in, msec now, struct io *out)
{
	struct l2tp_data d = {.tunnel = t->peer_tunnel, .session = t->peer_session};

	(void)now;
	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		l2tp_order_number(&t->order, &d);
		if (t->state == L2TP_UP && l2tp_data_push(p, &d))
			pktq_put(&out->down, p);
		else
			pkt_free(p);
	}
}

/* ---- time ---- */

/* Only when nothing is on its way that would find out as well. RFC 2661, 5.5 */
static msec hello_due(const struct l2tp *t)
{
	if (t->state != L2TP_UP || !t->conf->hello || !chan_idle(&t->chan))
		return MSEC_NEVER;
	return t->heard + t->conf->hello;
}

static bool is_asleep(const struct l2tp *t)
{
	return t->state == L2TP_IDLE || t->state == L2TP_ENDED;
}

void l2tp_tick(struct l2tp *t, msec now, struct io *out)
{
	if (is_asleep(t))
		return;
	if (chan_tick(&t->chan, now, &out->down) == RETRY_GIVE_UP || now >= t->ends)
		tunnel_give_up(t, now);
	else if (now >= hello_due(t) && say_hello(t))
		tunnel_out_of_memory(t, now);
	flush(t, now, out);
}

msec l2tp_deadline(const struct l2tp *t)
{
	if (is_asleep(t))
		return MSEC_NEVER;
	return msec_min(chan_deadline(&t->chan), msec_min(t->ends, hello_due(t)));
}

/* ---- asking ---- */

bool l2tp_next_event(struct l2tp *t, struct l2tp_event *ev)
{
	if (t->first_event == t->last_event)
		return false;
	*ev = t->events[t->first_event++];
	return true;
}

void l2tp_get_status(const struct l2tp *t, struct l2tp_status *status)
{
	*status = (struct l2tp_status){
		.tunnel = t->tunnel,
		.peer_tunnel = t->peer_tunnel,
		.session = t->session,
		.peer_session = t->peer_session,
		.up = t->state == L2TP_UP,
		.sequencing = t->order.on,
		.retransmits = t->chan.repeats,
		.late = t->late,
		.bad = t->bad,
	};
	memcpy(status->peer_name, t->peer_name, sizeof(status->peer_name));
	memcpy(status->peer_vendor, t->peer_vendor, sizeof(status->peer_vendor));
}

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/str.h"
#include "l2tp/l2tp_priv.h"

enum { REFUSALS_QUEUED = 4 }; /* beyond that the server's own calls are not even refused */

/* A control message in its turn. */
struct incoming {
	const struct l2tp_head *head;
	const struct l2tp_msg *msg;
	msec now;
};

static void post(
	struct l2tp *t, enum l2tp_event_kind kind, const char *step, const struct reason *r)
{
	struct l2tp_event *ev = &t->events[t->last_event];

	if (t->last_event == L2TP_EVENTS)
		return;
	*ev = (struct l2tp_event){.kind = kind, .step = step};
	if (r)
		ev->reason = *r;
	t->last_event++;
}

void tunnel_enter(struct l2tp *t, enum l2tp_state state, msec now)
{
	struct retry verdict = RETRY_STOPPED;

	if (state == L2TP_CONNECTING || state == L2TP_CALLING)
		retry_start(&verdict, PATIENCE_EXCHANGE, t->conf->rtt, t->env, now);
	t->state = state;
	t->since = now;
	t->ends = verdict.ends;
}

/* ---- the ends ---- */

void tunnel_closed(struct l2tp *t, msec now)
{
	log_info(t->env->log, "l2tp", "tunnel closed");
	tunnel_enter(t, L2TP_ENDED, now);
	post(t, L2TP_EV_CLOSED, NULL, NULL);
}

static void fail(struct l2tp *t, const struct reason *r, msec now)
{
	log_info(t->env->log, "l2tp", "%s: %s", reason_row(r->id)->id, r->evidence);
	tunnel_enter(t, L2TP_ENDED, now);
	post(t, L2TP_EV_FAILED, NULL, r);
}

/* Fail, and say so. The owner frees us next, so the StopCCN goes out at once and only once. */
static void stop(struct l2tp *t, enum l2tp_stop_result result, uint16_t error, const char *text,
	const struct reason *r, msec now)
{
	say_stopccn(t, result, error, text);
	chan_close(&t->chan, now);
	fail(t, r, now);
}

void tunnel_out_of_memory(struct l2tp *t, msec now)
{
	struct reason r;

	reason_set(&r, REASON_LOCAL_NO_MEMORY, "in L2TP");
	stop(t, L2TP_STOP_ERROR, L2TP_ERROR_RESOURCES, "", &r, now);
}

static void out_of_crypto(struct l2tp *t, msec now)
{
	struct reason r;

	reason_set(&r, REASON_LOCAL_CRYPTO, "MD5 for the tunnel secret");
	stop(t, L2TP_STOP_ERROR, L2TP_ERROR_RESOURCES, "", &r, now);
}

static void not_authorized(struct l2tp *t, const char *why, msec now)
{
	struct reason r;

	reason_set(&r, REASON_L2TP_AUTH, "%s", why);
	stop(t, L2TP_STOP_NOT_AUTHORIZED, L2TP_ERROR_NONE, "", &r, now);
}

/* A message that breaks the rules: CDN for one of the call, StopCCN anyway. RFC 2661, 4.2, 7.1 */
static void broken(struct l2tp *t, uint16_t type, enum l2tp_error error, const char *text, msec now)
{
	struct reason r;

	reason_set(&r, REASON_L2TP_FAIL, "%s: %s", l2tp_message_name(type), text);
	if (!l2tp_message_is_call(type)) {
		stop(t, L2TP_STOP_ERROR, (uint16_t)error, text, &r, now);
		return;
	}
	say_cdn(t, t->session, t->peer_session, L2TP_CDN_ERROR, error, text);
	stop(t, L2TP_STOP_CLEAR, L2TP_ERROR_NONE, "", &r, now);
}

void tunnel_give_up(struct l2tp *t, msec now)
{
	const struct l2tp_chan *c = &t->chan;
	enum reason_id id = t->state == L2TP_UP ? REASON_LINK_LOST : REASON_L2TP_NO_ANSWER;
	uint64_t seconds = (now - t->since) / SECONDS(1);
	struct reason r;

	if (t->state == L2TP_CLOSING) {
		tunnel_closed(t, now);
		return;
	}
	if (t->state == L2TP_UP)
		reason_set(&r, id, "%s sent %u times, no answer; last heard %" PRIu64 " s ago",
			l2tp_message_name((uint16_t)c->out[0].type), c->retry.copies,
			(now - t->heard) / SECONDS(1));
	else if (!chan_idle(c))
		reason_set(&r, id, "%s sent %u times in %" PRIu64 " s, no answer",
			l2tp_message_name((uint16_t)c->out[0].type), c->retry.copies, seconds);
	else
		reason_set(&r, id, "%s was acknowledged, but not answered in %" PRIu64 " s",
			t->state == L2TP_CONNECTING ? "SCCRQ" : "ICRQ", seconds);
	stop(t, L2TP_STOP_CLEAR, L2TP_ERROR_NONE, "", &r, now);
}

/* ---- the actions ---- */

/* Our challenge must have been answered; RFC 2661, 5.1.1. False when the tunnel has failed. */
static bool peer_is_proven(struct l2tp *t, const struct incoming *in)
{
	uint8_t want[L2TP_RESPONSE];
	struct slice got = in->msg->avp[AVP_CHALLENGE_RESPONSE];

	if (!t->key.secret.n)
		return true;
	if (!say_response(t, L2TP_SCCRP, slice(t->challenge, sizeof(t->challenge)), want)) {
		out_of_crypto(t, in->now);
		return false;
	}
	bool proven = secret_equal(got, slice(want, sizeof(want))) /* check: tunnel-response */;
	wipe(want, sizeof(want));
	if (!proven)
		not_authorized(t,
			got.n ? "the server answered our challenge wrongly"
			      : "the server did not answer our challenge",
			in->now);
	return proven;
}

/* SCCCN, with our proof if the server wants one. False when the tunnel has failed. */
static bool confirm_tunnel(struct l2tp *t, const struct incoming *in)
{
	uint8_t response[L2TP_RESPONSE];
	bool asked = l2tp_msg_has(in->msg, AVP_CHALLENGE);

	if (asked && !t->key.secret.n) { /* check: tunnel-secret-demanded */
		not_authorized(t, "the server demands a tunnel secret and none is set", in->now);
		return false;
	}
	if (asked && !say_response(t, L2TP_SCCCN, in->msg->avp[AVP_CHALLENGE], response)) {
		out_of_crypto(t, in->now);
		return false;
	}
	if (say_scccn(t, asked ? response : NULL)) {
		tunnel_out_of_memory(t, in->now);
		return false;
	}
	return true;
}

static bool version_is_ours(struct l2tp *t, const struct incoming *in)
{
	uint16_t version = l2tp_msg_u16(in->msg, AVP_PROTOCOL_VERSION);
	struct reason r;

	if (version >> 8 == 1 /* check: tunnel-version */)
		return true;
	reason_set(&r, REASON_L2TP_FAIL, "the server speaks protocol version %u.%u", version >> 8,
		version & 0xffu);
	stop(t, L2TP_STOP_VERSION, 0x0100, "", &r, in->now); /* the highest we know */
	return false;
}

static void learn_name(const struct l2tp_msg *m, enum avp_type type, char *to, size_t room)
{
	char escaped[STR_ESCAPED];

	snprintf(to, room, "%s", str_escape(m->avp[type], escaped));
}

static bool tunnel_accepted(struct l2tp *t, const struct incoming *in)
{
	learn_name(in->msg, AVP_HOST_NAME, t->peer_name, sizeof(t->peer_name));
	learn_name(in->msg, AVP_VENDOR_NAME, t->peer_vendor, sizeof(t->peer_vendor));
	if (!t->peer_tunnel) { /* check: tunnel-id-zero */
		broken(t, L2TP_SCCRP, L2TP_ERROR_VALUE, "Assigned Tunnel ID is 0", in->now);
		return false;
	}
	if (!version_is_ours(t, in) || !peer_is_proven(t, in) || !confirm_tunnel(t, in))
		return false;
	if (say_icrq(t)) {
		tunnel_out_of_memory(t, in->now);
		return false;
	}
	log_info(t->env->log, "l2tp", "tunnel %u/%u host=\"%s\" vendor=\"%s\" window=%u", t->tunnel,
		t->peer_tunnel, t->peer_name, t->peer_vendor, t->chan.window);
	post(t, L2TP_EV_PROGRESS, "tunnel", NULL);
	return true;
}

static bool call_accepted(struct l2tp *t, const struct incoming *in)
{
	t->peer_session = l2tp_msg_u16(in->msg, AVP_ASSIGNED_SESSION_ID);
	if (!t->peer_session) { /* check: session-id-zero */
		broken(t, L2TP_ICRP, L2TP_ERROR_VALUE, "Assigned Session ID is 0", in->now);
		return false;
	}
	if (say_iccn(t)) {
		tunnel_out_of_memory(t, in->now);
		return false;
	}
	log_info(t->env->log, "l2tp", "session %u/%u", t->session, t->peer_session);
	post(t, L2TP_EV_PROGRESS, "session", NULL);
	post(t, L2TP_EV_UP, NULL, NULL);
	return true;
}

/* StopCCN or CDN of the peer. After a CDN the tunnel is of no use: we stop it ourselves. */
static bool peer_ends(struct l2tp *t, const struct incoming *in)
{
	char text[REASON_EVIDENCE];
	struct reason r;

	reason_set(&r, t->state == L2TP_UP ? REASON_L2TP_CLOSED_BY_PEER : REASON_L2TP_REFUSED, "%s",
		l2tp_msg_result_text(in->msg, text, sizeof(text)));
	if (in->msg->type == L2TP_STOPCCN) {
		chan_forget(&t->chan);
		fail(t, &r, in->now);
	} else {
		stop(t, L2TP_STOP_CLEAR, L2TP_ERROR_NONE, "", &r, in->now);
	}
	return false;
}

static bool peer_ends_too(struct l2tp *t, const struct incoming *in)
{
	tunnel_closed(t, in->now);
	return false;
}

/* A call of the server's. We take none; no state is made for it. */
static bool refuse_call(struct l2tp *t, const struct incoming *in)
{
	uint16_t peer = l2tp_msg_u16(in->msg, AVP_ASSIGNED_SESSION_ID);

	if (peer && t->chan.queued < REFUSALS_QUEUED /* check: call-refusals */)
		say_cdn(t, say_other_id(t, t->session), peer, L2TP_CDN_NO_FACILITIES,
			L2TP_ERROR_NONE, "");
	return true;
}

static bool nothing(struct l2tp *t, const struct incoming *in)
{
	(void)t;
	(void)in;
	return true;
}

/* ---- the rows ---- */

enum {
	CONNECTING = 1 << L2TP_CONNECTING,
	CALLING = 1 << L2TP_CALLING,
	UP = 1 << L2TP_UP,
	CLOSING = 1 << L2TP_CLOSING,
	LIVE = CONNECTING | CALLING | UP,
};

/* RFC 2661, 7.2.1 and 7.4.1, for a client that places one call. `next` is entered when the action
 * says true; otherwise it has entered a state itself. What has no row is out of turn. */
/* clang-format off */
static const struct row {
	unsigned states;
	enum l2tp_message message;
	bool (*action)(struct l2tp *t, const struct incoming *in);
	enum l2tp_state next;
} rows[] = {
	{CONNECTING, L2TP_SCCRP,   tunnel_accepted, L2TP_CALLING},
	{CALLING,    L2TP_ICRP,    call_accepted,   L2TP_UP},
	{LIVE,       L2TP_STOPCCN, peer_ends,       L2TP_ENDED},
	{LIVE,       L2TP_CDN,     peer_ends,       L2TP_ENDED},
	{LIVE,       L2TP_HELLO,   nothing,         L2TP_SAME},
	{LIVE,       L2TP_SLI,     nothing,         L2TP_SAME},
	{LIVE,       L2TP_WEN,     nothing,         L2TP_SAME},
	{LIVE,       L2TP_OCRQ,    refuse_call,     L2TP_SAME},
	{LIVE,       L2TP_ICRQ,    refuse_call,     L2TP_SAME},
	{CLOSING,    L2TP_STOPCCN, peer_ends_too,   L2TP_ENDED},
};
/* clang-format on */

static bool is_live(const struct l2tp *t)
{
	return LIVE >> t->state & 1;
}

static void step(struct l2tp *t, const struct incoming *in)
{
	struct reason r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];

		if (row->message != in->msg->type || !(row->states >> t->state & 1))
			continue;
		if (row->action(t, in) && row->next != L2TP_SAME)
			tunnel_enter(t, row->next, in->now);
		return;
	}
	if (!is_live(t))
		return;
	reason_set(&r, REASON_L2TP_FAIL, "%s out of turn", l2tp_message_name(in->msg->type));
	stop(t, L2TP_STOP_FSM, L2TP_ERROR_NONE, "", &r, in->now);
}

/* ---- delivery ---- */

/* A message of a call is for us if it names our session; a CDN may name none, from a server that
 * never had one. Requests for new calls name none. */
static bool is_addressed(const struct l2tp *t, const struct incoming *in)
{
	uint16_t type = in->msg->type, session = in->head->session;

	if (!l2tp_message_is_call(type) || type == L2TP_OCRQ || type == L2TP_ICRQ)
		return true;
	return /* check: call-session */ session == t->session || (type == L2TP_CDN && !session);
}

/* A faulty message ends the tunnel, unless it is an end itself or wants a call we refuse anyway. */
static bool is_fatal(const struct l2tp *t, uint16_t type)
{
	bool harmless =
		type == L2TP_STOPCCN || type == L2TP_CDN || type == L2TP_OCRQ || type == L2TP_ICRQ;

	return is_live(t) && !harmless;
}

static void faulty(struct l2tp *t, const struct l2tp_msg *m, msec now)
{
	if (!m->fault_hidden)
		broken(t, m->type, m->fault, m->text, now);
	else if (t->key.secret.n)
		not_authorized(t, "the server hides values with another tunnel secret", now);
	else
		not_authorized(
			t, "the server hides values with a tunnel secret and none is set", now);
}

/* The first message of the server, whatever becomes of it, tells where our answers go. */
static void learn_tunnel(struct l2tp *t, const struct l2tp_msg *m)
{
	if (t->peer_tunnel /* check: tunnel-id-once */ ||
		(m->type != L2TP_SCCRP && m->type != L2TP_STOPCCN) /* check: tunnel-id-from */)
		return;
	t->peer_tunnel = l2tp_msg_u16(m, AVP_ASSIGNED_TUNNEL_ID);
	t->chan.tunnel = t->peer_tunnel;
	if (l2tp_msg_has(m, AVP_RECEIVE_WINDOW_SIZE))
		chan_set_window(&t->chan, l2tp_msg_u16(m, AVP_RECEIVE_WINDOW_SIZE));
}

void tunnel_deliver(struct l2tp *t, const struct pkt *p, msec now)
{
	struct l2tp_head h;
	struct l2tp_msg m;
	struct incoming in = {.head = &h, .msg = &m, .now = now};

	if (!l2tp_head_parse(pkt_slice(p), &h))
		return;
	enum l2tp_parse verdict = l2tp_msg_parse(&m, h.avps, &t->key);
	log_debug(t->env->log, "l2tp", "recv %s Ns=%u", l2tp_message_name(m.type), h.ns);
	if (verdict == L2TP_PARSE_OK || verdict == L2TP_PARSE_FAULT) {
		learn_tunnel(t, &m);
		if (!is_addressed(t, &in))
			t->bad++;
		else if (verdict == L2TP_PARSE_FAULT && is_fatal(t, m.type))
			faulty(t, &m, now);
		else
			step(t, &in);
	}
	wipe(m.store, m.used);
}

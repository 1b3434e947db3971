/* One tunnel from the inside: l2tp.c is the public face, timers and data; l2tp_tunnel.c the states;
 * l2tp_say.c the messages of ours. */
#pragma once

#include "base/patience.h"
#include "l2tp/l2tp.h"
#include "l2tp/l2tp_avp.h"
#include "l2tp/l2tp_chan.h"
#include "l2tp/l2tp_data.h"
#include "l2tp/l2tp_msg.h"

/* Tunnel and session live and die together, so their states are one line of states. */
enum l2tp_state {
	L2TP_IDLE,
	L2TP_CONNECTING, /* SCCRQ has gone */
	L2TP_CALLING,    /* SCCCN and ICRQ have gone */
	L2TP_UP,         /* ICCN has gone */
	L2TP_CLOSING,    /* our CDN and StopCCN have gone */
	L2TP_ENDED,      /* nothing but acknowledgements */
	L2TP_SAME,       /* in a row of the table: no other state */
};

enum {
	L2TP_CHALLENGE = 16, /* octets of our challenge */
	L2TP_RESPONSE = 16,  /* of an MD5 hash */
	L2TP_EVENTS = 4,     /* tunnel, session, up, the end: each at most once */
};

struct l2tp {
	const struct l2tp_conf *conf;
	const struct env *env;
	struct avp_key key;
	struct l2tp_chan chan;
	enum l2tp_state state;
	uint16_t tunnel, peer_tunnel, session, peer_session;
	uint8_t challenge[L2TP_CHALLENGE];
	msec since;       /* the state began */
	msec ends;        /* its verdict, for when the channel has none to give */
	msec heard;       /* the peer's last packet */
	msec refuse_from; /* the next tunnel of the server's that will be answered */
	struct l2tp_order order;
	struct l2tp_event events[L2TP_EVENTS];
	unsigned first_event, last_event;
	char peer_name[64], peer_vendor[64]; /* escaped */
	uint64_t late, bad;
};

/* ---- l2tp_tunnel.c ---- */

void tunnel_enter(struct l2tp *t, enum l2tp_state state, msec now);

/* A control message in its turn; borrowed. */
void tunnel_deliver(struct l2tp *t, const struct pkt *p, msec now);

/* Our close is complete: acknowledged, answered or given up. */
void tunnel_closed(struct l2tp *t, msec now);

/* The channel or the state has lost its patience. */
void tunnel_give_up(struct l2tp *t, msec now);

void tunnel_out_of_memory(struct l2tp *t, msec now);

/* ---- l2tp_say.c ---- */

/* They queue one message. 0, or -errno when memory or the queue is short. */
[[gnu::warn_unused_result]] int say_sccrq(struct l2tp *t);
[[gnu::warn_unused_result]] int say_scccn(struct l2tp *t, const uint8_t *response); /* or NULL */
[[gnu::warn_unused_result]] int say_icrq(struct l2tp *t);
[[gnu::warn_unused_result]] int say_iccn(struct l2tp *t);
[[gnu::warn_unused_result]] int say_hello(struct l2tp *t);

/* These two are farewells: when they cannot be said there is nothing to be done about it.
 * `session` is our id, `peer` the other end's, 0 if it never told. */
void say_cdn(struct l2tp *t, uint16_t session, uint16_t peer, enum l2tp_cdn_result result,
	enum l2tp_error error, const char *text);
void say_stopccn(struct l2tp *t, enum l2tp_stop_result result, uint16_t error, const char *text);

/* Refuse a tunnel of the server's. The StopCCN acknowledges its SCCRQ too and is sent outside the
 * channel, which belongs to our own tunnel: nothing is remembered. */
void say_no_tunnel(struct l2tp *t, uint16_t peer_tunnel, uint16_t nr, struct pktq *down);

/* A random id other than ours, for what we refuse: the AVP must not name what is alive. */
uint16_t say_other_id(const struct l2tp *t, uint16_t ours);

/* MD5(message type of the carrier | secret | challenge); RFC 2661, 4.4.3. False when OpenSSL
 * failed. */
[[gnu::warn_unused_result]] bool say_response(const struct l2tp *t, enum l2tp_message carrier,
	struct slice challenge, uint8_t response[L2TP_RESPONSE]);

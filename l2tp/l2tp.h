/* One L2TPv2 tunnel carrying one PPP session, client (LAC) side. RFC 2661.
 *
 * Sans-I/O: the payloads of UDP 1701 and time come in as arguments, payloads go out through
 * out->down and PPP frames through out->up, news is collected with l2tp_next_event(). Never blocks,
 * never calls its user.
 *
 *   SCCRQ > SCCRP > SCCCN     the tunnel: control connection, 3 messages
 *   ICRQ  > ICRP  > ICCN      the session: incoming call, 3 messages; then PPP frames flow */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"
#include "base/msec.h"
#include "base/pkt.h"
#include "base/reason.h"

struct l2tp;

/* Borrowed for the life of the tunnel. */
struct l2tp_conf {
	const char *hostname; /* Host Name AVP */
	struct slice secret;  /* tunnel secret or empty; RFC 2661, 5.1.1 */
	msec hello;           /* silence before we send a Hello, 0 = never; RFC 2661, 5.5 */
	uint16_t window;      /* our Receive Window Size, in messages; Windows sends 8 */
	msec rtt;             /* measured by IKE, 0 = unknown; for the first retransmission */
};

enum l2tp_event_kind {
	L2TP_EV_PROGRESS, /* news: `step` was reached, "tunnel", "session" */
	L2TP_EV_UP,       /* news: the session is up, PPP frames may flow; see l2tp_get_status() */
	L2TP_EV_CLOSED,   /* news: our own close has been acknowledged or given up */
	L2TP_EV_FAILED,   /* news: the end; `reason`. Nothing but l2tp_free() follows */
};

struct l2tp_event {
	enum l2tp_event_kind kind;
	const char *step;
	struct reason reason;
};

struct l2tp_status {
	uint16_t tunnel, peer_tunnel, session, peer_session;
	bool up, sequencing;
	char peer_name[64], peer_vendor[64]; /* escaped */
	uint64_t retransmits, late, bad; /* control repeats; late data frames; malformed packets */
};

struct l2tp *l2tp_new(const struct l2tp_conf *conf, const struct env *env);
void l2tp_free(struct l2tp *t); /* sends nothing; wipes. NULL is allowed */

void l2tp_open(struct l2tp *t, msec now, struct io *out);

/* CDN and StopCCN with "general request to clear"; each repeated once, then CLOSED, 3 s at most. */
void l2tp_close(struct l2tp *t, msec now, struct io *out);

/* UDP payloads from the network. Takes every packet of `in`: PPP frames move to out->up with the
 * header stripped in place, control messages are answered, the rest is dropped and counted. */
void l2tp_recv(struct l2tp *t, struct pktq *in, msec now, struct io *out);

/* PPP frames to the peer: a data header is pushed in place and the packet moves to out->down.
 * Takes every packet; dropped while the session is not up. */
void l2tp_send(struct l2tp *t, struct pktq *in, msec now, struct io *out);

void l2tp_tick(struct l2tp *t, msec now, struct io *out);
msec l2tp_deadline(const struct l2tp *t);
bool l2tp_next_event(struct l2tp *t, struct l2tp_event *ev);
void l2tp_get_status(const struct l2tp *t, struct l2tp_status *status);

/* The L2TP network server of the test gateway: one tunnel, one session. See gateway.h. */
#pragma once

#include "tests/peer/gateway.h"

struct l2tp_peer;

struct l2tp_peer *l2tp_peer_new(const struct gateway_conf *conf, const struct env *env);
void l2tp_peer_free(struct l2tp_peer *p);

/* One L2TP message, taken. A PPP frame of the session goes to `frames`, answers go to `out`. */
void l2tp_peer_recv(
	struct l2tp_peer *p, struct pkt *in, msec now, struct pktq *frames, struct pktq *out);

/* PPP frames to the client; takes all. */
void l2tp_peer_send(struct l2tp_peer *p, struct pktq *frames, struct pktq *out);

void l2tp_peer_tick(struct l2tp_peer *p, msec now, struct pktq *out);
msec l2tp_peer_deadline(const struct l2tp_peer *p);
void l2tp_peer_hang_up(struct l2tp_peer *p, msec now, struct pktq *out); /* CDN */
void l2tp_peer_stop(struct l2tp_peer *p, const char *text, msec now, struct pktq *out);
bool l2tp_peer_tunnel(const struct l2tp_peer *p);
bool l2tp_peer_session(const struct l2tp_peer *p);

/* Counts tunnels that another has taken the place of before they ended. */
unsigned l2tp_peer_replaced(const struct l2tp_peer *p);

/* Counts sessions that came up: a new one means a new PPP link. */
unsigned l2tp_peer_sessions(const struct l2tp_peer *p);

/* The PPP end of the test gateway: asks for authentication, gives an address. See gateway.h. */
#pragma once

#include "tests/peer/gateway.h"

struct ppp_peer;

struct ppp_peer *ppp_peer_new(const struct gateway_conf *conf, const struct env *env, msec now);
void ppp_peer_free(struct ppp_peer *p);

/* PPP frames from the client, all taken. IP packets go to `ip`, answers to `out`. */
void ppp_peer_recv(
	struct ppp_peer *p, struct pktq *in, msec now, struct pktq *ip, struct pktq *out);

/* IP packets to the client become frames; all taken, dropped while the link is not up. */
void ppp_peer_send(struct ppp_peer *p, struct pktq *ip, struct pktq *out);

void ppp_peer_tick(struct ppp_peer *p, msec now, struct pktq *out);
msec ppp_peer_deadline(const struct ppp_peer *p);
bool ppp_peer_up(const struct ppp_peer *p);
bool ppp_peer_logged_in(const struct ppp_peer *p);
bool ppp_peer_over(const struct ppp_peer *p); /* the client has stopped answering */

/* The IKE of the test gateway. See gateway.h; what is here serves gateway.c alone. */
#pragma once

#include "tests/peer/gateway.h"

struct ike_peer;

enum ike_peer_news_kind {
	PEER_PAIR, /* install `pair` and use it */
	PEER_DROP, /* the client deleted the pair it receives on with `spi` */
	PEER_SPI,  /* `spi` goes to the client: it may send on it */
	PEER_GONE, /* the last IKE SA is gone */
};

struct ike_peer_news {
	enum ike_peer_news_kind kind;
	struct sa_pair pair;
	uint32_t spi;
};

struct ike_peer *ike_peer_new(const struct gateway_conf *conf, const struct env *env);
void ike_peer_free(struct ike_peer *p);

/* One ISAKMP message, taken. Answers have their lane. */
void ike_peer_recv(
	struct ike_peer *p, struct pkt *in, const struct addr *from, msec now, struct pktq *out);
void ike_peer_tick(struct ike_peer *p, msec now, struct pktq *out);
msec ike_peer_deadline(const struct ike_peer *p);
bool ike_peer_next(struct ike_peer *p, struct ike_peer_news *news);

void ike_peer_rekey(struct ike_peer *p, msec now, struct pktq *out);
void ike_peer_delete_esp(struct ike_peer *p, uint32_t spi, msec now, struct pktq *out);
void ike_peer_delete_ike(struct ike_peer *p, msec now, struct pktq *out);
unsigned ike_peer_phase1s(const struct ike_peer *p);
unsigned ike_peer_main_modes(const struct ike_peer *p);
unsigned ike_peer_quick_modes(const struct ike_peer *p);

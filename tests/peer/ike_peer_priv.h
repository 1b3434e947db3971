/* What ike_peer.c (phase 1, notifies) and ike_peer_quick.c share. */
#pragma once

#include "base/crypto_dh.h"
#include "base/patience.h"
#include "ike/ike_keys.h"
#include "ike/ike_msg.h"
#include "ike/ike_prop.h"
#include "tests/peer/ike_peer.h"

enum { PHASE1S = 4, QUICKS = 8, MESSAGE = 2048, NEWS = 16, NONCE = 16 };

/* A request we have answered, and the answer: the same octets get the same octets. */
struct answered {
	uint8_t request[MESSAGE], reply[MESSAGE];
	size_t request_len, reply_len;
};

enum phase1_state { P1_FREE, P1_SA, P1_KE, P1_UP };

struct phase1 {
	enum phase1_state state;
	enum lane lane;
	msec since;
	uint8_t cookie_i[IKE_COOKIE], cookie_r[IKE_COOKIE];
	struct ike_suite suite;
	uint8_t sa_i[MESSAGE], ni[IKE_NONCE_MAX], nr[NONCE], gxi[DH_PUBLIC_MAX];
	size_t sa_i_len, ni_len, gxi_len;
	struct dh *dh;
	struct ike_keys keys;
	uint8_t iv[IKE_BLOCK_MAX]; /* the next phase 1 message's, then the last block */
	bool natt;                 /* the client speaks our kind of it */
	unsigned unreadable;       /* messages 5 that were */
	bool encapsulate;          /* somebody is behind NAT, or pretends to be */
	msec dpd_due, drop_due;
	uint32_t dpd_seq;
	struct answered last;
};

struct quick {
	struct phase1 *p1; /* NULL = free */
	bool ours;         /* we began it */
	bool done;
	uint32_t id;
	uint32_t spi_in, spi_out;
	struct esp_suite suite;
	struct dh *dh; /* with PFS */
	uint8_t gxy[DH_SECRET_MAX];
	size_t gxy_len;
	uint8_t n_own[NONCE], n_other[IKE_NONCE_MAX];
	size_t n_other_len;
	uint8_t iv[IKE_BLOCK_MAX];
	struct retry retry;
	struct answered last;
};

struct ike_peer {
	const struct gateway_conf *conf;
	const struct env *env;
	struct addr client[LANES];
	struct phase1 phase1[PHASE1S];
	struct quick quick[QUICKS];
	struct esp_suite suite; /* of the last pair: what our own rekeys ask for */
	bool have_suite;
	struct addr local_inner; /* selectors of the first quick mode */
	uint16_t client_port;
	msec rekey_due;
	unsigned main_modes, quick_modes;
	struct ike_peer_news news[NEWS];
	unsigned n_news;
};

struct ike_peer_news *peer_post(struct ike_peer *p, enum ike_peer_news_kind kind);

/* For gateway_conf.keylog: what was just made. */
void peer_tell_phase1(const struct ike_peer *p, const struct ike_keys *k, struct slice gxy);
void peer_tell_pair(const struct ike_peer *p, const struct sa_pair *pair);

/* Send a finished message; `keep` remembers it as the answer to its request. */
void peer_emit(struct ike_peer *p, const struct phase1 *p1, struct slice message,
	struct answered *keep, struct pktq *out);

void quick_recv(struct ike_peer *p, struct phase1 *p1, const struct ike_hdr *h,
	struct slice message, msec now, struct pktq *out);
void quick_start(struct ike_peer *p, struct phase1 *p1, msec now, struct pktq *out);
void quick_tick(struct ike_peer *p, msec now, struct pktq *out);
void quick_free(struct quick *q);

/* A protected informational with what `fill` writes. */
void peer_inform(struct ike_peer *p, struct phase1 *p1, struct pktq *out,
	void (*fill)(struct ike_build *b, void *arg), void *arg);

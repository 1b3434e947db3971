/* The state of a link, shared by the files of this folder. */
#pragma once

#include "base/secret.h"
#include "ppp/auth.h"
#include "ppp/cp.h"
#include "ppp/ppp.h"
#include "ppp/ppp_frame.h"

/* RFC 1661, 3.2. */
enum ppp_phase {
	PHASE_DEAD,
	PHASE_ESTABLISH,
	PHASE_AUTHENTICATE,
	PHASE_NETWORK,
	PHASE_TERMINATE, /* the owner closes */
	PHASE_OVER,      /* CLOSED or FAILED was posted */
};

/* News for the owner, one bit each, in the order in which they are told. What has happened twice
 * since the owner last asked is told once: it reads the state with ppp_get_status(). */
enum ppp_news {
	NEWS_DOWN,
	NEWS_LCP,
	NEWS_SECRET,
	NEWS_AUTH,
	NEWS_IPCP,
	NEWS_UP,
	NEWS_CLOSED,
	NEWS_FAILED,
	NEWS,
};

enum { PPP_MRU_DEFAULT = 1500, PPP_MTU_LEAST = 576, PPP_MTU_MOST = 1500 };

struct ppp {
	struct ppp_conf conf;
	const struct env *env;
	msec now;       /* of the call in progress */
	struct pktq tx; /* frames that this call sends */
	enum ppp_phase phase;
	struct cp lcp, ipcp;
	struct auth auth;

	/* LCP */
	uint16_t mru;      /* we ask for */
	uint16_t peer_mru; /* the peer asks for */
	bool peer_acfc;    /* the peer takes frames without ff 03 */
	uint32_t magic;    /* ours; 0 when the peer rejects the option */
	unsigned asks;     /* requests of the peer's */
	unsigned loops;    /* requests that came with our own magic number */

	/* IPCP */
	bool ipcp_heard; /* a packet of it has come */
	struct ip local, peer, dns[2], wins[2];

	/* liveness */
	bool heard; /* a well-formed frame has come */
	msec echo_due, echoing_since;
	unsigned echoes_out;

	bool up;
	bool told_up; /* the owner's view */
	uint32_t news;
	struct reason reason;
	uint32_t question; /* id of the latest */
	char message[128];
	uint64_t echoes_lost, bad;
};

extern const struct cp_proto lcp_proto;
extern const struct cp_proto ipcp_proto;

void lcp_reset(struct ppp *p);
void lcp_agreed(struct ppp *p); /* opened: what was refused on the way is forgotten */
void lcp_echo_request(struct ppp *p);
void lcp_protocol_reject(struct ppp *p, uint16_t protocol, struct slice info);
void ipcp_reset(struct ppp *p);

/* What both ends take, within what we allow; RFC 1661, 6.1. */
uint16_t ppp_mtu(const struct ppp *p);

void ppp_tell(struct ppp *p, enum ppp_news news);
void ppp_log_packet(const struct ppp *p, const char *way, const char *layer, uint8_t code,
	uint8_t id, struct slice data);

/* A control packet to the peer; without memory it counts as lost on the way. */
void ppp_send_packet(struct ppp *p, uint16_t protocol, uint8_t code, uint8_t id, struct slice data);

/* The end: Terminate-Request if there is a link to end, FAILED, every secret wiped. */
[[gnu::format(printf, 3, 4)]] void ppp_fail(struct ppp *p, enum reason_id id, const char *fmt, ...);

/* Phases, called by the layer that has reached one. */
void ppp_authenticate(struct ppp *p); /* LCP is up */
void ppp_network(struct ppp *p);      /* the server has taken us and proved itself */
void ppp_link_up(struct ppp *p);      /* IPCP is up */
void ppp_link_down(struct ppp *p);    /* IPCP is down again */
void ppp_establish(struct ppp *p);    /* LCP is down again: everything above too */
void ppp_closed(struct ppp *p);       /* our own close is done */

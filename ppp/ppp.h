/* One PPP link, client side: LCP, authentication of us by the server, IPCP. RFC 1661, 1332, 1877,
 * 1994, 2759.
 *
 * Sans-I/O: PPP frames (with or without ff 03) and time come in as arguments, frames go out through
 * out->down and IP packets through out->up. News and questions are collected with
 * ppp_next_event(). Never blocks, never calls its user.
 *
 *   Dead > Establish (LCP) > Authenticate > Network (IPCP, ...) > Terminate */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/answer.h"
#include "base/env.h"
#include "base/msec.h"
#include "base/pkt.h"
#include "base/reason.h"

struct ppp;

/* Methods the file allows; the server asks for one of them. */
enum ppp_auth {
	PPP_AUTH_PAP = 1 << 0,
	PPP_AUTH_CHAP_MD5 = 1 << 1,
	PPP_AUTH_MSCHAPV1 = 1 << 2, /* named in files, not spoken yet */
	PPP_AUTH_MSCHAPV2 = 1 << 3,
};

/* Borrowed for the life of the link. */
struct ppp_conf {
	struct slice user;        /* octets as typed, domain included */
	struct slice password;    /* UTF-8; p == NULL: ask with WANT_SECRET */
	unsigned auth;            /* enum ppp_auth, or-ed */
	uint16_t mru;             /* we ask for it and announce it; 1400 */
	struct ip want;           /* an address to ask for, or FAMILY_NONE */
	bool want_dns, want_wins; /* WINS costs a round trip with servers that have none */
	msec echo_interval;       /* LCP echo after this silence; 0 = never */
	msec echo_patience;       /* echoes that long without an answer are LINK-LOST */
	msec rtt;                 /* measured by IKE, 0 = unknown */
};

enum ppp_event_kind {
	PPP_EV_PROGRESS,    /* news: `step` was reached: "lcp", "auth", "ipcp" */
	PPP_EV_WANT_SECRET, /* question: the user's password */
	PPP_EV_UP,          /* news: IP may flow; ppp_get_status() has the addresses */
	PPP_EV_DOWN,        /* news: IP must stop (the peer renegotiates); UP may follow */
	PPP_EV_CLOSED,      /* news: our own close is done */
	PPP_EV_FAILED,      /* news: the end; `reason`. Nothing but ppp_free() follows */
};

struct ppp_event {
	enum ppp_event_kind kind;
	uint32_t id;
	const char *step;
	struct reason reason;
};

struct ppp_status {
	bool lcp_open, authenticated, up;
	const char *auth; /* "mschapv2", "chap-md5", ..., "" before */
	struct ip local, peer, dns[2], wins[2];
	uint16_t mtu;      /* the peer's MRU, capped by ours */
	char message[128]; /* the server's M= text, escaped */
	uint64_t echoes_lost, bad;
};

struct ppp *ppp_new(const struct ppp_conf *conf, const struct env *env);
void ppp_free(struct ppp *p); /* sends nothing; wipes. NULL is allowed */

void ppp_open(struct ppp *p, msec now, struct io *out);  /* the lower layer is up: start LCP */
void ppp_close(struct ppp *p, msec now, struct io *out); /* Terminate-Request, 3 s at most */

/* Frames from the server. Takes all of `in`: IP packets move to out->up with the PPP header
 * stripped in place (only while up), the rest is answered or dropped and counted. */
void ppp_recv(struct ppp *p, struct pktq *in, msec now, struct io *out);

/* IP packets to the server: the PPP header is pushed in place, the packet moves to out->down.
 * Takes every packet; dropped while not up. */
void ppp_send(struct ppp *p, struct pktq *in, msec now, struct io *out);

void ppp_tick(struct ppp *p, msec now, struct io *out);
msec ppp_deadline(const struct ppp *p);
bool ppp_next_event(struct ppp *p, struct ppp_event *ev);
void ppp_answer(struct ppp *p, uint32_t id, const struct answer *answer, msec now, struct io *out);
void ppp_get_status(const struct ppp *p, struct ppp_status *status);

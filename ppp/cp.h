/* One control protocol (LCP, IPCP) of one link: the automaton's actions carried out, its packets
 * read and written, requests repeated, negotiations that lead nowhere ended. RFC 1661, 4 and 5.
 *
 * What LCP and IPCP differ in is a const struct cp_proto. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/patience.h"
#include "ppp/fsm.h"
#include "ppp/opts.h"
#include "ppp/ppp_frame.h"

struct ppp;

/* Why a control protocol is over. */
enum cp_end {
	CP_SILENCE,    /* requests were repeated long enough */
	CP_TERMINATED, /* the peer's Terminate-Request; `text` is what it says */
	CP_REJECTED,   /* the peer knows neither our protocol nor our codes */
	CP_CLOSED,     /* our own Terminate-Request was acknowledged */
	CP_ROUNDS,     /* too many Naks and Rejects; `text` is the last packet */
};

struct cp_proto {
	uint16_t protocol;
	const char *name;
	const struct opt *options;
	size_t n_options;

	void (*asked)(struct ppp *p); /* a Configure-Request is going to be judged */
	void (*up)(struct ppp *p);
	void (*down)(struct ppp *p);
	void (*over)(struct ppp *p, enum cp_end end, struct slice text);

	/* Codes beyond 7; false when it does not know this one either. May be NULL. */
	bool (*extra)(struct ppp *p, const struct ppp_packet *packet);
};

enum { CP_ASKED = 64 }; /* octets of options in our own requests at most */

struct cp {
	const struct cp_proto *is;
	struct ppp *ppp;
	enum fsm_state state;
	struct retry retry;
	struct opts opts;
	uint8_t last_id;    /* of the last packet of our own that has a fresh id */
	uint8_t id;         /* of our Configure-Request */
	bool answered;      /* it has had its Ack, Nak or Reject; a second one is a duplicate */
	bool ever_answered; /* one of them has: the peer hears us */
	bool repeated;      /* by cp_repeat() */
	unsigned requests;  /* Configure-Requests sent, repetitions included */
	unsigned naks;      /* sent since our last Ack */
	unsigned rounds;    /* Naks and Rejects, both ways, since this layer last went up */
	size_t asked_len;
	uint8_t asked[CP_ASKED]; /* the options in it */
};

void cp_init(struct cp *cp, const struct cp_proto *is, struct ppp *p);

/* Forget what was negotiated, for a fresh start. */
void cp_reset(struct cp *cp);

/* Up, Down, Open and Close; other events come from packets and time. */
void cp_event(struct cp *cp, enum fsm_event ev);

/* A packet of this protocol, without the frame's header. */
void cp_recv(struct cp *cp, struct slice info);

/* Answer a packet that belongs to FSM_RXR. `reply` is sent where the automaton says so; or NULL. */
void cp_echo(struct cp *cp, const struct ppp_packet *reply);

void cp_tick(struct cp *cp);

/* Send our unanswered request once more, at once; only the first time and only if it is the first
 * copy of the first request. */
void cp_repeat(struct cp *cp);

/* A packet with an id of its own that is neither request nor answer: Protocol-Reject and the like.
 * `data` is cut so that the packet fits the peer's MRU. */
void cp_send(struct cp *cp, uint8_t code, struct slice data);

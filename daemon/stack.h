/* The four protocols of one connection, stacked: one layer's event is the next layer's call.
 *
 *      IP packets  in ▼  ▲ up
 *                  ppp          PPP frames
 *                  l2tp         L2TP messages
 *                  esp ◄─ keys ─ ike
 *            down ▼  ▲ in       datagrams, p->lane says of which socket
 *
 * Where the kernel does ESP, L2TP leaves and comes on LANE_L2TP; where it has the session, too, PPP
 * frames on LANE_PPP, and IP packets never come here.
 *
 * Pure, like its parts: packets, answers and the time in; packets, events and a deadline out. It
 * decides nothing about retries or the host; that is conn's. It does know what a failure of one
 * layer means when seen together with the counters of another. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/answer.h"
#include "base/env.h"
#include "base/msec.h"
#include "base/pkt.h"
#include "base/reason.h"
#include "esp/esp.h"
#include "ike/ike.h"
#include "l2tp/l2tp.h"
#include "ppp/ppp.h"

struct stack;

/* Everything borrowed for the life of the stack. The fields `rtt` and `mru` inside are filled in
 * by the stack when their layer starts. */
struct stack_conf {
	struct ike_conf ike;
	struct l2tp_conf l2tp;
	struct ppp_conf ppp;
	bool handover;     /* ask whether the kernel takes the session */
	struct esp *esp;   /* the owner's data plane; NULL: a user plane of the stack's own */
	uint16_t mtu;      /* of the tunnel; 0: from the path */
	uint16_t path_mtu; /* of the way to the gateway; 0: unknown, 1500 is assumed */
};

/* The steps a person is shown while connecting, in order. */
enum stack_step {
	STEP_IKE,   /* main mode: who is there */
	STEP_ESP,   /* quick mode: how it is encrypted */
	STEP_L2TP,  /* tunnel and session */
	STEP_LINK,  /* LCP */
	STEP_LOGIN, /* authentication */
	STEP_IP,    /* addresses */
	STEPS,
};

enum stack_event_kind {
	STACK_EV_STEP,          /* news: `step` is done, `text` says how */
	STACK_EV_WANT_SECRET,   /* question: the user's password */
	STACK_EV_WANT_HANDOVER, /* question: shall the kernel have the session? stack_handed() */
	STACK_EV_UP,            /* news: IP may flow; stack_get_status()->ppp has the addresses */
	STACK_EV_DOWN,   /* news: IP must stop for now, the server renegotiates; UP may follow */
	STACK_EV_CLOSED, /* news: stack_close() is done */
	STACK_EV_FAILED, /* news: the end; `reason` */
};

enum { STACK_TEXT = 160 };

struct stack_event {
	enum stack_event_kind kind;
	enum stack_step step;
	char text[STACK_TEXT];
	uint32_t id;
	struct reason reason;
};

struct stack_status {
	struct ike_status ike;
	struct l2tp_status l2tp;
	struct ppp_status ppp;
	struct esp_counters in, out;
	enum lane lane; /* of the pair in use */
	uint16_t mtu;   /* of the tunnel, 0 before ESP is up */
};

const char *stack_step_name(enum stack_step step); /* "IKE main mode", ... */

/* NULL: out of memory, or OpenSSL lacks what the proposals need. */
struct stack *stack_new(const struct stack_conf *conf, const struct env *env);
void stack_free(struct stack *s); /* sends nothing; wipes. NULL is allowed */

void stack_open(struct stack *s, msec now, struct io *out);

/* Terminate-Request, CDN, StopCCN, ESP and IKE deletes; then CLOSED, 3 s at most. */
void stack_close(struct stack *s, msec now, struct io *out);

/* The same farewell in one flight, nothing repeated and nothing awaited: for a stack that has failed
 * or is dropped in the middle. Only stack_free() may follow. */
void stack_abandon(struct stack *s, msec now, struct io *out);

/* Datagrams of all lanes, any mix. Takes all of `in`; IP packets move to out->up, answers to
 * out->down. */
void stack_recv(struct stack *s, struct pktq *in, msec now, struct io *out);

/* IP packets into the tunnel. Takes all of `in`; dropped while it is not up. */
void stack_send(struct stack *s, struct pktq *in, msec now, struct io *out);

void stack_tick(struct stack *s, msec now, struct io *out);
msec stack_deadline(const struct stack *s);
msec stack_heard(const struct stack *s); /* when ESP last brought something; 0 = never */
bool stack_next_event(struct stack *s, struct stack_event *ev);
void stack_answer(
	struct stack *s, uint32_t id, const struct answer *answer, msec now, struct io *out);

/* The kernel has the session of the L2TP status, or has refused it. Without an answer within 5 s
 * it stays here. */
void stack_handed(struct stack *s, bool yes, msec now, struct io *out);

void stack_get_status(const struct stack *s, struct stack_status *status);
bool stack_get_sa(const struct stack *s, unsigned i, struct esp_sa_status *status);

/* What stack.c and stack_news.c share and nobody else sees. */
#pragma once

#include "daemon/stack.h"

enum { STACK_EVENTS_MAX = 16 };

enum closing { OPEN, CLOSING_PPP, CLOSING_L2TP, CLOSED };

struct stack {
	struct stack_conf conf;
	const struct env *env;
	struct ike *ike;
	struct esp *esp;     /* the owner's, or else its own */
	struct l2tp *l2tp;   /* from the first ESP pair on */
	struct ppp *ppp;     /* from the L2TP session on */
	struct sa_pair pair; /* the one in use, for its suite and lane; keys wiped */
	struct reason dying; /* the verdict of a layer, until the end of the call */
	enum closing closing;
	msec close_by;
	msec ppp_close_by;
	msec used_at;  /* since then there is a pair to send on; 0 = not yet */
	msec asked_at; /* first of the requests since anything came through ESP */
	msec doubt_at; /* asked until then, the pair is doubted */
	uint16_t mtu;
	msec handover_by; /* MSEC_NEVER: nobody is asked */
	msec frame_at;    /* when the last frame came from the kernel; 0 = never */
	bool handed;      /* the kernel has the session */
	bool up, failed;
	struct stack_event events[STACK_EVENTS_MAX];
	unsigned first, count;
};

/* ---- stack_news.c ---- */

/* The next event, to be filled in. */
struct stack_event *stack_post(struct stack *s, enum stack_event_kind kind);
[[gnu::format(printf, 3, 4)]] void stack_post_step(
	struct stack *s, enum stack_step step, const char *fmt, ...);

/* The end, once: for that reason, or for what a layer's verdict means beside ESP's counters. */
void stack_fail(struct stack *s, const struct reason *why);
void stack_layer_failed(struct stack *s, struct reason why);

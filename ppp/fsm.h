/* The option negotiation automaton of every PPP control protocol, as the matrix of RFC 1661, 4.1:
 * nothing but states, events and the actions they ask for. cp.c carries the actions out. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum fsm_state {
	FSM_INITIAL,
	FSM_STARTING,
	FSM_CLOSED,
	FSM_STOPPED,
	FSM_CLOSING,
	FSM_STOPPING,
	FSM_REQ_SENT,
	FSM_ACK_RCVD,
	FSM_ACK_SENT,
	FSM_OPENED,
	FSM_STATES,
};

enum fsm_event {
	FSM_UP,       /* the lower layer is up */
	FSM_DOWN,     /* the lower layer is down */
	FSM_OPEN,     /* the owner wants the link */
	FSM_CLOSE,    /* the owner wants it no more */
	FSM_TO_MORE,  /* TO+: time to repeat */
	FSM_TO_LAST,  /* TO-: time to give up */
	FSM_RCR_GOOD, /* RCR+: Configure-Request that we acknowledge */
	FSM_RCR_BAD,  /* RCR-: Configure-Request that we Nak or Reject */
	FSM_RCA,      /* Configure-Ack */
	FSM_RCN,      /* Configure-Nak or -Reject */
	FSM_RTR,      /* Terminate-Request */
	FSM_RTA,      /* Terminate-Ack */
	FSM_RUC,      /* a code we do not know */
	FSM_RXJ_GOOD, /* RXJ+: a reject we can live with */
	FSM_RXJ_BAD,  /* RXJ-: a reject we cannot live with */
	FSM_RXR,      /* Echo-Request, Echo-Reply, Discard-Request */
	FSM_EVENTS,
};

/* In the order in which they are carried out when one cell has several. */
enum fsm_action {
	FSM_TLD, /* this layer down */
	FSM_TLS, /* this layer started: the lower layer is needed */
	FSM_TLF, /* this layer finished: the lower layer is not needed any more */
	FSM_IRC, /* initialise the restart count */
	FSM_ZRC, /* zero the restart count */
	FSM_SCR, /* send Configure-Request */
	FSM_SCA, /* send Configure-Ack */
	FSM_SCN, /* send Configure-Nak or -Reject */
	FSM_STR, /* send Terminate-Request */
	FSM_STA, /* send Terminate-Ack */
	FSM_SCJ, /* send Code-Reject */
	FSM_SER, /* send Echo-Reply */
	FSM_TLU, /* this layer up */
	FSM_ACTIONS,
};

/* Apply one event: *state becomes the next state, *actions a set of 1 << enum fsm_action. False for
 * an event that cannot happen in this state; then nothing has changed. */
bool fsm_step(enum fsm_state *state, enum fsm_event ev, uint32_t *actions);

/* May the restart timer run? Exactly in the states in which it may run out. */
bool fsm_timer_runs(enum fsm_state state);

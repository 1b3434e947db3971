/* One connection as its user sees it: connect, retry, renew, recover, give a reason.
 *
 * Policy only, and pure: conn asks its owner for everything that touches the host (addresses of a
 * name, sockets, a password, interface and routes) with questions, and each question has its own
 * answer function. An answer to a question that is no longer open is ignored.
 *
 *   idle > resolving > opening > connecting > linking > up
 *                         ▲                              │ lost
 *                         └──────── waiting ◄────────────┘   every failure ends in one reason */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/env.h"
#include "base/msec.h"
#include "base/pkt.h"
#include "base/reason.h"
#include "daemon/stack.h"

struct conn;

enum { CONN_ADDRESSES_MAX = 8 };

/* What attempts have found out about the way and the host; it outlives the connection. */
struct conn_learned {
	bool encapsulate; /* protocol 50 comes to nothing */
	bool no_kernel;   /* its ESP refused what it had promised */
	bool other_port;  /* what comes from port 1701 goes to another tunnel there */
	bool port_1701;   /* the gateway takes no other port of ours for L2TP */
	bool port_500;    /* IKE does not answer on 4500 from the start */
};

/* Borrowed for the life of the connection. */
struct conn_conf {
	const char *gateway;     /* as in the file; a name or an address */
	struct stack_conf stack; /* sockets' addresses and first_lane are filled in per attempt */
	bool reconnect;          /* after it was up: come back by ourselves */
	bool keep_trying;        /* also when the first attempt fails (autoconnect) */
	struct conn_learned learned; /* before */
	bool ephemeral_ports;        /* leave 500 and 4500 alone (after a crash, local-port) */
};

enum conn_state {
	CONN_IDLE,
	CONN_RESOLVING,
	CONN_OPENING,
	CONN_CONNECTING,
	CONN_LINKING,
	CONN_UP,
	CONN_CLOSING,
	CONN_WAITING,
	CONN_STATES,
};

enum conn_event_kind {
	CONN_EV_WANT_ADDRESSES, /* question: conn_resolved() */
	CONN_EV_WANT_SOCKETS,   /* question: connected to `remote`; conn_opened() */
	CONN_EV_WANT_SECRET,    /* question: the user's password; conn_secret() */
	CONN_EV_WANT_HANDOVER,  /* question: the session into the kernel; conn_handed() */
	CONN_EV_WANT_LINK,      /* question: interface, addresses, routes, DNS; conn_linked() */
	CONN_EV_STEP,           /* news: `step` took `took`, `text` says how */
	CONN_EV_UP,             /* news: traffic may flow */
	CONN_EV_DROP_LINK,      /* news: take the interface away; `hold`: but keep the backstop */
	CONN_EV_CLOSE_SOCKETS,  /* news: they are not needed any more */
	CONN_EV_RETRY,          /* news: `reason`, and the next attempt begins in `took` */
	CONN_EV_ENDED,          /* news: over; REASON_NONE when it was asked for */
};

struct conn_event {
	enum conn_event_kind kind;
	uint32_t id;
	struct ip remote; /* WANT_SOCKETS */
	bool ephemeral;   /* WANT_SOCKETS: do not try 500 and 4500 */
	bool no_kernel;   /* WANT_SOCKETS: the kernel's ESP has failed before */
	bool no_raw;      /* WANT_SOCKETS: so has protocol 50 */
	bool other_port;  /* WANT_SOCKETS: not 1701 for L2TP */
	bool port_500;    /* WANT_SOCKETS: begin on the gateway's port 500 in any case */
	bool hold;        /* DROP_LINK */
	enum stack_step step;
	msec took;
	char text[STACK_TEXT];
	struct reason reason;
};

/* What WANT_SOCKETS gives. */
struct conn_sockets {
	struct addr local[LANES];
	struct addr remote[LANES];
	enum lane first_lane; /* LANE_NATT: our port 500 is somebody else's */
	uint16_t path_mtu;    /* 0 = unknown */
	bool handover;        /* the kernel may take the session */
	bool raw_esp;         /* the plane can do protocol 50 */
	bool udp_first;       /* but rather does UDP 4500, if the gateway lets it */
	bool shared;          /* another connection of this host is to the same gateway */
	uint16_t l2tp_port;   /* our UDP port inside ESP; 0: the usual one */
	struct esp *esp;      /* the data plane, there until CLOSE_SOCKETS; NULL: the user plane */
};

/* What the host's error queue says about our flow: hearsay, never the end by itself. */
enum conn_net_error { CONN_PORT_CLOSED, CONN_UNREACHABLE };

struct conn_status {
	enum conn_state state;
	msec since; /* in this state */
	struct ip remote;
	unsigned attempts;   /* since it was last up */
	unsigned reconnects; /* times it came back by itself */
	msec retry_at;       /* WAITING */
	struct reason last;  /* the last failure, REASON_NONE if none */
	struct conn_learned learned;
	bool has_stack;
	struct stack_status stack;
};

const char *conn_state_name(enum conn_state state); /* "connecting", "up", ... */

struct conn *conn_new(const struct conn_conf *conf, const struct env *env);
void conn_free(struct conn *c); /* sends nothing; wipes. NULL is allowed */

/* Only from idle (a connection that has ended is idle again); otherwise nothing happens. */
void conn_open(struct conn *c, msec now, struct io *out);

/* Ask for the end; ENDED follows at once or within 3 s and says `why`: REASON_NONE when the user
 * asked for it, REASON_CANCELLED, REASON_DAEMON_DOWN. */
void conn_close(struct conn *c, enum reason_id why, msec now, struct io *out);

/* Lose the present attempt and begin anew at once; an idle one is opened. */
void conn_renew(struct conn *c, msec now, struct io *out);

/* n == 0: no address, `why` says of which name and what was tried. */
void conn_resolved(struct conn *c, uint32_t id, const struct ip *ips, size_t n, const char *why,
	msec now, struct io *out);
/* sockets NULL: refused for *why. */
void conn_opened(struct conn *c, uint32_t id, const struct conn_sockets *sockets,
	const struct reason *why, msec now, struct io *out);
void conn_secret(
	struct conn *c, uint32_t id, const struct answer *answer, msec now, struct io *out);
/* Has the kernel taken the session of the status? */
void conn_handed(struct conn *c, uint32_t id, bool yes, msec now, struct io *out);
/* why NULL: done. */
void conn_linked(struct conn *c, uint32_t id, const struct reason *why, msec now, struct io *out);

void conn_net_error(struct conn *c, enum conn_net_error error, msec now, struct io *out);

/* As for the stack: datagrams in, IP packets in. Take all of `in`. */
void conn_recv(struct conn *c, struct pktq *in, msec now, struct io *out);
void conn_send(struct conn *c, struct pktq *in, msec now, struct io *out);

void conn_tick(struct conn *c, msec now, struct io *out);
msec conn_deadline(const struct conn *c);
bool conn_next_event(struct conn *c, struct conn_event *ev);

/* The state alone: what a status costs more is asked of the kernel, where that does ESP. */
enum conn_state conn_get_state(const struct conn *c);
void conn_get_status(const struct conn *c, struct conn_status *status);
bool conn_get_sa(const struct conn *c, unsigned i, struct esp_sa_status *status);

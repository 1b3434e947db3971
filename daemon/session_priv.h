/* What session.c (commands, conn's events), session_io.c (sockets, packets) and session_link.c
 * (interface, routes, DNS) share. */
#pragma once

#include "base/log.h"
#include "base/secret.h"
#include "daemon/aside.h"
#include "daemon/conn.h"
#include "daemon/history.h"
#include "daemon/kl2tp.h"
#include "daemon/kppp.h"
#include "daemon/plane.h"
#include "daemon/session.h"
#include "daemon/tun.h"
#include "daemon/udp.h"

enum { PORTS_NOTE = 320 };

/* One of the sockets to the server. */
struct outer {
	struct udp *udp;
	struct loop_watch *readable, *writable;
	struct flow flow;
	bool passed;
	bool taken; /* somebody else has the port it should have had */
};

/* What the kernel does of an attempt. */
struct in_kernel {
	struct esp *esp; /* NULL: the stack's own plane, in this process */
	struct loop_watch *news;
	uint32_t reqid;
	uint64_t entry;   /* in the journal */
	struct flow flow; /* protocol 50 */
	bool passed;
	struct kl2tp *l2tp; /* NULL: the session is the stack's own */
	struct loop_watch *channel, *unit;
};

struct session {
	const struct host *host;
	char name[CONF_NAME_MAX + 1];
	struct env env;
	struct log log;

	struct conf *conf;
	struct conn_conf conn_conf;
	struct conn *conn;
	char hostname[64];
	control_call call;    /* the Connect that waits for us, 0: none */
	control_call closing; /* a Disconnect that waits for us, 0: none */
	bool interactive, owner_caller, network_caller;
	struct conf *next; /* to be connected with once the farewell is over, or NULL */
	control_call next_call;
	struct control_connect next_how;
	enum conn_state shown; /* the state that monitors know of */
	uint32_t question;     /* conn's, while a prompt is open */

	struct route *route;
	struct names *names;
	uint32_t names_question;
	struct loop_watch *names_readable;
	struct loop_timer *names_timer;
	struct outer outer[LANES]; /* udp NULL: not in use */
	struct aside *looking;     /* for who has our ports, or NULL */
	char ports_note[PORTS_NOTE];
	struct plane_ask *ask;   /* what waits to know what the kernel can do, or NULL: */
	struct conn_event asked; /* this question of conn's */
	struct loop_timer *ask_timer;
	struct in_kernel kernel;
	char plane_note[PLANE_WHY]; /* why it is not the kernel's, "" if it is or nobody asked */
	struct kppp *ppp;           /* the interface, where the kernel has the session */
	struct tun *tun;            /* else */
	struct loop_watch *tun_readable;
	uint64_t tun_entry; /* in the journal */
	bool dns_up;
	char dns_note[DNS_NOTE];
	struct control_network network;
	bool linked;
	struct loop_timer *timer;

	struct history *history;
	struct esp_sa_status sas[ESP_PAIRS_MAX];
	struct conn_status status;
};

/* After every call into conn: its events carried out, its packets sent, the timer set. */
void session_settle(struct session *s, struct io *out);

/* Answer WANT_SOCKETS. */
void session_open(struct session *s, const struct conn_event *ev, struct io *out);

/* session_io.c */
int io_open_sockets(struct session *s, const struct conn_event *ev, struct conn_sockets *to,
	struct reason *why);
void io_close_sockets(struct session *s);
int io_watch_tun(struct session *s);
void io_unwatch_tun(struct session *s);
void io_send(struct session *s, struct io *out);

/* session_ports.c: the port on the gateway of each lane, and ours if it is free. */
extern const uint16_t lane_ports[LANES];
/* Say in the note which ports somebody else has, and find out who. */
void ports_explain(struct session *s);
void ports_forget(struct session *s);

/* session_plane.c: is there something to find out about this kernel first? Then session_open() comes
 * later by itself. */
bool plane_asks(struct session *s, const struct conn_event *ev);
/* The time is over in which the kernel should have answered; a loop_fn. */
void plane_waited(void *session);
/* May this attempt use the kernel's ESP? Not: the note says why. */
bool plane_wants_kernel(struct session *s, bool failed_before);
/* May the kernel take the session? */
bool plane_wants_session(struct session *s);
/* SAs, policies and the flow of protocol 50, for that gateway; false with *why filled. */
bool plane_open(struct session *s, const struct ip *remote, struct reason *why);
void plane_close(struct session *s);
/* Give the kernel the session, and the answer to conn. */
void plane_take_session(struct session *s, const struct conn_event *ev, struct io *out);

/* session_link.c: kppp_open() under the name that the connection's interface has. */
int link_open_ppp(struct session *s, int session_fd, uint16_t mru);
void link_close_ppp(struct session *s);

/* false with *why filled; link_drop() undoes whatever there is. */
bool link_make(struct session *s, struct reason *why);
void link_drop(struct session *s, bool hold);

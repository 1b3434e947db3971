/* What session.c (commands, conn's events), session_io.c (sockets, packets) and session_link.c
 * (interface, routes, DNS) share. */
#pragma once

#include "base/log.h"
#include "base/secret.h"
#include "daemon/conn.h"
#include "daemon/history.h"
#include "daemon/session.h"
#include "daemon/tun.h"
#include "daemon/udp.h"

enum {
	SOCKETS = 2, /* LANE_IKE, LANE_NATT: the user plane encapsulates */
};

/* One of the sockets to the server. */
struct outer {
	struct udp *udp;
	struct loop_watch *readable, *writable;
	struct flow flow;
	bool passed;
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
	struct outer outer[SOCKETS];
	struct tun *tun;
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

/* session_io.c */
int io_open_sockets(struct session *s, const struct conn_event *ev, struct conn_sockets *to,
	struct reason *why);
void io_close_sockets(struct session *s);
int io_watch_tun(struct session *s);
void io_unwatch_tun(struct session *s);
void io_send(struct session *s, struct io *out);

/* session_link.c: false with *why filled; link_drop() undoes whatever there is. */
bool link_make(struct session *s, struct reason *why);
void link_drop(struct session *s, bool hold);

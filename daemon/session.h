/* The hands of one connection: everything that conn asks its owner for.
 *
 * Sockets and TUN device, routes and DNS, the name's addresses, the password prompt, the timer, the
 * history of log lines. A session is made for a connection's name when it is first used, and stays:
 * its history and last failure outlive the attempts. */
#pragma once

#include <stdbool.h>

#include "base/crypto.h"
#include "daemon/conf.h"
#include "daemon/control.h"
#include "daemon/dns.h"
#include "daemon/journal.h"
#include "daemon/loop.h"
#include "daemon/names.h"
#include "daemon/plane.h"
#include "daemon/route.h"

struct session;

/* What all sessions share, borrowed. */
struct host {
	struct loop *loop;
	const struct env *env; /* without a log */
	struct pkt_pool *pool; /* env's */
	struct journal *journal;
	struct routes *routes;
	struct dns *dns;
	struct control *control;
	struct planes *planes;
	struct log *log;
	bool after_crash; /* servers may remember our ports: use others */

	/* Is another session using (or about to use) the way to this server; does one take all
	 * traffic? */
	bool (*server_in_use)(void *ctx, const struct session *but, const struct ip *server);
	bool (*full_tunnel)(void *ctx, const struct session *but);
	void (*settled)(void *ctx); /* routes, DNS or a connection's state may have changed */
	void *ctx;
};

/* NULL when out of memory. */
struct session *session_new(const struct host *host, const char *name);

/* Takes the host's changes back at once and sends nothing: session_cancel() first, if the server
 * should know. NULL is allowed. */
void session_free(struct session *s);

/* Begin to connect as *connect says; `conf` is taken. Answers through control: events of `call`
 * (0: nobody is listening), or a refusal. What is connected already is closed first, and its
 * backstop stands until the new one does. */
void session_connect(struct session *s, struct conf *conf, control_call call,
	const struct control_connect *connect);

/* The call's client has left, or wants no more. */
void session_cancel(struct session *s, enum reason_id why);

/* Close; `call` (0: nobody) is answered when it is done. */
void session_disconnect(struct session *s, control_call call);

void session_answer(struct session *s, uint32_t question, struct slice value);
void session_log(struct session *s, control_call call, bool follow);

const char *session_name(const struct session *s);
control_call session_call(const struct session *s); /* of the Connect that is open, 0: none */
bool session_owned(const struct session *s);        /* it ends with that call */
bool session_idle(const struct session *s);
bool session_closing(const struct session *s);      /* it says goodbye */
bool session_used(const struct session *s);         /* there was a Connect since vpnd started */
const char *session_state(const struct session *s); /* "down", "up", ... */
bool session_full_tunnel(const struct session *s);
bool session_uses(const struct session *s, const struct ip *server);

/* Fill *status, valid until the next call into the session; hand it to `each`. */
void session_status(struct session *s, control_status_fn *each, void *arg);

/* Forget a follower of the log. */
void session_unfollow(struct session *s, control_call call);

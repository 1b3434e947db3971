/* What conn.c (commands, questions, traffic, time) and conn_attempt.c (how an attempt begins, ends, and
 * what comes after it) share and nobody else sees. */
#pragma once

#include "base/secret.h"
#include "daemon/conn.h"

enum {
	CONN_EVENTS_MAX = 32,
	CONN_QUESTION_PATIENCE = 30000, /* ms for the owner's own answers */
};

struct conn {
	const struct conn_conf *conf;
	const struct env *env;
	struct stack_conf stack_conf; /* of the present attempt */
	struct stack *stack;
	struct secret typed; /* a password somebody typed: lives until the end */
	bool typed_used;     /* in this attempt already: the server refused it */

	enum conn_state state;
	msec since, attempt_began, step_began, due;
	msec fell_asleep, woke; /* 0: not just now; else an answer is due */
	uint32_t question;      /* the open one's id, 0 = none */
	uint32_t last_id;
	uint32_t handover_id;
	uint32_t secret_id; /* the stack's id of an open WANT_SECRET */
	struct ip ips[CONN_ADDRESSES_MAX];
	size_t n_ips, next_ip;
	unsigned attempts, reconnects, hearsay[2];
	bool was_up, linked, sockets, renewing;
	struct conn_learned learned;
	bool other_port; /* this attempt speaks L2TP from another port than 1701 */
	struct reason last;
	struct reason ending; /* what ENDED will say, while closing */

	struct conn_event events[CONN_EVENTS_MAX];
	unsigned first, count;
};

/* ---- conn_attempt.c ---- */

/* The next event, to be filled in; a question has an id and a deadline. */
struct conn_event *conn_post(struct conn *c, enum conn_event_kind kind);
struct conn_event *conn_ask(struct conn *c, enum conn_event_kind kind, msec now);
void conn_enter(struct conn *c, enum conn_state state, msec now);

/* A new attempt, from the gateway's name on. */
void conn_resolve(struct conn *c, msec now);
/* Its sockets, to the next of the name's addresses. */
void conn_ask_sockets(struct conn *c, msec now);

/* The stack and its sockets go. */
void conn_drop_stack(struct conn *c);
/* The end of everything, for that reason. */
void conn_end(struct conn *c, const struct reason *why, msec now);
/* Every failure passes here once: another attempt, or the end. */
void conn_attempt_failed(struct conn *c, const struct reason *why, msec now, struct io *out);
[[gnu::format(printf, 5, 6)]] void conn_failed_for(
	struct conn *c, enum reason_id id, msec now, struct io *out, const char *fmt, ...);

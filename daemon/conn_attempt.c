#include "daemon/conn_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

enum {
	BACKOFF_FIRST = 1000, /* ms before the second attempt, doubling */
	BACKOFF_MOST = 30000,
};

/* ---- events and states ---- */

struct conn_event *conn_post(struct conn *c, enum conn_event_kind kind)
{
	struct conn_event *ev;

	/* An owner that does not drain loses the middle, not the end. */
	if (c->count < CONN_EVENTS_MAX)
		c->count++;
	ev = &c->events[(c->first + c->count - 1) % CONN_EVENTS_MAX];
	*ev = (struct conn_event){.kind = kind};
	return ev;
}

void conn_enter(struct conn *c, enum conn_state state, msec now)
{
	log_debug(
		c->env->log, "conn", "%s > %s", conn_state_name(c->state), conn_state_name(state));
	c->state = state;
	c->since = now;
	c->due = MSEC_NEVER;
	c->question = 0;
	c->woke = 0;
}

struct conn_event *conn_ask(struct conn *c, enum conn_event_kind kind, msec now)
{
	struct conn_event *ev = conn_post(c, kind);

	ev->id = c->question = ++c->last_id;
	c->due = now + CONN_QUESTION_PATIENCE;
	return ev;
}

/* ---- an attempt ---- */

void conn_drop_stack(struct conn *c)
{
	stack_free(c->stack);
	c->stack = NULL;
	c->secret_id = c->handover_id = 0;
	if (c->sockets)
		conn_post(c, CONN_EV_CLOSE_SOCKETS);
	c->sockets = false;
}

void conn_end(struct conn *c, const struct reason *why, msec now)
{
	conn_drop_stack(c);
	if (c->linked || c->was_up)
		conn_post(c, CONN_EV_DROP_LINK);
	c->linked = c->was_up = c->renewing = false;
	secret_clear(&c->typed);
	conn_enter(c, CONN_IDLE, now);
	conn_post(c, CONN_EV_ENDED)->reason = *why;
}

void conn_resolve(struct conn *c, msec now)
{
	c->attempts++;
	c->attempt_began = c->step_began = now;
	c->typed_used = false;
	conn_enter(c, CONN_RESOLVING, now);
	conn_ask(c, CONN_EV_WANT_ADDRESSES, now);
}

static msec backoff(const struct conn *c)
{
	unsigned doublings = c->attempts > 1 ? c->attempts - 1 : 0;
	msec wait = (msec)BACKOFF_FIRST << (doublings < 5 ? doublings : 5);

	wait = msec_min(wait, BACKOFF_MOST);
	return wait - wait / 10 + env_random_u32(c->env) % (wait / 5);
}

static void wait_and_retry(struct conn *c, const struct reason *why, msec now)
{
	msec wait = c->woke ? 0 : backoff(c); /* somebody has just opened the lid */
	struct conn_event *ev;

	conn_drop_stack(c);
	if (c->linked) {
		conn_post(c, CONN_EV_DROP_LINK)->hold = true;
		c->linked = false;
	}
	conn_enter(c, CONN_WAITING, now);
	c->due = now + wait;
	ev = conn_post(c, CONN_EV_RETRY);
	ev->reason = *why;
	ev->took = wait;
}

/* Nobody was there at this address: the name may have another. */
static bool try_next_address(const struct conn *c, const struct reason *why)
{
	return c->next_ip < c->n_ips /* check: next-address */ && !c->linked &&
	       (why->id == REASON_IKE_TIMEOUT || why->id == REASON_IKE_PORT_CLOSED ||
		       why->id == REASON_NET_UNREACHABLE);
}

/* IKE is there and protocol 50 is not; or the two ends do not agree whether there is NAT between them:
 * what says so has no proof (RFC 3947, 7), and a gateway refuses the mode that is not its own. */
static bool try_encapsulated(struct conn *c, const struct reason *why)
{
	bool refused = why->id == REASON_IKE_QM_REFUSED;
	struct stack_status st;

	if ((why->id != REASON_ESP_NO_RETURN && !refused) || c->learned.encapsulate || !c->stack ||
		c->stack_conf.ike.encap != IKE_ENCAP_AUTO || !c->stack_conf.ike.raw_esp)
		return false;
	stack_get_status(c->stack, &st);
	c->learned.encapsulate = refused || st.lane == LANE_RAW;
	return c->learned.encapsulate;
}

static bool try_without_kernel(struct conn *c, const struct reason *why)
{
	if (why->id != REASON_ESP_PLANE || c->learned.no_kernel || !c->stack_conf.esp)
		return false;
	c->learned.no_kernel = true;
	return true;
}

/* The call is up, and PPP goes unheard: what comes from that port goes to a tunnel that somebody else
 * has, or that we had. */
static bool try_other_port(struct conn *c, const struct reason *why)
{
	if (why->id != REASON_PPP_UNHEARD || c->other_port || c->learned.port_1701)
		return false;
	c->learned.other_port = true;
	return true;
}

static bool try_port_1701(struct conn *c, const struct reason *why)
{
	bool may_be = why->id == REASON_IKE_QM_REFUSED || why->id == REASON_ESP_NO_RETURN ||
		      why->id == REASON_L2TP_NO_ANSWER;

	if (!may_be || !c->other_port || c->learned.port_1701)
		return false;
	c->learned.port_1701 = true;
	return true;
}

/* A gateway without NAT traversal has nothing on 4500. */
static bool try_port_500(struct conn *c, const struct reason *why)
{
	bool may_be = why->id == REASON_IKE_TIMEOUT || why->id == REASON_IKE_PORT_CLOSED;

	if (!may_be || c->learned.port_500 || c->stack_conf.ike.first_lane != LANE_NATT)
		return false;
	c->learned.port_500 = true;
	return true;
}

/* What this attempt was about is known; the next one to the same address does without. */
static bool try_otherwise(struct conn *c, const struct reason *why)
{
	const char *how = try_encapsulated(c, why)     ? "ESP in UDP"
			  : try_without_kernel(c, why) ? "ESP without the kernel"
			  : try_other_port(c, why)     ? "L2TP from another port than 1701"
			  : try_port_1701(c, why)      ? "L2TP from port 1701"
			  : try_port_500(c, why)       ? "IKE on port 500"
						       : NULL;

	if (how)
		log_warn(c->env->log, "conn", "from now on: %s", how);
	return how;
}

void conn_ask_sockets(struct conn *c, msec now)
{
	struct conn_event *ev;

	/* A gateway that was not told of the end still has the tunnel before. Some, like xl2tpd with the
	 * kernel's L2TP, take all data from its address and port for that one. */
	c->other_port = (c->was_up || c->conf->ephemeral_ports || c->learned.other_port) &&
			!c->learned.port_1701;
	conn_enter(c, CONN_OPENING, now);
	ev = conn_ask(c, CONN_EV_WANT_SOCKETS, now);
	ev->other_port = c->other_port;
	ev->remote = c->ips[c->next_ip++];
	ev->ephemeral = c->conf->ephemeral_ports;
	ev->no_kernel = c->learned.no_kernel;
	ev->port_500 = c->learned.port_500;
	ev->no_raw = c->learned.encapsulate;
}

/* Does no other attempt help? What OpenSSL could do before, it will do again: then it lacked memory. */
static bool is_hopeless(const struct conn *c, const struct reason_row *row)
{
	return row->final /* check: final-reason */ &&
	       !(c->was_up /* check: crypto-once-up */ &&
		       row == reason_row(REASON_LOCAL_CRYPTO) /* check: crypto-alone */);
}

/* Every failure passes here once. */
void conn_attempt_failed(struct conn *c, const struct reason *why, msec now, struct io *out)
{
	const struct reason_row *row = reason_row(why->id);

	log_error(c->env->log, "conn", "%s: %s (%s)", row->id, row->sentence, why->evidence);
	c->last = *why;
	if (c->stack)
		stack_abandon(c->stack, now, out);
	bool same_address = try_otherwise(c, why) && !c->linked;
	c->next_ip -= same_address;
	if (same_address || try_next_address(c, why)) {
		conn_drop_stack(c);
		conn_ask_sockets(c, now);
		return;
	}
	if (!is_hopeless(c, row) && (c->was_up ? c->conf->reconnect : c->conf->keep_trying))
		wait_and_retry(c, why, now);
	else
		conn_end(c, why, now);
}

void conn_failed_for(
	struct conn *c, enum reason_id id, msec now, struct io *out, const char *fmt, ...)
{
	struct reason why = {.id = id};
	va_list args;

	va_start(args, fmt);
	vsnprintf(why.evidence, sizeof(why.evidence), fmt, args);
	va_end(args);
	conn_attempt_failed(c, &why, now, out);
}

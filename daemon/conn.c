#include "daemon/conn_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum {
	EPHEMERAL = 49152, /* RFC 6335, 6 */
	EPHEMERALS = 16384,
	HEARSAY_ENOUGH = 5,   /* ICMP errors: as many copies of our message went unanswered */
	SLEPT = 10000,        /* ms: a tick so late means that the machine was asleep */
	WAKE_PATIENCE = 2200, /* ms for the first answer then: LCP asks four times */
};

static const char *const state_names[CONN_STATES] = {
	[CONN_IDLE] = "down",
	[CONN_RESOLVING] = "resolving",
	[CONN_OPENING] = "opening",
	[CONN_CONNECTING] = "connecting",
	[CONN_LINKING] = "linking",
	[CONN_UP] = "up",
	[CONN_CLOSING] = "closing",
	[CONN_WAITING] = "waiting",
};

const char *conn_state_name(enum conn_state state)
{
	return state_names[state];
}

/* ---- news ---- */

/* A question that later news of the same call have overtaken. */
static bool is_stale(const struct conn *c, const struct conn_event *ev)
{
	switch (ev->kind) {
	case CONN_EV_WANT_ADDRESSES:
	case CONN_EV_WANT_SOCKETS:
	case CONN_EV_WANT_LINK:
		return ev->id != c->question;
	case CONN_EV_WANT_SECRET:
		return ev->id != c->secret_id;
	case CONN_EV_WANT_HANDOVER:
		return ev->id != c->handover_id;
	case CONN_EV_STEP:
	case CONN_EV_UP:
	case CONN_EV_DROP_LINK:
	case CONN_EV_CLOSE_SOCKETS:
	case CONN_EV_RETRY:
	case CONN_EV_ENDED:
		return false;
	}
	return false;
}

bool conn_next_event(struct conn *c, struct conn_event *ev)
{
	do {
		if (c->count == 0)
			return false;
		*ev = c->events[c->first];
		c->first = (c->first + 1) % CONN_EVENTS_MAX;
		c->count--;
	} while (is_stale(c, ev));
	return true;
}

/* ---- the stack's news ---- */

static void step_done(struct conn *c, const struct stack_event *from, msec now)
{
	struct conn_event *ev = conn_post(c, CONN_EV_STEP);

	ev->step = from->step;
	ev->took = now - c->step_began;
	snprintf(ev->text, sizeof(ev->text), "%s", from->text);
	c->step_began = now;
}

static void want_secret(struct conn *c, uint32_t stack_id, msec now, struct io *out)
{
	struct answer typed = {.yes = true, .secret = secret_slice(&c->typed)};

	if (c->typed.p && !c->typed_used /* check: typed-password-once */) {
		c->typed_used = true;
		stack_answer(c->stack, stack_id, &typed, now, out);
		return;
	}
	c->secret_id = stack_id;
	conn_post(c, CONN_EV_WANT_SECRET)->id = stack_id;
}

static void stack_up(struct conn *c, msec now)
{
	conn_enter(c, CONN_LINKING, now);
	conn_ask(c, CONN_EV_WANT_LINK, now);
}

/* The server opens PPP anew: what follows is measured from here. */
static void stack_down(struct conn *c, msec now)
{
	if (c->state != CONN_UP && c->state != CONN_LINKING)
		return;
	c->attempt_began = c->step_began = now;
	conn_enter(c, CONN_CONNECTING, now);
}

static void stack_closed(struct conn *c, msec now)
{
	struct reason why = c->ending;

	if (!c->renewing) {
		conn_end(c, &why, now);
		return;
	}
	c->renewing = false;
	conn_drop_stack(c);
	if (c->linked)
		conn_post(c, CONN_EV_DROP_LINK)->hold = true;
	c->linked = false;
	c->attempts = 0;
	conn_resolve(c, now);
}

static void pump(struct conn *c, msec now, struct io *out)
{
	struct stack_event ev;

	while (c->stack && stack_next_event(c->stack, &ev)) {
		switch (ev.kind) {
		case STACK_EV_STEP:
			step_done(c, &ev, now);
			break;
		case STACK_EV_WANT_SECRET:
			want_secret(c, ev.id, now, out);
			break;
		case STACK_EV_WANT_HANDOVER:
			c->handover_id = ++c->last_id;
			conn_post(c, CONN_EV_WANT_HANDOVER)->id = c->handover_id;
			break;
		case STACK_EV_UP:
			stack_up(c, now);
			break;
		case STACK_EV_DOWN:
			stack_down(c, now);
			break;
		case STACK_EV_CLOSED:
			stack_closed(c, now);
			break;
		case STACK_EV_FAILED:
			if (c->state == CONN_CLOSING)
				stack_closed(c, now);
			else
				conn_attempt_failed(c, &ev.reason, now, out);
			break;
		}
	}
}

/* ---- commands ---- */

struct conn *conn_new(const struct conn_conf *conf, const struct env *env)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->conf = conf;
	c->learned = conf->learned;
	c->env = env;
	c->due = MSEC_NEVER;
	return c;
}

void conn_free(struct conn *c)
{
	if (!c)
		return;
	stack_free(c->stack);
	secret_clear(&c->typed);
	wipe(c, sizeof(*c));
	free(c);
}

void conn_open(struct conn *c, msec now, struct io *out)
{
	(void)out;
	if (c->state != CONN_IDLE)
		return;
	c->attempts = c->reconnects = 0;
	c->last = (struct reason){0};
	conn_resolve(c, now);
}

void conn_close(struct conn *c, enum reason_id why, msec now, struct io *out)
{
	if (c->state == CONN_IDLE)
		return;
	c->ending = (struct reason){.id = why};
	c->renewing = false;
	if (c->state == CONN_CLOSING)
		return;
	if (!c->stack) {
		conn_end(c, &c->ending, now);
		return;
	}
	conn_enter(c, CONN_CLOSING, now);
	stack_close(c->stack, now, out);
	pump(c, now, out);
}

void conn_renew(struct conn *c, msec now, struct io *out)
{
	switch (c->state) {
	case CONN_IDLE:
		conn_open(c, now, out);
		return;
	case CONN_WAITING:
		c->attempts = 0;
		conn_resolve(c, now);
		return;
	case CONN_CLOSING:
	case CONN_RESOLVING:
	case CONN_OPENING:
		return; /* beginning already, or asked to end */
	case CONN_CONNECTING:
	case CONN_LINKING:
	case CONN_UP:
		conn_enter(c, CONN_CLOSING, now);
		c->renewing = true;
		c->ending = (struct reason){0};
		stack_close(c->stack, now, out);
		pump(c, now, out);
		return;
	case CONN_STATES:
		return;
	}
}

/* ---- answers ---- */

static bool is_open(struct conn *c, uint32_t id, enum conn_state state)
{
	if (c->state != state /* check: question-state */ || id == 0 ||
		id != c->question /* check: question-id */)
		return false;
	c->question = 0;
	c->due = MSEC_NEVER;
	return true;
}

void conn_resolved(struct conn *c, uint32_t id, const struct ip *ips, size_t n, const char *why,
	msec now, struct io *out)
{
	if (!is_open(c, id, CONN_RESOLVING))
		return;
	if (n > CONN_ADDRESSES_MAX) /* check: resolved-room */
		n = CONN_ADDRESSES_MAX;
	/* Addresses that worked before outlive a resolver that is gone. */
	if (n > 0) {
		memcpy(c->ips, ips, n * sizeof(*ips));
		c->n_ips = n;
	}
	c->next_ip = 0;
	if (c->n_ips == 0) {
		conn_failed_for(c, REASON_NET_DNS, now, out, "%s", why ? why : c->conf->gateway);
		return;
	}
	conn_ask_sockets(c, now);
}

void conn_opened(struct conn *c, uint32_t id, const struct conn_sockets *sockets,
	const struct reason *why, msec now, struct io *out)
{
	if (!is_open(c, id, CONN_OPENING))
		return;
	if (!sockets) {
		conn_attempt_failed(c, why, now, out);
		return;
	}
	c->sockets = true;
	memset(c->hearsay, 0, sizeof(c->hearsay));
	c->stack_conf = c->conf->stack;
	memcpy(c->stack_conf.ike.local, sockets->local, sizeof(sockets->local));
	memcpy(c->stack_conf.ike.remote, sockets->remote, sizeof(sockets->remote));
	c->stack_conf.ike.first_lane = sockets->first_lane;
	c->stack_conf.path_mtu = sockets->path_mtu;
	c->stack_conf.esp = sockets->esp;
	c->stack_conf.handover = sockets->handover;
	c->stack_conf.ike.raw_esp |= sockets->raw_esp;
	/* From 4500 on we speak as if behind a NAT: there any source port is expected of us. */
	if (c->learned.encapsulate || sockets->first_lane == LANE_NATT ||
		(sockets->udp_first && c->stack_conf.ike.encap == IKE_ENCAP_AUTO))
		c->stack_conf.ike.encap = IKE_ENCAP_FORCE;
	c->other_port |= sockets->shared && !c->learned.port_1701;
	if (sockets->l2tp_port)
		c->stack_conf.ike.l2tp_port = sockets->l2tp_port;
	else if (c->other_port)
		c->stack_conf.ike.l2tp_port =
			(uint16_t)(EPHEMERAL + env_random_u16(c->env) % EPHEMERALS);
	c->stack_conf.ike.initial_contact &= !c->was_up; /* check: reconnect-contact */
	c->stack = stack_new(&c->stack_conf, c->env);
	if (!c->stack) {
		conn_failed_for(
			c, REASON_LOCAL_CRYPTO, now, out, "the protocols could not be set up");
		return;
	}
	conn_enter(c, CONN_CONNECTING, now);
	stack_open(c->stack, now, out);
	pump(c, now, out);
}

void conn_secret(struct conn *c, uint32_t id, const struct answer *answer, msec now, struct io *out)
{
	if (c->state != CONN_CONNECTING || id == 0 || id != c->secret_id /* check: secret-id */)
		return;
	c->secret_id = 0;
	if (!answer->yes) {
		conn_failed_for(
			c, REASON_PASSWORD_NEEDED, now, out, "%s", answer->why ? answer->why : "");
		return;
	}
	if (!secret_set(&c->typed, answer->secret)) {
		conn_failed_for(c, REASON_LOCAL_NO_MEMORY, now, out, "password");
		return;
	}
	c->typed_used = true;
	stack_answer(c->stack, id, answer, now, out);
	pump(c, now, out);
}

void conn_handed(struct conn *c, uint32_t id, bool yes, msec now, struct io *out)
{
	if (!c->stack || id == 0 || id != c->handover_id) /* check: handover-id */
		return;
	c->handover_id = 0;
	stack_handed(c->stack, yes, now, out);
	pump(c, now, out);
}

void conn_linked(struct conn *c, uint32_t id, const struct reason *why, msec now, struct io *out)
{
	if (!is_open(c, id, CONN_LINKING))
		return;
	bool again = c->linked; /* it was renegotiated */

	c->linked = true; /* also when it failed half way: DROP_LINK undoes what there is */
	if (why) {
		conn_attempt_failed(c, why, now, out);
		return;
	}
	if (c->was_up && !again)
		c->reconnects++;
	c->was_up = true;
	c->attempts = 0;
	conn_enter(c, CONN_UP, now);
	conn_post(c, CONN_EV_UP)->took = now - c->attempt_began;
}

void conn_net_error(struct conn *c, enum conn_net_error error, msec now, struct io *out)
{
	struct stack_status st;

	if (c->state != CONN_CONNECTING)
		return;
	stack_get_status(c->stack, &st);
	/* Whoever answers IKE is there, whatever ICMP says. */
	if (st.ike.established /* check: hearsay-established */ ||
		++c->hearsay[error] < HEARSAY_ENOUGH /* check: hearsay-enough */)
		return;
	if (error == CONN_PORT_CLOSED)
		conn_failed_for(c, REASON_IKE_PORT_CLOSED, now, out,
			"%u ICMP port unreachable, no answer", c->hearsay[error]);
	else
		conn_failed_for(c, REASON_NET_UNREACHABLE, now, out,
			"%u ICMP host or network unreachable, no answer", c->hearsay[error]);
}

/* ---- traffic and time ---- */

void conn_recv(struct conn *c, struct pktq *in, msec now, struct io *out)
{
	if (!c->stack) {
		pktq_free(in);
		return;
	}
	stack_recv(c->stack, in, now, out);
	pump(c, now, out);
}

void conn_send(struct conn *c, struct pktq *in, msec now, struct io *out)
{
	if (!c->stack) {
		pktq_free(in);
		return;
	}
	stack_send(c->stack, in, now, out);
	pump(c, now, out);
}

/* The owner did not answer in time: what was it that the host could not do? */
static void question_overdue(struct conn *c, msec now, struct io *out)
{
	static const enum reason_id reasons[CONN_STATES] = {
		[CONN_RESOLVING] = REASON_NET_DNS,
		[CONN_OPENING] = REASON_LOCAL_SOCKET,
		[CONN_LINKING] = REASON_LOCAL_ROUTES,
	};

	conn_failed_for(
		c, reasons[c->state], now, out, "no result in %u s", CONN_QUESTION_PATIENCE / 1000);
}

/* Everything that waits for a sign of life is overdue now and asks in this tick. A gateway that has
 * forgotten us meanwhile, as most do, says nothing: that must not take the usual minute to notice. */
static void notice_sleep(struct conn *c, msec now)
{
	msec due = conn_deadline(c);

	if (c->state != CONN_UP || due == MSEC_NEVER || now < due + SLEPT /* check: sleep-long */)
		return;
	log_info(c->env->log, "conn", "awake after %llu s",
		(unsigned long long)((now - due) / SECONDS(1)));
	c->fell_asleep = due;
	c->woke = now;
	c->due = now + WAKE_PATIENCE;
}

static void wake_overdue(struct conn *c, msec now, struct io *out)
{
	if (stack_heard(c->stack) >= c->woke)
		c->woke = 0;
	else
		conn_failed_for(c, REASON_LINK_LOST, now, out,
			"no answer in %llu ms after the machine had slept for %llu s",
			(unsigned long long)(now - c->woke),
			(unsigned long long)((c->woke - c->fell_asleep) / SECONDS(1)));
}

static void overdue(struct conn *c, msec now, struct io *out)
{
	c->due = MSEC_NEVER;
	if (c->state == CONN_WAITING)
		conn_resolve(c, now);
	else if (c->state == CONN_UP)
		wake_overdue(c, now, out);
	else
		question_overdue(c, now, out);
}

void conn_tick(struct conn *c, msec now, struct io *out)
{
	notice_sleep(c, now);
	if (now >= c->due)
		overdue(c, now, out);
	if (c->stack) {
		stack_tick(c->stack, now, out);
		pump(c, now, out);
	}
}

msec conn_deadline(const struct conn *c)
{
	return c->stack ? msec_min(c->due, stack_deadline(c->stack)) : c->due;
}

enum conn_state conn_get_state(const struct conn *c)
{
	return c->state;
}

void conn_get_status(const struct conn *c, struct conn_status *status)
{
	*status = (struct conn_status){
		.state = c->state,
		.since = c->since,
		.remote = c->next_ip ? c->ips[c->next_ip - 1] : (struct ip){0},
		.attempts = c->attempts,
		.reconnects = c->reconnects,
		.retry_at = c->state == CONN_WAITING ? c->due : MSEC_NEVER,
		.last = c->last,
		.learned = c->learned,
		.has_stack = c->stack,
	};
	if (c->stack)
		stack_get_status(c->stack, &status->stack);
}

bool conn_get_sa(const struct conn *c, unsigned i, struct esp_sa_status *status)
{
	return c->stack && stack_get_sa(c->stack, i, status);
}

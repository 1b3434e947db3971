#include "daemon/conn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

enum {
	EVENTS_MAX = 32,
	BACKOFF_FIRST = 1000, /* ms before the second attempt, doubling */
	BACKOFF_MOST = 30000,
	HEARSAY_ENOUGH = 5,        /* ICMP errors: as many copies of our message went unanswered */
	QUESTION_PATIENCE = 30000, /* ms for the owner's own answers */
	SLEPT = 10000,             /* ms: a tick so late means that the machine was asleep */
	WAKE_PATIENCE = 2200,      /* ms for the first answer then: LCP asks at 0 and 2000 */
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
	bool no_kernel;   /* its ESP refused what it had promised */
	bool encapsulate; /* protocol 50 came to nothing: UDP from now on */
	struct reason last;
	struct reason ending; /* what ENDED will say, while closing */

	struct conn_event events[EVENTS_MAX];
	unsigned first, count;
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

/* ---- events and states ---- */

static struct conn_event *post(struct conn *c, enum conn_event_kind kind)
{
	struct conn_event *ev;

	/* An owner that does not drain loses the middle, not the end. */
	if (c->count < EVENTS_MAX)
		c->count++;
	ev = &c->events[(c->first + c->count - 1) % EVENTS_MAX];
	*ev = (struct conn_event){.kind = kind};
	return ev;
}

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
		c->first = (c->first + 1) % EVENTS_MAX;
		c->count--;
	} while (is_stale(c, ev));
	return true;
}

static void enter(struct conn *c, enum conn_state state, msec now)
{
	log_debug(c->env->log, "conn", "%s > %s", state_names[c->state], state_names[state]);
	c->state = state;
	c->since = now;
	c->due = MSEC_NEVER;
	c->question = 0;
	c->woke = 0;
}

static struct conn_event *ask(struct conn *c, enum conn_event_kind kind, msec now)
{
	struct conn_event *ev = post(c, kind);

	ev->id = c->question = ++c->last_id;
	c->due = now + QUESTION_PATIENCE;
	return ev;
}

/* ---- the end of an attempt ---- */

static void drop_stack(struct conn *c)
{
	stack_free(c->stack);
	c->stack = NULL;
	c->secret_id = c->handover_id = 0;
	if (c->sockets)
		post(c, CONN_EV_CLOSE_SOCKETS);
	c->sockets = false;
}

static void end(struct conn *c, const struct reason *why, msec now)
{
	drop_stack(c);
	if (c->linked || c->was_up)
		post(c, CONN_EV_DROP_LINK);
	c->linked = c->was_up = c->renewing = false;
	secret_clear(&c->typed);
	enter(c, CONN_IDLE, now);
	post(c, CONN_EV_ENDED)->reason = *why;
}

static void resolve(struct conn *c, msec now)
{
	c->attempts++;
	c->attempt_began = c->step_began = now;
	c->typed_used = false;
	enter(c, CONN_RESOLVING, now);
	ask(c, CONN_EV_WANT_ADDRESSES, now);
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

	drop_stack(c);
	if (c->linked) {
		post(c, CONN_EV_DROP_LINK)->hold = true;
		c->linked = false;
	}
	enter(c, CONN_WAITING, now);
	c->due = now + wait;
	ev = post(c, CONN_EV_RETRY);
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

/* IKE is there and protocol 50 is not. */
static bool try_encapsulated(struct conn *c, const struct reason *why)
{
	struct stack_status st;

	if (why->id != REASON_ESP_NO_RETURN || c->encapsulate || !c->stack ||
		c->conf->stack.ike.encap != IKE_ENCAP_AUTO)
		return false;
	stack_get_status(c->stack, &st);
	c->encapsulate = st.lane == LANE_RAW;
	return c->encapsulate;
}

static bool try_without_kernel(struct conn *c, const struct reason *why)
{
	if (why->id != REASON_ESP_PLANE || c->no_kernel || !c->stack_conf.esp)
		return false;
	c->no_kernel = true;
	return true;
}

/* What this attempt was about is known; the next one to the same address does without. */
static bool try_otherwise(struct conn *c, const struct reason *why)
{
	const char *how = try_encapsulated(c, why)     ? "ESP in UDP"
			  : try_without_kernel(c, why) ? "ESP without the kernel"
						       : NULL;

	if (how)
		log_warn(c->env->log, "conn", "from now on: %s", how);
	return how;
}

static void open_sockets(struct conn *c, msec now)
{
	struct conn_event *ev;

	enter(c, CONN_OPENING, now);
	ev = ask(c, CONN_EV_WANT_SOCKETS, now);
	ev->remote = c->ips[c->next_ip++];
	ev->ephemeral = c->conf->ephemeral_ports;
	ev->no_kernel = c->no_kernel;
}

/* Does no other attempt help? What OpenSSL could do before, it will do again: then it lacked memory. */
static bool is_hopeless(const struct conn *c, const struct reason_row *row)
{
	return row->final /* check: final-reason */ &&
	       !(c->was_up /* check: crypto-once-up */ &&
		       row == reason_row(REASON_LOCAL_CRYPTO) /* check: crypto-alone */);
}

/* Every failure passes here once. */
static void attempt_failed(struct conn *c, const struct reason *why, msec now, struct io *out)
{
	const struct reason_row *row = reason_row(why->id);

	log_error(c->env->log, "conn", "%s: %s (%s)", row->id, row->sentence, why->evidence);
	c->last = *why;
	if (c->stack)
		stack_abandon(c->stack, now, out);
	if (try_otherwise(c, why)) {
		drop_stack(c);
		c->next_ip--; /* the same */
		open_sockets(c, now);
		return;
	}
	if (try_next_address(c, why)) {
		drop_stack(c);
		open_sockets(c, now);
		return;
	}
	if (!is_hopeless(c, row) && (c->was_up ? c->conf->reconnect : c->conf->keep_trying))
		wait_and_retry(c, why, now);
	else
		end(c, why, now);
}

[[gnu::format(printf, 5, 6)]] static void failed_for(
	struct conn *c, enum reason_id id, msec now, struct io *out, const char *fmt, ...)
{
	struct reason why = {.id = id};
	va_list args;

	va_start(args, fmt);
	vsnprintf(why.evidence, sizeof(why.evidence), fmt, args);
	va_end(args);
	attempt_failed(c, &why, now, out);
}

/* ---- the stack's news ---- */

static void step_done(struct conn *c, const struct stack_event *from, msec now)
{
	struct conn_event *ev = post(c, CONN_EV_STEP);

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
	post(c, CONN_EV_WANT_SECRET)->id = stack_id;
}

static void stack_up(struct conn *c, msec now)
{
	enter(c, CONN_LINKING, now);
	ask(c, CONN_EV_WANT_LINK, now);
}

/* The server opens PPP anew: what follows is measured from here. */
static void stack_down(struct conn *c, msec now)
{
	if (c->state != CONN_UP && c->state != CONN_LINKING)
		return;
	c->attempt_began = c->step_began = now;
	enter(c, CONN_CONNECTING, now);
}

static void stack_closed(struct conn *c, msec now)
{
	struct reason why = c->ending;

	if (!c->renewing) {
		end(c, &why, now);
		return;
	}
	c->renewing = false;
	drop_stack(c);
	if (c->linked)
		post(c, CONN_EV_DROP_LINK)->hold = true;
	c->linked = false;
	c->attempts = 0;
	resolve(c, now);
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
			post(c, CONN_EV_WANT_HANDOVER)->id = c->handover_id;
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
				attempt_failed(c, &ev.reason, now, out);
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
	resolve(c, now);
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
		end(c, &c->ending, now);
		return;
	}
	enter(c, CONN_CLOSING, now);
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
		resolve(c, now);
		return;
	case CONN_CLOSING:
	case CONN_RESOLVING:
	case CONN_OPENING:
		return; /* beginning already, or asked to end */
	case CONN_CONNECTING:
	case CONN_LINKING:
	case CONN_UP:
		enter(c, CONN_CLOSING, now);
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
		failed_for(c, REASON_NET_DNS, now, out, "%s", why ? why : c->conf->gateway);
		return;
	}
	open_sockets(c, now);
}

void conn_opened(struct conn *c, uint32_t id, const struct conn_sockets *sockets,
	const struct reason *why, msec now, struct io *out)
{
	if (!is_open(c, id, CONN_OPENING))
		return;
	if (!sockets) {
		attempt_failed(c, why, now, out);
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
	if (c->encapsulate)
		c->stack_conf.ike.encap = IKE_ENCAP_FORCE;
	if (sockets->l2tp_port)
		c->stack_conf.ike.l2tp_port = sockets->l2tp_port;
	c->stack_conf.ike.initial_contact &= !c->was_up; /* check: reconnect-contact */
	c->stack = stack_new(&c->stack_conf, c->env);
	if (!c->stack) {
		failed_for(c, REASON_LOCAL_CRYPTO, now, out, "the protocols could not be set up");
		return;
	}
	enter(c, CONN_CONNECTING, now);
	stack_open(c->stack, now, out);
	pump(c, now, out);
}

void conn_secret(struct conn *c, uint32_t id, const struct answer *answer, msec now, struct io *out)
{
	if (c->state != CONN_CONNECTING || id == 0 || id != c->secret_id /* check: secret-id */)
		return;
	c->secret_id = 0;
	if (!answer->yes) {
		failed_for(
			c, REASON_PASSWORD_NEEDED, now, out, "%s", answer->why ? answer->why : "");
		return;
	}
	if (!secret_set(&c->typed, answer->secret)) {
		failed_for(c, REASON_LOCAL_NO_MEMORY, now, out, "password");
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
		attempt_failed(c, why, now, out);
		return;
	}
	if (c->was_up && !again)
		c->reconnects++;
	c->was_up = true;
	c->attempts = 0;
	enter(c, CONN_UP, now);
	post(c, CONN_EV_UP)->took = now - c->attempt_began;
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
		failed_for(c, REASON_IKE_PORT_CLOSED, now, out,
			"%u ICMP port unreachable, no answer", c->hearsay[error]);
	else
		failed_for(c, REASON_NET_UNREACHABLE, now, out,
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

	failed_for(c, reasons[c->state], now, out, "no result in %u s", QUESTION_PATIENCE / 1000);
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
		failed_for(c, REASON_LINK_LOST, now, out,
			"no answer in %llu ms after the machine had slept for %llu s",
			(unsigned long long)(now - c->woke),
			(unsigned long long)((c->woke - c->fell_asleep) / SECONDS(1)));
}

static void overdue(struct conn *c, msec now, struct io *out)
{
	c->due = MSEC_NEVER;
	if (c->state == CONN_WAITING)
		resolve(c, now);
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
		.has_stack = c->stack,
	};
	if (c->stack)
		stack_get_status(c->stack, &status->stack);
}

bool conn_get_sa(const struct conn *c, unsigned i, struct esp_sa_status *status)
{
	return c->stack && stack_get_sa(c->stack, i, status);
}

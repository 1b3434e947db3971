/* What the stack tells its owner: steps, questions, and the one reason of an end. */
#include "daemon/stack_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

static const char *const step_names[STEPS] = {
	[STEP_IKE] = "IKE main mode",
	[STEP_ESP] = "IPsec ESP",
	[STEP_L2TP] = "L2TP tunnel",
	[STEP_LINK] = "PPP link",
	[STEP_LOGIN] = "PPP login",
	[STEP_IP] = "IP address",
};

const char *stack_step_name(enum stack_step step)
{
	return step_names[step];
}

/* ---- events ---- */

struct stack_event *stack_post(struct stack *s, enum stack_event_kind kind)
{
	struct stack_event *ev;

	/* Each call can cause each step once and one end: the ring cannot overflow unless the owner
	 * stops draining; then the newest replaces the last. */
	if (s->count < STACK_EVENTS_MAX)
		s->count++;
	ev = &s->events[(s->first + s->count - 1) % STACK_EVENTS_MAX];
	*ev = (struct stack_event){.kind = kind};
	return ev;
}

void stack_post_step(struct stack *s, enum stack_step step, const char *fmt, ...)
{
	struct stack_event *ev = stack_post(s, STACK_EV_STEP);
	va_list args;

	ev->step = step;
	va_start(args, fmt);
	vsnprintf(ev->text, sizeof(ev->text), fmt, args);
	va_end(args);
	log_info(s->env->log, "stack", "%s: %s", step_names[step], ev->text);
}

bool stack_next_event(struct stack *s, struct stack_event *ev)
{
	if (s->count == 0)
		return false;
	*ev = s->events[s->first];
	s->first = (s->first + 1) % STACK_EVENTS_MAX;
	s->count--;
	return true;
}

void stack_fail(struct stack *s, const struct reason *why)
{
	if (s->failed || s->closing == CLOSED)
		return;
	s->failed = true;
	s->up = false;
	stack_post(s, STACK_EV_FAILED)->reason = *why;
}

/* ---- what a failure means ---- */

/* A server that cuts the ICV drops what we send, so nothing of its own can show it. */
static bool may_be_cut(const struct esp_suite *suite)
{
	return suite->cipher != ESP_AES_GCM && suite->auth == HASH_SHA256 &&
	       suite->icv_len == hash_len(HASH_SHA256) / 2;
}

/* "L2TP is silent" is the same for six causes; ESP's counters tell them apart. A Linux server whose LNS
 * is off is as silent as one whose ESP is dropped: its port unreachable is no L2TP, so IPsec does not
 * carry it. On the port where IKE answers, the former is the likelier. */
static void refine(const struct stack *s, struct reason *why)
{
	bool natt = s->pair.lane == LANE_NATT;
	struct esp_counters in, out;

	if (why->id != REASON_L2TP_NO_ANSWER && why->id != REASON_PPP_NO_RESPONSE)
		return;
	esp_get_totals(s->esp, &in, &out);
	if (in.packets > 0)
		return;
	if (in.icv_bad > 0)
		reason_set(why, REASON_ESP_MODIFIED,
			"%llu ESP packets came, none passed authentication%s",
			(unsigned long long)in.icv_bad,
			in.truncated_icv_would_fit
				? "; a 96-bit ICV would fit: esp = aes256-sha256_96"
				: "");
	else
		reason_set(why, REASON_ESP_NO_RETURN,
			"%llu ESP packets sent by %s, 0 received; IKE on the same %s%s",
			(unsigned long long)out.packets, natt ? "UDP 4500" : "protocol 50",
			natt ? "port answers: is the server's L2TP service on?" : "gateway answers",
			may_be_cut(&s->pair.suite)
				? "; it may cut SHA2-256 to 96 bits: esp = aes256-sha256_96"
				: "");
}

void stack_layer_failed(struct stack *s, struct reason why)
{
	refine(s, &why);
	stack_fail(s, &why);
}

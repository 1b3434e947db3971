#include "ppp/auth.h"

#include <stdio.h>

#include "base/log.h"
#include "base/str.h"
#include "ppp/ppp_priv.h"

enum { MAX_PROMPTS = 3, TEXT_SHOWN = 120 };

/* Best first: what we put into a Nak is the first that the file allows. */
static const struct auth_method *const methods[] = {&auth_mschapv2, &auth_chap_md5, &auth_pap};

enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

const struct auth_method *auth_find(const struct ppp *p, struct slice option)
{
	for (size_t i = 0; i < METHODS; i++)
		if (p->conf.auth & methods[i]->bit /* check: auth-allowed */ &&
			slice_equal(methods[i]->option, option) /* check: auth-option */)
			return methods[i];
	return NULL;
}

const struct auth_method *auth_best(const struct ppp *p)
{
	for (size_t i = 0; i < METHODS; i++)
		if (p->conf.auth & methods[i]->bit)
			return methods[i];
	return NULL;
}

const char *auth_option_name(struct slice option)
{
	static const struct {
		uint32_t value;
		uint8_t octets;
		const char *name;
	} names[] = {
		{PPP_PAP, 2, "pap"},
		{PPP_EAP, 2, "eap"},
		{PPP_CHAP << 8 | 0x05, 3, "chap-md5"},
		{PPP_CHAP << 8 | 0x80, 3, "mschapv1"},
		{PPP_CHAP << 8 | 0x81, 3, "mschapv2"},
	};
	struct rd r = rd_of(option);
	uint64_t value = rd_uint(&r, option.n < 8 ? option.n : 8);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].octets == option.n && names[i].value == value)
			return names[i].name;
	return "an unknown method";
}

void auth_init(struct ppp *p)
{
	p->auth = (struct auth){.wait = RETRY_STOPPED};
}

struct slice auth_password(const struct ppp *p)
{
	return p->conf.password.p ? p->conf.password : secret_slice(&p->auth.typed);
}

static void ask(struct ppp *p)
{
	p->auth.asking = true;
	p->auth.prompts++;
	p->question++;
	ppp_tell(p, NEWS_SECRET);
}

static void wait_for_a_person(struct ppp *p)
{
	retry_start(&p->auth.wait, PATIENCE_AUTH, 0, p->env, p->now);
}

void auth_start(struct ppp *p)
{
	struct auth *a = &p->auth;

	wait_for_a_person(p);
	if (auth_password(p).p)
		a->method->ready(p);
	else if (!a->asking)
		ask(p);
}

void auth_stop(struct ppp *p)
{
	retry_stop(&p->auth.wait);
	wipe(&p->auth.chap, sizeof(p->auth.chap)); /* check: auth-stop-wipe */
	p->auth.done = false;
}

void auth_forget(struct ppp *p)
{
	auth_stop(p);
	secret_clear(&p->auth.typed);
	p->auth.asking = false;
}

void auth_recv(struct ppp *p, struct slice info)
{
	p->auth.method->recv(p, info);
}

void auth_overtaken(struct ppp *p)
{
	if (p->auth.method->verdict_lost)
		p->auth.method->verdict_lost(p);
}

/* The reason why nothing came of it: the server's last word, if it has said one. */
static void gave_up(struct ppp *p, enum reason_id id, const char *evidence)
{
	const struct reason *refusal = &p->auth.refusal;

	if (refusal->id)
		ppp_fail(p, refusal->id, "%s", refusal->evidence);
	else
		ppp_fail(p, id, "%s", evidence);
}

void auth_tick(struct ppp *p)
{
	struct auth *a = &p->auth;

	switch (retry_tick(&a->wait, p->env, p->now)) {
	case RETRY_WAIT:
		break;
	case RETRY_SEND:
		if (a->method->repeat)
			a->method->repeat(p);
		break;
	case RETRY_GIVE_UP:
		if (a->asking)
			gave_up(p, REASON_PASSWORD_NEEDED, "nobody gave one in time");
		else
			gave_up(p, REASON_PPP_TIMEOUT, "the server does not finish authentication");
		break;
	}
}

void auth_answer(struct ppp *p, const struct answer *answer)
{
	struct auth *a = &p->auth;

	a->asking = false;
	if (!answer->yes) {
		gave_up(p, REASON_PASSWORD_NEEDED, answer->why ? answer->why : "nobody gave one");
		return;
	}
	if (!secret_set(&a->typed, answer->secret)) {
		ppp_fail(p, REASON_LOCAL_NO_MEMORY, "%s", "");
		return;
	}
	/* LCP is being renegotiated; auth_start() goes on */
	if (p->phase != PHASE_AUTHENTICATE) /* check: auth-answer-phase */
		return;
	wait_for_a_person(p);
	a->method->ready(p);
}

static const char *keep_message(struct ppp *p, struct slice text)
{
	char escaped[STR_ESCAPED];

	snprintf(p->message, sizeof(p->message), "%.*s", TEXT_SHOWN, str_escape(text, escaped));
	return p->message;
}

void auth_accepted(struct ppp *p, struct slice text)
{
	struct auth *a = &p->auth;
	bool first = !a->done;

	keep_message(p, text);
	retry_stop(&a->wait);
	a->done = true;
	a->refusal.id = REASON_NONE;
	if (first)
		ppp_network(p);
}

static void refusal(
	struct ppp *p, struct reason *r, enum reason_id id, unsigned code, struct slice text)
{
	const char *message = keep_message(p, text);

	if (code)
		reason_set(r, id, "E=%u \"%s\"", code, message);
	else
		reason_set(r, id, "\"%s\"", message);
}

void auth_refused(struct ppp *p, enum reason_id id, unsigned code, struct slice text)
{
	struct reason r;

	refusal(p, &r, id, code, text);
	ppp_fail(p, r.id, "%s", r.evidence);
}

bool auth_refused_retry(struct ppp *p, unsigned code, struct slice text)
{
	struct auth *a = &p->auth;

	if (p->conf.password.p || a->prompts >= MAX_PROMPTS /* check: auth-prompts */) {
		auth_refused(p, REASON_PPP_AUTH_REFUSED, code, text);
		return false;
	}
	refusal(p, &a->refusal, REASON_PPP_AUTH_REFUSED, code, text);
	secret_clear(&a->typed);
	wait_for_a_person(p);
	ask(p);
	return true;
}

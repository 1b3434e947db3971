/* What the control socket tells, as JSON: the types of io.vpnd.varlink, one function each. */
#include "daemon/control_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { LONG_TEXT = 1024 };

json_t *control_json_text(const char *text)
{
	json_t *json = json_string(text);
	char plain[LONG_TEXT];

	if (json)
		return json;
	snprintf(plain, sizeof(plain), "%s", text);
	for (char *at = plain; *at; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	return json_string(plain);
}

static json_t *ip_json(const struct ip *ip)
{
	char text[IP_TEXT];

	return ip->family == FAMILY_NONE ? NULL : json_string(ip_text(ip, text));
}

/* Those of n addresses that exist. */
static json_t *ips_json(const struct ip *ips, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (ips[i].family != FAMILY_NONE)
			json_array_append_new(list, ip_json(&ips[i]));
	return list;
}

/* 0 as well for what has been so ever since. */
static json_int_t since(msec then, msec now)
{
	return then && now > then ? (json_int_t)(now - then) : 0;
}

/* Absent when it never comes. */
static json_t *until(msec then, msec now)
{
	return then == MSEC_NEVER || then == 0 ? NULL : json_integer(since(now, then));
}

/* ---- failures and events ---- */

json_t *control_json_failure(const struct reason *reason, const char *name)
{
	const struct reason_row *row = reason_row(reason->id);
	char hint[REASON_HINT];

	return json_pack("{s:s, s:s, s:o*, s:s, s:s, s:o}", "id", row->id, "stage",
		reason_stage_name(row->stage), "windows",
		row->windows ? json_integer(row->windows) : NULL, "text", row->sentence, "hint",
		reason_hint(reason->id, name, hint), "evidence",
		control_json_text(reason->evidence));
}

json_t *control_json_network(const struct control_network *n)
{
	json_t *routes = json_array();
	char text[PREFIX_TEXT];

	for (size_t i = 0; i < n->n_routes; i++)
		json_array_append_new(routes, json_string(prefix_text(&n->routes[i], text)));
	return json_pack("{s:s, s:o, s:o*, s:o, s:s*, s:o, s:i, s:o*}", "interface", n->interface,
		"addresses", ips_json(n->address, 2), "peer", ip_json(&n->peer), "dns",
		ips_json(n->dns, CONF_DNS_MAX), "dns_note", n->dns_note, "routes", routes, "mtu",
		n->mtu, "gateway", ip_json(&n->gateway));
}

json_t *control_json_event(const struct control_event *ev, const char *name, uint32_t prompt)
{
	switch (ev->kind) {
	case CONTROL_EV_STAGE:
		return json_pack("{s:s, s:{s:s, s:o, s:I}}", "kind", "stage", "stage", "name",
			ev->stage, "text", control_json_text(ev->text ? ev->text : ""), "ms",
			(json_int_t)ev->took);
	case CONTROL_EV_PROMPT:
		return json_pack("{s:s, s:{s:I, s:s, s:o, s:b}}", "kind", "prompt", "prompt", "id",
			(json_int_t)prompt, "kind", ev->prompt, "text",
			control_json_text(ev->text ? ev->text : ""), "echo", ev->echo);
	case CONTROL_EV_NETWORK:
		return json_pack("{s:s, s:o}", "kind", "network", "network",
			control_json_network(ev->network));
	case CONTROL_EV_UP:
		return json_pack("{s:s}", "kind", "up");
	case CONTROL_EV_RETRY:
		return json_pack("{s:s, s:{s:I, s:o}}", "kind", "retry", "retry", "in_ms",
			(json_int_t)ev->took, "error", control_json_failure(ev->reason, name));
	case CONTROL_EV_FAILED:
		return json_pack("{s:s, s:o}", "kind", "failed", "error",
			control_json_failure(ev->reason, name));
	}
	return NULL;
}

json_t *control_json_problems(const struct conf_errors *errors)
{
	json_t *list = json_array();
	char line[CONF_ERROR_LINE];

	for (size_t i = 0; i < errors->n && i < CONF_ERRORS_MAX; i++)
		json_array_append_new(list, control_json_text(conf_error_text(errors, i, line)));
	return list;
}

json_t *control_json_settings(const struct conf *conf, const char *key)
{
	json_t *list = json_array();

	for (size_t i = 0; i < CONF_KEYS; i++)
		if (!key || strcmp(conf_keys[i].name, key) == 0)
			json_array_append_new(list,
				json_pack("{s:s, s:s, s:b}", "key", conf_keys[i].name, "value",
					conf_text(conf, i), "given", conf->given[i]));
	return list;
}

/* ---- status ---- */

static json_t *counters_json(const struct esp_counters *c)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "packets", (json_int_t)c->packets, "octets",
		(json_int_t)c->octets, "icv_bad", (json_int_t)c->icv_bad, "replayed",
		(json_int_t)c->replayed, "malformed", (json_int_t)c->malformed);
}

static json_t *sa_json(const struct esp_sa_status *sa, msec now)
{
	char suite[SUITE_TEXT], in[16], out[16];

	snprintf(in, sizeof(in), "%08" PRIx32, sa->spi_in);
	snprintf(out, sizeof(out), "%08" PRIx32, sa->spi_out);
	return json_pack("{s:s, s:s, s:s, s:b, s:I, s:o, s:o}", "suite",
		esp_suite_text(&sa->suite, suite), "spi_in", in, "spi_out", out, "in_use",
		sa->in_use, "age_ms", since(sa->installed_at, now), "in", counters_json(&sa->in),
		"out", counters_json(&sa->out));
}

static json_t *ike_json(const struct ike_status *ike, msec now)
{
	char suite[SUITE_TEXT], i[17], r[17], cookies[40];

	snprintf(cookies, sizeof(cookies), "%s %s", str_hex(slice(ike->cookie_i, 8), i, sizeof(i)),
		str_hex(slice(ike->cookie_r, 8), r, sizeof(r)));
	return json_pack("{s:s, s:s, s:o, s:o, s:b, s:b, s:I, s:o*, s:I, s:I, s:I}", "suite",
		ike_suite_text(&ike->suite, suite), "cookies", cookies, "peer_id",
		control_json_text(ike->peer_id), "peer_kind",
		control_json_text(ike->peer_kind ? ike->peer_kind : ""), "nat_here",
		ike->we_are_natted, "nat_there", ike->peer_is_natted, "age_ms",
		since(ike->established_at, now), "rekey_in_ms", until(ike->rekey_at, now),
		"main_modes", (json_int_t)ike->main_modes, "quick_modes",
		(json_int_t)ike->quick_modes, "rtt_ms", (json_int_t)ike->rtt);
}

static json_t *l2tp_json(const struct l2tp_status *l)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:o, s:o, s:I}", "tunnel", l->tunnel, "peer_tunnel",
		l->peer_tunnel, "session", l->session, "peer_session", l->peer_session, "peer_name",
		control_json_text(l->peer_name), "peer_vendor", control_json_text(l->peer_vendor),
		"retransmits", (json_int_t)l->retransmits);
}

static json_t *ppp_json(const struct ppp_status *p)
{
	return json_pack("{s:s, s:i, s:o, s:I}", "auth", p->auth ? p->auth : "", "mtu", p->mtu,
		"message", control_json_text(p->message), "echoes_lost",
		(json_int_t)p->echoes_lost);
}

/* Each layer that has something to show. */
static void add_layers(json_t *to, const struct control_status *s)
{
	const struct stack_status *stack = &s->conn->stack;
	json_t *sas;

	if (stack->ike.established)
		json_object_set_new(to, "ike", ike_json(&stack->ike, s->now));
	if (stack->l2tp.up)
		json_object_set_new(to, "l2tp", l2tp_json(&stack->l2tp));
	if (stack->ppp.lcp_open)
		json_object_set_new(to, "ppp", ppp_json(&stack->ppp));
	if (!s->n_sas)
		return;
	sas = json_array();
	for (size_t i = 0; i < s->n_sas; i++)
		json_array_append_new(sas, sa_json(&s->sas[i], s->now));
	json_object_set_new(to, "sas", sas);
}

static const char *encapsulation(enum lane lane)
{
	switch (lane) {
	case LANE_NATT:
		return "UDP 4500";
	case LANE_RAW:
		return "ESP";
	case LANE_IKE:
	case LANE_L2TP:
	case LANE_PPP:
	case LANES:
		break;
	}
	return NULL;
}

static void add_private(json_t *to, const struct control_status *s)
{
	const struct conn_status *conn = s->conn;

	json_object_update_missing_new(to,
		json_pack("{s:o*, s:o*, s:I, s:s*, s:s*, s:s*, s:s*, s:o*}", "failure",
			conn->last.id == REASON_NONE ? NULL
						     : control_json_failure(&conn->last, s->name),
			"retry_in_ms",
			conn->state == CONN_WAITING ? until(conn->retry_at, s->now) : NULL,
			"reconnects", (json_int_t)conn->reconnects, "gateway", s->gateway,
			"data_plane", s->data_plane, "data_plane_note", s->data_plane_note,
			"ports_note", s->ports_note, "network",
			s->network ? control_json_network(s->network) : NULL));
	if (!conn->has_stack)
		return;
	json_object_update_missing_new(to,
		json_pack("{s:s*, s:o, s:o}", "encapsulation",
			s->n_sas ? encapsulation(conn->stack.lane) : NULL, "received",
			counters_json(&conn->stack.in), "sent", counters_json(&conn->stack.out)));
}

json_t *control_json_status(const struct control_status *s, bool member, bool full)
{
	json_t *json = json_pack("{s:s, s:s, s:I}", "name", s->name, "state",
		conn_state_name(s->conn->state), "for_ms", since(s->conn->since, s->now));

	if (json && member)
		add_private(json, s);
	if (json && member && full && s->conn->has_stack)
		add_layers(json, s);
	return json;
}

/* ---- what this host can do ---- */

static json_t *abilities_json(const struct control_ability *at, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:b, s:o*}", "name", at[i].name, "ok", !at[i].why,
				      "why", at[i].why ? control_json_text(at[i].why) : NULL));
	return list;
}

json_t *control_json_test(const struct control_test *t)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < t->n_ports; i++)
		json_array_append_new(ports,
			json_pack("{s:i, s:o*}", "port", t->ports[i].port, "holder",
				t->ports[i].holder ? control_json_text(t->ports[i].holder) : NULL));
	return json_pack("{s:s, s:b, s:s*, s:o*, s:o, s:o, s:o}", "kernel", t->kernel, "possible",
		t->plane != NULL, "plane", t->plane, "note",
		t->note ? control_json_text(t->note) : NULL, "suites",
		abilities_json(t->suites, t->n_suites), "parts",
		abilities_json(t->parts, t->n_parts), "ports", ports);
}

#include "daemon/session_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sshpeer.h"

enum {
	LCP_ECHO_EVERY = 18000, /* ms of silence; below SoftEther's 20 s of patience with traffic */
	LCP_ECHO_PATIENCE = 10000,
	L2TP_HELLO_EVERY = 60000,
	L2TP_WINDOW = 8, /* as Windows */
	NAMED_LINE = 600,
};

/* ---- history ---- */

/* Every line of the connection: kept, told to followers, and passed on under its name. */
static void on_line(void *ctx, enum log_level level, const char *layer, const char *text)
{
	const struct session *s = ctx;
	char named[NAMED_LINE];

	history_add(s->history, level, layer, text);
	if (level > s->host->log->level)
		return;
	snprintf(named, sizeof(named), "%s: %s", s->name, text);
	s->host->log->sink(s->host->log->ctx, level, layer, named);
}

void session_log(struct session *s, control_call call, bool follow)
{
	history_tell(s->history, call, follow);
}

void session_unfollow(struct session *s, control_call call)
{
	history_unfollow(s->history, call);
}

/* ---- names ---- */

static void free_names(struct session *s)
{
	loop_watch_free(s->names_readable);
	s->names_readable = NULL;
	names_free(s->names);
	s->names = NULL;
	loop_timer_set(s->names_timer, MSEC_NEVER);
}

static int pass_flow(void *ctx, const struct flow *flow)
{
	struct session *s = ctx;

	return route_pass(s->route, flow);
}

static void unpass_flow(void *ctx, const struct flow *flow)
{
	struct session *s = ctx;

	route_unpass(s->route, flow);
}

/* What the resolver has so far; true when that was the end. */
static bool take_names(struct session *s, struct io *out)
{
	const struct ip *list = NULL;
	const char *why = NULL;
	size_t n = 0;

	switch (names_state(s->names)) {
	case NAMES_WORKING:
		loop_timer_set(s->names_timer, names_deadline(s->names));
		return false;
	case NAMES_DONE:
		n = names_result(s->names, &list);
		break;
	case NAMES_FAILED:
		why = names_why(s->names);
		break;
	}
	conn_resolved(s->conn, s->names_question, list, n, why, loop_now(s->host->loop), out);
	free_names(s);
	return true;
}

static void on_names(void *ctx)
{
	struct session *s = ctx;
	struct io out = {0};

	if (!s->names)
		return;
	names_ready(s->names, loop_now(s->host->loop));
	take_names(s, &out);
	session_settle(s, &out);
}

static void resolve(struct session *s, const struct conn_event *ev, struct io *out)
{
	struct ip servers[DNS_SERVERS_MAX];
	char why[NAMES_WHY];
	msec now = loop_now(s->host->loop);
	struct names_conf conf = {
		.name = s->conf->gateway,
		.mark = s->conf->fwmark.value,
		.servers = servers,
		.n = dns_upstream(s->host->dns, servers, DNS_SERVERS_MAX),
		.pass = pass_flow,
		.unpass = unpass_flow,
		.ctx = s,
	};

	free_names(s);
	s->names_question = ev->id;
	int rc = names_new(&s->names, &conf, now);
	if (rc != 0) {
		snprintf(why, sizeof(why), "%.60s: %s", s->conf->gateway, strerror(-rc));
		conn_resolved(s->conn, ev->id, NULL, 0, why, now, out);
		return;
	}
	if (take_names(s, out))
		return;
	s->names_readable =
		loop_watch_new(s->host->loop, names_fd(s->names), LOOP_READ, on_names, s);
}

/* ---- conn's events ---- */

static void tell(struct session *s, const struct control_event *ev)
{
	control_event(s->host->control, s->call, s->name, ev);
	if (ev->kind == CONTROL_EV_FAILED || (ev->kind == CONTROL_EV_UP && !s->owner_caller))
		s->call = 0;
}

void session_open(struct session *s, const struct conn_event *ev, struct io *out)
{
	struct conn_sockets sockets;
	struct reason why = {0};
	struct conn_event asked = *ev;
	msec now = loop_now(s->host->loop);
	char text[IP_TEXT];

	/* Two connections to one server cannot share a port: the 4-tuple would be the same. */
	asked.ephemeral |= s->host->server_in_use(s->host->ctx, s, &ev->remote);
	if (strcmp(s->conf->gateway, ip_text(&ev->remote, text)) != 0)
		log_info(&s->log, "net", "gateway %s is %s", s->conf->gateway, text);
	if (io_open_sockets(s, &asked, &sockets, &why) == 0)
		conn_opened(s->conn, ev->id, &sockets, NULL, now, out);
	else
		conn_opened(s->conn, ev->id, NULL, &why, now, out);
}

static void want_secret(struct session *s, const struct conn_event *ev, struct io *out)
{
	struct answer no = {.why = "nobody is there to ask"};
	char text[CONF_NAME_MAX + 300];

	if (!s->call || !s->interactive) {
		conn_secret(s->conn, ev->id, &no, loop_now(s->host->loop), out);
		return;
	}
	s->question = ev->id;
	snprintf(text, sizeof(text), "Password of %s for %s:", s->conf->user, s->name);
	tell(s, &(struct control_event){.kind = CONTROL_EV_PROMPT,
			.question = ev->id,
			.prompt = "password",
			.text = text});
}

static void want_link(struct session *s, const struct conn_event *ev, struct io *out)
{
	struct reason why = {0};
	bool done = link_make(s, &why);

	conn_linked(s->conn, ev->id, done ? NULL : &why, loop_now(s->host->loop), out);
}

static void now_up(struct session *s)
{
	tell(s, &(struct control_event){.kind = CONTROL_EV_NETWORK, .network = &s->network});
	tell(s, &(struct control_event){.kind = CONTROL_EV_UP});
}

/* Who asked to be connected next is told why not. */
static void drop_next(struct session *s, enum reason_id why)
{
	struct reason reason = {.id = why};

	if (!s->next)
		return;
	conf_free(s->next);
	s->next = NULL;
	control_event(s->host->control, s->next_call, s->name,
		&(struct control_event){.kind = CONTROL_EV_FAILED, .reason = &reason});
	s->next_call = 0;
}

/* What the settings were for; what they say is still shown. */
static void forget_secrets(struct conf *conf)
{
	secret_clear(&conf->psk);
	secret_clear(&conf->password);
	secret_clear(&conf->l2tp_secret);
}

static void begin_next(void *ctx);

/* Begins as soon as nobody is at work in here. The route stays until the next one stands. */
static void go_on_later(struct session *s)
{
	if (s->next && loop_later(s->host->loop, begin_next, s) != 0)
		drop_next(s, REASON_LOCAL_NO_MEMORY);
}

static void ended(struct session *s, const struct conn_event *ev)
{
	free_names(s);
	go_on_later(s);
	link_drop(s, s->next);
	io_close_sockets(s);
	if (!s->next) {
		route_free(s->route);
		s->route = NULL;
	}
	s->question = 0;
	tell(s, &(struct control_event){.kind = CONTROL_EV_FAILED, .reason = &ev->reason});
	forget_secrets(s->conf);
	if (s->closing)
		control_done(s->host->control, s->closing);
	s->closing = 0;
}

static void carry_out(struct session *s, const struct conn_event *ev, struct io *out)
{
	switch (ev->kind) {
	case CONN_EV_WANT_ADDRESSES:
		resolve(s, ev, out);
		break;
	case CONN_EV_WANT_SOCKETS:
		if (!plane_asks(s, ev))
			session_open(s, ev, out);
		break;
	case CONN_EV_WANT_SECRET:
		want_secret(s, ev, out);
		break;
	case CONN_EV_WANT_HANDOVER:
		plane_take_session(s, ev, out);
		break;
	case CONN_EV_WANT_LINK:
		want_link(s, ev, out);
		break;
	case CONN_EV_STEP:
		tell(s, &(struct control_event){.kind = CONTROL_EV_STAGE,
				.stage = stack_step_name(ev->step),
				.text = ev->text,
				.took = ev->took});
		break;
	case CONN_EV_UP:
		now_up(s);
		break;
	case CONN_EV_DROP_LINK:
		link_drop(s, ev->hold || s->next);
		break;
	case CONN_EV_CLOSE_SOCKETS:
		io_send(s, out); /* the farewell is still in there */
		io_close_sockets(s);
		break;
	case CONN_EV_RETRY:
		tell(s, &(struct control_event){
				.kind = CONTROL_EV_RETRY, .reason = &ev->reason, .took = ev->took});
		break;
	case CONN_EV_ENDED:
		ended(s, ev);
		break;
	}
}

static void show_state(struct session *s)
{
	enum conn_state state = conn_get_state(s->conn);

	if (state == s->shown)
		return;
	s->shown = state;
	control_changed(s->host->control, s->name);
}

void session_settle(struct session *s, struct io *out)
{
	struct conn_event ev;
	bool news = false;

	for (; conn_next_event(s->conn, &ev); news = true)
		carry_out(s, &ev, out);
	io_send(s, out);
	loop_timer_set(s->timer, conn_deadline(s->conn));
	show_state(s);
	if (news)
		s->host->settled(s->host->ctx);
}

static void on_timer(void *ctx)
{
	struct session *s = ctx;
	struct io out = {0};

	conn_tick(s->conn, loop_now(s->host->loop), &out);
	session_settle(s, &out);
}

/* ---- life ---- */

struct session *session_new(const struct host *host, const char *name)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->host = host;
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->log = (struct log){.sink = on_line, .ctx = s, .level = LOG_LEVEL_DEBUG};
	s->history = history_new(host->control);
	s->timer = loop_timer_new(host->loop, on_timer, s);
	s->names_timer = loop_timer_new(host->loop, on_names, s);
	s->ask_timer = loop_timer_new(host->loop, plane_waited, s);
	if (!s->history || !s->timer || !s->names_timer || !s->ask_timer) {
		session_free(s);
		return NULL;
	}
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	if (s->names_timer)
		free_names(s);
	plane_ask_free(s->ask);
	if (s->conn) {
		link_drop(s, false);
		io_close_sockets(s);
	}
	route_free(s->route);
	conn_free(s->conn);
	conf_free(s->conf);
	conf_free(s->next);
	loop_timer_free(s->timer);
	loop_timer_free(s->names_timer);
	loop_timer_free(s->ask_timer);
	history_free(s->history);
	free(s);
}

/* The stack's settings from the file's. */
static void fill_conf(struct session *s)
{
	const struct conf *c = s->conf;
	const struct ip none = {0};
	struct stack_conf *st = &s->conn_conf.stack;

	gethostname(s->hostname, sizeof(s->hostname) - 1);
	s->conn_conf = (struct conn_conf){
		.gateway = c->gateway,
		.reconnect = c->reconnect,
		.keep_trying = c->autoconnect && !s->call,
		.learned = s->status.learned,
		.ephemeral_ports = c->local_port == CONF_PORT_EPHEMERAL || s->host->after_crash,
	};
	st->mtu = (uint16_t)c->mtu;
	st->ike = (struct ike_conf){
		.psk = secret_slice(&c->psk),
		.local_id = c->local_id,
		.proposals = c->proposals,
		.encap = (enum ike_encap)c->encapsulation,
		.l2tp_port = L2TP_PORT,
		.ike_life_s = c->ike_life_s,
		.esp_life_s = c->esp_life_s,
		.rekey = c->rekey,
		.initial_contact = !s->host->server_in_use(s->host->ctx, s, &none),
		.dpd_interval = SECONDS(c->dpd_s),
	};
	st->l2tp = (struct l2tp_conf){
		.hostname = s->hostname,
		.secret = secret_slice(&c->l2tp_secret),
		.hello = L2TP_HELLO_EVERY,
		.window = L2TP_WINDOW,
	};
	st->ppp = (struct ppp_conf){
		.user = slice_str(c->user),
		.password = secret_slice(&c->password),
		.auth = c->auth,
		.want_dns = true,
		.echo_interval = LCP_ECHO_EVERY,
		.echo_patience = LCP_ECHO_PATIENCE,
	};
}

static int make_route(struct session *s)
{
	static const enum route_mode modes[] = {
		[CONF_ROUTES_LIST] = ROUTE_SPLIT,
		[CONF_ROUTES_DEFAULT] = ROUTE_FULL,
		[CONF_ROUTES_NONE] = ROUTE_NONE,
	};
	struct route_conf conf = {
		.mark = s->conf->fwmark.value,
		.mask = s->conf->fwmark.mask,
		.mode = s->network_caller ? ROUTE_NONE : modes[s->conf->routes.kind],
		.prefixes = s->conf->routes.at,
		.n = s->conf->routes.n,
		.lan = s->conf->lan == CONF_LAN_ALLOW,
	};

	return route_new(&s->route, s->host->routes, &conf);
}

/* Whether the tunnel would take the network from under whoever asked for it. */
static bool cuts_caller(const struct session *s, const struct control_connect *c, struct ip *peer)
{
	/* Looking for sessions takes this host some milliseconds. */
	if (s->network_caller || s->conf->routes.kind == CONF_ROUTES_NONE)
		return false;
	*peer = c->ssh_peer;
	if (peer->family != FAMILY_NONE)
		return route_captures(s->route, peer);
	return ssh_cut(s->route, c->caller.pid, peer);
}

/* Reasons of this host not even to begin. */
static bool may_begin(struct session *s, const struct control_connect *connect, struct reason *why)
{
	char text[IP_TEXT];
	struct ip peer;

	if (session_full_tunnel(s) && s->host->full_tunnel(s->host->ctx, s)) {
		reason_set(why, REASON_LOCAL_BUSY, "routes = default twice");
		return false;
	}
	int rc = make_route(s);
	if (rc != 0) {
		reason_set(why, REASON_LOCAL_ROUTES, "%s", strerror(-rc));
		return false;
	}
	if (connect && !connect->insist && cuts_caller(s, connect, &peer)) { /* check: ssh-cut */
		reason_set(why, REASON_LOCAL_SSH_CUT, "SSH comes from %s", ip_text(&peer, text));
		return false;
	}
	return true;
}

/* Closes what there is; ended() goes on. */
static void connect_next(struct session *s, struct conf *conf, control_call call,
	const struct control_connect *connect)
{
	struct io out = {0};

	drop_next(s, REASON_CANCELLED);
	s->next = conf;
	s->next_call = call;
	s->next_how = *connect;
	s->next_how.name = NULL; /* borrowed for the call, as the lists are */
	s->next_how.settings = s->next_how.secrets = NULL;
	conn_close(s->conn, REASON_NONE, loop_now(s->host->loop), &out);
	session_settle(s, &out);
}

static void begin(struct session *s, struct conf *conf, control_call call,
	const struct control_connect *connect)
{
	struct reason why = {0};
	struct io out = {0};

	if (s->conn)
		conn_get_status(s->conn, &s->status);
	conn_free(s->conn);
	conf_free(s->conf);
	s->conf = conf;
	s->call = call;
	s->interactive = connect && connect->interactive;
	s->owner_caller = connect && connect->owner_caller;
	s->network_caller = connect && connect->network_caller;
	fill_conf(s);
	s->env = *s->host->env;
	s->env.log = &s->log;
	s->conn = conn_new(&s->conn_conf, &s->env);
	if (!s->conn)
		reason_set(&why, REASON_LOCAL_NO_MEMORY, "connection");
	if (!s->conn || !may_begin(s, connect, &why)) {
		log_error(&s->log, "conn", "%s: %s", reason_row(why.id)->id, why.evidence);
		route_free(s->route);
		s->route = NULL;
		forget_secrets(s->conf);
		tell(s, &(struct control_event){.kind = CONTROL_EV_FAILED, .reason = &why});
		return;
	}
	conn_open(s->conn, loop_now(s->host->loop), &out);
	session_settle(s, &out);
}

static void begin_next(void *ctx)
{
	struct session *s = ctx;
	struct route *old = s->route;
	struct conf *conf = s->next;
	control_call call = s->next_call;

	s->route = NULL;
	s->next = NULL;
	s->next_call = 0;
	if (conf)
		begin(s, conf, call, &s->next_how);
	if (old && route_succeed(old, s->route) != 0)
		log_warn(&s->log, "route", "the backstop does not stand");
	s->host->settled(s->host->ctx);
}

void session_connect(struct session *s, struct conf *conf, control_call call,
	const struct control_connect *connect)
{
	if (session_idle(s))
		begin(s, conf, call, connect);
	else
		connect_next(s, conf, call, connect);
}

void session_cancel(struct session *s, enum reason_id why)
{
	struct io out = {0};

	if (!s->conn)
		return;
	drop_next(s, why);
	conn_close(s->conn, why, loop_now(s->host->loop), &out);
	session_settle(s, &out);
}

void session_disconnect(struct session *s, control_call call)
{
	if (session_idle(s)) {
		control_refuse(s->host->control, call, CONTROL_NOT_CONNECTED, s->name, NULL);
		return;
	}
	if (s->closing) /* two of them: the first is told now */
		control_done(s->host->control, s->closing);
	s->closing = call;
	session_cancel(s, REASON_NONE);
}

void session_answer(struct session *s, uint32_t question, struct slice value)
{
	struct answer answer = {.yes = value.p, .why = "the prompt was declined", .secret = value};
	struct io out = {0};

	if (!s->conn || question == 0 || question != s->question)
		return;
	s->question = 0;
	conn_secret(s->conn, question, &answer, loop_now(s->host->loop), &out);
	session_settle(s, &out);
}

/* ---- what it is ---- */

const char *session_name(const struct session *s)
{
	return s->name;
}

control_call session_call(const struct session *s)
{
	return s->next ? s->next_call : s->call;
}

bool session_owned(const struct session *s)
{
	return s->owner_caller;
}

bool session_idle(const struct session *s)
{
	struct conn_status st;

	if (!s->conn)
		return true;
	conn_get_status(s->conn, &st);
	return st.state == CONN_IDLE;
}

bool session_closing(const struct session *s)
{
	struct conn_status st = {.state = CONN_IDLE};

	if (s->conn)
		conn_get_status(s->conn, &st);
	return st.state == CONN_CLOSING;
}

bool session_used(const struct session *s)
{
	return s->conn;
}

const char *session_state(const struct session *s)
{
	struct conn_status st = {.state = CONN_IDLE};

	if (s->conn)
		conn_get_status(s->conn, &st);
	return conn_state_name(st.state);
}

bool session_full_tunnel(const struct session *s)
{
	return s->conf && !s->network_caller && s->conf->routes.kind == CONF_ROUTES_DEFAULT;
}

bool session_uses(const struct session *s, const struct ip *server)
{
	struct conn_status st;

	if (session_idle(s))
		return false;
	conn_get_status(s->conn, &st);
	return server->family == FAMILY_NONE || ip_equal(&st.remote, server);
}

void session_status(struct session *s, control_status_fn *each, void *arg)
{
	struct control_status status = {
		.name = s->name, .now = loop_now(s->host->loop), .conn = &s->status, .sas = s->sas};

	if (!s->conn)
		return;
	conn_get_status(s->conn, &s->status);
	status.gateway = s->conf->gateway;
	status.data_plane = s->kernel.l2tp ? "kernel" : s->kernel.esp ? "mixed" : "user";
	status.data_plane_note = *s->plane_note ? s->plane_note : NULL;
	status.ports_note = *s->ports_note ? s->ports_note : NULL;
	status.network = s->linked ? &s->network : NULL;
	while (status.n_sas < ESP_PAIRS_MAX &&
		conn_get_sa(s->conn, (unsigned)status.n_sas, &s->sas[status.n_sas]))
		status.n_sas++;
	each(arg, &status);
}

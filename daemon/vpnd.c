#include "daemon/vpnd.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "cli/varlink.h"
#include "daemon/cleanup.h"
#include "daemon/files.h"
#include "daemon/hostenv.h"
#include "daemon/sdnotify.h"
#include "daemon/session.h"

enum { SESSIONS_MAX = 64, SHUTDOWN_PATIENCE = 4000 };

struct vpnd {
	struct vpnd_conf conf;
	struct files files;
	struct env *env;
	struct loop *loop;
	struct journal *journal;
	struct routes *routes;
	struct dns *dns;
	struct control *control;
	struct host host;
	struct session *sessions[SESSIONS_MAX];
	size_t n_sessions;
	int listener;
	struct loop_watch *routes_readable, *dns_readable;
	struct loop_timer *upkeep, *watchdog, *shutdown;
	struct loop_signal *term, *interrupt, *hangup;
	bool stopping;
};

/* ---- sessions ---- */

static struct session *find(const struct vpnd *d, const char *name)
{
	for (size_t i = 0; i < d->n_sessions; i++)
		if (strcmp(session_name(d->sessions[i]), name) == 0)
			return d->sessions[i];
	return NULL;
}

static struct session *find_call(const struct vpnd *d, control_call call)
{
	for (size_t i = 0; i < d->n_sessions; i++)
		if (session_call(d->sessions[i]) == call)
			return d->sessions[i];
	return NULL;
}

static void forget(struct vpnd *d, size_t i)
{
	session_free(d->sessions[i]);
	d->sessions[i] = d->sessions[--d->n_sessions];
}

/* The session of that name, made when it is new; an idle one makes room when there are many. */
static struct session *obtain(struct vpnd *d, const char *name)
{
	struct session *s = find(d, name);

	if (s)
		return s;
	for (size_t i = 0; i < d->n_sessions && d->n_sessions == SESSIONS_MAX; i++)
		if (session_idle(d->sessions[i]))
			forget(d, i);
	s = d->n_sessions < SESSIONS_MAX ? session_new(&d->host, name) : NULL;
	if (s)
		d->sessions[d->n_sessions++] = s;
	return s;
}

static bool server_in_use(void *ctx, const struct session *but, const struct ip *server)
{
	const struct vpnd *d = ctx;

	for (size_t i = 0; i < d->n_sessions; i++)
		if (d->sessions[i] != but && session_uses(d->sessions[i], server))
			return true;
	return false;
}

static bool full_tunnel(void *ctx, const struct session *but)
{
	const struct vpnd *d = ctx;

	for (size_t i = 0; i < d->n_sessions; i++)
		if (d->sessions[i] != but && !session_idle(d->sessions[i]) &&
			session_full_tunnel(d->sessions[i]))
			return true;
	return false;
}

/* ---- what the control socket asks ---- */

/* Is there a file of that name, good or bad? */
static bool has_file(const struct vpnd *d, const char *name)
{
	struct conf_errors *errors = conf_errors_new();
	struct conf *conf = NULL;
	int rc = errors ? files_peek(&d->files, name, &conf, errors) : -ENOMEM;

	conf_free(conf);
	conf_errors_free(errors);
	return rc != -ENOENT;
}

/* A connection by settings alone has a label; it must not pass for one that has a file, whose
 * password a prompt would then be taken to ask for. */
static int load_inline(struct vpnd *d, const char *label, const struct control_connect *c,
	struct conf **conf, struct conf_errors *errors)
{
	if (has_file(d, label)) {
		conf_errors_add(
			errors, "settings", 0, "name", "there is a connection of that name");
		return -EINVAL;
	}
	return files_inline(&d->files, label, c->settings, c->n_settings, c->secrets, c->n_secrets,
		c->caller.trusted, conf, errors);
}

/* The file or the settings, and a session to use them. 0 or -errno, errors explained. */
static int prepare(struct vpnd *d, const char *name, const struct control_connect *c,
	struct conf **conf, struct session **s, struct conf_errors *errors)
{
	int rc = c->is_inline ? load_inline(d, name, c, conf, errors)
			      : files_load(&d->files, name, c->secrets, c->n_secrets, conf, errors);

	if (rc != 0)
		return rc;
	*s = obtain(d, name);
	return *s ? 0 : -ENOMEM;
}

static void op_connect(void *ctx, control_call call, const struct control_connect *connect)
{
	struct vpnd *d = ctx;
	const char *name = connect->name ? connect->name : "inline";
	struct conf_errors *errors = conf_errors_new();
	struct session *s = find(d, name);
	struct conf *conf = NULL;

	if (s && !session_idle(s)) {
		control_refuse(d->control, call, CONTROL_ALREADY_CONNECTED, name, session_state(s));
		conf_errors_free(errors);
		return;
	}
	int rc = errors ? prepare(d, name, connect, &conf, &s, errors) : -ENOMEM;
	if (rc == 0)
		session_connect(s, conf, call, connect);
	else if (rc == -ENOENT)
		control_refuse(d->control, call, CONTROL_NO_SUCH_CONNECTION, name, NULL);
	else if (rc == -EINVAL)
		control_bad_settings(d->control, call, errors);
	else
		control_refuse(d->control, call, CONTROL_NO_MEMORY, name, NULL);
	if (rc != 0)
		conf_free(conf);
	conf_errors_free(errors);
}

static void op_answer(void *ctx, control_call call, uint32_t question, struct slice value)
{
	struct session *s = find_call(ctx, call);

	if (s)
		session_answer(s, question, value);
}

static void op_cancel(void *ctx, control_call call)
{
	struct session *s = find_call(ctx, call);

	if (s)
		session_cancel(s, REASON_CANCELLED);
}

static void op_gone(void *ctx, control_call call)
{
	struct vpnd *d = ctx;
	struct session *s = find_call(d, call);

	if (s)
		session_cancel(s, REASON_CANCELLED);
	for (size_t i = 0; i < d->n_sessions; i++)
		session_unfollow(d->sessions[i], call);
}

/* All at once: each is told to close, the call is answered when the last one has. */
static void disconnect_all(struct vpnd *d, control_call call)
{
	for (size_t i = 0; i < d->n_sessions; i++)
		if (!session_idle(d->sessions[i]))
			session_cancel(d->sessions[i], REASON_NONE);
	control_done(d->control, call);
}

static void op_disconnect(void *ctx, control_call call, const char *name)
{
	struct vpnd *d = ctx;

	if (!name) {
		disconnect_all(d, call);
		return;
	}
	struct session *s = find(d, name);
	if (s)
		session_disconnect(s, call);
	else if (has_file(d, name))
		control_refuse(d->control, call, CONTROL_NOT_CONNECTED, name, NULL);
	else
		control_refuse(d->control, call, CONTROL_NO_SUCH_CONNECTION, name, NULL);
}

static void op_log(void *ctx, control_call call, const char *name, bool follow)
{
	struct vpnd *d = ctx;
	struct session *s = find(d, name);

	if (!s && has_file(d, name))
		s = obtain(d, name);
	if (s)
		session_log(s, call, follow);
	else
		control_refuse(d->control, call, CONTROL_NO_SUCH_CONNECTION, name, NULL);
}

/* A connection that was never used is down, and nothing else is known of it. */
static void idle_status(struct vpnd *d, const char *name, control_status_fn *each, void *arg)
{
	struct conn_status idle = {.state = CONN_IDLE, .retry_at = MSEC_NEVER};
	struct control_status status = {.name = name, .now = loop_now(d->loop), .conn = &idle};

	each(arg, &status);
}

static int op_status(void *ctx, const char *name, control_status_fn *each, void *arg)
{
	struct vpnd *d = ctx;

	if (name) {
		struct session *s = find(d, name);

		if (s && session_used(s))
			session_status(s, each, arg);
		else if (s || has_file(d, name))
			idle_status(d, name, each, arg);
		else
			return -ENOENT;
		return 0;
	}
	for (size_t i = 0; i < d->n_sessions; i++)
		if (session_used(d->sessions[i]))
			session_status(d->sessions[i], each, arg);
	return 0;
}

static void list_one(struct vpnd *d, const char *name, control_list_fn *each, void *arg)
{
	struct conf_errors *errors = conf_errors_new();
	struct session *s = find(d, name);
	struct conf *conf = NULL;
	char problem[CONF_ERROR_LINE];
	struct control_listed listed = {.name = name, .state = s ? session_state(s) : "down"};

	if (!errors)
		return;
	int rc = files_peek(&d->files, name, &conf, errors);
	if (conf) {
		listed.gateway = conf->gateway;
		listed.user = conf->user;
		listed.autoconnect = conf->autoconnect;
	}
	if (rc != 0)
		listed.problem = errors->n ? conf_error_text(errors, 0, problem) : strerror(-rc);
	each(arg, &listed);
	conf_free(conf);
	conf_errors_free(errors);
}

static void op_list(void *ctx, control_list_fn *each, void *arg)
{
	struct vpnd *d = ctx;
	struct file_names names = {0};

	if (files_list(&d->files, &names) != 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		list_one(d, names.at[i], each, arg);
	file_names_free(&names);
}

static int op_show(
	void *ctx, const char *name, control_show_fn *one, void *arg, struct conf_errors *errors)
{
	struct vpnd *d = ctx;
	struct conf *conf = NULL;
	int rc = files_peek(&d->files, name, &conf, errors);

	if (rc == 0)
		one(arg, conf);
	conf_free(conf);
	return rc;
}

/* Files are read when they are needed; reloading finds out what is wrong with them now. */
static void op_reload(void *ctx, struct conf_errors *errors)
{
	struct vpnd *d = ctx;
	struct file_names names = {0};

	sdnotify_reloading();
	int rc = files_list(&d->files, &names);
	if (rc != 0)
		conf_errors_add(errors, d->files.config_dir, 0, "", "%s", strerror(-rc));
	for (size_t i = 0; i < names.n; i++) {
		struct conf *conf = NULL;

		if (files_load(&d->files, names.at[i], NULL, 0, &conf, errors) == 0)
			conf_free(conf);
	}
	file_names_free(&names);
	sdnotify_ready();
}

static const struct control_ops ops = {
	.connect = op_connect,
	.answer = op_answer,
	.cancel = op_cancel,
	.gone = op_gone,
	.disconnect = op_disconnect,
	.log = op_log,
	.status = op_status,
	.list = op_list,
	.show = op_show,
	.reload = op_reload,
};

/* ---- the host's news ---- */

static void arm_upkeep(struct vpnd *d)
{
	loop_timer_set(d->upkeep, msec_min(routes_deadline(d->routes), dns_deadline(d->dns)));
}

static void on_routes(void *ctx)
{
	struct vpnd *d = ctx;

	routes_ready(d->routes, loop_now(d->loop));
	arm_upkeep(d);
}

static void on_dns(void *ctx)
{
	struct vpnd *d = ctx;

	dns_ready(d->dns, loop_now(d->loop));
	arm_upkeep(d);
}

static void on_upkeep(void *ctx)
{
	struct vpnd *d = ctx;
	msec now = loop_now(d->loop);

	if (now >= routes_deadline(d->routes))
		routes_tick(d->routes, now);
	if (now >= dns_deadline(d->dns))
		dns_ready(d->dns, now);
	arm_upkeep(d);
}

static void on_watchdog(void *ctx)
{
	struct vpnd *d = ctx;

	sdnotify_watchdog();
	loop_timer_set(d->watchdog, loop_now(d->loop) + sdnotify_watchdog_interval());
}

static void on_hangup(void *ctx)
{
	struct vpnd *d = ctx;
	struct conf_errors *errors = conf_errors_new();
	char line[CONF_ERROR_LINE];

	if (!errors)
		return;
	op_reload(d, errors);
	for (size_t i = 0; i < errors->n && i < CONF_ERRORS_MAX; i++)
		log_error(d->conf.log, "conf", "%s", conf_error_text(errors, i, line));
	conf_errors_free(errors);
}

/* ---- the end ---- */

static bool all_idle(const struct vpnd *d)
{
	for (size_t i = 0; i < d->n_sessions; i++)
		if (!session_idle(d->sessions[i]))
			return false;
	return true;
}

static void on_shutdown(void *ctx)
{
	struct vpnd *d = ctx;

	loop_stop(d->loop);
}

/* Servers must hear goodbye: SoftEther blocks a client for a minute otherwise. */
static void on_term(void *ctx)
{
	struct vpnd *d = ctx;

	if (d->stopping) {
		loop_stop(d->loop);
		return;
	}
	d->stopping = true;
	log_info(d->conf.log, "vpnd", "stopping");
	sdnotify_stopping();
	for (size_t i = 0; i < d->n_sessions; i++)
		session_cancel(d->sessions[i], REASON_NONE);
	if (all_idle(d))
		loop_stop(d->loop);
	else
		loop_timer_set(d->shutdown, loop_now(d->loop) + SHUTDOWN_PATIENCE);
}

/* Something of a session's changed: routes and DNS may have work to do later. */
static void on_settled(void *ctx)
{
	struct vpnd *d = ctx;

	arm_upkeep(d);
	if (d->stopping && all_idle(d))
		loop_stop(d->loop);
}

/* ---- life ---- */

static int make_dir(const char *path, mode_t mode)
{
	return mkdir(path, mode) == 0 || errno == EEXIST ? 0 : -errno;
}

static int fail(struct vpnd *d, const char *what, int rc)
{
	log_error(d->conf.log, "vpnd", "%s: %s", what, strerror(-rc));
	return rc;
}

/* Who may do everything, besides root. */
static gid_t control_group(void)
{
	const struct group *g = getgrnam("vpnd");

	return g ? g->gr_gid : (gid_t)-1;
}

static int open_host(struct vpnd *d)
{
	int rc = make_dir(d->conf.runtime_dir, 0755);

	if (rc != 0)
		return fail(d, d->conf.runtime_dir, rc);
	if ((rc = make_dir(d->conf.state_dir, 0700)) != 0)
		return fail(d, d->conf.state_dir, rc);
	if ((rc = journal_open(&d->journal, d->conf.runtime_dir)) != 0)
		return fail(d, "journal", rc);
	d->host.after_crash = journal_pending(d->journal) > 0;
	cleanup_journal(d->journal, d->conf.state_dir, d->conf.log);
	if ((rc = routes_new(&d->routes, d->journal, d->conf.log)) != 0)
		return fail(d, "routes", rc);
	if ((rc = dns_new(&d->dns, d->journal, d->conf.state_dir, d->conf.log)) != 0)
		return fail(d, "DNS", rc);
	return 0;
}

static int open_control(struct vpnd *d)
{
	d->listener = sdnotify_listener();
	if (d->listener < 0)
		d->listener = control_listen(d->conf.socket);
	if (d->listener < 0)
		return fail(d, d->conf.socket, d->listener);
	struct control_conf conf = {
		.fd = d->listener,
		.group = control_group(),
		.version = VPND_VERSION,
		.ops = &ops,
		.ctx = d,
		.log = d->conf.log,
	};
	d->control = control_new(d->loop, &conf);
	return d->control ? 0 : fail(d, "control socket", -ENOMEM);
}

static int open_watches(struct vpnd *d)
{
	d->routes_readable = loop_watch_new(d->loop, routes_fd(d->routes), LOOP_READ, on_routes, d);
	d->dns_readable = loop_watch_new(d->loop, dns_fd(d->dns), LOOP_READ, on_dns, d);
	d->upkeep = loop_timer_new(d->loop, on_upkeep, d);
	d->watchdog = loop_timer_new(d->loop, on_watchdog, d);
	d->shutdown = loop_timer_new(d->loop, on_shutdown, d);
	d->term = loop_signal_new(d->loop, SIGTERM, on_term, d);
	d->interrupt = loop_signal_new(d->loop, SIGINT, on_term, d);
	d->hangup = loop_signal_new(d->loop, SIGHUP, on_hangup, d);
	if (!d->routes_readable || !d->dns_readable || !d->upkeep || !d->watchdog || !d->shutdown ||
		!d->term || !d->interrupt || !d->hangup)
		return fail(d, "event loop", -ENOMEM);
	return 0;
}

int vpnd_new(const struct vpnd_conf *conf, struct vpnd **out)
{
	struct vpnd *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return -ENOMEM;
	d->conf = *conf;
	d->listener = -1;
	d->files = (struct files){.config_dir = conf->config_dir,
		.credentials_dir = getenv("CREDENTIALS_DIRECTORY"),
		.owner = getuid()};
	varlink_init();
	d->env = host_env_new(NULL);
	d->loop = loop_new();
	rc = d->env && d->loop ? open_host(d) : fail(d, "start", -ENOMEM);
	if (rc == 0)
		rc = open_control(d);
	if (rc == 0)
		rc = open_watches(d);
	if (rc != 0) {
		vpnd_free(d);
		return rc;
	}
	d->host = (struct host){
		.loop = d->loop,
		.env = d->env,
		.pool = d->env->pool,
		.journal = d->journal,
		.routes = d->routes,
		.dns = d->dns,
		.control = d->control,
		.log = conf->log,
		.after_crash = d->host.after_crash,
		.server_in_use = server_in_use,
		.full_tunnel = full_tunnel,
		.settled = on_settled,
		.ctx = d,
	};
	*out = d;
	return 0;
}

void vpnd_free(struct vpnd *d)
{
	if (!d)
		return;
	while (d->n_sessions)
		forget(d, 0);
	control_free(d->control);
	if (d->listener >= 0)
		close(d->listener);
	loop_watch_free(d->routes_readable);
	loop_watch_free(d->dns_readable);
	loop_timer_free(d->upkeep);
	loop_timer_free(d->watchdog);
	loop_timer_free(d->shutdown);
	loop_signal_free(d->term);
	loop_signal_free(d->interrupt);
	loop_signal_free(d->hangup);
	dns_free(d->dns);
	routes_free(d->routes);
	journal_close(d->journal);
	loop_free(d->loop);
	host_env_free(d->env);
	free(d);
}

static void connect_automatic(struct vpnd *d)
{
	struct file_names names = {0};
	struct conf_errors *errors = conf_errors_new();

	if (!errors || files_list(&d->files, &names) != 0) {
		conf_errors_free(errors);
		return;
	}
	for (size_t i = 0; i < names.n; i++) {
		struct conf *conf = NULL;
		struct session *s = NULL;

		if (files_load(&d->files, names.at[i], NULL, 0, &conf, errors) != 0)
			continue;
		if (conf->autoconnect && (s = obtain(d, names.at[i])))
			session_connect(s, conf, 0, NULL);
		else
			conf_free(conf);
	}
	file_names_free(&names);
	conf_errors_free(errors);
}

int vpnd_run(struct vpnd *d)
{
	msec beat = sdnotify_watchdog_interval();

	arm_upkeep(d);
	if (beat)
		loop_timer_set(d->watchdog, loop_now(d->loop) + beat);
	connect_automatic(d);
	sdnotify_ready();
	return loop_run(d->loop);
}

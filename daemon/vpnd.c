#include "daemon/vpnd_priv.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/varlink.h"
#include "daemon/cleanup.h"
#include "daemon/hostenv.h"
#include "daemon/sdnotify.h"

enum { SHUTDOWN_PATIENCE = 4000 }; /* ms */

/* ---- what sessions ask of each other ---- */

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

static void log_errors(const struct vpnd *d, const struct conf_errors *errors)
{
	char line[CONF_ERROR_LINE];

	for (size_t i = 0; i < errors->n && i < CONF_ERRORS_MAX; i++)
		log_error(d->conf.log, "conf", "%s", conf_error_text(errors, i, line));
}

static void on_hangup(void *ctx)
{
	struct vpnd *d = ctx;
	struct conf_errors *errors = conf_errors_new();

	if (!errors)
		return;
	vpnd_reload(d, errors);
	log_errors(d, errors);
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
		session_cancel(d->sessions[i], REASON_DAEMON_DOWN);
	if (all_idle(d))
		loop_stop(d->loop);
	else
		loop_timer_set(d->shutdown, loop_now(d->loop) + SHUTDOWN_PATIENCE);
}

/* "corp up, branch waiting", as much as fits. */
static void summarize(struct vpnd *d)
{
	char text[SUMMARY] = "";
	size_t at = 0;

	for (size_t i = 0; i < d->n_sessions && at < sizeof(text); i++)
		if (!session_idle(d->sessions[i]))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %s",
				at ? ", " : "", session_name(d->sessions[i]),
				session_state(d->sessions[i]));
	if (strcmp(text, d->summary) == 0)
		return;
	memcpy(d->summary, text, sizeof(text));
	sdnotify_status(at ? text : "no connection is up");
}

/* Something of a session's changed: routes and DNS may have work to do later. */
static void on_settled(void *ctx)
{
	struct vpnd *d = ctx;

	arm_upkeep(d);
	summarize(d);
	vpnd_closed(d);
	if (d->stopping && all_idle(d))
		loop_stop(d->loop);
}

/* ---- life ---- */

/* With exactly that mode, whatever the umask; one that exists is left as it is. */
static int make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	return chmod(path, mode) < 0 ? -errno : 0;
}

static int fail(struct vpnd *d, const char *what, int rc)
{
	log_error(d->conf.log, "vpnd", "%s: %s", what, strerror(-rc));
	return rc;
}

/* Who may do everything, besides root. Read from the file: the name service's modules may ask a
 * network that is not there yet, and stay in memory. */
static gid_t control_group(void)
{
	FILE *f = fopen("/etc/group", "re");
	const struct group *g = NULL;
	gid_t gid = (gid_t)-1;

	while (f && gid == (gid_t)-1 && (g = fgetgrent(f)))
		if (strcmp(g->gr_name, "vpnd") == 0)
			gid = g->gr_gid;
	if (f)
		fclose(f);
	return gid;
}

static int open_host(struct vpnd *d)
{
	int rc = make_dir(d->conf.runtime_dir, 0755);

	if (rc != 0)
		return fail(d, d->conf.runtime_dir, rc);
	if ((rc = make_dir(d->conf.state_dir, 0700)) != 0)
		return fail(d, d->conf.state_dir, rc);
	rc = journal_open(&d->journal, d->conf.runtime_dir);
	if (rc == -EBUSY)
		log_error(d->conf.log, "vpnd", "another vpnd is running with %s",
			d->conf.runtime_dir);
	if (rc != 0)
		return rc == -EBUSY ? rc : fail(d, "journal", rc);
	d->host.after_crash = journal_pending(d->journal) > 0;
	cleanup_journal(d->journal, d->conf.state_dir, d->conf.log);
	if ((rc = routes_new(&d->routes, d->journal, d->conf.log)) != 0)
		return fail(d, "routes", rc);
	if ((rc = dns_new(&d->dns, d->journal, d->conf.state_dir, d->conf.log)) != 0)
		return fail(d, "DNS", rc);
	return 0;
}

static int open_planes(struct vpnd *d)
{
	struct planes_conf conf = {
		.env = d->env, .loop = d->loop, .runtime_dir = d->conf.runtime_dir};

	d->planes = planes_new(&conf);
	return d->planes ? 0 : fail(d, "planes", -ENOMEM);
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
		.ops = &vpnd_ops,
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
		rc = open_planes(d);
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
		.planes = d->planes,
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
		vpnd_forget(d, 0);
	vpnd_end_tests(d);
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
	planes_free(d->planes);
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
		if (conf->autoconnect && (s = vpnd_obtain(d, names.at[i])))
			session_connect(s, conf, 0, NULL);
		else
			conf_free(conf);
	}
	log_errors(d, errors); /* one of them may be a connection that should be up now */
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

#include "daemon/vpnd_priv.h"

#include <errno.h>
#include <string.h>

#include "daemon/sdnotify.h"

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

void vpnd_forget(struct vpnd *d, size_t i)
{
	session_free(d->sessions[i]);
	d->sessions[i] = d->sessions[--d->n_sessions];
}

struct session *vpnd_obtain(struct vpnd *d, const char *name)
{
	struct session *s = find(d, name);

	if (s)
		return s;
	for (size_t i = 0; i < d->n_sessions && d->n_sessions == SESSIONS_MAX; i++)
		if (session_idle(d->sessions[i]))
			vpnd_forget(d, i);
	s = d->n_sessions < SESSIONS_MAX ? session_new(&d->host, name) : NULL;
	if (s)
		d->sessions[d->n_sessions++] = s;
	return s;
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
	*s = vpnd_obtain(d, name);
	return *s ? 0 : -ENOMEM;
}

/* Whether a new attempt makes sense at all; if not, the call has been told. */
static bool may_connect(struct vpnd *d, control_call call, const char *name, bool again)
{
	const struct session *s = find(d, name);
	struct reason why;

	if (d->stopping) {
		reason_set(&why, REASON_DAEMON_DOWN, "it is stopping");
		control_event(d->control, call, name,
			&(struct control_event){.kind = CONTROL_EV_FAILED, .reason = &why});
		return false;
	}
	if (!s || again || session_idle(s))
		return true;
	control_refuse(d->control, call, CONTROL_ALREADY_CONNECTED, name, session_state(s));
	return false;
}

static void op_connect(void *ctx, control_call call, const struct control_connect *connect)
{
	struct vpnd *d = ctx;
	const char *name = connect->name ? connect->name : "inline";
	struct conf_errors *errors;
	struct session *s = NULL;
	struct conf *conf = NULL;

	if (!may_connect(d, call, name, connect->again))
		return;
	errors = conf_errors_new();
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

/* The call that wanted all of them closed, if there is one. */
static void closed_all(struct vpnd *d)
{
	control_call call = d->closing_all;

	d->closing_all = 0;
	if (call)
		control_done(d->control, call);
}

static bool any_closing(const struct vpnd *d)
{
	for (size_t i = 0; i < d->n_sessions; i++)
		if (session_closing(d->sessions[i]))
			return true;
	return false;
}

void vpnd_closed(struct vpnd *d)
{
	if (d->closing_all && !any_closing(d))
		closed_all(d);
}

/* All at once: each is told to close, the call is answered when the last one has. */
static void disconnect_all(struct vpnd *d, control_call call)
{
	for (size_t i = 0; i < d->n_sessions; i++)
		if (!session_idle(d->sessions[i]))
			session_cancel(d->sessions[i], REASON_NONE);
	closed_all(d); /* two of them: the first is told now */
	d->closing_all = call;
	vpnd_closed(d);
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
		s = vpnd_obtain(d, name);
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
void vpnd_reload(struct vpnd *d, struct conf_errors *errors)
{
	struct file_names names = {0};

	sdnotify_reloading();
	int rc = files_list(&d->files, &names);
	if (rc != 0)
		files_dir_failed(&d->files, rc, errors);
	for (size_t i = 0; i < names.n; i++) {
		struct conf *conf = NULL;

		if (files_load(&d->files, names.at[i], NULL, 0, &conf, errors) == 0)
			conf_free(conf);
	}
	file_names_free(&names);
	sdnotify_ready();
}

static void op_test(void *ctx, control_call call)
{
	vpnd_test(ctx, call);
}

static void op_reload(void *ctx, struct conf_errors *errors)
{
	vpnd_reload(ctx, errors);
}

const struct control_ops vpnd_ops = {
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
	.test = op_test,
};

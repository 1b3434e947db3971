/* What the tests of the control socket share: an owner that does as the test says, a loop that runs
 * for a moment at a time, and clients on real sockets. */
#pragma once

#include "tests/vectors/vectors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/varlink.h"
#include "daemon/control.h"

enum { MEMBERS = 4242, NOBODY = 65534, PATIENCE = 10000 };

struct fixture {
	char dir[64], path[96];
	int fd;
	struct loop *loop;
	struct loop_timer *tick;
	struct control *control;
	/* what the owner was asked */
	control_call call, cancelled, left;
	struct control_connect connect;
	char setting[64], secret[64], answer[64], disconnected[64];
	uint32_t question;
	bool answered_no;
	/* what the owner does */
	bool refuses;
};

struct peer {
	int fd;
	struct varlink_in in;
	struct varlink_out out;
};

/* ---- the owner ---- */

static inline void op_connect(void *ctx, control_call call, const struct control_connect *connect)
{
	struct fixture *f = ctx;

	f->call = call;
	f->connect = *connect;
	if (connect->n_settings)
		snprintf(f->setting, sizeof(f->setting), "%s=%s", connect->settings[0].key,
			(const char *)connect->settings[0].value.p);
	if (connect->n_secrets)
		snprintf(f->secret, sizeof(f->secret), "%s=%s", connect->secrets[0].key,
			(const char *)connect->secrets[0].value.p);
	if (f->refuses)
		control_refuse(f->control, call, CONTROL_NO_SUCH_CONNECTION, connect->name, NULL);
}

static inline void op_answer(void *ctx, control_call call, uint32_t question, struct slice value)
{
	struct fixture *f = ctx;

	assert_int_equal(call, f->call);
	f->question = question;
	f->answered_no = value.p == NULL;
	snprintf(f->answer, sizeof(f->answer), "%.*s", (int)value.n, (const char *)value.p);
}

static inline void op_cancel(void *ctx, control_call call)
{
	struct fixture *f = ctx;
	struct reason reason = {.id = REASON_CANCELLED};
	struct control_event ev = {.kind = CONTROL_EV_FAILED, .reason = &reason};

	f->cancelled = call;
	control_event(f->control, call, "corp", &ev);
}

static inline void op_gone(void *ctx, control_call call)
{
	((struct fixture *)ctx)->left = call;
}

static inline void op_disconnect(void *ctx, control_call call, const char *name)
{
	struct fixture *f = ctx;

	snprintf(f->disconnected, sizeof(f->disconnected), "%s", name ? name : "*");
	if (f->refuses)
		control_refuse(f->control, call, CONTROL_NOT_CONNECTED, name, NULL);
	else
		control_done(f->control, call);
}

static inline void op_log(void *ctx, control_call call, const char *name, bool follow)
{
	struct fixture *f = ctx;
	struct control_log_line line = {.at_ms = 1500, .level = LOG_LEVEL_WARN, .layer = "ike"};

	(void)name;
	f->call = call;
	line.text = "first";
	control_log_line(f->control, call, &line);
	if (!follow)
		control_done(f->control, call);
}

static inline int op_status(void *ctx, const char *name, control_status_fn *each, void *arg)
{
	struct conn_status conn = {.state = CONN_UP};
	struct control_network network = {.interface = "vpn-corp", .address = {ip_v4(0x0a630002)}};
	struct control_status status = {
		.name = "corp", .conn = &conn, .gateway = "vpn.example.com", .network = &network};

	(void)ctx;
	if (name && strcmp(name, "corp") != 0)
		return -ENOENT;
	each(arg, &status);
	return 0;
}

static inline void op_list(void *ctx, control_list_fn *each, void *arg)
{
	struct control_listed good = {
		.name = "corp", .state = "idle", .gateway = "vpn.example.com", .user = "alice"};
	struct control_listed bad = {.name = "x", .state = "idle", .problem = "x.conf:1: no"};

	(void)ctx;
	each(arg, &good);
	each(arg, &bad);
}

static inline int op_show(
	void *ctx, const char *name, control_show_fn *one, void *arg, struct conf_errors *errors)
{
	struct conf *conf;

	(void)ctx;
	if (strcmp(name, "corp") != 0)
		return -ENOENT;
	conf = conf_new(name);
	assert_true(conf_set(conf, "password", slice_str("hunter2"), true, errors));
	one(arg, conf);
	conf_free(conf);
	return 0;
}

static inline void op_reload(void *ctx, struct conf_errors *errors)
{
	(void)ctx;
	conf_errors_add(errors, "x.conf", 3, "mtu", "bad");
}

static inline void op_test(void *ctx, control_call call)
{
	struct fixture *f = ctx;
	struct control_test test = {.kernel = "6.1", .plane = "user"};

	control_test(f->control, call, &test);
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
	.test = op_test,
};

/* ---- the stage ---- */

static inline void stop(void *ctx)
{
	loop_stop(ctx);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct control_conf conf = {.group = MEMBERS, .version = "1.2.3", .ops = &ops, .ctx = f};

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_control.XXXXXX");
	if (!mkdtemp(f->dir) || chmod(f->dir, 0755) < 0)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/io.vpnd", f->dir);
	f->fd = control_listen(f->path);
	f->loop = loop_new();
	f->tick = loop_timer_new(f->loop, stop, f->loop);
	conf.fd = f->fd;
	f->control = control_new(f->loop, &conf);
	*state = f;
	return f->fd >= 0 && f->control ? 0 : -1;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	control_free(f->control);
	loop_timer_free(f->tick);
	loop_free(f->loop);
	close(f->fd);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* Let the daemon's loop run for a moment. */
static inline void pump(struct fixture *f)
{
	loop_timer_set(f->tick, loop_now(f->loop) + 2);
	assert_int_equal(loop_run(f->loop), 0);
}

static inline struct peer dial(struct fixture *f)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct peer p = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};

	memcpy(at.sun_path, f->path, strlen(f->path));
	assert_int_equal(connect(p.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return p;
}

static inline void hang_up(struct peer *p)
{
	close(p->fd);
	varlink_in_clear(&p->in);
	varlink_out_clear(&p->out);
}

static inline void say_json(struct peer *p, json_t *message)
{
	assert_int_equal(varlink_put(&p->out, message), 0);
	assert_int_equal(varlink_write(&p->out, p->fd), 0);
}

static inline void say(struct peer *p, const char *method, const char *params, bool more)
{
	say_json(p, varlink_call_new(method, json_loads(params, 0, NULL), more));
}

/* The next message, NULL when the daemon hung up. */
static inline json_t *hear(struct fixture *f, struct peer *p)
{
	msec end = loop_now(f->loop) + PATIENCE;
	json_t *message;

	while (loop_now(f->loop) < end) {
		int got = varlink_next(&p->in, &message);
		ssize_t n;

		if (got == 1)
			return message;
		assert_int_equal(got, 0);
		pump(f);
		n = recv(p->fd, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return NULL;
		if (n > 0)
			assert_true(varlink_read(&p->in, p->fd) > 0);
	}
	fail_msg("no message");
	return NULL;
}

/* The next message is this one, as text. */
static inline void assert_heard(struct fixture *f, struct peer *p, const char *want)
{
	json_t *message = hear(f, p);
	char got[2048];
	size_t n;

	if (!message)
		fail_msg("hung up");
	n = json_dumpb(message, got, sizeof(got) - 1, JSON_COMPACT | JSON_SORT_KEYS);
	got[n < sizeof(got) ? n : 0] = 0;
	assert_string_equal(got, want);
	json_decref(message);
}

static inline void assert_hung_up(struct fixture *f, struct peer *p)
{
	assert_null(hear(f, p));
}

static inline void assert_silent(struct fixture *f, struct peer *p)
{
	for (int i = 0; i < 5; i++)
		pump(f);
	assert_int_equal(recv(p->fd, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT), -1);
	assert_int_equal(p->in.n, 0);
}

/* The control socket against those who may not, will not or cannot: rights and limits. */
#define _GNU_SOURCE /* setresuid() */
#include "tests/unit/control_world.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* ---- rights ---- */

/* In a child with these ids: one call, and whether the reply is this error ("" = none). Returns
 * the child's exit code: 0 yes. The daemon's loop runs meanwhile. */
static int as(struct fixture *f, uid_t uid, gid_t gid, gid_t extra, const char *method,
	const char *params, const char *error)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		struct peer p;
		struct varlink_reply reply;
		json_t *message = NULL;

		if (setgroups(1, &extra) < 0 || setresgid(gid, gid, gid) < 0 ||
			setresuid(uid, uid, uid) < 0)
			_exit(10);
		p = dial(f);
		say(&p, method, params, false);
		while (varlink_next(&p.in, &message) == 0)
			if (varlink_read(&p.in, p.fd) <= 0)
				_exit(11);
		varlink_reply_of(message, &reply);
		_exit(strcmp(reply.error ? reply.error : "", error) != 0);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		pump(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void rights_go_by_uid_and_group(void **state)
{
	struct fixture *f = *state;
	static const char denied[] = "org.varlink.service.PermissionDenied";
	static const char *const closed[][2] = {
		{"io.vpnd.Connect", "{\"name\":\"corp\"}"},
		{"io.vpnd.Answer", "{\"id\":1}"},
		{"io.vpnd.Cancel", "{\"name\":\"corp\"}"},
		{"io.vpnd.Disconnect", "{\"name\":\"corp\"}"},
		{"io.vpnd.List", "{}"},
		{"io.vpnd.Show", "{\"name\":\"corp\"}"},
		{"io.vpnd.Monitor", "{}"},
		{"io.vpnd.Log", "{\"name\":\"corp\"}"},
		{"io.vpnd.Reload", "{}"},
		{"io.vpnd.TestIpsec", "{}"},
	};

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(closed) / sizeof(*closed); i++)
		assert_int_equal(
			as(f, NOBODY, NOBODY, NOBODY, closed[i][0], closed[i][1], denied), 0);
	assert_int_equal(f->call, 0);
	assert_int_equal(as(f, NOBODY, NOBODY, NOBODY, "io.vpnd.Status", "{}", ""), 0);
	assert_int_equal(
		as(f, NOBODY, NOBODY, NOBODY, "io.vpnd.Explain", "{\"code\":\"1\"}", ""), 0);
	assert_int_equal(as(f, NOBODY, NOBODY, NOBODY, "org.varlink.service.GetInfo", "{}", ""), 0);
	assert_int_equal(as(f, NOBODY, MEMBERS, NOBODY, "io.vpnd.List", "{}", ""), 0);
	assert_int_equal(as(f, NOBODY, NOBODY, MEMBERS, "io.vpnd.List", "{}", ""), 0);
	assert_int_equal(as(f, NOBODY, NOBODY, MEMBERS, "io.vpnd.TestIpsec", "{}", ""), 0);
}

static void another_user_may_not_answer_or_cancel(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	struct control_event prompt = {.kind = CONTROL_EV_PROMPT, .prompt = "password"};

	if (geteuid() != 0)
		skip();
	say(&p, "io.vpnd.Connect", "{\"name\":\"corp\"}", true);
	assert_silent(f, &p);
	control_event(f->control, f->call, "corp", &prompt);
	json_decref(hear(f, &p));
	assert_int_equal(as(f, NOBODY, MEMBERS, MEMBERS, "io.vpnd.Answer",
				 "{\"id\":1,\"value\":\"x\"}", "io.vpnd.NoSuchQuestion"),
		0);
	assert_int_equal(as(f, NOBODY, MEMBERS, MEMBERS, "io.vpnd.Cancel", "{\"name\":\"corp\"}",
				 "io.vpnd.NotConnecting"),
		0);
	assert_int_equal(f->cancelled, 0);
	hang_up(&p);
}

/* ---- limits ---- */

static void the_seventeenth_client_is_turned_away(void **state)
{
	struct fixture *f = *state;
	struct peer p[CONTROL_CLIENTS_MAX + 1];

	if (geteuid() != 0)
		skip();
	for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++)
		p[i] = dial(f);
	assert_heard(f, &p[CONTROL_CLIENTS_MAX],
		"{\"error\":\"io.vpnd.TooManyClients\",\"parameters\":{}}");
	assert_hung_up(f, &p[CONTROL_CLIENTS_MAX]);
	hang_up(&p[CONTROL_CLIENTS_MAX]);
	hang_up(&p[3]);
	p[3] = (struct peer){.fd = -1};
	for (int i = 0; i < 5; i++)
		pump(f);
	p[3] = dial(f);
	say(&p[3], "io.vpnd.Explain", "{\"code\":\"x\"}", false);
	assert_heard(f, &p[3], "{\"parameters\":{\"failures\":[]}}");
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		hang_up(&p[i]);
}

/* As many as there are places for all, and none of them says anything. */
static void strangers_cannot_take_all_places(void **state)
{
	struct fixture *f = *state;
	struct peer p;
	pid_t child;
	int status;

	if (geteuid() != 0)
		skip();
	child = fork();
	if (child == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(1);
		for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
			(void)dial(f);
		pause();
	}
	for (int i = 0; i < 50; i++)
		pump(f);
	p = dial(f);
	say(&p, "io.vpnd.Explain", "{\"code\":\"x\"}", false);
	assert_heard(f, &p, "{\"parameters\":{\"failures\":[]}}");
	hang_up(&p);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

static void nonsense_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	static const char *const nonsense[] = {"GET / HTTP/1.0\r\n\r\n", "{}", "[]", "",
		"{\"method\":\"a\",\"upgrade\":true}", "{\"method\":7}"};

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
		struct peer p = dial(f);

		assert_true(send(p.fd, nonsense[i], strlen(nonsense[i]) + 1, 0) > 0);
		assert_hung_up(f, &p);
		hang_up(&p);
	}
}

static void a_message_above_64_kib_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	char filler[4096];

	memset(filler, ' ', sizeof(filler));
	for (int i = 0; i < 20; i++) {
		if (send(p.fd, filler, sizeof(filler), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		pump(f);
	}
	assert_hung_up(f, &p);
	hang_up(&p);
}

static void half_a_message_must_be_completed(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f), idle = dial(f);
	msec began = loop_now(f->loop);

	assert_int_equal(send(p.fd, "{", 1, 0), 1);
	while (loop_now(f->loop) < began + 2500)
		pump(f);
	assert_int_equal(send(p.fd, " ", 1, 0), 1); /* a drop now and then does not help */
	assert_hung_up(f, &p);
	say(&idle, "io.vpnd.Explain", "{\"code\":\"x\"}", false);
	assert_heard(f, &idle, "{\"parameters\":{\"failures\":[]}}");
	hang_up(&p);
	hang_up(&idle);
}

static void a_reader_that_does_not_read_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	char text[512];
	struct control_event stage = {.kind = CONTROL_EV_STAGE, .stage = "x", .text = text};

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	say(&p, "io.vpnd.Connect", "{\"name\":\"corp\"}", true);
	assert_silent(f, &p);
	for (int i = 0; i < 2000; i++)
		control_event(f->control, f->call, "corp", &stage);
	assert_int_equal(f->left, 0); /* never from inside a call of ours */
	for (int i = 0; i < 200 && !f->left; i++)
		pump(f);
	assert_int_equal(f->left, f->call);
	hang_up(&p);
}

static void who_does_not_read_is_asked_for_no_more(void **state)
{
	struct fixture *f = *state;
	static const char params[] = "{\"interface\":\"io.vpnd\"}";
	enum { MANY = 200 }; /* their answers are a megabyte */
	struct peer p = dial(f), other = dial(f);

	for (int i = 0; i < MANY; i++)
		say(&p, "org.varlink.service.GetInterfaceDescription", params, false);
	for (int i = 0; i < 100; i++)
		pump(f);
	say(&other, "io.vpnd.Explain", "{\"code\":\"x\"}", false);
	assert_heard(f, &other, "{\"parameters\":{\"failures\":[]}}");
	for (int i = 0; i < MANY; i++) {
		json_t *message = hear(f, &p);

		assert_non_null(message);
		json_decref(message);
	}
	hang_up(&p);
	hang_up(&other);
}

/* What others of the loop see of the answers to one client: how many octets at a time. */
struct onlooker {
	int fd;
	int before;
	int most;
};

static void look(void *ctx)
{
	struct onlooker *o = ctx;
	int now;

	assert_int_equal(ioctl(o->fd, FIONREAD, &now), 0);
	if (now - o->before > o->most)
		o->most = now - o->before;
	o->before = now;
}

static void packets_wait_for_one_message_at_most(void **state)
{
	struct fixture *f = *state;
	static const char answer[] = "{\"parameters\":{\"failures\":[]}}";
	enum { MANY = 100 };
	struct peer p = dial(f);
	struct onlooker onlooker = {.fd = p.fd};
	int ready = eventfd(1, EFD_CLOEXEC);
	struct loop_watch *watch = loop_watch_new(f->loop, ready, LOOP_READ, look, &onlooker);

	for (int i = 0; i < MANY; i++)
		say(&p, "io.vpnd.Explain", "{\"code\":\"x\"}", false);
	for (int i = 0; i < 1000 && onlooker.before < MANY * (int)sizeof(answer); i++)
		pump(f);
	assert_int_equal(onlooker.before, MANY * sizeof(answer));
	assert_in_range(
		onlooker.most, 1, 2 * sizeof(answer)); /* the end of a pump() skips a look */
	loop_watch_free(watch);
	close(ready);
	hang_up(&p);
}

/* Who only comes and goes is let in at a pace. The clock of the loop is the machine's, so this holds
 * however slow it is. */
static void a_storm_of_connections_is_let_in_at_a_pace(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	unsigned came_in = 0;
	msec began = loop_now(f->loop), passed;

	memcpy(at.sun_path, f->path, strlen(f->path));
	do {
		for (int fd = 0; fd >= 0;) { /* until the backlog is full */
			fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
			if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
				close(fd);
				fd = -1;
			} else {
				close(fd);
				came_in++;
			}
		}
		pump(f);
		passed = loop_now(f->loop) - began;
	} while (passed < 200);
	assert_in_range(came_in, 32, 32 + 8 * (passed / 10 + 2));
}

static void a_live_socket_is_not_replaced_a_stale_one_is(void **state)
{
	struct fixture *f = *state;
	char other[128];
	int fd;

	assert_int_equal(control_listen(f->path), -EADDRINUSE);
	snprintf(other, sizeof(other), "%s/other", f->dir);
	fd = control_listen(other);
	assert_true(fd >= 0);
	close(fd);
	fd = control_listen(other);
	assert_true(fd >= 0);
	close(fd);
	unlink(other);
	assert_int_equal(control_listen("/nonexistent/x"), -ENOENT);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct fixture *f = *state;
	char other[128];
	int fd;

	snprintf(other, sizeof(other), "%s/file", f->dir);
	fd = open(other, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(control_listen(other), -EEXIST);
	assert_int_equal(unlink(other), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(rights_go_by_uid_and_group),
		TEST(another_user_may_not_answer_or_cancel),
		TEST(the_seventeenth_client_is_turned_away),
		TEST(strangers_cannot_take_all_places),
		TEST(nonsense_ends_the_connection),
		TEST(a_message_above_64_kib_ends_the_connection),
		TEST(half_a_message_must_be_completed),
		TEST(a_reader_that_does_not_read_is_dropped),
		TEST(who_does_not_read_is_asked_for_no_more),
		TEST(packets_wait_for_one_message_at_most),
		TEST(a_storm_of_connections_is_let_in_at_a_pace),
		TEST(a_live_socket_is_not_replaced_a_stale_one_is),
		TEST(what_is_no_socket_is_left_alone),
	};

	varlink_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

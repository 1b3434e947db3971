/* daemon/control*: what each check keeps out, where no other test would miss it (./dev mutate). */
#define _GNU_SOURCE /* accept4(), setresuid() */
#include "tests/unit/control_world.h"

#include <grp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void a_path_that_is_no_address_is_refused(void **state)
{
	(void)state;
	char path[512];

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	assert_int_equal(control_listen(path), -ENAMETOOLONG);
}

static void a_name_of_any_length_is_no_connection(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	char params[700];

	snprintf(params, sizeof(params), "{\"name\":\"%0600d\"}", 0);
	say(&p, "io.vpnd.Status", params, false);
	json_t *message = hear(f, &p);
	assert_string_equal(
		json_string_value(json_object_get(message, "error")), "io.vpnd.NoSuchConnection");
	json_decref(message);
	hang_up(&p);
}

static const char no_question[] =
	"{\"error\":\"io.vpnd.NoSuchQuestion\",\"parameters\":{\"id\":0}}";
static const char not_connecting[] =
	"{\"error\":\"io.vpnd.NotConnecting\",\"parameters\":{\"name\":\"corp\"}}";

/* A connect that has asked nothing, and a monitor of the same connection. */
static void only_what_is_open_is_answered_or_cancelled(void **state)
{
	struct fixture *f = *state;
	struct peer connects = dial(f), asks = dial(f);

	say(&connects, "io.vpnd.Connect", "{\"name\":\"corp\"}", true);
	assert_silent(f, &connects);
	say(&asks, "io.vpnd.Answer", "{\"id\":0,\"value\":\"x\"}", false);
	assert_heard(f, &asks, no_question);
	assert_string_equal(f->answer, "");
	hang_up(&connects);

	connects = dial(f);
	say(&connects, "io.vpnd.Log", "{\"name\":\"corp\",\"follow\":true}", true);
	json_decref(hear(f, &connects));
	f->cancelled = 0;
	say(&asks, "io.vpnd.Cancel", "{\"name\":\"corp\"}", false);
	assert_heard(f, &asks, not_connecting);
	assert_int_equal(f->cancelled, 0);
	hang_up(&connects);
	hang_up(&asks);
}

/* ---- strangers ---- */

static void be_a_stranger(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0)
		_exit(10);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails; the ids reset it */
}

static void a_stranger_sees_the_state_and_no_more(void **state)
{
	struct fixture *f = *state;
	int status = 0;
	pid_t child;

	if (geteuid() != 0)
		skip();
	child = fork();
	if (child == 0) {
		json_t *message = NULL, *one;
		struct peer p;

		be_a_stranger();
		p = dial(f);
		say(&p, "io.vpnd.Status", "{}", false);
		while (varlink_next(&p.in, &message) == 0)
			if (varlink_read(&p.in, p.fd) <= 0)
				_exit(11);
		one = json_array_get(
			json_object_get(json_object_get(message, "parameters"), "connections"), 0);
		_exit(json_object_size(one) == 3 ? 0 : 12);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		pump(f);
	assert_int_equal(status, 0);
}

/* A member of the group that is not root may connect, but is not trusted with paths. */
static void a_member_is_not_root(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	if (geteuid() != 0)
		skip();
	child = fork();
	if (child == 0) {
		struct peer p;

		if (setresgid(MEMBERS, MEMBERS, MEMBERS) < 0 ||
			setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(10);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		p = dial(f);
		say(&p, "io.vpnd.Connect", "{\"name\":\"corp\"}", true);
		pause();
	}
	for (int i = 0; i < 2000 && !f->call; i++)
		pump(f);
	assert_true(f->call);
	assert_false(f->connect.caller.trusted);
	assert_int_equal(f->connect.caller.uid, NOBODY);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

/* ---- many messages at once ---- */

static void say_often(struct peer *p, const char *message, unsigned times)
{
	size_t n = strlen(message) + 1;
	char *all = malloc(n * times);

	assert_non_null(all);
	for (unsigned i = 0; i < times; i++)
		memcpy(all + i * n, message, n);
	assert_int_equal(send(p->fd, all, n * times, MSG_DONTWAIT), n * times);
	free(all);
}

static const char explain[] = "{\"method\":\"io.vpnd.Explain\",\"parameters\":{\"code\":\"x\"}}";
static const char explained[] = "{\"parameters\":{\"failures\":[]}}";

/* What has not been read yet waits in the socket, however much it is. */
static void more_than_a_message_may_hold_is_read_as_it_is_answered(void **state)
{
	struct fixture *f = *state;
	const unsigned many = VARLINK_MESSAGE_MAX / sizeof(explain) + 100;
	struct peer p = dial(f);

	say_often(&p, explain, many);
	for (unsigned i = 0; i < many; i++)
		assert_heard(f, &p, explained);
	hang_up(&p);
}

static void who_does_not_read_is_not_read_either(void **state)
{
	struct fixture *f = *state;
	static const char describe[] =
		"{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		"\"parameters\":{\"interface\":\"io.vpnd\"}}";
	const unsigned many = VARLINK_MESSAGE_MAX / sizeof(describe) + 100;
	struct peer p = dial(f);

	say_often(&p, describe, many);
	for (int i = 0; i < 100; i++)
		pump(f);
	for (unsigned i = 0; i < many; i++) {
		json_t *message = hear(f, &p);

		assert_non_null(message);
		json_decref(message);
	}
	hang_up(&p);
}

struct race {
	int first, crowd; /* sockets */
	int heard;        /* octets for the crowd when the first had his answer */
};

static void watch_race(void *ctx)
{
	struct race *r = ctx;
	int first = 0;

	if (r->heard < 0 && ioctl(r->first, FIONREAD, &first) == 0 && first > 0)
		assert_int_equal(ioctl(r->crowd, FIONREAD, &r->heard), 0);
}

static void who_comes_first_does_not_wait_for_all_that_others_say(void **state)
{
	struct fixture *f = *state;
	enum { MANY = 100 };
	struct peer first = dial(f), crowd = dial(f);
	struct race race = {first.fd, crowd.fd, -1};
	int ready = eventfd(1, EFD_CLOEXEC);
	struct loop_watch *watch = loop_watch_new(f->loop, ready, LOOP_READ, watch_race, &race);

	say_often(&first, explain, 1);
	say_often(&crowd, explain, MANY);
	for (int i = 0; i < 1000 && race.heard < 0; i++)
		pump(f);
	assert_in_range(race.heard, 0, MANY / 4 * sizeof(explained));
	loop_watch_free(watch);
	close(ready);
	hang_up(&first);
	hang_up(&crowd);
}

/* ---- a host without descriptors ---- */

static bool no_descriptors;
static unsigned refused;

int accept4(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
	if (!no_descriptors)
		return (int)syscall(SYS_accept4, fd, from, len, flags);
	refused++;
	errno = EMFILE;
	return -1;
}

/* The socket stays ready all the while. */
static void without_descriptors_the_loop_does_not_spin(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);

	refused = 0;
	no_descriptors = true;
	for (int i = 0; i < 20; i++)
		pump(f);
	no_descriptors = false;
	assert_int_equal(refused, 1);
	say_often(&p, explain, 1);
	assert_heard(f, &p, explained);
	hang_up(&p);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_that_is_no_address_is_refused),
		TEST(a_name_of_any_length_is_no_connection),
		TEST(only_what_is_open_is_answered_or_cancelled),
		TEST(a_stranger_sees_the_state_and_no_more),
		TEST(a_member_is_not_root),
		TEST(more_than_a_message_may_hold_is_read_as_it_is_answered),
		TEST(who_does_not_read_is_not_read_either),
		TEST(who_comes_first_does_not_wait_for_all_that_others_say),
		TEST(without_descriptors_the_loop_does_not_spin),
	};

	varlink_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* daemon/control*: what each check keeps out, where no other test would miss it (./dev mutate). */
#define _GNU_SOURCE /* setresuid() */
#include "tests/unit/control_world.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
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

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_that_is_no_address_is_refused),
		TEST(a_name_of_any_length_is_no_connection),
		TEST(only_what_is_open_is_answered_or_cancelled),
		TEST(a_stranger_sees_the_state_and_no_more),
		TEST(a_member_is_not_root),
	};

	varlink_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

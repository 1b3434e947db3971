/* vpnctl connecting and disconnecting: exit codes, what it prints, what it asks the daemon. */
#define _GNU_SOURCE /* memfd_create */
#include "tests/unit/vpnctl_world.h"

static const struct scene goes_well[SCENES] = {{"io.vpnd.Connect",
	{STAGE("IKE main mode", "aes256-sha256-modp2048", "34"), STAGE("Login", "", "12345"),
		NETWORK, LAST("up", "")},
	NULL}};

static void connecting_shows_stages_and_what_came(void **state)
{
	struct fixture *f = *state;

	stage(f, goes_well);
	assert_int_equal(run(f, "connect", "corp"), 0);
	assert_string_equal(f->out, "IKE main mode        34 ms  aes256-sha256-modp2048\n"
				    "Login               12.3 s\n"
				    "corp is up: vpn-corp, 10.99.0.2, DNS 10.99.0.53\n");
	assert_string_equal(f->err, "");
	assert_string_equal(f->calls, "{\"method\":\"io.vpnd.Connect\",\"more\":true,"
				      "\"parameters\":{\"name\":\"corp\"}}\n");
	assert_int_equal(run(f, "-q", "up", "corp"), 0);
	assert_string_equal(f->out, "");
	assert_int_equal(run(f, "--json", "conn", "corp"), 0);
	assert_non_null(strstr(f->out, "\"schema\":1"));
	assert_non_null(strstr(f->out, "\"interface\":\"vpn-corp\""));
	assert_non_null(strstr(f->out, "\"ms\":34"));
}

static void a_failure_is_one_line_a_hint_and_its_code(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {
		{"io.vpnd.Connect", {LAST("failed", ",\"error\":" REFUSED)}, NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "connect", "corp"), EXIT_AUTH_REFUSED);
	assert_string_equal(f->out, "");
	assert_string_equal(f->err,
		"corp: PPP-AUTH-REFUSED (Windows 691): the server refused the user "
		"name or password (E=691).\nhint: Check user.\n");
	assert_int_equal(run(f, "connect", "corp", "--json"), EXIT_AUTH_REFUSED);
	assert_string_equal(f->err, "");
	assert_string_equal(f->out, "{\"error\":" REFUSED ",\"schema\":1}\n");
}

static void every_error_has_its_exit_code(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *reply;
		int code;
	} cases[] = {
		{"{\"error\":\"io.vpnd.NoSuchConnection\",\"parameters\":{\"name\":\"x\"}}",
			EXIT_NO_CONNECTION},
		{"{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}",
			EXIT_NOT_PERMITTED},
		{"{\"error\":\"io.vpnd.AlreadyConnected\",\"parameters\":{\"name\":\"x\",\"state\":"
		 "\"up\"}}",
			EXIT_OK},
		{"{\"error\":\"io.vpnd.AlreadyConnected\",\"parameters\":{\"name\":\"x\",\"state\":"
		 "\"waiting\"}}",
			EXIT_ERROR},
		{"{\"error\":\"io.vpnd.BadSettings\",\"parameters\":{\"problems\":[\"a.conf:1: "
		 "mtu: bad\"]}}",
			EXIT_ERROR},
		{"{\"error\":\"io.vpnd.TooManyClients\"}", EXIT_ERROR},
		{"{\"error\":\"x.y.Unheard\"}", EXIT_ERROR},
		{"!", EXIT_NO_DAEMON},
		{"nonsense", EXIT_NO_DAEMON},
		{LAST("failed", ",\"error\":" FAILURE("IKE-TIMEOUT", "792", "t", "", "")),
			EXIT_CONNECT_FAILED},
		{LAST("failed", ",\"error\":" FAILURE("IKE-PSK-WRONG", "789", "t", "", "")),
			EXIT_AUTH_REFUSED},
		{LAST("failed", ",\"error\":" FAILURE("NONE", "null", "t", "", "")),
			EXIT_CONNECT_FAILED},
		{LAST("failed", ",\"error\":" FAILURE("FROM-THE-FUTURE", "null", "t", "", "")),
			EXIT_CONNECT_FAILED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct scene scenes[SCENES] = {{"io.vpnd.Connect", {cases[i].reply}, NULL}};

		stage(f, scenes);
		if (run(f, "connect", "x") != cases[i].code)
			fail_msg("%s: exit %d", cases[i].reply, f->code);
		if (cases[i].code)
			assert_true(f->err[0] != 0);
		assert_true(run(f, "connect", "x", "--json") == cases[i].code);
		assert_string_equal(f->err, "");
		assert_non_null(strstr(f->out, "\"schema\":1"));
		kill(f->daemon, SIGKILL);
		waitpid(f->daemon, NULL, 0);
	}
	f->daemon = 0;
}

static void without_a_daemon_it_says_how_to_start_it(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	assert_int_equal(run(f, "status"), EXIT_NO_DAEMON);
	assert_non_null(strstr(f->err, "vpnctl: DAEMON-DOWN (Windows 827): vpnd is not running"));
	assert_non_null(strstr(f->err, "hint: systemctl start vpnd\n"));
	assert_int_equal(run(f, "connect", "corp", "--json"), EXIT_NO_DAEMON);
	assert_non_null(strstr(f->out, "\"id\":\"DAEMON-DOWN\""));
	assert_int_equal(run(f, "version"), 0);
	assert_non_null(strstr(f->out, "is not running"));
}

static void usage_is_checked_before_anything_is_asked(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[][5] = {{"nonsense"}, {"connect"}, {"connect", "a", "b"},
		{"co", "a"}, {"s"}, {"connect", "a", "--nonsense"}, {"connect", "a", "--wait"},
		{"connect", "a", "--wait", "x"}, {"connect", "a", "--wait=0"},
		{"connect", "a", "--wait", "3", "--no-wait"}, {"disconnect"},
		{"disconnect", "a", "--all"}, {"list", "a"}, {"connect", "a", "--all"},
		{"--color", "blue", "list"}, {"show"}, {"completion", "tcsh"},
		{"connect", "a", "--yes=1"}, {"monitor", "-i", "0"}, {"help", "nonsense"},
		{"connect", "a", "--password-file", "/nonexistent"}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const char *args[6] = {0};

		memcpy(args, wrong[i], sizeof(wrong[i]));
		if (run_with(f, NULL, args) != EXIT_USAGE)
			fail_msg("%s %s: exit %d", args[0], args[1] ? args[1] : "", f->code);
		assert_true(f->err[0] != 0);
		assert_string_equal(f->calls, "");
	}
}

static void ctrl_c_cancels_and_exits_130(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {
		{"io.vpnd.Connect", {STAGE("IKE main mode", "", "1")}, NULL},
		{"io.vpnd.Cancel", {"{\"parameters\":{}}"},
			LAST("failed", ",\"error\":" FAILURE("CANCELLED", "null", "t", "", ""))}};
	const char *const args[] = {"connect", "corp", NULL};

	stage(f, scenes);
	assert_int_equal(run_with(f, "io.vpnd.Connect", args), EXIT_INTERRUPTED);
	fcntl(f->heard[0], F_SETFL, O_NONBLOCK);
	f->calls[read(f->heard[0], f->calls, TEXT - 1)] = 0;
	assert_string_equal(
		f->calls, "{\"method\":\"io.vpnd.Cancel\",\"parameters\":{\"name\":\"corp\"}}\n");
	assert_non_null(strstr(f->err, "cancelled"));
}

static void the_wait_runs_out_with_code_3(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {
		{"io.vpnd.Connect", {STAGE("IKE", "", "1")}, NULL},
		{"io.vpnd.Cancel", {"{\"parameters\":{}}"},
			LAST("failed", ",\"error\":" FAILURE("CANCELLED", "null", "t", "", ""))}};

	stage(f, scenes);
	assert_int_equal(run(f, "connect", "corp", "--wait", "1"), EXIT_WAIT_OVER);
	assert_non_null(strstr(f->calls, "io.vpnd.Cancel"));
	assert_non_null(strstr(f->err, "--wait"));
}

static void no_wait_returns_when_it_has_begun(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {
		{"io.vpnd.Connect", {"{\"parameters\":{}}"}, NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "connect", "corp", "--no-wait", "--yes"), 0);
	assert_string_equal(f->calls,
		"{\"method\":\"io.vpnd.Connect\",\"parameters\":{\"insist\":true,"
		"\"name\":\"corp\"}}\n");
}

#define PROMPT                                                                                     \
	EVENT("prompt", ",\"prompt\":{\"id\":7,\"kind\":\"password\",\"text\":\"Password of "      \
			"alice:\",\"echo\":false}")

static void a_password_is_typed_unseen(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.Connect", {PROMPT}, NULL},
		{"io.vpnd.Answer", {"{\"parameters\":{}}"}, LAST("up", "")}};
	const char *const args[] = {"connect", "corp", NULL};

	stage(f, scenes);
	assert_int_equal(run_typing(f, "alice:", "hunter2\n", args), 0);
	assert_null(strstr(f->out, "hunter2"));
	assert_non_null(strstr(f->out, "corp is up"));
	assert_non_null(strstr(f->calls, "{\"method\":\"io.vpnd.Answer\",\"parameters\":{\"id\":7,"
					 "\"value\":\"hunter2\"}}\n"));
}

static void without_a_terminal_the_answer_is_no(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.Connect", {PROMPT}, NULL},
		{"io.vpnd.Answer", {"{\"parameters\":{}}"},
			LAST("failed",
				",\"error\":" FAILURE("PASSWORD-NEEDED", "null", "t", "", ""))}};

	stage(f, scenes);
	assert_int_equal(run(f, "connect", "corp"), EXIT_AUTH_REFUSED);
	assert_non_null(
		strstr(f->calls, "{\"method\":\"io.vpnd.Answer\",\"parameters\":{\"id\":7}}\n"));
	assert_int_equal(run(f, "connect", "corp", "--ask"), EXIT_AUTH_REFUSED);
	assert_non_null(strstr(f->err, "PASSWORD-NEEDED"));
}

static void a_question_outlives_other_news_but_not_the_attempt(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.Connect",
		{PROMPT, STAGE("Login", "", "1"),
			LAST("failed", ",\"error\":" FAILURE("PPP-TIMEOUT", "718", "t", "", ""))},
		NULL}};
	const char *const args[] = {"connect", "corp", NULL};

	stage(f, scenes);
	assert_int_equal(run_typing(f, "\1never", "", args), EXIT_CONNECT_FAILED);
}

static void ctrl_c_at_the_prompt_cancels(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.Connect", {PROMPT}, NULL},
		{"io.vpnd.Cancel", {"{\"parameters\":{}}"},
			LAST("failed", ",\"error\":" FAILURE("CANCELLED", "null", "t", "", ""))}};
	const char *const args[] = {"connect", "corp", NULL};

	stage(f, scenes);
	assert_int_equal(run_typing(f, "alice:", "hun\003", args), EXIT_INTERRUPTED);
}

static void a_password_file_goes_with_the_call(void **state)
{
	struct fixture *f = *state;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/pw", f->dir);
	file = fopen(path, "w");
	fputs("p w\"\nsecond line\n", file);
	fclose(file);
	stage(f, goes_well);
	assert_int_equal(run(f, "connect", "corp", "--password-file", path), 0);
	assert_non_null(strstr(f->calls, "\"secrets\":{\"password\":\"p w\\\"\"}"));
	assert_null(strstr(f->out, "p w"));
	file = fopen(path, "w");
	fclose(file);
	assert_int_equal(run(f, "connect", "corp", "--password-file", path), EXIT_USAGE);
	unlink(path);
}

static void disconnecting_says_so(void **state)
{
	struct fixture *f = *state;
	static const struct scene good[SCENES] = {
		{"io.vpnd.Disconnect", {"{\"parameters\":{}}"}, NULL}};

	stage(f, good);
	assert_int_equal(run(f, "down", "corp"), 0);
	assert_string_equal(f->out, "corp disconnected\n");
	assert_int_equal(run(f, "disc", "--all", "-q"), 0);
	assert_string_equal(f->out, "");
	assert_non_null(strstr(f->calls, "{\"all\":true}"));
}

static void not_connected_is_code_7_but_reconnect_goes_on(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.Connect", {LAST("up", "")}, NULL},
		{"io.vpnd.Disconnect",
			{"{\"error\":\"io.vpnd.NotConnected\",\"parameters\":{\"name\":\"corp\"}}"},
			NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "disconnect", "corp"), EXIT_NOT_CONNECTED);
	assert_int_equal(run(f, "reconnect", "corp"), 0);
	assert_string_equal(f->out, "corp is up\n");
	assert_non_null(strstr(f->calls, "{\"method\":\"io.vpnd.Connect\",\"more\":true,"
					 "\"parameters\":{\"again\":true,\"name\":\"corp\"}}"));
}

static void a_failed_disconnect_is_code_5(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.Disconnect",
		{"{\"error\":\"io.vpnd.DisconnectFailed\",\"parameters\":{\"name\":\"corp\","
		 "\"text\":\"why\"}}"},
		NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "disconnect", "corp"), EXIT_DISCONNECT_FAILED);
	assert_string_equal(f->err, "corp: why.\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(connecting_shows_stages_and_what_came),
		TEST(a_failure_is_one_line_a_hint_and_its_code),
		TEST(every_error_has_its_exit_code),
		TEST(without_a_daemon_it_says_how_to_start_it),
		TEST(usage_is_checked_before_anything_is_asked),
		TEST(ctrl_c_cancels_and_exits_130),
		TEST(the_wait_runs_out_with_code_3),
		TEST(no_wait_returns_when_it_has_begun),
		TEST(a_password_is_typed_unseen),
		TEST(without_a_terminal_the_answer_is_no),
		TEST(a_question_outlives_other_news_but_not_the_attempt),
		TEST(ctrl_c_at_the_prompt_cancels),
		TEST(a_password_file_goes_with_the_call),
		TEST(disconnecting_says_so),
		TEST(not_connected_is_code_7_but_reconnect_goes_on),
		TEST(a_failed_disconnect_is_code_5),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

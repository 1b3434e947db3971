/* The control socket, end to end: the service, connecting, questions, news. */
#include "tests/unit/control_world.h"

/* ---- the service ---- */

static void it_introduces_itself(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	json_t *got;

	say(&p, "org.varlink.service.GetInfo", "{}", false);
	assert_heard(f, &p,
		"{\"parameters\":{\"interfaces\":[\"org.varlink.service\",\"io.vpnd\"],"
		"\"product\":\"vpnd\",\"url\":\"\",\"vendor\":\"vpnd\",\"version\":\"1.2.3\"}}");
	say(&p, "org.varlink.service.GetInterfaceDescription", "{\"interface\":\"io.vpnd\"}",
		false);
	got = hear(f, &p);
	assert_non_null(strstr(json_string_value(json_object_get(
				       json_object_get(got, "parameters"), "description")),
		"interface io.vpnd"));
	json_decref(got);
	say(&p, "org.varlink.service.GetInterfaceDescription", "{\"interface\":\"x.y\"}", false);
	assert_heard(f, &p,
		"{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
		"\"interface\":\"x.y\"}}");
	hang_up(&p);
}

static void wrong_calls_get_typed_errors(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	static const char *const wrong[][3] = {
		{"io.vpnd.Status", "{\"name\":1}", "name"},
		{"io.vpnd.Status", "{\"nam\":\"x\"}", "nam"},
		{"io.vpnd.Explain", "{}", "code"},
		{"io.vpnd.Explain", "{\"code\":null}", "code"},
		{"io.vpnd.Answer", "{\"id\":\"1\"}", "id"},
		{"io.vpnd.Disconnect", "{}", "name"},
		{"io.vpnd.Disconnect", "{\"name\":\"x\",\"all\":true}", "name"},
		{"io.vpnd.Connect", "{}", "name"},
		{"io.vpnd.Connect", "{\"name\":\"x\",\"owner\":\"me\"}", "owner"},
		{"io.vpnd.Connect", "{\"name\":\"x\",\"network\":\"\"}", "network"},
		{"io.vpnd.Connect", "{\"name\":\"x\",\"settings\":{\"a\":1}}", "settings"},
		{"io.vpnd.Connect", "{\"name\":\"x\",\"secrets\":[]}", "secrets"},
		{"io.vpnd.Connect", "{\"name\":\"x\",\"ssh_peer\":\"host\"}", "ssh_peer"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char want[160];

		say(&p, wrong[i][0], wrong[i][1], false);
		snprintf(want, sizeof(want),
			"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{"
			"\"parameter\":\"%s\"}}",
			wrong[i][2]);
		assert_heard(f, &p, want);
	}
	say(&p, "io.vpnd.Nonsense", "{}", false);
	assert_heard(f, &p,
		"{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"io."
		"vpnd.Nonsense\"}}");
	say(&p, "io.vpnd.Monitor", "{}", false);
	assert_heard(f, &p, "{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}");
	say(&p, "io.vpnd.Connect", "{\"name\":\"x\",\"owner\":\"caller\"}", false);
	assert_heard(f, &p, "{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}");
	say(&p, "io.vpnd.Status", "{\"name\":\"a/b\"}", false);
	assert_heard(f, &p,
		"{\"error\":\"io.vpnd.NoSuchConnection\",\"parameters\":{\"name\":\"a/b\"}}");
	say(&p, "io.vpnd.Show", "{\"name\":\"corp\",\"key\":\"x\"}", false);
	assert_heard(f, &p, "{\"error\":\"io.vpnd.NoSuchKey\",\"parameters\":{\"key\":\"x\"}}");
	assert_int_equal(f->call, 0);
	hang_up(&p);
}

static void reading_calls_are_answered(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);

	say(&p, "io.vpnd.Show", "{\"name\":\"corp\",\"key\":\"password\"}", false);
	assert_heard(f, &p,
		"{\"parameters\":{\"settings\":[{\"given\":true,\"key\":\"password\",\"value\":\"<"
		"hidden>\"}]}}");
	say(&p, "io.vpnd.List", "{}", false);
	assert_heard(f, &p,
		"{\"parameters\":{\"connections\":[{\"autoconnect\":false,\"gateway\":\"vpn."
		"example.com\","
		"\"name\":\"corp\",\"state\":\"idle\",\"user\":\"alice\"},{\"autoconnect\":false,"
		"\"name\":\"x\","
		"\"problem\":\"x.conf:1: no\",\"state\":\"idle\"}]}}");
	say(&p, "io.vpnd.Reload", "{}", false);
	assert_heard(f, &p, "{\"parameters\":{\"problems\":[\"x.conf:3: mtu: bad\"]}}");
	say(&p, "io.vpnd.Explain", "{\"code\":\"nonsense\"}", false);
	assert_heard(f, &p, "{\"parameters\":{\"failures\":[]}}");
	say(&p, "io.vpnd.Disconnect", "{\"all\":true}", false);
	assert_heard(f, &p, "{\"parameters\":{}}");
	assert_string_equal(f->disconnected, "*");
	f->refuses = true;
	say(&p, "io.vpnd.Disconnect", "{\"name\":\"corp\"}", false);
	assert_heard(
		f, &p, "{\"error\":\"io.vpnd.NotConnected\",\"parameters\":{\"name\":\"corp\"}}");
	say(&p, "io.vpnd.Log", "{\"name\":\"corp\"}", true);
	assert_heard(f, &p,
		"{\"continues\":true,\"parameters\":{\"line\":{\"layer\":\"ike\",\"level\":"
		"\"warn\","
		"\"text\":\"first\",\"time\":1.5}}}");
	assert_heard(f, &p, "{\"parameters\":{}}");
	hang_up(&p);
}

static void several_calls_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	json_t *silent = varlink_call_new("io.vpnd.Reload", NULL, false);

	json_object_set_new(silent, "oneway", json_true());
	say(&p, "io.vpnd.Connect", "{\"name\":\"corp\"}", true);
	say_json(&p, silent);
	say(&p, "io.vpnd.Explain", "{\"code\":\"x\"}", false);
	assert_silent(f, &p);
	struct control_event up = {.kind = CONTROL_EV_UP};

	control_event(f->control, f->call, "corp", &up);
	assert_heard(f, &p, "{\"parameters\":{\"event\":{\"kind\":\"up\"}}}");
	assert_heard(f, &p, "{\"parameters\":{\"failures\":[]}}");
	hang_up(&p);
}

/* ---- connecting ---- */

static void a_connect_streams_events_until_it_is_up(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	struct control_event stage = {
		.kind = CONTROL_EV_STAGE, .stage = "IKE main mode", .text = "aes", .took = 34};
	struct control_event up = {.kind = CONTROL_EV_UP};

	say(&p, "io.vpnd.Connect",
		"{\"name\":\"corp\",\"secrets\":{\"password\":\"typed\"},\"ssh_peer\":\"192.0.2."
		"7\",\"insist\":true,\"again\":true}",
		true);
	assert_silent(f, &p);
	assert_string_equal(f->secret, "password=typed");
	assert_false(f->connect.is_inline);
	assert_true(f->connect.interactive && f->connect.insist && f->connect.again);
	assert_int_equal(f->connect.ssh_peer.family, FAMILY_IPV4);
	assert_int_equal(f->connect.caller.uid, geteuid());
	control_event(f->control, f->call, "corp", &stage);
	assert_heard(f, &p,
		"{\"continues\":true,\"parameters\":{\"event\":{\"kind\":\"stage\",\"stage\":{"
		"\"ms\":34,"
		"\"name\":\"IKE main mode\",\"text\":\"aes\"}}}}");
	control_event(f->control, f->call, "corp", &up);
	assert_heard(f, &p, "{\"parameters\":{\"event\":{\"kind\":\"up\"}}}");
	hang_up(&p);
	pump(f);
	pump(f);
	assert_int_equal(f->left, 0); /* its call was over */
}

static void a_connect_without_more_is_answered_at_once(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	struct control_event up = {.kind = CONTROL_EV_UP};

	say(&p, "io.vpnd.Connect", "{\"settings\":{\"gateway\":\"a\"},\"network\":\"caller\"}",
		false);
	assert_heard(f, &p, "{\"parameters\":{}}");
	assert_true(f->connect.is_inline && f->connect.network_caller);
	assert_false(f->connect.interactive);
	assert_string_equal(f->setting, "gateway=a");
	control_event(f->control, f->call, "corp", &up);
	assert_silent(f, &p);
	f->refuses = true;
	say(&p, "io.vpnd.Connect", "{\"name\":\"nope\"}", false);
	assert_heard(f, &p,
		"{\"error\":\"io.vpnd.NoSuchConnection\",\"parameters\":{\"name\":\"nope\"}}");
	hang_up(&p);
}

static void a_connect_ends_when_its_client_leaves(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	struct control_event up = {.kind = CONTROL_EV_UP};

	say(&p, "io.vpnd.Connect", "{\"name\":\"corp\"}", true);
	assert_silent(f, &p);
	hang_up(&p);
	for (int i = 0; i < 200 && !f->left; i++)
		pump(f);
	assert_int_equal(f->left, f->call);

	/* owner = caller: also after it was up */
	f->left = 0;
	p = dial(f);
	say(&p, "io.vpnd.Connect", "{\"name\":\"corp\",\"owner\":\"caller\"}", true);
	assert_silent(f, &p);
	control_event(f->control, f->call, "corp", &up);
	assert_heard(f, &p, "{\"continues\":true,\"parameters\":{\"event\":{\"kind\":\"up\"}}}");
	hang_up(&p);
	for (int i = 0; i < 200 && !f->left; i++)
		pump(f);
	assert_int_equal(f->left, f->call);
	control_event(f->control, f->call, "corp", &up); /* nobody hears it, nothing breaks */
}

static void a_question_is_answered_on_another_connection(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f), q = dial(f);
	struct control_event prompt = {.kind = CONTROL_EV_PROMPT,
		.prompt = "password",
		.text = "Password of alice:",
		.question = 77};

	say(&p, "io.vpnd.Connect", "{\"name\":\"corp\"}", true);
	assert_silent(f, &p);
	control_event(f->control, f->call, "corp", &prompt);
	assert_heard(f, &p,
		"{\"continues\":true,\"parameters\":{\"event\":{\"kind\":\"prompt\",\"prompt\":{"
		"\"echo\":false,"
		"\"id\":1,\"kind\":\"password\",\"text\":\"Password of alice:\"}}}}");
	say(&q, "io.vpnd.Answer", "{\"id\":2,\"value\":\"x\"}", false);
	assert_heard(f, &q, "{\"error\":\"io.vpnd.NoSuchQuestion\",\"parameters\":{\"id\":2}}");
	say(&q, "io.vpnd.Answer", "{\"id\":1,\"value\":\"pw\"}", false);
	assert_heard(f, &q, "{\"parameters\":{}}");
	assert_int_equal(f->question, 77);
	assert_string_equal(f->answer, "pw");
	assert_false(f->answered_no);
	say(&q, "io.vpnd.Answer", "{\"id\":1,\"value\":\"pw\"}", false);
	assert_heard(f, &q, "{\"error\":\"io.vpnd.NoSuchQuestion\",\"parameters\":{\"id\":1}}");
	control_event(f->control, f->call, "corp", &prompt);
	json_decref(hear(f, &p));
	say(&q, "io.vpnd.Answer", "{\"id\":2}", false);
	assert_heard(f, &q, "{\"parameters\":{}}");
	assert_true(f->answered_no);
	hang_up(&p);
	hang_up(&q);
}

static void a_connect_is_cancelled_from_another_connection(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f), q = dial(f);
	json_t *failed;

	say(&q, "io.vpnd.Cancel", "{\"name\":\"corp\"}", false);
	assert_heard(
		f, &q, "{\"error\":\"io.vpnd.NotConnecting\",\"parameters\":{\"name\":\"corp\"}}");
	say(&p, "io.vpnd.Connect", "{\"name\":\"corp\"}", true);
	assert_silent(f, &p);
	say(&q, "io.vpnd.Cancel", "{\"name\":\"other\"}", false);
	assert_heard(
		f, &q, "{\"error\":\"io.vpnd.NotConnecting\",\"parameters\":{\"name\":\"other\"}}");
	say(&q, "io.vpnd.Cancel", "{\"name\":\"corp\"}", false);
	assert_heard(f, &q, "{\"parameters\":{}}");
	assert_int_equal(f->cancelled, f->call);
	failed = hear(f, &p);
	assert_null(json_object_get(failed, "continues"));
	json_decref(failed);
	hang_up(&p);
	hang_up(&q);
}

static void monitors_hear_the_news(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f), q = dial(f);
	struct control_event up = {.kind = CONTROL_EV_UP};
	struct control_event prompt = {.kind = CONTROL_EV_PROMPT, .prompt = "password"};
	json_t *first;

	say(&p, "io.vpnd.Monitor", "{}", true);
	first = hear(f, &p);
	assert_non_null(json_object_get(json_object_get(first, "parameters"), "connection"));
	json_decref(first);
	say(&q, "io.vpnd.Monitor", "{\"name\":\"other\"}", true);
	assert_heard(f, &q,
		"{\"error\":\"io.vpnd.NoSuchConnection\",\"parameters\":{\"name\":\"other\"}}");
	control_event(f->control, 0, "other", &prompt);
	control_event(f->control, 0, "other", &up);
	assert_heard(f, &p,
		"{\"continues\":true,\"parameters\":{\"event\":{\"kind\":\"up\"},\"name\":"
		"\"other\"}}");
	control_changed(f->control, "corp");
	first = hear(f, &p);
	assert_true(json_is_true(json_object_get(first, "continues")));
	json_decref(first);
	assert_silent(f, &q);
	hang_up(&p);
	hang_up(&q);
}

static void a_log_is_followed_until_its_reader_leaves(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);

	say(&p, "io.vpnd.Log", "{\"name\":\"corp\",\"follow\":true}", true);
	json_decref(hear(f, &p));
	assert_int_equal(f->left, 0);
	hang_up(&p);
	for (int i = 0; i < 200 && !f->left; i++)
		pump(f);
	assert_int_equal(f->left, f->call);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_introduces_itself),
		TEST(wrong_calls_get_typed_errors),
		TEST(reading_calls_are_answered),
		TEST(several_calls_are_answered_in_order),
		TEST(a_connect_streams_events_until_it_is_up),
		TEST(a_connect_without_more_is_answered_at_once),
		TEST(a_connect_ends_when_its_client_leaves),
		TEST(a_question_is_answered_on_another_connection),
		TEST(a_connect_is_cancelled_from_another_connection),
		TEST(monitors_hear_the_news),
		TEST(a_log_is_followed_until_its_reader_leaves),
	};

	varlink_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

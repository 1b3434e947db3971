/* The wire format of the control socket: framing, limits, messages. */
#include "tests/vectors/vectors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/varlink.h"

struct fixture {
	int here, there; /* bytes written to `there` are read from `here` */
	struct varlink_in in;
	struct varlink_out out;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return -1;
	f->here = fds[0];
	f->there = fds[1];
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	varlink_in_clear(&f->in);
	varlink_out_clear(&f->out);
	close(f->here);
	close(f->there);
	free(f);
	return 0;
}

static void put(struct fixture *f, const void *octets, size_t n)
{
	assert_int_equal(write(f->there, octets, n), n);
}

static void assert_method(struct fixture *f, const char *method)
{
	struct varlink_call call;
	json_t *message;

	assert_int_equal(varlink_next(&f->in, &message), 1);
	assert_true(varlink_call_of(message, &call));
	assert_string_equal(call.method, method);
	json_decref(message);
}

static void a_message_may_come_in_any_pieces(void **state)
{
	struct fixture *f = *state;
	static const char text[] = "{\"method\":\"a.B\",\"parameters\":{\"x\":1},\"more\":true}";
	json_t *message;

	for (size_t i = 0; i < sizeof(text); i++) {
		assert_int_equal(varlink_next(&f->in, &message), 0);
		assert_int_equal(varlink_in_half(&f->in), i > 0);
		put(f, text + i, 1);
		assert_int_equal(varlink_read(&f->in, f->here), 1);
	}
	assert_false(varlink_in_half(&f->in));
	assert_method(f, "a.B");
	assert_int_equal(f->in.n, 0);
}

static void several_messages_may_come_at_once(void **state)
{
	struct fixture *f = *state;
	static const char text[] = "{\"method\":\"a.B\"}\0{\"method\":\"a.C\"}\0{\"meth";

	put(f, text, sizeof(text) - 1);
	assert_true(varlink_read(&f->in, f->here) > 0);
	assert_method(f, "a.B");
	assert_method(f, "a.C");
	assert_true(varlink_in_half(&f->in));
	assert_int_equal(varlink_read(&f->in, f->here), -EAGAIN);
}

static void what_is_no_object_is_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"", "x", "[]", "\"a\"", "1", "{", "{}}",
		"{\"a\":1,\"a\":2}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}", "null"};
	json_t *message;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		put(f, bad[i], strlen(bad[i]) + 1);
		assert_true(varlink_read(&f->in, f->here) > 0);
		assert_int_equal(varlink_next(&f->in, &message), -EBADMSG);
	}
}

static void a_message_without_end_is_refused(void **state)
{
	struct fixture *f = *state;
	char filler[4096];
	json_t *message;
	ssize_t got;

	memset(filler, ' ', sizeof(filler));
	for (int i = 0; i < VARLINK_MESSAGE_MAX / 4096; i++) {
		put(f, filler, sizeof(filler));
		while ((got = varlink_read(&f->in, f->here)) > 0)
			assert_int_equal(varlink_next(&f->in, &message), 0);
		assert_int_equal(got, f->in.n == VARLINK_MESSAGE_MAX ? -EMSGSIZE : -EAGAIN);
	}
	assert_int_equal(f->in.n, VARLINK_MESSAGE_MAX);
	assert_int_equal(varlink_read(&f->in, f->here), -EMSGSIZE);
}

static void deep_nesting_is_no_harm(void **state)
{
	struct fixture *f = *state;
	char *deep = malloc(VARLINK_MESSAGE_MAX);
	json_t *message;
	int got;

	memset(deep, '[', VARLINK_MESSAGE_MAX);
	memcpy(deep, "{\"a\":", 5);
	deep[VARLINK_MESSAGE_MAX - 1] = 0;
	for (size_t at = 0; at < VARLINK_MESSAGE_MAX; at += 4096) {
		put(f, deep + at, 4096);
		assert_true(varlink_read(&f->in, f->here) > 0);
	}
	got = varlink_next(&f->in, &message);
	assert_int_equal(got, -EBADMSG);
	free(deep);
}

static void the_end_of_the_stream_is_seen(void **state)
{
	struct fixture *f = *state;

	put(f, "{", 1);
	shutdown(f->there, SHUT_WR);
	assert_int_equal(varlink_read(&f->in, f->here), 1);
	assert_int_equal(varlink_read(&f->in, f->here), 0);
}

static void calls_and_replies_are_told_apart(void **state)
{
	(void)state;
	static const char *const bad_calls[] = {"{}", "{\"method\":1}",
		"{\"method\":\"a\",\"more\":1}", "{\"method\":\"a\",\"parameters\":[]}",
		"{\"method\":\"a\",\"upgrade\":true}",
		"{\"method\":\"a\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"a\",\"oneway\":\"\"}"};
	static const char *const bad_replies[] = {
		"{\"error\":1}", "{\"parameters\":1}", "{\"continues\":1}"};
	struct varlink_call call;
	struct varlink_reply reply;
	json_t *json;

	for (size_t i = 0; i < sizeof(bad_calls) / sizeof(*bad_calls); i++) {
		json = json_loads(bad_calls[i], 0, NULL);
		assert_false(varlink_call_of(json, &call));
		json_decref(json);
	}
	for (size_t i = 0; i < sizeof(bad_replies) / sizeof(*bad_replies); i++) {
		json = json_loads(bad_replies[i], 0, NULL);
		assert_false(varlink_reply_of(json, &reply));
		json_decref(json);
	}
	json = varlink_call_new("a.B", json_pack("{s:i}", "x", 1), true);
	assert_true(varlink_call_of(json, &call));
	assert_true(call.more);
	assert_int_equal(json_integer_value(json_object_get(call.parameters, "x")), 1);
	json_decref(json);
	json = varlink_reply_new(NULL, true);
	assert_true(varlink_reply_of(json, &reply));
	assert_true(reply.continues && !reply.error);
	json_decref(json);
	json = varlink_error_new("a.E", json_pack("{s:s}", "x", "y"));
	assert_true(varlink_reply_of(json, &reply));
	assert_string_equal(reply.error, "a.E");
	json_decref(json);
}

static void what_is_put_comes_out_at_the_other_end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(varlink_put(&f->out, varlink_call_new("a.B", NULL, false)), 0);
	assert_int_equal(varlink_put(&f->out, varlink_call_new("a.C", NULL, false)), 0);
	assert_int_equal(varlink_write(&f->out, f->there), 0);
	assert_int_equal(f->out.n, 0);
	assert_true(varlink_read(&f->in, f->here) > 0);
	assert_method(f, "a.B");
	assert_method(f, "a.C");
}

static void the_queue_is_bounded(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(60001);
	int err = 0;

	memset(text, 'x', 60000);
	text[60000] = 0;
	for (int i = 0; i < 5 && !err; i++)
		err = varlink_put(&f->out, json_pack("{s:s}", "a", text));
	assert_int_equal(err, -ENOBUFS);
	assert_int_equal(f->out.n, 4 * (60000 + 9));
	assert_int_equal(varlink_write(&f->out, f->there), 1);
	free(text);
	text = calloc(VARLINK_MESSAGE_MAX, 1);
	memset(text, 'x', VARLINK_MESSAGE_MAX - 1);
	varlink_out_clear(&f->out);
	assert_int_equal(varlink_put(&f->out, json_pack("{s:s}", "a", text)), -EMSGSIZE);
	assert_int_equal(varlink_put(&f->out, NULL), -ENOMEM);
	assert_int_equal(f->out.n, 0);
	free(text);
}

static void a_reader_that_left_is_an_error(void **state)
{
	struct fixture *f = *state;

	close(f->here);
	assert_int_equal(varlink_put(&f->out, json_object()), 0);
	assert_int_equal(varlink_write(&f->out, f->there), -EPIPE);
	f->here = dup(f->there);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_message_may_come_in_any_pieces),
		TEST(several_messages_may_come_at_once),
		TEST(what_is_no_object_is_refused),
		TEST(a_message_without_end_is_refused),
		TEST(deep_nesting_is_no_harm),
		TEST(the_end_of_the_stream_is_seen),
		cmocka_unit_test(calls_and_replies_are_told_apart),
		TEST(what_is_put_comes_out_at_the_other_end),
		TEST(the_queue_is_bounded),
		TEST(a_reader_that_left_is_an_error),
	};

	varlink_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

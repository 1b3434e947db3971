/* Connection files and the control socket: no copy of a secret is left in freed memory or on the
 * stack (./dev mutate). */
#include "tests/unit/leftovers.h"
#include "tests/vectors/vectors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/varlink.h"
#include "daemon/files.h"

static const char canary[] = "the canary sang at dawn";

/* ---- JSON and its messages ---- */

static void json_is_wiped_when_it_is_freed(void **state)
{
	(void)state;
	leftovers_watch(slice_str(canary));
	json_decref(json_pack("{s:s}", "value", canary));
	assert_int_equal(leftovers_freed(), 0);
}

struct pipe {
	int fds[2];
	struct varlink_in in;
	struct varlink_out out;
};

static struct pipe pipe_new(void)
{
	struct pipe p = {0};

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p.fds), 0);
	return p;
}

static void pipe_end(struct pipe *p)
{
	varlink_in_clear(&p->in);
	varlink_out_clear(&p->out);
	close(p->fds[0]);
	close(p->fds[1]);
	assert_int_equal(leftovers_freed(), 0);
}

static void put_canary(struct pipe *p)
{
	assert_int_equal(varlink_put(&p->out, json_pack("{s:s}", "method", canary)), 0);
}

static void a_message_leaves_no_copy_where_it_was_read(void **state)
{
	(void)state;
	struct pipe p = pipe_new();
	json_t *message;

	leftovers_watch(slice_str(canary));
	put_canary(&p);
	assert_int_equal(varlink_write(&p.out, p.fds[1]), 0);
	assert_int_equal(leftovers_block(p.out.p, p.out.room), 0); /* nor where it was sent from */
	assert_true(varlink_read(&p.in, p.fds[0]) > 0);
	assert_int_equal(leftovers_block(p.in.p, p.in.n), 1);
	assert_int_equal(varlink_next(&p.in, &message), 1);
	assert_int_equal(leftovers_block(p.in.p, VARLINK_MESSAGE_MAX), 0);
	json_decref(message);
	assert_int_equal(write(p.fds[1], canary, strlen(canary)), strlen(canary));
	assert_true(varlink_read(&p.in, p.fds[0]) > 0); /* half a message, given up */
	pipe_end(&p);
}

static void a_queue_that_grows_or_goes_leaves_no_copy(void **state)
{
	(void)state;
	struct pipe p = pipe_new();
	char large[8000];

	leftovers_watch(slice_str(canary));
	put_canary(&p);
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	assert_int_equal(varlink_put(&p.out, json_pack("{s:s}", "method", large)), 0);
	assert_int_equal(leftovers_freed(), 0);
	pipe_end(&p);
}

/* ---- connection files ---- */

static struct conf *conf_with(const char *text, struct conf_errors *errors)
{
	struct conf *c = conf_new("corp");

	assert_non_null(c);
	leftovers_wash();
	conf_read(c, "corp.conf", slice_str(text), errors);
	return c;
}

static void a_secret_read_from_a_file_is_in_its_place_only(void **state)
{
	(void)state;
	static const char text[] = "psk = the canary sang at dawn\n";
	struct conf_errors *errors = conf_errors_new();

	leftovers_watch(slice_str(canary));
	struct conf *c = conf_with(text, errors);
	assert_int_equal(leftovers_stack(), 0);
	assert_int_equal(errors->n, 0);
	conf_free(c);
	conf_errors_free(errors);
	assert_int_equal(leftovers_freed(), 0);
}

static void a_decoded_key_is_in_its_place_only(void **state)
{
	(void)state;
	static const char hex[] = "7468652063616e6172792073616e67206174206461776e";
	static const char text[] = "psk-encoding = hex\npsk = "
				   "7468652063616e6172792073616e67206174206461776e\n";
	struct conf_errors *errors = conf_errors_new();
	struct conf *c = conf_with(text, errors);

	leftovers_watch(slice_str(hex));
	leftovers_wash();
	assert_true(conf_decode_psk(c, "corp.conf", errors));
	assert_int_equal(leftovers_stack(), 0);
	assert_slice(secret_slice(&c->psk), slice_str(canary));
	assert_int_equal(leftovers_freed(), 0);
	conf_free(c);

	c = conf_with(text, errors);
	leftovers_watch(slice_str(canary));
	leftovers_wash();
	assert_true(conf_decode_psk(c, "corp.conf", errors));
	assert_int_equal(leftovers_stack(), 0);
	conf_free(c);
	conf_errors_free(errors);
	assert_int_equal(leftovers_freed(), 0);
}

/* The line may be long because something else is wrong with it: it is a secret all the same. */
static void a_wrong_secret_is_not_in_the_complaint(void **state)
{
	(void)state;
	struct conf_errors *errors = conf_errors_new();
	char text[1200], line[CONF_ERROR_LINE];

	snprintf(text, sizeof(text), "psk = %s%*s.\n", canary, 1100, "");
	struct conf *c = conf_with(text, errors);
	assert_int_equal(errors->n, 1);
	assert_null(strstr(conf_error_text(errors, 0, line), "canary"));
	conf_free(c);
	conf_errors_free(errors);
}

static void a_file_that_was_read_leaves_no_copy(void **state)
{
	(void)state;
	char dir[] = "/tmp/test_daemon_wipe.XXXXXX", path[64];
	struct conf_errors *errors = conf_errors_new();
	struct conf *conf = NULL;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/corp.conf", dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(dprintf(fd, "gateway = 192.0.2.1\nuser = u\npsk = %s\n", canary) > 0);
	close(fd);

	struct files files = {.config_dir = dir, .owner = geteuid()};
	leftovers_watch(slice_str(canary));
	assert_int_equal(files_load(&files, "corp", NULL, 0, &conf, errors), 0);
	conf_free(conf);
	conf_errors_free(errors);
	assert_int_equal(leftovers_freed(), 0);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_wiped_when_it_is_freed),
		cmocka_unit_test(a_message_leaves_no_copy_where_it_was_read),
		cmocka_unit_test(a_queue_that_grows_or_goes_leaves_no_copy),
		cmocka_unit_test(a_secret_read_from_a_file_is_in_its_place_only),
		cmocka_unit_test(a_decoded_key_is_in_its_place_only),
		cmocka_unit_test(a_wrong_secret_is_not_in_the_complaint),
		cmocka_unit_test(a_file_that_was_read_leaves_no_copy),
	};

	varlink_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

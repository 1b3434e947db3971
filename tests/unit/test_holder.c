/* Who holds a port: by files of the test's own in the place of /proc, and by this kernel's. */
#include "tests/unit/scratch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "daemon/holder.h"

#define HEAD                                                                                       \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "      \
	"timeout inode ref pointer drops\n"
#define SOCKET(port, uid, inode)                                                                   \
	"   12: 00000000:" port " 00000000:0000 07 00000000:00000000 00:00000000 00000000 "        \
	"    " uid "        0 " inode " 2 00000000abcdef01 0\n"
#define SOCKET6(port, uid, inode)                                                                  \
	"   12: 00000000000000000000000000000000:" port                                            \
	" 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 "        \
	"    " uid "        0 " inode " 2 00000000abcdef01 0\n"

enum { IKE, NATT, L2TP };

struct fixture {
	struct scratch scratch;
	struct holder at[HOLDERS_MAX];
	struct holder_own own;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	scratch_make(&f->scratch);
	scratch_put(&f->scratch, "net/udp", HEAD);
	scratch_put(&f->scratch, "self/fd/.keep", "");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

/* A process with one socket, or one that shows none. */
static void process(struct fixture *f, const char *pid, const char *program, const char *inode)
{
	char name[64], link[64];

	snprintf(name, sizeof(name), "%s/comm", pid);
	scratch_put(&f->scratch, name, program);
	snprintf(name, sizeof(name), "%s/fd/.keep", pid);
	scratch_put(&f->scratch, name, "");
	snprintf(link, sizeof(link), "socket:[%s]", inode);
	snprintf(name, sizeof(name), "%s/fd/3", pid);
	assert_int_equal(symlink("/dev/null", scratch_path(&f->scratch, name)), 0);
	snprintf(name, sizeof(name), "%s/fd/4", pid);
	assert_int_equal(symlink(link, scratch_path(&f->scratch, name)), 0);
}

static const char *text(struct fixture *f, int which)
{
	static char to[HOLDER_TEXT];

	memset(f->at, 0, sizeof(f->at));
	f->at[IKE].port = 500;
	f->at[NATT].port = 4500;
	f->at[L2TP].port = 1701;
	holder_find_own(f->scratch.dir, &f->own);
	holder_find(f->scratch.dir, &f->own, f->at, HOLDERS_MAX);
	return holder_text(&f->at[which], to);
}

static void a_port_that_nobody_holds_is_free(void **state)
{
	struct fixture *f = *state;

	process(f, "7", "charon\n", "77");
	assert_string_equal(text(f, IKE), "");
	scratch_put(&f->scratch, "net/udp", HEAD SOCKET("01F5", "0", "77")); /* 501 */
	assert_string_equal(text(f, IKE), "");
	assert_string_equal(text(f, NATT), "");
}

static void the_holder_is_found_by_its_socket(void **state)
{
	struct fixture *f = *state;

	process(f, "41", "bystander\n", "76");
	process(f, "42", "odd name (x)\n", "77");
	process(f, "43", "xl2tpd\n", "78");
	scratch_put(
		&f->scratch, "net/udp", HEAD SOCKET("01F4", "0", "77") SOCKET("06A5", "0", "78"));
	scratch_put(&f->scratch, "net/udp6", HEAD SOCKET6("1194", "0", "77"));
	assert_string_equal(text(f, IKE), "odd name (x) (pid 42)");
	assert_string_equal(text(f, NATT), "odd name (x) (pid 42)");
	assert_string_equal(text(f, L2TP), "xl2tpd (pid 43)");
}

static void without_a_process_there_is_the_user(void **state)
{
	struct fixture *f = *state;

	process(f, "42", "charon\n", "76");
	scratch_put(&f->scratch, "net/udp", HEAD SOCKET("01F4", "105", "77"));
	assert_string_equal(text(f, IKE), "a program of uid 105");
}

static void our_own_sockets_hold_nothing_against_us(void **state)
{
	struct fixture *f = *state;

	process(f, "self", "vpnd\n", "77");
	process(f, "42", "vpnd\n", "77");
	process(f, "43", "pluto\n", "78");
	scratch_put(&f->scratch, "net/udp", HEAD SOCKET("01F4", "0", "77"));
	assert_string_equal(text(f, IKE), "vpnd itself");
	scratch_put(
		&f->scratch, "net/udp", HEAD SOCKET("01F4", "0", "78") SOCKET("01F4", "0", "77"));
	assert_string_equal(text(f, IKE), "pluto (pid 43)");
}

static void what_is_no_list_of_sockets_is_nobody(void **state)
{
	static const char *const lists[] = {"", "\n", "12: x", SOCKET("01F4", "0", "x"),
		"   12: 00000000:01F4 00000000:0000 07\n"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		scratch_put(&f->scratch, "net/udp", lists[i]);
		assert_string_equal(text(f, IKE), "");
	}
	assert_int_equal(unlink(scratch_path(&f->scratch, "net/udp")), 0);
	assert_string_equal(text(f, IKE), "");
}

/* ---- this kernel's /proc ---- */

static int bound_socket(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static void this_process_is_found_by_this_kernels_files(void **state)
{
	struct fixture *f = *state;
	struct holder h = {0};
	char got[HOLDER_TEXT], want[HOLDER_TEXT];
	int fd = bound_socket(&h.port);

	holder_find("/proc", &f->own, &h, 1); /* none is known to be our own */
	snprintf(want, sizeof(want), "test_holder (pid %d)", getpid());
	assert_string_equal(holder_text(&h, got), want);
	holder_find_own("/proc", &f->own);
	h = (struct holder){.port = h.port};
	holder_find("/proc", &f->own, &h, 1);
	assert_string_equal(holder_text(&h, got), "vpnd itself");
	close(fd);
	h = (struct holder){.port = h.port};
	holder_find("/proc", &f->own, &h, 1);
	assert_string_equal(holder_text(&h, got), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_port_that_nobody_holds_is_free, setup, teardown),
		cmocka_unit_test_setup_teardown(the_holder_is_found_by_its_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(
			without_a_process_there_is_the_user, setup, teardown),
		cmocka_unit_test_setup_teardown(
			our_own_sockets_hold_nothing_against_us, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_no_list_of_sockets_is_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(
			this_process_is_found_by_this_kernels_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The notify protocol, against a socket that stands for the service manager. */
#include "tests/vectors/vectors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/sdnotify.h"

/* A socket of the manager's at `name` ("@..." = abstract), announced in the environment. */
static int manager(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t n = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0 && n < sizeof(sa.sun_path));
	memcpy(sa.sun_path, name, n);
	if (name[0] == '@')
		sa.sun_path[0] = 0;
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
		0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void expect(int fd, const char *want)
{
	char got[512] = {0};

	assert_true(recv(fd, got, sizeof(got) - 1, 0) > 0);
	assert_string_equal(got, want);
}

static void every_state_is_one_datagram(void **state)
{
	(void)state;
	char name[64];

	snprintf(name, sizeof(name), "@vpnd-test-%d", (int)getpid());
	int fd = manager(name);

	assert_int_equal(sdnotify_ready(), 0);
	expect(fd, "READY=1");
	assert_int_equal(sdnotify_watchdog(), 0);
	expect(fd, "WATCHDOG=1");
	assert_int_equal(sdnotify_stopping(), 0);
	expect(fd, "STOPPING=1");
	assert_int_equal(sdnotify_status("1 up: corp (vpn-corp)"), 0);
	expect(fd, "STATUS=1 up: corp (vpn-corp)");

	char got[128] = {0};
	unsigned long long usec;
	assert_int_equal(sdnotify_reloading(), 0);
	assert_true(recv(fd, got, sizeof(got) - 1, 0) > 0);
	assert_int_equal(sscanf(got, "RELOADING=1\nMONOTONIC_USEC=%llu", &usec), 1);
	close(fd);
}

static void a_status_cannot_say_anything_else(void **state)
{
	(void)state;
	char name[64], text[600], want[300] = "STATUS=";

	snprintf(name, sizeof(name), "/tmp/vpnd-test-%d", (int)getpid());
	int fd = manager(name);

	assert_int_equal(sdnotify_status("corp\nREADY=1\x7f"), 0);
	expect(fd, "STATUS=corp?READY=1?");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	memset(want + 7, 'x', 256);
	assert_int_equal(sdnotify_status(text), 0);
	expect(fd, want);
	close(fd);
	unlink(name);
}

static void without_a_manager_nothing_happens(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(sdnotify_ready(), 0);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(sdnotify_ready(), -EINVAL);
	setenv("NOTIFY_SOCKET", "@", 1);
	assert_int_equal(sdnotify_ready(), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	assert_int_equal(sdnotify_ready(), -ENOENT);

	char longer[200];
	memset(longer, '/', sizeof(longer));
	longer[sizeof(longer) - 1] = 0;
	setenv("NOTIFY_SOCKET", longer, 1);
	assert_int_equal(sdnotify_ready(), -EINVAL);
}

static void the_watchdog_is_fed_at_half_time(void **state)
{
	(void)state;
	char pid[32];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	assert_int_equal(sdnotify_watchdog_interval(), 0);
	setenv("WATCHDOG_USEC", "60000000", 1);
	assert_int_equal(sdnotify_watchdog_interval(), 30000);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(sdnotify_watchdog_interval(), 30000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(sdnotify_watchdog_interval(), 0);
	setenv("WATCHDOG_PID", "x", 1);
	assert_int_equal(sdnotify_watchdog_interval(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "1", 1);
	assert_int_equal(sdnotify_watchdog_interval(), 1);
	static const char *const bad[] = {"", "0", "-5", "1x", "99999999999999999999999"};
	for (size_t i = 0; i < 5; i++) {
		setenv("WATCHDOG_USEC", bad[i], 1);
		assert_int_equal(sdnotify_watchdog_interval(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_is_one_datagram),
		cmocka_unit_test(a_status_cannot_say_anything_else),
		cmocka_unit_test(without_a_manager_nothing_happens),
		cmocka_unit_test(the_watchdog_is_fed_at_half_time),
	};

	return cmocka_run_group_tests_name("sdnotify", tests, NULL, NULL);
}

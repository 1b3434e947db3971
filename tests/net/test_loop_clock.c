/* The loop's clock counts suspend: in a time namespace where CLOCK_BOOTTIME is a day ahead of
 * CLOCK_MONOTONIC, as after a day of sleep. */
#define _GNU_SOURCE /* unshare */
#include "tests/vectors/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "tests/net/netns.h"

enum { DAY = 86400, SOON = 30 /* ms */, PATIENCE = 30 /* s until the child is ended by SIGALRM */ };

static msec clock_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (msec)t.tv_sec * 1000 + (msec)t.tv_nsec / 1000000;
}

static void stop(void *ctx)
{
	loop_stop(ctx);
}

/* A deadline of the loop's: it is on CLOCK_BOOTTIME, it comes, and it does not come early. */
static bool deadline_comes(void)
{
	struct loop *loop = loop_new();
	struct loop_timer *timer = loop ? loop_timer_new(loop, stop, loop) : NULL;
	msec due = clock_of(CLOCK_BOOTTIME) + SOON;

	if (!timer || loop_now(loop) + SOON > due ||
		due - SOON - loop_now(loop) > SECONDS(PATIENCE))
		return false;
	loop_timer_set(timer, due);
	bool came = loop_run(loop) == 0 && clock_of(CLOCK_BOOTTIME) >= due;
	loop_timer_free(timer);
	loop_free(loop);
	return came;
}

static void a_deadline_is_on_the_clock_that_counts_suspend(void **state)
{
	int status;

	(void)state;
	pid_t child = fork();
	if (child == 0) {
		alarm(PATIENCE);
		_exit(clock_of(CLOCK_BOOTTIME) > clock_of(CLOCK_MONOTONIC) + SECONDS(DAY) -
							 SECONDS(60) &&
					deadline_comes()
				? 0
				: 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deadline_is_on_the_clock_that_counts_suspend),
	};
	char offset[32];
	int fd, n = snprintf(offset, sizeof(offset), "boottime %d 0", DAY);

	close(netns_new()); /* or skip: not root */
	if (unshare(CLONE_NEWTIME) < 0)
		skip_all("no time namespace of our own: %s", strerror(errno));
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, offset, (size_t)n) != n)
		skip_all("no clock of our own: %s", strerror(errno));
	close(fd);
	return cmocka_run_group_tests_name("loop_clock", tests, NULL, NULL);
}

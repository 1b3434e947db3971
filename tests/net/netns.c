#define _GNU_SOURCE /* unshare, setns */
#include "tests/net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vectors/vectors.h"

enum { SKIPPED = 77 };

void skip_all(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("SKIP: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(SKIPPED);
}

int netns_new(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		skip_all("no network namespace of our own: %s (root is needed)", strerror(errno));
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	sh("ip link set lo up");
	return fd;
}

void netns_enter(int fd)
{
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
}

void sh(const char *fmt, ...)
{
	char command[512];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	assert_true(n > 0 && (size_t)n < sizeof(command));
	if (system(command) != 0)
		fail_msg("%s", command);
}

#include "daemon/sdnotify.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

enum { STATUS_MAX = 256 };

/* A path, or '@' and a name in the abstract namespace. False for anything else. */
static bool notify_address(const char *name, struct sockaddr_un *to, socklen_t *len)
{
	size_t n = strlen(name);

	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof(to->sun_path))
		return false;
	memcpy(to->sun_path, name, n);
	if (name[0] == '@')
		to->sun_path[0] = 0; /* an abstract name has no end mark: its length counts */
	else
		n++;
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

static int notify(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to;
	socklen_t len;

	if (!name)
		return 0;
	if (!notify_address(name, &to, &len))
		return -EINVAL;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ssize_t sent = sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
		(const struct sockaddr *)&to, len);
	int result = sent < 0 ? -errno : 0;
	close(fd);
	return result;
}

int sdnotify_ready(void)
{
	return notify("READY=1");
}

/* Type=notify-reload wants the time too, to tell this reload from an earlier one. */
int sdnotify_reloading(void)
{
	struct timespec t;
	char state[64];

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	return notify(state);
}

int sdnotify_stopping(void)
{
	return notify("STOPPING=1");
}

int sdnotify_watchdog(void)
{
	return notify("WATCHDOG=1");
}

/* A newline in the text would be an assignment of its own. */
int sdnotify_status(const char *text)
{
	char state[sizeof("STATUS=") + STATUS_MAX];
	char *at = state + snprintf(state, sizeof(state), "STATUS=");

	for (size_t i = 0; text[i] && i < STATUS_MAX; i++) {
		unsigned char c = (unsigned char)text[i];

		*at++ = c < ' ' || c == 0x7f ? '?' : text[i];
	}
	*at = 0;
	return notify(state);
}

msec sdnotify_watchdog_interval(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t value;

	if (!usec || !str_uint(usec, 1, UINT64_MAX - 1, &value))
		return 0;
	uint64_t whose = (uint64_t)getpid();
	if (pid && (!str_uint(pid, 1, INT32_MAX, &whose) || whose != (uint64_t)getpid()))
		return 0;
	return value < 2000 ? 1 : value / 2000;
}

enum { LISTEN_FDS_START = 3 };

int sdnotify_listener(void)
{
	const char *count = getenv("LISTEN_FDS");
	const char *pid = getenv("LISTEN_PID");
	uint64_t n, whose;

	if (!count || !pid || !str_uint(count, 1, 1, &n) || !str_uint(pid, 1, INT32_MAX, &whose) ||
		whose != (uint64_t)getpid())
		return -ENOENT;
	if (fcntl(LISTEN_FDS_START, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return LISTEN_FDS_START;
}

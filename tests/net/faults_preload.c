/* A library that stands before the C library in one vpnd (LD_PRELOAD) and makes one call fail: of
 * those that talk to the kernel's routing, or that open something. Another program takes no notice.
 *
 * The file that VPND_FAULTS names says which, in one line "SERIAL KIND N ERRNO": the Nth call of that
 * kind since there was another serial; "0" or no file: none. When it has struck, the file with ".hit"
 * behind its name says "SERIAL FUNCTION".
 *
 *	refuse   a netlink request is not sent; the kernel's answer is that error
 *	lack     the same, but for deletions: "no such device" to one would mean that it is done
 *	send     sendmsg() on a netlink socket
 *	receive  recvmsg() on one
 *	cut      recvmsg() on one gives less than came, and says so
 *	torn     a dump is marked as disturbed by a change
 *	open     socket(), bind(), open(), openat(), ioctl()
 *
 * Everything here is a system call of its own: what it needs must not fail. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { REFUSE, LACK, SEND, RECEIVE, CUT, TORN, OPEN, KINDS };

static const char *const names[KINDS] = {
	"refuse", "lack", "send", "receive", "cut", "torn", "open"};

static struct {
	unsigned serial, at, count;
	enum kind kind;
	int error;

	/* the request that was refused, until its answer has been read */
	int fd;
	struct nlmsghdr request;
} plan = {.fd = -1};

/* ---- what is to fail ---- */

static void read_plan(const char *path)
{
	char text[128] = "", kind[16] = "";
	unsigned serial = 0, at = 0;
	int error = 0, fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		long n = syscall(SYS_read, fd, text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = 0;
		syscall(SYS_close, fd);
	}
	if (sscanf(text, "%u %15s %u %d", &serial, kind, &at, &error) < 4)
		serial = 0;
	if (serial == plan.serial)
		return;
	plan.serial = serial;
	plan.kind = KINDS;
	for (int k = 0; k < KINDS && serial; k++)
		if (strcmp(kind, names[k]) == 0)
			plan.kind = (enum kind)k;
	plan.at = at;
	plan.error = error;
	plan.count = 0;
}

static void write_hit(const char *path, const char *function)
{
	char name[256], text[64];
	int n = snprintf(text, sizeof(text), "%u %s\n", plan.serial, function);

	snprintf(name, sizeof(name), "%s.hit", path);
	int fd = (int)syscall(
		SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || syscall(SYS_write, fd, text, n) != n)
		abort();
	syscall(SYS_close, fd);
}

/* Is this call the one? */
static bool strikes(enum kind kind, const char *function)
{
	const char *path = getenv("VPND_FAULTS");

	if (!path || strcmp(program_invocation_short_name, "vpnd") != 0)
		return false;
	read_plan(path);
	if (!plan.serial || plan.kind != kind || ++plan.count != plan.at)
		return false;
	write_hit(path, function);
	errno = plan.error;
	return true;
}

/* ---- netlink ---- */

static bool is_netlink(int fd)
{
	int domain = 0;
	socklen_t n = sizeof(domain);

	return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
	       domain == AF_NETLINK;
}

/* rtnetlink's types come in fours: NEW, DEL, GET, SET. */
static bool is_deletion(const struct nlmsghdr *request)
{
	return request->nlmsg_type >= NLMSG_MIN_TYPE && request->nlmsg_type % 4 == 1;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (is_netlink(fd) && m->msg_iov[0].iov_len >= sizeof(plan.request)) {
		const struct nlmsghdr *request = m->msg_iov[0].iov_base;

		if (strikes(REFUSE, "a netlink request") ||
			(!is_deletion(request) && strikes(LACK, "a netlink request"))) {
			plan.request = *request;
			plan.fd = fd;
			return (ssize_t)m->msg_iov[0].iov_len;
		}
		if (strikes(SEND, "sendmsg"))
			return -1;
	}
	return syscall(SYS_sendmsg, fd, m, flags);
}

/* The kernel's "no" to the request that it never saw. */
static ssize_t refusal(struct msghdr *m, int flags)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
	} answer = {
		.head = {sizeof(answer), NLMSG_ERROR, 0, plan.request.nlmsg_seq,
			plan.request.nlmsg_pid},
		.error = {-plan.error, plan.request},
	};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	size_t room = m->msg_iov[0].iov_len;

	memcpy(m->msg_iov[0].iov_base, &answer, room < sizeof(answer) ? room : sizeof(answer));
	if (m->msg_name && m->msg_namelen >= sizeof(kernel)) {
		memcpy(m->msg_name, &kernel, sizeof(kernel));
		m->msg_namelen = sizeof(kernel);
	}
	m->msg_controllen = 0;
	m->msg_flags = room < sizeof(answer) ? MSG_TRUNC : 0;
	if (!(flags & MSG_PEEK))
		plan.fd = -1;
	return sizeof(answer);
}

static void tear(struct msghdr *m, ssize_t n)
{
	struct nlmsghdr *h = m->msg_iov[0].iov_base;

	for (unsigned left = (unsigned)n; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
		h->nlmsg_flags |= NLM_F_DUMP_INTR;
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	if (!is_netlink(fd))
		return syscall(SYS_recvmsg, fd, m, flags);
	if (fd == plan.fd)
		return refusal(m, flags);
	if (strikes(RECEIVE, "recvmsg"))
		return -1;
	ssize_t n = syscall(SYS_recvmsg, fd, m, flags);
	if (n <= 0 || flags & MSG_PEEK)
		return n;
	if (((struct nlmsghdr *)m->msg_iov[0].iov_base)->nlmsg_flags & NLM_F_MULTI &&
		strikes(TORN, "a dump"))
		tear(m, n);
	if (strikes(CUT, "recvmsg"))
		m->msg_flags |= MSG_TRUNC;
	return n;
}

/* ---- what opens something ---- */

int socket(int domain, int type, int protocol)
{
	return strikes(OPEN, "socket") ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

int bind(int fd, const struct sockaddr *to, socklen_t n)
{
	return strikes(OPEN, "bind") ? -1 : (int)syscall(SYS_bind, fd, to, n);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;

	va_start(args, request);
	void *arg = va_arg(args, void *);
	va_end(args);
	return strikes(OPEN, "ioctl") ? -1 : (int)syscall(SYS_ioctl, fd, request, arg);
}

static int open_at(int dir, const char *path, int flags, va_list args)
{
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;

	return strikes(OPEN, "open") ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	int fd = open_at(AT_FDCWD, path, flags, args);
	va_end(args);
	return fd;
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	int fd = open_at(dir, path, flags, args);
	va_end(args);
	return fd;
}

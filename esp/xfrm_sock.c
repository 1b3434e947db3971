#include "esp/xfrm_sock.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdalign.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/secret.h"
#include "esp/xfrm_msg.h"

enum { ROOM = 32768 }; /* what the kernel fills of a dump at once, at most */

static int bound(int flags, uint32_t *port)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_XFRM);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, len) == 0 &&
		getsockname(fd, (struct sockaddr *)&sa, &len) == 0) {
		*port = sa.nl_pid;
		return fd;
	}
	int err = -errno;
	close(fd);
	return err;
}

int xfrm_sock_open(struct xfrm_sock *s)
{
	*s = (struct xfrm_sock){0};
	s->fd = bound(0, &s->port);
	return s->fd < 0 ? s->fd : 0;
}

int xfrm_sock_listen(void)
{
	static const int groups[] = {
		XFRMNLGRP_SA, XFRMNLGRP_POLICY, XFRMNLGRP_EXPIRE, XFRMNLGRP_MAPPING};
	uint32_t port;
	int fd = bound(SOCK_NONBLOCK, &port);

	for (size_t i = 0; fd >= 0 && i < sizeof(groups) / sizeof(*groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			    sizeof(groups[i])) < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
	return fd;
}

/* The verdict, when this datagram has it; else 1. */
static int take(const void *buf, ssize_t n, uint32_t seq, xfrm_visit_fn *visit, void *ctx)
{
	for (const struct nlmsghdr *h = buf; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
		if (h->nlmsg_seq != seq)
			continue; /* of a request whose answer was given up */
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (visit)
			visit(ctx, h);
		if (!(h->nlmsg_flags & NLM_F_MULTI))
			return 0;
	}
	return 1;
}

int xfrm_sock_request(struct xfrm_sock *s, struct nl_msg *m, xfrm_visit_fn *visit, void *ctx)
{
	alignas(struct nlmsghdr) uint8_t buf[ROOM];
	int result = 1;

	if (!m)
		return -ENOMEM;
	nlmsg_hdr(m)->nlmsg_seq = ++s->seq;
	if (send(s->fd, nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len, 0) < 0)
		result = -errno;
	xfrm_msg_free(m);
	while (result > 0) {
		ssize_t n = recv(s->fd, buf, sizeof(buf), 0);

		result = n < 0 ? (errno == EINTR ? 1 : -errno) : take(buf, n, s->seq, visit, ctx);
	}
	wipe(buf, sizeof(buf));
	return result;
}

int xfrm_sock_news(int fd, xfrm_visit_fn *visit, void *ctx)
{
	alignas(struct nlmsghdr) uint8_t buf[ROOM];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		for (const struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, (size_t)n);
			h = NLMSG_NEXT(h, n))
			visit(ctx, h);
	int err = errno;
	wipe(buf, sizeof(buf));
	return err == EAGAIN ? 0 : -err;
}

#include "esp/xfrm_sock.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/secret.h"
#include "esp/xfrm_msg.h"

enum {
	ROOM = 16384, /* twice what the kernel fills of a dump at once */
	NEWS_AT_ONCE = 64,
};

static int opened(struct xfrm_sock *s, int flags)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK};
	socklen_t len = sizeof(sa);

	*s = (struct xfrm_sock){.fd = -1, .buf = malloc(ROOM)};
	if (!s->buf)
		return -ENOMEM;
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_XFRM);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&sa, len) < 0 ||
		getsockname(s->fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	s->port = sa.nl_pid;
	return 0;
}

int xfrm_sock_open(struct xfrm_sock *s)
{
	return opened(s, 0);
}

int xfrm_sock_listen(struct xfrm_sock *s)
{
	static const int groups[] = {
		XFRMNLGRP_SA, XFRMNLGRP_POLICY, XFRMNLGRP_EXPIRE, XFRMNLGRP_MAPPING};
	int rc = opened(s, SOCK_NONBLOCK);

	for (size_t i = 0; rc == 0 && i < sizeof(groups) / sizeof(*groups); i++)
		if (setsockopt(s->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			    sizeof(groups[i])) < 0)
			rc = -errno;
	return rc;
}

void xfrm_sock_close(struct xfrm_sock *s)
{
	if (s->buf && s->fd >= 0)
		close(s->fd);
	free(s->buf);
	*s = (struct xfrm_sock){.fd = -1};
}

/* The verdict, when this datagram has it; else 1. */
static int take(const struct xfrm_sock *s, ssize_t n, xfrm_visit_fn *visit, void *ctx)
{
	for (const struct nlmsghdr *h = s->buf; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
		if (h->nlmsg_seq != s->seq)
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
	int result = 1;

	if (!m)
		return -ENOMEM;
	nlmsg_hdr(m)->nlmsg_seq = ++s->seq;
	if (send(s->fd, nlmsg_hdr(m), nlmsg_hdr(m)->nlmsg_len, 0) < 0)
		result = -errno;
	xfrm_msg_free(m);
	while (result > 0) {
		ssize_t n = recv(s->fd, s->buf, ROOM, 0);

		result = n < 0 ? (errno == EINTR ? 1 : -errno) : take(s, n, visit, ctx);
	}
	wipe(s->buf, ROOM);
	return result;
}

int xfrm_sock_news(struct xfrm_sock *s, xfrm_visit_fn *visit, void *ctx)
{
	ssize_t n = 0;

	for (int i = 0; i < NEWS_AT_ONCE && (n = recv(s->fd, s->buf, ROOM, 0)) > 0; i++)
		for (const struct nlmsghdr *h = s->buf; NLMSG_OK(h, (size_t)n);
			h = NLMSG_NEXT(h, n))
			visit(ctx, h);
	int err = n < 0 ? errno : EAGAIN;
	wipe(s->buf, ROOM);
	return err == EAGAIN ? 0 : -err;
}

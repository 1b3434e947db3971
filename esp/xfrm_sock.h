/* Netlink to the kernel's XFRM: requests with their verdict, and news. Whatever was read may hold
 * keys and is wiped. */
#pragma once

#include <netlink/msg.h>
#include <stdint.h>

/* For requests. `port` is on the news of what we did ourselves. */
struct xfrm_sock {
	int fd;
	uint32_t port, seq;
};

typedef void xfrm_visit_fn(void *ctx, const struct nlmsghdr *h);

/* 0 or -errno. */
[[gnu::warn_unused_result]] int xfrm_sock_open(struct xfrm_sock *s);

/* Send m and wait for the verdict; each answer that is no error is shown. Takes m, NULL is -ENOMEM.
 * 0 or -errno. */
int xfrm_sock_request(struct xfrm_sock *s, struct nl_msg *m, xfrm_visit_fn *visit, void *ctx);

/* A descriptor that hears of every SA, policy, expiry and moved peer of this network namespace and
 * never blocks; -errno. */
int xfrm_sock_listen(void);

/* Show all news. 0, or -ENOBUFS when some were lost. */
int xfrm_sock_news(int fd, xfrm_visit_fn *visit, void *ctx);

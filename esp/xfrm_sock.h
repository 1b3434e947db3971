/* Netlink to the kernel's XFRM: requests with their verdict, and news. Whatever was read may hold
 * keys and is wiped. */
#pragma once

#include <netlink/msg.h>
#include <stdint.h>

struct xfrm_sock {
	int fd;
	uint32_t port; /* on the news of what was done by requests on this one */
	uint32_t seq;
	void *buf; /* on the heap: a stack that cannot grow would be the end of the process */
};

typedef void xfrm_visit_fn(void *ctx, const struct nlmsghdr *h);

/* For requests. 0 or -errno. */
[[gnu::warn_unused_result]] int xfrm_sock_open(struct xfrm_sock *s);

/* For news of every SA, policy, expiry and moved peer of this network namespace; never blocks. 0 or
 * -errno. */
[[gnu::warn_unused_result]] int xfrm_sock_listen(struct xfrm_sock *s);

/* Of one that was opened, or could not be, or is all zeros. */
void xfrm_sock_close(struct xfrm_sock *s);

/* Send m and wait for the verdict; each answer that is no error is shown. Takes m, NULL is -ENOMEM.
 * 0 or -errno. */
int xfrm_sock_request(struct xfrm_sock *s, struct nl_msg *m, xfrm_visit_fn *visit, void *ctx);

/* Show the news, those of some datagrams at most: whoever makes them may never stop. 0, or -ENOBUFS
 * when some were lost. */
int xfrm_sock_news(struct xfrm_sock *s, xfrm_visit_fn *visit, void *ctx);

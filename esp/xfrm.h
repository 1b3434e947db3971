/* ESP by the kernel, XFRM: a data plane behind esp.h whose packets never come here. RFC 4301.
 *
 * The owner opens a UDP socket for L2TP, bound, protected by xfrm_protect() and only then connected;
 * what passes through it is LANE_L2TP to the stack. SAs are added inbound first; the outbound one
 * comes when it is to be used, because the kernel sends on the newest one from that moment on, and
 * takes the place of the old one at once. Each connection has a reqid of its own: it is what keeps
 * two of them apart, and what is left after a crash is found by it. Nothing of anybody else's is
 * touched, and nothing is ever flushed. */
#pragma once

#include "esp/esp.h"

/* All planes of a process: those to one server share the backstop. Zeros: none. Outlives them. */
struct xfrm_host {
	struct xfrm *planes;
};

/* NULL in *plane: out of memory, no netlink, or not allowed; -errno. The backstop against L2TP in
 * clear to `server` stands from here until esp_free() of the last plane of `host` to that server. */
[[gnu::warn_unused_result]] int xfrm_open(const struct env *env, struct xfrm_host *host,
	const struct ip *server, uint32_t reqid, struct esp **plane);

/* Becomes readable when somebody changed SAs or policies, one of ours expires, or the gateway sends
 * from another port; then xfrm_ready(), which is bounded: what it leaves keeps the fd readable. */
int xfrm_fd(const struct esp *plane);
void xfrm_ready(struct esp *plane, msec now);

/* From which the gateway's ESP in UDP comes since it has moved; 0: from where IKE is. */
uint16_t xfrm_port(const struct esp *plane);

/* Remove what a connection of that reqid to that server left. 0, or the first -errno that is not
 * "gone already". */
int xfrm_cleanup(const struct ip *server, uint32_t reqid);

/* Can this kernel do ESP in transport mode with that suite, and are we allowed to? 0 or -errno. An
 * SA between loopback addresses is added for a moment. */
int xfrm_probe(const struct env *env, const struct esp_suite *suite);

/* The policy of the L2TP socket: from now on it sends only through, and hears only from, ESP of that
 * reqid. Before the first packet, and before connect(). 0 or -errno. */
[[gnu::warn_unused_result]] int xfrm_protect(int fd, enum family family, uint32_t reqid);

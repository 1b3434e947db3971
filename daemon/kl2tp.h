/* The kernel's side of an L2TP session, pppol2tp: data messages of the session go no further than
 * the kernel, control messages still come to our socket. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct kl2tp;

struct kl2tp_conf {
	int udp_fd;         /* ours, connected and protected; borrowed until kl2tp_close() */
	struct addr remote; /* of the socket */
	uint16_t tunnel, peer_tunnel, session, peer_session;
	bool sequencing; /* number what we send; the peer asked for it */
};

/* 0, or -errno: -EPROTONOSUPPORT and friends where the kernel has no pppol2tp, -EEXIST where
 * somebody holds the tunnel id. */
[[gnu::warn_unused_result]] int kl2tp_open(const struct kl2tp_conf *conf, struct kl2tp **to);
void kl2tp_close(struct kl2tp *k); /* NULL is allowed */

/* The session's socket, a channel for kppp_open(). */
int kl2tp_fd(const struct kl2tp *k);

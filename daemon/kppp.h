/* PPP by the kernel, /dev/ppp: IP packets go between the interface and the session without us;
 * frames of LCP, authentication and the network protocols come and go here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pkt.h"

struct kppp;

/* A channel on that socket of kl2tp_fd(), and a unit: an interface of that name, down, without
 * addresses, that is gone with kppp_close(). No IP passes before kppp_pass(). `mru`: what we take.
 * 0 or -errno: -ENOENT without /dev/ppp, -EEXIST when the name is taken. */
[[gnu::warn_unused_result]] int kppp_open(
	int session_fd, const char *name, uint16_t mru, struct kppp **to);
void kppp_close(struct kppp *k); /* NULL is allowed */

/* Both become readable when frames have come. */
int kppp_channel_fd(const struct kppp *k);
int kppp_unit_fd(const struct kppp *k);

const char *kppp_ifname(const struct kppp *k);
int kppp_ifindex(const struct kppp *k);

/* IP may pass, or must not (any more). */
void kppp_pass(struct kppp *k, bool on);

/* Append frames that came, each with its protocol in two octets in front: up to `limit`; returns how
 * many, fewer than limit means that there is no more. -errno when the channel is gone. */
int kppp_recv(struct kppp *k, struct pkt_pool *pool, struct pktq *out, size_t limit);

/* Frames with or without ff 03. Takes all of `in`; what the kernel does not take is dropped. */
void kppp_send(struct kppp *k, struct pktq *in);

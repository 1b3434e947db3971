/* The TUN device: IP packets of the host's users. One read or write moves up to 64 KiB where the
 * kernel gives virtio_net_hdr and segmentation offload; else packets go one by one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pkt.h"

struct tun;

enum { TUN_NAME = 16 }; /* with the final NUL: IFNAMSIZ */

struct tun_conf {
	const char *name; /* of the new interface, borrowed */
	size_t mtu;
	bool plain; /* no offload */
};

struct tun_counters {
	uint64_t packets_in, octets_in;   /* from the users to the network, after cutting */
	uint64_t packets_out, octets_out; /* to the users, before coalescing */
	uint64_t reads, writes;           /* of the device */
	uint64_t bad_in;                  /* dropped: headers that contradict each other */
	uint64_t no_memory;               /* dropped on the way in */
	uint64_t bad_out;                 /* dropped: no IP, or shorter than it claims */
	uint64_t failed_out; /* dropped: the kernel did not take it (interface down, queue full) */
};

/* "vpn-" and the first 11 octets of the connection's name that are legal in an interface name. A
 * number above 0 ends it, in place of what does not fit: for the n-th try when it was taken.
 * Returns `to`. */
const char *tun_name(const char *connection, unsigned number, char to[static TUN_NAME]);

/* Create the interface, down and without addresses; it disappears with tun_close(). 0 and *tun, or
 * -errno: -EEXIST (the name is taken), -EINVAL (not a name), -ENOENT (no /dev/net/tun), -EPERM. */
[[gnu::warn_unused_result]] int tun_open(const struct tun_conf *conf, struct tun **tun);
void tun_close(struct tun *t); /* NULL is allowed */

int tun_fd(const struct tun *t);
const char *tun_ifname(const struct tun *t);
int tun_ifindex(const struct tun *t);
bool tun_offload(const struct tun *t); /* the kernel gives us superpackets */
const struct tun_counters *tun_counters(const struct tun *t);

/* Change the MTU, of the device and of the MSS clamp. 0 or -errno. */
[[gnu::warn_unused_result]] int tun_set_mtu(struct tun *t, size_t mtu);

/* Append what users sent to q: up to `limit` packets, more only because the last read was a
 * superpacket. Each has PKT_ROOM in front and PKT_TAIL behind, complete checksums and a clamped
 * MSS. Returns how many, or -errno when the device is gone. */
[[gnu::warn_unused_result]] int tun_read(
	struct tun *t, struct pkt_pool *pool, struct pktq *q, size_t limit);

/* Give packets to the users: TCP segments of a flow together, MSS clamped. Takes all of q. */
void tun_write(struct tun *t, struct pktq *q);

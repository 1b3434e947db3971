/* The outer sockets of a connection: connected to one server, marked, never blocking. UDP 500, UDP
 * 4500 and IP protocol 50 (which has no segmentation offload and goes packet by packet); and UDP 1701
 * where the kernel does ESP.
 *
 * A raw socket has copies of what the kernel handles itself. A kernel without ESP leaves protocol 50 to
 * it; one with ESP and no SA for our SPI drops its own, counts XfrmInNoStates and answers nobody.
 *
 * Receiving: recvmmsg() with UDP_GRO. What the kernel had joined comes out as views of one large
 * buffer; a packet that came alone is copied into a small one, so that a message somebody keeps
 * does not hold 64 KiB, and the wiping of control packets stays cheap.
 *
 * Sending: sendmmsg() with UDP_SEGMENT, which gathers runs of equal length (the last one may be
 * shorter) from wherever they lie. A socket that is full keeps a bounded queue instead of dropping:
 * the owner stops reading the TUN device while udp_blocked(), so that the senders inside the tunnel
 * feel the pressure in time and nothing is lost. What exceeds the bound is dropped and counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/pkt.h"

struct udp;

enum { UDP_QUEUE_MAX = 256 }; /* packets that wait for a full socket */

struct udp_conf {
	struct addr remote;  /* the port is ignored on LANE_RAW */
	uint16_t local_port; /* 0 = any */
	uint32_t mark;       /* SO_MARK; 0 = none */
	bool reuse;          /* share local_port with sockets that talk to others */
	/* LANE_L2TP: nothing leaves and nothing enters but through the kernel's ESP of this reqid; from
	 * this address, which has the SAs. It is connected with its first packet, since before the
	 * SAs the kernel refuses that. */
	uint32_t reqid;
	struct ip local;
	enum lane lane;  /* what received packets are stamped with */
	bool kernel_esp; /* LANE_NATT: the kernel's ESP takes its packets (UDP_ENCAP), IKE is left */
};

/* An error that belongs to our own flow: from the network (the kernel compared the quoted headers),
 * or from the host itself when it could not send. */
struct udp_error {
	int code;       /* ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE, EPERM, ... */
	size_t mtu;     /* with EMSGSIZE: octets of the outer IP packet; else 0 */
	struct ip from; /* who said so; FAMILY_NONE = this host */
};

struct udp_counters {
	uint64_t packets_in, octets_in;
	uint64_t packets_out, octets_out;
	uint64_t reads, writes; /* datagrams or superpackets: system calls would be fewer */
	uint64_t truncated;     /* in: larger than a buffer */
	uint64_t malformed;     /* in, LANE_RAW: not a whole ESP packet of the server's */
	uint64_t no_memory;     /* in */
	uint64_t queue_full;    /* out: dropped, the socket was full for too long */
	uint64_t refused;       /* out: dropped, the system refused them */
	uint64_t no_buffers;    /* out: dropped, the device's queue was full (ENOBUFS) */
	uint64_t not_segmented; /* out: superpackets refused and sent one by one */
};

/* Open, mark, bind, (protect,) and connect, in this order. 0 and *udp, or -errno: -EADDRINUSE (the port),
 * -ENETUNREACH and friends (no way to the server), -EPERM (may not mark). */
[[gnu::warn_unused_result]] int udp_open(const struct udp_conf *conf, struct udp **udp);
void udp_close(struct udp *u); /* drops what still waits. NULL is allowed */

/* LANE_NATT with the kernel's ESP: that is heard from any port of the server's, so that the kernel can
 * tell of a new one. Then this socket goes there, too. 0 or -errno. */
[[gnu::warn_unused_result]] int udp_follow(struct udp *u, uint16_t port);

int udp_fd(const struct udp *u);
struct addr udp_local(const struct udp *u); /* FAMILY_NONE: unknown. On LANE_RAW without a port */
size_t udp_path_mtu(const struct udp *u);   /* of the route, octets of the IP packet; 0 unknown */
const struct udp_counters *udp_counters(const struct udp *u);

/* Append what came to `out`: up to `limit` packets, more only because the last read had joined
 * packets. Returns how many; fewer than limit means that there is no more. */
size_t udp_recv(struct udp *u, struct pkt_pool *pool, struct pktq *out, size_t limit);

/* Of what an IPv4 raw socket delivers, leave what follows the IP header; false when that is not a whole
 * ESP packet from `from`. */
bool udp_strip_ip4(struct pkt *p, const struct ip *from);

/* Takes all of `in`. What the socket does not take now waits in order behind what waits already. */
void udp_send(struct udp *u, struct pktq *in);

/* Something waits: call udp_flush() when the socket is writable. */
bool udp_blocked(const struct udp *u);
void udp_flush(struct udp *u);

/* The latest error since the last call; false when there was none. To be asked after udp_recv()
 * and udp_send(): they meet the errors, and go on. */
bool udp_take_error(struct udp *u, struct udp_error *err);

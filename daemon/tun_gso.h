/* Segmentation and coalescing: what lets one read or write of the TUN device move 64 KiB.
 *
 * Towards the network, the kernel hands over a TCP or UDP superpacket with a virtio_net_hdr and we
 * cut it into packets of gso_size octets of payload. Towards the user, consecutive TCP segments of
 * a flow are put together into one superpacket again, by the rules of the kernel's own GRO: nothing
 * is merged that could not be cut back into the same packets.
 *
 * Pure: no device, no descriptor. Headers from the device are checked like any other's: it may
 * forward what a virtual machine wrote. */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pkt.h"

enum {
	GSO_SEGMENTS_MAX = 2048, /* of one superpacket; a real MSS makes far fewer */
	GSO_FRAMES_MAX = 256,    /* packets that one coalescing pass takes */
	GSO_JOIN_MAX = 64,       /* packets in one frame */
	GSO_UDP_L4 = 5,          /* a gso_type: UDP cut into datagrams; virtio 1.3, 5.1.6 */
};

/* ---- cutting ---- */

/* Where cut packets are laid: large buffers shared by many packets, one behind the other, each with
 * PKT_ROOM in front and PKT_TAIL behind. Zero is an empty arena. It holds on to the buffer it is
 * filling until gso_arena_done(). */
struct gso_arena {
	struct pkt_pool *pool;
	struct pkt *buf;
	uint8_t *at;
};

void gso_arena_done(struct gso_arena *a);

/* The packets that `frame` (an IP packet, borrowed) stands for, appended to q, with all lengths,
 * ids, sequence numbers, flags and checksums made. 0; -EINVAL for headers that contradict each
 * other or that we did not ask for, -ENOMEM; then nothing was appended. */
[[gnu::warn_unused_result]] int gso_split(const struct virtio_net_hdr *vnet, struct slice frame,
	struct gso_arena *arena, struct pktq *q);

/* ---- coalescing ---- */

/* One write to the device: the first packet whole, of the others their payload. */
struct gso_frame {
	struct virtio_net_hdr vnet;
	struct pktq pkts;
	size_t octets; /* of all of them, vnet not counted */

	bool open; /* more may be joined */
	bool tcp;  /* the rest is meaningful: the flow and what its next segment must look like */
	bool v6;
	uint8_t l4;      /* octets of the IP header */
	uint8_t headers; /* octets of IP and TCP header */
	uint16_t size;   /* payload of all but the last */
	uint16_t id;     /* IPv4: of the first packet */
	uint32_t next_seq;
};

struct gso_frames {
	struct gso_frame frame[GSO_FRAMES_MAX];
	size_t count;
	uint64_t malformed; /* packets dropped, ever: no IP, or shorter than they claim */
};

/* Take IP packets from q, `most` (<= GSO_FRAMES_MAX) of them, and lay them out as frames; what f
 * held before must have been freed. Packets of a flow stay in order. Octets behind the IP packet
 * are cut. */
void gso_merge(struct gso_frames *f, struct pktq *q, size_t most);

/* ---- MSS ---- */

/* If p is a TCP SYN with a greater MSS than fits `mtu`, lower it to that. RFC 9293, 3.7.1. */
void gso_clamp_mss(struct pkt *p, size_t mtu);

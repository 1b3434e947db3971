/* From the socket into packets. */
#define _GNU_SOURCE /* recvmmsg */
#include "daemon/udp_priv.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/ip_hdr.h"

/* Large buffers read into by one system call: as many as a pool keeps. Each takes memory from its first use
 * on, so they become more only while all are filled: what carries only IKE does with one. */
enum { READS = 8 };

struct read {
	struct pkt *buf;
	struct iovec iov;
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
};

/* The size of the packets that were joined; 0 for one that came alone. udp(7). */
static size_t joined_size(struct msghdr *m)
{
	int size = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&size, CMSG_DATA(c), sizeof(size));
	return size > 0 ? (size_t)size : 0;
}

static void deliver(struct udp *u, struct pkt *p, struct pktq *out)
{
	if (!p) {
		u->counters.no_memory++;
		return;
	}
	p->lane = u->lane;
	u->counters.packets_in++;
	u->counters.octets_in += p->len;
	pktq_put(out, p);
}

/* A copy in a small buffer; a packet too large for one stays where it is. Takes buf. */
static struct pkt *move_single(struct pkt_pool *pool, struct pkt *buf)
{
	if (PKT_ROOM + buf->len + PKT_TAIL > PKT_SMALL)
		return buf;
	struct pkt *p = pkt_new(pool, buf->len + PKT_TAIL);
	if (p) {
		memcpy(p->data, buf->data, buf->len);
		p->len = buf->len;
	}
	pkt_free(buf);
	return p;
}

/* Takes buf. */
static void deliver_joined(struct udp *u, struct pkt *buf, size_t size, struct pktq *out)
{
	while (buf->len > 0) {
		size_t n = buf->len < size ? buf->len : size;

		deliver(u, pkt_view(buf, buf->data, n, buf->data, buf->data + n), out);
		pkt_pull(buf, n);
	}
	pkt_free(buf);
}

/* IPv4 raw sockets give the IP header too, IPv6 ones never; raw(7). The kernel has looked at it, put the
 * fragments together and compared the source with whom we are connected to; but it is a stranger's header
 * until ESP has authenticated what follows. */
bool udp_strip_ip4(struct pkt *p, const struct ip *from)
{
	if (p->len < IP4_HDR || ip_version(p->data) != 4)
		return false;
	size_t header = ip4_hdr_len(p->data);
	struct slice source = slice(p->data + IP4_ADDRS, 4);

	return header >= IP4_HDR /* check: raw-header-least */ &&
	       get_u16(p->data + IP4_TOTAL) == p->len /* check: raw-length */ &&
	       !(get_u16(p->data + IP4_FRAG) & IP4_FRAGMENT) /* check: raw-whole */ &&
	       p->data[IP4_PROTO] == PROTO_ESP /* check: raw-protocol */ &&
	       slice_equal(source, ip_slice(from)) /* check: raw-source */ && pkt_pull(p, header);
}

/* Takes r->buf. */
static void take_read(
	struct udp *u, struct pkt_pool *pool, struct read *r, struct mmsghdr *m, struct pktq *out)
{
	struct pkt *buf = r->buf;
	size_t size = joined_size(&m->msg_hdr);

	buf->len = m->msg_len;
	u->counters.reads++;
	if (m->msg_hdr.msg_flags & MSG_TRUNC) {
		u->counters.truncated++;
		pkt_free(buf);
	} else if (u->lane == LANE_RAW && !u->v6 && !udp_strip_ip4(buf, &u->remote.ip)) {
		u->counters.malformed++;
		pkt_free(buf);
	} else if (size && size < buf->len) {
		deliver_joined(u, buf, size, out);
	} else {
		deliver(u, move_single(pool, buf), out);
	}
}

/* Buffers to read into, from their very beginning: a joined read may fill one to the last octet,
 * and received packets lose headers, they do not get more. Returns how many there are. */
static unsigned prepare(struct pkt_pool *pool, struct read *r, struct mmsghdr *m, unsigned want)
{
	for (unsigned i = 0; i < want; i++) {
		r[i].buf = pkt_new(pool, PKT_LARGE - PKT_ROOM);
		if (!r[i].buf)
			return i;
		r[i].buf->data = r[i].buf->floor;
		r[i].iov = (struct iovec){.iov_base = r[i].buf->data, .iov_len = PKT_LARGE};
		m[i].msg_hdr = (struct msghdr){
			.msg_iov = &r[i].iov,
			.msg_iovlen = 1,
			.msg_control = r[i].control,
			.msg_controllen = sizeof(r[i].control),
		};
	}
	return want;
}

/* One system call; returns whether there may be more. */
static bool read_some(struct udp *u, struct pkt_pool *pool, struct pktq *out, unsigned want)
{
	struct read r[READS];
	struct mmsghdr m[READS];
	unsigned have = prepare(pool, r, m, want);
	int got = have ? recvmmsg(u->fd, m, have, MSG_DONTWAIT, NULL) : 0;
	bool failed = got < 0 && errno != EAGAIN && errno != EINTR;

	if (have < want)
		u->counters.no_memory++;
	for (unsigned i = 0; i < have; i++) {
		if (got > 0 && i < (unsigned)got)
			take_read(u, pool, &r[i], &m[i], out);
		else
			pkt_free(r[i].buf);
	}
	/* An error the network reported: told once, and nothing was read. The queue of errors makes
	 * the socket readable too, so it must be emptied whenever there was nothing else. */
	if (got <= 0)
		udp_read_errors(u);
	if (got > 0 && (unsigned)got == u->reads)
		u->reads = 2 * u->reads < READS ? 2 * u->reads : READS;
	else if (got < (int)want / 2)
		u->reads = (want + 1) / 2;
	return failed || (got > 0 && (unsigned)got == want);
}

size_t udp_recv(struct udp *u, struct pkt_pool *pool, struct pktq *out, size_t limit)
{
	size_t before = out->count;
	bool more = true;

	for (unsigned turns = 0; more && turns < PKT_BATCH && out->count - before < limit;
		turns++) {
		size_t left = limit - (out->count - before);

		more = read_some(u, pool, out, left < u->reads ? (unsigned)left : u->reads);
	}
	return out->count - before;
}

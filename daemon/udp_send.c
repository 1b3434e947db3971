/* From packets into the socket. */
#define _GNU_SOURCE /* sendmmsg */
#include "daemon/udp_priv.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdalign.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* What one system call takes at most. A superpacket has at most 64 segments (the kernel's old
 * limit) and stays well below the 65,507 octets of a datagram. */
enum { WRITES = 32, PIECES = 256, SEGMENTS = 64, SUPER_MAX = 65000 };

struct batch {
	struct mmsghdr m[WRITES];
	struct iovec iov[PIECES];
	alignas(struct cmsghdr) uint8_t control[WRITES][CMSG_SPACE(sizeof(uint16_t))];
	unsigned writes, pieces;
};

static void ask_for_segments(struct msghdr *m, void *control, uint16_t size)
{
	struct cmsghdr *c = control;

	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(sizeof(size));
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
}

/* One write that begins with p; returns the packet behind it. */
static const struct pkt *gather_one(const struct udp *u, struct batch *b, const struct pkt *p)
{
	struct msghdr *m = &b->m[b->writes].msg_hdr;
	size_t size = p->len, last = size, octets = 0;
	bool alone = size == 0 || size > u->gso_size;

	*m = (struct msghdr){.msg_iov = &b->iov[b->pieces]};
	do {
		last = p->len;
		octets += last;
		b->iov[b->pieces++] = (struct iovec){.iov_base = p->data, .iov_len = last};
		m->msg_iovlen++;
		p = p->next;
	} while (!alone && p && last == size && p->len > 0 && p->len <= size &&
		 m->msg_iovlen < SEGMENTS && octets + p->len <= SUPER_MAX && b->pieces < PIECES);
	if (m->msg_iovlen > 1)
		ask_for_segments(m, b->control[b->writes], (uint16_t)size);
	b->writes++;
	return p;
}

static void gather(const struct udp *u, struct batch *b, const struct pkt *p)
{
	b->writes = b->pieces = 0;
	while (p && b->writes < WRITES && b->pieces < PIECES)
		p = gather_one(u, b, p);
}

/* Free the packets of write i, which is the first of the queue; returns how many they were. */
static size_t drop_write(struct udp *u, const struct batch *b, unsigned i)
{
	size_t n = b->m[i].msg_hdr.msg_iovlen;

	for (size_t k = 0; k < n; k++)
		pkt_free(pktq_take(&u->waiting));
	return n;
}

static void count_sent(struct udp *u, const struct batch *b, unsigned i)
{
	const struct msghdr *m = &b->m[i].msg_hdr;

	u->counters.writes++;
	u->counters.packets_out += m->msg_iovlen;
	for (size_t k = 0; k < m->msg_iovlen; k++)
		u->counters.octets_out += m->msg_iov[k].iov_len;
	drop_write(u, b, i);
}

/* An error of an earlier packet that the network reported is told by the next send, which is then
 * not done: the same packet may well go. */
static bool may_be_old_news(int code)
{
	return code == ECONNREFUSED || code == EHOSTUNREACH || code == ENETUNREACH ||
	       code == EMSGSIZE || code == EPROTO || code == ENOPROTOOPT || code == EACCES ||
	       code == EINTR;
}

/* The kernel does not segment on this path at all (EIO), or not in pieces that large: they exceed
 * the MTU, and a superpacket's segments are never fragmented. */
static bool segments_refused(struct udp *u, const struct msghdr *m, int code)
{
	if (m->msg_iovlen == 1)
		return false;
	if (code != EINVAL && code != EMSGSIZE && code != EIO && code != EOPNOTSUPP)
		return false;
	u->gso_size = code == EINVAL || code == EMSGSIZE ? m->msg_iov[0].iov_len - 1 : 0;
	u->counters.not_segmented++;
	return true;
}

static void drop_refused(struct udp *u, const struct batch *b, int code)
{
	size_t n = drop_write(u, b, 0);

	if (code == ENOBUFS)
		u->counters.no_buffers += n;
	else
		u->counters.refused += n;
	u->error = (struct udp_error){.code = code};
}

/* A protected socket without its SA refuses with the same word as one that is full. */
static bool lacks_sa(const struct udp *u)
{
	int octets = 0;

	return u->lane == LANE_L2TP && ioctl(u->fd, SIOCOUTQ, &octets) == 0 && octets == 0;
}

static void drop_all(struct udp *u)
{
	u->counters.refused += u->waiting.count;
	pktq_free(&u->waiting);
}

void udp_flush(struct udp *u)
{
	bool again = false;
	struct batch b;

	if (!u->connected && u->waiting.head && udp_connect(u) < 0) {
		drop_all(u);
		return;
	}
	while (u->waiting.head) {
		gather(u, &b, u->waiting.head);
		int sent = sendmmsg(u->fd, b.m, b.writes, MSG_DONTWAIT | MSG_NOSIGNAL);
		int code = sent < 0 ? errno : 0;

		for (int i = 0; i < sent; i++)
			count_sent(u, &b, (unsigned)i);
		if (code == EAGAIN) {
			if (lacks_sa(u))
				drop_all(u);
			return;
		}
		if (code == 0 || (!again && may_be_old_news(code))) {
			again = code != 0;
			continue;
		}
		again = false;
		if (!segments_refused(u, &b.m[0].msg_hdr, code))
			drop_refused(u, &b, code);
	}
}

/* The oldest stay: dropping the newest is what a full queue of a device does, too. */
static void bound_waiting(struct udp *u)
{
	struct pktq keep = {0};
	struct pkt *p;

	if (u->waiting.count <= UDP_QUEUE_MAX)
		return;
	while (keep.count < UDP_QUEUE_MAX && (p = pktq_take(&u->waiting)) != NULL)
		pktq_put(&keep, p);
	u->counters.queue_full += u->waiting.count;
	pktq_free(&u->waiting);
	u->waiting = keep;
}

void udp_send(struct udp *u, struct pktq *in)
{
	bool was_blocked = udp_blocked(u);

	pktq_join(&u->waiting, in);
	if (!was_blocked)
		udp_flush(u);
	bound_waiting(u);
}

bool udp_blocked(const struct udp *u)
{
	return u->waiting.count > 0;
}

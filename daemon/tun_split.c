/* Cutting superpackets into packets. */
#include "daemon/tun_gso.h"

#include <errno.h>
#include <string.h>

#include "daemon/ip_hdr.h"

/* A superpacket, understood. */
struct super {
	const uint8_t *ip;
	uint8_t proto;
	size_t l4;      /* octets of the IP header */
	size_t headers; /* octets of IP and TCP or UDP header */
	size_t payload;
	size_t size; /* payload of each packet but the last */
};

/* ---- the arena ---- */

void gso_arena_done(struct gso_arena *a)
{
	pkt_free(a->buf);
	a->buf = NULL;
}

/* A packet of len octets to be filled; NULL when out of memory or larger than a buffer. */
static struct pkt *arena_pkt(struct gso_arena *a, size_t len)
{
	size_t need = PKT_ROOM + len + PKT_TAIL;

	if (!a->buf || need > (size_t)(a->buf->ceil - a->at)) {
		gso_arena_done(a);
		a->buf = pkt_new(a->pool, PKT_LARGE - PKT_ROOM);
		if (!a->buf)
			return NULL;
		a->at = a->buf->floor;
	}
	if (need > (size_t)(a->buf->ceil - a->at))
		return NULL;
	uint8_t *floor = a->at;
	a->at += need;
	return pkt_view(a->buf, floor + PKT_ROOM, len, floor, a->at);
}

/* ---- one packet as it is ---- */

static bool ip_header_fits(struct slice frame)
{
	if (frame.n < IP4_HDR)
		return false;
	if (ip_version(frame.p) == 4)
		return ip4_hdr_len(frame.p) >= IP4_HDR && ip4_hdr_len(frame.p) <= frame.n;
	return ip_version(frame.p) == 6 && frame.n >= IP6_HDR;
}

/* The field holds the sum of the pseudo header; the rest is left to us. virtio 1.2, 5.1.6.2. */
static int complete_checksum(const struct virtio_net_hdr *vnet, uint8_t *ip, size_t len)
{
	size_t at = (size_t)vnet->csum_start + vnet->csum_offset;

	if (vnet->csum_start < IP4_HDR /* check: frame-checksum-start */ ||
		at + 2 > len /* check: frame-checksum-bounds */)
		return -EINVAL;
	uint16_t sum =
		csum_finish(csum_add(0, slice(ip + vnet->csum_start, len - vnet->csum_start)));
	if (sum == 0 && vnet->csum_offset == UDP_CSUM)
		sum = 0xffff; /* 0 would say "none"; RFC 768 */
	put_u16(ip + at, sum);
	return 0;
}

static int copy_one(const struct virtio_net_hdr *vnet, struct slice frame, struct gso_arena *arena,
	struct pktq *q)
{
	bool small = PKT_ROOM + frame.n + PKT_TAIL <= PKT_SMALL;
	struct pkt *p =
		small ? pkt_new(arena->pool, frame.n + PKT_TAIL) : arena_pkt(arena, frame.n);

	if (!p)
		return -ENOMEM;
	memcpy(p->data, frame.p, frame.n);
	p->len = frame.n;
	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
		complete_checksum(vnet, p->data, p->len) < 0) {
		pkt_free(p);
		return -EINVAL;
	}
	pktq_put(q, p);
	return 0;
}

/* ---- a superpacket ---- */

static bool super_parse(const struct virtio_net_hdr *vnet, struct slice frame, struct super *s)
{
	unsigned type = vnet->gso_type & ~(unsigned)VIRTIO_NET_HDR_GSO_ECN;
	bool v4 = ip_version(frame.p) == 4;

	*s = (struct super){.ip = frame.p, .l4 = vnet->csum_start, .size = vnet->gso_size};
	s->proto = type == GSO_UDP_L4 ? PROTO_UDP : PROTO_TCP;
	if (type != GSO_UDP_L4 &&
		type != (v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6))
		return false;
	if (!(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || s->size == 0)
		return false;
	if (v4 && (frame.p[IP4_PROTO] != s->proto || s->l4 != ip4_hdr_len(frame.p)))
		return false;
	/* IPv6 may have extension headers; the kernel says where they end. */
	if (!v4 && s->l4 < IP6_HDR)
		return false;
	if (s->l4 + (s->proto == PROTO_TCP ? TCP_HDR : UDP_HDR) >
		frame.n) /* check: super-transport-bounds */
		return false;
	s->headers = s->l4 + UDP_HDR;
	if (s->proto == PROTO_TCP)
		s->headers = s->l4 + tcp_hdr_len(frame.p + s->l4);
	if (s->headers < s->l4 + (s->proto == PROTO_TCP ? TCP_HDR : UDP_HDR) ||
		s->headers >= frame.n /* check: super-headers-bounds */)
		return false;
	s->payload = frame.n - s->headers;
	return s->payload <= s->size * GSO_SEGMENTS_MAX /* check: super-segments */ &&
	       s->headers + s->size <= UINT16_MAX;
}

static void fix_tcp(uint8_t *tcp, size_t offset, bool last)
{
	put_u32(tcp + TCP_SEQ, get_u32(tcp + TCP_SEQ) + (uint32_t)offset);
	if (!last)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCPF_FIN | TCPF_PSH);
	if (offset > 0)
		tcp[TCP_FLAGS] &= (uint8_t)~TCPF_CWR;
}

/* Make the copied headers those of the packet whose payload begins at `offset`. */
static void fix_headers(const struct super *s, struct pkt *p, size_t number, size_t offset)
{
	uint8_t *ip = p->data, *l4 = ip + s->l4;
	size_t len = p->len - s->l4;
	size_t field = s->proto == PROTO_TCP ? TCP_CSUM : UDP_CSUM;

	ip_set_len(ip, p->len);
	if (ip_version(ip) == 4) {
		put_u16(ip + IP4_ID, (uint16_t)(get_u16(ip + IP4_ID) + number));
		ip4_set_csum(ip);
	}
	if (s->proto == PROTO_TCP)
		fix_tcp(l4, offset, offset + s->size >= s->payload);
	else
		put_u16(l4 + UDP_LEN, (uint16_t)len);
	put_u16(l4 + field, 0);
	uint16_t sum = csum_finish(csum_add(ip_pseudo_sum(ip, s->proto, len), slice(l4, len)));
	if (sum == 0 && s->proto == PROTO_UDP)
		sum = 0xffff;
	put_u16(l4 + field, sum);
}

static int cut(const struct super *s, struct gso_arena *arena, struct pktq *q)
{
	struct pktq made = {0};

	for (size_t offset = 0; offset < s->payload; offset += s->size) {
		size_t left = s->payload - offset;
		size_t n = left < s->size ? left : s->size;
		struct pkt *p = arena_pkt(arena, s->headers + n);

		if (!p) {
			pktq_free(&made);
			return -ENOMEM;
		}
		memcpy(p->data, s->ip, s->headers);
		memcpy(p->data + s->headers, s->ip + s->headers + offset, n);
		fix_headers(s, p, made.count, offset);
		pktq_put(&made, p);
	}
	pktq_join(q, &made);
	return 0;
}

int gso_split(const struct virtio_net_hdr *vnet, struct slice frame, struct gso_arena *arena,
	struct pktq *q)
{
	struct super s;

	if (!ip_header_fits(frame))
		return -EINVAL;
	if (vnet->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return copy_one(vnet, frame, arena, q);
	return super_parse(vnet, frame, &s) ? cut(&s, arena, q) : -EINVAL;
}

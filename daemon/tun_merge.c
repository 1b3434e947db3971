/* Putting TCP segments together, and the MSS clamp. */
#include "daemon/tun_gso.h"

#include <string.h>

#include "daemon/ip_hdr.h"

/* How many frames back a segment looks for its flow: streams that alternate still coalesce. */
enum { FLOWS_OPEN = 8 };

/* TCP flags of which every segment may have any. */
enum { TCPF_PLAIN = TCPF_ACK | TCPF_PSH };

/* ---- what a packet is ---- */

/* The length its IP header claims; 0 if that is no IP packet or more than there is. */
static size_t ip_claimed_len(struct slice s)
{
	size_t len = 0;

	if (s.n >= IP4_HDR && ip_version(s.p) == 4) {
		len = get_u16(s.p + IP4_TOTAL);
		if (ip4_hdr_len(s.p) < IP4_HDR || ip4_hdr_len(s.p) > len)
			return 0;
	} else if (s.n >= IP6_HDR && ip_version(s.p) == 6) {
		len = IP6_HDR + (size_t)get_u16(s.p + IP6_PAYLOAD);
	}
	return len <= s.n /* check: packet-claimed-bounds */ ? len : 0;
}

/* Find the TCP header of an unfragmented packet without options or extension headers. */
static bool tcp_parse(const struct pkt *p, struct gso_frame *f)
{
	const uint8_t *ip = p->data;
	bool v6 = ip_version(ip) == 6;
	size_t l4 = v6 ? IP6_HDR : ip4_hdr_len(ip);

	if (v6 ? ip[IP6_NEXT] != PROTO_TCP
	       : ip[IP4_PROTO] != PROTO_TCP || l4 != IP4_HDR ||
				get_u16(ip + IP4_FRAG) & IP4_FRAGMENT)
		return false;
	if (p->len < l4 + TCP_HDR)
		return false;
	size_t headers = l4 + tcp_hdr_len(ip + l4);
	if (headers < l4 + TCP_HDR || headers > p->len)
		return false;
	f->tcp = true;
	f->v6 = v6;
	f->l4 = (uint8_t)l4;
	f->headers = (uint8_t)headers;
	f->size = (uint16_t)(p->len - headers);
	f->id = v6 ? 0 : get_u16(ip + IP4_ID);
	f->next_seq = get_u32(ip + l4 + TCP_SEQ) + f->size;
	return true;
}

static bool checksums_right(const struct pkt *p, const struct gso_frame *f)
{
	size_t len = p->len - f->l4;
	uint64_t sum = ip_pseudo_sum(p->data, PROTO_TCP, len);

	if (!f->v6 && csum_fold(csum_add(0, slice(p->data, f->l4))) != 0xffff)
		return false;
	return csum_fold(csum_add(sum, slice(p->data + f->l4, len))) == 0xffff;
}

/* Data and nothing special about it: only such a segment may be in a superpacket. */
static bool mergeable(const struct pkt *p, const struct gso_frame *f)
{
	uint8_t flags = p->data[f->l4 + TCP_FLAGS];

	return f->size > 0 && flags & TCPF_ACK && !(flags & ~TCPF_PLAIN) &&
	       checksums_right(p, f) /* check: join-checksums */;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

static bool same_flow(const struct gso_frame *f, const struct gso_frame *g)
{
	const uint8_t *a = f->pkts.head->data, *b = g->pkts.head->data;

	if (!f->tcp || f->v6 != g->v6 || !same(a + f->l4, b + g->l4, 0, TCP_SEQ))
		return false;
	return f->v6 ? same(a, b, IP6_ADDRS, IP6_HDR) : same(a, b, IP4_ADDRS, IP4_HDR);
}

/* ---- joining ---- */

static bool same_ip_header(const struct gso_frame *f, const uint8_t *a, const uint8_t *b)
{
	if (f->v6)
		return same(a, b, 0, IP6_PAYLOAD) && same(a, b, IP6_NEXT, IP6_HDR);
	return same(a, b, 0, IP4_TOTAL) && same(a, b, IP4_FRAG, IP4_CSUM) &&
	       same(a, b, IP4_ADDRS, IP4_HDR);
}

/* Cut again, the packets get ids that count up; only with DF may they be lost (RFC 6864, 4.1). */
static bool id_fits(const struct gso_frame *f, const struct gso_frame *g)
{
	return f->v6 || get_u16(g->pkts.head->data + IP4_FRAG) & IP4_DF ||
	       g->id == (uint16_t)(f->id + f->pkts.count);
}

/* g, a frame of one packet of the same flow, continues f. */
static bool continues(const struct gso_frame *f, const struct gso_frame *g)
{
	const uint8_t *a = f->pkts.head->data, *b = g->pkts.head->data;
	const uint8_t *tcp_a = a + f->l4, *tcp_b = b + f->l4;

	if (f->pkts.count == GSO_JOIN_MAX /* check: join-room */ || f->headers != g->headers ||
		g->size > f->size || f->octets + g->size > UINT16_MAX /* check: join-length */ ||
		!id_fits(f, g))
		return false;
	return get_u32(tcp_b + TCP_SEQ) == f->next_seq && same_ip_header(f, a, b) &&
	       same(tcp_a, tcp_b, TCP_ACK, TCP_FLAGS) && same(tcp_a, tcp_b, TCP_WINDOW, TCP_CSUM) &&
	       same(tcp_a, tcp_b, TCP_URG, f->headers - f->l4);
}

static void join(struct gso_frame *f, struct gso_frame *g)
{
	struct pkt *p = pktq_take(&g->pkts);
	uint8_t flags = p->data[g->l4 + TCP_FLAGS];

	pkt_pull(p, g->headers);
	pktq_put(&f->pkts, p);
	f->octets += g->size;
	f->next_seq = g->next_seq;
	f->pkts.head->data[f->l4 + TCP_FLAGS] |= flags; /* PSH */
	f->open = g->open && g->size == f->size;
}

/* The frame that the flow of g is in, if it is a recent one. */
static struct gso_frame *find_flow(struct gso_frames *f, const struct gso_frame *g)
{
	size_t last = f->count > FLOWS_OPEN ? f->count - FLOWS_OPEN : 0;

	for (size_t i = f->count; i-- > last;)
		if (same_flow(&f->frame[i], g))
			return &f->frame[i];
	return NULL;
}

static void place(struct gso_frames *f, struct pkt *p)
{
	struct gso_frame g = {.octets = p->len};

	bool tcp = tcp_parse(p, &g);
	pktq_put(&g.pkts, p);
	if (tcp) {
		bool fit = mergeable(p, &g);
		struct gso_frame *old = find_flow(f, &g);

		g.open = fit && !(p->data[g.l4 + TCP_FLAGS] & TCPF_PSH);
		if (fit && old && old->open && continues(old, &g)) {
			join(old, &g);
			return;
		}
	}
	f->frame[f->count++] = g;
}

/* Make the first packet's headers those of the superpacket. The checksum field gets the sum of the
 * pseudo header; who takes the packet completes it, or trusts it. */
static void finish(struct gso_frame *f)
{
	uint8_t *ip = f->pkts.head->data;
	uint64_t pseudo;

	if (f->pkts.count == 1)
		return;
	ip_set_len(ip, f->octets);
	if (!f->v6)
		ip4_set_csum(ip);
	pseudo = ip_pseudo_sum(ip, PROTO_TCP, f->octets - f->l4);
	put_u16(ip + f->l4 + TCP_CSUM, csum_fold(pseudo));
	f->vnet = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = f->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = f->headers,
		.gso_size = f->size,
		.csum_start = f->l4,
		.csum_offset = TCP_CSUM,
	};
}

void gso_merge(struct gso_frames *f, struct pktq *q, size_t most)
{
	f->count = 0;
	for (size_t n = 0; n < most && q->head; n++) {
		struct pkt *p = pktq_take(q);
		size_t len = ip_claimed_len(pkt_slice(p));

		if (len == 0) {
			f->malformed++;
			pkt_free(p);
			continue;
		}
		pkt_trim(p, len);
		place(f, p);
	}
	for (size_t i = 0; i < f->count; i++)
		finish(&f->frame[i]);
}

/* ---- MSS ---- */

enum { TCPOPT_END = 0, TCPOPT_NOP = 1, TCPOPT_MSS = 2, TCPOPT_MSS_LEN = 4 };

/* The value field of the MSS option; NULL when there is none. `options` are those of a SYN. */
static uint8_t *find_mss(uint8_t *options, size_t n)
{
	for (size_t at = 0; at + 1 < n && options[at] != TCPOPT_END;) {
		size_t len = options[at] == TCPOPT_NOP ? 1 : options[at + 1];

		if (len == 0 || len > n - at) /* check: mss-option-bounds */
			return NULL;
		if (options[at] == TCPOPT_MSS)
			return len == TCPOPT_MSS_LEN ? options + at + 2 : NULL;
		at += len;
	}
	return NULL;
}

/* The checksum covers the option in 16-bit words: one that stands at an odd offset straddles two
 * of them, which is the same as its octets being swapped. */
static void rewrite_mss(uint8_t *tcp, uint8_t *value, uint16_t mss)
{
	uint16_t was = get_u16(value), is = mss;

	put_u16(value, mss);
	if ((value - tcp) & 1) {
		was = (uint16_t)(was << 8 | was >> 8);
		is = (uint16_t)(is << 8 | is >> 8);
	}
	put_u16(tcp + TCP_CSUM, csum_update(get_u16(tcp + TCP_CSUM), was, is));
}

void gso_clamp_mss(struct pkt *p, size_t mtu)
{
	struct gso_frame f = {0};

	if (ip_claimed_len(pkt_slice(p)) == 0 || !tcp_parse(p, &f))
		return;
	uint8_t *tcp = p->data + f.l4;
	size_t overhead = (size_t)f.l4 + TCP_HDR;
	if (!(tcp[TCP_FLAGS] & TCPF_SYN) || mtu <= overhead)
		return;
	size_t fits = mtu - overhead;
	uint8_t *value = find_mss(tcp + TCP_HDR, f.headers - overhead);
	if (value && get_u16(value) > fits)
		rewrite_mss(tcp, value, (uint16_t)fits);
}

/* Packets of every shape for the tests of segmentation and coalescing. Checksums are judged by an
 * implementation of their own: the sum of RFC 1071 in its plainest form. */
#pragma once

#include "tests/vectors/vectors.h"

#include <string.h>

#include "daemon/tun_gso.h"

enum { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10, URG = 0x20, CWR = 0x80 };
enum { TCP = 6, UDP = 17 };

/* ---- an independent view of packets ---- */

static inline uint16_t slow_sum(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)sum;
}

/* Of the pseudo header. */
static inline uint16_t slow_pseudo(const uint8_t *ip, uint8_t proto, size_t len)
{
	uint8_t tail[4] = {0, proto, (uint8_t)(len >> 8), (uint8_t)len};
	uint16_t addrs = ip[0] >> 4 == 4 ? slow_sum(0, ip + 12, 8) : slow_sum(0, ip + 8, 32);

	return slow_sum(addrs, tail, 4);
}

static inline void assert_checksums(const struct pkt *p, uint8_t proto)
{
	const uint8_t *ip = p->data;
	size_t l4 = ip[0] >> 4 == 4 ? (size_t)(ip[0] & 15) * 4 : 40;

	if (ip[0] >> 4 == 4)
		assert_int_equal(slow_sum(0, ip, l4), 0xffff);
	assert_int_equal(
		slow_sum(slow_pseudo(ip, proto, p->len - l4), ip + l4, p->len - l4), 0xffff);
}

/* ---- making packets ---- */

struct shape {
	bool v6;
	uint8_t proto;
	uint8_t flags;
	uint8_t options; /* octets of TCP options */
	uint8_t flow;
	bool may_fragment; /* no DF */
	uint16_t id;
	uint32_t seq;
	size_t payload;
};

static inline size_t l4_at(const struct shape *s)
{
	return s->v6 ? 40 : 20;
}

static inline size_t headers_of(const struct shape *s)
{
	return l4_at(s) + (s->proto == UDP ? 8 : 20u + s->options);
}

static inline void write_ip(const struct shape *s, uint8_t *ip, size_t len)
{
	if (s->v6) {
		ip[0] = 0x60;
		put_u16(ip + 4, (uint16_t)(len - 40));
		ip[6] = s->proto;
		ip[7] = 64;
		ip[8] = ip[24] = 0x20;
		ip[23] = 1;
		ip[39] = s->flow;
		return;
	}
	ip[0] = 0x45;
	put_u16(ip + 2, (uint16_t)len);
	put_u16(ip + 4, s->id);
	put_u16(ip + 6, s->may_fragment ? 0 : 0x4000);
	ip[8] = 64;
	ip[9] = s->proto;
	put_u32(ip + 12, 0xc0000201);
	put_u32(ip + 16, 0xc6336400u + s->flow);
	put_u16(ip + 10, (uint16_t)~slow_sum(0, ip, 20));
}

/* Payload octets depend on the sequence number alone, so that a mix-up shows. */
static inline uint8_t octet_at(uint32_t seq)
{
	return (uint8_t)(seq * 31 + (seq >> 8) * 7 + (seq >> 16));
}

static inline size_t write_packet(const struct shape *s, uint8_t *ip)
{
	size_t headers = headers_of(s), len = headers + s->payload;
	uint8_t *l4 = ip + l4_at(s);

	memset(ip, 0, headers);
	write_ip(s, ip, len);
	put_u16(l4, 40000);
	put_u16(l4 + 2, 443);
	for (size_t i = 0; i < s->payload; i++)
		ip[headers + i] = octet_at(s->seq + (uint32_t)i);
	if (s->proto == UDP) {
		put_u16(l4 + 4, (uint16_t)(8 + s->payload));
	} else {
		put_u32(l4 + 4, s->seq);
		put_u32(l4 + 8, 0x01020304);
		l4[12] = (uint8_t)((20 + s->options) / 4 << 4);
		l4[13] = s->flags;
		put_u16(l4 + 14, 0x1234);
		memset(l4 + 20, 1, s->options);
	}
	size_t field = s->proto == UDP ? 6 : 16, n = len - l4_at(s);
	uint16_t sum = (uint16_t)~slow_sum(slow_pseudo(ip, s->proto, n), l4, n);
	put_u16(l4 + field, sum == 0 && s->proto == UDP ? 0xffff : sum);
	return len;
}

/* Make the packet at `ip` one whose checksum is left to the device. */
static inline struct virtio_net_hdr offloaded(const struct shape *s, uint8_t *ip, size_t size)
{
	size_t field = s->proto == UDP ? 6 : 16;
	size_t n = headers_of(s) + s->payload - l4_at(s);
	uint8_t tcp_type = s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;

	put_u16(ip + l4_at(s) + field, slow_pseudo(ip, s->proto, n));
	return (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = size == 0         ? VIRTIO_NET_HDR_GSO_NONE
			    : s->proto == UDP ? GSO_UDP_L4
					      : tcp_type,
		.gso_size = (uint16_t)size,
		.hdr_len = (uint16_t)headers_of(s),
		.csum_start = (uint16_t)l4_at(s),
		.csum_offset = (uint16_t)field,
	};
}

static inline struct pkt *packet(struct pkt_pool *pool, const struct shape *s)
{
	struct pkt *p = pkt_new(pool, headers_of(s) + s->payload + PKT_TAIL);

	assert_non_null(p);
	p->len = write_packet(s, p->data);
	return p;
}

static inline int setup(void **state)
{
	*state = test_env_new(7);
	return *state ? 0 : -1;
}

static inline int teardown(void **state)
{
	test_env_free(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

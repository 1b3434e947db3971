/* The few offsets of IP, TCP and UDP headers that the data path reads and rewrites in place. Only
 * for packets whose length was checked. RFC 791, 8200, 9293, 768. */
#pragma once

#include "base/wire.h"
#include "daemon/csum.h"

enum {
	IP4_HDR = 20,
	IP4_TOS = 1,
	IP4_TOTAL = 2,
	IP4_ID = 4,
	IP4_FRAG = 6,
	IP4_TTL = 8,
	IP4_PROTO = 9,
	IP4_CSUM = 10,
	IP4_ADDRS = 12,
	IP4_DF = 0x4000,
	IP4_FRAGMENT = 0x3fff, /* more fragments, or an offset */

	IP6_HDR = 40,
	IP6_PAYLOAD = 4,
	IP6_NEXT = 6,
	IP6_ADDRS = 8,

	TCP_HDR = 20,
	TCP_SEQ = 4,
	TCP_ACK = 8,
	TCP_DOFF = 12,
	TCP_FLAGS = 13,
	TCP_WINDOW = 14,
	TCP_CSUM = 16,
	TCP_URG = 18,

	TCPF_FIN = 0x01,
	TCPF_SYN = 0x02,
	TCPF_PSH = 0x08,
	TCPF_ACK = 0x10,
	TCPF_CWR = 0x80,

	UDP_HDR = 8,
	UDP_LEN = 4,
	UDP_CSUM = 6,

	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ESP = 50,
};

static inline uint8_t ip_version(const uint8_t *ip)
{
	return ip[0] >> 4;
}

static inline size_t ip4_hdr_len(const uint8_t *ip)
{
	return (size_t)(ip[0] & 15) * 4;
}

static inline size_t tcp_hdr_len(const uint8_t *tcp)
{
	return (size_t)(tcp[TCP_DOFF] >> 4) * 4;
}

/* Addresses, protocol and length of the upper layer, as its checksum covers them. */
static inline uint64_t ip_pseudo_sum(const uint8_t *ip, uint8_t proto, size_t len)
{
	struct slice addrs =
		ip_version(ip) == 4 ? slice(ip + IP4_ADDRS, 8) : slice(ip + IP6_ADDRS, 32);

	return csum_add_u16(csum_add_u16(csum_add(0, addrs), proto), (uint16_t)len);
}

static inline void ip4_set_csum(uint8_t *ip)
{
	put_u16(ip + IP4_CSUM, 0);
	put_u16(ip + IP4_CSUM, csum_finish(csum_add(0, slice(ip, ip4_hdr_len(ip)))));
}

/* Make the length field say that the packet has `len` octets. */
static inline void ip_set_len(uint8_t *ip, size_t len)
{
	if (ip_version(ip) == 4)
		put_u16(ip + IP4_TOTAL, (uint16_t)len);
	else
		put_u16(ip + IP6_PAYLOAD, (uint16_t)(len - IP6_HDR));
}

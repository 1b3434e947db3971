/* IP addresses, ports and prefixes, without the socket headers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

enum family { FAMILY_NONE = 0, FAMILY_IPV4 = 4, FAMILY_IPV6 = 6 };

struct ip {
	enum family family;
	uint8_t b[16]; /* network order; the first 4 for IPv4 */
};

/* An end point: address and port. */
struct addr {
	struct ip ip;
	uint16_t port; /* host order */
};

struct prefix {
	struct ip ip;
	uint8_t len; /* bits */
};

enum { IP_TEXT = 46, ADDR_TEXT = 54, PREFIX_TEXT = 50 }; /* with the final NUL */

static inline size_t ip_len(const struct ip *ip)
{
	return ip->family == FAMILY_IPV6 ? 16 : ip->family == FAMILY_IPV4 ? 4 : 0;
}

static inline struct slice ip_slice(const struct ip *ip)
{
	return slice(ip->b, ip_len(ip));
}

struct ip ip_v4(uint32_t host_order);
struct ip ip_of(enum family family, struct slice octets); /* FAMILY_NONE if the length is wrong */
bool ip_equal(const struct ip *a, const struct ip *b);
bool addr_equal(const struct addr *a, const struct addr *b);

/* Dotted decimal (four parts, no octal) or RFC 4291 text, the whole string. */
bool ip_parse(const char *text, struct ip *ip);

/* ADDRESS/LEN, or a bare address (all bits). Host bits must be zero. */
bool prefix_parse(const char *text, struct prefix *p);

/* Into a buffer of IP_TEXT, ADDR_TEXT ("192.0.2.1:500", "[2001:db8::1]:500") or PREFIX_TEXT
 * octets; they return it. An empty address is "-". */
const char *ip_text(const struct ip *ip, char *to);
const char *addr_text(const struct addr *a, char *to);
const char *prefix_text(const struct prefix *p, char *to);

/* May a server give this to us as our own address or as a peer's? No 0, loopback, multicast,
 * class E or link-local all-nodes. */
bool ip_is_unicast(const struct ip *ip);

#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct ip ip_v4(uint32_t host_order)
{
	struct ip ip = {.family = FAMILY_IPV4};

	put_u32(ip.b, host_order);
	return ip;
}

struct ip ip_of(enum family family, struct slice octets)
{
	struct ip ip = {.family = family};

	if (octets.n == 0 || ip_len(&ip) != octets.n /* check: address-length */)
		return (struct ip){.family = FAMILY_NONE};
	memcpy(ip.b, octets.p, octets.n);
	return ip;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->b, b->b, ip_len(a)) == 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && ip_equal(&a->ip, &b->ip);
}

bool ip_parse(const char *text, struct ip *ip)
{
	*ip = (struct ip){.family = FAMILY_IPV4};
	if (inet_pton(AF_INET, text, ip->b) == 1)
		return true;
	ip->family = FAMILY_IPV6;
	if (inet_pton(AF_INET6, text, ip->b) == 1)
		return true;
	*ip = (struct ip){0};
	return false;
}

/* Whether every bit behind the first `len` is zero. */
static bool host_bits_zero(const struct ip *ip, unsigned len)
{
	for (unsigned bit = len; bit < ip_len(ip) * 8; bit++)
		if (ip->b[bit / 8] & (0x80u >> bit % 8))
			return false;
	return true;
}

bool prefix_parse(const char *text, struct prefix *p)
{
	char address[IP_TEXT];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t bits;

	if (n >= sizeof(address)) /* check: prefix-room */
		return false;
	memcpy(address, text, n);
	address[n] = 0;
	if (!ip_parse(address, &p->ip))
		return false;
	bits = ip_len(&p->ip) * 8;
	if (slash && !str_uint(slash + 1, 0, bits, &bits))
		return false;
	p->len = (uint8_t)bits;
	return host_bits_zero(&p->ip, p->len) /* check: prefix-host-bits */;
}

const char *ip_text(const struct ip *ip, char *to)
{
	int family = ip->family == FAMILY_IPV6 ? AF_INET6 : AF_INET;

	if (ip->family == FAMILY_NONE || !inet_ntop(family, ip->b, to, IP_TEXT))
		snprintf(to, IP_TEXT, "-");
	return to;
}

const char *addr_text(const struct addr *a, char *to)
{
	char ip[IP_TEXT];

	snprintf(to, ADDR_TEXT, a->ip.family == FAMILY_IPV6 ? "[%s]:%u" : "%s:%u",
		ip_text(&a->ip, ip), a->port);
	return to;
}

const char *prefix_text(const struct prefix *p, char *to)
{
	char ip[IP_TEXT];

	snprintf(to, PREFIX_TEXT, "%s/%u", ip_text(&p->ip, ip), p->len);
	return to;
}

bool ip_is_unicast(const struct ip *ip)
{
	static const uint8_t loopback6[16] = {[15] = 1};
	static const uint8_t zero[16];

	if (ip->family == FAMILY_IPV4)
		return ip->b[0] != 0 /* check: address-not-zero */ &&
		       ip->b[0] != 127 /* check: address-not-loopback */ &&
		       ip->b[0] < 224 /* check: address-not-multicast */;
	if (ip->family == FAMILY_IPV6)
		return ip->b[0] != 0xff /* check: address6-not-multicast */ &&
		       memcmp(ip->b, zero, 16) != 0 /* check: address6-not-zero */ &&
		       memcmp(ip->b, loopback6, 16) != 0 /* check: address6-not-loopback */;
	return false;
}

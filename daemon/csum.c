#include "daemon/csum.h"

#include <arpa/inet.h>

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t low(uint64_t v)
{
	return v & 0xffffffff;
}

static uint64_t high(uint64_t v)
{
	return v >> 32;
}

/* Halves of 32 bits are added in 64: nothing overflows, so that no addition waits for a carry. */
uint64_t csum_add(uint64_t sum, struct slice s)
{
	uint64_t other = 0, last = 0;

	for (; s.n >= 32; s.p += 32, s.n -= 32) {
		uint64_t a = load64(s.p), b = load64(s.p + 8);
		uint64_t c = load64(s.p + 16), d = load64(s.p + 24);

		sum += low(a) + low(b) + low(c) + low(d);
		other += high(a) + high(b) + high(c) + high(d);
	}
	for (; s.n >= 8; s.p += 8, s.n -= 8)
		sum += low(load64(s.p)) + high(load64(s.p));
	if (s.n)
		memcpy(&last, s.p, s.n);
	return sum + other + low(last) + high(last);
}

uint64_t csum_add_u16(uint64_t sum, uint16_t v)
{
	return sum + htons(v);
}

uint16_t csum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return ntohs((uint16_t)sum);
}

uint16_t csum_update(uint16_t checksum, uint16_t was, uint16_t is)
{
	uint32_t sum = (uint16_t)~checksum + (uint32_t)(uint16_t)~was + is;

	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)~sum;
}

/* Serial number arithmetic: order on a circle. RFC 1982; RFC 2661, 5.8 for 16 bits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* a comes before b: b is at most 32767 steps ahead of a. */
static inline bool seq16_before(uint16_t a, uint16_t b)
{
	return a != b && (uint16_t)(b - a) < 0x8000;
}

/* a comes before b: b is at most 2^31 - 1 steps ahead of a. */
static inline bool seq32_before(uint32_t a, uint32_t b)
{
	return a != b && b - a < 0x80000000u;
}

/* The Internet checksum. RFC 1071; updates by RFC 1624.
 *
 * A sum is kept unfolded in 64 bits (enough for gigabytes), in the byte order of the machine: the
 * one's complement sum does not depend on it (RFC 1071, 2B). Parts that are added one after the
 * other must have an even number of octets, all but the last. */
#pragma once

#include <stdint.h>

#include "base/wire.h"

/* `sum` plus all of s. */
uint64_t csum_add(uint64_t sum, struct slice s);

/* `sum` plus a 16-bit number. */
uint64_t csum_add_u16(uint64_t sum, uint16_t v);

/* Folded to 16 bits, not complemented, ready for put_u16(). */
uint16_t csum_fold(uint64_t sum);

/* What belongs into the checksum field. */
static inline uint16_t csum_finish(uint64_t sum)
{
	return (uint16_t)~csum_fold(sum);
}

/* The checksum after a 16-bit word under it changed from `was` to `is`. RFC 1624, 3. */
uint16_t csum_update(uint16_t checksum, uint16_t was, uint16_t is);

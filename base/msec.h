/* Time as the protocols know it: milliseconds on a clock that counts suspend and never jumps.
 * It is always an argument; nobody below daemon/ can read a clock. */
#pragma once

#include <stdint.h>

typedef uint64_t msec;

#define MSEC_NEVER UINT64_MAX
#define SECONDS(n) ((msec)(n)*1000)

/* The earlier of two deadlines: how a layer lowers a common one. */
static inline msec msec_min(msec a, msec b)
{
	return a < b ? a : b;
}

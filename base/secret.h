/* Octets that nobody may see: keys, passwords, pre-shared keys.
 *
 * A secret owns its memory, wipes it when it is set anew or cleared, is compared in constant time
 * and has no printer. Fixed-size keys inside a state struct need no secret of their own: whoever
 * frees the struct wipes all of it with wipe(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

struct secret {
	uint8_t *p;
	size_t n;
};

/* Take a copy of s; what was there before is wiped. False when out of memory (then empty). */
[[gnu::warn_unused_result]] bool secret_set(struct secret *x, struct slice s);

/* Wipe and empty. Any number of times. */
void secret_clear(struct secret *x);

static inline struct slice secret_slice(const struct secret *x)
{
	return slice(x->p, x->n);
}

/* Overwrite n octets in a way that the compiler keeps. */
void wipe(void *p, size_t n);

/* Equal, in a time that depends on a.n only. Slices of different length are not equal. */
bool secret_equal(struct slice a, struct slice b);

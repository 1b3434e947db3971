/* What every fuzz target shares. A target is one file with one function, fuzz_one(); fuzz.c calls
 * it with each input.
 *
 * The input is a heap block of exactly its length, so that one octet too far is caught. The env
 * begins anew with every input: the same input does the same thing. No packet may be left. */
#pragma once

#include <stdbool.h>
#include <stdlib.h>

#include "base/env.h"
#include "base/pkt.h"
#include "base/wire.h"

void fuzz_one(const struct env *env, struct slice input);

/* An input's own record format for targets that take several packets: length 16, octets, again.
 * The next record, cut to what is there; false at the end. */
bool fuzz_next(struct rd *input, struct slice *record);

/* A property that must hold whatever the input is. */
static inline void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

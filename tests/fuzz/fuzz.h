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

/* Are the octets of `what` somewhere in `octets`? The fuzzer learns nothing from the comparison: it
 * would only bring a secret into its own inputs, and have it echoed. An input that holds a secret all
 * the same says nothing about who let it out. */
bool fuzz_contains(struct slice octets, struct slice what);

/* A property that must hold whatever the input is. */
static inline void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

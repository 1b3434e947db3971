/* A link against the PPP end of the test gateway, each frame of which may be changed by the input. A
 * target says which protocol its input speaks and how far the link has come before.
 *
 * The input: one octet that chooses the configuration, then records (fuzz.h), each of them one step:
 * what 8, time in units of 16 ms 8, octets. */
#pragma once

#include "tests/fuzz/fuzz.h"

struct stage_ppp {
	uint16_t protocol;
	const char *after;   /* the PROGRESS that has been made, or NULL */
	unsigned methods[2]; /* by the choice: enum ppp_auth that the file allows, or-ed */
	uint16_t asked[2];   /* and what the gateway asks for; see gateway.h */
};

void stage_ppp(const struct env *env, struct slice input, const struct stage_ppp *stage);

/* The IKE machine against the gateway of the tests, each answer of which may be changed by the input
 * before it is encrypted (tamper.h). A target says where its input begins.
 *
 * The input: one octet that chooses the configuration, then records (fuzz.h), each of them one step:
 * what 8, time in units of 16 ms 8, octets. */
#pragma once

#include "tests/fuzz/fuzz.h"

enum { FROM_THE_START = 0, FROM_QUICK_MODE = 3, FROM_UP = 5 }; /* steps that go well before */

void stage_ike(const struct env *env, struct slice input, unsigned steps_before);

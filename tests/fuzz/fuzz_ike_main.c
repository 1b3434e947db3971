/* Main mode, every message of which comes from a server that knows the key. */
#include "tests/fuzz/stage_ike.h"

void fuzz_one(const struct env *env, struct slice input)
{
	stage_ike(env, input, FROM_THE_START);
}

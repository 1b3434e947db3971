/* Quick mode in both roles, under an IKE SA that is up. */
#include "tests/fuzz/stage_ike.h"

void fuzz_one(const struct env *env, struct slice input)
{
	stage_ike(env, input, FROM_QUICK_MODE);
}

/* Notifies, deletes and DPD under an IKE SA and an ESP pair that are up. */
#include "tests/fuzz/stage_ike.h"

void fuzz_one(const struct env *env, struct slice input)
{
	stage_ike(env, input, FROM_UP);
}

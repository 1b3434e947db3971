/* PAP, once LCP is up. */
#include "ppp/ppp.h"
#include "ppp/ppp_frame.h"
#include "tests/fuzz/stage_ppp.h"
#include "tests/peer/gateway.h"

void fuzz_one(const struct env *env, struct slice input)
{
	static const struct stage_ppp stage = {.protocol = PPP_PAP,
		.after = "lcp",
		.methods = {PPP_AUTH_PAP, PPP_AUTH_PAP},
		.asked = {PPP_PAP, PPP_PAP}};

	stage_ppp(env, input, &stage);
}

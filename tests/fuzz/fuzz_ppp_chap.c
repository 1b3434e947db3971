/* MS-CHAPv2 and CHAP-MD5, once LCP is up. */
#include "ppp/ppp.h"
#include "ppp/ppp_frame.h"
#include "tests/fuzz/stage_ppp.h"
#include "tests/peer/gateway.h"

void fuzz_one(const struct env *env, struct slice input)
{
	static const struct stage_ppp stage = {.protocol = PPP_CHAP,
		.after = "lcp",
		.methods = {PPP_AUTH_MSCHAPV2, PPP_AUTH_CHAP_MD5},
		.asked = {PPP_CHAP, GATEWAY_CHAP_MD5}};

	stage_ppp(env, input, &stage);
}

/* IPCP, once the server has proved itself, and traffic. */
#include "ppp/ppp.h"
#include "ppp/ppp_frame.h"
#include "tests/fuzz/stage_ppp.h"
#include "tests/peer/gateway.h"

void fuzz_one(const struct env *env, struct slice input)
{
	static const struct stage_ppp stage = {.protocol = PPP_IPCP,
		.after = "auth",
		.methods = {PPP_AUTH_MSCHAPV2, PPP_AUTH_MSCHAPV2},
		.asked = {PPP_CHAP, PPP_CHAP}};

	stage_ppp(env, input, &stage);
}

/* A stream of Varlink messages; what is a call or a reply is sent again. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cli/varlink.h"

static void look_at(json_t *message)
{
	struct varlink_call call;
	struct varlink_reply reply;
	struct varlink_out out = {0};

	if (varlink_call_of(message, &call))
		fuzz_require(call.method && (!call.parameters || json_is_object(call.parameters)));
	if (varlink_reply_of(message, &reply))
		fuzz_require(!reply.parameters || json_is_object(reply.parameters));
	if (varlink_put(&out, json_incref(message)) == 0)
		fuzz_require(out.n && out.p[out.n - 1] == 0 &&
			     memchr(out.p, 0, out.n) == out.p + out.n - 1);
	varlink_out_clear(&out);
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct varlink_in in = {.p = malloc(VARLINK_MESSAGE_MAX)};
	json_t *message;
	int got;

	(void)env;
	varlink_init();
	fuzz_require(in.p && input.n <= VARLINK_MESSAGE_MAX);
	if (input.n)
		memcpy(in.p, input.p, input.n);
	in.n = input.n;
	while ((got = varlink_next(&in, &message)) != 0) {
		if (got == 1)
			look_at(message);
		if (got == 1)
			json_decref(message);
	}
	varlink_in_clear(&in);
}

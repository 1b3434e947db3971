/* L2TP data headers: what is stripped and pushed again is the same header. */
#include "tests/fuzz/fuzz.h"

#include "l2tp/l2tp_data.h"

void fuzz_one(const struct env *env, struct slice input)
{
	struct l2tp_data head, again;

	if (input.n > PKT_SMALL - PKT_ROOM - PKT_TAIL)
		return;
	struct pkt *p = pkt_of(env->pool, input);
	fuzz_require(p);
	if (!l2tp_data_strip(p, &head)) {
		fuzz_require(p->len == input.n);
		pkt_free(p);
		return;
	}
	fuzz_require(p->len >= 1 && p->len < input.n);
	size_t frame = p->len;
	if (l2tp_data_push(p, &head)) {
		fuzz_require(l2tp_data_strip(p, &again) && p->len == frame);
		fuzz_require(again.flags == head.flags && again.tunnel == head.tunnel &&
			     again.session == head.session && again.offset == head.offset);
	}
	pkt_free(p);
}

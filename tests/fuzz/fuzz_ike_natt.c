/* What came on UDP 4500: sorted into IKE, ESP and the rest. RFC 3948, 2. */
#include "tests/fuzz/fuzz.h"

#include "ike/ike.h"

void fuzz_one(const struct env *env, struct slice input)
{
	if (input.n > PKT_SMALL)
		return;
	struct pkt *p = pkt_of(env->pool, input);
	fuzz_require(p);
	enum natt_kind kind = natt_classify(p);

	if (kind == NATT_IKE) {
		fuzz_require(p->len + 4 == input.n);
		if (p->len > 1) /* one octet alone may be a keepalive, which goes unmarked */
			fuzz_require(natt_mark(p) && slice_equal(pkt_slice(p), input));
	}
	if (kind == NATT_KEEPALIVE) /* goes as it is */
		fuzz_require(natt_mark(p) && slice_equal(pkt_slice(p), input));
	if (kind == NATT_ESP)
		fuzz_require(p->len == input.n && get_u32(p->data) != 0);
	pkt_free(p);
}

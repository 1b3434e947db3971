/* L2TP data headers: what is stripped and pushed again is the same header; late frames are dropped,
 * but not for ever. */
#include "tests/fuzz/fuzz.h"

#include "l2tp/l2tp_data.h"

static void number(struct l2tp_data head)
{
	enum { PATIENCE = 64 };
	struct l2tp_order order = {0};
	struct l2tp_data ours;
	unsigned tries = 1;

	fuzz_require(l2tp_order_accept(&order, &head));
	l2tp_order_number(&order, &ours);
	fuzz_require(ours.flags == (head.flags & L2TP_S) && ours.ns == 0);
	head.ns--;
	while (!l2tp_order_accept(&order, &head) && tries < PATIENCE)
		tries++;
	fuzz_require(tries < PATIENCE && (tries > 1) == !!(head.flags & L2TP_S));
}

/* A header that has no room in front of the packet, or in 16 bits, changes nothing. */
static void push_too_much(struct pkt *p, struct l2tp_data head)
{
	size_t before = p->len;

	head.flags |= L2TP_O;
	head.offset = 4000;
	fuzz_require(!l2tp_data_push(p, &head) && p->len == before);
	head.offset = UINT16_MAX;
	fuzz_require(!l2tp_data_push(p, &head) && p->len == before);
}

static void push_again(struct pkt *p, const struct l2tp_data *head)
{
	struct l2tp_data again;
	size_t frame = p->len;

	if (!l2tp_data_push(p, head))
		return;
	fuzz_require(l2tp_data_strip(p, &again) && p->len == frame);
	fuzz_require(again.flags == head->flags && again.tunnel == head->tunnel &&
		     again.session == head->session && again.offset == head->offset);
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct l2tp_data head;

	if (input.n > PKT_SMALL - PKT_ROOM - PKT_TAIL)
		return;
	struct pkt *p = pkt_of(env->pool, input);
	fuzz_require(p);
	if (l2tp_data_strip(p, &head)) {
		fuzz_require(p->len >= 1 && p->len < input.n);
		number(head);
		push_too_much(p, head);
		push_again(p, &head);
	} else {
		fuzz_require(p->len == input.n);
	}
	pkt_free(p);
}

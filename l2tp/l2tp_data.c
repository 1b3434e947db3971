#include "l2tp/l2tp_data.h"

#include "base/seq.h"

/* Late frames in a row after which it is the peer that counts anew: ESP lets no replay through, and
 * no network reorders that much. */
enum { LATE_RUN = 32 };

static size_t head_len(const struct l2tp_data *d)
{
	return 6u + (d->flags & L2TP_L ? 2u : 0u) + (d->flags & L2TP_S ? 4u : 0u) +
	       (d->flags & L2TP_O ? 2u + d->offset : 0u);
}

bool l2tp_data_push(struct pkt *p, const struct l2tp_data *d)
{
	size_t n = head_len(d);

	if (n + p->len > UINT16_MAX)
		return false;
	uint8_t *at = pkt_push(p, n);
	if (!at)
		return false;

	struct wr w = wr_of(at, n);
	wr_u16(&w, d->flags | L2TP_VERSION);
	if (d->flags & L2TP_L)
		wr_u16(&w, (uint16_t)p->len);
	wr_u16(&w, d->tunnel);
	wr_u16(&w, d->session);
	if (d->flags & L2TP_S) {
		wr_u16(&w, d->ns);
		wr_u16(&w, 0); /* Nr means nothing in a data message; RFC 2661, 5.4 */
	}
	if (d->flags & L2TP_O) {
		wr_u16(&w, d->offset);
		wr_zero(&w, d->offset);
	}
	return true;
}

bool l2tp_data_strip(struct pkt *p, struct l2tp_data *d)
{
	struct rd r = rd_of(pkt_slice(p));
	uint16_t flags = rd_u16(&r);
	size_t length = p->len;

	if (flags & L2TP_T || (flags & L2TP_VERSION_MASK) != L2TP_VERSION /* check: data-version */)
		return false;
	*d = (struct l2tp_data){.flags = flags & (L2TP_L | L2TP_S | L2TP_O | L2TP_P)};
	if (flags & L2TP_L)
		length = rd_u16(&r);
	d->tunnel = rd_u16(&r);
	d->session = rd_u16(&r);
	if (flags & L2TP_S) {
		d->ns = rd_u16(&r);
		rd_skip(&r, 2);
	}
	if (flags & L2TP_O) {
		d->offset = rd_u16(&r);
		rd_skip(&r, d->offset);
	}
	if (r.bad || length > p->len || length <= head_len(d) /* check: data-empty */)
		return false;
	return pkt_trim(p, length) && pkt_pull(p, head_len(d));
}

bool l2tp_order_accept(struct l2tp_order *o, const struct l2tp_data *d)
{
	bool was_on = o->on;

	o->on = d->flags & L2TP_S;
	if (!o->on)
		return true;
	if (was_on && seq16_before(d->ns, o->nr) && ++o->late_run < LATE_RUN)
		return false;
	o->late_run = 0;
	o->nr = (uint16_t)(d->ns + 1);
	return true;
}

void l2tp_order_number(struct l2tp_order *o, struct l2tp_data *d)
{
	d->flags = o->on ? L2TP_S : 0;
	d->ns = o->on ? o->ns++ : 0;
}

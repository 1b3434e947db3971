#include "ppp/opts.h"

#include "ppp/ppp_frame.h"

enum { VALUE_MAX = UINT8_MAX - PPP_OPTION_HEADER };

bool opt_next(struct rd *r, struct opt_tlv *tlv)
{
	if (!rd_left(r))
		return false;
	tlv->type = rd_u8(r);
	size_t len = rd_u8(r); /* counts type and length too */
	r->bad |= len < PPP_OPTION_HEADER;
	tlv->value = rd_take(r, r->bad ? 0 : len - PPP_OPTION_HEADER);
	return !r->bad;
}

void opt_put(struct wr *w, uint8_t type, struct slice value)
{
	w->bad |= value.n > VALUE_MAX; /* check: option-value-room */
	wr_u8(w, type);
	wr_u8(w, (uint8_t)(value.n + PPP_OPTION_HEADER));
	wr_put(w, value);
}

static const struct opt *find(const struct opts *o, uint8_t type)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->table[i].type == type)
			return &o->table[i];
	return NULL;
}

static bool length_fits(const struct opt *row, struct slice value)
{
	return value.n >= row->min /* check: option-short */ &&
	       value.n <= row->max /* check: option-long */;
}

static uint32_t bit(const struct opts *o, const struct opt *row)
{
	return UINT32_C(1) << (row - o->table);
}

/* Is there an option of this type in the list, and with this value? `value` may be NULL. */
static bool contains(struct slice list, uint8_t type, const struct slice *value)
{
	struct rd r = rd_of(list);
	struct opt_tlv tlv;

	while (opt_next(&r, &tlv))
		if (tlv.type == type && (!value || slice_equal(tlv.value, *value)))
			return true;
	return false;
}

void opts_ask(const struct opts *o, struct wr *w)
{
	uint8_t octets[VALUE_MAX];

	for (size_t i = 0; i < o->n; i++) {
		const struct opt *row = &o->table[i];
		struct wr value = wr_of(octets, sizeof(octets));

		if (row->ask && !(o->dropped & bit(o, row)) && row->ask(o->ctx, row, &value))
			opt_put(w, row->type, wr_slice(&value));
	}
}

static enum opt_verdict judge_one(const struct opts *o, const struct opt_tlv *tlv, bool may_nak,
	struct wr *naks, struct wr *rejects)
{
	uint8_t octets[VALUE_MAX];
	struct wr better = wr_of(octets, sizeof(octets));
	const struct opt *row = find(o, tlv->type);
	enum opt_verdict verdict = OPT_REJECT;

	if (row && row->judge && length_fits(row, tlv->value))
		verdict = row->judge(o->ctx, row, tlv->value, &better);
	if (verdict == OPT_NAK && !may_nak)
		verdict = OPT_REJECT;
	if (verdict == OPT_NAK)
		opt_put(naks, tlv->type, wr_slice(&better));
	if (verdict == OPT_REJECT)
		opt_put(rejects, tlv->type, tlv->value);
	return verdict;
}

bool opts_well_formed(struct slice list)
{
	struct rd r = rd_of(list);
	struct opt_tlv tlv;

	while (opt_next(&r, &tlv))
		;
	return !r.bad /* check: option-bounds */ && list.n <= OPTS_MAX /* check: options-room */;
}

bool opts_judge(const struct opts *o, struct slice request, bool may_nak, enum opt_verdict *verdict,
	struct wr *reply)
{
	uint8_t nak_octets[OPTS_MAX], reject_octets[OPTS_MAX];
	struct wr naks = wr_of(nak_octets, sizeof(nak_octets));
	struct wr rejects = wr_of(reject_octets, sizeof(reject_octets));
	struct rd r = rd_of(request);
	struct opt_tlv tlv;

	if (!opts_well_formed(request))
		return false;
	*verdict = OPT_ACK;
	while (opt_next(&r, &tlv)) {
		enum opt_verdict one = judge_one(o, &tlv, may_nak, &naks, &rejects);

		if (one > *verdict)
			*verdict = one;
	}
	const struct slice replies[] = {request, wr_slice(&naks), wr_slice(&rejects)};
	wr_put(reply, replies[*verdict]);
	return !naks.bad && !reply->bad;
}

static bool naks_fit(const struct opts *o, struct slice naked)
{
	struct rd r = rd_of(naked);
	struct opt_tlv tlv;

	while (opt_next(&r, &tlv)) {
		const struct opt *row = find(o, tlv.type);

		if (row && !length_fits(row, tlv.value)) /* check: nak-length */
			return false;
	}
	return true;
}

bool opts_naked(struct opts *o, struct slice asked, struct slice naked)
{
	struct rd r = rd_of(naked);
	struct opt_tlv tlv;

	if (!opts_well_formed(naked) || !naks_fit(o, naked))
		return false;
	while (opt_next(&r, &tlv)) {
		const struct opt *row = find(o, tlv.type);

		if (row && row->naked && contains(asked, tlv.type, NULL) /* check: nak-asked */ &&
			!row->naked(o->ctx, row, tlv.value))
			o->dropped |= bit(o, row);
	}
	return true;
}

bool opts_rejected(struct opts *o, struct slice asked, struct slice rejected)
{
	struct rd r = rd_of(rejected);
	struct opt_tlv tlv;

	if (!opts_well_formed(rejected))
		return false;
	while (opt_next(&r, &tlv))
		if (!contains(asked, tlv.type, &tlv.value)) /* check: reject-asked */
			return false;
	for (size_t i = 0; i < o->n; i++) {
		const struct opt *row = &o->table[i];

		if (!contains(rejected, row->type, NULL))
			continue;
		o->dropped |= bit(o, row);
		if (row->rejected)
			row->rejected(o->ctx, row);
	}
	return true;
}

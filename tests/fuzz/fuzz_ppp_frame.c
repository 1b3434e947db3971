/* PPP frames, control packets and their options; a control packet is built again as it was. The
 * options meet a table with one row of each temper. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "ppp/opts.h"
#include "ppp/ppp_frame.h"

static void read_options(struct slice octets)
{
	uint8_t again[OPTS_MAX];
	struct wr w = wr_of(again, sizeof(again));
	struct rd r = rd_of(octets);
	struct opt_tlv option;

	while (opt_next(&r, &option))
		opt_put(&w, option.type, option.value);
	if (!r.bad && !w.bad)
		fuzz_require(slice_equal(wr_slice(&w), octets));
}

/* ---- a negotiation ---- */

/* The first octet of a value is what we think of it. */
static enum opt_verdict judge(void *ctx, const struct opt *o, struct slice value, struct wr *better)
{
	(void)ctx;
	fuzz_require(value.n >= o->min && value.n <= o->max);
	wr_zero(better, o->min);
	return (enum opt_verdict)(value.p[0] % 3);
}

static bool ask(void *ctx, const struct opt *o, struct wr *value)
{
	(void)ctx;
	wr_zero(value, o->min);
	return true;
}

static bool naked(void *ctx, const struct opt *o, struct slice value)
{
	(void)ctx;
	fuzz_require(value.n >= o->min && value.n <= o->max);
	return value.p[0] & 1;
}

static void rejected(void *ctx, const struct opt *o)
{
	unsigned *times = ctx;

	(void)o;
	++*times;
}

static void negotiate(const struct ppp_packet *packet)
{
	static const struct opt table[] = {
		{1, 2, 2, judge, ask, naked, NULL},
		{3, 2, 8, judge, NULL, NULL, NULL},
		{5, 4, 4, judge, ask, naked, rejected},
		{7, 1, 1, NULL, ask, NULL, rejected},
	};
	uint8_t asked[64], reply[2 * OPTS_MAX];
	unsigned times = 0;
	struct opts o = {.table = table, .n = 4, .ctx = &times};
	struct wr request = wr_of(asked, sizeof(asked)), w = wr_of(reply, sizeof(reply));
	enum opt_verdict verdict;

	opts_ask(&o, &request);
	fuzz_require(opts_well_formed(wr_slice(&request)));
	if (packet->code == PPP_CONF_REQ &&
		opts_judge(&o, packet->data, packet->id & 1, &verdict, &w))
		fuzz_require(
			opts_well_formed(wr_slice(&w)) && (packet->id & 1 || verdict != OPT_NAK));
	if (packet->code == PPP_CONF_NAK)
		(void)opts_naked(&o, wr_slice(&request), packet->data);
	if (packet->code == PPP_CONF_REJ)
		(void)opts_rejected(&o, wr_slice(&request), packet->data);
	fuzz_require(times <= 2);
}

/* ---- frames ---- */

static void build_again(uint16_t protocol, const struct ppp_packet *packet)
{
	uint8_t octets[8192];
	struct wr w = wr_of(octets, sizeof(octets));
	struct ppp_packet again;
	struct slice info;
	uint16_t number;

	size_t mark = ppp_packet_open(&w, protocol, packet->code, packet->id);
	wr_put(&w, packet->data);
	ppp_packet_close(&w, mark);
	if (w.bad)
		return;
	fuzz_require(ppp_frame_parse(wr_slice(&w), &number, &info) && number == protocol);
	fuzz_require(ppp_packet_parse(info, &again) && slice_equal(again.whole, packet->whole));
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct ppp_packet packet;
	struct slice info;
	uint16_t protocol;

	(void)env;
	if (!ppp_frame_parse(input, &protocol, &info))
		return;
	if (!ppp_packet_parse(info, &packet))
		return;
	fuzz_require(
		packet.whole.n <= info.n && packet.data.n + PPP_PACKET_HEADER == packet.whole.n);
	read_options(packet.data);
	negotiate(&packet);
	if (protocol & 0xff00 && !(protocol & 0x0100)) /* in two octets, as they are always built */
		build_again(protocol, &packet);
}

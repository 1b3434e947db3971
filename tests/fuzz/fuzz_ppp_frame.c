/* PPP frames, control packets and their options; a control packet is built again as it was. */
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
	if (protocol & 0xff00 && !(protocol & 0x0100)) /* in two octets, as they are always built */
		build_again(protocol, &packet);
}

#include "ppp/ppp_frame.h"

enum { ALL_STATIONS = 0xff, UNNUMBERED = 0x03 };

bool ppp_frame_parse(struct slice frame, uint16_t *protocol, struct slice *info)
{
	struct rd r = rd_of(frame);
	uint8_t first = rd_u8(&r);

	if (first == ALL_STATIONS) {
		r.bad |= rd_u8(&r) != UNNUMBERED;
		first = rd_u8(&r);
	}
	*protocol = first;
	if (!(first & 1)) { /* the last octet of a protocol number is the first odd one */
		uint8_t second = rd_u8(&r);

		*protocol = (uint16_t)(first << 8 | second);
		r.bad |= !(second & 1); /* check: protocol-odd */
	}
	*info = rd_rest(&r);
	return !r.bad;
}

bool ppp_packet_parse(struct slice info, struct ppp_packet *packet)
{
	struct rd r = rd_of(info);

	packet->code = rd_u8(&r);
	packet->id = rd_u8(&r);
	size_t len = rd_u16(&r);
	if (r.bad || len < PPP_PACKET_HEADER)
		return false;
	packet->data = rd_take(&r, len - PPP_PACKET_HEADER);
	packet->whole = slice(info.p, len);
	return !r.bad;
}

size_t ppp_packet_open(struct wr *w, uint16_t protocol, uint8_t code, uint8_t id)
{
	wr_u8(w, ALL_STATIONS);
	wr_u8(w, UNNUMBERED);
	wr_u16(w, protocol);
	wr_u8(w, code);
	wr_u8(w, id);
	return wr_open16(w);
}

void ppp_packet_close(struct wr *w, size_t mark)
{
	wr_close16(w, mark, mark - 2);
}

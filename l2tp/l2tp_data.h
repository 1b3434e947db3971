/* The header of L2TP data messages. RFC 2661, 3.1.
 *
 *   flags 16 | [length 16] | tunnel 16 | session 16 | [Ns 16 | Nr 16] | [offset 16 | pad] | PPP
 *
 * Every legal form is read. The client sends the shortest, and Ns only while its peer does. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/pkt.h"

enum {
	L2TP_T = 0x8000, /* control message */
	L2TP_L = 0x4000, /* length present */
	L2TP_S = 0x0800, /* Ns and Nr present */
	L2TP_O = 0x0200, /* offset present */
	L2TP_P = 0x0100, /* priority */
	L2TP_VERSION = 0x0002,
	L2TP_VERSION_MASK = 0x000f,
};

struct l2tp_data {
	uint16_t flags; /* L2TP_L, L2TP_S, L2TP_O, L2TP_P */
	uint16_t tunnel;
	uint16_t session;
	uint16_t ns;     /* with L2TP_S */
	uint16_t offset; /* with L2TP_O: octets of padding */
};

/* Put the header that *d describes in front of p. False and nothing changed without the room. */
[[gnu::warn_unused_result]] bool l2tp_data_push(struct pkt *p, const struct l2tp_data *d);

/* Read the header into *d and take it off: p is a PPP frame of at least one octet afterwards.
 * False for anything that is not a version 2 data message; then p is as it was. */
[[gnu::warn_unused_result]] bool l2tp_data_strip(struct pkt *p, struct l2tp_data *d);

/* Both directions of a session's numbering, which follows the LNS: we number while it does.
 * RFC 2661, 5.4. */
struct l2tp_order {
	bool on;
	uint16_t ns; /* of the next frame we number */
	uint16_t nr; /* expected of the peer */
	unsigned late_run;
};

/* Note a received header. False for a frame that a later one has overtaken. */
[[gnu::warn_unused_result]] bool l2tp_order_accept(struct l2tp_order *o, const struct l2tp_data *d);

/* Set flags and Ns of the next frame to be sent. */
void l2tp_order_number(struct l2tp_order *o, struct l2tp_data *d);

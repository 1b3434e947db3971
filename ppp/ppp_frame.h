/* PPP frames and control packets on the wire: what both ends of a link need, a test's gateway too.
 * RFC 1661, 2 and 5; RFC 1662, 3.1 for the address and control octets ff 03. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

enum ppp_protocol {
	PPP_IPV4 = 0x0021,
	PPP_IPV6 = 0x0057,
	PPP_IPCP = 0x8021,
	PPP_IPV6CP = 0x8057,
	PPP_CCP = 0x80fd,
	PPP_LCP = 0xc021,
	PPP_PAP = 0xc023,
	PPP_CHAP = 0xc223,
	PPP_EAP = 0xc227,
};

/* Codes 1 to 7 belong to every control protocol, 8 to 13 to LCP; RFC 1661, 5; RFC 1570, 2. */
enum ppp_code {
	PPP_CONF_REQ = 1,
	PPP_CONF_ACK,
	PPP_CONF_NAK,
	PPP_CONF_REJ,
	PPP_TERM_REQ,
	PPP_TERM_ACK,
	PPP_CODE_REJ,
	PPP_PROTO_REJ,
	PPP_ECHO_REQ,
	PPP_ECHO_REPLY,
	PPP_DISCARD_REQ,
	PPP_IDENTIFICATION,
	PPP_TIME_REMAINING,
};

enum pap_code { PAP_REQUEST = 1, PAP_ACK, PAP_NAK }; /* RFC 1334, 2.2 */
enum chap_code { CHAP_CHALLENGE = 1, CHAP_RESPONSE, CHAP_SUCCESS, CHAP_FAILURE }; /* RFC 1994, 4 */

enum {
	PPP_HEADER = 4,        /* ff 03 and the protocol */
	PPP_PACKET_HEADER = 4, /* code, id, length */
	PPP_OPTION_HEADER = 2, /* type, length */
};

/* One control packet; slices point into the frame. */
struct ppp_packet {
	uint8_t code;
	uint8_t id;
	struct slice data;  /* what follows the length field */
	struct slice whole; /* from the code on, without padding */
};

/* Accepts every form: with or without ff 03, protocol in two octets or (odd) in one. */
bool ppp_frame_parse(struct slice frame, uint16_t *protocol, struct slice *info);

/* False when the length field is below 4 or beyond the end; octets behind it are padding. */
bool ppp_packet_parse(struct slice info, struct ppp_packet *packet);

/* A control packet with ff 03 and the protocol in front. What is written between open and close is
 * its data; close takes open's return value. */
size_t ppp_packet_open(struct wr *w, uint16_t protocol, uint8_t code, uint8_t id);
void ppp_packet_close(struct wr *w, size_t mark);

/* L2TP control messages: header, the AVPs that each message must and may carry, parser and
 * builder over the same table. RFC 2661, 3.1, 4.4, 6. Good for both roles.
 *
 *   c802 | length 16 | tunnel 16 | session 16 | Ns 16 | Nr 16 | AVPs, Message Type first
 *
 * A message without AVPs is a ZLB, an acknowledgement. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pkt.h"
#include "base/wire.h"
#include "l2tp/l2tp_avp.h"

enum l2tp_message {
	L2TP_SCCRQ = 1,
	L2TP_SCCRP = 2,
	L2TP_SCCCN = 3,
	L2TP_STOPCCN = 4,
	L2TP_HELLO = 6,
	L2TP_OCRQ = 7,
	L2TP_OCRP = 8,
	L2TP_OCCN = 9,
	L2TP_ICRQ = 10,
	L2TP_ICRP = 11,
	L2TP_ICCN = 12,
	L2TP_CDN = 14,
	L2TP_WEN = 15,
	L2TP_SLI = 16,
	L2TP_MESSAGES,
};

/* Result codes; RFC 2661, 4.4.2. */
enum l2tp_stop_result {
	L2TP_STOP_CLEAR = 1,
	L2TP_STOP_ERROR = 2, /* the error code says more */
	L2TP_STOP_EXISTS = 3,
	L2TP_STOP_NOT_AUTHORIZED = 4,
	L2TP_STOP_VERSION = 5,
	L2TP_STOP_SHUTDOWN = 6,
	L2TP_STOP_FSM = 7,
};

enum l2tp_cdn_result {
	L2TP_CDN_CARRIER_LOST = 1,
	L2TP_CDN_ERROR = 2, /* the error code says more */
	L2TP_CDN_ADMIN = 3,
	L2TP_CDN_NO_FACILITIES_NOW = 4,
	L2TP_CDN_NO_FACILITIES = 5,
};

/* General error codes; RFC 2661, 4.4.2. */
enum l2tp_error {
	L2TP_ERROR_NONE = 0,
	L2TP_ERROR_NO_CONNECTION = 1,
	L2TP_ERROR_LENGTH = 2,
	L2TP_ERROR_VALUE = 3,
	L2TP_ERROR_RESOURCES = 4,
	L2TP_ERROR_SESSION = 5,
	L2TP_ERROR_VENDOR = 6, /* the text says more */
	L2TP_ERROR_TRY_ANOTHER = 7,
	L2TP_ERROR_UNKNOWN_AVP = 8,
};

/* ---- header ---- */

enum { L2TP_HEAD = 12 };

struct l2tp_head {
	uint16_t tunnel;
	uint16_t session;
	uint16_t ns;
	uint16_t nr;
	struct slice avps; /* empty: a ZLB */
};

/* Is this UDP payload a control message (good or bad), or else data? */
static inline bool l2tp_is_control(struct slice payload)
{
	return payload.n && payload.p[0] & 0x80;
}

bool l2tp_head_parse(struct slice payload, struct l2tp_head *h);

/* A header for `avps` octets of AVPs to come. */
void l2tp_head_put(struct wr *w, const struct l2tp_head *h, size_t avps);

/* Overwrite tunnel, Ns and Nr of a built message; p is at least a header long. */
void l2tp_head_stamp(struct pkt *p, uint16_t tunnel, uint16_t ns, uint16_t nr);

/* ---- message ---- */

enum { L2TP_STORE = 2048, L2TP_FAULT_TEXT = 64 };

/* A message's AVPs by attribute. Not to be copied: slices may point into `store`. */
struct l2tp_msg {
	uint16_t type; /* enum l2tp_message, or an unknown number after parsing */
	bool mandatory;
	uint64_t has; /* one bit for each attribute, Message Type apart */
	struct slice avp[AVP_TYPES];
	enum l2tp_error fault;      /* the first thing wrong, to be sent with result 2 */
	char text[L2TP_FAULT_TEXT]; /* in words of ours */
	bool fault_hidden;          /* in a hidden AVP: the tunnel secret may be another */
	size_t used;
	uint8_t store[L2TP_STORE]; /* unhidden values; integers to be sent */
};

enum l2tp_parse {
	L2TP_PARSE_OK,
	L2TP_PARSE_IGNORE, /* unknown message, M = 0: acknowledge it, no more */
	L2TP_PARSE_FAULT,  /* m->fault and m->text; what could be read is in m */
	L2TP_PARSE_BAD,    /* does not begin with a Message Type: nothing may be interpreted */
};

/* `key` NULL = no tunnel secret: hidden AVPs are refused. `avps` must outlive m. */
enum l2tp_parse l2tp_msg_parse(struct l2tp_msg *m, struct slice avps, const struct avp_key *key);

/* Does it begin with a well-formed Message Type AVP? RFC 2661, 4.4.1. */
bool l2tp_msg_begins(struct slice avps);

/* Start a message to be built; then the put functions in any order. */
void l2tp_msg_init(struct l2tp_msg *m, enum l2tp_message type);
void l2tp_msg_put(struct l2tp_msg *m, enum avp_type type, struct slice value); /* borrowed */
void l2tp_msg_put_u16(struct l2tp_msg *m, enum avp_type type, uint16_t value);
void l2tp_msg_put_u32(struct l2tp_msg *m, enum avp_type type, uint32_t value);
void l2tp_msg_put_result(struct l2tp_msg *m, uint16_t result, uint16_t error, const char *text);

/* Header (h->avps is not looked at) and AVPs in the order of the message's row. An AVP that does
 * not belong to the message, or too much of them, makes the cursor bad. */
void l2tp_msg_build(const struct l2tp_msg *m, const struct l2tp_head *h, struct wr *w);

static inline bool l2tp_msg_has(const struct l2tp_msg *m, enum avp_type type)
{
	return m->has >> type & 1;
}

/* The first two octets of a value as an integer; 0 if it is absent. */
uint16_t l2tp_msg_u16(const struct l2tp_msg *m, enum avp_type type);

/* ---- words ---- */

const char *l2tp_message_name(uint16_t type); /* "SCCRQ"; "unknown message" */

/* Does the message belong to a call (answered by CDN), or else to the tunnel (StopCCN)? */
bool l2tp_message_is_call(uint16_t type);

/* What a StopCCN or CDN says: `StopCCN result 2 (...), error 6 (...): "text"`, escaped. */
const char *l2tp_msg_result_text(const struct l2tp_msg *m, char *to, size_t room);

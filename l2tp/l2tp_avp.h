/* Attribute value pairs: the contents of L2TP control messages. RFC 2661, 4.
 *
 *   M H rsvd(4) length(10) | vendor 16 | type 16 | value
 *
 * One table says of each attribute how long its value may be, whether we send it mandatory and
 * whether it may be hidden. Values are never copied: they are slices of the message, except those
 * that were hidden. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/wire.h"

enum avp_type {
	AVP_MESSAGE_TYPE = 0,
	AVP_RESULT_CODE = 1,
	AVP_PROTOCOL_VERSION = 2,
	AVP_FRAMING_CAPABILITIES = 3,
	AVP_BEARER_CAPABILITIES = 4,
	AVP_TIE_BREAKER = 5,
	AVP_FIRMWARE_REVISION = 6,
	AVP_HOST_NAME = 7,
	AVP_VENDOR_NAME = 8,
	AVP_ASSIGNED_TUNNEL_ID = 9,
	AVP_RECEIVE_WINDOW_SIZE = 10,
	AVP_CHALLENGE = 11,
	AVP_Q931_CAUSE_CODE = 12,
	AVP_CHALLENGE_RESPONSE = 13,
	AVP_ASSIGNED_SESSION_ID = 14,
	AVP_CALL_SERIAL_NUMBER = 15,
	AVP_MINIMUM_BPS = 16,
	AVP_MAXIMUM_BPS = 17,
	AVP_BEARER_TYPE = 18,
	AVP_FRAMING_TYPE = 19,
	AVP_CALLED_NUMBER = 21,
	AVP_CALLING_NUMBER = 22,
	AVP_SUB_ADDRESS = 23,
	AVP_TX_CONNECT_SPEED = 24,
	AVP_PHYSICAL_CHANNEL_ID = 25,
	AVP_INITIAL_LCP_CONFREQ = 26,
	AVP_LAST_SENT_LCP_CONFREQ = 27,
	AVP_LAST_RECEIVED_LCP_CONFREQ = 28,
	AVP_PROXY_AUTHEN_TYPE = 29,
	AVP_PROXY_AUTHEN_NAME = 30,
	AVP_PROXY_AUTHEN_CHALLENGE = 31,
	AVP_PROXY_AUTHEN_ID = 32,
	AVP_PROXY_AUTHEN_RESPONSE = 33,
	AVP_CALL_ERRORS = 34,
	AVP_ACCM = 35,
	AVP_RANDOM_VECTOR = 36,
	AVP_PRIVATE_GROUP_ID = 37,
	AVP_RX_CONNECT_SPEED = 38,
	AVP_SEQUENCING_REQUIRED = 39,
	AVP_PPP_DISCONNECT_CAUSE = 46, /* RFC 3145 */
	AVP_TYPES,
};

enum {
	AVP_HEAD = 6,
	AVP_LENGTH_MAX = 1023,
	AVP_VALUE_MAX = AVP_LENGTH_MAX - AVP_HEAD,
};

/* One AVP as it stands in a message. */
struct avp {
	bool mandatory;
	bool hidden;
	bool reserved; /* a reserved bit is set: to be treated as unknown; RFC 2661, 4.1 */
	uint16_t vendor;
	uint16_t type;
	struct slice value; /* still hidden if `hidden` */
};

struct avp_rule {
	const char *name;
	uint16_t min, max; /* octets of the value */
	bool mandatory;    /* the M bit that we send */
	bool may_hide;
};

/* What hides and unhides: the tunnel secret, which must not be empty. */
struct avp_key {
	struct crypto *crypto;
	struct slice secret;
};

/* NULL for an attribute that we do not know. */
const struct avp_rule *avp_rule(uint16_t vendor, uint16_t type);

/* Read the next AVP; false at the end, or when its length is impossible (then r->bad). */
bool avp_next(struct rd *r, struct avp *a);

/* Write one AVP of vendor 0, with the M bit of the table. */
void avp_put(struct wr *w, enum avp_type type, struct slice value);

/* The same, hidden under the random vector that stands before it in the message, followed by
 * `padding` (any octets, to disguise the length). RFC 2661, 4.3. False when OpenSSL failed. */
[[gnu::warn_unused_result]] bool avp_put_hidden(struct wr *w, const struct avp_key *key,
	struct slice vector, enum avp_type type, struct slice value, struct slice padding);

/* The value inside a hidden AVP, as a slice of `to`, which takes a->value.n octets. False when the
 * inner length exceeds what is there, or OpenSSL failed. */
[[gnu::warn_unused_result]] bool avp_unhide(const struct avp_key *key, struct slice vector,
	const struct avp *a, uint8_t *to, struct slice *value);

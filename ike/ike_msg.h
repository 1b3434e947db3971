/* ISAKMP messages: header, payload chain, what each message may carry, small payloads, builders.
 * RFC 2408, 3; RFC 2407, 4.6; RFC 2409, 5. A codec: no state, no keys, either role.
 *
 * Slices point into the message they were read from and live as long as it does. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/wire.h"

enum {
	IKE_COOKIE = 8,
	IKE_HDR = 28,
	IKE_PAYLOAD_HDR = 4,
	IKE_PAYLOADS_MAX = 64, /* of one message; more are refused */
	IKE_MESSAGE_MAX = 10000,
	IKE_NONCE_MIN = 8, /* RFC 2409, 5 */
	IKE_NONCE_MAX = 256,
	IKE_DOI_IPSEC = 1,
};

enum ike_exchange { IKE_MAIN = 2, IKE_INFO = 5, IKE_QUICK = 32 };
enum ike_flag { IKE_ENCRYPTED = 0x01, IKE_COMMIT = 0x02 };
enum ike_protocol { IKE_PROTO_ISAKMP = 1, IKE_PROTO_ESP = 3 };

enum ike_payload_type {
	IKE_SA = 1,
	IKE_KE = 4,
	IKE_ID = 5,
	IKE_CERTREQ = 7,
	IKE_HASH = 8,
	IKE_NONCE = 10,
	IKE_N = 11,
	IKE_D = 12,
	IKE_VID = 13,
	IKE_NATD = 20,
	IKE_NATOA = 21,
	IKE_NATD_DRAFT = 130,
	IKE_NATOA_DRAFT = 131,
};

enum ike_notify_type {
	IKE_PAYLOAD_MALFORMED = 16,
	IKE_NO_PROPOSAL_CHOSEN = 14,
	IKE_INVALID_ID_INFORMATION = 18,
	IKE_INVALID_HASH_INFORMATION = 23,
	IKE_AUTHENTICATION_FAILED = 24,
	IKE_ERRORS_END = 8192, /* below: errors; RFC 2408, 3.14.1 */
	IKE_RESPONDER_LIFETIME = 24576,
	IKE_INITIAL_CONTACT = 24578,
	IKE_R_U_THERE = 36136,
	IKE_R_U_THERE_ACK = 36137,
};

/* "NO-PROPOSAL-CHOSEN"; "unknown" for a number that is not in the table. */
const char *ike_notify_name(uint16_t type);

/* ---- reading ---- */

struct ike_hdr {
	uint8_t cookie_i[IKE_COOKIE];
	uint8_t cookie_r[IKE_COOKIE];
	uint8_t first; /* type of the first payload */
	uint8_t exchange;
	uint8_t flags;
	uint32_t id; /* message ID, 0 in phase 1 */
};

/* The header of a whole datagram: version 1, its length field equal to the datagram's. */
bool ike_hdr_parse(struct slice message, struct ike_hdr *hdr);

struct ike_payload {
	uint8_t type;
	struct slice body; /* without the generic header */
};

struct ike_payloads {
	size_t n;
	struct ike_payload at[IKE_PAYLOADS_MAX];
	struct slice
		rest; /* everything behind the first payload, without padding: what HASH covers */
};

/* The chain that begins with type `first` in the clear octets behind the header. What follows the
 * last payload (padding) is ignored. False: malformed, empty or too many. */
bool ike_payloads_parse(uint8_t first, struct slice octets, struct ike_payloads *to);

/* The nth payload (from 0) of a type, or NULL. */
const struct ike_payload *ike_payload_find(const struct ike_payloads *p, uint8_t type, size_t nth);

/* The first one's body; empty when there is none. */
struct slice ike_payload_body(const struct ike_payloads *p, uint8_t type);

enum ike_message {
	IKE_MM1,
	IKE_MM2,
	IKE_MM3,
	IKE_MM4,
	IKE_MM5,
	IKE_MM6,
	IKE_QM1,
	IKE_QM2,
	IKE_QM3,
	IKE_INFO_CLEAR,
	IKE_INFO_SEALED,
	IKE_MESSAGES,
};

/* Does the header say what a message of this kind must say: exchange, encryption, message ID? */
bool ike_hdr_is(const struct ike_hdr *hdr, enum ike_message kind);

/* Are these the payloads of such a message: each allowed one between its least and most? */
bool ike_payloads_are(const struct ike_payloads *p, enum ike_message kind);

struct ike_notify {
	uint8_t protocol;
	uint16_t type;
	struct slice spi;
	struct slice data;
};
bool ike_notify_parse(struct slice body, struct ike_notify *n);

struct ike_delete {
	uint8_t protocol;
	uint8_t spi_len; /* 16 with ISAKMP, 4 with ESP; anything else is malformed */
	uint16_t count;
	struct slice spis; /* count times spi_len octets */
};
bool ike_delete_parse(struct slice body, struct ike_delete *d);

enum ike_id_type { IKE_ID_IPV4 = 1, IKE_ID_FQDN = 2, IKE_ID_USER_FQDN = 3, IKE_ID_IPV6 = 5 };

struct ike_id {
	uint8_t type;
	uint8_t protocol;
	uint16_t port;
	struct slice data;
};
bool ike_id_parse(struct slice body, struct ike_id *id);

/* The address in an IPv4 or IPv6 ID; FAMILY_NONE when it holds something else. */
struct ip ike_id_ip(const struct ike_id *id);

/* ---- building ---- */

struct ike_build {
	struct wr w;
	size_t next; /* offset of the octet that names the next payload */
};

void ike_build_open(struct ike_build *b, void *buf, size_t room, const struct ike_hdr *hdr);

/* A payload whose body the caller writes through b->w between the two calls. */
size_t ike_payload_open(struct ike_build *b, uint8_t type);
void ike_payload_close(struct ike_build *b, size_t mark);
void ike_put(struct ike_build *b, uint8_t type, struct slice body);

void ike_put_notify(
	struct ike_build *b, uint8_t protocol, uint16_t type, struct slice spi, struct slice data);
void ike_put_delete(struct ike_build *b, uint8_t protocol, uint8_t spi_len, struct slice spis);
void ike_put_id(struct ike_build *b, const struct ike_id *id);

/* Fill in the total length. The message so far, or an empty slice when it did not fit. */
struct slice ike_build_close(struct ike_build *b);

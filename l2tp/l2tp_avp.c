#include "l2tp/l2tp_avp.h"

#include "base/secret.h"

enum { M = 0x8000, H = 0x4000, RESERVED = 0x3c00, LENGTH = 0x03ff };
enum { BLOCK = 16 }; /* octets of an MD5 hash */
enum { ANY = AVP_VALUE_MAX };

/* RFC 2661, 4.4.1 to 4.4.6 */
/* clang-format off */
static const struct avp_rule rules[AVP_TYPES] = {
	/*                                name                             min  max   M      hidden */
	[AVP_MESSAGE_TYPE] =              {"Message Type",                   2,   2, true,  false},
	[AVP_RESULT_CODE] =               {"Result Code",                    2, ANY, true,  false},
	[AVP_PROTOCOL_VERSION] =          {"Protocol Version",               2,   2, true,  false},
	[AVP_FRAMING_CAPABILITIES] =      {"Framing Capabilities",           4,   4, true,  true},
	[AVP_BEARER_CAPABILITIES] =       {"Bearer Capabilities",            4,   4, true,  true},
	[AVP_TIE_BREAKER] =               {"Tie Breaker",                    8,   8, false, false},
	[AVP_FIRMWARE_REVISION] =         {"Firmware Revision",              2,   2, false, true},
	[AVP_HOST_NAME] =                 {"Host Name",                      1, ANY, true,  false},
	[AVP_VENDOR_NAME] =               {"Vendor Name",                    0, ANY, false, true},
	[AVP_ASSIGNED_TUNNEL_ID] =        {"Assigned Tunnel ID",             2,   2, true,  true},
	[AVP_RECEIVE_WINDOW_SIZE] =       {"Receive Window Size",            2,   2, true,  false},
	[AVP_CHALLENGE] =                 {"Challenge",                      1, ANY, true,  true},
	[AVP_Q931_CAUSE_CODE] =           {"Q.931 Cause Code",               3, ANY, true,  false},
	[AVP_CHALLENGE_RESPONSE] =        {"Challenge Response",            16,  16, true,  true},
	[AVP_ASSIGNED_SESSION_ID] =       {"Assigned Session ID",            2,   2, true,  true},
	[AVP_CALL_SERIAL_NUMBER] =        {"Call Serial Number",             4,   4, true,  true},
	[AVP_MINIMUM_BPS] =               {"Minimum BPS",                    4,   4, true,  true},
	[AVP_MAXIMUM_BPS] =               {"Maximum BPS",                    4,   4, true,  true},
	[AVP_BEARER_TYPE] =               {"Bearer Type",                    4,   4, true,  true},
	[AVP_FRAMING_TYPE] =              {"Framing Type",                   4,   4, true,  true},
	[AVP_CALLED_NUMBER] =             {"Called Number",                  0, ANY, true,  true},
	[AVP_CALLING_NUMBER] =            {"Calling Number",                 0, ANY, true,  true},
	[AVP_SUB_ADDRESS] =               {"Sub-Address",                    0, ANY, true,  true},
	[AVP_TX_CONNECT_SPEED] =          {"Tx Connect Speed",               4,   4, true,  true},
	[AVP_PHYSICAL_CHANNEL_ID] =       {"Physical Channel ID",            4,   4, false, true},
	[AVP_INITIAL_LCP_CONFREQ] =       {"Initial Received LCP CONFREQ",   0, ANY, false, true},
	[AVP_LAST_SENT_LCP_CONFREQ] =     {"Last Sent LCP CONFREQ",          0, ANY, false, true},
	[AVP_LAST_RECEIVED_LCP_CONFREQ] = {"Last Received LCP CONFREQ",      0, ANY, false, true},
	[AVP_PROXY_AUTHEN_TYPE] =         {"Proxy Authen Type",              2,   2, false, true},
	[AVP_PROXY_AUTHEN_NAME] =         {"Proxy Authen Name",              0, ANY, false, true},
	[AVP_PROXY_AUTHEN_CHALLENGE] =    {"Proxy Authen Challenge",         1, ANY, false, true},
	[AVP_PROXY_AUTHEN_ID] =           {"Proxy Authen ID",                2,   2, false, true},
	[AVP_PROXY_AUTHEN_RESPONSE] =     {"Proxy Authen Response",          0, ANY, false, true},
	[AVP_CALL_ERRORS] =               {"Call Errors",                   26,  26, true,  true},
	[AVP_ACCM] =                      {"ACCM",                          10,  10, true,  true},
	[AVP_RANDOM_VECTOR] =             {"Random Vector",                  1, ANY, true,  false},
	[AVP_PRIVATE_GROUP_ID] =          {"Private Group ID",               0, ANY, false, true},
	[AVP_RX_CONNECT_SPEED] =          {"Rx Connect Speed",               4,   4, false, true},
	[AVP_SEQUENCING_REQUIRED] =       {"Sequencing Required",            0,   0, true,  false},
	[AVP_PPP_DISCONNECT_CAUSE] =      {"PPP Disconnect Cause",           5, ANY, false, false},
};
/* clang-format on */

const struct avp_rule *avp_rule(uint16_t vendor, uint16_t type)
{
	return vendor == 0 /* check: avp-vendor */ &&
			       type < AVP_TYPES /* check: avp-type-known */ && rules[type].name
		       ? &rules[type]
		       : NULL;
}

bool avp_next(struct rd *r, struct avp *a)
{
	if (!rd_left(r))
		return false;

	uint16_t head = rd_u16(r);
	size_t length = head & LENGTH;

	a->mandatory = head & M;
	a->hidden = head & H;
	a->reserved = head & RESERVED;
	a->vendor = rd_u16(r);
	a->type = rd_u16(r);
	r->bad |= length < AVP_HEAD;
	if (!r->bad)
		a->value = rd_take(r, length - AVP_HEAD);
	return !r->bad;
}

static void put_head(struct wr *w, enum avp_type type, unsigned bits, size_t n)
{
	w->bad |= n > AVP_VALUE_MAX; /* check: avp-value-room */
	wr_u16(w, (uint16_t)(bits | (rules[type].mandatory ? M : 0u) | ((n + AVP_HEAD) & LENGTH)));
	wr_u16(w, 0);
	wr_u16(w, (uint16_t)type);
}

void avp_put(struct wr *w, enum avp_type type, struct slice value)
{
	put_head(w, type, 0, value.n);
	wr_put(w, value);
}

/* b1 = MD5(type | secret | vector), b(i) = MD5(secret | c(i-1)); `last` is empty for b1. */
static bool next_pad(const struct avp_key *key, struct slice vector, uint16_t type,
	struct slice last, uint8_t pad[BLOCK])
{
	const uint8_t octets[] = {(uint8_t)(type >> 8), (uint8_t)type};
	const struct slice first[] = {slice(octets, sizeof(octets)), key->secret, vector};
	const struct slice later[] = {key->secret, last};

	if (last.n)
		return crypto_hash(key->crypto, HASH_MD5, later, 2, pad);
	return crypto_hash(key->crypto, HASH_MD5, first, 3, pad);
}

/* XOR `from` with the pads. They depend on the cipher text, which is `to` when hiding and
 * `from` when unhiding. */
static bool mask(const struct avp_key *key, struct slice vector, uint16_t type, struct slice from,
	uint8_t *to, bool hiding)
{
	const uint8_t *cipher = hiding ? to : from.p;
	struct slice last = {0};
	uint8_t pad[BLOCK];
	bool done = true;

	for (size_t i = 0; i < from.n; i++) {
		if (i >= BLOCK)
			last = slice(&cipher[i - i % BLOCK - BLOCK], BLOCK);
		if (i % BLOCK == 0 && !next_pad(key, vector, type, last, pad)) {
			done = false;
			break;
		}
		to[i] = from.p[i] ^ pad[i % BLOCK];
	}
	wipe(pad, sizeof(pad));
	return done;
}

bool avp_put_hidden(struct wr *w, const struct avp_key *key, struct slice vector,
	enum avp_type type, struct slice value, struct slice padding)
{
	uint8_t plain[AVP_VALUE_MAX];
	struct wr p = wr_of(plain, sizeof(plain));

	wr_u16(&p, (uint16_t)value.n);
	wr_put(&p, value);
	wr_put(&p, padding);
	w->bad |= p.bad;
	put_head(w, type, H, wr_len(&p));
	uint8_t *to = wr_room(w, wr_len(&p));
	bool done = !to || mask(key, vector, (uint16_t)type, wr_slice(&p), to, true);
	wipe(plain, sizeof(plain));
	return done;
}

bool avp_unhide(const struct avp_key *key, struct slice vector, const struct avp *a, uint8_t *to,
	struct slice *value)
{
	if (!mask(key, vector, a->type, a->value, to, false))
		return false;

	struct rd r = rd_of(slice(to, a->value.n));
	uint16_t length = rd_u16(&r);

	*value = rd_take(&r, length);
	return !r.bad /* check: hidden-length */;
}

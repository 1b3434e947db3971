#include "l2tp/l2tp_msg.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

enum { FLAGS = 0xc802, FLAGS_MEANT = 0xcb0f }; /* reserved bits are ignored; RFC 2661, 3.1 */
enum { AT_TUNNEL = 4, AT_NS = 8, AT_NR = 10 };
enum { ROW = 16 };

/* Set in a row: the AVP may be there, else it must. */
enum { MAY = 0x80 };

struct message_rule {
	const char *name;
	bool call;
	uint8_t avps[ROW]; /* after Message Type, in the order we send; ends with 0 */
};

/* RFC 2661, 6. The order of SCCRQ is that of Windows: some servers refuse any other. */
/* clang-format off */
static const struct message_rule rules[L2TP_MESSAGES] = {
	[L2TP_SCCRQ] = {"SCCRQ", false, {AVP_PROTOCOL_VERSION, AVP_FRAMING_CAPABILITIES,
		MAY | AVP_BEARER_CAPABILITIES, MAY | AVP_TIE_BREAKER, MAY | AVP_FIRMWARE_REVISION,
		AVP_HOST_NAME, MAY | AVP_VENDOR_NAME, AVP_ASSIGNED_TUNNEL_ID,
		MAY | AVP_RECEIVE_WINDOW_SIZE, MAY | AVP_CHALLENGE}},
	[L2TP_SCCRP] = {"SCCRP", false, {AVP_PROTOCOL_VERSION, AVP_FRAMING_CAPABILITIES,
		MAY | AVP_BEARER_CAPABILITIES, MAY | AVP_FIRMWARE_REVISION, AVP_HOST_NAME,
		MAY | AVP_VENDOR_NAME, AVP_ASSIGNED_TUNNEL_ID, MAY | AVP_RECEIVE_WINDOW_SIZE,
		MAY | AVP_CHALLENGE, MAY | AVP_CHALLENGE_RESPONSE}},
	[L2TP_SCCCN] = {"SCCCN", false, {MAY | AVP_CHALLENGE_RESPONSE}},
	[L2TP_STOPCCN] = {"StopCCN", false, {AVP_ASSIGNED_TUNNEL_ID, AVP_RESULT_CODE}},
	[L2TP_HELLO] = {"HELLO", false, {0}},
	[L2TP_OCRQ] = {"OCRQ", true, {AVP_ASSIGNED_SESSION_ID, AVP_CALL_SERIAL_NUMBER,
		AVP_MINIMUM_BPS, AVP_MAXIMUM_BPS, AVP_BEARER_TYPE, AVP_FRAMING_TYPE,
		AVP_CALLED_NUMBER, MAY | AVP_SUB_ADDRESS}},
	[L2TP_OCRP] = {"OCRP", true, {AVP_ASSIGNED_SESSION_ID, MAY | AVP_PHYSICAL_CHANNEL_ID}},
	[L2TP_OCCN] = {"OCCN", true, {AVP_TX_CONNECT_SPEED, AVP_FRAMING_TYPE,
		MAY | AVP_RX_CONNECT_SPEED, MAY | AVP_SEQUENCING_REQUIRED}},
	[L2TP_ICRQ] = {"ICRQ", true, {AVP_ASSIGNED_SESSION_ID, AVP_CALL_SERIAL_NUMBER,
		MAY | AVP_BEARER_TYPE, MAY | AVP_CALLED_NUMBER, MAY | AVP_CALLING_NUMBER,
		MAY | AVP_SUB_ADDRESS, MAY | AVP_PHYSICAL_CHANNEL_ID}},
	[L2TP_ICRP] = {"ICRP", true, {AVP_ASSIGNED_SESSION_ID}},
	[L2TP_ICCN] = {"ICCN", true, {AVP_TX_CONNECT_SPEED, AVP_FRAMING_TYPE,
		MAY | AVP_INITIAL_LCP_CONFREQ, MAY | AVP_LAST_SENT_LCP_CONFREQ,
		MAY | AVP_LAST_RECEIVED_LCP_CONFREQ, MAY | AVP_PROXY_AUTHEN_TYPE,
		MAY | AVP_PROXY_AUTHEN_NAME, MAY | AVP_PROXY_AUTHEN_CHALLENGE,
		MAY | AVP_PROXY_AUTHEN_ID, MAY | AVP_PROXY_AUTHEN_RESPONSE,
		MAY | AVP_PRIVATE_GROUP_ID, MAY | AVP_RX_CONNECT_SPEED,
		MAY | AVP_SEQUENCING_REQUIRED}},
	[L2TP_CDN] = {"CDN", true, {AVP_RESULT_CODE, AVP_ASSIGNED_SESSION_ID,
		MAY | AVP_Q931_CAUSE_CODE, MAY | AVP_PPP_DISCONNECT_CAUSE}},
	[L2TP_WEN] = {"WEN", true, {AVP_CALL_ERRORS}},
	[L2TP_SLI] = {"SLI", true, {AVP_ACCM}},
};
/* clang-format on */

static const char *const stop_results[] = {
	NULL,
	"general request to clear",
	"general error",
	"control channel already exists",
	"requester not authorized",
	"protocol version not supported",
	"being shut down",
	"finite state machine error",
};

static const char *const cdn_results[] = {
	NULL,
	"loss of carrier",
	"general error",
	"administrative reasons",
	"no facilities for now",
	"no facilities",
	"invalid destination",
	"no carrier",
	"busy",
	"no dial tone",
	"time allotted exceeded",
	"no framing detected",
};

static const char *const errors[] = {
	NULL,
	"no control connection yet",
	"length is wrong",
	"value out of range",
	"insufficient resources",
	"invalid session id",
	"vendor-specific",
	"try another server",
	"unknown mandatory AVP",
};

static const struct message_rule *rule_of(uint16_t type)
{
	return type < L2TP_MESSAGES && rules[type].name ? &rules[type] : NULL;
}

/* ---- header ---- */

bool l2tp_head_parse(struct slice payload, struct l2tp_head *h)
{
	struct rd r = rd_of(payload);
	uint16_t flags = rd_u16(&r);
	uint16_t length = rd_u16(&r);

	h->tunnel = rd_u16(&r);
	h->session = rd_u16(&r);
	h->ns = rd_u16(&r);
	h->nr = rd_u16(&r);
	if (r.bad || (flags & FLAGS_MEANT) != FLAGS /* check: l2tp-header-bits */ ||
		length < L2TP_HEAD)
		return false;
	h->avps = rd_take(&r, length - (size_t)L2TP_HEAD);
	return !r.bad /* check: l2tp-header-length */;
}

void l2tp_head_put(struct wr *w, const struct l2tp_head *h, size_t avps)
{
	w->bad |= avps > UINT16_MAX - L2TP_HEAD;
	wr_u16(w, FLAGS);
	wr_u16(w, (uint16_t)(L2TP_HEAD + avps));
	wr_u16(w, h->tunnel);
	wr_u16(w, h->session);
	wr_u16(w, h->ns);
	wr_u16(w, h->nr);
}

void l2tp_head_stamp(struct pkt *p, uint16_t tunnel, uint16_t ns, uint16_t nr)
{
	put_u16(&p->data[AT_TUNNEL], tunnel);
	put_u16(&p->data[AT_NS], ns);
	put_u16(&p->data[AT_NR], nr);
}

/* ---- parsing ---- */

/* The first fault of a message is the one that counts. */
[[gnu::format(printf, 3, 4)]] static void fault(
	struct l2tp_msg *m, enum l2tp_error error, const char *fmt, ...)
{
	va_list args;

	if (m->fault)
		return;
	m->fault = error;
	va_start(args, fmt);
	vsnprintf(m->text, sizeof(m->text), fmt, args);
	va_end(args);
}

static bool first_avp(struct rd *r, struct avp *a)
{
	return avp_next(r, a) && a->vendor == 0 /* check: first-avp-vendor */ &&
	       a->type == AVP_MESSAGE_TYPE /* check: first-avp-type */ &&
	       !a->hidden /* check: first-avp-hidden */ &&
	       !a->reserved /* check: first-avp-reserved */ &&
	       a->value.n == 2 /* check: first-avp-length */;
}

bool l2tp_msg_begins(struct slice avps)
{
	struct rd r = rd_of(avps);
	struct avp a;

	return first_avp(&r, &a);
}

static bool belongs(const struct l2tp_msg *m, uint16_t type)
{
	for (const uint8_t *p = rules[m->type].avps; *p; p++)
		if ((*p & ~MAY) == type)
			return true;
	return false;
}

/* Unhide in the message's own store; false when that is impossible for any reason. */
static bool unhide(
	struct l2tp_msg *m, struct avp *a, const struct avp_key *key, struct slice vector)
{
	if (!key || !key->secret.n /* check: hidden-without-secret */ ||
		!vector.n /* check: hidden-without-vector */ ||
		a->value.n > L2TP_STORE - m->used /* check: hidden-room */)
		return false;
	size_t n = a->value.n;
	if (!avp_unhide(key, vector, a, &m->store[m->used], &a->value))
		return false;
	m->used += n;
	return true;
}

/* A faulty AVP without the M bit is as good as absent. RFC 2661, 7.1 */
static void take_avp(
	struct l2tp_msg *m, struct avp *a, const struct avp_key *key, struct slice *vector)
{
	const struct avp_rule *rule = a->reserved ? NULL : avp_rule(a->vendor, a->type);

	if (!rule) {
		if (a->mandatory) /* check: avp-unknown-mandatory */
			fault(m, L2TP_ERROR_UNKNOWN_AVP, "unknown AVP %u of vendor %u", a->type,
				a->vendor);
		return;
	}
	if (a->hidden &&
		(!rule->may_hide /* check: avp-may-hide */ || !unhide(m, a, key, *vector))) {
		m->fault_hidden |= a->mandatory;
		if (a->mandatory) /* check: avp-unhidden-mandatory */
			fault(m, L2TP_ERROR_VALUE, "%s cannot be unhidden", rule->name);
		return;
	}
	if (a->value.n < rule->min /* check: avp-short */ ||
		a->value.n > rule->max /* check: avp-long */) {
		m->fault_hidden |= a->mandatory && a->hidden;
		if (a->mandatory) /* check: avp-length-mandatory */
			fault(m, L2TP_ERROR_LENGTH, "%s of %zu octets", rule->name, a->value.n);
		return;
	}
	if (a->type == AVP_RANDOM_VECTOR)
		*vector = a->value;
	if (belongs(m, a->type) /* check: avp-of-message */ &&
		!l2tp_msg_has(m, (enum avp_type)a->type) /* check: avp-once */)
		l2tp_msg_put(m, (enum avp_type)a->type, a->value);
}

enum l2tp_parse l2tp_msg_parse(struct l2tp_msg *m, struct slice avps, const struct avp_key *key)
{
	struct rd r = rd_of(avps);
	struct slice vector = {0};
	struct avp a;

	*m = (struct l2tp_msg){0};
	if (!first_avp(&r, &a))
		return L2TP_PARSE_BAD;
	m->type = get_u16(a.value.p);
	m->mandatory = a.mandatory;
	const struct message_rule *rule = rule_of(m->type);
	if (!rule && !m->mandatory)
		return L2TP_PARSE_IGNORE;
	if (!rule) {
		fault(m, L2TP_ERROR_VALUE, "unknown message type %u", m->type);
		return L2TP_PARSE_FAULT;
	}

	while (avp_next(&r, &a))
		take_avp(m, &a, key, &vector);
	if (r.bad) /* check: avp-chain-length */
		fault(m, L2TP_ERROR_LENGTH, "an AVP of impossible length");
	for (const uint8_t *p = rule->avps; *p; p++)
		if (!(*p & MAY) && !l2tp_msg_has(m, *p)) /* check: avp-missing */
			fault(m, L2TP_ERROR_VENDOR, "%s is missing", avp_rule(0, *p)->name);
	return m->fault ? L2TP_PARSE_FAULT : L2TP_PARSE_OK;
}

uint16_t l2tp_msg_u16(const struct l2tp_msg *m, enum avp_type type)
{
	struct rd r = rd_of(m->avp[type]);

	return rd_u16(&r);
}

/* ---- building ---- */

void l2tp_msg_init(struct l2tp_msg *m, enum l2tp_message type)
{
	*m = (struct l2tp_msg){.type = (uint16_t)type, .mandatory = true};
}

void l2tp_msg_put(struct l2tp_msg *m, enum avp_type type, struct slice value)
{
	m->has |= UINT64_C(1) << type;
	m->avp[type] = value;
}

/* A writer over what is left of the store, and its result as the value of an AVP. */
static struct wr store_open(struct l2tp_msg *m)
{
	return wr_of(&m->store[m->used], L2TP_STORE - m->used);
}

static void store_close(struct l2tp_msg *m, enum avp_type type, const struct wr *w)
{
	m->used += wr_len(w);
	l2tp_msg_put(m, type, wr_slice(w));
}

void l2tp_msg_put_u16(struct l2tp_msg *m, enum avp_type type, uint16_t value)
{
	struct wr w = store_open(m);

	wr_u16(&w, value);
	store_close(m, type, &w);
}

void l2tp_msg_put_u32(struct l2tp_msg *m, enum avp_type type, uint32_t value)
{
	struct wr w = store_open(m);

	wr_u32(&w, value);
	store_close(m, type, &w);
}

void l2tp_msg_put_result(struct l2tp_msg *m, uint16_t result, uint16_t error, const char *text)
{
	struct wr w = store_open(m);

	wr_u16(&w, result);
	wr_u16(&w, error);
	wr_put(&w, slice_str(text));
	store_close(m, AVP_RESULT_CODE, &w);
}

void l2tp_msg_build(const struct l2tp_msg *m, const struct l2tp_head *h, struct wr *w)
{
	const uint8_t *row = rules[m->type].avps;
	const uint8_t octets[] = {(uint8_t)(m->type >> 8), (uint8_t)m->type};
	size_t length = AVP_HEAD + sizeof(octets);
	uint64_t left = m->has;

	for (size_t type = 0; type < AVP_TYPES; type++)
		if (l2tp_msg_has(m, (enum avp_type)type))
			length += AVP_HEAD + m->avp[type].n;
	l2tp_head_put(w, h, length);
	avp_put(w, AVP_MESSAGE_TYPE, slice(octets, sizeof(octets)));
	for (; *row; row++) {
		enum avp_type type = *row & ~MAY;

		if (!l2tp_msg_has(m, type))
			continue;
		avp_put(w, type, m->avp[type]);
		left &= ~(UINT64_C(1) << type);
	}
	w->bad |= left != 0;
}

/* ---- words ---- */

const char *l2tp_message_name(uint16_t type)
{
	const struct message_rule *rule = rule_of(type);

	return rule ? rule->name : "unknown message";
}

bool l2tp_message_is_call(uint16_t type)
{
	const struct message_rule *rule = rule_of(type);

	return rule && rule->call;
}

static const char *word(const char *const *words, size_t n, uint16_t number)
{
	return number < n && words[number] ? words[number] : "unknown";
}

const char *l2tp_msg_result_text(const struct l2tp_msg *m, char *to, size_t room)
{
	char escaped[STR_ESCAPED], error_text[64] = "";
	struct rd r = rd_of(m->avp[AVP_RESULT_CODE]);
	uint16_t result = rd_u16(&r);
	uint16_t error = rd_left(&r) >= 2 ? rd_u16(&r) : 0;
	bool stop = m->type == L2TP_STOPCCN;

	if (r.bad) {
		snprintf(to, room, "%s without a result code", l2tp_message_name(m->type));
		return to;
	}
	struct slice text = rd_rest(&r);
	if (error)
		snprintf(error_text, sizeof(error_text), ", error %u (%s)", error,
			word(errors, sizeof(errors) / sizeof(*errors), error));
	snprintf(to, room, "%s result %u (%s)%s%s%s%s", l2tp_message_name(m->type), result,
		stop ? word(stop_results, sizeof(stop_results) / sizeof(*stop_results), result)
		     : word(cdn_results, sizeof(cdn_results) / sizeof(*cdn_results), result),
		error_text, text.n ? ": \"" : "", text.n ? str_escape(text, escaped) : "",
		text.n ? "\"" : "");
	return to;
}

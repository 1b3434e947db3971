#include "ike/ike_msg.h"

/* ---- what each message may carry ---- */

struct rule {
	uint8_t payload;
	uint8_t min;
	uint8_t max;
};

enum { RULES_MAX = 10, MANY = IKE_PAYLOADS_MAX };

/* RFC 2409, 5.4 and 5.5 (pre-shared key), RFC 2408, 4.8 and RFC 3947, 3.2 and 5.2. Vendor IDs,
 * status notifies and certificate requests come at places of the peer's choice. */
/* clang-format off */
static const struct {
	uint8_t exchange;
	bool sealed;
	uint8_t first; /* payload that must come first; 0 = any */
	struct rule rules[RULES_MAX];
} table[IKE_MESSAGES] = {
	[IKE_MM1] = {IKE_MAIN, false, IKE_SA,
		{{IKE_SA, 1, 1}, {IKE_VID, 0, MANY}, {IKE_N, 0, 4}}},
	[IKE_MM2] = {IKE_MAIN, false, IKE_SA,
		{{IKE_SA, 1, 1}, {IKE_VID, 0, MANY}, {IKE_N, 0, 4}}},
	[IKE_MM3] = {IKE_MAIN, false, 0,
		{{IKE_KE, 1, 1}, {IKE_NONCE, 1, 1}, {IKE_NATD, 0, 16}, {IKE_NATD_DRAFT, 0, 16},
		 {IKE_CERTREQ, 0, MANY}, {IKE_VID, 0, MANY}, {IKE_N, 0, 4}}},
	[IKE_MM4] = {IKE_MAIN, false, 0,
		{{IKE_KE, 1, 1}, {IKE_NONCE, 1, 1}, {IKE_NATD, 0, 16}, {IKE_NATD_DRAFT, 0, 16},
		 {IKE_CERTREQ, 0, MANY}, {IKE_VID, 0, MANY}, {IKE_N, 0, 4}}},
	[IKE_MM5] = {IKE_MAIN, true, IKE_ID,
		{{IKE_ID, 1, 1}, {IKE_HASH, 1, 1}, {IKE_N, 0, 8}, {IKE_CERTREQ, 0, MANY}, {IKE_VID, 0, MANY}}},
	[IKE_MM6] = {IKE_MAIN, true, IKE_ID,
		{{IKE_ID, 1, 1}, {IKE_HASH, 1, 1}, {IKE_N, 0, 8}, {IKE_CERTREQ, 0, MANY}, {IKE_VID, 0, MANY}}},
	[IKE_QM1] = {IKE_QUICK, true, IKE_HASH,
		{{IKE_HASH, 1, 1}, {IKE_SA, 1, 1}, {IKE_NONCE, 1, 1}, {IKE_KE, 0, 1}, {IKE_ID, 0, 2},
		 {IKE_NATOA, 0, 2}, {IKE_NATOA_DRAFT, 0, 2}, {IKE_N, 0, 8}, {IKE_VID, 0, 8}}},
	[IKE_QM2] = {IKE_QUICK, true, IKE_HASH,
		{{IKE_HASH, 1, 1}, {IKE_SA, 1, 1}, {IKE_NONCE, 1, 1}, {IKE_KE, 0, 1}, {IKE_ID, 0, 2},
		 {IKE_NATOA, 0, 2}, {IKE_NATOA_DRAFT, 0, 2}, {IKE_N, 0, 8}, {IKE_VID, 0, 8}}},
	[IKE_QM3] = {IKE_QUICK, true, IKE_HASH,
		{{IKE_HASH, 1, 1}, {IKE_N, 0, 8}}},
	[IKE_INFO_CLEAR] = {IKE_INFO, false, 0,
		{{IKE_N, 0, MANY}, {IKE_D, 0, MANY}, {IKE_VID, 0, MANY}}},
	[IKE_INFO_SEALED] = {IKE_INFO, true, IKE_HASH,
		{{IKE_HASH, 1, 1}, {IKE_N, 0, MANY}, {IKE_D, 0, MANY}, {IKE_NONCE, 0, 1}, {IKE_VID, 0, 8}}},
};
/* clang-format on */

bool ike_hdr_is(const struct ike_hdr *hdr, enum ike_message kind)
{
	bool sealed = hdr->flags & IKE_ENCRYPTED;
	bool phase1 = table[kind].exchange == IKE_MAIN;

	if (hdr->exchange != table[kind].exchange /* check: header-exchange */ ||
		sealed != table[kind].sealed /* check: header-encrypted */)
		return false;
	/* A notify in the clear carries an ID of its own or, before phase 1 ends, none. */
	return kind == IKE_INFO_CLEAR || phase1 == (hdr->id == 0);
}

static const struct rule *rule_of(enum ike_message kind, uint8_t payload)
{
	const struct rule *rules = table[kind].rules;

	for (size_t i = 0; i < RULES_MAX && rules[i].payload; i++)
		if (rules[i].payload == payload)
			return &rules[i];
	return NULL;
}

static size_t count_of(const struct ike_payloads *p, uint8_t type)
{
	size_t count = 0;

	for (size_t i = 0; i < p->n; i++)
		count += p->at[i].type == type;
	return count;
}

bool ike_payloads_are(const struct ike_payloads *p, enum ike_message kind)
{
	const struct rule *rules = table[kind].rules;

	if (p->n == 0 || (table[kind].first &&
				 p->at[0].type != table[kind].first) /* check: payload-first */)
		return false;
	for (size_t i = 0; i < p->n; i++)
		if (!rule_of(kind, p->at[i].type)) /* check: payload-allowed */
			return false;
	for (size_t i = 0; i < RULES_MAX && rules[i].payload; i++) {
		size_t count = count_of(p, rules[i].payload);

		if (count < rules[i].min /* check: payload-least */ ||
			count > rules[i].max /* check: payload-most */)
			return false;
	}
	return true;
}

/* ---- header and chain ---- */

bool ike_hdr_parse(struct slice message, struct ike_hdr *hdr)
{
	struct rd r = rd_of(message);

	rd_copy(&r, hdr->cookie_i, IKE_COOKIE);
	rd_copy(&r, hdr->cookie_r, IKE_COOKIE);
	hdr->first = rd_u8(&r);
	uint8_t version = rd_u8(&r);
	hdr->exchange = rd_u8(&r);
	hdr->flags = rd_u8(&r);
	hdr->id = rd_u32(&r);
	uint32_t len = rd_u32(&r);

	return !r.bad && version >> 4 == 1 /* check: header-version */ &&
	       len == message.n /* check: header-length */ &&
	       message.n <= IKE_MESSAGE_MAX /* check: header-longest */;
}

bool ike_payloads_parse(uint8_t first, struct slice octets, struct ike_payloads *to)
{
	struct rd r = rd_of(octets);
	struct rd behind_first = r;

	to->n = 0;
	to->rest = slice(NULL, 0);
	for (uint8_t type = first; type;) {
		uint8_t next = rd_u8(&r);
		uint8_t reserved = rd_u8(&r);
		uint16_t len = rd_u16(&r);

		if (r.bad || reserved /* check: payload-reserved */ || len < IKE_PAYLOAD_HDR ||
			to->n == IKE_PAYLOADS_MAX /* check: payload-count */)
			return false;
		to->at[to->n++] = (struct ike_payload){
			.type = type,
			.body = rd_take(&r, (size_t)len - IKE_PAYLOAD_HDR),
		};
		if (to->n == 1)
			behind_first = r;
		type = next;
	}
	if (r.bad) /* check: payload-bounds */
		return false;
	to->rest = rd_take(&behind_first, rd_left(&behind_first) - rd_left(&r));
	return to->n > 0;
}

const struct ike_payload *ike_payload_find(const struct ike_payloads *p, uint8_t type, size_t nth)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->at[i].type == type && nth-- == 0)
			return &p->at[i];
	return NULL;
}

struct slice ike_payload_body(const struct ike_payloads *p, uint8_t type)
{
	const struct ike_payload *found = ike_payload_find(p, type, 0);

	return found ? found->body : slice(NULL, 0);
}

/* ---- small payloads ---- */

bool ike_notify_parse(struct slice body, struct ike_notify *n)
{
	struct rd r = rd_of(body);
	uint32_t doi = rd_u32(&r);

	n->protocol = rd_u8(&r);
	uint8_t spi_len = rd_u8(&r);
	n->type = rd_u16(&r);
	n->spi = rd_take(&r, spi_len);
	n->data = rd_rest(&r);
	return !r.bad &&
	       doi <= IKE_DOI_IPSEC /* check: notify-doi */; /* 0: generic ISAKMP; RFC 2408, 3.14 */
}

bool ike_delete_parse(struct slice body, struct ike_delete *d)
{
	struct rd r = rd_of(body);
	uint32_t doi = rd_u32(&r);

	d->protocol = rd_u8(&r);
	d->spi_len = rd_u8(&r);
	d->count = rd_u16(&r);
	d->spis = rd_take(&r, (size_t)d->count * d->spi_len);
	if (r.bad || doi > IKE_DOI_IPSEC /* check: delete-doi */)
		return false;
	return (d->protocol == IKE_PROTO_ESP && d->spi_len == 4 /* check: delete-esp-spi */) ||
	       (d->protocol == IKE_PROTO_ISAKMP &&
		       d->spi_len == 2 * IKE_COOKIE /* check: delete-isakmp-spi */);
}

bool ike_id_parse(struct slice body, struct ike_id *id)
{
	struct rd r = rd_of(body);

	id->type = rd_u8(&r);
	id->protocol = rd_u8(&r);
	id->port = rd_u16(&r);
	id->data = rd_rest(&r);
	return !r.bad;
}

struct ip ike_id_ip(const struct ike_id *id)
{
	if (id->type == IKE_ID_IPV4)
		return ip_of(FAMILY_IPV4, id->data);
	if (id->type == IKE_ID_IPV6)
		return ip_of(FAMILY_IPV6, id->data);
	return (struct ip){.family = FAMILY_NONE};
}

static const struct {
	uint16_t type;
	const char *name;
} notifies[] = {
	{1, "INVALID-PAYLOAD-TYPE"},
	{2, "DOI-NOT-SUPPORTED"},
	{3, "SITUATION-NOT-SUPPORTED"},
	{4, "INVALID-COOKIE"},
	{5, "INVALID-MAJOR-VERSION"},
	{6, "INVALID-MINOR-VERSION"},
	{7, "INVALID-EXCHANGE-TYPE"},
	{8, "INVALID-FLAGS"},
	{9, "INVALID-MESSAGE-ID"},
	{10, "INVALID-PROTOCOL-ID"},
	{11, "INVALID-SPI"},
	{12, "INVALID-TRANSFORM-ID"},
	{13, "ATTRIBUTES-NOT-SUPPORTED"},
	{14, "NO-PROPOSAL-CHOSEN"},
	{15, "BAD-PROPOSAL-SYNTAX"},
	{16, "PAYLOAD-MALFORMED"},
	{17, "INVALID-KEY-INFORMATION"},
	{18, "INVALID-ID-INFORMATION"},
	{19, "INVALID-CERT-ENCODING"},
	{20, "INVALID-CERTIFICATE"},
	{21, "CERT-TYPE-UNSUPPORTED"},
	{22, "INVALID-CERT-AUTHORITY"},
	{23, "INVALID-HASH-INFORMATION"},
	{24, "AUTHENTICATION-FAILED"},
	{25, "INVALID-SIGNATURE"},
	{26, "ADDRESS-NOTIFICATION"},
	{27, "NOTIFY-SA-LIFETIME"},
	{28, "CERTIFICATE-UNAVAILABLE"},
	{29, "UNSUPPORTED-EXCHANGE-TYPE"},
	{30, "UNEQUAL-PAYLOAD-LENGTHS"},
	{16384, "CONNECTED"},
	{24576, "RESPONDER-LIFETIME"},
	{24577, "REPLAY-STATUS"},
	{24578, "INITIAL-CONTACT"},
	{36136, "R-U-THERE"},
	{36137, "R-U-THERE-ACK"},
};

const char *ike_notify_name(uint16_t type)
{
	for (size_t i = 0; i < sizeof(notifies) / sizeof(notifies[0]); i++)
		if (notifies[i].type == type)
			return notifies[i].name;
	return "unknown";
}

/* ---- building ---- */

enum { FIRST_AT = 2 * IKE_COOKIE, LENGTH_AT = IKE_HDR - 4 };

void ike_build_open(struct ike_build *b, void *buf, size_t room, const struct ike_hdr *hdr)
{
	*b = (struct ike_build){.w = wr_of(buf, room), .next = FIRST_AT};
	wr_put(&b->w, slice(hdr->cookie_i, IKE_COOKIE));
	wr_put(&b->w, slice(hdr->cookie_r, IKE_COOKIE));
	wr_u8(&b->w, 0);
	wr_u8(&b->w, 0x10);
	wr_u8(&b->w, hdr->exchange);
	wr_u8(&b->w, hdr->flags);
	wr_u32(&b->w, hdr->id);
	wr_u32(&b->w, 0);
}

size_t ike_payload_open(struct ike_build *b, uint8_t type)
{
	size_t mark = wr_len(&b->w);

	wr_u8(&b->w, 0);
	wr_u8(&b->w, 0);
	wr_u16(&b->w, 0);
	if (b->w.bad)
		return 0;
	b->w.start[b->next] = type;
	b->next = mark;
	return mark;
}

void ike_payload_close(struct ike_build *b, size_t mark)
{
	wr_close16(&b->w, mark + 2, mark);
}

void ike_put(struct ike_build *b, uint8_t type, struct slice body)
{
	size_t mark = ike_payload_open(b, type);

	wr_put(&b->w, body);
	ike_payload_close(b, mark);
}

void ike_put_notify(
	struct ike_build *b, uint8_t protocol, uint16_t type, struct slice spi, struct slice data)
{
	size_t mark = ike_payload_open(b, IKE_N);

	wr_u32(&b->w, IKE_DOI_IPSEC);
	wr_u8(&b->w, protocol);
	wr_u8(&b->w, (uint8_t)spi.n);
	wr_u16(&b->w, type);
	wr_put(&b->w, spi);
	wr_put(&b->w, data);
	ike_payload_close(b, mark);
}

void ike_put_delete(struct ike_build *b, uint8_t protocol, uint8_t spi_len, struct slice spis)
{
	size_t mark = ike_payload_open(b, IKE_D);

	wr_u32(&b->w, IKE_DOI_IPSEC);
	wr_u8(&b->w, protocol);
	wr_u8(&b->w, spi_len);
	wr_u16(&b->w, (uint16_t)(spis.n / spi_len));
	wr_put(&b->w, spis);
	ike_payload_close(b, mark);
}

void ike_put_id(struct ike_build *b, const struct ike_id *id)
{
	size_t mark = ike_payload_open(b, IKE_ID);

	wr_u8(&b->w, id->type);
	wr_u8(&b->w, id->protocol);
	wr_u16(&b->w, id->port);
	wr_put(&b->w, id->data);
	ike_payload_close(b, mark);
}

struct slice ike_build_close(struct ike_build *b)
{
	if (b->w.bad)
		return slice(NULL, 0);
	put_u32(b->w.start + LENGTH_AT, (uint32_t)wr_len(&b->w));
	return wr_slice(&b->w);
}

#include "ike/ike_prop.h"

#include "ike/ike_msg.h"

enum { SITUATION_IDENTITY = 1, PAYLOAD_PROPOSAL = 2, PAYLOAD_TRANSFORM = 3 };
enum { TRANSFORM_IKE = 1, TRANSFORM_3DES = 3, TRANSFORM_AES = 12, TRANSFORM_GCM16 = 20 };
enum { IKE_3DES = 5, IKE_AES = 7 };
enum { LIFE_SECONDS = 1, LIFE_KILOBYTES = 2 };

enum { SHORT_FORM = 0x8000 }; /* attribute format: the value is in the length field */

/* RFC 2409, appendix A. */
enum attribute1 {
	A1_CIPHER = 1,
	A1_HASH = 2,
	A1_AUTH = 3,
	A1_GROUP = 4,
	A1_LIFE_TYPE = 11,
	A1_LIFE = 12,
	A1_KEY_BITS = 14,
};

/* RFC 2407, 4.5. */
enum attribute2 {
	A2_LIFE_TYPE = 1,
	A2_LIFE = 2,
	A2_GROUP = 3,
	A2_MODE = 4,
	A2_AUTH = 5,
	A2_KEY_BITS = 6,
};

/* Wire numbers of the hashes; in ESP they name HMACs. 0 = not on the wire. */
static const struct {
	uint8_t ike;
	uint8_t esp;
	uint8_t icv_len;
} hashes[HASHES] = {
	[HASH_MD5] = {1, 1, 12},
	[HASH_SHA1] = {2, 2, 12},
	[HASH_SHA256] = {4, 5, 16},
	[HASH_SHA384] = {5, 6, 24},
	[HASH_SHA512] = {6, 7, 32},
};

/* ---- proposals and transforms ---- */

static bool transforms_parse(struct rd *r, uint8_t count, struct ike_offer o, struct ike_offers *to)
{
	uint8_t next = PAYLOAD_TRANSFORM;

	for (unsigned i = 0; i < count; i++) {
		if (next != PAYLOAD_TRANSFORM) /* check: transform-type */
			return false;
		next = rd_u8(r);
		rd_skip(r, 1);
		uint16_t len = rd_u16(r);
		if (r->bad || len < 8)
			return false;
		o.transform = rd_u8(r);
		o.id = rd_u8(r);
		rd_skip(r, 2);
		o.attributes = rd_take(r, (size_t)len - 8);
		if (!r->bad && to->n < IKE_OFFERS_MAX /* check: offers-room */)
			to->at[to->n++] = o;
	}
	return !r->bad && next == 0 /* check: transform-last */ &&
	       rd_left(r) == 0 /* check: transform-rest */ && count > 0;
}

/* Two proposals of one number belong together: AND, not OR. */
static void mark_bundles(struct ike_offers *to, size_t from)
{
	if (from == 0 || from == to->n || to->at[from - 1].proposal != to->at[from].proposal)
		return;
	for (size_t i = 0; i < to->n; i++)
		if (to->at[i].proposal == to->at[from].proposal)
			to->at[i].bundled = true;
}

bool ike_offers_parse(struct slice body, struct ike_offers *to)
{
	struct rd r = rd_of(body);
	uint8_t next = PAYLOAD_PROPOSAL;

	to->n = 0;
	if (rd_u32(&r) != IKE_DOI_IPSEC /* check: sa-doi */ ||
		rd_u32(&r) != SITUATION_IDENTITY /* check: sa-situation */)
		return false;
	while (next == PAYLOAD_PROPOSAL) {
		size_t from = to->n;

		next = rd_u8(&r);
		rd_skip(&r, 1);
		uint16_t len = rd_u16(&r);
		if (r.bad || len < 8)
			return false;
		struct rd p = rd_of(rd_take(&r, (size_t)len - 4));
		struct ike_offer o = {.proposal = rd_u8(&p), .protocol = rd_u8(&p)};
		uint8_t spi_len = rd_u8(&p);
		uint8_t count = rd_u8(&p);
		o.spi = rd_take(&p, spi_len);
		if (r.bad || !transforms_parse(&p, count, o, to))
			return false;
		mark_bundles(to, from);
	}
	return next == 0 /* check: proposal-last */ && rd_left(&r) == 0 /* check: proposal-rest */;
}

/* ---- attributes ---- */

struct attribute {
	uint16_t type;
	uint32_t value; /* saturated: no attribute of ours needs more */
};

static bool attribute_next(struct rd *r, struct attribute *a)
{
	if (!rd_left(r))
		return false;
	uint16_t type = rd_u16(r);

	a->type = type & (SHORT_FORM - 1);
	if (type & SHORT_FORM) {
		a->value = rd_u16(r);
		return !r->bad;
	}
	uint16_t len = rd_u16(r);
	if (len == 0 || len > 8) /* check: attribute-length */
		r->bad = true;
	uint64_t value = rd_uint(r, len);
	a->value = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
	return !r->bad;
}

enum { ATTRIBUTES = 16 };

/* Attributes by type, each at most once except the pairs of life type and duration. */
struct attributes {
	uint32_t seen; /* a bit for each type */
	uint32_t value[ATTRIBUTES];
	uint32_t life_s;
};

static bool attributes_parse(
	struct slice octets, uint16_t life_type, uint16_t life, struct attributes *to)
{
	struct rd r = rd_of(octets);
	struct attribute a;
	uint32_t unit = 0;

	*to = (struct attributes){0};
	while (attribute_next(&r, &a)) {
		if (a.type == life_type) {
			if (unit /* check: life-type-twice */ ||
				(a.value != LIFE_SECONDS &&
					a.value != LIFE_KILOBYTES) /* check: life-type-known */)
				return false;
			unit = a.value;
		} else if (a.type == life) {
			if (!unit) /* check: life-typed */
				return false;
			if (unit == LIFE_SECONDS)
				to->life_s = a.value;
			unit = 0;
		} else {
			if (a.type >= ATTRIBUTES /* check: attribute-type */ ||
				to->seen & 1u << a.type /* check: attribute-once */)
				return false;
			to->seen |= 1u << a.type;
			to->value[a.type] = a.value;
		}
	}
	return !r.bad /* check: attribute-bounds */ && !unit /* check: life-complete */;
}

static bool only(const struct attributes *a, uint32_t allowed)
{
	return (a->seen & ~allowed) == 0 /* check: attribute-allowed */;
}

static bool hash_of(uint32_t number, bool esp, enum hash *to)
{
	for (int i = 0; i < HASHES; i++) {
		uint32_t have = esp ? hashes[i].esp : hashes[i].ike;

		if (have && have == number) {
			*to = (enum hash)i;
			return true;
		}
	}
	return false;
}

static bool aes_key_len(uint32_t bits, uint8_t *to)
{
	if (bits != 128 && bits != 192 && bits != 256) /* check: aes-key-length */
		return false;
	*to = (uint8_t)(bits / 8);
	return true;
}

static bool group_of(uint32_t number, enum dh_group *to)
{
	if (number > UINT8_MAX ||
		dh_public_len((enum dh_group)number) == 0 /* check: group-known */)
		return false;
	*to = (enum dh_group)number;
	return true;
}

bool ike_sa1_of(const struct ike_offer *o, struct ike_sa1 *to)
{
	enum {
		ALLOWED = 1 << A1_CIPHER | 1 << A1_HASH | 1 << A1_AUTH | 1 << A1_GROUP |
			  1 << A1_KEY_BITS
	};
	struct attributes a;

	*to = (struct ike_sa1){0};
	if (o->protocol != IKE_PROTO_ISAKMP /* check: sa1-protocol */ ||
		o->id != TRANSFORM_IKE /* check: sa1-transform */ ||
		o->bundled /* check: sa1-bundle */ || o->spi.n > 16 /* check: sa1-spi-length */)
		return false;
	if (!attributes_parse(o->attributes, A1_LIFE_TYPE, A1_LIFE, &a) || !only(&a, ALLOWED))
		return false;
	if (!hash_of(a.value[A1_HASH], false, &to->suite.hash) ||
		!group_of(a.value[A1_GROUP], &to->suite.group) ||
		a.value[A1_AUTH] > UINT16_MAX /* check: sa1-auth-number */)
		return false;
	to->auth = (uint16_t)a.value[A1_AUTH];
	to->life_s = a.life_s;
	if (a.value[A1_CIPHER] == IKE_AES) {
		to->suite.cipher = CBC_AES;
		return aes_key_len(a.value[A1_KEY_BITS], &to->suite.key_len);
	}
	to->suite.cipher = CBC_3DES;
	to->suite.key_len = 24;
	return a.value[A1_CIPHER] == IKE_3DES /* check: sa1-cipher */ &&
	       !(a.seen & 1u << A1_KEY_BITS) /* check: sa1-3des-key-length */;
}

/* Cipher and key length: AES says its length, 3DES has only one. */
static bool esp_cipher_of(uint8_t id, const struct attributes *a, struct esp_suite *to)
{
	to->key_len = 24;
	if (id == TRANSFORM_3DES) {
		to->cipher = ESP_3DES;
		return !(a->seen & 1u << A2_KEY_BITS) /* check: sa2-3des-key-length */;
	}
	to->cipher = id == TRANSFORM_GCM16 ? ESP_AES_GCM : ESP_AES_CBC;
	return (id == TRANSFORM_AES || id == TRANSFORM_GCM16) /* check: sa2-cipher */ &&
	       aes_key_len(a->value[A2_KEY_BITS], &to->key_len);
}

bool ike_sa2_of(const struct ike_offer *o, struct ike_sa2 *to)
{
	enum { ALLOWED = 1 << A2_GROUP | 1 << A2_MODE | 1 << A2_AUTH | 1 << A2_KEY_BITS };
	struct attributes a;

	*to = (struct ike_sa2){0};
	if (o->protocol != IKE_PROTO_ESP /* check: sa2-protocol */ ||
		o->spi.n != 4 /* check: sa2-spi-length */ || o->bundled /* check: sa2-bundle */)
		return false;
	if (!attributes_parse(o->attributes, A2_LIFE_TYPE, A2_LIFE, &a) || !only(&a, ALLOWED))
		return false;
	if (!esp_cipher_of(o->id, &a, &to->suite) ||
		a.value[A2_MODE] > UINT16_MAX /* check: sa2-mode-number */)
		return false;
	if (a.seen & 1u << A2_GROUP &&
		!group_of(a.value[A2_GROUP], &to->pfs)) /* check: sa2-group */
		return false;
	to->mode = (uint16_t)a.value[A2_MODE];
	to->life_s = a.life_s;
	if (to->suite.cipher == ESP_AES_GCM) {
		to->suite.icv_len = 16;
		return !(a.seen & 1u << A2_AUTH) /* check: sa2-gcm-auth */;
	}
	if (!hash_of(a.value[A2_AUTH], true, &to->suite.auth)) /* check: sa2-auth */
		return false;
	to->suite.icv_len = hashes[to->suite.auth].icv_len;
	return true;
}

bool ike_life_of(struct slice attributes, bool phase1, uint32_t *life_s)
{
	struct attributes a;
	bool ok = attributes_parse(
		attributes, phase1 ? A1_LIFE_TYPE : A2_LIFE_TYPE, phase1 ? A1_LIFE : A2_LIFE, &a);

	*life_s = a.life_s;
	return ok;
}

bool ike_suite_same(const struct ike_suite *a, const struct ike_suite *b)
{
	return a->cipher == b->cipher /* check: suite-cipher */ &&
	       a->key_len == b->key_len /* check: suite-key-length */ &&
	       a->hash == b->hash /* check: suite-hash */ &&
	       a->group == b->group /* check: suite-group */;
}

bool ike_esp_same(const struct esp_suite *a, const struct esp_suite *b)
{
	return a->cipher == b->cipher /* check: esp-suite-cipher */ &&
	       a->key_len == b->key_len /* check: esp-suite-key-length */ &&
	       (a->cipher == ESP_AES_GCM || a->auth == b->auth) /* check: esp-suite-auth */;
}

/* ---- writing ---- */

static void put_short(struct wr *w, uint16_t type, uint32_t value)
{
	wr_u16(w, (uint16_t)(SHORT_FORM | type));
	wr_u16(w, (uint16_t)value);
}

/* Always the long form: it is what Windows sends, so every server reads it. */
static void put_life(struct wr *w, uint16_t life_type, uint16_t life, uint32_t seconds)
{
	put_short(w, life_type, LIFE_SECONDS);
	wr_u16(w, life);
	wr_u16(w, 4);
	wr_u32(w, seconds);
}

static size_t open_transform(struct wr *w, bool last, uint8_t number, uint8_t id)
{
	size_t mark = wr_len(w);

	wr_u8(w, last ? 0 : PAYLOAD_TRANSFORM);
	wr_u8(w, 0);
	wr_u16(w, 0);
	wr_u8(w, number);
	wr_u8(w, id);
	wr_u16(w, 0);
	return mark;
}

static size_t open_proposal(
	struct wr *w, bool last, uint8_t number, uint8_t protocol, size_t count, struct slice spi)
{
	size_t mark = wr_len(w);

	wr_u8(w, last ? 0 : PAYLOAD_PROPOSAL);
	wr_u8(w, 0);
	wr_u16(w, 0);
	wr_u8(w, number);
	wr_u8(w, protocol);
	wr_u8(w, (uint8_t)spi.n);
	wr_u8(w, (uint8_t)count);
	wr_put(w, spi);
	return mark;
}

/* Proposals and transforms alike: the length is the third and fourth octet. */
static void close_part(struct wr *w, size_t mark)
{
	wr_close16(w, mark + 2, mark);
}

static void put_doi(struct wr *w)
{
	wr_u32(w, IKE_DOI_IPSEC);
	wr_u32(w, SITUATION_IDENTITY);
}

static void put_transform1(
	struct wr *w, const struct ike_suite *s, uint8_t number, bool last, uint32_t life_s)
{
	size_t mark = open_transform(w, last, number, TRANSFORM_IKE);

	put_short(w, A1_CIPHER, s->cipher == CBC_AES ? IKE_AES : IKE_3DES);
	if (s->cipher == CBC_AES)
		put_short(w, A1_KEY_BITS, s->key_len * 8u);
	put_short(w, A1_HASH, hashes[s->hash].ike);
	put_short(w, A1_GROUP, s->group);
	put_short(w, A1_AUTH, IKE_AUTH_PSK);
	put_life(w, A1_LIFE_TYPE, A1_LIFE, life_s);
	close_part(w, mark);
}

void ike_sa1_put(struct wr *w, const struct ike_suite *suites, size_t n, uint32_t life_s)
{
	put_doi(w);
	size_t mark = open_proposal(w, true, 1, IKE_PROTO_ISAKMP, n, slice(NULL, 0));

	for (size_t i = 0; i < n; i++)
		put_transform1(w, &suites[i], (uint8_t)(i + 1), i + 1 == n, life_s);
	close_part(w, mark);
}

static uint8_t esp_transform(enum esp_cipher cipher)
{
	static const uint8_t ids[] = {
		[ESP_AES_CBC] = TRANSFORM_AES,
		[ESP_3DES] = TRANSFORM_3DES,
		[ESP_AES_GCM] = TRANSFORM_GCM16,
	};

	return ids[cipher];
}

static void put_transform2(
	struct wr *w, const struct ike_sa2_offer *o, size_t i, uint8_t number, bool last)
{
	const struct esp_suite *s = &o->suites[i];
	size_t mark = open_transform(w, last, number, esp_transform(s->cipher));

	put_life(w, A2_LIFE_TYPE, A2_LIFE, o->life_s);
	if (o->pfs != DH_NONE)
		put_short(w, A2_GROUP, o->pfs);
	put_short(w, A2_MODE, o->mode);
	if (s->cipher != ESP_AES_GCM)
		put_short(w, A2_AUTH, hashes[s->auth].esp);
	if (s->cipher != ESP_3DES)
		put_short(w, A2_KEY_BITS, s->key_len * 8u);
	close_part(w, mark);
}

/* Octets of suites from `from` on that belong into one proposal: GCM needs one of its own, because
 * some servers refuse a proposal whose transforms differ in having an authentication algorithm. */
static size_t run_of(const struct ike_sa2_offer *o, size_t from)
{
	size_t n = 1;

	while (from + n < o->n && (o->suites[from + n].cipher == ESP_AES_GCM) ==
					  (o->suites[from].cipher == ESP_AES_GCM))
		n++;
	return n;
}

void ike_sa2_put(struct wr *w, const struct ike_sa2_offer *o)
{
	uint8_t spi[4], proposal = 0;

	put_u32(spi, o->spi);
	put_doi(w);
	for (size_t from = 0, n; from < o->n; from += n) {
		n = run_of(o, from);
		size_t mark = open_proposal(
			w, from + n == o->n, ++proposal, IKE_PROTO_ESP, n, slice(spi, sizeof(spi)));

		for (size_t i = 0; i < n; i++)
			put_transform2(w, o, from + i, (uint8_t)(i + 1), i + 1 == n);
		close_part(w, mark);
	}
}

void ike_accept_put(struct wr *w, const struct ike_offer *o, struct slice spi)
{
	put_doi(w);
	size_t mark = open_proposal(w, true, o->proposal, o->protocol, 1, spi);
	size_t transform = open_transform(w, true, o->transform, o->id);

	wr_put(w, o->attributes);
	close_part(w, transform);
	close_part(w, mark);
}

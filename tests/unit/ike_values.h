/* The SA payload read by other eyes than ike_prop.c's: octet by octet, without its tables. An answer
 * may be taken if and only if it says, by value, what one of the offered transforms says. */
#pragma once

#include "tests/unit/ike_world.h"
#include "tests/unit/values.h"

enum { SAID_TYPES = 16, OFFERED_MAX = 32, BODY_MAX = 1024 };

/* What a transform says, its lifetime apart. */
struct said {
	uint8_t protocol, id;
	uint32_t seen; /* a bit for each attribute */
	uint64_t value[SAID_TYPES];
};

struct offered {
	unsigned life; /* the attribute "life type"; the duration's number is the next */
	size_t n;
	struct said at[OFFERED_MAX];
};

/* An answer, field by field. */
struct reply {
	uint32_t doi, situation;
	uint8_t proposal, protocol, transforms, transform, id;
	uint8_t after_proposal, after_transform; /* next payload */
	size_t spi_len;
	uint8_t spi[UINT8_MAX];
	uint8_t spi_said; /* the length field */
	size_t n;
	uint8_t attributes[512];
};

static inline unsigned at16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* RFC 2408, 3.3: type with the top bit, then a value of two octets; or type, length, value. A life
 * type announces one duration; RFC 2407, 4.5. Nothing may be said twice. */
static inline bool attributes_said(const uint8_t *p, size_t n, unsigned life, struct said *to)
{
	bool announced = false;

	for (size_t at = 0; at < n;) {
		if (n - at < 4)
			return false;
		unsigned type = at16(p + at) & 0x7fff, field = at16(p + at + 2);
		bool is_short = p[at] & 0x80;
		uint64_t value = is_short ? field : 0;

		at += 4;
		if (!is_short && (field == 0 || field > 8 || field > n - at))
			return false;
		for (unsigned i = 0; !is_short && i < field; i++)
			value = value << 8 | p[at++];
		if (type == life ? announced || value < 1 || value > 2
				 : type == life + 1 && !announced)
			return false;
		if (type == life || type == life + 1) {
			announced = type == life;
			continue;
		}
		if (type >= SAID_TYPES || to->seen >> type & 1)
			return false;
		to->seen |= 1u << type;
		to->value[type] = value;
	}
	return !announced;
}

/* All transforms of an SA body that is known to be sound: ours. */
static inline void offered_read(struct slice body, unsigned life, struct offered *to)
{
	*to = (struct offered){.life = life};
	for (size_t at = 8; at < body.n; at += at16(body.p + at + 2)) {
		const uint8_t *proposal = body.p + at;
		const uint8_t *t = proposal + 8 + proposal[6];

		for (unsigned i = 0; i < proposal[7]; i++, t += at16(t + 2)) {
			assert_in_range(to->n, 0, OFFERED_MAX - 1);
			struct said *s = &to->at[to->n++];

			*s = (struct said){.protocol = proposal[5], .id = t[5]};
			assert_true(attributes_said(t + 8, at16(t + 2) - 8, life, s));
		}
	}
}

static inline bool said_same(const struct said *a, const struct said *b)
{
	return a->protocol == b->protocol && a->id == b->id && a->seen == b->seen &&
	       memcmp(a->value, b->value, sizeof(a->value)) == 0;
}

static inline bool spi_is_good(const struct reply *r)
{
	if (r->spi_said != r->spi_len)
		return false;
	if (r->protocol == IKE_PROTO_ISAKMP)
		return r->spi_len <= 16;
	return r->spi_len == 4 && (at16(r->spi) || r->spi[2]); /* below 256: reserved */
}

static inline bool reply_is_offered(const struct reply *r, const struct offered *o)
{
	struct said s = {.protocol = r->protocol, .id = r->id};

	if (r->doi != 1 || r->situation != 1 || r->transforms != 1 || r->after_proposal ||
		r->after_transform || !spi_is_good(r) ||
		!attributes_said(r->attributes, r->n, o->life, &s))
		return false;
	for (size_t i = 0; i < o->n; i++)
		if (said_same(&s, &o->at[i]))
			return true;
	return false;
}

static inline struct slice reply_body(const struct reply *r, uint8_t to[static BODY_MAX])
{
	struct wr w = wr_of(to, BODY_MAX);

	wr_u32(&w, r->doi);
	wr_u32(&w, r->situation);
	wr_u8(&w, r->after_proposal);
	wr_u8(&w, 0);
	wr_u16(&w, (uint16_t)(16 + r->spi_len + r->n));
	wr_u8(&w, r->proposal);
	wr_u8(&w, r->protocol);
	wr_u8(&w, r->spi_said);
	wr_u8(&w, r->transforms);
	wr_put(&w, slice(r->spi, r->spi_len));
	wr_u8(&w, r->after_transform);
	wr_u8(&w, 0);
	wr_u16(&w, (uint16_t)(8 + r->n));
	wr_u8(&w, r->transform);
	wr_u8(&w, r->id);
	wr_u16(&w, 0);
	wr_put(&w, slice(r->attributes, r->n));
	assert_false(w.bad);
	return wr_slice(&w);
}

/* ---- building the attributes ---- */

static inline void say_octets(struct reply *r, unsigned field, struct slice value)
{
	assert_true(r->n + 4 + value.n <= sizeof(r->attributes));
	put_u16(r->attributes + r->n, (uint16_t)field);
	put_u16(r->attributes + r->n + 2, (uint16_t)value.n);
	if (value.n)
		memcpy(r->attributes + r->n + 4, value.p, value.n);
	r->n += 4 + value.n;
}

/* `field` is the attribute's first field as it stands: with the top bit the value follows in two
 * octets, without it in `n` octets, big endian. */
static inline void say_number(struct reply *r, unsigned field, uint64_t value, size_t n)
{
	uint8_t octets[UINT8_MAX];
	struct wr w = wr_of(octets, sizeof(octets));

	if (field & 0x8000) {
		put_u16(r->attributes + r->n, (uint16_t)field);
		put_u16(r->attributes + r->n + 2, (uint16_t)value);
		r->n += 4;
		return;
	}
	wr_uint(&w, value, n);
	say_octets(r, field, slice(octets, n));
}

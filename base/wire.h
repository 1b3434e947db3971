/* Cursors over wire data: the only place with pointer arithmetic on it.
 *
 * Both cursors are sticky: the first access beyond the end sets `bad`, every later read gives
 * zeros and every later write does nothing. A parser reads all fields and asks once, at the
 * end; a builder writes all fields and asks once. All integers are big endian. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed octets. */
struct slice {
	const uint8_t *p;
	size_t n;
};

static inline struct slice slice(const void *p, size_t n)
{
	return (struct slice){.p = p, .n = n};
}

static inline struct slice slice_str(const char *s)
{
	return slice(s, strlen(s));
}

/* Not for secrets: see secret_equal(). */
static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.n == b.n /* check: slice-length */ && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ---- reading ---- */

struct rd {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

static inline struct rd rd_of(struct slice s)
{
	return (struct rd){.p = s.p, .end = s.n ? s.p + s.n : s.p};
}

/* Octets not read yet; 0 once the cursor is bad. */
static inline size_t rd_left(const struct rd *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}

/* The next n octets as a slice, or an empty one if there are fewer. */
static inline struct slice rd_take(struct rd *r, size_t n)
{
	if (r->bad /* check: reader-sticky */ ||
		n > (size_t)(r->end - r->p) /* check: reader-bounds */) {
		r->bad = true;
		return slice(NULL, 0);
	}
	struct slice s = slice(r->p, n);
	if (n)
		r->p += n;
	return s;
}

/* Everything that is left. */
static inline struct slice rd_rest(struct rd *r)
{
	return rd_take(r, rd_left(r));
}

static inline void rd_skip(struct rd *r, size_t n)
{
	(void)rd_take(r, n);
}

static inline uint64_t rd_uint(struct rd *r, size_t octets)
{
	struct slice s = rd_take(r, octets);
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | s.p[i];
	return v;
}

static inline uint8_t rd_u8(struct rd *r)
{
	return (uint8_t)rd_uint(r, 1);
}

static inline uint16_t rd_u16(struct rd *r)
{
	return (uint16_t)rd_uint(r, 2);
}

static inline uint32_t rd_u32(struct rd *r)
{
	return (uint32_t)rd_uint(r, 4);
}

static inline uint64_t rd_u64(struct rd *r)
{
	return rd_uint(r, 8);
}

/* Copy n octets out; zeros when there are fewer. */
static inline void rd_copy(struct rd *r, void *to, size_t n)
{
	struct slice s = rd_take(r, n);

	if (s.n)
		memcpy(to, s.p, n);
	else if (n)
		memset(to, 0, n);
}

/* ---- writing ---- */

struct wr {
	uint8_t *start;
	uint8_t *p;
	uint8_t *end;
	bool bad;
};

static inline struct wr wr_of(void *buf, size_t room)
{
	return (struct wr){.start = buf, .p = buf, .end = (uint8_t *)buf + room};
}

/* Octets written so far; 0 once the cursor is bad, so that nothing half made is sent. */
static inline size_t wr_len(const struct wr *w)
{
	return w->bad ? 0 : (size_t)(w->p - w->start);
}

static inline struct slice wr_slice(const struct wr *w)
{
	return slice(w->start, wr_len(w));
}

/* Room for n octets, to be filled by the caller; NULL if they do not fit. */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
	if (w->bad || n > (size_t)(w->end - w->p) /* check: writer-bounds */) {
		w->bad = true;
		return NULL;
	}
	uint8_t *at = w->p;
	w->p += n;
	return at;
}

static inline void wr_put(struct wr *w, struct slice s)
{
	uint8_t *at = wr_room(w, s.n);

	if (at && s.n)
		memcpy(at, s.p, s.n);
}

static inline void wr_zero(struct wr *w, size_t n)
{
	uint8_t *at = wr_room(w, n);

	if (at && n)
		memset(at, 0, n);
}

static inline void wr_uint(struct wr *w, uint64_t v, size_t octets)
{
	uint8_t *at = wr_room(w, octets);

	for (size_t i = octets; at && i-- > 0; v >>= 8)
		at[i] = (uint8_t)v;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	wr_uint(w, v, 1);
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
	wr_uint(w, v, 2);
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
	wr_uint(w, v, 4);
}

static inline void wr_u64(struct wr *w, uint64_t v)
{
	wr_uint(w, v, 8);
}

/* Reserve a 16-bit length field; wr_close16() fills it in. The mark is its offset. */
static inline size_t wr_open16(struct wr *w)
{
	size_t mark = wr_len(w);

	wr_u16(w, 0);
	return mark;
}

/* Fill the field reserved at `mark` with the octets written since `from` (an offset). */
static inline void wr_close16(struct wr *w, size_t mark, size_t from)
{
	size_t n = wr_len(w) - from;

	if (w->bad || n > UINT16_MAX /* check: writer-field-16 */) {
		w->bad = true;
		return;
	}
	w->start[mark] = (uint8_t)(n >> 8);
	w->start[mark + 1] = (uint8_t)n;
}

/* Single integers at a known place: data headers that are pushed, checksums. */
static inline void put_u16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void put_u32(uint8_t *at, uint32_t v)
{
	put_u16(at, (uint16_t)(v >> 16));
	put_u16(at + 2, (uint16_t)v);
}

static inline uint16_t get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)get_u16(at) << 16 | get_u16(at + 2);
}

#include "base/pkt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISONING 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONING 1
#endif
#endif
#ifdef POISONING
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n)   ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

enum { SMALL, LARGE, SIZES };

/* How many free pieces the pool keeps; beyond that they go back to the system. */
enum { KEEP_SMALL = 256, KEEP_LARGE = 8, KEEP_VIEWS = 1024 };

struct pktbuf {
	struct pktbuf *next; /* in the free list */
	struct pkt_pool *pool;
	unsigned refs;
	unsigned size; /* SMALL or LARGE */
	bool secret;
	uint8_t octets[];
};

struct pkt_pool {
	struct pktbuf *free[SIZES];
	size_t kept[SIZES];
	struct pkt *views;
	size_t views_kept;
	size_t live;
};

static const size_t octets_of[SIZES] = {PKT_SMALL, PKT_LARGE};
static const size_t keep[SIZES] = {KEEP_SMALL, KEEP_LARGE};

struct pkt_pool *pkt_pool_new(void)
{
	return calloc(1, sizeof(struct pkt_pool));
}

void pkt_pool_free(struct pkt_pool *pool)
{
	if (!pool)
		return;
	assert(pool->live == 0);
	for (unsigned size = 0; size < SIZES; size++)
		while (pool->free[size]) {
			struct pktbuf *b = pool->free[size];

			pool->free[size] = b->next;
			free(b);
		}
	while (pool->views) {
		struct pkt *p = pool->views;

		pool->views = p->next;
		free(p);
	}
	free(pool);
}

size_t pkt_pool_live(const struct pkt_pool *pool)
{
	return pool->live;
}

static struct pktbuf *buf_get(struct pkt_pool *pool, unsigned size)
{
	struct pktbuf *b = pool->free[size];

	if (b) {
		pool->free[size] = b->next;
		pool->kept[size]--;
		ASAN_UNPOISON_MEMORY_REGION(b->octets, octets_of[size]);
	} else {
		b = malloc(sizeof(*b) + octets_of[size]);
		if (!b)
			return NULL;
	}
	b->pool = pool;
	b->refs = 0;
	b->size = size;
	b->secret = false;
	pool->live++;
	return b;
}

static void buf_put(struct pktbuf *b)
{
	struct pkt_pool *pool = b->pool;

	pool->live--;
	if (b->secret)
		explicit_bzero(b->octets, octets_of[b->size]); /* check: packet-wipe */
	if (pool->kept[b->size] >= keep[b->size]) {
		free(b);
		return;
	}
	ASAN_POISON_MEMORY_REGION(b->octets, octets_of[b->size]);
	b->next = pool->free[b->size];
	pool->free[b->size] = b;
	pool->kept[b->size]++;
}

static struct pkt *view_get(struct pkt_pool *pool)
{
	struct pkt *p = pool->views;

	if (!p)
		return malloc(sizeof(*p));
	pool->views = p->next;
	pool->views_kept--;
	return p;
}

static void view_put(struct pkt_pool *pool, struct pkt *p)
{
	if (pool->views_kept >= KEEP_VIEWS) {
		free(p);
		return;
	}
	p->next = pool->views;
	pool->views = p;
	pool->views_kept++;
}

struct pkt *pkt_new(struct pkt_pool *pool, size_t room)
{
	if (room > PKT_LARGE - PKT_ROOM) /* check: packet-size */
		return NULL;
	struct pkt *p = view_get(pool);
	if (!p)
		return NULL;
	unsigned size = room + PKT_ROOM <= PKT_SMALL ? SMALL : LARGE;
	struct pktbuf *b = buf_get(pool, size);
	if (!b) {
		view_put(pool, p);
		return NULL;
	}
	b->refs = 1;
	*p = (struct pkt){
		.buf = b,
		.data = b->octets + PKT_ROOM,
		.floor = b->octets,
		.ceil = b->octets + octets_of[size],
	};
	return p;
}

struct pkt *pkt_new_ctl(struct pkt_pool *pool, size_t room)
{
	struct pkt *p = pkt_new(pool, room);

	if (p)
		pkt_mark_secret(p); /* check: packet-control-secret */
	return p;
}

struct pkt *pkt_of(struct pkt_pool *pool, struct slice s)
{
	struct pkt *p = pkt_new_ctl(pool, s.n);

	if (p && s.n) {
		memcpy(p->data, s.p, s.n);
		p->len = s.n;
	}
	return p;
}

struct pkt *pkt_view(const struct pkt *of, uint8_t *data, size_t len, uint8_t *floor, uint8_t *ceil)
{
	struct pkt *p = view_get(of->buf->pool);

	if (!p)
		return NULL;
	of->buf->refs++;
	*p = (struct pkt){
		.buf = of->buf,
		.data = data,
		.len = len,
		.floor = floor,
		.ceil = ceil,
		.lane = of->lane,
	};
	return p;
}

void pkt_free(struct pkt *p)
{
	if (!p)
		return;
	struct pktbuf *b = p->buf;
	struct pkt_pool *pool = b->pool;

	view_put(pool, p);
	if (--b->refs == 0)
		buf_put(b);
}

void pkt_mark_secret(struct pkt *p)
{
	p->buf->secret = true;
}

/* Packets: views of reference-counted buffers, and queues of views.
 *
 * A buffer holds 2 KiB or 64 KiB. A view (struct pkt) names a part of it; UDP GRO and TUN
 * segmentation give one buffer up to 64 views. Each view has room in front and behind that no
 * other view uses, so that headers are pushed and padding is put in place. Buffers and views come
 * from a pool, so no packet costs an allocation from the system once the pool is warm.
 *
 * Ownership: a function that takes a queue takes what is in it and leaves it empty; a function
 * that takes a struct pkt * says whether it takes or borrows it. A control packet owns its buffer
 * and the buffer is wiped when it goes back to the pool: it may have held a password. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

enum {
	PKT_SMALL = 2048,  /* octets in a small buffer */
	PKT_LARGE = 65536, /* octets in a large one */
	PKT_ROOM = 128,    /* in front of a fresh packet: UDP + L2TP + PPP + ESP + marker fit */
	PKT_TAIL = 96,     /* behind: ESP padding, trailer and the longest ICV fit */
	PKT_BATCH = 64,    /* packets that cross an interface in one call, at most */
};

/* Which of a connection's sockets a packet came from or leaves by. */
enum lane {
	LANE_IKE,  /* UDP 500 */
	LANE_NATT, /* UDP 4500 */
	LANE_RAW,  /* IP protocol 50 */
	LANE_L2TP, /* UDP 1701, inside the ESP of the kernel */
	LANE_PPP,  /* frames of a session that the kernel has */
	LANES,
};

struct pktbuf;
struct pkt_pool;

struct pkt {
	struct pkt *next;
	struct pktbuf *buf;
	uint8_t *data;
	size_t len;     /* octets from data on */
	uint8_t *floor; /* data may be moved down to here */
	uint8_t *ceil;  /* and its end up to here */
	enum lane lane; /* meaningful between the stack and the sockets only */
};

struct pktq {
	struct pkt *head;
	struct pkt *tail;
	size_t count;
};

/* What a layer gives back: `down` goes towards the network, `up` towards the user. */
struct io {
	struct pktq down;
	struct pktq up;
};

/* NULL only when out of memory. A pool serves one thread. */
struct pkt_pool *pkt_pool_new(void);

/* Free the pool; every packet must have been freed before. NULL is allowed. */
void pkt_pool_free(struct pkt_pool *pool);

/* Buffers handed out and not yet back: 0 when nothing leaks. */
size_t pkt_pool_live(const struct pkt_pool *pool);

/* An empty packet with PKT_ROOM octets in front and at least `room` behind. NULL when out of
 * memory or when room + PKT_ROOM exceeds PKT_LARGE. */
struct pkt *pkt_new(struct pkt_pool *pool, size_t room);

/* The same, and its buffer is wiped when it is freed: for everything that is not user data. */
struct pkt *pkt_new_ctl(struct pkt_pool *pool, size_t room);

/* A control packet that holds a copy of s. */
struct pkt *pkt_of(struct pkt_pool *pool, struct slice s);

/* Another view of p's buffer: `len` octets from `data`, and exclusively [floor, ceil) around them.
 * The caller guarantees that no two live views share an octet. NULL when out of memory. */
struct pkt *pkt_view(const struct pkt *p, uint8_t *data, size_t len, uint8_t *floor, uint8_t *ceil);

/* Give the view back; the last one gives the buffer back. NULL is allowed. */
void pkt_free(struct pkt *p);

/* From now on p's buffer is wiped when it goes back: it holds, or will hold, something secret. */
void pkt_mark_secret(struct pkt *p);

/* n octets in front; they become the new beginning. NULL and nothing changed if there is no room. */
static inline uint8_t *pkt_push(struct pkt *p, size_t n)
{
	if (n > (size_t)(p->data - p->floor)) /* check: packet-push-room */
		return NULL;
	p->data -= n;
	p->len += n;
	return p->data;
}

/* Drop n octets at the front; false and nothing changed if there are fewer. */
static inline bool pkt_pull(struct pkt *p, size_t n)
{
	if (n > p->len) /* check: packet-pull-length */
		return false;
	p->data += n;
	p->len -= n;
	return true;
}

/* n more octets at the end, to be filled by the caller. NULL if there is no room. */
static inline uint8_t *pkt_put(struct pkt *p, size_t n)
{
	uint8_t *at = p->data + p->len;

	if (n > (size_t)(p->ceil - at)) /* check: packet-put-room */
		return NULL;
	p->len += n;
	return at;
}

/* Cut to len octets; false and nothing changed if there are fewer. */
static inline bool pkt_trim(struct pkt *p, size_t len)
{
	if (len > p->len) /* check: packet-trim-length */
		return false;
	p->len = len;
	return true;
}

static inline struct slice pkt_slice(const struct pkt *p)
{
	return slice(p->data, p->len);
}

/* A writer over everything from data up to the ceiling; pkt_wrote() takes its length over. */
static inline struct wr pkt_wr(struct pkt *p)
{
	return wr_of(p->data, (size_t)(p->ceil - p->data));
}

static inline bool pkt_wrote(struct pkt *p, const struct wr *w)
{
	p->len = wr_len(w);
	return !w->bad;
}

/* ---- queues ---- */

static inline void pktq_put(struct pktq *q, struct pkt *p)
{
	p->next = NULL;
	if (q->tail)
		q->tail->next = p;
	else
		q->head = p;
	q->tail = p;
	q->count++;
}

/* The first packet, taken out; NULL when empty. */
static inline struct pkt *pktq_take(struct pktq *q)
{
	struct pkt *p = q->head;

	if (!p)
		return NULL;
	q->head = p->next;
	if (!q->head)
		q->tail = NULL;
	q->count--;
	p->next = NULL;
	return p;
}

/* Append all of `from`, which is empty afterwards. */
static inline void pktq_join(struct pktq *q, struct pktq *from)
{
	if (!from->head)
		return;
	if (q->tail)
		q->tail->next = from->head;
	else
		q->head = from->head;
	q->tail = from->tail;
	q->count += from->count;
	*from = (struct pktq){0};
}

static inline void pktq_free(struct pktq *q)
{
	for (struct pkt *p = pktq_take(q); p; p = pktq_take(q))
		pkt_free(p);
}

/* Every packet, in order; the queue must not change meanwhile. */
#define pktq_for_each(p, q) for (struct pkt *p = (q)->head; p; p = p->next)

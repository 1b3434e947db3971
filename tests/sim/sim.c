#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NAT_FIRST_PORT = 30000,
	CORRUPT_BITS = 3,
	ISAKMP_HEADER = 28,
	ISAKMP_EXCHANGE = 18,
	ISAKMP_ID = 20,
};

struct sim {
	struct pkt_pool *pool;
	uint64_t rng, hash, order;
	msec now;
	bool nat, trace;
	uint16_t nat_port[LANES];
	struct sim_way way[SIM_ENDS];
	struct sim_item *heap;
	size_t n, room;
};

uint64_t sim_mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void sim_rng(void *ctx, void *to, size_t n)
{
	uint8_t *at = to;

	while (n > 0) {
		uint64_t v = sim_mix(ctx);
		size_t part = n < sizeof(v) ? n : sizeof(v);

		memcpy(at, &v, part);
		at += part;
		n -= part;
	}
}

static void new_ports(struct sim *s)
{
	for (int lane = 0; lane < LANES; lane++)
		s->nat_port[lane] = (uint16_t)(NAT_FIRST_PORT + sim_random(s, 30000));
}

struct sim *sim_new(uint64_t seed, struct pkt_pool *pool, bool nat, bool trace)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->pool = pool;
	s->rng = seed;
	s->hash = seed;
	s->nat = nat;
	s->trace = trace;
	s->now = SECONDS(1000);
	new_ports(s);
	return s;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		pkt_free(s->heap[i].pkt);
	free(s->heap);
	free(s);
}

msec sim_now(const struct sim *s)
{
	return s->now;
}

uint64_t sim_hash(const struct sim *s)
{
	return s->hash;
}

uint64_t sim_random(struct sim *s, uint64_t below)
{
	return below ? sim_mix(&s->rng) % below : 0;
}

bool sim_chance(struct sim *s, unsigned per_mille)
{
	return per_mille && sim_random(s, 1000) < per_mille;
}

struct sim_way *sim_way(struct sim *s, enum sim_end towards)
{
	return &s->way[towards];
}

void sim_quiet(struct sim *s)
{
	for (int i = 0; i < SIM_ENDS; i++)
		s->way[i] = (struct sim_way){.delay = s->way[i].delay, .cut = s->way[i].cut};
}

void sim_rebind(struct sim *s)
{
	sim_note(s, "the NAT rebinds", 0);
	new_ports(s);
}

/* ---- the heap ---- */

static bool before(const struct sim_item *a, const struct sim_item *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct sim *s, size_t i, size_t j)
{
	struct sim_item item = s->heap[i];

	s->heap[i] = s->heap[j];
	s->heap[j] = item;
}

static void push(struct sim *s, struct sim_item item)
{
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		s->heap = realloc(s->heap, s->room * sizeof(*s->heap));
		if (!s->heap)
			abort();
	}
	item.order = s->order++;
	s->heap[s->n] = item;
	for (size_t i = s->n++; i > 0 && before(&s->heap[i], &s->heap[(i - 1) / 2]);
		i = (i - 1) / 2)
		swap(s, i, (i - 1) / 2);
}

static struct sim_item pop(struct sim *s)
{
	struct sim_item first = s->heap[0];

	s->heap[0] = s->heap[--s->n];
	for (size_t i = 0;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < s->n; child++)
			if (before(&s->heap[child], &s->heap[least]))
				least = child;
		if (least == i)
			return first;
		swap(s, i, least);
		i = least;
	}
}

msec sim_due(const struct sim *s)
{
	return s->n ? s->heap[0].at : MSEC_NEVER;
}

bool sim_next(struct sim *s, msec at, struct sim_item *item)
{
	if (at > s->now)
		s->now = at;
	if (sim_due(s) > s->now)
		return false;
	*item = pop(s);
	return true;
}

void sim_at(struct sim *s, msec at, int action, uint64_t arg)
{
	push(s, (struct sim_item){.at = at, .kind = SIM_SCRIPT, .action = action, .arg = arg});
}

/* ---- the trace ---- */

static void mix_in(struct sim *s, uint64_t v)
{
	uint64_t state = s->hash ^ v;

	s->hash = sim_mix(&state);
}

static void mix_octets(struct sim *s, struct slice octets)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (size_t i = 0; i < octets.n; i++)
		sum = (sum ^ octets.p[i]) * 0x100000001b3u;
	mix_in(s, sum);
}

void sim_note(struct sim *s, const char *what, uint64_t value)
{
	mix_in(s, s->now);
	mix_octets(s, slice_str(what));
	mix_in(s, value);
	if (s->trace)
		fprintf(stderr, "%10.3f  -- %s %llu\n", (double)s->now / 1000, what,
			(unsigned long long)value);
}

static void describe(const struct pkt *p, char *to, size_t room)
{
	bool marked = p->lane == LANE_NATT && p->len > 4 && get_u32(p->data) == 0;
	size_t at = marked ? 4 : 0;

	if (p->len == 1)
		snprintf(to, room, "keepalive");
	else if ((p->lane == LANE_IKE || marked) && p->len >= at + ISAKMP_HEADER)
		snprintf(to, room, "ISAKMP exchange %u id %08x cookie %08x",
			p->data[at + ISAKMP_EXCHANGE], get_u32(p->data + at + ISAKMP_ID),
			get_u32(p->data + at));
	else if (p->len >= 8)
		snprintf(to, room, "ESP spi %08x seq %u", get_u32(p->data), get_u32(p->data + 4));
	else
		snprintf(to, room, "%zu octets", p->len);
}

static void trace(
	struct sim *s, enum sim_end towards, const struct pkt *p, const char *fate, msec at)
{
	char text[80];

	mix_in(s, s->now);
	mix_in(s, (uint64_t)towards << 8 | (uint64_t)p->lane);
	mix_octets(s, slice_str(fate));
	mix_octets(s, pkt_slice(p));
	if (!s->trace)
		return;
	describe(p, text, sizeof(text));
	fprintf(stderr, "%10.3f  %s %5u  %-46s %5zu  %s", (double)s->now / 1000,
		towards == SIM_GATEWAY ? "->" : "<-",
		p->lane == LANE_IKE   ? 500
		: p->lane == LANE_RAW ? 50
				      : 4500,
		text, p->len, fate);
	if (at)
		fprintf(stderr, " %.3f", (double)at / 1000);
	fprintf(stderr, "\n");
}

/* ---- the network ---- */

static struct addr translated(const struct sim *s, const struct addr *a, enum lane lane)
{
	if (!s->nat)
		return *a;
	return (struct addr){ip_v4(0xcb007107), s->nat_port[lane]}; /* 203.0.113.7 */
}

/* UDP's checksum finds what is damaged; ESP in UDP has none, and finds it itself. RFC 3948, 2.1 */
static bool has_checksum(const struct pkt *p)
{
	return p->lane == LANE_IKE || (p->lane == LANE_NATT && (p->len < 4 || !get_u32(p->data)));
}

static void damage(struct sim *s, struct pkt *p)
{
	uint64_t bits = 1 + sim_random(s, CORRUPT_BITS);

	for (uint64_t i = 0; i < bits && p->len; i++)
		p->data[sim_random(s, p->len)] ^= (uint8_t)(1u << sim_random(s, 8));
}

static void carry(struct sim *s, enum sim_end towards, struct pkt *p, const struct addr *from)
{
	const struct sim_way *way = &s->way[towards];
	msec at = s->now + way->delay + sim_random(s, way->jitter + 1);

	if (sim_chance(s, way->reorder))
		at += sim_random(s, way->overtaken + 1);
	if (sim_chance(s, way->corrupt)) {
		bool found = has_checksum(p);

		damage(s, p);
		if (found || has_checksum(p)) {
			trace(s, towards, p, "damaged, dropped", 0);
			pkt_free(p);
			return;
		}
		trace(s, towards, p, "damaged, arrives", at);
	} else {
		trace(s, towards, p, "arrives", at);
	}
	push(s, (struct sim_item){
			.at = at, .kind = SIM_PACKET, .to = towards, .from = *from, .pkt = p});
}

void sim_send(struct sim *s, enum sim_end towards, struct pkt *p, const struct addr *from,
	const struct addr *to)
{
	const struct sim_way *way = &s->way[towards];
	enum lane lane = p->lane;
	struct addr source = *from;

	if (towards == SIM_GATEWAY) {
		source = translated(s, from, lane);
	} else if (s->nat && to->port != s->nat_port[lane]) {
		trace(s, towards, p, "no mapping", 0);
		pkt_free(p);
		return;
	}
	if (way->cut || sim_chance(s, way->loss)) {
		trace(s, towards, p, "lost", 0);
		pkt_free(p);
		return;
	}
	struct pkt *twin = sim_chance(s, way->duplicate) ? pkt_of(s->pool, pkt_slice(p)) : NULL;
	if (twin) {
		twin->lane = lane;
		carry(s, towards, twin, &source);
	}
	carry(s, towards, p, &source);
}

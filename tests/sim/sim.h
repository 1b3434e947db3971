/* A virtual clock and a network between two ends, all from one seed.
 *
 * Everything that happens is an item in a heap of (time, order of its making); taking the next one
 * moves the clock. Packets may be lost, delayed, overtaken, doubled and damaged on each of the two
 * ways; a NAT may stand before the client and forget its mappings. Every packet, with its octets,
 * its time and its fate, enters the trace hash: the same seed gives the same hash. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/msec.h"
#include "base/pkt.h"

struct sim;

enum sim_end { SIM_CLIENT, SIM_GATEWAY, SIM_ENDS };

/* One way; chances in packets of 1000. */
struct sim_way {
	unsigned loss, duplicate, reorder, corrupt;
	msec delay, jitter; /* each packet takes delay + [0, jitter] */
	msec overtaken;     /* a reordered one takes up to so much longer */
	bool cut;
};

enum sim_kind { SIM_PACKET, SIM_SCRIPT };

struct sim_item {
	msec at;
	uint64_t order;
	enum sim_kind kind;
	enum sim_end to;  /* PACKET */
	struct addr from; /* PACKET: as the receiver sees it */
	struct pkt *pkt;  /* PACKET: of whoever takes the item */
	int action;       /* SCRIPT: what they mean is the owner's business */
	uint64_t arg;
};

/* splitmix64. */
uint64_t sim_mix(uint64_t *state);
/* The same as a struct env's rng; ctx is the state. */
void sim_rng(void *ctx, void *to, size_t n);

/* `trace`: print each packet to stderr. */
struct sim *sim_new(uint64_t seed, struct pkt_pool *pool, bool nat, bool trace);
void sim_free(struct sim *s);

msec sim_now(const struct sim *s);
uint64_t sim_hash(const struct sim *s);
uint64_t sim_random(struct sim *s, uint64_t below);
bool sim_chance(struct sim *s, unsigned per_mille);
struct sim_way *sim_way(struct sim *s, enum sim_end towards);
void sim_quiet(struct sim *s); /* both ways without faults; delay and cut stay */

/* The NAT gives the client new ports: answers to the old ones are lost. */
void sim_rebind(struct sim *s);

/* Takes p; p->lane says which sockets. */
void sim_send(struct sim *s, enum sim_end towards, struct pkt *p, const struct addr *from,
	const struct addr *to);
void sim_at(struct sim *s, msec at, int action, uint64_t arg);

/* Note something else that happened. */
void sim_note(struct sim *s, const char *what, uint64_t value);

/* When the first item is due; MSEC_NEVER when there is none. */
msec sim_due(const struct sim *s);
/* Move the clock to `at` (not back); then the first item that is due, false when none is. */
bool sim_next(struct sim *s, msec at, struct sim_item *item);

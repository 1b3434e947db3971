/* A breadth-first walk over what a protocol machine can get into.
 *
 * A machine stands against its counterpart in tests/peer. Whatever it sends arrives at once; what
 * comes back waits in a line, and each letter of the alphabet is one thing that can happen next. From
 * every state that is new, every letter is tried: states are told apart by a key that holds what
 * matters of both ends, and the evidence that was seen. Machines cannot be copied, so a state is
 * reached anew by its word, the letters that led there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/answer.h"
#include "base/env.h"
#include "base/msec.h"
#include "base/pkt.h"

enum letter {
	LETTER_NEXT,      /* the next packet of the peer arrives */
	LETTER_LOSS,      /* it is lost */
	LETTER_DUPLICATE, /* the last one that arrived comes again */
	LETTER_STALE,     /* the first one that arrived comes again */
	LETTER_FORGED,    /* a copy of the next one, changed at its end, comes before it */
	LETTER_GARBLED,   /* or in the middle */
	LETTER_NOTICE,    /* an error that nobody proved */
	LETTER_TIMEOUT,   /* the machine's deadline */
	LETTER_PEER_TIMEOUT,
	LETTER_YES, /* the open question is answered */
	LETTER_NO,
	LETTER_LATE, /* an answer comes to a question that is not open */
	LETTER_CLOSE,
	LETTERS,
};

enum { WALK_LINE = 8 };

/* What every machine of a walk begins with. */
struct walker {
	const struct env *env;
	uint64_t rng;
	struct env own; /* with a generator of its own: the same word leads to the same place */
	msec now;
	struct pkt *line[WALK_LINE]; /* from the peer, waiting */
	unsigned waiting;
	struct pkt *first, *last; /* that arrived */
	uint32_t question, secrets;
	bool up, ended;
	const char *wrong; /* what must not be, NULL */
};

struct walk_machine {
	const char *name;
	/* Made and opened; begins with a struct walker that was set up. */
	struct walker *(*begin)(const struct env *env);
	void (*end)(struct walker *w);
	void (*recv)(struct walker *w, struct pkt *p); /* takes p */
	void (*tick)(struct walker *w);
	msec (*deadline)(const struct walker *w);
	void (*peer_tick)(struct walker *w);
	msec (*peer_deadline)(const struct walker *w);
	void (*answer)(struct walker *w, uint32_t id, bool yes);
	void (*close)(struct walker *w);
	struct pkt *(*notice)(struct walker *w); /* NULL: there is none */
	uint64_t (*key)(const struct walker *w);
};

extern const struct walk_machine walk_ike, walk_l2tp, walk_ppp;

struct walk_result {
	unsigned states, steps, ups, ends, deepest;
};

/* All words up to `depth` letters, from states that differ. Fails the cmocka test with the word when
 * something is wrong. */
struct walk_result walk(const struct walk_machine *m, unsigned depth, const struct env *env);

/* ---- for the machines ---- */

void walker_open(struct walker *w, const struct env *env);
void walker_close(struct walker *w);
void walker_line_up(struct walker *w, struct pktq *from_peer); /* takes all */

/* A number into a key. */
uint64_t walk_mix(uint64_t key, uint64_t v);
/* Counts that matter only as none, one, more. */
static inline unsigned walk_few(uint64_t n)
{
	return n > 2 ? 2 : (unsigned)n;
}

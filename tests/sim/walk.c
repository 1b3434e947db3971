#include "tests/sim/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/sim.h"

enum { WORD = 16, SEEN_BITS = 18, STATES_MAX = 1 << 17 };

struct word {
	uint8_t n, letters[WORD];
};

/* ---- a walker ---- */

void walker_open(struct walker *w, const struct env *env)
{
	w->env = env;
	w->rng = 4711;
	w->own = *env;
	w->own.rng = sim_rng;
	w->own.ctx = &w->rng;
	w->now = SECONDS(1000);
}

void walker_close(struct walker *w)
{
	for (unsigned i = 0; i < w->waiting; i++)
		pkt_free(w->line[i]);
	pkt_free(w->first);
	pkt_free(w->last);
}

void walker_line_up(struct walker *w, struct pktq *from_peer)
{
	for (struct pkt *p = pktq_take(from_peer); p; p = pktq_take(from_peer)) {
		if (w->waiting < WALK_LINE)
			w->line[w->waiting++] = p;
		else
			pkt_free(p);
	}
}

uint64_t walk_mix(uint64_t key, uint64_t v)
{
	uint64_t state = key ^ v;

	return sim_mix(&state);
}

static struct pkt *copy(const struct walker *w, const struct pkt *p)
{
	struct pkt *c = pkt_of(w->env->pool, pkt_slice(p));

	assert_non_null(c);
	c->lane = p->lane;
	return c;
}

static struct pkt *take_first(struct walker *w)
{
	struct pkt *p = w->line[0];

	memmove(w->line, w->line + 1, --w->waiting * sizeof(w->line[0]));
	return p;
}

static void arrive(const struct walk_machine *m, struct walker *w)
{
	struct pkt *p = take_first(w);

	if (!w->first)
		w->first = copy(w, p);
	pkt_free(w->last);
	w->last = copy(w, p);
	m->recv(w, p);
}

/* In a sealed IKE message: a place where only the HASH is hurt, the rest stays readable. */
static size_t middle(const struct pkt *p)
{
	enum { ISAKMP_HEADER = 28, BLOCK = 16 };

	return p->len > 4 * BLOCK ? ISAKMP_HEADER + BLOCK : p->len / 2;
}

static void changed(const struct walk_machine *m, struct walker *w, size_t at)
{
	struct pkt *p = copy(w, w->line[0]);

	p->data[at] ^= 0x01;
	m->recv(w, p);
}

/* False when the letter means nothing here. */
static bool step(const struct walk_machine *m, struct walker *w, enum letter letter)
{
	struct pkt *notice;

	switch (letter) {
	case LETTER_NEXT:
		if (w->waiting)
			arrive(m, w);
		return true;
	case LETTER_LOSS:
		if (!w->waiting)
			return false;
		pkt_free(take_first(w));
		return true;
	case LETTER_DUPLICATE:
		if (!w->last)
			return false;
		m->recv(w, copy(w, w->last));
		return true;
	case LETTER_STALE:
		if (!w->first)
			return false;
		m->recv(w, copy(w, w->first));
		return true;
	case LETTER_FORGED:
	case LETTER_GARBLED:
		if (!w->waiting)
			return false;
		changed(m, w, letter == LETTER_FORGED ? w->line[0]->len - 1 : middle(w->line[0]));
		return true;
	case LETTER_NOTICE:
		notice = m->notice ? m->notice(w) : NULL;
		if (notice)
			m->recv(w, notice);
		return notice;
	case LETTER_TIMEOUT:
		if (m->deadline(w) == MSEC_NEVER)
			return false;
		w->now = m->deadline(w) > w->now ? m->deadline(w) : w->now;
		m->tick(w);
		return true;
	case LETTER_PEER_TIMEOUT:
		if (m->peer_deadline(w) == MSEC_NEVER)
			return false;
		w->now = m->peer_deadline(w) > w->now ? m->peer_deadline(w) : w->now;
		m->peer_tick(w);
		return true;
	case LETTER_YES:
	case LETTER_NO:
		if (!w->question)
			return false;
		uint32_t id = w->question;
		w->question = 0;
		m->answer(w, id, letter == LETTER_YES);
		return true;
	case LETTER_LATE:
		m->answer(w, w->question + 1000, true);
		return true;
	case LETTER_CLOSE:
		m->close(w);
		return true;
	case LETTERS:
		break;
	}
	return false;
}

/* ---- the walk ---- */

static void spell(const struct word *word, char *to, size_t room)
{
	static const char *const names[LETTERS] = {"next", "loss", "duplicate", "stale", "forged",
		"garbled", "notice", "timeout", "peer timeout", "yes", "no", "late", "close"};
	size_t at = 0;

	to[0] = 0;
	for (unsigned i = 0; i < word->n && at < room; i++)
		at += (size_t)snprintf(
			to + at, room - at, "%s%s", i ? ", " : "", names[word->letters[i]]);
}

static void check(const struct walk_machine *m, const struct walker *w, const struct word *word)
{
	char text[256];

	if (!w->wrong)
		return;
	spell(word, text, sizeof(text));
	fail_msg("%s: %s, after: %s", m->name, w->wrong, text);
}

/* An open-addressed set; true when the key is new. */
static bool add(uint64_t *seen, uint64_t key)
{
	size_t mask = ((size_t)1 << SEEN_BITS) - 1, i = key & mask;

	key |= 1;
	while (seen[i] && seen[i] != key)
		i = (i + 1) & mask;
	if (seen[i])
		return false;
	seen[i] = key;
	return true;
}

static uint64_t whole_key(const struct walk_machine *m, const struct walker *w)
{
	uint64_t key = m->key(w);

	key = walk_mix(key, w->waiting < 3 ? w->waiting : 3);
	key = walk_mix(key, (uint64_t)(w->question != 0) | (uint64_t)w->up << 1 |
				    (uint64_t)w->ended << 2 | (uint64_t)(w->last != NULL) << 3);
	for (unsigned i = 0; i < w->waiting && i < 2; i++)
		key = walk_mix(key, w->line[i]->len);
	return key;
}

static struct walker *reach(
	const struct walk_machine *m, const struct word *word, const struct env *env)
{
	struct walker *w = m->begin(env);

	for (unsigned i = 0; i < word->n; i++)
		step(m, w, (enum letter)word->letters[i]);
	return w;
}

static void leave(const struct walk_machine *m, struct walker *w)
{
	const struct env *env = w->env;

	m->end(w);
	assert_int_equal(pkt_pool_live(env->pool), 0);
}

struct walk_result walk(const struct walk_machine *m, unsigned depth, const struct env *env)
{
	struct walk_result result = {0};
	uint64_t *seen = calloc((size_t)1 << SEEN_BITS, sizeof(*seen));
	struct word *words = calloc(STATES_MAX, sizeof(*words));
	unsigned n = 1;

	assert_non_null(seen);
	assert_non_null(words);
	assert_true(depth <= WORD);
	for (unsigned at = 0; at < n && words[at].n < depth; at++) {
		for (unsigned letter = 0; letter < LETTERS; letter++) {
			struct word word = words[at];
			struct walker *w = reach(m, &word, env);
			bool possible = step(m, w, (enum letter)letter);

			word.letters[word.n++] = (uint8_t)letter;
			check(m, w, &word);
			result.steps++;
			if (possible && add(seen, whole_key(m, w))) {
				result.ups += w->up;
				result.ends += w->ended;
				result.deepest = word.n;
				if (n < STATES_MAX)
					words[n++] = word;
			}
			leave(m, w);
		}
	}
	result.states = n;
	free(words);
	free(seen);
	return result;
}

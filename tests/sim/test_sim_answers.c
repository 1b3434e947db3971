/* Every question that the client asks its owner, and every one that its layers ask each other, is
 * answered with no, never, late, twice, under wrong ids and after the end, each occurrence in its
 * turn: the first connect, the next address, renewals, the reconnect after the gateway's restart.
 *
 *	test_sim_answers               all of them
 *	test_sim_answers Q F N         question Q and fault F (numbers of the enums), the Nth, with a trace
 *
 * The linker puts the functions below between the owner and the layers (--wrap). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/str.h"
#include "ike/ike.h"
#include "ppp/ppp.h"
#include "tests/sim/world_priv.h"

enum question { ADDRESSES, SOCKETS, SECRET, LINK, SPI, SA, PASSWORD, ASKED };
enum fault { NO, NEVER, LATE, TOO_LATE, TWICE, WRONG_ID, AFTER_END, FAULTS };

static const char *const question_names[ASKED] = {"addresses", "sockets", "the user's secret",
	"the link", "an SPI", "the installing of a pair", "PPP's password"};
static const char *const fault_names[FAULTS] = {
	"no", "never", "late", "too late", "twice", "under wrong ids", "after the end"};

enum {
	LIFE_LASTS = 250000, /* ms */
	RECOVERY = 200000,
	SA_LIFE_S = 60,
	A_LITTLE = 5000,
	TOO_LONG = 31000,         /* the host itself is not waited for so long */
	TOO_LONG_TYPING = 121000, /* nor a person */
};

static struct sim_host host;
static bool trace;

static struct {
	enum question question;
	enum fault fault;
	unsigned at; /* the one it hits, from 1; 0: only count */
	unsigned count[ASKED];
	struct world *world;
	uint32_t again; /* the id of an answer that was held back and comes now */

	/* the answer that a layer waits for */
	const void *layer;
	struct answer late;
	uint32_t late_id;
	msec late_at;
} script;

/* ---- what is said in place of the answer ---- */

struct play {
	unsigned times; /* that the answer is given */
	bool no, wrong;
};

static bool is_typed(enum question q)
{
	return q == SECRET || q == PASSWORD;
}

/* So much later; the owner's by itself, a layer's when its clock ticks. */
static void hold_back(enum question q, uint32_t id, msec after)
{
	static const enum world_question of[] = {ASK_ADDRESSES, ASK_SOCKETS, ASK_SECRET, ASK_LINK};

	if (q <= LINK) {
		script.again = id;
		world_at(script.world, after, DO_ANSWER, (uint64_t)of[q] << 32 | id);
	} else {
		script.late_at = world_now(script.world) + after;
	}
}

static struct play play_of(enum question q, uint32_t id)
{
	const struct play as_it_is = {.times = 1}, silence = {.times = 0};

	if (q <= LINK && id == script.again) {
		script.again = 0;
		return as_it_is;
	}
	if (++script.count[q] != script.at || q != script.question)
		return as_it_is;
	switch (script.fault) {
	case NO:
		return (struct play){.no = true};
	case NEVER:
	case FAULTS:
		return silence;
	case LATE:
		hold_back(q, id, A_LITTLE);
		return silence;
	case TOO_LATE:
		hold_back(q, id, is_typed(q) ? TOO_LONG_TYPING : TOO_LONG);
		return silence;
	case TWICE:
		return (struct play){.times = 2};
	case WRONG_ID:
		return (struct play){.times = 1, .wrong = true};
	case AFTER_END:
		world_at(script.world, 0, DO_CLOSE, 0);
		hold_back(q, id, A_LITTLE);
		return silence;
	}
	return as_it_is;
}

/* Both are calls that say `id`. */
#define PLAY(q, yes, no_)                                                                          \
	do {                                                                                       \
		const struct play play = play_of(q, id);                                           \
		const uint32_t right = id;                                                         \
		const uint32_t wrong[] = {right + 1, right - 1, ~right};                           \
                                                                                                   \
		for (unsigned i = 0; i < 3 && play.wrong; i++) {                                   \
			id = wrong[i];                                                             \
			no_;                                                                       \
			yes;                                                                       \
		}                                                                                  \
		id = right;                                                                        \
		if (play.no)                                                                       \
			no_;                                                                       \
		for (unsigned i = 0; i < play.times; i++)                                          \
			yes;                                                                       \
	} while (0)

#define WRAPPED(type, name, params)                                                                \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params

/* ---- the owner's answers to conn ---- */

WRAPPED(void, conn_resolved,
	(struct conn * c, uint32_t id, const struct ip *ips, size_t n, const char *why, msec now,
		struct io *out))
{
	PLAY(ADDRESSES, __real_conn_resolved(c, id, ips, n, why, now, out),
		__real_conn_resolved(c, id, NULL, 0, "no such name", now, out));
}

WRAPPED(void, conn_opened,
	(struct conn * c, uint32_t id, const struct conn_sockets *sockets, const struct reason *why,
		msec now, struct io *out))
{
	struct reason no;

	reason_set(&no, REASON_LOCAL_SOCKET, "no socket here");
	PLAY(SOCKETS, __real_conn_opened(c, id, sockets, why, now, out),
		__real_conn_opened(c, id, NULL, &no, now, out));
}

WRAPPED(void, conn_secret,
	(struct conn * c, uint32_t id, const struct answer *answer, msec now, struct io *out))
{
	const struct answer no = {.why = "nobody is there"};

	PLAY(SECRET, __real_conn_secret(c, id, answer, now, out),
		__real_conn_secret(c, id, &no, now, out));
}

WRAPPED(void, conn_linked,
	(struct conn * c, uint32_t id, const struct reason *why, msec now, struct io *out))
{
	struct reason no;

	reason_set(&no, REASON_LOCAL_TUN, "no interface here");
	PLAY(LINK, __real_conn_linked(c, id, why, now, out),
		__real_conn_linked(c, id, &no, now, out));
}

/* ---- the stack's answers to its layers ---- */

static void keep(const void *layer, uint32_t id, const struct answer *answer)
{
	if (script.layer)
		return;
	script.layer = layer;
	script.late = *answer;
	script.late_id = id;
}

/* Is it time for the answer that this layer waits for? */
static bool is_due(const void *layer, msec now)
{
	bool due = script.late_at && now >= script.late_at && layer == script.layer;

	if (due)
		script.late_at = 0;
	return due;
}

WRAPPED(void, ike_answer,
	(struct ike * ike, uint32_t id, const struct answer *answer, msec now, struct io *out))
{
	const struct answer no = {.why = "the host says no"};

	PLAY(answer->spi ? SPI : SA, __real_ike_answer(ike, id, answer, now, out),
		__real_ike_answer(ike, id, &no, now, out));
	if (script.late_at)
		keep(ike, id, answer);
}

WRAPPED(void, ike_tick, (struct ike * ike, msec now, struct io *out))
{
	if (is_due(ike, now))
		__real_ike_answer(ike, script.late_id, &script.late, now, out);
	__real_ike_tick(ike, now, out);
}

WRAPPED(void, ppp_answer,
	(struct ppp * p, uint32_t id, const struct answer *answer, msec now, struct io *out))
{
	const struct answer no = {.why = "nobody is there"};

	PLAY(PASSWORD, __real_ppp_answer(p, id, answer, now, out),
		__real_ppp_answer(p, id, &no, now, out));
	if (script.late_at)
		keep(p, id, answer);
}

WRAPPED(void, ppp_tick, (struct ppp * p, msec now, struct io *out))
{
	if (is_due(p, now))
		__real_ppp_answer(p, script.late_id, &script.late, now, out);
	__real_ppp_tick(p, now, out);
}

/* ---- a life ---- */

/* What a fault must come to at its first occurrence; NONE: nothing. */
static const enum reason_id expected[ASKED][FAULTS] = {
	[ADDRESSES] =
		{[NO] = REASON_NET_DNS, [NEVER] = REASON_NET_DNS, [TOO_LATE] = REASON_NET_DNS},
	[SOCKETS] = {[NO] = REASON_LOCAL_SOCKET,
		[NEVER] = REASON_LOCAL_SOCKET,
		[TOO_LATE] = REASON_LOCAL_SOCKET},
	[SECRET] = {[NO] = REASON_PASSWORD_NEEDED,
		[NEVER] = REASON_PASSWORD_NEEDED,
		[TOO_LATE] = REASON_PASSWORD_NEEDED},
	[LINK] = {[NO] = REASON_LOCAL_TUN,
		[NEVER] = REASON_LOCAL_ROUTES,
		[TOO_LATE] = REASON_LOCAL_ROUTES},
	[SPI] = {[NO] = REASON_ESP_PLANE,
		[NEVER] = REASON_ESP_PLANE,
		[TOO_LATE] = REASON_ESP_PLANE},
	[SA] = {[NO] = REASON_ESP_PLANE, [NEVER] = REASON_ESP_PLANE, [TOO_LATE] = REASON_ESP_PLANE},
	[PASSWORD] = {[NO] = REASON_PASSWORD_NEEDED,
		[NEVER] = REASON_PASSWORD_NEEDED,
		[TOO_LATE] = REASON_PASSWORD_NEEDED},
};

static unsigned runs, unharmed, recovered, ended[REASONS];

static struct world *begin(void)
{
	struct world_conf conf;

	world_defaults(&conf, 1);
	conf.trace = trace;
	conf.addresses = 2; /* the first is dead: sockets are asked for twice */
	conf.answers[ASK_ADDRESSES].after = 1;
	conf.client.reconnect = conf.client.keep_trying = true;
	conf.client.stack.ike.esp_life_s = conf.client.stack.ike.ike_life_s = SA_LIFE_S;
	conf.client.stack.ike.dpd_interval = SECONDS(10);
	conf.client.stack.ppp.echo_interval = SECONDS(5);
	conf.client.stack.ppp.echo_patience = SECONDS(10);
	conf.ping_every = SECONDS(2);
	conf.way[SIM_CLIENT].delay = conf.way[SIM_GATEWAY].delay = 10;
	struct world *w = world_new(&conf, &host);
	world_at(w, SECONDS(30), DO_GATEWAY_REKEY, 0);
	world_at(w, SECONDS(120), DO_RESTART, 0);
	return w;
}

static bool is_late(const struct world *w)
{
	return script.late_at && world_now(w) >= script.late_at;
}

static bool is_over(const struct world *w)
{
	return w->ended || is_late(w) || (world_is_up(w) && world_now(w) >= w->began + LIFE_LASTS);
}

/* A layer that waits has no other clock than the client's. */
static void live(struct world *w)
{
	msec end = w->began + LIFE_LASTS + RECOVERY;

	while (world_until(w, is_over, end - world_now(w)) && is_late(w)) {
		struct io out = {0};

		conn_tick(w->conn, world_now(w), &out);
		world_from_client(w, &out);
		script.late_at = 0;
	}
}

static void judge(struct world *w)
{
	enum reason_id want = expected[script.question][script.fault];
	bool seen = want == REASON_NONE;

	for (unsigned i = 0; i < w->n_reasons; i++) {
		enum reason_id r = w->reasons[i];

		seen |= r == want;
		if (r != want && r != REASON_LINK_LOST && !(r == REASON_NONE && w->asked_to_end))
			world_wrong(w, "%s instead of %s", reason_row(r)->id, reason_row(want)->id);
	}
	if (script.at == 1 && !seen)
		world_wrong(w, "no %s", reason_row(want)->id);
	if (w->ended && !w->asked_to_end && !reason_row(w->end.id)->final)
		world_wrong(w, "ended with %s, and keeps trying", reason_row(w->end.id)->id);
	if (script.fault == AFTER_END && script.at && !w->ended)
		world_wrong(w, "not ended");
	if (w->ended) {
		ended[w->end.id]++;
	} else {
		if (!world_is_up(w) || !world_pings_pass(w, 3))
			world_wrong(w, "not up, or pings do not pass");
		recovered += want != REASON_NONE;
		unharmed += want == REASON_NONE;
	}
}

/* False: there is no such occurrence. */
static bool try(enum question q, enum fault f, unsigned at)
{
	script.question = q;
	script.fault = f;
	script.at = at;
	for (int i = 0; i < ASKED; i++)
		script.count[i] = 0;
	script.layer = NULL;
	script.late_at = 0;
	script.again = 0;
	struct world *w = script.world = begin();
	live(w);
	bool struck = script.count[q] >= at;
	if (struck) {
		judge(w);
		runs++;
	}
	if (!w->ended)
		world_disconnect(w);
	world_run(w, SECONDS(200)); /* what comes after the end */
	if (*w->wrong)
		print_error("%s answered %s: test_sim_answers %d %d %u\n", question_names[q],
			fault_names[f], q, f, at);
	world_free(w);
	return struck;
}

static void every_answer_fails_once(void **state)
{
	(void)state;
	for (int q = 0; q < ASKED; q++) {
		unsigned times = 0;

		for (int f = 0; f < FAULTS; f++) {
			unsigned at = 1;

			while (try((enum question)q, (enum fault)f, at))
				at++;
			times = f == LATE ? at - 1 : times;
			assert_true(at > 1); /* it is asked for */
		}
		print_message("%s: asked for %u times\n", question_names[q], times);
	}
	print_message("figure: answers of the owner and between the layers: %u failed (no, never, "
		      "late, too late, twice, under wrong ids, after the end): %u unharmed, %u "
		      "recovered",
		runs, unharmed, recovered);
	for (int id = 0; id < REASONS; id++)
		if (ended[id])
			print_message(", %u ended %s", ended[id],
				id ? reason_row((enum reason_id)id)->id : "as the user wanted");
	print_message("; 0 ended otherwise, 0 crashed, 0 packets left\n");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_fails_once),
	};
	uint64_t q, f, at;
	int failed = 2;

	sim_host_open(&host);
	trace = argc == 4;
	if (argc == 1)
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	else if (argc == 4 && str_uint(argv[1], 0, ASKED - 1, &q) &&
		 str_uint(argv[2], 0, FAULTS - 1, &f) && str_uint(argv[3], 1, UINT32_MAX, &at))
		failed = !try((enum question)q, (enum fault)f, (unsigned)at);
	else
		print_error("usage: test_sim_answers [QUESTION FAULT N]\n");
	sim_host_close(&host);
	return failed;
}

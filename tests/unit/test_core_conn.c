/* conn over a scripted stack: the policy of a connection, in every state. The functions of stack.h
 * are this file's, so stack.c is not linked. */
#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conn.h"

enum { NEWS_MAX = 64, EVENTS = 128 };

/* ---- the stack that plays what a test says ---- */

struct stack {
	struct stack_event news[NEWS_MAX];
	unsigned first, n;
	char typed[32];
	bool closing;
};

static struct stack *the_stack; /* the one alive, or NULL */
static unsigned stacks;

struct stack *stack_new(const struct stack_conf *conf, const struct env *env)
{
	(void)conf;
	(void)env;
	assert_null(the_stack);
	the_stack = calloc(1, sizeof(*the_stack));
	assert_non_null(the_stack);
	stacks++;
	return the_stack;
}

void stack_free(struct stack *s)
{
	if (s)
		the_stack = NULL;
	free(s);
}

void stack_open(struct stack *s, msec now, struct io *out)
{
	(void)s;
	(void)now;
	(void)out;
}

void stack_close(struct stack *s, msec now, struct io *out)
{
	stack_open(s, now, out);
	s->closing = true;
}

void stack_abandon(struct stack *s, msec now, struct io *out)
{
	stack_open(s, now, out);
}

void stack_recv(struct stack *s, struct pktq *in, msec now, struct io *out)
{
	(void)s;
	(void)now;
	(void)out;
	pktq_free(in);
}

void stack_send(struct stack *s, struct pktq *in, msec now, struct io *out)
{
	stack_recv(s, in, now, out);
}

void stack_tick(struct stack *s, msec now, struct io *out)
{
	stack_open(s, now, out);
}

msec stack_deadline(const struct stack *s)
{
	(void)s;
	return MSEC_NEVER;
}

msec stack_heard(const struct stack *s)
{
	return stack_deadline(s); /* always just now */
}

bool stack_next_event(struct stack *s, struct stack_event *ev)
{
	if (s->n == 0)
		return false;
	*ev = s->news[s->first++ % NEWS_MAX];
	s->n--;
	return true;
}

void stack_answer(
	struct stack *s, uint32_t id, const struct answer *answer, msec now, struct io *out)
{
	(void)id, (void)now, (void)out;
	assert_true(answer->yes);
	snprintf(s->typed, sizeof(s->typed), "%.*s", (int)answer->secret.n,
		(const char *)answer->secret.p);
}

void stack_get_status(const struct stack *s, struct stack_status *status)
{
	(void)s;
	*status = (struct stack_status){0};
}

void stack_handed(struct stack *s, bool yes, msec now, struct io *out)
{
	(void)s, (void)yes, (void)now, (void)out;
}

bool stack_get_sa(const struct stack *s, unsigned i, struct esp_sa_status *status)
{
	(void)s, (void)i, (void)status;
	return false;
}

static void news(struct stack_event ev)
{
	assert_true(the_stack && the_stack->n < NEWS_MAX);
	the_stack->news[(the_stack->first + the_stack->n++) % NEWS_MAX] = ev;
}

static void news_of(enum stack_event_kind kind)
{
	news((struct stack_event){.kind = kind, .id = 1});
}

static void news_failed(enum reason_id id)
{
	news((struct stack_event){.kind = STACK_EV_FAILED, .reason = {.id = id}});
}

/* ---- the owner ---- */

struct fixture {
	struct env *env;
	struct conn_conf conf;
	struct conn *conn;
	msec now;
	struct io out;
	struct conn_event seen[EVENTS];
	size_t n;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->env = test_env_new(1);
	f->now = 1000;
	f->conf = (struct conn_conf){.gateway = "vpn.example.com", .reconnect = true};
	f->conn = conn_new(&f->conf, f->env);
	assert_non_null(f->conn);
	stacks = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	conn_free(f->conn);
	assert_null(the_stack);
	test_env_free(f->env);
	free(f);
	return 0;
}

static enum conn_state state_of(const struct fixture *f)
{
	struct conn_status st;

	conn_get_status(f->conn, &st);
	return st.state;
}

/* What has happened since the last look. */
static void look(struct fixture *f)
{
	f->n = 0;
	while (f->n < EVENTS && conn_next_event(f->conn, &f->seen[f->n]))
		f->n++;
}

static unsigned count(const struct fixture *f, enum conn_event_kind kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->seen[i].kind == kind;
	return n;
}

static const struct conn_event *the(const struct fixture *f, enum conn_event_kind kind)
{
	assert_int_equal(count(f, kind), 1);
	for (size_t i = 0; i < f->n; i++)
		if (f->seen[i].kind == kind)
			return &f->seen[i];
	return NULL;
}

static void tick_at(struct fixture *f, msec now)
{
	f->now = now;
	conn_tick(f->conn, now, &f->out);
	look(f);
}

/* The stack's news reach conn with the next packet. */
static void pump(struct fixture *f)
{
	struct pktq none = {0};

	conn_recv(f->conn, &none, f->now, &f->out);
	look(f);
}

static void resolved(struct fixture *f, unsigned n)
{
	struct ip ips[CONN_ADDRESSES_MAX];

	for (unsigned i = 0; i < n; i++)
		ips[i] = ip_v4(0xc0000201u + i);
	conn_resolved(f->conn, the(f, CONN_EV_WANT_ADDRESSES)->id, ips, n, NULL, f->now, &f->out);
	look(f);
}

static void opened(struct fixture *f)
{
	struct conn_sockets sockets = {0};

	conn_opened(f->conn, the(f, CONN_EV_WANT_SOCKETS)->id, &sockets, NULL, f->now, &f->out);
	look(f);
}

static void linked(struct fixture *f)
{
	conn_linked(f->conn, the(f, CONN_EV_WANT_LINK)->id, NULL, f->now, &f->out);
	look(f);
}

/* From wherever it asks for addresses. */
static void go_on(struct fixture *f, enum conn_state to)
{
	if (to >= CONN_OPENING)
		resolved(f, 1);
	if (to >= CONN_CONNECTING)
		opened(f);
	if (to >= CONN_LINKING) {
		news_of(STACK_EV_UP);
		pump(f);
	}
	if (to >= CONN_UP)
		linked(f);
	assert_int_equal(state_of(f), to);
}

static void reach(struct fixture *f, enum conn_state to)
{
	conn_open(f->conn, f->now, &f->out);
	look(f);
	go_on(f, to);
}

/* It was up, and waits for its next attempt. */
static void lose(struct fixture *f)
{
	news_failed(REASON_LINK_LOST);
	pump(f);
	assert_int_equal(state_of(f), CONN_WAITING);
}

/* ---- the way up ---- */

static void it_asks_for_one_thing_after_the_other(void **state)
{
	struct fixture *f = *state;

	reach(f, CONN_UP);
	assert_true(f->n == 1 && count(f, CONN_EV_UP) == 1 && conn_deadline(f->conn) == MSEC_NEVER);
}

static void what_the_owner_never_answers_ends_in_a_reason(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum conn_state at;
		enum reason_id why;
	} cases[] = {
		{CONN_RESOLVING, REASON_NET_DNS},
		{CONN_OPENING, REASON_LOCAL_SOCKET},
		{CONN_LINKING, REASON_LOCAL_ROUTES},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		reach(f, cases[i].at);
		tick_at(f, conn_deadline(f->conn));
		assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, cases[i].why);
		assert_int_equal(state_of(f), CONN_IDLE);
	}
}

static void a_late_answer_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct conn_sockets sockets = {0};
	struct reason no = {.id = REASON_LOCAL_TUN};
	struct answer decline = {0};
	struct ip ip = ip_v4(0xc0000201);

	for (enum conn_state at = CONN_IDLE; at <= CONN_UP; at++) {
		if (at != CONN_IDLE)
			reach(f, at);
		for (uint32_t id = 0; id < 64; id++) {
			if (at != CONN_RESOLVING)
				conn_resolved(f->conn, id, &ip, 1, NULL, f->now, &f->out);
			if (at != CONN_OPENING)
				conn_opened(f->conn, id, &sockets, NULL, f->now, &f->out);
			if (at != CONN_LINKING)
				conn_linked(f->conn, id, &no, f->now, &f->out);
			conn_secret(f->conn, id, &decline, f->now, &f->out);
		}
		look(f);
		assert_int_equal(f->n, 0);
		assert_int_equal(state_of(f), at);
		conn_close(f->conn, REASON_NONE, f->now, &f->out);
		if (the_stack)
			news_of(STACK_EV_CLOSED);
		pump(f);
		assert_int_equal(state_of(f), CONN_IDLE);
	}
}

static void a_question_that_was_overtaken_is_not_asked(void **state)
{
	struct fixture *f = *state;

	reach(f, CONN_CONNECTING);
	news_of(STACK_EV_UP);
	news_failed(REASON_L2TP_CLOSED_BY_PEER);
	pump(f);
	assert_int_equal(count(f, CONN_EV_WANT_LINK), 0);

	reach(f, CONN_CONNECTING);
	news_of(STACK_EV_WANT_SECRET);
	news_failed(REASON_LINK_LOST);
	pump(f);
	assert_int_equal(count(f, CONN_EV_WANT_SECRET), 0);

	reach(f, CONN_CONNECTING);
	news_of(STACK_EV_UP);
	news_of(STACK_EV_DOWN);
	news_of(STACK_EV_UP);
	pump(f);
	linked(f);
	assert_int_equal(state_of(f), CONN_UP);
}

static void an_owner_that_does_not_listen_still_hears_the_end(void **state)
{
	struct fixture *f = *state;

	reach(f, CONN_CONNECTING);
	for (int i = 0; i < NEWS_MAX - 1; i++)
		news_of(STACK_EV_STEP);
	news_failed(REASON_LINK_LOST);
	pump(f);
	assert_int_equal(f->seen[f->n - 1].kind, CONN_EV_ENDED);
}

/* ---- the end ---- */

static void a_cancel_ends_every_state_and_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	for (enum conn_state at = CONN_RESOLVING; at <= CONN_UP; at++) {
		reach(f, at);
		conn_close(f->conn, REASON_CANCELLED, f->now, &f->out);
		conn_close(f->conn, REASON_CANCELLED, f->now, &f->out);
		if (the_stack) {
			assert_true(the_stack->closing);
			news_of(STACK_EV_CLOSED);
		}
		pump(f);
		assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_CANCELLED);
		assert_int_equal(count(f, CONN_EV_CLOSE_SOCKETS), at >= CONN_CONNECTING);
		assert_int_equal(count(f, CONN_EV_DROP_LINK), at == CONN_UP);
		assert_null(the_stack);
		assert_true(conn_deadline(f->conn) == MSEC_NEVER);
	}
}

static void a_cancel_while_it_waits_takes_the_backstop_away(void **state)
{
	struct fixture *f = *state;

	reach(f, CONN_UP);
	lose(f);
	assert_true(the(f, CONN_EV_DROP_LINK)->hold);
	conn_close(f->conn, REASON_NONE, f->now, &f->out);
	look(f);
	assert_false(the(f, CONN_EV_DROP_LINK)->hold);
	assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_NONE);
}

static void a_link_that_fails_half_way_is_taken_away(void **state)
{
	struct fixture *f = *state;
	struct reason why = {.id = REASON_LOCAL_ROUTES};

	reach(f, CONN_LINKING);
	conn_linked(f->conn, the(f, CONN_EV_WANT_LINK)->id, &why, f->now, &f->out);
	look(f);
	the(f, CONN_EV_DROP_LINK);
	the(f, CONN_EV_CLOSE_SOCKETS);
	assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_LOCAL_ROUTES);
}

/* ---- again ---- */

static void a_renewal_from_any_state_comes_up_again(void **state)
{
	struct fixture *f = *state;

	for (enum conn_state at = CONN_IDLE; at <= CONN_UP; at++) {
		if (at != CONN_IDLE)
			reach(f, at);
		conn_renew(f->conn, f->now, &f->out);
		if (at >= CONN_CONNECTING) {
			news_of(STACK_EV_CLOSED);
			pump(f);
			assert_int_equal(count(f, CONN_EV_DROP_LINK), at == CONN_UP);
			assert_int_equal(count(f, CONN_EV_ENDED), 0);
			go_on(f, CONN_UP);
		} else if (at == CONN_IDLE) {
			look(f);
			go_on(f, CONN_UP);
		}
		conn_close(f->conn, REASON_NONE, f->now, &f->out);
		if (the_stack)
			news_of(STACK_EV_CLOSED);
		pump(f);
		assert_int_equal(state_of(f), CONN_IDLE);
	}
}

static void a_cancel_overtakes_a_renewal(void **state)
{
	struct fixture *f = *state;

	reach(f, CONN_UP);
	conn_renew(f->conn, f->now, &f->out);
	conn_close(f->conn, REASON_CANCELLED, f->now, &f->out);
	news_of(STACK_EV_CLOSED);
	pump(f);
	assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_CANCELLED);
}

static void a_lost_link_comes_back_by_itself(void **state)
{
	struct fixture *f = *state;
	struct conn_status st;

	reach(f, CONN_UP);
	lose(f);
	tick_at(f, conn_deadline(f->conn));
	go_on(f, CONN_UP);
	conn_get_status(f->conn, &st);
	assert_int_equal(st.reconnects, 1);
	assert_int_equal(stacks, 2);
}

static void a_final_reason_is_not_tried_again(void **state)
{
	struct fixture *f = *state;

	reach(f, CONN_UP);
	lose(f);
	tick_at(f, conn_deadline(f->conn));
	go_on(f, CONN_CONNECTING);
	news_failed(REASON_PPP_AUTH_REFUSED);
	pump(f);
	assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_PPP_AUTH_REFUSED);
	assert_false(the(f, CONN_EV_DROP_LINK)->hold);
}

/* The server opened PPP anew: no reconnect, and its stages take no longer than they took. */
static void a_renegotiation_asks_for_the_link_again(void **state)
{
	struct fixture *f = *state;
	struct conn_status st;

	reach(f, CONN_UP);
	f->now += SECONDS(5 * 3600);
	news_of(STACK_EV_DOWN);
	pump(f);
	assert_int_equal(state_of(f), CONN_CONNECTING);
	assert_int_equal(f->n, 0);
	f->now += 20;
	news_of(STACK_EV_STEP);
	news_of(STACK_EV_UP);
	pump(f);
	assert_true(the(f, CONN_EV_STEP)->took == 20);
	linked(f);
	assert_true(the(f, CONN_EV_UP)->took == 20);
	conn_get_status(f->conn, &st);
	assert_int_equal(st.reconnects, 0);
}

/* ---- addresses ---- */

static void the_next_address_follows_a_silent_one(void **state)
{
	struct fixture *f = *state;
	static const enum reason_id silent[] = {
		REASON_IKE_TIMEOUT, REASON_IKE_PORT_CLOSED, REASON_NET_UNREACHABLE};

	conn_open(f->conn, f->now, &f->out);
	look(f);
	resolved(f, 4);
	for (unsigned i = 0; i < 3; i++) {
		struct ip want = ip_v4(0xc0000201u + i);

		assert_true(ip_equal(&the(f, CONN_EV_WANT_SOCKETS)->remote, &want));
		opened(f);
		news_failed(silent[i]);
		pump(f);
		assert_int_equal(f->seen[0].kind, CONN_EV_CLOSE_SOCKETS);
		assert_int_equal(count(f, CONN_EV_ENDED), 0);
	}
	opened(f);
	news_failed(REASON_IKE_TIMEOUT);
	pump(f);
	assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_IKE_TIMEOUT);
}

static void a_server_that_answers_is_not_left_for_another(void **state)
{
	struct fixture *f = *state;

	conn_open(f->conn, f->now, &f->out);
	look(f);
	resolved(f, 2);
	opened(f);
	news_failed(REASON_IKE_PSK_WRONG);
	pump(f);
	assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_IKE_PSK_WRONG);
}

static void good_addresses_outlive_a_dead_resolver(void **state)
{
	struct fixture *f = *state;

	reach(f, CONN_UP);
	lose(f);
	tick_at(f, conn_deadline(f->conn));
	resolved(f, 0);
	assert_int_equal(state_of(f), CONN_OPENING);
}

static void a_name_without_an_address_says_what_was_asked(void **state)
{
	struct fixture *f = *state;

	conn_open(f->conn, f->now, &f->out);
	look(f);
	conn_resolved(f->conn, the(f, CONN_EV_WANT_ADDRESSES)->id, NULL, 0,
		"vpn.example.com: no answer, asked 192.0.2.53", f->now, &f->out);
	look(f);
	assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_NET_DNS);
	assert_string_equal(the(f, CONN_EV_ENDED)->reason.evidence,
		"vpn.example.com: no answer, asked 192.0.2.53");
}

static void hearsay_is_believed_after_five_copies(void **state)
{
	struct fixture *f = *state;

	reach(f, CONN_CONNECTING);
	for (int i = 0; i < 4; i++)
		conn_net_error(f->conn, CONN_PORT_CLOSED, f->now, &f->out);
	conn_net_error(f->conn, CONN_UNREACHABLE, f->now, &f->out);
	look(f);
	assert_int_equal(f->n, 0);
	conn_net_error(f->conn, CONN_PORT_CLOSED, f->now, &f->out);
	look(f);
	assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_IKE_PORT_CLOSED);
}

/* ---- the password ---- */

static const struct answer wonderland = {
	.yes = true, .secret = {(const uint8_t *)"wonderland", 10}};

static const struct answer declined = {.why = "the prompt was declined"};

static uint32_t be_asked(struct fixture *f)
{
	news_of(STACK_EV_WANT_SECRET);
	pump(f);
	return the(f, CONN_EV_WANT_SECRET)->id;
}

static void a_typed_password_serves_until_the_end(void **state)
{
	struct fixture *f = *state;

	reach(f, CONN_CONNECTING);
	conn_secret(f->conn, be_asked(f), &wonderland, f->now, &f->out);
	assert_string_equal(the_stack->typed, "wonderland");
	news_of(STACK_EV_UP);
	pump(f);
	linked(f);

	lose(f);
	tick_at(f, conn_deadline(f->conn));
	go_on(f, CONN_CONNECTING);
	news_of(STACK_EV_WANT_SECRET);
	pump(f);
	assert_int_equal(f->n, 0);
	assert_string_equal(the_stack->typed, "wonderland");

	conn_close(f->conn, REASON_NONE, f->now, &f->out);
	news_of(STACK_EV_CLOSED);
	pump(f);
	reach(f, CONN_CONNECTING);
	be_asked(f);
}

static void a_declined_prompt_is_a_reason(void **state)
{
	struct fixture *f = *state;

	reach(f, CONN_CONNECTING);
	conn_secret(f->conn, be_asked(f), &declined, f->now, &f->out);
	look(f);
	assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_PASSWORD_NEEDED);
	assert_string_equal(the(f, CONN_EV_ENDED)->reason.evidence, "the prompt was declined");
}

static void an_answer_to_a_cancelled_prompt_changes_nothing(void **state)
{
	struct fixture *f = *state;
	const struct answer *answers[] = {&wonderland, &declined};

	for (int i = 0; i < 2; i++) {
		reach(f, CONN_CONNECTING);
		uint32_t id = be_asked(f);

		conn_close(f->conn, REASON_CANCELLED, f->now, &f->out);
		conn_secret(f->conn, id, answers[i], f->now, &f->out);
		assert_string_equal(the_stack->typed, "");
		news_of(STACK_EV_CLOSED);
		pump(f);
		assert_int_equal(the(f, CONN_EV_ENDED)->reason.id, REASON_CANCELLED);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_asks_for_one_thing_after_the_other),
		TEST(what_the_owner_never_answers_ends_in_a_reason),
		TEST(a_late_answer_changes_nothing),
		TEST(a_question_that_was_overtaken_is_not_asked),
		TEST(an_owner_that_does_not_listen_still_hears_the_end),
		TEST(a_cancel_ends_every_state_and_leaves_nothing),
		TEST(a_cancel_while_it_waits_takes_the_backstop_away),
		TEST(a_link_that_fails_half_way_is_taken_away),
		TEST(a_renewal_from_any_state_comes_up_again),
		TEST(a_cancel_overtakes_a_renewal),
		TEST(a_lost_link_comes_back_by_itself),
		TEST(a_final_reason_is_not_tried_again),
		TEST(a_renegotiation_asks_for_the_link_again),
		TEST(the_next_address_follows_a_silent_one),
		TEST(a_server_that_answers_is_not_left_for_another),
		TEST(good_addresses_outlive_a_dead_resolver),
		TEST(a_name_without_an_address_says_what_was_asked),
		TEST(hearsay_is_believed_after_five_copies),
		TEST(a_typed_password_serves_until_the_end),
		TEST(a_declined_prompt_is_a_reason),
		TEST(an_answer_to_a_cancelled_prompt_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

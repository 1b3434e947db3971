/* The event loop: order, lifetimes, fairness. */
#define _GNU_SOURCE /* pipe2 */
#include "tests/vectors/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/loop.h"

/* What most tests need; each uses what it likes. */
struct world {
	struct loop *loop;
	struct loop_timer *timer[200];
	struct loop_watch *watch[2];
	struct loop_signal *signal;
	int pipe[2];
	unsigned fired;
	msec last;
	msec deadline[200];
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->loop = loop_new();
	*state = w;
	return w->loop && pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < 200; i++)
		loop_timer_free(w->timer[i]);
	loop_watch_free(w->watch[0]);
	loop_watch_free(w->watch[1]);
	loop_signal_free(w->signal);
	loop_free(w->loop);
	close(w->pipe[0]);
	close(w->pipe[1]);
	free(w);
	return 0;
}

static void stop(void *ctx)
{
	struct world *w = ctx;

	w->fired++;
	loop_stop(w->loop);
}

static void run(struct world *w)
{
	assert_int_equal(loop_run(w->loop), 0);
}

/* ---- timers ---- */

static void in_order(void *ctx)
{
	struct world *w = ctx;
	msec least = MSEC_NEVER;
	size_t at = 0;

	for (size_t i = 0; i < 200; i++)
		if (w->deadline[i] < least) {
			least = w->deadline[i];
			at = i;
		}
	assert_true(least >= w->last);
	assert_true(loop_now(w->loop) >= least);
	w->last = least;
	w->deadline[at] = MSEC_NEVER;
	if (++w->fired == 150)
		loop_stop(w->loop);
}

static void timers_fire_in_order_and_never_early(void **state)
{
	struct world *w = *state;
	struct env *env = test_env_new(3);
	msec now = loop_now(w->loop);

	for (size_t i = 0; i < 200; i++) {
		w->timer[i] = loop_timer_new(w->loop, in_order, w);
		w->deadline[i] = now + env_random_u16(env) % 40;
		loop_timer_set(w->timer[i], now + env_random_u16(env) % 4000);
		loop_timer_set(w->timer[i], w->deadline[i]);
	}
	for (size_t i = 0; i < 200; i += 4) {
		w->deadline[i] = MSEC_NEVER;
		if (i % 8)
			loop_timer_set(w->timer[i], MSEC_NEVER);
		else
			loop_timer_free(w->timer[i]);
		if (i % 8 == 0)
			w->timer[i] = NULL;
	}
	run(w);
	assert_int_equal(w->fired, 150);
	test_env_free(env);
}

static void free_self_and_next(void *ctx)
{
	struct world *w = ctx;

	w->fired++;
	loop_timer_free(w->timer[0]);
	loop_timer_free(w->timer[1]);
	w->timer[0] = w->timer[1] = NULL;
}

static void a_timer_may_free_itself_and_others_that_are_due(void **state)
{
	struct world *w = *state;

	w->timer[0] = loop_timer_new(w->loop, free_self_and_next, w);
	w->timer[1] = loop_timer_new(w->loop, free_self_and_next, w);
	w->timer[2] = loop_timer_new(w->loop, stop, w);
	loop_timer_set(w->timer[0], 0); /* long past */
	loop_timer_set(w->timer[1], 1);
	loop_timer_set(w->timer[2], loop_now(w->loop) + 1);
	run(w);
	assert_int_equal(w->fired, 2);
}

static void again_at_once(void *ctx)
{
	struct world *w = ctx;

	w->fired++;
	loop_timer_set(w->timer[0], loop_now(w->loop));
}

/* A timer that is always due leaves room for descriptors. */
static void a_busy_timer_starves_nobody(void **state)
{
	struct world *w = *state;

	w->timer[0] = loop_timer_new(w->loop, again_at_once, w);
	loop_timer_set(w->timer[0], 0);
	w->watch[0] = loop_watch_new(w->loop, w->pipe[1], LOOP_WRITE, stop, w);
	run(w);
	assert_true(w->fired >= 1);
}

/* ---- watches ---- */

static void read_one(void *ctx)
{
	struct world *w = ctx;
	char c;

	assert_int_equal(read(w->pipe[0], &c, 1), 1);
	if (++w->fired == 3)
		loop_stop(w->loop);
}

static void a_watch_calls_as_long_as_there_is_something(void **state)
{
	struct world *w = *state;

	w->watch[0] = loop_watch_new(w->loop, w->pipe[0], LOOP_READ, read_one, w);
	assert_int_equal(write(w->pipe[1], "abc", 3), 3);
	run(w);
	assert_int_equal(w->fired, 3);
}

static void resume(void *ctx)
{
	struct world *w = ctx;

	assert_int_equal(w->fired, 0);
	loop_watch_set(w->watch[0], true);
}

static void a_paused_watch_is_silent_until_resumed(void **state)
{
	struct world *w = *state;

	w->watch[0] = loop_watch_new(w->loop, w->pipe[0], LOOP_READ, stop, w);
	loop_watch_set(w->watch[0], false);
	loop_watch_set(w->watch[0], false);
	assert_int_equal(write(w->pipe[1], "a", 1), 1);
	w->timer[0] = loop_timer_new(w->loop, resume, w);
	loop_timer_set(w->timer[0], loop_now(w->loop) + 5);
	run(w);
	assert_int_equal(w->fired, 1);
}

static void free_both_watches(void *ctx)
{
	struct world *w = ctx;

	w->fired++;
	loop_watch_free(w->watch[0]);
	loop_watch_free(w->watch[1]);
	w->watch[0] = w->watch[1] = NULL;
	loop_timer_set(w->timer[0], loop_now(w->loop));
}

static void a_watch_may_free_itself_and_another_that_is_ready(void **state)
{
	struct world *w = *state;

	assert_int_equal(write(w->pipe[1], "a", 1), 1);
	w->watch[0] = loop_watch_new(w->loop, w->pipe[0], LOOP_READ, free_both_watches, w);
	w->watch[1] = loop_watch_new(w->loop, w->pipe[1], LOOP_WRITE, free_both_watches, w);
	w->timer[0] = loop_timer_new(w->loop, stop, w);
	run(w);
	assert_int_equal(w->fired, 2);
}

/* ---- signals, jobs ---- */

static void a_signal_is_an_event(void **state)
{
	struct world *w = *state;

	w->signal = loop_signal_new(w->loop, SIGUSR1, stop, w);
	assert_non_null(w->signal);
	assert_int_equal(raise(SIGUSR1), 0);
	run(w);
	assert_int_equal(w->fired, 1);
}

static void expect_second(void *ctx)
{
	struct world *w = ctx;

	assert_int_equal(w->fired, 2);
	w->fired = 3;
}

static void expect_first(void *ctx)
{
	struct world *w = ctx;

	assert_int_equal(w->fired, 1);
	w->fired = 2;
	assert_int_equal(loop_later(w->loop, stop, w), 0);
}

static void leave_jobs(void *ctx)
{
	struct world *w = ctx;

	assert_int_equal(loop_later(w->loop, expect_first, w), 0);
	assert_int_equal(loop_later(w->loop, expect_second, w), 0);
	w->fired = 1;
	loop_watch_free(w->watch[0]);
	w->watch[0] = NULL;
}

static void jobs_run_after_the_callback_in_order(void **state)
{
	struct world *w = *state;

	w->watch[0] = loop_watch_new(w->loop, w->pipe[1], LOOP_WRITE, leave_jobs, w);
	run(w);
	assert_int_equal(w->fired, 4);
}

static void a_stop_before_the_run_counts(void **state)
{
	struct world *w = *state;

	loop_stop(w->loop);
	run(w);
	assert_int_equal(loop_later(w->loop, stop, w), 0);
	run(w);
	assert_int_equal(w->fired, 1);
}

static void jobs_left_over_run_when_the_loop_is_freed(void **state)
{
	struct world *w = *state;
	struct world other = {.loop = loop_new()};

	(void)w;
	assert_int_equal(loop_later(other.loop, stop, &other), 0);
	loop_free(other.loop);
	assert_int_equal(other.fired, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(timers_fire_in_order_and_never_early),
		TEST(a_timer_may_free_itself_and_others_that_are_due),
		TEST(a_busy_timer_starves_nobody),
		TEST(a_watch_calls_as_long_as_there_is_something),
		TEST(a_paused_watch_is_silent_until_resumed),
		TEST(a_watch_may_free_itself_and_another_that_is_ready),
		TEST(a_signal_is_an_event),
		TEST(jobs_run_after_the_callback_in_order),
		TEST(a_stop_before_the_run_counts),
		TEST(jobs_left_over_run_when_the_loop_is_freed),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}

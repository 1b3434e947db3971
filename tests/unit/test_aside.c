/* Work by a child: its answer, its death, and what it has of ours. */
#include "tests/unit/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "daemon/aside.h"

enum { NUMBERS = 3000 }; /* more than a page */

struct answer {
	pid_t pid;
	unsigned descriptors;
	int number[NUMBERS];
};

struct world {
	struct scratch scratch;
	struct loop *loop;
	struct loop_timer *timer;
	struct aside *aside;
	struct answer answer;
	unsigned answers, deaths, ticks;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	scratch_make(&w->scratch);
	w->loop = loop_new();
	*state = w;
	return w->loop ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	aside_free(w->aside);
	loop_timer_free(w->timer);
	loop_free(w->loop);
	scratch_remove(&w->scratch);
	assert_int_equal(waitpid(-1, NULL, 0), -1); /* every child was waited for */
	assert_int_equal(errno, ECHILD);
	free(w);
	return 0;
}

static void on_done(void *ctx, const void *answer)
{
	struct world *w = ctx;

	if (answer)
		w->answer = *(const struct answer *)answer;
	w->answers += answer != NULL;
	w->deaths += answer == NULL;
	aside_free(w->aside);
	w->aside = NULL;
	loop_stop(w->loop);
}

static void ask(struct world *w, aside_job *job)
{
	w->aside = aside_new(w->loop, sizeof(struct answer), job, on_done, w);
	assert_non_null(w->aside);
	assert_int_equal(loop_run(w->loop), 0);
}

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 3; /* ".", ".." and the directory itself */
}

static void count(void *ctx, void *to)
{
	struct answer *answer = to;

	(void)ctx;
	answer->pid = getpid();
	answer->descriptors = descriptors();
	for (int i = 0; i < NUMBERS; i++)
		answer->number[i] = i;
}

static void the_answer_of_a_child_comes_in_the_loop(void **state)
{
	struct world *w = *state;

	ask(w, count);
	assert_int_equal(w->answers, 1);
	assert_int_not_equal(w->answer.pid, getpid());
	for (int i = 0; i < NUMBERS; i++)
		assert_int_equal(w->answer.number[i], i);
}

static void a_child_has_none_of_our_descriptors(void **state)
{
	struct world *w = *state;
	unsigned ours = descriptors();

	ask(w, count);
	assert_true(ours > 4);                      /* the loop's */
	assert_int_equal(w->answer.descriptors, 4); /* the usual three and the pipe */
}

static void die(void *ctx, void *to)
{
	(void)ctx, (void)to;
	raise(SIGKILL);
}

static void a_child_that_dies_is_an_answer_too(void **state)
{
	struct world *w = *state;

	ask(w, die);
	assert_int_equal(w->answers, 0);
	assert_int_equal(w->deaths, 1);
}

static void wait_for_the_file(void *ctx, void *to)
{
	const struct world *w = ctx;

	(void)to;
	while (!scratch_has(&w->scratch, "go"))
		usleep(1000);
}

/* Only the loop's third turn lets the child go on. */
static void on_tick(void *ctx)
{
	struct world *w = ctx;

	if (++w->ticks == 3)
		scratch_put(&w->scratch, "go", "");
	else
		loop_timer_set(w->timer, loop_now(w->loop) + 1);
}

static void the_loop_goes_on_while_a_child_works(void **state)
{
	struct world *w = *state;

	w->timer = loop_timer_new(w->loop, on_tick, w);
	loop_timer_set(w->timer, loop_now(w->loop) + 1);
	ask(w, wait_for_the_file);
	assert_int_equal(w->ticks, 3);
	assert_int_equal(w->answers, 1);
}

/* The file never comes: the teardown finds the child dead. */
static void a_child_nobody_waits_for_is_killed(void **state)
{
	struct world *w = *state;

	w->aside = aside_new(w->loop, sizeof(struct answer), wait_for_the_file, on_done, w);
	assert_non_null(w->aside);
	aside_free(w->aside);
	w->aside = NULL;
	assert_int_equal(w->answers + w->deaths, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_answer_of_a_child_comes_in_the_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_child_has_none_of_our_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_child_that_dies_is_an_answer_too, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_loop_goes_on_while_a_child_works, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_child_nobody_waits_for_is_killed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the kernel can do is asked once in a boot, by a child, and a no is asked again; every refusal
 * has its reason. */
#include "tests/unit/scratch.h"

#include <cap-ng.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "daemon/plane.h"

struct world {
	struct scratch scratch;
	char modprobe[96];
	const char *dirs[2];
	struct kmod kmod;
	struct env *env;
	struct loop *loop;
	struct planes *planes;
	struct plane_ask *ask;
	struct ike_proposals offered;
	unsigned done;
	char why[PLANE_WHY];
};

/* A kernel as the test has it: a file of the name of a need holds the errno of its refusal; "die": the
 * asking does not survive it. Each try is a line in the file "tries". */
static const struct scratch *kernel;

static int try(const struct env *env, const struct plane_need *need)
{
	char name[ABILITY_NAME], text[32];
	FILE *tries = fopen(scratch_path(kernel, "tries"), "ae");

	(void)env;
	fprintf(tries, "%s\n", plane_need_text(need, name));
	fclose(tries);
	scratch_get(kernel, name, text, sizeof(text));
	if (strcmp(text, "die") == 0)
		raise(SIGKILL);
	return -atoi(text);
}

static void refuse(struct world *w, const char *name, int err)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", err);
	scratch_put(&w->scratch, name, text);
}

static void begin(struct world *w)
{
	struct planes_conf conf = {.env = w->env,
		.loop = w->loop,
		.runtime_dir = w->scratch.dir,
		.kmod = &w->kmod,
		.try = try};

	w->planes = planes_new(&conf);
	assert_non_null(w->planes);
}

static void restart(struct world *w)
{
	planes_free(w->planes);
	begin(w);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	scratch_make(&w->scratch);
	kernel = &w->scratch;
	snprintf(w->modprobe, sizeof(w->modprobe), "%s/modprobe.d", w->scratch.dir);
	w->dirs[0] = w->modprobe;
	w->kmod = (struct kmod){
		.dirs = w->dirs, .cmdline = "/nonexistent", .modules = "/nonexistent"};
	w->env = test_env_new(1);
	w->loop = loop_new();
	begin(w);
	assert_true(ike_proposals_tier("modern", &w->offered));
	*state = w;
	return w->loop ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	plane_ask_free(w->ask);
	planes_free(w->planes);
	loop_free(w->loop);
	test_env_free(w->env);
	scratch_remove(&w->scratch);
	free(w);
	return 0;
}

static void on_done(void *ctx)
{
	struct world *w = ctx;

	w->done++;
	plane_ask_free(w->ask);
	w->ask = NULL;
	loop_stop(w->loop);
}

static unsigned tries(const struct world *w)
{
	char text[4096];
	unsigned lines = 0;

	scratch_get(&w->scratch, "tries", text, sizeof(text));
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	return lines;
}

/* How many needs had to be tried. */
static unsigned ask(struct world *w, bool again)
{
	unsigned before = tries(w);

	w->ask = planes_ask(w->planes, &w->offered, again, on_done, w);
	if (w->ask)
		assert_int_equal(loop_run(w->loop), 0);
	return tries(w) - before;
}

static bool has_esp(struct world *w)
{
	*w->why = 0;
	return plane_probe(w->planes, &w->offered, w->why);
}

static bool has_session(struct world *w)
{
	*w->why = 0;
	return plane_session(w->planes, w->why);
}

static void what_was_found_is_not_asked_again_in_this_boot(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask(w, false), w->offered.n_esp + 3);
	assert_int_equal(w->done, 1);
	assert_true(has_esp(w));
	assert_true(has_session(w));
	assert_int_equal(ask(w, false), 0);
	assert_int_equal(w->done, 1);
	restart(w);
	assert_int_equal(ask(w, false), 0);
	assert_true(has_esp(w));
	assert_true(has_session(w));
	assert_int_equal(ask(w, true), w->offered.n_esp + 3);
}

static void only_what_is_new_is_asked(void **state)
{
	struct world *w = *state;

	ask(w, false);
	assert_true(ike_proposals_tier("compatible", &w->offered));
	assert_false(has_esp(w));
	assert_int_equal(ask(w, false), 2);
	assert_true(has_esp(w));
}

/* A module may be there the next time. */
static void a_no_is_asked_again_after_a_restart(void **state)
{
	struct world *w = *state;

	refuse(w, "l2tp", EPROTONOSUPPORT);
	ask(w, false);
	assert_true(has_esp(w));
	assert_false(has_session(w));
	assert_int_equal(ask(w, false), 0); /* not for each attempt */
	refuse(w, "l2tp", 0);
	restart(w);
	assert_int_equal(ask(w, false), 1);
	assert_true(has_session(w));
}

static void a_kernel_that_breaks_its_word_is_asked_anew(void **state)
{
	struct world *w = *state;

	ask(w, false);
	planes_doubt(w->planes);
	assert_false(has_esp(w));
	restart(w);
	assert_int_equal(ask(w, false), w->offered.n_esp + 3);
}

static void one_suite_that_is_missing_is_named(void **state)
{
	struct world *w = *state;

	refuse(w, "esp aes128-sha256", ENOSYS);
	ask(w, false);
	assert_false(has_esp(w));
	assert_string_equal(w->why, "no ESP by the kernel with aes128-sha256: its crypto does not "
				    "know the algorithms");
}

static void a_blacklisted_module_is_the_reason(void **state)
{
	struct world *w = *state;

	scratch_put(&w->scratch, "modprobe.d/x.conf", "blacklist l2tp_ppp\n");
	refuse(w, "l2tp", EPROTONOSUPPORT);
	ask(w, false);
	assert_false(has_session(w));
	assert_non_null(strstr(w->why, "no L2TP by the kernel: l2tp_ppp is blacklisted ("));
	assert_non_null(strstr(w->why, "/modprobe.d/x.conf)"));
}

static void an_asking_that_dies_is_a_no(void **state)
{
	struct world *w = *state;

	scratch_put(&w->scratch, "ppp", "die");
	ask(w, false);
	assert_int_equal(w->done, 1);
	assert_false(has_esp(w));
	assert_non_null(strstr(w->why, "it could not be tried"));
	assert_false(has_session(w));
	scratch_put(&w->scratch, "ppp", "0");
	restart(w);
	ask(w, false);
	assert_true(has_esp(w));
}

static void an_asking_nobody_waits_for_changes_nothing(void **state)
{
	struct world *w = *state;

	w->ask = planes_ask(w->planes, &w->offered, false, on_done, w);
	assert_non_null(w->ask);
	plane_ask_free(w->ask);
	w->ask = NULL;
	assert_false(has_esp(w));
	assert_int_equal(w->done, 0);
}

/* ---- reasons ---- */

static const struct {
	enum plane_kind kind;
	int err;
	const char *why;
} refusals[] = {
	{PLANE_L2TP, EPROTONOSUPPORT, "this kernel has no module l2tp_ppp"},
	{PLANE_L2TP, EAFNOSUPPORT, "this kernel has no module pppox"},
	{PLANE_L2TP, EMFILE, "Too many open files"},
	{PLANE_PPP, ENOENT, "no /dev/ppp: this kernel has no module ppp_generic"},
	{PLANE_PPP, ENXIO, "/dev/ppp: this kernel has no module ppp_generic"},
	{PLANE_PPP, EBUSY, "/dev/ppp: Device or resource busy"},
	{PLANE_TUN, ENOENT, "no /dev/net/tun: this kernel has no module tun"},
	{PLANE_ESP, ENOSYS, "its crypto does not know the algorithms"},
	{PLANE_ESP, ENOENT, "its crypto does not know the algorithms"},
	{PLANE_ESP, EINVAL, "Invalid argument"},
};

static void every_refusal_has_its_reason(void **state)
{
	struct world *w = *state;
	char why[ABILITY_WHY];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		struct plane_need need = {refusals[i].kind, w->offered.esp[0]};

		assert_string_equal(
			plane_why(&w->kmod, &need, -refusals[i].err, why), refusals[i].why);
	}
}

/* Which of the two modules is missing depends on this kernel. */
static void esp_that_is_missing_is_a_module(void **state)
{
	struct world *w = *state;
	struct plane_need need = {PLANE_ESP, w->offered.esp[0]};
	char why[ABILITY_WHY];

	plane_why(&w->kmod, &need, -EPROTONOSUPPORT, why);
	assert_true(strcmp(why, "this kernel has no module esp4") == 0 ||
		    strcmp(why, "this kernel has no module xfrm_user") == 0);
}

static void without_the_right_that_is_the_reason(void **state)
{
	struct world *w = *state;
	pid_t child = fork();
	char why[ABILITY_WHY];
	int status;

	if (child == 0) {
		capng_clear(CAPNG_SELECT_BOTH);
		if (capng_apply(CAPNG_SELECT_CAPS) != 0)
			_exit(2);
		plane_why(&w->kmod, &(struct plane_need){.kind = PLANE_PPP}, -EPERM, why);
		_exit(strcmp(why, "no CAP_NET_ADMIN") != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_was_found_is_not_asked_again_in_this_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(only_what_is_new_is_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_no_is_asked_again_after_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_kernel_that_breaks_its_word_is_asked_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_suite_that_is_missing_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_blacklisted_module_is_the_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(an_asking_that_dies_is_a_no, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_asking_nobody_waits_for_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(every_refusal_has_its_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(esp_that_is_missing_is_a_module, setup, teardown),
		cmocka_unit_test_setup_teardown(
			without_the_right_that_is_the_reason, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

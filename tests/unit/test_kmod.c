/* Why a module is not there, by directories of the test's own. */
#include "tests/unit/scratch.h"

#include "daemon/kmod.h"

struct fixture {
	struct scratch scratch;
	char etc[96], usr[96], cmdline[96], modules[96];
	const char *dirs[3];
	struct kmod kmod;
	char why[160];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	scratch_make(&f->scratch);
	snprintf(f->etc, sizeof(f->etc), "%s/etc", f->scratch.dir);
	snprintf(f->usr, sizeof(f->usr), "%s/usr", f->scratch.dir);
	snprintf(f->modules, sizeof(f->modules), "%s/modules", f->scratch.dir);
	f->dirs[0] = f->etc;
	f->dirs[1] = f->usr;
	snprintf(f->cmdline, sizeof(f->cmdline), "%s/cmdline", f->scratch.dir);
	f->kmod = (struct kmod){.dirs = f->dirs, .cmdline = f->cmdline, .modules = f->modules};
	scratch_put(&f->scratch, "modules/modules.dep",
		"kernel/net/l2tp/l2tp_core.ko.xz:\n"
		"kernel/net/l2tp/l2tp_ppp.ko.xz: kernel/net/l2tp/l2tp_core.ko.xz\n"
		"kernel/crypto/des-generic.ko: kernel/lib/crypto/libdes.ko\n");
	scratch_put(&f->scratch, "modules/modules.builtin", "kernel/drivers/net/tun.ko\n");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

/* The reason, with the directory of the test as ~. */
static const char *why(struct fixture *f, const char *module)
{
	char *dir;

	kmod_why(&f->kmod, module, f->why, sizeof(f->why));
	while ((dir = strstr(f->why, f->scratch.dir))) {
		*dir = '~';
		memmove(dir + 1, dir + strlen(f->scratch.dir),
			strlen(dir + strlen(f->scratch.dir)) + 1);
	}
	return f->why;
}

static void a_module_is_there_or_not(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(why(f, "l2tp_ppp"), "the module l2tp_ppp is not loaded");
	assert_string_equal(why(f, "des_generic"), "the module des_generic is not loaded");
	assert_string_equal(why(f, "tun"), "the module tun is not loaded");
	assert_string_equal(why(f, "esp4"), "this kernel has no module esp4");
	assert_string_equal(why(f, "l2tp"), "this kernel has no module l2tp");
	assert_string_equal(why(f, "core"), "this kernel has no module core");
	f->kmod.modules = "/nonexistent";
	assert_string_equal(why(f, "l2tp_ppp"), "this kernel has no module l2tp_ppp");
}

static void a_blacklisted_module_is_named_with_the_file_that_says_so(void **state)
{
	struct fixture *f = *state;

	scratch_put(
		&f->scratch, "usr/l2tp.conf", "# Off for everybody\n\n \tblacklist\tl2tp-ppp \n");
	assert_string_equal(why(f, "l2tp_ppp"), "l2tp_ppp is blacklisted (~/usr/l2tp.conf)");
	scratch_put(&f->scratch, "etc/own.conf", "blacklist l2tp_ppp");
	assert_string_equal(why(f, "l2tp_ppp"), "l2tp_ppp is blacklisted (~/etc/own.conf)");
}

static void a_command_that_does_nothing_in_its_place_is_found_too(void **state)
{
	static const char *const commands[] = {"/bin/false", "/bin/true", "/usr/bin/false", "true"};
	struct fixture *f = *state;
	char line[64];

	for (size_t i = 0; i < 4; i++) {
		snprintf(line, sizeof(line), "install l2tp_ppp %s\n", commands[i]);
		scratch_put(&f->scratch, "etc/own.conf", line);
		assert_string_equal(
			why(f, "l2tp_ppp"), "l2tp_ppp is switched off (~/etc/own.conf)");
	}
	scratch_put(&f->scratch, "etc/own.conf",
		"install l2tp_ppp /sbin/modprobe --ignore-install l2tp_ppp\n"
		"install l2tp_ppp\ninstall l2tp_ppp /bin/false-alarm\n");
	assert_string_equal(why(f, "l2tp_ppp"), "the module l2tp_ppp is not loaded");
}

static void what_is_no_such_line_says_nothing(void **state)
{
	struct fixture *f = *state;

	scratch_put(&f->scratch, "etc/own.conf",
		"#blacklist l2tp_ppp\nblacklist\nblacklist l2tp_pppp\nblacklist l2tp_pp\n"
		"options l2tp_ppp blacklist\nalias l2tp_ppp off\nblacklists l2tp_ppp\n\n");
	scratch_put(&f->scratch, "etc/own.conf.bak", "blacklist l2tp_ppp\n");
	scratch_put(&f->scratch, "etc/.conf.d/x.conf", "blacklist l2tp_ppp\n");
	assert_string_equal(why(f, "l2tp_ppp"), "the module l2tp_ppp is not loaded");
}

/* That is how one of the distribution's files is switched off: a file of the same name in /etc. */
static void a_file_hides_its_namesakes_in_the_directories_behind(void **state)
{
	struct fixture *f = *state;

	scratch_put(&f->scratch, "usr/l2tp.conf", "blacklist l2tp_ppp\n");
	scratch_put(&f->scratch, "etc/l2tp.conf", "#blacklist l2tp_ppp\n");
	assert_string_equal(why(f, "l2tp_ppp"), "the module l2tp_ppp is not loaded");
}

static void a_reason_is_cut_to_its_room(void **state)
{
	struct fixture *f = *state;
	char few[12];

	scratch_put(&f->scratch, "etc/own.conf", "blacklist l2tp_ppp\n");
	assert_string_equal(kmod_why(&f->kmod, "l2tp_ppp", few, sizeof(few)), "l2tp_ppp is");
}

static void the_kernels_command_line_forbids_too(void **state)
{
	struct fixture *f = *state;

	scratch_put(&f->scratch, "cmdline",
		"root=/dev/vda quiet modprobe.blacklist=pcspkr,l2tp-ppp "
		"module_blacklist=des_generic\n");
	assert_string_equal(why(f, "l2tp_ppp"), "l2tp_ppp is blacklisted (~/cmdline)");
	assert_string_equal(why(f, "des_generic"), "des_generic is blacklisted (~/cmdline)");
	assert_string_equal(why(f, "l2tp_core"), "the module l2tp_core is not loaded");
	scratch_put(&f->scratch, "cmdline", "blacklist=l2tp_ppp modprobe.blacklist=l2tp l2tp_ppp");
	assert_string_equal(why(f, "l2tp_ppp"), "the module l2tp_ppp is not loaded");
	scratch_put(&f->scratch, "cmdline", "modprobe.blacklist= modprobe.blacklist=,");
	assert_string_equal(why(f, "l2tp_ppp"), "the module l2tp_ppp is not loaded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_module_is_there_or_not, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_blacklisted_module_is_named_with_the_file_that_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_command_that_does_nothing_in_its_place_is_found_too, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_such_line_says_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_hides_its_namesakes_in_the_directories_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_kernels_command_line_forbids_too, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reason_is_cut_to_its_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

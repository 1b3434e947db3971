/* daemon/{conf,files}*: what each check keeps out, where no other test would miss it (./dev mutate). */
#include "tests/vectors/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf_value.h"
#include "daemon/files.h"

/* In a block of its very size. */
static bool is_utf8(const char *text)
{
	size_t n = strlen(text);
	uint8_t *exact = malloc(n);
	bool yes;

	assert_non_null(exact);
	memcpy(exact, text, n);
	yes = conf_utf8(slice(exact, n));
	free(exact);
	return yes;
}

static void text_is_strict_utf8(void **state)
{
	(void)state;
	assert_true(is_utf8("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x94\x91"));
	assert_false(is_utf8("\xc3"));             /* cut */
	assert_false(is_utf8("\xe2\x82"));         /* cut */
	assert_false(is_utf8("\xc3("));            /* no continuation */
	assert_false(is_utf8("\xc0\xaf"));         /* not the shortest form */
	assert_false(is_utf8("\xed\xa0\x80"));     /* a surrogate */
	assert_false(is_utf8("\xf4\x90\x80\x80")); /* beyond the last */
	assert_false(is_utf8("\x1b[2J"));          /* a control character */
}

static bool sets(const char *key, const void *value, size_t n)
{
	struct conf_errors *errors = conf_errors_new();
	struct conf *c = conf_new("corp");
	bool ok = conf_set(c, key, slice(value, n), true, errors);

	conf_free(c);
	conf_errors_free(errors);
	return ok;
}

static void no_value_holds_a_nul(void **state)
{
	(void)state;
	assert_true(sets("psk", "ab", 2));
	assert_false(sets("psk", "a\0b", 3));
	assert_false(sets("psk", "a\nb", 3));
	assert_true(sets("mtu", "1400", 4));
	assert_false(sets("mtu", "1400\0junk", 9));
}

static void lists_have_an_end(void **state)
{
	(void)state;
	char routes[4096] = "", dns[1024] = "";
	size_t n = 0;

	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(
			routes + n, sizeof(routes) - n, "%s10.%d.0.0/16", i ? "," : "", i);
	assert_false(sets("routes", routes, n));
	n = 0;
	for (int i = 1; i < 50; i++)
		n += (size_t)snprintf(
			dns + n, sizeof(dns) - n, "%s192.0.2.%d", i > 1 ? "," : "", i);
	assert_false(sets("dns", dns, n));
}

static int setup(void **state)
{
	static char dir[64];

	snprintf(dir, sizeof(dir), "/tmp/test_files_checks.XXXXXX");
	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static void put(const char *dir, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", (const char *)*state);
	return system(command);
}

static void a_file_name_of_any_length_is_listed_or_not(void **state)
{
	struct files files = {.config_dir = *state, .owner = geteuid()};
	struct file_names names;
	char name[256];

	memset(name, 'a', 200);
	snprintf(name + 200, sizeof(name) - 200, ".conf");
	put(*state, name);
	put(*state, "corp.conf");
	assert_int_equal(files_list(&files, &names), 0);
	assert_int_equal(names.n, 1);
	assert_string_equal(names.at[0], "corp");
	file_names_free(&names);
}

static void a_directory_of_somebody_elses_is_not_read(void **state)
{
	struct files files = {.config_dir = *state, .owner = 0};
	struct file_names names;

	if (geteuid() != 0)
		skip();
	assert_int_equal(files_list(&files, &names), 0);
	file_names_free(&names);
	assert_int_equal(chown(*state, 65534, 65534), 0);
	assert_int_equal(files_list(&files, &names), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_strict_utf8),
		cmocka_unit_test(no_value_holds_a_nul),
		cmocka_unit_test(lists_have_an_end),
		cmocka_unit_test_setup_teardown(
			a_file_name_of_any_length_is_listed_or_not, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_directory_of_somebody_elses_is_not_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

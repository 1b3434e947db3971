/* What was found outlives the process and not the boot; a file that is not whole says nothing. */
#include "tests/unit/scratch.h"

#include <inttypes.h>

#include "daemon/ability.h"

enum { ROOM = 8192 };

static const char gcm[] = "esp aes256gcm16", cbc[] = "esp aes128-sha1";

static int setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	scratch_make(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	scratch_remove(*state);
	free(*state);
	return 0;
}

static enum ability_answer answer_of(const struct abilities *a, const char *name)
{
	const char *why;

	return abilities_get(a, name, &why);
}

/* Is anything of the file believed? */
static bool is_believed(const struct scratch *s)
{
	struct abilities *a = abilities_new(s->dir);
	bool any = answer_of(a, gcm) != ABILITY_UNKNOWN || answer_of(a, cbc) != ABILITY_UNKNOWN;

	abilities_free(a);
	return any;
}

static void put_two(const struct scratch *s)
{
	struct abilities *a = abilities_new(s->dir);

	abilities_put(a, gcm, "", 5);
	abilities_put(a, cbc, "", 5);
	abilities_put(a, "l2tp", "l2tp_ppp is blacklisted", 5);
	abilities_save(a);
	abilities_free(a);
	assert_true(is_believed(s));
}

static void a_yes_outlives_the_process_and_a_no_does_not(void **state)
{
	const struct scratch *s = *state;
	struct abilities *a;

	put_two(s);
	a = abilities_new(s->dir);
	assert_int_equal(answer_of(a, gcm), ABILITY_YES);
	assert_int_equal(answer_of(a, cbc), ABILITY_YES);
	assert_int_equal(answer_of(a, "l2tp"), ABILITY_UNKNOWN);
	abilities_free(a);
	assert_false(scratch_has(s, "abilities.new"));
}

static void a_yes_holds_and_a_no_for_a_minute(void **state)
{
	struct abilities *a = abilities_new(NULL);
	const char *why = NULL;

	(void)state;
	assert_false(abilities_hold(a, gcm, 0));
	abilities_put(a, gcm, "", 1000);
	abilities_put(a, "ppp", "no /dev/ppp", 1000);
	assert_true(abilities_hold(a, gcm, 1u << 31));
	assert_true(abilities_hold(a, "ppp", 60999));
	assert_false(abilities_hold(a, "ppp", 61000));
	assert_int_equal(abilities_get(a, "ppp", &why), ABILITY_NO);
	assert_string_equal(why, "no /dev/ppp");
	abilities_put(a, "ppp", "", 61000);
	assert_int_equal(answer_of(a, "ppp"), ABILITY_YES);
	abilities_free(a);
}

static void every_cut_and_every_damaged_octet_makes_a_file_worthless(void **state)
{
	const struct scratch *s = *state;
	char whole[ROOM], text[ROOM];

	put_two(s);
	size_t n = scratch_get(s, "abilities", whole, sizeof(whole));
	assert_true(n > 100);
	for (size_t i = 0; i < n; i++) {
		scratch_put_octets(s, "abilities", whole, i);
		assert_false(is_believed(s));
	}
	for (size_t i = 0; i < n; i++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(text, whole, n);
			text[i] = (char)(text[i] ^ 1 << bit);
			scratch_put_octets(s, "abilities", text, n);
			assert_false(is_believed(s));
		}
	memcpy(text, whole, n);
	text[n] = '\n';
	scratch_put_octets(s, "abilities", text, n + 1);
	assert_false(is_believed(s));
	memset(text, 'y', sizeof(text));
	scratch_put_octets(s, "abilities", text, sizeof(text));
	assert_false(is_believed(s));
	scratch_put_octets(s, "abilities", whole, n);
	assert_true(is_believed(s));
}

/* A file as a program would write it that knows the sum. */
static void put_with_sum(const struct scratch *s, char *text)
{
	size_t n = strlen(text);
	uint64_t sum = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < n; i++) {
		sum ^= (uint8_t)text[i];
		sum *= UINT64_C(1099511628211);
	}
	snprintf(text + n, ROOM - n, "sum %016" PRIx64 "\n", sum);
	scratch_put(s, "abilities", text);
}

/* The file without its sum, with one more line of a text in front of the line that begins so. */
static void get_body(const struct scratch *s, char body[static ROOM])
{
	put_two(s);
	scratch_get(s, "abilities", body, ROOM);
	*(strstr(body, "\nsum ") + 1) = 0;
}

static void a_file_of_another_boot_kernel_or_network_says_nothing(void **state)
{
	static const char *const heads[] = {"boot ", "kernel ", "netns "};
	const struct scratch *s = *state;
	char text[ROOM];

	get_body(s, text);
	put_with_sum(s, text);
	assert_true(is_believed(s)); /* the sum is right */
	for (size_t i = 0; i < 3; i++) {
		get_body(s, text);
		char *value = strstr(text, heads[i]) + strlen(heads[i]);
		*value = *value == '1' ? '2' : '1';
		put_with_sum(s, text);
		assert_false(is_believed(s));
	}
}

static void lines_that_are_none_of_ours_make_a_file_worthless(void **state)
{
	static const char *const lines[] = {"no esp\n", "yes\n", "\n", "yes without an end",
		"yes 0123456789012345678901234567890123456789012345678901234567890123456789\n"};
	const struct scratch *s = *state;
	char text[ROOM];

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		get_body(s, text);
		snprintf(text + strlen(text), 100, "%s", lines[i]);
		put_with_sum(s, text);
		assert_false(is_believed(s));
	}
}

static void a_link_in_the_files_place_is_not_followed(void **state)
{
	const struct scratch *s = *state;

	put_two(s);
	assert_int_equal(rename(scratch_path(s, "abilities"), scratch_path(s, "elsewhere")), 0);
	assert_int_equal(symlink("elsewhere", scratch_path(s, "abilities")), 0);
	assert_false(is_believed(s));
}

static void a_directory_that_is_not_there_costs_the_memory_nothing(void **state)
{
	struct abilities *a = abilities_new("/nonexistent/dir");

	(void)state;
	abilities_put(a, gcm, "", 1);
	abilities_save(a);
	assert_int_equal(answer_of(a, gcm), ABILITY_YES);
	abilities_free(a);
}

static void what_is_forgotten_is_not_in_the_file_either(void **state)
{
	const struct scratch *s = *state;
	struct abilities *a;

	put_two(s);
	a = abilities_new(s->dir);
	abilities_forget(a);
	assert_int_equal(answer_of(a, gcm), ABILITY_UNKNOWN);
	abilities_free(a);
	assert_false(is_believed(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_yes_outlives_the_process_and_a_no_does_not, setup, teardown),
		cmocka_unit_test(a_yes_holds_and_a_no_for_a_minute),
		cmocka_unit_test_setup_teardown(
			every_cut_and_every_damaged_octet_makes_a_file_worthless, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_of_another_boot_kernel_or_network_says_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			lines_that_are_none_of_ours_make_a_file_worthless, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_link_in_the_files_place_is_not_followed, setup, teardown),
		cmocka_unit_test(a_directory_that_is_not_there_costs_the_memory_nothing),
		cmocka_unit_test_setup_teardown(
			what_is_forgotten_is_not_in_the_file_either, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

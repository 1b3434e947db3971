/* The journal: what was announced is undone, whatever happened in between. */
#define _GNU_SOURCE /* unshare */
#include "tests/vectors/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/journal.h"
#include "tests/net/netns.h"

struct fixture {
	char dir[64];
	char undone[4096]; /* what was undone, in order */
	int refuse;        /* answer of the next undo */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/vpnd-journal.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sh("rm -rf %s", f->dir);
	free(f);
	return 0;
}

static int undo(void *ctx, const char *text)
{
	struct fixture *f = ctx;
	size_t n = strlen(f->undone);

	if (f->refuse)
		return f->refuse;
	snprintf(f->undone + n, sizeof(f->undone) - n, "%s;", text);
	return 0;
}

static const struct journal_kind kinds[] = {{"rule", undo}, {"route", undo}};

static struct journal *journal_of(const struct fixture *f)
{
	struct journal *j;

	assert_int_equal(journal_open(&j, f->dir), 0);
	return j;
}

static uint64_t add(struct journal *j, const char *text)
{
	uint64_t id;

	assert_int_equal(journal_add(j, "rule", text, &id), 0);
	assert_int_not_equal(id, 0);
	return id;
}

static void put_file(const struct fixture *f, const char *text, size_t n)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/journal", f->dir);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, n, out), n);
	fclose(out);
}

static size_t get_file(const struct fixture *f, char *to, size_t room)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/journal", f->dir);
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	size_t n = fread(to, 1, room - 1, in);
	to[n] = 0;
	fclose(in);
	return n;
}

static void what_was_not_undone_is_undone_last_first(void **state)
{
	struct fixture *f = *state;
	struct journal *j = journal_of(f);
	uint64_t id;

	add(j, "a=1 b=2");
	id = add(j, "gone");
	add(j, "c with blanks");
	journal_done(j, id);
	journal_done(j, 999);
	journal_close(j);

	j = journal_of(f);
	assert_int_equal(journal_pending(j), 2);
	assert_int_equal(journal_undo(j, kinds, 2, f), 0);
	assert_string_equal(f->undone, "c with blanks;a=1 b=2;");
	assert_int_equal(journal_undo(j, kinds, 2, f), 0);
	journal_close(j);

	j = journal_of(f);
	assert_int_equal(journal_pending(j), 0);
	journal_close(j);
}

static void the_file_is_private_and_empty_when_all_is_undone(void **state)
{
	struct fixture *f = *state;
	struct journal *j = journal_of(f);
	uint64_t id = add(j, "x");
	char path[96], text[64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/journal", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(st.st_size > 0);
	journal_done(j, id);
	assert_int_equal(get_file(f, text, sizeof(text)), 0);
	journal_close(j);
}

static void a_line_is_in_the_file_before_add_returns(void **state)
{
	struct fixture *f = *state;
	struct journal *j = journal_of(f);
	char text[256];

	add(j, "family=4 priority=31000");
	get_file(f, text, sizeof(text));
	assert_non_null(strstr(text, " rule family=4 priority=31000\n"));
	journal_close(j);
}

static void a_refused_undo_stays_for_later(void **state)
{
	struct fixture *f = *state;
	struct journal *j = journal_of(f);

	add(j, "stubborn");
	f->refuse = -EPERM;
	assert_int_equal(journal_undo(j, kinds, 2, f), 1);
	journal_close(j);
	f->refuse = 0;
	j = journal_of(f);
	assert_int_equal(journal_undo(j, kinds, 2, f), 0);
	assert_string_equal(f->undone, "stubborn;");
	journal_close(j);
}

static void unknown_kinds_stay(void **state)
{
	struct fixture *f = *state;
	struct journal *j = journal_of(f);
	uint64_t id;

	assert_int_equal(journal_add(j, "sysctl", "x", &id), 0);
	assert_int_equal(journal_undo(j, kinds, 2, f), 1);
	assert_string_equal(f->undone, "");
	journal_close(j);
}

static void text_that_would_break_the_format_is_refused(void **state)
{
	struct fixture *f = *state;
	struct journal *j = journal_of(f);
	char big[JOURNAL_TEXT + 1];
	uint64_t id;

	memset(big, 'x', sizeof(big));
	big[JOURNAL_TEXT] = 0;
	assert_int_equal(journal_add(j, "rule", "a\nb", &id), -EINVAL);
	assert_int_equal(journal_add(j, "rule", big, &id), -EINVAL);
	assert_int_equal(journal_add(j, "a kind of too many letters", "a", &id), -EINVAL);
	big[JOURNAL_TEXT - 1] = 0;
	assert_int_equal(journal_add(j, "rule", big, &id), 0);
	journal_close(j);
	j = journal_of(f);
	assert_int_equal(journal_pending(j), 1);
	journal_close(j);
}

/* Every length at which death can have cut the file off: whole lines count, the rest does not, and
 * what is written after it is readable. */
static void a_cut_last_line_does_not_count(void **state)
{
	struct fixture *f = *state;
	struct journal *j = journal_of(f);
	char text[512];

	add(j, "one");
	add(j, "two");
	journal_done(j, add(j, "three"));
	journal_close(j);
	size_t n = get_file(f, text, sizeof(text));

	for (size_t cut = 0; cut <= n; cut++) {
		size_t lines = 0;

		for (size_t i = 0; i < cut; i++)
			lines += text[i] == '\n';
		put_file(f, text, cut);
		j = journal_of(f);
		assert_int_equal(journal_pending(j), lines == 4 ? 2 : lines);
		add(j, "after");
		journal_close(j);
		j = journal_of(f);
		assert_int_equal(journal_pending(j), (lines == 4 ? 2 : lines) + 1);
		f->undone[0] = 0;
		assert_int_equal(journal_undo(j, kinds, 2, f), 0);
		assert_memory_equal(f->undone, "after;", 6);
		journal_close(j);
	}
}

static void rubbish_is_passed_over(void **state)
{
	struct fixture *f = *state;
	static const char *const rubbish[] = {"\n", "\n\n+", "+\n", "-\n", "+1\n", "+1 2\n",
		"+1 2 rule\n", "+x 2 rule text\n", "+1 x rule text\n", "-x\n", "?1 2 rule text\n",
		"+1 2 a-kind-with-a-long-name text\n", "+ 1 2 rule t\n", "-18446744073709551616\n",
		"\xff\xfe\n"};

	for (size_t i = 0; i < sizeof(rubbish) / sizeof(*rubbish); i++) {
		put_file(f, rubbish[i], strlen(rubbish[i]));
		struct journal *j = journal_of(f);
		assert_int_equal(journal_pending(j), 0);
		journal_close(j);
	}
}

static void only_one_process_has_it(void **state)
{
	struct fixture *f = *state;
	struct journal *j = journal_of(f), *other;

	assert_int_equal(journal_open(&other, f->dir), -EBUSY);
	assert_null(other);
	journal_close(j);
	journal_close(journal_of(f));
}

static void a_long_life_does_not_make_a_long_file(void **state)
{
	struct fixture *f = *state;
	struct journal *j = journal_of(f);
	char text[1 << 17];

	add(j, "the one that stays");
	for (int i = 0; i < 5000; i++)
		journal_done(j, add(j, "coming and going"));
	assert_true(get_file(f, text, sizeof(text)) < 32768);
	journal_close(j);
	j = journal_of(f);
	assert_int_equal(journal_undo(j, kinds, 2, f), 0);
	assert_string_equal(f->undone, "the one that stays;");
	journal_close(j);
}

/* As in `ip netns exec`: the same runtime directory, another network. */
static void another_namespace_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct journal *j = journal_of(f);

	add(j, "here");
	journal_close(j);
	int status, pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0)
			_exit(2);
		j = journal_of(f);
		add(j, "there");
		bool right = journal_undo(j, kinds, 2, f) == 1 && !strcmp(f->undone, "there;");
		_exit(right ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	j = journal_of(f);
	assert_int_equal(journal_undo(j, kinds, 2, f), 0);
	assert_string_equal(f->undone, "here;");
	journal_close(j);
}

static void on_a_full_file_system_nothing_is_announced(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mount("vpnd", f->dir, "tmpfs", 0, "size=8k,nr_inodes=16"), 0);
	struct journal *j = journal_of(f);
	uint64_t id = 0;
	int err = 0, n = 0;

	while (n < 1000 && !(err = journal_add(j, "rule", "fills the file up bit by bit", &id)))
		n++;
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(id, 0);
	assert_int_equal(journal_pending(j), n);
	journal_close(j);

	j = journal_of(f);
	assert_int_equal(journal_pending(j), n);
	assert_int_equal(journal_undo(j, kinds, 2, f), 0);
	add(j, "room again");
	journal_close(j);
	assert_int_equal(umount(f->dir), 0);
}

static void on_a_read_only_directory_undoing_works_and_adding_does_not(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mount("vpnd", f->dir, "tmpfs", 0, NULL), 0);
	struct journal *j = journal_of(f);
	add(j, "left over");
	journal_close(j);
	assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);

	uint64_t id;
	j = journal_of(f);
	assert_int_equal(journal_add(j, "rule", "x", &id), -EROFS);
	assert_int_equal(journal_undo(j, kinds, 2, f), 0);
	assert_string_equal(f->undone, "left over;");
	journal_close(j);
	assert_int_equal(umount(f->dir), 0);
}

static void a_missing_directory_is_an_error(void **state)
{
	(void)state;
	struct journal *j;

	assert_int_equal(journal_open(&j, "/nonexistent/vpnd"), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_not_undone_is_undone_last_first),
		TEST(the_file_is_private_and_empty_when_all_is_undone),
		TEST(a_line_is_in_the_file_before_add_returns),
		TEST(a_refused_undo_stays_for_later),
		TEST(unknown_kinds_stay),
		TEST(text_that_would_break_the_format_is_refused),
		TEST(a_cut_last_line_does_not_count),
		TEST(rubbish_is_passed_over),
		TEST(only_one_process_has_it),
		TEST(a_long_life_does_not_make_a_long_file),
		TEST(another_namespace_is_left_alone),
		TEST(on_a_full_file_system_nothing_is_announced),
		TEST(on_a_read_only_directory_undoing_works_and_adding_does_not),
		TEST(a_missing_directory_is_an_error),
	};

	close(netns_new());
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip_all("no mount namespace of our own: %s", strerror(errno));
	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}

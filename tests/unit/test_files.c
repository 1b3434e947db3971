/* Connection files and secret files: who may own them, who may read them, what they may be. */
#include "tests/vectors/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/files.h"

struct fixture {
	char dir[64];
	struct files files;
	struct conf *conf;
	struct conf_errors *errors;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_files.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->files = (struct files){.config_dir = f->dir, .owner = geteuid()};
	f->errors = conf_errors_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	conf_free(f->conf);
	conf_errors_free(f->errors);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	return system(command) + (free(f), 0);
}

static const char *in(struct fixture *f, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return path;
}

static void put(struct fixture *f, const char *name, mode_t mode, const char *text)
{
	int fd = open(in(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int load(struct fixture *f, const char *name)
{
	conf_free(f->conf);
	f->conf = NULL;
	f->errors->n = 0;
	return files_load(&f->files, name, NULL, 0, &f->conf, f->errors);
}

static void assert_refused(struct fixture *f, const char *name, const char *because)
{
	char line[CONF_ERROR_LINE];

	assert_int_equal(load(f, name), -EINVAL);
	assert_true(f->errors->n >= 1);
	conf_error_text(f->errors, 0, line);
	if (!strstr(line, because))
		fail_msg("\"%s\" does not say \"%s\"", line, because);
}

static const char full[] = "gateway = vpn.example.com\npsk = key\nuser = alice\npassword = pw\n";
static const char plain[] = "gateway = vpn.example.com\nuser = alice\npsk-file = ";

static void a_private_file_is_read(void **state)
{
	struct fixture *f = *state;

	put(f, "corp.conf", 0600, full);
	assert_int_equal(load(f, "corp"), 0);
	assert_string_equal(f->conf->gateway, "vpn.example.com");
	put(f, "corp.conf", 0400, full);
	assert_int_equal(load(f, "corp"), 0);
	assert_int_equal(load(f, "other"), -ENOENT);
	assert_int_equal(load(f, "../corp"), -ENOENT);
	assert_int_equal(load(f, ""), -ENOENT);
}

static void a_secret_wants_mode_0600(void **state)
{
	struct fixture *f = *state;
	static const mode_t loose[] = {0640, 0604, 0644, 0660, 0666, 0601, 0610, 0700};

	for (size_t i = 0; i < sizeof(loose) / sizeof(*loose); i++) {
		put(f, "corp.conf", loose[i], full);
		assert_refused(f, "corp", "expected 0600 (chmod 600 ");
	}
	put(f, "corp.conf", 0644, full);
	assert_refused(f, "corp", "mode 0644: it holds a secret");
}

static void without_a_secret_others_may_read_but_not_write(void **state)
{
	struct fixture *f = *state;
	char text[256];

	put(f, "psk", 0600, "key\n");
	snprintf(text, sizeof(text), "%s%s\n", plain, in(f, "psk"));
	put(f, "corp.conf", 0644, text);
	assert_int_equal(load(f, "corp"), 0);
	assert_slice(secret_slice(&f->conf->psk), slice_str("key"));
	put(f, "corp.conf", 0664, text);
	assert_refused(f, "corp", "others may write it");
	put(f, "corp.conf", 0646, text);
	assert_refused(f, "corp", "others may write it");
}

static void only_regular_files_of_ours_are_read(void **state)
{
	struct fixture *f = *state;
	char target[128];

	put(f, "real", 0600, full);
	snprintf(target, sizeof(target), "%s", in(f, "real"));
	assert_int_equal(symlink(target, in(f, "link.conf")), 0);
	assert_refused(f, "link", "a symbolic link");
	assert_int_equal(mkfifo(in(f, "fifo.conf"), 0600), 0);
	assert_refused(f, "fifo", "not a regular file");
	assert_int_equal(mkdir(in(f, "dir.conf"), 0700), 0);
	assert_refused(f, "dir", "not a regular file");
	if (geteuid() != 0)
		return;
	put(f, "theirs.conf", 0600, full);
	assert_int_equal(chown(in(f, "theirs.conf"), 65534, 65534), 0);
	assert_refused(f, "theirs", "owned by uid 65534; expected root (chown root ");
	f->files.owner = 65534;
	assert_int_equal(load(f, "theirs"), 0);
}

static void an_unsafe_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	struct file_names names;

	put(f, "corp.conf", 0600, full);
	chmod(f->dir, 0777);
	assert_refused(f, "corp", "not safe");
	assert_int_equal(files_list(&f->files, &names), -EPERM);
	chmod(f->dir, 0755);
	assert_int_equal(load(f, "corp"), 0);
}

static void secret_files_are_one_line(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *text, *psk, *problem;
	} cases[] = {
		{"key", "key", NULL},
		{" key \n", " key ", NULL},
		{"0x12\n", "0x12", NULL},
		{"", NULL, "empty"},
		{"\n", NULL, "empty"},
		{"key\nmore\n", NULL, "on one line"},
		{"key\r\n", NULL, "on one line"},
	};
	char text[256];

	snprintf(text, sizeof(text), "%s%s\n", plain, in(f, "psk"));
	put(f, "corp.conf", 0644, text);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put(f, "psk", 0600, cases[i].text);
		if (cases[i].problem) {
			assert_refused(f, "corp", cases[i].problem);
			continue;
		}
		assert_int_equal(load(f, "corp"), 0);
		assert_slice(secret_slice(&f->conf->psk), slice_str(cases[i].psk));
	}
	put(f, "psk", 0640, "key");
	assert_refused(f, "corp", "it holds a secret");
	unlink(in(f, "psk"));
	assert_refused(f, "corp", "cannot be read: No such file");
	assert_int_equal(symlink("/etc/shadow", in(f, "psk")), 0);
	assert_refused(f, "corp", "a symbolic link");
}

static void large_files_are_refused(void **state)
{
	struct fixture *f = *state;
	char *big = malloc(CONF_FILE_MAX + 2);
	char text[256];

	memset(big, '\n', CONF_FILE_MAX + 1);
	big[CONF_FILE_MAX + 1] = 0;
	put(f, "corp.conf", 0600, big);
	assert_refused(f, "corp", "too large");
	snprintf(text, sizeof(text), "%s%s\n", plain, in(f, "psk"));
	put(f, "corp.conf", 0600, text);
	big[4097] = 0;
	put(f, "psk", 0600, big);
	assert_refused(f, "corp", "too large");
	free(big);
}

static void credentials_come_from_their_directory(void **state)
{
	struct fixture *f = *state;

	put(f, "corp.conf", 0644,
		"gateway = a\nuser = b\npsk-credential = corp.psk\npassword-credential = "
		"corp.pw\n");
	assert_refused(f, "corp", "no credentials were passed");
	f->files.credentials_dir = f->dir;
	put(f, "corp.psk", 0400, "key");
	put(f, "corp.pw", 0440, "pw\n");
	assert_int_equal(load(f, "corp"), 0);
	assert_slice(secret_slice(&f->conf->psk), slice_str("key"));
	assert_slice(secret_slice(&f->conf->password), slice_str("pw"));
}

static void given_secrets_need_no_file(void **state)
{
	struct fixture *f = *state;
	struct conf_given secrets[] = {{"password", slice_str("typed")}};

	put(f, "corp.conf", 0600,
		"gateway = a\nuser = b\npsk-encoding = hex\npsk = 6b6579\npassword-file = "
		"/nonexistent\n");
	assert_refused(f, "corp", "/nonexistent");
	f->errors->n = 0;
	assert_int_equal(files_load(&f->files, "corp", secrets, 1, &f->conf, f->errors), 0);
	assert_slice(secret_slice(&f->conf->password), slice_str("typed"));
	assert_slice(secret_slice(&f->conf->psk), slice_str("key"));
}

static void inline_settings_are_a_connection(void **state)
{
	struct fixture *f = *state;
	struct conf_given settings[] = {
		{"gateway", slice_str("a")}, {"user", slice_str("b")}, {"mtu", slice_str("1300")}};
	struct conf_given secrets[] = {{"psk", slice_str("key")}};
	struct conf_given evil[] = {{"psk-file", slice_str("/etc/shadow")}};

	assert_int_equal(
		files_inline(&f->files, "nm", settings, 3, secrets, 1, false, &f->conf, f->errors),
		0);
	assert_int_equal(f->conf->mtu, 1300);
	conf_free(f->conf);
	f->conf = NULL;
	assert_int_equal(
		files_inline(&f->files, "nm", settings, 2, NULL, 0, false, &f->conf, f->errors),
		-EINVAL);
	assert_int_equal(
		files_inline(&f->files, "nm", evil, 1, secrets, 1, false, &f->conf, f->errors),
		-EINVAL);
	assert_int_equal(
		files_inline(&f->files, "a/b", settings, 2, secrets, 1, false, &f->conf, f->errors),
		-EINVAL);
	assert_null(f->conf);
}

static void peeking_reads_no_secret_files(void **state)
{
	struct fixture *f = *state;

	put(f, "corp.conf", 0644, "gateway = a\nuser = b\npsk-file = /nonexistent\n");
	assert_int_equal(files_peek(&f->files, "corp", &f->conf, f->errors), 0);
	assert_string_equal(f->conf->psk_file, "/nonexistent");
}

static void listing_gives_sorted_names(void **state)
{
	struct fixture *f = *state;
	struct file_names names;

	put(f, "zoo.conf", 0600, "");
	put(f, "a-1.conf", 0600, "");
	put(f, "readme", 0600, "");
	put(f, ".conf", 0600, "");
	put(f, "with blank.conf", 0600, "");
	put(f, "x.conf~", 0600, "");
	assert_int_equal(files_list(&f->files, &names), 0);
	assert_int_equal(names.n, 2);
	assert_string_equal(names.at[0], "a-1");
	assert_string_equal(names.at[1], "zoo");
	file_names_free(&names);
	f->files.config_dir = "/nonexistent";
	assert_int_equal(files_list(&f->files, &names), -ENOENT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_private_file_is_read),
		TEST(a_secret_wants_mode_0600),
		TEST(without_a_secret_others_may_read_but_not_write),
		TEST(only_regular_files_of_ours_are_read),
		TEST(an_unsafe_directory_is_refused),
		TEST(secret_files_are_one_line),
		TEST(large_files_are_refused),
		TEST(credentials_come_from_their_directory),
		TEST(given_secrets_need_no_file),
		TEST(inline_settings_are_a_connection),
		TEST(peeking_reads_no_secret_files),
		TEST(listing_gives_sorted_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "daemon/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf_value.h"

enum {
	SECRET_FILE_MAX = 4096,
	PATH_TEXT = 512,
	FOREIGN_WRITE = S_IWGRP | S_IWOTH,
	BEYOND_0600 = 07777 & ~(S_IRUSR | S_IWUSR),
};

static const char suffix[] = ".conf";

/* One file on its way into memory, and where its complaints go. */
struct source {
	const struct files *files;
	const char *path; /* for messages */
	const char *key;  /* whose file it is, "" for a connection file */
	struct conf_errors *errors;
};

static void complain(const struct source *s, const char *what)
{
	conf_errors_add(s->errors, s->path, 0, s->key, "%s", what);
}

/* ---- what may be read ---- */

static bool owner_ok(const struct files *f, const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == f->owner;
}

/* Regular, ours, and not writable for others. */
static bool file_ok(const struct source *s, const struct stat *st)
{
	if (!S_ISREG(st->st_mode)) { /* check: file-regular */
		complain(s, "not a regular file");
		return false;
	}
	if (!owner_ok(s->files, st)) { /* check: file-owner */
		conf_errors_add(s->errors, s->path, 0, s->key,
			"owned by uid %u; expected root (chown root %s)", st->st_uid, s->path);
		return false;
	}
	if (st->st_mode & FOREIGN_WRITE) { /* check: file-foreign-write */
		conf_errors_add(s->errors, s->path, 0, s->key,
			"mode %04o: others may write it; expected 0600 (chmod 600 %s)",
			st->st_mode & 07777, s->path);
		return false;
	}
	return true;
}

static bool mode_keeps_secret(const struct source *s, mode_t mode)
{
	if (!(mode & BEYOND_0600) /* check: file-secret-mode */)
		return true;
	conf_errors_add(s->errors, s->path, 0, s->key,
		"mode %04o: it holds a secret; expected 0600 (chmod 600 %s)", mode & 07777,
		s->path);
	return false;
}

/* ---- reading ---- */

static void open_failed(const struct source *s, int error)
{
	if (error == ELOOP)
		complain(s, "a symbolic link; expected the file itself");
	else
		conf_errors_add(
			s->errors, s->path, 0, s->key, "cannot be read: %s", strerror(error));
}

static ssize_t read_all(int fd, uint8_t *to, size_t room)
{
	size_t n = 0;

	while (n < room) {
		ssize_t got = read(fd, to + n, room - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

/* The contents of an open file, at most `max` octets, and its mode. 0, -EINVAL (said why). */
static int slurp(const struct source *s, int fd, size_t max, struct secret *to, mode_t *mode)
{
	uint8_t *buf = malloc(max + 1);
	struct stat st;
	ssize_t n = -EINVAL;

	if (!buf)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		open_failed(s, errno);
	else if (file_ok(s, &st)) {
		*mode = st.st_mode;
		n = read_all(fd, buf, max + 1);
		if (n < 0)
			open_failed(s, (int)-n);
		else if ((size_t)n > max)
			conf_errors_add(s->errors, s->path, 0, s->key,
				"too large; expected at most %zu octets", max);
	}
	int err = n < 0 || (size_t)n > max ? -EINVAL : 0;

	if (!err && !secret_set(to, slice(buf, (size_t)n)))
		err = -ENOMEM;
	wipe(buf, max + 1); /* check: file-wipe */
	free(buf);
	return err;
}

/* O_NONBLOCK: a FIFO with that name must not hold the daemon. */
static int open_plain(int dir, const char *name)
{
	int fd = openat(dir, name,
		O_RDONLY | O_NOFOLLOW /* check: file-symlink */ | O_CLOEXEC |
			O_NONBLOCK /* check: file-fifo */ | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

static int open_dir(const struct files *f, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && owner_ok(f, &st) /* check: directory-owner */ &&
		!(st.st_mode & FOREIGN_WRITE) /* check: directory-foreign-write */)
		return fd;
	close(fd);
	return -EPERM;
}

/* ---- secrets from files of their own ---- */

/* The first line of what was read becomes the secret of `key`. */
static bool take_secret(struct conf *c, const struct source *s, struct secret *octets)
{
	struct slice text = secret_slice(octets);

	if (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n == 0) { /* check: secret-file-empty */
		complain(s, "empty; expected the secret");
		return false;
	}
	return conf_take(c, (size_t)conf_key_find(s->key), text, s->path, 0, s->errors);
}

static bool secret_from(struct conf *c, const struct source *s, int fd, bool check_mode)
{
	struct secret octets = {0};
	mode_t mode = 0;
	bool ok;

	if (fd < 0) {
		open_failed(s, -fd);
		return false;
	}
	ok = slurp(s, fd, SECRET_FILE_MAX, &octets, &mode) == 0 &&
	     (!check_mode || mode_keeps_secret(s, mode)) && take_secret(c, s, &octets);
	close(fd);
	secret_clear(&octets);
	return ok;
}

static bool secret_file(const struct files *f, struct conf *c, const char *key, const char *path,
	struct conf_errors *errors)
{
	struct source s = {.files = f, .path = path, .key = key, .errors = errors};

	return secret_from(c, &s, open_plain(AT_FDCWD, path), true);
}

/* systemd guards the directory itself, and the mode of a credential may show an ACL. */
static bool credential(const struct files *f, struct conf *c, const char *key, const char *name,
	struct conf_errors *errors)
{
	char path[PATH_TEXT];
	struct source s = {.files = f, .path = path, .key = key, .errors = errors};

	if (!f->credentials_dir) {
		conf_errors_add(errors, name, 0, key,
			"no credentials were passed; expected LoadCredential=%s:FILE in "
			"vpnd.service",
			name);
		return false;
	}
	snprintf(path, sizeof(path), "%s/%s", f->credentials_dir, name);
	return secret_from(c, &s, open_plain(AT_FDCWD, path), false);
}

/* The secrets that the settings only name. */
static bool load_secrets(
	const struct files *f, struct conf *c, const char *file, struct conf_errors *errors)
{
	const struct {
		const char *key, *path, *name;
	} all[] = {
		{"psk", c->psk_file, c->psk_credential},
		{"password", c->password_file, c->password_credential},
	};
	bool ok = true;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (all[i].path)
			ok &= secret_file(f, c, all[i].key, all[i].path, errors);
		if (all[i].name)
			ok &= credential(f, c, all[i].key, all[i].name, errors);
	}
	return ok && conf_decode_psk(c, file, errors);
}

/* ---- connections ---- */

void files_dir_failed(const struct files *f, int err, struct conf_errors *errors)
{
	conf_errors_add(errors, f->config_dir, 0, "", "%s",
		err == -EPERM ? "not safe; expected owner root and mode 0755 or stricter"
			      : strerror(-err));
}

/* Read NAME.conf into *c: 0, -ENOENT, -EINVAL (said why). */
static int read_connection(
	const struct files *f, struct conf *c, const char *path, struct conf_errors *errors)
{
	struct source s = {.files = f, .path = path, .key = "", .errors = errors};
	struct secret text = {0};
	char name[CONF_NAME_MAX + sizeof(suffix)];
	mode_t mode = 0;
	int dir = open_dir(f, f->config_dir), fd, err;

	if (dir == -ENOENT)
		return -ENOENT;
	if (dir < 0) {
		files_dir_failed(f, dir, errors);
		return -EINVAL;
	}
	snprintf(name, sizeof(name), "%s%s", c->name, suffix);
	fd = open_plain(dir, name);
	close(dir);
	if (fd == -ENOENT)
		return -ENOENT;
	if (fd < 0) {
		open_failed(&s, -fd);
		return -EINVAL;
	}
	err = slurp(&s, fd, CONF_FILE_MAX, &text, &mode);
	close(fd);
	if (!err) {
		bool ok = conf_read(c, path, secret_slice(&text), errors);

		ok &= !conf_holds_secret(c) || mode_keeps_secret(&s, mode);
		err = ok ? 0 : -EINVAL;
	}
	secret_clear(&text);
	return err;
}

static bool give_all(
	struct conf *c, const struct conf_given *secrets, size_t n, struct conf_errors *errors)
{
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		ok &= conf_give(c, secrets[i].key, secrets[i].value, errors);
	return ok;
}

/* *conf = c when all is well, else c is freed. */
static int hand_over(struct conf *c, int err, struct conf **conf)
{
	if (err)
		conf_free(c);
	else
		*conf = c;
	return err;
}

static int load(const struct files *f, const char *name, const struct conf_given *secrets, size_t n,
	bool with_secrets, struct conf **conf, struct conf_errors *errors)
{
	char path[PATH_TEXT];
	struct conf *c;
	int err;

	if (!conf_name_ok(name))
		return -ENOENT;
	c = conf_new(name);
	if (!c)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/%s%s", f->config_dir, name, suffix);
	err = read_connection(f, c, path, errors);
	if (!err) {
		bool ok = give_all(c, secrets, n, errors);

		ok &= conf_finish(c, path, errors);
		ok = ok && (!with_secrets || load_secrets(f, c, path, errors));
		err = ok ? 0 : -EINVAL;
	}
	return hand_over(c, err, conf);
}

int files_peek(
	const struct files *f, const char *name, struct conf **conf, struct conf_errors *errors)
{
	return load(f, name, NULL, 0, false, conf, errors);
}

int files_load(const struct files *f, const char *name, const struct conf_given *secrets, size_t n,
	struct conf **conf, struct conf_errors *errors)
{
	return load(f, name, secrets, n, true, conf, errors);
}

int files_inline(const struct files *f, const char *name, const struct conf_given *settings,
	size_t n_settings, const struct conf_given *secrets, size_t n_secrets, bool trusted,
	struct conf **conf, struct conf_errors *errors)
{
	struct conf *c = conf_new(name);
	bool ok = true;

	if (!c) {
		conf_errors_add(errors, "settings", 0, "",
			"the connection's name: expected 1 to 64 letters, digits, '.', '_' or '-'");
		return -EINVAL;
	}
	for (size_t i = 0; i < n_settings; i++)
		ok &= conf_set(c, settings[i].key, settings[i].value, trusted, errors);
	ok &= give_all(c, secrets, n_secrets, errors);
	ok &= conf_finish(c, "settings", errors);
	ok = ok && load_secrets(f, c, "settings", errors);
	return hand_over(c, ok ? 0 : -EINVAL, conf);
}

/* ---- listing ---- */

/* The connection's name in "NAME.conf" into `to`; false when it is no such file name. */
static bool name_of(const char *file, char to[static CONF_NAME_MAX + 1])
{
	size_t n = strlen(file), tail = sizeof(suffix) - 1;

	if (n <= tail || n - tail > CONF_NAME_MAX /* check: listed-name-length */ ||
		strcmp(file + n - tail, suffix) != 0)
		return false;
	memcpy(to, file, n - tail);
	to[n - tail] = 0;
	return conf_name_ok(to) /* check: listed-name */;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool names_add(struct file_names *names, const char *name)
{
	void *more = realloc(names->at, (names->n + 1) * sizeof(*names->at));

	if (!more)
		return false;
	names->at = more;
	snprintf(names->at[names->n++], sizeof(*names->at), "%s", name);
	return true;
}

int files_list(const struct files *f, struct file_names *names)
{
	char name[CONF_NAME_MAX + 1];
	int fd = open_dir(f, f->config_dir), err = 0;
	DIR *dir;

	*names = (struct file_names){0};
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	for (struct dirent *entry = readdir(dir); entry && !err; entry = readdir(dir))
		if (name_of(entry->d_name, name) && !names_add(names, name))
			err = -ENOMEM;
	closedir(dir);
	if (names->n)
		qsort(names->at, names->n, sizeof(*names->at), by_name);
	if (err)
		file_names_free(names);
	return err;
}

void file_names_free(struct file_names *names)
{
	free(names->at);
	*names = (struct file_names){0};
}

/* The files of a connection: its own, and those that hold its secrets.
 *
 * Whoever can write a connection file decides where a password goes, and whoever can read one has
 * it. So nothing is read through a symbolic link, from anything but a regular file, from a file of
 * somebody else's, from one that others may write, or a secret from one that others may read. Every
 * refusal is an error that names the file and the command that helps. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/conf.h"

struct files {
	const char *config_dir;      /* "/etc/vpnd" */
	const char *credentials_dir; /* $CREDENTIALS_DIRECTORY, or NULL */
	uid_t owner;                 /* whose files are good besides root's: our own uid */
};

/* The names of the connections that have a file, sorted. */
struct file_names {
	char (*at)[CONF_NAME_MAX + 1];
	size_t n;
};

/* 0, or -errno (-ENOENT: no such directory; -EPERM: it is not safe). Files whose name cannot be a
 * connection's are skipped. */
[[gnu::warn_unused_result]] int files_list(const struct files *f, struct file_names *names);
void file_names_free(struct file_names *names);

/* What files_list() returned, as an error for people. */
void files_dir_failed(const struct files *f, int err, struct conf_errors *errors);

/* A connection's file without the files it names: for showing and listing. 0 and *conf, which the
 * caller frees; -ENOENT (no such file; nothing is added), -EINVAL (errors were added), -ENOMEM. */
[[gnu::warn_unused_result]] int files_peek(
	const struct files *f, const char *name, struct conf **conf, struct conf_errors *errors);

/* Everything that a Connect needs: the file, the secrets given with the call (they win), and the
 * secret files. Returns as files_peek(). */
[[gnu::warn_unused_result]] int files_load(const struct files *f, const char *name,
	const struct conf_given *secrets, size_t n, struct conf **conf, struct conf_errors *errors);

/* The same without a file: all settings come with the call. `trusted`: see conf_set(). */
[[gnu::warn_unused_result]] int files_inline(const struct files *f, const char *name,
	const struct conf_given *settings, size_t n_settings, const struct conf_given *secrets,
	size_t n_secrets, bool trusted, struct conf **conf, struct conf_errors *errors);

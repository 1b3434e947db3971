#include "daemon/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/str.h"
#include "daemon/hostenv.h"

enum {
	KIND_MAX = 16,
	LINE_ROOM = JOURNAL_TEXT + KIND_MAX + 48,
	FILE_MAX = 1 << 20,
	REWRITE_DEAD = 256, /* lines of undone entries after which the file is written anew */
};

struct entry {
	uint64_t id;
	uint64_t netns;
	char kind[KIND_MAX];
	char *text;
};

struct journal {
	int dir; /* holds the lock */
	int fd;
	bool writable;
	uint64_t netns; /* of this process */
	uint64_t last_id;
	off_t end;     /* of the last whole line */
	unsigned dead; /* lines that no longer count */
	struct entry *entries;
	size_t n;
	size_t room;
};

static const char file_name[] = "journal";
static const char new_name[] = "journal.new";

/* ---- entries in memory ---- */

static struct entry *entry_find(const struct journal *j, uint64_t id)
{
	for (size_t i = j->n; i-- > 0;)
		if (j->entries[i].id == id)
			return &j->entries[i];
	return NULL;
}

static void entry_forget(struct journal *j, struct entry *e)
{
	free(e->text);
	j->n--;
	memmove(e, e + 1, (size_t)(j->entries + j->n - e) * sizeof(*e));
}

static int entry_keep(
	struct journal *j, uint64_t id, uint64_t netns, const char *kind, const char *text)
{
	struct entry *e;

	if (j->n == j->room) {
		size_t room = j->room ? 2 * j->room : 32;

		e = realloc(j->entries, room * sizeof(*e));
		if (!e)
			return -ENOMEM;
		j->entries = e;
		j->room = room;
	}
	e = &j->entries[j->n];
	*e = (struct entry){.id = id, .netns = netns, .text = strdup(text)};
	if (!e->text)
		return -ENOMEM;
	snprintf(e->kind, sizeof(e->kind), "%s", kind);
	j->n++;
	return 0;
}

/* ---- lines in the file ---- */

static int line_format(const struct entry *e, char *to, size_t room)
{
	return snprintf(
		to, room, "+%" PRIu64 " %" PRIu64 " %s %s\n", e->id, e->netns, e->kind, e->text);
}

/* All of it or nothing: what a full file system took of a line is cut off again. */
static int line_write(struct journal *j, const char *line, size_t n)
{
	ssize_t put;
	int err;

	if (!j->writable)
		return -EROFS;
	put = pwrite(j->fd, line, n, j->end);
	if (put == (ssize_t)n) {
		j->end += put;
		return 0;
	}
	err = put < 0 ? -errno : -ENOSPC;
	if (ftruncate(j->fd, j->end) < 0)
		j->writable = false;
	return err;
}

/* One line without its newline. A line that makes no sense is passed over. */
static int line_read(struct journal *j, char *line)
{
	char *rest = line + 1, *id_text, *netns_text, *kind;
	uint64_t id, netns;

	if (*line != '+' && *line != '-')
		return 0;
	id_text = strsep(&rest, " ");
	netns_text = strsep(&rest, " ");
	kind = strsep(&rest, " ");
	if (!str_uint(id_text, 1, UINT64_MAX, &id))
		return 0;
	if (id > j->last_id)
		j->last_id = id;
	if (*line == '-') {
		struct entry *e = entry_find(j, id);

		if (e)
			entry_forget(j, e);
		j->dead++;
		return 0;
	}
	if (!rest || strlen(kind) >= KIND_MAX /* check: journal-read-kind */ ||
		!str_uint(netns_text, 0, UINT64_MAX, &netns))
		return 0;
	return entry_keep(j, id, netns, kind, rest);
}

static int file_read(struct journal *j)
{
	char *text = calloc(1, FILE_MAX + 1), *at = text, *newline;
	ssize_t n = text ? pread(j->fd, text, FILE_MAX, 0) : 0;
	int err = !text ? -ENOMEM : n < 0 ? -errno : 0;

	while (!err && (newline = strchr(at, '\n'))) {
		*newline = 0;
		err = line_read(j, at);
		at = newline + 1;
	}
	j->end = at - text;
	free(text);
	return err;
}

/* Write the living entries to a new file and put it in place of the old one. A failure changes
 * nothing: the old file says the same at greater length. */
static void file_rewrite(struct journal *j)
{
	int old = j->fd, fd;
	off_t old_end = j->end;
	char line[LINE_ROOM];
	int err = 0;

	fd = openat(j->dir, new_name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	j->fd = fd;
	j->end = 0;
	for (size_t i = 0; i < j->n && !err; i++)
		err = line_write(j, line, (size_t)line_format(&j->entries[i], line, sizeof(line)));
	if (err || renameat(j->dir, new_name, j->dir, file_name) < 0) {
		unlinkat(j->dir, new_name, 0);
		close(fd);
		j->fd = old;
		j->end = old_end;
		j->writable = true;
		return;
	}
	close(old);
	j->dead = 0;
}

static int file_open(struct journal *j)
{
	enum { FLAGS = O_NOFOLLOW | O_CLOEXEC };

	j->fd = openat(j->dir, file_name, O_RDWR | O_CREAT | FLAGS, 0600);
	j->writable = j->fd >= 0;
	if (j->fd < 0 && (errno == EROFS || errno == ENOSPC || errno == EACCES))
		j->fd = openat(j->dir, file_name, O_RDONLY | FLAGS);
	if (j->fd < 0 && errno == ENOENT)
		return 0; /* nothing to read, nothing can be written */
	return j->fd < 0 ? -errno : 0;
}

/* ---- the journal ---- */

int journal_open(struct journal **to, const char *dir)
{
	struct journal *j = calloc(1, sizeof(*j));
	int err = 0;

	*to = NULL;
	if (!j)
		return -ENOMEM;
	j->fd = -1;
	j->netns = host_netns();
	j->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir < 0)
		err = -errno;
	else if (flock(j->dir, LOCK_EX | LOCK_NB) < 0) /* check: journal-lock */
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else
		err = file_open(j);
	if (!err && j->fd >= 0)
		err = file_read(j);
	if (!err && j->writable && ftruncate(j->fd, j->end) < 0)
		err = -errno;
	if (err) {
		journal_close(j);
		return err;
	}
	*to = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	while (j->n)
		entry_forget(j, &j->entries[j->n - 1]);
	free(j->entries);
	if (j->fd >= 0)
		close(j->fd);
	if (j->dir >= 0)
		close(j->dir);
	free(j);
}

int journal_add(struct journal *j, const char *kind, const char *text, uint64_t *id)
{
	char line[LINE_ROOM];
	int err;

	*id = 0;
	if (strlen(text) >= JOURNAL_TEXT /* check: journal-text-room */ ||
		strchr(text, '\n') /* check: journal-one-line */ ||
		strlen(kind) >= KIND_MAX /* check: journal-kind-room */)
		return -EINVAL;
	err = entry_keep(j, j->last_id + 1, j->netns, kind, text);
	if (err)
		return err;

	struct entry *e = &j->entries[j->n - 1];

	err = line_write(j, line, (size_t)line_format(e, line, sizeof(line)));
	if (err) {
		entry_forget(j, e);
		return err;
	}
	*id = ++j->last_id;
	return 0;
}

/* That the line cannot be written on a full file system is no loss: undoing twice is harmless. */
void journal_done(struct journal *j, uint64_t id)
{
	struct entry *e = entry_find(j, id);
	char line[32];

	if (!e)
		return;
	entry_forget(j, e);
	if (j->n == 0 && j->writable && ftruncate(j->fd, 0) == 0) {
		j->end = 0;
		j->dead = 0;
		return;
	}
	if (line_write(j, line, (size_t)snprintf(line, sizeof(line), "-%" PRIu64 "\n", id)) == 0 &&
		++j->dead >= REWRITE_DEAD)
		file_rewrite(j);
}

size_t journal_pending(const struct journal *j)
{
	return j->n;
}

static const struct journal_kind *kind_find(
	const struct journal_kind *kinds, size_t n, const char *kind)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(kinds[i].kind, kind))
			return &kinds[i];
	return NULL;
}

size_t journal_undo(struct journal *j, const struct journal_kind *kinds, size_t n, void *ctx)
{
	for (size_t i = j->n; i-- > 0;) {
		const struct entry *e = &j->entries[i];
		const struct journal_kind *k = kind_find(kinds, n, e->kind);

		if (k && e->netns == j->netns /* check: journal-netns */ &&
			k->undo(ctx, e->text) == 0)
			journal_done(j, e->id);
	}
	return j->n;
}

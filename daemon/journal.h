/* The journal: every change to this host, written down before it is made.
 *
 * RUNTIME_DIR/journal (mode 0600) is a text of lines: "+ID NETNS KIND TEXT" announces a change,
 * "-ID" says that it has been undone. A process that dies leaves the rest; the next one reads it and
 * undoes it, last change first. NETNS is the network namespace the change was made in: what belongs
 * to another one is left for a process that runs there. An entry may stand for a change that was
 * never made (the process died in between), so undoing tolerates what is not there. A last line
 * without its newline was cut off by death and counts as not written.
 *
 * One process at a time: the directory is locked for as long as the journal is open. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct journal;

enum { JOURNAL_TEXT = 1024 }; /* longest TEXT, with the final NUL */

/* 0, -EBUSY when another process has it open, or -errno. Entries of a dead process are read in.
 * On a directory that cannot be written it opens all the same: then nothing can be added. */
[[gnu::warn_unused_result]] int journal_open(struct journal **j, const char *dir);
void journal_close(struct journal *j); /* NULL is allowed; the entries stay */

/* Write down a change of `kind` (a static word) before making it. 0 and the entry's id, or -errno:
 * then the change must not be made. -EINVAL when text has a newline or is too long. */
[[gnu::warn_unused_result]] int journal_add(
	struct journal *j, const char *kind, const char *text, uint64_t *id);

/* The change is undone, or was not made. Unknown ids (0 too) are ignored. */
void journal_done(struct journal *j, uint64_t id);

size_t journal_pending(const struct journal *j); /* entries not undone */

/* How to undo one kind. 0 when undone or nothing was there; -errno leaves the entry for later. */
struct journal_kind {
	const char *kind;
	int (*undo)(void *ctx, const char *text);
};

/* Undo everything pending of this network namespace, the last first. Entries of kinds unknown to
 * the table stay. Returns the number of entries that are left. */
size_t journal_undo(struct journal *j, const struct journal_kind *kinds, size_t n, void *ctx);

/* Undo what a dead vpnd left on this host: at start, and by `vpnd --cleanup`. */
#pragma once

#include <stddef.h>

#include "base/log.h"
#include "daemon/journal.h"

/* Undo everything in an open journal, and bring resolv.conf back even if the journal is lost.
 * log may be NULL. Returns the number of changes that could not be undone; each is logged. */
size_t cleanup_journal(struct journal *j, const char *state_dir, struct log *log);

/* The same from outside. 0, -EBUSY while a vpnd runs on this runtime directory, -EIO when something
 * is left, or -errno. A runtime directory that is not there is clean. */
[[gnu::warn_unused_result]] int cleanup_run(
	const char *runtime_dir, const char *state_dir, struct log *log);

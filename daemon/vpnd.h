/* The daemon: all sessions of this host, what they share, and the control socket's wishes. */
#pragma once

#include "base/log.h"

struct vpnd;

/* Borrowed for the life of the daemon. */
struct vpnd_conf {
	const char *config_dir;
	const char *socket;
	const char *runtime_dir;
	const char *state_dir;
	struct log *log;
};

/* Set everything up: undo what a dead vpnd left, listen, read nothing yet. 0 and *d, or -errno with
 * a line in the log. */
[[gnu::warn_unused_result]] int vpnd_new(const struct vpnd_conf *conf, struct vpnd **d);

/* Connect what is to be connected by itself, and serve until SIGTERM or SIGINT; then disconnect
 * cleanly. 0 or -errno. */
[[gnu::warn_unused_result]] int vpnd_run(struct vpnd *d);

void vpnd_free(struct vpnd *d); /* NULL is allowed */

/* A connection to vpnd and the calls on it. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/msec.h"
#include "cli/cli.h"
#include "cli/varlink.h"

struct line {
	int fd; /* -1 when closed */
	struct varlink_in in;
	struct varlink_out out;
};

#define LINE_CLOSED                                                                                \
	(struct line)                                                                              \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Connect to the daemon: 0 or -errno, without a word. */
int line_try(const char *socket_path, struct line *line);

/* The same: 0, or the exit code after it said why. */
int line_open(const struct cli *cli, struct line *line);
void line_close(struct line *line);

/* Send a call; `params` is taken and may be NULL. False: the daemon has gone. */
bool line_send(struct line *line, const char *method, json_t *params, bool more);

enum got { GOT_REPLY, GOT_NOTHING, GOT_END };

/* The next reply that is there, without waiting; the caller frees *message, which *reply borrows
 * from. All its texts are fit for a terminal. Reads once when nothing is buffered, so call it when
 * line->fd is readable, until it says GOT_NOTHING. */
enum got line_next(struct line *line, json_t **message, struct varlink_reply *reply);

/* The same, waiting. GOT_NOTHING after `patience` ms; -1 = for ever. */
enum got line_wait(struct line *line, int patience, json_t **message, struct varlink_reply *reply);

/* One call with one reply: its parameters, which the caller frees, or NULL after it said what went
 * wrong; then *code is the exit code. */
json_t *call_once(
	const struct cli *cli, const char *method, json_t *params, const char *name, int *code);

/* Milliseconds on a clock that never jumps. */
msec clock_now(void);

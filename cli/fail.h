/* Failures: one line that says what, one line that says what helps, and the exit code. With --json
 * an object on stdout instead. */
#pragma once

#include <jansson.h>

#include "cli/cli.h"

/* A failure that vpnd explained (the type Failure of io.vpnd). Returns the exit code. */
int fail_reason(const struct cli *cli, const char *name, const json_t *failure);

/* A reason that vpnctl itself found. */
int fail_here(const struct cli *cli, const char *name, enum reason_id id, const char *evidence);

/* A Varlink error with its parameters. */
int fail_error(const struct cli *cli, const char *name, const char *error, const json_t *params);

/* Anything else; `hint` may be "". */
int fail_text(const struct cli *cli, enum exit_class exit, const char *name, const char *id,
	const char *text, const char *hint);

/* What the rooms of vpnctl share: the command line as it was understood, and the verbs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

enum { SCHEMA = 1 }; /* of everything --json prints */

struct cli {
	const char *socket;
	bool json, quiet, verbose;
	bool color_out, color_err;
	const char *color; /* auto, always, never */

	const char *name; /* the first argument, NULL when there is none */
	const char *more; /* the second */

	const char *wait, *interval; /* seconds, as typed */
	bool no_wait, ask, yes, all, follow;
	bool again; /* reconnect */
	const char *password_file;
};

/* Each returns the exit code. */
int verb_connect(const struct cli *cli);
int verb_disconnect(const struct cli *cli);
int verb_reconnect(const struct cli *cli);
int verb_status(const struct cli *cli);
int verb_list(const struct cli *cli);
int verb_show(const struct cli *cli);
int verb_monitor(const struct cli *cli);
int verb_log(const struct cli *cli);
int verb_test(const struct cli *cli);
int verb_reload(const struct cli *cli);
int verb_explain(const struct cli *cli);
int verb_version(const struct cli *cli);
int verb_completion(const struct cli *cli);
int verb_help(const struct cli *cli);

/* ---- the verb table ---- */

enum { VERBS = 14, VERB_OPTIONS = 6 };

struct option_row {
	const char *name;   /* "--wait" */
	const char *letter; /* "-f" or NULL */
	const char *value;  /* "SEC", NULL when it takes none */
	size_t offset;      /* into struct cli: const char * with a value, else bool */
	const char *meaning;
};

struct verb {
	const char *name, *alias;
	const char *usage;    /* its arguments, for people: "NAME [KEY]" */
	unsigned least, most; /* how many arguments */
	const char *first; /* what the first one may be, for completion: words, "" = a connection */
	int (*run)(const struct cli *cli);
	const char *meaning;
	struct option_row options[VERB_OPTIONS]; /* to the first without a name */
};

extern const struct verb verbs[VERBS];
extern const struct option_row global_options[];
extern const size_t n_global_options;

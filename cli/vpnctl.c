/* vpnctl: the verb table, the options, and which verb is meant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/fail.h"
#include "cli/out.h"
#include "cli/varlink.h"

#define AT(member) offsetof(struct cli, member)

/* clang-format off */
const struct option_row global_options[] = {
	{"--socket", NULL, "PATH", AT(socket), "the daemon's socket; default /run/vpnd/io.vpnd"},
	{"--json", NULL, NULL, AT(json), "results and failures as JSON, with \"schema\": 1"},
	{"--quiet", "-q", NULL, AT(quiet), "nothing but failures"},
	{"--verbose", "-v", NULL, AT(verbose), "more details"},
	{"--color", NULL, "WHEN", AT(color), "auto, always or never"},
};
const size_t n_global_options = sizeof(global_options) / sizeof(*global_options);

#define CONNECT_OPTIONS { \
	{"--wait", NULL, "SEC", AT(wait), "give up after so many seconds"}, \
	{"--no-wait", NULL, NULL, AT(no_wait), "return as soon as the attempt has begun"}, \
	{"--ask", NULL, NULL, AT(ask), "ask for the password even if there is one"}, \
	{"--password-file", NULL, "FILE", AT(password_file), "its first line is the password; - is stdin"}, \
	{"--yes", NULL, NULL, AT(yes), "even if it cuts off this SSH session"}, \
	{0}}

const struct verb verbs[VERBS] = {
	{"connect", "up", "NAME", 1, 1, "", verb_connect,
		"connect and wait until it is up", CONNECT_OPTIONS},
	{"disconnect", "down", "NAME | --all", 0, 1, "", verb_disconnect,
		"close a connection, or all", {
		{"--all", NULL, NULL, AT(all), "all connections"}}},
	{"reconnect", NULL, "NAME", 1, 1, "", verb_reconnect,
		"disconnect, then connect", CONNECT_OPTIONS},
	{"status", NULL, "[NAME]", 0, 1, "", verb_status,
		"what is up; with NAME every layer of it", {{0}}},
	{"list", NULL, "", 0, 0, NULL, verb_list,
		"the configured connections", {{0}}},
	{"show", NULL, "NAME [KEY]", 1, 2, "", verb_show,
		"the effective settings; secrets are hidden", {{0}}},
	{"monitor", NULL, "[NAME]", 0, 1, "", verb_monitor,
		"a live view; with --json a stream of events", {
		{"--interval", "-i", "SEC", AT(interval), "seconds between two views; default 1"}}},
	{"log", NULL, "NAME", 1, 1, "", verb_log,
		"the history of a connection", {
		{"--follow", "-f", NULL, AT(follow), "go on with what happens"}}},
	{"test", NULL, "ipsec", 1, 1, "ipsec", verb_test,
		"what this host can do, and who has its ports", {{0}}},
	{"reload", NULL, "", 0, 0, NULL, verb_reload,
		"read the configuration anew", {{0}}},
	{"explain", NULL, "CODE", 1, 1, NULL, verb_explain,
		"what a failure means: an id, or Windows' number", {{0}}},
	{"version", NULL, "", 0, 0, NULL, verb_version,
		"the versions of vpnctl and vpnd", {{0}}},
	{"completion", NULL, "bash | zsh | fish", 1, 1, "bash zsh fish", verb_completion,
		"a completion script for the shell", {{0}}},
	{"help", NULL, "[COMMAND]", 0, 1, NULL, verb_help,
		"this list, or a command with its options", {{0}}},
};
/* clang-format on */

enum { WORDS_MAX = 3, HELP_COLUMN = 24 };

/* ---- help ---- */

static void print_options(const struct option_row *options, size_t n)
{
	for (size_t i = 0; i < n && options[i].name; i++) {
		const struct option_row *o = &options[i];
		char text[64];

		snprintf(text, sizeof(text), "%s%s%s%s%s", o->letter ? o->letter : "",
			o->letter ? ", " : "", o->name, o->value ? " " : "",
			o->value ? o->value : "");
		printf("  %-*s %s\n", HELP_COLUMN, text, o->meaning);
	}
}

static const struct verb *find_verb(const char *word, bool *ambiguous)
{
	const struct verb *found = NULL;

	*ambiguous = false;
	for (size_t i = 0; i < VERBS; i++) {
		const struct verb *v = &verbs[i];

		if (strcmp(v->name, word) == 0 || (v->alias && strcmp(v->alias, word) == 0))
			return v;
	}
	for (size_t i = 0; i < VERBS; i++)
		if (word[0] && strncmp(verbs[i].name, word, strlen(word)) == 0) {
			*ambiguous = found != NULL;
			found = *ambiguous ? found : &verbs[i];
			if (*ambiguous)
				return NULL;
		}
	return found;
}

static int help_verb(const struct cli *cli)
{
	bool ambiguous;
	const struct verb *v = find_verb(cli->name, &ambiguous);

	if (!v)
		return fail_text(cli, EXIT_USAGE, NULL, "USAGE", "there is no such command",
			"vpnctl help lists the commands.");
	printf("vpnctl %s%s%s - %s\n", v->name, v->usage[0] ? " " : "", v->usage, v->meaning);
	print_options(v->options, VERB_OPTIONS);
	return EXIT_OK;
}

int verb_help(const struct cli *cli)
{
	if (cli->name)
		return help_verb(cli);
	puts("vpnctl [OPTION]... COMMAND [ARGUMENT]...\n");
	for (size_t i = 0; i < VERBS; i++) {
		char text[64];

		int n = snprintf(text, sizeof(text), "%s %s", verbs[i].name, verbs[i].usage);

		printf("  %-*s", HELP_COLUMN, text);
		if (n > HELP_COLUMN)
			printf("\n  %-*s", HELP_COLUMN, "");
		printf(" %s\n", verbs[i].meaning);
	}
	puts("");
	print_options(global_options, n_global_options);
	puts("\nCommands may be shortened as long as they are clear; up and down are connect and\n"
	     "disconnect. Without a command: status. More in vpnctl(1).");
	return EXIT_OK;
}

/* ---- the command line ---- */

static int usage_error(const struct cli *cli, const char *what, const char *word)
{
	char text[160];

	snprintf(text, sizeof(text), "%.100s: %s", word, what);
	return fail_text(cli, EXIT_USAGE, NULL, "USAGE", text, "vpnctl help");
}

/* "--wait", "--wait=3" and "-f" all name a row. */
static const struct option_row *find_option(
	const struct option_row *rows, size_t n, const char *word)
{
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < n && rows[i].name; i++) {
		if (rows[i].letter && strcmp(rows[i].letter, word) == 0)
			return &rows[i];
		if (strlen(rows[i].name) == len && strncmp(rows[i].name, word, len) == 0)
			return &rows[i];
	}
	return NULL;
}

/* Which of argv are words and which options: the verb is the first word, and options may stand
 * anywhere, so the values of options must be known before the verb is. */
static const struct option_row *any_option(const char *word)
{
	const struct option_row *found = find_option(global_options, n_global_options, word);

	for (size_t i = 0; i < VERBS && !found; i++)
		found = find_option(verbs[i].options, VERB_OPTIONS, word);
	return found;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != 0;
}

/* Store one option; *i moves past its value. 0 or the exit code. */
static int take_option(struct cli *cli, const struct verb *v, char **argv, int argc, int *i)
{
	const char *word = argv[*i], *equals = strchr(word, '=');
	const struct option_row *o = find_option(global_options, n_global_options, word);
	char *to;

	if (!o)
		o = find_option(v->options, VERB_OPTIONS, word);
	if (!o)
		return usage_error(cli, "no such option", word);
	to = (char *)cli + o->offset;
	if (!o->value) {
		*(bool *)to = true;
		return equals ? usage_error(cli, "takes no value", word) : EXIT_OK;
	}
	if (!equals && *i + 1 == argc)
		return usage_error(cli, "expected a value", word);
	*(const char **)to = equals ? equals + 1 : argv[++*i];
	return EXIT_OK;
}

/* The words that are no options; -1 when there are too many. */
static int words_of(int argc, char **argv, const char *words[WORDS_MAX])
{
	int n = 0;
	bool plain = false;

	for (int i = 1; i < argc; i++) {
		const struct option_row *o = plain ? NULL : any_option(argv[i]);

		if (!plain && strcmp(argv[i], "--") == 0) {
			plain = true;
		} else if (!plain && is_option(argv[i])) {
			i += o && o->value && !strchr(argv[i], '=');
		} else {
			if (n == WORDS_MAX)
				return -1;
			words[n++] = argv[i];
		}
	}
	return n;
}

static int take_options(struct cli *cli, const struct verb *v, int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		int code = is_option(argv[i]) ? take_option(cli, v, argv, argc, &i) : EXIT_OK;

		if (code != EXIT_OK)
			return code;
	}
	return EXIT_OK;
}

static int set_colors(struct cli *cli)
{
	const char *off = getenv("NO_COLOR");
	bool always = strcmp(cli->color, "always") == 0, never = strcmp(cli->color, "never") == 0;

	if (!always && !never && strcmp(cli->color, "auto") != 0)
		return usage_error(cli, "expected auto, always or never", "--color");
	never |= !always && off && off[0];
	cli->color_out = always || (!never && isatty(STDOUT_FILENO));
	cli->color_err = always || (!never && isatty(STDERR_FILENO));
	return EXIT_OK;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static int run(struct cli *cli, int argc, char **argv)
{
	const char *words[WORDS_MAX] = {"status"};
	int n = words_of(argc, argv, words), code;
	bool ambiguous;
	const struct verb *v = find_verb(words[0], &ambiguous);

	if (!v)
		return usage_error(
			cli, ambiguous ? "may be several commands" : "no such command", words[0]);
	if (wants_help(argc, argv)) {
		cli->name = n ? v->name : NULL;
		return verb_help(cli);
	}
	code = take_options(cli, v, argc, argv);
	if (code == EXIT_OK)
		code = set_colors(cli);
	if (code != EXIT_OK)
		return code;
	if (n < 0 || n - 1 > (int)v->most || (n > 0 ? n - 1 : 0) < (int)v->least) {
		char usage[80];

		snprintf(usage, sizeof(usage), "expected %s",
			v->usage[0] ? v->usage : "nothing more");
		return usage_error(cli, usage, v->name);
	}
	cli->name = n > 1 ? words[1] : NULL;
	cli->more = n > 2 ? words[2] : NULL;
	return v->run(cli);
}

int main(int argc, char **argv)
{
	struct cli cli = {.socket = "/run/vpnd/io.vpnd", .color = "auto"};

	varlink_init();
	setrlimit(RLIMIT_CORE, &(struct rlimit){0}); /* a password may be in memory */
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return verb_version(&cli);
	return run(&cli, argc, argv);
}

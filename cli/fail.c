#include "cli/fail.h"

#include <stdio.h>
#include <string.h>

#include "cli/out.h"

/* The errors of the control socket. */
static const struct error_row {
	const char *error, *id;
	enum exit_class exit;
	const char *text, *hint;
} errors[] = {
	{"io.vpnd.NoSuchConnection", "NO-SUCH-CONNECTION", EXIT_NO_CONNECTION,
		"there is no such connection", "vpnctl list shows those there are."},
	{"io.vpnd.AlreadyConnected", "ALREADY-CONNECTED", EXIT_ERROR,
		"somebody is connecting it already", "vpnctl monitor shows how it goes."},
	{"io.vpnd.NotConnected", "NOT-CONNECTED", EXIT_NOT_CONNECTED, "it is not connected", ""},
	{"io.vpnd.NotConnecting", "NOT-CONNECTING", EXIT_NOT_CONNECTED, "nobody is connecting it",
		""},
	{"io.vpnd.NoSuchQuestion", "NO-SUCH-QUESTION", EXIT_ERROR,
		"the question was withdrawn meanwhile", ""},
	{"io.vpnd.NoSuchKey", "NO-SUCH-KEY", EXIT_USAGE, "there is no such key",
		"vpnd.conf(5) lists the keys."},
	{"io.vpnd.BadSettings", "CONFIG", EXIT_ERROR, "its settings cannot be used",
		"vpnd --check prints all that is wrong."},
	{"io.vpnd.DisconnectFailed", "DISCONNECT-FAILED", EXIT_DISCONNECT_FAILED,
		"it could not be closed cleanly", ""},
	{"io.vpnd.TooManyClients", "TOO-MANY-CLIENTS", EXIT_ERROR,
		"vpnd has too many clients at this moment", "Close a vpnctl monitor or log -f."},
	{"io.vpnd.OutOfMemory", "LOCAL-NO-MEMORY", EXIT_ERROR, "vpnd is out of memory", ""},
	{"org.varlink.service.PermissionDenied", "NOT-PERMITTED", EXIT_NOT_PERMITTED,
		"you may not do that", "Use sudo, or become a member of the group vpnd."},
	{"org.varlink.service.MethodNotFound", "VERSION", EXIT_ERROR,
		"this vpnd does not know the command", "vpnctl version shows both versions."},
	{"org.varlink.service.InvalidParameter", "VERSION", EXIT_ERROR,
		"this vpnd does not understand the command", "vpnctl version shows both versions."},
};

static void print_hint(const struct cli *cli, const char *hint)
{
	if (hint[0])
		fprintf(stderr, "%shint:%s %s\n", ink(cli->color_err, INK_BOLD),
			ink(cli->color_err, INK_NONE), hint);
}

/* "corp: " in red, or nothing. */
static void print_name(const struct cli *cli, const char *name)
{
	fprintf(stderr, "%s%s:%s ", ink(cli->color_err, INK_RED), name ? name : "vpnctl",
		ink(cli->color_err, INK_NONE));
}

static int exit_of(const char *id)
{
	return (int)reason_row(reason_find(id))->exit;
}

int fail_reason(const struct cli *cli, const char *name, const json_t *failure)
{
	json_int_t windows = int_of(failure, "windows");
	const char *evidence = str_of(failure, "evidence");
	int code = exit_of(str_of(failure, "id"));

	if (strcmp(str_of(failure, "id"), reason_row(REASON_NONE)->id) == 0)
		return fail_text(cli, EXIT_CONNECT_FAILED, name, "ENDED",
			"somebody else disconnected it meanwhile", "");
	if (code == EXIT_OK)
		code = EXIT_CONNECT_FAILED; /* a reason that only a newer vpnd knows */
	if (cli->json) {
		out_json(json_pack("{s:O}", "error", failure));
		return code;
	}
	print_name(cli, name);
	fprintf(stderr, "%s", str_of(failure, "id"));
	if (windows)
		fprintf(stderr, " (Windows %d)", (int)windows);
	fprintf(stderr, ": %s", str_of(failure, "text"));
	if (evidence[0])
		fprintf(stderr, " (%s)", evidence);
	fprintf(stderr, ".\n");
	print_hint(cli, str_of(failure, "hint"));
	return code;
}

int fail_here(const struct cli *cli, const char *name, enum reason_id id, const char *evidence)
{
	const struct reason_row *row = reason_row(id);
	char hint[REASON_HINT];
	json_t *failure = json_pack("{s:s, s:s, s:o*, s:s, s:s, s:s}", "id", row->id, "stage",
		reason_stage_name(row->stage), "windows",
		row->windows ? json_integer(row->windows) : NULL, "text", row->sentence, "hint",
		reason_hint(id, name, hint), "evidence", evidence);
	int code = fail_reason(cli, name, failure);

	json_decref(failure);
	return code;
}

int fail_text(const struct cli *cli, enum exit_class exit, const char *name, const char *id,
	const char *text, const char *hint)
{
	if (cli->json) {
		out_json(json_pack("{s:{s:s, s:s, s:n, s:s, s:s, s:s}}", "error", "id", id, "stage",
			"local", "windows", "text", text, "hint", hint, "evidence", ""));
		return (int)exit;
	}
	print_name(cli, name);
	fprintf(stderr, "%s.\n", text);
	print_hint(cli, hint);
	return (int)exit;
}

/* BadSettings: each problem on a line of its own, as vpnd --check prints them. */
static int fail_settings(const struct cli *cli, const struct error_row *row, const json_t *params)
{
	const json_t *problems = json_object_get(params, "problems");
	size_t i;
	json_t *problem;

	if (cli->json) {
		out_json(json_pack("{s:{s:s, s:s, s:n, s:s, s:s, s:s, s:O*}}", "error", "id",
			row->id, "stage", "local", "windows", "text", row->text, "hint", row->hint,
			"evidence", "", "problems", problems));
		return (int)row->exit;
	}
	json_array_foreach ((json_t *)problems, i, problem)
		fprintf(stderr, "%s\n", json_string_value(problem));
	print_hint(cli, row->hint);
	return (int)row->exit;
}

int fail_error(const struct cli *cli, const char *name, const char *error, const json_t *params)
{
	const char *said = str_of(params, "text");

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		const struct error_row *row = &errors[i];

		if (strcmp(row->error, error) != 0)
			continue;
		if (strcmp(row->id, "CONFIG") == 0)
			return fail_settings(cli, row, params);
		return fail_text(
			cli, row->exit, name, row->id, said[0] ? said : row->text, row->hint);
	}
	return fail_text(cli, EXIT_ERROR, name, "UNKNOWN", error, "");
}

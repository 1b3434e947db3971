/* explain, version: what needs no connection. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/call.h"
#include "cli/fail.h"
#include "cli/out.h"

/* ---- explain ---- */

static json_t *reason_json(enum reason_id id)
{
	const struct reason_row *row = reason_row(id);
	char hint[REASON_HINT];

	return json_pack("{s:s, s:s, s:o*, s:s, s:s, s:i}", "id", row->id, "stage",
		reason_stage_name(row->stage), "windows",
		row->windows ? json_integer(row->windows) : NULL, "text", row->sentence, "hint",
		reason_hint(id, NULL, hint), "exit", (int)row->exit);
}

static void print_reason(const struct cli *cli, enum reason_id id)
{
	const struct reason_row *row = reason_row(id);
	char hint[REASON_HINT];

	printf("%s%s%s", ink(cli->color_out, INK_BOLD), row->id, ink(cli->color_out, INK_NONE));
	if (row->windows)
		printf(" (Windows %u)", row->windows);
	printf(": %s.\n", row->sentence);
	if (row->hint[0])
		printf("  %s\n", reason_hint(id, NULL, hint));
	printf("  %sstage %s, exit code %d, %s%s\n", ink(cli->color_out, INK_DIM),
		reason_stage_name(row->stage), (int)row->exit,
		row->final ? "not tried again by itself" : "tried again by itself",
		ink(cli->color_out, INK_NONE));
}

/* An id names one reason, a Windows number may name several. */
static bool matches(enum reason_id id, const char *code)
{
	uint64_t number;

	if (str_uint(code, 1, UINT16_MAX, &number))
		return reason_row(id)->windows == number;
	return reason_find(code) == id;
}

int verb_explain(const struct cli *cli)
{
	json_t *found = json_array();

	for (enum reason_id id = REASON_NONE + 1; id < REASONS; id++) {
		if (!matches(id, cli->name))
			continue;
		json_array_append_new(found, reason_json(id));
		if (!cli->json)
			print_reason(cli, id);
	}

	size_t n = json_array_size(found);

	if (n && cli->json)
		return out_json(json_pack("{s:o}", "failures", found));
	json_decref(found);
	return n ? EXIT_OK
		 : fail_text(cli, EXIT_ERROR, NULL, "NO-SUCH-CODE", "there is no such code",
			   "Ids are like IKE-TIMEOUT, numbers those of Windows.");
}

/* ---- version ---- */

/* The daemon's version when it answers; its absence is no failure here. */
static json_t *daemon_info(const struct cli *cli)
{
	struct varlink_reply reply;
	json_t *message = NULL, *info = NULL;
	struct line line = LINE_CLOSED;

	if (line_try(cli->socket, &line) != 0)
		return NULL;
	if (line_send(&line, "org.varlink.service.GetInfo", NULL, false) &&
		line_wait(&line, 2000, &message, &reply) == GOT_REPLY) {
		info = json_incref(reply.parameters);
		json_decref(message);
	}
	line_close(&line);
	return info;
}

int verb_version(const struct cli *cli)
{
	json_t *info = daemon_info(cli);
	const char *version = str_of(info, "version");
	int code = EXIT_OK;

	if (cli->json) {
		code = out_json(json_pack("{s:s, s:s*}", "vpnctl", VPND_VERSION, "vpnd",
			version[0] ? version : NULL));
	} else {
		printf("vpnctl %s\n", VPND_VERSION);
		printf("vpnd   %s\n", version[0] ? version : "is not running");
	}
	json_decref(info);
	return code;
}

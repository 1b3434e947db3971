/* monitor and log: what happens, while it happens. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/call.h"
#include "cli/fail.h"
#include "cli/out.h"
#include "cli/status.h"

/* ---- streams ---- */

typedef void item_fn(const struct cli *cli, const json_t *params);

/* Call `item` for every reply of a stream, until it ends. */
static int stream(const struct cli *cli, const char *method, json_t *params, item_fn *item)
{
	struct varlink_reply reply;
	json_t *message;
	struct line line;
	bool more = true;
	int code = line_open(cli, &line);

	if (code != EXIT_OK) {
		json_decref(params);
		return code;
	}
	more = line_send(&line, method, params, true);
	while (more && line_wait(&line, -1, &message, &reply) == GOT_REPLY) {
		if (reply.error)
			code = fail_error(cli, cli->name, reply.error, reply.parameters);
		else
			item(cli, reply.parameters);
		more = reply.continues;
		json_decref(message);
		fflush(stdout);
		if (!more) {
			line_close(&line);
			return code;
		}
	}
	line_close(&line);
	return fail_here(cli, cli->name, REASON_DAEMON_DOWN, "it hung up");
}

static void time_text(double at, char *to, size_t room)
{
	time_t seconds = (time_t)at;
	struct tm tm;
	size_t n = strftime(to, room, "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));

	snprintf(to + n, room - n, ".%03d", (int)((at - (double)seconds) * 1000));
}

/* ---- log ---- */

static void print_log_line(const struct cli *cli, const json_t *params)
{
	const json_t *line = json_object_get(params, "line");
	const char *level = str_of(line, "level");
	enum ink level_ink = strcmp(level, "error") == 0   ? INK_RED
			     : strcmp(level, "warn") == 0  ? INK_YELLOW
			     : strcmp(level, "debug") == 0 ? INK_DIM
							   : INK_NONE;
	char at[64];

	if (!line)
		return;
	if (cli->json) {
		out_json(json_incref((json_t *)params));
		return;
	}
	time_text(json_real_value(json_object_get(line, "time")), at, sizeof(at));
	printf("%s%s%s %s%-5s%s %-7s %s\n", ink(cli->color_out, INK_DIM), at,
		ink(cli->color_out, INK_NONE), ink(cli->color_out, level_ink), level,
		ink(cli->color_out, INK_NONE), str_of(line, "layer"), str_of(line, "text"));
}

int verb_log(const struct cli *cli)
{
	json_t *params = json_pack("{s:s}", "name", cli->name);

	if (cli->follow)
		json_object_set_new(params, "follow", json_true());
	return stream(cli, "io.vpnd.Log", params, print_log_line);
}

/* ---- monitor, as a stream ---- */

static void print_event(const char *name, const json_t *event)
{
	const char *kind = str_of(event, "kind");
	const json_t *stage = json_object_get(event, "stage");
	const json_t *network = json_object_get(event, "network");
	const json_t *retry = json_object_get(event, "retry");
	const json_t *error = json_object_get(retry ? retry : event, "error");
	char text[OUT_TEXT], list[256];

	printf("%s: ", name);
	if (stage)
		printf("%s, %s%s%s\n", str_of(stage, "name"),
			took_text((msec)int_of(stage, "ms"), text),
			str_of(stage, "text")[0] ? ", " : "", str_of(stage, "text"));
	else if (network)
		printf("network %s, %s\n", str_of(network, "interface"),
			joined(json_object_get(network, "addresses"), list, sizeof(list)));
	else if (error)
		printf("%s %s (%s)%s%s\n", kind, str_of(error, "id"), str_of(error, "text"),
			retry ? ", next try in " : "",
			retry ? duration_text((msec)int_of(retry, "in_ms"), text) : "");
	else
		printf("%s\n", kind);
}

static void print_news(const struct cli *cli, const json_t *params)
{
	const json_t *event = json_object_get(params, "event");
	const json_t *connection = json_object_get(params, "connection");

	if (cli->json)
		out_json(json_incref((json_t *)params));
	else if (event)
		print_event(str_of(params, "name"), event);
	else
		printf("%s: %s\n", str_of(params, "name"), str_of(connection, "state"));
}

static int follow_news(const struct cli *cli)
{
	json_t *params = cli->name ? json_pack("{s:s}", "name", cli->name) : NULL;

	return stream(cli, "io.vpnd.Monitor", params, print_news);
}

/* ---- monitor, as a picture ---- */

/* The connection in full; NULL and *code when it cannot be asked for any more. */
static json_t *full(const struct cli *cli, const char *name, int *code)
{
	return call_once(cli, "io.vpnd.Status", json_pack("{s:s}", "name", name), name, code);
}

static int draw(const struct cli *cli)
{
	int code;
	json_t *all = cli->name ? json_pack("{s:[{s:s}]}", "connections", "name", cli->name)
				: call_once(cli, "io.vpnd.Status", NULL, NULL, &code);
	size_t i;
	json_t *c;

	if (!all)
		return code;
	code = EXIT_OK;
	fputs("\033[H\033[J", stdout);
	if (json_array_size(json_object_get(all, "connections")) == 0)
		puts("no connection is up");
	json_array_foreach (json_object_get(all, "connections"), i, c) {
		json_t *got = full(cli, str_of(c, "name"), &code);

		if (!got)
			break;
		print_connection(cli, json_array_get(json_object_get(got, "connections"), 0));
		puts("");
		json_decref(got);
	}
	json_decref(all);
	return fflush(stdout) == 0 ? code : EXIT_ERROR;
}

int verb_monitor(const struct cli *cli)
{
	uint64_t seconds = 1;
	int code = EXIT_OK;

	if (cli->interval && !str_uint(cli->interval, 1, 3600, &seconds))
		return fail_text(cli, EXIT_USAGE, NULL, "USAGE",
			"--interval: expected seconds from 1 to 3600", "");
	if (cli->json || !isatty(STDOUT_FILENO))
		return follow_news(cli);
	while (code == EXIT_OK) {
		code = draw(cli);
		if (code == EXIT_OK)
			poll(NULL, 0, (int)SECONDS(seconds));
	}
	return code;
}

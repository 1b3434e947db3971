/* test: what this host can do, before there is any connection. */
#include <stdio.h>
#include <string.h>

#include "cli/call.h"
#include "cli/fail.h"
#include "cli/out.h"

enum { NAME_COLUMN = 20 };

static void head(const struct cli *cli, const char *text)
{
	printf("\n%s%s%s\n", ink(cli->color_out, INK_BOLD), text, ink(cli->color_out, INK_NONE));
}

static void row(const struct cli *cli, const char *name, enum ink word_ink, const char *word,
	const char *why)
{
	printf("  %-*s %s%s%s", NAME_COLUMN, name, ink(cli->color_out, word_ink), word,
		ink(cli->color_out, INK_NONE));
	printf(*why ? "%*s%s\n" : "\n", (int)(5 - strlen(word)), "", why);
}

static void print_abilities(const struct cli *cli, const char *title, const json_t *list)
{
	size_t i;
	json_t *a;

	head(cli, title);
	json_array_foreach ((json_t *)list, i, a) {
		bool ok = json_is_true(json_object_get(a, "ok"));

		row(cli, str_of(a, "name"), ok ? INK_GREEN : INK_YELLOW, ok ? "yes" : "no",
			str_of(a, "why"));
	}
}

static void print_ports(const struct cli *cli, const json_t *list)
{
	bool held = false;
	size_t i;
	json_t *port;

	head(cli, "UDP ports of this host");
	json_array_foreach ((json_t *)list, i, port) {
		const char *holder = str_of(port, "holder");
		char number[16];

		snprintf(number, sizeof(number), "%d", (int)int_of(port, "port"));
		printf("  %-*s %s%s%s\n", NAME_COLUMN, number,
			ink(cli->color_out, holder[0] ? INK_YELLOW : INK_GREEN),
			holder[0] ? holder : "free", ink(cli->color_out, INK_NONE));
		held |= holder[0] != 0;
	}
	if (held)
		puts("  A port that is held stops nothing: vpnd then uses another of its own, and "
		     "begins\n"
		     "  with NAT traversal on the server's UDP 4500, where any port is expected.");
}

static void print_test(const struct cli *cli, const json_t *t)
{
	const char *plane = str_of(t, "plane"), *note = str_of(t, "note");

	printf("Linux %s: ", str_of(t, "kernel"));
	if (plane[0])
		printf("data-plane = auto takes %s%s%s\n", ink(cli->color_out, INK_GREEN), plane,
			ink(cli->color_out, INK_NONE));
	else
		printf("%sno tunnel is possible%s\n", ink(cli->color_out, INK_RED),
			ink(cli->color_out, INK_NONE));
	if (note[0])
		puts(note);
	print_abilities(cli, "ESP by the kernel", json_object_get(t, "suites"));
	print_abilities(cli, "This host", json_object_get(t, "parts"));
	print_ports(cli, json_object_get(t, "ports"));
}

int verb_test(const struct cli *cli)
{
	int code;
	json_t *got;

	if (strcmp(cli->name, "ipsec") != 0)
		return fail_text(cli, EXIT_USAGE, NULL, "USAGE", "expected ipsec", "");
	got = call_once(cli, "io.vpnd.TestIpsec", NULL, NULL, &code);
	if (!got)
		return code;
	code = json_is_true(json_object_get(got, "possible")) ? EXIT_OK : EXIT_ERROR;
	if (cli->json) {
		int printed = out_json(json_incref(got));

		code = printed != EXIT_OK ? printed : code;
	} else if (!cli->quiet) {
		print_test(cli, got);
	}
	json_decref(got);
	return code;
}

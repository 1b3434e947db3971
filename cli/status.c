/* status, list, show, reload: what is, as text or JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/call.h"
#include "cli/fail.h"
#include "cli/out.h"
#include "cli/status.h"

enum { COLUMNS_MAX = 8, CELL = 80, LABEL = 12 };

/* ---- tables ---- */

/* Cells as text; the columns are as wide as their widest cell. The second is a state. */
struct table {
	size_t columns, rows;
	char (*cells)[CELL];
};

static bool table_row(struct table *t, const char *const *cells)
{
	size_t at = t->rows * t->columns;
	void *more = realloc(t->cells, (at + t->columns) * sizeof(*t->cells));

	if (!more)
		return false;
	t->cells = more;
	for (size_t i = 0; i < t->columns; i++)
		snprintf(t->cells[at + i], CELL, "%s", cells[i]);
	t->rows++;
	return true;
}

static int width(const struct table *t, size_t column)
{
	size_t widest = 0;

	for (size_t row = 0; row < t->rows; row++) {
		size_t n = strlen(t->cells[row * t->columns + column]);

		if (n > widest)
			widest = n;
	}
	return (int)widest;
}

static void print_cell(const struct table *t, size_t row, size_t column, bool color)
{
	const char *cell = t->cells[row * t->columns + column];
	enum ink cell_ink = row == 0 ? INK_BOLD : column == 1 ? ink_of_state(cell) : INK_NONE;

	if (cell_ink != INK_NONE)
		fputs(ink(color, cell_ink), stdout);
	if (column + 1 < t->columns)
		printf("%-*s", width(t, column), cell);
	else
		fputs(cell, stdout);
	if (cell_ink != INK_NONE)
		fputs(ink(color, INK_NONE), stdout);
	fputs(column + 1 < t->columns ? "  " : "\n", stdout);
}

static void table_print(struct table *t, bool color)
{
	for (size_t row = 0; row < t->rows; row++)
		for (size_t column = 0; column < t->columns; column++)
			print_cell(t, row, column, color);
	free(t->cells);
}

/* ---- status, all ---- */

static void status_row(struct table *t, const json_t *c)
{
	const json_t *network = json_object_get(c, "network");
	char since[OUT_TEXT], in[OUT_TEXT], out[OUT_TEXT], addresses[CELL];
	const char *cells[COLUMNS_MAX] = {
		str_of(c, "name"),
		str_of(c, "state"),
		duration_text((msec)int_of(c, "for_ms"), since),
		network ? str_of(network, "interface") : "-",
		network ? joined(json_object_get(network, "addresses"), addresses,
				  sizeof(addresses))
			: "-",
		json_object_get(c, "data_plane") ? str_of(c, "data_plane") : "-",
		octets_text((uint64_t)int_of(json_object_get(c, "received"), "octets"), in),
		octets_text((uint64_t)int_of(json_object_get(c, "sent"), "octets"), out),
	};

	table_row(t, cells);
}

static void print_all(const struct cli *cli, const json_t *list)
{
	static const char *const heads[COLUMNS_MAX] = {
		"NAME", "STATE", "FOR", "INTERFACE", "ADDRESS", "PLANE", "RECEIVED", "SENT"};
	struct table t = {.columns = COLUMNS_MAX};
	size_t i;
	json_t *c;

	if (json_array_size(list) == 0) {
		if (!cli->quiet)
			puts("no connection is up; vpnctl list shows those that can be");
		return;
	}
	table_row(&t, heads);
	json_array_foreach ((json_t *)list, i, c)
		status_row(&t, c);
	table_print(&t, cli->color_out);
}

/* ---- status, one ---- */

static void label(const struct cli *cli, const char *text)
{
	printf("  %s%-*s%s", ink(cli->color_out, INK_DIM), LABEL, text,
		ink(cli->color_out, INK_NONE));
}

static void print_network(const struct cli *cli, const json_t *c)
{
	const json_t *n = json_object_get(c, "network");
	char list[1024];

	if (!n)
		return;
	label(cli, "network");
	printf("%s, %s", str_of(n, "interface"),
		joined(json_object_get(n, "addresses"), list, sizeof(list)));
	if (json_object_get(n, "peer"))
		printf(", peer %s", str_of(n, "peer"));
	printf(", MTU %d\n", (int)int_of(n, "mtu"));
	label(cli, "dns");
	joined(json_object_get(n, "dns"), list, sizeof(list));
	puts(list[0] ? list : "the host's own");
	if (json_object_get(n, "dns_note")) {
		label(cli, "");
		puts(str_of(n, "dns_note"));
	}
	label(cli, "routes");
	joined(json_object_get(n, "routes"), list, sizeof(list));
	if (strcmp(list, "0.0.0.0/0") == 0)
		puts("all traffic goes inside");
	else
		puts(list[0] ? list : "none");
}

static void print_counters(const json_t *c, const char *key, const char *word)
{
	const json_t *n = json_object_get(c, key);
	char octets[OUT_TEXT];

	printf("%s%s in %lld packets", word, octets_text((uint64_t)int_of(n, "octets"), octets),
		(long long)int_of(n, "packets"));
	for (size_t i = 0; i < 3; i++) {
		static const struct {
			const char *key, *text;
		} bad[] = {{"icv_bad", "not authentic"}, {"replayed", "replayed"},
			{"malformed", "malformed"}};
		long long count = (long long)int_of(n, bad[i].key);

		if (count)
			printf(", %lld %s", count, bad[i].text);
	}
}

static void print_ike(const struct cli *cli, const json_t *c)
{
	const json_t *ike = json_object_get(c, "ike");
	char age[OUT_TEXT], rekey[OUT_TEXT];
	bool here = json_is_true(json_object_get(ike, "nat_here"));
	bool there = json_is_true(json_object_get(ike, "nat_there"));

	if (!ike)
		return;
	label(cli, "IKE");
	printf("%s, %s old", str_of(ike, "suite"), duration_text((msec)int_of(ike, "age_ms"), age));
	if (json_object_get(ike, "rekey_in_ms"))
		printf(", renewed in %s", duration_text((msec)int_of(ike, "rekey_in_ms"), rekey));
	printf("\n");
	label(cli, "");
	printf("server says it is %s", str_of(ike, "peer_id"));
	if (str_of(ike, "peer_kind")[0])
		printf(" (%s)", str_of(ike, "peer_kind"));
	puts(here && there ? "; NAT at both ends"
		: here     ? "; NAT on our side"
		: there    ? "; NAT on its side"
			   : "; no NAT");
	if (!cli->verbose)
		return;
	label(cli, "");
	printf("cookies %s, %d main and %d quick modes, round trip %d ms\n", str_of(ike, "cookies"),
		(int)int_of(ike, "main_modes"), (int)int_of(ike, "quick_modes"),
		(int)int_of(ike, "rtt_ms"));
}

static void print_sas(const struct cli *cli, const json_t *c)
{
	size_t i;
	json_t *sa;

	json_array_foreach (json_object_get(c, "sas"), i, sa) {
		char age[OUT_TEXT];

		label(cli, "ESP");
		printf("%s, %s old%s\n", str_of(sa, "suite"),
			duration_text((msec)int_of(sa, "age_ms"), age),
			json_is_true(json_object_get(sa, "in_use")) ? "" : ", running out");
		label(cli, "");
		printf("in  %s  ", str_of(sa, "spi_in"));
		print_counters(sa, "in", "");
		printf("\n");
		label(cli, "");
		printf("out %s  ", str_of(sa, "spi_out"));
		print_counters(sa, "out", "");
		printf("\n");
	}
}

static void print_l2tp_ppp(const struct cli *cli, const json_t *c)
{
	const json_t *l2tp = json_object_get(c, "l2tp"), *ppp = json_object_get(c, "ppp");

	if (l2tp) {
		label(cli, "L2TP");
		printf("tunnel %d/%d, session %d/%d, server %s", (int)int_of(l2tp, "tunnel"),
			(int)int_of(l2tp, "peer_tunnel"), (int)int_of(l2tp, "session"),
			(int)int_of(l2tp, "peer_session"), str_of(l2tp, "peer_name"));
		if (str_of(l2tp, "peer_vendor")[0])
			printf(" (%s)", str_of(l2tp, "peer_vendor"));
		printf("\n");
	}
	if (ppp) {
		label(cli, "PPP");
		printf("%s, MTU %d", str_of(ppp, "auth")[0] ? str_of(ppp, "auth") : "no login yet",
			(int)int_of(ppp, "mtu"));
		if (str_of(ppp, "message")[0])
			printf(", server says \"%s\"", str_of(ppp, "message"));
		printf("\n");
	}
}

static void print_failure(const struct cli *cli, const json_t *c)
{
	const json_t *failure = json_object_get(c, "failure");
	char wait[OUT_TEXT];

	if (json_object_get(c, "retry_in_ms")) {
		label(cli, "next try");
		printf("in %s\n", duration_text((msec)int_of(c, "retry_in_ms"), wait));
	}
	if (!failure)
		return;
	label(cli, "failure");
	printf("%s: %s", str_of(failure, "id"), str_of(failure, "text"));
	if (str_of(failure, "evidence")[0])
		printf(" (%s)", str_of(failure, "evidence"));
	printf("\n");
}

/* The question of every help desk: is it IPsec, or what runs inside it? */
static void print_verdict(const struct cli *cli, const json_t *c)
{
	if (!json_object_get(c, "sas") || json_object_get(c, "network"))
		return;
	label(cli, "");
	puts("IPsec is up; what is missing is L2TP or PPP");
}

void print_connection(const struct cli *cli, const json_t *c)
{
	const char *state = str_of(c, "state");
	const char *outer = str_of(json_object_get(c, "network"), "gateway");
	char since[OUT_TEXT];

	printf("%s%s%s: %s%s%s", ink(cli->color_out, INK_BOLD), str_of(c, "name"),
		ink(cli->color_out, INK_NONE), ink(cli->color_out, ink_of_state(state)), state,
		ink(cli->color_out, INK_NONE));
	if (int_of(c, "for_ms")) /* else ever since */
		printf(" for %s", duration_text((msec)int_of(c, "for_ms"), since));
	if (int_of(c, "reconnects"))
		printf(", came back %d time%s", (int)int_of(c, "reconnects"),
			int_of(c, "reconnects") == 1 ? "" : "s");
	printf("\n");
	if (str_of(c, "gateway")[0]) {
		label(cli, "server");
		if (outer[0] && strcmp(outer, str_of(c, "gateway")) != 0)
			printf("%s (%s)\n", str_of(c, "gateway"), outer);
		else
			puts(str_of(c, "gateway"));
	}
	print_network(cli, c);
	if (str_of(c, "data_plane")[0]) {
		label(cli, "data plane");
		printf("%s%s%s\n", str_of(c, "data_plane"),
			str_of(c, "encapsulation")[0] ? ", over " : "", str_of(c, "encapsulation"));
		if (str_of(c, "data_plane_note")[0]) {
			label(cli, "");
			puts(str_of(c, "data_plane_note"));
		}
	}
	if (str_of(c, "ports_note")[0]) {
		label(cli, "ports");
		puts(str_of(c, "ports_note"));
	}
	print_ike(cli, c);
	print_sas(cli, c);
	print_l2tp_ppp(cli, c);
	if (json_object_get(c, "received")) {
		label(cli, "traffic");
		print_counters(c, "received", "received ");
		print_counters(c, "sent", "; sent ");
		printf("\n");
	}
	print_verdict(cli, c);
	print_failure(cli, c);
}

int verb_status(const struct cli *cli)
{
	json_t *params = cli->name ? json_pack("{s:s}", "name", cli->name) : NULL;
	int code;
	json_t *got = call_once(cli, "io.vpnd.Status", params, cli->name, &code);
	const json_t *list = json_object_get(got, "connections");
	const json_t *first = json_array_get(list, 0);

	if (!got)
		return code;
	if (cli->name && strcmp(str_of(first, "state"), "up") != 0)
		code = EXIT_NOT_CONNECTED;
	if (cli->json) {
		int printed = out_json(json_incref(got));

		code = printed != EXIT_OK ? printed : code;
	} else if (cli->name) {
		print_connection(cli, first);
	} else {
		print_all(cli, list);
	}
	json_decref(got);
	return code;
}

/* ---- list, show, reload ---- */

static void print_list(const struct cli *cli, const json_t *list)
{
	static const char *const heads[] = {"NAME", "STATE", "SERVER", "USER", "STARTS"};
	struct table t = {.columns = 5};
	size_t i;
	json_t *c;

	if (json_array_size(list) == 0) {
		if (!cli->quiet)
			puts("no connections; vpnd.conf(5) says how to make one");
		return;
	}
	table_row(&t, heads);
	json_array_foreach ((json_t *)list, i, c) {
		bool automatic = json_is_true(json_object_get(c, "autoconnect"));
		bool bad = json_object_get(c, "problem") != NULL;
		const char *cells[] = {
			str_of(c, "name"),
			bad ? "bad file" : str_of(c, "state"),
			bad ? "-" : str_of(c, "gateway"),
			bad ? "-" : str_of(c, "user"),
			bad         ? "-"
			: automatic ? "with vpnd"
				    : "when asked",
		};

		table_row(&t, cells);
	}
	table_print(&t, cli->color_out);
	json_array_foreach ((json_t *)list, i, c)
		if (json_object_get(c, "problem"))
			puts(str_of(c, "problem"));
}

int verb_list(const struct cli *cli)
{
	int code;
	json_t *got = call_once(cli, "io.vpnd.List", NULL, NULL, &code);
	size_t i;
	json_t *c;

	if (!got)
		return code;
	if (cli->json)
		return out_json(got);
	if (cli->quiet)
		json_array_foreach (json_object_get(got, "connections"), i, c)
			puts(str_of(c, "name"));
	else
		print_list(cli, json_object_get(got, "connections"));
	json_decref(got);
	return EXIT_OK;
}

/* Values that were given are plain, defaults are dim; one key alone is its bare value. */
static void print_settings(const struct cli *cli, const json_t *settings)
{
	size_t i;
	json_t *s;

	json_array_foreach ((json_t *)settings, i, s) {
		bool given = json_is_true(json_object_get(s, "given"));
		const char *value = str_of(s, "value");

		if (cli->more)
			puts(value);
		else if (given || value[0])
			printf("%s%-20s = %s%s\n", given ? "" : ink(cli->color_out, INK_DIM),
				str_of(s, "key"), value,
				given ? "" : ink(cli->color_out, INK_NONE));
	}
}

int verb_show(const struct cli *cli)
{
	json_t *params = json_pack("{s:s, s:s*}", "name", cli->name, "key", cli->more);
	int code;
	json_t *got = call_once(cli, "io.vpnd.Show", params, cli->name, &code);

	if (!got)
		return code;
	if (cli->json)
		return out_json(got);
	print_settings(cli, json_object_get(got, "settings"));
	json_decref(got);
	return EXIT_OK;
}

int verb_reload(const struct cli *cli)
{
	int code;
	json_t *got = call_once(cli, "io.vpnd.Reload", NULL, NULL, &code);
	const json_t *problems = json_object_get(got, "problems");
	size_t i;
	json_t *problem;

	if (!got)
		return code;
	code = json_array_size(problems) ? EXIT_ERROR : EXIT_OK;
	json_array_foreach ((json_t *)problems, i, problem)
		if (!cli->json)
			fprintf(stderr, "%s\n", json_string_value(problem));
	if (cli->json)
		out_json(json_incref(got));
	json_decref(got);
	return code;
}

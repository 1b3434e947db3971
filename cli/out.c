#include "cli/out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

const char *ink(bool color, enum ink ink)
{
	static const char *const codes[] = {
		[INK_NONE] = "\033[0m",
		[INK_BOLD] = "\033[1m",
		[INK_DIM] = "\033[2m",
		[INK_GREEN] = "\033[32m",
		[INK_YELLOW] = "\033[33m",
		[INK_RED] = "\033[31m",
	};

	return color ? codes[ink] : "";
}

enum ink ink_of_state(const char *state)
{
	if (strcmp(state, "up") == 0)
		return INK_GREEN;
	return strcmp(state, "down") == 0 ? INK_DIM : INK_YELLOW;
}

const char *took_text(msec took, char to[static OUT_TEXT])
{
	if (took < SECONDS(10))
		snprintf(to, OUT_TEXT, "%" PRIu64 " ms", took);
	else
		snprintf(to, OUT_TEXT, "%" PRIu64 ".%" PRIu64 " s", took / 1000, took / 100 % 10);
	return to;
}

const char *duration_text(msec duration, char to[static OUT_TEXT])
{
	static const struct {
		uint64_t s;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	uint64_t s = duration / 1000;
	size_t i = 0;

	while (i < 3 && s < units[i].s)
		i++;
	if (i < 3 && s % units[i].s / units[i + 1].s)
		snprintf(to, OUT_TEXT, "%" PRIu64 " %s %" PRIu64 " %s", s / units[i].s,
			units[i].name, s % units[i].s / units[i + 1].s, units[i + 1].name);
	else
		snprintf(to, OUT_TEXT, "%" PRIu64 " %s", s / units[i].s, units[i].name);
	return to;
}

const char *octets_text(uint64_t octets, char to[static OUT_TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	uint64_t whole = octets, rest = 0;
	size_t i = 0;

	for (; whole >= 1024; whole /= 1024, i++)
		rest = whole % 1024;
	if (i == 0 || whole >= 10)
		snprintf(to, OUT_TEXT, "%" PRIu64 " %s", whole, units[i]);
	else
		snprintf(to, OUT_TEXT, "%" PRIu64 ".%" PRIu64 " %s", whole, rest * 10 / 1024,
			units[i]);
	return to;
}

int out_json(json_t *json)
{
	int err = !json || json_object_set_new(json, "schema", json_integer(SCHEMA)) < 0 ||
		  json_dumpf(json, stdout, JSON_COMPACT) < 0;

	putchar('\n');
	json_decref(json);
	return err || fflush(stdout) != 0 ? EXIT_ERROR : EXIT_OK;
}

const char *str_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

json_int_t int_of(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

const char *joined(const json_t *list, char *to, size_t room)
{
	size_t i, n = 0;
	json_t *part;

	to[0] = 0;
	json_array_foreach ((json_t *)list, i, part) {
		const char *text = json_string_value(part);
		int len = snprintf(to + n, room - n, "%s%s", i ? ", " : "", text ? text : "?");

		if (len < 0 || (size_t)len >= room - n)
			break;
		n += (size_t)len;
	}
	return to;
}

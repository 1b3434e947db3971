/* Text for people: colours, durations, octets; and JSON for programs. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/msec.h"

struct cli;

enum ink { INK_NONE, INK_BOLD, INK_DIM, INK_GREEN, INK_YELLOW, INK_RED };

/* The escape sequence, or "" when `color` is off. INK_NONE ends a colour. */
const char *ink(bool color, enum ink ink);
enum ink ink_of_state(const char *state);

enum { OUT_TEXT = 64 };

/* "34 ms", "12.3 s": what a step took. */
const char *took_text(msec took, char to[static OUT_TEXT]);

/* "3 s", "4 min 10 s", "2 h 3 min", "5 d 4 h". */
const char *duration_text(msec duration, char to[static OUT_TEXT]);

/* "999 B", "1.2 KiB", "34 MiB". */
const char *octets_text(uint64_t octets, char to[static OUT_TEXT]);

/* One line of JSON on stdout, with "schema" put in; `json` is taken. Returns 0, or 1 when that
 * failed. */
int out_json(json_t *json);

/* Members of a reply; "" and 0 when they are absent. */
const char *str_of(const json_t *json, const char *key);
json_int_t int_of(const json_t *json, const char *key);

/* "a, b, c" of an array of strings into `to`. */
const char *joined(const json_t *list, char *to, size_t room);

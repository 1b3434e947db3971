/* Strict text: numbers that are nothing but numbers, text of a peer made harmless. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

/* The whole of `text` as a decimal number in [min, max]: no sign, no blanks, no leading zeros
 * except "0" itself. *value is untouched on false. */
bool str_uint(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* What a peer wrote, for a log line or a message: printable ASCII as it is, everything else as
 * \xNN, at most STR_ESCAPED_MAX octets of input. Returns `to`, always terminated. */
enum { STR_ESCAPED_MAX = 128, STR_ESCAPED = 4 * STR_ESCAPED_MAX + 1 };
const char *str_escape(struct slice s, char to[static STR_ESCAPED]);

/* Lower-case hex of s, cut to what fits; returns `to`. */
const char *str_hex(struct slice s, char *to, size_t room);

/* Hex digits (either case, even count) into at most `room` octets; false on anything else. */
bool str_unhex(const char *text, uint8_t *to, size_t room, size_t *len);

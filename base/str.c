#include "base/str.h"

#include <stdio.h>
#include <string.h>

bool str_uint(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	if (!*text || (text[0] == '0' && text[1]) /* check: number-leading-zero */)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)*text - '0';

		if (digit > 9 /* check: number-digits */ ||
			__builtin_mul_overflow(v, 10, &v) /* check: number-times-ten */ ||
			__builtin_add_overflow(v, digit, &v) /* check: number-plus-digit */)
			return false;
	}
	if (v < min || v > max) /* check: number-range */
		return false;
	*value = v;
	return true;
}

const char *str_escape(struct slice s, char to[static STR_ESCAPED])
{
	char *at = to;

	for (size_t i = 0; i < s.n && i < STR_ESCAPED_MAX /* check: escape-room */; i++) {
		if (s.p[i] >= 0x20 /* check: escape-control */ &&
			s.p[i] < 0x7f /* check: escape-high */ &&
			s.p[i] != '\\' /* check: escape-backslash */) {
			*at++ = (char)s.p[i];
		} else {
			snprintf(at, 5, "\\x%02x", s.p[i]);
			at += 4;
		}
	}
	*at = 0;
	return to;
}

const char *str_hex(struct slice s, char *to, size_t room)
{
	size_t i;

	for (i = 0; i < s.n && 2 * i + 2 < room /* check: hex-text-room */; i++)
		snprintf(to + 2 * i, 3, "%02x", s.p[i]);
	if (room)
		to[2 * i] = 0;
	return to;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool str_unhex(const char *text, uint8_t *to, size_t room, size_t *len)
{
	size_t n = strlen(text);

	if (n % 2 /* check: hex-pairs */ || n / 2 > room /* check: hex-room */)
		return false;
	for (size_t i = 0; i < n / 2; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0) /* check: hex-digits */
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	*len = n / 2;
	return true;
}

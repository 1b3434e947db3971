/* The lines of a connection file.
 *
 * Our own reader and not an INI library: those cut blanks, comments and quotes out of secrets. */
#include "daemon/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "daemon/conf_value.h"

struct reader {
	struct conf *conf;
	const char *file;
	unsigned line;
	struct conf_errors *errors;
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct slice trimmed(struct slice s)
{
	while (s.n && is_blank(s.p[0]))
		s = slice(s.p + 1, s.n - 1);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static void complain(const struct reader *r, const char *key, const char *what)
{
	conf_errors_add(r->errors, r->file, r->line, key, "%s", what);
}

/* A value in quotes into `to`, which has room for all of it. NULL, or what is wrong. */
static const char *unquote(struct slice value, uint8_t *to, size_t *n)
{
	size_t i = 1;

	for (*n = 0; i < value.n && value.p[i] != '"'; i++) {
		if (value.p[i] == '\\') {
			i++;
			if (i == value.n || (value.p[i] != '"' && value.p[i] != '\\'))
				return "after a \\ in quotes: expected \" or another \\";
		}
		to[(*n)++] = value.p[i];
	}
	if (i == value.n)
		return "expected a closing \"";
	if (i + 1 != value.n) /* check: conf-quote-end */
		return "expected nothing after the closing \"";
	return NULL;
}

static void read_value(struct reader *r, size_t key, struct slice value)
{
	uint8_t octets[CONF_LINE_MAX];
	const char *problem = NULL;
	size_t n = value.n;

	if (value.n == 0)
		problem = "expected a value after the =";
	else if (value.p[0] == '"')
		problem = unquote(value, octets, &n);
	else
		memcpy(octets, value.p, value.n);
	if (problem)
		complain(r, conf_keys[key].name, problem);
	else
		conf_take(r->conf, key, slice(octets, n), r->file, r->line, r->errors);
	wipe(octets, sizeof(octets)); /* check: conf-value-wipe */
}

static void read_setting(struct reader *r, struct slice name, struct slice value)
{
	char text[STR_ESCAPED_MAX + 1] = "";
	int key;

	memcpy(text, name.p, name.n < STR_ESCAPED_MAX ? name.n : STR_ESCAPED_MAX);
	key = conf_key_find(text);
	if (key < 0)
		conf_unknown_key(r->file, r->line, text, r->errors);
	else if (r->conf->given[key]) /* check: conf-key-twice */
		conf_errors_add(r->errors, r->file, r->line, text,
			"given twice; the first is on line %u", r->conf->line[key]);
	else
		read_value(r, (size_t)key, value);
}

/* Nothing of a line that makes no sense is repeated: it may be a secret that lost its key. */
static void read_line(struct reader *r, struct slice line)
{
	struct slice text = trimmed(line);

	if (text.n == 0 || text.p[0] == '#' || text.p[0] == ';')
		return;

	const uint8_t *equals = memchr(text.p, '=', text.n);
	struct slice name = trimmed(slice(text.p, equals ? (size_t)(equals - text.p) : 0));

	if (name.n == 0) {
		complain(r, "", "expected KEY = VALUE, or a comment that begins with #");
		return;
	}
	read_setting(r, name, trimmed(slice(equals + 1, text.n - (size_t)(equals + 1 - text.p))));
}

/* What no line of a text file of ours has. NULL when all is well. */
static const char *foreign_octet(struct slice line)
{
	if (line.n > CONF_LINE_MAX) /* check: conf-line-length */
		return "the line is too long; expected at most 4096 octets";
	if (line.n && memchr(line.p, 0, line.n))
		return "a NUL octet; expected text";
	if (line.n && memchr(line.p, '\r', line.n))
		return "a carriage return; expected lines that end with a newline only";
	return NULL;
}

bool conf_read(struct conf *c, const char *file, struct slice text, struct conf_errors *errors)
{
	struct reader r = {.conf = c, .file = file, .errors = errors};
	size_t before = errors->n;
	struct rd in = rd_of(text);

	if (text.n > CONF_FILE_MAX) { /* check: conf-file-size */
		conf_errors_add(errors, file, 0, "", "too large; expected at most 64 KiB");
		return false;
	}
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0) {
		conf_errors_add(errors, file, 1, "",
			"a byte order mark; expected the first line to begin with text");
		rd_skip(&in, 3);
	}
	while (rd_left(&in)) {
		const uint8_t *end = memchr(in.p, '\n', rd_left(&in));
		struct slice line = rd_take(&in, end ? (size_t)(end - in.p) : rd_left(&in));
		const char *problem = foreign_octet(line);

		rd_skip(&in, end ? 1 : 0);
		r.line++;
		if (problem)
			complain(&r, "", problem);
		else
			read_line(&r, line);
	}
	return errors->n == before;
}

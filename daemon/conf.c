#include "daemon/conf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "daemon/conf_value.h"

/* Keys that say the same thing in different ways: at most one of each row. */
static const char *const rivals[][3] = {
	{"psk", "psk-file", "psk-credential"},
	{"password", "password-file", "password-credential"},
};
enum { RIVALS = sizeof(rivals) / sizeof(*rivals), RIVALS_EACH = 3 };

static const char inline_file[] = "settings";

/* ---- errors ---- */

struct conf_errors *conf_errors_new(void)
{
	return calloc(1, sizeof(struct conf_errors));
}

void conf_errors_free(struct conf_errors *e)
{
	free(e);
}

void conf_errors_add(struct conf_errors *e, const char *file, unsigned line, const char *key,
	const char *fmt, ...)
{
	va_list args;

	if (e->n++ >= CONF_ERRORS_MAX) /* check: conf-errors-room */
		return;

	struct conf_error *to = &e->at[e->n - 1];

	to->line = line;
	snprintf(to->file, sizeof(to->file), "%s", file);
	snprintf(to->key, sizeof(to->key), "%s", key);
	va_start(args, fmt);
	vsnprintf(to->text, sizeof(to->text), fmt, args);
	va_end(args);
}

const char *conf_error_text(const struct conf_errors *e, size_t i, char to[static CONF_ERROR_LINE])
{
	const struct conf_error *error = &e->at[i];
	int n = snprintf(to, CONF_ERROR_LINE, "%s:", error->file);

	if (error->line)
		n += snprintf(to + n, CONF_ERROR_LINE - (size_t)n, "%u:", error->line);
	if (error->key[0])
		n += snprintf(to + n, CONF_ERROR_LINE - (size_t)n, " %s:", error->key);
	snprintf(to + n, CONF_ERROR_LINE - (size_t)n, " %s", error->text);
	return to;
}

/* ---- names and keys ---- */

bool conf_name_ok(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				"0123456789._-");

	return n > 0 && n <= CONF_NAME_MAX /* check: name-length */ &&
	       name[n] == 0 /* check: name-letters */ &&
	       strcmp(name, ".") != 0 /* check: name-dot */ &&
	       strcmp(name, "..") != 0 /* check: name-dot-dot */;
}

int conf_key_find(const char *name)
{
	for (int i = 0; i < CONF_KEYS; i++)
		if (strcmp(conf_keys[i].name, name) == 0)
			return i;
	return -1;
}

/* How many letters must change, appear or go to make b of a; capped at 3. Levenshtein, one row. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[32];
	size_t m = strlen(a), n = strlen(b);

	if (n >= 32 || m >= 32 || m >= n + 3 || n >= m + 3)
		return 3;
	for (size_t k = 0; k <= n; k++)
		row[k] = (unsigned)k;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t k = 1; k <= n; k++) {
			unsigned best = diagonal + (a[i - 1] != b[k - 1]);

			diagonal = row[k];
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			row[k] = best;
		}
	}
	return row[n] < 3 ? row[n] : 3;
}

static const char *nearest_key(const char *name)
{
	const char *nearest = NULL;
	unsigned best = 3;

	for (size_t i = 0; i < CONF_KEYS; i++) {
		unsigned d = distance(name, conf_keys[i].name);

		if (d < best) {
			best = d;
			nearest = conf_keys[i].name;
		}
	}
	return nearest;
}

/* "a|b|c" as "a, b or c". */
static void spell_words(const char *words, char *to, size_t room)
{
	size_t n = 0;

	for (; *words && n + 5 < room; words++) {
		if (*words != '|') {
			to[n++] = *words;
			continue;
		}
		const char *glue = strchr(words + 1, '|') ? ", " : " or ";

		memcpy(to + n, glue, strlen(glue));
		n += strlen(glue);
	}
	to[n] = 0;
}

const char *conf_expected(size_t i, char to[static CONF_EXPECTED])
{
	static const char *const phrases[] = {
		[CONF_HOST] = "a host name or an address",
		[CONF_PATH] = "an absolute path",
		[CONF_CREDENTIAL] = "a credential's name",
		[CONF_FLAG] = "yes or no",
		[CONF_IKE] = "suites like aes256-sha256-modp2048, separated by commas",
		[CONF_ESP] = "suites like aes256-sha256 or aes256gcm16, separated by commas",
		[CONF_INTERFACE] = "1 to 15 letters, digits, dots, dashes or underscores",
		[CONF_MARK] = "0xVALUE/0xMASK, the value inside the mask and not 0",
	};
	const struct conf_key *key = &conf_keys[i];
	char words[80] = "";

	if (key->words)
		spell_words(key->words, words, sizeof(words));
	switch (key->type) {
	case CONF_HOST:
	case CONF_PATH:
	case CONF_CREDENTIAL:
	case CONF_FLAG:
	case CONF_IKE:
	case CONF_ESP:
	case CONF_INTERFACE:
	case CONF_MARK:
		snprintf(to, CONF_EXPECTED, "%s", phrases[key->type]);
		break;
	case CONF_TEXT:
		snprintf(to, CONF_EXPECTED, "%u to %u octets of UTF-8 text", key->min, key->max);
		break;
	case CONF_SECRET:
		snprintf(to, CONF_EXPECTED, "%u to %u octets on one line", key->min, key->max);
		break;
	case CONF_CHOICE:
	case CONF_TIER:
		snprintf(to, CONF_EXPECTED, "%s", words);
		break;
	case CONF_NUMBER:
		snprintf(to, CONF_EXPECTED, "%s or a number from %u to %u", words, key->min,
			key->max);
		break;
	case CONF_SECONDS:
		snprintf(to, CONF_EXPECTED,
			"a time from %u to %u seconds, or with a unit: s, m, h, d", key->min,
			key->max);
		break;
	case CONF_PREFIXES:
		snprintf(to, CONF_EXPECTED,
			"%s, or up to %d networks ADDRESS/LENGTH separated by commas", words,
			CONF_ROUTES_MAX);
		break;
	case CONF_ADDRESSES:
		snprintf(to, CONF_EXPECTED, "%s, or up to %d addresses separated by commas", words,
			CONF_DNS_MAX);
		break;
	case CONF_AUTH:
		snprintf(to, CONF_EXPECTED, "a list of %s, separated by commas", words);
		break;
	}
	return to;
}

/* ---- one value ---- */

static void forget_text(char *text)
{
	if (text)
		wipe(text, strlen(text));
	free(text);
}

/* Secrets go to their place only; texts are kept, because struct conf points into them. */
bool conf_take(struct conf *c, size_t i, struct slice value, const char *file, unsigned line,
	struct conf_errors *errors)
{
	const struct conf_key *key = &conf_keys[i];
	char expected[CONF_EXPECTED], escaped[STR_ESCAPED];
	struct slice wrong = value;
	char *text = malloc(value.n + 1);

	if (!text) {
		conf_errors_add(errors, file, line, key->name, "out of memory");
		return false;
	}
	memcpy(text, value.n ? value.p : (const uint8_t *)"", value.n);
	text[value.n] = 0;
	wrong = slice(text, value.n);
	if (!conf_value(c, key, slice(text, value.n), &wrong)) {
		conf_expected(i, expected);
		if (key->type == CONF_SECRET) /* check: conf-error-secret */
			conf_errors_add(errors, file, line, key->name, "expected %s", expected);
		else
			conf_errors_add(errors, file, line, key->name, "\"%s\": expected %s",
				str_escape(wrong, escaped), expected);
		wipe(text, value.n);
		free(text);
		return false;
	}
	if (key->type == CONF_SECRET) {
		wipe(text, value.n);
		free(text);
		text = NULL;
	}
	forget_text(c->text[i]);
	c->text[i] = text;
	c->given[i] = true;
	c->line[i] = line;
	return true;
}

struct conf *conf_new(const char *name)
{
	struct conf *c = conf_name_ok(name) ? calloc(1, sizeof(*c)) : NULL;
	struct slice wrong;

	if (!c)
		return NULL;
	snprintf(c->name, sizeof(c->name), "%s", name);
	for (size_t i = 0; i < CONF_KEYS; i++)
		if (conf_keys[i].preset &&
			!conf_value(c, &conf_keys[i], slice_str(conf_keys[i].preset), &wrong)) {
			conf_free(c);
			return NULL;
		}
	return c;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CONF_KEYS; i++)
		forget_text(c->text[i]);
	secret_clear(&c->psk);
	secret_clear(&c->password);
	secret_clear(&c->l2tp_secret);
	wipe(c, sizeof(*c));
	free(c);
}

void conf_unknown_key(const char *file, unsigned line, const char *key, struct conf_errors *errors)
{
	char escaped[STR_ESCAPED];
	const char *near = nearest_key(key);

	str_escape(slice(key, strnlen(key, 64)), escaped);
	if (near)
		conf_errors_add(errors, file, line, escaped, "unknown key; did you mean %s?", near);
	else
		conf_errors_add(
			errors, file, line, escaped, "unknown key; vpnd.conf(5) lists the keys");
}

bool conf_set(struct conf *c, const char *key, struct slice value, bool trusted,
	struct conf_errors *errors)
{
	int i = conf_key_find(key);

	if (i < 0) {
		conf_unknown_key(inline_file, 0, key, errors);
		return false;
	}
	bool names_file = conf_keys[i].type == CONF_PATH || conf_keys[i].type == CONF_CREDENTIAL;

	if (names_file && !trusted) { /* check: conf-trusted-path */
		conf_errors_add(errors, inline_file, 0, key,
			"only root may name files and credentials; give the contents instead");
		return false;
	}
	return conf_take(c, (size_t)i, value, inline_file, 0, errors);
}

/* Take back a text key: its pointer, its text, the fact that it was given. */
static void ungive(struct conf *c, const char *key)
{
	size_t i = (size_t)conf_key_find(key);

	if (conf_keys[i].type == CONF_SECRET)
		secret_clear((struct secret *)((char *)c + conf_keys[i].offset));
	else
		*(const char **)((char *)c + conf_keys[i].offset) = NULL;
	forget_text(c->text[i]);
	c->text[i] = NULL;
	c->given[i] = false;
}

bool conf_give(struct conf *c, const char *key, struct slice value, struct conf_errors *errors)
{
	int i = conf_key_find(key);

	if (i < 0 || conf_keys[i].type != CONF_SECRET /* check: conf-given-secret */) {
		char escaped[STR_ESCAPED];

		conf_errors_add(errors, inline_file, 0, str_escape(slice_str(key), escaped),
			"not a secret; expected psk, password or l2tp-secret");
		return false;
	}
	for (size_t r = 0; r < RIVALS; r++)
		for (size_t k = 0; k < RIVALS_EACH && strcmp(rivals[r][0], key) == 0; k++)
			ungive(c, rivals[r][k]);
	return conf_take(c, (size_t)i, value, inline_file, 0, errors);
}

/* ---- the whole ---- */

bool conf_holds_secret(const struct conf *c)
{
	for (size_t i = 0; i < CONF_KEYS; i++)
		if (conf_keys[i].type == CONF_SECRET && c->given[i])
			return true;
	return false;
}

static bool is_given(const struct conf *c, const char *key)
{
	return c->given[conf_key_find(key)];
}

static void check_rivals(const struct conf *c, const char *file, struct conf_errors *errors)
{
	for (size_t r = 0; r < RIVALS; r++) {
		const char *first = NULL;

		for (size_t k = 0; k < RIVALS_EACH; k++) {
			int i = conf_key_find(rivals[r][k]);

			if (!c->given[i])
				continue;
			if (first) /* check: conf-rivals */
				conf_errors_add(errors, file, c->line[i], conf_keys[i].name,
					"contradicts %s; expected one of the two", first);
			else
				first = rivals[r][k];
		}
	}
}

static void check_missing(const struct conf *c, const char *file, struct conf_errors *errors)
{
	if (!c->gateway)
		conf_errors_add(errors, file, 0, "gateway",
			"missing; expected the server's name or address");
	if (!is_given(c, "psk") && !c->psk_file && !c->psk_credential)
		conf_errors_add(errors, file, 0, "psk",
			"missing; expected psk, psk-file or psk-credential");
	if (!c->user)
		conf_errors_add(errors, file, 0, "user", "missing; expected the user's name");
}

/* The suites were parsed once already: a failure here is a tier that the code does not have. */
static bool make_proposals(struct conf *c)
{
	const char *wrong;

	return ike_proposals_tier(c->tier, &c->proposals) &&
	       (!c->ike_suites || ike_suites_parse(c->ike_suites, &c->proposals, &wrong)) &&
	       (!c->esp_suites || esp_suites_parse(c->esp_suites, &c->proposals, &wrong));
}

bool conf_finish(struct conf *c, const char *file, struct conf_errors *errors)
{
	size_t before = errors->n;

	check_missing(c, file, errors);
	check_rivals(c, file, errors);
	if (!make_proposals(c))
		conf_errors_add(errors, file, 0, "proposals", "\"%s\": no such tier", c->tier);
	return errors->n == before;
}

static bool decode(struct slice text, int encoding, uint8_t *to, size_t room, size_t *n)
{
	char hex[2 * 1024 + 1];
	bool ok;

	if (encoding == CONF_PSK_BASE64)
		return conf_base64(text, to, n);
	if (text.n == 0 || text.n >= sizeof(hex))
		return false;
	memcpy(hex, text.p, text.n);
	hex[text.n] = 0;
	ok = str_unhex(hex, to, room, n);
	wipe(hex, sizeof(hex)); /* check: psk-hex-wipe */
	return ok;
}

bool conf_decode_psk(struct conf *c, const char *file, struct conf_errors *errors)
{
	uint8_t octets[1024];
	size_t n = 0;
	bool ok;

	if (c->psk_encoding == CONF_PSK_TEXT || !c->psk.n)
		return true;
	ok = c->psk.n <= sizeof(octets) &&
	     decode(secret_slice(&c->psk), c->psk_encoding, octets, sizeof(octets), &n) && n > 0;
	if (!ok)
		conf_errors_add(errors, file, c->line[conf_key_find("psk")], "psk",
			"expected %s, because psk-encoding says so",
			c->psk_encoding == CONF_PSK_HEX ? "an even number of hex digits"
							: "base64 with its padding");
	else if (!secret_set(&c->psk, slice(octets, n)))
		ok = false;
	wipe(octets, sizeof(octets)); /* check: psk-octets-wipe */
	return ok;
}

const char *conf_text(const struct conf *c, size_t i)
{
	const struct conf_key *key = &conf_keys[i];

	if (key->type == CONF_SECRET) /* check: conf-hidden */
		return c->given[i] ? "<hidden>" : "";
	if (c->given[i])
		return c->text[i];
	return key->preset ? key->preset : "";
}

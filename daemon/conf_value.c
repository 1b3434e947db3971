#include "daemon/conf_value.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ppp/ppp.h"

enum { SUITES_TEXT = 1024 };

/* In the order of the words of `auth`. */
static const unsigned auth_bits[] = {PPP_AUTH_MSCHAPV2, PPP_AUTH_CHAP_MD5, PPP_AUTH_PAP};

/* ---- words and lists ---- */

static struct slice trimmed(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice(s.p + 1, s.n - 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* The next of `words`, which are separated by `separator`; false at the end. */
static bool next_part(struct slice *rest, char separator, struct slice *part)
{
	if (!rest->p)
		return false;

	const uint8_t *end = rest->n ? memchr(rest->p, separator, rest->n) : NULL;

	if (!end) {
		*part = *rest;
		*rest = slice(NULL, 0);
		return true;
	}
	*part = slice(rest->p, (size_t)(end - rest->p));
	*rest = slice(end + 1, rest->n - part->n - 1);
	return true;
}

/* Which of "a|b|c" is it? -1: none. */
static int word_index(const char *words, struct slice value)
{
	struct slice rest = slice_str(words ? words : ""), word;

	for (int i = 0; next_part(&rest, '|', &word); i++)
		if (word.n && slice_equal(word, value))
			return i;
	return -1;
}

/* A part of a list as a string; false when it is longer than any legal part. */
static bool part_text(struct slice part, char *to, size_t room)
{
	if (part.n == 0 || part.n >= room /* check: list-part-room */ || memchr(part.p, 0, part.n))
		return false;
	memcpy(to, part.p, part.n);
	to[part.n] = 0;
	return true;
}

/* ---- texts ---- */

static size_t utf8_len(const uint8_t *p, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80       ? 1
		   : p[0] >> 5 == 6  ? 2
		   : p[0] >> 4 == 14 ? 3
		   : p[0] >> 3 == 30 ? 4
				     : 0;

	if (n == 0 || n > left /* check: conf-utf8-bounds */)
		return 0;

	uint32_t code = n == 1 ? p[0] : p[0] & (0x7fu >> n);

	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2) /* check: conf-utf8-continuation */
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
	bool surrogate = code >= 0xd800 && code < 0xe000;

	return control /* check: conf-utf8-control */ ||
			       surrogate /* check: conf-utf8-surrogate */ ||
			       code < least[n] /* check: conf-utf8-shortest */ ||
			       code > 0x10ffff /* check: conf-utf8-last */
		       ? 0
		       : n;
}

bool conf_utf8(struct slice text)
{
	size_t at = 0;

	while (at < text.n) {
		size_t n = utf8_len(text.p + at, text.n - at);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

static bool is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One label of a host name. Underscores are not in RFC 1123, but in the field. */
static bool label_ok(struct slice label)
{
	if (label.n == 0 || label.n > 63 || label.p[0] == '-' /* check: host-label-dash */ ||
		label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!is_alnum(label.p[i]) && label.p[i] != '-' && label.p[i] != '_')
			return false;
	return true;
}

static bool all_digits(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

/* A name whose last label is a number would be an address mistyped: RFC 3696, 2. */
static bool host_ok(const char *text)
{
	struct slice rest = slice_str(text), label = slice(NULL, 0);
	struct ip ip;

	if (ip_parse(text, &ip))
		return ip_is_unicast(&ip) /* check: host-unicast */;
	if (rest.n > 1 && rest.p[rest.n - 1] == '.')
		rest.n--;
	while (next_part(&rest, '.', &label))
		if (!label_ok(label))
			return false;
	return !all_digits(label) /* check: host-number */;
}

static bool interface_ok(struct slice name)
{
	if (word_index(".|..|lo|all|default", name) >= 0) /* check: interface-reserved */
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!is_alnum(name.p[i]) &&
			!strchr("._-", name.p[i])) /* check: interface-letters */
			return false;
	return true;
}

static bool text_ok(const struct conf_key *key, struct slice value, struct slice *wrong)
{
	const char *text = (const char *)value.p;
	struct ike_proposals scratch = {0};
	const char *suite = NULL;

	if (value.n < key->min || (key->max && value.n > key->max) /* check: conf-text-length */ ||
		!conf_utf8(value) /* check: conf-text-utf8 */)
		return false;
	switch (key->type) {
	case CONF_TEXT:
		return true;
	case CONF_HOST:
		return host_ok(text);
	case CONF_PATH:
		return text[0] == '/' /* check: conf-path-absolute */;
	case CONF_CREDENTIAL:
		return conf_name_ok(text) /* check: conf-credential-name */;
	case CONF_INTERFACE:
		return interface_ok(value);
	case CONF_TIER:
		return word_index(key->words, value) >= 0;
	case CONF_IKE:
		if (ike_suites_parse(text, &scratch, &suite))
			return true;
		break;
	case CONF_ESP:
		if (esp_suites_parse(text, &scratch, &suite))
			return true;
		break;
	case CONF_SECRET:
	case CONF_CHOICE:
	case CONF_FLAG:
	case CONF_NUMBER:
	case CONF_SECONDS:
	case CONF_PREFIXES:
	case CONF_ADDRESSES:
	case CONF_AUTH:
	case CONF_MARK:
		return false;
	}
	if (suite)
		*wrong = trimmed(slice(suite, strcspn(suite, ",")));
	return false;
}

/* ---- numbers ---- */

static bool number(const struct conf_key *key, const char *text, uint32_t *to)
{
	uint64_t v;

	if (key->words && strcmp(text, key->words) == 0) {
		*to = 0;
		return true;
	}
	if (!str_uint(text, key->min, key->max, &v))
		return false;
	*to = (uint32_t)v;
	return true;
}

static bool seconds(const struct conf_key *key, struct slice value, uint32_t *to)
{
	static const struct {
		char unit;
		uint32_t s;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char digits[12];
	uint32_t unit = 1;
	uint64_t v;

	for (size_t i = 0; value.n && i < sizeof(units) / sizeof(*units); i++)
		if (value.p[value.n - 1] == (uint8_t)units[i].unit) {
			unit = units[i].s;
			value.n--;
			break;
		}
	if (!part_text(value, digits, sizeof(digits)) || !str_uint(digits, 0, UINT32_MAX, &v))
		return false;
	v *= unit;
	if (v < key->min || v > key->max) /* check: conf-seconds-range */
		return false;
	*to = (uint32_t)v;
	return true;
}

static bool hex32(struct slice s, uint32_t *to)
{
	char text[11] = {0};
	uint8_t octets[4] = {0};
	size_t n;

	if (s.n < 3 || s.n > 10 /* check: mark-digits-room */ || s.p[0] != '0' || s.p[1] != 'x')
		return false;
	memset(text, '0', 8);
	memcpy(text + 10 - s.n, s.p + 2, s.n - 2);
	if (!str_unhex(text, octets, sizeof(octets), &n))
		return false;
	*to = get_u32(octets);
	return true;
}

/* A mask of 0 would mark nothing, a value outside its mask could never be seen again. */
static bool mark(struct slice value, struct conf_mark *to)
{
	struct slice rest = value, v, m;
	struct conf_mark got;

	if (!next_part(&rest, '/', &v) || !next_part(&rest, '/', &m) || rest.p)
		return false;
	if (!hex32(v, &got.value) || !hex32(m, &got.mask))
		return false;
	if (got.value == 0 /* check: mark-not-zero */ ||
		(got.value & ~got.mask) != 0 /* check: mark-inside-mask */)
		return false;
	*to = got;
	return true;
}

/* ---- lists ---- */

static bool prefixes(const struct conf_key *key, struct slice value, struct conf_prefixes *to,
	struct slice *wrong)
{
	struct conf_prefixes got = {.kind = CONF_ROUTES_LIST};
	int word = word_index(key->words, value);
	struct slice part;
	char text[PREFIX_TEXT];

	if (word >= 0) {
		got.kind = CONF_ROUTES_DEFAULT + word;
		*to = got;
		return true;
	}
	while (next_part(&value, ',', &part)) {
		part = trimmed(part);
		if (got.n == CONF_ROUTES_MAX /* check: conf-routes-room */ ||
			!part_text(part, text, sizeof(text)) ||
			!prefix_parse(text, &got.at[got.n])) {
			*wrong = part;
			return false;
		}
		got.n++;
	}
	*to = got;
	return true;
}

static bool addresses(const struct conf_key *key, struct slice value, struct conf_addresses *to,
	struct slice *wrong)
{
	struct conf_addresses got = {.kind = CONF_DNS_LIST};
	int word = word_index(key->words, value);
	struct slice part;
	char text[IP_TEXT];

	if (word >= 0) {
		got.kind = CONF_DNS_AUTO + word;
		*to = got;
		return true;
	}
	while (next_part(&value, ',', &part)) {
		part = trimmed(part);
		if (got.n == CONF_DNS_MAX /* check: conf-dns-room */ ||
			!part_text(part, text, sizeof(text)) || !ip_parse(text, &got.at[got.n]) ||
			!ip_is_unicast(&got.at[got.n]) /* check: conf-dns-unicast */) {
			*wrong = part;
			return false;
		}
		got.n++;
	}
	*to = got;
	return true;
}

static bool auth(const struct conf_key *key, struct slice value, unsigned *to, struct slice *wrong)
{
	unsigned got = 0;
	struct slice part;

	while (next_part(&value, ',', &part)) {
		part = trimmed(part);
		int word = word_index(key->words, part);

		if (word < 0) {
			*wrong = part;
			return false;
		}
		got |= auth_bits[word];
	}
	*to = got;
	return true;
}

/* ---- all of them ---- */

static bool choice(const struct conf_key *key, struct slice value, int *to)
{
	int word = word_index(key->words, value);

	if (word >= 0)
		*to = word;
	return word >= 0;
}

static bool flag(struct slice value, bool *to)
{
	int word = word_index("no|yes", value);

	if (word >= 0)
		*to = word == 1;
	return word >= 0;
}

/* LF cannot be in a file's value, but in an inline one; NUL ends nothing, but hides the rest. */
static bool secret(const struct conf_key *key, struct slice value, struct secret *to)
{
	if (value.n < key->min || value.n > key->max) /* check: conf-secret-length */
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == 0 /* check: conf-secret-nul */ ||
			value.p[i] == '\r' /* check: conf-secret-cr */ ||
			value.p[i] == '\n' /* check: conf-secret-lf */)
			return false;
	return secret_set(to, value);
}

bool conf_value(struct conf *c, const struct conf_key *key, struct slice value, struct slice *wrong)
{
	const char *text = (const char *)value.p;
	void *at = (char *)c + key->offset;

	if (key->type == CONF_SECRET)
		return secret(key, value, at);
	if (value.n == 0 || memchr(text, 0, value.n) /* check: conf-value-nul */)
		return false;
	switch (key->type) {
	case CONF_CHOICE:
		return choice(key, value, at);
	case CONF_FLAG:
		return flag(value, at);
	case CONF_NUMBER:
		return number(key, text, at);
	case CONF_SECONDS:
		return seconds(key, value, at);
	case CONF_PREFIXES:
		return prefixes(key, value, at, wrong);
	case CONF_ADDRESSES:
		return addresses(key, value, at, wrong);
	case CONF_AUTH:
		return auth(key, value, at, wrong);
	case CONF_MARK:
		return mark(value, at);
	case CONF_TEXT:
	case CONF_HOST:
	case CONF_SECRET:
	case CONF_PATH:
	case CONF_CREDENTIAL:
	case CONF_TIER:
	case CONF_IKE:
	case CONF_ESP:
	case CONF_INTERFACE:
		break;
	}
	if (!text_ok(key, value, wrong))
		return false;
	*(const char **)at = text;
	return true;
}

/* ---- base64 ---- */

static int base64_digit(uint8_t c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool conf_base64(struct slice text, uint8_t *to, size_t *n)
{
	size_t padding = 0;

	if (text.n == 0 || text.n % 4 /* check: base64-length */)
		return false;
	while (padding < 2 && text.p[text.n - 1 - padding] == '=')
		padding++;
	*n = 0;
	for (size_t i = 0; i < text.n; i += 4) {
		size_t digits = i + 4 == text.n ? 4 - padding : 4;
		uint32_t group = 0;

		for (size_t k = 0; k < 4; k++) {
			int digit = k < digits ? base64_digit(text.p[i + k]) : 0;

			if (digit < 0) /* check: base64-digits */
				return false;
			group = group << 6 | (uint32_t)digit;
		}
		/* RFC 4648, 3.5 */
		if (group & ((1u << 8 * (4 - digits)) - 1)) /* check: base64-canonical */
			return false;
		for (size_t k = 0; k + 1 < digits; k++)
			to[(*n)++] = (uint8_t)(group >> (16 - 8 * k));
	}
	return true;
}

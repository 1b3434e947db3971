#include "tests/vectors/vectors.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/pkt.h"
#include "base/str.h"

enum { LINE_MAX_OCTETS = 16384 };

struct vectors {
	struct vector *rows;
	size_t n;
};

static char *copy(const char *s, size_t n)
{
	char *c = malloc(n + 1);

	assert_non_null(c);
	memcpy(c, s, n);
	c[n] = 0;
	return c;
}

static struct slice decode(const char *text)
{
	size_t n = strlen(text), len = 0;

	if (n >= 2 && text[0] == '"' && text[n - 1] == '"')
		return slice(copy(text + 1, n - 2), n - 2);
	uint8_t *octets = malloc(n + 1);
	assert_non_null(octets);
	if (str_unhex(text, octets, n, &len))
		return slice(octets, len);
	free(octets);
	return slice(copy(text, n), n);
}

static void add_line(struct vectors *v, const char *section, char *line)
{
	char *eq = strstr(line, " =");

	if (!eq)
		return;
	*eq = 0;
	char *text = eq + 2;
	while (*text == ' ')
		text++;
	v->rows = realloc(v->rows, (v->n + 1) * sizeof(*v->rows));
	assert_non_null(v->rows);
	v->rows[v->n++] = (struct vector){
		.section = copy(section, strlen(section)),
		.key = copy(line, strlen(line)),
		.text = copy(text, strlen(text)),
		.value = decode(text),
	};
}

struct vectors *vectors_open(const char *name)
{
	char path[512], *line = malloc(LINE_MAX_OCTETS), section[256] = "";
	struct vectors *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	assert_non_null(line);
	snprintf(path, sizeof(path), "%s/%s", VECTORS_DIR, name);
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s: cannot be read", path);
	while (fgets(line, LINE_MAX_OCTETS, f)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '[')
			snprintf(section, sizeof(section), "%.*s", (int)strcspn(line + 1, "]"),
				line + 1);
		else if (line[0] != '#')
			add_line(v, section, line);
	}
	fclose(f);
	free(line);
	return v;
}

void vectors_close(struct vectors *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free((char *)v->rows[i].section);
		free((char *)v->rows[i].key);
		free((char *)v->rows[i].text);
		free((uint8_t *)v->rows[i].value.p);
	}
	free(v->rows);
	free(v);
}

static const struct vector *find(const struct vectors *v, const char *section, const char *key)
{
	for (size_t i = 0; i < v->n; i++)
		if (strncmp(v->rows[i].section, section, strlen(section)) == 0 &&
			strcmp(v->rows[i].key, key) == 0)
			return &v->rows[i];
	fail_msg("no vector [%s] %s", section, key);
	return NULL;
}

struct slice vec(const struct vectors *v, const char *section, const char *key)
{
	return find(v, section, key)->value;
}

uint64_t vec_num(const struct vectors *v, const char *section, const char *key)
{
	return strtoull(find(v, section, key)->text, NULL, 10);
}

const struct vector *vectors_at(const struct vectors *v, size_t i)
{
	return i < v->n ? &v->rows[i] : NULL;
}

void assert_slice(struct slice got, struct slice want)
{
	char *a = malloc(2 * got.n + 1), *b = malloc(2 * want.n + 1);
	bool equal = slice_equal(got, want);

	assert_non_null(a);
	assert_non_null(b);
	if (!equal)
		print_error("got  %s\nwant %s\n", str_hex(got, a, 2 * got.n + 1),
			str_hex(want, b, 2 * want.n + 1));
	free(a);
	free(b);
	assert_true(equal);
}

/* splitmix64: repeatable, and nothing secret depends on it. */
static void test_rng(void *ctx, void *to, size_t n)
{
	uint64_t *state = ctx;
	uint8_t *at = to;

	for (size_t i = 0; i < n; i++) {
		uint64_t z = *state += 0x9e3779b97f4a7c15u;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		at[i] = (uint8_t)(z ^ z >> 31);
	}
}

static int64_t test_wall(void *ctx)
{
	(void)ctx;
	return 1790000000;
}

struct env *test_env_new(uint64_t seed)
{
	struct env *env = calloc(1, sizeof(*env));
	uint64_t *state = malloc(sizeof(*state));

	assert_non_null(env);
	assert_non_null(state);
	*state = seed;
	*env = (struct env){.rng = test_rng, .wall = test_wall, .ctx = state};
	env->crypto = crypto_new();
	env->pool = pkt_pool_new();
	assert_non_null(env->crypto);
	assert_non_null(env->pool);
	return env;
}

void test_env_free(struct env *env)
{
	assert_int_equal(pkt_pool_live(env->pool), 0);
	pkt_pool_free(env->pool);
	crypto_free(env->crypto);
	free(env->ctx);
	free(env);
}

/* Test vectors: the files of tests/vectors, and what every test with them needs.
 *
 * A file is lines of `key = value`, values in hex unless "quoted" or plain decimal, in sections
 * [like this]; recordings repeat keys. Any key that is missing fails the test that asked. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/env.h"
#include "base/wire.h"

struct vectors;

struct vector {
	const char *section; /* "" before the first */
	const char *key;
	const char *text;   /* the value as it stands */
	struct slice value; /* decoded: hex to octets, quotes stripped; decimal stays text */
};

/* Read tests/vectors/NAME; fails the test when it cannot. */
struct vectors *vectors_open(const char *name);
void vectors_close(struct vectors *v);

/* The value of `key` in the section that begins with `section` ("" = any). */
struct slice vec(const struct vectors *v, const char *section, const char *key);
uint64_t vec_num(const struct vectors *v, const char *section, const char *key); /* decimal */

/* In file order, for recordings; NULL at the end. */
const struct vector *vectors_at(const struct vectors *v, size_t i);

void assert_slice(struct slice got, struct slice want); /* fails showing both in hex */

/* An env with a crypto door, a pool and a repeatable rng; free it to check for leaked packets. */
struct env *test_env_new(uint64_t seed);
void test_env_free(struct env *env);

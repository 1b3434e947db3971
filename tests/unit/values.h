/* What the exhaustive tests (test_*_values.c) share: they try every value of a field, compare each
 * verdict with that of the test's own eyes, and end with a line of figures. */
#pragma once

#include "tests/vectors/vectors.h"

#include <stdbool.h>

struct tally {
	const char *what;
	unsigned long tried, accepted;
};

static inline void judge(
	struct tally *t, bool got, bool want, const char *field, unsigned long value)
{
	t->tried++;
	t->accepted += got;
	if (got != want)
		fail_msg("%s: %s %lu was %s", t->what, field, value, got ? "taken" : "refused");
}

/* `must` is counted by hand, so that eyes and code cannot be blind together. */
static inline void figure(const struct tally *t, unsigned long must)
{
	assert_int_equal(t->accepted, must);
	print_message("figure: %s: %lu values, accepted %lu (as many as must be)\n", t->what,
		t->tried, t->accepted);
}

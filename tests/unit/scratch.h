/* A directory of a test's own, with files as the test says. */
#pragma once

#include "tests/vectors/vectors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
	char dir[64];
};

static inline void scratch_make(struct scratch *s)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/test_scratch.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
}

static inline void scratch_remove(struct scratch *s)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", s->dir);
	assert_int_equal(system(command), 0);
}

/* Good until the fourth call from here. */
static inline const char *scratch_path(const struct scratch *s, const char *name)
{
	static char paths[4][192];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", s->dir, name);
	return path;
}

static inline void scratch_put_octets(
	const struct scratch *s, const char *name, const char *text, size_t n)
{
	int fd = open(scratch_path(s, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

/* Directories of the name are made. */
static inline void scratch_put(const struct scratch *s, const char *name, const char *text)
{
	char path[192];

	snprintf(path, sizeof(path), "%s", scratch_path(s, name));
	for (char *at = path + strlen(s->dir) + 1; (at = strchr(at, '/')); *at++ = '/') {
		*at = 0;
		mkdir(path, 0755);
	}
	scratch_put_octets(s, name, text, strlen(text));
}

static inline size_t scratch_get(const struct scratch *s, const char *name, char *to, size_t room)
{
	int fd = open(scratch_path(s, name), O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, to, room - 1);

	if (fd >= 0)
		close(fd);
	to[n > 0 ? n : 0] = 0;
	return n > 0 ? (size_t)n : 0;
}

static inline bool scratch_has(const struct scratch *s, const char *name)
{
	return access(scratch_path(s, name), F_OK) == 0;
}

#include "daemon/ability.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "daemon/hostenv.h"

enum { KNOWN_MAX = 48, FILE_ROOM = 4096, PATH_ROOM = 512, SUM_LINE = 32 };

struct known {
	char name[ABILITY_NAME];
	char why[ABILITY_WHY]; /* "": yes */
	msec at;
};

struct abilities {
	const char *dir;
	struct known at[KNOWN_MAX];
	size_t n;
};

/* ---- in memory ---- */

static struct known *find(const struct abilities *a, const char *name)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->at[i].name, name) == 0)
			return (struct known *)&a->at[i];
	return NULL;
}

enum ability_answer abilities_get(const struct abilities *a, const char *name, const char **why)
{
	const struct known *k = find(a, name);

	if (!k)
		return ABILITY_UNKNOWN;
	*why = k->why;
	return *k->why ? ABILITY_NO : ABILITY_YES;
}

bool abilities_hold(const struct abilities *a, const char *name, msec now)
{
	const struct known *k = find(a, name);

	return k && (!*k->why || now < k->at + ABILITY_NO_HOLDS);
}

void abilities_put(struct abilities *a, const char *name, const char *why, msec now)
{
	struct known *k = find(a, name);

	if (!k && a->n == KNOWN_MAX)
		return;
	if (!k)
		k = &a->at[a->n++];
	*k = (struct known){.at = now};
	snprintf(k->name, sizeof(k->name), "%s", name);
	snprintf(k->why, sizeof(k->why), "%s", why);
}

/* ---- the file ---- */

static const char *path_of(const struct abilities *a, const char *ending, char to[static PATH_ROOM])
{
	snprintf(to, PATH_ROOM, "%s/abilities%s", a->dir, ending);
	return to;
}

/* What makes a file this boot's; the same to the octet when it is read again. */
static size_t write_head(char *to, size_t room)
{
	char boot[40] = "";
	struct utsname u;
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(boot, sizeof(boot), f))
		*boot = 0;
	if (f)
		fclose(f);
	boot[strcspn(boot, "\n")] = 0;
	int n = uname(&u) < 0 || !*boot
			? 0
			: snprintf(to, room,
				  "vpnd abilities 1\nboot %s\nkernel %s\nnetns %" PRIu64 "\n", boot,
				  u.release, host_netns());
	return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

/* FNV-1a: against a file that was cut or damaged. Who may write it may do everything anyway. */
static uint64_t sum_of(const char *text, size_t n)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ (uint8_t)text[i]) * 0x100000001b3;
	return sum;
}

static void write_sum(const char *text, size_t n, char to[static SUM_LINE])
{
	snprintf(to, SUM_LINE, "sum %016" PRIx64 "\n", sum_of(text, n));
}

static bool write_file(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool whole = fd >= 0 && write(fd, text, n) == (ssize_t)n;

	if (fd >= 0)
		close(fd);
	return whole;
}

void abilities_save(const struct abilities *a)
{
	char text[FILE_ROOM], sum[SUM_LINE], path[PATH_ROOM], new[PATH_ROOM];
	size_t n = a->dir ? write_head(text, sizeof(text) - SUM_LINE) : 0;

	if (n == 0)
		return;
	for (size_t i = 0; i < a->n; i++) {
		size_t room = sizeof(text) - SUM_LINE - n;

		if (*a->at[i].why || strlen(a->at[i].name) + sizeof("yes \n") > room)
			continue;
		n += (size_t)snprintf(text + n, room, "yes %s\n", a->at[i].name);
	}
	write_sum(text, n, sum);
	memcpy(text + n, sum, strlen(sum));
	n += strlen(sum);
	if (!write_file(path_of(a, ".new", new), text, n) || rename(new, path_of(a, "", path)) < 0)
		unlink(new);
}

void abilities_forget(struct abilities *a)
{
	char path[PATH_ROOM];

	a->n = 0;
	if (a->dir)
		unlink(path_of(a, "", path));
}

static size_t read_file(const char *path, char *to, size_t room)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, room);

	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

/* The lines between head and sum; false at the first that is none of ours. */
static bool take_lines(struct abilities *a, char *at, const char *end)
{
	while (at < end) {
		char *newline = memchr(at, '\n', (size_t)(end - at));

		if (!newline || strncmp(at, "yes ", 4) != 0 || newline - at - 4 >= ABILITY_NAME)
			return false;
		*newline = 0;
		abilities_put(a, at + 4, "", 0);
		at = newline + 1;
	}
	return true;
}

static void load(struct abilities *a)
{
	char text[FILE_ROOM + 1], head[FILE_ROOM], sum[SUM_LINE], path[PATH_ROOM];
	size_t n = read_file(path_of(a, "", path), text, sizeof(text));
	size_t head_len = write_head(head, sizeof(head)), sum_len;

	write_sum("", 0, sum);
	sum_len = strlen(sum);
	if (n > FILE_ROOM || head_len == 0 || n < head_len + sum_len ||
		memcmp(text, head, head_len) != 0)
		return;
	write_sum(text, n - sum_len, sum);
	if (memcmp(text + n - sum_len, sum, sum_len) != 0 ||
		!take_lines(a, text + head_len, text + n - sum_len))
		a->n = 0;
}

struct abilities *abilities_new(const char *dir)
{
	struct abilities *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->dir = dir;
	if (dir)
		load(a);
	return a;
}

void abilities_free(struct abilities *a)
{
	free(a);
}

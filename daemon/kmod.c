#define _GNU_SOURCE /* strchrnul() */
#include "daemon/kmod.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { PATH_ROOM = 512 };

static const char *const host_dirs[] = {"/etc/modprobe.d", "/run/modprobe.d",
	"/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d", NULL};

const struct kmod kmod_host = {.dirs = host_dirs, .cmdline = "/proc/cmdline"};

/* - and _ are the same in the name of a module. */
static bool same_name(const char *a, size_t n, const char *b)
{
	if (strlen(b) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] && !(strchr("-_", a[i]) && strchr("-_", b[i])))
			return false;
	return true;
}

/* ---- modprobe.d ---- */

/* The next word of a line, *at moves behind it; NULL at the end. */
static const char *next_word(const char **at, size_t *n)
{
	static const char blanks[] = " \t\n";
	const char *word = *at + strspn(*at, blanks);

	*n = strcspn(word, blanks);
	*at = word + *n;
	return *n ? word : NULL;
}

static bool word_is(const char *word, size_t n, const char *what)
{
	return word && strlen(what) == n && memcmp(word, what, n) == 0;
}

/* What a line does to the module; NULL: nothing. `install M /bin/false` is the other usual way. */
static const char *line_verdict(const char *line, const char *module)
{
	size_t n;
	const char *word = next_word(&line, &n);
	bool blacklist = word_is(word, n, "blacklist"), install = word_is(word, n, "install");

	if (!blacklist && !install)
		return NULL;
	word = next_word(&line, &n);
	if (!word || !same_name(word, n, module))
		return NULL;
	if (blacklist)
		return "blacklisted";
	word = next_word(&line, &n);
	for (const char *slash = word; word && (slash = memchr(word, '/', n));) {
		n -= (size_t)(slash + 1 - word);
		word = slash + 1;
	}
	return word_is(word, n, "false") || word_is(word, n, "true") ? "switched off" : NULL;
}

/* modprobe.blacklist=A,B and module_blacklist=A,B, which the kernel itself obeys. */
static const char *cmdline_verdict(const char *line, const char *module)
{
	size_t n, name;

	for (const char *word = next_word(&line, &n); word; word = next_word(&line, &n)) {
		const char *end = word + n, *at = memchr(word, '=', n);

		if (!at || !(word_is(word, (size_t)(at - word), "modprobe.blacklist") ||
				   word_is(word, (size_t)(at - word), "module_blacklist")))
			continue;
		while (at++ < end) {
			name = strcspn(at, ", \t\n");
			if (same_name(at, name, module))
				return "blacklisted";
			at += name;
		}
	}
	return NULL;
}

/* The first that `judge` has to say of the module in a file of lines; NULL: nothing, or no file. */
static const char *of_lines(const char *path, const char *module,
	const char *(*judge)(const char *line, const char *module))
{
	const char *verdict = NULL;
	char *line = NULL;
	size_t room = 0;
	FILE *f = fopen(path, "re");

	while (f && !verdict && getline(&line, &room, f) >= 0)
		verdict = judge(line, module);
	free(line);
	if (f)
		fclose(f);
	return verdict;
}

/* A file hides those of its name in the directories behind its own. */
static bool is_hidden(const struct kmod *kmod, size_t dir, const char *name)
{
	char path[PATH_ROOM];

	for (size_t i = 0; i < dir; i++) {
		snprintf(path, sizeof(path), "%s/%s", kmod->dirs[i], name);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* The first file of that directory that forbids the module, into `path`. */
static const char *dir_verdict(
	const struct kmod *kmod, size_t dir, const char *module, char path[static PATH_ROOM])
{
	const char *verdict = NULL;
	struct dirent *e;
	DIR *d = opendir(kmod->dirs[dir]);

	while (d && !verdict && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n < 5 || strcmp(e->d_name + n - 5, ".conf") != 0 ||
			is_hidden(kmod, dir, e->d_name))
			continue;
		snprintf(path, PATH_ROOM, "%s/%s", kmod->dirs[dir], e->d_name);
		verdict = of_lines(path, module, line_verdict);
	}
	if (d)
		closedir(d);
	return verdict;
}

/* ---- the modules there are ---- */

/* A line of modules.dep or modules.builtin: "kernel/net/l2tp/l2tp_ppp.ko.xz: ..."; is the module its name? */
static const char *line_names(const char *line, const char *module)
{
	const char *end = strchrnul(line, ':'), *ko = strstr(line, ".ko"), *name = line;

	if (!ko || ko > end)
		return NULL;
	for (const char *at = line; at < ko; at++)
		if (*at == '/')
			name = at + 1;
	return same_name(name, (size_t)(ko - name), module) ? name : NULL;
}

static bool list_has(const char *dir, const char *list, const char *module)
{
	char path[PATH_ROOM];

	int n = snprintf(path, sizeof(path), "%s/%s", dir, list);
	return n < PATH_ROOM && of_lines(path, module, line_names);
}

static bool is_there(const struct kmod *kmod, const char *module)
{
	char dir[PATH_ROOM];
	struct utsname u;

	if (kmod->modules)
		snprintf(dir, sizeof(dir), "%s", kmod->modules);
	else if (uname(&u) == 0)
		snprintf(dir, sizeof(dir), "/lib/modules/%s", u.release);
	else
		return false;
	return list_has(dir, "modules.dep", module) || list_has(dir, "modules.builtin", module);
}

const char *kmod_why(const struct kmod *kmod, const char *module, char *to, size_t room)
{
	const char *verdict = NULL;
	char path[PATH_ROOM];

	for (size_t dir = 0; kmod->dirs[dir] && !verdict; dir++)
		verdict = dir_verdict(kmod, dir, module, path);
	if (!verdict && (verdict = of_lines(kmod->cmdline, module, cmdline_verdict)))
		snprintf(path, sizeof(path), "%s", kmod->cmdline);
	if (verdict)
		snprintf(to, room, "%s is %s (%s)", module, verdict, path);
	else if (!is_there(kmod, module))
		snprintf(to, room, "this kernel has no module %s", module);
	else
		snprintf(to, room, "the module %s is not loaded", module);
	return to;
}

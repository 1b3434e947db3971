/* /etc/resolv.conf, taken over in place and given back byte for byte.
 *
 * Order is what makes a kill at any moment harmless. Taking over: copy to the state directory (on
 * disk, synced), journal, then one write of less than a page that puts the mark on top, then the
 * cut. Giving back: everything behind the first page first, then the first page (which takes the
 * mark away) padded with newlines to what is there, then the cut. A file without a mark that is
 * the original followed by newlines is a cut that was not made. The kernel does not stop a write
 * within a page, not even for SIGKILL. */
#define _GNU_SOURCE /* asprintf */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "daemon/dns_priv.h"

enum { PAGE = 4096, FILE_MAX = 64 * 1024, NAMESERVERS_MAX = 3, SEARCH_MAX = 1024 };

#define COPY_HALF_WRITTEN "%s.new"

static const char resolv_conf[] = "/etc/resolv.conf";
static const char mark_start[] = "# vpnd ";

enum { MARK = sizeof(mark_start) - 1 + 16 }; /* and the checksum of the original in hex */

struct text {
	char *p;
	size_t n;
};

struct dns_file {
	struct journal *journal;
	struct log *log;
	char *copy; /* path of the original's copy */
	bool taken;
	uint64_t entry;
};

/* ---- files ---- */

static uint64_t checksum(const struct text *t) /* FNV-1a */
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < t->n; i++)
		h = (h ^ (uint8_t)t->p[i]) * 0x100000001b3;
	return h;
}

static void mark_of(const struct text *original, char to[MARK + 1])
{
	snprintf(to, MARK + 1, "%s%016" PRIx64, mark_start, checksum(original));
}

/* The whole file, terminated; to be freed. -EFBIG above FILE_MAX. */
static int text_read(int fd, struct text *t)
{
	ssize_t n;

	*t = (struct text){.p = calloc(1, FILE_MAX + 1)};
	if (!t->p)
		return -ENOMEM;
	n = pread(fd, t->p, FILE_MAX, 0);
	if (n >= 0 && n < FILE_MAX) {
		t->n = (size_t)n;
		return 0;
	}
	free(t->p);
	t->p = NULL;
	return n < 0 ? -errno : -EFBIG;
}

static int path_read(const char *path, int flags, struct text *t)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags), err;

	*t = (struct text){0};
	if (fd < 0)
		return -errno;
	err = text_read(fd, t);
	close(fd);
	return err;
}

static int write_at(int fd, const char *p, size_t n, size_t at)
{
	while (n) {
		ssize_t put = pwrite(fd, p, n, (off_t)at);

		if (put < 0)
			return -errno;
		p += put;
		at += (size_t)put;
		n -= (size_t)put;
	}
	return 0;
}

/* In place: see the top of this file. `old` is how long the file is now. */
static int replace(int fd, const struct text *t, size_t old)
{
	char page[PAGE];
	size_t first = t->n < PAGE ? t->n : PAGE;
	size_t shown = old < PAGE ? old : PAGE;
	int err = write_at(fd, t->p + first, t->n - first, first);

	if (err)
		return err;
	memset(page, '\n', sizeof(page));
	memcpy(page, t->p, first);
	err = write_at(fd, page, first > shown ? first : shown, 0);
	if (!err && ftruncate(fd, (off_t)t->n) < 0)
		err = -errno;
	return err;
}

static int copy_write(const struct dns_file *f, const struct text *t)
{
	char *new_path;
	int fd, err;

	if (asprintf(&new_path, COPY_HALF_WRITTEN, f->copy) < 0)
		return -ENOMEM;
	fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	err = fd < 0 ? -errno : write_at(fd, t->p, t->n, 0);
	if (!err && (fsync(fd) < 0 || rename(new_path, f->copy) < 0))
		err = -errno;
	if (fd >= 0) {
		close(fd);
		if (err)
			unlink(new_path);
	}
	free(new_path);
	return err;
}

/* ---- giving back ---- */

static bool all_newlines(const struct text *t, size_t from)
{
	for (size_t i = from; i < t->n; i++)
		if (t->p[i] != '\n')
			return false;
	return true;
}

static bool begins_with(const struct text *t, const char *p, size_t n)
{
	return t->n >= n && memcmp(t->p, p, n) == 0;
}

static int give_back(int fd, const struct text *now, const struct text *original, struct log *log)
{
	char mark[MARK + 1];

	mark_of(original, mark);
	if (begins_with(now, mark, MARK) /* check: resolv-conf-ours */)
		return replace(fd, original, now->n);
	if (begins_with(now, original->p, original->n) && all_newlines(now, original->n))
		return ftruncate(fd, (off_t)original->n) < 0 ? -errno : 0;
	if (begins_with(now, mark_start, sizeof(mark_start) - 1)) {
		log_error(log, "dns", "the copy of %s is not what it was made of", resolv_conf);
		return -EILSEQ;
	}
	log_warn(log, "dns", "%s was written by somebody else meanwhile: left as it is",
		resolv_conf);
	return 0;
}

/* The original back from its copy. 0 also when there is nothing (more) to bring back. */
static int restore(const char *copy, struct log *log)
{
	struct text original, now = {0};
	int fd, err = path_read(copy, O_NOFOLLOW, &original);

	if (err)
		return err == -ENOENT ? 0 : err;
	fd = open(resolv_conf, O_RDWR | O_CLOEXEC);
	err = fd < 0 ? -errno : text_read(fd, &now);
	if (!err)
		err = give_back(fd, &now, &original, log);
	if (fd >= 0)
		close(fd);
	free(now.p);
	free(original.p);
	if (err == -ENOENT) /* the file itself is gone: not ours any more */
		err = 0;
	if (!err)
		unlink(copy);
	return err;
}

int dns_file_restore(struct dns_file *f)
{
	int err = f->taken ? restore(f->copy, f->log) : 0;

	if (err == -EILSEQ) /* a damaged copy does not mend: said once, and left as it is */
		return 0;
	if (err || !f->taken)
		return err;
	journal_done(f->journal, f->entry);
	f->taken = false;
	return 0;
}

int dns_undo_file(void *ctx, const char *text)
{
	static const char key[] = "copy=";

	if (strncmp(text, key, sizeof(key) - 1) != 0)
		return -EINVAL;
	return restore(text + sizeof(key) - 1, ctx);
}

static char *copy_path(const char *state_dir)
{
	char *path;

	return asprintf(&path, "%s/resolv.conf", state_dir) < 0 ? NULL : path;
}

void dns_recover(const char *state_dir, struct log *log)
{
	char *copy = copy_path(state_dir), *half;

	if (copy && restore(copy, log) < 0)
		log_error(log, "dns", "cannot restore %s", resolv_conf);
	if (copy && asprintf(&half, COPY_HALF_WRITTEN, copy) >= 0) {
		unlink(half);
		free(half);
	}
	free(copy);
}

/* ---- what the file says ---- */

/* The value of a line "KEY VALUE", or NULL. */
static char *value_of(char *line, const char *key)
{
	size_t n = strlen(key);

	if (strncmp(line, key, n) != 0 || (line[n] != ' ' && line[n] != '\t'))
		return NULL;
	return line + n + strspn(line + n, " \t");
}

static size_t parse_servers(char *text, struct ip *servers, size_t max)
{
	size_t n = 0;
	char *line;

	while (n < max && (line = strsep(&text, "\n"))) {
		char *value = value_of(line, "nameserver");

		if (!value)
			continue;
		value[strcspn(value, " \t\r#;")] = 0;
		n += ip_parse(value, &servers[n]);
	}
	return n;
}

size_t dns_file_parse(const char *path, struct ip *servers, size_t max)
{
	struct text t;
	size_t n = 0;

	if (path_read(path, 0, &t) == 0)
		n = parse_servers(t.p, servers, max);
	free(t.p);
	return n;
}

size_t dns_file_servers(const struct dns_file *f, struct ip *servers, size_t max)
{
	return dns_file_parse(f->taken ? f->copy : resolv_conf, servers, max);
}

/* ---- taking over ---- */

/* The user's search list (the last such line counts, resolv.conf(5)) and options. */
static void keep_lines(FILE *out, const struct dns_link *link, char *original)
{
	const char *search = "";
	char *line;

	while ((line = strsep(&original, "\n"))) {
		const char *value = value_of(line, "search");

		if (!value)
			value = value_of(line, "domain");
		if (value && strlen(value) < SEARCH_MAX)
			search = value;
		else if (value_of(line, "options"))
			fprintf(out, "%s\n", line);
	}
	if (!*search && !link->n_domains)
		return;
	fprintf(out, "search");
	for (size_t i = 0; i < link->n_domains; i++)
		fprintf(out, " %s", link->domains[i]);
	fprintf(out, "%s%s\n", *search ? " " : "", search);
}

/* To be freed. -EFBIG when it does not fit a page. */
static int compose(const struct dns_link *link, const struct text *original, struct text *to)
{
	char mark[MARK + 1], ip[IP_TEXT];
	char *copy = strdup(original->p);
	FILE *out;

	*to = (struct text){0};
	out = copy ? open_memstream(&to->p, &to->n) : NULL;
	if (!out) {
		free(copy);
		return -ENOMEM;
	}
	mark_of(original, mark);
	fprintf(out, "%s: connection %s is up; what was here comes back when it ends\n", mark,
		link->connection);
	for (size_t i = 0; i < link->n && i < NAMESERVERS_MAX; i++)
		fprintf(out, "nameserver %s\n", ip_text(&link->servers[i], ip));
	keep_lines(out, link, copy);
	free(copy);
	if (fclose(out) != 0)
		return -ENOMEM;
	return to->n < PAGE ? 0 : -EFBIG;
}

static int take(struct dns_file *f, const struct text *now)
{
	char text[JOURNAL_TEXT];
	int err;

	if (begins_with(now, mark_start, sizeof(mark_start) - 1)) /* check: resolv-conf-another */
		return -EEXIST;
	if (snprintf(text, sizeof(text), "copy=%s", f->copy) >= (int)sizeof(text))
		return -ENAMETOOLONG;
	err = copy_write(f, now);
	if (!err)
		err = journal_add(f->journal, "resolv.conf", text, &f->entry);
	f->taken = !err;
	return err;
}

/* Ours no longer if the mark is not there. */
static void check_taken(struct dns_file *f, const struct text *now)
{
	if (!f->taken || begins_with(now, mark_start, sizeof(mark_start) - 1))
		return;
	log_warn(f->log, "dns", "%s was written by somebody else meanwhile", resolv_conf);
	journal_done(f->journal, f->entry);
	f->taken = false;
}

static int set(struct dns_file *f, const struct dns_link *link, int fd, const struct text *now)
{
	struct text original = {0}, want = {0};
	bool fresh;
	int err = 0;

	check_taken(f, now);
	fresh = !f->taken;
	if (fresh)
		err = take(f, now);
	if (!err)
		err = path_read(f->copy, O_NOFOLLOW, &original);
	if (!err)
		err = compose(link, &original, &want);
	if (!err)
		err = replace(fd, &want, now->n);
	free(want.p);
	free(original.p);
	if (err && fresh)
		dns_file_restore(f);
	return err;
}

int dns_file_set(struct dns_file *f, const struct dns_link *link)
{
	int fd = open(resolv_conf, O_RDWR | O_CLOEXEC), err;
	struct text now;

	if (fd < 0)
		return -errno;
	err = text_read(fd, &now);
	if (!err)
		err = set(f, link, fd, &now);
	free(now.p);
	close(fd);
	return err;
}

struct dns_file *dns_file_new(struct journal *journal, const char *state_dir, struct log *log)
{
	struct dns_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct dns_file){.journal = journal, .log = log, .copy = copy_path(state_dir)};
	if (f->copy)
		return f;
	free(f);
	return NULL;
}

void dns_file_free(struct dns_file *f)
{
	if (!f)
		return;
	int err = dns_file_restore(f);
	if (err)
		log_error(f->log, "dns", "cannot restore %s: %s", resolv_conf, strerror(-err));
	free(f->copy);
	free(f);
}

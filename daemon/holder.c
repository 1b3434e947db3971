#include "daemon/holder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sa.h"
#include "base/str.h"

enum { PATH_ROOM = 512, SOCKETS_MAX = 64 };

/* A socket that is bound to one of the ports. */
struct bound {
	uint64_t inode;
	struct holder *holder;
};

struct search {
	const char *proc;
	const struct holder_own *own;
	struct holder *at;
	size_t n;
	struct bound bound[SOCKETS_MAX];
	size_t n_bound;
};

static bool is_own(const struct holder_own *own, uint64_t inode)
{
	for (size_t i = 0; i < own->n; i++)
		if (own->inode[i] == inode)
			return true;
	return false;
}

/* ---- sockets ---- */

static void add_socket(struct search *s, unsigned port, uid_t uid, uint64_t inode)
{
	for (size_t i = 0; i < s->n; i++) {
		struct holder *h = &s->at[i];

		if (h->port != port)
			continue;
		if (is_own(s->own, inode)) {
			h->own = true;
			continue;
		}
		h->held = true;
		h->uid = uid;
		if (s->n_bound < SOCKETS_MAX)
			s->bound[s->n_bound++] = (struct bound){inode, h};
	}
}

/* proc(5): number, local and remote address, state, queues, timer, retransmits, uid, timeout, inode. */
static void read_sockets(struct search *s, const char *list)
{
	char path[PATH_ROOM], line[512];
	unsigned port, uid;
	uint64_t inode;

	snprintf(path, sizeof(path), "%s/net/%s", s->proc, list);
	FILE *f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line,
			    " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %*x %*s %*s %*s %u %*u %" SCNu64,
			    &port, &uid, &inode) == 3)
			add_socket(s, port, uid, inode);
	fclose(f);
}

/* ---- processes ---- */

static void name_of(const struct search *s, const char *pid, char to[static HOLDER_PROGRAM])
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%s/%s/comm", s->proc, pid);
	FILE *f = fopen(path, "re");
	if (!f || !fgets(to, HOLDER_PROGRAM, f))
		*to = 0;
	if (f)
		fclose(f);
	to[strcspn(to, "\n")] = 0;
}

static void found(const struct search *s, struct holder *h, const char *pid, bool sure)
{
	h->pid = atoi(pid);
	h->sure = sure;
	name_of(s, pid, h->program);
}

static bool usually_holds(const char *program, uint16_t port)
{
	static const struct {
		const char *program;
		bool l2tp;
	} usual[] = {
		{"charon", false},
		{"charon-systemd", false},
		{"charon-nm", false},
		{"pluto", false},
		{"iked", false},
		{"racoon", false},
		{"xl2tpd", true},
		{"go-l2tpd", true},
	};

	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
		if (strcmp(usual[i].program, program) == 0)
			return usual[i].l2tp == (port == L2TP_PORT);
	return false;
}

/* It does not show its descriptors. */
static void guess(struct search *s, const char *pid)
{
	char program[HOLDER_PROGRAM];

	name_of(s, pid, program);
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].held && !s->at[i].pid && usually_holds(program, s->at[i].port))
			found(s, &s->at[i], pid, false);
}

typedef void socket_fn(void *ctx, const char *pid, uint64_t inode);

/* For each socket of a process. 0, or -errno when it does not show them. */
static int each_socket(const char *proc, const char *pid, socket_fn *on, void *ctx)
{
	char path[PATH_ROOM], link[64];
	struct dirent *e;
	uint64_t inode;
	int err = 0;

	snprintf(path, sizeof(path), "%s/%s/fd", proc, pid);
	DIR *d = opendir(path);
	if (!d)
		return -errno;
	while (err == 0 && (e = readdir(d))) {
		if (*e->d_name == '.')
			continue;
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		err = n < 0 && errno != ENOENT ? -errno : 0;
		link[n > 0 ? n : 0] = 0;
		if (sscanf(link, "socket:[%" SCNu64 "]", &inode) == 1)
			on(ctx, pid, inode);
	}
	closedir(d);
	return err;
}

static void on_socket(void *ctx, const char *pid, uint64_t inode)
{
	const struct search *s = ctx;

	for (size_t i = 0; i < s->n_bound; i++)
		if (s->bound[i].inode == inode && !s->bound[i].holder->sure)
			found(s, s->bound[i].holder, pid, true);
}

static bool all_sure(const struct search *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].held && !s->at[i].sure)
			return false;
	return true;
}

static void read_processes(struct search *s)
{
	struct dirent *e;
	uint64_t pid;
	DIR *d = opendir(s->proc);

	while (d && !all_sure(s) && (e = readdir(d)))
		if (str_uint(e->d_name, 1, INT32_MAX, &pid) &&
			each_socket(s->proc, e->d_name, on_socket, s) == -EACCES)
			guess(s, e->d_name);
	if (d)
		closedir(d);
}

/* ---- all of it ---- */

static void add_own(void *ctx, const char *pid, uint64_t inode)
{
	struct holder_own *own = ctx;

	(void)pid;
	if (own->n < HOLDER_OWN_MAX)
		own->inode[own->n++] = inode;
}

void holder_find_own(const char *proc, struct holder_own *own)
{
	own->n = 0;
	each_socket(proc, "self", add_own, own);
}

void holder_find(const char *proc, const struct holder_own *own, struct holder *at, size_t n)
{
	struct search s = {.proc = proc, .own = own, .at = at, .n = n};

	read_sockets(&s, "udp");
	read_sockets(&s, "udp6");
	read_processes(&s);
}

const char *holder_text(const struct holder *h, char to[static HOLDER_TEXT])
{
	if (!h->held)
		snprintf(to, HOLDER_TEXT, "%s", h->own ? "vpnd itself" : "");
	else if (!h->pid)
		snprintf(to, HOLDER_TEXT, "a program of uid %u", h->uid);
	else
		snprintf(to, HOLDER_TEXT, "%s%s (pid %d)", h->sure ? "" : "probably ", h->program,
			(int)h->pid);
	return to;
}

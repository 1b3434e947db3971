#define _GNU_SOURCE /* close_range(), pipe2() */
#include "daemon/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct aside {
	pid_t child; /* 0: it has been waited for */
	int fd;
	struct loop_watch *readable;
	aside_done *done;
	void *ctx;
	size_t len, got;
	alignas(max_align_t) char answer[];
};

static _Noreturn void be_child(struct aside *a, int to, pid_t parent, aside_job *job)
{
	static const int ours[] = {SIGTERM, SIGINT, SIGHUP};
	size_t put = 0;

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		signal(ours[i], SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	/* The lock of the journal, sockets and devices end with the daemon, not with us. */
	if (dup2(to, STDERR_FILENO + 1) < 0 || close_range(STDERR_FILENO + 2, ~0U, 0) < 0)
		_exit(EXIT_FAILURE);
	job(a->ctx, a->answer);
	while (put < a->len) {
		ssize_t n = write(STDERR_FILENO + 1, a->answer + put, a->len - put);

		if (n < 0 && errno != EINTR)
			_exit(EXIT_FAILURE);
		put += n > 0 ? (size_t)n : 0;
	}
	_exit(EXIT_SUCCESS);
}

static void reap(struct aside *a)
{
	while (a->child && waitpid(a->child, NULL, 0) < 0 && errno == EINTR)
		;
	a->child = 0;
}

static void on_answer(void *ctx)
{
	struct aside *a = ctx;
	ssize_t n = read(a->fd, a->answer + a->got, a->len - a->got);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	a->got += n > 0 ? (size_t)n : 0;
	if (n > 0 && a->got < a->len)
		return;
	loop_watch_set(a->readable, false);
	reap(a);
	a->done(a->ctx, a->got == a->len ? a->answer : NULL);
}

struct aside *aside_new(
	struct loop *loop, size_t answer_len, aside_job *job, aside_done *done, void *ctx)
{
	struct aside *a = calloc(1, sizeof(*a) + answer_len);
	pid_t parent = getpid();
	int ends[2];

	if (!a || pipe2(ends, O_CLOEXEC) < 0) {
		free(a);
		return NULL;
	}
	*a = (struct aside){.fd = ends[0], .done = done, .ctx = ctx, .len = answer_len};
	if (fcntl(a->fd, F_SETFL, O_NONBLOCK) == 0)
		a->readable = loop_watch_new(loop, a->fd, LOOP_READ, on_answer, a);
	a->child = a->readable ? fork() : -1;
	if (a->child == 0)
		be_child(a, ends[1], parent, job);
	close(ends[1]);
	if (a->child > 0)
		return a;
	a->child = 0;
	aside_free(a);
	return NULL;
}

void aside_free(struct aside *a)
{
	if (!a)
		return;
	if (a->child)
		kill(a->child, SIGKILL);
	reap(a);
	loop_watch_free(a->readable);
	close(a->fd);
	free(a);
}

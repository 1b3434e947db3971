/* What the tests of vpnctl share: a daemon that plays a script, and vpnctl as a process, with its
 * output on files or on a terminal. The including file defines _GNU_SOURCE for memfd_create(). */
#pragma once

#include "tests/vectors/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/reason.h"
#include "cli/varlink.h"

enum { SCENES = 6, REPLIES = 8, PEERS = 8, TEXT = 32768 };

/* When `method` is called, say `replies` to its caller; then `late` to the caller of the first
 * scene. A reply "!" hangs up. */
struct scene {
	const char *method;
	const char *replies[REPLIES];
	const char *late;
};

struct fixture {
	char dir[64], path[96];
	int listen, heard[2]; /* a pipe: each call as a line */
	pid_t daemon;
	char out[TEXT], err[TEXT], calls[TEXT];
	int code;
};

/* ---- the daemon ---- */

static inline void speak(int fd, const char *text)
{
	if (strcmp(text, "!") == 0)
		shutdown(fd, SHUT_RDWR);
	else if (send(fd, text, strlen(text) + 1, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static inline void play(const struct fixture *f, const struct scene *scenes, int fd,
	int *first_caller, const json_t *message)
{
	const char *method = json_string_value(json_object_get(message, "method"));
	char *line = json_dumps(message, JSON_COMPACT | JSON_SORT_KEYS);

	dprintf(f->heard[1], "%s\n", line);
	for (size_t i = 0; i < SCENES && scenes[i].method; i++) {
		if (strcmp(scenes[i].method, method) != 0)
			continue;
		if (i == 0)
			*first_caller = fd;
		for (size_t k = 0; k < REPLIES && scenes[i].replies[k]; k++)
			speak(fd, scenes[i].replies[k]);
		if (scenes[i].late)
			speak(*first_caller, scenes[i].late);
		return;
	}
}

static inline _Noreturn void be_daemon(const struct fixture *f, const struct scene *scenes)
{
	struct varlink_in in[PEERS] = {0};
	struct pollfd fds[PEERS + 1] = {{.fd = f->listen, .events = POLLIN}};
	nfds_t n = 1;
	int first_caller = -1;

	for (;;) {
		poll(fds, n, -1);
		for (nfds_t i = 1; i < n; i++) {
			json_t *message;

			if (!fds[i].revents)
				continue;
			if (varlink_read(&in[i - 1], fds[i].fd) <= 0)
				fds[i].fd = -fds[i].fd;
			while (varlink_next(&in[i - 1], &message) == 1)
				play(f, scenes, fds[i].fd, &first_caller, message);
		}
		if (fds[0].revents && n <= PEERS)
			fds[n++] = (struct pollfd){
				.fd = accept(f->listen, NULL, NULL), .events = POLLIN};
	}
}

static inline void stage(struct fixture *f, const struct scene *scenes)
{
	f->daemon = fork();
	if (f->daemon == 0)
		be_daemon(f, scenes);
}

/* ---- running vpnctl ---- */

static inline void slurp(int fd, char *to)
{
	ssize_t n = pread(fd, to, TEXT - 1, 0);

	to[n > 0 ? n : 0] = 0;
}

static inline char *const *arguments(struct fixture *f, const char *const *args)
{
	static char *argv[16];
	static char program[] = BIN_DIR "/vpnctl", socket_option[] = "--socket";
	int n = 0;

	argv[n++] = program;
	argv[n++] = socket_option;
	argv[n++] = f->path;
	for (; *args; args++)
		argv[n++] = (char *)(uintptr_t)*args;
	argv[n] = NULL;
	return argv;
}

/* Everything on files; no terminal. `signal_after`: send SIGINT when the daemon has heard this. */
static inline int run_with(struct fixture *f, const char *signal_after, const char *const *args)
{
	int out = memfd_create("out", 0), err = memfd_create("err", 0), status;
	ssize_t n;
	pid_t child = fork();

	if (child == 0) {
		setsid();
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(out, 1);
		dup2(err, 2);
		unsetenv("SSH_CONNECTION");
		execv(BIN_DIR "/vpnctl", arguments(f, args));
		_exit(126);
	}
	f->calls[0] = 0;
	while (signal_after && !strstr(f->calls, signal_after)) {
		n = read(f->heard[0], f->calls, TEXT - 1);
		assert_true(n > 0);
		f->calls[n] = 0;
	}
	if (signal_after)
		kill(child, SIGINT);
	waitpid(child, &status, 0);
	slurp(out, f->out);
	slurp(err, f->err);
	close(out);
	close(err);
	if (!signal_after) {
		fcntl(f->heard[0], F_SETFL, O_NONBLOCK);
		n = read(f->heard[0], f->calls, TEXT - 1);
		f->calls[n > 0 ? n : 0] = 0;
	}
	f->code = WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
	return f->code;
}

#define run(f, ...) run_with(f, NULL, (const char *const[]){__VA_ARGS__, NULL})

/* On a terminal: type `text` when `prompt` is seen. Output of both streams in f->out. */
static inline int run_typing(
	struct fixture *f, const char *prompt, const char *text, const char *const *args)
{
	int master, status;
	size_t n = 0;
	bool typed = false;
	pid_t child = forkpty(&master, NULL, NULL, NULL);

	if (child == 0) {
		setenv("NO_COLOR", "1", 1);
		unsetenv("SSH_CONNECTION");
		execv(BIN_DIR "/vpnctl", arguments(f, args));
		_exit(126);
	}
	for (;;) {
		ssize_t got = read(master, f->out + n, TEXT - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
		f->out[n] = 0;
		if (!typed && strstr(f->out, prompt)) {
			typed = true;
			assert_true(write(master, text, strlen(text)) > 0);
		}
	}
	close(master);
	waitpid(child, &status, 0);
	fcntl(f->heard[0], F_SETFL, O_NONBLOCK);
	ssize_t heard = read(f->heard[0], f->calls, TEXT - 1);
	f->calls[heard > 0 ? heard : 0] = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_vpnctl.XXXXXX");
	if (!mkdtemp(f->dir) || pipe(f->heard) < 0)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/io.vpnd", f->dir);
	memcpy(at.sun_path, f->path, strlen(f->path));
	f->listen = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(f->listen, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(f->listen, 8) < 0)
		return -1;
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->daemon) {
		kill(f->daemon, SIGKILL);
		waitpid(f->daemon, NULL, 0);
	}
	close(f->listen);
	close(f->heard[0]);
	close(f->heard[1]);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

#define EVENT(kind, rest)                                                                          \
	"{\"continues\":true,\"parameters\":{\"event\":{\"kind\":\"" kind "\"" rest "}}}"
#define LAST(kind, rest) "{\"parameters\":{\"event\":{\"kind\":\"" kind "\"" rest "}}}"
#define STAGE(name, text, ms)                                                                      \
	EVENT("stage", ",\"stage\":{\"name\":\"" name "\",\"text\":\"" text "\",\"ms\":" ms "}")
#define NETWORK                                                                                    \
	EVENT("network", ",\"network\":{\"interface\":\"vpn-corp\",\"addresses\":[\"10.99.0.2\"]," \
			 "\"dns\":[\"10.99.0.53\"],\"routes\":[\"default\"],\"mtu\":1400}")
#define FAILURE(id, windows, text, hint, evidence)                                                 \
	"{\"id\":\"" id "\",\"stage\":\"ppp\",\"windows\":" windows ",\"text\":\"" text            \
	"\",\"hint\":\"" hint "\",\"evidence\":\"" evidence "\"}"
#define REFUSED                                                                                    \
	FAILURE("PPP-AUTH-REFUSED", "691", "the server refused the user name or password",         \
		"Check user.", "E=691")

#include "cli/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { ANSWER_MAX = 4096 };

/* A line that ends with a newline or with the input; the newline is not part of it. */
static struct slice first_line(const uint8_t *p, size_t n)
{
	const uint8_t *end = n ? memchr(p, '\n', n) : NULL;

	return slice(p, end ? (size_t)(end - p) : n);
}

/* One line in the terminal's own line mode: one read is one line. */
static enum prompt_end read_line(int tty, const int others[2], struct secret *answer)
{
	struct pollfd fds[3] = {
		{.fd = tty, .events = POLLIN},
		{.fd = others[0], .events = POLLIN},
		{.fd = others[1], .events = POLLIN},
	};
	uint8_t line[ANSWER_MAX];
	enum prompt_end end = PROMPT_NO;
	ssize_t n;

	while (poll(fds, 3, -1) < 0)
		if (errno != EINTR)
			return PROMPT_NO;
	if (fds[1].revents || fds[2].revents)
		return PROMPT_BROKEN;
	n = read(tty, line, sizeof(line));
	if (n > 0 && secret_set(answer, first_line(line, (size_t)n)))
		end = PROMPT_ANSWERED;
	wipe(line, sizeof(line));
	return end;
}

enum prompt_end prompt_ask(const char *text, bool echo, const int others[2], struct secret *answer)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios before, silent;
	enum prompt_end end;

	if (tty < 0)
		return PROMPT_NO_TTY;
	if (tcgetattr(tty, &before) < 0) {
		close(tty);
		return PROMPT_NO_TTY;
	}
	silent = before;
	if (!echo)
		silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
	tcsetattr(tty, TCSAFLUSH, &silent);
	dprintf(tty, "%s ", text);
	end = read_line(tty, others, answer);
	tcsetattr(tty, TCSAFLUSH, &before);
	if (!echo || end != PROMPT_ANSWERED)
		dprintf(tty, "\n");
	close(tty);
	return end;
}

bool prompt_file(const char *path, struct secret *answer)
{
	bool standard_input = strcmp(path, "-") == 0;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	uint8_t octets[ANSWER_MAX + 1];
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return false;
	while (n < sizeof(octets) && got > 0) {
		got = read(fd, octets + n, sizeof(octets) - n);
		n += got > 0 ? (size_t)got : 0;
	}

	int error = got < 0 ? errno : 0;
	struct slice line = first_line(octets, n);
	bool ok = got >= 0 && line.n > 0 && line.n <= ANSWER_MAX && secret_set(answer, line);

	wipe(octets, sizeof(octets));
	if (!standard_input)
		close(fd);
	errno = error;
	return ok;
}

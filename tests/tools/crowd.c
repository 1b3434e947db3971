/* A crowd at a control socket: so many connects a second, evenly, most of which hang up at once. Each
 * eighth asks for the state, each eighth sends half a message and leaves; a few wait for their answer.
 *
 *   crowd SOCKET RATE SECONDS     prints "tried=N connected=N full=N answered=N refused=N"
 *
 * full: the backlog had no room. refused: TooManyClients. */
#define _GNU_SOURCE /* memmem() */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

enum { WAITING = 8, TICK = 1000000 /* ns */ };

static const char half[] = "{\"method\":\"io.vpnd.Sta";
static const char status[] = "{\"method\":\"io.vpnd.Status\",\"parameters\":{}}";

struct crowd {
	struct sockaddr_un at;
	int waiting[WAITING]; /* for an answer; -1: free */
	size_t next;
	uint64_t tried, connected, full, answered, refused;
};

/* Whoever has had his turn leaves, with his answer or without. */
static void hear(struct crowd *c, int fd)
{
	char answer[4096];
	ssize_t n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);

	if (n > 0 && memmem(answer, (size_t)n, "TooManyClients", 14))
		c->refused++;
	else if (n > 0)
		c->answered++;
	close(fd);
}

static void wait_for_answer(struct crowd *c, int fd)
{
	int *place = &c->waiting[c->next++ % WAITING];

	if (*place >= 0)
		hear(c, *place);
	*place = fd;
}

static void say(int fd, const char *text, size_t n)
{
	if (send(fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE)
		perror("crowd: send");
}

static void one(struct crowd *c)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	c->tried++;
	if (fd < 0 || connect(fd, (struct sockaddr *)&c->at, sizeof(c->at)) < 0) {
		c->full += errno == EAGAIN;
		if (errno != EAGAIN)
			perror("crowd: connect");
		if (fd >= 0)
			close(fd);
		return;
	}
	c->connected++;
	switch (c->tried % 8) {
	case 0:
		say(fd, status, sizeof(status));
		wait_for_answer(c, fd);
		return;
	case 1:
		say(fd, half, sizeof(half) - 1);
		break;
	}
	close(fd);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* As many as the clock says are due, so that a pause is made good. */
static void storm(struct crowd *c, uint64_t rate, uint64_t seconds)
{
	const struct timespec tick = {.tv_nsec = TICK};
	uint64_t began = now(), passed = 0;

	while (passed < seconds * 1000000000u) {
		while (c->tried < passed / 1000 * rate / 1000000)
			one(c);
		nanosleep(&tick, NULL);
		passed = now() - began;
	}
}

int main(int argc, char **argv)
{
	struct crowd c = {.at.sun_family = AF_UNIX};
	uint64_t rate, seconds;

	if (argc != 4 || strlen(argv[1]) >= sizeof(c.at.sun_path) ||
		!str_uint(argv[2], 1, 1000000, &rate) || !str_uint(argv[3], 1, 3600, &seconds)) {
		fprintf(stderr, "usage: crowd SOCKET RATE SECONDS\n");
		return 2;
	}
	memcpy(c.at.sun_path, argv[1], strlen(argv[1]));
	memset(c.waiting, -1, sizeof(c.waiting));
	storm(&c, rate, seconds);
	for (size_t i = 0; i < WAITING; i++)
		if (c.waiting[i] >= 0)
			hear(&c, c.waiting[i]);
	printf("tried=%lu connected=%lu full=%lu answered=%lu refused=%lu\n", c.tried, c.connected,
		c.full, c.answered, c.refused);
	return 0;
}

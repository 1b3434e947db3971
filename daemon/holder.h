/* Who holds a UDP port of this host. /proc/net/udp says which socket, the descriptors of every process
 * whose it is. A program with more rights than ours does not show its descriptors; then one that is
 * known to use the port is named by what it is called, as a guess. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HOLDERS_MAX = 3, HOLDER_OWN_MAX = 512, HOLDER_PROGRAM = 20, HOLDER_TEXT = 64 };

/* The sockets of this process, which hold nothing against it. */
struct holder_own {
	uint64_t inode[HOLDER_OWN_MAX];
	size_t n;
};

struct holder {
	uint16_t port;
	bool held; /* by a socket that is not ours */
	bool own;  /* by one of ours */
	bool sure;
	uid_t uid;                    /* of the socket */
	pid_t pid;                    /* 0: not found */
	char program[HOLDER_PROGRAM]; /* as the kernel has its name */
};

/* `proc` is where /proc is. */
void holder_find_own(const char *proc, struct holder_own *own);

/* Fill in who holds each `port` of n, at most HOLDERS_MAX. A walk through /proc: some ten milliseconds. */
void holder_find(const char *proc, const struct holder_own *own, struct holder *at, size_t n);

/* "charon (pid 1234)", "probably charon (pid 1234)", "a program of uid 0", "vpnd itself"; "" when it is
 * free. */
const char *holder_text(const struct holder *h, char to[static HOLDER_TEXT]);

/* The gateway's name becomes addresses: over marked sockets, past any tunnel of ours.
 *
 * /etc/hosts is asked first, then the given servers for A and AAAA at the same time. An IPv4
 * address is worth waiting for, an IPv6 address only for a moment when IPv4 is there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/msec.h"
#include "daemon/route.h"

struct names;

enum { NAMES_MAX = 16, NAMES_WHY = 160 };

struct names_conf {
	const char *name;         /* a host name or a numeric address */
	uint32_t mark;            /* SO_MARK of the sockets; 0 = none */
	const struct ip *servers; /* dns_upstream() */
	size_t n;
	uint16_t port; /* of the servers; 0 = 53 */

	/* Each socket's flow is announced when it is connected, before the first packet, and when
	 * it is closed: reverse-path filtering wants a rule for the answers (route_pass()). An error
	 * fails the socket. NULL = not needed. */
	int (*pass)(void *ctx, const struct flow *flow);
	void (*unpass)(void *ctx, const struct flow *flow);
	void *ctx;
};

enum names_state { NAMES_WORKING, NAMES_DONE, NAMES_FAILED };

/* Begin. conf is only read now, but for pass, unpass and ctx. A numeric address is done at once.
 * 0 or -errno. */
[[gnu::warn_unused_result]] int names_new(
	struct names **names, const struct names_conf *conf, msec now);
void names_free(struct names *n); /* cancels; NULL is allowed */

/* Watch the descriptor for reading; when readable or at the deadline call names_ready(). */
int names_fd(const struct names *n);
void names_ready(struct names *n, msec now);
msec names_deadline(const struct names *n);

enum names_state names_state(const struct names *n);

/* NAMES_DONE: the addresses, IPv4 first, each once. Valid as long as n. */
size_t names_result(const struct names *n, const struct ip **list);

/* NAMES_FAILED: what happened, with the servers asked; evidence for NET-DNS. */
const char *names_why(const struct names *n);

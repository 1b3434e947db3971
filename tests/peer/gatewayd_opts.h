/* The options of gatewayd: every field of struct gateway_conf by name, in one table. */
#pragma once

#include <stddef.h>

#include "base/log.h"
#include "tests/peer/gateway.h"

struct gatewayd_opts {
	struct gateway_conf gateway; /* its texts are borrowed from argv */
	struct ip listen;
	const char *tun;    /* name of the interface */
	const char *keylog; /* file that every key is added to, or NULL */
	uint16_t mtu;
	enum log_level level;
};

/* Fill *o from the command line; later options win over earlier ones. -1: go on; else the exit code
 * of the program, which has been told why. */
int gatewayd_opts(struct gatewayd_opts *o, int argc, char **argv);

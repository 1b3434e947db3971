/* The inside of a socket: udp.c opens it, udp_recv.c and udp_send.c move packets. */
#pragma once

#include <netinet/in.h>

#include "daemon/udp.h"

/* Newer than the C library's headers in some distributions. linux/udp.h. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef UDP_ENCAP
#define UDP_ENCAP 100
#endif

enum { ENCAP_ESP = 2 }; /* UDP_ENCAP_ESPINUDP */

struct udp {
	int fd;
	int ear; /* for the kernel's ESP only, from any port of the server's; -1 = none */
	bool v6;
	enum lane lane;
	bool connected;
	struct addr remote;
	unsigned reads;  /* buffers to read into at once, as many as were filled lately */
	size_t gso_size; /* the largest segment that UDP_SEGMENT may have; 0 = do not use it */
	struct pktq waiting;
	struct udp_error error; /* code 0 = none */
	struct udp_counters counters;
};

/* 0 or -errno; what came from others before is dropped. */
int udp_connect(struct udp *u);

/* Read the socket's error queue until it is empty; the last one is kept for udp_take_error(). */
void udp_read_errors(struct udp *u);

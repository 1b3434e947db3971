/* A host whose kernel does ESP, for the simulation: the plane that the stack sees, and between it and
 * the network the kernel that seals and opens, here a user plane of its own.
 *
 *   stack ─ L2TP on LANE_L2TP ─ kernel ─ ESP on LANE_NATT or LANE_RAW ─ network */
#pragma once

#include "esp/esp.h"

struct kernel;

struct kernel *kernel_new(void);
void kernel_free(struct kernel *k);

/* The plane of an attempt, until it is closed. */
struct esp *kernel_open(struct kernel *k, const struct env *env);
void kernel_close(struct kernel *k);

/* What the sockets send and what comes for them: L2TP becomes ESP, ESP becomes L2TP or is gone. */
void kernel_send(struct kernel *k, struct pktq *down, msec now);
void kernel_recv(struct kernel *k, struct pktq *in, msec now);

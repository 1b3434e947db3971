/* A host whose kernel does ESP, for the simulation: the plane that the stack sees, and between it and
 * the network the kernel that seals and opens, here a user plane of its own. It can have the L2TP
 * session, too: IP goes between the host's users and the network without the stack then.
 *
 *   stack ─ L2TP on LANE_L2TP, frames on LANE_PPP ─ kernel ─ ESP on LANE_NATT or LANE_RAW ─ network
 *                                          users ─┘ */
#pragma once

#include "esp/esp.h"
#include "l2tp/l2tp.h"

struct kernel;

struct kernel *kernel_new(void);
void kernel_free(struct kernel *k);

/* The plane of an attempt, until it is closed. */
struct esp *kernel_open(struct kernel *k, const struct env *env);
void kernel_close(struct kernel *k);

/* The session of these ids is the kernel's, until it is closed. */
void kernel_take_session(struct kernel *k, const struct l2tp_status *ids);
bool kernel_has_session(const struct kernel *k);

/* It takes no SA any more. */
void kernel_refuse(struct kernel *k);

/* Something happens to the pair that is used. */
void kernel_raise(struct kernel *k, enum esp_event_kind kind);

/* What the sockets send: L2TP and frames become ESP. Without a plane nothing is touched, here and
 * below. */
void kernel_send(struct kernel *k, struct pktq *down, msec now);
/* What comes for them: ESP becomes L2TP, frames, or IP for the users; or is gone. */
void kernel_recv(struct kernel *k, struct pktq *in, struct pktq *ip, msec now);
/* The users' packets, appended to `down` as ESP. Takes all of `ip`. */
void kernel_route(struct kernel *k, struct pktq *ip, struct pktq *down, msec now);

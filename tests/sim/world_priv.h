/* What world.c (the client's owner, scripts, the run) and world_wire.c (packets, pings, what must
 * always hold on the wire) share. */
#pragma once

#include "tests/sim/world.h"

/* Everything that a call into one of the ends has given back. */
void world_from_client(struct world *w, struct io *out);
void world_from_gateway(struct world *w, struct io *out);

void world_send_client(struct world *w, struct io *out); /* out->down, checked */
void world_client_host(struct world *w, struct pktq *ip);
void world_ping(struct world *w);         /* one each way */
void world_forge(struct world *w);        /* one packet to each end, made of what was seen */
void world_forge_notice(struct world *w); /* an error or a delete in clear, to each end */

void check_proof(struct world *w);         /* up: has the gateway seen what it must? */
void check_secret_is_due(struct world *w); /* asked: are IKE and ESP up? */

const char *world_action_name(enum world_action action);

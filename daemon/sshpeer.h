/* Who is sitting at the other end of an SSH session: a full tunnel must not cut them off. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/addr.h"
#include "daemon/route.h"

enum { SSH_PEERS_MAX = 64 };

/* The addresses at the other end of the SSH session that `caller` (a process) runs in: from
 * SSH_CONNECTION in the environment of it or of the nearest ancestor that has one. Where those
 * may not be read (another user's processes need a capability that vpnd gives up), of every session
 * on TCP port 22 of this host. Returns how many, each once. */
size_t ssh_peers(pid_t caller, struct ip peers[static SSH_PEERS_MAX]);

/* Whether the tunnel would take away what such a session lives on; *peer is the first one. */
bool ssh_cut(const struct route *r, pid_t caller, struct ip *peer);

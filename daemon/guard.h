/* Nobody around us reaches the address inside.
 *
 * Linux answers for any of its addresses on any interface. So whoever shares our LAN can ask for the
 * tunnel's address by ARP, send packets to it, and read from what we answer into the tunnel, sealed
 * or not, which address we have inside and which connections (CVE-2019-14899). Reverse-path filtering
 * stops that in its strict mode only, and is not ours to set.
 *
 * A guard is two tables of nftables, of the families inet and arp: what asks for the address and
 * came neither by the tunnel nor from this host is dropped. They belong to the guard's socket: nobody
 * else can change or flush them, and they end with the process. So they need neither journal nor
 * cleanup. Linux 5.12. */
#pragma once

#include <stdint.h>

#include "base/addr.h"

struct guard;

/* Guard that address of that link, which is not there yet. 0 or -errno. */
[[gnu::warn_unused_result]] int guard_new(
	struct guard **guard, uint32_t ifindex, const struct ip *address);

void guard_free(struct guard *guard); /* NULL is allowed */

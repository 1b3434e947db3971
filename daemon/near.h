/* What is near: networks that stay reachable past a full tunnel.
 *
 * Near are the prefixes that the main table reaches on a link without a gateway, when the link is
 * no uplink (docker0, virbr0, other tunnels). The uplinks, with the user's own LAN, are those with a
 * default route and those that lead to a server. They are near only if the user allows it, and then
 * only the prefixes of their addresses: what a DHCP server pushes as a static route never is.
 *
 * Only private addresses count (RFC 1918, RFC 6598, RFC 3927, RFC 4193): whoever runs the LAN can
 * call any part of the Internet local, and would get what is sent there (TunnelCrack LocalNet). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "daemon/net.h"

struct near_conf {
	bool lan;             /* the uplinks' own networks too */
	uint32_t table_first; /* tables of ours, not looked at */
	uint32_t table_last;
	const uint32_t *uplinks; /* that lead to a server */
	size_t n_uplinks;
};

/* The near prefixes, each once, for the caller to free(). 0 or -errno. */
[[gnu::warn_unused_result]] int near_prefixes(
	struct net *net, const struct near_conf *conf, struct prefix **list, size_t *n);

/* Whether news of this route may change the answer. */
bool near_concerns(const struct net_route *r);

/* A route that stands for everything: length 0, or half of the Internet. */
bool near_is_default(const struct net_route *r);

bool prefix_contains(const struct prefix *p, const struct ip *ip);

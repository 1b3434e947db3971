/* The next hop must be able to find us.
 *
 * Before the kernel answers an ARP request it asks the rules: would a packet to whoever asks leave by
 * the interface on which the request came in? Under a full tunnel that is "no" with rp_filter = 1,
 * and with the backstop alone also with 2; the next hop loses our link address within a minute, and
 * then nothing arrives, whatever the rules of the flows say.
 *
 * That question names no protocol, while the packets of users have one. So these protocols are sent
 * to the connection's table by rules of their own, and what is left, to exactly the address of the
 * next hop or of the server, goes to the main table. IPv6 needs none of it: neighbour discovery asks
 * no rules. */
#include <stdlib.h>
#include <string.h>

#include "daemon/route_priv.h"

static const uint8_t protocols[] = {NET_PROTO_ICMP, NET_PROTO_TCP, NET_PROTO_UDP, NET_PROTO_SCTP};

/* ---- which one ---- */

static void compare(void *ctx, const struct net_item *item)
{
	struct way *w = ctx;
	const struct net_route *r = &item->route;

	if (r->family != w->server->family || r->type != NET_UNICAST ||
		r->table != NET_TABLE_MAIN || (r->to.len && !prefix_contains(&r->to, w->server)) ||
		r->to.len < w->len || (r->to.len == w->len && r->metric >= w->metric))
		return;
	w->len = r->to.len;
	w->metric = r->metric;
	w->hop = r->gateway.family != FAMILY_NONE ? r->gateway : *w->server;
	w->ifindex = r->ifindex;
}

int route_way(const struct route *r, const struct ip *server, struct way *way)
{
	*way = (struct way){.server = server, .len = -1};
	return net_each(r->all->net, NET_ROUTE, compare, way);
}

/* ---- the rules ---- */

static int add_protocols(const struct route *r, struct items *want)
{
	bool full = r->conf.mode == ROUTE_FULL;
	int err = 0;

	for (size_t i = 0; i < sizeof(protocols) && !err; i++) {
		struct net_item item = {
			.kind = NET_RULE,
			.rule = {.family = FAMILY_IPV4,
				.priority = full ? ROUTE_PRIORITY_USERS_FULL
						 : ROUTE_PRIORITY_USERS_SPLIT,
				.table = r->table,
				.ip_proto = protocols[i]},
		};

		err = items_add(want, r->all->keep, &item);
	}
	return err;
}

static int add_hop(const struct route *r, const struct ip *hop, struct items *want)
{
	int err = 0;
	struct net_item item = {
		.kind = NET_RULE,
		.rule = {.family = FAMILY_IPV4,
			.priority = ROUTE_PRIORITY_HOP,
			.table = NET_TABLE_MAIN,
			.to = {.ip = *hop, .len = 32}},
	};

	if (!want->n)
		err = add_protocols(r, want);
	return err ? err : items_add(want, r->all->keep, &item);
}

int route_follow_hops(struct route *r)
{
	const struct ip *server;
	struct prefix *near = NULL;
	struct items want = {0};
	size_t n, i = 0;
	int err = route_near(r, &near, &n);

	while (!err && (server = route_server(r, &i))) {
		struct way way;

		if (server->family != FAMILY_IPV4)
			continue;
		err = route_way(r, server, &way);
		if (!err && way.len >= 0 && route_captures_but(r, near, n, &way.hop))
			err = add_hop(r, &way.hop, &want);
		if (!err && !ip_equal(&way.hop, server) /* the router may be the server, too */ &&
			route_captures_but(r, near, n, server))
			err = add_hop(r, server, &want);
	}
	free(near);
	if (err) {
		items_clear(&want, r->all->keep);
		return err;
	}
	/* What stays was wanted twice for a moment, so it is not touched. */
	items_clear(&r->hops, r->all->keep);
	r->hops = want;
	return 0;
}

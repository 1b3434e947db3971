/* What routes.c and route.c share and nobody else sees. */
#pragma once

#include "daemon/guard.h"
#include "daemon/keep.h"
#include "daemon/near.h"
#include "daemon/route.h"

/* Items one connection wants, in the order in which they were added. */
struct items {
	struct net_item *v;
	size_t n;
	size_t room;
};

struct route {
	struct route *next;
	struct routes *all;
	struct route_conf conf; /* prefixes owned */
	uint32_t table;
	bool held;
	bool up;
	bool leaving;          /* another one is about to stand in its place */
	struct items base;     /* marked packets */
	struct items flows;    /* route_pass() */
	struct items standing; /* rules and backstop */
	struct items near;     /* throw routes */
	struct items inside;   /* what needs the TUN */
	struct items hops;     /* so that the next hop finds us */
	struct guard *guard;   /* of the address inside; NULL when the kernel has no nftables */
	struct route_link link;
};

struct routes {
	struct net *net;
	struct keep *keep;
	struct log *log;
	struct route *first;
	uint64_t uplink;
	msec near_due;  /* the near prefixes may have changed */
	msec check_due; /* something of ours may have vanished without news */
	msec looked;    /* when one of the two was last done */
};

/* Want one item more; undo it all. 0 or -errno. */
int items_add(struct items *items, struct keep *keep, const struct net_item *item);
void items_clear(struct items *items, struct keep *keep);

/* The servers of the flows in turn, *i is 0 at first: IKE and ESP of one count once. NULL: that was the last. */
const struct ip *route_server(const struct route *r, size_t *i);

/* The near prefixes of now, to be freed; 0 or -errno. And would a packet go inside, if these were they? */
int route_near(const struct route *r, struct prefix **near, size_t *n);
bool route_captures_but(
	const struct route *r, const struct prefix *near, size_t n, const struct ip *to);

/* Make the throw routes those of the near prefixes of now. 0 or -errno. */
int route_follow_near(struct route *r);

/* How the main table leads to a server; route_hop.c. */
struct way {
	const struct ip *server;
	int len; /* of the best prefix, -1: none leads there */
	uint32_t metric;
	uint32_t ifindex;
	struct ip hop; /* the server itself when it is on the link */
};

/* `server` is borrowed. 0 or -errno. */
int route_way(const struct route *r, const struct ip *server, struct way *way);

/* Let the next hops to the servers of the flows find us; route_hop.c. 0 or -errno. */
int route_follow_hops(struct route *r);

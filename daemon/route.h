/* Where packets go: rules, tables, routes and addresses of the connections.
 *
 * Outer packets (ours, to the server) are marked and take the main table; so do the answers of
 * exactly our flows, because reverse-path filtering does not see marks. Never is a server address
 * as such let past: whoever learns it would make other programs' packets go in the clear
 * (TunnelCrack ServerIP). Everything else of the user looks into the connection's own table:
 *
 *   31000  fwmark MARK/MASK                                   -> main    each connection
 *   31010  to SERVER, udp sport OURS dport THEIRS, or ESP     -> main    each flow
 *   31010  udp 68 -> 67, IPv6 546 -> 547 (DHCP)               -> main    full tunnel
 *   31020  IPv4 icmp, tcp, udp, sctp                          -> TABLE   split tunnel
 *   31021  the same                                           -> TABLE   full tunnel
 *   31030  to NEXT HOP, to SERVER                              -> main    route_hop.c
 *   31100  all                                                -> TABLE   split tunnel
 *   31200  all                                                -> TABLE   full tunnel
 *
 *   TABLE  default (or the split prefixes) dev TUN            while the TUN is up
 *          peer and name servers dev TUN
 *          throw NEAR                                         near.h; kept up to date
 *          unreachable default (or the split prefixes)        the backstop
 *
 * The lower metric wins, so packets that the TUN does not take meet the backstop instead of the
 * uplink, in both families: a tunnel without IPv6 inside leaves IPv6 unreachable. Routes by DHCP
 * or router advertisement go to the main table, which nobody asks (TunnelVision).
 *
 * Every change is in the journal first and is undone exactly; what others remove is put back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/msec.h"
#include "daemon/journal.h"
#include "daemon/net.h"

enum {
	ROUTE_MARK = 0x7670000, /* default of the key fwmark */
	ROUTE_MASK = 0xfff0000,
	ROUTE_TABLE = 30320, /* first of the tables that connections take */
	ROUTE_TABLES = 256,
};

enum {
	ROUTE_PRIORITY_MARK = 31000,
	ROUTE_PRIORITY_FLOW = 31010,
	ROUTE_PRIORITY_USERS_SPLIT = 31020,
	ROUTE_PRIORITY_USERS_FULL = 31021,
	ROUTE_PRIORITY_HOP = 31030,
	ROUTE_PRIORITY_SPLIT = 31100,
	ROUTE_PRIORITY_FULL = 31200,
};

enum {
	ROUTE_METRIC_TUNNEL = 10,
	ROUTE_METRIC_THROW = 20,
	ROUTE_METRIC_BACKSTOP = 9999,
};

/* ---- all connections of one network namespace ---- */

struct routes;

/* 0 or -errno. journal and log are borrowed; log may be NULL. */
[[gnu::warn_unused_result]] int routes_new(
	struct routes **all, struct journal *journal, struct log *log);
void routes_free(struct routes *all); /* after its connections; NULL is allowed */

/* Watch the descriptor for reading, call routes_ready(); call routes_tick() at the deadline. */
int routes_fd(const struct routes *all);
void routes_ready(struct routes *all, msec now);
void routes_tick(struct routes *all, msec now);
msec routes_deadline(const struct routes *all);

unsigned routes_put_back(const struct routes *all); /* how often something of ours had vanished */

/* Grows whenever an address of this host or a default route that is not ours changes: the way to
 * the server may be another one now. */
uint64_t routes_uplink(const struct routes *all);

/* The TUN in the journal, kind "link", written by whoever made it: ifindex and name. A dead process
 * takes its TUN along; a link that is still there is deleted. */
#define ROUTE_LINK_ENTRY "ifindex=%u name=%s"

/* ---- one connection ---- */

struct route;

enum route_mode { ROUTE_NONE, ROUTE_SPLIT, ROUTE_FULL };

struct route_conf {
	uint32_t mark;
	uint32_t mask;
	enum route_mode mode;
	const struct prefix *prefixes; /* ROUTE_SPLIT: what goes inside; copied */
	size_t n;
	bool lan; /* key `lan = allow` */
};

/* One flow of outer packets, as our socket sends it. Ports are 0 for ESP. */
struct flow {
	struct ip server;
	uint8_t ip_proto; /* NET_PROTO_UDP, NET_PROTO_TCP, NET_PROTO_ESP */
	uint16_t sport;
	uint16_t dport;
};

/* The TUN and what the server gave us. */
struct route_link {
	uint32_t ifindex;
	uint32_t mtu;
	struct ip local;  /* IPv4, as a /32; FAMILY_NONE: no IPv4 inside */
	struct ip peer;   /* FAMILY_NONE: none */
	struct ip dns[2]; /* name servers that the server named; FAMILY_NONE: none */
	struct ip local6; /* IPv6; FAMILY_NONE: no IPv6 inside */
	struct ip server; /* outer address */
};

/* Take a free table and let marked packets past any tunnel: call it before the first connect().
 * 0 or -errno. */
[[gnu::warn_unused_result]] int route_new(
	struct route **route, struct routes *all, const struct route_conf *conf);

/* Undo all of it. NULL is allowed. */
void route_free(struct route *r);

/* Let a flow past the tunnels, before its first packet; and no longer. A flow counts as often as
 * it was let past. 0 or -errno. */
[[gnu::warn_unused_result]] int route_pass(struct route *r, const struct flow *flow);
void route_unpass(struct route *r, const struct flow *flow);

/* The user wants to be connected: rules and backstop without a TUN. Any number of times; after
 * route_up() it takes back what needs the TUN. 0 or -errno (-EBUSY: another full tunnel stands);
 * when it fails before route_up(), nothing has changed. */
[[gnu::warn_unused_result]] int route_hold(struct route *r);

/* Address, MTU, link up, and the routes into it; again after a change of them. 0 or -errno: then
 * the backstop stands if it stood before, and nothing else. -EADDRINUSE: the address is the server's, one of this host, or a gateway of it. */
[[gnu::warn_unused_result]] int route_up(struct route *r, const struct route_link *link);

/* The user does not want to be connected: rules, routes and address go. Flows stay. */
void route_down(struct route *r);

/* Free r, with `next` standing in its place before it goes: no packet finds a gap. NULL: there is
 * none. 0 or -errno of route_hold(next). */
[[gnu::warn_unused_result]] int route_succeed(struct route *r, struct route *next);

/* Whether packets to this address would go into the tunnel, or do, with the tunnel wanted. */
bool route_captures(const struct route *r, const struct ip *to);

uint32_t route_table(const struct route *r);

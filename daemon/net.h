/* The door to rtnetlink: rules, routes and addresses as plain values, added, deleted, dumped and
 * watched.
 *
 * Everything vpnd puts into the kernel carries the protocol number NET_PROTOCOL, so that an item of
 * ours is never mistaken for somebody else's. An item is complete: two items are the same thing in
 * the kernel exactly when net_item_equal() says so, and deleting one deletes nothing else.
 *
 * Requests block for as long as the kernel takes, which answers within the system call. */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct net;

enum { NET_PROTOCOL = 178, NET_TABLE_MAIN = 254, NET_TABLE_LOCAL = 255 };

enum {
	NET_PROTO_ICMP = 1,
	NET_PROTO_TCP = 6,
	NET_PROTO_UDP = 17,
	NET_PROTO_ESP = 50,
	NET_PROTO_SCTP = 132,
};

enum net_kind { NET_RULE, NET_ROUTE, NET_ADDRESS, NET_KINDS };

/* "What matches goes to the table": 0 or FAMILY_NONE in a selector = not asked for. */
struct net_rule {
	uint32_t family; /* enum family */
	uint32_t priority;
	uint32_t table;
	uint32_t mark;
	uint32_t mask;
	struct prefix to;
	uint8_t ip_proto;
	uint16_t sport;
	uint16_t dport;
};

/* Values of the kernel (RTN_*). */
enum net_route_type { NET_UNICAST = 1, NET_UNREACHABLE = 7, NET_THROW = 9 };

struct net_route {
	uint32_t family; /* enum family */
	uint32_t table;
	uint8_t type;     /* enum net_route_type in what is ours */
	uint8_t protocol; /* NET_PROTOCOL in what is ours */
	struct prefix to;
	uint32_t metric;
	uint32_t ifindex;  /* 0 unless NET_UNICAST */
	struct ip gateway; /* FAMILY_NONE: on the link itself; always so in what is ours */
};

struct net_address {
	uint32_t ifindex;
	struct ip local;
	struct ip peer; /* FAMILY_NONE: none */
};

struct net_item {
	enum net_kind kind;
	union {
		struct net_rule rule;
		struct net_route route;
		struct net_address address;
	};
};

/* 0 or -errno. The namespace is that of the calling thread now. */
[[gnu::warn_unused_result]] int net_open(struct net **net);
void net_close(struct net *net); /* NULL is allowed */

/* Whether this kernel has IPv6 at all (not booted with ipv6.disable=1). */
bool net_has_ipv6(const struct net *net);

/* 0 or -errno. Adding what is there is -EEXIST, deleting what is gone is one of net_gone(). */
[[gnu::warn_unused_result]] int net_add(struct net *net, const struct net_item *item);
[[gnu::warn_unused_result]] int net_del(struct net *net, const struct net_item *item);

/* The same as adding, but a route in the way (same prefix and metric in our table) is replaced. */
[[gnu::warn_unused_result]] int net_put(struct net *net, const struct net_item *item);

/* Whether the error of a deletion means that there was nothing to delete. */
bool net_gone(int err);

/* Every item of a kind, all families and tables; a multipath route is shown once for each next
 * hop. Families and attributes unknown to struct net_item are left out. 0 or -errno. */
typedef void net_visit_fn(void *ctx, const struct net_item *item);
[[gnu::warn_unused_result]] int net_each(
	struct net *net, enum net_kind kind, net_visit_fn *visit, void *ctx);

/* News of rules, routes, addresses and links: readable descriptor, then net_events() takes all of
 * it. `gone` tells a removal; a link that changed has no item (NULL). 0, or -ENOBUFS when the
 * kernel dropped some: look at everything. */
int net_fd(const struct net *net);
typedef void net_event_fn(void *ctx, bool gone, const struct net_item *item);
[[gnu::warn_unused_result]] int net_events(struct net *net, net_event_fn *event, void *ctx);

/* Set the MTU and bring the link up, without an IPv6 link-local address of the kernel's choice. */
[[gnu::warn_unused_result]] int net_link_up(struct net *net, uint32_t ifindex, uint32_t mtu);

bool net_link_is_up(uint32_t ifindex);

/* Delete the link if it has this index and this name. 0 when it is gone already. */
[[gnu::warn_unused_result]] int net_link_del(
	struct net *net, uint32_t ifindex, const char name[IF_NAMESIZE]);

/* One line of key=value, and back. Parsing is strict: any doubt is false. */
enum { NET_ITEM_TEXT = 256 };
const char *net_kind_name(enum net_kind kind); /* "rule", "route", "address" */
const char *net_item_text(const struct net_item *item, char to[static NET_ITEM_TEXT]);
[[nodiscard]] bool net_item_parse(enum net_kind kind, const char *text, struct net_item *item);
bool net_item_equal(const struct net_item *a, const struct net_item *b);

/* Items as rtnetlink messages: what net.c and net_msg.c share and nobody else sees. */
#pragma once

#include <netlink/msg.h>

#include "daemon/net.h"

enum net_verb { NET_VERB_ADD, NET_VERB_DEL };

/* The request for an item, without flags; NULL when out of memory. The caller frees it. */
struct nl_msg *net_msg_new(enum net_verb verb, const struct net_item *item);

/* Visit the items a message tells of: one, several for a multipath route, none when it is about
 * something that struct net_item cannot say. */
void net_msg_visit(const struct nlmsghdr *h, net_event_fn *visit, void *ctx);

#include "daemon/net_msg.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/wire.h"

static uint8_t af_of(uint32_t family)
{
	return family == FAMILY_IPV6 ? AF_INET6 : AF_INET;
}

static uint32_t family_of(uint8_t af)
{
	return af == AF_INET ? FAMILY_IPV4 : af == AF_INET6 ? FAMILY_IPV6 : FAMILY_NONE;
}

/* ---- building ---- */

static int put_ip(struct nl_msg *m, int type, const struct ip *ip)
{
	return nla_put(m, type, (int)ip_len(ip), ip->b);
}

static int put_port(struct nl_msg *m, int type, uint16_t port)
{
	struct fib_rule_port_range range = {.start = port, .end = port};

	return port ? nla_put(m, type, sizeof(range), &range) : 0;
}

static int build_rule(struct nl_msg *m, const struct net_rule *r)
{
	struct fib_rule_hdr h = {
		.family = af_of(r->family),
		.dst_len = r->to.len,
		.action = FR_ACT_TO_TBL,
		.table = RT_TABLE_UNSPEC, /* FRA_TABLE has all 32 bits */
	};
	int bad = nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO);

	bad |= nla_put_u32(m, FRA_PRIORITY, r->priority);
	bad |= nla_put_u32(m, FRA_TABLE, r->table);
	bad |= nla_put_u8(m, FRA_PROTOCOL, NET_PROTOCOL);
	if (r->mask) {
		bad |= nla_put_u32(m, FRA_FWMARK, r->mark);
		bad |= nla_put_u32(m, FRA_FWMASK, r->mask);
	}
	if (r->to.len)
		bad |= put_ip(m, FRA_DST, &r->to.ip);
	if (r->ip_proto)
		bad |= nla_put_u8(m, FRA_IP_PROTO, r->ip_proto);
	bad |= put_port(m, FRA_SPORT_RANGE, r->sport);
	bad |= put_port(m, FRA_DPORT_RANGE, r->dport);
	return bad;
}

/* Scope "universe" even on a link: the kernel looks for the device of somebody's new gateway among
 * routes of a narrower scope only, so it will neither find the tunnel nor the backstop. */
static int build_route(struct nl_msg *m, const struct net_route *r)
{
	struct rtmsg h = {
		.rtm_family = af_of(r->family),
		.rtm_dst_len = r->to.len,
		.rtm_table = RT_TABLE_UNSPEC,
		.rtm_protocol = r->protocol,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = r->type,
	};
	int bad = nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO);

	bad |= nla_put_u32(m, RTA_TABLE, r->table);
	bad |= nla_put_u32(m, RTA_PRIORITY, r->metric);
	if (r->to.len)
		bad |= put_ip(m, RTA_DST, &r->to.ip);
	if (r->ifindex)
		bad |= nla_put_u32(m, RTA_OIF, r->ifindex);
	return bad;
}

/* No prefix route: the kernel would put a route to the peer into the main table, which is where
 * the outer packets go, and the peer may well have the server's address. */
static int build_address(struct nl_msg *m, const struct net_address *a)
{
	struct ifaddrmsg h = {
		.ifa_family = af_of(a->local.family),
		.ifa_prefixlen = (uint8_t)(ip_len(&a->local) * 8),
		.ifa_index = a->ifindex,
	};
	bool v6 = a->local.family == FAMILY_IPV6;
	int bad = nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO);

	bad |= nla_put_u32(m, IFA_FLAGS, IFA_F_NOPREFIXROUTE | (v6 ? IFA_F_NODAD : 0));
	bad |= put_ip(m, IFA_LOCAL, &a->local);
	bad |= put_ip(m, IFA_ADDRESS, a->peer.family != FAMILY_NONE ? &a->peer : &a->local);
	return bad;
}

struct nl_msg *net_msg_new(enum net_verb verb, const struct net_item *item)
{
	static const int types[NET_KINDS][2] = {
		[NET_RULE] = {RTM_NEWRULE, RTM_DELRULE},
		[NET_ROUTE] = {RTM_NEWROUTE, RTM_DELROUTE},
		[NET_ADDRESS] = {RTM_NEWADDR, RTM_DELADDR},
	};
	struct nl_msg *m = nlmsg_alloc_simple(types[item->kind][verb], 0);
	int bad = -1;

	if (!m)
		return NULL;
	switch (item->kind) {
	case NET_RULE:
		bad = build_rule(m, &item->rule);
		break;
	case NET_ROUTE:
		bad = build_route(m, &item->route);
		break;
	case NET_ADDRESS:
		bad = build_address(m, &item->address);
		break;
	case NET_KINDS:
		break;
	}
	if (bad) {
		nlmsg_free(m);
		return NULL;
	}
	return m;
}

/* ---- reading ---- */

static struct ip ip_at(uint32_t family, struct nlattr *a)
{
	return a ? ip_of(family, slice(nla_data(a), (size_t)nla_len(a))) : (struct ip){0};
}

static uint32_t u32_at(struct nlattr *a)
{
	return a && nla_len(a) >= 4 ? nla_get_u32(a) : 0;
}

static uint8_t u8_at(struct nlattr *a)
{
	return a && nla_len(a) >= 1 ? nla_get_u8(a) : 0;
}

/* False when it is a real range, which none of ours is. */
static bool port_at(struct nlattr *a, uint16_t *port)
{
	struct fib_rule_port_range range = {0};

	if (a && nla_len(a) >= (int)sizeof(range))
		memcpy(&range, nla_data(a), sizeof(range));
	*port = range.start;
	return range.start == range.end;
}

static struct prefix prefix_at(uint32_t family, struct nlattr *a, uint8_t len)
{
	return a && len ? (struct prefix){.ip = ip_at(family, a), .len = len} : (struct prefix){0};
}

static void visit_rule(const struct nlmsghdr *h, bool gone, net_event_fn *visit, void *ctx)
{
	struct nlattr *a[FRA_MAX + 1];
	struct fib_rule_hdr *f;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*f), a, FRA_MAX, NULL) < 0)
		return;
	f = nlmsg_data(h);
	if (f->action != FR_ACT_TO_TBL || u8_at(a[FRA_PROTOCOL]) != NET_PROTOCOL)
		return;

	struct net_item item = {.kind = NET_RULE};
	struct net_rule *r = &item.rule;

	r->family = family_of(f->family);
	r->priority = u32_at(a[FRA_PRIORITY]);
	r->table = a[FRA_TABLE] ? u32_at(a[FRA_TABLE]) : f->table;
	r->mark = u32_at(a[FRA_FWMARK]);
	r->mask = u32_at(a[FRA_FWMASK]);
	r->to = prefix_at(r->family, a[FRA_DST], f->dst_len);
	r->ip_proto = u8_at(a[FRA_IP_PROTO]);
	if (port_at(a[FRA_SPORT_RANGE], &r->sport) && port_at(a[FRA_DPORT_RANGE], &r->dport))
		visit(ctx, gone, &item);
}

/* RTA_MULTIPATH is one attribute that holds struct rtnexthops, each with attributes behind it. */
static void visit_multipath(
	struct net_item *item, struct nlattr *multi, bool gone, net_event_fn *visit, void *ctx)
{
	struct rtnexthop *hop = nla_data(multi);
	int left = nla_len(multi);

	while (left >= (int)sizeof(*hop) && RTNH_OK(hop, left)) {
		struct nlattr *gateway = nla_find(
			(struct nlattr *)(hop + 1), hop->rtnh_len - (int)sizeof(*hop), RTA_GATEWAY);

		item->route.ifindex = (uint32_t)hop->rtnh_ifindex;
		item->route.gateway = ip_at(item->route.family, gateway);
		visit(ctx, gone, item);
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
}

static void visit_route(const struct nlmsghdr *h, bool gone, net_event_fn *visit, void *ctx)
{
	struct nlattr *a[RTA_MAX + 1];
	struct rtmsg *m;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*m), a, RTA_MAX, NULL) < 0)
		return;
	m = nlmsg_data(h);
	if (family_of(m->rtm_family) == FAMILY_NONE || m->rtm_flags & RTM_F_CLONED)
		return;

	struct net_item item = {.kind = NET_ROUTE};
	struct net_route *r = &item.route;

	r->family = family_of(m->rtm_family);
	r->table = a[RTA_TABLE] ? u32_at(a[RTA_TABLE]) : m->rtm_table;
	r->type = m->rtm_type;
	r->protocol = m->rtm_protocol;
	r->to = prefix_at(r->family, a[RTA_DST], m->rtm_dst_len);
	r->metric = u32_at(a[RTA_PRIORITY]);
	r->ifindex = r->type == NET_UNICAST ? u32_at(a[RTA_OIF]) : 0; /* IPv6 says "lo" */
	r->gateway = ip_at(r->family, a[RTA_GATEWAY]);
	if (!r->ifindex && a[RTA_MULTIPATH])
		visit_multipath(&item, a[RTA_MULTIPATH], gone, visit, ctx);
	else
		visit(ctx, gone, &item);
}

static void visit_address(const struct nlmsghdr *h, bool gone, net_event_fn *visit, void *ctx)
{
	struct nlattr *a[IFA_MAX + 1];
	struct ifaddrmsg *m;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*m), a, IFA_MAX, NULL) < 0)
		return;
	m = nlmsg_data(h);
	if (family_of(m->ifa_family) == FAMILY_NONE)
		return;

	struct net_item item = {.kind = NET_ADDRESS};
	uint32_t family = family_of(m->ifa_family);

	item.address.ifindex = m->ifa_index;
	item.address.local = ip_at(family, a[a[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS]);
	if (a[IFA_LOCAL])
		item.address.peer = ip_at(family, a[IFA_ADDRESS]);
	if (ip_equal(&item.address.peer, &item.address.local))
		item.address.peer = (struct ip){0};
	visit(ctx, gone, &item);
}

void net_msg_visit(const struct nlmsghdr *h, net_event_fn *visit, void *ctx)
{
	switch (h->nlmsg_type) {
	case RTM_NEWRULE:
	case RTM_DELRULE:
		visit_rule(h, h->nlmsg_type == RTM_DELRULE, visit, ctx);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		visit_route(h, h->nlmsg_type == RTM_DELROUTE, visit, ctx);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		visit_address(h, h->nlmsg_type == RTM_DELADDR, visit, ctx);
		break;
	}
}

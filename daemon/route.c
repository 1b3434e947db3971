#include "daemon/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/route_priv.h"

/* ---- lists of items ---- */

int items_add(struct items *items, struct keep *keep, const struct net_item *item)
{
	int err;

	if (items->n == items->room) {
		size_t room = items->room ? 2 * items->room : 8;
		struct net_item *v = realloc(items->v, room * sizeof(*v));

		if (!v)
			return -ENOMEM;
		items->v = v;
		items->room = room;
	}
	err = keep_add(keep, item);
	if (!err)
		items->v[items->n++] = *item;
	return err;
}

static void items_take_out(struct items *items, struct keep *keep, size_t i)
{
	keep_del(keep, &items->v[i]);
	items->n--;
	memmove(&items->v[i], &items->v[i + 1], (items->n - i) * sizeof(*items->v));
}

/* The last first: a rule goes before the table that it points to. */
void items_clear(struct items *items, struct keep *keep)
{
	while (items->n)
		items_take_out(items, keep, items->n - 1);
	free(items->v);
	*items = (struct items){0};
}

static bool items_have(const struct items *items, const struct net_item *item)
{
	for (size_t i = 0; i < items->n; i++)
		if (net_item_equal(&items->v[i], item))
			return true;
	return false;
}

/* ---- the items ---- */

static struct net_item rule_of(enum family family, uint32_t priority, uint32_t table)
{
	return (struct net_item){
		.kind = NET_RULE,
		.rule = {.family = family, .priority = priority, .table = table},
	};
}

static struct net_item route_of(const struct route *r, enum net_route_type type,
	const struct prefix *to, uint32_t metric, uint32_t ifindex)
{
	struct net_item item = {
		.kind = NET_ROUTE,
		.route =
			{
				.family = to->ip.family,
				.table = r->table,
				.type = (uint8_t)type,
				.protocol = NET_PROTOCOL,
				.metric = metric,
				.ifindex = ifindex,
			},
	};

	if (to->len)
		item.route.to = *to;
	return item;
}

static struct net_item flow_rule(const struct flow *flow)
{
	struct net_item item = rule_of(flow->server.family, ROUTE_PRIORITY_FLOW, NET_TABLE_MAIN);

	item.rule.to.ip = flow->server;
	item.rule.to.len = (uint8_t)(ip_len(&flow->server) * 8);
	item.rule.ip_proto = flow->ip_proto;
	item.rule.sport = flow->sport;
	item.rule.dport = flow->dport;
	return item;
}

static struct net_item dhcp_rule(enum family family)
{
	struct net_item item = rule_of(family, ROUTE_PRIORITY_FLOW, NET_TABLE_MAIN);

	item.rule.ip_proto = NET_PROTO_UDP;
	item.rule.sport = family == FAMILY_IPV4 ? 68 : 546;
	item.rule.dport = family == FAMILY_IPV4 ? 67 : 547;
	return item;
}

static bool has_family(const struct route *r, enum family family)
{
	return family == FAMILY_IPV4 || net_has_ipv6(r->all->net);
}

static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};

/* Visit what the tunnel is for: everything, or the configured prefixes. NULL at the end. */
static const struct prefix *target(const struct route *r, size_t i)
{
	static const struct prefix all[] = {
		{.ip = {.family = FAMILY_IPV4}},
		{.ip = {.family = FAMILY_IPV6}},
	};

	if (r->conf.mode == ROUTE_FULL)
		return i < 2 ? &all[i] : NULL;
	return r->conf.mode == ROUTE_SPLIT && i < r->conf.n ? &r->conf.prefixes[i] : NULL;
}

/* ---- new and free ---- */

struct taken {
	bool table[ROUTE_TABLES];
};

static void mark_taken(void *ctx, const struct net_item *item)
{
	struct taken *taken = ctx;
	uint32_t at = item->route.table - ROUTE_TABLE;

	if (at < ROUTE_TABLES)
		taken->table[at] = true;
}

/* A table that nobody uses, neither another connection nor another program. */
static int table_choose(struct routes *all, uint32_t *table)
{
	struct taken taken = {0};
	int err = net_each(all->net, NET_ROUTE, mark_taken, &taken);

	if (err)
		return err;
	for (const struct route *r = all->first; r; r = r->next)
		taken.table[r->table - ROUTE_TABLE] = true;
	for (uint32_t i = 0; i < ROUTE_TABLES; i++)
		if (!taken.table[i]) {
			*table = ROUTE_TABLE + i;
			return 0;
		}
	return -ENOSPC;
}

static int add_mark_rules(struct route *r)
{
	int err = 0;

	for (size_t i = 0; i < 2 && !err; i++) {
		struct net_item item = rule_of(families[i], ROUTE_PRIORITY_MARK, NET_TABLE_MAIN);

		item.rule.mark = r->conf.mark;
		item.rule.mask = r->conf.mask;
		if (has_family(r, families[i]))
			err = items_add(&r->base, r->all->keep, &item);
	}
	return err;
}

int route_new(struct route **to, struct routes *all, const struct route_conf *conf)
{
	struct route *r = calloc(1, sizeof(*r));
	struct prefix *prefixes = calloc(conf->n + 1, sizeof(*prefixes));
	int err = r && prefixes ? table_choose(all, &r->table) : -ENOMEM;

	*to = NULL;
	if (err) {
		free(prefixes);
		free(r);
		return err;
	}
	r->all = all;
	r->conf = *conf;
	r->conf.prefixes = prefixes;
	if (conf->n)
		memcpy(prefixes, conf->prefixes, conf->n * sizeof(*prefixes));
	r->next = all->first;
	all->first = r;

	err = add_mark_rules(r); /* check: route-mark-rules */
	if (err) {
		route_free(r);
		return err;
	}
	*to = r;
	return 0;
}

void route_free(struct route *r)
{
	struct route **at;

	if (!r)
		return;
	route_down(r);
	items_clear(&r->flows, r->all->keep);
	items_clear(&r->base, r->all->keep);
	for (at = &r->all->first; *at != r; at = &(*at)->next)
		;
	*at = r->next;
	free((void *)r->conf.prefixes);
	free(r);
}

uint32_t route_table(const struct route *r)
{
	return r->table;
}

/* ---- flows ---- */

/* The next hop may be another one now; soon is soon enough. */
static void hops_changed(struct route *r)
{
	if (r->held)
		r->all->near_due = 0;
}

int route_pass(struct route *r, const struct flow *flow)
{
	struct net_item item = flow_rule(flow);

	hops_changed(r);
	return items_add(&r->flows, r->all->keep, &item);
}

void route_unpass(struct route *r, const struct flow *flow)
{
	struct net_item item = flow_rule(flow);

	hops_changed(r);
	for (size_t i = 0; i < r->flows.n; i++)
		if (net_item_equal(&r->flows.v[i], &item)) {
			items_take_out(&r->flows, r->all->keep, i);
			return;
		}
}

/* ---- near prefixes ---- */

enum { UPLINKS_MAX = 8 };

const struct ip *route_server(const struct route *r, size_t *i)
{
	while (*i < r->flows.n) {
		const struct net_item *flow = &r->flows.v[(*i)++];

		if (*i == 1 || !ip_equal(&flow[-1].rule.to.ip, &flow->rule.to.ip))
			return &flow->rule.to.ip;
	}
	return NULL;
}

/* The links to the servers of our flows, whatever other routes those links carry. */
static int find_uplinks(const struct route *r, uint32_t uplinks[UPLINKS_MAX], size_t *n)
{
	const struct ip *server;
	size_t i = 0;
	int err = 0;

	*n = 0;
	while (*n < UPLINKS_MAX && !err && (server = route_server(r, &i))) {
		struct way way;

		err = route_way(r, server, &way);
		if (!err && way.len >= 0)
			uplinks[(*n)++] = way.ifindex;
	}
	return err;
}

int route_near(const struct route *r, struct prefix **list, size_t *n)
{
	uint32_t uplinks[UPLINKS_MAX];
	struct near_conf conf = {
		.lan = r->conf.lan,
		.table_first = ROUTE_TABLE,
		.table_last = ROUTE_TABLE + ROUTE_TABLES - 1,
		.uplinks = uplinks,
	};
	int err = find_uplinks(r, uplinks, &conf.n_uplinks);

	return err ? err : near_prefixes(r->all->net, &conf, list, n);
}

int route_follow_near(struct route *r)
{
	struct items want = {0};
	struct prefix *list;
	size_t n;
	int err = route_near(r, &list, &n);

	if (err)
		return err;
	/* What stays is wanted twice for a moment, so it is not touched. */
	for (size_t i = 0; i < n && !err; i++) {
		struct net_item item = route_of(r, NET_THROW, &list[i], ROUTE_METRIC_THROW, 0);

		if (has_family(r, list[i].ip.family))
			err = items_add(&want, r->all->keep, &item);
	}
	free(list);
	if (err) {
		items_clear(&want, r->all->keep);
		return err;
	}
	items_clear(&r->near, r->all->keep);
	r->near = want;
	return 0;
}

/* ---- hold ---- */

static int add_backstop(struct route *r)
{
	const struct prefix *to;
	int err = 0;

	for (size_t i = 0; (to = target(r, i)) && !err; i++) {
		struct net_item item = route_of(r, NET_UNREACHABLE, to, ROUTE_METRIC_BACKSTOP, 0);

		if (has_family(r, to->ip.family) && !items_have(&r->standing, &item))
			err = items_add(&r->standing, r->all->keep, &item);
	}
	return err;
}

static int add_rules(struct route *r)
{
	bool full = r->conf.mode == ROUTE_FULL;
	int err = 0;

	for (size_t i = 0; i < 2 && !err; i++) {
		struct net_item dhcp = dhcp_rule(families[i]);
		struct net_item item = rule_of(
			families[i], full ? ROUTE_PRIORITY_FULL : ROUTE_PRIORITY_SPLIT, r->table);

		if (!has_family(r, families[i]))
			continue;
		if (full)
			err = items_add(&r->standing, r->all->keep, &dhcp);
		if (!err)
			err = items_add(&r->standing, r->all->keep, &item);
	}
	return err;
}

static bool another_full(const struct route *r)
{
	for (const struct route *o = r->all->first; o; o = o->next)
		if (o != r && o->held && !o->leaving && o->conf.mode == ROUTE_FULL)
			return true;
	return false;
}

/* The table is complete before a rule points to it. */
static int stand(struct route *r)
{
	int err;

	if (r->held || r->conf.mode == ROUTE_NONE)
		return 0;
	if (r->conf.mode == ROUTE_FULL && another_full(r)) /* check: route-one-full */
		return -EBUSY;
	err = route_follow_near(r);
	if (!err)
		err = add_backstop(r); /* check: route-backstop */
	if (!err)
		err = add_rules(r);
	if (!err)
		err = route_follow_hops(r);
	r->held = true;
	if (err)
		route_down(r);
	return err;
}

static void leave_link(struct route *r)
{
	items_clear(&r->inside, r->all->keep);
	guard_free(r->guard);
	r->guard = NULL;
	r->up = false;
}

int route_hold(struct route *r)
{
	leave_link(r);
	return stand(r);
}

void route_down(struct route *r)
{
	leave_link(r);
	items_clear(&r->hops, r->all->keep);
	items_clear(&r->standing, r->all->keep);
	items_clear(&r->near, r->all->keep);
	r->held = false;
}

int route_succeed(struct route *r, struct route *next)
{
	r->leaving = true; /* check: route-no-gap */
	int err = next ? route_hold(next) : 0;
	route_free(r);
	return err;
}

/* ---- up ---- */

struct conflict {
	const struct route_link *link;
	const struct ip *ip;
	bool found;
};

static void compare(void *ctx, const struct net_item *item)
{
	struct conflict *c = ctx;

	if (item->kind == NET_ADDRESS)
		c->found |= item->address.ifindex != c->link->ifindex &&
			    ip_equal(&item->address.local, c->ip); /* check: route-not-ours */
	else
		c->found |= ip_equal(&item->route.gateway, c->ip); /* check: route-not-router */
}

/* An address of this host, of a router or of the server cannot be ours inside. */
static int check_address(struct route *r, const struct route_link *link, const struct ip *ip)
{
	struct conflict c = {.link = link, .ip = ip};
	int err;

	if (ip->family == FAMILY_NONE)
		return 0;
	if (ip_equal(ip, &link->server)) /* check: route-not-server */
		return -EADDRINUSE;
	err = net_each(r->all->net, NET_ADDRESS, compare, &c);
	if (!err)
		err = net_each(r->all->net, NET_ROUTE, compare, &c);
	return err ? err : c.found ? -EADDRINUSE : 0;
}

static int add_address(struct route *r, const struct ip *local, const struct ip *peer)
{
	struct net_item item = {
		.kind = NET_ADDRESS,
		.address = {.ifindex = r->link.ifindex, .local = *local, .peer = *peer},
	};

	return local->family == FAMILY_NONE || !has_family(r, local->family)
		       ? 0
		       : items_add(&r->inside, r->all->keep, &item);
}

static int add_tunnel_routes(struct route *r)
{
	const struct prefix *to;
	int err = 0;

	for (size_t i = 0; (to = target(r, i)) && !err; i++) {
		bool v6 = to->ip.family == FAMILY_IPV6;
		const struct ip *local = v6 ? &r->link.local6 : &r->link.local;
		struct net_item item =
			route_of(r, NET_UNICAST, to, ROUTE_METRIC_TUNNEL, r->link.ifindex);

		if (local->family != FAMILY_NONE && has_family(r, to->ip.family) &&
			!items_have(&r->inside, &item))
			err = items_add(&r->inside, r->all->keep, &item);
	}
	return err;
}

static bool goes_inside(const struct route *r, const struct ip *ip)
{
	const struct prefix *to;

	for (size_t i = 0; (to = target(r, i)); i++)
		if (prefix_contains(to, ip))
			return true;
	return false;
}

/* The peer and the name servers stay inside although they lie in a prefix that is near: the longest
 * prefix wins, and who hands out addresses around us chooses near ones. */
static int add_inside_hosts(struct route *r)
{
	const struct ip *hosts[] = {&r->link.peer, &r->link.dns[0], &r->link.dns[1]};
	int err = 0;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts) && !err; i++) {
		struct prefix to = {.ip = *hosts[i], .len = (uint8_t)(ip_len(hosts[i]) * 8)};
		struct net_item item =
			route_of(r, NET_UNICAST, &to, ROUTE_METRIC_TUNNEL, r->link.ifindex);

		if (to.ip.family == FAMILY_IPV4 && goes_inside(r, &to.ip) &&
			!items_have(&r->inside, &item))
			err = items_add(&r->inside, r->all->keep, &item);
	}
	return err;
}

/* A kernel without nftables is no reason to stay without a tunnel. */
static void set_guard(struct route *r)
{
	int err = r->link.local.family == FAMILY_NONE
			  ? 0
			  : guard_new(&r->guard, r->link.ifindex, &r->link.local);

	if (err)
		log_warn(r->all->log, "route",
			"the LAN can find out the address inside: nftables: %s", strerror(-err));
}

static int enter_link(struct route *r)
{
	static const struct ip none;
	int err;

	set_guard(r); /* check: guard-set */
	err = add_address(r, &r->link.local, &r->link.peer);
	if (!err)
		err = add_address(r, &r->link.local6, &none);
	if (!err)
		err = net_link_up(r->all->net, r->link.ifindex, r->link.mtu);
	if (!err)
		err = add_tunnel_routes(r);
	if (!err)
		err = add_inside_hosts(r); /* check: route-inside-hosts */
	return err;
}

int route_up(struct route *r, const struct route_link *link)
{
	bool was_held = r->held;
	int err = check_address(r, link, &link->local);

	if (!err)
		err = check_address(r, link, &link->local6);
	if (!err)
		err = route_hold(r);
	if (err)
		return err;

	r->link = *link;
	err = enter_link(r);
	if (err)
		leave_link(r);
	else
		r->up = true;
	if (err && !was_held)
		route_down(r);
	return err;
}

/* ---- questions ---- */

/* The longest of the prefixes that hold the address; -1 when none does. */
static int best(const struct prefix *p, size_t n, const struct ip *ip)
{
	int len = -1;

	for (size_t i = 0; i < n; i++)
		if (prefix_contains(&p[i], ip) && p[i].len > len)
			len = p[i].len;
	return len;
}

/* The same for what goes inside, whatever is near. */
static int inside(const struct route *r, const struct ip *to)
{
	return r->conf.mode == ROUTE_FULL    ? 0
	       : r->conf.mode == ROUTE_SPLIT ? best(r->conf.prefixes, r->conf.n, to)
					     : -1;
}

bool route_captures_but(
	const struct route *r, const struct prefix *near, size_t n, const struct ip *to)
{
	int len = inside(r, to);

	return len >= 0 && len >= best(near, n, to);
}

bool route_captures(const struct route *r, const struct ip *to)
{
	struct prefix *near = NULL;
	size_t n = 0;

	if (inside(r, to) < 0)
		return false;
	if (route_near(r, &near, &n) < 0) /* then nothing is known to be */
		n = 0;
	bool captures = route_captures_but(r, near, n, to);
	free(near);
	return captures;
}

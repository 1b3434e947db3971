#include "daemon/near.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

/* Private use: the only prefixes that can be near. */
static const struct prefix private_use[] = {
	{{FAMILY_IPV4, {10}}, 8},
	{{FAMILY_IPV4, {172, 16}}, 12},
	{{FAMILY_IPV4, {192, 168}}, 16},
	{{FAMILY_IPV4, {100, 64}}, 10},
	{{FAMILY_IPV4, {169, 254}}, 16},
	{{FAMILY_IPV6, {0xfc}}, 7},
};

struct route_list {
	struct net_route *v;
	size_t n;
	size_t room;
	bool no_memory;
	const struct near_conf *conf;
};

bool prefix_contains(const struct prefix *p, const struct ip *ip)
{
	if (p->ip.family != ip->family)
		return false;
	for (unsigned bit = 0; bit < p->len; bit++)
		if ((p->ip.b[bit / 8] ^ ip->b[bit / 8]) & (0x80u >> bit % 8))
			return false;
	return true;
}

static bool is_private(const struct prefix *p)
{
	for (size_t i = 0; i < sizeof(private_use) / sizeof(*private_use); i++)
		if (p->len >= private_use[i].len && prefix_contains(&private_use[i], &p->ip))
			return true;
	return false;
}

bool near_is_default(const struct net_route *r)
{
	return r->type == NET_UNICAST && r->to.len <= 1;
}

static bool is_candidate(const struct net_route *r)
{
	return r->type == NET_UNICAST && r->table == NET_TABLE_MAIN &&
	       r->gateway.family == FAMILY_NONE /* check: near-no-gateway */ &&
	       is_private(&r->to) /* check: near-private */;
}

bool near_concerns(const struct net_route *r)
{
	return near_is_default(r) || is_candidate(r);
}

static void collect(void *ctx, const struct net_item *item)
{
	struct route_list *l = ctx;
	const struct net_route *r = &item->route;

	if (!near_concerns(r) || r->table == NET_TABLE_LOCAL || l->no_memory ||
		(r->table >= l->conf->table_first && r->table <= l->conf->table_last))
		return;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 32;
		struct net_route *v = realloc(l->v, room * sizeof(*v));

		l->no_memory = !v;
		if (!v)
			return;
		l->v = v;
		l->room = room;
	}
	l->v[l->n++] = *r;
}

static bool is_uplink(const struct route_list *l, uint32_t ifindex)
{
	for (size_t i = 0; i < l->n; i++)
		if (near_is_default(&l->v[i]) && l->v[i].ifindex == ifindex)
			return true;
	for (size_t i = 0; i < l->conf->n_uplinks; i++)
		if (l->conf->uplinks[i] == ifindex) /* check: near-server-link */
			return true;
	return false;
}

static bool is_near(const struct route_list *l, const struct net_route *r)
{
	if (!is_candidate(r))
		return false;
	if (is_uplink(l, r->ifindex)) /* check: near-uplink */
		return l->conf->lan /* check: near-lan-allowed */ &&
		       r->protocol == RTPROT_KERNEL /* check: near-pushed-route */;
	return true;
}

static bool listed(const struct prefix *list, size_t n, const struct prefix *p)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].len == p->len && ip_equal(&list[i].ip, &p->ip))
			return true;
	return false;
}

int near_prefixes(struct net *net, const struct near_conf *conf, struct prefix **list, size_t *n)
{
	struct route_list l = {.conf = conf};
	int err = net_each(net, NET_ROUTE, collect, &l);

	*n = 0;
	*list = err ? NULL : calloc(l.n + 1, sizeof(**list));
	if (!err && (l.no_memory || !*list))
		err = -ENOMEM;
	for (size_t i = 0; i < l.n && !err; i++)
		if (is_near(&l, &l.v[i]) && !listed(*list, *n, &l.v[i].to))
			(*list)[(*n)++] = l.v[i].to;
	free(l.v);
	if (err) {
		free(*list);
		*list = NULL;
	}
	return err;
}

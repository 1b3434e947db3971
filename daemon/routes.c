/* All connections of a namespace: news from the kernel, and what follows from it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/route_priv.h"

enum { LOOK_EVERY = 100, LOOK_AGAIN = 1000 }; /* ms; dumps are dear on a host with many routes */

int routes_new(struct routes **to, struct journal *journal, struct log *log)
{
	struct routes *all = calloc(1, sizeof(*all));
	int err;

	*to = NULL;
	if (!all)
		return -ENOMEM;
	all->log = log;
	all->near_due = all->check_due = MSEC_NEVER;
	err = net_open(&all->net);
	if (!err) {
		all->keep = keep_new(all->net, journal, log);
		err = all->keep ? 0 : -ENOMEM;
	}
	if (err) {
		routes_free(all);
		return err;
	}
	*to = all;
	return 0;
}

void routes_free(struct routes *all)
{
	if (!all)
		return;
	keep_free(all->keep);
	net_close(all->net);
	free(all);
}

/* ---- news ---- */

struct news {
	struct routes *all;
	msec now;
};

/* Soon, but not for each of a thousand routes anew. */
static void look_soon(struct routes *all, msec *due, msec now)
{
	msec earliest = all->looked ? all->looked + LOOK_EVERY : now;

	*due = msec_min(*due, now > earliest ? now : earliest);
}

static bool is_our_table(const struct routes *all, uint32_t table)
{
	for (const struct route *r = all->first; r; r = r->next)
		if (r->table == table)
			return true;
	return false;
}

static bool is_our_link(const struct routes *all, uint32_t ifindex)
{
	for (const struct route *r = all->first; r; r = r->next)
		if (r->up && r->link.ifindex == ifindex)
			return true;
	return false;
}

static bool leads_to_a_server(const struct routes *all, const struct prefix *to)
{
	for (const struct route *r = all->first; r; r = r->next)
		for (size_t i = 0; i < r->flows.n; i++)
			if (prefix_contains(to, &r->flows.v[i].rule.to.ip))
				return true;
	return false;
}

static void route_news(struct routes *all, const struct net_route *route, msec now)
{
	if (is_our_table(all, route->table)) {
		if (route->protocol != NET_PROTOCOL) /* it may have replaced one of ours */
			look_soon(all, &all->check_due, now);
		return;
	}
	if (near_concerns(route) || leads_to_a_server(all, &route->to))
		look_soon(all, &all->near_due, now);
	if (near_is_default(route))
		all->uplink++;
}

static void take_news(void *ctx, bool gone, const struct net_item *item)
{
	struct news *news = ctx;
	struct routes *all = news->all;

	if (!item) {
		look_soon(all, &all->check_due, news->now);
		return;
	}
	/* With its last address a link loses its IPv4 routes, without a word. */
	if (gone && item->kind == NET_ADDRESS && keep_has(all->keep, item))
		look_soon(all, &all->check_due, news->now);
	keep_event(all->keep, gone, item, news->now);
	if (item->kind == NET_ROUTE)
		route_news(all, &item->route, news->now);
	else if (item->kind == NET_ADDRESS && !is_our_link(all, item->address.ifindex))
		all->uplink++;
}

int routes_fd(const struct routes *all)
{
	return net_fd(all->net);
}

void routes_ready(struct routes *all, msec now)
{
	struct news news = {.all = all, .now = now};

	if (net_events(all->net, take_news, &news) < 0) {
		look_soon(all, &all->check_due, now);
		look_soon(all, &all->near_due, now);
		all->uplink++;
	}
	routes_tick(all, now);
}

/* ---- deadlines ---- */

/* A link that is set down loses its IPv4 routes without a word. What fails is tried again; a link that
 * has gone is its owner's affair. */
static void check(struct routes *all, msec now)
{
	bool done = true;

	for (struct route *r = all->first; r; r = r->next) {
		if (!r->up || net_link_is_up(r->link.ifindex))
			continue;
		int err = net_link_up(all->net, r->link.ifindex, r->link.mtu);
		if (err < 0)
			log_debug(all->log, "route", "the TUN is down and stays down");
		done &= err == 0 || net_gone(err);
	}
	done &= keep_check(all->keep, now);
	if (!done)
		all->check_due = now + LOOK_AGAIN;
}

static void follow_near(struct routes *all, msec now)
{
	for (struct route *r = all->first; r; r = r->next)
		if (r->held && (route_follow_near(r) < 0 || route_follow_hops(r) < 0))
			all->near_due = now + LOOK_AGAIN;
}

void routes_tick(struct routes *all, msec now)
{
	if (now >= all->check_due) {
		all->check_due = MSEC_NEVER;
		all->looked = now;
		check(all, now);
	}
	if (now >= all->near_due) {
		all->near_due = MSEC_NEVER;
		all->looked = now;
		follow_near(all, now);
	}
	keep_tick(all->keep, now);
}

msec routes_deadline(const struct routes *all)
{
	return msec_min(keep_deadline(all->keep), msec_min(all->near_due, all->check_due));
}

unsigned routes_put_back(const struct routes *all)
{
	return keep_put_back(all->keep);
}

uint64_t routes_uplink(const struct routes *all)
{
	return all->uplink;
}

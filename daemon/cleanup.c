#include "daemon/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/dns.h"
#include "daemon/net.h"
#include "daemon/plane.h"
#include "daemon/route.h"
#include "esp/xfrm.h"

struct cleanup {
	struct net *net;
	struct log *log;
};

static int undo_item(const struct cleanup *c, enum net_kind kind, const char *text)
{
	struct net_item item;
	int err;

	if (!net_item_parse(kind, text, &item))
		err = -EINVAL;
	else
		err = net_del(c->net, &item);
	if (net_gone(err))
		err = 0;
	if (err)
		log_error(c->log, "cleanup", "cannot delete %s %s: %s", net_kind_name(kind), text,
			strerror(-err));
	return err;
}

static int undo_rule(void *ctx, const char *text)
{
	return undo_item(ctx, NET_RULE, text);
}

static int undo_route(void *ctx, const char *text)
{
	return undo_item(ctx, NET_ROUTE, text);
}

static int undo_address(void *ctx, const char *text)
{
	return undo_item(ctx, NET_ADDRESS, text);
}

static int undo_link(void *ctx, const char *text)
{
	const struct cleanup *c = ctx;
	char name[IF_NAMESIZE];
	unsigned ifindex;
	int err;

	if (sscanf(text, "ifindex=%u name=%15s", &ifindex, name) != 2)
		return -EINVAL;
	err = net_link_del(c->net, ifindex, name);
	if (err)
		log_error(c->log, "cleanup", "cannot delete link %s: %s", name, strerror(-err));
	return err;
}

static int undo_resolv_conf(void *ctx, const char *text)
{
	const struct cleanup *c = ctx;

	return dns_undo_file(c->log, text);
}

static int undo_resolved(void *ctx, const char *text)
{
	const struct cleanup *c = ctx;

	return dns_undo_resolved(c->log, text);
}

static int undo_xfrm(void *ctx, const char *text)
{
	const struct cleanup *c = ctx;
	char server[IP_TEXT];
	struct ip ip;
	unsigned reqid;

	if (sscanf(text, PLANE_ENTRY_SCAN, &reqid, server) != 2 || !ip_parse(server, &ip))
		return -EINVAL;
	int err = xfrm_cleanup(&ip, reqid);
	if (err)
		log_error(c->log, "cleanup", "cannot delete the SAs of reqid %u: %s", reqid,
			strerror(-err));
	return err;
}

static const struct journal_kind kinds[] = {
	{"rule", undo_rule},
	{"route", undo_route},
	{"address", undo_address},
	{"link", undo_link},
	{"resolv.conf", undo_resolv_conf},
	{"resolved", undo_resolved},
	{"xfrm", undo_xfrm},
};

size_t cleanup_journal(struct journal *j, const char *state_dir, struct log *log)
{
	struct cleanup c = {.log = log};
	size_t before = journal_pending(j), left = before;
	int err = before ? net_open(&c.net) : 0;

	if (err)
		log_error(log, "cleanup", "rtnetlink: %s", strerror(-err));
	else if (before)
		left = journal_undo(j, kinds, sizeof(kinds) / sizeof(*kinds), &c);
	net_close(c.net);
	dns_recover(state_dir, log);
	if (before)
		log_info(log, "cleanup", "a vpnd that died left %zu changes: %zu undone", before,
			before - left);
	return left;
}

int cleanup_run(const char *runtime_dir, const char *state_dir, struct log *log)
{
	struct journal *j;
	size_t left;
	int err = journal_open(&j, runtime_dir);

	if (err == -ENOENT) {
		dns_recover(state_dir, log);
		return 0;
	}
	if (err)
		return err;
	left = cleanup_journal(j, state_dir, log);
	journal_close(j);
	return left ? -EIO : 0;
}

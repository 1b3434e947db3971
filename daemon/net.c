#include "daemon/net.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/net_msg.h"

/* Messages are not measured before they are read: the kernel fills a buffer of that size in a dump, and
 * what is longer, of a link with a hundred functions, counts as lost. */
enum { DUMP_TRIES = 5, MONITOR_BUFFER = 1 << 20, MESSAGE_BUFFER = 8192 };

struct net {
	struct nl_sock *requests;
	struct nl_sock *monitor;
	bool ipv6;
};

/* The kernel's own errno, which libnl's error numbers do not keep. */
static int on_error(struct sockaddr_nl *who, struct nlmsgerr *e, void *result)
{
	(void)who;
	*(int *)result = e->error;
	return NL_STOP;
}

static int on_ack(struct nl_msg *m, void *result)
{
	(void)m;
	*(int *)result = 0;
	return NL_STOP;
}

/* What went wrong in libnl or on the socket itself, as -errno. */
static int sys_error(int err)
{
	return err == -NLE_NOMEM ? -ENOMEM : err == -NLE_NOADDR ? -EADDRNOTAVAIL : -EIO;
}

static int requests_open(struct net *net)
{
	int err;

	net->requests = nl_socket_alloc();
	if (!net->requests)
		return -NLE_NOMEM;
	err = nl_socket_set_msg_buf_size(net->requests, MESSAGE_BUFFER);
	if (err >= 0)
		err = nl_connect(net->requests, NETLINK_ROUTE);
	if (err < 0) {
		nl_socket_free(net->requests);
		net->requests = NULL;
	}
	return err;
}

/* An answer that was not read would be taken for the answer to the next request, and libnl would
 * wait for the lost one's number: the socket is worth nothing any more. */
static int start_afresh(struct net *net, int err)
{
	nl_socket_free(net->requests);
	net->requests = NULL;
	return sys_error(err);
}

/* Send, wait for the verdict. Consumes the message. */
static int request(struct net *net, struct nl_msg *m)
{
	enum { PENDING = 1 };
	struct nl_cb *cb;
	int err, result = PENDING;

	if (!m)
		return -ENOMEM;
	cb = net->requests || requests_open(net) >= 0 ? nl_cb_alloc(NL_CB_DEFAULT) : NULL;
	if (!cb) {
		nlmsg_free(m);
		return -ENOMEM;
	}
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, &result);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, &result);

	err = nl_send_auto(net->requests, m);
	while (err >= 0 && result == PENDING)
		err = nl_recvmsgs(net->requests, cb);
	nl_cb_put(cb);
	nlmsg_free(m);
	return result != PENDING ? result : start_afresh(net, err);
}

static int change(struct net *net, enum net_verb verb, const struct net_item *item, int flags)
{
	struct nl_msg *m = net_msg_new(verb, item);

	if (m)
		nlmsg_hdr(m)->nlmsg_flags |= (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return request(net, m);
}

int net_add(struct net *net, const struct net_item *item)
{
	return change(net, NET_VERB_ADD, item, NLM_F_CREATE | NLM_F_EXCL);
}

int net_put(struct net *net, const struct net_item *item)
{
	if (item->kind != NET_ROUTE)
		return net_add(net, item);
	return change(net, NET_VERB_ADD, item, NLM_F_CREATE | NLM_F_REPLACE);
}

int net_del(struct net *net, const struct net_item *item)
{
	return change(net, NET_VERB_DEL, item, 0);
}

bool net_gone(int err)
{
	return err == -ENOENT || err == -ESRCH || err == -ENODEV || err == -ENXIO ||
	       err == -EADDRNOTAVAIL || err == -EAFNOSUPPORT;
}

/* ---- dumps ---- */

struct dump {
	net_visit_fn *visit;
	void *ctx;
	int result;
};

static void dump_item(void *ctx, bool gone, const struct net_item *item)
{
	struct dump *d = ctx;

	(void)gone;
	d->visit(d->ctx, item);
}

static int on_dump(struct nl_msg *m, void *ctx)
{
	net_msg_visit(nlmsg_hdr(m), dump_item, ctx);
	return NL_OK;
}

static int dump_once(struct net *net, int type, struct dump *d)
{
	struct rtgenmsg all = {.rtgen_family = AF_UNSPEC};
	struct nl_cb *cb;
	int err;

	if (!net->requests && requests_open(net) < 0)
		return -NLE_NOMEM;
	cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (!cb)
		return -NLE_NOMEM;
	d->result = 0;
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, &d->result);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_dump, d);
	err = nl_send_simple(net->requests, type, NLM_F_DUMP, &all, sizeof(all));
	if (err >= 0)
		err = nl_recvmsgs(net->requests, cb);
	nl_cb_put(cb);
	return err;
}

/* A dump that was interrupted by a change is begun anew: the visitor may see items twice. */
int net_each(struct net *net, enum net_kind kind, net_visit_fn *visit, void *ctx)
{
	static const int types[NET_KINDS] = {RTM_GETRULE, RTM_GETROUTE, RTM_GETADDR};
	struct dump d = {.visit = visit, .ctx = ctx};
	int err = -NLE_DUMP_INTR;

	for (int i = 0; i < DUMP_TRIES && err == -NLE_DUMP_INTR; i++)
		err = dump_once(net, types[kind], &d);
	if (d.result)
		return d.result;
	return err < 0 ? start_afresh(net, err) : 0;
}

/* ---- news ---- */

struct events {
	net_event_fn *event;
	void *ctx;
};

static int on_event(struct nl_msg *m, void *ctx)
{
	struct events *e = ctx;

	if (nlmsg_hdr(m)->nlmsg_type == RTM_NEWLINK || nlmsg_hdr(m)->nlmsg_type == RTM_DELLINK)
		e->event(e->ctx, nlmsg_hdr(m)->nlmsg_type == RTM_DELLINK, NULL);
	net_msg_visit(nlmsg_hdr(m), e->event, e->ctx);
	return NL_OK;
}

/* News has the sequence numbers of other people's requests. */
static int any_sequence(struct nl_msg *m, void *ctx)
{
	(void)m;
	(void)ctx;
	return NL_OK;
}

int net_fd(const struct net *net)
{
	return nl_socket_get_fd(net->monitor);
}

int net_events(struct net *net, net_event_fn *event, void *ctx)
{
	struct events e = {.event = event, .ctx = ctx};
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int err;

	if (!cb)
		return -ENOBUFS;
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, any_sequence, NULL);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_event, &e);
	do
		err = nl_recvmsgs(net->monitor, cb);
	while (err >= 0);
	nl_cb_put(cb);
	return err == -NLE_AGAIN ? 0 : -ENOBUFS;
}

/* ---- links ---- */

static int put_quiet_ipv6(struct nl_msg *m)
{
	struct nlattr *spec = nla_nest_start(m, IFLA_AF_SPEC);
	struct nlattr *v6 = spec ? nla_nest_start(m, AF_INET6) : NULL;
	int bad = v6 ? nla_put_u8(m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE) : -1;

	if (v6)
		nla_nest_end(m, v6);
	if (spec)
		nla_nest_end(m, spec);
	return bad;
}

static struct nl_msg *link_msg_new(int type, uint32_t ifindex, unsigned flags)
{
	struct ifinfomsg h = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = (int)ifindex,
		.ifi_flags = flags,
		.ifi_change = flags,
	};
	struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK);

	if (m && nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO)) {
		nlmsg_free(m);
		return NULL;
	}
	return m;
}

/* One request after the other, because the kernel acts on the flags before it reads the rest. A
 * device with an MTU below 1280 has no IPv6 and refuses the first. */
int net_link_up(struct net *net, uint32_t ifindex, uint32_t mtu)
{
	struct nl_msg *quiet = link_msg_new(RTM_NEWLINK, ifindex, 0);
	struct nl_msg *up = link_msg_new(RTM_NEWLINK, ifindex, IFF_UP);
	int err = quiet && up ? put_quiet_ipv6(quiet) | nla_put_u32(up, IFLA_MTU, mtu) : -1;

	if (err) {
		nlmsg_free(quiet);
		nlmsg_free(up);
		return -ENOMEM;
	}
	err = request(net, quiet);
	if (err == -EIO || err == -ENOMEM || err == -ENODEV) {
		nlmsg_free(up);
		return err;
	}
	return request(net, up);
}

bool net_link_is_up(uint32_t ifindex)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {0};
	bool up = fd >= 0 && if_indextoname(ifindex, r.ifr_name) &&
		  ioctl(fd, SIOCGIFFLAGS, &r) == 0 && r.ifr_flags & IFF_UP;

	if (fd >= 0)
		close(fd);
	return up;
}

int net_link_del(struct net *net, uint32_t ifindex, const char name[IF_NAMESIZE])
{
	char now[IF_NAMESIZE];
	int err;

	if (!if_indextoname(ifindex, now) || strcmp(now, name) != 0)
		return 0;
	err = request(net, link_msg_new(RTM_DELLINK, ifindex, 0));
	return net_gone(err) ? 0 : err;
}

/* ---- the door itself ---- */

static bool kernel_has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno != EAFNOSUPPORT;
	close(fd);
	return true;
}

static int monitor_open(struct net *net)
{
	static const int groups[] = {RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_LINK};
	int err;

	err = nl_socket_set_msg_buf_size(net->monitor, MESSAGE_BUFFER);
	if (err >= 0)
		err = nl_connect(net->monitor, NETLINK_ROUTE);
	for (size_t i = 0; err >= 0 && i < sizeof(groups) / sizeof(*groups); i++)
		err = nl_socket_add_memberships(net->monitor, groups[i], 0);
	if (err >= 0)
		err = nl_socket_set_nonblocking(net->monitor);
	if (err >= 0)
		err = nl_socket_set_buffer_size(net->monitor, MONITOR_BUFFER, 0);
	return err;
}

int net_open(struct net **to)
{
	struct net *net = calloc(1, sizeof(*net));
	int err = -NLE_NOMEM;

	*to = NULL;
	if (!net)
		return -ENOMEM;
	net->ipv6 = kernel_has_ipv6();
	net->monitor = nl_socket_alloc();
	if (net->monitor)
		err = requests_open(net);
	if (err >= 0)
		err = monitor_open(net);
	if (err < 0) {
		net_close(net);
		return sys_error(err);
	}
	*to = net;
	return 0;
}

void net_close(struct net *net)
{
	if (!net)
		return;
	nl_socket_free(net->requests);
	nl_socket_free(net->monitor);
	free(net);
}

bool net_has_ipv6(const struct net *net)
{
	return net->ipv6;
}

/* One batch of nfnetlink: the kernel takes all of it or nothing. linux/netfilter/nf_tables.h */
#include "daemon/guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_arp.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PRIORITY_RAW = -300, /* before connection tracking */
	LOOPBACK = 1,        /* the index of lo, in every namespace */
	BATCH = 4096,        /* octets; what is sent takes 1.6 KiB */
	TABLE_NAME = 8 + IF_NAMESIZE,
};

#define CHAIN "outside"

struct guard {
	struct nl_sock *sock;
	char table[TABLE_NAME];
};

/* Where a family's packets name the address that they ask for. */
struct place {
	uint8_t family;
	uint32_t hook;
	uint32_t offset; /* in the network header */
};

static const struct place inet4 = {NFPROTO_INET, NF_INET_PRE_ROUTING, 16};
static const struct place inet6 = {NFPROTO_INET, NF_INET_PRE_ROUTING, 24};
static const struct place arp = {NFPROTO_ARP, NF_ARP_IN, 24};

/* ---- one message ---- */

struct batch {
	struct nl_sock *sock;
	uint8_t octets[BATCH];
	size_t n;
	bool bad;
};

static struct nl_msg *begin(struct batch *b, int type, int flags, uint8_t family, uint16_t resource)
{
	struct nfgenmsg h = {
		.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
	struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (m && nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO)) {
		nlmsg_free(m);
		m = NULL;
	}
	b->bad |= !m;
	return m;
}

static void finish(struct batch *b, struct nl_msg *m, int bad)
{
	size_t len;

	b->bad |= bad != 0;
	if (!m)
		return;
	nl_complete_msg(b->sock, m);
	len = NLMSG_ALIGN(nlmsg_hdr(m)->nlmsg_len);
	b->bad |= b->n + len > sizeof(b->octets);
	if (!b->bad) {
		memcpy(b->octets + b->n, nlmsg_hdr(m), len);
		b->n += len;
	}
	nlmsg_free(m);
}

static void edge(struct batch *b, int type)
{
	finish(b, begin(b, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES), 0);
}

static struct nl_msg *begin_nft(struct batch *b, int verb, int flags, const struct place *place)
{
	return begin(b, NFNL_SUBSYS_NFTABLES << 8 | verb, flags, place->family, 0);
}

static int put_be32(struct nl_msg *m, int type, uint32_t v)
{
	return nla_put_u32(m, type, htonl(v));
}

/* ---- what a rule is made of ---- */

struct expr {
	struct nl_msg *m;
	struct nlattr *element, *data;
};

static struct expr expr_begin(struct nl_msg *m, const char *name)
{
	struct expr e = {.m = m, .element = nla_nest_start(m, NFTA_LIST_ELEM)};

	if (e.element && !nla_put_string(m, NFTA_EXPR_NAME, name))
		e.data = nla_nest_start(m, NFTA_EXPR_DATA);
	return e;
}

static int expr_end(struct expr e, int bad)
{
	if (bad || !e.element || !e.data)
		return -1;
	nla_nest_end(e.m, e.data);
	nla_nest_end(e.m, e.element);
	return 0;
}

static int put_compare(struct nl_msg *m, enum nft_cmp_ops op, const void *value, int len)
{
	struct expr e = expr_begin(m, "cmp");
	int bad = put_be32(m, NFTA_CMP_SREG, NFT_REG_1) | put_be32(m, NFTA_CMP_OP, op);
	struct nlattr *data = nla_nest_start(m, NFTA_CMP_DATA);

	bad |= !data || nla_put(m, NFTA_DATA_VALUE, len, value);
	if (data)
		nla_nest_end(m, data);
	return expr_end(e, bad);
}

static int put_not_by(struct nl_msg *m, uint32_t ifindex)
{
	struct expr e = expr_begin(m, "meta");
	int bad = put_be32(m, NFTA_META_DREG, NFT_REG_1) | put_be32(m, NFTA_META_KEY, NFT_META_IIF);

	return expr_end(e, bad) | put_compare(m, NFT_CMP_NEQ, &ifindex, sizeof(ifindex));
}

static int put_protocol_is(struct nl_msg *m, const struct ip *ip)
{
	uint8_t protocol = ip->family == FAMILY_IPV4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	struct expr e = expr_begin(m, "meta");
	int bad = put_be32(m, NFTA_META_DREG, NFT_REG_1) |
		  put_be32(m, NFTA_META_KEY, NFT_META_NFPROTO);

	return expr_end(e, bad) | put_compare(m, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

static int put_asks_for(struct nl_msg *m, uint32_t offset, const struct ip *ip)
{
	struct expr e = expr_begin(m, "payload");
	int bad = put_be32(m, NFTA_PAYLOAD_DREG, NFT_REG_1) |
		  put_be32(m, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER) |
		  put_be32(m, NFTA_PAYLOAD_OFFSET, offset) |
		  put_be32(m, NFTA_PAYLOAD_LEN, (uint32_t)ip_len(ip));

	return expr_end(e, bad) | put_compare(m, NFT_CMP_EQ, ip->b, (int)ip_len(ip));
}

static int put_drop(struct nl_msg *m)
{
	struct expr e = expr_begin(m, "immediate");
	int bad = put_be32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	struct nlattr *data = nla_nest_start(m, NFTA_IMMEDIATE_DATA);
	struct nlattr *verdict = data ? nla_nest_start(m, NFTA_DATA_VERDICT) : NULL;

	bad |= !verdict || put_be32(m, NFTA_VERDICT_CODE, NF_DROP);
	if (verdict)
		nla_nest_end(m, verdict);
	if (data)
		nla_nest_end(m, data);
	return expr_end(e, bad);
}

/* ---- table, chain, rule ---- */

static void add_table(struct batch *b, const struct guard *g, const struct place *place)
{
	struct nl_msg *m = begin_nft(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, place);

	finish(b, m,
		m && (nla_put_string(m, NFTA_TABLE_NAME, g->table) |
			     put_be32(m, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER)));
}

static void add_chain(struct batch *b, const struct guard *g, const struct place *place)
{
	struct nl_msg *m = begin_nft(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, place);
	struct nlattr *hook;
	int bad;

	if (!m)
		return;
	bad = nla_put_string(m, NFTA_CHAIN_TABLE, g->table) |
	      nla_put_string(m, NFTA_CHAIN_NAME, CHAIN) |
	      nla_put_string(m, NFTA_CHAIN_TYPE, "filter");
	hook = nla_nest_start(m, NFTA_CHAIN_HOOK);
	bad |= !hook || put_be32(m, NFTA_HOOK_HOOKNUM, place->hook) ||
	       put_be32(m, NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY_RAW);
	if (hook)
		nla_nest_end(m, hook);
	finish(b, m, bad);
}

static void add_rule(struct batch *b, const struct guard *g, const struct place *place,
	uint32_t ifindex, const struct ip *address)
{
	struct nl_msg *m = begin_nft(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, place);
	struct nlattr *list;
	int bad;

	if (!m)
		return;
	bad = nla_put_string(m, NFTA_RULE_TABLE, g->table) |
	      nla_put_string(m, NFTA_RULE_CHAIN, CHAIN);
	list = nla_nest_start(m, NFTA_RULE_EXPRESSIONS);
	bad |= !list || put_not_by(m, ifindex) || put_not_by(m, LOOPBACK);
	if (place->family == NFPROTO_INET)
		bad |= put_protocol_is(m, address);
	bad |= put_asks_for(m, place->offset, address);
	bad |= put_drop(m); /* check: guard-drop */
	if (list)
		nla_nest_end(m, list);
	finish(b, m, bad);
}

static void add_all(struct batch *b, const struct guard *g, const struct place *place,
	uint32_t ifindex, const struct ip *address)
{
	add_table(b, g, place);
	add_chain(b, g, place);
	add_rule(b, g, place, ifindex, address);
}

/* ---- the kernel's word ---- */

static int on_error(struct sockaddr_nl *who, struct nlmsgerr *e, void *result)
{
	(void)who;
	*(int *)result = e->error;
	return NL_STOP;
}

/* Only errors are answered; the kernel has answered when the system call returns. */
static int send_batch(struct batch *b)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int err, result = 0;

	if (!cb || b->bad) {
		nl_cb_put(cb);
		return -ENOMEM;
	}
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, &result);
	err = nl_sendto(b->sock, b->octets, b->n);
	if (err >= 0)
		nl_recvmsgs(b->sock, cb);
	nl_cb_put(cb);
	return err < 0 ? -EIO : result;
}

int guard_new(struct guard **to, uint32_t ifindex, const struct ip *address)
{
	struct guard *g = calloc(1, sizeof(*g));
	bool v4 = address->family == FAMILY_IPV4;
	char name[IF_NAMESIZE];
	struct batch b = {0};
	int err = -ENOMEM;

	*to = NULL;
	if (!g)
		return -ENOMEM;
	g->sock = b.sock = nl_socket_alloc();
	if (g->sock)
		err = if_indextoname(ifindex, name) ? 0 : -errno;
	if (!err && nl_connect(g->sock, NETLINK_NETFILTER) < 0)
		err = -EPROTONOSUPPORT;
	if (!err) {
		snprintf(g->table, sizeof(g->table), "vpnd-%s", name);
		nl_socket_disable_auto_ack(g->sock);
		nl_socket_set_nonblocking(g->sock);
		edge(&b, NFNL_MSG_BATCH_BEGIN);
		add_all(&b, g, v4 ? &inet4 : &inet6, ifindex, address);
		if (v4)
			add_all(&b, g, &arp, ifindex, address); /* check: guard-arp */
		edge(&b, NFNL_MSG_BATCH_END);
		err = send_batch(&b);
	}
	if (err) {
		guard_free(g);
		return err;
	}
	*to = g;
	return 0;
}

/* The tables end with their socket. */
void guard_free(struct guard *g)
{
	if (!g)
		return;
	nl_socket_free(g->sock);
	free(g);
}

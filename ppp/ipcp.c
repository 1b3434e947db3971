/* IPCP: our address, the server's, DNS and NBNS servers. RFC 1332, 3; RFC 1877. */
#include "base/str.h"
#include "ppp/ppp_priv.h"

enum ipcp_option {
	IPCP_ADDRESS = 3,
	IPCP_DNS1 = 129,
	IPCP_NBNS1 = 130,
	IPCP_DNS2 = 131,
	IPCP_NBNS2 = 132,
};

static struct ip ip_from(struct slice value)
{
	return ip_of(FAMILY_IPV4, value);
}

/* Unset is 0.0.0.0: please give me one. */
static void put_ip(struct wr *w, const struct ip *ip)
{
	wr_put(w, slice(ip->b, 4));
}

/* Whatever the server says about itself: its address is never routed, and some
 * servers say 0.0.0.0 or nothing. */
static enum opt_verdict judge_address(
	void *ctx, const struct opt *o, struct slice value, struct wr *better)
{
	struct ppp *p = ctx;

	(void)o, (void)better;
	p->peer = ip_from(value);
	return OPT_ACK;
}

static bool ask_address(void *ctx, const struct opt *o, struct wr *value)
{
	const struct ppp *p = ctx;

	(void)o;
	put_ip(value, &p->local);
	return true;
}

/* Fails when this is no address to live with. */
static bool check_address(struct ppp *p)
{
	static const uint8_t zero[4];
	char text[IP_TEXT];

	if (ip_is_unicast(&p->local) /* check: ipcp-own-address */)
		return true;
	if (slice_equal(slice(p->local.b, 4), slice(zero, 4)))
		ppp_fail(p, REASON_PPP_NO_ADDRESS, "the server's answer is 0.0.0.0");
	else
		ppp_fail(p, REASON_PPP_ADDRESS_BAD, "%s", ip_text(&p->local, text));
	return false;
}

static bool naked_address(void *ctx, const struct opt *o, struct slice value)
{
	struct ppp *p = ctx;

	(void)o;
	p->local = ip_from(value);
	return check_address(p);
}

static void rejected_address(void *ctx, const struct opt *o)
{
	(void)o;
	ppp_fail(ctx, REASON_PPP_NO_ADDRESS, "the server rejects the address option");
}

static struct ip *server_slot(struct ppp *p, const struct opt *o)
{
	struct ip *of = o->type == IPCP_DNS1 || o->type == IPCP_DNS2 ? p->dns : p->wins;

	return &of[o->type == IPCP_DNS2 || o->type == IPCP_NBNS2];
}

static bool ask_server(void *ctx, const struct opt *o, struct wr *value)
{
	struct ppp *p = ctx;

	put_ip(value, server_slot(p, o));
	return p->conf.want_dns;
}

/* A server that has none rejects the option, which costs a round trip. */
static bool ask_nbns(void *ctx, const struct opt *o, struct wr *value)
{
	struct ppp *p = ctx;

	return p->conf.want_wins && ask_server(ctx, o, value);
}

/* A server that has none to give may say so with 0.0.0.0. */
static bool naked_server(void *ctx, const struct opt *o, struct slice value)
{
	struct ppp *p = ctx;
	struct ip ip = ip_from(value);

	if (!ip_is_unicast(&ip)) /* check: ipcp-server-address */
		return false;
	*server_slot(p, o) = ip;
	return true;
}

/* Rejected by having no row: 1 (obsolete addresses), 2 (VJ compression), 144 (a mask). */
/* clang-format off */
static const struct opt options[] = {
	/* type         min max  the peer asks  we ask       a Nak          a Reject */
	{IPCP_ADDRESS,  4,  4,   judge_address, ask_address, naked_address, rejected_address},
	{IPCP_DNS1,     4,  4,   NULL,          ask_server,  naked_server,  NULL},
	{IPCP_NBNS1,    4,  4,   NULL,          ask_nbns,    naked_server,  NULL},
	{IPCP_DNS2,     4,  4,   NULL,          ask_server,  naked_server,  NULL},
	{IPCP_NBNS2,    4,  4,   NULL,          ask_nbns,    naked_server,  NULL},
};
/* clang-format on */

void ipcp_reset(struct ppp *p)
{
	cp_reset(&p->ipcp);
	p->local = p->conf.want.family == FAMILY_IPV4 ? p->conf.want : ip_v4(0);
	p->peer = ip_v4(0);
	for (size_t i = 0; i < 2; i++)
		p->dns[i] = p->wins[i] = (struct ip){.family = FAMILY_NONE};
	p->ipcp_heard = false;
}

static void asked(struct ppp *p)
{
	p->peer = ip_v4(0);
}

static void up(struct ppp *p)
{
	if (check_address(p))
		ppp_link_up(p);
}

static void over(struct ppp *p, enum cp_end end, struct slice text)
{
	char escaped[STR_ESCAPED], hex[65];

	switch (end) {
	case CP_SILENCE:
		if (p->ipcp_heard)
			ppp_fail(p, REASON_PPP_TIMEOUT, "IPCP is not answered any more");
		else
			ppp_fail(p, REASON_PPP_NO_ADDRESS, "no answer to IPCP");
		break;
	case CP_TERMINATED:
		ppp_fail(p, REASON_PPP_NO_NCP, "the server ended IPCP: \"%.120s\"",
			str_escape(text, escaped));
		break;
	case CP_REJECTED:
		ppp_fail(p, REASON_PPP_NO_NCP, "the server rejects IPCP's codes");
		break;
	case CP_ROUNDS:
		ppp_fail(p, REASON_PPP_NOT_CONVERGING, "IPCP, last packet %s",
			str_hex(text, hex, sizeof(hex)));
		break;
	case CP_CLOSED:
		break;
	}
}

const struct cp_proto ipcp_proto = {
	.protocol = PPP_IPCP,
	.name = "ipcp",
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.asked = asked,
	.up = up,
	.down = ppp_link_down,
	.over = over,
};

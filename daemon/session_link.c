#include "daemon/session_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Interface, addresses, routes and DNS of a connection that is up. */

enum { NAME_TRIES = 10 };

/* Under the name that the file gives, or the connection's with a number when it is taken. */
static int open_named(
	struct session *s, int (*open)(struct session *s, const char *name, void *arg), void *arg)
{
	char name[TUN_NAME];
	int rc = -EEXIST;

	if (s->conf->interface)
		return open(s, s->conf->interface, arg);
	for (unsigned i = 0; rc == -EEXIST && i < NAME_TRIES; i++)
		rc = open(s, tun_name(s->name, i, name), arg);
	return rc;
}

static int open_tun(struct session *s, const char *name, void *arg)
{
	const uint16_t *mtu = arg;
	struct tun_conf conf = {.name = name, .mtu = *mtu};

	return tun_open(&conf, &s->tun);
}

struct channel {
	int fd;
	uint16_t mru;
};

static int open_ppp(struct session *s, const char *name, void *arg)
{
	const struct channel *c = arg;

	return kppp_open(c->fd, name, c->mru, &s->ppp);
}

int link_open_ppp(struct session *s, int session_fd, uint16_t mru)
{
	struct channel c = {session_fd, mru};

	return open_named(s, open_ppp, &c);
}

/* The interface: the kernel's PPP unit, or our TUN device. */
static uint32_t link_index(const struct session *s)
{
	return (uint32_t)(s->ppp ? kppp_ifindex(s->ppp) : tun_ifindex(s->tun));
}

static const char *link_name(const struct session *s)
{
	return s->ppp ? kppp_ifname(s->ppp) : tun_ifname(s->tun);
}

static bool journal_tun(struct session *s)
{
	char text[JOURNAL_TEXT];

	snprintf(text, sizeof(text), ROUTE_LINK_ENTRY, (unsigned)link_index(s), link_name(s));
	return journal_add(s->host->journal, "link", text, &s->tun_entry) == 0;
}

static bool set_routes(struct session *s, const struct stack_status *st, struct reason *why)
{
	char ip[IP_TEXT];
	struct route_link link = {
		.ifindex = link_index(s),
		.mtu = st->mtu,
		.local = st->ppp.local,
		.peer = st->ppp.peer,
		.server = s->network.gateway,
	};

	if (s->conf->dns.kind == CONF_DNS_AUTO) /* one of the file may be meant to be near */
		memcpy(link.dns, s->network.dns, sizeof(link.dns));

	int rc = route_up(s->route, &link);

	if (rc == 0)
		return true;
	if (rc == -EADDRINUSE)
		reason_set(why, REASON_PPP_ADDRESS_BAD,
			"%s is the server's outer address or one of this host",
			ip_text(&st->ppp.local, ip));
	else if (rc == -EBUSY)
		reason_set(why, REASON_LOCAL_BUSY, "routes = default twice");
	else
		reason_set(why, REASON_LOCAL_ROUTES, "%s", strerror(-rc));
	return false;
}

/* The servers of the file, or else of the server: a pppd that knows only one gives it twice. */
static void choose_dns(struct session *s, const struct ppp_status *ppp)
{
	size_t n = 0;

	if (s->conf->dns.kind == CONF_DNS_LIST)
		for (size_t i = 0; i < s->conf->dns.n && n < CONF_DNS_MAX; i++)
			s->network.dns[n++] = s->conf->dns.at[i];
	else if (s->conf->dns.kind == CONF_DNS_AUTO)
		for (size_t i = 0; i < 2; i++)
			if (ip_is_unicast(&ppp->dns[i]) &&
				!(i && ip_equal(&ppp->dns[i], &ppp->dns[0])))
				s->network.dns[n++] = ppp->dns[i];
}

static bool set_dns(struct session *s, struct reason *why)
{
	struct dns_link link = {
		.ifindex = link_index(s),
		.scope = s->conf->routes.kind == CONF_ROUTES_DEFAULT ? DNS_ALL : DNS_DOMAINS,
	};

	if (s->conf->dns.kind == CONF_DNS_LIST)
		link.scope = DNS_ALL;
	for (size_t i = 0; i < CONF_DNS_MAX; i++)
		if (s->network.dns[i].family != FAMILY_NONE)
			link.servers[link.n++] = s->network.dns[i];
	if (s->conf->dns.kind == CONF_DNS_NONE || link.n == 0)
		return true;
	snprintf(link.connection, sizeof(link.connection), "%s", s->name);
	int rc = dns_up(s->host->dns, &link, loop_now(s->host->loop));
	if (rc == -ENOTSUP) {
		snprintf(s->dns_note, sizeof(s->dns_note), "%s", dns_note(s->host->dns));
		s->network.dns_note = s->dns_note;
		log_info(&s->log, "dns", "not touched: %s", s->dns_note);
		return true;
	}
	if (rc != 0) {
		reason_set(why, REASON_LOCAL_DNS, "%s", strerror(-rc));
		return false;
	}
	s->dns_up = true;
	return true;
}

/* Inside there is IPv4 only; a full tunnel makes IPv6 unreachable, it does not carry it. */
static const struct prefix all_traffic[] = {{.ip.family = FAMILY_IPV4}};

static void describe(struct session *s, const struct stack_status *st, const struct ip *gateway)
{
	s->network = (struct control_network){
		.interface = link_name(s),
		.address = {st->ppp.local},
		.peer = st->ppp.peer,
		.routes = s->conf->routes.at,
		.n_routes = s->conf->routes.n,
		.mtu = st->mtu,
		.gateway = *gateway,
	};
	if (s->conf->routes.kind == CONF_ROUTES_DEFAULT) {
		s->network.routes = all_traffic;
		s->network.n_routes = 1;
	}
	choose_dns(s, &st->ppp);
}

bool link_make(struct session *s, struct reason *why)
{
	struct conn_status st;

	conn_get_status(s->conn, &st);
	if (s->linked) /* the server renegotiated: the addresses may be others */
		link_drop(s, true);
	int rc = s->ppp ? 0 : open_named(s, open_tun, &st.stack.mtu);
	if (rc == -EEXIST && s->conf->interface)
		reason_set(why, REASON_LOCAL_TUN, "there is an interface named %s already",
			s->conf->interface);
	else if (rc != 0)
		reason_set(why, REASON_LOCAL_TUN, "%s", strerror(-rc));
	if (rc != 0)
		return false;
	s->linked = true;
	describe(s, &st.stack, &st.remote);
	if (!journal_tun(s)) {
		reason_set(why, REASON_LOCAL_ROUTES, "the journal cannot be written");
		return false;
	}
	if (!s->network_caller && (!set_routes(s, &st.stack, why) || !set_dns(s, why)))
		return false;
	if (s->ppp)
		kppp_pass(s->ppp, true);
	else if (io_watch_tun(s) != 0) {
		reason_set(why, REASON_LOCAL_NO_MEMORY, "interface");
		return false;
	}
	return true;
}

void link_close_ppp(struct session *s)
{
	kppp_close(s->ppp);
	s->ppp = NULL;
}

void link_drop(struct session *s, bool hold)
{
	if (s->ppp)
		kppp_pass(s->ppp, false);
	if (s->dns_up)
		dns_down(s->host->dns, link_index(s), loop_now(s->host->loop));
	s->dns_up = false;
	io_unwatch_tun(s);
	/* The backstop first: no packet may find the gap between the two. */
	int rc = hold && s->route && !s->network_caller ? route_hold(s->route) : 0;
	if (rc != 0)
		log_warn(&s->log, "route", "the backstop does not stand: %s", strerror(-rc));
	if (!hold && s->route)
		route_down(s->route);
	tun_close(s->tun);
	s->tun = NULL;
	if (!s->kernel.l2tp) /* else it is only renegotiated */
		link_close_ppp(s);
	journal_done(s->host->journal, s->tun_entry);
	s->tun_entry = 0;
	s->linked = false;
	s->network = (struct control_network){0};
}

/* systemd-resolved: org.freedesktop.resolve1 on the system bus, org.freedesktop.resolve1(5).
 *
 * Calls are sent and forgotten; a refusal comes back as `failed`, in which case the caller uses
 * another back end. resolved is not started for it: if the name has no owner it is not in charge. */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "daemon/dns_priv.h"
#include "daemon/sdbus.h"

enum { CALL_TIMEOUT_US = 5000000, UNDO_TIMEOUT_US = 2000000, WHY = 160 };

struct call {
	struct dns_resolved *owner;
	struct call *next;
	sd_bus_slot *slot;
	uint32_t ifindex;
	bool revert; /* its failure means that nothing was set */
	bool answered;
};

struct entry {
	struct entry *next;
	uint32_t ifindex;
	uint64_t id; /* in the journal */
};

struct dns_resolved {
	struct journal *journal;
	dns_resolved_failed *failed;
	void *ctx;
	struct sdbus sd;
	sd_bus *bus; /* NULL: not connected */
	int epoll;   /* stands for the bus's descriptor, whatever that is at the moment */
	int watched;
	msec due;
	struct call *calls;
	struct entry *entries;
};

/* ---- is it in charge? ---- */

static bool is_stub_address(const struct ip *ip)
{
	return ip->family == FAMILY_IPV4 && get_u32(ip->b) >= 0x7f000035 &&
	       get_u32(ip->b) <= 0x7f000036; /* 127.0.0.53 and .54 */
}

bool dns_resolved_in_charge(void)
{
	struct ip server;

	return dns_file_parse("/etc/resolv.conf", &server, 1) == 1 && is_stub_address(&server);
}

/* ---- the bus ---- */

static void bus_close(struct dns_resolved *r)
{
	while (r->calls) {
		struct call *c = r->calls;

		r->calls = c->next;
		r->sd.slot_unref(c->slot);
		free(c);
	}
	if (r->watched >= 0)
		epoll_ctl(r->epoll, EPOLL_CTL_DEL, r->watched, NULL);
	r->watched = -1;
	r->due = MSEC_NEVER;
	if (r->bus)
		r->bus = r->sd.close_unref(r->bus);
}

static int bus_open(struct dns_resolved *r)
{
	int err = sdbus_load(&r->sd);

	if (err < 0)
		return err;
	if (!r->bus)
		err = r->sd.open_system(&r->bus);
	if (err >= 0)
		err = r->sd.set_method_call_timeout(r->bus, CALL_TIMEOUT_US);
	if (err < 0)
		bus_close(r);
	return err < 0 ? err : 0;
}

/* sd-bus counts in microseconds of CLOCK_MONOTONIC, and wants to know more than "readable". */
static void bus_watch(struct dns_resolved *r, msec now)
{
	int fd = r->sd.get_fd(r->bus), events = r->sd.get_events(r->bus);
	struct epoll_event e = {.data.fd = fd};
	struct timespec ts;
	uint64_t until = UINT64_MAX, mono;

	if (fd < 0 || events < 0) {
		bus_close(r);
		return;
	}
	e.events = (events & POLLIN ? EPOLLIN : 0u) | (events & POLLOUT ? EPOLLOUT : 0u);
	if (epoll_ctl(r->epoll, r->watched == fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) == 0)
		r->watched = fd;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	mono = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	r->due = MSEC_NEVER;
	if (r->sd.get_timeout(r->bus, &until) >= 0 && until != UINT64_MAX)
		r->due = until > mono ? now + (until - mono) / 1000 + 1 : now;
}

static void drop_answered(struct dns_resolved *r)
{
	for (struct call **at = &r->calls; *at;) {
		struct call *c = *at;

		if (!c->answered) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		r->sd.slot_unref(c->slot);
		free(c);
	}
}

/* The bus went away with questions open: all of them failed. */
static void bus_lost(struct dns_resolved *r)
{
	struct call *calls = r->calls;

	r->calls = NULL;
	bus_close(r);
	while (calls) {
		struct call *c = calls;

		calls = c->next;
		r->sd.slot_unref(c->slot);
		if (!c->revert && !c->answered)
			r->failed(r->ctx, c->ifindex, "the system bus closed the connection");
		free(c);
	}
}

int dns_resolved_fd(const struct dns_resolved *r)
{
	return r->epoll;
}

void dns_resolved_ready(struct dns_resolved *r, msec now)
{
	int more = 1;

	while (r->bus && more > 0)
		more = r->sd.process(r->bus, NULL);
	if (!r->bus)
		return;
	drop_answered(r);
	if (more < 0)
		bus_lost(r);
	else if (!r->calls)
		bus_close(r); /* seldom needed: no connection lies open meanwhile */
	else
		bus_watch(r, now);
}

msec dns_resolved_deadline(const struct dns_resolved *r)
{
	return r->due;
}

/* ---- the journal ---- */

static int entry_add(struct dns_resolved *r, uint32_t ifindex)
{
	struct entry *e = calloc(1, sizeof(*e));
	char text[32];
	int err;

	if (!e)
		return -ENOMEM;
	snprintf(text, sizeof(text), "ifindex=%u", ifindex);
	err = journal_add(r->journal, "resolved", text, &e->id);
	if (err) {
		free(e);
		return err;
	}
	e->ifindex = ifindex;
	e->next = r->entries;
	r->entries = e;
	return 0;
}

static void entry_done(struct dns_resolved *r, uint32_t ifindex)
{
	for (struct entry **at = &r->entries; *at; at = &(*at)->next) {
		struct entry *e = *at;

		if (e->ifindex != ifindex)
			continue;
		*at = e->next;
		journal_done(r->journal, e->id);
		free(e);
		return;
	}
}

/* ---- calls ---- */

static int on_answer(sd_bus_message *m, void *ctx, sd_bus_error *unused)
{
	struct call *c = ctx;
	const sd_bus_error *error = c->owner->sd.message_get_error(m);
	char why[STR_ESCAPED];

	(void)unused;
	c->answered = true;
	if (c->revert) { /* refused: the link is gone, and its settings with it */
		entry_done(c->owner, c->ifindex);
	} else if (error) {
		entry_done(c->owner, c->ifindex);
		str_escape(slice_str(error->message ? error->message : error->name), why);
		c->owner->failed(c->owner->ctx, c->ifindex, why);
	}
	return 0;
}

static sd_bus_message *call_new(
	const struct sdbus *sd, sd_bus *bus, const char *member, uint32_t ifindex)
{
	sd_bus_message *m = NULL;
	int err = sd->message_new_method_call(bus, &m, "org.freedesktop.resolve1",
		"/org/freedesktop/resolve1", "org.freedesktop.resolve1.Manager", member);

	if (err >= 0)
		err = sd->message_set_auto_start(m, 0);
	if (err >= 0)
		err = sd->message_append(m, "i", (int)ifindex);
	return err < 0 ? sd->message_unref(m) : m;
}

/* Consumes the message; NULL or `bad` < 0 is an error made earlier. */
static int call_send(
	struct dns_resolved *r, sd_bus_message *m, int bad, uint32_t ifindex, bool revert)
{
	struct call *c = m && bad >= 0 ? calloc(1, sizeof(*c)) : NULL;
	int err = c ? 0 : -ENOMEM;

	if (c) {
		*c = (struct call){.owner = r, .ifindex = ifindex, .revert = revert};
		err = r->sd.call_async(r->bus, &c->slot, m, on_answer, c, 0);
	}
	r->sd.message_unref(m);
	if (err < 0) {
		free(c);
		return err;
	}
	c->next = r->calls;
	r->calls = c;
	return 0;
}

static int append_servers(const struct sdbus *sd, sd_bus_message *m, const struct dns_link *link)
{
	int err = sd->message_open_container(m, 'a', "(iay)");

	for (size_t i = 0; i < link->n && err >= 0; i++) {
		const struct ip *ip = &link->servers[i];

		err = sd->message_open_container(m, 'r', "iay");
		if (err >= 0)
			err = sd->message_append(
				m, "i", ip->family == FAMILY_IPV6 ? AF_INET6 : AF_INET);
		if (err >= 0)
			err = sd->message_append_array(m, 'y', ip->b, ip_len(ip));
		if (err >= 0)
			err = sd->message_close_container(m);
	}
	return err < 0 ? err : sd->message_close_container(m);
}

/* "." for routing only: with DNS_ALL every name is asked on this link and on no other, but for those
 * under a domain that another link has for itself. */
static int append_domains(const struct sdbus *sd, sd_bus_message *m, const struct dns_link *link)
{
	int err = sd->message_open_container(m, 'a', "(sb)");

	for (size_t i = 0; i < link->n_domains && err >= 0; i++)
		err = sd->message_append(m, "(sb)", link->domains[i], 0);
	if (err >= 0 && link->scope == DNS_ALL)
		err = sd->message_append(m, "(sb)", ".", 1);
	return err < 0 ? err : sd->message_close_container(m);
}

static int send_all(struct dns_resolved *r, const struct dns_link *link)
{
	sd_bus_message *m = call_new(&r->sd, r->bus, "SetLinkDNS", link->ifindex);
	int err = call_send(r, m, m ? append_servers(&r->sd, m, link) : 0, link->ifindex, false);

	if (err)
		return err;
	m = call_new(&r->sd, r->bus, "SetLinkDomains", link->ifindex);
	err = call_send(r, m, m ? append_domains(&r->sd, m, link) : 0, link->ifindex, false);
	if (err)
		return err;
	m = call_new(&r->sd, r->bus, "SetLinkDefaultRoute", link->ifindex);
	return call_send(r, m, m ? r->sd.message_append(m, "b", link->scope == DNS_ALL) : 0,
		link->ifindex, false);
}

int dns_resolved_set(struct dns_resolved *r, const struct dns_link *link)
{
	int err = bus_open(r);

	if (!err)
		err = entry_add(r, link->ifindex);
	if (err)
		return err;
	err = send_all(r, link);
	if (err) {
		bus_close(r);
		entry_done(r, link->ifindex);
	}
	return err;
}

/* When this cannot be said, the end of the link says it. */
void dns_resolved_revert(struct dns_resolved *r, uint32_t ifindex)
{
	if (bus_open(r) < 0 ||
		call_send(r, call_new(&r->sd, r->bus, "RevertLink", ifindex), 0, ifindex, true) < 0)
		entry_done(r, ifindex);
}

int dns_undo_resolved(void *ctx, const char *text)
{
	static const char key[] = "ifindex=";
	char name[IF_NAMESIZE];
	struct sdbus sd = {0};
	sd_bus *bus = NULL;
	sd_bus_message *m;
	uint64_t ifindex;
	int err;

	(void)ctx;
	if (strncmp(text, key, sizeof(key) - 1) != 0 ||
		!str_uint(text + sizeof(key) - 1, 1, INT32_MAX, &ifindex))
		return -EINVAL;
	if (!if_indextoname((unsigned)ifindex, name))
		return 0; /* resolved forgot with the link */
	err = sdbus_load(&sd);
	if (err)
		return err;
	err = sd.open_system(&bus);
	m = err < 0 ? NULL : call_new(&sd, bus, "RevertLink", (uint32_t)ifindex);
	if (m)
		err = sd.call(bus, m, UNDO_TIMEOUT_US, NULL, NULL);
	sd.message_unref(m);
	sd.close_unref(bus);
	sdbus_unload(&sd);
	return err < 0 ? err : 0;
}

/* ---- new and free ---- */

struct dns_resolved *dns_resolved_new(
	struct journal *journal, dns_resolved_failed *failed, void *ctx)
{
	struct dns_resolved *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct dns_resolved){
		.journal = journal,
		.failed = failed,
		.ctx = ctx,
		.watched = -1,
		.due = MSEC_NEVER,
		.epoll = epoll_create1(EPOLL_CLOEXEC),
	};
	if (r->epoll >= 0)
		return r;
	free(r);
	return NULL;
}

/* A revert that is still on its way is lost; our links end now anyway. */
void dns_resolved_free(struct dns_resolved *r)
{
	if (!r)
		return;
	bus_close(r);
	while (r->entries)
		entry_done(r, r->entries->ifindex);
	sdbus_unload(&r->sd);
	close(r->epoll);
	free(r);
}

#include "daemon/dns.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/dns_priv.h"

enum {
	LINKS_MAX = 32,
	LISTED_MAX = LINKS_MAX * DNS_SERVERS_MAX + DNS_SERVERS_MAX,
	FILE_AGAIN = 1000, /* ms until a failure to write the file is tried again */
};

enum back_end { BACK_END_RESOLVED, BACK_END_FILE };

struct up {
	struct dns_link link;
	enum back_end back_end;
};

struct dns {
	struct log *log;
	struct dns_file *file;
	struct dns_resolved *resolved;
	struct up up[LINKS_MAX]; /* in the order in which they came up */
	size_t n;
	msec file_due; /* the file is not as it should be; MSEC_NEVER: it is */
	char note[DNS_NOTE];
};

[[gnu::format(printf, 2, 3)]] static void note(struct dns *d, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(d->note, sizeof(d->note), fmt, args);
	va_end(args);
}

const char *dns_note(const struct dns *d)
{
	return d->note;
}

/* ---- may we? ---- */

/* Is `path` a mount point? Fifth field of a line of mountinfo. */
static bool is_mount_point(const char *path)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], point[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %*s %*s %*s %511s", point) == 1 && !strcmp(point, path);
	if (f)
		fclose(f);
	return found;
}

static bool own_mount(void)
{
	char *real = realpath("/etc/resolv.conf", NULL);
	bool own = is_mount_point("/etc/resolv.conf") || (real && is_mount_point(real));

	free(real);
	return own;
}

/* The kernel shows this sysctl in its first network namespace only. */
static bool in_first_netns(void)
{
	return access("/proc/sys/net/core/netdev_max_backlog", F_OK) == 0;
}

/* Process 1 may not be looked at without capabilities that vpnd gives up. */
static bool in_netns_of_init(void)
{
	struct stat ours, init;

	if (stat("/proc/self/ns/net", &ours) < 0)
		return false;
	if (stat("/proc/1/ns/net", &init) < 0)
		return in_first_netns();
	return ours.st_ino == init.st_ino && ours.st_dev == init.st_dev;
}

bool dns_allowed(char why[static DNS_NOTE])
{
	if (own_mount() || in_netns_of_init())
		return true;
	snprintf(why, DNS_NOTE,
		"off: this network namespace shares /etc/resolv.conf with another one");
	return false;
}

/* ---- the stack ---- */

static struct up *find(struct dns *d, uint32_t ifindex)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->up[i].link.ifindex == ifindex)
			return &d->up[i];
	return NULL;
}

static void take_out(struct dns *d, struct up *u)
{
	d->n--;
	memmove(u, u + 1, (size_t)(d->up + d->n - u) * sizeof(*u));
}

/* The file says what the last connection that uses it wants. */
static int write_file(struct dns *d)
{
	for (size_t i = d->n; i-- > 0;)
		if (d->up[i].back_end == BACK_END_FILE) {
			note(d, "/etc/resolv.conf for %s", d->up[i].link.connection);
			return dns_file_set(d->file, &d->up[i].link);
		}
	note(d, "%s", d->n ? "systemd-resolved" : "");
	return dns_file_restore(d->file);
}

/* Without memory or descriptors it cannot be done now: a host must not stay without names. */
static void settle_file(struct dns *d, msec now)
{
	int err = write_file(d);

	if (err && d->file_due == MSEC_NEVER)
		log_error(d->log, "dns", "/etc/resolv.conf cannot be written: %s; trying again",
			strerror(-err));
	d->file_due = err ? now + FILE_AGAIN : MSEC_NEVER;
}

static int use_file(struct dns *d, struct up *u)
{
	int err;

	u->back_end = BACK_END_FILE;
	if (u->link.scope == DNS_DOMAINS) {
		note(d, "off: /etc/resolv.conf cannot send only some names into the tunnel");
		take_out(d, u);
		return -ENOTSUP;
	}
	err = write_file(d);
	if (err) {
		note(d, "off: /etc/resolv.conf: %s", strerror(-err));
		take_out(d, u);
		d->file_due = 0; /* something may be left of it */
	}
	return err;
}

static void resolved_failed(void *ctx, uint32_t ifindex, const char *why)
{
	struct dns *d = ctx;
	struct up *u = find(d, ifindex);

	if (!u || u->back_end != BACK_END_RESOLVED)
		return;
	log_warn(d->log, "dns", "systemd-resolved: %s; falling back to /etc/resolv.conf", why);
	if (use_file(d, u) < 0)
		log_error(d->log, "dns", "%s", d->note);
}

/* What ends up in a file or on the bus is a name and nothing else. */
static bool is_plain(const char *name)
{
	return *name && name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					  "0123456789._-")] == 0;
}

static bool is_sound(const struct dns_link *link)
{
	if (!is_plain(link->connection) /* check: dns-connection */ ||
		link->n > DNS_SERVERS_MAX /* check: dns-servers */ ||
		link->n_domains > DNS_DOMAINS_MAX)
		return false;
	for (size_t i = 0; i < link->n_domains; i++)
		if (!is_plain(link->domains[i])) /* check: dns-domain */
			return false;
	return true;
}

int dns_up(struct dns *d, const struct dns_link *link, msec now)
{
	struct up *u;

	if (!is_sound(link))
		return -EINVAL;
	dns_down(d, link->ifindex, now);
	if (link->n == 0) {
		note(d, "off: no server is known");
		return -ENOTSUP;
	}
	if (!dns_allowed(d->note))
		return -ENOTSUP;
	if (d->n == LINKS_MAX)
		return -ENOSPC;
	u = &d->up[d->n++];
	*u = (struct up){.link = *link, .back_end = BACK_END_RESOLVED};
	if (!dns_resolved_in_charge() || dns_resolved_set(d->resolved, link) < 0)
		return use_file(d, u);
	note(d, "systemd-resolved");
	dns_resolved_ready(d->resolved, now);
	return 0;
}

void dns_down(struct dns *d, uint32_t ifindex, msec now)
{
	struct up *u = find(d, ifindex);
	enum back_end back_end;

	if (!u)
		return;
	back_end = u->back_end;
	take_out(d, u);
	if (back_end == BACK_END_RESOLVED) {
		dns_resolved_revert(d->resolved, ifindex);
		dns_resolved_ready(d->resolved, now);
	} else {
		settle_file(d, now);
	}
}

/* ---- the rest ---- */

int dns_new(struct dns **to, struct journal *journal, const char *state_dir, struct log *log)
{
	struct dns *d = calloc(1, sizeof(*d));

	*to = NULL;
	if (!d)
		return -ENOMEM;
	d->log = log;
	d->file_due = MSEC_NEVER;
	d->file = dns_file_new(journal, state_dir, log);
	d->resolved = dns_resolved_new(journal, resolved_failed, d);
	if (!d->file || !d->resolved) {
		dns_free(d);
		return -ENOMEM;
	}
	*to = d;
	return 0;
}

void dns_free(struct dns *d)
{
	if (!d)
		return;
	while (d->n)
		dns_down(d, d->up[d->n - 1].link.ifindex, 0);
	dns_file_free(d->file);
	dns_resolved_free(d->resolved);
	free(d);
}

int dns_fd(const struct dns *d)
{
	return dns_resolved_fd(d->resolved);
}

void dns_ready(struct dns *d, msec now)
{
	dns_resolved_ready(d->resolved, now);
	if (now >= d->file_due)
		settle_file(d, now);
}

msec dns_deadline(const struct dns *d)
{
	return msec_min(d->file_due, dns_resolved_deadline(d->resolved));
}

static bool is_inside(const struct dns *d, const struct ip *server)
{
	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; k < d->up[i].link.n; k++)
			if (ip_equal(&d->up[i].link.servers[k], server))
				return true;
	return false;
}

/* resolved lists the servers of every link, and ours may be in front of all others. */
size_t dns_upstream(const struct dns *d, struct ip *servers, size_t max)
{
	struct ip listed[LISTED_MAX];
	size_t n = dns_resolved_in_charge()
			   ? dns_file_parse("/run/systemd/resolve/resolv.conf", listed, LISTED_MAX)
			   : dns_file_servers(d->file, listed, LISTED_MAX);
	size_t kept = 0;

	for (size_t i = 0; i < n && kept < max; i++)
		if (!is_inside(d, &listed[i]))
			servers[kept++] = listed[i];
	return kept;
}

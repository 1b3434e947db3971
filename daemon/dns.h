/* The host's DNS while connections are up: systemd-resolved when it is in charge, else
 * /etc/resolv.conf itself.
 *
 * resolved: servers, domains and default route of the link, by asynchronous D-Bus; it forgets them
 * with the link. File: rewritten in place (same inode; symbolic links are followed, never
 * replaced), a mark on top, the original in the state directory, and brought back byte for byte, by
 * the next process if this one dies. A file that lost our mark belongs to whoever wrote it: it is
 * left alone. With several connections the last one up is in effect.
 *
 * DNS is touched only if that cannot hit another network: see dns_allowed(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/msec.h"
#include "daemon/journal.h"

struct dns;

enum { DNS_SERVERS_MAX = 4, DNS_DOMAINS_MAX = 8, DNS_DOMAIN_TEXT = 254, DNS_NOTE = 160 };

enum dns_scope {
	DNS_ALL,     /* every name is asked inside */
	DNS_DOMAINS, /* the domains only; the file cannot do that and is not touched */
};

struct dns_link {
	uint32_t ifindex; /* names the connection here */
	char connection[65];
	enum dns_scope scope;
	struct ip servers[DNS_SERVERS_MAX];
	size_t n;
	char domains[DNS_DOMAINS_MAX][DNS_DOMAIN_TEXT];
	size_t n_domains;
};

/* 0 or -errno. All borrowed; log may be NULL. state_dir exists and is ours. */
[[gnu::warn_unused_result]] int dns_new(
	struct dns **d, struct journal *journal, const char *state_dir, struct log *log);
void dns_free(struct dns *d); /* takes everything back; NULL is allowed */

/* Whether resolv.conf is that of our network: vpnd runs in the network namespace of process 1, or
 * the file is a mount of its own (`ip netns exec`, containers). If not, why. */
bool dns_allowed(char why[static DNS_NOTE]);

/* In effect or under way: 0. -ENOTSUP: not touched, dns_note() says why; the connection works
 * without. Other -errno: it failed. Again for the same ifindex: in place of what was. */
[[gnu::warn_unused_result]] int dns_up(struct dns *d, const struct dns_link *link, msec now);
void dns_down(struct dns *d, uint32_t ifindex, msec now);

/* What is done and how, or why not: for status. */
const char *dns_note(const struct dns *d);

/* A descriptor to watch for reading; readable or at the deadline: dns_ready(). */
int dns_fd(const struct dns *d);
void dns_ready(struct dns *d, msec now);
msec dns_deadline(const struct dns *d);

/* The servers outside the tunnels, for gateway names: those behind resolved's stub, or of
 * resolv.conf as it was before us. Returns how many, at most max. */
size_t dns_upstream(const struct dns *d, struct ip *servers, size_t max);

/* Journal kinds "resolv.conf" and "resolved"; ctx is a struct log or NULL. */
int dns_undo_file(void *ctx, const char *text);
int dns_undo_resolved(void *ctx, const char *text);

/* Bring resolv.conf back after a power failure, which takes the journal along but not the file. */
void dns_recover(const char *state_dir, struct log *log);

/* The two back ends of dns.c. */
#pragma once

#include "daemon/dns.h"

/* ---- /etc/resolv.conf ---- */

struct dns_file;

struct dns_file *dns_file_new(struct journal *journal, const char *state_dir, struct log *log);
void dns_file_free(struct dns_file *f); /* restores */

/* Make the file say what the link wants. 0 or -errno, then it says what it said; what was taken for
 * it may have to be restored still. */
int dns_file_set(struct dns_file *f, const struct dns_link *link);
/* 0 or -errno: to be tried again. */
int dns_file_restore(struct dns_file *f);

/* `nameserver` lines with plain addresses, of the file as it was before us. */
size_t dns_file_servers(const struct dns_file *f, struct ip *servers, size_t max);

/* The servers of any file in that format. */
size_t dns_file_parse(const char *path, struct ip *servers, size_t max);

/* ---- systemd-resolved ---- */

struct dns_resolved;

/* `failed` is called from dns_resolved_ready() when resolved is not there or refuses a link. NULL:
 * out of memory. */
typedef void dns_resolved_failed(void *ctx, uint32_t ifindex, const char *why);
struct dns_resolved *dns_resolved_new(
	struct journal *journal, dns_resolved_failed *failed, void *ctx);
void dns_resolved_free(struct dns_resolved *r);

/* Whether resolv.conf is resolved's stub, so that setting resolved changes anything. */
bool dns_resolved_in_charge(void);

/* 0: asked; -errno: no bus. */
int dns_resolved_set(struct dns_resolved *r, const struct dns_link *link);
void dns_resolved_revert(struct dns_resolved *r, uint32_t ifindex);

int dns_resolved_fd(const struct dns_resolved *r);
void dns_resolved_ready(struct dns_resolved *r, msec now);
msec dns_resolved_deadline(const struct dns_resolved *r);

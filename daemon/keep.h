/* What we keep in the kernel: a set of rules, routes and addresses that are to be there.
 *
 * Items are counted (two connections may want the same rule), written to the journal before they
 * are added, put back when somebody else removes them, and deleted when nobody wants them any more.
 * What could not be deleted or put back is tried again. */
#pragma once

#include <stdbool.h>

#include "base/log.h"
#include "base/msec.h"
#include "daemon/journal.h"
#include "daemon/net.h"

struct keep;

/* All borrowed; log may be NULL. NULL when out of memory. */
struct keep *keep_new(struct net *net, struct journal *journal, struct log *log);
void keep_free(struct keep *k); /* deletes what is still there; NULL is allowed */

/* Want an item. 0 or -errno, then nothing has changed. One that is there already but not in the
 * set (left by a process whose journal is lost) is taken over. */
[[gnu::warn_unused_result]] int keep_add(struct keep *k, const struct net_item *item);

/* Want it no longer. An item that was never wanted is ignored. */
void keep_del(struct keep *k, const struct net_item *item);

bool keep_has(const struct keep *k, const struct net_item *item);

/* A piece of news: does it take something of ours away? */
void keep_event(struct keep *k, bool gone, const struct net_item *item, msec now);

/* News was lost, or a route table of ours was touched: compare with what is really there. False: some
 * of it could not be seen. */
bool keep_check(struct keep *k, msec now);

/* Put back and delete what is due. */
void keep_tick(struct keep *k, msec now);
msec keep_deadline(const struct keep *k);

unsigned keep_put_back(const struct keep *k); /* how often something of ours had vanished */

#include "daemon/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	AGAIN = 1000, /* ms until a failure is tried again */
	BURST = 10, /* put-backs of one item a second: with somebody who removes it all the time */
};

struct held {
	struct net_item item;
	uint64_t entry;
	unsigned refs; /* 0: to be deleted */
	bool missing;  /* to be put back at `due` */
	bool seen;     /* by the comparison that runs */
	msec due;
	msec second; /* start of the second in which `burst` counts */
	unsigned burst;
};

struct keep {
	struct net *net;
	struct journal *journal;
	struct log *log;
	struct held *held;
	size_t n;
	size_t room;
	msec due;
	unsigned put_back;
};

struct keep *keep_new(struct net *net, struct journal *journal, struct log *log)
{
	struct keep *k = calloc(1, sizeof(*k));

	if (k)
		*k = (struct keep){.net = net, .journal = journal, .log = log, .due = MSEC_NEVER};
	return k;
}

static struct held *find(const struct keep *k, const struct net_item *item)
{
	for (size_t i = 0; i < k->n; i++)
		if (net_item_equal(&k->held[i].item, item))
			return &k->held[i];
	return NULL;
}

static struct held *append(struct keep *k, const struct net_item *item)
{
	if (k->n == k->room) {
		size_t room = k->room ? 2 * k->room : 32;
		struct held *held = realloc(k->held, room * sizeof(*held));

		if (!held)
			return NULL;
		k->held = held;
		k->room = room;
	}
	k->held[k->n] = (struct held){.item = *item, .refs = 1};
	return &k->held[k->n++];
}

static void forget(struct keep *k, struct held *h)
{
	journal_done(k->journal, h->entry);
	k->n--;
	memmove(h, h + 1, (size_t)(k->held + k->n - h) * sizeof(*h));
}

/* True when it is gone from the kernel and from the set. */
static bool drop(struct keep *k, struct held *h)
{
	int err = net_del(k->net, &h->item);

	if (err && !net_gone(err)) {
		log_warn(k->log, "route", "cannot delete a %s: %s", net_kind_name(h->item.kind),
			strerror(-err));
		return false;
	}
	forget(k, h);
	return true;
}

void keep_free(struct keep *k)
{
	if (!k)
		return;
	for (size_t i = k->n; i-- > 0;)
		drop(k, &k->held[i]);
	free(k->held);
	free(k);
}

/* An addition failed. When it was the answer that was lost, the item may be there. */
static void abandon(struct keep *k, struct held *h, int err)
{
	h->refs = 0;
	if (!h->entry || (err != -EIO && err != -ENOMEM))
		forget(k, h);
	else if (!drop(k, h))
		k->due = 0;
}

int keep_add(struct keep *k, const struct net_item *item)
{
	struct held *h = find(k, item);
	char text[NET_ITEM_TEXT];
	int err;

	if (h) {
		h->refs++;
		return 0;
	}
	h = append(k, item);
	if (!h)
		return -ENOMEM;
	err = journal_add(
		k->journal, net_kind_name(item->kind), net_item_text(item, text), &h->entry);
	if (!err)
		err = net_add(k->net, item);
	if (err && err != -EEXIST) {
		log_warn(k->log, "route", "cannot add %s %s: %s", net_kind_name(item->kind), text,
			strerror(-err));
		abandon(k, h, err);
		return err;
	}
	return 0;
}

void keep_del(struct keep *k, const struct net_item *item)
{
	struct held *h = find(k, item);

	if (!h || h->refs == 0 || --h->refs > 0)
		return;
	if (!drop(k, h))
		k->due = 0;
}

bool keep_has(const struct keep *k, const struct net_item *item)
{
	const struct held *h = find(k, item);

	return h && h->refs > 0;
}

/* At once, unless this second has seen enough of it. Each item by itself: who flushes all rules takes
 * twenty at a time, and the last of them is what keeps the users' packets inside. */
static void is_missing(struct keep *k, struct held *h, msec now)
{
	if (h->refs == 0 || h->missing)
		return;
	h->missing = true;
	if (now >= h->second + AGAIN) {
		h->second = now;
		h->burst = 0;
	}
	h->due = now;
	if (++h->burst > BURST) /* check: keep-burst */
		h->due = now + AGAIN;
	k->due = msec_min(k->due, h->due);
}

void keep_event(struct keep *k, bool gone, const struct net_item *item, msec now)
{
	struct held *h = gone ? find(k, item) : NULL;

	if (h)
		is_missing(k, h, now); /* check: keep-event */
}

static void see(void *ctx, const struct net_item *item)
{
	struct held *h = find(ctx, item);

	if (h)
		h->seen = true;
}

bool keep_check(struct keep *k, msec now)
{
	bool all = true;

	for (enum net_kind kind = 0; kind < NET_KINDS; kind++) {
		for (size_t i = 0; i < k->n; i++)
			k->held[i].seen = k->held[i].item.kind != kind;
		if (net_each(k->net, kind, see, k) < 0) {
			all = false;
			continue;
		}
		for (size_t i = 0; i < k->n; i++)
			if (!k->held[i].seen)
				is_missing(k, &k->held[i], now); /* check: keep-check */
	}
	return all;
}

/* False when it is still missing, as a route is whose device has gone: its owner will say so. */
static bool restore(struct keep *k, struct held *h)
{
	int err = net_put(k->net, &h->item);
	char text[NET_ITEM_TEXT];

	if (err && err != -EEXIST)
		return false;
	h->missing = false;
	if (err == -EEXIST)
		return true;
	k->put_back++;
	log_warn(k->log, "route", "somebody removed %s %s: put back", net_kind_name(h->item.kind),
		net_item_text(&h->item, text));
	return true;
}

void keep_tick(struct keep *k, msec now)
{
	if (now < k->due)
		return;
	k->due = MSEC_NEVER;
	for (size_t i = 0; i < k->n; i++) {
		struct held *h = &k->held[i];

		if (h->refs == 0 || !h->missing)
			continue;
		if (now >= h->due && !restore(k, h))
			h->due = now + AGAIN;
		if (h->missing)
			k->due = msec_min(k->due, h->due);
	}
	for (size_t i = k->n; i-- > 0;)
		if (k->held[i].refs == 0 && !drop(k, &k->held[i]))
			k->due = msec_min(k->due, now + AGAIN);
}

msec keep_deadline(const struct keep *k)
{
	return k->due;
}

unsigned keep_put_back(const struct keep *k)
{
	return k->put_back;
}

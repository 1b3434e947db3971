/* Items as text and compared: one table of fields for each kind serves both. */
#include "daemon/net.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum field_type { FIELD_U8, FIELD_U16, FIELD_U32, FIELD_IP, FIELD_PREFIX };

struct field {
	const char *name; /* NULL ends the table */
	enum field_type type;
	size_t at; /* offset in struct net_item */
};

#define FIELDS_MAX 10

// clang-format off
static const struct field fields[NET_KINDS][FIELDS_MAX] = {
	[NET_RULE] = {
		{"family",   FIELD_U32,    offsetof(struct net_item, rule.family)},
		{"priority", FIELD_U32,    offsetof(struct net_item, rule.priority)},
		{"table",    FIELD_U32,    offsetof(struct net_item, rule.table)},
		{"mark",     FIELD_U32,    offsetof(struct net_item, rule.mark)},
		{"mask",     FIELD_U32,    offsetof(struct net_item, rule.mask)},
		{"to",       FIELD_PREFIX, offsetof(struct net_item, rule.to)},
		{"ipproto",  FIELD_U8,     offsetof(struct net_item, rule.ip_proto)},
		{"sport",    FIELD_U16,    offsetof(struct net_item, rule.sport)},
		{"dport",    FIELD_U16,    offsetof(struct net_item, rule.dport)},
	},
	[NET_ROUTE] = {
		{"family",   FIELD_U32,    offsetof(struct net_item, route.family)},
		{"table",    FIELD_U32,    offsetof(struct net_item, route.table)},
		{"type",     FIELD_U8,     offsetof(struct net_item, route.type)},
		{"protocol", FIELD_U8,     offsetof(struct net_item, route.protocol)},
		{"to",       FIELD_PREFIX, offsetof(struct net_item, route.to)},
		{"metric",   FIELD_U32,    offsetof(struct net_item, route.metric)},
		{"ifindex",  FIELD_U32,    offsetof(struct net_item, route.ifindex)},
		{"gateway",  FIELD_IP,     offsetof(struct net_item, route.gateway)},
	},
	[NET_ADDRESS] = {
		{"ifindex",  FIELD_U32,    offsetof(struct net_item, address.ifindex)},
		{"local",    FIELD_IP,     offsetof(struct net_item, address.local)},
		{"peer",     FIELD_IP,     offsetof(struct net_item, address.peer)},
	},
};
// clang-format on

static const char *const kind_names[NET_KINDS] = {"rule", "route", "address"};

const char *net_kind_name(enum net_kind kind)
{
	return kind_names[kind];
}

static uint32_t number_of(enum field_type type, const void *at)
{
	uint16_t v16;
	uint32_t v32;

	if (type == FIELD_U8)
		return *(const uint8_t *)at;
	if (type == FIELD_U16) {
		memcpy(&v16, at, sizeof(v16));
		return v16;
	}
	memcpy(&v32, at, sizeof(v32));
	return v32;
}

/* Into PREFIX_TEXT octets; "" for a field that says nothing. */
static const char *field_text(const struct field *f, const struct net_item *item, char *to)
{
	const void *at = (const char *)item + f->at;
	const struct prefix *p = at;

	*to = 0;
	if (f->type == FIELD_PREFIX) {
		if (p->ip.family != FAMILY_NONE)
			prefix_text(p, to);
	} else if (f->type == FIELD_IP) {
		if (((const struct ip *)at)->family != FAMILY_NONE)
			ip_text(at, to);
	} else if (number_of(f->type, at)) {
		snprintf(to, PREFIX_TEXT, "%u", number_of(f->type, at));
	}
	return to;
}

const char *net_item_text(const struct net_item *item, char to[static NET_ITEM_TEXT])
{
	char value[PREFIX_TEXT];
	size_t n = 0;

	to[0] = 0;
	for (const struct field *f = fields[item->kind]; f->name; f++)
		if (*field_text(f, item, value))
			n += (size_t)snprintf(
				to + n, NET_ITEM_TEXT - n, "%s%s=%s", n ? " " : "", f->name, value);
	return to;
}

static bool number_parse(const char *text, uint64_t max, void *at, size_t size)
{
	uint64_t v;

	if (!str_uint(text, 0, max, &v))
		return false;

	uint8_t v8 = (uint8_t)v;
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;

	memcpy(at, size == 1 ? (void *)&v8 : size == 2 ? (void *)&v16 : (void *)&v32, size);
	return true;
}

static bool field_parse(const struct field *f, const char *text, struct net_item *item)
{
	void *at = (char *)item + f->at;

	switch (f->type) {
	case FIELD_U8:
		return number_parse(text, UINT8_MAX, at, 1);
	case FIELD_U16:
		return number_parse(text, UINT16_MAX, at, 2);
	case FIELD_U32:
		return number_parse(text, UINT32_MAX, at, 4);
	case FIELD_IP:
		return ip_parse(text, at);
	case FIELD_PREFIX:
		return prefix_parse(text, at);
	}
	return false;
}

static const struct field *field_find(enum net_kind kind, const char *name)
{
	for (const struct field *f = fields[kind]; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

bool net_item_parse(enum net_kind kind, const char *text, struct net_item *item)
{
	char copy[NET_ITEM_TEXT], *rest = copy, *word;

	if (strlen(text) >= sizeof(copy)) /* check: item-text-room */
		return false;
	memcpy(copy, text, strlen(text) + 1);
	*item = (struct net_item){.kind = kind};

	while ((word = strsep(&rest, " "))) {
		char *value = strchr(word, '=');
		const struct field *f;

		if (!value) /* check: item-value */
			return false;
		*value++ = 0;
		f = field_find(kind, word);
		if (!f || !field_parse(f, value, item))
			return false;
	}
	return true;
}

static bool field_equal(const struct field *f, const struct net_item *a, const struct net_item *b)
{
	const void *at = (const char *)a + f->at, *bt = (const char *)b + f->at;
	const struct prefix *ap = at, *bp = bt;

	switch (f->type) {
	case FIELD_U8:
	case FIELD_U16:
	case FIELD_U32:
		return number_of(f->type, at) == number_of(f->type, bt);
	case FIELD_IP:
		return ip_equal(at, bt);
	case FIELD_PREFIX:
		return ap->len == bp->len && ip_equal(&ap->ip, &bp->ip);
	}
	return false;
}

bool net_item_equal(const struct net_item *a, const struct net_item *b)
{
	if (a->kind != b->kind)
		return false;
	for (const struct field *f = fields[a->kind]; f->name; f++)
		if (!field_equal(f, a, b))
			return false;
	return true;
}

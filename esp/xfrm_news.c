/* What others did to SAs and policies, and the kernel by itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/xfrm.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "esp/xfrm_priv.h"

/* The kernel asks with every packet until it is answered, so that what comes too soon comes again. */
enum { MOVE_PAUSE = 1000 };

union body {
	struct xfrm_usersa_id deleted;
	struct xfrm_user_expire expired;
	struct xfrm_user_mapping moved;
};

struct listener {
	struct xfrm *x;
	msec now;
};

static bool is_half(const struct xfrm_sa *sa, const struct ip *dst, uint32_t spi)
{
	const struct sa_pair *pair = sa->pair;

	return sa->way == XFRM_IN ? pair->in.spi == spi && ip_equal(&pair->local.ip, dst)
				  : pair->out.spi == spi && ip_equal(&pair->remote.ip, dst);
}

/* The pair of which a half in the kernel has that name, and which half; NULL: it is not ours. */
static struct kernel_pair *find_half(const struct xfrm *x, const xfrm_address_t *daddr,
	uint16_t family, __be32 spi, enum xfrm_way *way)
{
	struct ip dst = xfrm_msg_ip(daddr, family);

	for (unsigned i = 0; i < x->face.n; i++)
		for (*way = XFRM_IN; *way <= XFRM_OUT; ++*way) {
			struct kernel_pair *k = xfrm_pair(x, i);
			struct xfrm_sa sa = xfrm_half(x, k, *way);

			if ((*way == XFRM_IN || k->out == OUT_ADDED) &&
				is_half(&sa, &dst, ntohl(spi)))
				return k;
		}
	return NULL;
}

/* ---- SAs and policies that went ---- */

static void on_deleted(const struct listener *l, const union body *b)
{
	const struct xfrm_usersa_id *id = &b->deleted;
	enum xfrm_way way;
	struct kernel_pair *k = find_half(l->x, &id->daddr, id->family, id->spi, &way);

	if (k)
		esp_raise(&k->face, ESP_EV_LOST);
}

/* Soft: a limit is near, the SA works on. Hard: the kernel has removed it. */
static void on_expired(const struct listener *l, const union body *b)
{
	const struct xfrm_usersa_info *sa = &b->expired.state;
	enum xfrm_way way;
	struct kernel_pair *k = find_half(l->x, &sa->id.daddr, sa->family, sa->id.spi, &way);

	if (k)
		esp_raise(&k->face, b->expired.hard ? ESP_EV_LOST : ESP_EV_EXHAUSTED);
}

static void on_flushed(const struct listener *l, const union body *b)
{
	(void)b;
	for (unsigned i = 0; i < l->x->face.n; i++)
		esp_raise(l->x->face.pair[i], ESP_EV_LOST);
}

static void put_block_back(struct xfrm *x)
{
	if (xfrm_put_block(x) != 0)
		log_warn(
			x->face.env->log, "esp", "the policy against L2TP in clear does not stand");
}

static void on_policy_gone(const struct listener *l, const union body *b)
{
	(void)b;
	put_block_back(l->x);
}

/* ---- a gateway that moved ---- */

struct keys {
	const struct esp_suite *suite;
	struct esp_half *half;
	bool taken;
};

static void take_keys(void *ctx, const struct nlmsghdr *h)
{
	struct keys *keys = ctx;

	keys->taken = xfrm_msg_keys(h, keys->suite, keys->half);
}

/* UPDSA changes ports and limits of an SA that is there and nothing else of it: keys, sequence number
 * and window go on (Linux, xfrm_state_update(): what else the message has is thrown away). So an
 * outbound SA may be moved, while it must never be added a second time; and one that is gone does not
 * come back, that is ESRCH. The kernel wants to hear the keys all the same, and only it has them. */
static int move_half(struct xfrm *x, const struct kernel_pair *k, enum xfrm_way way, uint16_t port)
{
	struct sa_pair pair = k->pair;
	struct xfrm_sa sa = {.pair = &pair, .way = way, .reqid = x->reqid};
	struct keys keys = {.suite = &pair.suite, .half = way == XFRM_IN ? &pair.in : &pair.out};
	int rc = xfrm_sock_request(&x->sock, xfrm_msg_get_sa(&sa), take_keys, &keys);

	pair.remote.port = port;
	if (rc == 0)
		rc = keys.taken ? xfrm_put_sa(x, xfrm_msg_update_sa(&sa), &sa) : -EBADMSG;
	wipe(&pair, sizeof(pair));
	return rc;
}

/* An outbound half that waits goes to the new port when it is added. */
static void move(struct xfrm *x, struct kernel_pair *k, uint16_t port)
{
	int rc = move_half(x, k, XFRM_IN, port);

	if (rc == 0 && k->out == OUT_ADDED)
		rc = move_half(x, k, XFRM_OUT, port);
	if (rc != 0) {
		log_warn(x->face.env->log, "esp", "the gateway's new port %u is not followed: %s",
			port, strerror(-rc));
		esp_raise(&k->face, ESP_EV_LOST);
		return;
	}
	k->pair.remote.port = port;
}

/* All pairs: between two of them, one may be sent on and another received on, or wait to be used; and a
 * gateway to which nothing comes says nothing on the others. */
static void follow(struct xfrm *x, uint16_t port)
{
	for (unsigned i = 0; i < x->face.n; i++) {
		struct kernel_pair *k = xfrm_pair(x, i);

		if (k->pair.lane == LANE_NATT && k->pair.remote.port != port)
			move(x, k, port);
	}
	x->port = port;
}

/* Authentic packets come from another port: a NAT before the gateway has forgotten the old one. Who
 * sends from another address is not followed. */
static void on_moved(const struct listener *l, const union body *b)
{
	const struct xfrm_user_mapping *m = &b->moved;
	struct ip from = xfrm_msg_ip(&m->new_saddr, m->id.family);
	uint16_t port = ntohs(m->new_sport);
	struct xfrm *x = l->x;
	enum xfrm_way way;
	struct kernel_pair *k = find_half(x, &m->id.daddr, m->id.family, m->id.spi, &way);

	if (!k || way != XFRM_IN || k->pair.lane != LANE_NATT || port == k->pair.remote.port)
		return;
	if (port == 0 /* check: xfrm-move-port */ ||
		m->reqid != x->reqid /* check: xfrm-move-reqid */ ||
		!ip_equal(&from, &k->pair.remote.ip) /* check: xfrm-move-address */)
		return;
	if (x->moved_at && l->now - x->moved_at < MOVE_PAUSE) /* check: xfrm-move-pause */
		return;
	x->moved_at = l->now;
	log_info(x->face.env->log, "esp", "the gateway sends from port %u now, not from %u", port,
		k->pair.remote.port);
	follow(x, port);
}

/* ---- all of them ---- */

static const struct news {
	uint16_t type;
	size_t len; /* octets that are looked at */
	void (*act)(const struct listener *l, const union body *b);
} table[] = {
	{XFRM_MSG_DELSA, sizeof(struct xfrm_usersa_id), on_deleted},
	{XFRM_MSG_EXPIRE, sizeof(struct xfrm_user_expire), on_expired},
	{XFRM_MSG_FLUSHSA, 0, on_flushed},
	{XFRM_MSG_DELPOLICY, 0, on_policy_gone},
	{XFRM_MSG_FLUSHPOLICY, 0, on_policy_gone},
	{XFRM_MSG_MAPPING, sizeof(struct xfrm_user_mapping), on_moved},
};

static void on_news(void *ctx, const struct nlmsghdr *h)
{
	const struct listener *l = ctx;
	union body body; /* a copy: messages are aligned to four octets only */

	if (h->nlmsg_pid == l->x->sock.port) /* check: xfrm-echo */
		return;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (h->nlmsg_type == table[i].type &&
			h->nlmsg_len >= NLMSG_LENGTH(table[i].len) /* check: xfrm-news-length */) {
			memcpy(&body, NLMSG_DATA(h), table[i].len);
			table[i].act(l, &body);
		}
}

static void look_at_half(struct xfrm *x, struct kernel_pair *k, enum xfrm_way way)
{
	struct xfrm_sa sa = xfrm_half(x, k, way);
	struct xfrm_sa_state state;

	if (!xfrm_ask(x, &sa, &state) || state.reqid != x->reqid /* check: xfrm-look-reqid */)
		esp_raise(&k->face, ESP_EV_LOST);
	else if (state.runs_out)
		esp_raise(&k->face, ESP_EV_EXHAUSTED);
}

/* Some news were lost: what they can have been of is looked at. A gateway that moved is told again. */
static void look_at_all(struct xfrm *x)
{
	for (unsigned i = 0; i < x->face.n; i++) {
		struct kernel_pair *k = xfrm_pair(x, i);

		look_at_half(x, k, XFRM_IN);
		if (k->out == OUT_ADDED)
			look_at_half(x, k, XFRM_OUT);
	}
	put_block_back(x);
}

void xfrm_ready(struct esp *plane, msec now)
{
	struct xfrm *x = (struct xfrm *)plane;
	struct listener l = {.x = x, .now = now};

	if (xfrm_sock_news(&x->news, on_news, &l) == 0)
		return;
	log_stranger(x->face.env->log, now, "esp", "news of the kernel's SAs were lost: looking");
	look_at_all(x);
}

uint16_t xfrm_port(const struct esp *plane)
{
	return ((const struct xfrm *)plane)->port;
}

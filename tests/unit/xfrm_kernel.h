/* A kernel of the test's own in place of esp/xfrm_sock.c, with SAs, block policies and news, and a kernel
 * plane on it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include "base/pkt.h"
#include "esp/esp.h"
#include "esp/xfrm.h"
#include "esp/xfrm_msg.h"
#include "esp/xfrm_sock.h"

enum {
	OURS = 1000,
	OTHERS = 1001,
	REQID = 77,
	SAS_MAX = 32,
	MESSAGE = 4096,
	NEWS_MAX = 1000,
	POLICIES_MAX = 8
};
enum { LOCAL = 0xc000020a, SERVER = 0xc6336401, MALLORY = 0xcb007101 };

/* ---- the kernel: in place of xfrm_sock.c ---- */

struct sa {
	uint8_t octets[MESSAGE]; /* the message that added it, with what it has counted since */
};

struct policy {
	struct xfrm_selector sel;
	uint8_t dir;
};

static struct kernel {
	struct sa sa[SAS_MAX];
	unsigned n, added, updated, asked;
	struct policy policy[POLICIES_MAX];
	unsigned policies, policies_deleted;
	int refuses;  /* -errno of the next SA, or of its next change */
	bool weakens; /* stores another key than it was told */
	struct {
		struct nlmsghdr h;
		uint8_t body[256];
	} news[NEWS_MAX];
	unsigned n_news;
	bool forgot; /* some more */
	bool deaf;   /* nobody may listen to it */
} kernel;

static inline struct xfrm_usersa_info *info_of(struct sa *sa)
{
	return nlmsg_data((struct nlmsghdr *)sa->octets);
}

static inline struct sa *find(uint32_t spi)
{
	for (unsigned i = 0; i < kernel.n; i++)
		if (ntohl(info_of(&kernel.sa[i])->id.spi) == spi)
			return &kernel.sa[i];
	return NULL;
}

static inline bool is_there(uint32_t spi)
{
	return find(spi);
}

static inline void parse(struct sa *sa, struct nlattr **attrs)
{
	assert_int_equal(nlmsg_parse((struct nlmsghdr *)sa->octets, sizeof(struct xfrm_usersa_info),
				 attrs, XFRMA_MAX, NULL),
		0);
}

static inline struct xfrm_encap_tmpl *encap_of(struct sa *sa)
{
	struct nlattr *attrs[XFRMA_MAX + 1];

	parse(sa, attrs);
	return attrs[XFRMA_ENCAP] ? nla_data(attrs[XFRMA_ENCAP]) : NULL;
}

static inline void weaken(struct sa *sa)
{
	struct nlattr *attrs[XFRMA_MAX + 1];

	parse(sa, attrs);
	((uint8_t *)nla_data(attrs[XFRMA_ALG_AEAD]))[nla_len(attrs[XFRMA_ALG_AEAD]) - 1] ^= 1;
}

static inline int add_sa(const struct nlmsghdr *h)
{
	struct sa *sa = &kernel.sa[kernel.n];

	assert_true(kernel.n < SAS_MAX && h->nlmsg_len <= MESSAGE);
	memcpy(sa->octets, h, h->nlmsg_len);
	if (kernel.refuses)
		return kernel.refuses;
	if (find(ntohl(info_of(sa)->id.spi)))
		return -EEXIST;
	if (kernel.weakens)
		weaken(sa);
	kernel.n++;
	kernel.added++;
	return 0;
}

/* As in Linux: ports and limits, and nothing else. */
static inline int update_sa(const struct nlmsghdr *h)
{
	struct nlattr *is[XFRMA_MAX + 1], *now[XFRMA_MAX + 1];
	struct sa message, *sa;

	assert_true(h->nlmsg_len <= MESSAGE);
	memcpy(message.octets, h, h->nlmsg_len);
	sa = find(ntohl(info_of(&message)->id.spi));
	if (!sa)
		return -ESRCH;
	if (kernel.refuses)
		return kernel.refuses;
	parse(sa, is);
	parse(&message, now);
	if (!is[XFRMA_ENCAP] || !now[XFRMA_ENCAP])
		return -EINVAL;
	assert_int_equal(nla_len(is[XFRMA_ALG_AEAD]), nla_len(now[XFRMA_ALG_AEAD]));
	assert_memory_equal(nla_data(is[XFRMA_ALG_AEAD]), nla_data(now[XFRMA_ALG_AEAD]),
		(size_t)nla_len(is[XFRMA_ALG_AEAD]));
	memcpy(nla_data(is[XFRMA_ENCAP]), nla_data(now[XFRMA_ENCAP]),
		sizeof(struct xfrm_encap_tmpl));
	info_of(sa)->lft = info_of(&message)->lft;
	if (kernel.weakens)
		weaken(sa);
	kernel.updated++;
	return 0;
}

static inline int delete_sa(const struct xfrm_usersa_id *id)
{
	struct sa *sa = find(ntohl(id->spi));

	if (!sa)
		return -ESRCH;
	kernel.n--;
	memmove(sa, sa + 1, (size_t)(&kernel.sa[kernel.n] - sa) * sizeof(*sa));
	return 0;
}

static inline struct policy *find_policy(const struct policy *p)
{
	for (unsigned i = 0; i < kernel.policies; i++)
		if (kernel.policy[i].dir == p->dir &&
			memcmp(&kernel.policy[i].sel, &p->sel, sizeof(p->sel)) == 0)
			return &kernel.policy[i];
	return NULL;
}

static inline int add_policy(const struct xfrm_userpolicy_info *info)
{
	struct policy p = {.sel = info->sel, .dir = info->dir};

	if (find_policy(&p))
		return -EEXIST;
	assert_true(kernel.policies < POLICIES_MAX);
	kernel.policy[kernel.policies++] = p;
	return 0;
}

static inline int delete_policy(const struct xfrm_userpolicy_id *id)
{
	struct policy p = {.sel = id->sel, .dir = id->dir}, *is = find_policy(&p);

	if (!is)
		return -ENOENT;
	*is = kernel.policy[--kernel.policies];
	kernel.policies_deleted++;
	return 0;
}

int xfrm_sock_open(struct xfrm_sock *s)
{
	*s = (struct xfrm_sock){.port = OURS};
	return 0;
}

int xfrm_sock_listen(struct xfrm_sock *s)
{
	*s = (struct xfrm_sock){0};
	return kernel.deaf ? -EPERM : 0;
}

void xfrm_sock_close(struct xfrm_sock *s)
{
	(void)s;
}

int xfrm_sock_request(struct xfrm_sock *s, struct nl_msg *m, xfrm_visit_fn *visit, void *ctx)
{
	const struct nlmsghdr *h = nlmsg_hdr(m);
	const struct xfrm_usersa_id *id = nlmsg_data(h);
	struct sa *sa;
	int rc = 0;

	(void)s;
	switch (h->nlmsg_type) {
	case XFRM_MSG_NEWSA:
		rc = add_sa(h);
		break;
	case XFRM_MSG_UPDSA:
		rc = update_sa(h);
		break;
	case XFRM_MSG_DELSA:
		rc = delete_sa(id);
		break;
	case XFRM_MSG_GETSA:
		kernel.asked++;
		sa = find(ntohl(id->spi));
		rc = sa ? 0 : -ESRCH;
		if (sa)
			visit(ctx, (struct nlmsghdr *)sa->octets);
		break;
	case XFRM_MSG_NEWPOLICY:
		rc = add_policy(nlmsg_data(h));
		break;
	case XFRM_MSG_DELPOLICY:
		rc = delete_policy(nlmsg_data(h));
		break;
	default:
		fail_msg("message %u", h->nlmsg_type);
	}
	xfrm_msg_free(m);
	return rc;
}

int xfrm_sock_news(struct xfrm_sock *s, xfrm_visit_fn *visit, void *ctx)
{
	(void)s;
	for (unsigned i = 0; i < kernel.n_news; i++)
		visit(ctx, &kernel.news[i].h);
	kernel.n_news = 0;
	int rc = kernel.forgot ? -ENOBUFS : 0;
	kernel.forgot = false;
	return rc;
}

static inline void tell(int type, uint32_t port, const void *body, size_t n)
{
	assert_true(kernel.n_news < NEWS_MAX && n <= sizeof(kernel.news[0].body));
	kernel.news[kernel.n_news].h = (struct nlmsghdr){.nlmsg_type = (uint16_t)type,
		.nlmsg_pid = port,
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(n)};
	memcpy(kernel.news[kernel.n_news].body, body, n);
	kernel.n_news++;
}

/* Inbound SPIs are 0x1..., outbound ones 0x2... */
static inline struct xfrm_usersa_id id_of(uint32_t spi)
{
	return (struct xfrm_usersa_id){
		.daddr.a4 = htonl(spi < 0x2000 ? LOCAL : SERVER),
		.spi = htonl(spi),
		.family = AF_INET,
		.proto = IPPROTO_ESP,
	};
}

static inline void tell_deleted(uint32_t spi, uint32_t port)
{
	struct xfrm_usersa_id id = id_of(spi);

	tell(XFRM_MSG_DELSA, port, &id, sizeof(id));
}

static inline struct xfrm_user_mapping mapping_of(uint32_t spi, uint16_t port)
{
	return (struct xfrm_user_mapping){
		.id = id_of(spi),
		.reqid = REQID,
		.old_saddr.a4 = htonl(SERVER),
		.new_saddr.a4 = htonl(SERVER),
		.old_sport = htons(4500),
		.new_sport = htons(port),
	};
}

static inline void tell_moved(const struct xfrm_user_mapping *m)
{
	tell(XFRM_MSG_MAPPING, 0, m, sizeof(*m));
}

/* ---- the plane ---- */

static inline void zeros(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0, n);
}

struct fixture {
	struct env env;
	struct xfrm_host host;
	struct esp *plane;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ip server = ip_v4(SERVER);

	kernel = (struct kernel){0};
	f->env = (struct env){.rng = zeros, .pool = pkt_pool_new()};
	*state = f;
	return xfrm_open(&f->env, &f->host, &server, REQID, &f->plane);
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	esp_free(f->plane);
	assert_int_equal(kernel.n, 0);
	assert_int_equal(kernel.policies, 0);
	assert_int_equal(pkt_pool_live(f->env.pool), 0);
	pkt_pool_free(f->env.pool);
	free(f);
	return 0;
}

/* Inbound 0x1000 + n, outbound 0x2000 + n. */
static inline struct sa_pair pair_of(uint32_t n)
{
	return (struct sa_pair){
		.suite = {.cipher = ESP_AES_GCM, .key_len = 16, .icv_len = 16},
		.in = {.spi = 0x1000 + n, .key = {1, 2, 3}},
		.out = {.spi = 0x2000 + n, .key = {4, 5, 6}},
		.lane = LANE_RAW,
		.local = {ip_v4(LOCAL), 4500},
		.remote = {ip_v4(SERVER), 4500},
		.local_port = L2TP_PORT,
		.remote_port = L2TP_PORT,
	};
}

static inline void install(struct fixture *f, uint32_t n)
{
	struct sa_pair pair = pair_of(n);

	assert_int_equal(esp_install(f->plane, &pair, 1000), 0);
}

/* In UDP. */
static inline void install_natt(struct fixture *f, uint32_t n)
{
	struct sa_pair pair = pair_of(n);

	pair.lane = LANE_NATT;
	assert_int_equal(esp_install(f->plane, &pair, 1000), 0);
}

static inline void ready(struct fixture *f, msec now)
{
	xfrm_ready(f->plane, now);
	assert_int_equal(kernel.n_news, 0);
}

static inline bool event_is(struct fixture *f, enum esp_event_kind kind, uint32_t spi_in)
{
	struct esp_event ev;

	return esp_next_event(f->plane, &ev) && ev.kind == kind && ev.spi_in == spi_in;
}

static inline bool no_event(struct fixture *f)
{
	struct esp_event ev;

	return !esp_next_event(f->plane, &ev);
}

static inline unsigned sent(struct fixture *f, enum lane lane)
{
	struct pktq q = {0};
	struct io out = {0};
	unsigned n = 0;

	pktq_put(&q, pkt_new(f->env.pool, 100));
	esp_send(f->plane, &q, 1000, &out);
	pktq_for_each (p, &out.down)
		n += p->lane == lane;
	pktq_free(&out.down);
	return n;
}

static inline unsigned received(struct fixture *f, enum lane lane, msec now)
{
	struct pktq q = {0};
	struct io out = {0};
	struct pkt *p = pkt_new(f->env.pool, 100);

	p->lane = lane;
	pktq_put(&q, p);
	esp_recv(f->plane, &q, now, &out);
	unsigned n = (unsigned)out.up.count;
	pktq_free(&out.up);
	return n;
}

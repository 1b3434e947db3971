/* The kernel's plane against a kernel of the test's own: which SAs are there when, and what it makes
 * of news. */
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

static struct xfrm_usersa_info *info_of(struct sa *sa)
{
	return nlmsg_data((struct nlmsghdr *)sa->octets);
}

static struct sa *find(uint32_t spi)
{
	for (unsigned i = 0; i < kernel.n; i++)
		if (ntohl(info_of(&kernel.sa[i])->id.spi) == spi)
			return &kernel.sa[i];
	return NULL;
}

static bool is_there(uint32_t spi)
{
	return find(spi);
}

static void parse(struct sa *sa, struct nlattr **attrs)
{
	assert_int_equal(nlmsg_parse((struct nlmsghdr *)sa->octets, sizeof(struct xfrm_usersa_info),
				 attrs, XFRMA_MAX, NULL),
		0);
}

static struct xfrm_encap_tmpl *encap_of(struct sa *sa)
{
	struct nlattr *attrs[XFRMA_MAX + 1];

	parse(sa, attrs);
	return attrs[XFRMA_ENCAP] ? nla_data(attrs[XFRMA_ENCAP]) : NULL;
}

static void weaken(struct sa *sa)
{
	struct nlattr *attrs[XFRMA_MAX + 1];

	parse(sa, attrs);
	((uint8_t *)nla_data(attrs[XFRMA_ALG_AEAD]))[nla_len(attrs[XFRMA_ALG_AEAD]) - 1] ^= 1;
}

static int add_sa(const struct nlmsghdr *h)
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
static int update_sa(const struct nlmsghdr *h)
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

static int delete_sa(const struct xfrm_usersa_id *id)
{
	struct sa *sa = find(ntohl(id->spi));

	if (!sa)
		return -ESRCH;
	kernel.n--;
	memmove(sa, sa + 1, (size_t)(&kernel.sa[kernel.n] - sa) * sizeof(*sa));
	return 0;
}

static struct policy *find_policy(const struct policy *p)
{
	for (unsigned i = 0; i < kernel.policies; i++)
		if (kernel.policy[i].dir == p->dir &&
			memcmp(&kernel.policy[i].sel, &p->sel, sizeof(p->sel)) == 0)
			return &kernel.policy[i];
	return NULL;
}

static int add_policy(const struct xfrm_userpolicy_info *info)
{
	struct policy p = {.sel = info->sel, .dir = info->dir};

	if (find_policy(&p))
		return -EEXIST;
	assert_true(kernel.policies < POLICIES_MAX);
	kernel.policy[kernel.policies++] = p;
	return 0;
}

static int delete_policy(const struct xfrm_userpolicy_id *id)
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

static void tell(int type, uint32_t port, const void *body, size_t n)
{
	assert_true(kernel.n_news < NEWS_MAX && n <= sizeof(kernel.news[0].body));
	kernel.news[kernel.n_news].h = (struct nlmsghdr){.nlmsg_type = (uint16_t)type,
		.nlmsg_pid = port,
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(n)};
	memcpy(kernel.news[kernel.n_news].body, body, n);
	kernel.n_news++;
}

/* Inbound SPIs are 0x1..., outbound ones 0x2... */
static struct xfrm_usersa_id id_of(uint32_t spi)
{
	return (struct xfrm_usersa_id){
		.daddr.a4 = htonl(spi < 0x2000 ? LOCAL : SERVER),
		.spi = htonl(spi),
		.family = AF_INET,
		.proto = IPPROTO_ESP,
	};
}

static void tell_deleted(uint32_t spi, uint32_t port)
{
	struct xfrm_usersa_id id = id_of(spi);

	tell(XFRM_MSG_DELSA, port, &id, sizeof(id));
}

static struct xfrm_user_mapping mapping_of(uint32_t spi, uint16_t port)
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

static void tell_moved(const struct xfrm_user_mapping *m)
{
	tell(XFRM_MSG_MAPPING, 0, m, sizeof(*m));
}

/* ---- the plane ---- */

static void zeros(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0, n);
}

struct fixture {
	struct env env;
	struct xfrm_host host;
	struct esp *plane;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ip server = ip_v4(SERVER);

	kernel = (struct kernel){0};
	f->env = (struct env){.rng = zeros, .pool = pkt_pool_new()};
	*state = f;
	return xfrm_open(&f->env, &f->host, &server, REQID, &f->plane);
}

static int teardown(void **state)
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
static struct sa_pair pair_of(uint32_t n)
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

static void install(struct fixture *f, uint32_t n)
{
	struct sa_pair pair = pair_of(n);

	assert_int_equal(esp_install(f->plane, &pair, 1000), 0);
}

/* In UDP. */
static void install_natt(struct fixture *f, uint32_t n)
{
	struct sa_pair pair = pair_of(n);

	pair.lane = LANE_NATT;
	assert_int_equal(esp_install(f->plane, &pair, 1000), 0);
}

static void ready(struct fixture *f, msec now)
{
	xfrm_ready(f->plane, now);
	assert_int_equal(kernel.n_news, 0);
}

static bool event_is(struct fixture *f, enum esp_event_kind kind, uint32_t spi_in)
{
	struct esp_event ev;

	return esp_next_event(f->plane, &ev) && ev.kind == kind && ev.spi_in == spi_in;
}

static bool no_event(struct fixture *f)
{
	struct esp_event ev;

	return !esp_next_event(f->plane, &ev);
}

static unsigned sent(struct fixture *f, enum lane lane)
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

static unsigned received(struct fixture *f, enum lane lane, msec now)
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

/* ---- the tests ---- */

static void inbound_comes_first_and_outbound_when_it_is_used(void **state)
{
	struct fixture *f = *state;

	install(f, 0);
	assert_true(is_there(0x1000));
	assert_false(is_there(0x2000));
	assert_int_equal(sent(f, LANE_L2TP), 0);
	esp_use(f->plane, 0x1000);
	assert_true(is_there(0x2000));
	assert_int_equal(sent(f, LANE_L2TP), 1);
}

/* The kernel sends on the newest by the wall clock, which may be set back. */
static void the_old_outbound_sa_goes_at_once_and_the_inbound_one_stays(void **state)
{
	struct fixture *f = *state;

	install(f, 0);
	esp_use(f->plane, 0x1000);
	install(f, 1);
	assert_true(is_there(0x2000));
	esp_use(f->plane, 0x1001);
	assert_true(is_there(0x2001) && is_there(0x1001));
	assert_false(is_there(0x2000));
	assert_true(is_there(0x1000));
	esp_drop(f->plane, 0x1000);
	assert_false(is_there(0x1000));
	assert_true(is_there(0x2001));
}

/* It would number its packets from 1 again, under the same key. */
static void an_outbound_sa_never_comes_a_second_time(void **state)
{
	struct fixture *f = *state;

	install(f, 0);
	esp_use(f->plane, 0x1000);
	install(f, 1);
	esp_use(f->plane, 0x1001);
	esp_drop(f->plane, 0x1001);
	unsigned added = kernel.added;
	esp_use(f->plane, 0x1000);
	assert_int_equal(kernel.added, added);
	assert_false(is_there(0x2000));
	assert_int_equal(sent(f, LANE_L2TP), 0);
	install(f, 2);
	esp_use(f->plane, 0x1002);
	assert_int_equal(sent(f, LANE_L2TP), 1);
}

static void an_sa_that_is_not_as_it_was_meant_is_taken_back(void **state)
{
	struct fixture *f = *state;
	struct sa_pair pair = pair_of(0);
	struct esp_event ev;

	kernel.weakens = true;
	assert_int_equal(esp_install(f->plane, &pair, 1000), -EBADMSG);
	assert_int_equal(kernel.n, 0);
	kernel.weakens = false;
	install(f, 1);
	kernel.weakens = true;
	esp_use(f->plane, 0x1001);
	assert_false(is_there(0x2001));
	assert_true(esp_next_event(f->plane, &ev));
	assert_int_equal(ev.kind, ESP_EV_BROKEN);
	assert_int_equal(ev.error, -EBADMSG);
	assert_int_equal(sent(f, LANE_L2TP), 0);
}

static void a_refusal_is_told(void **state)
{
	struct fixture *f = *state;
	struct sa_pair pair = pair_of(0);
	struct esp_event ev;

	kernel.refuses = -ENOSYS;
	assert_int_equal(esp_install(f->plane, &pair, 1000), -ENOSYS);
	kernel.refuses = 0;
	install(f, 1);
	kernel.refuses = -ENOBUFS;
	esp_use(f->plane, 0x1001);
	assert_true(esp_next_event(f->plane, &ev));
	assert_int_equal(ev.kind, ESP_EV_BROKEN);
	assert_int_equal(ev.error, -ENOBUFS);
}

static void pairs_are_bounded_and_spis_are_unique(void **state)
{
	struct fixture *f = *state;
	struct sa_pair pair = pair_of(0);

	for (uint32_t n = 0; n < ESP_PAIRS_MAX; n++)
		install(f, n);
	assert_int_equal(esp_install(f->plane, &pair, 1000), -EEXIST);
	pair = pair_of(ESP_PAIRS_MAX);
	assert_int_equal(esp_install(f->plane, &pair, 1000), -ENOSPC);
}

static void only_what_came_through_the_protected_socket_counts(void **state)
{
	struct fixture *f = *state;

	install(f, 0);
	esp_use(f->plane, 0x1000);
	for (enum lane lane = LANE_IKE; lane < LANES; lane++)
		assert_int_equal(received(f, lane, 2000), lane == LANE_L2TP);
	assert_int_equal(esp_last_in(f->plane), 2000);
}

static void the_first_packet_of_a_pair_is_news_once(void **state)
{
	struct fixture *f = *state;

	install(f, 0);
	esp_use(f->plane, 0x1000);
	received(f, LANE_L2TP, 2000);
	assert_true(no_event(f)); /* of another pair */
	info_of(find(0x1000))->curlft.packets = 1;
	received(f, LANE_L2TP, 2200);
	assert_true(event_is(f, ESP_EV_FIRST_IN, 0x1000));
	received(f, LANE_L2TP, 2400);
	assert_true(no_event(f));
}

/* The session is the kernel's, and frames of PPP are all that is heard. */
static void the_first_packet_is_noticed_though_it_does_not_come_here(void **state)
{
	struct fixture *f = *state;
	struct pktq none = {0};
	struct io out = {0};

	install(f, 0);
	esp_use(f->plane, 0x1000);
	info_of(find(0x1000))->curlft.packets = 1;
	esp_recv(f->plane, &none, 2000, &out);
	assert_true(event_is(f, ESP_EV_FIRST_IN, 0x1000));
	assert_int_equal(esp_last_in(f->plane), 0);
}

/* A minute of batches, each of which asked once; and a pair that is used late is noticed nonetheless. */
static void a_pair_on_which_nothing_comes_is_asked_for_ever_more_rarely(void **state)
{
	struct fixture *f = *state;
	msec now;

	install(f, 0);
	esp_use(f->plane, 0x1000);
	kernel.asked = 0;
	for (now = 1000; now < 61000; now += 10)
		received(f, LANE_L2TP, now);
	assert_in_range(kernel.asked, 20, 100);
	info_of(find(0x1000))->curlft.packets = 1;
	received(f, LANE_L2TP, now + 60000 / 7); /* an eighth of its age then */
	assert_true(event_is(f, ESP_EV_FIRST_IN, 0x1000));
	kernel.asked = 0;
	received(f, LANE_L2TP, now * 2);
	assert_int_equal(kernel.asked, 0);
}

static void what_others_remove_is_news_and_what_we_remove_is_not(void **state)
{
	struct fixture *f = *state;

	install(f, 0);
	esp_use(f->plane, 0x1000);
	install(f, 1);
	tell_deleted(0x2000, OURS);
	tell_deleted(0x9999, OTHERS);
	ready(f, 2000);
	assert_true(no_event(f));
	tell_deleted(0x2001, OTHERS); /* waits to be added */
	ready(f, 2000);
	assert_true(no_event(f));
	tell_deleted(0x2000, OTHERS);
	ready(f, 2000);
	assert_true(event_is(f, ESP_EV_LOST, 0x1000));
	assert_true(no_event(f));
	tell(XFRM_MSG_FLUSHSA, OTHERS, &(struct xfrm_usersa_flush){0},
		sizeof(struct xfrm_usersa_flush));
	ready(f, 2000);
	assert_true(event_is(f, ESP_EV_LOST, 0x1001));
	assert_true(no_event(f));
}

static void what_has_another_destination_is_not_ours(void **state)
{
	struct fixture *f = *state;
	struct xfrm_usersa_id id = id_of(0x1000);

	install(f, 0);
	esp_use(f->plane, 0x1000);
	id.daddr.a4 = htonl(SERVER);
	tell(XFRM_MSG_DELSA, OTHERS, &id, sizeof(id));
	id = id_of(0x2000);
	id.daddr.a4 = htonl(MALLORY);
	tell(XFRM_MSG_DELSA, OTHERS, &id, sizeof(id));
	id = id_of(0x1000);
	id.family = AF_INET6;
	tell(XFRM_MSG_DELSA, OTHERS, &id, sizeof(id));
	ready(f, 2000);
	assert_true(no_event(f));
}

static void tell_expired(uint32_t spi, bool hard)
{
	struct xfrm_usersa_id id = id_of(spi);
	struct xfrm_user_expire expire = {
		.state = {.id = {.daddr = id.daddr, .spi = id.spi}, .family = id.family},
		.hard = hard,
	};

	tell(XFRM_MSG_EXPIRE, 0, &expire, sizeof(expire));
}

static void a_limit_that_is_near_asks_for_a_new_pair_and_the_last_one_is_a_loss(void **state)
{
	static const uint32_t halves[] = {0x1000, 0x2000};
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 2; i++) {
		install(f, 0);
		esp_use(f->plane, 0x1000);
		for (int again = 0; again < 2; again++)
			tell_expired(halves[i], false);
		tell_expired(0x9999, true);
		ready(f, 2000);
		assert_true(event_is(f, ESP_EV_EXHAUSTED, 0x1000));
		assert_true(no_event(f));
		tell_expired(halves[i], true);
		ready(f, 2000);
		assert_true(event_is(f, ESP_EV_LOST, 0x1000));
		assert_true(no_event(f));
		esp_drop(f->plane, 0x1000);
	}
}

/* Each says what would be news, were it whole. */
static void news_cut_anywhere_are_none(void **state)
{
	struct fixture *f = *state;
	struct xfrm_usersa_id deleted = id_of(0x1000);
	struct xfrm_user_mapping moved = mapping_of(0x1000, 4501);
	struct xfrm_user_expire expired = {
		.state = {.id.spi = htonl(0x1000), .id.daddr.a4 = htonl(LOCAL), .family = AF_INET}};
	const struct {
		int type;
		const void *body;
		size_t n;
	} whole[] = {
		{XFRM_MSG_DELSA, &deleted, sizeof(deleted)},
		{XFRM_MSG_MAPPING, &moved, sizeof(moved)},
		{XFRM_MSG_EXPIRE, &expired, sizeof(expired)},
	};

	install_natt(f, 0);
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		for (size_t n = 0; n < whole[i].n; n += 4) {
			tell(whole[i].type, OTHERS, whole[i].body, whole[i].n);
			kernel.news[0].h.nlmsg_len = (uint32_t)NLMSG_LENGTH(n);
			ready(f, 2000);
		}
	assert_true(no_event(f));
	assert_int_equal(kernel.updated, 0);
}

static void forget_news(struct fixture *f)
{
	kernel.forgot = true;
	ready(f, 3000);
}

static void what_went_while_news_were_lost_is_noticed_at_once(void **state)
{
	struct fixture *f = *state;
	struct xfrm_usersa_id out = id_of(0x2000), in = id_of(0x1001);

	install(f, 0);
	esp_use(f->plane, 0x1000);
	install(f, 1); /* its outbound half is not there, and that is right */
	install(f, 2);
	forget_news(f);
	assert_true(no_event(f));
	delete_sa(&out);
	kernel.policies = 0;
	forget_news(f);
	assert_true(event_is(f, ESP_EV_LOST, 0x1000));
	assert_true(no_event(f));
	assert_int_equal(kernel.policies, 2);
	delete_sa(&in);
	info_of(find(0x1002))->reqid++; /* somebody else's */
	forget_news(f);
	assert_true(event_is(f, ESP_EV_LOST, 0x1001));
	assert_true(event_is(f, ESP_EV_LOST, 0x1002));
	assert_true(no_event(f));
}

static void a_limit_that_came_near_while_news_were_lost_is_noticed(void **state)
{
	struct fixture *f = *state;

	install(f, 0);
	esp_use(f->plane, 0x1000);
	info_of(find(0x2000))->curlft.packets = 0x7fffffff;
	forget_news(f);
	assert_true(no_event(f));
	info_of(find(0x2000))->curlft.packets++;
	forget_news(f);
	assert_true(event_is(f, ESP_EV_EXHAUSTED, 0x1000));
	assert_true(no_event(f));
}

/* ---- a gateway that moves ---- */

static bool goes_to(uint32_t spi, uint16_t port)
{
	return ntohs(encap_of(find(spi))->encap_dport) == port;
}

static bool comes_from(uint32_t spi, uint16_t port)
{
	return ntohs(encap_of(find(spi))->encap_sport) == port;
}

/* Numbers go on: the SAs are changed, neither of them is made anew. */
static void a_gateway_that_moves_to_another_port_is_followed(void **state)
{
	struct fixture *f = *state;
	struct xfrm_user_mapping m = mapping_of(0x1000, 4501);

	install_natt(f, 0);
	esp_use(f->plane, 0x1000);
	info_of(find(0x2000))->curlft.packets = 5;
	unsigned added = kernel.added;
	tell_moved(&m);
	ready(f, 2000);
	assert_true(comes_from(0x1000, 4501) && goes_to(0x1000, 4500));
	assert_true(goes_to(0x2000, 4501) && comes_from(0x2000, 4500));
	assert_int_equal(kernel.added, added);
	assert_int_equal(info_of(find(0x2000))->curlft.packets, 5);
	assert_true(no_event(f));
	assert_int_equal(xfrm_port(f->plane), 4501);
	m.new_sport = htons(4502); /* and on */
	tell_moved(&m);
	ready(f, 4000);
	assert_true(comes_from(0x1000, 4502) && goes_to(0x2000, 4502));
	assert_int_equal(xfrm_port(f->plane), 4502);
	install_natt(f, 1); /* IKE has gone there, too, and knows nothing of it */
	esp_use(f->plane, 0x1001);
	assert_true(comes_from(0x1001, 4502) && goes_to(0x2001, 4502));
}

static void the_half_that_waits_goes_to_the_new_port_when_it_is_added(void **state)
{
	struct fixture *f = *state;
	struct xfrm_user_mapping m = mapping_of(0x1000, 4501);

	install_natt(f, 0);
	tell_moved(&m);
	ready(f, 2000);
	assert_true(comes_from(0x1000, 4501));
	assert_false(is_there(0x2000));
	esp_use(f->plane, 0x1000);
	assert_true(goes_to(0x2000, 4501));
	assert_true(no_event(f));
}

static void only_our_gateway_at_its_address_is_followed(void **state)
{
	struct fixture *f = *state;
	struct xfrm_user_mapping bad[6];

	install_natt(f, 0);
	install(f, 1);
	esp_use(f->plane, 0x1000);
	for (size_t i = 0; i < 6; i++)
		bad[i] = mapping_of(0x1000, 4501);
	bad[0].new_saddr.a4 = htonl(MALLORY);
	bad[1].reqid++;
	bad[2].new_sport = 0;
	bad[3].id = id_of(0x2000);
	bad[4].id.daddr.a4 = htonl(SERVER);
	bad[5].id = id_of(0x1001); /* has no ports */
	for (size_t i = 0; i < 6; i++) {
		tell_moved(&bad[i]);
		ready(f, 2000 + 2000 * i);
		assert_int_equal(kernel.updated, 0);
		assert_true(no_event(f));
	}
	assert_int_equal(xfrm_port(f->plane), 0);
}

/* The kernel tells it with each packet until it is answered; a gateway may jump with each packet. */
static void however_often_it_moves_it_is_followed_once_a_second(void **state)
{
	struct fixture *f = *state;

	install_natt(f, 0);
	esp_use(f->plane, 0x1000);
	for (unsigned s = 2; s < 5; s++) {
		for (uint16_t i = 0; i < NEWS_MAX; i++) {
			struct xfrm_user_mapping m = mapping_of(0x1000, 5000 + i % 2);

			tell_moved(&m);
		}
		kernel.updated = 0;
		ready(f, s * 1000);
		assert_int_equal(kernel.updated, 2);
		assert_true(no_event(f));
	}
}

static void what_cannot_follow_is_lost(void **state)
{
	struct fixture *f = *state;
	struct xfrm_user_mapping m = mapping_of(0x1000, 4501);

	install_natt(f, 0);
	esp_use(f->plane, 0x1000);
	kernel.refuses = -ENOBUFS;
	tell_moved(&m);
	ready(f, 2000);
	assert_true(event_is(f, ESP_EV_LOST, 0x1000));
	kernel.refuses = 0;
	install_natt(f, 1);
	kernel.weakens = true;
	m.id = id_of(0x1001);
	tell_moved(&m);
	ready(f, 4000);
	assert_true(event_is(f, ESP_EV_LOST, 0x1001));
	assert_false(is_there(0x1001)); /* what it is now is not what was meant */
	esp_drop(f->plane, 0x1001);
	delete_sa(&(struct xfrm_usersa_id){.spi = htonl(0x1000)});
	m.id = id_of(0x1000);
	tell_moved(&m);
	ready(f, 6000);
	assert_false(is_there(0x1000));
}

static struct esp *another(struct fixture *f, uint32_t server, uint32_t reqid)
{
	struct ip ip = ip_v4(server);
	struct esp *plane;

	assert_int_equal(xfrm_open(&f->env, &f->host, &ip, reqid, &plane), 0);
	return plane;
}

static void the_block_stands_until_the_last_plane_to_that_server_ends(void **state)
{
	struct fixture *f = *state;
	struct esp *same, *other;

	for (int turn = 0; turn < 2; turn++) {
		same = another(f, SERVER, REQID + 1);
		other = another(f, MALLORY, REQID + 2);
		assert_int_equal(kernel.policies, 4);
		kernel.policies_deleted = 0;
		esp_free(turn ? same : f->plane);
		f->plane = turn ? f->plane : same;
		assert_int_equal(kernel.policies_deleted, 0);
		esp_free(other);
		assert_int_equal(kernel.policies_deleted, 2);
		assert_int_equal(kernel.policies, 2);
	}
}

static void a_plane_that_cannot_open_leaves_the_block_to_the_others(void **state)
{
	struct fixture *f = *state;
	struct ip ip = ip_v4(SERVER), others = ip_v4(MALLORY);
	struct esp *plane;

	kernel.deaf = true;
	assert_int_equal(xfrm_open(&f->env, &f->host, &ip, REQID + 1, &plane), -EPERM);
	assert_null(plane);
	assert_int_equal(xfrm_open(&f->env, &f->host, &others, REQID + 1, &plane), -EPERM);
	assert_null(plane);
	assert_int_equal(kernel.policies_deleted, 0);
	assert_int_equal(kernel.policies, 2);
}

static void counters_outlive_their_pairs(void **state)
{
	struct fixture *f = *state;
	struct esp_counters in, out;
	struct esp_sa_status st;

	install(f, 0);
	esp_use(f->plane, 0x1000);
	info_of(find(0x1000))->curlft.packets = 3;
	info_of(find(0x1000))->stats.integrity_failed = 2;
	info_of(find(0x2000))->curlft.packets = 5;
	assert_true(esp_get_status(f->plane, 0, &st));
	assert_int_equal(st.in.packets, 3);
	assert_int_equal(st.in.icv_bad, 2);
	assert_int_equal(st.out.packets, 5);
	assert_true(st.in_use);
	assert_false(esp_get_status(f->plane, 1, &st));
	esp_drop(f->plane, 0x1000);
	esp_get_totals(f->plane, &in, &out);
	assert_int_equal(in.packets, 3);
	assert_int_equal(in.icv_bad, 2);
	assert_int_equal(out.packets, 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(inbound_comes_first_and_outbound_when_it_is_used),
		TEST(the_old_outbound_sa_goes_at_once_and_the_inbound_one_stays),
		TEST(an_outbound_sa_never_comes_a_second_time),
		TEST(an_sa_that_is_not_as_it_was_meant_is_taken_back),
		TEST(a_refusal_is_told),
		TEST(pairs_are_bounded_and_spis_are_unique),
		TEST(only_what_came_through_the_protected_socket_counts),
		TEST(the_first_packet_of_a_pair_is_news_once),
		TEST(the_first_packet_is_noticed_though_it_does_not_come_here),
		TEST(a_pair_on_which_nothing_comes_is_asked_for_ever_more_rarely),
		TEST(what_others_remove_is_news_and_what_we_remove_is_not),
		TEST(a_limit_that_is_near_asks_for_a_new_pair_and_the_last_one_is_a_loss),
		TEST(what_has_another_destination_is_not_ours),
		TEST(news_cut_anywhere_are_none),
		TEST(what_went_while_news_were_lost_is_noticed_at_once),
		TEST(a_limit_that_came_near_while_news_were_lost_is_noticed),
		TEST(a_gateway_that_moves_to_another_port_is_followed),
		TEST(the_half_that_waits_goes_to_the_new_port_when_it_is_added),
		TEST(only_our_gateway_at_its_address_is_followed),
		TEST(however_often_it_moves_it_is_followed_once_a_second),
		TEST(what_cannot_follow_is_lost),
		TEST(the_block_stands_until_the_last_plane_to_that_server_ends),
		TEST(a_plane_that_cannot_open_leaves_the_block_to_the_others),
		TEST(counters_outlive_their_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

#include "base/pkt.h"
#include "esp/esp.h"
#include "esp/xfrm.h"
#include "esp/xfrm_msg.h"
#include "esp/xfrm_sock.h"

enum { OURS = 1000, OTHERS = 1001, REQID = 77, SAS_MAX = 32, MESSAGE = 4096, NEWS_MAX = 8 };

/* ---- the kernel: in place of xfrm_sock.c ---- */

struct sa {
	uint8_t octets[MESSAGE]; /* the message that added it, with what it has counted since */
};

static struct kernel {
	struct sa sa[SAS_MAX];
	unsigned n, added, policies;
	int refuses;  /* -errno of the next SA */
	bool weakens; /* stores another key than it was told */
	struct {
		struct nlmsghdr h;
		uint8_t body[256];
	} news[NEWS_MAX];
	unsigned n_news;
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

static int add_sa(const struct nlmsghdr *h)
{
	struct sa *sa = &kernel.sa[kernel.n];
	struct nlattr *attrs[XFRMA_MAX + 1];

	assert_true(kernel.n < SAS_MAX && h->nlmsg_len <= MESSAGE);
	memcpy(sa->octets, h, h->nlmsg_len);
	if (kernel.refuses)
		return kernel.refuses;
	if (find(ntohl(info_of(sa)->id.spi)))
		return -EEXIST;
	if (kernel.weakens) {
		nlmsg_parse((struct nlmsghdr *)sa->octets, sizeof(struct xfrm_usersa_info), attrs,
			XFRMA_MAX, NULL);
		((uint8_t *)nla_data(attrs[XFRMA_ALG_AEAD]))[nla_len(attrs[XFRMA_ALG_AEAD]) - 1] ^=
			1;
	}
	kernel.n++;
	kernel.added++;
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

int xfrm_sock_open(struct xfrm_sock *s)
{
	*s = (struct xfrm_sock){.port = OURS};
	return 0;
}

int xfrm_sock_listen(struct xfrm_sock *s)
{
	*s = (struct xfrm_sock){0};
	return 0;
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
	case XFRM_MSG_DELSA:
		rc = delete_sa(id);
		break;
	case XFRM_MSG_GETSA:
		sa = find(ntohl(id->spi));
		rc = sa ? 0 : -ESRCH;
		if (sa)
			visit(ctx, (struct nlmsghdr *)sa->octets);
		break;
	case XFRM_MSG_NEWPOLICY:
		kernel.policies++;
		break;
	case XFRM_MSG_DELPOLICY:
		kernel.policies--;
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
	return 0;
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

static void tell_deleted(uint32_t spi, uint32_t port)
{
	struct xfrm_usersa_id id = {.spi = htonl(spi)};

	tell(XFRM_MSG_DELSA, port, &id, sizeof(id));
}

/* ---- the plane ---- */

static void zeros(void *ctx, void *to, size_t n)
{
	(void)ctx;
	memset(to, 0, n);
}

struct fixture {
	struct env env;
	struct esp *plane;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct ip server = ip_v4(0xc6336401);

	kernel = (struct kernel){0};
	f->env = (struct env){.rng = zeros, .pool = pkt_pool_new()};
	*state = f;
	return xfrm_open(&f->env, &server, REQID, &f->plane);
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
		.local = {ip_v4(0xc000020a), 0},
		.remote = {ip_v4(0xc6336401), 0},
		.local_port = L2TP_PORT,
		.remote_port = L2TP_PORT,
	};
}

static void install(struct fixture *f, uint32_t n)
{
	struct sa_pair pair = pair_of(n);

	assert_int_equal(esp_install(f->plane, &pair, 1000), 0);
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

static unsigned received(struct fixture *f, enum lane lane)
{
	struct pktq q = {0};
	struct io out = {0};
	struct pkt *p = pkt_new(f->env.pool, 100);

	p->lane = lane;
	pktq_put(&q, p);
	esp_recv(f->plane, &q, 2000, &out);
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
		assert_int_equal(received(f, lane), lane == LANE_L2TP);
	assert_int_equal(esp_last_in(f->plane), 2000);
}

static void the_first_packet_of_a_pair_is_news_once(void **state)
{
	struct fixture *f = *state;

	install(f, 0);
	esp_use(f->plane, 0x1000);
	received(f, LANE_L2TP);
	assert_true(no_event(f)); /* of another pair */
	info_of(find(0x1000))->curlft.packets = 1;
	received(f, LANE_L2TP);
	assert_true(event_is(f, ESP_EV_FIRST_IN, 0x1000));
	received(f, LANE_L2TP);
	assert_true(no_event(f));
}

static void what_others_remove_is_news_and_what_we_remove_is_not(void **state)
{
	struct fixture *f = *state;

	install(f, 0);
	esp_use(f->plane, 0x1000);
	install(f, 1);
	tell_deleted(0x2000, OURS);
	tell_deleted(0x9999, OTHERS);
	xfrm_ready(f->plane);
	assert_true(no_event(f));
	tell_deleted(0x2001, OTHERS); /* waits to be added */
	xfrm_ready(f->plane);
	assert_true(no_event(f));
	tell_deleted(0x2000, OTHERS);
	xfrm_ready(f->plane);
	assert_true(event_is(f, ESP_EV_LOST, 0x1000));
	assert_true(no_event(f));
	tell(XFRM_MSG_FLUSHSA, OTHERS, &(struct xfrm_usersa_flush){0},
		sizeof(struct xfrm_usersa_flush));
	xfrm_ready(f->plane);
	assert_true(event_is(f, ESP_EV_LOST, 0x1001));
	assert_true(no_event(f));
}

static void an_expiry_asks_for_a_new_pair(void **state)
{
	struct fixture *f = *state;
	struct xfrm_user_expire expire = {0};

	install(f, 0);
	expire.state.id.spi = htonl(0x1000);
	tell(XFRM_MSG_EXPIRE, 0, &expire, sizeof(expire));
	xfrm_ready(f->plane);
	assert_true(event_is(f, ESP_EV_EXHAUSTED, 0x1000));
}

static void news_cut_anywhere_are_safe(void **state)
{
	struct fixture *f = *state;
	uint8_t body[256] = {0};

	install(f, 0);
	for (int type = XFRM_MSG_BASE; type <= XFRM_MSG_MAX; type++)
		for (size_t n = 0; n < sizeof(struct xfrm_usersa_id); n += 4) {
			tell(type, OTHERS, body, n);
			if (type != XFRM_MSG_FLUSHSA)
				xfrm_ready(f->plane);
			kernel.n_news = 0;
		}
	assert_true(no_event(f));
	kernel.policies = 2; /* they were put back many times */
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
		TEST(what_others_remove_is_news_and_what_we_remove_is_not),
		TEST(an_expiry_asks_for_a_new_pair),
		TEST(news_cut_anywhere_are_safe),
		TEST(counters_outlive_their_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the kernel's plane makes of news: SAs and policies that others removed, limits, a gateway that
 * moved, and news that were lost. */
#include "tests/unit/xfrm_kernel.h"

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

/* In the middle of a rekey: the gateway sends on the old pair, we will on the new one; or the gateway
 * sends on the new one, we still on the old one. */
static void all_pairs_follow_whichever_the_gateway_sends_on(void **state)
{
	struct fixture *f = *state;

	for (uint32_t says = 0; says < 2; says++) {
		uint32_t old = 2 * says, new = old + 1;
		uint16_t port = (uint16_t)(4501 + says);
		struct xfrm_user_mapping m = mapping_of(0x1000 + old + says, port);

		install_natt(f, old);
		esp_use(f->plane, 0x1000 + old);
		install_natt(f, new);
		tell_moved(&m);
		ready(f, 2000 + 2000 * says);
		assert_true(comes_from(0x1000 + old, port) && goes_to(0x2000 + old, port));
		assert_true(comes_from(0x1000 + new, port));
		esp_use(f->plane, 0x1000 + new);
		assert_true(goes_to(0x2000 + new, port));
		assert_true(no_event(f));
	}
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
	assert_int_equal(xfrm_port(f->plane), 4501); /* where IKE makes the next one */
	kernel.refuses = 0;
	install_natt(f, 1);
	kernel.weakens = true;
	m = mapping_of(0x1001, 4502);
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_others_remove_is_news_and_what_we_remove_is_not),
		TEST(a_limit_that_is_near_asks_for_a_new_pair_and_the_last_one_is_a_loss),
		TEST(what_has_another_destination_is_not_ours),
		TEST(news_cut_anywhere_are_none),
		TEST(what_went_while_news_were_lost_is_noticed_at_once),
		TEST(a_limit_that_came_near_while_news_were_lost_is_noticed),
		TEST(a_gateway_that_moves_to_another_port_is_followed),
		TEST(the_half_that_waits_goes_to_the_new_port_when_it_is_added),
		TEST(all_pairs_follow_whichever_the_gateway_sends_on),
		TEST(only_our_gateway_at_its_address_is_followed),
		TEST(however_often_it_moves_it_is_followed_once_a_second),
		TEST(what_cannot_follow_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

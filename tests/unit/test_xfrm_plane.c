/* The kernel's plane against a kernel of the test's own: which SAs and policies are there when. */
#include "tests/unit/xfrm_kernel.h"

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
		TEST(the_block_stands_until_the_last_plane_to_that_server_ends),
		TEST(a_plane_that_cannot_open_leaves_the_block_to_the_others),
		TEST(counters_outlive_their_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

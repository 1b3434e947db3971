/* esp/ against what an attacker sends, and what an authentic peer should not. */
#include "tests/unit/esp_ends.h"

static void every_truncation_is_refused(void **state)
{
	struct ends *e = *state;

	for (size_t i = 0; i < SUITES; i++) {
		connect_ends(e, &suites[i]);
		struct pkt *p = sealed_by_peer(e, 30);
		struct esp_counters before = counted_in(e->us), c;

		for (size_t n = 0; n < p->len; n++)
			assert_int_equal(delivered(e, e->us, slice(p->data, n)), 0);
		c = counted_in(e->us);
		assert_int_equal(refused(&c) - refused(&before), p->len);
		assert_int_equal(c.no_sa - before.no_sa, 4); /* not even an SPI */
		assert_int_equal(c.replayed - before.replayed, 0);
		assert_int_equal(delivered(e, e->us, pkt_slice(p)), 1);
		pkt_free(p);
		esp_drop(e->us, 0x1001);
		esp_drop(e->peer, 0x2002);
	}
}

static void every_flipped_bit_is_noticed(void **state)
{
	struct ends *e = *state;

	for (size_t i = 0; i < SUITES; i++) {
		connect_ends(e, &suites[i]);
		struct pkt *p = sealed_by_peer(e, 12);

		for (size_t bit = 0; bit < 8 * p->len; bit++) {
			p->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(delivered(e, e->us, pkt_slice(p)), 0);
			p->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(delivered(e, e->us, pkt_slice(p)), 1);
		pkt_free(p);
		esp_drop(e->us, 0x1001);
		esp_drop(e->peer, 0x2002);
	}
}

/* Random octets behind a right SPI, of every length, each in a block of its own size. */
static void garbage_of_every_length_is_safe(void **state)
{
	struct ends *e = *state;

	for (size_t i = 0; i < SUITES; i++) {
		connect_ends(e, &suites[i]);
		for (size_t n = 0; n <= 128; n++) {
			uint8_t *octets = malloc(n ? n : 1);
			struct pkt *p = pkt_new(e->env->pool, n), *view;
			struct pktq q = {0};
			struct io out;

			env_random(e->env, octets, n);
			if (n >= 4)
				put_u32(octets, 0x1001);
			memcpy(p->data, octets, n);
			view = pkt_view(p, p->data, n, p->data, p->data + n);
			pktq_put(&q, view);
			out = recv_at(e->us, &q);
			assert_int_equal(out.up.count, 0);
			pkt_free(p);
			free(octets);
		}
		assert_int_equal(counted_in(e->us).packets, 0);
		esp_drop(e->us, 0x1001);
		esp_drop(e->peer, 0x2002);
	}
}

static void only_a_whole_udp_packet_to_our_port_is_delivered(void **state)
{
	static const struct {
		uint8_t at, value, value2; /* two octets changed */
		bool fine;
	} rows[] = {
		{0, 6, 165, true}, {0, 0x30, 0x39, true}, /* from the pair's port, 12345 */
		{0, 6, 166, false},                       /* from nowhere we know */
		{2, 6, 164, false},                       /* not to us */
		{4, 0, 8, true}, /* empty, and padding against traffic analysis */
		{4, 0, 7, false}, {4, 0, 0, false}, {4, 0, 13, false}, /* longer than there is */
		{4, 255, 255, false}, {6, 0, 0, true},                 /* any checksum */
		{12, 0, 2, false}, {12, 1, 1, false},                  /* padding is 1, 2 */
		{12, 2, 1, false}, {14, 2, 59, true}, /* a dummy: delivered to nobody, see below */
		{14, 2, 4, false},                    /* IP in IP: tunnel mode */
		{14, 2, 6, false}, {14, 15, 17, false}, /* more padding than packet */
		{14, 255, 17, false}, {14, 3, 17, false},
		{14, 0, 17, true}, /* no padding: behind the UDP packet */
	};
	struct ends *e = *state;
	struct sa_pair pair = new_pair(e->env, &sha1, 0x1001, 0x2002);
	struct esp_counters c = {0};

	pair.remote_port = 12345;
	install_and_use(e->us, &pair);
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t text[16];
		bool dummy = rows[i].value2 == 59;

		memcpy(text, good_text, sizeof(text));
		text[rows[i].at] = rows[i].value;
		text[rows[i].at + 1] = rows[i].value2;
		assert_int_equal(
			deliver_text(e, &pair, i + 1, text, sizeof(text)), rows[i].fine && !dummy);
		c.packets += rows[i].fine;
		c.malformed += !rows[i].fine;
	}
	assert_int_equal(counted_in(e->us).packets, c.packets);
	assert_int_equal(counted_in(e->us).malformed, c.malformed);
	assert_int_equal(esp_last_in(e->us), 3000);
}

/* Texts so short that there is no UDP header, or no trailer. GCM knows no blocks. */
static void authentic_runts_are_malformed(void **state)
{
	struct ends *e = *state;
	struct sa_pair pair = connect_ends(e, &gcm);

	for (uint32_t n = 1; n < 10; n++) {
		uint8_t text[16] = {0};

		text[n - 1] = 17;
		assert_int_equal(deliver_text(e, &pair, n, text, n), 0);
		assert_int_equal(counted_in(e->us).malformed, n);
	}
}

static void a_packet_is_accepted_once(void **state)
{
	struct ends *e = *state;
	struct pktq q = {0};
	struct io out;

	connect_ends(e, &sha1);
	struct pkt *p = sealed_by_peer(e, 40);
	for (unsigned i = 0; i < 5; i++) /* in one batch */
		put(e, &q, pkt_slice(p));
	out = recv_at(e->us, &q);
	assert_int_equal(out.up.count, 1);
	pktq_free(&out.up);
	assert_int_equal(delivered(e, e->us, pkt_slice(p)), 0);
	assert_int_equal(counted_in(e->us).replayed, 5);
	p->data[p->len - 1] ^= 1; /* an old number is not even verified */
	assert_int_equal(delivered(e, e->us, pkt_slice(p)), 0);
	assert_int_equal(counted_in(e->us).replayed, 6);
	assert_int_equal(counted_in(e->us).icv_bad, 0);
	assert_int_equal(counted_in(e->us).packets, 1);
	pkt_free(p);
}

/* A forged packet from far ahead must not close the window behind it. */
static void a_forged_number_does_not_move_the_window(void **state)
{
	struct ends *e = *state;

	connect_ends(e, &sha1);
	struct pkt *p = sealed_by_peer(e, 40);
	put_u32(p->data + 4, 0xffffffff);
	assert_int_equal(delivered(e, e->us, pkt_slice(p)), 0);
	put_u32(p->data + 4, 1);
	assert_int_equal(delivered(e, e->us, pkt_slice(p)), 1);
	pkt_free(p);
}

static void a_shuffled_and_doubled_stream_arrives_once(void **state)
{
	enum { N = 1500 };
	struct ends *e = *state;
	struct pkt *pkts[N];
	bool seen[N] = {0};
	struct pktq q = {0};
	struct io out;

	connect_ends(e, &gcm);
	for (uint32_t i = 0; i < N; i++)
		put_numbered(e, &q, i, 30);
	out = send_from(e->peer, &q);
	for (uint32_t i = 0; i < N; i++)
		pkts[i] = pktq_take(&out.down);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t k = i + env_random_u32(e->env) % (N - i);
		struct pkt *p = pkts[k];

		pkts[k] = pkts[i];
		pkts[i] = p;
		put(e, &q, pkt_slice(p));
		put(e, &q, pkt_slice(pkts[env_random_u32(e->env) % N]));
	}
	out = recv_at(e->us, &q);
	assert_int_equal(out.up.count, N);
	for (struct pkt *p = pktq_take(&out.up); p; p = pktq_take(&out.up)) {
		uint32_t number = get_u32(p->data);

		assert_true(number < N && !seen[number]);
		seen[number] = true;
		pkt_free(p);
	}
	assert_int_equal(counted_in(e->us).replayed, N);
	for (uint32_t i = 0; i < N; i++)
		pkt_free(pkts[i]);
}

/* ---- SHA2-256 cut to 96 bits ---- */

static void a_peer_that_truncates_sha256_is_recognised(void **state)
{
	struct esp_suite whole = {ESP_AES_CBC, 32, HASH_SHA256, 16};
	struct ends *e = *state;
	struct sa_pair pair = new_pair(e->env, &whole, 0x1001, 0x2002), m = mirror(&pair);
	struct pktq q = {0};
	struct io out;

	m.suite.icv_len = 12;
	install_and_use(e->us, &pair);
	install_and_use(e->peer, &m);
	for (uint32_t i = 0; i < 100; i++)
		put_numbered(e, &q, i, i);
	out = send_from(e->peer, &q);
	out = recv_at(e->us, &out.down);
	assert_int_equal(out.up.count, 0);
	assert_int_equal(counted_in(e->us).icv_bad, 100);
	assert_int_equal(counted_in(e->us).truncated_icv_would_fit, 64);
}

static void forged_packets_do_not_look_truncated(void **state)
{
	static const struct esp_suite whole = {ESP_AES_CBC, 32, HASH_SHA256, 16};
	struct ends *e = *state;

	connect_ends(e, &whole);
	struct pkt *p = sealed_by_peer(e, 40);
	p->data[p->len - 16] ^= 1; /* the first octet of the ICV */
	assert_int_equal(delivered(e, e->us, pkt_slice(p)), 0);
	assert_int_equal(delivered(e, e->us, slice(p->data, p->len - 4)), 0);
	assert_int_equal(counted_in(e->us).icv_bad, 2);
	assert_int_equal(counted_in(e->us).truncated_icv_would_fit, 0);
	pkt_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			every_truncation_is_refused, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			every_flipped_bit_is_noticed, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			garbage_of_every_length_is_safe, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(only_a_whole_udp_packet_to_our_port_is_delivered,
			ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			authentic_runts_are_malformed, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			a_packet_is_accepted_once, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			a_forged_number_does_not_move_the_window, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			a_shuffled_and_doubled_stream_arrives_once, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			a_peer_that_truncates_sha256_is_recognised, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			forged_packets_do_not_look_truncated, ends_setup, ends_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* esp/: what one end seals the other opens; pairs, events, limits, IPv6. */
#include "tests/unit/esp_ends.h"

#include <errno.h>

/* ---- both ways ---- */

static void what_one_end_seals_the_other_opens(void **state)
{
	struct ends *e = *state;

	for (size_t i = 0; i < SUITES; i++) {
		struct sa_pair pair = connect_ends(e, &suites[i]);
		struct pktq q = {0};
		struct io out;

		for (uint32_t n = 0; n <= 1500; n++)
			put_numbered(e, &q, n, n);
		out = send_from(e->us, &q);
		assert_int_equal(out.down.count, 1501);
		out = recv_at(e->peer, &out.down);
		assert_int_equal(out.up.count, 1501);
		for (uint32_t n = 0; n <= 1500; n++) {
			struct pkt *p = pktq_take(&out.up);

			assert_int_equal(p->len, n);
			assert_true(n < 4 || get_u32(p->data) == n);
			pkt_free(p);
		}
		esp_drop(e->us, pair.in.spi);
		esp_drop(e->peer, pair.out.spi);
	}
}

static void packets_leave_by_the_lane_of_their_pair(void **state)
{
	struct ends *e = *state;

	for (enum lane lane = LANE_NATT; lane <= LANE_RAW; lane++) {
		struct sa_pair pair = new_pair(e->env, &gcm, 0x1000u + lane, 0x2002);
		struct pktq q = {0};
		struct io out;

		pair.lane = lane;
		install_and_use(e->us, &pair);
		put_numbered(e, &q, 1, 40);
		out = send_from(e->us, &q);
		assert_int_equal(out.down.head->lane, lane);
		pktq_free(&out.down);
	}
}

/* Sequence numbers count from 1 without a gap over all batches, and no IV comes twice. */
static void numbers_are_consecutive_and_ivs_are_unique(void **state)
{
	enum { N = 300 };
	struct ends *e = *state;

	for (size_t i = 0; i < SUITES; i++) {
		struct sa_pair pair = connect_ends(e, &suites[i]);
		size_t iv_len = esp_iv_len(&suites[i]);
		uint8_t iv[N][16];
		struct pktq q = {0};
		struct io out;

		for (uint32_t n = 0; n < N; n++)
			put_numbered(e, &q, n, 20);
		out = send_from(e->us, &q);
		for (uint32_t n = 0; n < N; n++) {
			struct pkt *p = pktq_take(&out.down);

			assert_int_equal(get_u32(p->data), pair.out.spi);
			assert_int_equal(get_u32(p->data + 4), n + 1);
			memcpy(iv[n], p->data + 8, iv_len);
			for (uint32_t k = 0; k < n; k++)
				assert_memory_not_equal(iv[k], iv[n], iv_len);
			pkt_free(p);
		}
		esp_drop(e->us, pair.in.spi);
		esp_drop(e->peer, pair.out.spi);
	}
}

static size_t sealed_len(struct ends *e, size_t n)
{
	struct pkt *p = sealed_by_peer(e, n);
	size_t len = p->len;

	pkt_free(p);
	return len;
}

static void the_longest_payload_fits_and_one_octet_more_does_not(void **state)
{
	struct ends *e = *state;

	for (size_t i = 0; i < SUITES; i++) {
		connect_ends(e, &suites[i]);
		for (size_t room = 128; room < 192; room++) {
			size_t most = esp_payload_max(&suites[i], room);

			assert_in_range(sealed_len(e, most), 1, room);
			assert_true(sealed_len(e, most + 1) > room);
		}
		assert_int_equal(esp_payload_max(&suites[i], 0), 0);
		esp_drop(e->us, 0x1001);
		esp_drop(e->peer, 0x2002);
	}
}

/* A queue of packets for two pairs and for nobody keeps its order. */
static void mixed_queues_keep_their_order(void **state)
{
	struct ends *e = *state;
	struct sa_pair a = connect_ends(e, &sha1), b = new_pair(e->env, &gcm, 0x3003, 0x4004);
	struct sa_pair bm = mirror(&b);
	struct pktq mixed = {0}, q = {0};
	uint32_t want = 0;

	assert_int_equal(esp_install(e->us, &b, 0), 0);
	assert_int_equal(esp_install(e->peer, &bm, 0), 0);
	for (uint32_t n = 0; n < 400; n++) {
		struct io out;

		esp_use(e->peer, n % 150 < 100 ? a.out.spi : b.out.spi);
		put_numbered(e, &q, n, 50);
		out = send_from(e->peer, &q);
		if (n % 50 == 7)
			put_u32(out.down.head->data, 0xdeadbeef);
		pktq_join(&mixed, &out.down);
	}
	struct io out = recv_at(e->us, &mixed);
	assert_int_equal(out.up.count, 392);
	for (struct pkt *p = pktq_take(&out.up); p; p = pktq_take(&out.up), want++) {
		want += want % 50 == 7;
		assert_int_equal(get_u32(p->data), want);
		pkt_free(p);
	}
	assert_int_equal(counted_in(e->us).no_sa, 8);
	assert_int_equal(counted_in(e->us).packets, 392);
}

/* ---- pairs ---- */

static void pairs_have_limits(void **state)
{
	static const struct esp_suite null_auth = {ESP_AES_CBC, 16, HASH_SHA1, 0};
	struct ends *e = *state;
	struct esp_sa_status s;

	for (uint32_t i = 0; i < ESP_PAIRS_MAX; i++) {
		struct sa_pair pair = new_pair(e->env, &gcm, 0x1000 + i, 0x2000);

		assert_int_equal(esp_install(e->us, &pair, 7), 0);
		assert_int_equal(esp_install(e->us, &pair, 8), -EEXIST);
		assert_true(esp_get_status(e->us, i, &s));
		assert_int_equal(s.spi_in, 0x1000 + i);
		assert_int_equal(s.installed_at, 7);
		assert_false(s.in_use);
		assert_false(esp_get_status(e->us, i + 1, &s));
	}
	struct sa_pair more = new_pair(e->env, &gcm, 0x3000, 0x2000);
	assert_int_equal(esp_install(e->us, &more, 0), -ENOSPC);
	esp_drop(e->us, 0x1003);
	esp_drop(e->us, 0x1003);
	esp_drop(e->us, 0x9999);
	esp_use(e->us, 0x9999);
	more.suite = null_auth;
	assert_int_equal(esp_install(e->us, &more, 0), -ENOTSUP);
	more.suite = gcm;
	assert_int_equal(esp_install(e->us, &more, 0), 0);
	assert_true(esp_get_status(e->us, 3, &s));
	assert_int_equal(s.spi_in, 0x1004);
	assert_true(esp_get_status(e->us, 7, &s));
	assert_int_equal(s.spi_in, 0x3000);
}

static void nothing_is_sent_before_a_pair_is_used_nor_after_it_is_dropped(void **state)
{
	struct ends *e = *state;
	struct sa_pair pair = new_pair(e->env, &gcm, 0x1001, 0x2002);
	struct pktq q = {0};

	for (unsigned step = 0; step < 4; step++) {
		struct io out;

		put_numbered(e, &q, step, 20);
		out = send_from(e->us, &q);
		assert_int_equal(out.down.count, step == 2);
		pktq_free(&out.down);
		if (step == 0)
			assert_int_equal(esp_install(e->us, &pair, 0), 0);
		if (step == 1)
			esp_use(e->us, pair.in.spi);
		if (step == 2)
			esp_drop(e->us, pair.in.spi);
	}
	assert_int_equal(counted_out(e->us).no_sa, 3);
	assert_int_equal(counted_out(e->us).packets, 1);
}

static void the_old_pair_still_opens_until_it_is_dropped(void **state)
{
	struct ends *e = *state;
	struct sa_pair old = connect_ends(e, &sha1), new = new_pair(e->env, &gcm, 0x3003, 0x4004);
	struct pkt *late = sealed_by_peer(e, 40), *later = sealed_by_peer(e, 40);
	struct esp_sa_status s;

	install_and_use(e->us, &new);
	assert_true(esp_get_status(e->us, 0, &s));
	assert_false(s.in_use);
	assert_true(esp_get_status(e->us, 1, &s));
	assert_true(s.in_use);
	assert_int_equal(delivered(e, e->us, pkt_slice(late)), 1);
	esp_drop(e->us, old.in.spi);
	assert_int_equal(delivered(e, e->us, pkt_slice(later)), 0);
	assert_int_equal(counted_in(e->us).no_sa, 1);
	assert_int_equal(counted_in(e->us).packets, 1); /* of the dropped pair too */
	pkt_free(late);
	pkt_free(later);
}

static void the_first_authentic_packet_is_news_once(void **state)
{
	struct ends *e = *state;
	struct sa_pair pair = connect_ends(e, &sha1);
	struct esp_event ev;

	struct pkt *a = sealed_by_peer(e, 40), *b = sealed_by_peer(e, 40);
	a->data[30] ^= 1;
	assert_int_equal(delivered(e, e->us, pkt_slice(a)), 0);
	assert_false(esp_next_event(e->us, &ev));
	assert_int_equal(esp_last_in(e->us), 0);
	a->data[30] ^= 1;
	assert_int_equal(delivered(e, e->us, pkt_slice(a)), 1);
	assert_int_equal(esp_last_in(e->us), 3000);
	assert_true(esp_next_event(e->us, &ev));
	assert_int_equal(ev.kind, ESP_EV_FIRST_IN);
	assert_int_equal(ev.spi_in, pair.in.spi);
	assert_int_equal(delivered(e, e->us, pkt_slice(b)), 1);
	assert_false(esp_next_event(e->us, &ev));
	pkt_free(a);
	pkt_free(b);
}

/* Chance that wants a reserved SPI, then a taken one. */
static void loaded_dice(void *ctx, void *to, size_t n)
{
	static const uint32_t dice[] = {0, 1, ESP_SPI_MIN - 1, 0x1001, ESP_SPI_MIN};
	size_t *thrown = ctx;

	assert_true(n == 4 && *thrown < sizeof(dice) / sizeof(dice[0]));
	memcpy(to, &dice[(*thrown)++], n);
}

static void new_spis_are_free_and_not_reserved(void **state)
{
	struct ends *e = *state;
	size_t thrown = 0;
	struct env env = *e->env;
	struct esp *esp = esp_new(&env);
	struct sa_pair pair = new_pair(e->env, &gcm, 0x1001, 0x2002);

	env.rng = loaded_dice;
	env.ctx = &thrown;
	assert_int_equal(esp_install(esp, &pair, 0), 0);
	assert_int_equal(esp_new_spi(esp), ESP_SPI_MIN);
	esp_free(esp);
}

/* ---- limits ---- */

static void an_sa_asks_for_its_successor_and_then_ends(void **state)
{
	struct ends *e = *state;
	struct sa_pair pair = connect_ends(e, &sha1);
	struct esp_event ev;
	struct pktq q = {0};
	struct io out;

	esp_find(e->us, pair.in.spi)->seq = 0x7ffffffd;
	for (unsigned i = 0; i < 4; i++) {
		put_numbered(e, &q, i, 20);
		out = send_from(e->us, &q);
		pktq_free(&out.down);
		assert_int_equal(esp_next_event(e->us, &ev), i == 2);
	}
	assert_int_equal(ev.kind, ESP_EV_EXHAUSTED);
	assert_int_equal(ev.spi_in, pair.in.spi);

	esp_find(e->us, pair.in.spi)->seq = 0xfffffffd;
	for (unsigned i = 0; i < 5; i++)
		put_numbered(e, &q, i, 20);
	out = send_from(e->us, &q);
	assert_int_equal(out.down.count, 2);
	assert_int_equal(get_u32(out.down.tail->data + 4), 0xffffffff);
	assert_int_equal(counted_out(e->us).exhausted, 3);
	pktq_free(&out.down);
	put_numbered(e, &q, 9, 20);
	out = send_from(e->us, &q);
	assert_int_equal(out.down.count, 0);
	assert_int_equal(counted_out(e->us).exhausted, 4);
	assert_false(esp_next_event(e->us, &ev));
}

/* The peer's numbers run out as well, and it may not notice. */
static void an_inbound_sa_near_its_end_asks_too(void **state)
{
	struct ends *e = *state;
	struct sa_pair pair = connect_ends(e, &sha1);
	struct esp_event ev;

	assert_int_equal(deliver_text(e, &pair, 0x7fffffff, good_text, 16), 1);
	assert_true(esp_next_event(e->us, &ev) && ev.kind == ESP_EV_FIRST_IN);
	assert_false(esp_next_event(e->us, &ev));
	assert_int_equal(deliver_text(e, &pair, 0x80000000, good_text, 16), 1);
	assert_true(esp_next_event(e->us, &ev) && ev.kind == ESP_EV_EXHAUSTED);
}

/* Sweet32: before 1 GiB in one direction. */
static void a_3des_sa_asks_before_a_gibibyte(void **state)
{
	static const struct esp_suite des = {ESP_3DES, 24, HASH_SHA1, 12};
	struct ends *e = *state;
	const struct esp_suite *both[] = {&des, &sha1};

	for (size_t i = 0; i < 2; i++) {
		struct sa_pair pair = connect_ends(e, both[i]);
		struct esp_sa *sa = esp_find(e->us, pair.in.spi);
		struct pktq q = {0};
		struct esp_event ev;
		bool asked = false;

		while (sa->out.count.octets < UINT64_C(1) << 30 && !asked) {
			struct io out;

			sa->out.count.octets +=
				1 << 20; /* a mebibyte that the test has no time for */
			put_numbered(e, &q, 1, 1000);
			out = send_from(e->us, &q);
			pktq_free(&out.down);
			asked = esp_next_event(e->us, &ev);
		}
		assert_int_equal(asked, i == 0);
		esp_drop(e->us, pair.in.spi);
		esp_drop(e->peer, pair.out.spi);
	}
}

static void a_packet_without_room_is_counted_and_gone(void **state)
{
	struct ends *e = *state;
	struct pkt *p = pkt_new(e->env->pool, 1000);
	struct pktq q = {0};
	struct io out;

	connect_ends(e, &sha1);
	pkt_put(p, 900);
	/* front short by one, tail short by one, neither: 900 + 8 + 2 needs 2 of padding */
	pktq_put(&q, pkt_view(p, p->data, 900, p->data - 31, p->ceil));
	pktq_put(&q, pkt_view(p, p->data, 900, p->data - 32, p->data + 900 + 15));
	pktq_put(&q, pkt_view(p, p->data, 900, p->data - 32, p->data + 900 + 16));
	pkt_free(p);
	out = send_from(e->us, &q);
	assert_int_equal(out.down.count, 1);
	assert_int_equal(counted_out(e->us).no_room, 2);
	assert_int_equal(get_u32(out.down.head->data + 4), 1); /* they took no number */
	pktq_free(&out.down);
}

/* A queue of which more than a batch cannot be sent: the rest has numbers and IVs as ever. */
static void packets_behind_refused_ones_get_ivs_of_their_own(void **state)
{
	enum { REFUSED = PKT_BATCH + 6, N = PKT_BATCH };
	struct ends *e = *state;
	static uint8_t iv[N][16];
	struct pktq q = {0};

	connect_ends(e, &sha1);
	for (unsigned i = 0; i < REFUSED; i++) {
		struct pkt *p = pkt_new(e->env->pool, 100);

		pktq_put(&q, pkt_view(p, p->data, 40, p->data, p->data + 40));
		pkt_free(p);
	}
	for (uint32_t i = 0; i < N; i++)
		put_numbered(e, &q, i, 40);
	struct io out = send_from(e->us, &q);
	assert_int_equal(counted_out(e->us).no_room, REFUSED);
	assert_int_equal(out.down.count, N);
	for (uint32_t i = 0; i < N; i++) {
		struct pkt *p = pktq_take(&out.down);

		assert_int_equal(get_u32(p->data + 4), i + 1);
		memcpy(iv[i], p->data + 8, 16);
		for (uint32_t k = 0; k < i; k++)
			assert_memory_not_equal(iv[k], iv[i], 16);
		pkt_free(p);
	}
}

/* The largest buffer there is, filled: it leaves and arrives whole. */
static void the_longest_packet_goes_through(void **state)
{
	enum { LONGEST = PKT_LARGE - 24 - 18 }; /* UDP, SPI, number, IV; trailer, ICV */
	struct ends *e = *state;
	struct pkt *p = pkt_new(e->env->pool, PKT_LARGE - PKT_ROOM);
	struct pktq q = {0};

	connect_ends(e, &gcm);
	memset(p->floor, 0x5a, PKT_LARGE);
	pktq_put(&q, pkt_view(p, p->floor + 24, LONGEST, p->floor, p->ceil));
	pkt_free(p);
	struct io out = send_from(e->us, &q);
	assert_int_equal(out.down.count, 1);
	out = recv_at(e->peer, &out.down);
	assert_int_equal(out.up.count, 1);
	assert_int_equal(out.up.head->len, LONGEST);
	pktq_free(&out.up);
}

/* ---- IPv6 ---- */

static uint16_t sum_of(struct slice s)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < s.n; i++)
		sum += (uint32_t)s.p[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The UDP packet inside, checked as RFC 8200, 8.1 has it; returns its checksum field. */
static uint16_t sealed_checksum(struct ends *e, const struct sa_pair *pair, struct slice payload)
{
	struct crypto_esp *open =
		crypto_esp_new(e->env->crypto, &pair->suite, pair->out.key, NULL, CRYPTO_ESP_OPEN);
	uint8_t pseudo[40 + 1600] = {0};
	struct pktq q = {0};
	size_t n = payload.n + 8;

	put(e, &q, payload);
	struct io out = send_from(e->us, &q);
	struct pkt *p = pktq_take(&out.down);
	struct crypto_esp_job job = {.packet = p->data, .len = p->len};
	crypto_esp_open(open, &job, 1);
	assert_int_equal(job.result, CRYPTO_ESP_OK);
	memcpy(pseudo, pair->local.ip.b, 16);
	memcpy(pseudo + 16, pair->remote.ip.b, 16);
	put_u32(pseudo + 32, (uint32_t)n);
	pseudo[39] = 17;
	memcpy(pseudo + 40, p->data + 16, n);
	assert_int_equal(sum_of(slice(pseudo, 40 + n)), 0xffff);
	pkt_free(p);
	crypto_esp_free(open);
	return get_u16(pseudo + 46);
}

static void over_ipv6_the_inner_checksum_is_right_and_never_0(void **state)
{
	struct ends *e = *state;
	struct sa_pair pair = new_pair(e->env, &gcm, 0x1001, 0x2002);
	uint8_t payload[1500];

	assert_true(ip_parse("2001:db8::1", &pair.local.ip));
	assert_true(ip_parse("2001:db8:ffff::2", &pair.remote.ip));
	install_and_use(e->us, &pair);
	for (size_t n = 0; n <= sizeof(payload); n += n < 20 ? 1 : 37) {
		env_random(e->env, payload, n);
		assert_int_not_equal(sealed_checksum(e, &pair, slice(payload, n)), 0);
	}
	/* A payload that brings the sum to all ones: the checksum would be 0. */
	put_u16(payload, 0);
	put_u16(payload, sealed_checksum(e, &pair, slice(payload, 2)));
	assert_int_equal(sealed_checksum(e, &pair, slice(payload, 2)), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_one_end_seals_the_other_opens, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			packets_leave_by_the_lane_of_their_pair, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			numbers_are_consecutive_and_ivs_are_unique, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			the_longest_payload_fits_and_one_octet_more_does_not, ends_setup,
			ends_teardown),
		cmocka_unit_test_setup_teardown(
			mixed_queues_keep_their_order, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(pairs_have_limits, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			nothing_is_sent_before_a_pair_is_used_nor_after_it_is_dropped, ends_setup,
			ends_teardown),
		cmocka_unit_test_setup_teardown(
			the_old_pair_still_opens_until_it_is_dropped, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			the_first_authentic_packet_is_news_once, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			new_spis_are_free_and_not_reserved, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			an_sa_asks_for_its_successor_and_then_ends, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			an_inbound_sa_near_its_end_asks_too, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			a_3des_sa_asks_before_a_gibibyte, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			a_packet_without_room_is_counted_and_gone, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(packets_behind_refused_ones_get_ivs_of_their_own,
			ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			the_longest_packet_goes_through, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(over_ipv6_the_inner_checksum_is_right_and_never_0,
			ends_setup, ends_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

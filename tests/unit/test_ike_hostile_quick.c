/* ike/: quick modes of a gateway that breaks the rules; what no other test would miss (./dev mutate). */
#include "tests/unit/ike_steps.h"

/* Message 2 of quick mode, as it should be and in every other way. */
struct quick_answer {
	size_t suites;
	uint16_t mode;
	enum dh_group pfs;
	size_t nonce;
	struct slice ke;
	unsigned ids;
	uint8_t id_type, id_protocol;
};

static struct quick_answer plain_answer(const struct world *w)
{
	return (struct quick_answer){.suites = 1,
		.mode = gw_mode(w),
		.nonce = 16,
		.ids = 2,
		.id_type = IKE_ID_IPV4,
		.id_protocol = 17};
}

static void put_answer_id(struct ike_build *b, const struct quick_answer *a, const struct ip *ip)
{
	static const uint8_t six[16] = {0x20, 1, 0x0d, 0xb8};
	struct ike_id id = {a->id_type, a->id_protocol, 1701, ip_slice(ip)};

	if (a->id_type == IKE_ID_IPV6)
		id.data = slice(six, 16);
	ike_put_id(b, &id);
}

static void give_answer(struct world *w, const struct quick_answer *a)
{
	static const uint8_t octets[300] = {9};
	uint8_t buf[ROOM], hash[HASH_MAX], iv[IKE_BLOCK_MAX];
	struct ike_build b;

	/* after the client's message 1, which ends with its IV */
	memcpy(iv, w->last_sent.p + w->last_sent.n - IKE_BLOCK_MAX, IKE_BLOCK_MAX);
	gw_quick_open(w, &b, buf);
	size_t mark = ike_payload_open(&b, IKE_SA);
	ike_sa2_put(&b.w, &(struct ike_sa2_offer){.suites = &w->conf.proposals.esp[2],
				  .n = a->suites,
				  .spi = 0x5e000001,
				  .mode = a->mode,
				  .pfs = a->pfs,
				  .life_s = 3600});
	ike_payload_close(&b, mark);
	ike_put(&b, IKE_NONCE, slice(octets, a->nonce));
	if (a->ke.n)
		ike_put(&b, IKE_KE, a->ke);
	if (a->ids)
		put_answer_id(&b, a, &w->conf.local[0].ip);
	if (a->ids > 1)
		put_answer_id(&b, a, &w->conf.remote[0].ip);
	assert_true(ike_hash2(
		w->env->crypto, &w->gw.keys, w->gw.id, blob(&w->gw.ni), behind_hash(w, &b), hash));
	gw_seal_and_send(w, &b, hash, iv);
}

/* A world in which our message 1 of quick mode has just been sent; the gateway's own answer is lost. */
static struct world *at_quick_2(enum dh_group pfs, bool natted)
{
	struct world *w = world_new("modern");

	w->gw.choice = 5;
	w->gw.natted = natted;
	w->conf.proposals.pfs = pfs;
	world_open(w);
	for (int i = 0; i < 3; i++)
		take(w, next_answer(w));
	pkt_free(next_answer(w));
	assert_int_equal(w->events[IKE_EV_WANT_SPI], 1);
	return w;
}

static bool is_taken(struct world *w, const struct quick_answer *a)
{
	give_answer(w, a);
	w->keep_questions = true;
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	drain_events(w);
	bool taken = w->events[IKE_EV_WANT_SA];

	assert_int_equal(w->events[IKE_EV_FAILED], !taken);
	world_free(w);
	return taken;
}

static void a_quick_mode_is_answered_by_the_rules(void **state)
{
	(void)state;
	struct quick_answer a;
	struct world *w;

#define ANSWER(expected, natted, field, value)                                                     \
	(w = at_quick_2(DH_NONE, natted), a = plain_answer(w), a.field = (value),                  \
		assert_int_equal(is_taken(w, &a), expected))
	ANSWER(true, false, suites, 1);
	ANSWER(true, true, suites, 1);
	ANSWER(false, false, suites, 2);
	ANSWER(false, false, mode, IKE_MODE_TUNNEL);
	ANSWER(false, true, mode, IKE_MODE_TRANSPORT);
	ANSWER(true, false, nonce, 8);
	ANSWER(false, false, nonce, 7);
	ANSWER(true, false, nonce, 256);
	ANSWER(false, false, nonce, 257);
	ANSWER(true, false, ids, 0);
	ANSWER(false, false, ids, 1);
	ANSWER(false, true, id_type, IKE_ID_IPV6);
	ANSWER(false, true, id_protocol, 6);
	ANSWER(false, false, pfs, DH_ECP256);
#undef ANSWER
}

static void with_pfs_the_gateways_value_is_its_own_and_of_the_group(void **state)
{
	(void)state;
	static const uint8_t zero[64] = {0};
	struct quick_answer a;
	struct world *w;

	for (int i = 0; i < 4; i++) {
		w = at_quick_2(DH_ECP256, false);
		a = plain_answer(w);
		a.pfs = DH_ECP256;
		const struct slice values[] = {dh_public(w->gw.quick_dh), blob(&w->gw.quick_peer),
			slice(zero, 64), slice(dh_public(w->gw.quick_dh).p, 63)};
		a.ke = values[i];
		assert_int_equal(is_taken(w, &a), i == 0);
	}
	w = at_quick_2(DH_MODP1024, false);
	a = plain_answer(w);
	a.pfs = DH_MODP1024;
	a.ke = slice(dh_public(w->gw.quick_dh).p, 100);
	assert_false(is_taken(w, &a));

	w = at_quick_2(DH_NONE, false); /* not asked for */
	a = plain_answer(w);
	a.pfs = DH_ECP256;
	a.ke = blob(&w->gw.public_r);
	assert_false(is_taken(w, &a));
}

/* The gateway's message 1, for a port that is not ours to give. */
static void a_quick_mode_for_other_ports_is_not_begun(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint16_t port = w->conf.l2tp_port;
	unsigned asked = w->events[IKE_EV_WANT_SPI];

	w->conf.l2tp_port = 4000; /* ours is another than the gateway says */
	gw_quick_start(w, "aes256-sha1", DH_NONE);
	struct pkt *p = intercept(w);
	w->conf.l2tp_port = port;
	w->conf.local[0].ip = ip_v4(0xc0000263);
	take(w, p);
	drain_events(w);
	assert_int_equal(w->events[IKE_EV_WANT_SPI], asked);
	world_free(w);
}

static void quick_modes_at_a_time_are_few(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	unsigned asked = w->events[IKE_EV_WANT_SPI];

	w->keep_questions = true;
	for (int i = 0; i < 20; i++) {
		gw_quick_start(w, "aes256-sha1", DH_NONE);
		ike_recv(w->ike, &w->inbox, w->now, &w->out);
		drain_events(w);
	}
	assert_int_equal(w->events[IKE_EV_WANT_SPI], asked + 8);
	world_free(w);
}

static void a_reserved_spi_of_the_plane_is_not_used(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->next_spi = 255;
	world_open(w);
	pass(w, 500);
	assert_failed(w, REASON_ESP_PLANE);
	world_free(w);
}

/* Authentic, but the exchange is over. */
static void a_finished_quick_mode_takes_no_message(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint8_t buf[ROOM], hash[HASH_MAX], iv[IKE_BLOCK_MAX];
	struct ike_build b;

	memcpy(iv, w->last_sent.p + w->last_sent.n - IKE_BLOCK_MAX, IKE_BLOCK_MAX);
	gw_quick_open(w, &b, buf);
	assert_true(ike_hash3(
		w->env->crypto, &w->gw.keys, w->gw.id, blob(&w->gw.ni), blob(&w->gw.nr), hash));
	gw_seal_and_send(w, &b, hash, iv);
	settle_world(w);
	assert_int_equal(w->events[IKE_EV_USE_SA], 1);
	world_free(w);
}

/* The gateway has the key, but has not proved it yet. */
static void no_quick_mode_before_main_mode_is_done(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	take(w, at_message_4(w));
	pkt_free(next_answer(w)); /* message 6 */
	memcpy(w->gw.iv, w->last_sent.p + w->last_sent.n - IKE_BLOCK_MAX, IKE_BLOCK_MAX);
	gw_quick_start(w, "aes256-sha1", DH_NONE);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	drain_events(w);
	assert_int_equal(w->events[IKE_EV_WANT_SPI], 0);
	assert_int_equal(w->out.down.count, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quick_mode_is_answered_by_the_rules),
		cmocka_unit_test(with_pfs_the_gateways_value_is_its_own_and_of_the_group),
		cmocka_unit_test(a_quick_mode_for_other_ports_is_not_begun),
		cmocka_unit_test(quick_modes_at_a_time_are_few),
		cmocka_unit_test(a_reserved_spi_of_the_plane_is_not_used),
		cmocka_unit_test(a_finished_quick_mode_takes_no_message),
		cmocka_unit_test(no_quick_mode_before_main_mode_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* ike/: what real gateways do that nobody expects, and what a forger may not bring about. */
#include "tests/unit/ike_world.h"

/* ---- refusals ---- */

/* strongSwan answers an offer it does not like before it has read the SPI in it: SPI 0. */
static void a_refusal_that_names_no_spi_is_heard(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.refuse_quick = w->gw.refuse_with_spi_0 = true;
	world_open(w);
	pass(w, SECONDS(2));
	assert_failed(w, REASON_IKE_QM_REFUSED);
	world_free(w);
}

/* One that names a pair of ours is about that pair. */
static void a_refusal_that_names_another_pair_is_not_ours(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint8_t spi[4];

	pass(w, SECONDS(2));
	ike_rekey(w->ike, w->used, w->now, &w->out);
	drain_events(w);
	struct pkt *ours = pktq_take(&w->out.down);
	assert_non_null(ours);
	put_u32(spi, w->used);
	gw_notify(w, IKE_PROTO_ESP, IKE_NO_PROPOSAL_CHOSEN, slice(spi, 4), slice(NULL, 0));
	settle_world(w);
	gw_recv(w, ours);
	pkt_free(ours);
	pass(w, SECONDS(5));
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	assert_same_keys(w);
	world_free(w);
}

static void a_server_that_demands_pfs_gets_it(void **state)
{
	(void)state;
	for (int spi_0 = 0; spi_0 < 2; spi_0++) {
		struct world *w = world_new("modern");

		w->gw.wants_pfs = w->conf.proposals.ike[0].group;
		w->gw.refuse_with_spi_0 = spi_0;
		world_open(w);
		pass(w, 500); /* at once, not a second later */
		assert_up(w);
		assert_int_equal(w->events[IKE_EV_WANT_SPI], 2);
		assert_same_keys(w);
		pass(w, SECONDS(3600) * 91 / 100);
		assert_int_equal(w->events[IKE_EV_USE_SA], 2);
		assert_int_equal(w->events[IKE_EV_WANT_SPI], 3); /* it is remembered */
		world_free(w);
	}
}

static void pfs_is_tried_once(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.wants_pfs = DH_MODP1024; /* not the group of phase 1 */
	world_open(w);
	pass(w, SECONDS(2));
	assert_failed(w, REASON_IKE_QM_REFUSED);
	assert_non_null(strstr(w->reason.evidence, "with and without PFS"));
	assert_int_equal(w->events[IKE_EV_WANT_SPI], 2);
	world_free(w);
}

/* An authentic error in a renewal costs the renewal, not the connection. */
static void a_renewal_that_is_refused_is_tried_later(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->conf.ike_life_s = 600;
	w->conf.dpd_interval = 0; /* this gateway knows one SA at a time */
	world_open(w);
	pass(w, SECONDS(20));
	w->gw.refuse_5 = true;
	pass(w, SECONDS(535));
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	assert_int_equal(w->gw.main_modes, 1);
	w->gw.refuse_5 = false;
	pass(w, SECONDS(35));
	assert_int_equal(w->gw.main_modes, 2);
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	world_free(w);
}

/* ---- order ---- */

/* Windows deletes the old pair as soon as it has our message 2, before its message 3. */
static void an_early_delete_needs_no_second_quick_mode(void **state)
{
	(void)state;
	struct world *w = connected("modern", true);
	uint32_t old = w->gw.spi_own;

	pass(w, SECONDS(20));
	gw_quick_start(w, "aes256-sha1", DH_NONE);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	drain_events(w);
	deliver_to_gateway(w);
	struct pkt *third = intercept(w);
	gw_delete_pair(w, old);
	pass(w, 100);
	pktq_put(&w->inbox, third);
	pass(w, SECONDS(5));
	assert_int_equal(w->events[IKE_EV_DROP_SA], 1);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	assert_int_equal(w->events[IKE_EV_WANT_SPI], 2);
	assert_same_keys(w);
	world_free(w);
}

/* ... and if its message 3 never comes, we make a pair ourselves. */
static void a_quick_mode_left_half_way_is_replaced(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->conf.dpd_interval = 0;
	world_open(w);
	pass(w, SECONDS(20));
	uint32_t old = w->gw.spi_own;
	gw_quick_start(w, "aes256-sha1", DH_NONE);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	drain_events(w);
	pktq_free(&w->out.down);
	gw_delete_pair(w, old);
	w->gw.mute = true;
	pass(w, SECONDS(41));
	w->gw.mute = false;
	pass(w, SECONDS(5));
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	assert_same_keys(w);
	world_free(w);
}

/* A quick mode that the server leaves half way gives us no reason to begin one, while a pair lives. */
static void a_quick_mode_of_the_servers_is_its_own_affair(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->conf.rekey = false;
	w->conf.dpd_interval = 0;
	world_open(w);
	pass(w, SECONDS(20));
	gw_quick_start(w, "aes256-sha1", DH_NONE);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	drain_events(w);
	w->gw.mute = true;
	pass(w, SECONDS(120));
	assert_int_equal(w->events[IKE_EV_WANT_SPI], 2);
	assert_int_equal(w->events[IKE_EV_DROP_SA], 1);
	assert_int_equal(w->events[IKE_EV_NO_SA], 0);
	world_free(w);
}

/* Message 3 is lost, and the SA it would have come under is deleted: the peer's first packet on the
 * new pair is proof enough. */
static void a_pair_outlives_the_sa_of_its_quick_mode(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	gw_main_start(w, "aes256-sha256-modp2048");
	settle_world(w);
	gw_quick_start(w, "aes256-sha1", DH_NONE);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	drain_events(w);
	pktq_free(&w->out.down);
	gw_delete_sa(w);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	assert_int_equal(w->events[IKE_EV_USE_SA], 1);
	ike_sa_used(w->ike, w->pair.in.spi, w->now, &w->out);
	drain_events(w);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	assert_int_equal(w->used, w->pair.in.spi);
	world_free(w);
}

/* Without rekey the server renews phase 1, also when it shortens its life. */
static void a_shorter_life_does_not_undo_rekey_no(void **state)
{
	(void)state;
	static const uint8_t life[] = {0x80, 11, 0, 1, 0, 12, 0, 4, 0, 0, 2, 0x58}; /* 600 s */
	struct world *w = world_new("modern");
	uint8_t cookies[16];

	w->conf.rekey = false;
	world_open(w);
	pass(w, 500);
	gw_notify(w, IKE_PROTO_ISAKMP, IKE_RESPONDER_LIFETIME, gw_cookies(w, cookies),
		slice(life, sizeof(life)));
	pass(w, SECONDS(590));
	assert_int_equal(w->gw.main_modes, 1);
	assert_int_equal(w->gw.ike_deletes, 0);
	pass(w, SECONDS(20));
	assert_int_equal(w->gw.ike_deletes, 1);
	world_free(w);
}

/* ---- forgers ---- */

/* Anybody can send a message 1 in the gateway's name. */
static void an_endless_transform_is_only_refused(void **state)
{
	(void)state;
	static const uint8_t life[] = {0x80, 11, 0, 1, 0x80, 12, 0x70, 0x80};
	struct world *w = connected("modern", false);
	struct ike_hdr hdr = {.exchange = IKE_MAIN, .cookie_i = {1, 2, 3}};
	struct ike_build b;
	uint8_t buf[ROOM], body[ROOM];
	struct wr sa = wr_of(body, sizeof(body));

	ike_sa1_put(&sa, w->conf.proposals.ike, 1, 28800);
	for (int i = 0; i < 100; i++)
		wr_put(&sa, slice(life, sizeof(life)));
	put_u16(body + 10, (uint16_t)(wr_len(&sa) - 8));  /* the proposal's length */
	put_u16(body + 18, (uint16_t)(wr_len(&sa) - 16)); /* the transform's */
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	ike_put(&b, IKE_SA, wr_slice(&sa));
	to_client(w, ike_build_close(&b));
	unsigned sent = w->sent;
	pass(w, SECONDS(1));
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	assert_int_equal(w->sent, sent);
	world_free(w);
}

/* A message 4 that is refused has said nothing: neither that NAT traversal is off, nor that its
 * sender answers dead peer probes. */
static void a_refused_message_4_leaves_no_trace(void **state)
{
	(void)state;
	struct world *w = world_new("modern");
	uint8_t buf[ROOM], zero[DH_PUBLIC_MAX] = {0}, nonce[16] = {1};
	struct ike_build b;

	w->gw.natted = true;
	w->conf.raw_esp = false;
	world_open(w);
	drain_events(w);
	deliver_to_gateway(w);
	ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
	deliver_to_gateway(w); /* message 3; message 4 is on its way */
	struct pkt *real = intercept(w);
	struct ike_hdr hdr = gw_hdr(w, IKE_MAIN, 0);
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	ike_put(&b, IKE_KE, slice(zero, dh_public_len(w->gw.suite.group)));
	ike_put(&b, IKE_NONCE, slice(nonce, sizeof(nonce)));
	ike_put(&b, IKE_VID, ike_vid_octets(VID_XAUTH));
	to_client(w, ike_build_close(&b));
	pktq_put(&w->inbox, real);
	pass(w, 500);
	assert_up(w);
	assert_int_equal(w->pair.lane, LANE_NATT);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_that_names_no_spi_is_heard),
		cmocka_unit_test(a_refusal_that_names_another_pair_is_not_ours),
		cmocka_unit_test(a_server_that_demands_pfs_gets_it),
		cmocka_unit_test(pfs_is_tried_once),
		cmocka_unit_test(a_renewal_that_is_refused_is_tried_later),
		cmocka_unit_test(an_early_delete_needs_no_second_quick_mode),
		cmocka_unit_test(a_quick_mode_left_half_way_is_replaced),
		cmocka_unit_test(a_quick_mode_of_the_servers_is_its_own_affair),
		cmocka_unit_test(a_pair_outlives_the_sa_of_its_quick_mode),
		cmocka_unit_test(a_shorter_life_does_not_undo_rekey_no),
		cmocka_unit_test(an_endless_transform_is_only_refused),
		cmocka_unit_test(a_refused_message_4_leaves_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* ike/: the machine and a scripted gateway from quick mode on: renewal, deletes, dead peers. */
#include "tests/unit/ike_world.h"

/* In what the gateway has sent last: two blocks of HASH decrypt to something else, the rest is whole. */
static void break_hash(struct world *w)
{
	w->inbox.tail->data[IKE_HDR + 16] ^= 1;
}

/* ---- quick mode ---- */

static void a_refused_quick_mode_is_named(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.refuse_quick = true;
	world_open(w);
	pass(w, 500);
	assert_failed(w, REASON_IKE_QM_REFUSED);
	assert_non_null(strstr(w->reason.evidence, "NO-PROPOSAL-CHOSEN (14) in quick mode"));
	world_free(w);
}

/* Wire tolerances of message 2, and where they end; RFC 2409, 5.5. */
static void odd_answers_to_quick_mode(void **state)
{
	(void)state;
	static const struct {
		struct oddities odd;
		bool natted, good;
	} rows[] = {
		{{.no_ids = true}, false, true},
		{{.odd_port = true, .port = 0}, false, true},
		{{.odd_port = true, .port = 1702}, false, false},
		{{.address = 0x0a000001}, true, true}, /* its address behind NAT */
		{{.address = 0x0a000001}, false, false},
		{{.low_spi = true}, false, false},
		{{.our_nonce = true}, false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *w = world_new("modern");

		w->gw.odd = rows[i].odd;
		w->gw.natted = rows[i].natted;
		world_open(w);
		pass(w, 500);
		if (rows[i].good) {
			assert_up(w);
			assert_int_equal(w->pair.remote_port, 1701); /* ours, whatever it says */
		} else {
			assert_failed(w, REASON_IKE_QM_REFUSED);
			assert_int_equal(w->events[IKE_EV_WANT_SA], 0);
		}
		world_free(w);
	}
}

static void message_3_is_repeated_as_it_was(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	struct blob third = w->last_sent;

	to_client(w, blob(&w->gw.last_out)); /* message 2 again */
	w->gw.lose = 1;
	settle_world(w);
	assert_int_equal(w->sent, 6);
	assert_slice(blob(&w->last_sent), blob(&third));
	assert_int_equal(w->events[IKE_EV_WANT_SA], 1);
	world_free(w);
}

static void a_plane_that_refuses_ends_the_connection(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->say_no = true;
	world_open(w);
	pass(w, 500);
	assert_failed(w, REASON_ESP_PLANE);
	assert_non_null(strstr(w->reason.evidence, "no room"));
	assert_int_equal(w->gw.quick_modes, 0); /* message 3 was held */
	world_free(w);
}

static void questions_wait_30_seconds(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->keep_questions = true;
	world_open(w);
	pass(w, SECONDS(20));
	assert_int_equal(w->events[IKE_EV_WANT_SPI], 1);
	answer(w, w->want.id, true);
	answer(w, w->want.id + 1000, true); /* nobody asked */
	pass(w, SECONDS(20));
	assert_int_equal(w->events[IKE_EV_WANT_SA], 1);
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	pass(w, SECONDS(11));
	assert_failed(w, REASON_ESP_PLANE);
	world_free(w);
}

static void the_servers_lifetime_is_kept_within_bounds(void **state)
{
	(void)state;
	static const struct {
		uint32_t says, agreed;
	} rows[] = {{600, 600}, {5, 30}, {100000, 3600}};

	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new("modern");

		w->gw.lifetime = rows[i].says;
		world_open(w);
		pass(w, 500);
		assert_int_equal(w->pair.life_s, rows[i].agreed);
		world_free(w);
	}
}

static void a_server_may_start_quick_mode(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world *w = connected("modern", i);

		gw_quick_start(w, "aes128-sha1", i ? DH_MODP1024 : DH_NONE);
		settle_world(w);
		assert_int_equal(w->events[IKE_EV_WANT_SA], 2);
		assert_int_equal(w->events[IKE_EV_USE_SA], 2);
		assert_same_keys(w);
		assert_int_equal(w->used, w->pair.in.spi);
		assert_int_equal(w->pair.lane, i ? LANE_NATT : LANE_RAW);
		world_free(w);
	}
}

static void quick_modes_without_proof_are_not_begun(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	gw_quick_start(w, "aes128-sha1", DH_NONE);
	struct blob good = w->gw.last_out;
	break_hash(w);
	settle_world(w);
	assert_int_equal(w->events[IKE_EV_WANT_SPI], 1);
	to_client(w, blob(&good)); /* and the broken one has spoilt nothing */
	settle_world(w);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	world_free(w);
}

static void a_first_packet_replaces_a_lost_message_3(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	gw_quick_start(w, "aes256gcm16", DH_NONE);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	drain_events(w); /* asked, answered: message 2 is ready */
	assert_int_equal(w->events[IKE_EV_USE_SA], 1);
	deliver_to_gateway(w);
	pktq_free(&w->inbox); /* message 3 is lost */
	ike_sa_used(w->ike, w->pair.in.spi, w->now, &w->out);
	settle_world(w);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	assert_int_equal(w->used, w->pair.in.spi);
	world_free(w);
}

static void a_server_asking_for_what_we_do_not_do_is_told_so(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	gw_quick_start(w, "3des-md5", DH_NONE);
	settle_world(w);
	assert_int_equal(w->gw.refusals, 1);
	assert_int_equal(w->events[IKE_EV_WANT_SPI], 1);
	struct blob first = w->gw.last_out;
	to_client(w, blob(&first)); /* a replay finds no ear */
	settle_world(w);
	assert_int_equal(w->gw.refusals, 1);
	world_free(w);
}

/* ---- renewal ---- */

static void pairs_are_renewed_before_they_end(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint32_t first = w->used;

	pass(w, SECONDS(3600) * 84 / 100);
	assert_int_equal(w->events[IKE_EV_USE_SA], 1);
	pass(w, SECONDS(3600) * 7 / 100);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	assert_int_equal(w->events[IKE_EV_NO_SA], 0);
	pass(w, SECONDS(31));
	assert_int_equal(w->gw.esp_deletes, 1);
	assert_int_equal(w->gw.deleted_spi, first);
	pass(w, SECONDS(61));
	assert_int_equal(w->events[IKE_EV_DROP_SA], 1);
	assert_int_equal(w->dropped, first);
	assert_int_equal(w->gw.main_modes, 1);
	world_free(w);
}

static void the_plane_may_ask_for_fresh_keys(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	pass(w, SECONDS(2));
	ike_rekey(w->ike, w->used, w->now, &w->out);
	ike_rekey(w->ike, w->used, w->now, &w->out);
	pass(w, 500);
	assert_int_equal(w->events[IKE_EV_WANT_SA], 2);
	assert_int_equal(w->events[IKE_EV_USE_SA], 1); /* the gateway may lack it yet */
	pass(w, SECONDS(3));
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	world_free(w);
}

static void a_pair_that_the_gateway_uses_is_used(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	pass(w, SECONDS(2));
	ike_rekey(w->ike, w->used, w->now, &w->out);
	pass(w, 500);
	assert_int_equal(w->events[IKE_EV_USE_SA], 1);
	ike_sa_used(w->ike, w->pair.in.spi, w->now, &w->out);
	drain_events(w);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	assert_int_equal(w->used, w->pair.in.spi);
	world_free(w);
}

/* The kernel sends all the time, also between two events. */
static void a_pair_that_is_deleted_goes_when_the_next_is_used(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint32_t first = w->used;

	pass(w, SECONDS(12));
	uint32_t theirs = w->gw.spi_own;
	ike_rekey(w->ike, first, w->now, &w->out);
	pass(w, 500);
	assert_int_equal(w->used, first);
	gw_delete_pair(w, theirs);
	settle_world(w);
	assert_int_equal(w->dropped, first);
	assert_int_equal(w->used, w->pair.in.spi);
	assert_int_equal(w->gaps, 0);
	world_free(w);
}

/* The gateway's clock may be ahead: on what it has ended we would send for nothing. */
static void a_short_pair_is_left_before_its_last_moment(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->conf.esp_life_s = 20;
	world_open(w);
	pass(w, SECONDS(16)); /* the rekey comes at 17 s to 18 s */
	assert_int_equal(w->events[IKE_EV_USE_SA], 1);
	pass(w, SECONDS(3) + 200);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	assert_int_equal(w->events[IKE_EV_DROP_SA], 0); /* and is heard to its end */
	world_free(w);
}

static void a_refused_rekey_is_tried_again(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	w->gw.refuse_quick = true;
	pass(w, SECONDS(2));
	ike_rekey(w->ike, w->used, w->now, &w->out);
	pass(w, SECONDS(5));
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	w->gw.refuse_quick = false;
	pass(w, SECONDS(13));
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	world_free(w);
}

static void phase_1_is_renewed_and_the_old_one_deleted(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->conf.ike_life_s = 600;
	w->gw.natted = true;
	world_open(w);
	pass(w, SECONDS(525));
	assert_int_equal(w->gw.main_modes, 1);
	unsigned on_500 = w->on_lane[LANE_IKE];
	pass(w, SECONDS(30));
	assert_int_equal(w->gw.main_modes, 2);
	assert_int_equal(w->on_lane[LANE_IKE], on_500); /* never back to 500 */
	pass(w, SECONDS(31));
	assert_int_equal(w->gw.ike_deletes, 1);
	assert_int_equal(w->events[IKE_EV_USE_SA], 1); /* the pair belongs to no SA */
	world_free(w);
}

static void a_server_may_renew_phase_1(void **state)
{
	(void)state;
	struct world *w = connected("modern", true);

	gw_main_start(w, "aes256-sha1-modp1536,aes256-sha256-modp2048");
	w->gw.suite = w->conf.proposals.ike[0];
	settle_world(w);
	assert_int_equal(w->gw.main_modes, 2);
	assert_int_equal(w->events[IKE_EV_PHASE1_UP], 2);
	gw_dpd(w, IKE_R_U_THERE, 77);
	settle_world(w);
	assert_int_equal(w->gw.acks, 1);
	gw_quick_start(w, "aes256-sha1", DH_NONE);
	settle_world(w);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	assert_same_keys(w);
	world_free(w);
}

static void one_half_open_answer_at_a_time(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	struct io out = {0};
	unsigned answers = 0;

	for (int i = 0; i < 30; i++) { /* for 3 s, ten a second */
		struct gateway keep = w->gw;

		gw_main_start(w, "aes256-sha256-modp2048");
		ike_recv(w->ike, &w->inbox, w->now += 100, &out);
		answers += (unsigned)out.down.count;
		pktq_free(&out.down);
		w->gw = keep;
	}
	assert_int_equal(answers, 2);
	world_free(w);
}

/* The same moment, both ends: both quick modes end well and the last one is used. */
static void both_may_start_a_rekey(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	pass(w, SECONDS(2));
	ike_rekey(w->ike, w->used, w->now, &w->out);
	drain_events(w);
	struct pkt *ours = pktq_take(&w->out.down);
	assert_non_null(ours);
	gw_quick_start(w, "aes128-sha1", DH_NONE);
	settle_world(w);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	gw_recv(w, ours);
	pkt_free(ours);
	settle_world(w);
	ike_sa_used(w->ike, w->pair.in.spi, w->now, &w->out);
	settle_world(w);
	assert_int_equal(w->events[IKE_EV_USE_SA], 3);
	assert_same_keys(w);
	pass(w, SECONDS(62));
	assert_int_equal(w->events[IKE_EV_DROP_SA], 2);
	assert_int_equal(w->events[IKE_EV_NO_SA], 0);
	world_free(w);
}

static void an_older_pair_serves_when_the_newest_is_deleted(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint32_t first = w->used;

	pass(w, SECONDS(2));
	gw_quick_start(w, "aes128-sha1", DH_NONE);
	settle_world(w);
	gw_delete_pair(w, w->gw.spi_own);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	drain_events(w);
	assert_int_equal(w->used, first);
	pass(w, SECONDS(4)); /* and a new one is made at once */
	assert_int_equal(w->events[IKE_EV_NO_SA], 0);
	assert_int_equal(w->events[IKE_EV_USE_SA], 4);
	world_free(w);
}

static void without_rekey_the_pairs_end(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->conf.rekey = false;
	w->conf.esp_life_s = 60;
	world_open(w);
	pass(w, SECONDS(110)); /* the server may be late */
	assert_int_equal(w->gw.quick_modes, 1);
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	pass(w, SECONDS(12));
	assert_failed(w, REASON_IKE_FAIL);
	assert_int_equal(w->gw.esp_deletes, 1);
	world_free(w);
}

/* ---- deletes ---- */

static void deleting_the_last_pair_makes_a_new_one(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	pass(w, SECONDS(20));
	gw_delete_pair(w, w->gw.spi_own);
	pass(w, 100);
	assert_int_equal(w->events[IKE_EV_DROP_SA], 1);
	assert_int_equal(w->events[IKE_EV_NO_SA], 1);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	gw_delete_pair(w, w->used); /* our own inbound SPI: strongSwan after a failed install */
	pass(w, SECONDS(2));
	assert_int_equal(w->events[IKE_EV_NO_SA], 2);
	assert_int_equal(w->events[IKE_EV_USE_SA], 3);
	world_free(w);
}

static void pairs_that_never_live_are_the_end(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	for (int i = 0; i < 5; i++) {
		gw_delete_pair(w, w->gw.spi_own);
		pass(w, SECONDS(1));
	}
	assert_failed(w, REASON_IKE_DELETED_BY_PEER);
	assert_in_range(w->gw.quick_modes, 4, 5);
	world_free(w);
}

static void deletes_without_proof_are_ignored(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	struct ike_hdr hdr = gw_hdr(w, IKE_INFO, 9);
	struct ike_build b;
	uint8_t buf[ROOM], octets[4], cookies[16];

	put_u32(octets, w->gw.spi_own);
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	ike_put_delete(&b, IKE_PROTO_ESP, 4, slice(octets, 4));
	ike_put_delete(&b, IKE_PROTO_ISAKMP, 16, gw_cookies(w, cookies));
	to_client(w, ike_build_close(&b));
	gw_delete_pair(w, w->gw.spi_own);
	break_hash(w);
	gw_delete_sa(w);
	break_hash(w);
	pass(w, 100);
	assert_int_equal(w->events[IKE_EV_DROP_SA], 0);
	assert_int_equal(w->sent, 5);
	world_free(w);
}

static void deleting_phase_1_leaves_the_pair_and_makes_all_anew(void **state)
{
	(void)state;
	struct world *w = connected("modern", true);

	pass(w, SECONDS(20));
	gw_delete_sa(w);
	pass(w, SECONDS(2));
	assert_int_equal(w->gw.main_modes, 2);
	assert_int_equal(w->events[IKE_EV_NO_SA], 0);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2); /* some servers dropped the pair with it */
	assert_same_keys(w);
	world_free(w);
}

static void deleting_everything_is_the_end(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	pass(w, SECONDS(20));
	w->gw.mute = true;
	gw_delete_pair(w, w->gw.spi_own);
	gw_delete_sa(w);
	pass(w, SECONDS(1));
	assert_failed(w, REASON_IKE_DELETED_BY_PEER);
	world_free(w);
}

static void closing_tells_the_peer_once(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	ike_close(w->ike, w->now, &w->out);
	ike_close(w->ike, w->now, &w->out);
	pass(w, SECONDS(60));
	assert_int_equal(w->gw.esp_deletes, 1);
	assert_int_equal(w->gw.deleted_spi, w->used);
	assert_int_equal(w->gw.ike_deletes, 1);
	assert_int_equal(w->sent, 7);
	assert_true(ike_deadline(w->ike) == MSEC_NEVER);
	world_free(w);
}

/* ---- dead peers ---- */

static void questions_whether_we_live_are_answered(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	gw_dpd(w, IKE_R_U_THERE, 1);
	gw_dpd(w, IKE_R_U_THERE, 2); /* more than one a second */
	settle_world(w);
	assert_int_equal(w->gw.acks, 1);
	pass(w, SECONDS(1));
	gw_dpd(w, IKE_R_U_THERE, 3);
	struct blob again = w->gw.last_out;
	settle_world(w);
	assert_int_equal(w->gw.acks, 2);
	pass(w, SECONDS(2));
	to_client(w, blob(&again)); /* a replay */
	gw_notify(w, IKE_PROTO_ISAKMP, IKE_R_U_THERE, slice("0123456789abcdef", 16),
		slice("\0\0\0\4", 4));
	settle_world(w);
	assert_int_equal(w->gw.acks, 2);
	world_free(w);
}

static void a_living_peer_is_only_asked_in_silence(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	for (int i = 0; i < 6; i++) {
		pass(w, SECONDS(20));
		ike_peer_alive(w->ike, w->now);
	}
	assert_int_equal(w->gw.probes, 0);
	pass(w, SECONDS(65));
	assert_int_equal(w->gw.probes, 2);
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	world_free(w);
}

static void a_dead_peer_is_found(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	w->gw.mute = true;
	pass(w, SECONDS(31));
	assert_in_range(w->gw.probes, 1, 3);
	pass(w, SECONDS(10));
	assert_failed(w, REASON_LINK_LOST);
	assert_int_equal(w->gw.probes, 5);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_quick_mode_is_named),
		cmocka_unit_test(odd_answers_to_quick_mode),
		cmocka_unit_test(message_3_is_repeated_as_it_was),
		cmocka_unit_test(a_plane_that_refuses_ends_the_connection),
		cmocka_unit_test(questions_wait_30_seconds),
		cmocka_unit_test(the_servers_lifetime_is_kept_within_bounds),
		cmocka_unit_test(a_server_may_start_quick_mode),
		cmocka_unit_test(quick_modes_without_proof_are_not_begun),
		cmocka_unit_test(a_first_packet_replaces_a_lost_message_3),
		cmocka_unit_test(a_server_asking_for_what_we_do_not_do_is_told_so),
		cmocka_unit_test(pairs_are_renewed_before_they_end),
		cmocka_unit_test(the_plane_may_ask_for_fresh_keys),
		cmocka_unit_test(a_pair_that_the_gateway_uses_is_used),
		cmocka_unit_test(a_pair_that_is_deleted_goes_when_the_next_is_used),
		cmocka_unit_test(a_short_pair_is_left_before_its_last_moment),
		cmocka_unit_test(a_refused_rekey_is_tried_again),
		cmocka_unit_test(phase_1_is_renewed_and_the_old_one_deleted),
		cmocka_unit_test(a_server_may_renew_phase_1),
		cmocka_unit_test(one_half_open_answer_at_a_time),
		cmocka_unit_test(both_may_start_a_rekey),
		cmocka_unit_test(an_older_pair_serves_when_the_newest_is_deleted),
		cmocka_unit_test(without_rekey_the_pairs_end),
		cmocka_unit_test(deleting_the_last_pair_makes_a_new_one),
		cmocka_unit_test(pairs_that_never_live_are_the_end),
		cmocka_unit_test(deletes_without_proof_are_ignored),
		cmocka_unit_test(deleting_phase_1_leaves_the_pair_and_makes_all_anew),
		cmocka_unit_test(deleting_everything_is_the_end),
		cmocka_unit_test(closing_tells_the_peer_once),
		cmocka_unit_test(questions_whether_we_live_are_answered),
		cmocka_unit_test(a_living_peer_is_only_asked_in_silence),
		cmocka_unit_test(a_dead_peer_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

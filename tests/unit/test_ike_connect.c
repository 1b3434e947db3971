/* ike/: the machine against a scripted gateway until it is connected: losses, NAT, forgeries. */
#include "tests/unit/ike_world.h"

/* ---- connecting ---- */

static void main_mode_and_quick_mode(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	struct ike_status st;

	assert_int_equal(w->sent, 5); /* 1, 3, 5 and quick mode 1, 3 */
	assert_int_equal(w->events[IKE_EV_PHASE1_UP], 1);
	assert_int_equal(w->gw.quick_modes, 1);
	assert_same_keys(w);
	assert_int_equal(w->used, w->pair.in.spi);
	assert_int_equal(w->pair.lane, LANE_RAW);
	assert_int_equal(w->pair.life_s, 3600);
	assert_int_equal(w->pair.suite.cipher, ESP_AES_GCM);
	assert_int_equal(w->gw.contacts, 0);
	ike_get_status(w->ike, &st);
	assert_true(st.established && st.peer_dpd && !st.floated);
	assert_string_equal(st.peer_id, "0.0.0.0");
	assert_int_equal(st.rtt, LATENCY);
	world_free(w);
}

static void every_suite_of_every_tier(void **state)
{
	(void)state;
	for (unsigned choice = 0; choice < 18; choice++) {
		struct world *w = world_new("legacy");

		w->gw.choice = choice;
		w->gw.quick_choice = choice % 9;
		w->conf.proposals.pfs = choice % 2 ? DH_ECP256 : DH_NONE;
		world_open(w);
		pass(w, 500);
		assert_up(w);
		assert_same_keys(w);
		assert_true(esp_suite_equal(&w->pair.suite, &w->conf.proposals.esp[choice % 9]));
		world_free(w);
	}
}

static void lost_copies_are_repeated(void **state)
{
	(void)state;
	for (unsigned before = 0; before < 5; before++) {
		struct world *w = world_new("modern");

		world_open(w);
		w->gw.lose = before == 0 ? 3 : 0;
		for (unsigned i = 0; i < before; i++) { /* one message of the client per round */
			drain_events(w);
			deliver_to_gateway(w);
			ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
			w->gw.lose = i + 1 == before ? 3 : 0;
		}
		pass(w, SECONDS(10));
		assert_up(w);
		/* A lost message 3 of quick mode is asked for again only by a repeated message 2. */
		assert_int_equal(w->sent, before == 4 ? 5 : 8);
		world_free(w);
	}
}

static void silence_is_a_timeout_in_11_seconds(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.mute = true;
	world_open(w);
	pass(w, SECONDS(10));
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	pass(w, SECONDS(2));
	assert_failed(w, REASON_IKE_TIMEOUT);
	assert_non_null(
		strstr(w->reason.evidence, "requests to 203.0.113.1:500 in 11 s, 0 answers"));
	assert_in_range(w->sent, 8, 11);
	assert_true(ike_deadline(w->ike) == MSEC_NEVER);
	world_free(w);
}

static void initial_contact_only_when_asked_for(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->conf.initial_contact = true;
	w->conf.ike_life_s = 600;
	world_open(w);
	pass(w, 500);
	assert_int_equal(w->gw.contacts, 1);
	pass(w, SECONDS(570));
	assert_int_equal(w->gw.main_modes, 2);
	assert_int_equal(w->gw.contacts, 1); /* not when renewing */
	world_free(w);
}

/* ---- NAT ---- */

static void behind_nat_it_floats_and_keeps_alive(void **state)
{
	(void)state;
	struct world *w = connected("modern", true);
	struct ike_status st;

	assert_int_equal(w->pair.lane, LANE_NATT);
	assert_int_equal(w->pair.remote.port, 4500);
	assert_int_equal(w->on_lane[LANE_IKE], 2);
	assert_int_equal(w->on_lane[LANE_NATT], 3);
	ike_get_status(w->ike, &st);
	assert_true(st.we_are_natted && !st.peer_is_natted && st.floated);
	w->conf.dpd_interval = 0;
	pass(w, SECONDS(61));
	assert_int_equal(w->keepalives, 3);
	world_free(w);
}

static void encapsulation_is_forced_without_nat(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->conf.raw_esp = false;
	world_open(w);
	pass(w, 500);
	assert_up(w);
	assert_int_equal(w->pair.lane, LANE_NATT);
	pass(w, SECONDS(25));
	assert_int_equal(w->keepalives, 0); /* nobody's mapping needs it */
	world_free(w);
}

static void a_gateway_without_natt_needs_protocol_50(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.without_natt = true;
	w->conf.raw_esp = false;
	world_open(w);
	pass(w, 500);
	assert_failed(w, REASON_IKE_FAIL);
	assert_non_null(strstr(w->reason.evidence, "NAT traversal"));
	world_free(w);
}

static void it_can_begin_on_4500(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->conf.first_lane = LANE_NATT;
	w->gw.natted = true;
	world_open(w);
	pass(w, 500);
	assert_up(w);
	assert_int_equal(w->on_lane[LANE_IKE], 0);
	world_free(w);
}

static void drafts_of_natt_have_numbers_of_their_own(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.natted = w->gw.natt_draft = true;
	world_open(w);
	pass(w, 500);
	assert_up(w);
	assert_int_equal(w->pair.lane, LANE_NATT);
	gw_quick_start(w, "aes128-sha1", DH_NONE);
	settle_world(w);
	assert_int_equal(w->events[IKE_EV_USE_SA], 2);
	world_free(w);
}

static void we_say_who_we_are(void **state)
{
	(void)state;
	static const struct {
		const char *id;
		struct slice body;
	} rows[] = {
		{NULL, {(const uint8_t *)"\1\0\0\0\300\0\2\2", 8}},
		{"10.1.2.3", {(const uint8_t *)"\1\0\0\0\12\1\2\3", 8}},
		{"group", {(const uint8_t *)"\2\0\0\0group", 9}},
		{"me@home", {(const uint8_t *)"\3\0\0\0me@home", 11}},
	};

	for (size_t i = 0; i < 4; i++) {
		struct world *w = world_new("modern");

		w->conf.local_id = rows[i].id;
		world_open(w);
		pass(w, 500);
		assert_up(w);
		assert_slice(blob(&w->gw.id_of_client), rows[i].body);
		world_free(w);
	}
}

/* ---- hints and forgeries ---- */

static void forged_notifies_change_nothing(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	world_open(w);
	for (unsigned round = 0; round < 5; round++) {
		drain_events(w);
		deliver_to_gateway(w);
		for (uint16_t type = 1; type <= 30; type++)
			forge_notify(w, type);
		ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
	}
	pass(w, 500);
	assert_up(w);
	assert_int_equal(w->sent, 5);
	world_free(w);
}

static void refused_proposals_are_named_after_5_copies(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.mute = true;
	world_open(w);
	while (!w->events[IKE_EV_FAILED]) {
		unsigned before = w->sent;

		pass(w, 100);
		if (w->sent > before)
			forge_notify(w, IKE_NO_PROPOSAL_CHOSEN);
		assert_in_range(w->sent, 0, 5);
	}
	assert_failed(w, REASON_IKE_NO_PROPOSAL);
	assert_int_equal(w->sent, 5);
	assert_non_null(strstr(w->reason.evidence, "NO-PROPOSAL-CHOSEN (14)"));
	assert_non_null(strstr(w->reason.evidence, "offered aes256-sha256-modp2048"));
	world_free(w);
}

static void an_early_hint_names_the_silence(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.mute = true;
	world_open(w);
	settle_world(w);
	forge_notify(w, IKE_NO_PROPOSAL_CHOSEN);
	pass(w, SECONDS(10));
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	pass(w, SECONDS(2));
	assert_failed(w, REASON_IKE_NO_PROPOSAL);
	world_free(w);
}

static void a_suite_that_was_not_offered_is_not_taken(void **state)
{
	(void)state;
	struct world *w = world_new("legacy");

	world_open(w);
	w->gw.choice = 17; /* 3DES, modp1024: now the client would not have offered it */
	assert_true(ike_proposals_tier("modern", &w->conf.proposals));
	pass(w, SECONDS(13));
	assert_failed(w, REASON_IKE_FAIL);
	assert_non_null(strstr(w->reason.evidence, "chose a suite that we did not offer"));
	assert_int_equal(w->gw.awaits, 3);
	world_free(w);
}

static void a_gateway_that_repeats_message_4_has_another_key(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.psk = "wrong";
	world_open(w);
	for (int i = 0; i < 20 && !w->events[IKE_EV_FAILED]; i++) {
		if (i > 1)
			to_client(w, blob(&w->gw.last_out)); /* SoftEther does, every 2 s */
		pass(w, 500);
	}
	assert_failed(w, REASON_IKE_PSK_WRONG);
	assert_non_null(strstr(w->reason.evidence, "repeats message 4"));
	assert_non_null(strstr(w->reason.evidence, "message 5 sent 5 times"));
	world_free(w);
}

static void an_answer_we_cannot_decrypt_means_another_key(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.psk = "wrong";
	world_open(w);
	for (int i = 0; i < 20 && !w->events[IKE_EV_FAILED]; i++) {
		if (i > 1)
			gw_notify(w, IKE_PROTO_ISAKMP, IKE_PAYLOAD_MALFORMED, slice(NULL, 0),
				slice(NULL, 0));
		pass(w, 500);
	}
	assert_failed(w, REASON_IKE_PSK_WRONG);
	world_free(w);
}

static void plain_silence_after_message_5_is_a_timeout(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.mute_after_4 = true;
	world_open(w);
	settle_world(w);
	w->gw.mute = true;
	pass(w, SECONDS(39));
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	pass(w, SECONDS(3));
	assert_failed(w, REASON_IKE_TIMEOUT);
	assert_non_null(strstr(w->reason.evidence, "stopped answering at message 5"));
	world_free(w);
}

static void a_wrong_proof_is_no_peer(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.wrong_hash = true;
	world_open(w);
	pass(w, SECONDS(10));
	assert_failed(w, REASON_IKE_PEER_AUTH);
	assert_int_equal(w->events[IKE_EV_PHASE1_UP], 0);
	assert_int_equal(w->events[IKE_EV_WANT_SPI], 0);
	world_free(w);
}

/* Each octet of each message of the gateway is broken in turn, before the true message comes. */
static void broken_copies_of_every_message(void **state)
{
	(void)state;
	struct world *w = world_new("modern");
	struct ike_event ev;

	w->gw.choice = 5; /* the smallest: a point of ECP-256 */
	world_open(w);
	for (int round = 0; round < 4; round++) {
		drain_events(w);
		deliver_to_gateway(w);
		struct pkt *real = intercept(w);
		struct blob broken;

		for (size_t at = 0; at < real->len; at++) {
			bool changed_is_valid = at >= IKE_HDR || (round == 0 && at >= 8 && at < 16);

			if (round < 2 && changed_is_valid)
				continue; /* in the clear, and not yet proved by any HASH */
			blob_set(&broken, pkt_slice(real));
			broken.p[at] ^= 0x41;
			to_client(w, blob(&broken));
			to_client(w, slice(real->data, at));
			ike_recv(w->ike, &w->inbox, w->now, &w->out);
		}
		assert_false(ike_next_event(w->ike, &ev)); /* none was taken for true */
		pktq_put(&w->inbox, real);
		ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
	}
	pass(w, 500);
	assert_up(w);
	assert_int_equal(w->sent, 5);
	assert_same_keys(w);
	world_free(w);
}

static void strangers_get_nothing(void **state)
{
	(void)state;
	struct world *w = world_new("modern");
	struct pktq in = {0};
	struct io out = {0};
	uint8_t junk[64];

	world_open(w);
	settle_world(w);
	unsigned sent = w->sent;
	for (unsigned i = 0; i < 2000; i++) {
		env_random(w->env, junk, sizeof(junk));
		junk[17] = 0x10;
		junk[18] = i % 2 ? IKE_MAIN : 4;
		memset(junk + 8, 0, 8);
		memset(junk + 19, 0, 5);
		put_u32(junk + 24, sizeof(junk));
		pktq_put(&in, pkt_of(w->env->pool, slice(junk, i % 3 ? sizeof(junk) : i % 64)));
	}
	ike_recv(w->ike, &in, w->now, &out);
	assert_int_equal(out.down.count, 0);
	assert_int_equal(w->sent, sent);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(main_mode_and_quick_mode),
		cmocka_unit_test(every_suite_of_every_tier),
		cmocka_unit_test(lost_copies_are_repeated),
		cmocka_unit_test(silence_is_a_timeout_in_11_seconds),
		cmocka_unit_test(initial_contact_only_when_asked_for),
		cmocka_unit_test(behind_nat_it_floats_and_keeps_alive),
		cmocka_unit_test(encapsulation_is_forced_without_nat),
		cmocka_unit_test(a_gateway_without_natt_needs_protocol_50),
		cmocka_unit_test(it_can_begin_on_4500),
		cmocka_unit_test(drafts_of_natt_have_numbers_of_their_own),
		cmocka_unit_test(we_say_who_we_are),
		cmocka_unit_test(forged_notifies_change_nothing),
		cmocka_unit_test(refused_proposals_are_named_after_5_copies),
		cmocka_unit_test(an_early_hint_names_the_silence),
		cmocka_unit_test(a_suite_that_was_not_offered_is_not_taken),
		cmocka_unit_test(a_gateway_that_repeats_message_4_has_another_key),
		cmocka_unit_test(an_answer_we_cannot_decrypt_means_another_key),
		cmocka_unit_test(plain_silence_after_message_5_is_a_timeout),
		cmocka_unit_test(a_wrong_proof_is_no_peer),
		cmocka_unit_test(broken_copies_of_every_message),
		cmocka_unit_test(strangers_get_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

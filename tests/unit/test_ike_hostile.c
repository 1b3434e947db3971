/* ike/: messages of somebody else, or of a gateway that breaks the rules, in main mode and afterwards;
 * what no other test would miss (./dev mutate). */
#include "tests/unit/ike_steps.h"

static struct slice message_4(
	struct world *w, struct ike_build *b, uint8_t *buf, struct slice ke, struct slice nonce)
{
	struct ike_hdr hdr = gw_hdr(w, IKE_MAIN, 0);

	ike_build_open(b, buf, ROOM, &hdr);
	ike_put(b, IKE_KE, ke);
	ike_put(b, IKE_NONCE, nonce);
	ike_put(b, IKE_VID, ike_vid_octets(VID_STRONGSWAN));
	return ike_build_close(b);
}

static void our_own_values_and_odd_nonces_are_no_message_4(void **state)
{
	(void)state;
	static const uint8_t octets[300] = {1, 2, 3};
	struct world *w = world_new("modern");
	struct pkt *real = at_message_4(w);
	const struct gateway *g = &w->gw;
	uint8_t buf[ROOM];
	struct ike_status status;
	struct ike_build b;
	const struct {
		struct slice ke, nonce;
	} rows[] = {
		{blob(&g->public_i), blob(&g->nonce_r)},
		{blob(&g->public_r), blob(&g->nonce_i)},
		{blob(&g->public_r), slice(octets, 7)},
		{blob(&g->public_r), slice(octets, 257)},
		{slice(octets, 64), blob(&g->nonce_r)},
		{slice(g->public_r.p, 63), blob(&g->nonce_r)},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(answers(w, message_4(w, &b, buf, rows[i].ke, rows[i].nonce)), 0);
	take(w, real);
	pass(w, 500);
	assert_up(w);
	ike_get_status(w->ike, &status);
	assert_string_equal(status.peer_kind, ""); /* nothing of a refused message counts */
	world_free(w);
}

/* Who speaks NAT traversal is settled by message 2. */
static void nat_traversal_does_not_begin_with_message_4(void **state)
{
	(void)state;
	static const uint8_t hash[64] = {1};
	struct world *w = world_new("modern");
	uint8_t buf[ROOM];
	struct ike_build b;

	w->gw.without_natt = true;
	pkt_free(at_message_4(w));
	message_4(w, &b, buf, blob(&w->gw.public_r), blob(&w->gw.nonce_r));
	ike_put(&b, IKE_VID, ike_vid_octets(VID_NATT_RFC));
	for (int i = 0; i < 2; i++)
		ike_put(&b, IKE_NATD, slice(hash, hash_len(w->gw.suite.hash)));
	to_client(w, ike_build_close(&b));
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	assert_int_equal(w->out.down.count, 1);
	assert_int_equal(w->out.down.head->lane, LANE_IKE);
	world_free(w);
}

static struct slice message_2(struct world *w, uint8_t *buf, size_t suites, uint16_t auth, bool odd)
{
	static const uint8_t octets[64] = {1};
	struct ike_hdr hdr = gw_hdr(w, IKE_MAIN, 0);
	struct ike_build b;

	ike_build_open(&b, buf, ROOM, &hdr);
	size_t mark = ike_payload_open(&b, IKE_SA), at = wr_len(&b.w);
	ike_sa1_put(&b.w, w->conf.proposals.ike, suites, 28800);
	for (; at + 4 < wr_len(&b.w); at++)
		if (get_u32(buf + at) == 0x80030001)
			put_u16(buf + at + 2, auth);
	ike_payload_close(&b, mark);
	if (odd)
		ike_put(&b, IKE_NONCE, slice(octets, 20));
	return ike_build_close(&b);
}

static void a_message_2_chooses_one_of_our_offers_and_no_more(void **state)
{
	(void)state;
	struct world *w = world_new("modern");
	uint8_t buf[ROOM];
	struct blob copy;

	world_open(w);
	struct pkt *real = next_answer(w);
	assert_int_equal(answers(w, message_2(w, buf, 2, 1, false)), 0);
	assert_int_equal(answers(w, message_2(w, buf, 1, 3, false)), 0); /* by RSA signature */
	assert_int_equal(answers(w, message_2(w, buf, 1, 1, true)), 0);
	octets_of(real, &copy);
	memset(copy.p + 8, 0, 8);
	assert_int_equal(answers(w, blob(&copy)), 0);
	memcpy(copy.p + 8, copy.p, 8); /* the responder's cookie is ours */
	assert_int_equal(answers(w, blob(&copy)), 0);
	take(w, real);
	pass(w, 500);
	assert_up(w);
	world_free(w);
}

/* ---- the gateway, or somebody, begins main mode ---- */

/* A message 1 of the gateway, which stays who it was. */
static void foreign_message_1(struct world *w, const char *suite, struct blob *to)
{
	struct gateway keep = w->gw;

	gw_main_start(w, suite);
	struct pkt *p = intercept(w);
	octets_of(p, to);
	pkt_free(p);
	w->gw = keep;
}

static const char our_suite[] = "aes256-sha256-modp2048";

static void only_who_is_established_may_begin_main_mode(void **state)
{
	(void)state;
	struct world *w = world_new("modern");
	struct blob m;

	world_open(w);
	pkt_free(next_answer(w));
	foreign_message_1(w, our_suite, &m);
	assert_int_equal(answers(w, blob(&m)), 0);
	world_free(w);
}

static void a_message_1_has_one_cookie_and_it_is_new(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	struct blob m;

	foreign_message_1(w, our_suite, &m);
	m.p[8] = 1;
	assert_int_equal(answers(w, blob(&m)), 0);
	m.p[8] = 0;
	memset(m.p, 0, 8);
	assert_int_equal(answers(w, blob(&m)), 0);
	foreign_message_1(w, our_suite, &m);
	assert_int_equal(answers(w, blob(&m)), 1);
	world_free(w);
}

static void a_refused_message_1_takes_no_place(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	struct blob m;

	foreign_message_1(w, "3des-md5-modp1024", &m);
	assert_int_equal(answers(w, blob(&m)), 0);
	foreign_message_1(w, our_suite, &m);
	assert_int_equal(answers(w, blob(&m)), 1);
	world_free(w);
}

/* The gateway's own renewal up to its message 3 or 5, which is on its way. */
static struct pkt *gateway_renews(struct world *w, unsigned number)
{
	gw_main_start(w, our_suite);
	for (unsigned n = 1; n < number; n += 2)
		take(w, intercept(w)), drain_events(w), deliver_to_gateway(w);
	return intercept(w);
}

static void message_3_names_both_cookies(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	struct pkt *real = gateway_renews(w, 3);
	struct blob copy;

	octets_of(real, &copy);
	copy.p[15] ^= 1;
	assert_int_equal(answers(w, blob(&copy)), 0);
	copy.p[15] ^= 1;
	assert_int_equal(answers(w, blob(&copy)), 1);
	pkt_free(real);
	world_free(w);
}

static void a_renewal_that_has_come_far_is_not_replaced(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	struct pkt *real = gateway_renews(w, 5);
	struct blob m;

	w->now += 5000;
	foreign_message_1(w, our_suite, &m);
	assert_int_equal(answers(w, blob(&m)), 0);
	take(w, real);
	assert_int_equal(w->out.down.count, 1);
	world_free(w);
}

static void a_renewal_left_half_way_is_forgotten(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	struct gateway keep = w->gw;
	struct pkt *late = gateway_renews(w, 3);
	struct blob copy;

	octets_of(late, &copy);
	pkt_free(late);
	keep.dh = w->gw.dh;
	w->gw = keep;
	pass(w, SECONDS(31));
	assert_int_equal(answers(w, blob(&copy)), 0);
	world_free(w);
}

static void an_established_sa_takes_no_main_mode_message(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint8_t buf[ROOM];

	assert_int_equal(answers(w, message_2(w, buf, 1, 1, false)), 0);
	world_free(w);
}

/* ---- hints of somebody else ---- */

enum forgery { AN_SA_BESIDE, A_STATUS, ANOTHER_COOKIE, WRONG_KEY };

static void forge(struct world *w, enum forgery what)
{
	static const uint16_t types[] = {
		[AN_SA_BESIDE] = IKE_NO_PROPOSAL_CHOSEN,
		[A_STATUS] = IKE_INITIAL_CONTACT,
		[ANOTHER_COOKIE] = IKE_NO_PROPOSAL_CHOSEN,
		[WRONG_KEY] = IKE_AUTHENTICATION_FAILED,
	};
	struct ike_hdr hdr = {.exchange = IKE_INFO, .id = 7};
	struct ike_build b;
	uint8_t buf[ROOM];

	memcpy(hdr.cookie_i, w->last_sent.p, 8);
	hdr.cookie_i[0] ^= what == ANOTHER_COOKIE;
	hdr.cookie_r[0] = 1;
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	ike_put_notify(&b, IKE_PROTO_ISAKMP, types[what], slice(NULL, 0), slice(NULL, 0));
	if (what == AN_SA_BESIDE)
		ike_put(&b, IKE_SA, slice(buf, 8));
	to_client(w, ike_build_close(&b));
}

/* Silence, and these forgeries: the verdict. */
static enum reason_id verdict_under(enum forgery what)
{
	struct world *w = world_new("modern");

	w->gw.mute = true;
	world_open(w);
	for (int i = 0; i < 40 && !w->events[IKE_EV_FAILED]; i++) {
		pass(w, 400);
		forge(w, what);
	}
	enum reason_id id = w->reason.id;
	world_free(w);
	return id;
}

static void what_is_no_error_about_us_is_no_hint(void **state)
{
	(void)state;
	assert_int_equal(verdict_under(AN_SA_BESIDE), REASON_IKE_TIMEOUT);
	assert_int_equal(verdict_under(A_STATUS), REASON_IKE_TIMEOUT);
	assert_int_equal(verdict_under(ANOTHER_COOKIE), REASON_IKE_TIMEOUT);
}

static void a_key_cannot_be_wrong_before_it_was_used(void **state)
{
	(void)state;
	assert_int_equal(verdict_under(WRONG_KEY), REASON_IKE_FAIL);
}

/* Doubled on the way: it says nothing about our message 5. */
static void a_doubled_message_4_is_no_hint(void **state)
{
	(void)state;
	struct world *w = world_new("modern");
	struct pkt *real = at_message_4(w);
	struct blob copy;

	octets_of(real, &copy);
	take(w, real);
	assert_int_equal(answers(w, blob(&copy)), 0);
	w->gw.mute = true;
	pass(w, SECONDS(60));
	assert_failed(w, REASON_IKE_TIMEOUT);
	world_free(w);
}

/* Somebody answers each message 1 twice, with different cookies. */
static void two_answers_to_everything_end_in_a_verdict(void **state)
{
	(void)state;
	struct world *w = world_new("modern");
	uint8_t buf[ROOM];

	world_open(w);
	for (int i = 0; i < 400 && !w->events[IKE_EV_FAILED]; i++) {
		struct pkt *p = pktq_take(&w->out.down);

		if (p && p->data[18] == IKE_MAIN && get_u32(p->data + 8) == 0)
			for (uint8_t k = 1; k < 3; k++) {
				memcpy(w->gw.cookie_i, p->data, 8);
				memset(w->gw.cookie_r, i * 2 + k, 8);
				to_client(w, message_2(w, buf, 1, 1, false));
			}
		pkt_free(p);
		w->now += 200;
		ike_recv(w->ike, &w->inbox, w->now, &w->out);
		ike_tick(w->ike, w->now, &w->out);
		drain_events(w);
	}
	assert_int_equal(w->events[IKE_EV_FAILED], 1);
	world_free(w);
}

/* ---- authentic, and against the rules ---- */

static void a_question_without_its_number_is_not_answered(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint8_t cookies[16], data[4] = {1, 2, 3, 4};

	gw_notify(w, IKE_PROTO_ISAKMP, IKE_R_U_THERE, gw_cookies(w, cookies), slice(data, 3));
	pass(w, 500);
	assert_int_equal(w->gw.acks, 0);
	gw_notify(w, IKE_PROTO_ISAKMP, IKE_R_U_THERE, gw_cookies(w, cookies), slice(data, 4));
	pass(w, 500);
	assert_int_equal(w->gw.acks, 1);
	world_free(w);
}

static void a_message_with_a_payload_too_many_is_not_heard(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint8_t buf[ROOM], cookies[16], data[4] = {0};
	struct ike_build b;
	uint32_t id;

	gw_info_begin(w, &b, buf, &id);
	ike_put_notify(&b, IKE_PROTO_ISAKMP, IKE_R_U_THERE, gw_cookies(w, cookies), slice(data, 4));
	ike_put(&b, IKE_KE, slice(data, 4));
	gw_info_end(w, &b, id);
	pass(w, 500);
	assert_int_equal(w->gw.acks, 0);
	world_free(w);
}

static void a_delete_of_another_sa_is_not_ours(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint8_t buf[ROOM], cookies[16];
	struct ike_build b;
	uint32_t id;

	gw_info_begin(w, &b, buf, &id);
	gw_cookies(w, cookies);
	cookies[15] ^= 1;
	ike_put_delete(&b, IKE_PROTO_ISAKMP, 16, slice(cookies, 16));
	gw_info_end(w, &b, id);
	pass(w, 500);
	assert_int_equal(w->gw.main_modes, 1);
	world_free(w);
}

static void what_follows_a_delete_of_the_sa_is_not_heard(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint8_t buf[ROOM], cookies[16], data[4] = {0};
	struct ike_build b;
	uint32_t id;

	gw_info_begin(w, &b, buf, &id);
	ike_put_delete(&b, IKE_PROTO_ISAKMP, 16, gw_cookies(w, cookies));
	ike_put_notify(&b, IKE_PROTO_ISAKMP, IKE_R_U_THERE, gw_cookies(w, cookies), slice(data, 4));
	gw_info_end(w, &b, id);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	pktq_for_each (p, &w->out.down)
		assert_int_equal(p->data[18], IKE_MAIN);
	world_free(w);
}

static void a_lifetime_only_ever_shrinks(void **state)
{
	(void)state;
	struct world *w = world_new("modern");
	uint8_t cookies[16], life[] = {0x80, 11, 0, 1, 0x80, 12, 0x03, 0xe8};

	w->conf.rekey = false; /* then the SA ends with its life */
	world_open(w);
	pass(w, 500);
	for (int i = 0; i < 2; i++) {
		gw_notify(w, IKE_PROTO_ISAKMP, IKE_RESPONDER_LIFETIME, gw_cookies(w, cookies),
			slice(life, sizeof(life)));
		settle_world(w);
		put_u16(life + 6, 20000);
	}
	pass(w, SECONDS(1001));
	assert_int_equal(w->gw.ike_deletes, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_values_and_odd_nonces_are_no_message_4),
		cmocka_unit_test(nat_traversal_does_not_begin_with_message_4),
		cmocka_unit_test(a_message_2_chooses_one_of_our_offers_and_no_more),
		cmocka_unit_test(only_who_is_established_may_begin_main_mode),
		cmocka_unit_test(a_message_1_has_one_cookie_and_it_is_new),
		cmocka_unit_test(a_refused_message_1_takes_no_place),
		cmocka_unit_test(message_3_names_both_cookies),
		cmocka_unit_test(a_renewal_that_has_come_far_is_not_replaced),
		cmocka_unit_test(a_renewal_left_half_way_is_forgotten),
		cmocka_unit_test(an_established_sa_takes_no_main_mode_message),
		cmocka_unit_test(what_is_no_error_about_us_is_no_hint),
		cmocka_unit_test(a_key_cannot_be_wrong_before_it_was_used),
		cmocka_unit_test(a_doubled_message_4_is_no_hint),
		cmocka_unit_test(two_answers_to_everything_end_in_a_verdict),
		cmocka_unit_test(a_question_without_its_number_is_not_answered),
		cmocka_unit_test(a_message_with_a_payload_too_many_is_not_heard),
		cmocka_unit_test(a_delete_of_another_sa_is_not_ours),
		cmocka_unit_test(what_follows_a_delete_of_the_sa_is_not_heard),
		cmocka_unit_test(a_lifetime_only_ever_shrinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

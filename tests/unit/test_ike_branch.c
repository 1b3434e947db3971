/* Two different answers to one message: both are followed. */
#include "tests/unit/ike_world.h"

#include "ike/ike_rooms.h"

static struct world *opened(void)
{
	struct world *w = world_new("modern");

	w->gw.choice = 5; /* ECP-256, the smallest */
	world_open(w);
	return w;
}

/* Until so many messages of main mode are out; the gateway's answer is on its way. */
static struct pkt *answer_to(struct world *w, unsigned number)
{
	for (unsigned n = 1; n < number; n += 2) {
		drain_events(w);
		deliver_to_gateway(w);
		ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
	}
	drain_events(w);
	deliver_to_gateway(w);
	return intercept(w);
}

static unsigned alive(const struct world *w)
{
	unsigned n = 0;

	for (const struct phase1 *sa = w->ike->sas; sa; sa = sa->next)
		n += !sa->dead;
	return n;
}

/* The forged one comes first. */
static void arrive(struct world *w, const struct blob *forged, struct pkt *real)
{
	to_client(w, blob(forged));
	pktq_put(&w->inbox, real);
}

static struct slice payload(struct slice m, uint8_t type, struct ike_payloads *p)
{
	struct ike_hdr hdr;

	assert_true(ike_hdr_parse(m, &hdr));
	assert_true(ike_payloads_parse(hdr.first, slice(m.p + IKE_HDR, m.n - IKE_HDR), p));
	return ike_payload_body(p, type);
}

static void of_two_messages_4_the_true_one_leads_on_at_once(void **state)
{
	(void)state;
	struct world *w = opened();
	struct pkt *real = answer_to(w, 3);
	struct ike_payloads p;
	struct blob forged;

	blob_set(&forged, pkt_slice(real));
	size_t nonce = (size_t)(payload(blob(&forged), IKE_NONCE, &p).p - forged.p);
	forged.p[nonce] ^= 1;
	arrive(w, &forged, real);
	pass(w, 200);
	assert_up(w);
	assert_same_keys(w);
	assert_int_equal(w->gw.main_modes, 1);
	world_free(w);
}

static void of_two_messages_2_the_true_one_leads_on_at_once(void **state)
{
	(void)state;
	struct world *w = opened();
	struct pkt *real = answer_to(w, 1);
	struct blob forged;

	blob_set(&forged, pkt_slice(real));
	forged.p[12] ^= 1; /* in the responder's cookie */
	arrive(w, &forged, real);
	w->gw.lose = 1; /* message 3 under a cookie that it never gave */
	pass(w, 200);
	assert_up(w);
	assert_int_equal(alive(w), 1);
	assert_int_equal(w->gw.main_modes, 1);
	world_free(w);
}

/* Under the true cookie, with another suite of the same group: whichever message 3 the gateway reads,
 * its answer fits both, because key exchange and nonce are the same. */
static void both_branches_have_one_key_exchange(void **state)
{
	(void)state;
	struct world *w = opened();
	struct pkt *real = answer_to(w, 1);
	struct ike_payloads p, one, other;
	struct ike_offers offers;
	struct blob forged = {.n = 0};

	payload(pkt_slice(real), IKE_SA, &p);
	assert_true(ike_offers_parse(blob(&w->gw.sa_i), &offers));
	struct ike_hdr hdr;
	struct ike_build b;
	assert_true(ike_hdr_parse(pkt_slice(real), &hdr));
	ike_build_open(&b, forged.p, sizeof(forged.p), &hdr);
	size_t mark = ike_payload_open(&b, IKE_SA);
	size_t i = 0;
	struct ike_sa1 ours, v;
	assert_true(ike_sa1_of(&offers.at[5], &ours));
	while (!ike_sa1_of(&offers.at[i], &v) || v.suite.group != ours.suite.group || i == 5)
		assert_in_range(++i, 1, offers.n - 1);
	ike_accept_put(&b.w, &offers.at[i], slice(NULL, 0));
	ike_payload_close(&b, mark);
	forged.n = ike_build_close(&b).n;
	arrive(w, &forged, real);
	ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
	assert_int_equal(w->out.down.count, 2);
	struct slice a = pkt_slice(w->out.down.head), c = pkt_slice(w->out.down.head->next);
	assert_true(slice_equal(payload(a, IKE_KE, &one), payload(c, IKE_KE, &other)));
	assert_true(slice_equal(
		ike_payload_body(&one, IKE_NONCE), ike_payload_body(&other, IKE_NONCE)));
	world_free(w);
}

/* NAT-D and vendor IDs are not proved by any HASH: that this host could not go on without NAT
 * traversal must not be believed of a message that somebody has cut. */
static void cut_nat_detection_out(bool later)
{
	struct world *w = opened();
	w->conf.raw_esp = false;
	struct pkt *real = answer_to(w, 3);
	struct ike_payloads p;
	struct blob cut = {.n = 0};
	struct ike_hdr hdr;
	struct ike_build b;

	payload(pkt_slice(real), IKE_KE, &p);
	assert_true(ike_hdr_parse(pkt_slice(real), &hdr));
	ike_build_open(&b, cut.p, sizeof(cut.p), &hdr);
	ike_put(&b, IKE_KE, ike_payload_body(&p, IKE_KE));
	ike_put(&b, IKE_NONCE, ike_payload_body(&p, IKE_NONCE));
	cut.n = ike_build_close(&b).n;
	if (later)
		pktq_put(&w->inbox, real);
	to_client(w, blob(&cut));
	if (!later)
		pktq_put(&w->inbox, real);
	pass(w, 200);
	assert_up(w);
	assert_true(w->on_lane[LANE_NATT] > 0);
	world_free(w);
}

static void nat_detection_cut_out_of_message_4_does_not_end_it(void **state)
{
	(void)state;
	cut_nat_detection_out(false);
	cut_nat_detection_out(true);
}

/* A late copy is none: message 2 was said twice because message 1 was. */
static void a_late_copy_of_message_2_is_not_another(void **state)
{
	(void)state;
	struct world *w = opened();
	struct pkt *real = answer_to(w, 1);
	struct blob copy;

	blob_set(&copy, pkt_slice(real));
	pktq_put(&w->inbox, real);
	ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
	deliver_to_gateway(w);
	ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out); /* message 4 */
	deliver_to_gateway(w);
	unsigned sent = w->sent;
	real = intercept(w); /* message 6 */
	arrive(w, &copy, real);
	pass(w, 200);
	assert_up(w);
	assert_int_equal(w->sent, sent + 2); /* quick mode alone */
	world_free(w);
}

/* A server that keeps no memory of message 1 has a state for each copy: only one is gone on with. */
static void a_second_answer_to_a_second_copy_of_message_1_is_not_followed(void **state)
{
	(void)state;
	struct world *w = opened();
	struct pkt *real = answer_to(w, 1);
	struct blob other;

	blob_set(&other, pkt_slice(real));
	other.p[12] ^= 1;
	while (w->sent < 2) { /* message 1 again */
		w->now = ike_deadline(w->ike);
		ike_tick(w->ike, w->now, &w->out);
		deliver_to_gateway(w);
	}
	pktq_free(&w->inbox);
	pktq_put(&w->inbox, real);
	to_client(w, blob(&other));
	ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
	assert_int_equal(w->out.down.count, 1);
	pass(w, 200);
	assert_up(w);
	world_free(w);
}

static void branches_do_not_say_initial_contact(void **state)
{
	(void)state;
	struct world *w = opened();
	struct blob forged;

	w->conf.initial_contact = true;
	struct pkt *real = answer_to(w, 1);
	blob_set(&forged, pkt_slice(real));
	forged.p[12] ^= 1;
	arrive(w, &forged, real);
	w->gw.lose = 1;
	pass(w, 200);
	assert_up(w);
	assert_int_equal(w->gw.contacts, 0);
	world_free(w);
}

/* More of them than there are branches; then, with new cookies, once more. */
static void a_flood_of_messages_2_is_tried_once_more(void **state)
{
	(void)state;
	struct world *w = opened();
	struct pkt *real = answer_to(w, 1);
	struct blob forged;

	for (uint8_t i = 1; i <= 20; i++) {
		blob_set(&forged, pkt_slice(real));
		forged.p[12] ^= i;
		to_client(w, blob(&forged));
	}
	pktq_put(&w->inbox, real);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	assert_int_equal(alive(w), 8);
	w->gw.lose = 40; /* messages 3 with a cookie it never gave: 8 branches, 5 copies */
	pass(w, SECONDS(3));
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	pass(w, SECONDS(7));
	assert_up(w);
	world_free(w);
}

/* As if each attempt had met more answers than it can follow. */
static void new_cookies_are_tried_once(void **state)
{
	(void)state;
	struct world *w = opened();

	w->gw.lose = 10000;
	for (int i = 0; i < 400 && !w->events[IKE_EV_FAILED]; i++) {
		for (struct phase1 *sa = w->ike->sas; sa; sa = sa->next)
			sa->conflict = true;
		pass(w, 500);
	}
	assert_int_equal(w->events[IKE_EV_FAILED], 1);
	world_free(w);
}

/* The forged one came long before the true one, and ends before it. */
static void the_end_of_one_branch_is_not_the_end(void **state)
{
	(void)state;
	struct world *w = opened();
	struct pkt *real = answer_to(w, 1);
	struct blob forged;

	blob_set(&forged, pkt_slice(real));
	forged.p[12] ^= 1;
	to_client(w, blob(&forged));
	w->gw.lose = 1000;
	pass(w, SECONDS(5));
	pktq_put(&w->inbox, real);
	pass(w, 100);
	assert_int_equal(alive(w), 2);
	for (int i = 0; i < 1000 && alive(w) == 2; i++)
		pass(w, 100);
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
	w->gw.lose = 0;
	pass(w, SECONDS(5));
	assert_up(w);
	world_free(w);
}

static void what_is_no_answer_opens_no_branch(void **state)
{
	(void)state;
	struct world *w = opened();
	struct pkt *real = answer_to(w, 1);
	struct blob forged;

	blob_set(&forged, pkt_slice(real));
	memcpy(forged.p + IKE_COOKIE, forged.p, IKE_COOKIE); /* our own cookie as the responder's */
	pktq_put(&w->inbox, real);
	to_client(w, blob(&forged));
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	assert_int_equal(alive(w), 1);

	real = answer_to(w, 1); /* message 4 */
	blob_set(&forged, pkt_slice(real));
	forged.p[12] ^= 1; /* and one that belongs to no message 3 of ours */
	pktq_put(&w->inbox, real);
	to_client(w, blob(&forged));
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	assert_int_equal(alive(w), 1);
	pass(w, 200);
	assert_up(w);
	world_free(w);
}

/* A branch that leads nowhere does not hide that the key is wrong. */
static void a_wrong_key_is_named_beside_a_forged_branch(void **state)
{
	(void)state;
	struct world *w = opened();
	w->gw.psk = "wrong";
	struct pkt *real = answer_to(w, 1);
	struct blob forged;

	blob_set(&forged, pkt_slice(real));
	forged.p[12] ^= 1;
	arrive(w, &forged, real);
	w->gw.lose = 1;
	for (int i = 0; i < 200 && !w->events[IKE_EV_FAILED]; i++) {
		pass(w, 500);
		if (i > 1)
			to_client(w, blob(&w->gw.last_out));
	}
	assert_failed(w, REASON_IKE_PSK_WRONG);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_two_messages_4_the_true_one_leads_on_at_once),
		cmocka_unit_test(of_two_messages_2_the_true_one_leads_on_at_once),
		cmocka_unit_test(both_branches_have_one_key_exchange),
		cmocka_unit_test(nat_detection_cut_out_of_message_4_does_not_end_it),
		cmocka_unit_test(a_late_copy_of_message_2_is_not_another),
		cmocka_unit_test(a_second_answer_to_a_second_copy_of_message_1_is_not_followed),
		cmocka_unit_test(branches_do_not_say_initial_contact),
		cmocka_unit_test(a_flood_of_messages_2_is_tried_once_more),
		cmocka_unit_test(new_cookies_are_tried_once),
		cmocka_unit_test(the_end_of_one_branch_is_not_the_end),
		cmocka_unit_test(what_is_no_answer_opens_no_branch),
		cmocka_unit_test(a_wrong_key_is_named_beside_a_forged_branch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

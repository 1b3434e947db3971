/* Bugs that others had in what a peer may send once it has the keys, by their names. */
#include "tests/unit/ike_rogue.h"

static const struct slice none;

static void deliver(struct world *w)
{
	ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
	settle_world(w);
}

/* ---- HASH ---- */

static void cve_2019_10155_an_informational_without_its_whole_hash_is_nothing(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	const int whole = (int)hash_len(w->gw.keys.hash);

	gw_delete_pair(w, w->gw.spi_own);
	struct opened *o = rogue_open(w, none);
	for (int octets = NO_HASH; octets <= 2 * whole; octets++) {
		if (octets == WHOLE_HASH || octets == whole)
			continue;
		rogue_send(w, o, 0, octets, none);
		deliver(w);
		assert_int_equal(w->events[IKE_EV_DROP_SA], 0);
	}
	rogue_send(w, o, 0, WHOLE_HASH, none);
	deliver(w);
	assert_int_equal(w->events[IKE_EV_DROP_SA], 1);
	free(o);
	world_free(w);
}

static void cve_2019_10155_a_quick_mode_without_its_whole_hash_is_nothing(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	const int whole = (int)hash_len(w->gw.keys.hash);

	gw_quick_start(w, "aes256-sha1", DH_NONE);
	struct opened *o = rogue_open(w, none);
	for (int octets = NO_HASH; octets <= 2 * whole; octets++) {
		if (octets == WHOLE_HASH || octets == whole)
			continue;
		rogue_send(w, o, 0, octets, none);
		deliver(w);
		assert_int_equal(w->events[IKE_EV_WANT_SPI], 1); /* that of its own quick mode */
	}
	rogue_send(w, o, 0, WHOLE_HASH, none);
	deliver(w);
	assert_int_equal(w->events[IKE_EV_WANT_SPI], 2);
	free(o);
	world_free(w);
}

/* Until message 1 of quick mode is out and message 2 on its way. */
static struct world *in_quick_mode(struct blob *message1)
{
	struct world *w = world_new("modern");

	world_open(w);
	while (!w->events[IKE_EV_PHASE1_UP]) {
		drain_events(w);
		deliver_to_gateway(w);
		ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
		drain_events(w);
	}
	*message1 = (struct blob){.n = 0};
	blob_set(message1, pkt_slice(w->out.down.head));
	deliver_to_gateway(w);
	return w;
}

static void cve_2019_10155_an_answer_without_its_whole_hash_is_nothing(void **state)
{
	(void)state;
	struct blob message1;
	struct world *w = in_quick_mode(&message1);
	const int whole = (int)hash_len(w->gw.keys.hash);
	struct opened *o = rogue_open(w, blob(&message1));

	for (int octets = NO_HASH; octets <= 2 * whole; octets++) {
		if (octets == WHOLE_HASH || octets == whole)
			continue;
		rogue_send(w, o, 0, octets, blob(&w->gw.ni));
		ike_recv(w->ike, &w->inbox, w->now, &w->out);
		drain_events(w);
		assert_int_equal(w->events[IKE_EV_WANT_SA], 0);
	}
	rogue_send(w, o, 0, WHOLE_HASH, blob(&w->gw.ni));
	deliver(w);
	assert_up(w);
	free(o);
	world_free(w);
}

/* Each bit of message 5 of a gateway that renews phase 1; those of 6, of quick mode and of
 * informational messages are flipped in the simulation (forge_table.c). */
static void each_bit_of_message_5_counts(void **state)
{
	(void)state;
	struct world *w = connected("modern", true);
	char smallest[SUITE_TEXT];
	struct blob broken;

	gw_main_start(w, ike_suite_text(&w->conf.proposals.ike[5], smallest));
	for (int i = 0; i < 2; i++) { /* messages 1 and 3 */
		ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
		deliver_to_gateway(w);
	}
	struct pkt *real = intercept(w);
	for (size_t bit = 8 * IKE_HDR; bit < 8 * real->len; bit++) {
		blob_set(&broken, pkt_slice(real));
		broken.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		to_client(w, blob(&broken));
	}
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	assert_int_equal(w->out.down.count, 0);
	pktq_put(&w->inbox, real);
	deliver(w);
	assert_int_equal(w->gw.main_modes, 2);
	world_free(w);
}

/* ---- notify and delete ---- */

static void cve_2009_0790_r_u_there_is_for_an_sa_that_lives(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint8_t right[16], wrong[4][16] = {{0}};

	memcpy(right, gw_cookies(w, right).p, 16);
	memcpy(wrong[1], right + 8, 8); /* swapped */
	memcpy(wrong[1] + 8, right, 8);
	memcpy(wrong[2], right, 8);
	memcpy(wrong[3] + 8, right + 8, 8);
	for (int i = 0; i < 4; i++)
		for (size_t n = 0; n <= 16; n++) {
			gw_notify(w, IKE_PROTO_ISAKMP, IKE_R_U_THERE, slice(wrong[i], n),
				slice("\0\0\0\1", 4));
			gw_notify(w, IKE_PROTO_ISAKMP, IKE_R_U_THERE, slice(right, 16),
				slice("\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1", n == 4 ? 5 : n));
			pass(w, SECONDS(1));
			assert_int_equal(w->gw.acks, 0);
		}
	gw_dpd(w, IKE_R_U_THERE, 1);
	struct pkt *question = intercept(w);
	gw_delete_sa(w);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	pktq_put(&w->inbox, question); /* the SA is gone */
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	assert_int_equal(w->gw.acks, 0);
	pass(w, SECONDS(2));
	assert_int_equal(w->gw.acks, 0);
	assert_up(w);
	world_free(w);
}

/* Deletes twice over, and what comes behind them. */
static void cve_2023_38712_what_follows_a_delete_of_the_sa_is_not_read(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint8_t cookies[16], spi[4], buf[ROOM];
	struct slice both = gw_cookies(w, cookies);
	struct ike_build b;
	uint32_t id;

	put_u32(spi, w->gw.spi_own);
	gw_info_begin(w, &b, buf, &id);
	ike_put_delete(&b, IKE_PROTO_ISAKMP, 16, both);
	ike_put_delete(&b, IKE_PROTO_ISAKMP, 16, both);
	ike_put_notify(&b, IKE_PROTO_ISAKMP, IKE_R_U_THERE, both, slice("\0\0\0\1", 4));
	ike_put_notify(&b, IKE_PROTO_ISAKMP, IKE_NO_PROPOSAL_CHOSEN, both, none);
	ike_put_delete(&b, IKE_PROTO_ESP, 4, slice(spi, 4));
	gw_info_end(w, &b, id);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
	drain_events(w);
	assert_int_equal(w->gw.acks, 0);
	assert_int_equal(w->events[IKE_EV_DROP_SA], 0);
	pass(w, SECONDS(3));
	assert_int_equal(w->gw.main_modes, 2);
	assert_int_equal(w->gw.acks, 0);
	assert_up(w);
	world_free(w);
}

static void cve_2023_38712_a_pair_deleted_ten_times_goes_once(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	uint8_t spis[40], buf[ROOM];
	struct ike_build b;
	uint32_t id;

	for (int i = 0; i < 10; i++)
		put_u32(spis + 4 * i, w->gw.spi_own);
	gw_info_begin(w, &b, buf, &id);
	ike_put_delete(&b, IKE_PROTO_ESP, 4, slice(spis, 40));
	ike_put_delete(&b, IKE_PROTO_ESP, 4, slice(spis, 40));
	gw_info_end(w, &b, id);
	deliver(w);
	assert_int_equal(w->events[IKE_EV_DROP_SA], 1);
	pass(w, SECONDS(2));
	assert_up(w);
	world_free(w);
}

/* ---- identities of quick mode ---- */

/* How many IDs and of which type; libreswan's impairments of the same names. */
static void cve_2023_38711_no_id_of_quick_mode_is_a_trap(void **state)
{
	(void)state;
	for (unsigned ids = 0; ids <= 3; ids++)
		for (unsigned type = 0; type < 256; type += ids == 2 ? 1 : 51) {
			struct blob message1;
			struct world *w = in_quick_mode(&message1);
			struct opened *o = rogue_open(w, blob(&message1));
			uint8_t body[40] = {(uint8_t)type, 17, 0x06, 0xa5};
			bool good = ids == 0; /* RFC 2409, 5.5: then it means the addresses */

			while (o->p.at[o->p.n - 1].type == IKE_ID)
				o->p.n--;
			for (unsigned i = 0; i < ids; i++)
				o->p.at[o->p.n++] =
					(struct ike_payload){IKE_ID, slice(body, type % 37)};
			rogue_send(w, o, 0, WHOLE_HASH, blob(&w->gw.ni));
			ike_recv(w->ike, &w->inbox, w->now, &w->out);
			drain_events(w);
			assert_int_equal(w->events[IKE_EV_WANT_SA], good);
			free(o);
			world_free(w);
		}
}

/* The same in a quick mode of the gateway's own. */
static void cve_2023_38711_nor_one_of_the_gateways_own_quick_mode(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	gw_quick_start(w, "aes256-sha1", DH_NONE);
	struct opened *o = rogue_open(w, none);
	const size_t n = o->p.n - 2;
	uint32_t id = 1000;

	for (unsigned ids = 1; ids <= 3; ids++)
		for (unsigned type = 0; type < 256; type++) {
			uint8_t body[40] = {(uint8_t)type, 17, 0x06, 0xa5};

			for (unsigned i = 0; i < ids; i++)
				o->p.at[n + i] =
					(struct ike_payload){IKE_ID, slice(body, type % 37)};
			o->p.n = n + ids;
			rogue_send(w, o, id++, WHOLE_HASH, none);
			ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
			drain_events(w);
			pktq_free(&w->out.down);
			assert_int_equal(w->events[IKE_EV_WANT_SPI], 1);
			assert_int_equal(w->events[IKE_EV_FAILED], 0);
		}
	free(o);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cve_2019_10155_an_informational_without_its_whole_hash_is_nothing),
		cmocka_unit_test(cve_2019_10155_a_quick_mode_without_its_whole_hash_is_nothing),
		cmocka_unit_test(cve_2019_10155_an_answer_without_its_whole_hash_is_nothing),
		cmocka_unit_test(each_bit_of_message_5_counts),
		cmocka_unit_test(cve_2009_0790_r_u_there_is_for_an_sa_that_lives),
		cmocka_unit_test(cve_2023_38712_what_follows_a_delete_of_the_sa_is_not_read),
		cmocka_unit_test(cve_2023_38712_a_pair_deleted_ten_times_goes_once),
		cmocka_unit_test(cve_2023_38711_no_id_of_quick_mode_is_a_trap),
		cmocka_unit_test(cve_2023_38711_nor_one_of_the_gateways_own_quick_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

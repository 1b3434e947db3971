/* ike/: keys are gone with the exchange that made them (./dev mutate). */
#include "tests/unit/ike_world.h"
#include "tests/unit/leftovers.h"

#include "ike/ike_rooms.h"

static const uint8_t zero[ESP_AUTH_KEY_MAX];

static void an_sa_that_is_freed_holds_no_key(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);

	leftovers_watch(slice(w->gw.keys.d, 16)); /* needed to the end */
	ike_free(w->ike);
	w->ike = NULL;
	assert_int_equal(leftovers_freed(), 0);
	world_free(w);
}

/* Renewals and deletes need the other keys. */
static void an_sa_that_is_up_has_no_more_use_for_its_roots(void **state)
{
	(void)state;
	struct world *w = connected("modern", false);
	const struct ike_keys *keys = &w->ike->sas->keys;

	assert_memory_equal(keys->skeyid, zero, sizeof(keys->skeyid));
	assert_memory_equal(keys->e, zero, sizeof(keys->e));
	assert_memory_not_equal(keys->d, zero, 16);
	world_free(w);
}

/* Installed, the plane has the keys; the exchange is kept for a while, without them. */
static void a_quick_mode_that_is_done_holds_no_key(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->gw.quick_choice = 2; /* CBC, with a key for HMAC */
	world_open(w);
	pass(w, 500);
	assert_up(w);
	const struct quick *q = w->ike->quicks;

	assert_non_null(q);
	assert_int_equal(q->state, QUICK_DONE);
	assert_memory_equal(q->pair.in.key, zero, sizeof(q->pair.in.key));
	assert_memory_equal(q->pair.in.auth, zero, sizeof(q->pair.in.auth));
	assert_memory_equal(q->pair.out.key, zero, sizeof(q->pair.out.key));
	assert_memory_equal(q->pair.out.auth, zero, sizeof(q->pair.out.auth));
	assert_memory_not_equal(w->pair.in.key, zero, 16);
	world_free(w);
}

static void a_quick_mode_that_failed_leaves_no_key(void **state)
{
	(void)state;
	struct world *w = world_new("modern");

	w->keep_questions = true;
	world_open(w);
	while (!w->events[IKE_EV_WANT_SA]) {
		pass(w, 100);
		if (w->events[IKE_EV_WANT_SPI] && !w->events[IKE_EV_WANT_SA])
			answer(w, w->want.id, true);
	}
	leftovers_watch(slice(w->pair.in.key, 16));
	answer(w, w->want.id, false);
	ike_free(w->ike);
	w->ike = NULL;
	assert_int_equal(leftovers_freed(), 0);
	world_free(w);
}

static void the_keys_of_a_pair_are_in_their_place_only(void **state)
{
	(void)state;
	struct env *env = test_env_new(3);
	struct ike_keys keys = {.hash = HASH_SHA256, .d = {1, 2, 3}};
	const struct esp_suite suite = {ESP_AES_CBC, 32, HASH_SHA256, 16};
	struct esp_half half = {.spi = 0x1234}, again = half;

	assert_true(ike_esp_keys(
		env->crypto, &keys, &suite, slice(NULL, 0), slice_str("i"), slice_str("r"), &half));
	/* across the end of the first block, as only the whole material has it */
	leftovers_watch(slice(half.auth + 4, 24));
	leftovers_wash();
	assert_true(ike_esp_keys(env->crypto, &keys, &suite, slice(NULL, 0), slice_str("i"),
		slice_str("r"), &again));
	assert_int_equal(leftovers_stack(), 0);
	test_env_free(env);
}

/* g^xy of main mode and of quick mode with PFS, as the gateway computes them too. */
static void the_shared_secrets_are_not_left(void **state)
{
	(void)state;
	struct world *w = world_new("modern");
	uint8_t gxy[DH_SECRET_MAX];

	w->gw.choice = 5;
	w->conf.proposals.pfs = DH_ECP256;
	world_open(w);
	for (int i = 0; i < 2; i++) {
		drain_events(w);
		deliver_to_gateway(w);
		if (i)
			break;
		ike_recv(w->ike, &w->inbox, w->now, &w->out);
	}
	assert_true(dh_agree(w->gw.dh, blob(&w->gw.public_i), gxy));
	leftovers_watch(slice(gxy, 32));
	leftovers_wash();
	ike_recv(w->ike, &w->inbox, w->now, &w->out); /* message 4 */
	assert_int_equal(leftovers_stack(), 0);

	w->keep_questions = true;
	for (int i = 0; i < 2 && !w->events[IKE_EV_WANT_SPI]; i++) {
		deliver_to_gateway(w);
		ike_recv(w->ike, &w->inbox, w->now, &w->out);
		drain_events(w);
	}
	answer(w, w->want.id, true);
	deliver_to_gateway(w);
	assert_true(dh_agree(w->gw.quick_dh, blob(&w->gw.quick_peer), gxy));
	leftovers_watch(slice(gxy, 32));
	leftovers_wash();
	ike_recv(w->ike, &w->inbox, w->now, &w->out); /* message 2 of quick mode */
	assert_int_equal(leftovers_stack(), 0);
	drain_events(w);
	assert_int_equal(w->events[IKE_EV_WANT_SA], 1);
	leftovers_wash(); /* once more, where nothing runs behind it and covers its stack */
	assert_int_equal(ike_quick_derive(w->ike, w->ike->quicks).id, REASON_NONE);
	assert_int_equal(leftovers_stack(), 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_sa_that_is_freed_holds_no_key),
		cmocka_unit_test(an_sa_that_is_up_has_no_more_use_for_its_roots),
		cmocka_unit_test(a_quick_mode_that_is_done_holds_no_key),
		cmocka_unit_test(a_quick_mode_that_failed_leaves_no_key),
		cmocka_unit_test(the_keys_of_a_pair_are_in_their_place_only),
		cmocka_unit_test(the_shared_secrets_are_not_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

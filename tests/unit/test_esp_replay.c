/* esp/esp_replay.c: the window against a model that remembers every number. RFC 4303, 3.4.3. */
#include "tests/vectors/vectors.h"

#include <stdlib.h>

#include "esp/esp_replay.h"

enum { W = ESP_REPLAY_WINDOW };

static bool accept(struct esp_replay *r, uint32_t seq)
{
	bool is_new = esp_replay_is_new(r, seq);

	assert_int_equal(esp_replay_accept(r, seq), is_new);
	assert_false(esp_replay_is_new(r, seq));
	return is_new;
}

static void the_window_is_at_least_1024_wide(void **state)
{
	(void)state;
	assert_true(W >= 1024);
}

static void zero_is_never_accepted(void **state)
{
	(void)state;
	struct esp_replay r = {0};

	assert_false(accept(&r, 0));
	assert_true(accept(&r, 1));
	assert_false(accept(&r, 0));
	assert_false(accept(&r, 1));
}

static void asking_changes_nothing(void **state)
{
	(void)state;
	struct esp_replay r = {0};

	assert_true(accept(&r, 5));
	assert_true(esp_replay_is_new(&r, 0xffffffff));
	assert_true(esp_replay_is_new(&r, 4));
	assert_true(accept(&r, 4));
	assert_true(accept(&r, 6));
}

/* From every phase of a word: the oldest number inside, and the one before it. */
static void the_edge_of_the_window_is_exact(void **state)
{
	(void)state;
	for (uint32_t top = 3 * W; top < 3 * W + 130; top++) {
		struct esp_replay r = {0};

		assert_true(accept(&r, top));
		assert_false(accept(&r, top - W));
		assert_false(accept(&r, top - W - 1));
		assert_true(accept(&r, top - W + 1));
		assert_false(accept(&r, top - W + 1));
		assert_true(accept(&r, top + 1));
		assert_false(accept(&r, top - W + 1));
	}
}

/* What a jump leaves in the ring must not look like numbers of the new window. */
static void a_jump_of_any_distance_forgets_only_what_is_too_old(void **state)
{
	(void)state;
	for (uint32_t jump = 1; jump < 3 * W; jump += jump < 200 || jump > W - 200 ? 1 : 37) {
		struct esp_replay r = {0};
		uint32_t top = 2 * W;

		for (uint32_t seq = top - W + 1; seq <= top; seq++)
			assert_true(accept(&r, seq));
		assert_true(accept(&r, top + jump));
		for (uint32_t seq = top + jump - W + 1; seq < top + jump; seq++)
			assert_int_equal(esp_replay_is_new(&r, seq), seq > top);
	}
}

static void the_last_number_ends_the_sa(void **state)
{
	(void)state;
	struct esp_replay r = {0};

	assert_true(accept(&r, 0xfffffffe));
	assert_true(accept(&r, 0xffffffff));
	assert_false(accept(&r, 0));
	for (uint32_t seq = 1; seq < 2 * W; seq++)
		assert_false(accept(&r, seq));
	assert_true(accept(&r, 0xffffffff - W + 1));
	assert_false(accept(&r, 0xffffffff - W));
}

static void far_jumps_to_the_middle_of_nowhere(void **state)
{
	(void)state;
	struct esp_replay r = {0};
	static const uint32_t jumps[] = {1, 64, 2048, 2049, 1u << 20, 0x80000000, 0xfffffff0};

	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		assert_true(accept(&r, jumps[i]));
		for (size_t k = 0; k <= i; k++)
			assert_false(accept(&r, jumps[k]));
	}
}

enum { N = 100000 };

/* Each number moves back by less than the window; then everything comes a second time. */
static void a_shuffled_stream_is_accepted_exactly_once(void **state)
{
	(void)state;
	struct env *env = test_env_new(9);
	uint32_t *order = malloc(N * sizeof(*order));
	struct esp_replay r = {0};

	assert_non_null(order);
	for (uint32_t i = 0; i < N; i++)
		order[i] = i + 1;
	for (uint32_t block = 0; block < N; block += W / 2)
		for (uint32_t i = block; i < N && i < block + W / 2; i++) {
			uint32_t end = block + W / 2 < N ? block + W / 2 : N;
			uint32_t k = i + env_random_u32(env) % (end - i), x = order[i];

			order[i] = order[k];
			order[k] = x;
		}
	for (uint32_t i = 0; i < N; i++) {
		assert_true(accept(&r, order[i]));
		assert_false(accept(&r, order[env_random_u32(env) % (i + 1)]));
	}
	for (uint32_t i = 0; i < N; i++)
		assert_false(accept(&r, order[i]));
	free(order);
	test_env_free(env);
}

/* Random walks forwards and back, against a flag for each number. */
static void random_numbers_agree_with_a_model(void **state)
{
	(void)state;
	struct env *env = test_env_new(10);
	bool *seen = calloc(N + 1, sizeof(*seen));
	struct esp_replay r = {0};
	uint32_t top = 0;

	assert_non_null(seen);
	while (top < N - 5000) {
		uint32_t dice = env_random_u32(env), seq = top + dice % 5000;

		if (dice >> 28 && top)
			seq = top > 3000 ? top - dice % 3000 : 1 + dice % top;
		if (seq == 0)
			continue;
		bool want = !seen[seq] && (seq > top || top - seq < W);
		assert_int_equal(accept(&r, seq), want);
		seen[seq] |= want;
		top = seq > top ? seq : top;
	}
	free(seen);
	test_env_free(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_window_is_at_least_1024_wide),
		cmocka_unit_test(zero_is_never_accepted),
		cmocka_unit_test(asking_changes_nothing),
		cmocka_unit_test(the_edge_of_the_window_is_exact),
		cmocka_unit_test(a_jump_of_any_distance_forgets_only_what_is_too_old),
		cmocka_unit_test(the_last_number_ends_the_sa),
		cmocka_unit_test(far_jumps_to_the_middle_of_nowhere),
		cmocka_unit_test(a_shuffled_stream_is_accepted_exactly_once),
		cmocka_unit_test(random_numbers_agree_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

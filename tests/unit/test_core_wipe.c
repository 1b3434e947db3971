/* daemon/stack.c: of a pair's keys it keeps none (./dev mutate). IKE is this file's: it asks once for a
 * pair to be installed. */
#include "tests/unit/leftovers.h"
#include "tests/vectors/vectors.h"

#include <string.h>

#include "daemon/stack_priv.h"
#include "ike/ike_natt.h"

static struct sa_pair pair;
static bool has_asked;

struct ike *ike_new(const struct ike_conf *conf, const struct env *env)
{
	static uint8_t ike;

	(void)conf, (void)env;
	return (struct ike *)&ike;
}

void ike_free(struct ike *ike)
{
	(void)ike;
}

void ike_open(struct ike *ike, msec now, struct io *out)
{
	(void)ike, (void)now, (void)out;
}

void ike_close(struct ike *ike, msec now, struct io *out)
{
	(void)ike, (void)now, (void)out;
}

void ike_recv(struct ike *ike, struct pktq *in, msec now, struct io *out)
{
	(void)ike, (void)now, (void)out;
	pktq_free(in);
}

void ike_tick(struct ike *ike, msec now, struct io *out)
{
	(void)ike, (void)now, (void)out;
}

msec ike_deadline(const struct ike *ike)
{
	(void)ike;
	return MSEC_NEVER;
}

bool ike_next_event(struct ike *ike, struct ike_event *ev)
{
	(void)ike;
	*ev = (struct ike_event){.kind = IKE_EV_WANT_SA, .id = 1, .pair = &pair};
	bool asks = !has_asked;
	has_asked = true;
	return asks;
}

void ike_answer(struct ike *ike, uint32_t id, const struct answer *answer, msec now, struct io *out)
{
	(void)ike, (void)id, (void)now, (void)out;
	assert_true(answer->yes);
}

void ike_sa_used(struct ike *ike, uint32_t spi_in, msec now, struct io *out)
{
	(void)ike, (void)spi_in, (void)now, (void)out;
}

void ike_sa_unanswered(struct ike *ike, msec now, struct io *out)
{
	(void)ike, (void)now, (void)out;
}

void ike_sa_doubted(struct ike *ike, msec now, struct io *out)
{
	(void)ike, (void)now, (void)out;
}

void ike_peer_alive(struct ike *ike, msec now)
{
	(void)ike, (void)now;
}

void ike_rekey(struct ike *ike, uint32_t spi_in, msec now, struct io *out)
{
	(void)ike, (void)spi_in, (void)now, (void)out;
}

void ike_get_status(const struct ike *ike, struct ike_status *status)
{
	(void)ike;
	*status = (struct ike_status){.peer_kind = ""};
}

const char *ike_suite_text(const struct ike_suite *suite, char *to)
{
	(void)suite;
	*to = 0;
	return to;
}

enum natt_kind natt_classify(struct pkt *p)
{
	(void)p;
	return NATT_ESP;
}

bool natt_mark(struct pkt *p)
{
	return p;
}

static void an_installed_pair_is_the_planes_alone(void **state)
{
	(void)state;
	struct env *env = test_env_new(7);
	struct stack_conf conf = {0};
	struct io out = {0};
	const struct esp_half none = {0};

	pair = (struct sa_pair){.suite = {ESP_AES_CBC, 32, HASH_SHA256, 16}, .lane = LANE_NATT};
	pair.in.spi = 0x1001;
	pair.out.spi = 0x1002;
	env_random(env, pair.in.key, sizeof(pair.in.key));
	env_random(env, pair.in.auth, sizeof(pair.in.auth));
	env_random(env, pair.out.key, sizeof(pair.out.key));
	env_random(env, pair.out.auth, sizeof(pair.out.auth));
	struct stack *s = stack_new(&conf, env);
	assert_non_null(s);
	stack_open(s, 1000, &out);
	assert_true(has_asked);
	assert_int_equal(s->pair.lane, LANE_NATT);
	assert_memory_equal(&s->pair.in, &none, sizeof(none));
	assert_memory_equal(&s->pair.out, &none, sizeof(none));

	s->pair = pair; /* as it is for a moment */
	leftovers_watch(slice(pair.in.key, 32));
	stack_free(s);
	assert_int_equal(leftovers_freed(), 0);
	test_env_free(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_installed_pair_is_the_planes_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

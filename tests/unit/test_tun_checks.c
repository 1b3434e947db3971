/* daemon/tun_merge.c: what each check keeps out, where no other test would miss it (./dev mutate). */
#include "tests/unit/tun_packets.h"

#include <stdlib.h>

/* Small ones, so that their number ends a frame before its length does. */
static void a_frame_has_64_packets_at_most(void **state)
{
	struct env *env = *state;
	struct gso_frames *f = calloc(1, sizeof(*f));
	struct shape s = {.proto = TCP, .flags = ACK, .payload = 100};
	struct pktq q = {0};
	size_t packets = 0;

	assert_non_null(f);
	for (unsigned i = 0; i < 200; i++, s.seq += 100, s.id++)
		pktq_put(&q, packet(env->pool, &s));
	gso_merge(f, &q, GSO_FRAMES_MAX);
	for (size_t i = 0; i < f->count; i++) {
		assert_in_range(f->frame[i].pkts.count, 1, GSO_JOIN_MAX);
		packets += f->frame[i].pkts.count;
		pktq_free(&f->frame[i].pkts);
	}
	assert_int_equal(packets, 200);
	free(f);
}

static void options_of_impossible_length_are_left_alone(void **state)
{
	struct env *env = *state;
	static const uint8_t lengths[] = {0, 5, 255};

	for (size_t i = 0; i < sizeof(lengths); i++) {
		struct shape s = {.proto = TCP, .flags = SYN, .options = 4};
		struct pkt *p = packet(env->pool, &s);

		p->data[40] = 8;
		p->data[41] = lengths[i];
		p->data[42] = 2; /* an MSS option, if one steps there */
		gso_clamp_mss(p, 576);
		assert_int_equal(p->data[40], 8);
		assert_int_equal(p->data[42], 2);
		pkt_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frame_has_64_packets_at_most),
		TEST(options_of_impossible_length_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Coalescing of TCP segments, without a device. */
#include "tests/unit/tun_packets.h"

#include <stdlib.h>

static uint8_t frame[70000];

static struct gso_frames *merged(struct pktq *q)
{
	struct gso_frames *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	gso_merge(f, q, GSO_FRAMES_MAX);
	return f;
}

static void free_frames(struct gso_frames *f)
{
	for (size_t i = 0; i < f->count; i++)
		pktq_free(&f->frame[i].pkts);
	free(f);
}

/* What the device would get, without the virtio_net_hdr. */
static size_t flatten(const struct gso_frame *f, uint8_t *to)
{
	size_t len = 0;

	pktq_for_each (p, &f->pkts) {
		memcpy(to + len, p->data, p->len);
		len += p->len;
	}
	assert_int_equal(len, f->octets);
	return len;
}

static void segments_of_a_flow_become_one_frame(void **state)
{
	struct env *env = *state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct shape s = {.v6 = v6, .proto = TCP, .options = 12, .payload = 1348};
		struct pktq q = {0};

		s.seq = 0xfffff000; /* wraps on the way */
		for (unsigned i = 0; i < 40; i++, s.seq += 1348, s.id++) {
			s.flags = i == 39 ? ACK | PSH : ACK;
			pktq_put(&q, packet(env->pool, &s));
		}
		struct gso_frames *f = merged(&q);

		assert_int_equal(f->count, 1);
		const struct gso_frame *g = &f->frame[0];
		assert_int_equal(g->pkts.count, 40);
		assert_int_equal(g->vnet.gso_size, 1348);
		assert_int_equal(g->vnet.hdr_len, (v6 ? 40 : 20) + 32);
		assert_int_equal(
			g->vnet.gso_type, v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
		const uint8_t *ip = g->pkts.head->data, *tcp = ip + g->vnet.csum_start;
		assert_int_equal(tcp[13], ACK | PSH);
		assert_int_equal(
			get_u16(tcp + 16), slow_pseudo(ip, TCP, g->octets - g->vnet.csum_start));
		free_frames(f);
	}
}

/* The property that matters: what is merged and cut again is what came, flow by flow, in order. */
static void merging_and_cutting_gives_the_same_packets(void **state)
{
	struct env *env = *state;
	enum { FLOWS = 4, PACKETS = 120 };

	for (unsigned round = 0; round < 200; round++) {
		static uint8_t want[FLOWS][PACKETS][1600];
		size_t want_len[FLOWS][PACKETS], sent[FLOWS] = {0}, seen[FLOWS] = {0}, frames = 0;
		struct shape flow[FLOWS];
		struct pktq q = {0};

		for (uint8_t i = 0; i < FLOWS; i++)
			flow[i] = (struct shape){.v6 = i & 1,
				.proto = TCP,
				.flow = i,
				.seq = env_random_u32(env),
				.id = env_random_u16(env),
				.may_fragment = round & 1,
				.payload = 1000 + i};
		for (unsigned n = 0; n < PACKETS; n++) {
			size_t i = env_random_u16(env) % FLOWS;
			struct shape s = flow[i];
			static const uint8_t odd[] = {SYN, ACK | FIN, ACK | RST, ACK | URG, 0};

			s.flags = env_random_u16(env) % 8 ? ACK : ACK | PSH;
			if (env_random_u16(env) % 16 == 0)
				s.flags = odd[env_random_u16(env) % 5];
			if (env_random_u16(env) % 16 == 0)
				s.payload = env_random_u16(env) % 1400;
			if (env_random_u16(env) % 16 == 0)
				s.options = 12;
			struct pkt *p = packet(env->pool, &s);
			memcpy(want[i][sent[i]], p->data, p->len);
			want_len[i][sent[i]++] = p->len;
			pktq_put(&q, p);
			flow[i].seq += (uint32_t)s.payload;
			flow[i].id++;
			if (env_random_u16(env) % 32 == 0)
				flow[i].seq += 5; /* one was lost */
		}
		struct gso_frames *f = merged(&q);
		for (size_t k = 0; k < f->count; k++) {
			struct gso_arena arena = {.pool = env->pool};
			struct pktq cut = {0};
			size_t len = flatten(&f->frame[k], frame);

			frames++;
			assert_int_equal(
				gso_split(&f->frame[k].vnet, slice(frame, len), &arena, &cut), 0);
			gso_arena_done(&arena);
			pktq_for_each (p, &cut) {
				size_t i = p->data[p->data[0] >> 4 == 4 ? 19 : 39];
				assert_slice(pkt_slice(p),
					slice(want[i][seen[i]], want_len[i][seen[i]]));
				seen[i]++;
			}
			pktq_free(&cut);
		}
		for (unsigned i = 0; i < FLOWS; i++)
			assert_int_equal(seen[i], sent[i]);
		assert_true(frames < PACKETS); /* something was merged at all */
		free_frames(f);
	}
}

typedef void spoil_fn(struct pkt *p);

static void other_ack(struct pkt *p)
{
	p->data[20 + 11]++;
}
static void other_window(struct pkt *p)
{
	p->data[20 + 15]++;
}
static void other_tos(struct pkt *p)
{
	p->data[1] = 3;
}
static void other_ttl(struct pkt *p)
{
	p->data[8]--;
}
static void other_option(struct pkt *p)
{
	p->data[20 + 20] = 9;
}
static void other_seq(struct pkt *p)
{
	p->data[20 + 7]++;
}
static void other_port(struct pkt *p)
{
	p->data[20 + 1]++;
}
static void other_address(struct pkt *p)
{
	p->data[15]++;
}
static void a_fragment(struct pkt *p)
{
	p->data[6] = 0x20;
}
static void a_syn(struct pkt *p)
{
	p->data[20 + 13] |= SYN;
}
static void a_fin(struct pkt *p)
{
	p->data[20 + 13] |= FIN;
}
static void no_ack_flag(struct pkt *p)
{
	p->data[20 + 13] = PSH;
}
static void congestion_echo(struct pkt *p)
{
	p->data[20 + 13] |= 0x40;
}
static void no_df_and_an_id_that_jumps(struct pkt *p)
{
	p->data[6] = 0;
	p->data[5] += 7;
}

/* Make the checksums right again after a change. */
static void repair(struct pkt *p)
{
	uint8_t *ip = p->data, *tcp = ip + 20;

	put_u16(ip + 10, 0);
	put_u16(ip + 10, (uint16_t)~slow_sum(0, ip, 20));
	put_u16(tcp + 16, 0);
	put_u16(tcp + 16, (uint16_t)~slow_sum(slow_pseudo(ip, TCP, p->len - 20), tcp, p->len - 20));
}

static void whatever_differs_stays_apart(void **state)
{
	struct env *env = *state;
	static spoil_fn *const spoil[] = {other_ack, other_window, other_tos, other_ttl,
		other_option, other_seq, other_port, other_address, a_fragment, a_syn, a_fin,
		no_ack_flag, congestion_echo, no_df_and_an_id_that_jumps};

	for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
		struct shape s = {.proto = TCP, .flags = ACK, .options = 12, .payload = 700};
		struct pktq q = {0};
		struct pkt *p = packet(env->pool, &s);
		uint8_t want[800];

		pktq_put(&q, p);
		s.seq += 700;
		s.id++;
		p = packet(env->pool, &s);
		spoil[i](p);
		repair(p);
		memcpy(want, p->data, p->len);
		pktq_put(&q, p);
		struct gso_frames *f = merged(&q);
		if (f->count != 2)
			fail_msg("change %zu was merged", i);
		assert_int_equal(f->frame[1].vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_slice(pkt_slice(f->frame[1].pkts.head), slice(want, 752));
		free_frames(f);
	}
}

/* A superpacket says "checksum good": a wrong one must not get in. */
static void wrong_checksums_are_left_for_the_kernel_to_see(void **state)
{
	struct env *env = *state;
	static const size_t at[] = {10, 36, 751}; /* IP checksum, TCP checksum, last octet */

	for (unsigned which = 0; which < 3; which++) {
		struct shape s = {.proto = TCP, .flags = ACK, .options = 12, .payload = 700};
		struct pktq q = {0};

		for (unsigned i = 0; i < 3; i++, s.seq += 700, s.id++) {
			struct pkt *p = packet(env->pool, &s);

			if (i == 1)
				p->data[at[which]] ^= 1;
			pktq_put(&q, p);
		}
		struct gso_frames *f = merged(&q);
		assert_int_equal(f->count, 3);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(f->frame[i].vnet.flags, 0);
		free_frames(f);
	}
}

static void psh_or_a_shorter_segment_ends_a_frame(void **state)
{
	struct env *env = *state;
	static const struct {
		uint8_t flags;
		size_t payload;
	} row[] = {{ACK, 500}, {ACK | PSH, 500}, {ACK, 500}, {ACK, 300}, {ACK, 300}, {ACK, 301}};
	struct shape s = {.proto = TCP};
	struct pktq q = {0};

	for (size_t i = 0; i < 6; i++, s.seq += (uint32_t)s.payload, s.id++) {
		s.flags = row[i].flags;
		s.payload = row[i].payload;
		pktq_put(&q, packet(env->pool, &s));
	}
	struct gso_frames *f = merged(&q);
	assert_int_equal(f->count, 4); /* 500+500p, 500+300, 300, 301 */
	assert_int_equal(f->frame[0].pkts.count, 2);
	assert_int_equal(f->frame[1].pkts.count, 2);
	assert_int_equal(f->frame[1].vnet.gso_size, 500);
	free_frames(f);
}

static void frames_do_not_exceed_an_ip_packet(void **state)
{
	struct env *env = *state;
	struct shape s = {.proto = TCP, .flags = ACK, .payload = 1460};
	struct pktq q = {0};

	for (unsigned i = 0; i < 100; i++, s.seq += 1460, s.id++)
		pktq_put(&q, packet(env->pool, &s));
	struct gso_frames *f = merged(&q);
	assert_int_equal(f->count, 3);
	for (size_t i = 0; i < f->count; i++)
		assert_true(f->frame[i].octets <= 65535);
	free_frames(f);
}

static void what_is_no_ip_packet_is_dropped_and_padding_is_cut(void **state)
{
	struct env *env = *state;
	struct shape s4 = {.proto = UDP, .payload = 30},
		     s6 = {.v6 = true, .proto = UDP, .payload = 30};
	struct gso_frames *f = calloc(1, sizeof(*f));

	for (unsigned v6 = 0; v6 < 2; v6++)
		for (size_t n = 0; n < 58 + v6 * 20; n++) {
			struct pkt *p = packet(env->pool, v6 ? &s6 : &s4);
			struct pktq q = {0};

			assert_true(pkt_trim(p, n));
			pktq_put(&q, p);
			gso_merge(f, &q, GSO_FRAMES_MAX);
			assert_int_equal(f->count, 0);
			assert_int_equal(f->malformed, n + 1 + v6 * 58);
		}
	struct pkt *p = packet(env->pool, &s4);
	struct pktq q = {0};
	memset(pkt_put(p, 9), 0, 9);
	pktq_put(&q, p);
	gso_merge(f, &q, GSO_FRAMES_MAX);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->frame[0].pkts.head->len, 58);
	free_frames(f);
}

static void noise_from_the_network_is_survived(void **state)
{
	struct env *env = *state;

	for (unsigned round = 0; round < 3000; round++) {
		struct pktq q = {0};
		struct shape s = {.v6 = round & 1, .proto = TCP, .flags = ACK, .payload = 100};

		for (unsigned i = 0; i < 8; i++, s.seq += 100, s.id++) {
			struct pkt *p = packet(env->pool, &s);

			for (unsigned k = env_random_u16(env) % 3; k > 0; k--)
				p->data[env_random_u16(env) % 60] = (uint8_t)env_random_u16(env);
			if (env_random_u16(env) % 4 == 0)
				pkt_trim(p, env_random_u16(env) % (p->len + 1));
			gso_clamp_mss(p, 1400);
			pktq_put(&q, p);
		}
		struct gso_frames *f = merged(&q);
		for (size_t i = 0; i < f->count; i++)
			flatten(&f->frame[i], frame);
		free_frames(f);
		assert_int_equal(pkt_pool_live(env->pool), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(segments_of_a_flow_become_one_frame),
		TEST(merging_and_cutting_gives_the_same_packets),
		TEST(whatever_differs_stays_apart),
		TEST(wrong_checksums_are_left_for_the_kernel_to_see),
		TEST(psh_or_a_shorter_segment_ends_a_frame),
		TEST(frames_do_not_exceed_an_ip_packet),
		TEST(what_is_no_ip_packet_is_dropped_and_padding_is_cut),
		TEST(noise_from_the_network_is_survived),
	};

	return cmocka_run_group_tests_name("tun_merge", tests, NULL, NULL);
}

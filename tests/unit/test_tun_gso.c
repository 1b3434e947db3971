/* Segmentation, checksums and the MSS clamp, without a device. */
#include "tests/unit/tun_packets.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/csum.h"

static uint8_t frame[70000];

/* ---- checksums ---- */

static void sums_agree_with_the_plain_one(void **state)
{
	struct env *env = *state;
	uint8_t octets[300];

	env_random(env, octets, sizeof(octets));
	for (size_t n = 0; n <= sizeof(octets); n++) {
		uint64_t sum = csum_add(0, slice(octets, n));

		assert_int_equal(csum_fold(sum), slow_sum(0, octets, n));
		assert_int_equal(csum_fold(csum_add_u16(sum, 0xfffe)), slow_sum(0xfffe, octets, n));
	}
	memset(octets, 0xff, sizeof(octets));
	assert_int_equal(csum_fold(csum_add(0, slice(octets, sizeof(octets)))), 0xffff);
}

/* ---- cutting ---- */

static void check_cut(const struct shape *s, size_t size, struct pktq *q)
{
	size_t headers = headers_of(s), offset = 0, number = 0;

	assert_int_equal(q->count, (s->payload + size - 1) / size);
	pktq_for_each (p, q) {
		size_t n = p->len - headers;
		const uint8_t *l4 = p->data + l4_at(s);
		bool last = offset + n == s->payload;

		assert_true(last ? n <= size : n == size);
		if (s->v6) {
			assert_int_equal(get_u16(p->data + 4), p->len - 40);
		} else {
			assert_int_equal(get_u16(p->data + 2), p->len);
			assert_int_equal(get_u16(p->data + 4), (uint16_t)(s->id + number));
		}
		if (s->proto == TCP) {
			uint8_t want = s->flags;

			if (!last)
				want &= (uint8_t) ~(FIN | PSH);
			if (number)
				want &= (uint8_t)~CWR;
			assert_int_equal(get_u32(l4 + 4), s->seq + (uint32_t)offset);
			assert_int_equal(l4[13], want);
		} else {
			assert_int_equal(get_u16(l4 + 4), n + 8);
		}
		for (size_t i = 0; i < n; i++)
			if (p->data[headers + i] != octet_at(s->seq + (uint32_t)(offset + i)))
				fail_msg("octet %zu is another one's", offset + i);
		assert_checksums(p, s->proto);
		assert_true(p->data - p->floor >= PKT_ROOM);
		assert_true(p->ceil - p->data - (ptrdiff_t)p->len >= PKT_TAIL);
		offset += n;
		number++;
	}
	assert_int_equal(offset, s->payload);
}

static void superpackets_become_packets(void **state)
{
	struct env *env = *state;
	static const size_t sizes[] = {1, 8, 536, 1348, 1360, 1448, 8960};

	for (unsigned round = 0; round < 300; round++) {
		size_t size = sizes[round % 7];
		struct shape s = {
			.v6 = round & 1,
			.proto = env_random_u16(env) % 4 ? TCP : UDP,
			.flags = (uint8_t)(ACK | (env_random_u16(env) & (FIN | PSH | CWR))),
			.options = (uint8_t)(env_random_u16(env) % 11 * 4),
			.id = env_random_u16(env),
			.seq = env_random_u32(env),
		};
		size_t most = size * 1500 < 65000 ? size * 1500 : 65000;
		s.payload = 1 + env_random_u32(env) % most;
		if (s.proto == UDP)
			s.options = 0;
		size_t len = write_packet(&s, frame);
		struct virtio_net_hdr vnet = offloaded(&s, frame, size);
		struct gso_arena arena = {.pool = env->pool};
		struct pktq q = {0};

		assert_int_equal(gso_split(&vnet, slice(frame, len), &arena, &q), 0);
		gso_arena_done(&arena);
		check_cut(&s, size, &q);
		pktq_free(&q);
		assert_int_equal(pkt_pool_live(env->pool), 0);
	}
}

/* Whoever pushes headers and puts trailers must not write into a neighbour. */
static void cut_packets_own_their_room(void **state)
{
	struct env *env = *state;
	struct shape s = {.proto = TCP, .flags = ACK, .payload = 60000};
	struct gso_arena arena = {.pool = env->pool};
	struct pktq q = {0};
	uint8_t mark = 0;

	size_t len = write_packet(&s, frame);
	struct virtio_net_hdr vnet = offloaded(&s, frame, 1360);
	assert_int_equal(gso_split(&vnet, slice(frame, len), &arena, &q), 0);
	gso_arena_done(&arena);
	pktq_for_each (p, &q) {
		assert_non_null(pkt_push(p, PKT_ROOM));
		assert_non_null(pkt_put(p, PKT_TAIL));
		memset(p->data, ++mark, p->len);
	}
	mark = 0;
	pktq_for_each (p, &q) {
		mark++;
		for (size_t i = 0; i < p->len; i++)
			assert_int_equal(p->data[i], mark);
	}
	pktq_free(&q);
}

static void a_lone_packet_gets_its_checksum(void **state)
{
	struct env *env = *state;

	for (unsigned round = 0; round < 400; round++) {
		struct shape s = {
			.v6 = round & 1,
			.proto = round & 2 ? UDP : TCP,
			.flags = ACK,
			.seq = env_random_u32(env),
			.payload = round % 8 < 6 ? env_random_u16(env) % 1400 : 9000 + round,
		};
		size_t len = write_packet(&s, frame);
		struct virtio_net_hdr vnet = offloaded(&s, frame, 0);
		struct gso_arena arena = {.pool = env->pool};
		struct pktq q = {0};

		assert_int_equal(gso_split(&vnet, slice(frame, len), &arena, &q), 0);
		gso_arena_done(&arena);
		assert_int_equal(q.count, 1);
		assert_int_equal(q.head->len, len);
		assert_checksums(q.head, s.proto);
		assert_true(q.head->data - q.head->floor >= PKT_ROOM);
		assert_true(q.head->ceil - q.head->data - (ptrdiff_t)len >= PKT_TAIL);
		pktq_free(&q);
	}
}

static void expect_refused(
	struct env *env, const struct virtio_net_hdr *vnet, size_t len, const char *what)
{
	struct gso_arena arena = {.pool = env->pool};
	struct pktq q = {0};
	uint8_t *exact = malloc(len ? len : 1); /* so that one octet too far traps */

	memcpy(exact, frame, len);
	if (gso_split(vnet, slice(exact, len), &arena, &q) != -EINVAL)
		fail_msg("%s is accepted", what);
	assert_int_equal(q.count, 0);
	free(exact);
	gso_arena_done(&arena);
	assert_int_equal(pkt_pool_live(env->pool), 0);
}

static void contradicting_headers_are_refused(void **state)
{
	struct env *env = *state;
	struct shape s = {.proto = TCP, .flags = ACK, .payload = 5000};
	struct shape s6 = {.v6 = true, .proto = TCP, .flags = ACK, .payload = 5000};
	size_t len = write_packet(&s, frame);
	struct virtio_net_hdr good = offloaded(&s, frame, 1000), h = good;

	h.gso_size = 0;
	expect_refused(env, &h, len, "gso_size 0");
	h.gso_size = 1;
	expect_refused(env, &h, len, "more segments than any MSS makes");
	h = good;
	h.flags = 0;
	expect_refused(env, &h, len, "a superpacket with a complete checksum");
	h = good;
	h.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	expect_refused(env, &h, len, "UFO");
	h.gso_type = 77;
	expect_refused(env, &h, len, "an unknown type");
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	expect_refused(env, &h, len, "TCPV6 in an IPv4 packet");
	h.gso_type = GSO_UDP_L4;
	expect_refused(env, &h, len, "UDP type on TCP");
	h = good;
	h.csum_start = 24;
	expect_refused(env, &h, len, "a transport header that is not behind the IP header");
	h.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	h.csum_start = 65535;
	expect_refused(env, &h, len, "a checksum beyond the end");
	h.csum_start = 0;
	expect_refused(env, &h, len, "a checksum in the IP header");
	h = good;
	frame[0] = 0x44;
	expect_refused(env, &h, len, "ihl 4");
	frame[0] = 0x4f;
	expect_refused(env, &h, len, "ihl that is not csum_start");
	frame[0] = 0x55;
	expect_refused(env, &h, len, "version 5");
	frame[0] = 0x45;
	frame[32] = 0x40;
	expect_refused(env, &h, len, "data offset 4");
	frame[32] = 0xf0;
	expect_refused(env, &h, 80, "nothing behind the TCP options");
	len = write_packet(&s6, frame);
	h = offloaded(&s6, frame, 1000);
	h.csum_start = 39;
	expect_refused(env, &h, len, "a TCP header inside the IPv6 header");
	h.csum_start = (uint16_t)(len - 19);
	expect_refused(env, &h, len, "a TCP header that ends behind the packet");
	for (size_t n = 0; n <= 60; n++) {
		h = offloaded(&s6, frame, 1000);
		expect_refused(env, &h, n, "a packet cut in its headers");
	}
}

static void noise_from_the_device_is_survived(void **state)
{
	struct env *env = *state;

	for (unsigned round = 0; round < 20000; round++) {
		struct shape s = {
			.v6 = round & 1,
			.proto = round & 4 ? UDP : TCP,
			.flags = ACK,
			.payload = env_random_u16(env) % 3000,
		};
		size_t len = write_packet(&s, frame);
		struct virtio_net_hdr vnet = offloaded(&s, frame, 1 + env_random_u16(env) % 1500);
		struct gso_arena arena = {.pool = env->pool};
		struct pktq q = {0};

		for (unsigned k = env_random_u16(env) % 4; k > 0; k--)
			((uint8_t *)&vnet)[env_random_u16(env) % sizeof(vnet)] =
				(uint8_t)env_random_u16(env);
		for (unsigned k = env_random_u16(env) % 4; k > 0; k--)
			frame[env_random_u16(env) % 60] = (uint8_t)env_random_u16(env);
		if (round & 2)
			len = env_random_u16(env) % (len + 1);
		uint8_t *exact = malloc(len ? len : 1);
		memcpy(exact, frame, len);
		int result = gso_split(&vnet, slice(exact, len), &arena, &q);
		assert_true(result == 0 ? q.count > 0 : result == -EINVAL && q.count == 0);
		free(exact);
		gso_arena_done(&arena);
		pktq_free(&q);
		assert_int_equal(pkt_pool_live(env->pool), 0);
	}
}

/* ---- MSS ---- */

static struct pkt *syn(struct env *env, bool v6, const uint8_t *options, uint8_t n)
{
	struct shape s = {.v6 = v6, .proto = TCP, .flags = SYN, .options = n};
	struct pkt *p = packet(env->pool, &s);
	uint8_t *tcp = p->data + l4_at(&s);

	memcpy(tcp + 20, options, n);
	put_u16(tcp + 16, 0);
	put_u16(tcp + 16, (uint16_t)~slow_sum(slow_pseudo(p->data, TCP, 20u + n), tcp, 20u + n));
	return p;
}

static void a_syn_does_not_ask_for_more_than_fits(void **state)
{
	struct env *env = *state;
	static const uint8_t plain[] = {2, 4, 0x05, 0xb4};           /* 1460 */
	static const uint8_t odd[] = {1, 2, 4, 0x05, 0xb4, 1, 1, 1}; /* at an odd offset */

	for (unsigned v6 = 0; v6 < 2; v6++)
		for (size_t mtu = 500; mtu < 1600; mtu += 37) {
			struct pkt *p = syn(env, v6, plain, 4), *o = syn(env, v6, odd, 8);
			size_t tcp = v6 ? 40 : 20, fits = mtu - tcp - 20;
			size_t want = fits < 1460 ? fits : 1460;

			gso_clamp_mss(p, mtu);
			gso_clamp_mss(o, mtu);
			assert_int_equal(get_u16(p->data + tcp + 22), want);
			assert_int_equal(get_u16(o->data + tcp + 23), want);
			assert_checksums(p, TCP);
			assert_checksums(o, TCP);
			pkt_free(p);
			pkt_free(o);
		}
}

static void other_packets_keep_their_octets(void **state)
{
	struct env *env = *state;
	static const uint8_t options[][4] = {
		{2, 0, 0x05, 0xb4},  /* length 0 */
		{2, 1, 0x05, 0xb4},  /* shorter than its own head */
		{2, 5, 0x05, 0xb4},  /* beyond the end */
		{2, 3, 0x05, 0xb4},  /* not an MSS option's length */
		{0, 2, 4, 0xff},     /* behind the end mark */
		{1, 1, 1, 2},        /* kind without length */
		{3, 3, 7, 2},        /* the same behind another option */
		{8, 200, 0xff, 0xff} /* another one, too long */
	};

	for (size_t i = 0; i < sizeof(options) / 4; i++) {
		struct pkt *p = syn(env, false, options[i], 4);
		uint8_t before[64];

		memcpy(before, p->data, p->len);
		gso_clamp_mss(p, 600);
		assert_slice(pkt_slice(p), slice(before, 44));
		pkt_free(p);
	}
	static const uint8_t mss[] = {2, 4, 0x05, 0xb4};
	struct pkt *p = syn(env, false, mss, 4);
	p->data[20 + 13] = ACK; /* not a SYN: what stands there is no MSS to speak of */
	gso_clamp_mss(p, 600);
	assert_int_equal(get_u16(p->data + 42), 1460);
	p->data[20 + 13] = SYN;
	gso_clamp_mss(p, 40); /* an MTU without room for anything */
	assert_int_equal(get_u16(p->data + 42), 1460);
	pkt_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sums_agree_with_the_plain_one),
		TEST(superpackets_become_packets),
		TEST(cut_packets_own_their_room),
		TEST(a_lone_packet_gets_its_checksum),
		TEST(contradicting_headers_are_refused),
		TEST(noise_from_the_device_is_survived),
		TEST(a_syn_does_not_ask_for_more_than_fits),
		TEST(other_packets_keep_their_octets),
	};

	return cmocka_run_group_tests_name("tun_gso", tests, NULL, NULL);
}

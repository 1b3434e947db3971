/* The outer sockets, over the loopback of a namespace of their own. */
#include "tests/vectors/vectors.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pkt.h"
#include "daemon/udp_priv.h"
#include "tests/net/netns.h"

enum { PORT_A = 40000, PORT_B = 40001 };

static struct addr local_host(bool v6, uint16_t port)
{
	struct addr a = {.port = port};

	assert_true(ip_parse(v6 ? "::1" : "127.0.0.1", &a.ip));
	return a;
}

static struct udp *open_one(bool v6, enum lane lane, uint16_t local, uint16_t remote)
{
	struct udp_conf conf = {
		.remote = local_host(v6, remote), .local_port = local, .lane = lane};
	struct udp *u;

	assert_int_equal(udp_open(&conf, &u), 0);
	return u;
}

/* Octets that only packet `number` has. */
static void fill(uint8_t *to, size_t len, uint32_t number)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(number * 167 + i * (number | 1));
	if (len >= 4)
		put_u32(to, number);
}

static struct pkt *packet(struct env *env, size_t len, uint32_t number)
{
	struct pkt *p = pkt_new(env->pool, len + PKT_TAIL);

	assert_non_null(p);
	p->len = len;
	fill(p->data, len, number);
	return p;
}

static void check(const struct pkt *p, size_t len, uint32_t number)
{
	static uint8_t want[65536];

	fill(want, len, number);
	assert_slice(pkt_slice(p), slice(want, len));
}

/* Wait until there is something to read, an error included. */
static void wait_for(const struct udp *u)
{
	struct pollfd p = {.fd = udp_fd(u), .events = POLLIN};

	assert_int_equal(poll(&p, 1, 5000), 1);
}

static void receive(struct env *env, struct udp *u, struct pktq *q, size_t want)
{
	while (q->count < want) {
		wait_for(u);
		udp_recv(u, env->pool, q, PKT_BATCH);
	}
}

static void exchange(struct env *env, struct udp *from, struct udp *to, const size_t *len, size_t n)
{
	struct pktq got = {0};

	for (size_t at = 0; at < n;) {
		struct pktq q = {0};
		size_t burst = 1 + env_random_u16(env) % 200;

		for (; burst > 0 && at < n; burst--, at++)
			pktq_put(&q, packet(env, len[at], (uint32_t)at));
		udp_send(from, &q);
		assert_int_equal(q.count, 0);
		assert_false(udp_blocked(from));
		receive(env, to, &got, at);
	}
	size_t number = 0;
	pktq_for_each (p, &got) {
		check(p, len[number], (uint32_t)number);
		number++;
	}
	assert_int_equal(number, n);
	pktq_free(&got);
}

/* Mostly what a tunnel carries, now and then something huge. */
static size_t some_size(struct env *env)
{
	return 1 + env_random_u16(env) % (env_random_u16(env) % 16 ? 1400u : 30000u);
}

static void mixed_sizes_arrive_intact_and_in_order(void **state)
{
	struct env *env = *state;
	size_t len[1000];

	for (unsigned round = 0; round < 4; round++) {
		bool v6 = round & 1;
		enum lane lane = round & 2 ? LANE_NATT : LANE_IKE;
		struct udp *a = open_one(v6, lane, PORT_A, PORT_B);
		struct udp *b = open_one(v6, lane, PORT_B, PORT_A);

		for (size_t i = 0; i < 1000; i++)
			len[i] = i && env_random_u16(env) % 8 ? len[i - 1] : some_size(env);
		exchange(env, a, b, len, 1000);
		exchange(env, b, a, len, 1000);
		assert_int_equal(udp_counters(a)->packets_out, 1000);
		assert_int_equal(udp_counters(a)->packets_in, 1000);
		assert_int_equal(udp_counters(a)->octets_in, udp_counters(a)->octets_out);
		assert_int_equal(udp_counters(a)->refused, 0);
		udp_close(a);
		udp_close(b);
		assert_int_equal(pkt_pool_live(env->pool), 0);
	}
}

static void equal_sizes_travel_together(void **state)
{
	struct env *env = *state;
	size_t len[640];
	struct udp *a = open_one(false, LANE_NATT, PORT_A, PORT_B);
	struct udp *b = open_one(false, LANE_NATT, PORT_B, PORT_A);

	for (size_t i = 0; i < 640; i++)
		len[i] = 1400;
	exchange(env, a, b, len, 640);
	assert_true(udp_counters(a)->writes < 640 / 8);
	assert_true(udp_counters(b)->reads < 640 / 8);
	udp_close(a);
	udp_close(b);
}

static void received_packets_know_their_lane_and_hold_little(void **state)
{
	struct env *env = *state;
	struct udp *a = open_one(false, LANE_NATT, PORT_A, PORT_B);
	struct udp *b = open_one(false, LANE_NATT, PORT_B, PORT_A);
	struct pktq q = {0}, got = {0};

	pktq_put(&q, packet(env, 300, 1));
	udp_send(a, &q);
	receive(env, b, &got, 1);
	assert_int_equal(got.head->lane, LANE_NATT);
	assert_true(got.head->ceil - got.head->floor <= PKT_SMALL);
	assert_non_null(pkt_push(got.head, PKT_ROOM));
	pktq_free(&got);
	udp_close(a);
	udp_close(b);
}

/* The loop must get its turn: a call takes about what it was told to. */
static void one_call_takes_no_more_than_its_limit(void **state)
{
	struct env *env = *state;
	struct udp *a = open_one(false, LANE_IKE, PORT_A, PORT_B);
	struct udp *b = open_one(false, LANE_IKE, PORT_B, PORT_A);
	struct pktq q = {0}, got = {0};

	for (uint32_t i = 0; i < 50; i++)
		pktq_put(&q, packet(env, 100 + i, i));
	udp_send(a, &q);
	wait_for(b);
	assert_int_equal(udp_recv(b, env->pool, &got, 20), 20);
	assert_int_equal(udp_recv(b, env->pool, &got, 20), 20);
	assert_int_equal(udp_recv(b, env->pool, &got, 20), 10);
	assert_int_equal(udp_recv(b, env->pool, &got, 20), 0);
	pktq_free(&got);
	udp_close(a);
	udp_close(b);
}

/* ---- errors ---- */

static void port_unreachable_is_told_and_the_next_packet_goes_out(void **state)
{
	struct env *env = *state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct udp *a = open_one(v6, LANE_NATT, PORT_A, PORT_B);
		struct udp_error err;
		struct pktq q = {0}, got = {0};

		assert_false(udp_take_error(a, &err));
		pktq_put(&q, packet(env, 100, 1));
		udp_send(a, &q);
		wait_for(a);
		struct udp *b = open_one(v6, LANE_NATT, PORT_B, PORT_A);
		pktq_put(&q, packet(env, 100, 2)); /* the error is pending: it must not eat this */
		udp_send(a, &q);
		receive(env, b, &got, 1);
		check(got.head, 100, 2);
		pktq_free(&got);
		assert_int_equal(udp_recv(a, env->pool, &got, PKT_BATCH), 0);
		assert_true(udp_take_error(a, &err));
		assert_int_equal(err.code, ECONNREFUSED);
		struct addr from = local_host(v6, 0);
		assert_true(ip_equal(&err.from, &from.ip));
		assert_false(udp_take_error(a, &err));
		struct pollfd p = {.fd = udp_fd(a), .events = POLLIN};
		assert_int_equal(poll(&p, 1, 0), 0); /* or the loop would spin */
		udp_close(a);
		udp_close(b);
	}
}

/* Segments larger than the MTU are refused by the kernel: they go as fragments. */
static void what_cannot_be_segmented_goes_one_by_one(void **state)
{
	struct env *env = *state;
	size_t len[100];

	sh("ip link set lo mtu 1300");
	struct udp *a = open_one(false, LANE_NATT, PORT_A, PORT_B);
	struct udp *b = open_one(false, LANE_NATT, PORT_B, PORT_A);
	assert_int_equal(udp_path_mtu(a), 1300);
	for (size_t i = 0; i < 100; i++)
		len[i] = 1400;
	exchange(env, a, b, len, 100);
	assert_true(udp_counters(a)->not_segmented > 0);
	assert_int_equal(udp_counters(a)->refused, 0);
	for (size_t i = 0; i < 100; i++)
		len[i] = 1200; /* still segmented */
	uint64_t before = udp_counters(a)->writes;
	exchange(env, a, b, len, 100);
	assert_true(udp_counters(a)->writes - before < 50);
	udp_close(a);
	udp_close(b);
	sh("ip link set lo mtu 65536");
}

static void what_the_host_refuses_is_counted_and_named(void **state)
{
	struct env *env = *state;
	struct udp *a = open_one(false, LANE_IKE, PORT_A, PORT_B);
	struct udp_error err;
	struct pktq q = {0};

	sh("ip rule add priority 0 to 127.0.0.1 unreachable && ip rule del priority 0 lookup "
	   "local");
	pktq_put(&q, packet(env, 100, 1));
	udp_send(a, &q);
	assert_false(udp_blocked(a));
	assert_int_equal(udp_counters(a)->refused, 1);
	assert_true(udp_take_error(a, &err));
	assert_true(err.code == EHOSTUNREACH || err.code == ENETUNREACH);
	assert_int_equal(err.from.family, FAMILY_NONE);
	sh("ip rule del priority 0 && ip rule add priority 0 lookup local");
	udp_close(a);
}

/* Nobody answers ARP, so what was sent stays charged to the socket until it is full. */
static void a_full_socket_keeps_a_bounded_queue_until_it_is_writable(void **state)
{
	struct env *env = *state;
	struct udp_conf conf = {.local_port = PORT_A, .lane = LANE_NATT};
	struct udp *u;
	struct pktq q = {0};
	int small = 8192;

	sh("ip link add ve0 type veth peer name ve1 && ip addr add 192.0.2.1/24 dev ve0 && "
	   "ip link set ve0 up && ip link set ve1 up");
	conf.remote.port = PORT_B;
	assert_true(ip_parse("192.0.2.2", &conf.remote.ip));
	assert_int_equal(udp_open(&conf, &u), 0);
	assert_int_equal(setsockopt(udp_fd(u), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (uint32_t i = 0; i < 100; i++)
		pktq_put(&q, packet(env, 1000 + i % 2 * 100, i));
	udp_send(u, &q);
	assert_true(udp_blocked(u));
	assert_int_equal(udp_counters(u)->queue_full, 0);
	for (uint32_t i = 100; i < 500; i++)
		pktq_put(&q, packet(env, 1000 + i % 2 * 100, i));
	udp_send(u, &q);
	uint64_t sent = udp_counters(u)->packets_out;
	assert_int_equal(udp_counters(u)->queue_full, 500 - sent - UDP_QUEUE_MAX);
	sh("ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev ve0");
	for (unsigned turns = 0; udp_blocked(u) && turns < 1000; turns++) {
		struct pollfd p = {.fd = udp_fd(u), .events = POLLOUT};

		assert_int_equal(poll(&p, 1, 5000), 1);
		udp_flush(u);
	}
	assert_int_equal(udp_counters(u)->packets_out, sent + UDP_QUEUE_MAX);
	udp_close(u);
	assert_int_equal(pkt_pool_live(env->pool), 0);
	sh("ip link del ve0");
}

/* ---- opening ---- */

static void ports_addresses_and_marks_are_as_asked(void **state)
{
	(void)state;
	struct udp_conf conf = {.remote = local_host(false, PORT_B),
		.local_port = PORT_A,
		.mark = 0x7670000,
		.lane = LANE_IKE};
	struct udp *a, *b;
	uint32_t mark = 0;
	socklen_t len = sizeof(mark);

	assert_int_equal(udp_open(&conf, &a), 0);
	struct addr want = local_host(false, PORT_A), got = udp_local(a);
	assert_true(addr_equal(&want, &got));
	assert_int_equal(getsockopt(udp_fd(a), SOL_SOCKET, SO_MARK, &mark, &len), 0);
	assert_int_equal(mark, 0x7670000);
	assert_int_equal(udp_open(&conf, &b), -EADDRINUSE);
	assert_null(b);
	conf.local_port = 0;
	assert_int_equal(udp_open(&conf, &b), 0);
	assert_int_not_equal(udp_local(b).port, 0);
	udp_close(a);
	udp_close(b);
	conf.remote.ip = (struct ip){0};
	assert_int_equal(udp_open(&conf, &b), -EAFNOSUPPORT);
	assert_true(ip_parse("198.51.100.1", &conf.remote.ip));
	assert_int_equal(udp_open(&conf, &b), -ENETUNREACH);
}

/* Two connections, one port, two servers: each hears its own. */
static void a_shared_port_belongs_to_each_by_its_server(void **state)
{
	struct env *env = *state;
	struct udp_conf conf = {.local_port = PORT_A, .reuse = true, .lane = LANE_NATT};
	struct udp *one, *two;
	struct pktq q = {0}, got = {0};

	conf.remote = local_host(false, PORT_B);
	assert_int_equal(udp_open(&conf, &one), 0);
	conf.remote = local_host(false, PORT_B + 1);
	assert_int_equal(udp_open(&conf, &two), 0);
	struct udp *server = open_one(false, LANE_NATT, PORT_B + 1, PORT_A);
	pktq_put(&q, packet(env, 50, 9));
	udp_send(server, &q);
	receive(env, two, &got, 1);
	check(got.head, 50, 9);
	assert_int_equal(udp_recv(one, env->pool, &got, PKT_BATCH), 0);
	pktq_free(&got);
	udp_close(server);
	udp_close(one);
	udp_close(two);
}

/* The kernel takes ESP and keepalives away; IKE, behind four zero octets, comes as ever. */
static void with_the_kernels_esp_only_ike_is_left(void **state)
{
	struct env *env = *state;
	struct udp_conf conf = {.remote = local_host(false, PORT_B),
		.local_port = PORT_A,
		.lane = LANE_NATT,
		.kernel_esp = true};
	struct udp *a, *b = open_one(false, LANE_NATT, PORT_B, PORT_A);
	struct pktq q = {0}, got = {0};

	assert_int_equal(udp_open(&conf, &a), 0);
	for (uint32_t i = 0; i < 60; i++) {
		struct pkt *p = packet(env, i % 3 == 2 ? 1 : 200, i);

		if (i % 3 == 0)
			memset(p->data, 0, 4);
		if (i % 3 == 2)
			p->data[0] = 0xff;
		pktq_put(&q, p);
	}
	udp_send(b, &q);
	receive(env, a, &got, 20);
	assert_int_equal(got.count, 20);
	pktq_for_each (p, &got)
		assert_int_equal(get_u32(p->data), 0);
	pktq_free(&got);
	udp_close(a);
	udp_close(b);
}

static void send_one(struct env *env, struct udp *u, uint8_t first)
{
	struct pktq q = {0};
	struct pkt *p = packet(env, 200, 1);

	memset(p->data, first, 4);
	pktq_put(&q, p);
	udp_send(u, &q);
}

/* Whoever sends what is no ESP where nobody listens hears of it at once, on this host. */
static bool is_heard(struct env *env, struct udp *from)
{
	struct pktq got = {0};
	struct udp_error err;

	send_one(env, from, 0);
	assert_int_equal(udp_recv(from, env->pool, &got, PKT_BATCH), 0);
	return !udp_take_error(from, &err);
}

/* Packets that a socket's filter has dropped. */
static unsigned filtered(void)
{
	FILE *f = popen("awk '/^Udp: [0-9]/ { print $4 }' /proc/net/snmp", "r");
	unsigned n;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &n), 1);
	assert_int_equal(pclose(f), 0);
	return n;
}

/* A NAT before the server may give it another port, and the kernel is to know by its ESP. Nothing of
 * that comes out here, and nobody else is heard, until the kernel has said so. */
static void the_kernels_esp_hears_the_server_from_any_port(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++)
		for (int shared = 0; shared < 2; shared++) {
			struct udp_conf conf = {.remote = local_host(v6, PORT_B),
				.local_port = PORT_A,
				.reuse = shared,
				.lane = LANE_NATT,
				.kernel_esp = true};
			struct udp *a, *again, *moved = open_one(v6, LANE_NATT, PORT_B + 1, PORT_A);
			struct pktq got = {0};

			assert_false(is_heard(env, moved));
			assert_int_equal(udp_open(&conf, &a), 0);
			assert_true(is_heard(env, moved));
			assert_int_equal(udp_recv(a, env->pool, &got, PKT_BATCH), 0);
			assert_int_equal(udp_follow(a, PORT_B + 1), 0);
			send_one(env, moved, 0);
			receive(env, a, &got, 1);
			pktq_free(&got);
			conf.remote.port++;
			assert_int_equal(udp_open(&conf, &again), shared ? 0 : -EADDRINUSE);
			udp_close(again);
			udp_close(moved);
			udp_close(a);
		}
}

static void the_second_socket_has_the_mark_too(void **state)
{
	struct udp_conf conf = {.remote = local_host(false, PORT_B),
		.lane = LANE_NATT,
		.mark = 0x7670000,
		.kernel_esp = true};
	uint32_t mark = 0;
	socklen_t len = sizeof(mark);
	struct udp *a;

	(void)state;
	assert_int_equal(udp_open(&conf, &a), 0);
	assert_int_equal(getsockopt(a->ear, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	assert_int_equal(mark, 0x7670000);
	udp_close(a);
}

static void the_kernel_hears_nothing_but_esp_and_nobody_but_the_server(void **state)
{
	struct env *env = *state;
	struct udp_conf conf = {.remote = local_host(false, PORT_B),
		.local_port = PORT_A,
		.lane = LANE_NATT,
		.kernel_esp = true};
	struct udp_conf of_other = {.remote = local_host(false, PORT_A),
		.local = {.family = FAMILY_IPV4, .b = {127, 0, 0, 2}},
		.lane = LANE_NATT};
	struct udp *a, *other, *moved = open_one(false, LANE_NATT, PORT_B + 1, PORT_A);
	unsigned before = filtered();

	assert_int_equal(udp_open(&conf, &a), 0);
	assert_int_equal(udp_open(&of_other, &other), 0);
	assert_false(is_heard(env, other));
	assert_int_equal(filtered(), before);
	assert_true(is_heard(env, moved));
	assert_int_equal(filtered(), before + 1);
	send_one(env, moved, 7); /* the kernel's, whether it knows that SPI or not */
	assert_int_equal(filtered(), before + 1);
	udp_close(other);
	udp_close(moved);
	udp_close(a);
}

static void raw_esp_comes_without_its_ip_header(void **state)
{
	struct env *env = *state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct udp *a = open_one(v6, LANE_RAW, 0, 0);
		struct udp *b = open_one(v6, LANE_RAW, 0, 0);
		struct pktq q = {0}, got = {0};

		assert_int_equal(udp_local(a).ip.family, v6 ? FAMILY_IPV6 : FAMILY_IPV4);
		assert_int_equal(udp_local(a).port, 0);

		for (uint32_t i = 0; i < 40; i++)
			pktq_put(&q, packet(env, 100 + i / 4 * 100, i));
		udp_send(a, &q);
		receive(env, b, &got, 40);
		uint32_t number = 0;
		pktq_for_each (p, &got) {
			check(p, 100 + number / 4 * 100, number);
			assert_int_equal(p->lane, LANE_RAW);
			number++;
		}
		pktq_free(&got);
		udp_close(a);
		udp_close(b);
	}
}

static int setup(void **state)
{
	*state = test_env_new(11);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	test_env_free(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mixed_sizes_arrive_intact_and_in_order),
		TEST(equal_sizes_travel_together),
		TEST(received_packets_know_their_lane_and_hold_little),
		TEST(one_call_takes_no_more_than_its_limit),
		TEST(port_unreachable_is_told_and_the_next_packet_goes_out),
		TEST(what_cannot_be_segmented_goes_one_by_one),
		TEST(what_the_host_refuses_is_counted_and_named),
		TEST(a_full_socket_keeps_a_bounded_queue_until_it_is_writable),
		TEST(ports_addresses_and_marks_are_as_asked),
		TEST(a_shared_port_belongs_to_each_by_its_server),
		TEST(with_the_kernels_esp_only_ike_is_left),
		TEST(the_kernels_esp_hears_the_server_from_any_port),
		TEST(the_second_socket_has_the_mark_too),
		TEST(the_kernel_hears_nothing_but_esp_and_nobody_but_the_server),
		TEST(raw_esp_comes_without_its_ip_header),
	};

	close(netns_new());
	return cmocka_run_group_tests_name("udp", tests, NULL, NULL);
}

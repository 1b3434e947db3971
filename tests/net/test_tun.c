/* The TUN device with the kernel's own TCP and UDP at both ends: two namespaces, a device in each,
 * and the test as the wire between them. */
#define _GNU_SOURCE /* accept4 */
#include "tests/vectors/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/pkt.h"
#include "daemon/tun.h"
#include "tests/net/netns.h"

enum { MTU = 1400, TOTAL = 10 << 20, PORT = 5001 };

struct wire {
	struct env *env;
	int ns[2];
	struct tun *tun[2];
	size_t largest; /* packet that was seen */
};

/* 192.0.2.1 and 2001:db8::1 in the first namespace, .2 and ::2 in the second. */
static void open_end(struct wire *w, unsigned end, bool plain)
{
	struct tun_conf conf = {.name = "vpn-test", .mtu = MTU, .plain = plain};

	w->ns[end] = netns_new();
	assert_int_equal(tun_open(&conf, &w->tun[end]), 0);
	sh("ip link set vpn-test up && ip addr add 192.0.2.%u/24 dev vpn-test && "
	   "ip addr add 2001:db8::%u/64 dev vpn-test nodad",
		end + 1, end + 1);
}

static struct wire *wire_new(struct env *env, bool plain)
{
	struct wire *w = calloc(1, sizeof(*w));

	w->env = env;
	open_end(w, 0, plain);
	open_end(w, 1, plain);
	return w;
}

static void wire_free(struct wire *w)
{
	for (unsigned end = 0; end < 2; end++) {
		tun_close(w->tun[end]);
		close(w->ns[end]);
	}
	free(w);
}

/* Carry what waits at one end to the other; returns whether there was anything. */
static bool carry(struct wire *w, unsigned from)
{
	struct pktq q = {0};
	int n = tun_read(w->tun[from], w->env->pool, &q, PKT_BATCH);

	assert_true(n >= 0);
	pktq_for_each (p, &q) {
		if (p->len > w->largest)
			w->largest = p->len;
		assert_true(p->data - p->floor >= PKT_ROOM);
		assert_true(p->ceil - p->data - (ptrdiff_t)p->len >= PKT_TAIL);
	}
	tun_write(w->tun[1 - from], &q);
	assert_int_equal(q.count, 0);
	return n > 0;
}

/* ---- TCP ---- */

static socklen_t address_of(unsigned end, bool v6, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
	struct sockaddr_in *four = (struct sockaddr_in *)to;
	struct ip ip;

	memset(to, 0, sizeof(*to));
	if (v6) {
		assert_true(ip_parse(end ? "2001:db8::2" : "2001:db8::1", &ip));
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(PORT);
		memcpy(&six->sin6_addr, ip.b, 16);
		return sizeof(*six);
	}
	assert_true(ip_parse(end ? "192.0.2.2" : "192.0.2.1", &ip));
	four->sin_family = AF_INET;
	four->sin_port = htons(PORT);
	memcpy(&four->sin_addr, ip.b, 4);
	return sizeof(*four);
}

static int socket_at(struct wire *w, unsigned end, bool v6, int type)
{
	netns_enter(w->ns[end]);
	int fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

static uint8_t octet_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 9) * 7 + (i >> 17));
}

static size_t send_more(int fd, size_t at)
{
	uint8_t buf[32768];
	size_t n = TOTAL - at < sizeof(buf) ? TOTAL - at : sizeof(buf);

	for (size_t i = 0; i < n; i++)
		buf[i] = octet_at(at + i);
	ssize_t sent = n ? send(fd, buf, n, MSG_NOSIGNAL) : 0;
	return sent > 0 ? (size_t)sent : 0;
}

static size_t receive_more(int fd, size_t at)
{
	uint8_t buf[32768];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != octet_at(at + (size_t)i))
			fail_msg("octet %zu is wrong", at + (size_t)i);
	return n > 0 ? (size_t)n : 0;
}

static void nap(struct wire *w)
{
	struct pollfd p[2] = {{.fd = tun_fd(w->tun[0]), .events = POLLIN},
		{.fd = tun_fd(w->tun[1]), .events = POLLIN}};

	poll(p, 2, 10);
}

/* 10 MiB from the sender's end to the other one. */
static void transfer(struct wire *w, unsigned sender, bool v6)
{
	struct sockaddr_storage sa;
	socklen_t len = address_of(1 - sender, v6, &sa);
	int listener = socket_at(w, 1 - sender, v6, SOCK_STREAM), accepted = -1;
	int client = socket_at(w, sender, v6, SOCK_STREAM);
	size_t sent = 0, received = 0;

	assert_int_equal(bind(listener, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&sa, len), -1);
	assert_int_equal(errno, EINPROGRESS);
	for (unsigned idle = 0; received < TOTAL && idle < 1000;) {
		size_t before = sent + received;

		sent += send_more(client, sent);
		bool moved = carry(w, 0);
		moved |= carry(w, 1);
		if (accepted < 0)
			accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		else
			received += receive_more(accepted, received);
		idle = moved || before != sent + received ? 0 : idle + 1;
		if (idle)
			nap(w);
	}
	assert_int_equal(received, TOTAL);
	assert_int_equal(w->largest, MTU);
	close(listener);
	close(client);
	close(accepted);
}

static void ten_megabytes_pass_intact(struct env *env, bool plain)
{
	struct wire *w = wire_new(env, plain);

	if (!plain && !tun_offload(w->tun[0]))
		skip_all("this kernel's TUN has no segmentation offload");
	for (unsigned v6 = 0; v6 < 2; v6++)
		for (unsigned sender = 0; sender < 2; sender++)
			transfer(w, sender, v6);
	for (unsigned end = 0; end < 2; end++) {
		const struct tun_counters *c = tun_counters(w->tun[end]);

		assert_int_equal(c->bad_in + c->bad_out + c->failed_out + c->no_memory, 0);
		if (plain) {
			assert_int_equal(c->reads, c->packets_in);
			assert_int_equal(c->writes, c->packets_out);
		} else {
			assert_true(c->reads < c->packets_in * 3 / 4);
			assert_true(c->writes < c->packets_out * 3 / 4);
		}
	}
	wire_free(w);
}

static void tcp_passes_in_superpackets(void **state)
{
	ten_megabytes_pass_intact(*state, false);
}

static void tcp_passes_packet_by_packet(void **state)
{
	ten_megabytes_pass_intact(*state, true);
}

/* ---- UDP ---- */

static void udp_passes_with_its_boundaries(void **state)
{
	struct wire *w = wire_new(*state, false);

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct sockaddr_storage sa;
		socklen_t len = address_of(1, v6, &sa);
		int to = socket_at(w, 1, v6, SOCK_DGRAM), from = socket_at(w, 0, v6, SOCK_DGRAM);
		uint8_t sent[10250], got[2048];
		int size = 1000;

		env_random(w->env, sent, sizeof(sent));
		assert_int_equal(bind(to, (struct sockaddr *)&sa, len), 0);
		assert_int_equal(setsockopt(from, IPPROTO_UDP, 103, &size, sizeof(size)), 0);
		assert_int_equal(sendto(from, sent, sizeof(sent), 0, (struct sockaddr *)&sa, len),
			(ssize_t)sizeof(sent));
		carry(w, 0);
		for (size_t at = 0; at < sizeof(sent); at += 1000) {
			size_t n = sizeof(sent) - at < 1000 ? sizeof(sent) - at : 1000;

			assert_int_equal(recv(to, got, sizeof(got), 0), (ssize_t)n);
			assert_memory_equal(got, sent + at, n);
		}
		close(to);
		close(from);
	}
	wire_free(w);
}

/* ---- the device ---- */

static void what_is_no_packet_is_dropped_and_counted(void **state)
{
	struct env *env = *state;
	struct wire *w = wire_new(env, false);
	struct pktq q = {0};

	for (size_t n = 0; n < 64; n++) {
		struct pkt *p = pkt_new(env->pool, 64);

		env_random(env, pkt_put(p, n), n);
		if (n)
			p->data[0] &= 0x3f; /* versions 0 to 3 */
		pktq_put(&q, p);
	}
	tun_write(w->tun[0], &q);
	assert_int_equal(tun_counters(w->tun[0])->bad_out, 64);
	assert_int_equal(tun_counters(w->tun[0])->writes, 0);
	wire_free(w);
}

static void a_taken_name_is_refused(void **state)
{
	(void)state;
	struct tun_conf conf = {.name = "vpn-a", .mtu = 1280};
	struct tun *a, *b;

	close(netns_new());
	assert_int_equal(tun_open(&conf, &a), 0);
	assert_string_equal(tun_ifname(a), "vpn-a");
	assert_true(tun_ifindex(a) > 0);
	assert_int_equal(tun_open(&conf, &b), -EEXIST);
	assert_null(b);
	sh("ip tuntap add dev vpn-b mode tun"); /* somebody's own, and free to attach to */
	conf.name = "vpn-b";
	assert_int_equal(tun_open(&conf, &b), -EEXIST);
	static const char *const bad[] = {"", "a/b", "vpn%d", "a b", "..", "a234567890123456"};
	for (size_t i = 0; i < 6; i++) {
		conf.name = bad[i];
		assert_int_equal(tun_open(&conf, &b), -EINVAL);
	}
	assert_int_equal(tun_set_mtu(a, 1300), 0);
	sh("test $(cat /sys/class/net/vpn-a/mtu 2>/dev/null || ip -o link show vpn-a | "
	   "sed 's/.*mtu \\([0-9]*\\).*/\\1/') = 1300");
	tun_close(a);
	sh("! ip link show vpn-a >/dev/null 2>&1");
}

static void a_device_that_somebody_deleted_is_an_error(void **state)
{
	struct wire *w = wire_new(*state, false);
	struct pktq q = {0};

	sh("ip link set vpn-test down"); /* that is none: it may come up again */
	while (tun_read(w->tun[1], w->env->pool, &q, PKT_BATCH) > 0)
		pktq_free(&q);
	assert_int_equal(tun_read(w->tun[1], w->env->pool, &q, PKT_BATCH), 0);
	sh("ip link del vpn-test");
	assert_true(tun_read(w->tun[1], w->env->pool, &q, PKT_BATCH) < 0);
	wire_free(w);
}

static int setup(void **state)
{
	*state = test_env_new(13);
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
		TEST(tcp_passes_in_superpackets),
		TEST(tcp_passes_packet_by_packet),
		TEST(udp_passes_with_its_boundaries),
		TEST(what_is_no_packet_is_dropped_and_counted),
		TEST(a_taken_name_is_refused),
		TEST(a_device_that_somebody_deleted_is_an_error),
	};

	close(netns_new());
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		skip_all("/dev/net/tun: %s", strerror(errno));
	return cmocka_run_group_tests_name("tun", tests, NULL, NULL);
}

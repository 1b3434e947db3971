/* Names of gateways against a real DNS server (dnsmasq) in another namespace, and one that answers
 * half. */
#define _GNU_SOURCE /* unshare */
#include "tests/vectors/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/names.h"
#include "tests/net/netns.h"

enum { MARK = ROUTE_MARK };

/* The client's network; the server has 10.53.0.1 (dnsmasq), 10.53.0.2 (silent), 10.53.0.3 (nothing
 * listens) and 10.53.0.4 (answers A only). */
struct lab {
	int near_ns;
	pid_t servers[2];
	struct flow flows[32]; /* that are let past now */
	size_t n;
	size_t passed; /* ever */
	int refuse;
};

static struct lab lab;

static int pass(void *ctx, const struct flow *flow)
{
	struct lab *l = ctx;

	if (l->refuse)
		return l->refuse;
	assert_true(l->n < 32);
	l->flows[l->n++] = *flow;
	l->passed++;
	return 0;
}

static void unpass(void *ctx, const struct flow *flow)
{
	struct lab *l = ctx;

	for (size_t i = 0; i < l->n; i++)
		if (!memcmp(&l->flows[i], flow, sizeof(*flow))) {
			l->flows[i] = l->flows[--l->n];
			return;
		}
	fail_msg("a flow is withdrawn that was never announced");
}

static struct ip server(uint8_t last)
{
	return (struct ip){FAMILY_IPV4, {10, 53, 0, last}};
}

/* ---- servers ---- */

static void wait_until_bound(uint8_t last)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)};

	memcpy(&at.sin_addr, server(last).b, 4);
	for (int i = 0; i < 500; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		int err = bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ? errno : 0;

		close(fd);
		if (err == EADDRINUSE)
			return;
		usleep(10000);
	}
	fail_msg("no server on 10.53.0.%u", last);
}

static pid_t dnsmasq_new(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("dnsmasq", "dnsmasq", "-k", "-C", "/dev/null", "--pid-file", "--user=root",
			"--no-resolv", "--no-hosts", "--bind-interfaces",
			"--listen-address=10.53.0.1", "--local=/example/",
			"--host-record=both.example,203.0.113.10,2001:db8::10",
			"--host-record=two.example,203.0.113.11",
			"--host-record=two.example,203.0.113.12",
			"--host-record=six.example,2001:db8::6",
			"--host-record=sink.example,0.0.0.0", NULL);
		_exit(127);
	}
	wait_until_bound(1);
	return pid;
}

/* A question ends with QTYPE and QCLASS; the answer to A refers to the name by a pointer. */
static void half_server(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)}, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t m[512];

	memcpy(&at.sin_addr, server(4).b, 4);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		_exit(1);
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, m, sizeof(m) - 16, 0, (struct sockaddr *)&from, &len);
		struct wr w = wr_of(m + n, 16);

		if (n < 16 || get_u16(m + n - 4) != 1)
			continue;
		put_u16(m + 2, 0x8180);
		put_u16(m + 6, 1);
		wr_u16(&w, 0xc00c);
		wr_u16(&w, 1);
		wr_u16(&w, 1);
		wr_u32(&w, 60);
		wr_u16(&w, 4);
		wr_u32(&w, 0xcb007107); /* 203.0.113.7 */
		sendto(fd, m, (size_t)n + wr_len(&w), 0, (struct sockaddr *)&from, len);
	}
}

static pid_t half_server_new(void)
{
	pid_t pid = fork();

	if (pid == 0)
		half_server();
	wait_until_bound(4);
	return pid;
}

static int lab_up(void **state)
{
	(void)state;
	close(netns_new());
	lab.near_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int far_ns = netns_new();
	sh("ip link add far0 type veth peer name up0 netns /proc/%d/fd/%d && "
	   "ip addr add 10.53.0.1/24 dev far0 && ip addr add 10.53.0.2/24 dev far0 && "
	   "ip addr add 10.53.0.3/24 dev far0 && ip addr add 10.53.0.4/24 dev far0 && "
	   "ip link set far0 up",
		getpid(), lab.near_ns);
	sh("nft 'add table t; add chain t in { type filter hook input priority 0; }; "
	   "add rule t in ip daddr 10.53.0.2 drop'");
	lab.servers[0] = dnsmasq_new();
	lab.servers[1] = half_server_new();
	close(far_ns);
	netns_enter(lab.near_ns);
	sh("ip addr add 10.53.0.9/24 dev up0 && ip link set up0 up");
	/* What is not marked finds no way to the servers. */
	sh("ip route add 10.53.0.0/24 dev up0 table 50 && ip route del 10.53.0.0/24 && "
	   "ip rule add fwmark 0x7670000/0xfff0000 lookup 50");
	sh("printf '203.0.113.99 hosts.example\\n2001:db8::99 hosts.example\\n' >/tmp/hosts.$$ && "
	   "for i in $(seq 40); do echo \"198.51.100.$i many.example\"; done >>/tmp/hosts.$$ && "
	   "mount --bind /tmp/hosts.$$ /etc/hosts && rm /tmp/hosts.$$");
	return 0;
}

static int lab_down(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		kill(lab.servers[i], SIGKILL);
		waitpid(lab.servers[i], NULL, 0);
	}
	close(lab.near_ns);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(lab.n, 0); /* every flow was withdrawn */
	lab.passed = 0;
	lab.refuse = 0;
	return 0;
}

/* ---- asking ---- */

static msec now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (msec)ts.tv_sec * 1000 + (msec)ts.tv_nsec / 1000000;
}

static struct names *begin(const char *name, uint32_t mark, const struct ip *servers, size_t n)
{
	struct names_conf conf = {.name = name,
		.mark = mark,
		.servers = servers,
		.n = n,
		.pass = pass,
		.unpass = unpass,
		.ctx = &lab};
	struct names *names;

	assert_int_equal(names_new(&names, &conf, now()), 0);
	return names;
}

static void finish(struct names *n)
{
	while (names_state(n) == NAMES_WORKING) {
		struct pollfd p = {.fd = names_fd(n), .events = POLLIN};
		msec t = now(), due = names_deadline(n);

		assert_true(due != MSEC_NEVER);
		poll(&p, 1, due > t ? (int)(due - t) : 0);
		names_ready(n, now());
	}
	assert_int_equal(names_deadline(n), MSEC_NEVER);
}

static struct names *ask(const char *name, uint8_t last)
{
	struct ip one = server(last);
	struct names *n = begin(name, MARK, &one, 1);

	finish(n);
	return n;
}

static void assert_result(const struct names *n, size_t count, const char *const *want)
{
	const struct ip *list;
	char text[IP_TEXT];

	assert_int_equal(names_state(n), NAMES_DONE);
	assert_int_equal(names_result(n, &list), count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(ip_text(&list[i], text), want[i]);
}

static void assert_failed(const struct names *n, const char *why)
{
	assert_int_equal(names_state(n), NAMES_FAILED);
	if (!strstr(names_why(n), why))
		fail_msg("'%s' should say '%s'", names_why(n), why);
}

/* ---- tests ---- */

static void numeric_addresses_need_no_server(void **state)
{
	(void)state;
	struct names *n = begin("192.0.2.1", MARK, NULL, 0);

	assert_result(n, 1, (const char *[]){"192.0.2.1"});
	assert_int_equal(names_fd(n), -1);
	names_free(n);
	n = begin("2001:db8::1", MARK, NULL, 0);
	assert_result(n, 1, (const char *[]){"2001:db8::1"});
	names_free(n);
}

static void both_families_ipv4_first(void **state)
{
	(void)state;
	struct names *n = ask("both.example", 1);

	assert_result(n, 2, (const char *[]){"203.0.113.10", "2001:db8::10"});
	names_free(n);
}

static void all_addresses_and_ipv6_alone(void **state)
{
	(void)state;
	const struct ip *list;
	struct names *n = ask("two.example", 1);

	assert_int_equal(names_result(n, &list), 2);
	names_free(n);
	n = ask("six.example", 1);
	assert_result(n, 1, (const char *[]){"2001:db8::6"});
	names_free(n);
}

static void the_hosts_file_comes_first(void **state)
{
	(void)state;
	struct names *n = ask("hosts.example", 3);

	assert_result(n, 2, (const char *[]){"203.0.113.99", "2001:db8::99"});
	assert_int_equal(lab.passed, 0);
	names_free(n);
}

static void of_endless_addresses_a_few_are_kept(void **state)
{
	(void)state;
	const struct ip *list;
	struct names *n = ask("many.example", 3);

	assert_int_equal(names_result(n, &list), NAMES_MAX);
	names_free(n);
}

static void a_failure_says_what_and_who_was_asked(void **state)
{
	(void)state;
	struct names *n = ask("nobody.example", 1);

	assert_failed(n, "nobody.example: ");
	assert_failed(n, "not found");
	assert_failed(n, "asked 10.53.0.1");
	names_free(n);
	n = ask("sink.example", 1);
	assert_failed(n, "no address that a server can have");
	names_free(n);
	n = ask("both.example", 3);
	assert_failed(n, "asked 10.53.0.3");
	names_free(n);
	n = begin("both.example", MARK, NULL, 0);
	finish(n);
	assert_failed(n, "asked no server");
	names_free(n);
}

static void sockets_are_marked(void **state)
{
	(void)state;
	struct ip one = server(1);
	struct names *n = begin("both.example", 0, &one, 1);

	finish(n); /* the premise: only a mark finds the way */
	assert_failed(n, "asked 10.53.0.1");
	names_free(n);
}

static void every_flow_is_announced_before_it_sends(void **state)
{
	(void)state;
	struct ip one = server(2);
	struct names *n = begin("both.example", MARK, &one, 1);

	assert_true(lab.n > 0);
	for (size_t i = 0; i < lab.n; i++) {
		assert_true(ip_equal(&lab.flows[i].server, &one));
		assert_int_equal(lab.flows[i].ip_proto, NET_PROTO_UDP);
		assert_int_equal(lab.flows[i].dport, 53);
		assert_int_not_equal(lab.flows[i].sport, 0);
	}
	names_free(n); /* in the middle of it */
	assert_int_equal(lab.n, 0);

	lab.refuse = -ENOMEM;
	n = ask("both.example", 1);
	assert_int_equal(names_state(n), NAMES_FAILED);
	names_free(n);
}

static void the_next_server_is_asked(void **state)
{
	(void)state;
	struct ip list[] = {server(3), server(1)};
	struct names *n = begin("both.example", MARK, list, 2);

	finish(n);
	assert_result(n, 2, (const char *[]){"203.0.113.10", "2001:db8::10"});
	names_free(n);
}

static void silence_ends_with_a_verdict(void **state)
{
	(void)state;
	struct ip list[] = {server(2)};
	struct names *n = begin("both.example", MARK, list, 1);

	assert_true(names_deadline(n) <= now() + SECONDS(3)); /* it will ask again */
	names_ready(n, now() + SECONDS(60));
	assert_failed(n, "both.example: no answer, asked 10.53.0.2");
	names_free(n);
}

static void a_server_without_answers_for_ipv6_does_not_hold_ipv4_up(void **state)
{
	(void)state;
	msec before = now();
	struct names *n = ask("half.example", 4);

	assert_result(n, 1, (const char *[]){"203.0.113.7"});
	assert_true(now() < before + SECONDS(10)); /* nowhere near all tries */
	names_free(n);
}

static void what_is_no_name_is_refused(void **state)
{
	(void)state;
	char big[300];
	struct names_conf conf = {.name = ""};
	struct names *n;

	assert_int_equal(names_new(&n, &conf, 0), -EINVAL);
	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = 0;
	conf.name = big;
	assert_int_equal(names_new(&n, &conf, 0), -EINVAL);
	n = ask("a..b", 1);
	assert_int_equal(names_state(n), NAMES_FAILED);
	names_free(n);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, NULL, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numeric_addresses_need_no_server),
		TEST(both_families_ipv4_first),
		TEST(all_addresses_and_ipv6_alone),
		TEST(the_hosts_file_comes_first),
		TEST(of_endless_addresses_a_few_are_kept),
		TEST(a_failure_says_what_and_who_was_asked),
		TEST(sockets_are_marked),
		TEST(every_flow_is_announced_before_it_sends),
		TEST(the_next_server_is_asked),
		TEST(silence_ends_with_a_verdict),
		TEST(a_server_without_answers_for_ipv6_does_not_hold_ipv4_up),
		TEST(what_is_no_name_is_refused),
	};

	close(netns_new());
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip_all("no mount namespace of our own: %s", strerror(errno));
	if (system("command -v dnsmasq >/dev/null && command -v nft >/dev/null") != 0)
		skip_all("dnsmasq and nft are needed");
	return cmocka_run_group_tests_name("names", tests, lab_up, lab_down);
}

/* What keeps L2TP from leaving in clear, in this kernel: the policy of a socket, and the host's block
 * policies. SAs need a kernel with ESP; they are the lab's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/hostenv.h"
#include "esp/xfrm.h"
#include "tests/net/netns.h"

enum { REQID = 4242 };

static struct env *env;
static struct xfrm_host host;
static const char others[] = "src 203.0.113.0/24 dst 192.0.2.0/24";

static struct ip server(void)
{
	return ip_v4(0xc6336401); /* 198.51.100.1 */
}

static struct esp *open_plane(void)
{
	struct ip ip = server();
	struct esp *plane;

	assert_int_equal(xfrm_open(env, &host, &ip, REQID, &plane), 0);
	return plane;
}

static int udp_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(0)};

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	return fd;
}

/* 0, or -errno of sending to that port of the server's. */
static int send_to(int fd, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(0xc6336401)};

	return sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1 ? 0 : -errno;
}

static int send_plainly(uint16_t port)
{
	int fd = udp_socket(), rc = send_to(fd, port);

	close(fd);
	return rc;
}

static void nobody_sends_l2tp_in_clear_while_a_plane_stands(void **state)
{
	(void)state;
	assert_int_equal(send_plainly(1701), 0);
	struct esp *plane = open_plane();
	assert_int_equal(send_plainly(1701), -EPERM);
	assert_int_equal(send_plainly(1702), 0);
	esp_free(plane);
	assert_int_equal(send_plainly(1701), 0);
}

static void a_flush_by_others_is_undone_and_nothing_of_theirs_is_touched(void **state)
{
	(void)state;
	sh("ip xfrm policy add %s dir out action block priority 7", others);
	struct esp *plane = open_plane();
	sh("ip xfrm policy flush");
	assert_int_equal(send_plainly(1701), 0);
	xfrm_ready(plane, 1000);
	assert_int_equal(send_plainly(1701), -EPERM);
	sh("ip xfrm policy add %s dir out action block priority 7", others);
	esp_free(plane);
	assert_int_equal(send_plainly(1701), 0);
	sh("ip xfrm policy get %s dir out >/dev/null", others);
	sh("ip xfrm policy delete %s dir out", others);
	sh("test -z \"$(ip xfrm policy)\"");
}

static bool has_news(const struct esp *plane)
{
	struct pollfd p = {.fd = xfrm_fd(plane), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* Others may make news as fast as they are read: the loop has other work, too. */
static void a_flood_of_news_is_read_in_pieces(void **state)
{
	struct esp *plane = open_plane();
	unsigned turns = 0;

	(void)state;
	sh("for i in $(seq 100); do echo xfrm policy add src 203.0.113.$i dst 192.0.2.0/24 dir "
	   "out; "
	   "done | ip -batch -");
	for (; has_news(plane) && turns < 100; turns++)
		xfrm_ready(plane, 1000);
	assert_in_range(turns, 2, 3);
	esp_free(plane);
}

/* What is told after the socket is full is told to nobody. */
static void a_flush_of_which_the_news_were_lost_is_undone_too(void **state)
{
	struct esp *plane = open_plane();

	(void)state;
	sh("for i in $(seq 2000); do "
	   "echo xfrm policy add src 203.0.$((i / 250)).$((i %% 250)) dst 192.0.2.0/24 dir out; "
	   "done | ip -batch -");
	sh("ip xfrm policy flush");
	assert_int_equal(send_plainly(1701), 0);
	xfrm_ready(plane, 1000);
	assert_int_equal(send_plainly(1701), -EPERM);
	esp_free(plane);
}

static void a_protected_socket_sends_nothing_without_its_sa(void **state)
{
	(void)state;
	int fd = udp_socket();
	assert_int_equal(send_to(fd, 1701), 0);
	assert_int_equal(xfrm_protect(fd, FAMILY_IPV4, REQID), 0);
	assert_int_not_equal(send_to(fd, 1701), 0);
	assert_int_not_equal(send_to(fd, 1702), 0);
	sh("ip xfrm policy flush"); /* it has its own */
	assert_int_not_equal(send_to(fd, 1701), 0);
	close(fd);
}

static void a_protected_socket_hears_nothing_in_clear(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int plain = udp_socket(), guarded = udp_socket(), sender = udp_socket();
	const int ears[] = {plain, guarded};
	char octet;

	(void)state;
	assert_int_equal(xfrm_protect(guarded, FAMILY_IPV4, REQID), 0);
	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_in at;
		socklen_t len = sizeof(at);

		assert_int_equal(getsockname(ears[i], (struct sockaddr *)&at, &len), 0);
		to.sin_port = at.sin_port;
		assert_int_equal(sendto(sender, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
		assert_int_equal(recv(ears[i], &octet, 1, 0), i == 0 ? 1 : -1);
		close(ears[i]);
	}
	close(sender);
}

static void what_a_dead_process_left_is_found_by_its_reqid(void **state)
{
	struct ip ip = server();
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		struct esp *plane;

		_exit(xfrm_open(env, &host, &ip, REQID, &plane) != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(send_plainly(1701), -EPERM);
	assert_int_equal(xfrm_cleanup(&ip, REQID), 0);
	assert_int_equal(send_plainly(1701), 0);
	assert_int_equal(xfrm_cleanup(&ip, REQID), 0); /* again: nothing is there */
}

static void two_planes_to_one_server_share_the_block(void **state)
{
	struct ip ip = server();
	struct esp *a = open_plane(), *b;

	(void)state;
	assert_int_equal(xfrm_open(env, &host, &ip, REQID + 1, &b), 0);
	assert_int_equal(send_plainly(1701), -EPERM);
	esp_free(a);
	assert_int_equal(send_plainly(1701), -EPERM);
	assert_false(has_news(b)); /* nor was there a moment without */
	esp_free(b);
	assert_int_equal(send_plainly(1701), 0);
}

static int enter(void **state)
{
	(void)state;
	netns_new();
	sh("ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up");
	sh("ip address add 192.0.2.2/24 dev up0");
	sh("ip neighbour add 192.0.2.1 lladdr 02:00:00:00:00:01 dev up0");
	sh("ip route add 198.51.100.0/24 via 192.0.2.1");
	if (!env)
		env = host_env_new(NULL);
	return env ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nobody_sends_l2tp_in_clear_while_a_plane_stands, enter),
		cmocka_unit_test_setup(
			a_flush_by_others_is_undone_and_nothing_of_theirs_is_touched, enter),
		cmocka_unit_test_setup(a_flood_of_news_is_read_in_pieces, enter),
		cmocka_unit_test_setup(a_flush_of_which_the_news_were_lost_is_undone_too, enter),
		cmocka_unit_test_setup(a_protected_socket_sends_nothing_without_its_sa, enter),
		cmocka_unit_test_setup(a_protected_socket_hears_nothing_in_clear, enter),
		cmocka_unit_test_setup(what_a_dead_process_left_is_found_by_its_reqid, enter),
		cmocka_unit_test_setup(two_planes_to_one_server_share_the_block, enter),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	host_env_free(env);
	return failed;
}

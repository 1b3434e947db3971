/* Of the SSH sessions of a host that has more of them than anybody asks for. */
#include "tests/vectors/vectors.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sshpeer.h"
#include "tests/net/netns.h"

enum { SESSIONS = SSH_PEERS_MAX + 16, NOBODY_HAS_THIS_PID = 4194304 };

static int bound(const uint8_t ip[4], uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memcpy(&at.sin_addr, ip, 4);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void of_endless_sessions_a_few_are_kept(void **state)
{
	(void)state;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(22)};
	struct ip peers[SSH_PEERS_MAX];
	int server = bound((uint8_t[]){127, 0, 0, 1}, 22), sessions[SESSIONS][2];

	memcpy(&to.sin_addr, (uint8_t[]){127, 0, 0, 1}, 4);
	assert_int_equal(listen(server, SESSIONS), 0);
	for (uint8_t i = 0; i < SESSIONS; i++) {
		sessions[i][0] = bound((uint8_t[]){127, 0, 1, i}, 0);
		assert_int_equal(connect(sessions[i][0], (struct sockaddr *)&to, sizeof(to)), 0);
		sessions[i][1] = accept(server, NULL, NULL);
	}
	assert_int_equal(ssh_peers(NOBODY_HAS_THIS_PID, peers), SSH_PEERS_MAX);
	for (size_t i = 0; i < SESSIONS; i++) {
		close(sessions[i][0]);
		close(sessions[i][1]);
	}
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_endless_sessions_a_few_are_kept),
	};

	close(netns_new());
	return cmocka_run_group_tests_name("sshpeer", tests, NULL, NULL);
}

/* daemon/{net_text,sshpeer}.c: what each check keeps out, where no other test would miss it
 * (./dev mutate). */
#define _GNU_SOURCE /* pipe2() */
#include "tests/vectors/vectors.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/net.h"
#include "daemon/sshpeer.h"

static void an_item_of_any_length_is_no_item(void **state)
{
	(void)state;
	char text[5000];
	struct net_item item;

	memset(text, ' ', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert_false(net_item_parse(NET_RULE, text, &item));
	assert_false(net_item_parse(NET_RULE, "family", &item));
}

/* Whoever calls vpnd may say anything in his environment. */
static void an_ssh_peer_of_any_length_is_no_address(void **state)
{
	(void)state;
	static char variable[2000] = "SSH_CONNECTION=";
	char *const environment[] = {variable, NULL};
	char *const command[] = {"sleep", "1000", NULL};
	struct ip peers[SSH_PEERS_MAX];
	int ready[2];
	pid_t child;

	memset(variable + 15, '1', sizeof(variable) - 16);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0); /* closed when the new environment is there */
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when this test fails */
		execve("/bin/sleep", command, environment);
		_exit(127);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &(char){0}, 1), 0);
	ssh_peers(child, peers);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(ready[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_item_of_any_length_is_no_item),
		cmocka_unit_test(an_ssh_peer_of_any_length_is_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* No trace stays of rules, routes and addresses: after an orderly end, after death at any moment,
 * after any refusal of the kernel, and with a journal that cannot be written. */
#define _GNU_SOURCE /* RTLD_NEXT, unshare */
#include "tests/net/route_host.h"

#include <dlfcn.h>
#include <errno.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "tests/net/netns.h"

/* ---- faults: this nl_send_auto() stands in front of libnl's ---- */

enum fault { FAULT_NONE, FAULT_REFUSED, FAULT_ANSWER_LOST, FAULT_KILL_BEFORE, FAULT_KILL_AFTER };

static struct {
	enum fault fault;
	int at;    /* the request it hits, from 1 */
	int count; /* requests so far */
} faults;

static void arm(enum fault fault, int at)
{
	faults.fault = fault;
	faults.at = at;
	faults.count = 0;
}

static bool hit_before(void)
{
	if (++faults.count != faults.at)
		return false;
	if (faults.fault == FAULT_KILL_BEFORE)
		raise(SIGKILL);
	return faults.fault == FAULT_REFUSED;
}

static int hit_after(int result)
{
	if (faults.count != faults.at)
		return result;
	if (faults.fault == FAULT_KILL_AFTER)
		raise(SIGKILL);
	return faults.fault == FAULT_ANSWER_LOST ? -NLE_FAILURE : result;
}

int nl_send_auto(struct nl_sock *sk, struct nl_msg *m)
{
	static int (*real)(struct nl_sock *, struct nl_msg *);

	if (!real)
		real = (int (*)(struct nl_sock *, struct nl_msg *))dlsym(RTLD_NEXT, "nl_send_auto");
	return hit_before() ? -NLE_NOMEM : hit_after(real(sk, m));
}

/* ---- no trace ---- */

static void up_and_down_leave_no_trace(void **state)
{
	static const enum route_mode modes[] = {ROUTE_NONE, ROUTE_SPLIT, ROUTE_FULL};

	for (size_t i = 0; i < 3; i++) {
		connect_mode(*state, modes[i]);
		disconnect(*state);
		assert_untouched(*state);
	}
}

static void down_leaves_flows_and_takes_the_address(void **state)
{
	struct host *h = *state;

	connect_mode(h, ROUTE_FULL);
	assert_true(shows("ip addr show dev vpn-t", "10.99.0.2 peer 10.99.0.1/32"));
	assert_true(shows("ip link show dev vpn-t", "mtu 1300"));
	assert_false(shows("ip -6 addr show dev vpn-t", "inet6"));
	assert_false(shows("ip route show", "10.99.0.1"));
	route_down(h->route);
	assert_false(shows("ip addr show dev vpn-t", "10.99.0.2"));
	assert_true(shows("ip rule", "sport 40500 dport 500"));
	assert_goes("203.0.113.9", "", "up0");
	route_down(h->route);
	disconnect(h);
	assert_untouched(h);
}

/* What the child of the next test does: all kinds of changes, up and down again. */
static void live(struct host *h, enum route_mode mode)
{
	struct route_conf conf = conf_of(mode);
	struct route_link link;

	if (journal_open(&h->journal, h->dir) || routes_new(&h->all, h->journal, NULL) ||
		route_new(&h->route, h->all, &conf) || route_pass(h->route, &ike))
		_exit(2);
	h->tun = tun_new("vpn-t");
	link = link_of("vpn-t");
	if (route_hold(h->route) || route_up(h->route, &link) || route_hold(h->route) ||
		route_up(h->route, &link))
		_exit(3);
	route_unpass(h->route, &ike);
	route_free(h->route);
	_exit(0);
}

static void a_kill_at_any_change_is_undone(void **state)
{
	struct host *h = *state;
	static const enum fault kills[] = {FAULT_KILL_BEFORE, FAULT_KILL_AFTER};

	add_veth("docker0", "box0");
	sh("ip addr add 172.17.0.1/16 dev docker0");
	host_state(h->before);
	for (int k = 0; k < 4; k++) {
		bool killed = true;
		int at;

		for (at = 1; killed; at++) {
			int status, pid = fork();
			if (pid == 0) {
				arm(kills[k % 2], at);
				live(h, k / 2 ? ROUTE_FULL : ROUTE_SPLIT);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			killed = WIFSIGNALED(status);
			assert_true(killed ? WTERMSIG(status) == SIGKILL : status == 0);
			assert_int_equal(cleanup_run(h->dir, h->dir, NULL), 0);
			assert_untouched(h);
		}
		assert_true(at > 20);
	}
}

/* Every request to the kernel fails once: refused, and done but without an answer. */
static void a_failure_at_any_request_leaves_no_trace(void **state)
{
	struct host *h = *state;
	static const enum fault kinds[] = {FAULT_REFUSED, FAULT_ANSWER_LOST};
	struct route_conf conf = conf_of(ROUTE_FULL);
	int requests = 0;

	for (int k = 0; k < 2; k++) {
		bool failed = true;
		int at;

		for (at = 1; failed; at++) {
			struct route_link link;
			struct route *r = NULL;

			host_open(h);
			h->tun = tun_new("vpn-t");
			link = link_of("vpn-t");
			arm(kinds[k], at);
			if (route_new(&r, h->all, &conf) == 0 && route_pass(r, &ike) == 0 &&
				route_up(r, &link) == 0)
				assert_goes("203.0.113.9", "", "vpn-t");
			route_free(r);
			failed = faults.count >= at;
			arm(FAULT_NONE, 0);
			routes_tick(h->all, h->now += SECONDS(5));
			assert_int_equal(routes_deadline(h->all), MSEC_NEVER);
			host_close(h);
			assert_untouched(h);
		}
		assert_true(at > 20);
		requests += at - 2;
	}
	print_message("figure: rules, routes and addresses: %d requests refused or their answers "
		      "lost, one at a time: 0 left a trace\n",
		requests);
}

/* A link that was set down has lost its routes without a word, and no request that looks for them or
 * puts them back goes through at once. */
static void a_look_that_fails_is_taken_again(void **state)
{
	struct host *h = *state;
	static const enum fault kinds[] = {FAULT_REFUSED, FAULT_ANSWER_LOST};

	for (int k = 0; k < 2; k++) {
		bool failed = true;
		int at;

		for (at = 1; failed; at++) {
			connect_mode(h, ROUTE_FULL);
			settle(h);
			sh("ip link set vpn-t down");
			arm(kinds[k], at);
			routes_ready(h->all, h->now += 1000);
			failed = faults.count >= at;
			for (int i = 0; i < 5; i++)
				routes_tick(h->all, h->now += SECONDS(1));
			failed |= faults.count >= at;
			arm(FAULT_NONE, 0);
			assert_goes("203.0.113.9", "", "vpn-t");
			disconnect(h);
			assert_untouched(h);
		}
		assert_true(at > 5);
	}
}

static void without_a_journal_nothing_is_changed(void **state)
{
	struct host *h = *state;
	struct route_conf conf = conf_of(ROUTE_FULL);

	assert_int_equal(mount("vpnd", h->dir, "tmpfs", MS_RDONLY, NULL), 0);
	host_open(h);
	assert_int_equal(route_new(&h->route, h->all, &conf), -EROFS);
	assert_null(h->route);
	assert_untouched(h);
	host_close(h);
	assert_int_equal(umount(h->dir), 0);
}

static void a_journal_that_fills_up_fails_cleanly(void **state)
{
	struct host *h = *state;
	struct route_conf conf = conf_of(ROUTE_FULL);
	struct route_link link;
	char filler[JOURNAL_TEXT];
	uint64_t id, last = 0;

	assert_int_equal(mount("vpnd", h->dir, "tmpfs", 0, "size=8k"), 0);
	host_open(h);
	assert_int_equal(route_new(&h->route, h->all, &conf), 0);
	memset(filler, 'x', sizeof(filler));
	for (size_t n = sizeof(filler) - 1; n; n /= 2) {
		filler[n] = 0;
		while (journal_add(h->journal, "filler", filler, &id) == 0)
			last = id;
	}
	h->tun = tun_new("vpn-t");
	link = link_of("vpn-t");
	assert_int_equal(route_up(h->route, &link), -ENOSPC);
	assert_goes("203.0.113.9", "", "up0");
	route_free(h->route);
	for (; last; last--)
		journal_done(h->journal, last);
	host_close(h);
	assert_untouched(h);
	assert_int_equal(umount(h->dir), 0);
}

static void a_link_in_the_journal_is_deleted(void **state)
{
	struct host *h = *state;
	char text[64];
	uint64_t id;

	add_veth("left0", "right0");
	host_open(h);
	snprintf(text, sizeof(text), ROUTE_LINK_ENTRY, if_nametoindex("left0"), "left0");
	assert_int_equal(journal_add(h->journal, "link", text, &id), 0);
	snprintf(text, sizeof(text), ROUTE_LINK_ENTRY, if_nametoindex("up0"), "left0");
	assert_int_equal(journal_add(h->journal, "link", text, &id), 0);
	routes_free(h->all);
	journal_close(h->journal);
	assert_int_equal(cleanup_run(h->dir, h->dir, NULL), 0);
	assert_untouched(h); /* up0 has that index, but not that name */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(up_and_down_leave_no_trace),
		TEST(down_leaves_flows_and_takes_the_address),
		TEST(a_kill_at_any_change_is_undone),
		TEST(a_failure_at_any_request_leaves_no_trace),
		TEST(a_look_that_fails_is_taken_again),
		TEST(without_a_journal_nothing_is_changed),
		TEST(a_journal_that_fills_up_fails_cleanly),
		TEST(a_link_in_the_journal_is_deleted),
	};

	close(netns_new());
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		skip_all("/dev/net/tun: %s", strerror(errno));
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip_all("no mount namespace of our own: %s", strerror(errno));
	return cmocka_run_group_tests_name("route_faults", tests, NULL, NULL);
}

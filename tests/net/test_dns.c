/* /etc/resolv.conf: in effect while up, and back to what it was, whatever happens. */
#define _GNU_SOURCE /* RTLD_NEXT, unshare, setns */
#include "tests/net/dns_host.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "tests/net/netns.h"

/* ---- death at a chosen write: these stand in front of libc's ---- */

static struct {
	int at; /* 0 = never */
	bool before;
	int count;
} death;

static bool is_the_moment(void)
{
	return ++death.count == death.at;
}

static void die_if(bool yes)
{
	if (yes)
		raise(SIGKILL);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);
	bool moment = is_the_moment();

	if (!real)
		real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
	die_if(moment && death.before);
	ssize_t put = real(fd, p, n, at);
	die_if(moment);
	return put;
}

int ftruncate(int fd, off_t n)
{
	static int (*real)(int, off_t);
	bool moment = is_the_moment();

	if (!real)
		real = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate");
	die_if(moment && death.before);
	int result = real(fd, n);
	die_if(moment);
	return result;
}

/* ---- the file ---- */

static const char usual[] = "# made by hand\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n"
			    "nameserver fe80::1%eth0\nsearch home.example lan\n"
			    "options edns0 timeout:1\n";

static void it_says_what_the_link_wants_and_keeps_the_rest(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);
	char now[4096];

	set_original(h, usual, sizeof(usual) - 1);
	resolv_open(h);
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	get_file("/etc/resolv.conf", now, sizeof(now));
	assert_memory_equal(now, "# vpnd ", 7);
	assert_says("\nnameserver 10.99.0.53\n", true);
	assert_says("192.0.2.53", false);
	assert_says("\nsearch corp.example home.example lan\n", true);
	assert_says("\noptions edns0 timeout:1\n", true);
	assert_string_equal(dns_note(h->dns), "/etc/resolv.conf for corp");
	dns_down(h->dns, 7, 0);
	assert_original(h, usual, sizeof(usual) - 1);
	assert_string_equal(dns_note(h->dns), "");
	resolv_close(h);
}

static const size_t lengths[] = {0, 1, 6, 7, 8, 100, 4095, 4096, 4097, 9000, 60000};

/* Comments of any length, without a newline at the end. */
static char *original_of(size_t n)
{
	char *text = malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		text[i] = i % 61 == 60 ? '\n' : i % 61 == 0 ? '#' : (char)('a' + i % 26);
	return text;
}

static void it_comes_back_byte_for_byte(void **state)
{
	struct resolv *h = *state;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct dns_link link = dns_link_of(7, 53);
		char *text = original_of(lengths[i]);

		set_original(h, text, lengths[i]);
		resolv_open(h);
		assert_int_equal(dns_up(h->dns, &link, 0), 0);
		assert_says("nameserver 10.99.0.53", true);
		resolv_close(h);
		assert_original(h, text, lengths[i]);
		free(text);
	}
}

static void live(struct resolv *h)
{
	struct dns_link link = dns_link_of(7, 53);

	if (journal_open(&h->journal, h->dir) || dns_new(&h->dns, h->journal, h->dir, NULL) ||
		dns_up(h->dns, &link, 0))
		_exit(1);
	link = dns_link_of(8, 54);
	if (dns_up(h->dns, &link, 0))
		_exit(1);
	dns_down(h->dns, 8, 0);
	dns_down(h->dns, 7, 0);
	_exit(0);
}

/* With the journal, and after a power failure, which leaves the disk but not /run. */
static void it_comes_back_after_death_at_any_write(void **state)
{
	struct resolv *h = *state;

	for (size_t i = 0; i < 4 * sizeof(lengths) / sizeof(*lengths); i++) {
		size_t n = lengths[i / 4];
		char *text = original_of(n);
		bool killed = true;
		int at;

		for (at = 1; killed; at++) {
			int status;

			set_original(h, text, n);
			pid_t pid = fork();
			if (pid == 0) {
				death.count = 0;
				death.at = at;
				death.before = i % 2;
				live(h);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			killed = WIFSIGNALED(status);
			assert_true(killed ? WTERMSIG(status) == SIGKILL : status == 0);
			if (i % 4 < 2)
				assert_int_equal(cleanup_run(h->dir, h->dir, NULL), 0);
			else
				dns_recover(h->dir, NULL);
			if (i % 4 >= 2 && killed)
				sh("rm %s/journal", h->dir);
			assert_original(h, text, n);
		}
		assert_true(at > 8);
		free(text);
	}
}

static void what_somebody_else_wrote_is_left_alone(void **state)
{
	struct resolv *h = *state;
	static const char theirs[] = "nameserver 198.51.100.53\n";
	struct dns_link link = dns_link_of(7, 53);

	set_original(h, usual, sizeof(usual) - 1);
	resolv_open(h);
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	put_file("/etc/resolv.conf", theirs, sizeof(theirs) - 1);
	dns_down(h->dns, 7, 0);
	assert_original(h, theirs, sizeof(theirs) - 1);

	/* Up again, it is theirs that comes back; also when the next one comes up over it. */
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	put_file("/etc/resolv.conf", usual, sizeof(usual) - 1);
	link = dns_link_of(8, 54);
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	assert_says("nameserver 10.99.0.54", true);
	resolv_close(h);
	assert_original(h, usual, sizeof(usual) - 1);
}

static void a_copy_that_is_damaged_is_not_put_back(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);
	char path[96];

	set_original(h, usual, sizeof(usual) - 1);
	resolv_open(h);
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	snprintf(path, sizeof(path), "%s/resolv.conf", h->dir);
	put_file(path, "rubbish", 7);
	dns_down(h->dns, 7, 0);
	assert_says("# vpnd ", true);
	put_file(path, usual, sizeof(usual) - 1);
	resolv_close(h);
	assert_original(h, usual, sizeof(usual) - 1);
}

static void the_last_one_up_wins_in_any_order_of_going(void **state)
{
	struct resolv *h = *state;
	static const uint32_t orders[6][3] = {
		{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};

	set_original(h, usual, sizeof(usual) - 1);
	resolv_open(h);
	for (size_t o = 0; o < 6; o++) {
		bool up[4] = {false, true, true, true};

		for (uint8_t i = 1; i <= 3; i++) {
			struct dns_link link = dns_link_of(i, (uint8_t)(100 + i));

			assert_int_equal(dns_up(h->dns, &link, 0), 0);
		}
		for (size_t i = 0; i < 3; i++) {
			assert_says("nameserver 10.99.0.103", up[3]);
			assert_says("nameserver 10.99.0.102", up[2] && !up[3]);
			assert_says("nameserver 10.99.0.101", up[1] && !up[2] && !up[3]);
			dns_down(h->dns, orders[o][i], 0);
			up[orders[o][i]] = false;
		}
		assert_original(h, usual, sizeof(usual) - 1);
	}
	resolv_close(h);
}

static void a_symbolic_link_is_followed(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);
	struct stat st;

	/* An /etc of our own with a link in it, to a file that is a mount of its own. */
	sh("mount -t tmpfs etc /etc && ln -s /tmp/vpnd-dns-target /etc/resolv.conf && "
	   "touch /tmp/vpnd-dns-target && mount --bind %s/own /tmp/vpnd-dns-target",
		h->dir);
	set_original(h, usual, sizeof(usual) - 1);
	resolv_open(h);
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	assert_says("nameserver 10.99.0.53", true);
	assert_int_equal(lstat("/etc/resolv.conf", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	resolv_close(h);
	assert_original(h, usual, sizeof(usual) - 1);
	assert_int_equal(lstat("/etc/resolv.conf", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	sh("umount /tmp/vpnd-dns-target && rm /tmp/vpnd-dns-target && umount /etc");
}

static void without_room_for_the_copy_nothing_is_touched(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);
	char *text = original_of(9000);

	set_original(h, text, 9000);
	assert_int_equal(mount("vpnd", h->dir, "tmpfs", 0, "size=8k"), 0);
	resolv_open(h);
	assert_int_equal(dns_up(h->dns, &link, 0), -ENOSPC);
	assert_original(h, text, 9000);
	resolv_close(h);
	assert_int_equal(mount(NULL, h->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	resolv_open(h);
	assert_int_equal(dns_up(h->dns, &link, 0), -EROFS);
	assert_original(h, text, 9000);
	resolv_close(h);
	assert_int_equal(umount(h->dir), 0);
	free(text);
}

static void with_descriptors(rlim_t n)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void what_cannot_be_given_back_now_is_given_back_later(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);

	set_original(h, usual, sizeof(usual) - 1);
	resolv_open(h);
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	with_descriptors(3);
	dns_down(h->dns, 7, 500);
	assert_int_equal(dns_deadline(h->dns), 1500);
	dns_ready(h->dns, 1500);
	assert_int_equal(dns_deadline(h->dns), 2500);
	with_descriptors(64);
	assert_says("nameserver 10.99.0.53", true);
	dns_ready(h->dns, 2500);
	assert_int_equal(dns_deadline(h->dns), MSEC_NEVER);
	assert_original(h, usual, sizeof(usual) - 1);
	resolv_close(h);
}

static void what_cannot_be_done_is_said(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);

	set_original(h, usual, sizeof(usual) - 1);
	resolv_open(h);
	link.scope = DNS_DOMAINS;
	assert_int_equal(dns_up(h->dns, &link, 0), -ENOTSUP);
	assert_non_null(strstr(dns_note(h->dns), "only some names"));
	link = dns_link_of(7, 53);
	link.n = 0;
	assert_int_equal(dns_up(h->dns, &link, 0), -ENOTSUP);
	link = dns_link_of(7, 53);
	snprintf(link.domains[0], DNS_DOMAIN_TEXT, "corp.example\nnameserver 192.0.2.66");
	assert_int_equal(dns_up(h->dns, &link, 0), -EINVAL);
	link = dns_link_of(7, 53);
	snprintf(link.connection, sizeof(link.connection), "a\nb");
	assert_int_equal(dns_up(h->dns, &link, 0), -EINVAL);
	link = dns_link_of(7, 53);
	link.n = DNS_SERVERS_MAX + 1;
	assert_int_equal(dns_up(h->dns, &link, 0), -EINVAL);
	link = dns_link_of(7, 53);
	for (link.n_domains = 0; link.n_domains < DNS_DOMAINS_MAX; link.n_domains++)
		snprintf(link.domains[link.n_domains], DNS_DOMAIN_TEXT, "corp.example");
	link.n_domains++;
	assert_int_equal(dns_up(h->dns, &link, 0), -EINVAL);
	assert_original(h, usual, sizeof(usual) - 1);
	resolv_close(h);
}

/* Its copy of the original is elsewhere; ours would be a copy of what it wrote. */
static void what_another_vpnd_has_taken_is_left_alone(void **state)
{
	static const char taken[] = "# vpnd 0123456789abcdef: connection other is up\n"
				    "nameserver 192.0.2.99\n";
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);

	set_original(h, taken, sizeof(taken) - 1);
	resolv_open(h);
	assert_int_equal(dns_up(h->dns, &link, 0), -EEXIST);
	assert_original(h, taken, sizeof(taken) - 1);
	resolv_close(h);
	assert_original(h, taken, sizeof(taken) - 1);
}

/* The test runs in a network namespace of its own, and so does not own the host's file. */
static void a_file_shared_with_another_network_is_not_touched(void **state)
{
	struct resolv *h = *state;
	char why[DNS_NOTE] = "";

	assert_true(dns_allowed(why));
	sh("umount /etc/resolv.conf");
	assert_false(dns_allowed(why));
	assert_non_null(strstr(why, "network namespace"));
	sh("mount --bind %s/own /etc/resolv.conf", h->dir);
	pid_t pid = fork();
	int status;
	if (pid == 0) { /* process 1's own network, where it can be entered */
		int fd = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);

		if (unshare(CLONE_NEWNS) < 0 || umount("/etc/resolv.conf") < 0)
			_exit(1);
		_exit(fd >= 0 && setns(fd, CLONE_NEWNET) == 0 && !dns_allowed(why) ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void names_of_gateways_are_asked_outside(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);
	struct ip servers[4];

	set_original(h, usual, sizeof(usual) - 1);
	resolv_open(h);
	for (int i = 0; i < 2; i++) { /* before us, and while we are up */
		assert_int_equal(dns_upstream(h->dns, servers, 4), 2);
		assert_true(ip_equal(&servers[0], &(struct ip){FAMILY_IPV4, {192, 0, 2, 53}}));
		assert_int_equal(servers[1].family, FAMILY_IPV6);
		assert_int_equal(dns_upstream(h->dns, servers, 1), 1);
		assert_int_equal(dns_up(h->dns, &link, 0), 0);
	}
	resolv_close(h);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, resolv_setup, resolv_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_says_what_the_link_wants_and_keeps_the_rest),
		TEST(it_comes_back_byte_for_byte),
		TEST(it_comes_back_after_death_at_any_write),
		TEST(what_somebody_else_wrote_is_left_alone),
		TEST(a_copy_that_is_damaged_is_not_put_back),
		TEST(the_last_one_up_wins_in_any_order_of_going),
		TEST(a_symbolic_link_is_followed),
		TEST(without_room_for_the_copy_nothing_is_touched),
		TEST(what_cannot_be_given_back_now_is_given_back_later),
		TEST(what_cannot_be_done_is_said),
		TEST(what_another_vpnd_has_taken_is_left_alone),
		TEST(a_file_shared_with_another_network_is_not_touched),
		TEST(names_of_gateways_are_asked_outside),
	};

	close(netns_new());
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip_all("no mount namespace of our own: %s", strerror(errno));
	return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}

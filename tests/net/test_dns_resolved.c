/* systemd-resolved, played by a child: what it is told, and what happens when it does not listen. */
#define _GNU_SOURCE /* unshare */
#include "tests/net/dns_host.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "tests/net/netns.h"

static const char stub[] = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n";

/* Read what a call has to say into one line: "SetLinkDNS 7 (2 [10 99 0 53])". */
static void spell(sd_bus_message *m, FILE *to)
{
	const char *contents, *s;
	char type;

	while (sd_bus_message_peek_type(m, &type, &contents) > 0) {
		union {
			int32_t i;
			uint8_t y;
		} v;

		if (type == 'a' || type == 'r') {
			sd_bus_message_enter_container(m, type, contents);
			fprintf(to, " (");
			spell(m, to);
			fprintf(to, " )");
			sd_bus_message_exit_container(m);
		} else if (type == 's') {
			sd_bus_message_read(m, "s", &s);
			fprintf(to, " %s", s);
		} else if (type == 'y') {
			sd_bus_message_read(m, "y", &v.y);
			fprintf(to, " %u", v.y);
		} else {
			sd_bus_message_read_basic(m, type, &v);
			fprintf(to, " %d", v.i);
		}
	}
}

struct fake {
	const char *log;   /* path: one line for each call */
	const char *error; /* name of the D-Bus error that every call gets, or NULL */
};

static int on_call(sd_bus_message *m, void *ctx, sd_bus_error *unused)
{
	const struct fake *fake = ctx;

	(void)unused;
	if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus", "Hello"))
		return sd_bus_reply_method_return(m, "s", ":1.7");
	if (!sd_bus_message_is_method_call(m, "org.freedesktop.resolve1.Manager", NULL))
		return 0;
	FILE *to = fopen(fake->log, "a");
	fprintf(to, "%s", sd_bus_message_get_member(m));
	spell(m, to);
	fprintf(to, "\n");
	fclose(to);
	if (fake->error)
		return sd_bus_reply_method_errorf(m, fake->error, "resolved says no\n");
	return sd_bus_reply_method_return(m, NULL);
}

static void serve(int fd, struct fake *fake)
{
	sd_id128_t id;
	sd_bus *bus;

	sd_id128_randomize(&id);
	sd_bus_new(&bus);
	sd_bus_set_fd(bus, fd, fd);
	sd_bus_set_server(bus, 1, id);
	sd_bus_set_trusted(bus, 1);
	sd_bus_add_filter(bus, NULL, on_call, fake);
	if (sd_bus_start(bus) < 0)
		_exit(1);
	while (sd_bus_process(bus, NULL) >= 0 && sd_bus_wait(bus, UINT64_MAX) >= 0)
		;
	sd_bus_unref(bus);
}

/* A system bus with nobody on it but resolved. Its pid. */
static pid_t fake_new(const struct resolv *h, const char *error)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char log[96];
	struct fake fake = {.log = log, .error = error};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(log, sizeof(log), "%s/calls", h->dir);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/bus", h->dir);
	put_file(log, "", 0);
	unlink(at.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 4), 0);
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			serve(accept(fd, NULL, NULL), &fake);
	close(fd);
	char address[128];
	snprintf(address, sizeof(address), "unix:path=%s", at.sun_path);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
	return pid;
}

static void fake_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
}

/* Until nothing more is expected: then no descriptor is watched and no deadline runs. */
static void settle(struct resolv *h)
{
	for (int i = 0; i < 100; i++) {
		struct pollfd p = {.fd = dns_fd(h->dns), .events = POLLIN};

		if (dns_deadline(h->dns) == MSEC_NEVER)
			return;
		poll(&p, 1, 100);
		dns_ready(h->dns, 1000);
	}
	fail_msg("resolved is still being waited for");
}

static void assert_calls(const struct resolv *h, const char *want)
{
	char path[96], calls[4096];

	snprintf(path, sizeof(path), "%s/calls", h->dir);
	get_file(path, calls, sizeof(calls));
	assert_string_equal(calls, want);
}

static void resolved_is_told_and_told_again(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);
	pid_t fake = fake_new(h, NULL);

	set_original(h, stub, sizeof(stub) - 1);
	resolv_open(h);
	link.servers[link.n++] = (struct ip){FAMILY_IPV6, {0x20, 1, 0xd, 0xb8, [15] = 5}};
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	settle(h);
	assert_string_equal(dns_note(h->dns), "systemd-resolved");
	assert_int_equal(journal_pending(h->journal), 1);
	dns_down(h->dns, 7, 0);
	settle(h);
	assert_calls(h, "SetLinkDNS 7 ( ( 2 ( 10 99 0 53 ) ) "
			"( 10 ( 32 1 13 184 0 0 0 0 0 0 0 0 0 0 0 5 ) ) )\n"
			"SetLinkDomains 7 ( ( corp.example 0 ) ( . 1 ) )\n"
			"SetLinkDefaultRoute 7 1\n"
			"RevertLink 7\n");
	resolv_close(h);
	assert_original(h, stub, sizeof(stub) - 1);
	fake_end(fake);
}

static void a_split_tunnel_gives_resolved_its_domains_only(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);
	pid_t fake = fake_new(h, NULL);

	set_original(h, stub, sizeof(stub) - 1);
	resolv_open(h);
	link.scope = DNS_DOMAINS;
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	settle(h);
	assert_calls(h, "SetLinkDNS 7 ( ( 2 ( 10 99 0 53 ) ) )\n"
			"SetLinkDomains 7 ( ( corp.example 0 ) )\n"
			"SetLinkDefaultRoute 7 0\n");
	resolv_close(h);
	fake_end(fake);
}

static void a_resolved_that_refuses_is_replaced_by_the_file(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);
	pid_t fake = fake_new(h, "org.freedesktop.DBus.Error.ServiceUnknown");

	set_original(h, stub, sizeof(stub) - 1);
	resolv_open(h);
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	settle(h);
	assert_says("nameserver 10.99.0.53", true);
	assert_string_equal(dns_note(h->dns), "/etc/resolv.conf for corp");
	dns_down(h->dns, 7, 0);
	assert_original(h, stub, sizeof(stub) - 1);
	resolv_close(h);
	fake_end(fake);
}

static void a_bus_that_dies_or_is_not_there_is_replaced_by_the_file(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(7, 53);
	pid_t fake = fake_new(h, NULL);

	kill(fake, SIGSTOP);
	set_original(h, stub, sizeof(stub) - 1);
	resolv_open(h);
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	assert_says("nameserver 10.99.0.53", false);
	kill(fake, SIGKILL);
	settle(h);
	assert_says("nameserver 10.99.0.53", true);
	dns_down(h->dns, 7, 0);
	assert_original(h, stub, sizeof(stub) - 1);
	fake_end(fake);

	setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", 1);
	assert_int_equal(dns_up(h->dns, &link, 0), 0);
	assert_says("nameserver 10.99.0.53", true);
	unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
	resolv_close(h);
	assert_original(h, stub, sizeof(stub) - 1);
}

/* The link is the loopback, which does not go away by itself. */
static void what_resolved_was_told_is_taken_back_after_death(void **state)
{
	struct resolv *h = *state;
	struct dns_link link = dns_link_of(if_nametoindex("lo"), 53);
	pid_t fake = fake_new(h, NULL);

	set_original(h, stub, sizeof(stub) - 1);
	pid_t pid = fork();
	if (pid == 0) {
		resolv_open(h);
		if (dns_up(h->dns, &link, 0))
			_exit(1);
		settle(h);
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	assert_int_equal(cleanup_run(h->dir, h->dir, NULL), 0);
	assert_calls(h, "SetLinkDNS 1 ( ( 2 ( 10 99 0 53 ) ) )\n"
			"SetLinkDomains 1 ( ( corp.example 0 ) ( . 1 ) )\n"
			"SetLinkDefaultRoute 1 1\n"
			"RevertLink 1\n");
	assert_int_equal(dns_undo_resolved(NULL, "ifindex=999999"), 0);
	assert_int_equal(dns_undo_resolved(NULL, "ifindex=x"), -EINVAL);
	fake_end(fake);
}

static const char upstream[] = "/run/systemd/resolve/resolv.conf";

/* What resolved lists is ours to say; returns whether /run was made for it. */
static bool resolved_lists(const struct resolv *h, const char *text)
{
	bool none = access(upstream, F_OK) < 0;
	char path[96];

	if (none) {
		assert_int_equal(mount("vpnd", "/run", "tmpfs", 0, "size=64k"), 0);
		assert_int_equal(mkdir("/run/systemd", 0755), 0);
		assert_int_equal(mkdir("/run/systemd/resolve", 0755), 0);
		put_file(upstream, "", 0);
	}
	snprintf(path, sizeof(path), "%s/listed", h->dir);
	put_file(path, text, strlen(text));
	assert_int_equal(mount(path, upstream, NULL, MS_BIND, NULL), 0);
	return none;
}

/* As resolved 252 does it when the servers outside are those of a link: the tunnels' may be first. */
static void names_of_gateways_are_asked_outside_however_many_servers_are_inside(void **state)
{
	struct resolv *h = *state;
	struct ip servers[2], outside = {FAMILY_IPV4, {198, 51, 100, 9}};
	pid_t fake = fake_new(h, NULL);
	bool made = resolved_lists(h, "nameserver 10.99.0.53\nnameserver 10.99.0.54\n"
				      "# Too many DNS servers configured.\n"
				      "nameserver 10.99.0.55\nnameserver 198.51.100.9\n");

	set_original(h, stub, sizeof(stub) - 1);
	resolv_open(h);
	for (uint8_t i = 0; i < 3; i++) {
		struct dns_link link = dns_link_of(7u + i, (uint8_t)(53 + i));

		assert_int_equal(dns_up(h->dns, &link, 0), 0);
	}
	settle(h);
	assert_int_equal(dns_upstream(h->dns, servers, 2), 1);
	assert_true(ip_equal(&servers[0], &outside));
	resolv_close(h);
	assert_int_equal(umount(upstream), 0);
	assert_int_equal(made ? umount("/run") : 0, 0);
	fake_end(fake);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, resolv_setup, resolv_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(resolved_is_told_and_told_again),
		TEST(a_split_tunnel_gives_resolved_its_domains_only),
		TEST(a_resolved_that_refuses_is_replaced_by_the_file),
		TEST(a_bus_that_dies_or_is_not_there_is_replaced_by_the_file),
		TEST(what_resolved_was_told_is_taken_back_after_death),
		TEST(names_of_gateways_are_asked_outside_however_many_servers_are_inside),
	};

	close(netns_new());
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip_all("no mount namespace of our own: %s", strerror(errno));
	return cmocka_run_group_tests_name("dns_resolved", tests, NULL, NULL);
}

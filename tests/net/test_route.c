/* Rules, tables and routes on a real kernel: where packets go, and what others do to it. */
#define _GNU_SOURCE /* unshare, pipe2 */
#include "tests/net/route_host.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sshpeer.h"
#include "tests/net/netns.h"

static const struct flow raw_esp = {
	.ip_proto = NET_PROTO_ESP, .server = {FAMILY_IPV4, {198, 51, 100, 10}}};

/* ---- where packets go ---- */

static void a_full_tunnel_takes_everything_but_our_own_packets(void **state)
{
	struct host *h = *state;

	connect_mode(h, ROUTE_FULL);
	assert_int_equal(route_pass(h->route, &raw_esp), 0);
	assert_goes("203.0.113.9", "", "vpn-t");
	assert_goes("203.0.113.9", "mark 0x7670000", "up0");
	assert_goes("203.0.113.9", "mark 0x17670001", "up0"); /* other bits are other people's */
	assert_goes("203.0.113.9", "mark 0x1670000", "vpn-t");
	assert_goes("10.1.0.9", "", "vpn-t");
	assert_goes("10.99.0.1", "", "vpn-t");
	assert_goes("10.1.0.1", "ipproto udp sport 68 dport 67", "up0");
	assert_goes("10.1.0.1", "ipproto udp sport 68 dport 53", "vpn-t");
	/* the server: our flows, and nobody else's (ServerIP) */
	assert_goes("198.51.100.10", "ipproto udp sport 40500 dport 500", "up0");
	assert_true(shows("ip rule", "to 198.51.100.10 ipproto esp lookup main"));
	assert_goes("198.51.100.10", "ipproto tcp sport 40500 dport 500", "vpn-t");
	/* no IPv6 inside: none outside */
	assert_goes("2001:db8::9", "", "");
	assert_goes("fd00:1::9", "", "");
	assert_goes("2001:db8::9", "mark 0x7670000", "up0");
	route_unpass(h->route, &raw_esp);
	assert_false(shows("ip rule", "ipproto esp"));
	disconnect(h);
}

static void routes_of_the_lan_do_not_matter(void **state)
{
	struct host *h = *state;

	connect_mode(h, ROUTE_FULL);
	/* TunnelVision: DHCP option 121 and more specific routes by router advertisement */
	sh("ip route add 0.0.0.0/1 via 10.1.0.1 && ip route add 203.0.113.9/32 via 10.1.0.1 && "
	   "ip route add 10.50.0.0/16 dev up0 && ip route add default via 10.1.0.1 metric 1 && "
	   "ip -6 route add 2001:db8::9/128 via fd00:1::1");
	/* LocalNet: the LAN claims to be a part of the Internet */
	sh("ip addr add 203.0.113.5/8 dev up0");
	settle(h);
	assert_goes("203.0.113.9", "", "vpn-t");
	assert_goes("10.50.0.1", "", "vpn-t");
	assert_goes("9.9.9.9", "", "vpn-t");
	assert_goes("2001:db8::9", "", "");
	disconnect(h);
}

static void without_its_tun_a_full_tunnel_lets_nothing_out(void **state)
{
	struct host *h = *state;
	struct route_link link;

	connect_mode(h, ROUTE_FULL);
	close(h->tun);
	h->tun = -1;
	assert_goes("203.0.113.9", "", "");
	assert_goes("203.0.113.9", "mark 0x7670000", "up0");
	settle(h);
	assert_int_equal(route_hold(h->route), 0);
	assert_int_equal(route_hold(h->route), 0);
	settle(h);
	assert_goes("203.0.113.9", "", "");
	assert_goes("2001:db8::9", "", "");
	assert_int_equal(routes_deadline(h->all), MSEC_NEVER);

	h->tun = tun_new("vpn-t");
	link = link_of("vpn-t");
	assert_int_equal(route_up(h->route, &link), 0);
	assert_goes("203.0.113.9", "", "vpn-t");
	disconnect(h);
	assert_untouched(h);
}

static void a_split_tunnel_takes_its_prefixes_only(void **state)
{
	struct host *h = *state;

	connect_mode(h, ROUTE_SPLIT);
	assert_goes("10.2.3.4", "", "vpn-t");
	assert_goes("192.0.2.7", "", "vpn-t");
	assert_goes("203.0.113.9", "", "up0");
	assert_goes("2001:db8:5::1", "", "");
	assert_goes("2001:db8:6::1", "", "up0");
	close(h->tun);
	h->tun = -1;
	assert_int_equal(route_hold(h->route), 0);
	assert_goes("192.0.2.7", "", "");
	assert_goes("203.0.113.9", "", "up0");
	disconnect(h);
	assert_untouched(h);
}

static void ipv6_inside_is_used(void **state)
{
	struct host *h = *state;
	struct route_link link;

	connect_mode(h, ROUTE_FULL);
	link = link_of("vpn-t");
	link.local6 = ip_from("2001:db8:7::2");
	assert_int_equal(route_up(h->route, &link), 0);
	assert_goes("2001:db8::9", "", "vpn-t");
	assert_goes("203.0.113.9", "", "vpn-t");
	disconnect(h);
	assert_untouched(h);
}

static void the_lan_is_near_only_if_allowed(void **state)
{
	struct host *h = *state;
	struct route_conf conf = conf_of(ROUTE_FULL);

	conf.lan = true;
	sh("ip addr add 203.0.113.5/24 dev up0 && ip route add 10.50.0.0/16 dev up0");
	connect_with(h, &conf);
	assert_goes("10.1.0.9", "", "up0");
	assert_goes("fd00:1::9", "", "up0");
	assert_goes("203.0.113.9", "", "vpn-t"); /* a public prefix is never a LAN */
	assert_goes("10.50.0.1", "", "vpn-t");   /* nor is what DHCP pushed */
	disconnect(h);
}

static void near_interfaces_come_and_go(void **state)
{
	struct host *h = *state;
	char with[16384];

	connect_mode(h, ROUTE_FULL);
	assert_goes("172.17.0.9", "", "vpn-t");
	add_veth("docker0", "box0");
	sh("ip addr add 172.17.0.1/16 dev docker0 && ip -6 addr add fd00:17::1/64 dev docker0 "
	   "nodad && ip route add 172.19.0.0/16 via 172.17.0.2");
	settle(h);
	assert_goes("172.17.0.9", "", "docker0");
	assert_goes("fd00:17::9", "", "docker0");
	assert_goes("172.18.0.9", "", "vpn-t");
	assert_goes("172.19.0.9", "", "vpn-t"); /* somebody's network behind it */
	host_state(with);
	sh("ip link del docker0");
	settle(h);
	assert_goes("172.17.0.9", "", "vpn-t");
	assert_int_equal(routes_put_back(h->all), 0);
	disconnect(h);
	assert_untouched(h);
}

/* Whoever gets a default route becomes an uplink. */
static void an_interface_with_a_default_route_is_not_near(void **state)
{
	struct host *h = *state;

	connect_mode(h, ROUTE_FULL);
	add_veth("wlan0", "air0");
	sh("ip addr add 192.168.7.2/24 dev wlan0");
	settle(h);
	assert_goes("192.168.7.9", "", "wlan0");
	sh("ip route add default via 192.168.7.1 metric 600");
	settle(h);
	assert_goes("192.168.7.9", "", "vpn-t");
	sh("ip route del default via 192.168.7.1 && "
	   "ip route add default metric 700 nexthop via 192.168.7.1 nexthop via 10.1.0.1");
	settle(h);
	assert_goes("192.168.7.9", "", "vpn-t");
	disconnect(h);
}

/* LocalNet with private addresses: whoever hands out addresses gives no default route, but a way to
 * the server. */
static void the_link_to_the_server_is_not_near(void **state)
{
	struct host *h = *state;

	connect_mode(h, ROUTE_FULL);
	add_veth("wlan0", "air0");
	sh("ip addr add 192.168.7.2/24 dev wlan0");
	settle(h);
	assert_goes("192.168.7.9", "", "wlan0");
	sh("ip route add 198.51.100.8/29 via 192.168.7.1");
	settle(h);
	assert_goes("192.168.7.9", "", "vpn-t");
	sh("ip route del 198.51.100.8/29");
	settle(h);
	assert_goes("192.168.7.9", "", "wlan0");
	disconnect(h);
	sh("ip link del wlan0");
	assert_untouched(h);
}

static void peer_and_name_servers_stay_inside(void **state)
{
	struct host *h = *state;
	struct route_link link;

	connect_mode(h, ROUTE_FULL);
	add_veth("usb0", "stick0");
	sh("ip addr add 10.99.0.250/24 dev usb0");
	settle(h);
	link = link_of("vpn-t");
	link.dns[0] = ip_from("10.99.0.53");
	link.dns[1] = ip_from("203.0.113.53");
	assert_int_equal(route_up(h->route, &link), 0);
	assert_goes("10.99.0.1", "", "vpn-t");
	assert_goes("10.99.0.53", "", "vpn-t");
	assert_goes("203.0.113.53", "", "vpn-t");
	assert_goes("10.99.0.7", "", "usb0");
	assert_int_equal(route_hold(h->route), 0);
	assert_goes("203.0.113.53", "", "");
	disconnect(h);
	sh("ip link del usb0");
	assert_untouched(h);
}

/* A name server beyond the prefixes of a split tunnel is the user's to route. */
static void a_split_tunnel_takes_name_servers_of_its_prefixes_only(void **state)
{
	struct host *h = *state;
	struct route_link link;

	connect_mode(h, ROUTE_SPLIT);
	link = link_of("vpn-t");
	link.dns[0] = ip_from("10.99.0.53");
	link.dns[1] = ip_from("203.0.113.53");
	assert_int_equal(route_up(h->route, &link), 0);
	assert_goes("10.99.0.53", "", "vpn-t");
	assert_goes("203.0.113.53", "", "up0");
	disconnect(h);
	assert_untouched(h);
}

static void the_address_inside_is_guarded_from_the_links_outside(void **state)
{
	struct host *h = *state;

	connect_mode(h, ROUTE_FULL);
	sh("nft flush ruleset"); /* somebody else's firewall starts */
	assert_true(shows(
		"nft list ruleset", "iif != \"vpn-t\" iif != \"lo\" ip daddr 10.99.0.2 drop"));
	assert_true(shows("nft list ruleset", "arp daddr ip 10.99.0.2 drop"));
	assert_int_equal(route_hold(h->route), 0);
	assert_false(shows("nft list ruleset", "table"));
	disconnect(h);
}

/* ---- others ---- */

static void what_somebody_removes_is_put_back_and_counted(void **state)
{
	struct host *h = *state;
	static const char *const vandals[] = {
		"ip rule del priority 31200 protocol 178",
		"ip -6 rule del priority 31200 protocol 178",
		"ip rule del priority 31000 protocol 178",
		"ip rule del priority 31010 protocol 178 sport 40500",
		"ip route del unreachable default table 30320",
		"ip -6 route del unreachable default table 30320",
		"ip route del default dev vpn-t table 30320",
		"ip route replace default via 10.1.0.1 table 30320 metric 10",
		"ip addr flush dev vpn-t",
		"ip link set vpn-t down",
		"ip route flush table 30320",
	};
	char before[16384], after[16384];
	unsigned count = 0;

	connect_mode(h, ROUTE_FULL);
	assert_int_equal(route_table(h->route), 30320);
	settle(h);
	host_state(before);
	for (size_t i = 0; i < sizeof(vandals) / sizeof(*vandals); i++) {
		sh("%s", vandals[i]);
		settle(h);
		host_state(after);
		/* The order of rules of one priority may differ: compare what is there by lookups
		 * and by size. */
		assert_int_equal(strlen(after), strlen(before));
		assert_goes("203.0.113.9", "", "vpn-t");
		assert_goes("203.0.113.9", "mark 0x7670000", "up0");
		assert_goes("2001:db8::9", "", "");
		assert_true(routes_put_back(h->all) > count);
		count = routes_put_back(h->all);
	}
	disconnect(h);
	assert_untouched(h);
}

/* As when systemd-networkd starts: one rule after the other, and the last, which keeps the users'
 * packets inside, waits for no pause. */
static void rules_that_vanish_together_come_back_together(void **state)
{
	struct host *h = *state;
	static const char *const rules[] = {"31000", "31010 dport 500", "31010 dport 67",
		"31021 ipproto icmp", "31021 ipproto tcp", "31021 ipproto udp",
		"31021 ipproto sctp", "31030", "31200"};
	static const char *const families[] = {"-4", "-6"};
	char before[16384], after[16384];

	connect_mode(h, ROUTE_FULL);
	settle(h);
	host_state(before);
	for (size_t family = 0; family < 2; family++)
		for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
			sh("ip %s rule del priority %s protocol 178 2>/dev/null || true",
				families[family], rules[i]);
			routes_ready(h->all, h->now);
		}
	host_state(after);
	assert_int_equal(strlen(after), strlen(before));
	assert_int_equal(routes_put_back(h->all), 11);
	assert_int_equal(routes_deadline(h->all), MSEC_NEVER);
	disconnect(h);
	assert_untouched(h);
}

/* With somebody who removes our rules in a loop we do not spin: so many a second, then a pause. */
static void a_fight_is_fought_slowly(void **state)
{
	struct host *h = *state;
	unsigned count;

	connect_mode(h, ROUTE_FULL);
	settle(h);
	for (int i = 0; i < 30; i++) {
		sh("ip rule del priority 31200 protocol 178 2>/dev/null || true");
		routes_ready(h->all, h->now);
	}
	count = routes_put_back(h->all);
	assert_in_range(count, 1, 15);
	assert_true(routes_deadline(h->all) > h->now);
	routes_tick(h->all, h->now + SECONDS(1));
	assert_true(routes_put_back(h->all) > count);
	disconnect(h);
	assert_untouched(h);
}

static void two_connections_share_what_is_the_same(void **state)
{
	struct host *h = *state;
	struct route_conf split = conf_of(ROUTE_SPLIT), full = conf_of(ROUTE_FULL);
	struct route *second, *third;

	connect_mode(h, ROUTE_FULL);
	assert_int_equal(route_new(&second, h->all, &split), 0);
	assert_int_not_equal(route_table(second), route_table(h->route));
	assert_int_equal(route_hold(second), 0);
	assert_int_equal(route_new(&third, h->all, &full), 0);
	assert_int_equal(route_hold(third), -EBUSY);
	assert_int_equal(route_pass(second, &ike), 0);
	route_free(third);
	route_free(h->route);
	assert_goes("203.0.113.9", "mark 0x7670000", "up0");
	assert_true(shows("ip rule", "sport 40500 dport 500"));
	route_free(second);
	host_close(h);
	assert_untouched(h);
}

static void a_successor_stands_before_its_predecessor_goes(void **state)
{
	struct host *h = *state;
	struct route_conf full = conf_of(ROUTE_FULL);
	struct route *next;

	connect_mode(h, ROUTE_FULL);
	assert_int_equal(route_hold(h->route), 0);
	assert_int_equal(route_new(&next, h->all, &full), 0);
	assert_int_equal(route_hold(next), -EBUSY);
	assert_int_equal(route_succeed(h->route, next), 0);
	assert_goes("203.0.113.9", "", "");
	assert_goes("2001:db8::9", "", "");
	assert_goes("203.0.113.9", "mark 0x7670000", "up0");
	assert_int_equal(route_succeed(next, NULL), 0);
	assert_goes("203.0.113.9", "", "up0");
	host_close(h);
	assert_untouched(h);
}

static void a_table_that_somebody_uses_is_not_taken(void **state)
{
	struct host *h = *state;

	sh("ip route add 10.88.0.0/16 via 10.1.0.1 table %d", ROUTE_TABLE);
	connect_mode(h, ROUTE_FULL);
	assert_int_equal(route_table(h->route), ROUTE_TABLE + 1);
	disconnect(h);
	assert_true(shows("ip route show table all", "10.88.0.0/16"));
}

static void addresses_that_are_taken_are_refused(void **state)
{
	struct host *h = *state;
	static const char *const taken[] = {"198.51.100.10", "10.1.0.2", "10.1.0.1", "127.0.0.1"};
	struct route_link link;

	connect_mode(h, ROUTE_FULL);
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
		link = link_of("vpn-t");
		link.local = ip_from(taken[i]);
		assert_int_equal(route_up(h->route, &link), -EADDRINUSE);
	}
	link = link_of("vpn-t"); /* the peer may be the server: it gets no route */
	link.peer = ike.server;
	assert_int_equal(route_up(h->route, &link), 0);
	assert_goes("198.51.100.10", "mark 0x7670000", "up0");
	disconnect(h);
	assert_untouched(h);
}

static void a_tun_that_is_gone_is_an_error(void **state)
{
	struct host *h = *state;
	struct route_link link;

	connect_mode(h, ROUTE_FULL);
	link = link_of("vpn-t");
	close(h->tun);
	h->tun = -1;
	assert_int_equal(route_up(h->route, &link), -ENODEV);
	assert_goes("203.0.113.9", "", "");
	disconnect(h);
	assert_untouched(h);
}

/* As the TUN of a dead process, if something keeps it alive. */
static void a_new_uplink_is_news(void **state)
{
	struct host *h = *state;
	uint64_t before;

	connect_mode(h, ROUTE_FULL);
	settle(h);
	before = routes_uplink(h->all);
	sh("ip route add 10.60.0.0/16 via 10.1.0.1");
	settle(h);
	assert_int_equal(routes_uplink(h->all), before);
	sh("ip addr add 10.1.0.3/24 dev up0");
	settle(h);
	assert_true(routes_uplink(h->all) > before);
	before = routes_uplink(h->all);
	sh("ip route del default");
	settle(h);
	assert_true(routes_uplink(h->all) > before);
	disconnect(h);
}

/* ---- a real answer through strict reverse-path filtering ---- */

static bool answered(int client, int server)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct pollfd p = {.fd = server, .events = POLLIN};
	char octet;

	assert_int_equal(send(client, "?", 1, 0), 1);
	assert_int_equal(poll(&p, 1, 2000), 1);
	assert_int_equal(recvfrom(server, &octet, 1, 0, (struct sockaddr *)&from, &len), 1);
	assert_int_equal(sendto(server, "!", 1, 0, (struct sockaddr *)&from, len), 1);
	p.fd = client;
	return poll(&p, 1, 300) == 1 && recv(client, &octet, 1, 0) == 1;
}

static void the_servers_answers_pass_reverse_path_filtering(void **state)
{
	struct host *h = *state;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(500)}, ours;
	socklen_t len = sizeof(ours);
	uint32_t mark = ROUTE_MARK;
	struct flow flow = ike;
	int near_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int far_ns = netns_new();

	sh("ip link set lo up && ip link add far0 type veth peer name up1 netns /proc/%d/fd/%d",
		getpid(), near_ns);
	sh("ip addr add 10.3.0.1/24 dev far0 && ip link set far0 up && "
	   "ip addr add 198.51.100.10/32 dev lo");
	memcpy(&to.sin_addr, ike.server.b, 4);
	int server = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&to, sizeof(to)), 0);

	netns_enter(near_ns);
	sh("ip rule del priority 31010 && ip addr add 10.3.0.2/24 dev up1 && "
	   "ip link set up1 up && ip route add 198.51.100.10 via 10.3.0.1 && "
	   "echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter");
	connect_mode(h, ROUTE_FULL);
	int client = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(setsockopt(client, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(client, (struct sockaddr *)&ours, &len), 0);
	flow.sport = ntohs(ours.sin_port);

	assert_false(answered(client, server)); /* the premise: a mark is not enough */
	assert_int_equal(route_pass(h->route, &flow), 0);
	assert_true(answered(client, server));
	route_unpass(h->route, &flow);
	assert_false(answered(client, server));
	close(client);
	close(server);
	close(near_ns);
	close(far_ns);
	disconnect(h);
}

/* ---- the SSH guard ---- */

/* A program with this in its environment; its pid. */
static pid_t session_new(const char *connection)
{
	char variable[128];
	char *const argv[] = {"sleep", "60", NULL}, *env[] = {variable, NULL};
	int ready[2];
	char octet;

	snprintf(variable, sizeof(variable), "SSH_CONNECTION=%s", connection);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		execve("/bin/sleep", argv, env);
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &octet, 1), 0); /* it has begun */
	close(ready[0]);
	return pid;
}

static void end_session(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void an_ssh_session_that_would_be_cut_off_is_found(void **state)
{
	struct host *h = *state;
	struct route_conf conf = conf_of(ROUTE_FULL);
	struct route *allowing;
	struct ip peer;
	pid_t lan = session_new("10.1.0.9 50000 10.1.0.2 22");
	pid_t internet = session_new("203.0.113.7 50000 10.1.0.2 22");
	pid_t odd = session_new("not an address");

	host_open(h);
	assert_int_equal(route_new(&h->route, h->all, &conf), 0);
	conf.lan = true;
	assert_int_equal(route_new(&allowing, h->all, &conf), 0);

	assert_true(ssh_cut(h->route, lan, &peer));
	assert_true(ip_equal(&peer, &(struct ip){FAMILY_IPV4, {10, 1, 0, 9}}));
	assert_true(ssh_cut(h->route, internet, &peer));
	assert_false(ssh_cut(allowing, lan, &peer));
	assert_true(ssh_cut(allowing, internet, &peer));
	assert_false(ssh_cut(h->route, odd, &peer));
	route_free(allowing);
	disconnect(h);
	end_session(lan);
	end_session(internet);
	end_session(odd);
}

static void a_split_tunnel_cuts_off_its_prefixes_only(void **state)
{
	struct host *h = *state;
	struct ip inside = ip_from("192.0.2.7"), outside = ip_from("203.0.113.7");

	connect_mode(h, ROUTE_SPLIT);
	assert_true(route_captures(h->route, &inside));
	assert_false(route_captures(h->route, &outside));
	disconnect(h);
}

/* Where environments cannot be read, every session on port 22 counts: here one to ourselves. */
static void without_an_environment_the_sockets_are_asked(void **state)
{
	(void)state;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(22)};
	struct ip peers[SSH_PEERS_MAX];
	int one = 1;

	memcpy(&to.sin_addr, (uint8_t[]){10, 1, 0, 2}, 4);
	int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(server, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	int session = accept(server, NULL, NULL);

	assert_int_equal(ssh_peers(4194304, peers), 1); /* nobody has that pid */
	assert_true(ip_equal(&peers[0], &(struct ip){FAMILY_IPV4, {10, 1, 0, 2}}));
	close(session);
	close(client);
	close(server);
}

/* ---- items as text ---- */

static void items_survive_the_journal(void **state)
{
	(void)state;
	static const char *const rules[] = {
		"family=4 priority=31000 table=254 mark=124190720 mask=268369920",
		"family=6 priority=31010 table=254 to=2001:db8::1/128 ipproto=17 sport=4500 "
		"dport=4500",
	};
	struct net_item item, again;
	char text[NET_ITEM_TEXT], cut[NET_ITEM_TEXT];

	for (size_t i = 0; i < 2; i++) {
		assert_true(net_item_parse(NET_RULE, rules[i], &item));
		assert_string_equal(net_item_text(&item, text), rules[i]);
		for (size_t n = 0; n < strlen(rules[i]); n++) {
			snprintf(cut, n + 1, "%s", rules[i]);
			if (net_item_parse(NET_RULE, cut, &again))
				assert_false(net_item_equal(&item, &again));
		}
	}
	assert_true(net_item_parse(NET_ADDRESS, "ifindex=7 local=10.0.0.1 peer=10.0.0.2", &item));
	assert_false(net_item_parse(NET_RULE, "family=4  priority=1", &item));
	assert_false(net_item_parse(NET_RULE, "family=4 colour=1", &item));
	assert_false(net_item_parse(NET_RULE, "priority=4294967296", &item));
	assert_false(net_item_parse(NET_RULE, "sport=65536", &item));
	assert_false(net_item_parse(NET_RULE, "to=10.0.0.1/8", &item));
	assert_false(net_item_parse(NET_ROUTE, "ifindex=-1", &item));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_full_tunnel_takes_everything_but_our_own_packets),
		TEST(routes_of_the_lan_do_not_matter),
		TEST(without_its_tun_a_full_tunnel_lets_nothing_out),
		TEST(a_split_tunnel_takes_its_prefixes_only),
		TEST(ipv6_inside_is_used),
		TEST(the_lan_is_near_only_if_allowed),
		TEST(near_interfaces_come_and_go),
		TEST(an_interface_with_a_default_route_is_not_near),
		TEST(the_link_to_the_server_is_not_near),
		TEST(peer_and_name_servers_stay_inside),
		TEST(a_split_tunnel_takes_name_servers_of_its_prefixes_only),
		TEST(the_address_inside_is_guarded_from_the_links_outside),
		TEST(what_somebody_removes_is_put_back_and_counted),
		TEST(rules_that_vanish_together_come_back_together),
		TEST(a_fight_is_fought_slowly),
		TEST(two_connections_share_what_is_the_same),
		TEST(a_successor_stands_before_its_predecessor_goes),
		TEST(a_table_that_somebody_uses_is_not_taken),
		TEST(addresses_that_are_taken_are_refused),
		TEST(a_tun_that_is_gone_is_an_error),
		TEST(a_new_uplink_is_news),
		TEST(the_servers_answers_pass_reverse_path_filtering),
		TEST(an_ssh_session_that_would_be_cut_off_is_found),
		TEST(a_split_tunnel_cuts_off_its_prefixes_only),
		TEST(without_an_environment_the_sockets_are_asked),
		TEST(items_survive_the_journal),
	};

	close(netns_new());
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		skip_all("/dev/net/tun: %s", strerror(errno));
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip_all("no mount namespace of our own: %s", strerror(errno));
	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}

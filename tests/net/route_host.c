#include "tests/net/route_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/net/netns.h"

static void output(const char *command, char *to, size_t room)
{
	FILE *p = popen(command, "r");

	assert_non_null(p);
	size_t n = fread(to, 1, room - 1, p);
	to[n] = 0;
	assert_true(n < room - 1);
	pclose(p);
}

void host_state(char to[static 16384])
{
	output("ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ip addr",
		to, 16384);
}

void assert_untouched(const struct host *h)
{
	char now[16384];

	host_state(now);
	assert_string_equal(now, h->before);
}

void add_veth(const char *name, const char *peer)
{
	sh("ip link add %s type veth peer name %s && ip link set %s addrgenmode none up && "
	   "ip link set %s addrgenmode none up",
		name, peer, name, peer);
}

int host_setup(void **state)
{
	struct host *h = calloc(1, sizeof(*h));

	netns_new();
	add_veth("up0", "cable0");
	sh("ip addr add 10.1.0.2/24 dev up0 && ip route add default via 10.1.0.1 && "
	   "ip -6 addr add fd00:1::2/64 dev up0 nodad && ip -6 route add default via fd00:1::1");
	sh("ip rule add priority 31000 fwmark 0x7670000/0xfff0000 lookup 99 && "
	   "ip rule add priority 31200 lookup 30320 && ip -6 rule add priority 31300 lookup main "
	   "&& "
	   "ip rule add priority 31010 to 198.51.100.10 ipproto udp lookup main && "
	   "ip route add 10.77.0.0/16 via 10.1.0.1 table 99");
	host_state(h->before);
	snprintf(h->dir, sizeof(h->dir), "/tmp/vpnd-route.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	h->tun = -1;
	h->now = SECONDS(100);
	*state = h;
	return 0;
}

int host_teardown(void **state)
{
	struct host *h = *state;

	sh("rm -rf %s", h->dir);
	free(h);
	return 0;
}

int tun_new(const char *name)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &r), 0);
	return fd;
}

struct ip ip_from(const char *text)
{
	struct ip ip = {0};

	assert_true(ip_parse(text, &ip));
	return ip;
}

struct prefix prefix_from(const char *text)
{
	struct prefix p;

	assert_true(prefix_parse(text, &p));
	return p;
}

const struct flow ike = {.ip_proto = NET_PROTO_UDP,
	.sport = 40500,
	.dport = 500,
	.server = {FAMILY_IPV4, {198, 51, 100, 10}}};
struct route_conf conf_of(enum route_mode mode)
{
	static struct prefix split[4];

	split[0] = prefix_from("10.0.0.0/8");
	split[1] = prefix_from("192.0.2.0/24");
	split[2] = prefix_from("2001:db8:5::/48");
	split[3] = prefix_from("192.0.2.0/24"); /* listed twice */
	return (struct route_conf){.mark = ROUTE_MARK,
		.mask = ROUTE_MASK,
		.mode = mode,
		.prefixes = split,
		.n = mode == ROUTE_SPLIT ? 4 : 0};
}

struct route_link link_of(const char *name)
{
	return (struct route_link){.ifindex = if_nametoindex(name),
		.mtu = 1300,
		.local = ip_from("10.99.0.2"),
		.peer = ip_from("10.99.0.1"),
		.server = ike.server};
}

void host_open(struct host *h)
{
	assert_int_equal(journal_open(&h->journal, h->dir), 0);
	assert_int_equal(routes_new(&h->all, h->journal, NULL), 0);
}

void host_close(struct host *h)
{
	if (h->tun >= 0)
		close(h->tun);
	h->tun = -1;
	routes_free(h->all);
	h->all = NULL;
	assert_int_equal(journal_pending(h->journal), 0);
	journal_close(h->journal);
}

void connect_with(struct host *h, const struct route_conf *conf)
{
	struct route_link link;

	host_open(h);
	assert_int_equal(route_new(&h->route, h->all, conf), 0);
	assert_int_equal(route_pass(h->route, &ike), 0);
	h->tun = tun_new("vpn-t");
	link = link_of("vpn-t");
	assert_int_equal(route_up(h->route, &link), 0);
}

void connect_mode(struct host *h, enum route_mode mode)
{
	struct route_conf conf = conf_of(mode);

	connect_with(h, &conf);
}

void disconnect(struct host *h)
{
	route_free(h->route);
	host_close(h);
}

void settle(struct host *h)
{
	for (int i = 0; i < 4; i++) {
		h->now += SECONDS(2);
		routes_ready(h->all, h->now);
	}
}

void assert_goes(const char *to, const char *how, const char *device)
{
	char command[256], answer[1024], want[64];

	snprintf(command, sizeof(command), "ip -o route get %s %s 2>&1", to, how);
	output(command, answer, sizeof(answer));
	snprintf(want, sizeof(want), " dev %s ", device);
	if (*device ? !strstr(answer, want) : !!strstr(answer, " dev "))
		fail_msg("%s should go to '%s': %s", command, device, answer);
}

bool shows(const char *command, const char *what)
{
	char text[16384];

	output(command, text, sizeof(text));
	return strstr(text, what);
}

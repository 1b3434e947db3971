#include "daemon/udp_priv.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "esp/xfrm.h"

/* Room in the kernel for what arrives between two turns of the loop, and for some superpackets on
 * their way out. Limits, not allocations. */
enum { RECEIVE_ROOM = 4 << 20, SEND_ROOM = 1 << 20 };

enum { ERRORS_AT_ONCE = 64 };

union sockaddr_any {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* ---- addresses ---- */

static socklen_t to_sockaddr(const struct addr *a, union sockaddr_any *to)
{
	*to = (union sockaddr_any){0};
	if (a->ip.family == FAMILY_IPV6) {
		to->v6.sin6_family = AF_INET6;
		to->v6.sin6_port = htons(a->port);
		memcpy(&to->v6.sin6_addr, a->ip.b, 16);
		return sizeof(to->v6);
	}
	to->v4.sin_family = AF_INET;
	to->v4.sin_port = htons(a->port);
	memcpy(&to->v4.sin_addr, a->ip.b, 4);
	return sizeof(to->v4);
}

static struct addr from_sockaddr(const union sockaddr_any *from)
{
	struct addr a = {0};

	if (from->sa.sa_family == AF_INET6) {
		a.ip = ip_of(FAMILY_IPV6, slice(&from->v6.sin6_addr, 16));
		a.port = ntohs(from->v6.sin6_port);
	} else if (from->sa.sa_family == AF_INET) {
		a.ip = ip_of(FAMILY_IPV4, slice(&from->v4.sin_addr, 4));
		a.port = ntohs(from->v4.sin_port);
	}
	return a;
}

/* ---- opening ---- */

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Beyond the system's limit if we may, else as far as it goes. */
static void set_room(int fd, int forced, int plain, int octets)
{
	if (set(fd, SOL_SOCKET, forced, octets) < 0)
		set(fd, SOL_SOCKET, plain, octets);
}

/* Joined packets would reach the kernel's ESP unseparated, so it is one or the other. Both offloads
 * came with Linux 5.0 or before. */
static int set_offload(struct udp *u, const struct udp_conf *conf)
{
	if (u->lane != LANE_NATT)
		return 0;
	if (conf->kernel_esp)
		return set(u->fd, IPPROTO_UDP, UDP_ENCAP, ENCAP_ESP);
	if (set(u->fd, IPPROTO_UDP, UDP_GRO, 1) == 0)
		u->gso_size = UINT16_MAX;
	return 0;
}

/* DF off: a packet that does not fit is cut on its way and arrives; with DF it would vanish wherever
 * the ICMP error is filtered. */
static int set_options(struct udp *u, const struct udp_conf *conf)
{
	int level = u->v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int result = 0;

	if (conf->reuse && conf->local_port)
		result = set(u->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (result == 0 && conf->mark)
		result = set(u->fd, SOL_SOCKET, SO_MARK, (int)conf->mark); /* check: udp-mark */
	if (result == 0 && u->v6 && u->lane != LANE_RAW)
		result = set(u->fd, level, IPV6_V6ONLY, 1);
	if (result == 0)
		result = set(u->fd, level, u->v6 ? IPV6_RECVERR : IP_RECVERR, 1);
	if (result == 0)
		result = u->v6 ? set(u->fd, level, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT)
			       : set(u->fd, level, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	set_room(u->fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_ROOM);
	set_room(u->fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_ROOM);
	return result < 0 ? result : set_offload(u, conf);
}

static int bind_to(struct udp *u, const struct udp_conf *conf)
{
	struct addr local = {conf->local, conf->local_port};
	union sockaddr_any sa;

	local.ip.family = conf->remote.ip.family;
	socklen_t len = to_sockaddr(&local, &sa);
	return bind(u->fd, &sa.sa, len) < 0 ? -errno : 0;
}

int udp_connect(struct udp *u)
{
	union sockaddr_any sa;
	socklen_t len = to_sockaddr(&u->remote, &sa);
	uint8_t octet;

	if (connect(u->fd, &sa.sa, len) < 0)
		return -errno;
	u->connected = true;
	/* Before connect() anybody could send to us. */
	for (unsigned n = 0; n < PKT_BATCH && recv(u->fd, &octet, 1, MSG_DONTWAIT) >= 0; n++)
		;
	return 0;
}

int udp_follow(struct udp *u, uint16_t port)
{
	struct addr remote = {.ip = u->remote.ip, .port = port};
	union sockaddr_any sa;
	socklen_t len = to_sockaddr(&remote, &sa);

	if (port == u->remote.port)
		return 0;
	if (connect(u->fd, &sa.sa, len) < 0)
		return -errno;
	u->remote = remote;
	return 0;
}

/* A second socket on our port, connected to the server but to none of its ports: the kernel prefers the
 * one that names the port. ESP is taken before the filter, and what is none gets no further. */
static int listen_beside(struct udp *u, uint32_t mark)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = {.len = 1, .filter = &nothing};
	struct addr local = udp_local(u), remote = {.ip = u->remote.ip};
	union sockaddr_any sa;

	u->ear = socket(u->v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->ear < 0 ||
		setsockopt(u->ear, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0)
		return -errno;
	int result = set(u->ear, SOL_SOCKET, SO_REUSEADDR, 1);
	if (result == 0)
		result = set(u->ear, IPPROTO_UDP, UDP_ENCAP, ENCAP_ESP);
	if (result == 0) /* a tunnel that is down shuts every other way to the server */
		result = set(u->ear, SOL_SOCKET, SO_MARK, (int)mark); /* check: udp-ear-mark */
	socklen_t len = to_sockaddr(&local, &sa);
	if (result == 0 && bind(u->ear, &sa.sa, len) < 0)
		result = -errno;
	len = to_sockaddr(&remote, &sa);
	if (result == 0 && connect(u->ear, &sa.sa, len) < 0)
		result = -errno;
	return result;
}

/* While the second one is bound both must allow it. */
static int open_ear(struct udp *u, const struct udp_conf *conf)
{
	int result = set(u->fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (result == 0)
		result = listen_beside(u, conf->mark);
	if (result == 0 && !(conf->reuse && conf->local_port))
		result = set(u->fd, SOL_SOCKET, SO_REUSEADDR, 0);
	return result;
}

int udp_open(const struct udp_conf *conf, struct udp **udp)
{
	enum family family = conf->remote.ip.family;
	bool raw = conf->lane == LANE_RAW;

	*udp = NULL;
	if (family == FAMILY_NONE)
		return -EAFNOSUPPORT;
	struct udp *u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->v6 = family == FAMILY_IPV6;
	u->ear = -1;
	u->reads = 1;
	u->lane = conf->lane;
	u->remote = conf->remote;
	if (raw)
		u->remote.port = 0;
	u->fd = socket(u->v6 ? AF_INET6 : AF_INET,
		(raw ? SOCK_RAW : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
		raw ? IPPROTO_ESP : IPPROTO_UDP);
	int result = u->fd < 0 ? -errno : set_options(u, conf);
	if (result == 0 && !raw)
		result = bind_to(u, conf);
	if (result == 0)
		result = conf->lane == LANE_L2TP ? xfrm_protect(u->fd, family, conf->reqid)
						 : udp_connect(u);
	if (result == 0 && conf->lane == LANE_NATT && conf->kernel_esp)
		result = open_ear(u, conf);
	if (result < 0)
		udp_close(u);
	else
		*udp = u;
	return result;
}

void udp_close(struct udp *u)
{
	if (!u)
		return;
	pktq_free(&u->waiting);
	if (u->fd >= 0)
		close(u->fd);
	if (u->ear >= 0)
		close(u->ear);
	free(u);
}

/* ---- questions ---- */

int udp_fd(const struct udp *u)
{
	return u->fd;
}

struct addr udp_local(const struct udp *u)
{
	union sockaddr_any sa = {0};
	socklen_t len = sizeof(sa);

	if (getsockname(u->fd, &sa.sa, &len) < 0)
		return (struct addr){0};
	struct addr local = from_sockaddr(&sa);
	if (u->lane == LANE_RAW) /* there it is the protocol's number */
		local.port = 0;
	return local;
}

size_t udp_path_mtu(const struct udp *u)
{
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	if (getsockopt(u->fd, u->v6 ? IPPROTO_IPV6 : IPPROTO_IP, u->v6 ? IPV6_MTU : IP_MTU, &mtu,
		    &len) < 0 ||
		mtu < 0)
		return 0;
	return (size_t)mtu;
}

const struct udp_counters *udp_counters(const struct udp *u)
{
	return &u->counters;
}

/* ---- errors ---- */

/* The control message of IP_RECVERR; ip(7). Behind the error stands the address of who sent it. */
static void note_error(struct udp *u, const struct cmsghdr *c)
{
	struct {
		struct sock_extended_err err;
		union sockaddr_any offender;
	} e = {0};
	size_t n = c->cmsg_len - CMSG_LEN(0);

	memcpy(&e, CMSG_DATA(c), n < sizeof(e) ? n : sizeof(e));
	u->error = (struct udp_error){.code = (int)e.err.ee_errno};
	if (e.err.ee_errno == EMSGSIZE)
		u->error.mtu = e.err.ee_info;
	if (e.err.ee_origin != SO_EE_ORIGIN_LOCAL)
		u->error.from = from_sockaddr(&e.offender).ip;
}

void udp_read_errors(struct udp *u)
{
	for (unsigned n = 0; n < ERRORS_AT_ONCE; n++) {
		alignas(struct cmsghdr) uint8_t control[256];
		struct msghdr m = {.msg_control = control, .msg_controllen = sizeof(control)};

		if (recvmsg(u->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
				(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
				note_error(u, c);
	}
}

bool udp_take_error(struct udp *u, struct udp_error *err)
{
	*err = u->error;
	u->error = (struct udp_error){0};
	return err->code != 0;
}

#include "daemon/names.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	TRY_MS = 1500, /* the first interval of a server; c-ares doubles it each round */
	TRIES = 3,
	GIVE_UP = 12000,
	GRACE = 300, /* ms for the other family once IPv4 is there */
	SOCKETS_MAX = 16,
	DNS_PORT = 53,
};

enum { QUERY_A, QUERY_AAAA, QUERIES };

/* Sockets of c-ares that are connected. */
struct passed {
	int fd; /* -1 = free */
	struct flow flow;
};

struct names {
	struct names_conf conf;
	char name[256];
	ares_channel channel; /* NULL: no question is open */
	int epoll;
	struct passed passed[SOCKETS_MAX];
	struct ip list[NAMES_MAX];
	size_t n;
	int status[QUERIES]; /* of c-ares */
	bool open[QUERIES];
	bool cancelling;
	msec due;  /* of c-ares */
	msec ends; /* of our patience */
	enum names_state state;
	char servers[NAMES_WHY / 2]; /* for the evidence */
	char why[NAMES_WHY];
};

/* ---- sockets ---- */

static struct passed *passed_find(struct names *n, int fd)
{
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		if (n->passed[i].fd == fd)
			return &n->passed[i];
	return NULL;
}

static ares_socket_t on_socket(int domain, int type, int protocol, void *ctx)
{
	const struct names *n = ctx;
	int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd >= 0 && n->conf.mark &&
		setsockopt(fd, SOL_SOCKET, SO_MARK, &n->conf.mark, sizeof(n->conf.mark)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int on_close(ares_socket_t fd, void *ctx)
{
	struct names *n = ctx;
	struct passed *p = passed_find(n, fd);

	if (p) {
		n->conf.unpass(n->conf.ctx, &p->flow);
		p->fd = -1;
	}
	return close(fd);
}

static uint16_t port_of(const struct sockaddr_storage *s)
{
	return ntohs(s->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)s)->sin6_port
					      : ((const struct sockaddr_in *)s)->sin_port);
}

static struct ip ip_in(const struct sockaddr *s)
{
	if (s->sa_family == AF_INET6)
		return ip_of(FAMILY_IPV6,
			slice(&((const struct sockaddr_in6 *)(const void *)s)->sin6_addr, 16));
	return ip_of(
		FAMILY_IPV4, slice(&((const struct sockaddr_in *)(const void *)s)->sin_addr, 4));
}

static int pass(struct names *n, int fd)
{
	struct sockaddr_storage ours, theirs;
	socklen_t ours_len = sizeof(ours), theirs_len = sizeof(theirs);
	struct passed *p = passed_find(n, -1);
	int type = 0, err;
	socklen_t type_len = sizeof(type);

	if (!n->conf.pass)
		return 0;
	if (!p || getsockname(fd, (struct sockaddr *)&ours, &ours_len) < 0 ||
		getpeername(fd, (struct sockaddr *)&theirs, &theirs_len) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0)
		return -ENOTCONN;
	p->flow = (struct flow){
		.server = ip_in((struct sockaddr *)&theirs),
		.ip_proto = type == SOCK_STREAM ? NET_PROTO_TCP : NET_PROTO_UDP,
		.sport = port_of(&ours),
		.dport = port_of(&theirs),
	};
	err = n->conf.pass(n->conf.ctx, &p->flow);
	if (!err)
		p->fd = fd;
	return err;
}

/* TCP is only announced once its SYN is out, because its port is chosen with it: the answer to a
 * SYN that reverse-path filtering drops is sent again. */
static int on_connect(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len, void *ctx)
{
	int result = connect(fd, to, len), saved = errno;
	int err = result == 0 || saved == EINPROGRESS ? pass(ctx, fd) : 0;

	errno = err && err != -ENOTCONN ? -err : saved;
	return err && err != -ENOTCONN ? -1 : result;
}

static ares_ssize_t on_receive(ares_socket_t fd, void *to, size_t room, int flags,
	struct sockaddr *from, ares_socklen_t *len, void *ctx)
{
	(void)ctx;
	return recvfrom(fd, to, room, flags, from, len);
}

static ares_ssize_t on_send(ares_socket_t fd, const struct iovec *v, int count, void *ctx)
{
	struct msghdr m = {.msg_iov = (struct iovec *)v, .msg_iovlen = (size_t)count};

	(void)ctx;
	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
	on_socket, on_close, on_connect, on_receive, on_send};

/* c-ares tells what it waits for: the epoll descriptor stands for all of it. */
static void on_interest(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct names *n = ctx;
	struct epoll_event e = {
		.events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u), .data.fd = fd};

	if (!readable && !writable)
		epoll_ctl(n->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(n->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		epoll_ctl(n->epoll, EPOLL_CTL_MOD, fd, &e);
}

/* ---- answers ---- */

static void keep_address(struct names *n, const struct ip *ip)
{
	for (size_t i = 0; i < n->n; i++)
		if (ip_equal(&n->list[i], ip))
			return;
	if (n->n < NAMES_MAX /* check: names-count */ &&
		ip_is_unicast(ip) /* check: resolved-unicast */)
		n->list[n->n++] = *ip;
}

static bool has_ipv4(const struct names *n)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->list[i].family == FAMILY_IPV4)
			return true;
	return false;
}

static void take_answer(struct names *n, int query, int status, const struct ares_addrinfo *found)
{
	if (n->cancelling)
		return;
	n->open[query] = false;
	n->status[query] = status;
	for (const struct ares_addrinfo_node *a = found ? found->nodes : NULL; a; a = a->ai_next) {
		struct ip ip = ip_in(a->ai_addr);

		keep_address(n, &ip);
	}
}

static void on_a(void *ctx, int status, int timeouts, struct ares_addrinfo *found)
{
	(void)timeouts;
	take_answer(ctx, QUERY_A, status, found);
	if (found)
		ares_freeaddrinfo(found);
}

static void on_aaaa(void *ctx, int status, int timeouts, struct ares_addrinfo *found)
{
	(void)timeouts;
	take_answer(ctx, QUERY_AAAA, status, found);
	if (found)
		ares_freeaddrinfo(found);
}

/* IPv4 first, otherwise in the order of the answers. */
static void sort(struct names *n)
{
	struct ip sorted[NAMES_MAX];
	size_t at = 0;

	for (int want_v4 = 1; want_v4 >= 0; want_v4--)
		for (size_t i = 0; i < n->n; i++)
			if ((n->list[i].family == FAMILY_IPV4) == (want_v4 == 1))
				sorted[at++] = n->list[i];
	memcpy(n->list, sorted, at * sizeof(*sorted));
}

/* That there is no AAAA says little when the question for A failed otherwise, and vice versa. */
static const char *failure(const struct names *n, bool timed_out)
{
	int a = n->status[QUERY_A], aaaa = n->status[QUERY_AAAA];

	if (timed_out)
		return "no answer";
	if (a == ARES_SUCCESS || aaaa == ARES_SUCCESS)
		return "no address that a server can have";
	return ares_strerror(a != ARES_ENODATA ? a : aaaa);
}

static void end(struct names *n, bool timed_out)
{
	if (n->channel) {
		n->cancelling = true;
		ares_destroy(n->channel);
		n->channel = NULL;
	}
	n->due = n->ends = MSEC_NEVER;
	n->state = n->n ? NAMES_DONE : NAMES_FAILED;
	sort(n);
	if (n->n)
		return;

	snprintf(n->why, sizeof(n->why), "%.60s: %s, asked %s", n->name, failure(n, timed_out),
		n->servers);
}

/* What has become of it after c-ares did something. */
static void look(struct names *n, msec now)
{
	bool working = n->open[QUERY_A] || n->open[QUERY_AAAA];
	struct timeval tv;

	if (n->state != NAMES_WORKING)
		return;
	if (!working || now >= n->ends) {
		end(n, working);
		return;
	}
	if (has_ipv4(n) && !n->open[QUERY_A])
		n->ends = msec_min(n->ends, now + GRACE);
	n->due = MSEC_NEVER;
	if (ares_timeout(n->channel, NULL, &tv))
		n->due = now + (msec)tv.tv_sec * 1000 + (msec)tv.tv_usec / 1000 + 1;
}

/* ---- questions ---- */

static int set_servers(struct names *n)
{
	struct ares_addr_port_node nodes[NAMES_MAX] = {0};
	size_t count = n->conf.n < NAMES_MAX ? n->conf.n : NAMES_MAX, used = 0;
	int port = n->conf.port ? n->conf.port : DNS_PORT;
	char text[IP_TEXT];

	snprintf(n->servers, sizeof(n->servers), "%s", count ? "" : "no server");
	for (size_t i = 0; i < count; i++) {
		const struct ip *ip = &n->conf.servers[i];

		nodes[i].family = ip->family == FAMILY_IPV6 ? AF_INET6 : AF_INET;
		memcpy(&nodes[i].addr, ip->b, ip_len(ip));
		nodes[i].udp_port = nodes[i].tcp_port = port;
		nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
		used += (size_t)snprintf(n->servers + used, sizeof(n->servers) - used, "%s%s",
			i ? ", " : "", ip_text(ip, text));
		if (used >= sizeof(n->servers))
			used = sizeof(n->servers) - 1;
	}
	return ares_set_servers_ports(n->channel, count ? nodes : NULL);
}

/* A name with a dot is complete; only a bare one tries the search list. */
static int channel_open(struct names *n)
{
	char lookups[] = "fb"; /* files, then servers if there are any */
	struct ares_options options = {
		.flags = ARES_FLAG_NOALIASES | (strchr(n->name, '.') ? ARES_FLAG_NOSEARCH : 0),
		.timeout = TRY_MS,
		.tries = TRIES,
		.lookups = lookups,
		.sock_state_cb = on_interest,
		.sock_state_cb_data = n,
	};
	int status;

	if (n->conf.n == 0)
		lookups[1] = 0;
	status = ares_init_options(&n->channel, &options,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
			ARES_OPT_SOCK_STATE_CB);

	if (status != ARES_SUCCESS)
		return -ENOMEM;
	ares_set_socket_functions(n->channel, &socket_functions, n);
	return set_servers(n) == ARES_SUCCESS ? 0 : -ENOMEM;
}

static void ask(struct names *n)
{
	struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_DGRAM, .ai_family = AF_INET};

	n->open[QUERY_A] = n->open[QUERY_AAAA] = true;
	ares_getaddrinfo(n->channel, n->name, NULL, &hints, on_a, n);
	hints.ai_family = AF_INET6;
	ares_getaddrinfo(n->channel, n->name, NULL, &hints, on_aaaa, n);
}

static int start(struct names *n, msec now)
{
	struct ip ip;
	int err;

	n->due = n->ends = MSEC_NEVER;
	if (ip_parse(n->name, &ip)) {
		n->list[n->n++] = ip;
		n->state = NAMES_DONE;
		return 0;
	}
	n->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (n->epoll < 0)
		return -errno;
	err = channel_open(n);
	if (err)
		return err;
	n->ends = now + GIVE_UP;
	ask(n);
	look(n, now);
	return 0;
}

int names_new(struct names **to, const struct names_conf *conf, msec now)
{
	struct names *n;
	int err;

	*to = NULL;
	if (!*conf->name || strlen(conf->name) >= sizeof(n->name))
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->conf = *conf;
	n->epoll = -1;
	snprintf(n->name, sizeof(n->name), "%s", conf->name);
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		n->passed[i].fd = -1;
	err = start(n, now);
	if (err) {
		names_free(n);
		return err;
	}
	*to = n;
	return 0;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	if (n->channel) {
		n->cancelling = true;
		ares_destroy(n->channel);
	}
	if (n->epoll >= 0)
		close(n->epoll);
	free(n);
}

int names_fd(const struct names *n)
{
	return n->epoll;
}

void names_ready(struct names *n, msec now)
{
	struct epoll_event events[SOCKETS_MAX];
	int count;

	if (n->state != NAMES_WORKING)
		return;
	count = epoll_wait(n->epoll, events, SOCKETS_MAX, 0);
	for (int i = 0; i < count; i++)
		ares_process_fd(n->channel,
			events[i].events & ~(uint32_t)EPOLLOUT ? events[i].data.fd
							       : ARES_SOCKET_BAD,
			events[i].events & EPOLLOUT ? events[i].data.fd : ARES_SOCKET_BAD);
	ares_process_fd(n->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* its timeouts */
	look(n, now);
}

msec names_deadline(const struct names *n)
{
	return msec_min(n->due, n->ends);
}

enum names_state names_state(const struct names *n)
{
	return n->state;
}

size_t names_result(const struct names *n, const struct ip **list)
{
	*list = n->list;
	return n->n;
}

const char *names_why(const struct names *n)
{
	return n->why;
}

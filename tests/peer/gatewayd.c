/* The test gateway as a process: UDP 500 and 4500, protocol 50, a TUN device, and commands on its input.
 *
 * What comes from a client that is not known yet is read from a listener, datagram by datagram; the
 * answers leave by a socket connected to that client. From then on the kernel prefers this one for
 * what the client sends too, and both ways run in the batches that the daemon's data path has. Of raw
 * sockets each has a copy of everything: so protocol 50 has one, which is never connected. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/hostenv.h"
#include "daemon/loop.h"
#include "daemon/tun.h"
#include "daemon/udp.h"
#include "tests/peer/gateway.h"
#include "tests/peer/gatewayd_opts.h"

enum {
	SOCKETS = 3,
	DATAGRAM = 4096,
	RAW_ROOM = 4 << 20,
	COMMAND = 256,
	READ_LIMIT = 4 * PKT_BATCH
};

static const uint16_t ports[SOCKETS] = {[LANE_IKE] = 500, [LANE_NATT] = 4500}; /* LANE_RAW: none */

struct gatewayd;

struct socket {
	struct gatewayd *d;
	enum lane lane;
	int listener;
	struct loop_watch *heard;
	struct udp *client; /* NULL until somebody is there */
	struct addr to;     /* whom it is connected to */
	struct loop_watch *readable, *writable;
};

struct gatewayd {
	struct gatewayd_opts opts;
	struct log log;
	struct env *env;
	struct loop *loop;
	struct gateway *gateway;
	struct socket socket[SOCKETS];
	struct tun *tun;
	struct loop_watch *from_tun, *from_input;
	struct loop_timer *timer;
	char command[COMMAND];
	size_t typed; /* octets of an unfinished command */
};

/* ---- packets out ---- */

static void disconnect(struct socket *s)
{
	loop_watch_free(s->readable);
	loop_watch_free(s->writable);
	udp_close(s->client);
	s->readable = s->writable = NULL;
	s->client = NULL;
}

static void on_client(void *ctx);
static void on_writable(void *ctx);

/* Have a socket connected to where the gateway wants to send. */
static bool follow_client(struct gatewayd *d, struct socket *s)
{
	struct addr to = gateway_client(d->gateway, s->lane);
	struct udp_conf conf = {
		.remote = to, .local_port = ports[s->lane], .reuse = true, .lane = s->lane};
	char text[ADDR_TEXT];

	if (s->client && addr_equal(&s->to, &to))
		return true;
	disconnect(s);
	int rc = udp_open(&conf, &s->client);
	if (rc != 0) {
		log_warn(&d->log, "udp", "%s: %s", addr_text(&to, text), strerror(-rc));
		return false;
	}
	s->to = to;
	s->readable = loop_watch_new(d->loop, udp_fd(s->client), LOOP_READ, on_client, s);
	s->writable = loop_watch_new(d->loop, udp_fd(s->client), LOOP_WRITE, on_writable, s);
	if (!s->readable || !s->writable) {
		disconnect(s);
		return false;
	}
	loop_watch_set(s->writable, false);
	log_info(&d->log, "udp", "client at %s", addr_text(&to, text));
	return true;
}

static socklen_t to_sockaddr(const struct addr *a, struct sockaddr_storage *to)
{
	struct sockaddr_in *v4 = (void *)to;
	struct sockaddr_in6 *v6 = (void *)to;

	*to = (struct sockaddr_storage){0};
	if (a->ip.family == FAMILY_IPV6) {
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
		memcpy(&v6->sin6_addr, a->ip.b, 16);
		return sizeof(*v6);
	}
	*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(a->port)};
	memcpy(&v4->sin_addr, a->ip.b, 4);
	return sizeof(*v4);
}

/* What does not fit is lost. */
static void send_raw(struct gatewayd *d, struct socket *s, struct pktq *q)
{
	struct addr client = gateway_client(d->gateway, LANE_RAW);
	struct sockaddr_storage to;
	socklen_t len = to_sockaddr(&client, &to);

	for (struct pkt *p = pktq_take(q); p; p = pktq_take(q)) {
		if (sendto(s->listener, p->data, p->len, 0, (struct sockaddr *)&to, len) < 0)
			log_debug(&d->log, "raw", "%s", strerror(errno));
		pkt_free(p);
	}
}

static void send_lane(struct gatewayd *d, struct socket *s, struct pktq *q)
{
	if (!q->head)
		return;
	if (s->lane == LANE_RAW) {
		send_raw(d, s, q);
		return;
	}
	if (!follow_client(d, s)) {
		pktq_free(q);
		return;
	}
	udp_send(s->client, q);
	if (udp_blocked(s->client)) {
		loop_watch_set(s->writable, true);
		loop_watch_set(d->from_tun, false);
	}
}

/* After every call into the gateway. */
static void settle(struct gatewayd *d, struct io *out)
{
	struct pktq lane[SOCKETS] = {0};

	for (struct pkt *p = pktq_take(&out->down); p; p = pktq_take(&out->down)) {
		if ((int)p->lane < SOCKETS)
			pktq_put(&lane[p->lane], p);
		else
			pkt_free(p);
	}
	for (int i = 0; i < SOCKETS; i++)
		send_lane(d, &d->socket[i], &lane[i]);
	tun_write(d->tun, &out->up);
	loop_timer_set(d->timer, gateway_deadline(d->gateway));
}

/* A full socket has room again. */
static void on_writable(void *ctx)
{
	struct socket *s = ctx;

	udp_flush(s->client);
	if (udp_blocked(s->client))
		return;
	loop_watch_set(s->writable, false);
	loop_watch_set(s->d->from_tun, true);
}

/* ---- packets in ---- */

static void on_client(void *ctx)
{
	struct socket *s = ctx;
	struct gatewayd *d = s->d;
	struct addr from = s->to;
	struct udp_error error;
	struct pktq in = {0};
	struct io out = {0};

	udp_recv(s->client, d->env->pool, &in, READ_LIMIT);
	if (udp_take_error(s->client, &error))
		log_debug(&d->log, "udp", "%s", strerror(error.code));
	gateway_recv(d->gateway, &in, &from, loop_now(d->loop), &out);
	settle(d, &out);
}

static bool from_sockaddr(const struct sockaddr_storage *sa, struct addr *to)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;

	if (sa->ss_family == AF_INET6)
		*to = (struct addr){
			ip_of(FAMILY_IPV6, slice(&v6->sin6_addr, 16)), ntohs(v6->sin6_port)};
	else
		*to = (struct addr){
			ip_of(FAMILY_IPV4, slice(&v4->sin_addr, 4)), ntohs(v4->sin_port)};
	return to->ip.family != FAMILY_NONE;
}

/* NULL: there is none. */
static struct pkt *read_one(struct socket *s, struct addr *from)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct pkt *p = pkt_new_ctl(s->d->env->pool, DATAGRAM);

	if (!p)
		return NULL;
	ssize_t n = recvfrom(s->listener, p->data, DATAGRAM, 0, (struct sockaddr *)&sa, &len);
	p->len = n < 0 ? 0 : (size_t)n;
	p->lane = s->lane;
	bool has_header = s->lane == LANE_RAW && sa.ss_family == AF_INET;
	if (n >= 0 && from_sockaddr(&sa, from) && (!has_header || udp_strip_ip4(p, &from->ip)))
		return p;
	pkt_free(p);
	return NULL;
}

static void on_stranger(void *ctx)
{
	struct socket *s = ctx;
	struct gatewayd *d = s->d;
	unsigned most = s->lane == LANE_RAW ? READ_LIMIT : 1;
	struct io out = {0};
	struct addr from;
	struct pkt *p;

	for (unsigned i = 0; i < most && (p = read_one(s, &from)) != NULL; i++) {
		struct pktq in = {0};

		pktq_put(&in, p);
		gateway_recv(d->gateway, &in, &from, loop_now(d->loop), &out);
	}
	settle(d, &out);
}

static void on_tun(void *ctx)
{
	struct gatewayd *d = ctx;
	struct pktq in = {0};
	struct io out = {0};

	if (tun_read(d->tun, d->env->pool, &in, READ_LIMIT) < 0)
		loop_stop(d->loop);
	gateway_send(d->gateway, &in, loop_now(d->loop), &out);
	settle(d, &out);
}

static void on_time(void *ctx)
{
	struct gatewayd *d = ctx;
	struct io out = {0};

	gateway_tick(d->gateway, loop_now(d->loop), &out);
	settle(d, &out);
}

static void on_end(void *ctx)
{
	struct gatewayd *d = ctx;

	loop_stop(d->loop);
}

/* ---- commands ---- */

static void print_status(const struct gatewayd *d)
{
	struct gateway_status st;

	gateway_get_status(d->gateway, &st);
	printf("{\"main_modes\": %u, \"quick_modes\": %u, \"logins\": %u, \"phase1s\": %u, "
	       "\"pairs\": %u, \"tunnel\": %s, \"session\": %s, \"link_up\": %s, "
	       "\"password_seen\": %s, \"packets_in\": %llu, \"icv_bad\": %llu, "
	       "\"replayed\": %llu, \"packets_out\": %llu}\n",
		st.main_modes, st.quick_modes, st.logins, st.phase1s, st.pairs,
		st.tunnel ? "true" : "false", st.session ? "true" : "false",
		st.link_up ? "true" : "false", st.password_seen ? "true" : "false",
		(unsigned long long)st.in.packets, (unsigned long long)st.in.icv_bad,
		(unsigned long long)st.in.replayed, (unsigned long long)st.out.packets);
	fflush(stdout);
}

static void obey(struct gatewayd *d, const char *command)
{
	msec now = loop_now(d->loop);
	struct io out = {0};

	log_info(&d->log, "input", "%s", command);
	if (strcmp(command, "rekey") == 0)
		gateway_rekey(d->gateway, now, &out);
	else if (strcmp(command, "delete-esp") == 0)
		gateway_delete_esp(d->gateway, now, &out);
	else if (strcmp(command, "delete-ike") == 0)
		gateway_delete_ike(d->gateway, now, &out);
	else if (strcmp(command, "restart") == 0)
		gateway_restart(d->gateway);
	else if (strncmp(command, "stop ", 5) == 0)
		gateway_stop(d->gateway, command + 5, now, &out);
	else if (strcmp(command, "status") == 0)
		print_status(d);
	else
		log_warn(&d->log, "input", "no such command");
	settle(d, &out);
}

/* Lines; without anybody at the other end there are no more. */
static void on_input(void *ctx)
{
	struct gatewayd *d = ctx;
	ssize_t n = read(STDIN_FILENO, d->command + d->typed, sizeof(d->command) - d->typed);
	char *end;

	if (n <= 0) {
		loop_watch_set(d->from_input, false);
		return;
	}
	d->typed += (size_t)n;
	while ((end = memchr(d->command, '\n', d->typed)) != NULL) {
		size_t line = (size_t)(end - d->command) + 1;

		*end = '\0';
		obey(d, d->command);
		d->typed -= line;
		memmove(d->command, d->command + line, d->typed);
	}
	if (d->typed == sizeof(d->command))
		d->typed = 0;
}

/* ---- beginning and end ---- */

static int listen_on(const struct addr *local, enum lane lane)
{
	bool raw = lane == LANE_RAW;
	struct sockaddr_storage sa;
	socklen_t len = to_sockaddr(local, &sa);
	int fd = socket(sa.ss_family, (raw ? SOCK_RAW : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
		raw ? IPPROTO_ESP : IPPROTO_UDP);
	int on = 1, room = RAW_ROOM;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		(raw && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0) ||
		(raw && setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0) ||
		bind(fd, (struct sockaddr *)&sa, len) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool open_sockets(struct gatewayd *d)
{
	for (int i = 0; i < SOCKETS; i++) {
		struct socket *s = &d->socket[i];

		*s = (struct socket){.d = d, .lane = (enum lane)i};
		d->opts.gateway.addr[i] = (struct addr){d->opts.listen, ports[i]};
		s->listener = listen_on(&d->opts.gateway.addr[i], s->lane);
		if (s->listener < 0)
			return false;
		s->heard = loop_watch_new(d->loop, s->listener, LOOP_READ, on_stranger, s);
		if (!s->heard)
			return false;
	}
	return true;
}

static bool set_address(int fd, struct ifreq *r, unsigned long what, const struct ip *ip)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};

	memcpy(&sa.sin_addr, ip->b, 4);
	memcpy(&r->ifr_addr, &sa, sizeof(sa));
	return ioctl(fd, what, r) == 0;
}

/* `own` here, `pool` at the other end, up. netdevice(7). */
static bool furnish_tun(const struct gatewayd *d)
{
	const struct gateway_conf *g = &d->opts.gateway;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {0};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", tun_ifname(d->tun));
	bool done = fd >= 0 && set_address(fd, &r, SIOCSIFADDR, &g->own) &&
		    set_address(fd, &r, SIOCSIFDSTADDR, &g->pool);
	r.ifr_flags = IFF_UP | IFF_POINTOPOINT | IFF_NOARP;
	done = done && ioctl(fd, SIOCSIFFLAGS, &r) == 0;
	if (fd >= 0)
		close(fd);
	return done;
}

static bool open_tun(struct gatewayd *d)
{
	struct tun_conf conf = {.name = d->opts.tun, .mtu = d->opts.mtu};
	int rc = tun_open(&conf, &d->tun);

	errno = -rc;
	if (rc != 0 || !furnish_tun(d))
		return false;
	d->from_tun = loop_watch_new(d->loop, tun_fd(d->tun), LOOP_READ, on_tun, d);
	return d->from_tun;
}

/* Files and /dev/null cannot be watched: then there are no commands. */
static bool has_input(void)
{
	struct stat st;

	return fstat(STDIN_FILENO, &st) == 0 && (isatty(STDIN_FILENO) || !S_ISCHR(st.st_mode)) &&
	       !S_ISREG(st.st_mode);
}

static int run(struct gatewayd *d)
{
	struct loop_signal *term = loop_signal_new(d->loop, SIGTERM, on_end, d);
	struct loop_signal *interrupt = loop_signal_new(d->loop, SIGINT, on_end, d);
	int rc = -ENOMEM;

	d->timer = loop_timer_new(d->loop, on_time, d);
	if (has_input())
		d->from_input = loop_watch_new(d->loop, STDIN_FILENO, LOOP_READ, on_input, d);
	if (term && interrupt && d->timer) {
		puts("ready");
		fflush(stdout);
		rc = loop_run(d->loop);
	}
	loop_signal_free(term);
	loop_signal_free(interrupt);
	return rc;
}

static void finish(struct gatewayd *d)
{
	gateway_free(d->gateway);
	for (int i = 0; i < SOCKETS; i++) {
		disconnect(&d->socket[i]);
		loop_watch_free(d->socket[i].heard);
		close(d->socket[i].listener);
	}
	loop_watch_free(d->from_tun);
	loop_watch_free(d->from_input);
	loop_timer_free(d->timer);
	tun_close(d->tun);
	loop_free(d->loop);
	host_env_free(d->env);
}

/* A line "NAME HEX": for the test that looks for the keys in the client's memory. */
static void write_key(void *ctx, const char *name, struct slice key)
{
	FILE *file = ctx;

	fprintf(file, "%s ", name);
	for (size_t i = 0; i < key.n; i++)
		fprintf(file, "%02x", key.p[i]);
	fputc('\n', file);
	fflush(file);
}

static bool open_keylog(struct gatewayd *d)
{
	FILE *file = d->opts.keylog ? fopen(d->opts.keylog, "ae") : NULL;

	d->opts.gateway.keylog = file ? write_key : NULL;
	d->opts.gateway.keylog_ctx = file;
	return file || !d->opts.keylog;
}

static void print_line(void *ctx, enum log_level level, const char *layer, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%-5s %-5s %s\n", log_level_name(level), layer, text);
}

int main(int argc, char **argv)
{
	static struct gatewayd d = {
		.opts = {.tun = "gw0", .mtu = 1400, .level = LOG_LEVEL_INFO},
		.log = {.sink = print_line},
		.socket = {{.listener = -1}, {.listener = -1}, {.listener = -1}},
	};

	gateway_defaults(&d.opts.gateway);
	int rc = gatewayd_opts(&d.opts, argc, argv);
	if (rc >= 0)
		return rc;
	d.log.level = d.opts.level;
	d.env = host_env_new(&d.log);
	d.loop = d.env ? loop_new() : NULL;
	if (!d.loop || !open_keylog(&d) || !open_sockets(&d) || !open_tun(&d)) {
		fprintf(stderr, "gatewayd: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	d.gateway = gateway_new(&d.opts.gateway, d.env);
	rc = d.gateway ? run(&d) : -ENOMEM;
	finish(&d);
	if (d.opts.gateway.keylog_ctx)
		fclose(d.opts.gateway.keylog_ctx);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* dial GATEWAY PSK USER PASSWORD [PINGS]: the protocol stack with two plain sockets and poll(2),
 * no daemon, no TUN. Connects, sends ICMP echoes from the address it was given to the peer's (or to
 * PING_TARGET from the environment), prints what comes back, says goodbye. Exit 0 when every
 * echo was answered. For finding out on which side of the house an error is. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/hostenv.h"
#include "daemon/stack.h"

enum { ECHO_OCTETS = 60, ECHO_EVERY = 20, ECHO_PATIENCE = 5000, IP_HEADER = 20, DATAGRAM = 2000 };

struct dial {
	const struct env *env;
	struct stack *stack;
	int fd[LANES];
	struct ppp_status net;
	struct ip target;
	bool up, done, failed;
	unsigned pings, sent, answered;
	msec began, next_ping;
};

static msec clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (msec)t.tv_sec * 1000 + (msec)t.tv_nsec / 1000000;
}

static void print_line(void *ctx, enum log_level level, const char *layer, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%-5s %-5s %s\n", log_level_name(level), layer, text);
}

/* A UDP socket connected to the gateway; the local end point goes to *local. */
static int open_socket(const char *gateway, uint16_t port, struct addr *local, struct addr *remote)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)}, from = to;
	socklen_t len = sizeof(from);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (inet_pton(AF_INET, gateway, &to.sin_addr) != 1 || fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		fprintf(stderr, "dial: port %u is taken, using another\n", port);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
		getsockname(fd, (struct sockaddr *)&from, &len) < 0) {
		close(fd);
		return -1;
	}
	*remote = (struct addr){ip_v4(ntohl(to.sin_addr.s_addr)), port};
	*local = (struct addr){ip_v4(ntohl(from.sin_addr.s_addr)), ntohs(from.sin_port)};
	return fd;
}

static uint16_t ones_sum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += get_u16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static struct pkt *echo_request(const struct dial *d, uint16_t seq)
{
	struct pkt *p = pkt_new(d->env->pool, ECHO_OCTETS);
	struct wr w = pkt_wr(p);

	wr_u32(&w, 0x45000000 | ECHO_OCTETS);
	wr_u32(&w, 0x00004000);
	wr_u32(&w, 0x40010000);
	wr_put(&w, ip_slice(&d->net.local));
	wr_put(&w, ip_slice(&d->target));
	wr_u32(&w, 0x08000000);
	wr_u32(&w, 0x76700000u | seq);
	wr_zero(&w, ECHO_OCTETS - IP_HEADER - 8);
	pkt_wrote(p, &w);
	put_u16(p->data + 10, ones_sum(p->data, IP_HEADER));
	put_u16(p->data + IP_HEADER + 2, ones_sum(p->data + IP_HEADER, ECHO_OCTETS - IP_HEADER));
	return p;
}

static void take_ip(struct dial *d, struct pktq *q)
{
	for (struct pkt *p = pktq_take(q); p; p = pktq_take(q)) {
		bool reply = p->len >= IP_HEADER + 8 && p->data[9] == 1 && p->data[IP_HEADER] == 0;

		if (reply) {
			d->answered++;
			printf("echo reply seq=%u\n", get_u16(p->data + IP_HEADER + 6));
		}
		pkt_free(p);
	}
}

static void flush(struct dial *d, struct io *out)
{
	for (struct pkt *p = pktq_take(&out->down); p; p = pktq_take(&out->down)) {
		if (p->lane != LANE_RAW && send(d->fd[p->lane], p->data, p->len, 0) < 0)
			perror("dial: send");
		pkt_free(p);
	}
	take_ip(d, &out->up);
}

static void news(struct dial *d)
{
	struct stack_event ev;

	while (stack_next_event(d->stack, &ev)) {
		struct stack_status st;

		switch (ev.kind) {
		case STACK_EV_STEP:
			printf("%-14s %5llu ms  %s\n", stack_step_name(ev.step),
				(unsigned long long)(clock_now() - d->began), ev.text);
			break;
		case STACK_EV_UP:
			stack_get_status(d->stack, &st);
			d->net = st.ppp;
			d->up = true;
			d->next_ping = clock_now();
			if (d->target.family == FAMILY_NONE)
				d->target = st.ppp.peer;
			break;
		case STACK_EV_FAILED:
			printf("%s: %s (%s)\n", reason_row(ev.reason.id)->id,
				reason_row(ev.reason.id)->sentence, ev.reason.evidence);
			d->failed = d->done = true;
			break;
		case STACK_EV_CLOSED:
			d->done = true;
			break;
		case STACK_EV_WANT_SECRET:
		case STACK_EV_WANT_HANDOVER:
		case STACK_EV_DOWN:
			break;
		}
	}
}

static void receive(struct dial *d, enum lane lane, struct io *out)
{
	struct pktq in = {0};

	for (;;) {
		struct pkt *p = pkt_new_ctl(d->env->pool, DATAGRAM);
		ssize_t n = recv(d->fd[lane], p->data, DATAGRAM, 0);

		if (n < 0) {
			if (errno != EAGAIN)
				perror("dial: recv");
			pkt_free(p);
			break;
		}
		p->len = (size_t)n;
		p->lane = lane;
		pktq_put(&in, p);
	}
	stack_recv(d->stack, &in, clock_now(), out);
}

static void ping(struct dial *d, msec now, struct io *out)
{
	struct pktq q = {0};

	if (!d->up || d->sent >= d->pings || now < d->next_ping)
		return;
	pktq_put(&q, echo_request(d, (uint16_t)++d->sent));
	stack_send(d->stack, &q, now, out);
	d->next_ping = now + ECHO_EVERY;
}

static void run(struct dial *d)
{
	struct io out = {0};
	bool closing = false;
	msec last = MSEC_NEVER;

	stack_open(d->stack, clock_now(), &out);
	while (!d->done) {
		news(d);
		flush(d, &out);
		msec now = clock_now(), due = stack_deadline(d->stack);
		if (d->up && d->sent < d->pings)
			due = msec_min(due, d->next_ping);
		if (d->sent == d->pings && last == MSEC_NEVER)
			last = now + ECHO_PATIENCE;
		if (!closing && d->up && (d->answered >= d->pings || now >= last)) {
			closing = true;
			stack_close(d->stack, now, &out);
			continue;
		}
		due = msec_min(due, last);
		struct pollfd fds[2] = {
			{d->fd[LANE_IKE], POLLIN, 0}, {d->fd[LANE_NATT], POLLIN, 0}};
		poll(fds, 2, due == MSEC_NEVER ? -1 : due > now ? (int)(due - now) : 0);
		receive(d, LANE_IKE, &out);
		receive(d, LANE_NATT, &out);
		stack_tick(d->stack, clock_now(), &out);
		ping(d, clock_now(), &out);
	}
	news(d);
	flush(d, &out);
}

int main(int argc, char **argv)
{
	struct log log = {.sink = print_line, .level = LOG_LEVEL_DEBUG};
	struct dial d = {.pings = argc > 5 ? (unsigned)atoi(argv[5]) : 5};
	struct stack_conf conf = {
		.ike = {.ike_life_s = 28800,
			.esp_life_s = 3600,
			.rekey = true,
			.initial_contact = true,
			.dpd_interval = SECONDS(30),
			.l2tp_port = L2TP_PORT},
		.l2tp = {.hostname = "dial", .hello = SECONDS(60), .window = 8},
		.ppp = {.auth = PPP_AUTH_MSCHAPV2,
			.want_dns = true,
			.echo_interval = SECONDS(18),
			.echo_patience = SECONDS(10)},
	};

	if (argc < 5) {
		fprintf(stderr, "usage: dial GATEWAY PSK USER PASSWORD [PINGS]\n");
		return 2;
	}
	if (getenv("PING_TARGET") && !ip_parse(getenv("PING_TARGET"), &d.target))
		return 2;
	if (getenv("ESP_LIFE"))
		conf.ike.esp_life_s = (uint32_t)atoi(getenv("ESP_LIFE"));
	conf.ike.rekey = !getenv("NO_REKEY");
	conf.ike.psk = slice_str(argv[2]);
	conf.ppp.user = slice_str(argv[3]);
	conf.ppp.password = slice_str(argv[4]);
	ike_proposals_tier("modern", &conf.ike.proposals);
	d.env = host_env_new(&log);
	for (int lane = LANE_IKE; lane <= LANE_NATT; lane++) {
		d.fd[lane] = open_socket(argv[1], lane == LANE_IKE ? 500 : 4500,
			&conf.ike.local[lane], &conf.ike.remote[lane]);
		if (d.fd[lane] < 0) {
			perror("dial: socket");
			return 1;
		}
	}
	d.stack = stack_new(&conf, d.env);
	d.began = clock_now();
	run(&d);
	printf("%u of %u echoes answered\n", d.answered, d.pings);
	stack_free(d.stack);
	host_env_free((struct env *)d.env);
	close(d.fd[LANE_IKE]);
	close(d.fd[LANE_NATT]);
	return d.failed || d.answered < d.pings;
}

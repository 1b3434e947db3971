/* A tunnel without protocols: what comes from a TUN device leaves by a UDP socket and back. It shows
 * what the data path costs before ESP, L2TP and PPP are in it.
 *
 *   tun_pipe IFACE REMOTE PORT [plain]
 *
 * Both ends use PORT. On SIGTERM it prints the counters. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pkt.h"
#include "base/str.h"
#include "daemon/loop.h"
#include "daemon/tun.h"
#include "daemon/udp.h"

struct bridge {
	struct loop *loop;
	struct pkt_pool *pool;
	struct tun *tun;
	struct udp *udp;
	struct loop_watch *from_tun, *from_udp, *to_udp;
};

/* While the socket is full nothing is read from the device, so that its users wait. */
static void follow_pressure(struct bridge *b)
{
	bool blocked = udp_blocked(b->udp);

	loop_watch_set(b->to_udp, blocked);
	loop_watch_set(b->from_tun, !blocked);
}

static void on_tun(void *ctx)
{
	struct bridge *b = ctx;
	struct pktq q = {0};

	if (tun_read(b->tun, b->pool, &q, PKT_BATCH) < 0)
		loop_stop(b->loop);
	pktq_for_each (p, &q)
		p->lane = LANE_NATT;
	udp_send(b->udp, &q);
	if (udp_blocked(b->udp))
		follow_pressure(b);
}

static void on_udp(void *ctx)
{
	struct bridge *b = ctx;
	struct udp_error err;
	struct pktq q = {0};

	udp_recv(b->udp, b->pool, &q, PKT_BATCH);
	tun_write(b->tun, &q);
	if (udp_take_error(b->udp, &err))
		fprintf(stderr, "tun_pipe: %s\n", strerror(err.code));
}

static void on_writable(void *ctx)
{
	struct bridge *b = ctx;

	udp_flush(b->udp);
	follow_pressure(b);
}

static void on_term(void *ctx)
{
	struct bridge *b = ctx;

	loop_stop(b->loop);
}

static void report(const struct bridge *b)
{
	const struct tun_counters *t = tun_counters(b->tun);
	const struct udp_counters *u = udp_counters(b->udp);

	printf("tun in %llu packets %llu reads, out %llu packets %llu writes, "
	       "bad %llu %llu, failed %llu\n",
		(unsigned long long)t->packets_in, (unsigned long long)t->reads,
		(unsigned long long)t->packets_out, (unsigned long long)t->writes,
		(unsigned long long)t->bad_in, (unsigned long long)t->bad_out,
		(unsigned long long)t->failed_out);
	printf("udp in %llu packets %llu reads, out %llu packets %llu writes, "
	       "queue full %llu, refused %llu, no buffers %llu, not segmented %llu\n",
		(unsigned long long)u->packets_in, (unsigned long long)u->reads,
		(unsigned long long)u->packets_out, (unsigned long long)u->writes,
		(unsigned long long)u->queue_full, (unsigned long long)u->refused,
		(unsigned long long)u->no_buffers, (unsigned long long)u->not_segmented);
}

static int open_bridge(struct bridge *b, int argc, char **argv)
{
	struct tun_conf tun = {.name = argv[1], .mtu = 1400, .plain = argc == 5};
	struct udp_conf udp = {.lane = LANE_NATT};
	uint64_t port;

	if (!ip_parse(argv[2], &udp.remote.ip) || !str_uint(argv[3], 1, UINT16_MAX, &port))
		return -EINVAL;
	udp.remote.port = udp.local_port = (uint16_t)port;
	int result = tun_open(&tun, &b->tun);
	return result < 0 ? result : udp_open(&udp, &b->udp);
}

int main(int argc, char **argv)
{
	struct bridge b = {.loop = loop_new(), .pool = pkt_pool_new()};
	int result = argc < 4 ? -EINVAL : open_bridge(&b, argc, argv);

	if (result < 0 || !b.loop || !b.pool) {
		fprintf(stderr, "tun_pipe: %s\n", strerror(-result));
		return EXIT_FAILURE;
	}
	struct loop_signal *term = loop_signal_new(b.loop, SIGTERM, on_term, &b);
	b.from_tun = loop_watch_new(b.loop, tun_fd(b.tun), LOOP_READ, on_tun, &b);
	b.from_udp = loop_watch_new(b.loop, udp_fd(b.udp), LOOP_READ, on_udp, &b);
	b.to_udp = loop_watch_new(b.loop, udp_fd(b.udp), LOOP_WRITE, on_writable, &b);
	if (!term || !b.from_tun || !b.from_udp || !b.to_udp)
		return EXIT_FAILURE;
	loop_watch_set(b.to_udp, false);
	result = loop_run(b.loop);
	report(&b);
	loop_watch_free(b.from_tun);
	loop_watch_free(b.from_udp);
	loop_watch_free(b.to_udp);
	loop_signal_free(term);
	udp_close(b.udp);
	tun_close(b.tun);
	pkt_pool_free(b.pool);
	loop_free(b.loop);
	return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

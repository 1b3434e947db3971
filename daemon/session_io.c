#include "daemon/session_priv.h"

#include <errno.h>
#include <string.h>

/* Packets between conn and the host: two sockets and a TUN device, in batches. */

enum { IKE_PORT = 500, NATT_PORT = 4500, READ_LIMIT = 4 * PKT_BATCH };

static const uint16_t ports[SOCKETS] = {[LANE_IKE] = IKE_PORT, [LANE_NATT] = NATT_PORT};

static void resume(struct session *s)
{
	if (s->tun_readable)
		loop_watch_set(s->tun_readable, true);
}

static void report_errors(struct session *s, struct udp *udp, struct io *out)
{
	struct udp_error e;
	msec now = loop_now(s->host->loop);

	if (!udp_take_error(udp, &e))
		return;
	if (e.code == ECONNREFUSED)
		conn_net_error(s->conn, CONN_PORT_CLOSED, now, out);
	else if (e.code == EHOSTUNREACH || e.code == ENETUNREACH)
		conn_net_error(s->conn, CONN_UNREACHABLE, now, out);
	else
		log_debug(&s->log, "udp", "%s", strerror(e.code));
}

static void receive(struct session *s, enum lane lane)
{
	struct pktq in = {0};
	struct io out = {0};

	udp_recv(s->outer[lane].udp, s->host->pool, &in, READ_LIMIT);
	report_errors(s, s->outer[lane].udp, &out);
	conn_recv(s->conn, &in, loop_now(s->host->loop), &out);
	session_settle(s, &out);
}

static void on_ike(void *ctx)
{
	receive(ctx, LANE_IKE);
}

static void on_natt(void *ctx)
{
	receive(ctx, LANE_NATT);
}

/* A full socket has room again: what waits goes first, then the users may send on. */
static void on_writable(void *ctx)
{
	struct session *s = ctx;
	bool blocked = false;

	for (int lane = 0; lane < SOCKETS; lane++) {
		struct outer *outer = &s->outer[lane];

		if (!outer->udp)
			continue;
		udp_flush(outer->udp);
		loop_watch_set(outer->writable, udp_blocked(outer->udp));
		blocked |= udp_blocked(outer->udp);
	}
	if (!blocked)
		resume(s);
}

static void on_tun(void *ctx)
{
	struct session *s = ctx;
	struct pktq in = {0};
	struct io out = {0};
	int rc = tun_read(s->tun, s->host->pool, &in, READ_LIMIT);

	if (rc < 0) {
		log_error(&s->log, "tun", "the interface is gone: %s", strerror(-rc));
		io_unwatch_tun(s); /* it stays readable for as long as the farewell takes */
		conn_renew(s->conn, loop_now(s->host->loop), &out);
	}
	conn_send(s->conn, &in, loop_now(s->host->loop), &out);
	session_settle(s, &out);
}

void io_send(struct session *s, struct io *out)
{
	struct pktq lane[SOCKETS] = {0};

	for (struct pkt *p = pktq_take(&out->down); p; p = pktq_take(&out->down)) {
		if ((int)p->lane < SOCKETS && s->outer[p->lane].udp)
			pktq_put(&lane[p->lane], p);
		else
			pkt_free(p);
	}
	for (int i = 0; i < SOCKETS; i++) {
		struct outer *outer = &s->outer[i];

		if (!lane[i].head)
			continue;
		udp_send(outer->udp, &lane[i]);
		if (udp_blocked(outer->udp)) {
			loop_watch_set(outer->writable, true);
			if (s->tun_readable)
				loop_watch_set(s->tun_readable, false);
		}
	}
	if (s->tun)
		tun_write(s->tun, &out->up);
	pktq_free(&out->up);
}

/* ---- sockets ---- */

static bool open_one(struct session *s, enum lane lane, const struct ip *remote, bool ephemeral,
	struct reason *why)
{
	struct outer *outer = &s->outer[lane];
	char text[IP_TEXT];
	struct udp_conf conf = {
		.remote = {*remote, ports[lane]},
		.local_port = ephemeral ? 0 : ports[lane],
		.mark = s->conf->fwmark.value,
		.reuse = true,
		.lane = lane,
	};
	int rc = udp_open(&conf, &outer->udp);

	if (rc == -EADDRINUSE && conf.local_port) { /* another IKE daemon holds it */
		log_info(&s->log, "udp", "port %u is taken, using another", conf.local_port);
		conf.local_port = 0;
		rc = udp_open(&conf, &outer->udp);
	}
	if (rc == -ENETUNREACH || rc == -EHOSTUNREACH || rc == -EADDRNOTAVAIL)
		reason_set(why, REASON_NET_UNREACHABLE, "%s: %s", ip_text(remote, text),
			strerror(-rc));
	else if (rc != 0)
		reason_set(why, REASON_LOCAL_SOCKET, "UDP %u to %s: %s", ports[lane],
			ip_text(remote, text), strerror(-rc));
	return rc == 0;
}

/* Answers of exactly this flow pass the reverse-path filter. */
static bool pass(struct session *s, enum lane lane, const struct ip *remote, struct reason *why)
{
	struct outer *outer = &s->outer[lane];

	outer->flow = (struct flow){
		.server = *remote,
		.ip_proto = NET_PROTO_UDP,
		.sport = udp_local(outer->udp).port,
		.dport = ports[lane],
	};
	int rc = route_pass(s->route, &outer->flow);
	if (rc != 0) {
		reason_set(why, REASON_LOCAL_ROUTES, "rule for the flow: %s", strerror(-rc));
		return false;
	}
	outer->passed = true;
	return true;
}

static bool watch(struct session *s, enum lane lane, struct reason *why)
{
	struct outer *outer = &s->outer[lane];
	int fd = udp_fd(outer->udp);

	outer->readable = loop_watch_new(
		s->host->loop, fd, LOOP_READ, lane == LANE_IKE ? on_ike : on_natt, s);
	outer->writable = loop_watch_new(s->host->loop, fd, LOOP_WRITE, on_writable, s);
	if (!outer->readable || !outer->writable) {
		reason_set(why, REASON_LOCAL_NO_MEMORY, "sockets");
		return false;
	}
	loop_watch_set(outer->writable, false);
	return true;
}

int io_open_sockets(
	struct session *s, const struct conn_event *ev, struct conn_sockets *to, struct reason *why)
{
	*to = (struct conn_sockets){.first_lane = LANE_IKE};
	for (int i = 0; i < SOCKETS; i++) {
		enum lane lane = (enum lane)i;

		if (!open_one(s, lane, &ev->remote, ev->ephemeral, why) ||
			!pass(s, lane, &ev->remote, why) || !watch(s, lane, why)) {
			io_close_sockets(s);
			return -1;
		}
		to->local[lane] = udp_local(s->outer[lane].udp);
		to->remote[lane] = (struct addr){ev->remote, ports[lane]};
	}
	to->path_mtu = (uint16_t)udp_path_mtu(s->outer[LANE_NATT].udp);
	return 0;
}

void io_close_sockets(struct session *s)
{
	for (int i = 0; i < SOCKETS; i++) {
		struct outer *outer = &s->outer[i];

		loop_watch_free(outer->readable);
		loop_watch_free(outer->writable);
		if (outer->passed)
			route_unpass(s->route, &outer->flow);
		udp_close(outer->udp);
		*outer = (struct outer){0};
	}
}

int io_watch_tun(struct session *s)
{
	s->tun_readable = loop_watch_new(s->host->loop, tun_fd(s->tun), LOOP_READ, on_tun, s);
	return s->tun_readable ? 0 : -ENOMEM;
}

void io_unwatch_tun(struct session *s)
{
	loop_watch_free(s->tun_readable);
	s->tun_readable = NULL;
}

#include "daemon/session_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Packets between conn and the host: the sockets of an attempt and a TUN device, in batches. */

enum { READ_LIMIT = 4 * PKT_BATCH };

static const char *const lane_names[LANES] = {[LANE_IKE] = "UDP 500",
	[LANE_NATT] = "UDP 4500",
	[LANE_RAW] = "protocol 50",
	[LANE_L2TP] = "UDP 1701"};

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

static void on_raw(void *ctx)
{
	receive(ctx, LANE_RAW);
}

static void on_l2tp(void *ctx)
{
	receive(ctx, LANE_L2TP);
}

/* A full socket has room again: what waits goes first, then the users may send on. */
static void on_writable(void *ctx)
{
	struct session *s = ctx;
	bool blocked = false;

	for (int lane = 0; lane < LANES; lane++) {
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

/* One lane's packets. */
static void send_run(struct session *s, enum lane lane, struct pktq *run)
{
	struct outer *outer = &s->outer[lane];

	if (lane == LANE_PPP && s->ppp) {
		kppp_send(s->ppp, run);
		return;
	}
	if (!outer->udp) {
		pktq_free(run);
		return;
	}
	udp_send(outer->udp, run);
	if (udp_blocked(outer->udp)) {
		loop_watch_set(outer->writable, true);
		if (s->tun_readable)
			loop_watch_set(s->tun_readable, false);
	}
}

/* In their order over all lanes: what the kernel seals with a new pair must not be ahead of the
 * message of IKE that brings the gateway the pair. */
void io_send(struct session *s, struct io *out)
{
	while (out->down.head) {
		enum lane lane = out->down.head->lane;
		struct pktq run = {0};

		while (out->down.head && out->down.head->lane == lane)
			pktq_put(&run, pktq_take(&out->down));
		send_run(s, lane, &run);
	}
	if (s->tun)
		tun_write(s->tun, &out->up);
	pktq_free(&out->up);
}

/* ---- sockets ---- */

static bool open_one(
	struct session *s, enum lane lane, const struct conn_event *ev, struct reason *why)
{
	struct outer *outer = &s->outer[lane];
	const struct ip *remote = &ev->remote;
	bool any_port = ev->ephemeral || (lane == LANE_L2TP && ev->other_port);
	char text[IP_TEXT];
	struct udp_conf conf = {
		.remote = {*remote, lane_ports[lane]},
		.local_port = any_port ? 0 : lane_ports[lane],
		.mark = s->conf->fwmark.value,
		.reuse = lane != LANE_L2TP,
		.lane = lane,
		.kernel_esp = s->kernel.esp,
		.reqid = s->kernel.reqid,
		.local = lane == LANE_L2TP ? udp_local(s->outer[LANE_NATT].udp).ip : (struct ip){0},
	};
	int rc = udp_open(&conf, &outer->udp);

	if (rc == -EADDRINUSE && conf.local_port) { /* another daemon holds it */
		log_info(&s->log, "udp", "port %u is taken, using another", conf.local_port);
		conf.local_port = 0;
		outer->taken = true;
		rc = udp_open(&conf, &outer->udp);
	}
	if (rc == -ENETUNREACH || rc == -EHOSTUNREACH || rc == -EADDRNOTAVAIL)
		reason_set(why, REASON_NET_UNREACHABLE, "%s: %s", ip_text(remote, text),
			strerror(-rc));
	else if (rc != 0)
		reason_set(why, REASON_LOCAL_SOCKET, "%s to %s: %s", lane_names[lane],
			ip_text(remote, text), strerror(-rc));
	return rc == 0;
}

/* Answers of exactly this flow pass the reverse-path filter; of the kernel's ESP those of any port of the
 * gateway's, which may move. */
static bool pass(struct session *s, enum lane lane, const struct ip *remote, struct reason *why)
{
	struct outer *outer = &s->outer[lane];

	outer->flow = (struct flow){
		.server = *remote,
		.ip_proto = lane == LANE_RAW ? NET_PROTO_ESP : NET_PROTO_UDP,
		.sport = udp_local(outer->udp).port,
		.dport = lane == LANE_NATT && s->kernel.esp ? 0 : lane_ports[lane],
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
	static loop_fn *const readers[LANES] = {[LANE_IKE] = on_ike,
		[LANE_NATT] = on_natt,
		[LANE_RAW] = on_raw,
		[LANE_L2TP] = on_l2tp};
	struct outer *outer = &s->outer[lane];
	int fd = udp_fd(outer->udp);

	outer->readable = loop_watch_new(s->host->loop, fd, LOOP_READ, readers[lane], s);
	outer->writable = loop_watch_new(s->host->loop, fd, LOOP_WRITE, on_writable, s);
	if (!outer->readable || !outer->writable) {
		reason_set(why, REASON_LOCAL_NO_MEMORY, "sockets");
		return false;
	}
	loop_watch_set(outer->writable, false);
	return true;
}

static bool open_lane(struct session *s, enum lane lane, const struct conn_event *ev,
	struct conn_sockets *to, struct reason *why)
{
	if (!open_one(s, lane, ev, why) || !pass(s, lane, &ev->remote, why) || !watch(s, lane, why))
		return false;
	to->local[lane] = udp_local(s->outer[lane].udp);
	to->remote[lane] = (struct addr){ev->remote, lane_ports[lane]};
	return true;
}

static void close_lane(struct session *s, enum lane lane)
{
	struct outer *outer = &s->outer[lane];

	loop_watch_free(outer->readable);
	loop_watch_free(outer->writable);
	if (outer->passed)
		route_unpass(s->route, &outer->flow);
	udp_close(outer->udp);
	*outer = (struct outer){0};
}

/* Protocol 50 for the plane in this process. Who may not have such a socket, as in many containers, asks
 * for encapsulation from the start. */
static bool open_raw(struct session *s, const struct conn_event *ev, struct conn_sockets *to)
{
	struct reason why;

	if (ev->no_raw || s->conf->encapsulation == CONF_ENCAP_FORCE)
		return false;
	if (open_lane(s, LANE_RAW, ev, to, &why))
		return true;
	log_info(&s->log, "esp", "in UDP 4500: %s", why.evidence);
	close_lane(s, LANE_RAW);
	return false;
}

static bool open_all(struct session *s, bool kernel, const struct conn_event *ev,
	struct conn_sockets *to, struct reason *why)
{
	*to = (struct conn_sockets){.first_lane = LANE_IKE};
	if ((kernel && !plane_open(s, &ev->remote, why)) || !open_lane(s, LANE_IKE, ev, to, why) ||
		!open_lane(s, LANE_NATT, ev, to, why) ||
		(kernel && !open_lane(s, LANE_L2TP, ev, to, why))) {
		io_close_sockets(s);
		return false;
	}
	to->shared = s->host->server_in_use(s->host->ctx, s, &ev->remote);
	/* Some answer on port 500 only to port 500; on 4500 NATs have taught them better. */
	if (s->outer[LANE_IKE].taken && !ev->port_500 && s->conf->encapsulation != CONF_ENCAP_OFF)
		to->first_lane = LANE_NATT;
	ports_explain(s);
	to->path_mtu = (uint16_t)udp_path_mtu(s->outer[LANE_NATT].udp);
	to->raw_esp = kernel || open_raw(s, ev, to);
	to->udp_first = !kernel; /* raw sockets have no segmentation offload */
	if (kernel) {
		to->esp = s->kernel.esp;
		to->handover = plane_wants_session(s);
		to->l2tp_port = to->local[LANE_L2TP].port;
	}
	return true;
}

int io_open_sockets(
	struct session *s, const struct conn_event *ev, struct conn_sockets *to, struct reason *why)
{
	bool may_do_without =
		s->conf->data_plane == CONF_PLANE_AUTO || s->conf->data_plane == CONF_PLANE_USER;

	if (plane_wants_kernel(s, ev->no_kernel)) {
		if (open_all(s, true, ev, to, why))
			return 0;
		if (why->id == REASON_NET_UNREACHABLE) /* no plane can help */
			return -1;
		snprintf(
			s->plane_note, sizeof(s->plane_note), "%.*s", PLANE_WHY - 1, why->evidence);
		log_warn(&s->log, "esp", "not by the kernel: %s", s->plane_note);
	}
	if (!may_do_without) {
		reason_set(why, REASON_ESP_PLANE, "%s", s->plane_note);
		return -1;
	}
	return open_all(s, false, ev, to, why) ? 0 : -1;
}

void io_close_sockets(struct session *s)
{
	ports_forget(s);
	/* First: a packet that is opened after the sockets are gone would be quoted in clear. */
	plane_close(s);
	for (int lane = 0; lane < LANES; lane++)
		close_lane(s, (enum lane)lane);
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

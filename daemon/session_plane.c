#include "daemon/session_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "esp/xfrm.h"

/* The kernel's ESP as the data plane of a connection. */

/* ms that an attempt waits for the kernel to answer: auto can do without, and nobody longer than conn,
 * which would not know why. */
enum { AUTO_PATIENCE = 10000, PLANE_PATIENCE = 25000 };

/* The attempt may be over, or have gone on without. */
static void go_on(struct session *s)
{
	struct io out = {0};

	loop_timer_set(s->ask_timer, MSEC_NEVER);
	if (conn_get_state(s->conn) == CONN_OPENING)
		session_open(s, &s->asked, &out);
	session_settle(s, &out);
}

/* Other settings than those that were asked for leave something to ask. */
static void on_asked(void *ctx)
{
	struct session *s = ctx;

	plane_ask_free(s->ask);
	s->ask = NULL;
	if (conn_get_state(s->conn) != CONN_OPENING || !plane_asks(s, &s->asked))
		go_on(s);
}

/* What the child finds out in the end counts for the next attempt. */
void plane_waited(void *session)
{
	go_on(session);
}

bool plane_asks(struct session *s, const struct conn_event *ev)
{
	bool can_do_without = s->conf->data_plane == CONF_PLANE_AUTO;

	loop_timer_set(s->ask_timer, MSEC_NEVER);
	if (s->conf->data_plane == CONF_PLANE_USER || (ev->no_kernel && can_do_without))
		return false;
	s->asked = *ev; /* which may be it */
	if (!s->ask)
		s->ask = planes_ask(s->host->planes, &s->conf->proposals, false, on_asked, s);
	if (s->ask)
		loop_timer_set(
			s->ask_timer, loop_now(s->host->loop) +
					      (can_do_without ? AUTO_PATIENCE : PLANE_PATIENCE));
	return s->ask;
}

bool plane_wants_kernel(struct session *s, bool failed_before)
{
	const struct conf *c = s->conf;

	*s->plane_note = 0;
	if (c->data_plane == CONF_PLANE_USER)
		return false;
	/* Where it is the kernel or nothing, every attempt may try. */
	if (failed_before && c->data_plane == CONF_PLANE_AUTO) {
		snprintf(s->plane_note, sizeof(s->plane_note),
			"the kernel refused an SA like one it had taken");
		return false;
	}
	return plane_probe(s->host->planes, &c->proposals, s->plane_note);
}

/* A NAT before the gateway has given it another port: IKE goes there, too. */
static void follow(struct session *s)
{
	struct udp *udp = s->outer[LANE_NATT].udp;
	uint16_t port = xfrm_port(s->kernel.esp);
	int rc = port && udp ? udp_follow(udp, port) : 0;

	if (rc != 0)
		log_warn(&s->log, "udp", "port %u of the gateway: %s", port, strerror(-rc));
}

bool plane_wants_session(struct session *s)
{
	return s->conf->data_plane != CONF_PLANE_MIXED &&
	       plane_session(s->host->planes, s->plane_note);
}

static void on_news(void *ctx)
{
	struct session *s = ctx;
	struct io out = {0};
	msec now = loop_now(s->host->loop);

	xfrm_ready(s->kernel.esp, now);
	follow(s);
	conn_tick(s->conn, now, &out);
	session_settle(s, &out);
}

/* In the journal before the first change, as everything is. */
static int note(struct session *s, const struct ip *remote)
{
	char text[JOURNAL_TEXT], ip[IP_TEXT];

	snprintf(text, sizeof(text), PLANE_ENTRY, s->kernel.reqid, ip_text(remote, ip));
	return journal_add(s->host->journal, "xfrm", text, &s->kernel.entry);
}

/* Answers of protocol 50 pass the reverse-path filter, too. */
static int pass_esp(struct session *s, const struct ip *remote)
{
	s->kernel.flow = (struct flow){.server = *remote, .ip_proto = NET_PROTO_ESP};
	int rc = route_pass(s->route, &s->kernel.flow);

	s->kernel.passed = rc == 0;
	return rc;
}

bool plane_open(struct session *s, const struct ip *remote, struct reason *why)
{
	struct in_kernel *k = &s->kernel;

	do
		k->reqid = env_random_u32(&s->env);
	while (k->reqid == 0);
	int rc = note(s, remote);
	if (rc == 0)
		rc = pass_esp(s, remote);
	if (rc == 0)
		rc = xfrm_open(&s->env, planes_xfrm(s->host->planes), remote, k->reqid, &k->esp);
	if (rc == 0) {
		k->news = loop_watch_new(s->host->loop, xfrm_fd(k->esp), LOOP_READ, on_news, s);
		rc = k->news ? 0 : -ENOMEM;
	}
	if (rc != 0) {
		planes_doubt(s->host->planes);
		reason_set(why, REASON_ESP_PLANE, "the kernel's IPsec: %s", strerror(-rc));
	}
	return rc == 0;
}

/* ---- the session ---- */

static void on_frames(void *ctx)
{
	struct session *s = ctx;
	struct pktq in = {0};
	struct io out = {0};
	msec now = loop_now(s->host->loop);
	int rc = kppp_recv(s->ppp, s->host->pool, &in, PKT_BATCH);

	conn_recv(s->conn, &in, now, &out);
	if (rc < 0) {
		log_error(&s->log, "ppp", "the kernel's session is gone: %s", strerror(-rc));
		loop_watch_set(s->kernel.channel, false);
		loop_watch_set(s->kernel.unit, false);
		conn_renew(s->conn, now, &out);
	}
	session_settle(s, &out);
}

static int watch_frames(struct session *s)
{
	struct in_kernel *k = &s->kernel;

	k->channel =
		loop_watch_new(s->host->loop, kppp_channel_fd(s->ppp), LOOP_READ, on_frames, s);
	k->unit = loop_watch_new(s->host->loop, kppp_unit_fd(s->ppp), LOOP_READ, on_frames, s);
	return k->channel && k->unit ? 0 : -ENOMEM;
}

/* The interface stays where it is in use: the routes go first. */
static void drop_session(struct session *s)
{
	struct in_kernel *k = &s->kernel;

	loop_watch_free(k->channel);
	loop_watch_free(k->unit);
	kl2tp_close(k->l2tp);
	k->channel = k->unit = NULL;
	k->l2tp = NULL;
	if (!s->linked)
		link_close_ppp(s);
}

static int open_session(struct session *s)
{
	struct conn_status st;

	conn_get_status(s->conn, &st);
	const struct l2tp_status *l2tp = &st.stack.l2tp;
	struct kl2tp_conf conf = {
		.udp_fd = udp_fd(s->outer[LANE_L2TP].udp),
		.remote = {st.remote, L2TP_PORT},
		.tunnel = l2tp->tunnel,
		.peer_tunnel = l2tp->peer_tunnel,
		.session = l2tp->session,
		.peer_session = l2tp->peer_session,
		.sequencing = l2tp->sequencing,
	};
	int rc = kl2tp_open(&conf, &s->kernel.l2tp);
	if (rc == 0)
		rc = link_open_ppp(s, kl2tp_fd(s->kernel.l2tp), st.stack.mtu);
	return rc == 0 ? watch_frames(s) : rc;
}

void plane_take_session(struct session *s, const struct conn_event *ev, struct io *out)
{
	int rc;

	io_send(s, out); /* what comes first must have left before the kernel numbers on */
	rc = open_session(s);
	if (rc != 0) {
		drop_session(s);
		planes_doubt(s->host->planes);
		snprintf(s->plane_note, sizeof(s->plane_note), "the kernel's L2TP: %s",
			strerror(-rc));
		log_warn(&s->log, "l2tp", "not by the kernel: %s", s->plane_note);
	}
	conn_handed(s->conn, ev->id, rc == 0, loop_now(s->host->loop), out);
}

void plane_close(struct session *s)
{
	struct in_kernel *k = &s->kernel;

	drop_session(s);
	loop_watch_free(k->news);
	esp_free(k->esp);
	if (k->passed)
		route_unpass(s->route, &k->flow);
	if (k->entry)
		journal_done(s->host->journal, k->entry);
	*k = (struct in_kernel){0};
}

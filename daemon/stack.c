#include "daemon/stack_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

enum {
	CLOSE_PATIENCE = 3000, /* ms for the whole farewell */
	PPP_FAREWELL = 1000,   /* ms of it for PPP's own */
	HANDOVER_PATIENCE = 5000,
	RAW_PATIENCE = 3500,  /* ms for the first answer through protocol 50 */
	MESSAGE_3_LOST = 250, /* ms without an answer: quick mode's last may not have come */
	PAIR_DOUBTED = 4000,  /* ms of asking through ESP without an answer; doubling */
	PATH_MTU_DEFAULT = 1500,
	MTU_MOST = 1400, /* Windows' MRU; servers and paths are used to it */
	MTU_LEAST = 576,
	PPP_HEADER = 4,  /* ff 03 and a two-octet protocol */
	L2TP_HEADER = 8, /* of a data message with length, as most servers send it */
};

/* ---- packets ---- */

/* IKE messages down to the network, on UDP 4500 behind the marker. */
static void from_ike(struct io *io, struct io *out)
{
	for (struct pkt *p = pktq_take(&io->down); p; p = pktq_take(&io->down)) {
		if (p->lane != LANE_NATT || natt_mark(p))
			pktq_put(&out->down, p);
		else
			pkt_free(p);
	}
}

/* L2TP messages down to the network. */
static void down_l2tp(struct stack *s, struct pktq *q, msec now, struct io *out)
{
	struct io io = {0};

	if (!q->head)
		return;
	esp_send(s->esp, q, now, &io);
	pktq_join(&out->down, &io.down);
}

/* PPP frames down to the network. */
static void down_ppp(struct stack *s, struct pktq *q, msec now, struct io *out)
{
	struct io io = {0};

	if (!q->head)
		return;
	if (s->handed) {
		pktq_for_each (p, q)
			p->lane = LANE_PPP;
		pktq_join(&out->down, q);
		return;
	}
	l2tp_send(s->l2tp, q, now, &io);
	down_l2tp(s, &io.down, now, out);
}

/* What PPP gave back: frames go down, IP packets go up to the user. */
static void from_ppp(struct stack *s, struct io *io, msec now, struct io *out)
{
	down_ppp(s, &io->down, now, out);
	pktq_join(&out->up, &io->up);
}

/* What L2TP gave back: messages go down, PPP frames go up. */
static void from_l2tp(struct stack *s, struct io *io, msec now, struct io *out)
{
	struct io next = {0};

	down_l2tp(s, &io->down, now, out);
	if (s->ppp && io->up.head) {
		ppp_recv(s->ppp, &io->up, now, &next);
		from_ppp(s, &next, now, out);
	}
	pktq_free(&io->up);
}

/* ESP packets up. */
static void up_esp(struct stack *s, struct pktq *q, msec now, struct io *out)
{
	struct io io = {0}, next = {0};
	msec before = esp_last_in(s->esp);

	if (!q->head)
		return;
	esp_recv(s->esp, q, now, &io);
	if (esp_last_in(s->esp) != before)
		ike_peer_alive(s->ike, now);
	if (s->l2tp && io.up.head) {
		l2tp_recv(s->l2tp, &io.up, now, &next);
		from_l2tp(s, &next, now, out);
	}
	pktq_free(&io.up);
}

/* Frames of the session that the kernel has, up: they have been through ESP. */
static void up_frames(struct stack *s, struct pktq *q, msec now, struct io *out)
{
	struct pktq none = {0};
	struct io io = {0};

	if (!q->head || !s->handed) {
		pktq_free(q);
		return;
	}
	s->frame_at = now;
	ike_peer_alive(s->ike, now);
	esp_recv(s->esp, &none, now, &io); /* it may be the first on a new pair */
	if (s->ppp)
		ppp_recv(s->ppp, q, now, &io);
	pktq_free(q);
	from_ppp(s, &io, now, out);
}

static msec heard_at(const struct stack *s)
{
	msec esp = esp_last_in(s->esp);

	return esp > s->frame_at ? esp : s->frame_at;
}

/* ---- IKE's news ---- */

/* The largest IP packet whose outer packet needs no fragments on the way. */
static uint16_t tunnel_mtu(const struct stack *s)
{
	size_t path = s->conf.path_mtu ? s->conf.path_mtu : PATH_MTU_DEFAULT;
	size_t outer = s->pair.remote.ip.family == FAMILY_IPV6 ? 40 : 20;
	size_t udp = s->pair.lane == LANE_NATT ? 8 : 0;
	size_t room = path > outer + udp ? path - outer - udp : 0;
	size_t mtu = esp_payload_max(&s->pair.suite, room);

	if (s->conf.mtu)
		return s->conf.mtu;
	if (mtu < MTU_LEAST + L2TP_HEADER + PPP_HEADER)
		return MTU_LEAST;
	mtu -= L2TP_HEADER + PPP_HEADER;
	return mtu < MTU_MOST ? (uint16_t)mtu : MTU_MOST;
}

static void start_l2tp(struct stack *s, msec now, struct io *out)
{
	struct ike_status ike;
	struct io io = {0};

	ike_get_status(s->ike, &ike);
	s->conf.l2tp.rtt = ike.rtt;
	s->conf.ppp.rtt = ike.rtt;
	s->mtu = tunnel_mtu(s);
	s->conf.ppp.mru = s->mtu;
	s->l2tp = l2tp_new(&s->conf.l2tp, s->env);
	if (!s->l2tp) {
		reason_set(&s->dying, REASON_LOCAL_NO_MEMORY, "L2TP tunnel");
		return;
	}
	l2tp_open(s->l2tp, now, &io);
	from_l2tp(s, &io, now, out);
}

static void use_sa(struct stack *s, uint32_t spi_in, msec now, struct io *out)
{
	char suite[SUITE_TEXT];

	esp_use(s->esp, spi_in);
	if (s->l2tp || s->closing != OPEN)
		return;
	s->used_at = now;
	stack_post_step(s, STEP_ESP, "%s over %s", esp_suite_text(&s->pair.suite, suite),
		s->pair.lane == LANE_NATT ? "UDP 4500" : "protocol 50");
	start_l2tp(s, now, out);
}

static void install_sa(struct stack *s, const struct ike_event *ev, msec now, struct io *out)
{
	int rc = esp_install(s->esp, ev->pair, now);
	struct io io = {0};
	struct answer answer = {.yes = rc == 0, .why = rc ? strerror(-rc) : NULL};

	if (rc == 0) {
		s->pair = *ev->pair;
		wipe(&s->pair.in, sizeof(s->pair.in));   /* check: stack-in-wipe */
		wipe(&s->pair.out, sizeof(s->pair.out)); /* check: stack-out-wipe */
	}
	ike_answer(s->ike, ev->id, &answer, now, &io);
	from_ike(&io, out);
}

static void choose_spi(struct stack *s, const struct ike_event *ev, msec now, struct io *out)
{
	struct answer answer = {.yes = true, .spi = esp_new_spi(s->esp)};
	struct io io = {0};

	ike_answer(s->ike, ev->id, &answer, now, &io);
	from_ike(&io, out);
}

static void phase1_up(struct stack *s)
{
	struct ike_status st;
	char suite[SUITE_TEXT];

	ike_get_status(s->ike, &st);
	if (st.main_modes > 1)
		return;
	stack_post_step(s, STEP_IKE, "%s%s%s%s", ike_suite_text(&st.suite, suite),
		st.floated ? ", NAT traversal" : "", *st.peer_kind ? ", " : "", st.peer_kind);
}

static bool pump_ike(struct stack *s, msec now, struct io *out)
{
	struct ike_event ev;

	if (!ike_next_event(s->ike, &ev))
		return false;
	switch (ev.kind) {
	case IKE_EV_PROGRESS: /* it has its own line in the log */
		break;
	case IKE_EV_PHASE1_UP:
		phase1_up(s);
		break;
	case IKE_EV_WANT_SPI:
		choose_spi(s, &ev, now, out);
		break;
	case IKE_EV_WANT_SA:
		install_sa(s, &ev, now, out);
		break;
	case IKE_EV_USE_SA:
		use_sa(s, ev.spi_in, now, out);
		break;
	case IKE_EV_DROP_SA:
		esp_drop(s->esp, ev.spi_in);
		break;
	case IKE_EV_NO_SA:
		log_warn(s->env->log, "stack",
			"no ESP pair is left; nothing is sent until the next");
		break;
	case IKE_EV_FAILED:
		stack_layer_failed(s, ev.reason);
		break;
	}
	return true;
}

static bool pump_esp(struct stack *s, msec now, struct io *out)
{
	struct esp_event ev;
	struct io io = {0};

	if (!esp_next_event(s->esp, &ev))
		return false;
	switch (ev.kind) {
	case ESP_EV_FIRST_IN:
		ike_sa_used(s->ike, ev.spi_in, now, &io);
		break;
	case ESP_EV_EXHAUSTED:
	case ESP_EV_LOST:
		ike_rekey(s->ike, ev.spi_in, now, &io);
		break;
	case ESP_EV_BROKEN:
		reason_set(&s->dying, REASON_ESP_PLANE, "%s", strerror(-ev.error));
		break;
	}
	from_ike(&io, out);
	return true;
}

/* ---- L2TP's and PPP's news ---- */

static void say_goodbye(struct stack *s, msec now, struct io *out)
{
	struct io io = {0};

	ike_close(s->ike, now, &io);
	from_ike(&io, out);
	s->closing = CLOSED;
	s->close_by = MSEC_NEVER;
	stack_post(s, STACK_EV_CLOSED);
}

static void close_l2tp(struct stack *s, msec now, struct io *out)
{
	struct io io = {0};

	s->closing = CLOSING_L2TP;
	if (!s->l2tp) {
		say_goodbye(s, now, out);
		return;
	}
	l2tp_close(s->l2tp, now, &io);
	from_l2tp(s, &io, now, out);
}

static void start_ppp(struct stack *s, msec now, struct io *out)
{
	struct io io = {0};

	s->ppp = ppp_new(&s->conf.ppp, s->env);
	if (!s->ppp) {
		reason_set(&s->dying, REASON_LOCAL_NO_MEMORY, "PPP link");
		return;
	}
	ppp_open(s->ppp, now, &io);
	from_ppp(s, &io, now, out);
}

static void session_up(struct stack *s, msec now, struct io *out)
{
	struct l2tp_status st;

	if (s->ppp || s->closing != OPEN)
		return;
	l2tp_get_status(s->l2tp, &st);
	stack_post_step(s, STEP_L2TP, "tunnel %u session %u%s%s", st.peer_tunnel, st.peer_session,
		*st.peer_name ? " at " : "", st.peer_name);
	if (s->conf.handover) {
		s->handover_by = now + HANDOVER_PATIENCE;
		stack_post(s, STACK_EV_WANT_HANDOVER);
	} else {
		start_ppp(s, now, out);
	}
}

static bool pump_l2tp(struct stack *s, msec now, struct io *out)
{
	struct l2tp_event ev;

	if (!s->l2tp || !l2tp_next_event(s->l2tp, &ev))
		return false;
	switch (ev.kind) {
	case L2TP_EV_PROGRESS:
		break;
	case L2TP_EV_UP:
		session_up(s, now, out);
		break;
	case L2TP_EV_CLOSED:
		if (s->closing == CLOSING_L2TP)
			say_goodbye(s, now, out);
		break;
	case L2TP_EV_FAILED:
		if (s->closing == CLOSING_L2TP)
			say_goodbye(s, now, out);
		else if (s->closing == OPEN)
			stack_layer_failed(s, ev.reason);
		break;
	}
	return true;
}

static void ppp_up(struct stack *s)
{
	struct ppp_status st;
	char local[IP_TEXT], peer[IP_TEXT], dns[IP_TEXT];

	ppp_get_status(s->ppp, &st);
	if (st.mtu < s->mtu)
		s->mtu = st.mtu;
	stack_post_step(s, STEP_IP, "%s, peer %s, DNS %s", ip_text(&st.local, local),
		ip_text(&st.peer, peer), ip_text(&st.dns[0], dns));
	s->up = true;
	stack_post(s, STACK_EV_UP);
}

static void ppp_progress(struct stack *s, const char *step)
{
	struct ppp_status st;

	ppp_get_status(s->ppp, &st);
	if (strcmp(step, "lcp") == 0)
		stack_post_step(s, STEP_LINK, "MTU %u", st.mtu);
	else if (strcmp(step, "auth") == 0)
		stack_post_step(
			s, STEP_LOGIN, "%s%s%s", st.auth, *st.message ? ": " : "", st.message);
}

static bool pump_ppp(struct stack *s, msec now, struct io *out)
{
	struct ppp_event ev;

	if (!s->ppp || !ppp_next_event(s->ppp, &ev))
		return false;
	switch (ev.kind) {
	case PPP_EV_PROGRESS:
		ppp_progress(s, ev.step);
		break;
	case PPP_EV_WANT_SECRET:
		stack_post(s, STACK_EV_WANT_SECRET)->id = ev.id;
		break;
	case PPP_EV_UP:
		ppp_up(s);
		break;
	case PPP_EV_DOWN:
		s->up = false;
		stack_post(s, STACK_EV_DOWN);
		break;
	case PPP_EV_CLOSED:
		if (s->closing == CLOSING_PPP)
			close_l2tp(s, now, out);
		break;
	case PPP_EV_FAILED:
		if (s->closing == CLOSING_PPP)
			close_l2tp(s, now, out);
		else if (s->closing == OPEN)
			stack_layer_failed(s, ev.reason);
		break;
	}
	return true;
}

/* Until nobody has news: one layer's event is the next layer's call. */
static void pump(struct stack *s, msec now, struct io *out)
{
	while (pump_ike(s, now, out) || pump_esp(s, now, out) || pump_l2tp(s, now, out) ||
		pump_ppp(s, now, out))
		;
	if (s->dying.id != REASON_NONE)
		stack_fail(s, &s->dying);
}

/* ---- the face ---- */

struct stack *stack_new(const struct stack_conf *conf, const struct env *env)
{
	struct stack *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->conf = *conf;
	s->env = env;
	s->close_by = s->ppp_close_by = s->handover_by = MSEC_NEVER;
	s->ike = ike_new(&s->conf.ike, env);
	s->esp = conf->esp ? conf->esp : esp_new(env);
	if (!s->ike || !s->esp) {
		stack_free(s);
		return NULL;
	}
	return s;
}

void stack_free(struct stack *s)
{
	if (!s)
		return;
	ppp_free(s->ppp);
	l2tp_free(s->l2tp);
	if (!s->conf.esp)
		esp_free(s->esp);
	ike_free(s->ike);
	wipe(s, sizeof(*s)); /* check: stack-wipe */
	free(s);
}

void stack_open(struct stack *s, msec now, struct io *out)
{
	struct io io = {0};

	ike_open(s->ike, now, &io);
	from_ike(&io, out);
	pump(s, now, out);
}

void stack_close(struct stack *s, msec now, struct io *out)
{
	struct io io = {0};

	if (s->closing != OPEN)
		return;
	s->up = false;
	s->close_by = now + CLOSE_PATIENCE;
	if (s->ppp && !s->failed) {
		s->closing = CLOSING_PPP;
		s->ppp_close_by = now + PPP_FAREWELL;
		ppp_close(s->ppp, now, &io);
		from_ppp(s, &io, now, out);
	} else {
		close_l2tp(s, now, out);
	}
	pump(s, now, out);
}

void stack_abandon(struct stack *s, msec now, struct io *out)
{
	if (s->closing == OPEN)
		close_l2tp(s, now, out);
	if (s->closing != CLOSED)
		say_goodbye(s, now, out);
}

void stack_recv(struct stack *s, struct pktq *in, msec now, struct io *out)
{
	struct pktq ike = {0}, esp = {0}, frames = {0};
	struct io io = {0};

	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		if (p->lane == LANE_PPP) {
			pktq_put(&frames, p);
			continue;
		}
		enum natt_kind kind = p->lane == LANE_NATT  ? natt_classify(p)
				      : p->lane == LANE_IKE ? NATT_IKE
							    : NATT_ESP;
		if (kind == NATT_IKE)
			pktq_put(&ike, p);
		else if (kind == NATT_ESP)
			pktq_put(&esp, p);
		else
			pkt_free(p);
	}
	if (ike.head) {
		ike_recv(s->ike, &ike, now, &io);
		from_ike(&io, out);
		/* A new pair may be in the same batch as the first packet on it. */
		pump(s, now, out);
	}
	up_esp(s, &esp, now, out);
	up_frames(s, &frames, now, out);
	pump(s, now, out);
}

void stack_send(struct stack *s, struct pktq *in, msec now, struct io *out)
{
	struct io io = {0};

	if (!s->up) { /* check: stack-send-up */
		pktq_free(in);
		return;
	}
	ppp_send(s->ppp, in, now, &io);
	from_ppp(s, &io, now, out);
	pump(s, now, out);
}

static void tick_closing(struct stack *s, msec now, struct io *out)
{
	if (now >= s->ppp_close_by) {
		s->ppp_close_by = MSEC_NEVER;
		if (s->closing == CLOSING_PPP)
			close_l2tp(s, now, out);
	}
	if (now >= s->close_by && s->closing != CLOSED)
		say_goodbye(s, now, out);
}

/* L2TP or PPP asks, or asks again, and nothing may have come through ESP for a while: does the
 * gateway have the pair? At the beginning our message 3 may be lost, later its Delete. */
static void doubt_pair(struct stack *s, msec now, struct io *out)
{
	struct io io = {0};
	msec heard = heard_at(s);

	if (!heard) {
		if (now - s->used_at >= MESSAGE_3_LOST)
			ike_sa_unanswered(s->ike, now, &io);
	} else if (heard >= s->asked_at) {
		s->asked_at = now;
		s->doubt_at = now + PAIR_DOUBTED;
	} else if (now >= s->doubt_at) {
		s->doubt_at = now + 2 * (now - s->asked_at); /* check: doubt-doubles */
		ike_sa_doubted(s->ike, now, &io);
	}
	from_ike(&io, out);
}

/* Many ways drop protocol 50 and not UDP: who could encapsulate instead does not wait for all of
 * L2TP's patience. */
static msec raw_deadline(const struct stack *s)
{
	bool waits = s->used_at && s->pair.lane == LANE_RAW && !heard_at(s) && !s->failed &&
		     s->closing == OPEN;

	return waits ? s->used_at + RAW_PATIENCE : MSEC_NEVER;
}

static void tick_raw(struct stack *s, msec now)
{
	struct reason why = {.id = REASON_L2TP_NO_ANSWER};

	if (now >= raw_deadline(s))
		stack_layer_failed(s, why);
}

void stack_tick(struct stack *s, msec now, struct io *out)
{
	struct io ike = {0}, l2tp = {0}, ppp = {0};

	if (s->closing == CLOSED)
		return;
	ike_tick(s->ike, now, &ike);
	from_ike(&ike, out);
	if (s->l2tp)
		l2tp_tick(s->l2tp, now, &l2tp);
	if (s->ppp)
		ppp_tick(s->ppp, now, &ppp);
	if (l2tp.down.head || ppp.down.head)
		doubt_pair(s, now, out);
	from_l2tp(s, &l2tp, now, out);
	from_ppp(s, &ppp, now, out);
	pump(s, now, out);
	tick_raw(s, now);
	tick_closing(s, now, out);
	if (now >= s->handover_by) {
		log_warn(s->env->log, "stack", "the kernel was not given the session in time");
		stack_handed(s, false, now, out);
	}
}

msec stack_deadline(const struct stack *s)
{
	msec due = msec_min(msec_min(s->close_by, s->ppp_close_by), s->handover_by);

	if (s->closing == CLOSED)
		return MSEC_NEVER;
	due = msec_min(msec_min(due, raw_deadline(s)), ike_deadline(s->ike));
	if (s->l2tp)
		due = msec_min(due, l2tp_deadline(s->l2tp));
	if (s->ppp)
		due = msec_min(due, ppp_deadline(s->ppp));
	return due;
}

msec stack_heard(const struct stack *s)
{
	return heard_at(s);
}

void stack_answer(
	struct stack *s, uint32_t id, const struct answer *answer, msec now, struct io *out)
{
	struct io io = {0};

	if (!s->ppp)
		return;
	ppp_answer(s->ppp, id, answer, now, &io);
	from_ppp(s, &io, now, out);
	pump(s, now, out);
}

void stack_handed(struct stack *s, bool yes, msec now, struct io *out)
{
	if (s->handover_by == MSEC_NEVER)
		return;
	s->handover_by = MSEC_NEVER;
	if (s->closing != OPEN)
		return;
	s->handed = yes;
	start_ppp(s, now, out);
	pump(s, now, out);
}

void stack_get_status(const struct stack *s, struct stack_status *status)
{
	*status = (struct stack_status){.lane = s->pair.lane, .mtu = s->mtu};
	ike_get_status(s->ike, &status->ike);
	esp_get_totals(s->esp, &status->in, &status->out);
	if (s->l2tp)
		l2tp_get_status(s->l2tp, &status->l2tp);
	if (s->ppp)
		ppp_get_status(s->ppp, &status->ppp);
}

bool stack_get_sa(const struct stack *s, unsigned i, struct esp_sa_status *status)
{
	return esp_get_status(s->esp, i, status);
}

#include "ppp/cp.h"

#include "ppp/ppp_priv.h"

enum {
	MAX_FAILURE = 5, /* Naks until we Reject; RFC 1661, 4.6 */
	MAX_ROUNDS = 20, /* Naks and Rejects, both ways, until nothing will come of it */
};

/* Nobody has answered on this link yet. SoftEther stays silent for a minute after a session that
 * ended without a close, and then answers what has piled up: keep asking a little longer. */
static const msec first_patience = SECONDS(75);

/* What a step works with, where it has them: the packet that caused it, and our reply. */
struct cause {
	const struct ppp_packet *packet;
	const struct ppp_packet *reply;
};

static const struct cause no_cause;

void cp_init(struct cp *cp, const struct cp_proto *is, struct ppp *p)
{
	*cp = (struct cp){.is = is, .ppp = p, .state = FSM_INITIAL, .retry = RETRY_STOPPED};
	cp_reset(cp);
}

void cp_reset(struct cp *cp)
{
	cp->opts = (struct opts){.table = cp->is->options, .n = cp->is->n_options, .ctx = cp->ppp};
	cp->naks = 0;
	cp->rounds = 0;
}

static void send_raw(struct cp *cp, uint8_t code, uint8_t id, struct slice data)
{
	ppp_send_packet(cp->ppp, cp->is->protocol, code, id, data);
}

void cp_send(struct cp *cp, uint8_t code, struct slice data)
{
	size_t room = (size_t)ppp_mtu(cp->ppp) - PPP_PACKET_HEADER;

	send_raw(cp, code, ++cp->last_id, slice(data.p, data.n < room ? data.n : room));
}

static void start_timer(struct cp *cp)
{
	bool closing = cp->state == FSM_CLOSING || cp->state == FSM_STOPPING;
	struct ppp *p = cp->ppp;

	retry_start(&cp->retry, closing ? PATIENCE_CLOSE : PATIENCE_OPTIONS, p->conf.rtt, p->env,
		p->now);
	if (!closing && !p->heard)
		cp->retry.ends = p->now + first_patience;
}

/* A peer that acknowledges for ever and never asks for anything itself must come to an end: an Ack
 * alone does not begin the wait anew. */
static void restart_timer(struct cp *cp, enum fsm_event ev)
{
	msec ends = cp->retry.ends;

	start_timer(cp);
	if (ev == FSM_RCA) /* check: ack-patience */
		cp->retry.ends = msec_min(ends, cp->retry.ends);
}

static void send_request(struct cp *cp)
{
	cp->requests++;
	send_raw(cp, PPP_CONF_REQ, cp->id, slice(cp->asked, cp->asked_len));
}

/* New contents take a new id, and so does a request after an answered one: the answer to the old
 * id would be taken for a duplicate. A repetition keeps its id, so that any copy's Ack will do. */
static void new_request(struct cp *cp)
{
	struct wr w = wr_of(cp->asked, sizeof(cp->asked));

	opts_ask(&cp->opts, &w);
	cp->asked_len = wr_len(&w);
	cp->id = ++cp->last_id;
	cp->answered = false;
	if (cp->retry.due == MSEC_NEVER)
		start_timer(cp);
	send_request(cp);
}

static void act(struct cp *cp, enum fsm_action action, enum fsm_event ev, const struct cause *why)
{
	switch (action) {
	case FSM_TLU:
		cp->rounds = 0;
		cp->is->up(cp->ppp);
		break;
	case FSM_TLD:
		cp->is->down(cp->ppp);
		break;
	case FSM_IRC:
		restart_timer(cp, ev);
		break;
	case FSM_SCR:
		if (ev == FSM_TO_MORE && !cp->answered)
			send_request(cp);
		else
			new_request(cp);
		break;
	case FSM_SCA:
	case FSM_SCN:
	case FSM_SER:
		if (why->reply)
			send_raw(cp, why->reply->code, why->reply->id, why->reply->data);
		break;
	case FSM_STR:
		cp_send(cp, PPP_TERM_REQ, slice(NULL, 0));
		break;
	case FSM_STA:
		send_raw(cp, PPP_TERM_ACK, ev == FSM_RTR ? why->packet->id : ++cp->last_id,
			slice(NULL, 0));
		break;
	case FSM_SCJ:
		cp_send(cp, PPP_CODE_REJ, why->packet->whole);
		break;
	case FSM_TLS: /* the lower layer is there before we are */
	case FSM_TLF: /* told by `over` */
	case FSM_ZRC: /* the link ends with a Terminate-Request; there is no wait to shorten */
	case FSM_ACTIONS:
		break;
	}
}

static void tell_end(struct cp *cp, enum fsm_event ev, const struct cause *why)
{
	struct slice none = slice(NULL, 0);

	if (ev == FSM_RTR)
		cp->is->over(cp->ppp, CP_TERMINATED, why->packet->data);
	else if (ev == FSM_RXJ_BAD)
		cp->is->over(cp->ppp, CP_REJECTED, why->packet ? why->packet->data : none);
	else
		cp->is->over(cp->ppp, ev == FSM_TO_LAST ? CP_SILENCE : CP_CLOSED, none);
}

/* Actions run after the state has changed. Going up, going down and the end may step this or
 * another automaton: TLD comes first of a cell's actions, and the other two last. */
static void step(struct cp *cp, enum fsm_event ev, const struct cause *why)
{
	uint32_t actions;

	if (!fsm_step(&cp->state, ev, &actions))
		return;
	for (uint32_t todo = actions; todo; todo &= todo - 1)
		act(cp, (enum fsm_action)__builtin_ctz(todo), ev, why);
	if (!fsm_timer_runs(cp->state))
		retry_stop(&cp->retry);
	if (actions & 1u << FSM_TLF || ev == FSM_RTR || ev == FSM_RXJ_BAD)
		tell_end(cp, ev, why);
}

void cp_event(struct cp *cp, enum fsm_event ev)
{
	step(cp, ev, &no_cause);
}

void cp_echo(struct cp *cp, const struct ppp_packet *reply)
{
	step(cp, FSM_RXR, &(struct cause){.reply = reply});
}

void cp_tick(struct cp *cp)
{
	switch (retry_tick(&cp->retry, cp->ppp->env, cp->ppp->now)) {
	case RETRY_WAIT:
		break;
	case RETRY_SEND:
		step(cp, FSM_TO_MORE, &no_cause);
		break;
	case RETRY_GIVE_UP:
		step(cp, FSM_TO_LAST, &no_cause);
		break;
	}
}

void cp_repeat(struct cp *cp)
{
	bool asking = cp->state == FSM_REQ_SENT || cp->state == FSM_ACK_SENT;

	if (!asking || cp->answered || cp->repeated || cp->rounds || cp->retry.copies != 1)
		return;
	cp->repeated = true;
	send_request(cp);
}

/* One more Nak or Reject. True when that was one too many. */
static bool too_many_rounds(struct cp *cp, const struct ppp_packet *last)
{
	if (++cp->rounds <= MAX_ROUNDS /* check: option-rounds */)
		return false;
	cp->is->over(cp->ppp, CP_ROUNDS, last->whole);
	return true;
}

static void recv_request(struct cp *cp, const struct ppp_packet *packet)
{
	static const uint8_t codes[] = {PPP_CONF_ACK, PPP_CONF_NAK, PPP_CONF_REJ};
	uint8_t octets[OPTS_MAX];
	struct wr w = wr_of(octets, sizeof(octets));
	enum opt_verdict verdict;

	/* before `asked` forgets the last one */
	if (!opts_well_formed(packet->data)) { /* check: request-whole */
		cp->ppp->bad++;
		return;
	}
	cp->is->asked(cp->ppp);
	if (!opts_judge(&cp->opts, packet->data, cp->naks < MAX_FAILURE /* check: nak-limit */,
		    &verdict, &w)) {
		cp->ppp->bad++;
		return;
	}
	if (cp->ppp->phase == PHASE_OVER) /* an option ended it */
		return;
	struct ppp_packet reply = {codes[verdict], packet->id, wr_slice(&w), {0}};
	struct cause why = {packet, &reply};
	if (verdict == OPT_ACK) {
		cp->naks = 0;
		step(cp, FSM_RCR_GOOD, &why);
		return;
	}
	if (too_many_rounds(cp, packet))
		return;
	cp->naks += verdict == OPT_NAK;
	step(cp, FSM_RCR_BAD, &why);
}

static bool is_answer(struct cp *cp, const struct ppp_packet *packet)
{
	return packet->id == cp->id /* check: option-answer-id */ &&
	       !cp->answered /* check: option-answer-once */;
}

static void recv_ack(struct cp *cp, const struct ppp_packet *packet)
{
	if (!is_answer(cp, packet))
		return;
	if (!slice_equal(packet->data, slice(cp->asked, cp->asked_len))) { /* check: ack-same */
		cp->ppp->bad++;
		return;
	}
	cp->answered = cp->ever_answered = true;
	step(cp, FSM_RCA, &(struct cause){.packet = packet});
}

static void recv_refusal(struct cp *cp, const struct ppp_packet *packet)
{
	struct slice asked = slice(cp->asked, cp->asked_len);

	if (!is_answer(cp, packet))
		return;
	if (!(packet->code == PPP_CONF_NAK ? opts_naked(&cp->opts, asked, packet->data)
					   : opts_rejected(&cp->opts, asked, packet->data))) {
		cp->ppp->bad++;
		return;
	}
	cp->answered = cp->ever_answered = true;
	if (cp->ppp->phase == PHASE_OVER || too_many_rounds(cp, packet))
		return;
	step(cp, FSM_RCN, &(struct cause){.packet = packet});
}

static void recv_terminate(struct cp *cp, const struct ppp_packet *packet)
{
	step(cp, packet->code == PPP_TERM_REQ ? FSM_RTR : FSM_RTA,
		&(struct cause){.packet = packet});
}

/* A peer that rejects one of the codes of every control protocol cannot talk to us. */
static void recv_code_reject(struct cp *cp, const struct ppp_packet *packet)
{
	struct rd r = rd_of(packet->data);
	uint8_t code = rd_u8(&r);

	if (r.bad) {
		cp->ppp->bad++;
		return;
	}
	step(cp, code >= PPP_CONF_REQ && code <= PPP_CODE_REJ ? FSM_RXJ_BAD : FSM_RXJ_GOOD,
		&(struct cause){.packet = packet});
}

void cp_recv(struct cp *cp, struct slice info)
{
	static void (*const receivers[])(struct cp *, const struct ppp_packet *) = {
		[PPP_CONF_REQ] = recv_request,
		[PPP_CONF_ACK] = recv_ack,
		[PPP_CONF_NAK] = recv_refusal,
		[PPP_CONF_REJ] = recv_refusal,
		[PPP_TERM_REQ] = recv_terminate,
		[PPP_TERM_ACK] = recv_terminate,
		[PPP_CODE_REJ] = recv_code_reject,
	};
	struct ppp_packet packet;

	if (!ppp_packet_parse(info, &packet)) {
		cp->ppp->bad++;
		return;
	}
	ppp_log_packet(cp->ppp, "in", cp->is->name, packet.code, packet.id, packet.data);
	if (packet.code >= PPP_CONF_REQ && packet.code <= PPP_CODE_REJ)
		receivers[packet.code](cp, &packet);
	else if (!cp->is->extra || !cp->is->extra(cp->ppp, &packet))
		step(cp, FSM_RUC, &(struct cause){.packet = &packet});
}

/* The link: phases, frames, what the owner is told. */
#include "ppp/ppp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "ppp/ppp_priv.h"

enum {
	IPV4_HEADER = 20,
	ECHO_AGAIN = 700, /* ms after an echo without answer */
};

struct ppp *ppp_new(const struct ppp_conf *conf, const struct env *env)
{
	struct ppp *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->conf = *conf;
	p->env = env;
	p->peer_mru = PPP_MRU_DEFAULT;
	p->echo_due = MSEC_NEVER;
	cp_init(&p->lcp, &lcp_proto, p);
	cp_init(&p->ipcp, &ipcp_proto, p);
	auth_init(p);
	lcp_reset(p);
	ipcp_reset(p);
	return p;
}

void ppp_free(struct ppp *p)
{
	if (!p)
		return;
	auth_forget(p);
	wipe(p, sizeof(*p));
	free(p);
}

uint16_t ppp_mtu(const struct ppp *p)
{
	uint16_t mtu = p->peer_mru < p->conf.mru ? p->peer_mru : p->conf.mru;

	return mtu < PPP_MTU_LEAST ? PPP_MTU_LEAST : mtu > PPP_MTU_MOST ? PPP_MTU_MOST : mtu;
}

/* Every public call is: begin, work, end. */
static void begin(struct ppp *p, msec now)
{
	p->now = now;
}

static void end(struct ppp *p, struct io *out)
{
	pktq_join(&out->down, &p->tx);
}

/* ---- frames ---- */

void ppp_log_packet(const struct ppp *p, const char *way, const char *layer, uint8_t code,
	uint8_t id, struct slice data)
{
	log_debug(
		p->env->log, "ppp", "%s %s code=%u id=%u octets=%zu", layer, way, code, id, data.n);
}

void ppp_send_packet(struct ppp *p, uint16_t protocol, uint8_t code, uint8_t id, struct slice data)
{
	struct pkt *frame = pkt_new_ctl(p->env->pool, PPP_HEADER + PPP_PACKET_HEADER + data.n);

	if (!frame)
		return;
	struct wr w = pkt_wr(frame);
	size_t mark = ppp_packet_open(&w, protocol, code, id);
	wr_put(&w, data);
	ppp_packet_close(&w, mark);
	pkt_wrote(frame, &w);
	ppp_log_packet(p, "out",
		protocol == PPP_LCP    ? "lcp"
		: protocol == PPP_IPCP ? "ipcp"
				       : p->auth.method->name,
		code, id, data);
	pktq_put(&p->tx, frame);
}

static bool is_ipv4(struct slice info)
{
	struct rd r = rd_of(info);

	return rd_u8(&r) >> 4 == 4 /* check: ipv4-version */ &&
	       info.n >= IPV4_HEADER /* check: ipv4-length */;
}

/* A Configure-Request of a network control protocol; RFC 1661, 2. */
static bool is_ncp_request(uint16_t protocol, struct slice info)
{
	struct ppp_packet packet;

	return protocol >> 14 == 2 && ppp_packet_parse(info, &packet) &&
	       packet.code == PPP_CONF_REQ;
}

/* Protocols other than IPv4. What belongs to a later phase is dropped without a word: SoftEther
 * ends a session that says Protocol-Reject too early. */
static void recv_control(struct ppp *p, uint16_t protocol, struct slice info)
{
	bool network = p->phase == PHASE_NETWORK;

	if (protocol == PPP_LCP) {
		cp_recv(&p->lcp, info);
	} else if ((network || p->phase == PHASE_AUTHENTICATE) /* check: auth-phase */ &&
		   protocol == p->auth.method->protocol /* check: auth-protocol */) {
		auth_recv(p, info);
	} else if (network /* check: ipcp-phase */ && protocol == PPP_IPCP) {
		p->ipcp_heard = true;
		cp_recv(&p->ipcp, info);
	} else if (network && protocol != PPP_IPV6 && protocol != PPP_IPV4) {
		lcp_protocol_reject(p, protocol, info);
	} else {
		if (p->phase == PHASE_AUTHENTICATE && is_ncp_request(protocol, info))
			auth_overtaken(p);
		p->bad++;
	}
}

static void heard(struct ppp *p)
{
	p->heard = true;
	p->echoes_out = 0;
	if (p->up && p->conf.echo_interval)
		p->echo_due = p->now + p->conf.echo_interval;
}

/* Takes the frame; true when it was an IP packet and went up. */
static bool recv_frame(struct ppp *p, struct pkt *frame, struct io *out)
{
	uint16_t protocol;
	struct slice info;

	if (p->phase == PHASE_OVER || p->phase == PHASE_DEAD)
		return false;
	if (!ppp_frame_parse(pkt_slice(frame), &protocol, &info)) {
		p->bad++;
		return false;
	}
	heard(p);
	if (protocol != PPP_IPV4 || !p->up /* check: ip-before-up */) {
		recv_control(p, protocol, info);
		return false;
	}
	if (!is_ipv4(info) /* check: ipv4-inside */ || !pkt_pull(frame, frame->len - info.n)) {
		p->bad++;
		return false;
	}
	pktq_put(&out->up, frame);
	return true;
}

void ppp_recv(struct ppp *p, struct pktq *in, msec now, struct io *out)
{
	begin(p, now);
	for (struct pkt *frame = pktq_take(in); frame; frame = pktq_take(in))
		if (!recv_frame(p, frame, out))
			pkt_free(frame);
	end(p, out);
}

void ppp_send(struct ppp *p, struct pktq *in, msec now, struct io *out)
{
	static const uint8_t header[PPP_HEADER] = {0xff, 0x03, PPP_IPV4 >> 8, PPP_IPV4 & 0xff};
	size_t n = p->peer_acfc ? 2 : PPP_HEADER;

	begin(p, now);
	for (struct pkt *packet = pktq_take(in); packet; packet = pktq_take(in)) {
		bool goes = p->up /* check: send-before-up */ &&
			    is_ipv4(pkt_slice(packet)) /* check: send-ipv4 */;
		uint8_t *front = goes ? pkt_push(packet, n) : NULL;

		if (!front) {
			pkt_free(packet);
			continue;
		}
		memcpy(front, &header[PPP_HEADER - n], n);
		pktq_put(&out->down, packet);
	}
	end(p, out);
}

/* ---- phases ---- */

void ppp_tell(struct ppp *p, enum ppp_news news)
{
	p->news |= 1u << news;
}

static void untell(struct ppp *p, enum ppp_news news)
{
	p->news &= ~(1u << news);
}

void ppp_authenticate(struct ppp *p)
{
	ppp_tell(p, NEWS_LCP);
	lcp_agreed(p);
	if (!p->auth.method) { /* check: auth-demanded */
		ppp_fail(p, REASON_PPP_MUTUAL_AUTH, "the server did not ask for authentication");
		return;
	}
	log_info(p->env->log, "ppp", "lcp opened auth=%s mtu=%u", p->auth.method->name, ppp_mtu(p));
	p->phase = PHASE_AUTHENTICATE;
	auth_start(p);
}

void ppp_network(struct ppp *p)
{
	log_info(p->env->log, "ppp", "authenticated by %s", p->auth.method->name);
	ppp_tell(p, NEWS_AUTH);
	p->phase = PHASE_NETWORK;
	ipcp_reset(p);
	cp_event(&p->ipcp, FSM_UP);
}

void ppp_link_up(struct ppp *p)
{
	char local[IP_TEXT], peer[IP_TEXT];

	log_info(p->env->log, "ppp", "ipcp opened local=%s peer=%s", ip_text(&p->local, local),
		ip_text(&p->peer, peer));
	p->up = true;
	p->echo_due = p->conf.echo_interval ? p->now + p->conf.echo_interval : MSEC_NEVER;
	p->echoes_out = 0;
	ppp_tell(p, NEWS_IPCP);
	ppp_tell(p, NEWS_UP);
}

void ppp_link_down(struct ppp *p)
{
	p->up = false;
	p->echo_due = MSEC_NEVER;
	untell(p, NEWS_UP);
	if (p->told_up && p->phase < PHASE_TERMINATE)
		ppp_tell(p, NEWS_DOWN);
}

void ppp_establish(struct ppp *p)
{
	auth_stop(p);
	cp_event(&p->ipcp, FSM_DOWN);
	if (p->phase < PHASE_TERMINATE)
		p->phase = PHASE_ESTABLISH;
}

static void finish(struct ppp *p, enum ppp_news news)
{
	p->phase = PHASE_OVER;
	cp_event(&p->lcp, FSM_CLOSE);
	auth_forget(p);
	untell(p, NEWS_UP);
	untell(p, NEWS_DOWN);
	untell(p, NEWS_SECRET);
	ppp_tell(p, news);
}

void ppp_closed(struct ppp *p)
{
	finish(p, NEWS_CLOSED);
}

void ppp_fail(struct ppp *p, enum reason_id id, const char *fmt, ...)
{
	va_list args;

	if (p->phase == PHASE_OVER)
		return;
	if (p->phase == PHASE_TERMINATE) { /* what the owner wanted */
		ppp_closed(p);
		return;
	}
	p->reason.id = id;
	va_start(args, fmt);
	vsnprintf(p->reason.evidence, sizeof(p->reason.evidence), fmt, args);
	va_end(args);
	log_error(p->env->log, "ppp", "%s: %s", reason_row(id)->id, p->reason.evidence);
	finish(p, NEWS_FAILED);
}

void ppp_open(struct ppp *p, msec now, struct io *out)
{
	begin(p, now);
	if (p->phase == PHASE_DEAD) {
		p->phase = PHASE_ESTABLISH;
		cp_event(&p->ipcp, FSM_OPEN);
		cp_event(&p->lcp, FSM_OPEN);
		cp_event(&p->lcp, FSM_UP);
	}
	end(p, out);
}

void ppp_close(struct ppp *p, msec now, struct io *out)
{
	begin(p, now);
	if (p->phase == PHASE_DEAD) {
		ppp_closed(p);
	} else if (p->phase < PHASE_TERMINATE) {
		p->phase = PHASE_TERMINATE;
		cp_event(&p->lcp, FSM_CLOSE);
	}
	end(p, out);
}

/* ---- time ---- */

/* The first unanswered one is followed by others soon: many tries in a short time tell a dead link from
 * one that loses every third packet each way. */
static void echo_tick(struct ppp *p)
{
	if (p->now < p->echo_due)
		return;
	if (p->echoes_out) /* the one before this has had no answer */
		p->echoes_lost++;
	else
		p->echoing_since = p->now;
	if (p->echoes_out && p->now >= p->echoing_since + p->conf.echo_patience) {
		ppp_fail(p, REASON_LINK_LOST, "%u LCP echoes in %llu s without an answer",
			p->echoes_out,
			(unsigned long long)((p->now - p->echoing_since) / SECONDS(1)));
		return;
	}
	p->echoes_out++;
	p->echo_due = p->now + msec_min(p->conf.echo_interval, ECHO_AGAIN);
	lcp_echo_request(p);
}

void ppp_tick(struct ppp *p, msec now, struct io *out)
{
	begin(p, now);
	if (p->phase != PHASE_OVER)
		cp_tick(&p->lcp);
	if (p->phase != PHASE_OVER)
		cp_tick(&p->ipcp);
	if (p->phase != PHASE_OVER)
		auth_tick(p);
	if (p->phase != PHASE_OVER)
		echo_tick(p);
	end(p, out);
}

msec ppp_deadline(const struct ppp *p)
{
	if (p->phase == PHASE_OVER)
		return MSEC_NEVER;
	msec least = msec_min(retry_deadline(&p->lcp.retry), retry_deadline(&p->ipcp.retry));
	return msec_min(msec_min(least, retry_deadline(&p->auth.wait)), p->echo_due);
}

/* ---- the owner ---- */

bool ppp_next_event(struct ppp *p, struct ppp_event *ev)
{
	static const struct ppp_event events[NEWS] = {
		[NEWS_DOWN] = {.kind = PPP_EV_DOWN},
		[NEWS_LCP] = {.kind = PPP_EV_PROGRESS, .step = "lcp"},
		[NEWS_SECRET] = {.kind = PPP_EV_WANT_SECRET},
		[NEWS_AUTH] = {.kind = PPP_EV_PROGRESS, .step = "auth"},
		[NEWS_IPCP] = {.kind = PPP_EV_PROGRESS, .step = "ipcp"},
		[NEWS_UP] = {.kind = PPP_EV_UP},
		[NEWS_CLOSED] = {.kind = PPP_EV_CLOSED},
		[NEWS_FAILED] = {.kind = PPP_EV_FAILED},
	};

	if (!p->news)
		return false;
	enum ppp_news news = (enum ppp_news)__builtin_ctz(p->news);
	untell(p, news);
	*ev = events[news];
	if (news == NEWS_SECRET) {
		ev->id = p->question;
		ev->reason = p->auth.refusal; /* why the last one was not good enough */
	}
	if (news == NEWS_FAILED)
		ev->reason = p->reason;
	if (news == NEWS_UP || news == NEWS_DOWN)
		p->told_up = news == NEWS_UP;
	return true;
}

void ppp_answer(struct ppp *p, uint32_t id, const struct answer *answer, msec now, struct io *out)
{
	begin(p, now);
	if (p->auth.asking && id == p->question /* check: secret-question */)
		auth_answer(p, answer);
	end(p, out);
}

void ppp_get_status(const struct ppp *p, struct ppp_status *status)
{
	*status = (struct ppp_status){
		.lcp_open = p->lcp.state == FSM_OPENED,
		.authenticated = p->auth.done,
		.up = p->up,
		.auth = p->auth.method ? p->auth.method->name : "",
		.local = p->local,
		.peer = p->peer,
		.dns = {p->dns[0], p->dns[1]},
		.wins = {p->wins[0], p->wins[1]},
		.mtu = ppp_mtu(p),
		.echoes_lost = p->echoes_lost,
		.bad = p->bad,
	};
	snprintf(status->message, sizeof(status->message), "%s", p->message);
}

/* The link control protocol: what we ask for and grant, echo, Protocol-Reject, and what the end of
 * LCP means for the link. RFC 1661, 5 and 6. */
#include "base/log.h"
#include "base/str.h"
#include "ppp/ppp_priv.h"

enum lcp_option {
	LCP_MRU = 1,
	LCP_ACCM = 2,
	LCP_AUTH = 3,
	LCP_MAGIC = 5,
	LCP_PFC = 7,
	LCP_ACFC = 8,
};

enum {
	MRU_LEAST = 128,   /* what we accept to hear; what we use is PPP_MTU_LEAST at least */
	MAX_LOOPS = 5,     /* requests with our own magic number: by chance it is 1 in 2^32 */
	MAX_AUTH_NAKS = 5, /* then the server insists */
	/* The server's requests, and ours without an answer. Where every third packet is lost each way, that
	 * happens to two links in a thousand. */
	UNHEARD_ASKS = 4,
	UNHEARD = 9,
	MAGIC = 4, /* octets */
};

static uint32_t random_magic(const struct ppp *p)
{
	uint32_t magic;

	do
		magic = env_random_u32(p->env);
	while (magic == 0);
	return magic;
}

static enum opt_verdict grant(void *ctx, const struct opt *o, struct slice value, struct wr *better)
{
	(void)ctx, (void)o, (void)value, (void)better;
	return OPT_ACK;
}

static enum opt_verdict judge_mru(
	void *ctx, const struct opt *o, struct slice value, struct wr *better)
{
	struct ppp *p = ctx;
	struct rd r = rd_of(value);
	uint16_t mru = rd_u16(&r);

	(void)o;
	if (mru < MRU_LEAST) { /* check: lcp-mru-least */
		wr_u16(better, PPP_MRU_DEFAULT);
		return OPT_NAK;
	}
	p->peer_mru = mru;
	return OPT_ACK;
}

static bool ask_mru(void *ctx, const struct opt *o, struct wr *value)
{
	const struct ppp *p = ctx;

	(void)o;
	wr_u16(value, p->mru);
	return true;
}

/* We can receive 1500 octets whatever was agreed, so a larger wish is granted too. */
static bool naked_mru(void *ctx, const struct opt *o, struct slice value)
{
	struct ppp *p = ctx;
	struct rd r = rd_of(value);
	uint16_t mru = rd_u16(&r);

	(void)o;
	if (mru < PPP_MTU_LEAST /* check: lcp-nak-mru-least */ ||
		mru > PPP_MTU_MOST /* check: lcp-nak-mru-most */)
		return false;
	p->mru = mru;
	return true;
}

/* Never less than the file allows, however often the server asks. */
static enum opt_verdict judge_auth(
	void *ctx, const struct opt *o, struct slice value, struct wr *better)
{
	struct ppp *p = ctx;
	const struct auth_method *best = auth_best(p);

	(void)o;
	p->auth.method = auth_find(p, value);
	if (p->auth.method)
		return OPT_ACK;
	p->auth.wanted = auth_option_name(value);
	if (++p->auth.refusals > MAX_AUTH_NAKS) { /* check: auth-insists */
		ppp_fail(p, REASON_PPP_AUTH_METHOD, "the server wants %s, the best allowed is %s",
			p->auth.wanted, best ? best->name : "none");
		return OPT_REJECT;
	}
	if (!best)
		return OPT_REJECT;
	wr_put(better, best->option);
	return OPT_NAK;
}

static enum opt_verdict judge_magic(
	void *ctx, const struct opt *o, struct slice value, struct wr *better)
{
	struct ppp *p = ctx;
	struct rd r = rd_of(value);
	uint32_t magic = rd_u32(&r);

	(void)o;
	if (magic != 0 /* check: magic-zero */ && magic != p->magic /* check: magic-own */)
		return OPT_ACK;
	if (magic != 0 && ++p->loops >= MAX_LOOPS) /* check: magic-loops */
		ppp_fail(p, REASON_PPP_LOOPBACK, "%u requests with our own magic number 0x%08x",
			p->loops, p->magic);
	wr_u32(better, random_magic(p));
	return OPT_NAK;
}

static bool ask_magic(void *ctx, const struct opt *o, struct wr *value)
{
	const struct ppp *p = ctx;

	(void)o;
	wr_u32(value, p->magic);
	return true;
}

/* Our own choice, not the peer's: on a looped line the suggestion came from ourselves. */
static bool naked_magic(void *ctx, const struct opt *o, struct slice value)
{
	struct ppp *p = ctx;

	(void)o, (void)value;
	p->magic = random_magic(p);
	return true;
}

static void rejected_magic(void *ctx, const struct opt *o)
{
	struct ppp *p = ctx;

	(void)o;
	p->magic = 0;
}

static enum opt_verdict judge_acfc(
	void *ctx, const struct opt *o, struct slice value, struct wr *better)
{
	struct ppp *p = ctx;

	(void)o, (void)value, (void)better;
	p->peer_acfc = true;
	return OPT_ACK;
}

/* Protocol field compression is granted and not used: the octet would cost the IP header its
 * alignment. */
/* clang-format off */
static const struct opt options[] = {
	/* type      min  max  the peer asks  we ask     a Nak        a Reject */
	{LCP_MRU,    2,   2,   judge_mru,     ask_mru,   naked_mru,   NULL},
	{LCP_ACCM,   4,   4,   grant,         NULL,      NULL,        NULL},
	{LCP_AUTH,   2,   253, judge_auth,    NULL,      NULL,        NULL},
	{LCP_MAGIC,  4,   4,   judge_magic,   ask_magic, naked_magic, rejected_magic},
	{LCP_PFC,    0,   0,   grant,         NULL,      NULL,        NULL},
	{LCP_ACFC,   0,   0,   judge_acfc,    NULL,      NULL,        NULL},
};
/* clang-format on */

void lcp_reset(struct ppp *p)
{
	cp_reset(&p->lcp);
	p->mru = p->conf.mru;
	p->magic = random_magic(p);
}

void lcp_agreed(struct ppp *p)
{
	p->loops = 0;
	p->auth.wanted = NULL;
	p->auth.refusals = 0;
}

/* What a request does not mention has its default again. The peer is there now, so our own first
 * request, which it may have been too early for, goes out once more: before our Ack, which would
 * open the peer, because a request to an opened peer starts everything anew. */
static void asked(struct ppp *p)
{
	if (++p->asks >= UNHEARD_ASKS && p->lcp.requests >= UNHEARD && !p->lcp.ever_answered)
		ppp_fail(p, REASON_PPP_UNHEARD,
			"the server has asked for LCP %u times, and answered none of %u requests",
			p->asks, p->lcp.requests);
	cp_repeat(&p->lcp);
	p->peer_mru = PPP_MRU_DEFAULT;
	p->peer_acfc = false;
	p->auth.method = NULL;
}

static void over(struct ppp *p, enum cp_end end, struct slice text)
{
	char escaped[STR_ESCAPED], hex[65];

	if (p->phase == PHASE_TERMINATE) {
		if (end != CP_TERMINATED) /* both hang up at once: our own Ack is still to come */
			ppp_closed(p);
		return;
	}
	switch (end) {
	case CP_SILENCE:
		if (p->heard)
			ppp_fail(p, REASON_PPP_TIMEOUT, "LCP is not answered any more");
		else
			ppp_fail(p, REASON_PPP_NO_RESPONSE, "%u LCP requests without an answer",
				p->lcp.requests);
		break;
	case CP_TERMINATED:
		cp_event(&p->lcp, FSM_DOWN); /* it has hung up: nothing more to say */
		if (p->auth.refusal.id)
			ppp_fail(p, p->auth.refusal.id, "%s", p->auth.refusal.evidence);
		else if (p->auth.wanted && !p->auth.method)
			ppp_fail(p, REASON_PPP_AUTH_METHOD,
				"the server wants %s and hung up: \"%.120s\"", p->auth.wanted,
				str_escape(text, escaped));
		else if (p->auth.asking)
			ppp_fail(p, REASON_PASSWORD_NEEDED,
				"the server hung up before anybody gave one");
		else
			ppp_fail(p, REASON_PPP_LCP_TERMINATED, "%s\"%.120s\"",
				p->phase == PHASE_AUTHENTICATE ? "during authentication: " : "",
				str_escape(text, escaped));
		break;
	case CP_REJECTED:
		ppp_fail(p, REASON_PPP_NOT_CONVERGING, "the server rejects LCP: %s",
			str_hex(text, hex, sizeof(hex)));
		break;
	case CP_ROUNDS:
		ppp_fail(p, REASON_PPP_NOT_CONVERGING, "LCP, last packet %s",
			str_hex(text, hex, sizeof(hex)));
		break;
	case CP_CLOSED:
		break;
	}
}

void lcp_echo_request(struct ppp *p)
{
	uint8_t octets[MAGIC];

	put_u32(octets, p->magic);
	cp_send(&p->lcp, PPP_ECHO_REQ, slice(octets, sizeof(octets)));
}

/* The reply carries our magic number and the rest of the request. */
static void recv_echo_request(struct ppp *p, const struct ppp_packet *packet)
{
	uint8_t octets[PPP_MTU_MOST - PPP_PACKET_HEADER];
	struct wr w = wr_of(octets, sizeof(octets));
	struct rd r = rd_of(packet->data);
	uint32_t magic = rd_u32(&r);

	if (r.bad || (magic && magic == p->magic) /* check: echo-own-magic */) {
		p->bad++;
		return;
	}
	wr_u32(&w, p->magic);
	wr_put(&w, rd_rest(&r));
	if (!w.bad)
		cp_echo(&p->lcp,
			&(struct ppp_packet){PPP_ECHO_REPLY, packet->id, wr_slice(&w), {0}});
}

void lcp_protocol_reject(struct ppp *p, uint16_t protocol, struct slice info)
{
	uint8_t octets[PPP_MTU_MOST];
	struct wr w = wr_of(octets, sizeof(octets));
	size_t room = (size_t)ppp_mtu(p) - PPP_PACKET_HEADER - 2;

	wr_u16(&w, protocol);
	wr_put(&w, slice(info.p, info.n < room ? info.n : room));
	cp_send(&p->lcp, PPP_PROTO_REJ, wr_slice(&w));
}

/* Valid in Opened only; RFC 1661, 5.7. */
static void recv_protocol_reject(struct ppp *p, const struct ppp_packet *packet)
{
	struct rd r = rd_of(packet->data);
	uint16_t protocol = rd_u16(&r);

	if (r.bad) {
		p->bad++;
		return;
	}
	if (p->lcp.state != FSM_OPENED) /* check: protocol-reject-opened */
		return;
	if (protocol == PPP_LCP)
		over(p, CP_REJECTED, packet->data);
	else if (protocol == PPP_IPCP)
		ppp_fail(p, REASON_PPP_NO_NCP, "the server rejects IPCP");
	else if (p->phase == PHASE_AUTHENTICATE && protocol == p->auth.method->protocol)
		ppp_fail(p, REASON_PPP_AUTH_METHOD,
			"the server asked for %s and rejects its packets", p->auth.method->name);
}

static bool extra(struct ppp *p, const struct ppp_packet *packet)
{
	char text[STR_ESCAPED];

	switch (packet->code) {
	case PPP_PROTO_REJ:
		recv_protocol_reject(p, packet);
		return true;
	case PPP_ECHO_REQ:
		recv_echo_request(p, packet);
		return true;
	case PPP_ECHO_REPLY: /* any frame is a sign of life, this one says no more */
	case PPP_DISCARD_REQ:
		cp_echo(&p->lcp, NULL);
		return true;
	case PPP_IDENTIFICATION:
	case PPP_TIME_REMAINING:
		log_debug(p->env->log, "ppp", "lcp message \"%s\"", str_escape(packet->data, text));
		return true;
	}
	return false;
}

const struct cp_proto lcp_proto = {
	.protocol = PPP_LCP,
	.name = "lcp",
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.asked = asked,
	.up = ppp_authenticate,
	.down = ppp_establish,
	.over = over,
	.extra = extra,
};

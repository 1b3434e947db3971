#include "tests/peer/ppp_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/patience.h"
#include "base/secret.h"
#include "ppp/mschapv2.h"
#include "ppp/opts.h"
#include "ppp/ppp_frame.h"

enum { FRAME = 1500, MRU = 1500, LOGIN_DENIED = 691 };
enum { OPT_MRU = 1, OPT_AUTH = 3, OPT_MAGIC = 5, OPT_PFC = 7, OPT_ACFC = 8, OPT_CALLBACK = 13 };
enum { OPT_MRRU = 17, OPT_DISCRIMINATOR = 19, OPT_ADDRESS = 3, OPT_DNS1 = 129, OPT_DNS2 = 131 };

/* Half an automaton is enough for a test: our request acknowledged, theirs acknowledged. */
struct half {
	uint16_t protocol;
	bool ours, theirs; /* whose request has been acknowledged */
	uint8_t id;
	struct retry retry;
};

struct ppp_peer {
	const struct gateway_conf *conf;
	const struct env *env;
	struct half lcp, ipcp;
	unsigned auth; /* index into conf->auths */
	bool logged_in, challenged, verdict_given, over;
	bool plain;        /* LCP: the client has rejected what was too much */
	struct retry chap; /* the challenge, until it is answered */
	uint8_t challenge_id;
	uint8_t challenge[MSCHAPV2_CHALLENGE];
	msec lcp_due, verdict_due;
	uint8_t verdict[256]; /* a CHAP packet's code and message, waiting for verdict_due */
	size_t verdict_len;
};

/* ---- packets ---- */

static void emit(struct ppp_peer *p, uint16_t protocol, uint8_t code, uint8_t id, struct slice data,
	struct pktq *out)
{
	struct pkt *f = pkt_new_ctl(p->env->pool, FRAME);

	if (!f)
		return;
	struct wr w = pkt_wr(f);
	size_t mark = ppp_packet_open(&w, protocol, code, id);
	wr_put(&w, data);
	ppp_packet_close(&w, mark);
	if (pkt_wrote(f, &w) && !p->conf->ppp_silent)
		pktq_put(out, f);
	else
		pkt_free(f);
}

static bool is_chap(uint16_t method)
{
	return method == PPP_CHAP || method == GATEWAY_CHAP_MD5;
}

static void put_auth(struct wr *w, uint16_t method)
{
	uint8_t value[3];
	struct wr v = wr_of(value, sizeof(value));

	wr_u16(&v, is_chap(method) ? PPP_CHAP : method);
	if (is_chap(method))
		wr_u8(&v, method == PPP_CHAP ? 0x81 : 0x05);
	opt_put(w, OPT_AUTH, wr_slice(&v));
}

/* What Windows asks for beside, until it is rejected. */
static void put_much(struct wr *w)
{
	static const uint8_t callback[] = {6}, mrru[] = {0x06, 0x4e}, discriminator[] = {1, 7};

	opt_put(w, OPT_PFC, slice(NULL, 0));
	opt_put(w, OPT_ACFC, slice(NULL, 0));
	opt_put(w, OPT_CALLBACK, slice(callback, sizeof(callback)));
	opt_put(w, OPT_MRRU, slice(mrru, sizeof(mrru)));
	opt_put(w, OPT_DISCRIMINATOR, slice(discriminator, sizeof(discriminator)));
}

/* What it asks for and has been granted everywhere. */
static void put_own(const struct gateway_conf *conf, struct wr *w)
{
	uint8_t mru[2];

	put_u16(mru, conf->mru);
	if (conf->mru)
		opt_put(w, OPT_MRU, slice(mru, sizeof(mru)));
	if (conf->compresses) {
		opt_put(w, OPT_PFC, slice(NULL, 0));
		opt_put(w, OPT_ACFC, slice(NULL, 0));
	}
}

static void ask(struct ppp_peer *p, struct half *h, bool anew, msec now, struct pktq *out)
{
	uint8_t buf[64];
	struct wr w = wr_of(buf, sizeof(buf));

	if (h->protocol == PPP_LCP) {
		if (p->auth < GATEWAY_AUTHS && p->conf->auths[p->auth] && !p->conf->no_auth)
			put_auth(&w, p->conf->auths[p->auth]);
		put_own(p->conf, &w);
		if (p->conf->asks_for_much && !p->plain)
			put_much(&w);
	} else {
		opt_put(&w, OPT_ADDRESS, ip_slice(&p->conf->own));
	}
	if (anew) {
		h->id++;
		retry_start(&h->retry, PATIENCE_EXCHANGE, 0, p->env, now);
	}
	emit(p, h->protocol, PPP_CONF_REQ, h->id, wr_slice(&w), out);
}

/* ---- authentication ---- */

static void challenge(struct ppp_peer *p, msec now, struct pktq *out)
{
	uint8_t buf[64];
	struct wr w = wr_of(buf, sizeof(buf));

	if (!p->challenged) {
		env_random(p->env, p->challenge, sizeof(p->challenge));
		p->challenge_id++;
		p->challenged = true;
		retry_start(&p->chap, PATIENCE_EXCHANGE, 0, p->env, now);
	}
	wr_u8(&w, MSCHAPV2_CHALLENGE);
	wr_put(&w, slice(p->challenge, MSCHAPV2_CHALLENGE));
	wr_put(&w, slice_str(p->conf->text ? p->conf->text : "gateway"));
	emit(p, PPP_CHAP, CHAP_CHALLENGE, p->challenge_id, wr_slice(&w), out);
}

static void start_ipcp(struct ppp_peer *p, msec now, struct pktq *out)
{
	p->logged_in = true;
	ask(p, &p->ipcp, true, now, out);
}

static void refuse(struct ppp_peer *p, unsigned number)
{
	char hex[2 * MSCHAPV2_CHALLENGE + 1];

	for (int i = 0; i < MSCHAPV2_CHALLENGE; i++)
		snprintf(hex + 2 * i, 3, "%02X", p->challenge[i]);
	p->verdict[0] = CHAP_FAILURE;
	p->verdict_len = 1 + (size_t)snprintf((char *)p->verdict + 1, sizeof(p->verdict) - 1,
				     "E=%u R=0 C=%s V=3 M=Access denied", number, hex);
}

static void accept(struct ppp_peer *p, uint8_t proof[MSCHAPV2_PROOF])
{
	struct wr w = wr_of(p->verdict, sizeof(p->verdict));

	if (p->conf->forges_proof)
		proof[5] = proof[5] == '0' ? '1' : '0';
	wr_u8(&w, CHAP_SUCCESS);
	if (!p->conf->no_proof)
		wr_put(&w, slice(proof, MSCHAPV2_PROOF));
	if (!p->conf->no_message) {
		wr_put(&w, slice_str(" M="));
		wr_put(&w, slice_str(p->conf->text ? p->conf->text : "Welcome"));
	}
	p->verdict_len = wr_len(&w);
}

/* RFC 2759, 8: is it the response of somebody who knows the password? */
static bool knows_password(struct ppp_peer *p, struct slice value, uint8_t proof[MSCHAPV2_PROOF])
{
	uint8_t hash[NT_HASH], mixed[MSCHAP_CHALLENGE], want[MSCHAP_RESPONSE];
	struct crypto *c = p->env->crypto;
	const uint8_t *theirs = value.p + 24;

	return nt_hash(c, slice_str(p->conf->password), hash) &&
	       mschapv2_challenge_hash(c, value.p, p->challenge, slice_str(p->conf->user), mixed) &&
	       mschap_response(c, mixed, hash, want) &&
	       mschapv2_proof(c, hash, want, mixed, proof) &&
	       secret_equal(slice(theirs, MSCHAP_RESPONSE), slice(want, MSCHAP_RESPONSE));
}

/* RFC 1994, 4.1. */
static bool knows_md5(struct ppp_peer *p, struct slice value)
{
	const struct slice parts[] = {slice(&p->challenge_id, 1), slice_str(p->conf->password),
		slice(p->challenge, MSCHAPV2_CHALLENGE)};
	uint8_t want[HASH_MAX];

	return crypto_hash(p->env->crypto, HASH_MD5, parts, 3, want) &&
	       secret_equal(value, slice(want, 16));
}

static void say_verdict(struct ppp_peer *p, struct pktq *out)
{
	emit(p, PPP_CHAP, p->verdict[0], p->challenge_id, slice(p->verdict + 1, p->verdict_len - 1),
		out);
}

static void take_chap(
	struct ppp_peer *p, const struct ppp_packet *packet, msec now, struct pktq *out)
{
	uint8_t proof[MSCHAPV2_PROOF];
	struct rd r = rd_of(packet->data);
	struct slice value = rd_take(&r, rd_u8(&r)), name = rd_rest(&r);

	if (packet->code != CHAP_RESPONSE || !p->challenged || packet->id != p->challenge_id)
		return;
	bool md5 = p->conf->auths[p->auth] == GATEWAY_CHAP_MD5;
	if (r.bad || value.n != (md5 ? 16 : MSCHAPV2_VALUE))
		return;
	if (p->verdict_given) {
		say_verdict(p, out); /* a repeated response gets the same reply; RFC 1994, 4.2 */
		return;
	}
	if (p->verdict_len)
		return;
	retry_stop(&p->chap);
	bool good = slice_equal(name, slice_str(p->conf->user)) &&
		    (md5 ? knows_md5(p, value) : knows_password(p, value, proof));
	if (!good)
		refuse(p, LOGIN_DENIED);
	else if (p->conf->refuses_login)
		refuse(p, p->conf->refuses_login);
	else if (md5)
		*p->verdict = CHAP_SUCCESS, p->verdict_len = 1;
	else
		accept(p, proof);
	p->verdict_due = now + p->conf->login_delay;
}

static void give_verdict(struct ppp_peer *p, msec now, struct pktq *out)
{
	p->verdict_due = MSEC_NEVER;
	p->verdict_given = true;
	say_verdict(p, out);
	if (p->verdict[0] == CHAP_SUCCESS)
		start_ipcp(p, now, out);
}

static void lcp_opened(struct ppp_peer *p, msec now, struct pktq *out)
{
	if (p->conf->no_auth)
		start_ipcp(p, now, out);
	else if (is_chap(p->conf->auths[p->auth]))
		challenge(p, now, out);
}

/* RFC 1334, 2.2: name and password, a length in front of each; a repeated request gets the same. */
static void take_pap(
	struct ppp_peer *p, const struct ppp_packet *packet, msec now, struct pktq *out)
{
	struct rd r = rd_of(packet->data);
	struct slice name = rd_take(&r, rd_u8(&r)), password = rd_take(&r, rd_u8(&r));
	bool good = !r.bad && slice_equal(name, slice_str(p->conf->user)) &&
		    slice_equal(password, slice_str(p->conf->password));
	static const uint8_t no_text[] = {0};

	if (packet->code != PAP_REQUEST || p->conf->auths[p->auth] != PPP_PAP)
		return;
	emit(p, PPP_PAP, good ? PAP_ACK : PAP_NAK, packet->id, slice(no_text, 1), out);
	if (good && !p->logged_in)
		start_ipcp(p, now, out);
}

/* ---- configure requests of the client ---- */

/* Into `nak` or `reject` goes what we do not grant. */
static void judge_lcp(
	const struct ppp_peer *p, const struct opt_tlv *o, struct wr *nak, struct wr *reject)
{
	(void)nak;
	bool fine = o->type == OPT_MRU || (o->type == OPT_MAGIC && !p->conf->rejects_magic);

	if (!fine)
		opt_put(reject, o->type, o->value);
}

static void judge_ipcp(
	const struct ppp_peer *p, const struct opt_tlv *o, struct wr *nak, struct wr *reject)
{
	const struct ip *give = o->type == OPT_ADDRESS ? &p->conf->pool
				: o->type == OPT_DNS1  ? &p->conf->dns[0]
				: o->type == OPT_DNS2  ? &p->conf->dns[1]
						       : NULL;

	if (!give || give->family == FAMILY_NONE || (o->type == OPT_ADDRESS && p->conf->no_address))
		opt_put(reject, o->type, o->value);
	else if (!slice_equal(o->value, ip_slice(give)))
		opt_put(nak, o->type, ip_slice(give));
}

/* Whoever waits for the other's request asks again too. RFC 1661, 4.1: TO+ in Ack-Rcvd. */
static void stop_when_open(struct half *h)
{
	if (h->ours && h->theirs)
		retry_stop(&h->retry);
}

static void judge(struct ppp_peer *p, struct half *h, const struct ppp_packet *packet, msec now,
	struct pktq *out)
{
	uint8_t naks[256], rejects[256];
	struct wr nak = wr_of(naks, sizeof(naks)), reject = wr_of(rejects, sizeof(rejects));
	struct rd r = rd_of(packet->data);
	struct opt_tlv o;

	while (opt_next(&r, &o))
		(h->protocol == PPP_LCP ? judge_lcp : judge_ipcp)(p, &o, &nak, &reject);
	if (wr_len(&reject)) {
		emit(p, h->protocol, PPP_CONF_REJ, packet->id, wr_slice(&reject), out);
	} else if (wr_len(&nak)) {
		emit(p, h->protocol, PPP_CONF_NAK, packet->id, wr_slice(&nak), out);
	} else {
		bool was_open = h->ours && h->theirs;

		emit(p, h->protocol, PPP_CONF_ACK, packet->id, packet->data, out);
		h->theirs = true;
		stop_when_open(h);
		if (was_open && h->protocol == PPP_IPCP) { /* RFC 1661, 4.1: RCR+ in Opened */
			h->ours = false;
			ask(p, h, true, now, out);
		}
		if (!was_open && h->ours && h->protocol == PPP_LCP)
			lcp_opened(p, now, out);
	}
}

/* A Reject is for what was too much, a Nak for the way to log in; unless there was not too much. */
static void refused(struct ppp_peer *p, struct half *h, bool rejected, msec now, struct pktq *out)
{
	if (h->protocol == PPP_LCP && rejected && p->conf->asks_for_much && !p->plain)
		p->plain = true;
	else if (h->protocol == PPP_LCP && p->auth + 1 < GATEWAY_AUTHS &&
		 p->conf->auths[p->auth + 1])
		p->auth++;
	ask(p, h, true, now, out);
}

/* The client begins anew: everything above LCP goes down. RFC 1661, 3.4. */
static void renegotiate(struct ppp_peer *p, msec now, struct pktq *out)
{
	p->lcp.ours = p->lcp.theirs = p->ipcp.ours = p->ipcp.theirs = false;
	p->logged_in = p->challenged = p->verdict_given = false;
	p->verdict_len = 0;
	retry_stop(&p->chap);
	p->verdict_due = MSEC_NEVER;
	retry_stop(&p->ipcp.retry);
	ask(p, &p->lcp, true, now, out);
}

static void take_control(
	struct ppp_peer *p, struct half *h, struct slice info, msec now, struct pktq *out)
{
	struct ppp_packet packet;

	if (!ppp_packet_parse(info, &packet))
		return;
	switch (packet.code) {
	case PPP_CONF_REQ:
		if (h->protocol == PPP_LCP && h->ours && h->theirs && p->challenged)
			renegotiate(p, now, out);
		judge(p, h, &packet, now, out);
		break;
	case PPP_CONF_ACK:
		if (packet.id != h->id || h->ours)
			break;
		h->ours = true;
		stop_when_open(h);
		if (h->theirs && h->protocol == PPP_LCP)
			lcp_opened(p, now, out);
		break;
	case PPP_CONF_NAK:
	case PPP_CONF_REJ:
		if (packet.id == h->id && !h->ours)
			refused(p, h, packet.code == PPP_CONF_REJ, now, out);
		break;
	case PPP_TERM_REQ:
		h->ours = h->theirs = false;
		retry_stop(&h->retry);
		emit(p, h->protocol, PPP_TERM_ACK, packet.id, slice(NULL, 0), out);
		break;
	case PPP_ECHO_REQ:
		if (packet.data.n >= 4 && h->protocol == PPP_LCP)
			emit(p, PPP_LCP, PPP_ECHO_REPLY, packet.id, slice("\0\0\0", 4), out);
		break;
	default:
		break;
	}
}

/* ---- the face ---- */

struct ppp_peer *ppp_peer_new(const struct gateway_conf *conf, const struct env *env, msec now)
{
	struct ppp_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->conf = conf;
	p->env = env;
	p->lcp = (struct half){.protocol = PPP_LCP, .retry = RETRY_STOPPED};
	p->ipcp = (struct half){.protocol = PPP_IPCP, .retry = RETRY_STOPPED};
	p->lcp_due = conf->ppp_silent ? MSEC_NEVER : now + conf->lcp_delay;
	p->verdict_due = MSEC_NEVER;
	p->chap = RETRY_STOPPED;
	return p;
}

void ppp_peer_free(struct ppp_peer *p)
{
	free(p);
}

void ppp_peer_recv(struct ppp_peer *p, struct pktq *in, msec now, struct pktq *ip, struct pktq *out)
{
	for (struct pkt *f = pktq_take(in); f; f = pktq_take(in)) {
		struct ppp_packet packet;
		struct slice info;
		uint16_t protocol;

		if (!ppp_frame_parse(pkt_slice(f), &protocol, &info)) {
			pkt_free(f);
			continue;
		}
		if (protocol == PPP_IPV4 && ppp_peer_up(p) && pkt_pull(f, f->len - info.n)) {
			pktq_put(ip, f);
			continue;
		}
		if (protocol == PPP_LCP)
			take_control(p, &p->lcp, info, now, out);
		else if (protocol == PPP_IPCP && p->logged_in)
			take_control(p, &p->ipcp, info, now, out);
		else if (protocol == PPP_CHAP && ppp_packet_parse(info, &packet))
			take_chap(p, &packet, now, out);
		else if (protocol == PPP_PAP && ppp_packet_parse(info, &packet))
			take_pap(p, &packet, now, out);
		pkt_free(f);
	}
	if (now >= p->verdict_due)
		give_verdict(p, now, out);
}

void ppp_peer_send(struct ppp_peer *p, struct pktq *ip, struct pktq *out)
{
	for (struct pkt *f = pktq_take(ip); f; f = pktq_take(ip)) {
		uint8_t *head = ppp_peer_up(p) ? pkt_push(f, PPP_HEADER) : NULL;

		if (!head) {
			pkt_free(f);
			continue;
		}
		put_u32(head, 0xff030000 | PPP_IPV4);
		pktq_put(out, f);
	}
}

/* Nothing comes of it: the link ends. RFC 1661, 4.1: TO-. */
static void give_up(struct ppp_peer *p, struct retry *retry, struct pktq *out)
{
	retry_stop(retry);
	p->over = true;
	emit(p, PPP_LCP, PPP_TERM_REQ, ++p->lcp.id, slice(NULL, 0), out);
}

static void tick_half(struct ppp_peer *p, struct half *h, msec now, struct pktq *out)
{
	switch (retry_tick(&h->retry, p->env, now)) {
	case RETRY_SEND:
		h->ours = false;
		ask(p, h, false, now, out);
		break;
	case RETRY_GIVE_UP:
		give_up(p, &h->retry, out);
		break;
	case RETRY_WAIT:
		break;
	}
}

void ppp_peer_tick(struct ppp_peer *p, msec now, struct pktq *out)
{
	if (now >= p->lcp_due) {
		p->lcp_due = MSEC_NEVER;
		ask(p, &p->lcp, true, now, out);
	}
	if (now >= p->verdict_due)
		give_verdict(p, now, out);
	tick_half(p, &p->lcp, now, out);
	tick_half(p, &p->ipcp, now, out);
	switch (retry_tick(&p->chap, p->env, now)) {
	case RETRY_SEND:
		challenge(p, now, out);
		break;
	case RETRY_GIVE_UP:
		give_up(p, &p->chap, out);
		break;
	case RETRY_WAIT:
		break;
	}
}

msec ppp_peer_deadline(const struct ppp_peer *p)
{
	msec due = msec_min(p->lcp_due, p->verdict_due);

	due = msec_min(due, retry_deadline(&p->chap));
	due = msec_min(due, retry_deadline(&p->lcp.retry));
	return msec_min(due, retry_deadline(&p->ipcp.retry));
}

bool ppp_peer_up(const struct ppp_peer *p)
{
	return p->logged_in && p->ipcp.ours && p->ipcp.theirs;
}

bool ppp_peer_logged_in(const struct ppp_peer *p)
{
	return p->logged_in;
}

bool ppp_peer_over(const struct ppp_peer *p)
{
	return p->over;
}

/* A PPP server on strings: tests play its part by hand, packet by packet. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/pkt.h"
#include "base/str.h"
#include "ppp/mschapv2.h"
#include "ppp/ppp.h"
#include "ppp/ppp_frame.h"
#include "tests/vectors/vectors.h"

struct script {
	struct env *env;
	struct ppp_conf conf;
	struct ppp *p;
	msec now;
	struct io out;
};

/* A packet that we sent. */
struct sent {
	uint16_t protocol;
	uint8_t code, id;
	uint8_t data[2048];
	size_t n;
};

/* Octets of a string of hex; good for the next 16 calls. */
static inline struct slice hex(const char *text)
{
	static uint8_t octets[16][2048];
	static unsigned turn;
	uint8_t *to = octets[turn++ % 16];
	size_t n;

	assert_true(str_unhex(text, to, sizeof(octets[0]), &n));
	return slice(to, n);
}

static inline struct ppp_conf script_conf(void)
{
	return (struct ppp_conf){
		.user = slice_str("EXAMPLE\\User"),
		.password = slice_str("clientPass"),
		.auth = PPP_AUTH_MSCHAPV2,
		.mru = 1400,
		.want_dns = true,
		.want_wins = true,
		.echo_interval = SECONDS(20),
		.echo_patience = SECONDS(10),
	};
}

/* One env for all scripts of a program, for setting up OpenSSL takes a millisecond. */
static struct env *script_env;

static inline int script_setup(void **state)
{
	(void)state;
	script_env = test_env_new(7);
	return 0;
}

static inline int script_teardown(void **state)
{
	(void)state;
	test_env_free(script_env);
	return 0;
}

static inline struct script script_with(struct ppp_conf conf)
{
	struct script s = {.env = script_env, .conf = conf, .now = SECONDS(1000)};

	s.p = ppp_new(&conf, s.env);
	assert_non_null(s.p);
	return s;
}

static inline struct script script_new(void)
{
	return script_with(script_conf());
}

static inline void script_end(struct script *s)
{
	pktq_free(&s->out.down);
	pktq_free(&s->out.up);
	ppp_free(s->p);
	assert_int_equal(pkt_pool_live(s->env->pool), 0);
}

/* ---- the server's mouth ---- */

static inline void say_frame(struct script *s, struct slice frame)
{
	struct pktq in = {0};

	pktq_put(&in, pkt_of(s->env->pool, frame));
	ppp_recv(s->p, &in, s->now, &s->out);
	assert_int_equal(in.count, 0);
}

static inline void say(
	struct script *s, uint16_t protocol, uint8_t code, uint8_t id, struct slice data)
{
	uint8_t octets[2048];
	struct wr w = wr_of(octets, sizeof(octets));
	size_t mark = ppp_packet_open(&w, protocol, code, id);

	wr_put(&w, data);
	ppp_packet_close(&w, mark);
	say_frame(s, wr_slice(&w));
}

static inline void say_hex(
	struct script *s, uint16_t protocol, uint8_t code, uint8_t id, const char *data)
{
	say(s, protocol, code, id, hex(data));
}

/* ---- its ears ---- */

/* The first packet of a queue that must have one. */
static inline struct pkt *take(struct pktq *q)
{
	struct pkt *p = pktq_take(q);

	if (!p) {
		fail_msg("no packet");
		abort();
	}
	return p;
}

static inline bool listen(struct script *s, struct sent *to)
{
	struct pkt *frame = pktq_take(&s->out.down);
	struct ppp_packet packet = {0};
	struct slice info;

	if (!frame)
		return false;
	assert_true(ppp_frame_parse(pkt_slice(frame), &to->protocol, &info));
	assert_true(ppp_packet_parse(info, &packet));
	assert_int_equal(frame->data[0], 0xff); /* control packets always have ff 03 */
	*to = (struct sent){to->protocol, packet.code, packet.id, {0}, packet.data.n};
	if (packet.data.n)
		memcpy(to->data, packet.data.p, packet.data.n);
	pkt_free(frame);
	return true;
}

static inline struct sent expect(struct script *s, uint16_t protocol, uint8_t code)
{
	struct sent got = {0};

	assert_true(listen(s, &got));
	assert_int_equal(got.protocol, protocol);
	assert_int_equal(got.code, code);
	return got;
}

static inline struct slice sent_data(const struct sent *x)
{
	return slice(x->data, x->n);
}

/* The same, with this id and these octets of data. */
static inline void expect_data(
	struct script *s, uint16_t protocol, uint8_t code, uint8_t id, const char *data)
{
	struct sent got = expect(s, protocol, code);

	assert_int_equal(got.id, id);
	assert_slice(sent_data(&got), hex(data));
}

static inline void expect_silence(struct script *s)
{
	assert_int_equal(s->out.down.count, 0);
}

static inline void hush(struct script *s)
{
	pktq_free(&s->out.down);
}

/* ---- the owner ---- */

static inline struct ppp_event next_event(struct script *s)
{
	struct ppp_event ev;

	assert_true(ppp_next_event(s->p, &ev));
	return ev;
}

static inline void expect_event(struct script *s, enum ppp_event_kind kind)
{
	struct ppp_event ev = next_event(s);

	assert_int_equal(ev.kind, kind);
}

static inline void expect_step(struct script *s, const char *step)
{
	struct ppp_event ev = next_event(s);

	assert_int_equal(ev.kind, PPP_EV_PROGRESS);
	assert_string_equal(ev.step, step);
}

static inline void expect_no_event(struct script *s)
{
	struct ppp_event ev;

	assert_false(ppp_next_event(s->p, &ev));
}

/* Skips progress; then the link must have failed like this, and nothing may follow. */
static inline struct reason expect_failure(struct script *s, enum reason_id id)
{
	struct ppp_event ev = next_event(s);

	while (ev.kind == PPP_EV_PROGRESS)
		ev = next_event(s);
	assert_int_equal(ev.kind, PPP_EV_FAILED);
	assert_string_equal(reason_row(ev.reason.id)->id, reason_row(id)->id);
	expect_no_event(s);
	assert_int_equal(ppp_deadline(s->p), MSEC_NEVER);
	return ev.reason;
}

static inline void expect_evidence(const struct reason *r, const char *part)
{
	if (!strstr(r->evidence, part))
		fail_msg("\"%s\" is not in \"%s\"", part, r->evidence);
}

static inline struct ppp_status status_of(struct script *s)
{
	struct ppp_status status;

	ppp_get_status(s->p, &status);
	return status;
}

static inline void tick(struct script *s)
{
	ppp_tick(s->p, s->now, &s->out);
}

/* To the next deadline; false when there is none. */
static inline bool pass_time(struct script *s)
{
	msec due = ppp_deadline(s->p);

	if (due == MSEC_NEVER)
		return false;
	assert_true(due >= s->now);
	s->now = due;
	tick(s);
	return true;
}

/* ---- whole phases ---- */

/* Our first request is waiting to be heard. */
static inline struct script script_opened(void)
{
	struct script s = script_new();

	ppp_open(s.p, s.now, &s.out);
	return s;
}

static const char auth_mschapv2_option[] = "0305c22381";

static inline void answer_lcp(struct script *s)
{
	struct sent ask = expect(s, PPP_LCP, PPP_CONF_REQ);

	say(s, PPP_LCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
}

/* LCP opened, with these options of the server's. */
static inline void open_lcp(struct script *s, const char *options)
{
	ppp_open(s->p, s->now, &s->out);
	answer_lcp(s);
	say_hex(s, PPP_LCP, PPP_CONF_REQ, 1, options);
	expect_data(s, PPP_LCP, PPP_CONF_ACK, 1, options);
}

static const char challenge_16[] = "5b5d7c7d7b3f2f3e3c2c602132262628";

/* Size, value, name "srv". */
static inline void say_challenge(struct script *s, uint8_t id, const char *value)
{
	uint8_t octets[300];
	struct wr w = wr_of(octets, sizeof(octets));
	struct slice v = hex(value);

	wr_u8(&w, (uint8_t)v.n);
	wr_put(&w, v);
	wr_put(&w, slice_str("srv"));
	say(s, PPP_CHAP, CHAP_CHALLENGE, id, wr_slice(&w));
}

/* What a server that knows `password` answers to this response; "S=" and 40 digits. */
static inline void prove(struct script *s, const struct sent *response, const char *challenge,
	const char *password, uint8_t to[MSCHAPV2_PROOF])
{
	uint8_t hash[NT_HASH], both[MSCHAP_CHALLENGE], nt[MSCHAP_RESPONSE];

	assert_true(response->n >= 1 + MSCHAPV2_VALUE);
	assert_true(nt_hash(s->env->crypto, slice_str(password), hash));
	assert_true(mschapv2_challenge_hash(s->env->crypto, response->data + 1, hex(challenge).p,
		slice(response->data + 50, response->n - 50), both));
	assert_true(mschap_response(s->env->crypto, both, hash, nt));
	assert_memory_equal(nt, response->data + 25, MSCHAP_RESPONSE);
	assert_true(mschapv2_proof(s->env->crypto, hash, nt, both, to));
}

static inline void say_success(struct script *s, const struct sent *response, const char *challenge,
	const char *password, const char *text)
{
	uint8_t octets[300];
	struct wr w = wr_of(octets, sizeof(octets));
	uint8_t *proof = wr_room(&w, MSCHAPV2_PROOF);

	prove(s, response, challenge, password, proof);
	wr_put(&w, slice_str(text));
	say(s, PPP_CHAP, CHAP_SUCCESS, response->id, wr_slice(&w));
}

static inline void pass_auth(struct script *s)
{
	say_challenge(s, 9, challenge_16);
	struct sent response = expect(s, PPP_CHAP, CHAP_RESPONSE);
	say_success(s, &response, challenge_16, "clientPass", " M=Welcome");
	assert_true(status_of(s).authenticated);
}

/* Our address 10.0.0.9, DNS 10.0.0.1 and .2, no NBNS; the server is 10.0.0.1. */
static inline void pass_ipcp(struct script *s)
{
	struct sent ask = expect(s, PPP_IPCP, PPP_CONF_REQ);

	assert_slice(sent_data(&ask), hex("030600000000"
					  "810600000000"
					  "820600000000"
					  "830600000000"
					  "840600000000"));
	say_hex(s, PPP_IPCP, PPP_CONF_REJ, ask.id,
		"820600000000"
		"840600000000");
	ask = expect(s, PPP_IPCP, PPP_CONF_REQ);
	assert_slice(sent_data(&ask), hex("030600000000"
					  "810600000000"
					  "830600000000"));
	say_hex(s, PPP_IPCP, PPP_CONF_NAK, ask.id,
		"03060a000009"
		"81060a000001"
		"83060a000002");
	ask = expect(s, PPP_IPCP, PPP_CONF_REQ);
	say(s, PPP_IPCP, PPP_CONF_ACK, ask.id, sent_data(&ask));
	say_hex(s, PPP_IPCP, PPP_CONF_REQ, 1, "03060a000001");
	expect_data(s, PPP_IPCP, PPP_CONF_ACK, 1, "03060a000001");
}

static inline struct script script_up_with(struct ppp_conf conf, const char *options)
{
	struct script s = script_with(conf);

	open_lcp(&s, options);
	pass_auth(&s);
	pass_ipcp(&s);
	expect_step(&s, "lcp");
	expect_step(&s, "auth");
	expect_step(&s, "ipcp");
	expect_event(&s, PPP_EV_UP);
	expect_no_event(&s);
	expect_silence(&s);
	return s;
}

static inline struct script script_up(void)
{
	return script_up_with(script_conf(), auth_mschapv2_option);
}

/* A whole IPv4 header, to nobody. */
static const char ipv4_packet[] = "4500001400000000400100000a0000010a000009";

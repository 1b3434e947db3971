#include "tests/fuzz/stage_ike.h"

#include <string.h>

#include "ike/ike.h"
#include "tests/fuzz/tamper.h"
#include "tests/peer/ike_peer_priv.h"

enum { KEPT = 8, STEPS_MAX = 16, TICKS_MAX = 32, UNIT = 16, NEVER_UP = 0x80 };

/* The lowest bits of a record's first octet. */
enum step {
	STEP_GENUINE,
	STEP_EDIT,    /* the gateway's answer with edits */
	STEP_REPLACE, /* the octets instead of the answer's payloads */
	STEP_LOSE,    /* what the client said */
	STEP_REPLAY,  /* something heard before */
	STEP_INFORM,  /* an informational of the octets */
	STEP_ACT,     /* the gateway does something of its own */
	STEP_RAW,     /* the octets as they stand, under the right cookies */
};
enum { MEND = 0x08, TWICE = 0x10, SAY_NO = 0x20, LANE = 0x40 };

struct stage {
	const struct env *env;
	struct env server_env;
	uint64_t server_rng;
	struct ike_conf conf;
	struct gateway_conf gateway;
	struct ike *ike;
	struct ike_peer *peer;
	msec now;
	bool over, say_no, wrong_psk;
	uint32_t next_spi;
	struct pktq to_server;
	struct pkt *kept[KEPT];
	unsigned n_kept;
};

static struct addr client_addr(enum lane lane)
{
	return (struct addr){ip_v4(0xc000020a), lane == LANE_IKE ? 500 : 4500};
}

/* ---- the client's side ---- */

static void take_event(struct stage *s, const struct ike_event *ev, struct io *out)
{
	struct tamper_proofs proofs = tamper_proofs();
	struct answer answer = {.yes = !s->say_no, .why = "no room", .spi = s->next_spi};

	/* Whatever is believed has been proved. */
	if (ev->kind == IKE_EV_PHASE1_UP)
		fuzz_require(proofs.auth > 0 && !s->wrong_psk);
	if (ev->kind == IKE_EV_WANT_SA || ev->kind == IKE_EV_USE_SA)
		fuzz_require(proofs.quick > 0 && !s->wrong_psk);
	if (ev->kind == IKE_EV_WANT_SA)
		fuzz_require(ev->pair->out.spi >= ESP_SPI_MIN && ev->pair->in.spi >= ESP_SPI_MIN);
	if (ev->kind == IKE_EV_WANT_SPI || ev->kind == IKE_EV_WANT_SA) {
		s->next_spi++;
		ike_answer(s->ike, ev->id, &answer, s->now, out);
	}
	s->over |= ev->kind == IKE_EV_FAILED;
}

static void check_clear(const struct stage *s, const struct pkt *p)
{
	struct ike_hdr hdr;

	if (p->len == 1 && p->lane == LANE_NATT && p->data[0] == 0xff)
		return;
	fuzz_require(ike_hdr_parse(pkt_slice(p), &hdr));
	fuzz_require(hdr.exchange == IKE_MAIN || hdr.flags & IKE_ENCRYPTED);
	fuzz_require(!fuzz_contains(pkt_slice(p), s->conf.psk));
}

static void drain(struct stage *s, struct io *out)
{
	struct ike_event ev;
	unsigned events = 0;

	while (!s->over && ike_next_event(s->ike, &ev)) {
		take_event(s, &ev, out);
		fuzz_require(++events < 64);
	}
	fuzz_require(out->up.count == 0 && out->down.count <= 64);
	pktq_for_each (p, &out->down)
		check_clear(s, p);
	pktq_join(&s->to_server, &out->down);
	while (s->to_server.count > 64)
		pkt_free(pktq_take(&s->to_server));
}

static void pass(struct stage *s, msec end)
{
	const int most = TICKS_MAX + (int)((end - s->now) / 100);
	struct io out = {0};

	for (int ticks = 0; !s->over && ike_deadline(s->ike) <= end; ticks++) {
		fuzz_require(ticks < most);
		if (ike_deadline(s->ike) > s->now)
			s->now = ike_deadline(s->ike);
		ike_tick(s->ike, s->now, &out);
		drain(s, &out);
	}
	s->now = end;
}

static void keep(struct stage *s, const struct pkt *p)
{
	struct pkt **at = &s->kept[s->n_kept++ % KEPT];

	pkt_free(*at);
	*at = pkt_of(s->env->pool, pkt_slice(p));
	fuzz_require(*at);
	(*at)->lane = p->lane;
}

static void deliver(struct stage *s, struct pktq *in)
{
	struct io out = {0};

	pktq_for_each (p, in)
		keep(s, p);
	if (s->over)
		pktq_free(in);
	else
		ike_recv(s->ike, in, s->now, &out);
	fuzz_require(in->count == 0);
	drain(s, &out);
}

/* ---- the gateway's side ---- */

static void take_news(struct stage *s)
{
	struct ike_peer_news news;

	while (ike_peer_next(s->peer, &news))
		;
}

/* What goes in the clear was not sealed, so it is changed here. */
static void change_clear(struct stage *s, const struct tamper *t, struct pktq *answers)
{
	struct pkt *p = answers->head;
	struct pktq changed = {0};
	struct ike_hdr hdr;

	if (!p || !ike_hdr_parse(pkt_slice(p), &hdr) || hdr.flags & IKE_ENCRYPTED)
		return;
	while ((p = pktq_take(answers)))
		pktq_put(&changed, changed.head ? p : tamper_pkt(s->env, t, p));
	*answers = changed;
}

static void serve(struct stage *s, const struct tamper *t)
{
	struct pkt *p = pktq_take(&s->to_server);
	struct pktq answers = {0};

	if (!p)
		return;
	struct addr from = client_addr(p->lane);
	tamper_begin(t);
	ike_peer_recv(s->peer, p, &from, s->now, &answers);
	tamper_end();
	take_news(s);
	if (t)
		change_clear(s, t, &answers);
	deliver(s, &answers);
}

static struct phase1 *established(struct stage *s)
{
	for (int i = 0; i < PHASE1S; i++)
		if (s->peer->phase1[i].state == P1_UP)
			return &s->peer->phase1[i];
	return NULL;
}

/* An informational's payloads: type 8, length 8, body, again. With `mend` the SPI of a notify or
 * delete, where its length says that there is one, is one that means something. */
struct inform {
	struct rd octets;
	bool mend;
	const struct ike_peer *peer;
	const struct phase1 *p1;
};

static void mend_spi(const struct inform *in, uint8_t *body, size_t n)
{
	enum { SPI_LEN_AT = 5, SPI_AT = 8 };

	if (n >= SPI_AT + 2 * IKE_COOKIE && body[SPI_LEN_AT] == 2 * IKE_COOKIE) {
		memcpy(body + SPI_AT, in->p1->cookie_i, IKE_COOKIE);
		memcpy(body + SPI_AT + IKE_COOKIE, in->p1->cookie_r, IKE_COOKIE);
	}
	for (int i = 0; i < QUICKS && n >= SPI_AT + 4 && body[SPI_LEN_AT] == 4; i++)
		if (in->peer->quick[i].done)
			put_u32(body + SPI_AT, in->peer->quick[i].spi_in);
}

static void fill(struct ike_build *b, void *arg)
{
	struct inform *in = arg;
	struct rd *r = &in->octets;

	while (rd_left(r) >= 2) {
		uint8_t type = rd_u8(r), body[UINT8_MAX];
		size_t n = rd_u8(r), left = rd_left(r);

		n = n < left ? n : left;
		rd_copy(r, body, n);
		if (in->mend && (type == IKE_N || type == IKE_D))
			mend_spi(in, body, n);
		ike_put(b, type, slice(body, n));
	}
}

static void inform(struct stage *s, struct slice octets, bool mend)
{
	struct phase1 *p1 = established(s);
	struct inform in = {rd_of(octets), mend, s->peer, p1};
	struct pktq out = {0};

	if (!p1)
		return;
	tamper_begin(NULL);
	peer_inform(s->peer, p1, &out, fill, &in);
	tamper_end();
	deliver(s, &out);
}

static void act(struct stage *s, struct slice octets, const struct tamper *t)
{
	struct rd r = rd_of(octets);
	uint8_t what = rd_u8(&r);
	struct pktq out = {0};
	struct tamper rest = {.how = TAMPER_EDIT, .mend = t->mend, .octets = rd_rest(&r)};

	tamper_begin(&rest);
	switch (what % 5) {
	case 0:
		ike_peer_rekey(s->peer, s->now, &out);
		break;
	case 1:
		for (int i = 0; i < QUICKS; i++)
			if (s->peer->quick[i].done)
				ike_peer_delete_esp(
					s->peer, s->peer->quick[i].spi_in, s->now, &out);
		break;
	case 2:
		ike_peer_delete_ike(s->peer, s->now, &out);
		break;
	case 3:
		ike_peer_tick(s->peer, s->now, &out);
		break;
	case 4:
		s->gateway.refuses_quick = !s->gateway.refuses_quick;
		break;
	}
	tamper_end();
	take_news(s);
	deliver(s, &out);
}

static void send_raw(struct stage *s, enum lane lane, struct slice octets)
{
	struct pktq in = {0};
	struct pkt *p = pkt_of(s->env->pool, octets);
	struct ike_status status;

	fuzz_require(p);
	ike_get_status(s->ike, &status);
	if (p->len >= 2 * IKE_COOKIE) {
		memcpy(p->data, status.cookie_i, IKE_COOKIE);
		memcpy(p->data + IKE_COOKIE, status.cookie_r, IKE_COOKIE);
	}
	p->lane = lane;
	pktq_put(&in, p);
	deliver(s, &in);
}

static void replay(struct stage *s, struct slice octets)
{
	const struct pkt *seen = s->kept[octets.n ? octets.p[0] % KEPT : 0];
	struct pktq in = {0};

	if (!seen)
		return;
	struct pkt *p = pkt_of(s->env->pool, pkt_slice(seen));
	fuzz_require(p);
	p->lane = seen->lane;
	if (octets.n > 1)
		p->len = tamper_edit(slice(octets.p + 1, octets.n - 1), p->data, p->len, p->len);
	pktq_put(&in, p);
	deliver(s, &in);
}

static void step(struct stage *s, struct slice record)
{
	struct rd r = rd_of(record);
	uint8_t how = rd_u8(&r);
	msec units = rd_u8(&r);
	struct slice octets = rd_rest(&r);
	struct tamper t = {.mend = how & MEND, .octets = octets};

	/* The longest waits are for renewals and dead peers. */
	pass(s, s->now + (units < 0xf0 ? units * UNIT : (units & 0xf) * SECONDS(300)));
	s->say_no = how & SAY_NO;
	switch ((enum step)(how & 7)) {
	case STEP_GENUINE:
		serve(s, NULL);
		break;
	case STEP_EDIT:
		t.how = TAMPER_EDIT;
		serve(s, &t);
		break;
	case STEP_REPLACE:
		t.how = TAMPER_REPLACE;
		serve(s, &t);
		break;
	case STEP_LOSE:
		pkt_free(pktq_take(&s->to_server));
		break;
	case STEP_REPLAY:
		replay(s, octets);
		break;
	case STEP_INFORM:
		inform(s, octets, t.mend);
		break;
	case STEP_ACT:
		act(s, octets, &t);
		break;
	case STEP_RAW:
		send_raw(s, how & LANE ? LANE_NATT : LANE_IKE, octets);
		break;
	}
	if (how & TWICE)
		serve(s, NULL);
}

/* ---- life ---- */

static void configure(struct stage *s, uint8_t choice)
{
	static const char *const suites[] = {"aes256-sha256-curve25519", "aes128-sha1-ecp256",
		"3des-sha1-curve25519", "aes256-sha384-curve25519"};
	const char *wrong;

	s->conf = (struct ike_conf){.psk = slice_str("correct horse battery"),
		.raw_esp = choice & 1,
		.l2tp_port = 1701,
		.ike_life_s = 28800,
		.esp_life_s = 3600,
		.rekey = true,
		.initial_contact = choice & 2,
		.dpd_interval = SECONDS(30)};
	gateway_defaults(&s->gateway);
	s->gateway.psk = s->conf.psk;
	s->gateway.natt_draft = choice & 4;
	s->gateway.fake_nat_d = choice & 8;
	s->gateway.rekey_pfs = choice & 2 ? DH_CURVE25519 : DH_NONE;
	fuzz_require(ike_proposals_tier("compatible", &s->conf.proposals));
	fuzz_require(ike_suites_parse(suites[choice >> 4 & 3], &s->conf.proposals, &wrong));
	memcpy(s->gateway.accept.ike, s->conf.proposals.ike, sizeof(s->gateway.accept.ike));
	s->gateway.accept.n_ike = s->conf.proposals.n_ike;
	s->wrong_psk = choice & NEVER_UP;
	if (s->wrong_psk)
		s->gateway.psk = slice_str("wrong horse battery");
	for (enum lane lane = LANE_IKE; lane < LANES; lane++) {
		s->conf.local[lane] = client_addr(lane);
		s->conf.remote[lane] = s->gateway.addr[lane] =
			(struct addr){ip_v4(0xc6336401), lane == LANE_IKE ? 500 : 4500};
	}
}

static void stage_open(struct stage *s)
{
	struct io out = {0};

	s->server_rng = 2;
	s->server_env = *s->env;
	s->server_env.ctx = &s->server_rng;
	s->now = 1000000;
	s->next_spi = 0xc0000001;
	tamper_reset(s->env);
	s->ike = ike_new(&s->conf, s->env);
	s->peer = ike_peer_new(&s->gateway, &s->server_env);
	fuzz_require(s->ike && s->peer);
	ike_open(s->ike, s->now, &out);
	drain(s, &out);
}

static void stage_close(struct stage *s)
{
	struct io out = {0};

	if (!s->over)
		ike_close(s->ike, s->now, &out);
	drain(s, &out);
	for (int i = 0; i < KEPT; i++)
		pkt_free(s->kept[i]);
	pktq_free(&s->to_server);
	ike_peer_free(s->peer);
	ike_free(s->ike);
}

void stage_ike(const struct env *env, struct slice input, unsigned steps_before)
{
	struct stage s = {.env = env};
	struct rd r = rd_of(input);
	struct slice record;

	configure(&s, rd_u8(&r));
	if (fuzz_contains(input, s.conf.psk))
		return;
	stage_open(&s);
	for (unsigned i = 0; i < steps_before; i++) {
		pass(&s, s.now + UNIT);
		serve(&s, NULL);
	}
	for (int i = 0; i < STEPS_MAX && !s.over && fuzz_next(&r, &record); i++)
		step(&s, record);
	stage_close(&s);
}

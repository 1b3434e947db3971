/* The whole client (struct conn) against the gateway of the tests, with the input as its hand: each
 * step is what the server does next, its messages changed before they are encrypted (tamper.h).
 *
 * The input: a choice 8, how many steps go well before 8, then records (fuzz.h), each a step: what 8,
 * time 8, octets. What must always hold is checked at every packet and every event. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "daemon/conn.h"
#include "ike/ike_msg.h"
#include "tests/fuzz/tamper.h"
#include "tests/peer/gateway.h"

enum { KEPT = 8, STEPS_MAX = 24, BEFORE_MAX = 48, QUEUE = 64, SPIS = 64, UNIT = 16, LONG = 0xf0 };

/* The lowest bits of a step's first octet, and the others. */
enum step {
	STEP_GENUINE, /* the gateway's answer; with ALL, to everything that is on its way */
	STEP_EDIT,
	STEP_REPLACE,
	STEP_LOSE,
	STEP_REPLAY,
	STEP_ACT_GATEWAY,
	STEP_ACT_CLIENT,
	STEP_RAW,
};
enum { MEND = 0x08, ALL = 0x10, SAY_NO = 0x20, LANE = 0x40 };

enum choice {
	CHOICE_WRONG_PSK = 0x01,
	CHOICE_WRONG_PASSWORD = 0x02, /* the gateway's: it can prove nothing */
	CHOICE_ASK = 0x04,
	CHOICE_NAT = 0x08,
	CHOICE_MUCH = 0x10, /* LCP options of Windows, numbered data */
	CHOICE_TUNNEL_SECRET = 0x20,
	CHOICE_WEAK = 0x40, /* PAP and CHAP-MD5 are allowed and asked for */
	CHOICE_RENEWS = 0x80,
};

static const char psk[] = "correct horse battery staple", user[] = "EXAMPLE\\alice.liddell",
		  password[] = "through the looking-glass";

struct client {
	const struct env *env;
	struct env gateway_env;
	uint64_t gateway_rng;
	struct conn_conf conf;
	struct gateway_conf gateway_conf;
	struct conn *conn;
	struct gateway *gateway;
	uint8_t choice;
	msec now;
	bool say_no, sockets, ended, up;
	unsigned events, sent, idle_ticks;
	unsigned quick_modes_before, logins_before;
	uint32_t spis[SPIS]; /* that ESP may be sent on */
	unsigned n_spis;
	struct pktq to_server;
	struct pkt *kept[KEPT];
	unsigned n_kept;
};

/* ---- what must hold on the wire ---- */

static bool holds_secret(struct slice octets)
{
	return fuzz_contains(octets, slice_str(psk)) ||
	       fuzz_contains(octets, slice_str(password)) || fuzz_contains(octets, slice_str(user));
}

static void check_isakmp(struct slice message)
{
	struct ike_hdr hdr;

	fuzz_require(ike_hdr_parse(message, &hdr));
	fuzz_require(hdr.exchange == IKE_MAIN || hdr.flags & IKE_ENCRYPTED);
}

static void learn_spis(struct client *c)
{
	struct esp_sa_status sa;

	for (unsigned i = 0; conn_get_sa(c->conn, i, &sa); i++)
		c->spis[c->n_spis++ % SPIS] = sa.spi_out;
}

static void check_esp(const struct client *c, struct slice packet)
{
	enum { LEAST = 8 + 8 + 4 + 12 };
	bool known = false;

	fuzz_require(packet.n >= LEAST && !(c->choice & CHOICE_WRONG_PSK));
	for (unsigned i = 0; i < SPIS; i++)
		known |= c->spis[i] == get_u32(packet.p);
	fuzz_require(known && get_u32(packet.p) >= ESP_SPI_MIN);
}

/* Nothing in clear: what is no ISAKMP and no keepalive is ESP on an SPI that was agreed on. */
static void check_packet(const struct client *c, const struct pkt *p)
{
	struct slice octets = pkt_slice(p);

	fuzz_require(!holds_secret(octets));
	fuzz_require(p->len <= 1500 - 28 && p->lane < LANE_RAW);
	if (p->lane == LANE_IKE)
		check_isakmp(octets);
	else if (p->len > 4 && get_u32(p->data) == 0)
		check_isakmp(slice(octets.p + 4, octets.n - 4));
	else if (p->len != 1 || p->data[0] != 0xff)
		check_esp(c, octets);
}

/* The gateway has seen IKE and a pair of this attempt come up. */
static bool is_protected(const struct client *c)
{
	struct gateway_status st;

	gateway_get_status(c->gateway, &st);
	return st.main_modes > 0 && st.quick_modes > c->quick_modes_before;
}

static void check_up(const struct client *c)
{
	struct gateway_status st;

	gateway_get_status(c->gateway, &st);
	fuzz_require(is_protected(c) && st.logins > c->logins_before && st.password_seen);
	fuzz_require(!(c->choice & (CHOICE_WRONG_PSK | CHOICE_WRONG_PASSWORD)));
}

/* A step is done only with what has been proved: by IKE's hashes, by MS-CHAPv2. */
static void check_step(const struct client *c, enum stack_step done)
{
	struct tamper_proofs proofs = tamper_proofs();

	fuzz_require(!(c->choice & CHOICE_WRONG_PSK));
	if (done == STEP_IKE)
		fuzz_require(proofs.auth > 0);
	if (done == STEP_ESP)
		fuzz_require(proofs.quick > 0);
	if (done == STEP_LOGIN)
		fuzz_require(!(c->choice & CHOICE_WRONG_PASSWORD));
}

/* ---- the client's host ---- */

static void open_sockets(struct client *c, uint32_t id, struct io *out)
{
	struct conn_sockets sockets = {.first_lane = LANE_IKE};
	struct gateway_status st;
	struct reason no;

	gateway_get_status(c->gateway, &st);
	c->quick_modes_before = st.quick_modes;
	c->logins_before = st.logins;
	reason_set(&no, REASON_LOCAL_SOCKET, "no socket here");
	for (enum lane lane = LANE_IKE; lane <= LANE_NATT; lane++) {
		sockets.local[lane] =
			(struct addr){ip_v4(0xc000020a), lane == LANE_IKE ? 500 : 4500};
		sockets.remote[lane] = c->gateway_conf.addr[lane];
	}
	c->sockets = !c->say_no;
	conn_opened(c->conn, id, c->say_no ? NULL : &sockets, &no, c->now, out);
}

static void answer_secret(struct client *c, uint32_t id, struct io *out)
{
	struct answer answer = {
		.yes = !c->say_no, .why = "nobody is there", .secret = slice_str(password)};

	fuzz_require(is_protected(c) && c->choice & CHOICE_ASK);
	conn_secret(c->conn, id, &answer, c->now, out);
}

static void take_event(struct client *c, const struct conn_event *ev, struct io *out)
{
	const struct ip *address = &c->gateway_conf.addr[LANE_IKE].ip;
	struct reason no;

	reason_set(&no, REASON_LOCAL_TUN, "no interface here");
	switch (ev->kind) {
	case CONN_EV_WANT_ADDRESSES:
		conn_resolved(c->conn, ev->id, address, !c->say_no, "no such name", c->now, out);
		break;
	case CONN_EV_WANT_SOCKETS:
		open_sockets(c, ev->id, out);
		break;
	case CONN_EV_WANT_SECRET:
		answer_secret(c, ev->id, out);
		break;
	case CONN_EV_WANT_LINK:
		conn_linked(c->conn, ev->id, c->say_no ? &no : NULL, c->now, out);
		break;
	case CONN_EV_WANT_HANDOVER:
		fuzz_require(false); /* no kernel was offered */
		break;
	case CONN_EV_UP:
		check_up(c);
		c->up = true;
		break;
	case CONN_EV_CLOSE_SOCKETS:
		c->sockets = false;
		break;
	case CONN_EV_STEP:
		check_step(c, ev->step);
		break;
	case CONN_EV_DROP_LINK:
	case CONN_EV_RETRY:
		c->up = false;
		break;
	case CONN_EV_ENDED:
		c->up = false;
		c->ended = true;
		break;
	}
}

static void drain(struct client *c, struct io *out)
{
	struct conn_event ev;
	unsigned n = 0;

	while (conn_next_event(c->conn, &ev)) {
		take_event(c, &ev, out);
		fuzz_require(++n < 64);
	}
	learn_spis(c);
	pktq_for_each (p, &out->down)
		check_packet(c, p);
	fuzz_require(out->down.count <= PKT_BATCH);
	c->events += n;
	c->sent += (unsigned)out->down.count;
	pktq_join(&c->to_server, &out->down);
	while (c->to_server.count > QUEUE)
		pkt_free(pktq_take(&c->to_server));
	pktq_free(&out->up);
	fuzz_require(pkt_pool_live(c->env->pool) <= 8 * QUEUE);
}

static void keep(struct client *c, const struct pkt *p)
{
	struct pkt **at = &c->kept[c->n_kept++ % KEPT];

	pkt_free(*at);
	*at = pkt_of(c->env->pool, pkt_slice(p));
	fuzz_require(*at);
	(*at)->lane = p->lane;
}

static void deliver(struct client *c, struct pktq *in)
{
	struct io out = {0};

	pktq_for_each (p, in)
		keep(c, p);
	if (!c->sockets)
		pktq_free(in);
	learn_spis(c);
	conn_recv(c->conn, in, c->now, &out);
	fuzz_require(in->count == 0);
	drain(c, &out);
}

/* A deadline that has passed leads to something, or to another deadline. */
static void tick_client(struct client *c)
{
	struct io out = {0};
	unsigned events = c->events, sent = c->sent;

	learn_spis(c);
	conn_tick(c->conn, c->now, &out);
	drain(c, &out);
	bool progress = c->events != events || c->sent != sent || conn_deadline(c->conn) > c->now;
	c->idle_ticks = progress ? 0 : c->idle_ticks + 1;
	fuzz_require(c->idle_ticks <= 2);
}

/* ---- the gateway ---- */

/* What goes in the clear was not sealed, so it is changed here. */
static void change_clear(struct client *c, const struct tamper *t, struct pktq *answers)
{
	struct pkt *p = answers->head;
	struct pktq changed = {0};
	struct ike_hdr hdr;

	if (!p || p->lane != LANE_IKE || !ike_hdr_parse(pkt_slice(p), &hdr) ||
		hdr.flags & IKE_ENCRYPTED)
		return;
	while ((p = pktq_take(answers)))
		pktq_put(&changed, changed.head ? p : tamper_pkt(c->env, t, p));
	*answers = changed;
}

static void from_gateway(struct client *c, const struct tamper *t, struct io *out)
{
	tamper_end();
	if (t)
		change_clear(c, t, &out->down);
	pktq_free(&out->up);
	deliver(c, &out->down);
}

static void serve(struct client *c, const struct tamper *t)
{
	struct pkt *p = pktq_take(&c->to_server);
	struct pktq in = {0};
	struct io out = {0};

	if (!p)
		return;
	struct addr from = {ip_v4(c->choice & CHOICE_NAT ? 0xcb007105 : 0xc000020a),
		p->lane == LANE_IKE ? 500 : 4500};
	pktq_put(&in, p);
	tamper_begin(t);
	gateway_recv(c->gateway, &in, &from, c->now, &out);
	from_gateway(c, t, &out);
}

static void pass(struct client *c, msec end)
{
	enum { TICKS_MAX = 2000 };

	for (int ticks = 0;; ticks++) {
		msec client = conn_deadline(c->conn), gateway = gateway_deadline(c->gateway);
		msec due = msec_min(client, gateway);
		struct io out = {0};

		if (due > end)
			break;
		fuzz_require(ticks < TICKS_MAX);
		c->now = due > c->now ? due : c->now;
		if (client <= c->now) {
			tick_client(c);
		} else {
			tamper_begin(NULL);
			gateway_tick(c->gateway, c->now, &out);
			from_gateway(c, NULL, &out);
		}
	}
	c->now = end;
}

/* ---- steps ---- */

static struct pkt *ip_packet(struct client *c, struct slice octets)
{
	struct pkt *p = pkt_new(c->env->pool, 1500);

	fuzz_require(p);
	struct wr w = pkt_wr(p);
	wr_u32(&w, 0x45000000u | (uint32_t)(20 + octets.n % 1000));
	wr_zero(&w, 16);
	wr_put(&w, slice(octets.p, octets.n % 1000));
	fuzz_require(pkt_wrote(p, &w));
	return p;
}

static void act_gateway(struct client *c, struct slice octets, bool mend)
{
	struct rd r = rd_of(octets);
	uint8_t what = rd_u8(&r);
	struct tamper t = {.how = TAMPER_EDIT, .mend = mend, .octets = rd_rest(&r)};
	struct pktq ip = {0};
	struct io out = {0};

	tamper_begin(&t);
	switch (what % 8) {
	case 0:
		gateway_rekey(c->gateway, c->now, &out);
		break;
	case 1:
		gateway_delete_esp(c->gateway, c->now, &out);
		break;
	case 2:
		gateway_delete_ike(c->gateway, c->now, &out);
		break;
	case 3:
		gateway_stop(c->gateway, "down for maintenance", c->now, &out);
		break;
	case 4:
		gateway_restart(c->gateway);
		break;
	case 5:
		gateway_silence(c->gateway, what & 8);
		break;
	default:
		pktq_put(&ip, ip_packet(c, t.octets));
		gateway_send(c->gateway, &ip, c->now, &out);
		break;
	}
	from_gateway(c, &t, &out);
}

static void act_client(struct client *c, struct slice octets)
{
	struct rd r = rd_of(octets);
	uint8_t what = rd_u8(&r);
	struct pktq ip = {0};
	struct io out = {0};

	learn_spis(c);
	switch (what % 6) {
	case 0:
		conn_close(c->conn, what & 8 ? REASON_CANCELLED : REASON_NONE, c->now, &out);
		break;
	case 1:
		conn_renew(c->conn, c->now, &out);
		break;
	case 2:
		conn_net_error(
			c->conn, what & 8 ? CONN_UNREACHABLE : CONN_PORT_CLOSED, c->now, &out);
		break;
	case 3:
		conn_open(c->conn, c->now, &out);
		break;
	default:
		pktq_put(&ip, ip_packet(c, rd_rest(&r)));
		conn_send(c->conn, &ip, c->now, &out);
		fuzz_require(ip.count == 0);
		break;
	}
	drain(c, &out);
}

/* Something heard before, edited or not; or anything. */
static void send_again(struct client *c, struct slice octets)
{
	const struct pkt *seen = c->kept[octets.n ? octets.p[0] % KEPT : 0];
	struct pktq in = {0};

	if (!seen)
		return;
	struct pkt *p = pkt_of(c->env->pool, pkt_slice(seen));
	fuzz_require(p);
	p->lane = seen->lane;
	if (octets.n > 1)
		p->len = tamper_edit(slice(octets.p + 1, octets.n - 1), p->data, p->len, p->len);
	pktq_put(&in, p);
	deliver(c, &in);
}

static void send_raw(struct client *c, enum lane lane, struct slice octets)
{
	struct pktq in = {0};
	struct pkt *p = pkt_of(c->env->pool, octets);

	fuzz_require(p);
	p->lane = lane;
	pktq_put(&in, p);
	deliver(c, &in);
}

static void step(struct client *c, struct slice record)
{
	struct rd r = rd_of(record);
	uint8_t how = rd_u8(&r), units = rd_u8(&r);
	struct slice octets = rd_rest(&r);
	struct tamper t = {.how = how & 7 ? (how & 7) == STEP_EDIT ? TAMPER_EDIT : TAMPER_REPLACE
					  : TAMPER_NOTHING,
		.mend = how & MEND,
		.octets = octets};

	pass(c, c->now + (units < LONG ? (msec)units * UNIT : (msec)(units & 0xf) * SECONDS(30)));
	c->say_no = how & SAY_NO;
	switch ((enum step)(how & 7)) {
	case STEP_GENUINE:
		serve(c, NULL);
		break;
	case STEP_EDIT:
	case STEP_REPLACE:
		serve(c, &t);
		break;
	case STEP_LOSE:
		pkt_free(pktq_take(&c->to_server));
		break;
	case STEP_REPLAY:
		send_again(c, octets);
		break;
	case STEP_ACT_GATEWAY:
		act_gateway(c, octets, t.mend);
		break;
	case STEP_ACT_CLIENT:
		act_client(c, octets);
		break;
	case STEP_RAW:
		send_raw(c, how & LANE ? LANE_NATT : LANE_IKE, octets);
		break;
	}
	for (int i = 0; how & ALL && c->to_server.head && i < BEFORE_MAX; i++)
		serve(c, NULL);
}

/* ---- life ---- */

static void configure_gateway(struct client *c)
{
	struct gateway_conf *g = &c->gateway_conf;

	gateway_defaults(g);
	g->psk = slice_str(c->choice & CHOICE_WRONG_PSK ? "wrong horse" : psk);
	g->user = user;
	g->password = c->choice & CHOICE_WRONG_PASSWORD ? "another" : password;
	g->asks_for_much = g->length_in_data = g->sequence_in_data = c->choice & CHOICE_MUCH;
	if (c->choice & CHOICE_TUNNEL_SECRET)
		g->l2tp_secret = slice_str("tunnel secret");
	if (c->choice & CHOICE_WEAK) {
		g->auths[0] = c->choice & CHOICE_MUCH ? 0xc023 : GATEWAY_CHAP_MD5;
		g->auths[1] = 0xc223;
	}
	if (c->choice & CHOICE_RENEWS) {
		g->rekeys_every = g->dpd_every = SECONDS(20);
		g->hello_every = SECONDS(15);
	}
	memcpy(g->accept.ike, c->conf.stack.ike.proposals.ike, sizeof(g->accept.ike));
	g->accept.n_ike = c->conf.stack.ike.proposals.n_ike;
	for (enum lane lane = LANE_IKE; lane < LANES; lane++)
		g->addr[lane] = (struct addr){ip_v4(0xc6336401), lane == LANE_IKE ? 500 : 4500};
}

static void configure_client(struct client *c)
{
	struct stack_conf *s = &c->conf.stack;
	const char *wrong;

	c->conf.gateway = "vpn.example.com";
	c->conf.reconnect = true;
	s->ike = (struct ike_conf){.psk = slice_str(psk),
		.ike_life_s = 28800,
		.esp_life_s = 3600,
		.rekey = true,
		.initial_contact = true,
		.dpd_interval = SECONDS(30),
		.l2tp_port = L2TP_PORT};
	fuzz_require(ike_proposals_tier("modern", &s->ike.proposals));
	fuzz_require(ike_suites_parse("aes256-sha256-curve25519", &s->ike.proposals, &wrong));
	s->l2tp = (struct l2tp_conf){.hostname = "client", .hello = SECONDS(60), .window = 8};
	if (c->choice & CHOICE_TUNNEL_SECRET)
		s->l2tp.secret = slice_str("tunnel secret");
	s->ppp = (struct ppp_conf){.user = slice_str(user),
		.auth = PPP_AUTH_MSCHAPV2,
		.want_dns = true,
		.echo_interval = SECONDS(20),
		.echo_patience = SECONDS(10)};
	if (!(c->choice & CHOICE_ASK))
		s->ppp.password = slice_str(password);
	if (c->choice & CHOICE_WEAK && !(c->choice & CHOICE_WRONG_PASSWORD))
		s->ppp.auth |= PPP_AUTH_PAP | PPP_AUTH_CHAP_MD5;
}

static void run(struct client *c, struct rd *r)
{
	struct slice record;
	struct io out = {0};
	unsigned before = rd_u8(r);

	conn_open(c->conn, c->now, &out);
	drain(c, &out);
	for (unsigned i = 0; i < before && i < BEFORE_MAX && !c->ended; i++) {
		pass(c, c->now + UNIT);
		serve(c, NULL);
	}
	for (int i = 0; i < STEPS_MAX && !c->ended && fuzz_next(r, &record); i++)
		step(c, record);
	c->say_no = false;
	conn_close(c->conn, REASON_NONE, c->now, &out);
	drain(c, &out);
	pass(c, c->now + SECONDS(4));
	fuzz_require(c->ended && !c->up && conn_deadline(c->conn) == MSEC_NEVER);
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct client c = {.env = env, .now = 1000000, .gateway_rng = 2};
	struct rd r = rd_of(input);

	if (holds_secret(input))
		return;
	c.choice = rd_u8(&r);
	configure_client(&c);
	configure_gateway(&c);
	c.gateway_env = *env;
	c.gateway_env.ctx = &c.gateway_rng;
	tamper_reset(env);
	c.conn = conn_new(&c.conf, env);
	c.gateway = gateway_new(&c.gateway_conf, &c.gateway_env);
	fuzz_require(c.conn && c.gateway);
	run(&c, &r);
	for (int i = 0; i < KEPT; i++)
		pkt_free(c.kept[i]);
	pktq_free(&c.to_server);
	gateway_free(c.gateway);
	conn_free(c.conn);
}

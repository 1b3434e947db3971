#include "tests/peer/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "ike/ike_msg.h"
#include "ike/ike_natt.h"
#include "ike/ike_vid.h"
#include "ppp/ppp_frame.h"
#include "tests/peer/ike_peer.h"
#include "tests/peer/l2tp_peer.h"
#include "tests/peer/ppp_peer.h"

enum { HANDED_OUT = 64 };

struct gateway {
	struct gateway_conf conf;
	const struct env *env;
	struct ike_peer *ike;
	struct esp *esp;
	struct l2tp_peer *l2tp;
	struct ppp_peer *ppp;
	unsigned ppp_of; /* which of l2tp's sessions the link belongs to */
	struct addr client[LANES];
	uint32_t spi_in[ESP_PAIRS_MAX], spi_out[ESP_PAIRS_MAX];
	unsigned pairs;
	uint16_t pair_port, tunnel_port, stale_port; /* the client's, of L2TP; 0: none */
	bool returns_elsewhere; /* what goes out arrives at somebody else behind the client's NAT */
	uint32_t handed_out[HANDED_OUT];
	unsigned n_handed_out;
	unsigned main_modes, quick_modes; /* before the last restart */
	unsigned logins;
	bool was_logged_in, password_seen;
};

void gateway_defaults(struct gateway_conf *conf)
{
	*conf = (struct gateway_conf){
		.psk = slice_str("correct horse battery staple"),
		.user = "alice",
		.password = "wonderland",
		.window = 4,
		.auths = {PPP_CHAP},
		.own = ip_v4(0x0a6300fe),
		.pool = ip_v4(0x0a630001),
		.dns = {ip_v4(0x0a630035), ip_v4(0x0a630036)},
	};
	conf->vids = 1u << VID_DPD;
	conf->wrong_key_notify = IKE_INVALID_HASH_INFORMATION;
	ike_proposals_tier("legacy", &conf->accept);
}

/* ---- life ---- */

static bool start(struct gateway *g)
{
	g->ike = ike_peer_new(&g->conf, g->env);
	g->esp = esp_new(g->env);
	g->l2tp = l2tp_peer_new(&g->conf, g->env);
	return g->ike && g->esp && g->l2tp;
}

static void stop(struct gateway *g)
{
	ppp_peer_free(g->ppp);
	l2tp_peer_free(g->l2tp);
	esp_free(g->esp);
	ike_peer_free(g->ike);
	g->ppp = NULL;
	g->l2tp = NULL;
	g->esp = NULL;
	g->ike = NULL;
	g->pairs = g->ppp_of = 0;
	g->was_logged_in = false;
}

struct gateway *gateway_new(const struct gateway_conf *conf, const struct env *env)
{
	struct gateway *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->conf = *conf;
	g->env = env;
	g->stale_port = conf->tunnel_left;
	if (!start(g)) {
		gateway_free(g);
		return NULL;
	}
	return g;
}

void gateway_free(struct gateway *g)
{
	if (!g)
		return;
	stop(g);
	free(g);
}

void gateway_restart(struct gateway *g)
{
	g->main_modes += ike_peer_main_modes(g->ike);
	g->quick_modes += ike_peer_quick_modes(g->ike);
	stop(g);
	if (!start(g))
		abort();
}

/* ---- pairs ---- */

/* The newest that is left is the one to send on. */
static void drop_pair(struct gateway *g, unsigned i)
{
	esp_drop(g->esp, g->spi_in[i]);
	memmove(&g->spi_in[i], &g->spi_in[i + 1], (g->pairs - i - 1) * sizeof(g->spi_in[0]));
	memmove(&g->spi_out[i], &g->spi_out[i + 1], (g->pairs - i - 1) * sizeof(g->spi_out[0]));
	g->pairs--;
	if (g->pairs)
		esp_use(g->esp, g->spi_in[g->pairs - 1]);
}

static void install(struct gateway *g, const struct sa_pair *pair, msec now, struct pktq *ike)
{
	if (g->pairs == ESP_PAIRS_MAX)
		drop_pair(g, 0);
	if (esp_install(g->esp, pair, now) != 0)
		return;
	esp_use(g->esp, pair->in.spi);
	g->pair_port = pair->remote_port;
	g->returns_elsewhere = g->conf.port_taken && pair->remote_port == L2TP_PORT;
	if (g->conf.deletes_replaced && g->pairs) /* what is on its way is still taken */
		ike_peer_delete_esp(g->ike, g->spi_in[g->pairs - 1], now, ike);
	g->spi_in[g->pairs] = pair->in.spi;
	g->spi_out[g->pairs++] = pair->out.spi;
}

static void ike_news(struct gateway *g, msec now, struct pktq *ike)
{
	struct ike_peer_news n;

	while (ike_peer_next(g->ike, &n))
		switch (n.kind) {
		case PEER_PAIR:
			install(g, &n.pair, now, ike);
			break;
		case PEER_DROP:
			for (unsigned i = 0; i < g->pairs; i++)
				if (g->spi_out[i] == n.spi)
					drop_pair(g, i--);
			break;
		case PEER_SPI:
			g->handed_out[g->n_handed_out++ % HANDED_OUT] = n.spi;
			break;
		case PEER_GONE:
			while (g->conf.drops_pairs_with_ike && g->pairs)
				drop_pair(g, 0);
			break;
		}
}

/* ---- packets ---- */

static void corrupt(struct pktq *q)
{
	pktq_for_each (p, q)
		p->data[p->len - 1] ^= 1;
}

static void seal(struct gateway *g, struct pktq *messages, msec now, struct io *out)
{
	struct io io = {0};

	if (!messages->head)
		return;
	esp_send(g->esp, messages, now, &io);
	if (g->conf.drops_esp || g->returns_elsewhere)
		pktq_free(&io.down);
	if (g->conf.corrupts_esp)
		corrupt(&io.down);
	pktq_join(&out->down, &io.down);
}

static void send_frames(struct gateway *g, struct pktq *frames, msec now, struct io *out)
{
	struct pktq messages = {0};

	l2tp_peer_send(g->l2tp, frames, &messages);
	seal(g, &messages, now, out);
}

/* A session that came up gets a link of its own, which goes with it. */
static void follow_session(struct gateway *g, msec now)
{
	if (!l2tp_peer_session(g->l2tp)) {
		ppp_peer_free(g->ppp);
		g->ppp = NULL;
	}
	if (l2tp_peer_sessions(g->l2tp) == g->ppp_of)
		return;
	g->ppp_of = l2tp_peer_sessions(g->l2tp);
	ppp_peer_free(g->ppp);
	g->ppp = ppp_peer_new(&g->conf, g->env, now);
	g->was_logged_in = false;
}

/* L2TP is dead behind a living IPsec: what comes back is something else than L2TP. */
static void answer_strangely(struct gateway *g, msec now, struct io *out)
{
	struct pktq q = {0};
	struct pkt *p = pkt_of(g->env->pool, slice_str("no L2TP here"));

	if (p)
		pktq_put(&q, p);
	seal(g, &q, now, out);
}

static void from_client(struct gateway *g, struct pktq *messages, msec now, struct io *out)
{
	struct pktq frames = {0}, answers = {0}, replies = {0};

	for (struct pkt *p = pktq_take(messages); p; p = pktq_take(messages)) {
		if (g->conf.l2tp_silent)
			answer_strangely(g, now, out);
		unsigned replaced = l2tp_peer_replaced(g->l2tp);
		l2tp_peer_recv(g->l2tp, p, now, &frames, &answers);
		if (l2tp_peer_replaced(g->l2tp) != replaced)
			g->stale_port = g->tunnel_port;
		g->tunnel_port = g->pair_port;
		follow_session(g, now);
	}
	if (g->conf.one_tunnel_a_port && g->tunnel_port == g->stale_port)
		pktq_free(&frames);
	seal(g, &answers, now, out);
	if (g->ppp && frames.head)
		ppp_peer_recv(g->ppp, &frames, now, &out->up, &replies);
	pktq_free(&frames);
	send_frames(g, &replies, now, out);
	if (g->ppp && ppp_peer_logged_in(g->ppp) && !g->was_logged_in) {
		g->was_logged_in = g->password_seen = true;
		g->logins++;
	}
}

/* UDP 4500 wants the marker in front of IKE. RFC 3948, 2.2. */
static void send_ike(struct pktq *messages, struct io *out)
{
	for (struct pkt *p = pktq_take(messages); p; p = pktq_take(messages))
		if (p->lane != LANE_NATT || natt_mark(p))
			pktq_put(&out->down, p);
		else
			pkt_free(p);
}

void gateway_recv(
	struct gateway *g, struct pktq *in, const struct addr *from, msec now, struct io *out)
{
	struct pktq esp = {0}, ike = {0};
	struct io up = {0};

	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		enum lane lane = p->lane;
		enum natt_kind kind = lane == LANE_NATT  ? natt_classify(p)
				      : lane == LANE_RAW ? NATT_ESP
							 : NATT_IKE;

		if (kind == NATT_ESP) {
			pktq_put(&esp, p);
		} else if (kind == NATT_IKE) {
			ike_peer_recv(g->ike, p, from, now, &ike);
			g->client[lane] = *from; /* an answer goes to whoever asked */
			ike_news(g, now, &ike);
		} else {
			pkt_free(p);
		}
	}
	send_ike(&ike, out);
	if (!esp.head)
		return;
	enum lane lane = esp.head->lane;
	msec before = esp_last_in(g->esp);
	esp_recv(g->esp, &esp, now, &up);
	if (esp_last_in(g->esp) != before || up.up.head)
		g->client[lane] = *from;
	from_client(g, &up.up, now, out);
}

void gateway_send(struct gateway *g, struct pktq *in, msec now, struct io *out)
{
	struct pktq frames = {0};

	if (!g->ppp) {
		pktq_free(in);
		return;
	}
	ppp_peer_send(g->ppp, in, &frames);
	send_frames(g, &frames, now, out);
}

static void hang_up(struct gateway *g, msec now, struct io *out)
{
	struct pktq messages = {0};

	l2tp_peer_hang_up(g->l2tp, now, &messages);
	seal(g, &messages, now, out);
	ppp_peer_free(g->ppp);
	g->ppp = NULL;
}

void gateway_tick(struct gateway *g, msec now, struct io *out)
{
	struct pktq ike = {0}, messages = {0}, frames = {0};
	struct esp_event ev;

	while (esp_next_event(g->esp, &ev))
		; /* the test's traffic never exhausts an SA */
	ike_peer_tick(g->ike, now, &ike);
	ike_news(g, now, &ike);
	send_ike(&ike, out);
	l2tp_peer_tick(g->l2tp, now, &messages);
	seal(g, &messages, now, out);
	if (g->ppp) {
		ppp_peer_tick(g->ppp, now, &frames);
		send_frames(g, &frames, now, out);
		if (ppp_peer_over(g->ppp))
			hang_up(g, now, out);
	}
}

msec gateway_deadline(const struct gateway *g)
{
	msec due = msec_min(ike_peer_deadline(g->ike), l2tp_peer_deadline(g->l2tp));

	return g->ppp ? msec_min(due, ppp_peer_deadline(g->ppp)) : due;
}

struct addr gateway_client(const struct gateway *g, enum lane lane)
{
	return g->client[lane];
}

/* ---- scripts ---- */

void gateway_rekey(struct gateway *g, msec now, struct io *out)
{
	struct pktq ike = {0};

	ike_peer_rekey(g->ike, now, &ike);
	send_ike(&ike, out);
}

void gateway_delete_esp(struct gateway *g, msec now, struct io *out)
{
	struct pktq ike = {0};

	while (g->pairs) {
		ike_peer_delete_esp(g->ike, g->spi_in[0], now, &ike);
		drop_pair(g, 0);
	}
	send_ike(&ike, out);
}

void gateway_delete_ike(struct gateway *g, msec now, struct io *out)
{
	struct pktq ike = {0};

	ike_peer_delete_ike(g->ike, now, &ike);
	ike_news(g, now, &ike);
	send_ike(&ike, out);
}

void gateway_stop(struct gateway *g, const char *text, msec now, struct io *out)
{
	struct pktq messages = {0};

	l2tp_peer_stop(g->l2tp, text, now, &messages);
	seal(g, &messages, now, out);
}

void gateway_silence(struct gateway *g, bool silent)
{
	g->conf.drops_esp = silent;
}

bool gateway_handed_out(const struct gateway *g, uint32_t spi)
{
	for (unsigned i = 0; i < HANDED_OUT; i++)
		if (spi && g->handed_out[i] == spi)
			return true;
	return false;
}

void gateway_get_status(const struct gateway *g, struct gateway_status *status)
{
	*status = (struct gateway_status){
		.main_modes = g->main_modes + ike_peer_main_modes(g->ike),
		.quick_modes = g->quick_modes + ike_peer_quick_modes(g->ike),
		.logins = g->logins,
		.link_up = g->ppp && ppp_peer_up(g->ppp),
		.tunnel = l2tp_peer_tunnel(g->l2tp),
		.session = l2tp_peer_session(g->l2tp),
		.phase1s = ike_peer_phase1s(g->ike),
		.pairs = g->pairs,
		.password_seen = g->password_seen,
	};
	esp_get_totals(g->esp, &status->in, &status->out);
}

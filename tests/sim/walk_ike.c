/* Main mode and quick mode against the gateway's IKE. Proof: the gateway's message 6 has arrived
 * unchanged before we are established, its message 2 of quick mode before a pair is used, and the
 * pair's owner has said yes. */
#include <stdlib.h>
#include <string.h>

#include "ike/ike_priv.h"
#include "tests/peer/ike_peer.h"
#include "tests/sim/walk.h"

/* A message of the gateway's: said, and arrived as it was said. */
struct said {
	uint8_t octets[1024];
	size_t n;
	bool arrived;
};

struct ike_walker {
	struct walker w;
	struct ike_conf conf;
	struct gateway_conf gateway;
	struct addr client;
	struct ike *ike;
	struct ike_peer *peer;
	uint32_t asked_pair, spis[64]; /* inbound SPI of the open WANT_SA; what the gateway gave */
	uint32_t installed[8];         /* inbound SPIs with a yes */
	unsigned n_spis, n_installed, pairs;
	bool about_pair, used;
	struct said message6, message2;
};

static struct ike_walker *self(const struct walker *w)
{
	return (struct ike_walker *)w;
}

static void peer_news(struct ike_walker *s)
{
	struct ike_peer_news n;

	while (ike_peer_next(s->peer, &n)) {
		if (n.kind == PEER_SPI)
			s->spis[s->n_spis++ % 64] = n.spi;
		s->pairs += n.kind == PEER_PAIR;
	}
}

static bool knows(const uint32_t *list, unsigned n, uint32_t spi)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i] == spi)
			return true;
	return false;
}

static void news(struct ike_walker *s)
{
	struct ike_event ev;

	while (ike_next_event(s->ike, &ev)) {
		if (ev.kind == IKE_EV_WANT_SPI || ev.kind == IKE_EV_WANT_SA)
			s->w.question = ev.id;
		s->about_pair = ev.kind == IKE_EV_WANT_SA || (s->about_pair && !ev.id);
		if (ev.kind == IKE_EV_WANT_SA) {
			s->asked_pair = ev.pair->in.spi;
			if (!knows(s->spis, 64, ev.pair->out.spi))
				s->w.wrong = "a pair with an SPI that the gateway never gave";
		}
		if (ev.kind == IKE_EV_USE_SA) {
			s->used = s->w.up = true;
			if (!knows(s->installed, s->n_installed, ev.spi_in))
				s->w.wrong = "a pair is used that was not installed";
		}
		s->w.ended |= ev.kind == IKE_EV_FAILED;
		if (ev.kind == IKE_EV_FAILED && ev.reason.id == REASON_NONE)
			s->w.wrong = "it failed without a reason";
	}
}

static void remember(struct said *said, const struct pktq *answers)
{
	const struct pkt *p = answers->tail;

	if (!p || p->len > sizeof(said->octets))
		return;
	memcpy(said->octets, p->data, p->len);
	said->n = p->len;
}

static void to_gateway(struct ike_walker *s, struct pkt *p)
{
	unsigned main_modes = ike_peer_main_modes(s->peer), spis = s->n_spis;
	struct pktq answers = {0};

	if (p->len == 1) {
		pkt_free(p);
		return;
	}
	ike_peer_recv(s->peer, p, &s->client, s->w.now, &answers);
	peer_news(s);
	if (ike_peer_main_modes(s->peer) > main_modes)
		remember(&s->message6, &answers);
	if (s->n_spis > spis)
		remember(&s->message2, &answers);
	walker_line_up(&s->w, &answers);
}

static void settle(struct ike_walker *s, struct io *out)
{
	struct ike_status st;

	news(s);
	for (struct pkt *p = pktq_take(&out->down); p; p = pktq_take(&out->down))
		to_gateway(s, p);
	ike_get_status(s->ike, &st);
	if (st.established && !s->message6.arrived)
		s->w.wrong = "established, and the gateway has not proven the key";
	if (s->used && !s->message2.arrived)
		s->w.wrong = "a pair is used that the gateway has not agreed to";
	if (s->w.ended && ike_deadline(s->ike) != MSEC_NEVER)
		s->w.wrong = "it has failed and still has a deadline";
}

static struct walker *begin(const struct env *env)
{
	struct ike_walker *s = calloc(1, sizeof(*s));
	struct io out = {0};
	const char *wrong;

	if (!s)
		abort();
	walker_open(&s->w, env);
	gateway_defaults(&s->gateway);
	s->client = (struct addr){ip_v4(0xc000020a), 500};
	for (int lane = 0; lane < LANES; lane++) {
		uint16_t port = lane == LANE_IKE ? 500 : 4500;

		s->conf.local[lane] = (struct addr){s->client.ip, port};
		s->conf.remote[lane] = s->gateway.addr[lane] =
			(struct addr){ip_v4(0xc6336401), port};
	}
	s->conf.psk = s->gateway.psk;
	s->conf.l2tp_port = L2TP_PORT;
	s->conf.ike_life_s = 28800;
	s->conf.esp_life_s = 3600;
	s->conf.rekey = true;
	s->conf.dpd_interval = SECONDS(30);
	if (!ike_suites_parse("aes256-sha256-curve25519", &s->conf.proposals, &wrong) ||
		!ike_suites_parse("aes256-sha256-curve25519", &s->gateway.accept, &wrong) ||
		!esp_suites_parse("aes256-sha1", &s->conf.proposals, &wrong))
		abort();
	s->ike = ike_new(&s->conf, &s->w.own);
	s->peer = ike_peer_new(&s->gateway, &s->w.own);
	if (!s->ike || !s->peer)
		abort();
	ike_open(s->ike, s->w.now, &out);
	settle(s, &out);
	return &s->w;
}

static void end(struct walker *w)
{
	walker_close(w);
	ike_free(self(w)->ike);
	ike_peer_free(self(w)->peer);
	free(w);
}

static void recv(struct walker *w, struct pkt *p)
{
	struct ike_walker *s = self(w);
	struct pktq in = {0};
	struct io out = {0};

	s->message6.arrived |= slice_equal(pkt_slice(p), slice(s->message6.octets, s->message6.n));
	s->message2.arrived |= slice_equal(pkt_slice(p), slice(s->message2.octets, s->message2.n));
	pktq_put(&in, p);
	ike_recv(s->ike, &in, w->now, &out);
	settle(s, &out);
}

static void tick(struct walker *w)
{
	struct io out = {0};

	ike_tick(self(w)->ike, w->now, &out);
	settle(self(w), &out);
}

static msec deadline(const struct walker *w)
{
	return ike_deadline(self(w)->ike);
}

static void peer_tick(struct walker *w)
{
	struct pktq out = {0};

	ike_peer_tick(self(w)->peer, w->now, &out);
	peer_news(self(w));
	walker_line_up(w, &out);
}

static msec peer_deadline(const struct walker *w)
{
	return ike_peer_deadline(self(w)->peer);
}

static void answer(struct walker *w, uint32_t id, bool yes)
{
	struct ike_walker *s = self(w);
	struct answer a = {.yes = yes, .why = "no", .spi = 0x1000 + s->n_installed + w->secrets++};
	struct io out = {0};

	if (s->about_pair && yes && id < 1000 && s->n_installed < 8)
		s->installed[s->n_installed++] = s->asked_pair;
	ike_answer(s->ike, id, &a, w->now, &out);
	settle(s, &out);
}

static void close_ike(struct walker *w)
{
	struct io out = {0};

	ike_close(self(w)->ike, w->now, &out);
	w->ended = true;
	settle(self(w), &out);
}

/* Under the cookies of the packet that came last. */
static struct pkt *notice(struct walker *w)
{
	struct ike_hdr hdr;
	struct ike_build b;
	uint8_t buf[128];

	if (!w->last || !ike_hdr_parse(pkt_slice(w->last), &hdr))
		return NULL;
	hdr.exchange = IKE_INFO;
	hdr.flags = 0;
	hdr.id = 77;
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	ike_put_notify(
		&b, IKE_PROTO_ISAKMP, IKE_AUTHENTICATION_FAILED, slice(NULL, 0), slice(NULL, 0));
	struct pkt *p = pkt_of(w->env->pool, ike_build_close(&b));
	if (p)
		p->lane = w->last->lane;
	return p;
}

static uint64_t key_of_phase1(const struct phase1 *sa)
{
	return (uint64_t)sa->initiator | (uint64_t)sa->up << 1 | (uint64_t)sa->conflict << 2 |
	       (uint64_t)sa->awaits << 3 | (uint64_t)sa->hint.id << 8 |
	       (uint64_t)sa->hint_late << 16 |
	       (uint64_t)(sa->retry.copies < 6 ? sa->retry.copies : 6) << 20;
}

static uint64_t key_of_quick(const struct quick *q)
{
	return 1u << 30 | (uint64_t)q->initiator | (uint64_t)q->state << 1 |
	       (uint64_t)(q->question != 0) << 5 | (uint64_t)walk_few(q->retry.copies) << 6;
}

static uint64_t key_of_pair(const struct pair *p)
{
	return 1u << 31 | (uint64_t)p->in_use | (uint64_t)p->old << 1 | (uint64_t)p->deleted << 2 |
	       (uint64_t)(p->use_at != MSEC_NEVER) << 3;
}

static uint64_t key(const struct walker *w)
{
	const struct ike_walker *s = self(w);
	const struct ike *ike = s->ike;
	uint64_t k = 1;

	for (const struct phase1 *sa = ike->sas; sa; sa = sa->next)
		k = walk_mix(k, key_of_phase1(sa));
	for (const struct quick *q = ike->quicks; q; q = q->next)
		k = walk_mix(k, key_of_quick(q));
	for (const struct pair *p = ike->pairs; p; p = p->next)
		k = walk_mix(k, key_of_pair(p));
	k = walk_mix(k, (uint64_t)ike->closed | (uint64_t)ike->failed << 1 |
				(uint64_t)ike->fresh_tried << 2 | (uint64_t)ike->was_up << 3 |
				(uint64_t)ike->quick_wanted << 4 | (uint64_t)ike->main_wanted << 5 |
				(uint64_t)(ike->dpd.copies > 0) << 6);
	k = walk_mix(k, walk_few(ike_peer_main_modes(s->peer)) |
				walk_few(ike_peer_phase1s(s->peer)) << 4 | walk_few(s->pairs) << 8 |
				(uint64_t)s->used << 12);
	return k;
}

const struct walk_machine walk_ike = {"ike", begin, end, recv, tick, deadline, peer_tick,
	peer_deadline, answer, close_ike, notice, key};

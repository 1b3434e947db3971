/* An initiator that hears anything at any time: records of what, how long after, and a message.
 * Its own cookie is put into most of them, or it would not listen. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "ike/ike.h"

enum { COOKIE = 8 };

struct session {
	struct ike *ike;
	const struct env *env;
	uint8_t cookie[COOKIE];
	msec now;
	bool over;
};

static void drain(struct session *s, struct io *out)
{
	struct ike_event ev;

	while (!s->over && ike_next_event(s->ike, &ev)) {
		/* Nothing here knows the PSK, so nothing may be up and no pair may come about. */
		fuzz_require(ev.kind != IKE_EV_PHASE1_UP && ev.kind != IKE_EV_WANT_SA &&
			     ev.kind != IKE_EV_USE_SA);
		s->over = ev.kind == IKE_EV_FAILED;
	}
	for (struct pkt *p = pktq_take(&out->down); p; p = pktq_take(&out->down)) {
		if (p->len >= COOKIE)
			memcpy(s->cookie, p->data, COOKIE);
		pkt_free(p);
	}
	pktq_free(&out->up);
}

static void hear(struct session *s, enum lane lane, bool foreign, struct slice message)
{
	struct io out = {0};
	struct pktq in = {0};
	struct pkt *p = pkt_of(s->env->pool, message);

	fuzz_require(p);
	p->lane = lane;
	if (!foreign && p->len >= COOKIE)
		memcpy(p->data, s->cookie, COOKIE);
	pktq_put(&in, p);
	ike_recv(s->ike, &in, s->now, &out);
	fuzz_require(in.count == 0);
	drain(s, &out);
}

static void run(struct session *s, struct slice input)
{
	struct rd records = rd_of(input);
	struct slice record;
	struct io out = {0};

	ike_open(s->ike, s->now, &out);
	drain(s, &out);
	for (int i = 0; i < 32 && !s->over && fuzz_next(&records, &record); i++) {
		struct rd r = rd_of(record);
		uint8_t how = rd_u8(&r);

		s->now += (msec)rd_u8(&r) * 16;
		if (ike_deadline(s->ike) <= s->now)
			ike_tick(s->ike, s->now, &out);
		drain(s, &out);
		if (!s->over)
			hear(s, how & 1 ? LANE_NATT : LANE_IKE, how & 2, rd_rest(&r));
	}
	if (!s->over)
		ike_close(s->ike, s->now, &out);
	drain(s, &out);
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct ike_conf conf = {.psk = slice_str("labpsk123"),
		.l2tp_port = 1701,
		.ike_life_s = 28800,
		.esp_life_s = 3600,
		.rekey = true,
		.initial_contact = true};
	struct session s = {.env = env, .now = 1000};

	for (int lane = 0; lane < LANES; lane++) {
		uint16_t port = lane == LANE_IKE ? 500 : 4500;

		conf.local[lane] = (struct addr){.ip = ip_v4(0xc6336402), .port = port};
		conf.remote[lane] = (struct addr){.ip = ip_v4(0xc6336401), .port = port};
	}
	fuzz_require(ike_proposals_tier("modern", &conf.proposals));
	s.ike = ike_new(&conf, env);
	fuzz_require(s.ike);
	run(&s, input);
	ike_free(s.ike);
}

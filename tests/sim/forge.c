#include "tests/sim/forge.h"

#include <stdlib.h>
#include <string.h>

enum { LINK_LASTS = 400, UP_LASTS = 1000, RENEWAL_TRIPS = 4, SLACK = 10, PACKETS_OF_A_STEP = 4 };

const char *forge_step_name(enum forge_step step)
{
	static const char *const names[FORGE_STEPS] = {
		[AT_MESSAGE_2] = "awaiting message 2",
		[AT_MESSAGE_4] = "awaiting message 4",
		[AT_MESSAGE_6] = "awaiting message 6",
		[AT_QUICK_2] = "quick mode",
		[AT_LINK] = "L2TP and PPP",
		[AT_UP] = "established",
		[AT_REKEY] = "our rekey",
		[AT_GATEWAY_REKEY] = "the gateway's rekey",
		[AT_RENEWAL] = "renewal of phase 1",
	};

	return names[step];
}

/* ---- putting packets before the client ---- */

static void arrives(struct forger *f, struct pkt *p, msec after)
{
	struct world *w = f->w;
	struct sim_way *way = sim_way(w->sim, SIM_CLIENT), before = *way;
	struct addr to = gateway_client(w->gateway, p->lane);

	*way = (struct sim_way){.delay = after};
	sim_send(w->sim, SIM_CLIENT, p, &w->conf.gateway.addr[p->lane], &to);
	*way = before;
	f->sent++;
}

/* As many as there are, from `first` ms to `last` ms from now. */
static void send_all(struct forger *f, msec first, msec last)
{
	unsigned n = f->what->count ? f->what->count : f->count;

	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = f->what->make(f, f->variant, i);

		if (!p)
			return;
		arrives(f, p, first + (last - first) * i / n);
	}
}

static msec trip(const struct forger *f)
{
	return f->w->conf.way[SIM_CLIENT].delay + f->w->conf.way[SIM_GATEWAY].delay;
}

static msec step_lasts(const struct forger *f)
{
	static const msec lasts[FORGE_STEPS] = {[AT_LINK] = LINK_LASTS, [AT_UP] = UP_LASTS};

	if (f->step == AT_RENEWAL)
		return RENEWAL_TRIPS * trip(f);
	return lasts[f->step] ? lasts[f->step] : trip(f) + SLACK;
}

static void begins(struct forger *f, enum forge_step step)
{
	f->step = step;
	f->answered = 0;
	if (!(f->steps >> step & 1))
		return;
	if (f->what->time == FORGE_SPREAD)
		send_all(f, 1, step_lasts(f));
	if (f->what->time == FORGE_AT_ONCE)
		send_all(f, 1, trip(f) / 2);
}

void forger_at_up(struct forger *f)
{
	begins(f, AT_UP);
}

/* ---- what he sees ---- */

static bool isakmp(const struct pkt *p, struct slice *message, struct ike_hdr *hdr)
{
	size_t at = p->lane == LANE_NATT ? 4 : 0;

	if (p->len < at || (at && get_u32(p->data) != 0))
		return false;
	*message = slice(p->data + at, p->len - at);
	return ike_hdr_parse(*message, hdr);
}

static struct pkt *copy(const struct forger *f, const struct pkt *p)
{
	struct pkt *c = pkt_of(f->w->host->pool, pkt_slice(p));

	if (!c)
		abort();
	c->lane = p->lane;
	return c;
}

static void replace(struct forger *f, struct pkt **kept, const struct pkt *p)
{
	pkt_free(*kept);
	*kept = copy(f, p);
}

static void remember(struct forger *f, enum sim_end towards, const struct pkt *p)
{
	unsigned i = f->n_seen++ % FORGE_SEEN;

	replace(f, &f->seen[i], p);
	f->of_client[i] = towards == SIM_GATEWAY;
}

static void main_of_client(struct forger *f, const struct ike_hdr *hdr, const struct pkt *p)
{
	static const uint8_t zero[IKE_COOKIE];
	bool first = memcmp(hdr->cookie_r, zero, IKE_COOKIE) == 0;

	if (first && memcmp(hdr->cookie_i, f->cookie_i, IKE_COOKIE) != 0) {
		memcpy(f->cookie_i, hdr->cookie_i, IKE_COOKIE);
		f->knows_cookie_r = false;
		replace(f, &f->message1, p);
		begins(f, f->step < AT_UP ? AT_MESSAGE_2 : AT_RENEWAL);
	} else if (!first && f->step < AT_UP && !(hdr->flags & IKE_ENCRYPTED)) {
		bool again = f->message3 && slice_equal(pkt_slice(f->message3), pkt_slice(p));

		replace(f, &f->message3, p);
		if (!again && f->step == AT_MESSAGE_2)
			begins(f, AT_MESSAGE_4);
	} else if (!first && f->step < AT_UP && f->step == AT_MESSAGE_4) {
		begins(f, AT_MESSAGE_6);
	}
}

static void from_client(struct forger *f, const struct pkt *p)
{
	struct slice message;
	struct ike_hdr hdr;

	if (!isakmp(p, &message, &hdr)) {
		if (p->len > 8)
			f->spi_out = get_u32(p->data);
		if (p->len > 8 && f->step == AT_QUICK_2)
			begins(f, AT_LINK);
	} else if (hdr.exchange == IKE_MAIN) {
		main_of_client(f, &hdr, p);
	} else if (hdr.exchange == IKE_QUICK && hdr.id != f->quick_id) {
		f->done_id = f->quick_id;
		f->quick_id = hdr.id;
		if (f->step == AT_MESSAGE_6)
			begins(f, AT_QUICK_2);
		else if (f->step >= AT_UP)
			begins(f, AT_REKEY);
	}
}

static void from_gateway(struct forger *f, const struct pkt *p)
{
	struct slice message;
	struct ike_hdr hdr;
	msec half = f->w->conf.way[SIM_CLIENT].delay;

	if (!isakmp(p, &message, &hdr)) {
		if (p->len > 8)
			f->spi_in = get_u32(p->data);
	} else if (hdr.exchange == IKE_MAIN) {
		memcpy(f->cookie_r, hdr.cookie_r, IKE_COOKIE);
		f->knows_cookie_r = true;
		if (!(hdr.flags & IKE_ENCRYPTED) && hdr.first == IKE_SA)
			replace(f, &f->message2, p);
	} else if (hdr.exchange == IKE_QUICK && hdr.id != f->quick_id && f->step >= AT_UP) {
		f->done_id = f->quick_id;
		f->quick_id = hdr.id;
		begins(f, AT_GATEWAY_REKEY);
	}
	if (!(f->steps >> f->step & 1) || f->answered == PACKETS_OF_A_STEP)
		return;
	unsigned before = f->sent;
	f->genuine = p;
	if (f->what->time == FORGE_BEFORE)
		send_all(f, 0, half - 1);
	if (f->what->time == FORGE_AFTER)
		send_all(f, half + 1, half + step_lasts(f));
	f->genuine = NULL;
	f->answered += f->sent > before;
}

static void tap(void *ctx, enum sim_end towards, const struct pkt *p)
{
	struct forger *f = ctx;

	remember(f, towards, p);
	if (towards == SIM_GATEWAY)
		from_client(f, p);
	else
		from_gateway(f, p);
}

/* The client's message 1 has been sent by now, so he takes it from what the world has kept. */
struct forger *forger_new(struct world *w, const struct forgery *what, unsigned variant,
	unsigned steps, unsigned count)
{
	struct forger *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	*f = (struct forger){.w = w,
		.what = what,
		.variant = variant,
		.steps = steps,
		.count = count,
		.rng = w->conf.seed + 77};
	w->tap = tap;
	w->tap_ctx = f;
	tap(f, SIM_GATEWAY, w->kept[0]);
	return f;
}

void forger_free(struct forger *f)
{
	f->w->tap = NULL;
	for (unsigned i = 0; i < FORGE_SEEN; i++)
		pkt_free(f->seen[i]);
	pkt_free(f->message1);
	pkt_free(f->message2);
	pkt_free(f->message3);
	free(f);
}

#include "tests/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/world_priv.h"

/* ---- host and defaults ---- */

void sim_host_open(struct sim_host *host)
{
	*host = (struct sim_host){.crypto = crypto_new(), .pool = pkt_pool_new()};
	assert_non_null(host->crypto);
	assert_non_null(host->pool);
}

void sim_host_close(struct sim_host *host)
{
	assert_int_equal(pkt_pool_live(host->pool), 0);
	pkt_pool_free(host->pool);
	crypto_free(host->crypto);
}

void world_defaults(struct world_conf *conf, uint64_t seed)
{
	const char *wrong;

	*conf = (struct world_conf){
		.seed = seed,
		.typed = "through the looking-glass",
		.client =
			{
				.gateway = "vpn.example.com",
				.stack =
					{
						.ike =
							{
								.ike_life_s = 28800,
								.esp_life_s = 3600,
								.rekey = true,
								.initial_contact = true,
								.dpd_interval = SECONDS(30),
								.l2tp_port = L2TP_PORT,
							},
						.l2tp = {.hostname = "client",
							.hello = SECONDS(60),
							.window = 8},
						.ppp =
							{
								.user = slice_str(
									"EXAMPLE\\alice.liddell"),
								.auth = PPP_AUTH_MSCHAPV2,
								.want_dns = true,
								.echo_interval = SECONDS(18),
								.echo_patience = SECONDS(10),
							},
					},
			},
	};
	gateway_defaults(&conf->gateway);
	conf->gateway.user = "EXAMPLE\\alice.liddell";
	conf->gateway.password = conf->typed;
	conf->client.stack.ike.psk = conf->gateway.psk;
	struct ike_proposals *p = &conf->client.stack.ike.proposals;
	ike_proposals_tier("modern", p);
	if (!ike_suites_parse(
		    "aes256-sha256-curve25519,aes256-sha256-ecp256,aes128-sha1-ecp256", p, &wrong))
		abort();
	memcpy(conf->gateway.accept.ike, p->ike, sizeof(p->ike));
	conf->gateway.accept.n_ike = p->n_ike;
	for (int lane = 0; lane < LANES; lane++)
		conf->gateway.addr[lane] = (struct addr){
			ip_v4(0xc6336401), lane == LANE_IKE ? 500 : 4500}; /* 198.51.100.1 */
}

static void print_line(void *ctx, enum log_level level, const char *layer, const char *text)
{
	const struct world *w = ctx;

	fprintf(stderr, "%10.3f  %-5s %-5s %s\n", (double)world_now(w) / 1000,
		log_level_name(level), layer, text);
}

static int64_t wall(void *ctx)
{
	(void)ctx;
	return 1790000000;
}

/* ---- life ---- */

static void make_env(struct world *w, struct env *env, uint64_t *state, uint64_t salt)
{
	*state = w->conf.seed * 2654435761u + salt;
	*env = (struct env){
		.rng = sim_rng,
		.wall = wall,
		.ctx = state,
		.pool = w->host->pool,
		.crypto = w->host->crypto,
		.log = w->conf.trace ? &w->log : NULL,
	};
}

struct world *world_new(const struct world_conf *conf, const struct sim_host *host)
{
	struct world *w = calloc(1, sizeof(*w));
	struct io out = {0};

	assert_non_null(w);
	w->conf = *conf;
	w->host = host;
	w->conf.trace |= getenv("VPND_SIM_TRACE") != NULL;
	w->sim = sim_new(conf->seed, host->pool, conf->nat, w->conf.trace);
	for (int i = 0; i < SIM_ENDS; i++)
		*sim_way(w->sim, (enum sim_end)i) = conf->way[i];
	if (w->conf.trace)
		w->log = (struct log){.sink = print_line, .ctx = w, .level = LOG_LEVEL_DEBUG};
	make_env(w, &w->client_env, &w->client_rng, 1);
	make_env(w, &w->gateway_env, &w->gateway_rng, 2);
	w->gateway_env.log = NULL;
	w->kernel = kernel_new();
	w->conn = conn_new(&w->conf.client, &w->client_env);
	w->gateway = gateway_new(&w->conf.gateway, &w->gateway_env);
	assert_non_null(w->conn);
	assert_non_null(w->gateway);
	w->ping_due = MSEC_NEVER;
	w->began = world_now(w);
	conn_open(w->conn, w->began, &out);
	world_from_client(w, &out);
	return w;
}

void world_free(struct world *w)
{
	world_check(w);
	for (unsigned i = 0; i < w->n_kept; i++)
		pkt_free(w->kept[i]);
	conn_free(w->conn);
	gateway_free(w->gateway);
	kernel_free(w->kernel);
	sim_free(w->sim);
	assert_int_equal(pkt_pool_live(w->host->pool), 0);
	free(w);
}

msec world_now(const struct world *w)
{
	return sim_now(w->sim);
}

bool world_is_up(const struct world *w)
{
	struct conn_status st;

	conn_get_status(w->conn, &st);
	return w->up && st.state == CONN_UP;
}

bool world_has_ended(const struct world *w)
{
	return w->ended;
}

bool world_has_reply(const struct world *w)
{
	return w->first_reply;
}

void world_wrong(struct world *w, const char *fmt, ...)
{
	va_list args;

	if (*w->wrong)
		return;
	va_start(args, fmt);
	vsnprintf(w->wrong, sizeof(w->wrong), fmt, args);
	va_end(args);
	if (w->conf.trace)
		fprintf(stderr, "%10.3f  WRONG: %s\n", (double)world_now(w) / 1000, w->wrong);
}

void world_check(const struct world *w)
{
	if (*w->wrong)
		fail_msg("seed %llu, %.3f s after the beginning: %s",
			(unsigned long long)w->conf.seed, (double)(world_now(w) - w->began) / 1000,
			w->wrong);
}

/* ---- answers ---- */

static void answer_addresses(struct world *w, uint32_t id, bool yes, struct io *out)
{
	struct ip ips[CONN_ADDRESSES_MAX];
	unsigned n = w->conf.addresses ? w->conf.addresses : 1;

	for (unsigned i = 0; i < n; i++)
		ips[i] = i + 1 == n ? w->conf.gateway.addr[LANE_IKE].ip : ip_v4(0xc63364c8 + i);
	conn_resolved(w->conn, id, ips, yes ? n : 0, "no such name", world_now(w), out);
}

static void answer_sockets(struct world *w, uint32_t id, bool yes, struct io *out)
{
	struct conn_sockets sockets = {.first_lane = LANE_IKE};
	struct reason no;

	reason_set(&no, REASON_LOCAL_SOCKET, "no socket here");
	for (int lane = LANE_IKE; lane <= LANE_RAW; lane++) {
		uint16_t port = lane == LANE_IKE ? 500 : 4500;

		w->local[lane] = (struct addr){
			ip_v4(w->conf.nat ? 0x0a000002 : 0xc000020a), port}; /* 192.0.2.10 */
		sockets.local[lane] = w->local[lane];
		sockets.remote[lane] = (struct addr){w->remote, port};
	}
	w->sockets = yes;
	if (w->conf.kernel_esp && yes && !w->no_kernel)
		sockets.esp = kernel_open(w->kernel, &w->client_env);
	sockets.handover = w->conf.kernel_session && sockets.esp;
	sockets.raw_esp = w->conf.raw_esp;
	sockets.udp_first = w->conf.udp_first;
	sockets.shared = w->conf.shared_gateway;
	conn_opened(w->conn, id, yes ? &sockets : NULL, &no, world_now(w), out);
}

static void answer_secret(struct world *w, uint32_t id, bool yes, struct io *out)
{
	struct answer answer = {
		.yes = yes, .why = "nobody is there", .secret = slice_str(w->conf.typed)};

	conn_secret(w->conn, id, &answer, world_now(w), out);
}

static void answer_link(struct world *w, uint32_t id, bool yes, struct io *out)
{
	struct reason no;

	reason_set(&no, REASON_LOCAL_TUN, "no interface here");
	conn_linked(w->conn, id, yes ? NULL : &no, world_now(w), out);
}

static void answer_handover(struct world *w, uint32_t id, bool yes, struct io *out)
{
	struct conn_status st;

	conn_get_status(w->conn, &st);
	yes &= st.has_stack && st.stack.l2tp.up;
	if (yes)
		kernel_take_session(w->kernel, &st.stack.l2tp);
	conn_handed(w->conn, id, yes, world_now(w), out);
}

static void answer(struct world *w, enum world_question q, uint32_t id, struct io *out)
{
	bool yes = w->conf.answers[q].reply == REPLY_YES;

	switch (q) {
	case ASK_ADDRESSES:
		answer_addresses(w, id, yes, out);
		break;
	case ASK_SOCKETS:
		answer_sockets(w, id, yes, out);
		break;
	case ASK_SECRET:
		answer_secret(w, id, yes, out);
		break;
	case ASK_LINK:
		answer_link(w, id, yes, out);
		break;
	case ASK_HANDOVER:
		answer_handover(w, id, yes, out);
		break;
	case QUESTIONS:
		break;
	}
}

static void asked(struct world *w, enum world_question q, uint32_t id, struct io *out)
{
	const struct world_answer *a = &w->conf.answers[q];

	if (a->reply == REPLY_NEVER)
		return;
	if (a->after == 0)
		answer(w, q, id, out);
	else
		world_at(w, a->after, DO_ANSWER, (uint64_t)q << 32 | id);
}

/* ---- the client's news ---- */

static void note_reason(struct world *w, const struct reason *r)
{
	sim_note(w->sim, reason_row(r->id)->id, r->id);
	if (w->n_reasons < WORLD_REASONS)
		w->reasons[w->n_reasons++] = r->id;
	if (r->id == REASON_NONE && !w->asked_to_end)
		world_wrong(w, "ended without a reason");
}

static void came_up(struct world *w)
{
	struct conn_status st;

	conn_get_status(w->conn, &st);
	check_proof(w);
	w->address = st.stack.ppp.local;
	w->up = true;
	w->ups++;
	w->up_at = w->ping_due = world_now(w);
	sim_note(w->sim, "up", w->ups);
}

static void went_down(struct world *w)
{
	if (w->up) {
		w->lost_at = world_now(w);
		sim_note(w->sim, "down", 0);
	}
	w->up = false;
	w->ping_due = MSEC_NEVER;
}

static void attempt_begins(struct world *w, const struct ip *remote)
{
	struct gateway_status st;

	gateway_get_status(w->gateway, &st);
	w->quick_modes_before = st.quick_modes;
	w->logins_before = st.logins;
	w->remote = *remote;
	w->attempts++;
}

static void take_event(struct world *w, const struct conn_event *ev, struct io *out)
{
	switch (ev->kind) {
	case CONN_EV_WANT_ADDRESSES:
		asked(w, ASK_ADDRESSES, ev->id, out);
		break;
	case CONN_EV_WANT_SOCKETS:
		attempt_begins(w, &ev->remote);
		w->no_kernel = ev->no_kernel;
		asked(w, ASK_SOCKETS, ev->id, out);
		break;
	case CONN_EV_WANT_SECRET:
		w->secrets_asked++;
		check_secret_is_due(w);
		asked(w, ASK_SECRET, ev->id, out);
		break;
	case CONN_EV_WANT_LINK:
		asked(w, ASK_LINK, ev->id, out);
		break;
	case CONN_EV_WANT_HANDOVER:
		asked(w, ASK_HANDOVER, ev->id, out);
		break;
	case CONN_EV_STEP:
		sim_note(w->sim, stack_step_name(ev->step), ev->took);
		break;
	case CONN_EV_UP:
		came_up(w);
		break;
	case CONN_EV_DROP_LINK:
		went_down(w);
		break;
	case CONN_EV_CLOSE_SOCKETS:
		world_send_client(w, out);
		kernel_close(w->kernel);
		w->sockets = false;
		break;
	case CONN_EV_RETRY:
		went_down(w);
		note_reason(w, &ev->reason);
		break;
	case CONN_EV_ENDED:
		went_down(w);
		w->ended = true;
		w->end = ev->reason;
		note_reason(w, &ev->reason);
		break;
	}
}

void world_from_client(struct world *w, struct io *out)
{
	enum { EVENTS_IN_A_CALL = 64 };
	struct conn_event ev;
	unsigned n = 0;

	while (conn_next_event(w->conn, &ev)) {
		take_event(w, &ev, out);
		if (++n > EVENTS_IN_A_CALL) {
			world_wrong(w, "more than %d events in one call", EVENTS_IN_A_CALL);
			break;
		}
	}
	w->events += n;
	world_send_client(w, out);
	world_client_host(w, &out->up);
}

/* ---- scripts ---- */

void world_at(struct world *w, msec after, enum world_action action, uint64_t arg)
{
	sim_at(w->sim, world_now(w) + after, (int)action, arg);
}

static void cut(struct world *w, uint64_t arg)
{
	for (unsigned i = 0; i < SIM_ENDS; i++)
		sim_way(w->sim, (enum sim_end)i)->cut |= arg == 0 || arg == i + 1;
}

static void heal(struct world *w)
{
	for (unsigned i = 0; i < SIM_ENDS; i++)
		sim_way(w->sim, (enum sim_end)i)->cut = false;
}

static void act(struct world *w, enum world_action action, uint64_t arg)
{
	struct io client = {0}, gateway = {0};
	msec now = world_now(w);

	if (action != DO_ANSWER)
		sim_note(w->sim, world_action_name(action), arg);
	switch (action) {
	case DO_NOTHING:
		break;
	case DO_ANSWER:
		answer(w, (enum world_question)(arg >> 32), (uint32_t)arg, &client);
		break;
	case DO_RESTART:
		gateway_restart(w->gateway);
		break;
	case DO_GATEWAY_REKEY:
		gateway_rekey(w->gateway, now, &gateway);
		break;
	case DO_DELETE_ESP:
		gateway_delete_esp(w->gateway, now, &gateway);
		break;
	case DO_DELETE_IKE:
		gateway_delete_ike(w->gateway, now, &gateway);
		break;
	case DO_STOP_L2TP:
		gateway_stop(w->gateway, "down for maintenance", now, &gateway);
		break;
	case DO_CUT:
		cut(w, arg);
		break;
	case DO_HEAL:
		heal(w);
		break;
	case DO_QUIET:
		sim_quiet(w->sim);
		break;
	case DO_REBIND:
		sim_rebind(w->sim);
		break;
	case DO_FORGE:
		for (uint64_t i = 0; i < arg; i++)
			world_forge(w);
		break;
	case DO_NOTICE:
		world_forge_notice(w);
		break;
	case DO_CLOSE:
	case DO_CANCEL:
		w->asked_to_end = true;
		conn_close(
			w->conn, action == DO_CLOSE ? REASON_NONE : REASON_CANCELLED, now, &client);
		break;
	case DO_RENEW:
		conn_renew(w->conn, now, &client);
		break;
	case DO_SILENCE:
		gateway_silence(w->gateway, arg);
		break;
	case DO_NET_ERROR:
		conn_net_error(w->conn, w->conf.icmp, now, &client);
		break;
	case DO_ACTIONS:
		break;
	}
	world_from_client(w, &client);
	world_from_gateway(w, &gateway);
}

/* ---- running ---- */

static void arrived(struct world *w, struct sim_item *item)
{
	struct pktq in = {0};
	struct io out = {0};
	msec now = world_now(w);

	if (item->to == SIM_CLIENT && (!w->sockets || w->asleep)) {
		pkt_free(item->pkt);
		return;
	}
	pktq_put(&in, item->pkt);
	if (item->to == SIM_CLIENT) {
		kernel_recv(w->kernel, &in, &out.up, now);
		world_client_host(w, &out.up);
		conn_recv(w->conn, &in, now, &out);
		world_from_client(w, &out);
	} else {
		gateway_recv(w->gateway, &in, &item->from, now, &out);
		world_from_gateway(w, &out);
	}
}

/* A deadline that has passed must lead to something, or to another deadline. */
static void tick_client(struct world *w)
{
	struct io out = {0};
	msec now = world_now(w);
	unsigned events = w->events, sent = w->client_sent;

	conn_tick(w->conn, now, &out);
	world_from_client(w, &out);
	bool progress = w->events != events || w->client_sent != sent;
	if (conn_deadline(w->conn) > now || progress)
		w->idle_ticks = 0;
	else if (++w->idle_ticks > 2)
		world_wrong(w, "the client spins: its deadline of %lld ms ago stays",
			(long long)(now - conn_deadline(w->conn)));
	w->ticks_here = w->ticked_at == now ? w->ticks_here + 1 : 0;
	w->ticked_at = now;
	if (w->ticks_here > 32)
		world_wrong(w, "the client ticks %u times in one millisecond", w->ticks_here);
}

static void tick_gateway(struct world *w)
{
	struct io out = {0};

	gateway_tick(w->gateway, world_now(w), &out);
	world_from_gateway(w, &out);
}

static void step(struct world *w, msec due)
{
	struct sim_item item;

	if (sim_next(w->sim, due, &item)) {
		if (item.kind == SIM_PACKET)
			arrived(w, &item);
		else
			act(w, (enum world_action)item.action, item.arg);
		return;
	}
	if (!w->asleep && conn_deadline(w->conn) <= world_now(w))
		tick_client(w);
	if (gateway_deadline(w->gateway) <= world_now(w))
		tick_gateway(w);
	if (!w->asleep && w->ping_due <= world_now(w))
		world_ping(w);
}

bool world_until(struct world *w, bool (*done)(const struct world *w), msec at_most)
{
	msec end = world_now(w) + at_most;
	struct sim_item item;

	while (!*w->wrong) {
		if (done && done(w))
			return true;
		msec due = msec_min(sim_due(w->sim), gateway_deadline(w->gateway));
		if (!w->asleep)
			due = msec_min(due, msec_min(conn_deadline(w->conn), w->ping_due));
		if (due > end) {
			sim_next(w->sim, end, &item); /* nothing is due: only the clock moves */
			return false;
		}
		step(w, due);
	}
	return false;
}

void world_run(struct world *w, msec for_ms)
{
	world_until(w, NULL, for_ms);
}

void world_sleep(struct world *w, msec for_ms)
{
	w->asleep = true;
	world_run(w, for_ms);
	w->asleep = false;
}

bool world_pings_pass(struct world *w, unsigned n)
{
	enum { APART = 20, PATIENCE = 3000 };
	unsigned out = w->out.answered, in = w->in.answered;
	msec before = w->conf.ping_every;

	w->conf.ping_every = 0;
	w->ping_due = MSEC_NEVER;
	world_run(w, PATIENCE);
	out = w->out.answered;
	in = w->in.answered;
	for (unsigned i = 0; i < n; i++) {
		world_ping(w);
		world_run(w, APART);
	}
	world_run(w, PATIENCE);
	w->conf.ping_every = before;
	if (before && w->up)
		w->ping_due = world_now(w);
	return w->out.answered - out == n && w->in.answered - in == n;
}

void world_disconnect(struct world *w)
{
	enum { PATIENCE = 3500 };

	act(w, DO_CLOSE, 0);
	if (!world_until(w, world_has_ended, PATIENCE))
		world_wrong(w, "still not down %d ms after it was asked", PATIENCE);
	else if (conn_deadline(w->conn) != MSEC_NEVER)
		world_wrong(w, "it has ended and still has a deadline");
}

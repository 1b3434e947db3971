/* Packets of strangers, who know neither cookies nor SPIs nor keys, in every state of a connection:
 * no answer, no state, no memory. The socket is connected, so they come under the gateway's address.
 *
 *	test_sim_strangers [PACKETS]    so many in all */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"
#include "ike/ike_natt.h"
#include "l2tp/l2tp_msg.h"
#include "tests/sim/forge.h"
#include "tests/sim/heap.h"

enum {
	ROOM = 1400,
	AGGRESSIVE = 4,
	R_U_THERE_BODY = 32,
	STATES = 6, /* up to AT_UP */
	WARM = 1000,
	SLACK = 1024,
	TRIP = 50,
	MINUTES = 10,
};

static struct sim_host host;
static uint64_t packets = 30000;

/* ---- what they send ---- */

struct stranger {
	const struct world *w;
	struct forger *f; /* sees the wire: what the client's cookies are not */
	uint64_t rng;
	uint8_t buf[ROOM];
};

static uint32_t draw(struct stranger *s, uint32_t below)
{
	return (uint32_t)(sim_mix(&s->rng) % below);
}

static struct slice noise(struct stranger *s)
{
	size_t n = draw(s, ROOM);

	sim_rng(&s->rng, s->buf, n);
	return slice(s->buf, n);
}

/* Every header that is one. */
static struct slice some_isakmp(struct stranger *s)
{
	size_t n = IKE_HDR + draw(s, 600);

	sim_rng(&s->rng, s->buf, n);
	s->buf[17] = 0x10;
	if (draw(s, 2))
		s->buf[18] = (uint8_t[]){IKE_MAIN, AGGRESSIVE, IKE_INFO, IKE_QUICK}[draw(s, 4)];
	put_u32(s->buf + 24, (uint32_t)n);
	return slice(s->buf, n);
}

/* The client's own first message, from somebody else. */
static struct slice beginning(struct stranger *s, uint8_t exchange)
{
	struct slice m = pkt_slice(s->f->message1);

	memcpy(s->buf, m.p, m.n);
	sim_rng(&s->rng, s->buf, IKE_COOKIE);
	s->buf[18] = exchange;
	return slice(s->buf, m.n);
}

/* The one exception: under the address of a peer that has proved itself it is answered. */
static struct slice main_mode(struct stranger *s)
{
	return beginning(s, s->f->step < AT_QUICK_2 ? IKE_MAIN : AGGRESSIVE);
}

static struct slice aggressive_mode(struct stranger *s)
{
	return beginning(s, AGGRESSIVE);
}

/* R-U-THERE: cookies of nobody, of zeros, swapped, half right. */
static struct slice are_you_there(struct stranger *s)
{
	uint8_t cookies[2 * IKE_COOKIE] = {0}, data[4];
	struct ike_hdr hdr = {.exchange = IKE_INFO, .id = draw(s, UINT32_MAX) | 1};
	const uint8_t *i = s->f->cookie_i, *r = s->f->cookie_r;
	struct ike_build b;

	switch (draw(s, 4)) {
	case 0:
		sim_rng(&s->rng, cookies, sizeof(cookies));
		break;
	case 1:
		break;
	case 2:
		memcpy(cookies, r, IKE_COOKIE);
		memcpy(cookies + IKE_COOKIE, i, IKE_COOKIE);
		break;
	default:
		sim_rng(&s->rng, cookies, IKE_COOKIE);
		memcpy(cookies + IKE_COOKIE, r, IKE_COOKIE);
		break;
	}
	memcpy(hdr.cookie_i, cookies, IKE_COOKIE);
	memcpy(hdr.cookie_r, cookies + IKE_COOKIE, IKE_COOKIE);
	hdr.flags = draw(s, 2) ? IKE_ENCRYPTED : 0;
	sim_rng(&s->rng, data, sizeof(data));
	ike_build_open(&b, s->buf, sizeof(s->buf), &hdr);
	ike_put_notify(&b, IKE_PROTO_ISAKMP, draw(s, 2) ? IKE_R_U_THERE : IKE_R_U_THERE_ACK,
		slice(cookies, sizeof(cookies)), slice(data, sizeof(data)));
	return ike_build_close(&b);
}

/* Reserved SPIs, unknown ones, and the one that the client sends on. */
static struct slice some_esp(struct stranger *s)
{
	const uint32_t spis[] = {draw(s, 256), draw(s, UINT32_MAX) | 0x100, s->f->spi_out};
	size_t n = 8 + draw(s, ROOM - 8);

	sim_rng(&s->rng, s->buf, n);
	put_u32(s->buf, spis[draw(s, 3)]);
	return slice(s->buf, n);
}

static struct l2tp_status tunnel_of(const struct stranger *s)
{
	struct conn_status st;

	conn_get_status(s->w->conn, &st);
	return st.stack.l2tp;
}

/* L2TP outside ESP: the opening of a tunnel, the end of ours, of its call; with the right ids. */
static struct slice clear_l2tp(struct stranger *s)
{
	static const enum l2tp_message types[] = {
		L2TP_SCCRQ, L2TP_STOPCCN, L2TP_CDN, L2TP_ICRQ, L2TP_OCRQ, L2TP_HELLO};
	struct l2tp_status st = tunnel_of(s);
	struct wr w = wr_of(s->buf, sizeof(s->buf));
	struct l2tp_msg m;

	l2tp_msg_init(&m, types[draw(s, sizeof(types) / sizeof(types[0]))]);
	l2tp_msg_put_u16(&m, AVP_PROTOCOL_VERSION, 0x0100);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, 7);
	l2tp_msg_put_result(&m, L2TP_STOP_SHUTDOWN, 0, "");
	l2tp_msg_build(&m,
		&(struct l2tp_head){m.type == L2TP_SCCRQ ? 0 : st.tunnel,
			m.type == L2TP_CDN ? st.session : 0, (uint16_t)draw(s, 8),
			(uint16_t)draw(s, 8), {0}},
		&w);
	return wr_slice(&w);
}

/* LCP Terminate-Request in the session, outside ESP. */
static struct slice clear_terminate(struct stranger *s)
{
	static const uint8_t terminate[] = {0xff, 0x03, 0xc0, 0x21, 5, 1, 0, 4};
	struct l2tp_status st = tunnel_of(s);
	struct wr w = wr_of(s->buf, sizeof(s->buf));

	wr_u16(&w, 0x0002);
	wr_u16(&w, st.tunnel);
	wr_u16(&w, st.session);
	wr_put(&w, slice(terminate, sizeof(terminate)));
	return wr_slice(&w);
}

static const struct {
	struct slice (*make)(struct stranger *);
	bool is_ike;
} kinds[] = {{noise, false}, {some_isakmp, true}, {main_mode, true}, {aggressive_mode, true},
	{are_you_there, true}, {some_esp, false}, {clear_l2tp, false}, {clear_terminate, false}};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), OF_L2TP = KINDS - 2 };

/* ---- the client ---- */

static const struct forgery nothing;
static struct forger *watcher;
static size_t most_heap; /* that a flood has added */
static enum forge_step wanted;

static bool has_come_to(const struct world *w)
{
	return wanted == AT_UP ? world_is_up(w) : watcher->step >= wanted;
}

/* One packet; everything that leaves is counted. */
static unsigned receive(struct world *w, struct slice octets, enum lane lane, bool is_ike)
{
	struct pktq in = {0};
	struct io out = {0};
	struct pkt *p = pkt_of(host.pool, octets);

	assert_non_null(p);
	p->lane = lane;
	assert_true(!is_ike || lane != LANE_NATT || natt_mark(p));
	pktq_put(&in, p);
	conn_recv(w->conn, &in, world_now(w), &out);
	unsigned answers = (unsigned)(out.down.count + out.up.count);
	pktq_free(&out.down);
	pktq_free(&out.up);
	return answers;
}

/* Of all kinds in turn from that one on. */
static unsigned flood(struct world *w, unsigned first, uint64_t n)
{
	const unsigned of = KINDS - first;
	struct stranger s = {.w = w, .f = watcher, .rng = w->conf.seed};
	unsigned answers = 0;
	size_t before = 0;

	for (uint64_t i = 0; i < n; i++) {
		const unsigned kind = first + (unsigned)(i % of);
		struct slice octets = kinds[kind].make(&s);

		answers += receive(
			w, octets, draw(&s, 2) ? LANE_NATT : LANE_IKE, kinds[i % KINDS].is_ike);
		if (i == WARM)
			before = heap();
	}
	size_t now = heap();
	if (now > before + most_heap)
		most_heap = now - before;
	assert_true(most_heap <= SLACK);
	return answers;
}

static msec time_to_connect(uint64_t strangers)
{
	struct world_conf conf;

	world_defaults(&conf, 1);
	conf.way[SIM_CLIENT] = conf.way[SIM_GATEWAY] = (struct sim_way){.delay = TRIP / 2};
	struct world *w = world_new(&conf, &host);
	watcher = forger_new(w, &nothing, 0, 0, 0);
	for (wanted = AT_MESSAGE_2; wanted <= AT_UP; wanted++) {
		assert_true(world_until(w, has_come_to, SECONDS(10)));
		if (strangers)
			assert_int_equal(flood(w, 0, strangers / STATES), 0);
	}
	msec took = w->up_at - w->began;
	world_run(w, SECONDS(1));
	assert_true(world_pings_pass(w, 5));
	assert_int_equal(w->ups, 1);
	forger_free(watcher);
	world_disconnect(w);
	world_free(w);
	return took;
}

static void strangers_get_no_octet_and_change_nothing(void **state)
{
	(void)state;
	msec took = time_to_connect(0);

	assert_true(took > 0);
	assert_int_equal(time_to_connect(packets), took);
	print_message(
		"figure: %llu packets of strangers in %d states: 0 answers, heap +0 octets, the "
		"connection comes up at the same millisecond\n",
		(unsigned long long)packets, STATES);
}

/* With the right ids, which have no secret: StopCCN, CDN, SCCRQ, Terminate-Request. */
static void kara_2004_an_end_of_the_tunnel_outside_esp_is_nothing(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 3);
	struct world *w = world_new(&conf, &host);
	watcher = forger_new(w, &nothing, 0, 0, 0);
	assert_true(world_until(w, world_is_up, SECONDS(10)));
	world_run(w, SECONDS(1));
	assert_int_equal(flood(w, OF_L2TP, packets), 0);
	assert_true(world_pings_pass(w, 5));
	assert_int_equal(w->ups, 1);
	print_message(
		"figure: %llu L2TP messages outside ESP with the right ids: 0 answers, no ping "
		"lost\n",
		(unsigned long long)packets);
	forger_free(watcher);
	world_disconnect(w);
	world_free(w);
}

/* Under the address of an established peer a message 1 is answered: one half-open SA at a time, and
 * not more often than every two seconds. */
static void message_1_of_an_established_peer_is_answered_within_bounds(void **state)
{
	struct world_conf conf;

	(void)state;
	world_defaults(&conf, 2);
	struct world *w = world_new(&conf, &host);
	watcher = forger_new(w, &nothing, 0, 0, 0);
	assert_true(world_until(w, world_is_up, SECONDS(10)));
	world_run(w, SECONDS(1));
	struct stranger s = {.w = w, .f = watcher, .rng = 5};
	unsigned answers = 0, each = (unsigned)(packets / (MINUTES * 600));
	size_t before = 0;

	for (unsigned tenths = 0; tenths < MINUTES * 600; tenths++) {
		for (unsigned i = 0; i < each; i++)
			answers += receive(w, beginning(&s, IKE_MAIN), LANE_NATT, true);
		world_run(w, 100);
		if (tenths == 600)
			before = heap();
	}
	assert_in_range(answers, 1, MINUTES * 60 / 2);
	assert_true(heap() <= before + 32 * SLACK); /* the one that is half open */
	assert_true(world_pings_pass(w, 5));
	print_message(
		"figure: %u messages 1 under the address of an established peer in %d minutes: "
		"%u answers (at most %d)\n",
		each * MINUTES * 600, MINUTES, answers, MINUTES * 60 / 2);
	forger_free(watcher);
	world_disconnect(w);
	world_free(w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_get_no_octet_and_change_nothing),
		cmocka_unit_test(kara_2004_an_end_of_the_tunnel_outside_esp_is_nothing),
		cmocka_unit_test(message_1_of_an_established_peer_is_answered_within_bounds),
	};

	if (argc > 2 || (argc == 2 && !str_uint(argv[1], 10000, UINT32_MAX, &packets))) {
		print_error("usage: test_sim_strangers [PACKETS]\n");
		return 2;
	}
	sim_host_open(&host);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	sim_host_close(&host);
	return failed;
}

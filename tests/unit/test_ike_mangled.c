/* Bugs that others had in what anybody may send, by their names: in every state of the machine, with
 * the right cookies, and every line logged. */
#include "tests/unit/ike_world.h"

#include "base/log.h"

enum { STATES = 5, AGGRESSIVE = 4, LINES_A_MINUTE = 10 };

struct lines {
	unsigned n;
	size_t longest;
};

static void count_line(void *ctx, enum log_level level, const char *layer, const char *text)
{
	struct lines *l = ctx;

	(void)level;
	(void)layer;
	l->n++;
	if (strlen(text) > l->longest)
		l->longest = strlen(text);
}

/* Waiting for message 2, 4, 6, for quick mode's; up. The gateway's answer is on its way. */
static struct world *world_in(unsigned state, struct log *log)
{
	struct world *w = world_new("modern");

	w->env->log = log;
	w->gw.choice = 5; /* the smallest: a point of ECP-256 */
	world_open(w);
	for (unsigned i = 0; i < state && i < 4; i++) {
		drain_events(w);
		deliver_to_gateway(w);
		ike_recv(w->ike, &w->inbox, w->now += LATENCY, &w->out);
	}
	drain_events(w);
	deliver_to_gateway(w);
	return w;
}

/* No answer comes to all this, and the connection comes up, or stays. */
static void receive_in_vain(struct world *w, struct pktq *q)
{
	ike_recv(w->ike, q, w->now, &w->out);
	drain_events(w);
	assert_int_equal(w->out.down.count, 0);
	assert_int_equal(w->events[IKE_EV_FAILED], 0);
}

static void finish(struct world *w)
{
	pass(w, 500);
	assert_up(w);
	assert_int_equal(w->sent, 5);
	world_free(w);
}

static void put(struct world *w, struct pktq *q, struct slice message)
{
	struct pkt *p = pkt_of(w->env->pool, message);

	assert_non_null(p);
	p->lane = w->gw.lane;
	pktq_put(q, p);
}

/* A header with the right cookies, and `n` octets of that value behind it. */
static struct slice header(struct world *w, uint8_t *to, uint8_t exchange, uint8_t flags,
	uint8_t first, size_t n, uint8_t value)
{
	struct ike_hdr hdr = gw_hdr(w, exchange, exchange == IKE_MAIN ? 0 : 77);
	struct ike_build b;

	hdr.flags = flags;
	ike_build_open(&b, to, ROOM, &hdr);
	memset(to + IKE_HDR, value, n);
	to[16] = first;
	put_u32(to + 24, (uint32_t)(IKE_HDR + n));
	return slice(to, IKE_HDR + n);
}

/* The true answer, cut anywhere, and with every other length in its header. */
static void cve_2013_4564_packets_shorter_than_they_say_are_dropped(void **state)
{
	(void)state;
	for (unsigned at = 0; at < STATES; at++) {
		struct world *w = world_in(at, NULL);
		struct blob m = w->gw.last_out;
		struct pktq q = {0};

		for (size_t n = 0; n < m.n; n++)
			put(w, &q, slice(m.p, n));
		for (uint32_t said = 0; said < ROOM; said++) {
			put_u32(m.p + 24, said == m.n ? UINT32_MAX : said);
			put(w, &q, blob(&m));
		}
		receive_in_vain(w, &q);
		finish(w);
	}
}

static void cve_2022_23094_no_exchange_and_flag_without_a_state_is_a_trap(void **state)
{
	(void)state;
	for (unsigned at = 0; at < STATES; at++) {
		struct lines lines = {0};
		struct log log = {count_line, &lines, LOG_LEVEL_DEBUG, 0, 0};
		struct world *w = world_in(at, &log);
		unsigned before = lines.n;
		uint8_t buf[ROOM];

		for (unsigned exchange = 0; exchange < 256; exchange++) {
			struct pktq q = {0};

			for (unsigned flags = 0; flags < 16; flags++)
				for (size_t n = 0; n <= 64; n += 16)
					put(w, &q,
						header(w, buf, (uint8_t)exchange, (uint8_t)flags,
							IKE_HASH, n, 0));
			receive_in_vain(w, &q);
		}
		assert_in_range(
			lines.n - before, 1, LINES_A_MINUTE + 1); /* and "more are not shown" */
		assert_in_range(lines.longest, 1, 512);
		finish(w);
	}
}

/* Next payloads that pluto knew and did not expect, unassigned bits of the DOI and the situation. */
static void cve_2015_3204_unassigned_numbers_are_dropped(void **state)
{
	(void)state;
	for (unsigned at = 0; at < STATES; at++) {
		struct world *w = world_in(at, NULL);
		uint8_t buf[ROOM];

		for (unsigned type = 0; type < 256; type++) {
			struct pktq q = {0};
			uint8_t exchange = type % 2 ? IKE_INFO : IKE_MAIN;

			for (unsigned bit = 0; bit < 64; bit++) {
				struct slice m = header(w, buf, exchange, 0, (uint8_t)type, 32, 0);

				buf[IKE_HDR + 3] = 32; /* a payload of that type fills it */
				buf[IKE_HDR + 7] = 1;
				buf[IKE_HDR + 11] = 1;
				buf[IKE_HDR + 4 + bit / 8] ^= (uint8_t)(1u << bit % 8);
				put(w, &q, m);
			}
			receive_in_vain(w, &q);
		}
		finish(w);
	}
}

/* Its own message with another exchange type; nobody here can be made to speak it. */
static void cve_2002_1623_aggressive_mode_is_not_spoken(void **state)
{
	(void)state;
	for (unsigned at = 0; at < STATES; at++) {
		struct world *w = world_in(at, NULL);
		struct blob m = w->gw.last_out;
		struct pktq q = {0};

		m.p[18] = AGGRESSIVE;
		put(w, &q, blob(&m));
		memset(m.p + 8, 0, 8);
		put(w, &q, blob(&m));
		env_random(w->env, m.p, 8);
		put(w, &q, blob(&m));
		receive_in_vain(w, &q);
		finish(w);
	}
}

static void cve_2023_30570_a_responders_cookie_of_zero_is_none(void **state)
{
	(void)state;
	for (unsigned at = 0; at < STATES; at++) {
		struct world *w = world_in(at, NULL);
		struct blob m = w->gw.last_out;
		struct pktq q = {0};

		memset(m.p + 8, 0, 8);
		put(w, &q, blob(&m));
		memcpy(m.p + 8, m.p, 8); /* nor ours, back */
		put(w, &q, blob(&m));
		receive_in_vain(w, &q);
		finish(w);
	}
}

/* RSA encryption (4, 5) among them: whoever decrypts for strangers is an oracle. */
static void cve_2018_0131_no_other_authentication_method_is_taken(void **state)
{
	(void)state;
	static const uint8_t psk[] = {0x80, 3, 0, 1};
	struct world *w = world_in(0, NULL);
	struct blob m = w->gw.last_out;
	size_t at = IKE_HDR;

	while (memcmp(m.p + at, psk, sizeof(psk)) != 0)
		assert_in_range(++at, 0, m.n - sizeof(psk));
	for (uint32_t method = 0; method <= UINT16_MAX; method++) {
		struct pktq q = {0};

		m.p[at + 2] = (uint8_t)(method >> 8);
		m.p[at + 3] = (uint8_t)method;
		if (method == IKE_AUTH_PSK)
			continue;
		put(w, &q, blob(&m));
		receive_in_vain(w, &q);
	}
	finish(w);
}

static void cve_2015_3240_a_key_exchange_omitted_empty_long_or_twice_is_none(void **state)
{
	(void)state;
	struct world *w = world_in(1, NULL);
	struct slice real = blob(&w->gw.last_out);
	struct ike_payloads p;
	struct ike_hdr hdr;
	struct pktq q = {0};
	uint8_t ke[600] = {4}, buf[ROOM];

	assert_true(ike_hdr_parse(real, &hdr));
	assert_true(ike_payloads_parse(hdr.first, slice(real.p + IKE_HDR, real.n - IKE_HDR), &p));
	struct slice right = ike_payload_body(&p, IKE_KE);
	for (size_t n = 0; n < sizeof(ke); n++) {
		struct ike_build b;

		if (n == right.n)
			continue;
		ike_build_open(&b, buf, sizeof(buf), &hdr);
		if (n == sizeof(ke) - 1) { /* twice */
			ike_put(&b, IKE_KE, right);
			ike_put(&b, IKE_KE, right);
		} else if (n != sizeof(ke) - 2) {
			ike_put(&b, IKE_KE, slice(ke, n));
		}
		for (size_t i = 1; i < p.n; i++)
			ike_put(&b, p.at[i].type, p.at[i].body);
		put(w, &q, ike_build_close(&b));
	}
	receive_in_vain(w, &q);
	finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cve_2013_4564_packets_shorter_than_they_say_are_dropped),
		cmocka_unit_test(cve_2022_23094_no_exchange_and_flag_without_a_state_is_a_trap),
		cmocka_unit_test(cve_2015_3204_unassigned_numbers_are_dropped),
		cmocka_unit_test(cve_2002_1623_aggressive_mode_is_not_spoken),
		cmocka_unit_test(cve_2023_30570_a_responders_cookie_of_zero_is_none),
		cmocka_unit_test(cve_2018_0131_no_other_authentication_method_is_taken),
		cmocka_unit_test(cve_2015_3240_a_key_exchange_omitted_empty_long_or_twice_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

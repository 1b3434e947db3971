/* ike/: what a gateway may choose. Every value of every field of an SA answer, in main mode at the
 * machine, in quick mode at the taker of message 2 and, by samples, sealed at the machine. */
#include "ike/ike_rooms.h"
#include "tests/unit/ike_values.h"

#include "base/log.h"

enum { PARTS_MAX = 8, WIDE = 0x8000 };

/* One attribute of a good answer. */
struct part {
	unsigned field; /* with the top bit: a value of two octets follows */
	uint64_t value;
	size_t n; /* octets, without the top bit */
};

struct bench;

/* A phase, and an answer that is good in it. */
struct phase {
	const char *name;
	const char *esp; /* suites of quick mode, in place of the tier's */
	bool natted;
	unsigned life;
	uint8_t protocol, id;
	size_t spi_len, n;
	struct part parts[PARTS_MAX];
	bool (*take)(struct bench *b, struct slice body);
};

struct bench {
	const struct phase *phase;
	struct world *w;
	struct offered offered;
	struct quick *q;
	char text[96];
	struct tally tally;
};

/* ---- the two takers ---- */

static void main_mode_again(struct bench *b)
{
	struct world *w = b->w;

	pktq_free(&w->out.down);
	ike_free(w->ike);
	world_open(w);
	struct pkt *first = pktq_take(&w->out.down);
	assert_non_null(first);
	struct slice m = pkt_slice(first);
	struct ike_payloads p;
	assert_true(ike_payloads_parse(IKE_SA, slice(m.p + IKE_HDR, m.n - IKE_HDR), &p));
	offered_read(ike_payload_body(&p, IKE_SA), 11, &b->offered);
	pkt_free(first);
}

static bool take_in_main_mode(struct bench *b, struct slice body)
{
	static const uint8_t cookie[8] = "gateway";
	struct ike_hdr hdr = {.exchange = IKE_MAIN};
	struct ike_build build;
	uint8_t buf[ROOM];

	memcpy(hdr.cookie_i, b->w->ike->sas->cookie_i, 8);
	memcpy(hdr.cookie_r, cookie, 8);
	ike_build_open(&build, buf, sizeof(buf), &hdr);
	ike_put(&build, IKE_SA, body);
	to_client(b->w, ike_build_close(&build));
	ike_recv(b->w->ike, &b->w->inbox, b->w->now, &b->w->out);
	assert_false(b->w->ike->failed);
	bool taken = b->w->out.down.count; /* message 3 */
	if (taken)
		main_mode_again(b);
	return taken;
}

/* Message 1 of a second quick mode has gone, and the gateway has read it. */
static void quick_mode_waits(struct bench *b)
{
	struct world *w = b->w;
	struct ike_hdr hdr;
	struct ike_payloads p;
	uint8_t plain[ROOM];

	w->now += SECONDS(2);
	pktq_free(&w->out.down);
	ike_rekey(w->ike, w->used, w->now, &w->out);
	drain_events(w);
	struct pkt *first = pktq_take(&w->out.down);
	assert_non_null(first);
	assert_true(ike_hdr_parse(pkt_slice(first), &hdr));
	w->gw.id = hdr.id;
	assert_true(ike_iv_phase2(w->env->crypto, &w->gw.keys, w->gw.iv, hdr.id, w->gw.quick_iv));
	assert_true(gw_open(w, &hdr, pkt_slice(first), w->gw.quick_iv, plain, &p));
	ike_last_block(&w->gw.keys, pkt_slice(first), w->gw.quick_iv);
	blob_set(&w->gw.ni, ike_payload_body(&p, IKE_NONCE));
	offered_read(ike_payload_body(&p, IKE_SA), 1, &b->offered);
	pkt_free(first);
	for (b->q = w->ike->quicks; b->q->state != QUICK_SENT1; b->q = b->q->next)
		assert_non_null(b->q->next);
}

static bool take_in_quick_mode(struct bench *b, struct slice body)
{
	static const uint8_t nonce[16] = "a nonce";
	struct ike_payloads p = {.n = 2};

	p.at[0] = (struct ike_payload){IKE_SA, body};
	p.at[1] = (struct ike_payload){IKE_NONCE, slice(nonce, sizeof(nonce))};
	if (b->q->dh) {
		p.at[p.n++] = (struct ike_payload){
			IKE_KE, slice(b->w->gw.public_r.p, b->w->gw.public_r.n)};
	}
	return ike_quick_take_answer(b->w->ike, b->q, &p).id == REASON_NONE;
}

/* ---- the phases ---- */

/* clang-format off */
static const struct phase phases[] = {
	{"main mode", NULL, false, 11, 1, 1, 0, 7,
		{{WIDE | 1, 7, 0}, {WIDE | 14, 128, 0}, {WIDE | 2, 2, 0}, {WIDE | 4, 19, 0},
		 {WIDE | 3, 1, 0}, {WIDE | 11, 1, 0}, {12, 28800, 4}}, take_in_main_mode},
	{"quick mode", NULL, false, 1, 3, 12, 4, 5,
		{{WIDE | 4, 2, 0}, {WIDE | 5, 2, 0}, {WIDE | 6, 128, 0}, {WIDE | 1, 1, 0}, {2, 3600, 4}},
		take_in_quick_mode},
	{"quick mode with PFS behind NAT", "aes256gcm16-ecp256,aes128-sha256-ecp256", true, 1, 3, 12, 4, 6,
		{{WIDE | 4, 4, 0}, {WIDE | 5, 5, 0}, {WIDE | 6, 128, 0}, {WIDE | 3, 19, 0},
		 {WIDE | 1, 1, 0}, {2, 3600, 4}},
		take_in_quick_mode},
};
/* clang-format on */

enum { PHASES = sizeof(phases) / sizeof(phases[0]) };

static void bench_figure(struct bench *b, unsigned long must)
{
	b->tally.what = b->text;
	figure(&b->tally, must);
}

static struct bench bench_new(const struct phase *phase, const char *what)
{
	struct bench b = {.phase = phase, .w = world_new("legacy")};
	const char *wrong;

	snprintf(b.text, sizeof(b.text), "%s, %s", phase->name, what);
	b.tally.what = what;
	b.w->gw.natted = phase->natted;
	b.w->conf.ike_life_s = b.w->conf.esp_life_s = 86400;
	b.w->conf.dpd_interval = 0;
	if (phase->natted)
		assert_true(ike_suites_parse("aes128-sha1-ecp256", &b.w->conf.proposals, &wrong));
	if (phase->esp)
		assert_true(esp_suites_parse(phase->esp, &b.w->conf.proposals, &wrong));
	world_open(b.w);
	if (phase->take == take_in_main_mode) {
		main_mode_again(&b);
		return b;
	}
	pass(b.w, 500);
	assert_up(b.w);
	quick_mode_waits(&b);
	return b;
}

static void bench_free(struct bench *b)
{
	pktq_free(&b->w->out.down);
	world_free(b->w);
}

static struct reply reply_without_attributes(const struct phase *phase)
{
	return (struct reply){
		.doi = 1,
		.situation = 1,
		.proposal = 1,
		.protocol = phase->protocol,
		.transforms = 1,
		.transform = 1,
		.id = phase->id,
		.spi_len = phase->spi_len,
		.spi_said = (uint8_t)phase->spi_len,
		.spi = {0x5e, 1, 2, 3},
	};
}

static void say(struct reply *r, struct part part)
{
	say_number(r, part.field, part.value, part.n);
}

static struct reply reply_of(const struct phase *phase, const struct part *parts, size_t n)
{
	struct reply r = reply_without_attributes(phase);

	for (size_t i = 0; i < n; i++)
		say(&r, parts[i]);
	return r;
}

static struct reply good_reply(const struct phase *phase)
{
	return reply_of(phase, phase->parts, phase->n);
}

/* A good one, but for its kth attribute. */
static struct reply reply_with(const struct bench *b, size_t k, struct part part)
{
	struct part parts[PARTS_MAX];

	memcpy(parts, b->phase->parts, sizeof(parts));
	parts[k] = part;
	return reply_of(b->phase, parts, b->phase->n);
}

static unsigned type_of(const struct bench *b, size_t k)
{
	return b->phase->parts[k].field & (WIDE - 1);
}

static void try(struct bench *b, const struct reply *r, const char *field, unsigned long value)
{
	uint8_t body[BODY_MAX];
	bool taken = b->phase->take(b, reply_body(r, body));

	judge(&b->tally, taken, reply_is_offered(r, &b->offered), field, value);
}

/* ---- attributes ---- */

/* All 65536 first fields of an attribute, with the top bit and without, before and behind the
 * others: no more may be said than what was offered. */
static void an_attribute_more_is_refused_whichever_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < PHASES; i++) {
		struct bench b = bench_new(&phases[i], "an attribute more");

		for (unsigned field = 0; field <= UINT16_MAX; field++) {
			struct reply first = reply_without_attributes(b.phase);
			struct reply last = good_reply(b.phase);

			say(&first, (struct part){field, 1, 2});
			for (size_t k = 0; k < b.phase->n; k++)
				say(&first, b.phase->parts[k]);
			try(&b, &first, "attribute", field);
			say(&last, (struct part){field, 1, 2});
			try(&b, &last, "attribute", field);
		}
		bench_figure(&b, 0);
		bench_free(&b);
	}
}

/* Each of a good answer's attributes under each of the 65536 first fields: good under its own only. */
static void an_attribute_under_another_number_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < PHASES; i++) {
		struct bench b = bench_new(&phases[i], "an attribute under every number");
		const struct reply good = good_reply(b.phase);

		for (size_t at = 0, k = 0; k < b.phase->n; at += 4, k++)
			for (unsigned field = 0; field <= UINT16_MAX; field++) {
				struct reply r = good;

				put_u16(r.attributes + at, (uint16_t)field);
				try(&b, &r, "attribute", field);
			}
		bench_figure(&b, b.phase->n);
		bench_free(&b);
	}
}

/* Each attribute but the duration with each of the 65536 values, in both forms. With the others as
 * they are, main mode's answer is good for 1 cipher, 1 key length, 1 hash, 3 groups, 1 method and 2
 * life types; quick mode's for 1 mode, 2 hashes, 3 key lengths, 2 life types; with PFS for 1, 1, 1,
 * 1 group, 2. */
static void a_value_that_was_not_offered_is_refused_whichever_it_is(void **state)
{
	static const unsigned must[PHASES] = {2 * 9, 2 * 8, 2 * 6};

	(void)state;
	for (size_t i = 0; i < PHASES; i++) {
		struct bench b = bench_new(&phases[i], "every value of every attribute");

		for (size_t k = 0; k + 1 < b.phase->n; k++)
			for (unsigned value = 0; value <= UINT16_MAX; value++)
				for (unsigned wide = 0; wide < 2; wide++) {
					struct reply r = reply_with(&b, k,
						(struct part){
							type_of(&b, k) | wide * WIDE, value, 2});

					try(&b, &r, "value", value);
				}
		bench_figure(&b, must[i]);
		bench_free(&b);
	}
}

/* The same value in 0 to 300 octets, and values that are it modulo 2^16, 2^32: not one of ours. */
static void a_value_is_read_whole_up_to_8_octets(void **state)
{
	(void)state;
	for (size_t i = 0; i < PHASES; i++) {
		struct bench b = bench_new(&phases[i], "lengths of every attribute");

		for (size_t k = 0; k < b.phase->n; k++) {
			uint64_t value = b.phase->parts[k].value;

			for (size_t n = 0; n < 240; n++) {
				struct reply r =
					reply_with(&b, k, (struct part){type_of(&b, k), value, n});
				try(&b, &r, "length", n);
			}
			for (unsigned bit = 8; bit < 64; bit++) {
				struct reply r = reply_with(&b, k,
					(struct part){
						type_of(&b, k), value | UINT64_C(1) << bit, 8});
				try(&b, &r, "value with bit", bit);
			}
		}
		/* each in 1 to 8 octets, and the duration with each of 56 bits */
		bench_figure(&b, b.phase->n * 8 + 56);
		bench_free(&b);
	}
}

/* ---- omissions, repetitions, order ---- */

/* Every subset of the attributes: only the lifetime may be missing, whole. */
static void an_answer_with_less_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < PHASES; i++) {
		struct bench b = bench_new(&phases[i], "every omission");

		for (unsigned subset = 0; subset < 1u << b.phase->n; subset++) {
			struct reply r = reply_without_attributes(b.phase);

			for (size_t k = 0; k < b.phase->n; k++)
				if (subset >> k & 1)
					say(&r, b.phase->parts[k]);
			try(&b, &r, "subset", subset);
		}
		bench_figure(&b, 2);
		bench_free(&b);
	}
}

/* Each attribute a second time, with each of 256 values, at every place; the lifetime as a pair may
 * come twice, in seconds and kilobytes. */
static void an_attribute_twice_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < PHASES; i++) {
		struct bench b = bench_new(&phases[i], "every attribute twice");

		for (size_t k = 0; k < b.phase->n; k++)
			for (unsigned value = 0; value < 256; value++)
				for (size_t place = 0; place <= b.phase->n; place++) {
					struct reply r = reply_without_attributes(b.phase);
					struct part again = b.phase->parts[k];

					again.value = value;
					for (size_t at = 0; at <= b.phase->n; at++) {
						if (at == place)
							say(&r, again);
						if (at < b.phase->n)
							say(&r, b.phase->parts[at]);
					}
					try(&b, &r, "second value", value);
				}
		bench_figure(&b, 0);
		bench_free(&b);
	}
}

/* Every order in which a life type comes before its duration. */
static void attributes_may_come_in_any_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < PHASES; i++) {
		struct bench b = bench_new(&phases[i], "every order");
		size_t n = b.phase->n;
		unsigned orders = 1;

		for (unsigned k = 2; k <= n; k++)
			orders *= k;
		for (unsigned order = 0; order < orders; order++) {
			struct reply r = reply_without_attributes(b.phase);
			size_t left[PARTS_MAX], rest = order;

			for (size_t k = 0; k < n; k++)
				left[k] = k;
			for (size_t k = n; k > 0; k--) {
				size_t pick = rest % k;

				rest /= k;
				say(&r, b.phase->parts[left[pick]]);
				memmove(left + pick, left + pick + 1,
					(k - pick - 1) * sizeof(left[0]));
			}
			try(&b, &r, "order", order);
		}
		bench_figure(&b, orders / 2);
		bench_free(&b);
	}
}

/* All combinations of the values that anybody ever gave a number, 0 and one more: as many are taken
 * as were offered, each once. */
static void the_answers_taken_are_the_offers(void **state)
{
	(void)state;
	struct bench b = bench_new(&phases[0], "cipher x key length x hash x group x method");
	static const unsigned bits[] = {0, 64, 128, 192, 256, 512};

	for (unsigned cipher = 0; cipher < 9; cipher++)
		for (size_t k = 0; k < 6; k++)
			for (unsigned hash = 0; hash < 8; hash++)
				for (unsigned group = 0; group < 33; group++)
					for (unsigned method = 0; method < 6; method++) {
						struct reply r = reply_without_attributes(b.phase);

						say(&r, (struct part){WIDE | 1, cipher, 0});
						if (bits[k])
							say(&r, (struct part){
									WIDE | 14, bits[k], 0});
						say(&r, (struct part){WIDE | 2, hash, 0});
						say(&r, (struct part){WIDE | 4, group, 0});
						say(&r, (struct part){WIDE | 3, method, 0});
						try(&b, &r, "group", group);
					}
	bench_figure(&b, 18);
	assert_int_equal(b.offered.n, 18);
	bench_free(&b);
}

/* ---- around the attributes ---- */

/* Every octet of DOI, situation, proposal and transform with each of its 256 values. Numbers mean
 * nothing, a second transform is one too many, and an SPI is 4 octets in ESP, up to 16 in ISAKMP. */
static void the_fields_around_are_what_they_must_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < PHASES; i++) {
		struct bench b = bench_new(&phases[i], "octets of proposal and transform");
		const struct reply good = good_reply(b.phase);

		for (unsigned value = 0; value < 256; value++) {
			struct reply r[] = {
				good, good, good, good, good, good, good, good, good, good, good};

			r[0].proposal = r[1].protocol = r[2].transforms = (uint8_t)value;
			r[3].transform = r[4].id = r[5].after_proposal = (uint8_t)value;
			r[6].after_transform = r[7].spi_said = (uint8_t)value;
			r[8].spi_len = r[8].spi_said = (uint8_t)value;
			r[9].doi = value;
			r[10].situation = value;
			for (size_t k = 0; k < sizeof(r) / sizeof(r[0]); k++)
				try(&b, &r[k], "octet", value);
			for (unsigned shift = 8; shift < 32; shift += 8) {
				struct reply doi = good, situation = good;

				doi.doi |= value << shift;
				situation.situation |= value << shift;
				try(&b, &doi, "DOI", value);
				try(&b, &situation, "situation", value);
			}
		}
		/* any proposal and transform number; 1 of each other; 0 octets to 16 of SPI in phase 1 */
		bench_figure(&b, 2 * 256 + 8 + 6 + (i == 0 ? 17 : 1));
		bench_free(&b);
	}
}

/* An SPI below 256 is reserved: RFC 2406, 2.1. */
static void an_spi_that_is_reserved_is_refused(void **state)
{
	(void)state;
	struct bench b = bench_new(&phases[1], "SPIs of ESP");
	struct reply r = good_reply(b.phase);

	for (uint32_t spi = 0; spi < 1024; spi++) {
		put_u32(r.spi, spi);
		try(&b, &r, "SPI", spi);
	}
	for (unsigned bit = 0; bit < 32; bit++) {
		put_u32(r.spi, UINT32_C(1) << bit);
		try(&b, &r, "bit of the SPI", bit);
	}
	bench_figure(&b, 1024 - 256 + 24);
	bench_free(&b);
}

/* Cut anywhere, or with octets behind it, or with any value in its two length fields. */
static void an_sa_of_another_length_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < PHASES; i++) {
		struct bench b = bench_new(&phases[i], "lengths of SA, proposal, transform");
		const struct reply good = good_reply(b.phase);
		uint8_t body[BODY_MAX] = {0};
		const struct slice whole = reply_body(&good, body);
		const size_t fields[] = {10, 16 + b.phase->spi_len + 2};

		for (size_t n = 0; n <= whole.n + 40; n++)
			judge(&b.tally, b.phase->take(&b, slice(body, n)), n == whole.n, "SA of",
				n);
		for (size_t k = 0; k < 2; k++) {
			unsigned right = at16(body + fields[k]);

			for (unsigned n = 0; n <= UINT16_MAX; n++) {
				put_u16(body + fields[k], (uint16_t)n);
				judge(&b.tally, b.phase->take(&b, whole), n == right, "length", n);
			}
			put_u16(body + fields[k], (uint16_t)right);
		}
		bench_figure(&b, 3);
		bench_free(&b);
	}
}

/* ---- lifetimes ---- */

/* What is made of a duration: 30 s at least, what we offered at most, and of none our own. */
static uint32_t life_meant(uint64_t seconds, size_t octets, uint32_t ours)
{
	uint64_t kept = octets < 8 ? seconds & ((UINT64_C(1) << 8 * octets) - 1) : seconds;

	return kept == 0 ? ours : kept < 30 ? 30 : kept < ours ? (uint32_t)kept : ours;
}

static void a_lifetime_is_kept_within_bounds(void **state)
{
	static const uint64_t seconds[] = {0, 1, 2, 29, 30, 31, 255, 256, 599, 3599, 28799, 28800,
		86399, 86400, 86401, 65535, 65536, INT32_MAX, UINT32_MAX, UINT64_C(1) << 32,
		(UINT64_C(1) << 32) + 60, INT64_MAX, UINT64_MAX};
	(void)state;
	for (size_t i = 0; i < PHASES; i++) {
		struct bench b = bench_new(&phases[i], "life durations");
		const struct part *parts = b.phase->parts;
		struct ike_offers offers;
		uint8_t body[BODY_MAX];
		uint32_t life;

		for (size_t k = 0; k < sizeof(seconds) / sizeof(seconds[0]); k++)
			for (size_t n = 1; n <= 8; n++) {
				struct reply r = reply_of(b.phase, parts, b.phase->n - 1);

				say(&r, (struct part){b.phase->life + 1, seconds[k], n});
				try(&b, &r, "life duration in octets", n);
				assert_true(ike_offers_parse(reply_body(&r, body), &offers));
				assert_true(ike_life_of(offers.at[0].attributes, i == 0, &life));
				assert_int_equal(life ? ike_life(86400, life) : 86400,
					life_meant(seconds[k], n, 86400));
				if (i > 0)
					assert_int_equal(
						b.q->pair.life_s, life_meant(seconds[k], n, 86400));
			}
		bench_figure(&b, b.tally.tried);
		bench_free(&b);
	}
}

/* ---- nonce and key exchange of quick mode ---- */

static bool take_values(struct bench *b, struct slice nonce, struct slice ke)
{
	const struct reply good = good_reply(b->phase);
	struct ike_payloads p = {.n = 3};
	uint8_t body[BODY_MAX];

	p.at[0] = (struct ike_payload){IKE_SA, reply_body(&good, body)};
	p.at[1] = (struct ike_payload){IKE_NONCE, nonce};
	p.at[2] = (struct ike_payload){IKE_KE, ke};
	return ike_quick_take_answer(b->w->ike, b->q, &p).id == REASON_NONE &&
	       ike_quick_derive(b->w->ike, b->q).id == REASON_NONE;
}

static void nonce_and_key_exchange_of_quick_mode_are_held_to_their_bounds(void **state)
{
	(void)state;
	struct bench b = bench_new(&phases[2], "nonces and key exchange values");
	struct slice nonce = secret_slice(&b.q->nonce_i), own = dh_public(b.q->dh);
	struct slice ke = blob(&b.w->gw.public_r);
	uint8_t octets[400];

	memset(octets, 0x6e, sizeof(octets));
	for (size_t n = 0; n <= sizeof(octets); n++)
		judge(&b.tally, take_values(&b, slice(octets, n), ke), n >= 8 && n <= 256,
			"nonce of", n);
	judge(&b.tally, take_values(&b, nonce, ke), false, "our own nonce", 0);
	nonce = slice(octets, 16);
	judge(&b.tally, take_values(&b, nonce, own), false, "our own key exchange", 0);
	for (unsigned bit = 0; bit < 8 * ke.n; bit++) {
		memcpy(octets, ke.p, ke.n);
		octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
		judge(&b.tally, take_values(&b, slice(octets + 300, 16), slice(octets, ke.n)),
			false, "key exchange with bit", bit);
	}
	memcpy(octets, ke.p, ke.n);
	for (size_t n = 0; n <= ke.n + 8; n++)
		judge(&b.tally, take_values(&b, slice(octets + 300, 16), slice(octets, n)),
			n == ke.n, "key exchange of", n);
	memset(octets, 0, ke.n);
	judge(&b.tally, take_values(&b, slice(octets + 300, 16), slice(octets, ke.n)), false,
		"key exchange", 0);
	bench_figure(&b, 249 + 1);
	bench_free(&b);
}

/* ---- sealed ---- */

/* Message 2 of quick mode as the gateway would send it, with this SA. */
static void send_sealed(struct bench *b, struct slice body)
{
	struct world *w = b->w;
	struct ike_build build;
	uint8_t buf[ROOM], hash[HASH_MAX], nonce[16];

	env_random(w->env, nonce, sizeof(nonce));
	gw_quick_open(w, &build, buf);
	ike_put(&build, IKE_SA, body);
	ike_put(&build, IKE_NONCE, slice(nonce, sizeof(nonce)));
	assert_true(ike_hash2(w->env->crypto, &w->gw.keys, w->gw.id, blob(&w->gw.ni),
		behind_hash(w, &build), hash));
	gw_seal_and_send(w, &build, hash, w->gw.quick_iv);
	ike_recv(w->ike, &w->inbox, w->now, &w->out);
}

/* One quick mode for each value, from message 1 to its end at the machine: WANT_SA or nothing. */
static bool take_sealed(struct bench *b, struct slice body)
{
	unsigned asked = b->w->events[IKE_EV_WANT_SA];

	send_sealed(b, body);
	b->w->say_no = true; /* or the pairs would pile up */
	drain_events(b->w);
	assert_int_equal(b->w->events[IKE_EV_FAILED], 0);
	bool taken = b->w->events[IKE_EV_WANT_SA] > asked;
	quick_mode_waits(b);
	return taken;
}

static void a_sealed_answer_is_held_to_the_offers_too(void **state)
{
	(void)state;
	struct phase sealed = phases[1];

	sealed.take = take_sealed;
	sealed.name = "quick mode sealed";
	struct bench b = bench_new(&sealed, "some values of every field");
	for (size_t k = 0; k + 1 < b.phase->n; k++)
		for (unsigned value = 0; value <= UINT16_MAX; value += value < 300 ? 1 : 1021) {
			struct reply r =
				reply_with(&b, k, (struct part){b.phase->parts[k].field, value, 0});

			try(&b, &r, "value", value);
		}
	for (unsigned field = 0; field <= UINT16_MAX; field += 251) {
		struct reply r = good_reply(b.phase);

		say(&r, (struct part){field, 1, 2});
		try(&b, &r, "attribute", field);
	}
	bench_figure(&b, 8);
	bench_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attribute_more_is_refused_whichever_it_is),
		cmocka_unit_test(an_attribute_under_another_number_is_refused),
		cmocka_unit_test(a_value_that_was_not_offered_is_refused_whichever_it_is),
		cmocka_unit_test(a_value_is_read_whole_up_to_8_octets),
		cmocka_unit_test(an_answer_with_less_is_refused),
		cmocka_unit_test(an_attribute_twice_is_refused),
		cmocka_unit_test(attributes_may_come_in_any_order),
		cmocka_unit_test(the_answers_taken_are_the_offers),
		cmocka_unit_test(the_fields_around_are_what_they_must_be),
		cmocka_unit_test(an_spi_that_is_reserved_is_refused),
		cmocka_unit_test(an_sa_of_another_length_is_refused),
		cmocka_unit_test(a_lifetime_is_kept_within_bounds),
		cmocka_unit_test(nonce_and_key_exchange_of_quick_mode_are_held_to_their_bounds),
		cmocka_unit_test(a_sealed_answer_is_held_to_the_offers_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* ike/: suites and their notation, SA payloads, the rules of each message, and hostile input. */
#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto_esp.h"
#include "ike/ike.h"
#include "ike/ike_msg.h"
#include "ike/ike_prop.h"

/* ---- suites ---- */

static void tiers_are_the_table(void **state)
{
	(void)state;
	struct ike_proposals p;
	char text[SUITE_TEXT];

	assert_true(ike_proposals_tier("modern", &p));
	assert_int_equal(p.n_ike, 8);
	assert_string_equal(ike_suite_text(&p.ike[0], text), "aes256-sha256-modp2048");
	assert_string_equal(ike_suite_text(&p.ike[3], text), "aes256-sha1-ecp384");
	assert_string_equal(esp_suite_text(&p.esp[0], text), "aes256gcm16");
	assert_string_equal(esp_suite_text(&p.esp[2], text), "aes256-sha256");
	assert_int_equal(p.pfs, DH_NONE);
	assert_true(ike_proposals_tier("compatible", &p));
	assert_int_equal(p.n_ike, 12);
	assert_string_equal(esp_suite_text(&p.esp[p.n_esp - 1], text), "3des-sha1");
	assert_true(ike_proposals_tier("legacy", &p));
	assert_int_equal(p.n_ike, 18);
	assert_string_equal(ike_suite_text(&p.ike[17], text), "3des-sha1-modp1024");
	for (size_t i = 0; i < p.n_ike; i++)
		assert_int_not_equal(p.ike[i].hash, HASH_MD5);
	assert_false(ike_proposals_tier("ancient", &p));
}

static void notation_is_strongswans(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *is; /* NULL: no suite */
	} ike[] =
		{
			{"aes256-sha256-modp2048", "aes256-sha256-modp2048"},
			{"aes256-sha2_256-modp2048!", "aes256-sha256-modp2048"},
			{" AES128-SHA1-ECP_384 ", "aes128-sha1-ecp384"},
			{"aes192-sha384-ecp521", "aes192-sha384-ecp521"},
			{"3des-md5-modp1024!", "3des-md5-modp1024"},
			{"aes256-sha512-curve25519", "aes256-sha512-curve25519"},
			{"aes256-sha1", NULL},
			{"aes256gcm16-sha1-modp2048", NULL},
			{"aes256-sha256_96-modp2048", NULL},
			{"des-sha1-modp1024", NULL},
			{"aes256-sha1-modp768", NULL},
			{"aes256-sha1-modp2048-modp1024", NULL},
			{"", NULL},
			{",", NULL},
			{"!", NULL},
		},
	  esp[] = {
		  {"aes256-sha1", "aes256-sha1"},
		  {"aes128gcm16!", "aes128gcm16"},
		  {"aes256gcm128", "aes256gcm16"},
		  {"aes256-sha256_96", "aes256-sha256_96"},
		  {"aes256-sha2_512", "aes256-sha512"},
		  {"3des-md5", "3des-md5"},
		  {"aes256", NULL},
		  {"aes256gcm8", NULL},
		  {"null-sha1", NULL},
		  {"aes256-sha1-modp9", NULL},
	  };
	struct ike_proposals p = {0};
	const char *wrong = NULL;
	char text[SUITE_TEXT];

	for (size_t i = 0; i < sizeof(ike) / sizeof(ike[0]); i++) {
		assert_int_equal(ike_suites_parse(ike[i].text, &p, &wrong), ike[i].is != NULL);
		if (ike[i].is)
			assert_string_equal(ike_suite_text(&p.ike[0], text), ike[i].is);
	}
	for (size_t i = 0; i < sizeof(esp) / sizeof(esp[0]); i++) {
		assert_int_equal(esp_suites_parse(esp[i].text, &p, &wrong), esp[i].is != NULL);
		if (esp[i].is)
			assert_string_equal(esp_suite_text(&p.esp[0], text), esp[i].is);
	}
}

/* Each combination of what may be typed is a suite that can be offered, and is read back. */
static void every_word_makes_a_suite(void **state)
{
	(void)state;
	static const char *const ciphers[] = {"aes128", "aes192", "aes256", "3des"};
	static const char *const hashes[] = {"md5", "sha1", "sha256", "sha384", "sha512"};
	static const char *const groups[] = {"modp1024", "modp1536", "modp2048", "modp3072",
		"modp4096", "ecp256", "ecp384", "ecp521", "curve25519", "x25519"};
	struct env *env = test_env_new(1);
	struct ike_proposals p = {0};
	struct ike_offers offers;
	struct ike_sa1 sa1;
	const char *wrong;
	char text[SUITE_TEXT];
	uint8_t body[512];

	for (size_t i = 0; i < 4 * 5 * 10; i++) {
		struct wr w = wr_of(body, sizeof(body));

		snprintf(text, sizeof(text), "%s-%s-%s", ciphers[i / 50], hashes[i / 10 % 5],
			groups[i % 10]);
		assert_true(ike_suites_parse(text, &p, &wrong));
		ike_sa1_put(&w, p.ike, 1, 28800);
		assert_true(ike_offers_parse(wr_slice(&w), &offers));
		assert_true(ike_sa1_of(&offers.at[0], &sa1));
		assert_true(ike_suite_same(&sa1.suite, &p.ike[0]));
		assert_true(esp_suites_parse(text, &p, &wrong)); /* the group is PFS */
		assert_int_equal(p.pfs, sa1.suite.group);
		assert_true(crypto_esp_has(env->crypto, &p.esp[0]));
	}
	test_env_free(env);
}

static void lists_replace_and_name_what_is_wrong(void **state)
{
	(void)state;
	struct ike_proposals p;
	const char *wrong = NULL,
		   *text = "aes256-sha1-modp2048, rot13-sha1-modp2048, aes128-sha1-ecp256";

	assert_true(ike_proposals_tier("modern", &p));
	assert_false(ike_suites_parse(text, &p, &wrong));
	assert_ptr_equal(wrong, text + 22);
	assert_int_equal(p.n_ike, 8); /* untouched */
	assert_true(ike_suites_parse("aes256-sha1-modp2048,3des-sha1-modp1024", &p, &wrong));
	assert_int_equal(p.n_ike, 2);
	assert_true(esp_suites_parse("aes256-sha1-modp2048,aes128gcm16-modp2048", &p, &wrong));
	assert_int_equal(p.pfs, DH_MODP2048);
	assert_false(esp_suites_parse("aes256-sha1-modp2048,aes128-sha1", &p, &wrong));
	assert_true(esp_suites_parse("aes256-sha1", &p, &wrong));
	assert_int_equal(p.pfs, DH_NONE);
}

/* ---- SA payloads ---- */

static struct slice offer1(const struct ike_proposals *p, uint8_t *buf, size_t room)
{
	struct wr w = wr_of(buf, room);

	ike_sa1_put(&w, p->ike, p->n_ike, 28800);
	assert_false(w.bad);
	return wr_slice(&w);
}

static struct slice offer2(const struct ike_proposals *p, uint8_t *buf, size_t room)
{
	struct wr w = wr_of(buf, room);

	ike_sa2_put(&w, &(struct ike_sa2_offer){.suites = p->esp,
				.n = p->n_esp,
				.spi = 0x12345678,
				.mode = IKE_MODE_UDP_TRANSPORT,
				.pfs = DH_MODP2048,
				.life_s = 3600});
	assert_false(w.bad);
	return wr_slice(&w);
}

static void offers_are_read_back_by_value(void **state)
{
	(void)state;
	struct ike_proposals p;
	struct ike_offers offers;
	uint8_t buf[2048];
	struct ike_sa1 one;
	struct ike_sa2 two;

	assert_true(ike_proposals_tier("legacy", &p));
	struct slice body = offer1(&p, buf, sizeof(buf));
	assert_true(body.n < 800); /* message 1 stays in one frame */
	assert_true(ike_offers_parse(body, &offers));
	assert_int_equal(offers.n, p.n_ike);
	for (size_t i = 0; i < offers.n; i++) {
		assert_true(ike_sa1_of(&offers.at[i], &one));
		assert_true(ike_suite_same(&one.suite, &p.ike[i]));
		assert_int_equal(one.auth, IKE_AUTH_PSK);
		assert_int_equal(one.life_s, 28800);
	}
	assert_true(ike_offers_parse(offer2(&p, buf, sizeof(buf)), &offers));
	assert_int_equal(offers.n, p.n_esp);
	for (size_t i = 0; i < offers.n; i++) {
		assert_true(ike_sa2_of(&offers.at[i], &two));
		assert_true(esp_suite_equal(&two.suite, &p.esp[i]));
		assert_int_equal(two.mode, IKE_MODE_UDP_TRANSPORT);
		assert_int_equal(two.pfs, DH_MODP2048);
		assert_int_equal(offers.at[i].proposal, p.esp[i].cipher == ESP_AES_GCM ? 1 : 2);
		assert_false(offers.at[i].bundled);
	}
}

static void an_answer_repeats_one_offer(void **state)
{
	(void)state;
	struct ike_proposals p;
	struct ike_offers offers, answer;
	uint8_t buf[2048], back[256];
	struct wr w = wr_of(back, sizeof(back));

	assert_true(ike_proposals_tier("modern", &p));
	assert_true(ike_offers_parse(offer2(&p, buf, sizeof(buf)), &offers));
	ike_accept_put(&w, &offers.at[4], slice("\1\2\3\4", 4));
	assert_true(ike_offers_parse(wr_slice(&w), &answer));
	assert_int_equal(answer.n, 1);
	assert_int_equal(answer.at[0].proposal, 2);
	assert_int_equal(answer.at[0].transform, offers.at[4].transform);
	assert_slice(answer.at[0].attributes, offers.at[4].attributes);
	assert_slice(answer.at[0].spi, slice("\1\2\3\4", 4));
}

/* RFC 2408, 4.2: proposals of one number belong together, and we have no use for two. */
static void bundles_are_no_offers(void **state)
{
	(void)state;
	struct ike_proposals p;
	struct ike_offers offers;
	struct ike_sa2 two;
	uint8_t buf[2048];

	assert_true(ike_proposals_tier("modern", &p));
	struct slice body = offer2(&p, buf, sizeof(buf));
	assert_true(ike_offers_parse(body, &offers));
	buf[8 + get_u16(buf + 10) + 4] = 1; /* the second proposal's number */
	assert_true(ike_offers_parse(body, &offers));
	for (size_t i = 0; i < offers.n; i++)
		assert_false(ike_sa2_of(&offers.at[i], &two));
}

static struct ike_offer phase1_offer(struct slice attributes)
{
	return (struct ike_offer){.proposal = 1, .protocol = 1, .id = 1, .attributes = attributes};
}

static struct ike_offer phase2_offer(uint8_t id, struct slice attributes)
{
	return (struct ike_offer){.proposal = 1,
		.protocol = 3,
		.id = id,
		.spi = slice("\1\2\3\4", 4),
		.attributes = attributes};
}

/* SoftEther and strongSwan answer in another order and with a short lifetime. */
static void order_and_form_of_attributes_do_not_matter(void **state)
{
	(void)state;
	static const uint8_t softether[] = {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0,
		14, 0x80, 11, 0, 1, 0x80, 12, 0x70, 0x80, 0x80, 14, 1, 0};
	static const uint8_t kilobytes[] = {0x80, 4, 0, 4, 0x80, 5, 0, 2, 0x80, 6, 0, 128, 0x80, 1,
		0, 1, 0x80, 2, 0x0e, 0x10, 0x80, 1, 0, 2, 0, 2, 0, 4, 0, 3, 0xd0, 0x90};
	struct ike_offer o = phase1_offer(slice(softether, sizeof(softether)));
	struct ike_sa1 one;
	struct ike_sa2 two;

	assert_true(ike_sa1_of(&o, &one));
	assert_int_equal(one.life_s, 28800);
	assert_int_equal(one.suite.key_len, 32);
	assert_int_equal(one.suite.group, DH_MODP2048);
	o = phase2_offer(12, slice(kilobytes, sizeof(kilobytes)));
	assert_true(ike_sa2_of(&o, &two));
	assert_int_equal(two.life_s, 3600);
	assert_int_equal(two.suite.key_len, 16);
}

static void wrong_attributes_make_no_suite(void **state)
{
	(void)state;
	static const struct {
		size_t n;
		uint8_t octets[32];
	} bad[] = {
		/* no key length; twice; a hash of 0; group 1; DES; PRF; half an attribute */
		{16, {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14}},
		{24, {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 14, 1, 0,
			     0x80, 14, 1, 0}},
		{20, {0x80, 1, 0, 7, 0x80, 2, 0, 0, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 14, 1, 0}},
		{20, {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 1, 0x80, 14, 1, 0}},
		{16, {0x80, 1, 0, 1, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14}},
		{24, {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 14, 1, 0,
			     0x80, 13, 0, 1}},
		{22, {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 14, 1, 0,
			     0, 12}},
		/* a duration without a type, a type without a duration, an unknown type; no length */
		{24, {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 14, 1, 0,
			     0x80, 12, 1, 1}},
		{24, {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 14, 1, 0,
			     0x80, 11, 0, 1}},
		{28, {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 14, 1, 0,
			     0x80, 11, 0, 3, 0x80, 12, 1, 1}},
		{24, {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 14, 1, 0,
			     0, 13, 0, 0}},
		/* 3DES with a key length */
		{20, {0x80, 1, 0, 5, 0x80, 2, 0, 2, 0x80, 3, 0, 1, 0x80, 4, 0, 2, 0x80, 14, 0,
			     192}},
	};
	struct ike_sa1 one;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ike_offer o = phase1_offer(slice(bad[i].octets, bad[i].n));

		assert_false(ike_sa1_of(&o, &one));
	}
}

/* Each of the 65536 values of each attribute: only the table's become ours. */
static void every_value_of_every_attribute(void **state)
{
	(void)state;
	static const struct {
		unsigned at; /* of the value */
		unsigned good;
	} phase1[] = {{2, 1}, {6, 5}, {14, 9}, {18, 3}},
	  phase2[] = {{2, 65535}, {6, 5}, {10, 3}, {14, 9}};
	uint8_t a1[] = {
		0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 14, 1, 0};
	uint8_t a2[] = {0x80, 4, 0, 4, 0x80, 5, 0, 2, 0x80, 6, 0, 128, 0x80, 3, 0, 14};
	struct ike_sa1 one;
	struct ike_sa2 two;

	for (size_t i = 0; i < 4; i++) {
		unsigned good1 = 0, good2 = 0;

		for (unsigned value = 0; value <= UINT16_MAX; value++) {
			uint8_t one_octets[sizeof(a1)], two_octets[sizeof(a2)];

			memcpy(one_octets, a1, sizeof(a1));
			memcpy(two_octets, a2, sizeof(a2));
			put_u16(one_octets + phase1[i].at, (uint16_t)value);
			put_u16(two_octets + phase2[i].at, (uint16_t)value);
			struct ike_offer o1 = phase1_offer(slice(one_octets, sizeof(a1)));
			struct ike_offer o2 = phase2_offer(12, slice(two_octets, sizeof(a2)));
			good1 += ike_sa1_of(&o1, &one);
			good2 += ike_sa2_of(&o2, &two) && two.mode;
		}
		assert_int_equal(good1, phase1[i].good);
		assert_int_equal(good2, phase2[i].good);
	}
}

/* Exact heap blocks: reading one octet too far traps. */
static uint8_t *exact(const uint8_t *from, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	memcpy(copy, from, n);
	return copy;
}

static void every_truncation_of_an_sa(void **state)
{
	(void)state;
	struct ike_proposals p;
	struct ike_offers *offers = malloc(sizeof(*offers));
	uint8_t buf[2048];

	assert_non_null(offers);
	assert_true(ike_proposals_tier("legacy", &p));
	struct slice body = offer2(&p, buf, sizeof(buf));
	for (size_t n = 0; n < body.n; n++) {
		uint8_t *copy = exact(buf, n);

		assert_false(ike_offers_parse(slice(copy, n), offers));
		free(copy);
	}
	free(offers);
}

/* Every octet of an SA set to each value: either malformed or still readable without harm. */
static void every_octet_of_an_sa(void **state)
{
	(void)state;
	struct ike_proposals p;
	struct ike_offers *offers = malloc(sizeof(*offers));
	uint8_t buf[2048];
	struct ike_sa2 two;
	const char *wrong = NULL;

	assert_non_null(offers);
	assert_true(ike_proposals_tier("modern", &p));
	assert_true(esp_suites_parse("aes256gcm16,aes128-sha1", &p, &wrong));
	struct slice body = offer2(&p, buf, sizeof(buf));
	for (size_t at = 0; at < body.n; at++)
		for (unsigned value = 0; value < 256; value++) {
			uint8_t *copy = exact(buf, body.n);

			copy[at] = (uint8_t)value;
			if (ike_offers_parse(slice(copy, body.n), offers))
				for (size_t i = 0; i < offers->n; i++)
					(void)ike_sa2_of(&offers->at[i], &two);
			free(copy);
		}
	free(offers);
}

/* ---- messages ---- */

static struct slice build(uint8_t *buf, size_t room, const uint8_t *types, size_t n)
{
	struct ike_hdr hdr = {.exchange = IKE_MAIN};
	struct ike_build b;

	ike_build_open(&b, buf, room, &hdr);
	for (size_t i = 0; i < n; i++)
		ike_put(&b, types[i], slice("body", 4));
	return ike_build_close(&b);
}

static bool chain_is(const uint8_t *types, size_t n, enum ike_message kind)
{
	uint8_t buf[2048];
	struct slice m = build(buf, sizeof(buf), types, n);
	struct ike_payloads p;
	struct ike_hdr hdr;

	assert_true(ike_hdr_parse(m, &hdr));
	return ike_payloads_parse(hdr.first, slice(m.p + IKE_HDR, m.n - IKE_HDR), &p) &&
	       ike_payloads_are(&p, kind);
}

/* RFC 2409, 5.4 and 5.5: what must be there, what may, what must come first. */
static void each_message_has_its_payloads(void **state)
{
	(void)state;
	static const struct {
		enum ike_message kind;
		size_t n;
		uint8_t types[8];
		size_t required; /* the first so many may not be missing */
	} good[] = {
		{IKE_MM1, 3, {IKE_SA, IKE_VID, IKE_VID}, 1},
		{IKE_MM2, 3, {IKE_SA, IKE_VID, IKE_N}, 1},
		{IKE_MM3, 4, {IKE_KE, IKE_NONCE, IKE_NATD, IKE_NATD}, 2},
		{IKE_MM4, 5, {IKE_KE, IKE_NONCE, IKE_CERTREQ, IKE_NATD_DRAFT, IKE_VID}, 2},
		{IKE_MM5, 3, {IKE_ID, IKE_HASH, IKE_N}, 2},
		{IKE_MM6, 3, {IKE_ID, IKE_HASH, IKE_N}, 2},
		{IKE_QM1, 7, {IKE_HASH, IKE_SA, IKE_NONCE, IKE_KE, IKE_ID, IKE_ID, IKE_NATOA}, 3},
		{IKE_QM2, 8,
			{IKE_HASH, IKE_SA, IKE_NONCE, IKE_ID, IKE_ID, IKE_NATOA, IKE_NATOA, IKE_N},
			3},
		{IKE_QM3, 1, {IKE_HASH}, 1},
		{IKE_INFO_SEALED, 3, {IKE_HASH, IKE_N, IKE_D}, 1},
		{IKE_INFO_CLEAR, 1, {IKE_N}, 0},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint8_t types[9];

		assert_true(chain_is(good[i].types, good[i].n, good[i].kind));
		for (size_t missing = 0; missing < good[i].required; missing++) {
			memcpy(types, good[i].types, sizeof(good[i].types));
			memmove(types + missing, types + missing + 1, good[i].n - missing - 1);
			if (good[i].n > 1)
				assert_false(chain_is(types, good[i].n - 1, good[i].kind));
			memcpy(types, good[i].types, sizeof(good[i].types));
			types[good[i].n] = types[missing]; /* once too often */
			assert_false(chain_is(types, good[i].n + 1, good[i].kind));
		}
		memcpy(types, good[i].types, sizeof(good[i].types));
		for (unsigned unknown = 140; unknown < 256; unknown++) {
			types[good[i].n] = (uint8_t)unknown;
			assert_false(chain_is(types, good[i].n + 1, good[i].kind));
		}
	}
	static const uint8_t late_hash[] = {IKE_SA, IKE_HASH, IKE_NONCE};
	assert_false(chain_is(late_hash, 3, IKE_QM1));
}

static void headers_are_checked(void **state)
{
	(void)state;
	static const uint8_t sa[] = {IKE_SA};
	uint8_t buf[64];
	struct slice m = build(buf, sizeof(buf), sa, 1);
	struct ike_hdr hdr;

	assert_true(ike_hdr_parse(m, &hdr));
	for (unsigned exchange = 0; exchange < 256; exchange++) {
		buf[18] = (uint8_t)exchange;
		assert_true(ike_hdr_parse(m, &hdr));
		assert_int_equal(ike_hdr_is(&hdr, IKE_MM1), exchange == IKE_MAIN);
	}
	buf[18] = IKE_MAIN;
	buf[19] = IKE_ENCRYPTED;
	assert_true(ike_hdr_parse(m, &hdr));
	assert_false(ike_hdr_is(&hdr, IKE_MM1));
	assert_true(ike_hdr_is(&hdr, IKE_MM5));
	buf[23] = 1; /* message ID */
	assert_true(ike_hdr_parse(m, &hdr));
	assert_false(ike_hdr_is(&hdr, IKE_MM5));
	buf[17] = 0x20;
	assert_false(ike_hdr_parse(m, &hdr));
	buf[17] = 0x10;
	for (size_t n = 0; n < m.n; n++)
		assert_false(ike_hdr_parse(slice(buf, n), &hdr));
	buf[27]++;
	assert_false(ike_hdr_parse(m, &hdr));
}

static void chains_are_bounded(void **state)
{
	(void)state;
	uint8_t types[IKE_PAYLOADS_MAX + 1];

	types[0] = IKE_SA;
	memset(types + 1, IKE_VID, sizeof(types) - 1);
	assert_true(chain_is(types, IKE_PAYLOADS_MAX, IKE_MM1));
	assert_false(chain_is(types, IKE_PAYLOADS_MAX + 1, IKE_MM1));
}

static void every_octet_and_truncation_of_a_chain(void **state)
{
	(void)state;
	static const uint8_t types[] = {IKE_HASH, IKE_SA, IKE_NONCE, IKE_ID, IKE_ID};
	uint8_t buf[128];
	struct slice m = build(buf, sizeof(buf), types, sizeof(types));
	size_t n = m.n - IKE_HDR;
	struct ike_payloads p;

	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = exact(buf + IKE_HDR, cut);

		assert_false(ike_payloads_parse(IKE_HASH, slice(copy, cut), &p));
		free(copy);
	}
	for (size_t at = 0; at < n; at++)
		for (unsigned value = 0; value < 256; value++) {
			uint8_t *copy = exact(buf + IKE_HDR, n);

			copy[at] = (uint8_t)value;
			if (ike_payloads_parse(IKE_HASH, slice(copy, n), &p))
				assert_true(p.rest.n <= n - 4);
			free(copy);
		}
}

static void small_payloads_and_their_truncations(void **state)
{
	(void)state;
	static const uint8_t dpd[] = {0, 0, 0, 1, 1, 16, 0x8d, 0x28, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
		11, 12, 13, 14, 15, 16, 0, 0, 3, 0xe8};
	static const uint8_t deletes[] = {0, 0, 0, 1, 3, 4, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
	static const uint8_t id[] = {1, 17, 6, 0xa5, 192, 0, 2, 1};
	struct ike_notify n;
	struct ike_delete d;
	struct ike_id i;
	char text[IP_TEXT];

	assert_true(ike_notify_parse(slice(dpd, sizeof(dpd)), &n));
	assert_int_equal(n.type, IKE_R_U_THERE);
	assert_int_equal(n.spi.n, 16);
	assert_int_equal(n.data.n, 4);
	for (size_t cut = 0; cut < 24; cut++)
		assert_false(ike_notify_parse(slice(dpd, cut), &n));
	assert_true(ike_delete_parse(slice(deletes, sizeof(deletes)), &d));
	assert_int_equal(d.count, 2);
	for (size_t cut = 0; cut < sizeof(deletes); cut++)
		assert_false(ike_delete_parse(slice(deletes, cut), &d));
	assert_true(ike_id_parse(slice(id, sizeof(id)), &i));
	assert_int_equal(i.port, 1701);
	struct ip ip = ike_id_ip(&i);
	assert_string_equal(ip_text(&ip, text), "192.0.2.1");
	i.data.n = 3;
	assert_int_equal(ike_id_ip(&i).family, FAMILY_NONE);
	for (size_t cut = 0; cut < 4; cut++)
		assert_false(ike_id_parse(slice(id, cut), &i));
}

/* SPI length and count come from the wire: 0 SPIs, SPIs of 0 octets, 16-octet ESP SPIs. */
static void odd_deletes_are_refused(void **state)
{
	(void)state;
	uint8_t body[64] = {0, 0, 0, 1};
	struct ike_delete d;

	for (unsigned protocol = 0; protocol < 8; protocol++)
		for (unsigned spi_len = 0; spi_len < 256; spi_len++) {
			bool ok =
				(protocol == 3 && spi_len == 4) || (protocol == 1 && spi_len == 16);

			body[4] = (uint8_t)protocol;
			body[5] = (uint8_t)spi_len;
			body[7] = 1;
			assert_int_equal(ike_delete_parse(slice(body, sizeof(body)), &d), ok);
		}
}

/* ---- UDP 4500 ---- */

static enum natt_kind classify(struct pkt_pool *pool, const void *octets, size_t n, size_t *left)
{
	struct pkt *p = pkt_of(pool, slice(octets, n));
	enum natt_kind kind = natt_classify(p);

	*left = p->len;
	pkt_free(p);
	return kind;
}

static void datagrams_on_4500_are_told_apart(void **state)
{
	(void)state;
	struct pkt_pool *pool = pkt_pool_new();
	struct pkt *p = pkt_of(pool, slice_str("ike"));
	size_t left;

	assert_int_equal(classify(pool, "\xff", 1, &left), NATT_KEEPALIVE);
	assert_int_equal(classify(pool, "\0\0\0\0x", 5, &left), NATT_IKE);
	assert_int_equal(left, 1);
	assert_int_equal(classify(pool, "\0\0\1\0x", 5, &left), NATT_ESP);
	assert_int_equal(left, 5);
	assert_int_equal(classify(pool, "\0\0\0\0", 4, &left), NATT_JUNK);
	assert_int_equal(classify(pool, "", 0, &left), NATT_JUNK);
	assert_true(natt_mark(p));
	assert_slice(pkt_slice(p), slice("\0\0\0\0ike", 7));
	pkt_free(p);
	p = pkt_of(pool, slice("\xff", 1));
	assert_true(natt_mark(p)); /* a keepalive has no marker */
	assert_int_equal(p->len, 1);
	pkt_free(p);
	pkt_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tiers_are_the_table),
		cmocka_unit_test(notation_is_strongswans),
		cmocka_unit_test(every_word_makes_a_suite),
		cmocka_unit_test(lists_replace_and_name_what_is_wrong),
		cmocka_unit_test(offers_are_read_back_by_value),
		cmocka_unit_test(an_answer_repeats_one_offer),
		cmocka_unit_test(bundles_are_no_offers),
		cmocka_unit_test(order_and_form_of_attributes_do_not_matter),
		cmocka_unit_test(wrong_attributes_make_no_suite),
		cmocka_unit_test(every_value_of_every_attribute),
		cmocka_unit_test(every_truncation_of_an_sa),
		cmocka_unit_test(every_octet_of_an_sa),
		cmocka_unit_test(each_message_has_its_payloads),
		cmocka_unit_test(headers_are_checked),
		cmocka_unit_test(chains_are_bounded),
		cmocka_unit_test(every_octet_and_truncation_of_a_chain),
		cmocka_unit_test(small_payloads_and_their_truncations),
		cmocka_unit_test(odd_deletes_are_refused),
		cmocka_unit_test(datagrams_on_4500_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

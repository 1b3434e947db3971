/* ike/: what each check of the codecs keeps out, where no other test would miss it (./dev mutate). */
#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/ike_keys.h"
#include "ike/ike_msg.h"
#include "ike/ike_priv.h"
#include "ike/ike_prop.h"
#include "ike/ike_rooms.h"

/* ---- an SA payload of one transform ---- */

struct offer {
	uint8_t doi, situation, proposal_next, protocol, spi_len, transform_next, id;
	uint8_t behind_transform, behind_proposal; /* octets that belong to nothing */
	struct slice attributes;
};

static const uint8_t psk_attributes[] = {0x80, 1, 0, 7, 0x80, 14, 0, 128, 0x80, 2, 0, 2, 0x80, 4, 0,
	14, 0x80, 3, 0, 1, 0x80, 11, 0, 1, 0x80, 12, 0x70, 0x80};
static const uint8_t cbc_attributes[] = {
	0x80, 1, 0, 1, 0x80, 2, 0x0e, 0x10, 0x80, 4, 0, 2, 0x80, 5, 0, 2, 0x80, 6, 0, 128};

static struct offer ike_offer(void)
{
	return (struct offer){.doi = 1,
		.situation = 1,
		.protocol = IKE_PROTO_ISAKMP,
		.id = 1,
		.attributes = slice(psk_attributes, sizeof(psk_attributes))};
}

static struct offer esp_offer(void)
{
	return (struct offer){.doi = 1,
		.situation = 1,
		.protocol = IKE_PROTO_ESP,
		.spi_len = 4,
		.id = 12,
		.attributes = slice(cbc_attributes, sizeof(cbc_attributes))};
}

static struct slice sa_of(const struct offer *o, uint8_t *to, size_t room)
{
	struct wr w = wr_of(to, room);

	wr_u32(&w, o->doi);
	wr_u32(&w, o->situation);
	size_t proposal = wr_len(&w);
	wr_u8(&w, o->proposal_next);
	wr_u8(&w, 0);
	size_t proposal_len = wr_open16(&w);
	wr_u8(&w, 1);
	wr_u8(&w, o->protocol);
	wr_u8(&w, o->spi_len);
	wr_u8(&w, 1);
	for (uint8_t i = 0; i < o->spi_len; i++)
		wr_u8(&w, 0x11);
	size_t transform = wr_len(&w);
	wr_u8(&w, o->transform_next);
	wr_u8(&w, 0);
	size_t transform_len = wr_open16(&w);
	wr_u8(&w, 1);
	wr_u8(&w, o->id);
	wr_u16(&w, 0);
	wr_put(&w, o->attributes);
	wr_close16(&w, transform_len, transform);
	wr_zero(&w, o->behind_transform);
	wr_close16(&w, proposal_len, proposal);
	wr_zero(&w, o->behind_proposal);
	assert_false(w.bad);
	return wr_slice(&w);
}

static bool is_sa1(const struct offer *o, struct ike_sa1 *v)
{
	uint8_t octets[512];
	struct ike_offers offers;

	return ike_offers_parse(sa_of(o, octets, sizeof(octets)), &offers) && offers.n == 1 &&
	       ike_sa1_of(&offers.at[0], v);
}

static bool is_sa2(const struct offer *o, struct ike_sa2 *v)
{
	uint8_t octets[512];
	struct ike_offers offers;

	return ike_offers_parse(sa_of(o, octets, sizeof(octets)), &offers) && offers.n == 1 &&
	       ike_sa2_of(&offers.at[0], v);
}

/* ---- proposals and transforms ---- */

static void each_field_of_an_ike_offer_counts(void **state)
{
	(void)state;
	struct offer good = ike_offer(), o;
	struct ike_sa1 v;

	assert_true(is_sa1(&good, &v));
	assert_int_equal(v.auth, IKE_AUTH_PSK);
#define WRONG(field, value) (o = good, o.field = (value), assert_false(is_sa1(&o, &v)))
	WRONG(doi, 2);
	WRONG(situation, 2);
	WRONG(proposal_next, 5);
	WRONG(protocol, IKE_PROTO_ESP);
	WRONG(spi_len, 17);
	WRONG(transform_next, 5);
	WRONG(id, 2);
	WRONG(behind_transform, 4);
	WRONG(behind_proposal, 4);
#undef WRONG
}

static void each_field_of_an_esp_offer_counts(void **state)
{
	(void)state;
	struct offer good = esp_offer(), o;
	struct ike_sa2 v;

	assert_true(is_sa2(&good, &v));
#define WRONG(field, value) (o = good, o.field = (value), assert_false(is_sa2(&o, &v)))
	WRONG(protocol, IKE_PROTO_ISAKMP);
	WRONG(protocol, 2); /* AH */
	WRONG(spi_len, 0);
	WRONG(spi_len, 3);
	WRONG(spi_len, 8);
	WRONG(id, 11); /* NULL */
	WRONG(id, 3);  /* 3DES, with a key length */
	WRONG(id, 20); /* GCM, with an authentication algorithm */
#undef WRONG
}

static bool sa1_with(struct slice attributes, struct ike_sa1 *v)
{
	struct offer o = ike_offer();

	o.attributes = attributes;
	return is_sa1(&o, v);
}

/* The attributes of a good offer with these behind or instead of its last octets. */
static struct slice changed(uint8_t *to, size_t keep, const char *hex_tail, size_t n)
{
	memcpy(to, psk_attributes, keep);
	memcpy(to + keep, hex_tail, n);
	return slice(to, keep + n);
}

static void numbers_are_not_cut_and_lifetimes_are_whole(void **state)
{
	(void)state;
	uint8_t a[64];
	struct ike_sa1 v;

	/* authentication 65537 is not 1 */
	assert_false(sa1_with(changed(a, 16, "\x00\x03\x00\x04\x00\x01\x00\x01", 8), &v));
	/* nine octets whose last eight say 1, and none at all */
	assert_false(sa1_with(
		changed(a, 16, "\x00\x03\x00\x09\x01\x00\x00\x00\x00\x00\x00\x00\x01", 13), &v));
	assert_false(sa1_with(changed(a, 20, "\x00\x05\x00\x00", 4), &v));
	assert_true(sa1_with(
		changed(a, 16, "\x00\x03\x00\x08\x00\x00\x00\x00\x00\x00\x00\x01", 12), &v));
	/* a life type twice, one without a duration */
	assert_false(sa1_with(
		changed(a, 20, "\x80\x0b\x00\x01\x80\x0b\x00\x01\x80\x0c\x0e\x10", 12), &v));
	assert_false(sa1_with(changed(a, 20, "\x80\x0b\x00\x01", 4), &v));
}

static void a_mode_is_not_cut(void **state)
{
	(void)state;
	static const uint8_t attributes[] = {
		0, 4, 0, 4, 0, 1, 0, 2, 0x80, 5, 0, 2, 0x80, 6, 0, 128}; /* mode 65538 */
	struct offer o = esp_offer();
	struct ike_sa2 v;

	o.attributes = slice(attributes, sizeof(attributes));
	assert_false(is_sa2(&o, &v));
}

/* Two proposals of one number are meant together: neither is an offer of its own. */
static void bundles_are_not_taken(void **state)
{
	(void)state;
	struct offer o = ike_offer();
	uint8_t octets[512];
	struct ike_offers offers;
	struct ike_sa1 v1;
	struct ike_sa2 v2;
	size_t n;

	o.proposal_next = 2;
	n = sa_of(&o, octets, sizeof(octets)).n;
	o.proposal_next = 0;
	n += sa_of(&o, octets + n, sizeof(octets) - n).n;
	memmove(octets + n / 2, octets + n / 2 + 8, n / 2 - 8);
	assert_true(ike_offers_parse(slice(octets, n - 8), &offers));
	assert_int_equal(offers.n, 2);
	assert_false(ike_sa1_of(&offers.at[0], &v1));
	assert_false(ike_sa1_of(&offers.at[1], &v1));

	o = esp_offer();
	o.proposal_next = 2;
	n = sa_of(&o, octets, sizeof(octets)).n;
	o.proposal_next = 0;
	n += sa_of(&o, octets + n, sizeof(octets) - n).n;
	memmove(octets + n / 2, octets + n / 2 + 8, n / 2 - 8);
	assert_true(ike_offers_parse(slice(octets, n - 8), &offers));
	assert_int_equal(offers.n, 2);
	assert_false(ike_sa2_of(&offers.at[0], &v2));
}

static void of_endless_transforms_a_bounded_number_is_kept(void **state)
{
	(void)state;
	static uint8_t octets[8000];
	struct ike_offers *offers = malloc(sizeof(*offers));
	struct wr w = wr_of(octets, sizeof(octets));

	wr_u32(&w, 1);
	wr_u32(&w, 1);
	for (unsigned proposal = 0; proposal < 2; proposal++) {
		size_t from = wr_len(&w);

		wr_u16(&w, proposal ? 0 : 0x0200);
		size_t len = wr_open16(&w);
		wr_u32(&w, 0x010100ff | (proposal + 1) << 24);
		for (unsigned i = 0; i < 255; i++) {
			wr_u16(&w, i == 254 ? 0 : 0x0300);
			wr_u16(&w, 8);
			wr_u32(&w, 0x01010000);
		}
		wr_close16(&w, len, from);
	}
	assert_non_null(offers);
	assert_true(ike_offers_parse(wr_slice(&w), offers));
	assert_int_equal(offers->n, IKE_OFFERS_MAX);
	free(offers);
}

/* The first of two transforms says that something else follows. */
static void a_chain_of_transforms_has_only_transforms(void **state)
{
	(void)state;
	static const struct ike_suite suites[] = {
		{CBC_AES, 16, HASH_SHA1, DH_MODP2048}, {CBC_AES, 32, HASH_SHA1, DH_MODP2048}};
	uint8_t octets[512];
	struct wr w = wr_of(octets, sizeof(octets));
	struct ike_offers offers;

	ike_sa1_put(&w, suites, 2, 3600);
	assert_true(ike_offers_parse(wr_slice(&w), &offers));
	assert_int_equal(octets[16], 3);
	octets[16] = 4;
	assert_false(ike_offers_parse(wr_slice(&w), &offers));
}

static void suites_are_equal_by_every_value(void **state)
{
	(void)state;
	const struct ike_suite a = {CBC_AES, 24, HASH_SHA1, DH_MODP2048};
	struct ike_suite b = a;

	assert_true(ike_suite_same(&a, &b));
	b.cipher = CBC_3DES;
	assert_false(ike_suite_same(&a, &b));
	b = a;
	b.key_len = 32;
	assert_false(ike_suite_same(&a, &b));
	b = a;
	b.hash = HASH_SHA256;
	assert_false(ike_suite_same(&a, &b));
	b = a;
	b.group = DH_MODP1024;
	assert_false(ike_suite_same(&a, &b));
}

/* ---- messages ---- */

static void reserved_octets_and_other_dois_are_refused(void **state)
{
	(void)state;
	const uint8_t chain[] = {0, 1, 0, 8, 1, 2, 3, 4};
	uint8_t notify[12] = {0, 0, 0, 2, IKE_PROTO_ISAKMP, 0, 0, 14};
	uint8_t delete[] = {0, 0, 0, 2, IKE_PROTO_ESP, 4, 0, 1, 0, 0, 1, 0};
	struct ike_payloads p;
	struct ike_notify n;
	struct ike_delete d;

	assert_false(ike_payloads_parse(IKE_NONCE, slice(chain, sizeof(chain)), &p));
	assert_false(ike_notify_parse(slice(notify, 8), &n));
	assert_false(ike_delete_parse(slice(delete, sizeof(delete)), &d));
	notify[3] = delete[3] = 1;
	assert_true(ike_notify_parse(slice(notify, 8), &n));
	assert_true(ike_delete_parse(slice(delete, sizeof(delete)), &d));
}

static void a_message_has_a_greatest_length(void **state)
{
	(void)state;
	uint8_t *octets = calloc(1, IKE_MESSAGE_MAX + 1);
	struct ike_hdr hdr;

	assert_non_null(octets);
	octets[17] = 0x10;
	put_u32(octets + 24, IKE_MESSAGE_MAX);
	assert_true(ike_hdr_parse(slice(octets, IKE_MESSAGE_MAX), &hdr));
	put_u32(octets + 24, IKE_MESSAGE_MAX + 1);
	assert_false(ike_hdr_parse(slice(octets, IKE_MESSAGE_MAX + 1), &hdr));
	free(octets);
}

static void sealing_needs_room_for_the_padding(void **state)
{
	(void)state;
	struct env *env = test_env_new(3);
	struct ike_keys keys = {.hash = HASH_SHA1, .cipher = CBC_AES, .key_len = 16};
	uint8_t *message = calloc(1, IKE_HDR + 17), iv[IKE_BLOCK_MAX] = {0};
	size_t n = IKE_HDR + 17;

	assert_non_null(message);
	assert_false(ike_seal(env->crypto, &keys, iv, message, &n, IKE_HDR + 17));
	free(message);
	test_env_free(env);
}

static void what_a_server_imposes_is_kept_within_bounds(void **state)
{
	(void)state;
	assert_int_equal(ike_life(3600, 0), 30);
	assert_int_equal(ike_life(3600, 60), 60);
	assert_int_equal(ike_life(3600, 7200), 3600);
	assert_int_equal(ike_life(UINT32_MAX, 200000), 86400);
}

static void a_list_of_suites_has_an_end(void **state)
{
	(void)state;
	char text[8192] = "";
	struct ike_proposals *p = calloc(1, sizeof(*p));
	const char *wrong;
	size_t n = 0;

	assert_non_null(p);
	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, "%saes-sha1-modp2048", i ? "," : "");
	assert_false(ike_suites_parse(text, p, &wrong));
	n = 0;
	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%saes-sha1", i ? "," : "");
	assert_false(esp_suites_parse(text, p, &wrong));
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_of_an_ike_offer_counts),
		cmocka_unit_test(each_field_of_an_esp_offer_counts),
		cmocka_unit_test(numbers_are_not_cut_and_lifetimes_are_whole),
		cmocka_unit_test(a_mode_is_not_cut),
		cmocka_unit_test(bundles_are_not_taken),
		cmocka_unit_test(of_endless_transforms_a_bounded_number_is_kept),
		cmocka_unit_test(a_chain_of_transforms_has_only_transforms),
		cmocka_unit_test(suites_are_equal_by_every_value),
		cmocka_unit_test(reserved_octets_and_other_dois_are_refused),
		cmocka_unit_test(a_message_has_a_greatest_length),
		cmocka_unit_test(sealing_needs_room_for_the_padding),
		cmocka_unit_test(what_a_server_imposes_is_kept_within_bounds),
		cmocka_unit_test(a_list_of_suites_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

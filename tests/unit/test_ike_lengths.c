/* ike/: the frame of what a gateway sends: ISAKMP header, payload chain, cookies, nonces, key
 * exchange values; each field with every value, at the machine. */
#include "ike/ike_rooms.h"
#include "tests/unit/ike_world.h"
#include "tests/unit/values.h"

enum { PADDED = 300 };

/* Main mode as far as the answer that is to be spoiled. */
struct stage {
	struct world *w;
	const char *suite;
	unsigned number; /* of the answer: 2 or 4 */
	struct blob good;
};

/* The client waits for message 2 or 4, and the gateway's good one is kept. */
static void stage_again(struct stage *s)
{
	struct world *w = s->w;

	pktq_free(&w->out.down);
	pktq_free(&w->inbox);
	ike_free(w->ike);
	world_open(w);
	deliver_to_gateway(w);
	if (s->number == 4) {
		ike_recv(w->ike, &w->inbox, w->now, &w->out);
		deliver_to_gateway(w);
	}
	struct pkt *answer = intercept(w);
	blob_set(&s->good, pkt_slice(answer));
	pkt_free(answer);
}

static struct stage stage_new(const char *suite, unsigned number)
{
	struct stage s = {.w = world_new("legacy"), .suite = suite, .number = number};
	const char *wrong;

	assert_true(ike_suites_parse(suite, &s.w->conf.proposals, &wrong));
	stage_again(&s);
	return s;
}

static void stage_free(struct stage *s)
{
	pktq_free(&s->w->out.down);
	pktq_free(&s->w->inbox);
	world_free(s->w);
}

/* Is this datagram taken for the answer? Then message 3 or 5 goes out, and all begins anew. */
static bool take(struct stage *s, struct slice datagram)
{
	to_client(s->w, datagram);
	ike_recv(s->w->ike, &s->w->inbox, s->w->now, &s->w->out);
	assert_false(s->w->ike->failed);
	bool taken = s->w->out.down.count;
	if (taken)
		stage_again(s);
	return taken;
}

/* ---- ISAKMP header ---- */

enum { AT_COOKIE_R = 8, AT_FIRST = 16, AT_VERSION, AT_EXCHANGE, AT_FLAGS, AT_ID, AT_LENGTH = 24 };

/* Version 1.x, main mode, not encrypted; other flags are the sender's affair. */
static bool octet_is_allowed(unsigned at, unsigned value)
{
	switch (at) {
	case AT_FIRST:
		return value == IKE_SA;
	case AT_VERSION:
		return value >> 4 == 1;
	case AT_EXCHANGE:
		return value == 2;
	case AT_FLAGS:
		return !(value & 1);
	default:
		return value == 0; /* of the message ID, and the length's first three but one */
	}
}

static void each_octet_of_the_header_is_what_it_must_be(void **state)
{
	struct tally t = {.what = "octets of the ISAKMP header"};
	struct stage s = stage_new("aes128-sha1-ecp256", 2);

	(void)state;
	for (unsigned at = AT_FIRST; at < AT_LENGTH + 2; at++)
		for (unsigned value = 0; value < 256; value++) {
			struct blob b = s.good;

			b.p[at] = (uint8_t)value;
			judge(&t, take(&s, blob(&b)), octet_is_allowed(at, value), "octet", value);
		}
	figure(&t, 1 + 16 + 1 + 128 + 6);
	stage_free(&s);
}

/* The length field says what the datagram has, whichever of the two is changed. */
static void the_length_is_the_datagrams(void **state)
{
	struct tally t = {.what = "ISAKMP lengths"};
	struct stage s = stage_new("aes128-sha1-ecp256", 2);
	size_t right = s.good.n;

	(void)state;
	for (uint32_t n = 0; n <= UINT16_MAX + 1; n++) {
		struct blob b = s.good;

		put_u32(b.p + AT_LENGTH, n);
		judge(&t, take(&s, blob(&b)), n == right, "length", n);
		put_u32(b.p + AT_LENGTH, (uint32_t)right | (n + 1) << 16);
		if (n + 1 <= UINT16_MAX)
			judge(&t, take(&s, blob(&b)), false, "length with high octets", n);
	}
	for (size_t n = 1; n <= right + PADDED; n++) {
		struct blob b = s.good;

		judge(&t, take(&s, slice(b.p, n)), n == right, "datagram of", n);
	}
	figure(&t, 2);
	stage_free(&s);
}

/* RFC 2408, 2.5.3: the responder's cookie is there, and not ours; the initiator's is ours. */
static void cookies_are_what_they_must_be(void **state)
{
	struct tally t = {.what = "cookies"};
	struct stage s = stage_new("aes128-sha1-ecp256", 2);

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		struct blob b = s.good;

		b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		judge(&t, take(&s, blob(&b)), false, "changed bit of ours:", bit);
		b = s.good;
		memset(b.p + AT_COOKIE_R, 0, 8);
		judge(&t, take(&s, blob(&b)), false, "zero, time", bit);
		b.p[AT_COOKIE_R + bit / 8] = (uint8_t)(1 << bit % 8);
		judge(&t, take(&s, blob(&b)), true, "a single bit:", bit);
		b = s.good;
		memcpy(b.p + AT_COOKIE_R, b.p, 8);
		judge(&t, take(&s, blob(&b)), false, "ours again, time", bit);
	}
	figure(&t, 64);
	stage_free(&s);
}

/* ---- payload chains ---- */

static bool is_one_of(const uint8_t *types, uint8_t type)
{
	for (; *types; types++)
		if (*types == type)
			return true;
	return false;
}

/* The good answer with so many payloads of a type and so many octets behind it. */
static struct blob with_more(const struct blob *good, uint8_t type, unsigned count, size_t octets)
{
	struct blob b = *good;
	size_t at = IKE_HDR;

	while (b.p[at])
		at += get_u16(b.p + at + 2);
	for (unsigned i = 0; i < count; i++) {
		assert_true(b.n + IKE_PAYLOAD_HDR + octets <= ROOM);
		b.p[at] = type;
		at = b.n;
		memset(b.p + at, 0, IKE_PAYLOAD_HDR + octets);
		put_u16(b.p + at + 2, (uint16_t)(IKE_PAYLOAD_HDR + octets));
		b.n += IKE_PAYLOAD_HDR + octets;
	}
	put_u32(b.p + AT_LENGTH, (uint32_t)b.n);
	return b;
}

static unsigned payloads_of(const struct blob *good)
{
	unsigned n = 1;

	for (size_t at = IKE_HDR; good->p[at]; at += get_u16(good->p + at + 2))
		n++;
	return n;
}

/* RFC 2409, 5.4: what may stand beside SA, and beside KE and nonce. */
static const uint8_t beside_sa[] = {11, 13, 0}, beside_ke[] = {7, 11, 13, 20, 130, 0};

/* Type 0 ends the chain. */
static void a_payload_that_does_not_belong_there_is_refused(void **state)
{
	struct tally t = {.what = "types of one payload more in messages 2 and 4"};

	(void)state;
	for (unsigned number = 2; number <= 4; number += 2) {
		struct stage s = stage_new("aes128-sha1-ecp256", number);

		for (unsigned type = 0; type < 256; type++) {
			struct blob b = with_more(&s.good, (uint8_t)type, 1, 12);
			bool may = is_one_of(number == 2 ? beside_sa : beside_ke, (uint8_t)type);

			judge(&t, take(&s, blob(&b)), may || !type, "type", type);
		}
		stage_free(&s);
	}
	figure(&t, 3 + 6);
}

/* So many and no more: 64 in all, 4 notifies, 16 hashes of addresses, one SA, KE and nonce. */
static void payloads_are_counted(void **state)
{
	static const struct {
		unsigned number;
		uint8_t type;
		unsigned most; /* of this type; 0 = none but the good one's */
	} rows[] = {{2, IKE_VID, 64}, {2, IKE_N, 4}, {2, IKE_SA, 0}, {4, IKE_VID, 64},
		{4, IKE_CERTREQ, 64}, {4, IKE_NATD, 16}, {4, IKE_KE, 0}, {4, IKE_NONCE, 0}};
	struct tally t = {.what = "payload counts of messages 2 and 4"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stage s = stage_new("aes128-sha1-ecp256", rows[i].number);
		unsigned have = payloads_of(&s.good);
		unsigned of_type = rows[i].type == IKE_NATD ? 2 : 0;

		for (unsigned count = 0; count <= 200; count++) {
			struct blob b = with_more(&s.good, rows[i].type, count, 0);
			bool may = have + count <= 64 && of_type + count <= rows[i].most;

			judge(&t, take(&s, blob(&b)), may || !count, "payloads", count);
		}
		stage_free(&s);
	}
	figure(&t, 62 + 5 + 1 + 61 + 61 + 15 + 1 + 1);
}

/* Do its lengths make it a chain of what may be there, with SA or KE as long as in the good one? */
static bool chain_is_sound(const struct blob *b, const struct blob *good, const uint8_t *others)
{
	uint8_t type = b->p[AT_FIRST];
	unsigned nonces = 0;

	for (size_t at = IKE_HDR, first = at, len; type; type = b->p[at], at += len) {
		if (b->n - at < 4)
			return false;
		len = get_u16(b->p + at + 2);
		if (len < 4 || len > b->n - at || b->p[at + 1])
			return false;
		nonces += type == IKE_NONCE;
		if (at == first             ? len != get_u16(good->p + at + 2)
			: type == IKE_NONCE ? len < 12 || len > 260
					    : !is_one_of(others, type))
			return false;
	}
	return nonces == (good->p[AT_FIRST] == IKE_KE);
}

/* Each payload's length field with every value. Good are the one that it has; the last vendor ID's
 * from 4 on, for what follows a chain is padding; and in 4 cases a length that reaches over whole
 * payloads: a vendor ID over the next, a nonce over one NAT-D or both, a NAT-D over the other. */
static void a_payload_of_another_length_is_refused(void **state)
{
	struct tally t = {.what = "payload lengths of messages 2 and 4"};

	(void)state;
	for (unsigned number = 2; number <= 4; number += 2) {
		struct stage s = stage_new("aes128-sha1-ecp256", number);
		const struct blob shape = with_more(&s.good, IKE_VID, 1, 16);

		for (size_t at = IKE_HDR; at < shape.n; at += get_u16(shape.p + at + 2))
			for (unsigned n = 0; n <= UINT16_MAX; n++) {
				const struct blob good = with_more(&s.good, IKE_VID, 1, 16);
				struct blob b = good;

				put_u16(b.p + at + 2, (uint16_t)n);
				bool sound = chain_is_sound(
					&b, &good, number == 2 ? beside_sa : beside_ke);
				judge(&t, take(&s, blob(&b)), sound, "length", n);
			}
		stage_free(&s);
	}
	figure(&t, 9 + 2 * 16 + 4);
}

/* Zero, one another's, or itself as the next: no chain goes round. Reserved octets are zero. */
static void a_chain_that_does_not_end_is_refused(void **state)
{
	struct tally t = {.what = "next payloads and reserved octets"};
	struct stage s = stage_new("aes128-sha1-ecp256", 2);
	const struct blob good = with_more(&s.good, IKE_VID, 4, 0);

	(void)state;
	for (size_t at = IKE_HDR; at < good.n; at += get_u16(good.p + at + 2))
		for (unsigned value = 0; value < 256; value++) {
			struct blob b = with_more(&s.good, IKE_VID, 4, 0);
			bool last = !b.p[at];

			b.p[at + 1] = (uint8_t)value;
			judge(&t, take(&s, blob(&b)), !value, "reserved octet", value);
			b = with_more(&s.good, IKE_VID, 4, 0);
			b.p[at] = (uint8_t)value;
			bool may = !value || (!last && (value == IKE_VID || value == IKE_N));
			if (value == IKE_N)
				may = !last; /* its body is not looked at in the clear */
			judge(&t, take(&s, blob(&b)), may, "next payload", value);
		}
	unsigned n = payloads_of(&good);
	figure(&t, n + 3 * (n - 1) + 1);
	stage_free(&s);
}

/* ---- nonces ---- */

/* Message 4 with this KE and this nonce. */
static struct blob message4(const struct stage *s, struct slice ke, struct slice nonce)
{
	struct ike_hdr hdr;
	struct ike_build build;
	struct ike_payloads p;
	struct blob b;

	assert_true(ike_hdr_parse(blob(&s->good), &hdr));
	assert_true(
		ike_payloads_parse(hdr.first, slice(s->good.p + IKE_HDR, s->good.n - IKE_HDR), &p));
	ike_build_open(&build, b.p, ROOM, &hdr);
	ike_put(&build, IKE_KE, ke.p ? ke : ike_payload_body(&p, IKE_KE));
	ike_put(&build, IKE_NONCE, nonce.p ? nonce : ike_payload_body(&p, IKE_NONCE));
	for (size_t i = 0; i < p.n; i++)
		if (p.at[i].type == IKE_NATD)
			ike_put(&build, IKE_NATD, p.at[i].body);
	b.n = ike_build_close(&build).n;
	assert_true(b.n > 0);
	return b;
}

static const struct slice as_it_was;

/* RFC 2409, 5: 8 to 256 octets. */
static void a_nonce_has_8_to_256_octets(void **state)
{
	struct tally t = {.what = "nonce lengths in main mode"};
	struct stage s = stage_new("aes128-sha1-ecp256", 4);
	uint8_t nonce[400];

	(void)state;
	memset(nonce, 0x6e, sizeof(nonce));
	for (size_t n = 0; n <= sizeof(nonce); n++) {
		struct blob b = message4(&s, as_it_was, slice(nonce, n));

		judge(&t, take(&s, blob(&b)), n >= 8 && n <= 256, "nonce of", n);
	}
	figure(&t, 249);
	stage_free(&s);
}

/* Ours back is no nonce of theirs; anything else is, if only a bit of it differs. */
static void our_nonce_back_is_refused(void **state)
{
	struct tally t = {.what = "our own nonce and its neighbours"};
	struct stage s = stage_new("aes128-sha1-ecp256", 4);

	(void)state;
	for (unsigned bit = 0; bit <= 256; bit++) {
		struct blob ours;

		blob_set(&ours, secret_slice(&s.w->ike->sas->nonce_i));
		assert_int_equal(ours.n, 32);
		if (bit < 256)
			ours.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		struct blob b = message4(&s, as_it_was, blob(&ours));
		judge(&t, take(&s, blob(&b)), bit < 256, "changed bit", bit);
	}
	figure(&t, 256);
	stage_free(&s);
}

/* ---- key exchange ---- */

static const struct {
	const char *suite;
	enum dh_group group;
	bool modp;
} groups[] = {
	{"aes128-sha1-modp1024", DH_MODP1024, true},
	{"aes128-sha1-modp1536", DH_MODP1536, true},
	{"aes128-sha1-modp2048", DH_MODP2048, true},
	{"aes128-sha1-modp3072", DH_MODP3072, true},
	{"aes128-sha1-modp4096", DH_MODP4096, true},
	{"aes128-sha1-ecp256", DH_ECP256, false},
	{"aes128-sha1-ecp384", DH_ECP384, false},
	{"aes128-sha1-ecp521", DH_ECP521, false},
	{"aes128-sha1-x25519", DH_CURVE25519, false},
};

enum { GROUPS = sizeof(groups) / sizeof(groups[0]) };

static void judge_ke(struct tally *t, struct stage *s, struct slice ke, bool want, const char *what)
{
	struct blob b = message4(s, ke, as_it_was);

	judge(t, take(s, blob(&b)), want, what, dh_public_len(s->w->conf.proposals.ike[0].group));
}

/* The corners of every group in message 4, and every length: refused in silence, and the exchange
 * goes on with the good one, which is what the real gateway sends. */
static void a_bad_key_exchange_value_costs_nothing(void **state)
{
	struct tally t = {.what = "key exchange values in message 4"};

	(void)state;
	for (size_t i = 0; i < GROUPS; i++) {
		struct stage s = stage_new(groups[i].suite, 4);
		size_t n = dh_public_len(groups[i].group);
		uint8_t value[ROOM] = {0}, good[ROOM];

		judge_ke(&t, &s, slice(value, n), false, "0 in octets:");
		value[groups[i].modp ? n - 1 : 0] = 1;
		judge_ke(&t, &s, slice(value, n), false, "1 in octets:");
		memset(value, 0xff, n); /* u = 2^255 - 1 = 18 is a value of curve25519 */
		judge_ke(&t, &s, slice(value, n), groups[i].group == DH_CURVE25519, "2^n - 1:");
		memcpy(good, s.w->gw.public_r.p, n);
		for (size_t len = 0; len <= n + 8; len += len + 9 == n ? 1 : len < n - 9 ? 7 : 1)
			if (len != n && !(groups[i].modp && len >= n - 8 && len < n)) {
				memcpy(value, good, n);
				judge_ke(&t, &s, slice(value, len), false, "length beside");
			}
		memcpy(value, s.w->ike->sas->public_i.p, n);
		judge_ke(&t, &s, slice(value, n), false, "our own value of octets");
		judge_ke(&t, &s, as_it_was, true, "the good one of octets");
		stage_free(&s);
	}
	figure(&t, GROUPS + 1);
}

/* Our own value without its leading zero octets is our own value still. */
static void our_own_value_is_known_without_its_zeros(void **state)
{
	struct tally t = {.what = "our own value without its leading zeros"};
	struct stage s = stage_new("aes128-sha1-modp1024", 4);

	(void)state;
	for (unsigned found = 0; found < 3;) {
		const struct secret *ours = &s.w->ike->sas->public_i;

		if (ours->p[0] == 0) {
			judge_ke(&t, &s, slice(ours->p + 1, ours->n - 1), false, "octets");
			found++;
		}
		stage_again(&s);
	}
	figure(&t, 0);
	stage_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_octet_of_the_header_is_what_it_must_be),
		cmocka_unit_test(the_length_is_the_datagrams),
		cmocka_unit_test(cookies_are_what_they_must_be),
		cmocka_unit_test(a_payload_that_does_not_belong_there_is_refused),
		cmocka_unit_test(payloads_are_counted),
		cmocka_unit_test(a_payload_of_another_length_is_refused),
		cmocka_unit_test(a_chain_that_does_not_end_is_refused),
		cmocka_unit_test(a_nonce_has_8_to_256_octets),
		cmocka_unit_test(our_nonce_back_is_refused),
		cmocka_unit_test(a_bad_key_exchange_value_costs_nothing),
		cmocka_unit_test(our_own_value_is_known_without_its_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

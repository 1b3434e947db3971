/* What a forger without a key can think of. */
#include <stdlib.h>
#include <string.h>

#include "ike/ike_natt.h"
#include "ike/ike_prop.h"
#include "ike/ike_vid.h"
#include "tests/sim/forge.h"

enum {
	ROOM = 2048,
	AGGRESSIVE = 4,
	NEW_GROUP = 33,
	UNITY_LOAD_BALANCE = 40501,
	COUNT_IS_EVERY_BIT = 8 * ROOM,
	AT_CIPHER =
		8 + 8 + 8 + 3, /* in an SA: its beginning, a proposal's, a transform's; the value */
};

/* Every error of RFC 2408 and its end; samples of what is private, status and other people's. */
static const uint16_t notify_types[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
	18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 8191, 8192, 9101, 16383, 16384,
	24576, 24577, 24578, 32768, 36136, 36137, 40500, UNITY_LOAD_BALANCE, 65535};

/* ---- tools ---- */

static uint64_t draw(struct forger *f, uint64_t below)
{
	return sim_mix(&f->rng) % below;
}

static struct pkt *packet(struct forger *f, struct slice octets, enum lane lane, bool is_ike)
{
	struct pkt *p = pkt_of(f->w->host->pool, octets);

	if (!p)
		abort();
	p->lane = lane;
	if (is_ike && lane == LANE_NATT && !natt_mark(p))
		abort();
	return p;
}

/* Where the client speaks now. */
static enum lane lane_of(const struct forger *f)
{
	return f->seen[(f->n_seen - 1) % FORGE_SEEN]->lane;
}

/* Of an ISAKMP packet, whole; empty of another. */
static struct slice message_of(const struct pkt *p, struct ike_hdr *hdr)
{
	size_t at = p && p->lane == LANE_NATT ? 4 : 0;

	if (!p || p->len < at || (at && get_u32(p->data) != 0) ||
		!ike_hdr_parse(slice(p->data + at, p->len - at), hdr))
		return slice(NULL, 0);
	return slice(p->data + at, p->len - at);
}

static bool payloads_of(const struct pkt *p, struct ike_hdr *hdr, struct ike_payloads *to)
{
	struct slice m = message_of(p, hdr);

	return m.n && !(hdr->flags & IKE_ENCRYPTED) &&
	       ike_payloads_parse(hdr->first, slice(m.p + IKE_HDR, m.n - IKE_HDR), to);
}

/* With the right cookies, as far as anybody knows them; every other time with one of his own. */
static struct ike_hdr header(struct forger *f, uint8_t exchange, unsigned i)
{
	struct ike_hdr hdr = {.exchange = exchange, .id = (uint32_t)draw(f, UINT32_MAX) | 1};

	memcpy(hdr.cookie_i, f->cookie_i, IKE_COOKIE);
	memcpy(hdr.cookie_r, f->cookie_r, IKE_COOKIE);
	if (!f->knows_cookie_r || (f->step <= AT_MESSAGE_6 && i % 2))
		sim_rng(&f->rng, hdr.cookie_r, IKE_COOKIE);
	return hdr;
}

static struct slice cookies(const struct ike_hdr *hdr, uint8_t to[static 2 * IKE_COOKIE])
{
	memcpy(to, hdr->cookie_i, IKE_COOKIE);
	memcpy(to + IKE_COOKIE, hdr->cookie_r, IKE_COOKIE);
	return slice(to, 2 * IKE_COOKIE);
}

static struct pkt *built(struct forger *f, struct ike_build *b)
{
	struct slice m = ike_build_close(b);

	if (!m.n)
		abort();
	return packet(f, m, lane_of(f), true);
}

/* ---- in the clear ---- */

static struct pkt *notify(struct forger *f, unsigned variant, unsigned i)
{
	struct ike_hdr hdr = header(f, IKE_INFO, i);
	uint8_t buf[ROOM], both[2 * IKE_COOKIE], data[] = {203, 0, 113, 66};
	bool proper = i % 3;
	struct ike_build b;

	ike_build_open(&b, buf, sizeof(buf), &hdr);
	ike_put_notify(&b, IKE_PROTO_ISAKMP, notify_types[variant],
		proper ? cookies(&hdr, both) : slice(NULL, 0),
		proper ? slice(data, sizeof(data)) : slice(NULL, 0));
	return built(f, &b);
}

static struct pkt *delete (struct forger *f, unsigned variant, unsigned i)
{
	struct ike_hdr hdr = header(f, IKE_INFO, 0);
	uint8_t buf[ROOM], spi[2 * IKE_COOKIE];
	struct ike_build b;

	ike_build_open(&b, buf, sizeof(buf), &hdr);
	if (variant == 0) {
		ike_put_delete(&b, IKE_PROTO_ISAKMP, sizeof(spi), cookies(&hdr, spi));
	} else {
		put_u32(spi, i % 2 ? f->spi_in : f->spi_out);
		ike_put_delete(&b, IKE_PROTO_ESP, 4, slice(spi, 4));
	}
	return built(f, &b);
}

/* As from a peer that leaves the HASH out, empty or short, and encrypts nothing. */
static struct pkt *hashless(struct forger *f, unsigned variant, unsigned i)
{
	static const uint8_t lengths[] = {0, 0, 1, 16, 19, 20, 31, 32};
	uint8_t exchange = variant % 2 ? IKE_QUICK : IKE_INFO, buf[ROOM], hash[64], spi[4];
	struct ike_hdr hdr = header(f, exchange, 0);
	struct ike_build b;

	if (exchange == IKE_QUICK && i % 2)
		hdr.id = f->quick_id;
	sim_rng(&f->rng, hash, sizeof(hash));
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	if (variant / 2 > 0)
		ike_put(&b, IKE_HASH, slice(hash, lengths[variant / 2]));
	put_u32(spi, f->spi_in);
	if (exchange == IKE_QUICK)
		ike_put(&b, IKE_NONCE, slice(hash, 32));
	else
		ike_put_delete(&b, IKE_PROTO_ESP, 4, slice(spi, 4));
	return built(f, &b);
}

/* Message 1 of main and aggressive mode, from anybody. */
static struct pkt *beginning(struct forger *f, unsigned variant, unsigned i)
{
	struct ike_payloads p;
	struct ike_build b;
	struct ike_hdr hdr;
	uint8_t buf[ROOM];

	(void)i;
	if (!payloads_of(f->message1, &hdr, &p))
		return NULL;
	hdr.exchange = variant ? AGGRESSIVE : IKE_MAIN;
	if (variant != 2)
		sim_rng(&f->rng, hdr.cookie_i, IKE_COOKIE);
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	ike_put(&b, IKE_SA, ike_payload_body(&p, IKE_SA));
	return built(f, &b);
}

/* ---- sealed, or said to be ---- */

static struct pkt *garbage(struct forger *f, unsigned variant, unsigned i)
{
	static const uint8_t exchanges[] = {
		IKE_INFO, IKE_QUICK, IKE_MAIN, AGGRESSIVE, 6, NEW_GROUP};
	struct ike_hdr hdr = header(f, exchanges[variant], 0);
	uint8_t buf[ROOM], body[1024];
	size_t n = 16 * (1 + draw(f, 40)) - IKE_PAYLOAD_HDR;
	struct ike_build b;

	if (hdr.exchange == IKE_MAIN)
		hdr.id = 0;
	else if (i % 3 == 0)
		hdr.id = i % 2 ? f->quick_id : f->done_id;
	hdr.flags = IKE_ENCRYPTED;
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	ike_put(&b, IKE_HASH, slice(body, n));
	struct slice m = ike_build_close(&b);
	sim_rng(&f->rng, buf + IKE_HDR, m.n - IKE_HDR);
	buf[16] = hdr.exchange == IKE_MAIN ? IKE_ID : IKE_HASH; /* the first payload's type */
	return packet(f, m, lane_of(f), true);
}

/* A true message of the gateway under another message ID: none, that of an exchange before, random. */
static struct pkt *renumbered(struct forger *f, unsigned variant, unsigned i)
{
	struct ike_hdr hdr;
	struct slice m = message_of(f->genuine, &hdr);
	const uint32_t ids[] = {0, f->done_id, f->quick_id, (uint32_t)draw(f, UINT32_MAX)};
	uint32_t id = ids[i % 4];

	(void)variant;
	if (!m.n || !(hdr.flags & IKE_ENCRYPTED))
		return NULL;
	struct pkt *p = packet(f, m, f->genuine->lane, true);
	put_u32(p->data + p->len - m.n + 20, id == hdr.id ? id ^ 1 : id);
	return p;
}

/* ---- what was seen ---- */

static struct pkt *again_of(struct forger *f, bool client, unsigned i)
{
	unsigned n = f->n_seen < FORGE_SEEN ? f->n_seen : FORGE_SEEN;

	for (unsigned tries = 0; tries < n; tries++) {
		const struct pkt *p = f->seen[(i + tries) % n];

		if (f->of_client[(i + tries) % n] == client && p->len > 1)
			return packet(f, pkt_slice(p), p->lane, false);
	}
	return NULL;
}

static struct pkt *again(struct forger *f, unsigned variant, unsigned i)
{
	return again_of(f, false, i + variant);
}

static struct pkt *again_of_client(struct forger *f, unsigned variant, unsigned i)
{
	return again_of(f, true, i + variant);
}

/* One bit of what is sealed. */
static struct pkt *flipped_from(struct forger *f, size_t from, unsigned i)
{
	if (i >= 8 * (f->genuine->len - from))
		return NULL;
	struct pkt *p = packet(f, pkt_slice(f->genuine), f->genuine->lane, false);
	p->data[from + i / 8] ^= (uint8_t)(1u << i % 8);
	return p;
}

static struct pkt *flipped(struct forger *f, unsigned variant, unsigned i)
{
	struct ike_hdr hdr;
	struct slice m = message_of(f->genuine, &hdr);

	(void)variant;
	return m.n && hdr.flags & IKE_ENCRYPTED
		       ? flipped_from(f, f->genuine->len - m.n + IKE_HDR, i)
		       : NULL;
}

static struct pkt *flipped_esp(struct forger *f, unsigned variant, unsigned i)
{
	struct ike_hdr hdr;

	(void)variant;
	return message_of(f->genuine, &hdr).n ? NULL : flipped_from(f, 0, i);
}

/* Every truncation, with a length field that says so. */
static struct pkt *cut_short(struct forger *f, unsigned variant, unsigned i)
{
	struct ike_hdr hdr;
	struct slice m = message_of(f->genuine, &hdr);

	(void)variant;
	if (!m.n || i >= m.n)
		return NULL;
	struct pkt *p = packet(f, slice(m.p, i), f->genuine->lane, true);
	if (i >= IKE_HDR)
		put_u32(p->data + p->len - i + 24, i);
	return p;
}

/* On a pair's SPI, with the numbers that come next, or far ahead. */
static struct pkt *esp(struct forger *f, unsigned variant, unsigned i)
{
	uint8_t buf[ROOM];
	size_t n = 24 + draw(f, 1300);

	if (!f->spi_in)
		return NULL;
	sim_rng(&f->rng, buf, n);
	put_u32(buf, variant == 2 ? f->spi_out : f->spi_in);
	put_u32(buf + 4, variant == 1 ? UINT32_MAX - i : 1 + i);
	return packet(f, slice(buf, n), LANE_NATT, false);
}

/* ---- another message 2 or 4 ---- */

enum message2_twist { OTHER_COOKIE = 1, OTHER_SUITE = 2, NO_VENDOR_IDS = 4, UNOFFERED = 8 };

/* The gateway's own with a twist; before there is one, made of message 1. */
static struct pkt *message2(struct forger *f, unsigned twist, unsigned i)
{
	struct ike_hdr hdr, own;
	struct ike_payloads offer, p;
	struct ike_offers offers;
	uint8_t buf[ROOM];
	struct ike_build b;

	if (!payloads_of(f->message1, &hdr, &offer) ||
		!ike_offers_parse(ike_payload_body(&offer, IKE_SA), &offers) || !offers.n)
		return NULL;
	memcpy(hdr.cookie_r, f->cookie_r, IKE_COOKIE);
	if (!f->knows_cookie_r || twist & OTHER_COOKIE)
		sim_rng(&f->rng, hdr.cookie_r, IKE_COOKIE);
	bool knows = payloads_of(f->message2, &own, &p);
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	size_t mark = ike_payload_open(&b, IKE_SA);
	size_t at = twist & OTHER_SUITE ? 1 + i % (offers.n - 1) : 0;
	size_t body = wr_len(&b.w);
	ike_accept_put(&b.w, &offers.at[at], slice(NULL, 0));
	if (twist & UNOFFERED)
		b.w.start[body + AT_CIPHER] = 5; /* 3DES */
	ike_payload_close(&b, mark);
	if (!(twist & NO_VENDOR_IDS))
		ike_put(&b, IKE_VID, ike_vid_octets(VID_NATT_RFC));
	if (knows && !(twist & NO_VENDOR_IDS))
		ike_put(&b, IKE_VID, ike_vid_octets(VID_DPD));
	return built(f, &b);
}

enum message4_twist { OTHER_KE = 1, OTHER_NONCE = 2, NO_NAT_D = 4, OUR_KE = 8, OUR_NONCE = 16 };

/* Of the gateway's message 4 when he may read it first, else of the client's message 3. */
static struct pkt *message4(struct forger *f, unsigned twist, unsigned i)
{
	struct ike_hdr hdr, own;
	struct ike_payloads p, p3;
	uint8_t buf[ROOM], fresh[2][32];
	struct ike_build b;

	(void)i;
	if (!payloads_of(f->genuine ? f->genuine : f->message3, &hdr, &p) ||
		!payloads_of(f->message3, &own, &p3) || hdr.first != IKE_KE)
		return NULL;
	struct slice ke = ike_payload_body(twist & OUR_KE ? &p3 : &p, IKE_KE);
	struct slice nonce = ike_payload_body(twist & OUR_NONCE ? &p3 : &p, IKE_NONCE);
	sim_rng(&f->rng, fresh, sizeof(fresh));
	if (twist & OTHER_KE) /* any 32 octets are a value of curve25519 */
		ke = slice(fresh[0], ke.n < 32 ? ke.n : 32);
	if (twist & OTHER_NONCE)
		nonce = slice(fresh[1], 32);
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	ike_put(&b, IKE_KE, ke);
	ike_put(&b, IKE_NONCE, nonce);
	for (size_t n = 0; !(twist & NO_NAT_D) && n < p.n; n++)
		if (p.at[n].type == IKE_NATD)
			ike_put(&b, IKE_NATD, p.at[n].body);
	return built(f, &b);
}

static struct pkt *other_message2(struct forger *f, unsigned variant, unsigned i)
{
	static const unsigned twists[] = {OTHER_COOKIE, OTHER_SUITE, OTHER_COOKIE | OTHER_SUITE,
		NO_VENDOR_IDS, OTHER_COOKIE | UNOFFERED, UNOFFERED};

	return message2(f, twists[variant], i);
}

static struct pkt *other_message4(struct forger *f, unsigned variant, unsigned i)
{
	static const unsigned twists[] = {OTHER_KE, OTHER_NONCE, OTHER_KE | OTHER_NONCE, NO_NAT_D};

	return message4(f, twists[variant], i);
}

static struct pkt *reflected(struct forger *f, unsigned variant, unsigned i)
{
	static const unsigned twists[] = {
		OUR_KE | OUR_NONCE, OUR_KE | OTHER_NONCE, OUR_NONCE | OTHER_KE, OUR_KE, OUR_NONCE};

	return message4(f, twists[variant], i);
}

/* Before there is one of the gateway's. */
static struct pkt *fresh_message4(struct forger *f, unsigned variant, unsigned i)
{
	return message4(f, OTHER_KE | OTHER_NONCE, i + variant);
}

/* Whichever is awaited. */
static struct pkt *other_message(struct forger *f, unsigned variant, unsigned i)
{
	return f->step == AT_MESSAGE_2 ? message2(f, OTHER_COOKIE, i)
				       : fresh_message4(f, variant, i);
}

/* ---- the table ---- */

enum {
	NOTIFIES = sizeof(notify_types) / sizeof(notify_types[0]),
	AT_2 = 1u << AT_MESSAGE_2,
	AT_4 = 1u << AT_MESSAGE_4,
	AT_THE_LINK = 1u << AT_LINK,
};

/* clang-format off */
const struct forgery forgeries[] = {
	{"notify in clear", FORGE_SPREAD, FORGE_ALWAYS, NOTIFIES, notify, 0, FORGE_PLAIN},
	{"delete in clear", FORGE_SPREAD, FORGE_ALWAYS, 2, delete, 0, FORGE_PLAIN},
	{"hash omitted, empty or short", FORGE_SPREAD, FORGE_ALWAYS, 16, hashless, 0, FORGE_PLAIN},
	{"message 1 of anybody", FORGE_SPREAD, FORGE_ALWAYS, 3, beginning, 0, FORGE_PLAIN},
	{"sealed garbage", FORGE_SPREAD, FORGE_ALWAYS, 6, garbage, 0, FORGE_PLAIN},
	{"wrong message id", FORGE_BEFORE, FORGE_SEALED, 1, renumbered, 0, FORGE_PLAIN},
	{"replay", FORGE_SPREAD, FORGE_ALWAYS & ~AT_2, 1, again, 0, FORGE_PLAIN},
	{"our own packets back", FORGE_SPREAD, FORGE_ALWAYS, 1, again_of_client, 0, FORGE_PLAIN},
	{"a bit of the ciphertext", FORGE_BEFORE, FORGE_SEALED, 1, flipped, COUNT_IS_EVERY_BIT, FORGE_PLAIN},
	{"a bit of ESP", FORGE_BEFORE, FORGE_ESP, 1, flipped_esp, COUNT_IS_EVERY_BIT, FORGE_PLAIN},
	{"cut short", FORGE_BEFORE, FORGE_ALWAYS & ~AT_THE_LINK, 1, cut_short, ROOM, FORGE_PLAIN},
	{"ESP without the key", FORGE_BEFORE, AT_THE_LINK, 3, esp, 0, FORGE_PLAIN},
	{"ESP without the key", FORGE_SPREAD, FORGE_ESP & ~AT_THE_LINK, 3, esp, 0, FORGE_PLAIN},
	{"reflected key exchange", FORGE_BEFORE, AT_4, 5, reflected, 0, FORGE_PLAIN},
	{"another message 2, later", FORGE_AFTER, AT_2, 6, other_message2, 0, FORGE_PLAIN},
	{"another message 4, later", FORGE_AFTER, AT_4, 4, other_message4, 0, FORGE_PLAIN},
	{"another message 2, first", FORGE_AT_ONCE, AT_2, 6, other_message2, 1, FORGE_RACES},
	{"another message 2, overtaking", FORGE_BEFORE, AT_2, 6, other_message2, 1, FORGE_RACES},
	{"another message 4, first", FORGE_AT_ONCE, AT_4, 1, fresh_message4, 1, FORGE_RACES},
	{"another message 4, overtaking", FORGE_BEFORE, AT_4, 4, other_message4, 1, FORGE_RACES},
	{"three other messages 2 and 4, first", FORGE_AT_ONCE, AT_2 | AT_4, 1, other_message, 3, FORGE_RACES_TWICE},
	{"a flood of other messages 2, first", FORGE_AT_ONCE, AT_2, 1, other_message2, 0, FORGE_FLOODS},
	{"a flood of other messages 4, first", FORGE_BEFORE, AT_4, 1, other_message4, 0, FORGE_FLOODS},
};
/* clang-format on */
const size_t n_forgeries = sizeof(forgeries) / sizeof(forgeries[0]);

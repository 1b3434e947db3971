/* ISAKMP messages: header, payload chain, and every payload by what it claims to be. What was
 * understood is built again and must be understood as the same. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "ike/ike_msg.h"
#include "ike/ike_prop.h"
#include "ike/ike_vid.h"

enum { ROOM = 16384 };

/* ---- SA ---- */

static void offer_phase1(const struct ike_sa1 *sa)
{
	uint8_t octets[512];
	struct wr w = wr_of(octets, sizeof(octets));
	struct ike_offers offers;
	struct ike_sa1 again;

	ike_sa1_put(&w, &sa->suite, 1, sa->life_s);
	fuzz_require(!w.bad && ike_offers_parse(wr_slice(&w), &offers) && offers.n == 1);
	fuzz_require(ike_sa1_of(&offers.at[0], &again) && again.auth == IKE_AUTH_PSK);
	fuzz_require(ike_suite_same(&again.suite, &sa->suite) && again.life_s == sa->life_s);
}

static void offer_phase2(const struct ike_sa2 *sa, const struct esp_suite *suites, size_t n)
{
	uint8_t octets[4096];
	struct wr w = wr_of(octets, sizeof(octets));
	struct ike_sa2_offer offer = {suites, n, 0x5e000001, sa->mode, sa->pfs, sa->life_s};
	struct ike_offers offers;
	struct ike_sa2 again;

	ike_sa2_put(&w, &offer);
	fuzz_require(!w.bad && ike_offers_parse(wr_slice(&w), &offers) && offers.n == n);
	for (size_t i = 0; i < n; i++) {
		fuzz_require(ike_sa2_of(&offers.at[i], &again) && again.pfs == sa->pfs);
		fuzz_require(ike_esp_same(&again.suite, &suites[i]) && again.mode == sa->mode &&
			     again.life_s == sa->life_s);
	}
}

static void accept(const struct ike_offer *offer)
{
	static uint8_t octets[UINT16_MAX];
	struct wr w = wr_of(octets, sizeof(octets));
	struct ike_offers offers;

	ike_accept_put(&w, offer, offer->spi);
	if (w.bad)
		return;
	fuzz_require(ike_offers_parse(wr_slice(&w), &offers) && offers.n == 1);
	fuzz_require(slice_equal(offers.at[0].attributes, offer->attributes) &&
		     slice_equal(offers.at[0].spi, offer->spi) && offers.at[0].id == offer->id);
}

static void read_sa(struct slice body)
{
	struct esp_suite suites[ESP_SUITES_MAX];
	struct ike_offers offers;
	struct ike_sa1 phase1;
	struct ike_sa2 phase2, last = {0};
	uint32_t life;
	size_t n = 0;

	if (!ike_offers_parse(body, &offers))
		return;
	fuzz_require(offers.n <= IKE_OFFERS_MAX);
	for (size_t i = 0; i < offers.n; i++) {
		if (ike_sa1_of(&offers.at[i], &phase1))
			offer_phase1(&phase1);
		if (ike_sa2_of(&offers.at[i], &phase2) && n < ESP_SUITES_MAX) {
			suites[n++] = phase2.suite;
			last = phase2;
		}
		(void)ike_life_of(offers.at[i].attributes, i & 1, &life);
		accept(&offers.at[i]);
	}
	if (n)
		offer_phase2(&last, suites, n);
}

/* ---- payloads ---- */

static void put_again(struct ike_build *b, const struct ike_payload *p)
{
	struct ike_notify notify;
	struct ike_delete delete;
	struct ike_id id;

	if (p->type == IKE_N && ike_notify_parse(p->body, &notify))
		ike_put_notify(b, notify.protocol, notify.type, notify.spi, notify.data);
	else if (p->type == IKE_D && ike_delete_parse(p->body, &delete))
		ike_put_delete(b, delete.protocol, delete.spi_len, delete.spis);
	else if (p->type == IKE_ID && ike_id_parse(p->body, &id))
		ike_put_id(b, &id);
	else
		ike_put(b, p->type, p->body);
}

static void build_again(const struct ike_hdr *hdr, const struct ike_payloads *payloads)
{
	static uint8_t octets[ROOM];
	struct ike_payloads again;
	struct ike_hdr head;
	struct ike_build b;

	ike_build_open(&b, octets, sizeof(octets), hdr);
	for (size_t i = 0; i < payloads->n; i++)
		put_again(&b, &payloads->at[i]);
	struct slice whole = ike_build_close(&b);
	if (!whole.n)
		return;
	fuzz_require(ike_hdr_parse(whole, &head) && head.id == hdr->id && head.flags == hdr->flags);
	fuzz_require(ike_payloads_parse(
		head.first, slice(whole.p + IKE_HDR, whole.n - IKE_HDR), &again));
	fuzz_require(again.n == payloads->n);
	for (size_t i = 0; i < again.n; i++)
		fuzz_require(again.at[i].type == payloads->at[i].type &&
			     again.at[i].body.n <=
				     payloads->at[i].body.n); /* a delete may have a tail */
}

/* Its vendor, as a bit of what a peer has sent. */
static uint32_t read_payload(const struct ike_payload *p)
{
	struct ike_notify notify;
	struct ike_delete delete;
	struct ike_id id;
	enum ike_vid vid = ike_vid_of(p->body);

	if (p->type == IKE_SA)
		read_sa(p->body);
	if (ike_notify_parse(p->body, &notify))
		(void)ike_notify_name(notify.type);
	if (ike_delete_parse(p->body, &delete))
		fuzz_require(delete.spis.n == (size_t) delete.spi_len * delete.count);
	if (ike_id_parse(p->body, &id))
		(void)ike_id_ip(&id);
	struct slice octets = ike_vid_octets(vid);
	fuzz_require(vid <= VIDS && (!octets.n || ike_vid_of(octets) == vid));
	return vid == VIDS ? 0 : 1u << vid;
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct ike_hdr hdr;
	struct ike_payloads payloads;
	uint32_t seen = 0;

	(void)env;
	if (!ike_hdr_parse(input, &hdr))
		return;
	struct rd r = rd_of(input);
	rd_skip(&r, IKE_HDR);
	if (!ike_payloads_parse(hdr.first, rd_rest(&r), &payloads))
		return;
	fuzz_require(payloads.n && payloads.n <= IKE_PAYLOADS_MAX);
	fuzz_require(ike_payload_find(&payloads, hdr.first, 0) == &payloads.at[0]);
	fuzz_require(slice_equal(ike_payload_body(&payloads, hdr.first), payloads.at[0].body));
	for (unsigned kind = 0; kind < IKE_MESSAGES; kind++) {
		(void)ike_hdr_is(&hdr, (enum ike_message)kind);
		(void)ike_payloads_are(&payloads, (enum ike_message)kind);
	}
	for (size_t i = 0; i < payloads.n; i++)
		seen |= read_payload(&payloads.at[i]);
	fuzz_require(ike_vid_kind(seen));
	build_again(&hdr, &payloads);
}

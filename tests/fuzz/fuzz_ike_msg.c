/* ISAKMP messages: header, payload chain, and every payload by what it claims to be. */
#include "tests/fuzz/fuzz.h"

#include "ike/ike_msg.h"
#include "ike/ike_prop.h"
#include "ike/ike_vid.h"

static void read_sa(struct slice body)
{
	struct ike_offers offers;
	struct ike_sa1 phase1;
	struct ike_sa2 phase2;
	uint32_t life;

	if (!ike_offers_parse(body, &offers))
		return;
	fuzz_require(offers.n <= IKE_OFFERS_MAX);
	for (size_t i = 0; i < offers.n; i++) {
		(void)ike_sa1_of(&offers.at[i], &phase1);
		(void)ike_sa2_of(&offers.at[i], &phase2);
		(void)ike_life_of(offers.at[i].attributes, i & 1, &life);
	}
}

static void read_payload(const struct ike_payload *p)
{
	struct ike_notify notify;
	struct ike_delete delete;
	struct ike_id id;

	if (p->type == IKE_SA)
		read_sa(p->body);
	if (ike_notify_parse(p->body, &notify))
		(void)ike_notify_name(notify.type);
	if (ike_delete_parse(p->body, &delete))
		fuzz_require(delete.spis.n == (size_t) delete.spi_len * delete.count);
	if (ike_id_parse(p->body, &id))
		(void)ike_id_ip(&id);
	fuzz_require(ike_vid_of(p->body) <= VIDS);
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct ike_hdr hdr;
	struct ike_payloads payloads;

	(void)env;
	if (!ike_hdr_parse(input, &hdr))
		return;
	struct rd r = rd_of(input);
	rd_skip(&r, IKE_HDR);
	if (!ike_payloads_parse(hdr.first, rd_rest(&r), &payloads))
		return;
	fuzz_require(payloads.n && payloads.n <= IKE_PAYLOADS_MAX);
	for (unsigned kind = 0; kind < IKE_MESSAGES; kind++) {
		(void)ike_hdr_is(&hdr, (enum ike_message)kind);
		(void)ike_payloads_are(&payloads, (enum ike_message)kind);
	}
	for (size_t i = 0; i < payloads.n; i++)
		read_payload(&payloads.at[i]);
}

/* NAT traversal: who stands behind NAT, original addresses, markers, keepalives.
 * RFC 3947; RFC 3948, 2 and 4. */
#include "ike/ike_rooms.h"

#include <string.h>

enum { MARKER = 4, KEEPALIVE_EVERY = 20000 };

static const uint8_t keepalive_octet[] = {0xff};

static bool is_keepalive(const struct pkt *p)
{
	return slice_equal(pkt_slice(p), slice(keepalive_octet, sizeof(keepalive_octet)));
}

/* In the order of our liking. SoftEther ignores a message 1 without one of them. */
static const enum ike_vid natt_vids[] = {VID_NATT_RFC, VID_NATT_03, VID_NATT_02N, VID_NATT_02};

bool ike_natt_forced(const struct ike *ike)
{
	return ike->conf->encap == IKE_ENCAP_FORCE || !ike->conf->raw_esp;
}

/* With encapsulation off we do not mention NAT traversal, so nobody expects it of us. */
static bool speaks_natt(const struct ike *ike)
{
	return ike->conf->encap != IKE_ENCAP_OFF || ike_natt_forced(ike);
}

void ike_natt_put_vids(struct ike *ike, struct ike_build *b)
{
	for (size_t i = 0; speaks_natt(ike) && i < sizeof(natt_vids) / sizeof(natt_vids[0]); i++)
		ike_put(b, IKE_VID, ike_vid_octets(natt_vids[i]));
	ike_put(b, IKE_VID, ike_vid_octets(VID_DPD));
}

void ike_natt_take_vids(struct ike *ike, struct phase1 *sa, const struct ike_payloads *p)
{
	const uint32_t drafts = 1u << VID_NATT_03 | 1u << VID_NATT_02N | 1u << VID_NATT_02;

	for (size_t i = 0; i < p->n; i++) {
		enum ike_vid vid = p->at[i].type == IKE_VID ? ike_vid_of(p->at[i].body) : VIDS;

		if (vid != VIDS)
			sa->vids |= 1u << vid;
	}
	/* Some servers send more of them later, but the numbers of NAT-D are settled by message 2. */
	if (sa->awaits > 2 /* check: natt-settled */ || !speaks_natt(ike))
		return;
	if (sa->vids & 1u << VID_NATT_RFC)
		sa->natt = NATT_RFC;
	else if (sa->vids & drafts)
		sa->natt = NATT_DRAFT;
}

static bool nat_d(struct ike *ike, const struct phase1 *sa, const struct addr *a, uint8_t *to)
{
	return ike_nat_d(ike->env->crypto, sa->suite.hash, slice(sa->cookie_i, IKE_COOKIE),
		slice(sa->cookie_r, IKE_COOKIE), a, to);
}

/* First the destination as we see it, then ourselves: with a hash that can match nothing when
 * encapsulation is forced, so that the peer finds us behind NAT. RFC 3947, 3.2. */
bool ike_natt_put_nat_d(struct ike *ike, const struct phase1 *sa, struct ike_build *b)
{
	uint8_t type = sa->natt == NATT_RFC ? IKE_NATD : IKE_NATD_DRAFT;
	size_t len = hash_len(sa->suite.hash);
	uint8_t hash[HASH_MAX] = {0};

	if (sa->natt == NATT_NONE)
		return true;
	if (!nat_d(ike, sa, &ike->conf->remote[sa->lane], hash))
		return false;
	ike_put(b, type, slice(hash, len));
	if (ike_natt_forced(ike))
		env_random(ike->env, hash, len);
	else if (!nat_d(ike, sa, &ike->conf->local[sa->lane], hash))
		return false;
	ike_put(b, type, slice(hash, len));
	return true;
}

bool ike_natt_take_nat_d(struct ike *ike, struct phase1 *sa, const struct ike_payloads *p)
{
	uint8_t type = sa->natt == NATT_RFC ? IKE_NATD : IKE_NATD_DRAFT;
	uint8_t ours[HASH_MAX] = {0}, theirs[HASH_MAX] = {0};
	size_t len = hash_len(sa->suite.hash);
	const struct ike_payload *source;

	if (!nat_d(ike, sa, &ike->conf->local[sa->lane], ours) ||
		!nat_d(ike, sa, &ike->conf->remote[sa->lane], theirs))
		return false;
	const struct ike_payload *first = ike_payload_find(p, type, 0);
	if (sa->natt == NATT_NONE || !first) {
		sa->natt = NATT_NONE;
		return true;
	}
	sa->we_natted = !slice_equal(first->body, slice(ours, len));
	sa->peer_natted = true;
	for (size_t i = 1; (source = ike_payload_find(p, type, i)); i++)
		if (slice_equal(source->body, slice(theirs, len)))
			sa->peer_natted = false;
	return true;
}

bool ike_natt_encapsulates(const struct ike *ike, const struct phase1 *sa)
{
	return sa->natt != NATT_NONE && (sa->we_natted || sa->peer_natted || ike_natt_forced(ike));
}

uint16_t ike_natt_mode(const struct ike *ike, const struct phase1 *sa)
{
	if (!ike_natt_encapsulates(ike, sa))
		return IKE_MODE_TRANSPORT;
	return sa->natt == NATT_RFC ? IKE_MODE_UDP_TRANSPORT : IKE_MODE_UDP_TRANSPORT_DRAFT;
}

static void put_oa(struct ike_build *b, uint8_t type, const struct ip *ip)
{
	size_t mark = ike_payload_open(b, type);

	wr_u8(&b->w, ip->family == FAMILY_IPV6 ? IKE_ID_IPV6 : IKE_ID_IPV4);
	wr_zero(&b->w, 3);
	wr_put(&b->w, ip_slice(ip));
	ike_payload_close(b, mark);
}

/* RFC 3947, 5.2: the quick mode initiator's address, then the responder's, both as we know them.
 * The drafts: the sender's own. */
void ike_natt_put_oa(const struct ike *ike, const struct quick *q, struct ike_build *b)
{
	const struct ip *local = &ike->conf->local[q->sa->lane].ip;
	const struct ip *remote = &ike->conf->remote[q->sa->lane].ip;

	if (!ike_natt_encapsulates(ike, q->sa))
		return;
	if (q->sa->natt == NATT_DRAFT) {
		put_oa(b, IKE_NATOA_DRAFT, local);
		return;
	}
	put_oa(b, IKE_NATOA, q->initiator ? local : remote);
	put_oa(b, IKE_NATOA, q->initiator ? remote : local);
}

/* ---- keepalives ---- */

msec ike_natt_deadline(const struct ike *ike)
{
	const struct phase1 *sa = ike_newest(ike);

	if (!sa || sa->lane != LANE_NATT || !sa->we_natted)
		return MSEC_NEVER;
	return ike->spoke_at + KEEPALIVE_EVERY;
}

void ike_natt_tick(struct ike *ike, msec now, struct io *out)
{
	if (now >= ike_natt_deadline(ike))
		ike_transmit(
			ike, LANE_NATT, slice(keepalive_octet, sizeof(keepalive_octet)), now, out);
}

/* ---- UDP 4500 ---- */

enum natt_kind natt_classify(struct pkt *p)
{
	static const uint8_t marker[MARKER] = {0};

	if (is_keepalive(p))
		return NATT_KEEPALIVE;
	if (p->len <= MARKER) /* check: natt-length */
		return NATT_JUNK;
	if (memcmp(p->data, marker, MARKER) != 0)
		return NATT_ESP;
	return pkt_pull(p, MARKER) ? NATT_IKE : NATT_JUNK;
}

bool natt_mark(struct pkt *p)
{
	if (is_keepalive(p))
		return true;
	uint8_t *at = pkt_push(p, MARKER);

	if (at)
		memset(at, 0, MARKER);
	return at;
}

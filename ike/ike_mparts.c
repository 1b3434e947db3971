/* The script of main mode: for each of its six messages the parts that write it and the parts that
 * read it, in both roles. RFC 2409, 5 and 5.4; RFC 2407, 4.6.2; RFC 3947, 3. Odd messages come from
 * the initiator, even ones from the responder. */
#include "ike/ike_rooms.h"

#include <string.h>

enum { BODY_ROOM = 4096, NONCE_LEN = 32, PARTS = 4 };

static const struct verdict fine = {REASON_NONE, NULL};
static const struct verdict no_memory = {REASON_LOCAL_NO_MEMORY, "main mode"};
static const struct verdict no_crypto = {REASON_LOCAL_CRYPTO, "main mode"};

static struct verdict bad(const char *why)
{
	return (struct verdict){REASON_IKE_FAIL, why};
}

static struct secret *own(struct phase1 *sa, struct secret *i, struct secret *r)
{
	return sa->initiator ? i : r;
}

/* ---- SA and vendor IDs ---- */

static bool put_sa_offer(struct ike *ike, struct phase1 *sa, struct ike_build *b)
{
	const struct ike_proposals *p = &ike->conf->proposals;
	uint8_t body[BODY_ROOM];
	struct wr w = wr_of(body, sizeof(body));

	ike_sa1_put(&w, p->ike, p->n_ike, ike->conf->ike_life_s);
	if (!secret_set(&sa->sa_i, wr_slice(&w)))
		return false;
	ike_put(b, IKE_SA, secret_slice(&sa->sa_i));
	return true;
}

static bool put_sa_answer(struct ike *ike, struct phase1 *sa, struct ike_build *b)
{
	(void)ike;
	ike_put(b, IKE_SA, secret_slice(&sa->sa_r));
	return true;
}

static bool put_vids(struct ike *ike, struct phase1 *sa, struct ike_build *b)
{
	(void)sa;
	ike_natt_put_vids(ike, b);
	return true;
}

static bool is_ours(const struct ike *ike, const struct ike_sa1 *v)
{
	const struct ike_proposals *p = &ike->conf->proposals;

	for (size_t i = 0; i < p->n_ike; i++)
		if (v->auth == IKE_AUTH_PSK /* check: suite-psk */ &&
			ike_suite_same(&v->suite, &p->ike[i]))
			return true;
	return false;
}

/* The answer is one transform, equal by value to one that we offered. */
static struct verdict take_sa_answer(
	struct ike *ike, struct phase1 *sa, const struct ike_payloads *p)
{
	struct ike_offers offers;
	struct ike_sa1 v;

	if (!ike_offers_parse(ike_payload_body(p, IKE_SA), &offers) ||
		offers.n != 1 /* check: answer-one-transform */)
		return bad("answered with a malformed SA");
	if (!ike_sa1_of(&offers.at[0], &v) || !is_ours(ike, &v))
		return bad("chose a suite that we did not offer");
	sa->suite = v.suite;
	sa->life_s = ike_life(ike->conf->ike_life_s, v.life_s ? v.life_s : ike->conf->ike_life_s);
	return fine;
}

/* The peer's first transform that is one of ours; its offer is kept whole for the HASHes. */
static struct verdict take_sa_offer(
	struct ike *ike, struct phase1 *sa, const struct ike_payloads *p)
{
	struct slice body = ike_payload_body(p, IKE_SA);
	struct ike_offers offers;
	struct ike_sa1 v;
	size_t i = 0;

	if (!ike_offers_parse(body, &offers))
		return bad("offered a malformed SA");
	while (i < offers.n && !(ike_sa1_of(&offers.at[i], &v) && is_ours(ike, &v)))
		i++;
	if (i == offers.n)
		return bad("offered no suite of ours");

	uint8_t answer[512];
	struct wr w = wr_of(answer, sizeof(answer));
	ike_accept_put(&w, &offers.at[i], slice(NULL, 0));
	sa->suite = v.suite;
	sa->life_s = ike_life(ike->conf->ike_life_s, v.life_s ? v.life_s : ike->conf->ike_life_s);
	if (w.bad) /* check: offer-attributes-room */
		return bad("offered a suite of ours with too many attributes");
	if (!secret_set(&sa->sa_i, body) || !secret_set(&sa->sa_r, wr_slice(&w)))
		return no_memory;
	return fine;
}

static struct verdict take_vids(struct ike *ike, struct phase1 *sa, const struct ike_payloads *p)
{
	ike_natt_take_vids(ike, sa, p);
	return fine;
}

/* ---- key exchange ---- */

static bool put_ke(struct ike *ike, struct phase1 *sa, struct ike_build *b)
{
	struct secret *public_own = own(sa, &sa->public_i, &sa->public_r);

	dh_free(sa->dh);
	sa->dh = ike_branch_dh(ike, sa);
	if (!sa->dh)
		sa->dh = dh_new(ike->env, sa->suite.group);
	if (!sa->dh || !secret_set(public_own, dh_public(sa->dh)))
		return false;
	ike_put(b, IKE_KE, secret_slice(public_own));
	return true;
}

static bool put_nonce(struct ike *ike, struct phase1 *sa, struct ike_build *b)
{
	struct secret *nonce = own(sa, &sa->nonce_i, &sa->nonce_r);
	uint8_t fresh[NONCE_LEN];

	env_random(ike->env, fresh, sizeof(fresh));
	struct slice ours = ike_branch_nonce(ike, sa);
	if (!secret_set(nonce, ours.n ? ours : slice(fresh, sizeof(fresh))))
		return false;
	ike_put(b, IKE_NONCE, secret_slice(nonce));
	return true;
}

static bool put_nat_d(struct ike *ike, struct phase1 *sa, struct ike_build *b)
{
	return ike_natt_put_nat_d(ike, sa, b);
}

static struct verdict take_ke(struct ike *ike, struct phase1 *sa, const struct ike_payloads *p)
{
	struct slice ke = ike_payload_body(p, IKE_KE);
	uint8_t padded[DH_PUBLIC_MAX];

	(void)ike;
	if (!dh_public_pad(sa->suite.group, ke, padded))
		return bad("sent a Diffie-Hellman value of another length than its group's");
	if (slice_equal(slice(padded, dh_public_len(sa->suite.group)),
		    secret_slice(own(sa, &sa->public_i, &sa->public_r)))) /* check: ke-reflected */
		return bad("sent our own Diffie-Hellman value back");
	return secret_set(own(sa, &sa->public_r, &sa->public_i), ke) ? fine : no_memory;
}

static struct verdict take_nonce(struct ike *ike, struct phase1 *sa, const struct ike_payloads *p)
{
	struct slice nonce = ike_payload_body(p, IKE_NONCE);

	(void)ike;
	if (nonce.n < IKE_NONCE_MIN /* check: nonce-short */ ||
		nonce.n > IKE_NONCE_MAX /* check: nonce-long */)
		return bad("sent a nonce that is too short or too long");
	if (slice_equal(nonce,
		    secret_slice(own(sa, &sa->nonce_i, &sa->nonce_r)))) /* check: nonce-reflected */
		return bad("sent our own nonce back");
	return secret_set(own(sa, &sa->nonce_r, &sa->nonce_i), nonce) ? fine : no_memory;
}

static struct verdict take_nat_d(struct ike *ike, struct phase1 *sa, const struct ike_payloads *p)
{
	ike_natt_take_vids(ike, sa, p);
	return ike_natt_take_nat_d(ike, sa, p) ? fine : no_crypto;
}

/* Messages 3 and 4 are known: everything that comes of them. */
struct verdict ike_main_derive(struct ike *ike, struct phase1 *sa)
{
	struct crypto *c = ike->env->crypto;
	uint8_t gxy[DH_SECRET_MAX], padded[DH_PUBLIC_MAX];
	struct slice peer = secret_slice(own(sa, &sa->public_r, &sa->public_i));
	size_t n = dh_public_len(sa->suite.group);

	/* The hashes below take the value as it was sent. */
	if (!dh_public_pad(sa->suite.group, peer, padded) ||
		!dh_agree(sa->dh, slice(padded, n), gxy) /* check: main-dh-allowed */)
		return bad("sent a Diffie-Hellman value that is not allowed");
	bool ok = ike_keys_psk(c, &sa->suite, ike->conf->psk, secret_slice(&sa->nonce_i),
			  secret_slice(&sa->nonce_r), &sa->keys) &&
		  ike_keys_derive(c, &sa->keys, slice(gxy, dh_secret_len(sa->suite.group)),
			  slice(sa->cookie_i, IKE_COOKIE), slice(sa->cookie_r, IKE_COOKIE)) &&
		  ike_iv_phase1(c, sa->suite.hash, secret_slice(&sa->public_i),
			  secret_slice(&sa->public_r), sa->iv);

	wipe(gxy, sizeof(gxy)); /* check: main-secret-wipe */
	return ok ? fine : no_crypto;
}

/* ---- identity and proof ---- */

static bool put_proof(struct ike *ike, struct phase1 *sa, struct ike_build *b)
{
	uint8_t id[IKE_NONCE_MAX + IKE_PAYLOAD_HDR], hash[HASH_MAX];
	struct slice body = ike_auth_own_id(ike, sa, id, sizeof(id));

	if (!body.n || !ike_auth_hash(ike, sa, sa->initiator, body, hash))
		return false;
	ike_put(b, IKE_ID, body);
	ike_put(b, IKE_HASH, slice(hash, hash_len(sa->suite.hash)));
	return true;
}

/* Only the first time: on a renewal it would make the peer forget our pairs. */
static bool put_contact(struct ike *ike, struct phase1 *sa, struct ike_build *b)
{
	uint8_t cookies[2 * IKE_COOKIE];

	if (!ike->conf->initial_contact || ike->was_up /* check: contact-first-only */ ||
		ike_branch_elsewhere(ike, sa) /* check: contact-one-cookie */)
		return true;
	memcpy(cookies, sa->cookie_i, IKE_COOKIE);
	memcpy(cookies + IKE_COOKIE, sa->cookie_r, IKE_COOKIE);
	ike_put_notify(b, IKE_PROTO_ISAKMP, IKE_INITIAL_CONTACT, slice(cookies, sizeof(cookies)),
		slice(NULL, 0));
	return true;
}

static struct verdict take_proof(struct ike *ike, struct phase1 *sa, const struct ike_payloads *p)
{
	struct slice id = ike_payload_body(p, IKE_ID);
	uint8_t hash[HASH_MAX];

	if (!ike_auth_hash(ike, sa, !sa->initiator, id, hash))
		return no_crypto;
	if (!secret_equal(slice(hash, hash_len(sa->suite.hash)),
		    ike_payload_body(p, IKE_HASH))) /* check: main-hash */
		return (struct verdict){REASON_IKE_PEER_AUTH, "sent a wrong HASH"};
	ike_auth_id_text(id, sa->peer_id);
	return fine;
}

/* RESPONDER-LIFETIME may stand in message 6; RFC 2407, 4.6.3.1. */
static struct verdict take_lifetime(
	struct ike *ike, struct phase1 *sa, const struct ike_payloads *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct ike_notify n;
		uint32_t life_s;

		if (p->at[i].type != IKE_N || !ike_notify_parse(p->at[i].body, &n))
			continue;
		if (n.type == IKE_RESPONDER_LIFETIME && ike_life_of(n.data, true, &life_s) &&
			life_s)
			sa->life_s = ike_life(sa->life_s, life_s);
	}
	(void)ike;
	return fine;
}

/* ---- the script ---- */

/* clang-format off */
static const struct {
	enum ike_message kind;
	const char *step;
	bool (*put[PARTS])(struct ike *, struct phase1 *, struct ike_build *);
	struct verdict (*take[PARTS])(struct ike *, struct phase1 *, const struct ike_payloads *);
} script[] = {
	[1] = {IKE_MM1, "main mode 1", {put_sa_offer, put_vids}, {take_sa_offer, take_vids}},
	[2] = {IKE_MM2, "main mode 2", {put_sa_answer, put_vids}, {take_sa_answer, take_vids}},
	[3] = {IKE_MM3, "main mode 3", {put_ke, put_nonce, put_nat_d}, {take_ke, take_nonce, take_nat_d}},
	[4] = {IKE_MM4, "main mode 4", {put_ke, put_nonce, put_nat_d}, {take_ke, take_nonce, take_nat_d}},
	[5] = {IKE_MM5, "main mode 5", {put_proof, put_contact}, {take_proof}},
	[6] = {IKE_MM6, "main mode 6", {put_proof}, {take_proof, take_lifetime}},
};
/* clang-format on */

enum ike_message ike_main_kind(unsigned number)
{
	return script[number].kind;
}

const char *ike_main_step(unsigned number)
{
	return script[number].step;
}

bool ike_main_put(struct ike *ike, struct phase1 *sa, unsigned number, struct ike_build *b)
{
	for (size_t i = 0; i < PARTS && script[number].put[i]; i++)
		if (!script[number].put[i](ike, sa, b))
			return false;
	return true;
}

struct verdict ike_main_take(
	struct ike *ike, struct phase1 *sa, unsigned number, const struct ike_payloads *p)
{
	struct verdict v = fine;

	for (size_t i = 0; i < PARTS && script[number].take[i] && v.id == REASON_NONE; i++)
		v = script[number].take[i](ike, sa, p);
	return v;
}

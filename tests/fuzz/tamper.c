#include "tests/fuzz/tamper.h"

#include "esp/esp.h"
#include "ike/ike_keys.h"
#include "ike/ike_msg.h"

enum { FIRST_AT = 16 };

/* The HASH that the gateway has just made, and all it takes to make it again. */
enum promise_kind { PROMISE_NONE, PROMISE_AUTH, PROMISE_HASH1, PROMISE_HASH2 };
struct promise {
	enum promise_kind kind;
	uint32_t id;
	uint8_t ni[IKE_NONCE_MAX];
	size_t ni_len;
	struct ike_proof proof;
};

static struct {
	const struct env *env;
	bool servers_turn;
	struct tamper tamper;
	struct promise promise;
	struct tamper_proofs proofs;
} hand;

void tamper_reset(const struct env *env)
{
	hand.env = env;
	hand.servers_turn = false;
	hand.proofs = (struct tamper_proofs){0};
}

void tamper_begin(const struct tamper *t)
{
	hand.servers_turn = true;
	hand.tamper = t ? *t : (struct tamper){.how = TAMPER_NOTHING};
	hand.promise.kind = PROMISE_NONE;
}

void tamper_end(void)
{
	hand.servers_turn = false;
}

struct tamper_proofs tamper_proofs(void)
{
	return hand.proofs;
}

/* ---- IKE ---- */

bool __real_ike_hash_auth(
	struct crypto *c, const struct ike_keys *k, const struct ike_proof *p, uint8_t *to);
bool __real_ike_hash1(
	struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice rest, uint8_t *to);
bool __real_ike_hash2(struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice ni,
	struct slice rest, uint8_t *to);
bool __real_ike_hash3(struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice ni,
	struct slice nr, uint8_t *to);
bool __real_ike_seal(struct crypto *c, const struct ike_keys *k, uint8_t *iv, uint8_t *message,
	size_t *n, size_t room);
bool __wrap_ike_hash_auth(
	struct crypto *c, const struct ike_keys *k, const struct ike_proof *p, uint8_t *to);
bool __wrap_ike_hash1(
	struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice rest, uint8_t *to);
bool __wrap_ike_hash2(struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice ni,
	struct slice rest, uint8_t *to);
bool __wrap_ike_hash3(struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice ni,
	struct slice nr, uint8_t *to);
bool __wrap_ike_seal(struct crypto *c, const struct ike_keys *k, uint8_t *iv, uint8_t *message,
	size_t *n, size_t room);

/* The last HASH before a message is sealed is that message's: others were checks of what came. */
bool __wrap_ike_hash_auth(
	struct crypto *c, const struct ike_keys *k, const struct ike_proof *p, uint8_t *to)
{
	if (hand.servers_turn)
		hand.promise = (struct promise){.kind = PROMISE_AUTH, .proof = *p};
	return __real_ike_hash_auth(c, k, p, to);
}

bool __wrap_ike_hash1(
	struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice rest, uint8_t *to)
{
	if (hand.servers_turn)
		hand.promise = (struct promise){.kind = PROMISE_HASH1, .id = id};
	return __real_ike_hash1(c, k, id, rest, to);
}

bool __wrap_ike_hash2(struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice ni,
	struct slice rest, uint8_t *to)
{
	if (hand.servers_turn) {
		hand.promise = (struct promise){.kind = PROMISE_HASH2, .id = id, .ni_len = ni.n};
		fuzz_require(ni.n <= sizeof(hand.promise.ni));
		if (ni.n)
			memcpy(hand.promise.ni, ni.p, ni.n);
	}
	return __real_ike_hash2(c, k, id, ni, rest, to);
}

bool __wrap_ike_hash3(struct crypto *c, const struct ike_keys *k, uint32_t id, struct slice ni,
	struct slice nr, uint8_t *to)
{
	if (hand.servers_turn)
		hand.promise.kind = PROMISE_NONE; /* it covers nothing of its message */
	return __real_ike_hash3(c, k, id, ni, nr, to);
}

static bool make_hash(
	struct crypto *c, const struct ike_keys *k, const struct ike_payloads *p, uint8_t *to)
{
	struct promise *made = &hand.promise;

	switch (made->kind) {
	case PROMISE_AUTH:
		made->proof.id_own = ike_payload_body(p, IKE_ID);
		return __real_ike_hash_auth(c, k, &made->proof, to);
	case PROMISE_HASH1:
		return __real_ike_hash1(c, k, made->id, p->rest, to);
	case PROMISE_HASH2:
		return __real_ike_hash2(c, k, made->id, slice(made->ni, made->ni_len), p->rest, to);
	case PROMISE_NONE:
		break;
	}
	return false;
}

/* Is the HASH of the clear message right? With `mend` it is made so, if it has a place. */
static bool hash_is_right(
	struct crypto *c, const struct ike_keys *k, uint8_t *message, size_t n, bool mend)
{
	struct ike_payloads p;
	uint8_t want[HASH_MAX];
	size_t len = hash_len(k->hash);

	if (!ike_payloads_parse(message[FIRST_AT], slice(message + IKE_HDR, n - IKE_HDR), &p))
		return false;
	struct slice hash = ike_payload_body(&p, IKE_HASH);
	if (hash.n != len || !make_hash(c, k, &p, want))
		return false;
	if (mend)
		memcpy(message + (hash.p - message), want, len);
	return memcmp(hash.p, want, len) == 0;
}

bool __wrap_ike_seal(struct crypto *c, const struct ike_keys *k, uint8_t *iv, uint8_t *message,
	size_t *n, size_t room)
{
	struct tamper t = hand.tamper;

	if (!hand.servers_turn)
		return __real_ike_seal(c, k, iv, message, n, room);
	hand.tamper.how = TAMPER_NOTHING;
	if (t.how == TAMPER_REPLACE && t.octets.n) {
		message[FIRST_AT] = t.octets.p[0];
		t.octets = slice(t.octets.p + 1, t.octets.n - 1);
	}
	if (t.how != TAMPER_NOTHING)
		*n = IKE_HDR + tamper_change(&t, message + IKE_HDR, *n - IKE_HDR,
				       room - IKE_HDR - IKE_BLOCK_MAX);
	bool right = hash_is_right(c, k, message, *n, t.how != TAMPER_NOTHING && t.mend);
	hand.proofs.auth += right && hand.promise.kind == PROMISE_AUTH;
	hand.proofs.quick += right && hand.promise.kind != PROMISE_AUTH;
	return __real_ike_seal(c, k, iv, message, n, room);
}

/* ---- ESP ---- */

void __real_esp_send(struct esp *esp, struct pktq *in, msec now, struct io *out);
void __wrap_esp_send(struct esp *esp, struct pktq *in, msec now, struct io *out);

void __wrap_esp_send(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	if (hand.servers_turn && hand.tamper.how != TAMPER_NOTHING && in->head) {
		struct pktq others = {0};

		pktq_put(&others, tamper_pkt(hand.env, &hand.tamper, pktq_take(in)));
		hand.tamper.how = TAMPER_NOTHING;
		pktq_join(&others, in);
		*in = others;
	}
	__real_esp_send(esp, in, now, out);
}

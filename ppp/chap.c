/* CHAP's messages, with MD5 (RFC 1994) and as MS-CHAPv2 (RFC 2759).
 *
 * A response is made once for each challenge and never repeated by a timer: servers count tries and
 * lock accounts. The same challenge gets the same octets again; so does a server that goes on to the
 * network phase while we still wait for its verdict, for it must repeat that: RFC 1994, 4.2. */
#include <string.h>

#include "base/crypto.h"
#include "base/str.h"
#include "ppp/ppp_priv.h"

enum {
	FAILURE_MAX = 512, /* octets of a Failure that we read */
	E_AUTHENTICATION_FAILURE = 691,
};

static const uint8_t md5_option[] = {0xc2, 0x23, 0x05};
static const uint8_t mschapv2_option[] = {0xc2, 0x23, 0x81};

static struct slice challenge(const struct chap *c)
{
	return slice(c->challenge, c->challenge_len);
}

/* ---- responses: false when the link has failed over it ---- */

static bool md5_value(struct ppp *p, struct wr *w)
{
	struct chap *c = &p->auth.chap;
	const struct slice parts[] = {slice(&c->id, 1), auth_password(p), challenge(c)};
	uint8_t digest[HASH_MAX];

	if (!crypto_hash(p->env->crypto, HASH_MD5, parts, 3, digest)) {
		ppp_fail(p, REASON_LOCAL_CRYPTO, "CHAP needs MD5, which OpenSSL does not give");
		return false;
	}
	wr_u8(w, 16);
	wr_put(w, slice(digest, 16));
	return true;
}

/* The hash of the password; MD4 and DES come from a part of OpenSSL that may be missing. */
static bool hash_password(struct ppp *p, uint8_t hash[NT_HASH])
{
	if (!crypto_has_hash(p->env->crypto, HASH_MD4)) {
		ppp_fail(p, REASON_LOCAL_CRYPTO, "MS-CHAPv2 needs OpenSSL's legacy provider: MD4");
		return false;
	}
	if (!mschap_password_fits(auth_password(p))) {
		ppp_fail(p, REASON_CONFIG, "the password is not UTF-8 or too long for MS-CHAPv2");
		return false;
	}
	if (!nt_hash(p->env->crypto, auth_password(p), hash)) {
		ppp_fail(p, REASON_LOCAL_CRYPTO, "MD4 for MS-CHAPv2");
		return false;
	}
	return true;
}

static bool compute_mschapv2(struct ppp *p, const uint8_t hash[NT_HASH],
	const uint8_t peer[MSCHAPV2_CHALLENGE], uint8_t response[MSCHAP_RESPONSE])
{
	struct crypto *crypto = p->env->crypto;
	struct chap *c = &p->auth.chap;
	uint8_t both[MSCHAP_CHALLENGE];

	return mschapv2_challenge_hash(crypto, peer, c->challenge, p->conf.user, both) &&
	       mschap_response(crypto, both, hash, response) &&
	       mschapv2_proof(crypto, hash, response, both, c->proof);
}

static bool mschapv2_value(struct ppp *p, struct wr *w)
{
	uint8_t peer[MSCHAPV2_CHALLENGE], hash[NT_HASH], response[MSCHAP_RESPONSE];

	if (!hash_password(p, hash))
		return false;
	env_random(p->env, peer, sizeof(peer));
	bool ok = compute_mschapv2(p, hash, peer, response);
	wipe(hash, sizeof(hash)); /* check: nt-hash-wipe */
	if (!ok) {
		ppp_fail(p, REASON_LOCAL_CRYPTO, "MS-CHAPv2 needs OpenSSL's legacy provider: DES");
		return false;
	}
	wr_u8(w, MSCHAPV2_VALUE);
	wr_put(w, slice(peer, sizeof(peer)));
	wr_zero(w, 8);
	wr_put(w, slice(response, sizeof(response)));
	wr_u8(w, 0); /* flags */
	return true;
}

static void send_response(struct ppp *p)
{
	struct chap *c = &p->auth.chap;

	ppp_send_packet(p, PPP_CHAP, CHAP_RESPONSE, c->id, slice(c->response, c->response_len));
}

static void respond(struct ppp *p)
{
	struct chap *c = &p->auth.chap;
	struct wr w = wr_of(c->response, sizeof(c->response));

	if (!c->challenged || c->responded)
		return;
	if (!(p->auth.method == &auth_mschapv2 ? mschapv2_value(p, &w) : md5_value(p, &w)))
		return;
	wr_put(&w, p->conf.user);
	if (w.bad) {
		ppp_fail(p, REASON_CONFIG, "the user name is longer than 255 octets");
		return;
	}
	c->response_len = wr_len(&w);
	c->responded = true;
	c->awaiting = true;
	send_response(p);
}

/* ---- what the server says ---- */

static void new_challenge(struct ppp *p, uint8_t id, struct slice value)
{
	struct chap *c = &p->auth.chap;

	wipe(c, sizeof(*c));
	c->id = id;
	memcpy(c->challenge, value.p, value.n);
	c->challenge_len = value.n;
	c->challenged = true;
	if (!p->auth.asking)
		respond(p);
}

static void recv_challenge(struct ppp *p, const struct ppp_packet *packet)
{
	struct chap *c = &p->auth.chap;
	struct rd r = rd_of(packet->data);
	struct slice value = rd_take(&r, rd_u8(&r));
	bool fits = p->auth.method == &auth_mschapv2 ? value.n == MSCHAPV2_CHALLENGE : value.n > 0;

	if (r.bad || !fits /* check: chap-challenge-length */) {
		p->bad++;
		return;
	}
	if (!c->challenged || c->id != packet->id || !slice_equal(challenge(c), value))
		new_challenge(p, packet->id, value);
	else if (c->responded)
		send_response(p);
}

static void repeat_response(struct ppp *p)
{
	if (p->auth.chap.awaiting /* check: chap-repeat-awaited */)
		send_response(p);
}

/* The rest behind "M=" in a Success or Failure; empty when there is none. Only behind a blank: an
 * S= or C= value holds no other. */
static struct slice text_of(struct slice message)
{
	struct rd r = rd_of(message);

	for (uint8_t before = ' '; rd_left(&r) >= 2; before = rd_u8(&r)) {
		struct rd ahead = r;

		if (before == ' ' && slice_equal(rd_take(&ahead, 2), slice_str("M=")))
			return rd_rest(&ahead);
	}
	return slice(NULL, 0);
}

/* RFC 2759, 5: with a group's pre-shared key this is the only proof of who the server is. */
static void recv_mschapv2_success(struct ppp *p, struct slice message)
{
	struct rd r = rd_of(message);
	struct slice proof = rd_take(&r, MSCHAPV2_PROOF);

	if (r.bad || !slice_equal(slice(proof.p, 2), slice_str("S=")))
		ppp_fail(p, REASON_PPP_MUTUAL_AUTH, "S= is missing in the server's Success");
	else if (!secret_equal(slice(p->auth.chap.proof, MSCHAPV2_PROOF),
			 proof)) /* check: mschapv2-proof */
		ppp_fail(p, REASON_PPP_MUTUAL_AUTH, "the server's S= is wrong");
	else
		auth_accepted(p, text_of(message));
}

struct failure {
	unsigned code; /* E= */
	bool retry;    /* R= */
	bool has_challenge;
	uint8_t challenge[MSCHAPV2_CHALLENGE]; /* C= */
};

/* The next blank-separated word; empty at the end. */
static struct slice next_word(struct rd *r)
{
	struct slice word = {.p = r->p, .n = 0};

	while (rd_left(r) && rd_u8(r) != ' ')
		word.n++;
	return word;
}

static unsigned decimal(struct slice digits)
{
	char text[11] = "";
	struct wr w = wr_of(text, sizeof(text) - 1);
	uint64_t value = 0;

	wr_put(&w, digits);
	return str_uint(text, 0, UINT16_MAX, &value) ? (unsigned)value : 0;
}

static bool hex_challenge(struct slice digits, uint8_t to[MSCHAPV2_CHALLENGE])
{
	char text[2 * MSCHAPV2_CHALLENGE + 1] = "";
	size_t len;

	if (digits.n != sizeof(text) - 1) /* check: failure-challenge-length */
		return false;
	memcpy(text, digits.p, digits.n);
	return str_unhex(text, to, MSCHAPV2_CHALLENGE, &len) && len == MSCHAPV2_CHALLENGE;
}

/* "E=691 R=1 C=<32 hex digits> V=3 M=text"; RFC 2759, 6. What is missing or malformed stays 0. */
static struct failure parse_failure(struct slice message)
{
	struct rd r = rd_of(message);
	struct failure f = {0};

	while (rd_left(&r)) {
		struct rd word = rd_of(next_word(&r));
		struct slice key = rd_take(&word, 2), value = rd_rest(&word);

		if (slice_equal(key, slice_str("E=")))
			f.code = decimal(value);
		else if (slice_equal(key, slice_str("R=")))
			f.retry = decimal(value) == 1;
		else if (slice_equal(key, slice_str("C=")))
			f.has_challenge = hex_challenge(value, f.challenge);
		else if (slice_equal(key, slice_str("M=")))
			break; /* the rest is text */
	}
	return f;
}

static enum reason_id reason_of(unsigned code)
{
	static const struct {
		unsigned code;
		enum reason_id id;
	} table[] = {
		{646, REASON_PPP_ACCOUNT_HOURS},
		{647, REASON_PPP_ACCOUNT_DISABLED},
		{648, REASON_PPP_PASSWORD_EXPIRED},
		{649, REASON_PPP_ACCOUNT_NO_DIALIN},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].code == code)
			return table[i].id;
	return REASON_PPP_AUTH_REFUSED;
}

static void recv_mschapv2_failure(struct ppp *p, uint8_t id, struct slice message)
{
	struct slice text = text_of(message);
	struct failure f = parse_failure(message);

	if (f.code != E_AUTHENTICATION_FAILURE /* check: failure-code */ ||
		!f.retry /* check: failure-retry */ ||
		p->auth.done /* check: failure-after-success */) {
		auth_refused(p, reason_of(f.code), f.code, text);
		return;
	}
	/* The next try answers C= under the next id, unless the server sends a Challenge. */
	wipe(&p->auth.chap, sizeof(p->auth.chap));
	if (auth_refused_retry(p, f.code, text) && f.has_challenge)
		new_challenge(p, (uint8_t)(id + 1), slice(f.challenge, sizeof(f.challenge)));
}

static void recv_verdict(struct ppp *p, const struct ppp_packet *packet)
{
	struct chap *c = &p->auth.chap;
	bool success = packet->code == CHAP_SUCCESS;

	if (!c->awaiting /* check: chap-verdict-awaited */ ||
		packet->id !=
			c->id /* check: chap-verdict-id */) /* a Success before our Response proves nothing */
		return;
	if (packet->code == CHAP_FAILURE &&
		packet->data.n > FAILURE_MAX) { /* check: failure-length */
		p->bad++;
		return;
	}
	c->awaiting = false;
	if (p->auth.method == &auth_mschapv2 && success)
		recv_mschapv2_success(p, packet->data);
	else if (p->auth.method == &auth_mschapv2)
		recv_mschapv2_failure(p, packet->id, packet->data);
	else if (success)
		auth_accepted(p, packet->data);
	else
		auth_refused(p, REASON_PPP_AUTH_REFUSED, 0, packet->data);
}

static void recv(struct ppp *p, struct slice info)
{
	struct ppp_packet packet;

	if (!ppp_packet_parse(info, &packet)) {
		p->bad++;
		return;
	}
	ppp_log_packet(p, "in", "chap", packet.code, packet.id, packet.data);
	if (packet.code == CHAP_CHALLENGE)
		recv_challenge(p, &packet);
	else if (packet.code == CHAP_SUCCESS || packet.code == CHAP_FAILURE)
		recv_verdict(p, &packet);
}

const struct auth_method auth_mschapv2 = {
	.name = "mschapv2",
	.bit = PPP_AUTH_MSCHAPV2,
	.option = {mschapv2_option, sizeof(mschapv2_option)},
	.protocol = PPP_CHAP,
	.ready = respond,
	.recv = recv,
	.verdict_lost = repeat_response,
};

const struct auth_method auth_chap_md5 = {
	.name = "chap-md5",
	.bit = PPP_AUTH_CHAP_MD5,
	.option = {md5_option, sizeof(md5_option)},
	.protocol = PPP_CHAP,
	.ready = respond,
	.recv = recv,
	.verdict_lost = repeat_response,
};

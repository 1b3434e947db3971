#include "ppp/mschapv2.h"

#include <string.h>

#include "base/secret.h"

/* The next character of strict UTF-8 (RFC 3629): no overlong forms, no surrogates. */
static bool utf8_next(struct rd *r, uint32_t *character)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint8_t lead = rd_u8(r);
	unsigned more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
	uint32_t c = more ? lead & (0x3fu >> more) : lead;

	if ((lead >= 0x80 && lead < 0xc0) || lead >= 0xf8)
		return false;
	for (unsigned i = 0; i < more; i++) {
		uint8_t octet = rd_u8(r);

		r->bad |= (octet & 0xc0) != 0x80; /* check: utf8-continuation */
		c = c << 6 | (octet & 0x3f);
	}
	*character = c;
	return !r->bad && c >= least[more] /* check: utf8-shortest */ &&
	       c <= 0x10ffff /* check: utf8-last */ &&
	       (c < 0xd800 || c > 0xdfff) /* check: utf8-surrogate */;
}

static void put_u16le(struct wr *w, uint32_t v)
{
	wr_u8(w, (uint8_t)v);
	wr_u8(w, (uint8_t)(v >> 8));
}

static bool to_utf16le(struct slice utf8, struct wr *w)
{
	struct rd r = rd_of(utf8);
	uint32_t c;

	while (rd_left(&r)) {
		if (!utf8_next(&r, &c))
			return false;
		if (c < 0x10000) {
			put_u16le(w, c);
			continue;
		}
		put_u16le(w, 0xd800 + ((c - 0x10000) >> 10));
		put_u16le(w, 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
	return !w->bad /* check: password-room */;
}

bool mschap_password_fits(struct slice password)
{
	uint8_t octets[MSCHAP_PASSWORD];
	struct wr w = wr_of(octets, sizeof(octets));
	bool fits = to_utf16le(password, &w);

	wipe(octets, sizeof(octets));
	return fits;
}

bool nt_hash(struct crypto *c, struct slice password, uint8_t to[NT_HASH])
{
	uint8_t octets[MSCHAP_PASSWORD];
	struct wr w = wr_of(octets, sizeof(octets));
	bool ok = to_utf16le(password, &w);
	struct slice unicode = wr_slice(&w);

	ok = ok && crypto_hash(c, HASH_MD4, &unicode, 1, to);
	wipe(octets, sizeof(octets)); /* check: utf16-wipe */
	return ok;
}

void mschap_des_key(const uint8_t from[7], uint8_t to[8])
{
	uint64_t bits = 0;

	for (int i = 0; i < 7; i++)
		bits = bits << 8 | from[i];
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)((bits >> (49 - 7 * i) & 0x7f) << 1);
}

bool mschap_response(struct crypto *c, const uint8_t challenge[MSCHAP_CHALLENGE],
	const uint8_t hash[NT_HASH], uint8_t to[MSCHAP_RESPONSE])
{
	uint8_t padded[21] = {0}, key[8];
	bool ok = true;

	memcpy(padded, hash, NT_HASH);
	for (size_t i = 0; ok && i < 3; i++) {
		mschap_des_key(&padded[7 * i], key);
		ok = crypto_des(c, key, challenge, &to[8 * i]);
	}
	wipe(padded, sizeof(padded)); /* check: des-keys-wipe */
	wipe(key, sizeof(key));
	return ok;
}

static struct slice without_domain(struct slice user)
{
	struct rd r = rd_of(user);

	while (rd_left(&r))
		if (rd_u8(&r) == '\\')
			return rd_rest(&r);
	return user;
}

bool mschapv2_challenge_hash(struct crypto *c, const uint8_t peer[MSCHAPV2_CHALLENGE],
	const uint8_t authenticator[MSCHAPV2_CHALLENGE], struct slice user,
	uint8_t to[MSCHAP_CHALLENGE])
{
	const struct slice parts[] = {slice(peer, MSCHAPV2_CHALLENGE),
		slice(authenticator, MSCHAPV2_CHALLENGE), without_domain(user)};
	uint8_t digest[HASH_MAX];

	if (!crypto_hash(c, HASH_SHA1, parts, 3, digest))
		return false;
	memcpy(to, digest, MSCHAP_CHALLENGE);
	return true;
}

bool mschapv2_proof(struct crypto *c, const uint8_t hash[NT_HASH],
	const uint8_t response[MSCHAP_RESPONSE], const uint8_t challenge[MSCHAP_CHALLENGE],
	uint8_t to[MSCHAPV2_PROOF])
{
	static const char digits[] = "0123456789ABCDEF";
	uint8_t hash_hash[HASH_MAX], digest[HASH_MAX];
	const struct slice once[] = {slice(hash, NT_HASH)};
	const struct slice signing[] = {slice(hash_hash, NT_HASH), slice(response, MSCHAP_RESPONSE),
		slice_str("Magic server to client signing constant")};
	const struct slice padding[] = {slice(digest, 20), slice(challenge, MSCHAP_CHALLENGE),
		slice_str("Pad to make it do more than one iteration")};
	struct wr w = wr_of(to, MSCHAPV2_PROOF);
	bool ok = crypto_hash(c, HASH_MD4, once, 1, hash_hash) &&
		  crypto_hash(c, HASH_SHA1, signing, 3, digest) &&
		  crypto_hash(c, HASH_SHA1, padding, 3, digest);

	wipe(hash_hash, sizeof(hash_hash)); /* check: hash-hash-wipe */
	if (!ok)
		return false;
	wr_put(&w, slice_str("S="));
	for (size_t i = 0; i < 20; i++) {
		wr_u8(&w, (uint8_t)digits[digest[i] >> 4]);
		wr_u8(&w, (uint8_t)digits[digest[i] & 15]);
	}
	return true;
}

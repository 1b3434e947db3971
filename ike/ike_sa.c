#include "ike/ike_sa.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- the tiers ---- */

enum tier { TIER_MODERN, TIER_COMPATIBLE, TIER_LEGACY, TIERS };

static const char *const tier_names[TIERS] = {"modern", "compatible", "legacy"};

/* A tier offers its own rows and those of the tiers above it, in this order. MD5, DES and group 1
 * are in none: MD5 only for who types the suite, the others not at all. */
/* clang-format off */
static const struct {
	enum tier tier;
	struct ike_suite suite;
} ike_table[] = {
	{TIER_MODERN, {CBC_AES, 32, HASH_SHA256, DH_MODP2048}},
	{TIER_MODERN, {CBC_AES, 32, HASH_SHA512, DH_MODP2048}},
	{TIER_MODERN, {CBC_AES, 16, HASH_SHA256, DH_MODP2048}},
	{TIER_MODERN, {CBC_AES, 32, HASH_SHA1, DH_ECP384}},
	{TIER_MODERN, {CBC_AES, 16, HASH_SHA1, DH_ECP256}},
	{TIER_MODERN, {CBC_AES, 32, HASH_SHA256, DH_ECP256}},
	{TIER_MODERN, {CBC_AES, 32, HASH_SHA1, DH_MODP2048}},
	{TIER_MODERN, {CBC_AES, 16, HASH_SHA1, DH_MODP2048}},
	{TIER_COMPATIBLE, {CBC_AES, 32, HASH_SHA256, DH_MODP1536}},
	{TIER_COMPATIBLE, {CBC_AES, 32, HASH_SHA1, DH_MODP1536}},
	{TIER_COMPATIBLE, {CBC_3DES, 24, HASH_SHA1, DH_MODP2048}},
	{TIER_COMPATIBLE, {CBC_AES, 24, HASH_SHA1, DH_MODP2048}},
	{TIER_LEGACY, {CBC_AES, 32, HASH_SHA384, DH_MODP1024}},
	{TIER_LEGACY, {CBC_AES, 32, HASH_SHA256, DH_MODP1024}},
	{TIER_LEGACY, {CBC_AES, 32, HASH_SHA1, DH_MODP1024}},
	{TIER_LEGACY, {CBC_AES, 24, HASH_SHA1, DH_MODP1024}},
	{TIER_LEGACY, {CBC_AES, 16, HASH_SHA1, DH_MODP1024}},
	{TIER_LEGACY, {CBC_3DES, 24, HASH_SHA1, DH_MODP1024}},
};

static const struct {
	enum tier tier;
	struct esp_suite suite;
} esp_table[] = {
	{TIER_MODERN, {ESP_AES_GCM, 32, HASH_MD4, 16}},
	{TIER_MODERN, {ESP_AES_GCM, 16, HASH_MD4, 16}},
	{TIER_MODERN, {ESP_AES_CBC, 32, HASH_SHA256, 16}},
	{TIER_MODERN, {ESP_AES_CBC, 16, HASH_SHA256, 16}},
	{TIER_MODERN, {ESP_AES_CBC, 32, HASH_SHA1, 12}},
	{TIER_MODERN, {ESP_AES_CBC, 16, HASH_SHA1, 12}},
	{TIER_MODERN, {ESP_AES_CBC, 32, HASH_SHA512, 32}},
	{TIER_COMPATIBLE, {ESP_AES_CBC, 24, HASH_SHA1, 12}},
	{TIER_COMPATIBLE, {ESP_3DES, 24, HASH_SHA1, 12}},
};
/* clang-format on */

bool ike_proposals_tier(const char *name, struct ike_proposals *p)
{
	int tier = 0;

	while (tier < TIERS && strcmp(name, tier_names[tier]) != 0)
		tier++;
	if (tier == TIERS)
		return false;
	*p = (struct ike_proposals){.pfs = DH_NONE};
	for (size_t i = 0; i < sizeof(ike_table) / sizeof(ike_table[0]); i++)
		if ((int)ike_table[i].tier <= tier)
			p->ike[p->n_ike++] = ike_table[i].suite;
	for (size_t i = 0; i < sizeof(esp_table) / sizeof(esp_table[0]); i++)
		if ((int)esp_table[i].tier <= tier)
			p->esp[p->n_esp++] = esp_table[i].suite;
	return true;
}

/* ---- strongSwan's notation ---- */

static const struct cipher_word {
	const char *word;
	uint8_t key_len;
	bool triple_des;
	bool gcm;
} cipher_words[] = {
	{"aes", 16, false, false},
	{"aes128", 16, false, false},
	{"aes192", 24, false, false},
	{"aes256", 32, false, false},
	{"3des", 24, true, false},
	{"aes128gcm", 16, false, true},
	{"aes192gcm", 24, false, true},
	{"aes256gcm", 32, false, true},
	{"aes128gcm16", 16, false, true},
	{"aes192gcm16", 24, false, true},
	{"aes256gcm16", 32, false, true},
	{"aes128gcm128", 16, false, true},
	{"aes192gcm128", 24, false, true},
	{"aes256gcm128", 32, false, true},
};

static const struct hash_word {
	const char *word;
	enum hash hash;
	uint8_t icv_len; /* in ESP */
	bool esp_only;
} hash_words[] = {
	{"md5", HASH_MD5, 12, false},
	{"sha1", HASH_SHA1, 12, false},
	{"sha", HASH_SHA1, 12, false},
	{"sha256", HASH_SHA256, 16, false},
	{"sha2_256", HASH_SHA256, 16, false},
	{"sha384", HASH_SHA384, 24, false},
	{"sha2_384", HASH_SHA384, 24, false},
	{"sha512", HASH_SHA512, 32, false},
	{"sha2_512", HASH_SHA512, 32, false},
	{"sha256_96", HASH_SHA256, 12, true},
	{"sha2_256_96", HASH_SHA256, 12, true},
};

/* The first name of a group is the one we print. */
static const struct group_word {
	const char *word;
	enum dh_group group;
} group_words[] = {
	{"modp1024", DH_MODP1024},
	{"modp1536", DH_MODP1536},
	{"modp2048", DH_MODP2048},
	{"modp3072", DH_MODP3072},
	{"modp4096", DH_MODP4096},
	{"ecp256", DH_ECP256},
	{"ecp_256", DH_ECP256},
	{"ecp384", DH_ECP384},
	{"ecp_384", DH_ECP384},
	{"ecp521", DH_ECP521},
	{"ecp_521", DH_ECP521},
	{"curve25519", DH_CURVE25519},
	{"x25519", DH_CURVE25519},
};

/* The row of a table whose first member is its word; NULL if there is none. */
static const void *lookup(const void *table, size_t rows, size_t size, struct slice word)
{
	const char *row = table;

	for (size_t i = 0; i < rows; i++, row += size) {
		const char *name = *(const char *const *)(const void *)row;

		if (strlen(name) == word.n && strncasecmp(name, (const char *)word.p, word.n) == 0)
			return row;
	}
	return NULL;
}

static const struct cipher_word *cipher_word(struct slice w)
{
	return lookup(cipher_words, sizeof(cipher_words) / sizeof(cipher_words[0]),
		sizeof(cipher_words[0]), w);
}

static const struct hash_word *hash_word(struct slice w)
{
	return lookup(
		hash_words, sizeof(hash_words) / sizeof(hash_words[0]), sizeof(hash_words[0]), w);
}

static const struct group_word *group_word(struct slice w)
{
	return lookup(group_words, sizeof(group_words) / sizeof(group_words[0]),
		sizeof(group_words[0]), w);
}

/* The octets up to `stop` (which is skipped) or the end, blanks trimmed. */
static struct slice take_until(struct rd *r, uint8_t stop)
{
	struct rd look = *r;
	size_t n = 0;
	bool found = false;

	while (rd_left(&look) && !(found = rd_u8(&look) == stop))
		n++;
	struct slice s = rd_take(r, n);
	if (found)
		rd_skip(r, 1);
	return s;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
	while (s.n && is_blank(s.p[0]))
		s = slice(s.p + 1, s.n - 1);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* One suite: blanks and a final "!" do not count. */
static struct slice bare(struct slice s)
{
	s = trim(s);
	if (s.n && s.p[s.n - 1] == '!')
		s.n--;
	return trim(s);
}

static bool add_ike(struct slice text, struct ike_proposals *p)
{
	struct rd r = rd_of(text);
	const struct cipher_word *cipher = cipher_word(take_until(&r, '-'));
	const struct hash_word *hash = hash_word(take_until(&r, '-'));
	const struct group_word *group = group_word(rd_rest(&r));

	if (!cipher || cipher->gcm /* check: ike-without-gcm */ || !hash ||
		hash->esp_only /* check: ike-whole-hash */ || !group ||
		p->n_ike == IKE_SUITES_MAX /* check: ike-suites-room */)
		return false;
	p->ike[p->n_ike++] = (struct ike_suite){
		.cipher = cipher->triple_des ? CBC_3DES : CBC_AES,
		.key_len = cipher->key_len,
		.hash = hash->hash,
		.group = group->group,
	};
	return true;
}

/* A group at the end asks for PFS; one KE payload serves all proposals, so all must name the same. */
static bool take_pfs(struct rd *r, struct ike_proposals *p)
{
	enum dh_group group = DH_NONE;

	if (rd_left(r)) {
		const struct group_word *word = group_word(rd_rest(r));

		if (!word)
			return false;
		group = word->group;
	}
	if (p->n_esp && group != p->pfs) /* check: esp-one-group */
		return false;
	p->pfs = group;
	return true;
}

static bool add_esp(struct slice text, struct ike_proposals *p)
{
	struct rd r = rd_of(text);
	const struct cipher_word *cipher = cipher_word(take_until(&r, '-'));
	struct esp_suite suite = {.cipher = ESP_AES_GCM, .icv_len = 16};

	if (!cipher || p->n_esp == ESP_SUITES_MAX /* check: esp-suites-room */)
		return false;
	suite.key_len = cipher->key_len;
	if (!cipher->gcm) {
		const struct hash_word *hash = hash_word(take_until(&r, '-'));

		if (!hash)
			return false;
		suite.cipher = cipher->triple_des ? ESP_3DES : ESP_AES_CBC;
		suite.auth = hash->hash;
		suite.icv_len = hash->icv_len;
	}
	if (!take_pfs(&r, p))
		return false;
	p->esp[p->n_esp++] = suite;
	return true;
}

static bool parse_list(const char *text, bool (*add)(struct slice, struct ike_proposals *),
	struct ike_proposals *p, const char **wrong)
{
	struct rd r = rd_of(slice_str(text));

	do {
		struct slice suite = take_until(&r, ',');

		if (!add(bare(suite), p)) {
			*wrong = suite.n ? (const char *)trim(suite).p : text;
			return false;
		}
	} while (rd_left(&r));
	return true;
}

bool ike_suites_parse(const char *text, struct ike_proposals *p, const char **wrong)
{
	struct ike_proposals parsed = *p;

	parsed.n_ike = 0;
	if (!parse_list(text, add_ike, &parsed, wrong))
		return false;
	*p = parsed;
	return true;
}

bool esp_suites_parse(const char *text, struct ike_proposals *p, const char **wrong)
{
	struct ike_proposals parsed = *p;

	parsed.n_esp = 0;
	if (!parse_list(text, add_esp, &parsed, wrong))
		return false;
	*p = parsed;
	return true;
}

const char *ike_suite_text(const struct ike_suite *s, char *to)
{
	static const char *const hash_text[HASHES] = {
		"md4", "md5", "sha1", "sha256", "sha384", "sha512"};
	const char *group = "none";

	for (size_t i = sizeof(group_words) / sizeof(group_words[0]); i-- > 0;)
		if (group_words[i].group == s->group)
			group = group_words[i].word;
	if (s->cipher == CBC_3DES)
		snprintf(to, SUITE_TEXT, "3des-%s-%s", hash_text[s->hash], group);
	else
		snprintf(to, SUITE_TEXT, "aes%d-%s-%s", s->key_len * 8, hash_text[s->hash], group);
	return to;
}

/* ike/: everything that is exact. Main mode and quick modes are recomputed from their inputs and read
 * from their octets; both recordings of real servers are decrypted with their keys. */
#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <string.h>

#include "ike/ike_keys.h"
#include "ike/ike_msg.h"
#include "ike/ike_prop.h"
#include "ike/ike_vid.h"

static struct env *env;

static int make_env(void **state)
{
	(void)state;
	env = test_env_new(1);
	return 0;
}

static int free_env(void **state)
{
	(void)state;
	test_env_free(env);
	return 0;
}

/* What a vector file says about its suite. */
struct file {
	const char *name;
	struct ike_suite suite;
};

static const struct file files[] = {
	{"ikev1_psk_sha1_aes128_g2.txt", {CBC_AES, 16, HASH_SHA1, DH_MODP1024}},
	{"ikev1_psk_sha256_aes256_g14_nat.txt", {CBC_AES, 32, HASH_SHA256, DH_MODP2048}},
};

static struct ike_keys file_keys(const struct vectors *v, const struct ike_suite *suite)
{
	struct ike_keys k;

	assert_true(ike_keys_psk(env->crypto, suite, vec(v, "inputs", "psk"),
		vec(v, "inputs", "ni_b"), vec(v, "inputs", "nr_b"), &k));
	assert_true(ike_keys_derive(env->crypto, &k, vec(v, "inputs", "g_xy"),
		vec(v, "inputs", "cky_i"), vec(v, "inputs", "cky_r")));
	return k;
}

static void assert_skeyids(const struct ike_keys *k, const struct vectors *v, const char *section)
{
	size_t n = hash_len(k->hash);

	assert_slice(slice(k->skeyid, n), vec(v, section, "SKEYID"));
	assert_slice(slice(k->d, n), vec(v, section, "SKEYID_d"));
	assert_slice(slice(k->a, n), vec(v, section, "SKEYID_a"));
	assert_slice(slice(k->e, n), vec(v, section, "SKEYID_e"));
}

static void assert_hashes(const struct ike_keys *k, const struct vectors *v, const char *section)
{
	uint8_t hash[HASH_MAX];
	size_t n = hash_len(k->hash);
	struct ike_proof i = {
		.public_own = vec(v, "inputs", "g_xi"),
		.public_other = vec(v, "inputs", "g_xr"),
		.cookie_own = vec(v, "inputs", "cky_i"),
		.cookie_other = vec(v, "inputs", "cky_r"),
		.sa_i = vec(v, "inputs", "SAi_b"),
		.id_own = vec(v, "phase 1 keys", "IDii_b"),
	};
	struct ike_proof r = {
		.public_own = i.public_other,
		.public_other = i.public_own,
		.cookie_own = i.cookie_other,
		.cookie_other = i.cookie_own,
		.sa_i = i.sa_i,
		.id_own = vec(v, "phase 1 keys", "IDir_b"),
	};

	assert_true(ike_hash_auth(env->crypto, k, &i, hash));
	assert_slice(slice(hash, n), vec(v, section, "HASH_I"));
	assert_true(ike_hash_auth(env->crypto, k, &r, hash));
	assert_slice(slice(hash, n), vec(v, section, "HASH_R"));
}

static void phase1_keys_and_proofs(void **state)
{
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		struct vectors *v = vectors_open(files[f].name);
		struct ike_keys k = file_keys(v, &files[f].suite);
		uint8_t gxy[DH_SECRET_MAX], iv[IKE_BLOCK_MAX];
		struct dh *dh =
			dh_of(env->crypto, files[f].suite.group, vec(v, "inputs", "dh_private_i"));

		assert_slice(dh_public(dh), vec(v, "inputs", "g_xi"));
		assert_true(dh_agree(dh, vec(v, "inputs", "g_xr"), gxy));
		assert_slice(
			slice(gxy, dh_secret_len(files[f].suite.group)), vec(v, "inputs", "g_xy"));
		assert_skeyids(&k, v, "phase 1 keys");
		assert_slice(slice(k.key, k.key_len), vec(v, "phase 1 keys", "ike_cipher_key"));
		assert_hashes(&k, v, "phase 1 keys");
		assert_true(ike_iv_phase1(env->crypto, k.hash, vec(v, "inputs", "g_xi"),
			vec(v, "inputs", "g_xr"), iv));
		assert_slice(slice(iv, 16), vec(v, "phase 1 keys", "phase1_iv"));
		dh_free(dh);
		vectors_close(v);
	}
}

/* Only SKEYID differs with signatures: prf(Ni | Nr, g^xy). */
static void signature_keys_differ_in_skeyid_alone(void **state)
{
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		struct vectors *v = vectors_open(files[f].name);
		struct ike_keys k = file_keys(v, &files[f].suite);
		struct slice ni = vec(v, "inputs", "ni_b"), nr = vec(v, "inputs", "nr_b");
		struct slice gxy = vec(v, "inputs", "g_xy");
		uint8_t nonces[64];

		memcpy(nonces, ni.p, ni.n);
		memcpy(nonces + ni.n, nr.p, nr.n);
		assert_true(crypto_hmac(
			env->crypto, k.hash, slice(nonces, ni.n + nr.n), &gxy, 1, k.skeyid));
		assert_true(ike_keys_derive(env->crypto, &k, gxy, vec(v, "inputs", "cky_i"),
			vec(v, "inputs", "cky_r")));
		assert_skeyids(&k, v, "same DH and nonces with signature");
		assert_slice(slice(k.key, k.key_len),
			vec(v, "same DH and nonces with signature", "ike_cipher_key"));
		assert_hashes(&k, v, "same DH and nonces with signature");
		vectors_close(v);
	}
}

static struct slice open_message(const struct ike_keys *k, const uint8_t *iv, struct slice message,
	enum ike_message kind, uint8_t *plain, struct ike_payloads *p)
{
	struct ike_hdr hdr;
	struct slice octets = slice(plain, message.n - IKE_HDR);

	assert_true(ike_hdr_parse(message, &hdr));
	assert_true(ike_hdr_is(&hdr, kind));
	assert_true(ike_unseal(env->crypto, k, iv, message, plain));
	assert_true(ike_payloads_parse(hdr.first, octets, p));
	assert_true(ike_payloads_are(p, kind));
	return octets;
}

/* Seal `plain` again behind the same header: the octets must come out as they were. */
static void assert_seals_to(const struct ike_keys *k, const uint8_t *iv, struct slice plain,
	size_t without_padding, struct slice want)
{
	uint8_t message[1024], chain[IKE_BLOCK_MAX];
	size_t n = IKE_HDR + without_padding;

	memcpy(message, want.p, IKE_HDR);
	memcpy(message + IKE_HDR, plain.p, without_padding);
	message[19] = 0;
	memcpy(chain, iv, sizeof(chain));
	assert_true(ike_seal(env->crypto, k, chain, message, &n, sizeof(message)));
	assert_slice(slice(message, n), want);
}

/* Octets of the payload chain without padding. */
static size_t chain_len(const struct ike_payloads *p)
{
	return IKE_PAYLOAD_HDR + p->at[0].body.n + p->rest.n;
}

static void main_mode_messages_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		enum ike_message kind;
	} clear[] = {{"mm1", IKE_MM1}, {"mm2", IKE_MM2}, {"mm3", IKE_MM3}, {"mm4", IKE_MM4}};

	for (size_t f = 0; f < 2; f++) {
		struct vectors *v = vectors_open(files[f].name);
		struct ike_keys k = file_keys(v, &files[f].suite);
		uint8_t plain[256], iv[IKE_BLOCK_MAX];
		struct ike_payloads p;
		struct ike_hdr hdr;

		for (size_t i = 0; i < 4; i++) {
			struct slice m = vec(v, "main mode messages 1-4", clear[i].key);

			assert_true(ike_hdr_parse(m, &hdr));
			assert_true(ike_hdr_is(&hdr, clear[i].kind));
			assert_true(ike_payloads_parse(
				hdr.first, slice(m.p + IKE_HDR, m.n - IKE_HDR), &p));
			assert_true(ike_payloads_are(&p, clear[i].kind));
		}
		memcpy(iv, vec(v, "phase 1 keys", "phase1_iv").p, 16);
		struct slice mm5 = vec(v, "main mode messages 5-6", "mm5");
		struct slice mm6 = vec(v, "main mode messages 5-6", "mm6");
		assert_slice(open_message(&k, iv, mm5, IKE_MM5, plain, &p),
			vec(v, "main mode messages 5-6", "mm5_plain_padded"));
		assert_slice(ike_payload_body(&p, IKE_HASH), vec(v, "phase 1 keys", "HASH_I"));
		assert_seals_to(&k, iv, slice(plain, mm5.n - IKE_HDR), chain_len(&p), mm5);
		ike_last_block(&k, mm5, iv);
		assert_slice(slice(iv, 16), vec(v, "main mode messages 5-6", "iv_for_mm6"));
		assert_slice(open_message(&k, iv, mm6, IKE_MM6, plain, &p),
			vec(v, "main mode messages 5-6", "mm6_plain_padded"));
		assert_slice(ike_payload_body(&p, IKE_HASH), vec(v, "phase 1 keys", "HASH_R"));
		ike_last_block(&k, mm6, iv);
		assert_slice(slice(iv, 16), vec(v, "main mode messages 5-6", "phase1_last_block"));
		vectors_close(v);
	}
}

static void nat_d_of_the_vector(void **state)
{
	(void)state;
	struct vectors *v = vectors_open(files[1].name);
	const char *section = "main mode messages 1-4";
	struct addr server = {
		.ip = ip_of(FAMILY_IPV4, vec(v, "inputs", "ip_responder")), .port = 500};
	struct addr us = {.ip = ip_of(FAMILY_IPV4, vec(v, "inputs", "ip_initiator")), .port = 500};
	uint8_t hash[HASH_MAX];

	assert_true(ike_nat_d(env->crypto, HASH_SHA256, vec(v, "inputs", "cky_i"),
		vec(v, "inputs", "cky_r"), &server, hash));
	assert_slice(slice(hash, 32), vec(v, section, "mm3_natd_dst"));
	assert_slice(slice(hash, 32), vec(v, section, "mm4_natd_src"));
	assert_true(ike_nat_d(env->crypto, HASH_SHA256, vec(v, "inputs", "cky_i"),
		vec(v, "inputs", "cky_r"), &us, hash));
	assert_slice(slice(hash, 32), vec(v, section, "mm3_natd_src"));
	vectors_close(v);
}

struct quick_row {
	const char *section;
	struct esp_suite suite;
};

static const struct quick_row quicks[] = {
	{"quick mode: initiator, no PFS, ESP AES", {ESP_AES_CBC, 0, HASH_SHA1, 12}},
	{"quick mode: initiator, no PFS, ESP 3DES", {ESP_3DES, 24, HASH_SHA1, 12}},
	{"quick mode: initiator, PFS", {ESP_AES_CBC, 32, HASH_SHA256, 16}},
	{"quick mode: rekey started by the server", {ESP_AES_GCM, 16, HASH_MD4, 16}},
};

static void assert_half(const struct ike_keys *k, const struct vectors *v, const char *section,
	const struct esp_suite *suite, struct slice gxy, const char *spi, const char *keymat)
{
	struct rd r = rd_of(vec(v, section, spi));
	struct esp_half half = {.spi = rd_u32(&r)};
	size_t key = suite->key_len + (suite->cipher == ESP_AES_GCM ? 4u : 0u);
	struct slice want = vec(v, section, keymat);

	assert_true(ike_esp_keys(env->crypto, k, suite, gxy, vec(v, section, "ni_b"),
		vec(v, section, "nr_b"), &half));
	assert_slice(slice(half.key, key), slice(want.p, key));
	assert_slice(slice(half.auth, want.n - key), slice(want.p + key, want.n - key));
}

static void assert_quick(
	const struct vectors *v, const struct ike_keys *k, const struct quick_row *row)
{
	const char *s = row->section;
	struct esp_suite suite = row->suite;
	struct rd r = rd_of(vec(v, s, "message_id"));
	uint32_t id = rd_u32(&r);
	uint8_t iv[IKE_BLOCK_MAX], plain[1024], hash[HASH_MAX];
	bool pfs = strstr(s, "PFS") && !strstr(s, "no PFS");
	struct slice gxy = pfs ? vec(v, s, "pfs_g_xy") : slice(NULL, 0);
	struct ike_payloads p;
	struct ike_offers offers;
	struct ike_sa2 sa;
	size_t n = hash_len(k->hash);

	assert_true(ike_iv_phase2(
		env->crypto, k, vec(v, "main mode messages 5-6", "phase1_last_block").p, id, iv));
	assert_slice(slice(iv, 16), vec(v, s, "iv_qm1"));

	struct slice m = vec(v, s, "qm1");
	assert_slice(open_message(k, iv, m, IKE_QM1, plain, &p), vec(v, s, "qm1_plain_padded"));
	assert_true(ike_hash1(env->crypto, k, id, p.rest, hash));
	assert_slice(slice(hash, n), vec(v, s, "HASH1"));
	assert_slice(p.at[0].body, vec(v, s, "HASH1"));
	assert_true(ike_offers_parse(ike_payload_body(&p, IKE_SA), &offers));
	assert_int_equal(offers.n, 1);
	assert_true(ike_sa2_of(&offers.at[0], &sa));
	suite.key_len = suite.key_len ? suite.key_len : sa.suite.key_len;
	assert_true(esp_suite_equal(&sa.suite, &suite));
	assert_int_equal(sa.pfs != DH_NONE, pfs);
	assert_int_equal(sa.life_s, 3600);
	assert_seals_to(k, iv, slice(plain, m.n - IKE_HDR), chain_len(&p), m);
	ike_last_block(k, m, iv);

	m = vec(v, s, "qm2");
	assert_slice(open_message(k, iv, m, IKE_QM2, plain, &p), vec(v, s, "qm2_plain_padded"));
	assert_true(ike_hash2(env->crypto, k, id, vec(v, s, "ni_b"), p.rest, hash));
	assert_slice(slice(hash, n), p.at[0].body);
	assert_slice(slice(hash, n), vec(v, s, "HASH2"));
	ike_last_block(k, m, iv);

	m = vec(v, s, "qm3");
	assert_slice(open_message(k, iv, m, IKE_QM3, plain, &p), vec(v, s, "qm3_plain_padded"));
	assert_true(ike_hash3(env->crypto, k, id, vec(v, s, "ni_b"), vec(v, s, "nr_b"), hash));
	assert_slice(slice(hash, n), p.at[0].body);

	assert_half(k, v, s, &suite, gxy, "spi_qm_responder_inbound", "keymat_towards_responder");
	assert_half(k, v, s, &suite, gxy, "spi_qm_initiator_inbound", "keymat_towards_initiator");
}

static void quick_modes_are_recomputed(void **state)
{
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		struct vectors *v = vectors_open(files[f].name);
		struct ike_keys k = file_keys(v, &files[f].suite);

		for (size_t i = 0; i < sizeof(quicks) / sizeof(quicks[0]); i++)
			assert_quick(v, &k, &quicks[i]);
		vectors_close(v);
	}
}

static void informational_messages_are_recomputed(void **state)
{
	(void)state;
	static const char *const names[] = {"dpd_r_u_there", "dpd_r_u_there_ack", "delete_esp",
		"delete_ike", "responder_lifetime"};

	for (size_t f = 0; f < 2; f++) {
		struct vectors *v = vectors_open(files[f].name);
		struct ike_keys k = file_keys(v, &files[f].suite);

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			char key[64];
			uint8_t iv[IKE_BLOCK_MAX], plain[256], hash[HASH_MAX];
			struct ike_payloads p;
			struct slice m = vec(v, "informational", names[i]);

			snprintf(key, sizeof(key), "%s_message_id", names[i]);
			struct rd r = rd_of(vec(v, "informational", key));
			uint32_t id = rd_u32(&r);
			assert_true(ike_iv_phase2(env->crypto, &k,
				vec(v, "main mode messages 5-6", "phase1_last_block").p, id, iv));
			open_message(&k, iv, m, IKE_INFO_SEALED, plain, &p);
			assert_true(ike_hash1(env->crypto, &k, id, p.rest, hash));
			assert_slice(slice(hash, hash_len(k.hash)), p.at[0].body);
			assert_seals_to(&k, iv, slice(plain, m.n - IKE_HDR), chain_len(&p), m);
		}
		vectors_close(v);
	}
}

/* ---- ike_misc.txt ---- */

static void vendor_ids_are_known(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		enum ike_vid vid;
	} rows[] = {
		{"md5_RFC_3947", VID_NATT_RFC},
		{"md5_draft-ietf-ipsec-nat-t-ike-00", VID_NATT_OTHER},
		{"md5_draft-ietf-ipsec-nat-t-ike-01", VID_NATT_OTHER},
		{"md5_draft-ietf-ipsec-nat-t-ike-02", VID_NATT_02},
		{"md5_draft-ietf-ipsec-nat-t-ike-02_nl", VID_NATT_02N},
		{"md5_draft-ietf-ipsec-nat-t-ike-03", VID_NATT_03},
		{"md5_draft-ietf-ipsec-nat-t-ike", VID_APPLE},
		{"md5_FRAGMENTATION", VID_FRAGMENTATION},
		{"md5_MS_NT5_ISAKMPOAKLEY", VID_WINDOWS},
		{"md5_Vid-Initial-Contact", VID_WINDOWS_OTHER},
		{"md5_GSSAPI", VID_WINDOWS_OTHER},
		{"md5_MS-MamieExists", VID_WINDOWS_OTHER},
		{"md5_IKE_CGA_version_1", VID_WINDOWS_OTHER},
		{"md5_MS-Negotiation_Discovery_Capable", VID_WINDOWS_OTHER},
		{"md5_NLBS_PRESENT", VID_WINDOWS_OTHER},
		{"md5_strongSwan", VID_STRONGSWAN},
		{"CISCO-UNITY_md5_CISCO-UNITY_0_14_major_minor", VID_UNITY},
		{"XAUTH_md5_draft-ietf-ipsra-isakmp-xauth-06.txt_0_8", VID_XAUTH},
		{"DPD_fixed", VID_DPD},
	};
	struct vectors *v = vectors_open("ike_misc.txt");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ike_vid_of(vec(v, "vendor IDs", rows[i].key)), rows[i].vid);
	assert_slice(ike_vid_octets(VID_DPD), vec(v, "vendor IDs", "DPD_fixed"));
	assert_slice(ike_vid_octets(VID_NATT_RFC), vec(v, "vendor IDs", "md5_RFC_3947"));
	assert_int_equal(ike_vid_of(slice("\x4a\x13", 2)), VIDS);
	assert_int_equal(ike_vid_of(slice(NULL, 0)), VIDS);
	vectors_close(v);
}

static void nat_d_for_every_hash(void **state)
{
	(void)state;
	static const char *const names[HASHES] = {
		NULL, "md5", "sha1", "sha256", "sha384", "sha512"};
	struct vectors *v = vectors_open("ike_misc.txt");
	struct slice i = vec(v, "NAT-D", "cky_i"), r = vec(v, "NAT-D", "cky_r");
	uint8_t hash[HASH_MAX];
	struct addr six = {.port = 500};

	for (int h = HASH_MD5; h < HASHES; h++)
		for (uint16_t port = 500; port <= 4500; port = (uint16_t)(port + 4000)) {
			struct addr a = {.ip = ip_v4(0xc000020a), .port = port};
			char key[64];

			snprintf(key, sizeof(key), "%s_192.0.2.10_%d", names[h], port);
			assert_true(ike_nat_d(env->crypto, (enum hash)h, i, r, &a, hash));
			assert_slice(slice(hash, hash_len((enum hash)h)), vec(v, "NAT-D", key));
		}
	assert_true(ip_parse("2001:db8::1", &six.ip));
	assert_true(ike_nat_d(env->crypto, HASH_SHA256, i, r, &six, hash));
	assert_slice(slice(hash, 32), vec(v, "NAT-D", "sha256_2001_db8_1_500"));
	vectors_close(v);
}

/* RFC 2409, appendix B: only keys longer than the hash are expanded. */
static void cipher_keys_are_expanded(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum hash hash;
		uint8_t key_len;
	} rows[] = {{"md5_3DES", HASH_MD5, 24}, {"sha1_3DES", HASH_SHA1, 24},
		{"sha1_AES-256", HASH_SHA1, 32}, {"md5_AES-256", HASH_MD5, 32},
		{"sha1_AES-128", HASH_SHA1, 16}, {"sha256_AES-256", HASH_SHA256, 32},
		{"sha512_AES-256", HASH_SHA512, 32}};
	struct vectors *v = vectors_open("ike_misc.txt");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ike_keys k = {.hash = rows[i].hash, .key_len = rows[i].key_len};
		char key[64];

		snprintf(key, sizeof(key), "%s_skeyid_e", rows[i].name);
		struct slice e = vec(v, "SKEYID_e expansion", key);
		memcpy(k.e, e.p, e.n);
		assert_true(ike_keys_expand(env->crypto, &k));
		snprintf(key, sizeof(key), "%s_key", rows[i].name);
		assert_slice(slice(k.key, k.key_len), vec(v, "SKEYID_e expansion", key));
	}
	vectors_close(v);
}

static void cavs_sample_and_long_psk(void **state)
{
	(void)state;
	static const struct ike_suite suite = {CBC_AES, 16, HASH_SHA1, DH_MODP1024};
	struct vectors *v = vectors_open("ike_misc.txt");
	const char *s = "NIST CAVS sample, PSK";
	const char *l = "PSK longer than";
	uint8_t psk[100], zeros[8] = {0}, ones[8];
	struct ike_keys k;

	assert_true(ike_keys_psk(
		env->crypto, &suite, vec(v, s, "psk"), vec(v, s, "ni_b"), vec(v, s, "nr_b"), &k));
	assert_true(ike_keys_derive(
		env->crypto, &k, vec(v, s, "g_xy"), vec(v, s, "cky_i"), vec(v, s, "cky_r")));
	assert_skeyids(&k, v, s);
	memset(psk, 'x', sizeof(psk));
	memset(ones, 0xff, sizeof(ones));
	assert_true(ike_keys_psk(
		env->crypto, &suite, slice(psk, 100), slice(zeros, 8), slice(ones, 8), &k));
	assert_slice(slice(k.skeyid, 20), vec(v, l, "sha1_SKEYID_psk_x_100_ni_00_8_nr_ff_8"));
	vectors_close(v);
}

static void groups_agree(void **state)
{
	(void)state;
	static const enum dh_group groups[] = {DH_ECP256, DH_ECP384, DH_ECP521, DH_CURVE25519};
	struct vectors *v = vectors_open("ike_misc.txt");
	const char *s = "ECP groups";

	for (size_t i = 0; i < 4; i++) {
		char own[32], peer[32], shared[32], priv[32];
		uint8_t secret[DH_SECRET_MAX];

		snprintf(priv, sizeof(priv), "g%d_priv_i", (int)groups[i]);
		snprintf(own, sizeof(own), "g%d_ke_i", (int)groups[i]);
		snprintf(peer, sizeof(peer), "g%d_ke_r", (int)groups[i]);
		snprintf(shared, sizeof(shared), "g%d_shared", (int)groups[i]);
		struct dh *dh = dh_of(env->crypto, groups[i], vec(v, s, priv));
		assert_slice(dh_public(dh), vec(v, s, own));
		assert_true(dh_agree(dh, vec(v, s, peer), secret));
		assert_slice(slice(secret, dh_secret_len(groups[i])), vec(v, s, shared));
		dh_free(dh);
	}
	vectors_close(v);
}

/* ---- recordings ---- */

struct recording {
	struct ike_keys k;
	uint8_t phase1_iv[IKE_BLOCK_MAX]; /* the chain of phase 1 */
	uint8_t iv[IKE_BLOCK_MAX];        /* of the quick mode under way */
	uint32_t id;
	struct slice ni, nr;
	uint8_t nonces[2][64];
	unsigned hashes; /* of phase 2 that were right */
	uint32_t kinds;  /* vendor IDs of the server */
	struct esp_suite suite;
	bool initiated; /* the quick mode is ours */
};

static void copy_nonce(struct recording *rec, const struct ike_payloads *p, struct slice *to, int i)
{
	struct slice nonce = ike_payload_body(p, IKE_NONCE);

	memcpy(rec->nonces[i], nonce.p, nonce.n);
	*to = slice(rec->nonces[i], nonce.n);
}

static void replay_quick(struct recording *rec, const struct ike_hdr *hdr, struct slice m, bool in)
{
	uint8_t plain[1024], hash[HASH_MAX];
	struct ike_payloads p;
	struct ike_offers offers;
	struct ike_sa2 sa;
	bool fresh = rec->id != hdr->id;

	if (fresh) {
		rec->id = hdr->id;
		rec->initiated = !in;
		assert_true(ike_iv_phase2(env->crypto, &rec->k, rec->phase1_iv, hdr->id, rec->iv));
	}
	if (!ike_unseal(env->crypto, &rec->k, rec->iv, m, plain) ||
		!ike_payloads_parse(hdr->first, slice(plain, m.n - IKE_HDR), &p))
		return; /* message 3 repeated: its IV is past */
	ike_last_block(&rec->k, m, rec->iv);
	if (fresh) {
		assert_true(ike_hash1(env->crypto, &rec->k, hdr->id, p.rest, hash));
		copy_nonce(rec, &p, &rec->ni, 0);
	} else if (ike_payloads_are(&p, IKE_QM2)) {
		assert_true(ike_hash2(env->crypto, &rec->k, hdr->id, rec->ni, p.rest, hash));
		copy_nonce(rec, &p, &rec->nr, 1);
		assert_true(ike_offers_parse(ike_payload_body(&p, IKE_SA), &offers));
		assert_true(ike_sa2_of(&offers.at[0], &sa));
		assert_int_equal(sa.mode, IKE_MODE_UDP_TRANSPORT);
		rec->suite = sa.suite;
	} else {
		assert_true(ike_hash3(env->crypto, &rec->k, hdr->id, rec->ni, rec->nr, hash));
	}
	assert_slice(p.at[0].body, slice(hash, hash_len(rec->k.hash)));
	rec->hashes++;
}

static void replay_info(struct recording *rec, const struct ike_hdr *hdr, struct slice m)
{
	uint8_t plain[1024], hash[HASH_MAX], iv[IKE_BLOCK_MAX];
	struct ike_payloads p;

	assert_true(ike_iv_phase2(env->crypto, &rec->k, rec->phase1_iv, hdr->id, iv));
	open_message(&rec->k, iv, m, IKE_INFO_SEALED, plain, &p);
	assert_true(ike_hash1(env->crypto, &rec->k, hdr->id, p.rest, hash));
	assert_slice(p.at[0].body, slice(hash, hash_len(rec->k.hash)));
	rec->hashes++;
}

static void replay_main(struct recording *rec, const struct ike_hdr *hdr, struct slice m, bool in)
{
	uint8_t plain[1024];
	struct ike_payloads p;

	if (hdr->flags & IKE_ENCRYPTED) {
		open_message(&rec->k, rec->phase1_iv, m, in ? IKE_MM6 : IKE_MM5, plain, &p);
		ike_last_block(&rec->k, m, rec->phase1_iv);
		return;
	}
	assert_true(ike_payloads_parse(hdr->first, slice(m.p + IKE_HDR, m.n - IKE_HDR), &p));
	bool first = hdr->first == IKE_SA;
	assert_true(
		ike_payloads_are(&p, first ? (in ? IKE_MM2 : IKE_MM1) : (in ? IKE_MM4 : IKE_MM3)));
	for (size_t i = 0; in && i < p.n; i++)
		if (p.at[i].type == IKE_VID)
			rec->kinds |= 1u << ike_vid_of(p.at[i].body);
}

static void replay(struct recording *rec, const struct vector *row)
{
	struct slice m = row->value;
	bool in = strstr(row->key, "_in_");
	struct ike_hdr hdr;

	if (strstr(row->key, "_4500")) {
		if (m.n < 4 || memcmp(m.p, "\0\0\0\0", 4) != 0)
			return; /* ESP */
		m = slice(m.p + 4, m.n - 4);
	} else if (!strstr(row->key, "_500")) {
		return;
	}
	assert_true(ike_hdr_parse(m, &hdr));
	if (hdr.exchange == IKE_MAIN)
		replay_main(rec, &hdr, m, in);
	else if (hdr.exchange == IKE_QUICK)
		replay_quick(rec, &hdr, m, in);
	else
		replay_info(rec, &hdr, m);
}

/* The keys of the pair that the last quick mode made are those of the recording. */
static void assert_recorded_half(
	struct recording *rec, uint32_t spi, struct slice key, struct slice auth)
{
	struct esp_half half = {.spi = spi};

	assert_true(ike_esp_keys(
		env->crypto, &rec->k, &rec->suite, slice(NULL, 0), rec->ni, rec->nr, &half));
	assert_slice(slice(half.key, rec->suite.key_len), key);
	assert_slice(slice(half.auth, hash_len(rec->suite.auth)), auth);
}

static struct recording replay_file(const char *name)
{
	static const struct ike_suite suite = {CBC_AES, 32, HASH_SHA256, DH_MODP2048};
	struct vectors *v = vectors_open(name);
	struct recording rec = {.k = {.hash = HASH_SHA256, .cipher = CBC_AES, .key_len = 32}};
	const struct vector *row, *spi = NULL, *key = NULL;

	memcpy(rec.k.a, vec(v, "", "SKEYID_a").p, 32);
	memcpy(rec.k.d, vec(v, "", "SKEYID_d").p, 32);
	memcpy(rec.k.e, vec(v, "", "SKEYID_e").p, 32);
	assert_true(ike_keys_expand(env->crypto, &rec.k));
	assert_slice(slice(rec.k.key, suite.key_len), vec(v, "", "ike_cipher_key"));
	memcpy(rec.phase1_iv, vec(v, "", "phase1_iv").p, 16);
	for (size_t i = 0; (row = vectors_at(v, i)); i++) {
		if (strncmp(row->key, "sa_", 3) != 0)
			replay(&rec, row);
		else if (strstr(row->key, "_spi"))
			spi = row;
		else if (strstr(row->key, "_enc"))
			key = row;
		else {
			struct rd r = rd_of(spi->value);

			assert_recorded_half(&rec, rd_u32(&r), key->value, row->value);
		}
	}
	vectors_close(v);
	return rec;
}

static void recording_of_softether(void **state)
{
	(void)state;
	struct recording rec = replay_file("recorded_softether.txt");

	assert_int_equal(rec.hashes, 10);
	assert_false(rec.initiated); /* the server started the last one */
	assert_string_equal(ike_vid_kind(rec.kinds), "SoftEther");
}

static void recording_of_strongswan(void **state)
{
	(void)state;
	struct recording rec = replay_file("recorded_strongswan.txt");

	assert_int_equal(rec.hashes, 4);
	assert_true(rec.initiated);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phase1_keys_and_proofs),
		cmocka_unit_test(signature_keys_differ_in_skeyid_alone),
		cmocka_unit_test(main_mode_messages_are_read),
		cmocka_unit_test(nat_d_of_the_vector),
		cmocka_unit_test(quick_modes_are_recomputed),
		cmocka_unit_test(informational_messages_are_recomputed),
		cmocka_unit_test(vendor_ids_are_known),
		cmocka_unit_test(nat_d_for_every_hash),
		cmocka_unit_test(cipher_keys_are_expanded),
		cmocka_unit_test(cavs_sample_and_long_psk),
		cmocka_unit_test(groups_agree),
		cmocka_unit_test(recording_of_softether),
		cmocka_unit_test(recording_of_strongswan),
	};

	return cmocka_run_group_tests(tests, make_env, free_env);
}

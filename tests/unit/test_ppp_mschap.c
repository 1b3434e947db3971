/* MS-CHAPv2's arithmetic and messages against tests/vectors/mschap.txt. */
#include "ppp_script.h"

#define RFC2759 "RFC 2759 section 9.2"

static void the_nt_hash_is_the_rfcs(void **state)
{
	struct vectors *v = vectors_open("mschap.txt");
	struct env *env = test_env_new(1);
	uint8_t hash[NT_HASH];

	(void)state;
	assert_true(nt_hash(env->crypto, vec(v, RFC2759, "password"), hash));
	assert_slice(slice(hash, NT_HASH), vec(v, RFC2759, "nt_hash"));
	assert_true(nt_hash(env->crypto, vec(v, "non-ASCII", "password_utf8"), hash));
	assert_slice(slice(hash, NT_HASH), vec(v, "non-ASCII", "nt_hash"));
	assert_true(nt_hash(env->crypto, vec(v, "non-BMP", "password_utf8"), hash));
	assert_slice(slice(hash, NT_HASH), vec(v, "non-BMP", "nt_hash"));
	assert_true(nt_hash(env->crypto, slice_str("MyPw"), hash));
	assert_slice(slice(hash, NT_HASH), vec(v, "RFC 2759 section 9.3", "nt_hash_MyPw"));
	test_env_free(env);
	vectors_close(v);
}

static void what_is_not_utf8_has_no_hash(void **state)
{
	static const char *const bad[] = {"80", "c3", "c328", "c080", "e282", "e0809f", "eda080",
		"f08080af", "f4908080", "f8888080", "ff", "61e2", "f09f98"};
	struct env *env = test_env_new(1);
	uint8_t hash[NT_HASH], octets[257];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(nt_hash(env->crypto, hex(bad[i]), hash));
	memset(octets, 'x', sizeof(octets));
	assert_true(nt_hash(env->crypto, slice(octets, 256), hash));
	assert_false(nt_hash(env->crypto, slice(octets, 257), hash));
	assert_true(nt_hash(env->crypto, slice(NULL, 0), hash));
	test_env_free(env);
}

/* The vector has odd parity in the low bits, which DES ignores and we leave 0. */
static void des_keys_are_the_rfcs(void **state)
{
	static const char *const names[][2] = {{"raw7_1", "des_key_1"}, {"raw7_2", "des_key_2"}};
	struct vectors *v = vectors_open("mschap.txt");

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct slice want = vec(v, "RFC 2759 section 9.3", names[i][1]);
		uint8_t key[8];

		mschap_des_key(vec(v, "RFC 2759 section 9.3", names[i][0]).p, key);
		assert_int_equal(want.n, 8);
		for (size_t k = 0; k < 8; k++)
			assert_int_equal(key[k], want.p[k] & 0xfe);
	}
	vectors_close(v);
}

static void responses_and_proof_are_the_rfcs(void **state)
{
	struct vectors *v = vectors_open("mschap.txt");
	struct env *env = test_env_new(1);
	const uint8_t *hash = vec(v, RFC2759, "nt_hash").p;
	uint8_t both[MSCHAP_CHALLENGE], response[MSCHAP_RESPONSE], proof[MSCHAPV2_PROOF];

	(void)state;
	assert_true(mschapv2_challenge_hash(env->crypto, vec(v, RFC2759, "peer_challenge").p,
		vec(v, RFC2759, "authenticator_challenge").p, vec(v, RFC2759, "user"), both));
	assert_slice(slice(both, sizeof(both)), vec(v, RFC2759, "challenge_hash"));
	assert_true(mschap_response(env->crypto, both, hash, response));
	assert_slice(slice(response, sizeof(response)), vec(v, RFC2759, "nt_response"));
	assert_true(mschapv2_proof(env->crypto, hash, response, both, proof));
	assert_slice(slice(proof, sizeof(proof)), vec(v, RFC2759, "authenticator_response"));

	assert_true(
		mschap_response(env->crypto, vec(v, "MS-CHAPv1", "challenge").p, hash, response));
	assert_slice(slice(response, sizeof(response)), vec(v, "MS-CHAPv1", "nt_response"));
	test_env_free(env);
	vectors_close(v);
}

static void a_domain_is_left_out_of_the_hash_only(void **state)
{
	struct vectors *v = vectors_open("mschap.txt");
	struct env *env = test_env_new(1);
	const uint8_t *peer = vec(v, RFC2759, "peer_challenge").p;
	const uint8_t *server = vec(v, RFC2759, "authenticator_challenge").p;
	uint8_t both[MSCHAP_CHALLENGE], other[MSCHAP_CHALLENGE];

	(void)state;
	assert_true(mschapv2_challenge_hash(
		env->crypto, peer, server, vec(v, "domain", "name_on_wire"), both));
	assert_slice(slice(both, sizeof(both)), vec(v, "domain", "challenge_hash"));
	assert_true(mschapv2_challenge_hash(
		env->crypto, peer, server, slice_str("User@example.com"), other));
	assert_memory_not_equal(both, other, sizeof(both)); /* a realm stays */
	test_env_free(env);
	vectors_close(v);
}

/* A source of randomness that gives what the vector's client rolled. */
static void loaded_dice(void *ctx, void *to, size_t n)
{
	const struct slice *octets = ctx;

	assert_int_equal(n, octets->n);
	memcpy(to, octets->p, n);
}

static void the_packets_are_the_vectors(void **state)
{
	struct vectors *v = vectors_open("mschap.txt");
	struct ppp_conf conf = script_conf();
	conf.user = vec(v, RFC2759, "user");
	struct script s = script_with(conf);
	struct slice peer = vec(v, RFC2759, "peer_challenge");
	void (*rng)(void *, void *, size_t) = s.env->rng;
	void *ctx = s.env->ctx;
	uint8_t frame[256];

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	s.env->rng = loaded_dice;
	s.env->ctx = &peer;
	for (int i = 0; i < 2; i++) {
		struct wr w = wr_of(frame, sizeof(frame));

		wr_u16(&w, PPP_CHAP); /* the form without ff 03 */
		wr_put(&w, i ? vec(v, RFC2759, "packet_success")
			     : vec(v, RFC2759, "packet_challenge_id_7_name_srv"));
		say_frame(&s, wr_slice(&w));
		s.env->rng = rng;
		s.env->ctx = ctx;
		if (i)
			continue;
		struct pkt *answer = take(&s.out.down);
		assert_true(pkt_pull(answer, PPP_HEADER));
		assert_slice(pkt_slice(answer), vec(v, RFC2759, "packet_response"));
		pkt_free(answer);
	}
	assert_true(status_of(&s).authenticated);
	assert_string_equal(status_of(&s).message, "Welcome");
	expect(&s, PPP_IPCP, PPP_CONF_REQ);
	script_end(&s);
	vectors_close(v);
}

static void the_failure_packet_is_read(void **state)
{
	struct vectors *v = vectors_open("mschap.txt");
	struct slice packet = vec(v, RFC2759, "packet_failure");
	struct script s = script_new();

	(void)state;
	open_lcp(&s, auth_mschapv2_option);
	say_challenge(&s, packet.p[1], challenge_16);
	expect(&s, PPP_CHAP, CHAP_RESPONSE);
	say(&s, PPP_CHAP, CHAP_FAILURE, packet.p[1], slice(packet.p + 4, packet.n - 4));
	struct reason r = expect_failure(&s, REASON_PPP_AUTH_REFUSED);
	expect_evidence(&r, "E=691 \"Authentication failure\"");
	script_end(&s);
	vectors_close(v);
}

static void chap_md5_is_the_vectors(void **state)
{
	struct vectors *v = vectors_open("mschap.txt");
	struct ppp_conf conf = script_conf();
	conf.auth = PPP_AUTH_CHAP_MD5;
	conf.password = vec(v, "CHAP MD5", "secret");
	struct script s = script_with(conf);

	(void)state;
	open_lcp(&s, "0305c22305");
	say_challenge(&s, 7, "e967f8b8beae64c7c741fd18a4e706e9");
	struct sent got = expect(&s, PPP_CHAP, CHAP_RESPONSE);
	assert_int_equal(got.id, 7);
	assert_int_equal(got.data[0], 16);
	assert_slice(slice(got.data + 1, 16), vec(v, "CHAP MD5", "response"));
	assert_slice(slice(got.data + 17, got.n - 17), slice_str("EXAMPLE\\User"));
	script_end(&s);
	vectors_close(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nt_hash_is_the_rfcs),
		cmocka_unit_test(what_is_not_utf8_has_no_hash),
		cmocka_unit_test(des_keys_are_the_rfcs),
		cmocka_unit_test(responses_and_proof_are_the_rfcs),
		cmocka_unit_test(a_domain_is_left_out_of_the_hash_only),
		cmocka_unit_test(the_packets_are_the_vectors),
		cmocka_unit_test(the_failure_packet_is_read),
		cmocka_unit_test(chap_md5_is_the_vectors),
	};
	return cmocka_run_group_tests(tests, script_setup, script_teardown);
}

/* SAs of the kernel as messages: what is asked for, and what is taken for it when read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include "esp/xfrm.h"
#include "esp/xfrm_msg.h"

enum { REQID = 77, SPI_IN = 0xc0ffee01, SPI_OUT = 0xfeed0002 };

static const struct kernel_names {
	struct esp_suite suite;
	const char *cipher, *auth; /* auth NULL: one algorithm does both */
	unsigned key_bits, auth_bits, icv_bits;
} table[] = {
	{{ESP_AES_CBC, 16, HASH_SHA1, 12}, "cbc(aes)", "hmac(sha1)", 128, 160, 96},
	{{ESP_AES_CBC, 32, HASH_SHA256, 16}, "cbc(aes)", "hmac(sha256)", 256, 256, 128},
	{{ESP_AES_CBC, 32, HASH_SHA256, 12}, "cbc(aes)", "hmac(sha256)", 256, 256, 96},
	{{ESP_AES_CBC, 24, HASH_SHA384, 24}, "cbc(aes)", "hmac(sha384)", 192, 384, 192},
	{{ESP_AES_CBC, 32, HASH_SHA512, 32}, "cbc(aes)", "hmac(sha512)", 256, 512, 256},
	{{ESP_3DES, 24, HASH_MD5, 12}, "cbc(des3_ede)", "hmac(md5)", 192, 128, 96},
	{{ESP_AES_GCM, 16, HASH_SHA1, 16}, "rfc4106(gcm(aes))", NULL, 160, 0, 128},
	{{ESP_AES_GCM, 32, HASH_SHA1, 16}, "rfc4106(gcm(aes))", NULL, 288, 0, 128},
};
enum { SUITES = sizeof(table) / sizeof(table[0]) };

static struct sa_pair pair_of(const struct esp_suite *suite, enum lane lane)
{
	struct sa_pair pair = {
		.suite = *suite,
		.in = {.spi = SPI_IN},
		.out = {.spi = SPI_OUT},
		.lane = lane,
		.local = {ip_v4(0xc000020a), 4500},
		.remote = {ip_v4(0xc6336401), 4501},
		.local_port = 1701,
		.remote_port = 1701,
	};

	for (size_t i = 0; i < ESP_KEY_MAX; i++) {
		pair.in.key[i] = (uint8_t)(i + 1);
		pair.out.key[i] = (uint8_t)(i + 101);
	}
	for (size_t i = 0; i < ESP_AUTH_KEY_MAX; i++) {
		pair.in.auth[i] = (uint8_t)(i + 51);
		pair.out.auth[i] = (uint8_t)(i + 151);
	}
	return pair;
}

struct asked {
	struct sa_pair pair;
	struct xfrm_sa sa;
	struct nl_msg *m;
	struct nlmsghdr *h;
	struct nlattr *attrs[XFRMA_MAX + 1];
	struct xfrm_usersa_info *info;
};

static void ask(struct asked *a, const struct esp_suite *suite, enum lane lane, enum xfrm_way way)
{
	a->pair = pair_of(suite, lane);
	a->sa = (struct xfrm_sa){&a->pair, way, REQID};
	a->m = xfrm_msg_add_sa(&a->sa);
	assert_non_null(a->m);
	a->h = nlmsg_hdr(a->m);
	a->info = nlmsg_data(a->h);
	assert_int_equal(nlmsg_parse(a->h, sizeof(*a->info), a->attrs, XFRMA_MAX, NULL), 0);
}

static void algorithms_have_the_kernels_names_and_our_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < SUITES; i++) {
		const struct kernel_names *t = &table[i];
		struct asked a;

		ask(&a, &t->suite, LANE_RAW, XFRM_IN);
		if (t->auth) {
			struct xfrm_algo *crypt = nla_data(a.attrs[XFRMA_ALG_CRYPT]);
			struct xfrm_algo_auth *auth = nla_data(a.attrs[XFRMA_ALG_AUTH_TRUNC]);

			assert_null(a.attrs[XFRMA_ALG_AEAD]);
			assert_string_equal(crypt->alg_name, t->cipher);
			assert_int_equal(crypt->alg_key_len, t->key_bits);
			assert_memory_equal(crypt->alg_key, a.pair.in.key, t->key_bits / 8);
			assert_string_equal(auth->alg_name, t->auth);
			assert_int_equal(auth->alg_key_len, t->auth_bits);
			assert_int_equal(auth->alg_trunc_len, t->icv_bits);
			assert_memory_equal(auth->alg_key, a.pair.in.auth, t->auth_bits / 8);
		} else {
			struct xfrm_algo_aead *aead = nla_data(a.attrs[XFRMA_ALG_AEAD]);

			assert_null(a.attrs[XFRMA_ALG_CRYPT]);
			assert_null(a.attrs[XFRMA_ALG_AUTH_TRUNC]);
			assert_string_equal(aead->alg_name, t->cipher);
			assert_int_equal(aead->alg_key_len, t->key_bits);
			assert_int_equal(aead->alg_icv_len, t->icv_bits);
			assert_memory_equal(aead->alg_key, a.pair.in.key, t->key_bits / 8);
		}
		xfrm_msg_free(a.m);
	}
}

static void each_way_has_its_spi_its_addresses_and_our_port(void **state)
{
	struct asked in, out;

	(void)state;
	ask(&in, &table[0].suite, LANE_NATT, XFRM_IN);
	ask(&out, &table[0].suite, LANE_NATT, XFRM_OUT);
	assert_int_equal(ntohl(in.info->id.spi), SPI_IN);
	assert_int_equal(ntohl(out.info->id.spi), SPI_OUT);
	assert_int_equal(ntohl(in.info->saddr.a4), 0xc6336401);
	assert_int_equal(ntohl(in.info->id.daddr.a4), 0xc000020a);
	assert_int_equal(ntohl(out.info->saddr.a4), 0xc000020a);
	assert_int_equal(ntohl(out.info->id.daddr.a4), 0xc6336401);
	assert_int_equal(ntohs(in.info->sel.dport), 1701);
	assert_int_equal(in.info->sel.dport_mask, 0xffff);
	assert_int_equal(in.info->sel.sport_mask, 0); /* the gateway may answer from another */
	assert_int_equal(ntohs(out.info->sel.sport), 1701);
	assert_int_equal(out.info->sel.dport_mask, 0);
	struct xfrm_encap_tmpl *e = nla_data(in.attrs[XFRMA_ENCAP]);
	assert_int_equal(ntohs(e->encap_sport), 4501);
	assert_int_equal(ntohs(e->encap_dport), 4500);
	e = nla_data(out.attrs[XFRMA_ENCAP]);
	assert_int_equal(ntohs(e->encap_sport), 4500);
	assert_int_equal(ntohs(e->encap_dport), 4501);
	xfrm_msg_free(in.m);
	xfrm_msg_free(out.m);
}

static void an_sa_has_a_reqid_and_a_window(void **state)
{
	struct asked a;

	(void)state;
	ask(&a, &table[0].suite, LANE_RAW, XFRM_IN);
	struct xfrm_replay_state_esn *esn = nla_data(a.attrs[XFRMA_REPLAY_ESN_VAL]);
	assert_int_equal(a.info->mode, XFRM_MODE_TRANSPORT);
	assert_int_equal(a.info->reqid, REQID);
	assert_int_equal(esn->replay_window, 1024);
	assert_int_equal(esn->bmp_len * 32, 1024);
	assert_null(a.attrs[XFRMA_ENCAP]);
	xfrm_msg_free(a.m);
}

/* Of 2^32 numbers 0 is none; RFC 4303, 2.2. With the wall clock set the kernel would drop an SA whose
 * time is limited. */
static void an_sa_asks_in_time_and_ends_with_its_numbers_and_never_by_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < SUITES; i++)
		for (enum xfrm_way way = XFRM_IN; way <= XFRM_OUT; way++) {
			struct asked a;

			ask(&a, &table[i].suite, LANE_RAW, way);
			const struct xfrm_lifetime_cfg *lft = &a.info->lft;
			assert_int_equal(lft->soft_packet_limit, 0x80000000);
			assert_int_equal(lft->hard_packet_limit, 0xffffffff);
			assert_int_equal(lft->soft_byte_limit,
				table[i].suite.cipher == ESP_3DES ? 939524096 : XFRM_INF);
			assert_int_equal(lft->hard_byte_limit, XFRM_INF);
			assert_int_equal(lft->soft_add_expires_seconds, 0);
			assert_int_equal(lft->hard_add_expires_seconds, 0);
			assert_int_equal(lft->soft_use_expires_seconds, 0);
			assert_int_equal(lft->hard_use_expires_seconds, 0);
			xfrm_msg_free(a.m);
		}
}

/* Is every octet of these counted when the SA is read back? */
static void flip_each(struct asked *a, void *at, size_t n, const char *what)
{
	uint8_t *octets = at;

	for (size_t i = 0; i < n; i++) {
		octets[i] ^= 0x40;
		if (xfrm_msg_is_sa(a->h, &a->sa))
			fail_msg("octet %zu of %s does not count", i, what);
		octets[i] ^= 0x40;
	}
	assert_true(xfrm_msg_is_sa(a->h, &a->sa));
}

static void an_sa_read_back_is_ours_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < SUITES; i++) {
		struct asked a;

		ask(&a, &table[i].suite, LANE_NATT, XFRM_OUT);
		flip_each(&a, &a.info->sel, sizeof(a.info->sel), "the selector");
		flip_each(&a, &a.info->id.daddr, sizeof(a.info->id.daddr), "the address");
		flip_each(&a, &a.info->id.spi, sizeof(a.info->id.spi), "the SPI");
		flip_each(&a, &a.info->saddr, sizeof(a.info->saddr), "the source");
		flip_each(&a, &a.info->lft, sizeof(a.info->lft), "the limits");
		flip_each(&a, &a.info->reqid, sizeof(a.info->reqid), "the reqid");
		flip_each(&a, &a.info->mode, sizeof(a.info->mode), "the mode");
		for (int type = XFRMA_ALG_CRYPT; type <= XFRMA_ALG_AUTH_TRUNC; type++)
			if (a.attrs[type] && type != XFRMA_ENCAP)
				flip_each(&a, nla_data(a.attrs[type]),
					(size_t)nla_len(a.attrs[type]), "an algorithm");
		struct xfrm_encap_tmpl *e = nla_data(a.attrs[XFRMA_ENCAP]);
		flip_each(&a, e, 3 * sizeof(uint16_t), "the encapsulation"); /* type, ports */
		xfrm_msg_free(a.m);
	}
}

static void an_sa_without_encapsulation_is_no_sa_with_it(void **state)
{
	struct asked raw, natt;

	(void)state;
	ask(&raw, &table[0].suite, LANE_RAW, XFRM_IN);
	ask(&natt, &table[0].suite, LANE_NATT, XFRM_IN);
	assert_true(xfrm_msg_is_sa(raw.h, &raw.sa));
	assert_false(xfrm_msg_is_sa(natt.h, &raw.sa));
	assert_false(xfrm_msg_is_sa(raw.h, &natt.sa));
	xfrm_msg_free(raw.m);
	xfrm_msg_free(natt.m);
}

static void messages_of_any_length_are_safe(void **state)
{
	struct xfrm_sa_state st;
	struct asked a;

	(void)state;
	ask(&a, &table[0].suite, LANE_RAW, XFRM_OUT);
	for (uint32_t n = NLMSG_HDRLEN; n < a.h->nlmsg_len; n++) {
		uint32_t whole = a.h->nlmsg_len;

		a.h->nlmsg_len = n;
		assert_false(xfrm_msg_is_sa(a.h, &a.sa));
		assert_int_equal(
			xfrm_msg_state(a.h, &st), n >= NLMSG_LENGTH(sizeof(*a.info)) ? 1 : 0);
		a.h->nlmsg_len = whole;
	}
	assert_true(xfrm_msg_state(a.h, &st));
	assert_int_equal(st.spi, SPI_OUT);
	assert_int_equal(st.reqid, REQID);
	xfrm_msg_free(a.m);
}

/* What the kernel says is all that is left of them. */
static void keys_are_read_from_what_the_kernel_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < SUITES; i++)
		for (enum xfrm_way way = XFRM_IN; way <= XFRM_OUT; way++) {
			const struct esp_suite *suite = &table[i].suite;
			struct esp_half half = {0}, *is;
			struct asked a;

			ask(&a, suite, LANE_NATT, way);
			is = way == XFRM_IN ? &a.pair.in : &a.pair.out;
			assert_true(xfrm_msg_keys(a.h, suite, &half));
			assert_memory_equal(half.key, is->key, table[i].key_bits / 8);
			assert_memory_equal(half.auth, is->auth, table[i].auth_bits / 8);
			for (size_t other = 0; other < SUITES; other++)
				assert_int_equal(xfrm_msg_keys(a.h, &table[other].suite, &half),
					table[other].key_bits == table[i].key_bits &&
						table[other].auth_bits == table[i].auth_bits);
			for (a.h->nlmsg_len -= 4; a.h->nlmsg_len >= NLMSG_HDRLEN;
				a.h->nlmsg_len -= 4)
				if (a.h->nlmsg_len < NLMSG_LENGTH(sizeof(*a.info)))
					assert_false(xfrm_msg_keys(a.h, suite, &half));
			xfrm_msg_free(a.m);
		}
}

static void a_change_is_no_addition(void **state)
{
	struct asked a;

	(void)state;
	ask(&a, &table[0].suite, LANE_NATT, XFRM_OUT);
	struct nl_msg *m = xfrm_msg_update_sa(&a.sa);
	struct nlmsghdr *h = nlmsg_hdr(m);
	assert_int_equal(h->nlmsg_type, XFRM_MSG_UPDSA);
	assert_int_equal(h->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_int_equal(h->nlmsg_len, a.h->nlmsg_len);
	assert_memory_equal(nlmsg_data(h), nlmsg_data(a.h), h->nlmsg_len - NLMSG_HDRLEN);
	xfrm_msg_free(m);
	xfrm_msg_free(a.m);
}

static void a_socket_without_a_reqid_is_not_protected(void **state)
{
	(void)state;
	assert_int_equal(xfrm_protect(-1, FAMILY_IPV4, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(algorithms_have_the_kernels_names_and_our_keys),
		cmocka_unit_test(each_way_has_its_spi_its_addresses_and_our_port),
		cmocka_unit_test(an_sa_has_a_reqid_and_a_window),
		cmocka_unit_test(an_sa_asks_in_time_and_ends_with_its_numbers_and_never_by_time),
		cmocka_unit_test(an_sa_read_back_is_ours_or_not),
		cmocka_unit_test(an_sa_without_encapsulation_is_no_sa_with_it),
		cmocka_unit_test(messages_of_any_length_are_safe),
		cmocka_unit_test(keys_are_read_from_what_the_kernel_says),
		cmocka_unit_test(a_change_is_no_addition),
		cmocka_unit_test(a_socket_without_a_reqid_is_not_protected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

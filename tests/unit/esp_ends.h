/* Two user planes with the same keys, ours and the peer's, and what the tests of esp/ do with them. */
#pragma once

#include "tests/vectors/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto_esp.h"
#include "esp/esp_sa.h"

static const struct esp_suite suites[] = {
	{ESP_AES_CBC, 16, HASH_SHA1, 12},
	{ESP_AES_CBC, 32, HASH_SHA1, 12},
	{ESP_AES_CBC, 24, HASH_MD5, 12},
	{ESP_AES_CBC, 32, HASH_SHA256, 16},
	{ESP_AES_CBC, 32, HASH_SHA256, 12},
	{ESP_AES_CBC, 32, HASH_SHA384, 24},
	{ESP_AES_CBC, 32, HASH_SHA512, 32},
	{ESP_3DES, 24, HASH_SHA1, 12},
	{ESP_3DES, 24, HASH_MD5, 12},
	{ESP_AES_GCM, 16, HASH_MD4, 16},
	{ESP_AES_GCM, 32, HASH_MD4, 16},
};

enum { SUITES = sizeof(suites) / sizeof(suites[0]) };

static const struct esp_suite sha1 = {ESP_AES_CBC, 16, HASH_SHA1, 12};
static const struct esp_suite gcm = {ESP_AES_GCM, 16, HASH_MD4, 16};

/* Us, and the peer with the same keys the other way round. */
struct ends {
	struct env *env;
	struct esp *us;
	struct esp *peer;
};

static inline int ends_setup(void **state)
{
	struct ends *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->env = test_env_new(3);
	e->us = esp_new(e->env);
	e->peer = esp_new(e->env);
	assert_non_null(e->us);
	assert_non_null(e->peer);
	*state = e;
	return 0;
}

static inline int ends_teardown(void **state)
{
	struct ends *e = *state;

	esp_free(e->us);
	esp_free(e->peer);
	test_env_free(e->env);
	free(e);
	return 0;
}

static inline struct sa_pair new_pair(
	const struct env *env, const struct esp_suite *suite, uint32_t spi_in, uint32_t spi_out)
{
	struct sa_pair pair = {
		.suite = *suite,
		.in.spi = spi_in,
		.out.spi = spi_out,
		.lane = LANE_NATT,
		.local = {ip_v4(0xc0000202), 4500},
		.remote = {ip_v4(0xc6336401), 4500},
		.local_port = L2TP_PORT,
		.remote_port = L2TP_PORT,
	};

	env_random(env, pair.in.key, sizeof(pair.in.key));
	env_random(env, pair.in.auth, sizeof(pair.in.auth));
	env_random(env, pair.out.key, sizeof(pair.out.key));
	env_random(env, pair.out.auth, sizeof(pair.out.auth));
	return pair;
}

static inline struct sa_pair mirror(const struct sa_pair *pair)
{
	struct sa_pair m = *pair;

	m.in = pair->out;
	m.out = pair->in;
	m.local = pair->remote;
	m.remote = pair->local;
	m.local_port = pair->remote_port;
	m.remote_port = pair->local_port;
	return m;
}

static inline void install_and_use(struct esp *esp, const struct sa_pair *pair)
{
	assert_int_equal(esp_install(esp, pair, 1000), 0);
	esp_use(esp, pair->in.spi);
}

static inline struct sa_pair connect_ends(struct ends *e, const struct esp_suite *suite)
{
	struct sa_pair pair = new_pair(e->env, suite, 0x1001, 0x2002), m = mirror(&pair);

	install_and_use(e->us, &pair);
	install_and_use(e->peer, &m);
	return pair;
}

static inline void put(struct ends *e, struct pktq *q, struct slice s)
{
	struct pkt *p = pkt_of(e->env->pool, s);

	assert_non_null(p);
	pktq_put(q, p);
}

/* A payload of n octets that says which one it is. */
static inline void put_numbered(struct ends *e, struct pktq *q, uint32_t number, size_t n)
{
	uint8_t octets[1600];

	memset(octets, 0x5a, n);
	if (n >= 4)
		put_u32(octets, number);
	put(e, q, slice(octets, n));
}

static inline struct io send_from(struct esp *esp, struct pktq *q)
{
	struct io out = {0};

	esp_send(esp, q, 2000, &out);
	assert_int_equal(q->count, 0);
	assert_int_equal(out.up.count, 0);
	return out;
}

static inline struct io recv_at(struct esp *esp, struct pktq *q)
{
	struct io out = {0};

	esp_recv(esp, q, 3000, &out);
	assert_int_equal(q->count, 0);
	assert_int_equal(out.down.count, 0);
	return out;
}

/* How many packets come out of `esp` for one ESP packet. */
static inline size_t delivered(struct ends *e, struct esp *esp, struct slice packet)
{
	struct pktq q = {0};
	struct io out;
	size_t n;

	put(e, &q, packet);
	out = recv_at(esp, &q);
	n = out.up.count;
	pktq_free(&out.up);
	return n;
}

/* One L2TP packet through the peer's sealing: the ESP packet that reaches us. */
static inline struct pkt *sealed_by_peer(struct ends *e, size_t n)
{
	struct pktq q = {0};
	struct io out;

	put_numbered(e, &q, 1, n);
	out = send_from(e->peer, &q);
	assert_int_equal(out.down.count, 1);
	return pktq_take(&out.down);
}

static inline struct esp_counters counted_in(const struct esp *esp)
{
	struct esp_counters in, out;

	esp_get_totals(esp, &in, &out);
	return in;
}

static inline struct esp_counters counted_out(const struct esp *esp)
{
	struct esp_counters in, out;

	esp_get_totals(esp, &in, &out);
	return out;
}

static inline uint64_t refused(const struct esp_counters *c)
{
	return c->icv_bad + c->replayed + c->malformed + c->no_sa;
}

/* An authentic packet with any text: what only the peer itself could send. */
static inline size_t deliver_text(
	struct ends *e, const struct sa_pair *pair, uint32_t seq, const uint8_t *text, size_t n)
{
	struct crypto_esp *seal = crypto_esp_new(
		e->env->crypto, &pair->suite, pair->in.key, pair->in.auth, CRYPTO_ESP_SEAL);
	uint8_t packet[256] = {0};
	size_t head = CRYPTO_ESP_HEAD + esp_iv_len(&pair->suite);
	struct crypto_esp_job job = {.packet = packet, .len = head + n + pair->suite.icv_len};
	size_t got;

	put_u32(packet, pair->in.spi);
	put_u32(packet + 4, seq);
	memcpy(packet + head, text, n);
	crypto_esp_seal(seal, &job, 1);
	assert_int_equal(job.result, CRYPTO_ESP_OK);
	got = delivered(e, e->us, slice(packet, job.len));
	crypto_esp_free(seal);
	return got;
}

/* UDP 1701 -> 1701 of 12 octets, two of padding, trailer: 16 octets, one AES block. */
static const uint8_t good_text[16] = {
	6, 165, 6, 165, 0, 12, 0xbe, 0xef, 'l', '2', 't', 'p', 1, 2, 2, 17};

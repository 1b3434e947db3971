/* Inbound ESP. The first octet chooses the suite, records follow: forged packets as they stand, or
 * (odd first octet) text that is sealed with the right keys, to get behind the ICV. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/crypto_esp.h"
#include "esp/esp.h"

enum { SPI = 0xc0ffee01, TEXT_MAX = 1400 };

static const struct esp_suite suites[] = {
	{.cipher = ESP_AES_CBC, .key_len = 32, .auth = HASH_SHA1, .icv_len = 12},
	{.cipher = ESP_AES_CBC, .key_len = 16, .auth = HASH_SHA256, .icv_len = 16},
	{.cipher = ESP_3DES, .key_len = 24, .auth = HASH_SHA1, .icv_len = 12},
	{.cipher = ESP_AES_GCM, .key_len = 16, .icv_len = 16},
};

/* A packet on `pair`'s inbound SA with this text, cut to what the cipher's block allows. */
static struct pkt *sealed(
	const struct env *env, const struct sa_pair *pair, uint32_t seq, struct slice text)
{
	struct pkt *p = pkt_new(env->pool, PKT_SMALL - PKT_ROOM);
	size_t iv = esp_iv_len(&pair->suite), n = text.n < TEXT_MAX ? text.n : TEXT_MAX;
	struct crypto_esp_job job;

	fuzz_require(p);
	n -= n % esp_align(&pair->suite);
	struct wr w = pkt_wr(p);
	wr_u32(&w, pair->in.spi);
	wr_u32(&w, seq);
	wr_zero(&w, iv);
	wr_put(&w, slice(text.p, n));
	wr_zero(&w, pair->suite.icv_len);
	fuzz_require(pkt_wrote(p, &w));

	struct crypto_esp *seal = crypto_esp_new(
		env->crypto, &pair->suite, pair->in.key, pair->in.auth, CRYPTO_ESP_SEAL);
	fuzz_require(seal);
	job = (struct crypto_esp_job){.packet = p->data, .len = p->len};
	crypto_esp_seal(seal, &job, 1);
	crypto_esp_free(seal);
	return p;
}

static void run(
	const struct env *env, struct esp *esp, const struct sa_pair *pair, struct rd *records)
{
	struct slice record;
	struct pktq in = {0};
	struct io out = {0};
	uint32_t seq = 0;

	while (in.count < PKT_BATCH && fuzz_next(records, &record)) {
		struct rd r = rd_of(record);
		uint8_t how = rd_u8(&r);

		seq += how >> 1;
		struct pkt *p = how & 1 ? sealed(env, pair, seq, rd_rest(&r))
					: pkt_of(env->pool, rd_rest(&r));
		fuzz_require(p);
		p->lane = LANE_NATT;
		pktq_put(&in, p);
	}
	esp_recv(esp, &in, 1000, &out);
	fuzz_require(in.count == 0 && out.down.count == 0);
	pktq_free(&out.up);
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct rd r = rd_of(input);
	struct sa_pair pair = {.suite = suites[rd_u8(&r) % 4],
		.in.spi = SPI,
		.out.spi = SPI + 1,
		.lane = LANE_NATT,
		.local_port = L2TP_PORT,
		.remote_port = L2TP_PORT,
		.life_s = 3600};

	pair.local = (struct addr){.ip = ip_v4(0xc6336402), .port = 4500};
	pair.remote = (struct addr){.ip = ip_v4(0xc6336401), .port = 4500};
	memset(pair.in.key, 0x11, sizeof(pair.in.key));
	memset(pair.in.auth, 0x22, sizeof(pair.in.auth));
	memset(pair.out.key, 0x33, sizeof(pair.out.key));
	struct esp *esp = esp_new(env);
	fuzz_require(esp);
	if (esp_install(esp, &pair, 0) == 0)
		run(env, esp, &pair, &r);
	esp_free(esp);
}

/* How fast ESP is: Gbit/s of payload, sealed and opened, one core, 1400-octet packets.
 *
 * "raw" is OpenSSL by itself on the same suite, one packet at a time with preset keys: what a data
 * plane without batches would reach. The columns behind it are the user plane through its
 * interface, framing, padding, replay window and all, in batches of 1 and of 32; the ratio is that
 * of the batch of 32 to raw. Each figure is the best of ROUNDS rounds, taken in turn, since the
 * machine may have other work. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/crypto_esp.h"
#include "esp/esp.h"

enum { PAYLOAD = 1400, BATCH = 32, ROUNDS = 5, PACKETS = 16384, PACKETS_3DES = 1024 };

static const struct esp_suite suites[] = {
	{ESP_AES_GCM, 16, HASH_MD4, 16},
	{ESP_AES_GCM, 32, HASH_MD4, 16},
	{ESP_AES_CBC, 16, HASH_SHA1, 12},
	{ESP_AES_CBC, 32, HASH_SHA1, 12},
	{ESP_AES_CBC, 16, HASH_SHA256, 16},
	{ESP_AES_CBC, 32, HASH_SHA256, 16},
	{ESP_AES_CBC, 32, HASH_SHA512, 32},
	{ESP_3DES, 24, HASH_SHA1, 12},
};

enum { SUITES = sizeof(suites) / sizeof(suites[0]) };

enum column { RAW, ONE, MANY, COLUMNS };
enum way { SEAL, OPEN, WAYS };

struct bench {
	struct env env;
	struct crypto *raw; /* a door without the multi-buffer library */
	struct sa_pair pair;
	unsigned packets;
	double best[WAYS][COLUMNS];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* xorshift: cheap, so that it is the cipher that is measured. */
static void fast_rng(void *ctx, void *to, size_t n)
{
	uint64_t *x = ctx;

	for (uint8_t *at = to; n > 0;) {
		size_t part = n < sizeof(*x) ? n : sizeof(*x);

		*x ^= *x << 13;
		*x ^= *x >> 7;
		*x ^= *x << 17;
		memcpy(at, x, part);
		at += part;
		n -= part;
	}
}

static void *or_die(void *p)
{
	if (!p) {
		fputs("bench_esp: out of memory, or OpenSSL cannot be set up\n", stderr);
		exit(1);
	}
	return p;
}

static void note(struct bench *b, enum way way, enum column column, double seconds)
{
	double gbit = 8.0 * PAYLOAD * b->packets / seconds / 1e9;

	if (gbit > b->best[way][column])
		b->best[way][column] = gbit;
}

/* ---- OpenSSL by itself ---- */

static double run_raw(struct bench *b, enum crypto_esp_way way, uint8_t *packet, size_t len)
{
	const struct esp_half *half = &b->pair.out;
	struct crypto_esp *e =
		or_die(crypto_esp_new(b->raw, &b->pair.suite, half->key, half->auth, way));
	uint8_t *sealed = or_die(malloc(len));
	double start, spent;

	memcpy(sealed, packet, len);
	start = now();
	for (unsigned i = 0; i < b->packets; i++) {
		struct crypto_esp_job job = {.packet = packet, .len = len};

		if (way == CRYPTO_ESP_SEAL) {
			crypto_esp_seal(e, &job, 1);
		} else {
			memcpy(packet, sealed, len);
			crypto_esp_open(e, &job, 1);
		}
		if (job.result != CRYPTO_ESP_OK)
			abort();
	}
	spent = now() - start;
	free(sealed);
	crypto_esp_free(e);
	return spent;
}

static void measure_raw(struct bench *b)
{
	const struct esp_suite *s = &b->pair.suite;
	size_t align = esp_align(s);
	size_t text = (8 + PAYLOAD + 2 + align - 1) / align * align;
	size_t len = CRYPTO_ESP_HEAD + esp_iv_len(s) + text + s->icv_len;
	uint8_t *packet = or_die(calloc(1, len));

	note(b, SEAL, RAW, run_raw(b, CRYPTO_ESP_SEAL, packet, len));
	note(b, OPEN, RAW, run_raw(b, CRYPTO_ESP_OPEN, packet, len));
	free(packet);
}

/* ---- the user plane ---- */

static struct esp *plane(struct bench *b, const struct sa_pair *pair)
{
	struct esp *esp = or_die(esp_new(&b->env));

	if (esp_install(esp, pair, 0) != 0)
		abort();
	esp_use(esp, pair->in.spi);
	return esp;
}

/* Batches go from one plane to the other; only the time inside esp_send and esp_recv counts. */
static void measure_plane(struct bench *b, enum column column, unsigned batch)
{
	struct sa_pair far = b->pair;
	struct esp *us, *peer;
	double spent[WAYS] = {0};

	far.in = b->pair.out;
	far.out = b->pair.in;
	us = plane(b, &b->pair);
	peer = plane(b, &far);
	for (unsigned done = 0; done < b->packets; done += batch) {
		struct pktq q = {0};
		struct io sealed = {0}, opened = {0};
		double start;

		for (unsigned i = 0; i < batch; i++) {
			struct pkt *p = or_die(pkt_new(b->env.pool, PAYLOAD + PKT_TAIL));

			memset(pkt_put(p, PAYLOAD), 0x55, PAYLOAD);
			pktq_put(&q, p);
		}
		start = now();
		esp_send(us, &q, 0, &sealed);
		spent[SEAL] += now() - start;
		start = now();
		esp_recv(peer, &sealed.down, 0, &opened);
		spent[OPEN] += now() - start;
		if (opened.up.count != batch)
			abort();
		pktq_free(&opened.up);
	}
	note(b, SEAL, column, spent[SEAL]);
	note(b, OPEN, column, spent[OPEN]);
	esp_free(us);
	esp_free(peer);
}

static void measure(struct bench *b, const struct esp_suite *suite)
{
	char name[SUITE_TEXT];

	b->pair = (struct sa_pair){
		.suite = *suite,
		.in.spi = 0x1001,
		.out.spi = 0x2002,
		.lane = LANE_NATT,
		.local_port = L2TP_PORT,
		.remote_port = L2TP_PORT,
	};
	env_random(&b->env, b->pair.in.key, sizeof(b->pair.in.key));
	env_random(&b->env, b->pair.out.key, sizeof(b->pair.out.key));
	env_random(&b->env, b->pair.out.auth, sizeof(b->pair.out.auth));
	b->packets = suite->cipher == ESP_3DES ? PACKETS_3DES : PACKETS;
	memset(b->best, 0, sizeof(b->best));
	for (unsigned i = 0; i < ROUNDS; i++) {
		measure_raw(b);
		measure_plane(b, ONE, 1);
		measure_plane(b, MANY, BATCH);
	}
	printf("%-16s", esp_suite_text(suite, name));
	for (enum way way = SEAL; way <= OPEN; way++)
		printf(" | %7.2f %7.2f %7.2f %6.1f", b->best[way][RAW], b->best[way][ONE],
			b->best[way][MANY], b->best[way][MANY] / b->best[way][RAW]);
	putchar('\n');
}

int main(void)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;
	struct bench b = {
		.env = {.rng = fast_rng, .ctx = &seed},
		.raw = or_die(crypto_new()),
	};

	b.env.crypto = or_die(crypto_new());
	b.env.pool = or_die(pkt_pool_new());
	crypto_esp_without_mb(b.raw);
	printf("Gbit/s of payload, %d octets a packet, one core, best of %d\n", PAYLOAD, ROUNDS);
	printf("%-16s | %-30s | %s\n", "", "seal", "open");
	printf("%-16s", "suite");
	for (enum way way = SEAL; way <= OPEN; way++)
		printf(" | %7s %7s %7s %6s", "raw", "1", "32", "ratio");
	putchar('\n');
	for (size_t i = 0; i < SUITES; i++)
		measure(&b, &suites[i]);
	pkt_pool_free(b.env.pool);
	crypto_free(b.env.crypto);
	crypto_free(b.raw);
	return 0;
}

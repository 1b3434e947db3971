/* base/crypto_esp.c: every suite against the vectors, and the multi-buffer library against OpenSSL:
 * every length, every batch. */
#include "tests/vectors/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto_esp.h"

enum { ROOM = 2048 };

static const struct esp_suite suites[] = {
	{ESP_AES_CBC, 16, HASH_MD5, 12},
	{ESP_AES_CBC, 16, HASH_SHA1, 12},
	{ESP_AES_CBC, 24, HASH_SHA1, 12},
	{ESP_AES_CBC, 32, HASH_SHA1, 12},
	{ESP_AES_CBC, 16, HASH_SHA256, 16},
	{ESP_AES_CBC, 32, HASH_SHA256, 16},
	{ESP_AES_CBC, 32, HASH_SHA256, 12},
	{ESP_AES_CBC, 24, HASH_SHA384, 24},
	{ESP_AES_CBC, 32, HASH_SHA512, 32},
	{ESP_3DES, 24, HASH_MD5, 12},
	{ESP_3DES, 24, HASH_SHA1, 12},
	{ESP_3DES, 24, HASH_SHA256, 16},
	{ESP_AES_GCM, 16, HASH_MD4, 16},
	{ESP_AES_GCM, 24, HASH_MD4, 16},
	{ESP_AES_GCM, 32, HASH_MD4, 16},
};

enum { SUITES = sizeof(suites) / sizeof(suites[0]) };

static const uint8_t key[ESP_KEY_MAX] = "0123456789abcdefghijklmnopqrstuvwxyz";
static const uint8_t auth[ESP_AUTH_KEY_MAX] =
	"the authentication key, sixty-four octets long when it is whole";

/* The same SA twice: as it is, and through OpenSSL alone. */
struct pair_of_doors {
	struct env *env;
	struct crypto *plain;
};

static int setup(void **state)
{
	struct pair_of_doors *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->env = test_env_new(42);
	d->plain = crypto_new();
	assert_non_null(d->plain);
	crypto_esp_without_mb(d->plain);
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	struct pair_of_doors *d = *state;

	crypto_free(d->plain);
	test_env_free(d->env);
	free(d);
	return 0;
}

static bool has_mb(const struct pair_of_doors *d)
{
	struct crypto_esp *e =
		crypto_esp_new(d->env->crypto, &suites[1], key, auth, CRYPTO_ESP_SEAL);
	bool has = crypto_esp_uses_mb(e);

	crypto_esp_free(e);
	return has;
}

static size_t around(const struct esp_suite *s)
{
	return CRYPTO_ESP_HEAD + esp_iv_len(s) + s->icv_len;
}

/* Octets of a packet with `len` octets of payload. */
static size_t packet_len(const struct esp_suite *s, size_t len)
{
	size_t align = esp_align(s);

	return around(s) + (len + 2 + align - 1) / align * align;
}

static void assert_suite_vector(struct crypto *c, const struct vectors *v, const char *section,
	const struct esp_suite *s, const char *packet_key)
{
	struct slice packet = vec(v, section, packet_key),
		     plain = vec(v, section, "plaintext_with_trailer");
	bool gcm = s->cipher == ESP_AES_GCM;
	const uint8_t *enc = vec(v, section, gcm ? "keymat" : "enc_key").p;
	const uint8_t *mac = gcm ? NULL : vec(v, section, "auth_key").p;
	struct crypto_esp *seal = crypto_esp_new(c, s, enc, mac, CRYPTO_ESP_SEAL);
	struct crypto_esp *open = crypto_esp_new(c, s, enc, mac, CRYPTO_ESP_OPEN);
	size_t head = CRYPTO_ESP_HEAD + esp_iv_len(s);

	assert_int_equal(packet.n, head + plain.n + s->icv_len);
	for (size_t batch = 1; batch <= 16; batch += 15) {
		uint8_t work[16][128];
		struct crypto_esp_job jobs[16];

		for (size_t i = 0; i < batch; i++) {
			memcpy(work[i], packet.p, head);
			memcpy(work[i] + head, plain.p, plain.n);
			jobs[i] = (struct crypto_esp_job){.packet = work[i], .len = packet.n};
		}
		crypto_esp_seal(seal, jobs, batch);
		for (size_t i = 0; i < batch; i++) {
			assert_int_equal(jobs[i].result, CRYPTO_ESP_OK);
			assert_slice(slice(work[i], packet.n), packet);
		}
		crypto_esp_open(open, jobs, batch);
		for (size_t i = 0; i < batch; i++) {
			assert_int_equal(jobs[i].result, CRYPTO_ESP_OK);
			assert_slice(slice(work[i] + head, plain.n), plain);
		}
	}
	crypto_esp_free(seal);
	crypto_esp_free(open);
}

/* The vectors with ESN and the NULL cipher are left out: we offer neither. */
static void every_suite_seals_and_opens_its_vector(void **state)
{
	static const struct {
		const char *section;
		struct esp_suite suite;
		const char *packet;
	} rows[] = {
		{"AES-256-CBC + HMAC-SHA2-256-128", {ESP_AES_CBC, 32, HASH_SHA256, 16},
			"packet_icv16"},
		{"AES-256-CBC + HMAC-SHA2-256-128", {ESP_AES_CBC, 32, HASH_SHA256, 12},
			"packet_icv12"},
		{"AES-128-CBC + HMAC-SHA1-96", {ESP_AES_CBC, 16, HASH_SHA1, 12}, "packet_icv12"},
		{"3DES-CBC + HMAC-SHA1-96", {ESP_3DES, 24, HASH_SHA1, 12}, "packet_icv12"},
		{"3DES-CBC + HMAC-MD5-96", {ESP_3DES, 24, HASH_MD5, 12}, "packet_icv12"},
		{"AES-256-CBC + HMAC-SHA2-384-192", {ESP_AES_CBC, 32, HASH_SHA384, 24},
			"packet_icv24"},
		{"AES-256-CBC + HMAC-SHA2-512-256", {ESP_AES_CBC, 32, HASH_SHA512, 32},
			"packet_icv32"},
		{"AES-128-GCM-16", {ESP_AES_GCM, 16, HASH_MD4, 16}, "packet"},
		{"AES-256-GCM-16", {ESP_AES_GCM, 32, HASH_MD4, 16}, "packet"},
	};
	const struct pair_of_doors *d = *state;
	struct vectors *v = vectors_open("esp.txt");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_suite_vector(
			d->env->crypto, v, rows[i].section, &rows[i].suite, rows[i].packet);
		assert_suite_vector(d->plain, v, rows[i].section, &rows[i].suite, rows[i].packet);
	}
	vectors_close(v);
}

struct batch {
	struct crypto_esp_job jobs[CRYPTO_ESP_BATCH];
	uint8_t room[CRYPTO_ESP_BATCH][ROOM];
};

/* n random packets of a suite whose payloads have the given lengths. */
static void fill(const struct env *env, const struct esp_suite *s, struct batch *b, size_t n,
	const size_t *payload)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = packet_len(s, payload[i]);

		assert_true(len <= ROOM);
		env_random(env, b->room[i], len);
		b->jobs[i] = (struct crypto_esp_job){.packet = b->room[i], .len = len};
	}
}

static void copy(struct batch *to, const struct batch *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		memcpy(to->room[i], from->room[i], from->jobs[i].len);
		to->jobs[i] = from->jobs[i];
		to->jobs[i].packet = to->room[i];
	}
}

static void assert_same(const struct batch *a, const struct batch *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(a->jobs[i].result, CRYPTO_ESP_OK);
		assert_int_equal(b->jobs[i].result, CRYPTO_ESP_OK);
		assert_memory_equal(a->room[i], b->room[i], a->jobs[i].len);
	}
}

/* What both doors make of one batch: sealed alike, opened alike, each by the other. */
static void compare(
	struct pair_of_doors *d, const struct esp_suite *s, size_t n, const size_t *payload)
{
	struct crypto *doors[] = {d->env->crypto, d->plain};
	struct crypto_esp *seal[2], *open[2];
	static struct batch text, a, b;

	for (size_t i = 0; i < 2; i++) {
		seal[i] = crypto_esp_new(doors[i], s, key, auth, CRYPTO_ESP_SEAL);
		open[i] = crypto_esp_new(doors[i], s, key, auth, CRYPTO_ESP_OPEN);
	}
	fill(d->env, s, &text, n, payload);
	copy(&a, &text, n);
	copy(&b, &text, n);
	crypto_esp_seal(seal[0], a.jobs, n);
	crypto_esp_seal(seal[1], b.jobs, n);
	assert_same(&a, &b, n);
	crypto_esp_open(open[0], a.jobs, n);
	crypto_esp_open(open[1], b.jobs, n);
	assert_same(&a, &b, n);
	for (size_t i = 0; i < n; i++) /* and it is the text again */
		assert_memory_equal(a.room[i], text.room[i], text.jobs[i].len - s->icv_len);
	for (size_t i = 0; i < 2; i++) {
		crypto_esp_free(seal[i]);
		crypto_esp_free(open[i]);
	}
}

static void every_length_is_the_same_through_both_libraries(void **state)
{
	if (!has_mb(*state))
		skip(); /* built without the library, or a CPU that it does not like */
	for (size_t i = 0; i < SUITES; i++)
		for (size_t len = 0; len <= 1500; len += CRYPTO_ESP_BATCH) {
			size_t payload[CRYPTO_ESP_BATCH];

			for (size_t k = 0; k < CRYPTO_ESP_BATCH; k++)
				payload[k] = len + k;
			compare(*state, &suites[i], CRYPTO_ESP_BATCH, payload);
		}
}

static void every_batch_is_the_same_through_both_libraries(void **state)
{
	struct pair_of_doors *d = *state;

	if (!has_mb(*state))
		skip(); /* built without the library, or a CPU that it does not like */
	for (size_t i = 0; i < SUITES; i++)
		for (size_t n = 1; n <= CRYPTO_ESP_BATCH; n++) {
			size_t payload[CRYPTO_ESP_BATCH];

			for (size_t k = 0; k < n; k++) {
				uint32_t r = env_random_u32(d->env);

				payload[k] = n % 2 ? r % 300 : 200;
			}
			compare(d, &suites[i], n, payload);
		}
}

/* The multi-buffer library takes no job of 64 KiB and more: OpenSSL does it, the result is there. */
static void a_packet_too_long_for_the_lanes_still_goes_through(void **state)
{
	struct pair_of_doors *d = *state;
	const struct esp_suite *s = &suites[1];
	struct crypto_esp *seal = crypto_esp_new(d->env->crypto, s, key, auth, CRYPTO_ESP_SEAL);
	struct crypto_esp *open = crypto_esp_new(d->plain, s, key, auth, CRYPTO_ESP_OPEN);
	struct crypto_esp *open_mb = crypto_esp_new(d->env->crypto, s, key, auth, CRYPTO_ESP_OPEN);
	size_t len[8] = {100, 70000, 300, 70000, 500, 600, 65536, 800};
	struct crypto_esp_job jobs[8], again[8];

	for (size_t i = 0; i < 8; i++) {
		jobs[i].len = packet_len(s, len[i]);
		jobs[i].packet = calloc(1, jobs[i].len);
	}
	crypto_esp_seal(seal, jobs, 8);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(jobs[i].result, CRYPTO_ESP_OK);
		again[i] = jobs[i];
		again[i].packet = malloc(jobs[i].len);
		memcpy(again[i].packet, jobs[i].packet, jobs[i].len);
	}
	crypto_esp_open(open, jobs, 8);
	crypto_esp_open(open_mb, again, 8);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(jobs[i].result, CRYPTO_ESP_OK);
		assert_int_equal(again[i].result, CRYPTO_ESP_OK);
		assert_memory_equal(jobs[i].packet, again[i].packet, jobs[i].len);
		for (size_t k = 24; k < jobs[i].len - s->icv_len; k++)
			assert_int_equal(jobs[i].packet[k], 0);
		free(jobs[i].packet);
		free(again[i].packet);
	}
	crypto_esp_free(seal);
	crypto_esp_free(open);
	crypto_esp_free(open_mb);
}

/* One bad packet in a batch is found, wherever it is, and CBC leaves it as it came. */
static void a_forged_packet_spoils_only_itself(void **state)
{
	struct pair_of_doors *d = *state;
	size_t payload[16];
	static struct batch sealed, work;

	for (size_t k = 0; k < 16; k++)
		payload[k] = 40 + k;
	for (size_t i = 0; i < SUITES; i++) {
		const struct esp_suite *s = &suites[i];
		struct crypto_esp *seal = crypto_esp_new(d->plain, s, key, auth, CRYPTO_ESP_SEAL);
		struct crypto_esp *open =
			crypto_esp_new(d->env->crypto, s, key, auth, CRYPTO_ESP_OPEN);

		fill(d->env, s, &sealed, 16, payload);
		crypto_esp_seal(seal, sealed.jobs, 16);
		for (size_t bad = 0; bad < 16; bad++) {
			uint8_t before[ROOM];
			size_t len = sealed.jobs[bad].len;

			copy(&work, &sealed, 16);
			work.room[bad][len * bad / 16] ^= 0x10;
			memcpy(before, work.room[bad], len);
			crypto_esp_open(open, work.jobs, 16);
			for (size_t k = 0; k < 16; k++)
				assert_int_equal(work.jobs[k].result,
					k == bad ? CRYPTO_ESP_FORGED : CRYPTO_ESP_OK);
			if (s->cipher != ESP_AES_GCM)
				assert_memory_equal(work.room[bad], before, len);
		}
		crypto_esp_free(seal);
		crypto_esp_free(open);
	}
}

static void lengths_that_fit_no_packet_are_left_alone(void **state)
{
	struct pair_of_doors *d = *state;

	for (size_t i = 0; i < SUITES; i++) {
		const struct esp_suite *s = &suites[i];
		struct crypto_esp *seal =
			crypto_esp_new(d->env->crypto, s, key, auth, CRYPTO_ESP_SEAL);
		struct crypto_esp *open =
			crypto_esp_new(d->env->crypto, s, key, auth, CRYPTO_ESP_OPEN);
		size_t block = s->cipher == ESP_AES_GCM ? 1 : esp_align(s);

		for (size_t len = 0; len <= 128; len++) {
			uint8_t *exact = calloc(1, len ? len : 1); /* one octet too far traps */
			struct crypto_esp_job job = {.packet = exact, .len = len};
			bool fits = len > around(s) && (len - around(s)) % block == 0;

			crypto_esp_open(open, &job, 1);
			assert_int_equal(job.result, fits ? CRYPTO_ESP_FORGED : CRYPTO_ESP_LENGTH);
			crypto_esp_seal(seal, &job, 1);
			assert_int_equal(job.result, fits ? CRYPTO_ESP_OK : CRYPTO_ESP_LENGTH);
			free(exact);
		}
		crypto_esp_free(seal);
		crypto_esp_free(open);
	}
}

static void a_shorter_icv_is_recognised(void **state)
{
	struct pair_of_doors *d = *state;
	const struct esp_suite *cut = &suites[6], *whole = &suites[5], *gcm = &suites[12];
	struct crypto_esp *seal = crypto_esp_new(d->plain, cut, key, auth, CRYPTO_ESP_SEAL);
	struct crypto_esp *open = crypto_esp_new(d->plain, whole, key, auth, CRYPTO_ESP_OPEN);
	struct crypto_esp *other = crypto_esp_new(d->plain, gcm, key, NULL, CRYPTO_ESP_OPEN);
	uint8_t packet[8 + 16 + 32 + 12] = {0};
	struct crypto_esp_job job = {.packet = packet, .len = sizeof(packet)};

	crypto_esp_seal(seal, &job, 1);
	assert_true(crypto_esp_icv_fits(open, packet, sizeof(packet), 12));
	assert_false(crypto_esp_icv_fits(open, packet, sizeof(packet), 16));
	assert_false(crypto_esp_icv_fits(open, packet, 11, 12));
	assert_false(crypto_esp_icv_fits(open, packet, sizeof(packet), 33));
	assert_false(crypto_esp_icv_fits(other, packet, sizeof(packet), 12));
	packet[30] ^= 1;
	assert_false(crypto_esp_icv_fits(open, packet, sizeof(packet), 12));
	crypto_esp_free(seal);
	crypto_esp_free(open);
	crypto_esp_free(other);
}

static void suites_outside_the_table_are_refused(void **state)
{
	static const struct esp_suite bad[] = {
		{ESP_AES_CBC, 16, HASH_MD4, 12},
		{ESP_AES_CBC, 16, HASH_SHA1, 20},
		{ESP_AES_CBC, 16, HASH_SHA1, 0},
		{ESP_AES_CBC, 16, HASH_SHA256, 32},
		{ESP_AES_CBC, 17, HASH_SHA1, 12},
		{ESP_AES_CBC, 0, HASH_SHA1, 12},
		{ESP_3DES, 16, HASH_SHA1, 12},
		{ESP_AES_GCM, 16, HASH_SHA1, 12},
		{ESP_AES_GCM, 20, HASH_SHA1, 16},
	};
	struct pair_of_doors *d = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(crypto_esp_has(d->plain, &bad[i]));
		assert_null(crypto_esp_new(d->plain, &bad[i], key, auth, CRYPTO_ESP_SEAL));
	}
	for (size_t i = 0; i < SUITES; i++)
		assert_true(crypto_esp_has(d->plain, &suites[i]));
	crypto_esp_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			every_suite_seals_and_opens_its_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(
			every_length_is_the_same_through_both_libraries, setup, teardown),
		cmocka_unit_test_setup_teardown(
			every_batch_is_the_same_through_both_libraries, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_packet_too_long_for_the_lanes_still_goes_through, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_forged_packet_spoils_only_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(
			lengths_that_fit_no_packet_are_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_shorter_icv_is_recognised, setup, teardown),
		cmocka_unit_test_setup_teardown(
			suites_outside_the_table_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* esp/ against packets that others made: the vectors, and a recorded session. */
#include "tests/unit/esp_ends.h"

static struct esp_half half_of(const struct vectors *v, const char *section, uint32_t spi)
{
	struct esp_half half = {.spi = spi};
	struct slice key = vec(v, section, "enc_key"), auth = vec(v, section, "auth_key");

	memcpy(half.key, key.p, key.n);
	memcpy(half.auth, auth.p, auth.n);
	return half;
}

static void the_vectors_open_to_their_l2tp_packet(void **state)
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
	};
	struct vectors *v = vectors_open("esp.txt");
	struct slice udp = vec(v, "", "inner_udp");
	struct ends *e = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sa_pair pair = new_pair(e->env, &rows[i].suite, 0xc0ffee01, 0x2002);
		struct pktq q = {0};

		pair.in = half_of(v, rows[i].section, 0xc0ffee01);
		install_and_use(e->us, &pair);
		put(e, &q, vec(v, rows[i].section, rows[i].packet));
		struct io out = recv_at(e->us, &q);
		assert_int_equal(out.up.count, 1);
		assert_slice(pkt_slice(out.up.head), slice(udp.p + 8, udp.n - 8));
		pktq_free(&out.up);
		esp_drop(e->us, 0xc0ffee01);
	}
	vectors_close(v);
}

/* The recorder's IVs, so that sealing again gives the same octets. */
struct replayed_rng {
	uint8_t iv[16];
};

static void give_iv(void *ctx, void *to, size_t n)
{
	const struct replayed_rng *r = ctx;

	assert_int_equal(n, sizeof(r->iv));
	memcpy(to, r->iv, n);
}

struct recording {
	struct ends *e;
	struct env env; /* with the recorder's IVs */
	struct replayed_rng rng;
	struct esp *client, *server;
	struct sa_pair pair;
	struct slice said;  /* the l2tp_out that the next packet carries */
	struct slice heard; /* the packet that carries the next l2tp_in */
	unsigned in, out;
};

static void copy_key(uint8_t *to, const struct vector *row)
{
	memcpy(to, row->value.p, row->value.n);
}

static void take_key(struct recording *r, const struct vector *row)
{
	if (strcmp(row->key, "sa_in_spi") == 0)
		r->pair.in.spi = get_u32(row->value.p);
	if (strcmp(row->key, "sa_in_enc") == 0)
		copy_key(r->pair.in.key, row);
	if (strcmp(row->key, "sa_in_auth") == 0)
		copy_key(r->pair.in.auth, row);
	if (strcmp(row->key, "sa_out_spi") == 0)
		r->pair.out.spi = get_u32(row->value.p);
	if (strcmp(row->key, "sa_out_enc") == 0)
		copy_key(r->pair.out.key, row);
	if (strcmp(row->key, "sa_out_auth") == 0) {
		copy_key(r->pair.out.auth, row);
		struct sa_pair m = mirror(&r->pair);
		assert_int_equal(esp_install(r->client, &r->pair, 0), 0);
		assert_int_equal(esp_install(r->server, &m, 0), 0);
	}
}

static void assert_opens(struct ends *e, struct esp *esp, struct slice packet, struct slice l2tp)
{
	struct pktq q = {0};

	put(e, &q, packet);
	struct io out = recv_at(esp, &q);
	assert_int_equal(out.up.count, 1);
	assert_slice(pkt_slice(out.up.head), l2tp);
	pktq_free(&out.up);
}

/* With the recorded IV it becomes the recorded packet. */
static void assert_seals(struct recording *r, struct slice packet, struct slice l2tp)
{
	struct pktq q = {0};
	struct esp_sa_status s;

	memcpy(r->rng.iv, packet.p + 8, sizeof(r->rng.iv));
	for (unsigned i = 0; esp_get_status(r->server, i, &s); i++)
		if (s.spi_out == get_u32(packet.p))
			esp_use(r->server, s.spi_in);
	put(r->e, &q, l2tp);
	struct io out = send_from(r->server, &q);
	assert_int_equal(out.down.count, 1);
	assert_slice(pkt_slice(out.down.head), packet);
	pktq_free(&out.down);
}

static void take_row(struct recording *r, const struct vector *row)
{
	bool esp = strstr(row->key, "_4500") && get_u32(row->value.p) != 0;

	if (strncmp(row->key, "sa_", 3) == 0) {
		take_key(r, row);
	} else if (strstr(row->key, "_l2tp_out")) {
		r->said = row->value;
	} else if (esp && strstr(row->key, "_out_")) {
		assert_opens(r->e, r->server, row->value, r->said);
		r->out++;
	} else if (esp && strstr(row->key, "_in_")) {
		r->heard = row->value;
	} else if (strstr(row->key, "_l2tp_in")) {
		assert_opens(r->e, r->client, r->heard, row->value);
		assert_seals(r, r->heard, row->value);
		r->in++;
	}
}

/* The recorded server wrote no inner checksum, as we do: its packets we can make ourselves. The
 * recorded client wrote one: its packets we open only. */
static void a_recorded_session_opens_and_is_sealed_again_to_the_octet(void **state)
{
	struct ends *e = *state;
	struct recording r = {.e = e, .env = *e->env, .client = e->us};
	struct vectors *v = vectors_open("recorded_softether.txt");
	static const struct esp_suite suite = {ESP_AES_CBC, 32, HASH_SHA1, 12};

	r.env.rng = give_iv;
	r.env.ctx = &r.rng;
	r.server = esp_new(&r.env);
	r.pair = new_pair(e->env, &suite, 0, 0);
	for (size_t i = 0; vectors_at(v, i); i++)
		take_row(&r, vectors_at(v, i));
	assert_int_equal(counted_in(r.client).packets, r.in);
	assert_int_equal(counted_out(r.server).packets, r.in);
	assert_int_equal(counted_in(r.server).packets, r.out);
	assert_true(r.in > 20 && r.out > 20);
	esp_free(r.server);
	vectors_close(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_vectors_open_to_their_l2tp_packet, ends_setup, ends_teardown),
		cmocka_unit_test_setup_teardown(
			a_recorded_session_opens_and_is_sealed_again_to_the_octet, ends_setup,
			ends_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

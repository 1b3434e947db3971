/* The IPv4 header in front of what a raw socket receives: only a whole ESP packet of the server's is left. */
#include "tests/vectors/vectors.h"

#include "daemon/ip_hdr.h"
#include "daemon/udp.h"

enum { PAYLOAD = 40, OPTIONS_MOST = 40 };

static const uint8_t server[] = {198, 51, 100, 1};

/* An ESP packet of `payload` octets behind a header with so many octets of options. */
static struct pkt *esp_packet(struct env *env, size_t options, size_t payload)
{
	size_t header = IP4_HDR + options, len = header + payload;
	struct pkt *p = pkt_new(env->pool, len);

	assert_non_null(p);
	p->len = len;
	memset(p->data, 0, header);
	p->data[0] = (uint8_t)(0x40 | header / 4);
	put_u16(p->data + IP4_TOTAL, (uint16_t)len);
	p->data[IP4_PROTO] = PROTO_ESP;
	memcpy(p->data + IP4_ADDRS, server, sizeof(server));
	for (size_t i = 0; i < payload; i++)
		p->data[header + i] = (uint8_t)(i * 7 + 1);
	return p;
}

static bool strip(struct pkt *p)
{
	struct ip from = ip_of(FAMILY_IPV4, slice(server, sizeof(server)));

	return udp_strip_ip4(p, &from);
}

/* Takes p. */
static void assert_refused(struct pkt *p)
{
	assert_false(strip(p));
	pkt_free(p);
}

static void the_payload_is_left_whatever_options_there_are(void **state)
{
	struct env *env = *state;

	for (size_t options = 0; options <= OPTIONS_MOST; options += 4) {
		struct pkt *p = esp_packet(env, options, PAYLOAD);

		assert_true(strip(p));
		assert_int_equal(p->len, PAYLOAD);
		for (size_t i = 0; i < PAYLOAD; i++)
			assert_int_equal(p->data[i], (uint8_t)(i * 7 + 1));
		pkt_free(p);
	}
}

static void fields_that_do_not_matter_do_not_matter(void **state)
{
	struct env *env = *state;
	static const uint8_t at[] = {IP4_TOS, IP4_ID, IP4_ID + 1, IP4_TTL, IP4_CSUM, IP4_CSUM + 1};

	for (size_t i = 0; i < sizeof(at); i++) {
		struct pkt *p = esp_packet(env, 0, PAYLOAD);

		p->data[at[i]] = 0xff;
		assert_true(strip(p));
		assert_int_equal(p->len, PAYLOAD);
		pkt_free(p);
	}
}

static void every_truncation_is_refused(void **state)
{
	struct env *env = *state;

	for (size_t options = 0; options <= OPTIONS_MOST; options += OPTIONS_MOST)
		for (size_t len = 0; len < IP4_HDR + options + PAYLOAD; len++) {
			struct pkt *p = esp_packet(env, options, PAYLOAD);

			p->len = len;
			assert_refused(p);
		}
}

static void every_length_that_is_not_the_packets_is_refused(void **state)
{
	struct env *env = *state;

	for (uint32_t total = 0; total <= UINT16_MAX; total++) {
		struct pkt *p = esp_packet(env, 0, PAYLOAD);

		put_u16(p->data + IP4_TOTAL, (uint16_t)total);
		assert_int_equal(strip(p), total == IP4_HDR + PAYLOAD);
		pkt_free(p);
	}
}

/* Of 16 versions and 16 header lengths in front of 16 octets more than the shortest header. */
static void every_wrong_version_and_header_length_is_refused(void **state)
{
	struct env *env = *state;

	for (unsigned first = 0; first <= UINT8_MAX; first++) {
		struct pkt *p = esp_packet(env, 0, 16);

		p->data[0] = (uint8_t)first;
		assert_int_equal(strip(p), first >= 0x45 && first <= 0x49);
		pkt_free(p);
	}
}

static void no_other_protocol_passes(void **state)
{
	struct env *env = *state;

	for (unsigned protocol = 0; protocol <= UINT8_MAX; protocol++) {
		struct pkt *p = esp_packet(env, 0, PAYLOAD);

		p->data[IP4_PROTO] = (uint8_t)protocol;
		assert_int_equal(strip(p), protocol == PROTO_ESP);
		pkt_free(p);
	}
}

static void no_other_source_passes(void **state)
{
	struct env *env = *state;

	for (size_t bit = 0; bit < 32; bit++) {
		struct pkt *p = esp_packet(env, 0, PAYLOAD);

		p->data[IP4_ADDRS + bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_refused(p);
	}
}

static void no_fragment_passes(void **state)
{
	struct env *env = *state;
	static const uint16_t fields[] = {0x2000, 0x0001, 0x1fff, 0x3fff, 0x2010};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct pkt *p = esp_packet(env, 0, PAYLOAD);

		put_u16(p->data + IP4_FRAG, fields[i]);
		assert_refused(p);
	}
	struct pkt *whole = esp_packet(env, 0, PAYLOAD);
	put_u16(whole->data + IP4_FRAG, IP4_DF);
	assert_true(strip(whole));
	pkt_free(whole);
}

static int setup(void **state)
{
	*state = test_env_new(1);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	test_env_free(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_payload_is_left_whatever_options_there_are),
		TEST(fields_that_do_not_matter_do_not_matter),
		TEST(every_truncation_is_refused),
		TEST(every_length_that_is_not_the_packets_is_refused),
		TEST(every_wrong_version_and_header_length_is_refused),
		TEST(no_other_protocol_passes),
		TEST(no_other_source_passes),
		TEST(no_fragment_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

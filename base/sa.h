/* A pair of ESP security associations, as IKE agreed on it and as both data planes take it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/crypto.h"
#include "base/pkt.h"

enum esp_cipher { ESP_AES_CBC, ESP_3DES, ESP_AES_GCM }; /* GCM with a 16-octet ICV, RFC 4106 */

enum {
	ESP_KEY_MAX = 36,      /* AES-256-GCM: key 32 and salt 4 */
	ESP_AUTH_KEY_MAX = 64, /* HMAC-SHA2-512 */
	ESP_ICV_MAX = 32,
	ESP_SPI_MIN = 256, /* RFC 4303, 2.1: below is reserved */
	L2TP_PORT = 1701,
};

struct esp_suite {
	enum esp_cipher cipher;
	uint8_t key_len; /* octets, the salt of GCM not counted: 16, 24, 32 */
	enum hash auth;  /* meaningless with GCM */
	uint8_t icv_len; /* octets on the wire: 12 MD5, SHA1 (and truncated SHA2-256); 16, 24, 32 SHA2; 16 GCM */
};

/* One direction. `spi` was chosen by whoever receives in that direction. */
struct esp_half {
	uint32_t spi;                   /* host order */
	uint8_t key[ESP_KEY_MAX];       /* GCM: key, then salt */
	uint8_t auth[ESP_AUTH_KEY_MAX]; /* hash_len(auth) octets; unused with GCM */
};

struct sa_pair {
	struct esp_suite suite;
	struct esp_half in;
	struct esp_half out;
	enum lane lane;    /* LANE_NATT: in UDP 4500. LANE_RAW: protocol 50 */
	struct addr local; /* outer addresses; ports of UDP 4500 when encapsulated */
	struct addr remote;
	uint16_t local_port;  /* of the UDP inside: 1701 or ours */
	uint16_t remote_port; /* of the UDP inside: 1701 */
	uint32_t life_s;      /* agreed; IKE rekeys before, a plane may use it as a safety net */
};

/* Octets of the IV in each packet. RFC 3602, 2451, 4106. */
static inline size_t esp_iv_len(const struct esp_suite *suite)
{
	return suite->cipher == ESP_AES_CBC ? 16 : 8;
}

/* Payload, padding and the two octets of trailer fill a multiple of this; RFC 4303, 2.4. */
static inline size_t esp_align(const struct esp_suite *suite)
{
	return suite->cipher == ESP_AES_CBC ? 16 : suite->cipher == ESP_3DES ? 8 : 4;
}

/* "aes256-sha1", "aes128gcm16", "3des-sha1": strongSwan's notation. Into SUITE_TEXT octets. */
enum { SUITE_TEXT = 40 };
const char *esp_suite_text(const struct esp_suite *suite, char *to);
bool esp_suite_equal(const struct esp_suite *a, const struct esp_suite *b);

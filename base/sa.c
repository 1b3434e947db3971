#include "base/sa.h"

#include <stdio.h>

static const char *const hash_text[HASHES] = {"md4", "md5", "sha1", "sha256", "sha384", "sha512"};

const char *esp_suite_text(const struct esp_suite *s, char *to)
{
	const char *truncated = s->auth == HASH_SHA256 && s->icv_len == 12 ? "_96" : "";

	switch (s->cipher) {
	case ESP_AES_CBC:
		snprintf(to, SUITE_TEXT, "aes%d-%s%s", s->key_len * 8, hash_text[s->auth],
			truncated);
		break;
	case ESP_3DES:
		snprintf(to, SUITE_TEXT, "3des-%s%s", hash_text[s->auth], truncated);
		break;
	case ESP_AES_GCM:
		snprintf(to, SUITE_TEXT, "aes%dgcm16", s->key_len * 8);
		break;
	}
	return to;
}

bool esp_suite_equal(const struct esp_suite *a, const struct esp_suite *b)
{
	return a->cipher == b->cipher && a->key_len == b->key_len && a->icv_len == b->icv_len &&
	       (a->cipher == ESP_AES_GCM || a->auth == b->auth);
}

/* Suites and proposals: what we offer, in our order, and whether an answer is one of our offers.
 * RFC 2407, 4.4; RFC 2409, appendix A. The tiers are a table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/crypto_dh.h"
#include "base/reason.h"
#include "base/sa.h"

/* A phase 1 suite. */
struct ike_suite {
	enum cbc cipher;
	uint8_t key_len; /* octets: 16, 24, 32 AES; 24 3DES */
	enum hash hash;
	enum dh_group group;
};

enum { IKE_SUITES_MAX = 24, ESP_SUITES_MAX = 16 };

struct ike_proposals {
	struct ike_suite ike[IKE_SUITES_MAX];
	size_t n_ike;
	struct esp_suite esp[ESP_SUITES_MAX];
	size_t n_esp;
	enum dh_group pfs; /* DH_NONE: no KE in quick mode */
};

/* Fill from a tier: "modern", "compatible", "legacy". False: no such tier. */
bool ike_proposals_tier(const char *name, struct ike_proposals *p);

/* Comma-separated suites in strongSwan's notation ("aes256-sha1-modp2048, 3des-sha1-modp1024!";
 * the "!" is accepted and means nothing here); replaces the list. False: `wrong` (borrowed from
 * text, its end is a comma or the end) is the suite that is not one. */
bool ike_suites_parse(const char *text, struct ike_proposals *p, const char **wrong);
bool esp_suites_parse(const char *text, struct ike_proposals *p, const char **wrong);

/* "aes256-sha256-modp2048" into SUITE_TEXT octets. */
const char *ike_suite_text(const struct ike_suite *suite, char *to);

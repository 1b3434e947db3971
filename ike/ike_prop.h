/* The SA payload on the wire: proposals, transforms, attributes. RFC 2408, 3.4-3.6; RFC 2407, 4.5;
 * RFC 2409, appendix A. Wire numbers become our values by tables; what the tables lack is no value
 * of ours, so that transform is not one we can take. Either role.
 *
 * "Body" is the SA payload without its generic header. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sa.h"
#include "base/wire.h"
#include "ike/ike_sa.h"

enum { IKE_OFFERS_MAX = 128 };

/* One transform of an SA payload, with what its proposal says. */
struct ike_offer {
	uint8_t proposal;
	uint8_t protocol;
	bool bundled; /* another proposal has the same number: both or none; RFC 2408, 4.2 */
	struct slice spi;
	uint8_t transform; /* number */
	uint8_t id;
	struct slice attributes;
};

struct ike_offers {
	size_t n;
	struct ike_offer
		at[IKE_OFFERS_MAX]; /* in the peer's order; beyond that they are not kept */
};

bool ike_offers_parse(struct slice body, struct ike_offers *to);

enum ike_auth_method { IKE_AUTH_PSK = 1 };

/* A transform of phase 1 by value. */
struct ike_sa1 {
	struct ike_suite suite;
	uint16_t auth;   /* on the wire, IKE_AUTH_PSK is ours */
	uint32_t life_s; /* 0 = none said */
};

/* False: malformed, an attribute or value that we do not have, or one twice. */
bool ike_sa1_of(const struct ike_offer *offer, struct ike_sa1 *to);

enum ike_mode {
	IKE_MODE_TUNNEL = 1,
	IKE_MODE_TRANSPORT = 2,
	IKE_MODE_UDP_TRANSPORT = 4,           /* RFC 3947, 5.1 */
	IKE_MODE_UDP_TRANSPORT_DRAFT = 61444, /* drafts 00 to 03 */
};

/* A transform of phase 2 by value. SHA2-256 is read with its full 16 octets of ICV. */
struct ike_sa2 {
	struct esp_suite suite;
	uint16_t mode; /* 0 = none said */
	enum dh_group pfs;
	uint32_t life_s; /* 0 = none said */
};
bool ike_sa2_of(const struct ike_offer *offer, struct ike_sa2 *to);

/* The same suite on the wire (truncation of SHA2-256 is invisible there)? */
bool ike_suite_same(const struct ike_suite *a, const struct ike_suite *b);
bool ike_esp_same(const struct esp_suite *a, const struct esp_suite *b);

/* A lifetime in seconds from attributes (types 1, 2 in ESP, 11, 12 in ISAKMP): what RESPONDER-LIFETIME
 * carries. 0 when it says none; false when malformed. */
bool ike_life_of(struct slice attributes, bool phase1, uint32_t *life_s);

/* Write the body of our offer: phase 1 as one proposal; phase 2 as one proposal for each run of
 * GCM or non-GCM suites, all with the same SPI. */
void ike_sa1_put(struct wr *w, const struct ike_suite *suites, size_t n, uint32_t life_s);

struct ike_sa2_offer {
	const struct esp_suite *suites;
	size_t n;
	uint32_t spi;
	uint16_t mode;
	enum dh_group pfs;
	uint32_t life_s;
};
void ike_sa2_put(struct wr *w, const struct ike_sa2_offer *offer);

/* Write the body that accepts one offer: numbers and attributes as they came, our SPI. */
void ike_accept_put(struct wr *w, const struct ike_offer *offer, struct slice spi);

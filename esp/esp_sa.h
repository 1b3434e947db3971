/* One installed pair of SAs, as the user plane keeps it. The keys live inside the two transforms
 * and nowhere else. */
#pragma once

#include "base/crypto_esp.h"
#include "esp/esp.h"
#include "esp/esp_replay.h"

struct esp_half_sa {
	uint32_t spi;
	struct crypto_esp *crypto;
	struct esp_counters count;
};

struct esp_sa {
	struct esp_suite suite;
	enum lane lane;
	struct ip local, remote;          /* outer addresses: the pseudo header of IPv6 */
	uint16_t local_port, remote_port; /* of the UDP inside */
	msec installed_at;
	struct esp_half_sa in, out;
	uint32_t seq; /* of the last packet sent; 0 before the first */
	struct esp_replay replay;
	unsigned raised;  /* 1 << enum esp_event_kind: has happened, and is told only once */
	unsigned pending; /* of those, not yet told */
};

/* The pair with that inbound SPI; NULL when there is none. */
struct esp_sa *esp_find(const struct esp *esp, uint32_t spi_in);

static inline void esp_raise(struct esp_sa *sa, enum esp_event_kind kind)
{
	unsigned bit = 1u << kind;

	sa->pending |= bit & ~sa->raised;
	sa->raised |= bit;
}

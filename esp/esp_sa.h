/* One installed pair of SAs, as the user plane keeps it. The keys live inside the two transforms
 * and nowhere else. */
#pragma once

#include "base/crypto_esp.h"
#include "esp/esp_plane.h"
#include "esp/esp_replay.h"

struct esp_half_sa {
	struct crypto_esp *crypto;
	struct esp_counters count;
};

struct esp_sa {
	struct esp_pair face;
	struct esp_suite suite;
	enum lane lane;
	struct ip local, remote;          /* outer addresses: the pseudo header of IPv6 */
	uint16_t local_port, remote_port; /* of the UDP inside */
	uint32_t spi_out;
	struct esp_half_sa in, out;
	uint32_t seq; /* of the last packet sent; 0 before the first */
	struct esp_replay replay;
};

static inline struct esp_sa *esp_find(const struct esp *esp, uint32_t spi_in)
{
	return (struct esp_sa *)esp_pair_find(esp, spi_in);
}

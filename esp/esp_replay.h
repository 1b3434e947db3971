/* The anti-replay window of an inbound SA. RFC 4303, 3.4.3; the ring of words is RFC 6479's.
 *
 * Sequence numbers are 32 bits and never wrap (no ESN): after 2^32 - 1 the SA is over. A number is
 * asked about before the packet is verified, and accepted after; only the second changes anything,
 * so a forged packet cannot move the window. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	ESP_REPLAY_WORDS = 32,
	/* How far back a packet may come. One word is being filled while the oldest is cleared. */
	ESP_REPLAY_WINDOW = (ESP_REPLAY_WORDS - 1) * 64,
};

/* All zeros is a new window. */
struct esp_replay {
	uint64_t seen[ESP_REPLAY_WORDS]; /* bit seq % 64 of word seq / 64, modulo the ring */
	uint32_t top;                    /* the highest number accepted */
};

/* Could this number be accepted? Not 0, not older than the window, not seen before. */
bool esp_replay_is_new(const struct esp_replay *r, uint32_t seq);

/* Accept the number of an authentic packet; false when it is not (any more) new. */
[[gnu::warn_unused_result]] bool esp_replay_accept(struct esp_replay *r, uint32_t seq);

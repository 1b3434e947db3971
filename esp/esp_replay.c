#include "esp/esp_replay.h"

static uint64_t bit_of(uint32_t seq)
{
	return UINT64_C(1) << seq % 64;
}

bool esp_replay_is_new(const struct esp_replay *r, uint32_t seq)
{
	if (seq == 0) /* check: replay-zero */
		return false;
	if (seq > r->top)
		return true;
	return r->top - seq < ESP_REPLAY_WINDOW /* check: replay-window */ &&
	       !(r->seen[seq / 64 % ESP_REPLAY_WORDS] & bit_of(seq)) /* check: replay-seen */;
}

/* The words between the old top and the new one belong to numbers that nobody has seen. */
static void advance(struct esp_replay *r, uint32_t seq)
{
	uint32_t words = seq / 64 - r->top / 64;

	if (words > ESP_REPLAY_WORDS)
		words = ESP_REPLAY_WORDS;
	for (uint32_t i = 0; i < words; i++)
		r->seen[(seq / 64 - i) % ESP_REPLAY_WORDS] = 0;
	r->top = seq;
}

bool esp_replay_accept(struct esp_replay *r, uint32_t seq)
{
	if (!esp_replay_is_new(r, seq))
		return false;
	if (seq > r->top)
		advance(r, seq);
	r->seen[seq / 64 % ESP_REPLAY_WORDS] |= bit_of(seq);
	return true;
}

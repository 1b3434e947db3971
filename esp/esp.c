#include "esp/esp_plane.h"

#include <errno.h>
#include <string.h>

#include "base/crypto_esp.h"

/* The interface, and what is the same whichever plane is behind it. */

void esp_free(struct esp *esp)
{
	if (!esp)
		return;
	while (esp->n)
		esp_drop(esp, esp->pair[0]->spi_in);
	esp->ops->free(esp);
}

/* ---- pairs ---- */

struct esp_pair *esp_pair_find(const struct esp *esp, uint32_t spi_in)
{
	for (unsigned i = 0; i < esp->n; i++)
		if (esp->pair[i]->spi_in == spi_in /* check: esp-spi-known */)
			return esp->pair[i];
	return NULL;
}

int esp_install(struct esp *esp, const struct sa_pair *pair, msec now)
{
	struct esp_pair *kept;

	if (esp_pair_find(esp, pair->in.spi)) /* check: esp-spi-twice */
		return -EEXIST;
	if (esp->n == ESP_PAIRS_MAX) /* check: esp-pairs-room */
		return -ENOSPC;
	int rc = esp->ops->install(esp, pair, &kept);
	if (rc != 0)
		return rc;
	kept->spi_in = pair->in.spi;
	kept->installed_at = now;
	esp->pair[esp->n++] = kept;
	return 0;
}

void esp_use(struct esp *esp, uint32_t spi_in)
{
	struct esp_pair *pair = esp_pair_find(esp, spi_in);

	if (pair)
		esp->ops->use(esp, pair);
}

void esp_drop(struct esp *esp, uint32_t spi_in)
{
	struct esp_pair *pair = esp_pair_find(esp, spi_in);
	struct esp_sa_status st = {0};
	unsigned i = 0;

	if (!pair)
		return;
	esp->ops->get_status(esp, pair, &st);
	esp_counters_add(&esp->in, &st.in);
	esp_counters_add(&esp->out, &st.out);
	while (esp->pair[i] != pair)
		i++;
	memmove(&esp->pair[i], &esp->pair[i + 1], (esp->n - i - 1) * sizeof(esp->pair[0]));
	esp->n--;
	if (esp->current == pair)
		esp->current = NULL;
	esp->ops->drop(esp, pair);
}

uint32_t esp_new_spi(struct esp *esp)
{
	uint32_t spi;

	do
		spi = env_random_u32(esp->env);
	while (spi < ESP_SPI_MIN /* check: esp-spi-reserved */ ||
		esp_pair_find(esp, spi) /* check: esp-spi-unused */);
	return spi;
}

/* ---- packets ---- */

void esp_recv(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	esp->ops->recv(esp, in, now, out);
}

void esp_send(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	esp->ops->send(esp, in, now, out);
}

/* ---- news and figures ---- */

bool esp_next_event(struct esp *esp, struct esp_event *ev)
{
	for (unsigned i = 0; i < esp->n; i++) {
		struct esp_pair *pair = esp->pair[i];

		if (!pair->pending)
			continue;
		*ev = (struct esp_event){
			.kind = (enum esp_event_kind)__builtin_ctz(pair->pending),
			.spi_in = pair->spi_in,
			.error = pair->error,
		};
		pair->pending &= pair->pending - 1;
		return true;
	}
	return false;
}

msec esp_last_in(const struct esp *esp)
{
	return esp->last_in;
}

bool esp_get_status(const struct esp *esp, unsigned i, struct esp_sa_status *status)
{
	if (i >= esp->n)
		return false;
	*status = (struct esp_sa_status){
		.spi_in = esp->pair[i]->spi_in,
		.in_use = esp->pair[i] == esp->current,
		.installed_at = esp->pair[i]->installed_at,
	};
	esp->ops->get_status(esp, esp->pair[i], status);
	return true;
}

void esp_get_totals(const struct esp *esp, struct esp_counters *in, struct esp_counters *out)
{
	struct esp_sa_status st;

	*in = esp->in;
	*out = esp->out;
	for (unsigned i = 0; esp_get_status(esp, i, &st); i++) {
		esp_counters_add(in, &st.in);
		esp_counters_add(out, &st.out);
	}
}

void esp_counters_add(struct esp_counters *to, const struct esp_counters *c)
{
	to->packets += c->packets;
	to->octets += c->octets;
	to->icv_bad += c->icv_bad;
	to->replayed += c->replayed;
	to->malformed += c->malformed;
	to->no_sa += c->no_sa;
	to->no_room += c->no_room;
	to->exhausted += c->exhausted;
	to->truncated_icv_would_fit += c->truncated_icv_would_fit;
}

size_t esp_payload_max(const struct esp_suite *suite, size_t room)
{
	enum { UDP_HDR = 8, TRAILER = 2 };
	size_t around = CRYPTO_ESP_HEAD + esp_iv_len(suite) + suite->icv_len;
	size_t text = room > around ? room - around : 0;

	text -= text % esp_align(suite);
	return text > UDP_HDR + TRAILER ? text - UDP_HDR - TRAILER : 0;
}

#include "esp/esp_plane.h"

#include "base/crypto_esp.h"

/* The interface, whichever plane is behind it. */

void esp_free(struct esp *esp)
{
	if (esp)
		esp->ops->free(esp);
}

int esp_install(struct esp *esp, const struct sa_pair *pair, msec now)
{
	return esp->ops->install(esp, pair, now);
}

void esp_use(struct esp *esp, uint32_t spi_in)
{
	esp->ops->use(esp, spi_in);
}

void esp_drop(struct esp *esp, uint32_t spi_in)
{
	esp->ops->drop(esp, spi_in);
}

uint32_t esp_new_spi(struct esp *esp)
{
	uint32_t spi;

	do
		spi = env_random_u32(esp->env);
	while (spi < ESP_SPI_MIN /* check: esp-spi-reserved */ ||
		esp->ops->has_spi(esp, spi) /* check: esp-spi-unused */);
	return spi;
}

void esp_recv(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	esp->ops->recv(esp, in, now, out);
}

void esp_send(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	esp->ops->send(esp, in, now, out);
}

bool esp_next_event(struct esp *esp, struct esp_event *ev)
{
	return esp->ops->next_event(esp, ev);
}

msec esp_last_in(const struct esp *esp)
{
	return esp->ops->last_in(esp);
}

bool esp_get_status(const struct esp *esp, unsigned i, struct esp_sa_status *status)
{
	return esp->ops->get_status(esp, i, status);
}

void esp_get_totals(const struct esp *esp, struct esp_counters *in, struct esp_counters *out)
{
	esp->ops->get_totals(esp, in, out);
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

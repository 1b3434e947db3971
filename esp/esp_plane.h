/* What a data plane is behind esp.h: a table of functions, and a struct that begins with struct esp. */
#pragma once

#include "esp/esp.h"

/* Half of the sequence numbers: IKE has the other half of the SA's life to replace it. */
#define ESP_SEQ_SOON UINT32_C(0x80000000)

/* Sweet32: no more than 1 GiB under one 3DES key. An eighth of it is left for the rekey. */
#define ESP_OCTETS_SOON_3DES (UINT64_C(7) << 27)

/* Each as the function of esp.h with its name says. */
struct esp_ops {
	void (*free)(struct esp *esp);
	int (*install)(struct esp *esp, const struct sa_pair *pair, msec now);
	void (*use)(struct esp *esp, uint32_t spi_in);
	void (*drop)(struct esp *esp, uint32_t spi_in);
	bool (*has_spi)(const struct esp *esp, uint32_t spi_in); /* for esp_new_spi() */
	void (*recv)(struct esp *esp, struct pktq *in, msec now, struct io *out);
	void (*send)(struct esp *esp, struct pktq *in, msec now, struct io *out);
	bool (*next_event)(struct esp *esp, struct esp_event *ev);
	msec (*last_in)(const struct esp *esp);
	bool (*get_status)(const struct esp *esp, unsigned i, struct esp_sa_status *status);
	void (*get_totals)(
		const struct esp *esp, struct esp_counters *in, struct esp_counters *out);
};

struct esp {
	const struct esp_ops *ops;
	const struct env *env;
};

void esp_counters_add(struct esp_counters *to, const struct esp_counters *c);

/* What a data plane is behind esp.h: a table of functions, and a struct that begins with struct esp.
 * Pairs, news and sums are the same on all planes (esp.c). */
#pragma once

#include "esp/esp.h"

/* Half of the sequence numbers: IKE has the other half of the SA's life to replace it. */
#define ESP_SEQ_SOON UINT32_C(0x80000000)

/* Sweet32: no more than 1 GiB under one 3DES key. An eighth of it is left for the rekey. */
#define ESP_OCTETS_SOON_3DES (UINT64_C(7) << 27)

/* An installed pair; what a plane keeps of one begins with it. */
struct esp_pair {
	uint32_t spi_in;
	msec installed_at;
	unsigned raised;  /* 1 << enum esp_event_kind: has happened, and is told only once */
	unsigned pending; /* of those, not yet told */
	int error;        /* of BROKEN */
};

struct esp_ops {
	/* The plane without its pairs: they are dropped before. */
	void (*free)(struct esp *esp);
	/* The inbound half is live from now on. The SPI is new. 0 and *kept, or -errno. */
	int (*install)(struct esp *esp, const struct sa_pair *pair, struct esp_pair **kept);
	/* Becomes esp->current, unless it cannot. */
	void (*use)(struct esp *esp, struct esp_pair *pair);
	/* It is no longer in the list, and its counters are in the sums. */
	void (*drop)(struct esp *esp, struct esp_pair *pair);
	/* As esp_recv() and esp_send(). */
	void (*recv)(struct esp *esp, struct pktq *in, msec now, struct io *out);
	void (*send)(struct esp *esp, struct pktq *in, msec now, struct io *out);
	/* Adds suite, spi_out, in and out. */
	void (*get_status)(
		const struct esp *esp, const struct esp_pair *pair, struct esp_sa_status *status);
};

struct esp {
	const struct esp_ops *ops;
	const struct env *env;
	struct esp_pair *pair[ESP_PAIRS_MAX]; /* in order of installation */
	unsigned n;
	struct esp_pair *current; /* the one we send on; NULL before esp_use() */
	msec last_in;
	struct esp_counters in, out; /* of dropped pairs, and of no pair */
};

/* The pair with that inbound SPI; NULL when there is none. */
struct esp_pair *esp_pair_find(const struct esp *esp, uint32_t spi_in);

void esp_counters_add(struct esp_counters *to, const struct esp_counters *c);

static inline void esp_raise(struct esp_pair *pair, enum esp_event_kind kind)
{
	unsigned bit = 1u << kind;

	pair->pending |= bit & ~pair->raised;
	pair->raised |= bit;
}

/* ESP in transport mode around the UDP of L2TP. RFC 4303, 3948, 4106.
 *
 * The interface of a data plane: pairs of SAs are installed, used and dropped as IKE says; L2TP
 * packets go in at the top and come out at the top. esp_new() is the user plane, pure: packets,
 * answers and time in, packets, events and a deadline out. Seal and open work in place, a queue is
 * one batch.
 *
 *   out->down   ESP packets, p->lane = LANE_NATT (payload of UDP 4500) or LANE_RAW; for a kernel
 *               that seals by itself L2TP, LANE_L2TP
 *   out->up     L2TP: the payload of the UDP inside, its header checked and stripped */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"
#include "base/msec.h"
#include "base/pkt.h"
#include "base/sa.h"

struct esp;

enum { ESP_PAIRS_MAX = 8 }; /* live at once: the current one, its successor, old ones running out */

enum esp_event_kind {
	ESP_EV_FIRST_IN, /* news: the first packet on `spi_in` was authenticated */
	ESP_EV_EXHAUSTED, /* news: sequence numbers (or a 3DES byte budget) run out: rekey `spi_in` */
	ESP_EV_LOST,      /* news: a half of `spi_in` is gone, by others or used up: rekey */
	ESP_EV_BROKEN,    /* news: the pair cannot be used: `error`. Kernel planes only */
};

struct esp_event {
	enum esp_event_kind kind;
	uint32_t spi_in;
	int error; /* BROKEN: -errno */
};

/* Everything that can happen to a packet, counted. */
struct esp_counters {
	uint64_t packets, octets; /* went through; octets of ESP, from SPI to ICV */
	uint64_t icv_bad;         /* authentication failed */
	uint64_t replayed;        /* seen before, or too old for the window */
	uint64_t malformed;       /* too short, bad padding, wrong next header, wrong inner UDP */
	uint64_t no_sa;           /* no such SPI (in); nothing to send on (out) */
	uint64_t no_room;         /* no room for header or trailer */
	uint64_t exhausted;       /* not sent: the SA's sequence numbers are used up */
	/* of icv_bad: a 96-bit SHA2-256 ICV would have been right */
	uint64_t truncated_icv_would_fit;
};

struct esp_sa_status {
	struct esp_suite suite;
	uint32_t spi_in, spi_out;
	bool in_use; /* the one we send on */
	msec installed_at;
	struct esp_counters in, out;
};

/* A user plane; NULL: out of memory. */
struct esp *esp_new(const struct env *env);
void esp_free(struct esp *esp); /* wipes all keys. NULL is allowed */

/* Install both halves: inbound is live at once, outbound is used after esp_use(). Copies *pair.
 * 0, -EEXIST (the SPI is taken), -ENOSPC (ESP_PAIRS_MAX), -ENOTSUP (no such suite), -ENOMEM. */
[[gnu::warn_unused_result]] int esp_install(struct esp *esp, const struct sa_pair *pair, msec now);

/* Send on this pair from now on. Unknown SPIs are ignored, here and below. */
void esp_use(struct esp *esp, uint32_t spi_in);
void esp_drop(struct esp *esp, uint32_t spi_in);

/* A random inbound SPI that no pair uses. */
uint32_t esp_new_spi(struct esp *esp);

/* From the network, of the lanes that `out->down` of the plane has. Takes all of `in`. */
void esp_recv(struct esp *esp, struct pktq *in, msec now, struct io *out);

/* L2TP packets to the network: UDP header, trailer and ICV are added in place. Takes all of `in`. */
void esp_send(struct esp *esp, struct pktq *in, msec now, struct io *out);

bool esp_next_event(struct esp *esp, struct esp_event *ev);

/* When the last authentic packet came; 0 = never. */
msec esp_last_in(const struct esp *esp);

/* Of the pair number i (0 = oldest), false when there are fewer. */
bool esp_get_status(const struct esp *esp, unsigned i, struct esp_sa_status *status);
/* Sums over all pairs that ever were, plus what belonged to no pair. */
void esp_get_totals(const struct esp *esp, struct esp_counters *in, struct esp_counters *out);

/* The longest L2TP packet whose ESP packet (SPI to ICV) has at most `room` octets; 0 if none has. */
size_t esp_payload_max(const struct esp_suite *suite, size_t room);

/* IKEv1 with one gateway: main mode with a pre-shared key, quick mode, notifies, deletes, DPD,
 * NAT traversal, rekeying. RFC 2407, 2408, 2409, 3706, 3947.
 *
 * Sans-I/O: datagrams and time come in as arguments, datagrams go out through out->down, news and
 * questions are collected with ike_next_event(). Never blocks, never calls its user.
 *
 *   main mode      1 SA > 2 SA > 3 KE,Ni,NAT-D > 4 KE,Nr,NAT-D > 5 *ID,HASH > 6 *ID,HASH
 *   quick mode     1 *HASH,SA,Ni,ID,ID > 2 *HASH,SA,Nr,ID,ID > 3 *HASH
 *
 * Several phase 1 SAs may be alive at once (renewal is a new main mode); quick modes belong to one
 * of them, ESP pairs to none: a pair lives until it is replaced, deleted or expires. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/answer.h"
#include "base/env.h"
#include "base/msec.h"
#include "base/pkt.h"
#include "base/reason.h"
#include "base/sa.h"
#include "ike/ike_natt.h"
#include "ike/ike_sa.h"

struct ike;

enum ike_encap { IKE_ENCAP_AUTO, IKE_ENCAP_FORCE, IKE_ENCAP_OFF };

/* Everything borrowed for the life of the machine. */
struct ike_conf {
	struct addr local[LANES]; /* of the connected sockets: [LANE_IKE] and [LANE_NATT] */
	struct addr remote[LANES];
	enum lane first_lane; /* LANE_IKE; LANE_NATT: start on 4500 with the marker */
	struct slice psk;
	const char *local_id; /* NULL: our address. "user@host", a name, or an address */
	struct ike_proposals proposals;
	enum ike_encap encap;
	bool raw_esp;         /* the plane can do protocol 50; else encapsulation is forced */
	uint16_t l2tp_port;   /* our UDP port inside: 1701 unless something holds it */
	uint32_t ike_life_s;  /* offered; 28800 */
	uint32_t esp_life_s;  /* offered; 3600 */
	bool rekey;           /* false: let the server renew, or the SAs end */
	bool initial_contact; /* the first of this process to this server */
	msec dpd_interval;    /* silence before we ask; 0 = never */
};

enum ike_event_kind {
	IKE_EV_PROGRESS,  /* news: `step` was reached (for stage lines) */
	IKE_EV_PHASE1_UP, /* news: main mode is done and authenticated; see ike_status() */
	IKE_EV_WANT_SPI,  /* question: an inbound SPI for a coming pair */
	IKE_EV_WANT_SA, /* question: install `pair`, inbound live at once, outbound not yet in use.
	                    * The message that depends on it is held until the answer */
	IKE_EV_USE_SA,  /* news: send on the pair whose inbound SPI is `spi_in` from now on */
	IKE_EV_DROP_SA, /* news: forget the pair whose inbound SPI is `spi_in`; keys are dead */
	IKE_EV_NO_SA,   /* news: no pair is left, a new one is being negotiated */
	IKE_EV_FAILED,  /* news: the end, `reason` says why. Nothing but ike_free() follows */
};

struct ike_event {
	enum ike_event_kind kind;
	uint32_t id;                /* of a question, for ike_answer() */
	const char *step;           /* PROGRESS: "main mode 2", static */
	const struct sa_pair *pair; /* WANT_SA: valid until the next call into the machine */
	uint32_t spi_in;            /* USE_SA, DROP_SA */
	struct reason reason;       /* FAILED */
};

/* What status shows. */
struct ike_status {
	bool established;
	struct ike_suite suite;
	uint8_t cookie_i[8], cookie_r[8];
	bool we_are_natted, peer_is_natted, floated;
	bool peer_dpd;
	char peer_id[64];      /* as text, escaped */
	const char *peer_kind; /* "SoftEther", "Windows", ... from its vendor IDs, or "" */
	msec established_at, rekey_at;
	unsigned quick_modes, main_modes; /* completed */
	msec rtt;                         /* measured on messages 1 and 2 */
};

/* NULL when out of memory or when OpenSSL lacks what the proposals need. */
struct ike *ike_new(const struct ike_conf *conf, const struct env *env);

/* Wipes all keys. Sends nothing: ike_close() first, if the peer should know. NULL is allowed. */
void ike_free(struct ike *ike);

/* Begin main mode. */
void ike_open(struct ike *ike, msec now, struct io *out);

/* Queue Delete for every ESP pair and every IKE SA, authenticated; once, with no repeats. */
void ike_close(struct ike *ike, msec now, struct io *out);

/* ISAKMP messages (marker already pulled), p->lane says whence; answers carry the lane they leave
 * by, without marker. Takes all of `in`. Unknown cookies: no answer, no state. */
void ike_recv(struct ike *ike, struct pktq *in, msec now, struct io *out);

void ike_tick(struct ike *ike, msec now, struct io *out);
msec ike_deadline(const struct ike *ike);

/* Events in order; false when there is none. */
bool ike_next_event(struct ike *ike, struct ike_event *ev);

/* The answer to WANT_SPI or WANT_SA. */
void ike_answer(
	struct ike *ike, uint32_t id, const struct answer *answer, msec now, struct io *out);

/* The plane authenticated the first packet on this inbound SPI: proof that the peer has the pair,
 * also when our message 3 was lost. RFC 2409, 5.5. */
void ike_sa_used(struct ike *ike, uint32_t spi_in, msec now, struct io *out);

/* We have asked on the pair in use and nothing has come: message 3, which nobody acknowledges, may be
 * lost, so it is said once more. */
void ike_sa_unanswered(struct ike *ike, msec now, struct io *out);

/* We have asked on the pair in use for long and nothing comes any more, though it did before: the
 * peer may have deleted the pair, and its Delete be lost. Another one is negotiated. */
void ike_sa_doubted(struct ike *ike, msec now, struct io *out);

/* Anything authentic came from the peer (ESP): it is alive, DPD may rest. */
void ike_peer_alive(struct ike *ike, msec now);

/* The plane wants fresh keys for this pair (sequence numbers are running out). */
void ike_rekey(struct ike *ike, uint32_t spi_in, msec now, struct io *out);

void ike_get_status(const struct ike *ike, struct ike_status *status);

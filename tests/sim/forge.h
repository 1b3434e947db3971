/* Somebody on the path of a simulated client: he sees every packet of both ends as it enters the
 * network, holds no key, overtakes whatever he likes, and puts packets of his own before the client.
 * What he sends and when is a row of a table; where in a connection is a step.
 *
 *   client ── sim ──┬── gateway
 *                 forger */
#pragma once

#include "ike/ike_msg.h"
#include "tests/sim/world.h"

/* What the client is waiting for. */
enum forge_step {
	AT_MESSAGE_2,
	AT_MESSAGE_4,
	AT_MESSAGE_6,
	AT_QUICK_2,
	AT_LINK, /* L2TP and PPP */
	AT_UP,
	AT_REKEY,         /* of its own quick mode */
	AT_GATEWAY_REKEY, /* of the gateway's */
	AT_RENEWAL,       /* of phase 1 */
	FORGE_STEPS,
};

enum forge_time {
	FORGE_SPREAD,  /* evenly over the step, from its first millisecond on */
	FORGE_AT_ONCE, /* before the gateway can have answered */
	FORGE_BEFORE,  /* ahead of each packet of the gateway, which he has read */
	FORGE_AFTER,   /* behind it */
};

enum {
	FORGE_SEEN = 64, /* packets remembered */
	FORGE_SEALED = 1u << AT_MESSAGE_6 | 1u << AT_QUICK_2 | 1u << AT_UP | 1u << AT_REKEY |
		       1u << AT_GATEWAY_REKEY | 1u << AT_RENEWAL,
	FORGE_ESP = 1u << AT_LINK | 1u << AT_UP | 1u << AT_REKEY | 1u << AT_GATEWAY_REKEY |
		    1u << AT_RENEWAL,
	FORGE_ALWAYS = (1u << FORGE_STEPS) - 1,
};

enum forge_class {
	FORGE_PLAIN,
	FORGE_RACES,       /* it may be taken for the true message, which comes later */
	FORGE_RACES_TWICE, /* the same at all its steps in one run */
	FORGE_FLOODS,      /* more of these than are followed, before the true one */
	FORGE_CLASSES,
};

struct forger;

struct forgery {
	const char *name;
	enum forge_time time;
	unsigned steps;    /* bits 1 << enum forge_step */
	unsigned variants; /* each is a run of its own */
	/* The ith packet of a variant; NULL: there is none. */
	struct pkt *(*make)(struct forger *f, unsigned variant, unsigned i);
	unsigned count; /* at most so many in a step; 0: as many as are asked for */
	enum forge_class class;
};
extern const struct forgery forgeries[];
extern const size_t n_forgeries;

struct forger {
	struct world *w;
	const struct forgery *what;
	unsigned variant;
	unsigned steps; /* at which he acts */
	unsigned count; /* of forgeries in a step */
	uint64_t rng;
	unsigned sent,
		answered; /* packets of his; of the gateway's that he has acted on in this step */

	/* what he knows */
	bool knows_cookie_r;
	uint8_t cookie_i[IKE_COOKIE], cookie_r[IKE_COOKIE];
	uint32_t quick_id, done_id, spi_in, spi_out; /* spi_in: of what the client receives */
	struct pkt *seen[FORGE_SEEN];
	bool of_client[FORGE_SEEN];
	unsigned n_seen;
	struct pkt *message1, *message2, *message3; /* the latest */
	const struct pkt *genuine;                  /* BEFORE and AFTER: what has been sent now */
	enum forge_step step;
};

struct forger *forger_new(struct world *w, const struct forgery *what, unsigned variant,
	unsigned steps, unsigned count);
void forger_free(struct forger *f);

/* The step AT_UP begins when the test says so; all others show on the wire. */
void forger_at_up(struct forger *f);

const char *forge_step_name(enum forge_step step);

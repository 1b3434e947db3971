/* Configuration options of a PPP control protocol, driven by a table. RFC 1661, 5.1 to 5.4 and 6.
 *
 * One row says all about one option: its length, how we answer when the peer asks for it, what we
 * ask for ourselves, what a Nak means. An option without a row, or whose length is not the row's,
 * is rejected. The engine knows no protocol and keeps no packet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

enum { OPTS_MAX = 1500 }; /* octets of options in one packet; longer packets are malformed */

/* Our answer to an option, the worse the greater: the worst of a request is the answer to it. */
enum opt_verdict { OPT_ACK, OPT_NAK, OPT_REJECT };

struct opt {
	uint8_t type;
	uint8_t min, max; /* octets of the value */

	/* The peer asks for `value`. With OPT_NAK `better` holds what we would take instead.
	 * NULL: we never grant it. */
	enum opt_verdict (*judge)(
		void *ctx, const struct opt *o, struct slice value, struct wr *better);

	/* Write the value we ask for; false: we do not want it now. NULL: we never ask. */
	bool (*ask)(void *ctx, const struct opt *o, struct wr *value);

	/* The peer would rather see `value`; false: then we do without the option. */
	bool (*naked)(void *ctx, const struct opt *o, struct slice value);

	/* The peer refuses to hear of it: it is not asked again. May be NULL. */
	void (*rejected)(void *ctx, const struct opt *o);
};

/* One negotiation. */
struct opts {
	const struct opt *table;
	size_t n; /* rows, at most 32 */
	void *ctx;
	uint32_t dropped; /* rows we do not ask for any more */
};

/* One option as it stands in a packet. */
struct opt_tlv {
	uint8_t type;
	struct slice value;
};

/* The next option; false at the end or on a malformed one (r->bad tells which). */
bool opt_next(struct rd *r, struct opt_tlv *tlv);
void opt_put(struct wr *w, uint8_t type, struct slice value);

/* A list of whole options, of a length that we accept. */
bool opts_well_formed(struct slice list);

/* Our Configure-Request's options. */
void opts_ask(const struct opts *o, struct wr *w);

/* The peer's Configure-Request: our verdict on it, and the options of our Ack, Nak or Reject. When
 * may_nak is false a Nak becomes a Reject (RFC 1661, 4.6, Max-Failure). False: malformed. */
bool opts_judge(const struct opts *o, struct slice request, bool may_nak, enum opt_verdict *verdict,
	struct wr *reply);

/* The peer's Nak or Reject of our request `asked`. False: malformed, or a Reject of something that
 * we did not ask for; then nothing has changed. Naks of what we did not ask are passed over. */
bool opts_naked(struct opts *o, struct slice asked, struct slice naked);
bool opts_rejected(struct opts *o, struct slice asked, struct slice rejected);

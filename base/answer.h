/* The owner's answer to a question that a machine asked with an event.
 *
 * A machine that asks goes on answering the rest of the world; the answer may come late or say no.
 * An id that is not pending (any more) is ignored. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/wire.h"

struct answer {
	bool yes; /* no: `why` is a static or borrowed sentence, or NULL */
	const char *why;
	uint32_t spi;        /* WANT_SPI: non-zero, at least 256, used by no live SA */
	struct slice secret; /* WANT_SECRET: borrowed for the call */
};

/* L2TP packets into ESP and back, a batch at a time. RFC 4303, 2 and 3; RFC 3948.
 *
 *	L2TP  ->  SPI seq IV [ UDP 8 | L2TP | padding 1 2 3 .. | pad length | 17 ] ICV  ->  L2TP
 *
 * Both count what happened to each packet in the SA and raise its events. */
#pragma once

#include "esp/esp_sa.h"

/* Take up to PKT_BATCH packets from `in`; those that could be sealed go to `down`. */
void esp_seal(struct esp_sa *sa, const struct env *env, struct pktq *in, struct pktq *down);

/* Take all packets of `in`, at most PKT_BATCH and each with this SA's SPI; the L2TP inside goes to
 * `up`. Was at least one of them authentic and new? */
bool esp_open(struct esp_sa *sa, struct pktq *in, struct pktq *up);

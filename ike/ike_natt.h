/* UDP 4500 carries three things; RFC 3948, 2. A codec: no state, either role. */
#pragma once

#include <stdbool.h>

#include "base/pkt.h"

/* What a datagram on UDP 4500 is. An IKE message has its marker pulled. */
enum natt_kind { NATT_IKE, NATT_ESP, NATT_KEEPALIVE, NATT_JUNK };
enum natt_kind natt_classify(struct pkt *p);

/* The four zero octets in front of an IKE message on UDP 4500; a keepalive (RFC 3948, 2.3), which
 * also comes out of the machine, stays as it is. False: no room in front. */
bool natt_mark(struct pkt *p);

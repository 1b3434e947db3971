/* What the kernel can do of a connection's data plane: tried, not guessed, and remembered. */
#pragma once

#include <stdbool.h>

#include "base/env.h"
#include "ike/ike_sa.h"

struct planes;
struct xfrm_host;

enum { PLANE_WHY = 160 };

/* The journal's entry of a connection whose ESP is the kernel's. */
#define PLANE_ENTRY      "reqid=%u server=%s"
#define PLANE_ENTRY_SCAN "reqid=%u server=%45s"

/* NULL: out of memory. */
struct planes *planes_new(const struct env *env);
void planes_free(struct planes *p);

/* What the kernel planes of all connections share. */
struct xfrm_host *planes_xfrm(struct planes *p);

/* Can the kernel do ESP with every suite that is offered? Else `why` says which, and what it said. */
bool plane_probe(struct planes *p, const struct ike_proposals *offered, char why[static PLANE_WHY]);

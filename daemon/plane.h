/* What this kernel can do of a connection's data plane: tried, not guessed, and remembered.
 *
 * The first try may load modules, which takes this host most of a second: it is made by a child
 * (aside.h), and an attempt waits for it like for any other answer. */
#pragma once

#include <stdbool.h>

#include "base/env.h"
#include "daemon/ability.h"
#include "daemon/kmod.h"
#include "daemon/loop.h"
#include "ike/ike_sa.h"

struct planes;
struct plane_ask;
struct xfrm_host;

enum { PLANE_WHY = 200, PLANE_NEEDS_MAX = ESP_SUITES_MAX + 3 };

/* The journal's entry of a connection whose ESP is the kernel's. */
#define PLANE_ENTRY      "reqid=%u server=%s"
#define PLANE_ENTRY_SCAN "reqid=%u server=%45s"

enum plane_kind { PLANE_ESP, PLANE_L2TP, PLANE_PPP, PLANE_TUN };

/* One thing that a plane needs of the kernel. */
struct plane_need {
	enum plane_kind kind;
	struct esp_suite suite; /* ESP */
};

/* "esp aes256-sha1", "l2tp", "ppp", "tun". */
const char *plane_need_text(const struct plane_need *need, char to[static ABILITY_NAME]);

/* Does the kernel have it, and may we? 0 or -errno. */
typedef int plane_try(const struct env *env, const struct plane_need *need);

/* Of a need that is refused with -errno: "no CAP_NET_ADMIN", "l2tp_ppp is blacklisted (...)". */
const char *plane_why(const struct kmod *kmod, const struct plane_need *need, int rc,
	char to[static ABILITY_WHY]);

struct planes_conf {
	const struct env *env;
	struct loop *loop;
	const char *runtime_dir; /* NULL: nothing outlives the process */
	const struct kmod *kmod; /* NULL: this host's */
	plane_try *try;          /* NULL: this kernel's */
};

/* What *conf names is borrowed. NULL: out of memory. */
struct planes *planes_new(const struct planes_conf *conf);
void planes_free(struct planes *p);

/* What the kernel planes of all connections share. */
struct xfrm_host *planes_xfrm(struct planes *p);

/* Find out what is not known yet of what a connection needs that offers this; `again`: also what is
 * known. done(ctx) is called later, in the loop. NULL: there is nothing to wait for. */
struct plane_ask *planes_ask(struct planes *p, const struct ike_proposals *offered, bool again,
	loop_fn *done, void *ctx);
void plane_ask_free(struct plane_ask *ask); /* done is not called any more. NULL is allowed */

/* What was found of one need: `why` is "" when it is there. */
bool plane_has(const struct planes *p, const struct plane_need *need, char why[static PLANE_WHY]);

/* Can the kernel do ESP with every suite that is offered? Else `why` says which it cannot. */
bool plane_probe(
	const struct planes *p, const struct ike_proposals *offered, char why[static PLANE_WHY]);

/* Can it take an L2TP session and its PPP? */
bool plane_session(const struct planes *p, char why[static PLANE_WHY]);

/* May we do anything of that at all? */
bool plane_permitted(void);

/* It refused what it could do before: ask anew, the next time. */
void planes_doubt(struct planes *p);

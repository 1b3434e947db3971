/* The kernel plane between its own files. */
#pragma once

#include "esp/esp_plane.h"
#include "esp/xfrm.h"
#include "esp/xfrm_msg.h"
#include "esp/xfrm_sock.h"

/* A pair whose inbound half is in the kernel. The outbound one is there while the pair is used, and
 * never comes again: it would count from 1 under the same key. IKE goes back to an older pair only
 * until it has a new one; till then nothing is sent. */
struct kernel_pair {
	struct esp_pair face;
	struct sa_pair pair; /* no keys any more once both have been in the kernel */
	enum { OUT_WAITS, OUT_ADDED, OUT_SPENT } out;
	msec asked_at; /* whether it has carried anything */
};

struct xfrm {
	struct esp face;
	struct xfrm_host *host;
	struct xfrm *next; /* of the host's planes */
	struct xfrm_sock sock, news;
	uint32_t reqid;
	struct ip server;
	uint16_t port; /* of the gateway's ESP in UDP, since it has moved; else 0 */
	msec moved_at; /* when it was last followed there */
};

/* ---- xfrm.c ---- */

static inline struct kernel_pair *xfrm_pair(const struct xfrm *x, unsigned i)
{
	return (struct kernel_pair *)x->face.pair[i];
}

struct xfrm_sa xfrm_half(const struct xfrm *x, const struct kernel_pair *k, enum xfrm_way way);

/* m makes an SA to be `sa`: see whether it is. Takes m. 0, or -errno and then it is gone. */
int xfrm_put_sa(struct xfrm *x, struct nl_msg *m, const struct xfrm_sa *sa);

/* What the kernel says of an SA; false when it has none of that name. */
bool xfrm_ask(struct xfrm *x, const struct xfrm_sa *sa, struct xfrm_sa_state *state);

/* The backstop is put back whoever took it; that it is there already is no news. 0 or -errno. */
int xfrm_put_block(struct xfrm *x);

/* SAs and policies of the kernel as netlink messages, and back. linux/xfrm.h.
 *
 * Messages hold keys: each is wiped by xfrm_msg_free(), and what the kernel sends back is read from
 * the caller's own buffer, which he wipes. (libnl-xfrm keeps keys in objects that it frees as they
 * are; therefore its objects are not used here, only libnl's messages and attributes.) */
#pragma once

#include <netlink/msg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/sa.h"
#include "esp/esp.h"

enum xfrm_way { XFRM_IN, XFRM_OUT }; /* packets to us, packets of ours */

/* One SA of a pair. `reqid` is never 0: the kernel takes 0 for any, and would send on the pair of
 * another connection. */
struct xfrm_sa {
	const struct sa_pair *pair;
	enum xfrm_way way;
	uint32_t reqid;
};

/* What the kernel says of an SA. */
struct xfrm_sa_state {
	struct ip dst;
	uint32_t spi, reqid;
	bool runs_out; /* a soft limit is reached */
	struct esp_counters count;
};

/* All of these: NULL when out of memory. */
struct nl_msg *xfrm_msg_add_sa(const struct xfrm_sa *sa);
/* New ports for one that is there; the kernel wants all the rest again, keys included. */
struct nl_msg *xfrm_msg_update_sa(const struct xfrm_sa *sa);
struct nl_msg *xfrm_msg_del_sa(const struct xfrm_sa *sa);
struct nl_msg *xfrm_msg_get_sa(const struct xfrm_sa *sa);

/* Of anybody's, as a dump has it. */
struct nl_msg *xfrm_msg_del_state(const struct xfrm_sa_state *state);

/* All SAs of the host, others' too. */
struct nl_msg *xfrm_msg_dump_sas(void);

/* Whoever has no policy of his own on the socket neither sends UDP to `server`'s port 1701 nor hears
 * from it: the backstop of a connection against L2TP in clear. */
struct nl_msg *xfrm_msg_add_block(const struct ip *server, enum xfrm_way way);
struct nl_msg *xfrm_msg_del_block(const struct ip *server, enum xfrm_way way);

void xfrm_msg_free(struct nl_msg *m); /* wipes. NULL is allowed */

/* Of a message XFRM_MSG_NEWSA; false when it is none, or malformed. */
bool xfrm_msg_state(const struct nlmsghdr *h, struct xfrm_sa_state *state);

/* The keys in an XFRM_MSG_NEWSA of an SA with that suite; false when they are not there. */
bool xfrm_msg_keys(const struct nlmsghdr *h, const struct esp_suite *suite, struct esp_half *half);

/* An xfrm_address_t. */
struct ip xfrm_msg_ip(const void *address, uint16_t af);

/* Is this XFRM_MSG_NEWSA the SA that xfrm_msg_add_sa() asked for, keys included? */
bool xfrm_msg_is_sa(const struct nlmsghdr *h, const struct xfrm_sa *sa);

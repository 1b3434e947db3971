/* A host for tests of routing: a namespace with an uplink, a LAN, and rules of somebody else that
 * look much like ours; and what the tests ask about it. */
#pragma once

#include "tests/vectors/vectors.h"

#include "daemon/route.h"

struct host {
	char dir[64];
	char before[16384]; /* its state before anything of ours */
	struct journal *journal;
	struct routes *all;
	struct route *route;
	int tun;
	msec now;
};

/* cmocka's setup and teardown. */
int host_setup(void **state);
int host_teardown(void **state);

/* Journal and routes; closing checks that nothing is pending in the journal. */
void host_open(struct host *h);
void host_close(struct host *h);

/* Up with a TUN "vpn-t" and the flow `ike`; and all of it gone. */
extern const struct flow ike;
void connect_with(struct host *h, const struct route_conf *conf);
void connect_mode(struct host *h, enum route_mode mode);
void disconnect(struct host *h);

/* News takes effect, at once or at the next deadlines. */
void settle(struct host *h);

/* Rules, routes and addresses as `ip` shows them; the same as before anything of ours. */
void host_state(char to[static 16384]);
void assert_untouched(const struct host *h);

/* Where the kernel would send it: a device, or "" for nowhere. */
void assert_goes(const char *to, const char *how, const char *device);
bool shows(const char *command, const char *what);

void add_veth(const char *name, const char *peer);
int tun_new(const char *name);
struct ip ip_from(const char *text);
struct prefix prefix_from(const char *text);
struct route_conf conf_of(enum route_mode mode);
struct route_link link_of(const char *name);

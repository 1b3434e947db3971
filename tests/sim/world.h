/* A client (struct conn) against the test gateway in the simulated network, with everything around
 * them that a host would do: it answers conn's questions, sends pings both ways while the tunnel is
 * up, and plays scripts. What must always hold is checked at every packet and every step; the first
 * thing found wrong stays in `wrong` and ends the run.
 *
 *   client host ─ conn ─ NAT ─ sim ─ gateway ─ host behind the gateway */
#pragma once

#include "base/crypto.h"
#include "base/log.h"
#include "daemon/conn.h"
#include "tests/peer/gateway.h"
#include "tests/sim/kernel.h"
#include "tests/sim/sim.h"

/* What lives longer than one world. */
struct sim_host {
	struct crypto *crypto;
	struct pkt_pool *pool;
};
void sim_host_open(struct sim_host *host);
void sim_host_close(struct sim_host *host); /* asserts that no packet is left */

enum world_question {
	ASK_ADDRESSES,
	ASK_SOCKETS,
	ASK_SECRET,
	ASK_LINK,
	ASK_HANDOVER,
	QUESTIONS,
};
enum world_reply { REPLY_YES, REPLY_NO, REPLY_NEVER };

struct world_answer {
	enum world_reply reply;
	msec after; /* so long after the question; 0: at once */
};

/* For sim_at() through world_at(). */
enum world_action {
	DO_NOTHING,
	DO_ANSWER, /* of the world's own */
	DO_RESTART,
	DO_GATEWAY_REKEY,
	DO_DELETE_ESP,
	DO_DELETE_IKE,
	DO_STOP_L2TP,
	DO_CUT,       /* arg: enum sim_end + 1 towards whom, 0 both ways */
	DO_HEAL,      /* nothing is cut any more */
	DO_QUIET,     /* the network's faults end */
	DO_REBIND,    /* the NAT */
	DO_FORGE,     /* arg: how many packets, to both ends */
	DO_NOTICE,    /* a forged notify or delete in clear, to both ends */
	DO_CLOSE,     /* the user disconnects */
	DO_CANCEL,    /* the user presses Ctrl-C */
	DO_RENEW,     /* the host's network has changed */
	DO_SILENCE,   /* arg: the gateway sends no ESP any more, or again */
	DO_NET_ERROR, /* an ICMP error comes back */
	DO_ACTIONS,
};

struct world_conf {
	uint64_t seed;
	struct gateway_conf gateway;
	struct conn_conf client;
	struct sim_way way[SIM_ENDS]; /* towards that end */
	bool nat;
	bool trace;
	struct world_answer answers[QUESTIONS];
	const char *typed; /* what the user answers when asked for the password */
	msec ping_every;   /* in both directions; 0: none but the first */
	bool unreachable;  /* every packet of the client gets an ICMP error instead */
	enum conn_net_error icmp;
	unsigned addresses;  /* of the gateway's name; all but the last are dead; 0 = 1 */
	bool raw_esp;        /* the client can do protocol 50 */
	bool shared_gateway; /* another connection of the client's is to the same one */
	bool drops_raw;      /* and the way cannot */
	bool udp_first;      /* and rather does UDP 4500 */
	bool kernel_esp;     /* the client has a mixed plane: its host seals and opens */
	bool kernel_session; /* and takes the session */
	bool never_up;       /* up would be wrong: the gateway cannot prove itself */
};

enum { WORLD_SEQS = 1 << 16, WORLD_REASONS = 16, WORLD_WRONG = 240, WORLD_KEPT = 32 };

/* One direction of pings, numbered. */
struct pings {
	unsigned sent, arrived, answered;
	uint8_t seen[WORLD_SEQS / 8]; /* requests that have arrived */
	uint8_t back[WORLD_SEQS / 8]; /* replies that have come back */
};

struct world {
	struct world_conf conf;
	const struct sim_host *host;
	struct sim *sim;
	struct log log;
	struct env client_env, gateway_env;
	uint64_t client_rng, gateway_rng;
	struct conn *conn;
	struct kernel *kernel; /* conf.kernel_esp */
	struct gateway *gateway;

	/* the client's host */
	struct addr local[LANES];
	bool sockets, up, ended, asked_to_end, asleep, no_kernel;
	struct ip remote, address;
	uint32_t open_id[QUESTIONS];
	struct reason end;
	enum reason_id reasons[WORLD_REASONS]; /* of retries and the end */
	unsigned n_reasons, ups, secrets_asked, attempts;
	unsigned quick_modes_before, logins_before; /* the gateway's, when this attempt began */
	msec began, up_at, lost_at, first_reply, ping_due;
	struct pings out, in;
	struct pkt *kept[WORLD_KEPT]; /* seen on the wire, for forgers */
	unsigned n_kept;
	/* Sees each packet as it enters the network; NULL: nobody. */
	void (*tap)(void *ctx, enum sim_end towards, const struct pkt *p);
	void *tap_ctx;

	/* invariants */
	msec ticked_at;
	unsigned idle_ticks, ticks_here, events, client_sent;
	char wrong[WORLD_WRONG];
};

/* A client and a gateway that fit, no delay, no faults, ECP and curve25519 groups only. */
void world_defaults(struct world_conf *conf, uint64_t seed);

/* The client begins at once. */
struct world *world_new(const struct world_conf *conf, const struct sim_host *host);
void world_free(struct world *w); /* asserts that nothing is left and nothing was wrong */

void world_at(struct world *w, msec after, enum world_action action, uint64_t arg);

/* Until the clock shows that much more, or something is wrong. */
void world_run(struct world *w, msec for_ms);
/* Until `done` says so; false when the time was over first. */
bool world_until(struct world *w, bool (*done)(const struct world *w), msec at_most);

/* The client's machine is suspended: its clock goes on, and nothing else of it. */
void world_sleep(struct world *w, msec for_ms);

bool world_is_up(const struct world *w);
bool world_has_ended(const struct world *w);
bool world_has_reply(const struct world *w); /* the first ping was answered */
msec world_now(const struct world *w);

/* n pings each way, 20 ms apart; true when all were answered. */
bool world_pings_pass(struct world *w, unsigned n);
/* The user disconnects; runs until it has ended. */
void world_disconnect(struct world *w);

[[gnu::format(printf, 2, 3)]] void world_wrong(struct world *w, const char *fmt, ...);
/* Fails the cmocka test with the seed and how to see it again, if anything was wrong. */
void world_check(const struct world *w);

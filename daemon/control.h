/* The control socket: Varlink, interface io.vpnd (io.vpnd.varlink is the contract).
 *
 * control owns the clients: who they are, what they may do, their buffers and limits. It knows
 * nothing of connections: requests go down through struct control_ops, answers and news come back
 * through the functions below. A request that takes time is named by a number (never 0, never
 * used twice); an answer to a call whose client has left goes nowhere, so the owner needs no
 * bookkeeping but the number. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/msec.h"
#include "base/reason.h"
#include "daemon/conf.h"
#include "daemon/conn.h"
#include "daemon/loop.h"

enum {
	CONTROL_CLIENTS_MAX = 16,
	CONTROL_STRANGERS_MAX = 4, /* of these, callers without rights */
};

struct control;
typedef uint64_t control_call;

/* ---- what the owner is asked ---- */

struct control_caller {
	uid_t uid;
	pid_t pid;
	bool trusted; /* uid 0 */
};

/* All borrowed for the call. */
struct control_connect {
	struct control_caller caller;
	const char *name; /* may be NULL when `is_inline` */
	bool is_inline;   /* by `settings` alone; else by the file of that name */
	const struct conf_given *settings;
	size_t n_settings;
	const struct conf_given *secrets;
	size_t n_secrets;
	bool network_caller; /* make the interface only: no addresses, routes, DNS */
	bool owner_caller;   /* the connection lives as long as the call */
	bool interactive;    /* prompts can be answered */
	bool insist;
	bool again;         /* in place of the connection that there is, without a gap */
	struct ip ssh_peer; /* FAMILY_NONE when unknown */
};

/* A connection as it is now; the layers are left out where `conn` has none. */
struct control_status {
	const char *name;
	msec now;
	const struct conn_status *conn;
	const char *gateway;                   /* as configured, or NULL */
	const char *data_plane;                /* "kernel", "mixed", "user", or NULL */
	const char *data_plane_note;           /* why not more of the kernel, or NULL */
	const char *ports_note;                /* which ports somebody else has, or NULL */
	const struct control_network *network; /* while up, else NULL */
	const struct esp_sa_status *sas;
	size_t n_sas;
};

struct control_listed {
	const char *name, *state;
	const char *gateway, *user; /* or NULL */
	bool autoconnect;
	const char *problem; /* or NULL */
};

/* One thing that this host can do, or why not; why NULL: it can. */
struct control_ability {
	const char *name, *why;
};

struct control_port {
	uint16_t port;
	const char *holder; /* NULL: free */
};

/* What this host can do for any connection. */
struct control_test {
	const char *kernel; /* its release */
	const char *plane;  /* NULL: no tunnel is possible */
	const char *note;   /* why not more of the kernel, or NULL */
	const struct control_ability *suites, *parts;
	size_t n_suites, n_parts;
	const struct control_port *ports;
	size_t n_ports;
};

typedef void control_status_fn(void *arg, const struct control_status *status);
typedef void control_list_fn(void *arg, const struct control_listed *listed);
typedef void control_show_fn(void *arg, const struct conf *conf);

/* Functions with a call answer later (or at once) through control_event(), control_done(),
 * control_refuse() or control_log_line(); the others answer before they return. None may free the
 * control. */
struct control_ops {
	/* Answer with events, up to UP or FAILED, or refuse. */
	void (*connect)(void *ctx, control_call call, const struct control_connect *connect);
	/* The answer to the prompt of that call; `value` is borrowed, p == NULL says no. */
	void (*answer)(void *ctx, control_call call, uint32_t question, struct slice value);
	/* Somebody may and did ask to give up this attempt; FAILED is expected soon. */
	void (*cancel)(void *ctx, control_call call);
	/* The client of a Connect or Log has left before its call was over: give the attempt up,
	 * or, for owner_caller, disconnect. Nobody hears what is said to this call. */
	void (*gone)(void *ctx, control_call call);
	/* name NULL: all. control_done() when closed, or refuse. */
	void (*disconnect)(void *ctx, control_call call, const char *name);
	/* The history, then control_done(); with `follow` go on until gone(). */
	void (*log)(void *ctx, control_call call, const char *name, bool follow);

	/* control_test() when it is known, or refuse. */
	void (*test)(void *ctx, control_call call);

	/* name NULL: all that are not idle. 0 or -ENOENT. */
	int (*status)(void *ctx, const char *name, control_status_fn *each, void *arg);
	void (*list)(void *ctx, control_list_fn *each, void *arg);
	/* 0, -ENOENT, or -EINVAL with errors added. */
	int (*show)(void *ctx, const char *name, control_show_fn *one, void *arg,
		struct conf_errors *errors);
	void (*reload)(void *ctx, struct conf_errors *errors);
};

/* ---- the socket ---- */

/* A listening socket at `path`, mode 0666 (rights are checked by caller, and everybody may ask for
 * the state). A stale socket file is replaced. The fd, or -errno (-EADDRINUSE: a live daemon). */
[[gnu::warn_unused_result]] int control_listen(const char *path);

struct control_conf {
	int fd;      /* listening; borrowed, made non-blocking */
	gid_t group; /* whose members have all rights; (gid_t)-1: nobody but uid 0 */
	const char *version;
	const struct control_ops *ops;
	void *ctx;
	struct log *log; /* may be NULL */
};

/* Needs varlink_init() before. NULL when out of memory. */
struct control *control_new(struct loop *loop, const struct control_conf *conf);

/* Closes all clients without calling back. Not from within an op. NULL is allowed. */
void control_free(struct control *c);

/* ---- answers and news ---- */

struct control_network {
	const char *interface;
	struct ip address[2]; /* FAMILY_NONE: none */
	struct ip peer;
	struct ip dns[CONF_DNS_MAX];
	const char *dns_note; /* why the host does not use them, or NULL */
	const struct prefix *routes;
	size_t n_routes;
	uint16_t mtu;
	struct ip gateway; /* outer */
};

enum control_event_kind {
	CONTROL_EV_STAGE,
	CONTROL_EV_PROMPT, /* goes to the call only */
	CONTROL_EV_NETWORK,
	CONTROL_EV_UP, /* the end of the call, unless owner_caller */
	CONTROL_EV_RETRY,
	CONTROL_EV_FAILED, /* the end of the call */
};

struct control_event {
	enum control_event_kind kind;
	const char *stage, *text; /* STAGE: "IKE main mode" and how */
	msec took;                /* STAGE: its duration. RETRY: until the next attempt */
	uint32_t question;        /* PROMPT: the number that ops->answer() gets back */
	const char *prompt;       /* PROMPT: what is asked for: "password" */
	bool echo;                /* PROMPT; its sentence is `text` */
	const struct control_network *network;
	const struct reason *reason; /* RETRY, FAILED; here it may be NONE: it was asked for */
};

/* News of the connection `name`: to the Connect call (0: none) and to everybody who monitors. */
void control_event(
	struct control *c, control_call call, const char *name, const struct control_event *ev);

/* The connection's state changed: for those who monitor. */
void control_changed(struct control *c, const char *name);

/* The answer to a TestIpsec. */
void control_test(struct control *c, control_call call, const struct control_test *test);

/* A Disconnect or Log without `follow` is over. */
void control_done(struct control *c, control_call call);

struct control_log_line {
	int64_t at_ms; /* since 1970 */
	enum log_level level;
	const char *layer, *text;
};
void control_log_line(struct control *c, control_call call, const struct control_log_line *line);

enum control_refusal {
	CONTROL_NO_SUCH_CONNECTION,
	CONTROL_ALREADY_CONNECTED, /* text: the state */
	CONTROL_NOT_CONNECTED,
	CONTROL_DISCONNECT_FAILED, /* text: why */
	CONTROL_NO_MEMORY,
};

/* The end of a call that came to nothing; `name` may be NULL where the error has none. */
void control_refuse(struct control *c, control_call call, enum control_refusal refusal,
	const char *name, const char *text);

/* The same for settings that cannot be used. */
void control_bad_settings(struct control *c, control_call call, const struct conf_errors *errors);

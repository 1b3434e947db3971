/* What vpnd.c (the daemon's life, the host's news) and vpnd_ops.c (what the control socket asks)
 * share. */
#pragma once

#include "daemon/files.h"
#include "daemon/session.h"
#include "daemon/vpnd.h"

enum { SESSIONS_MAX = 64, SUMMARY = 200 };

struct host_test;

struct vpnd {
	struct vpnd_conf conf;
	struct files files;
	struct env *env;
	struct loop *loop;
	struct journal *journal;
	struct routes *routes;
	struct dns *dns;
	struct planes *planes;
	struct control *control;
	struct host host;
	struct session *sessions[SESSIONS_MAX];
	size_t n_sessions;
	struct host_test *tests;  /* that are under way */
	control_call closing_all; /* a Disconnect of all that waits, 0: none */
	int listener;
	struct loop_watch *routes_readable, *dns_readable;
	struct loop_timer *upkeep, *watchdog, *shutdown;
	struct loop_signal *term, *interrupt, *hangup;
	bool stopping;
	char summary[SUMMARY]; /* what `systemctl status` shows */
};

extern const struct control_ops vpnd_ops;

/* The session of that name, made when it is new; an idle one makes room when there are many. NULL
 * when out of memory, or when all of them are busy. */
struct session *vpnd_obtain(struct vpnd *d, const char *name);

/* Forget session i. */
void vpnd_forget(struct vpnd *d, size_t i);

/* vpnd_test.c: answer a TestIpsec; give up all that are under way. */
void vpnd_test(struct vpnd *d, control_call call);
void vpnd_end_tests(struct vpnd *d);

/* Look for what is wrong with the files. */
void vpnd_reload(struct vpnd *d, struct conf_errors *errors);

/* A session may have closed: whoever wanted all of them closed is told when it was the last. */
void vpnd_closed(struct vpnd *d);

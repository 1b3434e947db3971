/* What the control_*.c files share: clients, their one call, the table of methods. */
#pragma once

#include <jansson.h>

#include "cli/varlink.h"
#include "daemon/control.h"

/* The call a client is waiting for; Varlink answers in order, so there is one at a time. */
struct call {
	control_call id; /* 0: none */
	const struct control_method *method;
	bool more, oneway;
	char name[CONF_NAME_MAX + 1]; /* "" = all or none */
	bool owner_caller;
	bool up;           /* of a Connect with owner_caller: it is no attempt any more */
	uint32_t prompt;   /* id of the question that was asked last, 0: none */
	uint32_t question; /* and the owner's number for it */
};

struct client {
	struct client *next;
	struct control *control;
	int fd;
	struct loop_watch *read, *write;
	struct loop_timer *timer; /* half a message, or the end when doomed */
	uint64_t ticket;          /* in the line of those with messages, 0: not there */
	struct control_caller caller;
	msec half_due; /* when the message that has begun must be complete */
	bool member;   /* may do everything */
	bool doomed;   /* ends at the next turn of the loop; hears nothing more */
	bool hangs_up; /* ends when its queue is empty */
	struct varlink_in in;
	struct varlink_out out;
	struct call call;
};

struct control {
	struct loop *loop;
	struct control_conf conf;
	struct loop_watch *accept;
	struct loop_timer *accept_again;
	msec window; /* in which `accepted` came in */
	unsigned accepted;
	struct loop_timer *turn; /* the next message of whoever waits longest */
	uint64_t last_ticket;
	struct client *clients;
	control_call last_call;
	uint32_t last_prompt;
};

/* ---- methods ---- */

enum param_type { PARAM_STRING, PARAM_BOOL, PARAM_INT, PARAM_MAP, PARAM_CHOICE };

/* One parameter as the interface file has it; the test holds the two against each other. */
struct control_param {
	const char *name;
	enum param_type type;
	bool optional;
	const char *words; /* of a choice: "vpnd|caller" */
};

enum { CONTROL_PARAMS_MAX = 8, CONTROL_METHODS = 14 };

enum control_more { MORE_NEVER, MORE_ALLOWED, MORE_NEEDED };

struct control_method {
	const char *name; /* with its interface */
	bool everybody;   /* strangers too */
	enum control_more more;
	void (*run)(struct client *client, const json_t *params);
	struct control_param params[CONTROL_PARAMS_MAX];
};

extern const struct control_method control_methods[CONTROL_METHODS];

/* The interface files, embedded at build time. */
extern const char control_interface_vpnd[], control_interface_service[];

/* A message came in: check it against the table and run it. False: the client talks nonsense. */
bool control_dispatch(struct client *client, const json_t *message);

/* ---- clients ---- */

/* Queue a message, which is taken, and write what the socket takes. A client that does not read
 * is doomed. */
void client_send(struct client *client, json_t *message);

/* There may be a message in its buffer: stand in line. Nothing is read meanwhile. */
void client_wait(struct client *client);

/* End it at the next turn of the loop. */
void client_doom(struct client *client);

/* A reply to the present call; the last one ends the call. `parameters` is taken. */
void client_reply(struct client *client, json_t *parameters, bool last);

/* An error as the end of the call; `parameters` is taken and may be NULL. */
void client_error(struct client *client, const char *error, json_t *parameters);

/* ---- JSON; all of these give new references, NULL when out of memory ---- */

json_t *control_json_failure(const struct reason *reason, const char *name);
json_t *control_json_event(const struct control_event *ev, const char *name, uint32_t prompt);
json_t *control_json_network(const struct control_network *network);
/* `full`: with the layers; without `member`, name and state only. */
json_t *control_json_status(const struct control_status *status, bool member, bool full);
json_t *control_json_test(const struct control_test *test);
json_t *control_json_settings(const struct conf *conf, const char *key);
json_t *control_json_problems(const struct conf_errors *errors);
json_t *control_json_text(const char *text); /* not UTF-8: escaped */

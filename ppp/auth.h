/* Authentication of us by the server: a table of methods, the password, patience. RFC 1661, 3.5. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/answer.h"
#include "base/patience.h"
#include "base/reason.h"
#include "base/secret.h"
#include "ppp/mschapv2.h"
#include "ppp/ppp.h"

struct auth_method {
	const char *name;
	enum ppp_auth bit;   /* in ppp_conf.auth */
	struct slice option; /* value of LCP's Authentication-Protocol option */
	uint16_t protocol;   /* of its packets */

	void (*ready)(struct ppp *p); /* agreed on, and the password is known: go on */
	void (*recv)(struct ppp *p, struct slice info);
	void (*repeat)(struct ppp *p);       /* NULL: never repeated by a timer */
	void (*verdict_lost)(struct ppp *p); /* the server has gone on without us; may be NULL */
};

extern const struct auth_method auth_mschapv2, auth_chap_md5, auth_pap;

enum { CHAP_VALUE = 255, AUTH_NAME = 255 }; /* octets at most */

struct chap {
	bool challenged; /* challenge and id below are set */
	bool responded;  /* response answers them: the same challenge gets the same octets */
	bool awaiting;   /* and no verdict on it has come */
	uint8_t id;
	uint8_t challenge[CHAP_VALUE];
	size_t challenge_len;
	uint8_t response[1 + MSCHAPV2_VALUE + AUTH_NAME]; /* value size, value, name */
	size_t response_len;
	uint8_t proof[MSCHAPV2_PROOF]; /* what the server must say */
};

struct auth {
	const struct auth_method *method; /* agreed on in LCP; NULL: none */
	const char *wanted; /* what the peer asked for and we refused, NULL: nothing */
	unsigned refusals;  /* how often */
	bool done;
	struct retry wait;
	bool asking; /* WANT_SECRET is open */
	unsigned prompts;
	struct secret typed;   /* the owner's answer; kept until the link ends, for re-challenges */
	struct reason refusal; /* of the last try, while another password is asked for */
	struct chap chap;
	uint8_t pap_id;
};

/* The method whose option has this value, if the file allows it; else NULL. */
const struct auth_method *auth_find(const struct ppp *p, struct slice option);

/* The best one that the file allows; NULL when it allows none that we speak. */
const struct auth_method *auth_best(const struct ppp *p);

/* For people: the name of what a peer asks for, also of methods we do not have. */
const char *auth_option_name(struct slice option);

void auth_init(struct ppp *p);
void auth_start(struct ppp *p);  /* LCP is up */
void auth_stop(struct ppp *p);   /* LCP is down: forget the exchange, keep password and question */
void auth_forget(struct ppp *p); /* the link is over: wipe everything */
void auth_recv(struct ppp *p, struct slice info);
/* The server negotiates a network protocol already: its verdict was lost on the way. */
void auth_overtaken(struct ppp *p);
void auth_tick(struct ppp *p);
void auth_answer(struct ppp *p, const struct answer *answer);

/* ---- for the methods ---- */

/* From the file or typed; empty when there is none. */
struct slice auth_password(const struct ppp *p);

/* The server's verdicts. `text` is its words: shown escaped, kept for the status. */
void auth_accepted(struct ppp *p, struct slice text);
void auth_refused(struct ppp *p, enum reason_id id, unsigned code, struct slice text);

/* The same refusal, but the server lets us try again: ask for another password if a person typed
 * the last one. False when this was the last try; then the link has failed. */
bool auth_refused_retry(struct ppp *p, unsigned code, struct slice text);

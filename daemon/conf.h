/* One connection's settings: a flat list of `key = value`, from a file or from a Connect call.
 *
 * conf_keys[] is the single list of keys: it drives the reader, the error messages, what `vpnctl
 * show` prints and the table of vpnd.conf(5). Reading collects every error, not only the first,
 * and no error ever repeats a secret. A struct conf owns its texts and its secrets and wipes them
 * when it is freed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/secret.h"
#include "base/wire.h"
#include "ike/ike_sa.h"

enum {
	CONF_NAME_MAX = 64,   /* octets of a connection's name, without the final NUL */
	CONF_LINE_MAX = 4096, /* octets of a line, without its newline */
	CONF_FILE_MAX = 64 * 1024,
	CONF_ROUTES_MAX = 64,
	CONF_DNS_MAX = 4,
	CONF_KEYS = 30,
};

/* The members of a choice stand in the order of the key's words. */
enum conf_routes { CONF_ROUTES_LIST, CONF_ROUTES_DEFAULT, CONF_ROUTES_NONE };
enum conf_dns { CONF_DNS_LIST, CONF_DNS_AUTO, CONF_DNS_NONE };
enum conf_lan { CONF_LAN_BLOCK, CONF_LAN_ALLOW };
enum conf_plane { CONF_PLANE_AUTO, CONF_PLANE_KERNEL, CONF_PLANE_MIXED, CONF_PLANE_USER };
enum conf_encap { CONF_ENCAP_AUTO, CONF_ENCAP_FORCE, CONF_ENCAP_OFF };
enum conf_port { CONF_PORT_AUTO, CONF_PORT_EPHEMERAL };
enum conf_psk_encoding { CONF_PSK_TEXT, CONF_PSK_HEX, CONF_PSK_BASE64 };

struct conf_prefixes {
	int kind; /* enum conf_routes */
	struct prefix at[CONF_ROUTES_MAX];
	size_t n;
};

struct conf_addresses {
	int kind; /* enum conf_dns */
	struct ip at[CONF_DNS_MAX];
	size_t n;
};

struct conf_mark {
	uint32_t value, mask;
};

/* Texts are NULL when the key was not given and has no default; they live as long as the conf. */
struct conf {
	char name[CONF_NAME_MAX + 1];

	const char *gateway;

	struct secret psk; /* decoded octets, once files_secrets() has run */
	const char *psk_file, *psk_credential;
	int psk_encoding; /* enum conf_psk_encoding */
	const char *local_id;

	const char *user;
	struct secret password; /* p == NULL: ask */
	const char *password_file, *password_credential;
	unsigned auth; /* enum ppp_auth, or-ed */
	struct secret l2tp_secret;

	struct conf_prefixes routes;
	struct conf_addresses dns;
	int lan;               /* enum conf_lan */
	uint32_t mtu;          /* 0: auto */
	const char *interface; /* NULL: made from the name */

	struct ike_proposals proposals; /* complete after conf_finish() */
	const char *tier, *ike_suites, *esp_suites;
	uint32_t ike_life_s, esp_life_s;
	bool rekey;
	uint32_t dpd_s;    /* 0: never */
	int encapsulation; /* enum conf_encap */

	int data_plane; /* enum conf_plane */
	int local_port; /* enum conf_port */
	struct conf_mark fwmark;
	bool autoconnect, reconnect;

	char *text[CONF_KEYS]; /* as given, by index into conf_keys[]; secrets are not kept here */
	bool given[CONF_KEYS];
	unsigned line[CONF_KEYS]; /* where, 0 for inline settings */
};

enum conf_type {
	CONF_TEXT,       /* const char *; UTF-8 without control characters */
	CONF_HOST,       /* const char *; host name or address */
	CONF_SECRET,     /* struct secret; any octets */
	CONF_PATH,       /* const char *; absolute */
	CONF_CREDENTIAL, /* const char *; a name in $CREDENTIALS_DIRECTORY */
	CONF_CHOICE,     /* int */
	CONF_FLAG,       /* bool */
	CONF_NUMBER,     /* uint32_t; min..max, or the one word of `words`, which is 0 */
	CONF_SECONDS,    /* uint32_t; min..max with an optional unit s, m, h or d */
	CONF_PREFIXES,   /* struct conf_prefixes; one of `words` or a list */
	CONF_ADDRESSES,  /* struct conf_addresses; one of `words` or a list */
	CONF_AUTH,       /* unsigned; a list of `words`, the nth is bit n of conf_auth_bits[] */
	CONF_TIER,       /* const char * */
	CONF_IKE,        /* const char *; strongSwan's notation */
	CONF_ESP,        /* const char * */
	CONF_INTERFACE,  /* const char *; a legal interface name */
	CONF_MARK,       /* struct conf_mark */
};

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;       /* into struct conf */
	uint32_t min, max;   /* of numbers; octets of texts and secrets */
	const char *words;   /* "auto|force|off" */
	const char *preset;  /* the default as one would write it, or NULL */
	const char *group;   /* heading in the man page */
	const char *meaning; /* one line, no final stop */
};

extern const struct conf_key conf_keys[CONF_KEYS];

/* ---- errors ---- */

enum { CONF_ERRORS_MAX = 64, CONF_ERROR_TEXT = 320 };

struct conf_error {
	char file[256];             /* path, or "settings" for what came in a Connect call */
	unsigned line;              /* 0: the file as a whole */
	char key[80];               /* "" when none is meant; escaped */
	char text[CONF_ERROR_TEXT]; /* what is wrong and what was expected */
};

/* At most CONF_ERRORS_MAX are kept; `n` goes on counting. */
struct conf_errors {
	struct conf_error at[CONF_ERRORS_MAX];
	size_t n;
};

struct conf_errors *conf_errors_new(void);
void conf_errors_free(struct conf_errors *e);

[[gnu::format(printf, 5, 6)]] void conf_errors_add(struct conf_errors *e, const char *file,
	unsigned line, const char *key, const char *fmt, ...);

/* The error number i (below both n and CONF_ERRORS_MAX) as "FILE:LINE: KEY: TEXT" into `to`. */
enum { CONF_ERROR_LINE = 700 };
const char *conf_error_text(const struct conf_errors *e, size_t i, char to[static CONF_ERROR_LINE]);

/* ---- reading ---- */

/* A key and its value as they came with a call; both borrowed. */
struct conf_given {
	const char *key;
	struct slice value;
};

/* Letters, digits, '.', '_', '-'; 1 to 64 of them, and not "." or "..". */
bool conf_name_ok(const char *name);

/* All defaults. NULL when out of memory or when the name is not allowed. */
struct conf *conf_new(const char *name);
void conf_free(struct conf *c); /* wipes. NULL is allowed */

/* The text of a connection file; `file` is for messages. False when it added errors. */
bool conf_read(struct conf *c, const char *file, struct slice text, struct conf_errors *errors);

/* One setting of a Connect call. Names of files and credentials are refused unless `trusted`
 * (uid 0): the daemon would read them with its own rights. False when it added an error. */
bool conf_set(struct conf *c, const char *key, struct slice value, bool trusted,
	struct conf_errors *errors);

/* A secret that came with a Connect call ("psk", "password", "l2tp-secret"): it takes the place of
 * whatever the file says, also of its psk-file and the like. False when it added an error. */
bool conf_give(struct conf *c, const char *key, struct slice value, struct conf_errors *errors);

/* Once everything is read: what is missing, what contradicts, and the proposals. */
bool conf_finish(struct conf *c, const char *file, struct conf_errors *errors);

/* Replace the PSK's text (from whichever source) by the octets that it encodes. */
bool conf_decode_psk(struct conf *c, const char *file, struct conf_errors *errors);

/* Does the connection's own text hold a secret? Then its file must be 0600. */
bool conf_holds_secret(const struct conf *c);

/* ---- showing ---- */

/* Index into conf_keys[], -1 for an unknown name. */
int conf_key_find(const char *name);

/* The effective value of key i as text: what was given, else the default, else "". A secret that
 * is set is "<hidden>". */
const char *conf_text(const struct conf *c, size_t i);

/* What key i takes, as a phrase: "a number from 576 to 1500, or auto". Returns `to`. */
enum { CONF_EXPECTED = 200 };
const char *conf_expected(size_t i, char to[static CONF_EXPECTED]);

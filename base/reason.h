/* Why a connection failed: the single list of causes.
 *
 * A layer posts a reason with evidence (what it saw, with numbers); people read the sentence, the
 * Windows number they know from the web, and a hint with the command that helps. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum reason_id {
	REASON_NONE,
	/* the user and this host */
	REASON_CANCELLED,
	REASON_CONFIG,
	REASON_PASSWORD_NEEDED,
	REASON_LOCAL_NO_MEMORY,
	REASON_LOCAL_CRYPTO,
	REASON_LOCAL_SOCKET,
	REASON_LOCAL_TUN,
	REASON_LOCAL_ROUTES,
	REASON_LOCAL_DNS,
	REASON_LOCAL_SSH_CUT,
	REASON_LOCAL_BUSY,
	/* the way to the server */
	REASON_NET_DNS,
	REASON_NET_UNREACHABLE,
	/* IKE */
	REASON_IKE_TIMEOUT,
	REASON_IKE_PORT_CLOSED,
	REASON_IKE_NO_PROPOSAL,
	REASON_IKE_PSK_WRONG,
	REASON_IKE_ID_REFUSED,
	REASON_IKE_PEER_AUTH,
	REASON_IKE_QM_REFUSED,
	REASON_IKE_DELETED_BY_PEER,
	REASON_IKE_FAIL,
	/* ESP */
	REASON_ESP_NO_RETURN,
	REASON_ESP_MODIFIED,
	REASON_ESP_PLANE,
	/* L2TP */
	REASON_L2TP_NO_ANSWER,
	REASON_L2TP_REFUSED,
	REASON_L2TP_CLOSED_BY_PEER,
	REASON_L2TP_AUTH,
	REASON_L2TP_FAIL,
	/* PPP */
	REASON_PPP_NO_RESPONSE,
	REASON_PPP_UNHEARD,
	REASON_PPP_TIMEOUT,
	REASON_PPP_NOT_CONVERGING,
	REASON_PPP_LOOPBACK,
	REASON_PPP_LCP_TERMINATED,
	REASON_PPP_AUTH_METHOD,
	REASON_PPP_AUTH_REFUSED,
	REASON_PPP_ACCOUNT_HOURS,
	REASON_PPP_ACCOUNT_DISABLED,
	REASON_PPP_ACCOUNT_NO_DIALIN,
	REASON_PPP_PASSWORD_EXPIRED,
	REASON_PPP_MUTUAL_AUTH,
	REASON_PPP_ENC_REMOTE,
	REASON_PPP_NO_NCP,
	REASON_PPP_NO_ADDRESS,
	REASON_PPP_ADDRESS_BAD,
	/* up, and then */
	REASON_LINK_LOST,
	REASON_DAEMON_DOWN,
	REASONS,
};

/* Exit codes of vpnctl (docs: vpnctl(1)); a reason belongs to one class. */
enum exit_class {
	EXIT_OK = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_WAIT_OVER = 3,
	EXIT_CONNECT_FAILED = 4,
	EXIT_DISCONNECT_FAILED = 5,
	EXIT_AUTH_REFUSED = 6,
	EXIT_NOT_CONNECTED = 7,
	EXIT_NO_DAEMON = 8,
	EXIT_NO_CONNECTION = 10,
	EXIT_NOT_PERMITTED = 77,
	EXIT_INTERRUPTED = 130,
};

enum reason_stage {
	STAGE_LOCAL,
	STAGE_NET,
	STAGE_IKE,
	STAGE_ESP,
	STAGE_L2TP,
	STAGE_PPP,
	STAGE_UP,
	STAGES,
};

/* One row of the table; all strings are static. `hint` may hold one %s for the connection name. */
struct reason_row {
	const char *id; /* "IKE-PSK-WRONG" */
	enum reason_stage stage;
	uint16_t windows; /* 0 = Windows has no number for it */
	enum exit_class exit;
	const char *sentence; /* without a final stop; the evidence follows in brackets */
	const char *hint;     /* a sentence; "" when nothing can be advised */
	bool final;           /* trying again without a change by somebody is pointless */
};

enum { REASON_EVIDENCE = 256, REASON_HINT = 256 };

struct reason {
	enum reason_id id;
	char evidence[REASON_EVIDENCE]; /* what was seen, printable, may be empty */
};

const struct reason_row *reason_row(enum reason_id id); /* never NULL */
/* The row's hint for that connection (NULL: "NAME"); returns `to`. */
const char *reason_hint(enum reason_id id, const char *name, char to[static REASON_HINT]);

const char *reason_stage_name(enum reason_stage stage); /* "ike", "ppp", ... */

/* By "IKE-PSK-WRONG" (any case) or by a Windows number in digits, the first row that has it;
 * REASON_NONE when there is none. */
enum reason_id reason_find(const char *text);

/* Fill *r. Values of a peer in `fmt`'s arguments go through str_escape() first. */
[[gnu::format(printf, 3, 4)]] void reason_set(
	struct reason *r, enum reason_id id, const char *fmt, ...);

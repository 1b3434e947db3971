/* What the rooms of ike/ share: the machine, its phase 1 SAs, quick modes and pairs. Nobody outside
 * includes this.
 *
 * Lists are singly linked and nothing is freed in the middle of a call: whatever ends is marked
 * `dead`, and every public function sweeps at its end. */
#pragma once

#include "base/crypto_dh.h"
#include "base/patience.h"
#include "base/secret.h"
#include "ike/ike.h"
#include "ike/ike_keys.h"
#include "ike/ike_msg.h"
#include "ike/ike_prop.h"
#include "ike/ike_vid.h"

enum {
	DIGEST = 32,     /* SHA2-256 of a datagram: is it the same one again? */
	SEEN_IDS = 4096, /* message IDs remembered per SA; the oldest are forgotten */
	EVENTS = 64,
	ID_TEXT = 64,
};

/* NAT traversal as both sides speak it: RFC 3947, or drafts 02 and 03 with private numbers. */
enum natt_dialect { NATT_NONE, NATT_DRAFT, NATT_RFC };

struct phase1 {
	struct phase1 *next;
	bool initiator;
	bool up; /* the peer has proved itself; set in one place, main_done() */
	bool dead;
	bool conflict;   /* a different message 2 or 4 is not followed: somebody may forge */
	unsigned awaits; /* the main mode message that must come next, 0 when up */
	unsigned asked;  /* copies of message 1 that were sent when message 2 came */
	uint8_t cookie_i[IKE_COOKIE], cookie_r[IKE_COOKIE];
	struct ike_suite suite;
	uint32_t life_s;
	struct dh *dh;
	struct secret sa_i, sa_r; /* SA payload bodies: as offered; as we answer */
	struct secret nonce_i, nonce_r, public_i, public_r;
	struct ike_keys keys;
	uint8_t iv[IKE_BLOCK_MAX]; /* last ciphertext block of phase 1 */
	uint32_t vids;             /* bits 1 << enum ike_vid */
	enum natt_dialect natt;
	bool we_natted, peer_natted;
	enum lane lane;
	struct { /* the same when message 3 was sent: another message 4 begins there again */
		uint32_t vids;
		enum natt_dialect natt;
		enum lane lane;
	} before4;
	struct secret last;     /* our last message, for repeats */
	uint8_t heard[DIGEST];  /* of the message it answers */
	uint8_t heard2[DIGEST]; /* of message 2 */
	struct retry retry;
	struct reason hint;
	bool hint_late;                   /* it came after our 4th copy */
	msec started, sent_at, copied_at; /* first and last copy of our message */
	msec established_at, renew_at, ends_at, retire_at;
	uint32_t seen[SEEN_IDS];
	size_t n_seen;
	char peer_id[ID_TEXT];
};

enum quick_state {
	QUICK_WANT_SPI,
	QUICK_SENT1,   /* initiator: message 2 must come */
	QUICK_WANT_SA, /* installing; the next message is held */
	QUICK_SENT2,   /* responder: message 3 must come */
	QUICK_DONE,    /* kept for repeats */
};

struct quick {
	struct quick *next;
	struct phase1 *sa;
	bool initiator;
	bool dead;
	enum quick_state state;
	uint32_t id;
	uint32_t question;
	msec ends; /* of a question, or of being kept */
	uint8_t iv[IKE_BLOCK_MAX];
	struct dh *dh;
	struct secret nonce_i, nonce_r, peer_public;
	struct ike_offer accepted; /* responder; attributes are those of `attributes` */
	struct secret attributes;
	struct secret id_i, id_r; /* responder: bodies, to be echoed; empty when there were none */
	enum dh_group pfs;
	struct sa_pair pair;
	struct secret last;
	uint8_t heard[DIGEST];
	struct retry retry;
};

struct pair {
	struct pair *next;
	bool dead;
	bool in_use;  /* we send on it */
	bool old;     /* replaced: its inbound half lives on for a while */
	bool deleted; /* we have told the peer */
	uint32_t spi_in, spi_out;
	uint32_t life_s; /* as agreed */
	msec born, use_at, rekey_at, ends_at, delete_at, drop_at;
};

struct ike {
	const struct ike_conf *conf;
	const struct env *env;
	struct phase1 *sas; /* the first established one is in use */
	struct quick *quicks;
	struct pair *pairs; /* newest first */
	bool closed, failed;
	bool fresh_tried; /* a main mode with new cookies after a conflict */
	bool was_up;
	bool pairs_doubted; /* the peer has deleted the IKE SA they came from: it may lack them now */
	bool quick_wanted; /* as soon as an SA is there and the rate allows */
	bool main_wanted;
	enum lane lane;               /* where the next main mode begins */
	msec quick_after, main_after; /* not before: at most one a second of each */
	msec heard_at;                /* anything authentic */
	msec spoke_at;                /* anything on UDP 4500 */
	msec dpd_acked_at;            /* rate of our answers */
	uint32_t dpd_seq;
	struct retry dpd;
	unsigned short_lives; /* pairs in a row that the peer deleted soon */
	enum dh_group pfs;    /* of our quick modes */
	bool pfs_tried;       /* because the gateway may demand it */
	uint32_t next_question;
	unsigned quick_modes, main_modes;
	msec rtt;
	struct ike_event events[EVENTS];
	size_t event_first, event_count;
};

/* A gateway to test against: IKEv1 responder, L2TP network server, PPP authenticator and address
 * giver for one client at a time.
 *
 * Its logic is written apart from the client's; only codecs, arithmetic and the ESP data plane are
 * shared (the codecs are checked against recordings of other people's servers). It is pure like the
 * client: datagrams and the time in, datagrams out, so that it runs in the simulation, under a
 * fuzzer and, behind two sockets and a TUN device, as the gateway of the demo.
 *
 * struct gateway_conf plays the servers of the field and each of their failures. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/env.h"
#include "base/msec.h"
#include "base/pkt.h"
#include "esp/esp.h"
#include "ike/ike_sa.h"

struct gateway;

enum { GATEWAY_AUTHS = 3 };

/* In gateway_conf.auths, beside PPP protocol numbers (0xc223 is MS-CHAPv2, 0xc227 EAP, which is only
 * asked for, 0xc023 PAP). */
enum { GATEWAY_CHAP_MD5 = 5 };

/* What it does with a message 5 that another pre-shared key has made. */
enum gateway_wrong_key {
	WRONG_KEY_REPEATS,    /* message 4 again: SoftEther */
	WRONG_KEY_UNREADABLE, /* silence, then a notify under its own keys: strongSwan */
	WRONG_KEY_CLEAR,      /* a notify in clear */
	WRONG_KEY_SILENT,
};

struct gateway_conf {
	struct addr addr[LANES]; /* its own, as it knows them */
	struct slice psk;
	const char *user, *password;

	/* Told of every key of IKE and ESP that is made, for a test that looks for them in the client. */
	void (*keylog)(void *ctx, const char *name, struct slice key);
	void *keylog_ctx;

	/* IKE and ESP */
	struct ike_proposals accept; /* suites it takes, PFS group it insists on */
	bool own_order;  /* its first suite that was offered, not the client's first it takes */
	bool no_natt;    /* speaks no NAT traversal */
	bool natt_draft; /* speaks draft 02 of NAT traversal, not RFC 3947 */
	uint32_t vids;   /* more vendor IDs: bits 1 << enum ike_vid */
	bool late_vids; /* Cisco IOS: those come in message 4, in message 2 that of NAT traversal */
	enum dh_group rekey_pfs;   /* its own quick modes have a KE payload of this group */
	bool drops_pairs_with_ike; /* no IKE SA, no ESP */
	bool never_repeats;        /* its own messages of quick mode */
	bool deletes_replaced;     /* tells the client at once that the pair before is gone */
	enum gateway_wrong_key on_wrong_key;
	uint16_t wrong_key_notify; /* WRONG_KEY_CLEAR: 16, 23 or 24 */
	bool fake_nat_d;           /* SoftEther: NAT-D made of nothing, so both are "behind NAT" */
	bool id_zero;              /* SoftEther: IDir is 0.0.0.0 */
	bool transform_one;        /* SoftEther: QM2 names transform 1 whatever was chosen */
	bool needs_natt;           /* SoftEther: a message 1 without NAT-T vendor ID is ignored */
	uint32_t life_s;      /* RESPONDER-LIFETIME in QM2 when shorter than the offer; 0: none */
	msec rekeys_every;    /* starts a quick mode of its own; 0 = never */
	msec dpd_every;       /* asks R-U-THERE; 0 = never */
	msec drops_ike_after; /* deletes its IKE SA, keeping the ESP pairs; 0 = never */

	/* L2TP */
	struct slice l2tp_secret;
	uint16_t window;
	msec hello_every;
	bool length_in_data, sequence_in_data;
	bool needs_sequence;    /* accel-ppp: drops data without sequence numbers */
	bool hides_avps;        /* accel-ppp: with a secret, everything that may be hidden is */
	bool slow_repeats;      /* accel-ppp: says a control message again after 1, 2, 4, 8, 16 s */
	bool strict_sccrq;      /* Yamaha: takes the AVPs of Windows in their order, nothing else */
	bool one_tunnel_a_port; /* xl2tpd in the kernel: data from a port is its first tunnel's */
	uint16_t tunnel_left;   /* with that: the port of a tunnel that is there already */
	bool only_1701;         /* quick mode for another port of the client's is refused */
	bool port_taken;        /* Windows: behind the client's NAT another has source port 1701 */

	/* PPP */
	uint16_t auths[GATEWAY_AUTHS]; /* asked for in turn as they are Nak'ed: 0xc227, 0xc223... */
	bool rejects_magic;
	bool asks_for_much; /* LCP options of Windows: PFC, ACFC, callback, multilink */
	bool compresses;    /* mpd5: PFC and ACFC alone, which are granted */
	uint16_t mru;       /* asked for; 0: not */
	bool no_message;    /* Success without M= */
	msec lcp_delay;     /* before it sends its first request */
	msec login_delay;   /* before the verdict */
	struct ip own, pool, dns[2];

	const char *text; /* host name, vendor, CHAP name and message; NULL: decent ones */

	/* failures */
	bool silent;             /* never answers IKE */
	bool refuses_suites;     /* N NO-PROPOSAL-CHOSEN to message 1, whatever it offers */
	bool refuses_in_silence; /* not even that */
	bool refuses_quick;      /* the same, protected, to quick mode */
	bool drops_esp;          /* nothing comes back through ESP */
	bool corrupts_esp;       /* everything that does fails authentication */
	bool l2tp_silent;        /* ESP is alive (it echoes an ICMP error), L2TP is not */
	const char *stop_text;   /* StopCCN in answer to SCCRQ, with this text */
	const char *cdn_text;    /* CDN in answer to ICRQ */
	bool ppp_silent;
	unsigned refuses_login; /* E= number, 0 = only when the password is wrong */
	bool forges_proof;      /* S= is wrong */
	bool no_proof;          /* Success without S= */
	bool no_address;        /* Rejects the address option */
	bool no_auth;           /* asks for no authentication at all */
};

/* A reasonable gateway that takes every suite of the three tiers. */
void gateway_defaults(struct gateway_conf *conf);

/* Servers of the field as profiles: "strongswan", "softether", "windows"... False: no such. */
bool gateway_profile(struct gateway_conf *conf, const char *name);

struct gateway *gateway_new(const struct gateway_conf *conf, const struct env *env);
void gateway_free(struct gateway *g);

/* Datagrams that came from `from`, p->lane says on which port; takes all. Inner IP packets of the
 * client move to out->up, answers to out->down: they go to gateway_client(). */
void gateway_recv(
	struct gateway *g, struct pktq *in, const struct addr *from, msec now, struct io *out);

/* IP packets to the client. Takes all. */
void gateway_send(struct gateway *g, struct pktq *in, msec now, struct io *out);

void gateway_tick(struct gateway *g, msec now, struct io *out);
msec gateway_deadline(const struct gateway *g);

/* Where answers of that lane go: where the last authentic packet came from. */
struct addr gateway_client(const struct gateway *g, enum lane lane);

/* Everything is forgotten, as by a power cut. */
void gateway_restart(struct gateway *g);

/* Now, for scripts: start a quick mode; delete all ESP pairs; delete the IKE SA; end the PPP link,
 * the tunnel with that text. */
void gateway_rekey(struct gateway *g, msec now, struct io *out);
void gateway_delete_esp(struct gateway *g, msec now, struct io *out);
void gateway_delete_ike(struct gateway *g, msec now, struct io *out);
void gateway_stop(struct gateway *g, const char *text, msec now, struct io *out);
/* From now on nothing goes out through ESP, or it does again. */
void gateway_silence(struct gateway *g, bool silent);

/* Has this SPI ever been given to a client, also before a restart? (The latest 64.) */
bool gateway_handed_out(const struct gateway *g, uint32_t spi);

struct gateway_status {
	unsigned main_modes, quick_modes, logins; /* completed, also before a restart */
	bool link_up;                             /* IPCP is open */
	bool tunnel, session;                     /* L2TP has them */
	unsigned phase1s, pairs;                  /* alive */
	struct esp_counters in, out;
	bool password_seen; /* somebody proved to know it */
};
void gateway_get_status(const struct gateway *g, struct gateway_status *status);

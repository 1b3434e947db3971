#include "base/reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* clang-format off */
static const struct reason_row table[REASONS] = {
	[REASON_NONE] = {"NONE", STAGE_LOCAL, 0, EXIT_OK, "nothing is wrong", "", false},

	[REASON_CANCELLED] = {"CANCELLED", STAGE_LOCAL, 0, EXIT_INTERRUPTED,
		"the connection was cancelled", "", true},
	[REASON_CONFIG] = {"CONFIG", STAGE_LOCAL, 0, EXIT_ERROR,
		"the connection's settings cannot be used", "vpnd --check %s prints file, line and key.", true},
	[REASON_PASSWORD_NEEDED] = {"PASSWORD-NEEDED", STAGE_LOCAL, 0, EXIT_AUTH_REFUSED,
		"a password is needed and nobody was there to type it",
		"Connect with vpnctl connect %s --ask, or set password or password-file.", true},
	[REASON_LOCAL_NO_MEMORY] = {"LOCAL-NO-MEMORY", STAGE_LOCAL, 0, EXIT_ERROR,
		"this host is out of memory", "", false},
	[REASON_LOCAL_CRYPTO] = {"LOCAL-CRYPTO", STAGE_LOCAL, 0, EXIT_ERROR,
		"this host's OpenSSL lacks or refused an algorithm",
		"Install OpenSSL's legacy provider (legacy.so) or allow the algorithm.", true},
	[REASON_LOCAL_SOCKET] = {"LOCAL-SOCKET", STAGE_LOCAL, 0, EXIT_CONNECT_FAILED,
		"a socket to the server could not be made", "", false},
	[REASON_LOCAL_TUN] = {"LOCAL-TUN", STAGE_LOCAL, 0, EXIT_CONNECT_FAILED,
		"the tunnel interface could not be made",
		"vpnd needs /dev/net/tun and CAP_NET_ADMIN.", true},
	[REASON_LOCAL_ROUTES] = {"LOCAL-ROUTES", STAGE_LOCAL, 0, EXIT_CONNECT_FAILED,
		"addresses, rules or routes could not be set", "", false},
	[REASON_LOCAL_DNS] = {"LOCAL-DNS", STAGE_LOCAL, 0, EXIT_CONNECT_FAILED,
		"the host's DNS could not be pointed into the tunnel", "dns = none leaves it alone.", false},
	[REASON_LOCAL_SSH_CUT] = {"LOCAL-SSH-CUT", STAGE_LOCAL, 0, EXIT_CONNECT_FAILED,
		"connecting would cut the SSH session it was asked from",
		"Set lan = allow, use routes = LIST, or insist with vpnctl connect %s --yes.", true},
	[REASON_LOCAL_BUSY] = {"LOCAL-BUSY", STAGE_LOCAL, 0, EXIT_CONNECT_FAILED,
		"another connection takes all traffic already",
		"Disconnect it, or give one of the two routes = LIST.", true},

	[REASON_NET_DNS] = {"NET-DNS", STAGE_NET, 868, EXIT_CONNECT_FAILED,
		"the gateway's name has no address", "Check the key gateway and this host's DNS.", false},
	[REASON_NET_UNREACHABLE] = {"NET-UNREACHABLE", STAGE_NET, 769, EXIT_CONNECT_FAILED,
		"there is no way to the gateway", "Check this host's network: ip route get GATEWAY.", false},

	[REASON_IKE_TIMEOUT] = {"IKE-TIMEOUT", STAGE_IKE, 792, EXIT_CONNECT_FAILED,
		"the gateway does not answer IKE",
		"A firewall drops UDP 500/4500, the VPN service is off, or the server ignores such a request.", false},
	[REASON_IKE_PORT_CLOSED] = {"IKE-PORT-CLOSED", STAGE_IKE, 792, EXIT_CONNECT_FAILED,
		"the gateway's host says that nothing listens for IKE",
		"Start the VPN service on the server, or check the key gateway.", false},
	[REASON_IKE_NO_PROPOSAL] = {"IKE-NO-PROPOSAL", STAGE_IKE, 788, EXIT_CONNECT_FAILED,
		"the gateway accepts none of the IKE suites we offered",
		"Try proposals = compatible, then proposals = legacy, in the file of %s, or name its suite in the key ike.", true},
	[REASON_IKE_PSK_WRONG] = {"IKE-PSK-WRONG", STAGE_IKE, 789, EXIT_AUTH_REFUSED,
		"the pre-shared key is probably wrong",
		"Compare the key psk of %s with the server's, also blanks and case.", true},
	[REASON_IKE_ID_REFUSED] = {"IKE-ID-REFUSED", STAGE_IKE, 787, EXIT_AUTH_REFUSED,
		"the gateway refused our identity", "Ask for the server's group or ID and set local-id.", true},
	[REASON_IKE_PEER_AUTH] = {"IKE-PEER-AUTH", STAGE_IKE, 787, EXIT_AUTH_REFUSED,
		"the gateway could not prove that it knows the pre-shared key",
		"The key is wrong on one side, or somebody else answers in the gateway's place.", true},
	[REASON_IKE_QM_REFUSED] = {"IKE-QM-REFUSED", STAGE_IKE, 791, EXIT_CONNECT_FAILED,
		"the gateway refused the ESP suites, addresses or mode we asked for",
		"Try proposals = compatible; behind NAT try encapsulation = force.", true},
	[REASON_IKE_DELETED_BY_PEER] = {"IKE-DELETED-BY-PEER", STAGE_IKE, 793, EXIT_CONNECT_FAILED,
		"the gateway deleted the security association", "", false},
	[REASON_IKE_FAIL] = {"IKE-FAIL", STAGE_IKE, 793, EXIT_CONNECT_FAILED,
		"the IKE negotiation failed", "vpnctl log %s shows each message.", false},

	[REASON_ESP_NO_RETURN] = {"ESP-NO-RETURN", STAGE_ESP, 809, EXIT_CONNECT_FAILED,
		"IPsec is up and our packets leave, but no ESP packet comes back",
		"Something drops ESP (try encapsulation = force, check UDP 4500 and protocol 50), or the server's L2TP service is off.", false},
	[REASON_ESP_MODIFIED] = {"ESP-MODIFIED", STAGE_ESP, 809, EXIT_CONNECT_FAILED,
		"ESP packets arrive, but fail authentication",
		"The keys differ or something on the way changes packets.", false},
	[REASON_ESP_PLANE] = {"ESP-PLANE", STAGE_ESP, 768, EXIT_CONNECT_FAILED,
		"the security association could not be installed", "", false},

	[REASON_L2TP_NO_ANSWER] = {"L2TP-NO-ANSWER", STAGE_L2TP, 809, EXIT_CONNECT_FAILED,
		"IPsec is up; the L2TP service behind it does not answer",
		"Start the server's L2TP service (xl2tpd, RRAS) and open UDP 1701 inside IPsec.", false},
	[REASON_L2TP_REFUSED] = {"L2TP-REFUSED", STAGE_L2TP, 808, EXIT_CONNECT_FAILED,
		"the L2TP service refused the call", "Ask the server's administrator; its words are above.", false},
	[REASON_L2TP_CLOSED_BY_PEER] = {"L2TP-CLOSED-BY-PEER", STAGE_L2TP, 628, EXIT_CONNECT_FAILED,
		"the L2TP service closed the tunnel", "", false},
	[REASON_L2TP_AUTH] = {"L2TP-AUTH", STAGE_L2TP, 808, EXIT_AUTH_REFUSED,
		"L2TP tunnel authentication failed", "Compare the key l2tp-secret with the server's.", true},
	[REASON_L2TP_FAIL] = {"L2TP-FAIL", STAGE_L2TP, 619, EXIT_CONNECT_FAILED,
		"the L2TP negotiation failed", "vpnctl log %s shows each message.", false},

	[REASON_PPP_NO_RESPONSE] = {"PPP-NO-RESPONSE", STAGE_PPP, 721, EXIT_CONNECT_FAILED,
		"the L2TP call is up, but PPP is not answered",
		"After an unclean end some servers stay silent for a minute.", false},
	[REASON_PPP_UNHEARD] = {"PPP-UNHEARD", STAGE_PPP, 721, EXIT_CONNECT_FAILED,
		"the server's PPP speaks, and does not hear us",
		"It may take our packets for another client's behind the same NAT, or for a tunnel of ours that it still has.", false},
	[REASON_PPP_TIMEOUT] = {"PPP-TIMEOUT", STAGE_PPP, 718, EXIT_CONNECT_FAILED,
		"PPP stopped answering", "", false},
	[REASON_PPP_NOT_CONVERGING] = {"PPP-NOT-CONVERGING", STAGE_PPP, 732, EXIT_CONNECT_FAILED,
		"PPP options could not be agreed on", "vpnctl log %s shows the last requests.", true},
	[REASON_PPP_LOOPBACK] = {"PPP-LOOPBACK", STAGE_PPP, 737, EXIT_CONNECT_FAILED,
		"PPP talks to itself: our own packets come back", "Look for a routing loop.", false},
	[REASON_PPP_LCP_TERMINATED] = {"PPP-LCP-TERMINATED", STAGE_PPP, 734, EXIT_CONNECT_FAILED,
		"the server ended the PPP link", "", false},
	[REASON_PPP_AUTH_METHOD] = {"PPP-AUTH-METHOD", STAGE_PPP, 812, EXIT_AUTH_REFUSED,
		"the server insists on an authentication method that is not allowed",
		"If you trust the server, add the method it wants to the key auth of %s.", true},
	[REASON_PPP_AUTH_REFUSED] = {"PPP-AUTH-REFUSED", STAGE_PPP, 691, EXIT_AUTH_REFUSED,
		"the server refused the user name or password",
		"Check user (with or without domain) and password: vpnctl connect %s --ask.", true},
	[REASON_PPP_ACCOUNT_HOURS] = {"PPP-ACCOUNT-HOURS", STAGE_PPP, 646, EXIT_AUTH_REFUSED,
		"the account may not log on at this hour", "Ask the server's administrator.", true},
	[REASON_PPP_ACCOUNT_DISABLED] = {"PPP-ACCOUNT-DISABLED", STAGE_PPP, 647, EXIT_AUTH_REFUSED,
		"the account is disabled", "Ask the server's administrator.", true},
	[REASON_PPP_ACCOUNT_NO_DIALIN] = {"PPP-ACCOUNT-NO-DIALIN", STAGE_PPP, 649, EXIT_AUTH_REFUSED,
		"the account has no permission to dial in", "Ask the server's administrator.", true},
	[REASON_PPP_PASSWORD_EXPIRED] = {"PPP-PASSWORD-EXPIRED", STAGE_PPP, 648, EXIT_AUTH_REFUSED,
		"the password has expired", "Change it where the account lives, then connect again.", true},
	[REASON_PPP_MUTUAL_AUTH] = {"PPP-MUTUAL-AUTH", STAGE_PPP, 778, EXIT_AUTH_REFUSED,
		"the server could not prove that it knows the password",
		"Somebody may be answering in the server's place: do not type the password again.", true},
	[REASON_PPP_ENC_REMOTE] = {"PPP-ENC-REMOTE", STAGE_PPP, 742, EXIT_CONNECT_FAILED,
		"the server and the key mppe do not agree on encryption inside the tunnel",
		"IPsec encrypts already: set mppe = auto.", true},
	[REASON_PPP_NO_NCP] = {"PPP-NO-NCP", STAGE_PPP, 720, EXIT_CONNECT_FAILED,
		"the server offers no IPv4 over this link",
		"Ask the server's administrator about its address pool.", false},
	[REASON_PPP_NO_ADDRESS] = {"PPP-NO-ADDRESS", STAGE_PPP, 738, EXIT_CONNECT_FAILED,
		"the server gave us no address", "Its address pool may be empty.", false},
	[REASON_PPP_ADDRESS_BAD] = {"PPP-ADDRESS-BAD", STAGE_PPP, 735, EXIT_CONNECT_FAILED,
		"the server gave an address that cannot be used", "Ask the server's administrator.", false},

	[REASON_LINK_LOST] = {"LINK-LOST", STAGE_UP, 807, EXIT_CONNECT_FAILED,
		"the gateway stopped answering", "", false},
	[REASON_DAEMON_DOWN] = {"DAEMON-DOWN", STAGE_LOCAL, 827, EXIT_NO_DAEMON,
		"vpnd is not running", "systemctl start vpnd", false},
};
/* clang-format on */

static const char *const stage_names[STAGES] = {
	[STAGE_LOCAL] = "local",
	[STAGE_NET] = "net",
	[STAGE_IKE] = "ike",
	[STAGE_ESP] = "esp",
	[STAGE_L2TP] = "l2tp",
	[STAGE_PPP] = "ppp",
	[STAGE_UP] = "up",
};

const struct reason_row *reason_row(enum reason_id id)
{
	return &table[id < REASONS ? id : REASON_NONE];
}

const char *reason_stage_name(enum reason_stage stage)
{
	return stage_names[stage];
}

const char *reason_hint(enum reason_id id, const char *name, char to[static REASON_HINT])
{
	const char *hint = reason_row(id)->hint, *at = strstr(hint, "%s");

	if (at)
		snprintf(to, REASON_HINT, "%.*s%s%s", (int)(at - hint), hint, name ? name : "NAME",
			at + 2);
	else
		snprintf(to, REASON_HINT, "%s", hint);
	return to;
}

enum reason_id reason_find(const char *text)
{
	uint64_t number = 0;
	bool is_number = str_uint(text, 1, UINT16_MAX, &number);

	for (int id = REASON_NONE + 1; id < REASONS; id++)
		if (is_number ? table[id].windows == number : strcasecmp(table[id].id, text) == 0)
			return (enum reason_id)id;
	return REASON_NONE;
}

void reason_set(struct reason *r, enum reason_id id, const char *fmt, ...)
{
	va_list args;

	r->id = id;
	va_start(args, fmt);
	vsnprintf(r->evidence, sizeof(r->evidence), fmt, args);
	va_end(args);
}

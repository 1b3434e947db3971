#include "tests/peer/gatewayd_opts.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "ppp/ppp_frame.h"

/* What a value is, and what it becomes. */
enum kind {
	FLAG,   /* no value */
	TEXT,   /* const char * */
	OCTETS, /* struct slice */
	U16,
	U32,
	MSECS, /* milliseconds into msec */
	SECS,  /* seconds into msec */
	ADDRESS,
	IKE_SUITES,
	ESP_SUITES,
	AUTHS,
	PROFILE,
	LEVEL,
};

struct option {
	const char *name;
	enum kind kind;
	size_t at; /* in struct gatewayd_opts */
	const char *help;
};

#define IN_GATEWAY(field) offsetof(struct gatewayd_opts, gateway.field)

// clang-format off
static const struct option options[] = {
	{"listen", ADDRESS, offsetof(struct gatewayd_opts, listen), "address of UDP 500, UDP 4500 and protocol 50"},
	{"tun", TEXT, offsetof(struct gatewayd_opts, tun), "name of the interface"},
	{"mtu", U16, offsetof(struct gatewayd_opts, mtu), "of the interface"},
	{"keylog", TEXT, offsetof(struct gatewayd_opts, keylog), "file to write every key of IKE and ESP to"},
	{"log-level", LEVEL, offsetof(struct gatewayd_opts, level), "error, warn, info or debug"},
	{"profile", PROFILE, offsetof(struct gatewayd_opts, gateway), "play a server of the field; put it first"},

	{"psk", OCTETS, IN_GATEWAY(psk), "pre-shared key"},
	{"user", TEXT, IN_GATEWAY(user), "who may log in"},
	{"password", TEXT, IN_GATEWAY(password), "of that user"},
	{"ike", IKE_SUITES, IN_GATEWAY(accept), "suites taken, as in strongSwan's files"},
	{"esp", ESP_SUITES, IN_GATEWAY(accept), "the same for ESP, a group means PFS"},
	{"own-order", FLAG, IN_GATEWAY(own_order), "take the first of these that is offered"},
	{"natt-draft", FLAG, IN_GATEWAY(natt_draft), "draft 02 of NAT traversal, not RFC 3947"},
	{"drops-pairs-with-ike", FLAG, IN_GATEWAY(drops_pairs_with_ike), "no IKE SA, no ESP"},
	{"deletes-replaced", FLAG, IN_GATEWAY(deletes_replaced), "delete a replaced pair at once"},
	{"fake-nat-d", FLAG, IN_GATEWAY(fake_nat_d), "NAT-D made of nothing"},
	{"id-zero", FLAG, IN_GATEWAY(id_zero), "IDir 0.0.0.0"},
	{"transform-one", FLAG, IN_GATEWAY(transform_one), "QM2 names transform 1"},
	{"needs-natt", FLAG, IN_GATEWAY(needs_natt), "ignore clients without NAT traversal"},
	{"esp-life", U32, IN_GATEWAY(life_s), "RESPONDER-LIFETIME in QM2, s"},
	{"rekey-every", SECS, IN_GATEWAY(rekeys_every), "start a quick mode, s"},
	{"dpd-every", SECS, IN_GATEWAY(dpd_every), "ask R-U-THERE, s"},
	{"drop-ike-after", SECS, IN_GATEWAY(drops_ike_after), "delete the IKE SA, s"},

	{"l2tp-secret", OCTETS, IN_GATEWAY(l2tp_secret), "tunnel secret"},
	{"window", U16, IN_GATEWAY(window), "receive window, messages"},
	{"hello-every", SECS, IN_GATEWAY(hello_every), "L2TP Hello, s"},
	{"length-in-data", FLAG, IN_GATEWAY(length_in_data), "data messages carry a length"},
	{"sequence-in-data", FLAG, IN_GATEWAY(sequence_in_data), "data messages carry numbers"},

	{"auth", AUTHS, IN_GATEWAY(auths), "mschapv2, chap-md5, pap, eap, in turn: a,b,c"},
	{"rejects-magic", FLAG, IN_GATEWAY(rejects_magic), "LCP magic numbers are rejected"},
	{"asks-for-much", FLAG, IN_GATEWAY(asks_for_much), "LCP options of Windows"},
	{"no-message", FLAG, IN_GATEWAY(no_message), "Success without M="},
	{"lcp-delay", MSECS, IN_GATEWAY(lcp_delay), "before the first LCP request, ms"},
	{"login-delay", MSECS, IN_GATEWAY(login_delay), "before the verdict, ms"},
	{"own", ADDRESS, IN_GATEWAY(own), "address inside"},
	{"pool", ADDRESS, IN_GATEWAY(pool), "address given to the client"},
	{"dns", ADDRESS, IN_GATEWAY(dns[0]), "name server given to the client"},
	{"dns2", ADDRESS, IN_GATEWAY(dns[1]), "a second one"},

	{"text", TEXT, IN_GATEWAY(text), "what it says of itself, and to who logs in"},

	{"silent", FLAG, IN_GATEWAY(silent), "never answer IKE"},
	{"refuses-suites", FLAG, IN_GATEWAY(refuses_suites), "NO-PROPOSAL-CHOSEN to message 1"},
	{"refuses-in-silence", FLAG, IN_GATEWAY(refuses_in_silence), "nothing to a message 1 without a suite of ours"},
	{"refuses-quick", FLAG, IN_GATEWAY(refuses_quick), "NO-PROPOSAL-CHOSEN in quick mode"},
	{"drops-esp", FLAG, IN_GATEWAY(drops_esp), "nothing comes back through ESP"},
	{"corrupts-esp", FLAG, IN_GATEWAY(corrupts_esp), "what comes back is not authentic"},
	{"l2tp-silent", FLAG, IN_GATEWAY(l2tp_silent), "ESP lives, L2TP does not"},
	{"stop", TEXT, IN_GATEWAY(stop_text), "StopCCN with this text to SCCRQ"},
	{"cdn", TEXT, IN_GATEWAY(cdn_text), "CDN with this text to ICRQ"},
	{"ppp-silent", FLAG, IN_GATEWAY(ppp_silent), "PPP never answers"},
	{"refuses-login", U32, IN_GATEWAY(refuses_login), "E= this number"},
	{"forges-proof", FLAG, IN_GATEWAY(forges_proof), "S= is wrong"},
	{"no-proof", FLAG, IN_GATEWAY(no_proof), "no S="},
	{"no-address", FLAG, IN_GATEWAY(no_address), "the address option is rejected"},
	{"no-auth", FLAG, IN_GATEWAY(no_auth), "nobody has to log in"},
};

static const struct { const char *name; uint16_t protocol; } auths[] = {
	{"mschapv2", PPP_CHAP}, {"chap-md5", GATEWAY_CHAP_MD5}, {"pap", PPP_PAP}, {"eap", PPP_EAP},
};
// clang-format on

enum {
	OPTIONS = sizeof(options) / sizeof(options[0]),
	AUTH_NAMES = sizeof(auths) / sizeof(auths[0]),
	HELP_COLUMN = 24,
};

/* ---- values ---- */

static bool take_number(const struct option *o, const char *value, void *field)
{
	uint64_t n, most = o->kind == U16 ? UINT16_MAX : UINT32_MAX;

	if (!str_uint(value, 0, most, &n))
		return false;
	if (o->kind == U16)
		*(uint16_t *)field = (uint16_t)n;
	else if (o->kind == U32)
		*(uint32_t *)field = (uint32_t)n;
	else
		*(msec *)field = o->kind == SECS ? SECONDS(n) : n;
	return true;
}

static bool take_auths(const char *value, uint16_t to[static GATEWAY_AUTHS])
{
	memset(to, 0, GATEWAY_AUTHS * sizeof(to[0]));
	for (size_t n = 0; *value; n++) {
		size_t len = strcspn(value, ","), i = 0;

		while (i < AUTH_NAMES &&
			(strlen(auths[i].name) != len || memcmp(auths[i].name, value, len) != 0))
			i++;
		if (i == AUTH_NAMES || n == GATEWAY_AUTHS)
			return false;
		to[n] = auths[i].protocol;
		value += len + (value[len] == ',');
	}
	return true;
}

static bool take_value(struct gatewayd_opts *opts, const struct option *o, const char *value)
{
	void *field = (char *)opts + o->at;
	const char *wrong;

	switch (o->kind) {
	case FLAG:
		*(bool *)field = true;
		return true;
	case TEXT:
		*(const char **)field = value;
		return true;
	case OCTETS:
		*(struct slice *)field = slice_str(value);
		return true;
	case U16:
	case U32:
	case MSECS:
	case SECS:
		return take_number(o, value, field);
	case ADDRESS:
		return ip_parse(value, field);
	case IKE_SUITES:
		return ike_suites_parse(value, field, &wrong);
	case ESP_SUITES:
		return esp_suites_parse(value, field, &wrong);
	case AUTHS:
		return take_auths(value, field);
	case PROFILE:
		return gateway_profile(field, value);
	case LEVEL:
		return log_level_parse(value, field);
	}
	return false;
}

/* ---- the command line ---- */

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

static int usage(void)
{
	printf("usage: gatewayd --listen IP [OPTION]...\n"
	       "A gateway to test against. It says \"ready\" and takes commands from its input:\n"
	       "rekey, delete-esp, delete-ike, restart, stop TEXT, status.\n\n");
	for (size_t i = 0; i < OPTIONS; i++)
		printf("  --%s%-*s %s\n", options[i].name,
			(int)(HELP_COLUMN - strlen(options[i].name)),
			options[i].kind == FLAG ? "" : " VALUE", options[i].help);
	return 0;
}

int gatewayd_opts(struct gatewayd_opts *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *name = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
		const struct option *option = find(name);
		bool valued = option && option->kind != FLAG;

		if (strcmp(name, "help") == 0)
			return usage();
		if (!option || (valued && ++i == argc) || !take_value(o, option, argv[i])) {
			fprintf(stderr, "gatewayd: bad option or value: %s\n",
				argv[i < argc ? i : i - 1]);
			return 2;
		}
	}
	if (o->listen.family != FAMILY_NONE)
		return -1;
	fprintf(stderr, "gatewayd: --listen is missing; see --help\n");
	return 2;
}

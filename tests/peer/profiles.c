/* Servers of the field as settings of the gateway: what each takes, in which order, and its ways.
 *
 * Where a server's suites are its administrator's affair (accel-ppp, Yamaha, UniFi, Synology, Sophos)
 * they are those of a strongSwan. Not here: Check Point, which wants certificates, and QNAP and
 * DrayTek, of which no more is known than that they exist. */
#include <string.h>

#include "ike/ike_msg.h"
#include "ike/ike_vid.h"
#include "ppp/ppp_frame.h"
#include "tests/peer/gateway.h"

#define VID(name) (1u << VID_##name)
#define STRONGSWAN_IKE                                                                             \
	"aes128-sha256-modp3072,aes256-sha256-modp2048,aes128-sha256-ecp256,aes256-sha1-modp2048"
#define STRONGSWAN_ESP "aes128-sha256,aes256-sha256,aes256-sha1,aes128-sha1"

/* clang-format off */
static const struct profile {
	const char *name;
	const char *ike, *esp;
	struct gateway_conf ways;
} profiles[] = {
	{"softether",
		"aes256-sha512-modp2048,aes256-sha384-modp2048,aes256-sha256-modp2048,aes256-sha1-modp2048,"
		"aes192-sha256-modp2048,aes192-sha1-modp2048,aes128-sha256-modp2048,aes128-sha1-modp2048,"
		"3des-sha1-modp2048,aes256-sha256-modp1536,aes256-sha1-modp1536,aes256-sha256-modp1024,"
		"aes256-sha1-modp1024,aes128-sha1-modp1024,3des-sha1-modp1024",
		"aes256-sha1,aes192-sha1,aes128-sha1,3des-sha1",
		{.fake_nat_d = true, .id_zero = true, .transform_one = true, .needs_natt = true,
			.refuses_in_silence = true, .vids = VID(DPD) | VID(NATT_03) | VID(NATT_02N) | VID(NATT_02) |
				VID(NATT_OTHER),
			.dpd_every = SECONDS(10), .hello_every = 8800, .window = 8, .rejects_magic = true,
			.length_in_data = true, .auths = {PPP_EAP, PPP_CHAP}}},
	{"strongswan",
		STRONGSWAN_IKE, STRONGSWAN_ESP,
		{.own_order = true, .drops_pairs_with_ike = true, .on_wrong_key = WRONG_KEY_UNREADABLE,
			.vids = VID(DPD) | VID(XAUTH) | VID(STRONGSWAN), .dpd_every = SECONDS(30),
			.window = 4, .auths = {PPP_CHAP}}},
	{"libreswan",
		"aes256-sha256-modp2048,aes128-sha256-modp2048,aes256-sha1-modp2048,aes128-sha1-modp2048",
		"aes256gcm16,aes128gcm16,aes128-sha1,aes256-sha1,aes256-sha512,aes128-sha256,aes256-sha256",
		{.on_wrong_key = WRONG_KEY_SILENT, .vids = VID(DPD) | VID(LIBRESWAN), .dpd_every = SECONDS(30),
			.window = 4, .auths = {PPP_CHAP}}},
	{"hwdsl2",
		"aes256-sha256-modp2048,aes128-sha256-modp2048,aes256-sha1-modp2048,aes128-sha1-modp2048",
		"aes256gcm16,aes128gcm16,aes128-sha1,aes256-sha1,aes256-sha512,aes128-sha256,aes256-sha256",
		{.fake_nat_d = true, .on_wrong_key = WRONG_KEY_SILENT, .vids = VID(DPD) | VID(LIBRESWAN),
			.dpd_every = SECONDS(30), .window = 4, .auths = {PPP_CHAP}}},
	{"windows",
		"aes256-sha1-ecp384,aes128-sha1-ecp256,3des-sha1-modp1024",
		"aes256-sha1,aes128-sha1,3des-sha1",
		{.on_wrong_key = WRONG_KEY_CLEAR, .wrong_key_notify = IKE_AUTHENTICATION_FAILED,
			.vids = VID(FRAGMENTATION), .deletes_replaced = true, .asks_for_much = true,
			.no_message = true, .window = 8, .length_in_data = true, .auths = {PPP_EAP, PPP_CHAP}}},
	{"windows2003",
		"3des-sha1-modp1024", "3des-sha1",
		{.natt_draft = true, .on_wrong_key = WRONG_KEY_CLEAR, .deletes_replaced = true,
			.wrong_key_notify = IKE_AUTHENTICATION_FAILED, .asks_for_much = true, .no_message = true,
			.window = 8, .length_in_data = true, .auths = {PPP_CHAP}}},
	{"mikrotik",
		"aes256-sha1-modp1024,aes192-sha1-modp1024,aes128-sha1-modp1024,3des-sha1-modp1024",
		"aes256-sha1,aes192-sha1,aes128-sha1",
		{.on_wrong_key = WRONG_KEY_SILENT, .rekey_pfs = DH_MODP1024, .drops_pairs_with_ike = true,
			.vids = VID(DPD), .dpd_every = SECONDS(120), .window = 4, .auths = {PPP_CHAP}}},
	{"racoon",
		"aes256-sha1-modp1536,3des-sha1-modp1536", "aes256-sha1,3des-sha1",
		{.on_wrong_key = WRONG_KEY_SILENT, .drops_pairs_with_ike = true, .life_s = 1800,
			.vids = VID(DPD) | VID(RACOON), .window = 4, .auths = {PPP_CHAP}}},
	{"meraki",
		"3des-sha1-modp1024", "aes128-sha1,3des-sha1",
		{.on_wrong_key = WRONG_KEY_CLEAR, .wrong_key_notify = IKE_PAYLOAD_MALFORMED,
			.vids = VID(DPD) | VID(XAUTH) | VID(FRAGMENTATION), .window = 4, .auths = {PPP_PAP}}},
	{"fortigate",
		"aes256-md5-modp1024,3des-sha1-modp1024,aes192-sha1-modp1024", "aes256-sha1,3des-sha1",
		{.on_wrong_key = WRONG_KEY_CLEAR, .vids = VID(DPD) | VID(FORTIGATE), .window = 4,
			.auths = {PPP_CHAP}}},
	{"cisco",
		"aes256-sha1-modp1024,3des-sha1-modp1024", "aes256-sha1,aes128-sha1,3des-sha1",
		{.on_wrong_key = WRONG_KEY_SILENT, .drops_pairs_with_ike = true, .window = 4,
			.vids = VID(DPD) | VID(UNITY) | VID(XAUTH), .auths = {PPP_CHAP}}},
	{"ciscoios",
		"aes256-sha1-modp1024,3des-sha1-modp1024", "aes256-sha1,aes128-sha1,3des-sha1",
		{.late_vids = true, .on_wrong_key = WRONG_KEY_SILENT, .drops_pairs_with_ike = true, .window = 4,
			.vids = VID(DPD) | VID(UNITY) | VID(XAUTH), .auths = {PPP_CHAP}}},
	{"sonicwall",
		"3des-sha1-modp1024", "3des-sha1",
		{.on_wrong_key = WRONG_KEY_SILENT, .vids = VID(DPD) | VID(XAUTH), .window = 4,
			.auths = {PPP_CHAP}}},
	{"zyxel",
		"3des-sha1-modp1024,3des-md5-modp1024", "aes128-sha1,3des-sha1",
		{.on_wrong_key = WRONG_KEY_SILENT, .vids = VID(DPD), .window = 4, .auths = {PPP_CHAP}}},
	{"synology",
		STRONGSWAN_IKE, "aes256-sha256_96",
		{.own_order = true, .on_wrong_key = WRONG_KEY_UNREADABLE, .vids = VID(DPD) | VID(STRONGSWAN),
			.window = 4, .auths = {PPP_CHAP}}},
	{"sophos",
		STRONGSWAN_IKE, STRONGSWAN_ESP,
		{.own_order = true, .drops_pairs_with_ike = true, .on_wrong_key = WRONG_KEY_UNREADABLE,
			.vids = VID(DPD) | VID(XAUTH) | VID(UNITY) | VID(STRONGSWAN), .dpd_every = SECONDS(30),
			.window = 4, .auths = {PPP_CHAP}}},
	{"unifi",
		STRONGSWAN_IKE, STRONGSWAN_ESP,
		{.own_order = true, .drops_pairs_with_ike = true, .on_wrong_key = WRONG_KEY_UNREADABLE,
			.vids = VID(DPD) | VID(XAUTH) | VID(STRONGSWAN), .drops_ike_after = SECONDS(900),
			.window = 4, .auths = {PPP_EAP, PPP_CHAP}}},
	{"yamaha",
		STRONGSWAN_IKE, STRONGSWAN_ESP,
		{.strict_sccrq = true, .on_wrong_key = WRONG_KEY_SILENT, .vids = VID(DPD), .window = 4,
			.auths = {PPP_CHAP}}},
	{"accel-ppp",
		STRONGSWAN_IKE, STRONGSWAN_ESP,
		{.own_order = true, .on_wrong_key = WRONG_KEY_UNREADABLE, .vids = VID(DPD) | VID(STRONGSWAN),
			.hides_avps = true, .slow_repeats = true, .sequence_in_data = true,
			.needs_sequence = true, .window = 10, .auths = {PPP_CHAP}}},
	{"pfsense",
		"aes256-sha1-modp2048", "aes128-sha1",
		{.own_order = true, .drops_pairs_with_ike = true, .on_wrong_key = WRONG_KEY_UNREADABLE,
			.vids = VID(DPD) | VID(STRONGSWAN), .dpd_every = SECONDS(10), .window = 4,
			.compresses = true, .mru = 1500, .auths = {GATEWAY_CHAP_MD5}}},
	{"vyos",
		"aes256-sha1-modp1024,3des-sha1-modp1024", "aes256-sha1,3des-sha1",
		{.own_order = true, .drops_pairs_with_ike = true, .on_wrong_key = WRONG_KEY_UNREADABLE,
			.vids = VID(DPD) | VID(STRONGSWAN), .dpd_every = SECONDS(15), .window = 4,
			.sequence_in_data = true, .slow_repeats = true, .mru = 1436, .auths = {PPP_CHAP}}},
};
/* clang-format on */

bool gateway_profile(struct gateway_conf *conf, const char *name)
{
	struct gateway_conf now = *conf;
	const char *wrong;

	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		const struct profile *p = &profiles[i];

		if (strcmp(name, p->name) != 0)
			continue;
		*conf = p->ways;
		memcpy(conf->addr, now.addr, sizeof(now.addr));
		conf->psk = now.psk;
		conf->user = now.user;
		conf->password = now.password;
		conf->l2tp_secret = now.l2tp_secret;
		conf->own = now.own;
		conf->pool = now.pool;
		memcpy(conf->dns, now.dns, sizeof(now.dns));
		return ike_suites_parse(p->ike, &conf->accept, &wrong) &&
		       esp_suites_parse(p->esp, &conf->accept, &wrong);
	}
	return false;
}

#include "esp/xfrm_msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/secret.h"
#include "esp/esp_plane.h"
#include "esp/xfrm.h"

enum {
	WINDOW = 1024,      /* packets; as in the user plane */
	BLOCK_PRIORITY = 1, /* before what others have for the same packets */
	ROOM = 4096,        /* of a message: the largest SA takes about 600 */
};

/* ---- names of algorithms ---- */

static const char *const auth_names[] = {
	[HASH_MD5] = "hmac(md5)",
	[HASH_SHA1] = "hmac(sha1)",
	[HASH_SHA256] = "hmac(sha256)",
	[HASH_SHA384] = "hmac(sha384)",
	[HASH_SHA512] = "hmac(sha512)",
};

static const char *const cipher_names[] = {
	[ESP_AES_CBC] = "cbc(aes)",
	[ESP_3DES] = "cbc(des3_ede)",
	[ESP_AES_GCM] = "rfc4106(gcm(aes))",
};

enum { SALT = 4 };

/* Room for any of the kernel's structs of an algorithm, with its key. */
union alg {
	struct xfrm_algo crypt;
	struct xfrm_algo_auth auth;
	struct xfrm_algo_aead aead;
	uint8_t octets[sizeof(struct xfrm_algo_aead) + ESP_AUTH_KEY_MAX];
};

static const struct esp_half *half_of(const struct xfrm_sa *sa)
{
	return sa->way == XFRM_IN ? &sa->pair->in : &sa->pair->out;
}

/* Octets of the cipher's key, with what belongs to it. */
static size_t cipher_key(const struct esp_suite *suite)
{
	return suite->key_len + (suite->cipher == ESP_AES_GCM ? SALT : 0u);
}

/* The attribute for GCM, or for the cipher; its length. */
static size_t alg_crypt(union alg *to, const struct xfrm_sa *sa)
{
	const struct esp_suite *suite = &sa->pair->suite;
	const char *name = cipher_names[suite->cipher];
	bool gcm = suite->cipher == ESP_AES_GCM;
	size_t n = cipher_key(suite);
	uint8_t *key = gcm ? (uint8_t *)to->aead.alg_key : (uint8_t *)to->crypt.alg_key;

	*to = (union alg){0};
	if (gcm) {
		memcpy(to->aead.alg_name, name, strlen(name));
		to->aead.alg_key_len = (unsigned)n * 8;
		to->aead.alg_icv_len = suite->icv_len * 8u;
	} else {
		memcpy(to->crypt.alg_name, name, strlen(name));
		to->crypt.alg_key_len = (unsigned)n * 8;
	}
	memcpy(key, half_of(sa)->key, n);
	return (size_t)(key - to->octets) + n;
}

static size_t alg_auth(union alg *to, const struct xfrm_sa *sa)
{
	const struct esp_suite *suite = &sa->pair->suite;
	const char *name = auth_names[suite->auth];
	size_t n = hash_len(suite->auth);

	*to = (union alg){0};
	memcpy(to->auth.alg_name, name, strlen(name));
	to->auth.alg_key_len = (unsigned)n * 8;
	to->auth.alg_trunc_len = suite->icv_len * 8u;
	memcpy(to->auth.alg_key, half_of(sa)->auth, n);
	return sizeof(to->auth) + n;
}

/* ---- addresses ---- */

static uint16_t af_of(const struct ip *ip)
{
	return ip->family == FAMILY_IPV6 ? AF_INET6 : AF_INET;
}

static xfrm_address_t address(const struct ip *ip)
{
	xfrm_address_t a = {0};

	memcpy(&a, ip->b, ip_len(ip));
	return a;
}

struct ip xfrm_msg_ip(const void *a, uint16_t af)
{
	return af == AF_INET6 ? ip_of(FAMILY_IPV6, slice(a, 16)) : ip_of(FAMILY_IPV4, slice(a, 4));
}

static const struct addr *from_of(const struct xfrm_sa *sa)
{
	return sa->way == XFRM_IN ? &sa->pair->remote : &sa->pair->local;
}

static const struct addr *to_of(const struct xfrm_sa *sa)
{
	return sa->way == XFRM_IN ? &sa->pair->local : &sa->pair->remote;
}

static const struct xfrm_lifetime_cfg no_limit = {
	.soft_byte_limit = XFRM_INF,
	.hard_byte_limit = XFRM_INF,
	.soft_packet_limit = XFRM_INF,
	.hard_packet_limit = XFRM_INF,
};

/* As in the user plane: at half of its numbers a half asks for its successor, with the last one it
 * ends; 3DES asks by octets, too, and goes on if nothing comes of it. No time: were the wall clock set,
 * the kernel would drop the SA, and IKE counts by its own. */
static struct xfrm_lifetime_cfg limits(const struct esp_suite *suite)
{
	struct xfrm_lifetime_cfg lft = no_limit;

	lft.soft_packet_limit = ESP_SEQ_SOON;
	lft.hard_packet_limit = UINT32_MAX;
	if (suite->cipher == ESP_3DES)
		lft.soft_byte_limit = ESP_OCTETS_SOON_3DES;
	return lft;
}

/* The kernel's structs are filled field by field into zeros: their padding goes to the kernel, too. */

/* UDP between the two hosts, our port of L2TP. Without the port the gateway could reach every UDP
 * socket of this host through the SA; the gateway's own port may be another than 1701. */
static void fill_selector(struct xfrm_selector *s, const struct xfrm_sa *sa)
{
	const struct ip *src = &from_of(sa)->ip, *dst = &to_of(sa)->ip;

	s->family = af_of(src);
	s->proto = IPPROTO_UDP;
	s->saddr = address(src);
	s->daddr = address(dst);
	s->prefixlen_s = (uint8_t)(ip_len(src) * 8);
	s->prefixlen_d = (uint8_t)(ip_len(dst) * 8);
	if (sa->way == XFRM_IN) {
		s->dport = htons(sa->pair->local_port);
		s->dport_mask = UINT16_MAX;
	} else {
		s->sport = htons(sa->pair->local_port);
		s->sport_mask = UINT16_MAX;
	}
}

/* ---- SAs ---- */

static struct nl_msg *message(int type, int flags, const void *body, size_t n)
{
	struct nl_msg *m = nlmsg_alloc_size(ROOM);

	if (!m)
		return NULL;
	if (!nlmsg_put(m, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, NLM_F_REQUEST | flags) ||
		nlmsg_append(m, (void *)body, n, NLMSG_ALIGNTO) != 0) {
		xfrm_msg_free(m);
		return NULL;
	}
	return m;
}

static void fill_sa(struct xfrm_usersa_info *info, const struct xfrm_sa *sa)
{
	const struct ip *src = &from_of(sa)->ip, *dst = &to_of(sa)->ip;

	memset(info, 0, sizeof(*info));
	fill_selector(&info->sel, sa);
	info->id.daddr = address(dst);
	info->id.spi = htonl(half_of(sa)->spi);
	info->id.proto = IPPROTO_ESP;
	info->saddr = address(src);
	info->lft = limits(&sa->pair->suite);
	info->family = af_of(src);
	info->mode = XFRM_MODE_TRANSPORT;
	info->reqid = sa->reqid;
}

static int put_keys(struct nl_msg *m, const struct xfrm_sa *sa)
{
	bool gcm = sa->pair->suite.cipher == ESP_AES_GCM;
	union alg alg;
	size_t n = alg_crypt(&alg, sa);
	int bad = nla_put(m, gcm ? XFRMA_ALG_AEAD : XFRMA_ALG_CRYPT, (int)n, &alg);

	if (!gcm) {
		n = alg_auth(&alg, sa);
		bad |= nla_put(m, XFRMA_ALG_AUTH_TRUNC, (int)n, &alg);
	}
	wipe(&alg, sizeof(alg));
	return bad;
}

static struct xfrm_encap_tmpl encap(const struct xfrm_sa *sa)
{
	return (struct xfrm_encap_tmpl){
		.encap_type = UDP_ENCAP_ESPINUDP,
		.encap_sport = htons(from_of(sa)->port),
		.encap_dport = htons(to_of(sa)->port),
	};
}

static int put_window(struct nl_msg *m)
{
	struct xfrm_replay_state_esn *esn;
	size_t n = sizeof(*esn) + WINDOW / 8;
	struct nlattr *attr = nla_reserve(m, XFRMA_REPLAY_ESN_VAL, (int)n);

	if (!attr)
		return -1;
	esn = nla_data(attr);
	memset(esn, 0, n);
	esn->bmp_len = WINDOW / 32;
	esn->replay_window = WINDOW;
	return 0;
}

static struct nl_msg *sa_message(int type, int flags, const struct xfrm_sa *sa)
{
	struct xfrm_usersa_info info;

	fill_sa(&info, sa);
	struct nl_msg *m = message(type, NLM_F_ACK | flags, &info, sizeof(info));
	int bad = m ? put_keys(m, sa) : 0;

	if (m && sa->pair->lane == LANE_NATT) {
		struct xfrm_encap_tmpl e = encap(sa);

		bad |= nla_put(m, XFRMA_ENCAP, sizeof(e), &e);
	}
	if (m && sa->way == XFRM_IN)
		bad |= put_window(m);
	if (bad) {
		xfrm_msg_free(m);
		return NULL;
	}
	return m;
}

struct nl_msg *xfrm_msg_add_sa(const struct xfrm_sa *sa)
{
	return sa_message(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, sa);
}

struct nl_msg *xfrm_msg_update_sa(const struct xfrm_sa *sa)
{
	return sa_message(XFRM_MSG_UPDSA, 0, sa);
}

static struct nl_msg *by_id(int type, int flags, const struct ip *dst, uint32_t spi)
{
	struct xfrm_usersa_id id;

	memset(&id, 0, sizeof(id));
	id.daddr = address(dst);
	id.spi = htonl(spi);
	id.family = af_of(dst);
	id.proto = IPPROTO_ESP;
	return message(type, flags, &id, sizeof(id));
}

struct nl_msg *xfrm_msg_del_sa(const struct xfrm_sa *sa)
{
	return by_id(XFRM_MSG_DELSA, NLM_F_ACK, &to_of(sa)->ip, half_of(sa)->spi);
}

struct nl_msg *xfrm_msg_get_sa(const struct xfrm_sa *sa)
{
	return by_id(XFRM_MSG_GETSA, 0, &to_of(sa)->ip, half_of(sa)->spi);
}

struct nl_msg *xfrm_msg_del_state(const struct xfrm_sa_state *state)
{
	return by_id(XFRM_MSG_DELSA, NLM_F_ACK, &state->dst, state->spi);
}

struct nl_msg *xfrm_msg_dump_sas(void)
{
	static const struct xfrm_usersa_id all;

	return message(XFRM_MSG_GETSA, NLM_F_DUMP, &all, sizeof(all));
}

void xfrm_msg_free(struct nl_msg *m)
{
	if (!m)
		return;
	wipe(nlmsg_hdr(m), nlmsg_get_max_size(m));
	nlmsg_free(m);
}

/* ---- policies ---- */

static void fill_block(struct xfrm_selector *s, const struct ip *server, enum xfrm_way way)
{
	uint8_t bits = (uint8_t)(ip_len(server) * 8);

	s->family = af_of(server);
	s->proto = IPPROTO_UDP;
	if (way == XFRM_OUT) {
		s->daddr = address(server);
		s->prefixlen_d = bits;
		s->dport = htons(L2TP_PORT);
		s->dport_mask = UINT16_MAX;
	} else {
		s->saddr = address(server);
		s->prefixlen_s = bits;
		s->sport = htons(L2TP_PORT);
		s->sport_mask = UINT16_MAX;
	}
}

static uint8_t direction(enum xfrm_way way)
{
	return way == XFRM_IN ? XFRM_POLICY_IN : XFRM_POLICY_OUT;
}

struct nl_msg *xfrm_msg_add_block(const struct ip *server, enum xfrm_way way)
{
	struct xfrm_userpolicy_info policy;

	memset(&policy, 0, sizeof(policy));
	fill_block(&policy.sel, server, way);
	policy.lft = no_limit;
	policy.priority = BLOCK_PRIORITY;
	policy.dir = direction(way);
	policy.action = XFRM_POLICY_BLOCK;
	return message(
		XFRM_MSG_NEWPOLICY, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &policy, sizeof(policy));
}

struct nl_msg *xfrm_msg_del_block(const struct ip *server, enum xfrm_way way)
{
	struct xfrm_userpolicy_id id;

	memset(&id, 0, sizeof(id));
	fill_block(&id.sel, server, way);
	id.dir = direction(way);
	return message(XFRM_MSG_DELPOLICY, NLM_F_ACK, &id, sizeof(id));
}

int xfrm_protect(int fd, enum family family, uint32_t reqid)
{
	bool v6 = family == FAMILY_IPV6;
	struct {
		struct xfrm_userpolicy_info policy;
		struct xfrm_user_tmpl tmpl;
	} p = {
		.policy =
			{
				.sel = {.family = v6 ? AF_INET6 : AF_INET},
				.lft = no_limit,
				.action = XFRM_POLICY_ALLOW,
				.share = XFRM_SHARE_ANY,
			},
		.tmpl =
			{
				.id = {.proto = IPPROTO_ESP},
				.family = v6 ? AF_INET6 : AF_INET,
				.reqid = reqid,
				.mode = XFRM_MODE_TRANSPORT,
				.share = XFRM_SHARE_ANY,
				.aalgos = UINT32_MAX,
				.ealgos = UINT32_MAX,
				.calgos = UINT32_MAX,
			},
	};

	if (reqid == 0) /* check: xfrm-reqid */
		return -EINVAL;
	for (int dir = XFRM_POLICY_IN; dir <= XFRM_POLICY_OUT; dir++) {
		p.policy.dir = (uint8_t)dir;
		if (setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
			    v6 ? IPV6_XFRM_POLICY : IP_XFRM_POLICY, &p, sizeof(p)) < 0)
			return -errno;
	}
	return 0;
}

/* ---- what the kernel says ---- */

/* A copy: messages are aligned to four octets only. */
static bool parse(const struct nlmsghdr *h, struct nlattr *attrs[static XFRMA_MAX + 1],
	struct xfrm_usersa_info *info)
{
	if (h->nlmsg_type != XFRM_MSG_NEWSA ||
		nlmsg_parse((struct nlmsghdr *)h, sizeof(*info), attrs, XFRMA_MAX, NULL) < 0)
		return false;
	memcpy(info, nlmsg_data(h), sizeof(*info));
	return true;
}

bool xfrm_msg_state(const struct nlmsghdr *h, struct xfrm_sa_state *state)
{
	struct nlattr *attrs[XFRMA_MAX + 1];
	struct xfrm_usersa_info info;

	if (!parse(h, attrs, &info))
		return false;
	*state = (struct xfrm_sa_state){
		.dst = xfrm_msg_ip(&info.id.daddr, info.family),
		.spi = ntohl(info.id.spi),
		.reqid = info.reqid,
		.runs_out = info.curlft.packets >= info.lft.soft_packet_limit ||
			    info.curlft.bytes >= info.lft.soft_byte_limit,
		.count = {.packets = info.curlft.packets,
			.octets = info.curlft.bytes,
			.icv_bad = info.stats.integrity_failed,
			.replayed = (uint64_t)info.stats.replay + info.stats.replay_window},
	};
	return true;
}

static bool take_key(const struct nlattr *attr, size_t head, size_t n, uint8_t *to)
{
	if (!attr || (size_t)nla_len(attr) != head + n)
		return false;
	memcpy(to, (uint8_t *)nla_data(attr) + head, n);
	return true;
}

bool xfrm_msg_keys(const struct nlmsghdr *h, const struct esp_suite *suite, struct esp_half *half)
{
	struct nlattr *attrs[XFRMA_MAX + 1];
	struct xfrm_usersa_info info;
	bool parsed = parse(h, attrs, &info);

	if (parsed && suite->cipher == ESP_AES_GCM)
		return take_key(attrs[XFRMA_ALG_AEAD], sizeof(struct xfrm_algo_aead),
			cipher_key(suite), half->key);
	return parsed &&
	       take_key(attrs[XFRMA_ALG_CRYPT], sizeof(struct xfrm_algo), cipher_key(suite),
		       half->key) &&
	       take_key(attrs[XFRMA_ALG_AUTH_TRUNC], sizeof(struct xfrm_algo_auth),
		       hash_len(suite->auth), half->auth);
}

static bool has(const struct nlattr *attr, const void *octets, size_t n)
{
	return attr && (size_t)nla_len(attr) == n &&
	       secret_equal(slice(octets, n), slice(nla_data(attr), n));
}

static bool has_keys(struct nlattr *const attrs[static XFRMA_MAX + 1], const struct xfrm_sa *sa)
{
	bool gcm = sa->pair->suite.cipher == ESP_AES_GCM;
	union alg alg;
	size_t n = alg_crypt(&alg, sa);
	bool same = has(attrs[gcm ? XFRMA_ALG_AEAD : XFRMA_ALG_CRYPT], &alg, n);

	if (!gcm) {
		n = alg_auth(&alg, sa);
		same &= has(attrs[XFRMA_ALG_AUTH_TRUNC], &alg, n);
	}
	wipe(&alg, sizeof(alg));
	return same;
}

static bool has_encap(const struct nlattr *attr, const struct xfrm_sa *sa)
{
	struct xfrm_encap_tmpl e = encap(sa);
	const struct xfrm_encap_tmpl *is = attr ? nla_data(attr) : NULL;

	if (sa->pair->lane != LANE_NATT)
		return !is;
	return is && (size_t)nla_len(attr) >= sizeof(*is) && is->encap_type == e.encap_type &&
	       is->encap_sport == e.encap_sport && is->encap_dport == e.encap_dport;
}

bool xfrm_msg_is_sa(const struct nlmsghdr *h, const struct xfrm_sa *sa)
{
	struct nlattr *attrs[XFRMA_MAX + 1];
	struct xfrm_usersa_info is, want;

	fill_sa(&want, sa);
	return parse(h, attrs, &is) && memcmp(&is.sel, &want.sel, sizeof(want.sel)) == 0 &&
	       memcmp(&is.id, &want.id, sizeof(want.id)) == 0 &&
	       memcmp(&is.saddr, &want.saddr, sizeof(want.saddr)) == 0 &&
	       memcmp(&is.lft, &want.lft, sizeof(want.lft)) == 0 && is.family == want.family &&
	       is.mode == want.mode && is.reqid == want.reqid && has_keys(attrs, sa) &&
	       has_encap(attrs[XFRMA_ENCAP], sa);
}

/* Who we say we are and how each side proves it knows the key. RFC 2409, 5.4; RFC 2407, 4.6.2. */
#include "ike/ike_rooms.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Protocol and port 0: RFC 2407, 4.6.2 allows that or UDP 500, and 500 is untrue behind NAT. */
struct slice ike_auth_own_id(
	const struct ike *ike, const struct phase1 *sa, uint8_t *to, size_t room)
{
	const char *text = ike->conf->local_id;
	struct wr w = wr_of(to, room);
	struct ip ip = ike->conf->local[sa->lane].ip;
	uint8_t type = 0;

	if (text && !ip_parse(text, &ip))
		type = strchr(text, '@') ? IKE_ID_USER_FQDN : IKE_ID_FQDN;
	else
		type = ip.family == FAMILY_IPV6 ? IKE_ID_IPV6 : IKE_ID_IPV4;
	wr_u8(&w, type);
	wr_u8(&w, 0);
	wr_u16(&w, 0);
	if (type == IKE_ID_USER_FQDN || type == IKE_ID_FQDN)
		wr_put(&w, slice_str(text));
	else
		wr_put(&w, ip_slice(&ip));
	return wr_slice(&w);
}

bool ike_auth_hash(
	struct ike *ike, const struct phase1 *sa, bool of_initiator, struct slice id, uint8_t *to)
{
	struct slice public_i = secret_slice(&sa->public_i), public_r = secret_slice(&sa->public_r);
	struct slice cookie_i = slice(sa->cookie_i, IKE_COOKIE);
	struct slice cookie_r = slice(sa->cookie_r, IKE_COOKIE);
	struct ike_proof proof = {
		.public_own = of_initiator ? public_i : public_r,
		.public_other = of_initiator ? public_r : public_i,
		.cookie_own = of_initiator ? cookie_i : cookie_r,
		.cookie_other = of_initiator ? cookie_r : cookie_i,
		.sa_i = secret_slice(&sa->sa_i),
		.id_own = id,
	};

	return ike_hash_auth(ike->env->crypto, &sa->keys, &proof, to);
}

/* Any identity is good: the key has proved the peer. It is for status only. */
void ike_auth_id_text(struct slice body, char to[static ID_TEXT])
{
	char escaped[STR_ESCAPED], address[IP_TEXT];
	struct ike_id id;

	if (!ike_id_parse(body, &id)) {
		to[0] = 0;
		return;
	}
	struct ip ip = ike_id_ip(&id);
	if (ip.family != FAMILY_NONE)
		snprintf(to, ID_TEXT, "%s", ip_text(&ip, address));
	else
		snprintf(to, ID_TEXT, "%.*s", ID_TEXT - 1, str_escape(id.data, escaped));
}

/* The keys by name, for a test that looks for them where they must not be. */
#include "tests/peer/ike_peer_priv.h"

static void tell(const struct ike_peer *p, const char *name, const uint8_t *key, size_t n)
{
	if (p->conf->keylog && n)
		p->conf->keylog(p->conf->keylog_ctx, name, slice(key, n));
}

void peer_tell_phase1(const struct ike_peer *p, const struct ike_keys *k, struct slice gxy)
{
	size_t n = hash_len(k->hash);

	tell(p, "g^xy", gxy.p, gxy.n);
	tell(p, "SKEYID", k->skeyid, n);
	tell(p, "SKEYID_d", k->d, n);
	tell(p, "SKEYID_a", k->a, n);
	tell(p, "IKE", k->key, k->key_len); /* may be all of SKEYID_e */
	tell(p, "SKEYID_e", k->e, n);
}

void peer_tell_pair(const struct ike_peer *p, const struct sa_pair *pair)
{
	size_t auth = pair->suite.cipher == ESP_AES_GCM ? 0 : hash_len(pair->suite.auth);

	tell(p, "ESP_in", pair->in.key, pair->suite.key_len);
	tell(p, "ESP_out", pair->out.key, pair->suite.key_len);
	tell(p, "ESP_in_auth", pair->in.auth, auth);
	tell(p, "ESP_out_auth", pair->out.auth, auth);
}

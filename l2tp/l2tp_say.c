#include <errno.h>

#include "base/crypto.h"
#include "base/log.h"
#include "l2tp/l2tp_priv.h"

enum {
	CONTROL_ROOM = 512, /* octets; the longest message we build has less than half */
	HOST_NAME_LEN = 64,
	PROTOCOL_VERSION = 0x0100,
	FIRMWARE = 0x0a00, /* as Windows */
	FRAMING_SYNC = 1,
	BEARER_NONE = 0,
	DEFAULT_WINDOW = 8,
	CALL_SERIAL = 1,
	TX_SPEED = 100000000, /* bit/s; nobody believes it */
};

static const char our_name[] = "vpnd";

static struct pkt *packet(struct l2tp *t, const struct l2tp_msg *m, const struct l2tp_head *h)
{
	struct pkt *p = pkt_new_ctl(t->env->pool, CONTROL_ROOM);

	if (!p)
		return NULL;
	struct wr w = pkt_wr(p);
	l2tp_msg_build(m, h, &w);
	if (pkt_wrote(p, &w))
		return p;
	pkt_free(p);
	return NULL;
}

/* The channel writes tunnel, Ns and Nr. */
static int say(struct l2tp *t, const struct l2tp_msg *m, uint16_t session, enum patience patience)
{
	struct pkt *p = packet(t, m, &(struct l2tp_head){.session = session});

	if (!p)
		return -ENOMEM;
	log_debug(t->env->log, "l2tp", "send %s", l2tp_message_name(m->type));
	return chan_send(&t->chan, p, (enum l2tp_message)m->type, patience);
}

bool say_response(const struct l2tp *t, enum l2tp_message carrier, struct slice challenge,
	uint8_t response[L2TP_RESPONSE])
{
	const uint8_t id = (uint8_t)carrier;
	const struct slice parts[] = {slice(&id, 1), t->key.secret, challenge};

	return crypto_hash(t->env->crypto, HASH_MD5, parts, 3, response);
}

/* The set and order of Windows, because some servers answer no other. A Host Name has an octet or
 * more, also on a host that has none; RFC 2661, 4.4.3. */
int say_sccrq(struct l2tp *t)
{
	struct l2tp_msg m;
	struct slice host = slice_str(*t->conf->hostname ? t->conf->hostname : our_name);

	if (host.n > HOST_NAME_LEN)
		host.n = HOST_NAME_LEN;
	l2tp_msg_init(&m, L2TP_SCCRQ);
	l2tp_msg_put_u16(&m, AVP_PROTOCOL_VERSION, PROTOCOL_VERSION);
	l2tp_msg_put_u32(&m, AVP_FRAMING_CAPABILITIES, FRAMING_SYNC);
	l2tp_msg_put_u32(&m, AVP_BEARER_CAPABILITIES, BEARER_NONE);
	l2tp_msg_put_u16(&m, AVP_FIRMWARE_REVISION, FIRMWARE);
	l2tp_msg_put(&m, AVP_HOST_NAME, host);
	l2tp_msg_put(&m, AVP_VENDOR_NAME, slice_str(our_name));
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_TUNNEL_ID, t->tunnel);
	l2tp_msg_put_u16(
		&m, AVP_RECEIVE_WINDOW_SIZE, t->conf->window ? t->conf->window : DEFAULT_WINDOW);
	if (t->key.secret.n) {
		env_random(t->env, t->challenge, sizeof(t->challenge));
		l2tp_msg_put(&m, AVP_CHALLENGE, slice(t->challenge, sizeof(t->challenge)));
	}
	return say(t, &m, 0, PATIENCE_OVERTAKER);
}

int say_scccn(struct l2tp *t, const uint8_t *response)
{
	struct l2tp_msg m;

	l2tp_msg_init(&m, L2TP_SCCCN);
	if (response)
		l2tp_msg_put(&m, AVP_CHALLENGE_RESPONSE, slice(response, L2TP_RESPONSE));
	return say(t, &m, 0, PATIENCE_EXCHANGE);
}

int say_icrq(struct l2tp *t)
{
	struct l2tp_msg m;

	l2tp_msg_init(&m, L2TP_ICRQ);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_SESSION_ID, t->session);
	l2tp_msg_put_u32(&m, AVP_CALL_SERIAL_NUMBER, CALL_SERIAL);
	l2tp_msg_put_u32(&m, AVP_BEARER_TYPE, BEARER_NONE);
	return say(t, &m, 0, PATIENCE_EXCHANGE);
}

int say_iccn(struct l2tp *t)
{
	struct l2tp_msg m;

	l2tp_msg_init(&m, L2TP_ICCN);
	l2tp_msg_put_u32(&m, AVP_TX_CONNECT_SPEED, TX_SPEED);
	l2tp_msg_put_u32(&m, AVP_FRAMING_TYPE, FRAMING_SYNC);
	return say(t, &m, t->peer_session, PATIENCE_EXCHANGE);
}

int say_hello(struct l2tp *t)
{
	struct l2tp_msg m;

	l2tp_msg_init(&m, L2TP_HELLO);
	return say(t, &m, 0, PATIENCE_EXCHANGE);
}

void say_cdn(struct l2tp *t, uint16_t session, uint16_t peer, enum l2tp_cdn_result result,
	enum l2tp_error error, const char *text)
{
	struct l2tp_msg m;

	l2tp_msg_init(&m, L2TP_CDN);
	l2tp_msg_put_result(&m, (uint16_t)result, (uint16_t)error, text);
	l2tp_msg_put_u16(&m, AVP_ASSIGNED_SESSION_ID, session);
	(void)!say(t, &m, peer, PATIENCE_EXCHANGE);
}

static void make_stopccn(struct l2tp_msg *m, uint16_t tunnel, enum l2tp_stop_result result,
	uint16_t error, const char *text)
{
	l2tp_msg_init(m, L2TP_STOPCCN);
	l2tp_msg_put_u16(m, AVP_ASSIGNED_TUNNEL_ID, tunnel);
	l2tp_msg_put_result(m, (uint16_t)result, error, text);
}

void say_stopccn(struct l2tp *t, enum l2tp_stop_result result, uint16_t error, const char *text)
{
	struct l2tp_msg m;

	make_stopccn(&m, t->tunnel, result, error, text);
	(void)!say(t, &m, 0, PATIENCE_EXCHANGE);
}

uint16_t say_other_id(const struct l2tp *t, uint16_t ours)
{
	uint16_t id;

	do
		id = env_random_id16(t->env);
	while (id == ours);
	return id;
}

void say_no_tunnel(struct l2tp *t, uint16_t peer_tunnel, uint16_t nr, struct pktq *down)
{
	struct l2tp_msg m;

	make_stopccn(&m, say_other_id(t, t->tunnel), L2TP_STOP_NOT_AUTHORIZED, L2TP_ERROR_NONE, "");
	struct pkt *p = packet(t, &m, &(struct l2tp_head){.tunnel = peer_tunnel, .nr = nr});
	if (p)
		pktq_put(down, p);
}

/* L2TP control messages, with and without a tunnel secret; what was understood is built again, in
 * the clear and hidden. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "l2tp/l2tp_msg.h"

static const uint8_t vector[16] = "sixteen octets.";

/* What was understood, in a message of our own. */
static void build_again(const struct env *env, const struct l2tp_msg *m, const struct l2tp_head *h)
{
	uint8_t octets[4096];
	struct wr w = wr_of(octets, sizeof(octets));
	struct l2tp_head head;
	struct l2tp_msg ours, again;

	l2tp_msg_init(&ours, (enum l2tp_message)m->type);
	for (unsigned type = AVP_MESSAGE_TYPE + 1; type < AVP_TYPES; type++)
		if (l2tp_msg_has(m, (enum avp_type)type))
			l2tp_msg_put(&ours, (enum avp_type)type, m->avp[type]);
	l2tp_msg_build(&ours, h, &w);
	if (w.bad)
		return;
	struct pkt *p = pkt_of(env->pool, wr_slice(&w));
	fuzz_require(p);
	l2tp_head_stamp(p, 7, 8, 9);
	fuzz_require(l2tp_head_parse(pkt_slice(p), &head));
	fuzz_require(
		head.tunnel == 7 && head.ns == 8 && head.nr == 9 && head.session == h->session);
	fuzz_require(l2tp_msg_parse(&again, head.avps, NULL) == L2TP_PARSE_OK);
	fuzz_require(again.type == m->type && again.has == m->has);
	pkt_free(p);
}

/* The same with every AVP hidden that may be, and numbers and a result of our own in front. */
static void hide_again(const struct avp_key *key, const struct l2tp_msg *m)
{
	uint8_t octets[8192], number[2];
	struct wr w = wr_of(octets, sizeof(octets));
	struct l2tp_msg again;

	put_u16(number, m->type);
	avp_put(&w, AVP_MESSAGE_TYPE, slice(number, 2));
	avp_put(&w, AVP_RANDOM_VECTOR, slice(vector, sizeof(vector)));
	for (unsigned type = AVP_MESSAGE_TYPE + 1; type < AVP_TYPES; type++) {
		const struct avp_rule *rule = avp_rule(0, (uint16_t)type);

		if (!rule || !l2tp_msg_has(m, (enum avp_type)type) || type == AVP_RANDOM_VECTOR)
			continue;
		if (!rule->may_hide)
			avp_put(&w, (enum avp_type)type, m->avp[type]);
		else
			fuzz_require(avp_put_hidden(&w, key, slice(vector, sizeof(vector)),
				(enum avp_type)type, m->avp[type], slice(vector, m->type)));
	}
	if (w.bad)
		return;
	enum l2tp_parse verdict = l2tp_msg_parse(&again, wr_slice(&w), key);
	if (verdict != L2TP_PARSE_OK) /* what has to be hidden does not fit into the store */
		return;
	for (unsigned type = AVP_MESSAGE_TYPE + 1; type < AVP_TYPES; type++)
		if (l2tp_msg_has(&again, (enum avp_type)type))
			fuzz_require(type == AVP_RANDOM_VECTOR ||
				     slice_equal(again.avp[type], m->avp[type]));
}

static void say_no(const struct l2tp_msg *m, const struct l2tp_head *h)
{
	uint8_t octets[512];
	struct wr w = wr_of(octets, sizeof(octets));
	struct l2tp_msg ours, again;
	struct l2tp_head head;
	bool call = l2tp_message_is_call(m->type);

	l2tp_msg_init(&ours, call ? L2TP_CDN : L2TP_STOPCCN);
	l2tp_msg_put_result(&ours, L2TP_STOP_ERROR, (uint16_t)m->fault, m->fault ? m->text : "");
	l2tp_msg_put_u16(&ours, call ? AVP_ASSIGNED_SESSION_ID : AVP_ASSIGNED_TUNNEL_ID, 77);
	l2tp_msg_build(&ours, h, &w);
	fuzz_require(!w.bad && l2tp_head_parse(wr_slice(&w), &head));
	fuzz_require(l2tp_msg_parse(&again, head.avps, NULL) == L2TP_PARSE_OK);
	fuzz_require(l2tp_msg_u16(&again, AVP_RESULT_CODE) == L2TP_STOP_ERROR);
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct avp_key key = {.crypto = env->crypto, .secret = slice_str("tunnel-secret")};
	struct l2tp_head head;
	struct l2tp_msg m;
	char text[256];

	if (!l2tp_is_control(input) || !l2tp_head_parse(input, &head))
		return;
	if (l2tp_msg_parse(&m, head.avps, &key) == L2TP_PARSE_OK)
		hide_again(&key, &m);
	enum l2tp_parse verdict = l2tp_msg_parse(&m, head.avps, NULL);
	fuzz_require((verdict == L2TP_PARSE_BAD) == !l2tp_msg_begins(head.avps));
	if (verdict == L2TP_PARSE_BAD)
		return;
	fuzz_require((verdict == L2TP_PARSE_FAULT) == (m.fault != L2TP_ERROR_NONE));
	(void)l2tp_msg_result_text(&m, text, sizeof(text));
	(void)l2tp_message_name(m.type);
	say_no(&m, &head);
	if (verdict == L2TP_PARSE_OK)
		build_again(env, &m, &head);
}

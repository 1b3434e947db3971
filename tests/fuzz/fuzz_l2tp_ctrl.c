/* L2TP control messages, with and without a tunnel secret; what was understood is built again. */
#include "tests/fuzz/fuzz.h"

#include "l2tp/l2tp_msg.h"

/* What was understood, in a message of our own. */
static void build_again(const struct l2tp_msg *m, const struct l2tp_head *h)
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
	fuzz_require(l2tp_head_parse(wr_slice(&w), &head));
	fuzz_require(l2tp_msg_parse(&again, head.avps, NULL) == L2TP_PARSE_OK);
	fuzz_require(again.type == m->type && again.has == m->has);
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct avp_key key = {.crypto = env->crypto, .secret = slice_str("tunnel-secret")};
	struct l2tp_head head;
	struct l2tp_msg m;
	char text[256];

	if (!l2tp_is_control(input) || !l2tp_head_parse(input, &head))
		return;
	(void)l2tp_msg_parse(&m, head.avps, &key);
	enum l2tp_parse verdict = l2tp_msg_parse(&m, head.avps, NULL);
	fuzz_require((verdict == L2TP_PARSE_BAD) == !l2tp_msg_begins(head.avps));
	if (verdict == L2TP_PARSE_BAD)
		return;
	(void)l2tp_msg_result_text(&m, text, sizeof(text));
	(void)l2tp_message_name(m.type);
	if (verdict == L2TP_PARSE_OK)
		build_again(&m, &head);
}

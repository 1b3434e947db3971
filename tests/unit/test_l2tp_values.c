/* l2tp/: every length of every AVP, every flag, number and id that a server may send, at the machine
 * as it waits for SCCRP, for ICRP, and with the session up. Hidden AVPs with every inner length. */
#include "tests/unit/l2tp_line.h"
#include "tests/unit/values.h"

enum { MANDATORY = 0x8000, HIDDEN = 0x4000, KNOWN = 47, TYPES_TRIED = 64 };

/* RFC 2661, 4.4.1 to 4.4.6 and RFC 3145, read apart from l2tp_avp.c: octets of the value. */
/* clang-format off */
static const struct {
	bool known;
	uint16_t least, most;
} avps[KNOWN] = {
	[0] = {1, 2, 2}, [1] = {1, 2, 1017}, [2] = {1, 2, 2}, [3] = {1, 4, 4}, [4] = {1, 4, 4}, [5] = {1, 8, 8},
	[6] = {1, 2, 2}, [7] = {1, 1, 1017}, [8] = {1, 0, 1017}, [9] = {1, 2, 2}, [10] = {1, 2, 2},
	[11] = {1, 1, 1017}, [12] = {1, 3, 1017}, [13] = {1, 16, 16}, [14] = {1, 2, 2}, [15] = {1, 4, 4},
	[16] = {1, 4, 4}, [17] = {1, 4, 4}, [18] = {1, 4, 4}, [19] = {1, 4, 4}, [21] = {1, 0, 1017},
	[22] = {1, 0, 1017}, [23] = {1, 0, 1017}, [24] = {1, 4, 4}, [25] = {1, 4, 4}, [26] = {1, 0, 1017},
	[27] = {1, 0, 1017}, [28] = {1, 0, 1017}, [29] = {1, 2, 2}, [30] = {1, 0, 1017}, [31] = {1, 1, 1017},
	[32] = {1, 2, 2}, [33] = {1, 0, 1017}, [34] = {1, 26, 26}, [35] = {1, 10, 10}, [36] = {1, 1, 1017},
	[37] = {1, 0, 1017}, [38] = {1, 4, 4}, [39] = {1, 0, 0}, [46] = {1, 5, 1017},
};
/* clang-format on */

enum waiting { AWAITS_SCCRP, AWAITS_ICRP, IS_UP };

/* The client in one of its states, and a message that leads on from there. */
struct stage {
	struct line *x;
	enum waiting at;
};

static void stage_again(struct stage *s)
{
	struct line *x = s->x;

	pkt_free(x->last);
	x->last = NULL;
	pktq_free(&x->out.down);
	pktq_free(&x->out.up);
	l2tp_free(x->client);
	x->client = l2tp_new(&x->conf, x->env);
	assert_non_null(x->client);
	x->ns = x->nr = 0;
	look(x);
	if (s->at == AWAITS_SCCRP)
		begin(x);
	else if (s->at == AWAITS_ICRP)
		up_to_calling(x);
	else
		up(x);
}

static struct stage stage_new(enum waiting at)
{
	struct stage s = {.x = line_new(""), .at = at};

	stage_again(&s);
	return s;
}

static void stage_free(struct stage *s)
{
	line_free(s->x);
}

static void put_avp(struct wr *w, unsigned flags_and_length, uint16_t vendor, uint16_t type)
{
	wr_u16(w, (uint16_t)flags_and_length);
	wr_u16(w, vendor);
	wr_u16(w, type);
}

/* Message Type, and what the message must have. */
static void put_sound_message(const struct stage *s, struct wr *w)
{
	static const uint8_t types[] = {
		[AWAITS_SCCRP] = 2, [AWAITS_ICRP] = 11, [IS_UP] = 6 /* Hello */};

	put_avp(w, MANDATORY | 8, 0, 0);
	wr_u16(w, types[s->at]);
	if (s->at == AWAITS_SCCRP) {
		put_avp(w, MANDATORY | 8, 0, 2); /* protocol version */
		wr_u16(w, 0x0100);
		put_avp(w, MANDATORY | 10, 0, 3); /* framing capabilities */
		wr_u32(w, 3);
		put_avp(w, MANDATORY | 7, 0, 7); /* host name */
		wr_u8(w, 'n');
		put_avp(w, MANDATORY | 8, 0, 9); /* tunnel id */
		wr_u16(w, LNS_TUNNEL);
	} else if (s->at == AWAITS_ICRP) {
		put_avp(w, MANDATORY | 8, 0, 14); /* session id */
		wr_u16(w, LNS_SESSION);
	}
}

enum outcome { LIVES, ENDED };

/* Give these AVPs as the server's next message: did the client go on with it, or end the tunnel? It
 * does one of the two, in one packet or more, and is as good as new afterwards. */
static enum outcome give_avps(struct stage *s, struct slice octets)
{
	struct line *x = s->x;
	struct l2tp_event ev;
	enum outcome outcome = LIVES;
	bool was_up = x->status.up;

	give_raw_avps(x, s->at == AWAITS_ICRP ? x->status.session : 0, octets);
	while (l2tp_next_event(x->client, &ev))
		outcome |= ev.kind == L2TP_EV_FAILED ? ENDED : LIVES;
	assert_int_not_equal(x->out.down.count, 0);
	pktq_free(&x->out.down);
	assert_int_equal(x->status.up, outcome == LIVES && s->at != AWAITS_SCCRP);
	if (outcome == ENDED || !was_up)
		stage_again(s);
	return outcome;
}

/* ---- AVP lengths and types ---- */

/* What an AVP behind a sound message does to it. `room`: octets from its head to the end. */
static bool avp_is_harmless(
	const struct stage *s, unsigned flags, uint16_t type, unsigned length, size_t room)
{
	bool known = type < KNOWN && avps[type].known;

	if (length < 6 || length > room)
		return false;
	if (room > length && room - length < 6)
		return false; /* octets that are no AVP follow */
	bool fits = known && !(flags & HIDDEN) && length - 6 >= avps[type].least &&
		    length - 6 <= avps[type].most;
	if (!fits)
		return !(flags & MANDATORY);        /* as good as absent; RFC 2661, 4.1 and 7.1 */
	return s->at != AWAITS_SCCRP || type != 11; /* a challenge, and no secret to answer it */
}

/* All lengths of the AVP, all types that have a name and some that have none, M and H. */
static void every_length_of_every_avp(enum waiting at, const char *what)
{
	struct tally t = {.what = what};
	struct stage s = stage_new(at);

	for (unsigned flags = 0; flags <= (MANDATORY | HIDDEN); flags += HIDDEN)
		for (unsigned type = 0; type < TYPES_TRIED; type++)
			for (unsigned length = 0; length <= 1023; length++) {
				uint8_t octets[1200];
				struct wr w = wr_of(octets, sizeof(octets));

				put_sound_message(&s, &w);
				put_avp(&w, flags | length, 0, (uint16_t)type);
				wr_zero(&w, length > 6 ? length - 6 : 0);
				bool lives = give_avps(&s, wr_slice(&w)) == LIVES;
				bool may = avp_is_harmless(
					&s, flags, (uint16_t)type, length, length > 6 ? length : 6);
				judge(&t, lives, may, "type and length", type * 10000 + length);
			}
	stage_free(&s);
	/* Without M, hidden or not, 64 types with lengths 6 to 1023. With M what fits: 23 types have one
	 * length, 17 all but 14 of 1018 each. In SCCRP a challenge never does. */
	figure(&t, 2 * 64 * 1018 + 23 + 17 * 1018 - 14 - (at == AWAITS_SCCRP ? 2 * 1017 : 0));
}

static void every_length_of_every_avp_in_sccrp(void **state)
{
	(void)state;
	every_length_of_every_avp(AWAITS_SCCRP, "AVP types x lengths x M, H in SCCRP");
}

static void every_length_of_every_avp_in_icrp(void **state)
{
	(void)state;
	every_length_of_every_avp(AWAITS_ICRP, "AVP types x lengths x M, H in ICRP");
}

static void every_length_of_every_avp_in_hello(void **state)
{
	(void)state;
	every_length_of_every_avp(IS_UP, "AVP types x lengths x M, H in Hello");
}

/* A length that says more than the message has, or leaves octets that are no AVP. */
static void every_length_of_an_avp_that_is_cut(void **state)
{
	struct tally t = {.what = "AVP lengths against octets that are there"};
	struct stage s = stage_new(IS_UP);

	(void)state;
	for (unsigned there = 6; there < 30; there++)
		for (unsigned length = 0; length <= 1023; length++) {
			uint8_t octets[100];
			struct wr w = wr_of(octets, sizeof(octets));

			put_sound_message(&s, &w);
			put_avp(&w, length, 0, 8); /* vendor name: of any length */
			for (unsigned i = 6; i < there;
				i++) /* what is left over is an AVP of 0 octets */
				wr_u8(&w, 0);
			judge(&t, give_avps(&s, wr_slice(&w)) == LIVES, length == there, "length",
				length);
		}
	figure(&t, 24);
	stage_free(&s);
}

/* All 65536 types, and all vendors of a type that we know: unknown is ignored, or with M the end. */
static void every_type_and_every_vendor(void **state)
{
	struct tally t = {.what = "AVP types and vendors, with M and without"};
	struct stage s = stage_new(IS_UP);

	(void)state;
	for (unsigned mandatory = 0; mandatory <= MANDATORY; mandatory += MANDATORY)
		for (unsigned number = 0; number <= UINT16_MAX; number++)
			for (unsigned of_vendor = 0; of_vendor < 2; of_vendor++) {
				uint8_t octets[100];
				struct wr w = wr_of(octets, sizeof(octets));
				uint16_t type = of_vendor ? 9 : (uint16_t)number;
				bool ours = !of_vendor || !number;

				put_sound_message(&s, &w);
				put_avp(&w, mandatory | 8, (uint16_t)(of_vendor ? number : 0),
					type);
				wr_u16(&w, 1);
				bool lives = give_avps(&s, wr_slice(&w)) == LIVES;
				bool fits = ours && type < KNOWN && avps[type].known &&
					    avps[type].least <= 2 && avps[type].most >= 2;
				judge(&t, lives, !mandatory || fits, "number", number);
			}
	figure(&t, 2 * 65536 + 23 + 1); /* 23 attributes take 2 octets */
	stage_free(&s);
}

/* ---- the first AVP ---- */

/* Its six flags in all 64 combinations: without reserved bits and in the clear it may be, or the
 * message counts as none, for the tunnel and outside of it. The one without M and with a reserved
 * bit, and an AVP of 6 octets behind it, makes 26 octets. */
static void the_first_avp_has_no_flag_but_m(void **state)
{
	struct tally t = {.what = "flags of the first AVP"};
	struct stage s = stage_new(IS_UP);
	struct line *x = s.x;

	(void)state;
	for (unsigned flags = 0; flags < 64; flags++)
		for (unsigned outside = 0; outside < 2; outside++) {
			uint8_t octets[26];
			struct wr w = wr_of(octets, sizeof(octets));
			struct l2tp_head h = {outside ? 0 : x->status.tunnel, 0, x->ns, x->nr, {0}};
			uint64_t bad = x->status.bad;
			bool may = !(flags & 0x1f); /* M is the top of the six */

			l2tp_head_put(&w, &h, 14);
			put_avp(&w, flags << 10 | 8, 0, 0);
			wr_u16(&w, outside ? 1 : 6); /* SCCRQ, Hello */
			put_avp(&w, 6, 0, 8);
			give(x, wr_slice(&w));
			assert_true(x->status.up);
			if (outside) { /* a tunnel of the server's: it names none to be refused */
				judge(&t, x->status.bad == bad, may, "flags outside", flags);
				expect_nothing(x);
			} else {
				judge(&t, x->status.bad == bad, may, "flags", flags);
				assert_int_equal(x->out.down.count, may);
				x->ns += may;
				pktq_free(&x->out.down);
			}
		}
	figure(&t, 2 * 2);
	stage_free(&s);
}

/* Any type but 0, vendor but 0, or length but 8: no message, and nothing is acknowledged. */
static void the_first_avp_is_the_message_type(void **state)
{
	struct tally t = {.what = "type, vendor and length of the first AVP"};
	struct stage s = stage_new(IS_UP);
	struct line *x = s.x;

	(void)state;
	for (unsigned field = 0; field < 3; field++)
		for (unsigned value = 0; value <= (field < 2 ? UINT16_MAX : 1023); value++) {
			uint8_t octets[1100];
			struct wr w = wr_of(octets, sizeof(octets));
			unsigned length = field == 2 ? value : 8;

			put_avp(&w, MANDATORY | length, (uint16_t)(field == 1 ? value : 0),
				(uint16_t)(field == 0 ? value : 0));
			wr_u16(&w, 6);
			wr_zero(&w, length > 8 ? length - 8 : 0);
			uint16_t ns = x->ns;
			give_raw_avps(x, 0, wr_slice(&w));
			bool taken = x->out.down.count;
			bool may = value == (field == 2 ? 8 : 0);
			judge(&t, taken, may, "value", value);
			pktq_free(&x->out.down);
			x->ns = (uint16_t)(ns + taken);
			assert_true(x->status.up);
		}
	figure(&t, 3);
	stage_free(&s);
}

/* All 65536 message types without an AVP, while SCCRP must come: one that is unknown is ignored, or
 * with M the end; so is one out of turn or lacking what it must have. */
static void every_message_type(void **state)
{
	static const uint8_t ending[] = {1, 2, 3, 4, 14};
	static const uint8_t others[] = {6, 7, 8, 9, 10, 11, 12, 15, 16};
	struct tally t = {.what = "message types, with M and without"};
	struct stage s = stage_new(AWAITS_SCCRP);

	(void)state;
	for (unsigned mandatory = 0; mandatory <= MANDATORY; mandatory += MANDATORY)
		for (unsigned type = 0; type <= UINT16_MAX; type++) {
			uint8_t octets[8];
			struct wr w = wr_of(octets, sizeof(octets));
			bool may = !mandatory;

			put_avp(&w, mandatory | 8, 0, 0);
			wr_u16(&w, (uint16_t)type);
			for (size_t i = 0; i < sizeof(others); i++)
				may |= others[i] == type;
			for (size_t i = 0; i < sizeof(ending); i++)
				may &= ending[i] != type;
			judge(&t, give_avps(&s, wr_slice(&w)) == LIVES, may, "type", type);
			assert_false(s.x->status.up);
		}
	figure(&t, 65536 - 5 + 9);
	stage_free(&s);
}

/* ---- values ---- */

/* Ids that are 0 are none; a protocol version that is not 1.x is not ours. */
static void assigned_ids_and_version_have_every_value(void **state)
{
	struct tally t = {.what = "tunnel ids, session ids and protocol versions of the server"};
	struct stage sccrp = stage_new(AWAITS_SCCRP), icrp = stage_new(AWAITS_ICRP);

	(void)state;
	for (unsigned value = 0; value <= UINT16_MAX; value++) {
		uint8_t octets[100];
		struct wr w = wr_of(octets, sizeof(octets));

		put_sound_message(&sccrp, &w);
		put_u16(octets + 14, (uint16_t)value);
		judge(&t, give_avps(&sccrp, wr_slice(&w)) == LIVES, value >> 8 == 1, "version",
			value);
		if (value % 16 && value > 512 && value < 65000)
			continue;
		put_u16(octets + 14, 0x0100);
		put_u16(octets + wr_len(&w) - 2, (uint16_t)value);
		judge(&t, give_avps(&sccrp, wr_slice(&w)) == LIVES, value, "tunnel id", value);
		w = wr_of(octets, sizeof(octets));
		put_sound_message(&icrp, &w);
		put_u16(octets + wr_len(&w) - 2, (uint16_t)value);
		judge(&t, give_avps(&icrp, wr_slice(&w)) == LIVES, value, "session id", value);
	}
	figure(&t, 256 + (t.tried - 65536) - 2);
	stage_free(&sccrp);
	stage_free(&icrp);
}

/* ---- control header ---- */

/* A Hello with this header field; was it taken (and acknowledged)? */
static bool hello_is_taken(struct stage *s, const uint8_t *octets, size_t n)
{
	struct line *x = s->x;

	give(x, slice(octets, n));
	assert_true(x->status.up);
	assert_int_equal(x->out.up.count, 0);
	bool taken = x->out.down.count;
	x->ns = (uint16_t)(x->ns + taken);
	pktq_free(&x->out.down);
	return taken;
}

static size_t sound_hello(const struct stage *s, uint8_t *octets, size_t room)
{
	struct wr w = wr_of(octets, room);
	struct l2tp_head h = {s->x->status.tunnel, 0, s->x->ns, s->x->nr, {0}};

	l2tp_head_put(&w, &h, 8);
	put_sound_message(s, &w);
	return wr_len(&w);
}

/* T, L and S set, O and P not, version 2; the other bits mean nothing. RFC 2661, 3.1. */
static void every_flag_and_length_of_the_control_header(void **state)
{
	struct tally t = {.what = "flags and lengths of the control header"};
	struct stage s = stage_new(IS_UP);

	(void)state;
	for (unsigned value = 0; value <= UINT16_MAX; value++) {
		uint8_t octets[60] = {0};
		size_t n = sound_hello(&s, octets, sizeof(octets));

		put_u16(octets, (uint16_t)value);
		judge(&t, hello_is_taken(&s, octets, n), (value & 0xcb0f) == 0xc802, "flags",
			value);
		n = sound_hello(&s, octets, sizeof(octets));
		put_u16(octets + 2, (uint16_t)value);
		judge(&t, hello_is_taken(&s, octets, n), value == n, "length", value);
	}
	for (size_t more = 0; more < 40;
		more++) { /* what follows the length's end is not looked at */
		uint8_t octets[60] = {0};
		size_t n = sound_hello(&s, octets, sizeof(octets));

		judge(&t, hello_is_taken(&s, octets, n + more), true, "octets more", more);
		for (size_t less = 1; more == 0 && less <= n; less++)
			judge(&t, hello_is_taken(&s, octets, n - less), false, "octets less", less);
	}
	figure(&t, 128 + 1 + 40);
	stage_free(&s);
}

/* Any tunnel but ours is not ours, whatever the session: a Hello has none. */
static void every_tunnel_and_session_id_of_the_control_header(void **state)
{
	struct tally t = {.what = "ids of the control header"};
	struct stage up = stage_new(IS_UP), icrp = stage_new(AWAITS_ICRP);

	(void)state;
	for (unsigned id = 0; id <= UINT16_MAX; id++) {
		uint8_t octets[60];
		size_t n = sound_hello(&up, octets, sizeof(octets));

		put_u16(octets + 4, (uint16_t)id);
		judge(&t, hello_is_taken(&up, octets, n), id == up.x->status.tunnel, "tunnel", id);
	}
	/* ours last: it is the end of waiting */
	for (unsigned more = 1; more <= UINT16_MAX + 1; more++) {
		uint8_t octets[60];
		struct wr w = wr_of(octets, sizeof(octets));
		uint16_t id = (uint16_t)(icrp.x->status.session + more);

		put_sound_message(&icrp, &w);
		give_raw_avps(icrp.x, id, wr_slice(&w));
		judge(&t, icrp.x->status.up, more > UINT16_MAX, "session", id);
		pktq_free(&icrp.x->out.down);
	}
	figure(&t, 2);
	stage_free(&up);
	stage_free(&icrp);
}

/* Ns: the one whose turn it is counts, the next 15 are kept, all are acknowledged. Nr: what has gone
 * out and less; beyond that the message is none. */
static void every_ns_and_nr(void **state)
{
	struct tally t = {.what = "Ns and Nr"};
	struct stage s = stage_new(IS_UP);
	struct line *x = s.x;

	(void)state;
	for (unsigned ahead = 0; ahead <= UINT16_MAX; ahead++) {
		uint8_t octets[60];
		size_t n = sound_hello(&s, octets, sizeof(octets));

		put_u16(octets + 8, (uint16_t)(x->ns + ahead));
		give(x, slice(octets, n));
		x->ns = (uint16_t)(x->ns + (ahead == 0));
		judge(&t, x->out.down.count == 1, true, "Ns ahead", ahead);
		expect_zlb(x); /* whose Nr is the next Ns: nothing but that counted */
		if (ahead > 0 && ahead < 16)
			stage_again(&s);

		n = sound_hello(&s, octets, sizeof(octets));
		put_u16(octets + 10, (uint16_t)(x->nr + ahead));
		judge(&t, hello_is_taken(&s, octets, n), ahead == 0 || ahead > 0x8000, "Nr ahead",
			ahead);
	}
	figure(&t, 65536 + 32768);
	stage_free(&s);
}

/* ---- data header ---- */

/* Whatever is legal in front of a frame comes off; anything else is no frame. */
static void every_flag_of_the_data_header(void **state)
{
	struct tally t = {.what = "flags of the data header"};
	struct stage s = stage_new(IS_UP);
	struct line *x = s.x;

	(void)state;
	for (unsigned flags = 0, ns = 0; flags <= UINT16_MAX; flags++) {
		uint8_t octets[60];
		struct wr w = wr_of(octets, sizeof(octets));
		size_t length = 0;

		wr_u16(&w, (uint16_t)flags);
		if (flags & L2TP_L)
			length = wr_open16(&w);
		wr_u16(&w, x->status.tunnel);
		wr_u16(&w, x->status.session);
		if (flags & L2TP_S)
			wr_u32(&w, ns++ << 16);
		if (flags & L2TP_O) {
			wr_u16(&w, 3);
			wr_zero(&w, 3);
		}
		wr_put(&w, slice("\xff\x03\xc0\x21", 4));
		if (flags & L2TP_L)
			wr_close16(&w, length, 0);
		give(x, wr_slice(&w));
		judge(&t, x->out.up.count == 1, !(flags & L2TP_T) && (flags & 15) == 2, "flags",
			flags);
		if (x->out.up.count)
			assert_up_frames(x, 1);
		assert_true(x->status.up);
		expect_nothing(x);
	}
	figure(&t, 2048);
	stage_free(&s);
}

/* ---- hidden AVPs ---- */

/* Every inner length of a hidden AVP with 0, 1, 2, 13 and 14 octets of room: what is there may be said, padding
 * may follow, more may not. */
static void every_inner_length_of_a_hidden_avp(void **state)
{
	struct tally t = {.what = "inner lengths of hidden AVPs"};
	struct env *env = test_env_new(5);
	const struct avp_key key = {env->crypto, slice_str("tunnel secret")};
	const struct slice vector = slice_str("random vector");
	unsigned long must = 0;

	(void)state;
	for (size_t room = 0; room <= 14; room += room == 2 ? 11 : 1) { /* under the first pad */
		uint8_t octets[100];
		struct wr w = wr_of(octets, sizeof(octets));

		put_avp(&w, MANDATORY | 8, 0, 0);
		wr_u16(&w, 6);
		avp_put(&w, AVP_RANDOM_VECTOR, vector);
		size_t at = wr_len(&w) + AVP_HEAD;
		assert_true(avp_put_hidden(&w, &key, vector, AVP_CALLED_NUMBER,
			slice("0123456789abcdef", room), slice(NULL, 0)));
		for (unsigned inner = 0; inner <= UINT16_MAX; inner++) {
			struct l2tp_msg m;
			uint16_t change = (uint16_t)(inner ^ room);

			put_u16(octets + at, get_u16(octets + at) ^ change);
			enum l2tp_parse verdict = l2tp_msg_parse(&m, wr_slice(&w), &key);
			judge(&t, verdict == L2TP_PARSE_OK, inner <= room, "inner length", inner);
			put_u16(octets + at, get_u16(octets + at) ^ change);
		}
		must += room + 1;
	}
	figure(&t, must);
	test_env_free(env);
}

/* Hidden octets of every length, none of which anybody hid; with a secret and without. Only the
 * length that comes out of the pad counts: a few are right by chance, those are counted apart. */
static void hidden_octets_that_nobody_hid(void **state)
{
	struct tally without = {.what = "hidden AVPs of 0 to 1017 octets without a secret"};
	struct tally with = {.what = "random hidden AVPs of 0 to 1017 octets"};
	struct env *env = test_env_new(5);
	const struct avp_key key = {env->crypto, slice_str("tunnel secret")};
	const struct avp_key empty = {env->crypto, slice_str("")};
	unsigned long must = 0;

	(void)state;
	for (size_t n = 0; n <= AVP_VALUE_MAX; n++)
		for (unsigned again = 0; again < 50; again++) {
			uint8_t octets[1200], value[AVP_VALUE_MAX], plain[AVP_VALUE_MAX];
			struct avp a = {.type = AVP_CALLED_NUMBER, .value = slice(value, n)};
			struct wr w = wr_of(octets, sizeof(octets));
			struct l2tp_msg m;
			struct slice out;

			env_random(env, value, sizeof(value));
			put_avp(&w, MANDATORY | 8, 0, 0);
			wr_u16(&w, 6);
			avp_put(&w, AVP_RANDOM_VECTOR, slice("v", 1));
			put_avp(&w, (unsigned)(MANDATORY | HIDDEN | (n + 6)), 0, a.type);
			wr_put(&w, a.value);
			bool may = avp_unhide(&key, slice("v", 1), &a, plain, &out) && n >= 2 &&
				   get_u16(plain) <= n - 2;
			must += may;
			judge(&with, l2tp_msg_parse(&m, wr_slice(&w), &key) == L2TP_PARSE_OK, may,
				"octets", n);
			judge(&without, l2tp_msg_parse(&m, wr_slice(&w), NULL) == L2TP_PARSE_OK,
				false, "octets", n);
			judge(&without, l2tp_msg_parse(&m, wr_slice(&w), &empty) == L2TP_PARSE_OK,
				false, "octets", n);
		}
	assert_in_range(must, 100, 1500); /* n / 65536 of them */
	figure(&with, must);
	figure(&without, 0);
	test_env_free(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_of_every_avp_in_sccrp),
		cmocka_unit_test(every_length_of_every_avp_in_icrp),
		cmocka_unit_test(every_length_of_every_avp_in_hello),
		cmocka_unit_test(every_length_of_an_avp_that_is_cut),
		cmocka_unit_test(every_type_and_every_vendor),
		cmocka_unit_test(the_first_avp_has_no_flag_but_m),
		cmocka_unit_test(the_first_avp_is_the_message_type),
		cmocka_unit_test(every_message_type),
		cmocka_unit_test(assigned_ids_and_version_have_every_value),
		cmocka_unit_test(every_flag_and_length_of_the_control_header),
		cmocka_unit_test(every_tunnel_and_session_id_of_the_control_header),
		cmocka_unit_test(every_ns_and_nr),
		cmocka_unit_test(every_flag_of_the_data_header),
		cmocka_unit_test(every_inner_length_of_a_hidden_avp),
		cmocka_unit_test(hidden_octets_that_nobody_hid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

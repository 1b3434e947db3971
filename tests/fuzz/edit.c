#include "tests/fuzz/tamper.h"

#include <string.h>

enum { EDITS_MAX = 16, ROOM = 2048 };

size_t tamper_edit(struct slice edits, uint8_t *octets, size_t n, size_t room)
{
	struct rd r = rd_of(edits);

	for (int i = 0; i < EDITS_MAX && rd_left(&r) >= 4 && n; i++) {
		unsigned what = rd_u8(&r);
		size_t at = rd_u16(&r) % n;
		uint8_t octet = rd_u8(&r);

		switch (what % 5) {
		case 0:
			octets[at] = octet;
			break;
		case 1:
			octets[at] ^= octet;
			break;
		case 2:
			n = at;
			break;
		case 3:
			memmove(octets + at, octets + at + 1, n - at - 1);
			n--;
			break;
		case 4:
			if (n == room)
				break;
			memmove(octets + at + 1, octets + at, n - at);
			octets[at] = octet;
			n++;
			break;
		}
	}
	return n;
}

size_t tamper_change(const struct tamper *t, uint8_t *octets, size_t n, size_t room)
{
	if (t->how == TAMPER_EDIT)
		return tamper_edit(t->octets, octets, n, room);
	n = t->octets.n < room ? t->octets.n : room;
	if (n)
		memcpy(octets, t->octets.p, n);
	return n;
}

struct pkt *tamper_pkt(const struct env *env, const struct tamper *t, struct pkt *p)
{
	uint8_t octets[ROOM];

	if (t->how == TAMPER_NOTHING || p->len > sizeof(octets))
		return p;
	memcpy(octets, p->data, p->len);
	struct pkt *other =
		pkt_of(env->pool, slice(octets, tamper_change(t, octets, p->len, sizeof(octets))));
	fuzz_require(other);
	other->lane = p->lane;
	pkt_free(p);
	return other;
}

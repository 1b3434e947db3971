#include "daemon/session_priv.h"

#include <stdio.h>
#include <string.h>

#include "daemon/holder.h"

/* Ports of ours that somebody else has: it stops nothing, but people want to know who. */

const uint16_t lane_ports[LANES] = {[LANE_IKE] = 500, [LANE_NATT] = 4500, [LANE_L2TP] = L2TP_PORT};

struct holders {
	struct holder at[HOLDERS_MAX];
	size_t n;
};

static void look(void *ctx, void *answer)
{
	const struct session *s = ctx;
	struct holders *found = answer;
	const struct holder_own none = {0}; /* a socket of ours would have shared its port */

	for (int lane = 0; lane < LANES; lane++)
		if (s->outer[lane].taken)
			found->at[found->n++].port = lane_ports[lane];
	holder_find("/proc", &none, found->at, found->n);
}

/* "UDP 500 is held by charon (pid 1234), we use 41234; ..."; by whom is not known at first. */
static void explain(struct session *s, const struct holders *found)
{
	char who[HOLDER_TEXT] = "";
	size_t at = 0, n = 0;

	*s->ports_note = 0;
	for (int lane = 0; lane < LANES && at < sizeof(s->ports_note); lane++) {
		const struct outer *outer = &s->outer[lane];

		if (!outer->taken)
			continue;
		if (found)
			holder_text(&found->at[n++], who);
		at += (size_t)snprintf(s->ports_note + at, sizeof(s->ports_note) - at,
			"%sUDP %u is held%s%s, we use %u", at ? "; " : "", lane_ports[lane],
			*who ? " by " : "", who, udp_local(outer->udp).port);
	}
}

static void on_found(void *ctx, const void *answer)
{
	struct session *s = ctx;

	if (answer) {
		explain(s, answer);
		log_info(&s->log, "udp", "%s", s->ports_note);
	}
	aside_free(s->looking);
	s->looking = NULL;
}

void ports_explain(struct session *s)
{
	ports_forget(s);
	explain(s, NULL);
	if (*s->ports_note)
		s->looking = aside_new(s->host->loop, sizeof(struct holders), look, on_found, s);
}

void ports_forget(struct session *s)
{
	aside_free(s->looking);
	s->looking = NULL;
	*s->ports_note = 0;
}

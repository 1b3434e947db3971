#include "daemon/vpnd_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "daemon/aside.h"
#include "daemon/holder.h"

/* What this host can do for any connection, tried anew. The two halves, kernel and ports, are found
 * out at the same time. */

enum { PARTS = 4, PORTS = 2 };

static const uint16_t test_ports[PORTS] = {500, 4500};

static const struct {
	const char *name;
	enum plane_kind kind;
} devices[] = {
	{"L2TP by the kernel", PLANE_L2TP}, {"/dev/ppp", PLANE_PPP}, {"/dev/net/tun", PLANE_TUN}};

struct holders {
	struct holder at[PORTS];
};

struct host_test {
	struct host_test *next;
	struct vpnd *vpnd;
	control_call call;
	struct ike_proposals suites; /* all that vpnd may offer */
	struct plane_ask *ask;
	struct aside *looking;
	struct holder_own own;
	struct holders holders;
};

static void forget(struct host_test *t)
{
	struct host_test **at = &t->vpnd->tests;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	plane_ask_free(t->ask);
	aside_free(t->looking);
	free(t);
}

/* ---- the answer ---- */

/* The plane of a connection with nothing about it in its file, and why it is not more of the kernel's. */
static const char *plane_of(const struct planes *p, char why[static PLANE_WHY])
{
	struct ike_proposals usual;
	char no_tun[PLANE_WHY];
	bool esp, session, tun;

	*why = 0;
	if (!plane_permitted()) {
		snprintf(why, PLANE_WHY, "no CAP_NET_ADMIN");
		return NULL;
	}
	ike_proposals_tier("modern", &usual);
	tun = plane_has(p, &(struct plane_need){.kind = PLANE_TUN}, no_tun);
	esp = plane_probe(p, &usual, why);
	session = esp && plane_session(p, why);
	if (session || tun)
		return session ? "kernel" : esp ? "mixed" : "user";
	snprintf(why, PLANE_WHY, "%s", no_tun);
	return NULL;
}

static void answer(struct host_test *t)
{
	const struct planes *p = t->vpnd->planes;
	char suite[ESP_SUITES_MAX][SUITE_TEXT], why_suite[ESP_SUITES_MAX][PLANE_WHY];
	char why_part[PARTS][PLANE_WHY], who[PORTS][HOLDER_TEXT], note[PLANE_WHY];
	struct control_ability suites[ESP_SUITES_MAX], parts[PARTS];
	struct control_port ports[PORTS];
	struct utsname u = {0};

	for (size_t i = 0; i < t->suites.n_esp; i++) {
		struct plane_need need = {PLANE_ESP, t->suites.esp[i]};
		bool ok = plane_has(p, &need, why_suite[i]);

		suites[i] = (struct control_ability){
			esp_suite_text(&need.suite, suite[i]), ok ? NULL : why_suite[i]};
	}
	parts[0] = (struct control_ability){
		"CAP_NET_ADMIN", plane_permitted() ? NULL : "vpnd may not configure the network"};
	for (size_t i = 0; i < PARTS - 1; i++) {
		struct plane_need need = {.kind = devices[i].kind};
		bool ok = plane_has(p, &need, why_part[i]);

		parts[i + 1] = (struct control_ability){devices[i].name, ok ? NULL : why_part[i]};
	}
	for (size_t i = 0; i < PORTS; i++) {
		const char *text = holder_text(&t->holders.at[i], who[i]);

		ports[i] = (struct control_port){test_ports[i], *text ? text : NULL};
	}
	uname(&u);
	const char *plane = plane_of(p, note);
	control_test(t->vpnd->control, t->call,
		&(struct control_test){.kernel = u.release,
			.plane = plane,
			.note = *note ? note : NULL,
			.suites = suites,
			.n_suites = t->suites.n_esp,
			.parts = parts,
			.n_parts = PARTS,
			.ports = ports,
			.n_ports = PORTS});
}

/* ---- the question ---- */

static void go_on(struct host_test *t)
{
	if (t->ask || t->looking)
		return;
	answer(t);
	forget(t);
}

static void on_asked(void *ctx)
{
	struct host_test *t = ctx;

	plane_ask_free(t->ask);
	t->ask = NULL;
	go_on(t);
}

static void look(void *ctx, void *found)
{
	const struct host_test *t = ctx;
	struct holders *holders = found;

	for (size_t i = 0; i < PORTS; i++)
		holders->at[i].port = test_ports[i];
	holder_find("/proc", &t->own, holders->at, PORTS);
}

static void on_found(void *ctx, const void *found)
{
	struct host_test *t = ctx;

	if (found)
		t->holders = *(const struct holders *)found;
	aside_free(t->looking);
	t->looking = NULL;
	go_on(t);
}

void vpnd_test(struct vpnd *d, control_call call)
{
	struct host_test *t = calloc(1, sizeof(*t));

	if (!t) {
		control_refuse(d->control, call, CONTROL_NO_MEMORY, NULL, NULL);
		return;
	}
	*t = (struct host_test){.next = d->tests, .vpnd = d, .call = call};
	d->tests = t;
	ike_proposals_tier("legacy", &t->suites);
	holder_find_own("/proc", &t->own);
	t->looking = aside_new(d->loop, sizeof(struct holders), look, on_found, t);
	t->ask = planes_ask(d->planes, &t->suites, true, on_asked, t);
	go_on(t);
}

void vpnd_end_tests(struct vpnd *d)
{
	while (d->tests)
		forget(d->tests);
}

#include "daemon/plane.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_pppox.h>
#include <linux/netlink.h>

#include "daemon/aside.h"
#include "esp/xfrm.h"

struct planes {
	struct planes_conf conf;
	struct abilities *known;
	struct xfrm_host xfrm;
};

struct needs {
	struct plane_need at[PLANE_NEEDS_MAX];
	size_t n;
};

struct plane_ask {
	struct planes *planes;
	struct needs needs;
	struct aside *aside;
	loop_fn *done;
	void *ctx;
};

/* A child's answer: why not, for each need. */
struct findings {
	char why[PLANE_NEEDS_MAX][ABILITY_WHY];
};

const char *plane_need_text(const struct plane_need *need, char to[static ABILITY_NAME])
{
	static const char *const words[] = {
		[PLANE_L2TP] = "l2tp", [PLANE_PPP] = "ppp", [PLANE_TUN] = "tun"};
	char suite[SUITE_TEXT];

	if (need->kind == PLANE_ESP)
		snprintf(to, ABILITY_NAME, "esp %s", esp_suite_text(&need->suite, suite));
	else
		snprintf(to, ABILITY_NAME, "%s", words[need->kind]);
	return to;
}

/* ---- trying ---- */

static int closed(int fd)
{
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int try_this_kernel(const struct env *env, const struct plane_need *need)
{
	switch (need->kind) {
	case PLANE_ESP:
		return xfrm_probe(env, &need->suite);
	case PLANE_L2TP:
		return closed(socket(AF_PPPOX, SOCK_DGRAM | SOCK_CLOEXEC, PX_PROTO_OL2TP));
	case PLANE_PPP:
		return closed(open("/dev/ppp", O_RDWR | O_NONBLOCK | O_CLOEXEC));
	case PLANE_TUN:
		return closed(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
	}
	return -EINVAL;
}

/* ---- why not ---- */

bool plane_permitted(void)
{
	capng_get_caps_process();
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}

/* The module without which the kernel answers like this; NULL: another cause. */
static const char *missing_module(const struct plane_need *need, int err)
{
	switch (need->kind) {
	case PLANE_ESP:
		if (err != EPROTONOSUPPORT && err != EAFNOSUPPORT)
			return NULL;
		return closed(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM)) == 0
			       ? "esp4"
			       : "xfrm_user";
	case PLANE_L2TP:
		return err == EPROTONOSUPPORT || err == ESOCKTNOSUPPORT ? "l2tp_ppp"
		       : err == EAFNOSUPPORT                            ? "pppox"
									: NULL;
	case PLANE_PPP:
		return err == ENOENT || err == ENODEV || err == ENXIO ? "ppp_generic" : NULL;
	case PLANE_TUN:
		return err == ENOENT || err == ENODEV || err == ENXIO ? "tun" : NULL;
	}
	return NULL;
}

const char *plane_why(
	const struct kmod *kmod, const struct plane_need *need, int rc, char to[static ABILITY_WHY])
{
	static const char *const devices[] = {
		[PLANE_PPP] = "/dev/ppp", [PLANE_TUN] = "/dev/net/tun"};
	const char *device = need->kind >= PLANE_PPP ? devices[need->kind] : NULL;
	const char *module = missing_module(need, -rc);
	int n = 0;

	if ((rc == -EPERM || rc == -EACCES) && !plane_permitted()) {
		snprintf(to, ABILITY_WHY, "no CAP_NET_ADMIN");
		return to;
	}
	if (device && rc == -ENOENT)
		n = snprintf(to, ABILITY_WHY, "no %s: ", device);
	else if (device)
		n = snprintf(to, ABILITY_WHY, "%s: ", device);
	if (module)
		kmod_why(kmod, module, to + n, ABILITY_WHY - (size_t)n);
	else if (need->kind == PLANE_ESP && (rc == -ENOSYS || rc == -ENOENT))
		snprintf(to, ABILITY_WHY, "its crypto does not know the algorithms");
	else
		snprintf(to + n, ABILITY_WHY - (size_t)n, "%s", strerror(-rc));
	return to;
}

/* ---- asking ---- */

static void find_out(void *ctx, void *answer)
{
	const struct plane_ask *ask = ctx;
	const struct planes_conf *conf = &ask->planes->conf;
	struct findings *found = answer;

	for (size_t i = 0; i < ask->needs.n; i++) {
		const struct plane_need *need = &ask->needs.at[i];
		int rc = conf->try(conf->env, need);

		if (rc != 0)
			plane_why(conf->kmod, need, rc, found->why[i]);
	}
}

static void remember(struct plane_ask *ask, const struct findings *found)
{
	struct planes *p = ask->planes;
	char name[ABILITY_NAME];

	for (size_t i = 0; i < ask->needs.n; i++)
		abilities_put(p->known, plane_need_text(&ask->needs.at[i], name),
			found ? found->why[i] : "it could not be tried", loop_now(p->conf.loop));
	abilities_save(p->known);
}

static void on_findings(void *ctx, const void *answer)
{
	struct plane_ask *ask = ctx;

	remember(ask, answer);
	ask->done(ask->ctx);
}

static bool is_known(const struct planes *p, const struct plane_need *need)
{
	char name[ABILITY_NAME];

	return abilities_hold(p->known, plane_need_text(need, name), loop_now(p->conf.loop));
}

static void add(const struct planes *p, struct needs *needs, struct plane_need need, bool again)
{
	if (needs->n < PLANE_NEEDS_MAX && (again || !is_known(p, &need)))
		needs->at[needs->n++] = need;
}

struct plane_ask *planes_ask(
	struct planes *p, const struct ike_proposals *offered, bool again, loop_fn *done, void *ctx)
{
	struct plane_ask *ask = calloc(1, sizeof(*ask));
	struct findings here = {0};

	if (!ask)
		return NULL;
	*ask = (struct plane_ask){.planes = p, .done = done, .ctx = ctx};
	for (size_t i = 0; i < offered->n_esp; i++)
		add(p, &ask->needs, (struct plane_need){PLANE_ESP, offered->esp[i]}, again);
	for (enum plane_kind kind = PLANE_L2TP; kind <= PLANE_TUN; kind++)
		add(p, &ask->needs, (struct plane_need){.kind = kind}, again);
	if (ask->needs.n > 0)
		ask->aside = aside_new(
			p->conf.loop, sizeof(struct findings), find_out, on_findings, ask);
	if (ask->aside)
		return ask;
	if (ask->needs.n > 0) { /* no process to be had: then in here */
		find_out(ask, &here);
		remember(ask, &here);
	}
	free(ask);
	return NULL;
}

void plane_ask_free(struct plane_ask *ask)
{
	if (!ask)
		return;
	aside_free(ask->aside);
	free(ask);
}

/* ---- what was found ---- */

bool plane_has(const struct planes *p, const struct plane_need *need, char why[static PLANE_WHY])
{
	char name[ABILITY_NAME];
	const char *because = "";
	enum ability_answer answer = abilities_get(p->known, plane_need_text(need, name), &because);

	snprintf(why, PLANE_WHY, "%s",
		answer == ABILITY_UNKNOWN ? "the kernel has not answered yet" : because);
	return answer == ABILITY_YES;
}

bool plane_probe(
	const struct planes *p, const struct ike_proposals *offered, char why[static PLANE_WHY])
{
	char suite[SUITE_TEXT], because[PLANE_WHY];

	for (size_t i = 0; i < offered->n_esp; i++) {
		struct plane_need need = {PLANE_ESP, offered->esp[i]};

		if (plane_has(p, &need, because))
			continue;
		snprintf(why, PLANE_WHY, "no ESP by the kernel with %s: %.*s",
			esp_suite_text(&need.suite, suite), ABILITY_WHY, because);
		return false;
	}
	return true;
}

bool plane_session(const struct planes *p, char why[static PLANE_WHY])
{
	char because[PLANE_WHY];

	for (enum plane_kind kind = PLANE_L2TP; kind <= PLANE_PPP; kind++) {
		if (plane_has(p, &(struct plane_need){.kind = kind}, because))
			continue;
		snprintf(why, PLANE_WHY, "no %s by the kernel: %.*s",
			kind == PLANE_L2TP ? "L2TP" : "PPP", ABILITY_WHY, because);
		return false;
	}
	return true;
}

void planes_doubt(struct planes *p)
{
	abilities_forget(p->known);
}

/* ---- life ---- */

struct planes *planes_new(const struct planes_conf *conf)
{
	struct planes *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->conf = *conf;
	if (!p->conf.kmod)
		p->conf.kmod = &kmod_host;
	if (!p->conf.try)
		p->conf.try = try_this_kernel;
	p->known = abilities_new(conf->runtime_dir);
	if (p->known)
		return p;
	free(p);
	return NULL;
}

void planes_free(struct planes *p)
{
	if (!p)
		return;
	abilities_free(p->known);
	free(p);
}

struct xfrm_host *planes_xfrm(struct planes *p)
{
	return &p->xfrm;
}

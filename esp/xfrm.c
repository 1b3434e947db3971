#include "esp/xfrm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "esp/xfrm_priv.h"

enum { PATIENCE = 8 }; /* a pair is asked for when that part of its age has passed since */

static struct xfrm *xfrm(const struct esp *esp)
{
	return (struct xfrm *)esp;
}

struct xfrm_sa xfrm_half(const struct xfrm *x, const struct kernel_pair *k, enum xfrm_way way)
{
	return (struct xfrm_sa){.pair = &k->pair, .way = way, .reqid = x->reqid};
}

/* ---- one SA ---- */

struct reading {
	const struct xfrm_sa *sa;
	bool same;
};

static void compare(void *ctx, const struct nlmsghdr *h)
{
	struct reading *r = ctx;

	r->same = xfrm_msg_is_sa(h, r->sa);
}

/* Between the two lie a kernel of any age and everybody else who may change SAs. */
int xfrm_put_sa(struct xfrm *x, struct nl_msg *m, const struct xfrm_sa *sa)
{
	struct reading r = {.sa = sa};
	int rc = xfrm_sock_request(&x->sock, m, NULL, NULL);

	if (rc != 0)
		return rc;
	rc = xfrm_sock_request(&x->sock, xfrm_msg_get_sa(sa), compare, &r);
	if (rc == 0 && !r.same) /* check: xfrm-read-back */
		rc = -EBADMSG;
	if (rc != 0)
		xfrm_sock_request(&x->sock, xfrm_msg_del_sa(sa), NULL, NULL);
	return rc;
}

static int add(struct xfrm *x, const struct xfrm_sa *sa)
{
	return xfrm_put_sa(x, xfrm_msg_add_sa(sa), sa);
}

struct asking {
	struct xfrm_sa_state *state;
	bool answered;
};

static void take_state(void *ctx, const struct nlmsghdr *h)
{
	struct asking *a = ctx;

	a->answered = xfrm_msg_state(h, a->state);
}

bool xfrm_ask(struct xfrm *x, const struct xfrm_sa *sa, struct xfrm_sa_state *state)
{
	struct asking a = {.state = state};

	*state = (struct xfrm_sa_state){0};
	return xfrm_sock_request(&x->sock, xfrm_msg_get_sa(sa), take_state, &a) == 0 && a.answered;
}

static struct esp_counters count(struct xfrm *x, const struct xfrm_sa *sa)
{
	struct xfrm_sa_state state;

	return xfrm_ask(x, sa, &state) ? state.count : (struct esp_counters){0};
}

static void delete (struct xfrm *x, const struct xfrm_sa *sa)
{
	xfrm_sock_request(&x->sock, xfrm_msg_del_sa(sa), NULL, NULL);
}

/* ---- pairs ---- */

static int kernel_install(struct esp *esp, const struct sa_pair *pair, struct esp_pair **kept)
{
	struct xfrm *x = xfrm(esp);
	struct kernel_pair *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->pair = *pair;
	if (x->port && pair->lane == LANE_NATT)
		k->pair.remote.port = x->port;
	struct xfrm_sa in = xfrm_half(x, k, XFRM_IN);
	int rc = add(x, &in);
	wipe(&k->pair.in.key, sizeof(k->pair.in.key));
	wipe(&k->pair.in.auth, sizeof(k->pair.in.auth));
	if (rc == 0) {
		*kept = &k->face;
		return 0;
	}
	wipe(k, sizeof(*k));
	free(k);
	return rc;
}

/* What it has carried is kept. */
static void retire(struct xfrm *x, struct kernel_pair *k)
{
	struct xfrm_sa out = xfrm_half(x, k, XFRM_OUT);
	struct esp_counters c = count(x, &out);

	esp_counters_add(&x->face.out, &c);
	delete (x, &out);
	k->out = OUT_SPENT;
}

/* The old outbound SA goes at once: were the wall clock set back meanwhile, the kernel would go on
 * sending on it. */
static void kernel_use(struct esp *esp, struct esp_pair *pair)
{
	struct xfrm *x = xfrm(esp);
	struct kernel_pair *k = (struct kernel_pair *)pair;

	if (k->out != OUT_WAITS) /* check: xfrm-out-once */
		return;
	struct xfrm_sa out = xfrm_half(x, k, XFRM_OUT);
	pair->error = add(x, &out);
	wipe(&k->pair.out.key, sizeof(k->pair.out.key));
	wipe(&k->pair.out.auth, sizeof(k->pair.out.auth));
	if (pair->error != 0) {
		esp_raise(pair, ESP_EV_BROKEN);
		return;
	}
	k->out = OUT_ADDED;
	if (esp->current)
		retire(x, (struct kernel_pair *)esp->current);
	esp->current = pair;
}

static void kernel_drop(struct esp *esp, struct esp_pair *pair)
{
	struct xfrm *x = xfrm(esp);
	struct kernel_pair *k = (struct kernel_pair *)pair;
	struct xfrm_sa in = xfrm_half(x, k, XFRM_IN), out = xfrm_half(x, k, XFRM_OUT);

	if (k->out == OUT_ADDED)
		delete (x, &out);
	delete (x, &in);
	wipe(k, sizeof(*k));
	free(k);
}

/* ---- packets ---- */

/* Is it known to work by now? That costs a request, so the older a pair is the rarer it is asked for:
 * one on which nothing ever comes would be asked for with each batch. */
static void look_for_first(struct xfrm *x, struct kernel_pair *k, msec now)
{
	struct xfrm_sa in = xfrm_half(x, k, XFRM_IN);

	if (k->face.raised & 1u << ESP_EV_FIRST_IN ||
		now - k->asked_at < (now - k->face.installed_at) / PATIENCE)
		return;
	k->asked_at = now;
	if (count(x, &in).packets)
		esp_raise(&k->face, ESP_EV_FIRST_IN);
}

/* What is not from the protected socket has not been through the kernel's ESP. */
static void kernel_recv(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	struct xfrm *x = xfrm(esp);

	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		if (p->lane != LANE_L2TP /* check: xfrm-lane */) {
			esp->in.no_sa++;
			pkt_free(p);
			continue;
		}
		esp->last_in = now;
		pktq_put(&out->up, p);
	}
	for (unsigned i = 0; i < esp->n; i++)
		look_for_first(x, xfrm_pair(x, i), now);
}

static void kernel_send(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	(void)now;
	if (!esp->current) { /* check: xfrm-current */
		esp->out.no_sa += in->count;
		pktq_free(in);
	}
	pktq_for_each (p, in)
		p->lane = LANE_L2TP;
	pktq_join(&out->down, in);
}

/* ---- figures ---- */

static void kernel_get_status(
	const struct esp *esp, const struct esp_pair *pair, struct esp_sa_status *status)
{
	struct xfrm *x = xfrm(esp);
	const struct kernel_pair *k = (const struct kernel_pair *)pair;
	struct xfrm_sa in = xfrm_half(x, k, XFRM_IN), out = xfrm_half(x, k, XFRM_OUT);

	status->suite = k->pair.suite;
	status->spi_out = k->pair.out.spi;
	status->in = count(x, &in);
	if (k->out == OUT_ADDED)
		status->out = count(x, &out);
}

/* ---- life ---- */

int xfrm_put_block(struct xfrm *x)
{
	for (enum xfrm_way way = XFRM_IN; way <= XFRM_OUT; way++) {
		int rc = xfrm_sock_request(
			&x->sock, xfrm_msg_add_block(&x->server, way), NULL, NULL);

		if (rc != 0 && rc != -EEXIST)
			return rc;
	}
	return 0;
}

static void take_block_away(struct xfrm *x)
{
	for (enum xfrm_way way = XFRM_IN; way <= XFRM_OUT; way++)
		xfrm_sock_request(&x->sock, xfrm_msg_del_block(&x->server, way), NULL, NULL);
}

/* Leave the others; is the backstop needed by none of them? */
static bool was_last(const struct xfrm *x)
{
	bool last = true;

	for (struct xfrm **at = &x->host->planes; *at;)
		if (*at == x) {
			*at = x->next;
		} else {
			if (ip_equal(&(*at)->server, &x->server)) /* check: xfrm-block-shared */
				last = false;
			at = &(*at)->next;
		}
	return last;
}

static void kernel_free(struct esp *esp)
{
	struct xfrm *x = xfrm(esp);

	if (was_last(x) && x->server.family != FAMILY_NONE)
		take_block_away(x);
	xfrm_sock_close(&x->sock);
	xfrm_sock_close(&x->news);
	free(x);
}

int xfrm_fd(const struct esp *plane)
{
	return xfrm(plane)->news.fd;
}

int xfrm_open(const struct env *env, struct xfrm_host *host, const struct ip *server,
	uint32_t reqid, struct esp **plane)
{
	static const struct esp_ops ops = {
		.free = kernel_free,
		.install = kernel_install,
		.use = kernel_use,
		.drop = kernel_drop,
		.recv = kernel_recv,
		.send = kernel_send,
		.get_status = kernel_get_status,
	};
	struct xfrm *x = calloc(1, sizeof(*x));

	*plane = NULL;
	if (!x)
		return -ENOMEM;
	*x = (struct xfrm){
		.face = {.ops = &ops, .env = env},
		.host = host,
		.next = host->planes,
		.reqid = reqid,
	};
	host->planes = x;
	int rc = xfrm_sock_open(&x->sock);
	if (rc == 0)
		rc = xfrm_sock_listen(&x->news);
	if (rc == 0) {
		x->server = *server;
		rc = xfrm_put_block(x);
	}
	if (rc != 0) {
		esp_free(&x->face);
		return rc;
	}
	*plane = &x->face;
	return 0;
}

/* ---- without a connection ---- */

struct left {
	uint32_t reqid;
	struct xfrm_sa_state at[2 * ESP_PAIRS_MAX];
	unsigned n;
};

static void note_left(void *ctx, const struct nlmsghdr *h)
{
	struct left *left = ctx;
	struct xfrm_sa_state state;

	if (left->n < 2 * ESP_PAIRS_MAX && xfrm_msg_state(h, &state) && state.reqid == left->reqid)
		left->at[left->n++] = state;
}

static int gone_is_fine(int rc)
{
	return rc == -ENOENT || rc == -ESRCH ? 0 : rc;
}

int xfrm_cleanup(const struct ip *server, uint32_t reqid)
{
	struct left left = {.reqid = reqid};
	struct xfrm_sock sock;
	int rc = xfrm_sock_open(&sock);

	if (rc == 0)
		rc = xfrm_sock_request(&sock, xfrm_msg_dump_sas(), note_left, &left);
	for (unsigned i = 0; rc == 0 && i < left.n; i++)
		rc = gone_is_fine(
			xfrm_sock_request(&sock, xfrm_msg_del_state(&left.at[i]), NULL, NULL));
	for (enum xfrm_way way = XFRM_IN; rc == 0 && way <= XFRM_OUT; way++)
		rc = gone_is_fine(
			xfrm_sock_request(&sock, xfrm_msg_del_block(server, way), NULL, NULL));
	xfrm_sock_close(&sock);
	return rc;
}

int xfrm_probe(const struct env *env, const struct esp_suite *suite)
{
	struct sa_pair pair = {
		.suite = *suite,
		.lane = LANE_RAW,
		.local = {.ip = ip_v4(0x7f000001)},
		.remote = {.ip = ip_v4(0x7f000001)},
		.local_port = L2TP_PORT,
		.remote_port = L2TP_PORT,
	};
	struct xfrm_sa sa = {.pair = &pair, .way = XFRM_IN};
	struct xfrm_sock sock;
	int rc = xfrm_sock_open(&sock);

	env_random(env, pair.in.key, sizeof(pair.in.key)); /* 3DES refuses three equal keys */
	pair.in.spi = ESP_SPI_MIN + env_random_u32(env) % (UINT32_MAX - ESP_SPI_MIN);
	sa.reqid = pair.in.spi;
	if (rc == 0 && (rc = xfrm_sock_request(&sock, xfrm_msg_add_sa(&sa), NULL, NULL)) == 0)
		xfrm_sock_request(&sock, xfrm_msg_del_sa(&sa), NULL, NULL);
	xfrm_sock_close(&sock);
	wipe(&pair, sizeof(pair));
	return rc;
}

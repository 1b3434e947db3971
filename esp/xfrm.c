#include "esp/xfrm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "esp/xfrm_priv.h"

static struct xfrm *xfrm(const struct esp *esp)
{
	return (struct xfrm *)esp;
}

static struct kernel_pair *find(const struct xfrm *x, uint32_t spi_in)
{
	for (unsigned i = 0; i < x->n; i++)
		if (x->at[i]->pair.in.spi == spi_in)
			return x->at[i];
	return NULL;
}

struct xfrm_sa xfrm_half(const struct xfrm *x, const struct kernel_pair *k, enum xfrm_way way)
{
	return (struct xfrm_sa){.pair = &k->pair, .way = way, .reqid = x->reqid};
}

void xfrm_raise(struct kernel_pair *k, enum esp_event_kind kind)
{
	unsigned bit = 1u << kind;

	k->pending |= bit & ~k->raised;
	k->raised |= bit;
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

/* What it has carried is kept. */
static void delete (struct xfrm *x, const struct xfrm_sa *sa, struct esp_counters *total)
{
	struct esp_counters c = count(x, sa);

	esp_counters_add(total, &c);
	xfrm_sock_request(&x->sock, xfrm_msg_del_sa(sa), NULL, NULL);
}

/* ---- pairs ---- */

static int kernel_install(struct esp *esp, const struct sa_pair *pair, msec now)
{
	struct xfrm *x = xfrm(esp);
	struct kernel_pair *k;

	if (find(x, pair->in.spi))
		return -EEXIST;
	if (x->n == ESP_PAIRS_MAX)
		return -ENOSPC;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	*k = (struct kernel_pair){.pair = *pair, .installed_at = now};
	struct xfrm_sa in = xfrm_half(x, k, XFRM_IN);
	int rc = add(x, &in);
	wipe(&k->pair.in.key, sizeof(k->pair.in.key));
	wipe(&k->pair.in.auth, sizeof(k->pair.in.auth));
	if (rc == 0) {
		x->at[x->n++] = k;
		return 0;
	}
	wipe(k, sizeof(*k));
	free(k);
	return rc;
}

static void delete_out(struct xfrm *x, struct kernel_pair *k)
{
	struct xfrm_sa sa = xfrm_half(x, k, XFRM_OUT);

	if (k->out != OUT_ADDED)
		return;
	delete (x, &sa, &x->out);
	k->out = OUT_SPENT;
}

/* The old outbound SA goes at once: were the wall clock set back meanwhile, the kernel would go on
 * sending on it. */
static void kernel_use(struct esp *esp, uint32_t spi_in)
{
	struct xfrm *x = xfrm(esp);
	struct kernel_pair *k = find(x, spi_in);

	if (!k || k->out != OUT_WAITS) /* check: xfrm-out-once */
		return;
	struct xfrm_sa out = xfrm_half(x, k, XFRM_OUT);
	k->error = add(x, &out);
	wipe(&k->pair.out.key, sizeof(k->pair.out.key));
	wipe(&k->pair.out.auth, sizeof(k->pair.out.auth));
	if (k->error != 0) {
		xfrm_raise(k, ESP_EV_BROKEN);
		return;
	}
	k->out = OUT_ADDED;
	if (x->current)
		delete_out(x, x->current);
	x->current = k;
}

static void kernel_drop(struct esp *esp, uint32_t spi_in)
{
	struct xfrm *x = xfrm(esp);
	struct kernel_pair *k = find(x, spi_in);
	unsigned i = 0;

	if (!k)
		return;
	while (x->at[i] != k)
		i++;
	memmove(&x->at[i], &x->at[i + 1], (x->n - i - 1) * sizeof(x->at[0]));
	x->n--;
	if (x->current == k)
		x->current = NULL;
	delete_out(x, k);
	struct xfrm_sa in = xfrm_half(x, k, XFRM_IN);
	delete (x, &in, &x->in);
	wipe(k, sizeof(*k));
	free(k);
}

static bool kernel_has_spi(const struct esp *esp, uint32_t spi_in)
{
	return find(xfrm(esp), spi_in);
}

/* ---- packets ---- */

/* A pair that is not yet known to work is asked for whenever something comes: a few times in its
 * life. */
static void look_for_first(struct xfrm *x)
{
	for (unsigned i = 0; i < x->n; i++) {
		struct xfrm_sa in = xfrm_half(x, x->at[i], XFRM_IN);

		if (!(x->at[i]->raised & 1u << ESP_EV_FIRST_IN) && count(x, &in).packets)
			xfrm_raise(x->at[i], ESP_EV_FIRST_IN);
	}
}

/* What is not from the protected socket has not been through the kernel's ESP. */
static void kernel_recv(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	struct xfrm *x = xfrm(esp);

	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		if (p->lane != LANE_L2TP /* check: xfrm-lane */) {
			x->in.no_sa++;
			pkt_free(p);
			continue;
		}
		x->last_in = now;
		pktq_put(&out->up, p);
	}
	if (x->last_in == now)
		look_for_first(x);
}

static void kernel_send(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	struct xfrm *x = xfrm(esp);

	(void)now;
	if (!x->current) { /* check: xfrm-current */
		x->out.no_sa += in->count;
		pktq_free(in);
	}
	pktq_for_each (p, in)
		p->lane = LANE_L2TP;
	pktq_join(&out->down, in);
}

/* ---- news ---- */

int xfrm_fd(const struct esp *plane)
{
	return xfrm(plane)->news.fd;
}

static bool kernel_next_event(struct esp *esp, struct esp_event *ev)
{
	struct xfrm *x = xfrm(esp);

	for (unsigned i = 0; i < x->n; i++) {
		struct kernel_pair *k = x->at[i];

		if (!k->pending)
			continue;
		*ev = (struct esp_event){
			.kind = (enum esp_event_kind)__builtin_ctz(k->pending),
			.spi_in = k->pair.in.spi,
			.error = k->error,
		};
		k->pending &= k->pending - 1;
		return true;
	}
	return false;
}

/* ---- figures ---- */

static msec kernel_last_in(const struct esp *esp)
{
	return xfrm(esp)->last_in;
}

static bool kernel_get_status(const struct esp *esp, unsigned i, struct esp_sa_status *status)
{
	struct xfrm *x = xfrm(esp);

	if (i >= x->n)
		return false;
	const struct kernel_pair *k = x->at[i];
	struct xfrm_sa in = xfrm_half(x, k, XFRM_IN), out = xfrm_half(x, k, XFRM_OUT);
	*status = (struct esp_sa_status){
		.suite = k->pair.suite,
		.spi_in = k->pair.in.spi,
		.spi_out = k->pair.out.spi,
		.in_use = k == x->current,
		.installed_at = k->installed_at,
		.in = count(x, &in),
	};
	if (k->out == OUT_ADDED)
		status->out = count(x, &out);
	return true;
}

static void kernel_get_totals(
	const struct esp *esp, struct esp_counters *in, struct esp_counters *out)
{
	const struct xfrm *x = xfrm(esp);
	struct esp_sa_status st;

	*in = x->in;
	*out = x->out;
	for (unsigned i = 0; kernel_get_status(esp, i, &st); i++) {
		esp_counters_add(in, &st.in);
		esp_counters_add(out, &st.out);
	}
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

	while (x->n)
		kernel_drop(esp, x->at[0]->pair.in.spi);
	if (was_last(x) && x->server.family != FAMILY_NONE)
		take_block_away(x);
	xfrm_sock_close(&x->sock);
	xfrm_sock_close(&x->news);
	free(x);
}

int xfrm_open(const struct env *env, struct xfrm_host *host, const struct ip *server,
	uint32_t reqid, struct esp **plane)
{
	static const struct esp_ops ops = {
		.free = kernel_free,
		.install = kernel_install,
		.use = kernel_use,
		.drop = kernel_drop,
		.has_spi = kernel_has_spi,
		.recv = kernel_recv,
		.send = kernel_send,
		.next_event = kernel_next_event,
		.last_in = kernel_last_in,
		.get_status = kernel_get_status,
		.get_totals = kernel_get_totals,
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

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "esp/esp_crypt.h"
#include "esp/esp_plane.h"

/* The user plane: everything in this process, by OpenSSL or intel-ipsec-mb. */
struct user_esp {
	struct esp face;
	struct esp_sa *sa[ESP_PAIRS_MAX]; /* in order of installation */
	unsigned n;
	struct esp_sa *current; /* the one we send on; NULL before esp_use() */
	msec last_in;
	struct esp_counters in, out; /* of dropped pairs, and of no pair */
};

static struct user_esp *user(struct esp *esp)
{
	return (struct user_esp *)esp;
}

static const struct user_esp *user_of(const struct esp *esp)
{
	return (const struct user_esp *)esp;
}

static void sa_free(struct esp_sa *sa)
{
	crypto_esp_free(sa->in.crypto);
	crypto_esp_free(sa->out.crypto);
	free(sa);
}

static void user_free(struct esp *esp)
{
	struct user_esp *u = user(esp);

	for (unsigned i = 0; i < u->n; i++)
		sa_free(u->sa[i]);
	free(u);
}

struct esp_sa *esp_find(const struct esp *esp, uint32_t spi_in)
{
	const struct user_esp *u = user_of(esp);

	for (unsigned i = 0; i < u->n; i++)
		if (u->sa[i]->in.spi == spi_in /* check: esp-spi-known */)
			return u->sa[i];
	return NULL;
}

static bool user_has_spi(const struct esp *esp, uint32_t spi_in)
{
	return esp_find(esp, spi_in);
}

/* ---- pairs ---- */

static struct crypto_esp *transform(struct crypto *c, const struct sa_pair *pair,
	const struct esp_half *half, enum crypto_esp_way way)
{
	return crypto_esp_new(c, &pair->suite, half->key, half->auth, way);
}

static struct esp_sa *sa_new(struct crypto *c, const struct sa_pair *pair, msec now)
{
	struct esp_sa *sa = calloc(1, sizeof(*sa));

	if (!sa)
		return NULL;
	*sa = (struct esp_sa){
		.suite = pair->suite,
		.lane = pair->lane,
		.local = pair->local.ip,
		.remote = pair->remote.ip,
		.local_port = pair->local_port,
		.remote_port = pair->remote_port,
		.installed_at = now,
		.in = {.spi = pair->in.spi,
			.crypto = transform(c, pair, &pair->in, CRYPTO_ESP_OPEN)},
		.out = {.spi = pair->out.spi,
			.crypto = transform(c, pair, &pair->out, CRYPTO_ESP_SEAL)},
	};
	if (sa->in.crypto && sa->out.crypto)
		return sa;
	sa_free(sa);
	return NULL;
}

static int user_install(struct esp *esp, const struct sa_pair *pair, msec now)
{
	struct user_esp *u = user(esp);
	struct esp_sa *sa;

	if (esp_find(esp, pair->in.spi)) /* check: esp-spi-twice */
		return -EEXIST;
	if (u->n == ESP_PAIRS_MAX) /* check: esp-pairs-room */
		return -ENOSPC;
	if (!crypto_esp_has(esp->env->crypto, &pair->suite))
		return -ENOTSUP;
	sa = sa_new(esp->env->crypto, pair, now);
	if (!sa)
		return -ENOMEM;
	u->sa[u->n++] = sa;
	return 0;
}

static void user_use(struct esp *esp, uint32_t spi_in)
{
	struct esp_sa *sa = esp_find(esp, spi_in);

	if (sa)
		user(esp)->current = sa;
}

static void user_drop(struct esp *esp, uint32_t spi_in)
{
	struct user_esp *u = user(esp);
	struct esp_sa *sa = esp_find(esp, spi_in);
	unsigned i = 0;

	if (!sa)
		return;
	while (u->sa[i] != sa)
		i++;
	memmove(&u->sa[i], &u->sa[i + 1], (u->n - i - 1) * sizeof(u->sa[0]));
	u->n--;
	if (u->current == sa)
		u->current = NULL;
	esp_counters_add(&u->in, &sa->in.count);
	esp_counters_add(&u->out, &sa->out.count);
	sa_free(sa);
}

/* ---- packets ---- */

/* The packets at the head of the queue that have the same SPI, a batch at most. */
static uint32_t take_batch(struct pktq *in, struct pktq *batch)
{
	uint32_t spi = 0;

	while (in->head && batch->count < PKT_BATCH) {
		struct rd r = rd_of(pkt_slice(in->head));
		uint32_t next = rd_u32(&r);

		if (batch->count && next != spi)
			break;
		spi = next;
		pktq_put(batch, pktq_take(in));
	}
	return spi;
}

static void user_recv(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	struct user_esp *u = user(esp);

	while (in->head) {
		struct pktq batch = {0};
		struct esp_sa *sa = esp_find(esp, take_batch(in, &batch));

		if (!sa) {
			u->in.no_sa += batch.count;
			pktq_free(&batch);
		} else if (esp_open(sa, &batch, &out->up)) {
			u->last_in = now;
		}
	}
}

static void user_send(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	struct user_esp *u = user(esp);

	(void)now;
	if (!u->current) {
		u->out.no_sa += in->count;
		pktq_free(in);
	}
	while (in->head)
		esp_seal(u->current, esp->env, in, &out->down);
}

/* ---- news and figures ---- */

static bool user_next_event(struct esp *esp, struct esp_event *ev)
{
	struct user_esp *u = user(esp);

	for (unsigned i = 0; i < u->n; i++) {
		struct esp_sa *sa = u->sa[i];

		if (!sa->pending)
			continue;
		*ev = (struct esp_event){
			.kind = (enum esp_event_kind)__builtin_ctz(sa->pending),
			.spi_in = sa->in.spi,
		};
		sa->pending &= sa->pending - 1;
		return true;
	}
	return false;
}

static msec user_last_in(const struct esp *esp)
{
	return user_of(esp)->last_in;
}

static bool user_get_status(const struct esp *esp, unsigned i, struct esp_sa_status *status)
{
	const struct user_esp *u = user_of(esp);
	const struct esp_sa *sa;

	if (i >= u->n)
		return false;
	sa = u->sa[i];
	*status = (struct esp_sa_status){
		.suite = sa->suite,
		.spi_in = sa->in.spi,
		.spi_out = sa->out.spi,
		.in_use = sa == u->current,
		.installed_at = sa->installed_at,
		.in = sa->in.count,
		.out = sa->out.count,
	};
	return true;
}

static void user_get_totals(
	const struct esp *esp, struct esp_counters *in, struct esp_counters *out)
{
	const struct user_esp *u = user_of(esp);

	*in = u->in;
	*out = u->out;
	for (unsigned i = 0; i < u->n; i++) {
		esp_counters_add(in, &u->sa[i]->in.count);
		esp_counters_add(out, &u->sa[i]->out.count);
	}
}

struct esp *esp_new(const struct env *env)
{
	static const struct esp_ops ops = {
		.free = user_free,
		.install = user_install,
		.use = user_use,
		.drop = user_drop,
		.has_spi = user_has_spi,
		.recv = user_recv,
		.send = user_send,
		.next_event = user_next_event,
		.last_in = user_last_in,
		.get_status = user_get_status,
		.get_totals = user_get_totals,
	};
	struct user_esp *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->face = (struct esp){.ops = &ops, .env = env};
	return &u->face;
}

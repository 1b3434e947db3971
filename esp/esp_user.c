#include <errno.h>
#include <stdlib.h>

#include "esp/esp_crypt.h"

/* The user plane: everything in this process, by OpenSSL or intel-ipsec-mb. */

static void sa_free(struct esp_sa *sa)
{
	crypto_esp_free(sa->in.crypto);
	crypto_esp_free(sa->out.crypto);
	free(sa);
}

static struct crypto_esp *transform(struct crypto *c, const struct sa_pair *pair,
	const struct esp_half *half, enum crypto_esp_way way)
{
	return crypto_esp_new(c, &pair->suite, half->key, half->auth, way);
}

static struct esp_sa *sa_new(struct crypto *c, const struct sa_pair *pair)
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
		.spi_out = pair->out.spi,
		.in.crypto = transform(c, pair, &pair->in, CRYPTO_ESP_OPEN),
		.out.crypto = transform(c, pair, &pair->out, CRYPTO_ESP_SEAL),
	};
	if (sa->in.crypto && sa->out.crypto)
		return sa;
	sa_free(sa);
	return NULL;
}

static int user_install(struct esp *esp, const struct sa_pair *pair, struct esp_pair **kept)
{
	struct esp_sa *sa;

	if (!crypto_esp_has(esp->env->crypto, &pair->suite))
		return -ENOTSUP;
	sa = sa_new(esp->env->crypto, pair);
	if (!sa)
		return -ENOMEM;
	*kept = &sa->face;
	return 0;
}

static void user_use(struct esp *esp, struct esp_pair *pair)
{
	esp->current = pair;
}

static void user_drop(struct esp *esp, struct esp_pair *pair)
{
	(void)esp;
	sa_free((struct esp_sa *)pair);
}

static void user_free(struct esp *esp)
{
	free(esp);
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
	while (in->head) {
		struct pktq batch = {0};
		struct esp_sa *sa = esp_find(esp, take_batch(in, &batch));

		if (!sa) {
			esp->in.no_sa += batch.count;
			pktq_free(&batch);
		} else if (esp_open(sa, &batch, &out->up)) {
			esp->last_in = now;
		}
	}
}

static void user_send(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	(void)now;
	if (!esp->current) {
		esp->out.no_sa += in->count;
		pktq_free(in);
	}
	while (in->head)
		esp_seal((struct esp_sa *)esp->current, esp->env, in, &out->down);
}

/* ---- the plane ---- */

static void user_get_status(
	const struct esp *esp, const struct esp_pair *pair, struct esp_sa_status *status)
{
	const struct esp_sa *sa = (const struct esp_sa *)pair;

	(void)esp;
	status->suite = sa->suite;
	status->spi_out = sa->spi_out;
	status->in = sa->in.count;
	status->out = sa->out.count;
}

struct esp *esp_new(const struct env *env)
{
	static const struct esp_ops ops = {
		.free = user_free,
		.install = user_install,
		.use = user_use,
		.drop = user_drop,
		.recv = user_recv,
		.send = user_send,
		.get_status = user_get_status,
	};
	struct esp *esp = calloc(1, sizeof(*esp));

	if (!esp)
		return NULL;
	*esp = (struct esp){.ops = &ops, .env = env};
	return esp;
}

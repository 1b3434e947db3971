#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "esp/esp_crypt.h"

struct esp {
	const struct env *env;
	struct esp_sa *sa[ESP_PAIRS_MAX]; /* in order of installation */
	unsigned n;
	struct esp_sa *current; /* the one we send on; NULL before esp_use() */
	msec last_in;
	struct esp_counters in, out; /* of dropped pairs, and of no pair */
};

struct esp *esp_new(const struct env *env)
{
	struct esp *esp = calloc(1, sizeof(*esp));

	if (esp)
		esp->env = env;
	return esp;
}

static void sa_free(struct esp_sa *sa)
{
	crypto_esp_free(sa->in.crypto);
	crypto_esp_free(sa->out.crypto);
	free(sa);
}

void esp_free(struct esp *esp)
{
	if (!esp)
		return;
	for (unsigned i = 0; i < esp->n; i++)
		sa_free(esp->sa[i]);
	free(esp);
}

struct esp_sa *esp_find(const struct esp *esp, uint32_t spi_in)
{
	for (unsigned i = 0; i < esp->n; i++)
		if (esp->sa[i]->in.spi == spi_in /* check: esp-spi-known */)
			return esp->sa[i];
	return NULL;
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

int esp_install(struct esp *esp, const struct sa_pair *pair, msec now)
{
	struct esp_sa *sa;

	if (esp_find(esp, pair->in.spi)) /* check: esp-spi-twice */
		return -EEXIST;
	if (esp->n == ESP_PAIRS_MAX) /* check: esp-pairs-room */
		return -ENOSPC;
	if (!crypto_esp_has(esp->env->crypto, &pair->suite))
		return -ENOTSUP;
	sa = sa_new(esp->env->crypto, pair, now);
	if (!sa)
		return -ENOMEM;
	esp->sa[esp->n++] = sa;
	return 0;
}

void esp_use(struct esp *esp, uint32_t spi_in)
{
	struct esp_sa *sa = esp_find(esp, spi_in);

	if (sa)
		esp->current = sa;
}

static void add(struct esp_counters *to, const struct esp_counters *c)
{
	to->packets += c->packets;
	to->octets += c->octets;
	to->icv_bad += c->icv_bad;
	to->replayed += c->replayed;
	to->malformed += c->malformed;
	to->no_sa += c->no_sa;
	to->no_room += c->no_room;
	to->exhausted += c->exhausted;
	to->truncated_icv_would_fit += c->truncated_icv_would_fit;
}

void esp_drop(struct esp *esp, uint32_t spi_in)
{
	struct esp_sa *sa = esp_find(esp, spi_in);
	unsigned i = 0;

	if (!sa)
		return;
	while (esp->sa[i] != sa)
		i++;
	memmove(&esp->sa[i], &esp->sa[i + 1], (esp->n - i - 1) * sizeof(esp->sa[0]));
	esp->n--;
	if (esp->current == sa)
		esp->current = NULL;
	add(&esp->in, &sa->in.count);
	add(&esp->out, &sa->out.count);
	sa_free(sa);
}

uint32_t esp_new_spi(struct esp *esp)
{
	uint32_t spi;

	do
		spi = env_random_u32(esp->env);
	while (spi < ESP_SPI_MIN /* check: esp-spi-reserved */ ||
		esp_find(esp, spi) /* check: esp-spi-unused */);
	return spi;
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

void esp_recv(struct esp *esp, struct pktq *in, msec now, struct io *out)
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

void esp_send(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	(void)now;
	if (!esp->current) {
		esp->out.no_sa += in->count;
		pktq_free(in);
	}
	while (in->head)
		esp_seal(esp->current, esp->env, in, &out->down);
}

/* ---- news and figures ---- */

bool esp_next_event(struct esp *esp, struct esp_event *ev)
{
	for (unsigned i = 0; i < esp->n; i++) {
		struct esp_sa *sa = esp->sa[i];

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

msec esp_last_in(const struct esp *esp)
{
	return esp->last_in;
}

bool esp_get_status(const struct esp *esp, unsigned i, struct esp_sa_status *status)
{
	const struct esp_sa *sa;

	if (i >= esp->n)
		return false;
	sa = esp->sa[i];
	*status = (struct esp_sa_status){
		.suite = sa->suite,
		.spi_in = sa->in.spi,
		.spi_out = sa->out.spi,
		.in_use = sa == esp->current,
		.installed_at = sa->installed_at,
		.in = sa->in.count,
		.out = sa->out.count,
	};
	return true;
}

void esp_get_totals(const struct esp *esp, struct esp_counters *in, struct esp_counters *out)
{
	*in = esp->in;
	*out = esp->out;
	for (unsigned i = 0; i < esp->n; i++) {
		add(in, &esp->sa[i]->in.count);
		add(out, &esp->sa[i]->out.count);
	}
}

size_t esp_payload_max(const struct esp_suite *suite, size_t room)
{
	enum { UDP_HDR = 8, TRAILER = 2 };
	size_t around = CRYPTO_ESP_HEAD + esp_iv_len(suite) + suite->icv_len;
	size_t text = room > around ? room - around : 0;

	text -= text % esp_align(suite);
	return text > UDP_HDR + TRAILER ? text - UDP_HDR - TRAILER : 0;
}

#include "esp/esp_crypt.h"

#include <assert.h>

enum {
	UDP_HDR = 8,
	TRAILER = 2, /* pad length, next header */
	IV_MAX = 16,
	PROTO_UDP = 17,
	PROTO_NONE = 59, /* a dummy packet: RFC 4303, 2.6 */
};

/* How often an SA tries whether a shorter ICV would have been right. */
enum { TRUNCATION_TRIES = 64, TRUNCATED_ICV = 12 };

static void count(struct esp_sa *sa, struct esp_half_sa *half, size_t octets, uint32_t seq)
{
	half->count.packets++;
	half->count.octets += octets;
	if (seq >= ESP_SEQ_SOON /* check: esp-rekey-sequence */ ||
		(sa->suite.cipher == ESP_3DES &&
			half->count.octets >= ESP_OCTETS_SOON_3DES) /* check: esp-rekey-volume */)
		esp_raise(&sa->face, ESP_EV_EXHAUSTED);
}

/* ---- sealing ---- */

/* One's complement sum of big endian words, two at a time: modulo 65535 it is the same. RFC 1071. */
static uint64_t add_words(uint64_t sum, struct slice s)
{
	struct rd r = rd_of(s);
	uint8_t last[4] = {0};

	while (rd_left(&r) >= 4)
		sum += get_u32(rd_take(&r, 4).p);
	rd_copy(&r, last, rd_left(&r));
	return sum + get_u32(last);
}

/* Of a UDP packet whose checksum field is 0; IPv6 forbids 0 as the result. RFC 8200, 8.1. */
static uint16_t udp6_checksum(const struct esp_sa *sa, struct slice udp)
{
	uint64_t sum = PROTO_UDP + udp.n;

	sum = add_words(sum, ip_slice(&sa->local));
	sum = add_words(sum, ip_slice(&sa->remote));
	sum = add_words(sum, udp);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0xffff : (uint16_t)~sum;
}

/* What does not fit the length field finds no room for its SPI either. */
static_assert(PKT_LARGE <= UINT16_MAX + 1, "a buffer holds more than a UDP packet");

static bool put_udp(const struct esp_sa *sa, struct pkt *p)
{
	size_t len = p->len + UDP_HDR;
	uint8_t *at = pkt_push(p, UDP_HDR);

	if (!at)
		return false;
	put_u16(at, sa->local_port);
	put_u16(at + 2, sa->remote_port);
	put_u16(at + 4, (uint16_t)len);
	put_u16(at + 6, 0); /* IPv4: none, the ICV protects it, and NAT would have made it wrong */
	if (sa->local.family == FAMILY_IPV6)
		put_u16(at + 6, udp6_checksum(sa, pkt_slice(p)));
	return true;
}

/* Padding, trailer, and room for the ICV. RFC 4303, 2.4. */
static bool put_trailer(const struct esp_sa *sa, struct pkt *p)
{
	size_t align = esp_align(&sa->suite);
	size_t pad = (align - (p->len + TRAILER) % align) % align;
	uint8_t *at = pkt_put(p, pad + TRAILER + sa->suite.icv_len);

	if (!at)
		return false;
	struct wr w = wr_of(at, pad + TRAILER);
	for (uint8_t i = 1; i <= pad; i++)
		wr_u8(&w, i);
	wr_u8(&w, (uint8_t)pad);
	wr_u8(&w, PROTO_UDP);
	return true;
}

/* SPI, sequence number and IV. The IV of GCM is the sequence number: unique under the key, which is
 * all it has to be (RFC 4106, 3.1). That of CBC must be unpredictable (RFC 3602, 3). */
static bool put_head(struct esp_sa *sa, struct pkt *p, struct slice random)
{
	size_t n = CRYPTO_ESP_HEAD + esp_iv_len(&sa->suite);
	uint8_t *at = pkt_push(p, n);

	if (!at)
		return false;
	struct wr w = wr_of(at, n);
	sa->seq++;
	wr_u32(&w, sa->spi_out);
	wr_u32(&w, sa->seq);
	if (sa->suite.cipher == ESP_AES_GCM)
		wr_u64(&w, sa->seq);
	else
		wr_put(&w, random);
	return true;
}

/* Everything around one packet, in the clear; false and counted when it cannot be sent. */
static bool frame(struct esp_sa *sa, struct pkt *p, struct slice random)
{
	if (sa->seq == UINT32_MAX) { /* check: esp-sequence-end */
		sa->out.count.exhausted++;
		return false;
	}
	if (!put_udp(sa, p) || !put_trailer(sa, p) || !put_head(sa, p, random)) {
		sa->out.count.no_room++;
		return false;
	}
	return true;
}

void esp_seal(struct esp_sa *sa, const struct env *env, struct pktq *in, struct pktq *down)
{
	size_t iv_len = esp_iv_len(&sa->suite), n = 0;
	size_t todo = in->count < PKT_BATCH ? in->count : PKT_BATCH;
	struct crypto_esp_job jobs[PKT_BATCH];
	struct pkt *pkts[PKT_BATCH];
	uint8_t random[PKT_BATCH * IV_MAX];
	struct rd ivs = rd_of(slice(random, todo * iv_len));

	/* One call: it is a system call in real life. */
	if (sa->suite.cipher != ESP_AES_GCM)
		env_random(env, random, todo * iv_len);
	while (todo-- > 0) {
		struct pkt *p = pktq_take(in);

		if (!frame(sa, p, rd_take(&ivs, iv_len))) {
			pkt_free(p);
			continue;
		}
		pkts[n] = p;
		jobs[n++] = (struct crypto_esp_job){.packet = p->data, .len = p->len};
	}
	crypto_esp_seal(sa->out.crypto, jobs, n);
	for (size_t i = 0; i < n; i++) {
		if (jobs[i].result != CRYPTO_ESP_OK) {
			sa->out.count.malformed++;
			pkt_free(pkts[i]);
			continue;
		}
		count(sa, &sa->out, pkts[i]->len, sa->seq);
		pkts[i]->lane = sa->lane;
		pktq_put(down, pkts[i]);
	}
}

/* ---- opening ---- */

static uint32_t seq_of(const struct pkt *p)
{
	struct rd r = rd_of(pkt_slice(p));

	rd_skip(&r, 4);
	return rd_u32(&r);
}

/* Could the peer cut SHA2-256 to 96 bits instead of 128, as old kernels do? */
static bool may_truncate(const struct esp_sa *sa)
{
	return sa->suite.cipher != ESP_AES_GCM && sa->suite.auth == HASH_SHA256 &&
	       sa->suite.icv_len > TRUNCATED_ICV;
}

/* Then the packet is four octets too short, which fits no AES block. */
static bool is_truncated_length(const struct esp_sa *sa, const struct pkt *p)
{
	size_t around = CRYPTO_ESP_HEAD + esp_iv_len(&sa->suite) + TRUNCATED_ICV;

	return p->len > around && (p->len - around) % esp_align(&sa->suite) == 0;
}

static void count_bad_icv(struct esp_sa *sa, const struct pkt *p)
{
	if (may_truncate(sa) &&
		sa->in.count.icv_bad < TRUNCATION_TRIES /* check: esp-truncation-tries */ &&
		crypto_esp_icv_fits(sa->in.crypto, p->data, p->len, TRUNCATED_ICV))
		sa->in.count.truncated_icv_would_fit++;
	sa->in.count.icv_bad++;
}

/* The padding counts 1, 2, 3, ...: RFC 4303, 2.4. */
static bool is_padding(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != i + 1)
			return false;
	return true;
}

/* Cut padding and trailer off the decrypted text. */
static bool strip_trailer(struct pkt *p, uint8_t *next_header)
{
	struct rd text = rd_of(pkt_slice(p)), end = text;
	size_t pad;

	if (p->len < TRAILER)
		return false;
	rd_skip(&end, p->len - TRAILER);
	pad = rd_u8(&end);
	*next_header = rd_u8(&end);
	if (p->len - TRAILER < pad)
		return false;
	rd_skip(&text, p->len - TRAILER - pad);
	return is_padding(rd_take(&text, pad)) /* check: esp-padding */ &&
	       pkt_trim(p, p->len - TRAILER - pad);
}

/* The checksum is not looked at: NAT made it wrong, and the ICV says more. What stands behind the
 * UDP packet is padding against traffic analysis (RFC 4303, 2.7). */
static bool strip_udp(const struct esp_sa *sa, struct pkt *p)
{
	struct rd r = rd_of(pkt_slice(p));
	uint16_t from = rd_u16(&r), to = rd_u16(&r), len = rd_u16(&r);

	rd_skip(&r, 2);
	return !r.bad && (from == sa->remote_port || from == L2TP_PORT) /* check: esp-udp-from */ &&
	       to == sa->local_port /* check: esp-udp-to */ &&
	       pkt_trim(p, len) /* check: esp-udp-length */ &&
	       pkt_pull(p, UDP_HDR) /* check: esp-udp-header */;
}

/* Takes an authentic, decrypted packet. */
static void deliver(struct esp_sa *sa, struct pkt *p, struct pktq *up)
{
	size_t octets = p->len;
	uint8_t next_header = 0;
	bool ok = pkt_pull(p, CRYPTO_ESP_HEAD + esp_iv_len(&sa->suite)) &&
		  pkt_trim(p, p->len - sa->suite.icv_len) && strip_trailer(p, &next_header);

	if (ok && next_header == PROTO_UDP /* check: esp-next-header */ && strip_udp(sa, p)) {
		count(sa, &sa->in, octets, sa->replay.top);
		pktq_put(up, p);
		return;
	}
	if (ok && next_header == PROTO_NONE)
		count(sa, &sa->in, octets, sa->replay.top);
	else
		sa->in.count.malformed++;
	pkt_free(p);
}

/* Why a packet was not opened; counted. */
static void refuse(struct esp_sa *sa, const struct pkt *p, enum crypto_esp_result result)
{
	if (result == CRYPTO_ESP_FORGED || (may_truncate(sa) && is_truncated_length(sa, p)))
		count_bad_icv(sa, p);
	else
		sa->in.count.malformed++;
}

/* The packets whose sequence number is new become jobs; returns how many. */
static size_t admit(
	struct esp_sa *sa, struct pktq *in, struct pkt **pkts, struct crypto_esp_job *jobs)
{
	size_t n = 0;

	while (n < PKT_BATCH && in->head) {
		struct pkt *p = pktq_take(in);

		if (p->len < CRYPTO_ESP_HEAD) { /* check: esp-head-length */
			sa->in.count.malformed++;
			pkt_free(p);
		} else if (!esp_replay_is_new(
				   &sa->replay, seq_of(p))) { /* check: esp-replay-before */
			sa->in.count.replayed++;
			pkt_free(p);
		} else {
			pkts[n] = p;
			jobs[n++] = (struct crypto_esp_job){.packet = p->data, .len = p->len};
		}
	}
	return n;
}

bool esp_open(struct esp_sa *sa, struct pktq *in, struct pktq *up)
{
	struct crypto_esp_job jobs[PKT_BATCH];
	struct pkt *pkts[PKT_BATCH];
	size_t n = admit(sa, in, pkts, jobs);
	bool authentic = false;

	crypto_esp_open(sa->in.crypto, jobs, n);
	for (size_t i = 0; i < n; i++) {
		if (jobs[i].result != CRYPTO_ESP_OK) { /* check: esp-authentic */
			refuse(sa, pkts[i], jobs[i].result);
			pkt_free(pkts[i]);
		} else if (!esp_replay_accept(
				   &sa->replay, seq_of(pkts[i]))) { /* check: esp-replay-after */
			/* twice in this batch, or the batch has left it behind */
			sa->in.count.replayed++;
			pkt_free(pkts[i]);
		} else {
			authentic = true;
			esp_raise(&sa->face, ESP_EV_FIRST_IN);
			deliver(sa, pkts[i], up);
		}
	}
	return authentic;
}

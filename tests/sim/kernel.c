#include "tests/sim/kernel.h"

#include <errno.h>
#include <stdlib.h>

#include "esp/esp_plane.h"
#include "l2tp/l2tp_data.h"
#include "ppp/ppp_frame.h"

struct kernel {
	struct esp plane; /* what the stack sees; first */
	struct esp *sas;  /* NULL: no attempt is under way */
	msec last_in;
	bool refuses;
	struct l2tp_status session; /* up: the kernel has it */
};

/* ---- the plane: SAs go into the kernel, L2TP passes by ---- */

static struct esp *sas(const struct esp *plane)
{
	return ((const struct kernel *)plane)->sas;
}

static int plane_install(struct esp *esp, const struct sa_pair *pair, msec now)
{
	if (((const struct kernel *)esp)->refuses)
		return -ENOBUFS;
	return esp_install(sas(esp), pair, now);
}

static void plane_use(struct esp *esp, uint32_t spi_in)
{
	esp_use(sas(esp), spi_in);
}

static void plane_drop(struct esp *esp, uint32_t spi_in)
{
	esp_drop(sas(esp), spi_in);
}

static bool plane_has_spi(const struct esp *esp, uint32_t spi_in)
{
	const struct esp *in = sas(esp);

	return in->ops->has_spi(in, spi_in);
}

/* Of LANE_L2TP only: anything else did not come through the kernel. */
static void plane_recv(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		if (p->lane != LANE_L2TP) {
			pkt_free(p);
			continue;
		}
		((struct kernel *)esp)->last_in = now;
		pktq_put(&out->up, p);
	}
}

static void plane_send(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	(void)esp;
	(void)now;
	pktq_for_each (p, in)
		p->lane = LANE_L2TP;
	pktq_join(&out->down, in);
}

static bool plane_next_event(struct esp *esp, struct esp_event *ev)
{
	return esp_next_event(sas(esp), ev);
}

static msec plane_last_in(const struct esp *esp)
{
	return ((const struct kernel *)esp)->last_in;
}

static bool plane_get_status(const struct esp *esp, unsigned i, struct esp_sa_status *status)
{
	return esp_get_status(sas(esp), i, status);
}

static void plane_get_totals(
	const struct esp *esp, struct esp_counters *in, struct esp_counters *out)
{
	esp_get_totals(sas(esp), in, out);
}

/* ---- the kernel ---- */

struct kernel *kernel_new(void)
{
	static const struct esp_ops ops = {
		.install = plane_install,
		.use = plane_use,
		.drop = plane_drop,
		.has_spi = plane_has_spi,
		.recv = plane_recv,
		.send = plane_send,
		.next_event = plane_next_event,
		.last_in = plane_last_in,
		.get_status = plane_get_status,
		.get_totals = plane_get_totals,
	};
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		abort();
	k->plane.ops = &ops;
	return k;
}

void kernel_free(struct kernel *k)
{
	kernel_close(k);
	free(k);
}

struct esp *kernel_open(struct kernel *k, const struct env *env)
{
	kernel_close(k);
	k->plane.env = env;
	k->last_in = 0;
	k->sas = esp_new(env);
	if (!k->sas)
		abort();
	return &k->plane;
}

void kernel_close(struct kernel *k)
{
	esp_free(k->sas);
	k->sas = NULL;
	k->session.up = false;
}

void kernel_take_session(struct kernel *k, const struct l2tp_status *ids)
{
	k->session = *ids;
}

void kernel_refuse(struct kernel *k)
{
	k->refuses = true;
}

bool kernel_has_session(const struct kernel *k)
{
	return k->session.up;
}

/* One L2TP message. */
static void seal(struct kernel *k, struct pkt *p, msec now, struct pktq *down)
{
	struct pktq one = {0};
	struct io io = {0};

	pktq_put(&one, p);
	esp_send(k->sas, &one, now, &io);
	pktq_join(down, &io.down);
}

static void send_frame(struct kernel *k, struct pkt *p, msec now, struct pktq *down)
{
	struct l2tp_data d = {.tunnel = k->session.peer_tunnel, .session = k->session.peer_session};

	if (k->session.up && l2tp_data_push(p, &d))
		seal(k, p, now, down);
	else
		pkt_free(p);
}

void kernel_send(struct kernel *k, struct pktq *down, msec now)
{
	struct pktq sent = {0};

	if (!k->sas)
		return;
	for (struct pkt *p = pktq_take(down); p; p = pktq_take(down)) {
		if (p->lane == LANE_L2TP)
			seal(k, p, now, &sent);
		else if (p->lane == LANE_PPP)
			send_frame(k, p, now, &sent);
		else
			pktq_put(&sent, p);
	}
	*down = sent;
}

void kernel_route(struct kernel *k, struct pktq *ip, struct pktq *down, msec now)
{
	for (struct pkt *p = pktq_take(ip); p; p = pktq_take(ip)) {
		uint8_t *header = pkt_push(p, PPP_HEADER);

		if (!header)
			abort();
		put_u16(header, 0xff03);
		put_u16(header + 2, PPP_IPV4);
		send_frame(k, p, now, down);
	}
}

/* A data message of the session is a frame, or a packet for the users. */
static void deliver(struct kernel *k, struct pkt *p, struct pktq *in, struct pktq *ip)
{
	struct l2tp_data d;
	struct slice info;
	uint16_t protocol;

	p->lane = LANE_L2TP;
	if (!k->session.up || !l2tp_data_strip(p, &d)) {
		pktq_put(in, p);
	} else if (d.tunnel != k->session.tunnel || d.session != k->session.session ||
		   !ppp_frame_parse(pkt_slice(p), &protocol, &info)) {
		pkt_free(p);
	} else if (protocol == PPP_IPV4) {
		pkt_pull(p, p->len - info.n);
		pktq_put(ip, p);
	} else {
		p->lane = LANE_PPP;
		pktq_put(in, p);
	}
}

void kernel_recv(struct kernel *k, struct pktq *in, struct pktq *ip, msec now)
{
	struct pktq left = {0};

	if (!k->sas)
		return;
	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		struct pktq one = {0};
		struct io io = {0};
		bool is_esp = p->lane == LANE_RAW ||
			      (p->lane == LANE_NATT && p->len >= 8 && get_u32(p->data) != 0);

		if (!is_esp) {
			pktq_put(&left, p);
			continue;
		}
		pktq_put(&one, p);
		esp_recv(k->sas, &one, now, &io);
		for (p = pktq_take(&io.up); p; p = pktq_take(&io.up))
			deliver(k, p, &left, ip);
	}
	*in = left;
}

#include "tests/sim/kernel.h"

#include <errno.h>
#include <stdlib.h>

#include "esp/esp_plane.h"
#include "l2tp/l2tp_data.h"
#include "ppp/ppp_frame.h"

struct kernel {
	struct esp plane; /* what the stack sees; first */
	struct esp *sas;  /* NULL: no attempt is under way */
	bool refuses;
	struct l2tp_status session; /* up: the kernel has it */
};

/* ---- the plane: SAs go into the kernel, L2TP passes by ---- */

static struct esp *sas(const struct esp *plane)
{
	return ((const struct kernel *)plane)->sas;
}

static int plane_install(struct esp *esp, const struct sa_pair *pair, struct esp_pair **kept)
{
	if (((const struct kernel *)esp)->refuses)
		return -ENOBUFS;
	int rc = esp_install(sas(esp), pair, 0);
	if (rc != 0)
		return rc;
	*kept = calloc(1, sizeof(**kept));
	if (!*kept)
		abort();
	return 0;
}

static void plane_use(struct esp *esp, struct esp_pair *pair)
{
	esp_use(sas(esp), pair->spi_in);
	esp->current = pair;
}

static void plane_drop(struct esp *esp, struct esp_pair *pair)
{
	esp_drop(sas(esp), pair->spi_in);
	free(pair);
}

/* Of LANE_L2TP only: anything else did not come through the kernel. */
static void plane_recv(struct esp *esp, struct pktq *in, msec now, struct io *out)
{
	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		if (p->lane != LANE_L2TP) {
			pkt_free(p);
			continue;
		}
		esp->last_in = now;
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

static void plane_get_status(
	const struct esp *esp, const struct esp_pair *pair, struct esp_sa_status *status)
{
	struct esp_sa_status is;

	for (unsigned i = 0; esp_get_status(sas(esp), i, &is); i++)
		if (is.spi_in == pair->spi_in) {
			status->suite = is.suite;
			status->spi_out = is.spi_out;
			status->in = is.in;
			status->out = is.out;
		}
}

/* What happened to its SAs is news of the plane's. */
static void tell(struct kernel *k)
{
	struct esp_event ev;

	while (esp_next_event(k->sas, &ev))
		esp_raise(esp_pair_find(&k->plane, ev.spi_in), ev.kind);
}

/* ---- the kernel ---- */

struct kernel *kernel_new(void)
{
	static const struct esp_ops ops = {
		.install = plane_install,
		.use = plane_use,
		.drop = plane_drop,
		.recv = plane_recv,
		.send = plane_send,
		.get_status = plane_get_status,
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
	k->plane = (struct esp){.ops = k->plane.ops, .env = env};
	k->sas = esp_new(env);
	if (!k->sas)
		abort();
	return &k->plane;
}

void kernel_close(struct kernel *k)
{
	while (k->plane.n)
		esp_drop(&k->plane, k->plane.pair[0]->spi_in);
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

void kernel_raise(struct kernel *k, enum esp_event_kind kind)
{
	esp_raise(k->plane.current, kind);
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
	tell(k);
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
		tell(k);
		for (p = pktq_take(&io.up); p; p = pktq_take(&io.up))
			deliver(k, p, &left, ip);
	}
	*in = left;
}

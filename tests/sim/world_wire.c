#define _GNU_SOURCE /* memmem() */
#include <stdlib.h>
#include <string.h>

#include "ike/ike_msg.h"
#include "ike/ike_natt.h"
#include "tests/sim/world_priv.h"

enum {
	ECHO_OCTETS = 84,
	IP_HEADER = 20,
	AT_PROTOCOL = 9,
	AT_SOURCE = 12,
	AT_TARGET = 16,
	AT_TYPE = IP_HEADER,
	AT_SEQ = IP_HEADER + 6,
	ECHO_REPLY = 0,
	ECHO_REQUEST = 8,
};

const char *world_action_name(enum world_action action)
{
	static const char *const names[DO_ACTIONS] = {
		[DO_NOTHING] = "nothing",
		[DO_ANSWER] = "answer",
		[DO_RESTART] = "the gateway restarts",
		[DO_GATEWAY_REKEY] = "the gateway rekeys",
		[DO_DELETE_ESP] = "the gateway deletes its ESP pairs",
		[DO_DELETE_IKE] = "the gateway deletes its IKE SA",
		[DO_STOP_L2TP] = "the gateway stops the tunnel",
		[DO_CUT] = "cut",
		[DO_HEAL] = "healed",
		[DO_QUIET] = "faults end",
		[DO_REBIND] = "rebind",
		[DO_FORGE] = "forged packets",
		[DO_NOTICE] = "a forged notice",
		[DO_CLOSE] = "the user disconnects",
		[DO_CANCEL] = "the user cancels",
		[DO_RENEW] = "the network has changed",
		[DO_SILENCE] = "the gateway's ESP falls silent",
		[DO_NET_ERROR] = "an ICMP error",
	};

	return names[action];
}

/* ---- what must hold on the wire ---- */

static bool contains(struct slice octets, struct slice what)
{
	return what.n && memmem(octets.p, octets.n, what.p, what.n);
}

static void check_secrets(struct world *w, struct slice octets)
{
	const struct ppp_conf *ppp = &w->conf.client.stack.ppp;
	struct slice typed = slice_str(w->conf.typed);
	uint8_t wide[128];

	for (size_t i = 0; i < typed.n && i < sizeof(wide) / 2; i++) {
		wide[2 * i] = typed.p[i];
		wide[2 * i + 1] = 0;
	}
	if (contains(octets, w->conf.client.stack.ike.psk))
		world_wrong(w, "the pre-shared key leaves in clear");
	if (contains(octets, typed) || contains(octets, ppp->password) ||
		contains(octets, slice(wide, typed.n < 64 ? 2 * typed.n : sizeof(wide))))
		world_wrong(w, "the password leaves in clear");
	if (contains(octets, ppp->user))
		world_wrong(w, "the user name leaves in clear");
}

static void check_is_isakmp(struct world *w, struct slice message)
{
	struct ike_hdr hdr;

	if (!ike_hdr_parse(message, &hdr))
		world_wrong(w, "%zu octets for IKE that are no ISAKMP message", message.n);
	else if (hdr.exchange != IKE_MAIN && !(hdr.flags & IKE_ENCRYPTED))
		world_wrong(w, "exchange %u in clear", hdr.exchange);
}

static void check_is_esp(struct world *w, const struct pkt *p)
{
	enum { LEAST = 8 + 8 + 4 + 12 };

	if (p->len < LEAST)
		world_wrong(w, "%zu octets on lane %d are no ESP", p->len, p->lane);
	else if (!gateway_handed_out(w->gateway, get_u32(p->data)))
		world_wrong(w, "ESP with SPI %08x, which the gateway never gave", get_u32(p->data));
}

/* Nothing in clear: what is not ISAKMP or a keepalive is ESP on an SPI of the gateway's. */
static void check_client_packet(struct world *w, const struct pkt *p)
{
	static const uint8_t keepalive[] = {0xff};
	struct slice octets = pkt_slice(p);

	check_secrets(w, octets);
	if (p->len > 1500 - 28)
		world_wrong(w, "%zu octets do not fit the path", p->len);
	switch (p->lane) {
	case LANE_IKE:
		check_is_isakmp(w, octets);
		break;
	case LANE_NATT:
		if (slice_equal(octets, slice(keepalive, 1)))
			break;
		if (p->len > 4 && get_u32(p->data) == 0)
			check_is_isakmp(w, slice(octets.p + 4, octets.n - 4));
		else
			check_is_esp(w, p);
		break;
	case LANE_RAW:
		check_is_esp(w, p);
		break;
	case LANE_L2TP:
	case LANE_PPP:
		world_wrong(w, "L2TP in clear");
		break;
	case LANES:
		break;
	}
}

/* The gateway has seen IKE and a pair of this attempt come up. */
static bool is_protected(const struct world *w)
{
	struct gateway_status st;

	gateway_get_status(w->gateway, &st);
	return st.main_modes > 0 && st.quick_modes > w->quick_modes_before;
}

void check_secret_is_due(struct world *w)
{
	if (!is_protected(w))
		world_wrong(w, "the password is asked for before IPsec is up");
}

void check_proof(struct world *w)
{
	struct gateway_status st;

	gateway_get_status(w->gateway, &st);
	if (w->conf.never_up)
		world_wrong(w, "up, with a gateway that cannot prove itself");
	if (!is_protected(w))
		world_wrong(w, "up without IPsec");
	if (st.logins <= w->logins_before || !st.password_seen)
		world_wrong(w, "up, and the gateway has not seen the password proven");
}

/* ---- sending ---- */

static void keep(struct world *w, const struct pkt *p)
{
	struct pkt *copy = pkt_of(w->host->pool, pkt_slice(p));
	unsigned i =
		w->n_kept < WORLD_KEPT ? w->n_kept++ : (unsigned)sim_random(w->sim, WORLD_KEPT);

	if (!copy)
		abort();
	copy->lane = p->lane;
	pkt_free(w->kept[i]);
	w->kept[i] = copy;
}

/* A packet enters the network. */
static void enters(struct world *w, enum sim_end towards, const struct pkt *p)
{
	keep(w, p);
	if (w->tap)
		w->tap(w->tap_ctx, towards, p);
}

void world_send_client(struct world *w, struct io *out)
{
	kernel_send(w->kernel, &out->down, world_now(w));
	for (struct pkt *p = pktq_take(&out->down); p; p = pktq_take(&out->down)) {
		struct addr to = {w->remote, p->lane == LANE_IKE ? 500 : 4500};

		check_client_packet(w, p);
		enters(w, SIM_GATEWAY, p);
		w->client_sent++;
		if (!w->sockets || !ip_equal(&to.ip, &w->conf.gateway.addr[LANE_IKE].ip) ||
			w->conf.unreachable || (w->conf.drops_raw && p->lane == LANE_RAW))
			pkt_free(p);
		else
			sim_send(w->sim, SIM_GATEWAY, p, &w->local[p->lane], &to);
		if (w->conf.unreachable)
			world_at(w, 1, DO_NET_ERROR, 0);
	}
}

static void from_gateway_down(struct world *w, struct pktq *down)
{
	for (struct pkt *p = pktq_take(down); p; p = pktq_take(down)) {
		struct addr to = gateway_client(w->gateway, p->lane);

		enters(w, SIM_CLIENT, p);
		sim_send(w->sim, SIM_CLIENT, p, &w->conf.gateway.addr[p->lane], &to);
	}
}

/* ---- pings ---- */

static struct pkt *echo(
	struct world *w, uint8_t type, const struct ip *from, const struct ip *to, uint16_t seq)
{
	struct pkt *p = pkt_new(w->host->pool, ECHO_OCTETS);

	if (!p)
		abort();
	struct wr out = pkt_wr(p);
	wr_u32(&out, 0x45000000 | ECHO_OCTETS);
	wr_u32(&out, (uint32_t)seq << 16);
	wr_u32(&out, 0x40010000);
	wr_put(&out, ip_slice(from));
	wr_put(&out, ip_slice(to));
	wr_u32(&out, (uint32_t)type << 24);
	wr_u32(&out, 0x76700000u | seq);
	for (unsigned i = IP_HEADER + 8; i < ECHO_OCTETS; i++)
		wr_u8(&out, (uint8_t)(i * seq));
	pkt_wrote(p, &out);
	return p;
}

static bool mark(uint8_t *bits, uint16_t seq)
{
	bool fresh = !(bits[seq / 8] >> (seq % 8) & 1);

	bits[seq / 8] |= (uint8_t)(1u << (seq % 8));
	return fresh;
}

/* An IP packet came out of the tunnel at one end; a request is answered with *reply. */
static void take_echo(struct world *w, struct pings *requests, struct pings *replies,
	const struct pkt *p, struct pktq *answers)
{
	if (p->len != ECHO_OCTETS || p->data[AT_PROTOCOL] != 1) {
		world_wrong(w, "%zu octets came out of the tunnel that nobody sent", p->len);
		return;
	}
	struct ip from = ip_of(FAMILY_IPV4, slice(p->data + AT_SOURCE, 4));
	struct ip to = ip_of(FAMILY_IPV4, slice(p->data + AT_TARGET, 4));
	uint16_t seq = get_u16(p->data + AT_SEQ);
	uint8_t type = p->data[AT_TYPE];
	struct pkt *want = echo(w, type, &from, &to, seq);

	if (!slice_equal(pkt_slice(p), pkt_slice(want)))
		world_wrong(w, "ping %u came out of the tunnel changed", seq);
	pkt_free(want);
	struct pings *pings = type == ECHO_REQUEST ? requests : replies;
	if (!mark(type == ECHO_REQUEST ? pings->seen : pings->back, seq))
		world_wrong(w, "ping %u came out of the tunnel twice", seq);
	if (type == ECHO_REQUEST) {
		pings->arrived++;
		pktq_put(answers, echo(w, ECHO_REPLY, &to, &from, seq));
	} else {
		pings->answered++;
	}
}

static void into_tunnel(struct world *w, struct pktq *ip)
{
	struct io out = {0};

	if (!ip->head)
		return;
	if (kernel_has_session(w->kernel))
		kernel_route(w->kernel, ip, &out.down, world_now(w));
	else
		conn_send(w->conn, ip, world_now(w), &out);
	world_from_client(w, &out);
}

static void into_gateway(struct world *w, struct pktq *ip)
{
	struct io out = {0};

	if (!ip->head)
		return;
	gateway_send(w->gateway, ip, world_now(w), &out);
	world_from_gateway(w, &out);
}

void world_client_host(struct world *w, struct pktq *ip)
{
	struct pktq answers = {0};

	for (struct pkt *p = pktq_take(ip); p; p = pktq_take(ip)) {
		/* Before the interface is made there is nobody to take it. */
		if (w->up)
			take_echo(w, &w->in, &w->out, p, &answers);
		pkt_free(p);
	}
	if (w->out.answered && !w->first_reply)
		w->first_reply = world_now(w);
	into_tunnel(w, &answers);
}

void world_from_gateway(struct world *w, struct io *out)
{
	struct pktq answers = {0};

	from_gateway_down(w, &out->down);
	for (struct pkt *p = pktq_take(&out->up); p; p = pktq_take(&out->up)) {
		take_echo(w, &w->out, &w->in, p, &answers);
		pkt_free(p);
	}
	into_gateway(w, &answers);
}

void world_ping(struct world *w)
{
	struct pktq client = {0}, gateway = {0};
	uint16_t out = (uint16_t)w->out.sent++, in = (uint16_t)w->in.sent++;

	w->ping_due = w->conf.ping_every ? world_now(w) + w->conf.ping_every : MSEC_NEVER;
	w->out.seen[out / 8] &= (uint8_t) ~(1u << (out % 8));
	w->out.back[out / 8] &= (uint8_t) ~(1u << (out % 8));
	w->in.seen[in / 8] &= (uint8_t) ~(1u << (in % 8));
	w->in.back[in / 8] &= (uint8_t) ~(1u << (in % 8));
	pktq_put(&client, echo(w, ECHO_REQUEST, &w->address, &w->conf.gateway.own, out));
	pktq_put(&gateway, echo(w, ECHO_REQUEST, &w->conf.gateway.own, &w->address, in));
	into_tunnel(w, &client);
	into_gateway(w, &gateway);
}

/* ---- forgers ---- */

/* In the clear, under the right cookies: an error or a delete that nobody proved. */
static struct pkt *forged_notice(struct world *w, const struct pkt *seen)
{
	static const uint16_t types[] = {IKE_NO_PROPOSAL_CHOSEN, IKE_PAYLOAD_MALFORMED,
		IKE_INVALID_ID_INFORMATION, IKE_INVALID_HASH_INFORMATION,
		IKE_AUTHENTICATION_FAILED};
	size_t at = seen->lane == LANE_NATT ? 4 : 0;
	struct slice s = pkt_slice(seen);
	struct ike_hdr hdr;
	struct ike_build b;
	uint8_t buf[128];

	if (s.n < at || !ike_hdr_parse(slice(s.p + at, s.n - at), &hdr))
		return NULL;
	hdr.exchange = IKE_INFO;
	hdr.flags = 0;
	hdr.id = (uint32_t)sim_random(w->sim, UINT32_MAX);
	ike_build_open(&b, buf, sizeof(buf), &hdr);
	if (sim_chance(w->sim, 500)) {
		uint8_t cookies[2 * IKE_COOKIE];

		memcpy(cookies, hdr.cookie_i, IKE_COOKIE);
		memcpy(cookies + IKE_COOKIE, hdr.cookie_r, IKE_COOKIE);
		ike_put_delete(
			&b, IKE_PROTO_ISAKMP, sizeof(cookies), slice(cookies, sizeof(cookies)));
	} else {
		ike_put_notify(&b, IKE_PROTO_ISAKMP, types[sim_random(w->sim, 5)], slice(NULL, 0),
			slice(NULL, 0));
	}
	struct pkt *p = pkt_of(w->host->pool, ike_build_close(&b));
	if (!p)
		abort();
	p->lane = seen->lane;
	if (at && !natt_mark(p))
		abort();
	return p;
}

static void inject(struct world *w, enum sim_end towards, struct pkt *p)
{
	struct addr ours = gateway_client(w->gateway, p->lane),
		    theirs = w->conf.gateway.addr[p->lane];

	if (towards == SIM_CLIENT)
		sim_send(w->sim, towards, p, &theirs, &ours);
	else
		sim_send(w->sim, towards, p, &w->local[p->lane], &theirs);
}

void world_forge_notice(struct world *w)
{
	for (int end = 0; end < SIM_ENDS && w->n_kept; end++) {
		struct pkt *p = forged_notice(w, w->kept[w->n_kept - 1]);

		if (p)
			inject(w, (enum sim_end)end, p);
	}
}

/* Something seen, again or changed; or a notice. */
void world_forge(struct world *w)
{
	for (int end = 0; end < SIM_ENDS && w->n_kept; end++) {
		const struct pkt *seen = w->kept[sim_random(w->sim, w->n_kept)];
		struct pkt *p = sim_chance(w->sim, 300) ? forged_notice(w, seen)
							: pkt_of(w->host->pool, pkt_slice(seen));

		if (!p)
			continue;
		p->lane = seen->lane;
		if (p->len > 8 && sim_chance(w->sim, 600))
			p->data[8 + sim_random(w->sim, p->len - 8)] ^=
				(uint8_t)(1 + sim_random(w->sim, 255));
		inject(w, (enum sim_end)end, p);
	}
}

/* PAP, where the file allows it: the password in clear, inside IPsec only. RFC 1334, 2. */
#include "ppp/ppp_priv.h"

static const uint8_t option[] = {0xc0, 0x23};

static void send_request(struct ppp *p)
{
	uint8_t octets[2 + 2 * UINT8_MAX];
	struct wr w = wr_of(octets, sizeof(octets));
	struct slice user = p->conf.user, password = auth_password(p);

	if (user.n > UINT8_MAX /* check: pap-user-length */ ||
		password.n > UINT8_MAX /* check: pap-password-length */) {
		ppp_fail(p, REASON_CONFIG, "user name or password is longer than PAP's 255 octets");
		return;
	}
	wr_u8(&w, (uint8_t)user.n);
	wr_put(&w, user);
	wr_u8(&w, (uint8_t)password.n);
	wr_put(&w, password);
	ppp_send_packet(p, PPP_PAP, PAP_REQUEST, p->auth.pap_id, wr_slice(&w));
	wipe(octets, sizeof(octets)); /* check: pap-wipe */
}

/* Repeated like any request, but as patient as every authentication: behind the server a person
 * may have to press a button. */
static void ready(struct ppp *p)
{
	msec ends = p->auth.wait.ends;

	retry_start(&p->auth.wait, PATIENCE_EXCHANGE, p->conf.rtt, p->env, p->now);
	p->auth.wait.ends = ends;
	p->auth.pap_id++;
	send_request(p);
}

/* A message with its length in front; some servers leave both out. */
static struct slice message(struct slice data)
{
	struct rd r = rd_of(data);

	return rd_take(&r, rd_u8(&r));
}

static void recv(struct ppp *p, struct slice info)
{
	struct ppp_packet packet;

	if (!ppp_packet_parse(info, &packet)) {
		p->bad++;
		return;
	}
	ppp_log_packet(p, "in", "pap", packet.code, packet.id, packet.data);
	if (p->auth.done /* check: pap-done */ || p->auth.asking /* check: pap-asking */ ||
		packet.id != p->auth.pap_id /* check: pap-id */)
		return;
	if (packet.code == PAP_ACK)
		auth_accepted(p, message(packet.data));
	else if (packet.code == PAP_NAK)
		auth_refused(p, REASON_PPP_AUTH_REFUSED, 0, message(packet.data));
}

const struct auth_method auth_pap = {
	.name = "pap",
	.bit = PPP_AUTH_PAP,
	.option = {option, sizeof(option)},
	.protocol = PPP_PAP,
	.ready = ready,
	.recv = recv,
	.repeat = send_request,
};

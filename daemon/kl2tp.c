#include "daemon/kl2tp.h"

#include <errno.h>
#include <netinet/in.h> /* before the kernel's headers, which give way to it */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_pppox.h>
#include <linux/if_pppol2tp.h>

struct kl2tp {
	int tunnel, session;
};

union pppol2tp_any {
	struct sockaddr sa;
	struct sockaddr_pppol2tp v4;
	struct sockaddr_pppol2tpin6 v6;
};

/* Of the tunnel when the session ids are 0. */
static socklen_t name_of(const struct kl2tp_conf *conf, uint16_t session, uint16_t peer_session,
	union pppol2tp_any *to)
{
	*to = (union pppol2tp_any){0};
	if (conf->remote.ip.family == FAMILY_IPV6) {
		to->v6.sa_family = AF_PPPOX;
		to->v6.sa_protocol = PX_PROTO_OL2TP;
		to->v6.pppol2tp.fd = conf->udp_fd;
		to->v6.pppol2tp.s_tunnel = conf->tunnel;
		to->v6.pppol2tp.d_tunnel = conf->peer_tunnel;
		to->v6.pppol2tp.s_session = session;
		to->v6.pppol2tp.d_session = peer_session;
		to->v6.pppol2tp.addr.sin6_family = AF_INET6;
		to->v6.pppol2tp.addr.sin6_port = htons(conf->remote.port);
		memcpy(&to->v6.pppol2tp.addr.sin6_addr, conf->remote.ip.b, 16);
		return sizeof(to->v6);
	}
	to->v4.sa_family = AF_PPPOX;
	to->v4.sa_protocol = PX_PROTO_OL2TP;
	to->v4.pppol2tp.fd = conf->udp_fd;
	to->v4.pppol2tp.s_tunnel = conf->tunnel;
	to->v4.pppol2tp.d_tunnel = conf->peer_tunnel;
	to->v4.pppol2tp.s_session = session;
	to->v4.pppol2tp.d_session = peer_session;
	to->v4.pppol2tp.addr.sin_family = AF_INET;
	to->v4.pppol2tp.addr.sin_port = htons(conf->remote.port);
	memcpy(&to->v4.pppol2tp.addr.sin_addr, conf->remote.ip.b, 4);
	return sizeof(to->v4);
}

static int connected(const struct kl2tp_conf *conf, uint16_t session, uint16_t peer_session)
{
	union pppol2tp_any name;
	socklen_t len = name_of(conf, session, peer_session, &name);
	int fd = socket(AF_PPPOX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, PX_PROTO_OL2TP);

	if (fd < 0)
		return -errno;
	if (connect(fd, &name.sa, len) == 0)
		return fd;
	int err = -errno;
	close(fd);
	return err;
}

static int set(int fd, int option, int value)
{
	return setsockopt(fd, SOL_PPPOL2TP, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

int kl2tp_open(const struct kl2tp_conf *conf, struct kl2tp **to)
{
	struct kl2tp *k = malloc(sizeof(*k));

	*to = NULL;
	if (!k)
		return -ENOMEM;
	*k = (struct kl2tp){.tunnel = connected(conf, 0, 0), .session = -1};
	int rc = k->tunnel < 0 ? k->tunnel : 0;
	if (rc == 0) {
		k->session = connected(conf, conf->session, conf->peer_session);
		rc = k->session < 0 ? k->session : 0;
	}
	if (rc == 0 && conf->sequencing)
		rc = set(k->session, PPPOL2TP_SO_SENDSEQ, 1);
	if (rc != 0)
		kl2tp_close(k);
	else
		*to = k;
	return rc;
}

void kl2tp_close(struct kl2tp *k)
{
	if (!k)
		return;
	if (k->session >= 0)
		close(k->session);
	if (k->tunnel >= 0)
		close(k->tunnel);
	free(k);
}

int kl2tp_fd(const struct kl2tp *k)
{
	return k->session;
}

#include "daemon/kppp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ppp-ioctl.h>
#include <linux/ppp_defs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_ROOM = 1600 }; /* control frames are no longer than the MRU */

struct kppp {
	int channel, unit;
	int ifindex;
	char name[IF_NAMESIZE];
};

static int device(void)
{
	int fd = open("/dev/ppp", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int control(int fd, unsigned long what, void *arg)
{
	return ioctl(fd, what, arg) < 0 ? -errno : 0;
}

static int attach_channel(struct kppp *k, int session_fd, uint16_t mru)
{
	int number, size = mru;
	int rc = control(session_fd, PPPIOCGCHAN, &number);

	if (rc != 0)
		return rc;
	k->channel = device();
	if (k->channel < 0)
		return k->channel;
	rc = control(k->channel, PPPIOCATTCHAN, &number);
	return rc == 0 ? control(session_fd, PPPIOCSMRU, &size) : rc;
}

/* The kernel numbers its interfaces; ours has the connection's name before anybody has used it. */
static int rename_unit(struct kppp *k, int number, const char *name)
{
	struct ifreq r = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "ppp%d", number);
	snprintf(r.ifr_newname, sizeof(r.ifr_newname), "%s", name);
	int rc = control(fd, SIOCSIFNAME, &r);
	close(fd);
	if (rc != 0)
		return rc;
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->ifindex = (int)if_nametoindex(name);
	return k->ifindex ? 0 : -errno;
}

static int make_unit(struct kppp *k, const char *name, uint16_t mru)
{
	int number = -1, size = mru;

	k->unit = device();
	if (k->unit < 0)
		return k->unit;
	int rc = control(k->unit, PPPIOCNEWUNIT, &number);
	if (rc == 0)
		rc = rename_unit(k, number, name);
	if (rc == 0)
		rc = control(k->unit, PPPIOCSMRU, &size);
	if (rc == 0)
		kppp_pass(k, false);
	return rc == 0 ? control(k->channel, PPPIOCCONNECT, &number) : rc;
}

int kppp_open(int session_fd, const char *name, uint16_t mru, struct kppp **to)
{
	struct kppp *k = calloc(1, sizeof(*k));

	*to = NULL;
	if (!k)
		return -ENOMEM;
	k->channel = k->unit = -1;
	int rc = attach_channel(k, session_fd, mru);
	if (rc == 0)
		rc = make_unit(k, name, mru);
	if (rc != 0)
		kppp_close(k);
	else
		*to = k;
	return rc;
}

void kppp_close(struct kppp *k)
{
	if (!k)
		return;
	if (k->channel >= 0)
		close(k->channel);
	if (k->unit >= 0)
		close(k->unit);
	free(k);
}

int kppp_channel_fd(const struct kppp *k)
{
	return k->channel;
}

int kppp_unit_fd(const struct kppp *k)
{
	return k->unit;
}

const char *kppp_ifname(const struct kppp *k)
{
	return k->name;
}

int kppp_ifindex(const struct kppp *k)
{
	return k->ifindex;
}

void kppp_pass(struct kppp *k, bool on)
{
	struct npioctl np = {.protocol = PPP_IP, .mode = on ? NPMODE_PASS : NPMODE_DROP};

	ioctl(k->unit, PPPIOCSNPMODE, &np);
}

static int read_some(int fd, struct pkt_pool *pool, struct pktq *out, size_t limit)
{
	int n = 0;

	while ((size_t)n < limit) {
		struct pkt *p = pkt_new_ctl(pool, FRAME_ROOM);
		ssize_t octets = p ? read(fd, p->data, FRAME_ROOM) : -1;

		if (octets <= 0) {
			int err = p && octets < 0 ? errno : ENOMEM;

			pkt_free(p);
			return err == EAGAIN || err == EINTR ? n : -err;
		}
		p->len = (size_t)octets;
		p->lane = LANE_PPP;
		pktq_put(out, p);
		n++;
	}
	return n;
}

int kppp_recv(struct kppp *k, struct pkt_pool *pool, struct pktq *out, size_t limit)
{
	int of_channel = read_some(k->channel, pool, out, limit);

	if (of_channel < 0)
		return of_channel;
	int of_unit = read_some(k->unit, pool, out, limit - (size_t)of_channel);
	return of_unit < 0 ? of_unit : of_channel + of_unit;
}

void kppp_send(struct kppp *k, struct pktq *in)
{
	static const uint8_t all_stations[] = {0xff, 0x03};

	for (struct pkt *p = pktq_take(in); p; p = pktq_take(in)) {
		if (p->len > 2 && memcmp(p->data, all_stations, 2) == 0)
			(void)!pkt_pull(p, 2); /* the kernel puts its own */
		(void)!write(k->channel, p->data, p->len);
		pkt_free(p);
	}
}

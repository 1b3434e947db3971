#include "daemon/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/tun_gso.h"

/* What the device may leave to us. UDP segmentation (Linux 6.2) is newer than some headers. */
enum {
	OFFLOAD_TCP = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
	OFFLOAD_UDP = 0x20 | 0x40, /* TUN_F_USO4, TUN_F_USO6 */
};

enum { MTU_MAX = 65535 };

struct tun {
	int fd;
	int index;
	bool vnet;    /* a virtio_net_hdr stands before each frame */
	bool offload; /* and may say that it is a superpacket */
	size_t mtu;
	char name[TUN_NAME];
	struct tun_counters counters;
	struct gso_frames out;
};

/* ---- names ---- */

/* What every tool takes, shells included; the kernel forbids less, but '%' is its pattern. */
static bool legal_in_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

static bool legal_name(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= TUN_NAME || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!legal_in_name(name[i]))
			return false;
	return true;
}

const char *tun_name(const char *connection, unsigned number, char to[static TUN_NAME])
{
	char digits[11] = "";
	size_t n = (size_t)snprintf(to, TUN_NAME, "vpn-");

	if (number)
		snprintf(digits, sizeof(digits), "%u", number);
	for (; *connection && n < TUN_NAME - 1 - strlen(digits); connection++)
		if (legal_in_name(*connection))
			to[n++] = *connection;
	snprintf(to + n, TUN_NAME - n, "%s", digits);
	return to;
}

/* ---- opening ---- */

/* An ioctl on an interface wants some socket. */
static int interface_ioctl(unsigned long request, struct ifreq *r)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int result = ioctl(fd, request, r) < 0 ? -errno : 0;
	close(fd);
	return result;
}

static struct ifreq request_of(const char *name)
{
	struct ifreq r = {0};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return r;
}

/* Attaching to somebody else's persistent device would succeed, so the name is looked up first. */
static int create(struct tun *t, const struct tun_conf *conf)
{
	struct ifreq r = request_of(conf->name);
	unsigned int features = 0;

	if (interface_ioctl(SIOCGIFINDEX, &r) == 0) /* check: tun-not-taken */
		return -EEXIST;
	if (ioctl(t->fd, TUNGETFEATURES, &features) < 0)
		return -errno;
	t->vnet = !conf->plain && features & IFF_VNET_HDR;
	r = request_of(conf->name);
	r.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | (t->vnet ? IFF_VNET_HDR : 0));
	if (ioctl(t->fd, TUNSETIFF, &r) < 0)
		return errno == EBUSY ? -EEXIST : -errno;
	t->offload = t->vnet && (ioctl(t->fd, TUNSETOFFLOAD, OFFLOAD_TCP | OFFLOAD_UDP) == 0 ||
					ioctl(t->fd, TUNSETOFFLOAD, OFFLOAD_TCP) == 0);
	int result = interface_ioctl(SIOCGIFINDEX, &r);
	if (result < 0)
		return result;
	t->index = r.ifr_ifindex;
	return tun_set_mtu(t, conf->mtu);
}

int tun_open(const struct tun_conf *conf, struct tun **tun)
{
	*tun = NULL;
	if (!legal_name(conf->name))
		return -EINVAL;
	struct tun *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	snprintf(t->name, sizeof(t->name), "%s", conf->name);
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int result = t->fd < 0 ? -errno : create(t, conf);
	if (result < 0)
		tun_close(t);
	else
		*tun = t;
	return result;
}

void tun_close(struct tun *t)
{
	if (!t)
		return;
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}

int tun_set_mtu(struct tun *t, size_t mtu)
{
	struct ifreq r = request_of(t->name);

	if (mtu > MTU_MAX)
		return -EINVAL;
	r.ifr_mtu = (int)mtu;
	int result = interface_ioctl(SIOCSIFMTU, &r);
	if (result == 0)
		t->mtu = mtu;
	return result;
}

/* ---- questions ---- */

int tun_fd(const struct tun *t)
{
	return t->fd;
}

const char *tun_ifname(const struct tun *t)
{
	return t->name;
}

int tun_ifindex(const struct tun *t)
{
	return t->index;
}

bool tun_offload(const struct tun *t)
{
	return t->offload;
}

const struct tun_counters *tun_counters(const struct tun *t)
{
	return &t->counters;
}

/* ---- from the users ---- */

/* Read one frame into buf, from its very beginning. Its octets, 0 when there is none, or -errno. */
static ssize_t read_frame(struct tun *t, struct virtio_net_hdr *vnet, struct pkt *buf)
{
	struct iovec iov[] = {
		{.iov_base = vnet, .iov_len = t->vnet ? sizeof(*vnet) : 0},
		{.iov_base = buf->floor, .iov_len = PKT_LARGE},
	};
	ssize_t n = readv(t->fd, iov, 2);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n - (ssize_t)iov[0].iov_len;
}

static void count_in(struct tun *t, const struct pktq *q)
{
	t->counters.packets_in += q->count;
	pktq_for_each (p, q)
		t->counters.octets_in += p->len;
}

static void split_frame(struct tun *t, const struct virtio_net_hdr *vnet, struct slice frame,
	struct gso_arena *arena, struct pktq *q)
{
	int result = gso_split(vnet, frame, arena, q);

	t->counters.reads++;
	if (result == -EINVAL)
		t->counters.bad_in++;
	else if (result < 0)
		t->counters.no_memory++;
}

int tun_read(struct tun *t, struct pkt_pool *pool, struct pktq *q, size_t limit)
{
	struct gso_arena arena = {.pool = pool};
	struct pkt *buf = pkt_new(pool, PKT_LARGE - PKT_ROOM);
	struct virtio_net_hdr vnet = {0};
	struct pktq got = {0};
	ssize_t n = 0;

	if (!buf) {
		t->counters.no_memory++;
		return 0;
	}
	for (size_t reads = 0; reads < limit && got.count < limit; reads++) {
		n = read_frame(t, &vnet, buf);
		if (n <= 0)
			break;
		split_frame(t, &vnet, slice(buf->floor, (size_t)n), &arena, &got);
	}
	gso_arena_done(&arena);
	pkt_free(buf);
	pktq_for_each (p, &got)
		gso_clamp_mss(p, t->mtu);
	count_in(t, &got);
	int count = (int)got.count;
	pktq_join(q, &got);
	return n < 0 && count == 0 ? (int)n : count;
}

/* ---- to the users ---- */

static void write_frame(struct tun *t, struct gso_frame *f)
{
	struct iovec iov[1 + GSO_JOIN_MAX];
	int pieces = 0;

	if (t->vnet)
		iov[pieces++] = (struct iovec){.iov_base = &f->vnet, .iov_len = sizeof(f->vnet)};
	pktq_for_each (p, &f->pkts)
		iov[pieces++] = (struct iovec){.iov_base = p->data, .iov_len = p->len};
	t->counters.writes++;
	if (writev(t->fd, iov, pieces) < 0) {
		t->counters.failed_out += f->pkts.count;
	} else {
		t->counters.packets_out += f->pkts.count;
		t->counters.octets_out += f->octets;
	}
	pktq_free(&f->pkts);
}

/* Without a virtio_net_hdr every packet is a frame of its own. */
static size_t frames_at_once(const struct tun *t)
{
	return t->vnet ? GSO_FRAMES_MAX : 1;
}

void tun_write(struct tun *t, struct pktq *q)
{
	pktq_for_each (p, q)
		gso_clamp_mss(p, t->mtu);
	while (q->head) {
		gso_merge(&t->out, q, frames_at_once(t));
		for (size_t i = 0; i < t->out.count; i++)
			write_frame(t, &t->out.frame[i]);
	}
	t->counters.bad_out = t->out.malformed;
}

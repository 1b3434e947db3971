/* Clients of the control socket: accepting, rights, buffers, limits, the end. */
#define _GNU_SOURCE /* struct ucred, accept4() */
#include "daemon/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control_priv.h"

enum {
	HALF_MESSAGE = 5000, /* ms to finish a message that was begun */
	ACCEPT_PAUSE = 1000, /* ms, when descriptors ran out: a ready socket must not spin us */
	ACCEPT_WINDOW = 10,  /* ms, in which */
	ACCEPT_MOST = 8,     /* so many come in; the others wait, so that packets do not */
	BACKLOG = 16,
	GROUPS_MAX = 65536, /* the kernel's NGROUPS_MAX */
};

/* ---- who is it ---- */

static bool in_group(int fd, gid_t group)
{
	socklen_t len = 0;
	gid_t *groups;
	bool found = false;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE ||
		len > GROUPS_MAX * sizeof(gid_t))
		return false;
	groups = malloc(len);
	if (groups && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		for (size_t i = 0; i < len / sizeof(gid_t); i++)
			found |= groups[i] == group;
	free(groups);
	return found;
}

/* The primary group is in SO_PEERCRED, the others are in SO_PEERGROUPS only. */
static bool identify(struct client *client)
{
	gid_t group = client->control->conf.group;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	client->caller = (struct control_caller){.uid = cred.uid,
		.pid = cred.pid,
		.trusted = cred.uid == 0 /* check: control-trusted */};
	client->member = /* check: control-member */ cred.uid == 0 ||
			 (group != (gid_t)-1 && (cred.gid == group || in_group(client->fd, group)));
	return true;
}

/* ---- the end of a client ---- */

static bool owner_cares(const struct call *call)
{
	return call->id && call->method->more != MORE_NEVER &&
	       (strcmp(call->method->name, "io.vpnd.Connect") == 0 ||
		       strcmp(call->method->name, "io.vpnd.Log") == 0);
}

static void client_free(struct client *client)
{
	struct client **at = &client->control->clients;

	while (*at && *at != client)
		at = &(*at)->next;
	if (*at)
		*at = client->next;
	loop_watch_free(client->read);
	loop_watch_free(client->write);
	loop_timer_free(client->timer);
	close(client->fd);
	varlink_in_clear(&client->in);
	varlink_out_clear(&client->out);
	free(client);
}

/* From the loop only: an op may be told here, so no op can be running. */
static void bury(struct client *client)
{
	struct control *c = client->control;
	struct call call = client->call;

	client_free(client);
	if (owner_cares(&call) && call.more)
		c->conf.ops->gone(c->conf.ctx, call.id);
}

void client_doom(struct client *client)
{
	client->doomed = true;
	loop_watch_set(client->read, false);
	loop_watch_set(client->write, false);
	loop_timer_set(client->timer, 0);
}

/* ---- writing ---- */

/* Nothing is read from a client who stands in line, or who does not read what he has been told. That
 * he hangs up is seen by the writer, too. */
static void read_on(struct client *client)
{
	if (!client->doomed && !client->ticket && !client->out.n /* check: control-deaf-read */)
		loop_watch_set(client->read, true);
}

static void on_writable(void *ctx)
{
	struct client *client = ctx;
	int left = varlink_write(&client->out, client->fd);

	if (left < 0 || (left == 0 && client->hangs_up)) {
		client_doom(client);
		return;
	}
	loop_watch_set(client->write, left == 1);
	if (left == 0 && client->in.n)
		client_wait(client);
	read_on(client);
}

void client_send(struct client *client, json_t *message)
{
	int err;

	if (client->doomed) {
		json_decref(message);
		return;
	}
	err = varlink_put(&client->out, message);
	if (err) {
		log_debug(client->control->conf.log, "control", "client dropped uid=%u: %s",
			client->caller.uid, strerror(-err));
		client_doom(client);
		return;
	}
	on_writable(client);
}

/* ---- reading ---- */

/* A message that was begun must end within HALF_MESSAGE, however many pieces it comes in. */
static void watch_half(struct client *client, bool began_anew)
{
	if (!varlink_in_half(&client->in))
		client->half_due = MSEC_NEVER;
	else if (began_anew || client->half_due == MSEC_NEVER)
		client->half_due = loop_now(client->control->loop) + HALF_MESSAGE;
	loop_timer_set(client->timer, client->half_due);
}

/* One message, if one is complete and the one before is answered. Did it run? */
static bool run_message(struct client *client)
{
	json_t *message;
	int got = 0;

	if (!client->hangs_up && !client->call.id /* check: control-call-at-a-time */)
		got = varlink_next(&client->in, &message);
	if (got < 0 || (got > 0 && !control_dispatch(client, message)))
		client_doom(client);
	if (got > 0)
		json_decref(message);
	if (!client->doomed)
		watch_half(client, got > 0);
	return got > 0;
}

void client_wait(struct client *client)
{
	struct control *c = client->control;

	if (client->doomed || client->ticket)
		return;
	client->ticket = ++c->last_ticket;
	loop_watch_set(client->read, false); /* check: control-read-stops */
	loop_timer_set(c->turn, 0);
}

static struct client *first_in_line(const struct control *c)
{
	struct client *first = NULL;

	for (struct client *client = c->clients; client; client = client->next)
		if (client->ticket && !client->doomed &&
			(!first || client->ticket < first->ticket /* check: control-first-come */))
			first = client;
	return first;
}

/* One message of one client for each turn of the loop, so that packets wait for no crowd. */
static void on_turn(void *ctx)
{
	struct control *c = ctx;
	struct client *client = first_in_line(c);
	bool ran;

	if (!client)
		return;
	client->ticket = 0;
	ran = !client->out.n /* check: control-deaf-asks */ && run_message(client);
	if (ran && client->in.n)
		client_wait(client);
	read_on(client);
	if (first_in_line(c))
		loop_timer_set(c->turn, 0);
}

static void on_readable(void *ctx)
{
	struct client *client = ctx;
	ssize_t got = varlink_read(&client->in, client->fd);

	if (got == -EAGAIN)
		return;
	if (got <= 0)
		client_doom(client);
	else
		client_wait(client);
}

static void on_timer(void *ctx)
{
	struct client *client = ctx;

	if (client->doomed)
		bury(client);
	else
		client_doom(client); /* check: control-half-message */
}

/* ---- a new client ---- */

static unsigned count(const struct control *c, bool member)
{
	unsigned n = 0;

	for (const struct client *client = c->clients; client; client = client->next)
		n += !client->doomed && client->member == member;
	return n;
}

/* Strangers have few places, so that they cannot keep the members out. */
static bool has_place(const struct control *c, bool member)
{
	unsigned strangers = count(c, false);

	if (!member && strangers >= CONTROL_STRANGERS_MAX) /* check: control-strangers */
		return false;
	return strangers + count(c, true) < CONTROL_CLIENTS_MAX /* check: control-clients */;
}

/* Takes fd. NULL when out of memory. */
static struct client *client_new(struct control *c, int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return NULL;
	}
	client->control = c;
	client->fd = fd;
	client->half_due = MSEC_NEVER;
	client->read = loop_watch_new(c->loop, fd, LOOP_READ, on_readable, client);
	client->write = loop_watch_new(c->loop, fd, LOOP_WRITE, on_writable, client);
	client->timer = loop_timer_new(c->loop, on_timer, client);
	if (!client->read || !client->write || !client->timer || !identify(client)) {
		client_free(client);
		return NULL;
	}
	loop_watch_set(client->write, false);
	return client;
}

static void pause_accepting(struct control *c, msec until)
{
	loop_watch_set(c->accept, false);
	loop_timer_set(c->accept_again, until);
}

static void count_accepted(struct control *c)
{
	msec now = loop_now(c->loop);

	if (now >= c->window + ACCEPT_WINDOW) {
		c->window = now;
		c->accepted = 0;
	}
	if (++c->accepted == ACCEPT_MOST) /* check: control-accept-pace */
		pause_accepting(c, c->window + ACCEPT_WINDOW);
}

static void on_connection(void *ctx)
{
	struct control *c = ctx;
	int fd = accept4(c->conf.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *client;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			pause_accepting(c,
				loop_now(c->loop) + ACCEPT_PAUSE); /* check: control-accept-pause */
		return;
	}
	count_accepted(c);
	client = client_new(c, fd);
	if (!client)
		return;
	if (!has_place(c, client->member)) {
		client->hangs_up = true;
		client_send(client, varlink_error_new("io.vpnd.TooManyClients", NULL));
		if (client->out.n)
			client_doom(client);
	}
	client->next = c->clients;
	c->clients = client;
}

static void accept_again(void *ctx)
{
	struct control *c = ctx;

	loop_watch_set(c->accept, true);
}

/* A socket that nobody listens on any more; connect() says the same of a plain file. */
static int remove_stale(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode)) /* check: control-stale-socket */
		return -EEXIST;
	return unlink(path) < 0 ? -errno : 0;
}

int control_listen(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd, err = 0;

	if (strlen(path) >= sizeof(at.sun_path)) /* check: control-path-room */
		return -ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		err = -EADDRINUSE;
	else if (errno == ECONNREFUSED)
		err = remove_stale(path);
	if (!err && (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || chmod(path, 0666) < 0 ||
			    listen(fd, BACKLOG) < 0))
		err = -errno;
	if (err)
		close(fd);
	return err ? err : fd;
}

struct control *control_new(struct loop *loop, const struct control_conf *conf)
{
	struct control *c = calloc(1, sizeof(*c));
	int flags = fcntl(conf->fd, F_GETFL);

	if (!c)
		return NULL;
	c->loop = loop;
	c->conf = *conf;
	c->accept_again = loop_timer_new(loop, accept_again, c);
	c->turn = loop_timer_new(loop, on_turn, c);
	if (c->accept_again && c->turn && flags >= 0 &&
		fcntl(conf->fd, F_SETFL, flags | O_NONBLOCK) == 0)
		c->accept = loop_watch_new(loop, conf->fd, LOOP_READ, on_connection, c);
	if (!c->accept) {
		loop_timer_free(c->accept_again);
		loop_timer_free(c->turn);
		free(c);
		return NULL;
	}
	return c;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	while (c->clients)
		client_free(c->clients);
	loop_watch_free(c->accept);
	loop_timer_free(c->accept_again);
	loop_timer_free(c->turn);
	free(c);
}

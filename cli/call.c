#include "cli/call.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/fail.h"

enum { REPLY_PATIENCE = 10000 }; /* ms; Disconnect may take 3 s */

msec clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return SECONDS((msec)now.tv_sec) + (msec)now.tv_nsec / 1000000;
}

static int open_failed(const struct cli *cli, int error)
{
	char text[256];

	if (error == EACCES || error == EPERM)
		return fail_text(cli, EXIT_NOT_PERMITTED, NULL, "NOT-PERMITTED",
			"you may not talk to vpnd",
			"Use sudo, or become a member of the group vpnd.");
	snprintf(text, sizeof(text), "%s: %s", cli->socket, strerror(error));
	return fail_here(cli, NULL, REASON_DAEMON_DOWN, text);
}

int line_try(const char *socket_path, struct line *line)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int error = 0;

	*line = LINE_CLOSED;
	if (strlen(socket_path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path, socket_path, strlen(socket_path));
	line->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (line->fd < 0 || connect(line->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		error = errno;
	if (error)
		line_close(line);
	return -error;
}

int line_open(const struct cli *cli, struct line *line)
{
	int err = line_try(cli->socket, line);

	return err ? open_failed(cli, -err) : EXIT_OK;
}

void line_close(struct line *line)
{
	if (line->fd >= 0)
		close(line->fd);
	varlink_in_clear(&line->in);
	varlink_out_clear(&line->out);
	line->fd = -1;
}

/* A refused client hears why and is hung up on; so the reply is read even when sending fails. */
bool line_send(struct line *line, const char *method, json_t *params, bool more)
{
	int err = varlink_put(&line->out, varlink_call_new(method, params, more));

	if (!err)
		err = varlink_write(&line->out, line->fd);
	return err == 0 || err == -EPIPE;
}

/* Control characters of a text, C1 included, are no business of the terminal. */
static void make_plain(json_t *text)
{
	char *copy = strdup(json_string_value(text));
	bool changed = false;

	for (unsigned char *at = (unsigned char *)copy; at && *at; at++) {
		bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;

		if (c1)
			*at++ = '?';
		if (c1 || *at < 0x20 || *at == 0x7f) {
			*at = '?';
			changed = true;
		}
	}
	if (changed)
		json_string_set(text, copy);
	free(copy);
}

static void make_all_plain(json_t *json)
{
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_string(json))
		make_plain(json);
	json_object_foreach (json, key, member)
		make_all_plain(member);
	json_array_foreach (json, i, member)
		make_all_plain(member);
}

enum got line_next(struct line *line, json_t **message, struct varlink_reply *reply)
{
	int got = varlink_next(&line->in, message);

	if (got == 0) {
		ssize_t n = recv(line->fd, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return GOT_NOTHING;
		if (n <= 0 || varlink_read(&line->in, line->fd) <= 0)
			return GOT_END;
		got = varlink_next(&line->in, message);
	}
	if (got == 0)
		return GOT_NOTHING;
	if (got < 0)
		return GOT_END;
	if (!varlink_reply_of(*message, reply)) {
		json_decref(*message);
		return GOT_END;
	}
	make_all_plain(reply->parameters);
	return GOT_REPLY;
}

enum got line_wait(struct line *line, int patience, json_t **message, struct varlink_reply *reply)
{
	msec end = clock_now() + (msec)(patience < 0 ? 0 : patience);

	for (;;) {
		enum got got = line_next(line, message, reply);
		msec now = clock_now();
		struct pollfd fd = {.fd = line->fd, .events = POLLIN};

		if (got != GOT_NOTHING)
			return got;
		if (patience >= 0 && now >= end)
			return GOT_NOTHING;
		if (poll(&fd, 1, patience < 0 ? -1 : (int)(end - now)) < 0 && errno != EINTR)
			return GOT_END;
	}
}

/* What came back: the parameters, or NULL and the exit code. */
static json_t *outcome(const struct cli *cli, struct line *line, const char *name, int *code)
{
	struct varlink_reply reply;
	json_t *message, *params = NULL;

	switch (line_wait(line, REPLY_PATIENCE, &message, &reply)) {
	case GOT_REPLY:
		break;
	case GOT_NOTHING:
		*code = fail_text(cli, EXIT_ERROR, name, "NO-REPLY", "vpnd does not reply",
			"journalctl -u vpnd");
		return NULL;
	case GOT_END:
		*code = fail_here(cli, name, REASON_DAEMON_DOWN, "it hung up");
		return NULL;
	}
	*code = EXIT_OK;
	if (reply.error)
		*code = fail_error(cli, name, reply.error, reply.parameters);
	else
		params = reply.parameters ? json_incref(reply.parameters) : json_object();
	json_decref(message);
	return params;
}

json_t *call_once(
	const struct cli *cli, const char *method, json_t *params, const char *name, int *code)
{
	json_t *got = NULL;
	struct line line;

	*code = line_open(cli, &line);
	if (*code != EXIT_OK)
		json_decref(params);
	else if (!line_send(&line, method, params, false))
		*code = fail_here(cli, name, REASON_DAEMON_DOWN, "it hung up");
	else
		got = outcome(cli, &line, name, code);
	line_close(&line);
	return got;
}

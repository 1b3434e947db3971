#include "cli/varlink.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/secret.h"

/* ---- memory ---- */

/* In front of each block: its size, so that free knows what to wipe. */
union block {
	size_t size;
	max_align_t align;
};

static void *wiping_malloc(size_t n)
{
	union block *b = n > SIZE_MAX - sizeof(*b) ? NULL : malloc(sizeof(*b) + n);

	if (!b)
		return NULL;
	b->size = n;
	return b + 1;
}

static void wiping_free(void *p)
{
	union block *b = p;

	if (!b)
		return;
	b--;
	wipe(b + 1, b->size); /* check: json-wipe */
	free(b);
}

void varlink_init(void)
{
	json_set_alloc_funcs(wiping_malloc, wiping_free);
}

/* ---- messages ---- */

/* An absent member is false; a member that is no boolean makes the message bad. */
static bool flag(const json_t *message, const char *name, bool *ok)
{
	const json_t *value = json_object_get(message, name);

	if (value && !json_is_boolean(value)) /* check: varlink-flag-type */
		*ok = false;
	return json_is_true(value);
}

static json_t *parameters_of(const json_t *message, bool *ok)
{
	json_t *value = json_object_get(message, "parameters");

	if (json_is_null(value))
		return NULL;
	if (value && !json_is_object(value)) /* check: varlink-parameters-type */
		*ok = false;
	return value;
}

bool varlink_call_of(const json_t *message, struct varlink_call *call)
{
	bool ok = true;

	call->method = json_string_value(json_object_get(message, "method"));
	call->parameters = parameters_of(message, &ok);
	call->more = flag(message, "more", &ok);
	call->oneway = flag(message, "oneway", &ok);
	if (flag(message, "upgrade", &ok) ||
		(call->more && call->oneway) /* check: varlink-more-or-oneway */)
		return false;
	return ok && call->method /* check: varlink-method */;
}

bool varlink_reply_of(const json_t *message, struct varlink_reply *reply)
{
	const json_t *error = json_object_get(message, "error");
	bool ok = !error || json_is_string(error) || json_is_null(error);

	reply->error = json_string_value(error);
	reply->parameters = parameters_of(message, &ok);
	reply->continues = flag(message, "continues", &ok);
	return ok;
}

/* `parameters` into `message`; NULL when any of the two is lacking. Takes both. */
static json_t *with_parameters(json_t *message, json_t *parameters)
{
	if (!parameters)
		parameters = json_object();
	if (!message || json_object_set_new(message, "parameters", parameters) < 0) {
		if (!message)
			json_decref(parameters);
		json_decref(message);
		return NULL;
	}
	return message;
}

json_t *varlink_call_new(const char *method, json_t *parameters, bool more)
{
	json_t *message = more ? json_pack("{s:s, s:b}", "method", method, "more", 1)
			       : json_pack("{s:s}", "method", method);

	return with_parameters(message, parameters);
}

json_t *varlink_reply_new(json_t *parameters, bool continues)
{
	return with_parameters(
		continues ? json_pack("{s:b}", "continues", 1) : json_object(), parameters);
}

json_t *varlink_error_new(const char *error, json_t *parameters)
{
	return with_parameters(json_pack("{s:s}", "error", error), parameters);
}

/* ---- receiving ---- */

ssize_t varlink_read(struct varlink_in *in, int fd)
{
	ssize_t got;

	if (!in->p)
		in->p = malloc(VARLINK_MESSAGE_MAX);
	if (!in->p)
		return -ENOMEM;
	if (in->n == VARLINK_MESSAGE_MAX) /* check: varlink-message-in */
		return -EMSGSIZE;
	do
		got = recv(fd, in->p + in->n, VARLINK_MESSAGE_MAX - in->n, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	in->n += (size_t)got;
	return got;
}

int varlink_next(struct varlink_in *in, json_t **message)
{
	uint8_t *end = in->n ? memchr(in->p, 0, in->n) : NULL;

	if (!end)
		return 0;

	size_t len = (size_t)(end - in->p), used = len + 1;

	*message = json_loadb((const char *)in->p, len, JSON_REJECT_DUPLICATES, NULL);
	memmove(in->p, in->p + used, in->n - used);
	in->n -= used;
	wipe(in->p + in->n, used); /* check: varlink-taken-wipe */
	if (json_is_object(*message) /* check: varlink-object */)
		return 1;
	json_decref(*message);
	*message = NULL;
	return -EBADMSG;
}

bool varlink_in_half(const struct varlink_in *in)
{
	return in->n && in->p[in->n - 1] != 0;
}

/* What is behind n was wiped by varlink_next(), or never written. */
void varlink_in_clear(struct varlink_in *in)
{
	if (in->p)
		wipe(in->p, in->n); /* check: varlink-in-wipe */
	free(in->p);
	*in = (struct varlink_in){0};
}

/* ---- sending ---- */

/* Room for `more` octets; what was moved is wiped where it was. */
static int make_room(struct varlink_out *out, size_t more)
{
	size_t room = out->room ? out->room : 4096;
	uint8_t *p;

	if (out->n + more > VARLINK_QUEUE_MAX) /* check: varlink-queue */
		return -ENOBUFS;
	if (out->n + more <= out->room)
		return 0;
	while (room < out->n + more)
		room *= 2;
	p = malloc(room);
	if (!p)
		return -ENOMEM;
	if (out->p) {
		memcpy(p, out->p, out->n);
		wipe(out->p, out->room); /* check: varlink-moved-wipe */
		free(out->p);
	}
	out->p = p;
	out->room = room;
	return 0;
}

/* As text into what room there is; the text's length, 0 when out of memory. */
static size_t dump(struct varlink_out *out, const json_t *message)
{
	return json_dumpb(
		message, out->p ? (char *)out->p + out->n : NULL, out->room - out->n, JSON_COMPACT);
}

static int put(struct varlink_out *out, const json_t *message)
{
	size_t len = message ? dump(out, message) : 0;
	int err;

	if (len == 0)
		return -ENOMEM;
	if (len + 1 > VARLINK_MESSAGE_MAX) /* check: varlink-message-out */
		return -EMSGSIZE;
	if (len + 1 > out->room - out->n) {
		err = make_room(out, len + 1);
		if (err)
			return err;
		if (dump(out, message) != len)
			return -ENOMEM;
	}
	out->p[out->n + len] = 0;
	out->n += len + 1;
	return 0;
}

int varlink_put(struct varlink_out *out, json_t *message)
{
	int err = put(out, message);

	json_decref(message);
	return err;
}

int varlink_write(struct varlink_out *out, int fd)
{
	while (out->n) {
		ssize_t sent = send(fd, out->p, out->n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? 1 : -errno;
		out->n -= (size_t)sent;
		memmove(out->p, out->p + sent, out->n);
		wipe(out->p + out->n, (size_t)sent); /* check: varlink-sent-wipe */
	}
	return 0;
}

void varlink_out_clear(struct varlink_out *out)
{
	if (out->p)
		wipe(out->p, out->room); /* check: varlink-out-wipe */
	free(out->p);
	*out = (struct varlink_out){0};
}

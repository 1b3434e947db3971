/* Varlink's wire format: JSON objects, each ended by a NUL octet, on a stream socket.
 *
 *   call    {"method": "io.vpnd.Connect", "parameters": {...}, "more": true, "oneway": false}
 *   reply   {"parameters": {...}, "continues": true}   or   {"error": "io.vpnd.X", "parameters": ...}
 *
 * The codec of both ends. Messages may carry passwords, so everything here is wiped when it is let
 * go: the buffers, and all memory of the JSON library once varlink_init() has run. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

enum {
	VARLINK_MESSAGE_MAX = 64 * 1024, /* octets of a message, its NUL included */
	VARLINK_QUEUE_MAX = 256 * 1024,  /* octets waiting for a slow reader */
};

/* Once, before any JSON is made: give the JSON library an allocator that wipes on free. */
void varlink_init(void);

/* ---- messages ---- */

struct varlink_call {
	const char *method; /* borrowed from the message */
	json_t *parameters; /* borrowed; NULL when there are none */
	bool more, oneway;
};

struct varlink_reply {
	json_t *parameters; /* borrowed; NULL when there are none */
	bool continues;
	const char *error; /* borrowed; NULL when it is no error */
};

/* False: the message is no call (no method, a member of the wrong type, an upgrade). */
bool varlink_call_of(const json_t *message, struct varlink_call *call);
bool varlink_reply_of(const json_t *message, struct varlink_reply *reply);

/* `parameters` is taken and may be NULL. NULL when out of memory. */
json_t *varlink_call_new(const char *method, json_t *parameters, bool more);
json_t *varlink_reply_new(json_t *parameters, bool continues);
json_t *varlink_error_new(const char *error, json_t *parameters);

/* ---- receiving ---- */

struct varlink_in {
	uint8_t *p; /* VARLINK_MESSAGE_MAX octets, made by the first read */
	size_t n;
};

/* Read once what there is. The number of octets, 0 at the end of the stream, -EAGAIN, -EMSGSIZE
 * (one message fills the buffer and has no end), -ENOMEM or the socket's -errno. */
ssize_t varlink_read(struct varlink_in *in, int fd);

/* The next complete message into *message, which the caller owns: 1; 0: there is none yet;
 * -EBADMSG: what came is not a JSON object. */
int varlink_next(struct varlink_in *in, json_t **message);

/* Does the buffer end in the middle of a message? */
bool varlink_in_half(const struct varlink_in *in);

void varlink_in_clear(struct varlink_in *in);

/* ---- sending ---- */

struct varlink_out {
	uint8_t *p;
	size_t n, room;
};

/* Append a message, which is taken (NULL counts as out of memory). 0, -ENOBUFS (the queue would
 * exceed VARLINK_QUEUE_MAX), -EMSGSIZE, -ENOMEM; then nothing was appended. */
[[gnu::warn_unused_result]] int varlink_put(struct varlink_out *out, json_t *message);

/* Write as much as the socket takes. 1: something is left; 0: all is sent; or -errno. */
[[gnu::warn_unused_result]] int varlink_write(struct varlink_out *out, int fd);

void varlink_out_clear(struct varlink_out *out);

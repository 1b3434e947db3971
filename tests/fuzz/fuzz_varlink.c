/* A stream of Varlink messages; what is a call or a reply is made anew and goes through a socket. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/varlink.h"

static struct {
	int fd[2];
	struct varlink_in in;
} socket_pair;

/* What one end writes is what the other reads. */
static void through_socket(struct varlink_out *out, const json_t *message)
{
	struct varlink_in *in = &socket_pair.in;
	json_t *again = NULL;

	fuzz_require(varlink_write(out, socket_pair.fd[0]) == 0 && out->n == 0);
	while (varlink_next(in, &again) == 0)
		fuzz_require(varlink_read(in, socket_pair.fd[1]) > 0);
	fuzz_require(again && json_equal(again, message) && in->n == 0 && !varlink_in_half(in));
	json_decref(again);
}

static void send_again(json_t *message)
{
	struct varlink_out out = {0};

	if (message && varlink_put(&out, json_incref(message)) == 0) {
		fuzz_require(out.n && out.p[out.n - 1] == 0 &&
			     memchr(out.p, 0, out.n) == out.p + out.n - 1);
		through_socket(&out, message);
	}
	json_decref(message);
	varlink_out_clear(&out);
}

/* {"a": "xxx...", "b": ...}, 6000 octets each. */
static json_t *long_message(int members)
{
	static char text[6000];
	json_t *message = json_object();

	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < members; i++) {
		const char key[] = {(char)('a' + i), 0};

		json_object_set_new(message, key, json_string(text));
	}
	fuzz_require(message);
	return message;
}

/* A reader that is slower than we are: the queue has an end, and so has what the kernel takes. */
static void overfill(void)
{
	struct varlink_out out = {0};
	struct varlink_in in = {0};
	int fd[2], err;

	fuzz_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	fuzz_require(varlink_put(&out, long_message(12)) == -EMSGSIZE);
	fuzz_require(varlink_put(&out, varlink_error_new("\xff", NULL)) == -ENOMEM); /* no UTF-8 */
	while ((err = varlink_put(&out, long_message(8))) == 0)
		;
	fuzz_require(err == -ENOBUFS && out.n <= VARLINK_QUEUE_MAX);
	while (varlink_write(&out, fd[0]) == 1 && varlink_read(&in, fd[1]) > 0)
		;
	while (varlink_read(&in, fd[1]) > 0)
		;
	fuzz_require(in.n == VARLINK_MESSAGE_MAX && varlink_read(&in, fd[1]) == -EMSGSIZE);
	close(fd[0]);
	close(fd[1]);
	varlink_out_clear(&out);
	varlink_in_clear(&in);
}

static void open_sockets(void)
{
	if (socket_pair.in.p)
		return;
	varlink_init();
	fuzz_require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, socket_pair.fd) == 0);
	fuzz_require(
		varlink_read(&socket_pair.in, socket_pair.fd[1]) == -EAGAIN && socket_pair.in.p);
	overfill(); /* the same for every input */
}

static void look_at(json_t *message)
{
	struct varlink_call call;
	struct varlink_reply reply;

	if (varlink_call_of(message, &call)) {
		fuzz_require(call.method && (!call.parameters || json_is_object(call.parameters)));
		send_again(varlink_call_new(call.method, json_incref(call.parameters), call.more));
	}
	if (varlink_reply_of(message, &reply)) {
		fuzz_require(!reply.parameters || json_is_object(reply.parameters));
		json_incref(reply.parameters);
		send_again(reply.error ? varlink_error_new(reply.error, reply.parameters)
				       : varlink_reply_new(reply.parameters, reply.continues));
	}
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct varlink_in in = {.p = malloc(input.n), .n = input.n};
	json_t *message;

	(void)env;
	open_sockets();
	fuzz_require(in.p || !input.n);
	if (input.n)
		memcpy(in.p, input.p, input.n);
	while (varlink_next(&in, &message) == 1) { /* nobody listens on after nonsense */
		look_at(message);
		json_decref(message);
	}
	free(in.p); /* not varlink_in_clear(): the buffer is exactly as long as the input */
}

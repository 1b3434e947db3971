/* The control socket: two clients, one of them without rights, say anything over real sockets, and
 * the owner says anything back. The input: a choice 8, then records (fuzz.h): what 8, octets. */
#define _GNU_SOURCE /* accept4() */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control_priv.h"

enum { STEPS_MAX = 24, CLIENTS = 2, TURNS = 4 };

/* The lowest bits of a record's first octet; CLIENT says which of the two. */
enum act { SAY, SAY_PART, TELL_EVENT, END_CALL, TELL_LINE, LEAVE, MUTE, ACTS };
enum { CLIENT = 0x08, STRANGER = 1 };

struct host {
	struct loop *loop;
	struct control *control;
	struct sockaddr_un at;
	socklen_t at_len;
	/* of the present input */
	int fd[CLIENTS];
	struct varlink_in in[CLIENTS];
	bool mute[CLIENTS]; /* it does not read any more */
	control_call call;
	uint8_t choice;
};

static struct host host;

/* ---- the owner ---- */

/* Nobody without rights is in the middle of a method that needs them. */
static void check_rights(void)
{
	for (const struct client *c = host.control->clients; c; c = c->next)
		fuzz_require(c->member || !c->call.id || c->call.method->everybody);
}

static void op_connect(void *ctx, control_call call, const struct control_connect *connect)
{
	struct conf_errors *errors;

	(void)ctx;
	check_rights();
	fuzz_require(connect->caller.trusted && (connect->name || connect->is_inline));
	host.call = call;
	if (host.choice & 1) {
		control_refuse(host.control, call, CONTROL_ALREADY_CONNECTED, connect->name, "up");
	} else if (host.choice & 2) {
		errors = conf_errors_new();
		fuzz_require(errors);
		for (size_t i = 0; i < connect->n_settings; i++)
			conf_errors_add(errors, "settings", 0, connect->settings[i].key, "wrong");
		control_bad_settings(host.control, call, errors);
		conf_errors_free(errors);
	}
}

static void op_answer(void *ctx, control_call call, uint32_t question, struct slice value)
{
	(void)ctx;
	(void)value;
	check_rights();
	fuzz_require(call == host.call && question == 7);
}

static void op_cancel(void *ctx, control_call call)
{
	struct reason reason = {.id = REASON_CANCELLED};
	struct control_event ev = {.kind = CONTROL_EV_FAILED, .reason = &reason};

	(void)ctx;
	control_event(host.control, call, "corp", &ev);
}

static void op_gone(void *ctx, control_call call)
{
	(void)ctx;
	fuzz_require(call);
}

static void op_disconnect(void *ctx, control_call call, const char *name)
{
	(void)ctx;
	check_rights();
	if (host.choice & 4)
		control_refuse(host.control, call, CONTROL_NOT_CONNECTED, name ? name : "x", NULL);
	else
		control_done(host.control, call);
}

static void op_log(void *ctx, control_call call, const char *name, bool follow)
{
	struct control_log_line line = {
		.at_ms = 1500, .level = LOG_LEVEL_WARN, .layer = "ike", .text = "first\xff"};

	(void)ctx;
	(void)name;
	check_rights();
	host.call = call;
	control_log_line(host.control, call, &line);
	if (!follow)
		control_done(host.control, call);
}

static int op_status(void *ctx, const char *name, control_status_fn *each, void *arg)
{
	struct conn_status conn = {.state = CONN_UP, .has_stack = true};
	struct control_network network = {.interface = "vpn-corp", .address = {ip_v4(0x0a630002)}};
	struct control_status status = {
		.name = "corp", .conn = &conn, .gateway = "vpn.example.com", .network = &network};

	(void)ctx;
	if (name && strcmp(name, "corp") != 0)
		return -ENOENT;
	each(arg, &status);
	return 0;
}

static void op_list(void *ctx, control_list_fn *each, void *arg)
{
	struct control_listed listed = {.name = "corp", .state = "idle", .problem = "x.conf:1: no"};

	(void)ctx;
	each(arg, &listed);
}

static int op_show(
	void *ctx, const char *name, control_show_fn *one, void *arg, struct conf_errors *errors)
{
	struct conf *conf;

	(void)ctx;
	check_rights();
	if (host.choice & 8) {
		conf_errors_add(errors, "x.conf", 3, "mtu", "bad");
		return -EINVAL;
	}
	conf = strcmp(name, "corp") == 0 ? conf_new(name) : NULL;
	if (!conf)
		return -ENOENT;
	one(arg, conf);
	conf_free(conf);
	return 0;
}

static void op_reload(void *ctx, struct conf_errors *errors)
{
	(void)ctx;
	check_rights();
	conf_errors_add(errors, "x.conf", 3, "mtu", "bad");
}

/* ---- the stage ---- */

static void stop(void *ctx)
{
	loop_stop(ctx);
}

/* What is ready is done; a client that is doomed goes with the turn after. A turn ends with a
 * descriptor that always is ready, which costs less than a timer. */
static void pump(void)
{
	for (int turns = 0; turns < TURNS; turns++)
		fuzz_require(loop_run(host.loop) == 0);
}

static void open_host(void)
{
	static const struct control_ops ops = {
		.connect = op_connect,
		.answer = op_answer,
		.cancel = op_cancel,
		.gone = op_gone,
		.disconnect = op_disconnect,
		.log = op_log,
		.status = op_status,
		.list = op_list,
		.show = op_show,
		.reload = op_reload,
	};
	struct control_conf conf = {.group = (gid_t)-1, .version = "1.2.3", .ops = &ops};

	if (host.loop)
		return;
	varlink_init();
	conf.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	host.at.sun_family = AF_UNIX;
	/* A name without a file, which the kernel makes up. */
	fuzz_require(conf.fd >= 0 &&
		     bind(conf.fd, (struct sockaddr *)&host.at, sizeof(host.at.sun_family)) == 0 &&
		     listen(conf.fd, 16) == 0);
	host.at_len = sizeof(host.at);
	fuzz_require(getsockname(conf.fd, (struct sockaddr *)&host.at, &host.at_len) == 0);
	host.loop = loop_new();
	fuzz_require(host.loop);
	host.control = control_new(host.loop, &conf);
	fuzz_require(host.control && loop_watch_new(host.loop, eventfd(1, EFD_CLOEXEC), LOOP_READ,
					     stop, host.loop));
}

static void join(int who)
{
	host.fd[who] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	fuzz_require(host.fd[who] >= 0);
	host.control->accepted = 0; /* the pace at which clients come in is the clock's */
	fuzz_require(connect(host.fd[who], (struct sockaddr *)&host.at, host.at_len) == 0);
	pump();
	fuzz_require(host.control->clients);
	host.control->clients->member = who != STRANGER;
	host.control->clients->caller.trusted = who != STRANGER;
}

/* What a client hears is nothing but replies. */
static void hear(int who)
{
	struct varlink_reply reply;
	json_t *message;

	if (host.mute[who])
		return;
	while (varlink_read(&host.in[who], host.fd[who]) > 0)
		while (varlink_next(&host.in[who], &message) == 1) {
			fuzz_require(varlink_reply_of(message, &reply));
			json_decref(message);
		}
	fuzz_require(!varlink_in_half(&host.in[who]));
}

static void leave(int who)
{
	close(host.fd[who]);
	varlink_in_clear(&host.in[who]);
	host.mute[who] = false;
	pump();
}

/* ---- steps ---- */

static void say(int who, struct slice octets, bool whole)
{
	static const uint8_t end[1];

	if (octets.n)
		(void)!send(host.fd[who], octets.p, octets.n, MSG_NOSIGNAL);
	if (whole)
		(void)!send(host.fd[who], end, 1, MSG_NOSIGNAL);
	pump();
}

static void tell_event(uint8_t kind, const char *text)
{
	struct reason reason = {.id = REASON_IKE_TIMEOUT};
	struct prefix routes[] = {{ip_v4(0x0a000000), 8}};
	struct control_network network = {.interface = "vpn-corp",
		.address = {ip_v4(0x0a630002)},
		.peer = ip_v4(0x0a6300fe),
		.dns = {ip_v4(0x0a630035)},
		.dns_note = text,
		.routes = routes,
		.n_routes = 1,
		.mtu = 1400,
		.gateway = ip_v4(0xc6336401)};
	struct control_event ev = {.kind = (enum control_event_kind)(kind % 6),
		.stage = "IKE main mode",
		.text = text,
		.took = 5,
		.question = 7,
		.prompt = "password",
		.network = &network,
		.reason = &reason};

	reason_set(&reason, REASON_IKE_TIMEOUT, "%s", text);
	control_event(host.control, host.call, "corp", &ev);
	if (kind & 0x80)
		control_changed(host.control, "corp");
	pump();
}

static void end_call(uint8_t how, const char *text)
{
	if (how % 6 == 5)
		control_done(host.control, host.call);
	else
		control_refuse(
			host.control, host.call, (enum control_refusal)(how % 6), "corp", text);
	pump();
}

static void step(struct slice record)
{
	struct rd r = rd_of(record);
	uint8_t how = rd_u8(&r);
	int who = how & CLIENT ? STRANGER : 0;
	struct slice octets = rd_rest(&r);
	struct control_log_line line = {.level = LOG_LEVEL_INFO, .layer = "ppp"};
	char text[128] = "";

	if (octets.n)
		memcpy(text, octets.p, octets.n < sizeof(text) ? octets.n : sizeof(text) - 1);
	line.text = text;
	switch ((enum act)((how & 7) % ACTS)) {
	case SAY:
	case SAY_PART:
		say(who, octets, (how & 7) == SAY);
		break;
	case TELL_EVENT:
		tell_event(octets.n ? octets.p[0] : 0, text);
		break;
	case END_CALL:
		end_call(octets.n ? octets.p[0] : 0, text);
		break;
	case TELL_LINE:
		control_log_line(host.control, host.call, &line);
		pump();
		break;
	case LEAVE:
		leave(who);
		join(who);
		break;
	case MUTE:
		host.mute[who] = true;
		break;
	case ACTS:
		break;
	}
	hear(0);
	hear(STRANGER);
}

void fuzz_one(const struct env *env, struct slice input)
{
	struct rd r = rd_of(input);
	struct slice record;

	(void)env;
	open_host();
	host.choice = rd_u8(&r);
	host.call = 0;
	join(0);
	join(STRANGER);
	for (int i = 0; i < STEPS_MAX && fuzz_next(&r, &record); i++)
		step(record);
	leave(0);
	leave(STRANGER);
	fuzz_require(!host.control->clients);
}

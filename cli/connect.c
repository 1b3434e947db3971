/* connect, disconnect, reconnect. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/call.h"
#include "cli/fail.h"
#include "cli/out.h"
#include "cli/prompt.h"

enum {
	TICK = 1000,            /* ms between two updates of the waiting line */
	CANCEL_PATIENCE = 4000, /* ms for the daemon to close what was begun */
	STAGE_COLUMN = 16,
};

/* One attempt, from the call to the verdict. */
struct attempt {
	const struct cli *cli;
	struct line line;
	int signals; /* signalfd */
	msec began;
	msec gives_up;  /* --wait; MSEC_NEVER */
	msec cancelled; /* when we asked for the end; MSEC_NEVER = we did not */
	int verdict;    /* the exit code that the cancellation means */
	bool waiting;   /* the waiting line is on the terminal */
	json_t *prompt; /* the question that is open, or NULL */
	json_t *stages; /* for --json */
	json_t *network;
};

/* ---- the lines ---- */

static bool talks(const struct attempt *a)
{
	return !a->cli->json && !a->cli->quiet;
}

static void clear_waiting(struct attempt *a)
{
	if (!a->waiting)
		return;
	fputs("\r\033[K", stdout);
	fflush(stdout); /* what comes next may be stderr's or the terminal's own */
	a->waiting = false;
}

/* On a terminal only, and gone with the next line. */
static void show_waiting(struct attempt *a)
{
	char text[OUT_TEXT];

	if (!talks(a) || !isatty(STDOUT_FILENO))
		return;
	clear_waiting(a);
	printf("%s... %s%s", ink(a->cli->color_out, INK_DIM),
		duration_text(clock_now() - a->began, text), ink(a->cli->color_out, INK_NONE));
	fflush(stdout);
	a->waiting = true;
}

static void print_stage(struct attempt *a, const json_t *stage)
{
	char took[OUT_TEXT];
	const char *name = str_of(stage, "name"), *text = str_of(stage, "text");
	bool color = a->cli->color_out;

	json_array_append(a->stages, (json_t *)stage);
	if (!talks(a))
		return;
	clear_waiting(a);
	printf("%-*s %s%9s%s%s%s\n", STAGE_COLUMN, name, ink(color, INK_DIM),
		took_text((msec)int_of(stage, "ms"), took), ink(color, INK_NONE),
		text[0] ? "  " : "", text);
	fflush(stdout);
}

/* ": vpn-corp, 10.99.0.2, DNS 10.99.0.53" */
static void print_network(struct attempt *a)
{
	char list[512];

	if (!a->network)
		return;
	printf(": %s, %s", str_of(a->network, "interface"),
		joined(json_object_get(a->network, "addresses"), list, sizeof(list)));
	if (json_array_size(json_object_get(a->network, "dns")) &&
		!json_object_get(a->network, "dns_note"))
		printf(", DNS %s", joined(json_object_get(a->network, "dns"), list, sizeof(list)));
}

static int is_up(struct attempt *a)
{
	bool color = a->cli->color_out;

	clear_waiting(a);
	if (a->cli->json)
		return out_json(json_pack("{s:{s:s, s:s, s:O*, s:O*}}", "connection", "name",
			a->cli->name, "state", "up", "network", a->network, "stages", a->stages));
	if (a->cli->quiet)
		return EXIT_OK;
	printf("%s%s is up%s", ink(color, INK_GREEN), a->cli->name, ink(color, INK_NONE));
	print_network(a);
	putchar('\n');
	return EXIT_OK;
}

/* ---- calls on another connection: this one is busy with the stream ---- */

static void say(struct attempt *a, const char *method, json_t *params)
{
	struct cli mute = *a->cli;
	int code;

	mute.json = false;
	json_decref(call_once(&mute, method, params, a->cli->name, &code));
}

static void forget_prompt(struct attempt *a)
{
	json_decref(a->prompt);
	a->prompt = NULL;
}

static void cancel(struct attempt *a, int verdict)
{
	clear_waiting(a);
	forget_prompt(a);
	a->cancelled = clock_now();
	a->verdict = verdict;
	say(a, "io.vpnd.Cancel", json_pack("{s:s}", "name", a->cli->name));
}

/* A question that is interrupted stays open: it is asked again, unless that was its end. */
static void ask(struct attempt *a)
{
	const json_t *prompt = a->prompt;
	const int others[2] = {a->signals, a->line.fd};
	struct secret answer = {0};
	enum prompt_end end;
	json_t *value = NULL;

	clear_waiting(a);
	end = prompt_ask(str_of(prompt, "text"), json_is_true(json_object_get(prompt, "echo")),
		others, &answer);
	if (end == PROMPT_BROKEN)
		return;
	if (end == PROMPT_ANSWERED)
		value = json_stringn((const char *)answer.p, answer.n);
	secret_clear(&answer);
	say(a, "io.vpnd.Answer",
		json_pack("{s:I, s:o*}", "id", int_of(prompt, "id"), "value", value));
	forget_prompt(a);
}

/* ---- what happens ---- */

enum { GO_ON = -1 };

/* The exit code, or GO_ON. */
static int on_event(struct attempt *a, const json_t *event)
{
	const char *kind = str_of(event, "kind");
	const json_t *error = json_object_get(event, "error");

	if (strcmp(kind, "stage") == 0) {
		print_stage(a, json_object_get(event, "stage"));
	} else if (strcmp(kind, "prompt") == 0) {
		forget_prompt(a);
		a->prompt = json_incref(json_object_get(event, "prompt"));
	} else if (strcmp(kind, "network") == 0) {
		json_decref(a->network);
		a->network = json_incref(json_object_get(event, "network"));
	} else if (strcmp(kind, "up") == 0) {
		return is_up(a);
	} else if (strcmp(kind, "failed") == 0) {
		clear_waiting(a);
		return a->cancelled != MSEC_NEVER ? a->verdict
						  : fail_reason(a->cli, a->cli->name, error);
	}
	return GO_ON;
}

/* Up already is what was asked for; being connected by somebody else is not. */
static int on_error(struct attempt *a, const struct varlink_reply *reply)
{
	bool up = strcmp(reply->error, "io.vpnd.AlreadyConnected") == 0 &&
		  strcmp(str_of(reply->parameters, "state"), "up") == 0;

	clear_waiting(a);
	return up ? is_up(a) : fail_error(a->cli, a->cli->name, reply->error, reply->parameters);
}

static int on_reply(struct attempt *a, const struct varlink_reply *reply)
{
	const json_t *event = json_object_get(reply->parameters, "event");
	int code;

	if (reply->error)
		return on_error(a, reply);
	code = event ? on_event(a, event) : GO_ON;
	if (code != GO_ON || reply->continues)
		return code;
	return a->cli->no_wait ? EXIT_OK
			       : fail_text(a->cli, EXIT_ERROR, a->cli->name, "NO-REPLY",
					 "vpnd ended the call without a verdict", "");
}

static int take_replies(struct attempt *a)
{
	struct varlink_reply reply;
	json_t *message;
	int code = GO_ON;

	while (code == GO_ON) {
		switch (line_next(&a->line, &message, &reply)) {
		case GOT_REPLY:
			code = on_reply(a, &reply);
			json_decref(message);
			break;
		case GOT_NOTHING:
			return GO_ON;
		case GOT_END:
			clear_waiting(a);
			return a->cancelled != MSEC_NEVER
				       ? a->verdict
				       : fail_here(a->cli, a->cli->name, REASON_DAEMON_DOWN,
						 "it hung up");
		}
	}
	return code;
}

/* Ctrl-C: ask for the end and wait for it; a second one waits no longer. */
static int on_signal(struct attempt *a)
{
	struct signalfd_siginfo info;

	if (read(a->signals, &info, sizeof(info)) != sizeof(info))
		return GO_ON;
	if (a->cancelled != MSEC_NEVER)
		return a->verdict;
	if (a->cli->no_wait)
		return EXIT_INTERRUPTED;
	cancel(a, EXIT_INTERRUPTED);
	if (talks(a))
		fprintf(stderr, "\n%s: cancelled\n", a->cli->name);
	return GO_ON;
}

static int on_time(struct attempt *a)
{
	msec now = clock_now();

	if (a->cancelled != MSEC_NEVER)
		return now - a->cancelled > CANCEL_PATIENCE ? a->verdict : GO_ON;
	if (now >= a->gives_up) {
		cancel(a, EXIT_WAIT_OVER);
		fail_text(a->cli, EXIT_WAIT_OVER, a->cli->name, "WAIT-OVER",
			"not up in the time that --wait gave; the attempt was cancelled", "");
	} else if (now - a->began >= TICK) {
		show_waiting(a);
	}
	return GO_ON;
}

static int patience(const struct attempt *a)
{
	msec now = clock_now();
	msec left = a->gives_up > now ? a->gives_up - now : 0;

	return a->cancelled == MSEC_NEVER && left < TICK ? (int)left : TICK;
}

static int follow(struct attempt *a)
{
	int code = take_replies(a);

	while (code == GO_ON) {
		struct pollfd fds[2] = {
			{.fd = a->line.fd, .events = POLLIN},
			{.fd = a->signals, .events = POLLIN},
		};

		if (a->prompt)
			ask(a);
		if (poll(fds, 2, a->prompt ? -1 : patience(a)) < 0 && errno != EINTR)
			return EXIT_ERROR;
		if (fds[1].revents)
			code = on_signal(a);
		if (code == GO_ON && fds[0].revents)
			code = take_replies(a);
		if (code == GO_ON)
			code = on_time(a);
	}
	clear_waiting(a);
	return code;
}

/* ---- the call ---- */

/* The address of the other end of the SSH session we run in, or NULL. */
static json_t *ssh_peer(void)
{
	const char *connection = getenv("SSH_CONNECTION");
	size_t n = connection ? strcspn(connection, " ") : 0;

	return n && n < 46 ? json_stringn(connection, n) : NULL;
}

/* The password that was given, by file or typed: 0 and maybe *secrets, or the exit code. */
static int gather_secrets(const struct cli *cli, int signals, json_t **secrets)
{
	const int others[2] = {signals, -1};
	struct secret password = {0};
	char text[128];

	*secrets = NULL;
	if (cli->password_file && !prompt_file(cli->password_file, &password)) {
		snprintf(text, sizeof(text), "%.64s: %s", cli->password_file,
			errno ? strerror(errno) : "expected a line with the password");
		return fail_text(cli, EXIT_USAGE, cli->name, "PASSWORD-FILE", text, "");
	}
	if (cli->ask && !cli->password_file) {
		snprintf(text, sizeof(text), "Password of %s:", cli->name);
		switch (prompt_ask(text, false, others, &password)) {
		case PROMPT_ANSWERED:
			break;
		case PROMPT_BROKEN:
			return EXIT_INTERRUPTED;
		case PROMPT_NO:
		case PROMPT_NO_TTY:
			return fail_here(cli, cli->name, REASON_PASSWORD_NEEDED, "");
		}
	}
	if (password.p)
		*secrets = json_pack("{s:s%}", "password", password.p, password.n);
	bool lost = password.p && !*secrets;

	secret_clear(&password);
	return lost ? fail_text(cli, EXIT_USAGE, cli->name, "PASSWORD-FILE",
			      "the password is not UTF-8 text", "")
		    : EXIT_OK;
}

static int run_attempt(struct attempt *a, json_t *secrets)
{
	const struct cli *cli = a->cli;
	json_t *params = json_pack(
		"{s:s, s:o*, s:o*}", "name", cli->name, "secrets", secrets, "ssh_peer", ssh_peer());
	int code = line_open(cli, &a->line);

	if (code != EXIT_OK) {
		json_decref(params);
		return code;
	}
	if (cli->yes)
		json_object_set_new(params, "insist", json_true());
	if (cli->again)
		json_object_set_new(params, "again", json_true());
	if (!line_send(&a->line, "io.vpnd.Connect", params, !cli->no_wait))
		return fail_here(cli, cli->name, REASON_DAEMON_DOWN, "it hung up");
	return follow(a);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int verb_connect(const struct cli *cli)
{
	struct attempt a = {.cli = cli,
		.line = LINE_CLOSED,
		.began = clock_now(),
		.gives_up = MSEC_NEVER,
		.cancelled = MSEC_NEVER};
	json_t *secrets;
	uint64_t wait;
	int code;

	if (cli->wait && !str_uint(cli->wait, 1, 86400, &wait))
		return fail_text(cli, EXIT_USAGE, NULL, "USAGE",
			"--wait: expected seconds from 1 to 86400", "");
	if (cli->wait && cli->no_wait)
		return fail_text(cli, EXIT_USAGE, NULL, "USAGE",
			"--wait and --no-wait contradict each other", "");
	a.signals = open_signals();
	code = gather_secrets(cli, a.signals, &secrets);
	if (cli->wait)
		a.gives_up = clock_now() + SECONDS(wait);
	a.stages = json_array();
	if (code == EXIT_OK)
		code = run_attempt(&a, secrets);
	line_close(&a.line);
	json_decref(a.prompt);
	json_decref(a.stages);
	json_decref(a.network);
	close(a.signals);
	return code;
}

/* ---- the end ---- */

static int disconnect(const struct cli *cli)
{
	json_t *params =
		cli->all ? json_pack("{s:b}", "all", 1) : json_pack("{s:s}", "name", cli->name);
	int code;
	json_t *done = call_once(cli, "io.vpnd.Disconnect", params, cli->name, &code);

	json_decref(done);
	return code;
}

int verb_disconnect(const struct cli *cli)
{
	int code;

	if (cli->all == (cli->name != NULL))
		return fail_text(cli, EXIT_USAGE, NULL, "USAGE",
			"expected NAME or --all, one of the two", "");
	code = disconnect(cli);
	if (code == EXIT_OK && cli->json)
		return out_json(json_object());
	if (code == EXIT_OK && !cli->quiet)
		printf("%s disconnected\n", cli->all ? "all" : cli->name);
	return code;
}

/* Not being connected is no reason not to connect. */
int verb_reconnect(const struct cli *cli)
{
	struct cli again = *cli;

	again.again = true;
	return verb_connect(&again);
}

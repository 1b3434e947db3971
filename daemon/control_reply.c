/* From the owner to the clients: replies, errors, events. */
#include "daemon/control_priv.h"

#include <string.h>

static struct client *client_of(const struct control *c, control_call id)
{
	struct client *client = c->clients;

	while (client && (id == 0 || client->call.id != id))
		client = client->next;
	return client;
}

/* What the client sent meanwhile may run now, but not on top of what is running. */
static void call_over(struct client *client)
{
	client->call = (struct call){0};
	if (!client->doomed && client->in.n)
		client_wait(client);
}

void client_reply(struct client *client, json_t *parameters, bool last)
{
	bool silent = client->call.oneway;

	if (last)
		call_over(client);
	if (silent)
		json_decref(parameters);
	else
		client_send(client, varlink_reply_new(parameters, !last));
}

void client_error(struct client *client, const char *error, json_t *parameters)
{
	bool silent = client->call.oneway;

	call_over(client);
	if (silent)
		json_decref(parameters);
	else
		client_send(client, varlink_error_new(error, parameters));
}

/* ---- events ---- */

static bool monitors(const struct client *client, const char *name)
{
	const struct call *call = &client->call;

	return call->id && strcmp(call->method->name, "io.vpnd.Monitor") == 0 &&
	       (call->name[0] == 0 || strcmp(call->name, name) == 0);
}

static void event_to_call(struct client *client, const char *name, const struct control_event *ev)
{
	struct call *call = &client->call;
	bool last =
		ev->kind == CONTROL_EV_FAILED || (ev->kind == CONTROL_EV_UP && !call->owner_caller);

	if (!call->more)
		return;
	if (ev->kind == CONTROL_EV_PROMPT) {
		call->prompt = ++client->control->last_prompt;
		call->question = ev->question;
	}
	if (ev->kind == CONTROL_EV_UP)
		call->up = true;
	client_reply(client,
		json_pack("{s:o}", "event", control_json_event(ev, name, call->prompt)), last);
}

void control_event(
	struct control *c, control_call id, const char *name, const struct control_event *ev)
{
	struct client *caller = client_of(c, id);

	if (caller)
		event_to_call(caller, name, ev);
	if (ev->kind == CONTROL_EV_PROMPT)
		return;
	for (struct client *client = c->clients; client; client = client->next)
		if (monitors(client, name))
			client_reply(client,
				json_pack("{s:s, s:o}", "name", name, "event",
					control_json_event(ev, name, 0)),
				false);
}

static void changed_to(void *arg, const struct control_status *status)
{
	struct client *client = arg;

	client_reply(client,
		json_pack("{s:s, s:o}", "name", status->name, "connection",
			control_json_status(status, true, true)),
		false);
}

void control_changed(struct control *c, const char *name)
{
	for (struct client *client = c->clients; client; client = client->next)
		if (monitors(client, name))
			c->conf.ops->status(c->conf.ctx, name, changed_to, client);
}

/* ---- ends ---- */

void control_done(struct control *c, control_call id)
{
	struct client *client = client_of(c, id);

	if (client)
		client_reply(client, NULL, true);
}

void control_test(struct control *c, control_call id, const struct control_test *test)
{
	struct client *client = client_of(c, id);

	if (client)
		client_reply(client, control_json_test(test), true);
}

void control_log_line(struct control *c, control_call id, const struct control_log_line *line)
{
	struct client *client = client_of(c, id);

	if (client)
		client_reply(client,
			json_pack("{s:{s:f, s:s, s:s, s:o}}", "line", "time",
				(double)line->at_ms / 1000, "level", log_level_name(line->level),
				"layer", line->layer, "text", control_json_text(line->text)),
			false);
}

static json_t *refusal_parameters(enum control_refusal refusal, const char *name, const char *text)
{
	switch (refusal) {
	case CONTROL_NO_SUCH_CONNECTION:
	case CONTROL_NOT_CONNECTED:
		return json_pack("{s:s}", "name", name);
	case CONTROL_ALREADY_CONNECTED:
		return json_pack("{s:s, s:s}", "name", name, "state", text);
	case CONTROL_DISCONNECT_FAILED:
		return json_pack("{s:s, s:o}", "name", name, "text", control_json_text(text));
	case CONTROL_NO_MEMORY:
		break;
	}
	return NULL;
}

void control_refuse(struct control *c, control_call id, enum control_refusal refusal,
	const char *name, const char *text)
{
	static const char *const errors[] = {
		[CONTROL_NO_SUCH_CONNECTION] = "io.vpnd.NoSuchConnection",
		[CONTROL_ALREADY_CONNECTED] = "io.vpnd.AlreadyConnected",
		[CONTROL_NOT_CONNECTED] = "io.vpnd.NotConnected",
		[CONTROL_DISCONNECT_FAILED] = "io.vpnd.DisconnectFailed",
		[CONTROL_NO_MEMORY] = "io.vpnd.OutOfMemory",
	};
	struct client *client = client_of(c, id);

	if (client)
		client_error(client, errors[refusal], refusal_parameters(refusal, name, text));
}

void control_bad_settings(struct control *c, control_call id, const struct conf_errors *errors)
{
	struct client *client = client_of(c, id);

	if (client)
		client_error(client, "io.vpnd.BadSettings",
			json_pack("{s:o}", "problems", control_json_problems(errors)));
}

/* The methods of the control socket: their table, the check of what came, what they do. */
#include "daemon/control_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* ---- checking ---- */

static bool is_map(const json_t *value)
{
	const char *key;
	json_t *member;

	if (!json_is_object(value))
		return false;
	json_object_foreach ((json_t *)value, key, member)
		if (!json_is_string(member)) /* check: map-of-strings */
			return false;
	return true;
}

/* Is `word` one of "a|b"? */
static bool is_choice(const char *words, const char *word)
{
	size_t n = word ? strlen(word) : 0;

	for (const char *at = words; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
		if (n && n == strcspn(at, "|") && strncmp(at, word, n) == 0)
			return true;
	return false;
}

static bool param_ok(const struct control_param *param, const json_t *value)
{
	if (!value || json_is_null(value))
		return param->optional;
	switch (param->type) {
	case PARAM_STRING:
		return json_is_string(value);
	case PARAM_BOOL:
		return json_is_boolean(value);
	case PARAM_INT:
		return json_is_integer(value);
	case PARAM_MAP:
		return is_map(value);
	case PARAM_CHOICE:
		return is_choice(param->words, json_string_value(value));
	}
	return false;
}

static bool has_param(const struct control_method *method, const char *name)
{
	for (size_t i = 0; i < CONTROL_PARAMS_MAX && method->params[i].name; i++)
		if (strcmp(method->params[i].name, name) == 0)
			return true;
	return false;
}

/* The first parameter that is missing, unknown or of the wrong type; NULL when all is well. */
static const char *wrong_param(const struct control_method *method, const json_t *params)
{
	const char *key;
	json_t *value;

	for (size_t i = 0; i < CONTROL_PARAMS_MAX && method->params[i].name; i++)
		if (!param_ok(&method->params[i],
			    json_object_get(
				    params, method->params[i].name))) /* check: param-type */
			return method->params[i].name;
	json_object_foreach ((json_t *)params, key, value)
		if (!has_param(method, key)) /* check: param-known */
			return key;
	return NULL;
}

static void invalid_parameter(struct client *client, const char *name)
{
	client_error(client, "org.varlink.service.InvalidParameter",
		json_pack("{s:s}", "parameter", name));
}

static void no_such_connection(struct client *client, const char *name)
{
	client_error(client, "io.vpnd.NoSuchConnection", json_pack("{s:s}", "name", name));
}

static const char *string_of(const json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

static bool says(const json_t *params, const char *name, const char *word)
{
	const char *value = string_of(params, name);

	return value && strcmp(value, word) == 0;
}

/* The connection the call is about, remembered in it. False: no connection can have that name. */
static bool take_name(struct client *client, const json_t *params)
{
	const char *name = string_of(params, "name");

	if (!name)
		return true;
	if (!conf_name_ok(name)) { /* check: control-name */
		no_such_connection(client, name);
		return false;
	}
	memcpy(client->call.name, name, strlen(name) + 1);
	return true;
}

/* ---- the service ---- */

static void get_info(struct client *client, const json_t *params)
{
	(void)params;
	client_reply(client,
		json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "vpnd", "product", "vpnd",
			"version", client->control->conf.version, "url", "", "interfaces",
			"org.varlink.service", "io.vpnd"),
		true);
}

static void get_description(struct client *client, const json_t *params)
{
	const char *name = string_of(params, "interface");
	const char *text = strcmp(name, "io.vpnd") == 0               ? control_interface_vpnd
			   : strcmp(name, "org.varlink.service") == 0 ? control_interface_service
								      : NULL;

	if (text)
		client_reply(client, json_pack("{s:s}", "description", text), true);
	else
		client_error(client, "org.varlink.service.InterfaceNotFound",
			json_pack("{s:s}", "interface", name));
}

static void explain(struct client *client, const json_t *params)
{
	const char *code = string_of(params, "code");
	json_t *failures = json_array();
	uint64_t number = 0;
	bool by_number = str_uint(code, 1, UINT16_MAX, &number);

	for (enum reason_id id = reason_find(code); id != REASON_NONE && id < REASONS; id++) {
		struct reason reason = {.id = id};

		if (!by_number || reason_row(id)->windows == number)
			json_array_append_new(failures, control_json_failure(&reason, NULL));
		if (!by_number)
			break;
	}
	client_reply(client, json_pack("{s:o}", "failures", failures), true);
}

/* ---- connecting ---- */

/* The members of a map as an array, which the caller frees; borrowed texts. */
static struct conf_given *given_of(const json_t *map, size_t *n)
{
	struct conf_given *given = calloc(json_object_size(map) + 1, sizeof(*given));
	const char *key;
	json_t *value;

	*n = 0;
	if (!given)
		return NULL;
	json_object_foreach ((json_t *)map, key, value)
		given[(*n)++] = (struct conf_given){.key = key,
			.value = slice(json_string_value(value), json_string_length(value))};
	return given;
}

/* Fill what is not a list. False: it said what is wrong. */
static bool connect_flags(struct client *client, const json_t *params, struct control_connect *to)
{
	const char *peer = string_of(params, "ssh_peer");

	to->caller = client->caller;
	to->name = string_of(params, "name");
	to->is_inline = json_is_object(json_object_get(params, "settings"));
	to->network_caller = says(params, "network", "caller");
	to->owner_caller = says(params, "owner", "caller");
	to->interactive = client->call.more;
	to->insist = json_is_true(json_object_get(params, "insist"));
	to->again = json_is_true(json_object_get(params, "again"));
	if (peer && !ip_parse(peer, &to->ssh_peer)) { /* check: connect-ssh-peer */
		invalid_parameter(client, "ssh_peer");
		return false;
	}
	if (!to->name && !to->is_inline) { /* check: connect-name */
		invalid_parameter(client, "name");
		return false;
	}
	if (to->owner_caller && !client->call.more) { /* check: connect-owner-listens */
		client_error(client, "org.varlink.service.ExpectedMore", NULL);
		return false;
	}
	client->call.owner_caller = to->owner_caller;
	return take_name(client, params);
}

static void connect_(struct client *client, const json_t *params)
{
	const struct control_conf *conf = &client->control->conf;
	struct control_connect connect = {0};
	control_call id = client->call.id;

	if (!connect_flags(client, params, &connect))
		return;

	struct conf_given *settings =
		given_of(json_object_get(params, "settings"), &connect.n_settings);
	struct conf_given *secrets =
		given_of(json_object_get(params, "secrets"), &connect.n_secrets);

	connect.settings = settings;
	connect.secrets = secrets;
	if (settings && secrets)
		conf->ops->connect(conf->ctx, id, &connect);
	else
		client_error(client, "io.vpnd.OutOfMemory", NULL);
	free(settings);
	free(secrets);
	if (client->call.id == id && !client->call.more)
		client_reply(client, NULL, true);
}

static bool same_user(const struct client *a, const struct client *b)
{
	return a->caller.uid == b->caller.uid /* check: answer-same-user */ && !b->doomed &&
	       b->call.id;
}

static void answer(struct client *client, const json_t *params)
{
	const struct control_conf *conf = &client->control->conf;
	json_int_t id = json_integer_value(json_object_get(params, "id"));
	const json_t *text = json_object_get(params, "value");
	struct slice value = slice(json_string_value(text), json_string_length(text));

	for (struct client *at = client->control->clients; at; at = at->next) {
		if (!same_user(client, at) || !at->call.prompt /* check: answer-open */ ||
			at->call.prompt != id /* check: answer-question */)
			continue;
		at->call.prompt = 0;
		conf->ops->answer(conf->ctx, at->call.id, at->call.question, value);
		client_reply(client, NULL, true);
		return;
	}
	client_error(client, "io.vpnd.NoSuchQuestion", json_pack("{s:I}", "id", id));
}

static void cancel(struct client *client, const json_t *params)
{
	const struct control_conf *conf = &client->control->conf;
	const char *name = string_of(params, "name");

	for (struct client *at = client->control->clients; at; at = at->next) {
		if (!same_user(client, at) ||
			at->call.method->run != connect_ /* check: cancel-connect */ ||
			at->call.up || strcmp(at->call.name, name) != 0 /* check: cancel-name */)
			continue;
		conf->ops->cancel(conf->ctx, at->call.id);
		client_reply(client, NULL, true);
		return;
	}
	client_error(client, "io.vpnd.NotConnecting", json_pack("{s:s}", "name", name));
}

static void disconnect(struct client *client, const json_t *params)
{
	const struct control_conf *conf = &client->control->conf;
	bool all = json_is_true(json_object_get(params, "all"));

	if (all == (string_of(params, "name") != NULL))
		invalid_parameter(client, "name");
	else if (take_name(client, params))
		conf->ops->disconnect(conf->ctx, client->call.id, all ? NULL : client->call.name);
}

/* ---- looking ---- */

struct gathering {
	struct client *client;
	json_t *list;
	const char *key;
};

static void gather_status(void *arg, const struct control_status *status)
{
	struct gathering *g = arg;

	json_array_append_new(
		g->list, control_json_status(status, g->client->member /* check: status-member */,
				 g->client->call.name[0] != 0));
}

static int each_status(struct client *client, control_status_fn *each, void *arg)
{
	const struct control_conf *conf = &client->control->conf;
	const char *name = client->call.name;

	return conf->ops->status(conf->ctx, name[0] ? name : NULL, each, arg);
}

static void status(struct client *client, const json_t *params)
{
	struct gathering g = {.client = client, .list = json_array()};

	if (!take_name(client, params)) {
		json_decref(g.list);
	} else if (each_status(client, gather_status, &g) < 0) {
		json_decref(g.list);
		no_such_connection(client, client->call.name);
	} else {
		client_reply(client, json_pack("{s:o}", "connections", g.list), true);
	}
}

static void gather_listed(void *arg, const struct control_listed *l)
{
	struct gathering *g = arg;

	json_array_append_new(g->list,
		json_pack("{s:s, s:s, s:s*, s:s*, s:b, s:o*}", "name", l->name, "state", l->state,
			"gateway", l->gateway, "user", l->user, "autoconnect", l->autoconnect,
			"problem", l->problem ? control_json_text(l->problem) : NULL));
}

static void list(struct client *client, const json_t *params)
{
	const struct control_conf *conf = &client->control->conf;
	struct gathering g = {.client = client, .list = json_array()};

	(void)params;
	conf->ops->list(conf->ctx, gather_listed, &g);
	client_reply(client, json_pack("{s:o}", "connections", g.list), true);
}

static void gather_settings(void *arg, const struct conf *conf)
{
	struct gathering *g = arg;

	g->list = control_json_settings(conf, g->key);
}

static void show(struct client *client, const json_t *params)
{
	const struct control_conf *conf = &client->control->conf;
	struct gathering g = {.client = client, .key = string_of(params, "key")};
	struct conf_errors *errors;
	int err;

	if (!take_name(client, params))
		return;
	if (g.key && conf_key_find(g.key) < 0) { /* check: show-key */
		client_error(client, "io.vpnd.NoSuchKey", json_pack("{s:s}", "key", g.key));
		return;
	}
	errors = conf_errors_new();
	err = errors ? conf->ops->show(conf->ctx, client->call.name, gather_settings, &g, errors)
		     : -ENOMEM;
	if (err == 0)
		client_reply(client, json_pack("{s:o}", "settings", g.list), true);
	else if (err == -ENOENT)
		no_such_connection(client, client->call.name);
	else if (errors)
		control_bad_settings(client->control, client->call.id, errors);
	else
		client_error(client, "io.vpnd.OutOfMemory", NULL);
	conf_errors_free(errors);
}

static void monitor_first(void *arg, const struct control_status *status)
{
	struct client *client = arg;

	client_reply(client,
		json_pack("{s:s, s:o}", "name", status->name, "connection",
			control_json_status(status, true, true)),
		false);
}

static void monitor(struct client *client, const json_t *params)
{
	if (take_name(client, params) && each_status(client, monitor_first, client) < 0)
		no_such_connection(client, client->call.name);
}

static void log_(struct client *client, const json_t *params)
{
	const struct control_conf *conf = &client->control->conf;
	bool follow = json_is_true(json_object_get(params, "follow"));

	if (take_name(client, params))
		conf->ops->log(conf->ctx, client->call.id, client->call.name, follow);
}

static void test_ipsec(struct client *client, const json_t *params)
{
	const struct control_conf *conf = &client->control->conf;

	(void)params;
	conf->ops->test(conf->ctx, client->call.id);
}

static void reload(struct client *client, const json_t *params)
{
	const struct control_conf *conf = &client->control->conf;
	struct conf_errors *errors = conf_errors_new();

	(void)params;
	if (!errors) {
		client_error(client, "io.vpnd.OutOfMemory", NULL);
		return;
	}
	conf->ops->reload(conf->ctx, errors);
	client_reply(client, json_pack("{s:o}", "problems", control_json_problems(errors)), true);
	conf_errors_free(errors);
}

/* ---- the table ---- */

/* clang-format off */
const struct control_method control_methods[CONTROL_METHODS] = {
	{"org.varlink.service.GetInfo", true, MORE_NEVER, get_info, {{0}}},
	{"org.varlink.service.GetInterfaceDescription", true, MORE_NEVER, get_description, {
		{"interface", PARAM_STRING, false, NULL}}},
	{"io.vpnd.Connect", false, MORE_ALLOWED, connect_, {
		{"name", PARAM_STRING, true, NULL},
		{"settings", PARAM_MAP, true, NULL},
		{"secrets", PARAM_MAP, true, NULL},
		{"network", PARAM_CHOICE, true, "vpnd|caller"},
		{"owner", PARAM_CHOICE, true, "daemon|caller"},
		{"ssh_peer", PARAM_STRING, true, NULL},
		{"insist", PARAM_BOOL, true, NULL},
		{"again", PARAM_BOOL, true, NULL}}},
	{"io.vpnd.Answer", false, MORE_NEVER, answer, {
		{"id", PARAM_INT, false, NULL},
		{"value", PARAM_STRING, true, NULL}}},
	{"io.vpnd.Cancel", false, MORE_NEVER, cancel, {
		{"name", PARAM_STRING, false, NULL}}},
	{"io.vpnd.Disconnect", false, MORE_NEVER, disconnect, {
		{"name", PARAM_STRING, true, NULL},
		{"all", PARAM_BOOL, true, NULL}}},
	{"io.vpnd.Status", true, MORE_NEVER, status, {
		{"name", PARAM_STRING, true, NULL}}},
	{"io.vpnd.List", false, MORE_NEVER, list, {{0}}},
	{"io.vpnd.Show", false, MORE_NEVER, show, {
		{"name", PARAM_STRING, false, NULL},
		{"key", PARAM_STRING, true, NULL}}},
	{"io.vpnd.Monitor", false, MORE_NEEDED, monitor, {
		{"name", PARAM_STRING, true, NULL}}},
	{"io.vpnd.Log", false, MORE_NEEDED, log_, {
		{"name", PARAM_STRING, false, NULL},
		{"follow", PARAM_BOOL, true, NULL}}},
	{"io.vpnd.TestIpsec", false, MORE_NEVER, test_ipsec, {{0}}},
	{"io.vpnd.Reload", false, MORE_NEVER, reload, {{0}}},
	{"io.vpnd.Explain", true, MORE_NEVER, explain, {
		{"code", PARAM_STRING, false, NULL}}},
};
/* clang-format on */

static const struct control_method *find_method(const char *name)
{
	for (size_t i = 0; i < CONTROL_METHODS; i++)
		if (strcmp(control_methods[i].name, name) == 0)
			return &control_methods[i];
	return NULL;
}

bool control_dispatch(struct client *client, const json_t *message)
{
	struct varlink_call wire;
	const struct control_method *method;
	const char *wrong;

	if (!varlink_call_of(message, &wire))
		return false;
	method = find_method(wire.method);
	client->call = (struct call){
		.id = ++client->control->last_call,
		.method = method,
		.more = wire.more,
		.oneway = wire.oneway,
	};
	if (!method) {
		client_error(client, "org.varlink.service.MethodNotFound",
			json_pack("{s:s}", "method", wire.method));
		return true;
	}
	wrong = wrong_param(method, wire.parameters);
	if (!method->everybody && !client->member) /* check: control-permission */
		client_error(client, "org.varlink.service.PermissionDenied", NULL);
	else if (method->more == MORE_NEEDED && !wire.more) /* check: control-more */
		client_error(client, "org.varlink.service.ExpectedMore", NULL);
	else if (wrong)
		invalid_parameter(client, wrong);
	else
		method->run(client, wire.parameters);
	return true;
}

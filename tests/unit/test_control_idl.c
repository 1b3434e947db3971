/* io.vpnd.varlink is the contract: what is embedded is that file, every type in it is known, the
 * dispatch table has its methods and parameters, and what the daemon says has its types. */
#include "tests/vectors/vectors.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_priv.h"

/* ---- a parser of interface files ---- */

enum type_kind { T_BOOL, T_INT, T_FLOAT, T_STRING, T_NAMED, T_ARRAY, T_MAP, T_STRUCT, T_ENUM };

enum { FIELDS = 24, NODES = 400, DECLS = 64 };

struct type {
	enum type_kind kind;
	bool optional;
	char name[48];   /* T_NAMED */
	struct type *of; /* T_ARRAY, T_MAP */
	size_t n;        /* T_STRUCT, T_ENUM */
	char field[FIELDS][32];
	struct type *type[FIELDS]; /* T_STRUCT */
};

struct decl {
	enum { D_TYPE, D_METHOD, D_ERROR } kind;
	char name[48];
	struct type *in, *out; /* out: of methods */
};

struct idl {
	char name[48];
	struct decl decl[DECLS];
	size_t n;
	struct type *nodes[NODES];
	size_t n_nodes;
	const char *at;
};

static void pass_blanks(struct idl *idl)
{
	for (;;) {
		while (isspace((unsigned char)*idl->at))
			idl->at++;
		if (*idl->at != '#')
			return;
		idl->at += strcspn(idl->at, "\n");
	}
}

static bool sees(struct idl *idl, const char *token)
{
	pass_blanks(idl);
	if (strncmp(idl->at, token, strlen(token)) != 0)
		return false;
	idl->at += strlen(token);
	return true;
}

static void expect(struct idl *idl, const char *token)
{
	if (!sees(idl, token))
		fail_msg("expected %s at: %.40s", token, idl->at);
}

static void word(struct idl *idl, char *to, size_t room)
{
	size_t n;

	pass_blanks(idl);
	n = strspn(idl->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
	if (n == 0 || n >= room)
		fail_msg("expected a name at: %.40s", idl->at);
	memcpy(to, idl->at, n);
	to[n] = 0;
	idl->at += n;
}

static struct type *node(struct idl *idl)
{
	assert_true(idl->n_nodes < NODES);
	return idl->nodes[idl->n_nodes++] = calloc(1, sizeof(struct type));
}

static struct type *parse_type(struct idl *idl);

/* "(a: T, b: T)" or "(a, b)". */
static struct type *parse_struct(struct idl *idl)
{
	struct type *t = node(idl);

	t->kind = T_STRUCT;
	expect(idl, "(");
	while (!sees(idl, ")")) {
		assert_true(t->n < FIELDS);
		if (t->n)
			expect(idl, ",");
		word(idl, t->field[t->n], sizeof(t->field[0]));
		if (sees(idl, ":"))
			t->type[t->n] = parse_type(idl);
		else
			t->kind = T_ENUM;
		t->n++;
	}
	return t;
}

static struct type *parse_type(struct idl *idl)
{
	static const struct {
		const char *name;
		enum type_kind kind;
	} basic[] = {{"bool", T_BOOL}, {"int", T_INT}, {"float", T_FLOAT}, {"string", T_STRING}};
	bool optional = sees(idl, "?");
	struct type *t;

	if (sees(idl, "[string]")) {
		t = node(idl);
		t->kind = T_MAP;
		t->of = parse_type(idl);
	} else if (sees(idl, "[]")) {
		t = node(idl);
		t->kind = T_ARRAY;
		t->of = parse_type(idl);
	} else if (pass_blanks(idl), *idl->at == '(') {
		t = parse_struct(idl);
	} else {
		t = node(idl);
		t->kind = T_NAMED;
		word(idl, t->name, sizeof(t->name));
		for (size_t i = 0; i < 4; i++)
			if (strcmp(t->name, basic[i].name) == 0)
				t->kind = basic[i].kind;
	}
	t->optional = optional;
	return t;
}

static struct idl *parse(const char *text)
{
	struct idl *idl = calloc(1, sizeof(*idl));

	idl->at = text;
	expect(idl, "interface");
	word(idl, idl->name, sizeof(idl->name));
	for (pass_blanks(idl); *idl->at; pass_blanks(idl)) {
		struct decl *d = &idl->decl[idl->n++];

		assert_true(idl->n < DECLS);
		d->kind = sees(idl, "type") ? D_TYPE : sees(idl, "method") ? D_METHOD : D_ERROR;
		if (d->kind == D_ERROR)
			expect(idl, "error");
		word(idl, d->name, sizeof(d->name));
		d->in = parse_struct(idl);
		if (d->kind == D_METHOD) {
			expect(idl, "->");
			d->out = parse_struct(idl);
		}
	}
	return idl;
}

static void idl_free(struct idl *idl)
{
	for (size_t i = 0; i < idl->n_nodes; i++)
		free(idl->nodes[i]);
	free(idl);
}

static const struct decl *find(const struct idl *idl, int kind, const char *name)
{
	for (size_t i = 0; i < idl->n; i++)
		if ((int)idl->decl[i].kind == kind && strcmp(idl->decl[i].name, name) == 0)
			return &idl->decl[i];
	return NULL;
}

/* ---- does a value have its type? ---- */

static void check(
	const struct idl *idl, const struct type *t, const json_t *json, const char *where);

static void check_struct(
	const struct idl *idl, const struct type *t, const json_t *json, const char *where)
{
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		fail_msg("%s is no object", where);
	for (size_t i = 0; i < t->n; i++)
		check(idl, t->type[i], json_object_get(json, t->field[i]), t->field[i]);
	json_object_foreach ((json_t *)json, key, value) {
		bool known = false;

		for (size_t i = 0; i < t->n; i++)
			known |= strcmp(t->field[i], key) == 0;
		if (!known)
			fail_msg("%s has %s, which the interface does not", where, key);
	}
}

static bool enum_has(const struct type *t, const char *text)
{
	for (size_t i = 0; text && i < t->n; i++)
		if (strcmp(t->field[i], text) == 0)
			return true;
	return false;
}

static void check(
	const struct idl *idl, const struct type *t, const json_t *json, const char *where)
{
	const char *key;
	json_t *value;
	size_t i;
	bool ok = true;

	if (!json || json_is_null(json)) {
		if (!t->optional)
			fail_msg("%s is missing", where);
		return;
	}
	switch (t->kind) {
	case T_BOOL:
		ok = json_is_boolean(json);
		break;
	case T_INT:
		ok = json_is_integer(json);
		break;
	case T_FLOAT:
		ok = json_is_number(json);
		break;
	case T_STRING:
		ok = json_is_string(json);
		break;
	case T_NAMED:
		check_struct(idl, find(idl, D_TYPE, t->name)->in, json, where);
		break;
	case T_STRUCT:
		check_struct(idl, t, json, where);
		break;
	case T_ENUM:
		ok = enum_has(t, json_string_value(json));
		break;
	case T_ARRAY:
		ok = json_is_array(json);
		json_array_foreach ((json_t *)json, i, value)
			check(idl, t->of, value, where);
		break;
	case T_MAP:
		ok = json_is_object(json);
		json_object_foreach ((json_t *)json, key, value)
			check(idl, t->of, value, where);
		break;
	}
	if (!ok)
		fail_msg("%s has the wrong type", where);
}

/* Check and free. */
static void assert_type(const struct idl *idl, const char *name, json_t *json)
{
	const struct decl *d = find(idl, D_TYPE, name);

	assert_non_null(d);
	assert_non_null(json);
	check_struct(idl, d->in, json, name);
	json_decref(json);
}

/* ---- the tests ---- */

static char *slurp(const char *path)
{
	char full[512];
	FILE *file;
	char *text = calloc(1, 65536);

	snprintf(full, sizeof(full), "%s/%s", SOURCE_DIR, path);
	file = fopen(full, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

static void the_embedded_description_is_the_file(void **state)
{
	(void)state;
	char *vpnd = slurp("daemon/io.vpnd.varlink");
	char *service = slurp("daemon/org.varlink.service.varlink");

	assert_string_equal(vpnd, control_interface_vpnd);
	assert_string_equal(service, control_interface_service);
	free(vpnd);
	free(service);
}

static void assert_known(const struct idl *idl, const struct type *t)
{
	if (!t)
		return;
	if (t->kind == T_NAMED && !find(idl, D_TYPE, t->name))
		fail_msg("type %s is not declared", t->name);
	assert_known(idl, t->of);
	for (size_t i = 0; t->kind == T_STRUCT && i < t->n; i++)
		assert_known(idl, t->type[i]);
}

static void every_type_is_declared(void **state)
{
	struct idl *idl = *state;

	assert_string_equal(idl->name, "io.vpnd");
	for (size_t i = 0; i < idl->n; i++) {
		assert_known(idl, idl->decl[i].in);
		assert_known(idl, idl->decl[i].out);
	}
}

static void assert_param(const struct control_param *param, const char *name, const struct type *t)
{
	char words[80];

	assert_string_equal(param->name, name);
	assert_int_equal(param->optional, t->optional);
	switch (param->type) {
	case PARAM_STRING:
		assert_int_equal(t->kind, T_STRING);
		break;
	case PARAM_BOOL:
		assert_int_equal(t->kind, T_BOOL);
		break;
	case PARAM_INT:
		assert_int_equal(t->kind, T_INT);
		break;
	case PARAM_MAP:
		assert_int_equal(t->kind, T_MAP);
		assert_int_equal(t->of->kind, T_STRING);
		break;
	case PARAM_CHOICE:
		assert_int_equal(t->kind, T_ENUM);
		assert_int_equal(t->n, 2);
		snprintf(words, sizeof(words), "%s|%s", t->field[0], t->field[1]);
		assert_string_equal(param->words, words);
		break;
	}
}

static void the_dispatch_table_has_the_methods(void **state)
{
	struct idl *vpnd = *state, *service = parse(control_interface_service);
	size_t n = 0;

	for (size_t i = 0; i < CONTROL_METHODS; i++) {
		const struct control_method *m = &control_methods[i];
		const char *name = strrchr(m->name, '.') + 1;
		struct idl *idl = strncmp(m->name, "io.vpnd.", 8) == 0 ? vpnd : service;
		const struct decl *d = find(idl, D_METHOD, name);

		if (!d)
			fail_msg("%s is not in the interface", m->name);
		for (size_t k = 0; k < d->in->n; k++)
			assert_param(&m->params[k], d->in->field[k], d->in->type[k]);
		if (d->in->n < CONTROL_PARAMS_MAX)
			assert_null(m->params[d->in->n].name);
	}
	for (size_t i = 0; i < vpnd->n; i++)
		n += vpnd->decl[i].kind == D_METHOD;
	for (size_t i = 0; i < service->n; i++)
		n += service->decl[i].kind == D_METHOD;
	assert_int_equal(n, CONTROL_METHODS);
	idl_free(service);
}

/* Every "io.vpnd.X" in a C file is declared. */
static void assert_declared(const struct idl *idl, const char *path)
{
	char *text = slurp(path);

	for (char *at = strstr(text, "\"io.vpnd."); at; at = strstr(at + 1, "\"io.vpnd.")) {
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(at + 9, "\""), at + 9);
		if (!find(idl, D_METHOD, name) && !find(idl, D_ERROR, name))
			fail_msg("%s: %s is not in the interface", path, name);
	}
	free(text);
}

static void errors_are_declared_and_vpnctl_knows_them(void **state)
{
	struct idl *idl = *state;
	char *fail = slurp("cli/fail.c");

	assert_declared(idl, "daemon/control.c");
	assert_declared(idl, "daemon/control_method.c");
	assert_declared(idl, "daemon/control_reply.c");
	assert_declared(idl, "cli/fail.c");
	assert_declared(idl, "cli/connect.c");
	assert_declared(idl, "cli/status.c");
	assert_declared(idl, "cli/monitor.c");
	assert_declared(idl, "cli/test.c");
	for (size_t i = 0; i < idl->n; i++) {
		char quoted[80];

		if (idl->decl[i].kind != D_ERROR)
			continue;
		snprintf(quoted, sizeof(quoted), "\"io.vpnd.%s\"", idl->decl[i].name);
		if (!strstr(fail, quoted))
			fail_msg("vpnctl does not know %s", quoted);
	}
	free(fail);
}

static struct control_network network(const struct prefix *routes)
{
	return (struct control_network){.interface = "vpn-corp",
		.address = {ip_v4(0x0a630002)},
		.peer = ip_v4(0x0a630001),
		.dns = {ip_v4(0x0a630035)},
		.dns_note = "off: somebody else's file",
		.routes = routes,
		.n_routes = 1,
		.mtu = 1400,
		.gateway = ip_v4(0xc000020a)};
}

static void events_have_their_type(void **state)
{
	struct idl *idl = *state;
	struct prefix route = {.ip = ip_v4(0x0a000000), .len = 8};
	struct control_network net = network(&route), empty = {.interface = "x"};
	struct reason reason;

	reason_set(&reason, REASON_PPP_AUTH_REFUSED, "E=691");
	for (int kind = CONTROL_EV_STAGE; kind <= CONTROL_EV_FAILED; kind++) {
		struct control_event ev = {.kind = (enum control_event_kind)kind,
			.stage = "IKE main mode",
			.text = "\xff not UTF-8",
			.prompt = "password",
			.network = &net,
			.reason = &reason};

		assert_type(idl, "Event", control_json_event(&ev, "corp", 7));
		ev.text = NULL;
		ev.network = &empty;
		assert_type(idl, "Event", control_json_event(&ev, "corp", 7));
	}
	for (int id = REASON_NONE; id < REASONS; id++) {
		reason.id = (enum reason_id)id;
		assert_type(idl, "Failure", control_json_failure(&reason, NULL));
	}
}

static void status_has_its_type_with_and_without_layers(void **state)
{
	struct idl *idl = *state;
	struct prefix route = {.ip = ip_v4(0x0a000000), .len = 8};
	struct control_network net = network(&route);
	struct conn_status conn = {.state = CONN_IDLE};
	struct esp_sa_status sa = {.suite = {.cipher = ESP_AES_GCM, .key_len = 32, .icv_len = 16}};
	struct control_status status = {.name = "corp", .now = 5000, .conn = &conn};
	json_t *json;

	assert_type(idl, "Connection", control_json_status(&status, true, true));
	conn.state = CONN_UP;
	conn.has_stack = true;
	conn.stack.lane = LANE_NATT;
	conn.stack.ike.established = conn.stack.l2tp.up = conn.stack.ppp.lcp_open = true;
	reason_set(&conn.last, REASON_LINK_LOST, "60 s");
	status.network = &net;
	status.gateway = "vpn.example.com";
	status.data_plane = "user";
	status.data_plane_note = "the kernel's IPsec has no aes256-sha256";
	status.ports_note = "UDP 500 is held by charon (pid 7), we use 40000";
	status.sas = &sa;
	status.n_sas = 1;
	json = control_json_status(&status, true, true);
	assert_non_null(json_object_get(json, "ike"));
	assert_non_null(json_object_get(json, "l2tp"));
	assert_non_null(json_object_get(json, "ppp"));
	assert_int_equal(json_array_size(json_object_get(json, "sas")), 1);
	assert_type(idl, "Connection", json);
	json = control_json_status(&status, true, false);
	assert_null(json_object_get(json, "sas"));
	assert_type(idl, "Connection", json);
}

static void strangers_see_no_address(void **state)
{
	struct idl *idl = *state;
	struct prefix route = {.ip = ip_v4(0x0a000000), .len = 8};
	struct control_network net = network(&route);
	struct conn_status conn = {.state = CONN_UP, .has_stack = true};
	struct control_status status = {.name = "corp",
		.conn = &conn,
		.network = &net,
		.gateway = "vpn.example.com",
		.data_plane = "user"};
	json_t *json;

	reason_set(&conn.last, REASON_NET_UNREACHABLE, "192.0.2.10");
	json = control_json_status(&status, false, true);
	assert_int_equal(json_object_size(json), 3);
	assert_type(idl, "Connection", json);
}

static void settings_have_their_type(void **state)
{
	struct idl *idl = *state;
	struct conf *conf = conf_new("corp");
	struct conf_errors *errors = conf_errors_new();
	json_t *list, *one;
	size_t i;

	assert_true(conf_set(conf, "psk", slice_str("hunter2"), true, errors));
	list = control_json_settings(conf, NULL);
	assert_int_equal(json_array_size(list), CONF_KEYS);
	json_array_foreach (list, i, one)
		assert_type(idl, "Setting", json_incref(one));
	json_decref(list);
	list = control_json_settings(conf, "psk");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(list, 0), "value")), "<hidden>");
	json_decref(list);
	conf_errors_free(errors);
	conf_free(conf);
}

static void what_the_host_can_do_has_its_type(void **state)
{
	struct idl *idl = *state;
	const struct decl *method = find(idl, D_METHOD, "TestIpsec");
	const struct control_ability some[] = {{"aes256-sha1", NULL}, {"3des-sha1", "\xff"}};
	const struct control_port ports[] = {{500, NULL}, {4500, "\xff (pid 7)"}};
	struct control_test test = {.kernel = "6.1"};
	json_t *json = control_json_test(&test);

	check_struct(idl, method->out, json, "TestIpsec");
	assert_true(json_is_false(json_object_get(json, "possible")));
	json_decref(json);
	test = (struct control_test){.kernel = "6.1",
		.plane = "mixed",
		.note = "no L2TP",
		.suites = some,
		.n_suites = 2,
		.parts = some,
		.n_parts = 1,
		.ports = ports,
		.n_ports = 2};
	json = control_json_test(&test);
	check_struct(idl, method->out, json, "TestIpsec");
	assert_true(json_is_true(json_object_get(json, "possible")));
	assert_int_equal(json_array_size(json_object_get(json, "suites")), 2);
	json_decref(json);
}

static int setup(void **state)
{
	*state = parse(control_interface_vpnd);
	return 0;
}

static int teardown(void **state)
{
	idl_free(*state);
	return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_embedded_description_is_the_file),
		TEST(every_type_is_declared),
		TEST(the_dispatch_table_has_the_methods),
		TEST(errors_are_declared_and_vpnctl_knows_them),
		TEST(events_have_their_type),
		TEST(status_has_its_type_with_and_without_layers),
		TEST(strangers_see_no_address),
		TEST(settings_have_their_type),
		TEST(what_the_host_can_do_has_its_type),
	};

	varlink_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

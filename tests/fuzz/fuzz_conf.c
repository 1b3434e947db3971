/* Connection files, and the same octets as settings and secrets of a Connect call. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/conf.h"

/* One list for all inputs: it is 40 KiB, and clearing that for each would be most of the work. */
static struct conf_errors *no_errors(void)
{
	static struct conf_errors *errors;

	if (!errors)
		errors = conf_errors_new();
	fuzz_require(errors);
	errors->n = 0;
	return errors;
}

static void show(const struct conf *c)
{
	for (size_t i = 0; i < CONF_KEYS; i++)
		fuzz_require(conf_text(c, i));
}

static void read_file(struct slice text)
{
	struct conf *c = conf_new("fuzz");
	struct conf_errors *errors = no_errors();
	char line[CONF_ERROR_LINE];

	fuzz_require(c);
	bool good = conf_read(c, "fuzz.conf", text, errors);
	fuzz_require(good == (errors->n == 0));
	bool secret = conf_holds_secret(c);
	fuzz_require(!secret || c->psk.n || c->password.p || c->l2tp_secret.n);
	if (conf_finish(c, "fuzz.conf", errors) && conf_decode_psk(c, "fuzz.conf", errors) && good)
		show(c);
	for (size_t i = 0; i < errors->n && i < CONF_ERRORS_MAX; i++)
		fuzz_require(strlen(conf_error_text(errors, i, line)) < CONF_ERROR_LINE);
	conf_free(c);
}

/* Key up to the first '=', then its value; as a stranger's setting, as root's, as a secret. */
static void set_inline(struct slice text)
{
	const uint8_t *eq = text.n ? memchr(text.p, '=', text.n) : NULL;
	char key[64] = "";

	if (!eq || (size_t)(eq - text.p) >= sizeof(key))
		return;
	struct slice value = slice(eq + 1, text.n - (size_t)(eq + 1 - text.p));
	struct conf_errors *errors = no_errors();
	struct conf *c = conf_new("fuzz");

	fuzz_require(c);
	memcpy(key, text.p, (size_t)(eq - text.p));
	(void)conf_set(c, key, value, false, errors);
	fuzz_require(
		!c->psk_file && !c->password_file && !c->psk_credential && !c->password_credential);
	(void)conf_set(c, key, value, true, errors);
	bool given = conf_give(c, key, value, errors);
	fuzz_require(!given || conf_holds_secret(c));
	conf_free(c);
}

void fuzz_one(const struct env *env, struct slice input)
{
	(void)env;
	read_file(input);
	set_inline(input);
}

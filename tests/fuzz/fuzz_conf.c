/* Connection files, and the same octets as settings of a Connect call. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/conf.h"

static void show(const struct conf *c)
{
	for (size_t i = 0; i < CONF_KEYS; i++)
		fuzz_require(conf_text(c, i));
}

static void read_file(struct slice text)
{
	struct conf *c = conf_new("fuzz");
	struct conf_errors *errors = conf_errors_new();
	char line[CONF_ERROR_LINE];

	fuzz_require(c && errors);
	bool good = conf_read(c, "fuzz.conf", text, errors);
	fuzz_require(good == (errors->n == 0));
	if (good && conf_finish(c, "fuzz.conf", errors) && conf_decode_psk(c, "fuzz.conf", errors))
		show(c);
	for (size_t i = 0; i < errors->n && i < CONF_ERRORS_MAX; i++)
		fuzz_require(strlen(conf_error_text(errors, i, line)) < CONF_ERROR_LINE);
	conf_errors_free(errors);
	conf_free(c);
}

/* Key up to the first '=', then its value. */
static void set_inline(struct slice text)
{
	const uint8_t *eq = text.n ? memchr(text.p, '=', text.n) : NULL;
	struct conf *c = conf_new("fuzz");
	struct conf_errors *errors = conf_errors_new();
	char key[64] = "";

	fuzz_require(c && errors);
	if (eq) {
		size_t n = (size_t)(eq - text.p);

		memcpy(key, text.p, n < sizeof(key) ? n : sizeof(key) - 1);
		(void)conf_set(c, key, slice(eq + 1, text.n - n - 1), false, errors);
		fuzz_require(!c->psk_file && !c->password_file && !c->psk_credential);
	}
	conf_errors_free(errors);
	conf_free(c);
}

void fuzz_one(const struct env *env, struct slice input)
{
	(void)env;
	read_file(input);
	set_inline(input);
}

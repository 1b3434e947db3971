/* Values of configuration keys: from text to what struct conf holds. */
#pragma once

#include <stdbool.h>

#include "base/wire.h"
#include "daemon/conf.h"

/* Parse `value` (NUL-terminated copy owned by the caller, `n` octets long) as key's type into its
 * place in *c. Texts are borrowed: they must live as long as *c. False: *c is as it was and *wrong
 * (preset by the caller to the whole value) is the part that cannot be. */
bool conf_value(
	struct conf *c, const struct conf_key *key, struct slice value, struct slice *wrong);

/* Key i takes `value`: parsed into its place, its text kept, the line noted. False when it added an
 * error. */
bool conf_take(struct conf *c, size_t i, struct slice value, const char *file, unsigned line,
	struct conf_errors *errors);

void conf_unknown_key(const char *file, unsigned line, const char *key, struct conf_errors *errors);

/* Standard base64 (RFC 4648, 4) with padding, no blanks. `to` has room for 3 octets for every 4
 * characters. False on anything else. */
bool conf_base64(struct slice text, uint8_t *to, size_t *n);

/* Well-formed UTF-8 (RFC 3629) without control characters. */
bool conf_utf8(struct slice text);

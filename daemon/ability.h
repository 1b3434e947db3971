/* What this kernel was found to be able to do, by name ("esp aes256gcm16", "l2tp"), remembered in
 * memory and, for the life of a boot, in RUNTIME_DIR/abilities.
 *
 * A yes holds until the next boot: the file names the boot, the kernel and the network namespace it
 * was found in, and ends with a sum; one that does not fit to the octet says nothing. A no is kept in
 * memory only and for a minute, because the module may be there the next time. */
#pragma once

#include <stdbool.h>

#include "base/msec.h"

struct abilities;

enum { ABILITY_NAME = 48, ABILITY_WHY = 160, ABILITY_NO_HOLDS = 60000 /* ms */ };

enum ability_answer { ABILITY_UNKNOWN, ABILITY_YES, ABILITY_NO };

/* With what the file of this boot says. `dir` is borrowed; NULL: memory only. NULL when out of
 * memory. */
struct abilities *abilities_new(const char *dir);
void abilities_free(struct abilities *a); /* NULL is allowed */

/* What was found last; with NO, *why (borrowed until the next change) says why. */
enum ability_answer abilities_get(const struct abilities *a, const char *name, const char **why);

/* Does that still hold? */
bool abilities_hold(const struct abilities *a, const char *name, msec now);

/* `why` "": yes. */
void abilities_put(struct abilities *a, const char *name, const char *why, msec now);

/* Every yes into the file. A file that cannot be written is no loss but of the time to ask again. */
void abilities_save(const struct abilities *a);

/* The kernel did not keep its word: all is to be asked again. */
void abilities_forget(struct abilities *a);

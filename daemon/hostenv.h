/* The real world behind struct env: getrandom(2), the wall clock, one pool, one crypto door. */
#pragma once

#include "base/env.h"

/* NULL: out of memory, or OpenSSL cannot be set up. `log` may be NULL and is borrowed. */
struct env *host_env_new(struct log *log);
void host_env_free(struct env *env);

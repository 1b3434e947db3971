/* The real world behind struct env: getrandom(2), the wall clock, one pool, one crypto door. */
#pragma once

#include <stdint.h>

#include "base/env.h"

/* NULL: out of memory, or OpenSSL cannot be set up. `log` may be NULL and is borrowed. */
struct env *host_env_new(struct log *log);
void host_env_free(struct env *env);

/* Which network namespace we are in; 0: unknown. */
uint64_t host_netns(void);

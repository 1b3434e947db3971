/* Network namespaces for tests that need real devices. Whoever may not make one ends with exit code
 * 77, which ctest shows as skipped, and says why. */
#pragma once

#include <stdint.h>

/* Enter a fresh network namespace with lo up. Returns a descriptor to come back to it. */
int netns_new(void);

/* Go to (back to) the namespace of a descriptor. */
void netns_enter(int fd);

/* Run a shell command; a failure fails the test. */
[[gnu::format(printf, 1, 2)]] void sh(const char *fmt, ...);

/* End with 77. */
[[gnu::format(printf, 1, 2), gnu::noreturn]] void skip_all(const char *fmt, ...);

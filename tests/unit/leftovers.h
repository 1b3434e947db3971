/* What is left of octets that must be gone: in blocks at the moment they are freed, and on the stack
 * below. Freed blocks are seen through AddressSanitizer's hooks; a build without it skips. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/wire.h"

enum { LEFTOVERS_DEPTH = 128 * 1024, LEFTOVERS_NEEDLE = 64, LEFTOVERS_VEIL = 0xa5 };

/* Veiled, or the search would find itself. */
static struct {
	uint8_t veiled[LEFTOVERS_NEEDLE];
	size_t n;
	unsigned found; /* freed blocks */
} leftovers;

__attribute__((weak)) int __sanitizer_install_malloc_and_free_hooks(
	void (*)(const volatile void *, size_t), void (*)(const volatile void *));
__attribute__((weak)) size_t __sanitizer_get_allocated_size(const volatile void *);

/* Poisoned octets are looked at too. Inlined, for a frame of its own would lie where it searches. */
__attribute__((no_sanitize("address", "undefined"), always_inline)) static inline size_t
leftovers_in(const volatile uint8_t *at, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; leftovers.n && i + leftovers.n <= n; i++) {
		size_t k = 0;

		while (k < leftovers.n && (at[i + k] ^ LEFTOVERS_VEIL) == leftovers.veiled[k])
			k++;
		found += k == leftovers.n;
	}
	return found;
}

/* How often the watched octets lie in a block of memory. */
__attribute__((no_sanitize("address", "undefined"), noinline, unused)) static size_t
leftovers_block(const void *at, size_t n)
{
	return leftovers_in(at, n);
}

static void leftovers_on_malloc(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
}

__attribute__((no_sanitize("address", "undefined"))) static void leftovers_on_free(
	const volatile void *p)
{
	if (p && leftovers_in(p, __sanitizer_get_allocated_size(p)))
		leftovers.found++;
}

/* From here on, count the freed blocks that hold these octets. */
static inline void leftovers_watch(struct slice needle)
{
	static bool hooked;

	if (!__sanitizer_install_malloc_and_free_hooks)
		skip();
	if (!hooked)
		hooked = __sanitizer_install_malloc_and_free_hooks(
			leftovers_on_malloc, leftovers_on_free);
	assert_true(hooked);
	assert_in_range(needle.n, 1, LEFTOVERS_NEEDLE);
	for (size_t i = 0; i < needle.n; i++)
		leftovers.veiled[i] = needle.p[i] ^ LEFTOVERS_VEIL;
	leftovers.n = needle.n;
	leftovers.found = 0;
}

static inline unsigned leftovers_freed(void)
{
	return leftovers.found;
}

/* Before the call whose stack is to be searched. */
__attribute__((noinline, unused)) static void leftovers_wash(void)
{
	volatile uint8_t octets[LEFTOVERS_DEPTH];

	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = 0;
}

/* How often the watched octets lie on the stack below the caller. */
__attribute__((no_sanitize("address", "undefined"), noinline, unused)) static size_t
leftovers_stack(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return leftovers_in((const volatile uint8_t *)(here - LEFTOVERS_DEPTH), LEFTOVERS_DEPTH);
}

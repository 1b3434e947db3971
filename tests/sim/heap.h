/* Octets of the heap that are in use now. */
#pragma once

#include <malloc.h>
#include <stddef.h>

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc has it without a header */
#endif

static inline size_t heap(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_get_current_allocated_bytes();
#else
	return mallinfo2().uordblks;
#endif
}

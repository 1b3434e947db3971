#define _GNU_SOURCE /* dl_iterate_phdr() */
#include "daemon/footprint.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pkt.h"

void footprint_begin(void)
{
	mallopt(M_MMAP_THRESHOLD, PKT_LARGE);
}

/* Code and constants of an object: the dynamic linker and OpenSSL's fetches walk through all of it
 * once. Clean pages of a file come back from the page cache; written segments hold relocations. */
static int drop_clean(struct dl_phdr_info *info, size_t size, void *ctx)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)ctx;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
		uintptr_t to = (info->dlpi_addr + p->p_vaddr + p->p_memsz) & ~(page - 1);

		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && to > from)
			madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void footprint_settle(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_clean, NULL);
}

/* Faults in what the client calls, one at a time: memory (malloc() and its kin, OpenSSL's, packets)
 * and the functions of OpenSSL that base/crypto*.c calls (inject_calls.h). The linker's --wrap puts
 * inject.c in between; nothing in the program under test knows of it.
 *
 * Only calls that are made inside a door count: one of conn's functions, or what the test itself has
 * put between inject_enter() and inject_leave(). The gateway and the test never fail. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/msec.h"

enum inject_kind { INJECT_MEMORY, INJECT_CALLS };

struct injection {
	enum inject_kind kind;
	uint64_t at;   /* the one that fails, from 1; 0: only count */
	msec lasts;    /* and so do all after it, until so much time is over */
	bool negative; /* a CODE fails with -1, not with 0 */
};

/* Before anything else in the program: OpenSSL's memory is ours, too. */
void inject_setup(void);

void inject_arm(const struct injection *what);
void inject_disarm(void);

void inject_enter(msec now);
void inject_leave(void);

uint64_t inject_seen(void);   /* calls inside doors since it was armed */
uint64_t inject_failed(void); /* how many of them were made to fail */
msec inject_over(void);       /* from when on nothing fails any more; 0: nothing has yet */

/* OpenSSL gives back what it keeps for a thread: the queue of its errors, above all. */
void inject_settle(void);

/* Pieces of memory that are in use, all over the program. */
enum inject_owner { INJECT_OURS, INJECT_OPENSSL, INJECT_OWNERS };
int64_t inject_live(enum inject_owner owner);

/* The sanitizer looks away from what is allocated now. */
void inject_leaks(bool may_leak);

/* Functions of inject_calls.h that have never been made to fail, each on a line; how many. */
unsigned inject_untouched(void);
const char *inject_last(void); /* the function that failed last */

/* Work that may wait for the kernel (a module to be loaded, a long walk through /proc), done by a child
 * process, so that the loop goes on with everybody's packets. The child has nothing of ours but a copy
 * of our memory and a pipe for its answer: every other descriptor is closed, and it dies with us. */
#pragma once

#include <stddef.h>

#include "daemon/loop.h"

struct aside;

/* In the child: fill `answer`, which is zeroes at first. */
typedef void aside_job(void *ctx, void *answer);
/* In the loop, once; NULL: the child died without an answer. It may free the aside, and the answer with
 * it. */
typedef void aside_done(void *ctx, const void *answer);

/* NULL: no memory, no descriptors, no process; then nothing is called. */
struct aside *aside_new(
	struct loop *loop, size_t answer_len, aside_job *job, aside_done *done, void *ctx);

/* The child, if it still works, is killed. NULL is allowed. */
void aside_free(struct aside *a);

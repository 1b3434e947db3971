/* The event loop: descriptors, deadlines, signals and jobs for later. The only user of libevent.
 *
 * Time is CLOCK_BOOTTIME in milliseconds: it counts suspend, so a deadline that passed while the
 * machine slept is due when it wakes. All deadlines share one timerfd, armed to the least of them,
 * so an idle daemon does not wake at all.
 *
 * Callbacks may free any watch, timer or signal, their own included. What must outlive the running
 * callback (an object that is still on the stack) is freed by loop_later(). One thread. */
#pragma once

#include <stdbool.h>

#include "base/msec.h"

struct loop;
struct loop_watch;
struct loop_timer;
struct loop_signal;

typedef void loop_fn(void *ctx);

enum loop_when { LOOP_READ, LOOP_WRITE };

/* NULL when out of memory or descriptors. */
struct loop *loop_new(void);

/* Everything made on it must have been freed before; jobs for later that have not run yet are run
 * now. NULL is allowed, here and in all frees below. */
void loop_free(struct loop *loop);

/* Run until loop_stop(). 0 or -EIO when the loop itself broke. */
[[gnu::warn_unused_result]] int loop_run(struct loop *loop);

/* Leave loop_run() after the current callback and the jobs it left for later. */
void loop_stop(struct loop *loop);

/* Now, read once for each callback. */
msec loop_now(const struct loop *loop);

/* Call fn(ctx) as long as fd is ready, error and hang-up included; on at once. The fd is borrowed
 * and must stay open until the watch is freed. One direction each. NULL when out of memory. */
struct loop_watch *loop_watch_new(
	struct loop *loop, int fd, enum loop_when when, loop_fn *fn, void *ctx);
void loop_watch_free(struct loop_watch *w);

/* Pause and resume, for a reader that is held back or a writer with nothing to write. */
void loop_watch_set(struct loop_watch *w, bool on);

/* A timer, off at first. It calls fn(ctx) once at its deadline, never early. NULL when out of
 * memory. */
struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *ctx);
void loop_timer_free(struct loop_timer *t);

/* (Re)arm to an absolute deadline, MSEC_NEVER = off. A deadline in the past is due at once. */
void loop_timer_set(struct loop_timer *t, msec deadline);

/* Call fn(ctx) in the loop when the signal came. NULL when out of memory. One loop of a process
 * may have signals. */
struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_fn *fn, void *ctx);
void loop_signal_free(struct loop_signal *s);

/* Call fn(ctx) when the running callback has returned, in the order of the calls. 0 or -ENOMEM. */
[[gnu::warn_unused_result]] int loop_later(struct loop *loop, loop_fn *fn, void *ctx);

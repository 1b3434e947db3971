#include "daemon/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

struct job {
	struct job *next;
	loop_fn *fn;
	void *ctx;
};

struct loop {
	struct event_base *base;
	msec now;
	bool stop;

	int clock_fd;
	struct event *clock;
	msec armed; /* what clock_fd stands at */

	struct loop_timer **heap; /* the armed timers, least deadline first */
	size_t armed_timers;
	size_t timers; /* that exist: the heap has room for all, so arming cannot fail */
	size_t heap_room;

	struct job *later;
	struct job **later_end;
};

struct loop_watch {
	struct loop *loop;
	struct event *ev;
	loop_fn *fn;
	void *ctx;
};

struct loop_timer {
	struct loop *loop;
	msec deadline;
	size_t at; /* in the heap, when armed */
	loop_fn *fn;
	void *ctx;
};

struct loop_signal {
	struct loop *loop;
	struct event *ev;
	loop_fn *fn;
	void *ctx;
};

static msec boottime(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (msec)t.tv_sec * 1000 + (msec)t.tv_nsec / 1000000;
}

/* ---- the heap of deadlines ---- */

static void heap_place(struct loop *l, size_t at, struct loop_timer *t)
{
	l->heap[at] = t;
	t->at = at;
}

static void heap_up(struct loop *l, struct loop_timer *t)
{
	size_t at = t->at;

	for (; at > 0 && t->deadline < l->heap[(at - 1) / 2]->deadline; at = (at - 1) / 2)
		heap_place(l, at, l->heap[(at - 1) / 2]);
	heap_place(l, at, t);
}

static void heap_down(struct loop *l, struct loop_timer *t)
{
	size_t at = t->at;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= l->armed_timers)
			break;
		if (child + 1 < l->armed_timers &&
			l->heap[child + 1]->deadline < l->heap[child]->deadline)
			child++;
		if (t->deadline <= l->heap[child]->deadline)
			break;
		heap_place(l, at, l->heap[child]);
		at = child;
	}
	heap_place(l, at, t);
}

static void heap_remove(struct loop *l, struct loop_timer *t)
{
	struct loop_timer *last = l->heap[--l->armed_timers];

	if (last == t)
		return;
	heap_place(l, t->at, last);
	heap_up(l, last);
	heap_down(l, last);
}

static msec least_deadline(const struct loop *l)
{
	return l->armed_timers ? l->heap[0]->deadline : MSEC_NEVER;
}

/* Timers that a callback arms for the past wait for the next round, so that others get a turn. */
static void run_due_timers(struct loop *l)
{
	size_t most = l->armed_timers;

	while (most-- > 0 && least_deadline(l) <= l->now) {
		struct loop_timer *t = l->heap[0];

		loop_timer_set(t, MSEC_NEVER);
		t->fn(t->ctx);
	}
}

/* ---- around each callback ---- */

static void run_later(struct loop *l)
{
	while (l->later) {
		struct job *job = l->later;

		l->later = job->next;
		if (!l->later)
			l->later_end = &l->later;
		job->fn(job->ctx);
		free(job);
	}
}

static void arm_clock(struct loop *l)
{
	msec least = least_deadline(l);
	struct itimerspec when = {0};

	if (least == l->armed)
		return;
	if (least != MSEC_NEVER) {
		when.it_value.tv_sec = (time_t)(least / 1000);
		when.it_value.tv_nsec = (long)(least % 1000) * 1000000;
		if (least == 0)
			when.it_value.tv_nsec = 1; /* all zero would disarm */
	}
	if (timerfd_settime(l->clock_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0)
		l->armed = least;
}

/* Once the callback has returned: its object may be gone, only the loop is left to touch. */
static void callback_done(struct loop *l)
{
	run_later(l);
	arm_clock(l);
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct loop_watch *w = arg;
	struct loop *l = w->loop;

	(void)fd;
	(void)what;
	l->now = boottime();
	w->fn(w->ctx);
	callback_done(l);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct loop_signal *s = arg;
	struct loop *l = s->loop;

	(void)signo;
	(void)what;
	l->now = boottime();
	s->fn(s->ctx);
	callback_done(l);
}

static void on_clock(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t expirations;

	(void)what;
	if (read(fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
		return; /* armed anew between the wakeup and here */
	l->armed = MSEC_NEVER;
	l->now = boottime();
	run_due_timers(l);
	callback_done(l);
}

/* ---- the loop ---- */

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->clock_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	l->armed = MSEC_NEVER;
	l->later_end = &l->later;
	l->now = boottime();
	l->base = event_base_new();
	if (l->base && l->clock_fd >= 0)
		l->clock = event_new(l->base, l->clock_fd, EV_READ | EV_PERSIST, on_clock, l);
	if (!l->clock || event_add(l->clock, NULL) < 0) {
		loop_free(l);
		return NULL;
	}
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	run_later(l);
	assert(l->timers == 0);
	if (l->clock)
		event_free(l->clock);
	if (l->base)
		event_base_free(l->base);
	if (l->clock_fd >= 0)
		close(l->clock_fd);
	free(l->heap);
	free(l);
}

int loop_run(struct loop *l)
{
	int result = 0;

	l->now = boottime();
	callback_done(l);
	if (!l->stop)
		result = event_base_dispatch(l->base);
	l->stop = false;
	return result < 0 ? -EIO : 0;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
	event_base_loopbreak(l->base);
}

msec loop_now(const struct loop *l)
{
	return l->now;
}

/* ---- watches ---- */

struct loop_watch *loop_watch_new(
	struct loop *loop, int fd, enum loop_when when, loop_fn *fn, void *ctx)
{
	struct loop_watch *w = malloc(sizeof(*w));
	short what = when == LOOP_READ ? EV_READ : EV_WRITE;

	if (!w)
		return NULL;
	*w = (struct loop_watch){.loop = loop, .fn = fn, .ctx = ctx};
	w->ev = event_new(loop->base, fd, (short)(what | EV_PERSIST), on_watch, w);
	if (!w->ev || event_add(w->ev, NULL) < 0) {
		loop_watch_free(w);
		return NULL;
	}
	return w;
}

void loop_watch_free(struct loop_watch *w)
{
	if (!w)
		return;
	if (w->ev)
		event_free(w->ev);
	free(w);
}

void loop_watch_set(struct loop_watch *w, bool on)
{
	if (on)
		event_add(w->ev, NULL);
	else
		event_del(w->ev);
}

/* ---- timers ---- */

static bool heap_make_room(struct loop *l)
{
	if (l->timers < l->heap_room)
		return true;
	size_t room = l->heap_room ? 2 * l->heap_room : 16;
	struct loop_timer **heap = reallocarray(l->heap, room, sizeof(*heap));
	if (!heap)
		return false;
	l->heap = heap;
	l->heap_room = room;
	return true;
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *ctx)
{
	struct loop_timer *t = heap_make_room(loop) ? malloc(sizeof(*t)) : NULL;

	if (!t)
		return NULL;
	*t = (struct loop_timer){.loop = loop, .deadline = MSEC_NEVER, .fn = fn, .ctx = ctx};
	loop->timers++;
	return t;
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	loop_timer_set(t, MSEC_NEVER);
	t->loop->timers--;
	free(t);
}

void loop_timer_set(struct loop_timer *t, msec deadline)
{
	struct loop *l = t->loop;

	if (t->deadline == deadline)
		return;
	if (t->deadline != MSEC_NEVER)
		heap_remove(l, t);
	t->deadline = deadline;
	if (deadline == MSEC_NEVER)
		return;
	heap_place(l, l->armed_timers++, t);
	heap_up(l, t);
}

/* ---- signals ---- */

struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_fn *fn, void *ctx)
{
	struct loop_signal *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct loop_signal){.loop = loop, .fn = fn, .ctx = ctx};
	s->ev = evsignal_new(loop->base, signo, on_signal, s);
	if (!s->ev || event_add(s->ev, NULL) < 0) {
		loop_signal_free(s);
		return NULL;
	}
	return s;
}

void loop_signal_free(struct loop_signal *s)
{
	if (!s)
		return;
	if (s->ev)
		event_free(s->ev);
	free(s);
}

/* ---- jobs for later ---- */

int loop_later(struct loop *l, loop_fn *fn, void *ctx)
{
	struct job *job = malloc(sizeof(*job));

	if (!job)
		return -ENOMEM;
	*job = (struct job){.fn = fn, .ctx = ctx};
	*l->later_end = job;
	l->later_end = &job->next;
	return 0;
}

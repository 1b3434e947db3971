#include "tests/sim/inject.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_IPSEC_MB
#include <dlfcn.h>
#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "daemon/conn.h"

enum call {
#define NULLS(type, name, params, args) CALL_##name,
#define CODES(name, params, args)       CALL_##name,
#define ERRNOS(name, params, args)      CALL_##name,
#include "tests/sim/inject_calls.h"
#undef NULLS
#undef CODES
#undef ERRNOS
	CALLS,
};

static const char *const call_names[CALLS] = {
#define NULLS(type, name, params, args) #name,
#define CODES(name, params, args)       #name,
#define ERRNOS(name, params, args)      #name,
#include "tests/sim/inject_calls.h"
#undef NULLS
#undef CODES
#undef ERRNOS
};

static struct {
	struct injection what;
	bool armed;
	unsigned inside; /* doors */
	msec now, until;
	uint64_t seen, failed;
	int64_t live[INJECT_OWNERS];
	uint64_t hits[CALLS];
	const char *last;
} state = {.last = "nothing"};

void inject_arm(const struct injection *what)
{
	state.what = *what;
	state.armed = true;
	state.seen = state.failed = 0;
	state.until = 0;
	state.last = "nothing";
}

void inject_disarm(void)
{
	state.armed = false;
}

void inject_enter(msec now)
{
	state.inside++;
	state.now = now;
}

void inject_leave(void)
{
	state.inside--;
}

uint64_t inject_seen(void)
{
	return state.seen;
}

uint64_t inject_failed(void)
{
	return state.failed;
}

msec inject_over(void)
{
	return state.until;
}

int64_t inject_live(enum inject_owner owner)
{
	return state.live[owner];
}

const char *inject_last(void)
{
	return state.last;
}

unsigned inject_untouched(void)
{
	unsigned n = 0;

	for (int i = 0; i < CALLS; i++) {
		if (state.hits[i])
			continue;
		fprintf(stderr, "never made to fail: %s\n", call_names[i]);
		n++;
	}
	return n;
}

/* Is this the one? */
static bool strikes(enum inject_kind kind, const char *name)
{
	if (!state.armed || !state.inside || state.what.kind != kind)
		return false;
	if (++state.seen < state.what.at || !state.what.at)
		return false;
	if (state.seen == state.what.at)
		state.until = state.now + state.what.lasts;
	else if (state.now >= state.until)
		return false;
	state.failed++;
	state.last = name;
	return true;
}

/* ---- OpenSSL's functions ---- */

static bool call_fails(enum call call)
{
	bool fails = strikes(INJECT_CALLS, call_names[call]);

	state.hits[call] += fails;
	return fails;
}

#define WRAPPED(type, name, params)                                                                \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params

#define NULLS(type, name, params, args)                                                            \
	WRAPPED(type, name, params)                                                                \
	{                                                                                          \
		return call_fails(CALL_##name) ? NULL : __real_##name args;                        \
	}
#define CODES(name, params, args)                                                                  \
	WRAPPED(int, name, params)                                                                 \
	{                                                                                          \
		return call_fails(CALL_##name) ? -state.what.negative : __real_##name args;        \
	}
#define ERRNOS(name, params, args)                                                                 \
	WRAPPED(int, name, params)                                                                 \
	{                                                                                          \
		return call_fails(CALL_##name) ? 1 : __real_##name args;                           \
	}
#include "tests/sim/inject_calls.h"

#ifdef HAVE_IPSEC_MB
/* The multi-buffer library is loaded, and the linker does not see its functions: dlsym() gives out those of
 * the rows, which find here what they wrap. */
static __typeof__(alloc_mb_mgr) *found_alloc;
static __typeof__(imb_get_errno) *found_errno;

IMB_MGR *alloc_mb_mgr(uint64_t flags)
{
	return found_alloc(flags);
}

int imb_get_errno(IMB_MGR *mgr)
{
	return found_errno(mgr);
}

WRAPPED(void *, dlsym, (void *library, const char *name))
{
	void *found = __real_dlsym(library, name);

	if (strcmp(name, "alloc_mb_mgr") == 0) {
		found_alloc = found;
		return __wrap_alloc_mb_mgr;
	}
	if (strcmp(name, "imb_get_errno") == 0) {
		found_errno = found;
		return __wrap_imb_get_errno;
	}
	return found;
}
#endif

/* ---- memory ---- */

static void *counted(enum inject_owner owner, void *p)
{
	state.live[owner] += p != NULL;
	return p;
}

static void *counted_again(enum inject_owner owner, void *before, void *now)
{
	state.live[owner] += !before && now;
	return now;
}

WRAPPED(void *, malloc, (size_t n))
{
	return strikes(INJECT_MEMORY, "malloc") ? NULL : counted(INJECT_OURS, __real_malloc(n));
}

WRAPPED(void *, calloc, (size_t n, size_t size))
{
	return strikes(INJECT_MEMORY, "calloc") ? NULL
						: counted(INJECT_OURS, __real_calloc(n, size));
}

WRAPPED(void *, realloc, (void *p, size_t n))
{
	return strikes(INJECT_MEMORY, "realloc")
		       ? NULL
		       : counted_again(INJECT_OURS, p, __real_realloc(p, n));
}

WRAPPED(void *, aligned_alloc, (size_t alignment, size_t n))
{
	return strikes(INJECT_MEMORY, "aligned_alloc")
		       ? NULL
		       : counted(INJECT_OURS, __real_aligned_alloc(alignment, n));
}

WRAPPED(void, free, (void *p))
{
	state.live[INJECT_OURS] -= p != NULL;
	__real_free(p);
}

static void *openssl_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return strikes(INJECT_MEMORY, "OpenSSL's malloc")
		       ? NULL
		       : counted(INJECT_OPENSSL, __real_malloc(n));
}

static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return strikes(INJECT_MEMORY, "OpenSSL's realloc")
		       ? NULL
		       : counted_again(INJECT_OPENSSL, p, __real_realloc(p, n));
}

static void openssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	state.live[INJECT_OPENSSL] -= p != NULL;
	__real_free(p);
}

void inject_setup(void)
{
	if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free))
		abort();
}

void inject_leaks(bool may_leak)
{
#ifdef __SANITIZE_ADDRESS__
	if (may_leak)
		__lsan_disable();
	else
		__lsan_enable();
#else
	(void)may_leak;
#endif
}

void inject_settle(void)
{
	OPENSSL_thread_stop();
}

/* The pool keeps what was freed, so that a packet seldom costs an allocation: without these a warm
 * pool would hide what a cold one does. */
WRAPPED(struct pkt *, pkt_new, (struct pkt_pool * pool, size_t room))
{
	return strikes(INJECT_MEMORY, "pkt_new") ? NULL : __real_pkt_new(pool, room);
}

WRAPPED(struct pkt *, pkt_new_ctl, (struct pkt_pool * pool, size_t room))
{
	return strikes(INJECT_MEMORY, "pkt_new_ctl") ? NULL : __real_pkt_new_ctl(pool, room);
}

WRAPPED(struct pkt *, pkt_of, (struct pkt_pool * pool, struct slice s))
{
	return strikes(INJECT_MEMORY, "pkt_of") ? NULL : __real_pkt_of(pool, s);
}

WRAPPED(struct pkt *, pkt_view,
	(const struct pkt *of, uint8_t *data, size_t len, uint8_t *floor, uint8_t *ceil))
{
	return strikes(INJECT_MEMORY, "pkt_view") ? NULL
						  : __real_pkt_view(of, data, len, floor, ceil);
}

/* ---- the doors ---- */

#define DOOR(name, params, args)                                                                   \
	WRAPPED(void, name, params)                                                                \
	{                                                                                          \
		inject_enter(now);                                                                 \
		__real_##name args;                                                                \
		inject_leave();                                                                    \
	}

DOOR(conn_open, (struct conn * c, msec now, struct io *out), (c, now, out))
DOOR(conn_close, (struct conn * c, enum reason_id why, msec now, struct io *out),
	(c, why, now, out))
DOOR(conn_renew, (struct conn * c, msec now, struct io *out), (c, now, out))
DOOR(conn_resolved,
	(struct conn * c, uint32_t id, const struct ip *ips, size_t n, const char *why, msec now,
		struct io *out),
	(c, id, ips, n, why, now, out))
DOOR(conn_opened,
	(struct conn * c, uint32_t id, const struct conn_sockets *sockets, const struct reason *why,
		msec now, struct io *out),
	(c, id, sockets, why, now, out))
DOOR(conn_secret,
	(struct conn * c, uint32_t id, const struct answer *answer, msec now, struct io *out),
	(c, id, answer, now, out))
DOOR(conn_linked,
	(struct conn * c, uint32_t id, const struct reason *why, msec now, struct io *out),
	(c, id, why, now, out))
DOOR(conn_net_error, (struct conn * c, enum conn_net_error error, msec now, struct io *out),
	(c, error, now, out))
DOOR(conn_recv, (struct conn * c, struct pktq *in, msec now, struct io *out), (c, in, now, out))
DOOR(conn_send, (struct conn * c, struct pktq *in, msec now, struct io *out), (c, in, now, out))
DOOR(conn_tick, (struct conn * c, msec now, struct io *out), (c, now, out))

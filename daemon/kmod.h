/* Why the kernel has not loaded a module: what modprobe.d(5) and the kernel's command line forbid, and which
 * modules there are. */
#pragma once

#include <stddef.h>

struct kmod {
	const char *const *dirs; /* of modprobe.d(5), the first has the last word; ends with NULL */
	const char *cmdline;     /* the file with the kernel's command line */
	const char *modules;     /* where the kernel's modules lie; NULL: /lib/modules/RELEASE */
};

/* This host's. */
extern const struct kmod kmod_host;

/* "l2tp_ppp is blacklisted (/etc/modprobe.d/x.conf)", "this kernel has no module l2tp_ppp", "the
 * module l2tp_ppp is not loaded", cut to what fits. Returns `to`. */
const char *kmod_why(const struct kmod *kmod, const char *module, char *to, size_t room);

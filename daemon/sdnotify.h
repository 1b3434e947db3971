/* The service manager's notify protocol: one datagram to $NOTIFY_SOCKET. sd_notify(3), and
 * sd_watchdog_enabled(3).
 *
 * Without a service manager every call succeeds and does nothing. None of them blocks: 0 or -errno,
 * -EAGAIN when the manager does not keep up. */
#pragma once

#include "base/msec.h"

int sdnotify_ready(void);     /* started, or done with reloading */
int sdnotify_reloading(void); /* sdnotify_ready() must follow */
int sdnotify_stopping(void);
int sdnotify_watchdog(void); /* still alive */

/* One line for `systemctl status`. Control characters become '?', 256 octets at most. */
int sdnotify_status(const char *text);

/* How often to call sdnotify_watchdog(): half of what the manager allows, 0 = not wanted. */
msec sdnotify_watchdog_interval(void);

/* The listening socket that the manager opened for us (sd_listen_fds(3)): its descriptor, close on
 * exec, or -ENOENT when there is none. */
int sdnotify_listener(void);

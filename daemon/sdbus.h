/* sd-bus of libsystemd, loaded when it is wanted. Linked, it would cost every vpnd 0.3 MiB of its own, with
 * the five libraries that it brings; only a host whose names are systemd-resolved's needs it. */
#pragma once

#include <systemd/sd-bus.h>

#define SDBUS_CALLS(X)                                                                             \
	X(open_system)                                                                             \
	X(close_unref)                                                                             \
	X(set_method_call_timeout)                                                                 \
	X(get_fd)                                                                                  \
	X(get_events)                                                                              \
	X(get_timeout)                                                                             \
	X(process)                                                                                 \
	X(call)                                                                                    \
	X(call_async)                                                                              \
	X(slot_unref)                                                                              \
	X(message_new_method_call)                                                                 \
	X(message_set_auto_start)                                                                  \
	X(message_append)                                                                          \
	X(message_append_array)                                                                    \
	X(message_open_container)                                                                  \
	X(message_close_container)                                                                 \
	X(message_get_error)                                                                       \
	X(message_unref)

/* Each is sd_bus_NAME(3). All zero: not loaded yet. */
struct sdbus {
	void *library;
#define SDBUS_MEMBER(name) __typeof__(sd_bus_##name) *name;
	SDBUS_CALLS(SDBUS_MEMBER)
#undef SDBUS_MEMBER
};

/* Load it unless it is there already. -ENOPKG: this host has none, or not all of it. */
[[gnu::warn_unused_result]] int sdbus_load(struct sdbus *sd);

/* Nothing that came from it may be used any more. */
void sdbus_unload(struct sdbus *sd);

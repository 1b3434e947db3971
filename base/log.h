/* Structured log lines. A layer says level, its own name and a sentence with named fields
 * (`message 2 suite=aes256-sha256-modp2048`); where the line goes is the owner's business.
 *
 * error: this connection failed and why. warn: the peer misbehaved, we go on. info: one line for
 * each change the user would ask about. debug: each control message. Never keys or passwords, and
 * whatever a peer wrote goes through str_escape(). Lines that a stranger can cause use
 * log_stranger(), which is limited to 10 a minute. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/msec.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log {
	void (*sink)(void *ctx, enum log_level level, const char *layer, const char *text);
	void *ctx;
	enum log_level level; /* lines above it are not made */
	msec quiet_since;     /* start of the stranger minute */
	unsigned strangers;   /* lines in that minute */
};

/* All of them accept a NULL log. Lines are cut at 512 octets. */
[[gnu::format(printf, 3, 4)]] void log_error(
	const struct log *log, const char *layer, const char *fmt, ...);
[[gnu::format(printf, 3, 4)]] void log_warn(
	const struct log *log, const char *layer, const char *fmt, ...);
[[gnu::format(printf, 3, 4)]] void log_info(
	const struct log *log, const char *layer, const char *fmt, ...);
[[gnu::format(printf, 3, 4)]] void log_debug(
	const struct log *log, const char *layer, const char *fmt, ...);
[[gnu::format(printf, 4, 5)]] void log_stranger(
	struct log *log, msec now, const char *layer, const char *fmt, ...);

/* "error", "warn", "info", "debug"; parse gives false for anything else. */
const char *log_level_name(enum log_level level);
bool log_level_parse(const char *text, enum log_level *level);

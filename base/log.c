#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_OCTETS = 512, STRANGERS_A_MINUTE = 10 };

static const char *const level_names[] = {"error", "warn", "info", "debug"};

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

bool log_level_parse(const char *text, enum log_level *level)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++)
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

[[gnu::format(printf, 4, 0)]] static void emit(const struct log *log, enum log_level level,
	const char *layer, const char *fmt, va_list args)
{
	char line[LINE_MAX_OCTETS];

	if (!log || level > log->level)
		return;
	vsnprintf(line, sizeof(line), fmt, args);
	log->sink(log->ctx, level, layer, line);
}

/* One body a level: va_start needs the fixed arguments, so they cannot share a function. */
void log_error(const struct log *log, const char *layer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	emit(log, LOG_LEVEL_ERROR, layer, fmt, args);
	va_end(args);
}

void log_warn(const struct log *log, const char *layer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	emit(log, LOG_LEVEL_WARN, layer, fmt, args);
	va_end(args);
}

void log_info(const struct log *log, const char *layer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	emit(log, LOG_LEVEL_INFO, layer, fmt, args);
	va_end(args);
}

void log_debug(const struct log *log, const char *layer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	emit(log, LOG_LEVEL_DEBUG, layer, fmt, args);
	va_end(args);
}

void log_stranger(struct log *log, msec now, const char *layer, const char *fmt, ...)
{
	va_list args;

	if (!log)
		return;
	if (now - log->quiet_since >= SECONDS(60)) {
		log->quiet_since = now;
		log->strangers = 0;
	}
	if (log->strangers++ >= STRANGERS_A_MINUTE) /* check: log-stranger-rate */
		return;
	va_start(args, fmt);
	emit(log, LOG_LEVEL_WARN, layer, fmt, args);
	va_end(args);
}

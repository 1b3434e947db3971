/* Asking a person at the terminal. */
#pragma once

#include <stdbool.h>

#include "base/secret.h"

enum prompt_end {
	PROMPT_ANSWERED,
	PROMPT_NO,     /* end of input: nothing was typed */
	PROMPT_NO_TTY, /* nobody can be asked */
	PROMPT_BROKEN, /* one of the other descriptors wants attention */
};

/* Ask on the controlling terminal and read one line into *answer, without echo unless `echo`;
 * the terminal is as it was afterwards. Ends early when one of the two `others` (-1 = none) becomes
 * readable: signals through a signalfd, the daemon's socket. */
enum prompt_end prompt_ask(const char *text, bool echo, const int others[2], struct secret *answer);

/* The first line of a file ("-": standard input), at most 4 KiB. False: errno says why, 0 for an
 * empty or longer one. */
bool prompt_file(const char *path, struct secret *answer);

/* The history of one connection: its last log lines, and who follows them. */
#pragma once

#include <stdbool.h>

#include "base/log.h"
#include "daemon/control.h"

struct history;

/* NULL when out of memory. `control` is borrowed. */
struct history *history_new(struct control *control);

/* Followers are told that it is over. NULL is allowed. */
void history_free(struct history *h);

/* Kept, and told to followers; long lines are cut. */
void history_add(struct history *h, enum log_level level, const char *layer, const char *text);

/* What is kept, to a Log call; `follow`: and what comes, until history_unfollow(). */
void history_tell(struct history *h, control_call call, bool follow);

/* The call's client has left. */
void history_unfollow(struct history *h, control_call call);

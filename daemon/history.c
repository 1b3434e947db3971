#include "daemon/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	LINES = 400,
	TEXT = 384, /* a verdict with its evidence */
	FOLLOWERS = CONTROL_CLIENTS_MAX,
};

struct line {
	int64_t at_ms;
	enum log_level level;
	char layer[8];
	char text[TEXT];
};

struct history {
	struct control *control;
	control_call followers[FOLLOWERS]; /* 0: free */
	size_t first, n;
	struct line lines[LINES]; /* ring; pages that were never used cost nothing */
};

static int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tell(struct history *h, control_call call, const struct line *line)
{
	struct control_log_line out = {.at_ms = line->at_ms,
		.level = line->level,
		.layer = line->layer,
		.text = line->text};

	control_log_line(h->control, call, &out);
}

void history_add(struct history *h, enum log_level level, const char *layer, const char *text)
{
	struct line *line = &h->lines[(h->first + h->n) % LINES];

	if (h->n < LINES)
		h->n++;
	else
		h->first = (h->first + 1) % LINES;
	line->at_ms = wall_ms();
	line->level = level;
	snprintf(line->layer, sizeof(line->layer), "%s", layer);
	snprintf(line->text, sizeof(line->text), "%s", text);
	for (int i = 0; i < FOLLOWERS; i++)
		if (h->followers[i])
			tell(h, h->followers[i], line);
}

static bool follower_add(struct history *h, control_call call)
{
	for (int i = 0; i < FOLLOWERS; i++)
		if (!h->followers[i]) {
			h->followers[i] = call;
			return true;
		}
	return false;
}

void history_tell(struct history *h, control_call call, bool follow)
{
	for (size_t i = 0; i < h->n; i++)
		tell(h, call, &h->lines[(h->first + i) % LINES]);
	if (!follow)
		control_done(h->control, call);
	else if (!follower_add(h, call))
		control_refuse(h->control, call, CONTROL_NO_MEMORY, NULL, NULL);
}

void history_unfollow(struct history *h, control_call call)
{
	for (int i = 0; i < FOLLOWERS; i++)
		if (h->followers[i] == call)
			h->followers[i] = 0;
}

struct history *history_new(struct control *control)
{
	struct history *h = calloc(1, sizeof(*h));

	if (h)
		h->control = control;
	return h;
}

void history_free(struct history *h)
{
	if (!h)
		return;
	for (int i = 0; i < FOLLOWERS; i++)
		if (h->followers[i])
			control_done(h->control, h->followers[i]);
	free(h);
}

#include "base/patience.h"

static const struct {
	msec first;           /* the first interval, */
	unsigned round_trips; /* but not less than these */
	unsigned grows;       /* each is so much longer than the one before, in percent, */
	msec cap;             /* up to this */
	msec patience;        /* until the verdict */
	unsigned most;        /* copies, the first included; 0 = no limit but the time */
} table[] = {
	[PATIENCE_FIRST] = {500, 2, 50, 1500, SECONDS(11), 0},
	[PATIENCE_OVERTAKER] = {40, 0, 100, 1500, SECONDS(11), 0},
	[PATIENCE_EXCHANGE] = {500, 2, 50, 4000, SECONDS(40), 0},
	[PATIENCE_OPTIONS] = {150, 2, 50, 4000, SECONDS(40), 0},
	[PATIENCE_AUTH] = {SECONDS(120), 0, 0, SECONDS(120), SECONDS(120), 1},
	[PATIENCE_CLOSE] = {500, 2, 50, 1500, SECONDS(3), 2},
};

enum { JITTER_PERCENT = 10 };

static msec jittered(msec interval, const struct env *env)
{
	msec spread = interval * JITTER_PERCENT / 100;

	return interval - spread + env_random_u32(env) % (2 * spread + 1);
}

static void arm(struct retry *r, const struct env *env, msec now)
{
	unsigned most = table[r->kind].most;

	r->due = most && r->copies >= most ? MSEC_NEVER : now + jittered(r->interval, env);
}

void retry_start(struct retry *r, enum patience kind, msec rtt, const struct env *env, msec now)
{
	*r = (struct retry){
		.kind = kind,
		.copies = 1,
		.interval = table[kind].round_trips * rtt,
		.ends = now + table[kind].patience,
	};
	if (r->interval < table[kind].first)
		r->interval = table[kind].first;
	r->interval = msec_min(r->interval, table[kind].cap);
	arm(r, env, now);
}

enum retry_verdict retry_tick(struct retry *r, const struct env *env, msec now)
{
	if (now >= r->ends)
		return RETRY_GIVE_UP;
	if (now < r->due)
		return RETRY_WAIT;
	r->copies++;
	r->interval = msec_min(
		r->interval + r->interval * table[r->kind].grows / 100, table[r->kind].cap);
	arm(r, env, now);
	return RETRY_SEND;
}

void retry_stop(struct retry *r)
{
	*r = RETRY_STOPPED;
}

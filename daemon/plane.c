#include "daemon/plane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp/xfrm.h"

enum { KNOWN_MAX = 32 };

/* One suite's verdict. */
struct known {
	struct esp_suite suite;
	int verdict; /* 0 or -errno */
};

struct planes {
	const struct env *env;
	struct xfrm_host xfrm;
	struct known at[KNOWN_MAX];
	size_t n;
};

struct planes *planes_new(const struct env *env)
{
	struct planes *p = calloc(1, sizeof(*p));

	if (p)
		p->env = env;
	return p;
}

void planes_free(struct planes *p)
{
	free(p);
}

struct xfrm_host *planes_xfrm(struct planes *p)
{
	return &p->xfrm;
}

static int verdict_of(struct planes *p, const struct esp_suite *suite)
{
	for (size_t i = 0; i < p->n; i++)
		if (esp_suite_equal(&p->at[i].suite, suite))
			return p->at[i].verdict;
	int verdict = xfrm_probe(p->env, suite);
	if (p->n < KNOWN_MAX)
		p->at[p->n++] = (struct known){*suite, verdict};
	return verdict;
}

bool plane_probe(struct planes *p, const struct ike_proposals *offered, char why[static PLANE_WHY])
{
	char text[SUITE_TEXT];

	for (size_t i = 0; i < offered->n_esp; i++) {
		const struct esp_suite *suite = &offered->esp[i];
		int verdict = verdict_of(p, suite);

		if (verdict == 0)
			continue;
		snprintf(why, PLANE_WHY, "the kernel's IPsec has no %s: %s",
			esp_suite_text(suite, text), strerror(-verdict));
		return false;
	}
	return true;
}

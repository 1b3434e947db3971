#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

bool secret_set(struct secret *x, struct slice s)
{
	uint8_t *p = malloc(s.n ? s.n : 1);

	if (p && s.n)
		memcpy(p, s.p, s.n);
	secret_clear(x);
	if (!p)
		return false;
	*x = (struct secret){.p = p, .n = s.n};
	return true;
}

void secret_clear(struct secret *x)
{
	if (x->p)
		wipe(x->p, x->n); /* check: secret-wipe */
	free(x->p);
	*x = (struct secret){0};
}

void wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}

bool secret_equal(struct slice a, struct slice b)
{
	uint8_t differ = 0;

	if (a.n != b.n) /* check: secret-length */
		return false;
	for (size_t i = 0; i < a.n; i++) {
		differ |= (uint8_t)(a.p[i] ^ b.p[i]);
		__asm__ volatile("" : "+r"(differ)); /* no early way out */
	}
	return differ == 0;
}

/* Put in front of every file of the instrumented tree: which check is switched off, by the name in
 * VPND_MUTANT. The numbers are those of marks.py. No header is included, because the files say
 * _GNU_SOURCE after this. */
#pragma once

char *getenv(const char *name);

__attribute__((weak)) unsigned mutant_off;

static __attribute__((constructor)) void mutant_choose(void)
{
	const char *name = getenv("VPND_MUTANT");
	unsigned h = 0x811c9dc5;

	if (!name || !*name)
		return;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x01000193u;
	mutant_off = h;
}

#define MUTANT(number) (mutant_off == (number))

/* The table of keys of vpnd.conf(5), made from conf_keys[], so that the two cannot drift.
 *
 * conf_man          print the part between the markers
 * conf_man FILE     0 when FILE has exactly that part, else 1
 * conf_man -w FILE  put it there */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf.h"

enum { PAGE = 65536 };

static const char begin_mark[] = ".\\\" KEYS BEGIN: made by conf_man -w\n";
static const char end_mark[] = ".\\\" KEYS END\n";

/* A sentence: upper case first, full stop last. */
static void sentence(FILE *to, const char *text)
{
	fprintf(to, "%c%s.\n", text[0] >= 'a' && text[0] <= 'z' ? text[0] - 'a' + 'A' : text[0],
		text + 1);
}

static void print_key(FILE *to, size_t i)
{
	const struct conf_key *key = &conf_keys[i];
	char expected[CONF_EXPECTED];

	fprintf(to, ".It Ic %s\n", key->name);
	sentence(to, key->meaning);
	fprintf(to, "Takes %s.\n", conf_expected(i, expected));
	if (key->preset)
		fprintf(to, "Default:\n.Ql %s .\n", key->preset);
}

static void print_keys(FILE *to)
{
	const char *group = "";

	for (size_t i = 0; i < CONF_KEYS; i++) {
		if (strcmp(group, conf_keys[i].group) != 0) {
			fprintf(to, "%s.Ss %s\n.Bl -tag -width Ds\n", group[0] ? ".El\n" : "",
				conf_keys[i].group);
			group = conf_keys[i].group;
		}
		print_key(to, i);
	}
	fputs(".El\n", to);
}

static size_t read_page(const char *path, char *page)
{
	FILE *file = fopen(path, "r");
	size_t n = file ? fread(page, 1, PAGE - 1, file) : 0;

	if (file)
		fclose(file);
	page[n] = 0;
	return n;
}

static int write_page(const char *path, const char *page, const char *from, const char *rest)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return 1;
	fwrite(page, 1, (size_t)(from - page), file);
	print_keys(file);
	fputs(rest, file);
	return fclose(file) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static char page[PAGE];
	char *want = NULL, *from, *to;
	size_t n;
	FILE *memory = open_memstream(&want, &n);
	int differs;

	print_keys(memory);
	fclose(memory);
	if (argc == 1) {
		fputs(want, stdout);
		free(want);
		return 0;
	}
	read_page(argv[argc - 1], page);
	from = strstr(page, begin_mark);
	to = strstr(page, end_mark);
	if (!from || !to || from > to) {
		fprintf(stderr, "%s: no markers\n", argv[argc - 1]);
		free(want);
		return 1;
	}
	from += strlen(begin_mark);
	differs = (size_t)(to - from) != n || memcmp(from, want, n) != 0;
	free(want);
	if (differs && strcmp(argv[1], "-w") == 0)
		return write_page(argv[argc - 1], page, from, to);
	if (differs)
		fprintf(stderr, "%s: differs from conf_keys[]; run conf_man -w\n", argv[argc - 1]);
	return differs;
}

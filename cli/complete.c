/* completion: scripts for three shells, made from the verb table. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/fail.h"

static bool takes_name(const struct verb *v)
{
	return v->first && !v->first[0];
}

static bool takes_word(const struct verb *v)
{
	return v->first && v->first[0];
}

/* The verbs whose first argument is a connection's name, or all, separated by `glue`. */
static void put_verbs(bool with_names_only, const char *glue)
{
	bool first = true;

	for (size_t i = 0; i < VERBS; i++) {
		if (with_names_only && !takes_name(&verbs[i]))
			continue;
		printf("%s%s", first ? "" : glue, verbs[i].name);
		if (with_names_only && verbs[i].alias)
			printf("%s%s", glue, verbs[i].alias);
		first = false;
	}
}

static void put_global_options(void)
{
	for (size_t i = 0; i < n_global_options; i++)
		printf("%s%s", i ? " " : "", global_options[i].name);
}

/* Options by verb, as the arms of a shell's case. */
static void put_option_arms(const char *format_end)
{
	for (size_t i = 0; i < VERBS; i++) {
		if (!verbs[i].options[0].name)
			continue;
		printf("\t\t%s%s%s) options=\"$options", verbs[i].name, verbs[i].alias ? "|" : "",
			verbs[i].alias ? verbs[i].alias : "");
		for (size_t k = 0; k < VERB_OPTIONS && verbs[i].options[k].name; k++)
			printf(" %s", verbs[i].options[k].name);
		printf("\"%s\n", format_end);
	}
}

/* The words that a verb's first argument may be, as arms of a shell's case. */
static void put_word_arms(const char *indent, const char *before, const char *behind)
{
	for (size_t i = 0; i < VERBS; i++)
		if (takes_word(&verbs[i]))
			printf("%s%s) %s%s%s ;;\n", indent, verbs[i].name, before, verbs[i].first,
				behind);
}

static void bash(void)
{
	printf("# bash completion for vpnctl\n"
	       "_vpnctl()\n"
	       "{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tlocal verb='' options=\"");
	put_global_options();
	printf("\" i\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tcase ${COMP_WORDS[i]} in\n"
	       "\t\t--socket|--color) ((i++)) ;;\n"
	       "\t\t-*) ;;\n"
	       "\t\t*) verb=${COMP_WORDS[i]}; break ;;\n"
	       "\t\tesac\n"
	       "\tdone\n"
	       "\tcase $prev in\n"
	       "\t--socket|--password-file) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); "
	       "return ;;\n"
	       "\t--color) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- \"$cur\"); "
	       "return ;;\n"
	       "\tesac\n"
	       "\tif [[ $cur == -* ]]; then\n"
	       "\t\tcase $verb in\n");
	put_option_arms(" ;;");
	printf("\t\tesac\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
	       "\t\treturn\n"
	       "\tfi\n"
	       "\tcase $verb in\n"
	       "\t'') mapfile -t COMPREPLY < <(compgen -W '");
	put_verbs(false, " ");
	printf("' -- \"$cur\") ;;\n\t");
	put_verbs(true, "|");
	printf(")\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -W \"$(vpnctl -q list 2>/dev/null)\" -- "
	       "\"$cur\") ;;\n");
	put_word_arms("\t", "mapfile -t COMPREPLY < <(compgen -W '", "' -- \"$cur\")");
	printf("\tesac\n"
	       "}\n"
	       "complete -F _vpnctl vpnctl\n");
}

static void zsh(void)
{
	printf("#compdef vpnctl\n"
	       "local -a verbs names\n"
	       "verbs=(\n");
	for (size_t i = 0; i < VERBS; i++)
		printf("\t'%s:%s'\n", verbs[i].name, verbs[i].meaning);
	printf(")\n"
	       "if (( CURRENT == 2 )); then\n"
	       "\t_describe command verbs\n"
	       "\treturn\n"
	       "fi\n"
	       "case $words[2] in\n");
	put_verbs(true, "|");
	printf(")\n"
	       "\tnames=(${(f)\"$(vpnctl -q list 2>/dev/null)\"})\n"
	       "\t_describe connection names ;;\n");
	put_word_arms("", "_values word ", "");
	printf("esac\n");
}

static void fish(void)
{
	printf("# fish completion for vpnctl\n"
	       "complete -c vpnctl -f\n");
	for (size_t i = 0; i < VERBS; i++)
		printf("complete -c vpnctl -n __fish_use_subcommand -a %s -d '%s'\n", verbs[i].name,
			verbs[i].meaning);
	printf("complete -c vpnctl -n '__fish_seen_subcommand_from ");
	put_verbs(true, " ");
	printf("' -a '(vpnctl -q list 2>/dev/null)'\n");
	for (size_t i = 0; i < VERBS; i++)
		for (size_t k = 0; k < VERB_OPTIONS && verbs[i].options[k].name; k++)
			printf("complete -c vpnctl -n '__fish_seen_subcommand_from %s' -l %s -d "
			       "'%s'\n",
				verbs[i].name, verbs[i].options[k].name + 2,
				verbs[i].options[k].meaning);
	for (size_t i = 0; i < VERBS; i++)
		if (takes_word(&verbs[i]))
			printf("complete -c vpnctl -n '__fish_seen_subcommand_from %s' -a '%s'\n",
				verbs[i].name, verbs[i].first);
}

int verb_completion(const struct cli *cli)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++)
		if (strcmp(shells[i].shell, cli->name) == 0) {
			shells[i].print();
			return EXIT_OK;
		}
	return fail_text(cli, EXIT_USAGE, NULL, "USAGE", "expected bash, zsh or fish", "");
}

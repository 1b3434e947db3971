/* The automaton against a transcription of RFC 1661, 4.1 as it is printed, in words. */
#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <string.h>

#include "ppp/fsm.h"

/* clang-format off */
static const char *const printed[FSM_EVENTS][FSM_STATES] = {
	/*         Initial  Starting     Closed       Stopped          Closing  Stopping */
	/* Up */   {"2",     "irc,scr/6", "-",         "-",             "-",     "-",
	            "-",         "-",         "-",         "-"},
	/* Down */ {"-",     "-",         "0",         "tls/1",         "0",     "1",
	            "1",         "1",         "1",         "tld/1"},
	/* Open */ {"tls/1", "1",         "irc,scr/6", "3",             "5",     "5",
	            "6",         "7",         "8",         "9"},
	/* Close */{"0",     "tlf/0",     "2",         "2",             "4",     "4",
	            "irc,str/4", "irc,str/4", "irc,str/4", "tld,irc,str/4"},
	/* TO+ */  {"-",     "-",         "-",         "-",             "str/4", "str/5",
	            "scr/6",     "scr/6",     "scr/8",     "-"},
	/* TO- */  {"-",     "-",         "-",         "-",             "tlf/2", "tlf/3",
	            "tlf/3",     "tlf/3",     "tlf/3",     "-"},
	/* RCR+ */ {"-",     "-",         "sta/2",     "irc,scr,sca/8", "4",     "5",
	            "sca/8",     "sca,tlu/9", "sca/8",     "tld,scr,sca/8"},
	/* RCR- */ {"-",     "-",         "sta/2",     "irc,scr,scn/6", "4",     "5",
	            "scn/6",     "scn/7",     "scn/6",     "tld,scr,scn/6"},
	/* RCA */  {"-",     "-",         "sta/2",     "sta/3",         "4",     "5",
	            "irc/7",     "scr/6",     "irc,tlu/9", "tld,scr/6"},
	/* RCN */  {"-",     "-",         "sta/2",     "sta/3",         "4",     "5",
	            "irc,scr/6", "scr/6",     "irc,scr/8", "tld,scr/6"},
	/* RTR */  {"-",     "-",         "sta/2",     "sta/3",         "sta/4", "sta/5",
	            "sta/6",     "sta/6",     "sta/6",     "tld,zrc,sta/5"},
	/* RTA */  {"-",     "-",         "2",         "3",             "tlf/2", "tlf/3",
	            "6",         "6",         "8",         "tld,scr/6"},
	/* RUC */  {"-",     "-",         "scj/2",     "scj/3",         "scj/4", "scj/5",
	            "scj/6",     "scj/7",     "scj/8",     "scj/9"},
	/* RXJ+ */ {"-",     "-",         "2",         "3",             "4",     "5",
	            "6",         "6",         "8",         "9"},
	/* RXJ- */ {"-",     "-",         "tlf/2",     "tlf/3",         "tlf/2", "tlf/3",
	            "tlf/3",     "tlf/3",     "tlf/3",     "tld,irc,str/5"},
	/* RXR */  {"-",     "-",         "2",         "3",             "4",     "5",
	            "6",         "7",         "8",         "ser/9"},
};
/* clang-format on */

static const char *const action_names[FSM_ACTIONS] = {
	[FSM_TLD] = "tld",
	[FSM_TLS] = "tls",
	[FSM_TLF] = "tlf",
	[FSM_IRC] = "irc",
	[FSM_ZRC] = "zrc",
	[FSM_SCR] = "scr",
	[FSM_SCA] = "sca",
	[FSM_SCN] = "scn",
	[FSM_STR] = "str",
	[FSM_STA] = "sta",
	[FSM_SCJ] = "scj",
	[FSM_SER] = "ser",
	[FSM_TLU] = "tlu",
};

static void render(bool possible, uint32_t actions, enum fsm_state next, char *to, size_t room)
{
	size_t n = 0;

	for (int i = 0; possible && i < FSM_ACTIONS; i++)
		if (actions & 1u << i)
			n += (size_t)snprintf(to + n, room - n, n ? ",%s" : "%s", action_names[i]);
	if (possible)
		snprintf(to + n, room - n, n ? "/%d" : "%d", (int)next);
	else
		snprintf(to, room, "-");
}

static void all_160_cells_are_the_rfcs(void **state)
{
	(void)state;
	for (int ev = 0; ev < FSM_EVENTS; ev++)
		for (int from = 0; from < FSM_STATES; from++) {
			enum fsm_state to = (enum fsm_state)from;
			uint32_t actions = 0;
			bool possible = fsm_step(&to, (enum fsm_event)ev, &actions);
			char text[64];

			render(possible, actions, to, text, sizeof(text));
			assert_string_equal(text, printed[ev][from]);
			if (!possible)
				assert_int_equal(to, from);
		}
}

/* RFC 1661, 4.1: "the Restart timer is running in Closing, Stopping, Request-Sent, Ack-Received
 * and Ack-Sent". */
static void the_timer_runs_in_five_states(void **state)
{
	(void)state;
	for (int s = 0; s < FSM_STATES; s++)
		assert_int_equal(fsm_timer_runs((enum fsm_state)s), s >= 4 && s <= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_160_cells_are_the_rfcs),
		cmocka_unit_test(the_timer_runs_in_five_states),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "ppp/fsm.h"

enum {
	TLD = 1 << FSM_TLD,
	TLS = 1 << FSM_TLS,
	TLF = 1 << FSM_TLF,
	IRC = 1 << FSM_IRC,
	ZRC = 1 << FSM_ZRC,
	SCR = 1 << FSM_SCR,
	SCA = 1 << FSM_SCA,
	SCN = 1 << FSM_SCN,
	STR = 1 << FSM_STR,
	STA = 1 << FSM_STA,
	SCJ = 1 << FSM_SCJ,
	SER = 1 << FSM_SER,
	TLU = 1 << FSM_TLU,
};

struct cell {
	uint16_t actions;
	uint8_t next;
};

enum { IMPOSSIBLE = 0xff };

/* RFC 1661, 4.1: a row is an event, a column a state 0..9, a cell {actions, next state}.
 *
 * The RFC's marks: the passive option (stay in 3 after a timeout) and the restart option (Open in
 * 3, 5 and 9 does nothing here) are not used; "x" cells, crossed connections, are as printed. */
/* clang-format off */
#define NO {0, IMPOSSIBLE}
static const struct cell table[FSM_EVENTS][FSM_STATES] = {
	[FSM_UP] =       {{0, 2}, {IRC|SCR, 6}, NO, NO, NO, NO, NO, NO, NO, NO},
	[FSM_DOWN] =     {NO, NO, {0, 0}, {TLS, 1}, {0, 0}, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {TLD, 1}},
	[FSM_OPEN] =     {{TLS, 1}, {0, 1}, {IRC|SCR, 6}, {0, 3}, {0, 5}, {0, 5}, {0, 6}, {0, 7}, {0, 8}, {0, 9}},
	[FSM_CLOSE] =    {{0, 0}, {TLF, 0}, {0, 2}, {0, 2}, {0, 4}, {0, 4},
			  {IRC|STR, 4}, {IRC|STR, 4}, {IRC|STR, 4}, {TLD|IRC|STR, 4}},
	[FSM_TO_MORE] =  {NO, NO, NO, NO, {STR, 4}, {STR, 5}, {SCR, 6}, {SCR, 6}, {SCR, 8}, NO},
	[FSM_TO_LAST] =  {NO, NO, NO, NO, {TLF, 2}, {TLF, 3}, {TLF, 3}, {TLF, 3}, {TLF, 3}, NO},
	[FSM_RCR_GOOD] = {NO, NO, {STA, 2}, {IRC|SCR|SCA, 8}, {0, 4}, {0, 5},
			  {SCA, 8}, {SCA|TLU, 9}, {SCA, 8}, {TLD|SCR|SCA, 8}},
	[FSM_RCR_BAD] =  {NO, NO, {STA, 2}, {IRC|SCR|SCN, 6}, {0, 4}, {0, 5},
			  {SCN, 6}, {SCN, 7}, {SCN, 6}, {TLD|SCR|SCN, 6}},
	[FSM_RCA] =      {NO, NO, {STA, 2}, {STA, 3}, {0, 4}, {0, 5}, {IRC, 7}, {SCR, 6}, {IRC|TLU, 9}, {TLD|SCR, 6}},
	[FSM_RCN] =      {NO, NO, {STA, 2}, {STA, 3}, {0, 4}, {0, 5},
			  {IRC|SCR, 6}, {SCR, 6}, {IRC|SCR, 8}, {TLD|SCR, 6}},
	[FSM_RTR] =      {NO, NO, {STA, 2}, {STA, 3}, {STA, 4}, {STA, 5},
			  {STA, 6}, {STA, 6}, {STA, 6}, {TLD|ZRC|STA, 5}},
	[FSM_RTA] =      {NO, NO, {0, 2}, {0, 3}, {TLF, 2}, {TLF, 3}, {0, 6}, {0, 6}, {0, 8}, {TLD|SCR, 6}},
	[FSM_RUC] =      {NO, NO, {SCJ, 2}, {SCJ, 3}, {SCJ, 4}, {SCJ, 5}, {SCJ, 6}, {SCJ, 7}, {SCJ, 8}, {SCJ, 9}},
	[FSM_RXJ_GOOD] = {NO, NO, {0, 2}, {0, 3}, {0, 4}, {0, 5}, {0, 6}, {0, 6}, {0, 8}, {0, 9}},
	[FSM_RXJ_BAD] =  {NO, NO, {TLF, 2}, {TLF, 3}, {TLF, 2}, {TLF, 3},
			  {TLF, 3}, {TLF, 3}, {TLF, 3}, {TLD|IRC|STR, 5}},
	[FSM_RXR] =      {NO, NO, {0, 2}, {0, 3}, {0, 4}, {0, 5}, {0, 6}, {0, 7}, {0, 8}, {SER, 9}},
};
#undef NO
/* clang-format on */

bool fsm_step(enum fsm_state *state, enum fsm_event ev, uint32_t *actions)
{
	const struct cell *cell = &table[ev][*state];

	if (cell->next == IMPOSSIBLE)
		return false;
	*state = (enum fsm_state)cell->next;
	*actions = cell->actions;
	return true;
}

bool fsm_timer_runs(enum fsm_state state)
{
	return table[FSM_TO_MORE][state].next != IMPOSSIBLE;
}

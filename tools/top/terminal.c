/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/top/terminal.h"

#include <ncurses.h>
#include <term.h>
#include <unistd.h>

int terminal_can_move(const char *kind)
{
	int error, can;

	if (!kind || setupterm(kind, STDOUT_FILENO, &error) == ERR)
		return 0;
	can = cursor_address != NULL;
	del_curterm(cur_term);
	return can;
}

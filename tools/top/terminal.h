/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kind of terminal it is. Apart from the screen: <term.h> takes many short names.
 */
#ifndef TOP_TERMINAL_H
#define TOP_TERMINAL_H

/* Is a terminal of this kind ($TERM; NULL: not known) known, and can it put its cursor anywhere? */
int terminal_can_move(const char *kind);

#endif

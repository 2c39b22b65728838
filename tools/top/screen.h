/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of ringdex-top: a line of sums, rows, a line of keys.
 */
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

#include "tools/top/roll.h"

#define SCREEN_FILTER_BYTES 64

/* What a person has chosen by keys. */
struct screen {
	enum roll_column by;
	int reversed;
	int paused;
	int is_typing;                    /* keys go into the filter */
	char filter[SCREEN_FILTER_BYTES]; /* "": all rows */
	size_t first;                     /* row that is shown first */
};

enum screen_wish { SCREEN_NOTHING, SCREEN_DRAW, SCREEN_LOOK, SCREEN_END };

/* Take the terminal, until the program ends. Says why it cannot; -errno. */
int screen_open(void);

/* All of it anew, sorted and filtered as chosen. */
void screen_draw(struct screen *screen, struct roll *roll, const char *dir);

/* Take the keys that were pressed: what to do about them, the most of it. */
enum screen_wish screen_keys(struct screen *screen);

#endif

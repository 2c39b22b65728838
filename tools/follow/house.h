/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing what the dead left, from time to time, beside other work.
 */
#ifndef FOLLOW_HOUSE_H
#define FOLLOW_HOUSE_H

#include <stdint.h>

#define HOUSE_NEVER UINT64_MAX

struct house {
	const char *dir;
	uint64_t dead_for_ns; /* or HOUSE_NEVER */
	uint64_t next_ns;     /* when it is looked after again */
	int error;            /* that was said last */
};

/* To be called often. Prints what it removes where it `tells`, and says why it cannot. */
void house_keep(struct house *house, uint64_t now_ns, int tells);

#endif

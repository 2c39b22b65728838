/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing what the dead left, from time to time, beside other work.
 */
#ifndef INSPECT_HOUSE_H
#define INSPECT_HOUSE_H

#include <ringdex/rdx_clean.h>
#include <stdint.h>

#define HOUSE_NEVER        UINT64_MAX
#define HOUSE_FAILURES_MAX 64

/* What could not be removed, as was said. */
struct house_failure {
	char name[RDX_CLEANED_NAME_BYTES];
	int cause;
	uint64_t turn; /* in which it was met last */
};

struct house {
	const char *dir;
	uint64_t dead_for_ns;                            /* or HOUSE_NEVER */
	uint64_t next_ns;                                /* when it is looked after again */
	void (*removed)(const struct rdx_cleaned *what); /* told of what is removed; or NULL */
	int error;                                       /* that was said last */
	uint64_t turn;
	uint32_t failure_count;
	int more; /* that there are more was said */
	struct house_failure failure[HOUSE_FAILURES_MAX];
};

/* To be called often. Says what it cannot remove, and why: once, not in each turn, and again where the
 * cause is another one or it was no failure meanwhile. */
void house_keep(struct house *house, uint64_t now_ns);

#endif

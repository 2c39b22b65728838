/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes of a stream, on standard output: a line for a person or for a program.
 */
#ifndef BRIDGE_REPORT_H
#define BRIDGE_REPORT_H

#include "tools/bridge/source.h"

/* What was told last. {0}: nothing. */
struct report {
	int state;
	int worth;
	int is_open;
	uint32_t dp_rank;
	uint64_t gaps;
	uint64_t restarts;
	int was_told;
};

/* Print a line if its state, its rank's worth, or the count of restarts or gaps is another one. */
void report_changes(struct report *report, const struct source *source, int json);

#endif

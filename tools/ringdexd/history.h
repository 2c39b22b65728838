/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened to the ranks lately, for who comes to look afterwards: recoveries and clears, the newest
 * of each.
 */
#ifndef RINGDEXD_HISTORY_H
#define RINGDEXD_HISTORY_H

#include <ringdex/rdx_indexer.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_KEPT 128 /* of each kind */

struct history_recovery {
	uint64_t time_ms; /* since 1970 */
	struct rdx_recovery_row row;
};

/* Clears of any ranks that came within some seconds are one, so that a busy fleet fills no history. */
struct history_clears {
	uint64_t time_ms; /* of the first one */
	uint64_t count;
};

/* {0} is empty. Element i of all that ever were is at i % HISTORY_KEPT. */
struct history {
	struct history_recovery recoveries[HISTORY_KEPT];
	struct history_clears clears[HISTORY_KEPT];
	uint64_t recovery_count, clears_count;
};

/* Milliseconds since 1970, as people's clocks have it. */
uint64_t history_now_ms(void);

void history_add_recovery(struct history *history, const struct rdx_recovery_row *row);
void history_add_clears(struct history *history, uint64_t count);

/* The oldest that is still kept, of so many that ever were. */
uint64_t history_oldest(uint64_t count);

#endif

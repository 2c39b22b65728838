/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For how many blocks a table is made, and when it is too wide (decision 0030). How one is built and
 * replaced: grow.h.
 *
 * A table is made for what is held, not for what ranks declare: they share blocks, and may stay empty.
 * It grows in steps, but not beyond what full ranks would hold if they share as they do now, so that
 * the last step fits. What recoveries will bring is known before. A table that nobody fills is
 * replaced by a smaller one.
 */
#ifndef RDX_ROOM_H
#define RDX_ROOM_H

#include <stdint.h>

struct rdx_index_writer;

/* What is known of an index. A key that several ranks hold, in several tiers, is as many blocks. */
struct rdx_room {
	uint64_t least;    /* a table is made for as many keys at least */
	uint64_t living;   /* keys of the current table */
	uint64_t held;     /* blocks, by all ranks */
	uint64_t coming;   /* blocks that recoveries will still bring */
	uint64_t declared; /* blocks that ranks which are not gone may hold */
};

/* A period of the current table. */
struct rdx_room_past {
	uint64_t since_ns;
	uint64_t first; /* keys that lived when it began ... */
	uint64_t most;  /* ... and at most since */
};

void rdx_room_look(const struct rdx_index_writer *w, struct rdx_room *ret_room);

/* Keys when all recoveries have brought their blocks. */
uint64_t rdx_room_recovered(const struct rdx_room *room);

/* Keys that the table after the current one is made for, which fills up. */
uint64_t rdx_room_next(const struct rdx_room *room);

/* A period begins: another table is the current one. */
void rdx_room_begin(struct rdx_index_writer *w);

/* Has the current table, made for so many keys, been too wide for a whole period? Keys that a smaller
 * one is to be made for, or 0. Ask often. */
uint64_t rdx_room_narrow(struct rdx_index_writer *w, uint64_t made_for);

#endif

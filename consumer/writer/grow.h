/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations of the table. How large one is made: room.h. The next one is allocated, touched and copied
 * in small pieces, named ahead so that readers can map it, and becomes the current one in one store.
 */
#ifndef RDX_GROW_H
#define RDX_GROW_H

#include "consumer/writer/writer_state.h"

/* The first table, at once. -ENOSPC, -errno. */
int rdx_grow_first(struct rdx_index_writer *w, uint64_t blocks);

/* Must a rank that will have `blocks` wait? 1: they do not fit into the current table, and one for what
 * all recoveries bring is made, or will be by the next step. A rank that fits comes before that. */
int rdx_grow_waits(const struct rdx_index_writer *w, uint64_t blocks);

/* So many changes are made to the current table: begin to grow if needed, and keep pace. */
void rdx_grow_pace(struct rdx_index_writer *w, uint32_t changes);

/* The current table has no room for a key: replace it now. 1 if it was. */
int rdx_grow_now(struct rdx_index_writer *w);

/* It has not enough sets: likewise, with more of them. */
int rdx_grow_sets(struct rdx_index_writer *w);

/* The next table is too small, or there is no memory for it: give it up. */
void rdx_grow_abandon(struct rdx_index_writer *w, int too_small);

/* One piece, or the beginning of another table, if needed. 1 if there is more. */
int rdx_grow_step(struct rdx_index_writer *w);

/* Bytes of a table that have memory: its file is larger, memory for sets comes as they are used. */
uint64_t rdx_grow_bytes(const struct rdx_writer_table *table);

/* The same of a new table for so many blocks. */
uint64_t rdx_grow_bytes_for(uint64_t blocks);

/* Unmap both tables; what was not finished is removed. */
void rdx_grow_close(struct rdx_index_writer *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations of the table. A table is made for what the ranks declare, and changed only when more
 * keys live in it than it was made for. The next one is allocated, touched and copied in small
 * pieces, named ahead so that readers can map it, and becomes the current one in one store.
 */
#ifndef RDX_GROW_H
#define RDX_GROW_H

#include "consumer/writer/writer_state.h"

/* The first table, at once. -ENOSPC, -errno. */
int rdx_grow_first(struct rdx_index_writer *w, uint64_t blocks);

/* Must a rank with `blocks` wait for a table for what the ranks declare? 1: it does not fit into the
 * current one, and that table is being made. For a rank that fits it is begun by a later step: the
 * rank comes first. */
int rdx_grow_declared(struct rdx_index_writer *w, uint64_t blocks);

/* So many changes are made to the current table: begin to grow if needed, and keep pace. */
void rdx_grow_pace(struct rdx_index_writer *w, uint32_t changes);

/* The current table has no room for a key: replace it now. 1 if it was. */
int rdx_grow_now(struct rdx_index_writer *w);

/* The next table is too small, or there is no memory for it: give it up. */
void rdx_grow_abandon(struct rdx_index_writer *w, int too_small);

/* One piece, or the beginning of a table for what the ranks declare, if needed. 1 if there is more. */
int rdx_grow_step(struct rdx_index_writer *w);

/* Bytes of a table that have memory: its file is larger, memory for sets comes as they are used. */
uint64_t rdx_grow_bytes(const struct rdx_writer_table *table);

/* The same of a new table for so many blocks. */
uint64_t rdx_grow_bytes_for(uint64_t blocks);

/* The most blocks that a table is built to have room for where ranks declare and hold so many. */
uint64_t rdx_grow_room(uint64_t blocks);

/* Unmap both tables; what was not finished is removed. */
void rdx_grow_close(struct rdx_index_writer *w);

#endif

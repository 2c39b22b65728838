/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations of the table: more room, or the same without dead keys, or more columns.
 */
#ifndef RDX_GROW_H
#define RDX_GROW_H

#include "consumer/writer/writer_state.h"

/* A new table has two places per living key: with one mask word 32 bytes a key right after the
 * switch, 21 before the next one. */
#define RDX_GROW_PLACES_PER_KEY 2

/* The first table, at once. -ENOSPC, -errno. */
int rdx_grow_first(struct rdx_index_writer *w, uint64_t blocks, uint32_t mask_words,
		   uint64_t generation);

/* Request a table with more mask words: -EAGAIN, it will be built; -ENOSPC, it cannot be. */
int rdx_grow_words(struct rdx_index_writer *w);

/* A key was added to the current table: begin to grow if needed, and keep pace. */
void rdx_grow_pace(struct rdx_index_writer *w, uint64_t keys_added);

/* The current table is full: replace it now. 1 if there is room again; otherwise the block that did
 * not fit is counted. */
int rdx_grow_now(struct rdx_index_writer *w);

/* The next table is too small, or there is no memory for it: give it up. */
void rdx_grow_abandon(struct rdx_index_writer *w, int too_small);

/* One piece. 1 if there is more. */
int rdx_grow_step(struct rdx_index_writer *w);

/* Unmap both tables; what was not finished is removed. */
void rdx_grow_close(struct rdx_index_writer *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns on the writer's side: homes, taking, retiring, sweeping.
 */
#ifndef RDX_COLUMNS_H
#define RDX_COLUMNS_H

#include "consumer/writer/writer_state.h"

/* Give the rank a home. 0; -EAGAIN, sweeping will make room; -ENOSPC, only a table with more
 * mask words has room. */
int rdx_columns_house(struct rdx_index_writer *w, struct rdx_writer_rank *rank);

/* Take a hidden rank's home away. */
void rdx_columns_evict(struct rdx_index_writer *w, struct rdx_writer_rank *rank);

/* Side of the tier that is clean and not in use, or RDX_SIDE_NONE. */
uint8_t rdx_columns_fresh(const struct rdx_index_writer *w, const struct rdx_writer_rank *rank,
			  uint8_t tier);

void rdx_columns_take(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint8_t tier,
		      uint8_t side);

/* Retire a column that readers no longer see. One that holds nothing is clean at once. */
void rdx_columns_retire(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint8_t tier,
			uint8_t side);

/* Store the rank's packed word, between open and close of its mask word. */
void rdx_columns_publish(struct rdx_index_writer *w, struct rdx_writer_rank *rank);

/* Are there columns to be swept? */
int rdx_columns_unswept(const struct rdx_index_writer *w);

/* One piece of sweeping the current table. 1 if there is more. */
int rdx_columns_sweep(struct rdx_index_writer *w);

/* The next table has become the current one: columns that were not copied need no sweep. */
void rdx_columns_switched(struct rdx_index_writer *w);

/* Columns of a mask word that no table had before. */
void rdx_columns_add_word(struct rdx_index_writer *w, uint32_t word);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns on the writer's side: reserving, taking, retiring, sweeping.
 *
 * A rank has two columns reserved for each of its tiers: one in use, and one to move to when it is
 * cleared or rebuilt. So a rank that is housed can always be cleared or rebuilt once retired
 * columns are swept, whatever other ranks do. A sweep goes over the sets, not over the table: it
 * takes retired columns out of them. Cells that then name an empty set are dead, and their slots
 * are used again where they are met.
 */
#ifndef RDX_COLUMNS_H
#define RDX_COLUMNS_H

#include "consumer/writer/writer_state.h"

#define RDX_COLUMNS_EACH 2 /* of one rank's tier */

void rdx_columns_open(struct rdx_index_writer *w);

/* Reserve columns for a rank. 0, -ENOSPC. */
int rdx_columns_house(struct rdx_index_writer *w, struct rdx_writer_rank *rank);

/* A hidden rank needs none any more. */
void rdx_columns_evict(struct rdx_index_writer *w, struct rdx_writer_rank *rank);

/* Take a clean column for a rank. Its number; -EAGAIN, none is swept; -ENOSPC, no room for its
 * sets. */
int rdx_columns_take(struct rdx_index_writer *w, const struct rdx_writer_rank *rank);

/* Retire a column that readers no longer see. One that holds nothing is clean at once. */
void rdx_columns_retire(struct rdx_index_writer *w, uint32_t column);

/* Sets of one column each, for all used columns in a new table. 0, -ENOSPC. */
int rdx_columns_begin(struct rdx_index_writer *w, struct rdx_writer_table *table);

/* Store the rank's packed word, between open and close of the version. */
void rdx_columns_publish(struct rdx_index_writer *w, struct rdx_writer_rank *rank);

/* Tell readers which of the rank's sets of tiers have to be scanned. */
void rdx_columns_report(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint8_t orphans,
			uint8_t forced);

/* A block of the column does not fit, or is about to go, RDX_INEXACT_...: those after it may not be
 * searched, and a rank that is shown is not EXACT from now on. */
void rdx_columns_lose(struct rdx_index_writer *w, uint32_t column, uint8_t how);

/* Are there columns to be swept? */
int rdx_columns_unswept(const struct rdx_index_writer *w);

/* One piece of sweeping. 1 if there is more. */
int rdx_columns_sweep(struct rdx_index_writer *w);

/* Tables were switched, or the next one given up: the sweep begins again. */
void rdx_columns_switched(struct rdx_index_writer *w);

#endif

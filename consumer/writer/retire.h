/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unmap and free a table that is no longer current, in small pieces: some hundred megabytes at once
 * would delay events by tens of milliseconds.
 */
#ifndef RDX_RETIRE_H
#define RDX_RETIRE_H

#include "consumer/writer/writer_state.h"

/* Take the table's mapping over; its file has no name any more. An earlier one is finished at once. */
void rdx_retire_begin(struct rdx_index_writer *w, struct rdx_writer_table *table);

/* One piece. 1 if there is more to do now. */
int rdx_retire_step(struct rdx_index_writer *w);

/* Now and then: have its readers unmapped it, or had they the time to? */
void rdx_retire_ask(struct rdx_index_writer *w, uint64_t now_ns);

void rdx_retire_finish(struct rdx_index_writer *w);

#endif

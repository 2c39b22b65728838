/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes on their way to the table: one queue for all events of all ranks, so that the lines of
 * the next RDX_OPS_AHEAD keys are being fetched while a key is changed.
 */
#ifndef RDX_APPLY_H
#define RDX_APPLY_H

#include "consumer/writer/writer_state.h"

/* Tell readers which of the rank's sets of tiers have to be scanned. */
void rdx_apply_report(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint8_t orphans,
		      uint8_t forced);

#endif

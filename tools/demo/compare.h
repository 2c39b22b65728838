/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the index right? After one and the same event it is compared with each worker's ledger,
 * block by block in every tier (rdx_index_verify), and with the engine's own cache as the
 * engine lists it straight from its block pool: as many blocks in each tier, and the same sum
 * of their mixed hashes.
 */
#ifndef DEMO_COMPARE_H
#define DEMO_COMPARE_H

#include "tools/demo/crew.h"

struct comparison {
	uint64_t times;       /* all workers once is one */
	uint64_t blocks;      /* looked at on the workers' side, in all tiers */
	uint64_t divergences; /* blocks that only one side has, of each pair of sides */
	uint64_t failed;      /* workers that could not be compared */
};

/* A worker that has answered "dump" and is idle since. 0 and added to the sums, or -errno:
 * -EAGAIN where the index does not show it at the event of the dump. */
int compare_worker(struct comparison *comparison, const struct crew *crew, uint32_t w);

#endif

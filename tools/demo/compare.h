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

	/* the one under way */
	uint32_t worker;
	uint64_t until_ns;
	uint64_t blocks_before;
	uint64_t divergences_before;
};

/* Every worker has answered "dump" and is idle from here on. */
void compare_begin(struct comparison *comparison);

/* Compare those that the index shows at the event of their dump by now. 1 when all are,
 * and it was said what came of it; 0: call again. */
int compare_step(struct comparison *comparison, const struct crew *crew);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ringdex-query and ringdex-verify answer, held against what the workers were told.
 */
#ifndef RDX_TESTS_CHAOS_ANSWERS_H
#define RDX_TESTS_CHAOS_ANSWERS_H

#include "tests/chaos/crew.h"

#define ANSWERS_REASON_BYTES 256

struct answers_row {
	int is_there;
	char state[16];
	uint64_t blocks[ORACLE_SETS];
};

/* One for each rank of each worker, of each chain. */
struct answers {
	struct answers_row row[ORACLE_CHAINS][CREW_FEEDS][CREW_RANKS_MAX];
};

/* Ask for all chains, and start the query where it does not run. Each answer, at rest or not, is held
 * against what is always promised: what is EXACT was so at some instant since the last rest, is not
 * older than it may be, and does not come from an indexer that is dead or stopped. 1, or 0 when not
 * all was answered. */
int answers_ask(struct crew *crew, struct answers *ret_answers);

/* Are they what every worker was told, and dead ones not in it? Otherwise, the first that differs. */
int answers_equal(const struct crew *crew, const struct answers *answers,
		  char ret_reason[ANSWERS_REASON_BYTES]);

/* Does ringdex-verify find every running rank's index and ledger equal? A difference is a
 * divergence; 0 when it could not compare. */
int answers_verified(struct crew *crew, char ret_reason[ANSWERS_REASON_BYTES]);

#endif

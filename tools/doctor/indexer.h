/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The indexer of a namespace: does one run, is it at work, and does it follow all ranks that live?
 */
#ifndef DOCTOR_INDEXER_H
#define DOCTOR_INDEXER_H

#include "tools/doctor/findings.h"
#include "tools/inspect/ranks.h"
#include "tools/inspect/space.h"

/* A rank whose producer lives. */
struct indexer_rank {
	struct rank_name name;
	uint64_t epoch;
};

/* One that does not seem to be at work is watched for two seconds, so that a busy host is not taken for a stopped
 * indexer. What follows from one cause is one finding, with a count. */
void indexer_check(struct findings *findings, const struct space *space,
		   const struct indexer_rank *live, uint32_t live_count);

#endif

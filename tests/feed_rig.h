/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by tests of ringdex-feed: what the segments that it left behind hold and say.
 */
#ifndef RDX_TESTS_FEED_RIG_H
#define RDX_TESTS_FEED_RIG_H

#include "tests/expect.h"

/* What the rank holds in `tier` must be the prefix hashes of these runs, each `runs[i]` local hashes
 * long, from the root. */
void feed_expect_runs(const struct rig *rig, uint64_t worker, uint32_t dp_rank, uint8_t tier,
		      const uint64_t *locals, const uint32_t *runs, uint32_t run_count);

/* The same, of one run of `count`, which may be 0. */
void feed_expect_run(const struct rig *rig, uint64_t worker, uint8_t tier, const uint64_t *locals,
		     uint32_t count);

/* How many blocks a rank holds in the tier; the rank 0 of a worker. */
uint64_t feed_held_by(const struct rig *rig, uint64_t worker, uint32_t dp_rank, uint8_t tier);
uint64_t feed_held(const struct rig *rig, uint64_t worker, uint8_t tier);

/* Does a running process hold the worker's rank 0, and has it published something? */
int feed_has_published(const struct rig *rig, uint64_t worker);

/* What the newest event says the rank is worth: 0 or RDX_INEXACT_... */
uint8_t feed_inexact(const struct rig *rig, uint64_t worker, uint32_t dp_rank);

/* Local hashes of tokens in blocks of 2. */
void feed_hash(const char *lora, const char *salt, const uint32_t *tokens, uint32_t count,
	       uint64_t *ret_locals);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by tests of the router's programs: ranks to inspect, a running ringdex-follow, waiting for
 * what a program prints.
 */
#ifndef RDX_TESTS_TOOLS_RIG_H
#define RDX_TESTS_TOOLS_RIG_H

#include "tests/expect.h"
#include "tests/patience.h"

#define TOOLS_NEVER_STALE "--stale-after=24h" /* however slow the machine */

/* RUN, and again until it ends with that status: an indexer that is not scheduled in the midst of a change
 * leaves who asks without an answer, who may ask again. */
#define RUN_UNTIL(result, status_wanted, ...)                                                      \
	do {                                                                                       \
		assert_int_equal(program_run(result, __VA_ARGS__, NULL), 0);                       \
		UNTIL ((result)->status == (status_wanted)) {                                      \
			program_result_free(result);                                               \
			usleep(20000);                                                             \
			assert_int_equal(program_run(result, __VA_ARGS__, NULL), 0);               \
		}                                                                                  \
	} while (0)

/* Be the producer of a rank of 1,024 blocks. */
void tools_claim(struct rig *rig, struct rig_producer *producer, uint64_t worker, uint32_t rank,
		 uint64_t slots);

/* Write a word into the segment file of a worker's dead rank 0, or truncate it at `cut` if that is
 * 0 or more. */
void tools_damage(struct rig *rig, uint64_t worker, off_t at, uint64_t word, off_t cut);

/* Read what a running program prints until it holds `part`. 1, or 0 when it takes too long,
 * with what there was printed. */
int tools_wait_for(struct program *program, const char *part);
int tools_wait_for_err(struct program *program, const char *part);

/* The same on standard output; `text` has the last of what was read, which may be more. */
int tools_read_until(struct program *program, const char *part, char *text, size_t bytes);

/* The same, and nothing may come before it. */
int tools_wait_for_first(struct program *program, const char *part);

/* ringdex-follow --json, with one more option or NULL. program_stop ends it. */
void tools_start_follow(struct rig *rig, struct program *program, const char *option);

#endif

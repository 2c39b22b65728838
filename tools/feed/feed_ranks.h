/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ranks that a stream names: one publisher each with its translator, opened on first sight, and
 * what went wrong on which line.
 */
#ifndef FEED_RANKS_H
#define FEED_RANKS_H

#include "tools/feed/feed_counters.h"
#include "tools/feed/feed_line.h"
#include <ringdex/rdx_publisher.h>

struct feed_rank;

struct feed_ranks {
	struct rdx_publisher_options options; /* of every rank; worker and rank filled in.
						 instance NULL: feed://worker/rank */
	struct rdx_engine_options engine_options;
	const char *input; /* its name, for warnings */
	struct feed_rank *ranks;
	uint32_t count;
	uint32_t capacity;
	uint32_t last;     /* used last: streams come in runs */
	uint64_t check_ns; /* not before */
	int inexact;       /* ranks that are yet to be opened, too */
};

struct feed_totals {
	uint64_t events;
	uint64_t blocks_stored;
	uint64_t blocks_removed;
	uint64_t clears;
	uint32_t ranks;
};

/*
 * Publish one line, number `line_number`; what the rank could not represent is said where a counter
 * of it rises first. 0; -EBADMSG with `ret_fault` filled where the rank cannot be opened or the
 * publisher refuses it; -ENOMEM. A rank that another process holds is tried again some lines later,
 * and then is LACKING; one that could not be opened for another reason is not.
 */
int feed_ranks_publish(struct feed_ranks *ranks, const struct feed_line *line, uint64_t line_number,
		       struct json_line_fault *ret_fault);

/* A line could not be read that was of this rank, which is opened if it was not; or of any: of all
 * that are open, and of those that will be. Results as above. */
int feed_ranks_mark(struct feed_ranks *ranks, uint64_t worker, uint32_t dp_rank,
		    uint64_t line_number, struct json_line_fault *ret_fault);
void feed_ranks_mark_all(struct feed_ranks *ranks, uint64_t line_number);

void feed_ranks_totals(const struct feed_ranks *ranks, struct feed_totals *ret_totals);

/* Say for each rank what rose again since it was first said. */
void feed_ranks_sum_up(const struct feed_ranks *ranks);

/* Once a second at most: have the ranks' files still their names? What is lost is made again, and said;
 * so is what cannot be. */
void feed_ranks_check(struct feed_ranks *ranks);

/* Close all publishers: their blocks leave every index. */
void feed_ranks_close(struct feed_ranks *ranks);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a rank was not published, or was left out: said when it first happens, once a kind, and
 * at the end how often it did.
 */
#ifndef FEED_COUNTERS_H
#define FEED_COUNTERS_H

#include <ringdex/rdx_engine.h>
#include <ringdex/rdx_publisher.h>

#define FEED_COUNTERS_MAX 32

struct feed_counters {
	uint64_t worker;
	uint32_t dp_rank;
	int says_unreadable; /* by itself: nothing is said here of what could not be read */
	uint64_t seen[FEED_COUNTERS_MAX];
	uint64_t said[FEED_COUNTERS_MAX];
};

/* Look at both; say what was not said of this rank before, with the input's name and line. */
void feed_counters_note(struct feed_counters *counters, const struct rdx_publisher *publisher,
			const struct rdx_engine *engine, const char *input, uint64_t line_number);

/* Say what rose again since it was first said. */
void feed_counters_sum_up(const struct feed_counters *counters, const char *input);

#endif

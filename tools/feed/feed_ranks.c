/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_ranks.h"

#include "shm/segment_layout.h"
#include "tools/program/counters.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Counters that are worth a warning. */
static const struct {
	unsigned int counter;
	size_t offset;
} warnings[] = {
#define COUNTER(name, field)                                                                       \
	{                                                                                          \
		RDX_COUNTER_##name, offsetof(struct rdx_publisher_stats, field)                    \
	}
	COUNTER(UNKNOWN_PARENTS, unknown_parents),   COUNTER(UNKNOWN_NAMES, unknown_names),
	COUNTER(UNKNOWN_REMOVALS, unknown_removals), COUNTER(MISMATCHED, mismatched),
	COUNTER(OTHER_BLOCK_SIZE, other_block_size), COUNTER(CONFLICTS, conflicts),
	COUNTER(LEDGER_FULL, ledger_full),           COUNTER(MAP_FULL, map_full),
	COUNTER(INEXACT_MARKS, inexact_marks),
#undef COUNTER
};
#define WARNINGS (sizeof(warnings) / sizeof(*warnings))

struct feed_rank {
	uint64_t worker;
	uint32_t dp_rank;
	struct rdx_publisher *publisher; /* NULL: could not be opened */
	uint64_t seen[WARNINGS];
	uint64_t said[WARNINGS];
};

static uint64_t counter(const struct rdx_publisher_stats *stats, size_t i)
{
	uint64_t value;

	memcpy(&value, (const char *)stats + warnings[i].offset, sizeof(value));
	return value;
}

static struct rdx_publisher_stats stats_of(const struct feed_rank *rank)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	rdx_publisher_get_stats(rank->publisher, &stats);
	return stats;
}

static struct feed_rank *find(struct feed_ranks *ranks, uint64_t worker, uint32_t dp_rank)
{
	for (uint32_t i = 0; i < ranks->count; i++) {
		uint32_t at = (ranks->last + i) % ranks->count;
		struct feed_rank *rank = &ranks->ranks[at];

		if (rank->worker == worker && rank->dp_rank == dp_rank) {
			ranks->last = at;
			return rank;
		}
	}
	return NULL;
}

static int add(struct feed_ranks *ranks, uint64_t worker, uint32_t dp_rank,
	       struct feed_rank **ret_rank)
{
	if (ranks->count == ranks->capacity) {
		uint32_t capacity = ranks->capacity ? 2 * ranks->capacity : 16;
		struct feed_rank *grown = realloc(ranks->ranks, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		ranks->ranks = grown;
		ranks->capacity = capacity;
	}
	ranks->ranks[ranks->count] = (struct feed_rank){
		.worker = worker,
		.dp_rank = dp_rank,
	};
	*ret_rank = &ranks->ranks[ranks->count++];
	return 0;
}

static int open_rank(struct feed_ranks *ranks, uint64_t worker, uint32_t dp_rank,
		     struct feed_rank **ret_rank, struct json_line_fault *ret_fault)
{
	struct rdx_publisher_options options = ranks->options;
	char instance[RDX_TEXT_BYTES];
	int error = add(ranks, worker, dp_rank, ret_rank);

	if (error)
		return error;
	if (!options.instance) {
		snprintf(instance, sizeof(instance), "feed://%" PRIu64 "/%u", worker, dp_rank);
		options.instance = instance;
	}
	options.worker_id = worker;
	options.dp_rank = dp_rank;
	error = rdx_publisher_open(&(*ret_rank)->publisher, &options);
	if (!error && ranks->inexact)
		error = rdx_publish_inexact((*ret_rank)->publisher, RDX_INEXACT_UNKNOWN, 0);
	if (!error)
		return 0;
	return json_line_fault(ret_fault, "cannot open rank %u of worker %" PRIu64 " in %s: %s",
			       dp_rank, worker, options.dir, messages_explain_create(error));
}

static int publish(struct rdx_publisher *publisher, const struct feed_line *line)
{
	const struct rdx_removed removed = {
		.size = sizeof(removed),
		.time_ns = line->time_ns,
		.names = line->names,
		.count = line->count,
		.tier = line->tier,
		.cache_group = line->group,
		.name_bytes = line->name_bytes,
	};
	const struct rdx_stored stored = {
		.size = sizeof(stored),
		.time_ns = line->time_ns,
		.names = line->names,
		.parent = line->has_parent ? line->parent : NULL,
		.tokens = line->token_count ? line->tokens : NULL,
		.token_count = line->token_count,
		.local_hashes = line->has_locals ? line->locals : NULL,
		.lora = line->lora,
		.salt = line->salt,
		.count = line->count,
		.block_tokens = line->block_tokens,
		.tier = line->tier,
		.cache_group = line->group,
		.name_bytes = line->name_bytes,
	};

	switch (line->kind) {
	case RDX_EVENT_CLEARED:
		return rdx_publish_cleared(publisher, line->tier, line->time_ns);
	case RDX_EVENT_INEXACT:
		return rdx_publish_inexact(publisher, RDX_INEXACT_UNKNOWN, line->time_ns);
	case RDX_EVENT_REMOVED:
		return line->count ? rdx_publish_removed(publisher, &removed) : 0;
	default:
		return line->count ? rdx_publish_stored(publisher, &stored) : 0;
	}
}

static const char *warning_text(size_t i)
{
	const char *text = counters_warning(warnings[i].counter);

	return text ? text : "times it became INEXACT, until the next clear of all tiers";
}

/* Once for each counter and rank; how many there were in all, at the end. */
static void warn(const struct feed_ranks *ranks, struct feed_rank *rank, size_t i,
		 uint64_t line_number)
{
	rank->said[i] = rank->seen[i];
	messages_say("%s:%" PRIu64 ": warning: worker %" PRIu64 " rank %u: %" PRIu64 " %s",
		     ranks->input, line_number, rank->worker, rank->dp_rank, rank->seen[i],
		     warning_text(i));
}

static void note_counters(const struct feed_ranks *ranks, struct feed_rank *rank,
			  uint64_t line_number)
{
	struct rdx_publisher_stats stats = stats_of(rank);

	for (size_t i = 0; i < WARNINGS; i++) {
		rank->seen[i] = counter(&stats, i);
		if (rank->seen[i] && !rank->said[i])
			warn(ranks, rank, i, line_number);
	}
}

/* The rank, open. */
static int ensure(struct feed_ranks *ranks, uint64_t worker, uint32_t dp_rank,
		  struct feed_rank **ret_rank, struct json_line_fault *ret_fault)
{
	*ret_rank = find(ranks, worker, dp_rank);
	if (!*ret_rank)
		return open_rank(ranks, worker, dp_rank, ret_rank, ret_fault);
	if ((*ret_rank)->publisher)
		return 0;
	return json_line_fault(ret_fault,
			       "rank %u of worker %" PRIu64
			       " could not be opened: see the first message",
			       dp_rank, worker);
}

int feed_ranks_publish(struct feed_ranks *ranks, const struct feed_line *line, uint64_t line_number,
		       struct json_line_fault *ret_fault)
{
	struct feed_rank *rank;
	int error = ensure(ranks, line->worker, line->dp_rank, &rank, ret_fault);

	if (error)
		return error;
	error = publish(rank->publisher, line);
	note_counters(ranks, rank, line_number);
	if (error == -EOVERFLOW)
		return json_line_fault(ret_fault,
				       "all positions of the ring are used up: start again");
	return error ? json_line_fault(ret_fault, "not published: %s: report this",
				       strerror(-error))
		     : 0;
}

int feed_ranks_mark(struct feed_ranks *ranks, uint64_t worker, uint32_t dp_rank,
		    uint64_t line_number, struct json_line_fault *ret_fault)
{
	struct feed_rank *rank;
	int error = ensure(ranks, worker, dp_rank, &rank, ret_fault);

	if (error)
		return error;
	rdx_publish_inexact(rank->publisher, RDX_INEXACT_UNKNOWN,
			    0); /* without positions it is INEXACT already */
	note_counters(ranks, rank, line_number);
	return 0;
}

void feed_ranks_mark_all(struct feed_ranks *ranks, uint64_t line_number)
{
	ranks->inexact = 1;
	for (uint32_t i = 0; i < ranks->count; i++) {
		struct feed_rank *rank = &ranks->ranks[i];

		if (!rank->publisher)
			continue;
		rdx_publish_inexact(rank->publisher, RDX_INEXACT_UNKNOWN, 0);
		note_counters(ranks, rank, line_number);
	}
}

void feed_ranks_totals(const struct feed_ranks *ranks, struct feed_totals *ret_totals)
{
	struct feed_totals totals = {0};

	for (uint32_t i = 0; i < ranks->count; i++) {
		struct rdx_publisher_stats stats = {.size = sizeof(stats)};

		if (!ranks->ranks[i].publisher)
			continue;
		stats = stats_of(&ranks->ranks[i]);
		totals.ranks++;
		totals.events += stats.events;
		totals.blocks_stored += stats.blocks_stored;
		totals.blocks_removed += stats.blocks_removed;
		totals.clears += stats.clears;
	}
	*ret_totals = totals;
}

void feed_ranks_sum_up(const struct feed_ranks *ranks)
{
	for (uint32_t i = 0; i < ranks->count; i++) {
		const struct feed_rank *rank = &ranks->ranks[i];

		for (size_t w = 0; w < WARNINGS; w++) {
			if (rank->seen[w] == rank->said[w])
				continue;
			messages_say("%s: warning: worker %" PRIu64 " rank %u: in all %" PRIu64
				     " %s",
				     ranks->input, rank->worker, rank->dp_rank, rank->seen[w],
				     warning_text(w));
		}
	}
}

void feed_ranks_close(struct feed_ranks *ranks)
{
	for (uint32_t i = 0; i < ranks->count; i++)
		rdx_publisher_close(ranks->ranks[i].publisher);
	free(ranks->ranks);
	ranks->ranks = NULL;
	ranks->count = ranks->capacity = ranks->last = 0;
}

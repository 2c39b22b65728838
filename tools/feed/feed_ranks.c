/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_ranks.h"

#include "shm/clock.h"
#include "tools/feed/feed_check.h"
#include "tools/feed/feed_open.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS UINT64_C(1000000000)
#define CHECK_NS UINT64_C(1000000000)

struct feed_rank {
	struct feed_counters counters;   /* with its worker and rank */
	struct rdx_publisher *publisher; /* NULL: could not be opened */
	struct rdx_engine *engine;
	uint64_t tried_ns;
	uint64_t sequence; /* of the batch whose lines come, where has_sequence */
	int has_sequence;
	int is_busy; /* another process had it */
	int lost;    /* the error that was said of its files */
};

static struct feed_rank *find(struct feed_ranks *ranks, uint64_t worker, uint32_t dp_rank)
{
	for (uint32_t i = 0; i < ranks->count; i++) {
		uint32_t at = (ranks->last + i) % ranks->count;
		struct feed_rank *rank = &ranks->ranks[at];

		if (rank->counters.worker == worker && rank->counters.dp_rank == dp_rank) {
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
		.counters = {.worker = worker, .dp_rank = dp_rank},
	};
	*ret_rank = &ranks->ranks[ranks->count++];
	return 0;
}

/* Open the rank, which a line is about. */
static int open_publisher(const struct feed_ranks *ranks, struct feed_rank *rank)
{
	struct rdx_publisher_options options = ranks->options;
	char instance[RDX_TEXT_BYTES];

	options.worker_id = rank->counters.worker;
	options.dp_rank = rank->counters.dp_rank;
	if (!options.instance) {
		snprintf(instance, sizeof(instance), "feed://%" PRIu64 "/%u", options.worker_id,
			 options.dp_rank);
		options.instance = instance;
	}
	if (rank->is_busy)
		options.wait_ns = 0; /* it was waited for */
	return feed_open(&rank->publisher, &options);
}

/* With its translator: it is late where lines before this one were lost. */
static int open_engine(const struct feed_ranks *ranks, struct feed_rank *rank)
{
	struct rdx_engine_options options = ranks->engine_options;
	int error;

	options.joined_late |= (uint32_t)rank->is_busy;
	error = rdx_engine_open(&rank->engine, rank->publisher, &options);
	if (!error && ranks->inexact)
		error = rdx_engine_unreadable(rank->engine, 0);
	return error;
}

static int open_rank(struct feed_ranks *ranks, struct feed_rank *rank,
		     struct json_line_fault *ret_fault)
{
	int error = open_publisher(ranks, rank), again = rank->is_busy;
	char full[FEED_OPEN_TEXT_BYTES] = "";

	rank->tried_ns = rdx_clock_ns();
	if (!error) {
		error = open_engine(ranks, rank);
		if (!error)
			return 0;
		rdx_publisher_close(rank->publisher);
		rank->publisher = NULL;
	}
	rank->is_busy = error == -EBUSY || error == -EAGAIN;
	if (error == -ENOSPC)
		feed_open_full(ranks->options.dir, full);
	json_line_fault(ret_fault, "cannot open rank %u of worker %" PRIu64 " in %s: %s%s",
			rank->counters.dp_rank, rank->counters.worker, ranks->options.dir,
			messages_explain_create(error), full);
	if (again && rank->is_busy)
		ret_fault->text[0] = 0; /* that was said */
	return -EBADMSG;
}

/* The rank, open. */
static int ensure(struct feed_ranks *ranks, uint64_t worker, uint32_t dp_rank,
		  struct feed_rank **ret_rank, struct json_line_fault *ret_fault)
{
	struct feed_rank *rank = find(ranks, worker, dp_rank);
	int error;

	if (!rank) {
		error = add(ranks, worker, dp_rank, &rank);
		*ret_rank = rank;
		return error ? error : open_rank(ranks, rank, ret_fault);
	}
	*ret_rank = rank;
	if (rank->publisher)
		return 0;
	if (rank->is_busy && rdx_clock_ns() - rank->tried_ns >= RETRY_NS)
		return open_rank(ranks, rank, ret_fault);
	ret_fault->text[0] = 0;
	return -EBADMSG;
}

static void note(const struct feed_ranks *ranks, struct feed_rank *rank, uint64_t line_number)
{
	feed_counters_note(&rank->counters, rank->publisher, rank->engine, ranks->input,
			   line_number);
}

/* Lines of one batch have its sequence number. */
static int publish(struct feed_rank *rank, const struct feed_line *line)
{
	int error = 0;

	if (line->has_sequence && !(rank->has_sequence && rank->sequence == line->sequence))
		error = rdx_engine_sequence(rank->engine, line->sequence, line->event.time_ns);
	if (line->has_sequence) {
		rank->has_sequence = 1;
		rank->sequence = line->sequence;
	}
	if (!error && !line->is_about_worth)
		error = rdx_engine_publish(rank->engine, &line->event);
	if (!error && line->inexact)
		error = rdx_publish_inexact(rank->publisher, line->inexact, line->event.time_ns);
	return error;
}

int feed_ranks_publish(struct feed_ranks *ranks, const struct feed_line *line, uint64_t line_number,
		       struct json_line_fault *ret_fault)
{
	struct feed_rank *rank;
	int error = ensure(ranks, line->worker, line->dp_rank, &rank, ret_fault);

	if (error)
		return error;
	error = publish(rank, line);
	if (error)
		rdx_engine_unreadable(rank->engine, line->event.time_ns);
	note(ranks, rank, line_number);
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
	rdx_engine_unreadable(rank->engine, 0); /* without positions it is INEXACT already */
	note(ranks, rank, line_number);
	return 0;
}

void feed_ranks_mark_all(struct feed_ranks *ranks, uint64_t line_number)
{
	ranks->inexact = 1;
	for (uint32_t i = 0; i < ranks->count; i++) {
		struct feed_rank *rank = &ranks->ranks[i];

		if (!rank->publisher)
			continue;
		rdx_engine_unreadable(rank->engine, 0);
		note(ranks, rank, line_number);
	}
}

void feed_ranks_totals(const struct feed_ranks *ranks, struct feed_totals *ret_totals)
{
	struct feed_totals totals = {0};

	for (uint32_t i = 0; i < ranks->count; i++) {
		struct rdx_publisher_stats stats = {.size = sizeof(stats)};

		if (!ranks->ranks[i].publisher)
			continue;
		rdx_publisher_get_stats(ranks->ranks[i].publisher, &stats);
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
	for (uint32_t i = 0; i < ranks->count; i++)
		feed_counters_sum_up(&ranks->ranks[i].counters, ranks->input);
}

/* What a check did, or could not do. */
static void say_checked(const struct feed_rank *rank, int result)
{
	struct feed_check check = feed_check_words(rank->publisher, result);

	if (!check.is_outgrown && result == -EBUSY)
		check.then = "and another process publishes it now: this one does not any more";
	messages_say("worker %" PRIu64 " rank %" PRIu32 ": %s: %s", rank->counters.worker,
		     rank->counters.dp_rank, check.found, check.then);
}

void feed_ranks_check(struct feed_ranks *ranks)
{
	uint64_t now = rdx_clock_ns();

	if (now < ranks->check_ns)
		return;
	ranks->check_ns = now + CHECK_NS;
	for (uint32_t i = 0; i < ranks->count; i++) {
		struct feed_rank *rank = &ranks->ranks[i];
		int r = rank->publisher ? rdx_publisher_check(rank->publisher) : 0;

		if (r && r != rank->lost)
			say_checked(rank, r);
		rank->lost = r < 0 ? r : 0;
	}
}

void feed_ranks_close(struct feed_ranks *ranks)
{
	for (uint32_t i = 0; i < ranks->count; i++) {
		rdx_engine_close(ranks->ranks[i].engine);
		rdx_publisher_close(ranks->ranks[i].publisher);
	}
	free(ranks->ranks);
	ranks->ranks = NULL;
	ranks->count = ranks->capacity = ranks->last = 0;
}

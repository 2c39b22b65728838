/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/rank.h"

#include "tools/bridge/removal.h"

#include "shm/clock.h"
#include "tools/feed/feed_check.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000.0
#define RETRY_NS UINT64_C(1000000000)
#define BUSY_NS                                                                                    \
	UINT64_C(20000000) /* between tries while the rank's predecessor may be about to end */

static int say_not_open(struct rank *rank, int error)
{
	if (error != rank->error)
		messages_say("%s: cannot open rank %u of worker %" PRIu64 " in %s: %s", rank->input,
			     rank->dp_rank, rank->options->worker_id, rank->options->dir,
			     messages_explain_create(error));
	rank->error = error;
	return -EAGAIN;
}

static int put_off(struct rank *rank, int error, uint64_t now)
{
	if (error != -EBUSY)
		rank->busy_ns = 0;
	else if (!rank->busy_ns)
		rank->busy_ns = now;
	if (rank->busy_ns && now - rank->busy_ns < rank->options->wait_ns) {
		rank->again_ns = now + BUSY_NS;
		return -EAGAIN;
	}
	rank->again_ns = now + RETRY_NS;
	return say_not_open(rank, error);
}

static void let_go(struct rank *rank)
{
	rdx_engine_close(rank->engine);
	rdx_publisher_close(rank->publisher);
	rank->engine = NULL;
	rank->publisher = NULL;
}

int rank_open(struct rank *rank, uint32_t dp_rank, uint64_t now)
{
	struct rdx_publisher_options options = *rank->options;
	char instance[RDX_TEXT_BYTES];
	int r;

	if (rank->publisher)
		return 0;
	rank->dp_rank = options.dp_rank = dp_rank;
	if (!options.instance) {
		snprintf(instance, sizeof(instance), "bridge://%" PRIu64 "/%u", options.worker_id,
			 dp_rank);
		options.instance = instance;
	}
	options.wait_ns = 0; /* the library would wait for it, and all other ranks with it */
	r = rdx_publisher_open(&rank->publisher, &options);
	if (r == 0)
		r = rdx_engine_open(&rank->engine, rank->publisher, rank->engine_options);
	if (r < 0) {
		let_go(rank);
		return put_off(rank, r, now);
	}
	rank->error = 0;
	rank->busy_ns = 0;
	rank->has_last = 0;
	rank->counters = (struct feed_counters){
		.worker = options.worker_id, .dp_rank = dp_rank, .says_unreadable = 1};
	return 0;
}

static uint64_t count_gaps(const struct rank *rank)
{
	struct rdx_engine_stats stats = {.size = sizeof(stats)};

	return rank->engine && rdx_engine_get_stats(rank->engine, &stats) == 0 ? stats.gaps : 0;
}

void rank_close(struct rank *rank)
{
	rank->missed += count_gaps(rank);
	rank->busy_ns = 0;
	let_go(rank);
}

void rank_free(struct rank *rank)
{
	rank_close(rank);
	payload_free(&rank->payload);
	said_free(&rank->said);
	said_free(&rank->removal);
}

uint32_t rank_of(struct rank *rank, const void *bytes, size_t count, uint32_t otherwise)
{
	enum fault fault = payload_read(&rank->payload, bytes, count);

	rank->payload.fault = fault;
	return fault || !rank->payload.has_rank ? otherwise : rank->payload.dp_rank;
}

static void note(struct rank *rank)
{
	feed_counters_note(&rank->counters, rank->publisher, rank->engine, rank->input,
			   rank->tally->messages + rank->tally->replayed);
}

void rank_refuse(struct rank *rank, enum fault fault)
{
	if (!rank->tally->refused[fault]++)
		messages_say("%s: warning: worker %" PRIu64 ": %s", rank->input,
			     rank->options->worker_id, fault_text(fault));
	if (!rank->engine)
		return;
	rdx_engine_unreadable(rank->engine, rdx_clock_ns());
	note(rank);
}

void rank_doubt(struct rank *rank)
{
	if (rank->publisher)
		rdx_publish_inexact(rank->publisher, RDX_INEXACT_UNKNOWN, rdx_clock_ns());
}

void rank_restart(struct rank *rank)
{
	uint64_t now = rdx_clock_ns();

	if (!rank->engine || !rank->has_last)
		return;
	/* a number as high as the last one is another process's, of which what is before it is missing */
	rdx_engine_sequence(rank->engine, rank->last, now);
	if (!rank->last) /* and here that one, too: it was the old one's */
		rdx_publish_inexact(rank->publisher, RDX_INEXACT_LACKING, now);
}

/* What `events` events of the batch say. */
static void give(struct rank *rank, const struct said *said, uint32_t events)
{
	if (rdx_engine_publish(rank->engine, &said->event) < 0)
		rank_refuse(rank, FAULT_TRANSLATOR);
	else
		rank->tally->events += events;
}

/* Publish the removal that waits for its neighbours. */
static void give_removal(struct rank *rank)
{
	if (!rank->removals)
		return;
	give(rank, &rank->removal, rank->removals);
	rank->removals = 0;
}

/* The removal just read waits for its neighbours; the memory of the one before is for the next event. */
static void keep_removal(struct rank *rank)
{
	struct said free_one = rank->removal;

	rank->removal = rank->said;
	rank->said = free_one;
	rank->removals = 1;
}

static void publish_event(struct rank *rank, uint32_t index, uint64_t now)
{
	enum fault fault = said_read(&rank->said, &rank->payload, index, rank->engine);
	int is_removal = !fault && rdx_engine_joins(rank->engine_options, &rank->said.event, NULL);

	rank->said.event.time_ns = now;
	if (is_removal && rank->removals &&
	    removal_join(&rank->removal, &rank->said, rank->engine_options)) {
		rank->removals++;
		return;
	}
	give_removal(rank);
	if (fault)
		rank_refuse(rank, fault);
	else if (is_removal)
		keep_removal(rank);
	else
		give(rank, &rank->said, 1);
}

/* How long ago the engine sent it, by both clocks. */
static uint64_t lag_of(double time_s)
{
	struct timespec t;
	double lag;

	clock_gettime(CLOCK_REALTIME, &t);
	lag = ((double)t.tv_sec - time_s) * NS_PER_S + (double)t.tv_nsec;
	return time_s > 0 && lag > 0 && lag < 1e18 ? (uint64_t)lag : 0;
}

void rank_publish(struct rank *rank, uint64_t sequence, int is_other)
{
	const struct payload *payload = &rank->payload;
	uint64_t now = rdx_clock_ns();

	/* below the last one the translator sees it by itself */
	if (is_other && sequence > rank->last)
		rank_restart(rank);
	rdx_engine_sequence(rank->engine, sequence, now);
	rank->last = sequence;
	rank->has_last = 1;
	rank->tally->sequence = sequence;
	rank->tally->gaps = rank->missed + count_gaps(rank);
	if (payload->fault) {
		rank_refuse(rank, payload->fault);
		return;
	}
	if (payload->has_rank && payload->dp_rank != rank->dp_rank) {
		rank_refuse(rank, FAULT_OTHER_RANK);
		return;
	}
	rdx_publisher_begin_batch(rank->publisher);
	for (uint32_t i = 0; i < payload->event_count; i++)
		publish_event(rank, i, now);
	give_removal(rank);
	rdx_publisher_end_batch(rank->publisher);
	rank->tally->lag_ns = lag_of(payload->time_s);
	note(rank);
}

void rank_say_source(const struct rank *rank, int is_away, uint64_t heard_ns)
{
	const struct tally *tally = rank->tally;
	const struct rdx_source source = {
		.size = sizeof(source),
		.next_sequence = rank->has_last ? rank->last + 1 : 0,
		.gaps_lost = tally->gaps,
		.gaps_filled = tally->gaps_filled,
		.replayed = tally->replayed,
		.lag_ns = tally->lag_ns,
		.heard_ns = heard_ns,
		.kind = RDX_SOURCE_BRIDGE,
		.is_away = (uint32_t)is_away,
	};

	if (rank->publisher) /* one that another process has, rank_check will find */
		(void)rdx_publisher_set_source(rank->publisher, &source);
}

/* What a check did, or could not do. */
static void say_checked(const struct rank *rank, int result)
{
	struct feed_check check = feed_check_words(rank->publisher, result);

	messages_say("%s: worker %" PRIu64 " rank %u: %s: %s", rank->input,
		     rank->options->worker_id, rank->dp_rank, check.found, check.then);
}

int rank_check(struct rank *rank)
{
	int r = rank->publisher ? rdx_publisher_check(rank->publisher) : 0, before = rank->lost;

	rank->lost = r < 0 ? r : 0;
	if (!r || r == before)
		return 0;
	say_checked(rank, r);
	if (r != -EBUSY)
		return 0;
	rank_close(rank);
	return 1;
}

uint32_t rank_worth(const struct rank *rank)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	return rank->publisher && rdx_publisher_get_stats(rank->publisher, &stats) == 0
		       ? stats.inexact
		       : 0;
}

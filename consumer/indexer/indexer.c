/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The indexer: open and close, one loop over ranks and indexes, statistics. rest.c waits.
 */
#include "consumer/indexer/lost.h"
#include "consumer/indexer/limits.h"
#include "consumer/indexer/refused.h"
#include "consumer/indexer/roster.h"
#include "consumer/indexer/unfed.h"
#include "consumer/wait/wait.h"
#include "shm/bell_file.h"
#include "shm/clock.h"
#include "shm/guard.h"
#include "shm/namespace.h"
#include "shm/shared_clock.h"
#include "shm/sized.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_DIR    "index"
#define POLL_DEFAULT 65536 /* of a poll, in blocks */
#define WORK_DEFAULT 4096  /* of a round of it: 0.4 ms, about ... */
#define SHARE_MOST   512   /* ... and of one rank: what all others wait for at least */
#define SHARE_LEAST  64
#define FETCH_AHEAD  UINT32_C(8) /* ranks */
#define READY_NS     UINT64_C(1000000000)
#define LEFTOVERS_NS UINT64_C(3000000000) /* by then every running rank has been found */
#define BEAT_NS      UINT64_C(1000000)    /* readers share the heartbeat's line */
#define CLOCK_NS     UINT64_C(1000000000) /* between looks at how clocks differ */
#define EVENTS_NS    UINT64_C(400000)     /* of a poll, for events and snapshots */
#define STEPS_END_NS UINT64_C(600000)     /* no piece of table work but one begins later */
#define LIVENESS_NS  UINT64_C(50000000)
#define REST_NS      UINT64_C(100000000) /* between heartbeats of an idle indexer, at most */

void rdx_indexer_take_bell(struct rdx_indexer *indexer, struct rdx_mapping *bell)
{
	indexer->bell = *bell;
	indexer->bell_id = rdx_bell_file_id(bell);
	rdx_guard_add(&indexer->bell);
}

static int open_files(struct rdx_indexer *indexer, const struct rdx_indexer_options *options)
{
	struct rdx_mapping bell = {.fd = -1};
	int r = rdx_namespace_path(options->dir, &indexer->path);

	if (r < 0)
		return r;
	indexer->dir_fd = rdx_namespace_open(options->dir, 1);
	if (indexer->dir_fd < 0)
		return indexer->dir_fd;
	r = rdx_namespace_key(indexer->dir_fd, 1, &indexer->key);
	if (r < 0)
		return r;
	r = rdx_indexer_lock_take(&indexer->lock, indexer->dir_fd);
	if (r < 0)
		return r;
	if (mkdirat(indexer->dir_fd, INDEX_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	r = rdx_namespace_check(indexer->dir_fd, INDEX_DIR, 1);
	if (r < 0)
		return r;
	/* without a bell of ours everything is polled on a timer */
	if (rdx_bell_file_open(&bell, indexer->dir_fd, 1) == 0)
		rdx_indexer_take_bell(indexer, &bell);
	rdx_discovery_open(&indexer->discovery, indexer->dir_fd);
	indexer->wait_mode = options->wait_mode;
	indexer->rest_mode = options->rest_mode;
	return rdx_indexer_open_wait(indexer);
}

/* Who looks at the heartbeat must not find it old where one came late. */
static uint64_t rest_ns(uint64_t stale_after_ns)
{
	return stale_after_ns && stale_after_ns / 2 < REST_NS ? stale_after_ns / 2 : REST_NS;
}

int rdx_indexer_open(struct rdx_indexer **ret_indexer, const struct rdx_indexer_options *from)
{
	struct rdx_indexer_options options;
	struct rdx_indexer *indexer;
	int r = rdx_sized_take(&options, sizeof(options), from);

	if (r < 0)
		return r;
	if (options.file_mode & ~0777u || options.file_mode & (S_IWGRP | S_IWOTH) ||
	    options.wait_mode > RDX_WAIT_EPOLL || options.rest_mode > RDX_REST_SPIN ||
	    options.reserved)
		return -EINVAL;
	indexer = calloc(1, sizeof(*indexer));
	if (!indexer)
		return -ENOMEM;
	indexer->dir_fd = indexer->lock.fd = indexer->bell.fd = -1;
	indexer->discovery.inotify_fd = -1;
	indexer->liveness_ns = options.liveness_ns ? options.liveness_ns : LIVENESS_NS;
	indexer->rest_ns = rest_ns(options.stale_after_ns);
	indexer->writer_options = (struct rdx_writer_options){
		.initial_blocks = options.initial_blocks,
		.stale_after_ns = options.stale_after_ns,
		.file_mode = options.file_mode,
	};
	rdx_limits_set(&indexer->limits, &options);
	indexer->leftovers_ns = rdx_clock_ns() + LEFTOVERS_NS;
	r = rdx_shared_clock_learn();
	if (r == 0)
		r = open_files(indexer, &options);
	if (r < 0) {
		rdx_indexer_close(indexer);
		return r;
	}
	indexer->opened = 1;
	*ret_indexer = indexer;
	return 0;
}

int rdx_indexer_is_forked(const struct rdx_indexer *indexer)
{
	return indexer->opened && indexer->lock.fd < 0;
}

void rdx_indexer_close(struct rdx_indexer *indexer)
{
	if (!indexer)
		return;
	if (rdx_indexer_is_forked(indexer)) {
		free(indexer->path);
		free(indexer);
		return;
	}
	if (indexer->opened)
		rdx_refused_end(indexer);
	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		rdx_reader_close(indexer->ranks[i]->reader);
		free(indexer->ranks[i]);
	}
	for (uint32_t i = 0; i < indexer->index_count; i++)
		rdx_writer_close(indexer->indexes[i].writer);
	free(indexer->ranks);
	free(indexer->indexes);
	rdx_wait_close(indexer->wait);
	rdx_discovery_close(&indexer->discovery);
	rdx_guard_remove(&indexer->bell);
	rdx_mapping_close(&indexer->bell);
	rdx_indexer_lock_release(&indexer->lock);
	if (indexer->dir_fd >= 0)
		close(indexer->dir_fd);
	free(indexer->path);
	free(indexer);
}

static struct rdx_rank *rank_at(const struct rdx_indexer *indexer, uint32_t i)
{
	return indexer->ranks[(indexer->next_rank + i) % indexer->rank_count];
}

/* What is cleared is hidden before anything else, as far as the time goes: a barrier may lie. The first
 * one does not wait until all ranks have been fetched. -ENOMEM. */
static int clear_ranks(struct rdx_indexer *indexer, uint64_t now, uint64_t until)
{
	uint32_t count = indexer->rank_count;

	for (uint32_t i = 0; i < count + 2 * FETCH_AHEAD; i++) {
		struct rdx_rank *rank;
		int r;

		if (i < count)
			rdx_rank_fetch_position(rank_at(indexer, i));
		if (i - FETCH_AHEAD < count)
			rdx_rank_fetch_barrier(rank_at(indexer, i - FETCH_AHEAD));
		if (i < 2 * FETCH_AHEAD)
			continue;
		rank = rank_at(indexer, i - 2 * FETCH_AHEAD);
		if (!rdx_rank_is_cleared(rank))
			continue;
		r = rdx_rank_step(rank, &indexer->scratch, 1, now, until);
		if (r < 0)
			return r;
		if (rdx_clock_ns() >= until)
			break;
	}
	return 0;
}

/* A rank that has much to say has a small share of each poll, however few others there are: those
 * are looked at again soon, and wait for one share of each busy rank. */
static uint32_t share_of(uint32_t max_blocks, uint32_t ranks)
{
	uint32_t share = max_blocks / ranks;

	if (share > SHARE_MOST)
		return SHARE_MOST;
	return share < SHARE_LEAST ? SHARE_LEAST : share;
}

/* Give every rank its share of `max_blocks` and of the poll's time, beginning with another one each
 * time. Changes of all of them are on their way to the tables together. */
static int64_t step_ranks(struct rdx_indexer *indexer, uint32_t max_blocks, uint64_t now)
{
	uint32_t count = indexer->rank_count, share, start = indexer->next_rank;
	uint64_t until = now + EVENTS_NS;
	int64_t done = clear_ranks(indexer, now, until);
	int worked = 0;

	if (count == 0 || done < 0)
		return done;
	rdx_rank_fetch(indexer->ranks, count);
	share = share_of(max_blocks, count);
	for (uint32_t i = 0; i < count && done < max_blocks && (!worked || rdx_clock_ns() < until);
	     i++) {
		struct rdx_rank *rank = indexer->ranks[(start + i) % count];
		int r = rdx_rank_step(rank, &indexer->scratch, share, now, until);

		if (r < 0)
			return r;
		done += r;
		/* who has nothing takes no time worth a look at the clock; so where nothing was
		 * done, every rank was asked */
		worked = r > 0;
		indexer->next_rank = (start + i + 1) % count;
	}
	for (uint32_t k = 0; k < count; k++)
		rdx_rank_pulse(indexer->ranks[k], now);
	return done;
}

/* An index waits for its recovering ranks, for a while, so that it is not empty when first seen. */
static int is_settled(const struct rdx_indexer *indexer, const struct rdx_fed_index *index,
		      uint64_t now)
{
	if (now - index->opened_ns >= READY_NS)
		return 1;
	for (uint32_t i = 0; i < indexer->rank_count; i++)
		if (indexer->ranks[i]->writer == index->writer &&
		    indexer->ranks[i]->phase < RDX_PHASE_FOLLOW)
			return 0;
	return 1;
}

/* Indexes that no running rank feeds any more keep their tables in memory. Once all ranks are
 * known, those that earlier indexers left are removed. */
static void remove_leftovers(struct rdx_indexer *indexer)
{
	struct rdx_index_id *ids = calloc(indexer->index_count + 1, sizeof(*ids));

	if (!ids)
		return;
	for (uint32_t i = 0; i < indexer->index_count; i++) {
		const struct rdx_fed_index *index = &indexer->indexes[i];

		(void)rdx_index_file_id(index->model, index->tenant, index->block_tokens, &ids[i]);
	}
	rdx_index_file_remove_others(indexer->dir_fd, ids, indexer->index_count);
	free(ids);
	indexer->leftovers_ns = 0;
}

/* Heartbeats, and naming indexes that are ready. */
static void tend_indexes(struct rdx_indexer *indexer, uint64_t now)
{
	int beat = now >= indexer->beat_ns;

	if (beat)
		indexer->beat_ns = now + BEAT_NS;
	if (now >= indexer->clock_ns) { /* it may have been restored */
		indexer->clock_ns = now + CLOCK_NS;
		(void)rdx_shared_clock_learn();
	}
	for (uint32_t i = 0; i < indexer->index_count; i++) {
		struct rdx_fed_index *index = &indexer->indexes[i];

		if (beat)
			rdx_writer_heartbeat(index->writer, now);
		if (!index->ready && !indexer->lock_cause && is_settled(indexer, index, now))
			index->ready = rdx_writer_ready(index->writer) == 0;
	}
}

/* Table work in small pieces: one, or for three quarters of the time that events took, so that who
 * has many neither waits for it nor keeps it from being done. */
static void step_tables(struct rdx_indexer *indexer, uint64_t begun)
{
	uint64_t now = rdx_clock_ns(), until = now + (now - begun) * 3 / 4;

	until = until < begun + STEPS_END_NS ? until : begun + STEPS_END_NS;
	indexer->pending = 0;
	for (uint32_t i = 0; i < indexer->index_count; i++) {
		int more;

		do
			more = rdx_writer_step(indexer->indexes[i].writer);
		while (more && rdx_clock_ns() < until);
		indexer->pending |= (uint8_t)more;
	}
}

static int poll_round(struct rdx_indexer *indexer, uint32_t max_blocks)
{
	uint64_t now = rdx_clock_ns(), walks = indexer->walks;
	int64_t done, more = 0;
	int r = rdx_indexer_is_forked(indexer) ? -EOWNERDEAD : rdx_lost_look(indexer, now);

	if (r < 0)
		return r;
	if (max_blocks == 0)
		max_blocks = WORK_DEFAULT;
	/* events are not kept waiting for news of the directory */
	done = step_ranks(indexer, max_blocks, now);
	r = rdx_roster_discover(indexer, now);
	if (indexer->walks != walks && r == 0 && done >= 0) {
		rdx_refused_tell(indexer);
		more = step_ranks(indexer, max_blocks, now);
	}
	if (r < 0 || done < 0 || more < 0)
		return r < 0 ? r : (int)(done < 0 ? done : more);
	done += more;
	/* what can be shown is shown, under a name, before table work that it does not need */
	tend_indexes(indexer, now);
	step_tables(indexer, now);
	rdx_unfed_look(indexer, now);
	if (indexer->leftovers_ns && now >= indexer->leftovers_ns && !indexer->lock_cause)
		remove_leftovers(indexer);
	return done < INT_MAX ? (int)done : INT_MAX;
}

/* Rounds are short, so that nobody waits for another rank's events; a poll has several, for who calls
 * does more than that between two of them. */
int rdx_indexer_poll(struct rdx_indexer *indexer, uint32_t max_blocks)
{
	uint64_t until = rdx_clock_ns() + EVENTS_NS;
	uint32_t most = max_blocks ? max_blocks : POLL_DEFAULT;
	int64_t done = 0;
	int r;

	do {
		r = poll_round(indexer, max_blocks);
		done += r;
	} while (r > 0 && done < most && rdx_indexer_has_work(indexer) && rdx_clock_ns() < until);
	if (done > 0)
		rdx_rest_note_work(indexer);
	return r < 0 ? r : (int)done;
}

int rdx_indexer_get_stats(const struct rdx_indexer *indexer, struct rdx_indexer_stats *ret_stats)
{
	struct rdx_indexer_stats stats = indexer->forgotten;
	int r = rdx_sized_check(ret_stats);

	if (r < 0)
		return r;
	stats.indexes = indexer->index_count;
	stats.wakes = indexer->wakes;
	stats.naps = indexer->naps;
	stats.wait_mode = rdx_wait_mode(indexer->wait);
	stats.lock_cause = indexer->lock_cause;
	for (uint32_t i = 0; i < indexer->rank_count; i++)
		rdx_roster_add_stats(indexer->ranks[i], &stats);
	for (uint32_t i = 0; i < indexer->index_count; i++) {
		struct rdx_writer_stats writer;

		rdx_writer_stats(indexer->indexes[i].writer, &writer);
		stats.generations += writer.generations;
		stats.table_bytes += writer.table_bytes;
	}
	rdx_sized_give(ret_stats, &stats, sizeof(stats));
	return 0;
}

int rdx_indexer_recovery(const struct rdx_indexer *indexer, uint64_t i,
			 struct rdx_recovery_row *ret_row)
{
	uint64_t count = indexer->scratch.recovered_count;
	int r = rdx_sized_check(ret_row);

	if (r < 0)
		return r;
	if (i >= count || count - i > RDX_RECOVERIES_KEPT)
		return -ENOENT;
	rdx_sized_give(ret_row, &indexer->scratch.recovered[i % RDX_RECOVERIES_KEPT],
		       sizeof(*ret_row));
	return 0;
}

int rdx_indexer_segment(const struct rdx_indexer *indexer, uint32_t i,
			struct rdx_segment_row *ret_row)
{
	struct rdx_segment_row row;
	const struct rdx_rank *rank;
	int r = rdx_sized_check(ret_row);

	if (r < 0)
		return r;
	if (i >= indexer->rank_count)
		return -ENOENT;
	rank = indexer->ranks[i];
	row = (struct rdx_segment_row){
		.worker_id = rank->file.worker_id,
		.dp_rank = rank->file.dp_rank,
		.cause = rank->phase == RDX_PHASE_GONE ? -ESRCH : rank->cause,
	};
	rdx_sized_give(ret_row, &row, sizeof(row));
	return 0;
}

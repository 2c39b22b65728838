/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/stage.h"

#include "bench/measure.h"
#include "shm/clock.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define WORKER_DESCRIPTORS 8 /* of its publisher and of the indexer that follows it, with room */
#define OTHER_DESCRIPTORS  64

#define PATIENCE_NS UINT64_C(240000000000) /* until workers are followed, on the busiest machine */

void stage_must(const struct stage *stage, int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-r));
	scratch_remove(stage->dir);
	exit(1);
}

int stage_is_allowed(uint32_t workers)
{
	rlim_t wanted = OTHER_DESCRIPTORS + (rlim_t)workers * WORKER_DESCRIPTORS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_cur >= wanted)
		return 1;
	limit.rlim_cur = wanted;
	return wanted <= limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

void stage_make(struct stage *ret_stage, const struct options *options, uint32_t workers)
{
	struct stage stage = {.ring_slots = STAGE_RING_SLOTS, .ranks = 1};

	stage_must(&stage, scratch_make(stage.dir), options->scratch);
	stage_must(&stage, oracle_open(&stage.oracle, workers), "oracle");
	stage.workers = calloc(workers, sizeof(*stage.workers));
	stage.runs = calloc(RDX_RANKS_MAX, sizeof(*stage.runs));
	stage.names = calloc(CORPUS_BLOCKS_MAX, sizeof(*stage.names));
	if (!stage.workers || !stage.runs || !stage.names)
		stage_must(&stage, -ENOMEM, "stage");
	*ret_stage = stage;
}

void stage_join(struct stage *stage, uint64_t capacity)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	uint32_t worker = stage->worker_count++;

	options.dir = stage->dir;
	options.instance = options.model = STAGE_MODEL;
	options.worker_id = worker / stage->ranks;
	options.dp_rank = worker % stage->ranks;
	options.ring_slots = stage->ring_slots;
	options.tier_blocks[RDX_TIER_DEVICE] = capacity;
	stage_must(stage, rdx_publisher_open(&stage->workers[worker].publisher, &options),
		   "rdx_publisher_open");
}

void stage_open(struct stage *ret_stage, const struct options *options, uint32_t workers,
		uint64_t capacity)
{
	stage_make(ret_stage, options, workers);
	for (uint32_t w = 0; w < workers; w++)
		stage_join(ret_stage, capacity);
}

void stage_close_index(struct stage *stage)
{
	rdx_index_close(stage->index);
	rdx_indexer_close(stage->indexer);
	stage->index = NULL;
	stage->indexer = NULL;
}

void stage_close(struct stage *stage)
{
	stage_close_index(stage);
	for (uint32_t w = 0; w < stage->worker_count; w++)
		rdx_publisher_close(stage->workers[w].publisher);
	oracle_close(&stage->oracle);
	free(stage->workers);
	free(stage->runs);
	free(stage->names);
	scratch_remove(stage->dir);
}

/* Workers that are EXACT and have all that was published: an index from before a restart may still
 * say EXACT, of an earlier event. */
static uint32_t rows_live(struct stage *stage)
{
	static struct rdx_index_rank rows[RDX_RANKS_MAX];
	uint32_t live = 0;
	int count;

	rows[0].size = sizeof(rows[0]);
	count = rdx_index_ranks(stage->index, rows, RDX_RANKS_MAX);
	for (int i = 0; i < count; i++) {
		uint64_t worker = rows[i].worker_id * stage->ranks + rows[i].dp_rank;

		live += rows[i].state == RDX_STATE_EXACT && worker < stage->worker_count &&
			rows[i].last_event_id == stage->workers[worker].events;
	}
	return live;
}

struct rdx_index *stage_try_handle(const struct stage *stage)
{
	struct rdx_index_key key = {
		.size = sizeof(key), .model = STAGE_MODEL, .flags = stage->index_flags};
	struct rdx_index *index = NULL;
	int r = rdx_index_open(&index, stage->dir, &key);

	stage_must(stage, r == -EAGAIN ? 0 : r, "rdx_index_open");
	return index;
}

struct rdx_index *stage_handle(const struct stage *stage)
{
	struct rdx_index *index = stage_try_handle(stage);

	stage_must(stage, index ? 0 : -ENOENT, "rdx_index_open");
	return index;
}

void stage_settle(struct stage *stage)
{
	uint64_t start = rdx_clock_ns();

	while (rows_live(stage) < stage->worker_count) {
		stage_drain(stage);
		if (rdx_clock_ns() - start > PATIENCE_NS)
			stage_must(stage, -ETIMEDOUT, "not every worker is EXACT");
	}
}

void stage_open_index(struct stage *stage)
{
	struct rdx_indexer_options options = {.size = sizeof(options), .dir = stage->dir};

	stage_must(stage, rdx_indexer_open(&stage->indexer, &options), "rdx_indexer_open");
	do {
		stage_drain(stage);
		stage->index = stage_try_handle(stage);
	} while (!stage->index);
	stage_settle(stage);
}

static void publish_stored(struct stage *stage, const struct corpus_record *record)
{
	struct rdx_stored stored = {
		.size = sizeof(stored),
		.names = record->names,
		.parent = record->parent,
		.local_hashes = record->local,
		.count = record->count,
		.name_bytes = sizeof(uint64_t),
	};

	stage_must(stage, rdx_publish_stored(stage->workers[record->worker].publisher, &stored),
		   "rdx_publish_stored");
}

static void publish_removed(struct stage *stage, const struct corpus_record *record)
{
	struct rdx_removed removed = {
		.size = sizeof(removed),
		.names = record->names,
		.count = record->count,
		.name_bytes = sizeof(uint64_t),
	};

	stage_must(stage, rdx_publish_removed(stage->workers[record->worker].publisher, &removed),
		   "rdx_publish_removed");
}

void stage_publish(struct stage *stage, const struct corpus_record *record)
{
	struct stage_worker *worker = &stage->workers[record->worker];
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	switch (record->kind) {
	case CORPUS_STORED:
		publish_stored(stage, record);
		break;
	case CORPUS_REMOVED:
		publish_removed(stage, record);
		break;
	case CORPUS_CLEARED:
		stage_must(stage, rdx_publish_cleared(worker->publisher, RDX_SCOPE_ALL, 0),
			   "rdx_publish_cleared");
		break;
	case CORPUS_QUERY:
		return;
	}
	rdx_publisher_get_stats(worker->publisher, &stats);
	worker->slots = stats.slots;
	worker->events = stats.events;
	stage->events++;
	stage->blocks += record->count;
	if (!stage->is_untold)
		oracle_apply(&stage->oracle, record);
}

int stage_is_full(const struct stage *stage, uint32_t worker)
{
	return stage->workers[worker].slots - stage->workers[worker].slots_seen >
	       stage->ring_slots / 2;
}

void stage_drain(struct stage *stage)
{
	int read;

	do {
		read = rdx_indexer_poll(stage->indexer, 0);
		stage_must(stage, read, "rdx_indexer_poll");
	} while (read > 0);
	for (uint32_t w = 0; w < stage->worker_count; w++)
		stage->workers[w].slots_seen = stage->workers[w].slots;
}

void stage_replay(struct stage *stage, const struct corpus *corpus, uint32_t first_worker)
{
	struct corpus_record record;
	uint64_t at = 0;

	while (corpus_next(corpus, &at, &record)) {
		record.worker += first_worker;
		if (record.kind == CORPUS_QUERY)
			continue;
		stage_publish(stage, &record);
		if (stage->indexer && stage_is_full(stage, record.worker))
			stage_drain(stage);
	}
	if (stage->indexer)
		stage_drain(stage);
}

void stage_store(struct stage *stage, uint32_t worker, const uint64_t *local, const uint64_t *names,
		 uint32_t from, uint32_t to)
{
	uint32_t count;

	for (uint32_t at = from; at < to; at += count) {
		count = to - at < CORPUS_EVENT_BLOCKS ? to - at : CORPUS_EVENT_BLOCKS;
		stage_publish(stage, &(struct corpus_record){
					     .kind = CORPUS_STORED,
					     .worker = worker,
					     .count = count,
					     .first_block = at,
					     .parent = at ? &names[at - 1] : NULL,
					     .local = &local[at],
					     .names = &names[at],
				     });
	}
}

uint32_t stage_worker_of(const struct stage *stage, const struct rdx_run *run)
{
	return (uint32_t)run->worker_id * stage->ranks + run->dp_rank;
}

uint32_t stage_wrong(struct stage *stage, const uint64_t *local, uint32_t count)
{
	uint32_t blocks[RDX_RANKS_MAX] = {0}, wrong = 0; /* who has no row holds none */
	int rows;

	corpus_names(local, count, stage->names);
	stage->runs[0].size = sizeof(stage->runs[0]);
	rows = rdx_index_lookup_local(stage->index, local, count, stage->runs, RDX_RANKS_MAX);
	for (int i = 0; i < rows; i++) {
		uint32_t worker = stage_worker_of(stage, &stage->runs[i]);

		if (worker < stage->worker_count)
			blocks[worker] = stage->runs[i].blocks[RDX_TIER_DEVICE];
		else
			wrong++;
	}
	for (uint32_t worker = 0; worker < stage->worker_count; worker++)
		wrong += blocks[worker] !=
			 oracle_leading(&stage->oracle, worker, stage->names, count);
	return wrong;
}

uint32_t stage_held(struct rdx_index *index, uint64_t worker_id, const uint64_t *local,
		    uint32_t count, struct rdx_run *runs)
{
	uint32_t held = 0;
	int rows;

	runs[0].size = sizeof(runs[0]);
	while ((rows = rdx_index_lookup_local(index, local, count, runs, RDX_RANKS_MAX)) == -EAGAIN)
		sched_yield(); /* which the indexer may want */
	for (int i = 0; i < rows; i++) {
		if (runs[i].worker_id == worker_id)
			held = runs[i].blocks[RDX_TIER_DEVICE];
	}
	return held;
}

struct rdx_indexer_stats stage_stats(const struct stage *stage)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	stage_must(stage, rdx_indexer_get_stats(stage->indexer, &stats), "rdx_indexer_get_stats");
	return stats;
}

uint64_t stage_trouble(const struct stage *stage)
{
	uint64_t trouble = stage->oracle.wrong;

	for (uint32_t w = 0; w < stage->worker_count; w++) {
		struct rdx_publisher_stats stats = {.size = sizeof(stats)};

		rdx_publisher_get_stats(stage->workers[w].publisher, &stats);
		trouble += stats.inexact_marks + stats.unknown_parents + stats.unknown_removals +
			   stats.repeats + stats.ledger_full + stats.map_full + stats.conflicts;
	}
	return trouble;
}

void stage_touch(const struct options *options)
{
	uint64_t bytes = options_pick(options, UINT64_C(1) << 30, UINT64_C(1) << 29, 1 << 16);
	void *memory = measure_memory(bytes, MEASURE_SMALL_PAGES);

	if (memory)
		measure_memory_free(memory, bytes);
}

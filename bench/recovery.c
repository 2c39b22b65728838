/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long until a rank is exact again?
 *
 * Barrier: N dead events, a clear, 1,000 newer ones. In turn with it, what has to be done without a
 * barrier: copy the whole history out of the ring and replay it. Both build the rank in the same
 * index table, and touch it beforehand. Ledger: 2.28 million resident blocks and no barrier in the
 * ring.
 */
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "consumer/writer/writer.h"
#include "consumer/reader/reader.h"
#include "shm/clock.h"
#include "shm/namespace.h"
#include <ringdex/rdx_publisher.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIVE_EVENTS   1000
#define DEAD_MOST     1000000
#define BARRIER_SLOTS (UINT64_C(1) << 20) /* holds all of the largest history */
#define LEDGER_BLOCKS UINT64_C(2280000)
#define RUN_BLOCKS    8
#define CHUNK         4096

struct bench {
	struct rdx_publisher *publisher;
	struct rdx_reader *reader;
	struct rdx_index_writer *writer;
	int slot;
	int dir_fd;
	uint64_t next_local;
	char dir[SCRATCH_BYTES];
	int failed;
};

static int open_bench(struct bench *bench, const struct options *given, uint64_t ring_slots,
		      uint64_t blocks)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	struct rdx_writer_options writer = {.initial_blocks = blocks + DEAD_MOST / 10};
	struct rdx_hash_key key;
	int r;

	memset(bench, 0, sizeof(*bench));
	r = scratch_make(given, bench->dir);
	if (r < 0)
		return r;
	options.dir = bench->dir;
	options.instance = options.model = "bench";
	options.worker_id = 1;
	options.ring_slots = ring_slots;
	options.tier_blocks[RDX_TIER_DEVICE] = blocks;
	r = rdx_publisher_open(&bench->publisher, &options);
	if (r == 0)
		r = rdx_reader_open(&bench->reader, bench->dir, 1, 0);
	if (r < 0)
		return r;
	bench->dir_fd = rdx_namespace_open(bench->dir, 0);
	mkdirat(bench->dir_fd, "index", 0755);
	r = rdx_namespace_key(bench->dir_fd, 0, &key);
	if (r == 0)
		r = rdx_writer_open(&bench->writer, bench->dir_fd, &key, "bench", "", 16, &writer);
	if (r == 0)
		r = bench->slot =
			rdx_writer_rank_add(bench->writer, rdx_reader_info(bench->reader));
	return r < 0 ? r : 0;
}

static void close_bench(struct bench *bench)
{
	rdx_writer_close(bench->writer);
	rdx_reader_close(bench->reader);
	rdx_publisher_close(bench->publisher);
	close(bench->dir_fd);
	scratch_remove(bench->dir);
}

/* Events of `blocks` blocks each, every one a prompt of its own. */
static void store(struct bench *bench, uint64_t events, uint32_t blocks)
{
	uint64_t names[RUN_BLOCKS];

	for (uint64_t event = 0; event < events; event++) {
		struct rdx_stored stored = {.size = sizeof(stored),
					    .names = names,
					    .local_hashes = names,
					    .count = blocks,
					    .name_bytes = 8};

		for (uint32_t i = 0; i < blocks; i++)
			names[i] = ++bench->next_local * UINT64_C(0x9e3779b97f4a7c15);
		bench->failed |= rdx_publish_stored(bench->publisher, &stored) != 0;
	}
}

/* Columns to build in, swept beforehand: that is not the recovery's time. */
static void begin_build(struct bench *bench)
{
	int r;

	do {
		while (rdx_writer_step(bench->writer))
			;
		r = rdx_writer_rank_begin(bench->writer, bench->slot);
	} while (r == -EAGAIN);
	bench->failed |= r != 0;
}

static void apply(struct bench *bench, const struct rdx_event *event)
{
	uint64_t prefix[RUN_BLOCKS];

	if (event->kind == RDX_EVENT_STORED)
		rdx_hash_chain(&rdx_reader_info(bench->reader)->key, event->parent, event->hashes,
			       event->count, prefix);
	bench->failed |= rdx_writer_apply_event(bench->writer, bench->slot, event, prefix) != 0;
}

/* Recover as the indexer does. Nanoseconds until the rank is shown. */
static double recover(struct bench *bench, uint32_t way, uint64_t *ret_slots, uint64_t *ret_words)
{
	static uint64_t hashes[CHUNK];
	struct rdx_reader_stats before = {.size = sizeof(before)}, after = before;
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_event event = {.size = sizeof(event)};
	uint64_t exact = 0, start;
	uint8_t tier;
	int64_t count;

	begin_build(bench);
	rdx_reader_get_stats(bench->reader, &before);
	start = rdx_clock_ns();
	bench->failed |= rdx_reader_recover(bench->reader, NULL, &recovery) != 0;
	if (recovery.way == RDX_RECOVERED_LEDGER)
		while ((count = rdx_reader_snapshot(bench->reader, hashes, CHUNK, &tier, &exact)) >
		       0)
			bench->failed |= rdx_writer_apply_blocks(bench->writer, bench->slot, tier,
								 hashes, (uint32_t)count) != 0;
	while (rdx_reader_next(bench->reader, &event) == 1)
		apply(bench, &event);
	rdx_writer_rank_show(bench->writer, bench->slot, 0, 0);
	start = rdx_clock_ns() - start;
	rdx_reader_get_stats(bench->reader, &after);
	*ret_slots = after.slots_read - before.slots_read;
	*ret_words = after.ledger_words - before.ledger_words;
	bench->failed |= recovery.way != way;
	return (double)start;
}

/* What a recovery without a barrier has to do: copy the history, replay all of it. */
static double copy_and_replay(struct bench *bench, struct rdx_slot *copy)
{
	const struct rdx_segment_view *view = &bench->reader->view;
	struct rdx_ring_view ring = {copy, view->ring.mask};
	uint64_t position = 0, hashes[64], start;
	struct rdx_event_head head;
	uint32_t slots = 0;

	begin_build(bench);
	start = rdx_clock_ns();
	for (uint64_t at = 0; at < rdx_publish_tail(view->live); at++) {
		uint64_t words[RDX_SLOT_WORDS];

		bench->failed |= rdx_ring_get(&view->ring, at, words) != RDX_RING_PUBLISHED;
		memcpy(&copy[at], words, sizeof(words));
	}
	while (rdx_event_read(&ring, position, 64, &head, hashes, &slots) == RDX_RING_PUBLISHED &&
	       slots) {
		struct rdx_event event = {.size = sizeof(event),
					  .event_id = head.event_id,
					  .parent = head.parent,
					  .hashes = hashes,
					  .count = head.count,
					  .kind = head.kind,
					  .tier = head.tier};

		/* what was built is dropped; sweeping its columns is not counted here */
		if (head.kind == RDX_EVENT_CLEARED) {
			uint64_t pause = rdx_clock_ns();

			begin_build(bench);
			start += rdx_clock_ns() - pause;
		} else {
			apply(bench, &event);
		}
		position += slots;
	}
	rdx_writer_rank_show(bench->writer, bench->slot, 0, 0);
	return (double)(rdx_clock_ns() - start);
}

struct series {
	struct report *report;
	const struct options *options;
	double *values, *others;
};

/* One history in a fresh ring, so that all of it can be copied: 1 on failure. */
static int measure_history(struct series *series, uint64_t dead, struct rdx_slot *copy)
{
	uint32_t rounds = series->options->rounds;
	uint64_t slots = 0, words = 0;
	struct bench bench;

	if (open_bench(&bench, series->options, BARRIER_SLOTS, DEAD_MOST + LIVE_EVENTS) < 0)
		return 1;
	store(&bench, dead, 1);
	bench.failed |= rdx_publish_cleared(bench.publisher, RDX_SCOPE_ALL, 0) != 0;
	store(&bench, LIVE_EVENTS, 1);
	recover(&bench, RDX_RECOVERED_BARRIER, &slots, &words);
	copy_and_replay(&bench, copy);
	for (uint32_t i = 0; i < rounds; i++) {
		series->values[i] = recover(&bench, RDX_RECOVERED_BARRIER, &slots, &words) / 1e3;
		bench.failed |= slots != LIVE_EVENTS + 1;
		series->others[i] = copy_and_replay(&bench, copy) / 1e3;
	}
	close_bench(&bench);
	return bench.failed;
}

static void give_history(const struct series *series, uint64_t dead)
{
	char replay[64], barrier[64];

	snprintf(replay, sizeof(replay), "recovery.barrier.%llu.replay", (unsigned long long)dead);
	snprintf(barrier, sizeof(barrier), "recovery.barrier.%llu.ringdex",
		 (unsigned long long)dead);
	REPORT_ROW(series->report, .id = replay,
		   .what = "copy and replay of all dead and 1,000 live events", .unit = "us",
		   .values = series->others, .count = series->options->rounds);
	REPORT_ROW(series->report, .id = barrier, .what = "the barrier, 1,000 live events",
		   .unit = "us", .values = series->values, .count = series->options->rounds,
		   .floor = replay);
}

static int measure_barrier(struct series *series)
{
	struct rdx_slot *copy = measure_memory(BARRIER_SLOTS * sizeof(*copy), MEASURE_PRIVATE);
	uint64_t most = options_pick(series->options, DEAD_MOST, DEAD_MOST, 1000);
	int failed = !copy;

	for (uint64_t dead = 1000; dead <= most && !failed; dead *= 10) {
		failed = measure_history(series, dead, copy);
		give_history(series, dead);
	}
	measure_memory_free(copy, BARRIER_SLOTS * sizeof(*copy));
	return failed;
}

static int measure_ledger(struct series *series)
{
	uint64_t blocks = options_pick(series->options, LEDGER_BLOCKS, LEDGER_BLOCKS, 100000);
	uint64_t slots = 0, words = 0;
	struct bench bench;

	if (open_bench(&bench, series->options, 8192, blocks) < 0)
		return 1;
	store(&bench, blocks / RUN_BLOCKS, RUN_BLOCKS);
	for (uint32_t i = 0; i < 2; i++)
		recover(&bench, RDX_RECOVERED_LEDGER, &slots, &words);
	for (uint32_t i = 0; i < series->options->rounds; i++)
		series->values[i] = recover(&bench, RDX_RECOVERED_LEDGER, &slots, &words) / 1e6;
	bench.failed |= words != blocks / RUN_BLOCKS * RUN_BLOCKS;
	REPORT_ROW(series->report, .id = "recovery.ledger.ringdex",
		   .what = "the ledger of 2.28 million blocks", .unit = "ms",
		   .values = series->values, .count = series->options->rounds);
	close_bench(&bench);
	return bench.failed;
}

int main(int argc, char **argv)
{
	struct options options = {.name = "recovery",
				  .question = "How long until a rank is exact again?",
				  .rounds_by_length = {11, 3, 1}};
	struct series series = {.options = &options};
	int r;

	options_parse(argc, argv, &options);
	measure_pin(0);
	series.report = report_begin(&options);
	series.values = measure_values(options.rounds);
	series.others = measure_values(options.rounds);
	report_check(series.report, measure_barrier(&series) == 0,
		     "by barrier: the way, and slots read");
	report_check(series.report, measure_ledger(&series) == 0,
		     "by ledger: the way, and words read");
	r = report_end(series.report);
	free(series.values);
	free(series.others);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: random events of many ranks and tiers, driven through the index writer,
 * against the stream's oracle. Searched and scanned lookups agree with it in every query, across
 * growth, clean-up, more columns, clears, ranks rebuilt, and writers that die and are
 * succeeded, on a handle that lives through all of it.
 */
#include "tests/index_rig.h"
#include "tests/patience.h"
#include "tests/stream.h"

#include <stdio.h>
#include <stdlib.h>

#define EVENTS_LEAST  400000
#define EVENTS_MOST   1600000 /* as far as the time goes */
#define EVENTS_S      20
#define BLOCKS        STREAM_BLOCKS_MAX
#define RANKS         32
#define FIRST_RANKS   6
#define LIFE          40000 /* events that one writer is told */
#define CLEAR_IN      750
#define TIER_CLEAR_IN 1500

struct rank {
	int slot;
	int shown; /* visible in the index */
	struct stream stream;
};

struct world {
	struct rig rig;
	uint64_t seed;
	uint64_t random;
	struct rdx_index_writer *writer;
	struct rdx_index *index;
	struct rank rank[RANKS];
	uint32_t ranks;
	uint64_t queries;
	uint64_t rows;
	uint64_t scanned;
	uint64_t generations;
};

static uint32_t pick(struct world *w, uint32_t below)
{
	return (uint32_t)(rig_random(&w->random) % below);
}

/* Build a rank anew from the oracle's state, as recovery by ledger does. */
static void show(struct world *w, struct rank *rank)
{
	const struct stream *stream = &rank->stream;
	int r, more = 1;

	/* columns are used or dirty, all of them, until the sweep has come by */
	while ((r = rig_begin(w->writer, rank->slot)) == -ENOSPC && more)
		more = rdx_writer_step(w->writer);
	assert_int_equal(r, 0);
	for (uint32_t i = 0; i < BLOCKS; i++) {
		for (uint8_t tier = 0; tier < stream->tiers; tier++) {
			if (stream->held[i] >> tier & 1)
				assert_int_equal(rig_blocks(w->writer, rank->slot, tier,
							    &stream->prefix[i], 1),
						 0);
		}
	}
	rdx_writer_rank_show(w->writer, rank->slot, stream_orphan_bits(stream), 0);
	rank->shown = 1;
	rig_pulse(w->writer, rank->slot, RDX_STATE_EXACT, 7, stream->event_id);
}

static void hide(struct world *w, struct rank *rank)
{
	rdx_writer_rank_hide(w->writer, rank->slot);
	rig_pulse(w->writer, rank->slot, RDX_STATE_RECOVERING, 7, rank->stream.event_id);
	rank->shown = 0;
}

/* The rank's next operation, which the writer is told where the rank is shown. */
static void operate(struct world *w, struct rank *rank)
{
	const struct stream *stream = &rank->stream;
	struct rdx_event event = {.size = sizeof(event)};
	struct stream_op op;
	int r;

	stream_next(&rank->stream, &op);
	if (!rank->shown)
		return;
	event = (struct rdx_event){.event_id = stream->event_id,
				   .kind = op.kind,
				   .tier = op.tier,
				   .count = op.count,
				   .hashes = op.hashes,
				   .orphans = stream_orphan_bits(stream)};
	r = rig_event(w->writer, rank->slot, &event, stream->prefix + op.first);
	if (r == -EAGAIN && event.kind == RDX_EVENT_CLEARED) {
		hide(w, rank);
		return;
	}
	assert_int_equal(r, 0);
	rig_pulse(w->writer, rank->slot, RDX_STATE_EXACT, 7, stream->event_id);
}

/* Another prompt takes a place in the tree that nobody holds: its old key is dead. */
static void renew(struct world *w)
{
	uint32_t block = pick(w, BLOCKS);
	uint64_t prefix = rig_random(&w->random) | 1;

	for (uint32_t i = 0; i < w->ranks; i++) {
		if (w->rank[i].stream.held[block])
			return;
	}
	for (uint32_t i = 0; i < w->ranks; i++)
		w->rank[i].stream.prefix[block] = prefix;
}

static void add_rank(struct world *w)
{
	struct rank *rank = &w->rank[w->ranks];
	struct stream *stream = &rank->stream;
	struct rdx_rank_info info;

	stream_make(stream, &w->rig.key, rig_random(&w->random), CLEAR_IN);
	stream_grow_tree(stream, &w->rig.key, w->seed, BLOCKS,
			 w->ranks == 1 ? 1 : 1 + pick(w, RDX_TIER_COUNT));
	if (w->ranks) /* some may be renewed */
		memcpy(stream->prefix, w->rank[0].stream.prefix, sizeof(stream->prefix));
	stream->tier_clear_in = TIER_CLEAR_IN;
	info = rig_info(w->ranks, w->ranks % 3, stream->tiers);
	rank->slot = rdx_writer_rank_add(w->writer, &info);
	assert_true(rank->slot >= 0);
	w->ranks++;
	show(w, rank);
}

static void check_rows(struct world *w, const struct rdx_run *runs, int rows, const uint32_t *path,
		       uint32_t blocks, int forced)
{
	assert_int_equal(rows, w->ranks);
	for (uint32_t i = 0; i < w->ranks; i++) {
		const struct rank *rank = &w->rank[i];
		const struct rdx_run *row = rig_row(runs, rows, i, i % 3);

		assert_non_null(row);
		assert_int_equal(row->state, rank->shown ? RDX_STATE_EXACT : RDX_STATE_RECOVERING);
		for (uint32_t set = 0; set < RDX_TIER_COUNT; set++)
			assert_int_equal(row->blocks[set],
					 rank->shown ? stream_run(&rank->stream, path, blocks, set)
						     : 0);
		if (rank->shown) {
			assert_int_equal(row->last_event_id, rank->stream.event_id);
			assert_int_equal(row->scanned, forced || stream_orphan_bits(&rank->stream));
		}
		w->rows++;
		w->scanned += row->scanned && !forced;
	}
}

static void query(struct world *w)
{
	const struct stream *stream = &w->rank[0].stream;
	uint32_t block = pick(w, BLOCKS + 1), path[STREAM_DEPTH_MAX];
	uint32_t blocks = block == BLOCKS ? 0 : stream_path(stream, block, path);
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	uint64_t prefix[STREAM_DEPTH_MAX];

	for (uint32_t i = 0; i < blocks; i++)
		prefix[i] = stream->prefix[path[i]];
	for (int forced = 0; forced < 2; forced++) {
		int rows;

		rdx_index_force_scan(w->index, forced);
		rows = rdx_index_lookup(w->index, prefix, blocks, runs, RDX_RANKS_MAX);
		check_rows(w, runs, rows, path, blocks, forced);
	}
	w->queries++;
}

static void check_counts(struct world *w)
{
	static struct rdx_index_rank info[RDX_RANKS_MAX] = {{.size = sizeof(info[0])}};

	assert_int_equal(rdx_index_ranks(w->index, info, RDX_RANKS_MAX), w->ranks);
	for (uint32_t i = 0; i < w->ranks; i++) {
		const struct rank *rank = &w->rank[i];

		for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
			assert_int_equal(info[rank->slot].blocks[tier],
					 rank->shown ? rank->stream.count[tier] : 0);
	}
}

/* The writer dies, or is replaced in order; its successor builds all anew. */
static void succeed(struct world *w, uint64_t life)
{
	int old_dies_first = life % 2;
	struct rdx_writer_options options = {/* swept at once, or in pieces; most outgrow that */
					     .initial_blocks = life % 3 ? 1 + pick(w, 200) : 40000,
					     .stale_after_ns = RIG_NEVER_STALE_NS};
	struct rdx_index_writer *old = w->writer;
	struct rdx_writer_stats stats;

	rdx_writer_stats(old, &stats);
	w->generations += stats.generations;
	if (old_dies_first)
		rdx_writer_close(old);
	assert_int_equal(rig_writer(&w->rig, &options, &w->writer), 0);
	for (uint32_t i = 0; i < w->ranks; i++) {
		struct rdx_rank_info info = rig_info(i, i % 3, w->rank[i].stream.tiers);

		w->rank[i].slot = rdx_writer_rank_add(w->writer, &info);
		show(w, &w->rank[i]);
	}
	if (!old_dies_first)
		rdx_writer_close(old);
	rdx_writer_heartbeat(w->writer, rdx_clock_ns());
	assert_int_equal(rdx_writer_ready(w->writer), 0);
}

static void one_event(struct world *w, uint32_t i)
{
	struct rank *rank = &w->rank[pick(w, w->ranks)];
	uint32_t what = pick(w, 1000);

	if (what < 952)
		operate(w, rank);
	else if (what == 952 && !pick(w, 4) && rank->shown)
		hide(w, rank);
	else if (what < 970 && !rank->shown)
		show(w, rank);
	else
		renew(w);
	if (!pick(w, 4))
		rdx_writer_step(w->writer);
	if (i % (EVENTS_LEAST / RANKS) == 0 && w->ranks < RANKS)
		add_rank(w);
}

static void test_index_equals_oracle(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct rdx_writer_options options = {.initial_blocks = 50,
					     .stale_after_ns = RIG_NEVER_STALE_NS};
	struct effort effort = effort_begin(EVENTS_LEAST, EVENTS_MOST, EVENTS_S);
	struct rdx_writer_stats stats;

	(void)state;
	assert_non_null(w);
	w->random = w->seed = rig_seed();
	rig_make(&w->rig);
	assert_int_equal(rig_writer(&w->rig, &options, &w->writer), 0);
	for (int i = 0; i < FIRST_RANKS; i++)
		add_rank(w);
	rdx_writer_heartbeat(w->writer, rdx_clock_ns());
	assert_int_equal(rdx_writer_ready(w->writer), 0);
	assert_int_equal(rig_index(&w->rig, &w->index), 0);
	while (effort_goes_on(&effort)) {
		uint64_t i = effort.done;

		one_event(w, (uint32_t)i);
		if (i % 1000 == 0)
			rdx_writer_heartbeat(w->writer, rdx_clock_ns());
		if (i % 64 == 0)
			query(w);
		if (i % 20000 == 0)
			check_counts(w);
		if (i % LIFE == 0)
			succeed(w, i / LIFE);
	}
	rdx_writer_stats(w->writer, &stats);
	w->generations += stats.generations;
	print_message("queries %llu rows %llu scanned %llu generations %llu words of columns %u\n",
		      (unsigned long long)w->queries, (unsigned long long)w->rows,
		      (unsigned long long)w->scanned, (unsigned long long)w->generations,
		      w->index->lookup.search.words);
	assert_true(w->scanned > w->rows / 100 && w->scanned < w->rows * 3 / 4);
	assert_true(w->generations > 3);
	assert_true(w->index->lookup.search.words >= 2);
	rdx_index_close(w->index);
	rdx_writer_close(w->writer);
	rig_remove(&w->rig);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_index_equals_oracle)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

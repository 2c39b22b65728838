/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: random events of many ranks and tiers, driven through the index writer,
 * against a naive oracle. Searched and scanned lookups agree with it in every query, across
 * growth, clean-up, more columns, clears, ranks rebuilt, and writers that die and are
 * succeeded, on a handle that lives through all of it.
 */
#include "tests/index_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define EVENTS      1600000
#define NODES       3000
#define CHILDREN    3
#define DEPTH_MAX   120
#define RANKS       40
#define FIRST_RANKS 6
#define STRETCH_MAX 12

/* A tree of prefixes; node 0 is the root and is no block. */
struct node {
	uint64_t hash;
	uint32_t parent;
	uint32_t depth;
	uint32_t child[CHILDREN];
	uint32_t children;
};

struct rank {
	int slot;
	int shown; /* live in the index */
	uint32_t tiers;
	uint64_t event_id;
	uint8_t held[NODES]; /* bit t: in tier t */
	uint32_t orphans[RDX_TIER_COUNT];
	uint32_t blocks[RDX_TIER_COUNT];
};

struct world {
	struct rig rig;
	uint64_t seed;
	uint64_t random;
	struct rdx_index_writer *writer;
	struct rdx_index *index;
	struct node node[NODES];
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

static void make_tree(struct world *w)
{
	for (uint32_t i = 1; i < NODES; i++) {
		uint32_t parent;

		do /* mostly long stalks */
			parent = pick(w, 10) && i > 1 ? i - 1 : pick(w, i);
		while (w->node[parent].children == CHILDREN || w->node[parent].depth == DEPTH_MAX);
		w->node[i].parent = parent;
		w->node[i].depth = w->node[parent].depth + 1;
		w->node[i].hash = rig_random(&w->random) | 1;
		w->node[parent].child[w->node[parent].children++] = i;
	}
}

static int in_set(const struct rank *rank, uint32_t node, uint32_t set)
{
	return node == 0 || (rank->held[node] & ((2 << set) - 1)) != 0;
}

static uint32_t children_in_set(const struct world *w, const struct rank *rank, uint32_t node,
				uint32_t set)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < w->node[node].children; i++)
		count += (uint32_t)in_set(rank, w->node[node].child[i], set);
	return count;
}

/* The oracle: one block appears in a tier or leaves it. */
static void hold(struct world *w, struct rank *rank, uint32_t node, uint8_t tier, int held)
{
	uint8_t before = rank->held[node];
	uint8_t after = held ? before | 1 << tier : before & ~(1 << tier);

	for (uint32_t set = 0; set < RDX_TIER_COUNT; set++) {
		int was = (before & ((2 << set) - 1)) != 0, is = (after & ((2 << set) - 1)) != 0;

		if (was == is)
			continue;
		if (!in_set(rank, w->node[node].parent, set))
			rank->orphans[set] += is ? 1 : -1;
		rank->orphans[set] += (is ? -1 : 1) * children_in_set(w, rank, node, set);
	}
	rank->blocks[tier] += (after != before) * (held ? 1 : -1);
	rank->held[node] = after;
}

static uint8_t orphan_bits(const struct rank *rank)
{
	uint8_t bits = 0;

	for (uint32_t set = 0; set < RDX_TIER_COUNT; set++)
		bits |= (uint8_t)((rank->orphans[set] != 0) << set);
	return bits;
}

static uint32_t oracle_run(const struct rank *rank, const uint32_t *path, uint32_t blocks,
			   uint32_t set)
{
	uint32_t run = 0;

	while (run < blocks && in_set(rank, path[run], set))
		run++;
	return run;
}

/* Node numbers from below the root to `node`. */
static uint32_t path_to(const struct world *w, uint32_t node, uint32_t *ret_path)
{
	uint32_t depth = w->node[node].depth;

	for (uint32_t i = depth; i; i--, node = w->node[node].parent)
		ret_path[i - 1] = node;
	return depth;
}

/* Build a rank anew from the oracle's state, as recovery by ledger does. */
static void show(struct world *w, struct rank *rank)
{
	assert_int_equal(rig_begin(w->writer, rank->slot), 0);
	for (uint32_t node = 1; node < NODES; node++) {
		for (uint8_t tier = 0; tier < rank->tiers; tier++) {
			if (rank->held[node] & 1 << tier)
				assert_int_equal(rdx_writer_apply_blocks(w->writer, rank->slot, tier,
								  &w->node[node].hash, 1), 0);
		}
	}
	rdx_writer_rank_live(w->writer, rank->slot, orphan_bits(rank), 0);
	rank->shown = 1;
	rig_pulse(w->writer, rank->slot, RDX_STATE_EXACT, 7, rank->event_id);
}

static void hide(struct world *w, struct rank *rank)
{
	rdx_writer_rank_hide(w->writer, rank->slot);
	rig_pulse(w->writer, rank->slot, RDX_STATE_RECOVERING, 7, rank->event_id);
	rank->shown = 0;
}

/* Tell the writer what the oracle has done already. */
static void tell(struct world *w, struct rank *rank, struct rdx_event *event,
		 const uint64_t *prefix)
{
	int r;

	event->event_id = ++rank->event_id;
	event->orphans = orphan_bits(rank);
	if (!rank->shown)
		return;
	r = rdx_writer_apply_event(w->writer, rank->slot, event, prefix);
	if (r == -EAGAIN && event->kind == RDX_EVENT_CLEARED) {
		hide(w, rank);
		return;
	}
	assert_int_equal(r, 0);
	rig_pulse(w->writer, rank->slot, RDX_STATE_EXACT, 7, rank->event_id);
}

static void stored(struct world *w, struct rank *rank)
{
	uint32_t path[DEPTH_MAX], depth = path_to(w, 1 + pick(w, NODES - 1), path);
	struct rdx_event event = {.kind = RDX_EVENT_STORED, .tier = (uint8_t)pick(w, rank->tiers)};
	uint64_t prefix[STRETCH_MAX];
	uint32_t first;

	/* mostly go on where the rank's run ends, sometimes anywhere */
	first = pick(w, 20) ? oracle_run(rank, path, depth, event.tier) : pick(w, depth);
	if (first == depth)
		first = depth - 1;
	for (uint32_t i = first; i < depth && event.count < STRETCH_MAX; i++) {
		prefix[event.count++] = w->node[path[i]].hash;
		hold(w, rank, path[i], event.tier, 1);
	}
	tell(w, rank, &event, prefix);
}

static void removed(struct world *w, struct rank *rank)
{
	uint32_t node = 1 + pick(w, NODES - 1);
	uint64_t hashes[STRETCH_MAX];
	struct rdx_event event = {.kind = RDX_EVENT_REMOVED, .hashes = hashes,
				  .tier = (uint8_t)pick(w, rank->tiers)};
	uint8_t bit = (uint8_t)(1 << event.tier);

	while (!(rank->held[node] & bit) && node)
		node = w->node[node].parent;
	if (!node)
		return;
	if (pick(w, 12)) { /* down to a leaf, mostly */
		uint32_t i = 0;

		while (i < w->node[node].children) {
			if (rank->held[w->node[node].child[i++]] & bit) {
				node = w->node[node].child[i - 1];
				i = 0;
			}
		}
	}
	for (uint32_t most = 1 + pick(w, STRETCH_MAX); event.count < most && node;
	     node = w->node[node].parent) {
		if (!(rank->held[node] & bit) ||
		    (event.count && children_in_set(w, rank, node, RDX_TIER_COUNT - 1)))
			break;
		hashes[event.count++] = w->node[node].hash;
		hold(w, rank, node, event.tier, 0);
	}
	tell(w, rank, &event, NULL);
}

/* A block moves: stored in one tier, then removed from the other. */
static void moved(struct world *w, struct rank *rank)
{
	uint32_t node = 1 + pick(w, NODES - 1);
	uint8_t from = (uint8_t)pick(w, rank->tiers), to = (uint8_t)pick(w, rank->tiers);
	struct rdx_event event = {.kind = RDX_EVENT_STORED, .tier = to, .count = 1};

	if (from == to || !(rank->held[node] & 1 << from))
		return;
	hold(w, rank, node, to, 1);
	tell(w, rank, &event, &w->node[node].hash);
	event = (struct rdx_event){.kind = RDX_EVENT_REMOVED, .tier = from, .count = 1,
				   .hashes = &w->node[node].hash};
	hold(w, rank, node, from, 0);
	tell(w, rank, &event, NULL);
}

static void cleared(struct world *w, struct rank *rank)
{
	uint8_t scope = pick(w, 3) ? RDX_SCOPE_ALL : (uint8_t)pick(w, rank->tiers);
	struct rdx_event event = {.kind = RDX_EVENT_CLEARED, .tier = scope};

	for (uint32_t node = 1; node < NODES; node++) {
		for (uint8_t tier = 0; tier < rank->tiers; tier++) {
			if (scope == RDX_SCOPE_ALL || scope == tier)
				hold(w, rank, node, tier, 0);
		}
	}
	tell(w, rank, &event, NULL);
}

/* Another prompt takes a place in the tree that nobody holds: its old key is dead. */
static void renew(struct world *w)
{
	uint32_t node = 1 + pick(w, NODES - 1);

	for (uint32_t i = 0; i < w->ranks; i++) {
		if (w->rank[i].held[node])
			return;
	}
	w->node[node].hash = rig_random(&w->random) | 1;
}

static void add_rank(struct world *w)
{
	struct rank *rank = &w->rank[w->ranks];
	struct rdx_rank_info info;

	rank->tiers = w->ranks == 1 ? 1 : 1 + pick(w, RDX_TIER_COUNT);
	info = rig_info(w->ranks, w->ranks % 3, rank->tiers);
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
					 rank->shown ? oracle_run(rank, path, blocks, set) : 0);
		if (rank->shown) {
			assert_int_equal(row->last_event_id, rank->event_id);
			assert_int_equal(row->scanned, forced || orphan_bits(rank));
		}
		w->rows++;
		w->scanned += row->scanned && !forced;
	}
}

static void query(struct world *w)
{
	uint32_t path[DEPTH_MAX], blocks = path_to(w, pick(w, NODES), path);
	struct rdx_run runs[RDX_RANKS_MAX];
	uint64_t prefix[DEPTH_MAX];

	for (uint32_t i = 0; i < blocks; i++)
		prefix[i] = w->node[path[i]].hash;
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
	static struct rdx_worker_info info[RDX_RANKS_MAX];

	assert_int_equal(rdx_index_workers(w->index, info, RDX_RANKS_MAX), w->ranks);
	for (uint32_t i = 0; i < w->ranks; i++) {
		const struct rank *rank = &w->rank[i];

		for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
			assert_int_equal(info[rank->slot].blocks[tier],
					 rank->shown ? rank->blocks[tier] : 0);
	}
}

/* The writer dies, or is replaced in order; its successor builds all anew. */
static void succeed(struct world *w, int old_dies_first)
{
	struct rdx_writer_options options = {
		/* swept at once, or in pieces */
		.initial_blocks = pick(w, 2) ? 1 + pick(w, 200) : 40000,
		.stale_after_ns = RIG_NEVER_STALE_NS};
	struct rdx_index_writer *old = w->writer;
	struct rdx_writer_stats stats;

	rdx_writer_stats(old, &stats);
	w->generations += stats.generations;
	if (old_dies_first)
		rdx_writer_close(old);
	assert_int_equal(rig_writer(&w->rig, &options, &w->writer), 0);
	for (uint32_t i = 0; i < w->ranks; i++) {
		struct rdx_rank_info info = rig_info(i, i % 3, w->rank[i].tiers);

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

	if (what < 540)
		stored(w, rank);
	else if (what < 900)
		removed(w, rank);
	else if (what < 950)
		moved(w, rank);
	else if (what < 952)
		cleared(w, rank);
	else if (what == 952 && !pick(w, 4) && rank->shown)
		hide(w, rank);
	else if (what < 970 && !rank->shown)
		show(w, rank);
	else
		renew(w);
	if (!pick(w, 4))
		rdx_writer_step(w->writer);
	if (i % (EVENTS / RANKS) == 0 && w->ranks < RANKS)
		add_rank(w);
}

static void test_index_equals_oracle(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct rdx_writer_options options = {.initial_blocks = 50,
					     .stale_after_ns = RIG_NEVER_STALE_NS};
	struct rdx_writer_stats stats;

	(void)state;
	assert_non_null(w);
	w->random = w->seed = rig_seed();
	rig_make(&w->rig);
	make_tree(w);
	assert_int_equal(rig_writer(&w->rig, &options, &w->writer), 0);
	for (int i = 0; i < FIRST_RANKS; i++)
		add_rank(w);
	rdx_writer_heartbeat(w->writer, rdx_clock_ns());
	assert_int_equal(rdx_writer_ready(w->writer), 0);
	assert_int_equal(rig_index(&w->rig, &w->index), 0);
	for (uint32_t i = 1; i <= EVENTS; i++) {
		one_event(w, i);
		if (i % 1000 == 0)
			rdx_writer_heartbeat(w->writer, rdx_clock_ns());
		if (i % 64 == 0)
			query(w);
		if (i % 20000 == 0)
			check_counts(w);
		if (i % 150000 == 0)
			succeed(w, i / 150000 % 2);
	}
	rdx_writer_stats(w->writer, &stats);
	w->generations += stats.generations;
	print_message("queries %llu rows %llu scanned %llu generations %llu mask words %u\n",
		      (unsigned long long)w->queries, (unsigned long long)w->rows,
		      (unsigned long long)w->scanned, (unsigned long long)w->generations,
		      stats.mask_words);
	assert_true(w->scanned > w->rows / 100 && w->scanned < w->rows * 3 / 4);
	assert_true(w->generations > 3);
	assert_true(stats.mask_words >= 3);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: publisher -> ring -> indexer -> lookup against a naive oracle: random
 * stores, removals and clears of several workers, ranks and tiers, with pauses, laps and
 * restarts of either side. At rest every answer and every held block must be equal.
 */
#include "consumer/index/index_handle.h"
#include "tests/rig.h"
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANKS       6
#define CHAINS      24 /* conversations that all ranks draw from */
#define DEPTH       40
#define NODES       (CHAINS * DEPTH)
#define BLOCKS      400 /* per tier: less than all nodes, so the ledger fills now and then */
#define RING_SLOTS  256
#define TIERS       3

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 1000
#else
#define ROUNDS 26000
#endif
#define OPERATIONS_A_ROUND 400

/* A node: chain c, block d. Chains share their first blocks in pairs. */
static uint64_t local_of(uint32_t chain, uint32_t depth)
{
	uint32_t owner = depth < DEPTH / 4 ? chain / 2 * 2 : chain;

	return UINT64_C(0x1000003) * owner + depth * UINT64_C(0x9e3779b9) + 7;
}

struct oracle_rank {
	struct rdx_publisher *publisher;
	uint64_t worker_id;
	uint32_t dp_rank;
	uint64_t epoch;
	uint8_t copies[NODES][TIERS];
	uint8_t inexact;
};

struct world {
	struct rig rig;
	struct oracle_rank rank[RANKS];
	struct rdx_indexer *indexer;
	struct rdx_index *index;
	uint64_t random;
	uint64_t prefix[CHAINS][DEPTH];
	uint64_t events;
};

/* Chains that share a first quarter name the same node there. */
static uint32_t node_of(uint32_t chain, uint32_t depth)
{
	return (depth < DEPTH / 4 ? chain / 2 * 2 : chain) * DEPTH + depth;
}

static uint64_t name_of(const struct oracle_rank *rank, uint32_t node)
{
	return (rank->worker_id * 31 + rank->dp_rank + 1) * UINT64_C(0x9e3779b97f4a7c15) ^
	       (node + 1) * UINT64_C(0xbf58476d1ce4e5b9);
}

static void open_publisher(struct world *world, struct oracle_rank *rank)
{
	struct rdx_publisher_options options = RDX_PUBLISHER_OPTIONS_INIT;
	struct rdx_reader *reader;

	options.dir = world->rig.dir;
	options.instance = "http://localhost:8000";
	options.model = "model";
	options.worker_id = rank->worker_id;
	options.dp_rank = rank->dp_rank;
	options.ring_slots = RING_SLOTS;
	options.clear_scope = rank->worker_id == 2 ? RDX_CLEAR_WORKER : RDX_CLEAR_RANK;
	for (int tier = 0; tier < TIERS; tier++)
		options.tier_blocks[tier] = BLOCKS;
	assert_int_equal(rdx_publisher_open(&rank->publisher, &options), 0);
	assert_int_equal(rdx_reader_open(&reader, world->rig.dir, rank->worker_id, rank->dp_rank),
			 0);
	rank->epoch = rdx_reader_info(reader)->epoch;
	rdx_reader_close(reader);
	memset(rank->copies, 0, sizeof(rank->copies));
	rank->inexact = 0;
}

static uint64_t held(const struct oracle_rank *rank, int tier)
{
	uint64_t count = 0;

	for (int node = 0; node < NODES; node++)
		count += rank->copies[node][tier] > 0;
	return count;
}

/* A run of blocks of one chain, from `first` on, if the ledger can take all of it. */
static void store(struct world *world, struct oracle_rank *rank)
{
	uint32_t chain = (uint32_t)(rig_random(&world->random) % CHAINS);
	uint32_t first = (uint32_t)(rig_random(&world->random) % DEPTH);
	uint32_t count = 1 + (uint32_t)(rig_random(&world->random) % (DEPTH - first));
	uint8_t tier = (uint8_t)(rig_random(&world->random) % TIERS);
	uint64_t names[DEPTH], locals[DEPTH], parent = 0;
	struct rdx_stored stored = {.names = names,
				    .local_hashes = locals,
				    .count = count,
				    .tier = tier,
				    .name_bytes = 8};

	if (held(rank, tier) + count > BLOCKS)
		return;
	/* a parent whose name is not known would be dropped; begin where it is */
	if (first > 0) {
		uint32_t above = node_of(chain, first - 1);
		int known = 0;

		for (int t = 0; t < TIERS; t++)
			known |= rank->copies[above][t] > 0;
		if (!known)
			return;
		parent = name_of(rank, above);
		stored.parent = &parent;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t node = node_of(chain, first + i);

		if (rank->copies[node][tier] == UINT8_MAX)
			return;
		names[i] = name_of(rank, node);
		locals[i] = local_of(chain, first + i);
	}
	assert_int_equal(rdx_publish_stored(rank->publisher, &stored), 0);
	for (uint32_t i = 0; i < count; i++)
		rank->copies[node_of(chain, first + i)][tier]++;
}

static void remove_some(struct world *world, struct oracle_rank *rank)
{
	uint32_t count = 1 + (uint32_t)(rig_random(&world->random) % 20);
	uint8_t tier = (uint8_t)(rig_random(&world->random) % TIERS);
	struct rdx_removed removed = {.count = 0, .tier = tier, .name_bytes = 8};
	uint64_t names[20];

	removed.names = names;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t node = (uint32_t)(rig_random(&world->random) % NODES);

		names[removed.count++] = name_of(rank, node);
		rank->copies[node][tier] -= rank->copies[node][tier] > 0;
	}
	assert_int_equal(rdx_publish_removed(rank->publisher, &removed), 0);
}

static void clear(struct world *world, struct oracle_rank *rank)
{
	uint8_t scope = rig_random(&world->random) % 2
				? RDX_SCOPE_ALL
				: (uint8_t)(rig_random(&world->random) % TIERS);

	assert_int_equal(rdx_publish_cleared(rank->publisher, scope, 0), 0);
	for (int i = 0; i < RANKS; i++) {
		struct oracle_rank *other = &world->rank[i];
		int worker_wide = rank->worker_id == 2 && other->worker_id == 2 &&
				  scope == RDX_SCOPE_ALL;

		if (other != rank && !worker_wide)
			continue;
		for (int node = 0; node < NODES; node++)
			for (uint8_t tier = 0; tier < TIERS; tier++)
				if (scope == RDX_SCOPE_ALL || scope == tier || worker_wide)
					other->copies[node][tier] = 0;
	}
}

static void restart_indexer(struct world *world)
{
	struct rdx_indexer_options options = RDX_INDEXER_OPTIONS_INIT;

	rdx_indexer_close(world->indexer);
	options.dir = world->rig.dir;
	options.initial_blocks = 256; /* small: tables grow, and are cleaned up */
	assert_int_equal(rdx_indexer_open(&world->indexer, &options), 0);
}

static uint64_t events_of(const struct oracle_rank *rank)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_stats(rank->publisher, &stats), 0);
	return stats.events;
}

static void restart_publisher(struct world *world, struct oracle_rank *rank)
{
	world->events += events_of(rank);
	rdx_publisher_close(rank->publisher);
	open_publisher(world, rank);
}

/* Let the indexer come to rest: every rank read up in its present life. */
static void settle(struct world *world)
{
	struct rdx_worker_info workers[RDX_RANKS_MAX];
	struct rdx_index_key key = {.size = sizeof(key), .model = "model"};
	int good = 0;

	for (int tries = 0; tries < 4000 && !good; tries++) {
		int count;

		assert_true(rdx_indexer_poll(world->indexer, 0) >= 0);
		if (!world->index && rdx_index_open(&world->index, world->rig.dir, &key) < 0)
			continue;
		count = rdx_index_workers(world->index, workers, RDX_RANKS_MAX);
		assert_true(count >= 0);
		good = 0;
		for (int i = 0; i < count; i++)
			for (int k = 0; k < RANKS; k++) {
				struct oracle_rank *rank = &world->rank[k];

				good += workers[i].worker_id == rank->worker_id &&
					workers[i].dp_rank == rank->dp_rank &&
					workers[i].state == RDX_STATE_EXACT &&
					workers[i].epoch == rank->epoch &&
					workers[i].last_event_id == events_of(rank);
			}
		good = good == RANKS;
		if (!good)
			usleep(tries < 100 ? 100 : 2000);
	}
	if (!good)
		for (int i = 0; i < rdx_index_workers(world->index, workers, RDX_RANKS_MAX); i++)
			print_message("worker %llu rank %u state %u cause %d event %llu\n",
				      (unsigned long long)workers[i].worker_id, workers[i].dp_rank,
				      workers[i].state, workers[i].cause,
				      (unsigned long long)workers[i].last_event_id);
	assert_true(good);
}

static uint32_t true_run(const struct oracle_rank *rank, uint32_t chain, uint32_t blocks, int set)
{
	uint32_t run = 0;

	for (; run < blocks; run++) {
		int found = 0;

		for (int tier = 0; tier <= set && tier < TIERS; tier++)
			found |= rank->copies[node_of(chain, run)][tier] > 0;
		if (!found)
			break;
	}
	return run;
}

static void check_lookups(struct world *world, int scan)
{
	struct rdx_run runs[RDX_RANKS_MAX];

	rdx_index_force_scan(world->index, scan);
	for (uint32_t chain = 0; chain < CHAINS; chain++) {
		uint32_t blocks = 1 + (uint32_t)(rig_random(&world->random) % DEPTH);
		int rows = rdx_index_lookup(world->index, world->prefix[chain], blocks, runs,
					    RDX_RANKS_MAX);

		assert_int_equal(rows, RANKS);
		for (int i = 0; i < rows; i++) {
			struct oracle_rank *rank = NULL;

			for (int k = 0; k < RANKS; k++)
				if (world->rank[k].worker_id == runs[i].worker_id &&
				    world->rank[k].dp_rank == runs[i].dp_rank)
					rank = &world->rank[k];
			assert_non_null(rank);
			for (int set = 0; set < RDX_TIER_COUNT; set++) {
				uint32_t want = true_run(rank, chain, blocks, set);

				if (runs[i].blocks[set] != want)
					print_message("worker %llu rank %u set %d chain %u blocks "
						      "%u: %u, not %u (scanned %u)\n",
						      (unsigned long long)rank->worker_id,
						      rank->dp_rank, set, chain, blocks,
						      runs[i].blocks[set], want, runs[i].scanned);
				assert_int_equal(runs[i].blocks[set], want);
			}
		}
	}
}

static void check_against_ledgers(struct world *world)
{
	for (int k = 0; k < RANKS; k++) {
		struct oracle_rank *rank = &world->rank[k];
		struct rdx_difference difference;
		uint64_t want = 0;

		assert_int_equal(rdx_index_verify(world->index, rank->worker_id, rank->dp_rank,
						  &difference),
				 0);
		assert_int_equal(difference.differences, 0);
		for (int tier = 0; tier < TIERS; tier++)
			want += held(rank, tier);
		assert_int_equal(difference.compared, want);
	}
}

static void test_random_streams(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	uint64_t polls = 0, restarts = 0;

	(void)state;
	world->random = rig_seed();
	rig_make(&world->rig);
	for (uint32_t chain = 0; chain < CHAINS; chain++) {
		uint64_t locals[DEPTH];

		for (uint32_t depth = 0; depth < DEPTH; depth++)
			locals[depth] = local_of(chain, depth);
		rdx_hash_chain(&world->rig.key, 0, locals, DEPTH, world->prefix[chain]);
	}
	for (int k = 0; k < RANKS; k++) {
		world->rank[k].worker_id = (uint64_t)k / 2 + 1;
		world->rank[k].dp_rank = (uint32_t)k % 2;
		open_publisher(world, &world->rank[k]);
	}
	restart_indexer(world);

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < OPERATIONS_A_ROUND; i++) {
			struct oracle_rank *rank =
				&world->rank[rig_random(&world->random) % RANKS];
			uint64_t what = rig_random(&world->random) % 1000;

			if (what < 500)
				store(world, rank);
			else if (what < 985)
				remove_some(world, rank);
			else if (what < 998)
				clear(world, rank);
			else if (what == 998 && rig_random(&world->random) % 4 == 0)
				restart_publisher(world, rank);
			if (rig_random(&world->random) % 8 == 0) {
				assert_true(rdx_indexer_poll(world->indexer,
							     1 + rig_random(&world->random) % 200) >=
					    0);
				polls++;
			}
		}
		if (rig_random(&world->random) % 100 == 0) {
			restart_indexer(world);
			restarts++;
		}
		if (round % 10)
			continue;
		settle(world);
		check_lookups(world, 0);
		check_lookups(world, 1);
		if (round % 50 == 0)
			check_against_ledgers(world);
	}
	for (int k = 0; k < RANKS; k++)
		world->events += events_of(&world->rank[k]);
	print_message("%d rounds, %llu events, %llu polls, %llu indexer restarts\n", ROUNDS,
		      (unsigned long long)world->events, (unsigned long long)polls,
		      (unsigned long long)restarts);
	rdx_index_close(world->index);
	rdx_indexer_close(world->indexer);
	for (int k = 0; k < RANKS; k++)
		rdx_publisher_close(world->rank[k].publisher);
	rig_remove(&world->rig);
	free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

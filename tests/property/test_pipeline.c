/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: publisher -> ring -> indexer -> lookup against the publisher's oracle: random
 * stores, removals and clears of several workers, ranks and tiers, with pauses, laps and
 * restarts of either side; some ranks lack blocks for a while. At rest every answer, every held block
 * and what the rank is worth must be equal.
 */
#include "consumer/index/index_handle.h"
#include "tests/calls.h"
#include "tests/patience.h"
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANKS      6
#define CHAINS     24 /* conversations that all ranks draw from */
#define DEPTH      40
#define BLOCKS     400 /* per tier: less than all blocks, so the ledger fills now and then */
#define RING_SLOTS 256
#define TIERS      3

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 1000 /* at most: as the time allows, all with RDX_LONG=1 */
#else
#define ROUNDS 26000
#endif
#define ROUNDS_LEAST       1000
#define ROUNDS_S           8
#define OPERATIONS_A_ROUND 400

static const struct calls_shape shape = {.chains = CHAINS,
					 .depth = DEPTH,
					 .tiers = TIERS,
					 .clear_in = 150,
					 .lack_in = 100,
					 .inexact_in = 1500};

struct rank {
	struct rdx_publisher *publisher;
	uint64_t worker_id;
	uint32_t dp_rank;
	uint64_t epoch;
	struct calls calls;
};

struct world {
	struct rig rig;
	struct rank rank[RANKS];
	struct rdx_indexer *indexer;
	struct rdx_index *index;
	uint64_t random;
	uint64_t events;
	uint64_t worth[3]; /* ranks at rest that were so */
};

static void open_publisher(struct world *world, struct rank *rank)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
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
	calls_make(&rank->calls, &shape, &world->rig.key, &options, rig_random(&world->random));
}

/* The next call of the rank's; a clear of all of the second worker's clears both ranks. */
static void call(struct world *world, struct rank *rank)
{
	struct call call;

	calls_draw(&rank->calls, &call);
	calls_apply(&rank->calls, &call);
	assert_int_equal(calls_publish(rank->publisher, &call), 0);
	if (call.kind != RDX_EVENT_CLEARED || call.scope != RDX_SCOPE_ALL || rank->worker_id != 2)
		return;
	for (int i = 0; i < RANKS; i++) {
		if (world->rank[i].worker_id == 2)
			oracle_cleared(&world->rank[i].calls.oracle, RDX_SCOPE_ALL);
	}
}

static void restart_indexer(struct world *world)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};

	rdx_indexer_close(world->indexer);
	options.dir = world->rig.dir;
	options.stale_after_ns = UINT64_C(1000000000000); /* however slow the machine */
	options.initial_blocks = 256; /* small: tables grow, and are cleaned up */
	assert_int_equal(rdx_indexer_open(&world->indexer, &options), 0);
}

static uint64_t events_of(const struct rank *rank)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_get_stats(rank->publisher, &stats), 0);
	return stats.events;
}

static void restart_publisher(struct world *world, struct rank *rank)
{
	world->events += events_of(rank);
	rdx_publisher_close(rank->publisher);
	open_publisher(world, rank);
}

static uint8_t state_of(const struct rank *rank)
{
	static const uint8_t states[] = {RDX_STATE_EXACT, RDX_STATE_LACKING, RDX_STATE_INEXACT};

	return states[rank->calls.oracle.inexact];
}

/* Let the indexer come to rest: every rank caught up in its present life. */
static void settle(struct world *world)
{
	struct rdx_index_rank workers[RDX_RANKS_MAX] = {{.size = sizeof(workers[0])}};
	struct rdx_index_key key = {
		.size = sizeof(key), .model = "model", .flags = RDX_INDEX_ALL_RANKS};
	int good = 0;

	for (int tries = 0; tries < 4000 && !good; tries++) {
		int count;

		assert_true(rdx_indexer_poll(world->indexer, 0) >= 0);
		if (!world->index && rdx_index_open(&world->index, world->rig.dir, &key) < 0)
			continue;
		count = rdx_index_ranks(world->index, workers, RDX_RANKS_MAX);
		assert_true(count >= 0);
		good = 0;
		for (int i = 0; i < count; i++)
			for (int k = 0; k < RANKS; k++) {
				struct rank *rank = &world->rank[k];

				good += workers[i].worker_id == rank->worker_id &&
					workers[i].dp_rank == rank->dp_rank &&
					workers[i].state == state_of(rank) &&
					workers[i].epoch == rank->epoch &&
					workers[i].last_event_id == events_of(rank);
			}
		good = good == RANKS;
		if (!good)
			usleep(tries < 100 ? 100 : 2000);
	}
	if (!good)
		for (int i = 0; i < rdx_index_ranks(world->index, workers, RDX_RANKS_MAX); i++)
			print_message("worker %llu rank %u state %u cause %d event %llu\n",
				      (unsigned long long)workers[i].worker_id, workers[i].dp_rank,
				      workers[i].state, workers[i].cause,
				      (unsigned long long)workers[i].last_event_id);
	assert_true(good);
}

static struct rank *rank_of(struct world *world, const struct rdx_run *run)
{
	for (int k = 0; k < RANKS; k++) {
		if (world->rank[k].worker_id == run->worker_id &&
		    world->rank[k].dp_rank == run->dp_rank)
			return &world->rank[k];
	}
	return NULL;
}

static void check_row(struct world *world, const struct rdx_run *run, const uint64_t *prefixes,
		      uint32_t blocks)
{
	struct rank *rank = rank_of(world, run);

	assert_non_null(rank);
	for (uint8_t set = 0; set < RDX_TIER_COUNT; set++) {
		uint32_t want = oracle_run(&rank->calls.oracle, prefixes, blocks, set);

		if (run->blocks[set] != want)
			print_message("worker %llu rank %u set %d blocks %u: %u, not %u "
				      "(scanned %u)\n",
				      (unsigned long long)rank->worker_id, rank->dp_rank, set,
				      blocks, run->blocks[set], want, run->scanned);
		assert_int_equal(run->blocks[set], want);
	}
}

static void check_lookups(struct world *world, int scan)
{
	uint64_t prefixes[DEPTH];
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};

	rdx_index_force_scan(world->index, scan);
	for (uint32_t chain = 0; chain < CHAINS; chain++) {
		uint32_t blocks = 1 + (uint32_t)(rig_random(&world->random) % DEPTH);
		int rows;

		calls_prefixes(&world->rank[0].calls, chain, prefixes);
		rows = rdx_index_lookup(world->index, prefixes, blocks, runs, RDX_RANKS_MAX);
		assert_int_equal(rows, RANKS);
		for (int i = 0; i < rows; i++)
			check_row(world, &runs[i], prefixes, blocks);
	}
}

static void check_against_ledgers(struct world *world)
{
	for (int k = 0; k < RANKS; k++) {
		struct rank *rank = &world->rank[k];
		struct rdx_difference difference = {.size = sizeof(difference)};

		if (state_of(rank) == RDX_STATE_INEXACT)
			continue;
		assert_int_equal(
			rdx_index_verify(world->index, rank->worker_id, rank->dp_rank, &difference),
			0);
		assert_int_equal(difference.differences, 0);
		assert_int_equal(difference.compared, calls_held(&rank->calls));
	}
}

static void test_random_streams(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct effort effort = effort_begin(ROUNDS_LEAST, ROUNDS, ROUNDS_S);
	uint64_t polls = 0, restarts = 0;
	int round = 0;

	(void)state;
	world->random = rig_seed();
	rig_make(&world->rig);
	for (int k = 0; k < RANKS; k++) {
		world->rank[k].worker_id = (uint64_t)k / 2 + 1;
		world->rank[k].dp_rank = (uint32_t)k % 2;
		open_publisher(world, &world->rank[k]);
	}
	restart_indexer(world);

	for (; effort_goes_on(&effort); round++) {
		for (int i = 0; i < OPERATIONS_A_ROUND; i++) {
			struct rank *rank = &world->rank[rig_random(&world->random) % RANKS];

			call(world, rank);
			if (rig_random(&world->random) % 4000 == 0)
				restart_publisher(world, rank);
			if (rig_random(&world->random) % 8 == 0) {
				assert_true(rdx_indexer_poll(world->indexer,
							     1 + rig_random(&world->random) %
									     200) >= 0);
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
		for (int k = 0; k < RANKS; k++)
			world->worth[world->rank[k].calls.oracle.inexact]++;
		check_lookups(world, 0);
		check_lookups(world, 1);
		if (round % 50 == 0)
			check_against_ledgers(world);
	}
	for (int k = 0; k < RANKS; k++)
		world->events += events_of(&world->rank[k]);
	for (int how = 0; how <= RDX_INEXACT_UNKNOWN; how++)
		assert_true(world->worth[how] > 0);
	print_message("%d rounds, %llu events, %llu polls, %llu indexer restarts\n", round,
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

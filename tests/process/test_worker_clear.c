/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: worker-wide clears. Ranks of a worker that clear each other, announced on one of
 * them: blocks stored under the new stamp stay, older ones vanish, whatever the order in which the
 * ranks are read; in the index, by ring, by ledger and by range query alike; an idle rank whose
 * ledger is from before the clear recovers empty; two processes clear at once; the stamp wraps.
 */
#include "tests/patience.h"
#include "tests/worker.h"

#include "shm/clear.h"
#include <ringdex/rdx_reader.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RANKS      3
#define WORKER     4
#define RUN        5 /* blocks stored by a rank in a round */
#define ROUNDS_MAX 64
#define RING_SLOTS 64

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RACE_US 100000
#else
#define RACE_US 300000
#endif

static const uint8_t orders[6][RANKS] = {
	{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0},
};

struct world {
	struct rig rig;
	struct rdx_publisher *publisher[RANKS];
	struct rdx_indexer *indexer;
	struct rdx_index *index;
	uint32_t rounds;
	uint8_t holds[ROUNDS_MAX][RANKS]; /* the oracle: rank holds the run of that round */
};

static uint64_t local_of(uint32_t round, uint32_t i)
{
	return (uint64_t)round * 1000 + i + 1;
}

static void prefixes_of(const struct world *world, uint32_t round, uint64_t *ret_prefixes)
{
	uint64_t locals[RUN];

	for (uint32_t i = 0; i < RUN; i++)
		locals[i] = local_of(round, i);
	rdx_hash_chain(&world->rig.key, 0, locals, RUN, ret_prefixes);
}

static void store_run(struct world *world, uint32_t rank, uint32_t round)
{
	uint64_t names[RUN], locals[RUN];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = locals,
				    .count = RUN,
				    .name_bytes = 8};

	for (uint32_t i = 0; i < RUN; i++) {
		locals[i] = local_of(round, i);
		names[i] = locals[i];
	}
	assert_int_equal(rdx_publish_stored(world->publisher[rank], &stored), 0);
	world->holds[round][rank] = 1;
}

static void clear_from(struct world *world, uint32_t rank)
{
	assert_int_equal(rdx_publish_cleared(world->publisher[rank], RDX_SCOPE_ALL, 0), 0);
	memset(world->holds, 0, sizeof(world->holds));
}

/* Store and remove until the ring holds nothing of before. */
static void lap(struct world *world, uint32_t rank)
{
	for (uint64_t i = 0; i < RING_SLOTS; i++) {
		uint64_t name = 1000000 + i;
		struct rdx_stored stored = {.size = sizeof(stored),
					    .names = &name,
					    .local_hashes = &name,
					    .count = 1,
					    .name_bytes = 8};
		struct rdx_removed removed = {
			.size = sizeof(removed), .names = &name, .count = 1, .name_bytes = 8};

		assert_int_equal(rdx_publish_stored(world->publisher[rank], &stored), 0);
		assert_int_equal(rdx_publish_removed(world->publisher[rank], &removed), 0);
	}
}

static void open_indexer(struct world *world)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};

	options.dir = world->rig.dir;
	options.initial_blocks = 256;
	options.stale_after_ns = INDEXER_NEVER_STALE;
	assert_int_equal(rdx_indexer_open(&world->indexer, &options), 0);
}

static void close_indexer(struct world *world)
{
	rdx_index_close(world->index);
	rdx_indexer_close(world->indexer);
	world->index = NULL;
	world->indexer = NULL;
}

/* The worker's clear stamp, set while none of its ranks is alive. */
static void set_generation(struct world *world, uint64_t generation)
{
	char path[128];
	struct rdx_clear *clear;
	int fd;

	snprintf(path, sizeof(path), "%s/%d/clear", world->rig.dir, WORKER);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	clear = mmap(NULL, sizeof(*clear), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(clear != MAP_FAILED);
	atomic_store(&clear->clears, (uint32_t)generation * RDX_CLEAR_ONE);
	munmap(clear, sizeof(*clear));
	close(fd);
}

static void open_rank(struct world *world, uint32_t rank)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	options.dir = world->rig.dir;
	options.instance = "http://localhost:8000";
	options.model = WORKER_MODEL;
	options.worker_id = WORKER;
	options.dp_rank = rank;
	options.ring_slots = RING_SLOTS;
	options.tier_blocks[0] = 400;
	options.clear_scope = RDX_CLEAR_WORKER;
	assert_int_equal(rdx_publisher_open(&world->publisher[rank], &options), 0);
}

static struct world *make(uint64_t generation)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	rig_make(&world->rig);
	if (generation) {
		open_rank(world, 0);
		rdx_publisher_close(world->publisher[0]);
		set_generation(world, generation);
	}
	for (uint32_t rank = 0; rank < RANKS; rank++)
		open_rank(world, rank);
	open_indexer(world);
	return world;
}

static void end(struct world *world)
{
	close_indexer(world);
	for (uint32_t rank = 0; rank < RANKS; rank++)
		rdx_publisher_close(world->publisher[rank]);
	rig_remove(&world->rig);
	free(world);
}

static uint64_t events_of(const struct rdx_publisher *publisher)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_get_stats(publisher, &stats), 0);
	return stats.events;
}

static int is_settled(struct world *world)
{
	struct rdx_index_key key = {
		.size = sizeof(key), .model = WORKER_MODEL, .flags = RDX_INDEX_ALL_RANKS};
	struct rdx_index_rank info = {.size = sizeof(info)};

	if (!world->index && rdx_index_open(&world->index, world->rig.dir, &key) < 0)
		return 0;
	for (uint32_t rank = 0; rank < RANKS; rank++)
		if (worker_find(world->index, WORKER, rank, &info) != 1 ||
		    info.state != RDX_STATE_EXACT ||
		    info.last_event_id != events_of(world->publisher[rank]))
			return 0;
	return 1;
}

static void settle(struct world *world)
{
	UNTIL (is_settled(world))
		assert_true(rdx_indexer_poll(world->indexer, 0) >= 0);
	/* an idle rank's clear has no event: one more look at every rank */
	while (rdx_indexer_poll(world->indexer, 0) > 0)
		;
}

static void assert_index(struct world *world)
{
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	struct rdx_difference difference = {.size = sizeof(difference)};
	uint64_t prefixes[RUN];

	for (uint32_t round = 0; round <= world->rounds; round++) {
		prefixes_of(world, round, prefixes);
		assert_int_equal(rdx_index_lookup(world->index, prefixes, RUN, runs, RDX_RANKS_MAX),
				 RANKS);
		for (uint32_t rank = 0; rank < RANKS; rank++)
			assert_int_equal(worker_row(runs, RANKS, WORKER, rank)->blocks[0],
					 world->holds[round][rank] ? RUN : 0);
	}
	for (uint32_t rank = 0; rank < RANKS; rank++) {
		assert_int_equal(rdx_index_verify(world->index, WORKER, rank, &difference), 0);
		assert_int_equal(difference.differences, 0);
	}
}

static uint64_t held_by(const struct world *world, uint32_t rank)
{
	uint64_t held = 0;

	for (uint32_t round = 0; round <= world->rounds; round++)
		held += world->holds[round][rank] ? RUN : 0;
	return held;
}

/* A run is there whole or not at all. */
static void assert_run(const struct world *world, uint32_t rank, uint32_t round,
		       const uint64_t *hashes, uint64_t count)
{
	uint64_t prefixes[RUN];
	uint32_t found = 0;

	prefixes_of(world, round, prefixes);
	for (uint32_t i = 0; i < RUN; i++)
		for (uint64_t k = 0; k < count; k++)
			found += hashes[k] == prefixes[i];
	assert_int_equal(found, world->holds[round][rank] ? RUN : 0);
}

/* What a fresh reader makes of a rank: by ledger. */
static void assert_ledger(struct world *world, uint32_t rank)
{
	uint64_t hashes[400], count;
	struct rdx_cursor exact_at;
	struct rdx_reader *reader;

	assert_int_equal(rdx_reader_open(&reader, world->rig.dir, WORKER, rank), 0);
	assert_int_equal(rdx_reader_resident(reader, 0, hashes, 400, &count, &exact_at), 0);
	assert_int_equal(count, held_by(world, rank));
	for (uint32_t round = 0; round <= world->rounds; round++)
		assert_run(world, rank, round, hashes, count);
	rdx_reader_close(reader);
}

/* And by the events of a range query from the start, if the ring still has them. */
static void assert_range(struct world *world, uint32_t rank)
{
	uint64_t held = 0;
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_reader *reader;
	struct rdx_range range = {.size = sizeof(range)};
	struct rdx_event event = {.size = sizeof(event)};

	assert_int_equal(rdx_reader_open(&reader, world->rig.dir, WORKER, rank), 0);
	assert_int_equal(rdx_reader_recover(reader, NULL, &recovery), 0);
	assert_int_equal(
		rdx_reader_range(reader, rdx_reader_info(reader)->epoch, 0, UINT64_MAX, &range), 0);
	if (range.outcome == RDX_RANGE_EVENTS) {
		assert_int_equal(rdx_reader_seek(reader, &range.start), 0);
		while (rdx_reader_next(reader, &event) == 1) {
			if (event.kind == RDX_EVENT_CLEARED)
				held = 0;
			else if (event.kind == RDX_EVENT_STORED)
				held += event.count;
			else if (event.kind == RDX_EVENT_REMOVED)
				held -= event.count;
		}
		assert_int_equal(held, held_by(world, rank));
	} else {
		assert_int_equal(range.outcome, RDX_RANGE_SNAPSHOT);
	}
	rdx_reader_close(reader);
}

/* The running indexer, a fresh one, and readers all say what the oracle says. */
static void assert_everywhere(struct world *world)
{
	settle(world);
	assert_index(world);
	close_indexer(world);
	open_indexer(world);
	settle(world);
	assert_index(world);
	for (uint32_t rank = 0; rank < RANKS; rank++) {
		assert_ledger(world, rank);
		assert_range(world, rank);
	}
}

/* One rank reads what it has while the others wait. */
static void poll_one(struct world *world)
{
	assert_true(rdx_indexer_poll(world->indexer, 1) >= 0);
}

/* Everybody holds something; the first of `order` clears and stores, the second stores,
 * the third stays idle. Bits of `polls`: read a rank in between. */
static void clear_round(struct world *world, const uint8_t *order, uint32_t polls)
{
	uint32_t old = ++world->rounds, new = ++world->rounds;

	for (uint32_t i = 0; i < RANKS; i++) {
		store_run(world, i, old);
		if (polls & 1)
			poll_one(world);
	}
	clear_from(world, order[0]);
	if (polls & 2)
		poll_one(world);
	store_run(world, order[0], new);
	if (polls & 4)
		poll_one(world);
	store_run(world, order[1], new);
	for (uint32_t i = 0; i < polls; i++)
		poll_one(world);
	assert_everywhere(world);
}

static void test_ranks_read_in_every_order(void **state)
{
	(void)state;
	for (uint32_t polls = 0; polls < 8; polls++) {
		struct world *world = make(0);

		for (uint32_t i = 0; i < 6; i++)
			clear_round(world, orders[i], polls);
		end(world);
	}
}

static void test_the_generation_wraps(void **state)
{
	static const uint64_t starts[] = {
		UINT64_C(0x7ffffffc),
		UINT64_C(0xfffffffc),
		UINT64_C(0x1fffffffc),
	};

	(void)state;
	for (uint32_t k = 0; k < sizeof(starts) / sizeof(*starts); k++) {
		struct world *world = make(starts[k]);

		for (uint32_t i = 0; i < RANKS; i++)
			store_run(world, i, 0);
		assert_everywhere(world);
		for (uint32_t i = 0; i < 6; i++)
			clear_round(world, orders[i], i & 1 ? 7 : 0);
		end(world);
	}
}

static uint64_t ledger_recoveries(struct world *world)
{
	struct rdx_recovery_row row = {.size = sizeof(row)};
	uint64_t count = 0;

	for (uint64_t i = 0; rdx_indexer_recovery(world->indexer, i, &row) == 0; i++)
		count += row.way == RDX_RECOVERED_LEDGER;
	return count;
}

static void test_an_idle_rank_with_an_old_ledger_is_empty(void **state)
{
	struct world *world = make(0);

	(void)state;
	clear_from(world, 0);
	for (uint32_t i = 0; i < RANKS; i++) {
		store_run(world, i, 0);
		lap(world, i);
	}
	clear_from(world, 1);
	store_run(world, 1, 0);
	assert_everywhere(world); /* ranks 0 and 2 are idle, and their rings are no help */
	assert_int_equal(ledger_recoveries(world), 2);
	store_run(world, 2, 0);
	lap(world, 2);
	assert_everywhere(world);
	end(world);
}

/* What a rank could not say before the clear is of no matter after it. */
static void test_an_idle_rank_is_exact_after_the_clear(void **state)
{
	struct world *world = make(0);

	(void)state;
	store_run(world, 2, 0);
	lap(world, 2);
	assert_int_equal(rdx_publish_inexact(world->publisher[2], RDX_INEXACT_UNKNOWN, 0), 0);
	clear_from(world, 0);
	assert_everywhere(world);
	end(world);
}

/* Two processes that clear each other; at rest the index is what their ledgers say. */
static void test_two_ranks_clear_at_once(void **state)
{
	static const uint32_t clear_in[] = {3, 40};
	struct world world = {.rounds = 0};
	struct rdx_index_key key = {
		.size = sizeof(key), .model = WORKER_MODEL, .flags = RDX_INDEX_ALL_RANKS};
	struct worker_plan *plan[2];
	struct rdx_difference difference = {.size = sizeof(difference)};
	struct rdx_index_rank info = {.size = sizeof(info)};
	uint64_t seed = rig_seed(), until, clears = 0;
	char path[2][192];
	pid_t pid[2];

	(void)state;
	rig_make(&world.rig);
	open_indexer(&world);
	for (uint32_t i = 0; i < 2; i++) {
		plan[i] = child_share(&world.rig, i ? "rank1" : "rank0", sizeof(*plan[i]), path[i]);
		assert_non_null(plan[i]);
		plan[i]->worker_id = WORKER;
		plan[i]->dp_rank = i;
		plan[i]->ring_slots = i ? RING_SLOTS : 4096;
		plan[i]->clear_scope = RDX_CLEAR_WORKER;
		plan[i]->seed = rig_random(&seed);
	}
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 2; i++) {
			plan[i]->clear_in = clear_in[round];
			worker_run(plan[i], UINT64_MAX);
			pid[i] = child_start(WORKER_ROLE, path[i]);
			assert_true(pid[i] > 0);
		}
		until = rdx_clock_ns() + RACE_US * UINT64_C(1000);
		while (rdx_clock_ns() < until)
			assert_true(rdx_indexer_poll(world.indexer, 300) >= 0);
		for (uint32_t i = 0; i < 2; i++) {
			worker_run(plan[i], 0);
			UNTIL (worker_rests(plan[i]) && world.index &&
			       worker_find(world.index, WORKER, i, &info) == 1 &&
			       info.state == RDX_STATE_EXACT &&
			       info.last_event_id == atomic_load(&plan[i]->events)) {
				assert_true(rdx_indexer_poll(world.indexer, 0) >= 0);
				if (!world.index)
					rdx_index_open(&world.index, world.rig.dir, &key);
				assert_int_equal(child_was_killed(pid[i]), 0);
			}
		}
		while (rdx_indexer_poll(world.indexer, 0) > 0)
			;
		for (uint32_t i = 0; i < 2; i++) {
			assert_int_equal(rdx_index_verify(world.index, WORKER, i, &difference), 0);
			assert_int_equal(difference.differences, 0);
			assert_int_equal(worker_find(world.index, WORKER, i, &info), 1);
			assert_int_equal(info.blocks[0] + info.blocks[1] + info.blocks[2],
					 difference.compared);
			clears += info.recoveries[RDX_RECOVERED_BARRIER];
			child_kill(pid[i]);
		}
	}
	print_message("%llu recoveries by barrier\n", (unsigned long long)clears);
	close_indexer(&world);
	rig_remove(&world.rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranks_read_in_every_order),
		cmocka_unit_test(test_the_generation_wraps),
		cmocka_unit_test(test_an_idle_rank_with_an_old_ledger_is_empty),
		cmocka_unit_test(test_an_idle_rank_is_exact_after_the_clear),
		cmocka_unit_test(test_two_ranks_clear_at_once),
	};

	if (argc == 3 && strcmp(argv[1], WORKER_ROLE) == 0)
		return worker_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

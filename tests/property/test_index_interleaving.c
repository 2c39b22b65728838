/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the index's writer and a reader of it as coroutines in one thread, switched at
 * protocol steps by a seed (schedule.h). Under the reader the rank stores, loses and moves blocks, is
 * cleared, hidden, rebuilt, published by another process; tables are replaced. A lookup's row is true
 * at one instant of the call, not before the event that it names; a walk finds what was held at the
 * event of its mark, and nothing else; a rank's entry is that of one moment.
 */
#include "tests/index_life.h"
#include "tests/patience.h"
#include "tests/schedule.h"

#include "consumer/writer/writer_state.h"

#include <stdlib.h>

#if !SCHEDULE_POSSIBLE
int main(void)
{
	print_message(SCHEDULE_SKIPPED);
	return 77;
}
#else

#define WORLDS_LEAST  120
#define WORLDS_MOST   600
#define WORLDS_S      3
#define LOOKS         400  /* of the reader in each world, */
#define MOMENTS       4000 /* or as many as fit into this */
#define BLOCKS_MOST   40
#define SUCCEED_IN    200 /* acts */
#define PIECES_BLOCKS 5000

#define ALL_STEPS ((UINT32_C(1) << LIFE_STEPS) - 1 - (UINT32_C(1) << LIFE_NONE))

enum reading { READ_RUNS, READ_TABLE, READ_ENTRY, READINGS };
static const char *const reading_name[READINGS] = {"lookup", "walk", "entry"};

struct world {
	struct rig rig;
	struct rdx_index_writer *writer;
	struct rdx_index *index;
	struct life life;
	struct schedule schedule;
	uint64_t random;
	int junk;         /* another rank, whose keys begin new tables, */
	uint32_t grow_in; /* with one act in so many */
	uint8_t walked[LIFE_BLOCKS];
	int strange; /* a key was walked that the rank never had */
};

/* What all worlds have seen. */
struct seen {
	uint64_t schedules; /* readings with the writer in between */
	uint64_t answers[READINGS];
	uint64_t again[READINGS];
	uint64_t hidden; /* walks of what was not to be walked */
	uint64_t searched;
	uint64_t scanned;
	uint64_t tables;
	uint64_t successors;
	uint32_t steps;
};

static struct world *world;
static struct seen seen;

static uint32_t pick(uint32_t below)
{
	return (uint32_t)(rig_random(&world->random) % below);
}

/* The next key that is new begins a new table. */
static void grow(void)
{
	uint64_t key = rig_random(&world->random) | 1;

	rdx_writer_table(world->writer)->grow_at = 0;
	rig_blocks(world->writer, world->junk, 0, &key, 1);
}

/* Another rank, whose keys make tables grow. */
static void add_junk(void)
{
	struct rdx_rank_info junk = rig_info(LIFE_WORKER + 1, 0, 1);

	world->junk = rdx_writer_rank_add(world->writer, &junk);
	assert_int_equal(rig_begin(world->writer, world->junk), 0);
	rdx_writer_rank_show(world->writer, world->junk, 0, 0);
}

static void close_writer(void)
{
	struct rdx_writer_stats stats;

	rdx_writer_stats(world->writer, &stats);
	seen.tables += stats.generations;
	rdx_writer_close(world->writer);
}

/* Its first table is copied at once, or in pieces between which blocks come and go. */
static struct rdx_index_writer *open_writer(void)
{
	struct rdx_writer_options options = {.initial_blocks = pick(2) ? 1 : PIECES_BLOCKS,
					     .stale_after_ns = LIFE_STALE_NS};
	struct rdx_index_writer *writer;

	assert_int_equal(rig_writer(&world->rig, &options, &writer), 0);
	return writer;
}

static void succeed(void)
{
	struct rdx_index_writer *next = open_writer();

	life_succeed(&world->life, next);
	close_writer();
	world->writer = next;
	add_junk();
	seen.successors++;
}

static void run_writer(void)
{
	uint64_t random = world->random + 1;

	for (;;) {
		if (life_is_over(&world->life))
			schedule_yield(&world->schedule);
		else if (rig_random(&random) % 8 == 0)
			rdx_writer_step(world->writer);
		else if (rig_random(&random) % world->grow_in == 0)
			grow();
		else if (rig_random(&random) % SUCCEED_IN == 0)
			succeed();
		else
			life_act(&world->life);
	}
}

static void open_world(uint64_t seed)
{
	memset(world, 0, sizeof(*world));
	world->random = seed;
	rig_make(&world->rig);
	world->writer = open_writer();
	world->life.random = rig_random(&world->random);
	world->life.blocks = 2 + pick(BLOCKS_MOST - 1);
	world->life.rare = 1 + pick(2);
	world->life.pulse_in = 1 + pick(6);
	world->grow_in = 16u << pick(6);
	life_make(&world->life, world->writer, MOMENTS);
	add_junk();
	rdx_writer_heartbeat(world->writer, UINT64_MAX); /* never old */
	assert_int_equal(rdx_writer_ready(world->writer), 0);
	assert_int_equal(rig_index(&world->rig, &world->index), 0);
	schedule_begin(&world->schedule, rig_random(&world->random), run_writer);
	world->schedule.steps_most = 1u << pick(7);
}

static void close_world(void)
{
	schedule_end(&world->schedule);
	rdx_index_close(world->index);
	close_writer();
	rig_remove(&world->rig);
	life_free(&world->life);
}

/* 1: as the contract says. 0: not. -EAGAIN. */
static int read_runs(struct life_window *window)
{
	uint32_t asked = pick(4) ? world->life.blocks : pick(world->life.blocks + 1);
	struct rdx_run runs[4] = {{.size = sizeof(runs[0])}};
	const struct rdx_run *row;
	int r = rdx_index_lookup(world->index, world->life.stream.prefix, asked, runs, 4);

	life_window_end(&world->life, window);
	if (r < 0)
		return r == -EAGAIN ? r : 0;
	row = rig_row(runs, r, LIFE_WORKER, 0);
	if (!row)
		return 0;
	*(row->scanned ? &seen.scanned : &seen.searched) += 1;
	return life_allows_row(&world->life, *window, row, asked);
}

static void visit(void *context, uint64_t prefix, uint8_t tiers)
{
	uint32_t block = life_block(&world->life, prefix);

	(void)context;
	if (block < LIFE_BLOCKS)
		world->walked[block] = tiers;
	else
		world->strange = 1;
}

static int read_table(void)
{
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	int r;

	memset(world->walked, 0, sizeof(world->walked));
	world->strange = 0;
	r = rdx_index_each(world->index, LIFE_WORKER, 0, visit, NULL, &mark);
	if (r == -ESTALE)
		seen.hidden++;
	if (r < 0)
		return r == -ESTALE ? 1 : r == -EAGAIN ? r : 0;
	return !world->strange && life_allows_walk(&world->life, &mark, world->walked);
}

static int read_entry(void)
{
	struct rdx_index_rank info[4] = {{.size = sizeof(info[0])}};
	int r = rdx_index_ranks(world->index, info, 4);

	if (r < 0)
		return r == -EAGAIN ? r : 0;
	for (int i = 0; i < r; i++) {
		if (info[i].worker_id == LIFE_WORKER)
			return life_allows_info(&world->life, &info[i]);
	}
	return 0;
}

/* One reading, the writer in between. Returns 0 where it was not what it had to be. */
static int read_once(enum reading reading)
{
	uint64_t switches = world->schedule.switches;
	struct life_window window = life_window_begin(&world->life);
	int r;

	if (reading == READ_RUNS)
		r = read_runs(&window);
	else
		r = reading == READ_TABLE ? read_table() : read_entry();
	life_window_end(&world->life, &window);
	seen.schedules += world->schedule.switches != switches;
	seen.steps |= life_window_steps(&world->life, &window);
	if (r == 0)
		print_error("a wrong %s after %llu schedules, last steps %#x\n",
			    reading_name[reading], (unsigned long long)seen.schedules,
			    life_window_steps(&world->life, &window));
	*(r == 1 ? &seen.answers[reading] : &seen.again[reading]) += 1;
	return r != 0;
}

static int run_world(uint64_t seed)
{
	int right = 1;

	open_world(seed);
	for (int look = 0; look < LOOKS && right && !life_is_over(&world->life); look++) {
		uint32_t drawn = pick(16);

		if (pick(4) == 0)
			schedule_let(&world->schedule, 1 + pick(60));
		right = read_once(drawn < 8 ? READ_RUNS : drawn < 14 ? READ_TABLE : READ_ENTRY);
	}
	if (!right)
		print_error("world of RDX_SEED=%llu\n", (unsigned long long)seed);
	close_world();
	return right;
}

static void test_index_interleavings(void **state)
{
	struct effort effort = effort_begin(WORLDS_LEAST, WORLDS_MOST, WORLDS_S);
	uint64_t seed = rig_seed();

	(void)state;
	world = malloc(sizeof(*world));
	assert_non_null(world);
	while (effort_goes_on(&effort))
		assert_true(run_world(seed++));
	free(world);
	print_message("%llu worlds, %llu schedules, steps met %#x, tables %llu, successors %llu; "
		      "searched %llu, scanned %llu\n",
		      (unsigned long long)effort.done, (unsigned long long)seen.schedules,
		      seen.steps, (unsigned long long)seen.tables,
		      (unsigned long long)seen.successors, (unsigned long long)seen.searched,
		      (unsigned long long)seen.scanned);
	for (int i = 0; i < READINGS; i++) {
		print_message("%s: %llu, told to try again %llu\n", reading_name[i],
			      (unsigned long long)seen.answers[i],
			      (unsigned long long)seen.again[i]);
		assert_true(seen.answers[i] > 0);
	}
	assert_int_equal(seen.steps, ALL_STEPS);
	assert_true(seen.answers[READ_TABLE] > seen.hidden);
	assert_true(seen.again[READ_RUNS] > 0 && seen.again[READ_TABLE] > 0);
	assert_true(seen.successors > 0 && seen.tables > 0 && seen.searched > 0 &&
		    seen.scanned > 0 && seen.hidden > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_interleavings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif

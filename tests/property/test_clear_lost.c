/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the ranks of one worker store, clear the worker, look whether their files have their names
 * (rdx_publisher_check) and start anew, in an order that depends on a seed, while its clear file, or all
 * of the namespace, is removed again and again. Once all have looked, no rank holds a block that was
 * stored before the newest clear; it holds all that came later, or is LACKING, which it may be only if
 * there was a clear while not all had looked, or files went again before all had. Readers say the same.
 */
#include "tests/indexer_rig.h"
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKER 7
#define RANKS  3
#define BLOCKS 512
#define RUNS   25
#define STEPS  120

struct rank {
	struct rdx_publisher *publisher;
	uint64_t live;   /* blocks stored since the newest clear of the worker */
	int has_looked;  /* since the files were removed */
	int has_cleared; /* since it looked */
	int sees_clears; /* one was announced since it looked, by whomever */
};

struct run {
	struct indexer_rig x;
	char dir[128];
	uint64_t seed, prompts;
	struct rank ranks[RANKS];
	int doubted; /* a clear that not all saw at once may have taken what came after it */
};

static void open_rank(struct run *run, uint32_t rank)
{
	struct rdx_publisher_options options = prompt_options(&run->x, WORKER, rank, 1, BLOCKS);

	options.clear_scope = RDX_CLEAR_WORKER;
	assert_int_equal(rdx_publisher_open(&run->ranks[rank].publisher, &options), 0);
	run->ranks[rank].live = 0;
	run->ranks[rank].has_looked = 1;
	run->ranks[rank].has_cleared = 0;
	run->ranks[rank].sees_clears = 0;
}

static int all_have_looked(const struct run *run)
{
	for (int i = 0; i < RANKS; i++)
		if (!run->ranks[i].has_looked)
			return 0;
	return 1;
}

static int some_have_looked(const struct run *run)
{
	for (int i = 0; i < RANKS; i++)
		if (run->ranks[i].has_looked)
			return 1;
	return 0;
}

static void look(struct rank *rank)
{
	assert_true(rdx_publisher_check(rank->publisher) >= 0);
	rank->has_looked = 1;
	rank->has_cleared = rank->sees_clears = 0;
}

static void store(struct run *run, struct rank *rank)
{
	uint32_t count = (uint32_t)(rig_random(&run->seed) % 3 + 1);

	if (rank->live + count > BLOCKS / 2)
		return;
	prompt_store(rank->publisher, ++run->prompts, count, 0);
	rank->live += count;
}

static void clear(struct run *run, struct rank *rank)
{
	assert_int_equal(rdx_publish_cleared(rank->publisher, RDX_SCOPE_ALL, 0), 0);
	for (int i = 0; i < RANKS; i++) {
		run->ranks[i].live = 0;
		run->ranks[i].sees_clears = 1;
	}
	run->doubted = !all_have_looked(run);
	rank->has_cleared = 1;
}

static void lose(struct run *run)
{
	static const char *const what[] = {"/7/clear", "/7", "/7/clear", ""};
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s%s", run->dir,
		 what[rig_random(&run->seed) % 4]);
	assert_int_equal(system(command), 0);
	/* twice since a rank looked: it cannot tell which of the clears are in the third file */
	for (int i = 0; i < RANKS; i++)
		if (!run->ranks[i].has_looked)
			run->doubted |= some_have_looked(run) || run->ranks[i].sees_clears;
	for (int i = 0; i < RANKS; i++)
		run->ranks[i].has_looked = 0;
}

/* What it announced and nobody else knows goes with it. */
static void restart(struct run *run, struct rank *rank)
{
	if (rank->has_cleared)
		look(rank);
	rdx_publisher_close(rank->publisher);
	open_rank(run, (uint32_t)(rank - run->ranks));
	run->doubted |= !all_have_looked(run); /* maybe with a clear file that is of no other one */
}

static void step(struct run *run)
{
	uint64_t dice = rig_random(&run->seed);
	struct rank *rank = &run->ranks[(dice >> 8) % RANKS];

	switch (dice % 16) {
	case 0:
		lose(run);
		break;
	case 1:
	case 2:
	case 3:
		look(rank);
		break;
	case 4:
	case 5:
		clear(run, rank);
		break;
	case 6:
		if ((dice >> 16) % 4 == 0)
			restart(run, rank);
		break;
	default:
		store(run, rank);
	}
}

static uint64_t held_by_reader(const struct run *run, uint32_t rank)
{
	struct rdx_reader *reader = NULL;
	struct rdx_cursor at;
	uint64_t hashes[BLOCKS], count = 0;

	assert_int_equal(rdx_reader_open(&reader, run->dir, WORKER, rank), 0);
	assert_int_equal(rdx_reader_resident(reader, 0, hashes, BLOCKS, &count, &at), 0);
	rdx_reader_close(reader);
	return count;
}

/* What the one who looked last has brought along, the others see when they look again. */
static void settle(struct run *run)
{
	for (int i = 0; i < 2 * RANKS; i++)
		look(&run->ranks[i % RANKS]);
	for (uint32_t i = 0; i < RANKS; i++) {
		struct rdx_publisher_stats stats = {.size = sizeof(stats)};
		const struct rank *rank = &run->ranks[i];
		uint64_t held;

		assert_int_equal(rdx_publisher_get_stats(rank->publisher, &stats), 0);
		held = stats.held[RDX_TIER_DEVICE];
		assert_int_equal(held_by_reader(run, i), held);
		assert_true(held <= rank->live);
		assert_true(held == rank->live || stats.inexact == RDX_INEXACT_LACKING);
		assert_true(!stats.inexact || run->doubted);
	}
}

static void test_clears(void **state)
{
	struct run run = {.seed = rig_seed()};

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		indexer_rig_make(&run.x);
		snprintf(run.dir, sizeof(run.dir), "%s/ns", run.x.rig.dir);
		run.x.dir = run.dir;
		run.doubted = 0;
		for (uint32_t rank = 0; rank < RANKS; rank++)
			open_rank(&run, rank);
		for (int steps = 0; steps < STEPS; steps++) {
			step(&run);
			if (rig_random(&run.seed) % 16 == 0)
				settle(&run);
		}
		settle(&run);
		for (int rank = 0; rank < RANKS; rank++)
			rdx_publisher_close(run.ranks[rank].publisher);
		indexer_rig_end(&run.x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_clears)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

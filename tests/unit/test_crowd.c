/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a worker that reads a table's secret and tries keys until it has thousands for the
 * same lines: it does without, and is told so before it does, others lose nothing; a table with
 * another secret follows, though not at any rate; who comes afterwards finds room.
 */
#include "tests/index_rig.h"
#include "tests/table_rig.h"

#include "consumer/writer/writer_state.h"

#define BLOCKS    65536 /* a table is made for */
#define GOOD_KEYS 60000
#define GOOD_LATE 300 /* of 1,170 slots that are left, beside two bad ones a third is 390 */
#define AIMED     4000
#define LINE      1000 /* at which the bad ones aim */
#define SECOND    UINT64_C(1000000000)

struct fixture {
	struct rig rig;
	struct rdx_index_writer *writer;
	uint64_t random;
	int good;
	uint64_t key[GOOD_KEYS + GOOD_LATE];
};

/* One that is shown, and holds nothing. */
static int add_rank(struct rdx_index_writer *w, uint64_t worker_id, uint32_t dp_rank)
{
	struct rdx_rank_info info = rig_info(worker_id, dp_rank, 1);
	int seat = rdx_writer_rank_add(w, &info);

	assert_true(seat >= 0);
	assert_int_equal(rig_begin(w, seat), 0);
	rdx_writer_rank_show(w, seat, 0, 0);
	return seat;
}

static void setup(struct fixture *f)
{
	struct rdx_writer_options options = {.initial_blocks = BLOCKS,
					     .stale_after_ns = RIG_NEVER_STALE_NS};

	rig_make(&f->rig);
	assert_int_equal(rig_writer(&f->rig, &options, &f->writer), 0);
	f->random = 77;
	rdx_writer_heartbeat(f->writer, SECOND);
	f->good = add_rank(f->writer, 1, 0);
	for (uint32_t i = 0; i < GOOD_KEYS; i++)
		f->key[i] = rig_random(&f->random) | 1;
	assert_int_equal(rig_blocks(f->writer, f->good, 0, f->key, GOOD_KEYS), 0);
}

static void teardown(struct fixture *f)
{
	rdx_writer_close(f->writer);
	rig_remove(&f->rig);
}

/* Try keys until `count` have their homes in `lines` lines of the table. */
static void aim(struct fixture *f, const struct rdx_table *table, uint64_t lines, uint64_t *keys,
		uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		do
			keys[i] = rig_random(&f->random) | 1;
		while (rdx_table_home(table, keys[i]) - LINE >= lines);
	}
}

/* What `count` ranks store in turn, each of its own keys. 1 if one of them lost some. */
static int attack(struct fixture *f, const struct rdx_table *table, const int *seats,
		  uint32_t count)
{
	static uint64_t keys[AIMED];
	int lost = 0;

	aim(f, table, RDX_PROBE_LINES_MAX / 4, keys, AIMED);
	for (uint32_t i = 0; i < AIMED; i += 10) {
		int r = rig_blocks(f->writer, seats[i / 10 % count], 0, keys + i, 10);

		assert_true(r == 0 || r == -ENOSPC);
		lost |= r == -ENOSPC;
	}
	return lost;
}

/* The good rank stores keys whose homes are in the midst of the crowd, and loses none. */
static void store_late(struct fixture *f, uint32_t count)
{
	const struct rdx_table *table = &rdx_writer_table(f->writer)->table;
	uint64_t *late = f->key + GOOD_KEYS;

	aim(f, table, 1, late, count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(rig_blocks(f->writer, f->good, 0, late + i, 1), 0);
	assert_int_equal(f->writer->rank[f->good].forced, 0);
}

static void assert_good(struct fixture *f, uint32_t count)
{
	struct rdx_writer_table *current = rdx_writer_table(f->writer);

	for (uint32_t i = 0; i < count; i++)
		assert_non_null(rdx_table_find(&current->table, f->key[i]).line);
	assert_int_equal(table_check(&current->table), current->keys);
	assert_int_equal(rdx_writer_rank_lost(f->writer, f->good), 0);
}

static uint64_t longest_run(const struct rdx_table *table)
{
	uint64_t run = 0, longest = 0;

	for (uint64_t at = 0; at < table->lines; at++) {
		run = rdx_table_passed(&table->line[at]) ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

static void finish(struct rdx_index_writer *w)
{
	while (rdx_writer_step(w))
		;
}

/* `ranks` ranks of `workers` workers aim; no step is made meanwhile, so no table follows. */
static void crowd(uint32_t workers, uint32_t ranks, uint32_t late)
{
	static struct fixture f;
	int seats[64], lost;

	setup(&f);
	f.writer->crowded_ns = UINT64_MAX;
	for (uint32_t i = 0; i < ranks; i++)
		seats[i] = add_rank(f.writer, 2 + i % workers, i / workers);
	lost = attack(&f, &rdx_writer_table(f.writer)->table, seats, ranks);
	assert_int_equal(lost, 1);
	store_late(&f, late);
	lost = 0;
	for (uint32_t i = 0; i < ranks; i++) {
		const struct rdx_writer_rank *bad = &f.writer->rank[seats[i]];

		lost |= bad->forced && bad->charged[f.writer->current_table];
	}
	assert_true(lost);
	assert_good(&f, GOOD_KEYS + late);
	assert_int_equal(f.writer->generations, 0);
	teardown(&f);
}

static void test_who_crowds_pays(void **state)
{
	(void)state;
	crowd(1, 1, GOOD_LATE);
}

static void test_ranks_of_a_worker_are_one(void **state)
{
	(void)state;
	crowd(1, 64, GOOD_LATE);
}

static void test_workers_together(void **state)
{
	(void)state;
	crowd(4, 8, 40);
}

/* Who holds the good rank's keys too does not draw it into paying for the others. */
static void test_keys_that_are_shared(void **state)
{
	static struct fixture f;
	int seats[2];

	(void)state;
	setup(&f);
	f.writer->crowded_ns = UINT64_MAX;
	for (uint32_t i = 0; i < 2; i++)
		seats[i] = add_rank(f.writer, 2 + i, 0);
	assert_int_equal(rig_blocks(f.writer, seats[0], 0, f.key, GOOD_KEYS), 0);
	attack(&f, &rdx_writer_table(f.writer)->table, seats, 2);
	store_late(&f, GOOD_LATE);
	assert_good(&f, GOOD_KEYS + GOOD_LATE);
	teardown(&f);
}

/* A run of full lines leads to a table with another secret, where it is none; keys tried for that one
 * do not lead to the next at once. */
static void test_another_secret_follows(void **state)
{
	static struct fixture f;
	int bad;

	(void)state;
	setup(&f);
	bad = add_rank(f.writer, 2, 0);
	assert_int_equal(rdx_writer_step(f.writer), 0);
	attack(&f, &rdx_writer_table(f.writer)->table, &bad, 1);
	finish(f.writer);
	assert_int_equal(f.writer->generations, 1);
	assert_true(longest_run(&rdx_writer_table(f.writer)->table) < 64);
	assert_good(&f, GOOD_KEYS);

	attack(&f, &rdx_writer_table(f.writer)->table, &bad, 1);
	rdx_writer_heartbeat(f.writer, 10 * SECOND);
	finish(f.writer);
	assert_int_equal(f.writer->generations, 1);
	store_late(&f, GOOD_LATE);
	rdx_writer_heartbeat(f.writer, 12 * SECOND);
	finish(f.writer);
	assert_int_equal(f.writer->generations, 2);
	assert_true(longest_run(&rdx_writer_table(f.writer)->table) < 64);
	assert_good(&f, GOOD_KEYS + GOOD_LATE);
	teardown(&f);
}

#ifdef RDX_HOOKS
static struct {
	struct rdx_index *index;
	uint64_t worker_id;
	uint64_t keys[AIMED]; /* that the worker is shown to hold */
	uint32_t count;
	uint32_t missed; /* of them, at some step */
} watched;

/* At every step of the writer: a key that goes is missed in no row that is EXACT. */
static void look_for_all(enum rdx_hook_step step)
{
	(void)step;
	rdx_hook_function = NULL; /* a lookup has steps, too */
	for (uint32_t i = 0; i < watched.count; i++) {
		struct rdx_run runs[2] = {{.size = sizeof(runs[0])}};
		const struct rdx_run *run;
		int rows = rdx_index_lookup(watched.index, &watched.keys[i], 1, runs, 2);

		if (rows == -EAGAIN)
			break; /* inside of a change */
		run = rig_row(runs, rows, watched.worker_id, 0);
		assert_non_null(run);
		watched.missed += !run->blocks[0];
		assert_true(run->blocks[0] || run->state == RDX_STATE_LACKING);
	}
	rdx_hook_function = look_for_all;
}

/* Watch all that a rank is shown to hold by now, of `keys`. */
static void watch(struct fixture *f, uint64_t worker_id, int seat, const uint64_t *keys,
		  uint32_t count)
{
	const struct rdx_table *table = &rdx_writer_table(f->writer)->table;

	rdx_writer_heartbeat(f->writer, rdx_clock_ns());
	rig_pulse(f->writer, seat, RDX_STATE_EXACT, 1, 1);
	assert_int_equal(rdx_writer_ready(f->writer), 0);
	assert_int_equal(rig_index(&f->rig, &watched.index), 0);
	watched.worker_id = worker_id;
	watched.count = watched.missed = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (rdx_table_find(table, keys[i]).line)
			watched.keys[watched.count++] = keys[i];
	}
	look_for_all(RDX_HOOK_NONE);
	assert_int_equal(watched.missed, 0);
}

/* The one whose key goes is not EXACT before it does, and is LACKING before any pulse says so. */
static void test_told_before_the_key_goes(void **state)
{
	static struct fixture f;
	static uint64_t keys[AIMED];
	struct rdx_index_rank ranks[2] = {{.size = sizeof(ranks[0])}};
	int bad;

	(void)state;
	setup(&f);
	f.writer->crowded_ns = UINT64_MAX;
	bad = add_rank(f.writer, 2, 0);
	aim(&f, &rdx_writer_table(f.writer)->table, RDX_PROBE_LINES_MAX / 4, keys, AIMED);
	assert_int_equal(rig_blocks(f.writer, bad, 0, keys, AIMED), -ENOSPC);
	watch(&f, 2, bad, keys, AIMED);
	store_late(&f, 1);
	watched.missed = 0;
	look_for_all(RDX_HOOK_NONE);
	rdx_hook_function = NULL;
	assert_int_equal(watched.missed, 1);
	assert_int_equal(rdx_index_ranks(watched.index, ranks, 2), 2);
	assert_int_equal(ranks[bad].state, RDX_STATE_LACKING);
	assert_int_equal(ranks[bad].cause, -ENOSPC);
	rdx_index_close(watched.index);
	teardown(&f);
}

#endif

/* Keys tried for a table that is being made: it is not given up for a larger one. */
static void test_the_next_table_is_aimed_at(void **state)
{
	static struct fixture f;
	uint64_t lines;
	int bad;

	(void)state;
	setup(&f);
	bad = add_rank(f.writer, 2, 0);
	f.writer->crowded = 1;
	while (f.writer->stage != RDX_GROW_COPY)
		rdx_writer_step(f.writer);
	f.writer->grow_pace = 0;
	lines = rdx_writer_next(f.writer)->table.lines;
	attack(&f, &rdx_writer_next(f.writer)->table, &bad, 1);
	while (f.writer->stage == RDX_GROW_COPY)
		rdx_writer_step(f.writer);
	assert_int_equal(f.writer->generations, 1);
	assert_int_equal(rdx_writer_table(f.writer)->table.lines, lines);
	assert_int_equal(rdx_writer_rank_lost(f.writer, bad), RDX_INEXACT_LACKING);
	assert_good(&f, GOOD_KEYS);
	teardown(&f);
}

/* The crowd's keys are dead, and their slots are used again. */
static void test_after_the_crowd(void **state)
{
	static struct fixture f;
	int bad;

	(void)state;
	setup(&f);
	f.writer->crowded_ns = UINT64_MAX;
	bad = add_rank(f.writer, 2, 0);
	attack(&f, &rdx_writer_table(f.writer)->table, &bad, 1);
	rdx_writer_rank_hide(f.writer, bad);
	store_late(&f, GOOD_LATE); /* not swept yet */
	rdx_writer_rank_hide(f.writer, f.good);
	finish(f.writer);
	assert_int_equal(rig_begin(f.writer, f.good), 0);
	assert_int_equal(rig_blocks(f.writer, f.good, 0, f.key, GOOD_KEYS + GOOD_LATE), 0);
	rdx_writer_rank_show(f.writer, f.good, 0, 0);
	assert_int_equal(f.writer->rank[f.good].forced, 0);
	for (uint32_t i = 0; i < GOOD_KEYS + GOOD_LATE; i++)
		assert_non_null(rdx_table_find(&rdx_writer_table(f.writer)->table, f.key[i]).line);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_crowds_pays),
		cmocka_unit_test(test_ranks_of_a_worker_are_one),
		cmocka_unit_test(test_workers_together),
		cmocka_unit_test(test_keys_that_are_shared),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_told_before_the_key_goes),
#endif
		cmocka_unit_test(test_another_secret_follows),
		cmocka_unit_test(test_the_next_table_is_aimed_at),
		cmocka_unit_test(test_after_the_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

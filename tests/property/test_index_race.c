/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: one thread applies events, another looks up. Every answer of a search is a run that
 * was true at one instant of the lookup, not before the event that its row names; of a scan it lies
 * within what was there. It runs until lookups have met every kind of step.
 */
#include "tests/index_life.h"

#include "consumer/writer/writer_state.h"

#include <pthread.h>
#include <stdlib.h>

#ifdef __SANITIZE_THREAD__
#define MOMENTS 10000
#else
#define MOMENTS 40000
#endif
#define ROUNDS_LEAST 3
#define ROUNDS_MOST  60 /* a reader that has not met a step by then never does */

#define ALL_STEPS ((UINT32_C(1) << LIFE_STEPS) - 1 - (UINT32_C(1) << LIFE_NONE))

struct race {
	struct rig rig;
	struct rdx_index_writer *writer;
	struct rdx_index *index; /* NULL: the reader uses the writer's own mapping */
	struct rdx_lookup *lookup;
	struct life life;
	uint64_t random;
	int junk; /* another rank, to fill the table with keys that die; -1: none */
	_Atomic uint32_t ready;
	_Atomic uint32_t stop;
};

/* What the reader has seen, in all rounds. */
struct seen {
	uint32_t steps; /* met by a lookup */
	uint64_t lookups;
	uint64_t met; /* lookups during which the rank changed */
	uint64_t again;
	uint64_t tables;
	uint64_t scanned;
	uint64_t searched;
	uint64_t wrong;
};

struct reader {
	struct race *race;
	struct seen *seen;
};

static void *write_events(void *context)
{
	struct race *x = context;

	while (!atomic_load(&x->ready))
		;
	while (!life_is_over(&x->life)) {
		life_act(&x->life);
		if (x->junk >= 0) {
			uint64_t key = rig_random(&x->random) | 1;

			rig_blocks(x->writer, x->junk, 0, &key, 1);
		}
		if (rig_random(&x->random) % 4 == 0)
			rdx_writer_step(x->writer);
	}
	atomic_store(&x->stop, 1);
	return NULL;
}

static int look(struct race *x, struct rdx_run *ret_run)
{
	struct rdx_run runs[4] = {{.size = sizeof(runs[0])}};
	const struct rdx_run *row;
	int r;

	if (x->index) {
		r = rdx_index_lookup(x->index, x->life.stream.prefix, LIFE_BLOCKS, runs, 4);
	} else {
		struct rdx_keys keys = {.prefix = NULL};

		rdx_keys_prefix(&keys, x->life.stream.prefix, LIFE_BLOCKS);
		r = rdx_lookup_attempt(x->lookup, &keys);
		if (r == 0)
			r = rdx_lookup_rows(x->lookup, rdx_clock_ns(), runs, 4);
	}
	if (r < 0)
		return r;
	row = rig_row(runs, r, LIFE_WORKER, 0);
	if (!row)
		return -ENOENT;
	*ret_run = *row;
	return 0;
}

static void *read_runs(void *context)
{
	struct reader *reader = context;
	struct seen *seen = reader->seen;
	struct race *x = reader->race;
	uint64_t generation = 0;

	atomic_store(&x->ready, 1);
	while (!atomic_load(&x->stop)) {
		struct life_window window = life_window_begin(&x->life);
		struct rdx_run run = {.size = sizeof(run)};
		int r = look(x, &run);
		uint32_t steps;

		life_window_end(&x->life, &window);
		steps = life_window_steps(&x->life, &window);
		seen->lookups++;
		seen->met += steps != 0;
		seen->steps |= steps;
		if (x->index && x->index->lookup.generation != generation) {
			generation = x->index->lookup.generation;
			seen->tables++;
		}
		if (r == -EAGAIN) {
			seen->again++;
			continue;
		}
		if (r < 0) {
			seen->wrong++;
			continue;
		}
		*(run.scanned ? &seen->scanned : &seen->searched) += 1;
		seen->wrong += !life_allows_row(&x->life, window, &run, LIFE_BLOCKS);
	}
	return NULL;
}

static void open_race(struct race *x, int own_mapping)
{
	struct rdx_writer_options options = {.initial_blocks = own_mapping ? 4096 : 100,
					     .stale_after_ns = LIFE_STALE_NS};
	struct rdx_rank_info junk = rig_info(LIFE_WORKER + 1, 0, 1);

	rig_make(&x->rig);
	assert_int_equal(rig_writer(&x->rig, &options, &x->writer), 0);
	x->life.random = rig_random(&x->random);
	x->life.blocks = LIFE_BLOCKS;
	x->life.rare = 5;
	x->life.pulse_in = 3;
	life_make(&x->life, x->writer, MOMENTS);
	rdx_writer_heartbeat(x->writer, UINT64_MAX); /* never old */
	assert_int_equal(rdx_writer_ready(x->writer), 0);
	x->junk = -1;
	if (own_mapping) {
		const struct rdx_writer_table *table = rdx_writer_table(x->writer);

		x->lookup = calloc(1, sizeof(*x->lookup));
		assert_non_null(x->lookup);
		x->lookup->live = x->writer->live;
		x->lookup->search.table = table->table;
		x->lookup->generation = table->generation;
		x->lookup->stale_after_ns = UINT64_MAX;
		x->lookup->all_ranks = 1;
		return;
	}
	x->junk = rdx_writer_rank_add(x->writer, &junk);
	assert_int_equal(rig_begin(x->writer, x->junk), 0);
	rdx_writer_rank_show(x->writer, x->junk, 0, 0);
	assert_int_equal(rig_index(&x->rig, &x->index), 0);
}

static void close_race(struct race *x)
{
	rdx_index_close(x->index);
	rdx_writer_close(x->writer);
	rig_remove(&x->rig);
	free(x->lookup);
	life_free(&x->life);
	free(x);
}

static void run_round(int own_mapping, uint64_t random, struct seen *seen)
{
	struct race *x = calloc(1, sizeof(*x));
	struct reader reader = {x, seen};
	pthread_t write_thread, read_thread;

	assert_non_null(x);
	x->random = random;
	open_race(x, own_mapping);
	assert_int_equal(pthread_create(&read_thread, NULL, read_runs, &reader), 0);
	assert_int_equal(pthread_create(&write_thread, NULL, write_events, x), 0);
	pthread_join(write_thread, NULL);
	pthread_join(read_thread, NULL);
	close_race(x);
}

/* Did they meet in every way there is? */
static int is_enough(const struct seen *seen, int own_mapping)
{
	return seen->steps == ALL_STEPS && seen->searched && seen->scanned &&
	       (own_mapping ? seen->again > 0 : seen->tables > ROUNDS_LEAST + 3);
}

static void run_race(int own_mapping)
{
	uint64_t random = rig_seed();
	struct seen seen = {0};
	int rounds = 0;

	do
		run_round(own_mapping, rig_random(&random), &seen);
	while (++rounds < ROUNDS_LEAST ||
	       (rounds < ROUNDS_MOST && !seen.wrong && !is_enough(&seen, own_mapping)));
	print_message("%d rounds: lookups %llu, while the rank changed %llu, again %llu, "
		      "searched %llu, scanned %llu, tables %llu, steps met %#x\n",
		      rounds, (unsigned long long)seen.lookups, (unsigned long long)seen.met,
		      (unsigned long long)seen.again, (unsigned long long)seen.searched,
		      (unsigned long long)seen.scanned, (unsigned long long)seen.tables,
		      seen.steps);
	assert_int_equal(seen.wrong, 0);
	assert_true(is_enough(&seen, own_mapping));
}

static void test_on_one_mapping(void **state)
{
	(void)state;
	run_race(1);
}

static void test_across_generations(void **state)
{
	(void)state;
	run_race(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_on_one_mapping),
		cmocka_unit_test(test_across_generations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

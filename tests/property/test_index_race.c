/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: one thread applies events, another looks up. Every answer lies within what
 * was true during the lookup: searched runs between the least and the greatest true run,
 * scanned ones not below the least and not over a block that was absent all the time.
 */
#include "tests/index_rig.h"

#include "consumer/writer/writer_state.h"

#include <pthread.h>
#include <stdlib.h>

#define BLOCKS 150
#define EVENTS 120000
#define TIERS  2

/* What the writer did: the state after event n. */
struct moment {
	uint16_t run[TIERS];
	uint8_t held[TIERS][(BLOCKS + 7) / 8]; /* by set */
};

struct race {
	struct rig rig;
	uint64_t random;
	struct rdx_index_writer *writer;
	struct rdx_index *index;   /* NULL: the reader uses the writer's own mapping */
	struct rdx_lookup *lookup;
	int slot;
	int junk; /* another rank, to fill the table with keys that die; -1: none */
	uint64_t prefix[BLOCKS];
	uint8_t held[BLOCKS]; /* bit t: in tier t */
	struct moment *moment;
	_Atomic uint64_t begun;    /* events below this have begun */
	_Atomic uint64_t finished; /* events below this have been applied */
	uint64_t count;
	_Atomic uint32_t stop;
	/* the reader's report */
	uint64_t lookups;
	uint64_t again;
	uint64_t scanned;
	uint64_t searched;
	uint64_t wrong;
};

static int held_in(const struct race *x, uint32_t block, uint32_t set)
{
	return (x->held[block] & ((2 << set) - 1)) != 0;
}

static uint8_t orphan_bits(const struct race *x)
{
	uint8_t bits = 0;

	for (uint32_t set = 0; set < TIERS; set++) {
		for (uint32_t i = 1; i < BLOCKS; i++)
			bits |= (uint8_t)((held_in(x, i, set) && !held_in(x, i - 1, set)) << set);
	}
	for (uint32_t set = TIERS; set < RDX_TIER_COUNT; set++)
		bits |= (uint8_t)((bits >> (TIERS - 1) & 1) << set);
	return bits;
}

static uint32_t run_of(const struct race *x, uint32_t set)
{
	uint32_t run = 0;

	while (run < BLOCKS && held_in(x, run, set))
		run++;
	return run;
}

static void note(struct race *x)
{
	struct moment *m = &x->moment[x->count];

	memset(m, 0, sizeof(*m));
	for (uint32_t set = 0; set < TIERS; set++) {
		m->run[set] = (uint16_t)run_of(x, set);
		for (uint32_t i = 0; i < BLOCKS; i++)
			m->held[set][i / 8] |= (uint8_t)(held_in(x, i, set) << i % 8);
	}
}

/* Begin event `count`, whose result is in x->held already. */
static void begin(struct race *x)
{
	note(x);
	x->count++;
	rdx_word_store(&x->begun, x->count);
	rdx_fence_release(); /* who sees its bits sees that it has begun */
}

static void finish(struct race *x)
{
	atomic_store_explicit(&x->finished, x->count, memory_order_release);
}

static int apply(struct race *x, uint8_t kind, uint8_t tier, const uint64_t *hashes, uint32_t n)
{
	struct rdx_event event = {.event_id = x->count + 1, .kind = kind, .tier = tier, .count = n,
				  .hashes = hashes, .orphans = orphan_bits(x)};
	int r;

	begin(x);
	r = rdx_writer_event(x->writer, x->slot, &event, hashes);
	if (r != -EAGAIN) /* a clear that has not happened: the rank will be hidden */
		finish(x);
	return r;
}

static void store(struct race *x, uint32_t first, uint32_t n, uint8_t tier)
{
	for (uint32_t i = first; i < first + n; i++)
		x->held[i] |= (uint8_t)(1 << tier);
	apply(x, RDX_EVENT_STORED, tier, x->prefix + first, n);
}

static void remove_from(struct race *x, uint32_t first, uint32_t n, uint8_t tier)
{
	uint64_t hashes[BLOCKS];

	for (uint32_t i = 0; i < n; i++) {
		hashes[i] = x->prefix[first + n - 1 - i]; /* children first */
		x->held[first + i] &= (uint8_t)~(1 << tier);
	}
	apply(x, RDX_EVENT_REMOVED, tier, hashes, n);
}

static void rebuild(struct race *x, int hidden)
{
	if (hidden) {
		uint8_t held[BLOCKS];

		memcpy(held, x->held, sizeof(held));
		memset(x->held, 0, sizeof(held));
		begin(x);
		rdx_writer_rank_hide(x->writer, x->slot);
		finish(x);
		memcpy(x->held, held, sizeof(held));
	}
	if (rig_begin(x->writer, x->slot) < 0)
		return;
	for (uint32_t i = 0; i < BLOCKS; i++) {
		for (uint8_t tier = 0; tier < TIERS; tier++) {
			if (x->held[i] & 1 << tier)
				rdx_writer_store(x->writer, x->slot, tier, x->prefix + i, 1);
		}
	}
	begin(x);
	rdx_writer_rank_live(x->writer, x->slot, orphan_bits(x), 0);
	finish(x);
}

static void clear(struct race *x, uint8_t scope)
{
	uint8_t before[BLOCKS];

	memcpy(before, x->held, sizeof(before));
	for (uint32_t i = 0; i < BLOCKS; i++)
		x->held[i] &= scope == RDX_SCOPE_ALL ? 0 : (uint8_t)~(1 << scope);
	if (apply(x, RDX_EVENT_CLEARED, scope, NULL, 0) == -EAGAIN)
		rebuild(x, 1);
}

static uint32_t pick(struct race *x, uint32_t below)
{
	return (uint32_t)(rig_random(&x->random) % below);
}

static void act(struct race *x)
{
	uint32_t what = pick(x, 100), tier = pick(x, TIERS), run = run_of(x, tier);
	uint32_t n = 1 + pick(x, 24), at = pick(x, BLOCKS);

	if (what < 45 && run < BLOCKS)
		store(x, run, n < BLOCKS - run ? n : BLOCKS - run, (uint8_t)tier);
	else if (what < 75) { /* the tail of the tier goes */
		uint32_t end = BLOCKS, first;

		while (end && !(x->held[end - 1] & 1 << tier))
			end--;
		first = end < n ? 0 : end - n;
		if (end)
			remove_from(x, first, end - first, (uint8_t)tier);
	} else if (what < 78) /* a hole */
		remove_from(x, at, 1, (uint8_t)tier);
	else if (what < 90) { /* holes are filled */
		for (uint32_t i = 0; i < BLOCKS && orphan_bits(x); i++) {
			if (!held_in(x, i, 0))
				store(x, i, 1, 0);
		}
	} else if (what < 97 && (x->held[at] & 1)) { /* to the host */
		store(x, at, 1, 1);
		remove_from(x, at, 1, 0);
	} else if (what == 97 && !pick(x, 4))
		clear(x, pick(x, 2) ? RDX_SCOPE_ALL : (uint8_t)tier);
	else if (what == 98 && !pick(x, 8))
		rebuild(x, (int)pick(x, 2));
}

static void *write_events(void *context)
{
	struct race *x = context;

	while (x->count < EVENTS - 2 * BLOCKS) {
		act(x);
		if (x->junk >= 0) {
			uint64_t key = rig_random(&x->random) | 1;

			rdx_writer_store(x->writer, x->junk, 0, &key, 1);
		}
		if (!pick(x, 4))
			rdx_writer_step(x->writer);
		if (x->count % 64 == 0)
			rdx_writer_heartbeat(x->writer, rig_now_ns());
	}
	atomic_store(&x->stop, 1);
	return NULL;
}

/* Is the answer for one set possible, when the states from `from` to before `to` were? */
static int possible(const struct race *x, uint64_t from, uint64_t to, uint32_t set, uint32_t run,
		    int scanned)
{
	uint32_t least = BLOCKS, greatest = 0;
	uint8_t ever[(BLOCKS + 7) / 8] = {0};

	for (uint64_t n = from; n < to; n++) {
		const struct moment *m = &x->moment[n];

		least = least < m->run[set] ? least : m->run[set];
		greatest = greatest > m->run[set] ? greatest : m->run[set];
		for (uint32_t i = 0; i < sizeof(ever); i++)
			ever[i] |= m->held[set][i];
	}
	if (!scanned)
		return run >= least && run <= greatest;
	for (uint32_t i = 0; i < run; i++) {
		if (!(ever[i / 8] >> i % 8 & 1))
			return 0;
	}
	return run >= least;
}

static int look(struct race *x, struct rdx_run *ret_run)
{
	struct rdx_run runs[4];
	const struct rdx_run *row;
	int r;

	if (x->index) {
		r = rdx_index_lookup(x->index, x->prefix, BLOCKS, runs, 4);
	} else {
		r = rdx_lookup_attempt(x->lookup, x->prefix, BLOCKS);
		if (r == 0)
			r = rdx_lookup_rows(x->lookup, rig_now_ns(), runs, 4);
	}
	if (r < 0)
		return r;
	row = rig_row(runs, r, 1, 0);
	if (!row)
		return -ENOENT;
	*ret_run = *row;
	return 0;
}

static void *read_runs(void *context)
{
	struct race *x = context;

	while (!atomic_load(&x->stop)) {
		uint64_t from = atomic_load_explicit(&x->finished, memory_order_acquire), to;
		struct rdx_run run = {0};
		int r = look(x, &run);

		rdx_fence_acquire();
		to = rdx_word_load(&x->begun);
		x->lookups++;
		if (r == -EAGAIN) {
			x->again++;
			continue;
		}
		x->wrong += r < 0;
		if (run.scanned)
			x->scanned++;
		else
			x->searched++;
		for (uint32_t set = 0; r == 0 && set < TIERS; set++)
			x->wrong += !possible(x, from - 1, to, set, run.blocks[set], run.scanned);
	}
	return NULL;
}

static void open_race(struct race *x, int own_mapping)
{
	struct rdx_writer_options options = {.initial_blocks = own_mapping ? 4096 : 100};
	struct rdx_rank_info info = rig_info(1, 0, TIERS), junk = rig_info(2, 0, 1);
	struct rdx_writer_pulse pulse = {.state = RDX_STATE_EXACT, .epoch = 1,
					 .seen_ns = UINT64_MAX};

	x->random = rig_seed();
	rig_make(&x->rig);
	x->moment = calloc(EVENTS, sizeof(*x->moment));
	assert_non_null(x->moment);
	for (uint32_t i = 0; i < BLOCKS; i++)
		x->prefix[i] = rig_random(&x->random) | 1;
	assert_int_equal(rig_writer(&x->rig, &options, &x->writer), 0);
	x->slot = rdx_writer_rank_add(x->writer, &info);
	rebuild(x, 0);
	rdx_writer_rank_pulse(x->writer, x->slot, &pulse);
	rdx_writer_heartbeat(x->writer, rig_now_ns());
	assert_int_equal(rdx_writer_ready(x->writer), 0);
	x->junk = -1;
	if (own_mapping) {
		const struct rdx_writer_table *table = rdx_writer_live(x->writer);

		x->lookup = calloc(1, sizeof(*x->lookup));
		assert_non_null(x->lookup);
		x->lookup->live = x->writer->live;
		x->lookup->table = table->table;
		x->lookup->generation = table->generation;
		x->lookup->stale_after_ns = UINT64_MAX;
		return;
	}
	x->junk = rdx_writer_rank_add(x->writer, &junk);
	assert_int_equal(rig_begin(x->writer, x->junk), 0);
	rdx_writer_rank_live(x->writer, x->junk, 0, 0);
	assert_int_equal(rig_index(&x->rig, &x->index), 0);
}

static void run_race(int own_mapping)
{
	struct race *x = calloc(1, sizeof(*x));
	struct rdx_writer_stats stats;
	pthread_t writer, reader;

	assert_non_null(x);
	open_race(x, own_mapping);
	assert_int_equal(pthread_create(&reader, NULL, read_runs, x), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_events, x), 0);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	rdx_writer_stats(x->writer, &stats);
	print_message("lookups %llu again %llu searched %llu scanned %llu generations %llu\n",
		      (unsigned long long)x->lookups, (unsigned long long)x->again,
		      (unsigned long long)x->searched, (unsigned long long)x->scanned,
		      (unsigned long long)stats.generations);
	assert_int_equal(x->wrong, 0);
	assert_true(x->lookups > x->again);
	if (!own_mapping)
		assert_true(stats.generations > 3);
	rdx_index_close(x->index);
	rdx_writer_close(x->writer);
	rig_remove(&x->rig);
	free(x->lookup);
	free(x->moment);
	free(x);
}

static void test_bounds_on_one_mapping(void **state)
{
	(void)state;
	run_race(1);
}

static void test_bounds_across_generations(void **state)
{
	(void)state;
	run_race(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds_on_one_mapping),
		cmocka_unit_test(test_bounds_across_generations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

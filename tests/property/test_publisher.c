/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a publisher under random streams of stores, removals and clears, with
 * repeats, two names for one prefix, holes, unknown parents and names, conflicts, several
 * tiers and cache groups, tiers and maps that fill up, removed names that are forgotten and
 * made again, adapters and salts given and inherited, clears from other ranks, and a ring so
 * small that events are split. After every call what it holds, its orphans, its ledger, its
 * counters and the events it published are compared with a naive oracle.
 */
#include "producer/publisher_state.h"
#include "shm/barrier.h"
#include "shm/clear.h"
#include "tests/calls.h"
#include "tests/property/publisher_replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_SLOTS 64
#define RUN_MAX    60 /* blocks; with what a call adds they fit the ring */
#define CALLS      2500

struct bench {
	struct rig rig;
	struct rdx_publisher *p;
	struct calls calls;
	struct replay replay;
	uint64_t random;
	int worker_wide;
};

static uint32_t pick(struct bench *bench, uint32_t below)
{
	return (uint32_t)(rig_random(&bench->random) % below);
}

/* Names that were forgotten for want of room are forgotten by the oracle too: which ones
 * is the publisher's choice, but never a held one. */
static void forget_as_publisher(struct bench *bench)
{
	const struct rdx_names *names = &bench->p->names;

	for (uint32_t i = 0; i < bench->calls.oracle.used; i++) {
		struct oracle_name *name = &bench->calls.oracle.names[i];
		int known = 0;

		if (!name->known)
			continue;
		for (uint32_t j = 0; j < names->fresh && !known; j++) {
			const struct rdx_name *entry = &names->entries[j];

			known = entry->flags && entry->bytes == name->bytes &&
				entry->group == name->group &&
				memcmp(entry->text, name->text, name->bytes) == 0;
		}
		assert_true(known || !oracle_name_held(name));
		if (!known)
			oracle_forget(&bench->calls.oracle, name);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The words of the segment's ledger, and their details. */
static void check_ledger(struct bench *bench, uint8_t tier, const uint64_t *held, uint32_t count)
{
	const struct rdx_ledger *ledger = &bench->p->owner.ledger[tier];
	uint64_t used = rdx_ledger_used(bench->p->owner.live, tier);
	uint64_t words[ORACLE_NAMES];
	uint32_t found = 0;

	assert_true(used <= ledger->capacity_blocks);
	for (uint64_t i = 0; i < used; i++) {
		uint64_t word = rdx_word_load(&ledger->words[i]);
		uint64_t local, prefix;

		if (!word)
			continue;
		assert_true(found < ORACLE_NAMES);
		words[found++] = word;
		local = rdx_word_load(&ledger->details[i].local);
		rdx_hash_chain(&bench->rig.key, rdx_word_load(&ledger->details[i].parent), &local,
			       1, &prefix);
		assert_int_equal(prefix, word);
	}
	assert_int_equal(found, count);
	qsort(words, found, sizeof(*words), compare);
	assert_memory_equal(words, held, count * sizeof(*words));
}

static void check_counters(struct bench *bench)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	const struct rdx_publisher_stats *expected = &bench->calls.oracle.stats;

	assert_int_equal(rdx_publisher_get_stats(bench->p, &stats), 0);
	assert_int_equal(stats.events, bench->replay.event_id);
	assert_int_equal(stats.slots, bench->replay.position);
	assert_int_equal(stats.blocks_stored, expected->blocks_stored);
	assert_int_equal(stats.clears, bench->replay.clears);
	assert_int_equal(stats.clears, expected->clears);
	assert_int_equal(stats.blocks_removed, expected->blocks_removed);
	assert_int_equal(stats.repeats, expected->repeats);
	assert_int_equal(stats.unknown_parents, expected->unknown_parents);
	assert_int_equal(stats.unknown_names, expected->unknown_names);
	assert_int_equal(stats.unknown_removals, expected->unknown_removals);
	assert_int_equal(stats.mismatched, expected->mismatched);
	assert_int_equal(stats.other_block_size, expected->other_block_size);
	assert_int_equal(stats.conflicts, expected->conflicts);
	assert_int_equal(stats.ledger_full, expected->ledger_full);
	assert_int_equal(stats.map_full, expected->map_full);
	assert_int_equal(stats.inexact_marks, expected->inexact_marks);
	assert_int_equal(stats.inexact, bench->calls.oracle.inexact);
	for (int i = 0; i < RDX_COUNTER_NAMES; i++)
		assert_int_equal(atomic_load(&bench->p->owner.live->counters[i]),
				 bench->p->counters[i]);
}

/* What the lineage keeps per node follows from what its names and children are. */
static void check_nodes(struct bench *bench)
{
	const struct rdx_lineage *lineage = &bench->p->lineage;

	assert_true(lineage->count <= 2 * bench->p->names.count);
	assert_true(bench->p->names.count <= bench->p->names.capacity);
}

static void check(struct bench *bench)
{
	uint64_t held[ORACLE_NAMES];

	if (replay_run(&bench->replay) < 0) {
		print_error("%s\n", bench->replay.broken);
		fail();
	}
	assert_int_equal(bench->replay.position, rdx_publish_tail(bench->p->owner.live));
	assert_int_equal(bench->replay.position, rdx_ledger_intended(bench->p->owner.live));
	assert_int_equal(bench->replay.barrier, rdx_barrier_load(bench->p->owner.live));
	assert_int_equal(bench->replay.inexact, bench->calls.oracle.inexact);
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint32_t count = oracle_held(&bench->calls.oracle, tier, held);

		assert_int_equal(bench->calls.oracle.held[tier], count);
		assert_int_equal(bench->p->lineage.held[tier], count);
		assert_true(replay_equals(&bench->replay, tier, held, count));
		check_ledger(bench, tier, held, count);
		assert_int_equal(bench->p->lineage.orphans[tier],
				 oracle_orphans(&bench->calls.oracle, tier));
	}
	check_counters(bench);
	check_nodes(bench);
	forget_as_publisher(bench);
}

/* Could all known names stand in the queue of remembered ones, as a clear may want it? */
static int queue_has_room(const struct bench *bench)
{
	const struct rdx_names *names = &bench->p->names;

	return names->queue_count + names->count <= names->queue_size;
}

/* Where the queue may run over, names are forgotten when names of before a clear are met: in
 * the middle of a store, which then knows a name or does not. Have it done before. */
static void settle_names(struct bench *bench)
{
	if (queue_has_room(bench))
		return;
	rdx_names_sweep(&bench->p->names, UINT32_MAX);
	forget_as_publisher(bench);
}

static void step(struct bench *bench)
{
	struct call call;

	settle_names(bench);
	calls_draw(&bench->calls, &call);
	if (bench->worker_wide && queue_has_room(bench) && call.kind != RDX_EVENT_CLEARED &&
	    pick(bench, 60) == 0) {
		/* another rank clears the worker: this one does before what it says next */
		rdx_clear_bump(bench->p->clear);
		oracle_cleared(&bench->calls.oracle, RDX_SCOPE_ALL);
	}
	if (pick(bench, 120) == 0) { /* instead */
		oracle_inexact(&bench->calls.oracle);
		assert_int_equal(rdx_publish_inexact(bench->p, call.time_ns), 0);
		return;
	}
	calls_apply(&bench->calls, &call);
	assert_int_equal(calls_publish(bench->p, &call), 0);
}

static void start(struct bench *bench, const struct rdx_publisher_options *template,
		  const struct calls_shape *shape)
{
	struct rdx_publisher_options options = *template;

	rig_make(&bench->rig);
	options.dir = bench->rig.dir;
	options.instance = "i";
	options.model = "m";
	options.block_tokens = CALL_BLOCK_TOKENS;
	options.ring_slots = RING_SLOTS;
	assert_int_equal(rdx_publisher_open(&bench->p, &options), 0);
	bench->worker_wide = options.clear_scope == RDX_CLEAR_WORKER;
	calls_make(&bench->calls, shape, &bench->rig.key, &options, rig_random(&bench->random));
	bench->calls.oracle.names_max = bench->p->names.capacity;
	bench->replay = (struct replay){
		.key = &bench->rig.key,
		.ring = {bench->p->owner.ring.slots, bench->p->owner.ring.mask},
		.ring_slots = RING_SLOTS,
	};
}

static void drive(const struct rdx_publisher_options *template, uint32_t names, uint32_t run_max)
{
	struct calls_shape shape = {
		.clear_in = 250, .tiers = RDX_TIER_COUNT, .names = names, .run_max = run_max};
	static struct bench bench;

	memset(&bench, 0, sizeof(bench));
	bench.random = rig_seed();
	start(&bench, template, &shape);
	for (int i = 0; i < CALLS; i++) {
		step(&bench);
		check(&bench);
	}
	rdx_publisher_close(bench.p);
	rig_remove(&bench.rig);
}

/* Room for everything: nothing is ever full or forgotten. */
static void test_roomy(void **state)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	(void)state;
	for (int i = 0; i < RDX_TIER_COUNT; i++)
		options.tier_blocks[i] = 200;
	drive(&options, 60, RUN_MAX);
}

static void test_one_tier(void **state)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	(void)state;
	options.tier_blocks[RDX_TIER_DEVICE] = 200;
	drive(&options, 63, RUN_MAX);
}

/* Tiers fill, and names are forgotten as soon as they are not held. */
static void test_tight(void **state)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	(void)state;
	options.tier_blocks[RDX_TIER_DEVICE] = 24;
	options.tier_blocks[RDX_TIER_HOST] = 8;
	options.tier_blocks[RDX_TIER_DISK] = 8;
	options.remembered_names = 5;
	drive(&options, 70, 12);
}

/* Fewer names than held blocks can have names: the map fills too. */
static void test_many_names(void **state)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	(void)state;
	options.tier_blocks[RDX_TIER_DEVICE] = 16;
	options.remembered_names = 1;
	drive(&options, 40, 8);
}

/* Room for all names, and one that is hardly ever stored heads the queue of those removed: it
 * runs over. */
static void test_few_names(void **state)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	(void)state;
	options.tier_blocks[RDX_TIER_DEVICE] = 30;
	options.tier_blocks[RDX_TIER_HOST] = 10;
	options.remembered_names = 10;
	options.clear_scope = RDX_CLEAR_WORKER;
	drive(&options, 12, 12);
}

static void test_worker_wide(void **state)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	(void)state;
	for (int i = 0; i < RDX_TIER_COUNT; i++)
		options.tier_blocks[i] = 100;
	options.clear_scope = RDX_CLEAR_WORKER;
	options.report_mode = RDX_REPORT_MIXED;
	drive(&options, 60, RUN_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roomy),     cmocka_unit_test(test_one_tier),
		cmocka_unit_test(test_tight),     cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_few_names), cmocka_unit_test(test_worker_wide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

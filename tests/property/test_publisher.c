/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a publisher under random streams of stores, removals and clears, with
 * repeats, two names for one prefix, holes, unknown parents and names, conflicts, several
 * tiers and cache groups, tiers and maps that fill up, removed names that are forgotten and
 * made again, adapters and salts given and inherited, clears from other ranks, blocks that no event
 * can say, and a ring so small that events are split. After every call what it holds, its orphans,
 * its ledger, its counters and the events it published are compared with a naive oracle; and what it
 * is worth with what the engine holds: EXACT only where the events say all of that and nothing else,
 * LACKING where they say no more, and EXACT again when nothing is lacking.
 */
#include "producer/enlarge.h"
#include "shm/barrier.h"
#include "shm/clear.h"
#include "tests/calls.h"
#include "tests/patience.h"
#include "tests/property/publisher_replay.h"
#include "tests/property/publisher_tree.h"
#include "tests/publisher_truth.h"

#include <stdio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RING_SLOTS   64
#define RUN_MAX      60 /* blocks; with what a call adds they fit the ring */
#define CALLS        2500
#define CALLS_LONG   112000 /* 10^6 in all */
#define GROWTHS_MIN  8
#define NAMES_MAX    (1 << 14)
#define NEARLY_ROUND UINT32_C(0xfefcfafd)

struct bench {
	struct rig rig;
	struct rdx_publisher *p;
	struct calls calls;
	struct truth truth;
	struct replay replay;
	uint64_t states[3]; /* calls that left it so */
	uint64_t random;
	int worker_wide;
	int grows;          /* when it needs to, and at times without */
	uint32_t moves;     /* times that some of its entries were in the tables before */
	const char *broken; /* or NULL */
};

static uint32_t pick(struct bench *bench, uint32_t below)
{
	return (uint32_t)(rig_random(&bench->random) % below);
}

/* Names that were forgotten for want of room are forgotten by the oracle too: which ones
 * is the publisher's choice, but never a held one. */
static void forget_as_publisher(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->calls.oracle.used; i++) {
		struct oracle_name *name = &bench->calls.oracle.names[i];
		struct rdx_name_key key;
		int known;

		if (!name->known)
			continue;
		rdx_names_key(&bench->p->names, name->text, name->bytes, name->group, &key);
		known = rdx_names_find(&bench->p->names, &key) != RDX_NODE_NONE;
		assert_true(known || !oracle_name_held(name));
		if (!known)
			oracle_forget(&bench->calls.oracle, name);
	}
	assert_int_equal(bench->calls.oracle.known, bench->p->names.count);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The records of the segment's ledger that say the tier holds them, and their details. */
static void check_ledger(struct bench *bench, uint8_t tier, const uint64_t *held, uint32_t count)
{
	const struct rdx_segment_owner *owner = &bench->p->owner;
	uint64_t used = rdx_ledger_used(owner->live);
	uint64_t words[ORACLE_NAMES];
	uint32_t found = 0;

	assert_true(used <= owner->ledger.count);
	for (uint64_t i = 0; i < used; i++) {
		const struct rdx_ledger_record *record = &owner->ledger.records[i];
		uint64_t local, prefix, chained;

		if (!rdx_ledger_holds(rdx_ledger_get(record, &prefix), tier,
				      rdx_ledger_generations(owner->live)))
			continue;
		assert_true(found < ORACLE_NAMES);
		words[found++] = prefix;
		local = rdx_word_load(&record->local);
		rdx_hash_chain(&bench->rig.key, rdx_word_load(&record->parent), &local, 1,
			       &chained);
		assert_int_equal(prefix, chained);
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
	assert_int_equal(stats.unrepresented, expected->unrepresented);
	assert_int_equal(stats.inexact_marks, expected->inexact_marks);
	assert_int_equal(stats.inexact, bench->calls.oracle.inexact);
	assert_int_equal(stats.lacking, lacks_count(&bench->calls.oracle.lacks));
	for (int i = 0; i <= RDX_COUNTER_LACKING; i++)
		assert_int_equal(atomic_load(&bench->p->owner.live->counters[i]),
				 bench->p->counters[i]);
}

/* Sets that contain a tier whose clear is not settled. */
static uint8_t unsure_sets(const struct bench *bench)
{
	uint8_t sets = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (bench->p->lineage.doomed[tier])
			sets |= (uint8_t)(0xf << tier);
	}
	return sets & 0xf;
}

/* What the events say against what the engine holds. */
static void check_truth(struct bench *bench, uint8_t tier)
{
	uint64_t real[TRUTH_NAMES];
	uint32_t count = truth_held(&bench->truth, tier, real);

	if (bench->replay.inexact == RDX_INEXACT_LACKING)
		assert_true(replay_is_within(&bench->replay, tier, real, count));
	else if (!bench->replay.inexact)
		assert_true(replay_equals(&bench->replay, tier, real, count));
}

static void check_worth(struct bench *bench)
{
	struct oracle *oracle = &bench->calls.oracle;
	uint64_t other[TRUTH_NAMES];

	assert_int_equal(bench->replay.inexact, oracle->inexact);
	bench->states[oracle->inexact]++;
	truth_learn_spaces(&bench->truth, oracle);
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		check_truth(bench, tier);
	/* what is not represented is remembered, or flagged: EXACT again when it is over */
	if (!oracle->lacks.flags[RDX_INEXACT_LACKING] && !oracle->lacks.flags[RDX_INEXACT_UNKNOWN])
		assert_true(truth_is_accounted(&bench->truth, oracle));
	if (!oracle->inexact)
		assert_int_equal(truth_held(&bench->truth, RDX_TIER_OTHER, other), 0);
}

static void check(struct bench *bench)
{
	uint8_t unsure = unsure_sets(bench);
	uint64_t held[ORACLE_NAMES];

	bench->replay.unsure |= unsure;
	if (replay_run(&bench->replay) < 0) {
		print_error("%s\n", bench->replay.broken);
		fail();
	}
	bench->replay.unsure = unsure;
	assert_int_equal(bench->replay.position, rdx_publish_tail(bench->p->owner.live));
	assert_int_equal(bench->replay.position, rdx_ledger_intended(bench->p->owner.live));
	assert_int_equal(bench->replay.barrier, rdx_barrier_load(bench->p->owner.live));
	check_worth(bench);
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint32_t count = oracle_held(&bench->calls.oracle, tier, held);

		assert_int_equal(bench->calls.oracle.held[tier], count);
		assert_int_equal(rdx_lineage_held(&bench->p->lineage, tier), count);
		assert_true(replay_equals(&bench->replay, tier, held, count));
		check_ledger(bench, tier, held, count);
		if (!(unsure >> tier & 1))
			assert_int_equal(bench->p->lineage.orphans[tier],
					 oracle_orphans(&bench->calls.oracle, tier));
	}
	check_counters(bench);
	forget_as_publisher(bench);
	bench->broken = publisher_tree_check(&bench->p->lineage, &bench->p->names);
	if (bench->broken) {
		print_error("%s\n", bench->broken);
		fail();
	}
}

/* Blocks at the end of the call that found no room, which must be so: at most the nodes that the call
 * itself kept may be left to take. */
static uint32_t refused(struct bench *bench, const struct call *call, uint64_t before)
{
	uint64_t blocks = bench->p->counters[RDX_COUNTER_MAP_FULL] - before;

	if (!blocks)
		return 0;
	assert_int_equal(call->kind, RDX_EVENT_STORED);
	assert_true(call->stored.tokens || call->stored.local_hashes);
	assert_true(publisher_tree_takeable(&bench->p->lineage) <= call->stored.count + 1);
	return (uint32_t)blocks;
}

static void tell_truth(struct truth *truth, const struct call *call)
{
	if (call->kind == RDX_EVENT_STORED)
		truth_stored(truth, &call->stored);
	else if (call->kind == RDX_EVENT_REMOVED)
		truth_removed(truth, &call->removed);
	else if (call->kind == RDX_EVENT_CLEARED)
		truth_cleared(truth, call->scope);
	else if (call->kind == CALL_UNREPRESENTED)
		truth_unrepresented(truth, &call->removed);
}

static void grow(struct bench *bench)
{
	uint64_t epoch = bench->p->epoch;
	int r;

	/* early, since a busy machine makes fewer calls */
	if (pick(bench, bench->p->growths < GROWTHS_MIN ? 1 : 4) == 0) {
		r = rdx_enlarge_nodes(bench->p);
		assert_true(r == 0 || (r == -EDOM && bench->p->owner.ledger.count == NAMES_MAX));
	}
	if (pick(bench, 4) == 0)
		assert_int_equal(rdx_publisher_check(bench->p), 0);
	assert_int_equal(bench->p->epoch, epoch);
	bench->moves += bench->p->names.filing.left != 0;
	check(bench);
}

static void step(struct bench *bench)
{
	uint64_t full = bench->p->counters[RDX_COUNTER_MAP_FULL];
	struct call call;

	calls_draw(&bench->calls, &call);
	if (bench->worker_wide && call.kind != RDX_EVENT_CLEARED && pick(bench, 60) == 0) {
		/* another rank clears the worker: this one does before what it says next */
		rdx_clear_bump(bench->p->clear);
		oracle_cleared(&bench->calls.oracle, RDX_SCOPE_ALL);
		truth_cleared(&bench->truth, RDX_SCOPE_ALL);
	}
	assert_int_equal(calls_publish(bench->p, &call), 0);
	bench->calls.oracle.full = refused(bench, &call, full);
	calls_apply(&bench->calls, &call);
	tell_truth(&bench->truth, &call);
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
	if (!bench->grows)
		options.names_max = 1;
	assert_int_equal(rdx_publisher_open(&bench->p, &options), 0);
	bench->worker_wide = options.clear_scope == RDX_CLEAR_WORKER;
	calls_make(&bench->calls, shape, &bench->rig.key, &options, rig_random(&bench->random));
	if (bench->grows) /* a tier has room as long as there is any */
		bench->calls.oracle.spare = NAMES_MAX;
	truth_make(&bench->truth, &bench->rig.key, &options);
	bench->calls.oracle.lacks.max = shape->lacking;
	for (int tier = 0; shape->lacking && tier < RDX_LACKING_TIERS; tier++)
		bench->p->lacking.sets[tier].mask = 2 * shape->lacking - 1;
	/* generations come round in the test */
	bench->p->lineage.generations = NEARLY_ROUND;
	atomic_store(&bench->p->owner.live->generations, NEARLY_ROUND);
	bench->replay = (struct replay){
		.key = &bench->rig.key,
		.ring_slots = RING_SLOTS,
	};
	bench->replay.ring =
		(struct rdx_ring_view){bench->p->owner.ring.slots, bench->p->owner.ring.mask};
}

static void drive_shape(const struct rdx_publisher_options *template,
			const struct calls_shape *shape)
{
	struct effort effort = effort_begin(CALLS, CALLS_LONG, 0);
	static struct bench bench;

	memset(&bench, 0, sizeof(bench));
	bench.random = rig_seed();
	bench.grows = template->names_max != 0;
	start(&bench, template, shape);
	while (effort_goes_on(&effort)) {
		step(&bench);
		check(&bench);
		if (bench.grows && pick(&bench, 8) == 0)
			grow(&bench);
	}
	assert_true(!bench.grows || effort.done < CALLS / 2 ||
		    (bench.p->growths >= GROWTHS_MIN && bench.moves > 0));
	/* much of the time it is worth this, and that */
	for (int how = 0; how <= RDX_INEXACT_UNKNOWN; how++)
		assert_true(bench.states[how] > effort.done / 250);
	rdx_publisher_close(bench.p);
	rig_remove(&bench.rig);
}

static void drive(const struct rdx_publisher_options *template, uint32_t names, uint32_t run_max)
{
	struct calls_shape shape = {.clear_in = 250,
				    .inexact_in = 800,
				    .tiers = RDX_TIER_COUNT,
				    .names = names,
				    .run_max = run_max};

	drive_shape(template, &shape);
}

/* Room for everything: nothing is ever full or forgotten. */
static struct rdx_publisher_options all_tiers(uint64_t blocks)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	for (int i = 0; i < RDX_TIER_COUNT; i++)
		options.tier_blocks[i] = blocks;
	return options;
}

static void test_roomy(void **state)
{
	struct rdx_publisher_options options = all_tiers(200);

	(void)state;
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
	options.remembered_names = 45; /* above each block held stands one that is not */
	drive(&options, 70, 12);
}

/* Fewer nodes than held blocks and those above them can need: the map fills too. */
static void test_many_names(void **state)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	struct calls_shape shape = {.clear_in = 250,
				    .inexact_in = 800,
				    .tiers = RDX_TIER_COUNT,
				    .names = 40,
				    .run_max = 8,
				    .contents = 1};

	(void)state;
	options.tier_blocks[RDX_TIER_DEVICE] = 16;
	options.remembered_names = 1;
	drive_shape(&options, &shape);
}

/* Tiers are cleared all the time, in turns with clears of all: more than their generations. */
static void clear_tiers(uint64_t blocks, uint64_t remembered)
{
	struct rdx_publisher_options options = all_tiers(blocks);
	struct calls_shape shape = {.clear_in = 100,
				    .inexact_in = 800,
				    .tier_clear_in = 3,
				    .tiers = RDX_TIER_COUNT,
				    .names = 40,
				    .run_max = RUN_MAX};

	options.remembered_names = remembered;
	drive_shape(&options, &shape);
}

static void test_tiers_cleared(void **state)
{
	(void)state;
	clear_tiers(200, 2000); /* so many nodes that the sweep takes its time */
}

/* A clear that leaves hardly a node to take until more is settled. */
static void test_tiers_cleared_in_a_tight_pool(void **state)
{
	(void)state;
	clear_tiers(40, 170);
}

static void test_worker_wide(void **state)
{
	struct rdx_publisher_options options = all_tiers(100);

	(void)state;
	options.clear_scope = RDX_CLEAR_WORKER;
	options.report_mode = RDX_REPORT_MIXED;
	drive(&options, 60, RUN_MAX);
}

/* From next to nothing: more often than it must, through all that happens meanwhile. */
static void grow_from(uint64_t blocks, uint64_t remembered, uint32_t clear_scope)
{
	struct rdx_publisher_options options = all_tiers(blocks);
	struct calls_shape shape = {.clear_in = 250,
				    .inexact_in = 800,
				    .tier_clear_in = 40,
				    .tiers = RDX_TIER_COUNT,
				    .names = 120,
				    .run_max = 20};

	options.remembered_names = remembered;
	options.names_max = NAMES_MAX;
	options.clear_scope = clear_scope;
	drive_shape(&options, &shape);
}

static void test_grows(void **state)
{
	(void)state;
	grow_from(1, 5, RDX_CLEAR_RANK);
	grow_from(3, 61, RDX_CLEAR_WORKER);
}

/* More is lacking than is remembered. */
static void test_few_remembered(void **state)
{
	struct rdx_publisher_options options = all_tiers(60);
	struct calls_shape shape = {.clear_in = 250,
				    .tier_clear_in = 10,
				    .tiers = RDX_TIER_COUNT,
				    .names = 60,
				    .run_max = 8,
				    .lacking = 8};

	(void)state;
	drive_shape(&options, &shape);
}

static void test_presence(void **state)
{
	struct rdx_publisher_options options = all_tiers(60);

	(void)state;
	options.report_mode = RDX_REPORT_PRESENCE;
	drive(&options, 60, RUN_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roomy),
		cmocka_unit_test(test_one_tier),
		cmocka_unit_test(test_tight),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_worker_wide),
		cmocka_unit_test(test_presence),
		cmocka_unit_test(test_few_remembered),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_tiers_cleared),
		cmocka_unit_test(test_tiers_cleared_in_a_tight_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: raw events of simulated engines -> translator -> publisher -> indexer, against what the
 * engines hold. Salts, adapters, images, pairs, groups, copies, media, clears, late starts, restarts
 * of engine and translator, lost and unreadable events, and what nobody knows. A row that says EXACT
 * must be the truth, one that says LACKING never more than it.
 */
#include "tests/patience.h"
#include "tests/engine_truth.h"
#include "tests/rig.h"
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>

#include <stdlib.h>
#include <string.h>

#define RANKS          4
#define STEPS_A_ROUND  100
#define LIFE_STEPS     6000 /* of an engine, in the mean */
#define LATE_IN        3000
#define MODEL          "model"
#define MODEL_OF_PAIRS "model-of-pairs"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 1000 /* at most: as the time allows, all with RDX_LONG=1 */
#else
#define ROUNDS 4000 /* of four ranks: more than a million events */
#endif
#define ROUNDS_LEAST 200
#define ROUNDS_S     8

/* What a row said, and what came of it. */
struct tally {
	uint64_t exact;
	uint64_t lacking;
	uint64_t unknown;
	uint64_t healed; /* rows that were not EXACT and are, without a clear of all between */
	uint64_t events;
};

struct rank {
	struct truth_engine engine;
	struct rdx_publisher *publisher;
	struct rdx_engine *translator;
	uint64_t sequence; /* of the next event */
	uint64_t clears;   /* of all, when it was looked at last */
	uint32_t dp_rank;
	int overtaken; /* an event was lost, and nothing followed yet */
	uint8_t state; /* when it was looked at last */
};

struct world {
	struct rig rig;
	struct truth_prompts plain;
	struct truth_prompts pairs;
	struct rdx_indexer *indexer;
	struct rank rank[RANKS];
	struct tally tally;
	uint64_t random;
};

/* A block as held by someone. */
struct held_block {
	uint64_t prefix;
	uint8_t tiers;
};

struct held_blocks {
	struct held_block blocks[TRUTH_BLOCKS];
	uint32_t count;
};

static uint32_t draw(struct world *world, uint32_t below)
{
	return (uint32_t)(rig_random(&world->random) % below);
}

static void open_translator(struct world *world, struct rank *rank)
{
	const struct truth_manner *manner = &rank->engine.manner;
	struct rdx_publisher_options options = {.size = sizeof(options)};
	struct rdx_engine_options meaning = {.size = sizeof(meaning)};

	options.dir = world->rig.dir;
	options.instance = "http://localhost:8000";
	options.model = rank->engine.prompts->pairs ? MODEL_OF_PAIRS : MODEL;
	options.worker_id = 1;
	options.dp_rank = rank->dp_rank;
	options.block_tokens = TRUTH_BLOCK_TOKENS;
	options.ring_slots = 1024;
	options.report_mode = manner->report_mode;
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		options.tier_blocks[tier] = draw(world, 4) ? TRUTH_BLOCKS : TRUTH_BLOCKS / 8;
	meaning.counting_groups = manner->groups;
	meaning.cleared_means = manner->cleared_means;
	assert_int_equal(rdx_publisher_open(&rank->publisher, &options), 0);
	assert_int_equal(rdx_engine_open(&rank->translator, rank->publisher, &meaning), 0);
	rank->state = RDX_STATE_EXACT;
	rank->clears = 0;
	rank->overtaken = 0;
}

static void close_translator(struct rank *rank)
{
	rdx_engine_close(rank->translator);
	rdx_publisher_close(rank->publisher);
}

/* Another engine, of another manner. */
static void start_engine(struct world *world, struct rank *rank)
{
	const struct truth_manner manner = {
		.groups = draw(world, 3) ? 1 : TRUTH_GROUPS_MAX,
		.report_mode = draw(world, 3) ? RDX_REPORT_COPIES : RDX_REPORT_PRESENCE,
		.cleared_means =
			draw(world, 3) ? RDX_ENGINE_CLEARED_ALL : RDX_ENGINE_CLEARED_DEVICE,
		.name_bytes = draw(world, 3) ? 8 : TRUTH_NAME_BYTES,
		.tells_copies = draw(world, 4) == 0,
		.salt_in_keys = draw(world, 2) == 0,
		.is_faulty = draw(world, 4) != 0,
	};

	truth_engine_make(&rank->engine, draw(world, 4) ? &world->plain : &world->pairs, &manner,
			  rig_random(&world->random));
	rank->sequence = 0;
	open_translator(world, rank);
}

static void deliver(struct rank *rank, const struct truth_event *said)
{
	uint64_t sequence = rank->sequence++;

	rank->overtaken = said->delivery == TRUTH_LOST;
	if (said->delivery == TRUTH_LOST)
		return;
	assert_int_equal(rdx_engine_sequence(rank->translator, sequence, 0), 0);
	if (said->delivery == TRUTH_UNREADABLE)
		assert_int_equal(rdx_engine_unreadable(rank->translator, 0), 0);
	else
		assert_int_equal(rdx_engine_publish(rank->translator, &said->event), 0);
}

static void step(struct world *world, struct rank *rank)
{
	truth_engine_step(&rank->engine);
	if (rank->engine.restarted) {
		rank->sequence = 0;
		rank->overtaken = 1;
	}
	for (uint32_t i = 0; i < rank->engine.event_count; i++)
		deliver(rank, &rank->engine.events[i]);
	world->tally.events += rank->engine.event_count;
	if (draw(world, LIFE_STEPS) == 0) {
		close_translator(rank);
		start_engine(world, rank);
	} else if (draw(world, LATE_IN) == 0) {
		close_translator(rank);
		open_translator(world, rank);
		rank->overtaken = rank->sequence != 0; /* nothing said yet */
	}
}

static int compare_blocks(const void *a, const void *b)
{
	const struct held_block *left = a, *right = b;

	return (left->prefix > right->prefix) - (left->prefix < right->prefix);
}

/* Sort, and join those of one prefix hash. */
static void tidy(struct held_blocks *held)
{
	uint32_t kept = 0;

	qsort(held->blocks, held->count, sizeof(*held->blocks), compare_blocks);
	for (uint32_t i = 0; i < held->count; i++) {
		if (kept && held->blocks[kept - 1].prefix == held->blocks[i].prefix)
			held->blocks[kept - 1].tiers |= held->blocks[i].tiers;
		else
			held->blocks[kept++] = held->blocks[i];
	}
	held->count = kept;
}

static void visit(void *context, uint64_t prefix, uint8_t tiers)
{
	struct held_blocks *held = context;

	assert_true(held->count < TRUTH_BLOCKS);
	held->blocks[held->count++] = (struct held_block){prefix, tiers};
}

static void find_truth(const struct truth_engine *engine, struct held_blocks *ret_held)
{
	ret_held->count = 0;
	for (uint32_t i = 0; i < TRUTH_BLOCKS; i++) {
		uint8_t tiers = truth_engine_tiers(engine, i);

		if (tiers)
			visit(ret_held, engine->prompts->blocks[i].prefix, tiers);
	}
	tidy(ret_held);
}

/* Blocks of `few` that are in the same tiers, or, `at_most`, in some of these, of `many`. */
static uint32_t found_in(const struct held_blocks *few, const struct held_blocks *many, int at_most)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < few->count; i++) {
		const struct held_block *block = &few->blocks[i];
		const struct held_block *other =
			bsearch(block, many->blocks, many->count, sizeof(*block), compare_blocks);

		found += other && (at_most ? (block->tiers & ~other->tiers) == 0
					   : block->tiers == other->tiers);
	}
	return found;
}

static uint64_t clears_of(const struct rank *rank)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_get_stats(rank->publisher, &stats), 0);
	return stats.clears;
}

static void count_state(struct tally *tally, struct rank *rank, uint8_t state)
{
	uint64_t clears = clears_of(rank);

	tally->exact += state == RDX_STATE_EXACT;
	tally->lacking += state == RDX_STATE_LACKING;
	tally->unknown += state == RDX_STATE_INEXACT;
	tally->healed += state == RDX_STATE_EXACT && rank->state != RDX_STATE_EXACT &&
			 clears == rank->clears;
	rank->state = state;
	rank->clears = clears;
}

static void check_row(struct world *world, struct rdx_index *index, struct rank *rank,
		      uint8_t state)
{
	struct held_blocks truth, held = {.count = 0};
	struct rdx_index_mark mark = {.size = sizeof(mark)};

	count_state(&world->tally, rank, state);
	if (state == RDX_STATE_INEXACT)
		return;
	assert_int_equal(rdx_index_each(index, 1, rank->dp_rank, visit, &held, &mark), 0);
	tidy(&held);
	find_truth(&rank->engine, &truth);
	assert_int_equal(found_in(&held, &truth, state == RDX_STATE_LACKING), held.count);
	if (state == RDX_STATE_EXACT)
		assert_int_equal(held.count, truth.count);
}

/* Has the index all that the rank published? */
static int is_caught_up(struct rdx_index *index, const struct rank *rank, uint8_t *ret_state)
{
	static struct rdx_index_rank rows[RDX_RANKS_MAX] = {{.size = sizeof(rows[0])}};
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	int count = rdx_index_ranks(index, rows, RDX_RANKS_MAX);

	assert_int_equal(rdx_publisher_get_stats(rank->publisher, &stats), 0);
	for (int i = 0; i < count; i++) {
		if (rows[i].dp_rank != rank->dp_rank)
			continue;
		*ret_state = rows[i].state;
		return rows[i].epoch == rdx_publisher_epoch(rank->publisher) &&
		       rows[i].last_event_id == stats.events &&
		       (rows[i].state == RDX_STATE_EXACT || rows[i].state == RDX_STATE_LACKING ||
			rows[i].state == RDX_STATE_INEXACT);
	}
	return 0;
}

static void check_rank(struct world *world, struct rank *rank)
{
	struct rdx_index_key key = {.size = sizeof(key), .flags = RDX_INDEX_ALL_RANKS};
	struct rdx_index *index = NULL;
	uint8_t state = RDX_STATE_GONE;
	int tries = 0;

	if (rank->overtaken)
		return;
	key.model = rank->engine.prompts->pairs ? MODEL_OF_PAIRS : MODEL;
	key.block_tokens = TRUTH_BLOCK_TOKENS;
	UNTIL (index &&is_caught_up(index, rank, &state)) {
		assert_true(rdx_indexer_poll(world->indexer, 0) >= 0);
		if (!index)
			rdx_index_open(&index, world->rig.dir, &key);
		patience_nap(tries++);
	}
	check_row(world, index, rank, state);
	rdx_index_close(index);
}

static void open_world(struct world *world)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};

	world->random = rig_seed();
	rig_make(&world->rig);
	truth_prompts_make(&world->plain, &world->rig.key, rig_random(&world->random), 0);
	truth_prompts_make(&world->pairs, &world->rig.key, rig_random(&world->random), 1);
	options.dir = world->rig.dir;
	options.stale_after_ns = UINT64_C(1000000000000); /* however slow the machine */
	assert_int_equal(rdx_indexer_open(&world->indexer, &options), 0);
	for (uint32_t i = 0; i < RANKS; i++) {
		world->rank[i].dp_rank = i;
		start_engine(world, &world->rank[i]);
	}
}

static void close_world(struct world *world)
{
	for (uint32_t i = 0; i < RANKS; i++)
		close_translator(&world->rank[i]);
	rdx_indexer_close(world->indexer);
	rig_remove(&world->rig);
}

/* It would prove nothing if it were never so. */
static int all_was_met(const struct tally *tally)
{
	return tally->exact && tally->lacking && tally->unknown && tally->healed;
}

static void test_rows(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct effort effort = effort_begin(ROUNDS_LEAST, ROUNDS, ROUNDS_S);

	(void)state;
	open_world(world);
	while (effort_goes_on_until(&effort, all_was_met(&world->tally))) {
		for (uint32_t i = 0; i < RANKS; i++) {
			for (uint32_t steps = draw(world, 2 * STEPS_A_ROUND); steps; steps--)
				step(world, &world->rank[i]);
			check_rank(world, &world->rank[i]);
		}
	}
	print_message(
		"%llu events; rows: %llu EXACT, %llu LACKING, %llu INEXACT; %llu healed\n",
		(unsigned long long)world->tally.events, (unsigned long long)world->tally.exact,
		(unsigned long long)world->tally.lacking, (unsigned long long)world->tally.unknown,
		(unsigned long long)world->tally.healed);
	assert_true(all_was_met(&world->tally));
	close_world(world);
	free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

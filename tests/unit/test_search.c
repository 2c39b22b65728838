/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: how far each rank holds a request, against a plain model: random runs over the tiers
 * of many ranks or of so few that sets have one word, some with orphans, by gallop and by scan, prefix
 * hashes given, chained and hashed; a table in which nothing is monotone ends every search.
 */
#include "consumer/index/search.h"
#include "tests/table_rig.h"

#define RANKS      24
#define RANKS_FEW  (RDX_COLUMN_WORD_BITS / RDX_TIER_COUNT) /* columns of one word */
#define BLOCKS_MAX 1500
#define LINES      800
#define WORLDS     600
#define TOKENS     4 /* of a block */
#define SEED       99
#define AHEAD      273 /* blocks hashed beyond the longest run: two pieces, and a short rest */

static const struct rdx_hash_key hash_key = {.chain_mask = 0x1234567, .premix_mask = 0x89abcdef};

struct world {
	uint64_t random;
	uint32_t blocks;
	struct rdx_table table;
	struct rdx_search search;
	uint64_t local[BLOCKS_MAX];
	uint32_t tokens[BLOCKS_MAX * TOKENS];
	uint64_t prefix[BLOCKS_MAX];
	uint8_t orphans[RANKS];
	struct rdx_columns columns[RANKS];
	uint8_t held[RANKS][BLOCKS_MAX]; /* bit t: in tier t */
};

static uint32_t pick(struct world *w, uint32_t below)
{
	return (uint32_t)(rig_random(&w->random) % below);
}

/* Tiers that hold block after block: the nearest one is never nearer again. */
static void hold_runs(struct world *w, uint32_t rank, uint32_t tiers)
{
	uint32_t block = 0;

	for (uint32_t tier = 0; tier < tiers; tier++) {
		uint32_t end = block + pick(w, 3) * pick(w, w->blocks - block + 1) / 2;

		for (; block < end && block < w->blocks; block++)
			w->held[rank][block] = (uint8_t)((1 << tier | pick(w, 16) << (tier + 1)) &
							 ((1 << tiers) - 1));
	}
}

static void hold_with_holes(struct world *w, uint32_t rank, uint32_t tiers)
{
	uint32_t rare = 2 + pick(w, 60);

	for (uint32_t block = 0; block < w->blocks; block++)
		w->held[rank][block] = pick(w, rare) ? (uint8_t)pick(w, 1u << tiers) : 0;
}

/* Columns are spread over all there are, or over the first of them. */
static void add_rank(struct world *w, uint32_t rank, uint32_t tiers, uint32_t spread)
{
	w->orphans[rank] = !pick(w, 4);
	memset(w->held[rank], 0, sizeof(w->held[rank]));
	if (w->orphans[rank])
		hold_with_holes(w, rank, tiers);
	else
		hold_runs(w, rank, tiers);
	w->columns[rank] = (struct rdx_columns){.visible = 1};
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		w->columns[rank].column[tier] =
			tier < tiers ? (uint16_t)((rank * RDX_TIER_COUNT + tier) * spread)
				     : RDX_COLUMN_NONE;
}

/* Who holds a block, and columns that are of nobody. 1 if any rank does. */
static int columns_of(struct world *w, uint32_t block, uint64_t *ret_columns)
{
	int any = 0;

	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++)
		ret_columns[word] = rig_random(&w->random);
	for (uint32_t rank = 0; rank < RANKS; rank++) {
		for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
			uint32_t column = w->columns[rank].column[tier];

			if (column == RDX_COLUMN_NONE)
				continue;
			rdx_column_drop(ret_columns, column);
			if (w->held[rank][block] >> tier & 1)
				rdx_column_add(ret_columns, column);
		}
		any |= w->held[rank][block];
	}
	return any != 0;
}

static void fill_table(struct world *w)
{
	w->table = table_make(LINES, BLOCKS_MAX + 1);
	for (uint32_t block = 0; block < w->blocks; block++) {
		uint64_t columns[RDX_COLUMN_WORDS];

		if (!columns_of(w, block, columns) && pick(w, 2))
			continue;
		rdx_set_fill(&w->table.set[block + 1], columns);
		table_put(&w->table, w->prefix[block], block + 1);
	}
	w->search.table = w->table;
}

/* Many ranks, or a few and others that have no column. */
static void add_ranks(struct world *w)
{
	uint32_t few = pick(w, 2);
	uint32_t spread = few ? 1 : 1 + pick(w, RDX_COLUMNS_MAX / (RANKS * RDX_TIER_COUNT));

	for (uint32_t rank = 0; rank < RANKS; rank++) {
		uint32_t tiers = few && rank >= RANKS_FEW ? 0 : 1 + pick(w, RDX_TIER_COUNT);

		add_rank(w, rank, tiers, spread);
	}
}

static void make_request(struct world *w)
{
	w->blocks = 1 + pick(w, pick(w, 4) ? 100 : BLOCKS_MAX);
	for (uint32_t i = 0; i < w->blocks * TOKENS; i++)
		w->tokens[i] = (uint32_t)rig_random(&w->random);
	rdx_hash_blocks(SEED, w->tokens, w->blocks * TOKENS, TOKENS, w->local);
	rdx_hash_chain(&hash_key, 0, w->local, w->blocks, w->prefix);
}

static uint32_t run_of(const struct world *w, uint32_t rank, uint32_t set)
{
	uint32_t block = 0;

	while (block < w->blocks && w->held[rank][block] & ((2 << set) - 1))
		block++;
	return block;
}

/* The runs that were found. Returns the longest. */
static uint32_t compare(const struct world *w)
{
	uint32_t longest = 0;

	for (uint32_t rank = 0; rank < RANKS; rank++) {
		uint32_t run = 0;

		assert_int_equal(w->search.is_holder[rank],
				 run_of(w, rank, RDX_TIER_COUNT - 1) > 0);
		for (uint32_t set = 0; set < RDX_TIER_COUNT && w->search.is_holder[rank]; set++) {
			uint32_t found = w->search.blocks[rank][set];

			run = run > found ? run : found;
			assert_int_equal(run, run_of(w, rank, set));
		}
		longest = longest > run ? longest : run;
	}
	return longest;
}

static void search_all_ways(struct world *w, int scan)
{
	struct rdx_keys keys = {.prefix = NULL};
	const struct rdx_tokens tokens = {
		.size = sizeof(tokens),
		.seed = SEED,
		.ids = w->tokens,
		.count = w->blocks * TOKENS + TOKENS - 1,
	};

	rdx_search_forget(&w->search);
	for (uint32_t rank = 0; rank < RANKS; rank++)
		rdx_search_show(&w->search, rank, &w->columns[rank], scan || w->orphans[rank]);
	for (int way = 0; way < 3; way++) {
		uint32_t longest;

		if (way == 0)
			rdx_keys_prefix(&keys, w->prefix, w->blocks);
		else if (way == 1)
			assert_int_equal(rdx_keys_local(&keys, &hash_key, w->local, w->blocks), 0);
		else
			assert_int_equal(rdx_keys_tokens(&keys, &hash_key, &tokens, TOKENS), 0);
		for (int again = 0; again < 2; again++) {
			rdx_search_fetch(&w->search, &keys);
			assert_int_equal(rdx_search_run(&w->search, &keys), 0);
			longest = compare(w);
			if (way)
				assert_in_range(keys.made, longest, longest + AHEAD);
			assert_memory_equal(keys.prefix, w->prefix, keys.made * 8);
		}
	}
	rdx_keys_free(&keys);
}

static void test_against_a_model(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	w->random = rig_seed();
	for (int i = 0; i < WORLDS; i++) {
		make_request(w);
		add_ranks(w);
		fill_table(w);
		search_all_ways(w, 0);
		search_all_ways(w, 1);
		table_free(&w->table);
	}
	free(w);
}

/* What no writer makes: each block is held by others. Intervals without end, and room for them. */
static void test_without_order(void **state)
{
	enum { SETS = 64, LONG = 1 << 20 };
	struct rdx_search *search = calloc(1, sizeof(*search));
	struct rdx_table table = table_make(LONG / 4, SETS);
	uint64_t *prefix = calloc(LONG, sizeof(*prefix)), *local = calloc(LONG, sizeof(*local));
	uint64_t random = rig_seed();
	struct rdx_columns columns = {.visible = 1};
	struct rdx_keys keys = {.prefix = NULL};

	(void)state;
	assert_true(search && prefix && local);
	search->table = table;
	for (uint32_t seat = 0; seat < RDX_COLUMNS_MAX / RDX_TIER_COUNT; seat++) {
		for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
			columns.column[tier] = (uint16_t)(seat * RDX_TIER_COUNT + tier);
		rdx_search_show(search, seat, &columns, 0);
	}
	for (uint32_t set = 1; set < SETS; set++) {
		uint64_t held[RDX_COLUMN_WORDS];

		for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++)
			held[word] = rig_random(&random);
		rdx_set_fill(&table.set[set], held);
	}
	for (uint32_t i = 0; i < LONG; i++)
		local[i] = rig_random(&random);
	rdx_hash_chain(&hash_key, 0, local, LONG, prefix);
	for (uint32_t i = 0; i < LONG; i++)
		table_put(&table, prefix[i], 1 + (uint32_t)(rig_random(&random) % (SETS - 1)));
	for (int chained = 0; chained < 2; chained++) {
		if (chained)
			assert_int_equal(rdx_keys_local(&keys, &hash_key, local, LONG), 0);
		else
			rdx_keys_prefix(&keys, prefix, LONG);
		rdx_search_fetch(search, &keys);
		assert_int_equal(rdx_search_run(search, &keys), 0);
		assert_int_equal(search->holder_count, RDX_COLUMNS_MAX / RDX_TIER_COUNT);
	}
	rdx_keys_free(&keys);
	free(local);
	free(prefix);
	free(search);
	table_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_a_model),
		cmocka_unit_test(test_without_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

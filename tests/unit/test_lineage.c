/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the producer's tree of prefixes: orphans per set of tiers, places, second names, which
 * nodes are taken and in which order, clears of a tier and of all, generations that come round.
 */
#include "producer/lineage.h"
#include "tests/rig.h"

#include <stdlib.h>
#include <string.h>

#define NODES  300
#define DEVICE RDX_TIER_DEVICE
#define HOST   RDX_TIER_HOST
#define DISK   RDX_TIER_DISK

struct tree {
	struct rdx_node nodes[NODES];
	uint8_t table[NODES * RDX_BUCKETS_LINE_BYTES / RDX_BUCKETS_LINE_KEYS +
		      RDX_BUCKETS_LINE_BYTES];
	struct rdx_hand_word hand[NODES / 64 + 1];
	uint64_t some[1];
	struct rdx_lineage lineage;
	struct rdx_ledger_record records[NODES];
};

static struct tree *make(void)
{
	struct tree *tree = aligned_alloc(64, (sizeof(*tree) + 63) / 64 * 64);
	struct rdx_lineage_memory memory;

	assert_non_null(tree);
	memset(tree, 0, sizeof(*tree));
	memory = (struct rdx_lineage_memory){tree->nodes, tree->table, NODES, tree->hand,
					     tree->some};
	assert_true(rdx_lineage_table_bytes(NODES) <= sizeof(tree->table));
	assert_true(rdx_hand_bytes(NODES) <= sizeof(tree->hand));
	rdx_lineage_init(&tree->lineage, &memory, NODES, tree->records);
	return tree;
}

static void unmake(struct tree *tree)
{
	free(tree);
}

static uint64_t prefix_of(uint32_t number)
{
	return (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* A new child of `parent`: its prefix hash is made up. */
static uint32_t add(struct tree *tree, uint32_t number, uint32_t parent)
{
	uint32_t node;

	assert_int_equal(rdx_lineage_take(&tree->lineage, &node, 1), 1);
	rdx_lineage_make(&tree->lineage, node, prefix_of(number), parent);
	return node;
}

/* With the record's word, as an event leaves it. */
static void hold(struct tree *tree, uint32_t node, uint8_t tier)
{
	const struct rdx_node *held = rdx_lineage_settle(&tree->lineage, node);

	rdx_lineage_hold(&tree->lineage, node, tier);
	tree->records[node].prefix = held->prefix;
	rdx_ledger_mark(&tree->records[node], rdx_ledger_word(held->prefix, rdx_node_tiers(held),
							      tree->lineage.generations));
}

static void drop(struct tree *tree, uint32_t node, uint8_t tier)
{
	rdx_lineage_settle(&tree->lineage, node);
	rdx_lineage_drop(&tree->lineage, node, tier);
}

static void expect_orphans(const struct tree *tree, uint64_t device, uint64_t host, uint64_t disk,
			   uint64_t all)
{
	uint8_t bits =
		(uint8_t)((device != 0) | (host != 0) << 1 | (disk != 0) << 2 | (all != 0) << 3);

	assert_int_equal(tree->lineage.orphans[0], device);
	assert_int_equal(tree->lineage.orphans[1], host);
	assert_int_equal(tree->lineage.orphans[2], disk);
	assert_int_equal(tree->lineage.orphans[3], all);
	assert_int_equal(rdx_lineage_orphan_bits(&tree->lineage), bits);
}

static void test_orphans_per_set(void **state)
{
	struct tree *tree = make();
	uint32_t a = add(tree, 0, RDX_NODE_ROOT), b, c;

	(void)state;
	hold(tree, a, DEVICE);
	b = add(tree, 1, a);
	hold(tree, b, HOST);
	expect_orphans(tree, 0, 0, 0, 0);
	c = add(tree, 2, b);
	hold(tree, c, DEVICE);
	expect_orphans(tree, 1, 0, 0, 0);
	/* a second holder changes nothing, and neither does the first to go */
	hold(tree, b, HOST);
	drop(tree, b, HOST);
	expect_orphans(tree, 1, 0, 0, 0);
	/* moved from host to disk: a hole in device + host too */
	hold(tree, b, DISK);
	expect_orphans(tree, 1, 0, 0, 0);
	drop(tree, b, HOST);
	expect_orphans(tree, 1, 1, 0, 0);
	drop(tree, b, DISK);
	expect_orphans(tree, 1, 1, 1, 1);
	drop(tree, a, DEVICE);
	expect_orphans(tree, 1, 1, 1, 1);
	rdx_lineage_place(&tree->lineage, b, a);
	hold(tree, b, DEVICE);
	expect_orphans(tree, 1, 1, 1, 1); /* now b lacks a, and c does not lack b */
	drop(tree, c, DEVICE);
	drop(tree, b, DEVICE);
	expect_orphans(tree, 0, 0, 0, 0);
	unmake(tree);
}

/* A chain is taken from its end on; what is above held blocks stays, and gives up its place. */
static void test_what_is_taken(void **state)
{
	struct tree *tree = make();
	struct rdx_lineage *lineage = &tree->lineage;
	uint32_t chain[4], all[NODES], got;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		chain[i] = add(tree, i, i ? chain[i - 1] : RDX_NODE_ROOT);
		hold(tree, chain[i], DEVICE);
	}
	drop(tree, chain[0], DEVICE);
	drop(tree, chain[2], DEVICE);
	assert_int_equal(lineage->unplaced, 1); /* a root keeps its place */
	assert_int_equal(rdx_lineage_find(lineage, chain[1], prefix_of(2)), chain[2]);
	got = rdx_lineage_take(lineage, all, NODES);
	assert_int_equal(got, NODES - 4);
	drop(tree, chain[3], DEVICE);
	assert_int_equal(rdx_lineage_take(lineage, all, NODES), 2);
	assert_int_equal(all[0], chain[3]);
	assert_int_equal(all[1], chain[2]);
	assert_int_equal(lineage->unplaced, 0);
	assert_int_equal(rdx_lineage_find(lineage, chain[1], prefix_of(2)), RDX_NODE_NONE);
	/* kept by who works on it */
	drop(tree, chain[1], DEVICE);
	rdx_lineage_keep(lineage, chain[1]);
	assert_int_equal(rdx_lineage_take(lineage, all, NODES), 0);
	rdx_lineage_unkeep(lineage, chain[1]);
	assert_int_equal(rdx_lineage_take(lineage, all, NODES), 2);
	assert_int_equal(all[1], chain[0]);
	unmake(tree);
}

static void test_second_names_keep_their_block(void **state)
{
	struct tree *tree = make();
	struct rdx_lineage *lineage = &tree->lineage;
	uint32_t a = add(tree, 0, RDX_NODE_ROOT), alias, all[NODES];

	(void)state;
	assert_int_equal(rdx_lineage_take(lineage, &alias, 1), 1);
	rdx_lineage_make_alias(lineage, alias, a);
	assert_int_equal(rdx_lineage_block(lineage, alias), a);
	rdx_lineage_rest(lineage, alias, 0);
	assert_int_equal(rdx_lineage_take(lineage, all, NODES), NODES);
	assert_int_equal(rdx_lineage_find(lineage, RDX_NODE_ROOT, prefix_of(0)), RDX_NODE_NONE);
	unmake(tree);
}

/* Nobody looks for it below a parent that has no such child; with one child more it is filed. */
static void test_children_are_found(void **state)
{
	struct tree *tree = make();
	struct rdx_lineage *lineage = &tree->lineage;
	uint32_t root = add(tree, 0, RDX_NODE_ROOT), child[3];

	(void)state;
	hold(tree, root, DEVICE);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(rdx_lineage_find(lineage, root, prefix_of(1 + i)), RDX_NODE_NONE);
		child[i] = add(tree, 1 + i, root);
		hold(tree, child[i], DEVICE);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(rdx_lineage_find(lineage, root, prefix_of(1 + i)), child[i]);
	assert_int_equal(rdx_lineage_filed(lineage, prefix_of(1)), RDX_NODE_NONE);
	assert_int_equal(rdx_lineage_filed(lineage, prefix_of(2)), child[1]);
	/* while a node has no place, its parent must be found by its prefix hash alone */
	drop(tree, root, DEVICE);
	drop(tree, child[0], DEVICE);
	rdx_lineage_make_apart(lineage, 200, prefix_of(77), 5);
	child[0] = add(tree, 9, child[2]);
	assert_int_equal(rdx_lineage_filed(lineage, prefix_of(9)), child[0]);
	unmake(tree);
}

static int ledger_holds(const struct tree *tree, uint32_t node, uint8_t tier)
{
	uint64_t prefix;

	return rdx_ledger_holds(rdx_ledger_get(&tree->records[node], &prefix), tier,
				tree->lineage.generations);
}

static void test_clear_of_a_tier(void **state)
{
	struct tree *tree = make();
	struct rdx_lineage *lineage = &tree->lineage;
	uint32_t a = add(tree, 0, RDX_NODE_ROOT), b;

	(void)state;
	hold(tree, a, HOST);
	b = add(tree, 1, a);
	hold(tree, b, HOST);
	hold(tree, b, DEVICE);
	expect_orphans(tree, 1, 0, 0, 0);
	rdx_lineage_clear(lineage, HOST);
	/* the numbers and the ledger at once, the orphans' as soon as the nodes are settled */
	assert_int_equal(rdx_lineage_held(lineage, HOST), 0);
	assert_int_equal(rdx_lineage_held(lineage, DEVICE), 1);
	assert_int_equal(ledger_holds(tree, a, HOST), 0);
	assert_int_equal(ledger_holds(tree, b, HOST), 0);
	assert_int_equal(ledger_holds(tree, b, DEVICE), 1);
	assert_int_equal(rdx_lineage_orphan_bits(lineage), 15);
	rdx_lineage_sweep(lineage, NODES);
	assert_int_equal(lineage->unswept, 0);
	expect_orphans(tree, 1, 1, 1, 1);
	assert_int_equal(ledger_holds(tree, b, DEVICE), 1);
	assert_int_equal(lineage->held[HOST], 0);
	unmake(tree);
}

/* What a clear made void does not come back when the generation comes round: neither where all is
 * cleared again and again, nor one tier. */
static void come_round(uint8_t scope)
{
	struct tree *tree = make();
	struct rdx_lineage *lineage = &tree->lineage;
	uint32_t nodes[NODES], first;

	for (uint32_t i = 0; i < NODES; i++) {
		nodes[i] = add(tree, i, RDX_NODE_ROOT);
		hold(tree, nodes[i], HOST);
		if (i % 2)
			hold(tree, nodes[i], DEVICE);
	}
	first = lineage->generations;
	do {
		rdx_lineage_clear(lineage, scope);
		hold(tree, nodes[0], HOST);
	} while ((lineage->generations ^ first) >> 8 * HOST & 0xff);
	for (uint32_t i = 1; i < NODES; i++)
		assert_int_equal(ledger_holds(tree, nodes[i], HOST), 0);
	assert_int_equal(ledger_holds(tree, nodes[0], HOST), 1);
	for (uint32_t i = 1; i < NODES; i++) {
		rdx_lineage_settle(lineage, nodes[i]);
		assert_int_equal(rdx_node_holders(&lineage->nodes[nodes[i]], HOST), 0);
	}
	assert_int_equal(rdx_lineage_held(lineage, HOST), 1);
	unmake(tree);
}

static void test_generations_come_round(void **state)
{
	(void)state;
	come_round(HOST);
	come_round(RDX_SCOPE_ALL);
}

/* Nothing is held at once, and nodes of before can be taken, from the ends of their branches. */
static void test_clear_of_all(void **state)
{
	struct tree *tree = make();
	struct rdx_lineage *lineage = &tree->lineage;
	uint32_t chain[NODES], all[NODES];

	(void)state;
	for (uint32_t i = 0; i < NODES; i++) {
		chain[i] = add(tree, i, i ? chain[i - 1] : RDX_NODE_ROOT);
		hold(tree, chain[i], i % 3 ? DEVICE : HOST);
	}
	assert_int_not_equal(rdx_lineage_orphan_bits(lineage), 0);
	rdx_lineage_clear(lineage, RDX_SCOPE_ALL);
	expect_orphans(tree, 0, 0, 0, 0);
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		assert_int_equal(rdx_lineage_held(lineage, tier), 0);
	/* one is held again in the middle: those below it are free, those above it too */
	hold(tree, chain[NODES / 2], DEVICE);
	expect_orphans(tree, 1, 1, 1, 1);
	rdx_lineage_sweep(lineage, NODES);
	assert_int_equal(rdx_lineage_take(lineage, all, NODES), NODES - 2);
	expect_orphans(tree, 1, 1, 1, 1);
	unmake(tree);
}

/* While the sweep is under way, who finds nothing to take goes on with it. */
static void test_take_after_a_clear(void **state)
{
	struct tree *tree = make();
	uint32_t chain[NODES], all[NODES];

	(void)state;
	for (uint32_t i = 0; i < NODES; i++) {
		chain[i] = add(tree, i, i ? chain[i - 1] : RDX_NODE_ROOT);
		hold(tree, chain[i], DEVICE);
	}
	assert_int_equal(rdx_lineage_take(&tree->lineage, all, 1), 0);
	rdx_lineage_clear(&tree->lineage, RDX_SCOPE_ALL);
	assert_int_equal(rdx_lineage_take(&tree->lineage, all, NODES), NODES);
	assert_int_equal(all[0], chain[NODES - 1]);
	unmake(tree);
}

static void test_limits(void **state)
{
	struct tree *tree = make();
	struct rdx_lineage *lineage = &tree->lineage;
	uint32_t a = add(tree, 0, RDX_NODE_ROOT);

	(void)state;
	assert_int_equal(rdx_lineage_may_have_child(lineage, RDX_NODE_ROOT), 1);
	assert_int_equal(rdx_lineage_may_have_child(lineage, a), 1);
	lineage->nodes[a].state |= RDX_NODE_DEPTH_MAX << RDX_NODE_DEPTH_SHIFT;
	assert_int_equal(rdx_lineage_may_have_child(lineage, a), 0);
	lineage->nodes[a].state &= 0xff;
	lineage->nodes[a].children = RDX_NODE_CHILDREN_MAX;
	assert_int_equal(rdx_lineage_may_have_child(lineage, a), 0);
	unmake(tree);
}

/* Nodes that come while a clear is swept make no old one miss it. */
static void test_sweep_beside_new_nodes(void **state)
{
	enum { FEW = 100, MORE = 20 };
	struct tree *tree = make();
	struct rdx_lineage *lineage = &tree->lineage;
	struct rdx_lineage_memory memory = {tree->nodes, tree->table, NODES, tree->hand,
					    tree->some};
	uint32_t nodes[FEW];

	(void)state;
	memset(tree->hand, 0, sizeof(tree->hand));
	memset(tree->some, 0, sizeof(tree->some));
	rdx_lineage_init(lineage, &memory, FEW, tree->records);
	assert_int_equal(rdx_lineage_take(lineage, nodes, FEW), FEW);
	for (uint32_t i = 0; i < FEW; i++) {
		rdx_lineage_make(lineage, nodes[i], prefix_of(i), RDX_NODE_ROOT);
		rdx_lineage_hold(lineage, nodes[i], HOST);
	}
	/* the second one's sweep begins in the middle, and so comes past the new ones */
	rdx_lineage_clear(lineage, DEVICE);
	rdx_lineage_sweep(lineage, FEW / 2);
	rdx_lineage_clear(lineage, HOST);
	rdx_lineage_extend(lineage, FEW + MORE);
	assert_true(lineage->unswept <= FEW);
	rdx_lineage_sweep(lineage, FEW);
	assert_int_equal(lineage->unswept, 0);
	for (uint32_t i = 0; i < FEW; i++)
		assert_int_equal(tree->nodes[i].generations, lineage->generations);
	assert_int_equal(lineage->held[HOST], 0);
	unmake(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sweep_beside_new_nodes),
		cmocka_unit_test(test_orphans_per_set),
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_second_names_keep_their_block),
		cmocka_unit_test(test_children_are_found),
		cmocka_unit_test(test_clear_of_a_tier),
		cmocka_unit_test(test_generations_come_round),
		cmocka_unit_test(test_clear_of_all),
		cmocka_unit_test(test_take_after_a_clear),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

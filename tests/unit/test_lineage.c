/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the producer's tree of prefixes: orphans per set of tiers, nodes that live
 * as long as a name or a child refers to them, clears, collisions, limits; and the free
 * words of a ledger.
 */
#include "producer/lineage.h"
#include "producer/resident.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAMES  32
#define DEVICE RDX_TIER_DEVICE
#define HOST   RDX_TIER_HOST
#define DISK   RDX_TIER_DISK

static struct rdx_lineage *make(void)
{
	struct rdx_lineage *lineage = malloc(sizeof(*lineage));
	void *memory = aligned_alloc(64, (rdx_lineage_bytes(NAMES) + 63) / 64 * 64);

	assert_non_null(lineage);
	assert_non_null(memory);
	memset(memory, 0, rdx_lineage_bytes(NAMES));
	rdx_lineage_init(lineage, memory, NAMES);
	return lineage;
}

static void unmake(struct rdx_lineage *lineage)
{
	free(lineage->nodes);
	free(lineage);
}

/* A child of `parent`: its prefix hash is made up. */
static uint32_t name(struct rdx_lineage *lineage, uint32_t number, uint32_t parent)
{
	uint64_t prefix = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t index;

	assert_int_equal(rdx_lineage_name(lineage, prefix, number, parent, &index), 0);
	return index;
}

static void expect_orphans(const struct rdx_lineage *lineage, uint64_t device, uint64_t host,
			   uint64_t disk, uint64_t all)
{
	uint8_t bits =
		(uint8_t)((device != 0) | (host != 0) << 1 | (disk != 0) << 2 | (all != 0) << 3);

	assert_int_equal(lineage->orphans[0], device);
	assert_int_equal(lineage->orphans[1], host);
	assert_int_equal(lineage->orphans[2], disk);
	assert_int_equal(lineage->orphans[3], all);
	assert_int_equal(rdx_lineage_orphan_bits(lineage), bits);
}

static void test_orphans_per_set(void **state)
{
	struct rdx_lineage *lineage = make();
	uint32_t a = name(lineage, 0, RDX_NODE_ROOT);
	uint32_t b = name(lineage, 1, a);
	uint32_t c = name(lineage, 2, b);

	(void)state;
	assert_int_equal(rdx_lineage_hold(lineage, a, DEVICE), 1);
	assert_int_equal(rdx_lineage_hold(lineage, b, HOST), 1);
	expect_orphans(lineage, 0, 0, 0, 0);
	assert_int_equal(rdx_lineage_hold(lineage, c, DEVICE), 1);
	expect_orphans(lineage, 1, 0, 0, 0);
	/* a second holder changes nothing, and neither does the first to go */
	assert_int_equal(rdx_lineage_hold(lineage, b, HOST), 0);
	assert_int_equal(rdx_lineage_drop(lineage, b, HOST), 0);
	expect_orphans(lineage, 1, 0, 0, 0);
	/* moved from host to disk: a hole in device + host too */
	assert_int_equal(rdx_lineage_hold(lineage, b, DISK), 1);
	expect_orphans(lineage, 1, 0, 0, 0);
	assert_int_equal(rdx_lineage_drop(lineage, b, HOST), 1);
	expect_orphans(lineage, 1, 1, 0, 0);
	assert_int_equal(rdx_lineage_drop(lineage, b, DISK), 1);
	expect_orphans(lineage, 1, 1, 1, 1);
	assert_int_equal(rdx_lineage_drop(lineage, a, DEVICE), 1);
	expect_orphans(lineage, 1, 1, 1, 1);
	assert_int_equal(rdx_lineage_hold(lineage, b, DEVICE), 1);
	expect_orphans(lineage, 1, 1, 1, 1); /* now b lacks a, and c does not lack b */
	assert_int_equal(rdx_lineage_drop(lineage, c, DEVICE), 1);
	assert_int_equal(rdx_lineage_drop(lineage, b, DEVICE), 1);
	expect_orphans(lineage, 0, 0, 0, 0);
	unmake(lineage);
}

static void test_nodes_live_for_names_and_children(void **state)
{
	struct rdx_lineage *lineage = make();
	uint32_t a = name(lineage, 0, RDX_NODE_ROOT);
	uint32_t b = name(lineage, 1, a);
	uint32_t c = name(lineage, 2, b);

	(void)state;
	assert_int_equal(name(lineage, 2, b), c); /* a second name */
	rdx_lineage_hold(lineage, c, DEVICE);
	rdx_lineage_unname(lineage, a);
	assert_int_equal(lineage->count, 3);
	/* b stays for its child, a has none that needs it */
	rdx_lineage_unname(lineage, b);
	assert_int_equal(lineage->count, 2);
	expect_orphans(lineage, 1, 1, 1, 1);
	/* both come back, and b finds its place and its child */
	a = name(lineage, 0, RDX_NODE_ROOT);
	assert_int_equal(name(lineage, 1, a), b);
	rdx_lineage_hold(lineage, b, DEVICE);
	expect_orphans(lineage, 1, 1, 1, 1);
	rdx_lineage_hold(lineage, a, DEVICE);
	expect_orphans(lineage, 0, 0, 0, 0);
	assert_int_equal(rdx_lineage_depth(&lineage->nodes[c]), 2);

	rdx_lineage_drop(lineage, c, DEVICE);
	rdx_lineage_unname(lineage, c);
	assert_int_equal(lineage->count, 3);
	rdx_lineage_unname(lineage, c);
	assert_int_equal(lineage->count, 2);
	/* kept for a while without a name */
	rdx_lineage_drop(lineage, b, DEVICE);
	rdx_lineage_keep(lineage, b);
	rdx_lineage_unname(lineage, b);
	assert_int_equal(lineage->count, 2);
	rdx_lineage_unkeep(lineage, b);
	assert_int_equal(lineage->count, 1);
	unmake(lineage);
}

/* However names are forgotten, there are at most twice as many nodes as names. */
static void test_nodes_are_bounded(void **state)
{
	struct rdx_lineage *lineage = make();
	uint32_t parent = RDX_NODE_ROOT;
	uint32_t last = RDX_NODE_ROOT;

	(void)state;
	for (uint32_t i = 0; i < 100 * NAMES; i++) {
		uint32_t node = name(lineage, i, parent);
		uint64_t at;

		if (last != RDX_NODE_ROOT && i % 2)
			rdx_lineage_unname(lineage, last);
		last = parent = node;
		assert_true(lineage->count <= lineage->capacity);
		if (i >= 2 * NAMES - 2 && i % 2 == 0) {
			/* every second name of a long chain is left: forget the oldest */
			uint64_t prefix =
				(i - (2 * NAMES - 2) + 1 + 1) * UINT64_C(0x9e3779b97f4a7c15);

			rdx_lineage_unname(lineage, rdx_lineage_find(lineage, prefix, &at));
		}
	}
	unmake(lineage);
}

static void test_collision_and_limits(void **state)
{
	struct rdx_lineage *lineage = make();
	uint32_t a = name(lineage, 0, RDX_NODE_ROOT);
	uint64_t prefix = lineage->nodes[a].prefix;
	uint32_t index = 77;

	(void)state;
	assert_int_equal(rdx_lineage_name(lineage, prefix, 5, RDX_NODE_ROOT, &index), -EEXIST);
	assert_int_equal(rdx_lineage_name(lineage, prefix, 0, a, &index), -EEXIST);
	lineage->nodes[a].children = RDX_NODE_CHILDREN_MAX;
	assert_int_equal(rdx_lineage_name(lineage, 1, 1, a, &index), -ENOSPC);
	lineage->nodes[a].children = 0;
	lineage->nodes[a].depth_life |= RDX_NODE_DEPTH_MAX;
	assert_int_equal(rdx_lineage_name(lineage, 1, 1, a, &index), -ENOSPC);
	for (uint32_t i = 1; i < lineage->capacity; i++)
		name(lineage, i, RDX_NODE_ROOT);
	assert_int_equal(rdx_lineage_name(lineage, 1, 1, RDX_NODE_ROOT, &index), -ENOSPC);
	assert_int_equal(index, 77);
	unmake(lineage);
}

static void test_clear(void **state)
{
	struct rdx_lineage *lineage = make();
	uint32_t a = name(lineage, 0, RDX_NODE_ROOT);
	uint32_t b = name(lineage, 1, a);

	(void)state;
	rdx_lineage_hold(lineage, b, HOST);
	expect_orphans(lineage, 0, 1, 1, 1);
	rdx_lineage_clear(lineage);
	expect_orphans(lineage, 0, 0, 0, 0);
	assert_int_equal(lineage->held[HOST], 0);
	assert_int_equal(rdx_lineage_hold(lineage, a, DEVICE), 1);
	assert_int_equal(rdx_lineage_drop(lineage, a, DEVICE), 1);
	expect_orphans(lineage, 0, 0, 0, 0);
	assert_int_equal(rdx_lineage_hold(lineage, b, HOST), 1);
	/* untouched until `life` wraps: still empty */
	for (int i = 0; i < 256; i++)
		rdx_lineage_clear(lineage);
	assert_int_equal(rdx_lineage_hold(lineage, a, DEVICE), 1);
	assert_int_equal(rdx_lineage_hold(lineage, b, HOST), 1);
	expect_orphans(lineage, 0, 0, 0, 0);
	/* a finished sweep leaves nothing to do */
	rdx_lineage_clear(lineage);
	rdx_lineage_sweep(lineage, 1);
	assert_int_equal(lineage->lives != 0, 1);
	rdx_lineage_sweep(lineage, NAMES);
	assert_int_equal(lineage->lives, 0);
	unmake(lineage);
}

static void test_ledger_words(void **state)
{
	struct rdx_resident resident;
	uint32_t memory[4];

	(void)state;
	assert_int_equal(rdx_resident_bytes(4), sizeof(memory));
	rdx_resident_init(&resident, memory, 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_false(rdx_resident_full(&resident));
		assert_int_equal(rdx_resident_peek(&resident, 0), i);
		assert_int_equal(rdx_resident_take(&resident), i);
	}
	assert_true(rdx_resident_full(&resident));
	rdx_resident_give(&resident, 2);
	rdx_resident_give(&resident, 0);
	assert_int_equal(rdx_resident_peek(&resident, 1), 2);
	assert_int_equal(rdx_resident_take(&resident), 0);
	assert_int_equal(rdx_resident_take(&resident), 2);
	assert_true(rdx_resident_full(&resident));
	rdx_resident_clear(&resident);
	assert_int_equal(rdx_resident_take(&resident), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orphans_per_set),
		cmocka_unit_test(test_nodes_live_for_names_and_children),
		cmocka_unit_test(test_nodes_are_bounded),
		cmocka_unit_test(test_collision_and_limits),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_ledger_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

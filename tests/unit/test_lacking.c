/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the sets of what cannot be said, against a plain array: entries that come and go in
 * lines that run over and wrap, sets that fill, clears; and the state that all of them make.
 */
#include "producer/lacking.h"
#include "tests/rig.h"

#include <stdlib.h>

#define NAMES 900 /* more than half a set */
#define STEPS 60000

struct fixture {
	struct rdx_lacking lacking;
	void *memory;
	uint64_t random;
	uint32_t copies[RDX_LACKING_TIERS][NAMES]; /* 0: no entry */
	uint8_t doubted[RDX_LACKING_TIERS][NAMES];
};

static void make(struct fixture *f, const uint64_t *tier_blocks)
{
	uint64_t bytes = rdx_lacking_bytes(tier_blocks);

	memset(f, 0, sizeof(*f));
	f->random = rig_seed();
	f->memory = calloc(1, bytes);
	assert_non_null(f->memory);
	rdx_lacking_init(&f->lacking, f->memory, tier_blocks);
}

static uint32_t pick(struct fixture *f, uint32_t below)
{
	return (uint32_t)(rig_random(&f->random) % below);
}

/* All homes are among the last slots: runs wrap. */
static struct rdx_name_key key_of(const struct fixture *f, uint8_t tier, uint32_t name)
{
	uint64_t home = f->lacking.sets[tier].mask - 40 + name % 64;

	return (struct rdx_name_key){.name = name / 2,
				     .hash = home << 32 | name,
				     .kind = RDX_NODE_KIND_NAMED | name % 2};
}

static void expect_all(struct fixture *f)
{
	uint32_t count = 0, doubted = 0;

	for (uint8_t tier = 0; tier < RDX_LACKING_TIERS; tier++) {
		uint32_t here = 0;

		for (uint32_t name = 0; name < NAMES; name++) {
			struct rdx_name_key key = key_of(f, tier, name);
			struct rdx_lacking_entry *entry = rdx_lacking_find(&f->lacking, tier, &key);

			assert_int_equal(entry != NULL, f->copies[tier][name] != 0);
			if (!entry)
				continue;
			assert_int_equal(entry->copies, f->copies[tier][name]);
			assert_int_equal(entry->doubted, f->doubted[tier][name]);
			here++;
			doubted += entry->doubted;
		}
		assert_int_equal(f->lacking.sets[tier].count, here);
		assert_int_equal(rdx_lacking_in(&f->lacking, tier), here != 0);
		count += here;
	}
	assert_int_equal(f->lacking.count, count);
	assert_int_equal(f->lacking.doubted, doubted);
	assert_int_equal(rdx_lacking_state(&f->lacking), doubted ? RDX_INEXACT_UNKNOWN
							 : count ? RDX_INEXACT_LACKING
								 : 0);
}

static void add(struct fixture *f, uint8_t tier, uint32_t name)
{
	struct rdx_name_key key = key_of(f, tier, name);
	struct rdx_lacking_set *set = &f->lacking.sets[tier];
	int full = set->count == (set->mask + 1) / 2 && !f->copies[tier][name];
	struct rdx_lacking_entry *entry = rdx_lacking_add(&f->lacking, tier, &key);

	assert_int_equal(entry == NULL, full);
	if (full)
		return;
	assert_int_equal(entry->copies, f->copies[tier][name]);
	f->copies[tier][name] = ++entry->copies;
	if (pick(f, 50) == 0) {
		rdx_lacking_doubt(&f->lacking, tier, entry);
		f->doubted[tier][name] = 1;
	}
}

static void delete (struct fixture *f, uint8_t tier, uint32_t name)
{
	struct rdx_name_key key = key_of(f, tier, name);
	struct rdx_lacking_entry *entry = rdx_lacking_find(&f->lacking, tier, &key);

	if (!entry)
		return;
	rdx_lacking_delete(&f->lacking, tier, entry);
	f->copies[tier][name] = f->doubted[tier][name] = 0;
}

static void clear(struct fixture *f, uint8_t scope)
{
	rdx_lacking_clear(&f->lacking, scope);
	for (uint8_t tier = 0; tier < RDX_LACKING_TIERS; tier++) {
		if (scope != RDX_SCOPE_ALL && scope != tier)
			continue;
		memset(f->copies[tier], 0, sizeof(f->copies[tier]));
		memset(f->doubted[tier], 0, sizeof(f->doubted[tier]));
	}
}

static void test_against_an_array(void **state)
{
	static const uint64_t blocks[RDX_TIER_COUNT] = {100, 0, 1, 0};
	struct fixture *f = malloc(sizeof(*f));
	uint32_t adds = 6; /* of ten */

	(void)state;
	assert_non_null(f);
	make(f, blocks);
	for (uint32_t i = 0; i < STEPS; i++) {
		uint8_t tier = pick(f, 4) ? 0 : (uint8_t)pick(f, RDX_LACKING_TIERS);

		if (i % 8000 == 0)
			adds = 2 + pick(f, 7);
		if (pick(f, 4000) == 0)
			clear(f, pick(f, 2) ? tier : RDX_SCOPE_ALL);
		else if (pick(f, 10) < adds)
			add(f, tier, pick(f, NAMES));
		else
			delete (f, tier, pick(f, NAMES));
		if (i % 64 == 0)
			expect_all(f);
	}
	clear(f, RDX_SCOPE_ALL);
	expect_all(f);
	free(f->memory);
	free(f);
}

static void test_flags(void **state)
{
	static const uint64_t blocks[RDX_TIER_COUNT] = {0};
	struct fixture *f = malloc(sizeof(*f));

	(void)state;
	assert_non_null(f);
	make(f, blocks);
	rdx_lacking_flag(&f->lacking, RDX_INEXACT_LACKING, 1 << RDX_TIER_HOST);
	assert_int_equal(rdx_lacking_state(&f->lacking), RDX_INEXACT_LACKING);
	rdx_lacking_flag(&f->lacking, RDX_INEXACT_UNKNOWN, RDX_LACKING_ALL_TIERS);
	assert_int_equal(rdx_lacking_state(&f->lacking), RDX_INEXACT_UNKNOWN);
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		assert_true(rdx_lacking_in(&f->lacking, tier));
		clear(f, tier);
		assert_false(rdx_lacking_in(&f->lacking, tier));
	}
	/* no clear of a tier is one of the tier that nobody knows */
	assert_int_equal(rdx_lacking_state(&f->lacking), RDX_INEXACT_UNKNOWN);
	clear(f, RDX_SCOPE_ALL);
	assert_int_equal(rdx_lacking_state(&f->lacking), 0);
	free(f->memory);
	free(f);
}

/* Bounded below and above; the unknown tier has room as one of half the largest. */
static void test_sizes(void **state)
{
	static const uint64_t blocks[RDX_TIER_COUNT] = {40000, 1, UINT32_MAX, 0},
			      few[RDX_TIER_COUNT] = {40000};
	static const uint32_t slots[RDX_LACKING_TIERS] = {8192, 1024, 65536, 1024, 65536};
	struct fixture *f = malloc(sizeof(*f));

	(void)state;
	assert_non_null(f);
	make(f, blocks);
	for (uint8_t tier = 0; tier < RDX_LACKING_TIERS; tier++)
		assert_int_equal(f->lacking.sets[tier].mask + 1, slots[tier]);
	free(f->memory);
	make(f, few);
	assert_int_equal(f->lacking.sets[RDX_TIER_OTHER].mask + 1, 4096);
	free(f->memory);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_an_array),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

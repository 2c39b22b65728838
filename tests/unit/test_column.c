/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the packed word of a rank's columns, sets of columns, and the version around their changes.
 */
#include "tests/index_rig.h"

#include "shm/column.h"
#include "shm/version.h"

#include <stdlib.h>

static void test_pack(void **state)
{
	uint64_t random = 11;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = rig_random(&random);
		struct rdx_columns in = {
			.visible = bits & 1,
			.forced = bits >> 1 & 1,
			.orphans = bits >> 2 & 15,
		};
		struct rdx_columns out;

		for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
			in.column[tier] = rig_random(&random) % (RDX_COLUMN_NONE + 1);
		rdx_column_unpack(rdx_column_pack(&in), &out);
		assert_memory_equal(&in, &out, sizeof(in));
	}
}

static void test_any_word_is_harmless(void **state)
{
	uint64_t random = 12;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct rdx_columns columns;

		rdx_column_unpack(rig_random(&random), &columns);
		assert_in_range(columns.orphans, 0, 15);
		for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
			assert_in_range(columns.column[tier], 0, RDX_COLUMN_NONE);
	}
}

static void test_sets(void **state)
{
	uint64_t columns[RDX_COLUMN_WORDS] = {0};

	(void)state;
	for (uint32_t column = 0; column < RDX_COLUMNS_MAX; column++) {
		assert_false(rdx_column_in(columns, column));
		rdx_column_add(columns, column);
		assert_true(rdx_column_in(columns, column));
		assert_int_equal(rdx_column_word(column), column / 64);
		assert_true(rdx_column_bit(column) == UINT64_C(1) << column % 64);
	}
	for (uint32_t column = 0; column < RDX_COLUMNS_MAX; column += 3)
		rdx_column_drop(columns, column);
	for (uint32_t column = 0; column < RDX_COLUMNS_MAX; column++)
		assert_int_equal(rdx_column_in(columns, column), column % 3 != 0);
}

static void test_version(void **state)
{
	struct rdx_index_live *live = aligned_alloc(128, sizeof(*live));
	uint64_t version;

	(void)state;
	assert_non_null(live);
	memset(live, 0, sizeof(*live));
	version = rdx_version_load(live);
	assert_true(rdx_version_same(live, version));
	rdx_version_open(live);
	assert_false(rdx_version_same(live, version));
	assert_false(rdx_version_same(live, rdx_version_load(live)));
	rdx_version_close(live);
	assert_false(rdx_version_same(live, version));
	assert_true(rdx_version_same(live, rdx_version_load(live)));
	free(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_any_word_is_harmless),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

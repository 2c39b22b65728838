/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the packed word of a rank's columns, and the versions around their changes.
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
			.word = bits >> 6 & 7,
			.life = bits >> 9 & ((1 << 27) - 1),
		};
		struct rdx_columns out;

		for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
			in.column[tier] = rig_random(&random) % (RDX_COLUMN_NONE + 1);
		rdx_column_unpack(rdx_column_pack(&in), &out);
		assert_memory_equal(&in, &out, sizeof(in));
	}
}

static void test_lives_differ(void **state)
{
	struct rdx_columns columns = {.visible = 1};
	uint64_t packed = rdx_column_pack(&columns);

	(void)state;
	columns.life++;
	assert_int_not_equal(rdx_column_pack(&columns), packed);
}

static void test_any_word_is_harmless(void **state)
{
	uint64_t random = 12;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct rdx_columns columns;

		rdx_column_unpack(rig_random(&random), &columns);
		assert_in_range(columns.word, 0, RDX_MASK_WORDS_MAX - 1);
		assert_in_range(columns.orphans, 0, 15);
		for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
			assert_in_range(columns.column[tier], 0, RDX_COLUMN_NONE);
	}
	assert_int_equal(rdx_column_bit(RDX_COLUMN_NONE), 0);
	assert_true(rdx_column_bit(63) == UINT64_C(1) << 63);
}

static void test_versions(void **state)
{
	struct rdx_index_live *live = aligned_alloc(128, sizeof(*live));
	uint64_t versions[RDX_MASK_WORDS_MAX];

	(void)state;
	assert_non_null(live);
	memset(live, 0, sizeof(*live));
	assert_true(rdx_version_load(live, 3, versions));
	assert_true(rdx_version_same(live, 3, versions));
	rdx_version_open(live, 2);
	assert_false(rdx_version_same(live, 3, versions));
	assert_true(rdx_version_same(live, 2, versions)); /* another's words only */
	assert_false(rdx_version_load(live, 3, versions));
	rdx_version_close(live, 2);
	assert_true(rdx_version_load(live, 3, versions));
	assert_int_equal(versions[2], 2);
	assert_true(rdx_version_same(live, 3, versions));
	free(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_lives_differ),
		cmocka_unit_test(test_any_word_is_harmless),
		cmocka_unit_test(test_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

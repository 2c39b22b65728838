/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the mock engine's block pool: reuse by name, references, order of eviction,
 * copies under one name, the host tier that evicted blocks move to.
 */
#include "tools/mock/block_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the pool reported, as text: "-d1 +h1" is name 1 from the device to the host. */
struct told {
	char text[256];
};

static void changed(void *context, uint8_t kind, uint8_t tier, uint64_t name)
{
	struct told *told = context;
	size_t length = strlen(told->text);

	snprintf(told->text + length, sizeof(told->text) - length, "%s%c%c%u", length ? " " : "",
		 kind == RDX_EVENT_STORED ? '+' : '-', tier == POOL_DEVICE ? 'd' : 'h',
		 (unsigned)name);
}

static struct pool *open_pool(struct told *told, uint32_t device, uint32_t host)
{
	struct pool_options options = {
		.device_blocks = device,
		.host_blocks = host,
		.changed = changed,
		.context = told,
	};
	struct pool *pool;

	told->text[0] = 0;
	assert_int_equal(block_pool_open(&pool, &options), 0);
	return pool;
}

/* A request that computes blocks named first, first + 1, ... */
static void compute(struct pool *pool, uint64_t first, uint32_t count, uint32_t *ret_blocks)
{
	assert_int_equal(block_pool_allocate(pool, count, ret_blocks), 0);
	for (uint32_t i = 0; i < count; i++)
		block_pool_name(pool, ret_blocks[i], first + i, 100 + first + i);
}

static void check_told(struct told *told, const char *expected)
{
	assert_string_equal(told->text, expected);
	told->text[0] = 0;
}

static void options_are_checked(void **state)
{
	struct pool_options options = {.device_blocks = 0};
	struct pool *pool = NULL;

	(void)state;
	assert_int_equal(block_pool_open(&pool, &options), -EINVAL);
	assert_null(pool);
}

static void freed_blocks_stay_cached(void **state)
{
	uint32_t blocks[4], found;
	struct told told;
	struct pool *pool = open_pool(&told, 4, 0);

	(void)state;
	compute(pool, 1, 3, blocks);
	assert_int_equal(block_pool_free(pool), 1);
	block_pool_release(pool, blocks, 3);
	assert_int_equal(block_pool_free(pool), 4);
	found = block_pool_find(pool, POOL_DEVICE, 2);
	assert_int_equal(found, blocks[1]);
	assert_int_equal(block_pool_content(pool, POOL_DEVICE, found), 102);
	block_pool_take(pool, found);
	block_pool_take(pool, found);
	assert_int_equal(block_pool_references(pool, found), 2);
	assert_int_equal(block_pool_free(pool), 3);
	block_pool_release(pool, &found, 1);
	assert_int_equal(block_pool_free(pool), 3);
	block_pool_release(pool, &found, 1);
	assert_int_equal(block_pool_free(pool), 4);
	check_told(&told, "");
	block_pool_close(pool);
}

static void the_tail_is_evicted_first(void **state)
{
	uint32_t first[3], second[3];
	struct told told;
	struct pool *pool = open_pool(&told, 4, 0);

	(void)state;
	compute(pool, 1, 3, first);
	block_pool_release(pool, first, 3);
	/* the block that was never used goes first, then the request's tail */
	assert_int_equal(block_pool_allocate(pool, 3, second), 0);
	check_told(&told, "-d3 -d2");
	assert_int_equal(block_pool_find(pool, POOL_DEVICE, 1), first[0]);
	assert_int_equal(block_pool_find(pool, POOL_DEVICE, 2), POOL_NONE);
	/* too many: nothing changes */
	assert_int_equal(block_pool_allocate(pool, 2, first + 1), -ENOSPC);
	check_told(&told, "");
	assert_int_equal(block_pool_free(pool), 1);
	block_pool_close(pool);
}

static void copies_leave_one_by_one(void **state)
{
	uint32_t one[2], two[2], rest[4];
	struct told told;
	struct pool *pool = open_pool(&told, 4, 0);

	(void)state;
	compute(pool, 1, 2, one);
	compute(pool, 1, 2, two);
	block_pool_release(pool, one, 2);
	block_pool_release(pool, two, 2);
	assert_int_equal(block_pool_allocate(pool, 2, rest), 0);
	check_told(&told, "-d2 -d1");
	assert_int_equal(block_pool_find(pool, POOL_DEVICE, 1), two[0]);
	assert_int_equal(block_pool_allocate(pool, 2, rest), 0);
	check_told(&told, "-d2 -d1");
	assert_int_equal(block_pool_find(pool, POOL_DEVICE, 1), POOL_NONE);
	block_pool_close(pool);
}

static void evicted_blocks_move_to_the_host(void **state)
{
	uint32_t blocks[3];
	struct told told;
	struct pool *pool = open_pool(&told, 3, 2);

	(void)state;
	compute(pool, 1, 3, blocks);
	block_pool_release(pool, blocks, 3);
	/* three come, two fit: the last evicted stay */
	assert_int_equal(block_pool_allocate(pool, 3, blocks), 0);
	check_told(&told, "-d3 -d2 -d1 +h2 +h1");
	assert_int_equal(block_pool_find(pool, POOL_HOST, 3), POOL_NONE);
	assert_int_equal(block_pool_content(pool, POOL_HOST, block_pool_find(pool, POOL_HOST, 2)),
			 102);

	/* 2 was used: 1 goes */
	block_pool_touch(pool, 2);
	block_pool_name(pool, blocks[0], 4, 104);
	block_pool_release(pool, blocks, 1);
	assert_int_equal(block_pool_allocate(pool, 1, blocks), 0);
	check_told(&told, "-d4 -h1 +h4");

	/* a block that is there already is not stored again */
	block_pool_name(pool, blocks[0], 2, 102);
	block_pool_name(pool, blocks[1], 2, 102);
	block_pool_release(pool, blocks, 2);
	assert_int_equal(block_pool_allocate(pool, 2, blocks), 0);
	check_told(&told, "-d2 -d2");
	block_pool_close(pool);
}

static void clear_forgets_names_only(void **state)
{
	uint32_t blocks[3], more[1];
	struct told told;
	struct pool *pool = open_pool(&told, 3, 2);

	(void)state;
	compute(pool, 1, 3, blocks);
	block_pool_release(pool, blocks + 2, 1);
	assert_int_equal(block_pool_allocate(pool, 1, more), 0);
	check_told(&told, "-d3 +h3");
	block_pool_clear(pool, POOL_DEVICE);
	assert_int_equal(block_pool_find(pool, POOL_DEVICE, 1), POOL_NONE);
	assert_int_not_equal(block_pool_find(pool, POOL_HOST, 3), POOL_NONE);
	assert_int_equal(block_pool_free(pool), 0);
	assert_int_equal(block_pool_references(pool, blocks[0]), 1);
	block_pool_clear(pool, POOL_HOST);
	assert_int_equal(block_pool_find(pool, POOL_HOST, 3), POOL_NONE);
	block_pool_release(pool, blocks, 2);
	assert_int_equal(block_pool_free(pool), 2);
	check_told(&told, "");
	block_pool_close(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(freed_blocks_stay_cached),
		cmocka_unit_test(the_tail_is_evicted_first),
		cmocka_unit_test(copies_leave_one_by_one),
		cmocka_unit_test(evicted_blocks_move_to_the_host),
		cmocka_unit_test(clear_forgets_names_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: which removals may be one event (rdx_engine_joins): neighbours that say the same of their
 * names and nothing besides.
 */
#include "tests/expect.h"
#include <ringdex/rdx_engine.h>

static const uint64_t names[] = {1, 2, 3};
static struct rdx_engine_options options = {.size = sizeof(options)};
static struct rdx_engine_event before, next;

static void setup(void)
{
	before = (struct rdx_engine_event){.size = sizeof(before),
					   .type = "BlockRemoved",
					   .medium = "GPU",
					   .names = names,
					   .count = 3,
					   .name_bytes = sizeof(*names)};
	next = before;
	next.names = names + 1;
	next.count = 2;
}

static void neighbours_are_one(void **state)
{
	char type[] = "BlockRemoved", medium[] = "GPU"; /* the same words elsewhere */

	(void)state;
	setup();
	next.type = type;
	next.medium = medium;
	assert_true(rdx_engine_joins(NULL, &before, NULL));
	assert_true(rdx_engine_joins(NULL, &before, &next));
	assert_true(rdx_engine_joins(&options, &before, &next));
	before.type = next.type = "removed";
	assert_true(rdx_engine_joins(&options, &before, &next));
}

static void they_are_not_endless(void **state)
{
	(void)state;
	setup();
	next.count = RDX_ENGINE_JOINED_MAX - before.count;
	assert_true(rdx_engine_joins(NULL, &before, &next));
	next.count++;
	assert_false(rdx_engine_joins(NULL, &before, &next));
	next.count = UINT32_MAX;
	assert_false(rdx_engine_joins(NULL, &before, &next));
	assert_false(rdx_engine_joins(NULL, &next, NULL));
}

/* One field of the next one is another. */
#define OTHER(field, value)                                                                        \
	do {                                                                                       \
		setup();                                                                           \
		next.field = (value);                                                              \
		assert_false(rdx_engine_joins(NULL, &before, &next));                              \
		assert_false(rdx_engine_joins(NULL, &next, &before));                              \
	} while (0)

static void those_that_differ_are_two(void **state)
{
	(void)state;
	OTHER(time_ns, 1);
	OTHER(type, "removed");
	OTHER(medium, "CPU");
	OTHER(medium, NULL);
	OTHER(group, 1);
	OTHER(flags, RDX_ENGINE_GROUP);
	OTHER(name_bytes, 32);
	OTHER(spec_kind, "mamba");
	OTHER(locality, "REMOTE");
	OTHER(ownership, "tier-1");
}

/* It has one more field. */
#define MORE(field, value)                                                                         \
	do {                                                                                       \
		setup();                                                                           \
		next.field = (value);                                                              \
		assert_false(rdx_engine_joins(NULL, &next, NULL));                                 \
		before.field = (value);                                                            \
		assert_false(rdx_engine_joins(NULL, &before, &next));                              \
	} while (0)

static void what_says_more_is_none(void **state)
{
	static const uint32_t one = 1;

	(void)state;
	MORE(type, "BlockStored");
	MORE(type, "BlockMoved");
	MORE(type, NULL);
	MORE(names, NULL);
	MORE(count, 0);
	MORE(unknown_fields, 1);
	MORE(remaining, &one);
	MORE(parent, &one);
	MORE(token_count, 1);
	MORE(local_hashes, names);
	MORE(key_count, 1);
	MORE(lora_name, "a");
	MORE(cache_salt, "a");
	MORE(block_tokens, 16);
	MORE(flags, RDX_ENGINE_LORA_ID);
	MORE(size, 8);
	setup();
	next.flags = RDX_ENGINE_GROUP;
	assert_true(rdx_engine_joins(NULL, &next, NULL));
}

/* Words that mean something else here, and some that mean the same. */
static void words_by_option(void **state)
{
	static const struct rdx_engine_word types[] = {
		{"BlockRemoved", RDX_EVENT_CLEARED}, {"BlockGone", RDX_EVENT_REMOVED}, {0}};
	const struct rdx_engine_options other = {.size = sizeof(other), .types = types};

	(void)state;
	setup();
	assert_false(rdx_engine_joins(&other, &before, &next));
	before.type = next.type = "BlockGone";
	assert_true(rdx_engine_joins(&other, &before, &next));
	assert_false(rdx_engine_joins(&options, &before, &next));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_one),
		cmocka_unit_test(they_are_not_endless),
		cmocka_unit_test(those_that_differ_are_two),
		cmocka_unit_test(what_says_more_is_none),
		cmocka_unit_test(words_by_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

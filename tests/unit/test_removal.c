/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: neighbouring removals of a batch are one (tools/bridge/removal.h), but only where they say
 * the same of their names and nothing besides.
 */
#include "tests/expect.h"
#include "tools/bridge/removal.h"

#include <string.h>

static struct said before, next;

/* A removal of `count` names of 8 bytes from `name` on, of the device. */
static void says(struct said *said, uint64_t name, uint32_t count)
{
	uint64_t *names = vector_reserve(&said->names, count * sizeof(*names));

	for (uint32_t i = 0; i < count; i++)
		names[i] = name + i;
	said->event = (struct rdx_engine_event){.size = sizeof(said->event),
						.type = "BlockRemoved",
						.medium = "GPU",
						.names = names,
						.count = count,
						.name_bytes = sizeof(*names)};
}

static void setup(void)
{
	says(&before, 10, 2);
	says(&next, 20, 3);
}

static void neighbours_are_one(void **state)
{
	char type[] = "BlockRemoved", medium[] = "GPU"; /* the same words elsewhere */

	(void)state;
	setup();
	next.event.type = type;
	next.event.medium = medium;
	assert_true(removal_is(&before));
	assert_true(removal_join(&before, &next));
	assert_int_equal(before.event.count, 5);
	assert_memory_equal(before.event.names, ((uint64_t[]){10, 11, 20, 21, 22}), 40);
}

static void they_are_not_endless(void **state)
{
	(void)state;
	says(&before, 1, 4095);
	says(&next, 5000, 1);
	assert_true(removal_join(&before, &next));
	assert_false(removal_join(&before, &next));
	assert_int_equal(before.event.count, 4096);
}

/* One field of the next one is another. */
#define OTHER(field, value)                                                                        \
	do {                                                                                       \
		setup();                                                                           \
		next.event.field = (value);                                                        \
		assert_false(removal_join(&before, &next));                                        \
		assert_int_equal(before.event.count, 2);                                           \
	} while (0)

static void those_that_differ_are_two(void **state)
{
	(void)state;
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
		next.event.field = (value);                                                        \
		assert_false(removal_is(&next));                                                   \
	} while (0)

static void what_says_more_is_none(void **state)
{
	static const uint32_t one = 1;

	(void)state;
	MORE(type, "BlockStored");
	MORE(type, NULL);
	MORE(count, 0);
	MORE(unknown_fields, 1);
	MORE(remaining, &one);
	MORE(parent, &one);
	MORE(token_count, 1);
	MORE(key_count, 1);
	MORE(lora_name, "a");
	MORE(cache_salt, "a");
	MORE(block_tokens, 16);
	MORE(flags, RDX_ENGINE_LORA_ID);
	setup();
	next.event.flags = RDX_ENGINE_GROUP;
	assert_true(removal_is(&next));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_one),
		cmocka_unit_test(they_are_not_endless),
		cmocka_unit_test(those_that_differ_are_two),
		cmocka_unit_test(what_says_more_is_none),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	said_free(&before);
	said_free(&next);
	return failed;
}

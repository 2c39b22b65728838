/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: neighbouring removals of a batch are one (tools/bridge/removal.h).
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
	(void)state;
	setup();
	assert_true(removal_join(&before, &next, NULL));
	assert_int_equal(before.event.count, 5);
	assert_memory_equal(before.event.names, ((uint64_t[]){10, 11, 20, 21, 22}), 40);
}

static void they_are_not_endless(void **state)
{
	(void)state;
	says(&before, 1, 4095);
	says(&next, 5000, 1);
	assert_true(removal_join(&before, &next, NULL));
	assert_false(removal_join(&before, &next, NULL));
	assert_int_equal(before.event.count, 4096);
}

/* rdx_engine_joins says which: unit/engine_joins. */
static void those_that_differ_are_two(void **state)
{
	(void)state;
	setup();
	next.event.medium = "CPU";
	assert_false(removal_join(&before, &next, NULL));
	assert_int_equal(before.event.count, 2);
	assert_memory_equal(before.event.names, ((uint64_t[]){10, 11}), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_one),
		cmocka_unit_test(they_are_not_endless),
		cmocka_unit_test(those_that_differ_are_two),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	said_free(&before);
	said_free(&next);
	return failed;
}

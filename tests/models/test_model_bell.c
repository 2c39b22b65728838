/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: sleepers and producers at one bell, and every execution of theirs that C11 allows: nobody
 * sleeps on beside an event.
 */
#include "tests/models/bell_steps.h"
#include "tests/models/hold_several.h"

#include <string.h>

static void begin(void)
{
	memset(&bell, 0, sizeof(bell));
	memset((void *)tail, 0, sizeof(tail));
}

static void test_sleepers(void **state)
{
	const size_t count =
		sizeof(scripts) / sizeof(scripts[0]) - !is_long(); /* the last is long */

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct several several = {.begin = begin, .run = take_part, .end = judge};

		script = &scripts[i];
		several.threads = script->sleepers + script->producers;
		hold_several(script->name, &several);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sleepers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

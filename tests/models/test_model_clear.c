/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ranks of a worker that clear it, one whose clear file is made again, and a reader, and
 * every execution of theirs that C11 allows: no clear is lost, and no stamp goes back.
 */
#include "tests/models/clear_steps.h"
#include "tests/models/hold_several.h"

static const struct script scripts[] = {
	{"two ranks clear, one reads", 2, 0, 1, 0, 0},
	{"a rank clears beside a file made again", 1, 1, 1, 0, 2},
	{"two ranks, and a file made again", 2, 1, 0, 0, 1},
	{"where stamps begin again", 2, 1, 0, UINT32_MAX, 1},
};

static void test_clears(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct several several = {.begin = clear_begin, .run = take_part, .end = judge};

		script = &scripts[i];
		several.threads = script->clearers + script->raisers + script->readers;
		hold_several(script->name, &several);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

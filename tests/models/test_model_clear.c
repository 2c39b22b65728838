/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ranks of a worker whose clear file is lost, that clear it and go over to another one, and
 * every execution of theirs that C11 allows: no clear is lost, none is taken for another one.
 */
#include "tests/models/clear_steps.h"
#include "tests/models/hold_several.h"

#include <stdio.h>

static void test_clears(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct several several = {.begin = clear_begin,
					  .run = take_part,
					  .end = judge,
					  .threads = CLEAR_THREADS};
		char what[128];

		script = &scripts[i / 2];
		early = i % 2 == 0;
		while (!script->steps[several.threads - 1])
			several.threads--;
		snprintf(what, sizeof(what), "%s, %s", script->name,
			 early ? "no block stays" : "none is missing");
		hold_several(what, &several);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: two threads whose mappings are guarded and let go, in one another's places and slots, and
 * every execution of theirs that C11 allows, beside the handler of a third one's fault: it takes no
 * mapping for another, and what is guarded in the end is found.
 */
#include "tests/models/guard_steps.h"
#include "tests/models/hold_several.h"

#include <string.h>

static const struct script {
	const char *name;
	int turns[2][3]; /* of mappings, counted from 1 */
} scripts[] = {
	{"a mapping each", {{1}, {2}}},
	{"one's goes", {{1, 1}, {2}}},
	{"one's goes, and another's", {{1, 1}, {2, 2}}},
};

static const struct script *script;

static void begin(void)
{
	memset(entries, 0, sizeof(entries));
	memset(&all.end, 0, sizeof(all.end));
	guard_begin();
}

static void take_part(int thread)
{
	if (thread == 2) {
		(void)find();
		return;
	}
	guarded[script->turns[thread][0] - 1] = 0;
	for (int n = 0; script->turns[thread][n]; n++)
		turn(script->turns[thread][n] - 1);
}

static void judge(void)
{
	for (int i = 0; i < MAPPINGS; i++)
		MODEL_PROMISE(!guarded[i] || find());
}

static void test_threads(void **state)
{
	const size_t count =
		sizeof(scripts) / sizeof(scripts[0]) - !is_long(); /* the last is long */

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct several several = {3, begin, take_part, judge, 0};

		script = &scripts[i];
		memset(guarded, 0, sizeof(guarded));
		hold_several(script->name, &several);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: every script of a few mappings that are guarded and let go, in one another's places, and
 * every execution of it that C11 allows: the handler of another thread's fault takes no mapping for
 * another. One that its owner guards is found.
 */
#include "tests/models/guard_steps.h"
#include "tests/models/hold.h"

#include <string.h>

#define STEPS      5
#define STEPS_LONG 7

static void write_script(void)
{
	int steps = is_long() ? STEPS_LONG : STEPS;

	memset(guarded, 0, sizeof(guarded));
	for (int n = 0; n < steps; n++)
		turn((int)model_choose(MAPPINGS));
}

static void find_any(void)
{
	(void)find();
}

static void find_one(void)
{
	int any = 0;

	for (int i = 0; i < MAPPINGS; i++)
		any |= guarded[i];
	if (any)
		MODEL_PROMISE(find() && "what is guarded is found");
}

static void begin(void)
{
	memset(entries, 0, sizeof(entries));
	memset(&all.end, 0, sizeof(all.end));
	guard_begin();
	model_name(entries, sizeof(entries), "entry");
	model_name(&all.end, sizeof(all.end), "end");
}

static void test_a_fault(void **state)
{
	static const struct model model = {begin, write_script, find_any, find_one, 0};

	(void)state;
	hold("a fault", is_long() ? STEPS_LONG : STEPS, &model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

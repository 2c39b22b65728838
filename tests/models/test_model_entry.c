/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: every script of a few events, pulses and rebuilds of a rank, and every execution of
 * it that C11 allows: a walk shows the blocks of the event that its mark names, and an entry is read
 * as one pulse left it. Before each store the writer may have died.
 */
#include "tests/models/entry_steps.h"
#include "tests/models/hold.h"

#include <string.h>

#define STEPS      4
#define STEPS_LONG 6

static __typeof__(mine) initially;

static void write_script(void)
{
	int steps = is_long() ? STEPS_LONG : STEPS;

	mine = initially;
	for (int n = 0; n < steps; n++)
		take_step((enum kind)model_choose(KINDS));
}

static void begin(void)
{
	memset(&live, 0, sizeof(live));
	memset(&mine, 0, sizeof(mine));
	entry_begin();
	initially = mine;
	model_name(&live.version, sizeof(live.version), "version");
	model_name(live.event_id, sizeof(live.event_id), "event_id");
	model_name(live.identity, sizeof(live.identity), "identity");
	model_name(live.entry, sizeof(live.entry), "entry");
	model_name(block, sizeof(block), "block");
}

static void test_a_walk(void **state)
{
	static const struct model model = {begin, write_script, walk, NULL, 0};

	(void)state;
	hold("a walk", is_long() ? STEPS_LONG : STEPS, &model);
}

static void test_an_entry(void **state)
{
	static const struct model model = {begin, write_script, read_entry, NULL, 0};

	(void)state;
	hold("an entry", is_long() ? STEPS_LONG : STEPS, &model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_walk),
		cmocka_unit_test(test_an_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

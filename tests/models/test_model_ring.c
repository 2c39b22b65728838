/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: every execution that C11 allows of a producer that publishes a few events and a
 * reader of the ring, which is lapped or not: an event is read whole, as it was published, or not
 * at all. What lies below the tail, or what the barrier names, was published.
 */
#include "tests/models/ring_steps.h"
#include "tests/models/hold.h"

#include <string.h>

static const struct script scripts[] = {
	{"no lap", 8, 3, {1, HASHES, 0}},
	{"each slot anew", 1, 3, {1, 1, 1}},
	{"events over their own ends", 2, 3, {HASHES, HASHES, 1}},
	{"events over others' middles", 2, 3, {1, HASHES, HASHES}},
	{"a barrier that is lapped", 2, 3, {0, HASHES, 1}},
};

static void read_something(void)
{
	uint32_t how = model_choose(3);

	if (how == 0)
		(void)read_event((int)model_choose((uint32_t)script->events));
	else if (how == 1)
		read_below_tail((int)model_choose((uint32_t)script->events));
	else
		read_barrier();
}

static void begin(void)
{
	memset(slots, 0, sizeof(slots));
	memset(&live, 0, sizeof(live));
	ring_begin();
	model_name(slots, sizeof(slots), "slot");
	model_name(&live, sizeof(live), "live");
}

static void test_reading(void **state)
{
	static const struct model model = {begin, write_events, read_something, NULL, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		script = &scripts[i];
		hold(script->name, script->events, &model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

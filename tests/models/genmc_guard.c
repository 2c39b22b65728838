/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/guard_steps.h"

/* One thread's turns, or two threads' beside each other */
static const struct {
	const char *name;
	int threads, count;
	int turns[2][4];
} scripts[] = {
	{"another in the same place", 1, 3, {{0, 0, 1}}},
	{"a longer one, and back", 1, 4, {{0, 0, 2, 2}}},
	{"two threads, a mapping each", 2, 1, {{0}, {1}}},
	{"two threads, one's goes", 2, 2, {{0, 0}, {1, 1}}},
};

static void *take_turns(void *argument)
{
	int thread = (int)(intptr_t)argument;

	for (int n = 0; n < scripts[SCRIPT].count; n++)
		turn(scripts[SCRIPT].turns[thread][n]);
	return NULL;
}

int main(void)
{
	pthread_t threads[2];

	guard_begin();
	for (int i = 0; i < scripts[SCRIPT].threads; i++)
		if (pthread_create(&threads[i], NULL, take_turns, (void *)(intptr_t)i))
			abort();
	(void)find();
	for (int i = 0; i < scripts[SCRIPT].threads; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < MAPPINGS; i++)
		assert(!guarded[i] || find());
	return 0;
}

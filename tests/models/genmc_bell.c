/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/bell_steps.h"

static const struct script scripts[] = {
	{"a sleeper, a producer, one event", 1, 1, 1, 2},
	{"a sleeper, a producer, two events, asleep twice", 1, 1, 2, 3},
	{"a sleeper, two producers, an event each", 1, 2, 1, 2},
	{"two sleepers, a producer, two events", 2, 1, 2, 1},
	{"two sleepers, a producer, one event", 2, 1, 1, 2},
};

static void *start(void *argument)
{
	take_part((int)(intptr_t)argument);
	return NULL;
}

int main(void)
{
	pthread_t thread[SLEEPERS_MAX + PRODUCERS_MAX];
	int threads;

	script = &scripts[SCRIPT];
	threads = script->sleepers + script->producers;
	for (int i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, start, (void *)(intptr_t)i))
			abort();
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	judge();
	return 0;
}

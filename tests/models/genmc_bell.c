/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/bell_steps.h"

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

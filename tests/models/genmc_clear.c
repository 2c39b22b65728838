/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/clear_steps.h"

#ifndef EARLY
#define EARLY 1 /* of the promises the first; 0: the second */
#endif

static void *start(void *argument)
{
	take_part((int)(intptr_t)argument);
	return NULL;
}

int main(void)
{
	pthread_t thread[CLEAR_THREADS];
	int threads = CLEAR_THREADS;

	script = &scripts[SCRIPT];
	early = EARLY;
	while (!script->steps[threads - 1])
		threads--;
	clear_begin();
	for (int i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, start, (void *)(intptr_t)i))
			abort();
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	judge();
	return 0;
}

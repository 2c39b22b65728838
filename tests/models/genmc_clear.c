/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/clear_steps.h"

static const struct script scripts[] = {
	{"two ranks clear, one reads", 2, 0, 1, 0, 0},
	{"a rank clears beside a file made again", 1, 1, 1, 0, 2},
	{"two ranks, and a file made again", 2, 1, 0, 0, 1},
	{"where stamps begin again", 2, 1, 0, UINT32_MAX, 1},
};

static void *start(void *argument)
{
	take_part((int)(intptr_t)argument);
	return NULL;
}

int main(void)
{
	pthread_t thread[4];
	int threads;

	script = &scripts[SCRIPT];
	threads = script->clearers + script->raisers + script->readers;
	clear_begin();
	for (int i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, start, (void *)(intptr_t)i))
			abort();
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	judge();
	return 0;
}

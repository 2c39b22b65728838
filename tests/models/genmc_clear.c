/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/genmc.h"
#include "tests/models/clear_steps.h"

#ifndef EARLY
#define EARLY 1 /* of the promises the first; 0: the second */
#endif

static const struct script scripts[] = {
	{"two ranks clear, one reads", {"c", "c", "e"}, 0, 0},
	{"a clear in the lost file, one in the new", {"csg", "gcs"}, 5, 0},
	{"two clears, and a third rank", {"cg", "nc", "g"}, 5, 1},
	{"one brought over by two", {"cg", "fg", "ns"}, 5, 1},
	{"two in the lost file", {"csg", "csg"}, 5, 0},
	{"where stamps begin again", {"cg", "ncs"}, UINT32_MAX, 1},
	{"a rank that begins", {"csg", "os"}, 5, 0},
	{"a rank that begins, and clears", {"sg", "oc"}, 5, 0},
	{"the new one is lost, too", {"nsg", "sg", "l"}, 5, 1},
	{"likewise, cleared in it", {"ncg", "sg", "l"}, 5, 1},
	{"likewise, cleared in the first", {"nsg", "cg", "l"}, 5, 1},
	{"likewise, cleared in both", {"ncsg", "cg", "l"}, 5, 1},
	{"damaged, cleared meanwhile", {"cd", "os"}, 5, 0},
	{"damaged for one, lost for another", {"cd", "gs"}, 5, 0},
};

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

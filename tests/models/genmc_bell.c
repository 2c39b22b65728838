/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleepers and producers at one bell, in the order of shm/bell.h. All of them store, so model.c
 * cannot take it. In the end nobody sleeps beside an event: who does has seen all, or the word that
 * it waits on has moved.
 */
#include "tests/models/genmc.h"

#include "shm/bell.h"

static const struct {
	const char *name;
	int sleepers, producers, events, rounds;
} scripts[] = {
	{"a sleeper, a producer, one event", 1, 1, 1, 2},
	{"a sleeper, a producer, two events, asleep twice", 1, 1, 2, 3},
	{"two sleepers, a producer, one event", 2, 1, 1, 2},
	{"a sleeper, two producers, an event each", 1, 2, 1, 2},
	{"two sleepers, a producer, two events", 2, 1, 2, 1},
};

#define SLEEPERS_MAX  2
#define PRODUCERS_MAX 2

static struct rdx_bell bell;
static _Atomic uint64_t tail[PRODUCERS_MAX];

static struct {
	int asleep;
	uint32_t word;
	uint64_t seen;
} sleeper[SLEEPERS_MAX];

/* All that was published, as the sleeper sees it. */
static uint64_t look(void)
{
	uint64_t seen = 0;

	for (int i = 0; i < scripts[SCRIPT].producers; i++)
		seen += atomic_load_explicit(&tail[i], memory_order_acquire);
	return seen;
}

static void *sleep_beside(void *argument)
{
	int i = (int)(intptr_t)argument;
	uint64_t seen = 0;

	for (int round = 0; round < scripts[SCRIPT].rounds; round++) {
		uint32_t word = rdx_bell_arm(&bell);
		uint64_t now = look();

		if (now != seen) {
			seen = now;
			continue;
		}
		if (atomic_load_explicit(&bell.word, memory_order_acquire) != word)
			continue;
		sleeper[i].asleep = 1;
		sleeper[i].word = word;
		sleeper[i].seen = seen;
		break;
	}
	return NULL;
}

static void *publish(void *argument)
{
	int i = (int)(intptr_t)argument;

	for (int event = 0; event < scripts[SCRIPT].events; event++) {
		atomic_store_explicit(&tail[i], (uint64_t)event + 1, memory_order_release);
		rdx_bell_ring(&bell);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread[SLEEPERS_MAX + PRODUCERS_MAX];
	int sleepers = scripts[SCRIPT].sleepers, producers = scripts[SCRIPT].producers;

	for (int i = 0; i < sleepers; i++)
		if (pthread_create(&thread[i], NULL, sleep_beside, (void *)(intptr_t)i))
			abort();
	for (int i = 0; i < producers; i++)
		if (pthread_create(&thread[sleepers + i], NULL, publish, (void *)(intptr_t)i))
			abort();
	for (int i = 0; i < sleepers + producers; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < sleepers; i++)
		if (sleeper[i].asleep &&
		    atomic_load_explicit(&bell.word, memory_order_relaxed) == sleeper[i].word)
			assert(sleeper[i].seen == (uint64_t)(producers * scripts[SCRIPT].events));
	return 0;
}

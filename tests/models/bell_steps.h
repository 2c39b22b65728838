/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleepers and producers at one bell, in the order of shm/bell.h. All of them store. In the end nobody
 * sleeps beside an event: who does has seen all, or the word that it waits on has moved.
 */
#ifndef RDX_TESTS_MODELS_BELL_STEPS_H
#define RDX_TESTS_MODELS_BELL_STEPS_H

#include "tests/models/model.h"

#include "shm/bell.h"

#define SLEEPERS_MAX  2
#define PRODUCERS_MAX 2

struct script {
	const char *name;
	int sleepers, producers, events, rounds;
};

static const struct script scripts[] = {
	{"a sleeper, a producer, one event", 1, 1, 1, 2},
	{"a sleeper, a producer, two events, asleep twice", 1, 1, 2, 3},
	{"a sleeper, two producers, an event each", 1, 2, 1, 2},
	{"two sleepers, a producer, two events", 2, 1, 2, 1},
	{"two sleepers, a producer, one event", 2, 1, 1, 2},
};

static const struct script *script;
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

	for (int i = 0; i < script->producers; i++)
		seen += atomic_load_explicit(&tail[i], memory_order_acquire);
	return seen;
}

static void sleep_beside(int i)
{
	uint64_t seen = 0;

	sleeper[i].asleep = 0;
	for (int round = 0; round < script->rounds; round++) {
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
}

static void publish(int i)
{
	for (int event = 0; event < script->events; event++) {
		atomic_store_explicit(&tail[i], (uint64_t)event + 1, memory_order_release);
		rdx_bell_ring(&bell);
	}
}

static void take_part(int thread)
{
	if (thread < script->sleepers)
		sleep_beside(thread);
	else
		publish(thread - script->sleepers);
}

static void judge(void)
{
	uint32_t word = atomic_load_explicit(&bell.word, memory_order_relaxed);
	uint64_t all = (uint64_t)(script->producers * script->events);

	for (int i = 0; i < script->sleepers; i++)
		MODEL_PROMISE(!sleeper[i].asleep || sleeper[i].word != word ||
			      sleeper[i].seen == all);
}

#endif

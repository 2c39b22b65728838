/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks of one worker that clear it, one that makes up for a copy of its file which has seen more, and
 * a reader, by the functions of shm/clear.h. Every clear counts, and has a stamp of its own; the stamp
 * never goes back; who heard of a stamp from a rank finds it in the file.
 */
#ifndef RDX_TESTS_MODELS_CLEAR_STEPS_H
#define RDX_TESTS_MODELS_CLEAR_STEPS_H

#include "tests/models/model.h"

#include "shm/clear.h"
#include "shm/words.h"

#define CLEARERS_MAX 2

struct script {
	const char *name;
	int clearers, raisers, readers; /* threads, in this order */
	uint32_t stamp;                 /* to begin with */
	uint32_t lost;                  /* clears that the copy has seen since */
};

static const struct script *script;
static struct rdx_clear clear_file;
static _Atomic uint64_t event[CLEARERS_MAX]; /* what a rank's ring says: its stamp + 1 */

static uint32_t stamp_of[CLEARERS_MAX];

/* After `script`. */
static void clear_begin(void)
{
	clear_file.stamp = script->stamp;
	for (int i = 0; i < CLEARERS_MAX; i++)
		event[i] = 0;
}

static void clear_worker(int i)
{
	stamp_of[i] = rdx_clear_bump(&clear_file);
	atomic_store_explicit(&event[i], (uint64_t)stamp_of[i] + 1, memory_order_release);
}

/* What was cleared by one that is heard of is cleared in the file, then and later. */
static void read_clears(void)
{
	uint64_t heard = atomic_load_explicit(&event[0], memory_order_acquire);
	uint32_t stamp = rdx_clear_stamp(&clear_file), later = rdx_clear_stamp(&clear_file);

	MODEL_PROMISE(!rdx_clear_before(later, stamp));
	MODEL_PROMISE(!heard || !rdx_clear_before(stamp, (uint32_t)(heard - 1)));
}

static void take_part(int thread)
{
	if (thread < script->clearers)
		clear_worker(thread);
	else if (thread < script->clearers + script->raisers)
		rdx_clear_raise(&clear_file, script->stamp + script->lost);
	else
		read_clears();
}

static void judge(void)
{
	uint32_t stamp = rdx_clear_stamp(&clear_file), clears = (uint32_t)script->clearers;
	uint32_t least = clears > script->lost ? clears : script->lost;

	MODEL_PROMISE(!rdx_clear_before(stamp, script->stamp + least) && "every clear counts");
	for (int i = 0; i < script->clearers; i++)
		MODEL_PROMISE(rdx_clear_before(script->stamp, stamp_of[i]) &&
			      !rdx_clear_before(stamp, stamp_of[i]));
	MODEL_PROMISE(script->clearers < 2 || stamp_of[0] != stamp_of[1]);
}

#endif

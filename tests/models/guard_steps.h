/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mappings that are guarded and let go, by the functions of shm/, and what its handler finds of them. Their
 * places are those of one another, as the kernel gives them: base and length that are not of the same
 * mapping are somebody else's memory.
 */
#ifndef RDX_TESTS_MODELS_GUARD_STEPS_H
#define RDX_TESTS_MODELS_GUARD_STEPS_H

#include "tests/models/model.h"

#include "shm/guarded.h"

#define MAPPINGS 3
#define ADDRESS  ((uintptr_t)0x11800) /* in all of them */

static struct rdx_mapping mapping[MAPPINGS];
static struct rdx_guarded entries[MAPPINGS];
static struct rdx_guarded_all all = {.entry = entries, .max = MAPPINGS};
static int guarded[MAPPINGS]; /* as their owner knows, whose access may fault */

static void guard_begin(void)
{
	static const uintptr_t base[MAPPINGS] = {0x10000, 0x11000, 0x10000};
	static const uint64_t bytes[MAPPINGS] = {0x2000, 0x1000, 0x4000};

	for (int i = 0; i < MAPPINGS; i++) {
		mapping[i].base = (void *)base[i];
		mapping[i].bytes = bytes[i];
	}
}

static void turn(int i)
{
	if (guarded[i]) {
		guarded[i] = 0;
		rdx_guarded_remove(&all, &mapping[i]);
	} else {
		guarded[i] = rdx_guarded_add(&all, &mapping[i], &guarded[i]) == 0;
	}
}

/* The handler finds a mapping as it was guarded, or none. */
static const struct rdx_mapping *find(void)
{
	struct rdx_guarded_seen seen;

	if (!rdx_guarded_find(&all, ADDRESS, &seen))
		return NULL;
	MODEL_PROMISE((uintptr_t)seen.mapping->base == seen.base &&
		      seen.mapping->bytes == seen.bytes &&
		      seen.group == &guarded[seen.mapping - mapping]);
	return seen.mapping;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The segment of a hostile worker: one file that stays mapped, filled with what a publisher once
 * wrote, and changed as an input says.
 */
#ifndef RDX_TESTS_FUZZ_HOSTILE_H
#define RDX_TESTS_FUZZ_HOSTILE_H

#include "shm/namespace.h"
#include "shm/namespace_layout.h"
#include "shm/segment_layout.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/served.h"

#define HOSTILE_WORKER 666
#define HOSTILE_IMAGES 6
#define HOSTILE_FILES  2
#define HOSTILE_BYTES  (UINT64_C(32) << 10) /* of the file: no image is longer */
#define HOSTILE_MODEL  "model"

/* What a publisher left behind, as another worker's. */
struct hostile_image {
	uint8_t *bytes;
	uint64_t count;
	struct rdx_clear clear; /* the worker's file; {0}: it has none */
};

struct hostile {
	const struct fuzz_place *place;
	struct hostile_image images[HOSTILE_IMAGES];
	const struct hostile_image *image; /* that was placed */
	uint8_t *bytes;
	uint64_t count; /* of the file now, 0 or more: an input may shorten it */
	struct rdx_clear *clear;
	struct served files[HOSTILE_FILES]; /* the same, to be served */
	char names[HOSTILE_FILES][RDX_NAME_BYTES];
	int fd;
	int clear_fd;
};

/* Make the images and the files. */
void hostile_make(struct hostile *hostile, const struct fuzz_place *place);

/* Fill the files with image `number`, as if nothing had happened. */
void hostile_place(struct hostile *hostile, uint32_t number);

/* Change a word somewhere: in header, live words, slots, ledger, clear file; now or at a step. */
void hostile_patch(struct hostile *hostile, struct fuzz_input *in);

/* Append an event that is well formed, and a lie. */
void hostile_lie(struct hostile *hostile, struct fuzz_input *in);

/* Cut the file, under whoever has it mapped. */
void hostile_truncate(struct hostile *hostile, struct fuzz_input *in);

/* Hold the segment as a running process does, or not. */
void hostile_hold(struct hostile *hostile, int held);

/* Local hash of block number `i`, the same in every segment. */
static inline uint64_t hostile_local(uint64_t i)
{
	return (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

#endif

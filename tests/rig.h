/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The base of tests: a namespace of their own, and a producer that publishes by the cores alone
 * (shm/publish.h), without the publisher's map.
 */
#ifndef RDX_TESTS_RIG_H
#define RDX_TESTS_RIG_H

#include "shm/publish.h"
#include "shm/segment.h"
#include "tests/held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A new directory, in memory if there is room; removed with its content by rig_remove or at the end
 * of the process. */
struct rig {
	char dir[HELD_PATH_BYTES];
	int dir_fd;
	struct rdx_hash_key key;
};
void rig_make(struct rig *rig);
void rig_remove(struct rig *rig);

/* The same as setup and teardown of a test: *state is a struct rig. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* A producer without a map. */
struct rig_producer {
	struct rdx_segment_owner owner;
	uint64_t tail;
	uint64_t event_id;
	uint64_t used;        /* ledger records handed out by rig_store_run */
	uint32_t generations; /* of the ledger */
	uint32_t stamp;
};

/* A spec with one tier of `blocks` blocks; change it before rig_claim. */
struct rdx_segment_spec rig_spec(uint64_t worker_id, uint32_t dp_rank, uint64_t ring_slots,
				 uint64_t blocks);
int rig_claim(struct rig *rig, struct rig_producer *ret_producer,
	      const struct rdx_segment_spec *spec);
void rig_release(struct rig_producer *producer);

/* Publish an event; its id is the next one where it is 0, its generations are the rig's. `words`
 * NULL: its blocks get no ledger words, which no real publisher does. */
void rig_publish(struct rig_producer *producer, const struct rdx_publish *event);

/* The same, of parts, without ledger words. */
void rig_append(struct rig_producer *producer, uint8_t kind, uint8_t tier, uint64_t parent,
		const uint64_t *hashes, uint32_t count);

#define RIG_RUN_MAX 64

/* At most RIG_RUN_MAX blocks in a row under the root in tier 0, ledger and ring; local hashes given. */
void rig_store_run(struct rig *rig, struct rig_producer *producer, const uint64_t *local,
		   uint32_t count);

/* One block, likewise. */
void rig_store(struct rig *rig, struct rig_producer *producer, uint64_t local);
void rig_clear(struct rig_producer *producer);

/* Seed of a property test: from the environment variable RDX_SEED, else random; printed
 * when the test fails. */
uint64_t rig_seed(void);

/* A small fast generator for tests. */
static inline uint64_t rig_random(uint64_t *state)
{
	uint64_t x = (*state += UINT64_C(0x9e3779b97f4a7c15));

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

#endif

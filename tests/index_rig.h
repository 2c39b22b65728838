/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The base of index tests: a writer driven directly, without rings.
 */
#ifndef RDX_TESTS_INDEX_RIG_H
#define RDX_TESTS_INDEX_RIG_H

#include "consumer/index/index_handle.h"
#include "consumer/writer/writer.h"
#include "shm/clock.h"
#include "tests/rig.h"

#include <errno.h>
#include <string.h>

#define RIG_MODEL          "model"
#define RIG_NEVER_STALE_NS UINT64_C(1000000000000) /* however slow the machine */

/* A rank with the tiers 0 .. tiers - 1. */
static inline struct rdx_rank_info rig_info(uint64_t worker_id, uint32_t dp_rank, uint32_t tiers)
{
	struct rdx_rank_info info = {.worker_id = worker_id, .dp_rank = dp_rank};

	for (uint32_t tier = 0; tier < tiers; tier++)
		info.tier_blocks[tier] = 1000;
	strcpy(info.instance, "http://localhost:8000");
	return info;
}

static inline int rig_writer(struct rig *rig, const struct rdx_writer_options *options,
			     struct rdx_index_writer **ret_writer)
{
	return rdx_writer_open(ret_writer, rig->dir_fd, &rig->key, RIG_MODEL, "", 16, options);
}

static inline int rig_index(struct rig *rig, struct rdx_index **ret_index)
{
	struct rdx_index_key key = {.size = sizeof(key),
				    .model = RIG_MODEL,
				    .block_tokens = 16,
				    .flags = RDX_INDEX_ALL_RANKS};

	return rdx_index_open(ret_index, rig->dir, &key);
}

#define RIG_MANY (UINT64_C(1) << 40) /* blocks: it waits for whatever is being built */

/* rdx_writer_rank_begin, after the work that it waits for. */
static inline int rig_begin(struct rdx_index_writer *writer, int rank)
{
	int r;

	while ((r = rdx_writer_rank_begin(writer, rank, RIG_MANY)) == -EAGAIN)
		rdx_writer_step(writer);
	return r;
}

static inline void rig_pulse(struct rdx_index_writer *writer, int rank, uint8_t state,
			     uint64_t epoch, uint64_t event_id)
{
	struct rdx_writer_pulse pulse = {
		.state = state, .epoch = epoch, .event_id = event_id, .seen_ns = rdx_clock_ns()};

	rdx_writer_rank_pulse(writer, rank, &pulse);
}

/* Changes made at once; -ENOSPC where a block did not fit. */
static inline int rig_settle(struct rdx_index_writer *writer, int rank, int r)
{
	rdx_writer_flush(writer);
	return rdx_writer_rank_lost(writer, rank) && r == 0 ? -ENOSPC : r;
}

static inline int rig_event(struct rdx_index_writer *writer, int rank,
			    const struct rdx_event *event, const uint64_t *prefix)
{
	int r = rdx_writer_apply_event(writer, rank, event, prefix);

	return r == -EINVAL ? r : rig_settle(writer, rank, r);
}

static inline int rig_blocks(struct rdx_index_writer *writer, int rank, uint8_t tier,
			     const uint64_t *prefix, uint32_t count)
{
	return rig_settle(writer, rank, rdx_writer_apply_blocks(writer, rank, tier, prefix, count));
}

/* The row of a rank, or NULL. */
static inline const struct rdx_run *rig_row(const struct rdx_run *runs, int count,
					    uint64_t worker_id, uint32_t dp_rank)
{
	for (int i = 0; i < count; i++) {
		if (runs[i].worker_id == worker_id && runs[i].dp_rank == dp_rank)
			return &runs[i];
	}
	return NULL;
}

#endif

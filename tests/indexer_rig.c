/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/indexer_rig.h"

#include "tests/patience.h"

#include <errno.h>
#include <string.h>

#define SLEEP_NS 2000000

void indexer_rig_make(struct indexer_rig *x)
{
	memset(x, 0, sizeof(*x));
	rig_make(&x->rig);
	x->dir = x->rig.dir;
}

void indexer_rig_open(struct indexer_rig *x, uint32_t wait_mode)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};

	options.dir = x->dir;
	options.initial_blocks = 256;
	options.wait_mode = wait_mode;
	options.liveness_ns = x->liveness_ns;
	options.stale_after_ns = x->stale_after_ns ? x->stale_after_ns : INDEXER_NEVER_STALE;
	assert_int_equal(rdx_indexer_open(&x->indexer, &options), 0);
}

void indexer_rig_end(struct indexer_rig *x)
{
	rdx_index_close(x->index);
	rdx_indexer_close(x->indexer);
	rig_remove(&x->rig);
}

struct rdx_publisher_options prompt_options(const struct indexer_rig *x, uint64_t worker_id,
					    uint32_t dp_rank, int tiers, uint64_t blocks)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	options.dir = x->dir;
	options.instance = "http://localhost:8000";
	options.model = WORKER_MODEL;
	options.worker_id = worker_id;
	options.dp_rank = dp_rank;
	options.ring_slots = 64;
	for (int tier = 0; tier < tiers; tier++)
		options.tier_blocks[tier] = blocks;
	return options;
}

struct rdx_publisher *prompt_publisher(const struct indexer_rig *x, uint64_t worker_id,
				       uint32_t dp_rank)
{
	struct rdx_publisher_options options = prompt_options(x, worker_id, dp_rank, 2, 64);
	struct rdx_publisher *publisher = NULL;

	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	return publisher;
}

void prompt_locals(uint64_t prompt, uint32_t count, uint64_t *ret_locals)
{
	assert_in_range(count, 1, PROMPT_MAX);
	for (uint32_t i = 0; i < count; i++)
		ret_locals[i] = prompt << 32 | (i + 1);
}

void prompt_store(struct rdx_publisher *publisher, uint64_t prompt, uint32_t count, uint8_t tier)
{
	uint64_t locals[PROMPT_MAX];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = locals,
				    .local_hashes = locals,
				    .count = count,
				    .tier = tier,
				    .name_bytes = 8};

	prompt_locals(prompt, count, locals);
	assert_int_equal(rdx_publish_stored(publisher, &stored), 0);
}

void prompt_remove(struct rdx_publisher *publisher, uint64_t prompt, uint32_t first, uint32_t count,
		   uint8_t tier)
{
	uint64_t names[PROMPT_MAX];
	struct rdx_removed removed = {.size = sizeof(removed),
				      .names = names,
				      .count = count,
				      .tier = tier,
				      .name_bytes = 8};

	assert_in_range(count, 0, PROMPT_MAX);
	for (uint32_t i = 0; i < count; i++)
		names[i] = prompt << 32 | (first + i + 1);
	assert_int_equal(rdx_publish_removed(publisher, &removed), 0);
}

static void see(void *context, uint64_t prefix, uint8_t tiers)
{
	struct prompt_held *held = context;
	uint64_t state = prefix + tiers;

	held->sum += rig_random(&state);
	held->count++;
}

struct prompt_held prompt_held(struct indexer_rig *x, uint64_t worker_id)
{
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	struct prompt_held held;
	int r = -EAGAIN;

	UNTIL (r == 0) {
		held = (struct prompt_held){0};
		r = rdx_index_each(x->index, worker_id, 0, see, &held, &mark);
		if (r != 0)
			indexer_poll(x);
	}
	return held;
}

int prompt_run(struct rdx_index *index, uint64_t prompt, uint32_t count, uint64_t worker_id,
	       uint32_t dp_rank)
{
	uint64_t locals[PROMPT_MAX];
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	const struct rdx_run *row;
	int rows;

	prompt_locals(prompt, count, locals);
	rows = rdx_index_lookup_local(index, locals, count, runs, RDX_RANKS_MAX);
	assert_true(rows >= 0);
	row = worker_row(runs, rows, worker_id, dp_rank);
	return row ? (int)row->blocks[RDX_TIER_COUNT - 1] : -1;
}

void indexer_poll(struct indexer_rig *x)
{
	int r = rdx_indexer_poll(x->indexer, 0);

	assert_true(r >= 0);
	if (r == 0)
		assert_true(rdx_indexer_wait(x->indexer, SLEEP_NS) >= 0);
}

static int is_in_state(struct indexer_rig *x, uint64_t worker_id, uint32_t dp_rank, uint8_t state,
		       const struct rdx_publisher *publisher, struct rdx_index_rank *info)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	struct rdx_index_key key = {
		.size = sizeof(key), .model = WORKER_MODEL, .flags = RDX_INDEX_ALL_RANKS};

	if (!x->index && rdx_index_open(&x->index, x->dir, &key) < 0)
		return 0;
	if (worker_find(x->index, worker_id, dp_rank, info) != 1 || info->state != state)
		return 0;
	if (publisher)
		assert_int_equal(rdx_publisher_get_stats(publisher, &stats), 0);
	return !publisher || info->last_event_id == stats.events;
}

void until_state(struct indexer_rig *x, uint64_t worker_id, uint32_t dp_rank, uint8_t state,
		 const struct rdx_publisher *publisher, struct rdx_index_rank *ret_info)
{
	struct patience patience = patience_begin();
	struct rdx_index_rank info = {.size = sizeof(info), .state = UINT8_MAX};

	while (!is_in_state(x, worker_id, dp_rank, state, publisher, &info)) {
		indexer_poll(x);
		if (!patience_is_over(&patience))
			continue;
		print_message("worker %llu rank %u: state %u, not %u; cause %d, event %llu\n",
			      (unsigned long long)worker_id, dp_rank, info.state, state, info.cause,
			      (unsigned long long)info.last_event_id);
		fail();
	}
	if (ret_info)
		*ret_info = info;
}

static int32_t cause_of(const struct indexer_rig *x, uint64_t worker_id, uint32_t dp_rank)
{
	struct rdx_segment_row row = {.size = sizeof(row)};

	for (uint32_t i = 0; rdx_indexer_segment(x->indexer, i, &row) == 0; i++)
		if (row.worker_id == worker_id && row.dp_rank == dp_rank)
			return row.cause;
	return 1; /* not seen */
}

void until_cause(struct indexer_rig *x, uint64_t worker_id, uint32_t dp_rank, int32_t cause)
{
	struct patience patience = patience_begin();

	while (cause_of(x, worker_id, dp_rank) != cause) {
		indexer_poll(x);
		if (!patience_is_over(&patience))
			continue;
		print_message("worker %llu rank %u: cause %d, not %d\n",
			      (unsigned long long)worker_id, dp_rank,
			      cause_of(x, worker_id, dp_rank), cause);
		fail();
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/caller.h"

#include "shm/bell.h"
#include "shm/bell_file.h"
#include "shm/clear.h"
#include "shm/clear_file.h"
#include "shm/hook.h"
#include "shm/namespace.h"

#include <errno.h>
#include <unistd.h>

#define REST_US 100

void caller_stream(struct stream *stream, const struct rdx_hash_key *key,
		   const struct caller_plan *plan)
{
	stream_make(stream, key, plan->seed, plan->clear_in);
	stream->rooted = 1;
	stream->worker_clears = plan->clear_scope == RDX_CLEAR_WORKER;
}

int caller_open(struct rdx_publisher **ret_publisher, const struct caller_plan *plan)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	options.dir = plan->child.dir;
	options.instance = "http://localhost:8000";
	options.model = "model";
	options.worker_id = plan->worker_id;
	options.ring_slots = plan->ring_slots;
	options.clear_scope = plan->clear_scope;
	options.remembered_names = STREAM_BLOCKS;
	for (int tier = 0; tier < STREAM_TIERS; tier++)
		options.tier_blocks[tier] = STREAM_BLOCKS;
	return rdx_publisher_open(ret_publisher, &options);
}

static uint64_t events_of(const struct rdx_publisher *publisher)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	return rdx_publisher_get_stats(publisher, &stats) < 0 ? 0 : stats.events;
}

static int call_stored(const struct stream *stream, const struct stream_op *op,
		       struct rdx_publisher *publisher)
{
	const uint64_t *names = stream->local + op->first; /* as good as any */
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .parent = op->first % STREAM_DEPTH ? names - 1 : NULL,
				    .local_hashes = op->hashes,
				    .count = op->count,
				    .tier = op->tier,
				    .name_bytes = 8};

	return rdx_publish_stored(publisher, &stored);
}

/* Sometimes there is a second copy of each block first, whose coming and going is no event. */
static int call_removed(const struct stream *stream, const struct stream_op *op,
			struct rdx_publisher *publisher)
{
	uint64_t names[STREAM_DEPTH];
	struct rdx_stored copies = {.size = sizeof(copies),
				    .names = names,
				    .count = op->count,
				    .tier = op->tier,
				    .name_bytes = 8};
	struct rdx_removed removed = {.size = sizeof(removed),
				      .names = names,
				      .count = op->count,
				      .tier = op->tier,
				      .name_bytes = 8};
	int r = 0;

	for (uint32_t i = 0; i < op->count; i++)
		names[i] = stream->local[op->first + op->count - 1 - i];
	if (op->first % 4 == 0) {
		r = rdx_publish_stored(publisher, &copies);
		if (r == 0)
			r = rdx_publish_removed(publisher, &removed);
	}
	return r < 0 ? r : rdx_publish_removed(publisher, &removed);
}

int caller_step(struct stream *stream, struct rdx_publisher *publisher)
{
	struct stream_op op;
	int r;

	stream_next(stream, &op);
	if (op.kind == RDX_EVENT_STORED)
		r = call_stored(stream, &op, publisher);
	else if (op.kind == RDX_EVENT_REMOVED)
		r = call_removed(stream, &op, publisher);
	else
		r = rdx_publish_cleared(publisher, op.tier, 0);
	if (r < 0)
		return r;
	return events_of(publisher) == stream->event_id ? 0 : -EPROTO;
}

static int call_on(struct caller_plan *plan, const struct rdx_hash_key *key,
		   struct rdx_publisher *publisher, struct rdx_bell *bell)
{
	static struct stream stream;
	int r = 0;

	caller_stream(&stream, key, plan);
	while (r == 0) {
		if (stream.event_id >= atomic_load(&plan->limit)) {
			usleep(REST_US);
			continue;
		}
		rdx_bell_arm(bell); /* so that there is a sleeper to ring for */
		atomic_store(&plan->begun, stream.event_id + 1);
		r = caller_step(&stream, publisher);
		atomic_store(&plan->completed, stream.event_id);
	}
	return r;
}

uint32_t caller_clear_stamp(const struct caller_plan *plan, int dir_fd)
{
	struct rdx_mapping clear = {.fd = -1};
	uint32_t now;

	if (rdx_clear_file_open(&clear, dir_fd, plan->worker_id, 0, 0) < 0)
		return 0;
	now = rdx_clear_stamp(clear.base);
	rdx_mapping_close(&clear);
	return now;
}

int caller_main(const char *path)
{
	struct caller_plan *plan = child_attend(path, sizeof(*plan));
	struct rdx_mapping bell = {.fd = -1};
	struct rdx_publisher *publisher;
	struct rdx_hash_key key;
	int dir_fd;

	if (!plan)
		return 2;
	child_heed(&plan->child);
	dir_fd = rdx_namespace_open(plan->child.dir, 0);
	if (dir_fd < 0 || rdx_namespace_key(dir_fd, 0, &key) < 0 ||
	    rdx_bell_file_open(&bell, dir_fd, 1) < 0 || caller_open(&publisher, plan) < 0)
		return 3;
	return call_on(plan, &key, publisher, bell.base) == -EPROTO ? 4 : 5;
}

int caller_is_newest(const struct caller_plan *plan, uint32_t step, uint64_t event_id)
{
	uint64_t completed = atomic_load(&plan->completed);
	uint64_t begun = atomic_load(&plan->begun);

	if (step == RDX_HOOK_SLOT_PUBLISHED) /* of the first slot, or of another */
		return event_id == completed || event_id == begun;
	if (step >= RDX_HOOK_EVENT_PUBLISHED && step <= RDX_HOOK_BELL_RUNG)
		return event_id == begun;
	return event_id == completed;
}

int caller_is_in_mid_event(uint32_t step)
{
	return step >= RDX_HOOK_LEDGER_INTENT && step <= RDX_HOOK_SLOT_PUBLISHED;
}

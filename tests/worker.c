/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/worker.h"

#include "tests/patience.h"

#include "consumer/index/index_handle.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define REMOVED_MAX 16
#define PACE_EVERY  16
#define REST_US     100

/* The two conversations of a pair share their first blocks. */
static uint32_t owner_of(uint32_t chain, uint32_t depth)
{
	return depth < WORKER_DEPTH / 4 ? chain / 2 * 2 : chain;
}

static uint32_t node_of(uint32_t chain, uint32_t depth)
{
	return owner_of(chain, depth) * WORKER_DEPTH + depth;
}

static uint64_t local_of(const struct worker_stream *stream, uint32_t chain, uint32_t depth)
{
	uint64_t state = ((uint64_t)stream->era << 32) + node_of(chain, depth);

	return rig_random(&state);
}

static uint64_t name_of(const struct worker_stream *stream, uint32_t node)
{
	uint64_t state = stream->seed ^ ((uint64_t)stream->era << 32 | node) << 1;

	return rig_random(&state) | 1;
}

void worker_stream_make(struct worker_stream *stream, uint64_t seed, uint32_t clear_in)
{
	memset(stream, 0, sizeof(*stream));
	stream->random = stream->seed = seed;
	stream->clear_in = clear_in;
}

static void set_copies(struct worker_stream *stream, uint32_t node, uint32_t tier, uint8_t copies)
{
	uint8_t *now = &stream->copies[node][tier];

	stream->held[tier] += (copies > 0) - (*now > 0);
	*now = copies;
}

static int is_held(const struct worker_stream *stream, uint32_t node)
{
	int held = 0;

	for (int tier = 0; tier < WORKER_TIERS; tier++)
		held |= stream->copies[node][tier] > 0;
	return held;
}

/* A run of a conversation, if its parent is held and the ledger can take all of it. */
static int store(struct worker_stream *stream, struct rdx_publisher *publisher)
{
	uint32_t chain = (uint32_t)(rig_random(&stream->random) % WORKER_CHAINS);
	uint32_t first = (uint32_t)(rig_random(&stream->random) % WORKER_DEPTH);
	uint32_t count = 1 + (uint32_t)(rig_random(&stream->random) % (WORKER_DEPTH - first));
	uint8_t tier = (uint8_t)(rig_random(&stream->random) % WORKER_TIERS);
	uint64_t names[WORKER_DEPTH], locals[WORKER_DEPTH], parent;
	struct rdx_stored stored = {.names = names,
				    .local_hashes = locals,
				    .count = count,
				    .tier = tier,
				    .name_bytes = 8};

	if (stream->held[tier] + count > WORKER_BLOCKS)
		return 0;
	if (first > 0) {
		if (!is_held(stream, node_of(chain, first - 1)))
			return 0;
		parent = name_of(stream, node_of(chain, first - 1));
		stored.parent = &parent;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t node = node_of(chain, first + i);

		if (stream->copies[node][tier] == UINT8_MAX)
			return 0;
		names[i] = name_of(stream, node);
		locals[i] = local_of(stream, chain, first + i);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t node = node_of(chain, first + i);

		set_copies(stream, node, tier, stream->copies[node][tier] + 1);
	}
	return publisher ? rdx_publish_stored(publisher, &stored) : 0;
}

static int remove_some(struct worker_stream *stream, struct rdx_publisher *publisher)
{
	uint32_t count = 1 + (uint32_t)(rig_random(&stream->random) % REMOVED_MAX);
	uint8_t tier = (uint8_t)(rig_random(&stream->random) % WORKER_TIERS);
	uint64_t names[REMOVED_MAX];
	struct rdx_removed removed = {.names = names, .tier = tier, .name_bytes = 8};

	for (uint32_t i = 0; i < count; i++) {
		uint32_t node = (uint32_t)(rig_random(&stream->random) % WORKER_NODES);

		if (!stream->copies[node][tier])
			continue;
		names[removed.count++] = name_of(stream, node);
		set_copies(stream, node, tier, stream->copies[node][tier] - 1);
	}
	return publisher && removed.count ? rdx_publish_removed(publisher, &removed) : 0;
}

static int clear(struct worker_stream *stream, struct rdx_publisher *publisher, uint8_t scope)
{
	for (uint32_t tier = 0; tier < WORKER_TIERS; tier++)
		for (uint32_t node = 0; node < WORKER_NODES; node++)
			if (scope == RDX_SCOPE_ALL || scope == tier)
				set_copies(stream, node, tier, 0);
	stream->era += scope == RDX_SCOPE_ALL;
	return publisher ? rdx_publish_cleared(publisher, scope, 0) : 0;
}

int worker_step(struct worker_stream *stream, struct rdx_publisher *publisher)
{
	uint64_t what = rig_random(&stream->random);

	stream->done++;
	if (stream->clear_in && what % stream->clear_in == 0)
		return clear(stream, publisher, RDX_SCOPE_ALL);
	what = rig_random(&stream->random) % 1000;
	if (what < 5)
		return clear(stream, publisher, (uint8_t)(what % WORKER_TIERS));
	return what < 480 ? remove_some(stream, publisher) : store(stream, publisher);
}

void worker_prefixes(const struct worker_stream *stream, const struct rdx_hash_key *key,
		     uint32_t chain, uint64_t *ret_prefixes)
{
	uint64_t locals[WORKER_DEPTH];

	for (uint32_t depth = 0; depth < WORKER_DEPTH; depth++)
		locals[depth] = local_of(stream, chain, depth);
	rdx_hash_chain(key, 0, locals, WORKER_DEPTH, ret_prefixes);
}

static uint32_t true_run(const struct worker_stream *stream, uint32_t chain, uint32_t set)
{
	uint32_t run = 0;

	for (; run < WORKER_DEPTH; run++) {
		const uint8_t *copies = stream->copies[node_of(chain, run)];
		int found = 0;

		for (uint32_t tier = 0; tier <= set && tier < WORKER_TIERS; tier++)
			found |= copies[tier] > 0;
		if (!found)
			break;
	}
	return run;
}

const struct rdx_run *worker_row(const struct rdx_run *runs, int count, uint64_t worker_id,
				 uint32_t dp_rank)
{
	for (int i = 0; i < count; i++)
		if (runs[i].worker_id == worker_id && runs[i].dp_rank == dp_rank)
			return &runs[i];
	return NULL;
}

/* Answers about one conversation that are not the stream's. */
static int compare_chain(struct rdx_index *index, const struct worker_stream *stream,
			 uint64_t worker_id, uint32_t dp_rank, uint32_t chain)
{
	uint64_t prefixes[WORKER_DEPTH];
	struct rdx_run runs[RDX_RANKS_MAX];
	const struct rdx_run *row;
	int count, differences = 0;

	worker_prefixes(stream, rdx_index_hash_key(index), chain, prefixes);
	count = rdx_index_lookup(index, prefixes, WORKER_DEPTH, runs, RDX_RANKS_MAX);
	if (count < 0)
		return count;
	row = worker_row(runs, count, worker_id, dp_rank);
	if (!row)
		return -ENOENT;
	for (uint32_t set = 0; set < RDX_TIER_COUNT; set++) {
		uint32_t want = true_run(stream, chain, set);

		if (row->blocks[set] == want)
			continue;
		print_message("worker %llu rank %u chain %u set %u: %u blocks, not %u "
			      "(state %u, scanned %u)\n", (unsigned long long)worker_id, dp_rank,
			      chain, set, row->blocks[set], want, row->state, row->scanned);
		differences++;
	}
	return differences;
}

int worker_differences(struct rdx_index *index, const struct worker_stream *stream,
		       uint64_t worker_id, uint32_t dp_rank)
{
	struct patience patience = patience_begin();
	struct rdx_difference difference;
	uint64_t held = 0;
	int differences = 0, r;

	for (int scan = 0; scan <= 1; scan++) {
		rdx_index_force_scan(index, scan);
		for (uint32_t chain = 0; chain < WORKER_CHAINS; chain++) {
			r = compare_chain(index, stream, worker_id, dp_rank, chain);
			if (r < 0)
				return r;
			differences += r;
		}
	}
	rdx_index_force_scan(index, 0);
	/* STALE for a moment, where the indexer does not run for long */
	while ((r = rdx_index_verify(index, worker_id, dp_rank, &difference)) == -ESTALE &&
	       !patience_is_over(&patience))
		usleep(1000);
	if (r < 0)
		return r;
	for (int tier = 0; tier < WORKER_TIERS; tier++)
		held += stream->held[tier];
	if (difference.differences || difference.compared != held)
		print_message("worker %llu rank %u: %llu differences to its ledger, %llu blocks, "
			      "not %llu\n", (unsigned long long)worker_id, dp_rank,
			      (unsigned long long)difference.differences,
			      (unsigned long long)difference.compared, (unsigned long long)held);
	return differences + (int)difference.differences + (difference.compared != held);
}

struct rdx_publisher_options worker_options(const struct worker_plan *plan)
{
	struct rdx_publisher_options options = RDX_PUBLISHER_OPTIONS_INIT;

	options.dir = plan->child.dir;
	options.instance = "http://localhost:8000";
	options.model = WORKER_MODEL;
	options.worker_id = plan->worker_id;
	options.dp_rank = plan->dp_rank;
	options.ring_slots = plan->ring_slots;
	options.clear_scope = plan->clear_scope;
	for (int tier = 0; tier < WORKER_TIERS; tier++)
		options.tier_blocks[tier] = WORKER_BLOCKS;
	return options;
}

static void rest(struct worker_plan *plan, const struct worker_stream *stream,
		 const struct rdx_publisher *publisher, uint32_t order)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	if (atomic_load(&plan->answered) != order) {
		rdx_publisher_stats(publisher, &stats);
		atomic_store(&plan->events, stats.events);
		atomic_store(&plan->done, stream->done);
		atomic_store(&plan->answered, order);
	}
	usleep(REST_US);
}

int worker_main(const char *path)
{
	struct worker_plan *plan = child_attend(path, sizeof(*plan));
	struct rdx_publisher_options options;
	static struct worker_stream stream;
	struct rdx_publisher *publisher;
	int r = 0;

	if (!plan)
		return 2;
	child_heed(&plan->child);
	options = worker_options(plan);
	if (rdx_publisher_open(&publisher, &options) < 0)
		return 3;
	worker_stream_make(&stream, plan->seed, plan->clear_in);
	while (r == 0) {
		uint32_t order = atomic_load(&plan->order);

		if (stream.done >= atomic_load(&plan->limit)) {
			rest(plan, &stream, publisher, order);
			continue;
		}
		r = worker_step(&stream, publisher);
		if (plan->pace_us && stream.done % PACE_EVERY == 0)
			usleep(plan->pace_us);
	}
	return 4;
}

int indexer_main(const char *path)
{
	struct indexer_plan *plan = child_attend(path, sizeof(*plan));
	struct rdx_indexer_options options = RDX_INDEXER_OPTIONS_INIT;
	struct rdx_indexer *indexer;
	int r;

	if (!plan)
		return 2;
	child_heed(&plan->child);
	options.dir = plan->child.dir;
	options.initial_blocks = 256; /* small: tables are built often */
	r = rdx_indexer_open(&indexer, &options);
	atomic_store(&plan->result, r);
	while (r >= 0) {
		r = rdx_indexer_poll(indexer, 0);
		if (r == 0)
			r = rdx_indexer_wait(indexer, -1);
	}
	return 3;
}

void worker_run(struct worker_plan *plan, uint64_t limit)
{
	atomic_store(&plan->limit, limit);
	atomic_fetch_add(&plan->order, 1);
}

int worker_rests(struct worker_plan *plan)
{
	return atomic_load(&plan->answered) == atomic_load(&plan->order);
}

int worker_find(struct rdx_index *index, uint64_t worker_id, uint32_t dp_rank,
		struct rdx_worker_info *ret_info)
{
	static struct rdx_worker_info info[RDX_RANKS_MAX];
	int count = rdx_index_workers(index, info, RDX_RANKS_MAX);

	for (int i = 0; i < count; i++) {
		if (info[i].worker_id != worker_id || info[i].dp_rank != dp_rank)
			continue;
		*ret_info = info[i];
		return 1;
	}
	return count < 0 ? count : 0;
}

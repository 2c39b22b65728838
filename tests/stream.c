/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stream_oracle.h"

#include "consumer/reader/recovery.h"
#include "shm/bell.h"
#include "shm/clear.h"

#include <errno.h>
#include <string.h>

#define SNAPSHOT_HASHES 64

/* of a tree */
#define STREAM_CHILDREN      3
#define STREAM_BLOCKS_A_ROOT 150

void stream_make(struct stream *stream, const struct rdx_hash_key *key, uint64_t seed,
		 uint32_t clear_in)
{
	memset(stream, 0, sizeof(*stream));
	stream->random = seed;
	stream->clear_in = clear_in;
	stream->tier_clear_in = 128;
	stream->tiers = STREAM_TIERS;
	stream->blocks = STREAM_BLOCKS;
	for (uint32_t i = 0; i < STREAM_BLOCKS; i++)
		stream_set_parent(stream, i, i % STREAM_DEPTH ? i - 1 : STREAM_NONE);
	stream_hash_blocks(stream, key, seed);
}

void stream_grow_tree(struct stream *stream, const struct rdx_hash_key *key, uint64_t seed,
		      uint32_t blocks, uint32_t tiers)
{
	static uint32_t depth[STREAM_BLOCKS_MAX];
	uint64_t random = seed;

	stream->is_tree = 1;
	stream->blocks = blocks;
	stream->tiers = tiers;
	for (uint32_t i = 0; i < blocks; i++) {
		uint32_t parent = i - 1;

		/* mostly long stalks; one in so many begins anew */
		while (i && (rig_random(&random) % 10 == 0 || depth[parent] == STREAM_DEPTH_MAX ||
			     stream_children(stream, parent) == STREAM_CHILDREN))
			parent = (uint32_t)(rig_random(&random) % i);
		if (i == 0 || rig_random(&random) % STREAM_BLOCKS_A_ROOT == 0)
			parent = STREAM_NONE;
		stream_set_parent(stream, i, parent);
		depth[i] = parent == STREAM_NONE ? 1 : depth[parent] + 1;
	}
	stream_hash_blocks(stream, key, seed);
}

static void clear_tier(struct stream *stream, uint8_t tier)
{
	for (uint32_t i = 0; i < stream->blocks; i++)
		stream_hold(stream, i, tier, 0);
}

static void decide_clear(struct stream *stream, struct stream_op *op, uint8_t scope)
{
	/* a publisher publishes a clear that leaves nothing as a clear of all */
	if (stream->rooted && scope < STREAM_TIERS && !stream->count[!scope])
		scope = RDX_SCOPE_ALL;
	op->kind = RDX_EVENT_CLEARED;
	op->tier = scope;
	stream->moving = 0;
	for (uint8_t tier = 0; tier < stream->tiers; tier++)
		if (scope == RDX_SCOPE_ALL || scope == tier)
			clear_tier(stream, tier);
	if (scope == RDX_SCOPE_ALL)
		memset(stream->named, 0, sizeof(stream->named));
	if (scope == RDX_SCOPE_ALL && stream->worker_clears)
		stream->stamp++;
}

/* Does the next block go on in the run of this one? */
static int goes_on(const struct stream *stream, uint32_t block)
{
	return block + 1 < stream->blocks && stream->parent[block + 1] == block;
}

/* The operation of the run of op->count blocks from op->first on, in op->tier. */
static void do_run(struct stream *stream, struct stream_op *op, uint8_t kind)
{
	uint32_t first = op->first, count = op->count;
	uint32_t parent = stream->parent[first];

	op->kind = kind;
	op->parent = parent == STREAM_NONE ? 0 : stream->prefix[parent];
	for (uint32_t i = 0; i < count; i++) {
		stream_hold(stream, first + i, op->tier, kind == RDX_EVENT_STORED);
		stream->named[first + i] = 1;
		op->hashes[i] = kind == RDX_EVENT_STORED ? stream->local[first + i]
							 : stream->prefix[first + count - 1 - i];
	}
}

/* A run from a random block on, of blocks alike: stored if not held, else removed. */
static void decide_run(struct stream *stream, struct stream_op *op, uint64_t random)
{
	uint32_t first = (uint32_t)(random >> 16) % STREAM_BLOCKS;
	uint32_t most = 1 + (uint32_t)(random >> 40) % STREAM_DEPTH;
	uint8_t tier = random >> 8 & 3 ? 0 : 1;
	int before;

	while (stream->rooted && stream->parent[first] != STREAM_NONE &&
	       !stream->named[stream->parent[first]])
		first--;
	before = stream_is_held(stream, first, tier);
	op->tier = tier;
	op->first = first;
	op->count = 1;
	while (op->count < most && goes_on(stream, first + op->count - 1) &&
	       stream_is_held(stream, first + op->count, tier) == before)
		op->count++;
	do_run(stream, op, before ? RDX_EVENT_REMOVED : RDX_EVENT_STORED);
}

static uint32_t pick(struct stream *stream, uint32_t below)
{
	return (uint32_t)(rig_random(&stream->random) % below);
}

/* Mostly go on where the rank's run ends, sometimes anywhere. */
static void decide_growth(struct stream *stream, struct stream_op *op)
{
	uint32_t path[STREAM_DEPTH_MAX];
	uint32_t depth = stream_path(stream, pick(stream, stream->blocks), path), i;

	op->tier = (uint8_t)pick(stream, stream->tiers);
	i = pick(stream, 20) ? stream_run(stream, path, depth, op->tier) : pick(stream, depth);
	if (i == depth)
		i--;
	op->first = path[i];
	op->count = 1;
	while (op->count < STREAM_RUN_MAX && i + op->count < depth &&
	       path[i + op->count] == op->first + op->count)
		op->count++;
	do_run(stream, op, RDX_EVENT_STORED);
}

/* The block, or the nearest one above it, that is held in the tier; or STREAM_NONE. */
static uint32_t nearest_held(const struct stream *stream, uint32_t block, uint8_t tier)
{
	while (block != STREAM_NONE && !stream_is_held(stream, block, tier))
		block = stream->parent[block];
	return block;
}

static uint32_t held_child(const struct stream *stream, uint32_t block, uint8_t tier)
{
	uint32_t i = stream->child[block];

	while (i != STREAM_NONE && !stream_is_held(stream, i, tier))
		i = stream->sibling[i];
	return i;
}

/* Mostly a leaf goes, and what is above it. 0: nothing is held there. */
static int decide_loss(struct stream *stream, struct stream_op *op)
{
	uint32_t most = 1 + pick(stream, STREAM_RUN_MAX), child;
	uint8_t tier = (uint8_t)pick(stream, stream->tiers);
	uint32_t block = nearest_held(stream, pick(stream, stream->blocks), tier);

	if (block == STREAM_NONE)
		return 0;
	if (pick(stream, 12)) {
		while ((child = held_child(stream, block, tier)) != STREAM_NONE)
			block = child;
	}
	op->tier = tier;
	op->first = block;
	op->count = 1;
	/* up, as long as no other held block is below */
	while (op->count < most && op->first && goes_on(stream, op->first - 1) &&
	       stream_is_held(stream, op->first - 1, tier) &&
	       stream->held[op->first] == 1 << tier &&
	       stream_children_in_set(stream, op->first - 1, RDX_TIER_COUNT - 1) == 1) {
		op->first--;
		op->count++;
	}
	do_run(stream, op, RDX_EVENT_REMOVED);
	return 1;
}

/* A block moves: stored in one tier now, removed from the other next. 0: not that one. */
static int decide_move(struct stream *stream, struct stream_op *op)
{
	uint32_t block = pick(stream, stream->blocks);
	uint8_t from = (uint8_t)pick(stream, stream->tiers);

	op->tier = (uint8_t)pick(stream, stream->tiers);
	if (from == op->tier || !stream_is_held(stream, block, from))
		return 0;
	op->first = block;
	op->count = 1;
	do_run(stream, op, RDX_EVENT_STORED);
	stream->moving = 1 + block;
	stream->moving_from = from;
	return 1;
}

static void decide_in_tree(struct stream *stream, struct stream_op *op)
{
	uint32_t what = pick(stream, 950);

	if (stream->moving) {
		op->first = stream->moving - 1;
		op->tier = stream->moving_from;
		op->count = 1;
		stream->moving = 0;
		do_run(stream, op, RDX_EVENT_REMOVED);
		return;
	}
	if (what < 360 && decide_loss(stream, op))
		return;
	if (what >= 900 && decide_move(stream, op))
		return;
	decide_growth(stream, op);
}

void stream_next(struct stream *stream, struct stream_op *ret_op)
{
	uint64_t random = rig_random(&stream->random);

	memset(ret_op, 0, offsetof(struct stream_op, hashes));
	stream->event_id++;
	if (stream->clear_in && random % stream->clear_in == 0)
		decide_clear(stream, ret_op, RDX_SCOPE_ALL);
	else if (random % stream->tier_clear_in == 1)
		decide_clear(stream, ret_op, (uint8_t)((random >> 8) % stream->tiers));
	else if (stream->is_tree)
		decide_in_tree(stream, ret_op);
	else
		decide_run(stream, ret_op, random);
}

void stream_go_to(struct stream *stream, uint64_t event_id)
{
	struct stream_op op;

	while (stream->event_id < event_id)
		stream_next(stream, &op);
}

struct rdx_segment_spec stream_spec(uint64_t worker_id, uint32_t dp_rank, uint64_t ring_slots)
{
	struct rdx_segment_spec spec = rig_spec(worker_id, dp_rank, ring_slots, STREAM_BLOCKS);

	spec.tier_blocks[1] = STREAM_BLOCKS;
	return spec;
}

void stream_writer_make(struct stream_writer *writer, struct rig_producer *producer)
{
	memset(writer, 0, sizeof(*writer));
	writer->producer = producer;
}

/* A record for each block of a run stored, described; those of one removed are free again. */
static void find_records(struct stream_writer *writer, const struct stream *stream,
			 const struct stream_op *op, uint32_t *ret_records, uint64_t *ret_words)
{
	struct rig_producer *producer = writer->producer;
	int removed = op->kind == RDX_EVENT_REMOVED;
	uint32_t *free_records = writer->free_records[op->tier];
	uint32_t *free_count = &writer->free_count[op->tier];
	uint32_t *place = &writer->place[op->tier][op->first];

	for (uint32_t i = 0; i < op->count; i++) {
		/* a removal lists the last block first */
		uint32_t at = removed ? op->count - 1 - i : i;
		uint64_t prefix = stream->prefix[op->first + at];
		uint64_t parent = at ? stream->prefix[op->first + at - 1] : op->parent;

		if (removed)
			free_records[(*free_count)++] = place[at];
		else
			place[at] = *free_count
					    ? free_records[--*free_count]
					    : op->tier * STREAM_BLOCKS + writer->used[op->tier]++;
		ret_records[i] = place[at];
		ret_words[i] = rdx_ledger_word(prefix, removed ? 0 : (uint8_t)(1 << op->tier),
					       producer->generations);
		if (!removed)
			rdx_ledger_describe(&producer->owner.ledger.records[place[at]], prefix,
					    op->hashes[i], parent);
	}
}

/* What a clear made void is made 0, as a publisher's sweep does: its generation may come round. */
static void wipe_records(struct stream_writer *writer, uint8_t tier)
{
	for (uint32_t i = 0; i < writer->used[tier]; i++) {
		struct rdx_ledger_record *record =
			&writer->producer->owner.ledger.records[tier * STREAM_BLOCKS + i];

		rdx_ledger_mark(record, rdx_ledger_word(rdx_word_load(&record->prefix), 0, 0));
	}
	writer->used[tier] = writer->free_count[tier] = 0;
}

void stream_write(struct stream_writer *writer, const struct stream *stream,
		  const struct stream_op *op)
{
	struct rig_producer *producer = writer->producer;
	uint32_t records[STREAM_DEPTH];
	uint64_t words[STREAM_DEPTH];
	struct rdx_publish event = {
		.head = {.parent = op->parent,
			 .count = op->count,
			 .kind = op->kind,
			 .tier = op->tier},
		.hashes = op->hashes,
		.records = records,
		.words = words,
	};

	if (op->kind != RDX_EVENT_CLEARED)
		find_records(writer, stream, op, records, words);
	else if (op->tier == RDX_SCOPE_ALL && producer->owner.clear.base)
		producer->stamp = rdx_clear_bump(producer->owner.clear.base);
	event.head.stamp = producer->stamp;
	rig_publish(producer, &event);
	for (uint8_t tier = 0; tier < STREAM_TIERS && op->kind == RDX_EVENT_CLEARED; tier++) {
		if (op->tier == RDX_SCOPE_ALL || op->tier == tier)
			wipe_records(writer, tier);
	}
	if (writer->bell)
		rdx_bell_ring(writer->bell);
}

static int read_snapshot(struct stream_follower *follower)
{
	uint64_t hashes[SNAPSHOT_HASHES];
	int64_t count;
	uint8_t tier;

	while ((count = rdx_reader_snapshot(follower->reader, hashes, SNAPSHOT_HASHES, &tier,
					    &follower->exact_position)) > 0)
		for (int64_t i = 0; i < count; i++) {
			int r = rdx_holding_add(&follower->holding, hashes[i], tier);

			if (r < 0)
				return r;
		}
	return (int)count;
}

static int begin_recovered(struct stream_follower *follower, const struct rdx_recovery *recovery)
{
	follower->recoveries[recovery->way]++;
	if (recovery->way == RDX_RECOVERED_CONTINUE)
		return 0;
	rdx_holding_free(&follower->holding);
	/* only after the Cleared is read is the state that of an event; at birth nothing has been
	 * held yet */
	follower->exact_position = recovery->start.position + (recovery->start.position > 0);
	if (recovery->way == RDX_RECOVERED_LEDGER) {
		follower->exact_position = UINT64_MAX;
		return read_snapshot(follower);
	}
	return 0;
}

int stream_recover(struct stream_follower *follower, const struct rdx_cursor *from)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	int r = rdx_reader_recover(follower->reader, from, &recovery);

	return r < 0 ? r : begin_recovered(follower, &recovery);
}

int stream_recover_by_ledger(struct stream_follower *follower)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	int r = rdx_recovery_from_ledger(follower->reader, &recovery);

	return r < 0 ? r : begin_recovered(follower, &recovery);
}

int stream_follow(struct stream_follower *follower)
{
	struct rdx_cursor cursor;
	struct rdx_event event = {.size = sizeof(event)};

	for (;;) {
		int r = rdx_reader_next(follower->reader, &event);

		if (r == 1) {
			r = rdx_holding_apply(&follower->holding,
					      &rdx_reader_info(follower->reader)->key, &event);
		} else if (r == 0) {
			return 0;
		}
		while (r == -EOVERFLOW || r == -EAGAIN) {
			rdx_reader_cursor(follower->reader, &cursor);
			r = stream_recover(follower, &cursor);
		}
		if (r < 0)
			return r;
	}
}

int stream_is_exact(const struct stream_follower *follower)
{
	struct rdx_cursor cursor;

	rdx_reader_cursor(follower->reader, &cursor);
	return cursor.position >= follower->exact_position;
}

void stream_follower_free(struct stream_follower *follower)
{
	rdx_holding_free(&follower->holding);
	rdx_reader_close(follower->reader);
	memset(follower, 0, sizeof(*follower));
}

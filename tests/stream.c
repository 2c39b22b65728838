/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stream.h"

#include "consumer/reader/recovery.h"
#include "shm/bell.h"
#include "shm/clear.h"

#include <errno.h>
#include <string.h>

#define SNAPSHOT_HASHES 64

void stream_make(struct stream *stream, const struct rdx_hash_key *key, uint64_t seed,
		 uint32_t clear_in)
{
	memset(stream, 0, sizeof(*stream));
	stream->random = seed;
	stream->clear_in = clear_in;
	for (uint64_t i = 0; i < STREAM_BLOCKS; i++)
		stream->local[i] = seed * 31 + i;
	for (uint64_t i = 0; i < STREAM_BLOCKS; i += STREAM_DEPTH)
		rdx_hash_chain(key, 0, stream->local + i, STREAM_DEPTH, stream->prefix + i);
}

static void clear_tier(struct stream *stream, uint8_t tier)
{
	memset(stream->held[tier], 0, sizeof(stream->held[tier]));
	stream->count[tier] = 0;
}

static void decide_clear(struct stream *stream, struct stream_op *op, uint8_t scope)
{
	/* a publisher says of a clear that leaves nothing that it is one of all */
	if (stream->rooted && scope < STREAM_TIERS && !stream->count[!scope])
		scope = RDX_SCOPE_ALL;
	op->kind = RDX_EVENT_CLEARED;
	op->tier = scope;
	for (uint8_t tier = 0; tier < STREAM_TIERS; tier++)
		if (scope == RDX_SCOPE_ALL || scope == tier)
			clear_tier(stream, tier);
	if (scope == RDX_SCOPE_ALL)
		memset(stream->named, 0, sizeof(stream->named));
	if (scope == RDX_SCOPE_ALL && stream->worker_clears)
		stream->stamp++;
}

/* A run from a random block on, of blocks alike: stored if not held, else removed. */
static void decide_run(struct stream *stream, struct stream_op *op, uint64_t random)
{
	uint32_t first = (uint32_t)(random >> 16) % STREAM_BLOCKS;
	uint32_t most = 1 + (uint32_t)(random >> 40) % STREAM_DEPTH;
	uint8_t tier = random >> 8 & 3 ? 0 : 1;
	uint8_t *held = stream->held[tier];
	uint8_t before;

	while (stream->rooted && first % STREAM_DEPTH && !stream->named[first - 1])
		first--;
	before = held[first];
	op->tier = tier;
	op->first = first;
	op->kind = before ? RDX_EVENT_REMOVED : RDX_EVENT_STORED;
	op->parent = first % STREAM_DEPTH ? stream->prefix[first - 1] : 0;
	for (uint32_t i = first; op->count < most && held[i] == before; i++) {
		held[i] = !before;
		stream->named[i] = 1;
		op->count++;
		if ((i + 1) % STREAM_DEPTH == 0)
			break;
	}
	for (uint32_t i = 0; i < op->count; i++)
		op->hashes[i] = before ? stream->prefix[first + op->count - 1 - i]
				       : stream->local[first + i];
	if (before)
		stream->count[tier] -= op->count;
	else
		stream->count[tier] += op->count;
}

void stream_next(struct stream *stream, struct stream_op *ret_op)
{
	uint64_t random = rig_random(&stream->random);

	memset(ret_op, 0, offsetof(struct stream_op, hashes));
	stream->event_id++;
	if (stream->clear_in && random % stream->clear_in == 0)
		decide_clear(stream, ret_op, RDX_SCOPE_ALL);
	else if (random % 128 == 1)
		decide_clear(stream, ret_op, random >> 8 & 1);
	else
		decide_run(stream, ret_op, random);
}

void stream_go_to(struct stream *stream, uint64_t event_id)
{
	struct stream_op op;

	while (stream->event_id < event_id)
		stream_next(stream, &op);
}

uint64_t stream_differences(const struct stream *stream, const struct rdx_holding *holding)
{
	uint64_t differences = 0;

	for (uint32_t i = 0; i < STREAM_BLOCKS; i++) {
		uint8_t tiers = (uint8_t)(stream->held[0][i] | stream->held[1][i] << 1);

		differences += rdx_holding_tiers(holding, stream->prefix[i]) != tiers;
	}
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		differences += holding->count[tier] !=
			       (tier < STREAM_TIERS ? stream->count[tier] : 0);
	return differences;
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

/* A word for each block of a run stored; the words of one removed are free again. */
static void find_words(struct stream_writer *writer, const struct stream_op *op,
		       uint32_t *ret_words)
{
	uint32_t *free_words = writer->free_words[op->tier];
	uint32_t *free_count = &writer->free_count[op->tier];
	uint32_t *place = &writer->place[op->tier][op->first];
	uint64_t used = writer->producer->owner.ledger[op->tier].used;

	for (uint32_t i = 0; i < op->count; i++) {
		/* a removal lists the last block first */
		uint32_t at = op->kind == RDX_EVENT_REMOVED ? op->count - 1 - i : i;

		if (op->kind == RDX_EVENT_REMOVED)
			free_words[(*free_count)++] = place[at];
		else
			place[at] = *free_count ? free_words[--*free_count] : (uint32_t)used++;
		ret_words[i] = place[at];
	}
}

void stream_write(struct stream_writer *writer, const struct stream *stream,
		  const struct stream_op *op)
{
	struct rig_producer *producer = writer->producer;
	uint32_t words[STREAM_DEPTH];
	struct rdx_publish event = {
		.head = {.parent = op->parent, .count = op->count, .kind = op->kind,
			 .tier = op->tier},
		.hashes = op->hashes,
		.prefixes = stream->prefix + op->first,
		.words = words,
	};

	if (op->kind == RDX_EVENT_CLEARED) {
		for (uint8_t tier = 0; tier < STREAM_TIERS; tier++)
			if (op->tier == RDX_SCOPE_ALL || op->tier == tier)
				writer->free_count[tier] = 0;
		if (op->tier == RDX_SCOPE_ALL && producer->owner.clear.base)
			producer->stamp = rdx_clear_bump(producer->owner.clear.base);
	} else {
		find_words(writer, op, words);
	}
	event.head.stamp = producer->stamp;
	rig_publish(producer, &event);
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

/* A newer clear of the worker: what is held is from before it. */
static void see_stamp(struct stream_follower *follower, uint32_t stamp)
{
	if (!rdx_clear_before(follower->stamp, stamp))
		return;
	rdx_holding_free(&follower->holding);
	rdx_reader_ignore_before(follower->reader, stamp);
	follower->stamp = stamp;
}

static int begin_recovered(struct stream_follower *follower, const struct rdx_recovery *recovery)
{
	follower->recoveries[recovery->way]++;
	see_stamp(follower, follower->reader->ignore_before);
	if (recovery->way == RDX_RECOVERED_CONTINUE)
		return 0;
	rdx_holding_free(&follower->holding);
	/* the Cleared must be read before what is held is the state of an event; at birth
	 * nothing has been held yet */
	follower->exact_position = recovery->start.position + (recovery->start.position > 0);
	if (recovery->way == RDX_RECOVERED_LEDGER) {
		follower->exact_position = UINT64_MAX;
		return read_snapshot(follower);
	}
	return 0;
}

int stream_recover(struct stream_follower *follower, const struct rdx_cursor *from)
{
	struct rdx_recovery recovery;
	int r = rdx_reader_recover(follower->reader, from, &recovery);

	return r < 0 ? r : begin_recovered(follower, &recovery);
}

int stream_recover_by_ledger(struct stream_follower *follower)
{
	struct rdx_recovery recovery;
	int r = rdx_recovery_from_ledger(follower->reader, &recovery);

	return r < 0 ? r : begin_recovered(follower, &recovery);
}

static int apply(struct stream_follower *follower, const struct rdx_event *event)
{
	if (rdx_reader_info(follower->reader)->clear_id)
		see_stamp(follower, event->stamp);
	return rdx_holding_apply(&follower->holding, &rdx_reader_info(follower->reader)->key,
				 event);
}

int stream_follow(struct stream_follower *follower)
{
	struct rdx_cursor cursor;
	struct rdx_event event;

	for (;;) {
		int r = rdx_reader_next(follower->reader, &event);

		if (r == 1) {
			r = apply(follower, &event);
		} else if (r == 0) {
			if (rdx_reader_info(follower->reader)->clear_id)
				see_stamp(follower, rdx_reader_clear_stamp(follower->reader));
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

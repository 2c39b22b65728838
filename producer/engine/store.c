/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/engine/store.h"

#include "producer/engine/keys.h"

#include <errno.h>

/* A run on its way to the publisher, which gets it in pieces where buffers are short. */
struct run {
	struct rdx_engine *engine;
	const struct rdx_engine_event *event;
	struct rdx_engine_key_reader reader;
	struct rdx_stored stored; /* what all pieces have in common */
	uint32_t block_tokens;
	uint32_t end;   /* blocks before it are understood */
	uint32_t place; /* of its group */
};

/* Keys of a piece, in the engine's buffer. */
struct piece_keys {
	struct rdx_block_key *keys;
	uint64_t count;
};

static int is_named_only(const struct rdx_engine_event *event)
{
	return event->token_count == 0 && !event->local_hashes;
}

static int is_pairs(const struct rdx_engine_event *event)
{
	return event->token_count && event->flags & RDX_ENGINE_PAIRS;
}

/* The second of each pair is the first of the next one. */
static int pairs_are_chained(const struct rdx_engine_event *event)
{
	const uint32_t *ids = event->tokens;

	for (uint64_t i = 1; i < event->token_count; i++) {
		if (ids[2 * i - 1] != ids[2 * i])
			return 0;
	}
	return 1;
}

/* Is the run of the segment's blocks, and are its tokens as many? Else the publisher drops it and
 * says so. */
static int run_fits(const struct run *run)
{
	const struct rdx_engine_event *event = run->event;

	return run->block_tokens == run->engine->publisher->block_tokens &&
	       (event->local_hashes ||
		event->token_count == (uint64_t)event->count * run->block_tokens);
}

/* Firsts of pairs, and the second of the last one. */
static void flatten(struct run *run, uint32_t from, uint32_t to)
{
	const uint32_t *ids = run->event->tokens + 2 * (uint64_t)from * run->block_tokens;
	uint64_t count = (uint64_t)(to - from) * run->block_tokens;
	uint32_t *tokens = run->engine->tokens;

	for (uint64_t i = 0; i < count; i++)
		tokens[i] = ids[2 * i];
	tokens[count] = ids[2 * count - 1];
	run->stored.tokens = tokens;
	run->stored.token_count = count + 1;
	run->stored.overlap = 1;
}

/* Those of the blocks from `from` to before `to`, counted from `from`; those before are dropped. */
static void take_keys(struct run *run, struct piece_keys *keys, uint32_t from, uint32_t to)
{
	uint64_t count = 0;

	for (; keys->count && keys->keys->block < from; keys->count--)
		keys->keys++;
	for (; count < keys->count && keys->keys[count].block < to; count++)
		keys->keys[count].block -= from;
	run->stored.keys = count ? keys->keys : NULL;
	run->stored.key_count = count;
	keys->keys += count;
	keys->count -= count;
}

/* Publish the blocks from `from` to before `to`. */
static int publish_blocks(struct run *run, struct piece_keys *keys, uint32_t from, uint32_t to)
{
	const struct rdx_engine_event *event = run->event;
	struct rdx_stored *stored = &run->stored;

	if (from == to)
		return 0;
	stored->names = rdx_engine_name_at(event, from);
	stored->count = to - from;
	stored->parent = from ? rdx_engine_name_at(event, from - 1) : event->parent;
	if (event->local_hashes) {
		stored->local_hashes = event->local_hashes + from;
	} else if (is_pairs(event)) {
		flatten(run, from, to);
	} else if (event->token_count) {
		stored->tokens = event->tokens + (uint64_t)from * run->block_tokens;
		stored->token_count = (uint64_t)(to - from) * run->block_tokens;
	}
	if (!event->local_hashes)
		take_keys(run, keys, from, to);
	return rdx_publish_stored(run->engine->publisher, stored);
}

/* One more copy of a block in the run's group. */
static enum rdx_engine_share_change share(struct run *run, uint32_t i, int *ret_repeats)
{
	struct rdx_publisher *publisher = run->engine->publisher;
	struct rdx_engine_shares *shares = &run->engine->shares;
	const struct rdx_engine_event *event = run->event;
	enum rdx_engine_share_change change;
	struct rdx_name_key key;
	uint32_t had = 0;

	rdx_engine_name_key(run->engine, event, i, run->stored.tier, &key);
	change = rdx_engine_share_add(shares, &publisher->names, &key, run->place, &had);
	*ret_repeats |= had != 0;
	return change;
}

/* Of these blocks the publisher is told of those that all groups hold now. */
static int publish_shared(struct run *run, struct piece_keys *keys, uint32_t from, uint32_t to)
{
	uint32_t whole = from; /* blocks from here on are, and were not published */
	int repeats = 0, r = 0;

	for (uint32_t i = from; r == 0 && i < to; i++) {
		enum rdx_engine_share_change change = share(run, i, &repeats);

		if (change == RDX_ENGINE_SHARE_WHOLE)
			continue;
		r = publish_blocks(run, keys, whole, i);
		if (change == RDX_ENGINE_SHARE_SAME)
			rdx_engine_forget(run->engine, run->event, i, i + 1, 0);
		if (r == 0 && change == RDX_ENGINE_SHARE_FULL)
			r = rdx_engine_drop(run->engine, run->event, i, i + 1, run->stored.tier,
					    run->place);
		whole = i + 1;
	}
	if (r == 0)
		r = publish_blocks(run, keys, whole, to);
	if (r == 0 && repeats && run->engine->publisher->report_mode == RDX_REPORT_MIXED)
		r = rdx_publish_inexact(run->engine->publisher, RDX_INEXACT_UNKNOWN,
					run->event->time_ns);
	return r;
}

static int publish_piece(struct run *run, uint32_t from, uint32_t to, uint64_t key_count)
{
	struct piece_keys keys = {run->engine->keys, key_count};

	return rdx_engine_has_shares(run->engine) ? publish_shared(run, &keys, from, to)
						  : publish_blocks(run, &keys, from, to);
}

/* Most blocks that a piece from `from` on may have. */
static uint32_t piece_limit(const struct run *run, uint32_t from)
{
	uint32_t left = run->end - from, most = left;

	if (is_pairs(run->event))
		most = (run->engine->tokens_capacity - 1) / run->block_tokens;
	return left < most ? left : most;
}

/* Read keys of the piece from `from` on into the engine's buffer, until it is full or a block is
 * not understood, at which the run then ends: where the piece ends. */
static void read_piece(struct run *run, uint32_t from, uint32_t *ret_to, uint64_t *ret_key_count)
{
	uint64_t to = from + piece_limit(run, from), count = 0, block;

	while ((block = rdx_engine_keys_block(&run->reader)) < to) {
		int r;

		if (count + RDX_ENGINE_BLOCK_KEYS_MAX > RDX_ENGINE_KEYS_PIECE) {
			to = block;
			break;
		}
		r = rdx_engine_keys_read(&run->reader, run->engine->keys + count);
		if (r < 0) {
			run->end = (uint32_t)block;
			to = block;
			break;
		}
		count += (uint64_t)r;
	}
	*ret_to = (uint32_t)to;
	*ret_key_count = count;
}

/* Publish what is understood, drop what is behind it. */
static int publish_run(struct run *run)
{
	uint64_t key_count;
	uint32_t to;
	int r = 0;

	for (uint32_t from = 0; r == 0 && from < run->end; from = to) {
		read_piece(run, from, &to, &key_count);
		r = publish_piece(run, from, to, key_count);
	}
	if (r < 0 || run->end == run->event->count)
		return r;
	run->engine->stats.unknown_keys++;
	return rdx_engine_drop(run->engine, run->event, run->end, run->event->count,
			       run->stored.tier, run->place);
}

/* As it is: the publisher says what is wrong with the tokens. */
static int publish_whole(struct run *run)
{
	const struct rdx_engine_event *event = run->event;
	struct rdx_stored *stored = &run->stored;

	stored->names = event->names;
	stored->count = event->count;
	stored->tokens = event->token_count ? event->tokens : NULL;
	stored->token_count = event->token_count;
	stored->local_hashes = event->local_hashes;
	stored->block_tokens = event->block_tokens;
	return rdx_publish_stored(run->engine->publisher, stored);
}

/* Do fields of a store with content contradict each other? */
static int contradicts(const struct run *run)
{
	const struct rdx_engine_event *event = run->event;

	return run->reader.contradicts || (event->token_count && event->local_hashes) ||
	       (is_pairs(event) && !pairs_are_chained(event));
}

static int has_adapter_without_name(const struct rdx_engine_event *event)
{
	return event->flags & RDX_ENGINE_LORA_ID && !(event->lora_name && *event->lora_name);
}

/* Nothing of it can be represented. */
static int drop(struct run *run, uint64_t *counter)
{
	++*counter;
	return rdx_engine_drop(run->engine, run->event, 0, run->event->count, run->stored.tier,
			       run->place);
}

static int parent_is_none(const struct rdx_engine *engine, const struct rdx_engine_event *event)
{
	const uint8_t *bytes = event->parent;
	uint8_t any = 0;

	if (!event->parent || !engine->options.zero_is_root)
		return !event->parent;
	for (uint8_t i = 0; i < event->name_bytes; i++)
		any |= bytes[i];
	return any == 0;
}

int rdx_engine_store(struct rdx_engine *engine, const struct rdx_engine_event *given, uint8_t tier,
		     uint32_t place)
{
	struct rdx_engine_event event = *given;
	struct run run = {.engine = engine, .event = &event, .end = event.count, .place = place};
	int r;

	run.block_tokens =
		event.block_tokens ? event.block_tokens : engine->publisher->block_tokens;
	if (parent_is_none(engine, &event))
		event.parent = NULL;
	run.stored = (struct rdx_stored){
		.size = sizeof(run.stored),
		.time_ns = event.time_ns,
		.parent = event.parent,
		.lora = event.lora_name && *event.lora_name ? event.lora_name : NULL,
		.tier = tier,
		.name_bytes = event.name_bytes,
	};
	if (is_named_only(&event)) {
		event.key_count = 0; /* what the names stand for is known */
		run.reader.event = &event;
		return publish_run(&run);
	}
	r = rdx_engine_keys_begin(&run.reader, &event, run.block_tokens);
	if (r < 0)
		return r;
	if (contradicts(&run))
		return drop(&run, &engine->stats.contradictions);
	if (has_adapter_without_name(&event))
		return drop(&run, &engine->stats.nameless_adapters);
	run.stored.salt = run.reader.salt;
	if (run_fits(&run))
		return publish_run(&run);
	return rdx_engine_has_shares(engine) ? drop(&run, &engine->stats.contradictions)
					     : publish_whole(&run);
}

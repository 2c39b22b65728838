/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/engine/store.h"

#include "producer/engine/keys.h"
#include "producer/publisher_state.h"

#include <errno.h>

/* A run on its way to the publisher. */
struct run {
	struct rdx_engine *engine;
	const struct rdx_engine_event *event;
	struct rdx_engine_key_reader reader;
	struct rdx_stored stored; /* what all pieces have in common */
	uint32_t block_tokens;
	uint32_t end;   /* blocks before it are understood */
	uint32_t place; /* of its group */
};

static int is_named_only(const struct rdx_engine_event *event)
{
	return event->token_count == 0 && !event->local_hashes;
}

static int is_pairs(const struct rdx_engine_event *event)
{
	return event->token_count && event->flags & RDX_ENGINE_PAIRS;
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

/* Publish the blocks from `from` to before `to`. */
static int publish_blocks(struct run *run, uint32_t from, uint32_t to)
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
	} else if (event->token_count) {
		stored->tokens = event->tokens + (uint64_t)from * run->block_tokens;
		stored->token_count = (uint64_t)(to - from) * run->block_tokens;
	}
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

	rdx_names_key(&publisher->names, rdx_engine_name_at(event, i), event->name_bytes,
		      run->stored.tier, &key);
	change = rdx_engine_share_add(shares, &publisher->names, &key, run->place, &had);
	*ret_repeats |= had != 0;
	return change;
}

/* Of these blocks the publisher is told of those that all groups hold now. */
static int publish_shared(struct run *run, uint32_t from, uint32_t to)
{
	uint32_t whole = from; /* blocks from here on are, and were not published */
	int repeats = 0, r = 0;

	for (uint32_t i = from; r == 0 && i < to; i++) {
		enum rdx_engine_share_change change = share(run, i, &repeats);

		if (change == RDX_ENGINE_SHARE_WHOLE)
			continue;
		r = publish_blocks(run, whole, i);
		if (r == 0 && change == RDX_ENGINE_SHARE_FULL)
			r = rdx_engine_drop(run->engine, run->event, i, i + 1, run->stored.tier);
		whole = i + 1;
	}
	if (r == 0)
		r = publish_blocks(run, whole, to);
	if (r == 0 && repeats && run->engine->publisher->report_mode == RDX_REPORT_MIXED)
		r = rdx_publish_inexact(run->engine->publisher, RDX_INEXACT_UNKNOWN,
					run->event->time_ns);
	return r;
}

/* Publish what is understood, drop what is behind it. */
static int publish_run(struct run *run)
{
	uint64_t block;
	int r;

	while ((block = rdx_engine_keys_block(&run->reader)) < run->end) {
		if (rdx_engine_keys_read(&run->reader) < 0)
			run->end = (uint32_t)block;
	}
	r = rdx_engine_has_shares(run->engine) ? publish_shared(run, 0, run->end)
					       : publish_blocks(run, 0, run->end);
	if (r < 0 || run->end == run->event->count)
		return r;
	run->engine->stats.unknown_keys++;
	return rdx_engine_drop(run->engine, run->event, run->end, run->event->count,
			       run->stored.tier);
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

	return run->reader.contradicts || (event->token_count && event->local_hashes);
}

static int has_adapter_without_name(const struct rdx_engine_event *event)
{
	return event->flags & RDX_ENGINE_LORA_ID && !(event->lora_name && *event->lora_name);
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
	if (contradicts(&run)) {
		engine->stats.contradictions++;
		return rdx_engine_drop(engine, &event, 0, event.count, tier);
	}
	if (has_adapter_without_name(&event)) {
		engine->stats.nameless_adapters++;
		return rdx_engine_drop(engine, &event, 0, event.count, tier);
	}
	if (is_pairs(&event)) /* no event says yet what a block takes of the next one */
		run.end = 0;
	run.stored.salt = run.reader.salt;
	return run.end == 0 || run_fits(&run) ? publish_run(&run) : publish_whole(&run);
}

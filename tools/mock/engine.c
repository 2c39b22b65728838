/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mock/engine.h"
#include "tools/mock/sequence.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define US_PER_S UINT64_C(1000000)

/* One place for a sequence: there are running_max of them, admitted or preempted. */
struct place {
	struct sequence *sequence;
	uint64_t due_us;
};

struct engine {
	struct engine_options options;
	struct sequence_naming naming;
	struct pool *pool;
	struct place *places; /* in order of arrival */
	uint32_t used;
	uint32_t waiting; /* of `used`, preempted */
	uint32_t prefilling;
	uint64_t *removed; /* names of the Removed event being gathered */
	uint32_t removed_count;
	uint8_t removed_tier;
	struct engine_stats stats;
};

/* -- events -- */

static void flush_removed(struct engine *e)
{
	struct engine_event event = {
		.kind = RDX_EVENT_REMOVED,
		.tier = e->removed_tier,
		.count = e->removed_count,
		.names = e->removed,
	};

	if (!e->removed_count)
		return;
	e->removed_count = 0;
	e->options.emit(e->options.context, &event);
}

static void pool_changed(void *context, uint8_t kind, uint8_t tier, uint64_t name)
{
	struct engine *e = context;

	if (kind == RDX_EVENT_REMOVED) {
		if (e->removed_tier != tier)
			flush_removed(e);
		e->removed_tier = tier;
		e->removed[e->removed_count++] = name;
		if (e->removed_count == e->options.removals_max)
			flush_removed(e);
		return;
	}
	flush_removed(e);
	e->options.emit(e->options.context, &(struct engine_event){
						    .kind = kind,
						    .tier = tier,
						    .count = 1,
						    .names = &name,
					    });
}

static int allocate(struct engine *e, struct sequence *sequence, uint32_t count)
{
	int error = block_pool_allocate(e->pool, count, sequence->blocks + sequence->held);

	flush_removed(e);
	if (!error)
		sequence->held += count;
	return error;
}

/* The sequence's blocks up to `end` are computed: name those that are not named yet, and
 * tell of them as one run. */
static void name_until(struct engine *e, struct sequence *sequence, uint32_t end)
{
	uint32_t first = sequence->named;

	if (first >= end)
		return;
	for (uint32_t i = first; i < end; i++)
		block_pool_name(e->pool, sequence->blocks[i], sequence->names[i],
				sequence->prefixes[i]);
	sequence->named = end;
	e->options.emit(
		e->options.context,
		&(struct engine_event){
			.kind = RDX_EVENT_STORED,
			.tier = RDX_TIER_DEVICE,
			.count = end - first,
			.block_tokens = e->options.block_tokens,
			.parent = first ? sequence->names[first - 1] : 0,
			.names = sequence->names + first,
			.tokens = sequence->tokens + (size_t)first * e->options.block_tokens,
			.locals = sequence->locals + first,
		});
}

/* -- one sequence -- */

static uint32_t blocks_of(const struct engine *e, uint32_t tokens)
{
	return tokens / e->options.block_tokens + (tokens % e->options.block_tokens != 0);
}

static uint64_t duration_us(uint64_t tokens, uint32_t rate)
{
	return (tokens * US_PER_S + rate - 1) / rate;
}

struct hits {
	uint32_t device;
	uint32_t host;
	uint32_t idle; /* of the device's, without a reference: free, but not to be evicted */
};

static struct hits find_hits(const struct engine *e, struct sequence *sequence)
{
	/* at least one token is computed */
	uint32_t most = (sequence->done_tokens - 1) / e->options.block_tokens;
	struct hits hits = {0};

	while (hits.device < most) {
		uint32_t at = block_pool_find(e->pool, POOL_DEVICE, sequence->names[hits.device]);

		if (at == POOL_NONE)
			break;
		hits.idle += !block_pool_references(e->pool, at);
		sequence->blocks[hits.device++] = at;
	}
	while (hits.device + hits.host < most &&
	       block_pool_find(e->pool, POOL_HOST, sequence->names[hits.device + hits.host]) !=
		       POOL_NONE)
		hits.host++;
	return hits;
}

/* Start, or start again, the sequence at `place` if there are blocks and a lane for it. */
static int admit(struct engine *e, struct place *place, struct hits *ret_hits)
{
	struct sequence *sequence = place->sequence;
	struct hits hits;
	uint32_t needed, cached;

	if (e->prefilling >= e->options.prefill_lanes)
		return 0;
	hits = find_hits(e, sequence);
	needed = blocks_of(e, sequence->done_tokens) - hits.device;
	if (needed > block_pool_free(e->pool) - hits.idle)
		return 0;
	for (uint32_t i = 0; i < hits.device; i++)
		block_pool_take(e->pool, sequence->blocks[i]);
	sequence->held = sequence->named = hits.device;
	cached = hits.device + hits.host;
	/* the tail first: what is evicted first must be the tail */
	for (uint32_t i = cached; i > hits.device; i--)
		block_pool_touch(e->pool, sequence->names[i - 1]);
	if (allocate(e, sequence, needed) < 0)
		abort(); /* counted above */
	name_until(e, sequence, cached);
	sequence->state = SEQUENCE_PREFILLING;
	e->prefilling++;
	place->due_us = e->stats.time_us +
			duration_us(sequence->done_tokens - cached * e->options.block_tokens,
				    e->options.prefill_rate);
	*ret_hits = hits;
	return 1;
}

static void drop_blocks(struct engine *e, struct sequence *sequence)
{
	block_pool_release(e->pool, sequence->blocks, sequence->held);
	sequence->held = sequence->named = 0;
}

static void preempt(struct engine *e, struct place *place)
{
	struct sequence *sequence = place->sequence;

	if (sequence->state == SEQUENCE_PREFILLING)
		e->prefilling--;
	drop_blocks(e, sequence);
	sequence->state = SEQUENCE_WAITING;
	e->waiting++;
	e->stats.preempted++;
}

static void remove_place(struct engine *e, struct place *place)
{
	uint32_t at = (uint32_t)(place - e->places);

	sequence_close(place->sequence);
	memmove(place, place + 1, (e->used - at - 1) * sizeof(*place));
	e->used--;
}

/* The one that came last of those that hold blocks. */
static struct place *newest_running(struct engine *e)
{
	struct place *place = e->places + e->used;

	do {
		place--;
	} while (place->sequence->state == SEQUENCE_WAITING);
	return place;
}

/* The block behind the last token, where the sequence has none left. 0 where the sequence
 * itself had to give its blocks back. */
static int grow(struct engine *e, struct place *place)
{
	struct sequence *sequence = place->sequence;

	if (blocks_of(e, sequence->done_tokens + 1) <= sequence->held)
		return 1;
	while (allocate(e, sequence, 1) < 0) {
		struct place *last = newest_running(e);

		preempt(e, last);
		if (last == place)
			return 0;
	}
	return 1;
}

/* After a prefill or a step: name what is full, finish or go on to the block's end. */
static void go_on(struct engine *e, struct place *place)
{
	struct sequence *sequence = place->sequence;
	uint32_t block_tokens = e->options.block_tokens;
	uint32_t left, room;

	name_until(e, sequence, sequence->done_tokens / block_tokens);
	left = sequence->total_tokens - sequence->done_tokens;
	if (!left) {
		drop_blocks(e, sequence);
		remove_place(e, place);
		return;
	}
	if (!grow(e, place))
		return;
	room = block_tokens - sequence->done_tokens % block_tokens;
	sequence->step_tokens = left < room ? left : room;
	place->due_us =
		e->stats.time_us + duration_us(sequence->step_tokens, e->options.decode_rate);
}

static void fire(struct engine *e, struct place *place)
{
	struct sequence *sequence = place->sequence;

	e->stats.time_us = place->due_us;
	if (sequence->state == SEQUENCE_PREFILLING) {
		e->prefilling--;
		sequence->state = SEQUENCE_DECODING;
	} else {
		sequence->done_tokens += sequence->step_tokens;
	}
	go_on(e, place);
}

/* -- all of them -- */

/* Who was preempted goes on before anybody new, the oldest first. */
static void readmit(struct engine *e)
{
	struct hits hits;

	for (uint32_t i = 0; e->waiting && i < e->used; i++) {
		if (e->places[i].sequence->state != SEQUENCE_WAITING)
			continue;
		if (!admit(e, &e->places[i], &hits))
			return;
		e->waiting--;
	}
}

/* The next timer up to `until_us`: 1 when one fired. */
static int run_next(struct engine *e, uint64_t until_us)
{
	struct place *next = NULL;

	readmit(e);
	for (uint32_t i = 0; i < e->used; i++) {
		struct place *place = &e->places[i];

		if (place->sequence->state != SEQUENCE_WAITING &&
		    (!next || place->due_us < next->due_us))
			next = place;
	}
	if (!next || next->due_us > until_us)
		return 0;
	fire(e, next);
	return 1;
}

void engine_advance(struct engine *e, uint64_t time_us)
{
	while (run_next(e, time_us))
		;
	if (e->stats.time_us < time_us)
		e->stats.time_us = time_us;
}

void engine_finish(struct engine *e)
{
	while (run_next(e, UINT64_MAX))
		;
	assert(!e->used);
}

static int try_start(struct engine *e, struct sequence *sequence, struct hits *ret_hits)
{
	struct place *place = &e->places[e->used];

	readmit(e);
	if (e->waiting || e->used == e->options.running_max)
		return 0;
	*place = (struct place){.sequence = sequence};
	if (!admit(e, place, ret_hits))
		return 0;
	e->used++;
	return 1;
}

static void count_admitted(struct engine *e, uint32_t prompt_blocks, const struct hits *hits)
{
	e->stats.requests++;
	e->stats.prompt_blocks += prompt_blocks;
	e->stats.hit_device += hits->device;
	e->stats.hit_host += hits->host;
}

int engine_submit(struct engine *e, const struct trace_request *request,
		  struct engine_answer *ret_answer)
{
	uint64_t arrival_us = request->timestamp_ms * 1000;
	struct sequence *sequence;
	struct hits hits;
	int error;

	engine_advance(e, arrival_us);
	if (blocks_of(e, request->input_length + request->output_length) >
	    e->options.device_blocks) {
		e->stats.refused++;
		return -E2BIG;
	}
	error = sequence_open(&sequence, request, &e->naming);
	if (error)
		return error;
	while (!try_start(e, sequence, &hits)) {
		/* something runs: alone, this request would have been admitted */
		if (!run_next(e, UINT64_MAX))
			abort();
	}
	count_admitted(e, request->input_length / e->options.block_tokens, &hits);
	*ret_answer = (struct engine_answer){
		.time_us = e->stats.time_us,
		.queued_us = e->stats.time_us - arrival_us,
		.prefill_us = e->places[e->used - 1].due_us - e->stats.time_us,
		.total_blocks = request->input_length / e->options.block_tokens,
		.device_blocks = hits.device,
		.host_blocks = hits.host,
		.running = e->used,
		.free_blocks = block_pool_free(e->pool),
	};
	return 0;
}

void engine_clear(struct engine *e, uint8_t scope, int tell)
{
	int device = scope == RDX_SCOPE_ALL || scope == RDX_TIER_DEVICE;

	for (uint32_t i = 0; device && !e->options.clear_keeps && i < e->used; i++) {
		if (e->places[i].sequence->state != SEQUENCE_WAITING)
			preempt(e, &e->places[i]);
	}
	if (device)
		block_pool_clear(e->pool, POOL_DEVICE);
	if (scope == RDX_SCOPE_ALL || scope == RDX_TIER_HOST)
		block_pool_clear(e->pool, POOL_HOST);
	e->stats.clears++;
	if (tell)
		e->options.emit(e->options.context,
				&(struct engine_event){.kind = RDX_EVENT_CLEARED, .tier = scope});
}

/* -- open, close, look -- */

int engine_open(struct engine **ret_engine, const struct engine_options *options)
{
	struct pool_options pool_options = {
		.device_blocks = options->device_blocks,
		.host_blocks = options->host_blocks,
		.changed = pool_changed,
	};
	struct engine *e;
	int error;

	if (!options->block_tokens || !options->running_max || !options->prefill_lanes ||
	    !options->prefill_rate || !options->decode_rate || !options->removals_max)
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->options = *options;
	e->naming = (struct sequence_naming){
		.seed = options->name_seed,
		.key = options->key,
		.block_tokens = options->block_tokens,
	};
	pool_options.context = e;
	/* one more: where try_start tries */
	e->places = calloc(options->running_max + (size_t)1, sizeof(*e->places));
	e->removed = calloc(options->removals_max, sizeof(*e->removed));
	error = e->places && e->removed ? block_pool_open(&e->pool, &pool_options) : -ENOMEM;
	if (error) {
		engine_close(e);
		return error;
	}
	*ret_engine = e;
	return 0;
}

void engine_close(struct engine *e)
{
	if (!e)
		return;
	for (uint32_t i = 0; i < e->used; i++)
		sequence_close(e->places[i].sequence);
	free(e->places);
	free(e->removed);
	block_pool_close(e->pool);
	free(e);
}

static int compare_words(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

int engine_cached(const struct engine *e, uint8_t tier, uint64_t **ret_prefixes,
		  uint32_t *ret_count)
{
	uint32_t capacity = block_pool_capacity(e->pool, tier), count = 0, distinct = 0;
	uint64_t *prefixes = malloc((capacity + (size_t)1) * sizeof(*prefixes));

	if (!prefixes)
		return -ENOMEM;
	for (uint32_t i = 0; i < capacity; i++) {
		if (block_pool_block_name(e->pool, tier, i))
			prefixes[count++] = block_pool_content(e->pool, tier, i);
	}
	qsort(prefixes, count, sizeof(*prefixes), compare_words);
	for (uint32_t i = 0; i < count; i++) {
		if (!distinct || prefixes[distinct - 1] != prefixes[i])
			prefixes[distinct++] = prefixes[i];
	}
	*ret_prefixes = prefixes;
	*ret_count = distinct;
	return 0;
}

const struct pool *engine_pool(const struct engine *e)
{
	return e->pool;
}

void engine_stats(const struct engine *e, struct engine_stats *ret_stats)
{
	*ret_stats = e->stats;
	ret_stats->running = e->used;
	ret_stats->free_blocks = block_pool_free(e->pool);
}

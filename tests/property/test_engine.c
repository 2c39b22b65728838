/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: random requests to the mock engine, with clears. Its events, replayed into a
 * naive table of copies per name, always give the pool's own content per tier, also as
 * prefix hashes chained from the tokens that the events carried.
 */
#include "tools/mock/engine.h"
#include "tools/trace/generator.h"
#include "tools/trace/random.h"
#include "tests/patience.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_CAPACITY (1U << 20)
#define RUNS           24
#define RUNS_LEAST     8
#define RUNS_S         3
#define REQUESTS       400

/* A name, for ever: its prefix hash and the copies that the events leave. */
struct naive_name {
	uint64_t name;
	uint64_t prefix;
	uint32_t copies[POOL_TIERS];
};

struct naive {
	struct naive_name *names; /* open addressing */
	struct rdx_hash_key key;
	uint32_t block_tokens;
	uint32_t used;
	uint64_t events;
	uint64_t second_copies;
	uint64_t host_stores;
	const char *wrong; /* the first thing that was */
};

static struct naive_name *find(struct naive *naive, uint64_t name)
{
	uint32_t at = (uint32_t)name & (NAMES_CAPACITY - 1);

	while (naive->names[at].name && naive->names[at].name != name)
		at = (at + 1) & (NAMES_CAPACITY - 1);
	return &naive->names[at];
}

static void wrong(struct naive *naive, const char *what)
{
	if (!naive->wrong)
		naive->wrong = what;
}

static void stored_tokens(struct naive *naive, const struct engine_event *event)
{
	uint64_t parent = 0;

	if (event->parent) {
		parent = find(naive, event->parent)->prefix;
		if (!parent)
			wrong(naive, "stored below a parent that was never stored");
	}
	for (uint32_t i = 0; i < event->count; i++) {
		struct naive_name *name = find(naive, event->names[i]);
		uint64_t local;

		rdx_hash_blocks(rdx_hash_seed(NULL, NULL),
				event->tokens + (size_t)i * naive->block_tokens,
				naive->block_tokens, naive->block_tokens, &local);
		if (local != event->locals[i])
			wrong(naive, "local hash does not fit the tokens");
		rdx_hash_chain(&naive->key, parent, &local, 1, &parent);
		if (name->name && name->prefix != parent)
			wrong(naive, "a name with two meanings");
		if (!name->name && ++naive->used > NAMES_CAPACITY / 2)
			wrong(naive, "too many names for the test's table");
		name->name = event->names[i];
		name->prefix = parent;
		naive->second_copies += name->copies[event->tier]++ > 0;
	}
}

static void stored_by_name(struct naive *naive, const struct engine_event *event)
{
	for (uint32_t i = 0; i < event->count; i++) {
		struct naive_name *name = find(naive, event->names[i]);

		if (!name->name)
			wrong(naive, "moved to the host, but never stored");
		if (event->tier != RDX_TIER_HOST || name->copies[RDX_TIER_HOST]++)
			wrong(naive, "stored by name where it should not be");
		naive->host_stores++;
	}
}

static void apply(void *context, const struct engine_event *event)
{
	struct naive *naive = context;

	naive->events++;
	if (event->kind == RDX_EVENT_CLEARED) {
		for (uint32_t i = 0; i < NAMES_CAPACITY; i++) {
			for (uint8_t tier = 0; tier < POOL_TIERS; tier++) {
				if (event->tier == RDX_SCOPE_ALL || event->tier == tier)
					naive->names[i].copies[tier] = 0;
			}
		}
		return;
	}
	if (!event->count)
		wrong(naive, "an event without blocks");
	if (event->kind == RDX_EVENT_STORED && event->tokens)
		stored_tokens(naive, event);
	else if (event->kind == RDX_EVENT_STORED)
		stored_by_name(naive, event);
	for (uint32_t i = 0; event->kind == RDX_EVENT_REMOVED && i < event->count; i++) {
		struct naive_name *name = find(naive, event->names[i]);

		if (!name->copies[event->tier])
			wrong(naive, "removed, but not held");
		else
			name->copies[event->tier]--;
	}
}

/* The pool's own content against the table: every physical block, then the whole. */
static void compare(struct naive *naive, const struct engine *engine)
{
	const struct pool *pool = engine_pool(engine);

	for (uint8_t tier = 0; tier < POOL_TIERS; tier++) {
		uint64_t *prefixes;
		uint32_t count, held = 0, named = 0;

		for (uint32_t i = 0; i < block_pool_capacity(pool, tier); i++) {
			uint64_t name = block_pool_block_name(pool, tier, i);
			struct naive_name *known = name ? find(naive, name) : NULL;

			if (!known)
				continue;
			named++;
			if (!known->copies[tier])
				wrong(naive, "the pool holds what no event told");
			if (known->prefix != block_pool_content(pool, tier, i))
				wrong(naive, "the pool's prefix hash is another");
		}
		assert_int_equal(engine_cached(engine, tier, &prefixes, &count), 0);
		for (uint32_t i = 1; i < count; i++) {
			if (prefixes[i - 1] >= prefixes[i])
				wrong(naive, "cached prefixes not ascending");
		}
		free(prefixes);
		for (uint32_t i = 0; i < NAMES_CAPACITY; i++) {
			held += naive->names[i].copies[tier];
			count -= naive->names[i].copies[tier] > 0;
		}
		if (held != named)
			wrong(naive, "more copies told than the pool holds");
		if (count)
			wrong(naive, "not as many distinct prefixes as names held");
	}
}

static struct engine *random_engine(struct random_state *random, struct naive *naive)
{
	struct engine_options options = ENGINE_DEFAULTS;
	uint8_t key[RDX_KEY_BYTES];
	struct engine *engine;

	for (uint32_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)random_next(random);
	rdx_hash_key_expand(key, &options.key);
	options.name_seed = random_next(random);
	options.block_tokens = random_below(random, 4) ? 128 : 48;
	options.device_blocks = 4096 / options.block_tokens + random_below(random, 400);
	options.host_blocks = random_below(random, 3) ? random_around(random, 100) : 0;
	options.running_max = random_around(random, 12);
	options.prefill_lanes = random_around(random, 4);
	options.prefill_rate = random_around(random, 8000);
	options.decode_rate = random_around(random, 100);
	options.removals_max = random_below(random, 2) ? 1 : random_around(random, 20);
	options.clear_keeps = random_below(random, 2);
	options.emit = apply;
	options.context = naive;
	assert_int_equal(engine_open(&engine, &options), 0);
	memset(naive->names, 0, NAMES_CAPACITY * sizeof(*naive->names));
	naive->key = options.key;
	naive->block_tokens = options.block_tokens;
	naive->used = 0;
	return engine;
}

static struct trace_generator *random_trace(uint64_t seed)
{
	struct trace_generate_options options = TRACE_GENERATE_DEFAULTS;
	struct trace_generator *generator;

	options.seed = seed;
	options.requests = REQUESTS;
	options.rate_per_s = 4;
	options.sessions = 16;
	options.system_prompts = 2;
	options.system_tokens = 512;
	options.first_tokens = 600;
	options.turn_tokens = 300;
	options.output_tokens = 128;
	options.longest_tokens = 3000;
	assert_int_equal(trace_generator_open(&generator, &options), 0);
	return generator;
}

static void clear_now_and_then(struct random_state *random, struct engine *engine)
{
	static const uint8_t scopes[] = {RDX_SCOPE_ALL, RDX_TIER_DEVICE, RDX_TIER_HOST};

	if (random_below(random, 40) == 0)
		engine_clear(engine, scopes[random_below(random, 3)], 1);
}

/* One engine, one trace; some requests come twice at once. */
static void run(uint64_t seed, struct naive *naive, struct engine_stats *ret_stats)
{
	struct random_state random = {seed};
	struct engine *engine = random_engine(&random, naive);
	struct trace_generator *generator = random_trace(seed);
	struct trace_request request;
	struct engine_answer answer;

	while (!naive->wrong && trace_generator_next(generator, &request) > 0) {
		int error = engine_submit(engine, &request, &answer);

		if (!error && random_below(&random, 4) == 0)
			error = engine_submit(engine, &request, &answer);
		if (error && error != -E2BIG)
			wrong(naive, "a request failed");
		clear_now_and_then(&random, engine);
		if (random_below(&random, 16) == 0)
			compare(naive, engine);
	}
	engine_finish(engine);
	compare(naive, engine);
	engine_stats(engine, ret_stats);
	trace_generator_close(generator);
	engine_close(engine);
}

static void events_tell_what_the_pool_holds(void **state)
{
	struct naive naive = {.names = calloc(NAMES_CAPACITY, sizeof(*naive.names))};
	struct effort effort = effort_begin(RUNS_LEAST, RUNS, RUNS_S);
	struct engine_stats stats, all = {0};

	(void)state;
	assert_non_null(naive.names);
	for (uint64_t seed = 1; effort_goes_on(&effort); seed++) {
		run(seed, &naive, &stats);
		if (naive.wrong)
			fail_msg("seed %u, event %u: %s", (unsigned)seed, (unsigned)naive.events,
				 naive.wrong);
		assert_int_equal(stats.running, 0);
		all.requests += stats.requests;
		all.preempted += stats.preempted;
		all.hit_device += stats.hit_device;
		all.hit_host += stats.hit_host;
		all.clears += stats.clears;
	}
	print_message("%u events, %u requests, %u second copies, %u to the host, %u back, "
		      "%u preempted, %u clears\n",
		      (unsigned)naive.events, (unsigned)all.requests, (unsigned)naive.second_copies,
		      (unsigned)naive.host_stores, (unsigned)all.hit_host, (unsigned)all.preempted,
		      (unsigned)all.clears);
	/* the interesting paths were taken */
	assert_true(naive.events > 20000);
	assert_true(naive.second_copies > 1000 && naive.host_stores > 1000);
	assert_true(all.hit_device > 1000 && all.hit_host > 300 && all.preempted > 100);
	free(naive.names);
}

static void ignore(void *context, const struct engine_event *event)
{
	(void)event;
	++*(uint64_t *)context;
}

/* Times and counts of a small case, by hand: blocks of 16, 1,000 tokens a second to prefill,
 * 100 to decode. */
static void time_and_hits(void **state)
{
	struct engine_options options = ENGINE_DEFAULTS;
	uint64_t ids[] = {7, 8}, events = 0;
	struct trace_request request = {
		.timestamp_ms = 1000,
		.hash_ids = ids,
		.hash_count = 2,
		.input_length = 640,
		.output_length = 40,
	};
	struct engine_answer answer;
	struct engine_stats stats;
	struct engine *engine;

	(void)state;
	options.device_blocks = 100;
	options.prefill_lanes = 1;
	options.prefill_rate = 1000;
	options.decode_rate = 100;
	options.emit = ignore;
	options.context = &events;
	assert_int_equal(engine_open(&engine, &options), 0);
	assert_int_equal(engine_submit(engine, &request, &answer), 0);
	assert_int_equal(answer.time_us, 1000000);
	assert_int_equal(answer.queued_us, 0);
	assert_int_equal(answer.prefill_us, 640000);
	assert_int_equal(answer.total_blocks, 40);
	assert_int_equal(answer.device_blocks, 0);
	assert_int_equal(events, 0);

	/* the same prompt waits for the lane, then finds all but the last block */
	assert_int_equal(engine_submit(engine, &request, &answer), 0);
	assert_int_equal(answer.queued_us, 640000);
	assert_int_equal(answer.device_blocks, 39);
	assert_int_equal(answer.prefill_us, 16000);
	assert_int_equal(events, 1);

	engine_finish(engine);
	engine_stats(engine, &stats);
	/* admitted at 1.64 s, prefilled 16 ms, 40 tokens decoded in 400 ms */
	assert_int_equal(stats.time_us, 2056000);
	/* each: the prompt, two full blocks of the answer */
	assert_int_equal(events, 6);

	/* never fits */
	request.output_length = 1000;
	assert_int_equal(engine_submit(engine, &request, &answer), -E2BIG);
	engine_clear(engine, RDX_SCOPE_ALL, 0);
	assert_int_equal(events, 6);
	engine_clear(engine, RDX_SCOPE_ALL, 1);
	assert_int_equal(events, 7);
	engine_close(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_and_hits),
		cmocka_unit_test(events_tell_what_the_pool_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

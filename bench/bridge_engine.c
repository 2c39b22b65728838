/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bridge_engine.h"

#include "bench/measure.h"
#include "shm/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define BLOCK_TOKENS 16
#define TOKENS_MAX   128000 /* of a vocabulary */
#define PATIENCE_MS  240000
#define BURST        100 /* messages sent at once where there is a rate */
#define NS_PER_S     UINT64_C(1000000000)

static uint64_t name_of(uint64_t block)
{
	return (block + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void text(msgpack_packer *packer, const char *value)
{
	msgpack_pack_str(packer, strlen(value));
	msgpack_pack_str_body(packer, value, strlen(value));
}

/* The key of a field, where the layout has keys. */
static void key(msgpack_packer *packer, enum bridge_layout layout, const char *name)
{
	if (layout != BRIDGE_VLLM_ARRAY)
		text(packer, name);
}

static void begin(msgpack_packer *packer, enum bridge_layout layout, uint32_t fields,
		  const char *type)
{
	if (layout == BRIDGE_VLLM_ARRAY)
		msgpack_pack_array(packer, fields);
	else
		msgpack_pack_map(packer, fields);
	key(packer, layout, "type");
	text(packer, type);
}

static void pack_names(msgpack_packer *packer, enum bridge_layout layout, uint64_t first,
		       uint32_t count)
{
	key(packer, layout, "block_hashes");
	msgpack_pack_array(packer, count);
	for (uint32_t i = 0; i < count; i++) {
		if (layout == BRIDGE_SGLANG)
			msgpack_pack_int64(packer, (int64_t)name_of(first + i));
		else
			msgpack_pack_uint64(packer, name_of(first + i));
	}
}

static void pack_tokens(msgpack_packer *packer, enum bridge_layout layout, uint64_t first,
			uint32_t blocks)
{
	uint64_t random = name_of(first);

	key(packer, layout, "token_ids");
	msgpack_pack_array(packer, blocks * BLOCK_TOKENS);
	for (uint32_t i = 0; i < blocks * BLOCK_TOKENS; i++)
		msgpack_pack_uint64(packer, measure_random(&random) % TOKENS_MAX);
}

static void pack_nil(msgpack_packer *packer, enum bridge_layout layout, const char *name)
{
	key(packer, layout, name);
	msgpack_pack_nil(packer);
}

static void pack_text(msgpack_packer *packer, enum bridge_layout layout, const char *name,
		      const char *value)
{
	key(packer, layout, name);
	text(packer, value);
}

static void pack_number(msgpack_packer *packer, enum bridge_layout layout, const char *name,
			uint64_t value)
{
	key(packer, layout, name);
	msgpack_pack_uint64(packer, value);
}

/* The fields behind "type", in the order of vLLM's array. */
static void pack_store(msgpack_packer *packer, enum bridge_layout layout, uint64_t first,
		       uint32_t blocks)
{
	static const uint32_t fields[BRIDGE_LAYOUTS] = {11, 12, 7, 12};

	begin(packer, layout, fields[layout], "BlockStored");
	pack_names(packer, layout, first, blocks);
	pack_nil(packer, layout, "parent_block_hash");
	pack_tokens(packer, layout, first, blocks);
	pack_number(packer, layout, "block_size", BLOCK_TOKENS);
	pack_nil(packer, layout, "lora_id");
	pack_text(packer, layout, "medium", "GPU");
	if (layout == BRIDGE_SGLANG)
		return;
	pack_nil(packer, layout, "lora_name");
	pack_nil(packer, layout, "extra_keys");
	pack_number(packer, layout, "group_idx", 0);
	pack_text(packer, layout, "kv_cache_spec_kind", "full_attention");
	if (layout == BRIDGE_VLLM_ARRAY)
		pack_nil(packer, layout, "kv_cache_spec_sliding_window");
	if (layout == BRIDGE_TENSORRT)
		pack_nil(packer, layout, "mm_keys");
}

static void pack_removal(msgpack_packer *packer, enum bridge_layout layout, uint64_t first,
			 uint32_t blocks)
{
	begin(packer, layout, layout == BRIDGE_SGLANG ? 3 : 4, "BlockRemoved");
	pack_names(packer, layout, first, blocks);
	pack_text(packer, layout, "medium", "GPU");
	if (layout != BRIDGE_SGLANG)
		pack_number(packer, layout, "group_idx", 0);
}

static void begin_batch(msgpack_sbuffer *batch, msgpack_packer *packer, uint32_t events)
{
	msgpack_sbuffer_init(batch);
	msgpack_packer_init(packer, batch, msgpack_sbuffer_write);
	msgpack_pack_array(packer, 3);
	msgpack_pack_double(packer, 1.0);
	msgpack_pack_array(packer, events);
}

static void end_batch(struct bridge_messages *messages, msgpack_packer *packer, uint32_t events,
		      uint64_t blocks)
{
	msgpack_pack_uint64(packer, 0); /* the rank */
	messages->count++;
	messages->events += events;
	messages->blocks += blocks;
}

static void add_store(struct bridge_messages *messages, enum bridge_layout layout, uint64_t first,
		      uint32_t blocks)
{
	msgpack_packer packer;

	begin_batch(&messages->batches[messages->count], &packer, 1);
	pack_store(&packer, layout, first, blocks);
	end_batch(messages, &packer, 1, blocks);
}

/* `each` blocks an event, the last ones first: children before their parents. */
static void add_removals(struct bridge_messages *messages, enum bridge_layout layout,
			 uint64_t first, uint32_t blocks, uint32_t each)
{
	msgpack_packer packer;

	begin_batch(&messages->batches[messages->count], &packer, blocks / each);
	for (uint32_t i = blocks; i >= each; i -= each)
		pack_removal(&packer, layout, first + i - each, each);
	end_batch(messages, &packer, blocks / each, blocks);
}

/* A store, and the removal of the one before. */
static void make_single(struct bridge_messages *messages, enum bridge_layout layout,
			uint32_t groups)
{
	add_store(messages, layout, 0, 1);
	for (uint32_t i = 1; i < groups; i++) {
		add_store(messages, layout, i, 1);
		add_removals(messages, layout, i - 1, 1, 1);
	}
}

static void make_groups(struct bridge_messages *messages, enum bridge_layout layout,
			uint32_t groups)
{
	uint32_t of_group = BRIDGE_GROUP * BRIDGE_STORE;
	/* SGLang removes all pages of a node by one event, the others one block an event */
	uint32_t each = layout == BRIDGE_SGLANG ? BRIDGE_STORE : 1;

	for (uint32_t group = 0; group < groups; group++) {
		for (uint32_t i = 0; i < BRIDGE_GROUP; i++)
			add_store(messages, layout, (uint64_t)group * of_group + i * BRIDGE_STORE,
				  BRIDGE_STORE);
		if (group > 0)
			add_removals(messages, layout, (uint64_t)(group - 1) * of_group, of_group,
				     each);
	}
	add_removals(messages, layout, (uint64_t)(groups - 1) * of_group, of_group, each);
	add_store(messages, layout, (uint64_t)groups * of_group, 1);
}

void bridge_messages_make(struct bridge_messages *messages, enum bridge_layout layout,
			  uint32_t groups, int single)
{
	*messages = (struct bridge_messages){0};
	messages->batches =
		calloc((uint64_t)groups * (BRIDGE_GROUP + 1) + 2, sizeof(*messages->batches));
	if (!messages->batches) {
		fprintf(stderr, "bench-bridge: no memory\n");
		exit(1);
	}
	if (single)
		make_single(messages, layout, groups);
	else
		make_groups(messages, layout, groups);
}

void bridge_messages_free(struct bridge_messages *messages)
{
	for (uint32_t i = 0; i < messages->count; i++)
		msgpack_sbuffer_destroy(&messages->batches[i]);
	free(messages->batches);
}

int bridge_engine_open(struct bridge_engine *engine)
{
	static uint32_t number;
	int all = 0;

	/* abstract: nothing stays */
	snprintf(engine->endpoint, sizeof(engine->endpoint), "ipc://@rdx-bench-%d-%u",
		 (int)getpid(), number++);
	engine->context = zmq_ctx_new();
	engine->stream = engine->context ? zmq_socket(engine->context, ZMQ_XPUB) : NULL;
	if (!engine->stream || zmq_setsockopt(engine->stream, ZMQ_SNDHWM, &all, sizeof(all)) < 0 ||
	    zmq_setsockopt(engine->stream, ZMQ_LINGER, &all, sizeof(all)) < 0 ||
	    zmq_bind(engine->stream, engine->endpoint) < 0)
		return -errno;
	return 0;
}

void bridge_engine_close(struct bridge_engine *engine)
{
	if (engine->stream)
		zmq_close(engine->stream);
	if (engine->context)
		zmq_ctx_term(engine->context);
}

int bridge_engine_await(struct bridge_engine *engine)
{
	int patience = PATIENCE_MS;
	uint8_t subscription;

	zmq_setsockopt(engine->stream, ZMQ_RCVTIMEO, &patience, sizeof(patience));
	return zmq_recv(engine->stream, &subscription, sizeof(subscription), 0) >= 0;
}

static void sleep_until(uint64_t ns)
{
	struct timespec time = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

void bridge_engine_send(struct bridge_engine *engine, const struct bridge_messages *messages,
			uint32_t rate)
{
	uint64_t begin_ns = rdx_clock_ns();

	for (uint32_t i = 0; i < messages->count; i++) {
		uint64_t sequence = __builtin_bswap64(i);

		if (rate && i % BURST == 0)
			sleep_until(begin_ns + i * NS_PER_S / rate);
		zmq_send(engine->stream, "", 0, ZMQ_SNDMORE);
		zmq_send(engine->stream, &sequence, sizeof(sequence), ZMQ_SNDMORE);
		zmq_send(engine->stream, messages->batches[i].data, messages->batches[i].size, 0);
	}
}
